//! What operators decide and look at.

use rusqlite::{Connection, Result, params};

use super::rows::{self, Columns, change, many, millis, one};
use super::{Sqlite, presence};
use crate::imps::{Domain, GroupId, UserId};
use crate::relay::blocks::{BLOCKS_MAX, Block, Subject};
use crate::relay::ports::{
    Account, Guest, OperatorsChange, OperatorsStore, Outcome, Promise, Queued, StoredOutgoing, Suspension,
};

pub(super) fn apply(connection: &Connection, wanted: &OperatorsChange) -> Result<Outcome> {
    let (rows, otherwise) = match wanted {
        OperatorsChange::Suspend { peer, since } => {
            let sql = "INSERT INTO peer_suspension (peer, since) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
            (change(connection, sql, params![peer.as_str(), millis(*since)])?, Outcome::Duplicate)
        }
        OperatorsChange::Resume(peer) => {
            let sql = "DELETE FROM peer_suspension WHERE peer = ?1";
            (change(connection, sql, [peer.as_str()])?, Outcome::Missing)
        }
        OperatorsChange::Guest(Guest { domain, used }) => {
            let sql = "INSERT OR REPLACE INTO guest (domain, used) VALUES (?1, ?2)";
            (change(connection, sql, params![domain.as_str(), millis(*used)])?, Outcome::Missing)
        }
        OperatorsChange::GuestGone(domain) => {
            (change(connection, "DELETE FROM guest WHERE domain = ?1", [domain.as_str()])?, Outcome::Missing)
        }
        OperatorsChange::Block(block) => return put_block(connection, block),
        OperatorsChange::Unblock(subject) => {
            (change(connection, "DELETE FROM block WHERE subject = ?1", [subject.key()])?, Outcome::Missing)
        }
        OperatorsChange::MakeDue { row } => {
            let sql = "UPDATE outbox SET not_before = 0 WHERE row = ?1";
            (change(connection, sql, [row])?, Outcome::Missing)
        }
    };
    Ok(if rows > 0 { Outcome::Done } else { otherwise })
}

fn put_block(connection: &Connection, block: &Block) -> Result<Outcome> {
    let Block { subject, since, until, reason } = block;
    let key = subject.key();
    let sql = "SELECT count(*) FROM block WHERE subject <> ?1";
    let others = one(connection, sql, [&key], |row| Columns::of(row).count())?.unwrap_or(0);
    if usize::try_from(others).unwrap_or(usize::MAX) >= BLOCKS_MAX {
        return Ok(Outcome::Full);
    }
    let sql = "INSERT OR REPLACE INTO block (subject, address, since, until, reason) VALUES (?, ?, ?, ?, ?)";
    let until = until.map(millis);
    change(connection, sql, params![key, subject.to_string(), millis(*since), until, reason])?;
    if let Subject::User(_) = subject {
        presence::watches_nobody(connection, &key)?;
    }
    Ok(Outcome::Done)
}

pub(super) fn is_guest(connection: &Connection, peer: &Domain) -> Result<bool> {
    let sql = "SELECT 1 FROM guest WHERE domain = ?1";
    Ok(one(connection, sql, [peer.as_str()], |_| Ok(()))?.is_some())
}

fn blocks(connection: &Connection) -> Result<Vec<Block>> {
    many(connection, "SELECT address, since, until, reason FROM block ORDER BY subject", [], |row| {
        let mut columns = Columns::of(row);
        Ok(Block {
            subject: columns.parsed()?,
            since: columns.moment()?,
            until: columns.moment_if_any()?,
            reason: columns.get()?,
        })
    })
}

pub(super) fn suspensions(connection: &Connection) -> Result<Vec<Suspension>> {
    many(connection, "SELECT peer, since FROM peer_suspension ORDER BY peer", [], |row| {
        let mut columns = Columns::of(row);
        Ok(Suspension { peer: columns.parsed()?, since: columns.moment()? })
    })
}

fn queued(connection: &Connection, peer: Option<&Domain>, after: i64, limit: usize) -> Result<Vec<Queued>> {
    let sql =
        [rows::OUTGOING_WITHOUT_BODY, " WHERE row > ?1 AND (?2 IS NULL OR peer = ?2) ORDER BY row LIMIT ?3"];
    let params = params![after, peer.map(Domain::as_str), rows::octets(limit)];
    many(connection, &sql.concat(), params, |row| {
        Ok(Queued { row: rows::outgoing(row)?, octets: Columns::after(row, rows::OUTGOING_COLUMNS).count()? })
    })
}

fn outgoing(connection: &Connection, row: i64) -> Result<Option<StoredOutgoing>> {
    one(connection, &[rows::OUTGOING, " WHERE row = ?1"].concat(), [row], rows::outgoing)
}

impl OperatorsStore for Sqlite {
    fn suspensions(&self) -> Promise<Vec<Suspension>> {
        self.ask(suspensions)
    }

    fn guests(&self) -> Promise<Vec<Guest>> {
        self.ask(|connection| {
            many(connection, "SELECT domain, used FROM guest ORDER BY domain", [], |row| {
                let mut columns = Columns::of(row);
                Ok(Guest { domain: columns.parsed()?, used: columns.moment()? })
            })
        })
    }

    fn blocks(&self) -> Promise<Vec<Block>> {
        self.ask(blocks)
    }

    fn queued(&self, peer: Option<Domain>, after: i64, limit: usize) -> Promise<Vec<Queued>> {
        self.ask(move |connection| queued(connection, peer.as_ref(), after, limit))
    }

    fn accounts_behind(&self, after: Option<UserId>, limit: usize) -> Promise<Vec<Account>> {
        self.ask(move |connection| {
            let sql = [rows::ACCOUNT, " WHERE removed = 0 AND key > ?1 ORDER BY key LIMIT ?2"].concat();
            let after = after.map(|user| user.key()).unwrap_or_default();
            many(connection, &sql, params![after, rows::octets(limit)], rows::account)
        })
    }

    fn all_groups(&self) -> Promise<Vec<GroupId>> {
        self.ask(|connection| {
            many(connection, "SELECT address FROM im_group ORDER BY key", [], |row| Columns::of(row).parsed())
        })
    }

    fn outgoing(&self, row: i64) -> Promise<Option<StoredOutgoing>> {
        self.ask(move |connection| outgoing(connection, row))
    }
}
