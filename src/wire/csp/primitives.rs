//! Which primitives CSP has, and under which names.

use crate::imps::{Primitive, Status};
use crate::wire::Carried;
use crate::wire::table::{Context, Csp, Row, RowInfo, Sink, Table, carried, primitives, rows, write_element};
use crate::wire::tree::{Element, Name};

primitives! { ListOfCsp of Csp {
    LoginRequest: "Login-Request",
    LoginResponse: "Login-Response",
    LogoutRequest: "Logout-Request" empty,
    Disconnect: "Disconnect",
    KeepAliveRequest: "KeepAlive-Request",
    KeepAliveResponse: "KeepAlive-Response",
    PollingRequest: "Polling-Request" empty,
    GetSpInfoRequest: "GetSPInfo-Request",
    GetSpInfoResponse: "GetSPInfo-Response",
    ServiceRequest: "Service-Request",
    ServiceResponse: "Service-Response",
    ClientCapabilityRequest: "ClientCapability-Request",
    ClientCapabilityResponse: "ClientCapability-Response",
    SendMessageRequest: "SendMessage-Request",
    SendMessageResponse: "SendMessage-Response",
    NewMessage: "NewMessage",
    MessageDelivered: "MessageDelivered",
    MessageNotification: "MessageNotification",
    GetMessageRequest: "GetMessage-Request",
    GetMessageResponse: "GetMessage-Response",
    GetMessageListRequest: "GetMessageList-Request",
    GetMessageListResponse: "GetMessageList-Response",
    RejectMessageRequest: "RejectMessage-Request",
    SetDeliveryMethodRequest: "SetDeliveryMethod-Request",
    DeliveryReport: "DeliveryReport-Request",
    ForwardMessageRequest: "ForwardMessage-Request",
    ForwardMessageResponse: "ForwardMessage-Response",
    GetBlockedListRequest: "GetBlockedList-Request" empty,
    GetBlockedListResponse: "GetBlockedList-Response",
    BlockEntityRequest: "BlockEntity-Request" | "BlockUser-Request",
    GetListRequest: "GetList-Request" empty,
    GetListResponse: "GetList-Response",
    CreateListRequest: "CreateList-Request",
    CreateListResponse: "CreateList-Response",
    DeleteListRequest: "DeleteList-Request",
    ListManageRequest: "ListManage-Request",
    ListManageResponse: "ListManage-Response",
    InviteRequest: "Invite-Request",
    InviteUserRequest: "InviteUser-Request",
    InviteUserResponse: "InviteUser-Response",
    InviteResponse: "Invite-Response",
    CancelInviteRequest: "CancelInvite-Request",
    CancelInviteUserRequest: "CancelInviteUser-Request",
    SearchRequest: "Search-Request",
    SearchResponse: "Search-Response",
    StopSearchRequest: "StopSearch-Request",
    VerifyIdRequest: "VerifyID-Request",
    GetPublicProfileRequest: "GetPublicProfile-Request",
    GetPublicProfileResponse: "GetPublicProfile-Response",
    UpdatePublicProfileRequest: "UpdatePublicProfile-Request",
    SystemMessageRequest: "SystemMessage-Request",
    SystemMessageUser: "SystemMessage-User",
    VersionDiscoveryRequest: "WV-CSP-VersionDiscovery-Request" | "WV-CSP-NSDiscovery-Request",
    VersionDiscoveryResponse: "WV-CSP-VersionDiscovery-Response" | "WV-CSP-NSDiscovery-Response",
    CreateGroupRequest: "CreateGroup-Request",
    DeleteGroupRequest: "DeleteGroup-Request",
    GetGroupPropsRequest: "GetGroupProps-Request",
    GetGroupPropsResponse: "GetGroupProps-Response",
    SetGroupPropsRequest: "SetGroupProps-Request",
    JoinGroupRequest: "JoinGroup-Request",
    JoinGroupResponse: "JoinGroup-Response",
    LeaveGroupRequest: "LeaveGroup-Request",
    LeaveGroupResponse: "LeaveGroup-Response",
    GetGroupMembersRequest: "GetGroupMembers-Request",
    GetGroupMembersResponse: "GetGroupMembers-Response",
    GetJoinedUsersRequest: "GetJoinedUsers-Request",
    GetJoinedUsersResponse: "GetJoinedUsers-Response",
    AddGroupMembersRequest: "AddGroupMembers-Request",
    RemoveGroupMembersRequest: "RemoveGroupMembers-Request",
    MemberAccessRequest: "MemberAccess-Request",
    RejectListRequest: "RejectList-Request",
    RejectListResponse: "RejectList-Response",
    SubscribeGroupNoticeRequest: "SubscribeGroupNotice-Request",
    SubscribeGroupNoticeResponse: "SubscribeGroupNotice-Response",
    GroupChangeNotice: "GroupChangeNotice",
    ExtendConversationRequest: "ExtendConversation-Request",
    ExtendConversationResponse: "ExtendConversation-Response",
    GetMapRequest: "GetMap-Request",
    GetMapResponse: "GetMap-Response",
    SubscribePresenceRequest: "SubscribePresence-Request",
    UnsubscribePresenceRequest: "UnsubscribePresence-Request",
    PresenceNotification: "PresenceNotification-Request",
    GetPresenceRequest: "GetPresence-Request",
    GetPresenceResponse: "GetPresence-Response",
    UpdatePresenceRequest: "UpdatePresence-Request",
    GetWatcherListRequest: "GetWatcherList-Request",
    GetWatcherListResponse: "GetWatcherList-Response",
    CreateAttributeListRequest: "CreateAttributeList-Request",
    DeleteAttributeListRequest: "DeleteAttributeList-Request",
    GetAttributeListRequest: "GetAttributeList-Request",
    GetAttributeListResponse: "GetAttributeList-Response",
    PresenceAuthRequest: "PresenceAuth-Request",
    PresenceAuthUser: "PresenceAuth-User",
    CancelAuthRequest: "CancelAuth-Request",
    GetReactiveAuthStatusRequest: "GetReactiveAuthStatus-Request",
    GetReactiveAuthStatusResponse: "GetReactiveAuthStatus-Response",
    NotificationRequest: "Notification-Request",
    SubscribeNotificationRequest: "SubscribeNotification-Request",
    UnsubscribeNotificationRequest: "UnsubscribeNotification-Request",
} not served {

    "DropSegment-Request", "Extended-Request", "Extended-Response",
    "GetSegment-Request", "GetSegment-Response",
}}

const STATUS: Name = Name::new("Status");

/// Reads the primitive that this element is. `Status` has its outcome in a `Result` element.
pub(super) fn read(element: Element<'_, '_>, context: &Context<'_>) -> Carried {
    if !element.is(STATUS) {
        return ListOfCsp::read(element, context);
    }
    let status = Row::<Csp, Status>::read(const { &rows::one("Result") }, element, context);
    carried(STATUS.text, status.map(|status| Box::new(Primitive::Status(status))))
}

/// Writes the primitive; `false` if CSP has no such primitive, and then nothing is written.
pub(super) fn write(primitive: &Primitive, sink: &mut dyn Sink, context: &Context<'_>) -> bool {
    let Primitive::Status(status) = primitive else {
        return ListOfCsp::write(primitive, &mut |_| {}, sink, context);
    };
    sink.open(STATUS.text);
    write_element::<Csp, Status>("Result", status, sink, context);
    sink.close();
    true
}

macro_rules! rows_of {
    ($($type:ident),+ $(,)?) => {
        vec![$((stringify!($type), <$type as Table<Csp>>::rows())),+]
    };
}

/// Every table of CSP: the name of its value and its rows, for the conformance page.
pub fn tables() -> Vec<(&'static str, Vec<RowInfo>)> {
    #[allow(clippy::wildcard_imports, reason = "all of them are named below")]
    use crate::imps::primitive::*;
    use crate::imps::{DetailedResult, Status};
    rows_of! {
        ClientId, User, ScreenName, Entities, Status, DetailedResult, LoginRequest, LoginResponse, Disconnect,
        KeepAliveRequest, KeepAliveResponse, GetSpInfoRequest, GetSpInfoResponse, ServiceRequest,
        ServiceResponse, ClientCapabilityRequest, ClientCapabilityResponse, Capabilities, AcceptedContentType,
        MessageInfo, Font, SendMessageRequest, SendMessageResponse, NewMessage, MessageDelivered,
        MessageNotification, GetMessageRequest, GetMessageResponse, GetMessageListRequest,
        GetMessageListResponse, RejectMessageRequest, SetDeliveryMethodRequest, DeliveryReport,
        ForwardMessageRequest, ForwardMessageResponse, BlockList, GetBlockedListResponse, BlockEntityRequest,
        Property, NickList, GetListResponse, CreateListRequest, CreateListResponse, DeleteListRequest,
        ListManageRequest, ListManageResponse,
        InviteRequest, InviteUserRequest, InviteUserResponse, InviteResponse, CancelInviteRequest,
        CancelInviteUserRequest, SearchRequest, SearchPair, SearchResponse, StopSearchRequest, VerifyIdRequest,
        GetPublicProfileRequest, GetPublicProfileResponse, PublicProfile, UpdatePublicProfileRequest,
        SystemMessageRequest, SystemMessage, AnswerOption, VerificationMechanism, SystemMessageUser,
        SystemMessageResponse, VersionDiscoveryRequest, VersionDiscoveryResponse, VersionList,
        WelcomeNote, GroupProperties, Mapping, CreateGroupRequest, DeleteGroupRequest,
        GetGroupPropsRequest, GetGroupPropsResponse, SetGroupPropsRequest, JoinGroupRequest,
        JoinGroupResponse, LeaveGroupRequest, LeaveGroupResponse, GetGroupMembersRequest,
        GetGroupMembersResponse, GetJoinedUsersRequest, GetJoinedUsersResponse, AddGroupMembersRequest,
        RemoveGroupMembersRequest, MemberAccessRequest, RejectListRequest, RejectListResponse,
        SubscribeGroupNoticeRequest, SubscribeGroupNoticeResponse, GroupChangeNotice,
        ExtendConversationRequest, ExtendConversationResponse, GetMapRequest, GetMapResponse,
        SubscribePresenceRequest, UnsubscribePresenceRequest, Presence, PresenceNotification,
        GetPresenceRequest, GetPresenceResponse, UpdatePresenceRequest, GetWatcherListRequest, Watcher,
        GetWatcherListResponse, CreateAttributeListRequest, DeleteAttributeListRequest,
        GetAttributeListRequest, AttributeGrant, DefaultAttributeList, GetAttributeListResponse,
        NotificationRequest, SubscribeNotificationRequest, UnsubscribeNotificationRequest, UserIdPair,
        PresenceAuthRequest, PresenceAuthUser, CancelAuthRequest, GetReactiveAuthStatusRequest,
        ReactiveAuthStatus, GetReactiveAuthStatusResponse,
    }
}

/// Element names of the primitives that are served, and of those that are known and not served yet.
pub fn names() -> (Vec<&'static str>, &'static [&'static str]) {
    let mut served = ListOfCsp::NAMES.to_vec();
    served.push(STATUS.text);
    (served, ListOfCsp::UNSERVED)
}
