//! CSP documents, in XML and WBXML (reference csp.md, csp-messages.md, csp-wbxml.md).
//!
//! [`read`] makes a [`Message`] of a document in either encoding and any version, whatever mixture of
//! versions its author wrote; [`write()`] makes the canonical document of the message's own version.
//! [`encode_primitive`] and [`decode_primitive`] do the same for one primitive without its envelope,
//! which is how messages wait in a mailbox. What stands where is said by the tables in `access`, `common`,
//! `group`, `im`, `lists`, `party` and `presence`.

mod access;
#[cfg(test)]
pub(in crate::wire) mod arbitrary;
mod common;
mod content;
mod conversation;
mod envelope;
mod group;
mod im;
mod lists;
mod media;
mod party;
mod presence;
mod primitives;

pub use crate::wire::wbxml::tokens::{Namespace, namespace};
pub use envelope::{Unreadable, Unwritable, decode_primitive, encode_primitive, read, write};
pub use media::{content_type, encoding_of};
pub use primitives::{names, tables};

#[cfg(test)]
mod tests;

use crate::imps::{SessionId, TransactionId, Version};
use crate::wire::{Carried, Encoding, Mode};

/// One CSP document.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// By the namespace of the root, else the public id (reference csp-wbxml §1).
    pub version: Version,
    /// How it came, or shall go.
    pub encoding: Encoding,
    /// The session; `None` is Outband.
    pub session: Option<SessionId>,
    /// At least one.
    pub transactions: Vec<Transaction>,
    /// From the server: more is waiting.
    pub poll: Option<bool>,
    /// From the server: `false` says that the CIR channel is lost (1.2 on).
    pub cir: Option<bool>,
    /// In 1.3 only. Read: a request names users or contact lists as 1.2 does. To write: such a client is
    /// answered in those forms (reference csp.md §12 item 13).
    pub old_forms: bool,
}

/// One transaction.
#[derive(Clone, Debug, PartialEq)]
pub struct Transaction {
    /// Asks or answers.
    pub mode: Mode,
    /// Absent only with Polling-Request.
    pub id: Option<TransactionId>,
    /// What.
    pub content: Carried,
}
