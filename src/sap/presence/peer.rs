//! What peers ask of our users' presence, and what they tell of theirs.

use crate::element::notify::{Actor, Notify, Reach};
use crate::element::presence::{
    Following, SESSION_SECONDS, SUBSCRIPTIONS_OF_VISITOR_MAX, USERS_MAX, requests,
};
use crate::imps::agreement::{Agreement, Service};
use crate::imps::presence::{Attribute, PresenceSubList};
use crate::imps::primitive::{
    GetPresenceRequest, GetPresenceResponse, Presence, PresenceNotification, SubscribePresenceRequest, User,
};
use crate::imps::status::Entity;
use crate::imps::{Code, Domain, Primitive, Status, UserId};
use crate::relay::admit::Origin;
use crate::relay::budget::Budget;
use crate::relay::ports::{StoreError, Watchers};
use crate::sap::Sap;
use crate::sap::services::PeerAsks;

impl Sap {
    /// A peer's request about presence. An error means that nothing was stored.
    pub(in crate::sap) async fn presence_of_peer(
        &self,
        asks: PeerAsks<'_>,
        primitive: Primitive,
    ) -> Result<Primitive, StoreError> {
        if let Some(answer) = self.handed_on(&asks, &primitive).await? {
            return Ok(answer);
        }
        let mut outcomes = asks.refused;
        let user = match asks.origin {
            Origin::Peer { user, .. } => user,
            Origin::Client { .. } => None,
        };
        if let Primitive::PresenceNotification(notice) = primitive {
            self.notified(asks.own, notice, &mut outcomes).await?;
            return Ok(Status::merge(outcomes).into());
        }
        let Some(user) = user else { return Ok(Status::new(Code::BAD_REQUEST).into()) };
        if let Primitive::SubscribePresenceRequest(SubscribePresenceRequest { users, .. })
        | Primitive::GetPresenceRequest(GetPresenceRequest { users, .. }) = &primitive
        {
            self.receive_guests(users, Service::Presence).await?;
        }
        let actor = Actor { user, session: None };
        match primitive {
            Primitive::SubscribePresenceRequest(request) => {
                let wanted = match requests::wants(request.attributes.as_ref()) {
                    Ok(wanted) => wanted,
                    Err(code) => return Ok(Status::new(code).into()),
                };
                let mut room = self.room_for_watcher(asks.agreement, actor.id()).await?;
                let mut full: Option<Status> = None;
                for presentity in within(request.users, &mut outcomes) {
                    let code = if room > 0 || self.is_watched(&presentity, actor.id()).await? {
                        let code = self.watch(&presentity, &actor, wanted).await?;
                        room = room.saturating_sub(u64::from(code.is_success()));
                        code
                    } else {
                        let excess = || self.excess(asks.agreement, actor.id(), Budget::Subscriptions);
                        full.get_or_insert_with(excess).code
                    };
                    outcomes.push((Entity::User(presentity), code));
                }
                let mut status = Status::merge(outcomes);
                if let Some(full) = full.filter(|full| full.code == status.code) {
                    status.try_again = full.try_again;
                }
                Ok(status.into())
            }
            Primitive::UnsubscribePresenceRequest(request) => {
                for presentity in within(request.users, &mut outcomes) {
                    let code = self.unwatch(&presentity, &actor).await?;
                    outcomes.push((Entity::User(presentity), code));
                }
                Ok(Status::merge(outcomes).into())
            }
            Primitive::GetPresenceRequest(request) => {
                let wanted = match requests::wants(request.attributes.as_ref()) {
                    Ok(wanted) => wanted,
                    Err(code) => return Ok(Status::new(code).into()),
                };
                let users = within(request.users, &mut outcomes);
                let mut presences = Vec::new();
                self.looks(users, &actor.user, wanted, &mut outcomes, &mut presences).await?;
                Ok(GetPresenceResponse { result: Status::merge(outcomes), presences }.into())
            }
            _ => Ok(Status::new(Code::NOT_IMPLEMENTED).into()),
        }
    }

    /// How many more subscriptions this user of a peer may have, by what it has itself and by what all of its
    /// domain have.
    async fn room_for_watcher(&self, link: &Agreement, watcher: &UserId) -> Result<u64, StoreError> {
        let mine = self.store.subscriptions_of(watcher.clone()).await?;
        let home = watcher.domain().unwrap_or_else(|| link.domain.clone());
        let allowed = {
            let map = self.map();
            map.directory.agreement(home.as_str()).map_or(link, AsRef::as_ref).max_subscriptions
        };
        let all = self.store.subscriptions_from(home).await?;
        Ok(SUBSCRIPTIONS_OF_VISITOR_MAX.saturating_sub(mine).min(allowed.saturating_sub(all)))
    }

    async fn is_watched(&self, presentity: &UserId, watcher: &UserId) -> Result<bool, StoreError> {
        let of_it = Watchers::Of(watcher.clone());
        let found = self.store.publishers(vec![presentity.clone()], of_it).await?.pop().flatten();
        Ok(found.is_some_and(|found| !found.watchers.is_empty()))
    }

    /// A peer tells of its users: each of our clients that follows one of them hears of it, and whoever
    /// looked once. Anybody else is passed over.
    async fn notified(
        &self,
        own: &Domain,
        notice: PresenceNotification,
        outcomes: &mut Vec<(Entity, Code)>,
    ) -> Result<(), StoreError> {
        if notice.presences.is_empty() && !outcomes.is_empty() {
            return Ok(());
        }
        let (ours, others): (Vec<User>, Vec<User>) = {
            let map = self.map();
            let is_ours = |user: &User| {
                user.id.domain_str().is_some_and(|domain| map.directory.own_domain(domain).is_some())
            };
            notice.users.into_iter().partition(is_ours)
        };
        if !others.is_empty() {
            self.tell_watchers_elsewhere(own, others, &notice.presences, outcomes).await?;
        }
        let watchers: Vec<UserId> = ours.into_iter().map(|user| user.id).collect();
        let accounts = self.store.accounts(watchers.clone()).await?;
        let mut notices = Vec::new();
        for (watcher, account) in watchers.into_iter().zip(accounts) {
            if account.is_none() {
                outcomes.push((Entity::User(watcher), Code::UNKNOWN_USER));
                continue;
            }
            let following = self.store.following(watcher.clone()).await?;
            for presence in &notice.presences {
                let key = (watcher.clone(), presence.user.clone());
                for waiting in self.glances().remove(&key).unwrap_or_default() {
                    // Who looked may have gone; then nobody has to hear it.
                    let _ = waiting.send(presence.attributes.clone());
                }
                for row in following.iter().filter(|row| row.presentity == presence.user) {
                    notices.extend(shared_out(own, row, presence));
                }
            }
            outcomes.push((Entity::User(watcher), Code::SUCCESSFUL));
        }
        if !notices.is_empty() {
            self.commit_and_tell(Vec::new(), notices).await?;
        }
        Ok(())
    }
}

/// The notice for one client, with what it wants of it.
pub(super) fn shared_out(own: &Domain, row: &Following, presence: &Presence) -> Option<Notify> {
    let attributes = presence.attributes.attributes.iter();
    let wanted = attributes.filter(|it| row.wanted.contains(it.name())).cloned().map(Attribute::as_shown);
    let wanted: Vec<_> = wanted.collect();
    if wanted.is_empty() {
        return None;
    }
    let presences = vec![Presence { user: presence.user.clone(), attributes: PresenceSubList::new(wanted) }];
    let to = vec![User::from(row.watcher.clone())];
    let mut notice = Notify::new(own.clone(), to, PresenceNotification { users: Vec::new(), presences });
    notice.reach = Reach::Sessions(vec![row.session.clone()]);
    notice.by = Some(presence.user.clone().into());
    notice.seconds = SESSION_SECONDS;
    notice.replaces = Some(format!("presence {}", presence.user).into());
    Some(notice)
}

/// No more users than one request may name; the others are 402.
fn within(users: Vec<UserId>, outcomes: &mut Vec<(Entity, Code)>) -> Vec<UserId> {
    let mut users = users;
    let beyond = users.split_off(users.len().min(USERS_MAX));
    outcomes.extend(beyond.into_iter().map(|user| (Entity::User(user), Code::BAD_PARAMETER)));
    users
}
