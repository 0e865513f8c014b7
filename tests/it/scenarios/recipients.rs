//! One message for many, at home and elsewhere: who gets it, and what the author is told at once.

use causeway::cli::phone::Phone;
use causeway::imps::primitive::{Recipient, SendMessageResponse};
use causeway::imps::status::Entity;
use causeway::imps::{Code, Primitive};

use crate::csp::{message, send};
use crate::world::{World, modern, receive, text};

/// The codes of an answer with whom they name, in alphabetical order: `531 wv:…`.
fn details(answer: &SendMessageResponse) -> Vec<String> {
    let mut named: Vec<String> = Vec::new();
    for detail in &answer.result.details {
        for entity in &detail.entities {
            let Entity::User(user) = entity else { panic!("{entity:?}") };
            named.push(format!("{} {}", detail.code, user.as_str()));
        }
    }
    named.sort_unstable();
    named
}

async fn sends(phone: &mut Phone, to: &[&str]) -> SendMessageResponse {
    let request = message(phone, to, "hello");
    phone.send_message(request).await.unwrap()
}

/// The server says no: the whole answer.
async fn fails(phone: &mut Phone, to: &[&str]) -> SendMessageResponse {
    let answer = sends(phone, to).await;
    assert!(!answer.result.code.is_success());
    assert_eq!(answer.message_id, None, "nothing was sent, so there is no message to name");
    answer
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_request_for_three_domains_gets_one_answer_with_every_outcome() {
    // Given three providers, and users in each
    let world = World::new().await;
    let domains = ["north.example", "south.example", "east.example"];
    let north = world.place(domains[0], &[domains[1], domains[2]]);
    let south = world.place(domains[1], &[domains[0]]);
    let east = world.place(domains[2], &[domains[0]]);
    let nodes = [world.start(&north).await, world.start(&south).await, world.start(&east).await];
    let mut ada = north.phone("ada", modern()).await;
    let mut dee = north.phone("dee", modern()).await;
    let mut bo = south.phone("bo", modern()).await;
    let mut cy = east.phone("cy", modern()).await;
    // When ada writes to all of them, to users that do not exist, and to a domain that does not
    let answer = sends(
        &mut ada,
        &[
            "wv:bo@south.example",
            "wv:nobody@south.example",
            "wv:cy@east.example",
            "wv:nobody@east.example",
            "wv:dee@north.example",
            "wv:nobody",
            "wv:kay@nowhere.example",
        ],
    )
    .await;
    // Then the answer names those who do not get it, and why
    assert_eq!(answer.result.code, Code::PARTIALLY_SUCCESSFUL);
    assert_eq!(
        details(&answer),
        [
            "516 wv:kay@nowhere.example",
            "531 wv:nobody@east.example",
            "531 wv:nobody@north.example",
            "531 wv:nobody@south.example",
        ]
    );
    assert_eq!(answer.result.details.len(), 2, "one entry a code");
    // And the others get the same message, each addressed alone
    for phone in [&mut bo, &mut cy, &mut dee] {
        let Primitive::NewMessage(new) = receive(phone).await else { panic!("no message") };
        assert_eq!(new.info.id, answer.message_id);
        let [recipient] = &new.info.recipients[..] else { panic!("{:?}", new.info.recipients) };
        assert_eq!(recipient.entity(), Entity::User(phone.user().clone()));
    }
    // And the operator sees it counted
    for (line, count) in [
        ("causeway_messages_accepted_total{origin=\"csp\"}", 1.0),
        ("causeway_messages_delivered_total{to=\"ssp\"}", 2.0),
        ("causeway_messages_delivered_total{to=\"csp\"}", 1.0),
        ("causeway_messages_failed_total{reason=\"no-route\"}", 1.0),
        ("causeway_messages_failed_total{reason=\"rejected\"}", 2.0),
    ] {
        assert!((north.metric(line).await - count).abs() < 0.5, "{line} is {}", north.metric(line).await);
    }
    for node in nodes {
        node.drain().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_cannot_be_reached_is_told_by_one_code_if_it_is_the_same_for_all() {
    // Given two providers
    let world = World::new().await;
    let ((north, north_node), (south, south_node)) = world.linked("north.example", "south.example").await;
    let mut ada = north.phone("ada", modern()).await;
    south.phone("bo", modern()).await;
    // An unknown user here, there, and a domain nobody has heard of
    assert_eq!(fails(&mut ada, &["wv:nobody@north.example"]).await.result.code, Code::UNKNOWN_USER);
    assert_eq!(fails(&mut ada, &["wv:nobody@south.example"]).await.result.code, Code::UNKNOWN_USER);
    assert_eq!(fails(&mut ada, &["wv:kay@nowhere.example"]).await.result.code, Code::DOMAIN_NOT_SUPPORTED);
    // Several for one reason
    let answer = fails(&mut ada, &["wv:nobody@north.example", "wv:nobody@south.example"]).await;
    assert_eq!(answer.result.code, Code::UNKNOWN_USER);
    assert_eq!(details(&answer), ["531 wv:nobody@north.example", "531 wv:nobody@south.example"]);
    // Several for different reasons
    let answer = fails(&mut ada, &["wv:nobody@south.example", "wv:kay@nowhere.example"]).await;
    assert_eq!(answer.result.code, Code::MULTIPLE_ERRORS);
    assert_eq!(details(&answer), ["516 wv:kay@nowhere.example", "531 wv:nobody@south.example"]);
    // What does not exist here, or not yet
    let mut request = message(&ada, &[], "hello");
    for (recipient, code) in [
        (Recipient::Group("wv:/chess@north.example".parse().unwrap()), Code::NO_GROUP),
        (Recipient::ContactList("wv:ada/friends".parse().unwrap()), Code::NO_CONTACT_LIST),
    ] {
        request.info.recipients = vec![recipient];
        assert_eq!(ada.send_message(request.clone()).await.unwrap().result.code, code);
    }
    // More than a request may name
    let many: Vec<String> = (0..1001).map(|number| format!("wv:u{number}@north.example")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(fails(&mut ada, &many).await.result.code, Code::BAD_PARAMETER);
    // Nobody at all
    assert_eq!(fails(&mut ada, &[]).await.result.code, Code::BAD_PARAMETER);
    north_node.drain().await;
    south_node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recipient_named_twice_in_any_spelling_gets_one_copy() {
    let world = World::new().await;
    let ((north, north_node), (south, south_node)) = world.linked("north.example", "south.example").await;
    let mut ada = north.phone("ada", modern()).await;
    let mut dee = north.phone("dee", modern()).await;
    let mut bo = south.phone("bo", modern()).await;
    // When
    let named = ["wv:bo@south.example", "wv:BO@South.Example", "wv:dee", "wv:dee@north.example", "wv:DEE"];
    send(&mut ada, &named, "once", false).await;
    // Then
    for phone in [&mut bo, &mut dee] {
        assert_eq!(text(&receive(phone).await), "once");
        assert_eq!(phone.poll().await.unwrap(), None);
    }
    north_node.drain().await;
    south_node.drain().await;
}
