//! Whatever is read as SSP is written again and read as the same.
#![no_main]
use causeway::wire::ssp::{Body, Style, decode_primitive, encode_primitive, read, write_setup};
use causeway::wire::{Carried, Limits};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(message) = read(bytes, None, &Limits::for_document(4 << 20)) else { return };
    match message.body {
        Body::Setup(setup) => {
            let again = write_setup(message.version, &setup);
            let read = read(&again, None, &Limits::for_document(8 << 20)).expect("what we write, we read");
            assert!(matches!(read.body, Body::Setup(_)));
        }
        Body::Session(session) => {
            for transaction in session.transactions {
                let Carried::Primitive(primitive) = transaction.content else { continue };
                let style = Style { version: message.version, legacy: false };
                let Some(fragment) = encode_primitive(&primitive, transaction.meta.as_ref(), style) else { continue };
                let (meta, carried) = decode_primitive(&fragment, &Limits::for_document(16 << 20)).expect("what we write, we read");
                assert_eq!((meta, carried), (transaction.meta, Carried::Primitive(primitive)));
            }
        }
    }
});
