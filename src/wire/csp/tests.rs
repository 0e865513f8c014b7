//! The tables against the golden documents, against each other, and against any octets at all.

use std::path::{Path, PathBuf};

use super::*;
use crate::wire::Limits;
use crate::wire::tree::folded_hash;
use crate::wire::wbxml::tokens;

const LIMITS: Limits = Limits::for_document(1 << 20);
const ENCODINGS: [Encoding; 2] = [Encoding::Xml, Encoding::Wbxml];

/// Every file below a directory with this extension, sorted.
fn files(directory: &str, extension: &str) -> Vec<PathBuf> {
    fn walk(directory: &Path, extension: &str, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, extension, found);
            } else if path.extension().is_some_and(|found| found == extension) {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(Path::new(directory), extension, &mut found);
    found.sort();
    found
}

fn read_file(path: &Path) -> Message {
    let encoding = encoding_of(path.extension().unwrap().to_str().unwrap()).unwrap();
    let octets = std::fs::read(path).unwrap();
    read(&octets, encoding, None, &LIMITS).unwrap_or_else(|refusal| panic!("{}: {refusal}", path.display()))
}

fn name_of(path: &Path) -> &str {
    path.file_stem().unwrap().to_str().unwrap()
}

/// The golden documents whose primitives are served: name and what the XML form says.
fn served() -> Vec<(PathBuf, Message)> {
    let all = files("tests/golden/csp", "xml").into_iter().map(|path| {
        let message = read_file(&path);
        (path, message)
    });
    all.filter(|(path, message)| match &message.transactions[0].content {
        Carried::Primitive(_) => true,
        Carried::NotServed(_) => false,
        other => panic!("{}: {other:?}", path.display()),
    })
    .collect()
}

#[test]
fn a_golden_document_says_the_same_in_both_encodings() {
    let documents = files("tests/golden/csp", "xml");
    assert!(documents.len() > 60);
    for path in documents {
        let xml = read_file(&path);
        let twin = Message { encoding: Encoding::Xml, ..read_file(&path.with_extension("wbxml")) };
        assert_eq!(xml, twin, "{}", path.display());
        assert_eq!(name_of(&path)[6..8], xml.version.as_str().replace('.', ""), "{}", path.display());
    }
}

#[test]
fn a_golden_document_is_written_and_read_back_in_both_encodings() {
    for (path, message) in served() {
        for encoding in ENCODINGS {
            let message = Message { encoding, ..message.clone() };
            let octets = write(&message).unwrap();
            assert_eq!(read(&octets, encoding, None, &LIMITS), Ok(message), "{}", path.display());
        }
    }
}

/// Golden documents that we write otherwise, and why.
const OTHERWISE: &[(&str, &str)] = &[("13-csp11-c2s-polling", "an empty TransactionID is left out")];

#[test]
fn what_we_write_is_the_golden_document() {
    let mut different = Vec::new();
    for (path, message) in served() {
        let ours = write(&Message { encoding: Encoding::Wbxml, ..message }).unwrap();
        if ours != std::fs::read(path.with_extension("wbxml")).unwrap() {
            different.push(name_of(&path).to_owned());
        }
    }
    let expected: Vec<&str> = OTHERWISE.iter().map(|row| row.0).collect();
    assert_eq!(different, expected);
}

#[test]
fn every_request_of_a_real_client_is_read() {
    let (mut primitives, mut not_served) = (0, 0);
    for extension in ["xml", "wbxml"] {
        for path in files("tests/golden/aosp-client", extension) {
            let message = read_file(&path);
            let [transaction] = &message.transactions[..] else { panic!("{}", path.display()) };
            let wanted = name_of(&path).splitn(3, '-').nth(2).unwrap();
            let name = match &transaction.content {
                Carried::Primitive(primitive) => {
                    primitives += 1;
                    primitive.name()
                }
                Carried::NotServed(name) => {
                    not_served += 1;
                    name
                }
                other => panic!("{}: {other:?}", path.display()),
            };
            assert_eq!(folded_hash(name), folded_hash(wanted), "{}", path.display());
            assert_eq!(transaction.id.is_none(), wanted == "Polling-Request", "{}", path.display());
            let folder = path.iter().nth(3).unwrap().to_str().unwrap();
            assert_eq!(folder[3..5], message.version.as_str().replace('.', ""), "{}", path.display());
        }
    }
    assert!(primitives > 300 && not_served > 200, "{primitives} and {not_served}");
}

#[test]
fn every_row_names_a_token() {
    for (table, rows) in tables() {
        for row in rows {
            for name in row.elements.iter().chain(&row.also) {
                let tag = tokens::tag_of(folded_hash(name));
                let tag = tag.unwrap_or_else(|| panic!("{table}.{}: no token for {name}", row.field));
                assert_eq!(tag.row.name, *name, "{table}.{}", row.field);
            }
        }
    }
    let (served, not_served) = names();
    for name in served.iter().chain(not_served) {
        assert_eq!(tokens::tag_of(folded_hash(name)).map(|tag| tag.row.name), Some(*name));
    }
}
