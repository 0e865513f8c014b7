//! Golden documents, recordings of the one known implementation, and properties of the SSP codec.

use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::primitives::SspPrimitives;
use super::*;
use crate::imps::Primitive;
use crate::imps::primitive::{DigestSchema, Display, LinkLoginResponse, Recipient};
use crate::imps::status::{Code, Entity, Status};
use crate::wire::table::{Cardinality, Ssp, Table};
use crate::wire::{Limits, Refusal, arbitrary, csp};

const LIMITS: Limits = Limits::for_document(1 << 20);
const STANDARD: Style = Style { version: Version::V1_3, legacy: false };
const LEGACY: Style = Style { version: Version::V1_3, legacy: true };

fn golden(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(folder);
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// The canonical form of a golden document: no comments, no white space between tags.
fn canonical(text: &str) -> String {
    let mut kept = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("<!--") {
        kept.push_str(before);
        rest = after.split_once("-->").unwrap().1;
    }
    kept.push_str(rest);
    let lines: Vec<&str> = kept
        .split('>')
        .map(|piece| if piece.trim_start().starts_with('<') { piece.trim_start() } else { piece })
        .collect();
    lines.join(">").trim_end().to_owned()
}

fn session(message: &Message) -> &SessionMessage {
    match &message.body {
        Body::Session(session) => session,
        Body::Setup(_) => panic!("a set-up message"),
    }
}

/// Wraps children of a Session in its envelope.
fn document(inner: &str) -> Vec<u8> {
    format!("<WV-SSP-Message><Session sessionID='1@a.test'>{inner}</Session></WV-SSP-Message>").into_bytes()
}

fn only(inner: &str) -> Transaction {
    let message = read(
        &document(&format!("<Transaction transactionID='t' mode='request'>{inner}</Transaction>")),
        None,
        &LIMITS,
    );
    session(&message.unwrap()).transactions.first().unwrap().clone()
}

fn fault(inner: &str) -> (String, u16) {
    match only(inner).content {
        Carried::Faulty { fault, .. } => (fault.path, fault.code.get()),
        other => panic!("{other:?}"),
    }
}

fn primitive(inner: &str) -> Primitive {
    match only(inner).content {
        Carried::Primitive(primitive) => *primitive,
        other => panic!("{other:?}"),
    }
}

/// Encodes everything that was read again.
fn rewrite(message: &Message) -> Vec<u8> {
    match &message.body {
        Body::Setup(setup) => write_setup(message.version, setup),
        Body::Session(session) => {
            let fragments: Vec<_> = session
                .transactions
                .iter()
                .filter_map(|transaction| {
                    let Carried::Primitive(primitive) = &transaction.content else { return None };
                    let fragment = encode_primitive(primitive, transaction.meta.as_ref(), LEGACY).unwrap();
                    Some((&transaction.id, transaction.mode, fragment))
                })
                .collect();
            let parts = fragments.iter().map(|(id, mode, fragment)| (*id, *mode, fragment.as_slice()));
            write_session(message.version, &session.session, parts)
        }
    }
}

#[test]
fn golden_documents_are_written_as_they_were_read() {
    let mut written = 0;
    for path in golden("ssp") {
        let text = std::fs::read_to_string(&path).unwrap();
        let message = read(text.as_bytes(), None, &LIMITS).unwrap();
        assert_eq!(message.version, Version::V1_3);
        let all_served = match &message.body {
            Body::Setup(_) => true,
            Body::Session(session) => {
                assert_eq!(session.skipped, 0);
                session.transactions.iter().all(|transaction| match &transaction.content {
                    Carried::Primitive(_) => true,
                    Carried::NotServed(_) => false,
                    other => panic!("{}: {other:?}", path.display()),
                })
            }
        };
        if all_served {
            written += 1;
            assert_eq!(String::from_utf8(rewrite(&message)).unwrap(), canonical(&text), "{}", path.display());
        }
    }
    assert_eq!(written, 20, "all of them");
}

#[test]
fn an_answer_with_details_is_read_beside_others() {
    let path = golden("ssp").into_iter().nth(10).unwrap();
    let message = read(&std::fs::read(path).unwrap(), None, &LIMITS).unwrap();
    let session = session(&message);
    assert_eq!(session.session.issuer(), Some("beta.example"));
    let [send, status, join] = &session.transactions[..] else { panic!() };
    let Carried::Primitive(send) = &send.content else { panic!() };
    let Primitive::SendMessageResponse(send) = &**send else { panic!() };
    let nobody = Entity::User("wv:nobody@beta.example".parse().unwrap());
    assert_eq!(send.result.code, Code::PARTIALLY_SUCCESSFUL);
    assert_eq!(send.result.code_for(&nobody), Code::UNKNOWN_USER);
    let Carried::Primitive(status) = &status.content else { panic!() };
    let Primitive::Status(status) = &**status else { panic!() };
    assert_eq!(status.details[0].entities.len(), 2);
    assert_eq!(status.details[1].entities, [Entity::Domain("gamma.example".into())]);
    assert_eq!(join.content.name(), "JoinGroupResponse");
    assert_eq!((join.mode, join.id.as_str()), (Mode::Response, "alpha-5009"));
}

/// The bodies of the HTTP messages of a recording that are SSP.
fn recorded(text: &str) -> Vec<&str> {
    text.split("\n##### ")
        .skip(1)
        .filter(|block| block.lines().next().is_some_and(|title| title.contains("[SSP")))
        .filter_map(|block| block.split_once("\n\n").map(|(_, body)| body.trim_end_matches('\n')))
        .filter(|body| !body.trim().is_empty())
        .collect()
}

#[test]
fn every_recorded_document_is_read_or_refused_for_a_reason() {
    let mut seen = std::collections::BTreeMap::<String, usize>::new();
    for path in golden("transcripts").into_iter().filter(|path| path.extension().is_some_and(|e| e == "txt"))
    {
        let text = std::fs::read_to_string(&path).unwrap();
        for body in recorded(&text) {
            let what = match read(body.as_bytes(), None, &LIMITS) {
                Ok(Message { body: Body::Setup(setup), .. }) => setup.element.name().to_owned(),
                Ok(Message { body: Body::Session(session), .. }) => {
                    for transaction in session.transactions {
                        let name = match transaction.content {
                            Carried::Faulty { fault, .. } => format!("{}: {}", fault.path, fault.what),
                            Carried::Unknown(name) => format!("unknown {name}"),
                            other => other.name().to_owned(),
                        };
                        *seen.entry(name).or_default() += 1;
                    }
                    format!("skipped {}", session.skipped)
                }
                Err(refusal) => format!("refused {}", refusal.reason()),
            };
            *seen.entry(what).or_default() += 1;
        }
    }
    let report: Vec<_> = seen.iter().map(|(what, count)| format!("{count} {what}")).collect();
    insta::assert_snapshot!(report.join("\n"));
}

#[test]
fn the_known_implementation_is_told_by_its_spelling() {
    let body =
        "<?xml version='1.0'?>\n<WV-SSP-Message xmlns='http://www.openmobilealliance.org/DTD/WV-SSP1.3'>
        <SetupTransaction mode='Request' transactionID='1'><SendSecretToken serviceID='wv:@a.test'
        protocol='WV-SSP' procotolVersion='1.2'><SecretToken>\n abc\n</SecretToken></SendSecretToken>
        </SetupTransaction></WV-SSP-Message>";
    let message = read(body.as_bytes(), None, &LIMITS).unwrap();
    let Body::Setup(SetupTransaction { element: Setup::SendSecretToken(token), .. }) = &message.body else {
        panic!("{message:?}")
    };
    assert!(token.misspelt && token.version == Version::V1_2 && *token.token == *b"abc");
    assert!(String::from_utf8(rewrite(&message)).unwrap().contains("procotolVersion=\"1.2\""));
    let encoded = body
        .replace("<SecretToken>\n abc\n", "<SecretToken encoding=''>AP8=")
        .replace("procotol", "protocol");
    let message = read(encoded.as_bytes(), None, &LIMITS).unwrap();
    let Body::Setup(SetupTransaction { element: Setup::SendSecretToken(token), .. }) = &message.body else {
        panic!("{message:?}")
    };
    assert!(!token.misspelt && *token.token == [0, 255]);
    assert_eq!(read(&rewrite(&message), None, &LIMITS).unwrap(), message);
}

fn setup(element: &str) -> Result<Setup, Refusal> {
    let body = format!(
        "<WV-SSP-Message><SetupTransaction transactionID='x' mode='Response'>{element}</SetupTransaction></WV-SSP-Message>"
    );
    read(body.as_bytes(), None, &LIMITS).map(|message| match message.body {
        Body::Setup(setup) => setup.element,
        Body::Session(_) => panic!("a session"),
    })
}

#[test]
fn a_login_answer_without_readable_code_has_failed() {
    for element in ["<LoginResponse/>", "<LoginResponse timeToLive='x'><Status code='ok'/></LoginResponse>"] {
        let Ok(Setup::LoginResponse(response)) = setup(element) else { panic!("{element}") };
        assert_eq!(response.status, Status::new(Code::NOT_FOUND));
    }
    let element = "<LoginResponse><Status code='302'/><RedirectList><Redirect url='https://x.test/' serviceID='wv:@x.test'/><Redirect/></RedirectList></LoginResponse>";
    let Ok(Setup::LoginResponse(LinkLoginResponse { redirects, .. })) = setup(element) else { panic!() };
    assert_eq!(redirects.len(), 1);
    assert_eq!(redirects[0].service, Some("wv:@x.test".parse().unwrap()));
}

#[test]
fn a_strange_digest_never_passes_for_the_default() {
    let element = "<LoginRequest serviceID='wv:@a.test'><PasswordDigest schema='ROT13'>?</PasswordDigest></LoginRequest>";
    let Ok(Setup::LoginRequest(request)) = setup(element) else { panic!() };
    assert_eq!(
        (request.schema, request.digest.len(), request.time_to_live),
        (Some(DigestSchema::Md6), 0, 86_400)
    );
    assert!(matches!(setup("<LoginRequest/>"), Err(Refusal::Envelope(_))));
    assert!(matches!(setup("<Foo/>"), Err(Refusal::Envelope(_))));
    assert!(matches!(setup("<SendSecretToken serviceID='wv:@a.test'/>"), Err(Refusal::Envelope(_))));
}

#[test]
fn versions_are_told_by_the_namespace() {
    for (namespace, version) in [
        ("http://www.wireless-village.org/SSP1.1", Version::V1_1),
        ("http://www.openmobilealliance.org/DTD/WV-SSP1.2", Version::V1_2),
        ("http://www.openmobilealliance.org/DTD/IMPS-SSP1.3", Version::V1_3),
        ("http://www.openmobilealliance.org/DTD/WV-SSP2.0", Version::V1_3),
        ("", Version::V1_3),
    ] {
        let body = format!(
            "<w:wvsspmessage xmlns:w='{namespace}'><w:Session sessionID='1@a.test'/></w:wvsspmessage>"
        );
        assert_eq!(read(body.as_bytes(), None, &LIMITS).unwrap().version, version, "{namespace}");
    }
    for version in Version::ALL {
        let document = write_session(version, &"1@a.test".parse().unwrap(), std::iter::empty());
        assert_eq!(read(&document, None, &LIMITS).unwrap().version, version);
    }
}

#[test]
fn what_is_no_message_is_refused() {
    for body in ["<Foo/>", "<WV-SSP-Message/>", "<WV-SSP-Message><Session/></WV-SSP-Message>"] {
        assert!(matches!(read(body.as_bytes(), None, &LIMITS), Err(Refusal::Envelope(_))), "{body}");
    }
    let doctype = "<!DOCTYPE a><WV-SSP-Message><Session sessionID='1@a'/></WV-SSP-Message>";
    assert_eq!(read(doctype.as_bytes(), None, &LIMITS), Err(Refusal::Doctype));
}

#[test]
fn what_nobody_knows_is_passed_over_and_order_does_not_matter() {
    let plain = primitive(
        "<SendMessageRequest deliveryReport='Yes'><MessageInfo messageID='m' contentType='text/plain'>\
         <Recipient><User userID='wv:b@b.test'/></Recipient><Sender><User userID='wv:a@a.test'/></Sender>\
         </MessageInfo><ContentData>x</ContentData></SendMessageRequest>",
    );
    let strange = primitive(
        "<SendMessageRequest x='1' xmlns:o='http://o.test' o:y='2' deliveryReport='Yes'><Later><Deep>y</Deep></Later>\
         <ContentData>x</ContentData><MessageInfo colour='red' contentType='text/plain' messageID='m'>\
         <Sender><User shoe='41' userID='wv:a@a.test'><o:Hat/></User></Sender><Recipient><User userID='wv:b@b.test'/>\
         </Recipient><Hops>3</Hops></MessageInfo></SendMessageRequest>",
    );
    assert_eq!(strange, plain);
    // Only what stands where a primitive stands is told from what is known
    assert!(matches!(only("<Later/>").content, Carried::Unknown(name) if &*name == "Later"));
}

#[test]
fn a_transaction_without_id_or_child_is_left_out() {
    let body = document(
        "<Transaction mode='Request'><LogoutRequest/></Transaction><Transaction transactionID='1'/>
         <Transaction transactionID='2'><LogoutRequest/></Transaction><Other/>",
    );
    let message = read(&body, None, &LIMITS).unwrap();
    let session = session(&message);
    assert_eq!((session.skipped, session.transactions.len()), (2, 1));
    assert_eq!(session.transactions[0].mode, Mode::Response);
}

const META: &str = "<MetaInfo clientOriginated='Yes'><Requestor serviceID='wv:@a.test'><User userID='x@a.test'/></Requestor></MetaInfo>";

#[test]
fn every_known_spelling_of_message_info_is_read() {
    let Primitive::SendMessageRequest(message) = primitive(
        "<SendMessageRequest><MESSAGEINFO MessageID='m' MessageURI='u' ContentName='n' validlity='7' contentSize='many'>
         <Sender><User userID='x@a.test'><ClientID>\n<ApplicationID applicationID='app'/></ClientID></User><SenderDisplay><Name> X </Name></SenderDisplay></Sender>
         <Recipient><RecipientDisplay><Name>no</Name></RecipientDisplay><GroupID groupID='/g@b.test'/></Recipient>
         <DateTime>2004-99-01T</DateTime></MESSAGEINFO>
         <ContentData contentType='text/html' encoding='BASE64'> SGFs\n bG8</ContentData></SendMessageRequest>",
    ) else {
        panic!()
    };
    let info = &message.info;
    assert_eq!(info.id, Some("m".parse().unwrap()));
    assert_eq!(
        (info.uri.as_deref(), info.content_name.as_deref(), info.validity),
        (Some("u"), Some("n"), Some(7))
    );
    assert_eq!(
        (info.content_type.as_deref(), info.date_time, info.content_size),
        (Some("text/html"), None, None)
    );
    assert_eq!(info.recipients, [Recipient::Group("/g@b.test".parse().unwrap())]);
    assert_eq!(info.author().unwrap().application.as_deref(), Some("app"));
    assert_eq!(info.sender.as_ref().unwrap().shown, Some(Display::Name("X".into())));
    assert_eq!(message.content.unwrap().octets(), b"Hallo");
}

#[test]
fn text_is_kept_exactly_and_the_style_decides_about_base64() {
    let Primitive::SendMessageRequest(message) = primitive(
        "<SendMessageRequest deliveryReport='yes'><MessageInfo/><ContentData contentType='text/plain'>  a &lt;b&gt;&#13;\n </ContentData></SendMessageRequest>",
    ) else {
        panic!()
    };
    assert_eq!(message.content.as_ref().unwrap().octets(), b"  a <b>\r\n ");
    assert!(message.delivery_report && message.info.content_type.is_none());
    let message = Primitive::from(message);
    let written = |style| String::from_utf8(encode_primitive(&message, None, style).unwrap()).unwrap();
    assert!(
        written(STANDARD)
            .contains("<ContentData contentType=\"text/plain\">  a &lt;b&gt;&#13;\n </ContentData>")
    );
    assert!(written(LEGACY).contains(
        "<ContentData contentType=\"text/plain\" encoding=\"base64\">ICBhIDxiPg0KIA==</ContentData>"
    ));
}

#[test]
fn the_requestor_is_read_beside_the_primitive_and_written_first() {
    let transaction = only(&format!("<LogoutRequest>{META}</LogoutRequest>"));
    let meta = transaction.meta.unwrap();
    assert!(meta.client_originated && meta.service.domain().as_str() == "a.test");
    let fragment = encode_primitive(&Primitive::LogoutRequest, Some(&meta), STANDARD).unwrap();
    assert_eq!(
        String::from_utf8(fragment).unwrap(),
        "<LogoutRequest><MetaInfo clientOriginated=\"Yes\"><Requestor serviceID=\"wv:@a.test\">\
         <User userID=\"wv:x@a.test\"/></Requestor></MetaInfo></LogoutRequest>"
    );
    assert_eq!(encode_primitive(&Primitive::PollingRequest, None, STANDARD), None);
}

#[test]
fn faults_name_the_place_and_the_kind() {
    let message = |info: &str| fault(&format!("<SendMessageRequest>{META}{info}</SendMessageRequest>"));
    assert_eq!(message(""), ("SendMessageRequest/MessageInfo".into(), 400));
    assert_eq!(
        message("<MessageInfo validity='soon'/>"),
        ("SendMessageRequest/MessageInfo/validity".into(), 402)
    );
    assert_eq!(
        message("<MessageInfo><Recipient><User userID='a b'/></Recipient></MessageInfo>"),
        ("SendMessageRequest/MessageInfo/Recipient/User/userID".into(), 427)
    );
    assert_eq!(
        message("<MessageInfo><Sender/></MessageInfo>"),
        ("SendMessageRequest/MessageInfo/Sender/User|GroupID".into(), 400)
    );
    assert_eq!(
        message("<MessageInfo/><ContentData encoding='base64'>*</ContentData>"),
        ("SendMessageRequest/ContentData".into(), 402)
    );
    assert_eq!(
        fault("<LogoutRequest><MetaInfo/></LogoutRequest>"),
        ("LogoutRequest/MetaInfo/Requestor".into(), 400)
    );
    assert_eq!(fault("<SendMessageResponse messageID=''/>"), ("SendMessageResponse/Status".into(), 400));
}

#[test]
fn a_fault_concerns_its_own_transaction_only() {
    let body = document(
        "<Transaction transactionID='1' mode='Request'><SendMessageRequest/></Transaction>
         <Transaction transactionID='2' mode='Request'><CancelInviteRequest/></Transaction>
         <Transaction transactionID='3' mode='Request'><FooRequest/></Transaction>
         <Transaction transactionID='4' mode='Request'><LogoutRequest/></Transaction>",
    );
    let message = read(&body, None, &LIMITS).unwrap();
    let names: Vec<_> = session(&message).transactions.iter().map(|t| t.content.name()).collect();
    assert_eq!(names, ["SendMessageRequest", "CancelInviteRequest", "unknown", "LogoutRequest"]);
}

#[test]
fn an_unreadable_code_is_404_and_bad_names_in_details_do_not_spoil_an_answer() {
    let Primitive::Status(status) = primitive(
        "<Status code='x'><DetailedResult code='531'><UserID userID='a b'/><ScreenNames groupID='/g@b.test'>Bo</ScreenNames>
         </DetailedResult><TryAgainTimeout>soon</TryAgainTimeout></Status>",
    ) else {
        panic!()
    };
    assert_eq!((status.code, status.try_again), (Code::NOT_FOUND, None));
    assert!(matches!(&status.details[0].entities[..], [Entity::ScreenName(name)] if &*name.name == "Bo"));
}

#[test]
fn the_digest_tells_a_repeat_from_a_reused_id() {
    let digest = |text: &str| {
        only(&format!("<Status code='200'><StatusDescription>{text}</StatusDescription></Status>")).digest
    };
    assert_eq!(digest("a"), digest("a"));
    assert_ne!(digest("a"), digest("b"));
}

#[test]
fn tables_describe_their_rows() {
    let rows = <crate::imps::primitive::MessageInfo as Table<Ssp>>::rows();
    let find = |field| rows.iter().find(|row| row.field == field).unwrap();
    assert_eq!(
        (find("validity").attribute, &find("validity").also[..]),
        (Some("validity"), &["validlity"][..])
    );
    assert_eq!(find("recipients").elements, ["Recipient", "User", "GroupID", "ScreenName"]);
    assert_eq!(find("font").cardinality, Cardinality::Lost);
    let meta = <crate::imps::primitive::MetaInfo as Table<Ssp>>::rows();
    assert_eq!((&meta[1].elements[..], meta[1].attribute), (&["Requestor"][..], Some("serviceID")));
}

fn is_delegated(primitive: &Primitive) -> bool {
    let fragment = encode_primitive(primitive, None, STANDARD).unwrap_or_default();
    SspPrimitives::SHAPES.contains(&(name_of(&fragment), "delegated"))
}

#[test]
fn a_delegated_primitive_has_the_metainfo_first_then_a_status_then_the_children_of_csp() {
    let meta = only(&format!("<LogoutRequest>{META}</LogoutRequest>")).meta.unwrap();
    let written = |primitive: &Primitive, meta: Option<&MetaInfo>| {
        String::from_utf8(encode_primitive(primitive, meta, STANDARD).unwrap()).unwrap()
    };
    let change = "<ContactList>wv:x/friends@a.test</ContactList><AddNickList><NickName><Name>Bo</Name>\
                  <UserID>wv:bo@b.test</UserID></NickName></AddNickList><ReceiveList>T</ReceiveList>";
    let request = primitive(&format!("<ListManageRequest>{META}{change}</ListManageRequest>"));
    let Primitive::ListManageRequest(manage) = &request else { panic!("{request:?}") };
    assert_eq!((manage.add.len(), manage.receive), (1, Some(true)));
    let text = written(&request, Some(&meta));
    assert!(text.starts_with("<ListManageRequest><MetaInfo "), "{text}");
    assert!(text.ends_with(&format!("</MetaInfo>{change}</ListManageRequest>")), "{text}");
    // Result of CSP, and no Result in CSP at all: on SSP both are a Status, and none means 200.
    let manage = primitive("<ListManageResponse><NickList/></ListManageResponse>");
    let lists =
        primitive("<GetListResponse><ContactList>wv:x/friends@a.test</ContactList></GetListResponse>");
    let (status, list) = ("<Status code=\"200\"/>", "<ContactList>wv:x/friends@a.test</ContactList>");
    assert_eq!(
        written(&manage, None),
        format!("<ListManageResponse>{status}<NickList/></ListManageResponse>")
    );
    assert_eq!(
        written(&lists, None),
        format!("<GetListResponse>{status}<ContactListIDList>{list}</ContactListIDList></GetListResponse>")
    );
    let refused = primitive("<GetListResponse><Status code='531'/></GetListResponse>");
    assert!(
        matches!(refused, Primitive::GetListResponse(answer) if answer.result.code == Code::UNKNOWN_USER)
    );
    // Dates are those of CSP, truths too.
    let dated = primitive(
        "<NewMessage><MessageInfo><DateTime>2004-03-01T09:15:00Z</DateTime></MessageInfo></NewMessage>",
    );
    assert!(written(&dated, None).contains("<DateTime>20040301T091500Z</DateTime>"));
}

proptest! {
    #[test]
    fn what_is_encoded_is_decoded_again(
        primitive in arbitrary::ssp_primitive(),
        meta in proptest::option::of(arbitrary::meta_info()),
        legacy: bool,
    ) {
        let style = Style { version: Version::V1_3, legacy };
        let fragment = encode_primitive(&primitive, meta.as_ref(), style).unwrap();
        let read = decode_primitive(&fragment, &LIMITS).unwrap();
        prop_assert_eq!(read, (meta, Carried::Primitive(Box::new(primitive))));
    }

    /// The table of CSP serves SSP too, with a Status where CSP has its Result or nothing.
    #[test]
    fn a_delegated_primitive_comes_back_in_the_shape_of_csp(
        primitive in csp::arbitrary::primitive().prop_filter("not delegated", is_delegated),
        meta in proptest::option::of(arbitrary::meta_info()),
    ) {
        let mut primitive = primitive;
        csp::arbitrary::fit(&mut primitive, Version::V1_3);
        let fragment = encode_primitive(&primitive, meta.as_ref(), STANDARD).unwrap();
        let read = decode_primitive(&fragment, &LIMITS).unwrap();
        prop_assert_eq!(read, (meta, Carried::Primitive(Box::new(primitive))));
    }

    #[test]
    fn envelopes_come_back(
        session in arbitrary::session_id(),
        ids in proptest::collection::vec((arbitrary::transaction_id(), any::<bool>()), 0..4),
    ) {
        let fragment = encode_primitive(&Primitive::LogoutRequest, None, STANDARD).unwrap();
        let mode = |asks| if asks { Mode::Request } else { Mode::Response };
        let document = write_session(
            Version::V1_2,
            &session,
            ids.iter().map(|(id, asks)| (id, mode(*asks), fragment.as_slice())),
        );
        let message = read(&document, None, &LIMITS).unwrap();
        let Body::Session(read) = message.body else { panic!() };
        prop_assert_eq!(read.session, session);
        let found: Vec<_> = read.transactions.into_iter().map(|t| (t.id, t.mode)).collect();
        let wanted: Vec<_> = ids.into_iter().map(|(id, asks)| (id, mode(asks))).collect();
        prop_assert_eq!(found, wanted);
    }

    /// One octet of a good document is changed, left out or doubled.
    #[test]
    fn no_mutation_panics(file in 0_usize..20, place: prop::sample::Index, octet: u8, kind in 0..3) {
        let mut body = std::fs::read(&golden("ssp")[file]).unwrap();
        let index = place.index(body.len());
        match kind {
            0 => body[index] = octet,
            1 => drop(body.remove(index)),
            _ => body.insert(index, octet),
        }
        if let Ok(message) = read(&body, None, &LIMITS) {
            prop_assert!(read(&rewrite(&message), None, &LIMITS).is_ok());
        }
    }
}
