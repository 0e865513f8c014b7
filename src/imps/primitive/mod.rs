//! The neutral primitives: what a request or answer says, whichever protocol carries it.
//!
//! A codec decodes *into* these and encodes *from* them (architecture §1.1). The values are owned;
//! identifiers and content are shared when cloned. Where a protocol has no place for a field, its
//! table says so with `lost()`. Who asks is not part of a primitive: CSP takes it from the session,
//! SSP carries it beside as [`MetaInfo`].

mod access;
mod conversation;
mod group;
mod im;
mod invite;
mod link;
mod lists;
mod negotiation;
mod notification;
mod party;
mod presence;
mod profile;
mod search;

pub use access::*;
pub use conversation::*;
pub use group::*;
pub use im::*;
pub use invite::*;
pub use link::*;
pub use lists::*;
pub use negotiation::*;
pub use notification::*;
pub use party::*;
pub use presence::*;
pub use profile::*;
pub use search::*;

use super::status::{Code, Status};

macro_rules! primitives {
    ($($(#[$doc:meta])* $name:ident $(($value:ty))?;)*) => {
        /// Every primitive that has a table of its own. Names are those of CSP without hyphen where
        /// CSP has the primitive.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Primitive {
            $($(#[$doc])* $name $(($value))?,)*
        }

        impl Primitive {
            /// The name, for logs and metrics.
            pub const fn name(&self) -> &'static str {
                match self {
                    $(primitives!(@pattern $name $(($value))?) => stringify!($name),)*
                }
            }

            /// Every name, in order of declaration.
            pub const NAMES: &'static [&'static str] = &[$(stringify!($name)),*];
        }

        $($(
            impl From<$value> for Primitive {
                fn from(value: $value) -> Self {
                    Self::$name(value)
                }
            }
        )?)*
    };
    (@pattern $name:ident) => { Self::$name };
    (@pattern $name:ident ($value:ty)) => { Self::$name(_) };
}

primitives! {
    /// The bare outcome of a request (CSP `Status`, SSP `Status`).
    Status(Status);
    /// CSP: a client asks for a session.
    LoginRequest(Box<LoginRequest>);
    /// CSP: nonce, or session, or refusal.
    LoginResponse(Box<LoginResponse>);
    /// A session ends at the wish of the sender.
    LogoutRequest;
    /// A session ends, and the receiver is told why.
    Disconnect(Disconnect);
    /// The session shall live on.
    KeepAliveRequest(KeepAliveRequest);
    /// Whether it does, and how long.
    KeepAliveResponse(KeepAliveResponse);
    /// CSP: the client asks for what waits for it.
    PollingRequest;
    /// Which provider is this?
    GetSpInfoRequest(GetSpInfoRequest);
    /// Name and description of the provider.
    GetSpInfoResponse(GetSpInfoResponse);
    /// CSP: which functions the client wants.
    ServiceRequest(ServiceRequest);
    /// CSP: which of them are refused, and all there are.
    ServiceResponse(ServiceResponse);
    /// CSP: what the client can do.
    ClientCapabilityRequest(ClientCapabilityRequest);
    /// CSP: what the server will use of it.
    ClientCapabilityResponse(ClientCapabilityResponse);
    /// An instant message on its way to its recipients.
    SendMessageRequest(SendMessageRequest);
    /// What became of it, for each recipient.
    SendMessageResponse(SendMessageResponse);
    /// CSP: an instant message for this client.
    NewMessage(NewMessage);
    /// CSP: the client has it.
    MessageDelivered(MessageDelivered);
    /// CSP: a message waits to be fetched.
    MessageNotification(MessageNotification);
    /// CSP: fetch a message.
    GetMessageRequest(GetMessageRequest);
    /// CSP: the message fetched.
    GetMessageResponse(GetMessageResponse);
    /// CSP: which messages wait?
    GetMessageListRequest(GetMessageListRequest);
    /// CSP: the messages that wait.
    GetMessageListResponse(GetMessageListResponse);
    /// CSP: delete messages unread.
    RejectMessageRequest(RejectMessageRequest);
    /// CSP: push or notify.
    SetDeliveryMethodRequest(SetDeliveryMethodRequest);
    /// A message was delivered, rejected, forwarded or has expired
    /// (CSP `DeliveryReport-Request`, SSP `DeliveryStatusReport`).
    DeliveryReport(DeliveryReport);
    /// Pass a stored message on.
    ForwardMessageRequest(ForwardMessageRequest);
    /// The id of the message passed on.
    ForwardMessageResponse(ForwardMessageResponse);
    /// CSP: who is blocked or granted?
    GetBlockedListRequest;
    /// CSP: the block and grant lists.
    GetBlockedListResponse(Box<GetBlockedListResponse>);
    /// CSP: change the block and grant lists.
    BlockEntityRequest(Box<BlockEntityRequest>);
    /// CSP: which contact lists are there?
    GetListRequest;
    /// CSP: the contact lists.
    GetListResponse(GetListResponse);
    /// CSP: make a contact list.
    CreateListRequest(CreateListRequest);
    /// CSP: the contact list that was made (1.3).
    CreateListResponse(CreateListResponse);
    /// CSP: delete a contact list.
    DeleteListRequest(DeleteListRequest);
    /// CSP: change or read a contact list.
    ListManageRequest(ListManageRequest);
    /// CSP: the contact list after the change.
    ListManageResponse(ListManageResponse);
    /// Somebody invites others: a client asks its home, a home the invitee's.
    InviteRequest(Box<InviteRequest>);
    /// CSP: a client hears that its user is invited.
    InviteUserRequest(Box<InviteUserRequest>);
    /// CSP: the invitee's client answers.
    InviteUserResponse(InviteUserResponse);
    /// The answer on its way to the inviter. A request of its own (reference csp-messages §4).
    InviteResponse(InviteResponse);
    /// The inviter takes an invitation back.
    CancelInviteRequest(Box<CancelInviteRequest>);
    /// CSP: a client hears that an invitation was taken back.
    CancelInviteUserRequest(Box<CancelInviteUserRequest>);
    /// Find users or groups.
    SearchRequest(SearchRequest);
    /// Some of what was found.
    SearchResponse(SearchResponse);
    /// No more of this search.
    StopSearchRequest(StopSearchRequest);
    /// Do these exist?
    VerifyIdRequest(VerifyIdRequest);
    /// What users say of themselves.
    GetPublicProfileRequest(GetPublicProfileRequest);
    /// The profiles.
    GetPublicProfileResponse(GetPublicProfileResponse);
    /// Change one's own profile.
    UpdatePublicProfileRequest(UpdatePublicProfileRequest);
    /// The provider speaks to a user.
    SystemMessageRequest(SystemMessageRequest);
    /// The user answers the provider.
    SystemMessageUser(SystemMessageUser);
    /// CSP: which versions are spoken? The root of a document of its own.
    VersionDiscoveryRequest(VersionDiscoveryRequest);
    /// CSP: the version to use.
    VersionDiscoveryResponse(VersionDiscoveryResponse);
    /// SSP: what does the peer offer?
    GetServiceRequest;
    /// SSP: what it offers.
    GetServiceResponse(GetServiceResponse);
    /// SSP: what this server wants to use.
    LinkServiceRequest(LinkServiceRequest);
    /// SSP: what is granted.
    LinkServiceResponse(LinkServiceResponse);
    /// SSP: the offer has changed.
    ServiceIndication(ServiceIndication);
    /// Make a group.
    CreateGroupRequest(CreateGroupRequest);
    /// Delete a group.
    DeleteGroupRequest(DeleteGroupRequest);
    /// Properties of a group, and one's own in it?
    GetGroupPropsRequest(GetGroupPropsRequest);
    /// The properties.
    GetGroupPropsResponse(GetGroupPropsResponse);
    /// Change properties.
    SetGroupPropsRequest(SetGroupPropsRequest);
    /// Enter a group.
    JoinGroupRequest(JoinGroupRequest);
    /// The asker is in.
    JoinGroupResponse(Box<JoinGroupResponse>);
    /// Leave a group.
    LeaveGroupRequest(LeaveGroupRequest);
    /// Somebody is out of a group: an answer, or told unasked (SSP `LeaveGroupIndication`).
    LeaveGroupResponse(LeaveGroupResponse);
    /// Who are the members of a group?
    GetGroupMembersRequest(GetGroupMembersRequest);
    /// The members by rank.
    GetGroupMembersResponse(GetGroupMembersResponse);
    /// Who is in a group now?
    GetJoinedUsersRequest(GetJoinedUsersRequest);
    /// Who is.
    GetJoinedUsersResponse(Box<GetJoinedUsersResponse>);
    /// Make users members.
    AddGroupMembersRequest(AddGroupMembersRequest);
    /// Take membership from users.
    RemoveGroupMembersRequest(RemoveGroupMembersRequest);
    /// Give members other ranks.
    MemberAccessRequest(MemberAccessRequest);
    /// Change and read the list of those who may not join.
    RejectListRequest(RejectListRequest);
    /// That list.
    RejectListResponse(RejectListResponse);
    /// Ask for notices of a group, or whether they are sent.
    SubscribeGroupNoticeRequest(SubscribeGroupNoticeRequest);
    /// Whether they are.
    SubscribeGroupNoticeResponse(SubscribeGroupNoticeResponse);
    /// Something changed in a group.
    GroupChangeNotice(Box<GroupChangeNotice>);
    /// CSP: make a group of a conversation (1.3).
    ExtendConversationRequest(Box<ExtendConversationRequest>);
    /// CSP: the group it became (1.3).
    ExtendConversationResponse(Box<ExtendConversationResponse>);
    /// CSP: a map, please (1.3).
    GetMapRequest(GetMapRequest);
    /// CSP: the map (1.3).
    GetMapResponse(GetMapResponse);
    /// Notify me of the presence of users (SSP `SubscribeRequest`).
    SubscribePresenceRequest(SubscribePresenceRequest);
    /// Notify me no more (SSP `UnsubscribeRequest`).
    UnsubscribePresenceRequest(UnsubscribePresenceRequest);
    /// The presence of users, told to a watcher.
    PresenceNotification(PresenceNotification);
    /// What is the presence of users?
    GetPresenceRequest(GetPresenceRequest);
    /// The presence of users.
    GetPresenceResponse(GetPresenceResponse);
    /// CSP: the presence of the asking user from now on.
    UpdatePresenceRequest(UpdatePresenceRequest);
    /// CSP: who watches?
    GetWatcherListRequest(GetWatcherListRequest);
    /// CSP: those who watch.
    GetWatcherListResponse(GetWatcherListResponse);
    /// CSP: what others may see.
    CreateAttributeListRequest(CreateAttributeListRequest);
    /// CSP: forget what others may see.
    DeleteAttributeListRequest(DeleteAttributeListRequest);
    /// CSP: what may others see?
    GetAttributeListRequest(GetAttributeListRequest);
    /// CSP: what others may see.
    GetAttributeListResponse(Box<GetAttributeListResponse>);
    /// CSP: may somebody see your presence (1.1, 1.2)?
    PresenceAuthRequest(PresenceAuthRequest);
    /// CSP: something has happened that the client may want to know (1.3).
    NotificationRequest(Box<NotificationRequest>);
    /// CSP: tell me of such things (1.3).
    SubscribeNotificationRequest(SubscribeNotificationRequest);
    /// CSP: tell me no more (1.3).
    UnsubscribeNotificationRequest(UnsubscribeNotificationRequest);
    /// CSP: it may, or not (1.1, 1.2).
    PresenceAuthUser(PresenceAuthUser);
    /// CSP: it may no longer (1.1, 1.2).
    CancelAuthRequest(CancelAuthRequest);
    /// CSP: what was answered (1.2)?
    GetReactiveAuthStatusRequest(GetReactiveAuthStatusRequest);
    /// CSP: what was answered (1.2).
    GetReactiveAuthStatusResponse(GetReactiveAuthStatusResponse);
}

impl Primitive {
    /// What an answer says of the outcome; `None` for a request, and for an answer that is all good news.
    pub const fn status(&self) -> Option<&Status> {
        match self {
            Self::Status(status) => Some(status),
            Self::LoginResponse(response) => Some(&response.result),
            Self::KeepAliveResponse(response) => Some(&response.result),
            Self::SendMessageResponse(response) => Some(&response.result),
            Self::GetPresenceResponse(response) => Some(&response.result),
            Self::GetWatcherListResponse(response) => Some(&response.result),
            Self::GetAttributeListResponse(response) => Some(&response.result),
            Self::GetMessageResponse(response) => Some(&response.result),
            Self::GetMessageListResponse(response) => Some(&response.result),
            Self::ForwardMessageResponse(response) => Some(&response.result),
            Self::GetBlockedListResponse(response) => Some(&response.result),
            Self::GetListResponse(response) => Some(&response.result),
            Self::CreateListResponse(response) => Some(&response.result),
            Self::ListManageResponse(response) => Some(&response.result),
            Self::SearchResponse(response) => Some(&response.result),
            Self::GetGroupPropsResponse(response) => Some(&response.result),
            Self::JoinGroupResponse(response) => Some(&response.result),
            Self::LeaveGroupResponse(response) => Some(&response.result),
            Self::GetGroupMembersResponse(response) => Some(&response.result),
            Self::GetJoinedUsersResponse(response) => Some(&response.result),
            Self::RejectListResponse(response) => Some(&response.result),
            Self::SubscribeGroupNoticeResponse(response) => Some(&response.result),
            Self::GetPublicProfileResponse(response) => Some(&response.result),
            Self::ExtendConversationResponse(response) => Some(&response.result),
            Self::GetMapResponse(response) => Some(&response.result),
            _ => None,
        }
    }

    /// The code that an answer tells.
    pub const fn code(&self) -> Code {
        match self.status() {
            Some(status) => status.code,
            None => Code::SUCCESSFUL,
        }
    }

    /// The notice with these recipients, all of one domain: SSP names them, CSP knows them by the session.
    #[must_use]
    pub fn addressed_to(mut self, users: &[User]) -> Self {
        match &mut self {
            Self::GroupChangeNotice(notice) => notice.users = users.to_vec(),
            Self::LeaveGroupResponse(notice) => notice.users = users.to_vec(),
            Self::PresenceNotification(notice) => notice.users = users.to_vec(),
            _ => {}
        }
        self
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_primitive_is_small_enough_to_be_moved() {
        assert!(size_of::<super::Primitive>() <= 512, "{} octets", size_of::<super::Primitive>());
    }
}
