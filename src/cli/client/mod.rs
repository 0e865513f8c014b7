//! `causeway client`: a Wireless Village client in a terminal, or in a script.
//!
//! Lines that are typed are said to whom one talks with, lines that begin with `/` are commands; what others
//! say is printed above the prompt. It speaks CSP over HTTP or HTTPS in any version and encoding, through
//! [`super::phone`], and polls, or is called over TCP where the provider does so. It outlives lost connections and sessions.
//!
//! ```text
//! terminal (lines) ─▶ command ─▶ does ─┐
//! screen ◀── hears ◀──────────── talk ─┴─▶ phone ─▶ provider
//! ```

mod command;
mod does;
mod hears;
mod show;
mod talk;
mod terminal;
mod wake;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use rustls::ClientConfig;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};
use zeroize::Zeroizing;

use self::does::Next;
use self::talk::{Talk, Trouble};
use self::terminal::Screen;
use self::wake::Wake;
use super::phone::{Manner, Phone, Server};
use super::{Ended, Streams};
use crate::imps::primitive::ClientType;
use crate::imps::{UserId, Version};
use crate::net::tls;
use crate::wire::Encoding;

/// Between two polls where the provider names no interval, seconds.
const POLL_SECONDS: f64 = 2.0;
/// Longest interval between polls that a provider can ask for, seconds.
const POLL_SECONDS_MAX: f64 = 60.0;
/// The same where the provider calls when something waits: only in case a call is lost.
const CALLED: Duration = Duration::from_secs(30);
/// Between attempts to reach a lost provider: the first pause, doubled each time.
const RETRY: Duration = Duration::from_secs(1);
/// The longest pause.
const RETRY_MAX: Duration = Duration::from_secs(30);
/// How long the provider has to answer the logout.
const LOGOUT_LIMIT: Duration = Duration::from_secs(3);
/// Where systems keep the CAs they trust.
const SYSTEM_AUTHORITIES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Words of the verb.
#[derive(clap::Args, Debug)]
pub struct Words {
    /// Where the provider is, such as `http://imps.north.example:8080/`
    #[arg(long)]
    url: String,
    /// Who logs in, such as ada@north.example; the password is the first line of standard input
    #[arg(long, value_name = "ADDRESS")]
    user: UserId,
    /// CSP version: 1.1, 1.2 or 1.3
    #[arg(long, default_value = "1.2", value_parser = version)]
    version: Version,
    /// xml or wbxml
    #[arg(long, default_value = "xml", value_parser = encoding)]
    encoding: Encoding,
    /// Send the password itself instead of a digest; a new account is made in this way only
    #[arg(long)]
    plain: bool,
    /// Name of this client, which tells it from other clients of the user
    #[arg(long, value_name = "NAME", default_value = "causeway-client")]
    device: String,
    /// CAs that may vouch for an https server, in PEM; else those of the system
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Seconds between polls, if not those the provider asks for
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    poll: Option<Duration>,
}

fn version(text: &str) -> Result<Version, String> {
    Version::ALL
        .into_iter()
        .find(|version| version.as_str() == text)
        .ok_or_else(|| "1.1, 1.2 and 1.3 are spoken".to_owned())
}

fn encoding(text: &str) -> Result<Encoding, String> {
    [Encoding::Xml, Encoding::Wbxml]
        .into_iter()
        .find(|encoding| encoding.as_str() == text)
        .ok_or_else(|| "xml and wbxml are spoken".to_owned())
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "seconds, such as 0.5".to_owned())?;
    if (0.01..=3600.0).contains(&seconds) {
        Ok(Duration::from_secs_f64(seconds))
    } else {
        Err("from 0.01 to 3600 seconds".to_owned())
    }
}

/// Runs the verb. Lines are read from the process's standard input, on a thread of their own.
pub fn run(words: &Words, streams: &mut Streams<'_>) -> anyhow::Result<Ended> {
    let server = Server::new(&words.url, || authorities(words.ca.as_deref()))?;
    let manner = Manner { version: words.version, encoding: words.encoding, digest: !words.plain };
    let phone =
        Phone::new(server, words.user.clone(), &words.device, manner).of_type(ClientType::Cli).to_be_called();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("the runtime cannot be started")?;
    let screen = Screen::new(streams.output);
    let refused = runtime.block_on(talk(phone, screen, words.poll))?;
    // What was started on this runtime is connections only.
    runtime.shutdown_background();
    if refused > 0 {
        let what = if refused == 1 { "1 line was" } else { &format!("{refused} lines were") };
        bail!("{what} not carried out; the lines that begin with ! say why");
    }
    Ok(Ended::Done)
}

/// TLS with the CAs of this file, else those of the system.
fn authorities(file: Option<&Path>) -> Result<Arc<ClientConfig>, String> {
    let file = match file {
        Some(file) => file,
        None => SYSTEM_AUTHORITIES
            .iter()
            .map(Path::new)
            .find(|file| file.exists())
            .ok_or("this system keeps no CAs; --ca FILE names them")?,
    };
    let wrong = |error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
    let pem = std::fs::read(file).map_err(|error| wrong(&error))?;
    tls::client_dialler(&pem).map_err(|error| wrong(&error))
}

/// Everything from the password to the logout; how many lines of a script were not carried out.
async fn talk(phone: Phone, mut screen: Screen<'_>, every: Option<Duration>) -> anyhow::Result<u32> {
    let mut lines = terminal::lines();
    let Some(password) = terminal::password(&mut lines, &mut screen).await else {
        bail!("no password; it is the first line of standard input");
    };
    let mut talk = Talk::new(phone, Zeroizing::new(password), screen);
    let mut terminate = signal(SignalKind::terminate()).context("signals cannot be listened to")?;
    let ended = tokio::select! {
        ended = converse(&mut talk, &mut lines, every) => ended,
        _ = tokio::signal::ctrl_c() => Ok(0),
        _ = terminate.recv() => Ok(0),
    };
    if talk.phone.session().is_some() {
        // The provider ends the session by itself if it does not hear of it.
        let _ = timeout(LOGOUT_LIMIT, talk.phone.logout()).await;
    }
    if talk.screen.is_interactive() {
        talk.screen.typed();
        talk.tell("\n-- logged out");
    }
    ended
}

/// Lines, polls and pauses, until the input ends or somebody ends it.
async fn converse(
    talk: &mut Talk<'_>,
    lines: &mut mpsc::Receiver<String>,
    every: Option<Duration>,
) -> anyhow::Result<u32> {
    let user = show::short(talk.phone.user());
    let server = talk.phone.server().clone();
    talk.log_in().await.with_context(|| format!("{user} cannot log in at {server}"))?;
    let manner = talk.phone.manner().clone();
    let encoding = manner.encoding.as_str().to_uppercase();
    talk.tell(format!(
        "-- {user} is logged in, CSP {} in {encoding}; /help says what there is",
        manner.version
    ));
    let asked = talk.phone.agreed().and_then(|agreed| agreed.server_poll_min);
    let asked = asked.map_or(POLL_SECONDS, |seconds| f64::from(seconds).clamp(1.0, POLL_SECONDS_MAX));
    let mut wake: Option<Wake> = None;
    let pause = |wake: &Option<Wake>| match (every, wake) {
        (Some(every), _) => every,
        (None, Some(wake)) if wake.is_attached() => CALLED,
        (None, _) => Duration::from_secs_f64(asked),
    };
    let (mut refused, mut retry) = (0_u32, None::<Duration>);
    let mut next_poll = Instant::now();
    // While a script waits for something, its next line is not looked at.
    let mut waits: Option<(Instant, u64)> = None;
    loop {
        talk.prompt();
        wake = Wake::follow(wake, &talk.phone);
        let waiting = waits.is_some_and(|(until, heard)| talk.heard == heard && Instant::now() < until);
        if !waiting {
            waits = None;
        }
        let next = waits.map_or(next_poll, |(until, _)| until.min(next_poll));
        tokio::select! {
            line = lines.recv(), if !waiting => {
                let Some(line) = line else { return Ok(refused_of_script(talk, refused)) };
                talk.screen.typed();
                let done = match command::parse(&line) {
                    Ok(command) => talk.carry_out(command).await,
                    Err(wrong) => Err(Trouble::Words(wrong)),
                };
                match done {
                    Ok(Next::Line) => {}
                    Ok(Next::Wait(time)) => waits = Some((Instant::now() + time, talk.heard)),
                    Ok(Next::Quit) => return Ok(refused_of_script(talk, refused)),
                    Err(Trouble::Over(why)) => bail!("{why}"),
                    Err(trouble) => {
                        refused = refused.saturating_add(1);
                        talk.tell(format!("! {trouble}"));
                    }
                }
            }
            () = called(&mut wake) => next_poll = Instant::now(),
            () = sleep_until(next) => {
                if Instant::now() < next_poll {
                    continue;
                }
                match talk.poll().await {
                    Ok(_) => {
                        if retry.take().is_some() {
                            talk.tell("-- connected again");
                        }
                        next_poll = Instant::now() + pause(&wake);
                    }
                    Err(Trouble::Over(why)) => bail!("{why}"),
                    Err(trouble) => {
                        let pause = retry.map_or(RETRY, |pause| (pause * 2).min(RETRY_MAX));
                        if retry.replace(pause).is_none() {
                            talk.tell(format!("! {trouble}; it is tried again and again, /quit ends it"));
                        }
                        next_poll = Instant::now() + pause;
                    }
                }
            }
        }
    }
}

/// The provider calls; never where it does not.
async fn called(wake: &mut Option<Wake>) {
    match wake {
        Some(wake) => wake.call().await,
        None => std::future::pending().await,
    }
}

/// Only a script has to hear at the end that something went wrong: a person has seen it.
fn refused_of_script(talk: &Talk<'_>, refused: u32) -> u32 {
    if talk.screen.is_interactive() { 0 } else { refused }
}
