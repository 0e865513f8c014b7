//! `causeway queue`: what waits for peers in the running node, through its admin API. What messages say is
//! never shown.

use clap::Subcommand;
use hyper::Method;
use serde_json::Value;

use super::admin::{Desk, at, table, words};
use super::{Configuration, Ended, Streams};
use crate::imps::Domain;

/// Words of the verb.
#[derive(Subcommand, Debug)]
pub enum Words {
    /// Every row that waits, the oldest first
    List {
        /// Only what waits for this peer
        #[arg(long, value_name = "DOMAIN")]
        peer: Option<Domain>,
        /// Where the node's configuration is.
        #[command(flatten)]
        configuration: Configuration,
        /// JSON instead of words
        #[arg(long)]
        json: bool,
    },
    /// One row: who wrote it, for whom, since when, how often it was tried
    Show {
        /// The number of the row, of `queue list`
        #[arg(value_name = "ID")]
        row: i64,
        /// Where the node's configuration is.
        #[command(flatten)]
        configuration: Configuration,
        /// JSON instead of words
        #[arg(long)]
        json: bool,
    },
    /// Try now what waits
    Retry(Which),
    /// Take out what waits; authors hear that it was not delivered
    Drop(Which),
}

/// One row, or all of a peer.
#[derive(clap::Args, Debug)]
#[group(skip)]
pub struct Which {
    /// The number of the row, of `queue list`
    #[arg(value_name = "ID", required_unless_present = "peer", conflicts_with = "peer")]
    row: Option<i64>,
    /// All that waits for this peer
    #[arg(long, value_name = "DOMAIN")]
    peer: Option<Domain>,
    #[command(flatten)]
    configuration: Configuration,
}

impl Which {
    fn path(&self, suffix: &str) -> String {
        match (self.row, &self.peer) {
            (Some(row), _) => format!("queue/{row}{suffix}"),
            (None, Some(peer)) => format!("queue{suffix}?peer={peer}"),
            (None, None) => "queue".to_owned(),
        }
    }
}

/// Runs the verb.
pub fn run(words: &Words, streams: &mut Streams<'_>) -> anyhow::Result<Ended> {
    let configuration = match words {
        Words::List { configuration, .. } | Words::Show { configuration, .. } => configuration,
        Words::Retry(which) | Words::Drop(which) => &which.configuration,
    };
    let Some(desk) = Desk::open(&configuration.file, streams)? else { return Ok(Ended::Failed) };
    match words {
        Words::List { peer, json, .. } => list(&desk, peer.as_ref(), *json, streams)?,
        Words::Show { row, json, .. } => {
            let found = desk.ask(Method::GET, &format!("queue/{row}"))?;
            if *json {
                writeln!(streams.output, "{found}")?;
            } else {
                show(&found, streams)?;
            }
        }
        Words::Retry(which) => {
            desk.ask(Method::POST, &which.path("/retry"))?;
        }
        Words::Drop(which) => {
            let told = desk.ask(Method::DELETE, &which.path(""))?;
            if let Some(dropped) = at(&told, "dropped").as_u64() {
                writeln!(streams.output, "{dropped} dropped")?;
            }
        }
    }
    Ok(Ended::Done)
}

fn list(desk: &Desk, peer: Option<&Domain>, json: bool, streams: &mut Streams<'_>) -> anyhow::Result<()> {
    let mut after = 0;
    let mut rows: Vec<Value> = Vec::new();
    loop {
        let peer = peer.map(|peer| format!("&peer={peer}")).unwrap_or_default();
        let page = desk.ask(Method::GET, &format!("queue?after={after}{peer}"))?;
        rows.extend(at(&page, "rows").as_array().into_iter().flatten().cloned());
        let last = rows.last().and_then(|row| at(row, "row").as_i64());
        match last {
            Some(last) if at(&page, "more") == true => after = last,
            _ => break,
        }
    }
    if json {
        writeln!(streams.output, "{}", Value::from(rows))?;
        return Ok(());
    }
    let mut lines = vec![
        ["ID", "PEER", "WHAT", "FROM", "SINCE", "TRIES", "NEXT TRY", "OCTETS"].map(str::to_owned).to_vec(),
    ];
    lines.extend(rows.iter().map(|row| {
        let next = if at(row, "next_try").is_null() { "now".to_owned() } else { words(at(row, "next_try")) };
        vec![
            words(at(row, "row")),
            words(at(row, "peer")),
            words(at(row, "primitive")),
            words(at(row, "author")),
            words(at(row, "accepted")),
            words(at(row, "attempts")),
            next,
            words(at(row, "octets")),
        ]
    }));
    table(&lines, streams)
}

fn show(row: &Value, streams: &mut Streams<'_>) -> anyhow::Result<()> {
    let names = [
        ("id", "row"),
        ("peer", "peer"),
        ("from our domain", "own"),
        ("what", "primitive"),
        ("message", "message_id"),
        ("author", "author"),
        ("recipients", "recipients"),
        ("accepted", "accepted"),
        ("given up", "expires"),
        ("tries", "attempts"),
        ("next try", "next_try"),
        ("octets", "octets"),
        ("done", "done"),
        ("passes through", "passes_through"),
    ];
    let lines: Vec<_> =
        names.iter().map(|(name, key)| vec![format!("{name}:"), words(at(row, key))]).collect();
    table(&lines, streams)
}
