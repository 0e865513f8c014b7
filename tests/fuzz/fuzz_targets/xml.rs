//! The XML reader stays within its limits, whatever the octets.
#![no_main]
use causeway::wire::Limits;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let limits = Limits::for_document(1 << 20);
    let _ = causeway::wire::ssp::read(bytes, None, &limits);
    let _ = causeway::wire::csp::read(bytes, causeway::wire::Encoding::Xml, Some("iso-8859-1"), &limits);
});
