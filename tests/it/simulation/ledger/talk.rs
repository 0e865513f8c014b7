//! Who is in which group, and who has to hear what is said there.

use std::collections::BTreeMap;
use std::time::Duration;

use causeway::imps::{GroupId, UserId};

use super::switch::Switch;

/// Memberships.
#[derive(Default)]
pub(super) struct Talks {
    inside: BTreeMap<(UserId, GroupId), Switch>,
}

impl Talks {
    pub(super) fn of(&mut self, user: &UserId, group: &GroupId) -> &mut Switch {
        self.inside.entry((user.clone(), group.clone())).or_default()
    }

    /// Every membership of a user.
    pub(super) fn of_user(&mut self, user: &UserId) -> impl Iterator<Item = &mut Switch> {
        let user = user.clone();
        self.inside.iter_mut().filter(move |((who, _), _)| *who == user).map(|(_, switch)| switch)
    }

    /// Those who may have heard what was said from then on.
    pub(super) fn may_hear(&self, user: &UserId, group: &GroupId, from: Duration, to: Duration) -> bool {
        let key = (user.clone(), group.clone());
        self.inside.get(&key).is_some_and(|inside| inside.may_be_on(from, to))
    }

    /// Those who have been in since before then, up to now.
    pub(super) fn must_hear(&self, group: &GroupId, since: Duration) -> Vec<UserId> {
        let all = self.inside.iter().filter(|((_, of), inside)| {
            of == group && inside.surely_on_since().is_some_and(|begin| begin < since)
        });
        all.map(|((user, _), _)| user.clone()).collect()
    }
}
