//! What each [`Change`] does to the tables, inside the transaction that [`super::writer`] holds.

use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, Result, params};

use super::bounded::Bounded;
use super::presence;
use super::rows::{self, Columns, change, millis, one};
use super::{common, content, erase, groups, history, lists, operators};
use crate::element::im::{Mail, MailKind};
use crate::imps::{Domain, Moment, SessionId, UserId};
use crate::relay::guests;
use crate::relay::ports::{Change, Outcome, Outgoing, SeenKey};

/// How many mailboxes and queues have their fill remembered.
const COUNTED_MAX: usize = 65_536;
/// Row numbers set aside at once: one write of `meta` for so many rows. What was not used when the
/// process ends is passed over.
const NUMBERS_AHEAD: i64 = 65_536;
/// Rows of one table that are forgotten in one commit.
const FORGET_PAGE: usize = 500;

/// How much may wait.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Rows of one mailbox.
    pub(super) mailbox_messages: u64,
    /// Octets of their bodies.
    pub(super) mailbox_octets: u64,
    /// Octets of the bodies that wait for one peer.
    pub(super) queue_octets: u64,
    /// Those of them that one user of ours has written.
    pub(super) share_octets: u64,
}

/// Fill of one mailbox.
#[derive(Debug)]
struct Mailbox {
    owner: i64,
    messages: u64,
    octets: u64,
}

/// Row numbers that are set aside on disk and not given yet: shared by the writer and by those whose rows
/// leave before they are written.
#[derive(Debug, Clone, Default)]
pub(super) struct Numbers(Arc<Mutex<Range<i64>>>);

impl Numbers {
    fn range(&self) -> MutexGuard<'_, Range<i64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next number, if there is one.
    pub(super) fn next(&self) -> Option<i64> {
        self.range().next()
    }

    /// So many in a row, or none.
    fn several(&self, count: i64) -> Option<Range<i64>> {
        let mut range = self.range();
        let end = range.start.checked_add(count).filter(|end| *end <= range.end)?;
        let taken = range.start..end;
        range.start = end;
        Some(taken)
    }
}

/// Carries out changes; remembers what the transaction so far has made of the counters.
#[derive(Debug)]
pub(super) struct Changes {
    limits: Limits,
    mailboxes: Bounded<UserId, Mailbox>,
    queues: Bounded<Domain, u64>,
    /// What each author has in the queue of a peer.
    shares: Bounded<(UserId, Domain), u64>,
    /// Row numbers of this transaction that are not given yet.
    numbers: Range<i64>,
    /// Those for the next ones.
    ahead: Numbers,
    /// What this transaction sets aside for `ahead`, once it is on disk.
    fresh: Option<Range<i64>>,
    /// Accounts that the transaction has changed so far.
    touched: Vec<UserId>,
    /// Seen keys and expected reports before this moment are still to be forgotten.
    forget: Option<Moment>,
}

/// The first column of a row, and the octets that it weighed.
fn counted(row: &rusqlite::Row<'_>) -> Result<(i64, u64)> {
    let mut columns = Columns::of(row);
    Ok((columns.get()?, columns.count()?))
}

const fn appended(row: i64, replaced: Option<(i64, u64)>) -> Outcome {
    match replaced {
        None => Outcome::Row(row),
        Some((old, _)) => Outcome::Replaced { row, old },
    }
}

fn done_if(rows: usize, otherwise: Outcome) -> Outcome {
    if rows > 0 { Outcome::Done } else { otherwise }
}

impl Changes {
    pub(super) fn new(limits: Limits, ahead: Numbers) -> Self {
        Self {
            limits,
            mailboxes: Bounded::new(COUNTED_MAX),
            queues: Bounded::new(COUNTED_MAX),
            shares: Bounded::new(COUNTED_MAX),
            numbers: 0..0,
            ahead,
            fresh: None,
            touched: Vec::new(),
            forget: None,
        }
    }

    /// The transaction was rolled back: what it did to counters and numbers is not so. What was to be
    /// forgotten waits until somebody asks again, for the disk may be full.
    pub(super) fn rolled_back(&mut self) {
        self.recount();
        self.numbers = 0..0;
        self.fresh = None;
        self.forget = None;
    }

    /// The transaction is on disk: numbers that it has set aside may be given.
    pub(super) fn committed(&mut self) {
        if let Some(fresh) = self.fresh.take() {
            *self.ahead.range() = fresh;
        }
    }

    /// Counts mailboxes and queues anew: part of the transaction was rolled back, or another process wrote.
    pub(super) fn recount(&mut self) {
        self.mailboxes.clear();
        self.queues.clear();
        self.shares.clear();
    }

    /// The accounts changed since this was last asked.
    pub(super) fn take_touched(&mut self) -> Vec<UserId> {
        std::mem::take(&mut self.touched)
    }

    /// Whether something is still to be forgotten.
    pub(super) fn is_forgetting(&self) -> bool {
        self.forget.is_some()
    }

    /// Sets row numbers aside for these changes. Comes before the first of them, outside any savepoint.
    pub(super) fn prepare<'a>(
        &mut self,
        connection: &Connection,
        changes: impl Iterator<Item = &'a Change>,
    ) -> Result<()> {
        let appends = changes.filter(|change| appends(change)).count();
        let needed = rows::octets(appends);
        self.numbers = 0..0;
        if needed == 0 {
            return Ok(());
        }
        if let Some(taken) = self.ahead.several(needed) {
            self.numbers = taken;
            return Ok(());
        }
        let block = needed.saturating_add(NUMBERS_AHEAD);
        let last = one(
            connection,
            "UPDATE meta SET value = value + ?1 WHERE name = 'rows' RETURNING value",
            [block],
            |row| row.get::<_, i64>(0),
        )?
        .ok_or(rusqlite::Error::QueryReturnedNoRows)?;
        let first = last - block + 1;
        self.numbers = first..first + needed;
        self.fresh = Some(first + needed..last + 1);
        Ok(())
    }

    /// Carries out changes that belong together.
    pub(super) fn apply(&mut self, connection: &Connection, changes: &[Change]) -> Result<Vec<Outcome>> {
        let mut took_effect = true;
        changes
            .iter()
            .map(|change| {
                if let Change::Then(_) = change {
                    return if took_effect { self.one(connection, change) } else { Ok(Outcome::Skipped) };
                }
                let outcome = self.one(connection, change)?;
                took_effect = outcome.took_effect();
                Ok(outcome)
            })
            .collect()
    }

    fn one(&mut self, connection: &Connection, wanted: &Change) -> Result<Outcome> {
        Ok(match wanted {
            Change::Then(inner) => self.one(connection, inner)?,
            Change::Deliver { mail, seen } => self.deliver(connection, mail, seen.as_ref())?,
            Change::Remember(seen) => {
                let sql = "INSERT INTO seen (key, until) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
                match change(connection, sql, params![rows::seen_key(seen), millis(seen.until)])? {
                    0 => Outcome::Duplicate,
                    _ => Outcome::Done,
                }
            }
            Change::Send(outgoing) => self.send(connection, outgoing)?,
            Change::Keep(stored) => {
                let outgoing = &stored.outgoing;
                // Read before it is there itself.
                self.queue(connection, &outgoing.peer)?;
                self.share(connection, outgoing)?;
                if rows::add_outgoing(connection, stored.row, outgoing)? > 0 {
                    self.waits(outgoing);
                }
                Outcome::Done
            }
            Change::Expect(sent) => {
                rows::put_sent(connection, sent)?;
                Outcome::Done
            }
            Change::DropMail { owner, row } => self.drop_mail(connection, owner, *row)?,
            Change::DropOutgoing { row } => self.drop_outgoing(connection, *row)?,
            Change::ReplaceOutgoing { row, by } => match self.drop_outgoing(connection, *row)? {
                Outcome::Done => {
                    // Read before it is there itself.
                    self.queue(connection, &by.peer)?;
                    self.share(connection, by)?;
                    Outcome::Row(self.append(connection, by)?)
                }
                otherwise => otherwise,
            },
            Change::DeferOutgoing { row, not_before } => {
                let sql = "UPDATE outbox SET attempts = attempts + 1, not_before = ?2 WHERE row = ?1";
                done_if(change(connection, sql, params![row, millis(*not_before)])?, Outcome::Missing)
            }
            Change::AddAccount(account) => {
                self.touched.push(account.user.clone());
                done_if(rows::add_account(connection, account)?, Outcome::Duplicate)
            }
            Change::SetTerms { user, terms } => {
                self.touched.push(user.clone());
                let sql = "UPDATE account SET status = ?2, services = ?3, offline = ?4
                            WHERE key = ?1 AND removed = 0";
                let services = terms.services.to_string();
                let row = params![user.key(), terms.status.as_str(), services, terms.offline.as_str()];
                done_if(change(connection, sql, row)?, Outcome::Missing)
            }
            Change::SetManner { user, manner } => {
                let sql = "UPDATE account SET only_tell = ?2, octets_max = ?3 WHERE key = ?1 AND removed = 0";
                let row = params![user.key(), manner.notify, manner.octets_max];
                done_if(change(connection, sql, row)?, Outcome::Missing)
            }
            Change::SetPassword { user, sealed_password } => {
                self.touched.push(user.clone());
                let sql = "UPDATE account SET sealed_password = ?2 WHERE key = ?1 AND removed = 0";
                done_if(change(connection, sql, params![user.key(), &**sealed_password])?, Outcome::Missing)
            }
            Change::RemoveAccount(user) => self.remove_account(connection, user)?,
            Change::EraseAccount(user) => {
                let outcome = self.remove_account(connection, user)?;
                if outcome == Outcome::Done {
                    self.touched.extend(erase::mentions(connection, user)?);
                    // Rows have gone from any of them.
                    self.recount();
                }
                outcome
            }
            Change::PutCspSession(record) => {
                done_if(rows::put_csp_session(connection, record)?, Outcome::Missing)
            }
            Change::TouchCspSessions(sessions) => {
                let sql = "UPDATE csp_session SET last_active = max(last_active, ?2) WHERE id = ?1";
                for (id, last_active) in sessions {
                    change(connection, sql, params![id.as_str(), millis(*last_active)])?;
                }
                Outcome::Done
            }
            Change::DropCspSession(id) => {
                let rows = change(connection, "DELETE FROM csp_session WHERE id = ?1", [id.as_str()])?;
                self.drop_notices_of(connection, id)?;
                presence::session_over(connection, id)?;
                done_if(rows, Outcome::Missing)
            }
            Change::PutLink(record) => {
                rows::put_ssp_session(connection, record)?;
                Outcome::Done
            }
            Change::DropLink(id) => {
                let rows = change(connection, "DELETE FROM ssp_session WHERE own_id = ?1", [id.as_str()])?;
                done_if(rows, Outcome::Missing)
            }
            Change::Group(wanted) => groups::apply(connection, wanted)?,
            Change::Lists(wanted) => {
                self.touched.push(wanted.owner.clone());
                lists::apply(connection, wanted)?
            }
            Change::Common(wanted) => common::apply(connection, wanted)?,
            Change::Content(wanted) => content::apply(connection, wanted)?,
            Change::Presence(wanted) => presence::apply(connection, wanted)?,
            Change::Operators(wanted) => operators::apply(connection, wanted)?,
            Change::Forget { before } => {
                self.forget = self.forget.max(Some(*before));
                Outcome::Done
            }
        })
    }

    fn mailbox(&mut self, connection: &Connection, owner: &UserId) -> Result<Option<&mut Mailbox>> {
        if self.mailboxes.get_mut(owner).is_none() {
            let Some(id) = rows::account_id(connection, owner)? else { return Ok(None) };
            let sql = "SELECT count(*), coalesce(sum(octets), 0) FROM mailbox WHERE owner = ?1";
            let (messages, octets) = one(connection, sql, [id], |row| {
                let mut columns = Columns::of(row);
                Ok((columns.count()?, columns.count()?))
            })?
            .unwrap_or((0, 0));
            self.mailboxes.insert(owner.clone(), Mailbox { owner: id, messages, octets });
        }
        Ok(self.mailboxes.get_mut(owner))
    }

    fn deliver(&mut self, connection: &Connection, mail: &Mail, seen: Option<&SeenKey>) -> Result<Outcome> {
        let limits = self.limits;
        let number = self.numbers.start;
        let octets = mail.body.len() as u64;
        let Some(mailbox) = self.mailbox(connection, &mail.owner)? else { return Ok(Outcome::Missing) };
        // What became of a message is told even to an author whose mailbox others have filled.
        let times = if mail.kind == MailKind::Report { 2 } else { 1 };
        let full = mailbox.messages >= limits.mailbox_messages.saturating_mul(times)
            || mailbox.octets.saturating_add(octets) > limits.mailbox_octets.saturating_mul(times);
        if let Some(seen) = seen {
            let key = rows::seen_key(seen);
            let fresh = if full {
                one(connection, "SELECT 1 FROM seen WHERE key = ?1", [key], |_| Ok(()))?.is_none()
            } else {
                let sql = "INSERT INTO seen (key, until) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
                change(connection, sql, params![key, millis(seen.until)])? > 0
            };
            if !fresh {
                return Ok(Outcome::Duplicate);
            }
        }
        if full {
            return Ok(Outcome::Full);
        }
        let mut old = None;
        if let Some(replaces) = &mail.replaces {
            let sql = "DELETE FROM mailbox WHERE owner = ?1 AND replaces = ?2 AND session IS ?3 RETURNING row, octets";
            let session = mail.session.as_ref().map(SessionId::as_str);
            old = one(connection, sql, params![mailbox.owner, replaces, session], counted)?;
        }
        rows::add_mail(connection, number, mailbox.owner, mail)?;
        mailbox.messages += 1;
        mailbox.octets += octets;
        if let Some((_, octets)) = old {
            mailbox.messages = mailbox.messages.saturating_sub(1);
            mailbox.octets = mailbox.octets.saturating_sub(octets);
        }
        self.numbers.start += 1;
        Ok(appended(number, old))
    }

    fn drop_mail(&mut self, connection: &Connection, owner: &UserId, row: i64) -> Result<Outcome> {
        // Looked up first: RETURNING makes a table of its results, which costs more than the second search.
        // Also for accounts that were removed: their key stays in the table as long as their messages.
        let sql = "SELECT m.owner, m.octets FROM mailbox m JOIN account a ON a.id = m.owner
                   WHERE m.row = ?1 AND a.key = ?2";
        let found = one(connection, sql, params![row, owner.key()], counted)?;
        let Some((id, octets)) = found else { return Ok(Outcome::Missing) };
        change(connection, "DELETE FROM mailbox WHERE row = ?1", [row])?;
        if let Some(mailbox) = self.mailboxes.get_mut(owner).filter(|mailbox| mailbox.owner == id) {
            mailbox.messages = mailbox.messages.saturating_sub(1);
            mailbox.octets = mailbox.octets.saturating_sub(octets);
        }
        Ok(Outcome::Done)
    }

    /// A session is over, and nobody else is told what waited for it alone.
    fn drop_notices_of(&mut self, connection: &Connection, session: &SessionId) -> Result<()> {
        let sql =
            "SELECT a.address FROM mailbox m JOIN account a ON a.id = m.owner WHERE m.session = ?1 LIMIT 1";
        let owner = one(connection, sql, [session.as_str()], |row| Columns::of(row).parsed())?;
        if let Some(owner) = owner {
            change(connection, "DELETE FROM mailbox WHERE session = ?1", [session.as_str()])?;
            // Counted anew when it is needed.
            self.mailboxes.remove(&owner);
        }
        Ok(())
    }

    /// Octets that wait for a peer.
    fn queue(&mut self, connection: &Connection, peer: &Domain) -> Result<&mut u64> {
        if self.queues.get_mut(peer).is_none() {
            let sql = "SELECT coalesce(sum(octets), 0) FROM outbox WHERE peer = ?1";
            let waiting = one(connection, sql, [peer.as_str()], |row| Columns::of(row).count())?;
            self.queues.insert(peer.clone(), waiting.unwrap_or(0));
        }
        self.queues.get_mut(peer).ok_or(rusqlite::Error::QueryReturnedNoRows)
    }

    /// Octets that the author of this one has waiting for its peer; nothing is counted if it has none.
    fn share(&mut self, connection: &Connection, outgoing: &Outgoing) -> Result<u64> {
        let Some(author) = &outgoing.author else { return Ok(0) };
        let key = (author.clone(), outgoing.peer.clone());
        if let Some(waiting) = self.shares.get_mut(&key) {
            return Ok(*waiting);
        }
        let sql = "SELECT coalesce(sum(octets), 0) FROM outbox
                   WHERE author IS NOT NULL AND lower(author) = ?1 AND peer = ?2";
        let of = params![author.key(), outgoing.peer.as_str()];
        let waiting = one(connection, sql, of, |row| Columns::of(row).count())?.unwrap_or(0);
        self.shares.insert(key, waiting);
        Ok(waiting)
    }

    /// One more is in the queue.
    fn waits(&mut self, outgoing: &Outgoing) {
        let octets = outgoing.body.len() as u64;
        if let Some(waiting) = self.queues.get_mut(&outgoing.peer) {
            *waiting = waiting.saturating_add(octets);
        }
        if let Some(author) = &outgoing.author
            && let Some(waiting) = self.shares.get_mut(&(author.clone(), outgoing.peer.clone()))
        {
            *waiting = waiting.saturating_add(octets);
        }
    }

    /// One of so many octets, which this user has written, is out of the queue.
    fn waits_no_more(&mut self, peer: &Domain, author: Option<UserId>, octets: u64) {
        if let Some(waiting) = self.queues.get_mut(peer) {
            *waiting = waiting.saturating_sub(octets);
        }
        if let Some(author) = author
            && let Some(waiting) = self.shares.get_mut(&(author, peer.clone()))
        {
            *waiting = waiting.saturating_sub(octets);
        }
    }

    fn send(&mut self, connection: &Connection, outgoing: &Outgoing) -> Result<Outcome> {
        let limits = self.limits;
        let octets = outgoing.body.len() as u64;
        let is_full = |waiting: u64, limit: u64| waiting.saturating_add(octets) > limit;
        let waiting = *self.queue(connection, &outgoing.peer)?;
        let beyond_guests = is_full(waiting, limits.queue_octets / guests::QUEUE_PARTS);
        if is_full(waiting, limits.queue_octets)
            || (beyond_guests && operators::is_guest(connection, &outgoing.peer)?)
        {
            return Ok(Outcome::Full);
        }
        if outgoing.author.is_some() && is_full(self.share(connection, outgoing)?, limits.share_octets) {
            return Ok(Outcome::ShareFull);
        }
        let mut old = None;
        if let Some(replaces) = &outgoing.replaces {
            let sql = "DELETE FROM outbox WHERE peer = ?1 AND own = ?2 AND replaces = ?3
                       RETURNING row, octets, author";
            let key = params![outgoing.peer.as_str(), outgoing.own.as_str(), replaces];
            old = one(connection, sql, key, |row| {
                let mut columns = Columns::of(row);
                Ok((columns.get()?, columns.count()?, columns.parsed_if_any()?))
            })?;
        }
        let number = self.append(connection, outgoing)?;
        let replaced = old.map(|(row, octets, author)| {
            self.waits_no_more(&outgoing.peer, author, octets);
            (row, octets)
        });
        Ok(appended(number, replaced))
    }

    /// Writes a row under the next number, whether there is room or not.
    fn append(&mut self, connection: &Connection, outgoing: &Outgoing) -> Result<i64> {
        let number = self.numbers.start;
        rows::add_outgoing(connection, number, outgoing)?;
        self.waits(outgoing);
        self.numbers.start += 1;
        Ok(number)
    }

    fn drop_outgoing(&mut self, connection: &Connection, row: i64) -> Result<Outcome> {
        let sql = "SELECT peer, octets, author FROM outbox WHERE row = ?1";
        let found: Option<(Domain, u64, Option<UserId>)> = one(connection, sql, [row], |row| {
            let mut columns = Columns::of(row);
            Ok((columns.parsed()?, columns.count()?, columns.parsed_if_any()?))
        })?;
        let Some((peer, octets, author)) = found else { return Ok(Outcome::Missing) };
        change(connection, "DELETE FROM outbox WHERE row = ?1", [row])?;
        self.waits_no_more(&peer, author, octets);
        Ok(Outcome::Done)
    }

    fn remove_account(&mut self, connection: &Connection, user: &UserId) -> Result<Outcome> {
        let Some(id) = rows::account_id(connection, user)? else { return Ok(Outcome::Missing) };
        self.touched.push(user.clone());
        self.mailboxes.remove(user);
        common::account_removed(connection, id, user)?;
        // What clients want to hear of is found by their sessions.
        presence::account_removed(connection, id, user)?;
        change(connection, "DELETE FROM csp_session WHERE user = ?1", [id])?;
        change(connection, "DELETE FROM mailbox WHERE owner = ?1 AND report <> 0", [id])?;
        lists::remove(connection, id)?;
        content::account_removed(connection, id)?;
        let waiting = change(connection, "UPDATE mailbox SET expires = 0 WHERE owner = ?1", [id])?;
        if waiting > 0 {
            change(connection, "UPDATE account SET removed = id, sealed_password = x'' WHERE id = ?1", [id])?;
        } else {
            change(connection, "DELETE FROM account WHERE id = ?1", [id])?;
        }
        Ok(Outcome::Done)
    }

    /// Forgets a page of what is over, if that was asked for.
    pub(super) fn forget_page(&mut self, connection: &Connection) -> Result<()> {
        let Some(before) = self.forget else { return Ok(()) };
        let params = params![millis(before), rows::octets(FORGET_PAGE)];
        let seen = change(
            connection,
            "DELETE FROM seen WHERE key IN (SELECT key FROM seen WHERE until < ?1 ORDER BY until LIMIT ?2)",
            params,
        )?;
        let sent = change(
            connection,
            "DELETE FROM sent WHERE (message_id, peer) IN
                 (SELECT message_id, peer FROM sent WHERE until < ?1 ORDER BY until LIMIT ?2)",
            params,
        )?;
        let invitations = common::forget(connection, before, FORGET_PAGE)?;
        let said = history::forget(connection, before, FORGET_PAGE)?;
        if seen.max(sent).max(invitations).max(said) < FORGET_PAGE {
            change(
                connection,
                "DELETE FROM account WHERE removed <> 0
                 AND NOT EXISTS (SELECT 1 FROM mailbox WHERE owner = account.id)",
                [],
            )?;
            self.forget = None;
        }
        Ok(())
    }
}

fn appends(change: &Change) -> bool {
    match change {
        Change::Deliver { .. } | Change::Send(_) | Change::ReplaceOutgoing { .. } => true,
        Change::Then(inner) => appends(inner),
        _ => false,
    }
}
