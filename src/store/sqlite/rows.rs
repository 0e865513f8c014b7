//! Rows ⇄ values: for each table its columns once, then how a row is read and how it is written,
//! both in that order. A new field is a new column at the same place in all three.
//!
//! A value from the database is parsed like any other. One that does not parse means that somebody
//! edited the file: the question fails with the name of the column.

use std::fmt::Display;
use std::str::FromStr;

use rusqlite::types::{FromSql, Type};
use rusqlite::{Connection, Error, OptionalExtension as _, Result, Row, params};
use sha2::{Digest as _, Sha256};

use crate::element::im::{Mail, MailKind, StoredMail};
use crate::imps::primitive::ClientId;
use crate::imps::{MessageId, Moment, SessionId, Terms, TransactionId, UserId, Version};
use crate::relay::ports::{Account, Outgoing, SeenKey, Sent, Settlement, StoredOutgoing};
use crate::session::{csp, ssp};
use crate::wire::Encoding;

/// A moment as it is stored: milliseconds.
pub(super) fn millis(moment: Moment) -> i64 {
    i64::try_from(moment.millis()).unwrap_or(i64::MAX)
}

/// A length as it is stored.
pub(super) fn octets(length: usize) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}

/// Reads a row column by column.
pub(super) struct Columns<'row> {
    row: &'row Row<'row>,
    next: usize,
}

impl<'row> Columns<'row> {
    pub(super) fn of(row: &'row Row<'row>) -> Self {
        Self { row, next: 0 }
    }

    /// Begins at this column.
    pub(super) fn after(row: &'row Row<'row>, next: usize) -> Self {
        Self { row, next }
    }

    /// The next column.
    pub(super) fn get<T: FromSql>(&mut self) -> Result<T> {
        let column = self.next;
        self.next += 1;
        self.row.get(column)
    }

    /// The next column as a number that is never negative.
    pub(super) fn count(&mut self) -> Result<u64> {
        self.get().map(|count: i64| u64::try_from(count).unwrap_or(0))
    }

    /// The next column as a moment.
    pub(super) fn moment(&mut self) -> Result<Moment> {
        self.count().map(Moment::from_millis)
    }

    /// The next column, milliseconds since 1970 if there is anything.
    pub(super) fn moment_if_any(&mut self) -> Result<Option<Moment>> {
        let millis: Option<i64> = self.get()?;
        Ok(millis.map(|millis| Moment::from_millis(u64::try_from(millis).unwrap_or_default())))
    }

    /// The next column, a text with a meaning.
    fn word<T>(&mut self, read: impl FnOnce(&str) -> Option<T>) -> Result<T> {
        let column = self.next;
        self.next += 1;
        let text = self.row.get_ref(column)?.as_str()?;
        read(text).ok_or_else(|| self.bad(column, &format!("{text:?} has no meaning")))
    }

    /// The next column, an identifier.
    pub(super) fn parsed<T: FromStr<Err: Display>>(&mut self) -> Result<T> {
        let column = self.next;
        self.next += 1;
        let text = self.row.get_ref(column)?.as_str()?;
        text.parse().map_err(|error| self.bad(column, &format!("{text:?}: {error}")))
    }

    /// The next column, an identifier or NULL.
    pub(super) fn parsed_if_any<T: FromStr<Err: Display>>(&mut self) -> Result<Option<T>> {
        match self.row.get_ref(self.next)?.as_str_or_null()? {
            Some(_) => self.parsed().map(Some),
            None => {
                self.next += 1;
                Ok(None)
            }
        }
    }

    fn bad(&self, column: usize, what: &str) -> Error {
        let name = self.row.as_ref().column_name(column).unwrap_or("?");
        Error::FromSqlConversionFailure(column, Type::Text, format!("column {name}: {what}").into())
    }
}

/// Runs a question that gives many rows.
pub(super) fn many<T>(
    connection: &Connection,
    sql: &str,
    params: impl rusqlite::Params,
    read: fn(&Row<'_>) -> Result<T>,
) -> Result<Vec<T>> {
    connection.prepare_cached(sql)?.query_map(params, read)?.collect()
}

/// Runs a question that gives one row or none.
pub(super) fn one<T>(
    connection: &Connection,
    sql: &str,
    params: impl rusqlite::Params,
    read: fn(&Row<'_>) -> Result<T>,
) -> Result<Option<T>> {
    connection.prepare_cached(sql)?.query_row(params, read).optional()
}

/// Runs a change: how many rows it touched.
pub(super) fn change(connection: &Connection, sql: &str, params: impl rusqlite::Params) -> Result<usize> {
    connection.prepare_cached(sql)?.execute(params)
}

// account

pub(super) const ACCOUNT: &str =
    "SELECT address, sealed_password, created, status, services, offline FROM account";

pub(super) fn account(row: &Row<'_>) -> Result<Account> {
    let mut columns = Columns::of(row);
    Ok(Account {
        user: columns.parsed()?,
        sealed_password: columns.get()?,
        created: columns.moment()?,
        terms: Terms { status: columns.parsed()?, services: columns.parsed()?, offline: columns.parsed()? },
    })
}

/// How many rows were added: none if there is such an account.
pub(super) fn add_account(connection: &Connection, account: &Account) -> Result<usize> {
    change(
        connection,
        "INSERT INTO account (key, address, sealed_password, created, status, services, offline)
         VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        params![
            account.user.key(),
            account.user.as_str(),
            &*account.sealed_password,
            millis(account.created),
            account.terms.status.as_str(),
            account.terms.services.to_string(),
            account.terms.offline.as_str()
        ],
    )
}

/// The number of a user's account.
pub(super) fn account_id(connection: &Connection, user: &UserId) -> Result<Option<i64>> {
    one(connection, "SELECT id FROM account WHERE key = ?1 AND removed = 0", [user.key()], |row| row.get(0))
}

// mailbox

pub(super) const MAIL: &str = "SELECT m.row, a.address, m.report, m.message_id, m.sender, m.origin,
    m.accepted, m.expires, m.report_wanted, m.reply_to, m.content_type, m.content_octets,
    m.session, m.replaces, m.body";

fn mail_kind(number: i64) -> MailKind {
    match number {
        0 => MailKind::Message,
        1 => MailKind::Report,
        _ => MailKind::Notice,
    }
}

pub(super) fn mail(row: &Row<'_>) -> Result<StoredMail> {
    let mut columns = Columns::of(row);
    Ok(StoredMail {
        row: columns.get()?,
        mail: Mail {
            owner: columns.parsed()?,
            kind: mail_kind(columns.get()?),
            message_id: columns.parsed()?,
            sender: columns.get()?,
            origin: columns.parsed()?,
            accepted: columns.moment()?,
            expires: columns.moment()?,
            report_wanted: columns.get()?,
            reply_to: columns.parsed_if_any()?,
            content_type: columns.get()?,
            content_octets: columns.count()?,
            session: columns.parsed_if_any()?,
            replaces: columns.get()?,
            body: columns.get()?,
        },
    })
}

pub(super) fn add_mail(connection: &Connection, row: i64, owner: i64, mail: &Mail) -> Result<usize> {
    change(
        connection,
        "INSERT INTO mailbox (row, owner, report, message_id, sender, origin, accepted, expires,
             report_wanted, reply_to, content_type, content_octets, session, replaces, octets, body)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        params![
            row,
            owner,
            match mail.kind {
                MailKind::Message => 0,
                MailKind::Report => 1,
                MailKind::Notice => 2,
            },
            mail.message_id.as_str(),
            mail.sender,
            mail.origin.as_str(),
            millis(mail.accepted),
            millis(mail.expires),
            mail.report_wanted,
            mail.reply_to.as_ref().map(TransactionId::as_str),
            mail.content_type,
            i64::try_from(mail.content_octets).unwrap_or(i64::MAX),
            mail.session.as_ref().map(SessionId::as_str),
            mail.replaces,
            octets(mail.body.len()),
            &*mail.body,
        ],
    )
}

// outbox

const NOTICE: &str = "notice";
const REQUEST: &str = "request";
const QUESTION: &str = "question";

pub(super) const OUTGOING: &str = "SELECT row, attempts, not_before, own, peer, settlement, primitive,
    message_id, author, order_key, accepted, expires, reply_to, replaces, via, lane, body FROM outbox";

/// The same without what the row says, and behind it the octets of that.
pub(super) const OUTGOING_WITHOUT_BODY: &str = "SELECT row, attempts, not_before, own, peer, settlement, primitive,
    message_id, author, order_key, accepted, expires, reply_to, replaces, via, lane, x'' AS body, octets FROM outbox";
/// Columns that [`outgoing`] reads.
pub(super) const OUTGOING_COLUMNS: usize = 17;

pub(super) fn outgoing(row: &Row<'_>) -> Result<StoredOutgoing> {
    let mut columns = Columns::of(row);
    Ok(StoredOutgoing {
        row: columns.get()?,
        attempts: columns.get()?,
        unanswered: 0,
        not_before: columns.moment()?,
        outgoing: Outgoing {
            own: columns.parsed()?,
            peer: columns.parsed()?,
            settlement: columns.word(|word| match word {
                NOTICE => Some(Settlement::Notice),
                REQUEST => Some(Settlement::Request),
                QUESTION => Some(Settlement::Question),
                _ => None,
            })?,
            primitive: columns.get()?,
            message_id: columns.parsed_if_any()?,
            author: columns.parsed_if_any()?,
            order: columns.get::<i64>()?.cast_unsigned(),
            accepted: columns.moment()?,
            expires: columns.moment()?,
            reply_to: columns.parsed_if_any()?,
            replaces: columns.get()?,
            via: columns.get()?,
            lane: columns.get::<i64>()?.cast_unsigned(),
            body: columns.get()?,
        },
    })
}

/// How many rows were added: none if it is there already.
pub(super) fn add_outgoing(connection: &Connection, row: i64, outgoing: &Outgoing) -> Result<usize> {
    change(
        connection,
        "INSERT INTO outbox (row, attempts, not_before, own, peer, settlement, primitive, message_id,
             author, order_key, accepted, expires, reply_to, replaces, via, lane, octets, body)
         VALUES (?, 0, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (row) DO NOTHING",
        params![
            row,
            millis(outgoing.accepted),
            outgoing.own.as_str(),
            outgoing.peer.as_str(),
            match outgoing.settlement {
                Settlement::Notice => NOTICE,
                Settlement::Request => REQUEST,
                Settlement::Question => QUESTION,
            },
            outgoing.primitive,
            outgoing.message_id.as_ref().map(MessageId::as_str),
            outgoing.author.as_ref().map(|author| author.as_str()),
            outgoing.order.cast_signed(),
            millis(outgoing.accepted),
            millis(outgoing.expires),
            outgoing.reply_to.as_ref().map(TransactionId::as_str),
            outgoing.replaces,
            outgoing.via,
            outgoing.lane.cast_signed(),
            octets(outgoing.body.len()),
            &*outgoing.body,
        ],
    )
}

// seen, sent

/// The key of the table `seen`: short, so that a week of them stays in memory.
pub(super) fn seen_key(seen: &SeenKey) -> [u8; 16] {
    let mut hash = Sha256::new();
    for part in [seen.origin.as_str(), seen.message_id.as_str(), &*seen.recipient] {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    let mut key = [0; 16];
    for (to, from) in key.iter_mut().zip(hash.finalize()) {
        *to = from;
    }
    key
}

pub(super) const SENT: &str = "SELECT message_id, peer, author, until FROM sent";

pub(super) fn sent(row: &Row<'_>) -> Result<Sent> {
    let mut columns = Columns::of(row);
    Ok(Sent {
        message_id: columns.parsed()?,
        peer: columns.parsed()?,
        author: columns.parsed()?,
        until: columns.moment()?,
    })
}

pub(super) fn put_sent(connection: &Connection, sent: &Sent) -> Result<usize> {
    change(
        connection,
        "INSERT OR REPLACE INTO sent (message_id, peer, author, until) VALUES (?, ?, ?, ?)",
        params![sent.message_id.as_str(), sent.peer.as_str(), sent.author.as_str(), millis(sent.until)],
    )
}

// csp_session, ssp_session

pub(super) const CSP_SESSION: &str = "SELECT s.id, a.address, s.client_url, s.client_msisdn,
    s.client_text, s.application, s.version, s.encoding, s.cookie, s.time_to_live, s.capabilities,
    s.created, s.last_active FROM csp_session s JOIN account a ON a.id = s.user";

pub(super) fn csp_session(row: &Row<'_>) -> Result<csp::record::SessionRecord> {
    let mut columns = Columns::of(row);
    Ok(csp::record::SessionRecord {
        id: columns.parsed()?,
        user: columns.parsed()?,
        client: ClientId { url: columns.get()?, msisdn: columns.get()?, text: columns.get()? },
        application: columns.get()?,
        version: columns.word(Version::parse)?,
        encoding: columns.word(|word| {
            [Encoding::Xml, Encoding::Wbxml].into_iter().find(|encoding| encoding.as_str() == word)
        })?,
        cookie: columns.get()?,
        time_to_live: columns.get()?,
        capabilities: columns.get()?,
        created: columns.moment()?,
        last_active: columns.moment()?,
    })
}

/// How many rows were written: none if the user has no account.
pub(super) fn put_csp_session(connection: &Connection, record: &csp::record::SessionRecord) -> Result<usize> {
    let Some(user) = account_id(connection, &record.user)? else { return Ok(0) };
    change(
        connection,
        "INSERT OR REPLACE INTO csp_session (id, user, client_url, client_msisdn, client_text,
             application, version, encoding, cookie, time_to_live, capabilities, created, last_active)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        params![
            record.id.as_str(),
            user,
            record.client.url,
            record.client.msisdn,
            record.client.text,
            record.application,
            record.version.as_str(),
            record.encoding.as_str(),
            record.cookie,
            record.time_to_live,
            &*record.capabilities,
            millis(record.created),
            millis(record.last_active),
        ],
    )
}

pub(super) const SSP_SESSION: &str = "SELECT own, peer, own_id, peer_id, setup, version, initiator,
    time_to_live, established, last_used, superseded, legacy, at FROM ssp_session";

pub(super) fn ssp_session(row: &Row<'_>) -> Result<ssp::SessionRecord> {
    let mut columns = Columns::of(row);
    Ok(ssp::SessionRecord {
        own: columns.parsed()?,
        peer: columns.parsed()?,
        own_id: columns.parsed()?,
        peer_id: columns.parsed()?,
        setup: columns.parsed()?,
        version: columns.word(Version::parse)?,
        initiator: columns.parsed()?,
        time_to_live: columns.get()?,
        established: columns.moment()?,
        last_used: columns.moment()?,
        superseded: columns.get()?,
        legacy: columns.get()?,
        at: columns.get()?,
    })
}

pub(super) fn put_ssp_session(connection: &Connection, record: &ssp::SessionRecord) -> Result<usize> {
    change(
        connection,
        "INSERT OR REPLACE INTO ssp_session (own, peer, own_id, peer_id, setup, version, initiator,
             time_to_live, established, last_used, superseded, legacy, at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        params![
            record.own.as_str(),
            record.peer.as_str(),
            record.own_id.as_str(),
            record.peer_id.as_str(),
            record.setup.as_str(),
            record.version.as_str(),
            record.initiator.as_str(),
            record.time_to_live,
            millis(record.established),
            millis(record.last_used),
            record.superseded,
            record.legacy,
            record.at,
        ],
    )
}
