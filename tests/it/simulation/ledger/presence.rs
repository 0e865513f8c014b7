//! Who published what, who let whom see it, who watched, and what watchers saw.
//!
//! Each published text is a number of its own, so that whoever sees one tells which it was. A value may be
//! seen by whom it may have been shown to while it may have been the value; in the end everybody who watches
//! sees what the home of the watched holds, or nothing if it may see nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use causeway::imps::UserId;

use super::switch::Switch;

/// A value that somebody published. Its place is its number.
struct Said {
    user: UserId,
    begun: Duration,
    heard: Option<(Duration, bool)>,
}

/// What the home of a user holds in the end.
#[derive(Clone, Debug, Default)]
pub(in super::super) struct Truth {
    /// The value.
    pub(in super::super) value: Option<String>,
    /// Who may see it.
    pub(in super::super) shown_to: BTreeSet<UserId>,
}

/// Watcher, watched.
type Pair = (UserId, UserId);

/// Everything about presence.
#[derive(Default)]
pub(super) struct Views {
    said: Vec<Said>,
    grants: BTreeMap<Pair, Switch>,
    subscriptions: BTreeMap<Pair, Switch>,
    /// What a watcher was told last, since it subscribed.
    shown: BTreeMap<Pair, Option<String>>,
    /// Values seen in all.
    pub(super) seen: usize,
}

fn text(number: usize) -> String {
    format!("mood {number}")
}

impl Views {
    pub(super) fn saying(&mut self, user: &UserId, now: Duration) -> usize {
        self.said.push(Said { user: user.clone(), begun: now, heard: None });
        self.said.len() - 1
    }

    pub(super) fn said(&mut self, number: usize, took: bool, now: Duration) {
        self.said[number].heard = Some((now, took));
    }

    pub(super) fn grant(&mut self, pair: Pair) -> &mut Switch {
        self.grants.entry(pair).or_default()
    }

    pub(super) fn subscription(&mut self, pair: Pair) -> &mut Switch {
        self.subscriptions.entry(pair).or_default()
    }

    /// A watcher begins anew and knows nothing.
    pub(super) fn forget(&mut self, pair: &Pair) {
        self.shown.remove(pair);
    }

    /// Every subscription of a watcher.
    pub(super) fn of_watcher(&mut self, watcher: &UserId) -> impl Iterator<Item = (&Pair, &mut Switch)> {
        let watcher = watcher.clone();
        self.subscriptions.iter_mut().filter(move |((who, _), _)| *who == watcher)
    }

    /// When a value may have been the value: from when to when.
    fn current(&self, number: usize) -> (Duration, Duration) {
        let said = &self.said[number];
        let later = self.said.iter().skip(number + 1).filter(|later| later.user == said.user);
        let end = later.filter_map(|later| later.heard.and_then(|(at, took)| took.then_some(at))).min();
        (said.begun, end.unwrap_or(Duration::MAX))
    }

    /// A watcher sees a value; what is wrong with that. `told`: by a notice, not because it looked.
    pub(super) fn saw(&mut self, pair: &Pair, value: Option<&str>, told: bool) -> Result<(), String> {
        let (watcher, owner) = pair;
        if told {
            self.shown.insert(pair.clone(), value.map(ToOwned::to_owned));
        }
        let Some(value) = value else { return Ok(()) };
        self.seen += 1;
        let what = format!("{watcher} sees {value:?} of {owner}");
        let number = value.strip_prefix("mood ").and_then(|number| number.parse::<usize>().ok());
        let Some((number, said)) = number.and_then(|number| Some((number, self.said.get(number)?))) else {
            return Err(format!("{what}, which nobody published"));
        };
        if said.user != *owner {
            return Err(format!("{what}, which is of {}", said.user));
        }
        if said.heard.is_some_and(|(_, took)| !took) {
            return Err(format!("{what}, which was refused"));
        }
        let (from, to) = self.current(number);
        if !self.grants.get(pair).is_some_and(|grant| grant.may_be_on(from, to)) {
            return Err(format!("{what} and never was allowed to"));
        }
        if told && !self.subscriptions.get(pair).is_some_and(|watch| watch.may_be_on(from, to)) {
            return Err(format!("{what} and does not watch"));
        }
        Ok(())
    }

    /// What is wrong in a quiet world.
    pub(super) fn judge(&self, truths: &BTreeMap<UserId, Truth>, lossy: bool, wrongs: &mut Vec<String>) {
        for (user, truth) in truths {
            let mine = || self.said.iter().enumerate().filter(|(_, said)| said.user == *user);
            let took = |said: &Said| said.heard.is_some_and(|(_, took)| took);
            let last = mine().rfind(|(_, said)| took(said)).map(|(number, _)| number);
            let unsure = mine()
                .filter(|(number, said)| said.heard.is_none() && last.is_none_or(|last| *number > last));
            let mut possible: Vec<Option<String>> = unsure.map(|(number, _)| Some(text(number))).collect();
            possible.push(last.map(text));
            if !possible.contains(&truth.value) {
                wrongs.push(format!("{user} shows {:?} where {possible:?} was published", truth.value));
            }
        }
        for ((watcher, owner), grant) in &self.grants {
            let Some(truth) = truths.get(owner) else { continue };
            let shown = truth.shown_to.contains(watcher);
            if (grant.surely_on_since().is_some() && !shown) || (grant.surely_off_since().is_some() && shown)
            {
                wrongs.push(format!("{watcher} may see {owner}: {shown}, against the word of {owner}"));
            }
        }
        for (pair, watch) in &self.subscriptions {
            let (watcher, owner) = pair;
            let Some(truth) = truths.get(owner) else { continue };
            if watch.surely_on_since().is_none() || lossy {
                continue;
            }
            let due = if truth.shown_to.contains(watcher) { truth.value.as_ref() } else { None };
            let view = self.shown.get(pair).and_then(Option::as_ref);
            if view != due {
                wrongs.push(format!("{watcher} sees {view:?} of {owner}, where {due:?} is true"));
            }
        }
    }
}
