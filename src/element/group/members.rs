//! Members, their ranks, and those who may not join.

use std::collections::{BTreeMap, BTreeSet};

use super::{Decision, Edit, Group, LISTED_MAX, NAMED_MAX, Rank};
use crate::element::notify::Actor;
use crate::imps::primitive::{
    AddGroupMembersRequest, GetGroupMembersResponse, Listed, MemberAccessRequest, Moves, Property, Ranks,
    RejectListRequest, RejectListResponse, RemoveGroupMembersRequest,
};
use crate::imps::status::Entity;
use crate::imps::{Code, Moment, Status, UserId};

/// What becomes of each user that a request names.
type Outcomes = Vec<(Entity, Code)>;

fn entity(user: &UserId) -> Entity {
    Entity::User(user.clone())
}

/// Each user once; 402 for too many.
fn distinct<'u>(users: impl IntoIterator<Item = &'u UserId>) -> Result<BTreeSet<&'u UserId>, Code> {
    let users: BTreeSet<&UserId> = users.into_iter().collect();
    if users.len() > NAMED_MAX { Err(Code::BAD_PARAMETER) } else { Ok(users) }
}

/// The members by rank, for moderators and administrators (816).
pub fn members(group: &Group, actor: &Actor) -> Result<Decision, Code> {
    group.require(actor.id(), Rank::Moderator)?;
    let of = |rank: Rank| {
        let held = |user: &&UserId| group.rank(user) == Some(rank);
        group.members.keys().filter(held).cloned().collect::<Vec<_>>()
    };
    let members = Ranks { admins: of(Rank::Admin), moderators: of(Rank::Moderator), users: of(Rank::User) };
    Ok(Decision::answer(GetGroupMembersResponse { result: Status::ok(), members }))
}

/// Makes users members. `unknown` are those of our domains who do not exist: 531 each. 816 unless a
/// moderator asks.
pub fn add_members(
    group: &Group,
    actor: &Actor,
    request: &AddGroupMembersRequest,
    unknown: &[UserId],
) -> Result<Decision, Code> {
    group.require(actor.id(), Rank::Moderator)?;
    let mut outcomes: Outcomes = Vec::new();
    let mut edits = Vec::new();
    for user in distinct(&request.users)? {
        let code = if unknown.contains(user) {
            Code::UNKNOWN_USER
        } else if group.members.contains_key(user) {
            Code::SUCCESSFUL
        } else if group.members.len() + edits.len() >= LISTED_MAX {
            Code::TOO_MANY_CONTACTS
        } else {
            edits.push(Edit::Rank(user.clone(), Some(Rank::User)));
            Code::SUCCESSFUL
        };
        outcomes.push((entity(user), code));
    }
    Ok(Decision { edits, ..Decision::answer(Status::merge(outcomes)) })
}

/// Takes membership from users; who is in the group is put out (816). The owner stays, and moderators
/// remove nobody who stands above them: 816 each. Who is no member is 810.
pub fn remove_members(
    group: &Group,
    actor: &Actor,
    request: &RemoveGroupMembersRequest,
    now: Moment,
) -> Result<Decision, Code> {
    group.require(actor.id(), Rank::Moderator)?;
    let mut outcomes: Outcomes = Vec::new();
    let mut removed = BTreeSet::new();
    for user in distinct(&request.users)? {
        let inside = group.occupants.iter().any(|occupant| occupant.user.id == *user);
        let code = match group.rank(user) {
            None if !inside => Code::NOT_A_MEMBER,
            held if *user == group.owner || held > group.rank(actor.id()) => Code::GROUP_PRIVILEGES,
            _ => {
                removed.insert(user.clone());
                Code::SUCCESSFUL
            }
        };
        outcomes.push((entity(user), code));
    }
    let mut edits: Vec<Edit> = removed.iter().map(|user| Edit::Rank(user.clone(), None)).collect();
    edits.extend(uninvited(group, &removed));
    let (out, notices) =
        group.put_out(Code::GROUP_PRIVILEGES, |occupant| removed.contains(&occupant.user.id), now);
    edits.extend(out);
    Ok(Decision { edits, notices, answer: Status::merge(outcomes).into() })
}

/// Gives members other ranks, at the wish of an administrator (816). Who is no member is 810; the owner
/// stays an administrator: 816. Who is in the group hears of it.
pub fn access(group: &Group, actor: &Actor, request: &MemberAccessRequest) -> Result<Decision, Code> {
    group.require(actor.id(), Rank::Admin)?;
    let Ranks { admins, moderators, users } = &request.members;
    let mut outcomes: Outcomes = Vec::new();
    let mut edits = Vec::new();
    let mut notices = Vec::new();
    distinct(admins.iter().chain(moderators).chain(users))?;
    for (wanted, rank) in [(admins, Rank::Admin), (moderators, Rank::Moderator), (users, Rank::User)] {
        for user in wanted {
            let code = match group.rank(user) {
                None => Code::NOT_A_MEMBER,
                Some(held) if held == rank => Code::SUCCESSFUL,
                Some(_) if *user == group.owner => Code::GROUP_PRIVILEGES,
                Some(_) => {
                    edits.push(Edit::Rank(user.clone(), Some(rank)));
                    let level = Property::new("PrivilegeLevel", rank.as_str());
                    let only = Group {
                        occupants: group
                            .occupants
                            .iter()
                            .filter(|occupant| occupant.user.id == *user)
                            .cloned()
                            .collect(),
                        ..group.clone()
                    };
                    notices.extend(only.tell(Moves::default(), None, vec![level], None));
                    Code::SUCCESSFUL
                }
            };
            outcomes.push((entity(user), code));
        }
    }
    Ok(Decision { edits, notices, answer: Status::merge(outcomes).into() })
}

/// Whoever is removed or rejected needs another invitation.
fn uninvited<'g>(group: &'g Group, users: &'g BTreeSet<UserId>) -> impl Iterator<Item = Edit> + 'g {
    group.invited.intersection(users).map(|user| Edit::Invited(user.clone(), false))
}

/// Each user that a list means once, and how the list names it; 901 for each name that nobody bears, 402 for
/// too many.
fn listed<'u>(
    group: &'u Group,
    listed: &'u Listed,
    outcomes: &mut Outcomes,
) -> Result<BTreeMap<&'u UserId, Entity>, Code> {
    let mut users: BTreeMap<&UserId, Entity> =
        distinct(&listed.users)?.into_iter().map(|user| (user, entity(user))).collect();
    if users.len() + listed.names.len() > NAMED_MAX {
        return Err(Code::BAD_PARAMETER);
    }
    for name in &listed.names {
        let named = Entity::ScreenName(name.clone());
        match group.occupants.iter().find(|occupant| occupant.name == name.name) {
            Some(bearer) => {
                users.entry(&bearer.user.id).or_insert(named);
            }
            None => outcomes.push((named, Code::ADDRESS_ERROR)),
        }
    }
    Ok(users)
}

/// Changes and reads the list of those who may not join, for moderators (816). Who is put on it and is in
/// the group is put out (809). Who stands as high as the actor cannot be put on it. A screen name means who
/// bears it now, and that user is listed. Users of ours who do not exist (531) and names that nobody bears
/// (901) make the answer a Status, as far as the change goes through for the others.
pub fn reject(
    group: &Group,
    actor: &Actor,
    request: &RejectListRequest,
    unknown: &[UserId],
    now: Moment,
) -> Result<Decision, Code> {
    group.require(actor.id(), Rank::Moderator)?;
    let mut outcomes: Outcomes = Vec::new();
    let mut edits = Vec::new();
    let mut rejected = BTreeSet::new();
    for (user, named) in listed(group, &request.add, &mut outcomes)? {
        let code = if unknown.contains(user) {
            Code::UNKNOWN_USER
        } else if *user == group.owner || group.rank(user) >= group.rank(actor.id()) {
            Code::GROUP_PRIVILEGES
        } else if group.rejected.len() + edits.len() >= LISTED_MAX {
            Code::TOO_MANY_CONTACTS
        } else {
            if !group.rejected.contains(user) {
                edits.push(Edit::Rejected(user.clone(), true));
            }
            rejected.insert(user.clone());
            Code::SUCCESSFUL
        };
        outcomes.push((named, code));
    }
    for (user, named) in listed(group, &request.remove, &mut outcomes)? {
        if group.rejected.contains(user) && !rejected.contains(user) {
            edits.push(Edit::Rejected(user.clone(), false));
        }
        outcomes.push((named, Code::SUCCESSFUL));
    }
    edits.extend(uninvited(group, &rejected));
    let after = group.after(&edits);
    let (out, notices) =
        group.put_out(Code::REJECTED_FROM_GROUP, |occupant| rejected.contains(&occupant.user.id), now);
    edits.extend(out);
    let result = Status::merge(outcomes);
    let answer = if result.code == Code::SUCCESSFUL {
        RejectListResponse { result, users: after.rejected.into_iter().collect() }.into()
    } else {
        result.into()
    };
    Ok(Decision { answer, edits, notices })
}
