//! Which elements may stand under a Transaction (reference ssp-primitives, `ssp.rnc`).

use crate::wire::table::primitives;

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
    } not served {
        "GetServiceRequest", "GetServiceResponse", "ServiceRequest", "ServiceResponse", "ServiceIndication",
        "GetSPInfoRequest", "GetSPInfoResponse",
        "SearchRequest", "SearchResponse", "StopSearchRequest",
        "InviteRequest", "InviteResponse", "CancelInviteRequest", "VerifyIDRequest",
        "SystemMessageRequest", "SystemMessageUser",
        "GetPublicProfileRequest", "GetPublicProfileResponse", "UpdatePublicProfileRequest",
        "SubscribeRequest", "UnsubscribeRequest", "PresenceNotification",
        "GetPresenceRequest", "GetPresenceResponse", "GetWatcherListRequest", "GetWatcherListResponse",
        // On SSP a message is forwarded by a delegated element only (ssp-primitives §1.4).
        "ForwardMessageRequest", "ForwardMessageResponse",
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
        "GetListRequest", "GetListResponse", "CreateListRequest", "CreateListResponse",
        "DeleteListRequest", "ListManageRequest", "ListManageResponse",
        "CreateAttributeListRequest", "DeleteAttributeListRequest",
        "GetAttributeListRequest", "GetAttributeListResponse",
        "UpdatePresenceRequest", "PresenceAuthRequest", "PresenceAuthUser",
        "SetDeliveryMethodRequest", "GetMessageListRequest", "GetMessageListResponse",
        "RejectMessageRequest", "GetMessageRequest", "GetMessageResponse",
        "MessageNotification", "NewMessage", "MessageDelivered",
        "GetBlockedListRequest", "GetBlockedListResponse", "BlockEntityRequest",
        "ExtendConversationRequest", "ExtendConversationResponse", "GetMapRequest", "GetMapResponse",
    }
}
