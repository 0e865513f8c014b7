use std::collections::BTreeMap;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use super::super::testing::{Folder, run};
use super::super::{DONE, FAILED};
use super::record::*;
use crate::imps::primitive::{MessageInfo, NewMessage, Sender, User};
use crate::imps::{UserId, Version};
use crate::wire::{Encoding, csp};

fn node(folder: &Folder, name: &str) -> String {
    std::fs::create_dir_all(folder.path(name)).unwrap();
    folder.write(&format!("{name}/causeway.toml"), "[node]\ndomains = [\"north.example\"]\n")
}

fn texts(items: &[&str]) -> Vec<String> {
    items.iter().map(ToString::to_string).collect()
}

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
}

/// An account that has something of everything, and a group.
fn rich() -> [Line; 5] {
    let header =
        Header { version: VERSION, exported: "2026-01-01".to_owned(), domains: texts(&["north.example"]) };
    let contact = |user: &str, nickname: Option<&str>| ContactRecord {
        user: user.to_owned(),
        nickname: nickname.map(str::to_owned),
    };
    let account = AccountRecord {
        address: "wv:Ada@north.example".to_owned(),
        created: 1_700_000_000_000,
        password: Some(PasswordRecord::Clear("söcret".to_owned())),
        terms: map(&[("offline", "reject"), ("services", "presence,im")]),
        profile: map(&[("PP_CITY", "London"), ("USER_LAST_NAME", "Lovelace")]),
        contact_lists: vec![
            ContactListRecord {
                address: "wv:Ada/friends@north.example".to_owned(),
                display_name: Some("Friends".to_owned()),
                contacts: vec![
                    contact("wv:bo@south.example", Some("Bo")),
                    contact("wv:cy@north.example", None),
                ],
            },
            ContactListRecord {
                address: "wv:Ada/work@north.example".to_owned(),
                ..ContactListRecord::default()
            },
        ],
        default_list: Some("wv:Ada/friends@north.example".to_owned()),
        block: EntitiesRecord {
            users: texts(&["wv:eve@east.example"]),
            domains: texts(&["west.example"]),
            screen_names: vec![("Eve".to_owned(), "wv:bo/chat@south.example".to_owned())],
            groups: texts(&["wv:/spam@south.example"]),
            contact_lists: texts(&["wv:Ada/work@north.example"]),
            applications: texts(&["game"]),
        },
        block_in_use: true,
        grant: EntitiesRecord { users: texts(&["wv:bo@south.example"]), ..EntitiesRecord::default() },
        grant_in_use: false,
        attribute_lists: vec![
            AttributeListRecord {
                to: AudienceRecord::ContactList("wv:Ada/work@north.example".to_owned()),
                attributes: None,
                notify: false,
            },
            AttributeListRecord { to: AudienceRecord::Everybody, attributes: Some(texts(&["OnlineStatus"])), notify: true },
            AttributeListRecord {
                to: AudienceRecord::User("wv:bo@south.example".to_owned()),
                attributes: Some(texts(&["OnlineStatus", "StatusText"])),
                notify: false,
            },
        ],
        presence: Some(
            "<UpdatePresence-Request><PresenceSubList xmlns=\"http://www.openmobilealliance.org/DTD/IMPS-PA1.3\">\
             <StatusText><Qualifier>T</Qualifier><PresenceValue>calculating</PresenceValue></StatusText>\
             </PresenceSubList></UpdatePresence-Request>"
                .to_owned(),
        ),
        auto_joins: texts(&["wv:bo/chat@south.example"]),
    };
    let group = GroupRecord {
        address: "wv:Ada/chess@north.example".to_owned(),
        owner: "wv:Ada@north.example".to_owned(),
        properties: map(&[("Name", "Chess"), ("AccessType", "Open")]),
        welcome_note: Some(NoteRecord {
            content_type: "text/plain".to_owned(),
            content: "aGVsbG8=".to_owned(),
        }),
        members: map(&[("wv:Ada@north.example", "Admin"), ("wv:bo@south.example", "User")]),
        own_properties: BTreeMap::from([("wv:bo@south.example".to_owned(), map(&[("ShowID", "T")]))]),
        rejected: texts(&["wv:eve@east.example"]),
        invited: texts(&["wv:cy@north.example"]),
        history: vec![SaidRecord {
            message_id: "m-1@north.example".to_owned(),
            accepted: 1_700_000_000_000,
            until: 4_000_000_000_000,
            message: said("wv:Ada@north.example"),
        }],
    };
    let octets = b"a picture";
    let content = ContentRecord {
        id: "the-picture-of-the-chess-board".to_owned(),
        owner: "wv:Ada@north.example".to_owned(),
        name: Some("board.png".to_owned()),
        content_type: "image/png".to_owned(),
        octets: 9,
        sha256: STANDARD.encode(Sha256::digest(octets)),
        audience: "group:wv:Ada/chess@north.example".to_owned(),
        created: 1_700_000_000_000,
        expires: 4_000_000_000_000,
    };
    let octets = OctetsRecord { of: content.id.clone(), base64: STANDARD.encode(octets) };
    [
        Line::Causeway(header),
        Line::Account(Box::new(account)),
        Line::Group(Box::new(group)),
        Line::Content(Box::new(content)),
        Line::Octets(octets),
    ]
}

/// What this author said in the group, as the export writes it.
fn said(author: &str) -> String {
    let info = MessageInfo {
        id: Some("m-1@north.example".parse().unwrap()),
        sender: Some(Sender::from(User::from(author.parse::<UserId>().unwrap()))),
        ..MessageInfo::default()
    };
    let message = NewMessage { info, content: Some("your move".into()) };
    let octets = csp::encode_primitive(&message.into(), Version::V1_3, Encoding::Xml).unwrap();
    String::from_utf8(octets).unwrap()
}

fn lines(lines: &[Line]) -> String {
    lines.iter().map(|line| serde_json::to_string(line).unwrap() + "\n").collect()
}

#[test]
fn what_is_exported_and_imported_elsewhere_is_exported_as_the_same() {
    let folder = Folder::new("portable");
    let (one, other) = (node(&folder, "one"), node(&folder, "other"));
    let told = run(&["import", "-", "--config", &one], &lines(&rich()));
    assert_eq!(told, (DONE, "3 made, 0 left as they were\n".to_owned(), String::new()));
    let first = run(&["export", "--passwords", "clear", "--config", &one], "");
    assert_eq!(first.0, DONE, "{}", first.2);
    assert_eq!(
        first.1.lines().skip(1).collect::<Vec<_>>(),
        lines(&rich()).lines().skip(1).collect::<Vec<_>>()
    );
    let told = run(&["import", "-", "--config", &other], &first.1);
    assert_eq!(told.0, DONE, "{}", told.2);
    let second = run(&["export", "--passwords", "clear", "--config", &other], "");
    assert_eq!(first.1.lines().skip(1).collect::<Vec<_>>(), second.1.lines().skip(1).collect::<Vec<_>>());
}

#[test]
fn passwords_leave_sealed_or_not_at_all_unless_asked() {
    let folder = Folder::new("portable-passwords");
    let (one, other) = (node(&folder, "one"), node(&folder, "other"));
    run(&["import", "-", "--config", &one], &lines(&rich()));
    let file = folder.path("export.jsonl");
    assert_eq!(run(&["export", "--output", &file, "--config", &one], "").0, DONE);
    let sealed = std::fs::read_to_string(&file).unwrap();
    assert!(sealed.contains("\"sealed\"") && !sealed.contains("söcret"));
    assert!(!crate::store::seal::is_exposed(Path::new(&file)).unwrap(), "for its owner alone");
    let (code, _, errors) = run(&["export", "--output", &file, "--config", &one], "");
    assert_eq!((code, errors.contains("not there yet")), (FAILED, true), "{errors}");
    let (_, bare, _) = run(&["export", "--passwords", "none", "--config", &one], "");
    assert!(!bare.contains("password"), "{bare}");
    // Another node has another key
    let (code, _, errors) = run(&["import", &file, "--config", &other], "");
    assert_eq!((code, errors.contains("--passwords clear")), (FAILED, true), "{errors}");
    std::fs::copy(folder.path("one/data/secret.key"), folder.path("other/data/secret.key")).unwrap();
    assert_eq!(run(&["import", &file, "--config", &other], "").0, DONE);
}

#[test]
fn an_import_is_checked_before_anything_is_taken() {
    let folder = Folder::new("portable-bad");
    let file = node(&folder, "one");
    let import = |text: &str, more: &[&str]| run(&[&["import", "-", "--config", &file], more].concat(), text);
    let good = lines(&rich());
    for (text, why) in [
        (String::new(), "is no export"),
        (good.lines().skip(1).collect::<Vec<_>>().join("\n"), "line 1 is wrong"),
        (good.replace("\"version\":1", "\"version\":2"), "version 2 of exports is not known"),
        (
            good.replace("\"rejected\"", "\"refused\""),
            "line 3 is wrong, and nothing was taken: unknown field `refused`",
        ),
        (good.replace("wv:Ada@north.example", "wv:Ada@east.example"), "no user of the domains of this node"),
        (good.replace("\"PP_CITY\"", "\"PP_SHOE\""), "line 2 is wrong"),
        (
            good.replace("wv:Ada/friends@north.example", "wv:bo/friends@north.example"),
            "is no contact list of",
        ),
        (good.replace("\"Admin\"", "\"King\""), "line 3 is wrong"),
        (good.replace("NewMessage", "OldMessage"), "no NewMessage of CSP 1.3"),
        (good.replace("\"octets\":9", "\"octets\":8"), "more octets than it says"),
        (good.replace("YSBwaWN0dXJl", "YSBwaWN0dXJm"), "are not those that it says"),
        (good.lines().take(4).collect::<Vec<_>>().join("\n"), "the last line is not all"),
        (good.replace("\"of\":\"the", "\"of\":\"no"), "which does not stand before them"),
        (good.replace("the-picture", "../picture"), "this is no id of content"),
    ] {
        let (code, output, errors) = import(&text, &[]);
        assert_eq!((code, output.as_str()), (FAILED, ""), "{why}");
        assert!(errors.contains(why), "{why}: {errors}");
    }
    assert_eq!(run(&["user", "list", "--config", &file], "").1, "");
    // Octets that were read before the mistake was found are gone too
    let late = good.clone() + "{}\n";
    assert_eq!(import(&late, &[]).0, FAILED);
    assert_eq!(files(&folder), Vec::<String>::new());
    assert_eq!(import(&good, &[]).0, DONE);
    assert_eq!(files(&folder), ["the-picture-of-the-chess-board"]);
    let (code, _, errors) = import(&good, &[]);
    assert_eq!((code, errors.contains("--skip-existing")), (FAILED, true), "{errors}");
    let told = import(&good, &["--skip-existing"]);
    assert_eq!(told.1, "0 made, 3 left as they were\n");
}

/// The files of shared content of the node `one`.
fn files(folder: &Folder) -> Vec<String> {
    let names = |path: &Path| {
        let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).collect::<Vec<_>>()
    };
    let below = names(Path::new(&folder.path("one/data/content"))).into_iter().flat_map(|it| names(&it));
    below.map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect()
}

#[test]
fn shared_content_may_be_left_out_of_an_export() {
    let folder = Folder::new("portable-without");
    let one = node(&folder, "one");
    assert_eq!(run(&["import", "-", "--config", &one], &lines(&rich())).0, DONE);
    let (_, bare, _) = run(&["export", "--without-content", "--config", &one], "");
    assert_eq!(bare.lines().count(), 3);
}

/// Every table of the store that holds this text anywhere.
fn tables_with(database: &str, needle: &str) -> Vec<String> {
    let connection = rusqlite::Connection::open(database).unwrap();
    let all = |sql: &str| -> Vec<String> {
        let mut statement = connection.prepare(sql).unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    let tables = all("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'");
    assert!(tables.len() > 20, "{tables:?}");
    let mut found = Vec::new();
    for table in tables {
        let columns = all(&format!("SELECT name FROM pragma_table_info('{table}')"));
        let holds = columns.iter().any(|column| {
            let sql = format!(
                "SELECT count(*) FROM \"{table}\" WHERE instr(lower(CAST(\"{column}\" AS TEXT)), '{needle}') > 0"
            );
            connection.query_row(&sql, [], |row| row.get::<_, i64>(0)).unwrap() > 0
        });
        if holds {
            found.push(table);
        }
    }
    found
}

#[test]
fn an_erased_user_stands_in_no_table() {
    let folder = Folder::new("portable-erase");
    let file = node(&folder, "one");
    // Cy has Ada on every kind of list, and a group in which Ada has every part
    let theirs = lines(&rich())
        .replace("wv:bo@south.example", "wv:@@@")
        .replace("wv:eve@east.example", "wv:@@@")
        .replace("wv:Ada", "wv:cy")
        .replace("wv:cy@north.example\",\"nick", "wv:dee@north.example\",\"nick")
        .replace("wv:@@@", "wv:Ada@north.example")
        .replace("the-picture", "her-picture");
    assert_eq!(run(&["import", "-", "--config", &file], &lines(&rich())).0, DONE);
    let told = run(&["import", "-", "--config", &file], &theirs);
    assert_eq!(told.0, DONE, "{}", told.2);
    let database = folder.path("one/data/causeway.db");
    let before = tables_with(&database, "ada");
    for table in [
        "account",
        "contact",
        "access_entry",
        "attribute_list",
        "im_group",
        "group_member",
        "group_rejected",
        "group_own_property",
    ] {
        assert!(before.iter().any(|found| found == table), "{table} is not tried: {before:?}");
    }
    let erase = || run(&["user", "erase", "ada", "--config", &file], "");
    assert_eq!(erase(), (DONE, String::new(), String::new()));
    assert_eq!(tables_with(&database, "ada@"), Vec::<String>::new());
    assert_eq!(tables_with(&database, "ada/"), Vec::<String>::new());
    assert_eq!(files(&folder), ["her-picture-of-the-chess-board"], "and what others share stays");
    // What others have is still there
    let (_, left, _) = run(&["export", "--config", &file], "");
    assert!(
        left.contains("wv:cy/chess@north.example") && left.contains("\"display_name\":\"Friends\""),
        "{left}"
    );
    let (code, _, errors) = erase();
    assert_eq!((code, errors.contains("does not exist")), (FAILED, true));
}
