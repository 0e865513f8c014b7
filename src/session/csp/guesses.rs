//! Logins that fail slow down whoever makes them, and nobody else.
//!
//! What fails is counted for an account **as it is tried from one source** (an IPv4 address, a /64 of IPv6), so
//! that no number of failures elsewhere keeps a user out. Behind one address there may be many, a whole network
//! of phones even: a client that has logged in from there before is counted for itself, and who guesses beside it
//! does not hold it up. An account that does not exist is counted as one that does.
//!
//! Five failures are free. After them a try is looked at only when the pause is over: one second, and twice the
//! pause before with each further failure, five minutes at most. A try within the pause is refused unseen and
//! changes nothing. A success, or an hour without a failure, ends it.

use std::collections::HashMap;
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use super::nonces::client_key;
use crate::imps::primitive::ClientId;
use crate::imps::source::Source;
use crate::imps::{Moment, UserId};

/// Failures without a pause.
const FREE: u32 = 5;
/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(300);
/// After so long without a failure everything is forgotten.
const FORGIVEN: Duration = Duration::from_secs(3600);
/// Accounts at sources with failures; beyond that, those with the fewest failures are forgotten. About 4 MiB.
const TABS_MAX: usize = 65_536;
/// Clients at sources that have logged in; beyond that, those who have not been seen for longest are forgotten.
/// About 4 MiB.
const KNOWN_MAX: usize = 65_536;

type Key = [u8; 32];

/// Who tries, and from where.
#[derive(Clone, Copy, Debug)]
pub(super) struct Try<'a> {
    /// The account, which need not exist.
    pub(super) user: &'a UserId,
    /// What it is tried with.
    pub(super) client: &'a ClientId,
    /// Where it is tried from.
    pub(super) source: Source,
}

impl Try<'_> {
    /// Of fixed size, however long the texts are.
    fn key(&self, with_client: bool) -> Key {
        let mut hash = Sha256::new();
        hash.update(self.user.key());
        hash.update([0xff]);
        hash.update(self.source.to_string());
        if with_client {
            client_key(&mut hash, self.client);
        }
        hash.finalize().into()
    }
}

#[derive(Clone, Copy, Debug)]
struct Tab {
    failures: u32,
    last: Moment,
}

impl Tab {
    /// When the next try is looked at.
    fn free_at(&self) -> Moment {
        let Some(over) = self.failures.checked_sub(FREE + 1) else { return self.last };
        let seconds = 1_u64.checked_shl(over).unwrap_or(u64::MAX);
        self.last.after(PAUSE_MAX.min(Duration::from_secs(seconds)))
    }
}

/// The failures of the whole node.
#[derive(Debug, Default)]
pub(super) struct Guesses {
    tabs: HashMap<Key, Tab>,
    known: HashMap<Key, Moment>,
}

impl Guesses {
    fn key(&self, attempt: &Try<'_>) -> Key {
        let own = attempt.key(true);
        if self.known.contains_key(&own) { own } else { attempt.key(false) }
    }

    /// How long it takes until such a try is looked at; `None`: it is looked at now.
    pub(super) fn pause(&self, attempt: &Try<'_>, now: Moment) -> Option<Duration> {
        let free_at = self.tabs.get(&self.key(attempt))?.free_at();
        (free_at > now).then(|| free_at.since(now))
    }

    /// It was looked at and proved nothing.
    pub(super) fn failed(&mut self, attempt: &Try<'_>, now: Moment) {
        let key = self.key(attempt);
        if self.tabs.len() >= TABS_MAX && !self.tabs.contains_key(&key) {
            self.tabs.retain(|_, tab| now.since(tab.last) < FORGIVEN);
            keep_greater_half(&mut self.tabs, TABS_MAX, |tab| (tab.failures, tab.last));
        }
        let tab = self.tabs.entry(key).or_insert(Tab { failures: 0, last: now });
        if now.since(tab.last) >= FORGIVEN {
            tab.failures = 0;
        }
        *tab = Tab { failures: tab.failures.saturating_add(1), last: now };
    }

    /// It proved to be the user.
    pub(super) fn succeeded(&mut self, attempt: &Try<'_>, now: Moment) {
        self.tabs.remove(&self.key(attempt));
        let own = attempt.key(true);
        if self.known.len() >= KNOWN_MAX && !self.known.contains_key(&own) {
            keep_greater_half(&mut self.known, KNOWN_MAX, |seen| *seen);
        }
        self.known.insert(own, now);
    }
}

/// Where there are so many, about half of them go, those that are worth least.
fn keep_greater_half<V, W: Ord + Copy>(of: &mut HashMap<Key, V>, max: usize, worth: impl Fn(&V) -> W) {
    if of.len() < max {
        return;
    }
    let mut all: Vec<_> = of.values().map(&worth).collect();
    let middle = all.len() / 2;
    let (_, median, _) = all.select_nth_unstable(middle);
    let median = *median;
    let mut left = middle;
    of.retain(|_, value| {
        let stays = worth(value) > median || worth(value) == median && left > 0;
        left = left.saturating_sub(usize::from(stays));
        stays
    });
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;
    use crate::session::csp::testing::at;

    fn client(text: &str) -> ClientId {
        ClientId { url: None, msisdn: None, text: Some(text.into()) }
    }

    fn with<T>(user: &str, phone: &str, from: &str, then: impl FnOnce(&Try<'_>) -> T) -> T {
        let (user, phone) = (user.parse().unwrap(), client(phone));
        then(&Try { user: &user, client: &phone, source: from.parse::<IpAddr>().unwrap().into() })
    }

    const ADA: &str = "wv:ada@north.example";

    /// Seconds at which a guesser who never rests is looked at.
    fn tries(guesses: &mut Guesses, user: &str, from: &str, until: u64) -> Vec<u64> {
        let mut looked_at = Vec::new();
        for second in 0..until {
            for client in ["a", "b", "c"] {
                with(user, client, from, |attempt| {
                    if guesses.pause(attempt, at(second)).is_none() {
                        guesses.failed(attempt, at(second));
                        looked_at.push(second);
                    }
                });
            }
        }
        looked_at
    }

    #[test]
    fn pauses_grow_to_five_minutes_whatever_client_a_guesser_says_it_is() {
        let mut guesses = Guesses::default();
        let looked_at = tries(&mut guesses, ADA, "192.0.2.66", 1500);
        assert_eq!(looked_at, [0, 0, 0, 1, 1, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 812, 1112, 1412]);
    }

    #[test]
    fn a_user_is_not_kept_out_by_who_guesses_elsewhere_or_beside_a_phone_that_is_known() {
        let mut guesses = Guesses::default();
        with(ADA, "phone", "192.0.2.1", |ada| guesses.succeeded(ada, at(0)));
        tries(&mut guesses, ADA, "192.0.2.66", 100);
        tries(&mut guesses, ADA, "192.0.2.1", 100);
        with(ADA, "phone", "192.0.2.66", |other| assert!(guesses.pause(other, at(100)).is_some()));
        with(ADA, "phone", "198.51.100.1", |ada| assert_eq!(guesses.pause(ada, at(100)), None));
        with(ADA, "phone", "192.0.2.1", |ada| assert_eq!(guesses.pause(ada, at(100)), None));
        with("wv:bo@north.example", "a", "192.0.2.66", |bo| assert_eq!(guesses.pause(bo, at(100)), None));
    }

    #[test]
    fn one_network_of_ipv6_is_one_guesser() {
        let mut guesses = Guesses::default();
        for host in 1..=6 {
            with(ADA, "a", &format!("2001:db8::{host}"), |attempt| guesses.failed(attempt, at(0)));
        }
        with(ADA, "a", "2001:db8::ffff", |attempt| assert!(guesses.pause(attempt, at(0)).is_some()));
        with(ADA, "a", "2001:db8:0:1::1", |attempt| assert_eq!(guesses.pause(attempt, at(0)), None));
    }

    #[test]
    fn a_success_or_an_hour_of_peace_ends_the_pauses() {
        let mut guesses = Guesses::default();
        let from = "192.0.2.1";
        tries(&mut guesses, ADA, from, 10);
        with(ADA, "phone", from, |ada| guesses.succeeded(ada, at(20)));
        assert_eq!(tries(&mut guesses, ADA, from, 1), [0, 0, 0]);
        for _ in 0..20 {
            with(ADA, "a", from, |attempt| guesses.failed(attempt, at(100)));
        }
        with(ADA, "a", from, |attempt| {
            assert_eq!(guesses.pause(attempt, at(100)), Some(PAUSE_MAX));
            guesses.failed(attempt, at(100 + 3600));
            assert_eq!(guesses.pause(attempt, at(100 + 3600)), None);
        });
    }

    #[test]
    fn invented_accounts_take_no_more_than_their_room_and_free_nobody() {
        let mut guesses = Guesses::default();
        tries(&mut guesses, ADA, "192.0.2.66", 10);
        for number in 0..TABS_MAX + 1000 {
            with(&format!("wv:u{number}@north.example"), "a", "192.0.2.66", |attempt| {
                guesses.failed(attempt, at(10));
                guesses.succeeded(attempt, at(10));
                guesses.failed(attempt, at(10));
            });
        }
        assert!(guesses.tabs.len() <= TABS_MAX && guesses.known.len() <= KNOWN_MAX);
        with(ADA, "a", "192.0.2.66", |attempt| assert!(guesses.pause(attempt, at(10)).is_some()));
    }
}
