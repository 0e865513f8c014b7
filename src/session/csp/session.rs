//! One session: its life, what it remembers, what was agreed, and what it hands to the client.

use std::sync::Arc;
use std::time::Duration;

use super::abilities::Abilities;
use super::cir::agree::{Whose, agree, number};
use super::cir::calls::Calls;
use super::cir::{self, Next, Site};
use super::login::Resumed;
use super::memory::{Begin, Memory};
use super::negotiate::{agreed_capabilities, agreed_keep_alive};
use super::poll::{Answered, Occasion, Offer, Offered, Poll};
use super::record::SessionRecord;
use crate::imps::primitive::{
    ClientCapabilityRequest, ClientCapabilityResponse, Disconnect, KeepAliveRequest, KeepAliveResponse,
    SetDeliveryMethodRequest,
};
use crate::imps::{Chance, Code, Moment, Primitive, SessionId, Status, TransactionId, Version};

/// How long a session outlives its time to live (reference csp.md §6).
pub const EXPIRY_GRACE: Duration = Duration::from_secs(60);
/// How long an ended session waits for a poll to say why.
pub const FAREWELL_WAIT: Duration = Duration::from_secs(300);
/// After that long, activity is written back; decisions.md 28 wants it within a minute.
pub const ACTIVITY_SAVE_AFTER: Duration = Duration::from_secs(45);

/// Why a session takes no more requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SessionError {
    /// Nothing was heard for longer than the time to live and the grace.
    #[error("the session has expired")]
    Expired,
    /// The server ended it.
    #[error("the session was ended with {code}")]
    Ended {
        /// 600, 601 or 503.
        code: Code,
    },
}

impl SessionError {
    /// The code of the Status that answers any request of such a session (reference csp.md §6).
    pub const fn code(&self) -> Code {
        match self {
            Self::Expired => Code::INVALID_SESSION,
            Self::Ended { code } => *code,
        }
    }
}

/// What is to be written back of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Save {
    /// Something was agreed: the whole record.
    Record(Box<SessionRecord>),
    /// The client was heard, last at this moment.
    Activity(SessionId, Moment),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    Alive,
    /// Disconnect is to be said until then.
    Ending {
        code: Code,
        until: Moment,
    },
    Over,
}

/// A logged-in client.
#[derive(Debug)]
pub struct Session {
    record: SessionRecord,
    /// What `record.capabilities` says.
    abilities: Abilities,
    life: Life,
    memory: Memory,
    poll: Poll,
    calls: Calls,
    /// `last_active` as the store has it.
    saved_activity: Moment,
    /// The store has to hear of more than activity.
    unsaved: bool,
    /// The client speaks 1.3 with forms of 1.2. Forgotten with the process: it does so again.
    old_forms: bool,
}

impl Session {
    /// The session of a record: a new one, or after a restart. Its queue begins with the oldest row of
    /// the mailbox.
    pub fn restore(record: SessionRecord, chance: &mut dyn Chance) -> Self {
        Self {
            life: Life::Alive,
            memory: Memory::default(),
            poll: Poll::new(chance),
            calls: Calls::default(),
            abilities: Abilities::from_stored(&record.capabilities),
            saved_activity: record.last_active,
            unsaved: false,
            old_forms: false,
            record,
        }
    }

    /// What is known of it.
    pub const fn record(&self) -> &SessionRecord {
        &self.record
    }

    /// What the client can take.
    pub const fn abilities(&self) -> &Abilities {
        &self.abilities
    }

    /// Whether the client is answered in forms of 1.2 though its version is 1.3: once it used one of them, it is
    /// from then on (reference csp.md §12 item 13). `uses`: it does so now.
    pub fn old_forms(&mut self, uses: bool) -> bool {
        self.old_forms |= uses;
        self.old_forms
    }

    fn agree(&mut self, abilities: Abilities) {
        self.record.capabilities = abilities.to_stored();
        self.abilities = abilities;
        self.unsaved = true;
    }

    fn keep_alive(&self) -> Duration {
        Duration::from_secs(u64::from(self.record.time_to_live))
    }

    /// A document of this session arrived: call it first. Anything restarts the timer. With
    /// `may_take_request`, the reply may be a server request: the document is a Polling-Request or an
    /// answer of the client. In an ended session that passes, and gets its Disconnect.
    pub fn heard(&mut self, may_take_request: bool, now: Moment) -> Result<(), SessionError> {
        if self.is_over(now) {
            self.life = Life::Over;
            return Err(SessionError::Expired);
        }
        match self.life {
            Life::Ending { code, .. } if !may_take_request => Err(SessionError::Ended { code }),
            Life::Ending { .. } => Ok(()),
            Life::Alive | Life::Over => {
                self.record.last_active = self.record.last_active.max(now);
                self.calls.heard();
                Ok(())
            }
        }
    }

    /// A document that was heard is being carried out: until [`rested`](Self::rested) the client is not called.
    pub fn working(&mut self) {
        self.calls.working();
    }

    /// The answer to a document is ready; `told`: it says that more waits.
    pub fn rested(&mut self, told: bool, now: Moment) {
        self.calls.rested(told || self.poll.owes_answer(now), now);
    }

    /// Whether it can be forgotten: expired, or its Disconnect is said.
    pub fn is_over(&self, now: Moment) -> bool {
        match self.life {
            Life::Alive => now >= self.expires_at(),
            Life::Ending { until, .. } => now >= until,
            Life::Over => true,
        }
    }

    fn expires_at(&self) -> Moment {
        self.record.last_active.after(self.keep_alive()).after(EXPIRY_GRACE)
    }

    /// When to look at the session again: it ends, or something is to be saved.
    pub fn wake_at(&self) -> Moment {
        let end = match self.life {
            Life::Alive => self.expires_at(),
            Life::Ending { until, .. } => until,
            Life::Over => self.record.last_active,
        };
        if self.unsaved {
            return self.record.last_active;
        }
        let end = self.call_at().map_or(end, |at| end.min(at));
        if self.record.last_active > self.saved_activity {
            return end.min(self.saved_activity.after(ACTIVITY_SAVE_AFTER));
        }
        end
    }

    /// When the client is to be called, or given up.
    fn call_at(&self) -> Option<Moment> {
        let callable = self.record.cookie.as_deref().is_some_and(cir::text::can_be_said);
        if self.life == Life::Over || !callable {
            return None;
        }
        self.calls.due_at(self.poll.waits_at(self.keep_alive()), &self.abilities.cir)
    }

    /// The call to be made now, if one is due. Load the queue first ([`Poll::wants_more`]).
    pub fn call(&mut self, now: Moment) -> Option<Next> {
        self.call_at().filter(|at| *at <= now)?;
        let (version, cookie) = (self.record.version, self.record.cookie.as_deref().unwrap_or_default());
        let text = || cir::text::request(version, cookie).into();
        self.calls.next(&self.record.id, text, &self.abilities.cir, now)
    }

    /// The client has made a connection for calls (STCP). Whatever waits is called out anew.
    pub fn attached(&mut self) {
        self.calls.attached();
    }

    /// That connection is gone.
    pub fn detached(&mut self, now: Moment) {
        self.calls.lost(now);
    }

    /// Whether the message that goes out now says that the connection is gone (`CIR` = F): 1.2 on, and once
    /// for each loss.
    pub fn tells_loss(&mut self, now: Moment) -> bool {
        self.record.version >= Version::V1_2 && self.calls.tells_loss(now)
    }

    /// A request of the client came straight from this address: datagrams follow it.
    pub fn seen_at(&mut self, address: std::net::IpAddr) {
        let address = address.to_canonical();
        if self.abilities.cir.at.is_some_and(|known| known.ip() != address) {
            let mut abilities = self.abilities.clone();
            abilities.cir.moved(address);
            self.agree(abilities);
        }
    }

    /// The client has greeted by SMS from this number, which is thereby proved (SSMS). `false`: it is none.
    pub fn greeted_from(&mut self, written: &str) -> bool {
        let Some(number) = number(written) else { return false };
        let mut abilities = self.abilities.clone();
        abilities.cir.number = Some(number);
        self.agree(abilities);
        self.calls.forget();
        true
    }

    /// What the store has to be told now, if anything.
    pub fn to_save(&mut self, now: Moment) -> Option<Save> {
        let active = self.record.last_active > self.saved_activity
            && now.since(self.saved_activity) >= ACTIVITY_SAVE_AFTER;
        if !self.unsaved && !active {
            return None;
        }
        self.saved_activity = self.record.last_active;
        Some(if std::mem::take(&mut self.unsaved) {
            Save::Record(Box::new(self.record.clone()))
        } else {
            Save::Activity(self.record.id.clone(), self.record.last_active)
        })
    }

    /// A document with a transaction id, request or answer, is to be carried out: `transaction` is
    /// its first. Polling-Requests have no id and are never repeats.
    pub fn begin(&mut self, transaction: &TransactionId, digest: u64, now: Moment) -> Begin {
        self.memory.begin(transaction, digest, now)
    }

    /// The body that answers it, empty ones too.
    pub fn finish(&mut self, transaction: &TransactionId, digest: u64, answer: Arc<[u8]>) {
        self.memory.finish(transaction, digest, answer);
    }

    /// It failed half-way; a repeat is to be carried out anew.
    pub fn abandon(&mut self, transaction: &TransactionId, digest: u64) {
        self.memory.abandon(transaction, digest);
    }

    /// The server request never reached the client: it goes out again, with the same transaction id, at
    /// the next occasion.
    pub fn offer_lost(&mut self, transaction: &TransactionId) {
        self.poll.lost(transaction);
    }

    /// ClientCapability-Request: the whole set is replaced (reference csp.md §5.1).
    pub fn negotiate(
        &mut self,
        request: &ClientCapabilityRequest,
        site: &Site<'_>,
    ) -> ClientCapabilityResponse {
        let version = self.record.version;
        let mut agreed = agreed_capabilities(&request.capabilities, version);
        let cir = agree(&request.capabilities, &self.whose(), site, &mut agreed);
        self.agree(Abilities::of(&request.capabilities).called_by(cir).with_groups_of(&self.abilities));
        ClientCapabilityResponse {
            // From 1.2 on the list must be the first child (reference client-android §3).
            client: if version == Version::V1_1 { request.client.clone() } else { None },
            agreed: Box::new(agreed),
        }
    }

    fn whose(&self) -> Whose<'_> {
        Whose {
            version: self.record.version,
            session: &self.record.id,
            user: &self.record.user,
            cookie: self.record.cookie.as_deref(),
        }
    }

    /// KeepAlive-Request: the time is told only where it differs from what was asked.
    pub fn keep_alive_answer(&mut self, request: &KeepAliveRequest) -> KeepAliveResponse {
        let time_to_live = request.time_to_live.and_then(|wish| {
            let granted = agreed_keep_alive(Some(wish));
            self.unsaved |= granted != self.record.time_to_live;
            self.record.time_to_live = granted;
            (granted != wish).then_some(granted)
        });
        KeepAliveResponse { result: Status::ok(), time_to_live }
    }

    /// SetDeliveryMethod-Request: what comes from now on is handed over so.
    pub fn set_delivery(&mut self, request: &SetDeliveryMethodRequest) -> Status {
        let mut abilities = self.abilities.clone();
        abilities.set_delivery(request);
        self.agree(abilities);
        Status::ok()
    }

    /// Logout-Request: the session is over. In mode Response: Disconnect in 1.1, Status later.
    pub fn logout(&mut self) -> Primitive {
        self.life = Life::Over;
        self.poll.say_farewell(Code::SUCCESSFUL);
        match self.record.version {
            Version::V1_1 => Disconnect { result: Status::ok() }.into(),
            Version::V1_2 | Version::V1_3 => Status::ok().into(),
        }
    }

    /// The server ends the session: 601 replaced by a new login, 503 going down. What waits stays in
    /// the mailbox; the next poll gets Disconnect, any other request a Status. One that is over stays so.
    pub fn end(&mut self, code: Code, now: Moment) {
        if self.life == Life::Alive && !self.is_over(now) {
            self.life = Life::Ending { code, until: now.after(FAREWELL_WAIT) };
            self.poll.say_farewell(code);
            self.calls.forget();
        }
    }

    /// The client logged in with this session's id (1.3). What is open goes out again.
    pub fn resume(&mut self, resumed: &Resumed, now: Moment) {
        self.record.time_to_live = resumed.time_to_live;
        self.record.cookie.clone_from(&resumed.cookie);
        if let Some(abilities) = &resumed.abilities {
            self.agree(abilities.clone());
        }
        self.record.last_active = self.record.last_active.max(now);
        self.unsaved = true;
        self.poll.reopen();
    }

    /// The queue, to tell it what the store has and lets go.
    pub const fn poll(&mut self) -> &mut Poll {
        &mut self.poll
    }

    /// The server request that goes out on this occasion; `None`: an empty body. Ask
    /// [`Poll::wants_more`] first.
    pub fn next_request(&mut self, occasion: Occasion, now: Moment) -> Option<Offer> {
        let keep_alive = self.keep_alive();
        let offer = self.poll.next(occasion, &self.abilities, keep_alive, now)?;
        if matches!(offer.what, Offered::Disconnect(_)) {
            // No answer is expected (reference csp.md §6).
            self.life = Life::Over;
        }
        Some(offer)
    }

    /// A further server request for the same message, if the client takes several.
    pub fn next_along(&mut self, now: Moment) -> Option<Offer> {
        let keep_alive = self.keep_alive();
        self.poll.next_along(&self.abilities, keep_alive, now)
    }

    /// The client answered a server request.
    pub fn answered(&mut self, transaction: &TransactionId, answer: &Primitive) -> Answered {
        self.poll.answered(transaction, answer)
    }

    /// The `Poll` flag of an answer to a client's request.
    pub fn poll_flag(&self, now: Moment) -> bool {
        self.poll.flag(self.keep_alive(), now)
    }
}

#[cfg(test)]
mod tests;
