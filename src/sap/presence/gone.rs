//! Peers that are out of reach: their users are shown as offline after a while, and what we subscribed
//! there is renewed when a link is set up again (reference ssp-behaviour §7). What they subscribed here ends
//! after a week; their homes subscribe again when a client needs it (reference ssp-primitives §2.1). And
//! watchers of whom their home says that they are none of its users (reference ssp-primitives §2.3).

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use tracing::{debug, info, warn};

use super::follow::subscription;
use super::peer::shared_out;
use crate::element::notify::Actor;
use crate::element::presence::{Following, Home, requests};
use crate::imps::presence::{Attribute, AttributeSet, Plain, PresenceSubList};
use crate::imps::primitive::{Presence, PresenceNotification, User};
use crate::imps::status::Entity;
use crate::imps::{Code, Domain, Moment, Primitive, UserId};
use crate::relay::ports::{Change, PresenceChange, StoreError, StoredOutgoing, Watchers};
use crate::relay::route::Route;
use crate::relay::split::by_domain;
use crate::sap::Sap;
use crate::sap::questions::{Question, SUBSCRIPTION_LIFE};
use crate::wire::{Carried, Limits, ssp};

/// Notices of one commit.
const NOTICES_PAGE: usize = 500;
/// Users that one renewal names.
const RENEWED_PAGE: usize = 200;
/// How long a peer is out of reach before the subscriptions of its users end.
const WATCHERS_STAY: Duration = Duration::from_secs(7 * 86_400);
/// Watchers who are forgotten in one sweep.
const WATCHERS_PAGE: usize = 100;

/// What is known of peers that are out of reach. At most as many as there are agreements.
#[derive(Debug, Default)]
pub(in crate::sap) struct Gone {
    /// Since when nothing gets through.
    since: HashMap<Domain, Moment>,
    /// The same of an earlier run of this node, of peers that were not heard or found out of reach since.
    before: HashMap<Domain, Moment>,
    /// What is to be written down of it.
    unwritten: BTreeMap<Domain, Option<Moment>>,
    /// Those whose users watch nobody here any more.
    emptied: HashSet<Domain>,
    /// Those whose users are shown as offline.
    told: HashSet<Domain>,
    /// Those with which a link was set up, and whose subscriptions are to be looked at, in an order of their
    /// own, so that a simulation repeats itself.
    back: BTreeSet<Domain>,
}

impl Gone {
    /// Nothing gets through to the peer; since when.
    fn out_of_reach(&mut self, peer: &Domain, now: Moment) -> Moment {
        if let Some(since) = self.since.get(peer) {
            return *since;
        }
        let since = self.before.remove(peer).unwrap_or_else(|| {
            self.unwritten.insert(peer.clone(), Some(now));
            now
        });
        self.since.insert(peer.clone(), since);
        since
    }

    /// The peer is within reach.
    fn heard(&mut self, peer: &Domain) {
        let was_gone = self.since.remove(peer).is_some() | self.before.remove(peer).is_some();
        self.emptied.remove(peer);
        if was_gone {
            self.unwritten.insert(peer.clone(), None);
        }
    }
}

impl Sap {
    fn gone_peers(&self) -> MutexGuard<'_, Gone> {
        self.gone_peers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A link with the peer was set up: subscriptions there that were marked meanwhile are renewed.
    pub fn peer_is_back(&self, peer: &Domain) {
        let mut gone = self.gone_peers();
        gone.heard(peer);
        gone.told.remove(peer);
        gone.back.insert(peer.clone());
    }

    /// After a start: what was marked before is renewed too, and who was out of reach before has been so for as
    /// long as was written down.
    pub(in crate::sap) async fn look_at_every_peer(&self) -> Result<(), StoreError> {
        let map = self.map.load_full();
        let peers = map.directory.agreements().map(|agreement| agreement.domain.clone());
        self.gone_peers().back.extend(peers);
        let (known, others): (Vec<_>, Vec<_>) = self
            .store
            .unreachable()
            .await?
            .into_iter()
            .partition(|(peer, _)| map.directory.agreement(peer.as_str()).is_some());
        let mut gone = self.gone_peers();
        for (peer, since) in known {
            if !gone.since.contains_key(&peer) {
                gone.before.insert(peer, since);
            }
        }
        gone.unwritten.extend(others.into_iter().map(|(peer, _)| (peer, None)));
        Ok(())
    }

    /// Looks which peers are out of reach, and for how long.
    pub(in crate::sap) async fn sweep_gone_peers(&self, now: Moment) -> Result<(), StoreError> {
        let map = self.map.load_full();
        let (own, after) = (map.directory.own(), self.settings.peer_gone);
        let (mut lost, mut left) = (Vec::new(), Vec::new());
        for agreement in map.directory.agreements() {
            let peer = &agreement.domain;
            let failing = self.exits.get().is_some_and(|exits| {
                let exits = own.iter().filter_map(|own| exits.exit(own, peer));
                exits.into_iter().any(|exit| exit.is_failing())
            });
            let mut gone = self.gone_peers();
            if !failing {
                if gone.since.contains_key(peer) {
                    gone.heard(peer);
                }
                // A session may outlast trouble: then no link is set up that would say so.
                if gone.told.remove(peer) {
                    gone.back.insert(peer.clone());
                }
                continue;
            }
            let since = gone.out_of_reach(peer, now);
            if now.since(since) >= WATCHERS_STAY && !gone.emptied.contains(peer) {
                left.push(peer.clone());
            }
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
        for peer in left {
            self.drop_watchers_of(&peer).await?;
        }
        self.write_gone().await
    }

    /// What happened to peers is written down.
    async fn write_gone(&self) -> Result<(), StoreError> {
        let unwritten = std::mem::take(&mut self.gone_peers().unwritten);
        if unwritten.is_empty() {
            return Ok(());
        }
        let change = |(peer, since): (&Domain, &Option<Moment>)| {
            let change = PresenceChange::Unreachable { peer: peer.clone(), since: *since };
            Change::Presence(Box::new(change))
        };
        let written = self.store.commit(unwritten.iter().map(change).collect()).await;
        if written.is_err() {
            let mut gone = self.gone_peers();
            for (peer, since) in unwritten {
                // What has happened meanwhile is newer.
                gone.unwritten.entry(peer).or_insert(since);
            }
        }
        written.map(drop)
    }

    /// The users of a peer that has been out of reach for a week watch nobody any more: a page of them.
    async fn drop_watchers_of(&self, peer: &Domain) -> Result<(), StoreError> {
        let map = self.map.load_full();
        let carries = map.directory.agreement(peer.as_str()).map(|it| it.carries.clone()).unwrap_or_default();
        // What another way leads to may be within reach.
        let now = self.now().date_time();
        let is_behind =
            |domain: &Domain| matches!(map.routes.of(domain.as_str(), now), Route::Peer(via) if via == peer);
        let behind = carries.into_iter().filter(is_behind);
        for domain in std::iter::once(peer.clone()).chain(behind) {
            let watchers = self.store.watchers_from(domain.clone(), WATCHERS_PAGE).await?;
            if !watchers.is_empty() {
                info!(%peer, %domain, subscriptions = watchers.len(), "out of reach for a week: its users watch no more");
                for (presentity, watcher) in watchers {
                    self.forget_watcher(&presentity, &watcher).await;
                }
                // The rest with the next look.
                return Ok(());
            }
        }
        self.gone_peers().emptied.insert(peer.clone());
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
        let unwatch = |home: &Home<'_>| Ok(((), requests::unwatch(home.publisher, &actor, now)));
        let gone = self.presence_change(presentity, Watchers::Of(watcher.clone()), unwatch);
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
