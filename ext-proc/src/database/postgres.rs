//! A real PostgreSQL for tests: started once per test process, with a fresh database per test.

use std::io;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::sync::OnceCell;

/// Debian's package of the server, and what it needs to be on the machine.
const PACKAGE: &str = "postgresql";
const BINARIES: &str = "/usr/lib/postgresql";
const START: Duration = Duration::from_secs(60);

/// Runs the server until standard input ends, which it does when the test process ends, in whatever
/// way; then removes everything. The server refuses to be root.
const SCRIPT: &str = r#"
    bin=$1 dir=$2 port=$3
    as=
    if [ "$(id -u)" = 0 ]; then
        chown postgres "$dir"
        as="setpriv --reuid=postgres --regid=postgres --init-groups"
    fi
    cd "$dir"
    if $as "$bin/initdb" -D "$dir/data" -U postgres -A trust -E UTF8 --no-sync >"$dir.log" 2>&1; then
        $as "$bin/postgres" -D "$dir/data" -p "$port" -k "$dir" \
            -c listen_addresses=127.0.0.1 -c fsync=off >>"$dir.log" 2>&1 &
        server=$!
        cat >/dev/null
        kill -INT $server
        wait $server
    fi
    cd /
    rm -rf "$dir" "$dir.log"
"#;

static SERVER: OnceCell<Option<Server>> = OnceCell::const_new();
static DATABASES: AtomicU32 = AtomicU32::new(0);

struct Server {
    port: u16,
    /// Its standard input ends with this process.
    _script: Child,
}

/// The URL of a fresh database; `None`, with a loud line, on a machine without PostgreSQL.
pub(crate) async fn database() -> Option<String> {
    let server = SERVER.get_or_init(start).await.as_ref()?;
    let name = format!("test_{}", DATABASES.fetch_add(1, Ordering::Relaxed));
    let mut connection = PgConnection::connect(&server.url("postgres"))
        .await
        .unwrap();
    sqlx::query(AssertSqlSafe(format!("CREATE DATABASE {name}")))
        .execute(&mut connection)
        .await
        .unwrap();
    Some(server.url(&name))
}

impl Server {
    fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }
}

async fn start() -> Option<Server> {
    let Some(binaries) = binaries() else {
        missing();
        return None;
    };
    let server = launch(&binaries).unwrap();
    let deadline = Instant::now() + START;
    while let Err(error) = PgConnection::connect(&server.url("postgres")).await {
        assert!(
            Instant::now() < deadline,
            "PostgreSQL does not start: {error}"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Some(server)
}

fn launch(binaries: &Path) -> io::Result<Server> {
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let folder = tempfile::Builder::new().prefix("dragoman-pg-").tempdir()?;
    let script = Command::new("sh")
        .args(["-c", SCRIPT, "sh"])
        .arg(binaries)
        .arg(folder.keep())
        .arg(port.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let _script = script;
    Ok(Server { port, _script })
}

/// The newest version's.
fn binaries() -> Option<PathBuf> {
    let versions = std::fs::read_dir(BINARIES).ok()?;
    let found = versions.filter_map(|version| {
        let version = version.ok()?;
        let number: u32 = version.file_name().to_str()?.parse().ok()?;
        let binaries = version.path().join("bin");
        binaries
            .join("initdb")
            .exists()
            .then_some((number, binaries))
    });
    found.max().map(|(_, binaries)| binaries)
}

#[expect(clippy::print_stderr, reason = "for the person who runs the tests")]
fn missing() {
    assert!(
        std::env::var_os("CI").is_none(),
        "PostgreSQL is not installed (Debian's package {PACKAGE})"
    );
    eprintln!(
        "\n!!! SKIPPED: PostgreSQL is not installed, so nothing is tested with it. \
         Install Debian's package {PACKAGE}. !!!\n"
    );
}
