//! What a node refuses of its peers, and how (the table of refusals).

use std::fs;

use causeway::cli::laboratory::Writing;
use causeway::imps::{Code, Primitive};
use causeway::node::Node;
use causeway::wire::{Carried, Mode};

use crate::log;
use crate::peer::{HttpAnswer, MEDIA_TYPE, ScriptedPeer, Session, in_session, request, response, set_up};
use crate::world::{Place, World, modern, receive, text, until};

/// A node of this domain, and a scripted peer that it has an agreement with.
pub(super) async fn stage(domain: &str, peer: &str) -> (World, Place, Node, ScriptedPeer) {
    stage_with(domain, peer, "").await
}

/// The same with further lines in the agreement.
pub(super) async fn stage_with(
    domain: &str,
    peer: &str,
    agreement: &str,
) -> (World, Place, Node, ScriptedPeer) {
    let world = World::new().await;
    let place = world.place_with(domain, &Writing { peers: &[peer], agreement, ..Writing::default() });
    let peer = ScriptedPeer::start(&world, &place, peer).await;
    let node = world.start(&place).await;
    (world, place, node, peer)
}

/// How often something of this peer was refused for this reason.
pub(super) async fn refused(place: &Place, peer: &str, reason: &str) -> f64 {
    place.metric(&format!("causeway_ssp_refused_total{{peer=\"{peer}\",reason=\"{reason}\"}}")).await
}

#[track_caller]
pub(super) fn assert_logged(words: &[&str]) {
    assert!(!log::lines_with(words).is_empty(), "no line of the log holds {words:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_claims_to_be_another_is_turned_away_and_counted() {
    log::keep();
    // Given a peer with its own good certificate
    let (_world, north, node, east) = stage("north.claims.example", "east.claims.example").await;
    // When it says in set-up that it is somebody else
    let token = east.token("Request", "x1").replace("wv:@east.claims.example", "wv:@bank.claims.example");
    let answer = east.post(&token).await;
    // Then it is refused, counted and named in the log, and no token leaves for anybody
    assert_eq!(answer.status, 403);
    assert_eq!(refused(&north, "east.claims.example", "service-id").await, 1.0);
    assert_logged(&["WARN", "east.claims.example", "claims to be another", "bank.claims.example"]);
    assert!(!east.has_more().await);
    // And its own name is still welcome
    east.log_in(2).await;
    node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_unknown_not_served_not_agreed_or_faulty_has_its_own_code() {
    let (_world, north, node, east) = stage("north.codes.example", "east.codes.example").await;
    let session = east.log_in(1).await;
    let good = east.message("m1", "wv:zoe@east.codes.example", &["wv:ada@north.codes.example"], "x", false);
    let cases = [
        ("<NoSuchRequest/>".to_owned(), 405, "unknown-primitive"),
        ("<PollingRequest/>".to_owned(), 405, "unknown-primitive"),
        ("<GetListRequest/>".to_owned(), 506, "not-agreed"),
        ("<ForwardMessageRequest messageID='m'/>".to_owned(), 506, "not-agreed"),
        ("<SubscribeRequest/>".to_owned(), 506, "not-agreed"),
        ("<SearchRequest/>".to_owned(), 506, "not-agreed"),
        ("<GetMapRequest/>".to_owned(), 506, "not-agreed"),
        ("<SendMessageRequest/>".to_owned(), 400, "faulty"),
        (good.replace("<Recipient>", "<Nobody>").replace("</Recipient>", "</Nobody>"), 400, "faulty"),
        (good.replace("contentSize=\"1\"", "validity=\"long\""), 402, "faulty"),
        (good.replace("wv:ada@north.codes.example", "wv:a b@north.codes.example"), 427, "faulty"),
    ];
    for (number, (primitive, code, reason)) in cases.iter().enumerate() {
        let before = refused(&north, "east.codes.example", reason).await;
        let answer = east.ask(&session, &format!("t{number}"), primitive).await;
        assert_eq!(answer.code(), *code, "{primitive}");
        assert_eq!(refused(&north, "east.codes.example", reason).await, before + 1.0, "{primitive}");
    }
    // The link is as good as before
    assert_eq!(east.ask(&session, "last", &good).await.code(), 531);
    node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn content_that_a_peer_keeps_elsewhere_than_behind_https_is_refused() {
    let (_world, north, node, east) = stage("north.places.example", "east.places.example").await;
    let session = east.log_in(1).await;
    let mut ada = north.phone("ada", modern()).await;
    let (zoe, ada_id) = ("wv:zoe@east.places.example", ada.user().to_string());
    let at = |id: &str, place: &str, with_content: bool| {
        let message = east.message(id, zoe, &[&ada_id], "picture", false);
        let message = message.replace("contentSize=", &format!("messageURI=\"{place}\" contentSize="));
        let (before, after) = message.split_once("<ContentData").unwrap();
        let (_, after) = after.split_once("</ContentData>").unwrap();
        if with_content { message.clone() } else { format!("{before}{after}") }
    };
    for (transaction, place) in
        [("t1", "http://east.places.example/1"), ("t2", "ftp://east.places.example/1")]
    {
        assert_eq!(
            east.ask(&session, transaction, &at(transaction, place, false)).await.code(),
            403,
            "{place}"
        );
    }
    // Where the content is in the message, the other place is not told
    let both = at("m3", "http://east.places.example/1", true);
    assert_eq!(east.ask(&session, "t3", &both).await.code(), 200);
    let Primitive::NewMessage(new) = receive(&mut ada).await else { panic!("no message") };
    assert_eq!((new.info.uri, new.content.is_some()), (None, true));
    let safe = at("m4", "https://east.places.example/1", false);
    assert_eq!(east.ask(&session, "t4", &safe).await.code(), 200);
    let Primitive::NewMessage(new) = receive(&mut ada).await else { panic!("no message") };
    assert_eq!(new.info.uri.as_deref(), Some("https://east.places.example/1"));
    node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_outside_the_agreement_is_506() {
    let world = World::new().await;
    let north = world.place("north.bare.example", &["east.bare.example"]);
    fs::write(north.provider.folder.join("peers.toml"), "[[peer]]\ndomain = \"east.bare.example\"\n")
        .unwrap();
    let east = ScriptedPeer::start(&world, &north, "east.bare.example").await;
    let node = world.start(&north).await;
    let mut ada = north.phone("ada", modern()).await;
    let session = east.log_in(1).await;
    let message = east.message("m1", "wv:zoe@east.bare.example", &["wv:ada@north.bare.example"], "x", false);
    assert_eq!(east.ask(&session, "t1", &message).await.code(), 506);
    assert_eq!(refused(&north, "east.bare.example", "not-agreed").await, 1.0);
    assert_eq!(ada.take().await.unwrap(), None);
    // Nor do we ask the peer for it
    let to = "wv:zoe@east.bare.example".parse().unwrap();
    let answer = ada.send(&[to], "x", false).await;
    let code = match answer {
        Ok(answer) => answer.result.code,
        Err(error) => error.code().expect("a code"),
    };
    assert_eq!(code, Code::SERVICE_NOT_AGREED);
    node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_digest_opens_nothing() {
    log::keep();
    let (_world, north, node, east) = stage("north.digest.example", "east.digest.example").await;
    // Given a handshake up to step 2
    east.say(&east.token("Request", "x1")).await;
    let token = east.heard_token(&east.next().await);
    // When the digest is that of another token
    let guess = [b"not ", token.as_slice()].concat();
    east.say(&east.login("Request", "x1", &guess)).await;
    // Then the answer is 409, without a session id
    let answer = east.next().await;
    assert!(
        answer.text.contains("<LoginResponse>") && answer.text.contains("code=\"409\""),
        "{}",
        answer.text
    );
    assert!(!answer.text.contains("sessionID"), "{}", answer.text);
    assert_logged(&["WARN", "east.digest.example", "digest"]);
    until("it is counted", || async {
        (refused(&north, "east.digest.example", "digest").await > 0.0).then_some(())
    })
    .await;
    // And the handshake is over: neither the right digest nor step 5 helps any more
    assert_eq!(east.post(&east.login("Request", "x1", &token)).await.status, 403);
    let grant = ScriptedPeer::grant("Request", "x1", "Sc1@east.digest.example");
    assert_eq!(east.post(&grant).await.status, 403);
    assert_eq!(refused(&north, "east.digest.example", "setup").await, 2.0);
    let traffic = in_session("Sc1@east.digest.example", &[request("t1", "<LogoutRequest/>")]);
    assert_eq!(east.post(&traffic).await.status, 403);
    // A new one with the right digest does
    east.log_in(2).await;
    node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_id_of_another_domain_cannot_be_granted() {
    let (_world, north, node, east) = stage("north.grant.example", "east.grant.example").await;
    east.say(&east.token("Request", "x1")).await;
    let token = east.heard_token(&east.next().await);
    east.say(&east.login("Request", "x1", &token)).await;
    let _four = east.next().await;
    let grant = ScriptedPeer::grant("Request", "x1", "Sc1@bank.grant.example");
    assert_eq!(east.post(&grant).await.status, 403);
    let counted = refused(&north, "east.grant.example", "service-id").await;
    assert_eq!(counted, 1.0);
    node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn transactions_of_one_document_are_carried_out_in_order_and_each_for_itself() {
    let (_world, north, node, east) = stage("north.many.example", "east.many.example").await;
    let session = east.log_in(1).await;
    let mut ada = north.phone("ada", modern()).await;
    let (zoe, ada_id) = ("wv:zoe@east.many.example", ada.user().to_string());
    let message = |number: u32| {
        let id = format!("m{number}");
        east.message(&id, zoe, &[&ada_id], &format!("words {number}"), false)
    };
    // When one document holds five messages, one of them without an id, a stranger, an empty one, and
    // answers that nobody asked for
    let nameless = format!("<Transaction mode=\"Request\">{}</Transaction>", message(9));
    let parts = [
        request("t1", &message(1)),
        nameless,
        request("t2", &message(2)),
        request("t3", "<NoSuchRequest/>"),
        "<Transaction mode=\"Request\" transactionID=\"t4\"/>".to_owned(),
        response("never-asked", "<Status code=\"200\"/>"),
        request("t5", &message(3)),
        response("t1", "<SendMessageResponse messageID=\"m1\"><Status code=\"200\"/></SendMessageResponse>"),
        request("t6", &message(4)),
    ];
    east.say(&in_session(&session.ours, &parts)).await;
    // Then each that has an id and something to say is answered, once
    let mut answers = Vec::new();
    while answers.len() < 5 {
        let heard = east.next().await;
        for transaction in &heard.session().transactions {
            assert_eq!(transaction.mode, Mode::Response);
            answers.push((transaction.id.to_string(), transaction.content.name()));
        }
    }
    answers.sort();
    let expected = [
        ("t1", "SendMessageResponse"),
        ("t2", "SendMessageResponse"),
        ("t3", "Status"),
        ("t5", "SendMessageResponse"),
        ("t6", "SendMessageResponse"),
    ];
    assert_eq!(answers, expected.map(|(id, name)| (id.to_owned(), name)));
    // And the words arrive in their order
    for number in 1..=4 {
        assert_eq!(text(&receive(&mut ada).await), format!("words {number}"));
    }
    assert_eq!(ada.take().await.unwrap(), None);
    assert!(!east.has_more().await, "nothing that was skipped or stray is answered");
    node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_twice_is_answered_twice_and_delivered_once() {
    log::keep();
    let (_world, north, node, east) = stage("north.twice.example", "east.twice.example").await;
    let session = east.log_in(1).await;
    let mut ada = north.phone("ada", modern()).await;
    let (zoe, ada_id) = ("wv:zoe@east.twice.example", ada.user().to_string());
    let message = east.message("m1", zoe, &[&ada_id], "once", false);
    // The same transaction again: the same answer
    let first = east.ask(&session, "t1", &message).await;
    let again = east.ask(&session, "t1", &message).await;
    assert_eq!(first.code(), 200);
    assert_eq!(again.transaction().content, first.transaction().content);
    // The same id for something else
    let other = east.message("m2", zoe, &[&ada_id], "other", false);
    let reused = east.ask(&session, "t1", &other).await;
    assert_eq!(reused.code(), 420);
    assert_logged(&["WARN", "east.twice.example", "t1", "again with other content"]);
    // The same message in another transaction, and in another session
    assert_eq!(east.ask(&session, "t2", &message).await.code(), 200);
    let later = east.log_in(2).await;
    assert_eq!(east.ask(&later, "t3", &message).await.code(), 200);
    // The same message for another recipient too: only that one is new
    let mut bo = north.phone("bo", modern()).await;
    let bo_id = bo.user().to_string();
    let wider = east.message("m1", zoe, &[&ada_id, &bo_id], "once", false);
    assert_eq!(east.ask(&later, "t4", &wider).await.code(), 200);
    assert_eq!(text(&receive(&mut bo).await), "once");
    // One arrived
    assert_eq!(text(&receive(&mut ada).await), "once");
    assert_eq!(ada.take().await.unwrap(), None);
    assert_eq!(bo.take().await.unwrap(), None);
    node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_suspended_peer_is_told_when_to_come_again() {
    log::keep();
    let (_world, north, node, east) =
        stage_with("north.rest.example", "east.rest.example", "state = \"suspended\"").await;
    let answer = east.post(&east.token("Request", "x1")).await;
    assert_eq!((answer.status, answer.header("Retry-After")), (503, Some("300")));
    assert!(refused(&north, "east.rest.example", "suspended").await >= 1.0);
    assert_logged(&["WARN", "east.rest.example", "agreement is suspended"]);
    node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_closed_agreement_is_403() {
    log::keep();
    for (domain, peer, line) in [
        ("north.shut.example", "east.shut.example", "state = \"closed\""),
        ("north.past.example", "east.past.example", "valid-until = 2020-01-01"),
    ] {
        let (_world, north, node, east) = stage_with(domain, peer, line).await;
        let answer = east.post(&east.token("Request", "x1")).await;
        assert_eq!(answer.status, 403);
        assert!(refused(&north, peer, "closed").await >= 1.0);
        assert_logged(&["WARN", peer, "agreement is closed"]);
        node.drain().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_is_too_quick_is_told_to_wait() {
    log::keep();
    let (_world, north, node, east) =
        stage_with("north.rate.example", "east.rate.example", "messages-per-second = 1").await;
    // A step 1 that is repeated is no new set-up, but a message; two seconds' worth may come at once
    let step_one = east.token("Request", "x1");
    let mut told = None;
    for _ in 0..100 {
        let answer = east.post(&step_one).await;
        if answer.status != 200 {
            told = Some(answer);
            break;
        }
    }
    let told: HttpAnswer = told.expect("the rate is limited");
    assert_eq!((told.status, told.header("Retry-After")), (429, Some("1")));
    assert_eq!(refused(&north, "east.rate.example", "rate").await, 1.0);
    assert_logged(&["WARN", "east.rate.example", "more messages a second than agreed"]);
    // What is no document counts as well
    until("nonsense is too much too", async || (east.post("nonsense").await.status == 429).then_some(()))
        .await;
    // And afterwards it is served again
    until("the peer may speak again", || async { (east.post(&step_one).await.status == 200).then_some(()) })
        .await;
    node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn documents_that_are_none_get_the_http_status_for_what_is_wrong() {
    log::keep();
    let domain = "north.http.example";
    let peer = "east.http.example";
    let (_world, north, node, east) = stage_with(domain, peer, "max-document-bytes = 65536").await;
    let session = east.log_in(1).await;
    let traffic = in_session(&session.ours, &[response("nobody-asked", "<Status code=\"200\"/>")]);
    let head = |line: &str, headers: &str| format!("{line} HTTP/1.1\r\nHost: {domain}\r\n{headers}\r\n");

    // Method, media type, size
    for method in ["GET", "PUT", "HEAD", "OPTIONS"] {
        let answer = east.raw(head(&format!("{method} /"), "").as_bytes()).await.unwrap();
        assert_eq!((answer.status, answer.header("Allow")), (405, Some("POST")), "{method}");
    }
    assert_eq!(refused(&north, peer, "method").await, 4.0);
    assert_logged(&["WARN", peer, "method"]);
    for media_type in ["text/xml", "application/xml", "application/vnd.wv.ssp+xmlish", ""] {
        assert_eq!(east.post_as(media_type, traffic.as_bytes()).await.status, 415, "{media_type}");
    }
    assert_eq!(refused(&north, peer, "media-type").await, 4.0);
    assert_logged(&["WARN", peer, "media-type"]);
    for media_type in [MEDIA_TYPE, "Application/VND.wv.ssp+XML; charset=utf-8"] {
        assert_eq!(east.post_as(media_type, traffic.as_bytes()).await.status, 200, "{media_type}");
    }
    let large = traffic.replace("<Status", &format!("{}<Status", " ".repeat(65_536)));
    assert_eq!(east.post(&large).await.status, 413);
    let chunked = format!(
        "{}{}",
        head("POST /", &format!("Content-Type: {MEDIA_TYPE}\r\nTransfer-Encoding: chunked\r\n")),
        format!("1000\r\n{}\r\n", " ".repeat(0x1000)).repeat(20)
    );
    assert_eq!(east.raw(chunked.as_bytes()).await.unwrap().status, 413);
    let promised = head("POST /", &format!("Content-Type: {MEDIA_TYPE}\r\nContent-Length: 99999999\r\n"));
    assert_eq!(east.raw(promised.as_bytes()).await.unwrap().status, 413);
    assert_eq!(refused(&north, peer, "size").await, 3.0);
    assert_logged(&["WARN", peer, "size"]);

    // What stands in the body
    let entities = traffic.replacen(
        "<WV-SSP-Message",
        "<!DOCTYPE WV-SSP-Message [<!ENTITY a \"b\"><!ENTITY c \"&a;&a;&a;\">]><WV-SSP-Message",
        1,
    );
    let bare = traffic.replacen("<WV-SSP-Message", "<!DOCTYPE WV-SSP-Message><WV-SSP-Message", 1);
    let deep = traffic.replace("<Status", &format!("{}<Status", "<a>".repeat(5000)));
    let deep_closed = deep.replace("</Transaction>", &format!("{}</Transaction>", "</a>".repeat(5000)));
    let wide: String = (0..1000).fold(String::new(), |text, number| format!("{text} a{number}=\"\""));
    let wide = traffic.replace("<Status", &format!("<Status{wide}"));
    let truncated = &traffic[..traffic.len() - 20];
    let foreign = traffic.replace("WV-SSP-Message", "WV-CSP-Message");
    let bad: [(&str, &[u8]); 12] = [
        ("malformed", b""),
        ("malformed", b"garbage"),
        ("malformed", &[0xff; 1000]),
        ("malformed", b"\x03\x0c\x6a\x00\xc9\x08"),
        ("malformed", truncated.as_bytes()),
        ("malformed", entities.as_bytes()),
        ("malformed", bare.as_bytes()),
        ("malformed", deep.as_bytes()),
        ("size", deep_closed.as_bytes()),
        ("size", wide.as_bytes()),
        ("envelope", foreign.as_bytes()),
        ("envelope", b"<WV-SSP-Message><Foo/></WV-SSP-Message>"),
    ];
    for (number, (_, body)) in bad.iter().enumerate() {
        let answer = east.post_as(MEDIA_TYPE, body).await;
        assert_eq!(answer.status, 400, "case {number}");
        assert_eq!(answer.body, b"");
    }
    let counted = refused(&north, peer, "malformed").await
        + refused(&north, peer, "envelope").await
        + (refused(&north, peer, "size").await - 3.0);
    assert_eq!(counted, 12.0);
    assert_logged(&["WARN", peer, "cannot be read", "document type declarations"]);
    assert_logged(&["WARN", peer, "cannot be read", "nesting"]);

    // The node serves on, the session lives
    assert_eq!(east.post(&traffic).await.status, 200);
    let message = east.message("m1", &format!("wv:zoe@{peer}"), &[&format!("wv:ada@{domain}")], "x", false);
    assert_eq!(east.ask(&session, "t1", &message).await.code(), 531);
    node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_hangs_up_half_way_leaves_no_trace() {
    let (_world, north, node, east) = stage("north.half.example", "east.half.example").await;
    let session = east.log_in(1).await;
    let mut ada = north.phone("ada", modern()).await;
    let ada_id = ada.user().to_string();
    let body = in_session(
        &session.ours,
        &[request("t1", &east.message("m1", "wv:zoe@east.half.example", &[&ada_id], "whole", false))],
    );
    // When the body breaks off and the peer closes its half of the connection
    let cut = format!(
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: {MEDIA_TYPE}\r\nContent-Length: {}\r\n\r\n{}",
        body.len() + 10,
        body
    );
    let answer = east.raw_and_close(cut.as_bytes()).await;
    // Then nothing of it counts, though the document in it was complete
    assert!(answer.is_none_or(|answer| answer.status == 400), "a body that broke off is not taken");
    assert!(!east.has_more().await);
    assert_eq!(ada.take().await.unwrap(), None);
    // And its repetition does
    east.say(&body).await;
    assert_eq!(east.next().await.code(), 200);
    assert_eq!(text(&receive(&mut ada).await), "whole");
    node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn set_ups_are_counted_and_six_a_minute_are_enough() {
    let (_world, north, node, east) = stage("north.six.example", "east.six.example").await;
    for number in 1..=6 {
        east.log_in(number).await;
    }
    let answer = east.post(&east.token("Request", "x7")).await;
    assert_eq!(answer.status, 429);
    let wait: u32 = answer.header("Retry-After").unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    assert_eq!(refused(&north, "east.six.example", "rate").await, 1.0);
    node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_logs_out_and_its_session_is_dead() {
    let (_world, _north, node, east) = stage("north.bye.example", "east.bye.example").await;
    let session: Session = east.log_in(1).await;
    let bye = "<LogoutRequest><MetaInfo clientOriginated=\"No\"><Requestor serviceID=\"wv:@east.bye.example\"/></MetaInfo></LogoutRequest>";
    let answer = east.ask(&session, "t1", bye).await;
    assert_eq!(answer.code(), 200);
    let Carried::Primitive(primitive) = &answer.transaction().content else { panic!("{}", answer.text) };
    assert!(matches!(&**primitive, Primitive::Status(status) if status.code == Code::SUCCESSFUL));
    let late = in_session(&session.ours, &[request("t2", bye)]);
    assert_eq!(east.post(&late).await.status, 403);
    // A refusal of a set-up that nobody opened changes nothing
    let refusal = set_up("Response", "unknown", "<Status code=\"403\"/>");
    assert_eq!(east.post(&refusal).await.status, 403);
    east.log_in(2).await;
    node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_peer_writes_cannot_forge_lines_of_the_log() {
    log::keep();
    let (_world, north, node, east) = stage("north.forge.example", "east.forge.example").await;
    let session = east.log_in(1).await;
    let good = east.message("m1", "wv:zoe@east.forge.example", &["wv:ada@north.forge.example"], "x", false);
    let forged = "1&#10;2026-01-01T00:00:00Z ERROR forged-by-east&#13;&#155;31m";
    let forgeries = [
        good.replace("contentSize=\"1\"", &format!("validity=\"{forged}\"")),
        good.replace("wv:ada@", &format!("wv:{forged}@")),
        good.replace("messageID=\"m1\"", &format!("messageID=\"{forged}\"")),
        good.replace("wv:@east.forge.example", &format!("wv:@{forged}")),
        good.replace("encoding=\"base64\"", &format!("encoding=\"{forged}\"")),
        format!("<Disconnect><Status code=\"{forged}\"/></Disconnect>"),
    ];
    let mut said = String::new();
    for (number, forgery) in forgeries.iter().enumerate() {
        said += &request(&format!("t{number}"), forgery);
    }
    east.say(&in_session(&session.ours, &[said])).await;
    let refusal = set_up(
        "Request",
        "x9",
        &format!(
            "<LoginResponse><Status code=\"302\"><StatusDescription>{forged}</StatusDescription></Status></LoginResponse>"
        ),
    );
    east.post(&refusal).await;
    east.post(&refusal.replace("x9", forged)).await;
    east.post(&format!("<WV-SSP-Message><{}/></WV-SSP-Message>", "Foo&#10;forged-by-east")).await;
    assert!(refused(&north, "east.forge.example", "faulty").await >= 1.0);
    let lines = log::lines_with(&["east.forge.example"]);
    assert!(lines.iter().any(|line| line.contains("cannot be read")), "{lines:?}");
    for line in lines {
        assert!(!line.contains("forged-by-east"), "what is wrong is not quoted: {line}");
        assert!(!line.chars().any(char::is_control), "{line:?}");
    }
    node.drain().await;
}
