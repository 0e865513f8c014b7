//! `causeway user`: accounts, straight in the store.
//!
//! It works with the node running or not, and before its first start too. A password is read as one line from
//! standard input, so that it stands neither in the list of processes nor in the history of a shell.

use std::io::BufRead;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, anyhow, bail};
use clap::Subcommand;
use zeroize::Zeroizing;

use super::audit::recorded;
use super::{Configuration, Ended, Streams, now};
use crate::config::{self, Severity, StoreSettings};
use crate::element::common::profile::operators_change;
use crate::imps::{Domain, Terms, UserId};
use crate::ops::audit::Act;
use crate::ops::user::{Whole, without_personal_values};
use crate::relay::ports::{
    Account, Change, CommonChange, CommonStore as _, ContentChange, ContentStore as _, Outcome, Store,
};
use crate::store::seal::{PASSWORD_OCTETS_MAX, Sealer};
use crate::store::sqlite::{self, Sqlite};

/// Pieces of litter that are removed at a time.
const LITTER_PAGE: usize = 200;

/// Words of the verb.
#[derive(Subcommand, Debug)]
pub enum Words {
    /// Make an account; the password is one line on standard input
    Add(One),
    /// One address a line
    List {
        /// Where the store is.
        #[command(flatten)]
        configuration: Configuration,
        /// A JSON list instead
        #[arg(long)]
        json: bool,
    },
    /// Remove an account with everything that is its own
    Remove(One),
    /// Remove an account, and every mention of it in what others have; groups that it made go too
    Erase(One),
    /// Set another password, for the next login; it is one line on standard input
    Passwd(One),
    /// Show everything that is known of a user: services, preferences, privacy, terminals, what others find it by
    Show {
        /// Whose.
        #[command(flatten)]
        one: One,
        /// JSON instead of lines
        #[arg(long)]
        json: bool,
    },
    /// Change what is agreed with a user, one NAME=VALUE after the other, all of them or none
    Set {
        /// Whose.
        #[command(flatten)]
        one: One,
        /// What to set: status=active|barred, services=all|none|im,presence,…, offline=store|reject,
        /// block-list=on|off, grant-list=on|off, or what `profile` sets
        #[arg(value_name = "NAME=VALUE", required = true)]
        set: Vec<String>,
    },
    /// Show or change what others find a user by, one NAME=VALUE a line
    Profile {
        /// Whose.
        #[command(flatten)]
        one: One,
        /// What to set, such as USER_LAST_NAME=Lovelace or PP_CITY=London; nothing behind = forgets it
        #[arg(value_name = "NAME=VALUE")]
        set: Vec<String>,
    },
}

/// An account, and where it is.
#[derive(clap::Args, Debug)]
pub struct One {
    /// The user, such as ada@north.example; wv: may be left out, and the domain if it is the node's first
    #[arg(value_name = "ADDRESS")]
    user: UserId,
    #[command(flatten)]
    configuration: Configuration,
}

/// Runs the verb.
pub fn run(words: &Words, streams: &mut Streams<'_>) -> anyhow::Result<Ended> {
    let file = match words {
        Words::Add(one)
        | Words::Remove(one)
        | Words::Erase(one)
        | Words::Passwd(one)
        | Words::Show { one, .. }
        | Words::Set { one, .. }
        | Words::Profile { one, .. } => &one.configuration.file,
        Words::List { configuration, .. } => &configuration.file,
    };
    let Some(settings) = settings(file, streams)? else { return Ok(Ended::Failed) };
    recorded(&settings.node.data, &act(words, &settings.node.domains), || {
        carry_out(words, &settings, streams)
    })
}

/// What the audit log says of it: the user with its domain, if it can be one of this node's.
fn act(words: &Words, domains: &[Domain]) -> Act {
    let (verb, one) = match words {
        Words::Add(one) => ("user add", one),
        Words::Remove(one) => ("user remove", one),
        Words::Erase(one) => ("user erase", one),
        Words::Passwd(one) => ("user passwd", one),
        Words::Show { one, .. } => ("user show", one),
        Words::Set { one, .. } => ("user set", one),
        Words::Profile { one, set } if set.is_empty() => ("user show", one),
        Words::Profile { one, .. } => ("user profile", one),
        Words::List { .. } => return Act::new("user list", ""),
    };
    let set = match words {
        Words::Set { set, .. } | Words::Profile { set, .. } => without_personal_values(set),
        _ => String::new(),
    };
    let user = own(&one.user, domains).unwrap_or_else(|_| one.user.clone());
    Act::new(verb, user).with(set)
}

fn carry_out(words: &Words, settings: &StoreSettings, streams: &mut Streams<'_>) -> anyhow::Result<Ended> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().build().context("the store cannot be asked")?;
    match words {
        Words::Add(one) => {
            let user = own(&one.user, &settings.node.domains)?;
            let password = password(streams.input)?;
            let sealed_password = seal(settings, &user, &password)?;
            let account =
                Account { user: user.clone(), sealed_password, created: now(), terms: Terms::default() };
            match commit(&runtime, settings, Change::AddAccount(account))? {
                Outcome::Duplicate => {
                    bail!("{user} exists already; `causeway user passwd` sets another password")
                }
                _ => Ok(Ended::Done),
            }
        }
        Words::Passwd(one) => {
            let user = own(&one.user, &settings.node.domains)?;
            let password = password(streams.input)?;
            let sealed_password = seal(settings, &user, &password)?;
            found(
                &user,
                commit(&runtime, settings, Change::SetPassword { user: user.clone(), sealed_password })?,
            )
        }
        Words::Show { one, json } => {
            let user = own(&one.user, &settings.node.domains)?;
            let Some(whole) = runtime.block_on(Whole::read(&open(settings)?, &user))? else {
                return found(&user, Outcome::Missing);
            };
            if *json {
                writeln!(streams.output, "{}", whole.to_json())?;
            } else {
                for line in whole.lines() {
                    writeln!(streams.output, "{line}")?;
                }
            }
            Ok(Ended::Done)
        }
        Words::Set { one, set } => {
            let user = own(&one.user, &settings.node.domains)?;
            let store = open(settings)?;
            let Some(whole) = runtime.block_on(Whole::read(&store, &user))? else {
                return found(&user, Outcome::Missing);
            };
            let outcomes = runtime.block_on(store.commit(whole.changes(set)?))?;
            store.close();
            if outcomes.contains(&Outcome::Conflict) {
                bail!("{user} changed its lists meanwhile; try again");
            }
            found(&user, outcomes.into_iter().next().unwrap_or(Outcome::Missing))
        }
        Words::Profile { one, set } if set.is_empty() => {
            let user = own(&one.user, &settings.node.domains)?;
            let profiles = runtime.block_on(open(settings)?.profiles(vec![user.clone()]))?;
            let Some(profile) = profiles.into_iter().flatten().next() else {
                return found(&user, Outcome::Missing);
            };
            for property in profile {
                writeln!(streams.output, "{}={}", property.name, property.value.unwrap_or_default())?;
            }
            Ok(Ended::Done)
        }
        Words::Profile { one, set } => {
            let user = own(&one.user, &settings.node.domains)?;
            let change = operators_change(set.iter().map(String::as_str))?;
            let change = CommonChange::SetProfile { user: user.clone(), change };
            found(&user, commit(&runtime, settings, Change::Common(change))?)
        }
        Words::Remove(one) => {
            let user = own(&one.user, &settings.node.domains)?;
            remove(&runtime, settings, &user, Change::RemoveAccount(user.clone()))
        }
        Words::Erase(one) => {
            let user = own(&one.user, &settings.node.domains)?;
            remove(&runtime, settings, &user, Change::EraseAccount(user.clone()))
        }
        Words::List { json, .. } => {
            let accounts = runtime.block_on(open(settings)?.all_accounts())?;
            if *json {
                let users: Vec<_> = accounts.iter().map(|account| account.user.as_str()).collect();
                writeln!(streams.output, "{}", serde_json::json!(users))?;
            } else {
                for account in accounts {
                    writeln!(streams.output, "{}", account.user)?;
                }
            }
            Ok(Ended::Done)
        }
    }
}

/// What the store needs to know; mistakes in the file are told as by `check`.
pub(super) fn settings(file: &Path, streams: &mut Streams<'_>) -> anyhow::Result<Option<StoreSettings>> {
    let loaded = config::load_for_store(file);
    for finding in loaded.findings.iter().filter(|finding| finding.severity == Severity::Error) {
        writeln!(streams.errors, "{finding}")?;
    }
    Ok(loaded.settings)
}

pub(super) fn open(settings: &StoreSettings) -> anyhow::Result<Sqlite> {
    Sqlite::open(&sqlite::Settings {
        queue_bytes_per_peer: settings.limits.queue_bytes_per_peer,
        queue_bytes_per_user: settings.limits.queue_bytes_per_user,
        ..sqlite::Settings::at(&settings.node.data)
    })
    .context("the store cannot be opened")
}

fn commit(
    runtime: &tokio::runtime::Runtime,
    settings: &StoreSettings,
    change: Change,
) -> anyhow::Result<Outcome> {
    let store = open(settings)?;
    let outcomes = runtime.block_on(store.commit(vec![change]))?;
    store.close();
    outcomes.into_iter().next().ok_or_else(|| anyhow!("the store gave no answer; try again"))
}

/// Removes an account, and the files that were its own, whether a node runs or not.
fn remove(
    runtime: &tokio::runtime::Runtime,
    settings: &StoreSettings,
    user: &UserId,
    change: Change,
) -> anyhow::Result<Ended> {
    let store = open(settings)?;
    let outcome = runtime.block_on(async {
        let outcomes = store.commit(vec![change]).await?;
        clear_litter(&store).await?;
        anyhow::Ok(outcomes.first().copied().unwrap_or(Outcome::Missing))
    })?;
    store.close();
    found(user, outcome)
}

/// Removes the octets of shared content that nobody owns at this moment.
pub(super) async fn clear_litter(store: &Sqlite) -> anyhow::Result<()> {
    loop {
        let page = store.litter(now(), LITTER_PAGE).await?;
        if page.is_empty() {
            return Ok(());
        }
        let mut swept = Vec::with_capacity(page.len());
        for id in page {
            store.remove_octets(id.clone()).await?;
            swept.push(Change::Content(ContentChange::Swept(id)));
        }
        store.commit(swept).await?;
    }
}

fn found(user: &UserId, outcome: Outcome) -> anyhow::Result<Ended> {
    match outcome {
        Outcome::Missing => bail!("{user} does not exist; `causeway user list` shows who does"),
        _ => Ok(Ended::Done),
    }
}

fn seal(settings: &StoreSettings, user: &UserId, password: &str) -> anyhow::Result<Arc<[u8]>> {
    Ok(Sealer::open(&settings.node.secret_key)?.seal(user, password)?.into())
}

/// The user with its domain, which must be served here.
fn own(user: &UserId, domains: &[Domain]) -> anyhow::Result<UserId> {
    let first = domains.first().context("no domain is served here; node.domains lists them")?;
    let user = user.completed(first);
    if !domains.iter().any(|domain| user.is_in(domain)) {
        let domains = domains.iter().map(Domain::as_str).collect::<Vec<_>>().join(", ");
        bail!("{user} is not served here; the domains of this node are {domains}");
    }
    if user.resource().is_some() {
        bail!("{user} is the address of a list or group, not of a user; write it without the slash");
    }
    Ok(user)
}

/// One line without its end; the rest of the input is not looked at.
fn password(input: &mut dyn BufRead) -> anyhow::Result<Zeroizing<String>> {
    let limit = u64::try_from(PASSWORD_OCTETS_MAX + 2).unwrap_or(u64::MAX);
    let mut line = Zeroizing::new(String::with_capacity(PASSWORD_OCTETS_MAX + 2));
    std::io::Read::take(input, limit)
        .read_line(&mut line)
        .context("the password could not be read; give it as one line of UTF-8 on standard input")?;
    let password = Zeroizing::new(line.trim_end_matches(['\r', '\n']).to_owned());
    if password.is_empty() {
        bail!("no password; give it as one line on standard input");
    }
    if password.len() > PASSWORD_OCTETS_MAX {
        bail!("the password is too long; at most {PASSWORD_OCTETS_MAX} octets are allowed");
    }
    Ok(password)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Folder, run};
    use super::super::{DONE, FAILED, USAGE};
    use super::*;

    fn node(folder: &Folder) -> String {
        folder.write("causeway.toml", "[node]\ndomains = [\"north.example\", \"east.example\"]\n")
    }

    /// The password as the store has it.
    fn stored(folder: &Folder, user: &str) -> String {
        let store = Sqlite::open(&sqlite::Settings::at(folder.path("data"))).unwrap();
        let user: UserId = user.parse().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let account = runtime.block_on(store.accounts(vec![user.clone()])).unwrap().remove(0).unwrap();
        let sealer = Sealer::read(Path::new(&folder.path("data/secret.key"))).unwrap();
        sealer.unseal(&user, &account.sealed_password).unwrap().to_string()
    }

    #[test]
    fn accounts_are_made_listed_changed_and_removed_before_the_first_start() {
        let folder = Folder::new("user");
        let file = node(&folder);
        let user = |action: &str, address: &str, input: &str| {
            run(&["user", action, address, "--config", &file], input)
        };
        let list = || run(&["user", "list", "--config", &file], "");
        assert_eq!(list(), (DONE, String::new(), String::new()));
        assert_eq!(user("add", "wv:ada@north.example", "secret one\n"), (DONE, String::new(), String::new()));
        assert_eq!(user("add", "bob", "b\r\n").0, DONE);
        assert_eq!(user("add", "Eve@EAST.example", "e").0, DONE);
        assert_eq!(list().1, "wv:ada@north.example\nwv:bob@north.example\nwv:Eve@east.example\n");
        assert_eq!(stored(&folder, "ada@north.example"), "secret one");
        assert_eq!(stored(&folder, "bob@north.example"), "b");

        assert_eq!(
            user("add", "ADA@north.example", "other\n"),
            (FAILED, String::new(), "causeway: wv:ADA@north.example exists already; `causeway user passwd` sets another password\n".to_owned())
        );
        assert_eq!(stored(&folder, "ada@north.example"), "secret one");
        assert_eq!(user("passwd", "ada", "secret two\nmore\n").0, DONE);
        assert_eq!(stored(&folder, "ada@north.example"), "secret two");

        assert_eq!(user("remove", "ada@north.example", "").0, DONE);
        let (code, _, errors) = user("remove", "ada@north.example", "");
        assert_eq!(
            (code, errors.as_str()),
            (FAILED, "causeway: wv:ada@north.example does not exist; `causeway user list` shows who does\n")
        );
        assert_eq!(user("passwd", "ada@north.example", "x\n").0, FAILED);
        let (_, output, _) = run(&["user", "list", "--json", "--config", &file], "");
        assert_eq!(output, "[\"wv:bob@north.example\",\"wv:Eve@east.example\"]\n");
    }

    #[test]
    fn a_profile_is_set_and_shown() {
        let folder = Folder::new("user-profile");
        let file = node(&folder);
        let profile =
            |pairs: &[&str]| run(&[&["user", "profile", "ada", "--config", &file], pairs].concat(), "");
        assert_eq!(profile(&["PP_CITY=Lund"]).0, FAILED, "there is no such user yet");
        assert_eq!(profile(&[]).0, FAILED);
        run(&["user", "add", "ada", "--config", &file], "x\n");
        assert_eq!(
            profile(&["USER_LAST_NAME=Lovelace", "PP_CITY=London"]),
            (DONE, String::new(), String::new())
        );
        assert_eq!(profile(&[]).1, "PP_CITY=London\nUSER_LAST_NAME=Lovelace\n");
        assert_eq!(profile(&["PP_CITY="]).0, DONE);
        assert_eq!(profile(&[]).1, "USER_LAST_NAME=Lovelace\n");
        let (code, _, errors) = profile(&["SHOE=44"]);
        assert_eq!(code, FAILED);
        assert!(errors.contains("USER_FIRST_NAME"), "{errors}");
    }

    #[test]
    fn everything_that_is_known_of_a_user_is_shown_and_what_is_agreed_is_set() {
        let folder = Folder::new("user-show");
        let file = node(&folder);
        let user = |words: &[&str]| run(&[&["user"], words, &["--config", &file]].concat(), "");
        assert_eq!(user(&["show", "ada"]).0, FAILED, "there is no such user yet");
        assert_eq!(user(&["set", "ada", "status=barred"]).0, FAILED);
        run(&["user", "add", "ada", "--config", &file], "x\n");
        let shown = user(&["show", "ada"]).1;
        let agreed = "status=active\nservices=all\noffline=store\nblock-list=on\ngrant-list=off\n";
        assert!(
            shown.starts_with("address=wv:ada@north.example\ncreated=") && shown.contains(agreed),
            "{shown}"
        );
        let set = ["set", "ada", "services=im,presence", "offline=reject", "block-list=off", "PP_CITY=Lund"];
        assert_eq!(user(&set), (DONE, String::new(), String::new()));
        let shown = user(&["show", "ada"]).1;
        let agreed = "services=presence,im\noffline=reject\nblock-list=off\n";
        assert!(shown.contains(agreed) && shown.ends_with("waiting=0\nPP_CITY=Lund\n"), "{shown}");
        let json: serde_json::Value = serde_json::from_str(&user(&["show", "ada", "--json"]).1).unwrap();
        assert_eq!(
            (&json["services"], &json["status"]),
            (&serde_json::json!(["presence", "im"]), &"active".into())
        );
        assert_eq!(json["privacy"]["block_list"], serde_json::json!({ "in_use": false, "entries": 0 }));
        assert_eq!(json["profile"]["PP_CITY"], "Lund");
        // All of them or none
        for (wrong, why) in
            [("offline=maybe", "store, reject"), ("shoes=44", "grant-list"), ("grant-list=1", "on, off")]
        {
            let (code, _, errors) = user(&["set", "ada", "status=barred", wrong]);
            assert!(code == FAILED && errors.contains(why), "{errors}");
        }
        assert!(user(&["show", "ada"]).1.contains("status=active"));
        assert_eq!(user(&["set", "ada"]).0, USAGE);
    }

    #[test]
    fn what_cannot_be_an_account_is_refused_with_a_reason() {
        let folder = Folder::new("user-bad");
        let file = node(&folder);
        let add = |address: &str, input: &str| run(&["user", "add", address, "--config", &file], input);
        for (address, input, why) in [
            (
                "ada@south.example",
                "x\n",
                "wv:ada@south.example is not served here; the domains of this node are north.example, east.example",
            ),
            (
                "ada/friends",
                "x\n",
                "wv:ada/friends@north.example is the address of a list or group, not of a user; write it without the slash",
            ),
            ("ada", "", "no password; give it as one line on standard input"),
            ("ada", "\n", "no password; give it as one line on standard input"),
        ] {
            assert_eq!(add(address, input), (FAILED, String::new(), format!("causeway: {why}\n")));
        }
        let (code, _, errors) = add("ada", &"x".repeat(2000));
        assert_eq!(code, FAILED);
        assert!(errors.contains("too long"), "{errors}");
        assert_eq!(add("a<b", "x\n").0, USAGE);
        let made = std::fs::read_dir(folder.path("data")).unwrap().map(|entry| entry.unwrap().file_name());
        assert!(
            made.into_iter().all(|name| name.to_str().unwrap().starts_with("audit.")),
            "nothing was made"
        );
    }

    #[test]
    fn a_bad_configuration_is_told_like_check_does() {
        let folder = Folder::new("user-config");
        let file = folder.write("causeway.toml", "[node]\n");
        let (code, _, errors) = run(&["user", "list", "--config", &file], "");
        assert_eq!(code, FAILED);
        assert!(errors.starts_with(&format!("{file}:1:1: error: node.domains: is missing")), "{errors}");
    }
}
