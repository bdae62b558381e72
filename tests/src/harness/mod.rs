//! The real service and the real Envoy, started for a test.
//!
//! A test file shares one [`Stack`] among its tests through [`Shared`], and runs each of them with
//! [`run`], on one runtime that outlives them all:
//!
//! ```text
//! static STACK: Shared<Stack> = Shared::new();
//!
//! #[test]
//! fn a_request_is_answered() {
//!     run(async {
//!         let stack = STACK.get(start).await;
//!         let reply = stack.chat(json!({"model": "m", "messages": [...]})).await;
//!         assert_eq!(reply.status, 200);
//!     });
//! }
//! ```
//!
//! `cargo xtask test` builds everything and sets the variables that say where it is.

mod admin;
mod authority;
mod binaries;
mod client;
mod config;
mod events;
mod ledger;
mod load;
mod ports;
mod process;
mod puppet;
mod replicas;
mod servers;
mod stack;
mod tls_front;
mod warden;

use std::{
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::LazyLock,
    time::{Duration, Instant},
};

use tokio::{runtime::Runtime, sync::OnceCell};

pub use admin::Key;
pub use authority::Authority;
pub use binaries::{dragoman, envoy, python, xtask};
pub use client::{Client, Reply, Streamed, require_error};
pub use config::Config;
pub use events::{Ending, Event};
pub use ledger::{AttemptRow, Ledger, RequestRow};
pub use load::{Asked, Load, Outcome};
pub use ports::free_port;
pub use process::Process;
pub use puppet::{Conversation, Puppet};
pub use servers::{Postgres, Redis};
pub use stack::{MASTER_KEY, Setup, Stack};
pub use tls_front::{FRONT_PROTOCOL, TlsFront};

/// The APIs that providers are scripted in.
pub const DIALECTS: [&str; 6] = [
    "openai",
    "anthropic",
    "gemini",
    "ollama",
    "cohere",
    "bedrock",
];

/// How long a test waits for what should come soon.
pub const SOON: Duration = Duration::from_secs(10);

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a tokio runtime")
});

/// Runs a test on the runtime that all tests of the process share; when it fails, shows the ends of
/// the logs of what it started.
pub fn run<T>(test: impl Future<Output = T>) -> T {
    match catch_unwind(AssertUnwindSafe(|| RUNTIME.block_on(test))) {
        Ok(value) => value,
        Err(panic) => {
            process::show_logs();
            resume_unwind(panic)
        }
    }
}

/// Polls until `probe` gives a value; after [`SOON`] the test fails with what `probe` was.
pub async fn eventually<T>(what: &str, probe: impl AsyncFnMut() -> Option<T>) -> T {
    eventually_within(SOON, what, probe).await
}

/// The same with another deadline.
///
/// # Panics
/// When the time is up.
pub async fn eventually_within<T>(
    limit: Duration,
    what: &str,
    mut probe: impl AsyncFnMut() -> Option<T>,
) -> T {
    let end = Instant::now() + limit;
    loop {
        if let Some(value) = probe().await {
            return value;
        }
        assert!(Instant::now() < end, "still not so after {limit:?}: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Something that the tests of a file share; the first that needs it starts it.
#[derive(Debug)]
pub struct Shared<T>(OnceCell<Result<T, String>>);

impl<T> Shared<T> {
    /// Not started yet.
    pub const fn new() -> Self {
        Self(OnceCell::const_new())
    }

    /// The thing, started with `start` by the first caller.
    ///
    /// # Panics
    /// When it does not start: once and for all, so that the other tests fail at once.
    pub async fn get(&self, start: impl AsyncFnOnce() -> anyhow::Result<T>) -> &T {
        let started = self
            .0
            .get_or_init(async || start().await.map_err(|error| format!("{error:#}")))
            .await;
        match started {
            Ok(thing) => thing,
            Err(error) => panic!("{error}"),
        }
    }
}

/// Tests that hold for a deployment of any dialect. Each becomes a module with one test per dialect,
/// whose name is also the alias that the test is given: those in brackets, else `openai` and
/// `anthropic`. The calling module has an `async fn fixture()`.
#[macro_export]
macro_rules! each_dialect {
    ([$($dialect:ident)*] $(async fn $name:ident $parameters:tt $body:block)*) => {
        $crate::each_dialect! { @ [$($dialect)*] $([$name $parameters $body])* }
    };
    ($(async fn $name:ident $parameters:tt $body:block)*) => {
        $crate::each_dialect! { @ [openai anthropic] $([$name $parameters $body])* }
    };
    (@ [$($dialect:ident)*]) => {$(
        #[test]
        fn $dialect() {
            run(async { check(fixture().await, stringify!($dialect)).await });
        }
    )*};
    (@ $dialects:tt $([$name:ident ($fixture:ident, $alias:ident) $body:block])*) => {$(
        mod $name {
            use super::*;

            async fn check($fixture: &'static Fixture, $alias: &'static str) $body

            $crate::each_dialect! { @ $dialects }
        }
    )*};
}

impl<T> Default for Shared<T> {
    fn default() -> Self {
        Self::new()
    }
}
