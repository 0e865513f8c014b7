//! Contact lists: the people a user wants to keep at hand, under names of its own (reference csp-messages
//! §5, presence-attributes §5). They live at the user's home; between providers they are spoken of only
//! where the presence element is delegated (reference ssp-primitives §6).

use crate::imps::address::{ContactListId, UserId};
use crate::imps::status::Status;

/// A property by name: of a contact list, a group or a profile. Values stay the words of CSP, `T` and `F`
/// included, on every protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Property {
    /// Its name, such as `DisplayName`.
    pub name: Box<str>,
    /// Its value; absent means none.
    pub value: Option<Box<str>>,
}

impl Property {
    /// A property with a value; an empty one counts as none.
    pub fn new(name: &str, value: &str) -> Self {
        Self { name: name.into(), value: (!value.is_empty()).then(|| value.into()) }
    }
}

/// Somebody on a contact list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contact {
    /// Who; of any domain.
    pub user: UserId,
    /// What the owner of the list calls it.
    pub nickname: Option<Box<str>>,
}

/// The contacts of a list, where an empty list is something else than none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NickList {
    /// In the order of the list.
    pub contacts: Vec<Contact>,
}

/// The contact lists of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetListResponse {
    /// What became of the request; CSP sends this answer only with success.
    pub result: Status,
    /// All lists but the default one; other servers repeat it here in 1.1.
    pub lists: Vec<ContactListId>,
    /// The default list; there is one as soon as there is any list.
    pub default: Option<ContactListId>,
}

/// Make a contact list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateListRequest {
    /// Its name, chosen by the client.
    pub list: ContactListId,
    /// Who is on it.
    pub contacts: Vec<Contact>,
    /// `DisplayName`, `Default`.
    pub properties: Vec<Property>,
}

/// The list that was made (1.3; before that a Status).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateListResponse {
    /// What became of the request; CSP sends this answer only with success.
    pub result: Status,
    /// Its name.
    pub list: ContactListId,
    /// Its properties, all of them.
    pub properties: Vec<Property>,
}

/// Delete a contact list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteListRequest {
    /// Which.
    pub list: ContactListId,
}

/// Change a contact list, or read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListManageRequest {
    /// Which.
    pub list: ContactListId,
    /// Who comes onto it, or gets another nickname.
    pub add: Vec<Contact>,
    /// Who leaves it.
    pub remove: Vec<UserId>,
    /// What to set.
    pub properties: Vec<Property>,
    /// Whether the answer shall hold the contacts; absent (always in 1.1) means yes.
    pub receive: Option<bool>,
    /// The contacts that come shall see what the list may see, and may write (1.3).
    pub authorize_and_grant: Option<bool>,
}

/// The list after the change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListManageResponse {
    /// What became of the request.
    pub result: Status,
    /// Who is on it; absent if that was not wanted.
    pub contacts: Option<NickList>,
    /// Its properties.
    pub properties: Vec<Property>,
}
