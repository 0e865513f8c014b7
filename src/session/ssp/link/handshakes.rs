//! Set-up as the link runs it: at most one handshake in each direction, the POST of our last step
//! with its repetitions, the clocks of 30 and 90 seconds (reference ssp-session §1.3, §2), and when
//! to open one ourselves.

use std::time::Duration;

use super::sessions::Session;
use super::traffic::Sent;
use super::{AGE_MAX, BETWEEN_SETUPS, Gate, Link};
use crate::imps::agreement::Profile;
use crate::imps::primitive::{LinkLoginRequest, Redirect, SendSecretToken, Setup};
use crate::imps::{Chance, Domain, Moment, SessionId, TransactionId, Version};
use crate::session::ssp::backoff::{self, delay};
use crate::session::ssp::output::{Alarm, Down, LinkError, Output, PostContent, PostId, PostOutcome};
use crate::session::ssp::record::SessionRecord;
use crate::session::ssp::setup::{self, Initiator, Opened, Responder, Step};
use crate::wire::Mode;
use crate::wire::ssp::SetupTransaction;

/// A handshake that makes no progress is dropped after this time.
const STALLED_AFTER: Duration = Duration::from_secs(30);
/// A handshake is dropped after this time in all.
const TOO_LONG_AFTER: Duration = Duration::from_secs(90);
/// A step that failed at transport level is posted again after these pauses.
const REPEATS: [Duration; 5] = [
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
    Duration::from_secs(15),
];
/// Handshakes that the peer may open within [`SETUPS_WITHIN`] (reference ssp-session §4 rule 3).
const SETUPS_MAX: usize = 6;
/// See [`SETUPS_MAX`].
const SETUPS_WITHIN: Duration = Duration::from_secs(60);
/// Redirects followed in a row (reference ssp-session §2.1).
const HOPS_MAX: u8 = 3;
/// Longest URL of a redirect, octets.
const URL_OCTETS_MAX: usize = 2048;

/// A machine with its clocks and the POST of its last step.
#[derive(Debug)]
pub(super) struct Handshake<M> {
    machine: M,
    started: Moment,
    /// When our last step was due.
    progressed: Moment,
    sending: Option<Sending>,
    /// Redirects followed so far.
    hops: u8,
    /// Where to, after a redirect.
    at: Option<Box<str>>,
    /// Our id of the session that it led to, while step 6 is on its way.
    session: Option<SessionId>,
}

/// Our last step, until a 2xx says that it arrived.
#[derive(Debug)]
struct Sending {
    step: SetupTransaction,
    stage: Stage,
    failures: usize,
}

#[derive(Debug, PartialEq, Eq)]
enum Stage {
    /// To be posted at this moment.
    Due(Moment),
    /// On the wire.
    Posted(PostId),
}

/// What the outcome of a step's POST means for the handshake.
#[derive(Debug, PartialEq, Eq)]
enum After {
    /// It arrived.
    Arrived,
    /// It will be repeated, or the outcome is of an older POST.
    Wait,
    /// The peer does not take it.
    GiveUp,
}

impl<M> Handshake<M> {
    fn new(machine: M, step: SetupTransaction, started: Moment, due: Moment) -> Self {
        let sending = Some(Sending { step, stage: Stage::Due(due), failures: 0 });
        Self { machine, started, progressed: due, sending, hops: 0, at: None, session: None }
    }

    /// A step of the peer was taken; ours follows at `due`.
    fn follow(&mut self, step: SetupTransaction, due: Moment) {
        self.progressed = due;
        self.sending = Some(Sending { step, stage: Stage::Due(due), failures: 0 });
    }

    fn deadline(&self) -> Moment {
        self.progressed.after(STALLED_AFTER).min(self.started.after(TOO_LONG_AFTER))
    }

    /// When something is due: the next POST, or the end.
    pub(super) fn next_wakeup(&self) -> Moment {
        match self.sending {
            Some(Sending { stage: Stage::Due(due), .. }) => due.min(self.deadline()),
            _ => self.deadline(),
        }
    }

    /// The step to post now, if one is due.
    fn due(&self, now: Moment) -> Option<&SetupTransaction> {
        let sending = self.sending.as_ref()?;
        matches!(sending.stage, Stage::Due(due) if due <= now).then_some(&sending.step)
    }

    /// Whether the element continues a handshake in which our own last step has not even left: then
    /// it cannot be an answer to it, and letting it pass would skip our proof.
    fn is_too_early(&self, element: &Setup) -> bool {
        let continues = match element {
            Setup::LoginRequest(_) => true,
            Setup::LoginResponse(response) => response.status.code.is_success(),
            Setup::SendSecretToken(_) | Setup::Status(_) => false,
        };
        let sending = self.sending.as_ref();
        continues
            && sending.is_some_and(|sending| sending.failures == 0 && matches!(sending.stage, Stage::Due(_)))
    }

    fn posted(&mut self, post: PostId) {
        if let Some(sending) = &mut self.sending {
            sending.stage = Stage::Posted(post);
        }
    }

    fn outcome(&mut self, post: PostId, outcome: PostOutcome, now: Moment) -> After {
        let Some(sending) = self.sending.as_mut().filter(|sending| sending.stage == Stage::Posted(post))
        else {
            return After::Wait;
        };
        match (outcome, REPEATS.get(sending.failures)) {
            (PostOutcome::Accepted, _) => {
                self.sending = None;
                After::Arrived
            }
            (
                PostOutcome::Status(408 | 429 | 500..=599, _)
                | PostOutcome::Closed
                | PostOutcome::Unreachable,
                Some(pause),
            ) => {
                sending.failures += 1;
                sending.stage = Stage::Due(now.after(*pause));
                After::Wait
            }
            (PostOutcome::Status(..) | PostOutcome::Closed | PostOutcome::Unreachable, _) => After::GiveUp,
        }
    }
}

impl Link {
    /// When the next set-up of ours is due: traffic waits without a session, one is wanted, or the
    /// session is too old; not while one is open in either direction.
    pub(super) fn next_setup(&self) -> Option<Moment> {
        if self.outgoing.is_some() || self.incoming.is_some() {
            return None;
        }
        let current = self.sessions.current();
        let due = if self.setup_wanted || (current.is_none() && self.transactions.is_waiting()) {
            Moment::default()
        } else {
            current?.record.established.after(AGE_MAX)
        };
        Some(due.max(self.setup_gate.until))
    }

    /// Step 1. Our state is there before it leaves, since step 2 may overtake its 200.
    pub(super) fn start_setup(&mut self, now: Moment, chance: &mut dyn Chance) {
        self.setup_wanted = false;
        let (machine, step) = Initiator::open(&self.settings, chance);
        self.outgoing = Some(Handshake::new(machine, step, now, now));
        self.post_steps(now);
    }

    /// Posts the steps that are due.
    fn post_steps(&mut self, now: Moment) {
        if let Some(handshake) = &self.outgoing
            && let Some(step) = handshake.due(now).cloned()
        {
            let (version, at) = (handshake.machine.version(), handshake.at.clone());
            let id = self.post(PostContent::Setup(step), version, at, Sent::Initiator);
            if let Some(handshake) = &mut self.outgoing {
                handshake.posted(id);
            }
        }
        if let Some(handshake) = &self.incoming
            && let Some(step) = handshake.due(now).cloned()
        {
            let version = handshake.machine.version();
            let id = self.post(PostContent::Setup(step), version, None, Sent::Responder);
            if let Some(handshake) = &mut self.incoming {
                handshake.posted(id);
            }
        }
    }

    /// Says a last word in a handshake that is over, once.
    fn farewell(&mut self, step: Option<SetupTransaction>, version: Version, at: Option<Box<str>>) {
        if let Some(step) = step {
            self.post(PostContent::Setup(step), version, at, Sent::Farewell);
        }
    }

    /// A set-up of ours came to nothing: the next one waits (decisions.md 4).
    fn setup_failed(&mut self, retry_after: Option<u32>, now: Moment, chance: &mut dyn Chance) {
        self.outgoing = None;
        let asked = retry_after.map_or(Duration::ZERO, |seconds| Duration::from_secs(seconds.into()));
        let pause = delay(self.setup_failures, chance).max(asked.min(backoff::LONGEST));
        self.setup_failures = self.setup_failures.saturating_add(1);
        self.setup_gate = Gate { until: now.after(pause), firm: retry_after.is_some() };
    }

    /// A set-up of the peer came to nothing. A legacy peer waits for ever then; only a set-up from
    /// our side helps it (reference ssp.md fact 8).
    fn incoming_failed(&mut self) {
        self.incoming = None;
        self.setup_wanted |= self.settings.profile == Profile::Legacy;
    }

    /// One of the six steps, or a refusal.
    pub(super) fn receive_setup(
        &mut self,
        setup: &SetupTransaction,
        now: Moment,
        chance: &mut dyn Chance,
    ) -> Result<(), LinkError> {
        if let Setup::SendSecretToken(SendSecretToken { service, .. })
        | Setup::LoginRequest(LinkLoginRequest { service, .. }) = &setup.element
        {
            setup::check_service(service, &self.settings)?;
        }
        match (setup.mode, &setup.element) {
            (Mode::Request, Setup::SendSecretToken(token)) => self.step_one(&setup.id, token, now, chance)?,
            (Mode::Request, element) => self.initiator_says(&setup.id, element, now, chance)?,
            (Mode::Response, element) => self.responder_says(&setup.id, element, now, chance)?,
        }
        self.post_steps(now);
        Ok(())
    }

    /// Step 1 of the peer. It replaces a handshake that it has open (decisions.md 10).
    fn step_one(
        &mut self,
        id: &TransactionId,
        token: &SendSecretToken,
        now: Moment,
        chance: &mut dyn Chance,
    ) -> Result<(), LinkError> {
        if self.incoming.as_ref().is_some_and(|open| open.machine.is_opened_by(id, token)) {
            return Ok(());
        }
        while self.setups_heard.front().is_some_and(|at| now.since(*at) >= SETUPS_WITHIN) {
            self.setups_heard.pop_front();
        }
        if self.setups_heard.len() >= SETUPS_MAX {
            let oldest = self.setups_heard.front().copied().unwrap_or(now);
            let left = oldest.after(SETUPS_WITHIN).since(now).as_secs().max(1);
            let retry_after = u32::try_from(left).unwrap_or(u32::MAX);
            return Err(LinkError::TooManySetups { peer: self.peer(), retry_after });
        }
        let (machine, step) = Responder::open(id, token, &self.settings, chance)?;
        self.setups_heard.push_back(now);
        self.look_for_legacy(token);
        self.incoming = Some(Handshake::new(machine, step, now, now.after(self.settings.pause())));
        // A peer that sets up is there again (decisions.md 4).
        self.setup_gate = Gate::default();
        self.traffic_gate = Gate::default();
        Ok(())
    }

    fn look_for_legacy(&mut self, token: &SendSecretToken) {
        if token.misspelt && self.settings.profile == Profile::Standard {
            self.settings.become_legacy();
            let peer = self.peer();
            self.alarm(Alarm::Legacy { peer });
        }
    }

    /// Steps 3 and 5, and refusals by the one who opened the handshake.
    fn initiator_says(
        &mut self,
        id: &TransactionId,
        element: &Setup,
        now: Moment,
        chance: &mut dyn Chance,
    ) -> Result<(), LinkError> {
        let Some(open) = self.incoming.as_mut().filter(|open| open.machine.id() == id) else {
            let initiator = self.peer();
            return self.about_session(id, element, &initiator);
        };
        if open.is_too_early(element) {
            let (got, state) = (element.name(), open.machine.state());
            return Err(LinkError::OutOfTurn { peer: self.peer(), got, state });
        }
        match open.machine.receive(id, element, &self.settings, chance)? {
            Step::Repeated => {}
            Step::Next(step) => open.follow(step, now),
            Step::Open(opened, reply) => {
                let (started, at) = (open.started, open.at.clone());
                if let Some(step) = reply {
                    open.follow(step, now);
                    open.session = Some(opened.ours.clone());
                }
                let initiator = self.peer();
                self.add_session(opened, initiator, started, at, now);
            }
            Step::Over(step, alarm) => {
                let (version, at) = (open.machine.version(), open.at.clone());
                let refused = matches!(alarm, Alarm::Refused { .. });
                self.farewell(step, version, at);
                self.alarm(alarm);
                self.incoming = None;
                if refused {
                    let initiator = self.peer();
                    self.end_session_of(id, &initiator);
                }
            }
            // Only the responder can send us elsewhere.
            Step::Elsewhere(_) => self.incoming = None,
        }
        Ok(())
    }

    /// Steps 2, 4 and 6, and refusals by the one whom we asked.
    fn responder_says(
        &mut self,
        id: &TransactionId,
        element: &Setup,
        now: Moment,
        chance: &mut dyn Chance,
    ) -> Result<(), LinkError> {
        let own = self.settings.own.clone();
        let token = matches!(element, Setup::SendSecretToken(_));
        let Some(open) = self.outgoing.as_mut().filter(|open| token || open.machine.id() == id) else {
            return self.about_session(id, element, &own);
        };
        if open.is_too_early(element) {
            let (got, state) = (element.name(), open.machine.state());
            return Err(LinkError::OutOfTurn { peer: self.peer(), got, state });
        }
        let legacy = matches!(element, Setup::SendSecretToken(token) if token.misspelt);
        match open.machine.receive(id, element, &self.settings, chance)? {
            Step::Repeated => {}
            Step::Next(step) => {
                let third = open.machine.step() == 3;
                if legacy && let Setup::SendSecretToken(token) = element {
                    self.look_for_legacy(token);
                }
                let pause = if third { self.settings.pause() } else { Duration::ZERO };
                if let Some(open) = &mut self.outgoing {
                    open.follow(step, now.after(pause));
                }
            }
            Step::Open(opened, _) => {
                let (started, at, own_id) = (open.started, open.at.clone(), opened.ours.clone());
                self.outgoing = None;
                self.setup_failures = 0;
                self.setup_gate = Gate { until: started.after(BETWEEN_SETUPS), firm: true };
                self.add_session(opened, own, started, at, now);
                self.confirm(&own_id, now);
            }
            Step::Over(step, alarm) => {
                let (version, at) = (open.machine.version(), open.at.clone());
                self.farewell(step, version, at);
                self.alarm(alarm);
                self.setup_failed(try_again(element), now, chance);
            }
            Step::Elsewhere(redirects) => self.redirected(&redirects, now, chance),
        }
        Ok(())
    }

    /// Follows a redirect to the first address that can be taken (reference ssp-session §2.1).
    fn redirected(&mut self, redirects: &[Redirect], now: Moment, chance: &mut dyn Chance) {
        let Some(old) = self.outgoing.take() else { return };
        let good = redirects.iter().find(|redirect| {
            let same =
                redirect.service.as_ref().is_none_or(|service| *service.domain() == self.settings.peer);
            same && redirect.url.starts_with("https://") && redirect.url.len() <= URL_OCTETS_MAX
        });
        match good {
            Some(redirect) if old.hops < HOPS_MAX => {
                let (machine, step) = Initiator::open(&self.settings, chance);
                let mut next = Handshake::new(machine, step, now, now);
                next.started = old.started;
                next.hops = old.hops + 1;
                next.at = Some(redirect.url.clone());
                self.outgoing = Some(next);
            }
            _ => {
                let url = redirects.first().map(|redirect| redirect.url.chars().take(200).collect());
                let alarm = Alarm::Redirect { peer: self.peer(), url: url.unwrap_or_default() };
                self.alarm(alarm);
                self.setup_failed(None, now, chance);
            }
        }
    }

    /// A set-up element for a handshake that is over: a repeat, or the end of its session, which is
    /// how a peer without LogoutRequest ends one (reference legacy-peer §2.4).
    fn about_session(
        &mut self,
        id: &TransactionId,
        element: &Setup,
        initiator: &Domain,
    ) -> Result<(), LinkError> {
        let unknown = LinkError::UnknownSetup { peer: self.peer(), got: element.name() };
        let session = self.sessions.by_setup(id, initiator).ok_or(unknown)?;
        let ended = match element {
            Setup::LoginResponse(response) => !response.status.code.is_success(),
            Setup::Status(status) => !status.code.is_success(),
            Setup::SendSecretToken(_) | Setup::LoginRequest(_) => false,
        };
        if let Setup::LoginResponse(response) = element
            && !ended
            && response.session.as_ref() != Some(&session.record.peer_id)
        {
            return Err(LinkError::ForeignSession { peer: self.peer() });
        }
        if ended {
            self.end_session_of(id, initiator);
        }
        Ok(())
    }

    fn end_session_of(&mut self, id: &TransactionId, initiator: &Domain) {
        if let Some(session) = self.sessions.by_setup(id, initiator) {
            let own_id = session.record.own_id.clone();
            self.end_session(&own_id, Down::LoggedOut);
        }
    }

    /// Both sides have proven themselves.
    fn add_session(
        &mut self,
        opened: Opened,
        initiator: Domain,
        started: Moment,
        at: Option<Box<str>>,
        now: Moment,
    ) {
        let record = SessionRecord {
            own: self.settings.own.clone(),
            peer: self.peer(),
            own_id: opened.ours,
            peer_id: opened.theirs,
            setup: opened.setup,
            version: opened.version,
            initiator,
            time_to_live: opened.time_to_live,
            established: now,
            last_used: now,
            superseded: false,
            legacy: self.settings.profile == Profile::Legacy,
            at,
        };
        let gone = self.sessions.insert(Session::opened(record.clone(), started, &opened.proof));
        self.outputs.extend(gone.into_iter().map(Output::Forget));
        self.outputs.push_back(Output::Persist(record));
    }

    /// The peer knows our session id: from now on we send on this session.
    pub(super) fn confirm(&mut self, own_id: &SessionId, now: Moment) {
        let Some(session) = self.sessions.get(own_id).filter(|session| !session.confirmed) else { return };
        session.confirmed = true;
        let (started, record) = (session.started, session.record.clone());
        if record.superseded {
            return;
        }
        for older in self.sessions.supersede_before(own_id, started) {
            self.outputs.push_back(Output::Persist(older));
        }
        self.repeat_unanswered();
        self.setup_wanted = false;
        self.traffic_failures = 0;
        self.traffic_gate = Gate::default();
        self.closes = 0;
        self.up = true;
        self.discovery_wanted = self.settings.discovery;
        let took = now.since(started);
        self.outputs.push_back(Output::Up { took, initiator: record.initiator, version: record.version });
    }

    /// The POST of a step of the handshake that we opened has ended.
    pub(super) fn initiator_posted(
        &mut self,
        post: PostId,
        outcome: PostOutcome,
        now: Moment,
        chance: &mut dyn Chance,
    ) {
        let Some(open) = &mut self.outgoing else { return };
        // Nobody knows of the handshake before step 1 has arrived: no use in repeating it soon.
        let first = open.machine.step() == 1;
        let current = open.sending.as_ref().is_some_and(|sending| sending.stage == Stage::Posted(post));
        let step = open.machine.step();
        let after = match open.outcome(post, outcome, now) {
            After::Wait if first && current => After::GiveUp,
            after => after,
        };
        if after == After::GiveUp {
            let alarm = Alarm::StepFailed { peer: self.peer(), step, outcome };
            self.alarm(alarm);
            let retry_after = if let PostOutcome::Status(429 | 503, asked) = outcome { asked } else { None };
            self.setup_failed(retry_after, now, chance);
        }
    }

    /// The POST of a step of the handshake that the peer opened has ended.
    pub(super) fn responder_posted(&mut self, post: PostId, outcome: PostOutcome, now: Moment) {
        let Some(open) = &mut self.incoming else { return };
        let (session, step) = (open.session.clone(), open.machine.step());
        match open.outcome(post, outcome, now) {
            After::Arrived if step == 6 => {
                self.incoming = None;
                if let Some(own_id) = session {
                    self.confirm(&own_id, now);
                }
            }
            After::Wait | After::Arrived => {}
            After::GiveUp => {
                let alarm = Alarm::StepFailed { peer: self.peer(), step, outcome };
                self.alarm(alarm);
                self.incoming_failed();
            }
        }
    }

    /// Posts what is due, drops what has stalled.
    pub(super) fn wake_handshakes(&mut self, now: Moment, chance: &mut dyn Chance) {
        if let Some(open) = self.outgoing.as_ref().filter(|open| open.deadline() <= now) {
            let state = open.machine.state();
            // A legacy peer that has our session id but lost our attention would use it for ever.
            let (id, version, at) = (open.machine.id().clone(), open.machine.version(), open.at.clone());
            if open.machine.step() == 5 && self.settings.profile == Profile::Legacy {
                let element = setup::refuse(crate::imps::Code::INVALID_SESSION);
                self.farewell(Some(SetupTransaction { id, mode: Mode::Request, element }), version, at);
            }
            let alarm = Alarm::Stalled { peer: self.peer(), state };
            self.alarm(alarm);
            self.setup_failed(None, now, chance);
        }
        if let Some(open) = self.incoming.as_ref().filter(|open| open.deadline() <= now) {
            let alarm = Alarm::Stalled { peer: self.peer(), state: open.machine.state() };
            self.alarm(alarm);
            self.incoming_failed();
        }
        self.post_steps(now);
    }

    /// The peer uses a session, so it has read step 6, whatever became of our POST.
    pub(super) fn heard_on(&mut self, own_id: &SessionId, now: Moment) {
        if self.incoming.as_ref().is_some_and(|open| open.session.as_ref() == Some(own_id)) {
            self.incoming = None;
        }
        self.confirm(own_id, now);
        self.setup_gate.hear();
        self.traffic_gate.hear();
    }
}

/// Seconds after which the peer wants to be asked again.
fn try_again(element: &Setup) -> Option<u32> {
    match element {
        Setup::LoginResponse(response) => response.status.try_again,
        Setup::Status(status) => status.try_again,
        Setup::SendSecretToken(_) | Setup::LoginRequest(_) => None,
    }
}
