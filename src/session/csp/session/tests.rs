//! A session from login to its end, step by step.

use super::*;
use crate::imps::primitive::{Capabilities, ClientId, DeliveryMethod};
use crate::session::csp::cir::Served;
use crate::session::csp::poll::{Row, RowKind};
use crate::session::csp::testing::{Counting, at};
use crate::wire::Encoding;

fn record(version: Version) -> SessionRecord {
    SessionRecord {
        id: "s1".parse().unwrap(),
        user: "ada@north.example".parse().unwrap(),
        client: ClientId { url: Some("JiMMY".into()), ..ClientId::default() },
        application: None,
        version,
        encoding: Encoding::Xml,
        cookie: None,
        time_to_live: 600,
        capabilities: Box::default(),
        created: at(0),
        last_active: at(0),
    }
}

static NOTHING: Served = Served { tcp: Vec::new(), udp: Vec::new(), http: false, sms: None, advertise: None };

fn nowhere() -> Site<'static> {
    Site { served: &NOTHING, arrival: None }
}

fn session(version: Version) -> Session {
    Session::restore(record(version), &mut Counting::default())
}

fn id(text: &str) -> TransactionId {
    text.parse().unwrap()
}

fn with_one_message(version: Version) -> Session {
    let mut session = session(version);
    let wants = session.poll().wants_more().unwrap();
    let row = Row { id: 1, kind: RowKind::Message { octets: 5, content_type: None, group: None } };
    session.poll().loaded(wants, vec![row], true);
    session
}

#[test]
fn anything_heard_restarts_the_timer_and_silence_beyond_the_grace_ends_the_session() {
    let mut session = session(Version::V1_2);
    assert_eq!(session.heard(false, at(600)), Ok(()));
    assert_eq!(session.heard(false, at(600 + 659)), Ok(()), "within the grace");
    assert!(!session.is_over(at(1259 + 659)));
    assert!(session.is_over(at(1259 + 660)));
    let gone = session.heard(true, at(1259 + 660)).unwrap_err();
    assert_eq!(gone.code(), Code::INVALID_SESSION);
    assert_eq!(session.heard(false, at(1300)), Err(SessionError::Expired), "once over, always over");
}

#[test]
fn the_store_hears_of_activity_within_a_minute_and_of_agreements_at_once() {
    let mut session = session(Version::V1_2);
    assert_eq!(session.wake_at(), at(660));
    session.heard(false, at(10)).unwrap();
    assert_eq!((session.wake_at(), session.to_save(at(44))), (at(45), None));
    session.heard(false, at(40)).unwrap();
    assert_eq!(session.to_save(at(45)), Some(Save::Activity(session.record().id.clone(), at(40))));
    assert_eq!((session.wake_at(), session.to_save(at(90))), (at(700), None));
    let request = ClientCapabilityRequest { client: None, capabilities: Box::default() };
    session.negotiate(&request, &nowhere());
    assert!(session.wake_at() <= at(90));
    assert_eq!(session.to_save(at(90)), Some(Save::Record(Box::new(session.record().clone()))));
    assert_eq!(session.to_save(at(90)), None);
}

#[test]
fn what_was_agreed_survives_a_restart() {
    let mut session = session(Version::V1_2);
    assert_eq!(session.abilities(), &Abilities::default());
    let capabilities = Capabilities {
        initial_delivery_method: Some(DeliveryMethod::Notify),
        accepted_content_length: Some(9999),
        ..Capabilities::default()
    };
    let request = ClientCapabilityRequest { client: None, capabilities: Box::new(capabilities) };
    session.negotiate(&request, &nowhere());
    let restored = Session::restore(session.record().clone(), &mut Counting::default());
    assert_eq!(restored.abilities(), session.abilities());
    assert_eq!(restored.abilities().push_octets_max, Some(9999));
}

#[test]
fn a_greeting_from_no_number_leaves_the_number_that_was_proved() {
    let mut session = session(Version::V1_3);
    assert!(session.greeted_from("+46701234"));
    assert!(!session.greeted_from("Provider"));
    assert_eq!(session.abilities().cir.number.as_deref(), Some("+46701234"));
}

#[test]
fn only_1_1_puts_the_client_before_the_agreed_list() {
    let client = Some(ClientId { url: Some("JiMMY".into()), ..ClientId::default() });
    let request = ClientCapabilityRequest { client: client.clone(), capabilities: Box::default() };
    assert_eq!(session(Version::V1_1).negotiate(&request, &nowhere()).client, client);
    assert_eq!(session(Version::V1_2).negotiate(&request, &nowhere()).client, None);
    assert_eq!(session(Version::V1_3).negotiate(&request, &nowhere()).client, None);
}

#[test]
fn keep_alive_tells_the_time_only_where_it_differs() {
    let mut session = session(Version::V1_2);
    for (wish, told, kept) in
        [(None, None, 600), (Some(300), None, 300), (Some(9000), Some(7200), 7200), (Some(1), Some(60), 60)]
    {
        let answer = session.keep_alive_answer(&KeepAliveRequest { time_to_live: wish });
        assert_eq!((answer.result.code, answer.time_to_live), (Code::SUCCESSFUL, told));
        assert_eq!(session.record().time_to_live, kept);
    }
}

#[test]
fn logout_is_answered_by_disconnect_in_1_1_and_by_status_later() {
    for version in Version::ALL {
        let mut session = session(version);
        let answer = session.logout();
        assert_eq!(matches!(answer, Primitive::Disconnect(_)), version == Version::V1_1);
        assert_eq!(matches!(answer, Primitive::Status(_)), version != Version::V1_1);
        assert!(session.is_over(at(1)));
        assert_eq!(session.heard(false, at(1)), Err(SessionError::Expired));
    }
}

#[test]
fn a_replaced_session_says_601_and_is_gone() {
    let mut session = with_one_message(Version::V1_2);
    session.end(Code::FORCED_LOGOUT, at(10));
    session.end(Code::SERVICE_UNAVAILABLE, at(11));
    assert_eq!(session.heard(false, at(12)), Err(SessionError::Ended { code: Code::FORCED_LOGOUT }));
    assert_eq!(session.heard(true, at(13)), Ok(()));
    assert!(session.poll_flag(at(13)));
    let offer = session.next_request(Occasion::Poll, at(13)).unwrap();
    assert_eq!(offer.what, Offered::Disconnect(Code::FORCED_LOGOUT));
    assert!(session.is_over(at(13)));
    assert_eq!(session.heard(true, at(14)), Err(SessionError::Expired));
}

#[test]
fn nobody_waits_for_ever_to_say_farewell() {
    let mut session = session(Version::V1_2);
    session.end(Code::FORCED_LOGOUT, at(10));
    assert_eq!(session.wake_at(), at(310));
    assert!(!session.is_over(at(309)));
    assert!(session.is_over(at(310)));
}

#[test]
fn a_repeated_document_is_answered_again() {
    let mut session = session(Version::V1_2);
    assert_eq!(session.begin(&id("4"), 99, at(1)), Begin::Fresh);
    session.finish(&id("4"), 99, Arc::from(b"answer".as_slice()));
    assert_eq!(session.begin(&id("4"), 99, at(2)), Begin::Repeat(Arc::from(b"answer".as_slice())));
    assert_eq!(session.begin(&id("5"), 99, at(3)), Begin::Fresh);
    session.abandon(&id("5"), 99);
    assert_eq!(session.begin(&id("5"), 99, at(4)), Begin::Fresh);
}

#[test]
fn a_lost_offer_goes_out_again() {
    let mut session = with_one_message(Version::V1_2);
    let offer = session.next_request(Occasion::Poll, at(1)).unwrap();
    session.offer_lost(&offer.transaction);
    assert_eq!(session.next_request(Occasion::Poll, at(2)), Some(offer));
}

#[test]
fn set_delivery_method_turns_push_into_notification() {
    let mut session = with_one_message(Version::V1_2);
    let request = SetDeliveryMethodRequest {
        method: DeliveryMethod::Notify,
        accepted_content_length: None,
        group: None,
        group_content_limit: None,
    };
    let for_a_group =
        SetDeliveryMethodRequest { group: Some("/g@north.example".parse().unwrap()), ..request.clone() };
    assert_eq!(session.set_delivery(&for_a_group).code, Code::SUCCESSFUL);
    assert!(session.abilities().tells_groups_apart());
    assert_eq!(session.set_delivery(&request).code, Code::SUCCESSFUL);
    let offer = session.next_request(Occasion::Poll, at(1)).unwrap();
    assert!(matches!(
        offer.what,
        Offered::Row { id: 1, form: crate::session::csp::abilities::Form::MessageNotification }
    ));
}

#[test]
fn a_resumed_session_offers_again_what_was_open() {
    let mut session = with_one_message(Version::V1_3);
    let first = session.next_request(Occasion::Poll, at(1)).unwrap();
    assert_eq!(session.next_request(Occasion::Poll, at(2)), None);
    let resumed = Resumed {
        session: session.record().id.clone(),
        time_to_live: 1200,
        cookie: Some("new".into()),
        abilities: None,
        response: crate::imps::primitive::LoginResponse {
            user: None,
            client: ClientId::default(),
            result: Status::ok(),
            nonce: None,
            schema: None,
            session: None,
            keep_alive: None,
            capability_request: None,
            functions: None,
            agreed: None,
        },
    };
    session.resume(&resumed, at(5));
    assert_eq!((session.record().time_to_live, session.record().cookie.as_deref()), (1200, Some("new")));
    assert_eq!(session.next_request(Occasion::Poll, at(6)), Some(first.clone()));
    let status = Primitive::Status(Status::ok());
    assert_eq!(session.answered(&first.transaction, &status), Answered::Delivered { row: 1 });
}
