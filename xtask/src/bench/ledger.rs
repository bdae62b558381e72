//! `cargo xtask bench --ledger ROWS`: how a ledger of so many requests starts, answers, takes new ones
//! and forgets old ones. In SQLite, or in the PostgreSQL that `DATABASE_URL` names.

use std::fs;
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::load::Target;
use super::{CONNECTIONS, KEY, Kind};
use crate::progress::{seconds, step};
use crate::stack::{Provider, Setup, Stack};
use crate::workspace::{Profile, Workspace};
use crate::{build, envoy, http, ports, wasm};

/// Rows of one transaction of the filling.
const CHUNK: u64 = 500_000;
/// What the rows are spread over, the last of them today.
const DAYS: u64 = 90;
const MS_PER_DAY: u64 = 86_400_000;
const LOAD: Duration = Duration::from_secs(10);
/// Sums of what is there: the statements with which the ledger once began to have sums.
const SUMS: &str = include_str!("../../../ext-proc/migrations/0003_spend.sql");
/// Two thousand keys of two hundred users in fifty teams, with three models each of twenty. One
/// attempt each, whose rows are left out, and no tags.
const REQUESTS: &str = "
INSERT INTO requests
SELECT '01993a00000070008' || CAST(100000000000000 + i AS TEXT), at, at / 86400000, 1200, 300,
    '0123456789abcdef0123456789abcdef0123456789abcdef01234567' || CAST(10000000 + i % 2000 AS TEXT),
    'team-' || CAST(i % 50 AS TEXT), 'user-' || CAST(i % 200 AS TEXT), NULL,
    'model-' || CAST((i % 2000 + i / 2000 % 3) % 20 AS TEXT), 'chat_completions', i % 2, 'complete', 200,
    NULL, 'd' || CAST(i % 5 AS TEXT), 'openai', 'gpt-4o', 900, 0, 0, 0, 200, 0, 0, 0, 0, 0, 'provider',
    1100000, '2026-11', 1, 4000, 2000, '[]', '[]', 0, 0
FROM (
    WITH RECURSIVE n(i) AS (
        SELECT CAST({from} AS BIGINT) UNION ALL SELECT i + 1 FROM n WHERE i + 1 < {to}
    )
    SELECT i, CAST({now} AS BIGINT) - ({rows} - i) * {step} AS at FROM n
) AS numbered;
";

/// Where the ledger is.
enum Store {
    Sqlite(PathBuf),
    Postgres(String),
}

impl Store {
    /// Runs statements as one transaction.
    fn run(&self, sql: &str) -> Result<()> {
        const PYTHON: &str = "import sqlite3, sys\n\
            db = sqlite3.connect(sys.argv[1])\n\
            db.executescript('PRAGMA synchronous=OFF; PRAGMA cache_size=-200000; BEGIN;'\n\
                + sys.stdin.read() + 'COMMIT; PRAGMA wal_checkpoint(TRUNCATE);')";
        let mut command = match self {
            Self::Sqlite(file) => {
                let mut command = Command::new("python3");
                command.args(["-c", PYTHON]).arg(file);
                command
            }
            Self::Postgres(url) => {
                let mut command = Command::new("psql");
                command.args(["-q", "-1", "-v", "ON_ERROR_STOP=1", url]);
                command
            }
        };
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()?;
        let mut input = child.stdin.take().context("no standard input")?;
        input.write_all(sql.as_bytes())?;
        drop(input);
        if child.wait()?.success() {
            Ok(())
        } else {
            bail!("the ledger cannot be filled: {command:?}")
        }
    }

    fn fill(&self, rows: u64, now: u64) -> Result<()> {
        let step = (DAYS * MS_PER_DAY / rows).max(1);
        for from in (0..rows).step_by(usize::try_from(CHUNK)?) {
            let values = [
                ("{from}", from),
                ("{to}", (from + CHUNK).min(rows)),
                ("{now}", now),
                ("{rows}", rows),
                ("{step}", step),
            ];
            let filled =
                |sql: String, (name, value): (&str, u64)| sql.replace(name, &value.to_string());
            self.run(&values.into_iter().fold(REQUESTS.to_owned(), filled))?;
        }
        let (_, sums) = SUMS
            .split_once("\nINSERT INTO spend\n")
            .context("the migration makes no sums")?;
        self.run(&format!("INSERT INTO spend\n{sums}\nANALYZE;"))
    }
}

/// Fills a ledger with `rows` requests and measures.
pub(super) fn bench(workspace: &Workspace, profile: Profile, rows: u64) -> Result<()> {
    let envoy = envoy::find_or_install(workspace)?;
    wasm::build(workspace)?;
    let scripted = [("dragoman-tests", "scripted-provider")];
    let service = build::service(workspace, profile, &scripted)?;
    let home = workspace.target.join("bench-ledger");
    let _ = fs::remove_dir_all(&home);
    fs::create_dir_all(&home)?;
    let scene = Scene {
        provider: Provider::start(
            &workspace.binary(profile, "scripted-provider"),
            &home,
            &["--fast"],
        )?,
        service,
        envoy,
        home,
        url: std::env::var("DATABASE_URL").ok(),
    };
    let measured = scene.measure(rows);
    fs::remove_dir_all(&scene.home)?;
    measured
}

struct Scene {
    provider: Provider,
    service: PathBuf,
    envoy: PathBuf,
    home: PathBuf,
    url: Option<String>,
}

impl Scene {
    fn measure(&self, rows: u64) -> Result<()> {
        let store = match &self.url {
            Some(url) => Store::Postgres(url.clone()),
            None => Store::Sqlite(self.home.join("state").join("dragoman.sqlite")),
        };
        let (_, mut empty) = self.start("")?;
        empty.stop();
        let now = now_ms()?;
        let filling = Instant::now();
        step("filling the ledger", || store.fill(rows, now))?;
        println!("| {rows} requests | |\n|---|---:|");
        let line = |what: &str, took: String| println!("| {what} | {took} |");
        line("filling, with sums and indexes", seconds(filling.elapsed()));
        let starting = Instant::now();
        let (at, mut stack) = self.start("")?;
        line(
            "start, until requests are served",
            seconds(starting.elapsed()),
        );
        for (what, path) in questions(now) {
            line(&what, ask(at, &path));
        }
        line("requests a second, meanwhile", requests_a_second(at)?);
        stack.stop();
        let keep = DAYS * 9 / 10;
        let (at, mut stack) = self.start(&format!(
            "dragoman:\n  ledger:\n    retention_days: {keep}\n"
        ))?;
        line(
            "the same, while a tenth of all is deleted",
            requests_a_second(at)?,
        );
        line("/spend/logs, while that goes on", ask(at, "/spend/logs"));
        stack.stop();
        Ok(())
    }

    fn start(&self, more: &str) -> Result<(SocketAddr, Stack)> {
        let config = self.home.join("config.yaml");
        let provider = self.provider.address;
        let text = super::ground::chain_config(provider, "fast") + more;
        fs::write(&config, text)?;
        let http = ports::free()?;
        let stack = Stack::start(&Setup {
            service: &self.service,
            envoy: &self.envoy,
            config: &config,
            state: &self.home.join("state"),
            http,
            https: ports::free()?,
            workers: Some(1),
            environment: Vec::new(),
        })?;
        Ok((http, stack))
    }
}

/// What is asked, the last pages deep in the past.
fn questions(now: u64) -> Vec<(String, String)> {
    let key = "0123456789abcdef0123456789abcdef0123456789abcdef0123456710000007";
    let deep = now - DAYS * MS_PER_DAY * 9 / 10;
    let deep = format!("after_ms={deep}&after_id=z");
    let filters = [
        ("", String::new()),
        (" of a key", format!("&api_key={key}")),
        (" of a user", "&user_id=user-7".to_owned()),
        (" of a team", "&team_id=team-7".to_owned()),
        (" of a model", "&model=model-7".to_owned()),
        (
            " of a model that nobody asked for",
            "&model=none".to_owned(),
        ),
    ];
    let mut asked = Vec::new();
    for (of, filter) in &filters {
        let first = format!("/spend/logs?limit=100{filter}");
        asked.push((format!("/spend/logs, first page{of}"), first));
        let far = format!("/spend/logs?limit=100&{deep}{filter}");
        asked.push((format!("/spend/logs, deep page{of}"), far));
    }
    for path in [
        "/spend/keys",
        "/spend/users",
        "/spend/tags",
        "/global/spend",
    ] {
        asked.push((path.to_owned(), path.to_owned()));
    }
    for (of, filter) in [
        ("a team", "team_id=team-7".to_owned()),
        ("a key", format!("api_key={key}")),
    ] {
        let dates = "start_date=2020-01-01&end_date=2099-01-01";
        let path = format!("/global/spend/report?{dates}&group_by=model&{filter}");
        asked.push((format!("/global/spend/report of {of}, all days"), path));
    }
    asked
}

/// The first answer, and the best of two more.
fn ask(at: SocketAddr, path: &str) -> String {
    let once = || {
        let begun = Instant::now();
        match http::get_with_key(at, path, KEY) {
            Ok(answer) if answer.status == 200 => Ok(begun.elapsed()),
            Ok(answer) => Err(format!("status {}", answer.status)),
            Err(error) => Err(format!("{error:#}")),
        }
    };
    match (once(), once(), once()) {
        (Ok(first), Ok(second), Ok(third)) => {
            let best = second.min(third);
            format!("{} ms, then {} ms", first.as_millis(), best.as_millis())
        }
        (Err(error), ..) | (_, Err(error), _) | (.., Err(error)) => error,
    }
}

fn requests_a_second(at: SocketAddr) -> Result<String> {
    let target = Target::new(at, KEY, &Kind::Json.facts(), &Kind::Json.body());
    let sample = target.load(CONNECTIONS, LOAD)?;
    let whole = sample.whole.len() as u64 * 1_000;
    let lasted = u64::try_from(sample.lasted.as_millis())?.max(1);
    Ok((whole / lasted).to_string())
}

fn now_ms() -> Result<u64> {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
    Ok(u64::try_from(since.as_millis())?)
}
