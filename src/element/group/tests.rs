//! Decisions of the group element, told as what happens in one group.

use super::*;
use crate::imps::primitive::{
    AddGroupMembersRequest, CreateGroupRequest, JoinGroupRequest, Listed, MemberAccessRequest, NoticeWish,
    Ranks, RejectListRequest, RemoveGroupMembersRequest, ScreenName, SetGroupPropsRequest,
};
use crate::imps::status::Entity;

const NOW: Moment = Moment::from_millis(1_000_000);
const ADA: &str = "wv:ada@north.example";
const BO: &str = "wv:bo@south.example";
const CY: &str = "wv:cy@north.example";
const DI: &str = "wv:di@south.example";

fn id() -> GroupId {
    "wv:ada/boats@north.example".parse().unwrap()
}

fn user_id(text: &str) -> UserId {
    text.parse().unwrap()
}

/// Users of the north are ours and have a session named like them.
fn actor(user: &str) -> Actor {
    with_client(user, "phone")
}

fn with_client(user: &str, client: &str) -> Actor {
    let ours = user.ends_with("@north.example");
    let client_id = ClientId { url: Some(client.into()), ..ClientId::default() };
    Actor {
        user: User { client: Some(client_id), ..User::from(user_id(user)) },
        session: ours.then(|| format!("{}-{client}", &user[3..5]).parse().unwrap()),
    }
}

use crate::imps::primitive::ClientId;

fn property(name: &str, value: &str) -> Property {
    Property::new(name, value)
}

fn create_request(properties: &[(&str, &str)]) -> CreateGroupRequest {
    CreateGroupRequest {
        group: id(),
        properties: Some(GroupProperties {
            properties: properties.iter().map(|(name, value)| property(name, value)).collect(),
            welcome_note: Some(WelcomeNote { content_type: "text/plain".into(), content: "Ahoy".into() }),
        }),
        own: Vec::new(),
        join: true,
        screen_name: Some(ScreenName { name: "Skipper".into(), group: id() }),
        subscribe: true,
    }
}

/// Ada's group, with Ada in it as Skipper.
fn boats(properties: &[(&str, &str)]) -> Group {
    create(&actor(ADA), &create_request(properties), 0, 0, NOW).unwrap().0
}

fn join_request(name: Option<&str>) -> JoinGroupRequest {
    JoinGroupRequest {
        group: id(),
        screen_name: name.map(|name| ScreenName { name: name.into(), group: id() }),
        joined_request: true,
        subscribe: true,
        own: Vec::new(),
    }
}

fn carry_out(group: &mut Group, decision: Decision) -> Decision {
    decision.edits.iter().for_each(|edit| group.apply(edit));
    decision
}

fn enter(group: &mut Group, who: &Actor, name: &str) -> Decision {
    let decision = join(group, who, &join_request(Some(name)), None).unwrap();
    carry_out(group, decision)
}

fn told(decision: &Decision) -> Vec<(&str, &str)> {
    let mut told = Vec::new();
    for notice in &decision.notices {
        told.extend(notice.to.iter().map(|user| (user.id.as_str(), notice.primitive.name())));
    }
    told
}

fn codes(answer: &Primitive) -> (u16, Vec<u16>) {
    let status = answer.status().cloned().unwrap_or_default();
    (status.code.get(), status.details.iter().map(|detail| detail.code.get()).collect())
}

#[test]
fn a_private_group_is_made_by_its_owner_and_a_public_one_by_anybody() {
    assert_eq!(
        create(&actor(CY), &create_request(&[]), 0, 0, NOW).map(|_| ()),
        Err(Code::GROUP_PRIVILEGES),
        "ada/… belongs to Ada"
    );
    let public =
        CreateGroupRequest { group: "wv:/lobby@north.example".parse().unwrap(), ..create_request(&[]) };
    let public = CreateGroupRequest { screen_name: None, ..public };
    let (group, _) = create(&actor(BO), &public, 0, 0, NOW).unwrap();
    assert_eq!((group.rank(&user_id(BO)), &*group.occupants[0].name), (Some(Rank::Admin), "bo"));
    for (owned, all, code) in [(GROUPS_OF_USER_MAX, 0, 814), (0, GROUPS_MAX, 815)] {
        let refused = create(&actor(ADA), &create_request(&[]), owned, all, NOW).map(|_| ());
        assert_eq!(refused.unwrap_err().get(), code);
    }
}

#[test]
fn properties_are_checked_by_name_and_value() {
    for (name, value, code) in [
        ("Accesstype", "open", 200),
        ("AccessType", "Ajar", 806),
        ("Colour", "red", 806),
        ("ActiveUsers", "7", 806),
        ("MaxActiveUsers", "many", 806),
        ("History", "T", 200),
        ("RequireInvitation", "perhaps", 806),
        ("MinimumAge", "18", 200),
        ("MinimumAge", "old", 806),
        ("Searchable", "T", 822),
        ("Topic", &"x".repeat(201), 806),
    ] {
        let made = create(&actor(ADA), &create_request(&[(name, value)]), 0, 0, NOW);
        assert_eq!(made.map_or_else(Code::get, |_| 200), code, "{name} = {value}");
    }
    let group = boats(&[("Accesstype", "restricted"), ("Name", "Boats"), ("searchable", "T")]);
    assert_eq!(group.properties["AccessType"].as_ref(), "Restricted");
    assert_eq!(group.properties["Searchable"].as_ref(), "T");
}

#[test]
fn joining_asks_in_the_order_of_the_reference() {
    let mut group = boats(&[("AccessType", "Restricted"), ("MaxActiveUsers", "2")]);
    group.rejected.insert(user_id(BO));
    let try_it = |group: &Group, user: &str, name: &str| {
        join(group, &actor(user), &join_request(Some(name)), None).map_or_else(Code::get, |_| 200)
    };
    assert_eq!(try_it(&group, BO, "Skipper"), 809, "rejected, whatever else");
    assert_eq!(try_it(&group, CY, "Skipper"), 816, "restricted, before the name");
    group.members.insert(user_id(CY), Rank::User);
    group.members.insert(user_id(DI), Rank::User);
    assert_eq!(try_it(&group, CY, "Skipper"), 811);
    enter(&mut group, &actor(CY), "Cook");
    assert_eq!(try_it(&group, DI, "Cook"), 811, "the name, before the number");
    assert_eq!(try_it(&group, DI, "Dee"), 817);
    assert_eq!(try_it(&group, CY, "Galley"), 200, "who is in may change");
    assert_eq!(try_it(&group, CY, ""), 402);
}

#[test]
fn who_joins_sees_who_is_in_and_those_who_are_in_hear_of_it() {
    let mut group = boats(&[]);
    let decision = enter(&mut group, &actor(BO), "Bosun");
    assert_eq!(told(&decision), [(ADA, "GroupChangeNotice")]);
    let Primitive::JoinGroupResponse(answer) = &decision.answer else { panic!() };
    let names: Vec<_> = answer.joined.iter().map(|found| found.name.as_deref().unwrap()).collect();
    assert_eq!(names, ["Skipper", "Bosun"]);
    assert!(answer.joined.iter().all(|found| found.user.is_none()), "nobody shows an address");
    assert!(answer.welcome_note.is_some());
    assert_eq!(answer.screen_name.as_ref().map(|name| &*name.name), Some("Bosun"));

    let again = enter(&mut group, &actor(BO), "Bo");
    assert_eq!(group.occupants.len(), 2, "the same client again is a change, not an error");
    let Primitive::GroupChangeNotice(notice) = &again.notices[0].primitive else { panic!() };
    assert_eq!((notice.moves.joined.len(), &*notice.moves.left[0]), (1, "Bosun"));
    let same = enter(&mut group, &actor(BO), "Bo");
    assert!(same.notices.is_empty(), "nothing changed for the others");
    let second = enter(&mut group, &with_client(BO, "desk"), "Bo");
    assert!(second.notices.is_empty(), "the name was there before");
    assert_eq!(group.occupants.len(), 3);
}

#[test]
fn without_a_name_the_group_picks_one() {
    let mut group = boats(&[]);
    enter(&mut group, &actor(CY), "di");
    let decision = join(&group, &actor(DI), &join_request(None), None).unwrap();
    let Primitive::JoinGroupResponse(answer) = &decision.answer else { panic!() };
    assert_eq!(answer.screen_name.as_ref().map(|name| &*name.name), Some("di2"));
}

#[test]
fn an_address_is_shown_by_those_who_wish_and_to_moderators() {
    let mut group = boats(&[]);
    let show = JoinGroupRequest { own: vec![property("ShowID", "T")], ..join_request(Some("Bosun")) };
    let decision = join(&group, &actor(BO), &show, None).unwrap();
    let decision = carry_out(&mut group, decision);
    let Primitive::GroupChangeNotice(notice) = &decision.notices[0].primitive else { panic!() };
    assert_eq!(notice.moves.joined[0].user, Some(user_id(BO)));
    enter(&mut group, &actor(CY), "Cook");
    let seen = |who: &str| match joined_users(&group, &actor(who)).unwrap().answer {
        Primitive::GetJoinedUsersResponse(answer) => answer.joined,
        other => panic!("{}", other.name()),
    };
    let plain = seen(CY);
    assert!(plain.admins.is_empty() && plain.users.len() == 3);
    assert_eq!(plain.users.iter().filter(|found| found.user.is_some()).count(), 1);
    let ranked = seen(ADA);
    assert_eq!((ranked.admins.len(), ranked.users.len()), (1, 2));
    assert!(ranked.users.iter().all(|found| found.user.is_some()));
    assert_eq!(joined_users(&group, &actor(DI)).unwrap_err(), Code::NOT_JOINED);
}

#[test]
fn leaving_is_heard_and_an_empty_group_may_end() {
    let mut group = boats(&[("AutoDelete", "T")]);
    enter(&mut group, &actor(BO), "Bosun");
    let decision = leave(&group, &actor(BO), NOW).unwrap();
    let decision = carry_out(&mut group, decision);
    assert_eq!(told(&decision), [(ADA, "GroupChangeNotice")]);
    assert_eq!(leave(&group, &actor(BO), NOW).unwrap_err(), Code::NOT_JOINED);
    let last = log_out(&group, &"ad-phone".parse().unwrap(), NOW).unwrap();
    assert_eq!(last.edits.last(), Some(&Edit::Delete));
    assert!(log_out(&group, &"other".parse().unwrap(), NOW).is_none());

    let mut later = boats(&[("AutoDelete", "T"), ("Validity", "60")]);
    let decision = leave(&later, &actor(ADA), NOW).unwrap();
    carry_out(&mut later, decision);
    assert_eq!(later.ends, Some(NOW.after(std::time::Duration::from_secs(60))));
    enter(&mut later, &actor(ADA), "Skipper");
    assert_eq!(later.ends, None, "it lives on");
}

#[test]
fn ranks_say_who_may_do_what() {
    let mut group = boats(&[]);
    let add = |users: &[&str]| AddGroupMembersRequest {
        group: id(),
        users: users.iter().map(|user| user_id(user)).collect(),
    };
    assert_eq!(add_members(&group, &actor(BO), &add(&[CY]), &[]).unwrap_err(), Code::GROUP_PRIVILEGES);
    let ghost = "wv:ghost@north.example";
    let decision = add_members(&group, &actor(ADA), &add(&[BO, CY, ghost]), &[user_id(ghost)]).unwrap();
    let decision = carry_out(&mut group, decision);
    assert_eq!(codes(&decision.answer), (201, vec![531]));

    let ranks = |moderators: &[&str], users: &[&str]| MemberAccessRequest {
        group: id(),
        members: Ranks {
            moderators: moderators.iter().map(|user| user_id(user)).collect(),
            users: users.iter().map(|user| user_id(user)).collect(),
            admins: Vec::new(),
        },
    };
    enter(&mut group, &actor(BO), "Bosun");
    let decision = access(&group, &actor(ADA), &ranks(&[BO, DI], &[ADA])).unwrap();
    let decision = carry_out(&mut group, decision);
    assert_eq!(codes(&decision.answer), (201, vec![810, 816]), "no member, and the owner");
    assert_eq!(told(&decision), [(BO, "GroupChangeNotice")]);
    assert_eq!(group.rank(&user_id(BO)), Some(Rank::Moderator));
    assert_eq!(access(&group, &actor(BO), &ranks(&[CY], &[])).unwrap_err(), Code::GROUP_PRIVILEGES);
    assert!(members(&group, &actor(BO)).is_ok());
    assert_eq!(members(&group, &actor(CY)).unwrap_err(), Code::GROUP_PRIVILEGES);
    assert_eq!(delete(&group, &actor(BO)).unwrap_err(), Code::GROUP_PRIVILEGES);
    let set = SetGroupPropsRequest {
        group: id(),
        properties: Some(GroupProperties {
            properties: vec![property("Topic", "Regatta")],
            ..GroupProperties::default()
        }),
        own: vec![property("AutoJoin", "T")],
    };
    let half = set_properties(&group, &actor(BO), &set).unwrap();
    assert_eq!(codes(&half.answer), (201, vec![816]));
    assert_eq!(half.edits, [Edit::Own(user_id(BO), property("AutoJoin", "T"))]);
    let whole = set_properties(&group, &actor(ADA), &set).unwrap();
    assert_eq!(told(&whole), [(BO, "GroupChangeNotice")]);
    let bare = SetGroupPropsRequest { own: Vec::new(), ..set };
    assert_eq!(set_properties(&group, &actor(BO), &bare).unwrap_err(), Code::GROUP_PRIVILEGES);
}

#[test]
fn who_is_rejected_or_removed_is_put_out_and_told_why() {
    let mut group = boats(&[]);
    enter(&mut group, &actor(BO), "Bosun");
    enter(&mut group, &actor(CY), "Cook");
    let reject_bo =
        RejectListRequest { group: id(), add: vec![user_id(BO)].into(), remove: Listed::default() };
    let decision = reject(&group, &actor(ADA), &reject_bo, &[], NOW).unwrap();
    let decision = carry_out(&mut group, decision);
    let Primitive::RejectListResponse(answer) = &decision.answer else { panic!() };
    assert_eq!(answer.users, [user_id(BO)]);
    let Primitive::LeaveGroupResponse(why) = &decision.notices[0].primitive else { panic!() };
    assert_eq!((why.result.code, decision.notices[0].to[0].id.as_str()), (Code::REJECTED_FROM_GROUP, BO));
    assert_eq!(told(&decision)[1..], [(ADA, "GroupChangeNotice"), (CY, "GroupChangeNotice")]);
    let again = RejectListRequest { group: id(), add: Listed::default(), remove: vec![user_id(BO)].into() };
    let decision = reject(&group, &actor(ADA), &again, &[], NOW).unwrap();
    carry_out(&mut group, decision);
    assert!(group.rejected.is_empty());
    let owner = RejectListRequest { group: id(), add: vec![user_id(ADA)].into(), remove: Listed::default() };
    assert_eq!(codes(&reject(&group, &actor(ADA), &owner, &[], NOW).unwrap().answer).0, 816);

    let name = |text: &str| ScreenName { name: text.into(), group: id() };
    let names = Listed { users: Vec::new(), names: vec![name("Cook"), name("Ghost")] };
    let by_name = RejectListRequest { group: id(), add: names, remove: Listed::default() };
    let decision = reject(&group, &actor(ADA), &by_name, &[], NOW).unwrap();
    let status = decision.answer.status().unwrap();
    assert_eq!(codes(&decision.answer), (201, vec![901]));
    assert_eq!(status.code_for(&Entity::ScreenName(name("Ghost"))), Code::ADDRESS_ERROR);
    assert!(decision.edits.contains(&Edit::Rejected(user_id(CY), true)));

    let remove = RemoveGroupMembersRequest { group: id(), users: vec![user_id(CY), user_id(DI)] };
    let decision = remove_members(&group, &actor(ADA), &remove, NOW).unwrap();
    let decision = carry_out(&mut group, decision);
    assert_eq!(codes(&decision.answer), (201, vec![810]));
    let Primitive::LeaveGroupResponse(why) = &decision.notices[0].primitive else { panic!() };
    assert_eq!((why.result.code, group.occupants.len()), (Code::GROUP_PRIVILEGES, 1));
}

#[test]
fn the_end_of_a_group_is_told_to_everybody_in_it() {
    let mut group = boats(&[]);
    enter(&mut group, &actor(BO), "Bosun");
    enter(&mut group, &actor(DI), "Dee");
    let decision = delete(&group, &actor(ADA)).unwrap();
    assert_eq!(decision.notices.len(), 2, "one for a session of ours, one for all the others");
    assert_eq!(decision.notices[1].to.len(), 2);
    assert!(decision.notices[1].to[0].client.is_some(), "which client of a peer's user");
    let Primitive::LeaveGroupResponse(why) = &decision.notices[0].primitive else { panic!() };
    assert_eq!(why.result.code, Code::NO_GROUP);
}

#[test]
fn notices_are_for_those_who_are_in_and_want_them() {
    let mut group = boats(&[]);
    let ask = |group: &Group, wish| subscription(group, &actor(BO), wish);
    assert_eq!(ask(&group, NoticeWish::Set).unwrap_err(), Code::NOT_JOINED);
    enter(&mut group, &actor(BO), "Bosun");
    let decision = ask(&group, NoticeWish::Unset).unwrap();
    carry_out(&mut group, decision);
    let Primitive::SubscribeGroupNoticeResponse(answer) = ask(&group, NoticeWish::Get).unwrap().answer else {
        panic!()
    };
    assert!(!answer.subscribed);
    assert_eq!(told(&enter(&mut group, &actor(CY), "Cook")), [(ADA, "GroupChangeNotice")]);
}

#[test]
fn a_message_is_heard_by_everybody_but_its_author() {
    let mut group = boats(&[]);
    assert_eq!(speak(&group, &actor(BO).user).unwrap_err(), Code::NOT_JOINED);
    enter(&mut group, &actor(BO), "Bosun");
    enter(&mut group, &actor(CY), "Cook");
    enter(&mut group, &with_client(CY, "desk"), "Cook");
    enter(&mut group, &actor(DI), "Dee");
    let heard = speak(&group, &actor(BO).user).unwrap();
    assert_eq!(&*heard.name, "Bosun");
    let here: Vec<_> = heard.here.iter().map(|(user, sessions)| (user.as_str(), sessions.len())).collect();
    assert_eq!(here, [(ADA, 1), (CY, 2)]);
    assert_eq!(heard.elsewhere, [user_id(DI)]);
}

#[test]
fn a_private_message_needs_a_name_and_the_leave_of_group_and_user() {
    let mut group = boats(&[]);
    enter(&mut group, &actor(BO), "Bosun");
    let whisper_to = |group: &Group, name: &str| {
        whisper(group, &actor(ADA).user, name)
            .map_or_else(Code::get, |heard| u16::try_from(heard.elsewhere.len()).unwrap())
    };
    assert_eq!(whisper_to(&group, "Nobody"), 410);
    assert_eq!(whisper_to(&group, "Bosun"), 1);
    group.apply(&Edit::Own(user_id(BO), property("PrivateMessaging", "F")));
    assert_eq!(whisper_to(&group, "Bosun"), 813);
    group.apply(&Edit::Property(property("PrivateMessaging", "F")));
    assert_eq!(whisper_to(&group, "Bosun"), 812);
    assert_eq!(whisper(&group, &actor(DI).user, "Bosun").unwrap_err(), Code::NOT_JOINED);
}

#[test]
fn who_may_not_change_the_group_sees_its_public_face() {
    let mut group = boats(&[("Topic", "Boats"), ("AutoDelete", "T")]);
    enter(&mut group, &actor(BO), "Bosun");
    let seen = |who: &str| match properties(&group, &actor(who)).answer {
        Primitive::GetGroupPropsResponse(answer) => (answer.properties.unwrap(), answer.own),
        other => panic!("{}", other.name()),
    };
    let value = |found: &[Property], name: &str| {
        found.iter().find(|property| *property.name == *name).and_then(|found| found.value.clone())
    };
    let (all, own) = seen(ADA);
    assert_eq!(value(&all.properties, "AutoDelete").as_deref(), Some("T"));
    assert!(all.welcome_note.is_some());
    assert_eq!(value(&own, "PrivilegeLevel").as_deref(), Some("Admin"));
    let (public, own) = seen(BO);
    assert_eq!(value(&public.properties, "AutoDelete"), None);
    assert_eq!(value(&public.properties, "ActiveUsers").as_deref(), Some("2"));
    assert_eq!(value(&public.properties, "Type").as_deref(), Some("Private"));
    assert_eq!(value(&own, "ScreenName").as_deref(), Some("Bosun"));
    assert_eq!(value(&own, "IsMember").as_deref(), Some("F"));
}

#[test]
fn who_wished_so_is_in_after_logging_in() {
    let mut group = boats(&[]);
    assert!(auto_join(&group, &actor(CY), None).is_none());
    group.apply(&Edit::Own(user_id(CY), property("AutoJoin", "T")));
    let decision = auto_join(&group, &actor(CY), None).unwrap();
    assert_eq!(told(&decision), [(ADA, "GroupChangeNotice"), (CY, "GroupChangeNotice")], "cy did not ask");
    group.rejected.insert(user_id(CY));
    assert!(auto_join(&group, &actor(CY), None).is_none());
}
