//! Documents of WBXML, whole, cut and broken, and what the reader makes of them.

use super::*;
use crate::wire::tree::{Element, Name, Raw};

const LIMITS: Limits = Limits::for_document(10_000);

/// Header, `WV-CSP-Message` with a namespace of the version, and `inside`.
fn message(version: Version, inside: &[u8]) -> Vec<u8> {
    let (token, digit) = match version {
        Version::V1_1 => (0x05, b'1'),
        Version::V1_2 => (0x08, b'2'),
        Version::V1_3 => (0x0B, b'3'),
    };
    let mut octets = vec![3, tokens::public_id(version), 0x6A, 0, 0xC9, token, 3, b'1', b'.', digit, 0, 1];
    octets.extend_from_slice(inside);
    octets.push(1);
    octets
}

fn with_table(table: &[u8], inside: &[u8]) -> Vec<u8> {
    let mut octets = vec![3, 0x11, 0x6A, u8::try_from(table.len()).unwrap()];
    octets.extend_from_slice(table);
    octets.extend_from_slice(&[0x49]);
    octets.extend_from_slice(inside);
    octets.push(1);
    octets
}

/// Names and values as a line: `Root(Child=text,Other)`.
fn outline(element: Element<'_, '_>) -> String {
    use std::fmt::Write as _;
    let mut line = element.name().to_owned();
    match element.raw() {
        Raw::Text("") => {}
        Raw::Text(text) => write!(line, "={text}").unwrap(),
        Raw::Octets(octets) => write!(line, "={octets:02X?}").unwrap(),
    }
    let children: Vec<String> = element.children().map(outline).collect();
    if !children.is_empty() {
        write!(line, "({})", children.join(",")).unwrap();
    }
    line
}

fn shown(octets: &[u8]) -> String {
    match read(octets, &LIMITS) {
        Ok(document) => outline(document.tree.root()),
        Err(refusal) => format!("refused: {}", refusal.reason()),
    }
}

#[test]
fn a_fragment_that_is_all_value_tokens_unfolds() {
    // ContentType with application/vnd.wap.mms-message, in fewer octets than the text has.
    let octets = [0x50, 0x80, 0x04, 0x01];
    let limits = Limits::for_document(octets.len());
    let tree = read_fragment(&octets, Version::V1_1, &limits).unwrap();
    assert_eq!(outline(tree.root()), "ContentType=application/vnd.wap.mms-message");
}

#[test]
fn every_golden_document_is_read_with_the_version_of_its_namespace() {
    let mut seen = 0;
    for entry in std::fs::read_dir("tests/golden/csp").unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|e| e != "wbxml") {
            continue;
        }
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let octets = std::fs::read(&path).unwrap();
        let document = read(&octets, &LIMITS).unwrap_or_else(|refusal| panic!("{name}: {refusal}"));
        assert_eq!(name[6..8], document.version.unwrap().as_str().replace('.', ""), "{name}");
        assert!(!outline(document.tree.root()).contains(UNKNOWN_TAG), "{name}");
        seen += 1;
    }
    assert!(seen > 60);
}

#[test]
fn the_root_namespace_wins_over_the_public_id() {
    let version = |octets: &[u8]| read(octets, &LIMITS).map(|document| document.version);
    let mut octets = message(Version::V1_2, &[]);
    octets[1] = 0x10;
    assert_eq!(version(&octets), Ok(Some(Version::V1_2)));
    octets[1] = 1;
    assert_eq!(version(&octets), Ok(Some(Version::V1_2)));
    assert_eq!(version(&[3, 0x12, 0x6A, 0, 0x09]), Ok(Some(Version::V1_3)), "no namespace");
    let text = b"\x03\x00\x00\x6A\x1B-//OMA//DTD WV-CSP 1.1//EN\x00\x09";
    assert_eq!(version(text), Ok(Some(Version::V1_1)), "public id as text in the string table");
    assert_eq!(version(&[3, 1, 0x6A, 0, 0x09]), Ok(None), "nothing says anything");
    assert_eq!(version(&[3, 0x0F, 0x6A, 0, 0x09]), Err(Refusal::Version("1.0".into())));
    octets[9] = b'7';
    assert_eq!(version(&octets), Err(Refusal::Version("1.7".into())));
    let discovery = [3, 0x12, 0x6A, 0, 0, 0x0A, 0x05];
    assert_eq!(version(&discovery), Ok(Some(Version::V1_3)));
    assert_eq!(shown(&discovery), "WV-CSP-VersionDiscovery-Request");
    assert_eq!(version_text("http://www.openmobilealliance.org/WV-CSP1.2"), Some("1.2"));
    assert_eq!(version_text("urn:other"), None);
}

#[test]
fn text_is_joined_from_pieces_of_every_kind() {
    // Inline, value token, entity, string table.
    let pieces = b"\x77\x03a\x00\x80\x0E\x02\x60\x83\x04\x01";
    assert_eq!(shown(&with_table(b"one\0two\0", pieces)), "WV-CSP-Message(URL=ahttp://`two)");
    let surrogates = b"\x4D\x03\xED\xA0\xBD\xED\xB8\x80\x00\x01";
    assert_eq!(shown(&message(Version::V1_2, surrogates)), "WV-CSP-Message(ContentData=\u{1F600})");
    let opaque = b"\x4B\xC3\x02\x01\x02\x01";
    assert_eq!(shown(&message(Version::V1_2, opaque)), "WV-CSP-Message(Code=[01, 02])");
    let no_text = b"\x4D\x03\xFF\x00\x01";
    assert_eq!(shown(&message(Version::V1_2, no_text)), "WV-CSP-Message(ContentData=[FF])");
}

#[test]
fn value_tokens_are_read_by_version_and_element() {
    let search = |version| shown(&message(version, &[0, 1, 0x64, 0x80, 0x3D, 1]));
    assert!(search(Version::V1_3).contains("SearchElement=GROUP_ID"), "{}", search(Version::V1_3));
    let name = shown(&message(Version::V1_3, &[0x5E, 0x80, 0x3D, 1]));
    assert_eq!(name, "WV-CSP-Message(Name=History)");
    let none = shown(&message(Version::V1_3, &[0x5E, 0x80, 0x81, 0x12, 1]));
    assert_eq!(none, "WV-CSP-Message(Name)");
}

#[test]
fn literal_tags_and_attributes_come_from_the_string_table() {
    // 44 literal with content, 84 with attributes, C4 with both; an attribute by name.
    let inside = b"\x44\x00\x03x\x00\x01\x84\x00\x04\x06\x03v\x00\x01\x04\x00";
    assert_eq!(shown(&with_table(b"APIid\0x:y\0", inside)), "WV-CSP-Message(APIid=x,APIid,APIid)");
    let octets = with_table(b"APIid\0x:y\0", inside);
    let document = read(&octets, &LIMITS).unwrap();
    let second = document.tree.root().children().nth(1).unwrap();
    assert_eq!(second.attribute(Name::new("y")), Some("v"));
    assert_eq!(shown(&with_table(b"a\0", &[0x04, 0x09])), "refused: malformed");
}

#[test]
fn a_tag_without_a_name_keeps_its_place_and_nothing_else_suffers() {
    let inside = [0, 1, 0x75, 0x46, 0x03, b'x', 0, 1, 1, 0, 0, 0x4B, 0xC3, 1, 5, 1];
    assert_eq!(
        shown(&message(Version::V1_2, &inside)),
        "WV-CSP-Message(unknown-token(AllFunctionsRequest=x),Code=[05])"
    );
}

#[test]
fn extension_tokens_without_meaning_are_passed_over() {
    let inside = b"\x4D\x81\x82\x01\x82\x05\x40z\x00\xC0\x05\x03a\x00\x01";
    assert_eq!(shown(&message(Version::V1_2, inside)), "WV-CSP-Message(ContentData=a)");
}

#[test]
fn what_is_no_document_is_refused() {
    for (octets, why) in [
        (&b""[..], "empty"),
        (b"<?xml version='1.0'?>", "XML"),
        (b"\x03\x11\x6A\x00", "no root"),
        (b"\x03\x11\x6A\x00\x49", "open root"),
        (b"\x03\x11\x6A\x00\x49\x01\x49\x01", "two roots"),
        (b"\x03\x11\x6A\x00\x49\x01\x00", "something behind the root"),
        (b"\x03\x11\x6A\x00\x03a\x00\x49\x01", "text before the root"),
        (b"\x03\x11\x6A\x00\x01", "an end before the root"),
        (b"\x03\x11\x6A\x00\x43\x04\x01\x49\x01", "a processing instruction"),
        (b"\x03\x11\x6A\x7F\x49\x01", "string table beyond the end"),
        (b"\x03\x11\x6A\x00\x49\x4D\xC3\x8F\xFF\xFF\xFF\x7Fx\x01\x01", "opaque beyond the end"),
        (b"\x03\x11\x6A\x00\x49\x4D\x83\x05\x01\x01", "no string table"),
        (b"\x03\x11\x6A\x00\x49\x4D\x02\x83\xB0\x00\x01\x01", "half a surrogate pair as entity"),
        (b"\x03\x11\x90\x80\x80\x80\x00\x00\x49\x01", "number of 33 bits"),
    ] {
        assert_eq!(shown(octets), "refused: malformed", "{why}");
    }
    assert_eq!(shown(b"\x03\x11\x11\x00\x49\x01"), "refused: charset");
}

#[test]
fn depth_and_unfolded_text_are_bounded() {
    let deep = vec![0x49; 200];
    assert_eq!(shown(&[&[3, 0x11, 0x6A, 0][..], &deep].concat()), "refused: limit");
    // 4000 references of two octets, each to the same 100 octets.
    let table = [b'x'; 100];
    let references = [0x83, 0x00].repeat(4000);
    let inside = [&[0x4D][..], &references, &[1]].concat();
    assert_eq!(shown(&with_table(&table, &inside)), "refused: limit");
}

#[test]
fn every_prefix_of_a_document_is_refused_in_peace() {
    let octets = std::fs::read("tests/golden/csp/11-csp11-c2s-sendmessage.wbxml").unwrap();
    for length in 0..octets.len() {
        assert!(read(&octets[..length], &LIMITS).is_err());
    }
}
