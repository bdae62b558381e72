//! So are JSON texts, one a line.
#![no_main]

use dragoman_fuzz::framing;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| framing::lines(data));
