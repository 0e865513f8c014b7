//! Notifications that clients of 1.3 may choose: which they want, and telling them.

use std::collections::HashMap;
use std::sync::Arc;

use tracing::warn;

use super::Failed;
use crate::element::lists::{Caller, Lists};
use crate::element::notify::{Notify, Reach};
use crate::element::presence::Wish;
use crate::imps::primitive::{NotificationRequest, NotificationSet, NotificationType};
use crate::imps::{Code, Primitive, SessionId, Status, UserId, Version};
use crate::relay::ports::{Change, PresenceChange, StoreError};
use crate::sap::Sap;
use crate::sap::clients::Client;

/// Users told in one commit.
const TOLD_AT_ONCE: usize = 200;

impl Sap {
    /// A client chooses what it is told of.
    pub(in crate::sap) async fn notification_request(
        &self,
        client: &Arc<Client>,
        primitive: &Primitive,
    ) -> Primitive {
        let done = match primitive {
            Primitive::SubscribeNotificationRequest(request) => {
                self.wishes(client, NotificationSet::named(&request.types), true).await
            }
            Primitive::UnsubscribeNotificationRequest(request) => {
                self.wishes(client, NotificationSet::named(&request.types), false).await
            }
            _ => Err(Failed::Code(Code::NOT_IMPLEMENTED)),
        };
        done.map_or_else(|failed| Status::new(failed.code()), |()| Status::ok()).into()
    }

    async fn wishes(&self, client: &Arc<Client>, named: NotificationSet, more: bool) -> Result<(), Failed> {
        if client.machine().record().version < Version::V1_3 {
            return Err(Failed::Code(Code::SERVICE_NOT_SUPPORTED));
        }
        let session = client.id.clone();
        let old = self.store.wishes(vec![session.clone()]).await?.pop().map(|wish| wish.types);
        let old = old.unwrap_or_default();
        let types = if more { old.union(named) } else { old.without(named) };
        let change = PresenceChange::Wish(Wish { session, types });
        self.store.commit(vec![Change::Presence(Box::new(change))]).await?;
        Ok(())
    }

    /// The clients of a user that want to hear of this hear of it, but not the one that did it.
    pub(in crate::sap) async fn notify_clients(
        &self,
        user: &UserId,
        by: Option<&SessionId>,
        told: Vec<NotificationRequest>,
    ) {
        let told = told.into_iter().map(|request| (user.clone(), request)).collect();
        self.notify_each(by, told).await;
    }

    /// The clients of these users, as far as they are logged in here, that want to hear of something hear of it, but
    /// not the one that did it.
    pub(in crate::sap) async fn notify_each(
        &self,
        by: Option<&SessionId>,
        told: Vec<(UserId, NotificationRequest)>,
    ) {
        if told.is_empty() {
            return;
        }
        // By itself, so that what is done otherwise needs no room for it.
        if let Err(error) = Box::pin(self.tell_clients(by, told)).await {
            warn!(%error, "clients cannot be told of what others have changed");
        }
    }

    async fn tell_clients(
        &self,
        by: Option<&SessionId>,
        told: Vec<(UserId, NotificationRequest)>,
    ) -> Result<(), StoreError> {
        let mut sessions_of: HashMap<UserId, Vec<SessionId>> = HashMap::new();
        for (user, _) in &told {
            if !sessions_of.contains_key(user) {
                let clients = self.clients.of_user(user).into_iter().map(|client| client.id.clone());
                let others = clients.filter(|session| Some(session) != by).collect();
                sessions_of.insert(user.clone(), others);
            }
        }
        let all: Vec<SessionId> = sessions_of.values().flatten().cloned().collect();
        if all.is_empty() {
            return Ok(());
        }
        let wishes: HashMap<SessionId, NotificationSet> =
            self.store.wishes(all).await?.into_iter().map(|wish| (wish.session, wish.types)).collect();
        let mut notices = Vec::new();
        for (user, request) in told {
            let Some(own) = user.domain() else { continue };
            let wants =
                |session: &&SessionId| wishes.get(*session).is_some_and(|types| types.contains(request.kind));
            let sessions: Vec<SessionId> =
                sessions_of.get(&user).into_iter().flatten().filter(wants).cloned().collect();
            if sessions.is_empty() {
                continue;
            }
            let mut notice = Notify::new(own, vec![user.into()], Box::new(request));
            notice.reach = Reach::Sessions(sessions);
            notice.seconds = crate::element::presence::SESSION_SECONDS;
            notices.push(notice);
        }
        while !notices.is_empty() {
            let later = notices.split_off(notices.len().min(TOLD_AT_ONCE));
            self.commit_and_tell(Vec::new(), std::mem::replace(&mut notices, later)).await?;
        }
        Ok(())
    }

    /// Whoever of ours came onto a contact list hears who put it there, unless it has blocked that user.
    pub(in crate::sap) async fn notify_added(&self, owner: &UserId, added: Vec<UserId>) {
        let online = |user: &UserId| user != owner && !self.clients.of_user(user).is_empty();
        let added: Vec<UserId> = added.into_iter().filter(online).collect();
        if added.is_empty() {
            return;
        }
        let found = match self.store.lists(added).await {
            Ok(found) => found,
            Err(error) => return warn!(%owner, %error, "contacts cannot be told that they are on a list"),
        };
        let by = owner.clone().into();
        let admits = |lists: &&Arc<Lists>| lists.admits(&Caller::user(&by)).is_ok();
        let told = found.iter().filter(admits).map(|lists| {
            let request = NotificationRequest {
                users: vec![owner.clone()],
                ..NotificationRequest::of(NotificationType::AddedToContactList)
            };
            (lists.owner.clone(), request)
        });
        self.notify_each(None, told.collect()).await;
    }
}
