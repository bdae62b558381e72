//! Forms, as the edge reads them and deployments are sent them.
#![no_main]

use dragoman_fuzz::requests;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    requests::forms(data);
    requests::forms_in_pieces(data);
});
