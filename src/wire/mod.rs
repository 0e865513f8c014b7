//! Floor 2: bytes ⇄ documents ⇄ primitives.
//!
//! Readers turn bytes from outside into a borrowed element tree within hard limits; tables, one per
//! primitive and protocol, turn the tree into the neutral values of [`crate::imps::primitive`] and
//! back. Nothing here panics, blocks or grows beyond the stated limits, whatever the input.

#[cfg(test)]
pub(crate) mod arbitrary;
mod attributes;
#[cfg(test)]
mod conversion;
pub mod csp;
pub mod pa;
pub mod pts;
pub mod ssp;
pub mod table;
pub mod tree;
pub mod wbxml;
pub mod xml;

use crate::imps::Primitive;
use crate::imps::status::Code;

/// Whether a transaction asks or answers. On reading, anything but `Request` (any case) is
/// `Response` (reference ssp.md C-28).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Only a request can cause an answer.
    Request,
    /// Never answered.
    Response,
}

impl Mode {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Request => "Request",
            Self::Response => "Response",
        }
    }
}

/// How a CSP document is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// XML text.
    Xml,
    /// WAP binary XML.
    Wbxml,
}

impl Encoding {
    /// `xml` or `wbxml`: the label of metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Xml => "xml",
            Self::Wbxml => "wbxml",
        }
    }
}

/// What a transaction carries, as far as it could be understood.
#[derive(Clone, Debug, PartialEq)]
pub enum Carried {
    /// A primitive with every mandatory field.
    Primitive(Box<Primitive>),
    /// A primitive of the standard that is not served yet (answered 501), or that was seen from outside
    /// only, by [`ssp::scan`]: its name.
    NotServed(&'static str),
    /// An element the standard does not have: its name, at most 64 characters (answered 405).
    Unknown(Box<str>),
    /// A known primitive that breaks its table (answered with the fault's code).
    Faulty {
        /// Its name.
        name: &'static str,
        /// Where and why.
        fault: Fault,
    },
}

impl Carried {
    /// The name for logs and metrics; strangers are all `unknown`, so that labels stay few.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Primitive(primitive) => primitive.name(),
            Self::NotServed(name) | Self::Faulty { name, .. } => name,
            Self::Unknown(_) => "unknown",
        }
    }

    /// Whether this tells something even where it stands as an answer: reports on messages and answers to
    /// invitations come late, in a transaction that was answered before (reference ssp-behaviour §10).
    pub fn is_told(&self) -> bool {
        match self {
            Self::Primitive(primitive) => {
                matches!(**primitive, Primitive::DeliveryReport(_) | Primitive::InviteResponse(_))
            }
            _ => false,
        }
    }
}

/// Why a primitive could not be read: the path of the element, and what was wrong there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {what}")]
pub struct Fault {
    /// `SendMessage-Request/MessageInfo/Validity`.
    pub path: String,
    /// A sentence.
    pub what: String,
    /// 400 for what is missing, 402 for what cannot be read, 427 for a bad address (reference
    /// ssp-behaviour §1 row 13).
    pub code: Code,
}

/// Why a whole document was refused before any primitive was looked at.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Larger, deeper, wider or with more elements than allowed.
    #[error("{what} exceeds the limit of {limit}")]
    Limit {
        /// `document size`, `nesting`, `attributes of one element`, `elements`, `text of one element`.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
    /// Not well-formed XML, or not decodable WBXML, at this octet.
    #[error("malformed at octet {offset}: {what}")]
    Malformed {
        /// Octets from the start of the body.
        offset: usize,
        /// A sentence.
        what: String,
    },
    /// A DOCTYPE with an internal subset, any DOCTYPE on SSP, or an entity that is not predefined.
    #[error("document type declarations and entities are not accepted")]
    Doctype,
    /// A character set that is not read (decisions.md 17).
    #[error("character set {0:?} is not supported")]
    Charset(String),
    /// Well-formed, but not the envelope of this protocol.
    #[error("not a message of this protocol: {0}")]
    Envelope(String),
    /// A version of the protocol that is not spoken.
    #[error("protocol version {0:?} is not spoken here")]
    Version(String),
}

impl Refusal {
    /// A word for the `reason` label of metrics.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Limit { .. } => "limit",
            Self::Malformed { .. } => "malformed",
            Self::Doctype => "doctype",
            Self::Charset(_) => "charset",
            Self::Envelope(_) => "envelope",
            Self::Version(_) => "version",
        }
    }
}

/// The sentence of a [`Fault`] or [`Refusal`] for a log: without the words that it quotes, which are what
/// somebody wrote.
pub fn unquoted(sentence: &impl std::fmt::Display) -> String {
    let sentence = sentence.to_string();
    let mut told = String::with_capacity(sentence.len());
    let mut quote = None;
    let mut escaped = false;
    for letter in sentence.chars() {
        match quote {
            None if matches!(letter, '"' | '`') => {
                quote = Some(letter);
                told.push_str("\"…\"");
            }
            None => told.push(letter),
            Some(_) if escaped => escaped = false,
            Some(_) if letter == '\\' => escaped = true,
            Some(end) if letter == end => quote = None,
            Some(_) => {}
        }
    }
    told
}

/// A hash over octets as they came, to tell a repeat from a reused id within one process. Not
/// cryptographic: whoever makes two documents look alike deceives nobody but itself. Two words at a time
/// are multiplied and folded, in two lanes that need not wait for each other, since every document of a
/// peer passes here.
pub fn digest(octets: &[u8]) -> u64 {
    const SEED: u64 = 0x9e37_79b9_7f4a_7c15;
    let halves = |wide: u128| {
        [wide & u128::from(u64::MAX), wide >> 64].map(|half| u64::try_from(half).unwrap_or_default())
    };
    let fold = |left: u64, right: u64| {
        let [low, high] = halves(u128::from(left) * u128::from(right));
        low ^ high
    };
    let step = |state: u64, chunk: &[u8; 16]| {
        let [first, second] = halves(u128::from_le_bytes(*chunk));
        fold(first ^ state, second ^ SEED) ^ state.rotate_left(23)
    };
    let length = u64::try_from(octets.len()).unwrap_or(u64::MAX);
    let (chunks, rest) = octets.as_chunks::<16>();
    let (pairs, single) = chunks.as_chunks::<2>();
    let mut last = [0; 16];
    last.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
    let begin = (SEED.rotate_left(32), fold(SEED, length ^ SEED));
    let (even, odd) = pairs.iter().fold(begin, |(even, odd), [a, b]| (step(even, a), step(odd, b)));
    let even = single.iter().fold(even, step);
    fold(step(odd, &last), even ^ SEED) ^ even.rotate_left(23)
}

/// What a reader accepts at most (decisions.md 16).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Octets of the whole document.
    pub document: usize,
    /// Nested elements.
    pub depth: usize,
    /// Attributes of one element.
    pub attributes: usize,
    /// Elements of the document.
    pub elements: usize,
    /// Octets of text in one element; content is bounded by the document alone.
    pub text: usize,
}

impl Limits {
    /// The limits of decisions.md 16 for documents of this size.
    pub const fn for_document(document: usize) -> Self {
        Self { document, depth: 64, attributes: 64, elements: 65_536, text: 65_536 }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::{digest, unquoted};

    #[test]
    fn a_sentence_for_a_log_holds_nothing_of_what_it_quotes() {
        let word = "a \"word\" and \\ more";
        let told = unquoted(&format!("Status/Code: {word:?} is no code (octet 7), after {word:?}"));
        assert_eq!(told, "Status/Code: \"…\" is no code (octet 7), after \"…\"");
        assert_eq!(unquoted(&"expected `</a>`, but `</heron>"), "expected \"…\", but \"…\"");
    }

    #[test]
    fn documents_that_differ_in_one_octet_or_in_length_have_other_digests() {
        let document = [7_u8; 100];
        let changed = (0..document.len()).flat_map(|place| {
            (0..=u8::MAX).filter(|octet| *octet != 7).map(move |octet| {
                let mut document = document;
                document[place] = octet;
                digest(&document)
            })
        });
        let lengths = (0..100).map(|length| digest(&document[..length]));
        let digests: HashSet<u64> = changed.chain(lengths).chain([digest(&document)]).collect();
        assert_eq!(digests.len(), 100 * 255 + 100 + 1);
    }
}
