//! What outlives the process.

use crate::imps::primitive::ClientId;
use crate::imps::{Moment, SessionId, UserId, Version};
use crate::wire::Encoding;

/// A client's session, as the store keeps it: written at login and negotiation, its last activity
/// within a minute (decisions.md 28).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionRecord {
    /// The session's id.
    pub id: SessionId,
    /// The user, with domain.
    pub user: UserId,
    /// The client.
    pub client: ClientId,
    /// The application (1.3).
    pub application: Option<Box<str>>,
    /// Version of the login.
    pub version: Version,
    /// Encoding of the login.
    pub encoding: Encoding,
    /// What a CIR carries.
    pub cookie: Option<Box<str>>,
    /// Agreed seconds of silence after which the session ends.
    pub time_to_live: u32,
    /// The agreed capabilities in stored form; empty: none were agreed.
    pub capabilities: Box<[u8]>,
    /// When it began.
    pub created: Moment,
    /// Last message of the client.
    pub last_active: Moment,
}
