//! Tags of XML, read to the last octet: names, attributes, and the references in their values.

use std::borrow::Cow;

use crate::imps::content::is_xml_char;
use crate::wire::tree::{Builder, FoldedHash, Name, malformed};
use crate::wire::{Limits, Refusal};

/// XML 1.0 §2.3 S.
pub(super) const fn is_space(octet: u8) -> bool {
    matches!(octet, b' ' | b'\t' | b'\n' | b'\r')
}

/// May begin a name (XML 1.0 §2.3 NameStartChar; beyond ASCII every letter-like character is taken).
const fn begins_name(octet: u8) -> bool {
    matches!(octet, b'a'..=b'z' | b'A'..=b'Z' | b'_' | b':' | 0x80..)
}

/// May stand in a name (XML 1.0 §2.3 NameChar).
const fn is_name(octet: u8) -> bool {
    begins_name(octet) || matches!(octet, b'0'..=b'9' | b'-' | b'.')
}

/// What [`IN_NAME`] says of an octet that ends a name.
const ENDS: u8 = 0;
/// What [`IN_NAME`] says of an octet that does not count in the hash of a name.
const DOES_NOT_COUNT: u8 = 1;

/// What an octet is in a name: one of the two above, or itself in lower case.
static IN_NAME: [u8; 256] = in_name();

#[allow(clippy::indexing_slicing)] // evaluated at compile time only
const fn in_name() -> [u8; 256] {
    let mut table = [ENDS; 256];
    let mut octet = u8::MAX;
    loop {
        table[octet as usize] = match octet {
            b'-' | b'_' => DOES_NOT_COUNT,
            _ if is_name(octet) => octet.to_ascii_lowercase(),
            _ => ENDS,
        };
        if octet == 0 {
            return table;
        }
        octet -= 1;
    }
}

/// A name in a tag.
struct QName<'a> {
    prefix: &'a str,
    local: &'a str,
    /// The folded hash of the local part.
    hash: u32,
    /// As written.
    whole: &'a str,
    /// Where it ends in the tag.
    end: usize,
}

/// The name that begins at this octet of a tag, hashed while its octets are looked at; `None` if there is
/// none, or one with an empty part.
fn name(tag: &str, start: usize) -> Option<QName<'_>> {
    let octets = tag.as_bytes().get(start..)?;
    let begins = begins_name(*octets.first()?) && octets.first() != Some(&b':');
    let (mut length, mut colon, mut hash) = (octets.len(), None, FoldedHash::new());
    for (place, octet) in octets.iter().enumerate() {
        match IN_NAME.get(usize::from(*octet)).copied().unwrap_or(ENDS) {
            folded if folded > b':' => hash = hash.with(folded),
            ENDS => {
                length = place;
                break;
            }
            DOES_NOT_COUNT => {}
            b':' if colon.is_none() => (colon, hash) = (Some(start + place), FoldedHash::new()),
            folded => hash = hash.with(folded),
        }
    }
    let end = start + length;
    let whole = tag.get(start..end)?;
    let (prefix, local) = match colon {
        None => ("", whole),
        Some(colon) => (tag.get(start..colon)?, tag.get(colon + 1..end)?),
    };
    (begins && !local.is_empty()).then_some(QName { prefix, local, hash: hash.finish(), whole, end })
}

/// Where the end tag of an element ends that begins at this octet, if it is there and without white space.
pub(super) fn plain_end(text: &str, at: usize, name: &str) -> Option<usize> {
    text.get(at..)?.strip_prefix("</")?.strip_prefix(name)?.strip_prefix('>')?;
    Some(at + name.len() + 3)
}

/// Whether a start tag begins at this octet.
pub(super) fn begins_start_tag(text: &str, at: usize) -> bool {
    matches!(text.as_bytes().get(at..), Some([b'<', octet, ..]) if begins_name(*octet))
}

/// Where the white space ends that may begin at this octet.
pub(super) fn skip_space(octets: &[u8], mut at: usize) -> usize {
    while octets.get(at).is_some_and(|octet| is_space(*octet)) {
        at += 1;
    }
    at
}

/// A quoted value in a tag.
struct Quoted<'a> {
    value: &'a str,
    /// Holds no reference, and no white space that is to be made spaces.
    plain: bool,
    /// Where what follows begins in the tag.
    end: usize,
}

/// Octets in an attribute's value that need a second look: quotes, `<`, `&`, controls.
static IN_VALUE: [bool; 256] = in_value();

#[allow(clippy::indexing_slicing)] // evaluated at compile time only
const fn in_value() -> [bool; 256] {
    let mut table = [false; 256];
    let mut octet = 0;
    while octet < b' ' {
        table[octet as usize] = true;
        octet += 1;
    }
    table[b'"' as usize] = true;
    table[b'\'' as usize] = true;
    table[b'<' as usize] = true;
    table[b'&' as usize] = true;
    table
}

/// The quoted value that begins at this octet of a tag, in one pass; `None` if there is none, or one with
/// `<`.
fn quoted(tag: &str, quote_at: usize) -> Option<Quoted<'_>> {
    let octets = tag.as_bytes();
    let quote = *octets.get(quote_at).filter(|quote| matches!(quote, b'"' | b'\''))?;
    let start = quote_at + 1;
    let value = octets.get(start..)?;
    // Eight at a time while none of them needs a second look.
    let (eights, _) = value.as_chunks::<8>();
    let plain_eight = |eight: &&[u8; 8]| {
        let odd = |octet: u8| octet < b' ' || octet == quote || octet == b'<' || octet == b'&';
        eight.iter().fold(0, |found, octet| found | u8::from(odd(*octet))) == 0
    };
    let skipped = eights.iter().take_while(plain_eight).count() * 8;
    let mut plain = true;
    for (place, &octet) in value.iter().enumerate().skip(skipped) {
        if IN_VALUE.get(usize::from(octet)) == Some(&false) {
            continue;
        }
        if octet == quote {
            let end = start + place;
            return Some(Quoted { value: tag.get(start..end)?, plain, end: end + 1 });
        }
        match octet {
            b'<' => return None,
            b'"' | b'\'' => {}
            _ => plain = false,
        }
    }
    None
}

/// The attribute that names a namespace.
const XMLNS: Name = Name::new("xmlns");

/// A start tag or empty element that was read.
pub(super) struct StartTag<'a> {
    /// Its name as written.
    pub(super) name: &'a str,
    /// Where what follows begins in the text.
    pub(super) end: usize,
    pub(super) is_empty: bool,
}

/// Reads the start tag or empty element, `<name a="b">` or `<name/>`, that begins at this octet.
pub(super) fn start_tag<'a>(
    text: &'a str,
    offset: usize,
    limits: &Limits,
    seen: &mut Vec<(u32, &'a str)>,
    builder: &mut Builder<'a>,
) -> Result<StartTag<'a>, Refusal> {
    let no_name = || malformed(offset, "an element name that is none");
    let element = name(text, offset + 1).ok_or_else(no_name)?;
    if !element.prefix.is_empty() && element.local.contains(':') {
        return Err(no_name());
    }
    let is_root = builder.depth() == 0;
    builder.open_hashed(element.local, element.hash, offset)?;
    if !element.prefix.is_empty() {
        builder.extension();
    }
    seen.clear();
    let octets = text.as_bytes();
    let mut at = element.end;
    loop {
        let start = skip_space(octets, at);
        let length = match octets.get(start..) {
            Some([b'>', ..]) => 1,
            Some([b'/', b'>', ..]) => 2,
            Some([]) | None => return Err(malformed(offset, "a tag without an end")),
            _ => 0,
        };
        if length > 0 {
            return Ok(StartTag { name: element.whole, end: start + length, is_empty: length == 2 });
        }
        if start == at {
            return Err(malformed(offset, "no white space before an attribute"));
        }
        let attribute =
            name(text, start).ok_or_else(|| malformed(offset, "an attribute that is not well-formed"))?;
        let equals = skip_space(octets, attribute.end);
        let value = if octets.get(equals) == Some(&b'=') {
            quoted(text, skip_space(octets, equals + 1))
        } else {
            None
        };
        let Some(value) = value else {
            return Err(malformed(offset, "an attribute without a quoted value, or with `<` in it"));
        };
        let QName { prefix, local, hash, whole, .. } = attribute;
        if seen.iter().any(|(other, name)| *other == hash && *name == whole) {
            return Err(malformed(offset, format!("two attributes {whole:.40}")));
        }
        if seen.len() >= limits.attributes {
            return Err(Refusal::Limit { what: "attributes of one element", limit: limits.attributes });
        }
        seen.push((hash, whole));
        at = value.end;
        let value = if value.plain { Cow::Borrowed(value.value) } else { unescape(value.value, offset)? };
        // Other namespaces than that of the root, and attributes of any namespace: nothing of ours.
        if !prefix.is_empty() {
            if is_root && prefix == XMLNS.text && local == element.prefix {
                builder.attribute_hashed(XMLNS.text, XMLNS.hash, value)?;
            }
        } else if hash != XMLNS.hash || local != XMLNS.text || (is_root && element.prefix.is_empty()) {
            builder.attribute_hashed(local, hash, value)?;
        } else {
            builder.extension();
        }
    }
}

/// Resolves the references of an attribute value and makes spaces of white space (XML 1.0 §3.3.3).
fn unescape(value: &str, offset: usize) -> Result<Cow<'_, str>, Refusal> {
    let value = value.replace("\r\n", " ").replace(['\t', '\n', '\r'], " ");
    let mut pieces = value.split('&');
    let mut text = String::with_capacity(value.len());
    text.push_str(pieces.next().unwrap_or_default());
    for piece in pieces {
        let Some((reference, after)) = piece.split_once(';') else {
            return Err(malformed(offset, "a lone `&` in an attribute"));
        };
        text.push(resolve(reference, offset)?);
        text.push_str(after);
    }
    Ok(Cow::Owned(text))
}

/// The character of a reference, without `&` and `;`: one of the five, or numeric.
pub(super) fn resolve(reference: &str, offset: usize) -> Result<char, Refusal> {
    let Some(number) = reference.strip_prefix('#') else {
        return match reference {
            "amp" => Ok('&'),
            "lt" => Ok('<'),
            "gt" => Ok('>'),
            "quot" => Ok('"'),
            "apos" => Ok('\''),
            _ => Err(Refusal::Doctype),
        };
    };
    let code = match number.strip_prefix('x') {
        Some(digits) if digits.bytes().all(|b| b.is_ascii_hexdigit()) => u32::from_str_radix(digits, 16).ok(),
        None if number.bytes().all(|b| b.is_ascii_digit()) => number.parse().ok(),
        _ => None,
    };
    code.and_then(char::from_u32)
        .filter(|character| is_xml_char(*character))
        .ok_or_else(|| malformed(offset, "a reference to no character"))
}
