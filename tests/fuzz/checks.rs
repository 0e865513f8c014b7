// What must hold of a decoder, whatever the octets. The fuzz targets call these, and so does
// `tests/it/findings.rs` with every finding of the past.

use causeway::imps::Primitive;
use causeway::wire::ssp::{Body, Style};
use causeway::wire::{Carried, Encoding, Limits, csp, ssp};

/// What a listener accepts.
const INPUT: Limits = Limits::for_document(1 << 20);
/// What we wrote may be longer than what we read: references, BASE64.
const OWN: Limits = Limits::for_document(16 << 20);

/// The XML reader stays within its limits.
#[allow(dead_code, reason = "each target uses one of these")]
pub fn xml(octets: &[u8]) {
    drop(ssp::read(octets, None, &INPUT));
    drop(csp::read(octets, Encoding::Xml, Some("iso-8859-1"), &INPUT));
    drop(csp::read(octets, Encoding::Xml, None, &Limits { depth: 8, elements: 40, text: 200, ..INPUT }));
}

/// The WBXML reader stays within its limits.
#[allow(dead_code, reason = "each target uses one of these")]
pub fn wbxml(octets: &[u8]) {
    drop(csp::read(octets, Encoding::Wbxml, None, &INPUT));
    drop(csp::read(octets, Encoding::Wbxml, None, &Limits { depth: 8, elements: 40, text: 200, ..INPUT }));
}

/// Whatever is read as CSP is written again, in both encodings, and read as the same.
#[allow(dead_code, reason = "each target uses one of these")]
pub fn csp(octets: &[u8]) {
    for encoding in [Encoding::Xml, Encoding::Wbxml] {
        let Ok(message) = csp::read(octets, encoding, None, &INPUT) else { continue };
        if message.transactions.iter().any(|one| !matches!(one.content, Carried::Primitive(_))) {
            continue;
        }
        for encoding in [Encoding::Xml, Encoding::Wbxml] {
            // What the version cannot carry is lost once; then everything stays as it is.
            let message = csp::Message { encoding, ..message.clone() };
            let first = csp::write(&message).expect("what we read, we write");
            let once = csp::read(&first, encoding, None, &OWN).expect("what we write, we read");
            let second = csp::write(&once).expect("what we read, we write");
            let twice = csp::read(&second, encoding, None, &OWN).expect("what we write, we read");
            assert_eq!(once, twice);
        }
    }
}

/// Whatever is read as SSP is written again and read as the same.
#[allow(dead_code, reason = "each target uses one of these")]
pub fn ssp(octets: &[u8]) {
    let Ok(message) = ssp::read(octets, None, &INPUT) else { return };
    let version = message.version;
    match message.body {
        Body::Setup(setup) => {
            let again =
                ssp::read(&ssp::write_setup(version, &setup), None, &OWN).expect("what we write, we read");
            assert_eq!(again.body, Body::Setup(setup));
        }
        Body::Session(session) => {
            for transaction in session.transactions {
                let Carried::Primitive(primitive) = transaction.content else { continue };
                for legacy in [false, true] {
                    let style = Style { version, legacy };
                    // Names of attributes that nobody knows are told and not written; then everything stays.
                    let again = |primitive: &Primitive| {
                        let fragment = ssp::encode_primitive(primitive, transaction.meta.as_ref(), style)
                            .expect("what we read, we write");
                        let read = ssp::decode_primitive(&fragment, &OWN).expect("what we write, we read");
                        let (meta, Carried::Primitive(read)) = read else { panic!("{read:?}") };
                        assert_eq!(meta, transaction.meta);
                        read
                    };
                    let once = again(&primitive);
                    assert_eq!(once.name(), primitive.name());
                    assert_eq!(again(&once), once);
                }
            }
        }
    }
}
