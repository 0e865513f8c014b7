//! Keeps the stairs one-way: imports go down only, rooms on one floor do not import each other
//! (the map in `src/lib.rs`). Floors 1 to 4 own nothing that blocks or runs by itself.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Rooms by floor, the ground floor first.
const FLOORS: [&[&str]; 9] = [
    &["imps"],
    &["wire"],
    &["session", "element"],
    &["relay"],
    &["sap", "store"],
    &["net", "gateway", "ops"],
    &["config"],
    &["node"],
    &["cli"],
];

/// Words that have no place on floors 1 to 4.
const EFFECTS: [&str; 8] = [
    "tokio::",
    "async fn",
    ".await",
    "Instant::now",
    "SystemTime::now",
    "std::net::Tcp",
    "std::thread::spawn",
    "std::fs::",
];

fn floor(room: &str) -> Option<usize> {
    FLOORS.iter().position(|rooms| rooms.contains(&room))
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Every file of `src` as (room, path below `src`, code without comments).
fn files() -> Vec<(String, String, String)> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    sources(&src, &mut found);
    found
        .into_iter()
        .map(|path| {
            let below = path.strip_prefix(&src).unwrap().to_string_lossy().into_owned();
            let room = below.split('/').next().unwrap().trim_end_matches(".rs").to_owned();
            let text = fs::read_to_string(&path).unwrap();
            let code =
                text.lines().map(|line| line.split("//").next().unwrap_or("")).collect::<Vec<_>>().join("\n");
            (room, below, code)
        })
        .filter(|(room, _, _)| room != "lib" && room != "main")
        .collect()
}

/// The rooms that a file names after `crate::`, singly or in braces.
fn rooms_named(code: &str) -> BTreeSet<String> {
    let mut named = BTreeSet::new();
    let ident =
        |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    for (at, _) in code.match_indices("crate::") {
        if code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '$') {
            continue;
        }
        let rest = &code[at + "crate::".len()..];
        if let Some(group) = rest.strip_prefix('{') {
            let mut depth = 0;
            let mut start = true;
            for (place, c) in group.char_indices() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => start = true,
                    c if c.is_whitespace() => {}
                    _ if start && depth == 0 => {
                        named.insert(ident(&group[place..]));
                        start = false;
                    }
                    _ => {}
                }
            }
        } else {
            named.insert(ident(rest));
        }
    }
    named
}

#[test]
fn imports_go_down_only() {
    let files = files();
    assert!(files.len() > 20, "the house has more files than {}", files.len());
    let mut wrong = Vec::new();
    for (room, below, code) in &files {
        let Some(own) = floor(room) else {
            wrong.push(format!("src/{below}: room {room:?} stands on no floor"));
            continue;
        };
        for named in rooms_named(code) {
            match floor(&named) {
                Some(other) if other < own || named == *room => {}
                Some(_) => wrong.push(format!("src/{below}: {room} may not import {named}")),
                None => wrong.push(format!("src/{below}: imports {named:?}, which stands on no floor")),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A module that is compiled for tests only, by the names that this house gives them.
fn is_test(below: &str) -> bool {
    let name = below.rsplit('/').next().unwrap_or(below);
    below.contains("/tests/")
        || below.contains("/arbitrary/")
        || below.contains("/contract/")
        || matches!(name, "tests.rs" | "testing.rs" | "properties.rs" | "contract.rs" | "arbitrary.rs")
}

#[test]
fn decisions_have_no_effects() {
    let wrong: Vec<String> = files()
        .iter()
        .filter(|(room, below, _)| floor(room).is_some_and(|floor| floor < 4) && !is_test(below))
        .flat_map(|(_, below, code)| {
            let code = code.split("#[cfg(test)]").next().unwrap_or("");
            EFFECTS
                .iter()
                .filter(move |word| code.contains(**word))
                .map(move |word| format!("src/{below}: {word}"))
        })
        .collect();
    assert!(wrong.is_empty(), "floors 1 to 4 are plain values and functions:\n{}", wrong.join("\n"));
}

#[test]
fn every_floor_of_the_map_is_checked() {
    let map = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")).unwrap();
    for room in
        map.lines().filter_map(|line| line.strip_prefix("pub mod ")).map(|name| name.trim_end_matches(';'))
    {
        assert!(floor(room).is_some(), "room {room} of src/lib.rs stands on no floor");
    }
}
