//! Checks the compose files without an engine: what a newcomer would otherwise find out by failing.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::envoy::VERSION;
use crate::process::output;
use crate::workspace::{Profile, Workspace, on_path};

const FILE: &str = "docker-compose.yaml";
const EXAMPLE: &str = ".env.example";
const BOOTSTRAP: &str = "deploy/envoy.json";
const CONFIG: &str = "deploy/config.yaml";
const LIMIT: Duration = Duration::from_secs(60);

/// Fails with everything that is wrong.
pub(crate) fn check(workspace: &Workspace, envoy: &Path) -> Result<()> {
    let root = &workspace.root;
    let text = read(root, FILE)?;
    let compose: Value =
        serde_yaml_ng::from_str(&text).with_context(|| format!("{FILE} is not YAML"))?;
    let example = variables_of_example(&read(root, EXAMPLE)?);
    let mut wrong = Vec::new();
    mounts(root, &compose, &mut wrong);
    published(&compose, &mut wrong);
    variables(&text, &read(root, CONFIG)?, &compose, &example, &mut wrong);
    images(&compose, &mut wrong);
    shared(&compose, &read(root, "Dockerfile")?, &mut wrong);
    bootstrap(workspace, envoy, &compose, &mut wrong);
    engine(root, &mut wrong);
    if !wrong.is_empty() {
        bail!("{}", wrong.join("\n"));
    }
    Ok(())
}

fn read(root: &Path, name: &str) -> Result<String> {
    fs::read_to_string(root.join(name)).with_context(|| format!("cannot read {name}"))
}

fn services(compose: &Value) -> impl Iterator<Item = (&String, &Value)> {
    compose["services"].as_object().into_iter().flatten()
}

fn strings(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
}

/// Docker makes a directory where a file to mount is missing, and the program inside is confused.
fn mounts(root: &Path, compose: &Value, wrong: &mut Vec<String>) {
    for (service, definition) in services(compose) {
        for mount in strings(&definition["volumes"]) {
            let source = mount.split(':').next().unwrap_or_default();
            if source.starts_with(['.', '/']) {
                if !root.join(source).is_file() {
                    wrong.push(format!(
                        "{FILE}: {service} mounts {source}, which is no file here"
                    ));
                }
            } else if compose["volumes"].get(source).is_none() {
                wrong.push(format!(
                    "{FILE}: the volume {source} of {service} is not declared"
                ));
            }
        }
    }
}

/// The world reaches Envoy and the chat page, and nothing else.
fn published(compose: &Value, wrong: &mut Vec<String>) {
    for (service, definition) in services(compose) {
        let publishes = !definition["ports"].is_null();
        if publishes && !["envoy", "open-webui"].contains(&service.as_str()) {
            wrong.push(format!("{FILE}: {service} must not publish ports"));
        }
        if definition["healthcheck"].is_null() {
            wrong.push(format!("{FILE}: {service} has no health check"));
        }
    }
}

/// Each variable of the compose file, and each that the configuration reads, is explained in the
/// example and reaches the service.
fn variables(
    text: &str,
    config: &str,
    compose: &Value,
    example: &BTreeSet<String>,
    wrong: &mut Vec<String>,
) {
    for name in after_each(text, "${") {
        if !example.contains(&name) {
            wrong.push(format!("{FILE} uses {name}, which is not in {EXAMPLE}"));
        }
    }
    let given = &compose["services"]["dragoman"]["environment"];
    for name in after_each(config, "os.environ/") {
        if !example.contains(&name) {
            wrong.push(format!("{CONFIG} uses {name}, which is not in {EXAMPLE}"));
        }
        if given.get(&name).is_none() {
            wrong.push(format!(
                "{CONFIG} uses {name}, which {FILE} does not hand to dragoman"
            ));
        }
    }
}

fn after_each(text: &str, mark: &str) -> BTreeSet<String> {
    text.lines()
        .filter(|line| !line.trim_start().starts_with('#'))
        .flat_map(|line| line.split(mark).skip(1))
        .map(|rest| {
            let end = rest.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
            rest.get(..end.unwrap_or(rest.len()))
                .unwrap_or_default()
                .to_owned()
        })
        .collect()
}

fn variables_of_example(text: &str) -> BTreeSet<String> {
    text.lines()
        // A commented assignment explains an optional variable.
        .map(|line| line.trim_start_matches(['#', ' ']))
        .filter_map(|line| line.split_once('='))
        .map(|(name, _)| name.trim().to_owned())
        .collect()
}

fn images(compose: &Value, wrong: &mut Vec<String>) {
    let image = compose["services"]["envoy"]["image"].as_str();
    if image != Some(&format!("envoyproxy/envoy:v{VERSION}")) {
        wrong.push(format!(
            "{FILE}: Envoy's image is not the version {VERSION} that is tested"
        ));
    }
}

/// The folders that Envoy shares with the service are there for both, at the same place and for the
/// same user; and Envoy keeps nothing of its log back.
fn shared(compose: &Value, dockerfile: &str, wrong: &mut Vec<String>) {
    let (envoy, service) = (
        &compose["services"]["envoy"],
        &compose["services"]["dragoman"],
    );
    let folders = strings(&service["command"]).filter_map(|flag| flag.split_once("-dir="));
    for (flag, folder) in folders {
        let writes = flag == "--spool";
        for (name, definition) in [("envoy", envoy), ("dragoman", service)] {
            let mount = strings(&definition["volumes"])
                .filter_map(|mount| mount.split_once(':'))
                .find(|(_, place)| place.trim_end_matches(":ro") == folder);
            match mount {
                None => wrong.push(format!("{FILE}: {name} does not mount {folder}")),
                Some((_, place)) if writes && place.ends_with(":ro") => {
                    wrong.push(format!("{FILE}: {name} cannot write {folder}"));
                }
                Some(_) => {}
            }
        }
        let made = folder.replace("/var/lib/", "/folders/");
        let makes = |line: &str| line.split_whitespace().any(|word| word == made);
        if !dockerfile.lines().any(makes) {
            wrong.push(format!("Dockerfile does not make {folder} for its user"));
        }
    }
    let user = dockerfile
        .lines()
        .find_map(|line| line.strip_prefix("USER "));
    if envoy["user"].as_str() != user {
        wrong.push(format!(
            "{FILE}: envoy is not the user of the service's image"
        ));
    }
    let command: Vec<&str> = strings(&envoy["command"]).collect();
    let flush = ["--file-flush-interval-msec", "100"];
    if !command.windows(2).any(|pair| pair == flush) {
        wrong.push(format!(
            "{FILE}: envoy keeps its log back; give it {}",
            flush.join(" ")
        ));
    }
}

/// The mounted bootstrap is what the service would write, and Envoy takes it.
fn bootstrap(workspace: &Workspace, envoy: &Path, compose: &Value, wrong: &mut Vec<String>) {
    let file = workspace.root.join(BOOTSTRAP);
    let mut command = Command::new(workspace.binary(Profile::Dev, "dragoman"));
    let flags = flags(&compose["services"]["dragoman"]["command"]);
    command.arg("bootstrap").args(&flags);
    match (output(&mut command, LIMIT), fs::read_to_string(&file)) {
        (Ok(made), Ok(kept)) if made.trim() == kept.trim() => {}
        (Ok(_), Ok(_)) => wrong.push(format!(
            "{BOOTSTRAP} is out of date: dragoman bootstrap {} > {BOOTSTRAP}",
            flags.join(" ")
        )),
        (Err(error), _) => wrong.push(format!("{error:#}")),
        (_, Err(error)) => wrong.push(format!("cannot read {BOOTSTRAP}: {error}")),
    }
    let mut validate = Command::new(envoy);
    validate
        .args([
            "--mode",
            "validate",
            "--disable-hot-restart",
            "--config-path",
        ])
        .arg(&file);
    if let Err(error) = output(&mut validate, LIMIT) {
        wrong.push(format!("Envoy refuses {BOOTSTRAP}: {error:#}"));
    }
}

/// Of the service's flags, those that the bootstrap depends on.
fn flags(command: &Value) -> Vec<String> {
    strings(command)
        .filter(|flag| {
            ["--grpc=", "--api=", "--envoy-admin="]
                .iter()
                .any(|name| flag.starts_with(name))
        })
        .map(str::to_owned)
        .collect()
}

/// Docker's own opinion, where it is installed.
fn engine(root: &Path, wrong: &mut Vec<String>) {
    let arguments = ["--env-file", EXAMPLE, "--file", FILE, "config", "--quiet"];
    let mut command = if on_path("docker-compose").is_some() {
        Command::new("docker-compose")
    } else {
        let mut docker = Command::new("docker");
        docker.arg("compose");
        let mut probe = Command::new("docker");
        if output(probe.args(["compose", "version"]), LIMIT).is_err() {
            eprintln!("    no docker compose here: its own check is left out");
            return;
        }
        docker
    };
    if let Err(error) = output(command.args(arguments).current_dir(root), LIMIT) {
        wrong.push(format!("{error:#}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_found_wherever_they_stand() {
        let text = "a: ${ONE:-x}${TWO}\n# ${NOT_THIS}\nb: os.environ/THREE";
        let names = after_each(text, "${");
        assert_eq!(names.into_iter().collect::<Vec<_>>(), ["ONE", "TWO"]);
        assert!(after_each(text, "os.environ/").contains("THREE"));
    }

    #[test]
    fn folders_that_one_side_lacks_and_another_user_are_told() {
        let compose = |envoy: &str| -> Value {
            let text = format!(
                "services:\n  dragoman:\n    command: [\"--spool-dir=/var/lib/s\"]\n    \
                 volumes: [\"s:/var/lib/s\"]\n  envoy:\n    {envoy}\n"
            );
            serde_yaml_ng::from_str(&text).unwrap()
        };
        let dockerfile = "RUN install --mode=0700 /folders/s\nUSER 7:7";
        let faults = |envoy: &str| {
            let mut wrong = Vec::new();
            shared(&compose(envoy), dockerfile, &mut wrong);
            wrong
        };
        let right = "command: [envoy, --file-flush-interval-msec, \"100\"]\n    user: \"7:7\"\n    \
                     volumes: [\"s:/var/lib/s\"]";
        assert_eq!(faults(right), [""; 0]);
        let read_only = right.replace("/var/lib/s\"", "/var/lib/s:ro\"");
        assert_eq!(faults(&read_only).len(), 1);
        assert_eq!(faults("user: root").len(), 3);
    }

    #[test]
    fn a_commented_assignment_counts_as_an_example() {
        let names = variables_of_example("A=1\n# B=2\n# words\n");
        assert_eq!(names.into_iter().collect::<Vec<_>>(), ["A", "B"]);
    }

    #[test]
    fn a_mount_that_is_missing_and_an_undeclared_volume_are_told() {
        let compose: Value = serde_yaml_ng::from_str(
            "services:\n  a:\n    volumes: [\"./none.yaml:/x:ro\", \"data:/data\"]\n",
        )
        .unwrap();
        let mut wrong = Vec::new();
        mounts(Path::new(env!("CARGO_MANIFEST_DIR")), &compose, &mut wrong);
        assert_eq!(wrong.len(), 2, "{wrong:?}");
    }
}
