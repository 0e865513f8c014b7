//! Which domains a request of a client leads to, as far as it names them itself.

use super::{Admitted, domain_of, group_of};
use crate::imps::primitive::{Party, Recipient};
use crate::imps::{Primitive, UserId};

impl Admitted {
    /// The domains of whoever is addressed or asked about, in normal form; some more than once. Members of contact
    /// lists are not among them.
    pub fn domains(&self) -> Vec<&str> {
        match &self.primitive {
            Primitive::SendMessageRequest(request) => recipients(&request.info.recipients),
            Primitive::ForwardMessageRequest(request) => recipients(&request.recipients),
            Primitive::InviteRequest(request) => recipients(&request.recipients),
            Primitive::CancelInviteRequest(request) => recipients(&request.recipients),
            Primitive::InviteUserResponse(response) => {
                response.recipient.as_ref().and_then(Party::domain_str).into_iter().collect()
            }
            Primitive::SubscribePresenceRequest(request) => users(&request.users),
            Primitive::UnsubscribePresenceRequest(request) => users(&request.users),
            Primitive::GetPresenceRequest(request) => users(&request.users),
            Primitive::GetPublicProfileRequest(request) => users(&request.users),
            Primitive::ExtendConversationRequest(request) => {
                let partner = request.partner.id.domain_str();
                request.users.iter().filter_map(|user| user.domain_str()).chain(partner).collect()
            }
            Primitive::VerifyIdRequest(request) => request.ids.iter().filter_map(domain_of).collect(),
            Primitive::CreateListRequest(request) => {
                request.contacts.iter().filter_map(|contact| contact.user.domain_str()).collect()
            }
            Primitive::ListManageRequest(request) => {
                request.add.iter().filter_map(|contact| contact.user.domain_str()).collect()
            }
            Primitive::GetMessageListRequest(request) => {
                request.group.iter().filter_map(|group| group.domain_str()).collect()
            }
            other => group_of(other).and_then(|group| group.domain_str()).into_iter().collect(),
        }
    }
}

fn recipients(all: &[Recipient]) -> Vec<&str> {
    all.iter().filter_map(Recipient::domain_str).collect()
}

fn users(all: &[UserId]) -> Vec<&str> {
    all.iter().filter_map(|user| user.domain_str()).collect()
}
