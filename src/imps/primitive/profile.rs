//! Public profiles and messages of the system (both 1.3), and version discovery (reference
//! csp-messages §4, csp.md §10, ssp-primitives §3.7, §3.8).

use super::{Party, Property};
use crate::imps::address::UserId;
use crate::imps::status::Status;

/// What do these users say of themselves?
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetPublicProfileRequest {
    /// Which; at least one.
    pub users: Vec<UserId>,
}

/// What they say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GetPublicProfileResponse {
    /// For each user.
    pub result: Status,
    /// Of those who were found.
    pub profiles: Vec<PublicProfile>,
}

/// What one user says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicProfile {
    /// The user.
    pub user: UserId,
    /// `PP_CITY`, `PP_FRIENDLY_NAME`, ….
    pub properties: Vec<Property>,
}

/// Change what a user says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UpdatePublicProfileRequest {
    /// Forget everything first.
    pub clear: Option<bool>,
    /// What to set.
    pub profile: Option<PublicProfile>,
}

/// The provider speaks to a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SystemMessageRequest {
    /// SSP: to whom.
    pub recipients: Vec<Party>,
    /// What; at least one.
    pub messages: Vec<SystemMessage>,
}

/// One message of the provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SystemMessage {
    /// Its id.
    pub id: Box<str>,
    /// Whether the user must answer.
    pub requires_response: bool,
    /// What it says.
    pub text: Option<Box<str>>,
    /// Answers to choose from.
    pub options: Vec<AnswerOption>,
    /// CSP: proof that a human being answers.
    pub verification: Option<VerificationMechanism>,
}

/// An answer to choose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnswerOption {
    /// Its id.
    pub id: u32,
    /// What it says.
    pub text: Box<str>,
}

/// What the user has to copy: a text, or a picture behind a URL.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VerificationMechanism {
    /// A text.
    pub in_text: Option<Box<str>>,
    /// A picture.
    pub url: Option<Box<str>>,
}

/// The user answers the provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SystemMessageUser {
    /// At least one.
    pub responses: Vec<SystemMessageResponse>,
}

/// The answer to one message of the provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SystemMessageResponse {
    /// Which message.
    pub id: Box<str>,
    /// The answer chosen.
    pub chosen: Option<u32>,
    /// What was copied.
    pub verification_key: Option<Box<str>>,
}

/// Namespaces, which name versions of CSP.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VersionList {
    /// Of the session.
    pub session: Vec<Box<str>>,
    /// Of the transactions.
    pub transaction: Vec<Box<str>>,
    /// Of the presence attributes.
    pub presence: Vec<Box<str>>,
}

/// CSP, before any session: which versions are spoken?
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VersionDiscoveryRequest {
    /// Those the client speaks; none: say all.
    pub versions: Option<VersionList>,
}

/// CSP: the version to use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VersionDiscoveryResponse {
    /// The server's choice.
    pub versions: VersionList,
    /// URLs of servers that speak other versions.
    pub other_servers: Vec<Box<str>>,
}
