//! The decisions of presence, without store and network.

use super::requests::{self, Decision};
use super::*;
use crate::element::lists::{ContactList, Lists};
use crate::element::notify::Actor;
use crate::imps::presence::{Attribute, ClientInfo, CommC, CommCap, ContentLimit, Plain, SetBy};
use crate::imps::primitive::{Contact, CreateAttributeListRequest, PresenceAuthUser, UpdatePresenceRequest};
use crate::imps::{Code, Domain};

const NOW: Moment = Moment::from_millis(1_000_000);

fn id(text: &str) -> UserId {
    text.parse().unwrap()
}

fn own() -> Domain {
    "north.example".parse().unwrap()
}

fn client(url: &str) -> ClientId {
    ClientId { url: Some(url.into()), ..ClientId::default() }
}

fn online(url: &str) -> Online {
    Online {
        session: format!("s-{url}").parse().unwrap(),
        client: client(url),
        version: Version::V1_3,
        info: None,
    }
}

fn text(value: &str) -> Attribute {
    Attribute::StatusText(Plain { qualifier: Some(true), value: Some(value.into()), client: None })
}

/// Ada of the north, with a phone, and what is known of her.
struct Stage {
    publisher: Publisher,
    lists: Lists,
    online: Vec<Online>,
}

impl Stage {
    fn new() -> Self {
        let owner = id("wv:ada@north.example");
        Self {
            publisher: Publisher::new(owner.clone()),
            lists: Lists::new(owner),
            online: vec![online("phone")],
        }
    }

    fn home(&self) -> Home<'_> {
        Home { publisher: &self.publisher, lists: &self.lists, online: &self.online, old: &[] }
    }

    fn done(&mut self, decision: &Decision) {
        decision.edits.iter().for_each(|edit| self.publisher.apply(edit));
    }

    /// What has to be told now; it is told.
    fn told(&mut self) -> Vec<crate::element::notify::Notify> {
        let telling = fan::tell(&self.home(), &own(), false);
        telling.edits.iter().for_each(|edit| self.publisher.apply(edit));
        telling.notices
    }

    fn grant(&mut self, to: For, names: &[AttributeName]) {
        let attributes = Some(names.iter().copied().collect());
        self.publisher.apply(&Edit::Grant(Grant { to, attributes, notify: false }));
    }

    fn watched_by(&mut self, watcher: &str, session: Option<&str>) -> Decision {
        let actor =
            Actor { user: id(watcher).into(), session: session.map(|session| session.parse().unwrap()) };
        let decision = requests::watch(&self.home(), &actor, &own(), AttributeSet::ALL, NOW).unwrap();
        self.done(&decision);
        decision
    }

    fn says(&mut self, value: &str) {
        let request = UpdatePresenceRequest { attributes: PresenceSubList::new(vec![text(value)]) };
        let decision = requests::update(&self.publisher, &client("phone"), request).unwrap();
        self.done(&decision);
    }
}

const BO: &str = "wv:bo@south.example";

#[test]
fn the_first_rule_that_speaks_of_a_watcher_counts() {
    let mut stage = Stage::new();
    let bo = User::from(id(BO));
    let set = |names: &[AttributeName]| Some(names.iter().copied().collect::<AttributeSet>());
    assert_eq!(stage.home().allowed(&bo), None, "nobody said anything");
    assert_eq!(stage.home().allowed(&id("wv:ada@north.example").into()), Some(AttributeSet::ALL));
    stage.grant(For::Everybody, &[AttributeName::Alias]);
    assert_eq!(stage.home().allowed(&bo), set(&[AttributeName::Alias]));
    let list: ContactListId = "wv:ada/friends@north.example".parse().unwrap();
    let contacts = vec![Contact { user: id(BO), nickname: None }];
    stage.lists.lists.push(ContactList { id: list.clone(), display_name: None, contacts });
    assert_eq!(stage.home().allowed(&bo), set(CONTACTS_SEE), "a list that nobody spoke of");
    stage.grant(For::List(list.clone()), &[AttributeName::StatusMood]);
    assert_eq!(stage.home().allowed(&bo), set(&[AttributeName::StatusMood]));
    stage.publisher.apply(&Edit::Grant(Grant { to: For::List(list), attributes: None, notify: true }));
    assert_eq!(
        stage.home().allowed(&bo),
        set(&[AttributeName::Alias]),
        "a list that grants nothing any more"
    );
    stage.grant(For::User(id(BO)), &[]);
    assert_eq!(stage.home().allowed(&bo), set(&[]), "an empty list is a word too");
    stage.grant(For::User(id(BO)), &[AttributeName::Alias]);
    stage.lists.access.block.users.push(id(BO));
    assert_eq!(stage.home().allowed(&bo), set(&[]), "blocked");
}

#[test]
fn watchers_of_one_domain_who_see_the_same_share_a_notice() {
    let mut stage = Stage::new();
    stage.grant(For::Everybody, &[AttributeName::StatusText]);
    stage.grant(For::User(id("wv:eve@south.example")), &[AttributeName::OnlineStatus]);
    for watcher in [BO, "wv:cy@south.example", "wv:eve@south.example"] {
        stage.watched_by(watcher, None);
    }
    assert_eq!(stage.told().len(), 1, "eve alone has something to see");
    stage.says("hello");
    let notices = stage.told();
    assert_eq!(notices.len(), 2, "each of the others hears the first thing alone");
    stage.says("hello again");
    let notices = stage.told();
    assert_eq!((notices.len(), notices[0].to.len(), notices[0].seconds), (1, 2, 86_400));
    // A newer one takes its place while it waits; a first one for somebody else does not
    stage.says("hello once more");
    assert_eq!(stage.told()[0].replaces, notices[0].replaces);
    stage.watched_by("wv:dee@south.example", None);
    assert_ne!(stage.told()[0].replaces, notices[0].replaces);
    assert_eq!(stage.told(), [], "nothing changed");
}

#[test]
fn what_is_withdrawn_is_told_once() {
    let mut stage = Stage::new();
    stage.grant(For::Everybody, &[AttributeName::StatusText]);
    stage.says("hello");
    stage.watched_by(BO, None);
    stage.told();
    stage.grant(For::User(id(BO)), &[]);
    let notices = stage.told();
    let crate::imps::Primitive::PresenceNotification(notice) = &notices[0].primitive else { panic!() };
    let withdrawn = Attribute::unknown(AttributeName::StatusText);
    assert_eq!(notice.presences[0].attributes.attributes, [withdrawn]);
    assert_eq!(stage.told(), []);
    stage.says("unheard");
    assert_eq!(stage.told(), []);
}

#[test]
fn a_client_publishes_for_itself_and_a_bare_qualifier_changes_the_validity() {
    let mut stage = Stage::new();
    stage.says("hello");
    let update = |stage: &Stage, attribute| {
        let request = UpdatePresenceRequest { attributes: PresenceSubList::new(vec![attribute]) };
        requests::update(&stage.publisher, &client("phone"), request)
    };
    let decision = update(&stage, Attribute::unknown(AttributeName::StatusText)).unwrap();
    stage.done(&decision);
    let visible: AttributeSet = [AttributeName::StatusText].into_iter().collect();
    let shown = stage.home().shown(visible, AttributeSet::NONE);
    assert_eq!(shown.attributes, [Attribute::unknown(AttributeName::StatusText)]);
    let mut valid = Attribute::bare(AttributeName::StatusText);
    valid.set_qualifier(Some(true));
    let decision = update(&stage, valid).unwrap();
    stage.done(&decision);
    assert_eq!(stage.home().shown(visible, AttributeSet::NONE).attributes, [text("hello")]);
    // Whether a client is online is not for clients to say, nor what another client is
    let decision = update(&stage, view::online_status(false, None)).unwrap();
    assert_eq!(decision, Decision::default());
    let mut foreign = Attribute::bare(AttributeName::TimeZone);
    foreign.set_client(Some(client("desk")));
    assert_eq!(update(&stage, foreign), Err(Code::INVALID_PRESENCE_VALUE));
    let strange = PresenceSubList { attributes: Vec::new(), unknown: vec!["Weather".into()] };
    let request = UpdatePresenceRequest { attributes: strange };
    assert_eq!(
        requests::update(&stage.publisher, &client("phone"), request),
        Err(Code::INVALID_PRESENCE_ATTRIBUTE)
    );
}

#[test]
fn every_client_that_is_logged_in_has_a_status_of_its_own() {
    let mut stage = Stage::new();
    stage.online.push(online("desk"));
    let status = |stage: &Stage| -> Vec<(Option<ClientId>, String)> {
        let values = stage.home().values();
        let of = |value: &Attribute| match value {
            Attribute::OnlineStatus(plain) => {
                Some((plain.client.clone(), plain.value.as_deref().unwrap_or_default().to_owned()))
            }
            _ => None,
        };
        values.iter().filter_map(of).collect()
    };
    assert_eq!(status(&stage), [(Some(client("phone")), "T".into()), (Some(client("desk")), "T".into())]);
    stage.online.clear();
    assert_eq!(status(&stage), [(None, "F".into())]);
}

#[test]
fn a_watcher_nobody_spoke_of_is_asked_about_once_and_the_answer_is_a_rule() {
    let mut stage = Stage::new();
    stage.says("hello");
    let asked = stage.watched_by(BO, None);
    assert_eq!(asked.notices.len(), 1);
    assert_eq!(stage.watched_by(BO, None).notices, [], "the question is open");
    assert_eq!(stage.told(), []);
    let answer = PresenceAuthUser { user: id(BO), acceptance: true, attributes: None };
    let decision = requests::auth_user(&stage.publisher, &answer).unwrap();
    stage.done(&decision);
    assert_eq!((stage.told().len(), stage.publisher.questions.len()), (1, 0));
    let unasked = PresenceAuthUser { user: id("wv:eve@south.example"), ..answer };
    assert_eq!(requests::auth_user(&stage.publisher, &unasked), Err(Code::NOT_FOUND));
}

#[test]
fn whoever_accepts_a_watcher_it_has_refused_grants_what_the_watcher_wants() {
    let mut stage = Stage::new();
    stage.says("hello");
    let asked = stage.watched_by(BO, None);
    assert_eq!(asked.notices.len(), 1);
    let answer = |acceptance| PresenceAuthUser { user: id(BO), acceptance, attributes: None };
    let refused = requests::auth_user(&stage.publisher, &answer(false)).unwrap();
    stage.done(&refused);
    assert_eq!(stage.home().allowed(&id(BO).into()), Some(AttributeSet::NONE));
    let accepted = requests::auth_user(&stage.publisher, &answer(true)).unwrap();
    stage.done(&accepted);
    assert_eq!(stage.home().allowed(&id(BO).into()), Some(AttributeSet::ALL));
    assert_eq!(stage.told().len(), 1, "and the watcher sees it");
    stage.done(&requests::auth_user(&stage.publisher, &answer(false)).unwrap());
    stage.publisher.watchers.clear();
    let gone = requests::auth_user(&stage.publisher, &answer(true));
    assert_eq!(gone, Err(Code::NOT_FOUND), "success would be said of a grant of nothing");
}

#[test]
fn attribute_lists_name_what_exists_and_stay_within_bounds() {
    let stage = Stage::new();
    let request = |lists: &[&str], default_list| CreateAttributeListRequest {
        attributes: PresenceSubList::naming(AttributeSet::ALL),
        users: Vec::new(),
        contact_lists: lists.iter().map(|list| list.parse().unwrap()).collect(),
        default_list,
        default_notify: None,
        user_notify: None,
        contact_list_notify: None,
    };
    let code = |request| {
        requests::create_attribute_list(&stage.home(), &request).map_or_else(Code::get, |it| it.0.code.get())
    };
    assert_eq!(code(request(&["wv:ada/none@north.example"], false)), 700);
    assert_eq!(code(request(&["wv:ada/none@north.example"], true)), 201);
    assert_eq!(code(request(&[], true)), 200);
    assert_eq!(code(request(&[], false)), 402);
    let users = (0..=GRANTS_MAX).map(|number| id(&format!("wv:u{number}@south.example"))).collect();
    assert_eq!(code(CreateAttributeListRequest { users, ..request(&[], false) }), 755);
}

#[test]
fn every_change_of_a_value_is_told() {
    let mut stage = Stage::new();
    stage.grant(For::Everybody, &[AttributeName::StatusText]);
    stage.watched_by(BO, None);
    for number in 0..64 {
        stage.says(&format!("number {number}"));
        assert_eq!(stage.told().len(), 1, "number {number}");
    }
}

#[test]
fn a_notice_takes_the_place_of_no_other_for_watchers_who_are_not_told_again() {
    let mut stage = Stage::new();
    stage.grant(For::Everybody, &[AttributeName::StatusText, AttributeName::StatusMood]);
    for watcher in [BO, "wv:cy@south.example"] {
        stage.grant(For::User(id(watcher)), &[AttributeName::StatusText]);
    }
    for watcher in [BO, "wv:cy@south.example", "wv:eve@south.example"] {
        stage.watched_by(watcher, None);
    }
    stage.says("one");
    stage.told();
    stage.says("one");
    stage.told();
    // Two are told of a change; before they hear it, a third comes to see as much as they do.
    stage.says("two");
    let notices = stage.told();
    let for_two = notices.iter().find(|notice| notice.to.len() == 2).expect("a notice for two");
    stage.grant(For::User(id("wv:eve@south.example")), &[AttributeName::StatusText]);
    let later = stage.told();
    assert_eq!((later.len(), later[0].to.len()), (1, 1));
    assert_ne!(later[0].replaces, for_two.replaces);
}

fn update(stage: &Stage, attribute: Attribute) -> Result<Decision, Code> {
    let request = UpdatePresenceRequest { attributes: PresenceSubList::new(vec![attribute]) };
    requests::update(&stage.publisher, &client("phone"), request)
}

#[test]
fn a_client_speaks_of_itself_alone_whatever_the_attribute() {
    let stage = Stage::new();
    for name in AttributeName::ALL {
        let mut attribute = Attribute::unknown(*name);
        attribute.set_client(Some(client("phone")));
        let own = update(&stage, attribute.clone()).unwrap();
        assert_eq!(own.edits.is_empty(), *name == AttributeName::OnlineStatus, "{name:?}");
        attribute.set_client(Some(client("desk")));
        let refused = name.is_client_status() && *name != AttributeName::OnlineStatus;
        assert_eq!(update(&stage, attribute).is_err(), refused, "{name:?} of another client");
        let wrong = AttributeName::ALL.iter().filter(|name| name.set_by() == SetBy::Server);
        assert_eq!(wrong.copied().collect::<Vec<_>>(), [AttributeName::OnlineStatus]);
    }
}

#[test]
fn a_value_that_does_not_count_is_not_stored() {
    let mut stage = Stage::new();
    let said = |value: &str| {
        let mut said = text(value);
        said.set_qualifier(Some(false));
        said
    };
    let first = update(&stage, said("unsure")).unwrap();
    stage.done(&first);
    let mut valid = Attribute::bare(AttributeName::StatusText);
    valid.set_qualifier(Some(true));
    let decision = update(&stage, valid.clone()).unwrap();
    stage.done(&decision);
    assert!(stage.home().values().iter().all(|value| *value != text("unsure")), "it never counted");
    stage.says("hello");
    let decision = update(&stage, said("unsure")).unwrap();
    stage.done(&decision);
    let decision = update(&stage, valid).unwrap();
    stage.done(&decision);
    assert!(stage.home().values().contains(&text("hello")), "what was there before counts again");
}

#[test]
fn what_was_negotiated_says_what_a_client_is_until_it_says_so_itself() {
    let mut stage = Stage::new();
    let limit = ContentLimit { push_length: Some(4096), ..ContentLimit::default() };
    let known = ClientInfo {
        client_type: Some("MOBILE_PHONE".into()),
        content_limit: Some(Box::new(limit.clone())),
        application: Some("chat".into()),
        ..ClientInfo::default()
    };
    stage.online[0].info = Some(Box::new(known.clone()));
    let shown = |stage: &Stage| {
        let only = [AttributeName::ClientInfo].into_iter().collect();
        match &stage.home().shown(only, AttributeSet::NONE).attributes[..] {
            [Attribute::ClientInfo(info)] => (**info).clone(),
            other => panic!("{other:?}"),
        }
    };
    let about = ClientInfo { qualifier: Some(true), client: Some(client("phone")), ..known };
    assert_eq!(shown(&stage), about);
    let wide = ContentLimit { push_length: Some(1), ..ContentLimit::default() };
    let said = ClientInfo {
        client_type: Some("PDA".into()),
        model: Some("A1".into()),
        content_limit: Some(Box::new(wide)),
        ..ClientInfo::default()
    };
    let decision = update(&stage, Attribute::ClientInfo(Box::new(said.clone()))).unwrap();
    stage.done(&decision);
    let content_limit = Some(Box::new(limit));
    let expected =
        ClientInfo { client_type: said.client_type, model: said.model, content_limit, ..about.clone() };
    assert_eq!(shown(&stage), expected, "what it takes is what was agreed");
    let decision = update(&stage, Attribute::unknown(AttributeName::ClientInfo)).unwrap();
    stage.done(&decision);
    let hidden =
        ClientInfo { qualifier: Some(false), client: Some(client("phone")), ..ClientInfo::default() };
    assert_eq!(shown(&stage), hidden, "it does not want to say");
}

#[test]
fn clients_of_1_1_always_hear_how_a_user_can_be_reached() {
    let reach = |attributes: Vec<Attribute>| {
        let mut list = PresenceSubList::new(attributes);
        view::for_old_client(&mut list);
        list.attributes.into_iter().find(|it| it.name() == AttributeName::CommCap)
    };
    let open = Attribute::CommCap(CommCap {
        qualifier: Some(true),
        ways: vec![CommC { cap: "IM".into(), status: "OPEN".into(), ..CommC::default() }],
        client: None,
    });
    assert_eq!(reach(vec![view::online_status(true, None), text("hello")]), Some(open));
    let unknown = Some(Attribute::unknown(AttributeName::CommCap));
    assert_eq!(reach(vec![view::online_status(false, None)]), unknown);
    assert_eq!(reach(vec![text("hello")]), unknown);
    assert_eq!(reach(Vec::new()), None, "nothing is told at all");
    let said = Attribute::CommCap(CommCap { qualifier: Some(true), ..CommCap::default() });
    assert_eq!(reach(vec![view::online_status(true, None), said.clone()]), Some(said));
}

#[test]
fn an_attribute_list_goes_with_its_contact_list() {
    let mut stage = Stage::new();
    let list: ContactListId = "wv:ada/friends@north.example".parse().unwrap();
    stage.grant(For::List(list.clone()), &[AttributeName::Address]);
    let decision = requests::lists_changed(&stage.home(), None);
    assert_eq!(decision.edits, [Edit::Revoke(For::List(list.clone()))]);
    stage.lists.lists.push(ContactList { id: list, display_name: None, contacts: Vec::new() });
    assert_eq!(requests::lists_changed(&stage.home(), None), Decision::default());
}

#[test]
fn who_is_added_with_authorisation_sees_what_the_list_sees_whatever_was_said_before() {
    let mut stage = Stage::new();
    let list: ContactListId = "wv:ada/friends@north.example".parse().unwrap();
    let contacts =
        [BO, "wv:cy@south.example"].map(|user| Contact { user: id(user), nickname: None }).to_vec();
    stage.watched_by("wv:cy@south.example", None);
    stage.lists.lists.push(ContactList { id: list.clone(), display_name: None, contacts });
    stage.grant(For::List(list.clone()), &[AttributeName::Address]);
    stage.grant(For::User(id(BO)), &[AttributeName::StatusMood]);
    let users = [id(BO), id("wv:cy@south.example"), id("wv:eve@south.example")];
    let decision = requests::lists_changed(&stage.home(), Some((&list, &users)));
    stage.done(&decision);
    let set = |names: &[AttributeName]| Some(names.iter().copied().collect::<AttributeSet>());
    let allowed = |user: &UserId| stage.home().allowed(&user.clone().into());
    assert_eq!(allowed(&users[0]), set(&[AttributeName::Address, AttributeName::StatusMood]));
    assert_eq!(allowed(&users[1]), set(&[AttributeName::Address]));
    assert_eq!((allowed(&users[2]), stage.publisher.questions.len()), (None, 0), "she is not on it");
}
