//! Questions to peers: everything that is asked of one and is no message.
//!
//! A question is a row of the outbox like a message, so that it survives what a message survives and
//! leaves by the same link. Whoever asked waits here for the answer, within bounds. A question that is an
//! obligation (subscribe, invite) is kept when nobody waits any more; another one is never sent late
//! (reference ssp-primitives G7, ssp-behaviour §5).

use std::collections::HashMap;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};
use tracing::debug;

use super::outgoing::Settled;
use super::{Map, Sap};
use crate::element::im::{lane, order};
use crate::imps::agreement::{Agreement, Profile};
use crate::imps::primitive::{MetaInfo, User};
use crate::imps::status::{Entity, Outcome as Weight};
use crate::imps::{Code, Domain, Primitive, ServiceId, Version};
use crate::relay::agreement::{Standing, is_of_element, standing};
use crate::relay::outbox;
use crate::relay::ports::{Change, Outcome, Outgoing, Settlement, StoreError, StoredOutgoing};
use crate::wire::Carried;
use crate::wire::ssp::{self, Style};

/// Those who wait for answers of peers, by row of the outbox.
pub(super) type Askers = HashMap<i64, Asker>;

/// How long subscriptions are tried (reference ssp-behaviour §5).
pub(super) const SUBSCRIPTION_LIFE: Duration = Duration::from_secs(86_400);

/// Somebody who waits for the answer of a peer.
#[derive(Debug)]
pub(super) struct Asker {
    reply: oneshot::Sender<Reply>,
    kept: bool,
}

/// Something to ask of a peer.
#[derive(Clone, Debug)]
pub(super) struct Question {
    /// Our domain that asks.
    pub(super) own: Domain,
    /// The peer whose link it takes.
    pub(super) peer: Domain,
    /// In whose name; `None`: the provider's own.
    pub(super) by: Option<User>,
    /// Whether a client asked for it.
    pub(super) client_originated: bool,
    /// What.
    pub(super) primitive: Primitive,
    /// `Some`: an obligation, tried for so long whether somebody waits or not.
    pub(super) kept: Option<Duration>,
    /// Questions with the same text keep their order, as those of one user to one group.
    pub(super) order: Box<str>,
}

/// What came of a question.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Reply {
    /// The answer of the peer: what was asked for, or a Status.
    Answer(Box<Primitive>),
    /// It is kept, and the peer will hear it when it can.
    Queued,
    /// There is none: 504 nobody answered, 503 the peer is known to be down, 506 it is not agreed, 507 the
    /// queue is full, 500 what came is no answer.
    Failed(Code),
}

impl Reply {
    /// What it says of one of those whom the question named.
    pub(super) fn code_for(&self, entity: &Entity) -> Code {
        match self {
            Self::Answer(answer) => {
                answer.status().map_or(Code::SUCCESSFUL, |status| status.code_for(entity))
            }
            other => other.code(),
        }
    }

    /// The code for the asker, where only that counts: a question that is kept is a success.
    pub(super) fn code(&self) -> Code {
        match self {
            Self::Answer(answer) => answer.code(),
            Self::Queued => Code::SUCCESSFUL,
            Self::Failed(code) => *code,
        }
    }
}

/// What is to be done with one question.
enum Prepared {
    Leaves(Box<Outgoing>),
    Failed(Code),
}

impl Sap {
    /// Asks peers, and commits `with` together with the questions. One reply for each, in order, all within
    /// the time that queries are held. An error means that neither was kept.
    pub(super) async fn ask(
        &self,
        questions: Vec<Question>,
        with: Vec<Change>,
    ) -> Result<Vec<Reply>, StoreError> {
        let prepared: Vec<Prepared> = {
            let map = self.map();
            questions.iter().map(|question| self.prepared(&map, question)).collect()
        };
        let others = with.len();
        let mut changes = with;
        changes.extend(prepared.iter().filter_map(|prepared| match prepared {
            Prepared::Leaves(outgoing) => Some(Change::Send(Outgoing::clone(outgoing))),
            Prepared::Failed(_) => None,
        }));
        let mut outcomes = self.store.commit(changes).await?.into_iter().skip(others);
        let now = self.now();
        let mut leaving = Vec::new();
        let mut waiting = Vec::new();
        for (question, prepared) in questions.iter().zip(prepared) {
            let row = match prepared {
                Prepared::Failed(code) => Err(Reply::Failed(code)),
                Prepared::Leaves(outgoing) => match outcomes.next().and_then(Outcome::row) {
                    None => Err(Reply::Failed(Code::QUEUE_FULL)),
                    Some(row) => {
                        let down = self.exit(&outgoing).is_none_or(|exit| exit.is_down());
                        let row = StoredOutgoing::fresh(row, *outgoing, now);
                        let number = row.row;
                        leaving.push(row);
                        if down { Err(Reply::Queued) } else { Ok(number) }
                    }
                },
            };
            waiting.push(row.map(|row| {
                let (reply, answer) = oneshot::channel();
                self.askers().insert(row, Asker { reply, kept: question.kept.is_some() });
                (row, answer, question.kept.is_some())
            }));
        }
        // Only now may they leave: an answer can overtake everything.
        self.offer(leaving);
        let deadline = Instant::now() + self.settings.hold_query;
        let mut replies = Vec::with_capacity(waiting.len());
        for (waits, question) in waiting.into_iter().zip(&questions) {
            replies.push(match waits {
                Err(reply) => reply,
                Ok((row, answer, kept)) => match timeout_at(deadline, answer).await {
                    Ok(Ok(reply)) => reply,
                    _ => {
                        self.askers().remove(&row);
                        if kept {
                            Reply::Queued
                        } else {
                            self.given_up(question, row);
                            Reply::Failed(Code::TIMEOUT)
                        }
                    }
                },
            });
        }
        Ok(replies)
    }

    /// Nobody waits for the answer any more, so that it must not be asked late (reference ssp-behaviour §5).
    fn given_up(&self, question: &Question, row: i64) {
        let exits = self.exits.get();
        if let Some(exit) = exits.and_then(|exits| exits.exit(&question.own, &question.peer)) {
            exit.withdraw(row);
        }
        // Carried out though nobody waits for it.
        drop(self.store.commit(vec![Change::DropOutgoing { row }]));
    }

    /// Asks peers for what is kept and whose answers nobody waits for, and commits `with` together with it. An
    /// error means that neither was kept.
    pub(super) async fn ask_for_nobody(
        &self,
        questions: Vec<Question>,
        with: Vec<Change>,
    ) -> Result<(), StoreError> {
        let leaving: Vec<Outgoing> = {
            let map = self.map();
            let prepared = questions.iter().map(|question| self.prepared(&map, question));
            prepared
                .filter_map(|prepared| match prepared {
                    Prepared::Leaves(outgoing) => Some(*outgoing),
                    Prepared::Failed(_) => None,
                })
                .collect()
        };
        let others = with.len();
        let changes = with.into_iter().chain(leaving.iter().cloned().map(Change::Send)).collect();
        let outcomes = self.store.commit(changes).await?.into_iter().skip(others);
        let now = self.now();
        let rows = leaving.into_iter().zip(outcomes).filter_map(|(outgoing, outcome)| {
            outcome.row().map(|row| StoredOutgoing::fresh(row, outgoing, now))
        });
        self.offer(rows.collect());
        Ok(())
    }

    fn prepared(&self, map: &Map, question: &Question) -> Prepared {
        let agreement = map.directory.outbound(question.peer.as_str());
        if !agreement.is_some_and(|agreement| is_agreed(agreement, &question.primitive)) {
            return Prepared::Failed(Code::SERVICE_NOT_AGREED);
        }
        // The originating server is the user's, also where its request is handed on.
        let origin = question.by.as_ref().and_then(|by| by.id.domain());
        let meta = MetaInfo {
            client_originated: question.client_originated,
            service: ServiceId::of(origin.unwrap_or_else(|| question.own.clone())),
            user: question.by.clone(),
        };
        let Some(body) = ssp::encode_primitive(&question.primitive, Some(&meta), style(map, &question.peer))
        else {
            return Prepared::Failed(Code::INTERNAL_ERROR);
        };
        let now = self.now();
        let outgoing = Outgoing {
            own: question.own.clone(),
            peer: question.peer.clone(),
            settlement: Settlement::Question,
            primitive: question.primitive.name().into(),
            message_id: None,
            author: question.by.as_ref().map(|by| by.id.clone()),
            order: order(&question.order, &[]),
            lane: lane(question.by.as_ref().map_or(&*question.order, |by| by.id.as_str())),
            accepted: now,
            expires: now.after(question.kept.unwrap_or(self.settings.hold_query)),
            reply_to: None,
            replaces: None,
            via: None,
            body: body.into(),
        };
        // What nobody will wait for is not begun.
        if question.kept.is_none() && self.exit(&outgoing).is_none_or(|exit| exit.is_down()) {
            return Prepared::Failed(Code::SERVICE_UNAVAILABLE);
        }
        Prepared::Leaves(Box::new(outgoing))
    }

    fn askers(&self) -> MutexGuard<'_, Askers> {
        self.askers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The peer answered.
    pub(super) fn question_answered(self: &Arc<Self>, row: &StoredOutgoing, answer: &Carried) -> Settled {
        let reply = match answer {
            Carried::Primitive(primitive) => Reply::Answer(primitive.clone()),
            other => {
                debug!(row = row.row, peer = %row.outgoing.peer, answer = other.name(), "no answer to what was asked");
                Reply::Failed(Code::INTERNAL_ERROR)
            }
        };
        let (code, try_again) = match &reply {
            Reply::Answer(answer) => (answer.code(), answer.status().and_then(|status| status.try_again)),
            _ => (Code::INTERNAL_ERROR, None),
        };
        let asker = self.askers().remove(&row.row);
        let heard = asker.is_some_and(|asker| asker.reply.send(reply).is_ok());
        let now = self.now();
        if !heard && code.outcome() == Weight::Temporary {
            let at = outbox::retry_at(now, row.attempts, try_again, &mut **self.chance());
            if at < row.outgoing.expires {
                return self.deferred(row, at);
            }
        }
        if !heard && !code.is_success() {
            self.unheard(row, code);
        }
        self.dropped(row)
    }

    /// It will not be answered.
    pub(super) fn question_ended(self: &Arc<Self>, row: &StoredOutgoing, code: Code) -> Settled {
        if row.outgoing.via.is_some() {
            return self.passage_ended(row, code);
        }
        let asker = self.askers().remove(&row.row);
        // The asker may be gone; then nobody has to hear it.
        let heard = asker.is_some_and(|asker| asker.reply.send(Reply::Failed(code)).is_ok());
        // What the peer took is not known to be lost.
        if !heard && code != Code::TIMEOUT {
            self.unheard(row, code);
        }
        self.dropped(row)
    }

    /// Whoever was told that it is on its way hears that it did not arrive, where somebody waits for that.
    fn unheard(self: &Arc<Self>, row: &StoredOutgoing, code: Code) {
        if *row.outgoing.primitive == *"InviteRequest" {
            let (sap, row) = (Arc::clone(self), row.clone());
            tokio::spawn(async move { sap.invitation_unheard(&row, code).await });
        }
    }

    /// The peer is closed: whether the question is kept for it, so that nobody waits for the answer.
    pub(super) fn is_owed(&self, row: i64) -> bool {
        self.question_waits(row);
        !self.askers().contains_key(&row)
    }

    /// The peer turns out to be in trouble: whoever asked for something that is kept need not wait.
    pub(super) fn question_waits(&self, row: i64) {
        let mut askers = self.askers();
        if askers.get(&row).is_some_and(|asker| asker.kept)
            && let Some(asker) = askers.remove(&row)
        {
            // As above.
            let _ = asker.reply.send(Reply::Queued);
        }
    }
}

/// Whether the agreement lets this leave for the peer.
pub(super) fn is_agreed(agreement: &Agreement, primitive: &Primitive) -> bool {
    match standing(primitive) {
        Standing::Of(service) => agreement.services.contains(&service),
        Standing::Delegated(service) if is_of_element(primitive) => agreement.hosts.contains(&service),
        Standing::Delegated(service) => agreement.delegates.contains(&service),
        Standing::Session | Standing::Answer => true,
        Standing::ClientOnly | Standing::Never => false,
    }
}

/// How SSP is written to a peer.
pub(super) fn style(map: &Map, peer: &Domain) -> Style {
    let profile =
        map.directory.outbound(peer.as_str()).map_or(Profile::Standard, |agreement| agreement.profile);
    Style { version: Version::V1_3, legacy: profile == Profile::Legacy }
}
