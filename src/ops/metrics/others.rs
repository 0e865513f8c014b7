//! Guests in numbers: they are `other`, all together.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;

use crate::imps::Domain;

/// Who they are, whose link is up, and what waits for them.
#[derive(Debug, Default)]
pub(super) struct Others {
    guests: ArcSwap<BTreeSet<Domain>>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    up: BTreeSet<Domain>,
    waiting: BTreeMap<Domain, i64>,
    /// The sum of what waits.
    all: i64,
}

impl Others {
    /// These are guests now. Gives what waits for all of them, if something of those that went did.
    pub(super) fn set(&self, guests: BTreeSet<Domain>) -> Option<i64> {
        let left = self.with(|state| {
            let before = state.waiting.len();
            state.up.retain(|peer| guests.contains(peer));
            state.waiting.retain(|peer, _| guests.contains(peer));
            state.all = state.waiting.values().sum();
            (state.waiting.len() < before).then_some(state.all)
        });
        self.guests.store(Arc::new(guests));
        left
    }

    /// Whether this is one of them.
    pub(super) fn has(&self, peer: &Domain) -> bool {
        self.guests.load().contains(peer)
    }

    /// The link of one of them is up or not; how many are up then.
    pub(super) fn link(&self, peer: &Domain, up: bool) -> i64 {
        self.with(|state| {
            if up {
                state.up.insert(peer.clone());
            } else {
                state.up.remove(peer);
            }
            i64::try_from(state.up.len()).unwrap_or(i64::MAX)
        })
    }

    /// So many messages wait for one of them; how many for all of them.
    pub(super) fn waiting(&self, peer: &Domain, messages: i64) -> i64 {
        self.with(|state| {
            let before = if messages == 0 {
                state.waiting.remove(peer)
            } else {
                state.waiting.insert(peer.clone(), messages)
            };
            state.all = state.all - before.unwrap_or_default() + messages;
            state.all
        })
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guests_are_summed_up_and_those_that_go_are_no_more_in_the_sum() {
        let [west, east] = ["west.example", "east.example"].map(|name| name.parse::<Domain>().unwrap());
        let others = Others::default();
        assert_eq!(others.set(BTreeSet::from([west.clone(), east.clone()])), None);
        assert_eq!([others.link(&west, true), others.link(&west, true), others.link(&east, true)], [1, 1, 2]);
        assert_eq!([others.waiting(&west, 3), others.waiting(&east, 4), others.waiting(&west, 1)], [3, 7, 5]);
        assert_eq!(others.set(BTreeSet::from([west.clone()])), Some(1));
        assert!(others.has(&west) && !others.has(&east));
        assert_eq!((others.link(&west, false), others.waiting(&west, 0)), (0, 0));
    }
}
