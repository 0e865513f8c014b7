//! Notifications: what clients of 1.3 are told of and may choose (reference csp-messages §4, *1.3 only*).

use crate::imps::address::{ContactListId, GroupId, UserId};
use crate::imps::ids::InviteId;
use crate::imps::presence::PresenceSubList;
use crate::imps::words::words;

use super::User;

words! {
    /// What a notification is about.
    NotificationType {
        /// Who may see what of the user's presence has changed.
        AuthorizationChanged = "AC",
        /// Somebody on a contact list watches, and the user wants to know.
        AuthNeededContactList = "ANC",
        /// Somebody who is only on the default list watches.
        AuthNeededDefault = "AND",
        /// A user watches of whom nothing is said.
        AuthNeededUser = "ANU",
        /// Somebody put the user onto a contact list.
        AddedToContactList = "ATCL",
        /// The block list has changed.
        BlockListChanged = "BLC",
        /// Whether it counts has changed.
        BlockListUsageChanged = "BLUC",
        /// A contact list has changed.
        ContactListChanged = "CLC",
        /// One was made.
        ContactListCreated = "CLCR",
        /// One was deleted.
        ContactListDeleted = "CLD",
        /// A group was made.
        GroupCreated = "GC",
        /// A group was deleted.
        GroupDeleted = "GD",
        /// A group is gone because nobody was in it.
        GroupRemoved = "GR",
        /// The grant list has changed.
        GrantListChanged = "GLC",
        /// Whether it counts has changed.
        GrantListUsageChanged = "GLUC",
        /// A member has another rank.
        GroupMemberAccessUpdated = "GMAU",
        /// Membership was given.
        GroupMembershipGranted = "GMG",
        /// Membership was taken.
        GroupMembershipRevoked = "GMR",
        /// Members of a group have changed.
        GroupMembersUpdated = "GMU",
        /// An invitation was accepted.
        InvitationAccepted = "IA",
        /// An invitation was taken back.
        InvitationCancelled = "IC",
        /// An invitation was rejected.
        InvitationRejected = "IR",
        /// What happens to messages for a user rather than a client has changed.
        OnlineEtemUpdated = "OEU",
        /// A public profile has changed.
        PublicProfileUpdated = "PPU",
        /// The priority of the session has changed.
        SessionPriorityAdjusted = "SPA",
    }
}

impl NotificationType {
    const fn bit(self) -> u32 {
        1 << self as u32
    }
}

/// A set of types.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct NotificationSet(u32);

impl NotificationSet {
    /// Every type.
    pub const ALL: Self = Self((NotificationType::SessionPriorityAdjusted.bit() << 1) - 1);

    /// What a request names: every type if it names none.
    pub fn named(types: &[NotificationType]) -> Self {
        if types.is_empty() { Self::ALL } else { Self(types.iter().fold(0, |bits, it| bits | it.bit())) }
    }

    /// From the bits of [`Self::bits`]; strange ones do not count.
    pub const fn from_bits(bits: u32) -> Self {
        Self(bits & Self::ALL.0)
    }

    /// One bit for each type, in the order of [`NotificationType::ALL`].
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// Whether the type is in it.
    pub const fn contains(self, kind: NotificationType) -> bool {
        self.0 & kind.bit() != 0
    }

    /// What is in one of both.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What is in this and not in the other.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

/// A user id that is none any more, and the one that took its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserIdPair {
    /// What is not known.
    pub unrecognized: UserId,
    /// What is.
    pub valid: UserId,
}

/// Something has happened that the client may want to know (1.3). Which fields are there follows from the type.
#[derive(Clone, Debug, PartialEq)]
pub struct NotificationRequest {
    /// What it is about.
    pub kind: NotificationType,
    /// Whether the block list counts.
    pub block_in_use: Option<bool>,
    /// Whether the grant list counts.
    pub grant_in_use: Option<bool>,
    /// Which group.
    pub group: Option<GroupId>,
    /// Which invitation.
    pub invite: Option<InviteId>,
    /// What happens to messages for a user rather than a client.
    pub online_etem: Option<Box<str>>,
    /// Which attributes.
    pub attributes: Option<PresenceSubList>,
    /// Which users.
    pub users: Vec<UserId>,
    /// Which contact lists.
    pub contact_lists: Vec<ContactListId>,
    /// Whether the default list is meant.
    pub default_list: Option<bool>,
    /// The priority of the session.
    pub session_priority: Option<u32>,
    /// Which members.
    pub members: Vec<User>,
    /// A user id that was put right.
    pub corrected: Option<UserIdPair>,
}

impl NotificationRequest {
    /// One that says no more than its type.
    pub const fn of(kind: NotificationType) -> Self {
        Self {
            kind,
            block_in_use: None,
            grant_in_use: None,
            group: None,
            invite: None,
            online_etem: None,
            attributes: None,
            users: Vec::new(),
            contact_lists: Vec::new(),
            default_list: None,
            session_priority: None,
            members: Vec::new(),
            corrected: None,
        }
    }
}

/// Tell me of these from now on (1.3).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SubscribeNotificationRequest {
    /// Which; none named means all.
    pub types: Vec<NotificationType>,
}

/// And of these no more (1.3).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnsubscribeNotificationRequest {
    /// Which; none named means all.
    pub types: Vec<NotificationType>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_has_a_bit_and_a_word_of_its_own() {
        let mut all = NotificationSet::default();
        for kind in NotificationType::ALL {
            assert!(!all.contains(*kind), "{kind:?}");
            all = all.union(NotificationSet::named(&[*kind]));
            assert_eq!(kind.as_str().parse::<NotificationType>(), Ok(*kind));
        }
        assert_eq!((all, NotificationSet::named(&[])), (NotificationSet::ALL, NotificationSet::ALL));
        assert_eq!(NotificationSet::from_bits(u32::MAX), all);
        assert_eq!(NotificationSet::from_bits(all.bits()).without(all), NotificationSet::default());
    }
}
