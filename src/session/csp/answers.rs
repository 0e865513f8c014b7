//! Answers in the form that a client of some version knows.
//!
//! Elements answer in one form for all. Some answers came with 1.3 only, and some have no place for an
//! outcome other than success: there CSP says a bare Status instead (reference csp-messages §1).

use crate::imps::{Code, Primitive, Version};

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::imps::Status;
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
}
