//! How many requests may come from one source, for those who have not said who they are, or not truly.
//!
//! A session of a client has a meter of its own. What comes outside of one (logins, documents that cannot be
//! read, sessions that do not exist, requests by plain HTTP) is counted for its [`Source`]. Whoever is above
//! hears when to come again, and what is refused costs it nothing of what it may have later.

use std::collections::HashMap;
use std::time::Duration;

use super::rate::Meter;
use crate::imps::{Moment, Source};

/// Sources that are counted each for itself; beyond that new ones share one meter until others are idle again.
/// About 4 MiB.
const SOURCES_MAX: usize = 65_536;
/// Between two looks for idle ones.
const TIDY: Duration = Duration::from_secs(1);

/// The meters of all sources.
#[derive(Debug, Default)]
pub struct Callers {
    of: HashMap<Source, Meter>,
    others: Meter,
    tidied: Moment,
}

impl Callers {
    /// Counts one request; an error tells how long to wait. `per_second` 0 means no limit.
    pub fn take(&mut self, source: Source, per_second: u32, now: Moment) -> Result<(), Duration> {
        if per_second == 0 {
            return Ok(());
        }
        if self.of.len() >= SOURCES_MAX && !self.of.contains_key(&source) {
            if now.since(self.tidied) >= TIDY {
                self.forget_idle(now);
            }
            if self.of.len() >= SOURCES_MAX {
                return self.others.take(per_second, now);
            }
        }
        self.of.entry(source).or_default().take(per_second, now)
    }

    /// Forgets those of whom nothing matters any more.
    pub fn forget_idle(&mut self, now: Moment) {
        self.tidied = now;
        self.of.retain(|_, meter| !meter.is_idle(now));
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;

    fn source(number: u32) -> Source {
        IpAddr::from(Ipv4Addr::from_bits(0x0a00_0000 + number)).into()
    }

    #[test]
    fn each_source_has_its_own_rate() {
        let mut callers = Callers::default();
        let now = Moment::from_millis(1_000_000);
        let mut passed =
            |number, now| (0..100).filter(|_| callers.take(source(number), 10, now).is_ok()).count();
        assert_eq!((passed(1, now), passed(2, now), passed(1, now)), (20, 20, 0));
        assert_eq!(passed(1, now.after(Duration::from_secs(1))), 10);
        assert!((0..100).all(|_| callers.take(source(1), 0, now).is_ok()), "no limit");
    }

    #[test]
    fn sources_without_end_take_no_more_than_their_room_and_free_nobody() {
        let mut callers = Callers::default();
        let now = Moment::from_millis(1_000_000);
        while callers.take(source(0), 10, now).is_ok() {}
        let most = u32::try_from(SOURCES_MAX).unwrap();
        let passed = (1..most + 1000).filter(|number| callers.take(source(*number), 10, now).is_ok()).count();
        assert_eq!(passed, SOURCES_MAX - 1 + 20, "those for whom there is no room share one rate");
        assert_eq!(callers.of.len(), SOURCES_MAX);
        assert!(callers.take(source(0), 10, now).is_err());
        let later = now.after(Duration::from_secs(5));
        assert_eq!(callers.take(source(most + 5000), 10, later), Ok(()));
        assert_eq!(callers.of.len(), 1);
    }
}
