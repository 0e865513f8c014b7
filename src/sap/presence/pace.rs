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

impl Sap {
    fn pace(&self) -> MutexGuard<'_, Pace> {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the watchers were told something less than so long ago. They are told again then.
    pub(super) fn is_too_soon(&self, owner: &UserId, apart: Duration) -> bool {
        let now = self.now();
        let mut pace = self.pace();
        let Some(beat) = pace.get_mut(owner) else { return false };
        let due = beat.told.after(apart);
        if due <= now {
            return false;
        }
        beat.due = Some(beat.due.map_or(due, |sooner| sooner.min(due)));
        true
    }

    /// Watchers who were told something before were told again, and nothing is held back.
    pub(super) fn keep_pace(&self, owner: &UserId) {
        self.pace().insert(owner.clone(), Beat { told: self.now(), due: None });
    }

    /// Tells what was held back and is due, and forgets what is long past.
    pub(in crate::sap) async fn sweep_pace(&self, now: Moment) {
        let mut due: Vec<UserId> = {
            let mut pace = self.pace();
            pace.retain(|_, beat| beat.due.is_some() || now.since(beat.told) < PLACES_APART);
            let beats = pace.iter_mut().filter(|(_, beat)| beat.due.is_some_and(|due| due <= now));
            beats
                .map(|(user, beat)| {
                    beat.due = None;
                    user.clone()
                })
                .collect()
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
