//! Set-up of an SSP session (reference ssp-session §1.1).

use super::DigestSchema;
use crate::imps::ids::{ServiceId, SessionId};
use crate::imps::status::Status;
use crate::imps::version::Version;

/// One of the elements of the six steps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Setup {
    /// Steps 1 and 2.
    SendSecretToken(SendSecretToken),
    /// Steps 3 and 4.
    LoginRequest(LinkLoginRequest),
    /// Steps 5 and 6, and refusals.
    LoginResponse(LinkLoginResponse),
    /// A refusal without more.
    Status(Status),
}

impl Setup {
    /// The element's name, for logs.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::SendSecretToken(_) => "SendSecretToken",
            Self::LoginRequest(_) => "LoginRequest",
            Self::LoginResponse(_) => "LoginResponse",
            Self::Status(_) => "Status",
        }
    }
}

/// A token that only the receiver at the published address of the domain gets to see.
#[derive(Clone, PartialEq, Eq)]
pub struct SendSecretToken {
    /// Who sends it.
    pub service: ServiceId,
    /// The sender's version; absent or unreadable means 1.3 (conflict C-02).
    pub version: Version,
    /// The version attribute was misspelt as the one known implementation does: a sign of the
    /// `legacy` profile (reference ssp-behaviour §10).
    pub misspelt: bool,
    /// The token's octets: trimmed text, BASE64-decoded if marked so (conflict C-03).
    pub token: Box<[u8]>,
}

/// Shows no token.
impl std::fmt::Debug for SendSecretToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SendSecretToken {{ service: {:?}, version: {:?}, .. }}", self.service, self.version)
    }
}

/// Proof that the other side's token arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkLoginRequest {
    /// Who sends it.
    pub service: ServiceId,
    /// Proposed idle limit, seconds.
    pub time_to_live: u32,
    /// The digest's octets, decoded.
    pub digest: Box<[u8]>,
    /// How it was made; absent means MD5.
    pub schema: Option<DigestSchema>,
}

/// The session id that the sender's own traffic will carry, or a refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkLoginResponse {
    /// Present on success.
    pub session: Option<SessionId>,
    /// Granted idle limit, seconds.
    pub time_to_live: Option<u32>,
    /// 2xx on success.
    pub status: Status,
    /// Where to go instead.
    pub redirects: Vec<Redirect>,
}

/// Another address of the same service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirect {
    /// The service, if named.
    pub service: Option<ServiceId>,
    /// Where.
    pub url: Box<str>,
}
