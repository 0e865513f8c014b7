//! Where tables write: an element at a time, with typed values.

use crate::imps::DateTime;

/// A value on its way to the wire. The type decides the binary form (reference csp-wbxml §4).
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Atom<'a> {
    /// Text.
    Text(&'a str),
    /// Two texts, one right after the other.
    Joined(&'a str, &'a str),
    /// A word that may have a value token of its own: truth, enumerations (csp-wbxml §4.6).
    Token(&'a str),
    /// A number: digits, or octets in WBXML.
    Integer(u64),
    /// A date: basic, extended, or six octets.
    Date(DateTime),
    /// Content that is no text: BASE64, or opaque octets in WBXML.
    Octets(&'a [u8]),
}

/// Writes one document or fragment.
///
/// Order of calls: [`open`](Sink::open); every [`attribute`](Sink::attribute) of the element; its
/// [`value`](Sink::value)s; its children; [`close`](Sink::close). Attributes after a value or child
/// are a mistake of a table, which debug builds assert.
pub trait Sink {
    /// A start tag. The name comes from a table, or from a document that was read.
    fn open(&mut self, name: &str);

    /// An attribute of the element just opened. WBXML of CSP has only `xmlns`.
    fn attribute(&mut self, name: &'static str, value: Atom<'_>);

    /// A value inside the element.
    fn value(&mut self, value: Atom<'_>);

    /// The end of the element opened last.
    fn close(&mut self);

    /// Whether octets travel as they are (WBXML) and not as BASE64.
    fn takes_octets(&self) -> bool;
}
