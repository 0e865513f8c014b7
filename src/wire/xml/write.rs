//! The canonical XML writer.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::imps::content::is_xml_char;
use crate::wire::table::{Atom, Sink};

/// How dates are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DateForm {
    /// `20040301T091500Z`: CSP.
    Basic,
    /// `2004-03-01T09:15:00Z`: SSP.
    Extended,
}

/// Writes XML in one canonical form. What it writes is always well-formed: characters that XML
/// cannot carry become U+FFFD, in names `_`.
#[derive(Debug)]
pub struct XmlSink {
    out: Vec<u8>,
    /// Where the names of the open elements stand in `out`.
    open: Vec<std::ops::Range<usize>>,
    /// A start tag still lacks its `>`.
    in_tag: bool,
    dates: DateForm,
}

impl XmlSink {
    /// Begins a fragment.
    pub fn fragment(dates: DateForm) -> Self {
        Self { out: Vec::with_capacity(1024), open: Vec::with_capacity(16), in_tag: false, dates }
    }

    /// Begins a document with its declaration.
    pub fn document(dates: DateForm) -> Self {
        let mut sink = Self::fragment(dates);
        sink.out.extend_from_slice(br#"<?xml version="1.0" encoding="UTF-8"?>"#);
        sink
    }

    /// Puts a fragment that this writer made before into the open element.
    pub fn insert(&mut self, fragment: &[u8]) {
        self.finish_tag();
        self.out.extend_from_slice(fragment);
    }

    /// What was written. Open elements are closed.
    pub fn into_octets(mut self) -> Vec<u8> {
        while !self.open.is_empty() {
            self.close();
        }
        self.out
    }

    fn finish_tag(&mut self) {
        if self.in_tag {
            self.out.push(b'>');
            self.in_tag = false;
        }
    }

    fn put(&mut self, atom: Atom<'_>, escape: fn(u8) -> Option<&'static str>) {
        match atom {
            Atom::Text(text) | Atom::Token(text) => escaped(text, escape, &mut self.out),
            Atom::Joined(first, second) => {
                escaped(first, escape, &mut self.out);
                escaped(second, escape, &mut self.out);
            }
            Atom::Integer(number) => self.out.extend_from_slice(number.to_string().as_bytes()),
            Atom::Date(date) => {
                let text = match self.dates {
                    DateForm::Basic => date.basic(),
                    DateForm::Extended => date.extended(),
                };
                self.out.extend_from_slice(text.as_bytes());
            }
            Atom::Octets(octets) => self.out.extend_from_slice(STANDARD.encode(octets).as_bytes()),
        }
    }
}

impl Sink for XmlSink {
    fn open(&mut self, name: &str) {
        self.finish_tag();
        self.out.push(b'<');
        let start = self.out.len();
        if is_plain_name(name) {
            self.out.extend_from_slice(name.as_bytes());
        } else {
            // Only a name that came as a WBXML literal can get here.
            self.out.push(b'_');
            self.out.extend(name.bytes().map(|octet| if is_name_octet(octet) { octet } else { b'_' }));
        }
        self.open.push(start..self.out.len());
        self.in_tag = true;
    }

    fn attribute(&mut self, name: &'static str, value: Atom<'_>) {
        debug_assert!(self.in_tag, "attribute {name} after the start tag");
        if self.in_tag {
            self.out.push(b' ');
            self.out.extend_from_slice(name.as_bytes());
            self.out.extend_from_slice(b"=\"");
            self.put(value, in_attribute);
            self.out.push(b'"');
        }
    }

    fn value(&mut self, value: Atom<'_>) {
        self.finish_tag();
        self.put(value, in_text);
    }

    fn close(&mut self) {
        let name = self.open.pop().unwrap_or_default();
        if self.in_tag {
            self.out.extend_from_slice(b"/>");
            self.in_tag = false;
        } else {
            self.out.extend_from_slice(b"</");
            self.out.extend_from_within(name);
            self.out.push(b'>');
        }
    }

    fn takes_octets(&self) -> bool {
        false
    }
}

const fn is_name_octet(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || matches!(octet, b'_' | b'-' | b'.')
}

fn is_plain_name(name: &str) -> bool {
    name.bytes().all(is_name_octet)
        && name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
}

const fn in_text(octet: u8) -> Option<&'static str> {
    match octet {
        b'&' => Some("&amp;"),
        b'<' => Some("&lt;"),
        b'>' => Some("&gt;"),
        b'\r' => Some("&#13;"),
        _ => None,
    }
}

const fn in_attribute(octet: u8) -> Option<&'static str> {
    match octet {
        b'"' => Some("&quot;"),
        b'\t' => Some("&#9;"),
        b'\n' => Some("&#10;"),
        _ => in_text(octet),
    }
}

fn escaped(text: &str, escape: fn(u8) -> Option<&'static str>, out: &mut Vec<u8>) {
    let special = |octet: u8| octet < 0x20 || matches!(octet, b'&' | b'<' | b'>' | b'"') || octet == 0xEF;
    if !text.bytes().any(special) {
        out.extend_from_slice(text.as_bytes());
        return;
    }
    for character in text.chars() {
        let reference = u8::try_from(character).ok().filter(u8::is_ascii).and_then(escape);
        if let Some(reference) = reference {
            out.extend_from_slice(reference.as_bytes());
        } else {
            let character = if is_xml_char(character) { character } else { '\u{FFFD}' };
            out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::imps::DateTime;

    #[test]
    fn what_a_parser_would_change_is_written_as_references() {
        let mut sink = XmlSink::document(DateForm::Basic);
        sink.open("a");
        sink.attribute("x", Atom::Text("<\"&>\r\n\t"));
        sink.value(Atom::Text("\r\n\t]]>&\u{1}\u{FFFE}ü"));
        sink.open("b");
        sink.close();
        sink.open("1 c");
        sink.value(Atom::Joined("wv:@", "a.example"));
        assert_eq!(
            String::from_utf8(sink.into_octets()).unwrap(),
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><a x=\"&lt;&quot;&amp;&gt;&#13;&#10;&#9;\">&#13;\n\t]]&gt;&amp;\u{FFFD}\u{FFFD}ü<b/>\
             <_1_c>wv:@a.example</_1_c></a>"
        );
    }

    #[test]
    fn numbers_dates_and_octets() {
        let atoms = [Atom::Integer(7), Atom::Date(DateTime::from_unix(0)), Atom::Octets(&[255])];
        for (form, wanted) in [
            (DateForm::Basic, "<a>719700101T000000Z/w==</a>"),
            (DateForm::Extended, "<a>71970-01-01T00:00:00Z/w==</a>"),
        ] {
            let mut sink = XmlSink::fragment(form);
            sink.open("a");
            for atom in atoms {
                sink.value(atom);
            }
            sink.close();
            assert_eq!(sink.into_octets(), wanted.as_bytes());
        }
    }
}
