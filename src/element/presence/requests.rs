//! What users ask of their own presence, and what others ask of it.

use std::collections::HashSet;
use std::time::Duration;

use crate::element::notify::{Actor, Notify, Reach};
use crate::imps::presence::{Attribute, AttributeName, AttributeSet, PresenceSubList};
use crate::imps::primitive::{
    AttributeGrant, Audience, CancelAuthRequest, ClientId, CreateAttributeListRequest, DefaultAttributeList,
    DeleteAttributeListRequest, GetAttributeListRequest, GetAttributeListResponse,
    GetReactiveAuthStatusRequest, GetReactiveAuthStatusResponse, GetWatcherListRequest,
    GetWatcherListResponse, Presence, PresenceAuthRequest, PresenceAuthUser, ReactiveAuthState,
    ReactiveAuthStatus, UpdatePresenceRequest, User, Watcher, WatcherStatus,
};
use crate::imps::status::Entity;
use crate::imps::{Code, ContactListId, Domain, Moment, Status, UserId};
use crate::wire::{Encoding, csp};

use super::notices::new_watcher;
use super::{
    CONTACTS_SEE, Edit, For, GRANTS_MAX, Grant, Home, PAST_SECONDS, PUBLISHED_OCTETS_MAX, Past, Published,
    Publisher, QUESTION_SECONDS, QUESTIONS_MAX, Question, WATCHERS_MAX, Watch, client_key, wanted,
};

/// Looks of the same user that are closer together are remembered as one.
const LOOKS_APART: Duration = Duration::from_secs(60);

/// What was decided: steps, and what others are told beside what watchers are.
#[derive(Debug, Default, PartialEq)]
pub struct Decision {
    /// The steps.
    pub edits: Vec<Edit>,
    /// What to tell.
    pub notices: Vec<Notify>,
}

impl From<Vec<Edit>> for Decision {
    fn from(edits: Vec<Edit>) -> Self {
        Self { edits, notices: Vec::new() }
    }
}

/// Refuses names that are no attributes: 750.
fn known(list: &PresenceSubList) -> Result<(), Code> {
    if list.unknown.is_empty() { Ok(()) } else { Err(Code::INVALID_PRESENCE_ATTRIBUTE) }
}

/// What a subscription or question wants to see; 750 for names that are no attributes.
pub fn wants(attributes: Option<&PresenceSubList>) -> Result<AttributeSet, Code> {
    if let Some(list) = attributes {
        known(list)?;
    }
    Ok(wanted(attributes))
}

/// A client publishes. Attributes that are there are replaced as a whole, a bare Qualifier changes the
/// validity of what is stored; client status belongs to the client itself, and OnlineStatus is the
/// server's own matter (reference presence-attributes §1, §2).
pub fn update(
    publisher: &Publisher,
    client: &ClientId,
    request: UpdatePresenceRequest,
) -> Result<Decision, Code> {
    known(&request.attributes)?;
    let mine = client_key(client);
    let stored = |key: &str| publisher.of_client(key).cloned().unwrap_or_default().attributes;
    let (mut of_client, mut of_user) = (stored(&mine), stored(""));
    for mut attribute in request.attributes.attributes {
        let name = attribute.name();
        if name == AttributeName::OnlineStatus {
            continue;
        }
        if attribute.client().is_some_and(|other| other != client) {
            return Err(Code::INVALID_PRESENCE_VALUE);
        }
        attribute.set_client(None);
        let qualifier = Some(attribute.qualifier().unwrap_or(true));
        attribute.set_qualifier(qualifier);
        let row = if name.is_client_status() { &mut of_client } else { &mut of_user };
        let place = row.iter().position(|other| other.name() == name);
        match place.and_then(|place| row.get_mut(place)) {
            // A value that comes with Qualifier F is ignored; what is stored stays and does not count.
            Some(old) if attribute.is_bare() || !attribute.is_valid() => old.set_qualifier(qualifier),
            Some(old) => *old = attribute,
            None if attribute.is_bare() && attribute.is_valid() => {}
            None => row.push(attribute.as_shown()),
        }
    }
    let mut edits = Vec::new();
    for (key, attributes) in [(mine, of_client), (Box::from(""), of_user)] {
        let attributes = PresenceSubList::new(attributes);
        if publisher.of_client(&key).is_some_and(|old| *old == attributes)
            || (publisher.of_client(&key).is_none() && attributes.is_empty())
        {
            continue;
        }
        let whole = UpdatePresenceRequest { attributes: attributes.clone() };
        let octets = csp::encode_primitive(&whole.into(), crate::imps::Version::V1_3, Encoding::Wbxml);
        if octets.is_ok_and(|octets| octets.len() > PUBLISHED_OCTETS_MAX) {
            return Err(Code::INVALID_PRESENCE_VALUE);
        }
        edits.push(Edit::Publish(Published { client: key, attributes }));
    }
    Ok(edits.into())
}

/// A session of the user is over, and with it what its client said of itself and what it watched.
pub fn session_over(client: &ClientId) -> Decision {
    vec![Edit::Publish(Published { client: client_key(client), attributes: PresenceSubList::default() })]
        .into()
}

/// Somebody subscribes. Where no rule says what it may see, the user is asked, and the subscription waits
/// (reference presence-attributes §4.2).
pub fn watch(
    home: &Home<'_>,
    actor: &Actor,
    own: &Domain,
    attributes: AttributeSet,
    now: Moment,
) -> Result<Decision, Code> {
    let publisher = home.publisher;
    let watch = Watch {
        watcher: actor.user.clone(),
        session: actor.session.clone(),
        wanted: attributes,
        told: super::Told::default(),
    };
    let key = watch.key();
    if publisher.subscriptions >= WATCHERS_MAX && !publisher.watchers.iter().any(|it| it.key() == key) {
        return Err(Code::SERVICE_UNAVAILABLE);
    }
    let mut decision = Decision::from(vec![Edit::Watch(watch)]);
    decision.edits.extend(watched(publisher, actor, now));
    if !publisher.watchers.iter().any(|other| other.watcher.id == actor.user.id) {
        decision.notices.extend(new_watcher(home, &actor.user, attributes, own));
    }
    let asks = home.allowed(&actor.user).is_none();
    if asks
        && publisher.question(actor.id(), now).is_none_or(|old| old.attributes != attributes)
        && publisher.questions.len() < QUESTIONS_MAX
    {
        let until = now.after(Duration::from_secs(QUESTION_SECONDS.into()));
        let watcher = actor.id().clone();
        decision.edits.push(Edit::Ask(Question { watcher: watcher.clone(), attributes, until }));
        let names = (attributes != AttributeSet::ALL).then(|| PresenceSubList::naming(attributes));
        let question = PresenceAuthRequest { user: watcher.clone(), attributes: names };
        let mut notice = Notify::new(own.clone(), vec![publisher.owner.clone().into()], question);
        notice.reach = Reach::Account;
        notice.by = Some(watcher.clone().into());
        notice.seconds = QUESTION_SECONDS;
        notice.replaces = Some(format!("presence question {watcher}").into());
        decision.notices.push(notice);
    }
    Ok(decision)
}

/// Somebody subscribes no more: its client, or the user with all of them when a peer speaks for it.
pub fn unwatch(publisher: &Publisher, actor: &Actor, now: Moment) -> Decision {
    let of_it = publisher.watchers.iter().filter(|watch| {
        watch.watcher.id == *actor.id()
            && match &actor.session {
                Some(session) => watch.session.as_ref() == Some(session),
                None => watch.session.is_none(),
            }
    });
    let mut edits: Vec<Edit> = of_it.map(|watch| Edit::Unwatch(watch.key())).collect();
    if !edits.is_empty() {
        edits.extend(watched(publisher, actor, now));
    }
    edits.into()
}

/// Somebody watched at this moment; a user who watches itself is not worth remembering.
fn watched(publisher: &Publisher, actor: &Actor, at: Moment) -> Option<Edit> {
    let past = Past {
        watcher: actor.id().clone(),
        status: WatcherStatus::Former,
        at,
        session: actor.session.clone(),
    };
    (past.watcher != publisher.owner).then_some(Edit::Past(past))
}

/// That somebody looked is worth remembering, if it was not remembered within the minute.
pub fn looked(publisher: &Publisher, watcher: &UserId, now: Moment) -> Option<Past> {
    let lately = |past: &&Past| past.watcher == *watcher && now.since(past.at) < LOOKS_APART;
    let is_subscribed = publisher.watchers.iter().any(|watch| watch.watcher.id == *watcher);
    if *watcher == publisher.owner || is_subscribed || publisher.past.iter().any(|past| lately(&past)) {
        return None;
    }
    Some(Past { watcher: watcher.clone(), status: WatcherStatus::Access, at: now, session: None })
}

/// Somebody looks once. What it may not see it gets with Qualifier F (decisions.md 19).
pub fn look(home: &Home<'_>, watcher: &User, wanted: AttributeSet) -> Presence {
    let allowed = home.allowed(watcher).unwrap_or_default();
    let all = wanted == AttributeSet::ALL;
    let visible = allowed.intersection(wanted);
    let named = if all { AttributeSet::NONE } else { wanted };
    let mut list = home.shown(visible, named).attributes;
    let hidden = match (all, allowed.is_empty()) {
        (false, _) => wanted.without(allowed),
        (true, true) => CONTACTS_SEE.iter().copied().collect(),
        (true, false) => AttributeSet::NONE,
    };
    list.extend(hidden.names().map(Attribute::unknown));
    Presence { user: home.publisher.owner.clone(), attributes: PresenceSubList::new(list) }
}

/// Who watches: those who are subscribed now, each once whatever its clients; where the request looks back,
/// also those who watched or looked in that time, the latest first. It looks back [`PAST_SECONDS`] at most.
pub fn watcher_list(
    publisher: &Publisher,
    request: &GetWatcherListRequest,
    now: Moment,
) -> GetWatcherListResponse {
    let mut seen: HashSet<&UserId> = HashSet::from([&publisher.owner]);
    let entry = |id: &UserId, status| Watcher { user: User::from(id.clone()), status: Some(status) };
    let mut watchers: Vec<Watcher> = Vec::new();
    for watch in &publisher.watchers {
        if seen.insert(&watch.watcher.id) {
            watchers.push(entry(&watch.watcher.id, WatcherStatus::Current));
        }
    }
    let history_period = request.history_period.map(|seconds| seconds.min(PAST_SECONDS));
    if let Some(seconds) = history_period {
        let period = Duration::from_secs(seconds.into());
        let mut past: Vec<&Past> =
            publisher.past.iter().filter(|past| now.since(past.at) <= period).collect();
        past.sort_by_key(|past| std::cmp::Reverse(past.at));
        for past in past {
            if seen.insert(&past.watcher) {
                watchers.push(entry(&past.watcher, past.status));
            }
        }
    }
    let count = u32::try_from(watchers.len()).ok();
    if let Some(limit) = request.limit {
        watchers.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    }
    GetWatcherListResponse { result: Status::ok(), history_period, count, watchers }
}

/// The contact lists of a user are others now: an attribute list for one that is gone goes too, so that a list
/// made by its name later grants nothing of it. `authorised`: on this list, and to see what it may see,
/// whatever was said of them before; a question about them is answered by that.
pub fn lists_changed(home: &Home<'_>, authorised: Option<(&ContactListId, &[UserId])>) -> Decision {
    let publisher = home.publisher;
    let gone = publisher.grants.iter().map(|grant| &grant.to);
    let gone = gone.filter(|to| matches!(to, For::List(list) if home.lists.list(list).is_none()));
    let mut edits: Vec<Edit> = gone.cloned().map(Edit::Revoke).collect();
    let Some((list, users)) = authorised else { return edits.into() };
    let (on_it, sees) = (home.lists.list(list), home.granted_to(list).unwrap_or_default());
    for user in users.iter().filter(|user| on_it.is_some_and(|list| list.holds(user))) {
        if let Some(grant) = publisher.grant(&For::User(user.clone())) {
            let attributes = grant.attributes.unwrap_or_default().union(sees);
            edits.push(Edit::Grant(Grant { attributes: Some(attributes), ..grant.clone() }));
        }
        if publisher.questions.iter().any(|question| question.watcher == *user) {
            edits.push(Edit::Answered(user.clone()));
        }
    }
    edits.into()
}

/// These may see these attributes. Answers the questions of the users named, too: that is how 1.3 does it.
pub fn create_attribute_list(
    home: &Home<'_>,
    request: &CreateAttributeListRequest,
) -> Result<(Status, Decision), Code> {
    known(&request.attributes)?;
    let attributes = Some(request.attributes.names());
    let mut outcomes = Vec::new();
    let mut edits = Vec::new();
    for user in &request.users {
        let notify = request.user_notify == Some(true);
        edits.push(Edit::Grant(Grant { to: For::User(user.clone()), attributes, notify }));
        if home.publisher.questions.iter().any(|question| question.watcher == *user) {
            edits.push(Edit::Answered(user.clone()));
        }
        outcomes.push((Entity::User(user.clone()), Code::SUCCESSFUL));
    }
    for list in &request.contact_lists {
        let entity = Entity::ContactList(list.clone());
        if home.lists.list(list).is_some() {
            let notify = request.contact_list_notify == Some(true);
            edits.push(Edit::Grant(Grant { to: For::List(list.clone()), attributes, notify }));
            outcomes.push((entity, Code::SUCCESSFUL));
        } else {
            outcomes.push((entity, Code::NO_CONTACT_LIST));
        }
    }
    if request.default_list {
        let notify = request.default_notify == Some(true);
        edits.push(Edit::Grant(Grant { to: For::Everybody, attributes, notify }));
    } else if outcomes.is_empty() {
        return Err(Code::BAD_PARAMETER);
    }
    let mut after = home.publisher.clone();
    for edit in &edits {
        after.apply(edit);
    }
    if after.grants.len() > GRANTS_MAX {
        return Err(Code::TOO_MANY_ATTRIBUTE_LISTS);
    }
    Ok((merged(outcomes, request.default_list), edits.into()))
}

/// The default list is a part that went well and has no name.
fn merged(outcomes: Vec<(Entity, Code)>, default: bool) -> Status {
    let mut status = Status::merge(outcomes);
    if default && !status.code.is_success() {
        status.code = Code::PARTIALLY_SUCCESSFUL;
    }
    status
}

/// Nothing says any more what these may see.
pub fn delete_attribute_list(home: &Home<'_>, request: &DeleteAttributeListRequest) -> (Status, Decision) {
    let mut edits = Vec::new();
    let mut outcomes = Vec::new();
    for user in &request.users {
        edits.push(Edit::Revoke(For::User(user.clone())));
        outcomes.push((Entity::User(user.clone()), Code::SUCCESSFUL));
    }
    for list in &request.contact_lists {
        let entity = Entity::ContactList(list.clone());
        if home.lists.list(list).is_some() {
            edits.push(Edit::Grant(Grant { to: For::List(list.clone()), attributes: None, notify: false }));
            outcomes.push((entity, Code::SUCCESSFUL));
        } else {
            outcomes.push((entity, Code::NO_CONTACT_LIST));
        }
    }
    if request.default_list {
        edits.push(Edit::Revoke(For::Everybody));
    }
    (merged(outcomes, request.default_list), edits.into())
}

/// What these may see; nobody named means everybody.
pub fn attribute_lists(home: &Home<'_>, request: &GetAttributeListRequest) -> GetAttributeListResponse {
    let publisher = home.publisher;
    let all = request.users.is_empty() && request.contact_lists.is_empty();
    let mut outcomes = Vec::new();
    let mut grants = Vec::new();
    let notify = |to: &For| publisher.grant(to).is_some_and(|grant| grant.notify);
    let mut put = |audience: Audience, attributes: AttributeSet| {
        let (mut user_notify, mut contact_list_notify) = (None, None);
        match &audience {
            Audience::User(user) => user_notify = Some(notify(&For::User(user.clone()))),
            Audience::ContactList(list) => contact_list_notify = Some(notify(&For::List(list.clone()))),
        }
        grants.push(AttributeGrant {
            audience,
            user_notify,
            contact_list_notify,
            attributes: PresenceSubList::naming(attributes),
        });
    };
    if all && !request.default_list {
        for grant in &publisher.grants {
            if let (For::User(user), Some(attributes)) = (&grant.to, grant.attributes) {
                put(Audience::User(user.clone()), attributes);
            }
        }
        for list in &home.lists.lists {
            if let Some(attributes) = home.granted_to(&list.id) {
                put(Audience::ContactList(list.id.clone()), attributes);
            }
        }
    }
    for user in &request.users {
        if let Some(attributes) = publisher.grant(&For::User(user.clone())).and_then(|it| it.attributes) {
            put(Audience::User(user.clone()), attributes);
        }
        outcomes.push((Entity::User(user.clone()), Code::SUCCESSFUL));
    }
    for list in &request.contact_lists {
        let code = if home.lists.list(list).is_none() {
            Code::NO_CONTACT_LIST
        } else {
            if let Some(attributes) = home.granted_to(list) {
                put(Audience::ContactList(list.clone()), attributes);
            }
            Code::SUCCESSFUL
        };
        outcomes.push((Entity::ContactList(list.clone()), code));
    }
    let default = publisher.grant(&For::Everybody).and_then(|grant| grant.attributes);
    let default = default.filter(|_| request.default_list || all).map(|attributes| DefaultAttributeList {
        notify: Some(notify(&For::Everybody)),
        attributes: PresenceSubList::naming(attributes),
    });
    GetAttributeListResponse { result: Status::merge(outcomes), default, grants }
}

/// The user says whether somebody who asked may see something. A refusal is remembered as an empty list, which
/// says nothing of what was asked: whoever accepts after all grants what the watcher's subscriptions want. Where
/// nothing tells what that is, nothing is accepted. `publisher` comes with the subscriptions of that watcher.
pub fn auth_user(publisher: &Publisher, answer: &PresenceAuthUser) -> Result<Decision, Code> {
    if let Some(list) = &answer.attributes {
        known(list)?;
    }
    let question = publisher.questions.iter().find(|question| question.watcher == answer.user);
    let before = publisher.grant(&For::User(answer.user.clone())).and_then(|grant| grant.attributes);
    let wanted = || {
        let watches = publisher.watchers.iter().filter(|watch| watch.watcher.id == answer.user);
        watches.map(|watch| watch.wanted).reduce(AttributeSet::union)
    };
    let granted = before.filter(|attributes| *attributes != AttributeSet::NONE);
    let asked = question.map(|question| question.attributes).or(granted).or_else(wanted);
    let attributes = match &answer.attributes {
        _ if !answer.acceptance => AttributeSet::NONE,
        Some(list) if !list.attributes.is_empty() => list.names(),
        _ => asked.ok_or(Code::NOT_FOUND)?,
    };
    let to = For::User(answer.user.clone());
    if publisher.grants.len() >= GRANTS_MAX && publisher.grant(&to).is_none() {
        return Err(Code::TOO_MANY_ATTRIBUTE_LISTS);
    }
    let grant = Grant { to, attributes: Some(attributes), notify: false };
    Ok(vec![Edit::Grant(grant), Edit::Answered(answer.user.clone())].into())
}

/// The user takes back what it said of somebody.
pub fn cancel_auth(publisher: &Publisher, request: &CancelAuthRequest) -> Result<Decision, Code> {
    let to = For::User(request.user.clone());
    match publisher.grant(&to) {
        None => Err(Code::UNKNOWN_USER),
        Some(_) => Ok(vec![Edit::Revoke(to)].into()),
    }
}

/// What the user said of those who asked; nobody named means everybody.
pub fn reactive_status(
    publisher: &Publisher,
    request: &GetReactiveAuthStatusRequest,
    now: Moment,
) -> GetReactiveAuthStatusResponse {
    let asked = |user: &_| request.users.is_empty() || request.users.contains(user);
    let open = publisher.questions.iter().filter(|it| it.until > now && asked(&it.watcher)).map(|question| {
        ReactiveAuthStatus {
            user: question.watcher.clone(),
            state: ReactiveAuthState::Pending,
            attributes: Some(PresenceSubList::naming(question.attributes)),
        }
    });
    let said = publisher.grants.iter().filter_map(|grant| match &grant.to {
        For::User(user) if asked(user) => {
            let attributes = grant.attributes.unwrap_or_default();
            let granted = !attributes.is_empty();
            Some(ReactiveAuthStatus {
                user: user.clone(),
                state: if granted { ReactiveAuthState::Granted } else { ReactiveAuthState::Denied },
                attributes: granted.then(|| PresenceSubList::naming(attributes)),
            })
        }
        _ => None,
    });
    GetReactiveAuthStatusResponse { statuses: open.chain(said).collect() }
}
