//! The groups of one provider, run by another.

use causeway::imps::primitive::{
    DeleteGroupRequest, ExtendConversationRequest, GetMessageListRequest, GetMessageRequest,
    JoinGroupRequest, LeaveGroupRequest, Listed, Recipient, RejectListRequest, ScreenName, User,
};
use causeway::imps::{Code, Primitive, Version};
use causeway::wire::Encoding;

use super::super::groups::{
    code, create, group, join, join_request, message, names, notice, put_out, say, shown, words,
};
use super::super::presence::id;
use super::{drain, three};
use crate::csp::ask;
use crate::world::{World, manner, modern, receive};

const CREW: &str = "wv:/crew@north.example";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_that_another_provider_runs_is_spoken_in_from_home_from_there_and_from_elsewhere() {
    let world = World::new().await;
    let ([north, south, east], nodes) = three(&world, "group").await;
    let mut ada = north.phone("ada", modern()).await;
    let mut cy = north.phone("cy", modern()).await;
    let mut bo = south.phone("bo", modern()).await;
    let mut eve = east.phone("eve", modern()).await;
    let crew = group(CREW);
    // Given a group of north, made by one of its users, which south runs
    assert_eq!(code(&create(&mut ada, &crew, "Skipper", &[("Name", "Crew")]).await), 200);
    assert_eq!(names(&join(&mut cy, &crew, "Cook").await), ["Skipper", "Cook"]);
    assert_eq!(notice(&mut ada).await.moves.joined[0].name.as_deref(), Some("Cook"));
    assert_eq!(names(&join(&mut bo, &crew, "Bosun").await), ["Skipper", "Cook", "Bosun"]);
    for phone in [&mut ada, &mut cy] {
        assert_eq!(notice(phone).await.moves.joined[0].name.as_deref(), Some("Bosun"));
    }
    assert_eq!(names(&join(&mut eve, &crew, "Diver").await), ["Skipper", "Cook", "Bosun", "Diver"]);
    for phone in [&mut ada, &mut cy, &mut bo] {
        assert_eq!(notice(phone).await.moves.joined[0].name.as_deref(), Some("Diver"));
    }
    // When each of them says something, then all the others hear it once
    for speaker in 0..4 {
        let mut phones = [&mut ada, &mut cy, &mut bo, &mut eve];
        let name = ["Skipper", "Cook", "Bosun", "Diver"][speaker];
        let line = format!("{name} speaks");
        let said = say(phones[speaker], Recipient::Group(crew.clone()), &line).await;
        assert_eq!(said.result.code, Code::SUCCESSFUL, "{name}: {said:?}");
        for (hearer, phone) in phones.iter_mut().enumerate().filter(|(hearer, _)| *hearer != speaker) {
            let heard = message(phone).await;
            assert_eq!((words(&heard), shown(&heard)), (&*line, name), "{hearer}");
            assert_eq!(heard.info.recipients, [Recipient::Group(crew.clone())]);
        }
    }
    // And a private word reaches one alone
    let diver = Recipient::ScreenName(ScreenName { name: "Diver".into(), group: crew.clone() });
    assert_eq!(say(&mut bo, diver, "psst").await.result.code, Code::SUCCESSFUL);
    assert_eq!(words(&message(&mut eve).await), "psst");
    // Who leaves is told nothing more
    let Primitive::LeaveGroupResponse(left) = ask(&mut eve, LeaveGroupRequest { group: crew.clone() }).await
    else {
        panic!()
    };
    assert_eq!(left.result.code, Code::SUCCESSFUL);
    for phone in [&mut ada, &mut cy, &mut bo] {
        assert_eq!(&*notice(phone).await.moves.left[0], "Diver");
    }
    let late = say(&mut eve, Recipient::Group(crew), "ashore").await;
    assert_eq!(late.result.code, Code::NOT_JOINED);
    for phone in [&mut ada, &mut cy, &mut bo, &mut eve] {
        assert_eq!(phone.take().await.unwrap(), None);
    }
    drain(nodes).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_owner_governs_its_group_at_the_element_and_its_end_is_told_everywhere() {
    let world = World::new().await;
    let ([north, south, east], nodes) = three(&world, "group").await;
    let mut ada = north.phone("ada", modern()).await;
    let mut bo = south.phone("bo", modern()).await;
    let mut eve = east.phone("eve", modern()).await;
    let crew = group(CREW);
    assert_eq!(code(&create(&mut ada, &crew, "Skipper", &[]).await), 200);
    join(&mut bo, &crew, "Bosun").await;
    notice(&mut ada).await;
    join(&mut eve, &crew, "Diver").await;
    notice(&mut ada).await;
    notice(&mut bo).await;
    // Who is rejected is put out, wherever it is
    let reject = RejectListRequest {
        group: crew.clone(),
        add: vec![id("wv:eve@east.example")].into(),
        remove: Listed::default(),
    };
    let Primitive::RejectListResponse(list) = ask(&mut ada, reject).await else { panic!() };
    assert_eq!(list.users, [id("wv:eve@east.example")]);
    assert_eq!(put_out(&mut eve).await.result.code, Code::REJECTED_FROM_GROUP);
    for phone in [&mut ada, &mut bo] {
        assert_eq!(&*notice(phone).await.moves.left[0], "Diver");
    }
    assert_eq!(code(&ask(&mut eve, join_request(&crew, "Diver")).await), 809);
    // Nobody but those who may ends it
    assert_eq!(code(&ask(&mut bo, DeleteGroupRequest { group: crew.clone() }).await), 816);
    assert_eq!(code(&ask(&mut ada, DeleteGroupRequest { group: crew.clone() }).await), 200);
    for phone in [&mut ada, &mut bo] {
        assert_eq!(put_out(phone).await.result.code, Code::NO_GROUP);
    }
    assert_eq!(code(&ask(&mut ada, join_request(&crew, "Skipper")).await), 800);
    drain(nodes).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_conversation_becomes_a_group_that_the_element_runs() {
    let world = World::new().await;
    let ([north, _, east], nodes) = three(&world, "group").await;
    let newest = || manner(Version::V1_3, Encoding::Wbxml);
    let mut ada = north.phone("ada", newest()).await;
    let mut eve = east.phone("eve", newest()).await;
    let request = ExtendConversationRequest {
        id: "x1".parse().unwrap(),
        users: Vec::new(),
        partner: User::from(id("wv:eve@east.example")),
        subscribe: Some(true),
        welcome_note: None,
        screen_name: None,
    };
    let Primitive::ExtendConversationResponse(made) = ask(&mut ada, Box::new(request)).await else {
        panic!()
    };
    assert_eq!(made.result.code, Code::SUCCESSFUL, "{made:?}");
    let talk = made.group.clone().unwrap();
    assert_eq!(talk.domain_str(), Some("north.example"));
    let Primitive::InviteUserRequest(invitation) = receive(&mut eve).await else { panic!() };
    assert_eq!(invitation.group, Some(talk.clone()));
    let enter = JoinGroupRequest { screen_name: None, ..join_request(&talk, "Eve") };
    assert_eq!(code(&ask(&mut eve, enter).await), 200);
    assert_eq!(say(&mut eve, Recipient::Group(talk), "here I am").await.result.code, Code::SUCCESSFUL);
    // The notice that somebody came stands before what it says.
    notice(&mut ada).await;
    assert_eq!(words(&message(&mut ada).await), "here I am");
    drain(nodes).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_said_in_a_group_is_read_where_another_provider_runs_groups_and_messages() {
    let world = World::new().await;
    let ([north, south, _], nodes) = three(&world, "im\", \"group").await;
    let mut ada = north.phone("ada", modern()).await;
    let mut cy = north.phone("cy", manner(Version::V1_2, Encoding::Xml)).await;
    let mut bo = south.phone("bo", modern()).await;
    // Given a group that keeps its history, and somebody who comes late
    let crew = group(CREW);
    assert_eq!(code(&create(&mut ada, &crew, "Skipper", &[("History", "T")]).await), 200);
    join(&mut bo, &crew, "Bosun").await;
    let said = say(&mut bo, Recipient::Group(crew.clone()), "all hands").await;
    assert_eq!(said.result.code, Code::SUCCESSFUL);
    let asked = || GetMessageListRequest { group: Some(crew.clone()), count: None };
    assert_eq!(code(&ask(&mut cy, asked()).await), 808, "not before");
    join(&mut cy, &crew, "Cook").await;
    // When it lists and fetches what was said
    let answer = ask(&mut cy, asked()).await;
    let Primitive::GetMessageListResponse(list) = answer else { panic!("{answer:?}") };
    let [info] = &list.messages[..] else { panic!("{list:?}") };
    let message_id = info.id.clone().unwrap();
    let answer = ask(&mut cy, GetMessageRequest { message_id }).await;
    let Primitive::GetMessageResponse(found) = answer else { panic!("{answer:?}") };
    // Then it is that
    assert_eq!(found.content, Some("all hands".into()));
    drain(nodes).await;
}
