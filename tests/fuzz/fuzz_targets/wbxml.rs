//! The WBXML reader stays within its limits, whatever the octets.
#![no_main]
use causeway::wire::{Encoding, Limits};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = causeway::wire::csp::read(bytes, Encoding::Wbxml, None, &Limits::for_document(1 << 20));
});
