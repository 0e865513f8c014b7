//! Presence: how it is read, and what a change of it does.

use rusqlite::{Connection, Result, Row, params};

use super::rows::{self, Columns, change, many, millis, one};
use crate::element::presence::{
    Edit, FOLLOWED_LISTS_MAX, FollowedList, Following, For, Grant, PAST_MAX, Past, Published, Publisher,
    Question, Told, Watch, WatchKey, Wish,
};
use crate::imps::presence::{AttributeSet, PresenceSubList};
use crate::imps::primitive::{ClientId, NotificationSet, UpdatePresenceRequest, User};
use crate::imps::{ContactListId, Domain, Moment, Primitive, SessionId, UserId, Version};
use crate::relay::ports::{FOLLOWING_MAX, Outcome, PresenceChange, Watchers};
use crate::wire::{Encoding, csp};

fn set(columns: &mut Columns<'_>) -> Result<AttributeSet> {
    columns.get().map(AttributeSet::from_bits)
}

/// Values that this program cannot read any more count as none.
fn published(row: &Row<'_>) -> Result<Published> {
    let mut columns = Columns::of(row);
    let client = columns.get()?;
    let octets: Vec<u8> = columns.get()?;
    let attributes = match csp::decode_primitive(&octets, Version::V1_3, Encoding::Xml) {
        Ok(Primitive::UpdatePresenceRequest(whole)) => whole.attributes,
        _ => PresenceSubList::default(),
    };
    Ok(Published { client, attributes })
}

fn grant(row: &Row<'_>) -> Result<Grant> {
    let kind: Box<str> = row.get(0)?;
    let mut columns = Columns::after(row, 1);
    let to = match &*kind {
        "user" => For::User(columns.parsed()?),
        "contact-list" => For::List(columns.parsed()?),
        _ => {
            columns.get::<Box<str>>()?;
            For::Everybody
        }
    };
    let attributes = columns.get::<Option<u32>>()?.map(AttributeSet::from_bits);
    Ok(Grant { to, attributes, notify: columns.get()? })
}

fn question(row: &Row<'_>) -> Result<Question> {
    let mut columns = Columns::of(row);
    Ok(Question { watcher: columns.parsed()?, attributes: set(&mut columns)?, until: columns.moment()? })
}

fn watch(row: &Row<'_>) -> Result<Watch> {
    let mut columns = Columns::of(row);
    let id: UserId = columns.parsed()?;
    let session = columns.parsed_if_any()?;
    let client = ClientId { url: columns.get()?, msisdn: columns.get()?, text: columns.get()? };
    let client = Some(client).filter(|client| *client != ClientId::default());
    Ok(Watch {
        watcher: User { client, ..User::from(id) },
        session,
        wanted: set(&mut columns)?,
        told: Told { shown: set(&mut columns)?, digest: columns.get()? },
    })
}

fn following(row: &Row<'_>) -> Result<Following> {
    let mut columns = Columns::of(row);
    Ok(Following {
        watcher: columns.parsed()?,
        session: columns.parsed()?,
        presentity: columns.parsed()?,
        wanted: set(&mut columns)?,
        stale: columns.get()?,
    })
}

fn past(row: &Row<'_>) -> Result<Past> {
    let mut columns = Columns::of(row);
    Ok(Past {
        watcher: columns.parsed()?,
        status: columns.parsed()?,
        at: columns.moment()?,
        session: columns.parsed_if_any()?,
    })
}

fn followed_list(row: &Row<'_>) -> Result<FollowedList> {
    let mut columns = Columns::of(row);
    Ok(FollowedList {
        watcher: columns.parsed()?,
        session: columns.parsed()?,
        list: columns.parsed()?,
        wanted: set(&mut columns)?,
    })
}

/// How often this account's presence changed, and how many subscriptions to it there are.
fn counted(connection: &Connection, owner: i64) -> Result<(u64, u64)> {
    let sql = "SELECT version, subscriptions FROM presence WHERE owner = ?1";
    let counted = one(connection, sql, [owner], |row| {
        let mut columns = Columns::of(row);
        Ok((columns.count()?, columns.count()?))
    })?;
    Ok(counted.unwrap_or_default())
}

/// The domain of a watcher, from its key.
fn home(key: &str) -> &str {
    key.split_once('@').map_or(key, |(_, domain)| domain)
}

fn watchers(connection: &Connection, id: i64, which: &Watchers) -> Result<Vec<Watch>> {
    let select =
        "SELECT address, session, url, msisdn, text, wanted, shown, digest FROM watcher WHERE owner = ?1";
    match which {
        Watchers::Nobody => Ok(Vec::new()),
        Watchers::Of(user) => {
            let sql = [select, " AND home = ?2 AND watcher = ?3 ORDER BY place"].concat();
            let key = user.key();
            many(connection, &sql, params![id, home(&key), key], watch)
        }
        Watchers::Page { after: None, limit } => {
            let sql = [select, " ORDER BY home, watcher, place LIMIT ?2"].concat();
            many(connection, &sql, params![id, rows::octets(*limit)], watch)
        }
        Watchers::Page { after: Some(WatchKey { watcher, place }), limit } => {
            let key = watcher.key();
            let sql =
                [select, " AND (home, watcher, place) > (?2, ?3, ?4) ORDER BY home, watcher, place LIMIT ?5"];
            let values = params![id, home(&key), key, place, rows::octets(*limit)];
            many(connection, &sql.concat(), values, watch)
        }
    }
}

fn publisher(connection: &Connection, user: &UserId, which: &Watchers) -> Result<Option<Publisher>> {
    let Some(id) = rows::account_id(connection, user)? else { return Ok(None) };
    let sql = "SELECT client, attributes FROM presence_value WHERE owner = ?1 ORDER BY client";
    let published = many(connection, sql, [id], published)?;
    let sql = "SELECT kind, address, attributes, notify FROM attribute_list
               WHERE owner = ?1 ORDER BY kind, target";
    let grants = many(connection, sql, [id], grant)?;
    let sql = "SELECT address, attributes, until FROM presence_question WHERE owner = ?1 ORDER BY watcher";
    let questions = many(connection, sql, [id], question)?;
    let watchers = watchers(connection, id, which)?;
    let sql = "SELECT address, status, at, session FROM watched WHERE owner = ?1 ORDER BY watcher";
    let past = many(connection, sql, [id], past)?;
    let (version, subscriptions) = counted(connection, id)?;
    let owner = user.clone();
    Ok(Some(Publisher { owner, version, published, grants, questions, watchers, subscriptions, past }))
}

/// What these users have, in order, and these of their watchers.
pub(super) fn publishers(
    connection: &Connection,
    owners: &[UserId],
    watchers: &Watchers,
) -> Result<Vec<Option<Publisher>>> {
    owners.iter().map(|owner| publisher(connection, owner, watchers)).collect()
}

/// Users with a change of which not all watchers have heard.
pub(super) fn untold(connection: &Connection, limit: usize) -> Result<Vec<UserId>> {
    let sql = "SELECT address FROM presence JOIN account ON account.id = owner
               WHERE untold IS NOT NULL LIMIT ?1";
    many(connection, sql, [rows::octets(limit)], |row| Columns::of(row).parsed())
}

const FOLLOWING: &str = "SELECT a.address, f.session, f.address, f.wanted, f.stale FROM following f
                         JOIN account a ON a.id = f.watcher";

/// Whom this user follows.
pub(super) fn followed_by(connection: &Connection, watcher: &UserId) -> Result<Vec<Following>> {
    let sql = [FOLLOWING, " WHERE a.key = ?1 AND a.removed = 0 ORDER BY f.presentity, f.session"].concat();
    many(connection, &sql, [watcher.key()], following)
}

/// Who follows users of this domain.
pub(super) fn followed_in(connection: &Connection, domain: &Domain) -> Result<Vec<Following>> {
    let sql = [FOLLOWING, " WHERE f.domain = ?1 ORDER BY f.watcher, f.presentity, f.session"].concat();
    many(connection, &sql, [domain.as_str()], following)
}

/// The domains whose users somebody follows; those alone where a subscription has to be renewed.
pub(super) fn followed_domains(connection: &Connection, stale: bool) -> Result<Vec<Domain>> {
    let sql = "SELECT DISTINCT domain FROM following WHERE stale >= ?1 ORDER BY domain";
    many(connection, sql, [stale], |row| Columns::of(row).parsed())
}

/// The contact lists that this user's clients follow.
pub(super) fn lists_followed_by(connection: &Connection, watcher: &UserId) -> Result<Vec<FollowedList>> {
    let sql = "SELECT a.address, f.session, f.address, f.wanted FROM followed_list f
               JOIN account a ON a.id = f.watcher
               WHERE a.key = ?1 AND a.removed = 0 ORDER BY f.list, f.session";
    many(connection, sql, [watcher.key()], followed_list)
}

/// What the clients of these sessions want to hear of; who said nothing is left out.
pub(super) fn wishes(connection: &Connection, sessions: &[SessionId]) -> Result<Vec<Wish>> {
    let sql = "SELECT types FROM notification_wish WHERE session = ?1";
    let mut wishes = Vec::new();
    for session in sessions {
        if let Some(types) = one(connection, sql, [session.as_str()], |row| row.get::<_, u32>(0))? {
            wishes.push(Wish { session: session.clone(), types: NotificationSet::from_bits(types) });
        }
    }
    Ok(wishes)
}

/// How many subscriptions this user has.
pub(super) fn subscriptions_of(connection: &Connection, watcher: &UserId) -> Result<u64> {
    let sql = "SELECT count(*) FROM watcher WHERE watcher = ?1";
    Ok(one(connection, sql, [watcher.key()], |row| Columns::of(row).count())?.unwrap_or(0))
}

/// How many subscriptions the users of another domain have.
pub(super) fn subscriptions_from(connection: &Connection, domain: &Domain) -> Result<u64> {
    let sql = "SELECT count(*) FROM watcher WHERE session IS NULL AND home = ?1";
    Ok(one(connection, sql, [domain.as_str()], |row| Columns::of(row).count())?.unwrap_or(0))
}

/// Users of another domain who watch users of ours: whom, and who.
pub(super) fn watchers_from(
    connection: &Connection,
    domain: &Domain,
    limit: usize,
) -> Result<Vec<(UserId, UserId)>> {
    let sql = "SELECT account.address, watcher.address FROM watcher JOIN account ON account.id = owner
               WHERE session IS NULL AND home = ?1 LIMIT ?2";
    many(connection, sql, params![domain.as_str(), rows::octets(limit)], |row| {
        let mut columns = Columns::of(row);
        Ok((columns.parsed()?, columns.parsed()?))
    })
}

/// Since when peers are out of reach.
pub(super) fn unreachable(connection: &Connection) -> Result<Vec<(Domain, Moment)>> {
    many(connection, "SELECT peer, since FROM unreachable", [], |row| {
        let mut columns = Columns::of(row);
        Ok((columns.parsed()?, columns.moment()?))
    })
}

/// Carries out one change.
pub(super) fn apply(connection: &Connection, wanted: &PresenceChange) -> Result<Outcome> {
    match wanted {
        PresenceChange::Edit { owner, version, edits } => edit(connection, owner, *version, edits),
        PresenceChange::ToldAll { owner, version } => {
            let Some(owner) = rows::account_id(connection, owner)? else { return Ok(Outcome::Missing) };
            let sql = "UPDATE presence SET untold = NULL WHERE owner = ?1 AND untold <= ?2";
            let rows = change(connection, sql, params![owner, i64::try_from(*version).unwrap_or(i64::MAX)])?;
            Ok(if rows > 0 { Outcome::Done } else { Outcome::Missing })
        }
        PresenceChange::Follow(all) => follow(connection, all),
        PresenceChange::Unreachable { peer, since } => {
            let rows = match since {
                Some(since) => change(
                    connection,
                    "INSERT OR IGNORE INTO unreachable (peer, since) VALUES (?1, ?2)",
                    params![peer.as_str(), millis(*since)],
                )?,
                None => change(connection, "DELETE FROM unreachable WHERE peer = ?1", [peer.as_str()])?,
            };
            Ok(if rows > 0 { Outcome::Done } else { Outcome::Missing })
        }
        PresenceChange::Unfollow { watcher, session, presentities } => {
            unfollow(connection, watcher, session.as_ref(), presentities)
        }
        PresenceChange::Past { owner, past } => match rows::account_id(connection, owner)? {
            Some(owner) => put_past(connection, owner, past).map(|_| Outcome::Done),
            None => Ok(Outcome::Missing),
        },
        PresenceChange::Wish(wish) => {
            let sql = "INSERT OR REPLACE INTO notification_wish (session, types)
                       SELECT ?1, ?2 WHERE EXISTS (SELECT 1 FROM csp_session WHERE id = ?1)";
            let rows = change(connection, sql, params![wish.session.as_str(), wish.types.bits()])?;
            Ok(if rows > 0 { Outcome::Done } else { Outcome::Missing })
        }
        PresenceChange::WatchedUntil { session, at } => watched_until(connection, session, *at),
        PresenceChange::FollowLists(lists) => follow_lists(connection, lists),
        PresenceChange::UnfollowLists { watcher, session, lists } => {
            unfollow_lists(connection, watcher, session.as_ref(), lists)
        }
        PresenceChange::Stale { domain, stale } => {
            let sql = "UPDATE following SET stale = ?2 WHERE domain = ?1";
            change(connection, sql, params![domain.as_str(), stale])?;
            Ok(Outcome::Done)
        }
    }
}

fn edit(connection: &Connection, owner: &UserId, read: u64, edits: &[Edit]) -> Result<Outcome> {
    let Some(owner) = rows::account_id(connection, owner)? else { return Ok(Outcome::Missing) };
    if counted(connection, owner)?.0 != read {
        return Ok(Outcome::Conflict);
    }
    let sql = "INSERT INTO presence (owner, version) VALUES (?1, 1)
               ON CONFLICT (owner) DO UPDATE SET version = version + 1";
    change(connection, sql, [owner])?;
    for edit in edits {
        step(connection, owner, edit)?;
    }
    Ok(Outcome::Done)
}

/// How a grant is found: its kind, the key of its target, and the target as spelled.
fn audience(to: &For) -> (&'static str, String, &str) {
    match to {
        For::Everybody => ("everybody", String::new(), ""),
        For::User(user) => ("user", user.key(), user.as_str()),
        For::List(list) => ("contact-list", list.key(), list.as_str()),
    }
}

fn step(connection: &Connection, owner: i64, edit: &Edit) -> Result<()> {
    match edit {
        Edit::Publish(published) => publish(connection, owner, published)?,
        Edit::Grant(grant) => {
            let (kind, key, address) = audience(&grant.to);
            let sql =
                "INSERT OR REPLACE INTO attribute_list (owner, kind, target, address, attributes, notify)
                       VALUES (?, ?, ?, ?, ?, ?)";
            let attributes = grant.attributes.map(AttributeSet::bits);
            change(connection, sql, params![owner, kind, key, address, attributes, grant.notify])?
        }
        Edit::Revoke(to) => {
            let (kind, key, _) = audience(to);
            let sql = "DELETE FROM attribute_list WHERE owner = ?1 AND kind = ?2 AND target = ?3";
            change(connection, sql, params![owner, kind, key])?
        }
        Edit::Ask(question) => {
            let sql = "INSERT OR REPLACE INTO presence_question (owner, watcher, address, attributes, until)
                       VALUES (?, ?, ?, ?, ?)";
            let Question { watcher, attributes, until } = question;
            let until = millis(*until);
            change(
                connection,
                sql,
                params![owner, watcher.key(), watcher.as_str(), attributes.bits(), until],
            )?
        }
        Edit::Answered(watcher) => {
            let sql = "DELETE FROM presence_question WHERE owner = ?1 AND watcher = ?2";
            change(connection, sql, params![owner, watcher.key()])?
        }
        Edit::Watch(watch) => put_watch(connection, owner, watch)?,
        Edit::Unwatch(WatchKey { watcher, place }) => {
            let sql = "DELETE FROM watcher WHERE owner = ?1 AND home = ?2 AND watcher = ?3 AND place = ?4";
            let key = watcher.key();
            change(connection, sql, params![owner, home(&key), key, place])?
        }
        Edit::Told(WatchKey { watcher, place }, told) => {
            let sql = "UPDATE watcher SET shown = ?5, digest = ?6
                       WHERE owner = ?1 AND home = ?2 AND watcher = ?3 AND place = ?4";
            let key = watcher.key();
            change(connection, sql, params![owner, home(&key), key, place, told.shown.bits(), told.digest])?
        }
        // The version was counted before.
        Edit::Untold => change(connection, "UPDATE presence SET untold = version WHERE owner = ?1", [owner])?,
        Edit::Past(past) => put_past(connection, owner, past)?,
    };
    Ok(())
}

fn publish(connection: &Connection, owner: i64, published: &Published) -> Result<usize> {
    if published.attributes.attributes.is_empty() {
        let sql = "DELETE FROM presence_value WHERE owner = ?1 AND client = ?2";
        return change(connection, sql, params![owner, published.client]);
    }
    let whole = UpdatePresenceRequest { attributes: published.attributes.clone() };
    let octets = csp::encode_primitive(&whole.into(), Version::V1_3, Encoding::Xml).unwrap_or_default();
    let sql = "INSERT OR REPLACE INTO presence_value (owner, client, attributes) VALUES (?, ?, ?)";
    change(connection, sql, params![owner, published.client, octets])
}

fn put_watch(connection: &Connection, owner: i64, watch: &Watch) -> Result<usize> {
    let WatchKey { watcher, place } = watch.key();
    let key = watcher.key();
    let session = watch.session.as_ref().map(SessionId::as_str);
    let client = watch.watcher.client.clone().unwrap_or_default();
    let Told { shown, digest } = watch.told;
    change(
        connection,
        // A row that is replaced would not go by the trigger that counts.
        "INSERT INTO watcher
             (owner, home, watcher, place, address, session, url, msisdn, text, wanted, shown, digest)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (owner, home, watcher, place) DO UPDATE SET
             address = excluded.address, session = excluded.session, url = excluded.url,
             msisdn = excluded.msisdn, text = excluded.text, wanted = excluded.wanted,
             shown = excluded.shown, digest = excluded.digest",
        params![
            owner,
            home(&key),
            key,
            place,
            watcher.as_str(),
            session,
            client.url,
            client.msisdn,
            client.text,
            watch.wanted.bits(),
            shown.bits(),
            digest
        ],
    )
}

/// The newest are kept.
fn put_past(connection: &Connection, owner: i64, past: &Past) -> Result<usize> {
    let Past { watcher, status, at, session } = past;
    let session = session.as_ref().map(SessionId::as_str);
    let sql = "INSERT OR REPLACE INTO watched (owner, watcher, address, status, at, session)
               VALUES (?, ?, ?, ?, ?, ?)";
    let (key, address, status) = (watcher.key(), watcher.as_str(), status.as_str());
    change(connection, sql, params![owner, key, address, status, millis(*at), session])?;
    let sql = "DELETE FROM watched WHERE owner = ?1 AND watcher IN
                   (SELECT watcher FROM watched WHERE owner = ?1 ORDER BY at DESC LIMIT -1 OFFSET ?2)";
    change(connection, sql, params![owner, i64::try_from(PAST_MAX).unwrap_or(i64::MAX)])
}

fn watched_until(connection: &Connection, session: &SessionId, at: Moment) -> Result<Outcome> {
    let sql = "UPDATE watched SET at = ?2, status = 'FORMER_SUBSCRIBER' WHERE session = ?1";
    change(connection, sql, params![session.as_str(), millis(at)])?;
    Ok(Outcome::Done)
}

fn follow_lists(connection: &Connection, lists: &[FollowedList]) -> Result<Outcome> {
    let Some(first) = lists.first() else { return Ok(Outcome::Done) };
    let Some(watcher) = rows::account_id(connection, &first.watcher)? else { return Ok(Outcome::Missing) };
    for FollowedList { session, list, wanted, .. } in lists {
        let sql = "INSERT OR REPLACE INTO followed_list (watcher, list, session, address, wanted)
                   VALUES (?, ?, ?, ?, ?)";
        let (key, address) = (list.key(), list.as_str());
        change(connection, sql, params![watcher, key, session.as_str(), address, wanted.bits()])?;
    }
    let sql = "SELECT count(*) FROM followed_list WHERE watcher = ?1";
    let there = one(connection, sql, [watcher], |row| Columns::of(row).count())?.unwrap_or(0);
    if usize::try_from(there).unwrap_or(usize::MAX) <= FOLLOWED_LISTS_MAX {
        return Ok(Outcome::Done);
    }
    for FollowedList { session, list, .. } in lists {
        let sql = "DELETE FROM followed_list WHERE watcher = ?1 AND list = ?2 AND session = ?3";
        change(connection, sql, params![watcher, list.key(), session.as_str()])?;
    }
    Ok(Outcome::Full)
}

fn unfollow_lists(
    connection: &Connection,
    watcher: &UserId,
    session: Option<&SessionId>,
    lists: &[ContactListId],
) -> Result<Outcome> {
    let Some(watcher) = rows::account_id(connection, watcher)? else { return Ok(Outcome::Missing) };
    let mut gone = 0;
    for list in lists {
        let sql = "DELETE FROM followed_list
                   WHERE watcher = ?1 AND list = ?2 AND (?3 IS NULL OR session = ?3)";
        gone += change(connection, sql, params![watcher, list.key(), session.map(SessionId::as_str)])?;
    }
    Ok(if gone > 0 { Outcome::Done } else { Outcome::Missing })
}

fn follow(connection: &Connection, all: &[Following]) -> Result<Outcome> {
    let Some(first) = all.first() else { return Ok(Outcome::Done) };
    let Some(watcher) = rows::account_id(connection, &first.watcher)? else { return Ok(Outcome::Missing) };
    let sql = "SELECT count(*) FROM following WHERE watcher = ?1";
    let there = one(connection, sql, [watcher], |row| Columns::of(row).count())?.unwrap_or(0);
    if usize::try_from(there).unwrap_or(usize::MAX).saturating_add(all.len()) > FOLLOWING_MAX {
        return Ok(Outcome::Full);
    }
    for Following { session, presentity, wanted, .. } in all {
        let sql = "INSERT OR REPLACE INTO following (watcher, presentity, session, address, domain, wanted)
                   VALUES (?, ?, ?, ?, ?, ?)";
        let domain = presentity.domain_str().unwrap_or_default();
        let (key, address) = (presentity.key(), presentity.as_str());
        change(connection, sql, params![watcher, key, session.as_str(), address, domain, wanted.bits()])?;
    }
    Ok(Outcome::Done)
}

fn unfollow(
    connection: &Connection,
    watcher: &UserId,
    session: Option<&SessionId>,
    presentities: &[UserId],
) -> Result<Outcome> {
    let Some(watcher) = rows::account_id(connection, watcher)? else { return Ok(Outcome::Missing) };
    let mut gone = 0;
    for presentity in presentities {
        let sql = "DELETE FROM following
                   WHERE watcher = ?1 AND presentity = ?2 AND (?3 IS NULL OR session = ?3)";
        let session = session.map(SessionId::as_str);
        gone += change(connection, sql, params![watcher, presentity.key(), session])?;
    }
    Ok(if gone > 0 { Outcome::Done } else { Outcome::Missing })
}

/// A session is over, and with it what it watched. Whoever decides on those it watched reads them again.
pub(super) fn session_over(connection: &Connection, session: &SessionId) -> Result<()> {
    let session = [session.as_str()];
    let sql = "UPDATE presence SET version = version + 1
               WHERE owner IN (SELECT owner FROM watcher WHERE session = ?1)";
    change(connection, sql, session)?;
    change(connection, "DELETE FROM watcher WHERE session = ?1", session)?;
    change(connection, "DELETE FROM following WHERE session = ?1", session)?;
    change(connection, "DELETE FROM followed_list WHERE session = ?1", session)?;
    change(connection, "DELETE FROM notification_wish WHERE session = ?1", session)?;
    Ok(())
}

/// A user watches nobody any more, and waits for nobody's leave to.
pub(super) fn watches_nobody(connection: &Connection, watcher: &str) -> Result<()> {
    for sql in [
        "UPDATE presence SET version = version + 1
         WHERE owner IN (SELECT owner FROM watcher WHERE watcher = ?1
                         UNION SELECT owner FROM presence_question WHERE watcher = ?1)",
        "DELETE FROM watcher WHERE watcher = ?1",
        "DELETE FROM presence_question WHERE watcher = ?1",
    ] {
        change(connection, sql, [watcher])?;
    }
    Ok(())
}

/// An account is gone, and with it what it published and watched.
pub(super) fn account_removed(connection: &Connection, id: i64, user: &UserId) -> Result<()> {
    for sql in [
        "DELETE FROM presence WHERE owner = ?1",
        "DELETE FROM presence_value WHERE owner = ?1",
        "DELETE FROM attribute_list WHERE owner = ?1",
        "DELETE FROM presence_question WHERE owner = ?1",
        "DELETE FROM watcher WHERE owner = ?1",
        "DELETE FROM following WHERE watcher = ?1",
        "DELETE FROM followed_list WHERE watcher = ?1",
        "DELETE FROM watched WHERE owner = ?1",
        "DELETE FROM notification_wish WHERE session IN (SELECT id FROM csp_session WHERE user = ?1)",
    ] {
        change(connection, sql, [id])?;
    }
    let key = user.key();
    watches_nobody(connection, &key)?;
    change(connection, "DELETE FROM watched WHERE watcher = ?1", [&key])?;
    Ok(())
}
