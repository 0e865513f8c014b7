//! CSP documents, in XML and WBXML (reference csp.md, csp-messages.md, csp-wbxml.md).

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
