//! The queue of server requests: which row of the mailbox a client is handed, and when.
//!
//! The real queue is the mailbox in the store. This machine keeps a bounded window on it: the rows
//! that are waiting, that are open (offered and not answered), and that are being settled (answered,
//! the store not yet told). A row leaves the window by [`Poll::removed`] when the store has let go
//! of it for any reason: delivered here or to another session of the user, fetched, rejected,
//! expired. What leaves the machine in any other way stays in the mailbox for the next session.
//!
//! ```text
//!   loaded, arrived ─▶ Waiting ──next──▶ Open ──answered──▶ Settling ──removed──▶ gone
//!                         ▲                │ └──refused, notified──▶ out of this session's queue
//!                         └── lost, resume ┘   (an old one is offered again as it is)
//! ```
//!
//! The order that real clients need (reference csp.md §2.1, client-android §4): a client that is
//! told `Poll`=T polls *before* it answers. That one poll is answered with an empty body, and the
//! next request goes out in reply to the answer. A client that polls once more, or stays silent for
//! [`ANSWER_WAIT`], will not answer: it is handed the next row, so that nothing it ignores blocks what
//! comes behind. What is unanswered is repeated, under the same transaction id, after twice the
//! keep-alive time.

use std::time::Duration;

use super::abilities::{Abilities, Form, essence};
use crate::imps::chance::token;
use crate::imps::{Chance, Code, GroupId, MessageId, Moment, Primitive, TransactionId};

/// Rows of the mailbox that one session holds at most.
pub const WINDOW_ROWS_MAX: usize = 32;
/// How long a poll is answered with an empty body because an answer is awaited.
pub const ANSWER_WAIT: Duration = Duration::from_secs(60);
/// An unanswered request is repeated after so many keep-alive times (reference csp.md §2.1).
const REPEAT_KEEP_ALIVES: u32 = 2;

/// A row of the user's mailbox, as far as its order and form go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The row id: rows are offered in its order.
    pub id: i64,
    /// What it is.
    pub kind: RowKind,
}

/// What a row of the mailbox holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RowKind {
    /// A message.
    Message {
        /// Octets of the decoded content.
        octets: u64,
        /// Its type; absent means `text/plain`.
        content_type: Option<Box<str>>,
        /// The group in which it was said, for a client that tells groups apart.
        group: Option<GroupId>,
    },
    /// A delivery report.
    Report,
    /// Something else that the client is told.
    Notice,
}

/// The rows that [`Poll`] would like to see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wants {
    /// Rows with a greater id.
    pub after: i64,
    /// At most so many, those with the lowest ids.
    pub count: usize,
    /// What had been heard of when this was asked.
    left_to_store: u64,
}

/// What a server request goes out in reply to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occasion {
    /// A Polling-Request.
    Poll,
    /// The client's answer to an earlier server request.
    Answer,
}

/// A server request to be sent now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Its transaction; a repeat in the same session has the same.
    pub transaction: TransactionId,
    /// What to send.
    pub what: Offered,
    /// The `Poll` flag of the message: more is waiting behind it.
    pub poll: bool,
}

/// What a server request carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offered {
    /// This row in this form. If the store no longer has it: [`Poll::removed`], and ask again.
    Row {
        /// The row.
        id: i64,
        /// How.
        form: Form,
    },
    /// Disconnect with this code; the session is over.
    Disconnect(Code),
}

/// What a client's answer means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answered {
    /// The client has the message: settle the row, then call [`Poll::removed`] in every session of
    /// the user.
    Delivered {
        /// The row.
        row: i64,
    },
    /// The client has the delivery report, or the notice: likewise.
    Acknowledged {
        /// The row.
        row: i64,
    },
    /// The client knows that the message waits; the row stays until it is fetched, rejected or expires.
    Notified {
        /// The row.
        row: i64,
    },
    /// The client does not take it. The row stays in the mailbox; this session will not see it again.
    Refused {
        /// The row.
        row: i64,
        /// Why.
        code: Code,
    },
    /// No open transaction, or an answer that does not fit: an empty 200.
    Unknown {
        /// What the client says to have, if it says so: the row of this message may be settled, as
        /// after a restart.
        message: Option<MessageId>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Waiting,
    Open { since: Moment },
    Settling,
}

#[derive(Debug)]
struct Entry {
    row: i64,
    kind: RowKind,
    state: State,
    /// The last offer; survives [`State::Open`] so that a repeat keeps its id.
    offer: Option<(TransactionId, Form)>,
}

impl Entry {
    fn is_open(&self) -> bool {
        matches!(self.state, State::Open { .. })
    }

    /// Whether it may go out now.
    fn is_ready(&self, keep_alive: Duration, now: Moment) -> bool {
        match self.state {
            State::Waiting => true,
            State::Open { since } => now.since(since) >= keep_alive * REPEAT_KEEP_ALIVES,
            State::Settling => false,
        }
    }
}

/// The offer whose answer is awaited before the next one goes out.
#[derive(Debug)]
struct Unanswered {
    row: i64,
    since: Moment,
    /// A poll came before the answer.
    polled: bool,
}

/// The window of one session on its user's mailbox.
#[derive(Debug)]
pub struct Poll {
    /// In order of row ids; at most [`WINDOW_ROWS_MAX`].
    window: Vec<Entry>,
    /// Rows up to here have been seen.
    cursor: i64,
    /// Arrivals that were left to the store.
    left_to_store: u64,
    /// The store may have rows beyond the cursor.
    more: bool,
    unanswered: Option<Unanswered>,
    farewell: Option<Code>,
    /// Makes transaction ids differ from those given before a restart: a late answer must not
    /// settle another row.
    prefix: Box<str>,
    transactions: u64,
}

impl Poll {
    /// The queue of a new or restored session; begins with the oldest row of the mailbox.
    pub(super) fn new(chance: &mut dyn Chance) -> Self {
        Self {
            window: Vec::new(),
            cursor: 0,
            left_to_store: 0,
            more: true,
            unanswered: None,
            farewell: None,
            prefix: token::<6>(chance).into(),
            transactions: 0,
        }
    }

    /// The rows to load from the store now, if any: to be asked before a server request goes out and
    /// before `Poll` is set.
    pub fn wants_more(&self) -> Option<Wants> {
        let room = WINDOW_ROWS_MAX.saturating_sub(self.window.len());
        let waiting = self.window.iter().any(|entry| entry.state == State::Waiting);
        let wanted = self.more && self.farewell.is_none() && room > 0;
        (wanted && (!waiting || room >= WINDOW_ROWS_MAX / 2)).then_some(Wants {
            after: self.cursor,
            count: room,
            left_to_store: self.left_to_store,
        })
    }

    /// The rows that the store had, in order; `complete` if it had no others beyond them. What was
    /// asked for before the window moved is ignored.
    pub fn loaded(&mut self, wants: Wants, rows: Vec<Row>, complete: bool) {
        if wants.after != self.cursor || self.farewell.is_some() {
            return;
        }
        let mut left_out = false;
        for row in rows {
            if row.id <= wants.after || self.place(row.id).is_some() {
                continue;
            }
            if self.window.len() >= WINDOW_ROWS_MAX {
                left_out = true;
                break;
            }
            self.cursor = self.cursor.max(row.id);
            self.insert(row);
        }
        // Whatever arrived before the question is among the rows, or was gone by then.
        self.more = left_out || !complete || self.left_to_store != wants.left_to_store;
    }

    /// A row was committed to the mailbox while the session lives: to be told once for every row, after
    /// the commit, in any order.
    pub fn arrived(&mut self, row: Row) {
        if self.farewell.is_some() || self.place(row.id).is_some() {
            return;
        }
        if !self.more && self.window.len() < WINDOW_ROWS_MAX {
            self.cursor = self.cursor.max(row.id);
            self.insert(row);
        } else {
            // Left to the store; a row that was overtaken by a later one brings the cursor back.
            self.left_to_store += 1;
            self.cursor = self.cursor.min(row.id - 1);
            self.more = true;
        }
    }

    /// The store has let go of this row.
    pub fn removed(&mut self, row: i64) {
        self.window.retain(|entry| entry.row != row);
        self.stop_awaiting(row);
    }

    /// The row was answered, but the store could not be told: it counts as unanswered again.
    pub fn unsettled(&mut self, row: i64, now: Moment) {
        if let Some(entry) = self.entry(row) {
            entry.state = State::Open { since: now };
        }
    }

    /// The server request never reached the client, because the reply that carried it could not be
    /// written: it goes out again, with the same transaction id, at the next occasion.
    pub(super) fn lost(&mut self, transaction: &TransactionId) {
        let Some(entry) = self.window.iter_mut().find(|entry| {
            entry.is_open() && entry.offer.as_ref().is_some_and(|(open, _)| open == transaction)
        }) else {
            return;
        };
        entry.state = State::Waiting;
        let row = entry.row;
        self.stop_awaiting(row);
    }

    /// Everything open goes out again: the client has taken up the session anew.
    pub(super) fn reopen(&mut self) {
        for entry in &mut self.window {
            if entry.is_open() {
                entry.state = State::Waiting;
            }
        }
        self.unanswered = None;
    }

    /// Whatever waits stays in the mailbox; the next and last request is Disconnect.
    pub(super) fn say_farewell(&mut self, code: Code) {
        self.window = Vec::new();
        self.unanswered = None;
        self.farewell = Some(code);
    }

    /// The server request to send now, oldest row first. `None`: an empty body.
    pub(super) fn next(
        &mut self,
        occasion: Occasion,
        abilities: &Abilities,
        keep_alive: Duration,
        now: Moment,
    ) -> Option<Offer> {
        if let Some(code) = self.farewell {
            let transaction = self.transaction()?;
            return Some(Offer { transaction, what: Offered::Disconnect(code), poll: false });
        }
        if self.is_awaiting(now) {
            if let (Occasion::Poll, Some(unanswered)) = (occasion, self.unanswered.as_mut()) {
                unanswered.polled = true;
            }
            return None;
        }
        let (row, offer) = self.offer(abilities, keep_alive, now)?;
        self.unanswered = Some(Unanswered { row, since: now, polled: false });
        Some(offer)
    }

    /// A further request for the same message, for a client that takes several (MultiTransPerMessage): no more
    /// than it takes are open at a time. What is awaited is the answer to the first.
    pub(super) fn next_along(
        &mut self,
        abilities: &Abilities,
        keep_alive: Duration,
        now: Moment,
    ) -> Option<Offer> {
        let open =
            |entry: &&Entry| matches!(entry.state, State::Open { since } if now.since(since) < ANSWER_WAIT);
        let open = self.window.iter().filter(open).count();
        if self.farewell.is_some() || open >= abilities.per_message_max() {
            return None;
        }
        self.offer(abilities, keep_alive, now).map(|(_, offer)| offer)
    }

    /// The oldest row that may go out, now open.
    fn offer(&mut self, abilities: &Abilities, keep_alive: Duration, now: Moment) -> Option<(i64, Offer)> {
        let place = self.window.iter().position(|entry| entry.is_ready(keep_alive, now))?;
        let fresh = self.transaction()?;
        let entry = self.window.get_mut(place)?;
        let form = match &entry.kind {
            RowKind::Message { octets, content_type, group } => {
                abilities.form(group.as_ref(), content_type.as_deref(), *octets)
            }
            RowKind::Report => Form::DeliveryReport,
            RowKind::Notice => Form::Notice,
        };
        let row = entry.row;
        let transaction = match &entry.offer {
            // Only the same request keeps its id.
            Some((known, as_before)) if *as_before == form => known.clone(),
            _ => fresh,
        };
        entry.offer = Some((transaction.clone(), form));
        entry.state = State::Open { since: now };
        let poll = self.has_ready(keep_alive, now);
        Some((row, Offer { transaction, what: Offered::Row { id: row, form }, poll }))
    }

    /// The client's answer to a server request.
    pub(super) fn answered(&mut self, transaction: &TransactionId, answer: &Primitive) -> Answered {
        let message = match answer {
            Primitive::MessageDelivered(delivered) => Some(delivered.message_id.clone()),
            _ => None,
        };
        let place = self.window.iter().position(|entry| {
            entry.state != State::Settling
                && entry.offer.as_ref().is_some_and(|(open, _)| open == transaction)
        });
        let Some(entry) = place.and_then(|place| self.window.get_mut(place)) else {
            return Answered::Unknown { message };
        };
        let row = entry.row;
        let Some(form) = entry.offer.as_ref().map(|(_, form)| *form) else {
            return Answered::Unknown { message };
        };
        let meaning = match (form, answer) {
            // Both count as delivered (reference csp.md §12 item 10).
            (Form::NewMessage, Primitive::MessageDelivered(_)) => Answered::Delivered { row },
            (Form::NewMessage, Primitive::Status(status)) if status.code.is_success() => {
                Answered::Delivered { row }
            }
            (Form::MessageNotification, Primitive::Status(status)) if status.code.is_success() => {
                Answered::Notified { row }
            }
            (Form::MessageNotification, Primitive::MessageDelivered(_)) => Answered::Notified { row },
            (Form::NewMessage | Form::MessageNotification, Primitive::Status(status)) => {
                Answered::Refused { row, code: status.code }
            }
            // A report has nothing to follow, whatever the client thinks of it.
            (Form::DeliveryReport, Primitive::Status(_)) | (Form::Notice, _) => {
                Answered::Acknowledged { row }
            }
            _ => return Answered::Unknown { message },
        };
        match meaning {
            Answered::Delivered { .. } | Answered::Acknowledged { .. } => entry.state = State::Settling,
            _ => self.window.retain(|entry| entry.row != row),
        }
        self.stop_awaiting(row);
        meaning
    }

    /// Whether a poll now would be answered with a server request: the `Poll` flag of any other
    /// answer. While an answer is awaited it is F, because such a poll would come back empty.
    pub(super) fn flag(&self, keep_alive: Duration, now: Moment) -> bool {
        self.waits_at(keep_alive).is_some_and(|at| at <= now)
    }

    /// From when on a poll is answered with a server request, as far as is known; `None`: nothing waits.
    pub(super) fn waits_at(&self, keep_alive: Duration) -> Option<Moment> {
        if self.farewell.is_some() {
            return Some(Moment::default());
        }
        let ready = |entry: &Entry| match entry.state {
            State::Waiting => Some(Moment::default()),
            State::Open { since } => Some(since.after(keep_alive * REPEAT_KEEP_ALIVES)),
            State::Settling => None,
        };
        let left = self.wants_more().map(|_| Moment::default());
        let ready = self.window.iter().filter_map(ready).chain(left).min()?;
        let awaited = self.unanswered.as_ref().filter(|unanswered| !unanswered.polled);
        Some(awaited.map_or(ready, |unanswered| ready.max(unanswered.since.after(ANSWER_WAIT))))
    }

    /// Whether the client owes an answer that may still come: then it hears of the rest.
    pub(super) fn owes_answer(&self, now: Moment) -> bool {
        self.unanswered.as_ref().is_some_and(|unanswered| now.since(unanswered.since) < ANSWER_WAIT)
    }

    fn has_ready(&self, keep_alive: Duration, now: Moment) -> bool {
        self.window.iter().any(|entry| entry.is_ready(keep_alive, now)) || self.wants_more().is_some()
    }

    /// Whether the answer to the last offer may still come: no second poll, and not too long ago.
    fn is_awaiting(&self, now: Moment) -> bool {
        self.unanswered
            .as_ref()
            .is_some_and(|unanswered| !unanswered.polled && now.since(unanswered.since) < ANSWER_WAIT)
    }

    fn stop_awaiting(&mut self, row: i64) {
        self.unanswered.take_if(|unanswered| unanswered.row == row);
    }

    /// A transaction id never given before.
    fn transaction(&mut self) -> Option<TransactionId> {
        self.transactions += 1;
        format!("{}-{}", self.prefix, self.transactions).parse().ok()
    }

    fn place(&self, row: i64) -> Option<usize> {
        self.window.iter().position(|entry| entry.row == row)
    }

    fn entry(&mut self, row: i64) -> Option<&mut Entry> {
        self.window.iter_mut().find(|entry| entry.row == row)
    }

    fn insert(&mut self, row: Row) {
        let kind = match row.kind {
            // Only what is compared later is kept.
            RowKind::Message { octets, content_type, group } => {
                RowKind::Message { octets, content_type: content_type.map(|kind| essence(&kind)), group }
            }
            other @ (RowKind::Report | RowKind::Notice) => other,
        };
        let place = self.window.partition_point(|entry| entry.row < row.id);
        self.window.insert(place, Entry { row: row.id, kind, state: State::Waiting, offer: None });
    }
}

#[cfg(test)]
mod plays;
#[cfg(test)]
mod properties;
