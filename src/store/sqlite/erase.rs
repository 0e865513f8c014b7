//! Erasing a user: everything of its own, and every mention of it in what others have.
//!
//! [`super::changes`] has removed the account before. What waited in its mailbox is on the way back to its
//! authors, who must hear of it; the removed row goes when that is done. Messages that others wrote to others
//! stay, whatever they say.

use rusqlite::{Connection, Result, params};

use super::rows::{Columns, change, many};
use crate::imps::UserId;

/// Erases every mention; gives the users whose lists have changed by it.
pub(super) fn mentions(connection: &Connection, user: &UserId) -> Result<Vec<UserId>> {
    // What is deleted is overwritten too, as far as the database can.
    connection.pragma_update(None, "secure_delete", true)?;
    let erased = all(connection, user);
    connection.pragma_update(None, "secure_delete", false)?;
    erased
}

fn all(connection: &Connection, user: &UserId) -> Result<Vec<UserId>> {
    let key = user.key();
    let own = resources(&key);
    let touched = from_lists(connection, &key, &own)?;
    for sql in [
        "UPDATE presence SET version = version + 1
         WHERE owner IN (SELECT owner FROM attribute_list WHERE kind = 'user' AND target = ?1
                         UNION SELECT owner FROM presence_question WHERE watcher = ?1)",
        "DELETE FROM attribute_list WHERE kind = 'user' AND target = ?1",
        "DELETE FROM presence_question WHERE watcher = ?1",
        "DELETE FROM watcher WHERE watcher = ?1",
        "DELETE FROM following WHERE presentity = ?1",
        "DELETE FROM group_visit WHERE user_key = ?1",
        "DELETE FROM invitation WHERE inviter = ?1 OR invitee = ?1 OR addressed = ?1",
        "DELETE FROM invitation_count WHERE inviter = ?1",
        "DELETE FROM sent WHERE lower(author) = ?1",
        "DELETE FROM mailbox WHERE lower(sender) = ?1",
        "DELETE FROM mailbox WHERE report <> 0 AND instr(lower(CAST(body AS TEXT)), ?1) > 0",
        "DELETE FROM outbox WHERE lower(author) = ?1",
        "DELETE FROM outbox WHERE settlement <> 'request' AND instr(lower(CAST(body AS TEXT)), ?1) > 0",
        // What the user made goes, and the user out of what others made.
        "DELETE FROM im_group WHERE owner_key = ?1",
        "UPDATE im_group SET version = version + 1
         WHERE id IN (SELECT group_id FROM group_member WHERE key = ?1
                      UNION SELECT group_id FROM group_own_property WHERE key = ?1
                      UNION SELECT group_id FROM group_rejected WHERE key = ?1
                      UNION SELECT group_id FROM group_invited WHERE key = ?1
                      UNION SELECT group_id FROM group_occupant WHERE key = ?1)",
        "DELETE FROM group_member WHERE key = ?1",
        "DELETE FROM group_own_property WHERE key = ?1",
        "DELETE FROM group_rejected WHERE key = ?1",
        "DELETE FROM group_invited WHERE key = ?1",
        "DELETE FROM group_occupant WHERE key = ?1",
        "DELETE FROM group_message WHERE instr(lower(CAST(body AS TEXT)), ?1) > 0",
    ] {
        change(connection, sql, [&key])?;
    }
    for sql in [
        "UPDATE content_item SET audience = 'owner' WHERE audience LIKE 'group:' || ?1 ESCAPE '\\'",
        "DELETE FROM group_auto_join WHERE key LIKE ?1 ESCAPE '\\'",
        "DELETE FROM invitation WHERE group_address LIKE ?1 ESCAPE '\\' OR addressed LIKE ?1 ESCAPE '\\'",
    ] {
        change(connection, sql, [&own])?;
    }
    Ok(touched)
}

/// Out of contact lists, block lists and grant lists of others.
fn from_lists(connection: &Connection, key: &str, own: &str) -> Result<Vec<UserId>> {
    let holders = "SELECT owner FROM contact WHERE lower(user) = ?1
                   UNION SELECT owner FROM access_entry WHERE lower(entry) = ?1 OR entry LIKE ?2 ESCAPE '\\'";
    let touched = many(
        connection,
        &["SELECT address FROM account WHERE id IN (", holders, ")"].concat(),
        params![key, own],
        |row| Columns::of(row).parsed(),
    )?;
    change(
        connection,
        &["UPDATE lists SET version = version + 1 WHERE owner IN (", holders, ")"].concat(),
        params![key, own],
    )?;
    change(connection, "DELETE FROM contact WHERE lower(user) = ?1", [key])?;
    let sql = "DELETE FROM access_entry WHERE lower(entry) = ?1 OR entry LIKE ?2 ESCAPE '\\'";
    change(connection, sql, params![key, own])?;
    Ok(touched)
}

/// A pattern of the lists and groups of a user: `wv:ada/%@north.example`.
fn resources(key: &str) -> String {
    let escaped = key.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
    match escaped.rsplit_once('@') {
        Some((local, domain)) => format!("{local}/%@{domain}"),
        None => format!("{escaped}/%"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::Folder;
    use super::*;
    use crate::relay::ports::{Change, Outcome};
    use crate::store::contract::{account, all, at, one, user};

    /// Tables in which no user of ours stands: `block` has users of others, `seen` has digests, the others are about the store and its peers,
    /// `content_litter` names files that go.
    const NOBODY: [&str; 10] = [
        "block",
        "guest",
        "content_litter",
        "meta",
        "migration",
        "peer_suspension",
        "seen",
        "sqlite_sequence",
        "ssp_session",
        "unreachable",
    ];

    fn texts(connection: &Connection, sql: &str) -> Vec<String> {
        let mut statement = connection.prepare(sql).unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    }

    /// The tables that hold something of account 1: its number, its session, or its address anywhere.
    fn tables_of_ada(connection: &Connection) -> Vec<String> {
        let count = |table: &str, condition: &str| {
            let sql = format!("SELECT count(*) FROM \"{table}\" WHERE {condition}");
            connection.query_row(&sql, [], |row| row.get::<_, i64>(0)).unwrap()
        };
        let mut found = Vec::new();
        for table in texts(connection, "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name") {
            let owner = format!(
                "SELECT \"from\" FROM pragma_foreign_key_list('{table}') WHERE \"table\" = 'account'"
            );
            let mut conditions: Vec<_> =
                texts(connection, &owner).iter().map(|column| format!("\"{column}\" = 1")).collect();
            for column in texts(connection, &format!("SELECT name FROM pragma_table_info('{table}')")) {
                let text = format!("lower(CAST(\"{column}\" AS TEXT))");
                conditions.extend(["ada@", "ada/"].map(|it| format!("instr({text}, '{it}') > 0")));
                conditions.push(format!("{text} = 's-1'"));
            }
            if conditions.iter().any(|condition| count(&table, condition) > 0) {
                found.push(table);
            }
        }
        found
    }

    #[tokio::test]
    async fn an_erased_user_is_in_no_table_of_the_schema() {
        // Given a user who stands in every table in which a user can stand
        let folder = Folder::new();
        let store = folder.open();
        let accounts =
            ["wv:Ada@north.example", "wv:bo@north.example"].map(|it| Change::AddAccount(account(it)));
        all(&store, accounts.into()).await;
        store.close();
        let database = || Connection::open(folder.path().join(super::super::DATABASE)).unwrap();
        database().execute_batch(include_str!("erase/everywhere.sql")).unwrap();
        let schema = "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name";
        let mut tables = texts(&database(), schema);
        tables.retain(|table| !NOBODY.contains(&&**table));
        assert_eq!(tables_of_ada(&database()), tables, "a table of the schema is not tried");
        // When it is erased
        let store = folder.open();
        let erased = one(&store, Change::EraseAccount(user("wv:ada@north.example"))).await;
        assert_eq!(erased, Outcome::Done);
        // Then nothing is left but the message that has to go back
        assert_eq!(tables_of_ada(&database()), ["account", "mailbox"]);
        assert_eq!(texts(&database(), "SELECT message_id FROM mailbox"), ["m-1"]);
        // And when that is done, nothing at all, and others have what is theirs
        one(&store, Change::DropMail { row: 1, owner: user("wv:ada@north.example") }).await;
        all(&store, vec![Change::Forget { before: at(1) }]).await;
        store.close();
        assert_eq!(tables_of_ada(&database()), Vec::<String>::new());
        for (table, left) in [
            ("account", 1),
            ("contact_list", 1),
            ("content_item", 1),
            ("csp_session", 1),
            ("group_message", 1),
            ("im_group", 1),
            ("lists", 1),
            ("presence", 1),
        ] {
            let sql = format!("SELECT count(*) FROM {table}");
            assert_eq!(database().query_row(&sql, [], |row| row.get::<_, i64>(0)), Ok(left), "{table}");
        }
    }

    #[test]
    fn lists_and_groups_of_a_user_are_found_by_a_pattern_of_their_addresses() {
        assert_eq!(resources("wv:ada@north.example"), "wv:ada/%@north.example");
        assert_eq!(resources("wv:a_d%a@north.example"), "wv:a\\_d\\%a/%@north.example");
    }
}
