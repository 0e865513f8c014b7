//! Cut-through: what goes to a peer that answers at once is not written first, and nobody is promised anything
//! before either the peer has it or our disk.

use std::time::{Duration, Instant};

use causeway::cli::laboratory::Writing;
use causeway::imps::{Code, UserId};

use crate::csp::send;
use crate::peer::{Reply, ScriptedPeer, in_session, request, response, sent};
use crate::world::{Place, World, modern, receive, text, until};

/// How often something left before it was written, and what became of it.
async fn through(place: &Place, peer: &str, outcome: &str) -> u64 {
    let name = format!("causeway_cut_through_total{{outcome=\"{outcome}\",peer=\"{peer}\"}}");
    let found = place.metric(&name).await;
    (0..1000_u32).find(|count| (f64::from(*count) - found).abs() < f64::EPSILON).unwrap().into()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_to_a_peer_that_answers_at_once_is_never_written() {
    let world = World::new().await;
    let writing = |peer: &'static [&'static str]| Writing {
        peers: peer,
        sections: "[limits]\nhold-message-seconds = 20\ncut-through-milliseconds = 10000",
        ..Writing::default()
    };
    let north = world.place_with("north.through.example", &writing(&["south.through.example"]));
    let south = world.place_with("south.through.example", &writing(&["north.through.example"]));
    let (north_node, south_node) = (world.start(&north).await, world.start(&south).await);
    let mut ada = north.phone("ada", modern()).await;
    let mut bo = south.phone("bo", modern()).await;
    // Given a link that works
    send(&mut ada, &["wv:bo@south.through.example"], "first", false).await;
    assert_eq!(text(&receive(&mut bo).await), "first");
    // When messages go over it
    for number in 0..5 {
        send(&mut ada, &["wv:bo@south.through.example"], &format!("number {number}"), false).await;
    }
    let nobody: [UserId; 1] = ["wv:nobody@south.through.example".parse().unwrap()];
    let refused = ada.send(&nobody, "who are you?", false).await.unwrap();
    // Then they arrive in their order, the peer's no is the author's answer, and the disk has seen none of them
    for number in 0..5 {
        assert_eq!(text(&receive(&mut bo).await), format!("number {number}"));
    }
    assert_eq!(refused.result.code, Code::UNKNOWN_USER);
    assert_eq!(through(&north, "south.through.example", "answered").await, 6);
    assert_eq!(through(&north, "south.through.example", "written").await, 0);
    // But what asks for reports is written, with what is expected
    send(&mut ada, &["wv:bo@south.through.example"], "tell me", true).await;
    assert_eq!(text(&receive(&mut bo).await), "tell me");
    assert_eq!(through(&north, "south.through.example", "answered").await, 6);
    north_node.drain().await;
    south_node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_to_a_late_peer_is_on_disk_before_its_author_hears_that_it_is_queued() {
    let world = World::new().await;
    let sections = "[limits]\nhold-message-seconds = 1\ncut-through-milliseconds = 100";
    let writing = Writing { peers: &["east.late.example"], sections, ..Writing::default() };
    let north = world.place_with("north.late.example", &writing);
    let east = ScriptedPeer::start(&world, &north, "east.late.example").await;
    let node = world.start(&north).await;
    let session = east.log_in(1).await;
    let mut ada = north.phone("ada", modern()).await;
    let zoe: [UserId; 1] = ["wv:zoe@east.late.example".parse().unwrap()];
    // Given a peer that has answered once
    let first = async {
        let heard = east.next().await;
        let answer = response(heard.transaction().id.as_str(), &sent(200));
        east.say(&in_session(&session.ours, &[answer])).await;
    };
    let (answered, ()) = tokio::join!(ada.send(&zoe, "first", false), first);
    assert_eq!(answered.unwrap().result.code, Code::SUCCESSFUL);
    // When it takes the next and says nothing
    let (answered, heard) = tokio::join!(ada.send(&zoe, "second", false), east.next());
    let answered = answered.unwrap();
    assert!(answered.result.code.is_success(), "{:?}", answered.result);
    assert_eq!(through(&north, "east.late.example", "written").await, 1);
    // Then a node that starts anew says it again, under the same ids
    node.drain().await;
    let node = world.start(&north).await;
    let again = until("the message comes again", async || {
        let again = east.next().await;
        again.text.contains("second").then_some(again)
    })
    .await;
    assert_eq!(again.transaction().id, heard.transaction().id);
    assert!(again.text.contains(answered.message_id.unwrap().as_str()));
    node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hub_has_taken_what_the_next_hop_has_answered_or_its_disk_has() {
    let world = World::new().await;
    let hub = world.place_with(
        "hub.example",
        &Writing { sections: "[limits]\ncut-through-milliseconds = 1500", ..Writing::default() },
    );
    let entries = ["south.example", "east.example"]
        .map(|domain| format!("[[peer]]\ndomain = \"{domain}\"\nservices = [\"im\"]\n"))
        .concat();
    let transit = "[[transit]]\nfrom = \"south.example\"\nto = \"east.example\"\nvia = \"east.example\"\n";
    std::fs::write(hub.provider.folder.join("peers.toml"), format!("{entries}{transit}")).unwrap();
    let south = ScriptedPeer::start(&world, &hub, "south.example").await;
    let east = ScriptedPeer::start(&world, &hub, "east.example").await;
    let node = world.start(&hub).await;
    let (in_south, in_east) = (south.log_in(1).await, east.log_in(1).await);
    let message = |number: u32| {
        let id = format!("m-{number}@south.example");
        let message = south.message(&id, "wv:bo@south.example", &["wv:eve@east.example"], "through", false);
        in_session(&in_south.ours, &[request(&format!("s-{number}"), &message)])
    };
    // Given a link to the next hop that works
    south.say(&message(1)).await;
    let heard = east.next().await;
    let code = |heard: &crate::peer::Heard, code| {
        in_session(&in_east.ours, &[response(heard.transaction().id.as_str(), &sent(code))])
    };
    east.say(&code(&heard, 200)).await;
    assert_eq!(south.next().await.code(), 200);
    // When a message passes, the one who brought it hears nothing before the next hop has answered
    let posted = message(2);
    let mut posting = std::pin::pin!(south.post(&posted));
    let heard = tokio::select! {
        answer = posting.as_mut() => panic!("taken by nobody, and answered {}", answer.status),
        heard = east.next() => heard,
    };
    let early = tokio::time::timeout(Duration::from_millis(150), posting.as_mut()).await;
    assert!(early.is_err(), "the next hop has said nothing yet");
    let (answer, ()) = tokio::join!(posting, async { east.say(&code(&heard, 200)).await });
    assert_eq!((answer.status, south.next().await.code()), (200, 200));
    assert_eq!(through(&hub, "east.example", "answered").await, 1);
    // When the next hop is silent, it hears when the message is on disk
    east.usually(Reply::Status(200));
    let begin = Instant::now();
    assert_eq!(south.post(&message(3)).await.status, 200);
    assert!(begin.elapsed() > Duration::from_millis(1400), "{:?}", begin.elapsed());
    let heard = east.next().await;
    assert_eq!(through(&hub, "east.example", "written").await, 1);
    // Then the message survives the hub, under its ids
    node.drain().await;
    let node = world.start(&hub).await;
    let again = until("the message passes again", async || {
        let again = east.next().await;
        again.text.contains("m-3@south.example").then_some(again)
    })
    .await;
    assert_eq!(again.transaction().id, heard.transaction().id);
    node.drain().await;
}
