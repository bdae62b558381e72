//! Answers, streams and errors of Bedrock's API.
#![no_main]

use dragoman_fuzz::answers;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| answers::of_bedrock(data));
