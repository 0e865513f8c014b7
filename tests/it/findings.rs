//! Inputs that decoders fall over, in `tests/golden/fuzz/TARGET/`: those that were thought of, and those
//! that the fuzzer found, which stay fixed.

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
    let documents = golden(folder);
    assert!(!documents.is_empty(), "{folder} is empty");
    for (name, octets) in documents {
        // The name of the file belongs to the panic.
        println!("{name}");
        check(&octets);
    }
}

#[test]
fn no_nasty_input_harms_a_decoder() {
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
