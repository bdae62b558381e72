//! What the edge accepts, refuses and counts.
