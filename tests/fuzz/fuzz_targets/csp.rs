//! Whatever is read as CSP is written again, in both encodings, and read as the same.
#![no_main]
use causeway::wire::csp::{Message, read, write};
use causeway::wire::{Carried, Encoding, Limits};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let limits = Limits::for_document(1 << 20);
    for encoding in [Encoding::Xml, Encoding::Wbxml] {
        let Ok(message) = read(bytes, encoding, None, &limits) else { continue };
        if message.transactions.iter().any(|t| !matches!(t.content, Carried::Primitive(_))) {
            continue;
        }
        for encoding in [Encoding::Xml, Encoding::Wbxml] {
            // What the version cannot carry is lost once, and then stays as it is.
            let Ok(first) = write(&Message { encoding, ..message.clone() }) else { continue };
            let once = read(&first, encoding, None, &limits).expect("what we write, we read");
            let second = write(&once).expect("what we read, we write");
            let twice = read(&second, encoding, None, &limits).expect("what we write, we read");
            assert_eq!(once, twice);
        }
    }
});
