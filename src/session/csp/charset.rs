//! Which characters a client can show, and text made of them.
//!
//! Clients name the character sets of message contents by their numbers (MIBenum); documents are UTF-8 whatever
//! is named (reference csp-wbxml §2). Text travels in the characters of the document, so that of a set only
//! the characters count: whoever names no set that holds all of them gets a question mark for what it could
//! not show. The `charset` of a content type only says how to read octets (reference csp.md §5.1).

use std::borrow::Cow;

use crate::imps::Content;
use crate::imps::content::{is_textual, is_xml_char};
use crate::imps::primitive::MessageInfo;

/// Character sets remembered of one client.
pub const CHARSETS_MAX: usize = 8;
/// US-ASCII.
const US_ASCII: u32 = 3;
/// ISO-8859-1.
const LATIN_1: u32 = 4;
/// What stands for a character that a client cannot show.
const UNKNOWN: char = '?';
/// What is known by number: US-ASCII, ISO-8859-1, UTF-8, UCS-2, UTF-16BE, UTF-16LE, UTF-16.
const KNOWN: [(u32, &[&str]); 7] = [
    (US_ASCII, &["us-ascii", "ascii"]),
    (LATIN_1, &["iso-8859-1", "latin1"]),
    (106, &["utf-8", "utf8"]),
    (1000, &["iso-10646-ucs-2"]),
    (1013, &["utf-16be"]),
    (1014, &["utf-16le"]),
    (1015, &["utf-16"]),
];

/// Those of the sets named that are known, each once.
pub(super) fn known(named: &[u32]) -> Vec<u32> {
    let mut known: Vec<u32> = Vec::new();
    for number in named {
        if KNOWN.iter().any(|(set, _)| set == number) && !known.contains(number) {
            known.push(*number);
        }
    }
    known.truncate(CHARSETS_MAX);
    known
}

/// Makes text one that a client with these sets can show. Nothing is changed for one that names none, or one
/// that holds every character, except that octets in a set which it does not name become text.
pub(super) fn show(sets: &[u32], info: &mut MessageInfo, content: &mut Option<Content>) {
    let Some(octets) = content.as_ref().filter(|_| !sets.is_empty()) else { return };
    if !info.content_type.as_deref().is_none_or(is_textual) {
        return;
    }
    let label = info.content_type.as_deref().and_then(charset);
    let is_taken = |label: &str| number(label).is_some_and(|number| sets.contains(&number));
    let Some(text) = text_of(octets.octets(), label) else { return };
    let is_document_text = octets.as_text(info.content_type.as_deref()).is_some();
    if !is_document_text && label.is_some_and(is_taken) {
        return;
    }
    let last = match (sets.iter().any(|set| *set > LATIN_1), sets.contains(&LATIN_1)) {
        (true, _) => char::MAX,
        (false, true) => '\u{FF}',
        (false, false) => '\u{7F}',
    };
    if is_document_text && text.chars().all(|c| c <= last) {
        return;
    }
    let text: String = text.chars().map(|c| if c <= last { c } else { UNKNOWN }).collect();
    if label.is_some() {
        let essence = info.content_type.as_deref().and_then(|kind| kind.split(';').next());
        info.content_type = essence.map(|kind| kind.trim().into());
    }
    info.content_size = u64::try_from(text.len()).ok();
    *content = Some(Content::from(text.as_str()));
}

/// The charset parameter of a content type.
fn charset(content_type: &str) -> Option<&str> {
    let mut parameters = content_type.split(';').skip(1).filter_map(|parameter| parameter.split_once('='));
    parameters.find_map(|(name, value)| {
        name.trim().eq_ignore_ascii_case("charset").then(|| value.trim().trim_matches('"'))
    })
}

fn number(label: &str) -> Option<u32> {
    let is_it = |names: &[&str]| names.iter().any(|name| name.eq_ignore_ascii_case(label));
    KNOWN.iter().find(|(_, names)| is_it(names)).map(|(number, _)| *number)
}

/// Octets as text: UTF-8 if they are that, else by the label. `None`: they cannot be read.
fn text_of<'o>(octets: &'o [u8], label: Option<&str>) -> Option<Cow<'o, str>> {
    let (encoding, octets) = match (label.and_then(number), octets) {
        (Some(LATIN_1), _) if std::str::from_utf8(octets).is_err() => {
            return sound(encoding_rs::mem::decode_latin1(octets));
        }
        (Some(1014), rest) | (Some(1015), [0xFF, 0xFE, rest @ ..]) => (encoding_rs::UTF_16LE, rest),
        (Some(1000 | 1013), rest) | (Some(1015), [0xFE, 0xFF, rest @ ..] | rest) => {
            (encoding_rs::UTF_16BE, rest)
        }
        _ => return std::str::from_utf8(octets).ok().map(Cow::Borrowed),
    };
    encoding.decode_without_bom_handling_and_without_replacement(octets).and_then(sound)
}

/// Text that a document can carry.
fn sound(text: Cow<'_, str>) -> Option<Cow<'_, str>> {
    text.chars().all(is_xml_char).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(sets: &[u32], kind: Option<&str>, octets: &[u8]) -> (Option<String>, Vec<u8>) {
        let mut info = MessageInfo { content_type: kind.map(Into::into), ..MessageInfo::default() };
        let mut content = Some(Content::new(octets.to_vec()));
        show(sets, &mut info, &mut content);
        let octets = content.unwrap().octets().to_vec();
        assert!(info.content_size.is_none_or(|size| size == octets.len() as u64));
        (info.content_type.map(Into::into), octets)
    }

    #[test]
    fn what_a_client_cannot_show_becomes_a_question_mark() {
        let text = "Grüße, Ωmega".as_bytes();
        let plain = Some("text/plain");
        for (sets, seen) in [
            (&[][..], "Grüße, Ωmega"),
            (&[106, 4], "Grüße, Ωmega"),
            (&[1000], "Grüße, Ωmega"),
            (&[3, 4], "Grüße, ?mega"),
            (&[3], "Gr??e, ?mega"),
        ] {
            assert_eq!(shown(sets, plain, text).1, seen.as_bytes(), "{sets:?}");
            assert_eq!(shown(sets, None, text).1, seen.as_bytes(), "{sets:?}");
        }
        assert_eq!(shown(&[3], Some("image/png"), text).1, text, "a picture is no text");
    }

    #[test]
    fn octets_in_a_set_that_a_client_does_not_name_become_text() {
        let (kind, octets) = shown(&[106], Some("text/plain; charset=ISO-8859-1"), b"Gr\xFC\xDFe");
        assert_eq!((kind.as_deref(), &*octets), (Some("text/plain"), "Grüße".as_bytes()));
        let (_, octets) = shown(&[3], Some("text/plain; charset=utf-16"), b"\xFF\xFEh\0\xFC\0");
        assert_eq!(octets, b"h?");
        let (_, octets) = shown(&[106], Some("text/plain;charset=\"utf-16be\""), b"\0h");
        assert_eq!(octets, b"h");
        let latin = b"Gr\xFC\xDFe";
        for sets in [&[4][..], &[]] {
            let (kind, octets) = shown(sets, Some("text/plain; charset=iso-8859-1"), latin);
            assert_eq!((kind.as_deref(), &*octets), (Some("text/plain; charset=iso-8859-1"), &latin[..]));
        }
        assert_eq!(shown(&[106], Some("text/plain; charset=koi8-r"), latin).1, latin, "nobody knows how");
        assert_eq!(shown(&[106], Some("text/plain; charset=utf-16"), b"\0").1, b"\0", "half a character");
    }

    #[test]
    fn only_sets_that_are_known_are_remembered() {
        assert_eq!(known(&[106, 3, 2252, 3]), [106, 3]);
        assert_eq!(known(&[]), [] as [u32; 0]);
    }
}
