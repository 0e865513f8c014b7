//! A conversation of two becomes a private group (1.3, ExtendConversation).
//!
//! The group lives at the home of whoever asks for it. It is restricted to those who are invited, each of whom
//! is a member from the beginning, and it ends a day after the last has left (reference csp-messages §7,
//! ssp-primitives §4.14).

use super::{Decision, Edit, Group, LISTED_MAX, NAMED_MAX, Rank, create};
use crate::element::notify::Actor;
use crate::imps::primitive::{
    AddGroupMembersRequest, CreateGroupRequest, ExtendConversationRequest, GroupProperties, InviteRequest,
    InviteType, Party, Property, Recipient, ScreenName, User,
};
use crate::imps::{Code, GroupId, Moment, UserId};

/// Seconds that the group outlives its last occupant: whoever was invited may still come.
const EMPTY_SECONDS: u32 = 86_400;

/// The address of a group that a conversation of this user becomes; `token` makes it unique. 901: the user
/// has no domain.
pub fn address(user: &UserId, token: &str) -> Result<GroupId, Code> {
    let domain = user.domain_str().ok_or(Code::ADDRESS_ERROR)?;
    format!("wv:{}/talk-{token}@{domain}", user.user()).parse().map_err(|_| Code::ADDRESS_ERROR)
}

/// The group that the conversation becomes, with the actor in it. 402: nobody, or too many, are to come;
/// otherwise what making a group may say.
pub fn extend(
    actor: &Actor,
    request: &ExtendConversationRequest,
    id: &GroupId,
    owned: u64,
    all: u64,
    now: Moment,
) -> Result<(Group, Decision), Code> {
    let others = others(actor, request)?;
    let (mut group, decision) = create(actor, &wanted(request, id), owned, all, now)?;
    for user in others {
        group.apply(&Edit::Rank(user.id, Some(Rank::User)));
    }
    Ok((group, decision))
}

/// What is asked of another provider that runs our groups, to make the same: the group, and its members.
pub fn asked(
    actor: &Actor,
    request: &ExtendConversationRequest,
    id: &GroupId,
) -> Result<(CreateGroupRequest, AddGroupMembersRequest), Code> {
    let users = others(actor, request)?.into_iter().map(|user| user.id).collect();
    Ok((wanted(request, id), AddGroupMembersRequest { group: id.clone(), users }))
}

fn wanted(request: &ExtendConversationRequest, id: &GroupId) -> CreateGroupRequest {
    let properties = [
        ("AccessType", "Restricted"),
        ("Type", "Private"),
        ("AutoDelete", "T"),
        ("Validity", &EMPTY_SECONDS.to_string()),
    ]
    .map(|(name, value)| Property::new(name, value))
    .to_vec();
    CreateGroupRequest {
        group: id.clone(),
        properties: Some(GroupProperties { properties, welcome_note: request.welcome_note.clone() }),
        own: Vec::new(),
        join: true,
        screen_name: request
            .screen_name
            .as_ref()
            .map(|name| ScreenName { name: name.name.clone(), group: id.clone() }),
        subscribe: request.subscribe == Some(true),
    }
}

/// Whom the conversation was with, and who else shall come, each once. 402: nobody, or too many.
fn others(actor: &Actor, request: &ExtendConversationRequest) -> Result<Vec<User>, Code> {
    let others = everybody_else(actor, request);
    if others.is_empty() || others.len() > NAMED_MAX.min(LISTED_MAX) {
        return Err(Code::BAD_PARAMETER);
    }
    Ok(others)
}

fn everybody_else(actor: &Actor, request: &ExtendConversationRequest) -> Vec<User> {
    let mut others: Vec<User> = Vec::new();
    let named = std::iter::once(request.partner.clone()).chain(request.users.iter().cloned().map(User::from));
    for user in named {
        if user.id != *actor.id() && !others.iter().any(|other| other.id == user.id) {
            others.push(user);
        }
    }
    others
}

/// The invitation of everybody else into the group.
pub fn invitation(actor: &Actor, request: &ExtendConversationRequest, id: &GroupId) -> InviteRequest {
    InviteRequest {
        id: request.id.clone(),
        kind: InviteType::ExtendConversation,
        sender: Some(Party::User(User { client: None, ..actor.user.clone() })),
        recipients: everybody_else(actor, request).into_iter().map(Recipient::User).collect(),
        application: None,
        group: Some(id.clone()),
        attributes: Vec::new(),
        urls: Vec::new(),
        note: None,
        screen_name: None,
        validity: Some(EMPTY_SECONDS),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::element::group::may_enter;

    const NOW: Moment = Moment::from_millis(0);

    fn user(name: &str) -> UserId {
        format!("wv:{name}@north.example").parse().unwrap()
    }

    fn request(users: &[&str], partner: &str) -> ExtendConversationRequest {
        ExtendConversationRequest {
            id: "x1".parse().unwrap(),
            users: users.iter().map(|name| user(name)).collect(),
            partner: user(partner).into(),
            subscribe: Some(true),
            welcome_note: None,
            screen_name: None,
        }
    }

    #[test]
    fn a_conversation_becomes_a_group_for_those_who_are_invited() {
        let actor = Actor { user: user("ada").into(), session: None };
        let id = address(actor.id(), "k7").unwrap();
        assert_eq!(id.as_str(), "wv:ada/talk-k7@north.example");
        let request = request(&["cy", "bo", "ada"], "bo");
        let (group, _) = extend(&actor, &request, &id, 0, 0, NOW).unwrap();
        assert!(group.occupant(&actor.user).is_some_and(|inside| inside.subscribed));
        assert_eq!(may_enter(&group, &user("bo"), None), Ok(()));
        assert_eq!(may_enter(&group, &user("eve"), None), Err(Code::GROUP_PRIVILEGES));
        let invited = invitation(&actor, &request, &id);
        assert_eq!((invited.kind, invited.recipients.len()), (InviteType::ExtendConversation, 2));
        assert_eq!(invited.group.as_ref(), Some(&id));
    }

    #[test]
    fn a_conversation_with_oneself_becomes_nothing() {
        let actor = Actor { user: user("ada").into(), session: None };
        let id = address(actor.id(), "k7").unwrap();
        let made = extend(&actor, &request(&[], "ada"), &id, 0, 0, NOW);
        assert_eq!(made.map(drop), Err(Code::BAD_PARAMETER));
    }
}
