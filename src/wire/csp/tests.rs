//! The tables against the golden documents, against each other, and against any octets at all.

use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::*;
use crate::imps::primitive::{
    Author, DigestSchema, Display, GetListResponse, GetWatcherListResponse, MessageInfo, NewMessage,
    ScreenName, Sender, Watcher,
};
use crate::imps::{Code, Content, GroupId, Primitive, Status, UserId};
use crate::wire::tree::folded_hash;
use crate::wire::wbxml::tokens;
use crate::wire::{Limits, Refusal};

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
fn our_documents_are_hardly_longer_than_the_golden_ones() {
    let sizes = std::fs::read_to_string("tests/golden/csp/sizes.tsv").unwrap();
    let mut totals = [(0, 0); 2];
    for line in sizes.lines().skip(1) {
        let columns: Vec<&str> = line.split('\t').collect();
        let [name, _, xml, wbxml] = columns[..] else { panic!("{line}") };
        let path = PathBuf::from(format!("tests/golden/csp/{name}.xml"));
        let message = read_file(&path);
        for ((encoding, golden), total) in ENCODINGS.into_iter().zip([xml, wbxml]).zip(&mut totals) {
            let ours = write(&Message { encoding, ..message.clone() }).unwrap_or_default().len();
            total.0 += ours;
            total.1 += golden.parse::<usize>().unwrap();
        }
    }
    for (ours, golden) in totals {
        assert!(0 < ours && ours <= golden + golden / 100, "{ours} octets, and {golden} of the golden ones");
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
const OTHERWISE: &[(&str, &str)] = &[
    ("13-csp11-c2s-polling", "an empty TransactionID is left out"),
    ("40-csp12-c2s-creategroup", "up to 1.2 the property is spelt Accesstype, which has no token"),
];

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
    assert!(primitives > 600, "{primitives}, and {not_served} not served");
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

/// A document with this primitive, as XML of the version.
fn xml(version: Version, primitive: &str) -> String {
    format!(
        "<WV-CSP-Message xmlns=\"{}\"><Session><SessionDescriptor><SessionType>Inband</SessionType>\
         <SessionID>s1</SessionID></SessionDescriptor><Transaction><TransactionDescriptor>\
         <TransactionMode>Request</TransactionMode><TransactionID>t1</TransactionID></TransactionDescriptor>\
         <TransactionContent>{primitive}</TransactionContent></Transaction></Session></WV-CSP-Message>",
        namespace(version, tokens::Namespace::Session)
    )
}

fn carried(version: Version, primitive: &str) -> Carried {
    let document = xml(version, primitive);
    let message = read(document.as_bytes(), Encoding::Xml, None, &LIMITS).unwrap();
    message.transactions.into_iter().next().unwrap().content
}

fn primitive(version: Version, text: &str) -> Primitive {
    match carried(version, text) {
        Carried::Primitive(primitive) => *primitive,
        other => panic!("{other:?}"),
    }
}

fn fragment(primitive: &Primitive, version: Version) -> String {
    String::from_utf8(encode_primitive(primitive, version, Encoding::Xml).unwrap()).unwrap()
}

fn new_message(content_type: Option<&str>, content: Content) -> Primitive {
    let info = MessageInfo { content_type: content_type.map(Into::into), ..MessageInfo::default() };
    NewMessage { info, content: Some(content) }.into()
}

#[test]
fn content_is_text_where_it_can_be_and_octets_elsewhere() {
    let text = new_message(None, Content::from("a&b "));
    assert_eq!(
        fragment(&text, Version::V1_2),
        "<NewMessage><MessageInfo/><ContentData>a&amp;b </ContentData></NewMessage>"
    );
    let picture = new_message(Some("image/png"), Content::new(vec![0x89, 0, 0xFF]));
    assert_eq!(
        fragment(&picture, Version::V1_2),
        "<NewMessage><MessageInfo><ContentType>image/png</ContentType>\
         <ContentEncoding>BASE64</ContentEncoding></MessageInfo><ContentData>iQD/</ContentData></NewMessage>"
    );
    let octets = encode_primitive(&picture, Version::V1_2, Encoding::Wbxml).unwrap();
    // ContentEncoding is the token None, ContentData three opaque octets.
    assert!(octets.windows(4).any(|part| part == [0x4E, 0x80, 0x16, 0x01]));
    assert!(octets.ends_with(&[0x4D, 0xC3, 3, 0x89, 0, 0xFF, 1, 1]));
    for version in Version::ALL {
        for encoding in ENCODINGS {
            for sent in [&text, &picture, &new_message(None, Content::from("a\u{0}b"))] {
                let octets = encode_primitive(sent, version, encoding).unwrap();
                assert_eq!(decode_primitive(&octets, version, encoding).as_ref(), Ok(sent));
            }
        }
    }
}

#[test]
fn base64_is_undone_wherever_it_is_announced() {
    let Primitive::SendMessageRequest(read) = primitive(
        Version::V1_2,
        "<SendMessage-Request><MessageInfo><ContentEncoding>base64</ContentEncoding><Recipient><User>\
         <UserID>bo@south.example</UserID></User></Recipient></MessageInfo>\
         <ContentData>aG\r\n Vs bG8</ContentData></SendMessage-Request>",
    ) else {
        panic!()
    };
    assert_eq!(read.content, Some(Content::from("hello")));
    assert_eq!(read.info.content_encoding, None);
    let Carried::Faulty { name, fault } = carried(
        Version::V1_2,
        "<NewMessage><MessageInfo><ContentEncoding>BASE64</ContentEncoding></MessageInfo>\
         <ContentData>!</ContentData></NewMessage>",
    ) else {
        panic!()
    };
    assert_eq!(
        (name, fault.path.as_str(), fault.code),
        ("NewMessage", "NewMessage/ContentData", Code::BAD_PARAMETER)
    );
    // Without content beside it the encoding describes what can be fetched, and stays.
    let Primitive::MessageNotification(read) = primitive(
        Version::V1_2,
        "<MessageNotification><MessageInfo><ContentEncoding>BASE64</ContentEncoding></MessageInfo>\
         </MessageNotification>",
    ) else {
        panic!()
    };
    assert_eq!(read.info.content_encoding.as_deref(), Some("BASE64"));
}

#[test]
fn a_client_of_1_3_that_speaks_as_1_2_is_noticed_and_answered_so() {
    let document = |version: &str, content: &str| {
        format!(
            "<WV-CSP-Message xmlns=\"http://www.openmobilealliance.org/DTD/{version}\"><Session>\
             <SessionDescriptor><SessionType>Inband</SessionType><SessionID>s1</SessionID></SessionDescriptor>\
             <Transaction><TransactionDescriptor><TransactionMode>Request</TransactionMode>\
             <TransactionID>t1</TransactionID></TransactionDescriptor><TransactionContent>{content}\
             </TransactionContent></Transaction></Session></WV-CSP-Message>"
        )
    };
    let noticed = |version: &str, content: &str| {
        read(document(version, content).as_bytes(), Encoding::Xml, None, &LIMITS).unwrap().old_forms
    };
    let old = "<GetPresence-Request><User><UserID>wv:a@n.example</UserID></User></GetPresence-Request>";
    let new =
        "<GetPresence-Request><UserIDList><UserID>wv:a@n.example</UserID></UserIDList></GetPresence-Request>";
    let list = "<SubscribePresence-Request><ContactList>wv:a/x@n.example</ContactList>\
                <AutoSubscribe>T</AutoSubscribe></SubscribePresence-Request>";
    let elsewhere = "<DeleteList-Request><ContactList>wv:a/x@n.example</ContactList></DeleteList-Request>";
    let said = [old, new, list, elsewhere].map(|content| noticed("IMPS-CSP1.3", content));
    assert_eq!(said, [true, false, true, false]);
    assert!(!noticed("WV-CSP1.2", old), "at 1.2 that is the form");
    let answer = |primitive: Primitive, old_forms| {
        let content = Carried::Primitive(Box::new(primitive));
        let transaction = Transaction { mode: Mode::Response, id: "t1".parse().ok(), content };
        let message = Message {
            version: Version::V1_3,
            encoding: Encoding::Xml,
            session: "s1".parse().ok(),
            transactions: vec![transaction],
            poll: None,
            cir: None,
            old_forms,
        };
        String::from_utf8(write(&message).unwrap()).unwrap()
    };
    let lists = || -> Primitive {
        let lists = vec!["wv:a/x@n.example".parse().unwrap()];
        GetListResponse { result: Status::ok(), lists, default: None }.into()
    };
    assert!(answer(lists(), true).contains("<GetList-Response><ContactList>"));
    assert!(answer(lists(), false).contains("<GetList-Response><ContactListIDList><ContactList>"));
    let watchers = || -> Primitive {
        let watcher = Watcher { user: "wv:b@s.example".parse::<UserId>().unwrap().into(), status: None };
        GetWatcherListResponse {
            result: Status::ok(),
            history_period: None,
            count: Some(1),
            watchers: vec![watcher],
        }
        .into()
    };
    assert!(
        answer(watchers(), true).contains("<Watcher><User><UserID>wv:b@s.example</UserID></User></Watcher>")
    );
    assert!(answer(watchers(), false).contains("<Watcher><UserID>wv:b@s.example</UserID></Watcher>"));
}

#[test]
fn poll_and_cir_stand_where_the_version_wants_them() {
    let written = |version| {
        let message = Message {
            version,
            encoding: Encoding::Xml,
            session: "s1".parse().ok(),
            transactions: vec![Transaction {
                mode: Mode::Response,
                id: "t1".parse().ok(),
                content: Carried::Primitive(Box::new(Primitive::LogoutRequest)),
            }],
            poll: Some(true),
            cir: Some(false),
            old_forms: false,
        };
        let octets = write(&message).unwrap();
        let read = read(&octets, Encoding::Xml, None, &LIMITS).unwrap();
        assert_eq!(read, Message { cir: message.cir.filter(|_| version > Version::V1_1), ..message });
        String::from_utf8(octets).unwrap()
    };
    assert!(written(Version::V1_1).contains("<Poll>T</Poll></TransactionDescriptor>"));
    assert!(written(Version::V1_2).contains("</Transaction><Poll>T</Poll><CIR>F</CIR></Session>"));
    assert_eq!(
        written(Version::V1_3),
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\
         <WV-CSP-Message xmlns=\"http://www.openmobilealliance.org/DTD/IMPS-CSP1.3\"><Session>\
         <SessionDescriptor><SessionType>Inband</SessionType><SessionID>s1</SessionID></SessionDescriptor>\
         <Transaction><TransactionDescriptor><TransactionMode>Response</TransactionMode>\
         <TransactionID>t1</TransactionID></TransactionDescriptor>\
         <TransactionContent xmlns=\"http://www.openmobilealliance.org/DTD/IMPS-TRC1.3\"><Logout-Request/>\
         </TransactionContent></Transaction><Poll>T</Poll><CIR>F</CIR></Session></WV-CSP-Message>"
    );
}

#[test]
fn the_forms_of_every_version_are_read_at_every_version() {
    for version in Version::ALL {
        let lists = [
            "<MessageInfo/><MessageInfo/>",
            "<MessageInfoList><MessageInfo/><MessageInfo/></MessageInfoList>",
        ];
        for list in lists {
            let text = format!("<GetMessageList-Response>{list}</GetMessageList-Response>");
            let Primitive::GetMessageListResponse(read) = primitive(version, &text) else { panic!() };
            assert_eq!(read.messages.len(), 2, "{version} {list}");
        }
        let blocks = [
            "<BlockList><InUse>T</InUse><AddList><UserID>bo</UserID></AddList></BlockList>",
            "<BlockListInUse>T</BlockListInUse><BlockList><AddList><UserID>bo</UserID></AddList></BlockList>",
        ];
        for (element, block) in ["BlockEntity-Request", "BlockUser-Request"].iter().zip(blocks) {
            let read = primitive(version, &format!("<{element}>{block}</{element}>"));
            let Primitive::BlockEntityRequest(read) = read else { panic!() };
            let block = read.block.unwrap();
            assert_eq!((block.in_use, block.add.unwrap().users.len()), (Some(true), 1));
        }
        for list in ["CapabilityList", "AgreedCapabilityList"] {
            let text = format!(
                "<ClientCapability-Response><{list}><SupportedBearer>PIGEON</SupportedBearer>\
                 <SupportedBearer>HTTP</SupportedBearer></{list}></ClientCapability-Response>"
            );
            let Primitive::ClientCapabilityResponse(read) = primitive(version, &text) else { panic!() };
            assert_eq!(read.agreed.bearers.len(), 1, "{version} {list}: words nobody knows are passed over");
        }
        let schemas = [
            "<DigestSchema>SHA,MD5, XYZ</DigestSchema>",
            "<DigestSchema>SHA</DigestSchema><DigestSchema>MD5</DigestSchema>",
        ];
        for schemas in schemas {
            let text = format!("<Login-Request><UserID>bo</UserID><ClientID/>{schemas}</Login-Request>");
            let Primitive::LoginRequest(read) = primitive(version, &text) else { panic!() };
            assert_eq!(read.schemas, [DigestSchema::Sha, DigestSchema::Md5]);
        }
    }
    let request = primitive(
        Version::V1_1,
        "<Login-Request><UserID>bo</UserID><ClientID/><DigestSchema>SHA,MD5</DigestSchema></Login-Request>",
    );
    assert!(fragment(&request, Version::V1_1).contains("<DigestSchema>SHA,MD5</DigestSchema>"));
    assert!(fragment(&request, Version::V1_2).contains("<DigestSchema>SHA</DigestSchema><DigestSchema>MD5<"));
}

#[test]
fn a_screen_name_hides_its_owner() {
    let read = |sender: &str| {
        let text = format!("<NewMessage><MessageInfo><Sender>{sender}</Sender></MessageInfo></NewMessage>");
        match primitive(Version::V1_2, &text) {
            Primitive::NewMessage(message) => message.info.sender,
            other => panic!("{other:?}"),
        }
    };
    let group: GroupId = "wv:/lobby@north.example".parse().unwrap();
    let sender = read(
        "<Group><ScreenName><SName>ana</SName><GroupID>wv:/lobby@north.example</GroupID></ScreenName></Group>",
    )
    .unwrap();
    assert_eq!(sender.author, Author::Group(group.clone()));
    assert!(matches!(&sender.shown, Some(Display::ScreenName(name)) if &*name.name == "ana"));
    assert_eq!(read(""), None);
    // A user who shows a screen name is written by it, never by the address.
    let hidden = Sender {
        author: Author::User("wv:ana@north.example".parse::<UserId>().unwrap().into()),
        shown: Some(Display::ScreenName(ScreenName { name: "ana".into(), group })),
    };
    let info = MessageInfo { sender: Some(hidden), ..MessageInfo::default() };
    let text = fragment(&NewMessage { info, content: None }.into(), Version::V1_2);
    assert!(text.contains("<SName>ana</SName>") && !text.contains("wv:ana@"), "{text}");
}

#[test]
fn a_faulty_primitive_leaves_an_envelope_to_answer() {
    let fault = |text: &str| match carried(Version::V1_2, text) {
        Carried::Faulty { fault, .. } => (fault.path, fault.code.get()),
        other => panic!("{other:?}"),
    };
    assert_eq!(fault("<MessageDelivered/>"), ("MessageDelivered/MessageID".into(), 400));
    assert_eq!(
        fault(
            "<SendMessage-Request><MessageInfo><Recipient><User><UserID>a b</UserID></User></Recipient>\
             </MessageInfo></SendMessage-Request>"
        ),
        ("SendMessage-Request/MessageInfo/Recipient/User/UserID".into(), 427)
    );
    assert_eq!(fault(""), ("TransactionContent/primitive".into(), 400));
    assert_eq!(carried(Version::V1_2, "<GetSegment-Request/>"), Carried::NotServed("GetSegment-Request"));
    assert_eq!(carried(Version::V1_2, "<Dance-Request/>"), Carried::Unknown("Dance-Request".into()));
}

#[test]
fn strangers_in_a_document_are_passed_over() {
    let document = xml(
        Version::V1_2,
        "<Login-Request xmlns:xsd=\"urn:x\" odd='1'><v:Extra xmlns:v='urn:v'><UserID>eve</UserID></v:Extra>\
         <UserID>ana</UserID><ClientID><URL>urn:x</URL><Model>9</Model></ClientID></Login-Request>",
    )
    .replace("</Transaction>", "<ExtBlock><APIClient>x</APIClient></ExtBlock></Transaction>");
    let message = read(document.as_bytes(), Encoding::Xml, None, &LIMITS).unwrap();
    let Carried::Primitive(primitive) = &message.transactions[0].content else { panic!() };
    let Primitive::LoginRequest(request) = &**primitive else { panic!() };
    assert_eq!(request.user.as_str(), "wv:ana");
}

#[test]
fn what_is_no_envelope_is_refused() {
    let refusal = |text: &str| read(text.as_bytes(), Encoding::Xml, None, &LIMITS).unwrap_err();
    assert!(matches!(refusal("<html/>"), Refusal::Envelope(_)));
    assert!(matches!(refusal("<WV-CSP-Message/>"), Refusal::Envelope(_)));
    assert!(matches!(refusal("<WV-CSP-Message><Session/></WV-CSP-Message>"), Refusal::Envelope(_)));
    let other = xml(Version::V1_2, "<Polling-Request/>").replace("CSP1.2", "CSP1.4");
    assert_eq!(refusal(&other), Refusal::Version("1.4".into()));
    let long = xml(Version::V1_2, "<Polling-Request/>").replace("t1", &"t".repeat(500));
    assert!(matches!(refusal(&long), Refusal::Envelope(_)));
    assert_eq!(
        read(&[0x41; 200], Encoding::Wbxml, None, &Limits::for_document(100)).unwrap_err().reason(),
        "limit"
    );
}

#[test]
fn an_outband_document_has_no_session() {
    let outband = xml(Version::V1_3, "<Polling-Request/>").replace("Inband", "Outband");
    assert_eq!(read(outband.as_bytes(), Encoding::Xml, None, &LIMITS).unwrap().session, None);
}

#[test]
fn a_short_fragment_may_unfold_to_more_text_than_it_has_octets() {
    let text = "<GetGroupProps-Response><Result><Code>200</Code></Result><GroupProperties><Property>\
        <Name>PrivateMessaging</Name></Property></GroupProperties></GetGroupProps-Response>";
    let primitive = decode_primitive(text.as_bytes(), Version::V1_1, Encoding::Xml).unwrap();
    let octets = encode_primitive(&primitive, Version::V1_1, Encoding::Wbxml).unwrap();
    assert!(octets.len() < "PrivateMessaging".len(), "{octets:x?}");
    assert_eq!(decode_primitive(&octets, Version::V1_1, Encoding::Wbxml), Ok(primitive));
}

proptest! {
    #[test]
    fn every_primitive_comes_back_in_every_version_and_encoding(primitive in arbitrary::primitive()) {
        for version in Version::ALL {
            let mut sent = primitive.clone();
            arbitrary::fit(&mut sent, version);
            arbitrary::unsay(&mut sent);
            for encoding in ENCODINGS {
                // What the version has no place for is left out, whatever stood there.
                let octets = encode_primitive(&primitive, version, encoding).unwrap();
                prop_assert_eq!(decode_primitive(&octets, version, encoding), Ok(sent.clone()));
            }
        }
    }

    #[test]
    fn every_envelope_comes_back(
        primitives in proptest::collection::vec(arbitrary::primitive(), 1..3),
        ids in proptest::collection::vec(proptest::option::of(crate::wire::arbitrary::transaction_id()), 3),
        session in proptest::option::of(crate::wire::arbitrary::session_id()),
        asks: bool,
        poll: Option<bool>,
        cir: Option<bool>,
    ) {
        for version in Version::ALL {
            for encoding in ENCODINGS {
                // Discovery has no envelope.
                let discovers = |primitive: &Primitive| primitive.name().starts_with("VersionDiscovery");
                let primitives: Vec<Primitive> =
                    primitives.iter().filter(|primitive| !discovers(primitive)).cloned().collect();
                prop_assume!(!primitives.is_empty());
                let transaction = |(mut primitive, id): (Primitive, _)| {
                    arbitrary::fit(&mut primitive, version);
                    arbitrary::unsay(&mut primitive);
                    let mode = if asks { Mode::Request } else { Mode::Response };
                    Transaction { mode, id, content: Carried::Primitive(Box::new(primitive)) }
                };
                let sent = Message {
                    version,
                    encoding,
                    session: session.clone(),
                    transactions: primitives.into_iter().zip(ids.clone()).map(transaction).collect(),
                    poll,
                    cir: cir.filter(|_| version > Version::V1_1),
                    old_forms: false,
                };
                prop_assert_eq!(read(&write(&sent).unwrap(), encoding, None, &LIMITS), Ok(sent));
            }
        }
    }

    #[test]
    fn any_octets_are_read_in_peace(octets in proptest::collection::vec(any::<u8>(), 0..400)) {
        for encoding in ENCODINGS {
            drop(read(&octets, encoding, None, &LIMITS));
            drop(decode_primitive(&octets, Version::V1_3, encoding));
        }
        let message = [&[3, 0x12, 0x6A, 0, 0xC9, 0x0B, 3, 0x31, 0x2E, 0x33, 0, 1, 0x6D][..], &octets].concat();
        drop(read(&message, Encoding::Wbxml, None, &LIMITS));
    }

    /// Some octets of a good document are changed, left out or doubled; the limits are small.
    #[test]
    fn no_mutation_of_a_document_does_harm(
        file: prop::sample::Index,
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3), 1..4),
    ) {
        for extension in ["xml", "wbxml"] {
            let golden = files("tests/golden/csp", extension);
            let mut octets = std::fs::read(&golden[file.index(golden.len())]).unwrap();
            for (place, octet, kind) in &changes {
                let place = place.index(octets.len());
                match kind {
                    0 => octets[place] = *octet,
                    1 => drop(octets.remove(place)),
                    _ => octets.insert(place, *octet),
                }
            }
            let limits = Limits { depth: 12, elements: 60, text: 300, ..LIMITS };
            drop(read(&octets, encoding_of(extension).unwrap(), None, &limits));
        }
    }
}

#[test]
fn no_primitive_is_left_out_of_the_properties() {
    use proptest::strategy::ValueTree as _;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..2000 {
        let primitive = arbitrary::primitive().new_tree(&mut runner).unwrap().current();
        let octets = encode_primitive(&primitive, Version::V1_3, Encoding::Wbxml).unwrap();
        assert!(!octets.is_empty());
        seen.insert(primitive.name());
    }
    assert_eq!(seen.len(), names().0.len(), "{seen:?}");
}
