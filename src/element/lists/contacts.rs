//! Contact lists: made, changed, read and deleted (reference csp-messages §5).

use crate::imps::primitive::{
    Contact, CreateListRequest, CreateListResponse, DeleteListRequest, Entities, GetListResponse,
    ListManageRequest, ListManageResponse, NickList, Property,
};
use crate::imps::status::Entity;
use crate::imps::{Code, ContactListId, Status, UserId};

use super::{
    CONTACTS_MAX, CONTACTS_OF_ACCOUNT_MAX, ContactList, Decision, ENTRIES_MAX, Edit, LISTS_MAX, Lists,
    NAME_OCTETS_MAX, access,
};

/// Property: the name to show.
const DISPLAY_NAME: &str = "DisplayName";
/// Property: whether the list is the default one.
const DEFAULT: &str = "Default";

/// What is known of a user that shall come onto a list: 200, 531 (no such user here) or 516 (no way to that
/// domain). Whether there is such a user elsewhere is not asked.
pub type Standing<'s> = &'s dyn Fn(&UserId) -> Code;

/// Whether a request names no more people than a list can hold: 754 and 402 if it does. Comes before
/// anything is looked up.
pub fn is_bounded(added: &[Contact], removed: &[UserId]) -> Result<(), Code> {
    if added.len() > CONTACTS_MAX {
        Err(Code::TOO_MANY_CONTACTS)
    } else if removed.len() > CONTACTS_MAX {
        Err(Code::BAD_PARAMETER)
    } else {
        Ok(())
    }
}

/// Answers GetList. The default list stands by itself alone: one client would show it twice (reference
/// csp.md §12 item 4).
pub fn get(lists: &Lists) -> GetListResponse {
    let others = lists.lists.iter().map(|list| &list.id).filter(|id| Some(*id) != lists.default.as_ref());
    GetListResponse { result: Status::ok(), lists: others.cloned().collect(), default: lists.default.clone() }
}

/// Carries out CreateList. Contacts that cannot come onto it stay away, with their codes in a 201. 402: not
/// a list of this user's, or a name too long; 701: there is one; 752: a property nobody knows; 753, 754:
/// too many.
pub fn create(
    lists: &Lists,
    request: &CreateListRequest,
    standing: Standing<'_>,
) -> Result<Decision<CreateListResponse>, Code> {
    if !belongs(&request.list, &lists.owner) {
        return Err(Code::BAD_PARAMETER);
    }
    if lists.list(&request.list).is_some() {
        return Err(Code::CONTACT_LIST_EXISTS);
    }
    if lists.lists.len() >= LISTS_MAX {
        return Err(Code::TOO_MANY_CONTACT_LISTS);
    }
    let wanted = Wanted::of(&request.properties)?;
    let mut list = ContactList {
        id: request.list.clone(),
        display_name: wanted.display_name.filter(|name| !name.is_empty()),
        contacts: Vec::new(),
    };
    let result = enter(&mut list, &request.contacts, standing)?;
    within_limits(lists, &list)?;
    let is_default = wanted.default == Some(true) || lists.default.is_none();
    let properties = properties(&list, is_default);
    let mut edits = vec![Edit::Put(list)];
    if is_default {
        edits.push(Edit::Default(Some(request.list.clone())));
    }
    let answer = CreateListResponse { result, list: request.list.clone(), properties };
    Ok(Decision { answer, edits })
}

/// Carries out DeleteList; the oldest of the others becomes the default if this one was, and the list is
/// struck from block list and grant list: one that is made by this name later means other people. 700: there
/// is none.
pub fn delete(lists: &Lists, request: &DeleteListRequest) -> Result<Decision<Status>, Code> {
    let list = lists.list(&request.list).ok_or(Code::NO_CONTACT_LIST)?;
    let mut edits = vec![Edit::Drop(list.id.clone())];
    if lists.default.as_ref() == Some(&list.id) {
        let heir = lists.lists.iter().find(|other| other.id != list.id);
        edits.push(Edit::Default(heir.map(|heir| heir.id.clone())));
    }
    let mut access = lists.access.clone();
    let gone = Entities { contact_lists: vec![list.id.clone()], ..Entities::default() };
    access::remove(&mut access.block, &gone);
    access::remove(&mut access.grant, &gone);
    if access != lists.access {
        edits.push(Edit::Access(Box::new(access)));
    }
    Ok(Decision { answer: Status::ok(), edits })
}

/// Carries out ListManage: contacts come and go, nicknames and properties change; without a change the list
/// is read. Contacts that cannot come stay away, with their codes in a 201. 700: no such list; 752, 754 and
/// 402 as with [`create`].
pub fn manage(
    lists: &Lists,
    request: &ListManageRequest,
    standing: Standing<'_>,
) -> Result<Decision<ListManageResponse>, Code> {
    let before = lists.list(&request.list).ok_or(Code::NO_CONTACT_LIST)?;
    let wanted = Wanted::of(&request.properties)?;
    let mut list = before.clone();
    list.contacts.retain(|contact| !request.remove.contains(&contact.user));
    let result = enter(&mut list, &request.add, standing)?;
    if let Some(display_name) = wanted.display_name {
        list.display_name = Some(display_name).filter(|name| !name.is_empty());
    }
    within_limits(lists, &list)?;
    let was_default = lists.default.as_ref() == Some(&list.id);
    // There is always a default list: it is another that must be made one.
    let is_default = was_default || wanted.default == Some(true);
    let mut edits = Vec::new();
    if list != *before {
        edits.push(Edit::Put(list.clone()));
    }
    if is_default && !was_default {
        edits.push(Edit::Default(Some(list.id.clone())));
    }
    if request.authorize_and_grant == Some(true) {
        edits.extend(granted(lists, &list, &request.add)?);
    }
    let answer = ListManageResponse {
        result,
        properties: properties(&list, is_default),
        contacts: request.receive.unwrap_or(true).then_some(NickList { contacts: list.contacts }),
    };
    Ok(Decision { answer, edits })
}

/// Whether a user may have a list of this name.
fn belongs(list: &ContactListId, owner: &UserId) -> bool {
    list.user().eq_ignore_ascii_case(owner.user()) && list.domain_str() == owner.domain_str()
}

/// Puts contacts onto a list; who is on it gets the new nickname.
fn enter(list: &mut ContactList, contacts: &[Contact], standing: Standing<'_>) -> Result<Status, Code> {
    let mut parts = Vec::new();
    for contact in contacts {
        if contact.nickname.as_ref().is_some_and(|name| name.len() > NAME_OCTETS_MAX) {
            return Err(Code::BAD_PARAMETER);
        }
        let code = standing(&contact.user);
        parts.push((Entity::User(contact.user.clone()), code));
        if !code.is_success() {
            continue;
        }
        if let Some(known) = list.contacts.iter_mut().find(|known| known.user == contact.user) {
            known.nickname.clone_from(&contact.nickname);
        } else if list.contacts.len() >= CONTACTS_MAX {
            return Err(Code::TOO_MANY_CONTACTS);
        } else {
            list.contacts.push(contact.clone());
        }
    }
    let merged = Status::merge(parts);
    // The list is made or changed, whoever stays away from it.
    let code = if merged.code.is_success() { merged.code } else { Code::PARTIALLY_SUCCESSFUL };
    Ok(Status { code, ..merged })
}

/// 754 where the account has too many contacts with this list as it shall be.
fn within_limits(lists: &Lists, list: &ContactList) -> Result<(), Code> {
    let others = lists.lists.iter().filter(|other| other.id != list.id);
    let contacts = others.map(|other| other.contacts.len()).sum::<usize>() + list.contacts.len();
    if contacts > CONTACTS_OF_ACCOUNT_MAX { Err(Code::TOO_MANY_CONTACTS) } else { Ok(()) }
}

/// Those who came may write: they come onto the grant list, and are no longer on the block list. What the
/// list may see of the owner's presence they see by being on it, unless the owner said something else of them
/// before ([`authorised`]).
fn granted(lists: &Lists, list: &ContactList, added: &[Contact]) -> Result<Option<Edit>, Code> {
    let came = added.iter().map(|contact| &contact.user).filter(|user| list.holds(user));
    let came = Entities { users: came.cloned().collect(), ..Entities::default() };
    let mut changed = lists.access.clone();
    access::add(&mut changed.grant, &came);
    access::remove(&mut changed.block, &came);
    if changed.grant.len() > ENTRIES_MAX {
        return Err(Code::TOO_MANY_CONTACTS);
    }
    Ok((changed != lists.access).then(|| Edit::Access(Box::new(changed))))
}

/// Who shall see what this list may see, though something else was said of it before: those who come with
/// `AuthorizeAndGrant`.
pub fn authorised(request: &ListManageRequest) -> Vec<UserId> {
    let added = request.add.iter().filter(|_| request.authorize_and_grant == Some(true));
    added.map(|contact| contact.user.clone()).collect()
}

fn properties(list: &ContactList, is_default: bool) -> Vec<Property> {
    vec![
        Property::new(DISPLAY_NAME, list.display_name.as_deref().unwrap_or_default()),
        Property::new(DEFAULT, if is_default { "T" } else { "F" }),
    ]
}

/// The properties that a request sets.
struct Wanted {
    /// An empty one takes the name away.
    display_name: Option<Box<str>>,
    default: Option<bool>,
}

impl Wanted {
    /// 752: a property nobody knows, or a value it cannot have.
    fn of(properties: &[Property]) -> Result<Self, Code> {
        let mut wanted = Self { display_name: None, default: None };
        for property in properties {
            let value = property.value.as_deref().unwrap_or_default();
            if property.name.eq_ignore_ascii_case(DISPLAY_NAME) && value.len() <= NAME_OCTETS_MAX {
                wanted.display_name = Some(value.into());
            } else if property.name.eq_ignore_ascii_case(DEFAULT) && value.eq_ignore_ascii_case("T") {
                wanted.default = Some(true);
            } else if property.name.eq_ignore_ascii_case(DEFAULT) && value.eq_ignore_ascii_case("F") {
                wanted.default = Some(false);
            } else {
                return Err(Code::BAD_CONTACT_LIST_PROPERTY);
            }
        }
        Ok(wanted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADA: &str = "wv:ada@north.example";
    const FRIENDS: &str = "wv:ada/friends@north.example";
    const WORK: &str = "wv:ada/work@north.example";

    fn id(text: &str) -> ContactListId {
        text.parse().unwrap()
    }

    fn contact(user: &str, nickname: &str) -> Contact {
        let nickname = (!nickname.is_empty()).then(|| nickname.into());
        Contact { user: user.parse().unwrap(), nickname }
    }

    fn everybody(_: &UserId) -> Code {
        Code::SUCCESSFUL
    }

    fn creation(list: &str, contacts: Vec<Contact>, properties: &[(&str, &str)]) -> CreateListRequest {
        let properties = properties.iter().map(|(name, value)| Property::new(name, value)).collect();
        CreateListRequest { list: id(list), contacts, properties }
    }

    fn read(list: &str) -> ListManageRequest {
        ListManageRequest {
            list: id(list),
            add: Vec::new(),
            remove: Vec::new(),
            properties: Vec::new(),
            receive: Some(true),
            authorize_and_grant: None,
        }
    }

    /// Stores what was decided, as a store would.
    fn store(lists: &mut Lists, edits: Vec<Edit>) {
        for edit in edits {
            match edit {
                Edit::Put(list) => match lists.lists.iter_mut().find(|other| other.id == list.id) {
                    Some(old) => *old = list,
                    None => lists.lists.push(list),
                },
                Edit::Drop(id) => lists.lists.retain(|list| list.id != id),
                Edit::Default(default) => lists.default = default,
                Edit::Access(access) => lists.access = *access,
            }
        }
    }

    fn two_lists() -> Lists {
        let mut lists = Lists::new(ADA.parse().unwrap());
        for request in [
            creation(FRIENDS, vec![contact("wv:bo@south.example", "Bo")], &[("DisplayName", "Friends")]),
            creation(WORK, Vec::new(), &[]),
        ] {
            let decision = create(&lists, &request, &everybody).unwrap();
            store(&mut lists, decision.edits);
        }
        lists
    }

    fn shown(properties: &[Property]) -> Vec<(&str, &str)> {
        properties.iter().map(|it| (&*it.name, it.value.as_deref().unwrap_or_default())).collect()
    }

    #[test]
    fn the_first_list_is_the_default_whatever_it_says() {
        let lists = Lists::new(ADA.parse().unwrap());
        let made = create(&lists, &creation(FRIENDS, Vec::new(), &[("Default", "F")]), &everybody).unwrap();
        assert_eq!(shown(&made.answer.properties), [("DisplayName", ""), ("Default", "T")]);
        assert_eq!(made.edits.last(), Some(&Edit::Default(Some(id(FRIENDS)))));
        let answer = get(&two_lists());
        assert_eq!((answer.lists, answer.default), (vec![id(WORK)], Some(id(FRIENDS))));
        assert_eq!(get(&lists).default, None);
    }

    #[test]
    fn the_default_moves_to_the_list_that_wants_it_and_to_an_heir() {
        let mut lists = two_lists();
        let default = |value: &str| ListManageRequest {
            properties: vec![Property::new("Default", value)],
            ..read(WORK)
        };
        let kept =
            manage(&lists, &ListManageRequest { list: id(FRIENDS), ..default("F") }, &everybody).unwrap();
        assert!(kept.edits.is_empty(), "another list has to take it");
        let moved = manage(&lists, &default("T"), &everybody).unwrap();
        assert_eq!(shown(&moved.answer.properties), [("DisplayName", ""), ("Default", "T")]);
        store(&mut lists, moved.edits);
        assert_eq!(get(&lists).default, Some(id(WORK)));
        let gone = delete(&lists, &DeleteListRequest { list: id(WORK) }).unwrap();
        store(&mut lists, gone.edits);
        assert_eq!(get(&lists).default, Some(id(FRIENDS)));
        let gone = delete(&lists, &DeleteListRequest { list: id(FRIENDS) }).unwrap();
        store(&mut lists, gone.edits);
        assert_eq!((get(&lists).default, lists.lists.len()), (None, 0));
    }

    #[test]
    fn contacts_come_go_and_are_renamed() {
        let mut lists = two_lists();
        let change = ListManageRequest {
            add: vec![contact("wv:BO@south.example", "Bobby"), contact("wv:cy@north.example", "")],
            ..read(FRIENDS)
        };
        let changed = manage(&lists, &change, &everybody).unwrap();
        let expected = vec![contact("wv:bo@south.example", "Bobby"), contact("wv:cy@north.example", "")];
        assert_eq!(changed.answer.contacts, Some(NickList { contacts: expected }));
        store(&mut lists, changed.edits);
        let change = ListManageRequest {
            remove: vec!["wv:bo@south.example".parse().unwrap(), "wv:nobody@x.example".parse().unwrap()],
            receive: Some(false),
            ..read(FRIENDS)
        };
        let changed = manage(&lists, &change, &everybody).unwrap();
        assert_eq!((changed.answer.contacts, changed.answer.result), (None, Status::ok()));
        store(&mut lists, changed.edits);
        let read = manage(&lists, &read(FRIENDS), &everybody).unwrap();
        assert!(read.edits.is_empty(), "reading changes nothing");
        assert_eq!(read.answer.contacts.unwrap().contacts, [contact("wv:cy@north.example", "")]);
        assert_eq!(shown(&read.answer.properties), [("DisplayName", "Friends"), ("Default", "T")]);
    }

    #[test]
    fn strangers_stay_away_and_the_list_is_made() {
        let standing = |user: &UserId| match user.domain_str() {
            Some("nowhere.example") => Code::DOMAIN_NOT_SUPPORTED,
            Some("north.example") => Code::UNKNOWN_USER,
            _ => Code::SUCCESSFUL,
        };
        let contacts = ["wv:bo@south.example", "wv:x@nowhere.example", "wv:nobody@north.example"];
        let lists = Lists::new(ADA.parse().unwrap());
        for known in [0, 1] {
            let contacts = contacts[known..].iter().map(|user| contact(user, "")).collect();
            let made = create(&lists, &creation(FRIENDS, contacts, &[]), &standing).unwrap();
            let result = &made.answer.result;
            assert_eq!((result.code.get(), result.details.len()), (201, 2));
            let Edit::Put(list) = &made.edits[0] else { panic!() };
            assert_eq!(list.contacts.len(), 1 - known);
        }
    }

    #[test]
    fn each_refusal_has_its_code() {
        let lists = two_lists();
        let made = |request: &CreateListRequest| create(&lists, request, &everybody).unwrap_err().get();
        assert_eq!(made(&creation(WORK, Vec::new(), &[])), 701);
        assert_eq!(made(&creation("wv:bo/friends@north.example", Vec::new(), &[])), 402);
        assert_eq!(made(&creation("wv:ada/x@south.example", Vec::new(), &[])), 402);
        for property in [("Colour", "red"), ("Default", "maybe"), ("DisplayName", &"x".repeat(401))] {
            assert_eq!(made(&creation("wv:ada/x@north.example", Vec::new(), &[property])), 752);
        }
        let many = |n: usize| -> Vec<Contact> {
            (0..n).map(|n| contact(&format!("wv:u{n}@south.example"), "")).collect()
        };
        assert_eq!(made(&creation("wv:ada/x@north.example", many(CONTACTS_MAX + 1), &[])), 754);
        let mut full = lists.clone();
        for n in 2..LISTS_MAX {
            let list = ContactList {
                id: id(&format!("wv:ada/l{n}@north.example")),
                display_name: None,
                contacts: Vec::new(),
            };
            full.lists.push(list);
        }
        let one_more = creation("wv:ada/x@north.example", Vec::new(), &[]);
        assert_eq!(create(&full, &one_more, &everybody).unwrap_err().get(), 753);
        for place in 2..6 {
            full.lists[place].contacts = many(CONTACTS_MAX);
        }
        assert_eq!(is_bounded(&many(CONTACTS_MAX + 1), &[]), Err(Code::TOO_MANY_CONTACTS));
        let gone: Vec<UserId> = many(CONTACTS_MAX + 1).into_iter().map(|contact| contact.user).collect();
        assert_eq!(is_bounded(&many(1), &gone), Err(Code::BAD_PARAMETER));
        assert_eq!(is_bounded(&many(CONTACTS_MAX), &gone[1..]), Ok(()));
        let add = ListManageRequest { add: many(1), ..read(FRIENDS) };
        assert_eq!(manage(&full, &add, &everybody).unwrap_err().get(), 754);
        assert_eq!(manage(&lists, &read("wv:ada/none@north.example"), &everybody).unwrap_err().get(), 700);
        assert_eq!(
            delete(&lists, &DeleteListRequest { list: id("wv:bo/friends@south.example") }).unwrap_err().get(),
            700
        );
    }

    #[test]
    fn who_is_added_with_authorisation_is_granted_too() {
        let lists = two_lists();
        let change = ListManageRequest {
            add: vec![contact("wv:cy@north.example", "Cy")],
            authorize_and_grant: Some(true),
            ..read(FRIENDS)
        };
        let changed = manage(&lists, &change, &everybody).unwrap();
        let Some(Edit::Access(access)) = changed.edits.last() else { panic!("{:?}", changed.edits) };
        assert_eq!(access.grant.users, ["wv:cy@north.example".parse().unwrap()]);
        assert!(!access.grant_in_use);
        assert_eq!(authorised(&change), access.grant.users);
        assert_eq!(authorised(&ListManageRequest { authorize_and_grant: None, ..change.clone() }), []);
        // Somebody who was blocked is so no longer
        let mut lists = lists;
        lists.access.block.users =
            vec!["wv:cy@north.example".parse().unwrap(), "wv:eve@west.example".parse().unwrap()];
        let changed = manage(&lists, &change, &everybody).unwrap();
        let Some(Edit::Access(access)) = changed.edits.last() else { panic!("{:?}", changed.edits) };
        assert_eq!(access.block.users, ["wv:eve@west.example".parse().unwrap()]);
    }

    #[test]
    fn a_list_that_goes_is_struck_from_block_and_grant_list() {
        let mut lists = two_lists();
        lists.access.block.contact_lists = vec![id(WORK)];
        lists.access.grant.contact_lists = vec![id(FRIENDS), id(WORK)];
        let gone = delete(&lists, &DeleteListRequest { list: id(WORK) }).unwrap();
        store(&mut lists, gone.edits);
        assert!(lists.access.block.contact_lists.is_empty());
        assert_eq!(lists.access.grant.contact_lists, [id(FRIENDS)]);
    }

    #[test]
    fn several_changes_in_one_request_are_made_together_or_not_at_all() {
        let lists = two_lists();
        let change = ListManageRequest {
            add: vec![contact("wv:cy@north.example", "Cy")],
            remove: vec!["wv:bo@south.example".parse().unwrap()],
            properties: vec![Property::new("displayname", "Crew"), Property::new("Default", "T")],
            ..read(FRIENDS)
        };
        let changed = manage(&lists, &change, &everybody).unwrap();
        assert_eq!(changed.answer.contacts.unwrap().contacts, [contact("wv:cy@north.example", "Cy")]);
        assert_eq!(shown(&changed.answer.properties), [("DisplayName", "Crew"), ("Default", "T")]);
        let properties = vec![Property::new("DisplayName", ""), Property::new("Colour", "red")];
        let refused = manage(&lists, &ListManageRequest { properties, ..change }, &everybody);
        assert_eq!(refused.unwrap_err().get(), 752);
        let unnamed = vec![Property::new("DisplayName", "")];
        let changed = manage(&lists, &ListManageRequest { properties: unnamed, ..read(FRIENDS) }, &everybody);
        assert_eq!(shown(&changed.unwrap().answer.properties), [("DisplayName", ""), ("Default", "T")]);
    }
}
