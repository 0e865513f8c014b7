//! Where senders, addressees and ids stand (reference ssp-primitives, ssp-behaviour §2).

use super::Role;
use crate::wire::tree::Name;

/// How deep below the primitive a place may be.
pub(super) const DEPTH_MAX: usize = 4;

/// A place inside a primitive: elements from the primitive down, and an attribute of the last.
pub(super) struct Place {
    path: &'static [Name],
    pub(super) attribute: Name,
    pub(super) role: Role,
}

impl Place {
    /// Whether the place is at this path of name hashes.
    pub(super) fn is_at(&self, path: &[u32]) -> bool {
        self.path.len() == path.len() && self.path.iter().zip(path).all(|(name, hash)| name.hash == *hash)
    }
}

/// A primitive that may pass through a relay.
pub(super) struct Routed {
    pub(super) name: Name,
    pub(super) places: &'static [Place],
}

/// The primitive of this name hash.
pub(super) fn routed(hash: u32) -> Option<&'static Routed> {
    ROUTED.iter().find(|routed| routed.name.hash == hash)
}

macro_rules! path {
    ("") => { &[] };
    ($($name:tt)/ *) => { &[$(Name::new($name)),*] };
}

/// Who asks stands at the same place everywhere, and every place is a row: role, path, attribute.
macro_rules! routed {
    ($($name:literal { $($role:ident $($element:tt)/ * @ $attribute:literal;)* })*) => {
        const ROUTED: &[Routed] = &[$(Routed {
            name: Name::new($name),
            places: &[
                Place {
                    path: path!("MetaInfo" / "Requestor"), attribute: Name::new("serviceID"), role: Role::Service,
                },
                Place {
                    path: path!("MetaInfo" / "Requestor" / "User"),
                    attribute: Name::new("userID"),
                    role: Role::Requestor,
                },
                $(Place {
                    path: path!($($element)/ *), attribute: Name::new($attribute), role: Role::$role,
                },)*
            ],
        }),*];
    };
}

routed! {
    "SendMessageRequest" {
        Key    "MessageInfo" @ "messageID";
        Validity "MessageInfo" @ "validity";
        Validity "MessageInfo" @ "validlity";
        To     "MessageInfo" / "Recipient" / "User" @ "userID";
        To     "MessageInfo" / "Recipient" / "GroupID" @ "groupID";
        To     "MessageInfo" / "Recipient" / "ScreenName" @ "groupID";
        From   "MessageInfo" / "Sender" / "User" @ "userID";
        From   "MessageInfo" / "Sender" / "GroupID" @ "groupID";
        Shown  "MessageInfo" / "Sender" / "SenderDisplay" / "UserID" @ "userID";
        Shown  "MessageInfo" / "Sender" / "SenderDisplay" / "GroupID" @ "groupID";
        Shown  "MessageInfo" / "Sender" / "SenderDisplay" / "ScreenName" @ "groupID";
    }
    "DeliveryStatusReport" {
        Key    "MessageInfo" @ "messageID";
        Either "MessageInfo" / "Recipient" / "User" @ "userID";
        Either "MessageInfo" / "Recipient" / "GroupID" @ "groupID";
        Either "MessageInfo" / "Recipient" / "ScreenName" @ "groupID";
        Either "MessageInfo" / "Sender" / "User" @ "userID";
        Either "MessageInfo" / "Sender" / "GroupID" @ "groupID";
    }
    "SubscribeRequest" { To "UserID" @ "userID"; }
    "UnsubscribeRequest" { To "UserID" @ "userID"; }
    "GetPresenceRequest" { To "VerUserID" @ "userID"; To "UserID" @ "userID"; }
    "PresenceNotification" { To "User" @ "userID"; From "PresenceValue" @ "userID"; }
    "InviteRequest" {
        Key "" @ "inviteID";
        Kind "" @ "inviteType";
        Validity "" @ "validity";
        From "Inviting" / "User" @ "userID";
        From "Inviting" / "GroupID" @ "groupID";
        From "Inviting" / "ScreenName" @ "groupID";
        To "Invited" / "User" @ "userID";
        To "Invited" / "GroupID" @ "groupID";
        To "Invited" / "ScreenName" @ "groupID";
    }
    "InviteResponse" {
        Key "" @ "inviteID";
        Either "Responding" / "User" @ "userID";
        Either "Responding" / "GroupID" @ "groupID";
        Either "Responding" / "ScreenName" @ "groupID";
        Either "Inviting" / "User" @ "userID";
        Either "Inviting" / "GroupID" @ "groupID";
        Either "Inviting" / "ScreenName" @ "groupID";
    }
    "CancelInviteRequest" {
        Key "" @ "inviteID";
        From "Canceling" / "User" @ "userID";
        From "Canceling" / "GroupID" @ "groupID";
        From "Canceling" / "ScreenName" @ "groupID";
        To "Canceled" / "User" @ "userID";
        To "Canceled" / "GroupID" @ "groupID";
        To "Canceled" / "ScreenName" @ "groupID";
    }
    "VerifyIDRequest" {
        To "UserID" @ "userID";
        To "GroupID" @ "groupID";
        To "ScreenName" @ "groupID";
    }
    "GetPublicProfileRequest" { To "UserID" @ "userID"; }
    "CreateGroupRequest" { To "" @ "groupID"; To "ScreenName" @ "groupID"; }
    "DeleteGroupRequest" { To "" @ "groupID"; }
    "GetGroupPropsRequest" { To "" @ "groupID"; }
    "SetGroupPropsRequest" { To "" @ "groupID"; }
    "JoinGroupRequest" { To "" @ "groupID"; To "ScreenName" @ "groupID"; }
    "LeaveGroupRequest" { To "" @ "groupID"; }
    "GetGroupMemberRequest" { To "" @ "groupID"; }
    "GetJoinedUsersRequest" { To "" @ "groupID"; }
    "AddGroupMemberRequest" { To "" @ "groupID"; }
    "RemoveGroupMemberRequest" { To "" @ "groupID"; }
    "MemberAccessRequest" { To "" @ "groupID"; }
    "RejectListRequest" { To "" @ "groupID"; }
    "SubscribeGroupChangeRequest" { To "" @ "groupID"; }
    "UnsubscribeGroupChangeRequest" { To "" @ "groupID"; }
    "GetGroupSubStatusRequest" { To "" @ "groupID"; }
    "LeaveGroupIndication" {
        From "" @ "groupID";
        To "User" @ "userID";
        To "GroupID" @ "groupID";
        To "ScreenName" @ "groupID";
    }
    "GroupChangeNotice" { From "" @ "groupID"; To "User" @ "userID"; }
}
