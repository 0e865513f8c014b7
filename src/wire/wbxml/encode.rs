//! The sink that writes WBXML.
//!
//! Canonical form: WBXML 1.3, public id as number, UTF-8, no string table; value tokens for whole
//! values of enumerated elements, integers and dates as opaque octets, the content bit only where
//! there is content (reference csp-wbxml §3, §4). The sink knows no elements: the type of an
//! [`Atom`] decides its form.

use super::{token, tokens};
use crate::imps::Version;
use crate::wire::table::{Atom, Sink};
use crate::wire::tree::folded_hash;

/// WBXML version 1.3 (reference csp-wbxml §3).
const WBXML_VERSION: u8 = 0x03;
/// MIBenum of UTF-8.
const UTF_8: u8 = 0x6A;

/// Writes one document or fragment. An element whose name no CSP version has is left out with all
/// it holds, and so is an attribute other than a namespace of CSP: both would need a string table.
#[derive(Debug)]
pub struct Encoder {
    octets: Vec<u8>,
    version: Version,
    /// Selected tag page.
    page: u8,
    /// The start tag written last, as long as nothing stands in its element.
    start: Option<Start>,
    /// How deep we are inside an element that is left out.
    left_out: usize,
}

#[derive(Clone, Copy, Debug)]
struct Start {
    /// Where the tag's octet stands.
    at: usize,
    attributes: bool,
}

impl Encoder {
    /// Begins a document with its header.
    pub fn document(version: Version) -> Self {
        let mut octets = Vec::with_capacity(512);
        octets.extend_from_slice(&[WBXML_VERSION, tokens::public_id(version), UTF_8, 0]);
        Self { octets, ..Self::fragment(version) }
    }

    /// Begins a fragment: elements without header, tag page 0.
    pub const fn fragment(version: Version) -> Self {
        Self { octets: Vec::new(), version, page: 0, start: None, left_out: 0 }
    }

    /// What was written.
    pub fn finish(self) -> Vec<u8> {
        self.octets
    }

    /// Marks the element opened last as one with content.
    fn begin_content(&mut self) {
        let Some(start) = self.start.take() else { return };
        if let Some(tag) = self.octets.get_mut(start.at) {
            *tag |= token::CONTENT;
        }
        if start.attributes {
            self.octets.push(token::END);
        }
    }

    fn number(&mut self, number: usize) {
        let number = u32::try_from(number).unwrap_or(u32::MAX);
        for shift in [28, 21, 14, 7] {
            if number >> shift != 0 {
                self.octets.push(0x80 | (number >> shift & 0x7F).to_le_bytes()[0]);
            }
        }
        self.octets.push((number & 0x7F).to_le_bytes()[0]);
    }

    fn opaque(&mut self, octets: &[u8]) {
        self.octets.push(token::OPAQUE);
        self.number(octets.len());
        self.octets.extend_from_slice(octets);
    }

    fn string(&mut self, text: &str) {
        // The end of an inline string is a null character (reference csp-wbxml §4.4).
        if text.as_bytes().contains(&0) {
            return self.opaque(text.as_bytes());
        }
        self.octets.push(token::STR_I);
        self.octets.extend_from_slice(text.as_bytes());
        self.octets.push(0);
    }
}

impl Sink for Encoder {
    fn open(&mut self, name: &str) {
        let tag = if self.left_out > 0 { None } else { tokens::tag_of(folded_hash(name)) };
        let Some(tag) = tag else {
            self.left_out += 1;
            return;
        };
        self.begin_content();
        if tag.row.page != self.page {
            self.page = tag.row.page;
            self.octets.extend_from_slice(&[token::SWITCH_PAGE, self.page]);
        }
        self.start = Some(Start { at: self.octets.len(), attributes: false });
        self.octets.push(tag.row.token);
    }

    fn attribute(&mut self, name: &'static str, value: Atom<'_>) {
        let Atom::Text(namespace) = value else { return };
        let Some(start) = self.start.as_mut().filter(|_| self.left_out == 0 && name == "xmlns") else {
            return;
        };
        let Some((attribute, rest)) = tokens::attribute_of(namespace) else { return };
        start.attributes = true;
        if let Some(tag) = self.octets.get_mut(start.at) {
            *tag |= token::ATTRIBUTES;
        }
        self.octets.push(attribute);
        self.string(rest);
    }

    fn value(&mut self, value: Atom<'_>) {
        if self.left_out > 0 || matches!(value, Atom::Text("") | Atom::Token("") | Atom::Octets(&[])) {
            return;
        }
        self.begin_content();
        match value {
            Atom::Text(text) => self.string(text),
            Atom::Joined(first, second) => {
                self.string(first);
                self.string(second);
            }
            Atom::Token(text) => match tokens::value_of(self.version, self.page, text) {
                Some(index) => {
                    self.octets.push(token::EXT_T_0);
                    self.number(usize::from(index));
                }
                None => self.string(text),
            },
            Atom::Integer(number) => {
                let octets = number.to_be_bytes();
                let zeros = (number.leading_zeros() / 8).min(7) as usize;
                self.opaque(octets.get(zeros..).unwrap_or_default());
            }
            Atom::Date(date) => self.opaque(&date.octets()),
            Atom::Octets(octets) => self.opaque(octets),
        }
    }

    fn close(&mut self) {
        if self.left_out > 0 {
            self.left_out -= 1;
            return;
        }
        match self.start.take() {
            // Nothing was written inside: the tag stands alone.
            Some(Start { attributes: false, .. }) => {}
            Some(Start { attributes: true, .. }) | None => self.octets.push(token::END),
        }
    }

    fn takes_octets(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::imps::DateTime;

    fn written(version: Version, write: impl FnOnce(&mut Encoder)) -> Vec<u8> {
        let mut encoder = Encoder::fragment(version);
        write(&mut encoder);
        encoder.finish()
    }

    fn element(name: &str, value: Atom<'_>) -> Vec<u8> {
        written(Version::V1_3, |e| {
            e.open(name);
            e.value(value);
            e.close();
        })
    }

    #[test]
    fn the_first_octets_tell_the_version() {
        for (version, namespace, expected) in [
            (
                Version::V1_1,
                "http://www.wireless-village.org/CSP1.1",
                [0x10, 0x6A, 0, 0xC9, 0x05, 3, 0x31, 0x2E, 0x31],
            ),
            (
                Version::V1_3,
                "http://www.openmobilealliance.org/DTD/IMPS-CSP1.3",
                [0x12, 0x6A, 0, 0xC9, 0x0B, 3, 0x31, 0x2E, 0x33],
            ),
        ] {
            let mut e = Encoder::document(version);
            e.open("WV-CSP-Message");
            e.attribute("xmlns", Atom::Text(namespace));
            e.open("Session");
            e.close();
            e.close();
            let octets = e.finish();
            assert_eq!(octets[1..10], expected);
            assert_eq!(octets[10..], [0, 1, 0x2D, 1], "end of string, end of attributes, Session, end");
        }
    }

    #[test]
    fn values_take_the_form_of_their_type() {
        assert_eq!(element("Code", Atom::Integer(200)), [0x4B, 0xC3, 1, 200, 1]);
        assert_eq!(element("Code", Atom::Integer(0)), [0x4B, 0xC3, 1, 0, 1]);
        assert_eq!(element("Code", Atom::Integer(0x1234)), [0x4B, 0xC3, 2, 0x12, 0x34, 1]);
        assert_eq!(element("Code", Atom::Integer(u64::MAX)).len(), 12);
        let date = DateTime::parse("20010925T165859Z").unwrap();
        assert_eq!(
            element("DateTime", Atom::Date(date)),
            [0x51, 0xC3, 6, 0x1F, 0x46, 0x73, 0x0E, 0xBB, 0x5A, 1]
        );
        assert_eq!(element("Poll", Atom::Token("T")), [0x61, 0x80, 0x2C, 1]);
        assert_eq!(element("SupportedCIRMethod", Atom::Token("SHTTP"))[3..], [0x80, 0x81, 0x25, 1]);
        assert_eq!(element("Poll", Atom::Token("maybe"))[..2], [0x61, 3]);
        assert_eq!(element("SName", Atom::Text("T")), [0x48, 3, b'T', 0, 1]);
        assert_eq!(element("ContentData", Atom::Text("a\0b")), [0x4D, 0xC3, 3, b'a', 0, b'b', 1]);
        assert_eq!(element("ContentData", Atom::Octets(&[7; 200]))[..4], [0x4D, 0xC3, 0x81, 0x48]);
    }

    #[test]
    fn an_element_without_content_stands_alone() {
        assert_eq!(element("SName", Atom::Text("")), [0x08]);
        let empty = written(Version::V1_2, |e| {
            e.open("PresenceSubList");
            e.attribute("xmlns", Atom::Text("http://www.openmobilealliance.org/DTD/WV-PA1.2"));
            e.close();
        });
        assert_eq!(empty, [0xA3, 0x09, 3, b'1', b'.', b'2', 0, 1]);
    }

    #[test]
    fn what_has_no_token_is_left_out_with_all_it_holds() {
        let octets = written(Version::V1_2, |e| {
            e.open("Result");
            e.open("VendorThing");
            e.attribute("xmlns", Atom::Text("urn:vendor"));
            e.open("Code");
            e.value(Atom::Integer(1));
            e.close();
            e.close();
            e.open("Code");
            e.value(Atom::Integer(2));
            e.close();
            e.close();
        });
        assert_eq!(octets, [0x6A, 0x4B, 0xC3, 1, 2, 1, 1]);
    }
}
