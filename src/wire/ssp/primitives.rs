//! Which elements may stand under a Transaction (reference ssp-primitives, `ssp.rnc`).

use super::group;
use crate::imps::Primitive;
use crate::wire::Carried;
use crate::wire::table::{Context, RowInfo, Sink, Ssp, Table, carried, primitives};
use crate::wire::tree::Element;

primitives! {
    /// The primitives of SSP.
    pub(super) SspPrimitives of Ssp {
        Status: "Status",
        SendMessageRequest: "SendMessageRequest",
        SendMessageResponse: "SendMessageResponse",
        DeliveryReport: "DeliveryStatusReport",
        KeepAliveRequest: "KeepAliveRequest",
        KeepAliveResponse: "KeepAliveResponse",
        LogoutRequest: "LogoutRequest" empty,
        Disconnect: "Disconnect",
        SubscribePresenceRequest: "SubscribeRequest",
        UnsubscribePresenceRequest: "UnsubscribeRequest",
        PresenceNotification: "PresenceNotification",
        GetPresenceRequest: "GetPresenceRequest",
        GetPresenceResponse: "GetPresenceResponse",
        GetWatcherListRequest: "GetWatcherListRequest",
        GetWatcherListResponse: "GetWatcherListResponse",
        // On SSP a message is forwarded by a delegated element only (ssp-primitives §1.4).
        ForwardMessageRequest: "ForwardMessageRequest",
        ForwardMessageResponse: "ForwardMessageResponse",
        // Delegated services, in CSP shape (ssp-primitives §6).
        NewMessage: "NewMessage" delegated,
        MessageDelivered: "MessageDelivered" delegated,
        MessageNotification: "MessageNotification" delegated,
        GetMessageRequest: "GetMessageRequest" delegated,
        GetMessageResponse: "GetMessageResponse" delegated,
        GetMessageListRequest: "GetMessageListRequest" delegated,
        GetMessageListResponse: "GetMessageListResponse" delegated,
        RejectMessageRequest: "RejectMessageRequest" delegated,
        SetDeliveryMethodRequest: "SetDeliveryMethodRequest" delegated,
        GetBlockedListRequest: "GetBlockedListRequest" empty,
        GetBlockedListResponse: "GetBlockedListResponse" delegated,
        BlockEntityRequest: "BlockEntityRequest" delegated,
        GetListRequest: "GetListRequest" empty,
        GetListResponse: "GetListResponse" delegated,
        CreateListRequest: "CreateListRequest" delegated,
        CreateListResponse: "CreateListResponse" delegated,
        DeleteListRequest: "DeleteListRequest" delegated,
        ListManageRequest: "ListManageRequest" delegated,
        ListManageResponse: "ListManageResponse" delegated,
        GetServiceRequest: "GetServiceRequest" empty,
        GetServiceResponse: "GetServiceResponse",
        LinkServiceRequest: "ServiceRequest",
        LinkServiceResponse: "ServiceResponse",
        ServiceIndication: "ServiceIndication",
        GetSpInfoRequest: "GetSPInfoRequest",
        GetSpInfoResponse: "GetSPInfoResponse",
        SearchRequest: "SearchRequest",
        SearchResponse: "SearchResponse",
        StopSearchRequest: "StopSearchRequest",
        InviteRequest: "InviteRequest",
        InviteResponse: "InviteResponse",
        CancelInviteRequest: "CancelInviteRequest",
        VerifyIdRequest: "VerifyIDRequest",
        SystemMessageRequest: "SystemMessageRequest",
        SystemMessageUser: "SystemMessageUser",
        GetPublicProfileRequest: "GetPublicProfileRequest",
        GetPublicProfileResponse: "GetPublicProfileResponse",
        UpdatePublicProfileRequest: "UpdatePublicProfileRequest",
        CreateGroupRequest: "CreateGroupRequest",
        DeleteGroupRequest: "DeleteGroupRequest",
        GetGroupPropsRequest: "GetGroupPropsRequest",
        GetGroupPropsResponse: "GetGroupPropsResponse",
        SetGroupPropsRequest: "SetGroupPropsRequest",
        JoinGroupRequest: "JoinGroupRequest",
        JoinGroupResponse: "JoinGroupResponse",
        LeaveGroupRequest: "LeaveGroupRequest",
        LeaveGroupResponse: "LeaveGroupIndication",
        GetGroupMembersRequest: "GetGroupMemberRequest",
        GetGroupMembersResponse: "GetGroupMemberResponse",
        GetJoinedUsersRequest: "GetJoinedUsersRequest",
        GetJoinedUsersResponse: "GetJoinedUsersResponse",
        AddGroupMembersRequest: "AddGroupMemberRequest",
        RemoveGroupMembersRequest: "RemoveGroupMemberRequest",
        MemberAccessRequest: "MemberAccessRequest",
        RejectListRequest: "RejectListRequest",
        RejectListResponse: "RejectListResponse",
        SubscribeGroupNoticeResponse: "GetGroupSubStatusResponse",
        GroupChangeNotice: "GroupChangeNotice",
        UpdatePresenceRequest: "UpdatePresenceRequest" delegated,
        CreateAttributeListRequest: "CreateAttributeListRequest" delegated,
        DeleteAttributeListRequest: "DeleteAttributeListRequest" delegated,
        GetAttributeListRequest: "GetAttributeListRequest" delegated,
        GetAttributeListResponse: "GetAttributeListResponse" delegated,
        PresenceAuthRequest: "PresenceAuthRequest" delegated,
        PresenceAuthUser: "PresenceAuthUser" delegated,
        ExtendConversationRequest: "ExtendConversationRequest" delegated,
        ExtendConversationResponse: "ExtendConversationResponse" delegated,
        GetMapRequest: "GetMapRequest" delegated,
        GetMapResponse: "GetMapResponse" delegated,
    } not served {
    }
}

/// Reads the primitive that this element is.
pub(super) fn read(element: Element<'_, '_>, context: &Context<'_>) -> Carried {
    match group::read_wish_element(element, context) {
        Some((name, read)) => carried(name, read),
        None => SspPrimitives::read(element, context),
    }
}

/// Writes the primitive; `false` if SSP has no such primitive, and then nothing is written. `prelude`
/// is called between the attributes and the children.
pub(super) fn write(
    primitive: &Primitive,
    prelude: &mut dyn FnMut(&mut dyn Sink),
    sink: &mut dyn Sink,
    context: &Context<'_>,
) -> bool {
    let Primitive::SubscribeGroupNoticeRequest(request) = primitive else {
        return SspPrimitives::write(primitive, prelude, sink, context);
    };
    group::write_wish_element(request, prelude, sink);
    true
}

macro_rules! rows_of {
    ($($type:ident),+ $(,)?) => {
        vec![$((stringify!($type), <$type as Table<Ssp>>::rows())),+]
    };
}

/// Every table of SSP: the name of its value and its rows, for the conformance page.
pub fn tables() -> Vec<(&'static str, Vec<RowInfo>)> {
    #[allow(clippy::wildcard_imports, reason = "all of them are named below")]
    use crate::imps::primitive::*;
    use crate::imps::{DetailedResult, Status};
    rows_of! {
        ClientId, User, ScreenName, Sender, Status, DetailedResult, MessageInfo, SendMessageRequest,
        SendMessageResponse, DeliveryReport, ForwardMessageRequest, ForwardMessageResponse, KeepAliveRequest, KeepAliveResponse, Disconnect,
        LinkLoginResponse, Redirect, Property, InviteRequest, InviteResponse, CancelInviteRequest, SearchRequest,
        SearchPair, SearchResponse, StopSearchRequest, VerifyIdRequest, GetPublicProfileRequest,
        GetPublicProfileResponse, PublicProfile, UpdatePublicProfileRequest, SystemMessageRequest, SystemMessage,
        AnswerOption, SystemMessageUser, SystemMessageResponse, GetSpInfoRequest, GetSpInfoResponse,
        GetServiceResponse, LinkServiceRequest, LinkServiceResponse, ServiceIndication,
        WelcomeNote, GroupProperties, CreateGroupRequest, DeleteGroupRequest,
        GetGroupPropsRequest, GetGroupPropsResponse, SetGroupPropsRequest, JoinGroupRequest,
        JoinGroupResponse, LeaveGroupRequest, LeaveGroupResponse, GetGroupMembersRequest,
        GetGroupMembersResponse, GetJoinedUsersRequest, GetJoinedUsersResponse, AddGroupMembersRequest,
        RemoveGroupMembersRequest, MemberAccessRequest, RejectListRequest, RejectListResponse,
        SubscribeGroupNoticeRequest, SubscribeGroupNoticeResponse, GroupChangeNotice,
        SubscribePresenceRequest, UnsubscribePresenceRequest, Presence, PresenceNotification,
        GetPresenceRequest, GetPresenceResponse, GetWatcherListRequest, Watcher, GetWatcherListResponse,
    }
}

/// Element names of the primitives that are served, and of those that are known and not served yet.
pub fn names() -> (Vec<&'static str>, &'static [&'static str]) {
    let mut served = SspPrimitives::NAMES.to_vec();
    served.extend(group::WISHES.iter().map(|(name, _)| name.text));
    (served, SspPrimitives::UNSERVED)
}

/// The name that SSP gives a primitive ([`Primitive::name`]), where it has one of its own; else the name itself.
pub fn element_of(primitive: &'static str) -> &'static str {
    SspPrimitives::element_of(primitive).unwrap_or(primitive)
}
