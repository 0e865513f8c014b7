//! `causeway backup` and `causeway restore`: the whole store in a folder, and back.

use std::path::PathBuf;

use anyhow::Context as _;

use super::audit::recorded;
use super::user::settings;
use super::{Configuration, Ended, Streams};
use crate::ops::audit::Act;
use crate::store::sqlite::backup::{self, Copied};

/// Words of `backup`.
#[derive(clap::Args, Debug)]
pub struct Backup {
    /// The folder to make; it must not be there yet
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
    #[command(flatten)]
    configuration: Configuration,
    /// Leave the secret key out, which opens the passwords: without it the backup cannot be restored, so keep it elsewhere
    #[arg(long)]
    without_key: bool,
}

/// Words of `restore`.
#[derive(clap::Args, Debug)]
pub struct Restore {
    /// A folder that `backup` has made
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
    #[command(flatten)]
    configuration: Configuration,
    /// Put the backup in the place of the store that is there, and of its secret key, which are gone then
    #[arg(long)]
    replace: bool,
}

fn told(copied: &Copied) -> String {
    let Copied { accounts, mailbox, outbox, content, lost: _ } = copied;
    format!(
        "{accounts} accounts, {mailbox} messages for them, {outbox} for peers, {content} items of content"
    )
}

/// Runs `backup`.
pub fn back_up(words: &Backup, streams: &mut Streams<'_>) -> anyhow::Result<Ended> {
    let Some(settings) = settings(&words.configuration.file, streams)? else { return Ok(Ended::Failed) };
    let node = &settings.node;
    let key = (!words.without_key).then_some(node.secret_key.as_path());
    let with = if key.is_some() { "with the secret key" } else { "without the secret key" };
    let act = Act::new("backup", words.folder.display()).with(with);
    recorded(&node.data, &act, || {
        let copied = backup::back_up(&node.data, key, &words.folder)?;
        for id in &copied.lost {
            writeln!(streams.errors, "warning: the octets of shared content {id} are lost: it is left out")?;
        }
        writeln!(streams.output, "{}", told(&copied))?;
        if key.is_some() {
            writeln!(
                streams.output,
                "the secret key is in it: whoever has the backup can read every password"
            )?;
        } else {
            let key = node.secret_key.display();
            writeln!(streams.output, "of no use without the secret key, which is not in it: keep {key}")?;
        }
        Ok(Ended::Done)
    })
}

/// Runs `restore`.
pub fn restore(words: &Restore, streams: &mut Streams<'_>) -> anyhow::Result<Ended> {
    let Some(settings) = settings(&words.configuration.file, streams)? else { return Ok(Ended::Failed) };
    let node = &settings.node;
    // The record of it lies there.
    backup::make_data(&node.data).context("the data folder cannot be made")?;
    let act = Act::new("restore", words.folder.display()).with(if words.replace { "replace" } else { "" });
    recorded(&node.data, &act, || {
        let copied = backup::restore(&words.folder, &node.data, &node.secret_key, words.replace)?;
        writeln!(streams.output, "{}", told(&copied))?;
        Ok(Ended::Done)
    })
}
