//! A sustained rate with a burst (GCRA): what an agreement allows a peer.

use std::time::Duration;

use crate::imps::Moment;

/// How many seconds' worth may come at once (architecture §4: burst twice the rate).
const BURST: Duration = Duration::from_secs(2);

/// Meters one stream of messages.
#[derive(Clone, Copy, Debug, Default)]
pub struct Meter {
    /// Microseconds at which the next message would be due if they came evenly.
    due: u64,
}

impl Meter {
    /// Counts one message; an error tells how long to wait. `per_second` 0 means no limit.
    pub fn take(&mut self, per_second: u32, now: Moment) -> Result<(), Duration> {
        if per_second == 0 {
            return Ok(());
        }
        let now = now.millis().saturating_mul(1000);
        let burst = u64::try_from(BURST.as_micros()).unwrap_or(u64::MAX);
        let due = self.due.max(now);
        let ahead = due - now;
        let step = 1_000_000 / u64::from(per_second);
        if ahead + step > burst {
            return Err(Duration::from_micros(ahead + step - burst));
        }
        self.due = due + step;
        Ok(())
    }

    /// Whether it is as if nothing had ever been counted.
    pub const fn is_idle(&self, now: Moment) -> bool {
        self.due <= now.millis().saturating_mul(1000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twice_the_rate_may_come_at_once_and_the_rate_for_ever() {
        let mut meter = Meter::default();
        let begin = Moment::from_millis(1_000_000);
        let burst = (0..100).filter(|_| meter.take(10, begin).is_ok()).count();
        assert_eq!(burst, 20);
        assert_eq!(meter.take(10, begin), Err(Duration::from_millis(100)));
        let later = begin.after(Duration::from_secs(1));
        assert_eq!((0..100).filter(|_| meter.take(10, later).is_ok()).count(), 10);
        assert!((0..1000).all(|_| meter.take(0, begin).is_ok()));
    }
}
