//! The service's own log, on standard error.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// Starts logging: `DRAGOMAN_LOG` filters (`info` by default), JSON when nobody is watching.
pub(crate) fn start() {
    let filter = EnvFilter::try_from_env("DRAGOMAN_LOG");
    let filter = filter.unwrap_or_else(|_| EnvFilter::new("info,sqlx=warn"));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    if std::io::stderr().is_terminal() {
        let _ = builder.with_target(false).try_init();
    } else {
        let _ = builder.json().flatten_event(true).try_init();
    }
}
