//! Which service a primitive belongs to.
//!
//! An agreement with a peer lists services; a primitive of a service that is not listed is answered
//! 506. Some primitives need only an agreement in force, some need delegation, and some never come
//! from a peer at all (architecture §4, *Services*; reference ssp-primitives §6).

use crate::imps::Primitive;
use crate::imps::agreement::Service;
use crate::imps::primitive::InviteType;

/// What has to be agreed before a peer may ask this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// An agreement in force, nothing more: keep-alive, logout, negotiation.
    Session,
    /// This service.
    Of(Service),
    /// This service, run by the peer for our users.
    Delegated(Service),
    /// No agreement allows it between providers.
    Never,
    /// Only clients ask this; SSP has no such request.
    ClientOnly,
    /// It is an answer, and no request.
    Answer,
}

/// What has to be agreed before a peer may ask this.
pub const fn standing(primitive: &Primitive) -> Standing {
    match primitive {
        Primitive::LogoutRequest
        | Primitive::Disconnect(_)
        | Primitive::KeepAliveRequest(_)
        | Primitive::GetSpInfoRequest(_)
        | Primitive::GetServiceRequest
        | Primitive::LinkServiceRequest(_)
        | Primitive::ServiceIndication(_)
        | Primitive::VerifyIdRequest(_)
        // Whether the invitation was agreed was asked when it came or went.
        | Primitive::InviteResponse(_)
        | Primitive::CancelInviteRequest(_) => Standing::Session,
        Primitive::InviteRequest(invitation) => Standing::Of(service_of(invitation.kind)),
        Primitive::SearchRequest(_)
        | Primitive::StopSearchRequest(_)
        | Primitive::GetPublicProfileRequest(_) => Standing::Of(Service::Search),
        Primitive::UpdatePublicProfileRequest(_) => Standing::Delegated(Service::Search),
        // A foreign operator does not talk to our users (reference ssp-primitives §3.7).
        Primitive::SystemMessageRequest(_) | Primitive::SystemMessageUser(_) => Standing::Never,
        Primitive::SendMessageRequest(_) | Primitive::DeliveryReport(_) => Standing::Of(Service::Im),
        Primitive::CreateGroupRequest(_)
        | Primitive::DeleteGroupRequest(_)
        | Primitive::GetGroupPropsRequest(_)
        | Primitive::SetGroupPropsRequest(_)
        | Primitive::JoinGroupRequest(_)
        | Primitive::LeaveGroupRequest(_)
        // Told unasked, by the group's home.
        | Primitive::LeaveGroupResponse(_)
        | Primitive::GetGroupMembersRequest(_)
        | Primitive::GetJoinedUsersRequest(_)
        | Primitive::AddGroupMembersRequest(_)
        | Primitive::RemoveGroupMembersRequest(_)
        | Primitive::MemberAccessRequest(_)
        | Primitive::RejectListRequest(_)
        | Primitive::SubscribeGroupNoticeRequest(_)
        | Primitive::GroupChangeNotice(_) => Standing::Of(Service::Group),
        Primitive::SubscribePresenceRequest(_)
        | Primitive::UnsubscribePresenceRequest(_)
        | Primitive::PresenceNotification(_)
        | Primitive::GetPresenceRequest(_) => Standing::Of(Service::Presence),
        Primitive::GetListRequest
        | Primitive::CreateListRequest(_)
        | Primitive::DeleteListRequest(_)
        | Primitive::ListManageRequest(_)
        | Primitive::UpdatePresenceRequest(_)
        | Primitive::GetWatcherListRequest(_)
        | Primitive::CreateAttributeListRequest(_)
        | Primitive::DeleteAttributeListRequest(_)
        | Primitive::GetAttributeListRequest(_)
        | Primitive::PresenceAuthRequest(_)
        | Primitive::PresenceAuthUser(_) => Standing::Delegated(Service::Presence),
        Primitive::ExtendConversationRequest(_) => Standing::Delegated(Service::Group),
        Primitive::GetMapRequest(_) => Standing::Delegated(Service::Content),
        Primitive::NewMessage(_)
        | Primitive::MessageDelivered(_)
        | Primitive::MessageNotification(_)
        | Primitive::GetMessageRequest(_)
        | Primitive::GetMessageListRequest(_)
        | Primitive::RejectMessageRequest(_)
        | Primitive::SetDeliveryMethodRequest(_)
        | Primitive::ForwardMessageRequest(_)
        | Primitive::GetBlockedListRequest
        | Primitive::BlockEntityRequest(_) => Standing::Delegated(Service::Im),
        Primitive::LoginRequest(_)
        | Primitive::PollingRequest
        | Primitive::ServiceRequest(_)
        | Primitive::ClientCapabilityRequest(_)
        | Primitive::CancelAuthRequest(_)
        | Primitive::NotificationRequest(_)
        | Primitive::SubscribeNotificationRequest(_)
        | Primitive::UnsubscribeNotificationRequest(_)
        | Primitive::GetReactiveAuthStatusRequest(_)
        | Primitive::InviteUserRequest(_)
        | Primitive::InviteUserResponse(_)
        | Primitive::CancelInviteUserRequest(_)
        | Primitive::VersionDiscoveryRequest(_) => Standing::ClientOnly,
        Primitive::Status(_)
        | Primitive::LoginResponse(_)
        | Primitive::KeepAliveResponse(_)
        | Primitive::GetSpInfoResponse(_)
        | Primitive::ServiceResponse(_)
        | Primitive::ClientCapabilityResponse(_)
        | Primitive::SendMessageResponse(_)
        | Primitive::GetMessageResponse(_)
        | Primitive::GetMessageListResponse(_)
        | Primitive::ForwardMessageResponse(_)
        | Primitive::GetBlockedListResponse(_)
        | Primitive::GetListResponse(_)
        | Primitive::CreateListResponse(_)
        | Primitive::ListManageResponse(_)
        | Primitive::GetPresenceResponse(_)
        | Primitive::GetWatcherListResponse(_)
        | Primitive::GetAttributeListResponse(_)
        | Primitive::GetReactiveAuthStatusResponse(_)
        | Primitive::SearchResponse(_)
        | Primitive::GetPublicProfileResponse(_)
        | Primitive::VersionDiscoveryResponse(_)
        | Primitive::GetServiceResponse(_)
        | Primitive::LinkServiceResponse(_)
        | Primitive::GetGroupPropsResponse(_)
        | Primitive::JoinGroupResponse(_)
        | Primitive::GetGroupMembersResponse(_)
        | Primitive::GetJoinedUsersResponse(_)
        | Primitive::RejectListResponse(_)
        | Primitive::SubscribeGroupNoticeResponse(_)
        | Primitive::ExtendConversationResponse(_)
        | Primitive::GetMapResponse(_) => Standing::Answer,
    }
}

/// What has to be agreed before a peer may ask what has this element name, though it cannot be read further.
/// `None`: nothing, or that depends on what is in it.
pub fn standing_named(element: &str) -> Option<Standing> {
    Some(match element {
        "SearchRequest" | "StopSearchRequest" | "GetPublicProfileRequest" => Standing::Of(Service::Search),
        "UpdatePublicProfileRequest" => Standing::Delegated(Service::Search),
        "SystemMessageRequest" | "SystemMessageUser" => Standing::Never,
        "SendMessageRequest" | "DeliveryStatusReport" => Standing::Of(Service::Im),
        "CreateGroupRequest"
        | "DeleteGroupRequest"
        | "GetGroupPropsRequest"
        | "SetGroupPropsRequest"
        | "JoinGroupRequest"
        | "LeaveGroupRequest"
        | "LeaveGroupIndication"
        | "GetGroupMemberRequest"
        | "GetJoinedUsersRequest"
        | "AddGroupMemberRequest"
        | "RemoveGroupMemberRequest"
        | "MemberAccessRequest"
        | "RejectListRequest"
        | "SubscribeGroupChangeRequest"
        | "UnsubscribeGroupChangeRequest"
        | "GetGroupSubStatusRequest"
        | "GroupChangeNotice" => Standing::Of(Service::Group),
        "SubscribeRequest" | "UnsubscribeRequest" | "PresenceNotification" | "GetPresenceRequest" => {
            Standing::Of(Service::Presence)
        }
        "CreateListRequest"
        | "DeleteListRequest"
        | "ListManageRequest"
        | "UpdatePresenceRequest"
        | "GetWatcherListRequest"
        | "CreateAttributeListRequest"
        | "DeleteAttributeListRequest"
        | "GetAttributeListRequest"
        | "PresenceAuthRequest"
        | "PresenceAuthUser" => Standing::Delegated(Service::Presence),
        "ExtendConversationRequest" => Standing::Delegated(Service::Group),
        "GetMapRequest" => Standing::Delegated(Service::Content),
        "NewMessage"
        | "MessageDelivered"
        | "MessageNotification"
        | "GetMessageRequest"
        | "GetMessageListRequest"
        | "RejectMessageRequest"
        | "SetDeliveryMethodRequest"
        | "ForwardMessageRequest"
        | "BlockEntityRequest" => Standing::Delegated(Service::Im),
        _ => return None,
    })
}

/// Whether this delegated primitive goes from the element to the home of the user it is for, and not from there
/// to the element (reference ssp-primitives §6).
pub const fn is_of_element(primitive: &Primitive) -> bool {
    matches!(
        primitive,
        Primitive::PresenceAuthRequest(_) | Primitive::NewMessage(_) | Primitive::MessageNotification(_)
    )
}

/// The service to which a user has to have subscribed before a client of its may ask this; `None`: any user may.
pub const fn service_needed(primitive: &Primitive) -> Option<Service> {
    match primitive {
        Primitive::CancelAuthRequest(_) | Primitive::GetReactiveAuthStatusRequest(_) => {
            return Some(Service::Presence);
        }
        // Told by servers, and by clients as answers.
        Primitive::MessageDelivered(_)
        | Primitive::NewMessage(_)
        | Primitive::MessageNotification(_)
        | Primitive::DeliveryReport(_)
        | Primitive::LeaveGroupResponse(_)
        | Primitive::GroupChangeNotice(_) => return None,
        _ => {}
    }
    match standing(primitive) {
        Standing::Of(service) | Standing::Delegated(service) => Some(service),
        Standing::Session | Standing::Never | Standing::ClientOnly | Standing::Answer => None,
    }
}

/// The service that an invitation belongs to: that of its type (architecture §4, *Services*).
pub const fn service_of(kind: InviteType) -> Service {
    match kind {
        InviteType::Group
        | InviteType::Membership
        | InviteType::ExtendConversation
        | InviteType::ExtendGroup => Service::Group,
        InviteType::Message | InviteType::Application => Service::Im,
        InviteType::Presence => Service::Presence,
        InviteType::Content => Service::Content,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::imps::Status;
    use crate::imps::primitive::{GetMessageListRequest, KeepAliveRequest};

    #[test]
    fn a_primitive_belongs_to_one_service_or_needs_only_an_agreement() {
        assert_eq!(
            standing(&GetMessageListRequest::default().into()),
            Standing::Delegated(Service::Im),
            "fetching is local to the recipient's home unless delegated"
        );
        assert_eq!(service_needed(&GetMessageListRequest::default().into()), Some(Service::Im));
        assert_eq!(service_needed(&Primitive::GetListRequest), Some(Service::Presence));
        assert_eq!(service_needed(&KeepAliveRequest { time_to_live: None }.into()), None);
        assert_eq!(standing(&KeepAliveRequest::default().into()), Standing::Session);
        assert_eq!(standing(&Primitive::PollingRequest), Standing::ClientOnly);
        assert_eq!(standing(&Status::ok().into()), Standing::Answer);
    }

    proptest! {
        #[test]
        fn the_name_of_an_element_says_what_must_be_agreed_as_its_content_does(
            primitive in crate::wire::arbitrary::ssp_primitive(),
        ) {
            let element = match &primitive {
                Primitive::SubscribeGroupNoticeRequest(_) => "GetGroupSubStatusRequest",
                other => crate::wire::ssp::element_of(other.name()),
            };
            let told = match standing(&primitive) {
                // These can always be read, or have their service in them.
                _ if matches!(primitive, Primitive::InviteRequest(_)) => None,
                Standing::Delegated(_) if matches!(element, "GetListRequest" | "GetBlockedListRequest") => None,
                standing @ (Standing::Of(_) | Standing::Delegated(_) | Standing::Never) => Some(standing),
                Standing::Session | Standing::ClientOnly | Standing::Answer => None,
            };
            prop_assert_eq!(standing_named(element), told, "{}", element);
        }
    }
}
