//! Contact lists, and the lists of who may make contact.
//!
//! A user groups people in contact lists, one of which is the default ([`contacts`]); messages,
//! subscriptions and attribute lists name a contact list, and the home of its owner puts the members in its
//! place ([`Lists::expand`]): no contact list ever crosses to another provider (reference ssp-primitives
//! G4). Beside them stand the block list and the grant list, which say who may send messages and
//! invitations, and whose subscriptions are served ([`access`]).
//!
//! [`Lists`] is the aggregate: what one account has of both. The functions here are pure; what they decide
//! is a list of [`Edit`]s, stored together if nobody was quicker.

pub mod access;
pub mod contacts;

use std::collections::HashSet;

use crate::imps::primitive::{Contact, Entities};
use crate::imps::status::Entity;
use crate::imps::{Code, ContactListId, Primitive, UserId};

pub use access::{Access, Caller};

/// Contact lists of one account.
pub const LISTS_MAX: usize = 100;
/// Contacts of one list; a message to all of them stays within what one request may name.
pub const CONTACTS_MAX: usize = 500;
/// Contacts of one account, over all its lists.
pub const CONTACTS_OF_ACCOUNT_MAX: usize = 2000;
/// Octets of a nickname, and of the name that a list shows.
pub const NAME_OCTETS_MAX: usize = 400;
/// Entries of a block list, and of a grant list.
pub const ENTRIES_MAX: usize = 500;

/// One contact list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContactList {
    /// Its name, `wv:ada/friends@north.example`, as spelled when it was made.
    pub id: ContactListId,
    /// The name to show, if it has one.
    pub display_name: Option<Box<str>>,
    /// Who is on it, in order of entry; each user once, with a complete address.
    pub contacts: Vec<Contact>,
}

impl ContactList {
    /// Whether this user is on the list.
    pub fn holds(&self, user: &UserId) -> bool {
        self.contacts.iter().any(|contact| contact.user == *user)
    }
}

/// What one account has: contact lists, block list and grant list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lists {
    /// Whose.
    pub owner: UserId,
    /// Counts the changes, so that of two that were decided at once the second is decided again.
    pub version: u64,
    /// In the order in which they were made.
    pub lists: Vec<ContactList>,
    /// One of them, as soon as there is one.
    pub default: Option<ContactListId>,
    /// Who may make contact.
    pub access: Access,
}

/// The members of contact lists.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expanded {
    /// Everybody on the lists, once, in order of first appearance.
    pub users: Vec<UserId>,
    /// Lists that the owner does not have, with 700: those of other users above all.
    pub missing: Vec<(Entity, Code)>,
}

impl Lists {
    /// What an account has that never changed anything.
    pub fn new(owner: UserId) -> Self {
        Self { owner, version: 0, lists: Vec::new(), default: None, access: Access::default() }
    }

    /// One of the lists.
    pub fn list(&self, id: &ContactListId) -> Option<&ContactList> {
        self.lists.iter().find(|list| list.id == *id)
    }

    /// Puts members in the place of lists. A list of another user does not exist for this one: 700.
    pub fn expand<'l>(&self, wanted: impl IntoIterator<Item = &'l ContactListId>) -> Expanded {
        let mut expanded = Expanded::default();
        let mut seen: HashSet<UserId> = HashSet::new();
        for id in wanted {
            match self.list(id) {
                None => expanded.missing.push((Entity::ContactList(id.clone()), Code::NO_CONTACT_LIST)),
                Some(list) => expanded.users.extend(
                    list.contacts
                        .iter()
                        .map(|contact| &contact.user)
                        .filter(|user| seen.insert((*user).clone()))
                        .cloned(),
                ),
            }
        }
        expanded
    }

    /// The lists that this user is on.
    pub fn lists_with(&self, user: &UserId) -> impl Iterator<Item = &ContactList> {
        self.lists.iter().filter(move |list| list.holds(user))
    }

    /// How many contacts there are in all.
    pub fn contacts(&self) -> usize {
        self.lists.iter().map(|list| list.contacts.len()).sum()
    }

    /// How much there is of everything, for stores that remember what is small.
    pub fn entries(&self) -> usize {
        self.lists.len() + self.contacts() + self.access.entries()
    }

    /// Whether this caller may send messages and invitations to the owner, and look at its presence: 532
    /// if not (reference presence-attributes §5). The owner itself always may.
    pub fn admits(&self, caller: &Caller<'_>) -> Result<(), Code> {
        if caller.user.is_some_and(|user| user.id == self.owner) {
            return Ok(());
        }
        let on = |entities: &Entities| self.names(entities, caller);
        let access = &self.access;
        let blocked = access.block_in_use && on(&access.block);
        if blocked || (access.grant_in_use && !on(&access.grant)) { Err(Code::BLOCKED) } else { Ok(()) }
    }
}

/// One step of a change. Several are stored together or not at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edit {
    /// Make this list, or replace it.
    Put(ContactList),
    /// Drop this list.
    Drop(ContactListId),
    /// Make this list the default; `None` when the last one went.
    Default(Option<ContactListId>),
    /// Replace block list and grant list.
    Access(Box<Access>),
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision<T> {
    /// The answer, true once the edits are stored.
    pub answer: T,
    /// What to store; nothing for what only reads.
    pub edits: Vec<Edit>,
}

impl<T> Decision<T> {
    /// An answer that changes nothing.
    pub const fn read(answer: T) -> Self {
        Self { answer, edits: Vec::new() }
    }

    /// The same with the answer as a primitive.
    pub fn into_primitive(self) -> Decision<Primitive>
    where
        T: Into<Primitive>,
    {
        Decision { answer: self.answer.into(), edits: self.edits }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_become_their_members_each_once_and_a_foreign_list_is_700() {
        let user = |text: &str| text.parse::<UserId>().unwrap();
        let id = |text: &str| text.parse::<ContactListId>().unwrap();
        let list = |name: &str, members: &[&str]| ContactList {
            id: id(name),
            display_name: None,
            contacts: members.iter().map(|who| Contact { user: user(who), nickname: None }).collect(),
        };
        let mut lists = Lists::new(user("wv:ada@north.example"));
        lists.lists = vec![
            list("wv:ada/crew@north.example", &["wv:bo@south.example", "wv:cy@north.example"]),
            list("wv:ada/choir@north.example", &["wv:CY@north.example", "wv:dee@east.example"]),
        ];
        let foreign = id("wv:bo/friends@south.example");
        let wanted = [id("wv:ADA/crew@north.example"), foreign.clone(), id("wv:ada/choir@north.example")];
        let expanded = lists.expand(&wanted);
        let members: Vec<_> = expanded.users.iter().map(|user| user.as_str()).collect();
        assert_eq!(members, ["wv:bo@south.example", "wv:cy@north.example", "wv:dee@east.example"]);
        assert_eq!(expanded.missing, [(Entity::ContactList(foreign), Code::NO_CONTACT_LIST)]);
        assert_eq!(lists.lists_with(&user("wv:cy@north.example")).count(), 2);
    }
}
