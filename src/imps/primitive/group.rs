//! Groups: conversations with a home, members and rights (reference csp-messages §8,
//! ssp-primitives §4, ssp-types §6).
//!
//! A group lives in one domain, its home, and is asked there whoever asks. *Members* are those whom
//! the group knows by right (Admin, Mod, User); *joined* are those who are in the conversation now,
//! each with a client and under a screen name. The values of properties are kept as text, in the
//! notation of CSP.

use super::{Property, ScreenName, User};
use crate::imps::address::{GroupId, UserId};
use crate::imps::content::Content;
use crate::imps::status::Status;
use crate::imps::words::words;

/// What a user is told who joins a group.
#[derive(Clone, Debug, PartialEq)]
pub struct WelcomeNote {
    /// MIME type with parameters; `text/plain` where nobody said.
    pub content_type: Box<str>,
    /// The note.
    pub content: Content,
}

/// Properties of a group, and the note for those who join it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GroupProperties {
    /// Each with its value.
    pub properties: Vec<Property>,
    /// Absent in a request: stays as it is.
    pub welcome_note: Option<WelcomeNote>,
}

/// Somebody in a group: by screen name, and by address if that may be known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mapping {
    /// The screen name.
    pub name: Option<Box<str>>,
    /// The address.
    pub user: Option<UserId>,
}

/// Make a group.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateGroupRequest {
    /// The address it shall have; its domain becomes its home.
    pub group: GroupId,
    /// Its properties.
    pub properties: Option<GroupProperties>,
    /// Own properties of the creator (1.3).
    pub own: Vec<Property>,
    /// Join it too.
    pub join: bool,
    /// Under which name.
    pub screen_name: Option<ScreenName>,
    /// Hear of changes.
    pub subscribe: bool,
}

/// Delete a group. Everybody in it is put out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteGroupRequest {
    /// Which.
    pub group: GroupId,
}

/// Which properties does a group have, and which have I in it?
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetGroupPropsRequest {
    /// Which.
    pub group: GroupId,
}

/// The properties that the asker may see.
#[derive(Clone, Debug, PartialEq)]
pub struct GetGroupPropsResponse {
    /// Outcome; CSP has no place for it here and answers a failure with a Status.
    pub result: Status,
    /// Of the group.
    pub properties: Option<GroupProperties>,
    /// Of the asker in the group.
    pub own: Vec<Property>,
}

/// Change properties of a group, or one's own in it.
#[derive(Clone, Debug, PartialEq)]
pub struct SetGroupPropsRequest {
    /// Which.
    pub group: GroupId,
    /// Of the group; what is not named stays.
    pub properties: Option<GroupProperties>,
    /// Of the asker; what is not named stays.
    pub own: Vec<Property>,
}

/// Enter a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinGroupRequest {
    /// Which.
    pub group: GroupId,
    /// Under which name; the group's home picks one if absent.
    pub screen_name: Option<ScreenName>,
    /// Tell who is in.
    pub joined_request: bool,
    /// Hear of changes.
    pub subscribe: bool,
    /// Own properties (1.2 on).
    pub own: Vec<Property>,
}

/// The asker is in.
#[derive(Clone, Debug, PartialEq)]
pub struct JoinGroupResponse {
    /// Outcome; CSP has no place for it here and answers a failure with a Status.
    pub result: Status,
    /// The group of the request. Not carried by itself: 1.1 needs it for every screen name.
    pub group: Option<GroupId>,
    /// Who is in; empty unless asked for.
    pub joined: Vec<Mapping>,
    /// The name under which the asker is in (1.3).
    pub screen_name: Option<ScreenName>,
    /// What the group says to those who join.
    pub welcome_note: Option<WelcomeNote>,
}

/// Leave a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaveGroupRequest {
    /// Which.
    pub group: GroupId,
}

/// Somebody is out of a group, at their own wish (an answer) or not (a request of the group's home:
/// SSP `LeaveGroupIndication`, CSP `LeaveGroup-Response` with mode Request).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaveGroupResponse {
    /// Which group; clients may leave it out.
    pub group: Option<GroupId>,
    /// 200 at their own wish; 800 group deleted, 809 rejected, 816 removed, 824 logged out. A text
    /// of the reason that a peer gives is joined to the description.
    pub result: Status,
    /// Whom it concerns, if nobody asked.
    pub users: Vec<User>,
}

/// Who are the members of a group?
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetGroupMembersRequest {
    /// Which.
    pub group: GroupId,
}

/// Users by rank.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ranks {
    /// Administrators.
    pub admins: Vec<UserId>,
    /// Moderators.
    pub moderators: Vec<UserId>,
    /// Ordinary users.
    pub users: Vec<UserId>,
}

/// The members of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetGroupMembersResponse {
    /// Outcome; CSP has no place for it here and answers a failure with a Status.
    pub result: Status,
    /// By rank.
    pub members: Ranks,
}

/// Who is in a group now? (1.2 on)
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetJoinedUsersRequest {
    /// Which.
    pub group: GroupId,
}

/// Those who are in a group, by rank. Ordinary askers get everybody as ordinary.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JoinedUsers {
    /// Administrators.
    pub admins: Vec<Mapping>,
    /// Moderators.
    pub moderators: Vec<Mapping>,
    /// Ordinary users.
    pub users: Vec<Mapping>,
}

/// Who is in a group now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetJoinedUsersResponse {
    /// Outcome; CSP has no place for it here and answers a failure with a Status.
    pub result: Status,
    /// The group of the request. Not carried by itself: CSP needs it for screen names.
    pub group: Option<GroupId>,
    /// Who is in.
    pub joined: JoinedUsers,
    /// Who is in and blocked (1.3).
    pub blocked: Vec<Mapping>,
}

/// Make users members of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddGroupMembersRequest {
    /// Which.
    pub group: GroupId,
    /// Users of any domain.
    pub users: Vec<UserId>,
}

/// Take membership from users.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoveGroupMembersRequest {
    /// Which.
    pub group: GroupId,
    /// Users of any domain.
    pub users: Vec<UserId>,
}

/// Give members other ranks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberAccessRequest {
    /// Which.
    pub group: GroupId,
    /// Who shall have which.
    pub members: Ranks,
}

/// Change the list of users who may not join, and read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RejectListRequest {
    /// Which.
    pub group: GroupId,
    /// Who shall be on it.
    pub add: Listed,
    /// Who shall not.
    pub remove: Listed,
}

/// Users as a list of those who may not join names them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listed {
    /// By address.
    pub users: Vec<UserId>,
    /// By the name that they bear in the group, which only CSP can say.
    pub names: Vec<ScreenName>,
}

impl From<Vec<UserId>> for Listed {
    fn from(users: Vec<UserId>) -> Self {
        Self { users, names: Vec::new() }
    }
}

/// The list of users who may not join, after the change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RejectListResponse {
    /// Outcome; CSP has no place for it here and answers a failure with a Status.
    pub result: Status,
    /// The list.
    pub users: Vec<UserId>,
}

words! {
    /// What a client wants with the notices of a group.
    NoticeWish {
        /// Does it get them?
        Get = "G",
        /// Send them.
        Set = "S",
        /// Send them no more.
        Unset = "U",
    }
}

/// Ask for notices of a group, or whether they are sent (SSP: three elements).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscribeGroupNoticeRequest {
    /// Which.
    pub group: GroupId,
    /// What is wanted.
    pub wish: NoticeWish,
}

/// Whether notices of a group are sent to the asker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscribeGroupNoticeResponse {
    /// Outcome; CSP has no place for it here and answers a failure with a Status.
    pub result: Status,
    /// Which; not carried by CSP.
    pub group: Option<GroupId>,
    /// Whether they are.
    pub subscribed: bool,
}

/// Who came into a group and who went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Moves {
    /// Who came.
    pub joined: Vec<Mapping>,
    /// Who went, by screen name.
    pub left: Vec<Box<str>>,
    /// Who came and is blocked (1.3).
    pub joined_blocked: Vec<Mapping>,
    /// Who went and was blocked (1.3; for older clients they just went). Each by screen name, or by
    /// address if there is none.
    pub left_blocked: Vec<Mapping>,
}

/// Something changed in a group. Only those are told who are in it and asked for notices.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupChangeNotice {
    /// Which.
    pub group: GroupId,
    /// Recipients in one domain; CSP has no place for them.
    pub users: Vec<User>,
    /// Who came and went.
    pub moves: Moves,
    /// Properties of the group that changed.
    pub properties: Option<GroupProperties>,
    /// Own properties of the recipient that changed.
    pub own: Vec<Property>,
}
