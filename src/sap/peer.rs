//! Requests of peers: from the link to the answer.
//!
//! Those of one document are carried out in its order, and messages that follow each other share a commit.
//! A message becomes rows like a client's; a report goes to its author; everything else is a service's.

use tracing::{info, warn};

use super::delegated::{LOOK, link_to};
use super::messages::{Accepted, Planned};
use super::services::PeerAsks;
use super::{Map, Sap};
use crate::element::im::{StoredMail, report};
use crate::imps::agreement::Agreement;
use crate::imps::primitive::{DeliveryReport, MetaInfo, Recipient, SendMessageResponse};
use crate::imps::{Code, Domain, Primitive, Status, TransactionId, UserId, Version};
use crate::relay::admit::{self, PeerContext, Refused as Refusal};
use crate::relay::changes;
use crate::relay::events::{Direction, Refused};
use crate::relay::ports::{Change, Outcome, Outgoing, StoreError, StoredOutgoing};
use crate::wire::ssp::{self, Style};
use crate::wire::{Carried, unquoted};

/// A request of a peer, as the link hands it over.
#[derive(Debug)]
pub struct PeerRequest {
    /// Its transaction.
    pub transaction: TransactionId,
    /// Who asks.
    pub meta: Option<MetaInfo>,
    /// What.
    pub content: Carried,
}

/// An answer to a peer, as it leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoded {
    /// The primitive.
    pub fragment: Vec<u8>,
    /// Nothing was carried out, and the peer may ask again under the same id: its next copy counts as new.
    pub for_now: bool,
}

/// What became of a request of a peer: the answer, none for what wants none, or an error if it was not
/// stored.
pub type PeerAnswer = (TransactionId, Result<Option<Encoded>, StoreError>);

/// What a request of a peer has come to, before the commit of those that share one.
enum Step {
    /// Answered.
    Answer(Box<Result<Primitive, StoreError>>),
    /// A message whose commit is to come.
    Message(Box<Planned>),
}

impl Sap {
    /// Requests of a peer that came in one document are carried out in their order and stored. Each answer
    /// is an encoded primitive; none for what wants none. An error means that nothing was stored, and the
    /// peer has to keep it. Messages that follow each other share one commit.
    pub async fn peer_requests(
        &self,
        own: &Domain,
        agreement: &Agreement,
        legacy: bool,
        requests: Vec<PeerRequest>,
    ) -> Vec<PeerAnswer> {
        let mut done = Vec::with_capacity(requests.len());
        let mut waiting = Vec::new();
        for request in requests {
            let name = request.content.name();
            let transaction = request.transaction.clone();
            if !is_message(&request.content) {
                self.commit_messages(&mut waiting, &mut done).await;
            }
            match self.peer_request(own, agreement, legacy, request).await {
                Step::Message(planned) => waiting.push((transaction, planned)),
                Step::Answer(answer) => {
                    // What comes behind a message is answered behind it.
                    self.commit_messages(&mut waiting, &mut done).await;
                    done.push((transaction, name, *answer));
                }
            }
        }
        self.commit_messages(&mut waiting, &mut done).await;
        let style = Style { version: Version::V1_3, legacy };
        let encoded = done.into_iter().map(|(transaction, name, answer)| {
            let answer = answer.map(|answer| {
                self.events.ssp_transaction(&agreement.domain, Direction::In, name, answer.code());
                let for_now = answer.status().is_some_and(Status::is_temporary);
                ssp::encode_primitive(&answer, None, style).map(|fragment| Encoded { fragment, for_now })
            });
            (transaction, answer)
        });
        encoded.collect()
    }

    async fn commit_messages(
        &self,
        waiting: &mut Vec<(TransactionId, Box<Planned>)>,
        done: &mut Vec<(TransactionId, &'static str, Result<Primitive, StoreError>)>,
    ) {
        if waiting.is_empty() {
            return;
        }
        let changes =
            waiting.iter_mut().flat_map(|(_, planned)| std::mem::take(&mut planned.changes)).collect();
        let name = "SendMessageRequest";
        match self.store.commit(changes).await {
            Ok(outcomes) => {
                let mut outcomes = outcomes.into_iter();
                let mut waits = Vec::with_capacity(waiting.len());
                for (transaction, planned) in waiting.drain(..) {
                    let Accepted { id, settled, leaving, .. } = self.accepted(*planned, &mut outcomes);
                    // What goes on to the element of its recipients, or is a user's of ours that its element
                    // sends, has an answer worth a wait. Nothing else of it waits for anybody.
                    let (rows, _, answer) = self.awaited(settled, leaving, LOOK);
                    self.offer(rows);
                    waits.push((transaction, id, answer));
                }
                for (transaction, id, answer) in waits {
                    let result = answer.await;
                    let message_id = id.filter(|_| result.code.is_success());
                    done.push((transaction, name, Ok(SendMessageResponse { result, message_id }.into())));
                }
            }
            Err(error) => {
                done.extend(
                    waiting.drain(..).map(|(transaction, _)| (transaction, name, Err(error.clone()))),
                );
            }
        }
    }

    async fn peer_request(
        &self,
        own: &Domain,
        agreement: &Agreement,
        legacy: bool,
        request: PeerRequest,
    ) -> Step {
        let PeerRequest { transaction, meta, content } = request;
        let (transaction, meta) = (&transaction, meta.as_ref());
        let peer = &agreement.domain;
        let name = content.name();
        self.traces.peer_asks(peer, transaction, meta, &content, self.now());
        let refuse = |reason: Refused, what: &str| {
            warn!(%peer, %transaction, primitive = name, "refused: {what}");
            self.events.ssp_refused(Some(peer), reason);
        };
        let answer: Primitive = match content {
            Carried::NotServed(name) => {
                refuse(Refused::NotServed, name);
                Status::new(Code::NOT_IMPLEMENTED).into()
            }
            Carried::Unknown(name) => {
                refuse(Refused::UnknownPrimitive, &name);
                Status::new(Code::SERVICE_NOT_SUPPORTED).into()
            }
            Carried::Faulty { name, fault } => {
                let context = PeerContext { own, agreement };
                let refused = match admit::unread_from_peer(&context, meta, name, self.now()) {
                    Err(refused) => refused,
                    Ok(()) => Refusal {
                        status: Status::new(fault.code),
                        reason: Refused::Faulty,
                        what: unquoted(&fault),
                    },
                };
                refuse(refused.reason, &refused.what);
                refused.status.into()
            }
            Carried::Primitive(primitive) => {
                let admitted =
                    admit::from_peer(&PeerContext { own, agreement }, meta, *primitive, self.now());
                match admitted.and_then(|admitted| admitted.let_in(self.map().directory.blocks())) {
                    Err(refused) => {
                        refuse(refused.reason, &refused.what);
                        refused.status.into()
                    }
                    Ok(admitted) if matches!(admitted.primitive(), Primitive::SendMessageRequest(_)) => {
                        if let Primitive::SendMessageRequest(message) = admitted.primitive()
                            && !admitted.is_delegated()
                            && let Err(result) = self.spend_message(agreement, message)
                        {
                            let refused = SendMessageResponse { result, message_id: None };
                            return Step::Answer(Box::new(Ok(refused.into())));
                        }
                        match self.plan(admitted, None, legacy.then_some(transaction)).await {
                            Ok(planned) => return Step::Message(Box::new(planned)),
                            // HTTP 503 and the peer's own queue are better than a Status that it may take
                            // for final.
                            Err(status)
                                if status.code == Code::INTERNAL_ERROR
                                    || status.code == Code::SERVICE_UNAVAILABLE =>
                            {
                                let failed = StoreError::Failed(format!("{:?}", status.code));
                                return Step::Answer(Box::new(Err(failed)));
                            }
                            Err(status) => SendMessageResponse { result: status, message_id: None }.into(),
                        }
                    }
                    Ok(admitted) => {
                        let answer = match admitted.into_parts() {
                            (_, Primitive::DeliveryReport(report), _) => {
                                Box::pin(self.report_from_peer(peer, report)).await
                            }
                            (origin, primitive, refused) => {
                                let asks = PeerAsks { own, agreement, legacy, transaction, origin, refused };
                                Box::pin(self.peer_service(asks, primitive)).await
                            }
                        };
                        return Step::Answer(Box::new(answer));
                    }
                }
            }
        };
        Step::Answer(Box::new(Ok(answer)))
    }

    async fn report_from_peer(&self, peer: &Domain, report: DeliveryReport) -> Result<Primitive, StoreError> {
        let Some(id) = report.info.id.clone() else {
            return Ok(Status::new(Code::INVALID_MESSAGE_ID).into());
        };
        let about = match report.info.recipients.first() {
            Some(Recipient::User(user)) => Some(user.id.clone()),
            _ => None,
        };
        let expected = self.store.expected(id, peer.clone()).await?;
        if let (Some(sent), Some(own)) = (&expected, about.as_ref().and_then(|user| user.domain())) {
            // About a user of ours, by its element.
            let map = self.map.load_full();
            let ours = sent.author.domain_str().is_some_and(|home| map.directory.own_domain(home).is_some());
            if !ours {
                return self.report_onward(&map, &own, &sent.author, report).await;
            }
        }
        let mail = match report::inbound(report, expected.as_ref().map(|sent| &sent.author), self.now()) {
            Ok(mail) => mail,
            Err(code) => {
                info!(%peer, %code, "a delivery report that nobody expects");
                return Ok(Status::new(code).into());
            }
        };
        let outcomes = self.store.commit(vec![changes::deliver_report(mail.clone(), peer, about)]).await?;
        if let Some(Outcome::Row(row)) = outcomes.first() {
            self.arrived(StoredMail { row: *row, mail });
        }
        Ok(Status::ok().into())
    }

    /// What the element tells of a message that was handed on goes to the home of its author; to a legacy one in
    /// the transaction that brought the message, as long as that is known.
    async fn report_onward(
        &self,
        map: &Map,
        own: &Domain,
        author: &UserId,
        report: DeliveryReport,
    ) -> Result<Primitive, StoreError> {
        let Some(link) = link_to(map, own, author, self.now()) else {
            return Ok(Status::new(Code::DOMAIN_NOT_SUPPORTED).into());
        };
        let brought = report.info.id.as_ref().filter(|_| link.style.legacy);
        let reply_to = brought.and_then(|id| self.relaying().brought.transaction(link.peer, id.as_str()));
        let outgoing = match report::onward(report, author, self.now(), &link) {
            Ok(parcel) => Outgoing { reply_to, ..parcel.into() },
            Err(code) => return Ok(Status::new(code).into()),
        };
        let outcomes = self.store.commit(vec![Change::Send(outgoing.clone())]).await?;
        if let Some(row) = outcomes.first().and_then(|outcome| outcome.row()) {
            self.offer(vec![StoredOutgoing::fresh(row, outgoing, self.now())]);
        }
        Ok(Status::ok().into())
    }
}

fn is_message(content: &Carried) -> bool {
    matches!(content, Carried::Primitive(primitive) if matches!(**primitive, Primitive::SendMessageRequest(_)))
}
