//! What the provider told its users: rows, changes and questions.

use rusqlite::types::Type;
use rusqlite::{Connection, Error, Result, Row, params};

use super::rows::{self, Columns, change, many, millis, one};
use crate::element::common::system::{ASKED_MAX, Asked};
use crate::imps::primitive::SystemMessageRequest;
use crate::imps::{Moment, Primitive, UserId, Version};
use crate::relay::ports::Outcome;
use crate::wire::{Encoding, csp};

const ASKED: &str = "SELECT a.address, m.body, m.key, m.until, m.answered, m.chosen
                     FROM system_message m JOIN account a ON a.id = m.owner";

fn asked(row: &Row<'_>) -> Result<Asked> {
    let mut columns = Columns::of(row);
    let user = columns.parsed()?;
    let body: Vec<u8> = columns.get()?;
    let message = match csp::decode_primitive(&body, Version::V1_3, Encoding::Wbxml) {
        Ok(Primitive::SystemMessageRequest(request)) => request.messages.into_iter().next(),
        _ => None,
    };
    let damaged = || Error::InvalidColumnType(1, "body".to_owned(), Type::Blob);
    let (key, until) = (columns.get()?, columns.moment()?);
    let (answered, chosen): (Option<i64>, Option<u32>) = (columns.get()?, columns.get()?);
    Ok(Asked {
        user,
        message: message.ok_or_else(damaged)?,
        key,
        until,
        answered: answered.map(|at| Moment::from_millis(u64::try_from(at).unwrap_or(0))),
        chosen,
    })
}

/// A user is told something.
pub(super) fn announce(connection: &Connection, asked: &Asked) -> Result<Outcome> {
    let Some(owner) = rows::account_id(connection, &asked.user)? else { return Ok(Outcome::Missing) };
    let id = &asked.message.id;
    let sql = "SELECT count(*) FROM system_message WHERE owner = ?1 AND id <> ?2";
    let others = one(connection, sql, params![owner, id], |row| Columns::of(row).count())?.unwrap_or(0);
    if usize::try_from(others).unwrap_or(usize::MAX) >= ASKED_MAX {
        return Ok(Outcome::Full);
    }
    let request = SystemMessageRequest { recipients: Vec::new(), messages: vec![asked.message.clone()] };
    let body = csp::encode_primitive(&request.into(), Version::V1_3, Encoding::Wbxml)
        .map_err(|error| Error::ToSqlConversionFailure(Box::new(error)))?;
    change(
        connection,
        "INSERT OR REPLACE INTO system_message (owner, id, required, body, key, until)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![owner, id, asked.message.requires_response, body, asked.key, millis(asked.until)],
    )?;
    Ok(Outcome::Done)
}

/// A user answered.
pub(super) fn answer(
    connection: &Connection,
    user: &UserId,
    id: &str,
    chosen: Option<u32>,
    now: Moment,
) -> Result<Outcome> {
    let sql = "UPDATE system_message SET answered = ?3, chosen = ?4
               WHERE owner = (SELECT id FROM account WHERE key = ?1) AND id = ?2
               AND answered IS NULL AND until > ?3";
    let rows = change(connection, sql, params![user.key(), id, millis(now), chosen])?;
    Ok(if rows > 0 { Outcome::Done } else { Outcome::Missing })
}

pub(super) fn of_user(connection: &Connection, user: &UserId, id: &str) -> Result<Option<Asked>> {
    let sql = [ASKED, " WHERE a.key = ?1 AND m.id = ?2"].concat();
    one(connection, &sql, params![user.key(), id], asked)
}

pub(super) fn unanswered(connection: &Connection, user: &UserId, now: Moment) -> Result<Vec<Asked>> {
    let sql = [
        ASKED,
        " WHERE a.key = ?1 AND m.required <> 0 AND m.answered IS NULL AND m.until > ?2 ORDER BY m.number",
    ]
    .concat();
    many(connection, &sql, params![user.key(), millis(now)], asked)
}

pub(super) fn to_everybody(
    connection: &Connection,
    id: &str,
    after: Option<&UserId>,
    limit: usize,
) -> Result<Vec<Asked>> {
    let sql = [ASKED, " WHERE m.id = ?1 AND a.key > ?2 ORDER BY a.key LIMIT ?3"].concat();
    let after = after.map(|user| user.key().clone()).unwrap_or_default();
    many(connection, &sql, params![id, after, rows::octets(limit)], asked)
}

/// Forgets a page of what is over; how much it was.
pub(super) fn forget(connection: &Connection, before: Moment, page: usize) -> Result<usize> {
    let sql = "DELETE FROM system_message WHERE number IN
                   (SELECT number FROM system_message WHERE until < ?1 ORDER BY until LIMIT ?2)";
    change(connection, sql, params![millis(before), rows::octets(page)])
}
