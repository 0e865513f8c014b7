//! Which primitives each play has carried from one socket to another, and with success: the proofs of
//! the conformance page are counted by the nodes themselves instead of being claimed.
//!
//! With `CAUSEWAY_PLAYS=FILE` every play adds to this file what its nodes have counted; `just plays` then
//! makes `docs/reference/plays.tsv` of it: for each primitive the plays that say most about it, which are
//! those that carry the fewest others.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::sync::Arc;

use causeway::imps::Moment;
use causeway::ops::metrics::Metrics;

/// Plays named for each primitive.
const NAMED_MAX: usize = 2;

/// A protocol and a primitive of it, as the metrics spell them.
pub(crate) type Carried = (String, String);
/// The tests that have carried each primitive.
pub(crate) type Plays = BTreeMap<Carried, Vec<String>>;

/// The file that plays add to, if they do.
pub(crate) fn notes() -> Option<String> {
    std::env::var("CAUSEWAY_PLAYS").ok()
}

/// Adds what the nodes of the running test have counted.
pub(crate) fn note(counted: &[Arc<Metrics>]) {
    let Some(file) = notes() else { return };
    let thread = std::thread::current();
    let Some(test) = thread.name().and_then(|name| name.rsplit("::").next()) else { return };
    let mut carried = BTreeSet::new();
    for metrics in counted {
        let page = metrics.render(Moment::default()).unwrap_or_default();
        carried.extend(page.lines().filter_map(successful));
    }
    let noted: Plays = carried.into_iter().map(|carried| (carried, vec![test.to_owned()])).collect();
    let mut file = OpenOptions::new().create(true).append(true).open(file).unwrap();
    file.write_all(written(&noted).as_bytes()).unwrap();
}

/// The primitive of a line of metrics that counts answers of class 2, if there was one.
fn successful(line: &str) -> Option<Carried> {
    let (name, rest) = line.split_once('{')?;
    let (labels, count) = rest.split_once("} ")?;
    let protocol = match name {
        "causeway_ssp_transactions_total" => "SSP",
        "causeway_csp_requests_total" => "CSP",
        _ => return None,
    };
    let label = |wanted: &str| {
        labels.split(',').find_map(|one| one.strip_prefix(wanted)?.strip_prefix("=\"")?.strip_suffix('"'))
    };
    let is_successful = count != "0" && label("code")?.starts_with('2');
    is_successful.then_some((protocol.to_owned(), label("primitive")?.to_owned()))
}

/// The lines of a file of plays.
pub(crate) fn read(text: &str) -> Plays {
    let mut plays = Plays::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split('\t').collect();
        let [protocol, primitive, play] = words[..] else { panic!("no line of plays: {line}") };
        let tests = plays.entry((protocol.to_owned(), primitive.to_owned())).or_default();
        if !tests.iter().any(|test| test == play) {
            tests.push(play.to_owned());
        }
    }
    plays
}

/// The most telling plays of each primitive.
fn chosen(mut plays: Plays) -> Plays {
    let mut width: BTreeMap<String, usize> = BTreeMap::new();
    for test in plays.values().flatten() {
        *width.entry(test.clone()).or_default() += 1;
    }
    for tests in plays.values_mut() {
        tests.sort_by_key(|test| (width.get(test).copied().unwrap_or_default(), test.clone()));
        tests.truncate(NAMED_MAX);
    }
    plays
}

/// What `docs/reference/plays.tsv` is to say after plays that were noted in this file.
pub(crate) fn choice(notes: &str) -> String {
    written(&chosen(read(notes)))
}

fn written(plays: &Plays) -> String {
    let mut text = String::new();
    for ((protocol, primitive), tests) in plays {
        for test in tests {
            writeln!(text, "{protocol}\t{primitive}\t{test}").unwrap();
        }
    }
    text
}

#[test]
fn only_what_was_answered_with_success_counts_as_carried() {
    let line = |code, count| {
        format!(
            "causeway_ssp_transactions_total{{code=\"{code}\",direction=\"in\",peer=\"a.test\",primitive=\"SearchRequest\"}} {count}"
        )
    };
    assert_eq!(successful(&line("200", 3)), Some(("SSP".to_owned(), "SearchRequest".to_owned())));
    assert_eq!(successful(&line("200", 0)), None);
    assert_eq!(successful(&line("506", 3)), None);
    assert_eq!(successful("causeway_csp_sessions 3"), None);
}

#[test]
fn of_many_plays_those_with_the_fewest_primitives_are_named() {
    let noted = "SSP\tA\tall\nSSP\tB\tall\nSSP\tC\tall\nSSP\tA\tone\nSSP\tA\tpair\nSSP\tB\tpair\n";
    assert_eq!(choice(noted), "SSP\tA\tone\nSSP\tA\tpair\nSSP\tB\tpair\nSSP\tB\tall\nSSP\tC\tall\n");
}
