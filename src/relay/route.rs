//! Which way an address goes.
//!
//! One table maps every domain that can be reached to the way there: a domain of our own, or the
//! peer whose link leads to it, which is the domain itself or a hub that carries it. A look-up is one
//! probe of a hash table, whatever the number of peers, and allocates nothing.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use super::blocks::Blocks;
use crate::imps::agreement::{Agreement, PeerState};
use crate::imps::primitive::Recipient;
use crate::imps::{DateTime, Domain, UserId};

/// The way to a domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route<'a> {
    /// A domain of ours.
    Local(&'a Domain),
    /// Over the link of this peer. A suspended peer is still a route: what is sent waits in its
    /// queue (architecture §4, *State*).
    Peer(&'a Domain),
    /// No way: answered 516.
    Unknown,
}

/// Where something is at home, as far as asking there goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Home {
    /// Here.
    Here,
    /// It is asked over the link of this peer.
    At(Domain),
    /// Nowhere that can be reached: 516.
    Nowhere,
}

/// The way to one domain.
#[derive(Clone, Debug)]
enum Hop {
    /// It is ours.
    Own(Domain),
    /// Over a peer, between these moments.
    Via { peer: Domain, from: Option<DateTime>, until: Option<DateTime> },
    /// The operator closed it; open federation does not open it again.
    Closed,
}

/// Where every known domain lies. Built on start and on every reload, then only read.
#[derive(Clone, Debug, Default)]
pub struct Routes {
    hops: HashMap<Domain, Hop>,
    /// The way to domains behind agreements that are closed, once those are in force again.
    closed: HashMap<Domain, Domain>,
    open: bool,
    /// Nobody of these is reached.
    blocks: Arc<Blocks>,
}

impl Routes {
    /// The table for these domains of ours and these agreements. An own domain wins over any agreement, a
    /// peer's own entry over a hub that carries it, and of several hubs the first by name. Closed
    /// agreements are no way; the dates of the others are looked at on each look-up. With `open`
    /// federation every other domain is a stranger, to whom there is a way once it is a guest.
    pub fn new<'a>(
        own: impl IntoIterator<Item = Domain>,
        agreements: impl IntoIterator<Item = &'a Agreement>,
        open: bool,
    ) -> Self {
        let mut hops: HashMap<Domain, Hop> =
            own.into_iter().map(|domain| (domain.clone(), Hop::Own(domain))).collect();
        let mut agreements: Vec<&Agreement> = agreements.into_iter().collect();
        agreements.sort_by(|a, b| a.domain.cmp(&b.domain));
        // A closed entry counts as not there, so that a hub may still carry the domain.
        let in_force = agreements.iter().copied().filter(|agreement| agreement.state != PeerState::Closed);
        let via = |agreement: &Agreement| Hop::Via {
            peer: agreement.domain.clone(),
            from: agreement.valid_from,
            until: agreement.valid_until,
        };
        for agreement in in_force.clone() {
            if let Entry::Vacant(free) = hops.entry(agreement.domain.clone()) {
                free.insert(via(agreement));
            }
        }
        for agreement in in_force {
            for carried in &agreement.carries {
                if let Entry::Vacant(free) = hops.entry(carried.clone()) {
                    free.insert(via(agreement));
                }
            }
        }
        let mut closed = HashMap::new();
        for agreement in agreements {
            hops.entry(agreement.domain.clone()).or_insert(Hop::Closed);
            if agreement.state == PeerState::Closed {
                for domain in std::iter::once(&agreement.domain).chain(&agreement.carries) {
                    closed.entry(domain.clone()).or_insert_with(|| agreement.domain.clone());
                }
            }
        }
        Self { hops, closed, open, blocks: Arc::default() }
    }

    /// The same with no way to these: to blocked domains there is none, behind whatever peer they are, and blocked
    /// users are nowhere.
    #[must_use]
    pub fn without(mut self, blocks: Arc<Blocks>) -> Self {
        for domain in blocks.domains() {
            if !matches!(self.hops.get(domain), Some(Hop::Own(_))) {
                self.hops.insert(domain.clone(), Hop::Closed);
            }
        }
        Self { blocks, ..self }
    }

    /// Where a user is at home, in normal form; `None`: nowhere, or operators keep it out.
    pub fn home_of<'u>(&self, user: &'u UserId) -> Option<&'u str> {
        self.blocks.home_of(user)
    }

    /// The same for a recipient of any kind.
    pub fn place_of<'r>(&self, recipient: &'r Recipient) -> Option<&'r str> {
        self.blocks.place_of(recipient)
    }

    /// The way to a domain, given in normal form ([`Domain::as_str`], `Address::domain_str`).
    pub fn of(&self, domain: &str, now: DateTime) -> Route<'_> {
        match self.hops.get(domain) {
            Some(Hop::Own(own)) => Route::Local(own),
            Some(Hop::Via { peer, from, until })
                if from.is_none_or(|from| from <= now) && until.is_none_or(|until| now <= until) =>
            {
                Route::Peer(peer)
            }
            Some(Hop::Via { .. } | Hop::Closed) | None => Route::Unknown,
        }
    }

    /// The domain, if nothing is known of it and it may get an agreement, since federation is open
    /// ([`super::guests`]).
    pub fn stranger(&self, domain: &str) -> Option<Domain> {
        let known = !self.open || self.hops.contains_key(domain);
        if known { None } else { domain.parse().ok() }
    }

    /// The peer by which a domain is reached now or, if there is no way now, once an agreement with it that the
    /// operator has closed is in force again. What is owed there waits for that (architecture §4, *State*).
    pub fn owed_to(&self, domain: &str) -> Option<&Domain> {
        match self.hops.get(domain) {
            Some(Hop::Own(_)) => None,
            Some(Hop::Via { peer, .. }) => Some(peer),
            Some(Hop::Closed) | None => self.closed.get(domain),
        }
    }

    /// Where something of this domain is at home; without a domain it is nowhere.
    pub fn home(&self, domain: Option<&str>, now: DateTime) -> Home {
        let Some(domain) = domain else { return Home::Nowhere };
        match self.of(domain, now) {
            Route::Local(_) => Home::Here,
            Route::Peer(peer) => Home::At(peer.clone()),
            Route::Unknown => Home::Nowhere,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::imps::Moment;
    use crate::relay::blocks::Block;

    fn domain(text: &str) -> Domain {
        text.parse().unwrap()
    }

    fn agreement(text: &str) -> Agreement {
        Agreement::with(domain(text))
    }

    fn now() -> DateTime {
        DateTime::from_unix(1000)
    }

    #[test]
    fn own_domains_peers_and_strangers_are_told_apart() {
        let south = agreement("south.example");
        let routes = Routes::new([domain("north.example")], [&south], false);
        assert_eq!(routes.of("north.example", now()), Route::Local(&domain("north.example")));
        assert_eq!(routes.of("south.example", now()), Route::Peer(&domain("south.example")));
        assert_eq!(routes.of("east.example", now()), Route::Unknown);
    }

    #[test]
    fn a_suspended_peer_is_a_route_and_a_closed_one_is_none() {
        let suspended = Agreement { state: PeerState::Suspended, ..agreement("south.example") };
        let closed = Agreement { state: PeerState::Closed, ..agreement("east.example") };
        let routes = Routes::new([domain("north.example")], [&suspended, &closed], false);
        assert_eq!(routes.of("south.example", now()), Route::Peer(&domain("south.example")));
        assert_eq!(routes.of("east.example", now()), Route::Unknown);
    }

    #[test]
    fn outside_its_dates_an_agreement_is_no_route() {
        let dated = Agreement {
            valid_from: Some(DateTime::from_unix(100)),
            valid_until: Some(DateTime::from_unix(200)),
            ..agreement("south.example")
        };
        let routes = Routes::new([], [&dated], false);
        let at = |seconds| routes.of("south.example", DateTime::from_unix(seconds));
        assert_eq!(at(99), Route::Unknown);
        assert_eq!(at(150), Route::Peer(&domain("south.example")));
        assert_eq!(at(201), Route::Unknown);
    }

    #[test]
    fn a_hub_leads_to_what_it_carries_but_not_past_a_direct_agreement() {
        let hub = Agreement {
            carries: vec![domain("east.example"), domain("west.example"), domain("north.example")],
            ..agreement("hub.example")
        };
        let west = agreement("west.example");
        let routes = Routes::new([domain("north.example")], [&hub, &west], false);
        assert_eq!(routes.of("east.example", now()), Route::Peer(&domain("hub.example")));
        assert_eq!(routes.of("west.example", now()), Route::Peer(&domain("west.example")));
        assert_eq!(routes.of("north.example", now()), Route::Local(&domain("north.example")));
    }

    #[test]
    fn with_open_federation_whoever_is_not_known_is_a_stranger_and_whom_the_operator_closed_is_not() {
        let closed = Agreement { state: PeerState::Closed, ..agreement("east.example") };
        let agreements = [closed, agreement("south.example")];
        let block = Block {
            subject: "evil.example".parse().unwrap(),
            since: Moment::default(),
            until: None,
            reason: "spam".into(),
        };
        let routes = |open| {
            Routes::new([domain("north.example")], &agreements, open)
                .without(Arc::new(Blocks::new([block.clone()], Moment::default())))
        };
        let names =
            ["west.example", "east.example", "south.example", "north.example", "evil.example", "not a name"];
        let strangers = |open| names.map(|name| routes(open).stranger(name).is_some());
        assert_eq!(strangers(true), [true, false, false, false, false, false]);
        assert_eq!(strangers(false), [false; 6]);
        assert_eq!(routes(true).of("west.example", now()), Route::Unknown);
    }

    #[test]
    fn what_is_behind_a_closed_agreement_is_owed_to_its_peer() {
        let hub = Agreement {
            state: PeerState::Closed,
            carries: vec![domain("far.example")],
            ..agreement("hub.example")
        };
        let over = Agreement { valid_until: Some(DateTime::from_unix(1)), ..agreement("over.example") };
        let routes =
            Routes::new([domain("north.example")], [&hub, &over, &agreement("south.example")], false);
        let owed = |name: &str| routes.owed_to(name).map(Domain::as_str);
        assert_eq!(routes.of("far.example", now()), Route::Unknown);
        assert_eq!(["hub.example", "far.example"].map(owed), [Some("hub.example"); 2]);
        assert_eq!(
            ["over.example", "south.example"].map(owed),
            [Some("over.example"), Some("south.example")]
        );
        assert_eq!(["north.example", "nowhere.example"].map(owed), [None; 2]);
    }

    proptest! {
        #[test]
        fn the_same_domain_has_one_route_however_the_peers_are_ordered(
            mut names in proptest::collection::hash_set("[a-d]{1,2}", 0..8)
                .prop_map(|set| set.into_iter().collect::<Vec<_>>()),
            asked in "[a-d]{1,2}",
        ) {
            let build = |names: &[String]| {
                let agreements: Vec<_> = names.iter().map(|name| agreement(name)).collect();
                Routes::new([domain("own.example")], &agreements, false)
            };
            let one = build(&names);
            names.reverse();
            let other = build(&names);
            prop_assert_eq!(one.of(&asked, now()), other.of(&asked, now()));
            prop_assert_eq!(one.of(&asked, now()) == Route::Unknown, !names.contains(&asked));
        }
    }
}
