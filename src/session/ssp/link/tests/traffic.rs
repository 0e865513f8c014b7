//! Requests and answers, and every way a POST can end.

use super::*;

/// A link that is up on a session which the peer opened as `1@b.test`.
fn open(profile: Profile) -> Stage {
    let mut stage = Stage::new(profile);
    stage.peer_opens("1");
    stage.said();
    stage
}

fn refused(result: Result<Vec<Arrived>, LinkError>) -> (u16, &'static str) {
    let error = result.unwrap_err();
    (error.http_status(), error.reason())
}

#[test]
fn an_answer_finds_its_operation_once() {
    let mut stage = open(Profile::Standard);
    stage.enqueue(1, Kind::Request);
    let post = stage.next_post();
    stage.posted(&post, PostOutcome::Accepted);
    let arrived = stage.in_session("1@b.test", Mode::Response, "t1", ok()).unwrap();
    assert!(matches!(arrived.as_slice(), [Arrived::Answer { operation: OperationId(1), .. }]));
    let arrived = stage.in_session("1@b.test", Mode::Response, "t1", ok()).unwrap();
    assert_eq!(arrived, [Arrived::Stray { transaction: id("t1") }]);
    assert!(stage.said().is_empty());
}

#[test]
fn an_answer_that_overtakes_the_2xx_counts_and_so_does_one_after_a_failed_post() {
    let mut stage = open(Profile::Standard);
    stage.enqueue(1, Kind::Request);
    stage.enqueue(2, Kind::Request);
    let (first, second) = (stage.next_post(), stage.next_post());
    let arrived = stage.in_session("1@b.test", Mode::Response, "t1", ok()).unwrap();
    assert!(matches!(arrived.as_slice(), [Arrived::Answer { operation: OperationId(1), .. }]));
    stage.posted(&first, PostOutcome::Accepted);
    stage.posted(&second, PostOutcome::Closed);
    let arrived = stage.in_session("1@b.test", Mode::Response, "t2", ok()).unwrap();
    assert!(matches!(arrived.as_slice(), [Arrived::Answer { operation: OperationId(2), .. }]));
    stage.pass(seconds(60));
    assert!(stage.posts.is_empty(), "nothing is repeated that is answered");
}

#[test]
fn without_an_answer_in_30_seconds_the_outbox_decides() {
    let mut stage = open(Profile::Standard);
    stage.enqueue(1, Kind::Request);
    let post = stage.next_post();
    stage.posted(&post, PostOutcome::Accepted);
    stage.pass(seconds(29));
    assert!(stage.said().is_empty());
    stage.pass(seconds(1));
    assert_eq!(stage.said(), [Output::Unanswered { operation: OperationId(1) }]);
    let arrived = stage.in_session("1@b.test", Mode::Response, "t1", ok()).unwrap();
    assert_eq!(arrived, [Arrived::Stray { transaction: id("t1") }]);
    stage.enqueue(1, Kind::Request);
    assert_eq!(stage.next_post().transaction(), Some(&id("t1")), "the same id again");
}

#[test]
fn notices_and_replies_end_at_2xx() {
    let mut stage = open(Profile::Standard);
    stage.enqueue(1, Kind::Notice);
    stage.enqueue(2, Kind::Reply);
    let (notice, reply) = (stage.next_post(), stage.next_post());
    assert_eq!(parts(&notice), [("t1".to_owned(), Mode::Request)]);
    assert_eq!(parts(&reply), [("t2".to_owned(), Mode::Response)]);
    stage.posted(&notice, PostOutcome::Accepted);
    stage.posted(&reply, PostOutcome::Accepted);
    let settled = |operation| Output::Settled { operation: OperationId(operation) };
    assert_eq!(stage.said(), [settled(1), settled(2)]);
    let arrived = stage.in_session("1@b.test", Mode::Response, "t1", ok()).unwrap();
    let content = crate::wire::Carried::Primitive(Box::new(ok()));
    let acknowledged = Arrived::Acknowledged { operation: OperationId(1), transaction: id("t1"), content };
    assert_eq!(arrived, [acknowledged]);
}

#[test]
fn a_lost_session_is_set_up_anew_and_the_same_transaction_goes_out_again() {
    let mut stage = open(Profile::Standard);
    stage.enqueue(1, Kind::Request);
    let post = stage.next_post();
    stage.posted(&post, PostOutcome::Status(403, None));
    let said = stage.said();
    assert!(
        matches!(said.as_slice(), [Output::Persist(record), Output::Down { reason: Down::SessionLost }] if record.superseded)
    );
    stage.we_open("2");
    let again = stage.next_post();
    assert_ne!(again.session(), post.session());
    assert_eq!(parts(&again), parts(&post));
    // What the peer still sends on the old one is taken.
    stage.in_session("1@b.test", Mode::Request, "p1", ok()).unwrap();
}

#[test]
fn a_session_that_never_worked_is_not_replaced_more_than_once_a_minute() {
    let mut stage = Stage::new(Profile::Standard);
    stage.enqueue(1, Kind::Request);
    stage.we_open("1");
    let post = stage.next_post();
    stage.posted(&post, PostOutcome::Status(403, None));
    assert!(stage.posts.is_empty());
    assert_eq!(stage.link.next_wakeup(), Some(START.after(seconds(60))));
    stage.pass(seconds(60));
    stage.we_open("2");
    let post = stage.next_post();
    stage.posted(&post, PostOutcome::Accepted);
    stage.enqueue(2, Kind::Request);
    let post = stage.next_post();
    stage.posted(&post, PostOutcome::Status(403, None));
    assert_eq!(stage.next_step().element.name(), "SendSecretToken", "this one had worked");
}

#[test]
fn three_connections_closed_in_a_row_are_a_lost_session_for_a_legacy_peer_only() {
    for (profile, lost) in [(Profile::Legacy, true), (Profile::Standard, false)] {
        let mut stage = open(profile);
        stage.enqueue(1, Kind::Request);
        stage.enqueue(2, Kind::Request);
        for round in 1..=3 {
            let (first, second) = (stage.next_post(), stage.next_post());
            stage.posted(&first, PostOutcome::Closed);
            stage.posted(&second, PostOutcome::Closed);
            assert_eq!(stage.link.is_up(), round < 3 || !lost, "{profile:?} {round}");
            if round < 3 {
                assert!(stage.posts.is_empty());
                stage.pass(seconds(13));
            }
        }
        if lost {
            assert_eq!(stage.next_step().element.name(), "SendSecretToken");
        }
    }
}

#[test]
fn a_peer_that_cannot_be_reached_gets_longer_pauses_until_it_is_heard() {
    let mut stage = open(Profile::Standard);
    assert!(!stage.link.is_down(stage.now));
    stage.enqueue(1, Kind::Request);
    stage.enqueue(2, Kind::Request);
    let mut pauses = Vec::new();
    for _ in 0..4 {
        let (first, second) = (stage.next_post(), stage.next_post());
        stage.posted(&first, PostOutcome::Unreachable);
        stage.posted(&second, PostOutcome::Unreachable);
        assert!(stage.link.is_down(stage.now));
        let before = stage.now;
        stage.now = stage.link.next_wakeup().unwrap();
        pauses.push(stage.now.since(before).as_secs());
        stage.link.wake(stage.now, &mut stage.dice);
        stage.drain();
    }
    for (pause, plain) in pauses.iter().zip([5, 10, 20, 40]) {
        assert!((plain * 79 / 100..=plain * 121 / 100).contains(pause), "{pauses:?}");
    }
    let post = stage.next_post();
    stage.posted(&post, PostOutcome::Unreachable);
    assert_eq!(stage.posts.len(), 1);
    stage.in_session("1@b.test", Mode::Request, "p1", ok()).unwrap();
    assert_eq!(parts(stage.posts.back().unwrap()), parts(&post), "a sign of life: at once");
}

#[test]
fn retry_after_is_kept_even_if_the_peer_is_heard() {
    let mut stage = open(Profile::Standard);
    stage.enqueue(1, Kind::Request);
    let post = stage.next_post();
    stage.posted(&post, PostOutcome::Status(429, Some(30)));
    stage.in_session("1@b.test", Mode::Request, "p1", ok()).unwrap();
    assert!(stage.posts.is_empty());
    stage.pass(seconds(29));
    assert!(stage.posts.is_empty());
    stage.pass(seconds(1));
    assert_eq!(parts(&stage.next_post()), parts(&post));
}

#[test]
fn other_statuses_concern_the_operation_alone() {
    let mut stage = open(Profile::Standard);
    for (status, operation) in [(400, 1), (413, 2), (415, 3)] {
        stage.enqueue(operation, Kind::Request);
        let post = stage.next_post();
        stage.posted(&post, PostOutcome::Status(status, None));
        assert_eq!(stage.said(), [Output::Failed { operation: OperationId(operation), http: status }]);
    }
    for (status, operation) in [(500, 4), (404, 5), (302, 6)] {
        stage.enqueue(operation, Kind::Notice);
        let post = stage.next_post();
        stage.posted(&post, PostOutcome::Status(status, None));
        let returned = Output::Returned { operation: OperationId(operation), http: Some(status) };
        assert_eq!(stage.said(), [returned]);
    }
    assert_eq!(stage.link.capacity(), stage.link.settings().in_flight_max);
}

#[test]
fn several_transactions_may_share_a_post_and_are_sorted_out_if_it_is_refused() {
    let mut settings = LinkSettings::for_profile(domain("a.test"), domain("b.test"), Profile::Standard);
    settings.transactions_per_post = 3;
    settings.in_flight_max = 1;
    let mut stage = Stage::with(settings, Vec::new());
    stage.peer_opens("1");
    for operation in 1..=3 {
        stage.enqueue(operation, Kind::Notice);
    }
    let post = stage.next_post();
    stage.posted(&post, PostOutcome::Accepted);
    let post = stage.next_post();
    assert_eq!(parts(&post).len(), 2);
    stage.said();
    stage.posted(&post, PostOutcome::Status(400, None));
    let alone = stage.next_post();
    assert_eq!(parts(&alone), [("t2".to_owned(), Mode::Request)]);
    stage.posted(&alone, PostOutcome::Status(400, None));
    let alone = stage.next_post();
    stage.posted(&alone, PostOutcome::Accepted);
    assert_eq!(
        stage.said(),
        [
            Output::Failed { operation: OperationId(2), http: 400 },
            Output::Settled { operation: OperationId(3) }
        ]
    );
}

#[test]
fn no_more_than_four_posts_to_a_legacy_peer_are_in_flight() {
    let mut stage = open(Profile::Legacy);
    for operation in 1..=4 {
        stage.enqueue(operation, Kind::Request);
    }
    assert_eq!(stage.posts.len(), 4);
    assert_eq!(stage.link.capacity(), 0);
    let more = Outgoing {
        operation: OperationId(5),
        transaction: None,
        kind: Kind::Request,
        fragment: fragment(),
        via: None,
    };
    assert_eq!(stage.link.enqueue(more, stage.now, &mut stage.dice), Err(NotTaken::Full));
    stage.in_session("1@b.test", Mode::Request, "p1", ok()).unwrap();
    stage.link.answer(&id("p1"), fragment(), stage.now, &mut stage.dice);
    stage.drain();
    assert_eq!(stage.posts.len(), 4, "the answer waits for a place too");
    let post = stage.next_post();
    stage.posted(&post, PostOutcome::Accepted);
    assert_eq!(parts(stage.posts.back().unwrap()), [("p1".to_owned(), Mode::Response)]);
    assert_eq!(stage.link.capacity(), 1);
}

#[test]
fn a_repeated_request_is_answered_again_and_never_carried_out_again() {
    let mut stage = open(Profile::Standard);
    let ask = |stage: &mut Stage| stage.in_session("1@b.test", Mode::Request, "p1", ok());
    assert!(matches!(ask(&mut stage).unwrap().as_slice(), [Arrived::Request { .. }]));
    let result = ask(&mut stage);
    assert_eq!(result.as_ref().unwrap_err().retry_after(), Some(1));
    assert_eq!(refused(result), (503, "overloaded"), "200 would promise what is not on disk yet");
    stage.link.accepted(&id("p1"));
    let repeat = [Arrived::Repeat { transaction: id("p1") }];
    assert_eq!(ask(&mut stage).unwrap(), repeat);
    assert!(stage.posts.is_empty());
    stage.link.answer(&id("p1"), fragment(), stage.now, &mut stage.dice);
    stage.drain();
    let answer = stage.next_post();
    stage.posted(&answer, PostOutcome::Accepted);
    assert_eq!(ask(&mut stage).unwrap(), repeat);
    let again = stage.next_post();
    assert_eq!(again.content, answer.content);
    stage.posted(&again, PostOutcome::Accepted);
    stage.pass(seconds(600));
    assert!(matches!(ask(&mut stage).unwrap().as_slice(), [Arrived::Request { .. }]));
}

#[test]
fn what_could_not_be_stored_is_fresh_when_it_comes_again() {
    let mut stage = open(Profile::Standard);
    for _ in 0..2 {
        let arrived = stage.in_session("1@b.test", Mode::Request, "p1", ok()).unwrap();
        assert!(matches!(arrived.as_slice(), [Arrived::Request { .. }]));
        stage.link.abandoned(&id("p1"));
    }
}

#[test]
fn other_content_under_a_known_id_is_answered_420() {
    let mut stage = open(Profile::Standard);
    stage.in_session("1@b.test", Mode::Request, "p1", ok()).unwrap();
    stage.link.accepted(&id("p1"));
    stage.receive(super::in_session("1@b.test", Mode::Request, "p1", ok(), 2)).unwrap();
    let Primitive::Status(status) = primitive(&stage.next_post()) else { panic!() };
    assert_eq!(status.code, Code::INVALID_TRANSACTION);
    assert_eq!(stage.alarms(), ["reused-transaction"]);
}

#[test]
fn a_session_id_that_is_not_agreed_is_refused() {
    let mut stage = open(Profile::Standard);
    for foreign in ["2@b.test", "1@evil.test", "1@b.test.evil"] {
        assert_eq!(
            refused(stage.in_session(foreign, Mode::Request, "p", ok())),
            (403, "session"),
            "{foreign}"
        );
    }
}

#[test]
fn answers_wait_for_a_session_and_ask_for_one() {
    let mut stage = open(Profile::Standard);
    stage.in_session("1@b.test", Mode::Request, "p1", ok()).unwrap();
    stage.enqueue(1, Kind::Request);
    let post = stage.next_post();
    stage.posted(&post, PostOutcome::Status(403, None));
    stage.link.withdraw(OperationId(1));
    stage.link.answer(&id("p1"), fragment(), stage.now, &mut stage.dice);
    stage.drain();
    stage.we_open("2");
    assert_eq!(parts(&stage.next_post()), [("p1".to_owned(), Mode::Response)]);
}

#[test]
fn what_is_withdrawn_is_not_sent() {
    let mut stage = Stage::new(Profile::Standard);
    stage.enqueue(1, Kind::Request);
    stage.enqueue(2, Kind::Request);
    assert!(stage.link.withdraw(OperationId(1)));
    assert!(!stage.link.withdraw(OperationId(1)));
    stage.we_open("1");
    assert_eq!(parts(&stage.next_post()), [("t2".to_owned(), Mode::Request)]);
    assert!(stage.posts.is_empty());
}

#[test]
fn a_link_that_is_closed_returns_what_it_holds() {
    for close in [Close::Suspended, Close::Closed] {
        let mut stage = open(Profile::Standard);
        stage.enqueue(1, Kind::Request);
        stage.enqueue(2, Kind::Request);
        let post = stage.next_post();
        stage.posted(&post, PostOutcome::Accepted);
        stage.posts.clear();
        stage.link.close(close, &mut stage.dice);
        stage.drain();
        let returned = |operation| Output::Returned { operation: OperationId(operation), http: None };
        let said = stage.said();
        assert!(
            matches!(said.as_slice(), [Output::Forget(_), first, second, Output::Down { reason: Down::Closed }]
                if *first == returned(1) && *second == returned(2)),
            "{said:?}"
        );
        assert!(matches!(primitive(&stage.next_post()), Primitive::Disconnect(_)));
        let result = stage.in_session("1@b.test", Mode::Request, "p", ok());
        let expected = if close == Close::Closed { (403, "closed") } else { (503, "suspended") };
        assert_eq!(refused(result), expected);
        assert_eq!((stage.link.capacity(), stage.link.next_wakeup()), (0, None));
    }
}

#[test]
fn a_suspended_legacy_peer_keeps_its_session_and_hears_nothing() {
    let mut stage = open(Profile::Legacy);
    stage.link.close(Close::Suspended, &mut stage.dice);
    stage.drain();
    assert!(stage.posts.is_empty());
    assert_eq!(stage.said(), [Output::Down { reason: Down::Closed }]);
}

#[test]
fn a_post_writes_the_document_that_it_stands_for() {
    let mut stage = open(Profile::Standard);
    stage.enqueue(1, Kind::Request);
    let post = stage.next_post();
    let limits = crate::wire::Limits::for_document(1 << 20);
    let read = crate::wire::ssp::read(&post.to_bytes(), None, &limits).unwrap();
    let Document::Session(session) = read.body else { panic!() };
    assert_eq!(Some(&session.session), post.session());
    assert_eq!((&session.transactions[0].id, session.transactions[0].mode), (&id("t1"), Mode::Request));
    stage.link.close(Close::Closed, &mut stage.dice);
    stage.drain();
    let read = crate::wire::ssp::read(&stage.next_post().to_bytes(), None, &limits).unwrap();
    let Document::Session(session) = read.body else { panic!() };
    assert_eq!(session.transactions[0].content.name(), "Disconnect");
    assert!(!session.transactions[0].meta.as_ref().unwrap().client_originated);
}

#[test]
fn a_report_in_the_transaction_of_its_message_is_told_and_answers_nothing() {
    let mut stage = open(Profile::Legacy);
    stage.enqueue(1, Kind::Request);
    let post = stage.next_post();
    stage.posted(&post, PostOutcome::Accepted);
    let report = || {
        let (result, info) = (Status::new(Code::SUCCESSFUL), crate::imps::primitive::MessageInfo::default());
        Primitive::DeliveryReport(crate::imps::primitive::DeliveryReport {
            result,
            delivery_time: None,
            info,
        })
    };
    for _ in 0..2 {
        let arrived = stage.in_session("1@b.test", Mode::Response, "t1", report()).unwrap();
        assert!(matches!(arrived.as_slice(), [Arrived::Told { .. }]), "{arrived:?}");
    }
    let arrived = stage.in_session("1@b.test", Mode::Response, "t1", ok()).unwrap();
    assert!(matches!(arrived.as_slice(), [Arrived::Answer { operation: OperationId(1), .. }]));
    let late = stage.in_session("1@b.test", Mode::Response, "t1", report()).unwrap();
    assert!(matches!(late.as_slice(), [Arrived::Told { .. }]), "and after it was answered");
}

#[test]
fn either_id_of_the_pair_names_the_session() {
    let mut stage = open(Profile::Standard);
    stage.enqueue(1, Kind::Request);
    let ours = stage.next_post().session().unwrap().to_string();
    assert!(stage.link.knows(&ours.parse().unwrap()) && stage.link.knows(&"1@b.test".parse().unwrap()));
    let arrived = stage.in_session(&ours, Mode::Request, "p1", ok()).unwrap();
    assert!(matches!(arrived.as_slice(), [Arrived::Request { .. }]));
    assert_eq!(refused(stage.in_session("2@b.test", Mode::Request, "p2", ok())), (403, "session"));
    assert!(!stage.link.knows(&"2@b.test".parse().unwrap()));
}
