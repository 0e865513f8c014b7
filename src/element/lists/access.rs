//! Block list and grant list: who may make contact (reference presence-attributes §5).
//!
//! Block wins over grant. A caller that is on the block list in use is refused, and so is one that is not on
//! the grant list in use. What counts is the author: a user, with the screen name under which it writes in a
//! group. Entries are users, whole domains (`wv:@domain`), screen names, groups, and from 1.3 on contact
//! lists of the owner and applications.

use crate::imps::primitive::{
    Author, BlockEntityRequest, BlockList, Display, Entities, GetBlockedListResponse, ScreenName, Sender,
    User,
};
use crate::imps::{Code, GroupId, Status};

use super::{Decision, ENTRIES_MAX, Edit, Lists};

/// The two lists of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// Who may not make contact.
    pub block: Entities,
    /// Whether that counts.
    pub block_in_use: bool,
    /// Who alone may make contact.
    pub grant: Entities,
    /// Whether that counts.
    pub grant_in_use: bool,
}

/// Empty lists, block in use, grant not.
impl Default for Access {
    fn default() -> Self {
        Self {
            block: Entities::default(),
            block_in_use: true,
            grant: Entities::default(),
            grant_in_use: false,
        }
    }
}

impl Access {
    /// How many entries there are.
    pub fn entries(&self) -> usize {
        self.block.len() + self.grant.len()
    }
}

/// Who wants to make contact: everything by which the lists may name it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Caller<'a> {
    /// The user, if it is known.
    pub user: Option<&'a User>,
    /// The group that passes something on, or in which it is said.
    pub group: Option<&'a GroupId>,
    /// The name under which somebody acts in a group.
    pub screen_name: Option<&'a ScreenName>,
}

impl<'a> Caller<'a> {
    /// A user that acts under no other name.
    pub const fn user(user: &'a User) -> Self {
        Self { user: Some(user), group: None, screen_name: None }
    }

    /// The author of a message.
    pub const fn author(sender: &'a Sender) -> Self {
        let (user, mut group) = match &sender.author {
            Author::User(user) => (Some(user), None),
            Author::Group(group) => (None, Some(group)),
        };
        let mut screen_name = None;
        match &sender.shown {
            Some(Display::ScreenName(name)) => {
                screen_name = Some(name);
                group = Some(&name.group);
            }
            Some(Display::Group(shown)) => group = Some(shown),
            Some(Display::User(_) | Display::Name(_)) | None => {}
        }
        Self { user, group, screen_name }
    }
}

impl Lists {
    /// Whether entries name a caller.
    pub(super) fn names(&self, entities: &Entities, caller: &Caller<'_>) -> bool {
        let by_user = caller.user.is_some_and(|user| {
            entities.users.contains(&user.id)
                || user
                    .id
                    .domain_str()
                    .is_some_and(|domain| entities.domains.iter().any(|named| named.as_str() == domain))
                || user
                    .application
                    .as_ref()
                    .is_some_and(|application| entities.applications.contains(application))
                || entities
                    .contact_lists
                    .iter()
                    .any(|id| self.list(id).is_some_and(|list| list.holds(&user.id)))
        });
        by_user
            || caller.screen_name.is_some_and(|name| entities.screen_names.contains(name))
            || caller.group.is_some_and(|group| entities.groups.contains(group))
    }
}

/// Answers GetBlockedList: both lists and their switches, also where they are empty.
pub fn get(lists: &Lists) -> GetBlockedListResponse {
    let access = &lists.access;
    let shown = |in_use, entities: &Entities| {
        Some(BlockList { in_use: Some(in_use), entities: Some(entities.clone()), ..BlockList::default() })
    };
    GetBlockedListResponse {
        result: Status::ok(),
        block: shown(access.block_in_use, &access.block),
        grant: shown(access.grant_in_use, &access.grant),
    }
}

/// Carries out BlockEntity. An EntityList replaces the list, AddList and RemoveList change it, and who is
/// on it already, or is not, is no error. 402: more than [`ENTRIES_MAX`] entries.
pub fn change(lists: &Lists, request: &BlockEntityRequest) -> Result<Decision<Status>, Code> {
    let mut access = lists.access.clone();
    if let Some(wanted) = &request.block {
        apply(wanted, &mut access.block, &mut access.block_in_use)?;
    }
    if let Some(wanted) = &request.grant {
        apply(wanted, &mut access.grant, &mut access.grant_in_use)?;
    }
    let edits = if access == lists.access { Vec::new() } else { vec![Edit::Access(Box::new(access))] };
    Ok(Decision { answer: Status::ok(), edits })
}

fn apply(wanted: &BlockList, entities: &mut Entities, in_use: &mut bool) -> Result<(), Code> {
    // Before anything is compared with anything.
    let parts = [&wanted.entities, &wanted.add, &wanted.remove];
    if parts.into_iter().flatten().any(|part| part.len() > ENTRIES_MAX) {
        return Err(Code::BAD_PARAMETER);
    }
    if let Some(switch) = wanted.in_use {
        *in_use = switch;
    }
    if let Some(whole) = &wanted.entities {
        *entities = Entities::default();
        add(entities, whole);
    }
    if let Some(gone) = &wanted.remove {
        remove(entities, gone);
    }
    if let Some(more) = &wanted.add {
        add(entities, more);
    }
    if entities.len() > ENTRIES_MAX { Err(Code::BAD_PARAMETER) } else { Ok(()) }
}

fn union<T: PartialEq + Clone>(entries: &mut Vec<T>, more: &[T]) {
    for entry in more {
        if !entries.contains(entry) {
            entries.push(entry.clone());
        }
    }
}

/// Adds what is not there yet.
pub(super) fn add(entities: &mut Entities, more: &Entities) {
    // Exhaustive, so that a new kind of entry is not forgotten here.
    let Entities { users, domains, screen_names, groups, contact_lists, applications } = more;
    union(&mut entities.users, users);
    union(&mut entities.domains, domains);
    union(&mut entities.screen_names, screen_names);
    union(&mut entities.groups, groups);
    union(&mut entities.contact_lists, contact_lists);
    union(&mut entities.applications, applications);
}

pub(super) fn remove(entities: &mut Entities, gone: &Entities) {
    let Entities { users, domains, screen_names, groups, contact_lists, applications } = gone;
    entities.users.retain(|entry| !users.contains(entry));
    entities.domains.retain(|entry| !domains.contains(entry));
    entities.screen_names.retain(|entry| !screen_names.contains(entry));
    entities.groups.retain(|entry| !groups.contains(entry));
    entities.contact_lists.retain(|entry| !contact_lists.contains(entry));
    entities.applications.retain(|entry| !applications.contains(entry));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::element::lists::ContactList;
    use crate::imps::UserId;
    use crate::imps::primitive::Contact;

    const ADA: &str = "wv:ada@north.example";
    const BO: &str = "wv:bo@south.example";

    fn user(text: &str) -> User {
        User::from(text.parse::<UserId>().unwrap())
    }

    fn lists(change: impl FnOnce(&mut Lists)) -> Lists {
        let mut lists = Lists::new(ADA.parse().unwrap());
        change(&mut lists);
        lists
    }

    fn users(names: &[&str]) -> Entities {
        Entities { users: names.iter().map(|name| name.parse().unwrap()).collect(), ..Entities::default() }
    }

    fn code(lists: &Lists, caller: &Caller<'_>) -> u16 {
        lists.admits(caller).map_or_else(Code::get, |()| 200)
    }

    #[test]
    fn everybody_may_write_until_somebody_is_blocked() {
        let bo = user(BO);
        assert_eq!(code(&lists(|_| {}), &Caller::user(&bo)), 200);
        let blocking = lists(|lists| lists.access.block = users(&["wv:BO@south.example"]));
        assert_eq!(code(&blocking, &Caller::user(&bo)), 532);
        assert_eq!(code(&blocking, &Caller::user(&user("wv:cy@south.example"))), 200);
        let switched_off = lists(|lists| {
            lists.access.block = users(&[BO]);
            lists.access.block_in_use = false;
        });
        assert_eq!(code(&switched_off, &Caller::user(&bo)), 200);
    }

    #[test]
    fn a_grant_list_in_use_admits_its_entries_alone_and_block_wins_over_it() {
        let granting = lists(|lists| {
            lists.access.grant = users(&[BO, "wv:cy@north.example"]);
            lists.access.grant_in_use = true;
            lists.access.block = users(&["wv:cy@north.example"]);
        });
        assert_eq!(code(&granting, &Caller::user(&user(BO))), 200);
        assert_eq!(code(&granting, &Caller::user(&user("wv:cy@north.example"))), 532);
        assert_eq!(code(&granting, &Caller::user(&user("wv:dee@north.example"))), 532);
        assert_eq!(code(&granting, &Caller::user(&user(ADA))), 200, "nobody keeps out itself");
    }

    #[test]
    fn domains_screen_names_groups_lists_and_applications_can_be_named() {
        let sailing: GroupId = "wv:/sailing@south.example".parse().unwrap();
        let skipper = ScreenName { name: "Skipper".into(), group: sailing.clone() };
        let written = |entities: Entities, caller: &Caller<'_>| {
            let blocking = lists(|lists| {
                lists.access.block = entities;
                lists.lists.push(ContactList {
                    id: "wv:ada/pests@north.example".parse().unwrap(),
                    display_name: None,
                    contacts: vec![Contact { user: BO.parse().unwrap(), nickname: None }],
                });
            });
            code(&blocking, caller)
        };
        let bo = User { application: Some("game".into()), ..user(BO) };
        let by_bo = Caller::user(&bo);
        let domain = Entities { domains: vec!["south.example".parse().unwrap()], ..Entities::default() };
        assert_eq!(written(domain, &by_bo), 532);
        let list = Entities {
            contact_lists: vec!["wv:ada/pests@north.example".parse().unwrap()],
            ..Entities::default()
        };
        assert_eq!(written(list, &by_bo), 532);
        let application = Entities { applications: vec!["game".into()], ..Entities::default() };
        assert_eq!(written(application, &by_bo), 532);
        let hidden = Sender {
            author: Author::Group(sailing.clone()),
            shown: Some(Display::ScreenName(skipper.clone())),
        };
        let name = Entities { screen_names: vec![skipper], ..Entities::default() };
        assert_eq!(written(name.clone(), &Caller::author(&hidden)), 532);
        assert_eq!(written(name, &by_bo), 200);
        let group = Entities { groups: vec![sailing], ..Entities::default() };
        assert_eq!(written(group, &Caller::author(&hidden)), 532);
    }

    #[test]
    fn lists_are_changed_switched_replaced_and_read_back() {
        let mut account = lists(|_| {});
        let mut ask = |request: BlockEntityRequest| {
            let decision = change(&account, &request).unwrap();
            for edit in decision.edits {
                let Edit::Access(access) = edit else { panic!("{edit:?}") };
                account.access = *access;
            }
            get(&account)
        };
        let shown = |list: &Option<BlockList>| {
            let list = list.as_ref().unwrap();
            (list.in_use.unwrap(), list.entities.as_ref().unwrap().users.len())
        };
        let block = |list: BlockList| BlockEntityRequest { block: Some(list), grant: None };
        let answer =
            ask(block(BlockList { add: Some(users(&[BO, BO, "wv:cy@x.example"])), ..BlockList::default() }));
        assert_eq!((shown(&answer.block), shown(&answer.grant)), ((true, 2), (false, 0)));
        let answer = ask(block(BlockList {
            remove: Some(users(&["wv:cy@x.example", "wv:nobody@x.example"])),
            in_use: Some(false),
            ..BlockList::default()
        }));
        assert_eq!(shown(&answer.block), (false, 1));
        let answer = ask(block(BlockList { entities: Some(users(&[])), ..BlockList::default() }));
        assert_eq!(shown(&answer.block), (false, 0));
        let answer = ask(BlockEntityRequest {
            block: None,
            grant: Some(BlockList { in_use: Some(true), add: Some(users(&[BO])), ..BlockList::default() }),
        });
        assert_eq!(shown(&answer.grant), (true, 1));
    }

    #[test]
    fn a_list_has_an_end_and_what_changes_nothing_is_not_stored() {
        let many: Vec<String> = (0..=ENTRIES_MAX).map(|n| format!("wv:u{n}@x.example")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let add = |names: &[&str]| BlockEntityRequest {
            block: Some(BlockList { add: Some(users(names)), ..BlockList::default() }),
            grant: None,
        };
        assert_eq!(change(&lists(|_| {}), &add(&many)), Err(Code::BAD_PARAMETER));
        let nearly = lists(|lists| lists.access.block = users(&many[1..]));
        assert_eq!(change(&nearly, &add(&many[..1])), Err(Code::BAD_PARAMETER));
        let nothing = change(&lists(|_| {}), &BlockEntityRequest::default()).unwrap();
        assert_eq!(nothing, Decision::read(Status::ok()));
    }
}
