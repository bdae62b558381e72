//! What was compressed comes back whatever the pieces, and nothing else makes too much of little.
#![no_main]

use dragoman_fuzz::framing;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| framing::inflate(data));
