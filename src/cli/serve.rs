//! `causeway serve`: a node until SIGTERM or Ctrl-C.

use anyhow::{Context as _, bail};
use sd_notify::NotifyState;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{error, info, warn};

use super::{Configuration, Ended, Streams, today};
use crate::config::{self, Settings, Severity};
use crate::node::{Node, sandbox};
use crate::ops::logging;

/// Words of the verb.
#[derive(clap::Args, Debug)]
pub struct Words {
    #[command(flatten)]
    configuration: Configuration,
}

/// Runs the verb.
pub fn run(words: &Words, streams: &mut Streams<'_>) -> anyhow::Result<Ended> {
    let loaded = config::load(&words.configuration.file, today());
    for finding in &loaded.findings {
        writeln!(streams.errors, "{finding}")?;
    }
    let Some(settings) = loaded.settings else {
        let errors = loaded.findings.iter().filter(|finding| finding.severity == Severity::Error).count();
        let mistakes = if errors == 1 { "mistake" } else { "mistakes" };
        bail!("{errors} {mistakes} in the configuration; mend and start again");
    };
    logging::start(settings.log_shape(), &settings.log.level)?;
    // Before the first thread of the runtime: threads pass on what they gave up.
    close_off(&settings)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.context("the runtime cannot be started")?.block_on(serve(settings))?;
    Ok(Ended::Done)
}

/// Enters the sandbox, unless the configuration says otherwise, and tells what is really enforced.
fn close_off(settings: &Settings) -> anyhow::Result<()> {
    if !settings.node.sandbox {
        info!("no sandbox: [node] sandbox = false");
        return Ok(());
    }
    let done = sandbox::enter(settings)
        .context("the sandbox cannot be entered; [node] sandbox = false goes without")?;
    let capabilities =
        if done.capabilities.is_empty() { "none".to_owned() } else { done.capabilities.join(" ") };
    info!(files = done.files, no_new_privileges = done.no_new_privileges, %capabilities, "sandbox");
    if done.files == "not" {
        warn!(
            "this kernel has no landlock: files outside of the configuration and the data folder can be reached"
        );
    }
    Ok(())
}

async fn serve(settings: Settings) -> anyhow::Result<()> {
    let listen = |kind| signal(kind).context("signals cannot be listened to");
    let (mut terminate, mut interrupt, mut hang_up) =
        (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?, listen(SignalKind::hangup())?);
    let node = Node::start(settings).await?;
    tell(&[NotifyState::Ready]);
    wait_for_end(&node, &mut terminate, &mut interrupt, &mut hang_up).await;
    info!("draining");
    tell(&[NotifyState::Stopping]);
    tokio::select! {
        () = node.drain() => Ok(()),
        _ = terminate.recv() => bail!("stopped at the second signal, before everything in hand was answered"),
        _ = interrupt.recv() => bail!("stopped at the second signal, before everything in hand was answered"),
    }
}

/// Until a signal ends it. SIGHUP reads the files again.
async fn wait_for_end(node: &Node, terminate: &mut Signal, interrupt: &mut Signal, hang_up: &mut Signal) {
    loop {
        tokio::select! {
            _ = terminate.recv() => return,
            _ = interrupt.recv() => return,
            _ = hang_up.recv() => {
                tell(&[NotifyState::Reloading]);
                node.reload(today()).await;
                tell(&[NotifyState::Ready]);
            }
        }
    }
}

/// Tells systemd, where there is one.
fn tell(states: &[NotifyState<'_>]) {
    if let Err(cause) = sd_notify::notify(states) {
        error!(%cause, "systemd cannot be told");
    }
}
