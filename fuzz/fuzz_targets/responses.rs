//! Requests of OpenAI's Responses, for each deployment.
#![no_main]

use dragoman_fuzz::requests;
use dragoman_proto::Operation;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| requests::to_all(Operation::Responses, data));
