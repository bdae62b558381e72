//! AWS's messages are the same however the bytes are split.
#![no_main]

use dragoman_fuzz::framing;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| framing::aws(data));
