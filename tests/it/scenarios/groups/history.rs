//! What was said in a group, for those who come later.

use causeway::cli::phone::Phone;
use causeway::imps::primitive::{
    BlockEntityRequest, BlockList, Entities, GetMessageListRequest, GetMessageListResponse,
    GetMessageRequest, Recipient, SetGroupPropsRequest,
};
use causeway::imps::primitive::{GroupProperties, LeaveGroupRequest};
use causeway::imps::{GroupId, Primitive, Version};
use causeway::wire::Encoding;

use super::{code, create, group, join, linked, name, property, say};
use crate::csp::ask;
use crate::world::{World, manner, modern};

async fn history(phone: &mut Phone, id: &GroupId, count: Option<u32>) -> Primitive {
    ask(phone, GetMessageListRequest { group: Some(id.clone()), count }).await
}

fn listed(answer: Primitive) -> GetMessageListResponse {
    match answer {
        Primitive::GetMessageListResponse(answer) => answer,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_comes_later_reads_what_was_said_in_every_version() {
    let world = World::new().await;
    let ((north, north_node), (south, south_node)) =
        linked(&world, "north.past.example", "south.past.example").await;
    let mut ada = north.phone("ada", modern()).await;
    let mut bo = south.phone("bo", manner(Version::V1_1, Encoding::Wbxml)).await;
    let diary = group("wv:/diary@north.past.example");
    assert_eq!(code(&create(&mut ada, &diary, "Ada", &[("History", "T")]).await), 200);
    join(&mut bo, &diary, "Bo").await;
    // Ada says something, Bo answers from elsewhere, and Ada whispers to him
    say(&mut ada, Recipient::Group(diary.clone()), "first").await;
    say(&mut bo, Recipient::Group(diary.clone()), "second").await;
    say(&mut ada, Recipient::ScreenName(name(&diary, "Bo")), "between us").await;
    // When somebody comes in later, in any version
    let forms =
        [(Version::V1_1, Encoding::Xml), (Version::V1_2, Encoding::Wbxml), (Version::V1_3, Encoding::Wbxml)];
    for (number, (version, encoding)) in forms.into_iter().enumerate() {
        let mut late = north.phone(&format!("late{number}"), manner(version, encoding)).await;
        assert_eq!(code(&history(&mut late, &diary, None).await), 808, "not before");
        join(&mut late, &diary, &format!("Late{number}")).await;
        // Then it finds what was said to all, the newest first, under the names of the group
        let all = listed(history(&mut late, &diary, None).await);
        let shown: Vec<_> = all.messages.iter().filter_map(|info| info.sender.as_ref()).collect();
        assert_eq!((all.messages.len(), shown.len()), (2, 2));
        if version == Version::V1_3 {
            assert_eq!(all.total, Some(2));
        }
        assert_eq!(listed(history(&mut late, &diary, Some(1)).await).messages.len(), 1);
        let mut heard = Vec::new();
        for info in &all.messages {
            let message_id = info.id.clone().expect("an id");
            let Primitive::GetMessageResponse(found) = ask(&mut late, GetMessageRequest { message_id }).await
            else {
                panic!("not fetched")
            };
            heard.push(String::from_utf8(found.content.unwrap().octets().to_vec()).unwrap());
        }
        assert_eq!(heard, ["second", "first"]);
        // And whom it blocks it does not hear from the past either
        let entities =
            Entities { users: Vec::new(), screen_names: vec![name(&diary, "Bo")], ..Entities::default() };
        let block = BlockList { add: Some(entities), ..BlockList::default() };
        let block = BlockEntityRequest { block: Some(block), ..BlockEntityRequest::default() };
        assert_eq!(code(&ask(&mut late, Box::new(block)).await), 200);
        assert_eq!(listed(history(&mut late, &diary, None).await).messages.len(), 1);
        let gone = all.messages[0].id.clone().unwrap();
        ask(&mut late, LeaveGroupRequest { group: diary.clone() }).await;
        assert_eq!(code(&ask(&mut late, GetMessageRequest { message_id: gone }).await), 426, "outside");
    }
    // From another provider there is no way to ask for it
    assert_eq!(code(&history(&mut bo, &diary, None).await), 821);
    north_node.drain().await;
    south_node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_without_history_has_none_and_one_that_gives_it_up_forgets() {
    let world = World::new().await;
    let north = super::place(&world, "north.forget.example", &[]);
    let node = world.start(&north).await;
    let mut ada = north.phone("ada", manner(Version::V1_3, Encoding::Xml)).await;
    let diary = group("wv:/diary@north.forget.example");
    create(&mut ada, &diary, "Ada", &[]).await;
    say(&mut ada, Recipient::Group(diary.clone()), "lost").await;
    assert_eq!(code(&history(&mut ada, &diary, None).await), 821);
    let set = |value: &str| SetGroupPropsRequest {
        group: diary.clone(),
        properties: Some(GroupProperties {
            properties: vec![property("History", value)],
            welcome_note: None,
        }),
        own: Vec::new(),
    };
    assert_eq!(code(&ask(&mut ada, set("T")).await), 200);
    assert_eq!(listed(history(&mut ada, &diary, None).await).messages.len(), 0, "from now on only");
    say(&mut ada, Recipient::Group(diary.clone()), "kept").await;
    // What was said outlasts a restart
    node.drain().await;
    let node = world.start(&north).await;
    crate::csp::reconnect(&mut ada).await;
    assert_eq!(listed(history(&mut ada, &diary, None).await).messages.len(), 1);
    assert_eq!(code(&ask(&mut ada, set("F")).await), 200);
    assert_eq!(code(&ask(&mut ada, set("T")).await), 200);
    assert_eq!(listed(history(&mut ada, &diary, None).await).messages.len(), 0);
    node.drain().await;
}
