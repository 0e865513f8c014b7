//! Guests of a node whose federation is open: how they come, how long they stay ([`crate::relay::guests`]).

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, PoisonError, Weak};
use std::time::Duration;

use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::{Agreed, Federation};
use crate::imps::agreement::Agreement;
use crate::imps::{Domain, Moment};
use crate::net::discover::DiscoverError;
use crate::relay::guests::{
    self, Begins, GUESTS_MAX, INTRODUCED_PER_SECOND, Introduced, Strangers, UNUSED_MAX,
};
use crate::relay::ports::{Change, Guest, OperatorsChange, StoreError};

/// Between two looks at who is still in use.
const LOOK: Duration = Duration::from_secs(3600);

/// A guest.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) agreement: Agreement,
    /// When something passed last, within [`LOOK`].
    used: Moment,
}

/// Every guest.
pub(super) type Guests = BTreeMap<Domain, Row>;

/// The guests of an earlier run, or of before the files were read again; secure DNS may vouch for them or not.
pub(super) fn of(known: impl IntoIterator<Item = Guest>, dane: bool) -> Guests {
    let row = |used, domain: &Domain| Row { agreement: guests::agreement(domain.clone(), dane), used };
    known.into_iter().map(|guest| (guest.domain.clone(), row(guest.used, &guest.domain))).collect()
}

/// The same as the store has them.
pub(super) fn rows(guests: &Guests) -> Vec<Guest> {
    guests.iter().map(|(domain, row)| Guest { domain: domain.clone(), used: row.used }).collect()
}

/// Makes guests as long as the node lives.
pub(crate) struct Door(pub(crate) Weak<Federation>);

impl Strangers for Door {
    fn introduce(&self, domain: Domain, begins: Begins) -> Pin<Box<dyn Future<Output = Introduced> + Send>> {
        let federation = self.0.upgrade();
        Box::pin(async move {
            match federation {
                Some(federation) => federation.introduce(domain, begins).await,
                None => Introduced::Later,
            }
        })
    }
}

impl Federation {
    /// `None`: it may become a guest.
    fn known(&self, domain: &Domain) -> Option<Introduced> {
        let agreed = self.agreed();
        let unwanted = agreed.guests.is_none()
            || self.links.is_none()
            || self.own.contains(domain)
            || agreed.blocks.of_domain(domain.as_str()).is_some();
        match agreed.entry(domain) {
            Some(_) => Some(Introduced::Known),
            None if unwanted => Some(Introduced::Nobody),
            None => None,
        }
    }

    async fn introduce(&self, domain: Domain, begins: Begins) -> Introduced {
        if let Some(known) = self.known(&domain) {
            return known;
        }
        if begins == Begins::We
            && let Some(links) = &self.links
            && let Err(error) = links.sockets.find(&guests::agreement(domain.clone(), false)).await
        {
            info!(%domain, "asked for by a user of ours, and not found: {error}");
            // A failure of DNS itself says nothing about the domain: what is for it waits (decisions.md 9).
            if matches!(error, DiscoverError::NoService { .. }) {
                return Introduced::Nobody;
            }
        }
        let now = self.sap.now();
        let rated =
            self.newcomers.lock().unwrap_or_else(PoisonError::into_inner).take(INTRODUCED_PER_SECOND, now);
        let _turn = self.turn.lock().await;
        if let Some(known) = self.known(&domain) {
            return known;
        }
        let agreed = self.agreed();
        let mut all = agreed.guests.clone().unwrap_or_default();
        if rated.is_err() || all.len() >= GUESTS_MAX {
            warn!(%domain, guests = all.len(), "no place for another guest now");
            return Introduced::Later;
        }
        let guest = Guest { domain: domain.clone(), used: now };
        let change = Change::Operators(OperatorsChange::Guest(guest.clone()));
        let written = self.sap.store().commit(vec![change]).await;
        all.extend(of([guest], agreed.guests_by_dns));
        let followed = match written {
            Ok(_) => self.follow(Agreed { guests: Some(all), ..Agreed::clone(&agreed) }).await,
            Err(error) => Err(error),
        };
        match followed {
            Ok(()) => {
                info!(%domain, ?begins, "a new guest");
                Introduced::Known
            }
            Err(error) => {
                warn!(%domain, %error, "a guest cannot be taken up now");
                Introduced::Later
            }
        }
    }

    /// Forgets in the store who is no guest any more.
    pub(super) async fn guests_gone(&self, before: &Agreed, after: &Agreed) -> Result<(), StoreError> {
        let none = Guests::new();
        let left = after.guests.as_ref().unwrap_or(&none);
        let gone = before.guests.iter().flat_map(BTreeMap::keys).filter(|domain| !left.contains_key(*domain));
        let changes: Vec<_> =
            gone.map(|domain| Change::Operators(OperatorsChange::GuestGone(domain.clone()))).collect();
        if !changes.is_empty() {
            self.sap.store().commit(changes).await?;
        }
        Ok(())
    }

    /// Sends guests away with whom nothing passes any more, until told to stop.
    pub(crate) async fn look_after_guests(self: Arc<Self>, stop: CancellationToken) {
        let mut tick = tokio::time::interval(LOOK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut traffic = HashMap::new();
        while stop.run_until_cancelled(tick.tick()).await.is_some() {
            if let Err(error) = self.sweep_guests(&mut traffic).await {
                warn!(%error, "who is still a guest cannot be written down now");
            }
            if let Some(links) = &self.links {
                links.peers.forget_the_gone().await;
            }
        }
    }

    async fn sweep_guests(&self, traffic: &mut HashMap<Domain, u64>) -> Result<(), StoreError> {
        let _turn = self.turn.lock().await;
        let agreed = self.agreed();
        let (Some(guests), Some(links)) = (&agreed.guests, &self.links) else { return Ok(()) };
        let waiting: BTreeSet<Domain> =
            self.sap.store().queues().await?.into_iter().map(|queue| queue.peer).collect();
        traffic.retain(|domain, _| guests.contains_key(domain));
        let in_use = guests.keys().filter(|domain| {
            let views = links.peers.views(domain);
            let posts = views.iter().map(|view| view.posts_in.saturating_add(view.posts_out)).sum();
            let more = traffic.insert(Domain::clone(domain), posts).is_none_or(|before| before != posts);
            waiting.contains(*domain) || (posts > 0 && more)
        });
        let (renewed, left) = swept(guests, &in_use.cloned().collect(), self.sap.now());
        let changes =
            renewed.into_iter().map(|guest| Change::Operators(OperatorsChange::Guest(guest))).collect();
        self.sap.store().commit(changes).await?;
        let left_as_before = left.len() == guests.len();
        let after = Agreed { guests: Some(left), ..Agreed::clone(&agreed) };
        if left_as_before {
            self.agreed.store(Arc::new(after));
            return Ok(());
        }
        self.guests_gone(&agreed, &after).await?;
        self.follow(after).await
    }
}

/// Those with whom something passed meanwhile, and all who stay.
fn swept(guests: &Guests, in_use: &BTreeSet<Domain>, now: Moment) -> (Vec<Guest>, Guests) {
    let mut renewed = Vec::new();
    let mut left = Guests::new();
    for (domain, row) in guests {
        let used = if in_use.contains(domain) { now } else { row.used };
        if used != row.used {
            renewed.push(Guest { domain: domain.clone(), used });
        }
        if now.since(used) < UNUSED_MAX {
            left.insert(domain.clone(), Row { used, ..row.clone() });
        } else {
            info!(%domain, "nothing passed for long: no guest any more");
        }
    }
    (renewed, left)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guests_stay_for_eight_days_after_the_last_traffic() {
        let domain = |name: &str| name.parse::<Domain>().unwrap();
        let day = |days: u64| Moment::from_millis(days * 86_400_000);
        let known = ["a.example", "b.example"].map(|name| Guest { domain: domain(name), used: day(10) });
        let all = of(known, false);
        let (renewed, left) = swept(&all, &BTreeSet::from([domain("a.example")]), day(17));
        assert_eq!(renewed, [Guest { domain: domain("a.example"), used: day(17) }]);
        assert_eq!(left.len(), 2, "what is for it may wait for seven days");
        let (renewed, left) = swept(&left, &BTreeSet::new(), day(18));
        assert_eq!(renewed, []);
        assert_eq!(left.keys().map(Domain::as_str).collect::<Vec<_>>(), ["a.example"]);
    }
}
