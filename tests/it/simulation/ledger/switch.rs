//! Something that is on or off and is switched over a bad network: a membership, a subscription, a leave to
//! see something. Who switches does not always hear whether it came about.

use std::time::Duration;

/// One attempt to switch.
#[derive(Clone, Debug)]
struct Attempt {
    on: bool,
    /// By somebody else than whose switch it is: it may come in between at any time until it is answered.
    foreign: bool,
    begun: Duration,
    /// When it was answered, and whether it took effect; `None`: nobody knows.
    heard: Option<(Duration, bool)>,
}

/// What is known of a switch, which is off in the beginning.
#[derive(Clone, Debug, Default)]
pub(super) struct Switch(Vec<Attempt>);

impl Switch {
    /// Somebody switches; the place of the attempt.
    pub(super) fn begin(&mut self, on: bool, now: Duration) -> usize {
        self.0.push(Attempt { on, foreign: false, begun: now, heard: None });
        self.0.len() - 1
    }

    /// Somebody else switches it off.
    pub(super) fn begin_off(&mut self, now: Duration) -> usize {
        self.0.push(Attempt { on: false, foreign: true, begun: now, heard: None });
        self.0.len() - 1
    }

    /// What the attempt came to.
    pub(super) fn end(&mut self, place: usize, took_effect: bool, now: Duration) {
        self.0[place].heard = Some((now, took_effect));
    }

    /// It was switched by somebody else, at some time before now.
    pub(super) fn set(&mut self, on: bool, now: Duration) {
        self.0.push(Attempt { on, foreign: false, begun: Duration::ZERO, heard: Some((now, true)) });
    }

    fn surely_off_after(&self, place: usize) -> Option<Duration> {
        let later = self.0.iter().skip(place + 1).filter(|attempt| !attempt.on);
        later.filter_map(|attempt| attempt.heard.and_then(|(at, took)| took.then_some(at))).min()
    }

    /// Whether it may have been on at any time from `from` to `to`.
    pub(super) fn may_be_on(&self, from: Duration, to: Duration) -> bool {
        self.0.iter().enumerate().any(|(place, attempt)| {
            let tried = attempt.on && attempt.heard.is_none_or(|(_, took)| took);
            let end = self.surely_off_after(place).unwrap_or(Duration::MAX);
            tried && attempt.begun <= to && from <= end
        })
    }

    /// Since when it has been on without any doubt, up to now.
    pub(super) fn surely_on_since(&self) -> Option<Duration> {
        let place = self.0.iter().rposition(|attempt| attempt.on)?;
        let (since, took) = self.0[place].heard?;
        let touched = |(other, attempt): (usize, &Attempt)| {
            let open = attempt.foreign || other > place;
            other != place && !attempt.on && attempt.heard.map_or(open, |(at, _)| at >= self.0[place].begun)
        };
        let disturbed = self.0.iter().enumerate().any(touched);
        (took && !disturbed).then_some(since)
    }

    /// Since when it has been off without any doubt, up to now.
    pub(super) fn surely_off_since(&self) -> Option<Duration> {
        let on = self.0.iter().rposition(|attempt| attempt.on && attempt.heard.is_none_or(|(_, took)| took));
        on.map_or(Some(Duration::ZERO), |place| self.surely_off_after(place))
    }
}
