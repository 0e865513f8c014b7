//! Users and domains of others that an operator keeps out.

use causeway::cli::laboratory::Writing;
use causeway::imps::primitive::Recipient;
use causeway::imps::{Code, Primitive, UserId};
use serde_json::Value;

use super::groups::{self, create, group, join, notice, say};
use super::operators::{done, json, refused};
use super::presence::{self, SEEN, hears, open_to_all, publish, says, subscribe};
use crate::csp::{ask, send};
use crate::process::Process;
use crate::world::{Place, World, modern, receive, text, until};

const NORTH: &str = "north.example";
const SOUTH: &str = "south.example";
const ADA: &str = "wv:ada@north.example";
const BO: &str = "wv:bo@south.example";
const MALLORY: &str = "wv:mallory@south.example";

fn id(text: &str) -> UserId {
    text.parse().unwrap()
}

fn place(world: &World, domain: &str, peer: &str) -> Place {
    let agreement = "services = [\"im\", \"presence\", \"group\", \"search\"]\n";
    world.place_with(domain, &Writing { peers: &[peer], agreement, ..Writing::default() })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_who_is_blocked_is_neither_heard_nor_reached_and_others_of_its_domain_are() {
    // Given somebody of the south who watches a user of the north and is in a group there, and somebody who does too
    let world = World::new().await;
    let (north, south) = (place(&world, NORTH, SOUTH), place(&world, SOUTH, NORTH));
    let (north_node, south_node) = (world.start(&north).await, world.start(&south).await);
    let mut ada = north.phone("ada", modern()).await;
    let mut bo = south.phone("bo", modern()).await;
    let mut mallory = south.phone("mallory", modern()).await;
    open_to_all(&mut ada, SEEN).await;
    publish(&mut ada, "before").await;
    for phone in [&mut bo, &mut mallory] {
        assert_eq!(subscribe(phone, &[ADA]).await.code, Code::SUCCESSFUL);
        hears(phone, "before").await;
    }
    let club = group("wv:/club@north.example");
    assert_eq!(groups::code(&create(&mut ada, &club, "Skipper", &[]).await), 200);
    join(&mut bo, &club, "Bosun").await;
    assert_eq!(notice(&mut ada).await.moves.joined.len(), 1);
    join(&mut mallory, &club, "Pirate").await;
    assert_eq!(notice(&mut ada).await.moves.joined.len(), 1);
    assert_eq!(notice(&mut bo).await.moves.joined.len(), 1);
    // When an operator of the north blocks one of them
    let said = done(&north, &["block", "add", "Mallory@South.Example", "--reason", "sells watches"]).await;
    assert!(said.contains("wv:Mallory@south.example") && said.contains("sells watches"), "{said}");
    // Then what it says is refused, to a user and to the group
    let answer = mallory.send(&[id(ADA)], "buy a watch", false).await.unwrap();
    assert_eq!(answer.result.code, Code::FORBIDDEN);
    let answer = say(&mut mallory, Recipient::Group(club.clone()), "buy a watch").await;
    assert_eq!(answer.result.code, Code::FORBIDDEN);
    let blocked = "causeway_ssp_refused_total{peer=\"south.example\",reason=\"blocked\"}";
    assert!(north.metric(blocked).await > 1.0);
    // And nobody reaches it: the other recipient of the same message is served
    let answer = ada.send(&[id(MALLORY), id(BO)], "for both", false).await.unwrap();
    assert_eq!(answer.result.code, Code::PARTIALLY_SUCCESSFUL);
    let failed: Vec<_> = answer.result.details.iter().filter(|detail| !detail.code.is_success()).collect();
    assert_eq!((failed.len(), failed[0].code), (1, Code::DOMAIN_NOT_SUPPORTED));
    assert_eq!(text(&receive(&mut bo).await), "for both");
    assert_eq!(subscribe(&mut ada, &[MALLORY]).await.code, Code::DOMAIN_NOT_SUPPORTED);
    // And it hears nothing more of whom it watched, nor of the group, out of which it is
    publish(&mut ada, "after").await;
    hears(&mut bo, "after").await;
    let answer = say(&mut bo, Recipient::Group(club.clone()), "where is the pirate?").await;
    assert_eq!(answer.result.code, Code::SUCCESSFUL);
    assert_eq!(notice(&mut ada).await.moves.left.len(), 1);
    assert_eq!(groups::words(&groups::message(&mut ada).await), "where is the pirate?");
    assert_eq!(notice(&mut bo).await.moves.left.len(), 1);
    presence::nothing_waits(&mut mallory).await;
    assert_eq!(subscribe(&mut mallory, &[ADA]).await.code, Code::FORBIDDEN);
    // When the block is removed, it is somebody as before, who has to ask anew
    done(&north, &["block", "remove", MALLORY]).await;
    send(&mut mallory, &[ADA], "I am sorry", false).await;
    assert_eq!(text(&receive(&mut ada).await), "I am sorry");
    assert_eq!(subscribe(&mut mallory, &[ADA]).await.code, Code::SUCCESSFUL);
    hears(&mut mallory, "after").await;
    north_node.drain().await;
    south_node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_domain_that_is_blocked_is_as_if_closed_until_the_block_is_over() {
    // Given a message that waits for the south
    let world = World::new().await;
    let (north, south) = (place(&world, NORTH, SOUTH), place(&world, SOUTH, NORTH));
    let (north_node, south_node) = (world.start(&north).await, world.start(&south).await);
    let mut ada = north.phone("ada", modern()).await;
    let mut bo = south.phone("bo", modern()).await;
    send(&mut ada, &[BO], "before", false).await;
    assert_eq!(text(&receive(&mut bo).await), "before");
    done(&north, &["peer", "suspend", SOUTH]).await;
    north.link_is(SOUTH, false).await;
    send(&mut ada, &[BO], "waits", false).await;
    // When its domain is blocked
    done(&north, &["block", "add", SOUTH, "--reason", "under attack", "--for", "30d"]).await;
    // Then the author hears that it does not arrive, and that nothing more does
    let Primitive::DeliveryReport(report) = receive(&mut ada).await else { panic!("no report") };
    assert_eq!(report.result.code, Code::DOMAIN_NOT_SUPPORTED);
    let answer = ada.send(&[id(BO)], "hello?", false).await.unwrap();
    assert_eq!(answer.result.code, Code::DOMAIN_NOT_SUPPORTED);
    // And operators see why
    let shown = json(&north, &["peer", "show", SOUTH]).await;
    assert_eq!((&shown["state"], &shown["by"]), (&Value::from("closed"), &Value::from("block")));
    assert_eq!(shown["block"]["reason"], "under attack");
    assert!(refused(&north, &["peer", "retry", SOUTH]).await.contains("causeway block remove"));
    // When it is blocked for a short time instead, and is resumed
    done(&north, &["peer", "resume", SOUTH]).await;
    done(&north, &["block", "add", SOUTH, "--reason", "one more second", "--for", "1s"]).await;
    // Then that ends by itself, and is on record
    until("the block is over", async || {
        let blocks = json(&north, &["block", "list"]).await;
        (blocks.as_array().unwrap().is_empty()).then_some(())
    })
    .await;
    send(&mut ada, &[BO], "back again", false).await;
    assert_eq!(text(&receive(&mut bo).await), "back again");
    let record = std::fs::read_to_string(north.provider.folder.join("data/audit.jsonl")).unwrap();
    for (act, on) in [("block add", "under attack"), ("block over", SOUTH), ("block list", "")] {
        assert!(record.lines().any(|line| line.contains(act) && line.contains(on)), "{act}: {record}");
    }
    assert!(refused(&north, &["block", "remove", SOUTH]).await.contains("causeway block list"));
    // And our own are not blocked but barred
    assert!(refused(&north, &["block", "add", ADA, "--reason", "x"]).await.contains("status=barred"));
    assert!(refused(&north, &["block", "add", NORTH, "--reason", "x"]).await.contains("[node] domains"));
    north_node.drain().await;
    south_node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn blocks_survive_a_kill() {
    let world = World::new().await;
    let (north, south) = (place(&world, NORTH, SOUTH), place(&world, SOUTH, NORTH));
    let mut process = Process::start(&north).await;
    let south_node = world.start(&south).await;
    done(&north, &["block", "add", MALLORY, "--reason", "sells watches"]).await;
    process.kill();
    drop(process);
    let _process = Process::start(&north).await;
    let listed = json(&north, &["block", "list"]).await;
    assert_eq!(listed[0]["subject"], MALLORY);
    assert_eq!(listed[0]["until"], Value::Null);
    let mut mallory = south.phone("mallory", modern()).await;
    north.phone("ada", modern()).await;
    let answer = mallory.send(&[id(ADA)], "buy a watch", false).await.unwrap();
    assert_eq!(answer.result.code, Code::FORBIDDEN);
    let refused = ask(&mut mallory, says("still here")).await;
    assert_eq!(groups::code(&refused), 200, "its own provider serves it");
    south_node.drain().await;
}
