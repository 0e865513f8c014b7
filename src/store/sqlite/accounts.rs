//! Accounts, read from their table.

use rusqlite::{Connection, Result};

use super::rows;
use crate::imps::UserId;
use crate::relay::ports::Account;

/// The accounts of these users, in order.
pub(super) fn read(connection: &Connection, users: &[UserId]) -> Result<Vec<Option<Account>>> {
    let sql = [rows::ACCOUNT, " WHERE key = ?1 AND removed = 0"].concat();
    users.iter().map(|user| rows::one(connection, &sql, [user.key()], rows::account)).collect()
}
