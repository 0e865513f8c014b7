//! Messages between users of one and of two providers.

use causeway::imps::{Code, Primitive, UserId, Version};
use causeway::wire::Encoding;

use crate::world::{World, manner, modern, receive, text};

fn user(address: &str) -> UserId {
    address.parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_crosses_two_domains_and_its_report_comes_back() {
    // Given two providers with a service agreement, found through DNS, and a user at home in each
    let world = World::new().await;
    let ((north, north_node), (south, south_node)) = world.linked("north.example", "south.example").await;
    let mut ada = north.phone("ada", modern()).await;
    let mut bo = south.phone("bo", manner(Version::V1_1, Encoding::Wbxml)).await;
    // When
    let answer = ada.send(&[user("wv:bo@south.example")], "see you at six", true).await.unwrap();
    // Then
    assert_eq!(answer.result.code, Code::SUCCESSFUL);
    let id = answer.message_id.expect("the message has an id");
    let message = receive(&mut bo).await;
    assert_eq!(text(&message), "see you at six");
    let Primitive::NewMessage(new) = &message else { panic!("{message:?}") };
    assert_eq!(new.info.author().unwrap().id, user("wv:ada@north.example"));
    assert_eq!(new.info.id.as_ref(), Some(&id));
    // And the author hears of it
    let Primitive::DeliveryReport(report) = receive(&mut ada).await else { panic!("no report") };
    assert_eq!((report.result.code, report.info.id), (Code::SUCCESSFUL, Some(id)));
    north_node.drain().await;
    south_node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_version_and_encoding_reaches_every_other() {
    let world = World::new().await;
    let ((north, north_node), (south, south_node)) = world.linked("north.example", "south.example").await;
    let manners: Vec<_> = Version::ALL
        .into_iter()
        .flat_map(|version| [Encoding::Xml, Encoding::Wbxml].map(|encoding| manner(version, encoding)))
        .collect();
    for (number, from) in manners.iter().enumerate() {
        let mut ada = north.phone(&format!("ada{number}"), from.clone()).await;
        for (other, to) in manners.iter().enumerate() {
            let mut bo = south.phone(&format!("bo{other}"), to.clone()).await;
            let words = format!("grüße <&> {number}→{other} 🙂");
            let answer = ada.send(&[bo.user().clone()], &words, false).await.unwrap();
            assert_eq!(answer.result.code, Code::SUCCESSFUL, "{from:?} to {to:?}");
            assert_eq!(text(&receive(&mut bo).await), words, "{from:?} to {to:?}");
            bo.logout().await.unwrap();
        }
    }
    north_node.drain().await;
    south_node.drain().await;
}
