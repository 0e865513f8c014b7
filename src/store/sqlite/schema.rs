//! The tables, and how an older store becomes a newer one.
//!
//! Steps go forward only. `PRAGMA user_version` counts the steps taken, the table `migration` keeps the
//! SHA-256 of each, and a step that was released is never edited: a difference is found and refused.

use std::fmt::Write as _;

use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior, params};
use sha2::{Digest as _, Sha256};

use crate::imps::Moment;

/// Every step, oldest first.
const STEPS: &[&str] = &[
    include_str!("schema_1.sql"),
    include_str!("schema_2.sql"),
    include_str!("schema_lists.sql"),
    include_str!("schema_common.sql"),
    include_str!("schema_groups.sql"),
    include_str!("schema_presence.sql"),
    include_str!("schema_transit.sql"),
    include_str!("schema_entry.sql"),
    include_str!("schema_operators.sql"),
    include_str!("schema_content.sql"),
    include_str!("schema_watching.sql"),
    include_str!("schema_system.sql"),
    include_str!("schema_peers.sql"),
    include_str!("schema_terms.sql"),
    include_str!("schema_fan.sql"),
    include_str!("schema_hosted.sql"),
    include_str!("schema_shares.sql"),
    include_str!("schema_turns.sql"),
    include_str!("schema_watchers.sql"),
    include_str!("schema_blocks.sql"),
    include_str!("schema_guests.sql"),
];

/// `CWAY`: marks the file as ours (`PRAGMA application_id`).
const APPLICATION_ID: i64 = 0x4357_4159;

/// Why the tables are not as this program needs them.
#[derive(Debug, thiserror::Error)]
pub(super) enum SchemaError {
    /// Made by a newer program.
    #[error("the store has schema {found}, this program knows {known} at most")]
    Newer {
        /// Steps taken.
        found: i64,
        /// Steps known.
        known: i64,
    },
    /// A database of some other program.
    #[error("the file is the database of another program")]
    Foreign,
    /// A step taken is not the step known by that number.
    #[error("schema step {0} of the store is not the one this program knows")]
    Altered(i64),
    /// The database failed.
    #[error(transparent)]
    Database(#[from] rusqlite::Error),
}

/// Takes the steps that are missing, each whole or not at all. Several programs may do so at once.
/// `instance` names a new store; `None`: a random name.
pub(super) fn migrate(
    connection: &mut Connection,
    instance: Option<&str>,
    now: Moment,
) -> Result<(), SchemaError> {
    take(connection, STEPS, instance, now)
}

fn take(
    connection: &mut Connection,
    steps: &[&str],
    instance: Option<&str>,
    now: Moment,
) -> Result<(), SchemaError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let mark: i64 = transaction.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let known = i64::try_from(steps.len()).unwrap_or(i64::MAX);
    if mark != APPLICATION_ID {
        let tables: i64 =
            transaction.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
        if mark != 0 || found != 0 || tables != 0 {
            return Err(SchemaError::Foreign);
        }
        transaction.execute_batch(
            "CREATE TABLE migration (
                 step INTEGER PRIMARY KEY, sha256 TEXT NOT NULL, applied INTEGER NOT NULL
             ) STRICT;",
        )?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    }
    if found > known {
        return Err(SchemaError::Newer { found, known });
    }
    let applied = i64::try_from(now.millis()).unwrap_or(i64::MAX);
    for (number, step) in (1_i64..).zip(steps) {
        let digest = digest(step);
        if number <= found {
            let taken: Option<String> = transaction
                .query_row("SELECT sha256 FROM migration WHERE step = ?1", [number], |row| row.get(0))
                .optional()?;
            if taken.as_deref() != Some(digest.as_str()) {
                return Err(SchemaError::Altered(number));
            }
            continue;
        }
        transaction.execute_batch(step)?;
        transaction.execute(
            "INSERT INTO migration (step, sha256, applied) VALUES (?1, ?2, ?3)",
            params![number, digest, applied],
        )?;
        transaction.pragma_update(None, "user_version", number)?;
    }
    transaction.execute(
        "INSERT INTO meta (name, value)
         VALUES ('instance', coalesce(?1, lower(hex(randomblob(6))))), ('created', ?2), ('rows', 0)
         ON CONFLICT DO NOTHING",
        params![instance, applied],
    )?;
    Ok(transaction.commit()?)
}

fn digest(step: &str) -> String {
    Sha256::digest(step.as_bytes()).iter().fold(String::with_capacity(64), |mut text, octet| {
        let _ = write!(text, "{octet:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Moment = Moment::from_millis(5);

    fn names(connection: &Connection) -> Vec<String> {
        let mut statement =
            connection.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name").unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    }

    #[test]
    fn a_new_store_has_the_tables_an_operator_looks_for() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection, None, NOW).unwrap();
        assert_eq!(
            names(&connection),
            [
                "access_entry",
                "account",
                "attribute_list",
                "block",
                "contact",
                "contact_list",
                "content_item",
                "content_litter",
                "csp_session",
                "followed_list",
                "following",
                "group_auto_join",
                "group_invited",
                "group_member",
                "group_message",
                "group_occupant",
                "group_own_property",
                "group_property",
                "group_rejected",
                "group_visit",
                "guest",
                "im_group",
                "invitation",
                "invitation_count",
                "lists",
                "mailbox",
                "meta",
                "migration",
                "notification_wish",
                "outbox",
                "peer_suspension",
                "presence",
                "presence_question",
                "presence_value",
                "profile_property",
                "seen",
                "sent",
                "sqlite_sequence",
                "ssp_session",
                "system_message",
                "unreachable",
                "watched",
                "watcher"
            ]
        );
        let before: String = connection
            .query_row("SELECT value FROM meta WHERE name = 'instance'", [], |row| row.get(0))
            .unwrap();
        assert_eq!(before.len(), 12);
        migrate(&mut connection, Some("other"), NOW).unwrap();
        let after: String = connection
            .query_row("SELECT value FROM meta WHERE name = 'instance'", [], |row| row.get(0))
            .unwrap();
        assert_eq!(before, after, "a store keeps its name");
    }

    #[test]
    fn the_steps_that_were_released_are_as_they_were() {
        // Edit no step that was released: add another, and at its release its line here.
        let steps: Vec<String> = STEPS.iter().map(|step| digest(step)).collect();
        let released = ["a266d2121e9b2c48c5d01aa0c79c4b7b6ef8e2f331f53a5f1dfcdcdec8c2654c"];
        assert_eq!(steps[..released.len()], released);
    }

    #[test]
    fn every_older_store_moves_forward_with_its_rows() {
        for first in 1..=STEPS.len() {
            let mut connection = Connection::open_in_memory().unwrap();
            take(&mut connection, &STEPS[..first], Some("x"), NOW).unwrap();
            connection
                .execute(
                    "INSERT INTO account (key, address, created, sealed_password)
                     VALUES ('wv:ada@north.example', 'wv:Ada@north.example', 1, x'00')",
                    [],
                )
                .unwrap();
            let mut more = STEPS.to_vec();
            more.push("CREATE TABLE later (x INTEGER) STRICT;");
            take(&mut connection, &more, None, NOW).unwrap();
            let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
            assert_eq!(usize::try_from(version), Ok(more.len()));
            let accounts: i64 =
                connection.query_row("SELECT count(*) FROM account", [], |row| row.get(0)).unwrap();
            assert_eq!(accounts, 1);
            assert!(matches!(
                take(&mut connection, STEPS, None, NOW),
                Err(SchemaError::Newer { found, known }) if found == known + 1
            ));
        }
    }

    #[test]
    fn watchers_move_to_where_they_are_told_and_stay_counted() {
        let step = STEPS.iter().position(|step| step.contains("watcher_at_home")).unwrap();
        let mut connection = Connection::open_in_memory().unwrap();
        take(&mut connection, &STEPS[..step], Some("x"), NOW).unwrap();
        connection
            .execute_batch(
                "INSERT INTO account (id, key, address, created, sealed_password)
                     VALUES (1, 'wv:ada@north.example', 'wv:Ada@north.example', 1, x'00');
                 INSERT INTO presence (owner, version) VALUES (1, 1);
                 INSERT INTO watcher (owner, watcher, place, address, session, wanted, shown, digest) VALUES
                     (1, 'wv:ann@south.example', '', 'wv:Ann@south.example', NULL, 1, 0, 0),
                     (1, 'wv:bo@east.example', 'p', 'wv:Bo@east.example', NULL, 2, 2, 7),
                     (1, 'wv:ida@north.example', 's', 'wv:Ida@north.example', 's', 1, 0, 0);",
            )
            .unwrap();
        take(&mut connection, STEPS, None, NOW).unwrap();
        let told = |connection: &Connection| -> Vec<(String, String, i64)> {
            let sql = "SELECT home, address, digest FROM watcher ORDER BY owner, home, watcher, place";
            let mut statement = connection.prepare(sql).unwrap();
            let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap();
            rows.map(Result::unwrap).collect()
        };
        let row = |home: &str, address: &str, digest| (home.to_owned(), address.to_owned(), digest);
        assert_eq!(
            told(&connection),
            [
                row("east.example", "wv:Bo@east.example", 7),
                row("north.example", "wv:Ida@north.example", 0),
                row("south.example", "wv:Ann@south.example", 0),
            ]
        );
        // The triggers count on.
        connection.execute("DELETE FROM watcher WHERE session = 's'", []).unwrap();
        let counted: i64 =
            connection.query_row("SELECT subscriptions FROM presence", [], |row| row.get(0)).unwrap();
        assert_eq!(counted, 2);
    }

    #[test]
    fn a_step_that_differs_from_the_one_taken_is_refused() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection, None, NOW).unwrap();
        connection.execute("UPDATE migration SET sha256 = 'x'", []).unwrap();
        assert!(matches!(migrate(&mut connection, None, NOW), Err(SchemaError::Altered(1))));
    }

    #[test]
    fn the_database_of_another_program_is_left_alone() {
        let mut connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE theirs (x);").unwrap();
        assert!(matches!(migrate(&mut connection, None, NOW), Err(SchemaError::Foreign)));
        assert_eq!(names(&connection), ["theirs"]);
    }

    #[test]
    fn a_step_that_fails_leaves_the_store_as_it_was() {
        let mut connection = Connection::open_in_memory().unwrap();
        let steps = [STEPS[0], "CREATE TABLE half (x INTEGER) STRICT; INSERT INTO nowhere VALUES (1);"];
        take(&mut connection, &STEPS[..1], None, NOW).unwrap();
        assert!(matches!(take(&mut connection, &steps, None, NOW), Err(SchemaError::Database(_))));
        assert!(!names(&connection).contains(&"half".to_owned()));
        migrate(&mut connection, None, NOW).unwrap();
    }
}
