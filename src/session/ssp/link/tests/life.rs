//! The life of a session after set-up: keep-alive, logout, expiry, age, re-login, restart.

use super::*;
use crate::imps::primitive::{Disconnect, KeepAliveRequest, KeepAliveResponse};

fn open(profile: Profile) -> Stage {
    let mut stage = Stage::new(profile);
    stage.peer_opens("1");
    stage
}

fn record(stage: &Stage) -> SessionRecord {
    stage.link.sessions.current().unwrap().record.clone()
}

const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn an_idle_session_is_kept_alive_at_a_third_of_its_time() {
    let mut stage = open(Profile::Standard);
    stage.pass(seconds(8 * 3600 - 1));
    assert!(stage.posts.is_empty());
    stage.pass(seconds(1));
    let post = stage.next_post();
    assert!(matches!(primitive(&post), Primitive::KeepAliveRequest(_)));
    stage.posted(&post, PostOutcome::Accepted);
    let answer = KeepAliveResponse { result: Status::ok(), time_to_live: Some(600) };
    let transaction = post.transaction().unwrap().to_string();
    let arrived = stage.in_session("1@b.test", Mode::Response, &transaction, answer).unwrap();
    assert_eq!(arrived, [Arrived::Control { name: "KeepAliveResponse" }]);
    assert_eq!(record(&stage).time_to_live, 600);
    stage.pass(seconds(200));
    assert!(matches!(primitive(&stage.next_post()), Primitive::KeepAliveRequest(_)));
}

#[test]
fn a_peer_that_is_silent_about_its_services_for_30_seconds_is_taken_to_tell_none() {
    let mut stage = Stage::new(Profile::Standard);
    stage.link.settings.discovery = true;
    stage.peer_opens("1");
    stage.said();
    stage.in_session("1@b.test", Mode::Request, "p1", ok()).unwrap();
    let post = stage.next_post();
    assert!(matches!(primitive(&post), Primitive::GetServiceRequest));
    stage.posted(&post, PostOutcome::Accepted);
    stage.pass(seconds(29));
    let told = |said: Vec<Output>| said.into_iter().any(|output| matches!(output, Output::Offered(None)));
    assert!(!told(stage.said()));
    stage.pass(seconds(1));
    assert!(told(stage.said()));
    assert_eq!(stage.link.settings().profile, Profile::Standard, "silence betrays nobody");
}

#[test]
fn a_peer_that_does_not_know_keep_alive_is_not_asked_again() {
    let mut stage = open(Profile::Standard);
    stage.pass(8 * HOUR);
    let post = stage.next_post();
    stage.posted(&post, PostOutcome::Accepted);
    let transaction = post.transaction().unwrap().to_string();
    let answer = Primitive::Status(Status::new(Code::SERVICE_NOT_SUPPORTED));
    stage.in_session("1@b.test", Mode::Response, &transaction, answer).unwrap();
    stage.pass(23 * HOUR);
    assert!(stage.posts.is_empty());
    assert!(stage.link.is_up());
    stage.pass(HOUR);
    assert!(!stage.link.is_up(), "idle for a day");
}

#[test]
fn a_session_expires_when_idle_and_its_id_is_dead_then() {
    let mut stage = open(Profile::Standard);
    stage.link.settings.session_control = false;
    stage.pass(seconds(24 * 3600 - 1));
    stage.in_session("1@b.test", Mode::Request, "p1", ok()).unwrap();
    stage.pass(seconds(24 * 3600 - 1));
    assert!(stage.link.is_up());
    stage.said();
    stage.pass(seconds(1));
    assert!(matches!(stage.said().as_slice(), [Output::Forget(_), Output::Down { reason: Down::Expired }]));
    assert!(stage.in_session("1@b.test", Mode::Request, "p2", ok()).is_err());
    assert!(stage.posts.is_empty(), "nothing waits, so nobody logs in");
}

#[test]
fn a_legacy_session_lives_through_weeks_of_silence() {
    let mut stage = open(Profile::Legacy);
    stage.pass(29 * 24 * HOUR);
    assert!(stage.posts.is_empty());
    stage.in_session("1@b.test", Mode::Request, "p1", ok()).unwrap();
}

#[test]
fn after_thirty_days_a_new_session_replaces_the_old_one() {
    let mut stage = open(Profile::Standard);
    stage.link.settings.session_control = false;
    for half_day in 1..=60 {
        stage.pass(12 * HOUR);
        stage.in_session("1@b.test", Mode::Request, &format!("p{half_day}"), ok()).unwrap();
    }
    let old = record(&stage).own_id;
    stage.we_open("2");
    assert_ne!(record(&stage).own_id, old);
    stage.in_session("1@b.test", Mode::Request, "late", ok()).unwrap();
    stage.pass(HOUR);
    assert!(stage.posts.is_empty(), "once is enough");
}

#[test]
fn keep_alive_of_the_peer_is_answered_with_what_is_granted() {
    let mut stage = open(Profile::Standard);
    let ask = KeepAliveRequest { time_to_live: Some(1_000_000) };
    let arrived = stage.in_session("1@b.test", Mode::Request, "k1", ask).unwrap();
    assert_eq!(arrived, [Arrived::Control { name: "KeepAliveRequest" }]);
    let post = stage.next_post();
    assert_eq!(parts(&post), [("k1".to_owned(), Mode::Response)]);
    let Primitive::KeepAliveResponse(answer) = primitive(&post) else { panic!() };
    assert_eq!((answer.result.code, answer.time_to_live), (Code::SUCCESSFUL, Some(86_400)));
    stage.in_session("1@b.test", Mode::Request, "k2", KeepAliveRequest { time_to_live: Some(120) }).unwrap();
    assert_eq!(record(&stage).time_to_live, 120);
}

#[test]
fn logout_of_the_peer_is_answered_and_both_ids_are_dead() {
    let mut stage = open(Profile::Standard);
    stage.enqueue(1, Kind::Request);
    let post = stage.next_post();
    stage.posted(&post, PostOutcome::Accepted);
    stage.said();
    stage.in_session("1@b.test", Mode::Request, "l1", Primitive::LogoutRequest).unwrap();
    let answer = stage.next_post();
    assert_eq!(answer.session(), post.session());
    assert!(matches!(primitive(&answer), Primitive::Status(status) if status.code == Code::SUCCESSFUL));
    let said = stage.said();
    assert!(
        matches!(
            said.as_slice(),
            [Output::Forget(_), Output::Unanswered { .. }, Output::Down { reason: Down::LoggedOut }]
        ),
        "{said:?}"
    );
    assert!(stage.in_session("1@b.test", Mode::Request, "p", ok()).is_err());
    stage.enqueue(1, Kind::Request);
    assert!(stage.posts.is_empty(), "not at once: it left of its own will");
    stage.pass(seconds(6));
    assert_eq!(stage.next_step().element.name(), "SendSecretToken");
}

#[test]
fn disconnect_of_the_peer_needs_no_answer() {
    let mut stage = open(Profile::Standard);
    let result = Status::new(Code::SERVICE_UNAVAILABLE);
    stage.in_session("1@b.test", Mode::Request, "d1", Disconnect { result }).unwrap();
    assert!(stage.posts.is_empty());
    assert!(matches!(stage.said().last(), Some(Output::Down { reason: Down::Disconnected })));
    assert!(stage.in_session("1@b.test", Mode::Request, "p", ok()).is_err());
}

#[test]
fn a_refusing_login_response_for_an_old_handshake_ends_its_session() {
    let mut stage = open(Profile::Legacy);
    stage.said();
    stage.setup(Mode::Request, "1", refusal(Code::INVALID_SESSION)).unwrap();
    assert!(matches!(stage.said().as_slice(), [Output::Forget(_), Output::Down { reason: Down::LoggedOut }]));
    assert!(stage.setup(Mode::Request, "1", refusal(Code::INVALID_SESSION)).is_err());
}

#[test]
fn a_re_login_runs_beside_the_live_session_and_the_new_one_is_sent_on() {
    let mut stage = open(Profile::Standard);
    let old = record(&stage).own_id;
    stage.pass(seconds(1));
    stage.setup(Mode::Request, "2", token("b.test", "theirs")).unwrap();
    let ours = token_of(&stage.next_step());
    stage.enqueue(1, Kind::Request);
    let post = stage.next_post();
    assert_eq!(post.session(), Some(&old), "the old one serves on");
    stage.setup(Mode::Request, "2", login("b.test", &ours)).unwrap();
    stage.next_step();
    stage.setup(Mode::Request, "2", grant("2@b.test")).unwrap();
    stage.enqueue(2, Kind::Request);
    let sixth = stage.next_post();
    assert_eq!(stage.next_post().session(), Some(&old));
    stage.posted(&sixth, PostOutcome::Accepted);
    stage.enqueue(3, Kind::Request);
    assert_ne!(stage.next_post().session(), Some(&old));
    stage.said();
    // The old one is still accepted, also for answers to what left on it.
    stage.posted(&post, PostOutcome::Accepted);
    let arrived = stage.in_session("1@b.test", Mode::Response, "t1", ok()).unwrap();
    assert!(matches!(arrived.as_slice(), [Arrived::Answer { .. }]));
    let arrived = stage.in_session("2@b.test", Mode::Request, "p1", ok()).unwrap();
    assert!(matches!(arrived.as_slice(), [Arrived::Request { .. }]));
}

#[test]
fn sessions_survive_a_restart() {
    let mut stage = open(Profile::Standard);
    let persisted = |stage: &mut Stage| {
        let records = stage.said().into_iter().filter_map(|output| match output {
            Output::Persist(record) => Some((record.own_id.clone(), record)),
            _ => None,
        });
        records.collect::<std::collections::HashMap<_, _>>()
    };
    let mut disk = persisted(&mut stage);
    stage.pass(seconds(10));
    stage.peer_opens("2");
    disk.extend(persisted(&mut stage));
    assert_eq!(disk.len(), 2);
    let settings = stage.link.settings().clone();
    let mut next = Stage::with(settings, disk.into_values().collect());
    assert!(next.link.is_up());
    assert_eq!(record(&next).peer_id.as_str(), "2@b.test");
    next.in_session("1@b.test", Mode::Request, "p1", ok()).unwrap();
    next.setup(Mode::Request, "2", grant("2@b.test")).unwrap();
    next.enqueue(1, Kind::Request);
    assert_eq!(parts(&next.next_post()).len(), 1);
}

#[test]
fn records_that_are_expired_or_of_another_link_are_not_taken() {
    let old = record(&open(Profile::Standard));
    let settings = |peer| LinkSettings::for_profile(domain("a.test"), domain(peer), Profile::Standard);
    let expired = SessionRecord { last_used: Moment::from_millis(0), ..old.clone() };
    let mut stage = Stage::with(settings("b.test"), vec![expired.clone()]);
    assert!(!stage.link.is_up());
    assert_eq!(stage.said(), [Output::Forget(old.own_id.clone())]);
    assert!(!Stage::with(settings("c.test"), vec![old]).link.is_up());
    let legacy = SessionRecord { legacy: true, last_used: START, ..expired };
    let stage = Stage::with(settings("b.test"), vec![legacy]);
    assert_eq!(stage.link.settings().profile, Profile::Legacy);
}

#[test]
fn last_use_is_written_back_every_ten_minutes() {
    let mut stage = open(Profile::Standard);
    stage.said();
    for n in 0..9 {
        stage.pass(seconds(200));
        stage.in_session("1@b.test", Mode::Request, &format!("p{n}"), ok()).unwrap();
    }
    let written = stage.said();
    assert_eq!(written.len(), 3, "{written:?}");
}

#[test]
fn the_table_of_sessions_is_bounded_and_keeps_the_one_in_use() {
    let mut stage = Stage::new(Profile::Standard);
    for n in 0..80 {
        stage.pass(seconds(20));
        stage.peer_opens(&n.to_string());
    }
    assert_eq!(stage.link.sessions.iter().count(), super::super::sessions::SESSIONS_MAX);
    assert_eq!(record(&stage).peer_id.as_str(), "79@b.test");
    stage.in_session("16@b.test", Mode::Request, "p", ok()).unwrap();
    assert!(stage.in_session("15@b.test", Mode::Request, "p", ok()).is_err());
}

#[test]
fn an_operator_may_ask_for_a_new_login() {
    let mut stage = open(Profile::Standard);
    stage.pass(seconds(1));
    stage.link.reconnect(stage.now, &mut stage.dice);
    stage.drain();
    stage.we_open("2");
    assert_eq!(record(&stage).peer_id.as_str(), "2@b.test");
}

#[test]
fn a_link_may_move_between_threads() {
    fn moves<T: Send>() {}
    moves::<Link>();
}

#[test]
fn after_a_restart_the_link_greets_its_peer_and_a_greeting_brings_back_what_was_not_answered() {
    // Given a session that survived
    let before = open(Profile::Standard);
    let settings = before.link.settings().clone();
    let mut stage = Stage::with(settings.clone(), vec![record(&before)]);
    // When the node is there again
    stage.link.greet(stage.now, &mut stage.dice);
    stage.drain();
    // Then
    assert!(matches!(primitive(&stage.next_post()), Primitive::KeepAliveRequest(_)));
    stage.pass(seconds(60));
    assert!(stage.posts.is_empty(), "once is enough");
    // And without a session, or towards a peer that does not know it, nothing is said
    for (profile, records) in [(Profile::Standard, vec![]), (Profile::Legacy, vec![record(&before)])] {
        let settings = LinkSettings::for_profile(domain("a.test"), domain("b.test"), profile);
        let mut silent = Stage::with(settings, records);
        silent.link.greet(silent.now, &mut silent.dice);
        silent.drain();
        assert!(silent.posts.is_empty());
    }

    // Given a peer that took a request and did not answer it, and one that it did not take
    let mut stage = open(Profile::Standard);
    stage.enqueue(1, Kind::Request);
    let taken = stage.next_post();
    stage.posted(&taken, PostOutcome::Accepted);
    stage.enqueue(2, Kind::Request);
    let lost = stage.next_post();
    stage.posted(&lost, PostOutcome::Closed);
    assert!(stage.posts.is_empty() && !stage.link.is_flowing(stage.now));
    // When it greets us
    stage.in_session("1@b.test", Mode::Request, "k1", KeepAliveRequest { time_to_live: None }).unwrap();
    // Then both leave at once, under their ids
    assert_eq!(parts(&stage.next_post()), [("k1".to_owned(), Mode::Response)]);
    assert_eq!(parts(&stage.next_post()), [("t1".to_owned(), Mode::Request)]);
    assert_eq!(parts(&stage.next_post()), [("t2".to_owned(), Mode::Request)]);
    assert!(stage.posts.is_empty() && stage.link.is_flowing(stage.now));
}
