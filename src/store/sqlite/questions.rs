//! Questions: one function each, on whatever connection.

use rusqlite::{Connection, Result, Row, params};

use super::rows::{self, Columns, many, millis, one};
use crate::element::im::StoredMail;
use crate::element::im::hosted::Manner;
use crate::imps::{Domain, MessageId, Moment, SessionId, UserId};
use crate::relay::ports::{Account, Excerpt, Lanes, QueueSummary, SeenKey, Sent, StoredOutgoing};
use crate::session::{csp, ssp};

fn limited(limit: usize) -> i64 {
    rows::octets(limit)
}

pub(super) fn all_accounts(connection: &Connection) -> Result<Vec<Account>> {
    many(connection, &[rows::ACCOUNT, " WHERE removed = 0 ORDER BY key"].concat(), [], rows::account)
}

pub(super) fn manners(connection: &Connection) -> Result<Vec<(UserId, Manner)>> {
    let sql = "SELECT address, only_tell, octets_max FROM account
                WHERE removed = 0 AND (only_tell = 1 OR octets_max IS NOT NULL)";
    many(connection, sql, [], |row| {
        let mut columns = Columns::of(row);
        Ok((columns.parsed()?, Manner { notify: columns.get()?, octets_max: columns.get()? }))
    })
}

pub(super) fn mailbox(
    connection: &Connection,
    owner: &UserId,
    reader: Option<&SessionId>,
    after: i64,
    limit: usize,
) -> Result<Vec<StoredMail>> {
    let sql = [
        rows::MAIL,
        " FROM account a JOIN mailbox m ON m.owner = a.id
          WHERE a.key = ?1 AND a.removed = 0 AND m.row > ?2
          AND (m.session IS NULL OR ?4 IS NULL OR m.session = ?4) ORDER BY m.row LIMIT ?3",
    ];
    let reader = reader.map(SessionId::as_str);
    many(connection, &sql.concat(), params![owner.key(), after, limited(limit), reader], rows::mail)
}

pub(super) fn message(
    connection: &Connection,
    owner: &UserId,
    message_id: &MessageId,
) -> Result<Option<StoredMail>> {
    let sql = [
        rows::MAIL,
        " FROM account a JOIN mailbox m ON m.owner = a.id
          WHERE a.key = ?1 AND a.removed = 0 AND m.report = 0 AND m.message_id = ?2 ORDER BY m.row LIMIT 1",
    ];
    one(connection, &sql.concat(), params![owner.key(), message_id.as_str()], rows::mail)
}

pub(super) fn newest(
    connection: &Connection,
    owner: &UserId,
    limit: usize,
) -> Result<(Vec<StoredMail>, u64)> {
    let sql = [
        rows::MAIL,
        " FROM account a JOIN mailbox m ON m.owner = a.id
          WHERE a.key = ?1 AND a.removed = 0 AND m.report = 0 ORDER BY m.row DESC LIMIT ?2",
    ];
    // One view of the database for both.
    let transaction = connection.unchecked_transaction()?;
    let newest = many(connection, &sql.concat(), params![owner.key(), limited(limit)], rows::mail)?;
    let count = one(
        connection,
        "SELECT count(*) FROM account a JOIN mailbox m ON m.owner = a.id
         WHERE a.key = ?1 AND a.removed = 0 AND m.report = 0",
        [owner.key()],
        |row| Columns::of(row).count(),
    )?;
    transaction.commit()?;
    Ok((newest, count.unwrap_or(0)))
}

pub(super) fn expired_mail(connection: &Connection, now: Moment, limit: usize) -> Result<Vec<StoredMail>> {
    let sql = [
        rows::MAIL,
        " FROM mailbox m JOIN account a ON a.id = m.owner
          WHERE m.expires <= ?1 ORDER BY m.expires, m.row LIMIT ?2",
    ];
    many(connection, &sql.concat(), params![millis(now), limited(limit)], rows::mail)
}

pub(super) fn outbox(
    connection: &Connection,
    own: &Domain,
    peer: &Domain,
    after: i64,
    limit: usize,
) -> Result<Vec<StoredOutgoing>> {
    let sql = [rows::OUTGOING, " WHERE peer = ?1 AND own = ?2 AND row > ?3 ORDER BY row LIMIT ?4"];
    many(
        connection,
        &sql.concat(),
        params![peer.as_str(), own.as_str(), after, limited(limit)],
        rows::outgoing,
    )
}

pub(super) fn outbox_excerpt(
    connection: &Connection,
    own: &Domain,
    peer: &Domain,
    part: &Excerpt,
) -> Result<Vec<StoredOutgoing>> {
    let (which, lanes): (&str, &[u64]) = match &part.lanes {
        Lanes::Only(lane) => ("lane = ?6", std::slice::from_ref(lane)),
        Lanes::Without(none) if none.is_empty() => ("?6 IS NOT NULL", &[]),
        Lanes::Without(lanes) => ("lane NOT IN (SELECT value FROM json_each('[' || ?6 || ']'))", lanes),
    };
    let lanes: Vec<String> = lanes.iter().map(|lane| lane.cast_signed().to_string()).collect();
    let sql = [
        rows::OUTGOING,
        " WHERE peer = ?1 AND own = ?2 AND row > ?3 AND row <= ?4 AND ",
        which,
        " ORDER BY row LIMIT ?5",
    ];
    let until = part.until.unwrap_or(i64::MAX);
    let found = params![peer.as_str(), own.as_str(), part.after, until, limited(part.limit), lanes.join(",")];
    many(connection, &sql.concat(), found, rows::outgoing)
}

pub(super) fn expired_outgoing(
    connection: &Connection,
    now: Moment,
    limit: usize,
) -> Result<Vec<StoredOutgoing>> {
    let sql = [rows::OUTGOING, " WHERE expires <= ?1 ORDER BY expires, row LIMIT ?2"];
    many(connection, &sql.concat(), params![millis(now), limited(limit)], rows::outgoing)
}

fn queue(row: &Row<'_>) -> Result<QueueSummary> {
    let mut columns = Columns::of(row);
    Ok(QueueSummary {
        peer: columns.parsed()?,
        messages: columns.count()?,
        octets: columns.count()?,
        oldest: columns.moment()?,
    })
}

pub(super) fn queues(connection: &Connection) -> Result<Vec<QueueSummary>> {
    // Counted in the index alone; rows are numbered in order of acceptance, so the lowest is the oldest.
    many(
        connection,
        "SELECT q.peer, q.messages, q.octets, o.accepted
         FROM (SELECT peer, count(*) AS messages, sum(octets) AS octets, min(row) AS first
               FROM outbox GROUP BY peer) q
         JOIN outbox o ON o.row = q.first ORDER BY q.peer",
        [],
        queue,
    )
}

/// Whether a message with this key was carried out before.
pub(super) fn was_seen(connection: &Connection, key: &SeenKey) -> Result<bool> {
    Ok(one(connection, "SELECT 1 FROM seen WHERE key = ?1", [rows::seen_key(key)], |_| Ok(()))?.is_some())
}

pub(super) fn expected(
    connection: &Connection,
    message_id: &MessageId,
    peer: &Domain,
) -> Result<Option<Sent>> {
    let sql = [rows::SENT, " WHERE message_id = ?1 AND peer = ?2"].concat();
    one(connection, &sql, params![message_id.as_str(), peer.as_str()], rows::sent)
}

pub(super) fn csp_sessions(connection: &Connection) -> Result<Vec<csp::record::SessionRecord>> {
    many(connection, rows::CSP_SESSION, [], rows::csp_session)
}

pub(super) fn links(connection: &Connection) -> Result<Vec<ssp::SessionRecord>> {
    many(connection, rows::SSP_SESSION, [], rows::ssp_session)
}
