//! Does what README.md tells a newcomer to do: starts the demo, runs each example, stops it.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::ports;
use crate::process::{Group, check_interrupted, output};
use crate::progress::step;
use crate::workspace::{Workspace, on_path};

/// Where the README's examples find the demo.
const ADDRESS: &str = "127.0.0.1:4000";
/// It may have to compile.
const START_LIMIT: Duration = Duration::from_secs(900);
const STOP_LIMIT: Duration = Duration::from_secs(30);
const EXAMPLE_LIMIT: Duration = Duration::from_secs(60);

/// Fails when an example does not do what the README promises, or something is left behind.
pub(crate) fn check(workspace: &Workspace, python: &Path) -> Result<()> {
    let text = fs::read_to_string(workspace.root.join("README.md"))?;
    let http = ports::free()?;
    let state = workspace.target.join("readme-state");
    if state.exists() {
        fs::remove_dir_all(&state)?;
    }
    let mut demo = step("cargo xtask up", || start(workspace, http, &state))?;
    for example in examples(&text, "sh").filter(|example| example.contains(ADDRESS)) {
        shell(&example.replace(ADDRESS, &http.to_string()))?;
    }
    for example in examples(&text, "python") {
        let script = example.replace(ADDRESS, &http.to_string());
        let said = output(Command::new(python).args(["-c", &script]), EXAMPLE_LIMIT)?;
        if said.trim().is_empty() {
            bail!("the Python example prints nothing");
        }
    }
    stop(&mut demo, http, &state)
}

fn start(workspace: &Workspace, http: SocketAddr, state: &Path) -> Result<Group> {
    let mut cargo = workspace.cargo();
    cargo
        .args(["xtask", "up", "--http", &http.to_string()])
        .args(["--https", &ports::free()?.to_string(), "--state"])
        .arg(state)
        .stdout(Stdio::piped());
    let mut demo = Group::spawn(&mut cargo)?;
    let lines = lines(&mut demo)?;
    let end = Instant::now() + START_LIMIT;
    loop {
        match lines.recv_timeout(Duration::from_millis(100)) {
            Ok(line) if line.starts_with("ready") => return Ok(demo),
            Ok(_) | Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                bail!("`cargo xtask up` ended before it was ready")
            }
        }
        check_interrupted()?;
        if Instant::now() > end {
            bail!(
                "`cargo xtask up` was not ready after {} s",
                START_LIMIT.as_secs()
            );
        }
    }
}

fn lines(demo: &mut Group) -> Result<Receiver<String>> {
    let pipe = demo.child().stdout.take().context("no pipe")?;
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            // Read on when nobody listens any more: a full pipe would hold the demo up.
            let _ = sender.send(line);
        }
    });
    Ok(receiver)
}

/// A curl line has to print an answer, a stream to its end, or a new key.
fn shell(example: &str) -> Result<()> {
    if on_path("curl").is_none() {
        eprintln!("    no curl here: its examples are left out");
        return Ok(());
    }
    let said = output(Command::new("sh").args(["-c", example]), EXAMPLE_LIMIT)?;
    let whole = said.contains(r#""finish_reason":"stop""#);
    let streamed = !example.contains(r#""stream": true"#) || said.contains("data: [DONE]");
    let made = example.contains("/key/generate") && said.contains(r#""key":"sk-"#);
    if !(made || whole && streamed) {
        bail!("this does not print an answer:\n{example}\nbut:\n{said}");
    }
    Ok(())
}

/// Ctrl-C, and then nothing may be left.
fn stop(demo: &mut Group, http: SocketAddr, state: &Path) -> Result<()> {
    let pid = Pid::from_raw(demo.id()).context("no process id")?;
    kill_process(pid, Signal::INT)?;
    match demo.wait(Some(STOP_LIMIT))? {
        Some(status) if status.success() => {}
        Some(status) => bail!("after Ctrl-C `cargo xtask up` ends with {status}"),
        None => bail!("`cargo xtask up` does not end on Ctrl-C"),
    }
    ports::require_free("--http", http)?;
    let left = processes_naming(state);
    if !left.is_empty() {
        bail!(
            "`cargo xtask up` leaves processes behind: {}",
            left.join(", ")
        );
    }
    Ok(())
}

/// Processes, other than us, with `path` in their command line; none where there is no /proc.
fn processes_naming(path: &Path) -> Vec<String> {
    let path = path.to_string_lossy();
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|process| {
            let line = fs::read(process.path().join("cmdline")).ok()?;
            let line = String::from_utf8_lossy(&line).replace('\0', " ");
            line.contains(path.as_ref()).then_some(line)
        })
        .collect()
}

/// The contents of the fenced blocks of `language`.
fn examples<'a>(text: &'a str, language: &str) -> impl Iterator<Item = &'a str> {
    let fence = format!("```{language}\n");
    let starts: Vec<usize> = text
        .match_indices(&fence)
        .map(|(at, _)| at + fence.len())
        .collect();
    starts.into_iter().filter_map(|start| {
        let rest = text.get(start..)?;
        rest.get(..rest.find("```")?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fenced_blocks_are_found_by_language() {
        let text = "a\n```sh\ncurl x\n```\nb\n```python\np\n```\n```sh\ntwo\n```\n";
        assert_eq!(
            examples(text, "sh").collect::<Vec<_>>(),
            ["curl x\n", "two\n"]
        );
        assert_eq!(examples(text, "python").collect::<Vec<_>>(), ["p\n"]);
    }
}
