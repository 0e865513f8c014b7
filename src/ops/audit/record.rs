//! One record: its fields, its line, its hash.

use std::fmt::Write as _;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::imps::Moment;

/// Octets of a text in a record; longer ones are cut.
pub const TEXT_OCTETS_MAX: usize = 512;
/// Octets of a line: every text full of characters that JSON writes with six octets, and the rest.
pub(super) const LINE_OCTETS_MAX: usize = 16 * 1024;
/// What the first record has for the hash of the one before it.
pub(super) const BEGINNING: &str = "0000000000000000000000000000000000000000000000000000000000000000";
/// Hexadecimal digits of a hash.
const HASH_DIGITS: usize = 64;
/// What stands between the fields that are hashed and the hash.
const HASH_FIELD: &str = ",\"hash\":\"";

/// By which way an operator acted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum By {
    /// A verb of the command line that works on the data folder itself.
    CommandLine,
    /// The admin API; verbs that ask the running node come this way too.
    AdminApi,
    /// A signal to the process.
    Signal,
    /// A file that was changed.
    File,
    /// The node itself: it starts, it stops, a time is over.
    Node,
}

impl By {
    /// As the log has it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CommandLine => "command-line",
            Self::AdminApi => "admin-api",
            Self::Signal => "signal",
            Self::File => "file",
            Self::Node => "node",
        }
    }
}

/// Who did it, as far as it can be known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Who {
    /// By which way.
    pub by: By,
    /// The local user: of the process that ran the verb, or that asked the admin API from this machine.
    pub uid: Option<u32>,
    /// Who became that user by `sudo`, as the environment of the verb says.
    pub sudo: Option<String>,
    /// From where the admin API was asked.
    pub from: Option<SocketAddr>,
}

/// What was done, and of whom or with what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Act {
    /// The verb, such as `user remove`.
    pub verb: &'static str,
    /// Its object: the address of a user, a domain, a number of a row, a file; empty if there is none.
    pub on: String,
    /// More about it, such as what was set; empty if there is nothing. Never a body, a password or a key.
    pub with: String,
}

impl Act {
    /// This verb, done with this.
    pub fn new(verb: &'static str, on: impl std::fmt::Display) -> Self {
        Self { verb, on: on.to_string(), with: String::new() }
    }

    /// The same, with more about it.
    #[must_use]
    pub fn with(self, with: impl Into<String>) -> Self {
        Self { with: with.into(), ..self }
    }
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was done.
    Done,
    /// It was refused, or failed; reasons are told to who asked and may hold what is nothing for a record.
    Refused,
}

impl Outcome {
    /// As the log has it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused => "refused",
        }
    }
}

/// What lies between a record and the one before it: a line that was not written to its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Torn {
    /// How many octets, ends of lines included.
    pub octets: u64,
    /// Their SHA-256 in hexadecimal digits.
    pub hash: String,
}

impl Torn {
    pub(super) fn of(octets: &[u8]) -> Self {
        Self { octets: octets.len() as u64, hash: sha256(octets) }
    }
}

/// A record as the file has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Its number: the first is 1, each next one more.
    pub seq: u64,
    /// When, in UTC, such as `2026-11-23T17:30:00Z`.
    pub time: String,
    /// By which way.
    pub by: By,
    /// [`Who::uid`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    /// [`Who::sudo`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sudo: Option<String>,
    /// [`Who::from`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// [`Act::verb`].
    pub act: String,
    /// [`Act::on`].
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub on: String,
    /// [`Act::with`].
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub with: String,
    /// How it ended: `done` or `refused`.
    pub outcome: String,
    /// A crash left a line before this one that is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub torn: Option<Torn>,
    /// [`Record::hash`] of the record before this one; zeros in the first.
    pub prev: String,
    /// SHA-256 in hexadecimal digits of the line without this field: of `{"seq":…,"prev":"…"}`.
    #[serde(default, skip_serializing)]
    pub hash: String,
}

impl Record {
    pub(super) fn new(now: Moment, who: &Who, act: &Act, outcome: Outcome) -> Self {
        Self {
            seq: 0,
            time: now.date_time().extended(),
            by: who.by,
            uid: who.uid,
            sudo: who.sudo.as_deref().map(cut),
            from: who.from.map(|from| from.to_string()),
            act: cut(act.verb),
            on: cut(&act.on),
            with: cut(&act.with),
            outcome: outcome.as_str().to_owned(),
            torn: None,
            prev: String::new(),
            hash: String::new(),
        }
    }

    /// The line, without its end; sets the hash.
    pub(super) fn line(&mut self) -> serde_json::Result<String> {
        let mut line = serde_json::to_string(self)?;
        self.hash = sha256(line.as_bytes());
        line.pop();
        line.push_str(HASH_FIELD);
        line.push_str(&self.hash);
        line.push_str("\"}");
        Ok(line)
    }

    /// Reads a line; `None`: it is no record.
    pub(super) fn read(line: &[u8]) -> Option<Self> {
        serde_json::from_slice(line).ok()
    }

    /// Whether this is the record of this line, unchanged since it was written.
    pub(super) fn is_whole(&self, line: &[u8]) -> bool {
        let field = HASH_FIELD.len() + HASH_DIGITS + "\"}".len();
        let Some((fields, _)) = line.len().checked_sub(field).and_then(|at| line.split_at_checked(at)) else {
            return false;
        };
        let fields = [fields, b"}"].concat();
        let ends = format!("{HASH_FIELD}{}\"}}", self.hash);
        line.ends_with(ends.as_bytes()) && sha256(&fields) == self.hash
    }
}

fn cut(text: &str) -> String {
    let mut end = text.len().min(TEXT_OCTETS_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default().to_owned()
}

fn sha256(octets: &[u8]) -> String {
    Sha256::digest(octets).iter().fold(String::with_capacity(HASH_DIGITS), |mut digits, octet| {
        // Writing into a text cannot fail.
        let _ = write!(digits, "{octet:02x}");
        digits
    })
}
