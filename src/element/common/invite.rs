//! Invitations: who has invited whom, and who may answer.
//!
//! ```text
//! inviter's home                              invitee's home
//! Invite-Request ──▶ remembered ──InviteRequest──▶ remembered ──InviteUser-Request──▶ client
//! Invite-Response ◀── forgotten ◀─InviteResponse── forgotten ◀──InviteUser-Response── client
//! ```
//! Both homes remember an open invitation until it is answered, taken back, or its validity ends: the
//! inviter's to know whose answer it may be, the invitee's because a client names only the id when it
//! answers (reference csp-messages §4). Nothing of it is decided by addresses alone.

use crate::element::group::{Group, Occupant, Rank};
use crate::element::notify::{Notify, Reach};
use crate::imps::primitive::{
    CancelInviteRequest, InviteRequest, InviteResponse, InviteType, InviteUserResponse, NotificationType,
    Party, Recipient, User,
};
use crate::imps::{Address, Code, Domain, GroupId, InviteId, Moment, TransactionId, UserId};

/// Seconds that an invitation lives if the inviter does not say.
pub const VALIDITY_SECONDS: u32 = 86_400;
/// Seconds that an invitation lives at most.
pub const VALIDITY_SECONDS_MAX: u32 = 7 * 86_400;
/// Invitations that one user may make in an hour, each invitee counted (reference ssp-behaviour §9); more are
/// refused: 507 to clients, 503 to peers. What is open is bounded by it and by [`VALIDITY_SECONDS_MAX`].
pub const INVITATIONS_PER_HOUR: usize = 60;
/// Users that one request may invite, and members of a group who are told of one invitation.
pub const INVITEES_MAX: usize = INVITATIONS_PER_HOUR;
/// Seconds that an answer or a cancellation is worth telling.
pub const ANSWER_SECONDS: u32 = 86_400;

/// An open invitation, as either home remembers it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invitation {
    /// Who invited.
    pub inviter: UserId,
    /// Chosen by the inviter.
    pub id: InviteId,
    /// To what.
    pub kind: InviteType,
    /// The group that it is into, if it is into one.
    pub group: Option<GroupId>,
    /// Whom the inviter named: a user or a group.
    pub addressed: Address,
    /// Who was told: that user, or one of those who look after the group. At the home of the inviter of
    /// a foreign group it is the group.
    pub invitee: Address,
    /// The transaction of a `legacy` peer inside which the answer has to leave (reference
    /// ssp-behaviour §10).
    pub reply_to: Option<TransactionId>,
    /// When it ends.
    pub until: Moment,
}

/// The address behind a recipient; contact lists must have been expanded.
pub fn address(recipient: &Recipient) -> Option<Address> {
    match recipient {
        Recipient::User(user) => Some(Address::clone(&user.id)),
        Recipient::Group(group) => Some(Address::clone(group)),
        Recipient::ScreenName(name) => Some(Address::clone(&name.group)),
        Recipient::ContactList(_) => None,
    }
}

/// Who is told when a group is invited: its administrators and moderators, or whoever is in it under this
/// name (reference ssp-primitives §3.1).
pub fn keepers<'g>(group: &'g Group, name: Option<&str>) -> Vec<&'g UserId> {
    match name {
        Some(name) => {
            let bears = |occupant: &&Occupant| &*occupant.name == name;
            group.occupants.iter().filter(bears).map(|occupant| &occupant.user.id).take(1).collect()
        }
        None => {
            let others = group
                .members
                .iter()
                .filter(|(user, rank)| **user != group.owner && **rank >= Rank::Moderator);
            std::iter::once(&group.owner).chain(others.map(|(user, _)| user)).collect()
        }
    }
}

/// What makes an invitation senseless, whoever is invited (reference ssp-primitives §3.1).
pub fn flaw(request: &InviteRequest) -> Option<Code> {
    match request.kind {
        InviteType::Group | InviteType::Membership if request.group.is_none() => Some(Code::MISSING_GROUP),
        InviteType::Content if request.urls.is_empty() => Some(Code::BAD_REQUEST),
        InviteType::Application if request.application.is_none() => Some(Code::APPLICATION_MISMATCH),
        _ => None,
    }
}

/// The seconds that an invitation lives.
pub fn seconds(request: &InviteRequest) -> u32 {
    request.validity.unwrap_or(VALIDITY_SECONDS).min(VALIDITY_SECONDS_MAX)
}

/// The invitation that is remembered.
pub fn open(
    request: &InviteRequest,
    inviter: &UserId,
    addressed: Address,
    told: Address,
    reply_to: Option<TransactionId>,
    now: Moment,
) -> Invitation {
    let until = now.after(std::time::Duration::from_secs(seconds(request).into()));
    Invitation {
        inviter: inviter.clone(),
        id: request.id.clone(),
        kind: request.kind,
        group: request.group.clone(),
        addressed,
        invitee: told,
        reply_to,
        until,
    }
}

/// Names an invitation among the notices of a mailbox: a cancellation takes the place of what nobody has
/// heard yet.
fn about(inviter: &UserId, id: &InviteId) -> Box<str> {
    format!("invite {} {id}", inviter.key()).into()
}

/// What a user of ours is told of an invitation.
pub fn invited(request: &InviteRequest, inviter: &User, named: Recipient, to: User, own: Domain) -> Notify {
    Notify {
        reach: Reach::Account,
        by: Some(inviter.clone()),
        seconds: seconds(request),
        replaces: Some(about(&inviter.id, &request.id)),
        ..Notify::new(own, vec![to], Box::new(request.for_invitee(named)))
    }
}

/// What a user of ours is told when an invitation is taken back.
pub fn cancelled(
    request: &CancelInviteRequest,
    inviter: &User,
    named: Recipient,
    to: User,
    own: Domain,
) -> Notify {
    Notify {
        reach: Reach::Account,
        by: Some(inviter.clone()),
        seconds: ANSWER_SECONDS,
        replaces: Some(about(&inviter.id, &request.id)),
        ..Notify::new(own, vec![to], Box::new(request.for_invitee(named)))
    }
}

/// The invitation that a user of ours answers. `open` are those of this id that it was told of, oldest
/// first; clients before 1.3 do not say whose invitation they mean, and then it is the newest.
pub fn answered<'a>(
    open: &'a [Invitation],
    answer: &InviteUserResponse,
    now: Moment,
) -> Result<&'a Invitation, Code> {
    let inviter = answer.recipient.as_ref().and_then(Party::user).map(|user| &user.id);
    let meant =
        |found: &&Invitation| found.until > now && inviter.is_none_or(|inviter| found.inviter == *inviter);
    open.iter().rev().find(meant).ok_or(Code::INVALID_INVITATION)
}

/// The answer on its way to the inviter, wherever that is.
pub fn response(invitation: &Invitation, answer: InviteUserResponse, invitee: &User) -> InviteResponse {
    InviteResponse {
        id: invitation.id.clone(),
        acceptance: answer.acceptance,
        responder: Some(Party::User(User { client: None, ..invitee.clone() })),
        inviter: Some(Party::User(invitation.inviter.clone().into())),
        note: answer.note,
        screen_name: answer.screen_name,
    }
}

/// The invitation that a foreign answer is about. `open` are those of this inviter and id. Whoever was
/// named may answer, and for a group anybody of its domain.
pub fn answered_by<'a>(
    open: &'a [Invitation],
    responder: &UserId,
    now: Moment,
) -> Result<&'a Invitation, Code> {
    let meant = |found: &&Invitation| {
        let group = found.addressed.resource().is_some();
        let named = found.invitee == **responder;
        found.until > now && (named || group && found.addressed.domain_str() == responder.domain_str())
    };
    open.iter().find(meant).ok_or(Code::INVALID_INVITATION)
}

/// What the inviter is told of an answer. The name in the group hides the address (reference
/// csp-messages §4); towards another provider that is left to the inviter's home.
pub fn told(
    mut response: InviteResponse,
    invitation: &Invitation,
    by: User,
    own: Domain,
    here: bool,
) -> Notify {
    if let Some(name) = response.screen_name.as_ref().filter(|_| here) {
        response.responder = Some(Party::ScreenName(name.clone()));
    }
    Notify {
        reach: Reach::Account,
        by: Some(by),
        seconds: ANSWER_SECONDS,
        reply_to: invitation.reply_to.clone(),
        ..Notify::new(own, vec![invitation.inviter.clone().into()], response)
    }
}

/// What clients of 1.3 hear that want to know what becomes of an invitation.
pub const fn kind_of_answer(accepted: bool) -> NotificationType {
    if accepted { NotificationType::InvitationAccepted } else { NotificationType::InvitationRejected }
}

/// What the inviter is told of an invitation that nobody heard: a refusal that says so, since no other answer
/// to an invitation exists.
pub fn unheard(id: InviteId, inviter: &UserId, named: &Recipient, code: Code, own: Domain) -> Notify {
    let responder = match named {
        Recipient::User(user) => Some(Party::User(User { client: None, ..user.clone() })),
        Recipient::ScreenName(name) => Some(Party::ScreenName(name.clone())),
        Recipient::Group(_) | Recipient::ContactList(_) => None,
    };
    let response = InviteResponse {
        id,
        acceptance: false,
        responder,
        inviter: Some(Party::User(inviter.clone().into())),
        note: Some(format!("not delivered: {code}").into()),
        screen_name: None,
    };
    Notify {
        reach: Reach::Account,
        seconds: ANSWER_SECONDS,
        ..Notify::new(own, vec![inviter.clone().into()], response)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::imps::Primitive;
    use crate::imps::primitive::ScreenName;

    const NOW: Moment = Moment::from_millis(1_000_000);

    fn user(text: &str) -> User {
        text.parse::<UserId>().unwrap().into()
    }

    fn request(kind: InviteType) -> InviteRequest {
        InviteRequest {
            id: "i1".parse().unwrap(),
            kind,
            sender: Some(Party::User(user("wv:ada@north.example"))),
            recipients: vec![Recipient::User(user("wv:bo@south.example"))],
            application: None,
            group: None,
            attributes: Vec::new(),
            urls: Vec::new(),
            note: None,
            screen_name: None,
            validity: Some(60),
        }
    }

    fn invitation(inviter: &str, to: &str) -> Invitation {
        let to: Address = to.parse().unwrap();
        open(&request(InviteType::Message), &inviter.parse().unwrap(), to.clone(), to, None, NOW)
    }

    fn answer(recipient: Option<&str>) -> InviteUserResponse {
        InviteUserResponse {
            id: "i1".parse().unwrap(),
            acceptance: true,
            sender: None,
            recipient: recipient.map(|text| Party::User(user(text))),
            note: Some("gladly".into()),
            screen_name: None,
        }
    }

    #[test]
    fn an_invitation_needs_what_its_type_speaks_of() {
        assert_eq!(flaw(&request(InviteType::Group)), Some(Code::MISSING_GROUP));
        assert_eq!(flaw(&request(InviteType::Membership)), Some(Code::MISSING_GROUP));
        assert_eq!(flaw(&request(InviteType::Content)), Some(Code::BAD_REQUEST));
        assert_eq!(flaw(&request(InviteType::Application)), Some(Code::APPLICATION_MISMATCH));
        assert_eq!(flaw(&request(InviteType::Message)), None);
        assert_eq!(flaw(&request(InviteType::Presence)), None);
    }

    #[test]
    fn a_group_is_invited_through_those_who_look_after_it() {
        let address = |text: &str| text.parse::<UserId>().unwrap();
        let mut group =
            Group::new("wv:/sailing@north.example".parse().unwrap(), address("wv:ada@north.example"))
                .unwrap();
        group.members.insert(address("wv:bo@south.example"), Rank::Moderator);
        group.members.insert(address("wv:cy@north.example"), Rank::User);
        let entry = Occupant {
            user: user("wv:cy@north.example"),
            session: None,
            name: "bosun".into(),
            subscribed: false,
        };
        group.occupants.push(entry);
        assert_eq!(
            keepers(&group, None),
            [&address("wv:ada@north.example"), &address("wv:bo@south.example")]
        );
        assert_eq!(keepers(&group, Some("bosun")), [&address("wv:cy@north.example")]);
        assert!(keepers(&group, Some("skipper")).is_empty());
    }

    #[test]
    fn an_answer_finds_the_newest_invitation_of_its_id_or_the_one_it_names() {
        let open = [
            invitation("wv:ada@north.example", "bo@south.example"),
            invitation("wv:cy@north.example", "bo@south.example"),
        ];
        let inviter =
            |recipient| answered(&open, &answer(recipient), NOW).map(|found| found.inviter.to_string());
        assert_eq!(inviter(None).as_deref(), Ok("wv:cy@north.example"));
        assert_eq!(inviter(Some("wv:ADA@north.example")).as_deref(), Ok("wv:ada@north.example"));
        assert_eq!(inviter(Some("wv:eve@north.example")), Err(Code::INVALID_INVITATION));
        let late = NOW.after(std::time::Duration::from_secs(60));
        assert_eq!(answered(&open, &answer(None), late), Err(Code::INVALID_INVITATION));
    }

    #[test]
    fn only_who_was_invited_answers_and_for_a_group_its_domain() {
        let bo = [invitation("wv:ada@north.example", "bo@south.example")];
        assert!(answered_by(&bo, &"wv:Bo@south.example".parse().unwrap(), NOW).is_ok());
        assert!(answered_by(&bo, &"wv:eve@south.example".parse().unwrap(), NOW).is_err());
        let group = [invitation("wv:ada@north.example", "/sailing@south.example")];
        assert!(answered_by(&group, &"wv:eve@south.example".parse().unwrap(), NOW).is_ok());
        assert!(answered_by(&group, &"wv:eve@east.example".parse().unwrap(), NOW).is_err());
    }

    #[test]
    fn a_screen_name_hides_who_answers_from_clients_and_stands_beside_between_homes() {
        let invitation = invitation("wv:ada@north.example", "bo@south.example");
        let group = "wv:/sailing@north.example".parse().unwrap();
        let mut named = answer(None);
        named.screen_name = Some(ScreenName { name: "bosun".into(), group });
        let bo = user("wv:bo@south.example");
        let crossing = response(&invitation, named, &bo);
        let own: Domain = "south.example".parse().unwrap();
        let shown = |here| match told(crossing.clone(), &invitation, bo.clone(), own.clone(), here).primitive
        {
            Primitive::InviteResponse(response) => response.responder.unwrap(),
            other => panic!("{}", other.name()),
        };
        assert_eq!(shown(false), Party::User(bo.clone()));
        assert!(matches!(shown(true), Party::ScreenName(name) if &*name.name == "bosun"));
    }

    #[test]
    fn a_cancellation_takes_the_place_of_an_invitation_that_nobody_heard() {
        let (ada, bo) = (user("wv:Ada@north.example"), user("wv:bo@south.example"));
        let own: Domain = "south.example".parse().unwrap();
        let request = request(InviteType::Message);
        let first = invited(&request, &ada, Recipient::User(bo.clone()), bo.clone(), own.clone());
        let cancel = CancelInviteRequest {
            id: request.id,
            sender: None,
            recipients: Vec::new(),
            application: None,
            group: None,
            attributes: Vec::new(),
            urls: Vec::new(),
            note: None,
            screen_name: None,
        };
        let second = cancelled(&cancel, &ada, Recipient::User(bo.clone()), bo, own);
        assert!(first.replaces.is_some());
        assert_eq!(first.replaces, second.replaces);
        assert_eq!(first.seconds, 60);
    }
}
