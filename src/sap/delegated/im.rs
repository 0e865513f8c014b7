//! The element of messages at another provider: what waits for a user, and whom it hears (reference
//! ssp-primitives §1.4, §6).
//!
//! ```text
//! author ─SendMessage─▶ home ─SendMessage─▶ element: mailbox, block list
//! author ◀───report─── home ◀───report───── element ─NewMessage─▶ home: copy ─▶ client
//!                                           element ◀─MessageDelivered─ home
//! ```
//! What users send leaves by their home as ever, so that no other provider learns of the delegation. A message
//! *to* one of them is checked at home and handed on; the element keeps it until a client has it, and gives the
//! home a copy, which is all that the home stores of it. Whoever dies in between says it again when it is back,
//! and the other side knows a repeat by its id.

use std::sync::Arc;

use tracing::{debug, warn};

use super::super::clients::Client;
use super::super::groups::for_client;
use super::super::messages::Slot;
use super::super::questions::{Question, Reply, style};
use super::super::services::PeerAsks;
use super::super::{Map, Sap, store_code};
use crate::element::im::send::Link;
use crate::element::im::{Mail, Parcel, StoredMail, fetch, forward, hosted};
use crate::element::notify::{Actor, Notify, Reach};
use crate::imps::agreement::Service;
use crate::imps::primitive::{
    ForwardMessageRequest, ForwardMessageResponse, GetMessageListRequest, MessageNotification, NewMessage,
    User,
};
use crate::imps::status::Entity;
use crate::imps::{Code, Domain, MessageId, Moment, Primitive, Status, UserId};
use crate::relay::changes;
use crate::relay::ports::{Change, Outcome, Outgoing, Settlement, StoreError};
use crate::relay::route::{Home, Route};

impl Sap {
    /// What a client asks of the messages that wait for it, where the element elsewhere keeps them. `None`: it
    /// is served here.
    pub(in super::super) async fn mailbox_elsewhere(
        &self,
        client: &Arc<Client>,
        primitive: &Primitive,
    ) -> Option<Primitive> {
        let element = self.element(Service::Im)?;
        let user = client.user();
        match primitive {
            Primitive::MessageDelivered(delivered) => {
                // The element hears of it with the copy.
                match self.message_taken(client, delivered.message_id.clone()).await {
                    Ok(true) => return Some(Status::ok().into()),
                    Ok(false) => {}
                    Err(error) => return Some(Status::new(store_code(&error)).into()),
                }
                self.ask_element(client, primitive).await
            }
            // What waits for the user here alone: messages of groups, and those from before.
            Primitive::GetMessageRequest(_) => {
                let answer = self.ask_element(client, primitive).await?;
                (answer.code() != Code::INVALID_MESSAGE_ID).then_some(answer)
            }
            // What was said in a group its element knows, which is not always that of messages.
            Primitive::GetMessageListRequest(request) => match &request.group {
                Some(group) if self.home_of(group) != Home::At(element) => None,
                _ => self.ask_element(client, primitive).await,
            },
            Primitive::RejectMessageRequest(request) => {
                if request.message_ids.len() > fetch::REJECT_MAX {
                    return Some(Status::new(Code::BAD_PARAMETER).into());
                }
                let answer = self.ask_element(client, primitive).await?;
                let gone = |id: &&MessageId| {
                    let entity = Entity::Message(MessageId::clone(id));
                    answer.status().is_some_and(|status| status.code_for(&entity).is_success())
                };
                let gone: Vec<MessageId> = request.message_ids.iter().filter(gone).cloned().collect();
                self.drop_copies(user, &gone).await;
                Some(answer)
            }
            Primitive::ForwardMessageRequest(request) => {
                let answer = self.ask_element(client, primitive).await?;
                if answer.code().is_success() {
                    self.drop_copies(user, std::slice::from_ref(&request.message_id)).await;
                }
                Some(answer)
            }
            _ => None,
        }
    }

    /// The element is done with these messages, and so is the home with its copies.
    async fn drop_copies(&self, owner: &UserId, ids: &[MessageId]) {
        for id in ids {
            let dropped = match self.store.message(owner.clone(), id.clone()).await {
                Ok(Some(found)) if self.is_copy(&found.mail) => {
                    let change = Change::DropMail { owner: owner.clone(), row: found.row };
                    self.clients.row_removed(owner, found.row);
                    self.store.commit(vec![change]).await.map(drop)
                }
                Ok(_) => Ok(()),
                Err(error) => Err(error),
            };
            if let Err(error) = dropped {
                // A client may get it once more; the element knows that it has ended.
                warn!(%owner, %error, "the copy of a message that has ended stays");
            }
        }
    }

    /// Whether a row of a mailbox is the copy of a message that the element elsewhere keeps.
    pub(in super::super) fn is_copy(&self, mail: &Mail) -> bool {
        let map = self.map();
        map.directory.element_of(Service::Im).is_some_and(|element| {
            hosted::is_copy(mail, element)
                && mail.owner.domain_str().is_some_and(|own| map.directory.own_domain(own).is_some())
        })
    }

    /// What the element hears when a client has the message of a copy.
    pub(in super::super) fn taken(&self, mail: &Mail) -> Result<Parcel, Code> {
        let map = self.map();
        let own = mail.owner.domain().ok_or(Code::INTERNAL_ERROR)?;
        let link = Link { own: &own, peer: &mail.origin, style: style(&map, &mail.origin) };
        hosted::taken(mail, self.now(), &link)
    }

    /// The rest of what a message becomes in the mailbox of a user of another provider: a copy for its home.
    pub(in super::super) fn copy_for_home(
        &self,
        map: &Map,
        mail: &Mail,
        changes: &mut Vec<Change>,
        slots: &mut Vec<Slot>,
    ) {
        let Some(home) = mail.owner.domain() else { return };
        let Some(own) = map.directory.own_towards(home.as_str()) else { return };
        let link = Link { own, peer: &home, style: style(map, &home) };
        let manner = self.visitors().manners.get(&mail.owner).copied().unwrap_or_default();
        match hosted::to_home(mail, manner, &link) {
            Ok(parcel) => {
                // The home may be short of something for a while: it is asked until it takes it.
                let outgoing = Outgoing { settlement: Settlement::Question, ..parcel.into() };
                changes.push(Change::Then(Box::new(Change::Send(outgoing.clone()))));
                slots.push(Slot::PassedOn(Box::new(outgoing)));
            }
            Err(code) => warn!(owner = %mail.owner, %code, "a copy for the home cannot be written"),
        }
    }

    /// The element hands over what arrived for a user of ours.
    pub(in super::super) async fn handed_over(
        &self,
        asks: &PeerAsks<'_>,
        primitive: Primitive,
    ) -> Result<Primitive, StoreError> {
        let Some(user) = asks.user() else { return Ok(Status::new(Code::BAD_REQUEST).into()) };
        let owner = user.id.clone();
        match primitive {
            Primitive::NewMessage(message) => self.copy_arrived(asks, owner, message).await,
            Primitive::MessageNotification(notice) => self.told_of_message(asks, owner, notice).await,
            _ => Ok(Status::new(Code::NOT_IMPLEMENTED).into()),
        }
    }

    async fn copy_arrived(
        &self,
        asks: &PeerAsks<'_>,
        owner: UserId,
        message: NewMessage,
    ) -> Result<Primitive, StoreError> {
        let element = &asks.agreement.domain;
        // Equal ids of different authors are different messages.
        let home = message.info.author().and_then(|author| author.id.domain());
        let mail = match hosted::row(owner, message, element, self.now()) {
            Ok(mail) => mail,
            Err(code) => return Ok(Status::new(code).into()),
        };
        let origin = home.unwrap_or_else(|| element.clone());
        let outcome = self.store.commit(vec![changes::deliver_hosted(mail.clone(), &origin)]).await?;
        let outcome = outcome.first().copied().unwrap_or(Outcome::Missing);
        if let Outcome::Row(row) = outcome {
            self.arrived(StoredMail { row, mail });
        }
        Ok(Status::new(changes::code_of(outcome)).into())
    }

    async fn told_of_message(
        &self,
        asks: &PeerAsks<'_>,
        owner: UserId,
        notice: MessageNotification,
    ) -> Result<Primitive, StoreError> {
        if self.store.accounts(vec![owner.clone()]).await?.pop().flatten().is_none() {
            return Ok(Status::new(Code::UNKNOWN_USER).into());
        }
        let Some(id) = notice.info.id.clone() else { return Ok(Status::new(Code::BAD_PARAMETER).into()) };
        let seconds = hosted::validity(notice.info.validity).as_secs();
        let notice = Notify {
            reach: Reach::Account,
            seconds: u32::try_from(seconds).unwrap_or(u32::MAX),
            replaces: Some(format!("message {id}").into()),
            ..Notify::new(asks.own.clone(), vec![User::from(owner)], notice)
        };
        self.commit_and_tell(Vec::new(), vec![notice]).await?;
        Ok(Status::ok().into())
    }

    /// The home of a user asks for what waits here. An error means that nothing was stored.
    pub(in super::super) async fn hosted_mailbox(
        &self,
        asks: &PeerAsks<'_>,
        user: &User,
        primitive: Primitive,
    ) -> Result<Primitive, StoreError> {
        let owner = &user.id;
        Ok(match primitive {
            // Messages of groups come to their members by another way.
            Primitive::SetDeliveryMethodRequest(request) if request.group.is_some() => Status::ok().into(),
            Primitive::SetDeliveryMethodRequest(request) => {
                let manner = hosted::Manner::of(&request);
                let change = Change::SetManner { user: owner.clone(), manner };
                match self.store.commit(vec![change]).await?.first() {
                    Some(Outcome::Done) => {
                        self.visitors().manners.insert(owner.clone(), manner);
                        Status::ok().into()
                    }
                    _ => Status::new(Code::UNKNOWN_USER).into(),
                }
            }
            Primitive::ForwardMessageRequest(request) => self.hosted_forward(asks, user, request).await?,
            lists @ (Primitive::GetBlockedListRequest | Primitive::BlockEntityRequest(_)) => {
                self.lists_request(owner, None, &lists).await
            }
            Primitive::GetMessageListRequest(GetMessageListRequest { group: Some(group), count }) => {
                let request = GetMessageListRequest { group: None, count };
                let answer = self.group_history(&guest(user), &group, &request).await?;
                answer.unwrap_or_else(|code| Status::new(code).into())
            }
            other => {
                let answer = match (self.mailbox_request(owner, &other).await, other) {
                    (Some(Err(Code::INVALID_MESSAGE_ID)), Primitive::GetMessageRequest(request)) => {
                        self.said_to(&guest(user), request.message_id).await?
                    }
                    (answer, _) => answer.unwrap_or(Err(Code::NOT_IMPLEMENTED)),
                };
                answer.unwrap_or_else(|code| Status::new(code).into())
            }
        })
    }

    /// The element sends a message on for a user of another provider: it leaves by the user's home, as all that
    /// the user sends.
    async fn hosted_forward(
        &self,
        asks: &PeerAsks<'_>,
        user: &User,
        request: ForwardMessageRequest,
    ) -> Result<Primitive, StoreError> {
        let failed = |code| ForwardMessageResponse { result: Status::new(code), message_id: None }.into();
        let stored = self.store.message(user.id.clone(), request.message_id.clone()).await?;
        let original = match forward::original(stored.as_ref(), self.now()) {
            Ok(original) => original,
            Err(code) => return Ok(failed(code)),
        };
        let mut message = forward::message(request, original);
        message.info.sender = Some(user.clone().into());
        let question = Question {
            own: asks.own.clone(),
            ..self.for_element(user.clone(), asks.agreement.domain.clone(), message)
        };
        let answer = self.ask_within_look(question).await?;
        let Reply::Answer(answer) = answer else { return Ok(failed(answer.code())) };
        let Primitive::SendMessageResponse(response) = *answer else { return Ok(for_client(*answer)) };
        if response.result.code.is_success()
            && let Some(stored) = &stored
            && let Err(error) = self.settle_row(stored, forward::ended).await
        {
            // It stays and may be forwarded again: better twice than not at all.
            warn!(row = stored.row, %error, "a forwarded message cannot be removed");
        }
        debug!(user = %user.id, code = %response.result.code, "forwarded through the home");
        let (result, message_id) = (response.result, response.message_id);
        Ok(ForwardMessageResponse { result, message_id }.into())
    }
}

/// A user of another provider, whose clients have no sessions here.
fn guest(user: &User) -> Actor {
    Actor { user: user.clone(), session: None }
}

/// The link to an author elsewhere, for what is told about a message that was handed on; `None`: no way leads
/// there. `own` is the domain of the user it was for.
pub(in super::super) fn link_to<'a>(
    map: &'a Map,
    own: &'a Domain,
    author: &UserId,
    now: Moment,
) -> Option<Link<'a>> {
    let home = author.domain_str()?;
    let peer = match map.routes.of(home, now.date_time()) {
        Route::Peer(peer) => Some(peer),
        Route::Unknown => map.routes.owed_to(home),
        Route::Local(_) => None,
    };
    peer.map(|peer| Link { own, peer, style: style(map, peer) })
}
