//! The accounts in memory: asked for at every login and every message.
//!
//! Kept right by the writer, which forgets what it changed before it answers, and which looks for
//! changes by other processes (`causeway user add` beside a running node) four times a second
//! (decisions.md 23).

use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, Result};

use super::bounded::Bounded;
use super::rows;
use crate::imps::UserId;
use crate::relay::ports::Account;

/// How many accounts, or absences of one, are remembered.
const ACCOUNTS_MAX: usize = 65_536;

/// Shared by the writer, the readers and whoever asks.
#[derive(Debug)]
pub(super) struct Accounts {
    known: Mutex<Known>,
}

#[derive(Debug)]
struct Known {
    accounts: Bounded<UserId, Option<Account>>,
    /// Grows with every change, so that what was read before one is not remembered after it.
    generation: u64,
}

impl Accounts {
    pub(super) fn new() -> Self {
        Self { known: Mutex::new(Known { accounts: Bounded::new(ACCOUNTS_MAX), generation: 0 }) }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The accounts of these users if all are remembered.
    pub(super) fn remembered(&self, users: &[UserId]) -> Option<Vec<Option<Account>>> {
        let mut known = self.known();
        users.iter().map(|user| known.accounts.get_mut(user).map(|account| account.clone())).collect()
    }

    /// Reads the accounts of these users, and remembers them.
    pub(super) fn load(&self, connection: &Connection, users: &[UserId]) -> Result<Vec<Option<Account>>> {
        let generation = self.known().generation;
        let found = read(connection, users)?;
        let mut known = self.known();
        if known.generation == generation {
            for (user, account) in users.iter().zip(&found) {
                known.accounts.insert(user.clone(), account.clone());
            }
        }
        Ok(found)
    }

    /// Forgets what was changed.
    pub(super) fn forget(&self, users: &[UserId]) {
        if users.is_empty() {
            return;
        }
        let mut known = self.known();
        known.generation += 1;
        for user in users {
            known.accounts.remove(user);
        }
    }

    /// Forgets all.
    pub(super) fn clear(&self) {
        let mut known = self.known();
        known.generation += 1;
        known.accounts.clear();
    }
}

/// The accounts of these users, in order.
pub(super) fn read(connection: &Connection, users: &[UserId]) -> Result<Vec<Option<Account>>> {
    let sql = [rows::ACCOUNT, " WHERE key = ?1 AND removed = 0"].concat();
    users.iter().map(|user| rows::one(connection, &sql, [user.key()], rows::account)).collect()
}
