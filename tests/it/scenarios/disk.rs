//! A disk in trouble under a running node, with traffic of its own users and of a peer: what was accepted is
//! kept, what cannot be kept is refused so that its author tries again, operators see it, and the node goes on by
//! itself when the disk does.

use std::time::{Duration, Instant};

use causeway::cli::laboratory::Writing;
use causeway::cli::phone::Phone;
use causeway::imps::{Code, UserId};
use causeway::node::Node;
use causeway::store::sqlite::{Ailment, Trouble};

use crate::world::{Place, World, modern, receive, text, until};

const NORTH: &str = "north.example";
const SOUTH: &str = "south.example";
/// Messages before, during and after the trouble.
const EACH: usize = 12;
/// Octets of each: what is left of a page is soon used up.
const OCTETS: usize = 20_000;
/// What is written last.
const LAST: &str = "the last";

struct Stage {
    world: World,
    north: Place,
    south: Place,
    trouble: Trouble,
    _nodes: (Node, Node),
}

/// Two providers; the disk of the first can be made bad.
async fn stage() -> Stage {
    let world = World::new().await;
    // The peer of a node in trouble holds its users no longer than needed.
    let sections = "[limits]\nhold-message-seconds = 1\n";
    let place =
        |domain, peer| world.place_with(domain, &Writing { peers: &[peer], sections, ..Writing::default() });
    let (north, south) = (place(NORTH, SOUTH), place(SOUTH, NORTH));
    let trouble = Trouble::default();
    let nodes = (world.start_over(&north, trouble.clone()).await, world.start(&south).await);
    Stage { world, north, south, trouble, _nodes: nodes }
}

fn words(author: &str, number: usize) -> String {
    let head = format!("{author} {number} ");
    format!("{head}{}", "x".repeat(OCTETS - head.len()))
}

async fn send(phone: &mut Phone, to: &UserId, words: &str) -> Code {
    phone.send(std::slice::from_ref(to), words, false).await.unwrap().result.code
}

/// Everything up to the last message.
async fn heard(phone: &mut Phone) -> Vec<String> {
    let mut heard = Vec::new();
    loop {
        let found = receive(phone).await;
        match text(&found) {
            LAST => return heard,
            other => heard.push(other.to_owned()),
        }
    }
}

async fn failures(place: &Place) -> f64 {
    place.metric("causeway_store_commits_failed_total").await
}

async fn is_ready(place: &Place) {
    until("the node is ready again", async || (place.admin("/readyz").await.0 == 200).then_some(())).await;
}

/// The play of every disk that takes nothing.
async fn a_disk_takes_nothing_for_a_while(ailment: Ailment) {
    // Given a node with users of its own, and a peer
    let stage = stage().await;
    let (north, south) = (&stage.north, &stage.south);
    let (mut ada, mut cy) = (north.phone("ada", modern()).await, north.phone("cy", modern()).await);
    let mut bo = south.phone("bo", modern()).await;
    let (adas, cys, bos) = (north.user("ada"), north.user("cy"), south.user("bo"));
    assert_eq!(failures(north).await, 0.0);
    // When its disk takes nothing for a while, and its users and those of the peer go on writing
    let (mut accepted, mut refused) = (Vec::new(), Vec::new());
    for number in 0..EACH {
        let words = words("ada", number);
        assert_eq!(send(&mut ada, &cys, &words).await, Code::SUCCESSFUL);
        accepted.push(words);
    }
    assert_eq!(send(&mut bo, &adas, &words("bo", 0)).await, Code::SUCCESSFUL);
    stage.trouble.set(Some(ailment));
    for number in EACH..2 * EACH {
        let words = words("ada", number);
        // Then they hear that it was not accepted, and may be tried again
        match send(&mut ada, &cys, &words).await {
            Code::SUCCESSFUL => accepted.push(words),
            Code::SERVICE_UNAVAILABLE => refused.push(words),
            other => panic!("{other:?}"),
        }
    }
    assert!(refused.len() > EACH / 2, "{} of {EACH}", refused.len());
    // And those of the peer that theirs is accepted, by their own provider
    for number in 1..3 {
        assert_eq!(send(&mut bo, &adas, &words("bo", number)).await, Code::SUCCESSFUL);
    }
    // And operators see it, as long as it lasts
    assert_eq!(north.admin("/readyz").await, (503, "store\n".to_owned()));
    assert_eq!(north.admin("/healthz").await.0, 200);
    assert!(failures(north).await >= 1.0);
    assert_eq!(south.admin("/readyz").await.0, 200);
    // When the disk is well again, then the node finds that by itself
    stage.trouble.set(None);
    is_ready(north).await;
    for words in refused.drain(..) {
        assert_eq!(send(&mut ada, &cys, &words).await, Code::SUCCESSFUL);
        accepted.push(words);
    }
    // And everything that was accepted is there, once and in order, whoever has sent it
    assert_eq!(send(&mut ada, &cys, LAST).await, Code::SUCCESSFUL);
    assert_eq!(heard(&mut cy).await, accepted);
    assert_eq!(send(&mut ada, &bos, "are you there?").await, Code::SUCCESSFUL);
    assert_eq!(text(&receive(&mut bo).await), "are you there?");
    assert_eq!(send(&mut bo, &adas, LAST).await, Code::SUCCESSFUL);
    assert_eq!(heard(&mut ada).await, (0..3).map(|number| words("bo", number)).collect::<Vec<_>>());
    // And the failures have ended
    let before = failures(north).await;
    assert_eq!(send(&mut ada, &cys, LAST).await, Code::SUCCESSFUL);
    assert_eq!(failures(north).await, before);
    drop(stage.world);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_fails_on_every_commit_for_a_while_loses_nothing() {
    a_disk_takes_nothing_for_a_while(Ailment::Fails).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_whose_disk_is_full_refuses_for_now_and_goes_on_when_there_is_room() {
    a_disk_takes_nothing_for_a_while(Ailment::Full).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_whose_disk_is_read_only_refuses_for_now_and_goes_on_when_it_is_not() {
    a_disk_takes_nothing_for_a_while(Ailment::ReadOnly).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_slow_disk_those_who_wait_share_commits_and_everything_arrives() {
    const PHONES: usize = 16;
    const COMMIT: Duration = Duration::from_millis(300);
    // Given many users of a node, and one of a peer
    let stage = stage().await;
    let cys = stage.north.user("cy");
    let mut cy = stage.north.phone("cy", modern()).await;
    let mut bo = stage.south.phone("bo", modern()).await;
    let mut phones = Vec::new();
    for number in 0..PHONES {
        phones.push(stage.north.phone(&format!("ada{number}"), modern()).await);
    }
    // When every commit takes long and all write at once
    stage.trouble.set(Some(Ailment::Slow(COMMIT)));
    let begin = Instant::now();
    let writers = phones.into_iter().enumerate().map(|(number, mut phone)| {
        let to = cys.clone();
        tokio::spawn(async move { send(&mut phone, &to, &words("ada", number)).await })
    });
    let writers: Vec<_> = writers.collect();
    assert_eq!(send(&mut bo, &cys, &words("bo", 0)).await, Code::SUCCESSFUL);
    for writer in writers {
        assert_eq!(writer.await.unwrap(), Code::SUCCESSFUL);
    }
    // Then they do not wait for each other, and that is no trouble to be told
    let took = begin.elapsed();
    assert!(took < COMMIT * u32::try_from(PHONES).unwrap() / 2, "it took {took:?}");
    assert_eq!(stage.north.admin("/readyz").await.0, 200);
    assert_eq!(failures(&stage.north).await, 0.0);
    // And everything arrives, once
    stage.trouble.set(None);
    let outbox = format!("causeway_outbox_messages{{peer=\"{NORTH}\"}}");
    until("the outbox is empty", async || (stage.south.metric(&outbox).await == 0.0).then_some(())).await;
    let mut ada = stage.north.phone("ada", modern()).await;
    assert_eq!(send(&mut ada, &cys, LAST).await, Code::SUCCESSFUL);
    let mut found = heard(&mut cy).await;
    found.sort_unstable();
    let mut wanted: Vec<_> = (0..PHONES).map(|number| words("ada", number)).collect();
    wanted.push(words("bo", 0));
    wanted.sort_unstable();
    assert_eq!(found, wanted);
}
