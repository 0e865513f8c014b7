//! What comes from a peer.

use crate::imps::agreement::{Agreement, PeerState, Service};
use crate::imps::primitive::{Author, DeliveryReport, Display, MetaInfo, Recipient, Sender, User};
use crate::imps::status::Entity;
use crate::imps::{Code, Domain, GroupId, Moment, Primitive};

use super::delegated::{self, Sends, Voice};
use super::{Admitted, Beyond, Door, Origin, PeerContext, Refused, common, entity_text, groups, presence};
use crate::relay::agreement::{Standing, standing, standing_named};
use crate::relay::events;

/// Compares what came from a peer with its agreement and its domain. `meta` missing means that the
/// peer's own server asks (reference ssp-types §3).
pub fn from_peer(
    context: &PeerContext<'_>,
    meta: Option<&MetaInfo>,
    primitive: Primitive,
    now: Moment,
) -> Result<Admitted, Refused> {
    agreed(context.agreement, &primitive, now)?;
    let (mut origin, home) = requestor(context, meta, Voice::of(context.agreement, &primitive))?;
    let context = &Door { own: context.own, agreement: context.agreement, home: &home };
    let mut refused = Vec::new();
    let mut beyond = Beyond::Nothing;
    let primitive = match primitive {
        Primitive::SendMessageRequest(mut request) => {
            let info = &mut request.info;
            if info.recipients.is_empty() {
                return Err(Refused::faulty(Code::BAD_REQUEST, "the message has no recipient"));
            }
            for recipient in &mut info.recipients {
                *recipient = recipient.completed(context.home);
            }
            let sender = match (info.sender.take(), &origin) {
                (Some(sender), _) => sender,
                (None, Origin::Peer { user: Some(user), client_originated: true, .. }) => {
                    Sender::from(user.clone())
                }
                (None, _) => {
                    return Err(Refused::faulty(Code::BAD_REQUEST, "the message has no sender"));
                }
            };
            let (sender, sends) = foreign_sender(context, sender, &info.recipients)?;
            beyond = match sends {
                Sends::Element => Beyond::Anywhere,
                Sends::Home | Sends::HandsOn => Beyond::Hosted(context.agreement.domain.clone()),
            };
            // What its element sends for a user of ours is the user's own.
            if let (Sends::Element, Author::User(author)) = (sends, &sender.author) {
                let client = author.client.clone().unwrap_or_default();
                origin = Origin::Client { user: author.id.clone(), client };
            }
            info.sender = Some(sender);
            info.recipients.retain(|recipient| match not_served(context, sends, recipient) {
                Some(code) => {
                    refused.push((recipient.entity(), code));
                    false
                }
                None => true,
            });
            Primitive::SendMessageRequest(request)
        }
        Primitive::DeliveryReport(report) => Primitive::DeliveryReport(report_roles(context, report)?),
        mut other => match groups::from_peer(context, &origin, &mut other, &mut refused).transpose()? {
            Some(()) => other,
            None => {
                let other = delegated::from_peer(context, &origin, other)?;
                let other = presence::of_peer(context, &origin, other, &mut refused)?;
                common::from_peer(context, &origin, other, &mut refused)?
            }
        },
    };
    Ok(Admitted { origin, primitive, refused, beyond })
}

/// What came from a peer and cannot be read further than its name and who asks: the checks that come before
/// its fields (rows 11 and 12).
pub fn unread_from_peer(
    context: &PeerContext<'_>,
    meta: Option<&MetaInfo>,
    element: &str,
    now: Moment,
) -> Result<(), Refused> {
    let agreement = context.agreement;
    in_force(agreement, now)?;
    if let Some(standing) = standing_named(element) {
        let runs = |service| agreement.hosts.contains(&service) || agreement.delegates.contains(&service);
        holds(agreement, standing, element, runs)?;
    }
    requestor(context, meta, Voice::of_any(agreement)).map(|_| ())
}

/// The agreement is in force and holds the service (rows 10 and 11).
fn agreed(agreement: &Agreement, primitive: &Primitive, now: Moment) -> Result<(), Refused> {
    in_force(agreement, now)?;
    let runs = |service| delegated::is_agreed(agreement, service, primitive);
    holds(agreement, standing(primitive), primitive.name(), runs)
}

fn in_force(agreement: &Agreement, now: Moment) -> Result<(), Refused> {
    let peer = &agreement.domain;
    match agreement.state_at(now.date_time()) {
        PeerState::Active => Ok(()),
        PeerState::Suspended => {
            let what = format!("the agreement with {peer} is suspended");
            Err(Refused::new(Code::SERVICE_UNAVAILABLE, events::Refused::Suspended, what))
        }
        PeerState::Closed => {
            let what = format!("the agreement with {peer} is closed");
            Err(Refused::new(Code::FORBIDDEN, events::Refused::Closed, what))
        }
    }
}

/// `runs`: whether an element of this service is run by one side for the other.
fn holds(
    agreement: &Agreement,
    standing: Standing,
    name: &str,
    runs: impl Fn(Service) -> bool,
) -> Result<(), Refused> {
    let peer = &agreement.domain;
    match standing {
        Standing::Session => Ok(()),
        Standing::Of(service) if agreement.services.contains(&service) => Ok(()),
        Standing::Delegated(service) if runs(service) => Ok(()),
        Standing::Delegated(service) => {
            let what = format!("{name}: the element of {} is not run for users of {peer}", service.as_str());
            Err(Refused::new(Code::SERVICE_NOT_AGREED, events::Refused::NotAgreed, what))
        }
        Standing::Of(service) => {
            let what = format!("{name} needs the service {}, not agreed with {peer}", service.as_str());
            Err(Refused::new(Code::SERVICE_NOT_AGREED, events::Refused::NotAgreed, what))
        }
        Standing::Never => {
            let what = format!("{name} is never agreed between providers");
            Err(Refused::new(Code::SERVICE_NOT_AGREED, events::Refused::NotAgreed, what))
        }
        Standing::ClientOnly => {
            let what = format!("{name} is no request between providers");
            Err(Refused::new(Code::SERVICE_NOT_SUPPORTED, events::Refused::UnknownPrimitive, what))
        }
        Standing::Answer => Err(Refused::faulty(Code::BAD_REQUEST, &format!("{name} came as a request"))),
    }
}

/// Row one of the table: service id and user are of the peer's domain, and of the same one. Gives that domain
/// beside who asks: it completes what names none (reference ssp-transport §2.2).
fn requestor(
    context: &PeerContext<'_>,
    meta: Option<&MetaInfo>,
    voice: Voice,
) -> Result<(Origin, Domain), Refused> {
    let peer = &context.agreement.domain;
    let Some(meta) = meta else {
        let origin = Origin::Peer { domain: peer.clone(), user: None, client_originated: false };
        return Ok((origin, peer.clone()));
    };
    let domain = meta.service.domain();
    let may = |domain: &str| voice.names(domain, context.own);
    if !context.vouches_for(domain.as_str()) && !may(domain.as_str()) {
        let found = Entity::Domain(domain.as_str().into());
        return Err(Refused::identity("the requestor's service", found, &meta.service.to_string(), peer));
    }
    let user = match &meta.user {
        None => None,
        Some(user) => {
            let user = User { id: user.id.completed(domain), ..user.clone() };
            if !user.id.is_in(domain) && !user.id.domain_str().is_some_and(may) {
                let found = Entity::User(user.id.clone());
                return Err(Refused::identity("the requestor", found, user.id.as_str(), domain));
            }
            Some(user)
        }
    };
    let origin = Origin::Peer { domain: domain.clone(), user, client_originated: meta.client_originated };
    Ok((origin, domain.clone()))
}

/// Completes and checks the sender of a message: user or group of the peer; a shown name may also
/// stand in a group of ours, if that group is addressed.
fn foreign_sender(
    context: &Door<'_>,
    sender: Sender,
    recipients: &[Recipient],
) -> Result<(Sender, Sends), Refused> {
    let peer = &context.agreement.domain;
    let refuse = |author: &Author| match author {
        Author::User(user) => {
            Refused::identity("the sender", Entity::User(user.id.clone()), user.id.as_str(), peer)
        }
        Author::Group(group) => {
            Refused::identity("the sender", Entity::Group(group.clone()), group.as_str(), peer)
        }
    };
    let author = match sender.author {
        Author::User(user) => Author::User(User { id: user.id.completed(context.home), ..user }),
        Author::Group(group) => Author::Group(group.completed(context.home)),
    };
    let sends = Sends::of(context, &author).ok_or_else(|| refuse(&author))?;
    let author_domain = match &author {
        Author::User(user) => user.id.domain(),
        Author::Group(group) => group.domain(),
    };
    let foreign = |role: &str, domain: Option<&str>, found: Entity, shown: &str| {
        let same = sends != Sends::Home && domain == author_domain.as_ref().map(Domain::as_str);
        if same || domain.is_some_and(|domain| context.vouches_for(domain)) {
            Ok(())
        } else {
            Err(Refused::identity(role, found, shown, peer))
        }
    };
    let addressed = |group: &GroupId| {
        (group.is_in(context.own) || context.agreement.hosts.contains(&Service::Group))
            && recipients.iter().any(|recipient| match recipient {
                Recipient::Group(to) => to == group,
                Recipient::ScreenName(to) => to.group == *group,
                Recipient::User(_) | Recipient::ContactList(_) => false,
            })
    };
    let shown = match sender.shown {
        None => None,
        Some(Display::User(user)) => {
            let user = user.completed(context.home);
            foreign("the shown sender", user.domain_str(), Entity::User(user.clone()), user.as_str())?;
            Some(Display::User(user))
        }
        Some(Display::Group(group)) => {
            let group = group.completed(context.home);
            if !addressed(&group) {
                let found = Entity::Group(group.clone());
                foreign("the shown sender", group.domain_str(), found, group.as_str())?;
            }
            Some(Display::Group(group))
        }
        Some(Display::ScreenName(mut screen_name)) => {
            screen_name.group = screen_name.group.completed(context.home);
            if !addressed(&screen_name.group) {
                let found = Entity::ScreenName(screen_name.clone());
                foreign(
                    "the shown sender",
                    screen_name.group.domain_str(),
                    found,
                    screen_name.group.as_str(),
                )?;
            }
            Some(Display::ScreenName(screen_name))
        }
        Some(Display::Name(name)) => Some(Display::Name(name)),
    };
    Ok((Sender { author, shown }, sends))
}

/// Why a recipient is not served on this link: it is not ours (there is no transit), or it is a
/// contact list, which never crosses.
fn not_served(context: &Door<'_>, sends: Sends, recipient: &Recipient) -> Option<Code> {
    match recipient {
        Recipient::ContactList(_) => Some(Code::NO_CONTACT_LIST),
        _ if sends.reaches(context, recipient) => None,
        _ => Some(Code::DOMAIN_NOT_SUPPORTED),
    }
}

/// A delivery report with the roles of the original message: Sender is our author, Recipient the
/// peer's user. The one known implementation swaps them (reference ssp.md C-13).
fn report_roles(context: &Door<'_>, mut report: DeliveryReport) -> Result<DeliveryReport, Refused> {
    let peer = &context.agreement.domain;
    let info = &mut report.info;
    if info.id.is_none() {
        return Err(Refused::faulty(Code::INVALID_MESSAGE_ID, "the report names no message"));
    }
    // Whose domain is missing is the peer's, as everywhere on a link; our own users are always complete.
    for recipient in &mut info.recipients {
        *recipient = recipient.completed(context.home);
    }
    let sender = info.sender.take().map(|sender| match sender.author {
        Author::User(user) => Recipient::User(User { id: user.id.completed(context.home), ..user }),
        Author::Group(group) => Recipient::Group(group.completed(context.home)),
    });
    let mut parties = std::mem::take(&mut info.recipients);
    if parties.len() > 1 {
        return Err(Refused::faulty(Code::BAD_REQUEST, "the report is about more than one recipient"));
    }
    // The element reports on users of ours, to whoever wrote to them.
    let element = context.agreement.delegates.contains(&Service::Im);
    let theirs = |party: &Recipient| {
        party
            .domain_str()
            .is_some_and(|domain| context.vouches_for(domain) || (element && domain == context.own.as_str()))
    };
    let ours = |party: &Recipient| element || party.domain_str() == Some(context.own.as_str());
    let refuse = |role: &str, party: &Recipient| {
        let found = party.entity();
        Refused::identity(role, found.clone(), &entity_text(&found), peer)
    };
    let (author, about) = match (sender, parties.pop()) {
        (author, Some(about)) if theirs(&about) => (author, about),
        (Some(about), author) if theirs(&about) => (author, about),
        (_, Some(about)) | (Some(about), None) => {
            return Err(refuse("the recipient that is reported on", &about));
        }
        (None, None) => return Err(Refused::faulty(Code::BAD_REQUEST, "the report names no recipient")),
    };
    if let Some(author) = &author
        && !ours(author)
    {
        let found = author.entity();
        return Err(Refused::identity("the author", found.clone(), &entity_text(&found), context.own));
    }
    info.sender = author.and_then(|author| match author {
        Recipient::User(user) => Some(Sender::from(user)),
        Recipient::Group(group) => Some(Sender { author: Author::Group(group), shown: None }),
        Recipient::ScreenName(_) | Recipient::ContactList(_) => None,
    });
    info.recipients = vec![about];
    Ok(report)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::imps::primitive::{KeepAliveRequest, MessageInfo, ScreenName, SendMessageRequest};
    use crate::imps::{Domain, ServiceId, Status, UserId};

    fn domain(text: &str) -> Domain {
        text.parse().unwrap()
    }

    fn user(text: &str) -> User {
        User::from(text.parse::<UserId>().unwrap())
    }

    fn south() -> Agreement {
        Agreement { services: [Service::Im].into(), ..Agreement::with(domain("south.example")) }
    }

    fn meta(service: &str, who: Option<&str>) -> MetaInfo {
        MetaInfo { client_originated: true, service: ServiceId::of(domain(service)), user: who.map(user) }
    }

    fn message(sender: Option<&str>, recipients: &[&str]) -> SendMessageRequest {
        SendMessageRequest {
            delivery_report: false,
            info: MessageInfo {
                sender: sender.map(|sender| Sender::from(user(sender))),
                recipients: recipients.iter().map(|to| Recipient::User(user(to))).collect(),
                ..MessageInfo::default()
            },
            content: Some("hello".into()),
        }
    }

    fn arrive(
        agreement: &Agreement,
        meta: Option<&MetaInfo>,
        primitive: impl Into<Primitive>,
    ) -> Result<Admitted, Refused> {
        let own = domain("north.example");
        from_peer(&PeerContext { own: &own, agreement }, meta, primitive.into(), Moment::default())
    }

    fn sent(admitted: &Admitted) -> &SendMessageRequest {
        match admitted.primitive() {
            Primitive::SendMessageRequest(request) => request,
            other => panic!("{}", other.name()),
        }
    }

    fn code(result: Result<Admitted, Refused>) -> u16 {
        result.map_or_else(|refused| refused.status.code.get(), |_| 200)
    }

    const BO: &str = "wv:bo@south.example";
    const ADA: &str = "wv:ada@north.example";

    #[test]
    fn a_message_of_the_peers_user_to_ours_passes() {
        let request = message(Some(BO), &[ADA]);
        let admitted = arrive(&south(), Some(&meta("south.example", Some(BO))), request.clone()).unwrap();
        assert_eq!(sent(&admitted), &request);
        assert!(admitted.refused().is_empty());
        let Origin::Peer { domain, user: Some(asking), client_originated: true } = admitted.origin() else {
            panic!("wrong origin")
        };
        assert_eq!((domain.as_str(), asking.id.as_str()), ("south.example", BO));
    }

    #[test]
    fn a_service_that_is_not_agreed_is_506_and_what_needs_no_service_passes() {
        let bare = Agreement::with(domain("south.example"));
        let meta = meta("south.example", Some(BO));
        assert_eq!(code(arrive(&bare, Some(&meta), message(Some(BO), &[ADA]))), 506);
        assert_eq!(code(arrive(&bare, None, KeepAliveRequest::default())), 200);
        assert_eq!(code(arrive(&south(), None, Primitive::GetBlockedListRequest)), 506);
        assert_eq!(code(arrive(&south(), None, Primitive::PollingRequest)), 405);
        assert_eq!(code(arrive(&south(), None, Status::ok())), 400);
    }

    #[test]
    fn over_a_hub_what_names_no_domain_is_at_home_with_the_one_who_asks() {
        let hub = Agreement { carries: vec![domain("west.example")], ..south() };
        let mut request = message(Some("wv:zoe"), &["wv:kim", ADA]);
        request.info.id = Some("m-1@west.example".parse().unwrap());
        let admitted = arrive(&hub, Some(&meta("west.example", Some("wv:zoe"))), request).unwrap();
        assert_eq!(sent(&admitted).info.author().unwrap().id.as_str(), "wv:zoe@west.example");
        let kim = Entity::User("wv:kim@west.example".parse().unwrap());
        assert_eq!(admitted.refused(), [(kim, Code::DOMAIN_NOT_SUPPORTED)]);
        let Origin::Peer { user: Some(asking), .. } = admitted.origin() else { panic!("wrong origin") };
        assert_eq!(asking.id.as_str(), "wv:zoe@west.example");
    }

    #[test]
    fn an_agreement_not_in_force_refuses_everything() {
        let suspended = Agreement { state: PeerState::Suspended, ..south() };
        assert_eq!(code(arrive(&suspended, None, KeepAliveRequest::default())), 503);
        let closed = Agreement { state: PeerState::Closed, ..south() };
        assert_eq!(code(arrive(&closed, None, KeepAliveRequest::default())), 403);
    }

    #[test]
    fn a_requestor_of_another_domain_is_901_with_its_name() {
        let foreign = meta("east.example", None);
        assert_eq!(code(arrive(&south(), Some(&foreign), message(Some(BO), &[ADA]))), 901);
        let mixed = meta("south.example", Some("wv:eve@east.example"));
        let refused = arrive(&south(), Some(&mixed), message(Some(BO), &[ADA])).unwrap_err();
        assert_eq!(refused.reason, events::Refused::Identity);
        assert_eq!(
            refused.status.details[0].entities,
            [Entity::User("wv:eve@east.example".parse().unwrap())]
        );
    }

    #[test]
    fn without_meta_info_the_peers_own_server_asks() {
        let admitted = arrive(&south(), None, message(Some(BO), &[ADA])).unwrap();
        assert_eq!(
            admitted.origin(),
            &Origin::Peer { domain: domain("south.example"), user: None, client_originated: false }
        );
    }

    #[test]
    fn a_hub_speaks_for_the_domains_it_carries_and_for_no_other() {
        let hub = Agreement { carries: vec![domain("east.example")], ..south() };
        let eve = "wv:eve@east.example";
        let admitted = arrive(&hub, Some(&meta("east.example", Some(eve))), message(Some(eve), &[ADA]));
        assert!(matches!(
            admitted.unwrap().origin(),
            Origin::Peer { domain, .. } if domain.as_str() == "east.example"
        ));
        assert_eq!(code(arrive(&hub, None, message(Some("wv:w@west.example"), &[ADA]))), 901);
    }

    #[test]
    fn recipients_that_are_not_ours_are_taken_out_with_516() {
        let east = "wv:eve@east.example";
        let admitted = arrive(&south(), None, message(Some(BO), &[ADA, east, "cy"])).unwrap();
        assert_eq!(sent(&admitted).info.recipients, [Recipient::User(user(ADA))]);
        let cy = "wv:cy@south.example";
        let refused = [east, cy].map(|who| (Entity::User(who.parse().unwrap()), Code::DOMAIN_NOT_SUPPORTED));
        assert_eq!(admitted.refused(), refused, "what names no domain is of the sender's");
    }

    #[test]
    fn a_message_without_sender_is_the_requestors_or_nobodys() {
        let meta = meta("south.example", Some(BO));
        let admitted = arrive(&south(), Some(&meta), message(None, &[ADA])).unwrap();
        assert_eq!(sent(&admitted).info.author().map(|user| user.id.as_str()), Some(BO));
        assert_eq!(code(arrive(&south(), None, message(None, &[ADA]))), 400);
        assert_eq!(code(arrive(&south(), None, message(Some(BO), &[]))), 400);
    }

    #[test]
    fn a_screen_name_may_stand_in_a_group_of_ours_only_if_that_group_is_addressed() {
        let shown = |group: &str| {
            Some(Display::ScreenName(ScreenName { name: "Skipper".into(), group: group.parse().unwrap() }))
        };
        let to_group = |group: &str| {
            let mut request = message(Some(BO), &[]);
            request.info.recipients = vec![Recipient::Group("wv:/sailing@north.example".parse().unwrap())];
            request.info.sender.as_mut().unwrap().shown = shown(group);
            request
        };
        assert_eq!(code(arrive(&south(), None, to_group("wv:/sailing@north.example"))), 200);
        assert_eq!(code(arrive(&south(), None, to_group("wv:/club@south.example"))), 200);
        assert_eq!(code(arrive(&south(), None, to_group("wv:/other@north.example"))), 901);
        assert_eq!(code(arrive(&south(), None, to_group("wv:/sailing@east.example"))), 901);
        let mut as_ada = message(Some(BO), &[ADA]);
        as_ada.info.sender.as_mut().unwrap().shown = Some(Display::User(ADA.parse().unwrap()));
        assert_eq!(code(arrive(&south(), None, as_ada)), 901);
    }

    fn report(sender: &str, recipient: &str) -> DeliveryReport {
        let mut info = message(Some(sender), &[recipient]).info;
        info.id = Some("m-1@north.example".parse().unwrap());
        DeliveryReport { result: Status::ok(), delivery_time: None, info }
    }

    fn roles(admitted: &Admitted) -> (String, String) {
        match admitted.primitive() {
            Primitive::DeliveryReport(report) => (
                report.info.author().unwrap().id.to_string(),
                entity_text(&report.info.recipients[0].entity()),
            ),
            other => panic!("{}", other.name()),
        }
    }

    #[test]
    fn a_delivery_report_comes_out_in_the_roles_of_the_message_however_it_came_in() {
        let expected = (ADA.to_owned(), BO.to_owned());
        assert_eq!(roles(&arrive(&south(), None, report(ADA, BO)).unwrap()), expected);
        assert_eq!(roles(&arrive(&south(), None, report(BO, ADA)).unwrap()), expected);
    }

    #[test]
    fn a_delivery_report_about_others_is_refused() {
        assert_eq!(code(arrive(&south(), None, report(ADA, "wv:eve@east.example"))), 901);
        assert_eq!(code(arrive(&south(), None, report("wv:eve@east.example", BO))), 901);
        assert_eq!(code(arrive(&south(), None, report(ADA, "wv:cy@north.example"))), 901);
        let mut nameless = report(ADA, BO);
        nameless.info.id = None;
        assert_eq!(code(arrive(&south(), None, nameless)), 426);
    }

    proptest! {
        #[test]
        fn a_foreign_identity_never_passes(
            service in "(north|south|east|west)",
            requestor in proptest::option::of("(north|south|east|west)"),
            sender in proptest::option::of("(north|south|east|west)"),
            shown in proptest::option::of("(north|south|east|west)"),
            to in proptest::collection::vec("(north|south|east|west)", 0..4),
            carries_west in any::<bool>(),
        ) {
            let at = |place: &String| format!("wv:x@{place}.example");
            let mut agreement = south();
            if carries_west {
                agreement.carries.push(domain("west.example"));
            }
            let to: Vec<_> = to.iter().map(at).collect();
            let to: Vec<_> = to.iter().map(String::as_str).collect();
            let mut request = message(sender.as_ref().map(at).as_deref(), &to);
            if let Some(sender) = &mut request.info.sender {
                sender.shown = shown.as_ref().map(|place| Display::User(at(place).parse().unwrap()));
            }
            let meta = meta(&format!("{service}.example"), requestor.as_ref().map(at).as_deref());
            let theirs = |domain: Option<&str>| {
                domain == Some("south.example") || (carries_west && domain == Some("west.example"))
            };
            if let Ok(admitted) = arrive(&agreement, Some(&meta), request) {
                let Origin::Peer { domain, user, .. } = admitted.origin() else { panic!("a client?") };
                prop_assert!(theirs(Some(domain.as_str())));
                prop_assert!(user.as_ref().is_none_or(|user| user.id.is_in(domain)));
                let info = &sent(&admitted).info;
                prop_assert!(theirs(info.author().unwrap().id.domain_str()));
                if let Some(Display::User(shown)) = &info.sender.as_ref().unwrap().shown {
                    prop_assert!(theirs(shown.domain_str()));
                }
                prop_assert!(info.recipients.iter().all(|to| to.domain_str() == Some("north.example")));
                prop_assert_eq!(info.recipients.len() + admitted.refused().len(), to.len());
            }
        }
    }
}
