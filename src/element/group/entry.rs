//! Who may come into a group, and what an invitation into it is worth.
//!
//! Whoever is not rejected may enter an open group. A restricted one is for its members; one that requires
//! an invitation is for its members and for those who accepted one, of somebody who belongs to it; and one
//! with a minimum age is for those whose public profile says that they are old enough. Whoever looks after
//! the group may always enter (reference csp-messages §8, ssp-primitives §4.5).

use super::properties::{ACCESS_TYPE, MINIMUM_AGE, REQUIRE_INVITATION, RESTRICTED};
use super::{Decision, Edit, Group, LISTED_MAX, Rank};
use crate::imps::primitive::InviteType;
use crate::imps::{Code, Status, UserId};

/// The age from which users may enter; `None`: from any.
fn minimum_age(group: &Group) -> Option<u32> {
    group.properties.get(MINIMUM_AGE).and_then(|text| text.parse().ok()).filter(|age| *age > 0)
}

/// Whether the age of this user matters when it wants to enter.
pub fn needs_age(group: &Group, user: &UserId) -> bool {
    minimum_age(group).is_some() && group.rank(user) < Some(Rank::Moderator)
}

/// Whether a user may enter. 809: it is rejected. 816: it is no member and needs to be one, or to be invited,
/// or it is too young; an age that nobody said is too young.
pub fn may_enter(group: &Group, user: &UserId, age: Option<u8>) -> Result<(), Code> {
    if group.rejected.contains(user) {
        return Err(Code::REJECTED_FROM_GROUP);
    }
    let member = group.rank(user).is_some();
    let restricted = group.properties.get(ACCESS_TYPE).is_some_and(|access| **access == *RESTRICTED);
    let uninvited = group.truth(REQUIRE_INVITATION, false) && !group.invited.contains(user);
    if (restricted || uninvited) && !member {
        return Err(Code::GROUP_PRIVILEGES);
    }
    let young = |least: u32| age.is_none_or(|age| u32::from(age) < least);
    if needs_age(group, user) && minimum_age(group).is_some_and(young) {
        return Err(Code::GROUP_PRIVILEGES);
    }
    Ok(())
}

/// An invitation into the group was accepted; `None` if that changes nothing. Membership is given by
/// whoever may make members; leave to enter, where that is needed, by everybody who belongs to the group.
pub fn accepted(group: &Group, kind: InviteType, by: &UserId, guest: &UserId) -> Option<Decision> {
    let rank = group.rank(by);
    let edit = match kind {
        InviteType::Membership => {
            let may = rank >= Some(Rank::Moderator) && group.members.len() < LISTED_MAX;
            (may && group.rank(guest).is_none()).then(|| Edit::Rank(guest.clone(), Some(Rank::User)))
        }
        InviteType::Group | InviteType::ExtendConversation | InviteType::ExtendGroup => {
            let belongs = rank.is_some() || group.occupants.iter().any(|found| found.user.id == *by);
            let matters = group.truth(REQUIRE_INVITATION, false) && group.invited.len() < LISTED_MAX;
            let news = belongs && matters && !group.invited.contains(guest);
            news.then(|| Edit::Invited(guest.clone(), true))
        }
        InviteType::Message | InviteType::Presence | InviteType::Content | InviteType::Application => None,
    };
    edit.map(|edit| Decision { edits: vec![edit], ..Decision::answer(Status::ok()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str) -> UserId {
        format!("wv:{name}@north.example").parse().unwrap()
    }

    fn group(properties: &[(&str, &str)]) -> Group {
        let mut group = Group::new("wv:/club@north.example".parse().unwrap(), user("ada")).unwrap();
        group.properties = properties.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        group
    }

    #[test]
    fn by_invitation_only_is_for_members_and_those_who_accepted_one_of_theirs() {
        let mut group = group(&[(REQUIRE_INVITATION, "T")]);
        assert_eq!(may_enter(&group, &user("bo"), None), Err(Code::GROUP_PRIVILEGES));
        assert_eq!(may_enter(&group, &user("ada"), None), Ok(()), "who looks after it");
        let kind = InviteType::Group;
        assert_eq!(accepted(&group, kind, &user("cy"), &user("bo")), None, "cy does not belong to it");
        let decision = accepted(&group, kind, &user("ada"), &user("bo")).unwrap();
        group.apply_all(&decision.edits);
        assert_eq!(may_enter(&group, &user("bo"), None), Ok(()));
        assert_eq!(accepted(&group, kind, &user("ada"), &user("bo")), None, "nothing new");
        group.rejected.insert(user("bo"));
        assert_eq!(may_enter(&group, &user("bo"), None), Err(Code::REJECTED_FROM_GROUP));
    }

    #[test]
    fn an_open_group_remembers_no_invitations() {
        assert_eq!(accepted(&group(&[]), InviteType::Group, &user("ada"), &user("bo")), None);
    }

    #[test]
    fn membership_is_given_by_whoever_may_make_members() {
        let mut group = group(&[(ACCESS_TYPE, RESTRICTED)]);
        group.members.insert(user("cy"), Rank::User);
        let kind = InviteType::Membership;
        assert_eq!(accepted(&group, kind, &user("cy"), &user("bo")), None, "an ordinary member may not");
        let decision = accepted(&group, kind, &user("ada"), &user("bo")).unwrap();
        group.apply_all(&decision.edits);
        assert_eq!(group.rank(&user("bo")), Some(Rank::User));
        assert_eq!(accepted(&group, kind, &user("ada"), &user("bo")), None, "is a member by now");
        assert_eq!(accepted(&group, InviteType::Message, &user("ada"), &user("di")), None);
    }

    #[test]
    fn a_minimum_age_is_for_everybody_but_those_who_look_after_the_group() {
        let mut group = group(&[(MINIMUM_AGE, "18")]);
        group.members.insert(user("bo"), Rank::User);
        assert!(needs_age(&group, &user("bo")) && !needs_age(&group, &user("ada")));
        for (age, may) in [(None, false), (Some(17), false), (Some(18), true)] {
            assert_eq!(may_enter(&group, &user("bo"), age).is_ok(), may, "{age:?}");
        }
        assert_eq!(may_enter(&group, &user("ada"), None), Ok(()));
        group.properties.insert(MINIMUM_AGE.into(), "0".into());
        assert!(!needs_age(&group, &user("bo")));
    }
}
