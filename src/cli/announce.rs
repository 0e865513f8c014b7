//! `causeway announce`: the provider speaks to its users, through the admin API of the running node.

use clap::Subcommand;
use hyper::Method;
use serde_json::{Value, json};

use super::admin::{Desk, at, table, words};
use super::{Configuration, Ended, Streams};
use crate::element::content::serve::coded;
use crate::imps::{Domain, UserId};
use crate::ops::announce::SECONDS_DEFAULT;

/// Words of the verb.
#[derive(Subcommand, Debug)]
pub enum Words {
    /// Tell users something; under an id that was used before it takes the place of that
    Send(Box<Sending>),
    /// Who was told, who has answered, and what
    Show {
        /// The id it was sent with
        #[arg(value_name = "ID")]
        id: String,
        /// Where the node's configuration is.
        #[command(flatten)]
        configuration: Configuration,
        /// JSON instead of words
        #[arg(long)]
        json: bool,
    },
}

/// What is told, and whom.
#[derive(clap::Args, Debug)]
pub struct Sending {
    /// A name for it, for `announce show`: letters, digits, hyphens, dots, underscores
    #[arg(value_name = "ID")]
    id: String,
    /// What it says
    #[arg(value_name = "TEXT")]
    text: String,
    #[command(flatten)]
    to: To,
    /// How long it is worth telling, at most 30 days
    #[arg(long, value_name = "SECONDS", default_value_t = SECONDS_DEFAULT)]
    lifetime: u32,
    /// An answer to choose; repeat it for others, which are numbered from 1
    #[arg(long = "answer", value_name = "TEXT")]
    answers: Vec<String>,
    /// Ask again at every login until it is answered; goes without saying where there are answers or a key
    #[arg(long, conflicts_with = "may_answer")]
    must_answer: bool,
    /// Do not ask again
    #[arg(long)]
    may_answer: bool,
    /// What a user must copy to show that a human being answers
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// The text that shows the key
    #[arg(long, value_name = "TEXT", requires = "key", conflicts_with = "picture")]
    copy: Option<String>,
    /// The picture that shows the key
    #[arg(long, value_name = "URL", requires = "key")]
    picture: Option<String>,
    #[command(flatten)]
    configuration: Configuration,
    /// JSON instead of words
    #[arg(long)]
    json: bool,
}

/// Whom: nobody tells everybody by leaving a word out.
#[derive(clap::Args, Debug)]
#[group(required = true, multiple = false)]
pub struct To {
    /// A user of ours; repeat it for others
    #[arg(long = "to", value_name = "USER")]
    users: Vec<UserId>,
    /// All users of this domain of ours
    #[arg(long, value_name = "DOMAIN")]
    domain: Option<Domain>,
    /// All users of the node
    #[arg(long)]
    everybody: bool,
}

impl Sending {
    fn body(&self) -> Value {
        let mut body = json!({
            "id": self.id,
            "text": self.text,
            "seconds": self.lifetime,
            "answers": self.answers,
            "key": self.key,
            "copy": self.copy,
            "picture": self.picture,
        });
        let told = match &self.to {
            To { domain: Some(domain), .. } => ("domain", json!(domain.as_str())),
            To { everybody: true, .. } => ("everybody", json!(true)),
            To { users, .. } => ("users", json!(users.iter().map(ToString::to_string).collect::<Vec<_>>())),
        };
        if let Some(members) = body.as_object_mut() {
            members.insert(told.0.to_owned(), told.1);
            if self.must_answer || self.may_answer {
                members.insert("must_answer".to_owned(), json!(self.must_answer));
            }
        }
        body
    }
}

/// Runs the verb.
pub fn run(words: &Words, streams: &mut Streams<'_>) -> anyhow::Result<Ended> {
    let configuration = match words {
        Words::Send(sending) => &sending.configuration,
        Words::Show { configuration, .. } => configuration,
    };
    let Some(desk) = Desk::open(&configuration.file, streams)? else { return Ok(Ended::Failed) };
    match words {
        Words::Send(sending) => sent(&desk.tell("announcements", &sending.body())?, sending.json, streams),
        Words::Show { id, json, .. } => show(&desk, id, *json, streams),
    }
}

/// Failed if nobody was told.
fn sent(answer: &Value, json: bool, streams: &mut Streams<'_>) -> anyhow::Result<Ended> {
    if json {
        writeln!(streams.output, "{answer}")?;
    } else {
        writeln!(streams.output, "{} told", at(answer, "told"))?;
    }
    for user in at(answer, "left_out").as_array().into_iter().flatten() {
        writeln!(
            streams.errors,
            "causeway: {} was not told; there is no such account here, or it has too many announcements already",
            self::words(user)
        )?;
    }
    Ok(if at(answer, "told") == 0 { Ended::Failed } else { Ended::Done })
}

fn show(desk: &Desk, id: &str, json: bool, streams: &mut Streams<'_>) -> anyhow::Result<Ended> {
    anyhow::ensure!(
        !id.is_empty() && id.bytes().all(|c| c.is_ascii_alphanumeric() || b"-._".contains(&c)),
        "{id:?} is no id of an announcement; it has letters, digits, hyphens, dots and underscores"
    );
    let mut users: Vec<Value> = Vec::new();
    loop {
        let last = users.last().map(|user| words(at(user, "user")));
        let after = last.map(|last| format!("?after={}", coded(&last))).unwrap_or_default();
        let page = desk.ask(Method::GET, &format!("announcements/{id}{after}"))?;
        users.extend(at(&page, "users").as_array().into_iter().flatten().cloned());
        if at(&page, "more") != true {
            break;
        }
    }
    if json {
        writeln!(streams.output, "{}", Value::from(users))?;
        return Ok(Ended::Done);
    }
    let mut rows = vec![["USER", "ANSWERED", "ANSWER", "UNTIL"].map(str::to_owned).to_vec()];
    rows.extend(users.iter().map(|user| {
        let chosen = match (at(user, "chosen"), at(user, "answer")) {
            (Value::Null, _) => "-".to_owned(),
            (number, text) => format!("{number}. {}", words(text)),
        };
        vec![words(at(user, "user")), words(at(user, "answered")), chosen, words(at(user, "until"))]
    }));
    table(&rows, streams)?;
    Ok(Ended::Done)
}
