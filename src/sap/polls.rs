//! What a client is handed: from its mailbox to server requests, and what its answers settle.

use std::sync::Arc;

use tracing::{debug, info, warn};

use super::client::for_version;
use super::clients::{Client, queue_row};
use super::{Sap, store_code};
use crate::element::im::fetch;
use crate::imps::{Code, Moment, Primitive, Status, TransactionId};
use crate::session::csp::{Answered, Form, Occasion, Offer, Offered, Session};
use crate::wire::csp::{self, Transaction};
use crate::wire::{Carried, Encoding, Mode};

/// Rows of the mailbox that are looked at for one server request before an empty answer is given.
const OFFERS_TRIED_MAX: usize = 8;
/// Octets of a message around one transaction's primitive.
const TRANSACTION_OCTETS: usize = 256;

impl Sap {
    /// Brings the session's window on the mailbox up to date.
    pub(super) async fn load(&self, client: &Arc<Client>) {
        let Some(wants) = client.machine().poll().wants_more() else { return };
        match self
            .store
            .mailbox(client.user().clone(), Some(client.id.clone()), wants.after, wants.count)
            .await
        {
            Ok(found) => {
                let complete = found.len() < wants.count;
                let rows = found.iter().map(|mail| queue_row(client, mail)).collect();
                for mail in found {
                    client.keep(&Arc::new(mail));
                }
                client.machine().poll().loaded(wants, rows, complete);
            }
            // The window stays as it is; the next poll asks again.
            Err(error) => warn!(user = %client.user(), %error, "the mailbox cannot be read"),
        }
    }

    /// The server requests that go out now in one message, with its `Poll` flag: one, or as many as the client
    /// takes together and can parse.
    pub(super) async fn next_requests(
        &self,
        client: &Arc<Client>,
        occasion: Occasion,
        encoding: Encoding,
    ) -> Option<(Vec<Transaction>, bool)> {
        let (first, mut poll) =
            self.next_request(client, |machine, now| machine.next_request(occasion, now)).await?;
        let (version, together) = {
            let machine = client.machine();
            (machine.record().version, machine.abilities().per_message > 1)
        };
        if !together {
            return Some((vec![first], poll));
        }
        let octets_of = |request: &Transaction| match &request.content {
            Carried::Primitive(primitive) => csp::encode_primitive(primitive, version, encoding)
                .map_or(0, |written| written.len() + TRANSACTION_OCTETS),
            _ => 0,
        };
        let mut octets = octets_of(&first);
        let mut requests = vec![first];
        while let Some((next, more)) = self.next_request(client, Session::next_along).await {
            octets += octets_of(&next);
            if !client.machine().abilities().parses(octets) {
                if let Some(id) = &next.id {
                    client.machine().offer_lost(id);
                }
                poll = true;
                break;
            }
            requests.push(next);
            poll = more;
        }
        Some((requests, poll))
    }

    /// The server request that the session gives out now, with its `Poll` flag.
    async fn next_request(
        &self,
        client: &Arc<Client>,
        next: impl Fn(&mut Session, Moment) -> Option<Offer>,
    ) -> Option<(Transaction, bool)> {
        for _ in 0..OFFERS_TRIED_MAX {
            let offer = next(&mut client.machine(), self.now())?;
            let primitive = match offer.what {
                Offered::Disconnect(code) => {
                    self.forget_session(client).await;
                    crate::imps::primitive::Disconnect { result: Status::new(code) }.into()
                }
                Offered::Row { id, form } => match self.row_as(client, id, form).await {
                    Ok(Some(primitive)) => for_version(client, primitive),
                    Ok(None) => {
                        client.machine().poll().removed(id);
                        continue;
                    }
                    Err(code) => {
                        warn!(user = %client.user(), row = id, %code, "a mailbox row cannot be handed over");
                        client.machine().offer_lost(&offer.transaction);
                        return None;
                    }
                },
            };
            let content = Carried::Primitive(Box::new(primitive));
            return Some((
                Transaction { mode: Mode::Request, id: Some(offer.transaction), content },
                offer.poll,
            ));
        }
        None
    }

    /// A mailbox row as the primitive that hands it over; `None` if it is gone.
    async fn row_as(&self, client: &Arc<Client>, row: i64, form: Form) -> Result<Option<Primitive>, Code> {
        let mail = match client.kept_row(row) {
            Some(mail) => mail,
            None => {
                let found = self.store.mailbox(client.user().clone(), None, row - 1, 1).await;
                match found.map_err(|error| store_code(&error))?.pop() {
                    Some(mail) if mail.row == row => Arc::new(mail),
                    _ => return Ok(None),
                }
            }
        };
        let primitive = match form {
            Form::MessageNotification => fetch::notification(&mail.mail),
            Form::NewMessage | Form::DeliveryReport | Form::Notice => fetch::push(&mail.mail),
        };
        primitive.map(|mut primitive| {
            client.machine().abilities().show(&mut primitive);
            Some(primitive)
        })
    }

    /// A client's answer to a server request settles a row; `false` if that could not be stored.
    pub(super) async fn client_answer(
        &self,
        client: &Arc<Client>,
        transaction: &TransactionId,
        answer: &Primitive,
    ) -> bool {
        let answered = client.machine().answered(transaction, answer);
        if matches!(answered, Answered::Acknowledged { .. }) {
            self.notice_answered(client, answer).await;
        }
        match answered {
            Answered::Delivered { row } | Answered::Acknowledged { row } => {
                if let Err(error) = self.take_row(client, row).await {
                    warn!(user = %client.user(), row, %error, "a row that was delivered cannot be settled");
                    client.machine().poll().unsettled(row, self.now());
                    return false;
                }
            }
            Answered::Notified { row } => {
                debug!(user = %client.user(), row, "the client knows of the message");
            }
            Answered::Refused { row, code } => {
                info!(user = %client.user(), row, %code, "the client does not take a row; it stays in the mailbox");
            }
            // As after a restart: the client has the message, whatever became of the transaction.
            Answered::Unknown { message: Some(message) } => {
                return self.message_taken(client, message).await.is_ok();
            }
            Answered::Unknown { message: None } => {}
        }
        true
    }
}
