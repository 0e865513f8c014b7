//! Presence: from requests to answers, and from changes to those who watch.
//!
//! Every change of what one user of ours has, whoever asked for it, goes through
//! [`Sap::presence_change`]: load, decide, find out what watchers have to hear now, commit all of it, and
//! once more if somebody else was quicker. Subscriptions to users of other domains are rows of their own;
//! the home of those users sends one notice for each of our users, and it is shared out here
//! (reference ssp-primitives §2).

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};
use tracing::{debug, warn};

use super::clients::Client;
use super::questions::{Question, Reply, SUBSCRIPTION_LIFE, style};
use super::services::PeerAsks;
use super::{CONFLICTS_MAX, Sap, store_code};
use crate::element::notify::{Actor, Notify, Reach};
use crate::element::presence::requests::{self, Decision};
use crate::element::presence::{Following, Home, Online, Publisher, USERS_MAX, fan};
use crate::imps::presence::{AttributeSet, PresenceSubList};
use crate::imps::primitive::{
    GetPresenceRequest, GetPresenceResponse, Presence, PresenceNotification, SubscribePresenceRequest,
    UnsubscribePresenceRequest, User,
};
use crate::imps::status::Entity;
use crate::imps::{Code, ContactListId, Domain, Moment, Primitive, SessionId, Status, UserId, Version};
use crate::relay::admit::Origin;
use crate::relay::ports::{Change, Outcome, PresenceChange, StoreError};
use crate::relay::split::{ByDomain, Elsewhere, by_domain};

/// Those who wait for the first notice of a legacy peer's user: who looks, at whom.
pub(super) type Glances = HashMap<(UserId, UserId), Vec<oneshot::Sender<PresenceSubList>>>;

/// Seconds that a notice of a peer waits for a client of ours: its session, which it ends with.
const SESSION_SECONDS: u32 = 7 * 86_400;

/// Why a change did not come about.
pub(super) enum Failed {
    /// The answer.
    Code(Code),
    /// Nothing was stored.
    Store(StoreError),
}

impl From<StoreError> for Failed {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl Failed {
    fn code(&self) -> Code {
        match self {
            Self::Code(code) => *code,
            Self::Store(error) => store_code(error),
        }
    }
}

impl Sap {
    /// The clients of a user that are logged in, the one that was active last first.
    fn online(&self, user: &UserId) -> Vec<Online> {
        let mut online: Vec<(Moment, Online)> = self
            .clients
            .of_user(user)
            .iter()
            .map(|client| {
                let machine = client.machine();
                let record = machine.record();
                let online = Online {
                    session: record.id.clone(),
                    client: record.client.clone(),
                    version: record.version,
                };
                (record.last_active, online)
            })
            .collect();
        online.sort_by(|left, right| right.0.cmp(&left.0).then_with(|| left.1.session.cmp(&right.1.session)));
        online.into_iter().map(|(_, online)| online).collect()
    }

    /// The sessions of watchers that speak 1.1.
    fn old_watchers(&self, publisher: &Publisher) -> Vec<SessionId> {
        let sessions = publisher.watchers.iter().filter_map(|watch| watch.session.clone());
        let speaks_11 = |session: &SessionId| {
            self.clients.get(session).is_some_and(|client| client.machine().record().version == Version::V1_1)
        };
        sessions.filter(speaks_11).collect()
    }

    /// Changes what a user of ours has, and tells its watchers what that makes them see. What somebody else
    /// changed meanwhile is decided anew.
    async fn presence_change<T>(
        &self,
        owner: &UserId,
        decide: impl Fn(&Home<'_>) -> Result<(T, Decision), Code>,
    ) -> Result<T, Failed> {
        let own = owner.domain().ok_or(Failed::Code(Code::UNKNOWN_USER))?;
        for _ in 0..CONFLICTS_MAX {
            let found = self.store.publishers(vec![owner.clone()]).await?.pop().flatten();
            let publisher = found.ok_or(Failed::Code(Code::UNKNOWN_USER))?;
            let lists = self.store.lists(vec![owner.clone()]).await?.pop();
            let lists = lists.ok_or(Failed::Code(Code::INTERNAL_ERROR))?;
            let online = self.online(owner);
            let (answer, edits, notices) = {
                let old = self.old_watchers(&publisher);
                let home = Home { publisher: &publisher, lists: &lists, online: &online, old: &old };
                let (answer, Decision { mut edits, mut notices }) = decide(&home).map_err(Failed::Code)?;
                let mut after = publisher.clone();
                for edit in &edits {
                    after.apply(edit);
                }
                let old = self.old_watchers(&after);
                let telling = fan::tell(&Home { publisher: &after, old: &old, ..home }, &own);
                edits.extend(telling.edits);
                notices.extend(telling.notices);
                (answer, edits, notices)
            };
            if edits.is_empty() && notices.is_empty() {
                return Ok(answer);
            }
            let edit = PresenceChange::Edit { owner: owner.clone(), version: publisher.version, edits };
            let change = Change::Presence(Box::new(edit));
            match self.commit_and_tell(vec![change], notices).await?.first() {
                Some(Outcome::Done) => return Ok(answer),
                Some(Outcome::Conflict) => {}
                _ => return Err(Failed::Code(Code::UNKNOWN_USER)),
            }
        }
        Err(Failed::Code(Code::SERVICE_UNAVAILABLE))
    }

    /// Something that a user's watchers may see by is not what it was: its sessions or its lists.
    pub(super) async fn presence_changed(&self, user: &UserId) {
        if let Err(failed) = self.presence_change(user, |_| Ok(((), Decision::default()))).await {
            warn!(%user, code = %failed.code(), "watchers cannot be told");
        }
    }

    /// A session of a client is over and no longer among the clients: what it published ends, and what it
    /// alone followed in other domains is unsubscribed there.
    pub(super) async fn presence_session_over(&self, client: &Arc<Client>) {
        let user = client.user();
        let published = &client.key.client;
        let still = self.clients.of_user(user).iter().any(|other| other.key.client == *published);
        let ended = |_: &Home<'_>| {
            Ok(((), if still { Decision::default() } else { requests::session_over(published) }))
        };
        if let Err(failed) = self.presence_change(user, ended).await {
            debug!(%user, code = %failed.code(), "watchers cannot be told of a session that is over");
        }
        match self.store.following(user.clone()).await {
            Ok(following) => {
                let mut gone: Vec<UserId> = Vec::new();
                for row in following.iter().filter(|row| row.session == client.id) {
                    let others =
                        |other: &Following| other.presentity == row.presentity && other.session != client.id;
                    if !following.iter().any(others) {
                        gone.push(row.presentity.clone());
                    }
                }
                if !gone.is_empty() {
                    self.unsubscribe_elsewhere(client, gone).await;
                }
            }
            Err(error) => warn!(%user, %error, "what a session followed cannot be read"),
        }
    }

    async fn unsubscribe_elsewhere(&self, client: &Arc<Client>, presentities: Vec<UserId>) {
        let divided = self.divided(presentities);
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

    fn divided(&self, users: Vec<UserId>) -> ByDomain<UserId> {
        let map = self.map();
        by_domain(users, |user| user.domain_str(), &map.routes, self.now())
    }

    fn question(
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
            by: Some(client.as_user()),
            client_originated: true,
            primitive: primitive.into(),
            kept: kept.then_some(SUBSCRIPTION_LIFE),
            order: format!("presence {user} {}", to.domain).into(),
        }
    }

    /// A client's request about presence.
    pub(super) async fn presence_request(&self, client: &Arc<Client>, primitive: Primitive) -> Primitive {
        let done = match primitive {
            Primitive::SubscribePresenceRequest(request) => {
                self.subscribe(client, request).await.map(Primitive::from)
            }
            Primitive::UnsubscribePresenceRequest(request) => {
                self.unsubscribe(client, request).await.map(Primitive::from)
            }
            Primitive::GetPresenceRequest(request) => {
                self.get_presence(client, request).await.map(Primitive::from)
            }
            other => self.own_presence(client, other).await,
        };
        done.unwrap_or_else(|failed| Status::new(failed.code()).into())
    }

    /// What users ask of their own presence.
    async fn own_presence(&self, client: &Arc<Client>, primitive: Primitive) -> Result<Primitive, Failed> {
        let now = self.now();
        let decide = |home: &Home<'_>| -> Result<(Primitive, Decision), Code> {
            let done = |decision: Decision| (Primitive::from(Status::ok()), decision);
            let read = |answer: Primitive| (answer, Decision::default());
            match &primitive {
                Primitive::UpdatePresenceRequest(request) => {
                    requests::update(home.publisher, &client.key.client, request.clone()).map(done)
                }
                Primitive::GetWatcherListRequest(request) => {
                    Ok(read(requests::watcher_list(home.publisher, request).into()))
                }
                Primitive::CreateAttributeListRequest(request) => {
                    requests::create_attribute_list(home, request).map(|(status, it)| (status.into(), it))
                }
                Primitive::DeleteAttributeListRequest(request) => {
                    let (status, decision) = requests::delete_attribute_list(home, request);
                    Ok((status.into(), decision))
                }
                Primitive::GetAttributeListRequest(request) => {
                    Ok(read(Box::new(requests::attribute_lists(home, request)).into()))
                }
                Primitive::PresenceAuthUser(answer) => requests::auth_user(home.publisher, answer).map(done),
                Primitive::CancelAuthRequest(request) => {
                    requests::cancel_auth(home.publisher, request).map(done)
                }
                Primitive::GetReactiveAuthStatusRequest(request) => {
                    Ok(read(requests::reactive_status(home.publisher, request, now).into()))
                }
                _ => Err(Code::NOT_IMPLEMENTED),
            }
        };
        self.presence_change(client.user(), decide).await
    }

    /// Everybody that a request names, once, its contact lists expanded, and the lists that there are not.
    async fn named(
        &self,
        client: &Arc<Client>,
        users: Vec<UserId>,
        lists: &[ContactListId],
    ) -> Result<(Vec<UserId>, Vec<(Entity, Code)>), Failed> {
        let mut all = users;
        let mut missing = Vec::new();
        if !lists.is_empty()
            && let Some(own) = self.store.lists(vec![client.user().clone()]).await?.pop()
        {
            let expanded = own.expand(lists);
            all.extend(expanded.users);
            missing = expanded.missing;
        }
        let mut seen = std::collections::HashSet::new();
        all.retain(|user| seen.insert(user.clone()));
        if all.len() > USERS_MAX {
            return Err(Failed::Code(Code::BAD_PARAMETER));
        }
        Ok((all, missing))
    }

    async fn subscribe(
        &self,
        client: &Arc<Client>,
        request: SubscribePresenceRequest,
    ) -> Result<Status, Failed> {
        let wanted = requests::wants(request.attributes.as_ref()).map_err(Failed::Code)?;
        // A subscription does not follow a list; clients then name its members (reference csp-messages §6).
        if request.auto_subscribe == Some(true) && !request.contact_lists.is_empty() {
            return Err(Failed::Code(Code::NO_AUTO_SUBSCRIPTION));
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

    /// One user of ours is watched. An error is one of the store.
    async fn watch(&self, user: &UserId, actor: &Actor, wanted: AttributeSet) -> Result<Code, StoreError> {
        let (own, now) = (user.domain(), self.now());
        let decide = |home: &Home<'_>| {
            let own = own.as_ref().ok_or(Code::UNKNOWN_USER)?;
            requests::watch(home, actor, own, wanted, now).map(|decision| ((), decision))
        };
        outcome(self.presence_change(user, decide).await)
    }

    async fn unwatch(&self, user: &UserId, actor: &Actor) -> Result<Code, StoreError> {
        let decide = |home: &Home<'_>| Ok(((), requests::unwatch(home.publisher, actor)));
        outcome(self.presence_change(user, decide).await)
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
        let following = self.store.following(user.clone()).await?;
        let rows: Vec<Following> = remote
            .iter()
            .flat_map(|elsewhere| &elsewhere.items)
            .map(|presentity| Following {
                watcher: user.clone(),
                session: client.id.clone(),
                presentity: presentity.clone(),
                wanted,
            })
            .collect();
        let mut questions = Vec::with_capacity(remote.len());
        for elsewhere in &remote {
            let others = following.iter().filter(|row| elsewhere.items.contains(&row.presentity));
            let union = others.fold(wanted, |all, row| all.union(row.wanted));
            let attributes = (union != AttributeSet::ALL).then(|| PresenceSubList::naming(union));
            let users = elsewhere.items.clone();
            let request =
                SubscribePresenceRequest { users, attributes, ..SubscribePresenceRequest::default() };
            questions.push(self.question(client, elsewhere, request, true));
        }
        let with = Change::Presence(Box::new(PresenceChange::Follow(rows)));
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

    async fn unsubscribe(
        &self,
        client: &Arc<Client>,
        request: UnsubscribePresenceRequest,
    ) -> Result<Status, Failed> {
        let user = client.user();
        let (users, mut outcomes) = self.named(client, request.users, &request.contact_lists).await?;
        let divided = self.divided(users);
        let actor = Actor { user: user.clone().into(), session: Some(client.id.clone()) };
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
        let mut questions = Vec::new();
        let mut asked = Vec::new();
        let presentities = divided.remote.iter().flat_map(|it| it.items.clone()).collect();
        for elsewhere in divided.remote {
            let others = |presentity: &UserId| {
                following.iter().any(|row| row.presentity == *presentity && row.session != client.id)
            };
            let (shared, gone): (Vec<_>, Vec<_>) = elsewhere.items.iter().cloned().partition(others);
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

    async fn get_presence(
        &self,
        client: &Arc<Client>,
        request: GetPresenceRequest,
    ) -> Result<GetPresenceResponse, Failed> {
        let wanted = requests::wants(request.attributes.as_ref()).map_err(Failed::Code)?;
        let (users, mut outcomes) = self.named(client, request.users, &request.contact_lists).await?;
        if users.is_empty() && outcomes.is_empty() && request.contact_lists.is_empty() {
            return Err(Failed::Code(Code::BAD_PARAMETER));
        }
        let divided = self.divided(users);
        let watcher = client.as_user();
        let mut presences = Vec::new();
        self.looks(divided.local, &watcher, wanted, &mut outcomes, &mut presences).await?;
        for user in divided.unknown {
            outcomes.push((Entity::User(user), Code::DOMAIN_NOT_SUPPORTED));
        }
        // By configuration, or found out meanwhile.
        let is_legacy = |peer: &Domain| style(&self.map(), peer).legacy;
        let (legacy, standard): (Vec<_>, Vec<_>) =
            divided.remote.into_iter().partition(|elsewhere| is_legacy(&elsewhere.peer));
        let attributes = (wanted != AttributeSet::ALL).then(|| PresenceSubList::naming(wanted));
        let questions = standard
            .iter()
            .map(|elsewhere| {
                let users = elsewhere.items.clone();
                let attributes = attributes.clone();
                let request = GetPresenceRequest { users, attributes, ..GetPresenceRequest::default() };
                self.question(client, elsewhere, request, false)
            })
            .collect();
        let replies = self.ask(questions, Vec::new()).await?;
        for (elsewhere, reply) in standard.into_iter().zip(replies) {
            if let Reply::Answer(answer) = &reply
                && let Primitive::GetPresenceResponse(response) = &**answer
            {
                let asked = response.presences.iter().filter(|it| elsewhere.items.contains(&it.user));
                presences.extend(asked.cloned());
            }
            let entities = elsewhere.items.into_iter().map(Entity::User);
            outcomes.extend(entities.map(|entity| {
                let code = reply.code_for(&entity);
                (entity, code)
            }));
        }
        for elsewhere in legacy {
            self.glance(client, elsewhere, attributes.clone(), &mut outcomes, &mut presences).await?;
        }
        Ok(GetPresenceResponse { result: Status::merge(outcomes), presences })
    }

    /// Somebody looks at users of ours.
    async fn looks(
        &self,
        users: Vec<UserId>,
        watcher: &User,
        wanted: AttributeSet,
        outcomes: &mut Vec<(Entity, Code)>,
        presences: &mut Vec<Presence>,
    ) -> Result<(), StoreError> {
        if users.is_empty() {
            return Ok(());
        }
        let publishers = self.store.publishers(users.clone()).await?;
        let lists = self.store.lists(users.clone()).await?;
        for ((user, publisher), lists) in users.into_iter().zip(publishers).zip(lists) {
            let code = match &publisher {
                None => Code::UNKNOWN_USER,
                Some(publisher) => {
                    let online = self.online(&user);
                    let home = Home { publisher, lists: &lists, online: &online, old: &[] };
                    presences.push(requests::look(&home, watcher, wanted));
                    Code::SUCCESSFUL
                }
            };
            outcomes.push((Entity::User(user), code));
        }
        Ok(())
    }

    /// A legacy peer breaks when it is asked for presence: a subscription is made, its first notice is the
    /// answer, and it is taken back if no client needs it (reference ssp-behaviour §10).
    async fn glance(
        &self,
        client: &Arc<Client>,
        elsewhere: Elsewhere<UserId>,
        attributes: Option<PresenceSubList>,
        outcomes: &mut Vec<(Entity, Code)>,
        presences: &mut Vec<Presence>,
    ) -> Result<(), StoreError> {
        let deadline = Instant::now() + self.settings.hold_query;
        let user = client.user();
        let waits: Vec<_> = elsewhere
            .items
            .iter()
            .map(|presentity| {
                let (tell, told) = oneshot::channel();
                let key = (user.clone(), presentity.clone());
                self.glances().entry(key).or_default().push(tell);
                told
            })
            .collect();
        let users = elsewhere.items.clone();
        let request = SubscribePresenceRequest { users, attributes, ..SubscribePresenceRequest::default() };
        let question = self.question(client, &elsewhere, request, false);
        let reply = self.ask(vec![question], Vec::new()).await?.pop();
        let reply = reply.unwrap_or(Reply::Failed(Code::INTERNAL_ERROR));
        for (presentity, told) in elsewhere.items.iter().zip(waits) {
            let entity = Entity::User(presentity.clone());
            let mut code = reply.code_for(&entity);
            if code.is_success() {
                match timeout_at(deadline, told).await {
                    Ok(Ok(attributes)) => presences.push(Presence { user: presentity.clone(), attributes }),
                    _ => code = Code::TIMEOUT,
                }
            }
            outcomes.push((entity, code));
        }
        for presentity in &elsewhere.items {
            let key = (user.clone(), presentity.clone());
            let mut glances = self.glances();
            if let Some(waiting) = glances.get_mut(&key) {
                waiting.retain(|tell| !tell.is_closed());
                if waiting.is_empty() {
                    glances.remove(&key);
                }
            }
        }
        let following = self.store.following(user.clone()).await?;
        let needed = |presentity: &UserId| following.iter().any(|row| row.presentity == *presentity);
        let gone: Vec<_> = elsewhere.items.into_iter().filter(|presentity| !needed(presentity)).collect();
        if !gone.is_empty() {
            self.unsubscribe_elsewhere(client, gone).await;
        }
        Ok(())
    }

    /// A peer's request about presence. An error means that nothing was stored.
    pub(super) async fn presence_of_peer(
        &self,
        asks: PeerAsks<'_>,
        primitive: Primitive,
    ) -> Result<Primitive, StoreError> {
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
        let actor = Actor { user, session: None };
        match primitive {
            Primitive::SubscribePresenceRequest(request) => {
                let wanted = match requests::wants(request.attributes.as_ref()) {
                    Ok(wanted) => wanted,
                    Err(code) => return Ok(Status::new(code).into()),
                };
                for presentity in within(request.users, &mut outcomes) {
                    let code = self.watch(&presentity, &actor, wanted).await?;
                    outcomes.push((Entity::User(presentity), code));
                }
                Ok(Status::merge(outcomes).into())
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
        let watchers: Vec<UserId> = notice.users.into_iter().map(|user| user.id).collect();
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

    fn glances(&self) -> std::sync::MutexGuard<'_, Glances> {
        self.glances.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// The code that a change came to. An error is one of the store.
fn outcome(changed: Result<(), Failed>) -> Result<Code, StoreError> {
    match changed {
        Ok(()) => Ok(Code::SUCCESSFUL),
        Err(Failed::Code(code)) => Ok(code),
        Err(Failed::Store(error)) => Err(error),
    }
}

/// The notice for one client, with what it wants of it.
fn shared_out(own: &Domain, row: &Following, presence: &Presence) -> Option<Notify> {
    let attributes = presence.attributes.attributes.iter();
    let wanted: Vec<_> = attributes.filter(|it| row.wanted.contains(it.name())).cloned().collect();
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
