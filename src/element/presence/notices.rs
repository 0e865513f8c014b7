//! Notifications of 1.3: the question whether somebody may see a user's presence, as that version asks it, and
//! what clients of a user hear of what its other clients changed.

use crate::element::lists::{self, Access, Lists};
use crate::element::notify::{Notify, Reach};
use crate::imps::presence::{AttributeSet, PresenceSubList};
use crate::imps::primitive::{NotificationRequest, NotificationType, PresenceAuthRequest, Primitive, User};
use crate::imps::{Domain, Version};

use super::view::for_old_client;
use super::{For, Home, SESSION_SECONDS};

/// A server request in the words of a version: from 1.3 on the question whether somebody may see something is
/// a notification, and is answered by an attribute list (reference presence-attributes §4.2); to 1.1 presence
/// always says how a user can be reached.
pub fn worded(primitive: Primitive, version: Version) -> Primitive {
    match primitive {
        Primitive::PresenceAuthRequest(PresenceAuthRequest { user, attributes })
            if version == Version::V1_3 =>
        {
            Primitive::NotificationRequest(Box::new(NotificationRequest {
                attributes,
                users: vec![user],
                ..NotificationRequest::of(NotificationType::AuthNeededUser)
            }))
        }
        Primitive::PresenceNotification(mut notice) if version == Version::V1_1 => {
            notice.presences.iter_mut().for_each(|presence| for_old_client(&mut presence.attributes));
            notice.into()
        }
        other => other,
    }
}

/// Somebody new watches whom a rule lets see something, and the user wants to be told of that rule's watchers.
/// Its clients of 1.3 are; older ones have no word for it.
pub(super) fn new_watcher(
    home: &Home<'_>,
    watcher: &User,
    wanted: AttributeSet,
    own: &Domain,
) -> Option<Notify> {
    let (rule, lists) = home.rules(watcher)?;
    if !rule.iter().any(|grant| grant.notify) {
        return None;
    }
    let kind = match rule.first().map(|grant| &grant.to) {
        Some(For::List(_)) => NotificationType::AuthNeededContactList,
        Some(For::Everybody) => NotificationType::AuthNeededDefault,
        Some(For::User(_)) | None => NotificationType::AuthNeededUser,
    };
    let request = NotificationRequest {
        attributes: (wanted != AttributeSet::ALL).then(|| PresenceSubList::naming(wanted)),
        users: vec![watcher.id.clone()],
        contact_lists: lists,
        default_list: (kind == NotificationType::AuthNeededDefault).then_some(true),
        ..NotificationRequest::of(kind)
    };
    let sessions: Vec<_> = home
        .online
        .iter()
        .filter(|online| online.version == Version::V1_3)
        .map(|online| online.session.clone())
        .collect();
    if sessions.is_empty() {
        return None;
    }
    let mut notice = Notify::new(own.clone(), vec![home.publisher.owner.clone().into()], Box::new(request));
    notice.reach = Reach::Sessions(sessions);
    notice.by = Some(watcher.id.clone().into());
    notice.seconds = SESSION_SECONDS;
    Some(notice)
}

/// What the other clients of a user may want to hear of these edits of its lists. `creates`: the request was
/// to make a contact list.
pub fn of_lists(before: &Lists, edits: &[lists::Edit], creates: bool) -> Vec<NotificationRequest> {
    let mut told: Vec<NotificationRequest> = Vec::new();
    let about = |kind, list: &crate::imps::ContactListId| NotificationRequest {
        contact_lists: vec![list.clone()],
        ..NotificationRequest::of(kind)
    };
    for edit in edits {
        match edit {
            lists::Edit::Put(list) if creates => {
                told.push(about(NotificationType::ContactListCreated, &list.id));
            }
            lists::Edit::Put(list) => told.push(about(NotificationType::ContactListChanged, &list.id)),
            lists::Edit::Drop(list) => told.push(about(NotificationType::ContactListDeleted, list)),
            // The list that is the default now is another one.
            lists::Edit::Default(Some(list)) if edits.len() == 1 => {
                told.push(about(NotificationType::ContactListChanged, list));
            }
            lists::Edit::Default(_) => {}
            lists::Edit::Access(after) => told.extend(of_access(&before.access, after)),
        }
    }
    told
}

fn of_access(before: &Access, after: &Access) -> Vec<NotificationRequest> {
    let mut told = Vec::new();
    if before.block != after.block {
        told.push(NotificationRequest::of(NotificationType::BlockListChanged));
    }
    if before.block_in_use != after.block_in_use {
        told.push(NotificationRequest {
            block_in_use: Some(after.block_in_use),
            ..NotificationRequest::of(NotificationType::BlockListUsageChanged)
        });
    }
    if before.grant != after.grant {
        told.push(NotificationRequest::of(NotificationType::GrantListChanged));
    }
    if before.grant_in_use != after.grant_in_use {
        told.push(NotificationRequest {
            grant_in_use: Some(after.grant_in_use),
            ..NotificationRequest::of(NotificationType::GrantListUsageChanged)
        });
    }
    told
}

/// What the other clients of a user may want to hear of a request that changed who may see what. It names
/// whom and what the request named.
pub fn of_authorization(request: &Primitive) -> Option<NotificationRequest> {
    let mut told = NotificationRequest::of(NotificationType::AuthorizationChanged);
    match request {
        Primitive::CreateAttributeListRequest(request) => {
            told.attributes = Some(request.attributes.clone());
            told.users.clone_from(&request.users);
            told.contact_lists.clone_from(&request.contact_lists);
            told.default_list = request.default_list.then_some(true);
        }
        Primitive::DeleteAttributeListRequest(request) => {
            told.users.clone_from(&request.users);
            told.contact_lists.clone_from(&request.contact_lists);
            told.default_list = request.default_list.then_some(true);
        }
        Primitive::PresenceAuthUser(request) => told.users.push(request.user.clone()),
        Primitive::CancelAuthRequest(request) => told.users.push(request.user.clone()),
        _ => return None,
    }
    Some(told)
}
