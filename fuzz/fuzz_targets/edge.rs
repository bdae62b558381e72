//! What the edge says of any body.
#![no_main]

use dragoman_fuzz::requests;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| requests::edge(data));
