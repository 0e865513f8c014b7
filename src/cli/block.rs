//! `causeway block`: keeps users of others and whole domains out of the running node.

use anyhow::Context as _;
use clap::Subcommand;
use hyper::Method;
use serde_json::json;

use super::admin::{Desk, at, listed};
use super::audit::ago;
use super::{Configuration, Ended, Streams};
use crate::element::content::serve::coded;
use crate::relay::blocks::Subject;

/// Of a block, by the names of its members.
const COLUMNS: [(&str, &str); 4] =
    [("BLOCKED", "subject"), ("SINCE", "since"), ("UNTIL", "until"), ("REASON", "reason")];

/// Words of the verb.
#[derive(Subcommand, Debug)]
pub enum Words {
    /// Keep somebody out, at once; who is kept out already gets this reason and time
    Add {
        /// A user (wv:mallory@south.example) or a domain (evil.example)
        #[arg(value_name = "SUBJECT")]
        subject: Subject,
        /// Why; for operators alone
        #[arg(long, value_name = "TEXT")]
        reason: String,
        /// How long, such as 90s, 12h or 30d; without it until it is removed
        #[arg(long = "for", value_name = "TIME")]
        life: Option<String>,
        /// Where the node's configuration is.
        #[command(flatten)]
        configuration: Configuration,
    },
    /// Those who are kept out
    List {
        /// Where the node's configuration is.
        #[command(flatten)]
        configuration: Configuration,
        /// JSON instead of words
        #[arg(long)]
        json: bool,
    },
    /// Keep somebody out no more
    Remove {
        /// As in `block list`
        #[arg(value_name = "SUBJECT")]
        subject: Subject,
        /// Where the node's configuration is.
        #[command(flatten)]
        configuration: Configuration,
    },
}

/// Runs the verb.
pub fn run(words: &Words, streams: &mut Streams<'_>) -> anyhow::Result<Ended> {
    let (Words::Add { configuration, .. }
    | Words::List { configuration, .. }
    | Words::Remove { configuration, .. }) = words;
    let Some(desk) = Desk::open(&configuration.file, streams)? else { return Ok(Ended::Failed) };
    match words {
        Words::Add { subject, reason, life, .. } => {
            let seconds = life.as_ref().map(|life| {
                ago(life).with_context(|| format!("{life:?} is no time; allowed: 90s, 10m, 12h, 30d"))
            });
            let body =
                json!({ "subject": subject.to_string(), "reason": reason, "seconds": seconds.transpose()? });
            let block = desk.tell("blocks", &body)?;
            listed(&json!([block]), &COLUMNS, false, streams)?;
        }
        Words::List { json, .. } => {
            let told = desk.ask(Method::GET, "blocks")?;
            listed(at(&told, "blocks"), &COLUMNS, *json, streams)?;
        }
        Words::Remove { subject, .. } => {
            desk.ask(Method::DELETE, &format!("blocks/{}", coded(&subject.to_string())))?;
        }
    }
    Ok(Ended::Done)
}
