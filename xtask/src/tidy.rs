//! `cargo xtask tidy`: where the code has outgrown the house's measures.
//!
//! Long files and functions are told; a missing `//!`, a path of somebody's machine, and output by
//! `println!` or `dbg!` outside of command line tools are errors.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::workspace::Workspace;

mod function;

const LONG_FILE: usize = 600;
const LONG_FUNCTION: usize = 100;
/// Folders of the checkout that hold no code of ours.
const SKIPPED: [&str; 4] = ["target", "state", ".git", "node_modules"];
/// Homes and scratch folders that only exist on somebody's machine. Written in halves, so that this
/// file does not find itself.
const MACHINE_PATHS: [(&str, &str); 4] = [
    ("/ho", "me/"),
    ("/Us", "ers/"),
    ("/ro", "ot/"),
    ("/tm", "p/lab"),
];
/// Command line tools print; tests may.
const MAY_PRINT: [&str; 3] = ["xtask/", "tests/", "ext-proc/src/main.rs"];

#[derive(Debug, PartialEq, Eq)]
struct Finding {
    file: String,
    line: usize,
    what: What,
}

#[derive(Debug, PartialEq, Eq)]
enum What {
    LongFile(usize),
    LongFunction(String, usize),
    NoModuleDocs,
    MachinePath,
    Print,
}

impl What {
    const fn is_error(&self) -> bool {
        match self {
            Self::LongFile(_) | Self::LongFunction(..) => false,
            Self::NoModuleDocs | Self::MachinePath | Self::Print => true,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let weight = if self.what.is_error() {
            "error"
        } else {
            "note"
        };
        write!(formatter, "{weight}: {}:{}: ", self.file, self.line)?;
        match &self.what {
            What::LongFile(lines) => {
                write!(formatter, "{lines} lines; split it beyond {LONG_FILE}")
            }
            What::LongFunction(name, lines) => {
                write!(
                    formatter,
                    "`{name}` has {lines} lines; split it beyond {LONG_FUNCTION}"
                )
            }
            What::NoModuleDocs => formatter.write_str("the file does not begin with a `//!` line"),
            What::MachinePath => formatter.write_str("a path that exists on one machine only"),
            What::Print => formatter.write_str("prints; services log with tracing"),
        }
    }
}

/// `cargo xtask tidy`
pub(crate) fn tidy(workspace: &Workspace) -> Result<()> {
    let mut files = Vec::new();
    collect(&workspace.root, &mut files)?;
    files.sort();
    let mut findings = Vec::new();
    for file in &files {
        let text =
            fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        let name = file.strip_prefix(&workspace.root).unwrap_or(file);
        inspect(&name.to_string_lossy(), &text, &mut findings);
    }
    for finding in &findings {
        println!("{finding}");
    }
    let errors = findings
        .iter()
        .filter(|found| found.what.is_error())
        .count();
    println!(
        "tidy: {} files, {errors} errors, {} notes",
        files.len(),
        findings.len() - errors
    );
    if errors > 0 {
        bail!("{errors} findings that are not allowed");
    }
    Ok(())
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in
        fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?
    {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_dir() {
            if !SKIPPED.contains(&name.as_ref()) {
                collect(&path, files)?;
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(())
}

fn inspect(file: &str, text: &str, findings: &mut Vec<Finding>) {
    let mut found = |line: usize, what: What| {
        findings.push(Finding {
            file: file.to_owned(),
            line,
            what,
        });
    };
    let lines = text.lines().count();
    if lines > LONG_FILE {
        found(1, What::LongFile(lines));
    }
    if !text.starts_with("//!") {
        found(1, What::NoModuleDocs);
    }
    let may_print = MAY_PRINT.iter().any(|allowed| file.starts_with(allowed))
        || file.contains("/tests/")
        || file.ends_with("build.rs")
        // Said aloud, with a reason, where it happens.
        || text.contains("clippy::print_std");
    for (index, line) in text.lines().enumerate() {
        let names_a_machine = MACHINE_PATHS.iter().any(|(left, right)| {
            line.match_indices(left).any(|(at, _)| {
                line.get(at + left.len()..)
                    .is_some_and(|rest| rest.starts_with(right))
            })
        });
        if names_a_machine {
            found(index + 1, What::MachinePath);
        }
        let code = line.trim_start();
        let prints = ["println!(", "eprintln!(", "print!(", "eprint!(", "dbg!("]
            .iter()
            .any(|call| code.starts_with(call));
        if prints && !may_print {
            found(index + 1, What::Print);
        }
    }
    for function in function::functions(text) {
        if function.lines > LONG_FUNCTION {
            found(
                function.line,
                What::LongFunction(function.name, function.lines),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(file: &str, text: &str) -> Vec<What> {
        let mut findings = Vec::new();
        inspect(file, text, &mut findings);
        findings.into_iter().map(|finding| finding.what).collect()
    }

    #[test]
    fn a_tidy_file_has_no_findings() {
        assert_eq!(findings("a/src/lib.rs", "//! Good.\n\nfn f() {}\n"), []);
    }

    #[test]
    fn a_file_without_module_docs_is_an_error() {
        assert_eq!(
            findings("a/src/lib.rs", "fn f() {}\n"),
            [What::NoModuleDocs]
        );
    }

    #[test]
    fn a_home_folder_is_an_error() {
        let text = format!("//! D.\nconst P: &str = \"{}{}me/x\";\n", "/ho", "me/");
        assert_eq!(findings("a/src/lib.rs", &text), [What::MachinePath]);
    }

    #[test]
    fn printing_is_for_command_line_tools() {
        let text = "//! D.\nfn f() {\n    println!(\"x\");\n}\n";
        assert_eq!(findings("a/src/lib.rs", text), [What::Print]);
        assert_eq!(findings("xtask/src/lib.rs", text), []);
        let with_reason = format!("{text}#[expect(clippy::print_stdout, reason = \"r\")]\n");
        assert_eq!(findings("a/src/lib.rs", &with_reason), []);
    }

    #[test]
    fn a_long_file_and_a_long_function_are_notes() {
        let text = format!("//! D.\nfn long() {{\n{}}}\n", "    work();\n".repeat(700));
        let whats = findings("a/src/lib.rs", &text);
        assert_eq!(
            whats,
            [What::LongFile(703), What::LongFunction("long".into(), 702)]
        );
        assert!(!whats.iter().any(What::is_error));
    }
}
