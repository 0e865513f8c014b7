//! What one user of another provider may ask for in a time (reference ssp-behaviour §9).
//!
//! The rate of a peer is that of all its users together; here each of them is counted for itself, under its
//! address, so that nobody uses up what others may and nobody has more by speaking over several links.
//! Who asks for more hears 503 and when to come again, and each refusal is told a later time than the one
//! before: whoever keeps to it is served at the agreed rate and loses nothing. Who does not, and asks on until
//! that time lies too far ahead, hears 403.
//!
//! A peer can invent users without end. Of each domain so many are remembered, and if it are more, those who
//! have asked least are forgotten.

use std::collections::HashMap;
use std::time::Duration;

use crate::imps::words::words;
use crate::imps::{Code, Domain, Moment, Status};

/// Users of one domain that are remembered.
const USERS_MAX: usize = 10_000;
/// How much of a rate may come at once.
const BURST: Duration = Duration::from_secs(60);
/// How far ahead a user is told to come again before it is refused for good.
const PATIENCE: Duration = Duration::from_secs(600);
/// Refusals of invitations and of subscriptions in an hour before they are for good.
const EXCESSES_PER_HOUR: u32 = 60;
/// When to ask again for what is counted by the hour, or stays until it is given up.
const LATER: Duration = Duration::from_secs(3600);

words! {
    /// What is counted.
    Budget {
        /// Messages.
        Messages = "messages",
        /// Invitations.
        Invitations = "invitations",
        /// Subscriptions to presence.
        Subscriptions = "subscriptions",
    }
}

/// What one user has asked for; microseconds.
#[derive(Clone, Copy, Debug, Default)]
struct Tab {
    /// When the next message would be due if they came evenly.
    due: u64,
    /// When whoever was refused last was told to come again, for each [`Budget`].
    told: [u64; 3],
}

impl Tab {
    /// How long it takes until nothing of it matters any more.
    fn weight(&self) -> u64 {
        self.told.iter().copied().fold(self.due, u64::max)
    }
}

/// The budgets of the users of all peers.
#[derive(Debug, Default)]
pub struct Budgets {
    of: HashMap<Domain, HashMap<Box<str>, Tab>>,
}

impl Budgets {
    /// A message of this user; an error is the answer if it is one too many. `user` is how it is known at
    /// `home`; `per_minute` 0 means no limit.
    pub fn message(&mut self, home: &Domain, user: &str, per_minute: u32, now: Moment) -> Result<(), Status> {
        if per_minute == 0 {
            return Ok(());
        }
        let now = micros(Duration::from_millis(now.millis()));
        let step = 60_000_000 / u64::from(per_minute);
        let tab = self.tab(home, user, now);
        let due = tab.due.max(now);
        if due - now + step <= micros(BURST) {
            tab.due = due + step;
            return Ok(());
        }
        Err(tab.refuse(Budget::Messages, step, micros(PATIENCE), now))
    }

    /// The answer to a user who has used up what is counted elsewhere.
    pub fn excess(&mut self, home: &Domain, user: &str, budget: Budget, now: Moment) -> Status {
        let now = micros(Duration::from_millis(now.millis()));
        let hour = micros(LATER);
        let step = hour / u64::from(EXCESSES_PER_HOUR);
        let mut status = self.tab(home, user, now).refuse(budget, step, hour, now);
        if status.try_again.is_some() {
            status.try_again = u32::try_from(LATER.as_secs()).ok();
        }
        status
    }

    /// Forgets users of whom nothing matters any more.
    pub fn forget_idle(&mut self, now: Moment) {
        let now = micros(Duration::from_millis(now.millis()));
        for users in self.of.values_mut() {
            users.retain(|_, tab| tab.weight() > now);
        }
        self.of.retain(|_, users| !users.is_empty());
    }

    fn tab(&mut self, home: &Domain, user: &str, now: u64) -> &mut Tab {
        let users = self.of.entry(home.clone()).or_default();
        if users.len() >= USERS_MAX && !users.contains_key(user) {
            make_room(users, now);
        }
        users.entry(user.into()).or_default()
    }
}

impl Tab {
    fn refuse(&mut self, budget: Budget, step: u64, patience: u64, now: u64) -> Status {
        let told = match budget {
            Budget::Messages => &mut self.told[0],
            Budget::Invitations => &mut self.told[1],
            Budget::Subscriptions => &mut self.told[2],
        };
        let again = (*told).max(now) + step;
        if again - now > patience {
            return Status::new(Code::FORBIDDEN);
        }
        *told = again;
        let seconds = u32::try_from((again - now).div_ceil(1_000_000)).unwrap_or(u32::MAX);
        Status { try_again: Some(seconds), ..Status::new(Code::SERVICE_UNAVAILABLE) }
    }
}

/// Forgets those of whom nothing matters any more, and if that is not enough the half that has asked least.
fn make_room(users: &mut HashMap<Box<str>, Tab>, now: u64) {
    users.retain(|_, tab| tab.weight() > now);
    if users.len() < USERS_MAX {
        return;
    }
    let mut weights: Vec<u64> = users.values().map(Tab::weight).collect();
    let (_, median, _) = weights.select_nth_unstable(USERS_MAX / 2);
    let mut left = USERS_MAX / 2;
    let median = *median;
    users.retain(|_, tab| {
        let stays = tab.weight() > median || tab.weight() == median && left > 0;
        left = left.saturating_sub(usize::from(stays));
        stays
    });
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn south() -> Domain {
        "south.example".parse().unwrap()
    }

    fn at(seconds: u64) -> Moment {
        Moment::from_millis(1_000_000_000 + seconds * 1000)
    }

    #[test]
    fn a_minutes_worth_may_come_at_once_and_the_rate_for_ever() {
        let mut budgets = Budgets::default();
        let mut passed =
            |seconds| (0..200).filter(|_| budgets.message(&south(), "cy", 60, at(seconds)).is_ok()).count();
        assert_eq!(passed(0), 60);
        assert_eq!(passed(5), 5);
        assert!((0..1000).all(|_| budgets.message(&south(), "cy", 0, at(5)).is_ok()), "no limit");
    }

    #[test]
    fn whoever_comes_again_when_told_loses_nothing() {
        let mut budgets = Budgets::default();
        let mut waiting: Vec<u64> = vec![0; 500];
        for second in 0..=500 {
            for due in waiting.iter_mut().filter(|due| **due == second) {
                match budgets.message(&south(), "cy", 60, at(second)) {
                    Ok(()) => *due = u64::MAX,
                    Err(status) => *due = second + u64::from(status.try_again.unwrap()),
                }
            }
        }
        assert!(waiting.iter().all(|due| *due == u64::MAX));
    }

    #[test]
    fn who_asks_on_and_on_is_refused_for_good_until_it_has_been_quiet() {
        let mut budgets = Budgets::default();
        let mut ask = |seconds| budgets.message(&south(), "cy", 60, at(seconds)).map_err(|it| it.code.get());
        let answers: Vec<_> = (0..1000).map(|_| ask(0)).collect();
        let count = |code| answers.iter().filter(|answer| **answer == Err(code)).count();
        assert_eq!((count(503), count(403)), (600, 340));
        assert_eq!(ask(1), Ok(()), "what it may is taken all the same");
        assert_eq!(ask(1), Err(503));
        assert_eq!(ask(1), Err(403));
        assert_eq!(ask(700), Ok(()));
    }

    #[test]
    fn what_is_counted_elsewhere_is_refused_for_good_after_sixty_refusals_in_an_hour() {
        let mut budgets = Budgets::default();
        let mut ask = |budget| budgets.excess(&south(), "cy", budget, at(0));
        for _ in 0..60 {
            let status = ask(Budget::Invitations);
            assert_eq!((status.code.get(), status.try_again), (503, Some(3600)));
        }
        assert_eq!(ask(Budget::Invitations).code.get(), 403);
        assert_eq!(ask(Budget::Subscriptions).code.get(), 503, "each is counted for itself");
    }

    #[test]
    fn invented_users_take_no_more_than_their_room_and_free_nobody_who_has_spent_a_lot() {
        let mut budgets = Budgets::default();
        while budgets.message(&south(), "loud", 60, at(0)).is_ok() {}
        for number in 0..5 * USERS_MAX {
            assert_eq!(budgets.message(&south(), &format!("user{number}"), 60, at(0)), Ok(()));
        }
        assert!(budgets.of[&south()].len() <= USERS_MAX);
        assert!(budgets.message(&south(), "loud", 60, at(0)).is_err());
        assert_eq!(budgets.message(&"west.example".parse().unwrap(), "loud", 60, at(0)), Ok(()));
        budgets.forget_idle(at(100));
        assert!(budgets.of.is_empty());
    }
}
