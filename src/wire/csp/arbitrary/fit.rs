//! What each version can carry of the parts of primitives.

use crate::imps::primitive::{Author, BlockList, Capabilities, MessageInfo, Party, Recipient, Sender, User};
use crate::imps::status::{Entity, Status};
use crate::imps::{Primitive, Version};
use crate::wire::arbitrary::group;

/// Invitations, search and the other common features (reference csp-messages §4).
pub(super) fn fit_common(primitive: &mut Primitive, version: Version) {
    let early = version < Version::V1_3;
    match primitive {
        Primitive::InviteRequest(it) => {
            if early {
                (it.sender, it.application) = (None, None);
            }
            fit_parties(&mut it.sender, &mut it.recipients, version);
        }
        Primitive::InviteUserRequest(it) => {
            if early {
                it.application = None;
                it.recipients.clear();
            }
            it.screen_name = it.screen_name.take().filter(|_| version != Version::V1_2);
            fit_parties(&mut it.sender, &mut it.recipients, version);
        }
        Primitive::InviteUserResponse(it) => {
            it.recipient = it.recipient.take().filter(|_| !early);
            fit_parties(&mut it.sender, &mut [], version);
            fit_parties(&mut it.recipient, &mut [], version);
        }
        Primitive::InviteResponse(it) => {
            if early {
                (it.inviter, it.screen_name) = (None, None);
            }
            fit_parties(&mut it.responder, &mut [], version);
            fit_parties(&mut it.inviter, &mut [], version);
        }
        Primitive::CancelInviteRequest(it) => {
            if early {
                (it.sender, it.application, it.group) = (None, None, None);
                it.attributes.clear();
            }
            fit_parties(&mut it.sender, &mut it.recipients, version);
        }
        Primitive::CancelInviteUserRequest(it) => {
            if early {
                (it.application, it.group, it.screen_name) = (None, None, None);
                it.attributes.clear();
                it.recipients.clear();
            }
            fit_parties(&mut it.sender, &mut it.recipients, version);
        }
        Primitive::SearchRequest(it) if early => {
            it.criteria = None;
            it.pairs.iter_mut().for_each(|pair| pair.id = None);
        }
        Primitive::GetPublicProfileResponse(it) => fit_status(&mut it.result, version),
        Primitive::SystemMessageRequest(it) => {
            it.recipients.clear();
            it.messages.iter_mut().filter(|_| early).for_each(|message| message.options.clear());
        }
        other => group::fit_csp(other, version, fit_status),
    }
}

pub(super) fn fit_parties(party: &mut Option<Party>, recipients: &mut [Recipient], version: Version) {
    if let Some(Party::User(user)) = party {
        fit_user(user, version);
    }
    for recipient in recipients {
        fit_recipient(recipient, version);
    }
}

pub(super) fn fit_status(status: &mut Status, version: Version) {
    if version < Version::V1_3 {
        status.try_again = None;
    }
    for detail in &mut status.details {
        let rank = |entity: &Entity| match entity {
            Entity::User(_) => 0,
            Entity::Group(_) => 1,
            Entity::ScreenName(_) => 2,
            Entity::Message(_) => 3,
            Entity::ContactList(_) => 4,
            Entity::Domain(_) => 5,
        };
        detail.entities.sort_by_key(rank);
        detail.entities.retain(|entity| version > Version::V1_1 || rank(entity) < 3);
    }
}

pub(super) fn fit_user(user: &mut User, version: Version) {
    if version < Version::V1_3 {
        (user.friendly_name, user.application) = (None, None);
    }
}

pub(super) fn fit_recipient(recipient: &mut Recipient, version: Version) {
    if let Recipient::User(user) = recipient {
        fit_user(user, version);
    }
}

pub(super) fn fit_info(info: &mut MessageInfo, version: Version) {
    if version < Version::V1_3 {
        (info.content_name, info.font) = (None, None);
    }
    info.recipients.iter_mut().for_each(|recipient| fit_recipient(recipient, version));
    if let Some(Sender { author: Author::User(user), .. }) = &mut info.sender {
        fit_user(user, version);
    }
}

pub(super) fn fit_list(list: &mut BlockList, version: Version) {
    let parts = [&mut list.entities, &mut list.add, &mut list.remove];
    for entities in parts.into_iter().flatten().filter(|_| version < Version::V1_3) {
        entities.contact_lists.clear();
        entities.applications.clear();
    }
}

pub(super) fn fit_capabilities(it: &mut Capabilities, version: Version) {
    if version == Version::V1_3 {
        it.accepted_charsets.clear();
        it.accepted_content_length = None;
        return;
    }
    for accepted in &mut it.accepted_content_types {
        (accepted.rich_content_length, accepted.policy, accepted.policy_limit) = (None, None, None);
    }
    (it.pull_length, it.push_length, it.text_content_length) = (None, None, None);
    (it.multi_trans_per_message, it.session_priority, it.user_session_limit) = (None, None, None);
    (it.online_etem, it.offline_etem, it.cir_sms_address, it.udp_address) = (None, None, None, None);
    it.cir_url = it.cir_url.take().filter(|_| version == Version::V1_2);
    it.offline_bearers.clear();
    it.plain_text_charsets.clear();
}
