//! What waits for a user: the rows of a mailbox.

use std::sync::Arc;

use crate::imps::{Domain, MessageId, Moment, SessionId, TransactionId, UserId};

/// What a row of a mailbox is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MailKind {
    /// An instant message; `body` is a `NewMessage`.
    Message,
    /// What became of a message the owner sent; `body` is a `DeliveryReport`.
    Report,
    /// Something else that a server tells its clients (a presence, an invitation, a change of a group);
    /// `body` is that primitive.
    Notice,
}

/// Something that waits for a user until a client has taken it or its validity ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// Whose mailbox.
    pub owner: UserId,
    /// Message, report or notice.
    pub kind: MailKind,
    /// The message it is, or is about; of a notice a name without meaning.
    pub message_id: MessageId,
    /// The author as shown, for operators: `wv:ada@north.example`.
    pub sender: Box<str>,
    /// Home of the author: where a delivery report goes.
    pub origin: Domain,
    /// When it was accepted here.
    pub accepted: Moment,
    /// When it is given up.
    pub expires: Moment,
    /// Whether the author wants to hear of delivery.
    pub report_wanted: bool,
    /// The peer's transaction that brought the message, where a report has to go back inside it as a
    /// Response: `legacy` peers know no other way (reference legacy-peer §2, DeliveryStatusReport).
    pub reply_to: Option<TransactionId>,
    /// MIME type of the content, for the choice between push and notification.
    pub content_type: Box<str>,
    /// Octets of the decoded content.
    pub content_octets: u64,
    /// Only for this session, with which it ends; `None`: for whichever client of the owner takes it.
    pub session: Option<SessionId>,
    /// A newer row with the same text for the same owner and session takes the place of this one.
    pub replaces: Option<Box<str>>,
    /// The primitive as CSP 1.3 WBXML fragment (`wire::csp::encode_primitive`).
    pub body: Arc<[u8]>,
}

/// A row as it stands in the store. Rows are numbered upwards in order of acceptance, never reused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredMail {
    /// Number of the row.
    pub row: i64,
    /// What waits.
    pub mail: Mail,
}
