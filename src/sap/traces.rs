//! Traces: what one user or one message says and hears, in the log, for as long as an operator wants to see it.
//!
//! Without a trace no log holds what people write, at no level. With one, each document of CSP and SSP that is of
//! that user, or about that message, is a line under the target [`TARGET`]: what a client of the user sends and
//! is sent, what a peer sends that is of the user or for it, and what leaves for peers that the user wrote or
//! is to hear. Never in it: logins of clients and set-ups of sessions with peers, so no password, digest, nonce
//! or token. Traces live in memory only, end by themselves, and there are few at a time.
//!
//! While there is none, the question costs a load of one atomic.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tracing::info;

use crate::imps::primitive::{Author, MessageInfo, MetaInfo, Recipient, User};
use crate::imps::{Domain, MessageId, Moment, Primitive, TransactionId, UserId, Version};
use crate::relay::ports::StoredOutgoing;
use crate::wire::csp;
use crate::wire::ssp::{self, Style};
use crate::wire::{Carried, Encoding, Limits};

/// The target of lines with what is otherwise never logged; `ops::logging` lets it through at every level.
pub const TARGET: &str = "causeway::traced";
/// Traces at a time.
pub const TRACES_MAX: usize = 16;
/// The longest that a trace lasts.
pub const LIFE_MAX: Duration = Duration::from_secs(24 * 3600);
/// Lines of one trace; it says nothing more then.
pub const LINES_MAX: u32 = 10_000;
/// Octets of a document that a line holds; the rest is cut off.
pub const TEXT_OCTETS_MAX: usize = 4096;

/// What is traced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// All that a user says and hears.
    User(UserId),
    /// All that is said about a message.
    Message(MessageId),
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(user) => write!(f, "user {user}"),
            Self::Message(id) => write!(f, "message {id}"),
        }
    }
}

/// One trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// Its number, in this life of the node.
    pub number: u32,
    /// Of what.
    pub subject: Subject,
    /// Since when.
    pub since: Moment,
    /// Until when.
    pub until: Moment,
    /// Lines so far.
    pub lines: u32,
}

/// Why a trace was not begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TraceError {
    /// There are as many as may be.
    #[error("there are {TRACES_MAX} traces already; `causeway trace off` ends one")]
    TooMany,
    /// Longer than may be, or no time at all.
    #[error("a trace lasts from one second to {} hours", LIFE_MAX.as_secs() / 3600)]
    Life,
}

#[derive(Debug, Default)]
struct Listed {
    last: u32,
    traces: Vec<Trace>,
}

/// The traces that are on.
#[derive(Debug, Default)]
pub struct Traces {
    any: AtomicBool,
    listed: Mutex<Listed>,
}

/// What a line says beside the document.
struct Said<'s> {
    way: &'static str,
    peer: Option<&'s Domain>,
    transaction: Option<&'s TransactionId>,
    what: &'s str,
    code: Option<u16>,
}

impl Traces {
    fn listed(&self) -> MutexGuard<'_, Listed> {
        self.listed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether any trace is on: asked for every document.
    pub fn any(&self) -> bool {
        self.any.load(Ordering::Relaxed)
    }

    /// Begins one.
    pub fn begin(&self, subject: Subject, life: Duration, now: Moment) -> Result<Trace, TraceError> {
        if life < Duration::from_secs(1) || life > LIFE_MAX {
            return Err(TraceError::Life);
        }
        let mut listed = self.listed();
        if listed.traces.iter().filter(|trace| trace.until > now).count() >= TRACES_MAX {
            return Err(TraceError::TooMany);
        }
        listed.last = listed.last.wrapping_add(1);
        let trace = Trace { number: listed.last, subject, since: now, until: now.after(life), lines: 0 };
        listed.traces.push(trace.clone());
        self.any.store(true, Ordering::Relaxed);
        Ok(trace)
    }

    /// Ends one; `None`: there is none of that number.
    pub fn end(&self, number: u32) -> Option<Trace> {
        let mut listed = self.listed();
        let at = listed.traces.iter().position(|trace| trace.number == number)?;
        let ended = listed.traces.remove(at);
        self.any.store(!listed.traces.is_empty(), Ordering::Relaxed);
        Some(ended)
    }

    /// Takes out those whose time is over.
    pub fn over(&self, now: Moment) -> Vec<Trace> {
        let mut listed = self.listed();
        let over = listed.traces.extract_if(.., |trace| trace.until <= now).collect();
        self.any.store(!listed.traces.is_empty(), Ordering::Relaxed);
        over
    }

    /// Those that are on.
    pub fn list(&self, now: Moment) -> Vec<Trace> {
        self.listed().traces.iter().filter(|trace| trace.until > now).cloned().collect()
    }

    /// A request or an answer between a client of ours and us. `way` is `from client` or `to client`.
    pub(super) fn client(
        &self,
        (user, version): (&UserId, Version),
        (way, transaction): (&'static str, Option<&TransactionId>),
        primitive: &Primitive,
        now: Moment,
    ) {
        if !self.any() {
            return;
        }
        let of = |subject: &Subject| match subject {
            Subject::User(traced) => traced == user,
            Subject::Message(id) => messages(primitive).contains(&id),
        };
        let code = primitive.status().map(|status| status.code.get());
        let said = Said { way, peer: None, transaction, what: primitive.name(), code };
        self.say(of, now, &said, || {
            csp::encode_primitive(primitive, version, Encoding::Xml).unwrap_or_default()
        });
    }

    /// A request of a peer.
    pub(super) fn peer_asks(
        &self,
        peer: &Domain,
        transaction: &TransactionId,
        meta: Option<&MetaInfo>,
        content: &Carried,
        now: Moment,
    ) {
        let (true, Carried::Primitive(primitive)) = (self.any(), content) else { return };
        let (way, what) = ("from peer", primitive.name());
        let said = Said { way, peer: Some(peer), transaction: Some(transaction), what, code: None };
        let style = Style { version: Version::V1_3, legacy: false };
        self.say(concerns(meta, primitive), now, &said, || {
            ssp::encode_primitive(primitive, meta, style).unwrap_or_default()
        });
    }

    /// A row of the outbox leaves for a peer.
    pub fn to_peer(&self, row: &StoredOutgoing, now: Moment) {
        self.row("to peer", row, None, now);
    }

    /// The peer has answered for a row.
    pub(super) fn peer_answered(&self, row: &StoredOutgoing, code: u16, now: Moment) {
        self.row("peer answered", row, Some(code), now);
    }

    fn row(&self, way: &'static str, row: &StoredOutgoing, code: Option<u16>, now: Moment) {
        if !self.any() {
            return;
        }
        let outgoing = &row.outgoing;
        let limits = Limits::for_document(outgoing.body.len().max(1024));
        let Ok((meta, Carried::Primitive(primitive))) = ssp::decode_primitive(&outgoing.body, &limits) else {
            return;
        };
        let concerned = concerns(meta.as_ref(), &primitive);
        let of = |subject: &Subject| {
            let noted = match subject {
                Subject::User(user) => outgoing.author.as_ref() == Some(user),
                Subject::Message(id) => outgoing.message_id.as_ref() == Some(id),
            };
            noted || concerned(subject)
        };
        let said =
            Said { way, peer: Some(&outgoing.peer), transaction: None, what: &outgoing.primitive, code };
        // An answer says how it ended; what was asked stands in the line of the request.
        let text = || if code.is_some() { Vec::new() } else { outgoing.body.to_vec() };
        self.say(of, now, &said, text);
    }

    fn say(&self, of: impl Fn(&Subject) -> bool, now: Moment, said: &Said<'_>, text: impl Fn() -> Vec<u8>) {
        let mut numbers = Vec::new();
        for trace in &mut self.listed().traces {
            if trace.until > now && trace.lines < LINES_MAX && of(&trace.subject) {
                trace.lines += 1;
                numbers.push(trace.number);
            }
        }
        if numbers.is_empty() {
            return;
        }
        let Said { way, peer, transaction, what, code } = said;
        let octets = text();
        let text = String::from_utf8_lossy(octets.get(..TEXT_OCTETS_MAX).unwrap_or(&octets));
        let (peer, transaction) =
            (peer.map(tracing::field::display), transaction.map(tracing::field::display));
        info!(target: TARGET, traces = ?numbers, way, peer, transaction, what, code, octets = octets.len(), text = ?text);
    }
}

/// Whether something that crosses a link is about a subject.
fn concerns<'p>(meta: Option<&'p MetaInfo>, primitive: &'p Primitive) -> impl Fn(&Subject) -> bool + 'p {
    move |subject| match subject {
        Subject::User(user) => {
            meta.and_then(|meta| meta.user.as_ref()).is_some_and(|asking| asking.id == *user)
                || parties(primitive).iter().any(|party| party.id == *user)
        }
        Subject::Message(id) => messages(primitive).contains(&id),
    }
}

/// About the message that a primitive carries or is about.
fn about(primitive: &Primitive) -> Option<&MessageInfo> {
    Some(match primitive {
        Primitive::SendMessageRequest(request) => &request.info,
        Primitive::NewMessage(request) => &request.info,
        Primitive::MessageNotification(request) => &request.info,
        Primitive::GetMessageResponse(response) => &response.info,
        Primitive::DeliveryReport(report) => &report.info,
        _ => return None,
    })
}

/// The messages that a primitive is about.
fn messages(primitive: &Primitive) -> Vec<&MessageId> {
    match primitive {
        Primitive::SendMessageResponse(response) => response.message_id.iter().collect(),
        Primitive::MessageDelivered(request) => vec![&request.message_id],
        Primitive::GetMessageRequest(request) => vec![&request.message_id],
        Primitive::RejectMessageRequest(request) => request.message_ids.iter().collect(),
        Primitive::ForwardMessageRequest(request) => vec![&request.message_id],
        Primitive::ForwardMessageResponse(response) => response.message_id.iter().collect(),
        other => about(other).and_then(|info| info.id.as_ref()).into_iter().collect(),
    }
}

/// Who wrote what crosses a link, and for whom it is, as far as the primitive says.
fn parties(primitive: &Primitive) -> Vec<&User> {
    let addressed = match primitive {
        Primitive::GroupChangeNotice(notice) => &notice.users[..],
        Primitive::LeaveGroupResponse(notice) => &notice.users[..],
        Primitive::PresenceNotification(notice) => &notice.users[..],
        _ => &[],
    };
    let info = about(primitive);
    let recipients = info.map(|info| &info.recipients[..]).unwrap_or_default().iter();
    let recipients = recipients.filter_map(|recipient| match recipient {
        Recipient::User(user) => Some(user),
        _ => None,
    });
    let author = info.and_then(|info| info.sender.as_ref()).and_then(|sender| match &sender.author {
        Author::User(user) => Some(user),
        Author::Group(_) => None,
    });
    addressed.iter().chain(recipients).chain(author).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ada() -> Subject {
        Subject::User("wv:ada@north.example".parse().unwrap())
    }

    #[test]
    fn traces_are_few_and_end_by_themselves() {
        let traces = Traces::default();
        let at = Moment::from_millis;
        assert!(!traces.any());
        for second in 0..TRACES_MAX as u64 {
            traces.begin(ada(), Duration::from_secs(second + 1), at(0)).unwrap();
        }
        assert!(traces.any());
        assert_eq!(traces.begin(ada(), Duration::from_secs(60), at(0)), Err(TraceError::TooMany));
        assert_eq!(traces.list(at(1000)).len(), TRACES_MAX - 1);
        // One that is over makes room before anybody has looked after it.
        assert!(traces.begin(ada(), Duration::from_secs(60), at(1000)).is_ok());
        let over: Vec<_> = traces.over(at(2000)).iter().map(|trace| trace.number).collect();
        assert_eq!(over, [1, 2]);
        assert_eq!(traces.end(3).map(|trace| trace.until), Some(at(3000)));
        assert_eq!(traces.end(3), None);
        assert_eq!(traces.over(at(60_999)).len(), TRACES_MAX - 3);
        assert!(traces.any());
        traces.over(at(61_000));
        assert!(!traces.any());
        for life in [Duration::ZERO, LIFE_MAX + Duration::from_secs(1)] {
            assert_eq!(traces.begin(ada(), life, at(0)), Err(TraceError::Life));
        }
    }

    #[test]
    fn a_trace_says_no_more_than_its_lines() {
        let traces = Traces::default();
        let trace = traces.begin(ada(), LIFE_MAX, Moment::from_millis(0)).unwrap();
        let Subject::User(user) = &trace.subject else { unreachable!() };
        for _ in 0..LINES_MAX + 5 {
            let primitive = Primitive::LogoutRequest;
            traces.client((user, Version::V1_2), ("from client", None), &primitive, Moment::from_millis(1));
        }
        assert_eq!(traces.list(Moment::from_millis(1))[0].lines, LINES_MAX);
    }
}
