//! Group requests and notices at the door (reference ssp-behaviour §2).

use crate::imps::primitive::{
    AddGroupMembersRequest, CreateGroupRequest, DeleteGroupRequest, GetGroupMembersRequest,
    GetGroupPropsRequest, GetJoinedUsersRequest, JoinGroupRequest, LeaveGroupRequest, MemberAccessRequest,
    RejectListRequest, RemoveGroupMembersRequest, ScreenName, SetGroupPropsRequest,
    SubscribeGroupNoticeRequest, User,
};
use crate::imps::status::Entity;
use crate::imps::{Code, Domain, GroupId, Primitive, UserId};

use super::{Origin, PeerContext, Refused};
use crate::relay::events;

/// The addresses in a request about a group.
struct Addresses<'p> {
    group: &'p mut GroupId,
    name: Option<&'p mut ScreenName>,
    users: Vec<&'p mut Vec<UserId>>,
}

/// `None`: no request about a group.
fn addresses(primitive: &mut Primitive) -> Option<Addresses<'_>> {
    Some(match primitive {
        Primitive::CreateGroupRequest(CreateGroupRequest { group, screen_name, .. })
        | Primitive::JoinGroupRequest(JoinGroupRequest { group, screen_name, .. }) => {
            Addresses { group, name: screen_name.as_mut(), users: Vec::new() }
        }
        Primitive::DeleteGroupRequest(DeleteGroupRequest { group })
        | Primitive::GetGroupPropsRequest(GetGroupPropsRequest { group })
        | Primitive::SetGroupPropsRequest(SetGroupPropsRequest { group, .. })
        | Primitive::LeaveGroupRequest(LeaveGroupRequest { group })
        | Primitive::GetGroupMembersRequest(GetGroupMembersRequest { group })
        | Primitive::GetJoinedUsersRequest(GetJoinedUsersRequest { group })
        | Primitive::SubscribeGroupNoticeRequest(SubscribeGroupNoticeRequest { group, .. }) => {
            Addresses { group, name: None, users: Vec::new() }
        }
        Primitive::AddGroupMembersRequest(AddGroupMembersRequest { group, users })
        | Primitive::RemoveGroupMembersRequest(RemoveGroupMembersRequest { group, users }) => {
            Addresses { group, name: None, users: vec![users] }
        }
        Primitive::MemberAccessRequest(MemberAccessRequest { group, members }) => {
            let users = vec![&mut members.admins, &mut members.moderators, &mut members.users];
            Addresses { group, name: None, users }
        }
        Primitive::RejectListRequest(RejectListRequest { group, add, remove }) => {
            Addresses { group, name: None, users: vec![add, remove] }
        }
        _ => return None,
    })
}

/// Gives every address its domain.
fn complete(addresses: &mut Addresses<'_>, home: &Domain) {
    *addresses.group = addresses.group.completed(home);
    if let Some(name) = &mut addresses.name {
        name.group = name.group.completed(home);
    }
    for user in addresses.users.iter_mut().flat_map(|users| users.iter_mut()) {
        *user = user.completed(home);
    }
}

/// A client's request about a group; `None`: it is none. A screen name is one in the group that is meant.
pub(super) fn from_client(primitive: &mut Primitive, home: &Domain) -> Option<Result<(), Refused>> {
    let mut found = addresses(primitive)?;
    complete(&mut found, home);
    Some(match &found.name {
        Some(name) if name.group != *found.group => {
            Err(Refused::faulty(Code::BAD_PARAMETER, "the screen name stands in another group"))
        }
        _ => Ok(()),
    })
}

/// A peer's request or notice about a group; `None`: it is none. A request is a user's of the peer, about
/// a group of ours; a notice is about a group of the peer, and for users of ours.
pub(super) fn from_peer(
    context: &PeerContext<'_>,
    origin: &Origin,
    primitive: &mut Primitive,
    refused: &mut Vec<(Entity, Code)>,
) -> Option<Result<(), Refused>> {
    let peer = &context.agreement.domain;
    match primitive {
        Primitive::GroupChangeNotice(notice) => {
            notice.group = notice.group.completed(peer);
            Some(told(context, Some(&notice.group), &mut notice.users, refused))
        }
        Primitive::LeaveGroupResponse(notice) => {
            notice.group = notice.group.take().map(|group| group.completed(peer));
            Some(told(context, notice.group.as_ref(), &mut notice.users, refused))
        }
        other => {
            let mut found = addresses(other)?;
            complete(&mut found, peer);
            Some(asked(context, origin, &found))
        }
    }
}

fn asked(context: &PeerContext<'_>, origin: &Origin, found: &Addresses<'_>) -> Result<(), Refused> {
    let peer = &context.agreement.domain;
    if !matches!(origin, Origin::Peer { user: Some(_), client_originated: true, .. }) {
        return Err(Refused::faulty(Code::BAD_REQUEST, "no user asks"));
    }
    if !found.group.is_in(context.own) {
        let what = format!("the group {} is not ours", found.group);
        return Err(Refused::new(Code::DOMAIN_NOT_SUPPORTED, events::Refused::Identity, what));
    }
    match &found.name {
        Some(name) if name.group != *found.group => {
            let entity = Entity::ScreenName(ScreenName::clone(name));
            Err(Refused::identity("the screen name in", entity, name.group.as_str(), peer))
        }
        _ => Ok(()),
    }
}

fn told(
    context: &PeerContext<'_>,
    group: Option<&GroupId>,
    users: &mut Vec<User>,
    refused: &mut Vec<(Entity, Code)>,
) -> Result<(), Refused> {
    let peer = &context.agreement.domain;
    let Some(group) = group else {
        return Err(Refused::faulty(Code::BAD_REQUEST, "the notice names no group"));
    };
    if !group.domain_str().is_some_and(|domain| context.vouches_for(domain)) {
        return Err(Refused::identity("the group", Entity::Group(group.clone()), group.as_str(), peer));
    }
    for user in users.iter_mut() {
        user.id = user.id.completed(peer);
    }
    users.retain(|user| {
        let ours = user.id.is_in(context.own);
        if !ours {
            refused.push((Entity::User(user.id.clone()), Code::DOMAIN_NOT_SUPPORTED));
        }
        ours
    });
    Ok(())
}
