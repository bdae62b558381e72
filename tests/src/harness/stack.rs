//! Service and Envoy, running.

use std::{
    fs,
    net::{SocketAddr, TcpStream},
    ops::Deref,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};

use super::{
    binaries, client::Client, config::Config, ledger::Ledger, ports::free_port, process::Process,
    replicas, warden,
};

/// The master key in [`Config`]s.
pub const MASTER_KEY: &str = "sk-test-master";

/// Envoy's bootstrap, in the state folder.
const BOOTSTRAP: &str = "envoy.json";
/// How long both may take to start.
const START_LIMIT: Duration = Duration::from_secs(60);

/// What to start.
#[derive(Debug)]
pub struct Setup {
    config: String,
    key: String,
    environment: Vec<(String, String)>,
    envoy_environment: Vec<(String, String)>,
    arguments: Vec<String>,
    state: Option<PathBuf>,
    replicas: usize,
    ready: bool,
}

impl Setup {
    /// Service and Envoy with this configuration.
    pub fn new(config: &Config) -> Self {
        Self::with_text(&config.text())
    }

    /// The same with a configuration file's text.
    pub fn with_text(config: &str) -> Self {
        Self {
            config: config.to_owned(),
            key: MASTER_KEY.to_owned(),
            environment: Vec::new(),
            envoy_environment: Vec::new(),
            arguments: Vec::new(),
            state: None,
            replicas: 1,
            ready: true,
        }
    }

    /// The key that the stack's client shows, where it is not [`MASTER_KEY`].
    #[must_use]
    pub fn key(mut self, key: &str) -> Self {
        key.clone_into(&mut self.key);
        self
    }

    /// A variable in the service's environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A variable in Envoy's environment.
    #[must_use]
    pub fn envoy_env(mut self, name: &str, value: &str) -> Self {
        let variable = (name.to_owned(), value.to_owned());
        self.envoy_environment.push(variable);
        self
    }

    /// One more argument of the service.
    #[must_use]
    pub fn arg(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    /// A state folder that is there already, and stays.
    #[must_use]
    pub fn state(mut self, folder: &Path) -> Self {
        self.state = Some(folder.to_owned());
        self
    }

    /// So many services behind the one Envoy. They have the databases in common that the environment
    /// names, and nothing else.
    #[must_use]
    pub fn replicas(mut self, replicas: usize) -> Self {
        self.replicas = replicas;
        self
    }

    /// It is enough that the service answers: something that it needs is not there yet.
    #[must_use]
    pub fn unready(mut self) -> Self {
        self.ready = false;
        self
    }

    /// Starts all, and waits until a request would succeed.
    ///
    /// # Errors
    /// When one of them does not start; the message holds the end of its log.
    pub async fn start(self) -> anyhow::Result<Stack> {
        Stack::start(self).await
    }
}

/// Service and Envoy, running. Stopped when dropped.
///
/// Requests go through [`Client`], which it dereferences to.
#[derive(Debug)]
pub struct Stack {
    setup: Setup,
    /// The state folder.
    pub state: PathBuf,
    /// Where Envoy serves HTTP.
    pub http: SocketAddr,
    /// Where Envoy serves HTTPS.
    pub https: SocketAddr,
    /// Envoy's admin interface.
    pub admin: SocketAddr,
    client: Client,
    // Envoy first: it stops before the service that it reports to.
    envoy: Option<Process>,
    service: Option<Process>,
    /// The services besides the first.
    others: Vec<Process>,
    _temporary: Option<tempfile::TempDir>,
}

impl Deref for Stack {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl Stack {
    async fn start(setup: Setup) -> anyhow::Result<Self> {
        let temporary = match setup.state {
            Some(_) => None,
            None => Some(tempfile::Builder::new().prefix("dragoman-").tempdir()?),
        };
        let state = match (&temporary, &setup.state) {
            (Some(temporary), _) => {
                warden::remove(temporary.path());
                temporary.path().to_owned()
            }
            (None, state) => state.clone().unwrap_or_default(),
        };
        let http = free_port();
        let mut stack = Self {
            client: Client::new(http, &setup.key),
            setup,
            state,
            http,
            https: free_port(),
            admin: free_port(),
            envoy: None,
            service: None,
            others: Vec::new(),
            _temporary: temporary,
        };
        stack.write_config(&stack.setup.config.clone())?;
        let end = Instant::now() + START_LIMIT;
        stack.start_service(end).await?;
        for number in 1..stack.setup.replicas {
            let folder = stack.state.join(format!("replica-{number}"));
            let replica = stack.spawn_service(&folder, end).await?;
            stack.others.push(replica);
            replicas::join(&stack.bootstrap(), &folder.join(BOOTSTRAP))?;
        }
        stack.start_envoy()?;
        stack.wait_until(end, stack.setup.ready).await?;
        Ok(stack)
    }

    fn config_file(&self) -> PathBuf {
        self.state.join("config.yaml")
    }

    fn bootstrap(&self) -> PathBuf {
        self.state.join(BOOTSTRAP)
    }

    /// Replaces the configuration file.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_config(&self, text: &str) -> anyhow::Result<()> {
        let file = self.config_file();
        fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))
    }

    async fn start_service(&mut self, end: Instant) -> anyhow::Result<()> {
        let service = self.spawn_service(&self.state, end).await?;
        self.service = Some(service);
        Ok(())
    }

    /// A service with the state folder `state`.
    async fn spawn_service(&self, state: &Path, end: Instant) -> anyhow::Result<Process> {
        fs::create_dir_all(state)?;
        let bootstrap = state.join(BOOTSTRAP);
        let _ = fs::remove_file(&bootstrap);
        let mut command = Command::new(binaries::dragoman());
        command
            .arg("serve")
            .arg("--config")
            .arg(self.config_file())
            .arg("--state")
            .arg(state)
            .args(["--http", &self.http.to_string()])
            .args(["--https", &self.https.to_string()])
            .args(["--envoy-admin", &self.admin.to_string()])
            .args(&self.setup.arguments)
            .envs(self.setup.environment.iter().cloned());
        let log = state.join("service.log");
        let mut service = Process::start("the service", &mut command, &log)?;
        while !bootstrap.is_file() {
            service.require_running()?;
            if Instant::now() > end {
                bail!("the service wrote no {}", bootstrap.display());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(service)
    }

    fn start_envoy(&mut self) -> anyhow::Result<()> {
        let mut command = Command::new(binaries::envoy());
        command
            .arg("--config-path")
            .arg(self.bootstrap())
            .args(["--disable-hot-restart", "--concurrency", "2"])
            .args(["--file-flush-interval-msec", "100"])
            .envs(self.setup.envoy_environment.iter().cloned());
        let log = self.state.join("envoy.log");
        self.envoy = Some(Process::start("Envoy", &mut command, &log)?);
        Ok(())
    }

    async fn wait_until_ready(&mut self, end: Instant) -> anyhow::Result<()> {
        self.wait_until(end, true).await
    }

    async fn wait_until(&mut self, end: Instant, ready: bool) -> anyhow::Result<()> {
        let probe = self.client.clone();
        loop {
            let parts = [self.service.as_mut(), self.envoy.as_mut()];
            for part in parts.into_iter().flatten() {
                part.require_running()?;
            }
            let request = probe.bare(reqwest::Method::GET, "/health/readiness").send();
            let state = match request.await {
                Ok(reply) => {
                    let status = reply.status();
                    let text = reply.text().await.unwrap_or_default();
                    // Envoy's own reply, without the service, names nothing.
                    let answers = status == 200 || !ready && text.contains("\"failing\"");
                    if answers && TcpStream::connect(self.https).is_ok() {
                        return Ok(());
                    }
                    format!("readiness is {status}: {text}")
                }
                Err(error) => format!("{error:?}"),
            };
            if Instant::now() > end {
                bail!("not ready after {START_LIMIT:?}: {state}");
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The client that requests go through.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The ledger.
    pub fn ledger(&self) -> Ledger {
        let environment = &self.setup.environment;
        match environment.iter().find(|(name, _)| name == "DATABASE_URL") {
            Some((_, url)) => Ledger::postgres(url),
            None => Ledger::new(&self.state),
        }
    }

    /// The service.
    ///
    /// # Panics
    /// When it was stopped.
    pub fn service(&mut self) -> &mut Process {
        self.service.as_mut().expect("the service runs")
    }

    /// Envoy.
    ///
    /// # Panics
    /// When it was stopped.
    pub fn envoy(&mut self) -> &mut Process {
        self.envoy.as_mut().expect("Envoy runs")
    }

    /// What the service wrote so far.
    pub fn service_log(&self) -> String {
        fs::read_to_string(self.state.join("service.log")).unwrap_or_default()
    }

    /// What Envoy wrote so far.
    pub fn envoy_log(&self) -> String {
        fs::read_to_string(self.state.join("envoy.log")).unwrap_or_default()
    }

    /// Starts the service again, after it was stopped or killed, and waits until all is ready.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn restart_service(&mut self) -> anyhow::Result<()> {
        self.service = None;
        let end = Instant::now() + START_LIMIT;
        self.start_service(end).await?;
        self.wait_until_ready(end).await
    }

    /// Starts Envoy again, after it was stopped or killed, and waits until all is ready.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn restart_envoy(&mut self) -> anyhow::Result<()> {
        self.envoy = None;
        self.start_envoy()?;
        self.wait_until_ready(Instant::now() + START_LIMIT).await
    }

    /// A page of Envoy's admin interface.
    ///
    /// # Panics
    /// When there is no answer.
    pub async fn envoy_admin(&self, path: &str) -> String {
        let url = format!("http://{}{path}", self.admin);
        let client = reqwest::Client::builder().no_proxy().build();
        let request = client.expect("an HTTP client").get(url).send();
        let reply = request.await.expect("Envoy's admin interface answers");
        reply.text().await.expect("a text")
    }
}
