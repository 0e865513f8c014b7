//! What clients of 1.3 may want to be told of a change of a group though they are not in it: that it is gone, who
//! has become a member of it, or another one (reference csp-messages §4, NotificationType).

use std::collections::BTreeSet;

use super::{Edit, Group, Rank};
use crate::imps::primitive::{NotificationRequest, NotificationType, User};
use crate::imps::{GroupId, Moment, UserId};

/// A notification about a group.
pub fn about(kind: NotificationType, group: &GroupId) -> NotificationRequest {
    NotificationRequest { group: Some(group.clone()), ..NotificationRequest::of(kind) }
}

/// Whom these edits of the group are news for, and what they are told. Whoever is made a member, is one no more, or
/// has another rank hears that; who looks after the group hears whose membership it was; and its members hear
/// that it is deleted (GD), or removed because nobody was in it (GR).
pub fn told(group: &Group, edits: &[Edit], now: Moment) -> Vec<(UserId, NotificationRequest)> {
    let mut told = Vec::new();
    let mut changed: BTreeSet<&UserId> = BTreeSet::new();
    for edit in edits {
        match edit {
            Edit::Rank(user, rank) => {
                let kind = match (group.rank(user), rank) {
                    (None, Some(_)) => NotificationType::GroupMembershipGranted,
                    (Some(_), None) => NotificationType::GroupMembershipRevoked,
                    (Some(old), Some(new)) if old != *new => NotificationType::GroupMemberAccessUpdated,
                    _ => continue,
                };
                changed.insert(user);
                told.push((user.clone(), about(kind, &group.id)));
            }
            Edit::Delete => {
                let is_over = edits.len() > 1 || group.ends.is_some_and(|ends| ends <= now);
                let kind =
                    if is_over { NotificationType::GroupRemoved } else { NotificationType::GroupDeleted };
                let members: BTreeSet<&UserId> = group.members.keys().chain([&group.owner]).collect();
                told.extend(members.into_iter().map(|user| (user.clone(), about(kind, &group.id))));
            }
            _ => {}
        }
    }
    if !changed.is_empty() {
        let after = group.after(edits);
        let request = NotificationRequest {
            members: changed.iter().map(|user| User::from((*user).clone())).collect(),
            ..about(NotificationType::GroupMembersUpdated, &group.id)
        };
        let keepers: BTreeSet<&UserId> = after.members.keys().chain([&after.owner]).collect();
        let keepers = keepers.into_iter().filter(|user| after.rank(user) >= Some(Rank::Moderator));
        told.extend(keepers.map(|user| (user.clone(), request.clone())));
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Moment = Moment::from_millis(5000);

    fn id(name: &str) -> UserId {
        format!("wv:{name}@north.example").parse().unwrap()
    }

    fn group() -> Group {
        let mut group = Group::new("wv:ada/chess@north.example".parse().unwrap(), id("ada")).unwrap();
        group.members.insert(id("bo"), Rank::User);
        group.members.insert(id("mo"), Rank::Moderator);
        group
    }

    /// Who hears what, in order.
    fn heard(group: &Group, edits: &[Edit]) -> Vec<String> {
        let told = told(group, edits, NOW);
        told.iter().map(|(user, request)| format!("{} {}", user.local(), request.kind.as_str())).collect()
    }

    #[test]
    fn members_hear_what_they_are_and_who_looks_after_the_group_hears_of_them() {
        let made = [Edit::Rank(id("cy"), Some(Rank::User)), Edit::Rank(id("ada"), Some(Rank::Admin))];
        assert_eq!(heard(&group(), &made), ["cy GMG", "ada GMU", "mo GMU"]);
        let [.., (_, request)] = &told(&group(), &made, NOW)[..] else { panic!() };
        assert_eq!(request.members, [User::from(id("cy"))]);
        assert_eq!(heard(&group(), &[Edit::Rank(id("mo"), None)]), ["mo GMR", "ada GMU"]);
        let raised = [Edit::Rank(id("bo"), Some(Rank::Moderator))];
        assert_eq!(heard(&group(), &raised), ["bo GMAU", "ada GMU", "bo GMU", "mo GMU"]);
        assert_eq!(heard(&group(), &[Edit::Rejected(id("cy"), true), Edit::Ends(None)]), [""; 0]);
    }

    #[test]
    fn members_hear_that_their_group_is_deleted_or_over() {
        assert_eq!(heard(&group(), &[Edit::Delete]), ["ada GD", "bo GD", "mo GD"]);
        let left = [Edit::Exit(User::from(id("ada"))), Edit::Delete];
        assert_eq!(heard(&group(), &left), ["ada GR", "bo GR", "mo GR"]);
        let over = Group { ends: Some(NOW), ..group() };
        assert_eq!(heard(&over, &[Edit::Delete]), ["ada GR", "bo GR", "mo GR"]);
        let pending = Group { ends: Some(Moment::from_millis(9000)), ..group() };
        assert_eq!(heard(&pending, &[Edit::Delete])[0], "ada GD");
    }
}
