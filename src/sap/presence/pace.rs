//! The pace of notices: what a user publishes within two seconds is told at once and then once more, and
//! where it is at most once a minute (reference presence-attributes §3, *Rate*).
//!
//! What is held back is not kept anywhere: the watchers are told later what is true then. Only what is
//! published is held back. Who comes, goes, may see less or has just subscribed is told without delay.

use std::collections::HashMap;
use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;

use crate::element::presence::{Edit, Publisher};
use crate::imps::presence::{Attribute, AttributeName, AttributeSet};
use crate::imps::{Moment, UserId};
use crate::sap::Sap;

/// How far apart notices are that tell nothing new but where a user is.
const PLACES_APART: Duration = Duration::from_secs(60);
/// Where a user is.
const PLACES: &[AttributeName] = &[
    AttributeName::GeoLocation,
    AttributeName::Address,
    AttributeName::FreeTextLocation,
    AttributeName::Plmn,
];

/// Users whose watchers were told something within the last minute, or will be.
pub(in crate::sap) type Pace = HashMap<UserId, Beat>;

/// When the watchers of one user were told something, and when they will be.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::sap) struct Beat {
    told: Moment,
    due: Option<Moment>,
}

impl Beat {
    fn is_too_soon(self, apart: Duration, now: Moment) -> bool {
        self.told.after(apart) > now
    }

    fn later(&mut self, apart: Duration) {
        let due = self.told.after(apart);
        self.due = Some(self.due.map_or(due, |sooner| sooner.min(due)));
    }

    /// Whether something is due, which it is no more then.
    fn take_due(&mut self, now: Moment) -> bool {
        self.due.take_if(|due| *due <= now).is_some()
    }
}

impl Sap {
    fn pace(&self) -> MutexGuard<'_, Pace> {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the watchers were told something less than so long ago. What is held back for that has to be told
    /// [`Self::later`].
    pub(super) fn is_too_soon(&self, owner: &UserId, apart: Duration) -> bool {
        self.pace().get(owner).is_some_and(|beat| beat.is_too_soon(apart, self.now()))
    }

    /// Something is held back and is told so long after what was told last. Said when it is on disk and no sooner: on
    /// a slow disk it would be due before there is anything to tell, and never again.
    pub(super) fn later(&self, owner: &UserId, apart: Duration) {
        self.pace().entry(owner.clone()).or_default().later(apart);
    }

    /// Watchers who were told something before were told again. What was held back meanwhile stays due.
    pub(super) fn keep_pace(&self, owner: &UserId) {
        self.pace().entry(owner.clone()).or_default().told = self.now();
    }

    /// Tells what was held back and is due, and forgets what is long past.
    pub(in crate::sap) async fn sweep_pace(&self, now: Moment) {
        let mut due: Vec<UserId> = {
            let mut pace = self.pace();
            pace.retain(|_, beat| beat.due.is_some() || now.since(beat.told) < PLACES_APART);
            let beats = pace.iter_mut().filter_map(|(user, beat)| beat.take_due(now).then(|| user.clone()));
            beats.collect()
        };
        // In an order of their own, so that a simulation repeats itself.
        due.sort();
        for user in due {
            self.presence_changed(&user).await;
        }
    }

    /// Everything that was held back is due now.
    pub(in crate::sap) async fn hurry_pace(&self) {
        for beat in self.pace().values_mut().filter(|beat| beat.due.is_some()) {
            beat.due = Some(Moment::default());
        }
        self.sweep_pace(self.now()).await;
    }
}

/// How far apart notices of these steps are; `None` for steps that are told without delay.
pub(super) fn apart(before: &Publisher, edits: &[Edit], pause: Duration) -> Option<Duration> {
    let places: AttributeSet = PLACES.iter().copied().collect();
    let mut apart = Some(PLACES_APART.max(pause));
    for edit in edits {
        let Edit::Publish(published) = edit else { return None };
        // A client that is gone.
        if published.attributes.is_empty() {
            return None;
        }
        let old = before.of_client(&published.client).cloned().unwrap_or_default();
        let new = &published.attributes;
        let changed = |name: &AttributeName| {
            let named = |attribute: &&Attribute| attribute.name() == *name;
            !old.attributes.iter().filter(named).eq(new.attributes.iter().filter(named))
        };
        let changed: AttributeSet = AttributeName::ALL.iter().copied().filter(changed).collect();
        if !changed.without(places).is_empty() {
            apart = Some(pause);
        }
    }
    apart.filter(|_| !edits.is_empty())
}

#[cfg(test)]
mod tests {
    use super::{Beat, Duration, Moment};

    const PAUSE: Duration = Duration::from_secs(2);

    fn at(seconds: u64) -> Moment {
        Moment::default().after(Duration::from_secs(1000 + seconds))
    }

    #[test]
    fn what_is_held_back_stays_due_although_others_are_told_meanwhile() {
        let mut beat = Beat { told: at(0), due: None };
        assert!(beat.is_too_soon(PAUSE, at(1)));
        assert!(!beat.take_due(at(5)), "nothing is due before something is held back");
        beat.later(PAUSE);
        beat.told = at(6);
        assert!(beat.take_due(at(6)), "held back on a slow disk: due at once");
        assert!(!beat.take_due(at(9)), "and no more");
    }

    #[test]
    fn the_sooner_of_two_pauses_counts() {
        let mut beat = Beat { told: at(0), due: None };
        beat.later(super::PLACES_APART);
        beat.later(PAUSE);
        assert!(!beat.take_due(at(1)));
        assert!(beat.take_due(at(2)));
    }
}
