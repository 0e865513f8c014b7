//! The provider speaks to its users, and they answer.

use causeway::cli::phone::Phone;
use causeway::element::common::system::Announcement;
use causeway::imps::primitive::{
    AnswerOption, SystemMessage, SystemMessageResponse, SystemMessageUser, VerificationMechanism,
};
use causeway::imps::{Primitive, Version};
use causeway::wire::Encoding;

use super::operators::{done, json, refused};
use crate::csp::ask;
use crate::world::{PASSWORD, World, manner, modern, receive, text};

fn terms() -> Announcement {
    let option = |id: u32, text: &str| AnswerOption { id, text: text.into() };
    Announcement {
        message: SystemMessage {
            id: "terms-7".into(),
            requires_response: true,
            text: Some("Do you agree?".into()),
            options: vec![option(1, "Yes"), option(2, "No")],
            verification: Some(VerificationMechanism { in_text: Some("Copy K7".into()), url: None }),
        },
        key: Some("K7".into()),
        seconds: 3600,
    }
}

async fn told(phone: &mut Phone) -> SystemMessage {
    match receive(phone).await {
        Primitive::SystemMessageRequest(mut request) => request.messages.remove(0),
        other => panic!("{other:?}"),
    }
}

async fn answers(phone: &mut Phone, chosen: u32, key: &str) -> u16 {
    let id = "terms-7".into();
    let response = SystemMessageResponse { id, chosen: Some(chosen), verification_key: Some(key.into()) };
    ask(phone, SystemMessageUser { responses: vec![response] }).await.code().get()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_is_asked_by_the_provider_until_it_answers_as_a_human_being() {
    let world = World::new().await;
    let north = world.place("north.system.example", &[]);
    let node = world.start(&north).await;
    let mut ada = north.phone("ada", manner(Version::V1_3, Encoding::Wbxml)).await;
    let mut bo = north.phone("bo", manner(Version::V1_1, Encoding::Xml)).await;
    let mut cy = north.phone("cy", manner(Version::V1_3, Encoding::Xml)).await;
    cy.logout().await.unwrap();
    // When the operator asks everybody, and somebody who does not exist
    let announced = node.sap().announce(None, &terms()).await.unwrap();
    assert_eq!((announced.told, announced.left_out.len()), (3, 0));
    let nobody = vec![north.user("nobody")];
    assert_eq!(node.sap().announce(Some(nobody.clone()), &terms()).await.unwrap().left_out, nobody);
    // Then a client of 1.3 has it on the screen as it was said, and an older one as a message
    assert_eq!(told(&mut ada).await, terms().message);
    assert_eq!(text(&receive(&mut bo).await), "Do you agree?\n1. Yes\n2. No");
    // What was only put away is asked again at the next login, with any other answer than asked for
    assert_eq!(answers(&mut ada, 3, "K7").await, 402);
    assert_eq!(answers(&mut ada, 1, "K8").await, 403);
    ada.logout().await.unwrap();
    ada.login(PASSWORD).await.unwrap();
    assert_eq!(told(&mut ada).await.id, terms().message.id);
    // Until it is answered, once
    assert_eq!(answers(&mut ada, 1, "K7").await, 200);
    assert_eq!(answers(&mut ada, 2, "K7").await, 426);
    ada.logout().await.unwrap();
    ada.login(PASSWORD).await.unwrap();
    assert_eq!(ada.take().await.unwrap(), None);
    // Who was away is asked at login, also after a restart, and once
    node.drain().await;
    let node = world.start(&north).await;
    cy.login(PASSWORD).await.unwrap();
    assert_eq!(told(&mut cy).await, terms().message);
    assert_eq!(cy.take().await.unwrap(), None);
    // And the operator sees who said what
    let all = node.sap().announced_to("terms-7", None, 10).await.unwrap();
    let said: Vec<_> = all.iter().map(|asked| (asked.user.user().to_owned(), asked.chosen)).collect();
    assert_eq!(said, [("ada".into(), Some(1)), ("bo".into(), None), ("cy".into(), None)]);
    node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_announced_under_the_same_name_takes_the_place_of_what_nobody_heard() {
    let world = World::new().await;
    let north = world.place("north.again.example", &[]);
    let node = world.start(&north).await;
    let mut ada = north.phone("ada", modern()).await;
    let mut later = terms();
    later.message.text = Some("The terms have changed again.".into());
    node.sap().announce(Some(vec![north.user("ada")]), &terms()).await.unwrap();
    node.sap().announce(Some(vec![north.user("ada")]), &later).await.unwrap();
    assert!(text(&receive(&mut ada).await).starts_with("The terms have changed again."));
    assert_eq!(ada.take().await.unwrap(), None);
    let senseless = Announcement { seconds: 0, ..terms() };
    assert!(node.sap().announce(None, &senseless).await.is_err());
    node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_announces_and_reads_the_answers_on_the_command_line() {
    let world = World::new().await;
    let north = world.place("north.announce.example", &[]);
    let node = world.start(&north).await;
    let mut ada = north.phone("ada", manner(Version::V1_3, Encoding::Wbxml)).await;
    let mut bo = north.phone("bo", manner(Version::V1_3, Encoding::Xml)).await;
    let (ada_id, bo_id) = (north.user("ada").to_string(), north.user("bo").to_string());
    // When the operator asks everybody of a domain
    let question = ["announce", "send", "terms-7", "Do you agree?", "--answer", "Yes", "--answer", "No"];
    let key = ["--key", "K7", "--copy", "Copy K7", "--lifetime", "3600"];
    let words = [&question[..], &key, &["--domain", "north.announce.example"]].concat();
    assert_eq!(done(&north, &words).await, "2 told\n");
    // Then each is asked just that
    assert_eq!(told(&mut ada).await, terms().message);
    assert_eq!(told(&mut bo).await, terms().message);
    assert_eq!(answers(&mut ada, 2, "K7").await, 200);
    // And the operator reads who answered, and what
    let shown = done(&north, &["announce", "show", "terms-7"]).await;
    let line = |who: &str| shown.lines().find(|line| line.starts_with(who)).unwrap_or_default().to_owned();
    assert!(line(&ada_id).contains("2. No"), "{shown}");
    assert!(line(&bo_id).contains('-'), "{shown}");
    let users = json(&north, &["announce", "show", "terms-7"]).await;
    assert_eq!((&users[0]["chosen"], &users[0]["answer"]), (&2.into(), &"No".into()));
    assert_eq!((users[1]["chosen"].is_null(), &users[1]["must_answer"]), (true, &true.into()));
    // One user may be told as well, without being asked; and all of the node
    let one = ["announce", "send", "hello", "We are down at nine.", "--to", &ada_id];
    let told_one = json(&north, &one).await;
    assert_eq!((&told_one["told"], told_one["left_out"].as_array().unwrap().len()), (&1.into(), 0));
    let message = told(&mut ada).await;
    assert_eq!((message.requires_response, message.options.len()), (false, 0));
    assert_eq!(done(&north, &["announce", "send", "all", "Hear!", "--everybody"]).await, "2 told\n");
    // What makes no sense, concerns others or was never said is refused
    let elsewhere = ["announce", "send", "x", "y", "--domain", "south.example"];
    assert!(refused(&north, &elsewhere).await.contains("no domain of this node"));
    assert!(refused(&north, &["announce", "send", "x/y", "z", "--everybody"]).await.contains("the id of a"));
    assert!(refused(&north, &["announce", "show", "never"]).await.contains("nobody was told"));
    let nobody = ["announce", "send", "x", "y", "--to", "wv:nobody@north.announce.example"];
    assert!(refused(&north, &nobody).await.contains("was not told"));
    node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_login_answers_is_not_asked_again() {
    let world = World::new().await;
    let north = world.place("north.answers.example", &[]);
    let node = world.start(&north).await;
    let mut ada = north.phone("ada", manner(Version::V1_3, Encoding::Xml)).await;
    node.sap().announce(None, &terms()).await.unwrap();
    assert_eq!(told(&mut ada).await, terms().message);
    let response = |key: &str| SystemMessageResponse {
        id: "terms-7".into(),
        chosen: Some(1),
        verification_key: Some(key.into()),
    };
    // A wrong answer changes nothing, nor does it keep anybody out
    ada.logout().await.unwrap();
    ada.answers_at_login(vec![response("K8")]);
    ada.login(PASSWORD).await.unwrap();
    assert_eq!(told(&mut ada).await, terms().message);
    // The right one counts
    ada.logout().await.unwrap();
    ada.answers_at_login(vec![response("K7")]);
    ada.login(PASSWORD).await.unwrap();
    assert_eq!(ada.take().await.unwrap(), None);
    let all = node.sap().announced_to("terms-7", None, 10).await.unwrap();
    assert_eq!(all[0].chosen, Some(1));
    node.drain().await;
}
