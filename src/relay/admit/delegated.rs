//! Delegated services at the door: a provider runs an element for the users of another (reference
//! ssp-primitives §6).
//!
//! The home hands on what its users ask of their own, and what others ask about its users and groups; the
//! element tells the home what its users, their watchers and the members of its groups are to hear. So either side may name users
//! whom nobody else on a link may name: the home everybody but ours, the element ours.

use crate::imps::agreement::{Agreement, Service};
use crate::imps::primitive::{Author, Contact, Recipient};
use crate::imps::{Code, Domain, Primitive, UserId};

use super::{Door, Origin, Refused};
use crate::relay::agreement::{Standing, is_of_element, standing};

/// Whom, beside its own users, a peer may name as the one who asks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Voice {
    /// Ours: the element tells of our users.
    ours: bool,
    /// Everybody but ours: the home of users whose element we run hands on what others ask about them.
    others: bool,
}

impl Voice {
    /// In whose name this may come under the agreement.
    pub(super) fn of(agreement: &Agreement, primitive: &Primitive) -> Self {
        let (hosts, delegates) = (|of| agreement.hosts.contains(&of), |of| agreement.delegates.contains(&of));
        match primitive {
            Primitive::SubscribePresenceRequest(_)
            | Primitive::UnsubscribePresenceRequest(_)
            | Primitive::GetPresenceRequest(_) => Self { ours: false, others: hosts(Service::Presence) },
            Primitive::PresenceNotification(_) | Primitive::PresenceAuthRequest(_) => {
                Self { ours: delegates(Service::Presence), others: false }
            }
            // A message to a user or a group may be anybody's, and one that an element sends is ours.
            Primitive::SendMessageRequest(_) => {
                let (im, group) = (hosts(Service::Im), hosts(Service::Group));
                let element = delegates(Service::Im) || delegates(Service::Group);
                Self { ours: im || element, others: im || group }
            }
            Primitive::DeliveryReport(_) | Primitive::NewMessage(_) | Primitive::MessageNotification(_) => {
                Self { ours: delegates(Service::Im), others: false }
            }
            // Whoever made a group change is named.
            Primitive::GroupChangeNotice(_) | Primitive::LeaveGroupResponse(_) => {
                Self { ours: delegates(Service::Group), others: delegates(Service::Group) }
            }
            other if standing(other) == Standing::Of(Service::Group) => {
                Self { ours: false, others: hosts(Service::Group) }
            }
            _ => Self::default(),
        }
    }

    /// In whose name something may come of which it is not known what it is.
    pub(super) fn of_any(agreement: &Agreement) -> Self {
        let either = !agreement.delegates.is_empty() || !agreement.hosts.is_empty();
        Self { ours: either, others: either }
    }

    /// Whether it may name a user of this domain, where `own` is ours.
    pub(super) fn names(self, domain: &str, own: &Domain) -> bool {
        if domain == own.as_str() { self.ours } else { self.others }
    }
}

/// As what a peer sends a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sends {
    /// As the home of its author, to ours.
    Home,
    /// As the home of those whom it is for, who have their element here.
    HandsOn,
    /// As the element of its author, who is ours, to anybody.
    Element,
}

impl Sends {
    /// As what it sends a message of an author of this domain; `None`: it may not.
    pub(super) fn of(context: &Door<'_>, author: &Author) -> Option<Self> {
        let (service, domain) = match author {
            Author::User(user) => (Service::Im, user.id.domain_str()),
            Author::Group(group) => (Service::Group, group.domain_str()),
        };
        let domain = domain?;
        let agreement = context.agreement;
        if context.vouches_for(domain) {
            Some(Self::Home)
        } else if domain == context.own.as_str() && agreement.delegates.contains(&service) {
            Some(Self::Element)
        } else if agreement.hosts.contains(&Service::Im) || agreement.hosts.contains(&Service::Group) {
            Some(Self::HandsOn)
        } else {
            None
        }
    }

    /// Whether a recipient may be named.
    pub(super) fn reaches(self, context: &Door<'_>, recipient: &Recipient) -> bool {
        let domain = recipient.domain_str();
        match self {
            Self::Element => true,
            Self::Home => domain == Some(context.own.as_str()) || is_hosted(context, recipient),
            Self::HandsOn => is_hosted(context, recipient),
        }
    }
}

/// Whether the element is run here for a recipient of the peer's own domain.
fn is_hosted(context: &Door<'_>, recipient: &Recipient) -> bool {
    let service = match recipient {
        Recipient::User(_) => Service::Im,
        Recipient::Group(_) | Recipient::ScreenName(_) => Service::Group,
        Recipient::ContactList(_) => return false,
    };
    context.agreement.hosts.contains(&service)
        && recipient.domain_str() == Some(context.agreement.domain.as_str())
}

/// Whether a delegated primitive may come under this agreement: the home asks the element that we run for its
/// users, the element tells the home that we are.
pub(super) fn is_agreed(agreement: &Agreement, service: Service, primitive: &Primitive) -> bool {
    if is_of_element(primitive) {
        agreement.delegates.contains(&service)
    } else {
        agreement.hosts.contains(&service)
    }
}

/// A delegated primitive, complete: asked in the name of a user of the peer's own domain, or told to one of
/// ours. Anything else passes unchanged.
pub(super) fn from_peer(
    context: &Door<'_>,
    origin: &Origin,
    mut primitive: Primitive,
) -> Result<Primitive, Refused> {
    if !matches!(standing(&primitive), Standing::Delegated(_)) {
        return Ok(primitive);
    }
    let Origin::Peer { user: Some(user), .. } = origin else {
        return Err(Refused::faulty(Code::BAD_REQUEST, "no user is named whose element is meant"));
    };
    let whose = if is_of_element(&primitive) { context.own } else { &context.agreement.domain };
    if !user.id.is_in(whose) {
        let found = crate::imps::status::Entity::User(user.id.clone());
        return Err(Refused::identity("the user whose element is meant", found, user.id.as_str(), whose));
    }
    if let Primitive::PresenceAuthRequest(request) = &mut primitive {
        request.user = request.user.completed(context.home);
    }
    Ok(super::presence::completed(completed(primitive, whose), whose))
}

/// Gives every address in a request of a user about its own a domain.
pub(super) fn completed(primitive: Primitive, home: &Domain) -> Primitive {
    let mut primitive = primitive;
    match &mut primitive {
        Primitive::CreateListRequest(request) => {
            request.list = request.list.completed(home);
            complete_contacts(&mut request.contacts, home);
        }
        Primitive::DeleteListRequest(request) => request.list = request.list.completed(home),
        Primitive::ForwardMessageRequest(request) => {
            for recipient in &mut request.recipients {
                *recipient = recipient.completed(home);
            }
        }
        Primitive::BlockEntityRequest(request) => {
            for list in [&mut request.block, &mut request.grant].into_iter().flatten() {
                super::client::complete_list(list, home);
            }
        }
        Primitive::ListManageRequest(request) => {
            request.list = request.list.completed(home);
            complete_contacts(&mut request.add, home);
            for user in &mut request.remove {
                *user = user.completed(home);
            }
        }
        _ => {}
    }
    primitive
}

fn complete_contacts(contacts: &mut [Contact], home: &Domain) {
    for contact in contacts {
        contact.user = contact.user.completed(home);
    }
}

/// Whether this user's presence is served on the link: it is ours, or of the peer that has its element here.
/// Others may only ask about the latter through its home.
pub(super) fn is_served(context: &Door<'_>, origin: &Origin, user: &UserId) -> bool {
    let hosted =
        context.agreement.hosts.contains(&Service::Presence) && user.is_in(&context.agreement.domain);
    let by_peer = match origin {
        Origin::Peer { user: Some(by), .. } => {
            by.id.domain_str().is_some_and(|domain| context.vouches_for(domain))
        }
        _ => true,
    };
    hosted || (by_peer && user.is_in(context.own))
}

#[cfg(test)]
mod tests {
    use super::super::{PeerContext, from_peer};
    use super::*;
    use crate::imps::presence::PresenceSubList;
    use crate::imps::primitive::{
        DeleteListRequest, MessageInfo, MetaInfo, Presence, PresenceAuthRequest, PresenceNotification,
        SendMessageRequest, SubscribePresenceRequest, User,
    };
    use crate::imps::{Moment, ServiceId};

    const ADA: &str = "wv:ada@north.example";
    const BO: &str = "wv:bo@south.example";
    const EVE: &str = "wv:eve@east.example";

    fn agreement(hosts: bool, delegates: bool) -> Agreement {
        let presence = |yes: bool| if yes { [Service::Presence].into() } else { [].into() };
        Agreement {
            services: [Service::Presence].into(),
            hosts: presence(hosts),
            delegates: presence(delegates),
            ..Agreement::with("north.example".parse().unwrap())
        }
    }

    /// North, the peer, asks in the name of somebody; we are south.
    fn arrive(agreement: &Agreement, by: &str, primitive: impl Into<Primitive>) -> (u16, Option<Primitive>) {
        let own = "south.example".parse().unwrap();
        let meta = MetaInfo {
            client_originated: true,
            service: ServiceId::of("north.example".parse().unwrap()),
            user: Some(User::from(by.parse::<UserId>().unwrap())),
        };
        let context = PeerContext { own: &own, agreement };
        match from_peer(&context, Some(&meta), primitive.into(), Moment::default()) {
            Ok(admitted) => (200, Some(admitted.into_parts().1)),
            Err(refused) => (refused.status.code.get(), None),
        }
    }

    #[test]
    fn what_users_ask_of_their_own_comes_from_their_home_to_the_element_alone() {
        let delete = || DeleteListRequest { list: "wv:ada/crew".parse().unwrap() };
        let (code, asked) = arrive(&agreement(true, false), ADA, delete());
        assert_eq!(code, 200);
        let Some(Primitive::DeleteListRequest(asked)) = asked else { panic!() };
        assert_eq!(asked.list.as_str(), "wv:ada/crew@north.example", "the lists are at home with their user");
        assert_eq!(arrive(&agreement(true, false), BO, delete()).0, 901, "ours ask us themselves");
        assert_eq!(arrive(&agreement(true, false), EVE, delete()).0, 901);
        assert_eq!(arrive(&agreement(false, true), ADA, delete()).0, 506, "the other way round");
        assert_eq!(arrive(&agreement(false, false), ADA, delete()).0, 506);
        assert_eq!(arrive(&agreement(true, true), ADA, Primitive::GetBlockedListRequest).0, 506);
    }

    fn one(service: Service, hosts: bool) -> Agreement {
        let run = |yes: bool| if yes { [service].into() } else { [].into() };
        Agreement {
            services: [Service::Im, Service::Group].into(),
            hosts: run(hosts),
            delegates: run(!hosts),
            ..Agreement::with("north.example".parse().unwrap())
        }
    }

    /// A message from somebody to these, and who are left.
    fn send(agreement: &Agreement, by: &str, to: &[&str]) -> Result<(Origin, Vec<String>), u16> {
        let own = "south.example".parse().unwrap();
        let author: UserId = by.parse().unwrap();
        let meta = MetaInfo {
            client_originated: true,
            service: ServiceId::of(author.domain().unwrap()),
            user: Some(User::from(author.clone())),
        };
        let recipients = to.iter().map(|to| {
            if to.contains('/') {
                Recipient::Group(to.parse().unwrap())
            } else {
                Recipient::User(User::from(to.parse::<UserId>().unwrap()))
            }
        });
        let info = MessageInfo {
            sender: Some(User::from(author).into()),
            recipients: recipients.collect(),
            ..MessageInfo::default()
        };
        let message = SendMessageRequest { delivery_report: false, info, content: Some("hello".into()) };
        let context = PeerContext { own: &own, agreement };
        let admitted = from_peer(&context, Some(&meta), message.into(), Moment::default())
            .map_err(|refused| refused.status.code.get())?;
        let (origin, primitive, _) = admitted.into_parts();
        let Primitive::SendMessageRequest(message) = primitive else { panic!() };
        let left = message.info.recipients.iter().filter_map(|to| match to {
            Recipient::User(user) => Some(user.id.to_string()),
            Recipient::Group(group) => Some(group.to_string()),
            _ => None,
        });
        Ok((origin, left.collect()))
    }

    #[test]
    fn a_home_hands_on_messages_of_anybody_to_its_own_and_to_nobody_else() {
        const CREW: &str = "wv:/crew@north.example";
        let to = [ADA, BO, EVE, CREW];
        let left = |agreement: &Agreement, by| send(agreement, by, &to).map(|(_, left)| left);
        let im = one(Service::Im, true);
        assert_eq!(left(&im, ADA).unwrap(), [ADA, BO], "its own users write to ours too");
        assert_eq!(left(&im, EVE).unwrap(), [ADA]);
        assert_eq!(left(&im, BO).unwrap(), [ADA], "one of ours, whose message came back to be kept here");
        let group = one(Service::Group, true);
        assert_eq!(left(&group, ADA).unwrap(), [BO, CREW]);
        assert_eq!(left(&group, EVE).unwrap(), [CREW]);
        assert_eq!(left(&one(Service::Presence, true), EVE).unwrap_err(), 901);
    }

    #[test]
    fn an_element_sends_for_our_users_to_anybody_and_for_nobody_else() {
        let im = one(Service::Im, false);
        let (origin, left) = send(&im, BO, &[ADA, BO, EVE]).unwrap();
        assert!(matches!(origin, Origin::Client { user, .. } if user.as_str() == BO), "as if it sent itself");
        assert_eq!(left, [ADA, BO, EVE]);
        assert_eq!(send(&im, EVE, &[BO]).unwrap_err(), 901);
        assert_eq!(send(&one(Service::Group, false), BO, &[BO]).unwrap_err(), 901, "groups speak, not users");
    }

    #[test]
    fn the_home_hands_on_what_others_ask_about_its_users_and_about_nobody_else() {
        let users = || [ADA, BO].map(|user| user.parse().unwrap()).to_vec();
        let watch = || SubscribePresenceRequest { users: users(), ..SubscribePresenceRequest::default() };
        let left = |by: &str| match arrive(&agreement(true, false), by, watch()) {
            (200, Some(Primitive::SubscribePresenceRequest(left))) => left.users,
            (code, _) => panic!("{code}"),
        };
        assert_eq!(left(ADA), users(), "its own user watches both");
        assert_eq!(left(EVE), users()[..1], "a stranger only whom the home has here");
        assert_eq!(arrive(&agreement(true, false), BO, watch()).0, 901, "nobody speaks for ours");
        assert_eq!(arrive(&agreement(false, false), EVE, watch()).0, 901);
    }

    #[test]
    fn the_element_tells_of_our_users_and_asks_them() {
        let asks = PresenceAuthRequest { user: EVE.parse().unwrap(), attributes: None };
        assert_eq!(arrive(&agreement(false, true), BO, asks.clone()).0, 200);
        assert_eq!(arrive(&agreement(false, true), ADA, asks.clone()).0, 901);
        assert_eq!(arrive(&agreement(true, false), BO, asks).0, 506);
        let tells = || PresenceNotification {
            users: [ADA, BO, EVE].map(|user| user.parse::<UserId>().unwrap().into()).to_vec(),
            presences: vec![Presence { user: BO.parse().unwrap(), attributes: PresenceSubList::default() }],
        };
        let told = |agreement: &Agreement| match arrive(agreement, BO, tells()) {
            (200, Some(Primitive::PresenceNotification(told))) => (told.users.len(), told.presences.len()),
            (code, _) => (usize::from(code), 0),
        };
        assert_eq!(told(&agreement(false, true)), (3, 1), "watchers elsewhere hear it through us");
        assert_eq!(told(&agreement(false, false)), (901, 0));
    }
}
