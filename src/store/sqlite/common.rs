//! Invitations and profiles: their rows, changes and questions.

use std::time::Duration;

use rusqlite::{Connection, Result, Row, params};

use super::rows::{self, Columns, change, many, millis, one};
use super::system;
use crate::element::common::invite::{INVITATIONS_PER_HOUR, Invitation};
use crate::element::common::profile::{PUBLIC, ProfileChange};
use crate::element::common::search::query::{Club, Person, Query};
use crate::imps::primitive::Property;
use crate::imps::{Address, GroupId, InviteId, Moment, UserId};
use crate::relay::ports::{CommonChange, Outcome};

const INVITATION: &str =
    "SELECT inviter, id, kind, group_address, addressed, invitee, reply_to, until FROM invitation";

fn invitation(row: &Row<'_>) -> Result<Invitation> {
    let mut columns = Columns::of(row);
    Ok(Invitation {
        inviter: columns.parsed()?,
        id: columns.parsed()?,
        kind: columns.parsed()?,
        group: columns.parsed_if_any()?,
        addressed: columns.parsed()?,
        invitee: columns.parsed()?,
        reply_to: columns.parsed_if_any()?,
        until: columns.moment()?,
    })
}

/// Carries out one change.
pub(super) fn apply(connection: &Connection, wanted: &CommonChange) -> Result<Outcome> {
    match wanted {
        CommonChange::PutInvitations { invitations, now } => put(connection, invitations, *now),
        CommonChange::DropInvitation { inviter, id, addressed } => {
            let sql = "DELETE FROM invitation WHERE inviter = ?1 AND id = ?2 AND addressed = ?3";
            let rows = change(connection, sql, params![inviter.as_str(), id.as_str(), addressed.as_str()])?;
            Ok(if rows > 0 { Outcome::Done } else { Outcome::Missing })
        }
        CommonChange::Announce(asked) => system::announce(connection, asked),
        CommonChange::AnswerAnnouncement { user, id, chosen, now } => {
            system::answer(connection, user, id, *chosen, *now)
        }
        CommonChange::SetProfile { user, change } => set_profile(connection, user, change),
    }
}

/// An hour, which begins with the first invitation in it.
const HOUR: Duration = Duration::from_secs(3600);

fn put(connection: &Connection, invitations: &[Invitation], now: Moment) -> Result<Outcome> {
    let Some(first) = invitations.first() else { return Ok(Outcome::Done) };
    let sql = "SELECT since, made FROM invitation_count WHERE inviter = ?1";
    let counted = one(connection, sql, [first.inviter.as_str()], |row| {
        let mut columns = Columns::of(row);
        Ok((columns.moment()?, columns.count()?))
    })?;
    let (since, made) = counted.filter(|(since, _)| now.since(*since) < HOUR).unwrap_or((now, 0));
    let made = usize::try_from(made).unwrap_or(usize::MAX).saturating_add(invitations.len());
    if made > INVITATIONS_PER_HOUR {
        return Ok(Outcome::Full);
    }
    change(
        connection,
        "INSERT OR REPLACE INTO invitation_count (inviter, since, made) VALUES (?1, ?2, ?3)",
        params![first.inviter.as_str(), millis(since), rows::octets(made)],
    )?;
    for Invitation { inviter, id, kind, group, addressed, invitee, reply_to, until } in invitations {
        change(
            connection,
            "INSERT OR REPLACE INTO invitation
             (inviter, id, kind, group_address, addressed, invitee, reply_to, until)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            params![
                inviter.as_str(),
                id.as_str(),
                kind.as_str(),
                group.as_ref().map(|group| group.as_str()),
                addressed.as_str(),
                invitee.as_str(),
                reply_to.as_ref().map(crate::imps::TransactionId::as_str),
                millis(*until)
            ],
        )?;
    }
    Ok(Outcome::Done)
}

fn set_profile(connection: &Connection, user: &UserId, wanted: &ProfileChange) -> Result<Outcome> {
    let Some(owner) = rows::account_id(connection, user)? else { return Ok(Outcome::Missing) };
    let forget = |name: &str| {
        change(
            connection,
            "DELETE FROM profile_property WHERE owner = ?1 AND name = ?2",
            params![owner, name],
        )
    };
    if wanted.clear {
        for name in PUBLIC {
            forget(name)?;
        }
    }
    for Property { name, value } in &wanted.set {
        match value {
            None => forget(name)?,
            Some(value) => change(
                connection,
                "INSERT OR REPLACE INTO profile_property (owner, name, value) VALUES (?1, ?2, ?3)",
                params![owner, name, value],
            )?,
        };
    }
    Ok(Outcome::Done)
}

/// An account is gone: what it was part of goes with it, whatever else of it stays for a while.
pub(super) fn account_removed(connection: &Connection, id: i64, user: &UserId) -> Result<()> {
    change(connection, "DELETE FROM profile_property WHERE owner = ?1", [id])?;
    change(connection, "DELETE FROM group_auto_join WHERE owner = ?1", [id])?;
    change(connection, "DELETE FROM system_message WHERE owner = ?1", [id])?;
    change(connection, "DELETE FROM invitation WHERE inviter = ?1", [user.as_str()])?;
    change(connection, "DELETE FROM invitation WHERE invitee = ?1", [user.as_str()])?;
    Ok(())
}

/// Forgets a page of the invitations that are over, and of what was counted; how much it was.
pub(super) fn forget(connection: &Connection, before: Moment, page: usize) -> Result<usize> {
    let sql = "DELETE FROM invitation WHERE number IN
                   (SELECT number FROM invitation WHERE until < ?1 ORDER BY until LIMIT ?2)";
    let over = change(connection, sql, params![millis(before), rows::octets(page)])?;
    let sql = "DELETE FROM invitation_count WHERE inviter IN
                   (SELECT inviter FROM invitation_count WHERE since < ?1 ORDER BY since LIMIT ?2)";
    let hour_ago = millis(before).saturating_sub(3_600_000);
    let counted = change(connection, sql, params![hour_ago, rows::octets(page)])?;
    Ok(over.max(counted).max(system::forget(connection, before, page)?))
}

pub(super) fn invitations(
    connection: &Connection,
    inviter: &UserId,
    id: &InviteId,
) -> Result<Vec<Invitation>> {
    let sql = [INVITATION, " WHERE inviter = ?1 AND id = ?2 ORDER BY number"].concat();
    many(connection, &sql, params![inviter.as_str(), id.as_str()], invitation)
}

pub(super) fn invitations_to(
    connection: &Connection,
    invitee: &Address,
    id: &InviteId,
) -> Result<Vec<Invitation>> {
    let sql = [INVITATION, " WHERE invitee = ?1 AND id = ?2 ORDER BY number"].concat();
    many(connection, &sql, params![invitee.as_str(), id.as_str()], invitation)
}

pub(super) fn profiles(connection: &Connection, users: &[UserId]) -> Result<Vec<Option<Vec<Property>>>> {
    let read = |row: &Row<'_>| Ok(Property { name: row.get(0)?, value: row.get(1)? });
    let profile = |user: &UserId| {
        let Some(owner) = rows::account_id(connection, user)? else { return Ok(None) };
        let sql = "SELECT name, value FROM profile_property WHERE owner = ?1 ORDER BY name";
        many(connection, sql, [owner], read).map(Some)
    };
    users.iter().map(profile).collect()
}

/// One pass over the directory in order of addresses; of every user only one entry is held at a time.
pub(super) fn find_users(connection: &Connection, query: &Query, limit: usize) -> Result<Vec<UserId>> {
    let mut statement = connection.prepare_cached(
        "SELECT a.address, EXISTS (SELECT 1 FROM csp_session s WHERE s.user = a.id), p.name, p.value
         FROM account a LEFT JOIN profile_property p ON p.owner = a.id
         WHERE a.removed = 0 ORDER BY a.key, p.name",
    )?;
    let mut rows = statement.query([])?;
    let mut found = Vec::new();
    let mut entry: Option<(UserId, bool, Vec<Property>)> = None;
    let mut ended = |entry: Option<(UserId, bool, Vec<Property>)>| {
        if let Some((id, online, properties)) = entry
            && query.finds(&Person { id: &id, properties: &properties, online })
        {
            found.push(id);
        }
        found.len() >= limit
    };
    while let Some(row) = rows.next()? {
        let id: UserId = Columns::of(row).parsed()?;
        if entry.as_ref().is_none_or(|(before, ..)| *before != id) {
            let before = entry.replace((id, row.get(1)?, Vec::new()));
            if ended(before) {
                return Ok(found);
            }
        }
        if let (Some((_, _, properties)), Some(name)) = (&mut entry, row.get::<_, Option<Box<str>>>(2)?) {
            properties.push(Property { name, value: row.get(3)? });
        }
    }
    ended(entry);
    Ok(found)
}

/// One pass over the groups that want to be found, in order of addresses. Who is in them is read only where
/// the question asks for it.
pub(super) fn find_groups(connection: &Connection, query: &Query, limit: usize) -> Result<Vec<GroupId>> {
    let address = |row: &Row<'_>| Columns::of(row).parsed::<UserId>();
    let looks = query.looks_into_groups();
    let mut statement = connection.prepare_cached(
        "SELECT g.address, g.owner, coalesce(n.value, ''), coalesce(t.value, ''), g.id
         FROM im_group g
         JOIN group_property s ON s.group_id = g.id AND s.name = 'Searchable' AND s.value = 'T'
         LEFT JOIN group_property n ON n.group_id = g.id AND n.name = 'Name'
         LEFT JOIN group_property t ON t.group_id = g.id AND t.name = 'Topic'
         ORDER BY g.key",
    )?;
    let mut rows = statement.query([])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let mut columns = Columns::of(row);
        let id: GroupId = columns.parsed()?;
        let owner: UserId = columns.parsed()?;
        let (name, topic): (Box<str>, Box<str>) = (columns.get()?, columns.get()?);
        let number: i64 = columns.get()?;
        let (mut joined, mut auto_join) = (Vec::new(), Vec::new());
        if looks {
            let sql = "SELECT DISTINCT address FROM group_occupant WHERE group_id = ?1";
            joined = many(connection, sql, [number], address)?;
            let sql = "SELECT address FROM group_own_property
                       WHERE group_id = ?1 AND name = 'AutoJoin' AND value = 'T'";
            auto_join = many(connection, sql, [number], address)?;
        }
        let club = Club {
            id: &id,
            name: &name,
            topic: &topic,
            owner: Some(&owner),
            joined: &joined,
            auto_join: &auto_join,
        };
        if query.finds_group(&club) {
            found.push(id);
            if found.len() >= limit {
                break;
            }
        }
    }
    Ok(found)
}
