//! Answers in the form that a client of some version knows.
//!
//! Elements answer in one form for all. Some answers came with 1.3 only, and some have no place for an
//! outcome other than success: there CSP says a bare Status instead (reference csp-messages §1). A list that
//! a client could not parse is not sent at all (reference csp.md §5.1).

use super::Abilities;
use crate::imps::primitive::InviteType;
use crate::imps::{Code, Primitive, Status, Version};
use crate::wire::{Encoding, csp};

/// The answer as a client of this version gets it.
pub fn fitting(answer: Primitive, version: Version) -> Primitive {
    let (has_result, since) = match &answer {
        Primitive::CreateListResponse(_) | Primitive::ForwardMessageResponse(_) => (false, Version::V1_3),
        Primitive::GetListResponse(_)
        | Primitive::GetBlockedListResponse(_)
        | Primitive::GetMessageResponse(_)
        | Primitive::GetMessageListResponse(_) => (false, Version::V1_1),
        _ => (true, Version::V1_1),
    };
    match answer.status() {
        Some(status) if version < since || (!has_result && status.code != Code::SUCCESSFUL) => {
            status.clone().into()
        }
        _ => answer,
    }
}

/// A request of ours as a client of this version understands it. An invitation to what its version does not
/// know is one into the group that it is about, or to exchange messages.
pub fn understood(mut request: Primitive, version: Version) -> Primitive {
    if let Primitive::InviteUserRequest(invitation) = &mut request {
        let since = match invitation.kind {
            InviteType::Membership => Version::V1_2,
            InviteType::ExtendConversation | InviteType::ExtendGroup | InviteType::Application => {
                Version::V1_3
            }
            InviteType::Group | InviteType::Message | InviteType::Presence | InviteType::Content => {
                Version::V1_1
            }
        };
        if version < since {
            invitation.kind =
                if invitation.group.is_some() { InviteType::Group } else { InviteType::Message };
        }
    }
    request
}

/// The answer, or 432 where it is a list larger than what the client said that it can parse.
pub fn parsable(answer: Primitive, version: Version, encoding: Encoding, abilities: &Abilities) -> Primitive {
    // Only what changes nothing: of anything else the client has to hear that it was done.
    let is_list = matches!(
        answer,
        Primitive::GetListResponse(_)
            | Primitive::ListManageResponse(_)
            | Primitive::GetBlockedListResponse(_)
            | Primitive::GetMessageListResponse(_)
            | Primitive::GetPresenceResponse(_)
            | Primitive::GetWatcherListResponse(_)
            | Primitive::GetAttributeListResponse(_)
            | Primitive::GetGroupMembersResponse(_)
            | Primitive::GetJoinedUsersResponse(_)
            | Primitive::GetPublicProfileResponse(_)
    );
    if !is_list || abilities.parser_octets_max.is_none() {
        return answer;
    }
    let octets = csp::encode_primitive(&answer, version, encoding).map_or(0, |written| written.len());
    if abilities.parses(octets) { answer } else { Status::new(Code::RESPONSE_TOO_LARGE).into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::imps::primitive::{CreateListResponse, GetListResponse, ListManageResponse};

    #[test]
    fn what_a_version_or_an_answer_cannot_say_becomes_a_status() {
        let made = |code| -> Primitive {
            let list = "wv:ada/friends@north.example".parse().unwrap();
            CreateListResponse { result: Status::new(code), list, properties: Vec::new() }.into()
        };
        let ok = Code::SUCCESSFUL;
        assert_eq!(fitting(made(ok), Version::V1_2), Status::ok().into());
        assert_eq!(fitting(made(ok), Version::V1_3), made(ok));
        let partly = Code::PARTIALLY_SUCCESSFUL;
        assert_eq!(fitting(made(partly), Version::V1_3), Status::new(partly).into());
        let lists = |code| -> Primitive {
            GetListResponse { result: Status::new(code), lists: Vec::new(), default: None }.into()
        };
        assert_eq!(fitting(lists(ok), Version::V1_1), lists(ok));
        assert_eq!(fitting(lists(Code::TIMEOUT), Version::V1_1), Status::new(Code::TIMEOUT).into());
        let managed =
            ListManageResponse { result: Status::new(partly), contacts: None, properties: Vec::new() };
        assert_eq!(fitting(managed.clone().into(), Version::V1_1), managed.into());
    }

    #[test]
    fn a_list_that_the_client_cannot_parse_is_432() {
        let lists = |count: usize| -> Primitive {
            let list = |n: usize| format!("wv:ada/list{n}@north.example").parse().unwrap();
            let lists = (0..count).map(list).collect();
            GetListResponse { result: Status::ok(), lists, default: None }.into()
        };
        let abilities = |parser| {
            let mut abilities = Abilities::default();
            abilities.parser_octets_max = parser;
            abilities
        };
        let answered = |count, parser| {
            parsable(lists(count), Version::V1_2, Encoding::Xml, &abilities(parser)).code().get()
        };
        assert_eq!((answered(3, Some(4096)), answered(90, Some(4096)), answered(90, None)), (200, 432, 200));
        let status = parsable(Status::ok().into(), Version::V1_2, Encoding::Xml, &abilities(Some(1)));
        assert_eq!(status, Status::ok().into());
    }
}
