//! Independent programs read what we write and write what we read: `wbxml2xml` and `xml2wbxml` of
//! libwbxml for CSP 1.1 and 1.2, the dissector of `tshark` for all versions, `xmllint` for XML.
//!
//! They are asked about every golden document whose primitive is served, and about generated
//! primitives. Where a program is known to err, the test says how (reference csp-wbxml.md).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::imps::{Primitive, Version};
use crate::tools::tool;
use crate::wire;
use crate::wire::csp::{self, Message, Transaction};
use crate::wire::tree::{Element, folded_hash};
use crate::wire::wbxml::tokens;
use crate::wire::xml::{self, Doctype};
use crate::wire::{Carried, Encoding, Limits, Mode, ssp};

const LIMITS: Limits = Limits::for_document(1 << 20);

/// A folder that goes when the test ends.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("causeway-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

fn golden(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(folder);
    let mut found: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "xml"))
        .collect();
    found.sort();
    found
}

fn is_served(message: &Message) -> bool {
    message.transactions.iter().all(|transaction| matches!(transaction.content, Carried::Primitive(_)))
}

/// Golden CSP documents that are served: file and message.
fn examples() -> Vec<(PathBuf, Message)> {
    golden("csp")
        .into_iter()
        .map(|path| {
            let message = csp::read(&fs::read(&path).unwrap(), Encoding::Xml, None, &LIMITS).unwrap();
            (path, message)
        })
        .filter(|(_, message)| is_served(message))
        .collect()
}

fn envelope(primitive: Primitive, version: Version) -> Message {
    let transaction = Transaction {
        mode: Mode::Request,
        id: "t1".parse().ok(),
        content: Carried::Primitive(Box::new(primitive)),
    };
    Message {
        version,
        encoding: Encoding::Wbxml,
        session: "s1@north.example".parse().ok(),
        transactions: vec![transaction],
        poll: Some(false),
        cir: None,
        old_forms: false,
    }
}

/// The elements of a document in document order: name, and text before the first child.
fn elements(document: &[u8]) -> Vec<(String, String)> {
    fn walk(element: Element<'_, '_>, found: &mut Vec<(String, String)>) {
        let text = element.raw().text().unwrap_or_default();
        let text = if element.name() == "ContentData" { text } else { text.trim() };
        found.push((element.name().to_owned(), text.to_owned()));
        element.children().for_each(|child| walk(child, found));
    }
    let text = xml::decode(document, None, &LIMITS).unwrap();
    let tree = xml::read(&text, Doctype::Bare, &LIMITS).unwrap();
    let mut found = Vec::new();
    walk(tree.root(), &mut found);
    found
}

/// The canonical XML of a message.
fn xml_of(message: &Message) -> Vec<u8> {
    csp::write(&Message { encoding: Encoding::Xml, ..message.clone() }).unwrap()
}

/// Whether other programs can know all of it. Integers of CSP have 32 bits, we keep 64 of a
/// ContentSize and a SearchID; and a generated message of an old version may hold an element of another.
fn is_common_knowledge(message: &Message) -> bool {
    elements(&xml_of(message)).iter().all(|(name, text)| {
        let large = ["ContentSize", "SearchID"].contains(&name.as_str());
        let small = !large || text.parse::<u32>().is_ok();
        let row = tokens::tag_of(folded_hash(name)).unwrap().row;
        small && (row.since..=row.until).contains(&message.version)
    })
}

/// The tables of libwbxml lack three names of 1.2 (reference csp-wbxml §7), and its XML holds opaque
/// content as it is, which no XML reader takes.
fn is_known_to_libwbxml((name, text): &(String, String)) -> bool {
    let text = text.as_str();
    name != "CIRURL"
        && !["SSMS", "SHTTP"].contains(&text)
        && (name.as_str(), text) != ("ContentEncoding", "BASE64")
}

/// Examples and generated primitives of a version: a name to complain by, and the message as the
/// version can carry it.
fn messages(version: Version, generated: usize) -> Vec<(String, Message)> {
    let examples = examples()
        .into_iter()
        .map(|(path, message)| (path.file_stem().unwrap().to_string_lossy().into_owned(), message));
    let generated = wire::csp_primitives(generated)
        .into_iter()
        .enumerate()
        .map(|(number, primitive)| (format!("generated {number}"), envelope(primitive, version)));
    examples
        .chain(generated)
        .filter(|(_, message)| message.version == version)
        .map(|(name, message)| {
            let octets = csp::write(&Message { encoding: Encoding::Wbxml, ..message }).unwrap();
            (name, csp::read(&octets, Encoding::Wbxml, None, &LIMITS).unwrap())
        })
        .filter(|(_, message)| is_common_knowledge(message))
        .collect()
}

#[test]
fn wbxml2xml_reads_the_same_from_our_wbxml() {
    let Some(program) = tool("wbxml2xml") else { return };
    let scratch = Scratch::new("wbxml2xml");
    let (mut wrong, mut compared) = (Vec::new(), 0);
    // It knows the number 0x11 by this option only.
    for (version, language) in [(Version::V1_1, "CSP11"), (Version::V1_2, "CSP12")] {
        for (number, (name, message)) in messages(version, 200).into_iter().enumerate() {
            if !elements(&xml_of(&message)).iter().all(is_known_to_libwbxml) {
                continue;
            }
            compared += 1;
            let (from, to) = (scratch.0.join(format!("{number}.wbxml")), scratch.0.join("out.xml"));
            fs::write(&from, csp::write(&message).unwrap()).unwrap();
            drop(fs::remove_file(&to));
            let output = Command::new(&program)
                .args(["-l", language, "-m", "2", "-k", "-o"])
                .arg(&to)
                .arg(&from)
                .output()
                .unwrap();
            let Ok(theirs) = fs::read(&to) else {
                wrong.push(format!("{version} {name}: {}", String::from_utf8_lossy(&output.stderr)));
                continue;
            };
            let read = csp::read(&theirs, Encoding::Xml, None, &LIMITS);
            let ours = Message { encoding: Encoding::Xml, ..message };
            if read.as_ref() != Ok(&ours) {
                wrong.push(format!(
                    "{version} {name}\n  ours   {ours:?}\n  theirs {read:?}\n  {}",
                    String::from_utf8_lossy(&theirs)
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
    assert!(compared > 300, "{compared}");
}

#[test]
fn what_xml2wbxml_writes_we_read() {
    let Some(program) = tool("xml2wbxml") else { return };
    let scratch = Scratch::new("xml2wbxml");
    let mut wrong = Vec::new();
    let mut read_in_all = 0;
    for (path, message) in examples() {
        // It calls AutoSubscribe by another name, and cannot write a literal one (reference csp-wbxml §7).
        let is_strange = elements(&xml_of(&message)).iter().any(|(name, _)| name == "AutoSubscribe");
        if message.version == Version::V1_3 || is_strange {
            continue;
        }
        let to = scratch.0.join("out.wbxml");
        drop(fs::remove_file(&to));
        let output = Command::new(&program).arg("-o").arg(&to).arg(&path).output().unwrap();
        let Ok(theirs) = fs::read(&to) else {
            wrong.push(format!("{}: {}", path.display(), String::from_utf8_lossy(&output.stderr)));
            continue;
        };
        let read = csp::read(&theirs, Encoding::Wbxml, None, &LIMITS);
        let ours = Message { encoding: Encoding::Wbxml, ..message };
        if read.as_ref() != Ok(&ours) {
            wrong.push(format!("{}\n  ours   {ours:?}\n  theirs {read:?}\n {theirs:02x?}", path.display()));
        }
        read_in_all += 1;
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
    assert!(read_in_all > 20, "{read_in_all}");
}

/// A capture in which each document is posted over HTTP, in one packet of a connection of its own
/// (libpcap 2.4, raw IPv4). Checksums are left zero, which a dissector does not mind.
fn capture(documents: &[Vec<u8>]) -> Vec<u8> {
    let mut file = Vec::new();
    for number in [0xA1B2_C3D4_u32, 0x0004_0002, 0, 0, 262_144, 101] {
        file.extend(number.to_le_bytes());
    }
    for (number, document) in (0_u16..).zip(documents) {
        let length = document.len();
        let head = format!(
            "POST / HTTP/1.1\r\nContent-Type: application/vnd.wv.csp.wbxml\r\nContent-Length: {length}\r\n\r\n"
        );
        let octets = u16::try_from(40 + head.len() + length).expect("a document fits into one packet");
        let mut packet = vec![0x45, 0];
        packet.extend(octets.to_be_bytes());
        packet.extend([0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
        packet.extend((20_000 + number).to_be_bytes());
        packet.extend([0, 80, 0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x18, 0xFF, 0xFF, 0, 0, 0, 0]);
        packet.extend(head.as_bytes());
        packet.extend(document);
        for word in [u32::from(number), 0, u32::from(octets), u32::from(octets)] {
            file.extend(word.to_le_bytes());
        }
        file.extend(packet);
    }
    file
}

/// What the dissector shows of each document: names and values of elements in document order.
fn dissected(report: &str) -> Vec<Vec<(String, String)>> {
    let mut documents: Vec<Vec<(String, String)>> = Vec::new();
    for line in report.lines() {
        if line.starts_with("WAP Binary XML") {
            documents.push(Vec::new());
        }
        let mut columns = line.splitn(5, '|');
        let (_level, state, _page) = (columns.next(), columns.next(), columns.next());
        let (Some("Tag  " | " Tag   "), Some(token), Some(shown)) = (state, columns.next(), columns.next())
        else {
            continue;
        };
        let (Some(document), token, shown) = (documents.last_mut(), token.trim(), shown.trim()) else {
            continue;
        };
        if token.starts_with("Known Tag") {
            let name = shown.trim_matches(['<', '>', '/', ' ']);
            document.push((name.to_owned(), String::new()));
        } else if !token.starts_with("END") && !token.starts_with("SWITCH_PAGE") {
            let value = shown.split_once(": ").map_or(shown.to_owned(), |(kind, value)| match kind {
                "Common Value" => value.to_owned(),
                // It takes them for signed.
                "WV-CSP Integer" => value.parse::<i32>().unwrap().cast_unsigned().to_string(),
                "WV-CSP DateTime" => value.replace(['-', ':'], ""),
                _ => shown.to_owned(),
            });
            let quoted = value.strip_prefix('\'').and_then(|value| value.strip_suffix('\''));
            document.last_mut().unwrap().1.push_str(quoted.unwrap_or(&value));
        }
    }
    documents
}

/// What the dissector shows of an element that our XML has.
fn as_dissected((name, text): &(String, String), version: Version, in_base64: bool) -> (String, String) {
    let opaque = |octets: usize| format!("({octets} bytes of unparsed opaque data)");
    let integer = |text: &str| {
        let number: u32 = text.parse().unwrap();
        opaque((32 - number.leading_zeros() as usize).div_ceil(8).max(1))
    };
    let shown = match name.as_str() {
        // Integers that it does not know for such (reference csp-wbxml §4.2).
        "AcceptedCharset" | "AnswerOptionID" | "ChosenOptionID" | "WatcherCount" => integer(text),
        "SearchID" | "SearchFindings" | "SearchIndex" | "SearchLimit" if version < Version::V1_3 => {
            integer(text)
        }
        // One value token of two meanings, of which it knows one (reference csp-wbxml §4.1).
        "SearchElement" if text == "GROUP_ID" && version == Version::V1_3 => "History".to_owned(),
        // What is BASE64 in XML is opaque in WBXML, which needs no encoding.
        "ContentEncoding" if in_base64 => "None".to_owned(),
        "ContentData" if in_base64 => opaque(text.trim_end_matches('=').len() * 3 / 4),
        _ => text.replace('\r', "\\r").replace('\n', "\\n").replace('\t', "\\t"),
    };
    let name = match name.as_str() {
        // Its name in the token list of 1.1 (reference csp-wbxml §7).
        "BlockEntity-Request" if version == Version::V1_1 => "BlockUser-Request",
        // Older names, with the same tokens (reference csp-wbxml §7).
        "AutoSubscribe" => "Auto-Subscribe",
        "WV-CSP-VersionDiscovery-Request" => "WV-CSP-NSDiscovery-Request",
        "WV-CSP-VersionDiscovery-Response" => "WV-CSP-NSDiscovery-Response",
        name => name,
    };
    (name.to_owned(), shown)
}

#[test]
fn tshark_shows_the_same_from_our_wbxml() {
    let Some(program) = tool("tshark") else { return };
    let scratch = Scratch::new("tshark");
    let mut wrong = Vec::new();
    for version in Version::ALL {
        let messages = messages(version, 200);
        let documents: Vec<Vec<u8>> =
            messages.iter().map(|(_, message)| csp::write(message).unwrap()).collect();
        let file = scratch.0.join("posts.pcap");
        fs::write(&file, capture(&documents)).unwrap();
        let output = Command::new(&program).args(["-V", "-O", "wbxml", "-r"]).arg(&file).output().unwrap();
        let report = String::from_utf8_lossy(&output.stdout);
        let dissected = dissected(&report);
        assert_eq!(dissected.len(), messages.len(), "{}", String::from_utf8_lossy(&output.stderr));
        for ((name, message), theirs) in messages.iter().zip(dissected) {
            let ours = elements(&xml_of(message));
            let has = |wanted: &str| ours.iter().find(|(name, _)| name == wanted).map(|(_, text)| text);
            let in_base64 =
                has("ContentData").is_some() && has("ContentEncoding").is_some_and(|is| is == "BASE64");
            let ours: Vec<_> = ours.iter().map(|element| as_dissected(element, version, in_base64)).collect();
            if ours != theirs {
                let differing = ours.iter().zip(&theirs).filter(|(ours, theirs)| ours != theirs).take(2);
                wrong.push(format!("{version} {name}: {:?}", differing.collect::<Vec<_>>()));
            }
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn xmllint_takes_every_xml_that_we_write() {
    let Some(program) = tool("xmllint") else { return };
    let scratch = Scratch::new("xmllint");
    let mut documents = Vec::new();
    for version in Version::ALL {
        documents.extend(messages(version, 100).iter().map(|(_, message)| xml_of(message)));
        let (session, id) = ("s1@north.example".parse().unwrap(), "t1".parse().unwrap());
        for primitive in wire::ssp_primitives(100) {
            let style = ssp::Style { version, legacy: false };
            let fragment = ssp::encode_primitive(&primitive, None, style).unwrap();
            let transactions = [(&id, Mode::Request, &fragment[..])];
            documents.push(ssp::write_session(version, &session, transactions.into_iter()));
        }
    }
    for path in golden("ssp") {
        let message = ssp::read(&fs::read(&path).unwrap(), None, &LIMITS).unwrap();
        if let ssp::Body::Setup(setup) = message.body {
            documents.push(ssp::write_setup(message.version, &setup));
        }
    }
    let files: Vec<PathBuf> =
        (0..documents.len()).map(|number| scratch.0.join(format!("{number}.xml"))).collect();
    for (file, document) in files.iter().zip(&documents) {
        fs::write(file, document).unwrap();
    }
    let output = Command::new(&program).args(["--noout", "--nonet"]).args(&files).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(documents.len() > 600, "{}", documents.len());
}
