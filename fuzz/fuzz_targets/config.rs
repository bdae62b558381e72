//! Configurations.
#![no_main]

use dragoman_fuzz::texts;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| texts::config(data));
