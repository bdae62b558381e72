//! Finds the filter module that is embedded in the service.
//!
//! `DRAGOMAN_FILTER_WASM` names it; `cargo xtask` sets it. Without it the service still builds, for
//! `cargo check` and for tests, and says at start that it has no filter.

use std::path::PathBuf;
use std::{env, fs};

fn main() {
    println!("cargo::rerun-if-env-changed=DRAGOMAN_FILTER_WASM");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=migrations");
    let out = PathBuf::from(env::var("OUT_DIR").expect("cargo sets OUT_DIR")).join("filter.wasm");
    let module = match env::var("DRAGOMAN_FILTER_WASM") {
        Ok(path) => {
            println!("cargo::rerun-if-changed={path}");
            fs::read(&path).unwrap_or_else(|error| panic!("DRAGOMAN_FILTER_WASM={path}: {error}"))
        }
        Err(_) => Vec::new(),
    };
    fs::write(&out, module).expect("OUT_DIR is writable");
}
