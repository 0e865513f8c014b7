//! A conversation of two becomes a group, and maps of where somebody is (both 1.3; reference csp-messages §4,
//! §7).

use super::{ScreenName, User, WelcomeNote};
use crate::imps::address::{GroupId, UserId};
use crate::imps::ids::InviteId;
use crate::imps::presence::PresenceSubList;
use crate::imps::status::Status;

/// CSP: make a private group of a conversation, and invite others.
#[derive(Clone, Debug, PartialEq)]
pub struct ExtendConversationRequest {
    /// Chosen by the client; the invitations have it too.
    pub id: InviteId,
    /// Who shall come in.
    pub users: Vec<UserId>,
    /// Whom the conversation was with, and with which client.
    pub partner: User,
    /// Hear of changes in the group.
    pub subscribe: Option<bool>,
    /// What the group says to those who join.
    pub welcome_note: Option<WelcomeNote>,
    /// Under which name the asker is in.
    pub screen_name: Option<ScreenName>,
}

/// CSP: the group that a conversation became.
#[derive(Clone, Debug, PartialEq)]
pub struct ExtendConversationResponse {
    /// That of the request.
    pub id: InviteId,
    /// The group.
    pub group: Option<GroupId>,
    /// A text for the user.
    pub note: Option<Box<str>>,
    /// For each who was to be invited.
    pub result: Status,
}

/// CSP: a map of where a user is, or of a place.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GetMapRequest {
    /// Where this user is.
    pub user: Option<UserId>,
    /// Or the place that these attributes say.
    pub attributes: Option<PresenceSubList>,
}

/// A picture of a map: its type and its content, written like a welcome note.
pub type Map = WelcomeNote;

/// CSP: the map.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GetMapResponse {
    /// Outcome; CSP has no place for it here and answers a failure with a Status.
    pub result: Status,
    /// The picture.
    pub map: Option<Map>,
    /// Or where it is found.
    pub url: Option<Box<str>>,
}
