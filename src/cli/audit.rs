//! `causeway audit`: what operators did with the node, from its data folder or from a copy.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, bail};
use clap::{Args, Subcommand};

use super::user::settings;
use super::{Configuration, Ended, Streams, now};
use crate::imps::DateTime;
use crate::ops::audit::{self, Act, Audit, Expected, Outcome, Record, Verified, Who};

/// Words of the verb.
#[derive(Subcommand, Debug)]
pub enum Words {
    /// Every record, the oldest first: when, by which way and whom, what, of whom, how it ended
    Show {
        /// Where the log is.
        #[command(flatten)]
        place: Place,
        /// Only what was done since then: 2026-11-23, 2026-11-23T17:30:00Z, or 90s, 30m, 12h, 7d ago
        #[arg(long, value_name = "WHEN")]
        since: Option<String>,
        /// JSON Lines, as the log has them
        #[arg(long)]
        json: bool,
    },
    /// Check the chain: exit code 1 and the first fault if a record was changed, removed, inserted or moved
    Verify {
        /// Where the log is.
        #[command(flatten)]
        place: Place,
        /// A head that was kept: it must be in the log, which shows that its end was not cut off
        #[arg(long, value_name = "HASH")]
        expect: Option<String>,
        /// The hash of the last record that was taken away on purpose; the log begins behind it
        #[arg(long, value_name = "HASH")]
        begins_after: Option<String>,
    },
}

/// Where the log is.
#[derive(Args, Debug)]
pub struct Place {
    #[command(flatten)]
    configuration: Configuration,
    /// A copy of the log, instead of the data folder of the configuration
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
}

impl Place {
    fn folder(&self, streams: &mut Streams<'_>) -> anyhow::Result<Option<PathBuf>> {
        if let Some(folder) = &self.folder {
            return Ok(Some(folder.clone()));
        }
        Ok(settings(&self.configuration.file, streams)?.map(|settings| settings.node.data))
    }
}

/// Does what a verb does, and records it. It is not done if no record can be written; what cannot be recorded
/// afterwards is an error, too.
pub(super) fn recorded(
    data: &Path,
    act: &Act,
    work: impl FnOnce() -> anyhow::Result<Ended>,
) -> anyhow::Result<Ended> {
    let audit = Audit::at(data);
    audit.ready().context("not done")?;
    let done = work();
    let outcome = if matches!(done, Ok(Ended::Done)) { Outcome::Done } else { Outcome::Refused };
    let written = audit.record(now(), &Who::command_line(), act, outcome);
    match (done, written) {
        (Ok(_), Err(error)) if outcome == Outcome::Done => {
            Err(anyhow!(error).context("done, and not recorded"))
        }
        (done, _) => done,
    }
}

/// Runs the verb.
pub fn run(words: &Words, streams: &mut Streams<'_>) -> anyhow::Result<Ended> {
    match words {
        Words::Show { place, since, json } => {
            let since = since.as_deref().map(moment).transpose()?;
            let Some(folder) = place.folder(streams)? else { return Ok(Ended::Failed) };
            audit::each(&folder, |record, line| {
                // Times of this form are in the order of their letters.
                if since.as_ref().is_some_and(|since| record.time < *since) {
                    return Ok(());
                }
                if *json {
                    streams.output.write_all(line)?;
                    return streams.output.write_all(b"\n");
                }
                writeln!(streams.output, "{}", told(&record))
            })?;
            Ok(Ended::Done)
        }
        Words::Verify { place, expect, begins_after } => {
            let Some(folder) = place.folder(streams)? else { return Ok(Ended::Failed) };
            let hash = |text: &Option<String>| text.as_ref().map(|text| text.trim().to_ascii_lowercase());
            let expected = Expected { head: hash(expect), begins_after: hash(begins_after) };
            let found = audit::verify(&folder, &expected)?;
            say(&found, streams)?;
            Ok(Ended::Done)
        }
    }
}

fn say(found: &Verified, streams: &mut Streams<'_>) -> anyhow::Result<()> {
    for record in &found.torn {
        writeln!(streams.output, "before record {record} a line was torn by a crash; the record says so")?;
    }
    if found.torn_at_end > 0 {
        writeln!(
            streams.output,
            "{} octets at the end are no record: a crash while one was written, or somebody changed it; \
             --expect with a head that was kept tells which",
            found.torn_at_end
        )?;
    }
    if let Some(record) = found.expected {
        let more = found.last.saturating_sub(record);
        writeln!(streams.output, "the head that was kept is record {record}; {more} came after it")?;
    }
    writeln!(streams.output, "records: {}, the last is {}", found.records, found.last)?;
    writeln!(streams.output, "head: {}", found.head.as_deref().unwrap_or("none"))?;
    Ok(())
}

fn told(record: &Record) -> String {
    let from = record.from.as_ref().map(|from| format!(" from {from}")).unwrap_or_default();
    let uid = record.uid.map(|uid| format!(" uid {uid}")).unwrap_or_default();
    let sudo = record.sudo.as_ref().map(|name| format!(" ({name})")).unwrap_or_default();
    let who = format!("{}{from}{uid}{sudo}", record.by.as_str());
    let words = [record.time.as_str(), &who, &record.act, &record.on, &record.with, &record.outcome];
    let words: Vec<_> = words.into_iter().filter(|word| !word.is_empty()).collect();
    format!("{}  {}", record.seq, words.join("  "))
}

/// A moment as records have it.
fn moment(text: &str) -> anyhow::Result<String> {
    let found = DateTime::parse(text)
        .or_else(|| DateTime::parse(&format!("{text}T00:00:00Z")))
        .or_else(|| Some(DateTime::from_unix(now().date_time().unix().checked_sub(ago(text)?)?)));
    let Some(found) = found else {
        bail!("{text:?} is no moment; allowed: 2026-11-23, 2026-11-23T17:30:00Z, 90s, 30m, 12h, 7d");
    };
    Ok(found.extended())
}

/// Seconds, of a number with a unit.
pub(super) fn ago(text: &str) -> Option<i64> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return None,
    };
    i64::from(number.parse::<u32>().ok()?).checked_mul(seconds)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Folder, run};
    use super::super::{DONE, FAILED};

    #[test]
    fn what_was_done_on_the_command_line_is_shown_and_verified_and_a_change_is_found() {
        let folder = Folder::new("audit");
        let file = folder.write("causeway.toml", "[node]\ndomains = [\"north.example\"]\n");
        let verb = |words: &[&str], input: &str| run(&[words, &["--config", &file]].concat(), input);
        assert_eq!(verb(&["user", "add", "ada"], "mountain-goat\n").0, DONE);
        assert_eq!(verb(&["user", "add", "ada"], "mountain-goat\n").0, FAILED);
        assert_eq!(verb(&["user", "passwd", "ada"], "river-trout\n").0, DONE);
        assert_eq!(verb(&["user", "set", "ada", "status=barred", "PP_CITY=Turin"], "").0, DONE);
        assert_eq!(verb(&["user", "profile", "ada", "PP_CITY=Turin"], "").0, DONE);
        assert_eq!(verb(&["user", "show", "ada"], "").0, DONE);
        assert_eq!(verb(&["user", "list"], "").0, DONE);
        let export = folder.path("export");
        assert_eq!(verb(&["export", "--output", &export, "--passwords", "clear"], "").0, DONE);
        assert_eq!(verb(&["import", &export, "--skip-existing"], "").0, DONE);
        assert_eq!(verb(&["user", "erase", "ada"], "").0, DONE);
        assert_eq!(verb(&["user", "remove", "ada"], "").0, FAILED);

        let (code, shown, _) = verb(&["audit", "show"], "");
        assert_eq!(code, DONE);
        let ada = "wv:ada@north.example";
        for (line, words) in shown.lines().zip([
            format!("user add  {ada}  done"),
            format!("user add  {ada}  refused"),
            format!("user passwd  {ada}  done"),
            format!("user set  {ada}  status=barred PP_CITY  done"),
            format!("user profile  {ada}  PP_CITY  done"),
            format!("user show  {ada}  done"),
            "user list  done".to_owned(),
            format!("export  {export}  passwords clear  done"),
            format!("import  {export}  done"),
            format!("user erase  {ada}  done"),
            format!("user remove  {ada}  refused"),
        ]) {
            assert!(line.ends_with(&words) && line.contains("  command-line uid "), "{line} / {words}");
        }
        assert_eq!(shown.lines().count(), 11);
        let log = std::fs::read_to_string(folder.path("data/audit.jsonl")).unwrap();
        for secret in ["goat", "trout", "Turin"] {
            assert!(!log.contains(secret), "{secret} is in the log");
        }
        assert_eq!(verb(&["audit", "show", "--json"], "").1, log);
        assert_eq!(verb(&["audit", "show", "--since", "2999-01-01"], "").1, "");
        assert_eq!(verb(&["audit", "show", "--since", "1h"], "").1, shown);
        assert_eq!(verb(&["audit", "show", "--since", "soon"], "").0, FAILED);

        let (code, said, _) = verb(&["audit", "verify"], "");
        assert_eq!(code, DONE);
        let head = said.lines().last().unwrap().strip_prefix("head: ").unwrap().to_owned();
        assert_eq!(verb(&["audit", "verify", "--expect", &head], "").0, DONE);
        let shorter = log.split_inclusive('\n').take(10).collect::<String>();
        folder.write("data/audit.jsonl", &shorter);
        assert_eq!(verb(&["audit", "verify"], "").0, DONE, "the end alone can go unseen");
        let (code, _, errors) = verb(&["audit", "verify", "--expect", &head], "");
        assert!(code == FAILED && errors.contains("cut off"), "{errors}");
        folder.write("data/audit.jsonl", &log.replace("status=barred", "status=active"));
        let (code, _, errors) = verb(&["audit", "verify", "--folder", &folder.path("data")], "");
        assert!(code == FAILED && errors.contains("audit.jsonl, line 4: record 4 was changed"), "{errors}");
    }

    #[test]
    fn a_verb_is_not_done_if_it_cannot_be_recorded() {
        let folder = Folder::new("unrecorded");
        let file = folder.write("causeway.toml", "[node]\ndomains = [\"north.example\"]\n");
        std::fs::create_dir_all(folder.path("data/audit.jsonl")).unwrap();
        let (code, _, errors) = run(&["user", "add", "ada", "--config", &file], "secret\n");
        assert!(code == FAILED && errors.starts_with("causeway: not done: the audit log"), "{errors}");
        assert_eq!(run(&["user", "list", "--config", &file], "").0, FAILED);
    }
}
