//! A conversation of two becomes a group.

use causeway::cli::phone::Phone;
use causeway::imps::primitive::{
    ClientId, ExtendConversationRequest, ExtendConversationResponse, GetMapRequest, InviteType, Recipient,
    User, WelcomeNote,
};
use causeway::imps::{Code, Primitive, UserId, Version};
use causeway::wire::Encoding;

use super::{code, join, linked, message, name, notice, say, words};
use crate::csp::ask;
use crate::world::{World, manner, modern, receive};

fn request(id: &str, partner: &UserId, users: &[&UserId]) -> ExtendConversationRequest {
    let client = ClientId { url: Some("test-phone".into()), ..ClientId::default() };
    ExtendConversationRequest {
        id: id.parse().unwrap(),
        users: users.iter().map(|user| (*user).clone()).collect(),
        partner: User { client: Some(client), ..User::from(partner.clone()) },
        subscribe: Some(true),
        welcome_note: Some(WelcomeNote { content_type: "text/plain".into(), content: "Join us".into() }),
        screen_name: Some(name(&"wv:/any@north.example".parse().unwrap(), "Skipper")),
    }
}

async fn extended(phone: &mut Phone, request: ExtendConversationRequest) -> ExtendConversationResponse {
    match ask(phone, Box::new(request)).await {
        Primitive::ExtendConversationResponse(answer) => *answer,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_conversation_becomes_a_private_group_of_those_who_were_invited() {
    let world = World::new().await;
    let ((north, north_node), (south, south_node)) =
        linked(&world, "north.talk.example", "south.talk.example").await;
    for encoding in [Encoding::Xml, Encoding::Wbxml] {
        // Given Ada, who speaks with Bo at another provider
        let mut ada = north.phone("ada", manner(Version::V1_3, encoding)).await;
        let mut bo = south.phone("bo", manner(Version::V1_1, Encoding::Wbxml)).await;
        let mut cy = north.phone("cy", manner(Version::V1_3, Encoding::Wbxml)).await;
        // When she asks Cy in too
        let (bo_is, cy_is) = (bo.user().clone(), cy.user().clone());
        let answer = extended(&mut ada, request("x1", &bo_is, &[&cy_is, &bo_is])).await;
        assert_eq!((answer.id.as_str(), answer.result.code), ("x1", Code::SUCCESSFUL));
        let talk = answer.group.expect("a group");
        // Then both are invited, each in words of its version, and come in
        for (phone, kind) in [(&mut bo, InviteType::Group), (&mut cy, InviteType::ExtendConversation)] {
            let Primitive::InviteUserRequest(asked) = receive(phone).await else { panic!("not invited") };
            assert_eq!((asked.id.as_str(), asked.kind, asked.group.as_ref()), ("x1", kind, Some(&talk)));
        }
        let note = join(&mut bo, &talk, "Bo").await.welcome_note.expect("a note");
        assert_eq!(note.content.octets(), b"Join us");
        join(&mut cy, &talk, "Cy").await;
        assert_eq!(notice(&mut ada).await.moves.joined[0].name.as_deref(), Some("Bo"));
        notice(&mut ada).await;
        notice(&mut bo).await;
        say(&mut ada, Recipient::Group(talk.clone()), "now we are three").await;
        for phone in [&mut bo, &mut cy] {
            assert_eq!(words(&message(phone).await), "now we are three");
        }
        // And nobody else
        let mut eve = north.phone("eve", modern()).await;
        assert_eq!(code(&ask(&mut eve, super::join_request(&talk, "Eve")).await), 816);
        for phone in [ada, bo, cy, eve] {
            let mut phone = phone;
            phone.logout().await.unwrap();
        }
    }
    north_node.drain().await;
    south_node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_conversation_that_nobody_can_be_asked_into_becomes_nothing() {
    let world = World::new().await;
    let north = super::place(&world, "north.alone.example", &[]);
    let node = world.start(&north).await;
    let mut ada = north.phone("ada", manner(Version::V1_3, Encoding::Wbxml)).await;
    let nobody: UserId = "wv:nobody@north.alone.example".parse().unwrap();
    let answer = extended(&mut ada, request("x1", &nobody, &[])).await;
    assert_eq!((answer.result.code, answer.group), (Code::UNKNOWN_USER, None));
    let (ada_is, groups) = (ada.user().clone(), node.sap().store().group_counts(ada.user().clone()).await);
    assert_eq!(groups, Ok((0, 0)));
    let answer = extended(&mut ada, request("x2", &ada_is, &[])).await;
    assert_eq!(answer.result.code, Code::BAD_PARAMETER);
    // And maps there are none
    let map = ask(&mut ada, GetMapRequest { user: Some(ada_is), attributes: None }).await;
    assert_eq!(code(&map), 501);
    node.drain().await;
}
