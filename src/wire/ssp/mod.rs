//! SSP documents (reference ssp-transport §4, ssp-types, ssp-primitives, `ssp.rnc`).
//!
//! Reading takes every spelling and habit of the conflict list (reference ssp.md); writing has one
//! form, that of the grammar. A primitive is encoded once, as a fragment that waits in the outbox;
//! the envelope with session and transaction ids is written around it when it leaves.

mod common;
#[cfg(test)]
mod conflicts;
mod envelope;
mod group;
mod im;
mod link;
mod outline;
mod party;
mod presence;
mod primitives;
mod status;
#[cfg(test)]
mod tests;

pub use envelope::{decode_primitive, encode_primitive, read, read_outlined, write_session, write_setup};
pub use outline::{Mark, Outline, Role, is_plain, relayed, scan};
pub use primitives::{element_of, names, tables};

use crate::imps::primitive::{MetaInfo, Setup};
use crate::imps::{SessionId, TransactionId, Version};
use crate::wire::{Carried, Mode};

/// How primitives are written to a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Version of the link.
    pub version: Version,
    /// The peer is the one known implementation: content is always BASE64 (reference ssp-types §4).
    pub legacy: bool,
}

/// One SSP document.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// By the namespace of the root; 1.3 if it has none or a strange one.
    pub version: Version,
    /// What it holds.
    pub body: Body,
}

/// Set-up or session traffic.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// One of the six steps.
    Setup(SetupTransaction),
    /// Transactions of a session.
    Session(SessionMessage),
}

/// One of the six steps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetupTransaction {
    /// Id of the handshake.
    pub id: TransactionId,
    /// The role of the side that sends, not the kind of element (reference ssp.md fact 4).
    pub mode: Mode,
    /// The element.
    pub element: Setup,
}

/// Transactions of a session.
#[derive(Clone, Debug, PartialEq)]
pub struct SessionMessage {
    /// The id that the sender issued.
    pub session: SessionId,
    /// In document order. One without id or child is left out (reference ssp-transport §4).
    pub transactions: Vec<Transaction>,
    /// How many were left out.
    pub skipped: usize,
}

/// One transaction.
#[derive(Clone, Debug, PartialEq)]
pub struct Transaction {
    /// Echoed byte for byte.
    pub id: TransactionId,
    /// Asks or answers.
    pub mode: Mode,
    /// Who asks.
    pub meta: Option<MetaInfo>,
    /// What.
    pub content: Carried,
    /// A hash over the octets of the primitive, to tell a repeat from a reused id.
    pub digest: u64,
    /// Where the primitive stands in the document as it came; empty if it came in another character set.
    pub place: std::ops::Range<usize>,
    /// What a relay has to know of it, if that was asked for and a relay could pass it on.
    pub outline: Option<Box<Outline>>,
}

/// The element name that an encoded primitive begins with; for logs.
pub fn name_of(fragment: &[u8]) -> &str {
    let name = fragment.strip_prefix(b"<").unwrap_or_default();
    let end = name.iter().position(|octet| !octet.is_ascii_alphanumeric()).unwrap_or(name.len());
    name.get(..end).and_then(|name| std::str::from_utf8(name).ok()).unwrap_or_default()
}
