//! Peers that break the rules of identity: each time is counted, and told now and then.
//!
//! A peer is its certificate. One that sets up a session under another name, or sends something for somebody who
//! is not of its domain, is refused each time with a line at `warn` of its own; this adds what an operator wants to be
//! woken by: one line that says *alarm*, at most once in ten minutes for each peer, with how often it happened.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::imps::{Domain, Moment};
use crate::relay::events::Refused;

/// Between two alarms about one peer.
const QUIET: Duration = Duration::from_secs(600);

/// What one peer did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Violations {
    /// How often, since the node started.
    pub count: u64,
    /// When last.
    pub last: Moment,
    /// What it was then.
    pub reason: Refused,
    /// When the last alarm was raised.
    alarmed: Moment,
    /// How many there were by then.
    told: u64,
}

/// What every peer did. The caller names configured peers only, so that there are not more than those.
#[derive(Debug, Default)]
pub struct Alarms(Mutex<BTreeMap<Domain, Violations>>);

/// Whether this breaks the rules of identity: a serviceID that is not the certificate's, or somebody inside a
/// primitive who is not the peer's.
pub const fn breaks_identity(reason: Refused) -> bool {
    matches!(reason, Refused::ServiceId | Refused::Identity)
}

impl Alarms {
    /// The peer did it again. An alarm is due where this gives a number: of times since the last one.
    pub fn violated(&self, peer: &Domain, reason: Refused, now: Moment) -> Option<u64> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = all.get(peer).copied();
        let mut found = known.unwrap_or(Violations { count: 0, last: now, reason, alarmed: now, told: 0 });
        found.count = found.count.saturating_add(1);
        (found.last, found.reason) = (now, reason);
        let due = known.is_none() || now.since(found.alarmed) >= QUIET;
        let since = found.count - found.told;
        if due {
            (found.alarmed, found.told) = (now, found.count);
        }
        all.insert(peer.clone(), found);
        due.then_some(since)
    }

    /// What this peer did; `None`: nothing.
    pub fn of(&self, peer: &Domain) -> Option<Violations> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(peer).copied()
    }

    /// Forgets peers that have no agreement any more.
    pub fn keep(&self, is_configured: impl Fn(&Domain) -> bool) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|peer, _| is_configured(peer));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_time_is_told_at_once_and_a_flood_once_in_ten_minutes_with_its_number() {
        let alarms = Alarms::default();
        let south: Domain = "south.example".parse().unwrap();
        let at = |seconds: u64| Moment::from_millis(1_000_000 + seconds * 1000);
        assert_eq!(alarms.of(&south), None);
        assert_eq!(alarms.violated(&south, Refused::ServiceId, at(0)), Some(1));
        assert!((1..600).all(|second| alarms.violated(&south, Refused::Identity, at(second)).is_none()));
        assert_eq!(alarms.violated(&"west.example".parse().unwrap(), Refused::Identity, at(5)), Some(1));
        assert_eq!(alarms.violated(&south, Refused::Identity, at(600)), Some(600));
        let found = alarms.of(&south).unwrap();
        assert_eq!((found.count, found.last, found.reason), (601, at(600), Refused::Identity));
        alarms.keep(|peer| *peer != south);
        assert_eq!(alarms.of(&south), None);
    }
}
