//! What an answer means for a row of the outbox, and when a row is tried again.
//!
//! A protocol answer gives every recipient of the request one fate: delivered, failed for good, or to be
//! tried again (decisions.md 3 and 5). Peers say less than one wishes: codes without names, names
//! without codes; nothing is guessed beyond what the reference says about them.

use std::time::Duration;

use crate::imps::agreement::Profile;
use crate::imps::primitive::Recipient;
use crate::imps::status::{Entity, Outcome};
use crate::imps::{Chance, Code, Domain, Moment, Primitive, Status};
use crate::session::ssp;
use crate::wire::Carried;

/// How long a request that was taken (HTTP 2xx) may stay without protocol answer (decisions.md 3).
pub const ANSWER_WAIT: Duration = Duration::from_secs(30);
/// How often a request without protocol answer is repeated.
pub const REPEATS_MAX: u32 = 3;
/// Longest pause that a peer may ask for with TryAgainTimeout.
pub const TRY_AGAIN_LONGEST: Duration = Duration::from_secs(3600);

/// What becomes of one recipient of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The peer has taken it.
    Delivered,
    /// For good, for this reason.
    Failed(Code),
    /// Not now, for this reason.
    Retry(Code),
}

/// What an answer means: one fate for each recipient, in the order of the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Whom, and what becomes of it.
    pub fates: Vec<(Recipient, Fate)>,
    /// Seconds that the peer asked us to wait before another try.
    pub try_again: Option<u32>,
}

impl Verdict {
    /// The recipients that are done with, each with its code.
    pub fn outcomes(&self) -> Vec<(Entity, Code)> {
        let done = self.fates.iter().filter_map(|(recipient, fate)| match fate {
            Fate::Delivered => Some((recipient.entity(), Code::SUCCESSFUL)),
            Fate::Failed(code) => Some((recipient.entity(), *code)),
            Fate::Retry(_) => None,
        });
        done.collect()
    }

    /// The recipients that are to be tried again.
    pub fn retry(&self) -> Vec<Recipient> {
        let again = self.fates.iter().filter(|(_, fate)| matches!(fate, Fate::Retry(_)));
        again.map(|(recipient, _)| recipient.clone()).collect()
    }
}

/// Judges the answer of `peer` to a request for these recipients.
///
/// An answer of a kind that is no answer to a message, or that cannot be read, fails everybody with 500:
/// repeating would bring it again (reference ssp-behaviour §3). A `legacy` peer takes a message id only
/// once, so that its temporary codes are final where part of the request was carried out.
pub fn judge(answer: &Carried, recipients: &[Recipient], peer: &Domain, profile: Profile) -> Verdict {
    let status = match answer {
        Carried::Primitive(primitive) => match &**primitive {
            Primitive::SendMessageResponse(response) => Some(&response.result),
            Primitive::Status(status) => Some(status),
            _ => None,
        },
        Carried::NotServed(_) | Carried::Unknown(_) | Carried::Faulty { .. } => None,
    };
    let Some(status) = status else {
        let fates =
            recipients.iter().map(|recipient| (recipient.clone(), Fate::Failed(Code::INTERNAL_ERROR)));
        return Verdict { fates: fates.collect(), try_again: None };
    };
    let codes: Vec<Code> = recipients
        .iter()
        .map(|recipient| normal(code_for(status, recipient, peer), recipient, profile))
        .collect();
    let all_temporary = codes.iter().all(|code| code.outcome() == Outcome::Temporary);
    let fates = recipients.iter().zip(codes).map(|(recipient, code)| {
        let fate = match code.outcome() {
            Outcome::Good => Fate::Delivered,
            Outcome::Temporary if profile == Profile::Legacy && !all_temporary => Fate::Failed(code),
            Outcome::Temporary => Fate::Retry(code),
            Outcome::Final => Fate::Failed(code),
        };
        (recipient.clone(), fate)
    });
    Verdict { fates: fates.collect(), try_again: status.try_again }
}

/// The code that a Status holds for one recipient: of the detail that names it, its group or its
/// domain; else the top code, where 201 without a name is success and 900 with one nameless detail is
/// that detail (reference ssp-types §7).
fn code_for(status: &Status, recipient: &Recipient, peer: &Domain) -> Code {
    let own = recipient.entity();
    // What an answer names without a domain is at home where the request went, which may be behind the peer.
    let home = recipient.domain_str().and_then(|domain| domain.parse().ok());
    let home: &Domain = home.as_ref().unwrap_or(peer);
    let names = |entity: &Entity| match (entity, recipient) {
        (Entity::User(named), Recipient::User(user)) => named.completed(home) == user.id,
        (Entity::Group(named), Recipient::Group(group)) => named.completed(home) == *group,
        (Entity::Group(named), Recipient::ScreenName(to)) => named.completed(home) == to.group,
        (Entity::ScreenName(named), Recipient::ScreenName(to)) => {
            named.name == to.name && named.group.completed(home) == to.group
        }
        (Entity::Domain(named), _) => {
            recipient.domain_str().is_some_and(|domain| domain.eq_ignore_ascii_case(named.trim()))
        }
        (other, _) => *other == own,
    };
    if let Some(detail) = status.details.iter().find(|detail| detail.entities.iter().any(names)) {
        return detail.code;
    }
    match (status.code, status.details.as_slice()) {
        (Code::PARTIALLY_SUCCESSFUL, _) => Code::SUCCESSFUL,
        (Code::MULTIPLE_ERRORS, [only]) if only.entities.is_empty() => only.code,
        (code, _) => code,
    }
}

/// Several codes say that there is no such user (reference ssp.md C-15); authors hear 531.
fn normal(code: Code, recipient: &Recipient, profile: Profile) -> Code {
    let unknown_user = matches!(code, Code::INVALID_USER_ID | Code::NOT_FOUND)
        || (code == Code::UNABLE_TO_DELIVER && profile == Profile::Legacy);
    if unknown_user && matches!(recipient, Recipient::User(_)) { Code::UNKNOWN_USER } else { code }
}

/// The code with which a row fails for good when the peer refused the POST itself; `None` if another try
/// may help. Only 400, 413 and 415 are about the document (reference ssp-transport §3.2).
pub const fn refused_by_http(status: u16) -> Option<Code> {
    match status {
        400 | 413 | 415 => Some(Code::UNABLE_TO_DELIVER),
        _ => None,
    }
}

/// The code with which waiting rows fail when the operator closes their peer (architecture §4, *State*).
pub const CLOSED: Code = Code::DOMAIN_NOT_SUPPORTED;
/// The code with which a row fails when its validity has ended before it could leave.
pub const EXPIRED: Code = Code::EXPIRED;
/// What the author of a message hears that an operator took out of the queue.
pub const DROPPED: Code = Code::UNABLE_TO_DELIVER;

/// When to try again after `attempts` failures: by the one retry schedule ([`ssp::delay`]), and not
/// sooner than the peer asked for.
pub fn retry_at(now: Moment, attempts: u32, try_again: Option<u32>, chance: &mut dyn Chance) -> Moment {
    let asked = Duration::from_secs(try_again.unwrap_or(0).into()).min(TRY_AGAIN_LONGEST);
    now.after(ssp::delay(attempts, chance).max(asked))
}

/// What to do with a request that was taken but not answered in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unanswered {
    /// Send it again at this moment, with the same ids.
    Repeat(Moment),
    /// It counts as delivered, and is counted as unconfirmed.
    Settle,
}

/// Decides about a request that has no protocol answer [`ANSWER_WAIT`] after it was taken. `repeats` is
/// how often it was repeated for this reason alone, since what was never taken was never heard either; to a `legacy` peer never, since it would be shown twice
/// (decisions.md 3).
pub fn unanswered(now: Moment, repeats: u32, profile: Profile, chance: &mut dyn Chance) -> Unanswered {
    if profile == Profile::Legacy || repeats >= REPEATS_MAX {
        Unanswered::Settle
    } else {
        Unanswered::Repeat(retry_at(now, repeats, None, chance))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::imps::DetailedResult;
    use crate::imps::chance::testing::Fixed;
    use crate::imps::primitive::{GetSpInfoResponse, SendMessageResponse, User};

    fn to(text: &str) -> Recipient {
        Recipient::User(User::from(text.parse::<crate::imps::UserId>().unwrap()))
    }

    fn south() -> Domain {
        "south.example".parse().unwrap()
    }

    fn code(number: u16) -> Code {
        Code::new(number).unwrap()
    }

    fn detail(number: u16, names: &[&str]) -> DetailedResult {
        let entities = names.iter().map(|name| Entity::User(name.parse().unwrap())).collect();
        DetailedResult { code: code(number), description: None, entities }
    }

    fn fates(status: Status, recipients: &[&str], profile: Profile) -> Vec<Fate> {
        let recipients: Vec<_> = recipients.iter().map(|text| to(text)).collect();
        let answer = Carried::Primitive(Box::new(status.into()));
        judge(&answer, &recipients, &south(), profile).fates.into_iter().map(|(_, fate)| fate).collect()
    }

    const BO: &str = "wv:bo@south.example";
    const CY: &str = "wv:cy@south.example";

    #[test]
    fn a_named_recipient_has_its_own_code_and_the_others_the_top_code() {
        let partly = Status { details: vec![detail(531, &[CY])], ..Status::new(code(201)) };
        assert_eq!(
            fates(partly.clone(), &[BO, CY], Profile::Standard),
            [Fate::Delivered, Fate::Failed(Code::UNKNOWN_USER)]
        );
        let response = SendMessageResponse { result: partly, message_id: None };
        let answer = Carried::Primitive(Box::new(response.into()));
        assert_eq!(judge(&answer, &[to(BO)], &south(), Profile::Standard).fates[0].1, Fate::Delivered);
        let short = Status { details: vec![detail(532, &["CY"])], ..Status::new(code(201)) };
        assert_eq!(fates(short.clone(), &[CY], Profile::Standard), [Fate::Failed(Code::BLOCKED)]);
        let behind = "wv:cy@west.example";
        assert_eq!(
            fates(short, &[behind], Profile::Standard),
            [Fate::Failed(Code::BLOCKED)],
            "over a hub it is a user of the domain that was asked"
        );
    }

    #[test]
    fn partial_success_without_names_is_success_for_all() {
        let nameless = Status { details: vec![detail(531, &[])], ..Status::new(code(201)) };
        assert_eq!(fates(nameless, &[BO, CY], Profile::Legacy), [Fate::Delivered, Fate::Delivered]);
    }

    #[test]
    fn members_whom_a_legacy_group_home_does_not_reach_do_not_fail_the_message() {
        // Conflict C-32: its own members got it.
        let club = Recipient::Group("wv:/club@south.example".parse().unwrap());
        for entities in [&[][..], &["wv:x@west.example"][..]] {
            let status = Status { details: vec![detail(516, entities)], ..Status::new(code(201)) };
            let response = SendMessageResponse { result: status, message_id: None };
            let answer = Carried::Primitive(Box::new(response.into()));
            let verdict = judge(&answer, std::slice::from_ref(&club), &south(), Profile::Legacy);
            assert_eq!(verdict.fates[0].1, Fate::Delivered);
        }
    }

    #[test]
    fn multiple_errors_with_one_nameless_detail_is_that_error() {
        let legacy = Status { details: vec![detail(427, &[])], ..Status::new(code(900)) };
        assert_eq!(fates(legacy, &[BO], Profile::Legacy), [Fate::Failed(Code::UNKNOWN_USER)]);
        let several =
            Status { details: vec![detail(532, &[BO]), detail(531, &[])], ..Status::new(code(900)) };
        assert_eq!(
            fates(several, &[BO, CY], Profile::Standard),
            [Fate::Failed(Code::BLOCKED), Fate::Failed(Code::MULTIPLE_ERRORS)]
        );
    }

    #[test]
    fn all_codes_that_say_unknown_user_become_one() {
        for number in [427, 404, 531] {
            let status = Status::new(code(number));
            assert_eq!(fates(status, &[BO], Profile::Standard), [Fate::Failed(Code::UNKNOWN_USER)]);
        }
        let undeliverable = Status::new(Code::UNABLE_TO_DELIVER);
        assert_eq!(
            fates(undeliverable.clone(), &[BO], Profile::Standard),
            [Fate::Failed(Code::UNABLE_TO_DELIVER)]
        );
        assert_eq!(fates(undeliverable, &[BO], Profile::Legacy), [Fate::Failed(Code::UNKNOWN_USER)]);
    }

    #[test]
    fn a_temporary_code_is_tried_again_and_others_are_not() {
        let busy = Status { try_again: Some(90), ..Status::new(Code::SERVICE_UNAVAILABLE) };
        assert_eq!(fates(busy, &[BO], Profile::Standard), [Fate::Retry(Code::SERVICE_UNAVAILABLE)]);
        let partly = Status { details: vec![detail(507, &[CY])], ..Status::new(code(201)) };
        assert_eq!(
            fates(partly.clone(), &[BO, CY], Profile::Standard),
            [Fate::Delivered, Fate::Retry(Code::QUEUE_FULL)]
        );
        assert_eq!(
            fates(partly, &[BO, CY], Profile::Legacy),
            [Fate::Delivered, Fate::Failed(Code::QUEUE_FULL)],
            "a legacy peer takes a message id once only"
        );
        assert_eq!(fates(Status::new(code(599)), &[BO], Profile::Standard), [Fate::Failed(code(599))]);
    }

    #[test]
    fn a_domain_that_is_named_stands_for_all_its_recipients() {
        let named = DetailedResult {
            code: Code::DOMAIN_NOT_SUPPORTED,
            description: None,
            entities: vec![Entity::Domain("South.Example".into())],
        };
        let status = Status { details: vec![named], ..Status::new(code(201)) };
        assert_eq!(fates(status, &[BO], Profile::Standard), [Fate::Failed(Code::DOMAIN_NOT_SUPPORTED)]);
    }

    #[test]
    fn an_answer_of_another_kind_fails_with_500() {
        let strange = GetSpInfoResponse { name: "x".into(), ..GetSpInfoResponse::default() };
        for answer in [Carried::Primitive(Box::new(strange.into())), Carried::Unknown("Pong".into())] {
            let verdict = judge(&answer, &[to(BO)], &south(), Profile::Standard);
            assert_eq!(verdict.outcomes(), [(to(BO).entity(), Code::INTERNAL_ERROR)]);
        }
    }

    #[test]
    fn a_peer_may_ask_for_a_longer_pause_but_not_for_ever() {
        let start = Moment::from_millis(0);
        assert_eq!(retry_at(start, 0, None, &mut Fixed(0)).millis(), 4000);
        assert_eq!(retry_at(start, 0, Some(90), &mut Fixed(0)).millis(), 90_000);
        assert_eq!(retry_at(start, 0, Some(u32::MAX), &mut Fixed(0)).millis(), 3_600_000);
    }

    #[test]
    fn silence_is_met_with_three_repeats_and_from_a_legacy_peer_with_none() {
        let now = Moment::from_millis(0);
        let ask = |repeats, profile| unanswered(now, repeats, profile, &mut Fixed(0));
        assert_eq!(ask(0, Profile::Standard), Unanswered::Repeat(Moment::from_millis(4000)));
        assert_eq!(ask(2, Profile::Causeway), Unanswered::Repeat(Moment::from_millis(16_000)));
        assert_eq!(ask(3, Profile::Standard), Unanswered::Settle);
        assert_eq!(ask(0, Profile::Legacy), Unanswered::Settle);
    }

    proptest! {
        #[test]
        fn each_recipient_has_exactly_one_fate_whatever_is_answered(
            top in 100_u16..1000,
            details in proptest::collection::vec((100_u16..1000, proptest::collection::vec("[a-e]", 0..4)), 0..4),
            asked in proptest::collection::hash_set("[a-e]", 1..5),
        ) {
            let details = details
                .iter()
                .map(|(code, names)| detail(*code, &names.iter().map(String::as_str).collect::<Vec<_>>()))
                .collect();
            let status = Status { details, ..Status::new(code(top)) };
            let recipients: Vec<_> = asked.iter().map(|name| to(&format!("{name}@south.example"))).collect();
            let answer = Carried::Primitive(Box::new(status.into()));
            let verdict = judge(&answer, &recipients, &south(), Profile::Standard);
            let whom: Vec<_> = verdict.fates.iter().map(|(recipient, _)| recipient.clone()).collect();
            prop_assert_eq!(whom, recipients.clone());
            prop_assert_eq!(verdict.outcomes().len() + verdict.retry().len(), recipients.len());
        }
    }
}
