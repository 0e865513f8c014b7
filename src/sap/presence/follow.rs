//! Subscriptions of our clients: to users of ours, and to users of other domains.

use std::collections::HashSet;
use std::sync::Arc;

use tracing::{debug, warn};

use super::{Failed, outcome};
use crate::element::notify::Actor;
use crate::element::presence::requests::{self, Decision};
use crate::element::presence::{Following, Home, USERS_MAX};
use crate::imps::presence::{AttributeSet, PresenceSubList};
use crate::imps::primitive::{ClientId, SubscribePresenceRequest, UnsubscribePresenceRequest, User};
use crate::imps::status::Entity;
use crate::imps::{Code, ContactListId, Primitive, SessionId, Status, UserId};
use crate::relay::ports::{Change, FOLLOWING_MAX, PresenceChange, StoreError, Watchers};
use crate::relay::split::{ByDomain, Elsewhere, by_domain};
use crate::sap::Sap;
use crate::sap::clients::Client;
use crate::sap::questions::{Question, SUBSCRIPTION_LIFE};

impl Sap {
    pub(super) async fn subscribe(
        &self,
        client: &Arc<Client>,
        request: SubscribePresenceRequest,
    ) -> Result<Status, Failed> {
        let wanted = requests::wants(request.attributes.as_ref()).map_err(Failed::Code)?;
        if request.auto_subscribe == Some(true) && !request.contact_lists.is_empty() {
            // Lists that are kept elsewhere change without our hearing of it.
            if self.presence_element().is_some() {
                return Err(Failed::Code(Code::NO_AUTO_SUBSCRIPTION));
            }
            self.follow_lists(client, &request.contact_lists, wanted).await?;
        }
        let (users, mut outcomes) = self.named(client, request.users, &request.contact_lists).await?;
        let divided = self.divided(users);
        let actor = client.actor();
        for user in divided.local {
            let code = self.watch(&user, &actor, wanted).await?;
            outcomes.push((Entity::User(user), code));
        }
        for user in divided.unknown {
            outcomes.push((Entity::User(user), Code::DOMAIN_NOT_SUPPORTED));
        }
        if !divided.remote.is_empty() {
            outcomes.extend(self.follow(client, divided.remote, wanted).await?);
        }
        Ok(Status::merge(outcomes))
    }

    /// Everybody that a request names, once, its contact lists expanded, and the lists that there are not.
    pub(super) async fn named(
        &self,
        client: &Arc<Client>,
        users: Vec<UserId>,
        lists: &[ContactListId],
    ) -> Result<(Vec<UserId>, Vec<(Entity, Code)>), Failed> {
        let mut all = users;
        let mut missing = Vec::new();
        if !lists.is_empty() {
            let own = self.lists_of(&client.as_user(), lists).await.map_err(Failed::Code)?;
            let expanded = own.expand(lists);
            self.meet(expanded.users.iter().filter_map(|user| user.domain_str()))
                .await
                .map_err(Failed::Code)?;
            all.extend(expanded.users);
            missing = expanded.missing;
        }
        let mut seen = HashSet::new();
        all.retain(|user| seen.insert(user.clone()));
        if all.len() > USERS_MAX {
            return Err(Failed::Code(Code::BAD_PARAMETER));
        }
        Ok((all, missing))
    }

    pub(super) fn divided(&self, users: Vec<UserId>) -> ByDomain<UserId> {
        let mut divided = {
            let map = self.map();
            by_domain(users, |user| map.routes.home_of(user), &map.routes, self.now())
        };
        self.at_elements(&mut divided);
        divided
    }

    pub(super) fn question(
        &self,
        client: &Arc<Client>,
        to: &Elsewhere<UserId>,
        primitive: impl Into<Primitive>,
        kept: bool,
    ) -> Question {
        let user = client.user();
        Question {
            own: user.domain().or_else(|| self.domains().into_iter().next()).unwrap_or(to.peer.clone()),
            peer: to.peer.clone(),
            // What is kept is kept for the user with all its clients, who share it.
            by: Some(if kept { User::from(user.clone()) } else { client.as_user() }),
            client_originated: true,
            primitive: primitive.into(),
            kept: kept.then_some(SUBSCRIPTION_LIFE),
            order: format!("presence {user} {}", to.domain).into(),
        }
    }

    /// One user of ours is watched. An error is one of the store.
    pub(super) async fn watch(
        &self,
        user: &UserId,
        actor: &Actor,
        wanted: AttributeSet,
    ) -> Result<Code, StoreError> {
        let (own, now) = (user.domain(), self.now());
        let decide = |home: &Home<'_>| {
            let own = own.as_ref().ok_or(Code::UNKNOWN_USER)?;
            requests::watch(home, actor, own, wanted, now).map(|decision| ((), decision))
        };
        outcome(self.presence_change(user, Watchers::Of(actor.id().clone()), decide).await)
    }

    pub(super) async fn unwatch(&self, user: &UserId, actor: &Actor) -> Result<Code, StoreError> {
        let now = self.now();
        let decide = |home: &Home<'_>| Ok(((), requests::unwatch(home.publisher, actor, now)));
        outcome(self.presence_change(user, Watchers::Of(actor.id().clone()), decide).await)
    }

    /// A client follows users of other domains: one request to each domain, for the user with all its
    /// clients and the union of what they want (reference ssp-primitives §2.1).
    async fn follow(
        &self,
        client: &Arc<Client>,
        remote: Vec<Elsewhere<UserId>>,
        wanted: AttributeSet,
    ) -> Result<Vec<(Entity, Code)>, Failed> {
        let user = client.user();
        let Some((questions, with)) = self.subscriptions(client, &remote, wanted).await? else {
            let all = remote.into_iter().flat_map(|elsewhere| elsewhere.items);
            return Ok(all.map(|user| (Entity::User(user), Code::SERVICE_UNAVAILABLE)).collect());
        };
        let replies = self.ask(questions, vec![with]).await?;
        let mut outcomes = Vec::new();
        let mut refused = Vec::new();
        for (elsewhere, reply) in remote.into_iter().zip(replies) {
            for presentity in elsewhere.items {
                let entity = Entity::User(presentity.clone());
                let code = reply.code_for(&entity);
                if code.outcome() == crate::imps::status::Outcome::Final {
                    refused.push(presentity);
                }
                outcomes.push((entity, code));
            }
        }
        if !refused.is_empty() {
            let session = Some(client.id.clone());
            let unfollow = PresenceChange::Unfollow { watcher: user.clone(), session, presentities: refused };
            self.store.commit(vec![Change::Presence(Box::new(unfollow))]).await?;
        }
        Ok(outcomes)
    }

    /// The questions by which a client subscribes in other domains, and what is remembered of it; none if it
    /// would follow too many.
    async fn subscriptions(
        &self,
        client: &Arc<Client>,
        remote: &[Elsewhere<UserId>],
        wanted: AttributeSet,
    ) -> Result<Option<(Vec<Question>, Change)>, StoreError> {
        let user = client.user();
        let following = self.store.following(user.clone()).await?;
        let row = |presentity: &UserId| Following {
            watcher: user.clone(),
            session: client.id.clone(),
            presentity: presentity.clone(),
            wanted,
            stale: false,
        };
        let rows: Vec<Following> = remote.iter().flat_map(|elsewhere| &elsewhere.items).map(row).collect();
        if following.len().saturating_add(rows.len()) > FOLLOWING_MAX {
            return Ok(None);
        }
        let mut questions = Vec::with_capacity(remote.len());
        for elsewhere in remote {
            let asked: HashSet<&UserId> = elsewhere.items.iter().collect();
            let others = following.iter().filter(|row| asked.contains(&row.presentity));
            let union = others.fold(wanted, |all, row| all.union(row.wanted));
            let request = subscription(elsewhere.items.clone(), union);
            questions.push(self.question(client, elsewhere, request, true));
        }
        Ok(Some((questions, Change::Presence(Box::new(PresenceChange::Follow(rows))))))
    }

    /// A client watches these users though it has not asked for each, and nobody waits for what comes of it.
    pub(super) async fn follow_quietly(
        &self,
        client: &Arc<Client>,
        users: Vec<UserId>,
        wanted: AttributeSet,
    ) -> Result<(), StoreError> {
        let divided = self.divided(users);
        for user in divided.local {
            self.watch(&user, &client.actor(), wanted).await?;
        }
        if !divided.remote.is_empty()
            && let Some((questions, with)) = self.subscriptions(client, &divided.remote, wanted).await?
        {
            self.ask_for_nobody(questions, vec![with]).await?;
        }
        Ok(())
    }

    /// And these it watches no more.
    pub(super) async fn leave_quietly(
        &self,
        client: &Arc<Client>,
        users: Vec<UserId>,
    ) -> Result<(), StoreError> {
        let user = client.user();
        let divided = self.divided(users);
        for presentity in divided.local {
            self.unwatch(&presentity, &client.actor()).await?;
        }
        let presentities: Vec<UserId> = divided.remote.into_iter().flat_map(|it| it.items).collect();
        if presentities.is_empty() {
            return Ok(());
        }
        let following = self.store.following(user.clone()).await?;
        let shared = of_others(&following, &client.id);
        let gone: Vec<UserId> = presentities.iter().filter(|it| !shared.contains(it)).cloned().collect();
        let session = Some(client.id.clone());
        let unfollow = PresenceChange::Unfollow { watcher: user.clone(), session, presentities };
        self.store.commit(vec![Change::Presence(Box::new(unfollow))]).await?;
        if !gone.is_empty() {
            self.unsubscribe_elsewhere(client, gone).await;
        }
        Ok(())
    }

    pub(super) async fn unsubscribe(
        &self,
        client: &Arc<Client>,
        request: UnsubscribePresenceRequest,
    ) -> Result<Status, Failed> {
        let user = client.user();
        self.unfollow_lists(client, &request.contact_lists).await?;
        let (users, mut outcomes) = self.named(client, request.users, &request.contact_lists).await?;
        let divided = self.divided(users);
        let actor = client.actor();
        for presentity in divided.local {
            let code = self.unwatch(&presentity, &actor).await?;
            outcomes.push((Entity::User(presentity), code));
        }
        for presentity in divided.unknown {
            outcomes.push((Entity::User(presentity), Code::DOMAIN_NOT_SUPPORTED));
        }
        if divided.remote.is_empty() {
            return Ok(Status::merge(outcomes));
        }
        let following = self.store.following(user.clone()).await?;
        let others = of_others(&following, &client.id);
        let mut questions = Vec::new();
        let mut asked = Vec::new();
        let presentities = divided.remote.iter().flat_map(|it| it.items.clone()).collect();
        for elsewhere in divided.remote {
            let (shared, gone): (Vec<_>, Vec<_>) =
                elsewhere.items.iter().cloned().partition(|it| others.contains(it));
            outcomes.extend(shared.into_iter().map(|it| (Entity::User(it), Code::SUCCESSFUL)));
            if !gone.is_empty() {
                let users = gone.clone();
                let request = UnsubscribePresenceRequest { users, ..UnsubscribePresenceRequest::default() };
                questions.push(self.question(client, &elsewhere, request, true));
                asked.push(gone);
            }
        }
        let session = Some(client.id.clone());
        let unfollow = PresenceChange::Unfollow { watcher: user.clone(), session, presentities };
        let replies = self.ask(questions, vec![Change::Presence(Box::new(unfollow))]).await?;
        for (users, reply) in asked.into_iter().zip(replies) {
            let entities = users.into_iter().map(Entity::User);
            outcomes.extend(entities.map(|entity| {
                let code = reply.code_for(&entity);
                (entity, code)
            }));
        }
        Ok(Status::merge(outcomes))
    }

    /// A session of a client is over and no longer among the clients: what it published ends, and what it
    /// alone followed in other domains is unsubscribed there.
    pub(in crate::sap) async fn presence_session_over(&self, client: &Arc<Client>) {
        let user = client.user();
        let published = &client.key.client;
        let still = self.clients.of_user(user).iter().any(|other| other.key.client == *published);
        if !still {
            self.client_there(client, false).await;
        }
        let ended = |_: &Home<'_>| {
            Ok(((), if still { Decision::default() } else { requests::session_over(published) }))
        };
        if let Err(failed) = self.presence_change(user, Watchers::behind(None), ended).await {
            debug!(%user, code = %failed.code(), "watchers cannot be told of a session that is over");
        }
        let until = PresenceChange::WatchedUntil { session: client.id.clone(), at: self.now() };
        // Carried out though nobody waits for it.
        drop(self.store.commit(vec![Change::Presence(Box::new(until))]));
        match self.store.following(user.clone()).await {
            Ok(following) => {
                let others = of_others(&following, &client.id);
                let own = following.iter().filter(|row| row.session == client.id);
                let gone = own.filter(|row| !others.contains(&row.presentity));
                let gone: Vec<UserId> = gone.map(|row| row.presentity.clone()).collect();
                if !gone.is_empty() {
                    self.unsubscribe_elsewhere(client, gone).await;
                }
            }
            Err(error) => warn!(%user, %error, "what a session followed cannot be read"),
        }
    }

    /// A client of a user whose element is run here for its home is gone: what it published ends.
    pub(in crate::sap) async fn guest_left(&self, user: &UserId, client: &ClientId) {
        let ended = |_: &Home<'_>| Ok(((), requests::session_over(client)));
        if let Err(failed) = self.presence_change(user, Watchers::behind(None), ended).await {
            debug!(%user, code = %failed.code(), "watchers cannot be told that a client is gone");
        }
    }

    pub(super) async fn unsubscribe_elsewhere(&self, client: &Arc<Client>, presentities: Vec<UserId>) {
        // Behind a closed agreement it is heard once that is in force again.
        let divided = {
            let map = self.map();
            self.divided(presentities).owing(|user| user.domain_str(), &map.routes)
        };
        let asks = |users| UnsubscribePresenceRequest { users, ..UnsubscribePresenceRequest::default() };
        let questions = divided
            .remote
            .into_iter()
            .map(|elsewhere| self.question(client, &elsewhere, asks(elsewhere.items.clone()), true))
            .collect();
        if let Err(error) = self.ask_for_nobody(questions, Vec::new()).await {
            warn!(user = %client.user(), %error, "peers cannot be told that a session is over");
        }
    }
}

/// Whom other clients of the user follow than that of this session.
fn of_others<'f>(following: &'f [Following], session: &SessionId) -> HashSet<&'f UserId> {
    following.iter().filter(|row| row.session != *session).map(|row| &row.presentity).collect()
}

/// The request by which a user's home subscribes it to these users.
pub(super) fn subscription(users: Vec<UserId>, wanted: AttributeSet) -> SubscribePresenceRequest {
    let attributes = (wanted != AttributeSet::ALL).then(|| PresenceSubList::naming(wanted));
    SubscribePresenceRequest { users, attributes, ..SubscribePresenceRequest::default() }
}
