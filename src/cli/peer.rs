//! `causeway peer`: the agreements of the running node and their links, through its admin API.

use clap::Subcommand;
use hyper::Method;
use serde_json::Value;

use super::admin::{Desk, ago, at, table, words};
use super::{Configuration, Ended, Streams};
use crate::imps::Domain;

/// Words of the verb.
#[derive(Subcommand, Debug)]
pub enum Words {
    /// Every agreement: state, link, what waits
    List(All),
    /// One agreement: contact, dates, services, link, certificate, last error
    Show(One),
    /// Stop all traffic with a peer until it is resumed; nothing is lost, restarts change nothing
    Suspend(One),
    /// End a suspension
    Resume(One),
    /// End pauses and try now
    Retry(One),
    /// Resolve, connect, verify and log in, and say which step failed and what to do
    Test(One),
    /// The SSP sessions with a peer: ids, who opened them, versions, counters
    Session(One),
}

/// Every peer of a node.
#[derive(clap::Args, Debug)]
pub struct All {
    #[command(flatten)]
    configuration: Configuration,
    /// JSON instead of words
    #[arg(long)]
    json: bool,
}

/// One peer of a node.
#[derive(clap::Args, Debug)]
pub struct One {
    /// The peer's domain
    #[arg(value_name = "DOMAIN")]
    peer: Domain,
    #[command(flatten)]
    configuration: Configuration,
    /// JSON instead of words
    #[arg(long)]
    json: bool,
}

/// Shows an answer in words.
type Show = fn(&Value, &mut Streams<'_>) -> anyhow::Result<()>;

/// Runs the verb.
pub fn run(words: &Words, streams: &mut Streams<'_>) -> anyhow::Result<Ended> {
    let (configuration, json) = match words {
        Words::List(all) => (&all.configuration, all.json),
        Words::Show(one)
        | Words::Suspend(one)
        | Words::Resume(one)
        | Words::Retry(one)
        | Words::Test(one)
        | Words::Session(one) => (&one.configuration, one.json),
    };
    let Some(desk) = Desk::open(&configuration.file, streams)? else { return Ok(Ended::Failed) };
    let (answer, show): (_, Show) = match words {
        Words::List(_) => (desk.ask(Method::GET, "peers")?, list),
        Words::Show(One { peer, .. }) => (desk.ask(Method::GET, &format!("peers/{peer}"))?, one),
        Words::Session(One { peer, .. }) => {
            (desk.ask(Method::GET, &format!("peers/{peer}/session"))?, sessions)
        }
        Words::Suspend(One { peer, .. }) => {
            (desk.ask(Method::POST, &format!("peers/{peer}/suspend"))?, state)
        }
        Words::Resume(One { peer, .. }) => (desk.ask(Method::POST, &format!("peers/{peer}/resume"))?, state),
        Words::Retry(One { peer, .. }) => (desk.ask(Method::POST, &format!("peers/{peer}/retry"))?, state),
        Words::Test(One { peer, .. }) => (desk.ask(Method::POST, &format!("peers/{peer}/test"))?, steps),
    };
    if json {
        let listed = if matches!(words, Words::List(_)) { at(&answer, "peers") } else { &answer };
        writeln!(streams.output, "{listed}")?;
    } else {
        show(&answer, streams)?;
    }
    match failed_step(&answer) {
        Some(step) if matches!(words, Words::Test(_)) => {
            let (name, what, todo) = (at(step, "step"), at(step, "what"), at(step, "do"));
            anyhow::bail!("{} failed: {}; {}", self::words(name), self::words(what), self::words(todo))
        }
        _ => Ok(Ended::Done),
    }
}

fn items<'v>(value: &'v Value, name: &str) -> impl Iterator<Item = &'v Value> {
    at(value, name).as_array().into_iter().flatten()
}

fn state_words(peer: &Value) -> String {
    let state = words(at(peer, "state"));
    match at(peer, "by").as_str() {
        Some("operator") => format!("{state} (operator)"),
        Some("block") => format!("{state} (block)"),
        Some("guest") => format!("{state} (guest)"),
        Some("dates") => format!("{state} (dates)"),
        _ => state,
    }
}

fn list(answer: &Value, streams: &mut Streams<'_>) -> anyhow::Result<()> {
    let mut rows = vec![["DOMAIN", "STATE", "LINK", "WAITING", "OLDEST"].map(str::to_owned).to_vec()];
    for peer in items(answer, "peers") {
        let waiting = at(peer, "waiting");
        rows.push(vec![
            words(at(peer, "domain")),
            state_words(peer),
            words(at(peer, "link")),
            words(at(waiting, "messages")),
            ago(at(waiting, "oldest_seconds")),
        ]);
    }
    table(&rows, streams)
}

fn state(peer: &Value, streams: &mut Streams<'_>) -> anyhow::Result<()> {
    writeln!(streams.output, "{}: {}", words(at(peer, "domain")), state_words(peer))?;
    Ok(())
}

/// One line a fact, `name: what`.
fn facts(facts: &[(&str, String)], indent: &str, streams: &mut Streams<'_>) -> anyhow::Result<()> {
    let rows: Vec<_> =
        facts.iter().map(|(name, what)| vec![format!("{indent}{name}:"), what.clone()]).collect();
    table(&rows, streams)
}

fn one(peer: &Value, streams: &mut Streams<'_>) -> anyhow::Result<()> {
    let (services, profile, waiting) = (at(peer, "services"), at(peer, "profile"), at(peer, "waiting"));
    let mut lines = vec![
        ("domain", words(at(peer, "domain"))),
        ("state", state_words(peer)),
        ("contact", words(at(peer, "contact"))),
        ("note", words(at(peer, "note"))),
        ("valid from", words(at(peer, "valid_from"))),
        ("valid until", words(at(peer, "valid_until"))),
        ("services agreed", words(at(services, "agreed"))),
        (
            "services offered",
            if at(services, "offered").is_null() {
                "not told".to_owned()
            } else {
                words(at(services, "offered"))
            },
        ),
        ("services in force", words(at(services, "in_force"))),
        ("profile", format!("{} (agreed: {})", words(at(profile, "in_force")), words(at(profile, "agreed")))),
        ("endpoints", words(at(peer, "endpoints"))),
        ("carries", words(at(peer, "carries"))),
        ("link", words(at(peer, "link"))),
        (
            "waiting",
            format!(
                "{} messages, {} octets, oldest {}",
                at(waiting, "messages"),
                at(waiting, "octets"),
                ago(at(waiting, "oldest_seconds"))
            ),
        ),
    ];
    let violations = at(peer, "identity_violations");
    if at(violations, "count").as_u64().is_some_and(|count| count > 0) {
        let what = [at(violations, "count"), at(violations, "last"), at(violations, "reason")].map(words);
        lines.push(("identity broken", format!("{} times, last {} ({})", what[0], what[1], what[2])));
    }
    let dane = at(peer, "dane");
    if !dane.is_null() {
        let found = words(at(dane, "found"));
        lines.push(("secure DNS", if found == "-" { "not asked yet".to_owned() } else { found }));
    }
    let block = at(peer, "block");
    if !block.is_null() {
        let until = at(block, "until");
        let until = if until.is_null() { "it is removed".to_owned() } else { words(until) };
        lines.insert(2, ("blocked", format!("until {until}: {}", words(at(block, "reason")))));
    }
    if !at(peer, "suspended_since").is_null() {
        lines.insert(2, ("suspended since", words(at(peer, "suspended_since"))));
    }
    facts(&lines, "", streams)?;
    for link in items(peer, "links") {
        writeln!(streams.output, "link from {}:", words(at(link, "own")))?;
        let error = at(link, "last_error");
        let certificate = at(link, "certificate");
        let mut lines = vec![
            ("state", words(at(link, "state"))),
            ("failures in a row", words(at(link, "failures"))),
            ("next try", words(at(link, "next_try"))),
            ("reached at", words(at(link, "place"))),
        ];
        if certificate.is_null() {
            lines.push(("certificate", "none seen yet".to_owned()));
        } else {
            lines.extend([
                ("certificate", words(at(certificate, "subject"))),
                ("issued by", words(at(certificate, "issuer"))),
                ("names", words(at(certificate, "names"))),
                ("valid until", words(at(certificate, "not_after"))),
                ("pin", words(at(certificate, "pin"))),
            ]);
        }
        let told = if error.is_null() {
            "-".to_owned()
        } else {
            format!("{}: {}", words(at(error, "at")), words(at(error, "what")))
        };
        lines.push(("last error", told));
        facts(&lines, "  ", streams)?;
    }
    Ok(())
}

fn sessions(answer: &Value, streams: &mut Streams<'_>) -> anyhow::Result<()> {
    for link in items(answer, "links") {
        let counters = at(link, "counters");
        writeln!(
            streams.output,
            "{} to {}: {}, profile {}, version {}",
            words(at(link, "own")),
            words(at(answer, "domain")),
            words(at(link, "state")),
            words(at(link, "profile")),
            words(at(link, "version"))
        )?;
        writeln!(
            streams.output,
            "  posts out {} ({} failed), posts in {}, operations open {}",
            at(counters, "posts_out"),
            at(counters, "posts_failed"),
            at(counters, "posts_in"),
            at(counters, "operations_open")
        )?;
        for session in items(link, "sessions") {
            let mark = if at(session, "current") == true { "session in use" } else { "session" };
            writeln!(streams.output, "  {mark}:")?;
            let lines = [
                ("our id", words(at(session, "own_id"))),
                ("peer's id", words(at(session, "peer_id"))),
                ("opened by", words(at(session, "opened_by"))),
                ("version", words(at(session, "version"))),
                ("established", words(at(session, "established"))),
                ("last used", words(at(session, "last_used"))),
                ("expires", words(at(session, "expires"))),
                ("superseded", words(at(session, "superseded"))),
            ];
            facts(&lines, "    ", streams)?;
        }
    }
    Ok(())
}

fn failed_step(answer: &Value) -> Option<&Value> {
    items(answer, "steps").find(|step| at(step, "ok") == false)
}

fn steps(answer: &Value, streams: &mut Streams<'_>) -> anyhow::Result<()> {
    let rows: Vec<_> = items(answer, "steps")
        .map(|step| {
            let outcome = match (at(step, "ok") == true, at(step, "warning") == true) {
                (true, false) => "ok",
                (true, true) => "warning",
                (false, _) => "failed",
            };
            vec![words(at(step, "step")), outcome.to_owned(), words(at(step, "what"))]
        })
        .collect();
    table(&rows, streams)
}
