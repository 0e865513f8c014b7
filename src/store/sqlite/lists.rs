//! Contact lists, block and grant lists: how they are read, and what a change of them does.

use std::sync::Arc;

use rusqlite::{Connection, Result, Row, params};

use super::rows::{self, Columns, change, many, one};
use crate::element::lists::{Access, ContactList, Edit, Lists};
use crate::imps::primitive::{Contact, Entities, ScreenName};
use crate::imps::{ContactListId, UserId};
use crate::relay::ports::{ListsChange, Outcome};

const BLOCK: &str = "block";
const GRANT: &str = "grant";

/// What these users have, in order.
pub(super) fn read(connection: &Connection, owners: &[UserId]) -> Result<Vec<Arc<Lists>>> {
    owners.iter().map(|owner| read_one(connection, owner).map(Arc::new)).collect()
}

/// The columns of the table `lists`.
struct Head {
    version: u64,
    standard: Option<ContactListId>,
    block_in_use: bool,
    grant_in_use: bool,
}

fn head(row: &Row<'_>) -> Result<Head> {
    let mut columns = Columns::of(row);
    Ok(Head {
        version: columns.count()?,
        standard: columns.parsed_if_any()?,
        block_in_use: columns.get()?,
        grant_in_use: columns.get()?,
    })
}

fn read_head(connection: &Connection, owner: i64) -> Result<Option<Head>> {
    let sql = "SELECT version, standard, block_in_use, grant_in_use FROM lists WHERE owner = ?1";
    one(connection, sql, [owner], head)
}

fn contact_list(row: &Row<'_>) -> Result<ContactList> {
    let mut columns = Columns::of(row);
    Ok(ContactList { id: columns.parsed()?, display_name: columns.get()?, contacts: Vec::new() })
}

fn contact(row: &Row<'_>) -> Result<Contact> {
    let mut columns = Columns::of(row);
    Ok(Contact { user: columns.parsed()?, nickname: columns.get()? })
}

fn read_one(connection: &Connection, owner: &UserId) -> Result<Lists> {
    let mut lists = Lists::new(owner.clone());
    let Some(id) = rows::account_id(connection, owner)? else { return Ok(lists) };
    let Some(head) = read_head(connection, id)? else { return Ok(lists) };
    lists.version = head.version;
    let sql = "SELECT address, display_name FROM contact_list WHERE owner = ?1 ORDER BY place";
    lists.lists = many(connection, sql, [id], contact_list)?;
    for list in &mut lists.lists {
        let sql = "SELECT user, nickname FROM contact WHERE owner = ?1 AND list = ?2 ORDER BY place";
        list.contacts = many(connection, sql, params![id, list.id.key()], contact)?;
    }
    let standard = head.standard;
    lists.default =
        lists.lists.iter().map(|list| &list.id).find(|id| Some(*id) == standard.as_ref()).cloned();
    lists.access = Access {
        block: entities(connection, id, BLOCK)?,
        block_in_use: head.block_in_use,
        grant: entities(connection, id, GRANT)?,
        grant_in_use: head.grant_in_use,
    };
    Ok(lists)
}

/// One entry of a block or grant list.
enum Entry {
    User(UserId),
    Domain(crate::imps::Domain),
    ScreenName(ScreenName),
    Group(crate::imps::GroupId),
    ContactList(ContactListId),
    Application(Box<str>),
}

fn entry(row: &Row<'_>) -> Result<Entry> {
    let kind: Box<str> = row.get(0)?;
    let mut columns = Columns::after(row, 1);
    Ok(match &*kind {
        "user" => Entry::User(columns.parsed()?),
        "domain" => Entry::Domain(columns.parsed()?),
        "screen-name" => {
            let group = columns.parsed()?;
            Entry::ScreenName(ScreenName { group, name: columns.get()? })
        }
        "group" => Entry::Group(columns.parsed()?),
        "contact-list" => Entry::ContactList(columns.parsed()?),
        _ => Entry::Application(columns.get()?),
    })
}

fn entities(connection: &Connection, owner: i64, list: &str) -> Result<Entities> {
    let sql = "SELECT kind, entry, name FROM access_entry WHERE owner = ?1 AND list = ?2 ORDER BY place";
    let mut entities = Entities::default();
    for entry in many(connection, sql, params![owner, list], entry)? {
        match entry {
            Entry::User(user) => entities.users.push(user),
            Entry::Domain(domain) => entities.domains.push(domain),
            Entry::ScreenName(name) => entities.screen_names.push(name),
            Entry::Group(group) => entities.groups.push(group),
            Entry::ContactList(list) => entities.contact_lists.push(list),
            Entry::Application(application) => entities.applications.push(application),
        }
    }
    Ok(entities)
}

/// Carries out the edits if nobody was quicker.
pub(super) fn apply(connection: &Connection, wanted: &ListsChange) -> Result<Outcome> {
    let Some(owner) = rows::account_id(connection, &wanted.owner)? else { return Ok(Outcome::Missing) };
    let version = read_head(connection, owner)?.map_or(0, |head| head.version);
    if version != wanted.version {
        return Ok(Outcome::Conflict);
    }
    let standards = Access::default();
    change(
        connection,
        "INSERT INTO lists (owner, version, block_in_use, grant_in_use) VALUES (?1, 1, ?2, ?3)
         ON CONFLICT (owner) DO UPDATE SET version = version + 1",
        params![owner, standards.block_in_use, standards.grant_in_use],
    )?;
    for edit in &wanted.edits {
        match edit {
            Edit::Put(list) => put(connection, owner, list)?,
            Edit::Drop(list) => {
                let sql = "DELETE FROM contact_list WHERE owner = ?1 AND key = ?2";
                change(connection, sql, params![owner, list.key()])?;
            }
            Edit::Default(list) => {
                let sql = "UPDATE lists SET standard = ?2 WHERE owner = ?1";
                change(connection, sql, params![owner, list.as_ref().map(|list| list.as_str())])?;
            }
            Edit::Access(access) => put_access(connection, owner, access)?,
        }
    }
    Ok(Outcome::Done)
}

/// Drops what an account has, which is removed.
pub(super) fn remove(connection: &Connection, owner: i64) -> Result<()> {
    for sql in [
        "DELETE FROM lists WHERE owner = ?1",
        "DELETE FROM contact_list WHERE owner = ?1",
        "DELETE FROM access_entry WHERE owner = ?1",
    ] {
        change(connection, sql, [owner])?;
    }
    Ok(())
}

fn put(connection: &Connection, owner: i64, list: &ContactList) -> Result<()> {
    let key = list.id.key();
    change(
        connection,
        "INSERT INTO contact_list (owner, key, place, address, display_name)
         VALUES (?1, ?2, (SELECT coalesce(max(place), 0) + 1 FROM contact_list WHERE owner = ?1), ?3, ?4)
         ON CONFLICT (owner, key) DO UPDATE SET address = ?3, display_name = ?4",
        params![owner, key, list.id.as_str(), list.display_name],
    )?;
    change(connection, "DELETE FROM contact WHERE owner = ?1 AND list = ?2", params![owner, key])?;
    let sql = "INSERT INTO contact (owner, list, place, user, nickname) VALUES (?, ?, ?, ?, ?)";
    for (place, contact) in (0_i64..).zip(&list.contacts) {
        change(connection, sql, params![owner, key, place, contact.user.as_str(), contact.nickname])?;
    }
    Ok(())
}

fn put_access(connection: &Connection, owner: i64, access: &Access) -> Result<()> {
    let sql = "UPDATE lists SET block_in_use = ?2, grant_in_use = ?3 WHERE owner = ?1";
    change(connection, sql, params![owner, access.block_in_use, access.grant_in_use])?;
    change(connection, "DELETE FROM access_entry WHERE owner = ?1", [owner])?;
    for (list, entities) in [(BLOCK, &access.block), (GRANT, &access.grant)] {
        let Entities { users, domains, screen_names, groups, contact_lists, applications } = entities;
        let named = users
            .iter()
            .map(|user| ("user", user.as_str(), None))
            .chain(domains.iter().map(|domain| ("domain", domain.as_str(), None)))
            .chain(screen_names.iter().map(|it| ("screen-name", it.group.as_str(), Some(&*it.name))))
            .chain(groups.iter().map(|group| ("group", group.as_str(), None)))
            .chain(contact_lists.iter().map(|list| ("contact-list", list.as_str(), None)))
            .chain(applications.iter().map(|application| ("application", &**application, None)));
        let sql =
            "INSERT INTO access_entry (owner, list, place, kind, entry, name) VALUES (?, ?, ?, ?, ?, ?)";
        for (place, (kind, entry, name)) in (0_i64..).zip(named) {
            change(connection, sql, params![owner, list, place, kind, entry, name])?;
        }
    }
    Ok(())
}
