//! Requests to the endpoints that take JSON besides, for each deployment.
#![no_main]

use dragoman_fuzz::requests;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| requests::to_endpoints(data));
