//! Who takes part in a world: providers, what they have agreed, and what their users do; drawn from the
//! seed.

use std::collections::{BTreeMap, BTreeSet};

use causeway::imps::Domain;
use causeway::imps::agreement::{Agreement, Profile, Service, Transit};

use super::dice::Dice;

/// Providers.
pub(super) const DOMAINS: [&str; 4] = ["north.example", "south.example", "east.example", "west.example"];
/// Their users, two each.
pub(super) const NAMES: [&str; 8] = ["ada", "bob", "cyd", "dan", "eve", "fay", "gus", "hal"];

/// Who has agreed with whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// So many providers, each with each.
    Mesh(usize),
    /// Three, of whom the second stands between the two others.
    Hub,
    /// Four in a row: what goes from end to end passes two.
    Line,
}

/// What happens in a world beside messages, bad weather and dying nodes.
#[derive(Clone, Debug)]
pub(super) struct Cast {
    pub(super) shape: Shape,
    /// Users publish and watch.
    pub(super) presence: bool,
    /// Users talk in groups.
    pub(super) groups: bool,
    /// Agreements allow few messages a second.
    pub(super) rates: bool,
    /// Operators suspend agreements.
    pub(super) suspends: bool,
    /// And close them.
    pub(super) closes: bool,
    /// Clocks on walls jump.
    pub(super) jumps: bool,
    /// Peers say untrue things.
    pub(super) liars: bool,
    /// Phones go away without a word.
    pub(super) fleeting: bool,
    /// Disks fail.
    pub(super) failing: bool,
    /// Few octets may wait for a peer.
    pub(super) cramped: bool,
}

impl Cast {
    pub(super) fn draw(dice: &mut Dice) -> Self {
        let shape = match dice.below(100) {
            0..50 => Shape::Mesh(2),
            50..72 => Shape::Mesh(3),
            72..90 => Shape::Hub,
            _ => Shape::Line,
        };
        let suspends = dice.permille(250);
        Self {
            shape,
            presence: dice.permille(450),
            groups: dice.permille(400),
            rates: dice.permille(150),
            suspends,
            closes: suspends && dice.permille(400),
            jumps: dice.permille(150),
            liars: dice.permille(250),
            fleeting: dice.permille(300),
            failing: dice.permille(250),
            cramped: false,
        }
    }

    /// The same, in some worlds with little room for what waits. Notices that find no room are gone, so only
    /// messages are sent there.
    pub(super) fn in_room(mut self, seed: u64) -> Self {
        self.cramped = !self.presence && !self.groups && Dice::of(seed, "room").permille(300);
        self
    }

    /// Two providers whose users send messages, and nothing goes wrong by itself.
    pub(super) const fn quiet() -> Self {
        Self {
            shape: Shape::Mesh(2),
            presence: false,
            groups: false,
            rates: false,
            suspends: false,
            closes: false,
            jumps: false,
            liars: false,
            fleeting: false,
            failing: false,
            cramped: false,
        }
    }

    /// How many providers.
    pub(super) const fn count(&self) -> usize {
        match self.shape {
            Shape::Mesh(count) => count,
            Shape::Hub => 3,
            Shape::Line => 4,
        }
    }

    /// Whether two providers have an agreement.
    fn are_neighbours(&self, one: usize, other: usize) -> bool {
        match self.shape {
            Shape::Mesh(_) => one != other,
            Shape::Hub | Shape::Line => one.abs_diff(other) == 1,
        }
    }

    /// Those who are reached by way of a neighbour, and for whom it may speak.
    fn behind(&self, place: usize, neighbour: usize) -> Vec<usize> {
        match self.shape {
            Shape::Mesh(_) => Vec::new(),
            _ if neighbour > place => (neighbour + 1..self.count()).collect(),
            _ => (0..neighbour).collect(),
        }
    }

    /// Agreements, and traffic of others that may pass, of each provider. Both sides of an agreement know
    /// each other alike.
    pub(super) fn agreements(&self, dice: &mut Dice) -> Vec<(Vec<Agreement>, Vec<Transit>)> {
        let count = self.count();
        let domain = |place: usize| -> Domain { DOMAINS[place].parse().unwrap() };
        let mut alike = BTreeMap::new();
        let profiles = [Profile::Standard, Profile::Standard, Profile::Causeway, Profile::Causeway];
        for one in 0..count {
            for other in one + 1..count {
                let rate = if self.rates { *dice.pick(&[1, 2, 5]) } else { 0 };
                alike.insert((one, other), (*dice.pick(&profiles), *dice.pick(&[1, 4, 16]), rate));
            }
        }
        let of = |place: usize| {
            let neighbours: Vec<usize> =
                (0..count).filter(|other| self.are_neighbours(place, *other)).collect();
            let agreements = neighbours.iter().map(|&other| {
                let (profile, transactions, rate) = alike[&(place.min(other), place.max(other))];
                let mut agreement = Agreement::with(domain(other));
                agreement.profile = profile;
                agreement.max_transactions_per_post = transactions;
                agreement.messages_per_second = rate;
                agreement.services = Service::ALL.iter().copied().collect();
                agreement.carries = self.behind(place, other).into_iter().map(domain).collect();
                agreement
            });
            let mut transits = Vec::new();
            for &from in neighbours.iter().filter(|_| !matches!(self.shape, Shape::Mesh(_))) {
                for &via in neighbours.iter().filter(|via| **via != from) {
                    for to in std::iter::once(via).chain(self.behind(place, via)) {
                        transits.push(Transit { from: domain(from), to: domain(to), via: domain(via) });
                    }
                }
            }
            (agreements.collect(), transits)
        };
        (0..count).map(of).collect()
    }

    /// Who may be heard from one provider at another.
    pub(super) fn speakers(&self, place: usize, to: usize) -> BTreeSet<Domain> {
        let behind = if self.are_neighbours(place, to) { self.behind(to, place) } else { Vec::new() };
        std::iter::once(place).chain(behind).map(|place| DOMAINS[place].parse().unwrap()).collect()
    }
}
