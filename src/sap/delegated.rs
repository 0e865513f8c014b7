//! Elements at another provider (reference ssp-transport §1, ssp-primitives §6). Here that of presence: contact
//! lists, attribute lists, what users publish and who watches them; that of messages in [`im`].
//!
//! Where it is run elsewhere for our users, their requests go there in the shape of CSP, what others ask about
//! them is handed on, and what the element tells reaches their clients and the watchers at other providers
//! through us. Where it is run here for the users of a peer, that peer's word is taken for who they are and
//! which of their clients are logged in; the same code serves them that serves ours, on accounts without a
//! password, and what their watchers are to hear leaves by their home.
//!
//! ```text
//! client ─CSP─▶ home ─delegated request─▶ element          element ─notice─▶ home ─▶ client, other peers
//! ```

mod im;

pub(super) use im::link_to;

use std::collections::HashMap;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use tracing::{debug, warn};

use super::clients::Client;
use super::groups::for_client;
use super::questions::{Question, Reply, SUBSCRIPTION_LIFE};
use super::services::PeerAsks;
use super::{Sap, store_code};
use crate::element::im::hosted::Manner;
use crate::element::lists::{ContactList, LISTS_MAX, Lists};
use crate::element::notify::{NOTICE_SECONDS, Notify, Reach};
use crate::element::presence::{Online, QUESTION_SECONDS, view};
use crate::imps::agreement::Service;
use crate::imps::presence::{Attribute, PresenceSubList};
use crate::imps::primitive::{
    ClientId, ListManageRequest, Presence, PresenceAuthRequest, PresenceNotification, UpdatePresenceRequest,
    User,
};
use crate::imps::status::Entity;
use crate::imps::{Code, ContactListId, Domain, Primitive, Status, Terms, UserId, Version};
use crate::relay::admit::Origin;
use crate::relay::agreement::{Standing, is_of_element, standing};
use crate::relay::ports::{Account, Change, Outcome, StoreError};
use crate::relay::split::{ByDomain, Elsewhere};

/// Clients of other providers' users that count as logged in at a time; of more nobody hears that they are.
const ONLINE_MAX: usize = 100_000;
/// How long a peer that looks at a user of ours waits for the element: less than its POST may take.
pub(super) const LOOK: Duration = Duration::from_secs(8);
/// Users of one other provider that have accounts here; what is asked of more is answered 507.
const GUESTS_MAX: usize = 100_000;
/// How long the element is told that a client came or went.
const THERE_LIFE: Duration = Duration::from_secs(600);

/// The clients of users whose element is run here, as their homes tell. Forgotten with the process, and known
/// again as soon as one of them asks for something.
#[derive(Debug, Default)]
pub(super) struct Visitors {
    online: HashMap<UserId, Vec<ClientId>>,
    clients: usize,
    /// How homes want to hear of what arrives for their users, where they said so, as it is stored.
    manners: HashMap<UserId, Manner>,
    /// Accounts of each home, once they were counted.
    guests: HashMap<Domain, usize>,
}

/// The new users for whom there is room, where a home may have `max` and has so many; they count from now on.
/// `None`: a home that was not counted yet.
fn with_room(guests: &mut HashMap<Domain, usize>, new: Vec<UserId>, max: usize) -> Option<Vec<UserId>> {
    let homes: Vec<Domain> = new.iter().filter_map(|user| user.domain()).collect();
    if homes.iter().any(|home| !guests.contains_key(home)) {
        return None;
    }
    let mut fits = |user: &UserId| {
        let known = user.domain().and_then(|home| guests.get_mut(&home));
        known.is_some_and(|known| {
            let room = *known < max;
            *known += usize::from(room);
            room
        })
    };
    Some(new.into_iter().filter(|user| fits(user)).collect())
}

impl Visitors {
    /// What became of the accounts of new users that count already. If there are fewer than were counted, those
    /// of their homes are counted anew when the next one comes.
    fn added(&mut self, users: &[UserId], outcomes: &[Outcome]) {
        for (place, user) in users.iter().enumerate() {
            if outcomes.get(place) != Some(&Outcome::Done)
                && let Some(home) = user.domain()
            {
                self.guests.remove(&home);
            }
        }
    }

    /// A client is there or not; `true` if that is new.
    fn note(&mut self, user: &UserId, client: &ClientId, there: bool) -> bool {
        let known = self.online.get(user).is_some_and(|clients| clients.contains(client));
        if known == there || (there && self.clients >= ONLINE_MAX) {
            return false;
        }
        if there {
            self.online.entry(user.clone()).or_default().push(client.clone());
            self.clients += 1;
        } else if let Some(clients) = self.online.get_mut(user) {
            clients.retain(|other| other != client);
            self.clients -= 1;
            if clients.is_empty() {
                self.online.remove(user);
            }
        }
        true
    }
}

impl Sap {
    /// The provider that runs the element of presence for our users.
    pub(super) fn presence_element(&self) -> Option<Domain> {
        self.element(Service::Presence)
    }

    pub(super) fn element(&self, service: Service) -> Option<Domain> {
        self.map().directory.element_of(service).cloned()
    }

    /// Users whose presence is run elsewhere are not here, and those of others may be.
    pub(super) fn at_elements(&self, divided: &mut ByDomain<UserId>) {
        let map = self.map();
        let hosted = |domain: &Domain| map.directory.hosts(domain.as_str(), Service::Presence);
        let (here, mut remote): (Vec<_>, Vec<_>) =
            std::mem::take(&mut divided.remote).into_iter().partition(|to| hosted(&to.domain));
        if let Some(element) = map.directory.element_of(Service::Presence) {
            let mut ours: Vec<Elsewhere<UserId>> = Vec::new();
            for user in std::mem::take(&mut divided.local) {
                let Some(domain) = user.domain() else { continue };
                match ours.iter_mut().find(|known| known.domain == domain) {
                    Some(known) => known.items.push(user),
                    None => ours.push(Elsewhere { peer: element.clone(), domain, items: vec![user] }),
                }
            }
            remote.extend(ours);
        }
        divided.remote = remote;
        divided.local.extend(here.into_iter().flat_map(|to| to.items));
    }

    /// A client's request that the element elsewhere carries out; `None`: it is served here.
    pub(super) async fn ask_element(&self, client: &Arc<Client>, primitive: &Primitive) -> Option<Primitive> {
        let element = match (primitive, standing(primitive)) {
            // Between providers there is no such request.
            (Primitive::CancelAuthRequest(_) | Primitive::GetReactiveAuthStatusRequest(_), _) => {
                self.presence_element()?;
                return Some(Status::new(Code::SERVICE_NOT_AGREED).into());
            }
            (_, Standing::Delegated(service @ (Service::Presence | Service::Im))) => self.element(service)?,
            _ => return None,
        };
        let question = self.for_element(client.as_user(), element, primitive.clone());
        let reply = self.ask(vec![question], Vec::new()).await.map(|mut replies| replies.pop());
        Some(match reply {
            Ok(Some(Reply::Answer(answer))) if answers(primitive, &answer) => for_client(*answer),
            Ok(Some(Reply::Answer(answer))) => {
                debug!(request = primitive.name(), answer = answer.name(), "no answer to what was asked");
                Status::new(Code::INTERNAL_ERROR).into()
            }
            Ok(Some(other)) => Status::new(other.code()).into(),
            Ok(None) => Status::new(Code::INTERNAL_ERROR).into(),
            Err(error) => Status::new(store_code(&error)).into(),
        })
    }

    fn for_element(&self, by: User, element: Domain, primitive: impl Into<Primitive>) -> Question {
        let own = by.id.domain().filter(|own| self.map().directory.own_domain(own.as_str()).is_some());
        Question {
            own: own.or_else(|| self.domains().into_iter().next()).unwrap_or_else(|| element.clone()),
            peer: element,
            client_originated: true,
            primitive: primitive.into(),
            kept: None,
            order: format!("element {}", by.id.key()).into(),
            by: Some(by),
        }
    }

    /// These contact lists of a client's user, wherever they are kept. Lists that there are not are left out.
    pub(super) async fn lists_of(&self, user: &User, named: &[ContactListId]) -> Result<Arc<Lists>, Code> {
        let Some(element) = self.presence_element() else {
            let found = self.store.lists(vec![user.id.clone()]).await;
            return found.map_err(|error| store_code(&error))?.pop().ok_or(Code::INTERNAL_ERROR);
        };
        let mut wanted: Vec<ContactListId> = Vec::new();
        for list in named {
            if !wanted.contains(list) {
                wanted.push(list.clone());
            }
        }
        if wanted.len() > LISTS_MAX {
            return Err(Code::BAD_PARAMETER);
        }
        let read = |list: &ContactListId| ListManageRequest {
            list: list.clone(),
            add: Vec::new(),
            remove: Vec::new(),
            properties: Vec::new(),
            receive: Some(true),
            authorize_and_grant: None,
        };
        let questions =
            wanted.iter().map(|list| self.for_element(user.clone(), element.clone(), read(list))).collect();
        let replies = self.ask(questions, Vec::new()).await.map_err(|error| store_code(&error))?;
        let home = user.id.domain().ok_or(Code::INTERNAL_ERROR)?;
        let mut lists = Lists::new(user.id.clone());
        for (id, reply) in wanted.into_iter().zip(replies) {
            match reply {
                Reply::Answer(answer) => match *answer {
                    Primitive::ListManageResponse(response) if response.result.code.is_success() => {
                        let mut contacts = response.contacts.unwrap_or_default().contacts;
                        for contact in &mut contacts {
                            contact.user = contact.user.completed(&home);
                        }
                        lists.lists.push(ContactList { id, display_name: None, contacts });
                    }
                    answer if answer.code() == Code::NO_CONTACT_LIST => {}
                    answer if answer.code().is_success() => return Err(Code::INTERNAL_ERROR),
                    answer => return Err(answer.code()),
                },
                other => return Err(other.code()),
            }
        }
        Ok(Arc::new(lists))
    }

    /// The element is told that a client of ours came or went.
    pub(super) async fn client_there(&self, client: &Client, there: bool) {
        let Some(element) = self.presence_element() else { return };
        let status = view::online_status(there, None);
        let update = UpdatePresenceRequest { attributes: PresenceSubList::new(vec![status]) };
        let question = Question {
            kept: Some(THERE_LIFE),
            client_originated: false,
            ..self.for_element(client.as_user(), element, update)
        };
        if let Err(error) = self.ask_for_nobody(vec![question], Vec::new()).await {
            warn!(user = %client.user(), %error, "the element of presence cannot be told who is there");
        }
    }

    /// What a peer asks about users of ours whose presence is run elsewhere is handed on there. `None`: it is
    /// run here.
    pub(super) async fn handed_on(
        &self,
        asks: &PeerAsks<'_>,
        primitive: &Primitive,
    ) -> Result<Option<Primitive>, StoreError> {
        let Some(element) = self.presence_element() else { return Ok(None) };
        let mut primitive = primitive.clone();
        let (users, is_look) = match &mut primitive {
            Primitive::SubscribePresenceRequest(request) => (&mut request.users, false),
            Primitive::UnsubscribePresenceRequest(request) => (&mut request.users, false),
            Primitive::GetPresenceRequest(request) => (&mut request.users, true),
            _ => return Ok(None),
        };
        let (ours, others): (Vec<UserId>, Vec<UserId>) =
            std::mem::take(users).into_iter().partition(|user| user.is_in(asks.own));
        if ours.is_empty() {
            return Ok(None);
        }
        // Nothing goes back where it came from: who runs the element looks there.
        if element == asks.agreement.domain {
            return Ok(Some(Status::new(Code::SERVICE_NOT_AGREED).into()));
        }
        let Origin::Peer { user: Some(by), .. } = &asks.origin else {
            return Ok(Some(Status::new(Code::BAD_REQUEST).into()));
        };
        let accounts = self.store.accounts(ours.clone()).await?;
        let mut outcomes = asks.refused.clone();
        outcomes.extend(others.into_iter().map(|user| (Entity::User(user), Code::DOMAIN_NOT_SUPPORTED)));
        let mut known = Vec::new();
        for (user, account) in ours.into_iter().zip(accounts) {
            match account {
                Some(_) => known.push(user),
                None => outcomes.push((Entity::User(user), Code::UNKNOWN_USER)),
            }
        }
        users.clone_from(&known);
        if known.is_empty() {
            return Ok(Some(Status::merge(outcomes).into()));
        }
        let question = Question { own: asks.own.clone(), ..self.for_element(by.clone(), element, primitive) };
        if !is_look {
            let kept = Some(SUBSCRIPTION_LIFE);
            self.ask_for_nobody(vec![Question { kept, ..question }], Vec::new()).await?;
            outcomes.extend(known.into_iter().map(|user| (Entity::User(user), Code::SUCCESSFUL)));
            return Ok(Some(Status::merge(outcomes).into()));
        }
        let reply = self.ask_within_look(question).await?;
        outcomes.extend(known.iter().map(|user| {
            let entity = Entity::User(user.clone());
            let code = reply.code_for(&entity);
            (entity, code)
        }));
        let mut presences = Vec::new();
        if let Reply::Answer(answer) = reply
            && let Primitive::GetPresenceResponse(response) = *answer
        {
            presences = response.presences;
            presences.retain(|presence| known.contains(&presence.user));
        }
        let result = Status::merge(outcomes);
        Ok(Some(crate::imps::primitive::GetPresenceResponse { result, presences }.into()))
    }

    /// Asks where somebody who waits for us waits as long as [`LOOK`] at most.
    pub(super) async fn ask_within_look(&self, question: Question) -> Result<Reply, StoreError> {
        match tokio::time::timeout(LOOK, self.ask(vec![question], Vec::new())).await {
            Ok(replies) => Ok(replies?.pop().unwrap_or(Reply::Failed(Code::INTERNAL_ERROR))),
            Err(_) => Ok(Reply::Failed(Code::TIMEOUT)),
        }
    }

    /// What the element tells of users of ours goes on to their watchers at other providers.
    pub(super) async fn tell_watchers_elsewhere(
        &self,
        own: &Domain,
        watchers: Vec<User>,
        presences: &[Presence],
        outcomes: &mut Vec<(Entity, Code)>,
    ) -> Result<(), StoreError> {
        let mut notices = Vec::new();
        for presence in presences.iter().filter(|presence| presence.user.is_in(own)) {
            let presences = vec![presence.clone()];
            let notice = PresenceNotification { users: Vec::new(), presences };
            notices.push(Notify {
                by: Some(presence.user.clone().into()),
                seconds: NOTICE_SECONDS,
                replaces: Some(format!("presence {}", presence.user).into()),
                ..Notify::new(own.clone(), watchers.clone(), notice)
            });
        }
        outcomes.extend(watchers.into_iter().map(|user| (Entity::User(user.id), Code::SUCCESSFUL)));
        if !notices.is_empty() {
            self.commit_and_tell(Vec::new(), notices).await?;
        }
        Ok(())
    }

    /// The element asks a user of ours whether somebody may watch.
    pub(super) async fn asked_by_element(
        &self,
        asks: &PeerAsks<'_>,
        request: PresenceAuthRequest,
    ) -> Result<Primitive, StoreError> {
        let Some(user) = asks.user() else { return Ok(Status::new(Code::BAD_REQUEST).into()) };
        if self.store.accounts(vec![user.id.clone()]).await?.pop().flatten().is_none() {
            return Ok(Status::new(Code::UNKNOWN_USER).into());
        }
        let watcher = request.user.clone();
        let notice = Notify {
            reach: Reach::Account,
            by: Some(watcher.clone().into()),
            seconds: QUESTION_SECONDS,
            replaces: Some(format!("presence question {watcher}").into()),
            ..Notify::new(asks.own.clone(), vec![user.id.clone().into()], request)
        };
        self.commit_and_tell(Vec::new(), vec![notice]).await?;
        Ok(Status::ok().into())
    }

    /// The home of a user asks for it what only its element can do. An error means that nothing was stored.
    pub(super) async fn hosted_request(
        &self,
        asks: &PeerAsks<'_>,
        primitive: Primitive,
    ) -> Result<Primitive, StoreError> {
        let Some(user) = asks.user() else { return Ok(Status::new(Code::BAD_REQUEST).into()) };
        let Standing::Delegated(service) = standing(&primitive) else {
            return Ok(Status::new(Code::BAD_REQUEST).into());
        };
        if !self.receive_guests(std::slice::from_ref(&user.id), service).await? {
            return Ok(Status::new(Code::QUEUE_FULL).into());
        }
        let answer = if service == Service::Im {
            self.hosted_mailbox(asks, user, primitive).await?
        } else {
            self.hosted_presence(user, primitive).await?
        };
        // HTTP 503 and the peer's own queue are better than a code that it may take for final.
        match answer.code() {
            code @ (Code::INTERNAL_ERROR | Code::SERVICE_UNAVAILABLE) => {
                Err(StoreError::Failed(format!("{code}")))
            }
            _ => Ok(answer),
        }
    }

    async fn hosted_presence(&self, user: &User, primitive: Primitive) -> Result<Primitive, StoreError> {
        let client = user.client.clone().unwrap_or_default();
        let there = match &primitive {
            Primitive::UpdatePresenceRequest(update) => says_there(update),
            _ => None,
        };
        let news = self.visitors().note(&user.id, &client, there.unwrap_or(true));
        if there == Some(false) {
            self.guest_left(&user.id, &client).await;
            return Ok(Status::ok().into());
        }
        let answer = match primitive {
            lists @ (Primitive::GetListRequest
            | Primitive::CreateListRequest(_)
            | Primitive::DeleteListRequest(_)
            | Primitive::ListManageRequest(_)) => self.lists_request(&user.id, None, &lists).await,
            other => self.presence_of_its_own(&user.id, &client, other).await,
        };
        if news {
            self.presence_changed(&user.id).await;
        }
        Ok(answer)
    }

    /// Users of a peer whose element is run here have an account here that nobody can log in to. Their home
    /// vouches for them. `false`: there is no room for all of them.
    pub(super) async fn receive_guests(
        &self,
        users: &[UserId],
        service: Service,
    ) -> Result<bool, StoreError> {
        let guests: Vec<UserId> = {
            let map = self.map();
            let hosted =
                |user: &&UserId| user.domain_str().is_some_and(|domain| map.directory.hosts(domain, service));
            users.iter().filter(hosted).cloned().collect()
        };
        if guests.is_empty() {
            return Ok(true);
        }
        let accounts = self.store.accounts(guests.clone()).await?;
        let created = self.now();
        let mut new: Vec<UserId> = Vec::new();
        for (user, _) in guests.into_iter().zip(accounts).filter(|(_, account)| account.is_none()) {
            if !new.contains(&user) {
                new.push(user);
            }
        }
        let Some(home) = new.first().and_then(|user| user.domain()) else { return Ok(true) };
        let wanted = new.len();
        let admitted = loop {
            let found = with_room(&mut self.visitors().guests, new.clone(), GUESTS_MAX);
            match found {
                Some(admitted) => break admitted,
                None => self.count_guests(&new).await?,
            }
        };
        let room = admitted.len() == wanted;
        if !room {
            warn!(%home, "no room for more users whose element is run here");
        }
        let add = |user: &UserId| {
            let (user, sealed_password, terms) = (user.clone(), Arc::from([]), Terms::default());
            Change::AddAccount(Account { user, sealed_password, created, terms })
        };
        let added = self.store.commit(admitted.iter().map(add).collect()).await;
        self.visitors().added(&admitted, added.as_deref().unwrap_or_default());
        added.map(|_| room)
    }

    /// Accounts that are gone make room in the end.
    pub(super) fn sweep_guests(&self) {
        self.visitors().guests.retain(|_, known| *known < GUESTS_MAX);
    }

    /// Counts how many users of these providers have an account here, where that is not known.
    async fn count_guests(&self, users: &[UserId]) -> Result<(), StoreError> {
        let all = self.store.all_accounts().await?;
        let mut visitors = self.visitors();
        for home in users.iter().filter_map(|user| user.domain()) {
            let count = || all.iter().filter(|account| account.user.is_in(&home)).count();
            visitors.guests.entry(home.clone()).or_insert_with(count);
        }
        Ok(())
    }

    /// The wishes of homes that were said before, where messages are run here for anybody.
    pub(super) async fn restore_manners(&self) -> Result<(), StoreError> {
        let is_host =
            self.map().directory.agreements().any(|agreement| agreement.hosts.contains(&Service::Im));
        if !is_host {
            return Ok(());
        }
        let manners = self.store.manners().await?;
        self.visitors().manners = manners.into_iter().collect();
        Ok(())
    }

    /// The clients of a user of another provider that are logged in there, where its element is run here.
    pub(super) fn guests_online(&self, user: &UserId) -> Vec<Online> {
        let visitors = self.visitors();
        let clients = visitors.online.get(user).map(Vec::as_slice).unwrap_or_default();
        let online = clients.iter().filter_map(|client| {
            // It has no session here: a name that none has.
            let session = format!("guest {}", user.key()).parse().ok()?;
            Some(Online { session, client: client.clone(), version: Version::V1_2, info: None })
        });
        online.collect()
    }

    fn visitors(&self) -> MutexGuard<'_, Visitors> {
        self.visitors.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What an update says of whether the client is logged in, which is for its home alone to say.
fn says_there(update: &UpdatePresenceRequest) -> Option<bool> {
    update.attributes.attributes.iter().find_map(|attribute| match attribute {
        Attribute::OnlineStatus(status) => status.value.as_deref().map(|value| value == "T"),
        _ => None,
    })
}

/// Whether this may be the answer to a request.
fn answers(request: &Primitive, answer: &Primitive) -> bool {
    matches!(
        (request, answer),
        (_, Primitive::Status(_))
            | (Primitive::GetListRequest, Primitive::GetListResponse(_))
            | (Primitive::GetMessageRequest(_), Primitive::GetMessageResponse(_))
            | (Primitive::GetMessageListRequest(_), Primitive::GetMessageListResponse(_))
            | (Primitive::ForwardMessageRequest(_), Primitive::ForwardMessageResponse(_))
            | (Primitive::GetBlockedListRequest, Primitive::GetBlockedListResponse(_))
            | (Primitive::CreateListRequest(_), Primitive::CreateListResponse(_))
            | (Primitive::ListManageRequest(_), Primitive::ListManageResponse(_))
            | (Primitive::GetAttributeListRequest(_), Primitive::GetAttributeListResponse(_))
            | (Primitive::GetWatcherListRequest(_), Primitive::GetWatcherListResponse(_))
    )
}

/// Whether the element that is run here is asked by the home of its user.
pub(super) fn is_for_element(primitive: &Primitive) -> bool {
    matches!(standing(primitive), Standing::Delegated(_)) && !is_of_element(primitive)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_there_until_its_home_says_that_it_is_not() {
        let mut visitors = Visitors::default();
        let user: UserId = "wv:ada@north.example".parse().unwrap();
        let client = |url: &str| ClientId { url: Some(url.into()), ..ClientId::default() };
        assert!(visitors.note(&user, &client("phone"), true));
        assert!(!visitors.note(&user, &client("phone"), true), "known");
        assert!(visitors.note(&user, &client("desk"), true));
        assert!(visitors.note(&user, &client("phone"), false));
        assert!(!visitors.note(&user, &client("phone"), false));
        assert!(visitors.note(&user, &client("desk"), false));
        assert!(visitors.online.is_empty() && visitors.clients == 0);
    }

    #[test]
    fn a_home_has_no_more_users_here_than_agreed_and_is_counted_first() {
        let user = |text: &str| -> UserId { text.parse().unwrap() };
        let (ada, bo, cy) =
            (user("wv:ada@north.example"), user("wv:bo@north.example"), user("wv:cy@east.example"));
        let north: Domain = "north.example".parse().unwrap();
        let mut guests = HashMap::from([(north.clone(), 1)]);
        assert_eq!(with_room(&mut guests, vec![ada.clone(), cy.clone()], 2), None, "east was not counted");
        assert_eq!(guests[&north], 1, "nobody counts before all can be told");
        guests.insert("east.example".parse().unwrap(), 0);
        let room = with_room(&mut guests, vec![ada.clone(), bo.clone(), cy.clone()], 2);
        assert_eq!(room, Some(vec![ada, cy]), "one more of the north, and others are not held up");
        assert_eq!(with_room(&mut guests, vec![bo.clone()], 2), Some(Vec::new()));
        assert_eq!(with_room(&mut guests, vec![bo.clone()], 3), Some(vec![bo]));
    }

    #[test]
    fn accounts_that_were_not_made_do_not_count() {
        let user = |text: &str| -> UserId { text.parse().unwrap() };
        let (ada, cy) = (user("wv:ada@north.example"), user("wv:cy@east.example"));
        let count = |known: usize| {
            HashMap::from([("north.example".parse().unwrap(), known), ("east.example".parse().unwrap(), 7)])
        };
        let mut visitors = Visitors { guests: count(1), ..Visitors::default() };
        let new = with_room(&mut visitors.guests, vec![ada.clone(), cy], 9).unwrap();
        assert_eq!(visitors.guests[&"north.example".parse::<Domain>().unwrap()], 2);
        // The first was there already, the second is new
        visitors.added(&new, &[Outcome::Duplicate, Outcome::Done]);
        assert_eq!(visitors.guests, HashMap::from([("east.example".parse().unwrap(), 8)]));
        assert_eq!(with_room(&mut visitors.guests, vec![ada], 9), None, "the north is counted anew");
        // Nothing was stored
        visitors.guests = count(2);
        visitors.added(&new, &[]);
        assert!(visitors.guests.is_empty());
    }

    #[test]
    fn the_home_says_who_is_there_and_a_client_says_other_things() {
        let update = |list| UpdatePresenceRequest { attributes: PresenceSubList::new(list) };
        assert_eq!(says_there(&update(vec![view::online_status(false, None)])), Some(false));
        assert_eq!(says_there(&update(vec![view::online_status(true, None)])), Some(true));
        assert_eq!(says_there(&update(Vec::new())), None);
    }
}
