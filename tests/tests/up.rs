//! `cargo xtask up` with what cannot work: one clear line each.

use std::{
    fs,
    net::TcpListener,
    process::{Command, Output, Stdio},
};

use dragoman_tests::harness::xtask;

fn up(arguments: &[&str]) -> Output {
    let mut command = Command::new(xtask());
    command.arg("up").args(arguments).stdin(Stdio::null());
    command.output().expect("xtask runs")
}

/// It failed, and said so in one line that holds all of `words`.
fn says(output: &Output, words: &[&str]) {
    assert!(!output.status.success(), "{output:?}");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let lines: Vec<&str> = said
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    assert_eq!(lines.len(), 1, "{said}");
    for word in words {
        assert!(said.contains(word), "no `{word}` in: {said}");
    }
}

#[test]
fn a_port_that_is_taken() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let state = tempfile::tempdir().expect("a folder");
    let folder = state.path().to_str().expect("text");
    says(
        &up(&["--http", &address, "--state", folder]),
        &[&address, "taken", "--http"],
    );
}

#[test]
fn a_configuration_that_is_not_there() {
    says(
        &up(&["--config", "/nowhere/config.yaml"]),
        &["/nowhere/config.yaml"],
    );
}

#[test]
fn a_folder_where_the_configuration_should_be() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().to_str().expect("text");
    says(&up(&["--config", path]), &[path, "directory"]);
}

#[test]
fn a_file_where_the_state_should_be() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("state");
    fs::write(&file, "").expect("written");
    let path = file.to_str().expect("text");
    let free = dragoman_tests::harness::free_port().to_string();
    let other = dragoman_tests::harness::free_port().to_string();
    says(
        &up(&["--state", path, "--http", &free, "--https", &other]),
        &[path, "file"],
    );
}
