//! Floor 9: the words of the command line, one file a verb.
//!
//! Exit codes of all verbs: 0 done; 1 refused or failed, with one line on standard error that says why and
//! what to do; 2 wrong usage (architecture §4). A verb reads and writes through [`Streams`], so that tests run
//! it without a process.

mod admin;
pub mod announce;
pub mod audit;
pub mod backup;
pub mod block;
pub mod cert;
pub mod check;
pub mod client;
pub mod completions;
pub mod demo;
pub mod doctor;
pub mod laboratory;
pub mod peer;
pub mod phone;
pub mod portable;
pub mod queue;
pub mod serve;
pub mod trace;
pub mod user;

use std::ffi::OsString;
use std::io::{self, BufRead, Write};
use std::path::PathBuf;
use std::time::SystemTime;

use clap::{Args, Parser, Subcommand};

use crate::imps::{DateTime, Moment};

/// Done.
pub const DONE: u8 = 0;
/// Refused or failed.
pub const FAILED: u8 = 1;
/// Wrong usage.
pub const USAGE: u8 = 2;

/// Federated relay and Service Access Point for Wireless Village / OMA IMPS.
#[derive(Parser, Debug)]
#[command(name = "causeway", version, arg_required_else_help = true, disable_help_subcommand = true)]
struct Words {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand, Debug)]
enum Verb {
    /// Run a node until SIGTERM, which drains it
    Serve(serve::Words),
    /// Two federated providers on loopback: watch messages cross, then try them with a phone of your own
    Demo(demo::Words),
    /// Tell every mistake in the configuration, the certificates and DNS, without starting anything
    Check(check::Words),
    /// Log in as a user and talk: contacts, messages, groups, files
    Client(client::Words),
    /// Like check, and look outward: DNS, whether we are reached, and a peer step by step
    Doctor(doctor::Words),
    /// Make, list and remove accounts; a node may run meanwhile
    #[command(subcommand)]
    User(user::Words),
    /// Write accounts, lists, groups and shared content as JSON Lines; a node may run meanwhile
    Export(portable::Export),
    /// Take accounts, lists, groups and shared content from an export; a node may run meanwhile
    Import(portable::Import),
    /// Copy the whole store into a folder: accounts, queues, content; a node may run meanwhile
    Backup(backup::Backup),
    /// Put a backup into the data folder; no node may run there
    Restore(backup::Restore),
    /// The agreements of the running node and their links: look, suspend, resume, retry, test
    #[command(subcommand)]
    Peer(peer::Words),
    /// What waits for peers in the running node: look, retry, drop
    #[command(subcommand)]
    Queue(queue::Words),
    /// Tell users something as their provider, and see what they answer
    #[command(subcommand)]
    Announce(announce::Words),
    /// What operators did: show the record, and check that nobody changed it
    #[command(subcommand)]
    Audit(audit::Words),
    /// Show in the running node's log what one user or message says and hears, for a while
    #[command(subcommand)]
    Trace(trace::Words),
    /// Keep users and domains of others out of the running node: add, list, remove
    #[command(subcommand)]
    Block(block::Words),
    /// A private CA, certificates for domains, and what a certificate says
    #[command(subcommand)]
    Cert(cert::Words),
    /// A script that makes a shell complete these words
    Completions(completions::Words),
}

/// Where the configuration is.
#[derive(Args, Debug)]
pub struct Configuration {
    /// The node's configuration
    #[arg(long = "config", value_name = "FILE", default_value = "causeway.toml")]
    pub file: PathBuf,
}

/// Standard input, output and error of a verb.
pub struct Streams<'s> {
    /// Standard input.
    pub input: &'s mut dyn BufRead,
    /// Standard output.
    pub output: &'s mut dyn Write,
    /// Standard error.
    pub errors: &'s mut dyn Write,
}

/// How a verb ended that has already said all there is to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Exit code 0.
    Done,
    /// Exit code 1.
    Failed,
}

/// The program: words of the process's command line, its streams, its exit code.
pub fn main() -> u8 {
    // Not locked for as long as a verb runs: the client reads it on another thread.
    let mut input = io::BufReader::new(io::stdin());
    let mut streams = Streams { input: &mut input, output: &mut io::stdout(), errors: &mut io::stderr() };
    run(std::env::args_os(), &mut streams)
}

/// Runs the verb that the words name, program name first; gives the exit code.
pub fn run(words: impl IntoIterator<Item = OsString>, streams: &mut Streams<'_>) -> u8 {
    let words = match Words::try_parse_from(words) {
        Ok(words) => words,
        Err(told) => {
            // Help and version are answers, everything else is a mistake; a closed stream changes neither.
            let asked = told.exit_code() == 0;
            let stream: &mut dyn Write = if asked { streams.output } else { streams.errors };
            let _ = write!(stream, "{}", told.render());
            return if asked { DONE } else { USAGE };
        }
    };
    let ended = match words.verb {
        Verb::Serve(words) => serve::run(&words, streams),
        Verb::Demo(words) => demo::run(&words, streams),
        Verb::Check(words) => check::run(&words, streams),
        Verb::Client(words) => client::run(&words, streams),
        Verb::Doctor(words) => doctor::run(&words, streams),
        Verb::User(words) => user::run(&words, streams),
        Verb::Export(words) => portable::export(&words, streams),
        Verb::Import(words) => portable::import(&words, streams),
        Verb::Backup(words) => backup::back_up(&words, streams),
        Verb::Restore(words) => backup::restore(&words, streams),
        Verb::Peer(words) => peer::run(&words, streams),
        Verb::Queue(words) => queue::run(&words, streams),
        Verb::Announce(words) => announce::run(&words, streams),
        Verb::Audit(words) => audit::run(&words, streams),
        Verb::Trace(words) => trace::run(&words, streams),
        Verb::Block(words) => block::run(&words, streams),
        Verb::Cert(words) => cert::run(&words, streams),
        Verb::Completions(words) => completions::run(&words, streams),
    };
    match ended {
        Ok(Ended::Done) => DONE,
        Ok(Ended::Failed) => FAILED,
        Err(why) => {
            let line = format!("{why:#}").split_whitespace().collect::<Vec<_>>().join(" ");
            let _ = writeln!(streams.errors, "causeway: {line}");
            FAILED
        }
    }
}

/// The system's time, for verbs that end before time matters to them.
fn now() -> Moment {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Moment::from_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// The same in seconds, for dates.
fn today() -> DateTime {
    now().date_time()
}

#[cfg(test)]
pub(crate) mod testing {
    use super::*;

    /// What came of running the words with this input: exit code, output, errors.
    pub(crate) fn run(words: &[&str], input: &str) -> (u8, String, String) {
        let (mut output, mut errors) = (Vec::new(), Vec::new());
        let mut streams = Streams { input: &mut input.as_bytes(), output: &mut output, errors: &mut errors };
        let words = std::iter::once("causeway").chain(words.iter().copied()).map(OsString::from);
        let code = super::run(words, &mut streams);
        (code, String::from_utf8(output).unwrap(), String::from_utf8(errors).unwrap())
    }

    /// A folder of this test's own, removed at the end.
    pub(crate) struct Folder(pub(crate) PathBuf);

    impl Folder {
        pub(crate) fn new(name: &str) -> Self {
            let folder = std::env::temp_dir().join(format!("causeway-cli-{name}-{}", std::process::id()));
            let _ = std::fs::remove_dir_all(&folder);
            std::fs::create_dir_all(&folder).unwrap();
            Self(folder)
        }

        pub(crate) fn path(&self, name: &str) -> String {
            self.0.join(name).to_str().unwrap().to_owned()
        }

        pub(crate) fn write(&self, name: &str, text: &str) -> String {
            std::fs::write(self.0.join(name), text).unwrap();
            self.path(name)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::testing::run;
    use super::*;

    #[test]
    fn the_words_make_sense() {
        Words::command().debug_assert();
    }

    #[test]
    fn help_and_version_are_answers_and_unknown_words_are_wrong_usage() {
        let (code, output, errors) = run(&["--version"], "");
        assert_eq!(
            (code, output.as_str(), errors.as_str()),
            (DONE, concat!("causeway ", env!("CARGO_PKG_VERSION"), "\n"), "")
        );
        let (code, output, _) = run(&["--help"], "");
        assert_eq!(code, DONE);
        assert!(["check", "user", "cert"].iter().all(|verb| output.contains(verb)), "{output}");
        for words in [
            &["fly"][..],
            &["check", "--conf", "x"],
            &["user", "add"],
            &["cert", "issue", "dir"],
            &["user"],
            &[],
        ] {
            let (code, output, errors) = run(words, "");
            assert_eq!((code, output.as_str()), (USAGE, ""), "{words:?}");
            assert!(!errors.is_empty());
        }
    }
}
