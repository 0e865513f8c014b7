#![no_main]

#[path = "../sequences.rs"]
mod sequences;

libfuzzer_sys::fuzz_target!(|octets: &[u8]| { sequences::csp_session(octets); });
