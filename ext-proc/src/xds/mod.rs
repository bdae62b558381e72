//! The control plane: ADS out of an immutable snapshot.

mod ads;
mod session;
mod status;

pub use ads::Ads;
pub use status::EnvoyStatus;
