//! Several Transactions in one message, both ways (reference ssp-behaviour §1: executed in document
//! order, answered together).

use causeway::cli::laboratory::Writing;
use causeway::imps::Primitive;
use causeway::node::Node;
use causeway::wire::{Carried, Mode};

use crate::peer::{Heard, Reply, ScriptedPeer, in_session, request, response, sent};
use crate::world::{Place, World, modern, receive, text, until};

/// A client's message is answered at once; the rest comes by reports.
const NO_HOLD: &str = "[limits]\nhold-message-seconds = 0\n";

async fn stage(domain: &str, peer: &str, agreement: &str) -> (World, Place, Node, ScriptedPeer) {
    let world = World::new().await;
    let writing = Writing { peers: &[peer], agreement, sections: NO_HOLD, ..Writing::default() };
    let place = world.place_with(domain, &writing);
    let peer = ScriptedPeer::start(&world, &place, peer).await;
    let node = world.start(&place).await;
    (world, place, node, peer)
}

/// The messages of a POST: transaction and words of each.
fn messages(heard: &Heard) -> Vec<(String, String)> {
    let requests = heard.session().transactions.iter().filter(|found| found.mode == Mode::Request);
    requests
        .map(|transaction| {
            let Carried::Primitive(primitive) = &transaction.content else { panic!("{}", heard.text) };
            let Primitive::SendMessageRequest(message) = &**primitive else { panic!("{}", heard.text) };
            let words = std::str::from_utf8(message.content.as_ref().unwrap().octets()).unwrap();
            (transaction.id.to_string(), words.to_owned())
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_for_a_busy_peer_leaves_together_and_never_more_than_agreed() {
    let (_world, north, node, east) =
        stage("north.batch.example", "east.batch.example", "max-transactions-per-post = 5").await;
    let session = east.log_in(1).await;
    let mut ada = north.phone("ada", modern()).await;
    // Given a peer that is slow to say 200, and thirty messages to thirty people
    east.usually(Reply::Held);
    for number in 0..30 {
        let to = format!("wv:user{number}@east.batch.example").parse().unwrap();
        ada.send(&[to], &format!("words {number}"), false).await.unwrap();
    }
    let (mut heard, mut posts) = (Vec::new(), Vec::new());
    while heard.len() < 30 {
        let post = messages(&east.next().await);
        east.release(1);
        posts.push(post.len());
        let answers: Vec<_> = post.iter().map(|(id, _)| response(id, &sent(200))).collect();
        heard.extend(post.into_iter().map(|(_, words)| words));
        // Answers to several requests may come together, too
        east.say(&in_session(&session.ours, &answers)).await;
    }
    // Then what had to wait came five at a time, each message once
    assert!(posts.iter().all(|messages| *messages <= 5), "{posts:?}");
    assert!(posts.contains(&5) && posts.len() < 20, "{posts:?}");
    heard.sort();
    heard.dedup();
    assert_eq!(heard.len(), 30);
    until("all are answered", || async {
        east.release(1);
        (east.open().0 == 0).then_some(())
    })
    .await;
    node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_with_an_agreement_for_one_transaction_gets_one() {
    let (_world, north, node, east) =
        stage("north.single.example", "east.single.example", "max-transactions-per-post = 1").await;
    let session = east.log_in(1).await;
    let mut ada = north.phone("ada", modern()).await;
    east.usually(Reply::Held);
    for number in 0..40 {
        let to = format!("wv:user{number}@east.single.example").parse().unwrap();
        ada.send(&[to], &format!("words {number}"), false).await.unwrap();
    }
    for _ in 0..40 {
        let post = messages(&east.next().await);
        east.release(1);
        let [(id, _)] = &post[..] else { panic!("{} messages in a POST", post.len()) };
        east.say(&in_session(&session.ours, &[response(id, &sent(200))])).await;
    }
    node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_of_one_message_are_carried_out_in_order_and_answered_together() {
    let (_world, north, node, east) = stage("north.order.example", "east.order.example", "").await;
    let session = east.log_in(1).await;
    let mut ada = north.phone("ada", modern()).await;
    let from = "wv:zoe@east.order.example";
    // Given a document with messages to Ada, to nobody, of somebody else's user, and a strange element
    let mut transactions: Vec<String> = (0..8)
        .map(|number| {
            let message = east.message(
                &format!("m-{number}"),
                from,
                &["wv:ada@north.order.example"],
                &format!("words {number}"),
                false,
            );
            request(&format!("t-{number}"), &message)
        })
        .collect();
    let nobody = east.message("m-n", from, &["wv:nobody@north.order.example"], "hello?", false);
    let forged =
        east.message("m-f", "wv:eve@west.example", &["wv:ada@north.order.example"], "I am not Eve", false);
    transactions.insert(3, request("t-nobody", &nobody));
    transactions.insert(5, request("t-forged", &forged));
    transactions.push(request("t-strange", "<NoSuchRequest/>"));
    let expected: Vec<String> = transactions
        .iter()
        .map(|transaction| {
            transaction.split("transactionID=\"").nth(1).unwrap().split('"').next().unwrap().into()
        })
        .collect();
    east.say(&in_session(&session.ours, &transactions)).await;
    // Then one POST answers all of them, in their order
    let answered = east.next().await;
    let answers: Vec<(String, u16)> = answered
        .session()
        .transactions
        .iter()
        .map(|transaction| {
            let Carried::Primitive(primitive) = &transaction.content else { panic!("{}", answered.text) };
            assert_eq!(transaction.mode, Mode::Response);
            (transaction.id.to_string(), primitive.code().get())
        })
        .collect();
    assert_eq!(answers.iter().map(|(id, _)| id.clone()).collect::<Vec<_>>(), expected);
    for (id, code) in answers {
        let wanted = match id.as_str() {
            "t-nobody" => 531,
            "t-forged" => 901,
            "t-strange" => 405,
            _ => 200,
        };
        assert_eq!(code, wanted, "{id}");
    }
    // And Ada reads the messages in the order in which they were written
    for number in 0..8 {
        assert_eq!(text(&receive(&mut ada).await), format!("words {number}"));
    }
    // And the same document again changes nothing: the same answers, no second delivery
    east.say(&in_session(&session.ours, &transactions)).await;
    let again = east.next().await;
    assert_eq!(again.session().transactions.len(), expected.len());
    assert!(ada.poll().await.unwrap().is_none());
    node.drain().await;
}
