//! The connection to Redis: one server, or a cluster.

use std::fmt;
use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::cluster::ClusterClient;
use redis::cluster_async::ClusterConnection;
use redis::{Client, RedisError, Script, ScriptInvocation};
use tokio::sync::OnceCell;
use tokio::time::timeout;

use super::address::Address;

/// Time for one answer. A script takes well under a millisecond; a client waits for admission.
const ANSWER: Duration = Duration::from_secs(2);
const CONNECT: Duration = Duration::from_secs(2);
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);
const RETRIES: usize = 2;

/// Connects when it is first used, and again by itself.
#[derive(Clone)]
pub(super) enum Connection {
    Single(ConnectionManager),
    Cluster(std::sync::Arc<Cluster>),
}

pub(super) struct Cluster {
    client: ClusterClient,
    connection: OnceCell<ClusterConnection>,
}

/// Why Redis does not do as it is told.
#[derive(Debug, thiserror::Error)]
pub(super) enum CallError {
    #[error("redis: {0}")]
    Redis(#[from] RedisError),
    #[error("redis does not answer in time")]
    Timeout(#[from] tokio::time::error::Elapsed),
    #[error("redis answers what no script of ours does")]
    Reply,
}

impl Connection {
    /// To the server or the cluster at `address`.
    pub(super) fn open(address: Address) -> Result<Self, RedisError> {
        if address.is_cluster {
            let mut builder = ClusterClient::builder(address.urls)
                .connection_timeout(CONNECT)
                .response_timeout(ANSWER)
                .retries(u32::try_from(RETRIES).unwrap_or(0));
            if let Some(certificates) = address.certificates {
                builder = builder.certs(certificates);
            }
            let cluster = Cluster {
                client: builder.build()?,
                connection: OnceCell::new(),
            };
            return Ok(Self::Cluster(cluster.into()));
        }
        let config = ConnectionManagerConfig::new()
            .set_min_delay(FIRST_PAUSE)
            .set_max_delay(LONGEST_PAUSE)
            .set_number_of_retries(RETRIES)
            .set_connection_timeout(Some(CONNECT))
            .set_response_timeout(Some(ANSWER));
        let url = address.urls.first().map_or("", String::as_str);
        let client = match address.certificates {
            Some(certificates) => Client::build_with_tls(url, certificates)?,
            None => Client::open(url)?,
        };
        ConnectionManager::new_lazy_with_config(client, config).map(Self::Single)
    }

    /// Runs a script; its answer is a list of texts.
    pub(super) async fn call(
        &self,
        script: &ScriptInvocation<'_>,
    ) -> Result<Vec<String>, CallError> {
        let answer = timeout(CONNECT + ANSWER, async {
            match self {
                Self::Single(connection) => script.invoke_async(&mut connection.clone()).await,
                Self::Cluster(cluster) => {
                    script.invoke_async(&mut cluster.connection().await?).await
                }
            }
        });
        Ok(answer.await??)
    }
}

impl Cluster {
    async fn connection(&self) -> Result<ClusterConnection, RedisError> {
        let connection = self
            .connection
            .get_or_try_init(|| self.client.get_async_connection());
        Ok(connection.await?.clone())
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connection")
    }
}

/// The operations, each one script, so that each is atomic.
#[derive(Debug)]
pub(super) struct Scripts {
    pub(super) reserve: Script,
    pub(super) settle: Script,
    pub(super) charge: Script,
    pub(super) expire: Script,
    pub(super) meet: Script,
    pub(super) balance: Script,
    pub(super) keep: Script,
    pub(super) none_later: Script,
    pub(super) outstanding: Script,
    pub(super) memory: Script,
}

impl Default for Scripts {
    fn default() -> Self {
        let script =
            |operation| Script::new(&format!("{}\n{operation}", include_str!("common.lua")));
        Self {
            reserve: script(include_str!("reserve.lua")),
            settle: script(include_str!("settle.lua")),
            charge: script(include_str!("charge.lua")),
            expire: script(include_str!("expire.lua")),
            meet: script(include_str!("meet.lua")),
            balance: script(include_str!("balance.lua")),
            keep: script(include_str!("keep.lua")),
            none_later: script(include_str!("none_later.lua")),
            outstanding: script(include_str!("outstanding.lua")),
            memory: script(include_str!("memory.lua")),
        }
    }
}
