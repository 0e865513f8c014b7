//! Outlines of golden documents, and properties of the scanner.

use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::imps::{SessionId, TransactionId, Version};
use crate::wire::ssp::{
    Body, Message, SessionMessage, Style, encode_primitive, read, read_outlined, write_session,
};
use crate::wire::{Carried, Limits, Mode, arbitrary};

const LIMITS: Limits = Limits::for_document(1 << 20);
const STANDARD: Style = Style { version: Version::V1_3, legacy: false };

fn golden(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/ssp");
    let found = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let file = found.into_iter().find(|path| path.to_str().unwrap().contains(name)).unwrap();
    std::fs::read(file).unwrap()
}

fn session(message: &Message) -> &SessionMessage {
    match &message.body {
        Body::Session(session) => session,
        Body::Setup(_) => panic!("a set-up message"),
    }
}

/// What was read, as the scanner tells it.
fn from_outside(mut message: Message) -> Message {
    if let Body::Session(session) = &mut message.body {
        for transaction in &mut session.transactions {
            transaction.meta = None;
            if let Some(outline) = &mut transaction.outline {
                outline.plain = true;
                transaction.content = Carried::NotServed(outline.name);
            }
        }
    }
    message
}

fn outline(name: &str) -> Outline {
    let message = read_outlined(&golden(name), None, &LIMITS).unwrap();
    *session(&message).transactions[0].outline.clone().unwrap()
}

fn marks(outline: &Outline, role: Role) -> Vec<&str> {
    outline.all(role).collect()
}

#[test]
fn senders_addressees_and_ids_of_the_golden_documents_are_found() {
    let message = outline("07-send-message-user");
    assert_eq!(message.name, "SendMessageRequest");
    assert!(message.first(Role::Service).unwrap().starts_with("wv:@"));
    assert_eq!((marks(&message, Role::Requestor).len(), marks(&message, Role::From).len()), (1, 1));
    assert_eq!(marks(&message, Role::To).len(), 1);
    assert!(message.first(Role::Key).is_some());
    let several = outline("08-send-message-multi");
    assert!(marks(&several, Role::To).len() > 1);
    assert_eq!(marks(&outline("10-group-message-fanout"), Role::Shown).len(), 1);
    assert_eq!(marks(&outline("12-delivery-status-report"), Role::Either).len(), 2);
    assert!(!marks(&outline("13-subscribe-presence"), Role::To).is_empty());
    let notice = outline("14-presence-notification");
    assert!(!marks(&notice, Role::To).is_empty() && !marks(&notice, Role::From).is_empty());
    assert_eq!(marks(&outline("17-join-group"), Role::To).len(), 2, "the group, and the name inside it");
    let invitation = outline("19-invite-request");
    assert!(invitation.first(Role::Kind).is_some() && invitation.first(Role::Key).is_some());
    let search = read_outlined(&golden("20-search-request"), None, &LIMITS).unwrap();
    assert_eq!(session(&search).transactions[0].outline, None, "it names nobody");
}

fn outlined_only(body: &str) -> Option<Outline> {
    let document = format!(
        "<WV-SSP-Message><Session sessionID='1@a.test'><Transaction transactionID='t' mode='Request'>{body}\
         </Transaction></Session></WV-SSP-Message>"
    );
    let scanned = scan(document.as_bytes(), &LIMITS)?;
    session(&scanned).transactions[0].outline.as_deref().cloned()
}

const SUBSCRIBE: &str = "<SubscribeRequest><UserID userID='wv:b@b.test'/></SubscribeRequest>";

#[test]
fn whatever_could_be_seen_in_two_ways_is_not_scanned() {
    assert!(outlined_only(SUBSCRIBE).is_some());
    for (from, to) in [
        ("<UserID", "<!-- x --><UserID"),
        ("<UserID", "<?x y?><UserID"),
        ("<UserID", "<![CDATA[ ]]><UserID"),
        ("<UserID", "<x:UserID"),
        ("userID=", "x:userID="),
        ("userID=", "user-id='wv:c@c.test' userID="),
        ("wv:b@", "wv:&#98;@"),
        ("wv:b@", "wv:&amp;@"),
        ("wv:b@", "wv:\u{1}@"),
        ("userID='wv:b@b.test'", "userID=wv:b@b.test"),
        ("</SubscribeRequest>", "</subscriberequest>"),
        ("</SubscribeRequest>", "</SubscribeRequest><Status code='200'/>"),
        ("SubscribeRequest", "StrangeRequest"),
        ("<UserID userID='wv:b@b.test'/>", ""),
    ] {
        let changed = SUBSCRIBE.replace(from, to);
        assert_ne!(changed, SUBSCRIBE);
        assert!(outlined_only(&changed).is_none(), "{changed}");
    }
}

#[test]
fn every_place_counts_and_not_only_the_first() {
    let twice =
        "<SubscribeRequest><UserID userID='wv:b@b.test'/><userid USERID='wv:c@c.test'/></SubscribeRequest>";
    assert_eq!(marks(&outlined_only(twice).unwrap(), Role::To), ["wv:b@b.test", "wv:c@c.test"]);
}

#[test]
fn a_fragment_is_plain_or_is_written_anew() {
    for plain in ["<Status code=\"200\"/>", "<A><B c='d'>x &amp; y</B> <C/></A>"] {
        assert!(is_plain(plain.as_bytes(), &LIMITS), "{plain}");
    }
    for other in
        ["", "x", "<A/><B/>", "<A/> ", "<A><!----></A>", "<A>&x;</A>", "<A>]]></A>", "<A></B>", "<A>"]
    {
        assert!(!is_plain(other.as_bytes(), &LIMITS), "{other}");
    }
}

proptest! {
    #[test]
    fn what_is_written_here_is_scanned_and_travels_on_unchanged(
        message in arbitrary::send_message_request(),
        meta in proptest::option::of(arbitrary::meta_info()),
        id in arbitrary::transaction_id(),
    ) {
        let primitive = message.into();
        let fragment = encode_primitive(&primitive, meta.as_ref(), STANDARD).unwrap();
        prop_assert!(is_plain(&fragment, &LIMITS));
        let session_id: SessionId = "1@a.test".parse().unwrap();
        let envelope = |fragment: &[u8], id: &TransactionId| {
            write_session(Version::V1_3, &session_id, [(id, Mode::Request, fragment)].into_iter())
        };
        let document = envelope(&fragment, &id);
        let read_back = read_outlined(&document, None, &LIMITS).unwrap();
        prop_assert_eq!(&document[session(&read_back).transactions[0].place.clone()], &fragment[..]);
        if let Some(scanned) = scan(&document, &LIMITS) {
            let place = session(&scanned).transactions[0].place.clone();
            let spliced = envelope(&document[place], &"next".parse().unwrap());
            let there = read(&spliced, None, &LIMITS).unwrap();
            prop_assert_eq!(&session(&there).transactions[0].content, &session(&read_back).transactions[0].content);
            prop_assert_eq!(&session(&there).transactions[0].meta, &meta);
            prop_assert_eq!(scanned, from_outside(read_back));
        }
    }

    #[test]
    fn the_scanner_says_what_the_reader_says_of_every_mutation(
        file in 0_usize..20,
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..5), 0..4),
    ) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/ssp");
        let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        let text = std::fs::read_to_string(&files[file]).unwrap();
        // Comments are taken out, or nothing would be scanned.
        let text = text.split("<!--").map(|piece| piece.rsplit("-->").next().unwrap()).collect::<String>();
        let mut body = text.trim().as_bytes().to_vec();
        for (place, octet, kind) in changes {
            let place = place.index(body.len());
            match kind {
                0 => body[place] = octet,
                1 => { body.remove(place); }
                2 => body.insert(place, octet),
                3 => body.insert(place, b"<>&\"'/=![]:- "[usize::from(octet) % 13]),
                _ => body[place] = body[place].to_ascii_uppercase(),
            }
        }
        if let Some(scanned) = scan(&body, &LIMITS) {
            let read_back = read_outlined(&body, None, &LIMITS);
            prop_assert!(read_back.is_ok(), "{read_back:?}");
            prop_assert_eq!(scanned, from_outside(read_back.unwrap()));
        }
    }
}

#[test]
fn most_golden_requests_are_scanned() {
    let scanned = |name: &str| {
        let text = String::from_utf8(golden(name)).unwrap();
        let text = text.split("<!--").map(|piece| piece.rsplit("-->").next().unwrap()).collect::<String>();
        scan(text.trim().as_bytes(), &LIMITS).is_some()
    };
    for name in ["07-", "08-", "09-", "10-", "12-", "13-", "14-", "15-", "17-", "18-", "19-"] {
        assert!(scanned(name), "{name}");
    }
    for name in ["01-", "06-", "11-", "16-", "20-"] {
        assert!(!scanned(name), "{name}");
    }
}
