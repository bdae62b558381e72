//! Whole files: the seeds, and files that are wrong.

use crate::{Config, load};

fn nothing(_: &str) -> Option<String> {
    None
}

fn seed(name: &str) -> Config {
    let path = format!("{}/fixtures/seeds/{name}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).unwrap();
    load(&text, &nothing).unwrap()
}

#[test]
fn a_file_of_the_field_loads_unchanged() {
    assert_eq!(seed("000-router-config.yaml").aliases.len(), 4);
}
