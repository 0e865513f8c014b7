//! Looks: the presence of users is asked for once, of ours and of other domains'.

use std::collections::HashMap;
use std::sync::{Arc, MutexGuard, PoisonError};

use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use super::Failed;
use crate::element::presence::view::for_old_client;
use crate::element::presence::{Home, requests};
use crate::imps::presence::{AttributeName, AttributeSet, PresenceSubList};
use crate::imps::primitive::{
    GetPresenceRequest, GetPresenceResponse, Presence, SubscribePresenceRequest, User,
};
use crate::imps::status::Entity;
use crate::imps::{Code, Domain, Primitive, Status, UserId, Version};
use crate::relay::ports::{Change, PresenceChange, StoreError, Watchers};
use crate::relay::split::Elsewhere;
use crate::sap::Sap;
use crate::sap::clients::Client;
use crate::sap::questions::{Reply, style};

/// Those who wait for the first notice of a legacy peer's user: who looks, at whom.
pub(in crate::sap) type Glances = HashMap<(UserId, UserId), Vec<oneshot::Sender<PresenceSubList>>>;

impl Sap {
    pub(super) async fn get_presence(
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
        let is_old = client.machine().record().version == Version::V1_1;
        for presence in &mut presences {
            presence.attributes = std::mem::take(&mut presence.attributes).as_shown();
            if is_old && wanted.contains(AttributeName::CommCap) {
                for_old_client(&mut presence.attributes);
            }
        }
        Ok(GetPresenceResponse { result: Status::merge(outcomes), presences })
    }

    /// Somebody looks at users of ours.
    pub(super) async fn looks(
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
        let publishers = self.store.publishers(users.clone(), Watchers::Of(watcher.id.clone())).await?;
        let lists = self.store.lists(users.clone()).await?;
        for ((user, publisher), lists) in users.into_iter().zip(publishers).zip(lists) {
            let code = match &publisher {
                None => Code::UNKNOWN_USER,
                Some(publisher) => {
                    let online = self.online(&user);
                    let home = Home { publisher, lists: &lists, online: &online, old: &[] };
                    presences.push(requests::look(&home, watcher, wanted));
                    if let Some(past) = requests::looked(publisher, &watcher.id, self.now()) {
                        let looked = PresenceChange::Past { owner: user.clone(), past };
                        // Carried out though nobody waits for it.
                        drop(self.store.commit(vec![Change::Presence(Box::new(looked))]));
                    }
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
        let reply = match self.ask(vec![question], Vec::new()).await {
            Ok(mut replies) => replies.pop().unwrap_or(Reply::Failed(Code::INTERNAL_ERROR)),
            Err(error) => {
                drop(waits);
                self.no_longer_waits(user, &elsewhere.items);
                return Err(error);
            }
        };
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
        self.no_longer_waits(user, &elsewhere.items);
        let following = self.store.following(user.clone()).await?;
        let needed = |presentity: &UserId| following.iter().any(|row| row.presentity == *presentity);
        let gone: Vec<_> = elsewhere.items.into_iter().filter(|presentity| !needed(presentity)).collect();
        if !gone.is_empty() {
            self.unsubscribe_elsewhere(client, gone).await;
        }
        Ok(())
    }

    /// Forgets those who waited for a first notice of these and do so no more.
    fn no_longer_waits(&self, user: &UserId, presentities: &[UserId]) {
        let mut glances = self.glances();
        for presentity in presentities {
            let key = (user.clone(), presentity.clone());
            if let Some(waiting) = glances.get_mut(&key) {
                waiting.retain(|tell| !tell.is_closed());
                if waiting.is_empty() {
                    glances.remove(&key);
                }
            }
        }
    }

    pub(super) fn glances(&self) -> MutexGuard<'_, Glances> {
        self.glances.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
