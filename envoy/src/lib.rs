//! Envoy's resources out of a topology: clusters, routes, listeners, secrets, the bootstrap.
