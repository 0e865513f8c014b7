//! Invitations (reference csp-messages §4, ssp-primitives §3.1 to §3.3).
//!
//! ```text
//! inviter ──Invite-Request──▶ home ──InviteUser-Request──▶ invitee
//! inviter ◀─Invite-Response── home ◀─InviteUser-Response── invitee
//! ```
//! Between two homes the request is an `InviteRequest` and the answer an `InviteResponse`: a request of
//! its own, which is answered by a Status like any other.

use super::{Party, Recipient, ScreenName};
use crate::imps::address::GroupId;
use crate::imps::ids::InviteId;
use crate::imps::words::words;

words! {
    /// What somebody is invited to.
    InviteType {
        /// Into a group.
        Group = "GR",
        /// To exchange messages.
        Message = "IM",
        /// To exchange presence.
        Presence = "PR",
        /// To look at shared content.
        Content = "SC",
        /// To become a member of a group (1.2 on).
        Membership = "GM",
        /// From a conversation of two into one of several (1.3).
        ExtendConversation = "EC",
        /// Into a group made of a conversation (1.3).
        ExtendGroup = "EG",
        /// To use an application together (1.3).
        Application = "AP",
    }
}

/// Somebody invites others.
#[derive(Clone, Debug, PartialEq)]
pub struct InviteRequest {
    /// Chosen by the inviter.
    pub id: InviteId,
    /// To what.
    pub kind: InviteType,
    /// The inviter; clients before 1.3 leave it out.
    pub sender: Option<Party>,
    /// Whom. On SSP one in each request.
    pub recipients: Vec<Recipient>,
    /// The application (1.3).
    pub application: Option<Box<str>>,
    /// The group.
    pub group: Option<GroupId>,
    /// Names of the presence attributes that are offered.
    pub attributes: Vec<Box<str>>,
    /// Where the shared content is.
    pub urls: Vec<Box<str>>,
    /// A text for the invitee.
    pub note: Option<Box<str>>,
    /// The inviter's name in the group; hides the inviter's address.
    pub screen_name: Option<ScreenName>,
    /// Seconds until the invitation ends.
    pub validity: Option<u32>,
}

/// CSP: a client is told that its user is invited.
#[derive(Clone, Debug, PartialEq)]
pub struct InviteUserRequest {
    /// Chosen by the inviter.
    pub id: InviteId,
    /// To what.
    pub kind: InviteType,
    /// The inviter.
    pub sender: Option<Party>,
    /// Whom (1.3).
    pub recipients: Vec<Recipient>,
    /// The application (1.3).
    pub application: Option<Box<str>>,
    /// The group.
    pub group: Option<GroupId>,
    /// Names of the presence attributes that are offered.
    pub attributes: Vec<Box<str>>,
    /// Where the shared content is.
    pub urls: Vec<Box<str>>,
    /// A text for the invitee.
    pub note: Option<Box<str>>,
    /// The inviter's name in the group (1.1, 1.3; in 1.2 it stands as the sender only).
    pub screen_name: Option<ScreenName>,
    /// Seconds until the invitation ends.
    pub validity: Option<u32>,
}

/// CSP: the invitee's client answers.
#[derive(Clone, Debug, PartialEq)]
pub struct InviteUserResponse {
    /// Which invitation.
    pub id: InviteId,
    /// Yes or no.
    pub acceptance: bool,
    /// The invitee; 1.1 clients leave it out.
    pub sender: Option<Party>,
    /// The inviter (1.3).
    pub recipient: Option<Party>,
    /// A text for the inviter.
    pub note: Option<Box<str>>,
    /// The invitee's name in the group; hides the invitee's address.
    pub screen_name: Option<ScreenName>,
}

/// The invitee's answer on its way to the inviter: between homes, and to the inviter's clients.
#[derive(Clone, Debug, PartialEq)]
pub struct InviteResponse {
    /// Which invitation.
    pub id: InviteId,
    /// Yes or no.
    pub acceptance: bool,
    /// Who was invited and answers (SSP `Responding`).
    pub responder: Option<Party>,
    /// Who invited (SSP `Inviting`; CSP 1.3 `Recipient`).
    pub inviter: Option<Party>,
    /// A text for the inviter.
    pub note: Option<Box<str>>,
    /// The responder's name in the group.
    pub screen_name: Option<ScreenName>,
}

/// Somebody takes an invitation back.
#[derive(Clone, Debug, PartialEq)]
pub struct CancelInviteRequest {
    /// Which invitation.
    pub id: InviteId,
    /// The inviter; clients before 1.3 leave it out.
    pub sender: Option<Party>,
    /// From whom; none: from everybody who was invited. On SSP one in each request.
    pub recipients: Vec<Recipient>,
    /// The application (1.3).
    pub application: Option<Box<str>>,
    /// The group (1.3).
    pub group: Option<GroupId>,
    /// Names of the presence attributes that were offered (1.3).
    pub attributes: Vec<Box<str>>,
    /// Where the shared content is.
    pub urls: Vec<Box<str>>,
    /// A text for the invitee.
    pub note: Option<Box<str>>,
    /// The inviter's name in the group.
    pub screen_name: Option<ScreenName>,
}

/// CSP: a client is told that an invitation was taken back.
#[derive(Clone, Debug, PartialEq)]
pub struct CancelInviteUserRequest {
    /// Which invitation.
    pub id: InviteId,
    /// The inviter.
    pub sender: Option<Party>,
    /// From whom (1.3).
    pub recipients: Vec<Recipient>,
    /// The application (1.3).
    pub application: Option<Box<str>>,
    /// The group (1.3).
    pub group: Option<GroupId>,
    /// Names of the presence attributes that were offered (1.3).
    pub attributes: Vec<Box<str>>,
    /// Where the shared content is.
    pub urls: Vec<Box<str>>,
    /// A text for the invitee.
    pub note: Option<Box<str>>,
    /// The inviter's name in the group (1.3).
    pub screen_name: Option<ScreenName>,
}

/// Shows the inviter by its screen name, if it has one: that hides the address (reference
/// csp-messages §4).
fn shown(sender: Option<&Party>, screen_name: Option<&ScreenName>) -> Option<Party> {
    screen_name.cloned().map(Party::ScreenName).or_else(|| sender.cloned())
}

impl InviteRequest {
    /// What an invitee's client is told.
    pub fn for_invitee(&self, invitee: Recipient) -> InviteUserRequest {
        InviteUserRequest {
            id: self.id.clone(),
            kind: self.kind,
            sender: shown(self.sender.as_ref(), self.screen_name.as_ref()),
            recipients: vec![invitee],
            application: self.application.clone(),
            group: self.group.clone(),
            attributes: self.attributes.clone(),
            urls: self.urls.clone(),
            note: self.note.clone(),
            screen_name: self.screen_name.clone(),
            validity: self.validity,
        }
    }
}

impl CancelInviteRequest {
    /// What an invitee's client is told.
    pub fn for_invitee(&self, invitee: Recipient) -> CancelInviteUserRequest {
        CancelInviteUserRequest {
            id: self.id.clone(),
            sender: shown(self.sender.as_ref(), self.screen_name.as_ref()),
            recipients: vec![invitee],
            application: self.application.clone(),
            group: self.group.clone(),
            attributes: self.attributes.clone(),
            urls: self.urls.clone(),
            note: self.note.clone(),
            screen_name: self.screen_name.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_screen_name_hides_the_inviter() {
        let group: GroupId = "wv:/sailing@south.example".parse().unwrap();
        let name = ScreenName { name: "skipper".into(), group: group.clone() };
        let ada = Party::User("wv:ada@north.example".parse::<crate::imps::UserId>().unwrap().into());
        let mut request = InviteRequest {
            id: "i1".parse().unwrap(),
            kind: InviteType::Group,
            sender: Some(ada.clone()),
            recipients: Vec::new(),
            application: None,
            group: Some(group.clone()),
            attributes: Vec::new(),
            urls: Vec::new(),
            note: None,
            screen_name: Some(name.clone()),
            validity: Some(60),
        };
        let told = request.for_invitee(Recipient::Group(group.clone()));
        assert_eq!(told.sender, Some(Party::ScreenName(name)));
        request.screen_name = None;
        assert_eq!(request.for_invitee(Recipient::Group(group)).sender, Some(ada));
    }
}
