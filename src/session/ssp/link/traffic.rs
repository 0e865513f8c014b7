//! What crosses a session: requests and answers in both directions, the outcome of their POSTs, and
//! the link's own keep-alive, logout and disconnect.

use std::time::Duration;

use super::{Gate, Link, SIBLING_IDLE};
use crate::imps::agreement::Profile;
use crate::imps::primitive::{
    Disconnect, Functions, KeepAliveRequest, KeepAliveResponse, LinkServiceRequest, MetaInfo, Primitive,
    ServiceIndication,
};
use crate::imps::{Chance, Code, Moment, ServiceId, SessionId, Status, TransactionId};
use crate::session::ssp::backoff::delay;
use crate::session::ssp::memory::Seen;
use crate::session::ssp::output::{
    Alarm, Arrived, Body, Close, Down, LinkError, Output, Part, PostContent, PostOutcome,
};
use crate::session::ssp::settings::TIME_TO_LIVE_MIN;
use crate::session::ssp::transactions::{Ended, Key, Match};
use crate::wire::ssp::{SessionMessage, Transaction};
use crate::wire::{Carried, Mode};

/// How long the link waits for an answer to a request of its own.
const OWN_ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// Connections that a legacy peer may close without an answer before its session counts as lost.
const CLOSES_MAX: u32 = 3;

/// What a POST on the wire was.
#[derive(Debug)]
pub(super) enum Sent {
    /// A step of our handshake.
    Initiator,
    /// A step of the peer's handshake.
    Responder,
    /// A last word that nobody waits for.
    Farewell,
    /// The link's own primitive, on this session.
    Own(SessionId),
    /// Operations and answers.
    Traffic {
        /// On this session.
        session: SessionId,
        /// Which.
        keys: Vec<Key>,
        /// [`Link::pauses`] when it left.
        pauses: u64,
    },
}

/// A request of the link itself.
#[derive(Debug)]
pub(super) struct OwnRequest {
    pub(super) session: SessionId,
    pub(super) deadline: Moment,
    kind: OwnKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OwnKind {
    KeepAlive,
    Logout,
    Discovery,
    Wish,
    Indication,
}

impl Link {
    /// Whether another POST of traffic may leave.
    pub(super) const fn has_free_post(&self) -> bool {
        self.in_flight < self.settings.in_flight_max
    }

    /// The peer has begun anew, or another session takes over: what it took and did not answer may be
    /// forgotten there. Repeats are harmless but to a legacy peer (decisions.md 3, 6).
    pub(super) fn repeat_unanswered(&mut self) {
        if self.settings.profile != Profile::Legacy {
            self.transactions.repeat();
        }
    }

    /// Sends what waits, as far as session, pause and POSTs in flight allow.
    pub(super) fn pump(&mut self, now: Moment) {
        while self.traffic_gate.is_open(now) && self.has_free_post() && self.transactions.is_waiting() {
            let Some(current) = self.sessions.current() else { return };
            let record = &current.record;
            let (session, version, at) = (record.own_id.clone(), record.version, record.at.clone());
            let taken = self.transactions.take(self.settings.transactions_per_post);
            let (keys, parts): (Vec<Key>, Vec<Part>) = taken.into_iter().unzip();
            let sent = Sent::Traffic { session: session.clone(), keys, pauses: self.pauses };
            self.in_flight += 1;
            self.post(PostContent::Session { session, parts }, version, at, sent);
        }
    }

    pub(super) fn queue_answer(&mut self, transaction: TransactionId, body: Body) {
        if let Some(ended) = self.transactions.answer(transaction, body) {
            self.ended(ended, None);
        }
    }

    fn ended(&mut self, ended: Ended, http: Option<u16>) {
        let output = match ended {
            Ended::Settled(operation) => Output::Settled { operation },
            Ended::Failed(operation) => Output::Failed { operation, http: http.unwrap_or_default() },
            Ended::Returned(operation) => Output::Returned { operation, http },
            Ended::AnswerDropped(transaction) => {
                Output::Alarm(Alarm::AnswerDropped { peer: self.peer(), transaction })
            }
        };
        self.outputs.push_back(output);
    }

    /// What becomes of a POST of traffic (reference ssp-transport §3.2).
    pub(super) fn traffic_posted(
        &mut self,
        session: &SessionId,
        keys: &[Key],
        pauses: u64,
        outcome: PostOutcome,
        now: Moment,
        chance: &mut dyn Chance,
    ) {
        match outcome {
            PostOutcome::Accepted => {
                self.traffic_failures = 0;
                self.closes = 0;
                self.traffic_gate.hear();
                for key in keys {
                    if let Some(ended) = self.transactions.accepted(*key, session, now) {
                        self.ended(ended, None);
                    }
                }
                self.used(session, now);
            }
            PostOutcome::Status(403, _) => {
                self.put_back(keys);
                self.lose_session(session);
            }
            PostOutcome::Status(http @ (400 | 413 | 415), _) => {
                for key in keys.iter().rev() {
                    if let Some(ended) = self.transactions.refused(*key, keys.len() > 1) {
                        self.ended(ended, Some(http));
                    }
                }
            }
            PostOutcome::Status(429 | 503, asked) => {
                self.put_back(keys);
                let asked = asked.map(|seconds| Duration::from_secs(seconds.into()));
                self.pause(asked, pauses, now, chance);
            }
            PostOutcome::Status(http, _) => {
                for key in keys.iter().rev() {
                    if let Some(ended) = self.transactions.postponed(*key) {
                        self.ended(ended, Some(http));
                    }
                }
            }
            PostOutcome::Closed => {
                self.put_back(keys);
                let first = pauses == self.pauses;
                self.closes += u32::from(first && self.settings.profile == Profile::Legacy);
                if self.closes >= CLOSES_MAX {
                    self.closes = 0;
                    self.lose_session(session);
                } else {
                    self.pause(None, pauses, now, chance);
                }
            }
            PostOutcome::Unreachable => {
                self.put_back(keys);
                self.pause(None, pauses, now, chance);
            }
        }
    }

    fn put_back(&mut self, keys: &[Key]) {
        for key in keys.iter().rev() {
            self.transactions.put_back(*key);
        }
    }

    /// The peer is in trouble: no traffic for a while. POSTs that left before the last pause do not
    /// make it longer.
    fn pause(&mut self, asked: Option<Duration>, pauses: u64, now: Moment, chance: &mut dyn Chance) {
        if pauses != self.pauses {
            return;
        }
        self.pauses += 1;
        let asked_for = asked.unwrap_or_default().min(crate::session::ssp::backoff::LONGEST);
        let pause = if asked.is_some() { asked_for } else { delay(self.traffic_failures, chance) };
        self.traffic_failures = self.traffic_failures.saturating_add(1);
        self.traffic_gate = Gate { until: now.after(pause), firm: asked.is_some() };
    }

    /// A POST on the session was accepted.
    fn used(&mut self, own_id: &SessionId, now: Moment) {
        let Some(session) = self.sessions.get(own_id) else { return };
        if !session.worked {
            session.worked = true;
            // It worked, so its loss later is a new event: no need to wait then.
            self.setup_gate = Gate::default();
            self.setup_failures = 0;
        }
        if session.touch(now) {
            let record = session.record.clone();
            self.outputs.push_back(Output::Persist(record));
        }
    }

    /// Transactions of the peer.
    pub(super) fn receive_session(
        &mut self,
        message: SessionMessage,
        now: Moment,
        chance: &mut dyn Chance,
    ) -> Result<Vec<Arrived>, LinkError> {
        let profile = self.settings.profile;
        let session = self.sessions.find(&message.session).filter(|session| session.expires(profile) > now);
        let Some(session) = session else {
            return Err(LinkError::UnknownSession { peer: self.peer() });
        };
        let own_id = session.record.own_id.clone();
        self.memory.purge(now);
        for transaction in &message.transactions {
            if transaction.mode == Mode::Request && self.seen(transaction, &own_id) == Seen::InHand {
                let (peer, transaction) = (self.peer(), transaction.id.clone());
                return Err(LinkError::InHand { peer, transaction });
            }
        }
        if let Some(session) = self.sessions.get(&own_id)
            && session.touch(now)
        {
            let record = session.record.clone();
            self.outputs.push_back(Output::Persist(record));
        }
        self.heard_on(&own_id, now);
        let mut arrived = Vec::with_capacity(message.transactions.len());
        for transaction in message.transactions {
            arrived.push(match transaction.mode {
                Mode::Request => self.requested(transaction, &own_id, now, chance),
                Mode::Response => self.responded(transaction, now),
            });
        }
        Ok(arrived)
    }

    fn seen(&self, transaction: &Transaction, own_id: &SessionId) -> Seen {
        self.memory.seen(&transaction.id, own_id, transaction.content.name(), transaction.digest)
    }

    fn requested(
        &mut self,
        transaction: Transaction,
        own_id: &SessionId,
        now: Moment,
        chance: &mut dyn Chance,
    ) -> Arrived {
        if let Carried::Primitive(primitive) = &transaction.content
            && let Some(name) = self.control(&transaction.id, primitive, own_id, now, chance)
        {
            return Arrived::Control { name };
        }
        match self.seen(&transaction, own_id) {
            Seen::Fresh => {
                let Transaction { id, meta, content, digest, place, outline, .. } = transaction;
                self.memory.insert(id.clone(), own_id, content.name(), digest, now);
                Arrived::Request { transaction: id, meta, content, place, outline }
            }
            Seen::InHand | Seen::InWork => Arrived::Repeat { transaction: transaction.id },
            Seen::Answered(body) => {
                self.queue_answer(transaction.id.clone(), body);
                Arrived::Repeat { transaction: transaction.id }
            }
            Seen::Reused => {
                let alarm =
                    Alarm::ReusedTransaction { peer: self.peer(), transaction: transaction.id.clone() };
                self.alarm(alarm);
                let status = Status::because(Code::INVALID_TRANSACTION, Code::INVALID_TRANSACTION.name());
                self.queue_answer(transaction.id.clone(), own_body(None, Primitive::Status(status)));
                Arrived::Repeat { transaction: transaction.id }
            }
        }
    }

    /// Primitives about the session itself are dealt with here.
    fn control(
        &mut self,
        id: &TransactionId,
        primitive: &Primitive,
        own_id: &SessionId,
        now: Moment,
        chance: &mut dyn Chance,
    ) -> Option<&'static str> {
        let name = primitive.name();
        match primitive {
            Primitive::KeepAliveRequest(request) => {
                let most = self.settings.time_to_live;
                let session = self.sessions.get(own_id)?;
                if let Some(wish) = request.time_to_live {
                    session.record.time_to_live = wish.min(most).max(TIME_TO_LIVE_MIN);
                }
                let time_to_live = Some(session.record.time_to_live);
                let record = session.record.clone();
                if request.time_to_live.is_some() {
                    self.outputs.push_back(Output::Persist(record));
                }
                let answer = KeepAliveResponse { result: Status::ok(), time_to_live };
                self.post_own(own_id, id.clone(), Mode::Response, answer.into());
                // A peer that is busy with requests of ours needs none: it has begun anew.
                self.repeat_unanswered();
            }
            Primitive::LogoutRequest => {
                self.post_own(own_id, id.clone(), Mode::Response, Primitive::Status(Status::ok()));
                self.end_session(own_id, Down::LoggedOut);
                self.give_rest(now, chance);
            }
            Primitive::Disconnect(_) => {
                self.end_session(own_id, Down::Disconnected);
                self.give_rest(now, chance);
            }
            Primitive::ServiceIndication(indication) => {
                self.post_own(own_id, id.clone(), Mode::Response, Primitive::Status(Status::ok()));
                let offered = self.take_offer(own_id, indication.functions.clone());
                self.outputs.push_back(Output::Offered(Some(offered)));
            }
            _ => return None,
        }
        Some(name)
    }

    /// The peer left of its own will: do not knock at once.
    fn give_rest(&mut self, now: Moment, chance: &mut dyn Chance) {
        if !self.is_up() {
            let until = now.after(delay(self.setup_failures, chance));
            self.setup_gate = Gate { until: until.max(self.setup_gate.until), firm: false };
        }
    }

    fn responded(&mut self, transaction: Transaction, now: Moment) -> Arrived {
        let Transaction { id, meta, content, place, outline, .. } = transaction;
        if content.is_told() {
            return Arrived::Told { transaction: id, meta, content, place, outline };
        }
        if let Some(own) = self.own.remove(&id) {
            let name = content.name();
            self.own_answered(&own, &content, now);
            return Arrived::Control { name };
        }
        match self.transactions.arrived(&id) {
            Match::Operation(operation) => Arrived::Answer { operation, transaction: id, content, place },
            Match::Notice { operation, early } => {
                if early {
                    self.outputs.push_back(Output::Settled { operation });
                }
                Arrived::Acknowledged { operation, transaction: id, content }
            }
            Match::Nothing => Arrived::Stray { transaction: id },
        }
    }

    /// Posts a primitive of the link itself on a certain session, beside the queue.
    fn post_own(&mut self, own_id: &SessionId, id: TransactionId, mode: Mode, primitive: Primitive) {
        let Some(session) = self.sessions.get(own_id) else { return };
        let (version, at) = (session.record.version, session.record.at.clone());
        let meta = (mode == Mode::Request).then(|| MetaInfo {
            client_originated: false,
            service: ServiceId::of(self.settings.own.clone()),
            user: None,
        });
        let parts = vec![Part { transaction: id, mode, body: own_body(meta, primitive) }];
        let content = PostContent::Session { session: own_id.clone(), parts };
        self.post(content, version, at, Sent::Own(own_id.clone()));
    }

    fn ask_own(
        &mut self,
        own_id: &SessionId,
        kind: OwnKind,
        primitive: Primitive,
        now: Moment,
        chance: &mut dyn Chance,
    ) {
        let id = TransactionId::fresh(chance);
        let deadline = now.after(OWN_ANSWER_WITHIN);
        self.own.insert(id.clone(), OwnRequest { session: own_id.clone(), deadline, kind });
        self.post_own(own_id, id, Mode::Request, primitive);
    }

    pub(super) fn own_posted(&mut self, own_id: &SessionId, outcome: PostOutcome, now: Moment) {
        match outcome {
            PostOutcome::Accepted => {
                self.traffic_gate.hear();
                self.used(own_id, now);
            }
            PostOutcome::Status(403, _) => self.lose_session(own_id),
            // A keep-alive that fails is repeated at its next turn, traffic finds out the rest.
            PostOutcome::Status(..) | PostOutcome::Closed | PostOutcome::Unreachable => {}
        }
    }

    /// Asks which services the peer offers (reference ssp-session §5 rule 2).
    pub(super) fn discover(&mut self, own_id: &SessionId, now: Moment, chance: &mut dyn Chance) {
        self.ask_own(own_id, OwnKind::Discovery, Primitive::GetServiceRequest, now, chance);
    }

    /// Asks and tells about services what is due, if the peer knows such things.
    pub(super) fn negotiate(&mut self, now: Moment, chance: &mut dyn Chance) {
        let (asks, tells) =
            (std::mem::take(&mut self.discovery_wanted), std::mem::take(&mut self.indication_wanted));
        let wish = self.wish.take();
        if !self.settings.discovery {
            return;
        }
        if let Some((own_id, functions)) = wish {
            let wish = LinkServiceRequest { functions };
            self.ask_own(&own_id, OwnKind::Wish, wish.into(), now, chance);
        }
        let Some(own_id) = self.sessions.current_id() else { return };
        if tells {
            let indication = ServiceIndication { functions: self.settings.offer.clone() };
            self.ask_own(&own_id, OwnKind::Indication, indication.into(), now, chance);
        }
        if asks {
            self.discover(&own_id, now, chance);
        }
    }

    /// The peer offers this: what of it is wanted is told, if that is less.
    fn take_offer(&mut self, own_id: &SessionId, tree: Functions) -> Functions {
        let Some(wanted) = &self.settings.wanted else { return tree };
        let left = tree.within(wanted);
        if tree.exceeds(&left) {
            self.wish = Some((own_id.clone(), left.clone()));
        }
        left
    }

    /// The peer has answered for its service tree, or it has none.
    fn discovered(&mut self, own: &OwnRequest, content: &Carried) {
        let offered = match content {
            Carried::Primitive(primitive) => match &**primitive {
                Primitive::GetServiceResponse(response) if response.result.code.is_success() => {
                    response.functions.clone().map(|tree| self.take_offer(&own.session, tree))
                }
                Primitive::Status(status)
                    if matches!(status.code, Code::SERVICE_NOT_SUPPORTED | Code::NOT_IMPLEMENTED)
                        && self.settings.profile == Profile::Standard =>
                {
                    self.settings.become_legacy();
                    let alarm = Alarm::NoDiscovery { peer: self.peer() };
                    self.alarm(alarm);
                    if let Some(session) = self.sessions.get(&own.session) {
                        session.record.legacy = true;
                        let record = session.record.clone();
                        self.outputs.push_back(Output::Persist(record));
                    }
                    None
                }
                _ => None,
            },
            _ => None,
        };
        self.outputs.push_back(Output::Offered(offered));
    }

    fn own_answered(&mut self, own: &OwnRequest, content: &Carried, now: Moment) {
        if own.kind == OwnKind::Discovery {
            self.discovered(own, content);
            return;
        }
        if own.kind == OwnKind::Wish
            && let Carried::Primitive(primitive) = content
            && let Primitive::LinkServiceResponse(response) = &**primitive
            && response.result.code.is_success()
            && response.functions.is_some()
        {
            self.outputs.push_back(Output::Offered(response.functions.clone()));
        }
        let result = match content {
            Carried::Primitive(primitive) => match &**primitive {
                Primitive::KeepAliveResponse(response) => Some((&response.result, response.time_to_live)),
                Primitive::Status(status) => Some((status, None)),
                _ => None,
            },
            _ => None,
        };
        match (own.kind, result) {
            (OwnKind::Logout, _) => self.end_session(&own.session, Down::LoggedOut),
            (OwnKind::KeepAlive, Some((status, granted))) => match status.code {
                Code::INVALID_SESSION => self.lose_session(&own.session),
                // Not spoken here (reference ssp-session §5 rule 3).
                Code::SERVICE_NOT_SUPPORTED | Code::NOT_IMPLEMENTED | Code::SERVICE_NOT_AGREED => {
                    self.settings.session_control = false;
                }
                _ => {
                    if let Some(session) = self.sessions.get(&own.session) {
                        let limit = granted.unwrap_or(u32::MAX).max(TIME_TO_LIVE_MIN);
                        session.record.time_to_live = session.record.time_to_live.min(limit);
                        session.keep_alive_at = now;
                    }
                    self.used(&own.session, now);
                }
            },
            (OwnKind::KeepAlive, None) | (OwnKind::Discovery | OwnKind::Wish | OwnKind::Indication, _) => {}
        }
    }

    /// Requests of the link itself that were not answered: a logout is final all the same.
    pub(super) fn wake_own(&mut self, now: Moment) {
        let due = self.own.iter().filter(|(_, own)| own.deadline <= now);
        let due: Vec<TransactionId> = due.map(|(id, _)| id.clone()).collect();
        for id in due {
            match self.own.remove(&id) {
                Some(own) if own.kind == OwnKind::Logout => {
                    self.end_session(&own.session, Down::LoggedOut);
                }
                Some(own) if own.kind == OwnKind::Discovery => {
                    self.outputs.push_back(Output::Offered(None));
                }
                _ => {}
            }
        }
    }

    /// When the current session wants a KeepAliveRequest: idle for a third of its time to live.
    fn keep_alive_due(&self) -> Option<Moment> {
        let session = self.sessions.current().filter(|_| self.settings.session_control)?;
        let third = Duration::from_secs(u64::from(session.record.time_to_live) / 3);
        Some(session.record.last_used.after(third).max(session.keep_alive_at))
    }

    /// Tells the peer that the session is still wanted, and asks whether it agrees.
    pub(super) fn keep_alive(&mut self, own_id: &SessionId, now: Moment, chance: &mut dyn Chance) {
        let Some(session) = self.sessions.get(own_id) else { return };
        let third = Duration::from_secs(u64::from(session.record.time_to_live) / 3);
        session.keep_alive_at = now.after(third);
        let request = KeepAliveRequest { time_to_live: None };
        self.ask_own(own_id, OwnKind::KeepAlive, request.into(), now, chance);
    }

    /// When a second session may go: between our own kind only, and only one side does it.
    fn sibling_due(&self) -> Option<(Moment, SessionId)> {
        let ours = self.settings.profile == Profile::Causeway && self.settings.own < self.settings.peer;
        let mut siblings = self.sessions.siblings().filter(|_| ours);
        let first = siblings.next()?;
        let least =
            siblings.fold(
                first,
                |least, other| {
                    if other.record.last_used < least.record.last_used { other } else { least }
                },
            );
        Some((least.record.last_used.after(SIBLING_IDLE), least.record.own_id.clone()))
    }

    /// When [`Link::wake_sessions`] has something to do.
    pub(super) fn next_session_event(&self) -> Option<Moment> {
        let expiry = self.sessions.iter().map(|session| session.expires(self.settings.profile)).min();
        [expiry, self.keep_alive_due(), self.sibling_due().map(|(due, _)| due)].into_iter().flatten().min()
    }

    /// Ends what has expired, keeps the current session alive, leaves a second one.
    pub(super) fn wake_sessions(&mut self, now: Moment, chance: &mut dyn Chance) {
        let profile = self.settings.profile;
        let expired = self.sessions.iter().filter(|session| session.expires(profile) <= now);
        let expired: Vec<SessionId> = expired.map(|session| session.record.own_id.clone()).collect();
        for own_id in expired {
            self.end_session(&own_id, Down::Expired);
        }
        if self.keep_alive_due().is_some_and(|due| due <= now)
            && let Some(own_id) = self.sessions.current_id()
        {
            self.keep_alive(&own_id, now, chance);
        }
        if let Some((_, own_id)) = self.sibling_due().filter(|(due, _)| *due <= now)
            && let Some(session) = self.sessions.get(&own_id)
        {
            session.leaving = true;
            self.ask_own(&own_id, OwnKind::Logout, Primitive::LogoutRequest, now, chance);
        }
    }

    /// Leaves every session: Disconnect where the peer knows it (architecture §4, *State*). A legacy
    /// peer goes on using its sessions, so those survive a suspension.
    pub(super) fn leave_sessions(&mut self, close: Close, chance: &mut dyn Chance) {
        let code = match close {
            Close::Suspended => Code::SERVICE_UNAVAILABLE,
            Close::Closed => Code::FORCED_LOGOUT,
        };
        let all: Vec<SessionId> = self.sessions.iter().map(|session| session.record.own_id.clone()).collect();
        for own_id in all {
            let current = self.sessions.get(&own_id).is_some_and(|session| session.confirmed);
            if self.settings.session_control && current {
                let result = Status::because(code, code.name());
                let id = TransactionId::fresh(chance);
                self.post_own(&own_id, id, Mode::Request, Disconnect { result }.into());
            }
            if close == Close::Closed || self.settings.profile != Profile::Legacy {
                self.sessions.remove(&own_id);
                self.outputs.push_back(Output::Forget(own_id));
            }
        }
        self.own.clear();
    }
}

fn own_body(meta: Option<MetaInfo>, primitive: Primitive) -> Body {
    Body::Own(Box::new((meta, primitive)))
}
