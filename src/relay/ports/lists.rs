//! Contact lists, block and grant lists in the store.

use std::sync::Arc;

use super::Promise;
use crate::element::lists::{Edit, Lists};
use crate::imps::UserId;

/// A change of what one account has of lists: all edits or none. Outcome: `Done`, `Conflict` if the lists
/// have another version by now, or `Missing` if there is no such account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListsChange {
    /// Whose.
    pub owner: UserId,
    /// The version that the edits were decided on.
    pub version: u64,
    /// In this order.
    pub edits: Vec<Edit>,
}

impl ListsChange {
    /// How much there is to write, in rows.
    pub fn entries(&self) -> usize {
        let entries = |edit: &Edit| match edit {
            Edit::Put(list) => 1 + list.contacts.len(),
            Edit::Drop(_) | Edit::Default(_) => 1,
            Edit::Access(access) => 1 + access.entries(),
        };
        self.edits.iter().map(entries).sum()
    }
}

/// Questions about lists.
pub trait ListsStore {
    /// What these users have of contact lists, block and grant lists, in order. Who has no account has none
    /// of it, and who changed nothing yet has the defaults.
    fn lists(&self, owners: Vec<UserId>) -> Promise<Vec<Arc<Lists>>>;
}
