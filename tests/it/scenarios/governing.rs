//! A group that is governed from another provider: everything its owner may do, and what others may not.

use causeway::cli::phone::Phone;
use causeway::imps::primitive::{
    AddGroupMembersRequest, DeleteGroupRequest, GetGroupMembersRequest, MemberAccessRequest, NoticeWish,
    Ranks, RejectListRequest, RemoveGroupMembersRequest, SubscribeGroupNoticeRequest,
};
use causeway::imps::status::Entity;
use causeway::imps::{Code, Primitive, UserId, Version};
use causeway::wire::Encoding;

use super::groups::{code, create, group, join, join_request, linked, notice, put_out};
use crate::csp::ask;
use crate::world::{World, manner};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_owner_elsewhere_governs_its_group() {
    for (number, version) in [Version::V1_1, Version::V1_2, Version::V1_3].into_iter().enumerate() {
        let world = World::new().await;
        let (one, other) = (format!("north{number}.rule.example"), format!("south{number}.rule.example"));
        let ((north, north_node), (south, south_node)) = linked(&world, &one, &other).await;
        // Given a restricted group in the north whose owner is at home in the south
        let mut bo = south.phone("bo", manner(version, Encoding::Wbxml)).await;
        let mut di = south.phone("di", manner(version, Encoding::Xml)).await;
        let mut ada = north.phone("ada", manner(Version::V1_2, Encoding::Xml)).await;
        let [ada_id, bo_id, di_id] = [&ada, &bo, &di].map(|phone| phone.user().clone());
        let guild = group(&format!("wv:/guild@{one}"));
        assert_eq!(code(&create(&mut bo, &guild, "Master", &[("AccessType", "Restricted")]).await), 200);
        assert_eq!(code(&ask(&mut ada, join_request(&guild, "Apprentice")).await), 816);
        // When the owner makes members of users of both providers, they come in
        let add = AddGroupMembersRequest { group: guild.clone(), users: vec![ada_id.clone(), di_id.clone()] };
        assert_eq!(code(&ask(&mut bo, add.clone()).await), 200);
        assert_eq!(code(&ask(&mut ada, add.clone()).await), 816, "members do not make members");
        join(&mut ada, &guild, "Apprentice").await;
        assert_eq!(notice(&mut bo).await.moves.joined[0].name.as_deref(), Some("Apprentice"));
        join(&mut di, &guild, "Diver").await;
        for phone in [&mut ada, &mut bo] {
            assert_eq!(notice(phone).await.moves.joined[0].name.as_deref(), Some("Diver"));
        }
        // And gives a rank, which everybody with the right to see it sees
        let ranks = Ranks { moderators: vec![ada_id.clone()], ..Ranks::default() };
        let access = MemberAccessRequest { group: guild.clone(), members: ranks };
        assert_eq!(code(&ask(&mut di, access.clone()).await), 816);
        assert_eq!(code(&ask(&mut bo, access).await), 200);
        assert_eq!(notice(&mut ada).await.own[0].value.as_deref(), Some("Mod"));
        let members = members(&mut bo, &guild).await;
        assert_eq!((members.admins, members.moderators), (vec![bo_id.clone()], vec![ada_id.clone()]));
        assert_eq!(members.users, std::slice::from_ref(&di_id));
        // Then one who is rejected is out, stands on the list, and comes back when taken off it
        let reject = |add: &[UserId], remove: &[UserId]| RejectListRequest {
            group: guild.clone(),
            add: add.to_vec().into(),
            remove: remove.to_vec().into(),
        };
        let answer = ask(&mut bo, reject(std::slice::from_ref(&ada_id), &[])).await;
        let Primitive::RejectListResponse(list) = answer else { panic!("{answer:?}") };
        assert_eq!(list.users, std::slice::from_ref(&ada_id));
        assert_eq!(put_out(&mut ada).await.result.code, Code::REJECTED_FROM_GROUP);
        for phone in [&mut bo, &mut di] {
            assert_eq!(&*notice(phone).await.moves.left[0], "Apprentice");
        }
        assert_eq!(code(&ask(&mut ada, join_request(&guild, "Apprentice")).await), 809);
        let answer = ask(&mut bo, reject(&[], std::slice::from_ref(&ada_id))).await;
        let Primitive::RejectListResponse(list) = answer else { panic!("{answer:?}") };
        assert!(list.users.is_empty());
        // One who is no member any more does not come in again; who never was one is named
        let ghost: UserId = format!("wv:ghost@{one}").parse().unwrap();
        let remove =
            RemoveGroupMembersRequest { group: guild.clone(), users: vec![di_id.clone(), ghost.clone()] };
        let half = ask(&mut bo, remove).await;
        assert_eq!(code(&half), 201);
        assert_eq!(half.status().unwrap().details[0].entities, [Entity::User(ghost)]);
        // Who wants no notices is asked what it wants, and gets none
        let wish = |wish| SubscribeGroupNoticeRequest { group: guild.clone(), wish };
        for (set, expected) in [(NoticeWish::Unset, false), (NoticeWish::Set, true)] {
            assert_eq!(code(&ask(&mut bo, wish(set)).await), 200);
            let answer = ask(&mut bo, wish(NoticeWish::Get)).await;
            let Primitive::SubscribeGroupNoticeResponse(status) = answer else { panic!("{answer:?}") };
            assert_eq!(status.subscribed, expected);
        }
        // And the end of the group is its owner's to say
        assert_eq!(code(&ask(&mut di, DeleteGroupRequest { group: guild.clone() }).await), 816);
        assert_eq!(code(&ask(&mut bo, DeleteGroupRequest { group: guild.clone() }).await), 200);
        assert_eq!(code(&ask(&mut bo, join_request(&guild, "Master")).await), 800);
        north_node.drain().await;
        south_node.drain().await;
    }
}

async fn members(phone: &mut Phone, group: &causeway::imps::GroupId) -> Ranks {
    match ask(phone, GetGroupMembersRequest { group: group.clone() }).await {
        Primitive::GetGroupMembersResponse(answer) => answer.members,
        other => panic!("{other:?}"),
    }
}
