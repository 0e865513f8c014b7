//! What a link wants done, what it hands up, and what it refuses.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use super::SessionRecord;
use crate::imps::primitive::{Functions, MetaInfo};
use crate::imps::status::Code;
use crate::imps::{Domain, Primitive, SessionId, TransactionId, Version};
use crate::wire::ssp::{Outline, SetupTransaction, Style, encode_primitive, write_session, write_setup};
use crate::wire::{Carried, Mode};

/// Names an operation for the one who handed it over: the number of its outbox row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OperationId(pub i64);

/// Names a POST until its outcome is reported. Never reused within the life of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PostId(pub u64);

/// Something for the peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// Who wants to hear what becomes of it.
    pub operation: OperationId,
    /// Its transaction id, the same at every repetition; `None` takes a fresh one.
    pub transaction: Option<TransactionId>,
    /// What kind of transaction it is.
    pub kind: Kind,
    /// The encoded primitive with its MetaInfo.
    pub fragment: Arc<[u8]>,
    /// The way it has come, if it is of others: goes into the header `x-causeway-via` of its POST.
    pub via: Option<Arc<str>>,
}

/// When a transaction of ours is done (decisions.md 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// At the protocol answer.
    Request,
    /// At HTTP 2xx.
    Notice,
    /// At HTTP 2xx, with mode Response in a transaction that the peer opened: so a legacy peer takes
    /// reports (reference legacy-peer §2, ssp-behaviour §10).
    Reply,
}

/// Why an operation was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotTaken {
    /// See [`super::Link::capacity`].
    #[error("the link has no room for another operation")]
    Full,
    /// The link was closed.
    #[error("the link is closed")]
    Closed,
    /// A reply needs the transaction that it belongs to.
    #[error("a reply names no transaction")]
    NoTransaction,
    /// Another operation is open under this transaction id.
    #[error("the transaction id is in use by another operation")]
    InUse,
}

/// Why the link is closed from our side (architecture §4, *State*).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Close {
    /// The agreement is suspended: the peer shall keep what it has for us.
    Suspended,
    /// The agreement is closed.
    Closed,
}

/// What the link wants its driver to do, in this order. What is to be stored must be on disk
/// before anything after it is carried out, and before the HTTP answer to the POST that caused it.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Post this and report the outcome with [`super::Link::posted`].
    Post(Post),
    /// Write the record, new or changed.
    Persist(SessionRecord),
    /// Remove the record with this id of ours.
    Forget(SessionId),
    /// A session is there to send on.
    Up {
        /// From step 1 until now.
        took: Duration,
        /// Who opened it.
        initiator: Domain,
        /// The version spoken on it.
        version: Version,
    },
    /// No session is left to send on.
    Down {
        /// Why.
        reason: Down,
    },
    /// The notice or reply has arrived (HTTP 2xx).
    Settled {
        /// Which.
        operation: OperationId,
    },
    /// The peer will never take it (HTTP 400, 413, 415).
    Failed {
        /// Which.
        operation: OperationId,
        /// The HTTP status.
        http: u16,
    },
    /// It arrived (HTTP 2xx), but no protocol answer came within 30 s, or its session ended
    /// meanwhile. The outbox decides whether to hand it over again, with the same transaction id.
    Unanswered {
        /// Which.
        operation: OperationId,
    },
    /// Given back untouched or refused for now: try it later, at its own place in the schedule
    /// (see [`super::delay`]).
    Returned {
        /// Which.
        operation: OperationId,
        /// The HTTP status, where one was the reason; `None`: the link was closed.
        http: Option<u16>,
    },
    /// The peer has told which services it offers; `None`: it does not tell.
    Offered(Option<Functions>),
    /// Something the operator may want to know.
    Alarm(Alarm),
}

/// Why a link went down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Down {
    /// The peer does not know the session any more.
    SessionLost,
    /// Idle for longer than agreed.
    Expired,
    /// The peer logged out.
    LoggedOut,
    /// The peer disconnected.
    Disconnected,
    /// We closed it.
    Closed,
}

impl Down {
    /// A word for logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SessionLost => "session-lost",
            Self::Expired => "expired",
            Self::LoggedOut => "logged-out",
            Self::Disconnected => "disconnected",
            Self::Closed => "closed",
        }
    }
}

/// What happened beside the main path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Alarm {
    /// The peer could not prove that it read our token.
    #[error("the digest of {peer} does not fit our token")]
    Digest {
        /// Who.
        peer: Domain,
    },
    /// The peer wants digests made in a way that is never used.
    #[error("{peer} uses a digest schema that is not accepted")]
    Schema {
        /// Who.
        peer: Domain,
    },
    /// The peer refused us in set-up.
    #[error("{peer} refused the set-up with status {code}")]
    Refused {
        /// Who.
        peer: Domain,
        /// With which code.
        code: Code,
    },
    /// A set-up POST could not be placed.
    #[error("step {step} of the set-up with {peer} failed: {outcome}")]
    StepFailed {
        /// With whom.
        peer: Domain,
        /// 1 to 6.
        step: u8,
        /// How.
        outcome: PostOutcome,
    },
    /// The set-up stood still for 30 s or took longer than 90 s.
    #[error("the set-up with {peer} came to a halt in state {state}")]
    Stalled {
        /// With whom.
        peer: Domain,
        /// Where.
        state: &'static str,
    },
    /// Too many redirects in a row, or one to a place that cannot be taken.
    #[error("{peer} redirects to {url:?}, which is not followed")]
    Redirect {
        /// Who.
        peer: Domain,
        /// Where to, at most 200 characters.
        url: String,
    },
    /// The peer behaves like the one known implementation and is treated so from now on.
    #[error("{peer} writes procotolVersion: it is treated as a legacy peer")]
    Legacy {
        /// Who.
        peer: Domain,
    },
    /// The peer has no service tree, as the one known implementation, and is treated so from now on.
    #[error("{peer} does not know GetServiceRequest: it is treated as a legacy peer")]
    NoDiscovery {
        /// Who.
        peer: Domain,
    },
    /// A transaction id was used again with other content (answered Status 420).
    #[error("{peer} used transaction id {transaction} again with other content")]
    ReusedTransaction {
        /// Who.
        peer: Domain,
        /// Which.
        transaction: TransactionId,
    },
    /// A protocol answer of ours could not be delivered and was dropped; the peer may ask again.
    #[error("the answer in transaction {transaction} could not be given to {peer}")]
    AnswerDropped {
        /// To whom.
        peer: Domain,
        /// Which.
        transaction: TransactionId,
    },
}

impl Alarm {
    /// A word for the `reason` label of metrics.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Digest { .. } => "digest",
            Self::Schema { .. } => "schema",
            Self::Refused { .. } => "refused",
            Self::StepFailed { .. } => "step-failed",
            Self::Stalled { .. } => "stalled",
            Self::Redirect { .. } => "redirect",
            Self::Legacy { .. } | Self::NoDiscovery { .. } => "legacy",
            Self::ReusedTransaction { .. } => "reused-transaction",
            Self::AnswerDropped { .. } => "answer-dropped",
        }
    }
}

/// One HTTP POST.
#[derive(Clone, Debug, PartialEq)]
pub struct Post {
    /// Its name.
    pub id: PostId,
    /// Another URL than the published one, after a redirect.
    pub at: Option<Box<str>>,
    /// The version to write.
    pub version: Version,
    /// The peer needs the narrow dialect of the one known implementation.
    pub legacy: bool,
    /// What it carries.
    pub content: PostContent,
}

/// What a POST carries.
#[derive(Clone, Debug, PartialEq)]
pub enum PostContent {
    /// One of the six steps.
    Setup(SetupTransaction),
    /// Transactions of a session.
    Session {
        /// Our id of the session.
        session: SessionId,
        /// One or more transactions.
        parts: Vec<Part>,
    },
}

/// One transaction of a POST.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// Its id.
    pub transaction: TransactionId,
    /// Asks or answers.
    pub mode: Mode,
    /// What.
    pub body: Body,
}

/// The primitive of a transaction.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// Encoded by the one who handed it over.
    Encoded(Arc<[u8]>),
    /// The same, of others who have it pass through here, and the way it has come.
    Passing(Arc<[u8]>, Arc<str>),
    /// Made by the link itself.
    Own(Box<(Option<MetaInfo>, Primitive)>),
}

impl Body {
    /// Octets held, for bounds.
    pub(super) fn octets(&self) -> usize {
        match self {
            Self::Encoded(octets) | Self::Passing(octets, _) => octets.len(),
            Self::Own(_) => 256,
        }
    }

    /// The way it has come, if it is of others.
    pub(super) fn via(&self) -> Option<&str> {
        match self {
            Self::Passing(_, via) => Some(via),
            Self::Encoded(_) | Self::Own(_) => None,
        }
    }
}

impl Post {
    /// Value of the header `x-wv-transactionid`: the first transaction (reference ssp-transport §3.1).
    pub fn transaction(&self) -> Option<&TransactionId> {
        match &self.content {
            PostContent::Setup(setup) => Some(&setup.id),
            PostContent::Session { parts, .. } => parts.first().map(|part| &part.transaction),
        }
    }

    /// Value of the header `x-causeway-via`: all transactions of a POST have come the same way
    /// (decisions.md 13).
    pub fn via(&self) -> Option<&str> {
        match &self.content {
            PostContent::Setup(_) => None,
            PostContent::Session { parts, .. } => parts.first().and_then(|part| part.body.via()),
        }
    }

    /// The document.
    pub fn to_bytes(&self) -> Vec<u8> {
        let (session, parts) = match &self.content {
            PostContent::Setup(setup) => return write_setup(self.version, setup),
            PostContent::Session { session, parts } => (session, parts),
        };
        let style = Style { version: self.version, legacy: self.legacy };
        let bodies: Vec<Cow<'_, [u8]>> = parts
            .iter()
            .map(|part| match &part.body {
                Body::Encoded(octets) | Body::Passing(octets, _) => Cow::Borrowed(&**octets),
                Body::Own(own) => {
                    // The few primitives that the link makes itself all exist in SSP.
                    Cow::Owned(encode_primitive(&own.1, own.0.as_ref(), style).unwrap_or_default())
                }
            })
            .collect();
        let transactions =
            parts.iter().zip(&bodies).map(|(part, body)| (&part.transaction, part.mode, &**body));
        write_session(self.version, session, transactions)
    }

    /// Value of the header `x-wv-sessionid`, within a session.
    pub const fn session(&self) -> Option<&SessionId> {
        match &self.content {
            PostContent::Setup(_) => None,
            PostContent::Session { session, .. } => Some(session),
        }
    }
}

/// How a POST ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PostOutcome {
    /// Any 2xx.
    Accepted,
    /// Any other status, with the seconds of `Retry-After`.
    Status(u16, Option<u32>),
    /// The connection was closed without an answer, or none came in time.
    Closed,
    /// No connection to any address.
    Unreachable,
}

impl std::fmt::Display for PostOutcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Accepted => f.write_str("accepted"),
            Self::Status(status, _) => write!(f, "HTTP {status}"),
            Self::Closed => f.write_str("the connection was closed without an answer"),
            Self::Unreachable => f.write_str("no address could be reached"),
        }
    }
}

/// What an accepted message held for the rooms above.
#[derive(Clone, Debug, PartialEq)]
pub enum Arrived {
    /// Carry it out, then call [`super::Link::accepted`] (or [`super::Link::abandoned`]), and
    /// [`super::Link::answer`] if it wants an answer.
    Request {
        /// Its id.
        transaction: TransactionId,
        /// Who asks.
        meta: Option<MetaInfo>,
        /// What.
        content: Carried,
        /// Where it stands in the document ([`crate::wire::ssp::Transaction::place`]).
        place: Range<usize>,
        /// What a relay has to know of it.
        outline: Option<Box<Outline>>,
    },
    /// A report or the answer to an invitation, in the transaction of the message or invitation itself, as a
    /// peer sends it that takes us for a legacy peer. Carry it out; it is not answered.
    Told {
        /// The transaction.
        transaction: TransactionId,
        /// Who tells.
        meta: Option<MetaInfo>,
        /// What.
        content: Carried,
        /// Where it stands in the document.
        place: Range<usize>,
        /// What a relay has to know of it.
        outline: Option<Box<Outline>>,
    },
    /// The answer to an operation of ours.
    Answer {
        /// Which.
        operation: OperationId,
        /// Its transaction.
        transaction: TransactionId,
        /// What.
        content: Carried,
        /// Where it stands in the document.
        place: Range<usize>,
    },
    /// A request seen before; the link answers it again or waits for the answer. For counting.
    Repeat {
        /// Its id.
        transaction: TransactionId,
    },
    /// The answer to a notice, which needed none. What it says of those who should have been told may be
    /// of use; the notice itself is settled.
    Acknowledged {
        /// Which notice.
        operation: OperationId,
        /// Its id.
        transaction: TransactionId,
        /// What the peer says.
        content: Carried,
    },
    /// An answer that nobody waits for, or that came twice. For counting.
    Stray {
        /// Its id.
        transaction: TransactionId,
    },
    /// The link's own business: keep-alive, logout, disconnect. For counting.
    Control {
        /// The primitive's name.
        name: &'static str,
    },
}

/// Why a message was refused as a whole.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// The link was closed from our side.
    #[error("the link to {peer} is closed")]
    Closed {
        /// Who.
        peer: Domain,
        /// How.
        close: Close,
    },
    /// The session id is not one that this peer issued to us, or has expired.
    #[error("{peer} uses a session id that is not agreed with it, or has expired")]
    UnknownSession {
        /// Who.
        peer: Domain,
    },
    /// The serviceID of a set-up step is not the peer's.
    #[error("{peer} claims to be {claimed}")]
    ForeignService {
        /// Who.
        peer: Domain,
        /// What it says.
        claimed: Domain,
    },
    /// The session id in a LoginResponse is missing or not the peer's to give.
    #[error("{peer} offers a session id that is not of its own domain")]
    ForeignSession {
        /// Who.
        peer: Domain,
    },
    /// A token without a single octet.
    #[error("{peer} sent an empty token")]
    EmptyToken {
        /// Who.
        peer: Domain,
    },
    /// No handshake is open under this transaction id.
    #[error("{peer} sent {got} for a set-up that is not open")]
    UnknownSetup {
        /// Who.
        peer: Domain,
        /// What.
        got: &'static str,
    },
    /// The step has no place in this state.
    #[error("{peer} sent {got}, which has no place while the set-up is {state}")]
    OutOfTurn {
        /// Who.
        peer: Domain,
        /// What.
        got: &'static str,
        /// When.
        state: &'static str,
    },
    /// More than six set-ups in a minute (reference ssp-session §4 rule 3).
    #[error("{peer} opens set-ups too often")]
    TooManySetups {
        /// Who.
        peer: Domain,
        /// Seconds until the next one is taken.
        retry_after: u32,
    },
    /// A request is repeated while the first copy is not on disk yet: saying 200 now would promise
    /// too much.
    #[error("{peer} repeats transaction {transaction} before its first copy is stored")]
    InHand {
        /// Who.
        peer: Domain,
        /// Which.
        transaction: TransactionId,
    },
}

/// Who has to act.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Blame {
    /// The peer misbehaves.
    Peer,
    /// We do.
    Local,
}

impl LinkError {
    /// The HTTP status that refuses the message (decisions.md, *Refusals on an SSP listener*).
    pub const fn http_status(&self) -> u16 {
        match self {
            Self::Closed { close: Close::Closed, .. }
            | Self::UnknownSession { .. }
            | Self::ForeignService { .. }
            | Self::ForeignSession { .. }
            | Self::EmptyToken { .. }
            | Self::UnknownSetup { .. }
            | Self::OutOfTurn { .. } => 403,
            Self::TooManySetups { .. } => 429,
            Self::Closed { close: Close::Suspended, .. } | Self::InHand { .. } => 503,
        }
    }

    /// Value of `Retry-After`, seconds.
    pub const fn retry_after(&self) -> Option<u32> {
        match self {
            Self::TooManySetups { retry_after, .. } => Some(*retry_after),
            Self::Closed { close: Close::Suspended, .. } => Some(60),
            Self::InHand { .. } => Some(1),
            _ => None,
        }
    }

    /// A word for the `reason` label of metrics.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Closed { close: Close::Closed, .. } => "closed",
            Self::Closed { close: Close::Suspended, .. } => "suspended",
            Self::UnknownSession { .. } => "session",
            Self::ForeignService { .. } => "service-id",
            Self::ForeignSession { .. }
            | Self::EmptyToken { .. }
            | Self::UnknownSetup { .. }
            | Self::OutOfTurn { .. } => "setup",
            Self::TooManySetups { .. } => "rate",
            Self::InHand { .. } => "overloaded",
        }
    }

    /// Who has to act: chooses the log level.
    pub const fn blame(&self) -> Blame {
        match self {
            Self::Closed { .. } | Self::InHand { .. } => Blame::Local,
            _ => Blame::Peer,
        }
    }
}
