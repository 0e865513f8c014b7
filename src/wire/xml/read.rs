//! The XML reader: well-formed text → tree.
//!
//! `quick-xml` finds the pieces; everything it lets pass is checked here: characters, `]]>`, one
//! root, text outside it, open elements at the end, names, duplicate attributes, entities. Since tags
//! are read here to the last octet, those that stand behind other markup, with nothing but white space
//! between, are taken without asking it where they end.

use std::borrow::Cow;
use std::io::BufRead;

use quick_xml::Reader;
use quick_xml::events::Event;

use super::tag::{begins_start_tag, is_space, plain_end, resolve, skip_space, start_tag};
use crate::imps::content::is_xml_char;
use crate::wire::tree::{Builder, Tree, malformed};
use crate::wire::{Limits, Refusal};

/// What to do with a document type declaration (decisions.md 15).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doctype {
    /// Any is refused: SSP.
    Refused,
    /// One without internal subset is ignored: CSP.
    Bare,
}

/// Builds the tree of a document. Offsets are octets of `text`.
pub fn read<'a>(text: &'a str, doctype: Doctype, limits: &Limits) -> Result<Tree<'a>, Refusal> {
    if let Some(offset) = forbidden(text) {
        return Err(malformed(offset, "a character that XML cannot carry"));
    }
    // Transcoding may have made the text longer than the document was.
    let limits = Limits { document: limits.document.max(text.len()), ..*limits };
    let mut builder = Builder::new(&limits, text.len())?;
    let mut seen: Vec<(u32, &'a str)> = Vec::with_capacity(8);
    // Names of the open elements as written: end tags are compared here, without the copies that the
    // reader would make. The builder bounds the depth.
    let mut open: Vec<&'a str> = Vec::with_capacity(16);
    let mut reader = Reader::from_str(text);
    reader.config_mut().check_comments = true;
    reader.config_mut().check_end_names = false;
    reader.config_mut().allow_unmatched_ends = true;
    // Whether the reader stands right behind markup: a tag there, after white
    // space or none, needs no search for its pieces.
    let mut behind_markup = false;
    loop {
        let before = position(reader.buffer_position());
        if behind_markup {
            let at = skip_space(text.as_bytes(), before);
            let starts = begins_start_tag(text, at);
            let ends = if starts { None } else { open.last().and_then(|name| plain_end(text, at, name)) };
            if at > before && (starts || ends.is_some()) {
                characters(text.get(before..at).unwrap_or_default(), before, &mut builder)?;
            }
            if starts {
                let tag = start_tag(text, at, &limits, &mut seen, &mut builder)?;
                if tag.is_empty {
                    builder.close(tag.end)?;
                } else {
                    open.push(tag.name);
                }
                reader.stream().consume(tag.end - before);
                continue;
            }
            if let Some(end) = ends {
                open.pop();
                builder.close(end)?;
                reader.stream().consume(end - before);
                continue;
            }
        }
        let event = reader
            .read_event()
            .map_err(|error| malformed(position(reader.error_position()), error.to_string()))?;
        let after = position(reader.buffer_position());
        let slice = || text.get(before..after).unwrap_or_default();
        behind_markup = !matches!(event, Event::Text(_));
        match event {
            Event::Start(_) | Event::Empty(_) => {
                let tag = start_tag(text, before, &limits, &mut seen, &mut builder)?;
                if tag.is_empty {
                    builder.close(tag.end)?;
                } else {
                    open.push(tag.name);
                }
            }
            Event::End(_) => {
                let name = slice().strip_prefix("</").and_then(|rest| rest.strip_suffix('>'));
                if open.pop() != name.map(str::trim_ascii_end) {
                    return Err(malformed(before, "an end tag of another element"));
                }
                builder.close(after)?;
            }
            Event::Text(_) => characters(slice(), before, &mut builder)?,
            Event::CData(_) => {
                if builder.depth() == 0 {
                    return Err(malformed(before, "text outside the root element"));
                }
                let inner = slice().strip_prefix("<![CDATA[").and_then(|rest| rest.strip_suffix("]]>"));
                builder.text(line_ends(inner.unwrap_or_default()))?;
            }
            Event::GeneralRef(reference) => {
                if builder.depth() == 0 {
                    return Err(malformed(before, "text outside the root element"));
                }
                builder.character(resolve(&reference, before)?)?;
            }
            Event::Decl(_) if before != 0 => {
                return Err(malformed(before, "an XML declaration that is not at the start"));
            }
            Event::DocType(_) => {
                if doctype == Doctype::Refused || slice().contains('[') {
                    return Err(Refusal::Doctype);
                }
                if builder.depth() > 0 || builder.is_complete() {
                    return Err(malformed(before, "a document type declaration after the root element"));
                }
            }
            Event::Decl(_) | Event::Comment(_) | Event::PI(_) => {}
            Event::Eof => return builder.finish(after),
        }
    }
}

fn position(offset: u64) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}

/// Whether a text holds a character that XML 1.0 cannot carry.
pub(in crate::wire) fn is_forbidden(text: &str) -> bool {
    forbidden(text).is_some()
}

/// Where the first character stands that XML 1.0 cannot carry.
fn forbidden(text: &str) -> Option<usize> {
    // In blocks without early end, so that the compiler makes wide instructions of it. Only
    // control characters and U+FFFE, U+FFFF (which begin with EF) are forbidden in UTF-8 text.
    let suspicious = |block: &[u8]| {
        block.iter().fold(0, |found, &octet| {
            let control = u8::from(octet < 0x20);
            let space = u8::from(matches!(octet, b'\t' | b'\n' | b'\r'));
            found | (control ^ space) | u8::from(octet == 0xEF)
        }) != 0
    };
    if !text.as_bytes().chunks(64).any(suspicious) {
        return None;
    }
    text.char_indices().find(|(_, character)| !is_xml_char(*character)).map(|(offset, _)| offset)
}

/// Text between markup.
fn characters<'a>(slice: &'a str, offset: usize, builder: &mut Builder<'a>) -> Result<(), Refusal> {
    if builder.depth() == 0 {
        let blank = slice.bytes().all(is_space);
        return if blank { Ok(()) } else { Err(malformed(offset, "text outside the root element")) };
    }
    if slice.as_bytes().contains(&b']') && slice.contains("]]>") {
        return Err(malformed(offset, "`]]>` in text"));
    }
    builder.text(line_ends(slice))
}

/// CR LF and CR become LF (XML 1.0 §2.11).
fn line_ends(text: &str) -> Cow<'_, str> {
    if text.as_bytes().contains(&b'\r') {
        Cow::Owned(text.replace("\r\n", "\n").replace('\r', "\n"))
    } else {
        Cow::Borrowed(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::tree::Name;

    const LIMITS: Limits = Limits::for_document(1_000_000);

    fn accepted(text: &str) -> Tree<'_> {
        read(text, Doctype::Refused, &LIMITS).unwrap_or_else(|refusal| panic!("{text}: {refusal}"))
    }

    fn refused(text: &str) -> Refusal {
        match read(text, Doctype::Refused, &LIMITS) {
            Ok(_) => panic!("{text} was accepted"),
            Err(refusal) => refusal,
        }
    }

    #[test]
    fn text_is_joined_over_references_cdata_and_comments() {
        let tree = accepted("<a>x &amp;<!-- no -->&#65;&#x42;<![CDATA[<&]]>\r\ny\r<b/>\n</a>");
        assert_eq!(tree.root().raw().text(), Some("x &AB<&\ny\n"));
        let tree = accepted("<a>\r\n <b> </b>&#65; <c>&#65; </c></a>");
        let texts: Vec<_> = tree.root().children().map(|child| child.raw().text()).collect();
        assert_eq!(tree.root().raw().text(), Some("\n "));
        assert_eq!(texts, [Some(" "), Some("A ")]);
    }

    #[test]
    fn attributes_are_normalised_and_references_kept() {
        let tree = accepted("<a x = 'a&quot;b' y=\"\t1\r\n2&#10;&#13;\"/>");
        let attributes: Vec<_> = tree.root().attributes().collect();
        assert_eq!(attributes, [("x", "a\"b"), ("y", " 1 2\n\r")]);
    }

    #[test]
    fn prefixes_are_dropped_and_only_the_namespace_of_the_root_is_kept() {
        for text in [
            "<w:a xmlns='other' xmlns:w='ns'><w:b xmlns='x' w:c='1' d='2'/></w:a>",
            "<a xmlns='ns' xmlns:w='other'><b xmlns='x' e:c='1' d='2'/></a>",
        ] {
            let tree = accepted(text);
            assert_eq!(tree.root().attributes().collect::<Vec<_>>(), [("xmlns", "ns")]);
            let child = tree.root().child(Name::new("b")).unwrap();
            assert_eq!(child.attributes().collect::<Vec<_>>(), [("d", "2")]);
        }
    }

    #[test]
    fn elements_know_where_they_stand() {
        let text = "<?xml version='1.0'?>\n<a><b x='>'>é</b><c /></a>\n";
        let tree = accepted(text);
        let parts: Vec<_> = tree.root().children().map(|child| &text[child.range()]).collect();
        assert_eq!(parts, ["<b x='>'>é</b>", "<c />"]);
    }

    #[test]
    fn what_is_not_well_formed_is_refused() {
        for text in [
            "",
            " ",
            "<a>",
            "<a></b>",
            "</a>",
            "<a/><b/>",
            "<a/>text",
            "text<a/>",
            "<a/>&amp;",
            "<![CDATA[x]]><a/>",
            "<a>]]></a>",
            "<a>\u{1}</a>",
            "<a>\u{FFFE}</a>",
            "<a>&#1;</a>",
            "<a>&#0;</a>",
            "<a>&#xD800;</a>",
            "<a>&#+65;</a>",
            "<a>&</a>",
            "<a>a & b</a>",
            "<a x='1' x='2'/>",
            "<a x='<'/>",
            "<a x=1/>",
            "<a x/>",
            "<a x='1'y='2'/>",
            "<a x='&'/>",
            "<a x='&#0;'/>",
            "<a 1='1'/>",
            "<1a/>",
            "<a:b:c/>",
            "<a:/>",
            "< a/>",
            "<a><?xml version='1.0'?></a>",
            "<a><!-- -- --></a>",
            "<a",
            "<!-- ",
            "<a/><!DOCTYPE a",
        ] {
            assert!(matches!(refused(text), Refusal::Malformed { .. }), "{text}: {:?}", refused(text));
        }
    }

    #[test]
    fn start_tags_are_read_alike_at_the_root_behind_markup_and_behind_text() {
        let places = |tag: &str| {
            [
                tag.to_owned(),
                format!("<r><b/>{tag}</r>"),
                format!("<r>\n {tag}\n</r>"),
                format!("<r>t{tag}</r>"),
            ]
        };
        for tag in [
            "<a b = '>' c=\"'\" />",
            "<a\n/>",
            "<a ></a >",
            "<x:a x:b='1' b='1'><!-- > --></x:a>",
            "<a>\u{FEFF}<b/></a>",
        ] {
            for text in places(tag) {
                accepted(&text);
            }
        }
        for tag in [
            "<1a/>",
            "<-a/>",
            "<a:b:c/>",
            "<:a/>",
            "<a",
            "<a ",
            "<a/",
            "<a / >",
            "<a/ >",
            "<a//>",
            "<a x",
            "<a x>",
            "<a x=",
            "<a x='1",
            "<a x='1'",
            "<a x='1'y='2'/>",
            "<a x='<'/>",
            "<a x=1/>",
            "<a 1='1'/>",
            "<a x:='1'/>",
            "<a x='1' x='2'/>",
            "<a <b/>",
            "<a '>'/>",
            "<a =''/>",
        ] {
            for text in places(tag) {
                assert!(matches!(refused(&text), Refusal::Malformed { .. }), "{text}: {:?}", refused(&text));
            }
        }
    }

    #[test]
    fn entities_and_document_types_are_refused() {
        let billion = "<!DOCTYPE a [<!ENTITY b 'bb'>]><a>&b;</a>";
        for text in [billion, "<!DOCTYPE a><a/>", "<a>&nbsp;</a>", "<a x='&nbsp;'/>"] {
            assert_eq!(refused(text), Refusal::Doctype, "{text}");
        }
        let bare = |text| read(text, Doctype::Bare, &LIMITS);
        assert!(bare("<?xml version='1.0'?><!DOCTYPE a PUBLIC '-//OMA//DTD' 'http://x/'><a/>").is_ok());
        assert!(bare("<!DOCTYPE IMPS-CSP \"-//OMA//DTD WV-CSP 1.1//EN\" \"http://x\"><a/>").is_ok());
        assert!(matches!(bare(billion), Err(Refusal::Doctype)));
        assert!(bare("<a/><!DOCTYPE a>").is_err());
    }

    #[test]
    fn limits_hold_for_what_is_skipped_too() {
        let deep = "<a>".repeat(65);
        assert_eq!(refused(&deep), Refusal::Limit { what: "nesting", limit: 64 });
        let many = (0..65).map(|n| format!(" xmlns:a{n}='x'")).collect::<Vec<_>>().concat();
        assert!(matches!(refused(&format!("<a{many}/>")), Refusal::Limit { limit: 64, .. }));
        let wide = format!("<a>{}</a>", "<b/>".repeat(65_536));
        assert!(matches!(refused(&wide), Refusal::Limit { what: "elements", .. }));
        let long = format!("<a>{}</a>", "&amp;".repeat(65_537));
        assert!(matches!(refused(&long), Refusal::Limit { what: "text of one element", .. }));
        assert!(
            read(&format!("<ContentData>{}</ContentData>", "x".repeat(100_000)), Doctype::Refused, &LIMITS)
                .is_ok()
        );
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in "[<>/a-c='\"&;#!\\[\\]?x \r\nDOCTYPE-]{0,80}") {
            let _ = read(&text, Doctype::Bare, &LIMITS);
        }

        #[test]
        fn no_octets_panic(octets: Vec<u8>) {
            if let Ok(text) = crate::wire::xml::decode(&octets, None, &LIMITS) {
                let _ = read(&text, Doctype::Refused, &LIMITS);
            }
        }
    }
}
