//! Files that are wrong: the exact line that a person gets.

use super::{nothing, one, with};
use crate::load;

/// The message for a file of `fixtures/wrong`.
fn message(name: &str) -> String {
    let path = format!("{}/fixtures/wrong/{name}.yaml", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).unwrap();
    load(&text, &nothing).unwrap_err().to_string()
}

#[test]
fn every_wrong_file_has_its_message() {
    let folder = format!("{}/fixtures/wrong", env!("CARGO_MANIFEST_DIR"));
    let names = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut names: Vec<_> = names
        .map(|path| path.file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    names.sort_unstable();
    let lines: Vec<_> = names
        .iter()
        .map(|name| format!("{name}: {}", message(name)))
        .collect();
    insta::assert_snapshot!("wrong", lines.join("\n"));
}

#[test]
fn an_address_in_an_unset_variable_is_not_replaced_by_another_provider() {
    let text = one("api_base: os.environ/MY_SERVER\napi_key: sk-1", "");
    assert_eq!(
        load(&text, &nothing).unwrap_err().to_string(),
        "model_list[0].litellm_params.api_base: variable MY_SERVER is not set; without it the \
         requests and the key would go to https://api.openai.com/v1"
    );
    assert!(with(&text, &[("MY_SERVER", "http://server/v1")]).is_ok());
}

#[test]
fn a_message_never_shows_text_of_the_file() {
    let text = one("api_key: [hunter2]", "");
    let message = load(&text, &nothing).unwrap_err().to_string();
    assert_eq!(
        message,
        "model_list[0].litellm_params.api_key: expected text, found a list"
    );
}

#[test]
fn enormous_and_deep_files_are_refused_without_a_crash() {
    for deep in [
        "[".repeat(1 << 20),
        "{a: ".repeat(1 << 18),
        "- ".repeat(1 << 20),
    ] {
        assert_eq!(
            load(&deep, &nothing).unwrap_err().to_string(),
            "the file is nested too deeply"
        );
    }
    let deep = one("", &format!("x: {}1{}", "[".repeat(500), "]".repeat(500)));
    assert_eq!(
        load(&deep, &nothing).unwrap_err().to_string(),
        "line 5, column 131: the file is nested too deeply"
    );
    let large = format!("a: {}", "x".repeat(3 << 20));
    assert_eq!(
        load(&large, &nothing).unwrap_err().to_string(),
        "the file has 3145731 bytes; a configuration may have 2097152 at most"
    );
}

#[test]
fn anchors_that_multiply_are_refused() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let before = format!("*a{}", level - 1);
        let list = vec![before; 10].join(", ");
        text.push_str(&format!("a{level}: &a{level} [{list}]\n"));
    }
    assert_eq!(
        load(&text, &nothing).unwrap_err().to_string(),
        "the anchors of the file repeat too much"
    );
}

#[test]
fn a_file_cut_anywhere_gets_an_answer() {
    let folder = format!("{}/fixtures/seeds", env!("CARGO_MANIFEST_DIR"));
    for entry in std::fs::read_dir(folder).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        for end in 0..text.len() {
            if let Err(error) = load(&text[..end], &nothing) {
                assert!(!error.to_string().contains('\n'), "{error}");
            }
        }
    }
}
