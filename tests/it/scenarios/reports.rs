//! What authors hear later: delivery reports, and failures after a success was answered.

use causeway::cli::laboratory::Writing;
use causeway::cli::phone::Phone;
use causeway::imps::{Code, MessageId, Primitive, Version};
use causeway::wire::Encoding;

use crate::csp::{message, report, send};
use crate::world::{World, manner, modern, receive, text};

/// Sends with a validity of so many seconds; the id.
async fn send_for(phone: &mut Phone, to: &str, seconds: u32, wants_report: bool) -> MessageId {
    let mut request = message(phone, &[to], "hurry");
    request.info.validity = Some(seconds);
    request.delivery_report = wants_report;
    phone.send_message(request).await.unwrap().message_id.expect("accepted")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delivery_is_reported_if_the_author_asked_and_names_the_recipient() {
    // Given readers at home and abroad
    let world = World::new().await;
    let ((north, north_node), (south, south_node)) = world.linked("north.example", "south.example").await;
    for version in Version::ALL {
        let mut ada = north.phone("ada", manner(version, Encoding::Wbxml)).await;
        let mut dee = north.phone("dee", modern()).await;
        let mut bo = south.phone("bo", modern()).await;
        // When two messages are read, and a report was asked for the second only
        let both = ["wv:bo@south.example", "wv:dee@north.example"];
        send(&mut ada, &both, "quiet", false).await;
        let id = send(&mut ada, &both, "loud", true).await;
        for reader in [&mut dee, &mut bo] {
            assert_eq!(text(&receive(reader).await), "quiet");
            assert_eq!(text(&receive(reader).await), "loud");
            // Then each reader is reported once, with the time
            let told = report(receive(&mut ada).await);
            assert_eq!((told.result.code, told.info.id.as_ref()), (Code::SUCCESSFUL, Some(&id)));
            assert!(told.delivery_time.is_some());
            let [recipient] = &told.info.recipients[..] else { panic!("{:?}", told.info.recipients) };
            assert_eq!(recipient.domain_str(), reader.user().domain_str());
        }
        assert_eq!(ada.poll().await.unwrap(), None);
        ada.logout().await.unwrap();
    }
    north_node.drain().await;
    south_node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_report_waits_for_its_reader_like_a_message() {
    let world = World::new().await;
    let ((north, north_node), (south, south_node)) = world.linked("north.example", "south.example").await;
    let mut ada = north.phone("ada", modern()).await;
    let mut bo = south.phone("bo", modern()).await;
    // Given an author who left before the message was read
    let id = send(&mut ada, &["wv:bo@south.example"], "see you", true).await;
    ada.logout().await.unwrap();
    receive(&mut bo).await;
    // When the author comes back with another phone
    let mut ada = north.phone("ada", manner(Version::V1_3, Encoding::Wbxml)).await;
    // Then the report is there
    assert_eq!(report(receive(&mut ada).await).info.id, Some(id));
    north_node.drain().await;
    south_node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_nobody_fetches_in_time_expires_and_its_author_hears_542() {
    // Given readers who are away
    let world = World::new().await;
    let ((north, north_node), (south, south_node)) = world.linked("north.example", "south.example").await;
    let mut ada = north.phone("ada", modern()).await;
    south.phone("bo", modern()).await.logout().await.unwrap();
    north.phone("dee", modern()).await.logout().await.unwrap();
    // When messages for them are good for a second
    send_for(&mut ada, "wv:bo@south.example", 1, false).await;
    let abroad = send_for(&mut ada, "wv:bo@south.example", 1, true).await;
    let home = send_for(&mut ada, "wv:dee", 1, false).await;
    // Then the author hears of the one here in any case, of the one abroad because it was asked for
    let mut expired = Vec::new();
    for _ in 0..2 {
        let told = report(receive(&mut ada).await);
        assert_eq!(told.result.code, Code::EXPIRED);
        expired.push(told.info.id.expect("an id"));
    }
    assert!(expired.contains(&abroad) && expired.contains(&home));
    assert_eq!(ada.poll().await.unwrap(), None);
    // And nothing is left for the readers
    for (place, user) in [(&south, "bo"), (&north, "dee")] {
        assert_eq!(place.phone(user, modern()).await.poll().await.unwrap(), None);
    }
    north_node.drain().await;
    south_node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_for_now_or_never_does_not_wait_for_who_is_away() {
    let world = World::new().await;
    let ((north, north_node), (south, south_node)) = world.linked("north.example", "south.example").await;
    let mut ada = north.phone("ada", modern()).await;
    for (place, user) in [(&north, "wv:dee@north.example"), (&south, "wv:dee@south.example")] {
        let mut dee = place.phone("dee", modern()).await;
        // Given a reader who is there
        let mut request = message(&ada, &[user], "now");
        request.info.validity = Some(0);
        let answer = ada.send_message(request.clone()).await.unwrap();
        assert_eq!(answer.result.code, Code::SUCCESSFUL);
        assert_eq!(text(&receive(&mut dee).await), "now");
        // When the reader has left
        dee.logout().await.unwrap();
        // Then
        let answer = ada.send_message(request).await.unwrap();
        assert_eq!((answer.result.code, answer.message_id), (Code::NOT_LOGGED_IN, None), "{user}");
    }
    north_node.drain().await;
    south_node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_was_told_yes_hears_of_a_failure_later_asked_for_or_not() {
    // Given a peer that is down, and a client that is not kept waiting
    let world = World::new().await;
    let sections = "[limits]\nhold-message-seconds = 1";
    let writing = Writing { peers: &["south.example"], sections, ..Writing::default() };
    let north = world.place_with("north.example", &writing);
    let south = world.place("south.example", &["north.example"]);
    let north_node = world.start(&north).await;
    let mut ada = north.phone("ada", modern()).await;
    // When ada writes there, she is told that her messages are taken
    let id = send(&mut ada, &["wv:nobody@south.example"], "anybody?", false).await;
    let brief = send_for(&mut ada, "wv:bo@south.example", 1, false).await;
    // Then she hears that one has expired before the peer came back
    let told = report(receive(&mut ada).await);
    assert_eq!((told.result.code, told.info.id), (Code::EXPIRED, Some(brief)));
    // And, when it is back, that the other had no reader
    let south_node = world.start(&south).await;
    let told = report(receive(&mut ada).await);
    assert_eq!((told.result.code, told.info.id), (Code::UNKNOWN_USER, Some(id)));
    assert_eq!(ada.poll().await.unwrap(), None);
    north_node.drain().await;
    south_node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_who_takes_it_twice_is_reported_once() {
    let world = World::new().await;
    let north = world.place("north.example", &[]);
    let node = world.start(&north).await;
    let mut ada = north.phone("ada", modern()).await;
    let mut bo = north.phone("bo", modern()).await;
    send(&mut ada, &["wv:bo"], "once", true).await;
    // Given a phone that acknowledges, and again, as after a lost answer
    let (id, new) = bo.poll().await.unwrap().expect("an offer");
    bo.acknowledge(id.clone(), &new).await.unwrap();
    bo.acknowledge(id, &new).await.unwrap();
    // Then
    assert_eq!(report(receive(&mut ada).await).result.code, Code::SUCCESSFUL);
    assert!(!matches!(ada.poll().await.unwrap(), Some((_, Primitive::DeliveryReport(_)))));
    node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_providers_that_take_each_other_for_legacy_peers_lose_no_report() {
    let world = World::new().await;
    let legacy = "profile = \"legacy\"";
    let place = |own, peer| {
        world.place_with(own, &Writing { peers: &[peer], agreement: legacy, ..Writing::default() })
    };
    let (north, south) = (place("north.example", "south.example"), place("south.example", "north.example"));
    let (north_node, south_node) = (world.start(&north).await, world.start(&south).await);
    let mut ada = north.phone("ada", modern()).await;
    let mut bo = south.phone("bo", modern()).await;
    let id = send(&mut ada, &["wv:bo@south.example"], "hear me", true).await;
    assert_eq!(text(&receive(&mut bo).await), "hear me");
    let told = report(receive(&mut ada).await);
    assert_eq!((told.result.code, told.info.id), (Code::SUCCESSFUL, Some(id)));
    north_node.drain().await;
    south_node.drain().await;
}
