//! What crosses a process boundary comes back as it was.
#![no_main]

use dragoman_fuzz::texts;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| texts::wire(data));
