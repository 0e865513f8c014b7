//! Group requests and notices at the door (reference ssp-behaviour §2).

use crate::imps::agreement::Service;
use crate::imps::primitive::{
    AddGroupMembersRequest, CreateGroupRequest, DeleteGroupRequest, GetGroupMembersRequest,
    GetGroupPropsRequest, GetJoinedUsersRequest, JoinGroupRequest, LeaveGroupRequest, MemberAccessRequest,
    RejectListRequest, RemoveGroupMembersRequest, ScreenName, SetGroupPropsRequest,
    SubscribeGroupNoticeRequest, User,
};
use crate::imps::status::Entity;
use crate::imps::{Code, Domain, GroupId, Primitive, UserId};

use super::{Door, Origin, Refused};
use crate::relay::events;

/// The addresses in a request about a group.
struct Addresses<'p> {
    group: &'p mut GroupId,
    names: Vec<&'p mut ScreenName>,
    users: Vec<&'p mut Vec<UserId>>,
}

/// `None`: no request about a group.
fn addresses(primitive: &mut Primitive) -> Option<Addresses<'_>> {
    Some(match primitive {
        Primitive::CreateGroupRequest(CreateGroupRequest { group, screen_name, .. })
        | Primitive::JoinGroupRequest(JoinGroupRequest { group, screen_name, .. }) => {
            Addresses { group, names: screen_name.as_mut().into_iter().collect(), users: Vec::new() }
        }
        Primitive::DeleteGroupRequest(DeleteGroupRequest { group })
        | Primitive::GetGroupPropsRequest(GetGroupPropsRequest { group })
        | Primitive::SetGroupPropsRequest(SetGroupPropsRequest { group, .. })
        | Primitive::LeaveGroupRequest(LeaveGroupRequest { group })
        | Primitive::GetGroupMembersRequest(GetGroupMembersRequest { group })
        | Primitive::GetJoinedUsersRequest(GetJoinedUsersRequest { group })
        | Primitive::SubscribeGroupNoticeRequest(SubscribeGroupNoticeRequest { group, .. }) => {
            Addresses { group, names: Vec::new(), users: Vec::new() }
        }
        Primitive::AddGroupMembersRequest(AddGroupMembersRequest { group, users })
        | Primitive::RemoveGroupMembersRequest(RemoveGroupMembersRequest { group, users }) => {
            Addresses { group, names: Vec::new(), users: vec![users] }
        }
        Primitive::MemberAccessRequest(MemberAccessRequest { group, members }) => {
            let users = vec![&mut members.admins, &mut members.moderators, &mut members.users];
            Addresses { group, names: Vec::new(), users }
        }
        Primitive::RejectListRequest(RejectListRequest { group, add, remove }) => {
            let names = add.names.iter_mut().chain(&mut remove.names).collect();
            Addresses { group, names, users: vec![&mut add.users, &mut remove.users] }
        }
        _ => return None,
    })
}

/// The group that a request is about.
pub(crate) fn group_of(request: &Primitive) -> Option<&GroupId> {
    Some(match request {
        Primitive::CreateGroupRequest(request) => &request.group,
        Primitive::DeleteGroupRequest(request) => &request.group,
        Primitive::GetGroupPropsRequest(request) => &request.group,
        Primitive::SetGroupPropsRequest(request) => &request.group,
        Primitive::JoinGroupRequest(request) => &request.group,
        Primitive::LeaveGroupRequest(request) => &request.group,
        Primitive::GetGroupMembersRequest(request) => &request.group,
        Primitive::GetJoinedUsersRequest(request) => &request.group,
        Primitive::AddGroupMembersRequest(request) => &request.group,
        Primitive::RemoveGroupMembersRequest(request) => &request.group,
        Primitive::MemberAccessRequest(request) => &request.group,
        Primitive::RejectListRequest(request) => &request.group,
        Primitive::SubscribeGroupNoticeRequest(request) => &request.group,
        _ => return None,
    })
}

/// Gives every address its domain.
fn complete(addresses: &mut Addresses<'_>, home: &Domain) {
    *addresses.group = addresses.group.completed(home);
    for name in &mut addresses.names {
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
    Some(match found.names.iter().find(|name| name.group != *found.group) {
        Some(_) => Err(Refused::faulty(Code::BAD_PARAMETER, "the screen name stands in another group")),
        _ => Ok(()),
    })
}

/// A peer's request or notice about a group; `None`: it is none. A request is a user's of the peer, about
/// a group of ours; a notice is about a group of the peer, and for users of ours.
pub(super) fn from_peer(
    context: &Door<'_>,
    origin: &Origin,
    primitive: &mut Primitive,
    refused: &mut Vec<(Entity, Code)>,
) -> Option<Result<(), Refused>> {
    let peer = &context.agreement.domain;
    match primitive {
        Primitive::GroupChangeNotice(notice) => {
            notice.group = notice.group.completed(context.home);
            Some(told(context, Some(&notice.group), &mut notice.users, refused))
        }
        Primitive::LeaveGroupResponse(notice) => {
            notice.group = notice.group.take().map(|group| group.completed(context.home));
            Some(told(context, notice.group.as_ref(), &mut notice.users, refused))
        }
        other => {
            let mut found = addresses(other)?;
            complete(&mut found, peer);
            Some(asked(context, origin, &found))
        }
    }
}

fn asked(context: &Door<'_>, origin: &Origin, found: &Addresses<'_>) -> Result<(), Refused> {
    let peer = &context.agreement.domain;
    if !matches!(origin, Origin::Peer { user: Some(_), client_originated: true, .. }) {
        return Err(Refused::faulty(Code::BAD_REQUEST, "no user asks"));
    }
    let agreement = context.agreement;
    let hosted = agreement.hosts.contains(&Service::Group) && found.group.is_in(&agreement.domain);
    if !found.group.is_in(context.own) && !hosted {
        let what = format!("the group {} is not ours", found.group);
        return Err(Refused::new(Code::DOMAIN_NOT_SUPPORTED, events::Refused::Identity, what));
    }
    match found.names.iter().find(|name| name.group != *found.group) {
        Some(name) => {
            let entity = Entity::ScreenName(ScreenName::clone(name));
            Err(Refused::identity("the screen name in", entity, name.group.as_str(), peer))
        }
        _ => Ok(()),
    }
}

fn told(
    context: &Door<'_>,
    group: Option<&GroupId>,
    users: &mut Vec<User>,
    refused: &mut Vec<(Entity, Code)>,
) -> Result<(), Refused> {
    let peer = &context.agreement.domain;
    let Some(group) = group else {
        return Err(Refused::faulty(Code::BAD_REQUEST, "the notice names no group"));
    };
    // The element tells of groups of ours, and members elsewhere through us.
    let element = context.agreement.delegates.contains(&Service::Group) && group.is_in(context.own);
    if !element && !group.domain_str().is_some_and(|domain| context.vouches_for(domain)) {
        return Err(Refused::identity("the group", Entity::Group(group.clone()), group.as_str(), peer));
    }
    for user in users.iter_mut() {
        user.id = user.id.completed(context.home);
    }
    users.retain(|user| {
        let ours = element || user.id.is_in(context.own);
        if !ours {
            refused.push((Entity::User(user.id.clone()), Code::DOMAIN_NOT_SUPPORTED));
        }
        ours
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::{from_client, from_peer};
    use super::*;
    use crate::imps::agreement::{Agreement, Service};
    use crate::imps::primitive::{ClientId, GroupChangeNotice, LeaveGroupResponse, MetaInfo, Moves};
    use crate::imps::{Moment, ServiceId, Status};
    use crate::relay::admit::PeerContext;

    const CLUB: &str = "wv:/club@north.example";
    const LOBBY: &str = "wv:/lobby@south.example";

    fn north() -> Domain {
        "north.example".parse().unwrap()
    }

    fn meta(user: Option<&str>) -> MetaInfo {
        MetaInfo {
            client_originated: user.is_some(),
            service: ServiceId::of("south.example".parse().unwrap()),
            user: user.map(|user| User::from(user.parse::<UserId>().unwrap())),
        }
    }

    fn arrive(meta: &MetaInfo, primitive: impl Into<Primitive>) -> Result<(Primitive, usize), u16> {
        let services = [Service::Group].into();
        let agreement = Agreement { services, ..Agreement::with("south.example".parse().unwrap()) };
        let own = north();
        let context = PeerContext { own: &own, agreement: &agreement };
        let admitted = from_peer(&context, Some(meta), primitive.into(), Moment::default());
        let (_, primitive, refused) = admitted.map_err(|refused| refused.status.code.get())?.into_parts();
        Ok((primitive, refused.len()))
    }

    fn join(group: &str, name_in: &str) -> JoinGroupRequest {
        JoinGroupRequest {
            group: group.parse().unwrap(),
            screen_name: Some(ScreenName { name: "Bo".into(), group: name_in.parse().unwrap() }),
            joined_request: false,
            subscribe: false,
            own: Vec::new(),
        }
    }

    fn code(result: Result<(Primitive, usize), u16>) -> u16 {
        result.map_or_else(|code| code, |_| 200)
    }

    #[test]
    fn a_request_of_a_peer_is_its_users_and_about_a_group_of_ours() {
        let bo = meta(Some("wv:bo@south.example"));
        assert_eq!(code(arrive(&bo, join(CLUB, CLUB))), 200);
        assert_eq!(code(arrive(&bo, join(LOBBY, LOBBY))), 516);
        assert_eq!(code(arrive(&bo, join("/club", "/club"))), 516, "without domain it is the peer's");
        assert_eq!(code(arrive(&bo, join(CLUB, LOBBY))), 901, "the name stands in another group");
        assert_eq!(code(arrive(&meta(None), join(CLUB, CLUB))), 400, "nobody asks");
        assert_eq!(code(arrive(&meta(Some("wv:ada@north.example")), join(CLUB, CLUB))), 901);
    }

    #[test]
    fn a_notice_is_about_a_group_of_the_peer_and_for_users_of_ours() {
        let users = ["wv:ada@north.example", "wv:bo@south.example", "wv:cy"];
        let users: Vec<User> = users.iter().map(|user| User::from(user.parse::<UserId>().unwrap())).collect();
        let change = |group: &str| GroupChangeNotice {
            group: group.parse().unwrap(),
            users: users.clone(),
            moves: Moves::default(),
            properties: None,
            own: Vec::new(),
        };
        let (admitted, refused) = arrive(&meta(None), Box::new(change(LOBBY))).unwrap();
        let Primitive::GroupChangeNotice(notice) = admitted else { panic!() };
        assert_eq!((notice.users.len(), refused), (1, 2));
        assert_eq!(code(arrive(&meta(None), Box::new(change(CLUB)))), 901);
        assert_eq!(code(arrive(&meta(None), Box::new(change("wv:/x@east.example")))), 901);
        let out = |group: Option<&str>| LeaveGroupResponse {
            group: group.map(|group| group.parse().unwrap()),
            result: Status::ok(),
            users: users.clone(),
        };
        assert_eq!(code(arrive(&meta(None), out(Some("/lobby")))), 200);
        assert_eq!(code(arrive(&meta(None), out(None))), 400);
        assert_eq!(code(arrive(&meta(None), out(Some(CLUB)))), 901);
    }

    #[test]
    fn what_a_client_leaves_out_of_an_address_is_its_home() {
        let ask = |primitive: Primitive| {
            let ada = "wv:ada@north.example".parse().unwrap();
            from_client(&ada, &ClientId::default(), &north(), primitive).map_err(|no| no.status.code.get())
        };
        let admitted = ask(join("/club", "/club").into()).unwrap();
        let Primitive::JoinGroupRequest(request) = admitted.primitive() else { panic!() };
        assert_eq!(
            (request.group.as_str(), request.screen_name.as_ref().unwrap().group.as_str()),
            (CLUB, CLUB)
        );
        assert_eq!(ask(join("/club", LOBBY).into()).unwrap_err(), 402);
        let reject = RejectListRequest {
            group: "/club".parse().unwrap(),
            add: vec!["cy".parse().unwrap()].into(),
            remove: vec!["bo@south.example".parse().unwrap()].into(),
        };
        let admitted = ask(reject.into()).unwrap();
        let Primitive::RejectListRequest(request) = admitted.primitive() else { panic!() };
        assert_eq!(request.add.users[0].as_str(), "wv:cy@north.example");
        let kick = LeaveGroupResponse { group: None, result: Status::ok(), users: Vec::new() };
        assert_eq!(ask(kick.into()).unwrap_err(), 400, "only servers say so");
    }
}
