//! `causeway trace`: shows in the log of the running node what one user or one message says and hears, which
//! is never logged otherwise.

use anyhow::Context as _;
use clap::{Args, Subcommand};
use hyper::Method;
use serde_json::json;

use super::admin::{Desk, at, listed};
use super::audit::ago;
use super::{Configuration, Ended, Streams};
use crate::imps::{MessageId, UserId};

/// Of a trace, by the names of its members.
const COLUMNS: [(&str, &str); 4] =
    [("NUMBER", "number"), ("OF", "of"), ("UNTIL", "until"), ("LINES", "lines")];

/// Words of the verb.
#[derive(Subcommand, Debug)]
pub enum Words {
    /// Begin one; it ends by itself, and the audit log records it
    On {
        /// Of what.
        #[command(flatten)]
        subject: Subject,
        /// How long, such as 90s, 10m or 2h; at most 24h
        #[arg(long = "for", value_name = "TIME", default_value = "10m")]
        life: String,
        /// Where the node's configuration is.
        #[command(flatten)]
        configuration: Configuration,
    },
    /// Those that are on
    List {
        /// Where the node's configuration is.
        #[command(flatten)]
        configuration: Configuration,
        /// JSON instead of words
        #[arg(long)]
        json: bool,
    },
    /// End one
    Off {
        /// Its number, of `trace list`
        #[arg(value_name = "NUMBER")]
        number: u32,
        /// Where the node's configuration is.
        #[command(flatten)]
        configuration: Configuration,
    },
}

/// Of what.
#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
pub struct Subject {
    /// All that this user says and hears, with its whole address
    #[arg(long, value_name = "ADDRESS")]
    user: Option<UserId>,
    /// All that is said about this message
    // One id in sixty-four begins with a hyphen.
    #[arg(long, value_name = "ID", allow_hyphen_values = true)]
    message: Option<MessageId>,
}

/// Runs the verb.
pub fn run(words: &Words, streams: &mut Streams<'_>) -> anyhow::Result<Ended> {
    let (Words::On { configuration, .. }
    | Words::List { configuration, .. }
    | Words::Off { configuration, .. }) = words;
    let Some(desk) = Desk::open(&configuration.file, streams)? else { return Ok(Ended::Failed) };
    match words {
        Words::On { subject, life, .. } => {
            let seconds = ago(life)
                .with_context(|| format!("{life:?} is no time; allowed: 90s, 10m, 2h, at most 24h"))?;
            let user = subject.user.as_ref().map(ToString::to_string);
            let message = subject.message.as_ref().map(ToString::to_string);
            let body = json!({ "user": user, "message": message, "seconds": seconds });
            let trace = desk.tell("traces", &body)?;
            listed(&json!([trace]), &COLUMNS, false, streams)?;
        }
        Words::List { json, .. } => {
            let told = desk.ask(Method::GET, "traces")?;
            listed(at(&told, "traces"), &COLUMNS, *json, streams)?;
        }
        Words::Off { number, .. } => {
            desk.ask(Method::DELETE, &format!("traces/{number}"))?;
        }
    }
    Ok(Ended::Done)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Folder, run};
    use super::super::{FAILED, USAGE};

    #[test]
    fn an_id_may_begin_with_a_hyphen() {
        let folder = Folder::new("trace");
        let file = folder.write(
            "causeway.toml",
            "[node]\ndomains = [\"north.example\"]\n[admin]\nlisten = \"127.0.0.1:1\"\n",
        );
        let asked = |words: &[&str]| run(&[&["trace", "on"], words, &["--config", &file]].concat(), "").0;
        assert_eq!(asked(&["--message", "-9Dk_t5Um6rkS0BHjaTd@north.example"]), FAILED, "no node answers");
        assert_eq!(asked(&["--message"]), USAGE);
    }
}
