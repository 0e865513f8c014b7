//! What the fuzzer found once stays fixed: `tests/golden/fuzz/TARGET/` holds the octets.

use std::fs;
use std::path::Path;

#[path = "../fuzz/checks.rs"]
mod checks;

fn golden(folder: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(folder);
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut found: Vec<_> =
        entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_file()).collect();
    found.sort();
    found.iter().map(|path| (path.display().to_string(), fs::read(path).unwrap())).collect()
}

fn play(folder: &str, check: fn(&[u8])) {
    for (name, octets) in golden(folder) {
        // The name of the file belongs to the panic.
        println!("{name}");
        check(&octets);
    }
}

#[test]
fn what_the_fuzzer_found_stays_fixed() {
    play("fuzz/xml", checks::xml);
    play("fuzz/wbxml", checks::wbxml);
    play("fuzz/csp", checks::csp);
    play("fuzz/ssp", checks::ssp);
}

#[test]
fn the_checks_of_the_fuzzer_hold_for_every_golden_document() {
    for folder in ["csp", "ssp"] {
        play(folder, checks::xml);
        play(folder, checks::wbxml);
        play(folder, checks::csp);
        play(folder, checks::ssp);
    }
}
