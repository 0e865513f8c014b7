//! What is remembered of accounts: asked for at every login and every message.
//!
//! Kept right by the writer, which forgets what it changed before it answers, and which looks for
//! changes by other processes (`causeway user add` beside a running node) four times a second
//! (decisions.md 23).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, Result};

use super::bounded::Bounded;
use super::{accounts, lists};
use crate::element::lists::Lists;
use crate::imps::UserId;
use crate::relay::ports::Account;

/// How many accounts, or absences of one, are remembered.
const ACCOUNTS_MAX: usize = 65_536;
/// Of how many accounts the lists are remembered.
const LISTS_MAX: usize = 16_384;
/// Lists with more entries are read whenever they are needed.
const LISTS_ENTRIES_MAX: usize = 100;

/// Shared by the writer, the readers and whoever asks.
#[derive(Debug)]
pub(super) struct Memory {
    pub(super) accounts: Remembered<Option<Account>>,
    pub(super) lists: Remembered<Arc<Lists>>,
}

impl Memory {
    pub(super) fn new() -> Self {
        Self {
            accounts: Remembered::new(ACCOUNTS_MAX, accounts::read, |_| true),
            lists: Remembered::new(LISTS_MAX, lists::read, |lists| lists.entries() <= LISTS_ENTRIES_MAX),
        }
    }

    /// Forgets what was changed.
    pub(super) fn forget(&self, users: &[UserId]) {
        self.accounts.forget(users);
        self.lists.forget(users);
    }

    /// Forgets all.
    pub(super) fn clear(&self) {
        self.accounts.clear();
        self.lists.clear();
    }
}

/// One kind of value, by user.
#[derive(Debug)]
pub(super) struct Remembered<V> {
    known: Mutex<Known<V>>,
    read: fn(&Connection, &[UserId]) -> Result<Vec<V>>,
    /// Whether a value is worth its place.
    keeps: fn(&V) -> bool,
}

#[derive(Debug)]
struct Known<V> {
    values: Bounded<UserId, V>,
    /// Grows with every change, so that what was read before one is not remembered after it.
    generation: u64,
}

impl<V: Clone> Remembered<V> {
    fn new(max: usize, read: fn(&Connection, &[UserId]) -> Result<Vec<V>>, keeps: fn(&V) -> bool) -> Self {
        Self { known: Mutex::new(Known { values: Bounded::new(max), generation: 0 }), read, keeps }
    }

    fn known(&self) -> MutexGuard<'_, Known<V>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The values of these users if all are remembered.
    pub(super) fn remembered(&self, users: &[UserId]) -> Option<Vec<V>> {
        let mut known = self.known();
        users.iter().map(|user| known.values.get_mut(user).map(|value| value.clone())).collect()
    }

    /// Reads the values of these users, and remembers them.
    pub(super) fn load(&self, connection: &Connection, users: &[UserId]) -> Result<Vec<V>> {
        let generation = self.known().generation;
        let found = (self.read)(connection, users)?;
        let mut known = self.known();
        if known.generation == generation {
            for (user, value) in users.iter().zip(&found).filter(|(_, value)| (self.keeps)(value)) {
                known.values.insert(user.clone(), value.clone());
            }
        }
        Ok(found)
    }

    fn forget(&self, users: &[UserId]) {
        if users.is_empty() {
            return;
        }
        let mut known = self.known();
        known.generation += 1;
        for user in users {
            known.values.remove(user);
        }
    }

    fn clear(&self) {
        let mut known = self.known();
        known.generation += 1;
        known.values.clear();
    }
}
