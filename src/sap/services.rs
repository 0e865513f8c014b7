//! The services beside messages: presence, groups, contact lists, common features. One file each carries
//! its requests from the door to the answer; here is only who goes where.
//!
//! A request of a peer is carried out by the same element as a client's, in the name of the user whom the
//! peer vouches for (reference ssp-primitives G9). What is at home elsewhere is asked there
//! ([`Sap::ask`]), and what others hear of it leaves with the commit ([`Sap::commit_and_tell`]).

use std::sync::Arc;

use tracing::debug;

use super::Sap;
use super::clients::Client;
use super::common::is_common;
use super::delegated::is_for_element;
use crate::imps::agreement::Agreement;
use crate::imps::primitive::{NotificationRequest, NotificationType, User};
use crate::imps::status::Entity;
use crate::imps::{Code, Domain, Primitive, Status, TransactionId};
use crate::relay::admit::Origin;
use crate::relay::admit::group_of;
use crate::relay::events::Refused;
use crate::relay::ports::StoreError;

/// What is known of a peer's request that passed the door.
pub(super) struct PeerAsks<'a> {
    /// Our domain that is asked.
    pub(super) own: &'a Domain,
    /// The agreement with the peer.
    pub(super) agreement: &'a Agreement,
    /// The peer is the one known implementation.
    pub(super) legacy: bool,
    /// Its transaction.
    pub(super) transaction: &'a TransactionId,
    /// Who asks.
    pub(super) origin: Origin,
    /// What the door took out, each with its code.
    pub(super) refused: Vec<(Entity, Code)>,
}

impl PeerAsks<'_> {
    /// The user in whose name the peer asks, if it names one.
    pub(super) fn user(&self) -> Option<&User> {
        match &self.origin {
            Origin::Peer { user, .. } => user.as_ref(),
            Origin::Client { .. } => None,
        }
    }
}

impl Sap {
    /// A client's request that passed the door; addresses in it are complete.
    pub(super) async fn client_service(&self, client: &Arc<Client>, primitive: Primitive) -> Primitive {
        if let Some(answer) = self.ask_element(client, &primitive).await {
            // Whom a user blocks neither sees nor invites it either, which is for the home to know.
            if answer.code().is_success() && matches!(primitive, Primitive::BlockEntityRequest(_)) {
                self.lists_request(client.user(), Some(&client.id), &primitive).await;
            }
            return answer;
        }
        match primitive {
            primitive @ (Primitive::GetListRequest
            | Primitive::CreateListRequest(_)
            | Primitive::DeleteListRequest(_)
            | Primitive::ListManageRequest(_)
            | Primitive::GetBlockedListRequest
            | Primitive::BlockEntityRequest(_)) => {
                self.lists_request(client.user(), Some(&client.id), &primitive).await
            }
            primitive @ (Primitive::SubscribeNotificationRequest(_)
            | Primitive::UnsubscribeNotificationRequest(_)) => {
                self.notification_request(client, &primitive).await
            }
            profile @ Primitive::UpdatePublicProfileRequest(_) => {
                let answer = self.common_from_client(client, profile).await;
                if answer.code().is_success() {
                    let told = NotificationRequest {
                        users: vec![client.user().clone()],
                        ..NotificationRequest::of(NotificationType::PublicProfileUpdated)
                    };
                    self.notify_clients(client.user(), Some(&client.id), vec![told]).await;
                }
                answer
            }
            // By themselves, so that a message needs no room for them.
            common if is_common(&common) => Box::pin(self.common_from_client(client, common)).await,
            group if group_of(&group).is_some() => Box::pin(self.group_request(client, group)).await,
            Primitive::ExtendConversationRequest(request) => self.extend_conversation(client, *request).await,
            primitive @ (Primitive::SubscribePresenceRequest(_)
            | Primitive::UnsubscribePresenceRequest(_)
            | Primitive::GetPresenceRequest(_)
            | Primitive::UpdatePresenceRequest(_)
            | Primitive::GetWatcherListRequest(_)
            | Primitive::CreateAttributeListRequest(_)
            | Primitive::DeleteAttributeListRequest(_)
            | Primitive::GetAttributeListRequest(_)
            | Primitive::PresenceAuthUser(_)
            | Primitive::CancelAuthRequest(_)
            | Primitive::GetReactiveAuthStatusRequest(_)) => self.presence_request(client, primitive).await,
            other => {
                debug!(user = %client.user(), primitive = other.name(), "not served yet");
                Status::new(Code::NOT_IMPLEMENTED).into()
            }
        }
    }

    /// A client answered a notice. Most say nothing by it; what they do say is carried out before the row
    /// of the notice is settled.
    pub(super) async fn notice_answered(&self, client: &Arc<Client>, answer: &Primitive) {
        match answer {
            Primitive::Status(_) => {}
            // Some answer an invitation where others only acknowledge it.
            Primitive::InviteUserResponse(_) => {
                self.common_from_client(client, answer.clone()).await;
            }
            other => debug!(user = %client.user(), answer = other.name(), "says nothing to a notice"),
        }
    }

    /// A peer's request that passed the door. An error means that nothing was stored, and the peer has to
    /// keep it.
    pub(super) async fn peer_service(
        &self,
        asks: PeerAsks<'_>,
        primitive: Primitive,
    ) -> Result<Primitive, StoreError> {
        match primitive {
            own if is_for_element(&own) => self.hosted_request(&asks, own).await,
            Primitive::PresenceAuthRequest(request) => self.asked_by_element(&asks, request).await,
            primitive @ (Primitive::NewMessage(_) | Primitive::MessageNotification(_)) => {
                self.handed_over(&asks, primitive).await
            }
            common if is_common(&common) => self.common_from_peer(asks, common).await,
            primitive @ (Primitive::LeaveGroupResponse(_) | Primitive::GroupChangeNotice(_)) => {
                self.group_from_peer(asks, primitive).await
            }
            group if group_of(&group).is_some() => self.group_from_peer(asks, group).await,
            primitive @ (Primitive::SubscribePresenceRequest(_)
            | Primitive::UnsubscribePresenceRequest(_)
            | Primitive::PresenceNotification(_)
            | Primitive::GetPresenceRequest(_)) => self.presence_of_peer(asks, primitive).await,
            other => {
                let peer = &asks.agreement.domain;
                debug!(%peer, transaction = %asks.transaction, primitive = other.name(), "not served yet");
                self.events.ssp_refused(Some(peer), Refused::NotServed);
                Ok(Status::new(Code::NOT_IMPLEMENTED).into())
            }
        }
    }
}
