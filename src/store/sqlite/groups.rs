//! Groups: how they are read, and what a change of them does.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, Result, Row, params};

use super::history;
use super::rows::{self, Columns, change, many, millis, one};
use crate::element::group::{Edit, Group, Occupant, Rank};
use crate::imps::primitive::{ClientId, Property, User, WelcomeNote};
use crate::imps::{Content, GroupId, Moment, SessionId, UserId};
use crate::relay::ports::{AUTO_JOINS_MAX, GroupChange, Outcome, StoredGroup, Visit};

/// The columns of the table `im_group`.
struct Head {
    id: i64,
    version: u64,
    address: GroupId,
    owner: UserId,
    ends: Option<Moment>,
    note: Option<WelcomeNote>,
}

fn head(row: &Row<'_>) -> Result<Head> {
    let mut columns = Columns::of(row);
    let (id, version) = (columns.get()?, columns.count()?);
    let (address, owner) = (columns.parsed()?, columns.parsed()?);
    let ends: Option<i64> = columns.get()?;
    let (note_type, note): (Option<Box<str>>, Option<Vec<u8>>) = (columns.get()?, columns.get()?);
    Ok(Head {
        id,
        version,
        address,
        owner,
        ends: ends.map(|ends| Moment::from_millis(u64::try_from(ends).unwrap_or(0))),
        note: note_type
            .zip(note)
            .map(|(content_type, note)| WelcomeNote { content_type, content: Content::new(note) }),
    })
}

fn pair(row: &Row<'_>) -> Result<(Box<str>, Box<str>)> {
    let mut columns = Columns::of(row);
    Ok((columns.get()?, columns.get()?))
}

fn member(row: &Row<'_>) -> Result<(UserId, Rank)> {
    let mut columns = Columns::of(row);
    Ok((columns.parsed()?, columns.parsed()?))
}

fn own(row: &Row<'_>) -> Result<(UserId, Box<str>, Box<str>)> {
    let mut columns = Columns::of(row);
    Ok((columns.parsed()?, columns.get()?, columns.get()?))
}

fn occupant(row: &Row<'_>) -> Result<Occupant> {
    let mut columns = Columns::of(row);
    let id: UserId = columns.parsed()?;
    let client = ClientId { url: columns.get()?, msisdn: columns.get()?, text: columns.get()? };
    let has_client: bool = columns.get()?;
    Ok(Occupant {
        user: User { client: has_client.then_some(client), ..User::from(id) },
        session: columns.parsed_if_any()?,
        name: columns.get()?,
        subscribed: columns.get()?,
    })
}

fn address<T: std::str::FromStr<Err: std::fmt::Display>>(row: &Row<'_>) -> Result<T> {
    Columns::of(row).parsed()
}

/// A group of ours.
pub(super) fn read(connection: &Connection, group: &GroupId) -> Result<Option<StoredGroup>> {
    let sql = "SELECT id, version, address, owner, ends, note_type, note FROM im_group WHERE key = ?1";
    let Some(found) = one(connection, sql, [group.key()], head)? else { return Ok(None) };
    let Some(home) = found.address.domain() else { return Ok(None) };
    let id = [found.id];
    let properties =
        many(connection, "SELECT name, value FROM group_property WHERE group_id = ?1", id, pair)?;
    let members = many(connection, "SELECT address, rank FROM group_member WHERE group_id = ?1", id, member)?;
    let sql = "SELECT address, name, value FROM group_own_property WHERE group_id = ?1";
    let mut owns: BTreeMap<UserId, BTreeMap<Box<str>, Box<str>>> = BTreeMap::new();
    for (user, name, value) in many(connection, sql, id, own)? {
        owns.entry(user).or_default().insert(name, value);
    }
    let rejected: BTreeSet<UserId> =
        many(connection, "SELECT address FROM group_rejected WHERE group_id = ?1", id, address)?
            .into_iter()
            .collect();
    let invited: BTreeSet<UserId> =
        many(connection, "SELECT address FROM group_invited WHERE group_id = ?1", id, address)?
            .into_iter()
            .collect();
    let sql = "SELECT address, client_url, client_msisdn, client_text, has_client, session, name, subscribed
               FROM group_occupant WHERE group_id = ?1 ORDER BY row";
    let occupants = many(connection, sql, id, occupant)?;
    let group = Group {
        id: found.address,
        home,
        owner: found.owner,
        properties: properties.into_iter().collect(),
        welcome_note: found.note,
        members: members.into_iter().collect(),
        own: owns,
        rejected,
        invited,
        occupants,
        ends: found.ends,
    };
    Ok(Some(StoredGroup { version: found.version, group }))
}

/// How many groups a user made, and how many there are.
pub(super) fn counts(connection: &Connection, owner: &UserId) -> Result<(u64, u64)> {
    let count = |row: &Row<'_>| Columns::of(row).count();
    let made = one(connection, "SELECT count(*) FROM im_group WHERE owner_key = ?1", [owner.key()], count)?;
    let all = one(connection, "SELECT count(*) FROM im_group", [], count)?;
    Ok((made.unwrap_or(0), all.unwrap_or(0)))
}

/// The groups that a session is in.
pub(super) fn of_session(connection: &Connection, session: &SessionId) -> Result<Vec<GroupId>> {
    let sql = "SELECT DISTINCT g.address FROM group_occupant o JOIN im_group g ON g.id = o.group_id
               WHERE o.session = ?1";
    many(connection, sql, [session.as_str()], address)
}

/// The groups that a user wants to be in, here and elsewhere.
pub(super) fn auto_joins(connection: &Connection, user: &UserId) -> Result<Vec<GroupId>> {
    let sql = "SELECT g.address FROM group_own_property p JOIN im_group g ON g.id = p.group_id
               WHERE p.key = ?1 AND p.name = 'AutoJoin' AND p.value = 'T'
               UNION SELECT j.address FROM group_auto_join j JOIN account a ON a.id = j.owner
               WHERE a.key = ?1";
    many(connection, sql, [user.key()], address)
}

fn auto_join(connection: &Connection, user: &UserId, group: &GroupId, wish: bool) -> Result<Outcome> {
    let Some(owner) = rows::account_id(connection, user)? else { return Ok(Outcome::Missing) };
    if !wish {
        let sql = "DELETE FROM group_auto_join WHERE owner = ?1 AND key = ?2";
        change(connection, sql, params![owner, group.key()])?;
        return Ok(Outcome::Done);
    }
    let sql = "SELECT count(*) FROM group_auto_join WHERE owner = ?1 AND key <> ?2";
    let others = one(connection, sql, params![owner, group.key()], |row| Columns::of(row).count())?;
    if others.unwrap_or(0) >= AUTO_JOINS_MAX {
        return Ok(Outcome::Full);
    }
    let sql = "INSERT OR REPLACE INTO group_auto_join (owner, key, address) VALUES (?1, ?2, ?3)";
    change(connection, sql, params![owner, group.key(), group.as_str()])?;
    Ok(Outcome::Done)
}

/// Groups that ended.
pub(super) fn ended(connection: &Connection, now: Moment, limit: usize) -> Result<Vec<GroupId>> {
    let sql = "SELECT address FROM im_group WHERE ends <= ?1 ORDER BY ends LIMIT ?2";
    many(connection, sql, params![millis(now), rows::octets(limit)], address)
}

const VISIT: &str =
    "SELECT user, client_url, client_msisdn, client_text, session, address, name FROM group_visit";

fn visit(row: &Row<'_>) -> Result<Visit> {
    let mut columns = Columns::of(row);
    Ok(Visit {
        user: columns.parsed()?,
        client: ClientId { url: columns.get()?, msisdn: columns.get()?, text: columns.get()? },
        session: columns.parsed()?,
        group: columns.parsed()?,
        name: columns.get()?,
    })
}

/// The groups elsewhere that a session is in.
pub(super) fn visits(connection: &Connection, session: &SessionId) -> Result<Vec<Visit>> {
    many(connection, &format!("{VISIT} WHERE session = ?1"), [session.as_str()], visit)
}

/// Who of these users is in a group elsewhere.
pub(super) fn visitors(connection: &Connection, group: &GroupId, users: &[UserId]) -> Result<Vec<Visit>> {
    let sql = format!("{VISIT} WHERE key = ?1 AND user_key = ?2");
    let mut found = Vec::new();
    for user in users {
        found.extend(many(connection, &sql, params![group.key(), user.key()], visit)?);
    }
    Ok(found)
}

/// Whoever is in a group elsewhere.
pub(super) fn all_visitors(connection: &Connection, group: &GroupId, limit: usize) -> Result<Vec<Visit>> {
    let sql = format!("{VISIT} WHERE key = ?1 LIMIT ?2");
    many(connection, &sql, params![group.key(), rows::octets(limit)], visit)
}

/// Groups elsewhere that somebody is in.
pub(super) fn visited(
    connection: &Connection,
    after: Option<&GroupId>,
    limit: usize,
) -> Result<Vec<GroupId>> {
    let sql = "SELECT address FROM group_visit WHERE key > ?1 GROUP BY key ORDER BY key LIMIT ?2";
    let after = after.map(|group| group.key()).unwrap_or_default();
    many(connection, sql, params![after, rows::octets(limit)], address)
}

/// Sessions that are over, and are in groups, watch somebody or have something in a mailbox.
pub(super) fn absent(connection: &Connection, limit: usize) -> Result<Vec<SessionId>> {
    let sql = "SELECT session FROM group_occupant
               WHERE session IS NOT NULL AND session NOT IN (SELECT id FROM csp_session)
               UNION SELECT session FROM group_visit WHERE session NOT IN (SELECT id FROM csp_session)
               UNION SELECT session FROM mailbox
               WHERE session IS NOT NULL AND session NOT IN (SELECT id FROM csp_session)
               UNION SELECT session FROM watcher
               WHERE session IS NOT NULL AND session NOT IN (SELECT id FROM csp_session)
               UNION SELECT session FROM following WHERE session NOT IN (SELECT id FROM csp_session)
               LIMIT ?1";
    many(connection, sql, [rows::octets(limit)], address)
}

/// Carries out a change.
pub(super) fn apply(connection: &Connection, wanted: &GroupChange) -> Result<Outcome> {
    match wanted {
        GroupChange::Create(group) => create(connection, group),
        GroupChange::Edit { group, version, edits } => {
            let sql =
                "UPDATE im_group SET version = version + 1 WHERE key = ?1 AND version = ?2 RETURNING id";
            let version = i64::try_from(*version).unwrap_or(i64::MAX);
            let id = one(connection, sql, params![group.key(), version], |row| row.get::<_, i64>(0))?;
            let Some(id) = id else {
                let sql = "SELECT 1 FROM im_group WHERE key = ?1";
                let there = one(connection, sql, [group.key()], |_| Ok(()))?.is_some();
                return Ok(if there { Outcome::Conflict } else { Outcome::Missing });
            };
            for edit in edits {
                carry_out(connection, id, edit)?;
            }
            Ok(Outcome::Done)
        }
        GroupChange::Say(said) => history::say(connection, said),
        GroupChange::AutoJoin { user, group, wish } => auto_join(connection, user, group, *wish),
        GroupChange::Visit(visit) => {
            let sql = "INSERT INTO group_visit (session, key, address, user, user_key, client_url, client_msisdn, client_text,
                       name) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
                       ON CONFLICT (session, key) DO UPDATE SET name = coalesce(excluded.name, name)";
            let Visit { user, client, session, group, name } = visit;
            let values = params![
                session.as_str(),
                group.key(),
                group.as_str(),
                user.as_str(),
                user.key(),
                client.url,
                client.msisdn,
                client.text,
                name
            ];
            change(connection, sql, values)?;
            Ok(Outcome::Done)
        }
        GroupChange::EndVisit { session, group } => {
            let sql = "DELETE FROM group_visit WHERE session = ?1 AND key = ?2";
            let rows = change(connection, sql, params![session.as_str(), group.key()])?;
            Ok(if rows > 0 { Outcome::Done } else { Outcome::Missing })
        }
    }
}

fn create(connection: &Connection, group: &Group) -> Result<Outcome> {
    let sql = "INSERT INTO im_group (key, address, owner, owner_key, version) VALUES (?, ?, ?, ?, 1)
               ON CONFLICT DO NOTHING RETURNING id";
    let values = params![group.id.key(), group.id.as_str(), group.owner.as_str(), group.owner.key()];
    let Some(id) = one(connection, sql, values, |row| row.get::<_, i64>(0))? else {
        return Ok(Outcome::Duplicate);
    };
    let property = |name: &str, value: &str| Property { name: name.into(), value: Some(value.into()) };
    let mut edits = vec![Edit::WelcomeNote(group.welcome_note.clone()), Edit::Ends(group.ends)];
    edits.extend(group.properties.iter().map(|(name, value)| Edit::Property(property(name, value))));
    edits.extend(group.members.iter().map(|(user, rank)| Edit::Rank(user.clone(), Some(*rank))));
    for (user, values) in &group.own {
        edits.extend(values.iter().map(|(name, value)| Edit::Own(user.clone(), property(name, value))));
    }
    edits.extend(group.rejected.iter().map(|user| Edit::Rejected(user.clone(), true)));
    edits.extend(group.invited.iter().map(|user| Edit::Invited(user.clone(), true)));
    edits.extend(group.occupants.iter().cloned().map(Edit::Enter));
    for edit in &edits {
        carry_out(connection, id, edit)?;
    }
    Ok(Outcome::Done)
}

fn carry_out(connection: &Connection, id: i64, edit: &Edit) -> Result<()> {
    let rows = match edit {
        Edit::Property(Property { name, value: Some(value) }) => change(
            connection,
            "INSERT INTO group_property (group_id, name, value) VALUES (?1, ?2, ?3)
             ON CONFLICT DO UPDATE SET value = ?3",
            params![id, name, value],
        )?,
        Edit::Property(Property { name, value: None }) => change(
            connection,
            "DELETE FROM group_property WHERE group_id = ?1 AND name = ?2",
            params![id, name],
        )?,
        Edit::WelcomeNote(note) => change(
            connection,
            "UPDATE im_group SET note_type = ?2, note = ?3 WHERE id = ?1",
            params![
                id,
                note.as_ref().map(|note| &note.content_type),
                note.as_ref().map(|note| note.content.octets())
            ],
        )?,
        Edit::Rank(user, Some(rank)) => change(
            connection,
            "INSERT INTO group_member (group_id, key, address, rank) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT DO UPDATE SET rank = ?4",
            params![id, user.key(), user.as_str(), rank.as_str()],
        )?,
        Edit::Rank(user, None) => change(
            connection,
            "DELETE FROM group_member WHERE group_id = ?1 AND key = ?2",
            params![id, user.key()],
        )?,
        Edit::Own(user, Property { name, value: Some(value) }) => change(
            connection,
            "INSERT INTO group_own_property (group_id, key, name, address, value) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT DO UPDATE SET value = ?5",
            params![id, user.key(), name, user.as_str(), value],
        )?,
        Edit::Own(user, Property { name, value: None }) => change(
            connection,
            "DELETE FROM group_own_property WHERE group_id = ?1 AND key = ?2 AND name = ?3",
            params![id, user.key(), name],
        )?,
        Edit::Rejected(user, true) => change(
            connection,
            "INSERT INTO group_rejected (group_id, key, address) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
            params![id, user.key(), user.as_str()],
        )?,
        Edit::Rejected(user, false) => change(
            connection,
            "DELETE FROM group_rejected WHERE group_id = ?1 AND key = ?2",
            params![id, user.key()],
        )?,
        Edit::Invited(user, true) => change(
            connection,
            "INSERT INTO group_invited (group_id, key, address) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
            params![id, user.key(), user.as_str()],
        )?,
        Edit::Invited(user, false) => change(
            connection,
            "DELETE FROM group_invited WHERE group_id = ?1 AND key = ?2",
            params![id, user.key()],
        )?,
        Edit::ForgetSaid => change(connection, "DELETE FROM group_message WHERE group_id = ?1", [id])?,
        Edit::Enter(occupant) => enter(connection, id, occupant)?,
        Edit::Exit(user) => {
            let client = user.client.clone().unwrap_or_default();
            let sql = "DELETE FROM group_occupant WHERE group_id = ?1 AND key = ?2 AND client_url IS ?3
                       AND client_msisdn IS ?4 AND client_text IS ?5 AND has_client = ?6";
            let values =
                params![id, user.id.key(), client.url, client.msisdn, client.text, user.client.is_some()];
            change(connection, sql, values)?
        }
        Edit::Ends(at) => {
            change(connection, "UPDATE im_group SET ends = ?2 WHERE id = ?1", params![id, at.map(millis)])?
        }
        Edit::Delete => change(connection, "DELETE FROM im_group WHERE id = ?1", [id])?,
    };
    // An edit may find that it is so already.
    let _ = rows;
    Ok(())
}

fn enter(connection: &Connection, id: i64, occupant: &Occupant) -> Result<usize> {
    let Occupant { user, session, name, subscribed } = occupant;
    let client = user.client.clone().unwrap_or_default();
    let values = params![
        id,
        user.id.key(),
        user.id.as_str(),
        client.url,
        client.msisdn,
        client.text,
        user.client.is_some(),
        session.as_ref().map(SessionId::as_str),
        name,
        subscribed
    ];
    let sql = "UPDATE group_occupant SET address = ?3, session = ?8, name = ?9, subscribed = ?10
               WHERE group_id = ?1 AND key = ?2 AND client_url IS ?4 AND client_msisdn IS ?5
               AND client_text IS ?6 AND has_client = ?7";
    match change(connection, sql, values)? {
        0 => {
            let sql = "INSERT INTO group_occupant (group_id, key, address, client_url, client_msisdn,
                       client_text, has_client, session, name, subscribed)
                       VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
            change(connection, sql, values)
        }
        rows => Ok(rows),
    }
}
