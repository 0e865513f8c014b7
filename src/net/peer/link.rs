//! One link under its driver: the machine, its window on the outbox, its lanes.
//!
//! ```text
//! sap ──rows──▶ window ──▶ Link ──Post──▶ lanes ──HTTP──▶ peer
//!                 ▲          │  ◀─outcome──┘
//!                 └─ later ──┘  ◀─messages── listener
//! ```
//! The machine sits behind a short lock that is never held while waiting. One task, the driver,
//! carries out what it wants done, in order; what is to be stored is on disk before what follows. When
//! nothing but POSTs is to be done, whoever caused them hands them to the lanes at once: a message then
//! costs no switch to the driver.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use hyper::body::Bytes;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::carrier::{Job, Placed, Road};
use super::doubts::Doubts;
use super::lanes::Lanes;
use super::quota::Work;
use super::sight::Watch;
use super::told::Told;
use super::{POSTS, Shared};
use crate::element::common::offer;
use crate::imps::agreement::{Agreement, PeerState, Profile};
use crate::imps::{Chance, Domain, Moment, SessionId, TransactionId};
use crate::relay::events::{Direction, Refused};
use crate::relay::exit::Exit;
use crate::relay::ports::{Change, Settlement, StoredOutgoing};
use crate::relay::queue::Window;
use crate::relay::rate::Meter;
use crate::sap::Settled;
use crate::sap::traces::Traces;
use crate::session::ssp::{
    Alarm, Body, Close, Kind, Link, LinkSettings, OperationId, Outgoing, Output, Post, PostContent,
    PostOutcome, SessionRecord,
};
use crate::wire::ssp;

/// Lanes beyond the POSTs in flight of a session: set-up never waits behind traffic.
const SETUP_LANES: usize = 2;
/// How long the driver sleeps at most: it is not woken for what is only due much later, such as the wait
/// for an answer.
const LONGEST_SLEEP: Duration = Duration::from_secs(10);

/// What the lock guards.
pub(super) struct State {
    pub(super) link: Link,
    pub(super) window: Window,
    /// Rows that the link holds, in their order.
    pub(super) flying: BTreeMap<OperationId, StoredOutgoing>,
    /// Rows that the peer may have taken.
    doubts: Doubts,
    /// Notices that have arrived and that the peer may still say something about.
    told_notices: Told,
    pub(super) chance: Box<dyn Chance>,
    /// The agreement was suspended or closed, and the link was told.
    pub(super) left: bool,
    /// The agreement that the link was told last.
    told: Arc<Agreement>,
    /// The driver is carrying out outputs; later ones have to wait for it.
    carrying: bool,
    /// Part of the transaction ids of our rows, so that two stores never use the same.
    instance: String,
}

/// One link: a pair of own and peer domain.
pub(crate) struct PeerLink {
    /// Itself, for the lanes it makes.
    me: Weak<Self>,
    pub(super) own: Domain,
    pub(super) peer: Domain,
    pub(super) shared: Arc<Shared>,
    state: Mutex<State>,
    lanes: Lanes,
    /// Where its POSTs go.
    pub(super) road: Arc<dyn Road>,
    /// What operators want to know.
    pub(super) watch: Watch,
    /// What the agreement's rate has left.
    meter: Mutex<Meter>,
    /// What of it is in work.
    pub(super) work: Work,
    /// Wakes the driver.
    pub(super) nudge: Notify,
    /// Outputs that were taken from the machine and that were carried out; set-up answers wait until
    /// the second has reached the first.
    taken: AtomicU64,
    carried_out: watch::Sender<u64>,
    stop: CancellationToken,
}

impl PeerLink {
    /// A link with the sessions that survived. [`PeerLink::drive`] has to run for anything to happen.
    pub(super) fn new(
        shared: Arc<Shared>,
        own: Domain,
        agreement: &Agreement,
        records: Vec<SessionRecord>,
        stop: CancellationToken,
    ) -> Arc<Self> {
        let peer = agreement.domain.clone();
        let settings = settings(&own, agreement);
        let (survived, now) = (!records.is_empty(), shared.sap.now());
        let link = Link::new(settings, records, now);
        shared.sap.events().ssp_link(&peer, link.is_up());
        if link.settings().profile == Profile::Legacy {
            shared.sap.found_legacy(&peer);
        }
        let road = shared.carrier.road(&own, &peer);
        let state = State {
            link,
            window: Window::default(),
            flying: BTreeMap::new(),
            doubts: Doubts::new(survived, now),
            told_notices: Told::default(),
            chance: (shared.chance)(),
            left: false,
            told: Arc::new(agreement.clone()),
            carrying: false,
            instance: shared.sap.store().instance().to_owned(),
        };
        Arc::new_cyclic(|me| Self {
            me: me.clone(),
            own,
            peer,
            shared,
            state: Mutex::new(state),
            lanes: Lanes::default(),
            road,
            watch: Watch::default(),
            meter: Mutex::default(),
            work: Work::default(),
            nudge: Notify::new(),
            taken: AtomicU64::new(0),
            carried_out: watch::Sender::new(0),
            stop,
        })
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts one message of the peer; an error tells how long it has to wait.
    pub(super) fn meter(&self, agreement: &Agreement) -> Result<(), Duration> {
        let now = self.now();
        self.meter.lock().unwrap_or_else(PoisonError::into_inner).take(agreement.messages_per_second, now)
    }

    pub(super) fn now(&self) -> Moment {
        self.shared.sap.now()
    }

    /// The agreement as it stands now; `None` if there is none any more.
    pub(super) fn agreement(&self) -> Option<Arc<Agreement>> {
        self.shared.sap.map().directory.agreement(self.peer.as_str()).cloned()
    }

    /// The agreement now, or the last there was: a Disconnect has to find its way after the end of one.
    pub(super) fn last_agreement(&self) -> Arc<Agreement> {
        self.agreement().unwrap_or_else(|| Arc::clone(&self.state().told))
    }

    /// The state of the agreement now.
    pub(super) fn standing(&self) -> PeerState {
        self.agreement().map_or(PeerState::Closed, |agreement| agreement.state_at(self.now().date_time()))
    }

    /// Drives the link until stopped.
    pub(super) async fn drive(self: Arc<Self>) {
        if self.standing() == PeerState::Active {
            let now = self.now();
            let mut state = self.state();
            let State { link, chance, .. } = &mut *state;
            link.greet(now, &mut **chance);
        }
        loop {
            let wake_at = self.step().await;
            let now = self.now();
            let sleep = wake_at.map_or(LONGEST_SLEEP, |at| at.since(now)).min(LONGEST_SLEEP);
            tokio::select! {
                biased;
                () = self.stop.cancelled() => break,
                () = self.nudge.notified() => {}
                () = tokio::time::sleep(sleep) => {}
            }
        }
        // What the machine still wants stored is stored; posts of a stopping node are of no use.
        self.carry_out().await;
    }

    /// Everything that can be done now; returns when there will be more to do.
    async fn step(self: &Arc<Self>) -> Option<Moment> {
        if self.distrusts() {
            // What it leaves behind comes first.
            self.carry_out().await;
        }
        self.follow_agreement();
        loop {
            let wants = {
                let now = self.now();
                let mut state = self.state();
                let State { link, chance, .. } = &mut *state;
                link.wake(now, &mut **chance);
                state.feed(now, self.shared.sap.traces());
                state.window.wants()
            };
            self.carry_out().await;
            let Some(part) = wants else { break };
            let (own, peer) = (self.own.clone(), self.peer.clone());
            match self.shared.sap.store().outbox_excerpt(own, peer, part.clone()).await {
                Ok(rows) => {
                    let mut state = self.state();
                    state.doubts.found(&rows);
                    state.window.loaded(&part, rows);
                }
                Err(error) => {
                    warn!(peer = %self.peer, %error, "the outbox cannot be read");
                    return Some(self.now().after(Duration::from_secs(5)));
                }
            }
        }
        let state = self.state();
        match (state.link.next_wakeup(), state.next_due()) {
            (Some(link), Some(row)) => Some(link.min(row)),
            (one, other) => one.or(other),
        }
    }

    /// The agreement was changed, suspended or closed, or came back into force.
    fn follow_agreement(&self) {
        let (standing, agreement) = (self.standing(), self.agreement());
        let now = self.now();
        let mut state = self.state();
        let State { link, chance, left, told, window, .. } = &mut *state;
        let settings = |agreement: &Agreement| settings(&self.own, agreement);
        match (standing, *left, agreement) {
            (PeerState::Active, false, Some(agreement)) if !Arc::ptr_eq(&agreement, told) => {
                if settings(&agreement) != settings(told) {
                    let found =
                        told.profile == Profile::Standard && link.settings().profile == Profile::Legacy;
                    link.adopt(settings(&agreement), found);
                }
                *told = agreement;
            }
            (PeerState::Active, true, Some(agreement)) => {
                info!(peer = %self.peer, own = %self.own, "the agreement is in force again");
                *link = Link::new(settings(&agreement), Vec::new(), now);
                // The peer keeps what it has for us until it hears that we are there.
                link.reconnect(now, &mut **chance);
                window.hurry();
                *told = agreement;
                *left = false;
            }
            (PeerState::Suspended, false, _) => {
                link.close(Close::Suspended, &mut **chance);
                *left = true;
            }
            (PeerState::Closed, false, _) => {
                link.close(Close::Closed, &mut **chance);
                *left = true;
            }
            (PeerState::Active | PeerState::Suspended | PeerState::Closed, ..) => {}
        }
    }

    /// Ends the driver and the lanes.
    pub(super) fn end(&self) {
        self.stop.cancel();
    }

    /// The agreements may have changed.
    pub(super) fn look_again(&self) {
        self.nudge.notify_one();
    }

    /// Carries out what the machine wants done, in order. Only the driver calls it.
    async fn carry_out(self: &Arc<Self>) {
        loop {
            let outputs: Vec<Output> = {
                let mut state = self.state();
                state.feed(self.now(), self.shared.sap.traces());
                let outputs: Vec<_> = std::iter::from_fn(|| state.link.poll_output()).collect();
                for output in &outputs {
                    if let Output::Post(post) = output {
                        state.leaves(post);
                    }
                }
                state.carrying = !outputs.is_empty();
                self.taken.fetch_add(1, Ordering::AcqRel);
                outputs
            };
            let number = self.taken.load(Ordering::Acquire);
            let idle = outputs.is_empty();
            for output in outputs {
                self.one_output(output).await;
            }
            self.carried_out.send_replace(number);
            if idle {
                return;
            }
        }
    }

    /// Waits until the driver has carried out everything that the machine wants at this moment.
    pub(super) async fn settled(&self) {
        let wanted = self.taken.load(Ordering::Acquire) + 1;
        let mut done = self.carried_out.subscribe();
        self.nudge.notify_one();
        // The sender lives as long as the link.
        let _ = done.wait_for(|done| *done >= wanted).await;
    }

    async fn one_output(self: &Arc<Self>, output: Output) {
        let events = self.shared.sap.events();
        match output {
            Output::Post(post) => self.send(&post),
            Output::Persist(record) => self.store(Change::PutLink(Box::new(record))).await,
            Output::Forget(session) => self.store(Change::DropLink(session)).await,
            Output::Up { took, initiator, version } => {
                info!(peer = %self.peer, own = %self.own, %initiator, %version, ?took, "link up");
                events.ssp_link(&self.peer, true);
                self.shared.sap.link_begins(&self.peer);
                self.state().window.hurry();
                self.shared.sap.peer_is_back(&self.peer);
            }
            Output::Down { reason } => {
                info!(peer = %self.peer, own = %self.own, reason = reason.as_str(), "link down");
                events.ssp_link(&self.peer, false);
            }
            Output::Settled { operation } => {
                self.state().remember(operation);
                self.finish(operation, |row| {
                    self.shared.sap.outgoing_settled(row);
                    Settled::Done
                });
            }
            Output::Failed { operation, http } => self.finish(operation, |row| {
                self.shared.sap.outgoing_refused(row, http);
                Settled::Done
            }),
            Output::Unanswered { operation } => {
                let profile = self.state().link.settings().profile;
                self.finish(operation, |row| self.shared.sap.outgoing_unanswered(row, profile));
            }
            Output::Returned { operation, http } => {
                debug!(peer = %self.peer, ?operation, ?http, "an operation came back");
                self.finish(operation, |row| self.shared.sap.outgoing_returned(row));
            }
            Output::Offered(tree) => self.shared.sap.offered(&self.peer, tree.as_ref()),
            Output::Alarm(alarm) => {
                warn!(peer = %self.peer, own = %self.own, "{alarm}");
                self.watch.trouble(self.now(), alarm.to_string());
                if matches!(alarm, Alarm::Legacy { .. } | Alarm::NoDiscovery { .. }) {
                    self.shared.sap.found_legacy(&self.peer);
                }
                if matches!(alarm, Alarm::Digest { .. } | Alarm::Schema { .. }) {
                    events.ssp_refused(Some(&self.peer), Refused::Digest);
                }
            }
        }
    }

    async fn store(&self, change: Change) {
        if let Err(error) = self.shared.sap.store().commit(vec![change]).await {
            // The session works on; after a restart the peer has to log in again.
            warn!(peer = %self.peer, %error, "a session record cannot be stored");
        }
    }

    /// A row came back from the link: it is done, or goes back into the window.
    pub(super) fn finish(&self, operation: OperationId, settle: impl FnOnce(&StoredOutgoing) -> Settled) {
        let Some(row) = self.state().flying.remove(&operation) else { return };
        let order = row.outgoing.order;
        match settle(&row) {
            Settled::Done => {
                let mut state = self.state();
                state.doubts.gone(row.row);
                state.window.done(row.row, order);
            }
            Settled::Held => self.state().doubts.gone(row.row),
            again @ (Settled::Again(at) | Settled::Repeated(at)) => {
                let silences = u32::from(matches!(again, Settled::Repeated(_)));
                let unanswered = row.unanswered.saturating_add(silences);
                self.state().window.later(StoredOutgoing { unanswered, ..row }, at);
                self.nudge.notify_one();
            }
        }
    }

    /// Places what can be placed at once; the driver does the rest.
    pub(super) fn go(&self) {
        let (posts, rest) = {
            let now = self.now();
            let mut state = self.state();
            if state.carrying {
                (Vec::new(), true)
            } else {
                state.feed(now, self.shared.sap.traces());
                let posts: Vec<_> = std::iter::from_fn(|| state.link.poll_post()).collect();
                for post in &posts {
                    state.leaves(post);
                }
                (posts, state.link.has_output() || state.window.is_short())
            }
        };
        for post in &posts {
            self.send(post);
        }
        if rest {
            self.nudge.notify_one();
        }
    }

    /// Hands a POST to the lanes.
    fn send(&self, post: &Post) {
        let (lanes_max, ours) = {
            let state = self.state();
            let settings = state.link.settings();
            (settings.in_flight_max + SETUP_LANES, settings.profile == Profile::Causeway)
        };
        let job = Job {
            post: post.id,
            at: post.at.clone(),
            transaction: post.transaction().map(ToString::to_string),
            session: post.session().map(ToString::to_string),
            via: post.via().filter(|_| ours).map(ToOwned::to_owned),
            answers_here: ours && post.session().is_some(),
            body: Bytes::from(post.to_bytes()),
            what: if tracing::enabled!(target: POSTS, tracing::Level::DEBUG) {
                contents(post)
            } else {
                String::new()
            },
        };
        if self.lanes.push(job, lanes_max)
            && let Some(me) = self.me.upgrade()
        {
            self.shared.tasks.spawn(me.lane());
        }
    }

    /// One lane: the POSTs that go over it, one after the other.
    async fn lane(self: Arc<Self>) {
        let mut lane = Arc::clone(&self.road).lane();
        loop {
            let job = tokio::select! {
                biased;
                () = self.stop.cancelled() => return,
                job = self.lanes.next() => job,
            };
            let Some(job) = job else { return };
            let begin = Instant::now();
            let agreement = Some(self.last_agreement());
            let Placed { outcome, answers } = lane.place(agreement.as_deref(), &job).await;
            let micros = u64::try_from(begin.elapsed().as_micros()).unwrap_or(u64::MAX);
            let octets = job.body.len();
            debug!(target: POSTS, from = %self.own, to = %self.peer, what = %job.what, octets, %outcome, micros, "posted");
            let status = match outcome {
                PostOutcome::Accepted => Some(200),
                PostOutcome::Status(status, _) => Some(status),
                PostOutcome::Closed | PostOutcome::Unreachable => None,
            };
            self.shared.sap.events().ssp_post(&self.peer, Direction::Out, status);
            let now = self.now();
            self.watch.posted(&outcome, now);
            let (was_full, alone) = {
                let mut state = self.state();
                let State { link, chance, flying, doubts, .. } = &mut *state;
                let was_full = link.capacity() == 0;
                doubts.came_to(job.post, outcome);
                link.posted(job.post, outcome, now, &mut **chance);
                if link.is_down(now) {
                    self.shared.sap.outgoing_waits(flying.keys().map(|operation| operation.0));
                }
                (was_full, link.settings().transactions_per_post <= 1)
            };
            if !answers.is_empty() {
                self.answers_came(&answers).await;
            }
            if alone {
                self.go();
            }
            // What may leave together gathers until the driver has its turn. Nor does that know yet when to wake up
            // for what had no room or went wrong.
            let is_news = outcome != PostOutcome::Accepted || (was_full && self.state().next_due().is_some());
            if !alone || is_news {
                self.nudge.notify_one();
            }
        }
    }

    /// Whether there is a session under this id, whichever side issued it.
    pub(super) fn knows(&self, session: &SessionId) -> bool {
        self.state().link.knows(session)
    }

    pub(super) fn is_legacy(&self) -> bool {
        self.state().link.settings().profile == Profile::Legacy
    }

    /// A row was given up by the sweep.
    pub(super) fn withdraw(&self, row: i64) {
        let mut state = self.state();
        let operation = OperationId(row);
        state.link.withdraw(operation);
        state.doubts.gone(row);
        match state.flying.remove(&operation) {
            Some(flown) => state.window.done(row, flown.outgoing.order),
            None => state.window.forget(row),
        }
    }
}

impl State {
    /// When a row is due that could leave then. While none may leave it is of no use to wake up for one: what
    /// lets them leave again wakes the driver by itself.
    fn next_due(&self) -> Option<Moment> {
        if self.link.capacity() == 0 || self.left { None } else { self.window.next_due() }
    }

    /// A POST is on its way from now on.
    fn leaves(&mut self, post: &Post) {
        self.doubts.leaves(post, &self.instance);
    }

    /// Whether the peer may have taken a row, or will.
    fn may_have_left(&self, row: i64) -> bool {
        let is_leaving = self.link.has_output() && self.flying.contains_key(&OperationId(row));
        is_leaving || self.doubts.holds(row)
    }

    /// A notice has arrived; the peer may still say something about it.
    fn remember(&mut self, operation: OperationId) {
        if let Some(row) = self.flying.get(&operation) {
            self.told_notices.keep(operation, row);
        }
    }

    /// The notice that an answer is about: one that has arrived, or one whose 2xx the answer overtook.
    pub(super) fn notice(&mut self, operation: OperationId) -> Option<StoredOutgoing> {
        self.told_notices.take(operation).or_else(|| self.flying.get(&operation).cloned())
    }

    /// Hands over rows of the window while the link has room.
    fn feed(&mut self, now: Moment, traces: &Traces) {
        if self.link.capacity() == 0 || self.left {
            return;
        }
        // They leave together, as many in one POST as may.
        self.link.hold();
        self.hand_over(now, traces);
        self.link.release(now, &mut *self.chance);
    }

    fn hand_over(&mut self, now: Moment, traces: &Traces) {
        while self.link.capacity() > 0 {
            let Some(row) = self.window.next(now) else { return };
            let operation = OperationId(row.row);
            let kind = match (row.outgoing.settlement, &row.outgoing.reply_to) {
                (_, Some(_)) => Kind::Reply,
                (Settlement::Notice, None) => Kind::Notice,
                (Settlement::Request | Settlement::Question, None) => Kind::Request,
            };
            let outgoing = Outgoing {
                operation,
                transaction: transaction(&self.instance, &row),
                kind,
                fragment: Arc::clone(&row.outgoing.body),
                via: row.outgoing.via.as_deref().map(Arc::from),
            };
            match self.link.enqueue(outgoing, now, &mut *self.chance) {
                Ok(_) => {
                    traces.to_peer(&row, now);
                    self.flying.insert(operation, row);
                }
                Err(error) => {
                    debug!(row = row.row, %error, "the link does not take a row");
                    self.window.unsent(row);
                    return;
                }
            }
        }
    }
}

impl Exit for PeerLink {
    fn offer(&self, rows: Vec<StoredOutgoing>) {
        {
            let mut state = self.state();
            for row in rows {
                state.window.committed(row);
            }
        }
        self.go();
    }

    fn take(&self, rows: Vec<StoredOutgoing>) -> Result<(), Vec<StoredOutgoing>> {
        let now = self.now();
        {
            let mut state = self.state();
            if state.left || !state.link.is_flowing(now) {
                return Err(rows);
            }
            state.window.take_unwritten(rows)?;
        }
        self.go();
        Ok(())
    }

    fn wake(&self) {
        self.state().window.hurry();
        self.nudge.notify_one();
    }

    fn withdraw(&self, row: i64) {
        PeerLink::withdraw(self, row);
        self.nudge.notify_one();
    }

    fn take_back(&self, row: i64) -> bool {
        let may_have_left = self.state().may_have_left(row);
        if !may_have_left {
            Exit::withdraw(self, row);
        }
        !may_have_left
    }

    fn replaced(&self, old: i64, order: u64, by: Option<StoredOutgoing>) {
        {
            let mut state = self.state();
            match by {
                Some(by) => state.window.replaced(old, order, by),
                None => state.window.done(old, order),
            }
        }
        self.nudge.notify_one();
    }

    fn answer(&self, transaction: &TransactionId, fragment: Arc<[u8]>, for_now: bool) {
        {
            let now = self.now();
            let mut state = self.state();
            let State { link, chance, .. } = &mut *state;
            if for_now {
                link.answer_for_now(transaction, fragment, now, &mut **chance);
            } else {
                link.answer(transaction, fragment, now, &mut **chance);
            }
        }
        self.go();
    }

    fn is_down(&self) -> bool {
        let now = self.now();
        let state = self.state();
        state.link.is_down(now) || state.left
    }

    fn is_failing(&self) -> bool {
        let state = self.state();
        state.link.is_failing() || state.left
    }
}

/// How the link of our domain `own` behaves under this agreement.
fn settings(own: &Domain, agreement: &Agreement) -> LinkSettings {
    let (offer, wanted) = (offer::offer(agreement), Some(offer::wish(agreement)));
    LinkSettings { offer, wanted, ..LinkSettings::of(own.clone(), agreement) }
}

/// What a POST carries, in words.
fn contents(post: &Post) -> String {
    match &post.content {
        PostContent::Setup(setup) => format!("{} ({})", setup.element.name(), setup.mode.as_str()),
        PostContent::Session { parts, .. } => {
            let names = parts.iter().map(|part| match &part.body {
                Body::Encoded(octets) | Body::Passing(octets, _) => ssp::name_of(octets).to_owned(),
                Body::Own(own) => own.1.name().to_owned(),
            });
            names.collect::<Vec<_>>().join(", ")
        }
    }
}

/// The transaction id of a row: the same whenever it leaves (decisions.md 3).
fn transaction(instance: &str, row: &StoredOutgoing) -> Option<TransactionId> {
    row.outgoing.reply_to.clone().or_else(|| format!("{instance}-{}", row.row).parse().ok())
}
