//! What was said in groups: its rows, changes and questions.

use rusqlite::{Connection, Result, Row, params};

use super::rows::{self, Columns, change, many, millis, one};
use crate::element::group::{HISTORY_MESSAGES_MAX, Said};
use crate::imps::{GroupId, MessageId, Moment, SessionId, UserId};
use crate::relay::ports::Outcome;

const SAID: &str = "SELECT g.address, m.message_id, m.accepted, m.until, m.body
                    FROM group_message m JOIN im_group g ON g.id = m.group_id";

fn said(row: &Row<'_>) -> Result<Said> {
    let mut columns = Columns::of(row);
    let (group, message_id) = (columns.parsed()?, columns.parsed()?);
    let (accepted, until) = (columns.moment()?, columns.moment()?);
    let body: Vec<u8> = columns.get()?;
    Ok(Said { group, message_id, accepted, until, body: body.into() })
}

/// Keeps a message, in the place of the oldest if there are too many.
pub(super) fn say(connection: &Connection, said: &Said) -> Result<Outcome> {
    let sql = "SELECT id FROM im_group WHERE key = ?1";
    let id = one(connection, sql, [said.group.key()], |row| row.get::<_, i64>(0))?;
    let Some(id) = id else { return Ok(Outcome::Missing) };
    let sql = "INSERT INTO group_message (group_id, message_id, accepted, until, body)
               VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING";
    let Said { message_id, accepted, until, body, .. } = said;
    let values = params![id, message_id.as_str(), millis(*accepted), millis(*until), &body[..]];
    if change(connection, sql, values)? == 0 {
        return Ok(Outcome::Duplicate);
    }
    let sql = "DELETE FROM group_message WHERE group_id = ?1 AND number <=
                   (SELECT number FROM group_message WHERE group_id = ?1
                    ORDER BY number DESC LIMIT 1 OFFSET ?2)";
    change(connection, sql, params![id, rows::octets(HISTORY_MESSAGES_MAX)])?;
    Ok(Outcome::Done)
}

/// The newest messages of a group, and how many there are.
pub(super) fn newest(connection: &Connection, group: &GroupId, limit: usize) -> Result<(Vec<Said>, u64)> {
    let sql = [SAID, " WHERE g.key = ?1 ORDER BY m.number DESC LIMIT ?2"].concat();
    let found = many(connection, &sql, params![group.key(), rows::octets(limit)], said)?;
    let sql = "SELECT count(*) FROM group_message m JOIN im_group g ON g.id = m.group_id WHERE g.key = ?1";
    let all = one(connection, sql, [group.key()], |row| Columns::of(row).count())?;
    Ok((found, all.unwrap_or(0)))
}

/// A message of a group that a session is in.
pub(super) fn to_session(
    connection: &Connection,
    session: &SessionId,
    message_id: &MessageId,
) -> Result<Option<Said>> {
    let sql = [
        SAID,
        " WHERE m.message_id = ?1 AND m.group_id IN (SELECT group_id FROM group_occupant WHERE session = ?2)",
    ]
    .concat();
    one(connection, &sql, params![message_id.as_str(), session.as_str()], said)
}

pub(super) fn to_guest(
    connection: &Connection,
    user: &UserId,
    message_id: &MessageId,
) -> Result<Option<Said>> {
    let sql = [
        SAID,
        " WHERE m.message_id = ?1 AND EXISTS
              (SELECT 1 FROM group_occupant o WHERE o.group_id = m.group_id AND o.key = ?2 AND o.session IS NULL)",
    ]
    .concat();
    one(connection, &sql, params![message_id.as_str(), user.key()], said)
}

/// Forgets a page of what is over; how much it was.
pub(super) fn forget(connection: &Connection, before: Moment, page: usize) -> Result<usize> {
    let sql = "DELETE FROM group_message WHERE number IN
                   (SELECT number FROM group_message WHERE until < ?1 ORDER BY until LIMIT ?2)";
    change(connection, sql, params![millis(before), rows::octets(page)])
}
