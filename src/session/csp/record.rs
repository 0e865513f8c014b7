//! What of a session outlives the process (decisions.md 28).

use crate::imps::primitive::{ClientId, LoginRequest};
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
    /// The agreed capabilities as [`Abilities::to_stored`](super::Abilities::to_stored) writes them;
    /// empty: none were agreed.
    pub capabilities: Box<[u8]>,
    /// When it began.
    pub created: Moment,
    /// Last message of the client.
    pub last_active: Moment,
}

impl SessionRecord {
    /// What makes two logins the same session.
    pub fn key(&self) -> SessionKey {
        SessionKey {
            user: self.user.clone(),
            client: self.client.clone(),
            application: self.application.clone(),
        }
    }
}

/// What makes two logins the same session: a second login with the same key replaces the first
/// (reference csp.md §4.6).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SessionKey {
    /// The user, with domain.
    pub user: UserId,
    /// The device or program.
    pub client: ClientId,
    /// The application (1.3).
    pub application: Option<Box<str>>,
}

impl SessionKey {
    /// The key of the session that this request asks for; `user` with its domain, see
    /// [`home_user`](super::home_user).
    pub fn of(request: &LoginRequest, user: UserId) -> Self {
        Self { user, client: request.client.clone(), application: request.application.clone() }
    }
}
