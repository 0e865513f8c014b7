//! The ports: what the floors above ask of durable storage, and what storage promises.
//!
//! A success is only answered after the commit; operations given together take effect together or
//! not at all. Appends are keyed inserts (decisions.md 22); nothing here names a database.

mod common;
mod content;
mod group;
mod lists;
mod operators;
mod presence;
#[cfg(test)]
pub mod testing;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::element::im::hosted::Manner;
use crate::element::im::{Mail, StoredMail};
use crate::imps::{Domain, MessageId, Moment, SessionId, Terms, TransactionId, UserId};
use crate::session::{csp, ssp};

pub use common::{CommonChange, CommonStore};
pub use content::{ContentChange, ContentStore};
pub use group::{AUTO_JOINS_MAX, GroupChange, GroupStore, StoredGroup, Visit};
pub use lists::{ListsChange, ListsStore};
pub use operators::{Guest, OperatorsChange, OperatorsStore, Queued, Suspension};
pub use presence::{FOLLOWING_MAX, PresenceChange, PresenceStore, Watchers};

/// A result that comes later: after the commit for changes, after the look-up for questions.
pub type Promise<T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send>>;

/// Why the store could not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The disk or the database failed; nothing of the operation took effect.
    #[error("the store failed: {0}")]
    Failed(String),
    /// Too much waits to be written; nothing of the operation took effect.
    #[error("the store is overloaded: {0} operations wait")]
    Overloaded(usize),
    /// The store is closing.
    #[error("the store is closed")]
    Closed,
}

/// A user of ours.
#[derive(Clone, PartialEq, Eq)]
pub struct Account {
    /// The address, as spelled when the account was made.
    pub user: UserId,
    /// The password, sealed under the node's secret key (decisions.md 37).
    pub sealed_password: Arc<[u8]>,
    /// When it was made.
    pub created: Moment,
    /// What it has subscribed to.
    pub terms: Terms,
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Account({})", self.user)
    }
}

/// What names a message for duplicate detection: (origin domain, message id, recipient), kept for
/// the longest validity plus one day (decisions.md 6).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SeenKey {
    /// Home of the author.
    pub origin: Domain,
    /// Id given there.
    pub message_id: MessageId,
    /// The key of the user for whom it is; or of the group, and the name in it if it is for one alone.
    pub recipient: Box<str>,
    /// When the key may be forgotten.
    pub until: Moment,
}

/// When an outbox row is done (decisions.md 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Settlement {
    /// At HTTP 2xx: delivery reports and other notices.
    Notice,
    /// At the protocol answer: messages and other requests.
    Request,
    /// At the protocol answer, which goes to whoever asked: everything else than messages.
    Question,
}

/// Something that waits to leave for a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// Our domain on whose link it leaves.
    pub own: Domain,
    /// The peer whose link it takes.
    pub peer: Domain,
    /// When it is done.
    pub settlement: Settlement,
    /// Name of the primitive, for operators and metrics.
    pub primitive: Box<str>,
    /// The message it is or is about.
    pub message_id: Option<MessageId>,
    /// The local user who hears of failure.
    pub author: Option<UserId>,
    /// Rows with the same value keep their order: a hash over (sender, recipients).
    pub order: u64,
    /// Rows with the same value take their turns together, and those with the same [`Self::order`] have the
    /// same: a hash over the sender. 0: a row from before there were turns.
    pub lane: u64,
    /// When it was accepted.
    pub accepted: Moment,
    /// When it is given up.
    pub expires: Moment,
    /// Leaves with mode Response inside this transaction of the peer; `None`: with mode Request in a
    /// transaction of its own. Only reports to `legacy` peers use it (reference ssp-behaviour §10).
    pub reply_to: Option<TransactionId>,
    /// A newer row with the same text for the same peer takes the place of this one.
    pub replaces: Option<Box<str>>,
    /// It is of others and passes through: the providers that have passed it on, ours last, as
    /// `x-causeway-via` names them ([`super::transit::Via`]). `None`: it begins here.
    pub via: Option<Box<str>>,
    /// The primitive as SSP fragment with its MetaInfo (`wire::ssp::encode_primitive`).
    pub body: Arc<[u8]>,
}

/// An outbox row as it stands in the store. Numbered upwards in order of acceptance, never reused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredOutgoing {
    /// Number of the row.
    pub row: i64,
    /// How often it was tried so far.
    pub attempts: u32,
    /// How often the peer took it and did not answer, in this life of the node.
    pub unanswered: u32,
    /// Not before this moment.
    pub not_before: Moment,
    /// What leaves.
    pub outgoing: Outgoing,
}

impl StoredOutgoing {
    /// A row that was not tried yet and may leave from `now` on.
    pub const fn fresh(row: i64, outgoing: Outgoing, now: Moment) -> Self {
        Self { row, attempts: 0, unanswered: 0, not_before: now, outgoing }
    }
}

/// A message of ours whose author wants to hear of delivery: accepted are only reports about
/// messages that were sent to the reporting domain (reference ssp-primitives §1.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// The message.
    pub message_id: MessageId,
    /// Where it went.
    pub peer: Domain,
    /// Who wrote it.
    pub author: UserId,
    /// When nobody has to report any more.
    pub until: Moment,
}

/// One change; several form a commit.
#[derive(Clone, Debug)]
pub enum Change {
    /// Append to a mailbox, unless the key was seen before. Outcome: `Row`, `Replaced`, `Duplicate`, `Full`, or
    /// `Missing` if the owner has no account (any more).
    Deliver {
        /// What.
        mail: Mail,
        /// Its key; `None` for what is made here, which is bound to the row that it ends.
        seen: Option<SeenKey>,
    },
    /// Remember that this was carried out. Outcome: `Done`, or `Duplicate` if it was before.
    Remember(SeenKey),
    /// Append to the outbox. Outcome: `Row`, `Replaced` or `Full`.
    Send(Outgoing),
    /// Write a row of the outbox that has its number already ([`Store::number`]) and replaces none. It is
    /// under way, so that it is written even if the queue of its peer is full; whoever takes numbers bounds
    /// what has them. Written once, however often it is asked for. Outcome: `Done`.
    Keep(Box<StoredOutgoing>),
    /// Remember that reports about this message may come. Outcome: `Done`.
    Expect(Sent),
    /// A client has taken the row, or it is given up. Outcome: `Done` or `Missing`.
    DropMail {
        /// Whose.
        owner: UserId,
        /// Which.
        row: i64,
    },
    /// The row has left, or is given up. Outcome: `Done` or `Missing`.
    DropOutgoing {
        /// Which.
        row: i64,
    },
    /// The row goes, and `by` comes in its place under a number of its own, even if the queue of its peer is
    /// full: it is what is left of something that has been accepted. Outcome: `Row` or `Missing`.
    ReplaceOutgoing {
        /// Which goes.
        row: i64,
        /// What comes; its `replaces` is not looked at.
        by: Box<Outgoing>,
    },
    /// Try the row again, not before this moment; adds one to its attempts. Outcome: `Done` or `Missing`.
    DeferOutgoing {
        /// Which.
        row: i64,
        /// When.
        not_before: Moment,
    },
    /// Make an account. Outcome: `Done`, or `Duplicate` if there is one.
    AddAccount(Account),
    /// Change what a user has subscribed to. Outcome: `Done` or `Missing`.
    SetTerms {
        /// Whose.
        user: UserId,
        /// In place of what it had.
        terms: Terms,
    },
    /// How the home of a user whose element is run here wants to hear of what arrives. Outcome: `Done` or
    /// `Missing`.
    SetManner {
        /// Whose.
        user: UserId,
        /// In place of what it wanted.
        manner: Manner,
    },
    /// Change the password of an account. Outcome: `Done` or `Missing`.
    SetPassword {
        /// Whose.
        user: UserId,
        /// Sealed.
        sealed_password: Arc<[u8]>,
    },
    /// Remove an account with its sessions, and the reports in its mailbox. Messages that wait there
    /// expire at once, so that their authors hear of it ([`Store::expired_mail`]); a new account of the
    /// same name does not get them. Outcome: `Done` or `Missing`.
    RemoveAccount(UserId),
    /// The same, and every mention of the user in what others have: contact lists, rights, groups, invitations,
    /// messages on their way. Groups that it made go too. Outcome: `Done` or `Missing`.
    EraseAccount(UserId),
    /// Write a CSP session record, new or changed. Outcome: `Done`, or `Missing` if the user has no
    /// account (any more).
    PutCspSession(Box<csp::record::SessionRecord>),
    /// Write back when sessions were last active; never backwards, and sessions that are gone are
    /// passed over. Outcome: `Done`.
    TouchCspSessions(Vec<(SessionId, Moment)>),
    /// A CSP session is over, and so is what waits in the mailbox for it alone. Outcome: `Done` or `Missing`.
    DropCspSession(SessionId),
    /// Write an SSP session record, new or changed; its key is our own session id. Outcome: `Done`.
    PutLink(Box<ssp::SessionRecord>),
    /// An SSP session is over: our own session id. Outcome: `Done` or `Missing`.
    DropLink(SessionId),
    /// Forget seen keys and expected reports that are over. Outcome: `Done`; much of it is forgotten
    /// page by page in the commits that follow.
    Forget {
        /// Everything whose `until` lies before this moment.
        before: Moment,
    },
    /// Change groups. Outcome: see [`GroupChange`].
    Group(GroupChange),
    /// Change contact lists, block or grant list. Outcome: see [`ListsChange`].
    Lists(Box<ListsChange>),
    /// Invitations and profiles.
    Common(CommonChange),
    /// Change shared content. Outcome: see [`ContentChange`].
    Content(ContentChange),
    /// Change what presence knows. Outcome: see [`PresenceChange`].
    Presence(Box<PresenceChange>),
    /// What an operator decides. Outcome: see [`OperatorsChange`].
    Operators(OperatorsChange),
    /// Carried out only if the last change before it that is no `Then` took effect; else the
    /// outcome is `Skipped`. `[DropMail, Then(Send(report))]` reports a message once, however many
    /// clients and time-outs meet.
    Then(Box<Change>),
}

/// What became of one [`Change`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Done.
    Done,
    /// Appended as this row.
    Row(i64),
    /// Appended as `row`; the row `old` that it takes the place of is gone.
    Replaced {
        /// The new row.
        row: i64,
        /// The old one.
        old: i64,
    },
    /// Somebody else changed it since it was read; nothing changed.
    Conflict,
    /// Was there before; nothing changed.
    Duplicate,
    /// The mailbox or the queue of the peer is full; nothing was appended.
    Full,
    /// The share that its author has of the queue of the peer is used up; nothing was appended.
    ShareFull,
    /// Not there; nothing changed.
    Missing,
    /// A [`Change::Then`] whose condition did not come true; nothing changed.
    Skipped,
}

impl Outcome {
    /// Whether it changed something: what a [`Change::Then`] waits for.
    pub const fn took_effect(self) -> bool {
        matches!(self, Self::Done | Self::Row(_) | Self::Replaced { .. })
    }

    /// The row that was appended.
    pub const fn row(self) -> Option<i64> {
        match self {
            Self::Row(row) | Self::Replaced { row, .. } => Some(row),
            _ => None,
        }
    }
}

/// A part of what waits for one peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excerpt {
    /// Rows with numbers above this one.
    pub after: i64,
    /// And none above this one.
    pub until: Option<i64>,
    /// Of these lanes.
    pub lanes: Lanes,
    /// The oldest so many.
    pub limit: usize,
}

/// Lanes of a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lanes {
    /// All without these.
    Without(Vec<u64>),
    /// This one alone.
    Only(u64),
}

/// What waits for one peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueSummary {
    /// The peer.
    pub peer: Domain,
    /// Rows.
    pub messages: u64,
    /// Octets of their bodies.
    pub octets: u64,
    /// When the oldest was accepted.
    pub oldest: Moment,
}

/// Durable storage. Commits are durable when their promise is kept, and happen in the order of the
/// calls. Questions see every commit whose promise was kept before they were asked.
pub trait Store:
    CommonStore + ContentStore + GroupStore + ListsStore + OperatorsStore + PresenceStore + Send + Sync + 'static
{
    /// Carries out the changes, all or none; one [`Outcome`] for each, in order. An error means none;
    /// an outcome such as `Duplicate` or `Full` is that change's own and stops no other (but see
    /// [`Change::Then`]). The changes happen also if the promise is dropped.
    fn commit(&self, changes: Vec<Change>) -> Promise<Vec<Outcome>>;

    /// The accounts of these users, in order; `None` where there is none.
    fn accounts(&self, users: Vec<UserId>) -> Promise<Vec<Option<Account>>>;

    /// The account of this user as it is on disk, whatever is remembered: what the command line writes
    /// beside a running node acts at the next login (decisions.md 36).
    fn account_now(&self, user: UserId) -> Promise<Option<Account>>;

    /// Every account, ordered by address.
    fn all_accounts(&self) -> Promise<Vec<Account>>;

    /// The wishes of homes that differ from the default ([`Change::SetManner`]).
    fn manners(&self) -> Promise<Vec<(UserId, Manner)>>;

    /// Rows of a mailbox with numbers above `after`, oldest first, at most `limit`, as `reader` sees them:
    /// without those that wait for other sessions alone. `None` sees all.
    fn mailbox(
        &self,
        owner: UserId,
        reader: Option<SessionId>,
        after: i64,
        limit: usize,
    ) -> Promise<Vec<StoredMail>>;

    /// One message of a mailbox.
    fn message(&self, owner: UserId, message_id: MessageId) -> Promise<Option<StoredMail>>;

    /// The newest messages of a mailbox (no reports), newest first, at most `limit`, and how many
    /// there are in all.
    fn newest(&self, owner: UserId, limit: usize) -> Promise<(Vec<StoredMail>, u64)>;

    /// Mailbox rows that have expired, any owner, at most `limit`.
    fn expired_mail(&self, now: Moment, limit: usize) -> Promise<Vec<StoredMail>>;

    /// Outbox rows of a peer with numbers above `after`, oldest first, at most `limit`, whatever
    /// their `not_before`.
    fn outbox(&self, own: Domain, peer: Domain, after: i64, limit: usize) -> Promise<Vec<StoredOutgoing>>;

    /// Outbox rows of a peer, oldest first, whatever their `not_before`: this part.
    fn outbox_excerpt(&self, own: Domain, peer: Domain, part: Excerpt) -> Promise<Vec<StoredOutgoing>>;

    /// Outbox rows that have expired, any peer, at most `limit`.
    fn expired_outgoing(&self, now: Moment, limit: usize) -> Promise<Vec<StoredOutgoing>>;

    /// What waits for each peer.
    fn queues(&self) -> Promise<Vec<QueueSummary>>;

    /// Whether a message with this key was carried out before.
    fn was_seen(&self, key: SeenKey) -> Promise<bool>;

    /// Whether reports about this message may come from this peer, and for whom.
    fn expected(&self, message_id: MessageId, peer: Domain) -> Promise<Option<Sent>>;

    /// Every CSP session record.
    fn csp_sessions(&self) -> Promise<Vec<csp::record::SessionRecord>>;

    /// Every SSP session record.
    fn links(&self) -> Promise<Vec<ssp::SessionRecord>>;

    /// A number for a row of the outbox that leaves before it is written, if ever it is ([`Change::Keep`]):
    /// higher than those of all commits whose promise was kept, and given to nobody else, whatever happens.
    /// `None` if none is set aside now; a commit that appends sets some aside.
    fn number(&self) -> Option<i64>;

    /// A text that is unique to this store: part of the transaction ids of its outbox rows.
    fn instance(&self) -> &str;
}
