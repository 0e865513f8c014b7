//! The order in which a POST of a peer is checked (reference ssp-behaviour §1), and what a peer may have in work.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use causeway::imps::{Code, UserId};
use causeway::store::sqlite::DATABASE;
use tokio::task::JoinSet;

use super::refusals::{assert_logged, refused, stage, stage_with};
use super::weather::{answer, message};
use crate::log;
use crate::peer::{MEDIA_TYPE, ScriptedPeer, exchange, in_session, request, response};
use crate::world::{World, modern, receive, text, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn checks_come_in_the_order_of_the_table() {
    let domain = "north.order.example";
    let (_world, north, node, east) =
        stage_with(domain, "east.order.example", "max-document-bytes = 65536\nservices = [\"im\"]").await;
    let session = east.log_in(1).await;
    // Each of these is wrong in every later way too: method, media type, size, XML, envelope, session
    let post = |method: &str, media_type: &str, body: &str| {
        let length = body.len();
        format!(
            "{method} / HTTP/1.1\r\nHost: {domain}\r\nContent-Type: {media_type}\r\nContent-Length: {length}\r\n\r\n{body}"
        )
    };
    let large = "<".repeat(65_537);
    let cases = [
        (post("PUT", "text/plain", &large), 405),
        (post("POST", "text/plain", &large), 415),
        (post("POST", MEDIA_TYPE, &large), 413),
        (post("POST", MEDIA_TYPE, "<Session sessionID=\"Sc9@bank.example\"><"), 400),
        (post("POST", MEDIA_TYPE, "<Session sessionID=\"Sc9@bank.example\"/>"), 400),
        (post("POST", MEDIA_TYPE, &in_session("Sc9@bank.example", &[request("t", "<NoSuchRequest/>")])), 403),
    ];
    for (octets, status) in &cases {
        assert_eq!(east.raw(octets.as_bytes()).await.unwrap().status, *status, "{status}");
    }
    // The path counts for nothing, nor do case and parameters of the media type
    let nothing = in_session(&session.ours, &[response("nobody-asked", "<Status code=\"200\"/>")]);
    let elsewhere = post("POST", "Application/VND.wv.ssp+XML; charset=utf-8", &nothing).replacen(
        "POST / ",
        "POST /ssp/here?x=1 ",
        1,
    );
    let taken = east.raw(elsewhere.as_bytes()).await.unwrap();
    assert_eq!((taken.status, taken.body.len()), (200, 0));
    // From here on HTTP says 200 and the protocol says what is wrong. Each of these comes in the name of
    // somebody else, and cannot be read
    let forged = "<MetaInfo clientOriginated=\"Yes\"><Requestor serviceID=\"wv:@bank.order.example\">\
                  <User userID=\"wv:eve@bank.order.example\"/></Requestor></MetaInfo>";
    let honest = forged.replace("bank", "east");
    let cases = [
        (format!("<NoSuchRequest>{forged}</NoSuchRequest>"), 405, "unknown-primitive"),
        (format!("<SubscribeRequest>{forged}<User/></SubscribeRequest>"), 506, "not-agreed"),
        (format!("<CreateListRequest>{forged}<ContactList/></CreateListRequest>"), 506, "not-agreed"),
        (format!("<SendMessageRequest>{forged}</SendMessageRequest>"), 901, "identity"),
        (format!("<SendMessageRequest>{honest}</SendMessageRequest>"), 400, "faulty"),
    ];
    for (number, (primitive, code, reason)) in cases.iter().enumerate() {
        let before = refused(&north, "east.order.example", reason).await;
        let answer = east.ask(&session, &format!("t{number}"), primitive).await;
        assert_eq!(answer.code(), *code, "{primitive}");
        assert_eq!(refused(&north, "east.order.example", reason).await, before + 1.0, "{primitive}");
    }
    // An id that was used before is looked at before any of that
    assert_eq!(east.ask(&session, "t4", "<NoSuchRequest/>").await.code(), 420);
    node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_has_fifty_posts_in_work_and_is_put_off_with_more() {
    log::keep();
    let (_world, north, node, east) = stage("north.work.example", "east.work.example").await;
    let session = east.log_in(1).await;
    let mut ada = north.phone("ada", modern()).await;
    let mut open = Vec::new();
    for _ in 0..60 {
        open.push(east.connect().await);
    }
    // Given a disk that somebody else keeps busy, so that nothing can be stored for a moment
    let database = north.provider.folder.join("data").join(DATABASE);
    let (busy, is_busy) = mpsc::channel();
    let (let_go, told) = mpsc::channel::<()>();
    let holder = thread::spawn(move || {
        let disk = rusqlite::Connection::open(database).unwrap();
        disk.busy_timeout(Duration::from_secs(10)).unwrap();
        disk.execute_batch("BEGIN IMMEDIATE").unwrap();
        busy.send(()).unwrap();
        told.recv().unwrap();
        disk.execute_batch("ROLLBACK").unwrap();
    });
    is_busy.recv().unwrap();
    // When sixty messages come at once, each with a POST of its own
    let mut posts = JoinSet::new();
    for (number, stream) in open.into_iter().enumerate() {
        let words = east.message(
            &format!("m{number}"),
            "wv:zoe@east.work.example",
            &["wv:ada@north.work.example"],
            "hello",
            false,
        );
        let body = in_session(&session.ours, &[request(&format!("t{number}"), &words)]);
        let octets = format!(
            "POST / HTTP/1.1\r\nHost: north.work.example\r\nContent-Type: {MEDIA_TYPE}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        posts.spawn(async move { exchange(stream, octets.as_bytes()).await.expect("an HTTP answer") });
    }
    // Then ten are put off at once, over connections that live on
    for _ in 0..10 {
        let put_off = posts.join_next().await.unwrap().unwrap();
        assert_eq!((put_off.status, put_off.header("Retry-After")), (503, Some("1")));
        assert_ne!(put_off.header("Connection"), Some("close"));
    }
    assert_eq!(refused(&north, "east.work.example", "overloaded").await, 10.0);
    assert_logged(&["WARN", "east.work.example", "too many of its POSTs are in work"]);
    // And the fifty are carried out as soon as that is possible
    let_go.send(()).unwrap();
    while let Some(done) = posts.join_next().await {
        assert_eq!(done.unwrap().status, 200);
    }
    for _ in 0..50 {
        assert_eq!(text(&receive(&mut ada).await), "hello");
    }
    assert_eq!(ada.take().await.unwrap(), None);
    holder.join().unwrap();
    node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_in_the_place_of_another_peer_is_dropped_and_told() {
    log::keep();
    let world = World::new().await;
    let north = world.place("north.place.example", &["east.place.example", "eve.place.example"]);
    let east = ScriptedPeer::start(&world, &north, "east.place.example").await;
    let eve = ScriptedPeer::start(&world, &north, "eve.place.example").await;
    let node = world.start(&north).await;
    let (at_east, at_eve) = (east.log_in(1).await, eve.log_in(1).await);
    let mut ada = north.phone("ada", modern()).await;
    let to: [UserId; 1] = ["wv:zoe@east.place.example".parse().unwrap()];
    let play = async {
        let (transaction, _, _) = message(&east.next().await);
        // When another peer says that all is well, before the one that was asked
        answer(&eve, &at_eve, &transaction, 200).await;
        answer(&eve, &at_eve, "never-asked", 200).await;
        until("it is counted", async || {
            (refused(&north, "eve.place.example", "identity").await > 0.0).then_some(())
        })
        .await;
        answer(&east, &at_east, &transaction, 531).await;
    };
    // Then only the one that was asked is believed, and the operator hears of the other
    let (answered, ()) = tokio::join!(ada.send(&to, "hello", false), play);
    let code = answered.map_or_else(|error| error.code().unwrap(), |answered| answered.result.code);
    assert_eq!(code, Code::UNKNOWN_USER);
    assert_eq!(refused(&north, "eve.place.example", "identity").await, 1.0);
    assert_logged(&["WARN", "eve.place.example", "which east.place.example was asked"]);
    node.drain().await;
}
