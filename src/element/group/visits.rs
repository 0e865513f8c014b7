//! Coming into a group, being in it, and going out.

use super::entry::may_enter;
use super::properties::{self, own_edits};
use super::{Decision, Edit, Group, OCCUPANTS_MAX, Occupant, Rank, SCREEN_NAME_CHARACTERS_MAX, client};
use crate::element::notify::{Actor, Notify, Reach};
use crate::imps::primitive::{
    GetJoinedUsersResponse, GroupChangeNotice, JoinGroupRequest, JoinGroupResponse, JoinedUsers,
    LeaveGroupResponse, Mapping, Moves, NoticeWish, ScreenName, SubscribeGroupNoticeResponse,
};
use crate::imps::{Code, GroupId, Moment, Primitive, SessionId, Status, UserId};

/// Comes in, or changes name and notices of a client that is in already. In this order (reference
/// ssp-primitives §4.5): 809 rejected, 816 may not enter ([`may_enter`]), 811 the name is somebody else's;
/// then 817 full, 806 for own properties that are none. `age` is what the user's public profile says.
pub fn join(
    group: &Group,
    actor: &Actor,
    request: &JoinGroupRequest,
    age: Option<u8>,
) -> Result<Decision, Code> {
    let user = actor.id();
    may_enter(group, user, age)?;
    let before = group.occupant(client(actor));
    let taken =
        |name: &str| group.occupants.iter().any(|other| other.user.id != *user && *other.name == *name);
    let name: Box<str> = match (&request.screen_name, before) {
        (Some(wanted), _) => {
            let name = wanted.name.trim();
            let sane = !name.is_empty()
                && name.chars().count() <= SCREEN_NAME_CHARACTERS_MAX
                && !name.chars().any(char::is_control);
            if !sane {
                return Err(Code::BAD_PARAMETER);
            }
            if taken(name) {
                return Err(Code::SCREEN_NAME_IN_USE);
            }
            name.into()
        }
        (None, Some(before)) => before.name.clone(),
        (None, None) => {
            let stem: String = user.user().chars().take(SCREEN_NAME_CHARACTERS_MAX - 4).collect();
            let numbered = (2..).map(|number| format!("{stem}{number}"));
            let mut names = std::iter::once(stem.clone()).chain(numbered.take(OCCUPANTS_MAX));
            names.find(|name| !taken(name)).ok_or(Code::SCREEN_NAME_IN_USE)?.into()
        }
    };
    let most = group.properties.get(properties::MAX_ACTIVE_USERS).and_then(|text| text.parse().ok());
    let most = most.filter(|most| *most > 0).unwrap_or(OCCUPANTS_MAX).min(OCCUPANTS_MAX);
    if before.is_none() && group.occupants.len() >= most {
        return Err(Code::JOINED_USERS);
    }
    let mut edits = own_edits(group, actor, &request.own)?;
    edits.push(Edit::Enter(Occupant {
        user: client(actor).clone(),
        session: actor.session.clone(),
        name: name.clone(),
        subscribed: request.subscribe,
    }));
    edits.extend(group.ends.map(|_| Edit::Ends(None)));
    let after = group.after(&edits);
    // Who comes with a second client under the same name was there before.
    let left = group.gone(&after);
    let joined: Vec<Mapping> = match after.occupant(client(actor)) {
        Some(occupant) if !group.occupants.iter().any(|other| other.name == name) => {
            vec![after.shown(occupant, false)]
        }
        _ => Vec::new(),
    };
    let notices = if joined.is_empty() && left.is_empty() {
        Vec::new()
    } else {
        after.tell(Moves { joined, left, ..Moves::default() }, None, Vec::new(), Some(client(actor)))
    };
    let all = group.rank(user) >= Some(Rank::Moderator);
    let listed = after.occupants.iter().filter(|_| request.joined_request);
    let answer = JoinGroupResponse {
        result: Status::ok(),
        group: Some(group.id.clone()),
        joined: listed.map(|occupant| after.shown(occupant, all)).collect(),
        screen_name: Some(ScreenName { name, group: group.id.clone() }),
        welcome_note: group.welcome_note.clone(),
    };
    Ok(Decision { answer: Box::new(answer).into(), edits, notices })
}

/// What a client asks that comes in because its user always wants to be in.
pub fn auto_join_request(group: &GroupId) -> JoinGroupRequest {
    JoinGroupRequest {
        group: group.clone(),
        screen_name: None,
        joined_request: true,
        subscribe: true,
        own: Vec::new(),
    }
}

/// What that client is told, who did not ask: it is in, with these.
pub fn auto_joined(actor: &Actor, group: &GroupId, joined: Vec<Mapping>) -> Option<Notify> {
    let own = actor.id().domain()?;
    let moves = Moves { joined, ..Moves::default() };
    let notice = GroupChangeNotice {
        group: group.clone(),
        users: Vec::new(),
        moves,
        properties: None,
        own: Vec::new(),
    };
    Some(Notify {
        reach: Reach::Sessions(actor.session.iter().cloned().collect()),
        ..Notify::new(own, vec![actor.id().clone().into()], Box::new(notice))
    })
}

/// A user who wished so comes in because it logged in; `None` if that is not so, or not possible.
pub fn auto_join(group: &Group, actor: &Actor, age: Option<u8>) -> Option<Decision> {
    if !group.own_truth(actor.id(), properties::AUTO_JOIN, false) {
        return None;
    }
    let mut decision = join(group, actor, &auto_join_request(&group.id), age).ok()?;
    if let Primitive::JoinGroupResponse(response) = &mut decision.answer {
        let joined = std::mem::take(&mut response.joined);
        decision.notices.extend(auto_joined(actor, &group.id, joined));
    }
    Some(decision)
}

/// Goes out. 808: the client is not in.
pub fn leave(group: &Group, actor: &Actor, now: Moment) -> Result<Decision, Code> {
    group.occupant(client(actor)).ok_or(Code::NOT_JOINED)?;
    let answer =
        LeaveGroupResponse { group: Some(group.id.clone()), result: Status::ok(), users: Vec::new() };
    let (edits, notices) = silent(group, |occupant| occupant.is(client(actor)), now);
    Ok(Decision { answer: answer.into(), edits, notices })
}

/// The session of a client of ours is over; `None` if it was not in.
pub fn log_out(group: &Group, session: &SessionId, now: Moment) -> Option<Decision> {
    let (edits, notices) = silent(group, |occupant| occupant.session.as_ref() == Some(session), now);
    let answer = Status::new(Code::LEFT_BY_LOGOUT).into();
    if edits.is_empty() { None } else { Some(Decision { answer, edits, notices }) }
}

/// Puts out users who cannot be told any more what is said; `None` if none of them is in. They hear that as soon
/// as they can be told anything.
pub fn put_out_of_reach(group: &Group, users: &[UserId], now: Moment) -> Option<Decision> {
    let is_lost = |occupant: &Occupant| users.contains(&occupant.user.id);
    let (edits, notices) = group.put_out(Code::DOMAIN_NOT_SUPPORTED, is_lost, now);
    let answer = Status::ok().into();
    if edits.is_empty() { None } else { Some(Decision { answer, edits, notices }) }
}

/// Goes out without being told so.
fn silent(group: &Group, who: impl Fn(&Occupant) -> bool, now: Moment) -> (Vec<Edit>, Vec<Notify>) {
    let (edits, mut notices) = group.put_out(Code::SUCCESSFUL, who, now);
    notices.retain(|notice| !matches!(notice.primitive, Primitive::LeaveGroupResponse(_)));
    (edits, notices)
}

/// Who is in. By rank and with addresses for moderators and administrators; by name for the others, with
/// the addresses of those who show them. 808: neither in the group nor a moderator of it.
pub fn joined_users(group: &Group, actor: &Actor) -> Result<Decision, Code> {
    let all = group.rank(actor.id()) >= Some(Rank::Moderator);
    if !all && group.occupant(client(actor)).is_none() {
        return Err(Code::NOT_JOINED);
    }
    let of = |rank: Option<Rank>| {
        let found = group.occupants.iter().filter(|occupant| {
            let held = group.rank(&occupant.user.id).unwrap_or(Rank::User);
            rank.is_none_or(|rank| rank == held)
        });
        found.map(|occupant| group.shown(occupant, all)).collect::<Vec<_>>()
    };
    let joined = if all {
        JoinedUsers {
            admins: of(Some(Rank::Admin)),
            moderators: of(Some(Rank::Moderator)),
            users: of(Some(Rank::User)),
        }
    } else {
        JoinedUsers { users: of(None), ..JoinedUsers::default() }
    };
    let answer = GetJoinedUsersResponse {
        result: Status::ok(),
        group: Some(group.id.clone()),
        joined,
        blocked: Vec::new(),
    };
    Ok(Decision::answer(Box::new(answer)))
}

/// Whether changes are told to a client that is in, and from now on. 808: it is not in.
pub fn subscription(group: &Group, actor: &Actor, wish: NoticeWish) -> Result<Decision, Code> {
    let occupant = group.occupant(client(actor)).ok_or(Code::NOT_JOINED)?;
    let subscribed = match wish {
        NoticeWish::Get => {
            return Ok(Decision::answer(SubscribeGroupNoticeResponse {
                result: Status::ok(),
                group: Some(group.id.clone()),
                subscribed: occupant.subscribed,
            }));
        }
        NoticeWish::Set => true,
        NoticeWish::Unset => false,
    };
    let edits = if occupant.subscribed == subscribed {
        Vec::new()
    } else {
        vec![Edit::Enter(Occupant { subscribed, ..occupant.clone() })]
    };
    Ok(Decision { edits, ..Decision::answer(Status::ok()) })
}
