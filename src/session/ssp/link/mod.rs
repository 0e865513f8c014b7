//! The link to one peer domain from one of our domains.
//!
//! Turns inputs (a message arrived, a POST ended, an operation wants out, time passed) into outputs
//! (post this, store that, the operation is done). Owns no socket, clock or task; `net::peer` drives
//! it. The TLS identity has been compared with the peer's domain before a message comes here.
//!
//! ```text
//!             enqueue, answer                                  receive
//!                   │                                             │
//!                   ▼             current session                 ▼
//!             transactions ──────▶ sessions ◀───── setup (initiator, responder)
//!                   │                                             │
//!                   ▼                                             ▼
//!                Output::Post ── posted ──▶ settled, repeated, lost …
//! ```
//!
//! The durable outbox is the real queue. The link takes only as many operations as it can have on
//! the wire ([`Link::capacity`]), keeps them through a set-up or a pause of the peer, and hands each
//! back exactly once: settled, answered, failed, unanswered or returned.

mod handshakes;
mod sessions;
mod sight;
#[cfg(test)]
mod tests;
mod traffic;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use self::handshakes::Handshake;
use self::sessions::{Session, Sessions};
pub use self::sight::{LinkSight, SessionSight};
use self::traffic::{OwnRequest, Sent};
use super::memory::Memory;
use super::output::{
    Alarm, Arrived, Body, Close, Down, Kind, LinkError, NotTaken, OperationId, Outgoing, Output, Post,
    PostContent, PostId, PostOutcome,
};
use super::record::SessionRecord;
use super::settings::LinkSettings;
use super::setup::{Initiator, Responder};
use super::transactions::Transactions;
use crate::imps::agreement::Profile;
use crate::imps::primitive::Functions;
use crate::imps::{Chance, Domain, Moment, SessionId, TransactionId, Version};
use crate::wire::ssp::{Body as Document, Message};

/// A session that we send on is replaced at this age (reference ssp-session §3).
const AGE_MAX: Duration = Duration::from_secs(30 * 24 * 3600);
/// Between two set-ups of ours, unless the session was in use meanwhile (reference ssp-session §2.4).
const BETWEEN_SETUPS: Duration = Duration::from_secs(60);
/// A second session from a simultaneous open is closed after so long without traffic
/// (reference ssp-session §2.3).
const SIBLING_IDLE: Duration = Duration::from_secs(60);

/// Octets of answers that go along with an HTTP answer: whoever posted need not take more than 64 KiB there.
const ALONG_OCTETS_MAX: usize = 32 * 1024;

/// A door that stays shut until a moment.
#[derive(Debug, Clone, Copy, Default)]
struct Gate {
    until: Moment,
    /// The peer asked for it: a sign of life does not open it.
    firm: bool,
}

impl Gate {
    fn is_open(self, now: Moment) -> bool {
        now >= self.until
    }

    /// A sign of life from the peer.
    fn hear(&mut self) {
        if !self.firm {
            *self = Self::default();
        }
    }
}

/// One own domain's link to one peer domain. See the module's page.
#[derive(Debug)]
pub struct Link {
    settings: LinkSettings,
    sessions: Sessions,
    outgoing: Option<Handshake<Initiator>>,
    incoming: Option<Handshake<Responder>>,
    /// Step 1 of the peer within the last minute; at most six.
    setups_heard: VecDeque<Moment>,
    /// No set-up of ours before it opens.
    setup_gate: Gate,
    /// Set-ups of ours that failed in a row.
    setup_failures: u32,
    /// A set-up is wanted though nothing waits.
    setup_wanted: bool,
    /// The peer is to be asked for its service tree.
    discovery_wanted: bool,
    /// What is wanted of the peer is to be told on this session.
    wish: Option<(SessionId, Functions)>,
    /// The peer is to hear that our offer has changed.
    indication_wanted: bool,
    transactions: Transactions,
    memory: Memory,
    /// Requests of the link itself that wait for an answer: at most a few for each session.
    own: HashMap<TransactionId, OwnRequest>,
    posts: HashMap<PostId, Sent>,
    /// Posts with operations or answers among `posts`.
    in_flight: usize,
    /// No traffic of ours before it opens.
    traffic_gate: Gate,
    /// Failures of traffic in a row; several within one pause count once.
    traffic_failures: u32,
    /// Counts the pauses, to tell failures of before a pause from those after.
    pauses: u64,
    /// Connections of a legacy peer closed without an answer, in a row.
    closes: u32,
    outputs: VecDeque<Output>,
    last_post: u64,
    up: bool,
    closed: Option<Close>,
    /// What is handed over waits for more.
    held: bool,
}

impl Link {
    /// A link with the sessions that were agreed before. Records of other links are ignored, expired
    /// ones forgotten. It may be up from the start ([`Link::is_up`]); only changes are put out.
    pub fn new(settings: LinkSettings, records: Vec<SessionRecord>, now: Moment) -> Self {
        let mut link = Self {
            settings,
            sessions: Sessions::default(),
            outgoing: None,
            incoming: None,
            setups_heard: VecDeque::new(),
            setup_gate: Gate::default(),
            setup_failures: 0,
            setup_wanted: false,
            discovery_wanted: false,
            wish: None,
            indication_wanted: false,
            transactions: Transactions::default(),
            memory: Memory::default(),
            own: HashMap::new(),
            posts: HashMap::new(),
            in_flight: 0,
            traffic_gate: Gate::default(),
            traffic_failures: 0,
            pauses: 0,
            closes: 0,
            outputs: VecDeque::new(),
            last_post: 0,
            up: false,
            closed: None,
            held: false,
        };
        let (own, peer) = (link.settings.own.clone(), link.settings.peer.clone());
        let mut records = records;
        records.retain(|record| record.own == own && record.peer == peer);
        if link.settings.profile == Profile::Standard && records.iter().any(|record| record.legacy) {
            link.settings.become_legacy();
        }
        records.sort_by_key(|record| record.established);
        for record in records {
            let session = Session::restored(record);
            if session.expires(link.settings.profile) <= now {
                link.outputs.push_back(Output::Forget(session.record.own_id));
            } else {
                let gone = link.sessions.insert(session);
                link.outputs.extend(gone.into_iter().map(Output::Forget));
            }
        }
        link.up = link.is_up();
        link
    }

    /// The settings in force; the profile may have become `Legacy`.
    pub const fn settings(&self) -> &LinkSettings {
        &self.settings
    }

    /// The agreement asks for something else from now on. `found_legacy`: the peer has shown that it is the
    /// one known implementation, which no agreement changes.
    pub fn adopt(&mut self, settings: LinkSettings, found_legacy: bool) {
        // Without a session the peer asks when there is one.
        self.indication_wanted |= settings.offer != self.settings.offer;
        self.discovery_wanted |= settings.wanted != self.settings.wanted;
        self.settings = settings;
        if found_legacy && self.settings.profile == Profile::Standard {
            self.settings.become_legacy();
        }
    }

    /// Whether there is a session to send on.
    pub fn is_up(&self) -> bool {
        self.sessions.current().is_some()
    }

    /// Whether what is handed over now leaves now: there is a session, and the peer is not known to be
    /// in trouble.
    pub fn is_flowing(&self, now: Moment) -> bool {
        self.is_up() && self.traffic_gate.is_open(now)
    }

    /// Whether the peer is known to be out of reach: the last attempt failed, or it asked for a pause.
    /// A link that nobody needed yet is neither up nor down.
    pub fn is_down(&self, now: Moment) -> bool {
        let failing = if self.is_up() {
            !self.traffic_gate.is_open(now)
        } else {
            self.setup_failures > 0 || !self.setup_gate.is_open(now)
        };
        failing || self.closed.is_some()
    }

    /// Whether nothing has got through since an attempt failed, whatever is tried meanwhile.
    pub fn is_failing(&self) -> bool {
        let failures = if self.is_up() { self.traffic_failures } else { self.setup_failures };
        failures > 0 || self.closed.is_some()
    }

    /// Version of the session that is sent on; of our side if there is none.
    pub fn version(&self) -> Version {
        self.sessions.current().map_or(self.settings.version, |session| session.record.version)
    }

    /// Whether there is a session under this id, whichever side issued it.
    pub fn knows(&self, session: &SessionId) -> bool {
        self.sessions.knows(session)
    }

    /// Whether the peer was asked under this id and has not answered yet.
    pub fn awaits(&self, transaction: &TransactionId) -> bool {
        self.transactions.awaits(transaction)
    }

    /// How many more operations the link takes now. Ask after every input; hand over from the outbox
    /// what fits. While the link is down a few are taken too: they are the reason to set it up.
    pub fn capacity(&self) -> usize {
        if self.closed.is_some() { 0 } else { self.transactions.capacity(self.settings.unsettled_max()) }
    }

    /// Hands over an operation. Its outcome comes as an [`Output`] or as [`Arrived::Answer`]. Handing
    /// over one that is still open sends it once more if it waits for its answer, else changes nothing.
    pub fn enqueue(
        &mut self,
        outgoing: Outgoing,
        now: Moment,
        chance: &mut dyn Chance,
    ) -> Result<TransactionId, NotTaken> {
        if self.closed.is_some() {
            return Err(NotTaken::Closed);
        }
        let transaction = match (outgoing.transaction, outgoing.kind) {
            (Some(transaction), _) => transaction,
            (None, Kind::Reply) => return Err(NotTaken::NoTransaction),
            (None, Kind::Request | Kind::Notice) => TransactionId::fresh(chance),
        };
        let max = self.settings.unsettled_max();
        let body = match outgoing.via {
            None => Body::Encoded(outgoing.fragment),
            Some(via) => Body::Passing(outgoing.fragment, via),
        };
        self.transactions.enqueue(outgoing.operation, transaction.clone(), outgoing.kind, body, max)?;
        self.go_on(now, chance);
        Ok(transaction)
    }

    /// Takes an operation back, because its validity ended or its author gave up. `false` if the link
    /// does not hold it; nothing more is heard of it.
    pub fn withdraw(&mut self, operation: OperationId) -> bool {
        self.transactions.withdraw(operation)
    }

    /// Answers a request of the peer. The answer is remembered for repeats and leaves on the session
    /// that is sent on then. Answer within seconds (reference ssp-transport §3.3).
    pub fn answer(
        &mut self,
        transaction: &TransactionId,
        fragment: Arc<[u8]>,
        now: Moment,
        chance: &mut dyn Chance,
    ) {
        if self.closed.is_none() {
            let body = Body::Encoded(fragment);
            self.memory.answered(transaction, &body);
            self.queue_answer(transaction.clone(), body);
            self.go_on(now, chance);
        }
    }

    /// Answers a request of the peer for now: its next copy counts as new.
    pub fn answer_for_now(
        &mut self,
        transaction: &TransactionId,
        fragment: Arc<[u8]>,
        now: Moment,
        chance: &mut dyn Chance,
    ) {
        self.answer(transaction, fragment, now, chance);
        self.memory.forget(transaction);
    }

    /// The answers to these transactions, just given, as a document for the HTTP answer to the POST that
    /// brought them (profile `causeway`); they count as sent. If that HTTP answer is lost on its way, the peer
    /// asks again and they are given again. `None`: there are none, or they are too long to go along; then
    /// they leave in a POST.
    pub fn answers_along(&mut self, of: &[TransactionId]) -> Option<Vec<u8>> {
        let record = &self.sessions.current()?.record;
        let (session, version) = (record.own_id.clone(), record.version);
        let parts = self.transactions.take_answers(of, ALONG_OCTETS_MAX);
        if parts.is_empty() {
            return None;
        }
        let content = PostContent::Session { session, parts };
        Some(Post { id: PostId(0), at: None, version, legacy: false, content }.to_bytes())
    }

    /// The request is on disk (or needs no disk): HTTP 200 may go out.
    pub fn accepted(&mut self, transaction: &TransactionId) {
        self.memory.accepted(transaction);
    }

    /// The request could not be stored and the peer is told so by HTTP 5xx: its next copy counts as new.
    pub fn abandoned(&mut self, transaction: &TransactionId) {
        self.memory.abandoned(transaction);
    }

    /// Takes a message from the peer. On an error nothing has changed but what is counted, and the
    /// message is refused with [`LinkError::http_status`]; else HTTP 200 goes out when every request
    /// among what arrived is accepted and everything to persist is on disk.
    pub fn receive(
        &mut self,
        message: Message,
        now: Moment,
        chance: &mut dyn Chance,
    ) -> Result<Vec<Arrived>, LinkError> {
        if let Some(close) = self.closed {
            return Err(LinkError::Closed { peer: self.settings.peer.clone(), close });
        }
        let arrived = match message.body {
            Document::Setup(setup) => {
                self.receive_setup(&setup, now, chance)?;
                Vec::new()
            }
            Document::Session(session) => self.receive_session(session, now, chance)?,
        };
        self.go_on(now, chance);
        Ok(arrived)
    }

    /// A POST has ended. Posts that are not the link's any more are ignored.
    pub fn posted(&mut self, post: PostId, outcome: PostOutcome, now: Moment, chance: &mut dyn Chance) {
        match self.posts.remove(&post) {
            Some(Sent::Initiator) => self.initiator_posted(post, outcome, now, chance),
            Some(Sent::Responder) => self.responder_posted(post, outcome, now),
            Some(Sent::Own(session)) => self.own_posted(&session, outcome, now),
            Some(Sent::Traffic { session, keys, pauses }) => {
                self.in_flight = self.in_flight.saturating_sub(1);
                self.traffic_posted(&session, &keys, pauses, outcome, now, chance);
            }
            Some(Sent::Farewell) | None => {}
        }
        self.go_on(now, chance);
    }

    /// After a start with sessions of before: tells the peer that we are there again, so that what
    /// waits for us does not wait for its next try (decisions.md 4), and finds out whether the session
    /// still stands. A legacy peer knows no KeepAliveRequest; our next request tells it.
    pub fn greet(&mut self, now: Moment, chance: &mut dyn Chance) {
        if self.closed.is_none()
            && self.settings.session_control
            && let Some(own_id) = self.sessions.current_id()
        {
            self.keep_alive(&own_id, now, chance);
            if self.settings.discovery {
                self.discover(&own_id, now, chance);
            }
        }
    }

    /// Logs in again even if there is a session: the operator asks for it.
    pub fn reconnect(&mut self, now: Moment, chance: &mut dyn Chance) {
        self.setup_wanted = true;
        self.setup_gate = Gate::default();
        self.traffic_gate = Gate::default();
        self.go_on(now, chance);
    }

    /// Ends the link from our side: Disconnect where the peer knows it, every operation returned.
    /// Drain the outputs, then drop the link. Not for a mere stop of the node: sessions survive that.
    pub fn close(&mut self, close: Close, chance: &mut dyn Chance) {
        if self.closed.is_some() {
            return;
        }
        self.closed = Some(close);
        self.outgoing = None;
        self.incoming = None;
        self.leave_sessions(close, chance);
        for operation in self.transactions.drain() {
            self.outputs.push_back(Output::Returned { operation, http: None });
        }
        if std::mem::take(&mut self.up) {
            self.outputs.push_back(Output::Down { reason: Down::Closed });
        }
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// The next thing to do, if it is a POST: for a driver that wants to place it at once.
    pub fn poll_post(&mut self) -> Option<Post> {
        match self.outputs.pop_front()? {
            Output::Post(post) => Some(post),
            other => {
                self.outputs.push_front(other);
                None
            }
        }
    }

    /// Whether there is anything to do now.
    pub fn has_output(&self) -> bool {
        !self.outputs.is_empty()
    }

    /// Does what is due. Call at [`Link::next_wakeup`], or at any other time.
    pub fn wake(&mut self, now: Moment, chance: &mut dyn Chance) {
        if self.closed.is_some() {
            return;
        }
        self.memory.purge(now);
        for operation in self.transactions.overdue(now) {
            self.outputs.push_back(Output::Unanswered { operation });
        }
        self.wake_own(now);
        self.wake_handshakes(now, chance);
        self.wake_sessions(now, chance);
        self.go_on(now, chance);
    }

    /// When [`Link::wake`] has something to do. `None`: nothing is due until something comes in.
    pub fn next_wakeup(&self) -> Option<Moment> {
        if self.closed.is_some() {
            return None;
        }
        let traffic_waits = self.transactions.is_waiting() && self.is_up() && self.has_free_post();
        [
            self.transactions.next_deadline(),
            self.own.values().map(|own| own.deadline).min(),
            self.outgoing.as_ref().map(Handshake::next_wakeup),
            self.incoming.as_ref().map(Handshake::next_wakeup),
            traffic_waits.then_some(self.traffic_gate.until),
            self.next_setup(),
            self.next_session_event(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// From now on what is handed over waits for [`Link::release`], so that it leaves together.
    pub const fn hold(&mut self) {
        self.held = true;
    }

    /// Sends what was held.
    pub fn release(&mut self, now: Moment, chance: &mut dyn Chance) {
        self.held = false;
        self.go_on(now, chance);
    }

    /// Starts a set-up if one is due, and sends what may go.
    fn go_on(&mut self, now: Moment, chance: &mut dyn Chance) {
        if self.closed.is_some() || self.held {
            return;
        }
        if self.next_setup().is_some_and(|due| due <= now) {
            self.start_setup(now, chance);
        }
        self.negotiate(now, chance);
        self.pump(now);
    }

    /// Emits a POST and remembers what it is.
    fn post(&mut self, content: PostContent, version: Version, at: Option<Box<str>>, sent: Sent) -> PostId {
        self.last_post += 1;
        let id = PostId(self.last_post);
        self.posts.insert(id, sent);
        let legacy = self.settings.profile == Profile::Legacy;
        self.outputs.push_back(Output::Post(Post { id, at, version, legacy, content }));
        id
    }

    fn alarm(&mut self, alarm: Alarm) {
        self.outputs.push_back(Output::Alarm(alarm));
    }

    fn peer(&self) -> Domain {
        self.settings.peer.clone()
    }

    /// Tells that the last session to send on is gone, if it is.
    fn maybe_down(&mut self, reason: Down) {
        if self.up && !self.is_up() {
            self.up = false;
            self.outputs.push_back(Output::Down { reason });
        }
    }

    /// Removes a session: both ids are dead (reference ssp-session §3). Requests that wait for an
    /// answer on it come back.
    fn end_session(&mut self, own_id: &SessionId, reason: Down) {
        if self.sessions.remove(own_id) {
            self.outputs.push_back(Output::Forget(own_id.clone()));
        }
        self.own.retain(|_, own| own.session != *own_id);
        for operation in self.transactions.orphans(own_id) {
            self.outputs.push_back(Output::Unanswered { operation });
        }
        self.maybe_down(reason);
    }

    /// The peer does not know the session any more. What it may still send on it is accepted, but we
    /// do not send on it again.
    fn lose_session(&mut self, own_id: &SessionId) {
        if let Some(session) = self.sessions.get(own_id)
            && !session.record.superseded
        {
            session.record.superseded = true;
            let record = session.record.clone();
            self.outputs.push_back(Output::Persist(record));
            self.setup_wanted |= !self.is_up();
        }
        self.maybe_down(Down::SessionLost);
    }
}
