//! Conversion between CSP and SSP, row by row of the mapping tables (reference ssp-primitives):
//! decode from one, encode into the other, compare with what the reference wants. One file a chapter.

mod common;
mod delegated;
mod groups;
mod messages;
mod presence;

use crate::imps::{Primitive, Version};
use crate::wire::{Carried, Encoding, Limits, csp, ssp};

const STYLE: ssp::Style = ssp::Style { version: Version::V1_3, legacy: false };

/// Texts are laid out over lines; the documents are not.
fn dense(text: &str) -> String {
    text.lines().map(str::trim).collect()
}

fn from_csp(version: Version, text: &str) -> Primitive {
    csp::decode_primitive(dense(text).as_bytes(), version, Encoding::Xml)
        .unwrap_or_else(|fault| panic!("{text}: {fault}"))
}

fn to_csp(version: Version, primitive: &Primitive) -> String {
    String::from_utf8(csp::encode_primitive(primitive, version, Encoding::Xml).unwrap()).unwrap()
}

fn from_ssp(text: &str) -> Primitive {
    match ssp::decode_primitive(dense(text).as_bytes(), &Limits::for_document(1 << 16)).unwrap() {
        (_, Carried::Primitive(primitive)) => *primitive,
        (_, other) => panic!("{text}: {other:?}"),
    }
}

fn to_ssp(primitive: &Primitive) -> String {
    String::from_utf8(ssp::encode_primitive(primitive, None, STYLE).unwrap()).unwrap()
}

/// The CSP text becomes the SSP text.
fn becomes(version: Version, csp: &str, ssp: &str) {
    assert_eq!(to_ssp(&from_csp(version, csp)), dense(ssp), "{version}: CSP to SSP");
}

/// The SSP text becomes the CSP text.
fn arrives(version: Version, csp: &str, ssp: &str) {
    assert_eq!(to_csp(version, &from_ssp(ssp)), dense(csp), "{version}: SSP to CSP");
}

/// Both.
fn both(version: Version, csp: &str, ssp: &str) {
    becomes(version, csp, ssp);
    arrives(version, csp, ssp);
}
