//! Peers that are out of reach: their users are shown as offline after a while, and what we subscribed
//! there is renewed when a link is set up again (reference ssp-behaviour §7). And watchers of whom their
//! home says that they are none of its users (reference ssp-primitives §2.3).

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Arc, MutexGuard, PoisonError};

use tracing::{debug, info, warn};

use super::follow::subscription;
use super::peer::shared_out;
use crate::element::notify::Actor;
use crate::element::presence::{Following, requests};
use crate::imps::presence::{Attribute, AttributeSet, Plain, PresenceSubList};
use crate::imps::primitive::{Presence, PresenceNotification, User};
use crate::imps::status::Entity;
use crate::imps::{Code, Domain, Moment, Primitive, UserId};
use crate::relay::ports::{Change, PresenceChange, StoreError, StoredOutgoing};
use crate::relay::split::by_domain;
use crate::sap::Sap;
use crate::sap::questions::{Question, SUBSCRIPTION_LIFE};
use crate::wire::{Carried, Limits, ssp};

/// Notices of one commit.
const NOTICES_PAGE: usize = 500;
/// Users that one renewal names.
const RENEWED_PAGE: usize = 200;

/// What is known of peers that are out of reach. At most as many as there are agreements.
#[derive(Debug, Default)]
pub(in crate::sap) struct Gone {
    /// Since when nothing gets through.
    since: HashMap<Domain, Moment>,
    /// Those whose users are shown as offline.
    told: HashSet<Domain>,
    /// Those with which a link was set up, and whose subscriptions are to be looked at, in an order of their
    /// own, so that a simulation repeats itself.
    back: BTreeSet<Domain>,
}

impl Sap {
    fn gone_peers(&self) -> MutexGuard<'_, Gone> {
        self.gone_peers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A link with the peer was set up: subscriptions there that were marked meanwhile are renewed.
    pub fn peer_is_back(&self, peer: &Domain) {
        let mut gone = self.gone_peers();
        gone.since.remove(peer);
        gone.told.remove(peer);
        gone.back.insert(peer.clone());
    }

    /// After a start: what was marked before is renewed too.
    pub(in crate::sap) fn look_at_every_peer(&self) {
        let map = self.map.load_full();
        let peers = map.directory.agreements().map(|agreement| agreement.domain.clone());
        self.gone_peers().back.extend(peers);
    }

    /// Looks which peers are out of reach, and for how long.
    pub(in crate::sap) async fn sweep_gone_peers(&self, now: Moment) -> Result<(), StoreError> {
        let map = self.map.load_full();
        let (own, after) = (map.directory.own(), self.settings.peer_gone);
        let mut lost = Vec::new();
        for agreement in map.directory.agreements() {
            let peer = &agreement.domain;
            let failing = self.exits.get().is_some_and(|exits| {
                let exits = own.iter().filter_map(|own| exits.exit(own, peer));
                exits.into_iter().any(|exit| exit.is_failing())
            });
            let mut gone = self.gone_peers();
            if !failing {
                gone.since.remove(peer);
                // A session may outlast trouble: then no link is set up that would say so.
                if gone.told.remove(peer) {
                    gone.back.insert(peer.clone());
                }
                continue;
            }
            let since = *gone.since.entry(peer.clone()).or_insert(now);
            if now.since(since) >= after && !gone.told.contains(peer) {
                lost.push(peer.clone());
            }
        }
        for peer in lost {
            self.tell_gone(&peer).await?;
            let mut gone = self.gone_peers();
            // Unless it has come back meanwhile.
            if gone.since.contains_key(&peer) {
                gone.told.insert(peer);
            }
        }
        Ok(())
    }

    /// Renews what was marked, where a link was set up.
    pub(in crate::sap) async fn renew_subscriptions(&self) -> Result<(), StoreError> {
        let mut back = std::mem::take(&mut self.gone_peers().back).into_iter();
        while let Some(peer) = back.next() {
            if let Err(error) = self.renew_over(&peer).await {
                // The next look takes up again here.
                self.gone_peers().back.extend(std::iter::once(peer).chain(back));
                return Err(error);
            }
        }
        Ok(())
    }

    async fn renew_over(&self, peer: &Domain) -> Result<(), StoreError> {
        for domain in self.followed_over(peer, true).await? {
            self.renew(peer, domain).await?;
        }
        Ok(())
    }

    /// The domains behind a peer whose users ours follow.
    async fn followed_over(&self, peer: &Domain, stale: bool) -> Result<Vec<Domain>, StoreError> {
        let followed = self.store.followed_domains(stale).await?;
        let map = self.map();
        let divided = by_domain(followed, |domain| Some(domain.as_str()), &map.routes, self.now());
        let here = divided.remote.into_iter().filter(|elsewhere| elsewhere.peer == *peer);
        Ok(here.flat_map(|elsewhere| elsewhere.items).collect())
    }

    /// The watchers of a peer's users see them offline, and their subscriptions are marked.
    async fn tell_gone(&self, peer: &Domain) -> Result<(), StoreError> {
        let Some(own) = self.domains().into_iter().next() else { return Ok(()) };
        for domain in self.followed_over(peer, false).await? {
            let rows = self.store.followed_in(domain.clone()).await?;
            info!(%peer, %domain, subscriptions = rows.len(), "out of reach: its users are shown as offline");
            let notices = rows.iter().filter(|row| !row.stale).filter_map(|row| {
                let presence = Presence { user: row.presentity.clone(), attributes: offline() };
                shared_out(&own, row, &presence)
            });
            let notices: Vec<_> = notices.collect();
            for page in notices.chunks(NOTICES_PAGE) {
                self.commit_and_tell(Vec::new(), page.to_vec()).await?;
            }
            let marked = PresenceChange::Stale { domain, stale: true };
            self.store.commit(vec![Change::Presence(Box::new(marked))]).await?;
        }
        Ok(())
    }

    async fn renew(&self, peer: &Domain, domain: Domain) -> Result<(), StoreError> {
        let rows = self.store.followed_in(domain.clone()).await?;
        let mut wanted: BTreeMap<(UserId, UserId), AttributeSet> = BTreeMap::new();
        for Following { watcher, presentity, wanted: set, .. } in rows.into_iter().filter(|row| row.stale) {
            let all = wanted.entry((watcher, presentity)).or_default();
            *all = all.union(set);
        }
        info!(%peer, %domain, subscriptions = wanted.len(), "within reach again: subscriptions are renewed");
        let mut together: BTreeMap<(UserId, u32), Vec<UserId>> = BTreeMap::new();
        for ((watcher, presentity), set) in wanted {
            together.entry((watcher, set.bits())).or_default().push(presentity);
        }
        let mut questions = Vec::new();
        for ((watcher, bits), presentities) in together {
            for page in presentities.chunks(RENEWED_PAGE) {
                questions.push(Question {
                    own: watcher.domain().unwrap_or_else(|| peer.clone()),
                    peer: peer.clone(),
                    by: Some(User::from(watcher.clone())),
                    client_originated: true,
                    primitive: subscription(page.to_vec(), AttributeSet::from_bits(bits)).into(),
                    kept: Some(SUBSCRIPTION_LIFE),
                    order: format!("presence {watcher} {domain}").into(),
                });
            }
        }
        let renewed = PresenceChange::Stale { domain, stale: false };
        self.ask_for_nobody(questions, vec![Change::Presence(Box::new(renewed))]).await
    }

    /// The peer has said something about a notice that it took before. A watcher that it does not know
    /// watches no more.
    pub fn notice_acknowledged(self: &Arc<Self>, row: &StoredOutgoing, answer: &Carried) {
        let Carried::Primitive(answer) = answer else { return };
        let Some(status) = answer.status().filter(|status| status.code != Code::SUCCESSFUL) else { return };
        let outgoing = &row.outgoing;
        debug!(row = row.row, peer = %outgoing.peer, code = %status.code, "about a notice of ours");
        let body = ssp::decode_primitive(&outgoing.body, &Limits::for_document(outgoing.body.len()));
        let Ok((_, Carried::Primitive(told))) = body else { return };
        let Primitive::PresenceNotification(PresenceNotification { users, presences }) = *told else {
            return;
        };
        let unknown = |user: &User| {
            let code = status.code_for(&Entity::User(user.id.clone()));
            code == Code::UNKNOWN_USER || code == Code::INVALID_USER_ID
        };
        let unknown: Vec<User> = users.into_iter().filter(unknown).collect();
        if unknown.is_empty() {
            return;
        }
        let (sap, peer) = (Arc::clone(self), outgoing.peer.clone());
        tokio::spawn(async move {
            for watcher in unknown {
                info!(%peer, watcher = %watcher.id, "unknown at its home: it watches no more");
                for presence in &presences {
                    sap.forget_watcher(&presence.user, &watcher.id).await;
                }
            }
        });
    }

    async fn forget_watcher(&self, presentity: &UserId, watcher: &UserId) {
        let (now, actor) = (self.now(), Actor { user: watcher.clone().into(), session: None });
        let gone =
            self.presence_change(presentity, |home| Ok(((), requests::unwatch(home.publisher, &actor, now))));
        if let Err(failed) = gone.await {
            warn!(%presentity, %watcher, code = %failed.code(), "a watcher cannot be removed");
        }
    }
}

/// What is shown of somebody whose home is out of reach.
fn offline() -> PresenceSubList {
    let value = |text: &str| Plain { qualifier: Some(true), value: Some(text.into()), client: None };
    PresenceSubList::new(vec![
        Attribute::OnlineStatus(value("F")),
        Attribute::UserAvailability(value("NOT_AVAILABLE")),
    ])
}
