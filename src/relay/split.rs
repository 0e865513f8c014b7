//! Which recipient goes where.
//!
//! The recipients of one message are divided into local users, one list for each foreign domain, and
//! those that are refused at once. Every recipient has exactly one outcome, however often and in
//! whatever spelling it was named (reference ssp-transport §2.3, ssp-primitives G6).

use std::collections::{HashMap, HashSet};

use crate::imps::primitive::{Recipient, User};
use crate::imps::status::Entity;
use crate::imps::{Code, Domain, Moment, Primitive};

use super::admit::{Admitted, Beyond};
use super::route::{Route, Routes};

/// Recipients that one request may name; more are answered 402.
pub const RECIPIENTS_MAX: usize = 1000;

/// The recipients of one message, divided.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Split {
    /// Users at home here; whether there is such an account is not known yet.
    pub users: Vec<User>,
    /// Groups at home here, and screen names in them; whether there is such a group is not known yet.
    pub groups: Vec<Recipient>,
    /// Recipients elsewhere, one entry for each domain.
    pub remote: Vec<Remote>,
    /// Those that go nowhere, with the reason; what the door took out comes first.
    pub refused: Vec<(Entity, Code)>,
}

/// The recipients in one foreign domain: one request goes there (reference ssp-transport §2.3).
#[derive(Clone, Debug, PartialEq)]
pub struct Remote {
    /// The peer whose link leads there.
    pub peer: Domain,
    /// The domain of the recipients: the peer's own, or one it carries.
    pub domain: Domain,
    /// In the order of the request.
    pub recipients: Vec<Recipient>,
}

/// Why a message is not divided at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SplitError {
    /// More than [`RECIPIENTS_MAX`]: answered 402.
    #[error("the request names {0} recipients, at most {RECIPIENTS_MAX} are allowed")]
    TooMany(usize),
    /// The primitive has no recipients to divide.
    #[error("{0} has no recipients")]
    NoRecipients(&'static str),
}

impl SplitError {
    /// The code of the answer.
    pub const fn code(self) -> Code {
        match self {
            Self::TooMany(_) => Code::BAD_PARAMETER,
            Self::NoRecipients(_) => Code::BAD_REQUEST,
        }
    }
}

/// Divides the recipients of a message that passed the door. Two clients of one user are one
/// recipient, the user; contact lists that were not expanded are 700; what came
/// from a peer goes to no other domain (516: no transit).
pub fn split(admitted: &Admitted, routes: &Routes, now: Moment) -> Result<Split, SplitError> {
    let recipients = match admitted.primitive() {
        Primitive::SendMessageRequest(request) => &request.info.recipients,
        Primitive::ForwardMessageRequest(request) => &request.recipients,
        other => return Err(SplitError::NoRecipients(other.name())),
    };
    let total = recipients.len() + admitted.refused().len();
    if total > RECIPIENTS_MAX {
        return Err(SplitError::TooMany(total));
    }
    let may_leave = *admitted.beyond() == Beyond::Anywhere;
    let hosted = |recipient: &Recipient| match admitted.beyond() {
        Beyond::Hosted(domain) => recipient.domain_str() == Some(domain.as_str()),
        Beyond::Nothing | Beyond::Anywhere => false,
    };
    let mut split = Split::default();
    let mut seen: HashSet<Entity> = HashSet::with_capacity(total);
    let distinct = distinct(recipients);
    for (entity, code) in admitted.refused() {
        // The door may have taken out one address twice, never one that it also let pass.
        if seen.insert(entity.clone()) {
            split.refused.push((entity.clone(), *code));
        }
    }
    let mut remotes: HashMap<Domain, usize> = HashMap::new();
    for recipient in distinct {
        let entity = recipient.entity();
        if !seen.insert(entity.clone()) {
            continue;
        }
        let route =
            routes.place_of(&recipient).map_or(Route::Unknown, |domain| routes.of(domain, now.date_time()));
        let refusal = match (&recipient, route) {
            (Recipient::ContactList(_), _) => Code::NO_CONTACT_LIST,
            // The door let only those pass whose element is run here.
            (Recipient::User(user), _) if hosted(&recipient) => {
                split.users.push(user.clone());
                continue;
            }
            (Recipient::Group(_) | Recipient::ScreenName(_), _) if hosted(&recipient) => {
                split.groups.push(recipient);
                continue;
            }
            (Recipient::User(user), Route::Local(_)) => {
                split.users.push(user.clone());
                continue;
            }
            (Recipient::Group(_) | Recipient::ScreenName(_), Route::Local(_)) => {
                split.groups.push(recipient);
                continue;
            }
            (_, Route::Peer(_)) if !may_leave => Code::DOMAIN_NOT_SUPPORTED,
            (_, Route::Unknown) => Code::DOMAIN_NOT_SUPPORTED,
            (_, Route::Peer(peer)) => {
                let Some(domain) = domain_of(&recipient) else {
                    split.refused.push((entity, Code::DOMAIN_NOT_SUPPORTED));
                    continue;
                };
                let peer = peer.clone();
                let index = *remotes.entry(domain.clone()).or_insert(split.remote.len());
                match split.remote.get_mut(index) {
                    Some(remote) => remote.recipients.push(recipient),
                    None => split.remote.push(Remote { peer, domain, recipients: vec![recipient] }),
                }
                continue;
            }
        };
        split.refused.push((entity, refusal));
    }
    Ok(split)
}

/// Every recipient once, in order of first appearance. A user that is named with different clients
/// loses the qualifier: the message is for all of them.
fn distinct(recipients: &[Recipient]) -> Vec<Recipient> {
    let mut places: HashMap<Entity, usize> = HashMap::with_capacity(recipients.len());
    let mut distinct: Vec<Recipient> = Vec::with_capacity(recipients.len());
    for recipient in recipients {
        let place = *places.entry(recipient.entity()).or_insert(distinct.len());
        match (distinct.get_mut(place), recipient) {
            (None, _) => distinct.push(recipient.clone()),
            (Some(Recipient::User(kept)), Recipient::User(again)) => {
                if kept.client != again.client || kept.application != again.application {
                    kept.client = None;
                    kept.application = None;
                }
            }
            (Some(_), _) => {}
        }
    }
    distinct
}

/// What a request names, divided by where it is at home.
#[derive(Clone, Debug, PartialEq)]
pub struct ByDomain<T> {
    /// At home here.
    pub local: Vec<T>,
    /// At home elsewhere, one entry for each domain: one request goes there (reference ssp-primitives G6).
    pub remote: Vec<Elsewhere<T>>,
    /// No way leads there: 516 each.
    pub unknown: Vec<T>,
}

/// What is at home in one foreign domain.
#[derive(Clone, Debug, PartialEq)]
pub struct Elsewhere<T> {
    /// The peer whose link leads there.
    pub peer: Domain,
    /// The domain: the peer's own, or one it carries.
    pub domain: Domain,
    /// In the order of the request.
    pub items: Vec<T>,
}

/// Divides what a request of a client names (users, groups, identities). `domain` tells the home of one in
/// normal form; what has none goes nowhere.
pub fn by_domain<T>(
    items: impl IntoIterator<Item = T>,
    domain: impl Fn(&T) -> Option<&str>,
    routes: &Routes,
    now: Moment,
) -> ByDomain<T> {
    let mut divided = ByDomain { local: Vec::new(), remote: Vec::new(), unknown: Vec::new() };
    let mut places: HashMap<Domain, usize> = HashMap::new();
    for item in items {
        let home = domain(&item);
        let way = home.map_or(Route::Unknown, |home| routes.of(home, now.date_time()));
        let peer = match (way, home.map(str::parse::<Domain>)) {
            (Route::Local(_), _) => {
                divided.local.push(item);
                continue;
            }
            (Route::Peer(peer), Some(Ok(home))) => Some((peer.clone(), home)),
            _ => None,
        };
        let Some((peer, home)) = peer else {
            divided.unknown.push(item);
            continue;
        };
        let place = *places.entry(home.clone()).or_insert(divided.remote.len());
        match divided.remote.get_mut(place) {
            Some(elsewhere) => elsewhere.items.push(item),
            None => divided.remote.push(Elsewhere { peer, domain: home, items: vec![item] }),
        }
    }
    divided
}

impl<T> ByDomain<T> {
    /// What goes nowhere now because an agreement is closed is owed to the peer of that agreement: it goes there
    /// once that is in force again.
    #[must_use]
    pub fn owing(mut self, domain: impl Fn(&T) -> Option<&str>, routes: &Routes) -> Self {
        for item in std::mem::take(&mut self.unknown) {
            let home = domain(&item).and_then(|home| home.parse::<Domain>().ok());
            let way = home.and_then(|home| Some((routes.owed_to(home.as_str())?.clone(), home)));
            let Some((peer, domain)) = way else {
                self.unknown.push(item);
                continue;
            };
            match self.remote.iter_mut().find(|known| known.domain == domain && known.peer == peer) {
                Some(elsewhere) => elsewhere.items.push(item),
                None => self.remote.push(Elsewhere { peer, domain, items: vec![item] }),
            }
        }
        self
    }
}

fn domain_of(recipient: &Recipient) -> Option<Domain> {
    match recipient {
        Recipient::User(user) => user.id.domain(),
        Recipient::Group(group) => group.domain(),
        Recipient::ScreenName(screen_name) => screen_name.group.domain(),
        Recipient::ContactList(list) => list.domain(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::imps::UserId;
    use crate::imps::agreement::{Agreement, Service};
    use crate::imps::primitive::{ClientId, MessageInfo, ScreenName, SendMessageRequest, Sender};
    use crate::relay::admit::{PeerContext, from_client, from_peer};

    fn domain(text: &str) -> Domain {
        text.parse().unwrap()
    }

    fn to(text: &str) -> Recipient {
        Recipient::User(User::from(text.parse::<UserId>().unwrap()))
    }

    fn group(text: &str) -> Recipient {
        Recipient::Group(text.parse().unwrap())
    }

    fn request(recipients: Vec<Recipient>) -> Primitive {
        let info = MessageInfo { recipients, ..MessageInfo::default() };
        SendMessageRequest { delivery_report: false, info, content: None }.into()
    }

    fn routes() -> Routes {
        let hub =
            Agreement { carries: vec![domain("west.example")], ..Agreement::with(domain("hub.example")) };
        let south = Agreement::with(domain("south.example"));
        Routes::new([domain("north.example")], [&hub, &south], false)
    }

    fn divide(recipients: Vec<Recipient>) -> Result<Split, SplitError> {
        let client = ClientId::default();
        let admitted = from_client(
            &"wv:ada@north.example".parse().unwrap(),
            &client,
            &domain("north.example"),
            request(recipients),
        );
        split(&admitted.unwrap(), &routes(), Moment::default())
    }

    #[test]
    fn each_domain_gets_one_list_with_its_own_recipients_only() {
        let split = divide(vec![
            to("cy"),
            to("wv:bo@south.example"),
            to("wv:eve@west.example"),
            group("wv:/sailing@south.example"),
            to("wv:hub@hub.example"),
        ])
        .unwrap();
        assert_eq!(split.users.len(), 1);
        let lists: Vec<_> = split
            .remote
            .iter()
            .map(|remote| (remote.peer.as_str(), remote.domain.as_str(), remote.recipients.len()))
            .collect();
        assert_eq!(
            lists,
            [
                ("south.example", "south.example", 2),
                ("hub.example", "west.example", 1),
                ("hub.example", "hub.example", 1)
            ]
        );
        assert!(split.refused.is_empty());
    }

    #[test]
    fn what_goes_nowhere_has_its_reason() {
        let skipper =
            ScreenName { name: "Skipper".into(), group: "wv:/sailing@north.example".parse().unwrap() };
        let split = divide(vec![
            to("wv:x@nowhere.example"),
            group("wv:/sailing"),
            Recipient::ScreenName(skipper),
            Recipient::ContactList("wv:ada/friends".parse().unwrap()),
            Recipient::ContactList("wv:bo/friends@south.example".parse().unwrap()),
        ])
        .unwrap();
        let codes: Vec<_> = split.refused.iter().map(|(_, code)| code.get()).collect();
        assert_eq!(codes, [516, 700, 700]);
        assert_eq!(split.groups.len(), 2, "whether there are such groups is seen later");
        assert!(split.users.is_empty() && split.remote.is_empty());
    }

    #[test]
    fn one_user_in_several_spellings_and_clients_is_one_recipient() {
        let phone = ClientId { url: Some("phone".into()), ..ClientId::default() };
        let mut on_phone = User::from("CY".parse::<UserId>().unwrap());
        on_phone.client = Some(phone.clone());
        let once = divide(vec![Recipient::User(on_phone.clone())]).unwrap();
        assert_eq!(once.users[0].client, Some(phone), "one client alone may be meant");
        let split = divide(vec![Recipient::User(on_phone), to("wv:cy@North.Example")]).unwrap();
        assert_eq!(split.users.len(), 1);
        assert_eq!(split.users[0].client, None);
    }

    #[test]
    fn too_many_recipients_are_402() {
        let many = |n: usize| (0..n).map(|n| to(&format!("wv:u{n}@south.example"))).collect();
        assert_eq!(divide(many(RECIPIENTS_MAX)).unwrap().remote[0].recipients.len(), RECIPIENTS_MAX);
        let refused = divide(many(RECIPIENTS_MAX + 1)).unwrap_err();
        assert_eq!((refused, refused.code()), (SplitError::TooMany(1001), Code::BAD_PARAMETER));
    }

    #[test]
    fn what_came_from_a_peer_goes_to_no_other() {
        let agreement =
            Agreement { services: [Service::Im].into(), ..Agreement::with(domain("south.example")) };
        let own = domain("north.example");
        let mut primitive = request(vec![to("wv:eve@west.example"), to("wv:cy@north.example")]);
        if let Primitive::SendMessageRequest(request) = &mut primitive {
            let bo = User::from("wv:bo@south.example".parse::<UserId>().unwrap());
            request.info.sender = Some(Sender::from(bo));
        }
        let context = PeerContext { own: &own, agreement: &agreement };
        let admitted = from_peer(&context, None, primitive, Moment::default()).unwrap();
        let split = split(&admitted, &routes(), Moment::default()).unwrap();
        assert_eq!(split.users.len(), 1);
        assert_eq!(split.refused[0].1, Code::DOMAIN_NOT_SUPPORTED);
        assert!(split.remote.is_empty());
    }

    proptest! {
        #[test]
        fn each_recipient_gets_exactly_one_outcome(
            named in proptest::collection::vec(
                (0_u8..4, "[abAB]", "(North|north|south|west|hub|east)[.]example"), 1..20,
            ),
        ) {
            let recipients: Vec<_> = named
                .iter()
                .map(|(kind, name, place)| match kind {
                    0 => to(&format!("wv:{name}@{place}")),
                    1 => group(&format!("wv:/{name}@{place}")),
                    2 => Recipient::ContactList(format!("wv:ada/{name}@{place}").parse().unwrap()),
                    _ => Recipient::ScreenName(ScreenName {
                        name: name.as_str().into(),
                        group: format!("wv:/g@{place}").parse().unwrap(),
                    }),
                })
                .collect();
            let asked: HashSet<Entity> = recipients.iter().map(Recipient::entity).collect();
            let split = divide(recipients).unwrap();
            let outcomes: Vec<Entity> = split
                .users
                .iter()
                .map(|user| Entity::User(user.id.clone()))
                .chain(split.groups.iter().map(Recipient::entity))
                .chain(split.remote.iter().flat_map(|remote| remote.recipients.iter().map(Recipient::entity)))
                .chain(split.refused.iter().map(|(entity, _)| entity.clone()))
                .collect();
            prop_assert_eq!(outcomes.len(), asked.len(), "no recipient twice");
            prop_assert_eq!(outcomes.iter().cloned().collect::<HashSet<_>>(), asked, "and none left out");
            for remote in &split.remote {
                let place = Some(remote.domain.as_str());
                prop_assert!(remote.recipients.iter().all(|recipient| recipient.domain_str() == place));
            }
        }
    }
}
