//! Character sets of XML documents (decisions.md 17).

use std::borrow::Cow;

use crate::wire::tree::malformed;
use crate::wire::{Limits, Refusal};

/// Makes text of a document's octets: by byte order mark, else by the charset parameter of the
/// HTTP media type, else by the XML declaration, else UTF-8. UTF-8 may hold surrogate pairs
/// (CESU-8), as a known client writes them. US-ASCII is read as UTF-8. Text that is UTF-8 already
/// is borrowed.
pub fn decode<'a>(body: &'a [u8], charset: Option<&str>, limits: &Limits) -> Result<Cow<'a, str>, Refusal> {
    if body.len() > limits.document {
        return Err(Refusal::Limit { what: "document size", limit: limits.document });
    }
    if let Some(rest) = body.strip_prefix(b"\xEF\xBB\xBF") {
        return utf8(rest);
    }
    if let Some(rest) = body.strip_prefix(b"\xFE\xFF") {
        return utf16(rest, encoding_rs::UTF_16BE);
    }
    if let Some(rest) = body.strip_prefix(b"\xFF\xFE") {
        return utf16(rest, encoding_rs::UTF_16LE);
    }
    let declared = || declared(body);
    let Some(label) = charset.map(str::trim).filter(|label| !label.is_empty()).or_else(declared) else {
        return utf8(body);
    };
    let is = |names: &[&str]| names.iter().any(|name| label.eq_ignore_ascii_case(name));
    if is(&["utf-8", "utf8", "us-ascii", "ascii"]) {
        utf8(body)
    } else if is(&["iso-8859-1", "iso8859-1", "iso_8859-1", "latin1", "latin-1"]) {
        Ok(encoding_rs::mem::decode_latin1(body))
    } else {
        Err(Refusal::Charset(label.chars().take(40).collect()))
    }
}

/// The value of `encoding` in the XML declaration.
fn declared(body: &[u8]) -> Option<&str> {
    let rest = body.strip_prefix(b"<?xml")?;
    let end = rest.windows(2).take(200).position(|pair| pair == b"?>")?;
    let declaration = std::str::from_utf8(rest.get(..end)?).ok()?;
    let (_, value) = declaration.split_once("encoding")?;
    let value = value.trim_start().strip_prefix('=')?.trim_start();
    let quote = value.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
    value.get(1..)?.split(quote).next()
}

fn utf8(octets: &[u8]) -> Result<Cow<'_, str>, Refusal> {
    match std::str::from_utf8(octets) {
        Ok(text) => Ok(Cow::Borrowed(text)),
        Err(error) => cesu8(octets)
            .map(Cow::Owned)
            .ok_or_else(|| malformed(error.valid_up_to(), "not valid in its character set")),
    }
}

fn utf16<'a>(octets: &'a [u8], encoding: &'static encoding_rs::Encoding) -> Result<Cow<'a, str>, Refusal> {
    encoding
        .decode_without_bom_handling_and_without_replacement(octets)
        .ok_or_else(|| malformed(0, "not valid UTF-16"))
}

/// UTF-8 in which characters beyond U+FFFF stand as two surrogates of three octets each.
fn cesu8(octets: &[u8]) -> Option<String> {
    let mut joined = Vec::with_capacity(octets.len());
    let mut rest = octets;
    while let Some((&first, tail)) = rest.split_first() {
        if let [0xED, high @ 0xA0..=0xAF, b, 0xED, low @ 0xB0..=0xBF, d, after @ ..] = rest {
            let bits = |octet: u8| u32::from(octet & 0x3F);
            let high = ((bits(*high) << 6) | bits(*b)) & 0x3FF;
            let low = ((bits(*low) << 6) | bits(*d)) & 0x3FF;
            let character = char::from_u32(0x1_0000 + (high << 10) + low)?;
            joined.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            rest = after;
        } else {
            joined.push(first);
            rest = tail;
        }
    }
    String::from_utf8(joined).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits::for_document(1000);

    fn text(body: &[u8], charset: Option<&str>) -> String {
        decode(body, charset, &LIMITS).unwrap().into_owned()
    }

    #[test]
    fn the_mark_wins_over_the_parameter_and_the_parameter_over_the_declaration() {
        let declared = b"<?xml version='1.0' encoding=\"ISO-8859-1\"?><a>\xFC</a>";
        assert!(text(declared, None).ends_with("<a>ü</a>"));
        assert!(decode(declared, Some("UTF-8"), &LIMITS).is_err());
        assert_eq!(text(b"\xEF\xBB\xBF<a>\xC3\xBC</a>", Some("iso-8859-1")), "<a>ü</a>");
        assert_eq!(text(b"\xFE\xFF\0<\0a\0/\0>", None), "<a/>");
        assert_eq!(text(b"\xFF\xFE<\0a\0/\0>\0", Some("utf-16")), "<a/>");
    }

    #[test]
    fn other_character_sets_are_refused_by_name() {
        for (body, charset) in
            [(&b"<?xml version='1.0' encoding='koi8-r'?><a/>"[..], None), (b"<a/>", Some("KOI8-R"))]
        {
            let refusal = decode(body, charset, &LIMITS).unwrap_err();
            assert!(matches!(refusal, Refusal::Charset(name) if name.eq_ignore_ascii_case("koi8-r")));
        }
        // Without a mark nobody knows the order of the octets.
        assert!(matches!(decode(b"<a/>", Some("utf-16"), &LIMITS), Err(Refusal::Charset(_))));
    }

    #[test]
    fn surrogate_pairs_written_as_six_octets_are_joined() {
        assert_eq!(text(b"<a>\xED\xA0\xBD\xED\xB8\x80!</a>", None), "<a>\u{1F600}!</a>");
        assert!(decode(b"<a>\xED\xA0\xBD</a>", None, &LIMITS).is_err());
    }

    #[test]
    fn the_document_limit_comes_first() {
        let refusal = decode(&[b' '; 1001], None, &LIMITS).unwrap_err();
        assert_eq!(refusal, Refusal::Limit { what: "document size", limit: 1000 });
    }
}
