//! `causeway doctor`: like `check`, and then a look outward: does DNS lead to us, does somebody answer there
//! and show our certificate, does the node run, and, with a domain, how far does the way to that peer lead?

use std::path::Path;
use std::sync::{Arc, Mutex};

use anyhow::Context as _;
use hyper::Method;
use serde_json::Value;

use super::admin::{Desk, at, table, words};
use super::{Configuration, Ended, Streams, check, now, today};
use crate::config::{self, Settings, Severity};
use crate::imps::Domain;
use crate::imps::agreement::{Agreement, Endpoint, IdentityError, KeyHash, PeerIdentity, PeerState};
use crate::net::dane::{Dane, Wanted};
use crate::net::discover::{Candidate, Discover};
use crate::net::post::{Connection, PostError, PostLimits};
use crate::net::tls::{HandshakeError, PeerTls};
use crate::node;
use crate::relay::events::Silent;
use crate::sap::SystemChance;

/// Words of the verb.
#[derive(clap::Args, Debug)]
pub struct Words {
    /// A peer to examine step by step
    #[arg(value_name = "DOMAIN")]
    peer: Option<Domain>,
    #[command(flatten)]
    configuration: Configuration,
    /// Print what is found as a JSON list on standard output instead
    #[arg(long)]
    json: bool,
}

/// One thing that was looked at.
#[derive(serde::Serialize)]
struct Look {
    what: String,
    outcome: &'static str,
    text: String,
}

impl Look {
    fn new(what: impl Into<String>, outcome: &'static str, text: impl Into<String>) -> Self {
        Self { what: what.into(), outcome, text: text.into() }
    }
}

const OK: &str = "ok";
const WARNING: &str = "warning";
const FAILED: &str = "failed";

/// Runs the verb.
pub fn run(words: &Words, streams: &mut Streams<'_>) -> anyhow::Result<Ended> {
    let file = &words.configuration.file;
    let loaded = config::load(file, today());
    let mut looks: Vec<Look> = loaded
        .findings
        .iter()
        .map(|finding| {
            let outcome = if finding.severity == Severity::Error { FAILED } else { WARNING };
            let place = format!("{}:{}:{}", finding.file.display(), finding.line, finding.column);
            Look::new(place, outcome, &finding.text)
        })
        .collect();
    if let Some(settings) = &loaded.settings {
        looks.push(Look::new("configuration", OK, format!("{} peers", settings.peers.len())));
        looks.extend(check::suspended(settings).into_iter().map(|finding| {
            Look::new(format!("{}:{}", finding.file.display(), finding.line), WARNING, finding.text)
        }));
        let desk = node_of(file, streams, &mut looks);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.context("nothing can be looked at")?;
        let doctor = {
            let _inside = runtime.enter();
            Doctor::new(settings)
        };
        match doctor {
            Ok(doctor) => {
                runtime.block_on(doctor.ourselves(&mut looks));
                match (&words.peer, desk) {
                    (None, _) => {}
                    (Some(peer), Some(desk)) => through_the_node(&desk, peer, &mut looks)?,
                    (Some(peer), None) => runtime.block_on(doctor.peer(peer, &mut looks)),
                }
            }
            Err(look) => looks.push(look),
        }
    }
    let failed = looks.iter().filter(|look| look.outcome == FAILED).count();
    if words.json {
        writeln!(streams.output, "{}", serde_json::to_string(&looks)?)?;
    } else {
        let row = |look: &Look| vec![look.outcome.to_owned(), look.what.clone(), look.text.clone()];
        table(&looks.iter().map(row).collect::<Vec<_>>(), streams)?;
    }
    if failed > 0 {
        let things = if failed == 1 { "thing is" } else { "things are" };
        anyhow::bail!("{failed} {things} wrong; each line above that begins with failed says what to do");
    }
    Ok(Ended::Done)
}

/// The way to the node of this configuration, if it runs.
fn node_of(file: &Path, streams: &mut Streams<'_>, looks: &mut Vec<Look>) -> Option<Desk> {
    let answering = |desk: Desk| desk.ask(Method::GET, "peers").map(|_| desk);
    match Desk::open(file, streams).and_then(|desk| desk.map(answering).transpose()) {
        Ok(desk) => {
            looks.extend(desk.as_ref().map(|_| Look::new("node", OK, "it runs and answers")));
            desk
        }
        Err(error) => {
            looks.push(Look::new("node", WARNING, format!("{error:#}")));
            None
        }
    }
}

/// The steps of a test that the running node makes.
fn through_the_node(desk: &Desk, peer: &Domain, looks: &mut Vec<Look>) -> anyhow::Result<()> {
    let told = desk.ask(Method::POST, &format!("peers/{peer}/test"))?;
    for step in at(&told, "steps").as_array().into_iter().flatten() {
        let what = format!("{peer} {}", words(at(step, "step")));
        let text = words(at(step, "what"));
        looks.push(if *at(step, "ok") == Value::Bool(true) {
            let outcome = if *at(step, "warning") == Value::Bool(true) { WARNING } else { OK };
            Look::new(what, outcome, text)
        } else {
            Look::new(what, FAILED, format!("{text}; {}", words(at(step, "do"))))
        });
    }
    Ok(())
}

/// What it takes to look outward.
struct Doctor<'s> {
    settings: &'s Settings,
    discover: Arc<Discover>,
    /// What secure DNS says of peers.
    dane: Dane,
    /// `None`: this node has no side towards peers.
    tls: Option<PeerTls>,
}

impl<'s> Doctor<'s> {
    fn new(settings: &'s Settings) -> Result<Self, Look> {
        let discover = Discover::new(&settings.discovery())
            .map_err(|error| Look::new("DNS", FAILED, format!("{error}; set [dns] servers")))?;
        let discover = Arc::new(discover);
        let dane = Dane::new(Arc::clone(&discover), Arc::default(), Arc::new(Silent));
        dane.follow(settings.agreements().filter_map(Wanted::of).collect(), false);
        let tls = if settings.federates() {
            let found = node::peer_tls(settings, &(Arc::new(Silent) as _), dane.vouched());
            Some(found.map_err(|error| {
                Look::new("certificates", FAILED, format!("{error}; see `causeway check`"))
            })?)
        } else {
            None
        };
        Ok(Self { settings, discover, dane, tls })
    }

    /// Where DNS leads for each of our domains, and who is there.
    async fn ourselves(&self, looks: &mut Vec<Look>) {
        let Some(tls) = &self.tls else { return };
        for own in &self.settings.node.domains {
            let what = format!("{own} resolve");
            let places = match self.places(own, &[]).await {
                Ok(places) => places,
                Err(error) => {
                    let todo = format!(
                        "publish SRV records at _imps-server._tcp.{own}, so that peers find this node"
                    );
                    looks.push(Look::new(what, WARNING, format!("{error}; {todo}")));
                    continue;
                }
            };
            looks.push(Look::new(what, OK, listed(&places)));
            for place in &places {
                let is_ours = |identity: &PeerIdentity| {
                    if identity.names.contains(own) {
                        Ok(())
                    } else {
                        Err(IdentityError::Name { peer: own.clone(), names: identity.names.clone() })
                    }
                };
                let what = format!("{own} at {place}");
                looks.push(match knock(tls, own, own, place, is_ours).await {
                    Ok(_) => Look::new(what, OK, "answers with our certificate"),
                    // Whoever is there speaks TLS; that it does not take us for a peer is as it should be.
                    Err(PostError::Tls { reason: HandshakeError::Alert(_), .. }) => {
                        Look::new(what, OK, "answers, and lets only peers in")
                    }
                    Err(error @ (PostError::Identity { .. } | PostError::Tls { .. })) => {
                        let todo = "see whether SRV records and [ssp] certificate are those of this node";
                        Look::new(what, FAILED, format!("{error}; {todo}"))
                    }
                    Err(error) => {
                        let todo = "start the node, and let peers through to [ssp] listen; from inside some networks this way is closed though it is open from outside";
                        Look::new(what, WARNING, format!("{error}; {todo}"))
                    }
                });
            }
        }
    }

    /// The way to a peer, as far as it can be gone without a node.
    async fn peer(&self, peer: &Domain, looks: &mut Vec<Look>) {
        let entry = self.settings.agreements().find(|agreement| agreement.domain == *peer);
        let (Some(entry), Some(tls), Some(own)) = (entry, &self.tls, self.settings.node.domains.first())
        else {
            let text = format!("{peer} has no entry in peers.toml; write one");
            looks.push(Look::new(format!("{peer} agreement"), FAILED, text));
            return;
        };
        let state = entry.state_at(now().date_time());
        looks.push(Look::new(
            format!("{peer} agreement"),
            if state == PeerState::Active { OK } else { WARNING },
            state.as_str(),
        ));
        let places = match self.places(peer, &entry.endpoints).await {
            Ok(places) => places,
            Err(error) => {
                let todo = "write endpoints into its entry, or ask the peer to mend its DNS";
                looks.push(Look::new(format!("{peer} resolve"), FAILED, format!("{error}; {todo}")));
                return;
            }
        };
        looks.push(Look::new(format!("{peer} resolve"), OK, listed(&places)));
        if let Some((found, counts)) = self.dane.asked(peer, now).await {
            let outcome = if counts { OK } else { WARNING };
            looks.push(Look::new(format!("{peer} dane"), outcome, found.join("; ")));
        }
        let mut reached = false;
        for place in &places {
            let speaks = |identity: &PeerIdentity| entry.speaks_for(identity, &self.settings.ssp.trust_keys);
            let what = format!("{peer} at {place}");
            looks.push(match knock(tls, own, peer, place, speaks).await {
                Ok((key, vouched)) => {
                    reached = true;
                    match entry.pin_of(&key) {
                        Some(0) if entry.pins.len() > 1 => {
                            Look::new(what, OK, "is the peer, by the first of its pins")
                        }
                        Some(pin) if pin > 0 => Look::new(what, WARNING, entry.pin_words(pin)),
                        None if entry.dane && vouched => {
                            Look::new(what, OK, "is the peer, by DANE: the TLSA record matches")
                        }
                        _ => Look::new(what, OK, "is the peer"),
                    }
                }
                Err(error) => Look::new(what, FAILED, format!("{error}; {}", advice(&error, entry))),
            });
        }
        if reached {
            let text = "not tried, for the node does not run; start it and ask again";
            looks.push(Look::new(format!("{peer} log-in"), WARNING, text));
        }
    }

    async fn places(&self, domain: &Domain, endpoints: &[Endpoint]) -> Result<Vec<Candidate>, String> {
        let found = self.discover.find(domain, endpoints, now()).await.map_err(|error| error.to_string())?;
        Ok(found.candidates(&mut SystemChance::default()))
    }
}

fn listed(places: &[Candidate]) -> String {
    places.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn advice(error: &PostError, entry: &Agreement) -> String {
    match error {
        PostError::Identity { .. } | PostError::Tls { .. } => format!(
            "compare trust, pins and names of the entry of {} with its certificate (`causeway cert show`)",
            entry.domain
        ),
        _ => "see whether the peer runs, and whether a firewall lets us through".to_owned(),
    }
}

/// Whether who answers there passes the check; gives the hash of the key that it shows, and whether secure
/// DNS vouches for it.
async fn knock(
    tls: &PeerTls,
    own: &Domain,
    peer: &Domain,
    place: &Candidate,
    check: impl Fn(&PeerIdentity) -> Result<(), IdentityError> + Send + Sync,
) -> Result<(KeyHash, bool), PostError> {
    let one = std::slice::from_ref(place);
    let shown = Mutex::new((KeyHash::default(), false));
    let check = |identity: &PeerIdentity| {
        if let Ok(mut shown) = shown.lock() {
            *shown = (identity.key, identity.vouchers.iter().any(|voucher| voucher.domain == *peer));
        }
        check(identity)
    };
    Connection::connect(tls, own, peer, one, &PostLimits::default(), check).await?;
    Ok(shown.into_inner().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::super::DONE;
    use super::super::testing::{Folder, run};

    #[test]
    fn a_node_that_never_ran_is_a_warning_wherever_it_shall_listen() {
        let folder = Folder::new("doctor-port");
        let file = folder.write(
            "causeway.toml",
            "[node]\ndomains = [\"north.example\"]\n[ssp]\nlisten = []\n\
             [dns]\nservers = [\"127.0.0.1:53\"]\n[admin]\nlisten = \"127.0.0.1:0\"\n",
        );
        let (code, output, errors) = run(&["doctor", "--config", &file], "");
        assert_eq!((code, errors.as_str()), (DONE, ""), "{output}");
        assert!(output.contains("listen.json does not say where the node listens"), "{output}");
    }
}
