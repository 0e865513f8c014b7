//! Where sources disagree, on the wire (reference ssp.md, conflict list): each row is read in every form that is
//! known and written in one. What a row asks of sessions, doors and elements is proved where those stand.

use super::*;
use crate::imps::primitive::{Setup, User};
use crate::imps::{Code, Primitive, Status};
use crate::wire::{Limits, Refusal};

const LIMITS: Limits = Limits::for_document(1 << 20);
const STANDARD: Style = Style { version: Version::V1_3, legacy: false };

fn document(inner: &str) -> String {
    format!("<WV-SSP-Message><Session sessionID='1@a.test'>{inner}</Session></WV-SSP-Message>")
}

fn transaction(inner: &str) -> Result<Transaction, Refusal> {
    let body = document(&format!("<Transaction transactionID='t' mode='Request'>{inner}</Transaction>"));
    let Body::Session(session) = read(body.as_bytes(), None, &LIMITS)?.body else { panic!("a set-up") };
    Ok(session.transactions.into_iter().next().expect("a transaction"))
}

fn primitive(inner: &str) -> Primitive {
    match transaction(inner).unwrap().content {
        Carried::Primitive(primitive) => *primitive,
        other => panic!("{inner}: {other:?}"),
    }
}

fn written(primitive: &Primitive) -> String {
    String::from_utf8(encode_primitive(primitive, None, STANDARD).expect("SSP has it")).unwrap()
}

/// Everything that is accepted says the same, and is sent in one form.
fn same(sent: &str, accepted: &[&str]) {
    let meant = primitive(sent);
    assert_eq!(written(&meant), sent);
    for form in accepted {
        assert_eq!(primitive(form), meant, "{form}");
    }
}

fn setup(inner: &str) -> Setup {
    let body = format!(
        "<WV-SSP-Message><SetupTransaction transactionID='1' mode='Request'>{inner}</SetupTransaction></WV-SSP-Message>"
    );
    match read(body.as_bytes(), None, &LIMITS).unwrap().body {
        Body::Setup(setup) => setup.element,
        Body::Session(_) => panic!("a session"),
    }
}

fn written_setup(element: Setup) -> String {
    let setup = SetupTransaction { id: "1".parse().unwrap(), mode: Mode::Request, element };
    String::from_utf8(write_setup(Version::V1_3, &setup)).unwrap()
}

#[test]
fn c_01_one_namespace_is_sent_and_any_or_none_is_read() {
    let sent = |version| {
        let octets = write_session(version, &"1@a.test".parse().unwrap(), std::iter::empty());
        String::from_utf8(octets).unwrap()
    };
    assert!(sent(Version::V1_3).contains(" xmlns=\"http://www.openmobilealliance.org/DTD/WV-SSP1.3\">"));
    for (namespace, version) in [
        (" xmlns='http://www.openmobilealliance.org/DTD/WV-SSP1.3'", Version::V1_3),
        (" xmlns='http://www.openmobilealliance.org/DTD/IMPS-SSP1.3'", Version::V1_3),
        (" xmlns='http://www.openmobilealliance.org/DTD/WV-SSP1.2'", Version::V1_2),
        (" xmlns='http://www.wireless-village.org/SSP1.1'", Version::V1_1),
        ("", Version::V1_3),
    ] {
        let body = document("").replace("<WV-SSP-Message>", &format!("<WV-SSP-Message{namespace}>"));
        assert_eq!(read(body.as_bytes(), None, &LIMITS).unwrap().version, version, "{namespace}");
    }
}

#[test]
fn c_02_the_version_is_spelt_right_and_read_misspelt_or_not_at_all() {
    let token = |version: &str| {
        let element = format!(
            "<SendSecretToken serviceID='wv:@a.test' {version}><SecretToken>t</SecretToken></SendSecretToken>"
        );
        match setup(&element) {
            Setup::SendSecretToken(token) => token,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(token("protocolVersion='1.2'").version, Version::V1_2);
    assert_eq!(token("procotolVersion='1.2'").version, Version::V1_2);
    assert_eq!(token("").version, Version::V1_3);
    let sent = written_setup(Setup::SendSecretToken(token("protocolVersion='1.2'")));
    assert!(sent.contains(" protocolVersion=\"1.2\""), "{sent}");
}

#[test]
fn c_03_a_token_is_sent_as_text_and_read_as_text_or_base64_up_to_four_kib() {
    let read_token = |inner: &str| match setup(&format!(
        "<SendSecretToken serviceID='wv:@a.test'>{inner}</SendSecretToken>"
    )) {
        Setup::SendSecretToken(token) => token,
        other => panic!("{other:?}"),
    };
    let plain = read_token("<SecretToken> abc </SecretToken>");
    for encoding in ["base64", "", "anything"] {
        let form = format!("<SecretToken encoding='{encoding}'>YWJj</SecretToken>");
        assert_eq!(read_token(&form).token, plain.token);
    }
    assert!(written_setup(Setup::SendSecretToken(plain)).contains("<SecretToken>abc</SecretToken>"));
    let long = "x".repeat(4096);
    assert_eq!(read_token(&format!("<SecretToken>{long}</SecretToken>")).token.len(), 4096);
}

#[test]
fn c_04_no_schema_is_sent_unless_one_was_agreed_and_none_is_read_as_none() {
    let login = |schema: &str| match setup(&format!(
        "<LoginRequest serviceID='wv:@a.test' timeToLive='60'><PasswordDigest {schema}>AAAA</PasswordDigest></LoginRequest>"
    )) {
        Setup::LoginRequest(login) => login,
        other => panic!("{other:?}"),
    };
    let bare = login("");
    assert_eq!(bare.schema, None);
    assert!(login("schema='SHA'").schema.is_some());
    let sent = written_setup(Setup::LoginRequest(bare));
    assert!(sent.contains("<PasswordDigest encoding=\"base64\">AAAA</PasswordDigest>"), "{sent}");
}

#[test]
fn c_07_a_get_presence_response_has_its_status_first_and_may_lack_it() {
    let sent = "<GetPresenceResponse><Status code=\"200\"/></GetPresenceResponse>";
    same(sent, &["<GetPresenceResponse/>"]);
    let value = "<PresenceValue userID='bo@b.test'><PresenceSubList/></PresenceValue>";
    let Primitive::GetPresenceResponse(read) =
        primitive(&format!("<GetPresenceResponse>{value}</GetPresenceResponse>"))
    else {
        panic!()
    };
    assert_eq!((read.result, read.presences.len()), (Status::ok(), 1));
}

#[test]
fn c_08_and_c_25_an_answer_to_an_invitation_is_sent_with_200_and_its_decision_is_what_counts() {
    let sent = "<InviteResponse inviteID=\"i-1\" acceptance=\"No\"><Status code=\"200\"/>\
                <Inviting><User userID=\"wv:ada@a.test\"/></Inviting>\
                <Responding><User userID=\"wv:bo@b.test\"/></Responding></InviteResponse>";
    let refused = sent.replace("code=\"200\"", "code=\"404\"");
    let without = sent.replace("<Status code=\"200\"/>", "");
    same(sent, &[&refused, &without]);
}

#[test]
fn c_09_what_is_not_well_formed_is_never_sent_and_never_repaired() {
    let sent = "<CancelInviteRequest inviteID=\"i-1\"><Canceling><User userID=\"wv:ada@a.test\"/></Canceling>\
                <Canceled><User userID=\"wv:bo@b.test\"/></Canceled></CancelInviteRequest>";
    same(sent, &[]);
    let broken = sent.replace("</Canceled>", "<Canceled/>");
    assert!(matches!(transaction(&broken), Err(Refusal::Malformed { .. })));
}

#[test]
fn c_10_and_c_27_attributes_and_elements_of_message_info_are_spelt_in_one_way_and_read_in_all() {
    let sent = "<SendMessageRequest deliveryReport=\"No\"><MessageInfo messageID=\"m\" messageURI=\"u\" \
                contentName=\"n\" validity=\"7\"/></SendMessageRequest>";
    let theirs = "<sendmessagerequest deliveryReport='no'><MESSAGEINFO messageID='m' MessageURI='u' \
                  ContentName='n' validlity='7'/></sendmessagerequest>";
    same(sent, &[theirs]);
}

#[test]
fn c_11_joined_users_are_sent_in_the_plural_and_read_in_both() {
    let sent = "<GetJoinedUsersResponse><Status code=\"200\"/><JoinedUsers><UserMapList><UserMapping><Mapping>\
                <SName>Bo</SName><UserID userID=\"wv:bo@b.test\"/></Mapping></UserMapping></UserMapList></JoinedUsers>\
                </GetJoinedUsersResponse>";
    let theirs = sent.replace("JoinedUsers>", "JoinedUser>").replace("userID=", "userid=");
    same(sent, &[&theirs]);
}

#[test]
fn c_12_a_screen_name_in_details_is_sent_in_the_singular_and_read_in_both() {
    let sent = "<Status code=\"201\"><DetailedResult code=\"808\"><ScreenName groupID=\"wv:/g@b.test\">Bo</ScreenName>\
                </DetailedResult></Status>";
    same(sent, &[&sent.replace("ScreenName", "ScreenNames")]);
}

#[test]
fn c_14_a_notice_without_meta_info_is_read() {
    for notice in [
        "<PresenceNotification><User userID='ada@a.test'/></PresenceNotification>",
        "<InviteResponse inviteID='i' acceptance='Yes'/>",
        "<LeaveGroupIndication groupID='/g@b.test'><Status code='809'/></LeaveGroupIndication>",
    ] {
        let read = transaction(notice).unwrap();
        assert!(matches!((&read.meta, &read.content), (None, Carried::Primitive(_))), "{read:?}");
    }
}

#[test]
fn c_17_what_the_standard_knows_is_told_from_what_it_does_not() {
    let content = |inner: &str| transaction(inner).unwrap().content;
    assert!(matches!(content("<GetMapRequest/>"), Carried::Primitive(_)));
    assert!(matches!(content("<TeleportRequest/>"), Carried::Unknown(_)));
}

#[test]
fn c_20_text_is_always_escaped_and_markup_in_text_is_refused() {
    let sent = "<Status code=\"400\"><StatusDescription>a &lt;b&gt; &amp; c</StatusDescription></Status>";
    same(sent, &["<Status code='400'><StatusDescription><![CDATA[a <b> & c]]></StatusDescription></Status>"]);
    let raw = "<Status code='400'><StatusDescription>a & b</StatusDescription></Status>";
    assert!(matches!(transaction(raw), Err(Refusal::Malformed { .. } | Refusal::Doctype)));
}

#[test]
fn c_21_the_scheme_is_always_sent_and_read_with_and_without_in_any_case() {
    let sent = "<UnsubscribeRequest><UserID userID=\"wv:bo@b.test\"/></UnsubscribeRequest>";
    same(sent, &[&sent.replace("wv:", ""), &sent.replace("wv:", "WV:")]);
}

#[test]
fn c_22_an_application_is_sent_beside_the_client_and_read_inside_it_too() {
    let sent = "<PresenceNotification><User userID=\"wv:bo@b.test\"><ClientID url=\"x\"/>\
                <ApplicationID applicationID=\"app\"/></User></PresenceNotification>";
    let theirs = "<PresenceNotification><User userID='bo@b.test'><ClientID url='x'>\
                  <ApplicationID applicationID='app'/></ClientID></User></PresenceNotification>";
    same(sent, &[theirs]);
    let Primitive::PresenceNotification(read) = primitive(theirs) else { panic!() };
    let [User { application, .. }] = &read.users[..] else { panic!("{read:?}") };
    assert_eq!(application.as_deref(), Some("app"));
}

#[test]
fn c_23_content_is_sent_as_base64_in_lower_case_and_read_in_any_or_as_plain_text() {
    let message = |content: &str| {
        format!(
            "<SendMessageRequest deliveryReport=\"No\"><MessageInfo contentType=\"image/png\"/>{content}</SendMessageRequest>"
        )
    };
    let sent = message("<ContentData contentType=\"image/png\" encoding=\"base64\">AP8=</ContentData>");
    same(&sent, &[&sent.replace("base64", "BASE64"), &sent.replace("base64", "Base64")]);
    let Primitive::SendMessageRequest(plain) = primitive(&message("<ContentData>AP8=</ContentData>")) else {
        panic!()
    };
    assert_eq!(plain.content.unwrap().octets(), b"AP8=");
}

#[test]
fn c_26_dates_are_sent_in_the_extended_form_and_read_in_both() {
    let sent = "<SendMessageRequest deliveryReport=\"No\"><MessageInfo>\
                <DateTime format=\"iso8601\">2004-03-01T09:15:00Z</DateTime></MessageInfo></SendMessageRequest>";
    let accepted = ["20040301T091500Z", "2004-03-01T09:15:00", "2004-03-01T10:15:00+01:00"];
    let accepted = accepted.map(|date| sent.replace("2004-03-01T09:15:00Z", date));
    same(sent, &accepted.each_ref().map(String::as_str));
}

#[test]
fn c_28_the_mode_is_sent_in_two_words_and_anything_but_request_is_a_response() {
    let mode = |written: &str| {
        let body =
            document(&format!("<Transaction transactionID='t'{written}><LogoutRequest/></Transaction>"));
        match read(body.as_bytes(), None, &LIMITS).unwrap().body {
            Body::Session(session) => session.transactions[0].mode,
            Body::Setup(_) => panic!("a set-up"),
        }
    };
    assert_eq!((mode(" mode='Request'"), mode(" mode='REQUEST'")), (Mode::Request, Mode::Request));
    assert_eq!(
        (mode(" mode='Response'"), mode(" mode='Ask'"), mode("")),
        (Mode::Response, Mode::Response, Mode::Response)
    );
    let fragment = encode_primitive(&Primitive::LogoutRequest, None, STANDARD).unwrap();
    let id: TransactionId = "t".parse().unwrap();
    for (mode, word) in [(Mode::Request, "Request"), (Mode::Response, "Response")] {
        let parts = std::iter::once((&id, mode, fragment.as_slice()));
        let octets = write_session(Version::V1_3, &"1@a.test".parse().unwrap(), parts);
        assert!(String::from_utf8(octets).unwrap().contains(&format!(" mode=\"{word}\">")));
    }
}

#[test]
fn c_29_a_leave_is_answered_by_an_indication_and_an_empty_reason_says_nothing() {
    let sent = "<LeaveGroupIndication groupID=\"wv:/g@b.test\"><Status code=\"200\"/></LeaveGroupIndication>";
    let theirs =
        "<LeaveGroupIndication groupID='/g@b.test'><Status code='200'/><ReasonText/></LeaveGroupIndication>";
    same(sent, &[theirs]);
    assert_eq!(primitive("<Status code='200'/>").code(), Code::SUCCESSFUL);
}

#[test]
fn c_30_the_shown_name_is_sent_and_read_beside_a_user_and_beside_a_group() {
    for author in ["<User userID=\"wv:ada@a.test\"/>", "<GroupID groupID=\"wv:/g@a.test\"/>"] {
        let sent = format!(
            "<SendMessageRequest deliveryReport=\"No\"><MessageInfo><Sender>{author}<SenderDisplay>\
             <ScreenName groupID=\"wv:/g@a.test\">Ada</ScreenName></SenderDisplay></Sender></MessageInfo></SendMessageRequest>"
        );
        same(&sent, &[]);
    }
}
