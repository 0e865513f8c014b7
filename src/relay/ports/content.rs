//! Shared content in the store: rows that say what there is, and the octets beside them.
//!
//! The octets of an item are written before its row and removed after it, and what may have to be removed
//! is remembered first, so that a crash at any moment leaves nothing that nobody owns:
//! ```text
//! Begin ─▶ write octets ─▶ Keep        Drop, Forget, RemoveAccount ─▶ litter ─▶ remove octets ─▶ Swept
//!   └──────── crash ──────────────────────────────────────────────────▲
//! ```

use std::sync::Arc;

use super::Promise;
use crate::element::content::{ContentId, Item, Quota};
use crate::imps::{Moment, UserId};

/// A change of shared content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ContentChange {
    /// Octets are going to be written under this id; if nothing becomes of them, they are litter from this
    /// moment on. Outcome: `Done`.
    Begin {
        /// The id.
        id: ContentId,
        /// When.
        until: Moment,
    },
    /// The octets of the item are written, and it is there from now on; it is litter no more. Outcome:
    /// `Done`, `Full` if its owner has too much already, or `Missing` if the owner has no account.
    Keep {
        /// The item.
        item: Box<Item>,
        /// How much its owner may have.
        quota: Quota,
    },
    /// Another name, audience and end. Outcome: `Done` or `Missing`.
    Alter(Box<Item>),
    /// It is litter from now on. Outcome: `Done` or `Missing`.
    Drop(ContentId),
    /// Whatever has expired is litter; a page at a time, the rest another time. Outcome: `Done`.
    Expire {
        /// Everything that ends at this moment or before.
        by: Moment,
    },
    /// The octets are gone. Outcome: `Done` or `Missing`.
    Swept(ContentId),
}

/// Questions about shared content, and its octets.
pub trait ContentStore {
    /// One item, ended or not.
    fn item(&self, id: ContentId) -> Promise<Option<Item>>;

    /// The items of a user, oldest first.
    fn items_of(&self, owner: UserId) -> Promise<Vec<Item>>;

    /// Octets that nobody owns at this moment, at most `limit`.
    fn litter(&self, now: Moment, limit: usize) -> Promise<Vec<ContentId>>;

    /// Writes octets; they are on disk when the promise is kept.
    fn write_octets(&self, id: ContentId, octets: Arc<[u8]>) -> Promise<()>;

    /// Reads octets; `None` if there are none.
    fn read_octets(&self, id: ContentId) -> Promise<Option<Vec<u8>>>;

    /// Removes octets; that there are none is fine.
    fn remove_octets(&self, id: ContentId) -> Promise<()>;
}
