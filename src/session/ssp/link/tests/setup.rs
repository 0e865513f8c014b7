//! Every row of reference ssp-session §2.1 and §2.2, and what goes wrong on the way.

use super::*;

fn refused(result: Result<Vec<Arrived>, LinkError>) -> (u16, &'static str) {
    let error = result.unwrap_err();
    (error.http_status(), error.reason())
}

#[test]
fn traffic_without_a_session_opens_one_in_six_steps() {
    let mut stage = Stage::new(Profile::Standard);
    stage.enqueue(1, Kind::Request);
    let first = stage.next_step();
    assert_eq!(first.mode, Mode::Request);
    let ours = token_of(&first);
    assert_eq!(ours.len(), 43);
    let x = first.id.to_string();

    stage.setup(Mode::Response, "b17", token("b.test", "theirs")).unwrap();
    let third = stage.next_step();
    assert_eq!((third.mode, third.id.as_str()), (Mode::Request, x.as_str()));
    assert_eq!(third.element, login("a.test", b"theirs"));

    stage.setup(Mode::Response, &x, login("b.test", &ours)).unwrap();
    let fifth = stage.next_step();
    let Setup::LoginResponse(response) = &fifth.element else { panic!("{fifth:?}") };
    let session = response.session.clone().unwrap();
    assert_eq!((session.issuer(), response.time_to_live), (Some("a.test"), Some(86_400)));
    assert!(!stage.link.is_up());

    stage.pass(seconds(2));
    stage.setup(Mode::Response, &x, grant("9@b.test")).unwrap();
    let said = stage.said();
    let [Output::Persist(record), Output::Up { took, initiator, version }] = said.as_slice() else {
        panic!("{said:?}")
    };
    assert_eq!((&record.own_id, record.peer_id.as_str()), (&session, "9@b.test"));
    assert_eq!((*took, initiator.as_str(), *version), (seconds(2), "a.test", Version::V1_3));
    let post = stage.next_post();
    assert_eq!(parts(&post), [("t1".to_owned(), Mode::Request)]);
    assert_eq!(post.session(), Some(&session));
}

#[test]
fn a_set_up_of_the_peer_is_answered_in_six_steps() {
    let mut stage = Stage::new(Profile::Standard);
    stage.setup(Mode::Request, "x1", token("b.test", "theirs")).unwrap();
    let second = stage.next_step();
    assert_eq!(second.mode, Mode::Response);
    assert_ne!(second.id.as_str(), "x1", "step 2 goes under our own id");
    let ours = token_of(&second);
    stage.setup(Mode::Request, "x1", login("b.test", &ours)).unwrap();
    let fourth = stage.next_step();
    assert_eq!((fourth.mode, fourth.id.as_str()), (Mode::Response, "x1"));
    assert_eq!(fourth.element, login("a.test", b"theirs"));
    stage.setup(Mode::Request, "x1", grant("9@b.test")).unwrap();
    assert!(matches!(stage.said().as_slice(), [Output::Persist(_)]), "on disk before step 6 leaves");
    assert!(!stage.link.is_up(), "the peer does not know our id yet");
    let sixth = stage.next_step();
    assert_eq!((sixth.mode, sixth.id.as_str()), (Mode::Response, "x1"));
    assert!(stage.link.is_up());
    assert!(
        matches!(stage.said().as_slice(), [Output::Up { initiator, .. }] if initiator.as_str() == "b.test")
    );
}

#[test]
fn step_2_may_overtake_the_2xx_of_step_1() {
    let mut stage = Stage::new(Profile::Standard);
    stage.enqueue(1, Kind::Request);
    let first = stage.next_post();
    // The peer is there before its HTTP answer is, or instead of it
    stage.setup(Mode::Response, "b17", token("b.test", "theirs")).unwrap();
    assert_eq!(stage.next_step().element, login("a.test", b"theirs"));
    stage.posted(&first, PostOutcome::Closed);
    assert!(stage.posts.is_empty() && stage.alarms().is_empty(), "step 1 has arrived, whatever HTTP says");
}

#[test]
fn the_older_version_and_the_smaller_time_to_live_count() {
    let mut stage = Stage::new(Profile::Standard);
    let Setup::SendSecretToken(first) = token("b.test", "theirs") else { unreachable!() };
    let first = Setup::SendSecretToken(SendSecretToken { version: Version::V1_1, ..first });
    stage.setup(Mode::Request, "x1", first).unwrap();
    let ours = token_of(&stage.next_step());
    let Setup::LoginRequest(third) = login("b.test", &ours) else { unreachable!() };
    stage
        .setup(Mode::Request, "x1", Setup::LoginRequest(LinkLoginRequest { time_to_live: 600, ..third }))
        .unwrap();
    assert_eq!(stage.next_post().version, Version::V1_1);
    stage.setup(Mode::Request, "x1", grant("9@b.test")).unwrap();
    let said = stage.said();
    let [Output::Persist(record)] = said.as_slice() else { panic!("{said:?}") };
    assert_eq!((record.version, record.time_to_live), (Version::V1_1, 600));
}

#[test]
fn who_sends_sha_gets_sha() {
    let mut stage = Stage::new(Profile::Standard);
    stage.setup(Mode::Request, "x1", token("b.test", "theirs")).unwrap();
    let ours = token_of(&stage.next_step());
    let sha = |service: &str, token: &[u8]| {
        Setup::LoginRequest(LinkLoginRequest {
            service: ServiceId::of(domain(service)),
            time_to_live: 86_400,
            digest: proof::digest(DigestSchema::Sha, token).unwrap(),
            schema: Some(DigestSchema::Sha),
        })
    };
    stage.setup(Mode::Request, "x1", sha("b.test", &ours)).unwrap();
    assert_eq!(stage.next_step().element, sha("a.test", b"theirs"));
}

#[test]
fn a_wrong_digest_is_answered_409_and_ends_the_handshake_in_both_roles() {
    let mut stage = Stage::new(Profile::Standard);
    stage.setup(Mode::Request, "x1", token("b.test", "theirs")).unwrap();
    let ours = token_of(&stage.next_step());
    stage.setup(Mode::Request, "x1", login("b.test", b"guess")).unwrap();
    let answer = stage.next_step();
    assert_eq!((answer.mode, &answer.element), (Mode::Response, &refusal(Code::INVALID_PASSWORD)));
    assert_eq!(refused(stage.setup(Mode::Request, "x1", login("b.test", &ours))), (403, "setup"));
    assert_eq!(stage.alarms(), ["digest"]);

    stage.enqueue(1, Kind::Request);
    let first = stage.next_step();
    let x = first.id.to_string();
    stage.setup(Mode::Response, "b", token("b.test", "theirs")).unwrap();
    stage.next_step();
    stage.setup(Mode::Response, &x, login("b.test", b"guess")).unwrap();
    let answer = stage.next_step();
    assert_eq!((answer.mode, &answer.element), (Mode::Request, &refusal(Code::INVALID_PASSWORD)));
    assert_eq!(refused(stage.setup(Mode::Response, &x, grant("1@b.test"))), (403, "setup"));
    assert_eq!(stage.alarms(), ["digest"]);
    stage.pass(seconds(7));
    assert_eq!(stage.next_step().element.name(), "SendSecretToken", "tried again after 5 s");
}

#[test]
fn a_digest_in_clear_is_refused_with_543() {
    let mut stage = Stage::new(Profile::Standard);
    stage.setup(Mode::Request, "x1", token("b.test", "theirs")).unwrap();
    let ours = token_of(&stage.next_step());
    let clear = Setup::LoginRequest(LinkLoginRequest {
        service: ServiceId::of(domain("b.test")),
        time_to_live: 1,
        digest: ours.into(),
        schema: Some(DigestSchema::Pwd),
    });
    stage.setup(Mode::Request, "x1", clear).unwrap();
    assert_eq!(stage.next_step().element, refusal(Code::NO_DIGEST_SCHEME));
}

#[test]
fn a_login_response_without_a_digest_before_it_opens_nothing() {
    let mut stage = Stage::new(Profile::Standard);
    assert_eq!(refused(stage.setup(Mode::Request, "x1", grant("1@b.test"))), (403, "setup"));
    stage.setup(Mode::Request, "x1", token("b.test", "theirs")).unwrap();
    let ours = token_of(&stage.next_step());
    assert_eq!(refused(stage.setup(Mode::Request, "x1", grant("1@b.test"))), (403, "setup"));
    stage.setup(Mode::Request, "x1", login("b.test", &ours)).unwrap();
    stage.next_step();
    stage.setup(Mode::Request, "x1", grant("1@b.test")).unwrap();
    stage.next_step();
    assert!(stage.link.is_up(), "a refused step changes nothing");

    let mut stage = Stage::new(Profile::Standard);
    stage.enqueue(1, Kind::Request);
    let x = stage.next_step().id.to_string();
    assert_eq!(refused(stage.setup(Mode::Response, &x, grant("1@b.test"))), (403, "setup"));
    stage.setup(Mode::Response, "b", token("b.test", "theirs")).unwrap();
    assert_eq!(refused(stage.setup(Mode::Response, &x, grant("1@b.test"))), (403, "setup"));
    assert!(!stage.link.is_up());
}

#[test]
fn a_foreign_service_id_is_refused_in_every_step() {
    let mut stage = Stage::new(Profile::Standard);
    assert_eq!(refused(stage.setup(Mode::Request, "x1", token("evil.test", "t"))), (403, "service-id"));
    stage.setup(Mode::Request, "x1", token("b.test", "theirs")).unwrap();
    let ours = token_of(&stage.next_step());
    assert_eq!(refused(stage.setup(Mode::Request, "x1", login("evil.test", &ours))), (403, "service-id"));
    stage.setup(Mode::Request, "x1", login("b.test", &ours)).unwrap();
    stage.next_step();
    for foreign in ["1@evil.test", "1", "1@a.test"] {
        assert_eq!(refused(stage.setup(Mode::Request, "x1", grant(foreign))), (403, "setup"), "{foreign}");
    }
    assert_eq!(refused(stage.setup(Mode::Request, "x2", token("b.test", ""))), (403, "setup"));

    stage.setup(Mode::Request, "x1", refusal(Code::SERVICE_UNAVAILABLE)).unwrap();
    stage.enqueue(1, Kind::Request);
    let first = stage.next_step();
    assert_eq!(refused(stage.setup(Mode::Response, "b", token("evil.test", "t"))), (403, "service-id"));
    stage.setup(Mode::Response, "b", token("b.test", "t")).unwrap();
    let forged = login("evil.test", &token_of(&first));
    assert_eq!(refused(stage.setup(Mode::Response, first.id.as_str(), forged)), (403, "service-id"));
}

#[test]
fn a_second_token_in_the_same_handshake_is_refused_and_a_repeat_is_not() {
    let mut stage = Stage::new(Profile::Standard);
    stage.enqueue(1, Kind::Request);
    let first = stage.next_step();
    let (x, ours) = (first.id.to_string(), token_of(&first));
    stage.setup(Mode::Response, "b", token("b.test", "theirs")).unwrap();
    stage.next_step();
    stage.setup(Mode::Response, "b", token("b.test", "theirs")).unwrap();
    assert_eq!(refused(stage.setup(Mode::Response, "b", token("b.test", "other"))), (403, "setup"));
    stage.setup(Mode::Response, &x, login("b.test", &ours)).unwrap();
    stage.next_step();
    stage.setup(Mode::Response, "b", token("b.test", "theirs")).unwrap();
    stage.setup(Mode::Response, &x, login("b.test", &ours)).unwrap();
    assert_eq!(refused(stage.setup(Mode::Response, &x, login("b.test", b"guess"))), (403, "setup"));
    stage.setup(Mode::Response, &x, grant("1@b.test")).unwrap();
    stage.setup(Mode::Response, &x, grant("1@b.test")).unwrap();
    assert_eq!(refused(stage.setup(Mode::Response, &x, grant("2@b.test"))), (403, "setup"));
    assert_eq!(parts(&stage.next_post()).len(), 1);
    assert!(stage.posts.is_empty(), "a repeat posts nothing");
}

#[test]
fn repeats_of_the_initiators_steps_are_taken_without_effect() {
    let mut stage = Stage::new(Profile::Standard);
    stage.setup(Mode::Request, "x1", token("b.test", "theirs")).unwrap();
    let ours = token_of(&stage.next_step());
    stage.setup(Mode::Request, "x1", token("b.test", "theirs")).unwrap();
    assert!(stage.posts.is_empty());
    for _ in 0..2 {
        stage.setup(Mode::Request, "x1", login("b.test", &ours)).unwrap();
    }
    stage.next_step();
    for _ in 0..2 {
        stage.setup(Mode::Request, "x1", grant("1@b.test")).unwrap();
    }
    stage.next_step();
    stage.setup(Mode::Request, "x1", grant("1@b.test")).unwrap();
    assert!(stage.posts.is_empty());
    assert!(stage.link.is_up());
}

#[test]
fn a_new_step_1_replaces_the_open_handshake_and_six_a_minute_are_enough() {
    let mut stage = Stage::new(Profile::Standard);
    for n in 0..6 {
        stage.setup(Mode::Request, &format!("x{n}"), token("b.test", "theirs")).unwrap();
    }
    let steps: Vec<_> = std::iter::from_fn(|| (!stage.posts.is_empty()).then(|| stage.next_step())).collect();
    assert_eq!(steps.len(), 6);
    let old = login("b.test", &token_of(&steps[4]));
    assert_eq!(refused(stage.setup(Mode::Request, "x4", old)), (403, "setup"));
    let result = stage.setup(Mode::Request, "x6", token("b.test", "theirs"));
    assert_eq!(result.as_ref().unwrap_err().retry_after(), Some(60));
    assert_eq!(refused(result), (429, "rate"));
    stage.setup(Mode::Request, "x5", login("b.test", &token_of(&steps[5]))).unwrap();
    assert_eq!(stage.next_step().element.name(), "LoginRequest");
    stage.pass(seconds(60));
    stage.setup(Mode::Request, "x7", token("b.test", "theirs")).unwrap();
}

#[test]
fn a_lost_step_is_posted_again_after_1_2_4_8_and_15_seconds() {
    let mut stage = Stage::new(Profile::Standard);
    stage.setup(Mode::Request, "x1", token("b.test", "theirs")).unwrap();
    let mut pauses = Vec::new();
    let step = stage.next_post();
    stage.posted(&step, PostOutcome::Closed);
    for outcome in [PostOutcome::Unreachable, PostOutcome::Status(500, None), PostOutcome::Closed] {
        let before = stage.now;
        stage.now = stage.link.next_wakeup().unwrap();
        stage.link.wake(stage.now, &mut stage.dice);
        stage.drain();
        pauses.push(stage.now.since(before).as_secs());
        let again = stage.next_post();
        assert_eq!(again.content, step.content);
        stage.posted(&again, outcome);
    }
    assert_eq!(pauses, [1, 2, 4]);
    stage.setup(Mode::Request, "x1", login("b.test", &token_of_post(&step))).unwrap();
    let step = stage.next_post();
    stage.posted(&step, PostOutcome::Status(403, None));
    assert_eq!(stage.alarms(), ["step-failed"], "a step that the peer refuses is not repeated");
    assert_eq!(stage.link.next_wakeup(), None);
}

fn token_of_post(post: &Post) -> Vec<u8> {
    match &post.content {
        PostContent::Setup(setup) => token_of(setup),
        PostContent::Session { .. } => panic!("{post:?}"),
    }
}

#[test]
fn the_late_outcome_of_an_old_step_does_no_harm() {
    let mut stage = Stage::new(Profile::Standard);
    stage.setup(Mode::Request, "x1", token("b.test", "theirs")).unwrap();
    let second = stage.next_post();
    stage.setup(Mode::Request, "x1", login("b.test", &token_of_post(&second))).unwrap();
    stage.posted(&second, PostOutcome::Status(403, None));
    let fourth = stage.next_post();
    stage.setup(Mode::Request, "x1", grant("1@b.test")).unwrap();
    stage.posted(&fourth, PostOutcome::Closed);
    stage.next_step();
    assert!(stage.link.is_up());
}

#[test]
fn step_1_without_success_waits_longer_each_time() {
    let mut stage = Stage::new(Profile::Standard);
    stage.enqueue(1, Kind::Request);
    let mut pauses = Vec::new();
    for _ in 0..9 {
        let post = stage.next_post();
        stage.posted(&post, PostOutcome::Unreachable);
        assert!(stage.posts.is_empty());
        let before = stage.now;
        stage.now = stage.link.next_wakeup().unwrap();
        pauses.push(stage.now.since(before).as_secs());
        stage.link.wake(stage.now, &mut stage.dice);
        stage.drain();
    }
    for (n, pause) in (0_u32..).zip(&pauses) {
        let plain = (5 * 2_u64.pow(n)).min(600);
        assert!((plain * 79 / 100..=(plain * 121 / 100).min(600)).contains(pause), "{pauses:?}");
    }
    let post = stage.next_post();
    stage.posted(&post, PostOutcome::Status(503, Some(600)));
    let until = stage.link.next_wakeup().unwrap();
    assert_eq!(until.since(stage.now), seconds(600));
    // Any set-up from that peer makes it good again.
    stage.peer_opens("x1");
    assert_eq!(parts(&stage.next_post()).len(), 1);
}

#[test]
fn while_the_peer_opens_a_session_we_do_not() {
    let mut stage = Stage::new(Profile::Standard);
    stage.setup(Mode::Request, "x1", token("b.test", "theirs")).unwrap();
    stage.next_step();
    stage.enqueue(1, Kind::Request);
    assert!(stage.posts.is_empty());
    stage.pass(seconds(30));
    assert_eq!(stage.alarms(), ["stalled"]);
    assert_eq!(stage.next_step().mode, Mode::Request, "it came to nothing, so we do");
}

#[test]
fn a_handshake_without_progress_ends_after_30_seconds() {
    let mut stage = Stage::new(Profile::Standard);
    stage.enqueue(1, Kind::Request);
    let first = stage.next_step();
    stage.pass(seconds(29));
    stage.setup(Mode::Response, "b", token("b.test", "theirs")).unwrap();
    stage.next_step();
    stage.pass(seconds(29));
    assert!(stage.alarms().is_empty());
    stage.pass(seconds(1));
    assert_eq!(stage.alarms(), ["stalled"]);
    let late = login("b.test", &token_of(&first));
    assert_eq!(refused(stage.setup(Mode::Response, first.id.as_str(), late)), (403, "setup"));

    let mut stage = Stage::new(Profile::Standard);
    stage.setup(Mode::Request, "x", token("b.test", "theirs")).unwrap();
    let ours = token_of(&stage.next_step());
    stage.pass(seconds(30));
    assert_eq!(stage.alarms(), ["stalled"]);
    assert_eq!(refused(stage.setup(Mode::Request, "x", login("b.test", &ours))), (403, "setup"));
}

#[test]
fn a_handshake_ends_after_90_seconds_in_all() {
    let mut stage = Stage::new(Profile::Standard);
    stage.enqueue(1, Kind::Request);
    let mut first = stage.next_step();
    for _ in 0..2 {
        stage.pass(seconds(25));
        stage.setup(Mode::Response, first.id.as_str(), redirect("https://c.b.test/", None)).unwrap();
        first = stage.next_step();
    }
    stage.pass(seconds(25));
    stage.setup(Mode::Response, "b", token("b.test", "theirs")).unwrap();
    stage.next_step();
    stage.pass(seconds(14));
    assert!(stage.alarms().is_empty());
    stage.pass(seconds(1));
    assert_eq!(stage.alarms(), ["stalled"]);
}

fn redirect(url: &str, service: Option<&str>) -> Setup {
    Setup::LoginResponse(LinkLoginResponse {
        session: None,
        time_to_live: None,
        status: Status::new(Code::REDIRECT),
        redirects: vec![crate::imps::primitive::Redirect {
            service: service.map(|name| ServiceId::of(domain(name))),
            url: url.into(),
        }],
    })
}

#[test]
fn a_refusal_by_the_peer_ends_our_handshake() {
    let mut stage = Stage::new(Profile::Standard);
    stage.enqueue(1, Kind::Request);
    let x = stage.next_step().id.to_string();
    let mut busy = Status::new(Code::SERVICE_UNAVAILABLE);
    busy.try_again = Some(120);
    stage.setup(Mode::Response, &x, Setup::Status(busy)).unwrap();
    assert_eq!(stage.alarms(), ["refused"]);
    assert_eq!(stage.link.next_wakeup(), Some(stage.now.after(seconds(120))));
}

#[test]
fn three_redirects_are_followed_to_https_addresses_of_the_same_service() {
    let mut stage = Stage::new(Profile::Standard);
    stage.enqueue(1, Kind::Request);
    let mut x = stage.next_step().id;
    for n in 1..=3 {
        stage
            .setup(Mode::Response, x.as_str(), redirect(&format!("https://{n}.b.test/"), Some("b.test")))
            .unwrap();
        let post = stage.next_post();
        assert_eq!(post.at.as_deref(), Some(format!("https://{n}.b.test/").as_str()));
        assert_ne!(post.transaction(), Some(&x));
        x = post.transaction().unwrap().clone();
    }
    stage.setup(Mode::Response, x.as_str(), redirect("https://4.b.test/", None)).unwrap();
    assert_eq!(stage.alarms(), ["redirect"]);
    for bad in [redirect("http://b.test/", None), redirect("https://evil.test/", Some("evil.test"))] {
        stage.link.reconnect(stage.now, &mut stage.dice);
        stage.drain();
        let x = stage.next_step().id;
        stage.setup(Mode::Response, x.as_str(), bad).unwrap();
        assert_eq!(stage.alarms(), ["redirect"]);
        assert!(stage.posts.is_empty());
    }
}

#[test]
fn towards_a_legacy_peer_steps_2_and_3_wait_a_second() {
    let mut stage = Stage::new(Profile::Legacy);
    stage.setup(Mode::Request, "x1", token("b.test", "theirs")).unwrap();
    assert!(stage.posts.is_empty());
    stage.pass(Duration::from_millis(999));
    assert!(stage.posts.is_empty());
    stage.pass(Duration::from_millis(1));
    let ours = token_of(&stage.next_step());
    stage.setup(Mode::Request, "x1", login("b.test", &ours)).unwrap();
    stage.next_step();
    stage.setup(Mode::Request, "x1", grant("1@b.test")).unwrap();
    stage.next_step();

    let mut stage = Stage::new(Profile::Legacy);
    stage.enqueue(1, Kind::Request);
    let first = stage.next_step();
    stage.setup(Mode::Response, "b", token("b.test", "theirs")).unwrap();
    assert!(stage.posts.is_empty());
    stage.pass(seconds(1));
    stage.next_step();
    stage.setup(Mode::Response, first.id.as_str(), login("b.test", &token_of(&first))).unwrap();
    assert_eq!(stage.next_step().element.name(), "LoginResponse");
}

#[test]
fn a_peer_that_misspells_the_version_is_a_legacy_peer() {
    let mut stage = Stage::new(Profile::Standard);
    let Setup::SendSecretToken(first) = token("b.test", "theirs") else { unreachable!() };
    stage
        .setup(Mode::Request, "x1", Setup::SendSecretToken(SendSecretToken { misspelt: true, ..first }))
        .unwrap();
    assert_eq!(stage.alarms(), ["legacy"]);
    assert_eq!(stage.link.settings().profile, Profile::Legacy);
    assert_eq!(stage.link.capacity(), 4);
    assert!(stage.posts.is_empty(), "step 2 waits already");
}

#[test]
fn a_set_up_of_a_legacy_peer_that_stalls_is_followed_by_one_of_ours() {
    let mut stage = Stage::new(Profile::Legacy);
    stage.setup(Mode::Request, "x1", token("b.test", "theirs")).unwrap();
    stage.pass(seconds(1));
    stage.next_step();
    stage.pass(seconds(30));
    assert_eq!(stage.alarms(), ["stalled"]);
    let first = stage.next_step();
    assert_eq!((first.mode, first.element.name()), (Mode::Request, "SendSecretToken"));
    // And if ours comes to nothing after it has our session id, it is told to forget that.
    stage.setup(Mode::Response, "b", token("b.test", "theirs")).unwrap();
    stage.pass(seconds(1));
    stage.next_step();
    stage.setup(Mode::Response, first.id.as_str(), login("b.test", &token_of(&first))).unwrap();
    stage.next_step();
    stage.pass(seconds(30));
    let last = stage.next_step();
    assert_eq!((last.id, last.element), (first.id, refusal(Code::INVALID_SESSION)));
}

#[test]
fn step_6_that_never_arrives_leaves_a_session_that_is_not_sent_on() {
    let mut stage = Stage::new(Profile::Standard);
    stage.setup(Mode::Request, "x1", token("b.test", "theirs")).unwrap();
    let ours = token_of(&stage.next_step());
    stage.setup(Mode::Request, "x1", login("b.test", &ours)).unwrap();
    stage.next_step();
    stage.setup(Mode::Request, "x1", grant("1@b.test")).unwrap();
    let sixth = stage.next_post();
    stage.posted(&sixth, PostOutcome::Status(403, None));
    assert!(!stage.link.is_up());
    stage.enqueue(1, Kind::Request);
    assert_eq!(stage.next_step().element.name(), "SendSecretToken");
    // The 403 was a lie: the peer does use it.
    stage.in_session("1@b.test", Mode::Request, "p1", ok()).unwrap();
    assert!(stage.link.is_up());
}

#[test]
fn traffic_on_the_new_session_stands_for_the_2xx_of_step_6() {
    let mut stage = Stage::new(Profile::Standard);
    stage.setup(Mode::Request, "x1", token("b.test", "theirs")).unwrap();
    let ours = token_of(&stage.next_step());
    stage.setup(Mode::Request, "x1", login("b.test", &ours)).unwrap();
    stage.next_step();
    stage.setup(Mode::Request, "x1", grant("1@b.test")).unwrap();
    let sixth = stage.next_post();
    stage.in_session("1@b.test", Mode::Request, "p1", ok()).unwrap();
    assert!(stage.link.is_up());
    stage.posted(&sixth, PostOutcome::Closed);
    stage.pass(seconds(100));
    assert!(stage.posts.is_empty(), "no need to repeat it");
    assert!(stage.link.is_up());
}
