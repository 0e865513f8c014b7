//! Inputs that decoders fall over, in `tests/golden/fuzz/TARGET/`: those that were thought of, and those
//! that the fuzzer found, which stay fixed.

use std::fs;
use std::path::Path;

#[path = "../fuzz/checks.rs"]
mod checks;
#[path = "../fuzz/sequences.rs"]
mod sequences;

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
fn no_play_of_moves_harms_a_session_machine() {
    play("fuzz/ssp_sessions", |octets| {
        sequences::ssp_sessions(octets);
    });
    play("fuzz/csp_session", |octets| {
        sequences::csp_session(octets);
    });
}

#[test]
fn plays_that_nobody_thought_of_harm_no_session_machine_and_get_somewhere() {
    let plays: u64 = std::env::var("CAUSEWAY_SEQUENCES").map_or(200, |count| count.parse().unwrap());
    let (mut answers, mut taken) = (0, 0);
    for seed in 0..plays {
        let mut state = seed;
        let octets: Vec<u8> = std::iter::repeat_with(|| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            state.to_be_bytes()[0]
        })
        .take(900)
        .collect();
        println!("seed {seed}");
        answers += sequences::ssp_sessions(&octets);
        taken += sequences::csp_session(&octets);
    }
    assert!(answers > 0 && taken > 0, "{answers} questions answered, {taken} messages taken");
    println!("{answers} questions answered, {taken} messages taken");
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
