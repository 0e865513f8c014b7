//! Notifications that clients of 1.3 may choose: which they want, and telling them.

use std::sync::Arc;

use tracing::warn;

use super::Failed;
use crate::element::notify::{Notify, Reach};
use crate::element::presence::Wish;
use crate::imps::primitive::{NotificationRequest, NotificationSet};
use crate::imps::{Code, Primitive, SessionId, Status, UserId, Version};
use crate::relay::ports::{Change, PresenceChange, StoreError};
use crate::sap::Sap;
use crate::sap::clients::Client;

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
        if let Err(error) = self.tell_clients(user, by, told).await {
            warn!(%user, %error, "clients cannot be told of what another has changed");
        }
    }

    async fn tell_clients(
        &self,
        user: &UserId,
        by: Option<&SessionId>,
        told: Vec<NotificationRequest>,
    ) -> Result<(), StoreError> {
        let others = self.clients.of_user(user).into_iter().map(|client| client.id.clone());
        let others: Vec<SessionId> = others.filter(|session| Some(session) != by).collect();
        let Some(own) = user.domain().filter(|_| !told.is_empty() && !others.is_empty()) else {
            return Ok(());
        };
        let wishes = self.store.wishes(others).await?;
        let mut notices = Vec::new();
        for request in told {
            let wanted = wishes.iter().filter(|wish| wish.types.contains(request.kind));
            let sessions: Vec<SessionId> = wanted.map(|wish| wish.session.clone()).collect();
            if sessions.is_empty() {
                continue;
            }
            let mut notice = Notify::new(own.clone(), vec![user.clone().into()], Box::new(request));
            notice.reach = Reach::Sessions(sessions);
            notice.seconds = crate::element::presence::SESSION_SECONDS;
            notices.push(notice);
        }
        if !notices.is_empty() {
            self.commit_and_tell(Vec::new(), notices).await?;
        }
        Ok(())
    }
}
