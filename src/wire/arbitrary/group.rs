//! Strategies for the group primitives: everything that any protocol and version can carry. What
//! one of them has no place for is taken out by [`fit_ssp`] and by the `fit` of CSP, which say so
//! independently of the tables.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use super::{content, group_id, screen_name, status, text, user, user_id};
use crate::imps::primitive::{
    AddGroupMembersRequest, CreateGroupRequest, DeleteGroupRequest, ExtendConversationRequest,
    ExtendConversationResponse, GetGroupMembersRequest, GetGroupMembersResponse, GetGroupPropsRequest,
    GetGroupPropsResponse, GetJoinedUsersRequest, GetJoinedUsersResponse, GetMapRequest, GetMapResponse,
    GroupChangeNotice, GroupProperties, JoinGroupRequest, JoinGroupResponse, JoinedUsers, LeaveGroupRequest,
    LeaveGroupResponse, Listed, Mapping, MemberAccessRequest, Moves, NoticeWish, Property, Ranks,
    RejectListRequest, RejectListResponse, RemoveGroupMembersRequest, SetGroupPropsRequest,
    SubscribeGroupNoticeRequest, SubscribeGroupNoticeResponse, User, WelcomeNote,
};
use crate::imps::{Primitive, UserId, Version};

fn property() -> BoxedStrategy<Property> {
    const NAMES: &[&str] = &["Name", "AccessType", "Type", "Topic", "History", "ShowID", "PrivateMessaging"];
    const VALUES: &[&str] = &["T", "F", "Open", "Restricted", "Private", "Admin", "25"];
    let name = prop_oneof![select(NAMES).prop_map(Box::from), text()];
    let value = prop_oneof![select(VALUES).prop_map(Box::from), text()];
    (name, option::of(value)).prop_map(|(name, value)| Property { name, value }).boxed()
}

fn own() -> BoxedStrategy<Vec<Property>> {
    vec(property(), 0..3).boxed()
}

fn note() -> BoxedStrategy<Option<WelcomeNote>> {
    let kinds: &[&str] = &["text/plain", "text/html", "image/png"];
    option::of(
        (select(kinds), content())
            .prop_map(|(kind, content)| WelcomeNote { content_type: kind.into(), content }),
    )
    .boxed()
}

fn properties() -> BoxedStrategy<Option<GroupProperties>> {
    let filled =
        (own(), note()).prop_map(|(properties, welcome_note)| GroupProperties { properties, welcome_note });
    option::of(filled).boxed()
}

fn mappings() -> BoxedStrategy<Vec<Mapping>> {
    let mapping = (text(), option::of(user_id())).prop_map(|(name, user)| Mapping { name: Some(name), user });
    vec(mapping, 0..3).boxed()
}

fn users() -> BoxedStrategy<Vec<UserId>> {
    vec(user_id(), 0..3).boxed()
}

fn listed() -> BoxedStrategy<Listed> {
    (users(), vec(screen_name(), 0..3)).prop_map(|(users, names)| Listed { users, names }).boxed()
}

fn ranks() -> BoxedStrategy<Ranks> {
    (users(), users(), users())
        .prop_map(|(admins, moderators, users)| Ranks { admins, moderators, users })
        .boxed()
}

fn moves() -> BoxedStrategy<Moves> {
    let gone = prop_oneof![
        text().prop_map(|name| Mapping { name: Some(name), user: None }),
        user_id().prop_map(|user| Mapping { name: None, user: Some(user) }),
    ];
    (mappings(), vec(text(), 0..3), mappings(), vec(gone, 0..3))
        .prop_map(|(joined, left, joined_blocked, left_blocked)| Moves {
            joined,
            left,
            joined_blocked,
            left_blocked,
        })
        .boxed()
}

fn requests() -> BoxedStrategy<Primitive> {
    let flags = || (any::<bool>(), any::<bool>());
    prop_oneof![
        (group_id(), properties(), own(), option::of(screen_name()), flags()).prop_map(
            |(group, properties, own, screen_name, (join, subscribe))| {
                CreateGroupRequest { group, properties, own, join, screen_name, subscribe }.into()
            }
        ),
        (group_id(), properties(), own()).prop_map(|(group, properties, own)| SetGroupPropsRequest {
            group,
            properties,
            own
        }
        .into()),
        (group_id(), option::of(screen_name()), own(), flags()).prop_map(
            |(group, screen_name, own, (joined_request, subscribe))| {
                JoinGroupRequest { group, screen_name, joined_request, subscribe, own }.into()
            }
        ),
        group_id().prop_map(|group| DeleteGroupRequest { group }.into()),
        group_id().prop_map(|group| GetGroupPropsRequest { group }.into()),
        group_id().prop_map(|group| LeaveGroupRequest { group }.into()),
        group_id().prop_map(|group| GetGroupMembersRequest { group }.into()),
        group_id().prop_map(|group| GetJoinedUsersRequest { group }.into()),
        (group_id(), users()).prop_map(|(group, users)| AddGroupMembersRequest { group, users }.into()),
        (group_id(), users()).prop_map(|(group, users)| RemoveGroupMembersRequest { group, users }.into()),
        (group_id(), ranks()).prop_map(|(group, members)| MemberAccessRequest { group, members }.into()),
        (group_id(), listed(), listed()).prop_map(|(group, add, remove)| RejectListRequest {
            group,
            add,
            remove
        }
        .into()),
        (group_id(), select(NoticeWish::ALL)).prop_map(|(group, wish)| SubscribeGroupNoticeRequest {
            group,
            wish
        }
        .into()),
        (group_id(), vec(user(), 0..3), moves(), properties(), own()).prop_map(
            |(group, users, moves, properties, own)| {
                Box::new(GroupChangeNotice { group, users, moves, properties, own }).into()
            }
        ),
    ]
    .boxed()
}

fn answers() -> BoxedStrategy<Primitive> {
    prop_oneof![
        (status(), properties(), own()).prop_map(|(result, properties, own)| GetGroupPropsResponse {
            result,
            properties,
            own
        }
        .into()),
        (status(), option::of(group_id()), mappings(), option::of(screen_name()), note()).prop_map(
            |(result, group, joined, screen_name, welcome_note)| {
                Box::new(JoinGroupResponse { result, group, joined, screen_name, welcome_note }).into()
            }
        ),
        (option::of(group_id()), status(), vec(user(), 0..3))
            .prop_map(|(group, result, users)| LeaveGroupResponse { group, result, users }.into()),
        (status(), ranks()).prop_map(|(result, members)| GetGroupMembersResponse { result, members }.into()),
        (status(), option::of(group_id()), mappings(), mappings(), mappings(), mappings()).prop_map(
            |(result, group, admins, moderators, users, blocked)| {
                let joined = JoinedUsers { admins, moderators, users };
                Box::new(GetJoinedUsersResponse { result, group, joined, blocked }).into()
            }
        ),
        (status(), users()).prop_map(|(result, users)| RejectListResponse { result, users }.into()),
        (status(), option::of(group_id()), any::<bool>()).prop_map(|(result, group, subscribed)| {
            SubscribeGroupNoticeResponse { result, group, subscribed }.into()
        }),
    ]
    .boxed()
}

/// What conversations become.
pub(crate) fn conversation() -> BoxedStrategy<Primitive> {
    let name = || "[A-Za-z0-9]{1,12}".prop_map(|text| text.parse().unwrap());
    let partner = (user_id(), option::of(super::client_id()))
        .prop_map(|(id, client)| User { client, ..User::from(id) });
    prop_oneof![
        (name(), users(), partner, any::<Option<bool>>(), note(), option::of(screen_name())).prop_map(
            |(id, users, partner, subscribe, welcome_note, screen_name)| {
                let request =
                    ExtendConversationRequest { id, users, partner, subscribe, welcome_note, screen_name };
                Box::new(request).into()
            }
        ),
        (name(), option::of(group_id()), option::of(text()), status()).prop_map(
            |(id, group, note, result)| {
                Box::new(ExtendConversationResponse { id, group, note, result }).into()
            }
        ),
        option::of(user_id()).prop_map(|user| GetMapRequest { user, attributes: None }.into()),
        (note(), option::of(text()))
            .prop_map(|(map, url)| { GetMapResponse { result: crate::imps::Status::ok(), map, url }.into() }),
    ]
    .boxed()
}

/// Every group primitive.
pub(crate) fn primitive() -> BoxedStrategy<Primitive> {
    prop_oneof![2 => requests(), 1 => answers()].boxed()
}

fn names_only(mappings: &mut [Mapping]) {
    for mapping in mappings {
        mapping.user = None;
    }
}

/// What SSP can carry (reference ssp-primitives §4).
pub(crate) fn fit_ssp(primitive: &mut Primitive) {
    match primitive {
        Primitive::JoinGroupResponse(it) => {
            (it.group, it.screen_name) = (None, None);
            names_only(&mut it.joined);
        }
        Primitive::GetJoinedUsersResponse(it) => it.group = None,
        Primitive::GroupChangeNotice(it) => names_only(&mut it.moves.joined),
        Primitive::RejectListRequest(it) => {
            it.add.names.clear();
            it.remove.names.clear();
        }
        _ => {}
    }
}

/// What a version of CSP can carry (reference csp-messages §8).
pub(crate) fn fit_csp(
    primitive: &mut Primitive,
    version: Version,
    fit_status: fn(&mut crate::imps::Status, Version),
) {
    let old = version < Version::V1_3;
    match primitive {
        Primitive::ExtendConversationResponse(it) => fit_status(&mut it.result, version),
        Primitive::CreateGroupRequest(it) if old => it.own.clear(),
        Primitive::JoinGroupRequest(it) if version == Version::V1_1 => it.own.clear(),
        Primitive::GetGroupPropsResponse(it) => it.result = crate::imps::Status::ok(),
        Primitive::GetGroupMembersResponse(it) => it.result = crate::imps::Status::ok(),
        Primitive::RejectListResponse(it) => it.result = crate::imps::Status::ok(),
        Primitive::SubscribeGroupNoticeResponse(it) => {
            (it.result, it.group) = (crate::imps::Status::ok(), None);
        }
        Primitive::JoinGroupResponse(it) => {
            it.result = crate::imps::Status::ok();
            if version == Version::V1_1 {
                names_only(&mut it.joined);
            }
            it.group = it.group.take().filter(|_| version == Version::V1_1 && !it.joined.is_empty());
            it.screen_name = it.screen_name.take().filter(|_| !old);
        }
        Primitive::LeaveGroupResponse(it) => {
            it.users.clear();
            fit_status(&mut it.result, version);
        }
        Primitive::GetJoinedUsersResponse(it) => {
            it.result = crate::imps::Status::ok();
            names_only(&mut it.blocked);
            if old {
                it.blocked.clear();
            }
            it.group = it.group.take().filter(|_| !it.blocked.is_empty());
        }
        Primitive::GroupChangeNotice(it) => {
            it.users.clear();
            let moves = &mut it.moves;
            names_only(&mut moves.joined_blocked);
            if version == Version::V1_1 {
                names_only(&mut moves.joined);
            }
            if old {
                moves.joined_blocked.clear();
                let gone = std::mem::take(&mut moves.left_blocked);
                moves.left.extend(gone.into_iter().filter_map(|mapping| mapping.name));
            }
        }
        _ => {}
    }
}
