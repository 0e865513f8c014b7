//! Which elements may stand under a Transaction (reference ssp-primitives, `ssp.rnc`).

use crate::wire::table::{RowInfo, Ssp, Table, primitives};

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
    } not served {
        "SubscribeRequest", "UnsubscribeRequest", "PresenceNotification",
        "GetPresenceRequest", "GetPresenceResponse", "GetWatcherListRequest", "GetWatcherListResponse",
        "CreateGroupRequest", "DeleteGroupRequest",
        "GetGroupPropsRequest", "GetGroupPropsResponse", "SetGroupPropsRequest",
        "JoinGroupRequest", "JoinGroupResponse", "LeaveGroupRequest", "LeaveGroupIndication",
        "GetGroupMemberRequest", "GetGroupMemberResponse",
        "GetJoinedUsersRequest", "GetJoinedUsersResponse",
        "AddGroupMemberRequest", "RemoveGroupMemberRequest", "MemberAccessRequest",
        "RejectListRequest", "RejectListResponse",
        "SubscribeGroupChangeRequest", "UnsubscribeGroupChangeRequest",
        "GetGroupSubStatusRequest", "GetGroupSubStatusResponse", "GroupChangeNotice",
        // Delegated services, in CSP shape (ssp-primitives §6).
        "CreateAttributeListRequest", "DeleteAttributeListRequest",
        "GetAttributeListRequest", "GetAttributeListResponse",
        "UpdatePresenceRequest", "PresenceAuthRequest", "PresenceAuthUser",
        "ExtendConversationRequest", "ExtendConversationResponse", "GetMapRequest", "GetMapResponse",
    }
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
    }
}

/// Element names of the primitives that are served, and of those that are known and not served yet.
pub fn names() -> (&'static [&'static str], &'static [&'static str]) {
    (SspPrimitives::NAMES, SspPrimitives::UNSERVED)
}
