//! Floor 1: the words of IMPS as values.
//!
//! Addresses, domains, identifiers, status codes, versions, dates, service agreements and the
//! neutral [`primitive`]s that every protocol decodes into and encodes from. Everything here is
//! plain data: no bytes of any protocol, no clock, no socket. An identifier is made only by
//! parsing, so that a value in hand is a valid one.

pub mod address;
pub mod agreement;
pub mod chance;
pub mod content;
pub mod domain;
pub mod ids;
pub mod presence;
pub mod primitive;
pub mod source;
pub mod status;
pub mod terms;
pub mod time;
pub mod version;
pub mod words;

pub use address::{Address, AddressError, ContactListId, GroupId, UserId};
pub use chance::Chance;
pub use content::Content;
pub use domain::{Domain, DomainError};
pub use ids::{IdError, InviteId, MessageId, SearchId, ServiceId, SessionId, TransactionId};
pub use primitive::Primitive;
pub use source::Source;
pub use status::{Code, DetailedResult, Status};
pub use terms::Terms;
pub use time::{DateTime, Moment};
pub use version::Version;
