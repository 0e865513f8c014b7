//! The bytes of stored rows, written and read in one place.
//!
//! A mailbox row holds a CSP 1.3 WBXML fragment (a NewMessage or a DeliveryReport), an outbox row an
//! SSP fragment with its MetaInfo. Both were written here, so that one which cannot be read is damage, not
//! somebody's mistake: the answer is 500.

use std::sync::Arc;

use crate::imps::primitive::{MetaInfo, NewMessage, SendMessageRequest};
use crate::imps::{Code, Primitive, Version};
use crate::wire::ssp::Style;
use crate::wire::{Carried, Encoding, Limits, Refusal, csp, ssp};

/// Largest fragment that is read back: what a peer's document may be, and room for the growth of BASE64.
const FRAGMENT_OCTETS_MAX: usize = 64 * 1024 * 1024;

/// Why the bytes of a row could not be written or read.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum FragmentError {
    /// CSP has no such primitive.
    #[error(transparent)]
    Unwritable(#[from] csp::Unwritable),
    /// SSP has no such primitive.
    #[error("{0} cannot be written in SSP")]
    UnwritableSsp(&'static str),
    /// A mailbox row could not be read.
    #[error("the mailbox row cannot be read: {0}")]
    Unreadable(#[from] csp::Unreadable),
    /// An outbox row could not be read.
    #[error("the outbox row cannot be read: {0}")]
    Refused(#[from] Refusal),
    /// It holds something else than it should.
    #[error("the row holds {0}")]
    Unexpected(String),
}

impl From<FragmentError> for Code {
    fn from(_: FragmentError) -> Self {
        Self::INTERNAL_ERROR
    }
}

const fn limits() -> Limits {
    Limits::for_document(FRAGMENT_OCTETS_MAX)
}

/// Writes the body of a mailbox row.
pub(super) fn mail(primitive: &Primitive) -> Result<Arc<[u8]>, FragmentError> {
    Ok(csp::encode_primitive(primitive, Version::V1_3, Encoding::Wbxml)?.into())
}

/// Reads the body of a mailbox row.
pub(super) fn open_mail(body: &[u8]) -> Result<Primitive, FragmentError> {
    Ok(csp::decode_primitive(body, Version::V1_3, Encoding::Wbxml)?)
}

/// Reads the body of a row that is a message.
pub fn open_new_message(body: &[u8]) -> Result<NewMessage, FragmentError> {
    match open_mail(body)? {
        Primitive::NewMessage(message) => Ok(message),
        other => Err(FragmentError::Unexpected(other.name().to_owned())),
    }
}

/// Writes the body of an outbox row.
pub(super) fn parcel(
    primitive: &Primitive,
    meta: &MetaInfo,
    style: Style,
) -> Result<Arc<[u8]>, FragmentError> {
    ssp::encode_primitive(primitive, Some(meta), style)
        .map(Arc::from)
        .ok_or(FragmentError::UnwritableSsp(primitive.name()))
}

/// Reads the body of an outbox row that is a message.
pub(super) fn open_message(body: &[u8]) -> Result<(SendMessageRequest, MetaInfo), FragmentError> {
    let (meta, carried) = ssp::decode_primitive(body, &limits())?;
    match (opened(carried)?, meta) {
        (Primitive::SendMessageRequest(request), Some(meta)) => Ok((request, meta)),
        (other, _) => Err(FragmentError::Unexpected(other.name().to_owned())),
    }
}

fn opened(carried: Carried) -> Result<Primitive, FragmentError> {
    match carried {
        Carried::Primitive(primitive) => Ok(*primitive),
        Carried::Faulty { name, fault } => {
            Err(FragmentError::Unexpected(format!("a faulty {name}: {fault}")))
        }
        Carried::NotServed(name) => Err(FragmentError::Unexpected(name.to_owned())),
        Carried::Unknown(name) => Err(FragmentError::Unexpected(name.into())),
    }
}
