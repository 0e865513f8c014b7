//! The network between nodes, and between phones and nodes: in memory, with bad weather.
//!
//! A POST may find nobody, be lost before it arrives, be lost after it arrived, take its time, arrive a
//! second time much later, or be answered 503 without being looked at. Between any two nodes the
//! network may be cut, in one direction or in both. Lanes run side by side, so that different delays
//! also change the order. Sometimes somebody in the middle of the peer's house writes another provider's
//! name over the sender's.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use causeway::imps::Domain;
use causeway::imps::agreement::{Agreement, PeerIdentity};
use causeway::net::listen::{Answer, SspHandler as _, SspRequest};
use causeway::net::peer::{Carrier, Job, Lane, Peers, Placed, Placing, Road};
use causeway::sap::{ClientDocument, Sap};
use causeway::session::ssp::PostOutcome;
use causeway::wire::Encoding;
use hyper::body::Bytes;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::dice::Dice;
use super::journal::Journal;

/// How long a node waits for the answer to a POST, as over sockets.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);
/// POSTs of one world at most; more is a loop.
pub(super) const POSTS_MAX: u64 = 6000;

/// How the network treats what goes from one node to another; numbers are out of a thousand.
#[derive(Clone, Debug, Default)]
pub(super) struct Weather {
    /// Lost before anybody has seen it.
    pub(super) lost: u64,
    /// Carried out, and the HTTP answer is lost.
    pub(super) unheard: u64,
    /// Arrives once more.
    pub(super) repeated: u64,
    /// Answered 503.
    pub(super) busy: u64,
    /// Every POST is answered 500.
    pub(super) broken: bool,
    /// A message whose sender is made a stranger.
    pub(super) forged: u64,
    /// After which the peer says something untrue.
    pub(super) lies: u64,
    /// The longest way, milliseconds.
    pub(super) slowest: u64,
}

/// A node that runs.
#[derive(Clone)]
pub(super) struct Door {
    pub(super) peers: Arc<Peers>,
    pub(super) sap: Arc<Sap>,
    /// Ends with the node.
    pub(super) life: CancellationToken,
    /// Which life of the node it is.
    pub(super) number: u32,
    /// What is in hand behind the listeners.
    pub(super) handling: TaskTracker,
}

/// Messages that were not left as their authors sent them, by number.
#[derive(Debug, Default)]
pub(super) struct Meddled {
    /// Somebody put a stranger in the place of the sender.
    pub(super) forged: BTreeSet<usize>,
    /// A peer that lies said them once more, as another transaction. Whoever had to refuse such a message the first
    /// time and has no reason to refuse it the second can know of no lie: to it the peer tries again. It is the peer
    /// whose word to the author, that the message failed, was untrue then.
    pub(super) said_anew: BTreeSet<usize>,
}

#[derive(Default)]
struct State {
    doors: BTreeMap<Domain, Door>,
    weather: BTreeMap<(Domain, Domain), Weather>,
    cut: BTreeSet<(Domain, Domain)>,
    /// Of phones on their way to their node.
    phones: Weather,
    posts: u64,
    messages: u64,
    /// Whose messages may come from one node to another, if not all of its own alone.
    speakers: BTreeMap<(Domain, Domain), BTreeSet<Domain>>,
    /// Numbers of messages that were forged.
    forged: BTreeSet<usize>,
    /// Numbers of messages that a peer said once more, as another transaction.
    said_anew: BTreeSet<usize>,
    /// Whether a message was forged when it first came through, by way and id.
    met: BTreeMap<((Domain, Domain), String), bool>,
    /// Messages that came from one node to another in the name of somebody else.
    foreign: Vec<String>,
}

/// The network.
pub(super) struct Net {
    seed: u64,
    pub(super) journal: Journal,
    dice: Mutex<Dice>,
    state: Mutex<State>,
    /// Documents that come once more, or are made up, later on.
    late: TaskTracker,
}

/// How each message of a document begins.
const MESSAGE: &str = "<SendMessageRequest";

/// Why a phone has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The node was not there: it has not seen the document.
    NoNode,
    /// The node may have seen it, in this life of it, and may have answered this.
    Lost(u32, Vec<u8>),
}

/// What becomes of a POST.
enum Fate {
    NoWay,
    Lost,
    Busy(u32),
    Broken,
    Arrives {
        there: Duration,
        back: Duration,
        unheard: bool,
        again: Option<Duration>,
        forged: Option<Bytes>,
        lie: Option<Duration>,
    },
}

impl Net {
    pub(super) fn new(seed: u64, journal: Journal) -> Arc<Self> {
        let (dice, late) = (Mutex::new(Dice::of(seed, "network")), TaskTracker::new());
        Arc::new(Self { seed, journal, dice, state: Mutex::default(), late })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A node is reached from now on.
    pub(super) fn open(&self, domain: &Domain, door: Door) {
        self.state().doors.insert(domain.clone(), door);
    }

    /// A node is no longer reached.
    pub(super) fn close(&self, domain: &Domain) {
        self.state().doors.remove(domain);
    }

    /// Sets the weather from one node to another.
    pub(super) fn blow(&self, from: &Domain, to: &Domain, weather: Weather) {
        self.state().weather.insert((from.clone(), to.clone()), weather);
    }

    /// Sets the weather between phones and nodes.
    pub(super) fn blow_on_phones(&self, weather: Weather) {
        self.state().phones = weather;
    }

    /// Cuts one direction, or mends it.
    pub(super) fn cut(&self, from: &Domain, to: &Domain, cut: bool) {
        let key = (from.clone(), to.clone());
        if cut {
            self.state().cut.insert(key);
        } else {
            self.state().cut.remove(&key);
        }
    }

    /// Everything is well from now on.
    pub(super) fn heal(&self) {
        let mut state = self.state();
        state.weather.clear();
        state.cut.clear();
        state.phones = Weather::default();
    }

    /// Messages of these domains may come from one node to another.
    pub(super) fn speaks_for(&self, from: &Domain, to: &Domain, domains: BTreeSet<Domain>) {
        self.state().speakers.insert((from.clone(), to.clone()), domains);
    }

    /// Messages that were not left as their authors sent them.
    pub(super) fn meddled(&self) -> Meddled {
        let state = self.state();
        Meddled { forged: state.forged.clone(), said_anew: state.said_anew.clone() }
    }

    /// The world's number.
    pub(super) const fn seed(&self) -> u64 {
        self.seed
    }

    /// What nodes sent in the name of somebody else.
    pub(super) fn foreign(&self) -> Vec<String> {
        self.state().foreign.clone()
    }

    /// POSTs between nodes so far.
    pub(super) fn posts(&self) -> u64 {
        self.state().posts
    }

    /// Those among them that carried messages.
    pub(super) fn messages(&self) -> u64 {
        self.state().messages
    }

    /// Whether documents are still to come once more.
    pub(super) fn is_late(&self) -> bool {
        !self.late.is_empty()
    }

    fn door(&self, domain: &Domain) -> Option<Door> {
        self.state().doors.get(domain).cloned()
    }

    fn fate(&self, from: &Domain, to: &Domain, body: &Bytes) -> Fate {
        let mut state = self.state();
        state.posts += 1;
        state.messages += u64::from(is_message(body));
        let key = (from.clone(), to.clone());
        let weather = state.weather.get(&key).cloned().unwrap_or_default();
        let mut dice = self.dice.lock().unwrap_or_else(PoisonError::into_inner);
        if state.cut.contains(&key) || !state.doors.contains_key(to) {
            return Fate::NoWay;
        }
        if weather.broken {
            return Fate::Broken;
        }
        if dice.permille(weather.lost) {
            return Fate::Lost;
        }
        if dice.permille(weather.busy) {
            return Fate::Busy(u32::try_from(dice.between(1, 8)).unwrap());
        }
        let slowest = weather.slowest.max(2);
        let forged = self.forge(body, &key, weather.forged, &mut state);
        if let Some(speakers) = state.speakers.get(&key) {
            let strange = senders(body).find(|domain| !speakers.contains(*domain));
            if let Some(strange) = strange {
                let what = format!("{from} speaks to {to} for {strange}");
                state.foreign.push(what);
            }
        }
        Fate::Arrives {
            lie: dice.permille(weather.lies).then(|| dice.millis(1, 20_000)),
            there: dice.millis(1, slowest),
            back: dice.millis(1, slowest),
            unheard: state.cut.contains(&(to.clone(), from.clone())) || dice.permille(weather.unheard),
            again: dice.permille(weather.repeated).then(|| dice.millis(1, 40_000)),
            forged,
        }
    }

    /// The document with a stranger in the place of some of its senders, if the dice want it so. A message that
    /// was met once stays as it was then, or one would be refused that has arrived, or the other way round.
    fn forge(&self, body: &Bytes, way: &(Domain, Domain), often: u64, state: &mut State) -> Option<Bytes> {
        let text = std::str::from_utf8(body).ok()?;
        let (from, mut is_forged) = (way.0.as_str(), false);
        let mut parts = text.split(MESSAGE);
        let mut written = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            written.push_str(MESSAGE);
            match self.forged_part(part, from, often, |id, wanted| {
                *state.met.entry((way.clone(), id.to_owned())).or_insert(wanted)
            }) {
                Some((number, forged)) => {
                    state.forged.insert(number);
                    written.push_str(&forged);
                    is_forged = true;
                }
                None => written.push_str(part),
            }
        }
        is_forged.then(|| written.into())
    }

    /// One message with a stranger for its sender, and its number. `met` knows whether it has to be so, and is told
    /// whether the dice want it.
    fn forged_part(
        &self,
        part: &str,
        from: &str,
        often: u64,
        met: impl FnOnce(&str, bool) -> bool,
    ) -> Option<(usize, String)> {
        let place = part.find("<Sender>")?;
        let end = place + part[place..].find("</Sender>")?;
        let id = part[..place].rsplit_once("messageID=\"")?.1.split('"').next()?;
        let forged = part[place..end].replace(from, "stranger.example");
        let number = super::phone::number_in(&part[end..]).filter(|_| forged != part[place..end])?;
        let wanted = met(id, Dice::of(self.seed, id).permille(often));
        wanted.then(|| (number, format!("{}{forged}{}", &part[..place], &part[end..])))
    }

    /// What a peer that lies says after this document: an answer that nobody asked for, the same message
    /// as another transaction, or what is known of one user as known of another.
    fn lie(&self, from: &Domain, body: &Bytes) -> Option<Bytes> {
        let text = std::str::from_utf8(body).ok()?;
        let mut dice = self.dice.lock().unwrap_or_else(PoisonError::into_inner);
        let renamed = |text: &str, number: u64| {
            text.replace("transactionID=\"", &format!("transactionID=\"lie{number}-"))
        };
        let number = dice.below(1000);
        if text.contains("<PresenceNotification>") {
            // Of its own users a peer may say what it likes: the lie is about others, the reader's own too.
            let whose = format!("<PresenceValue userID=\"wv:{}@", dice.pick(&super::cast::NAMES));
            let place = text.find("<PresenceValue userID=\"")?;
            let rest = &text[place..];
            let end = rest.find(from.as_str())?;
            let strange = dice.pick(&super::cast::DOMAINS);
            if *strange == from.as_str() {
                return None;
            }
            let lie = format!("{}{whose}{strange}{}", &text[..place], &rest[end + from.as_str().len()..]);
            return Some(renamed(&lie, number).into());
        }
        let is_answer = text.contains("mode=\"Response\"") && !text.contains("mode=\"Request\"");
        let messages = text.split(MESSAGE).skip(1).filter_map(super::phone::number_in);
        self.state().said_anew.extend(messages);
        (is_answer || is_message(body)).then(|| renamed(text, number).into())
    }

    /// One POST, from the lane that places it to its outcome.
    async fn carry(self: &Arc<Self>, from: &Domain, to: &Domain, job: &Job) -> Placed {
        assert!(self.posts() < POSTS_MAX, "more POSTs than {POSTS_MAX}: the nodes go round in circles");
        let fate = self.fate(from, to, &job.body);
        let tell = |fate: String| self.journal.post(from.as_str(), to.as_str(), &job.body, fate);
        match fate {
            Fate::NoWay => {
                tell("nobody there".into());
                sleep(Duration::from_millis(40)).await;
                PostOutcome::Unreachable.into()
            }
            Fate::Lost => {
                tell("lost on the way".into());
                sleep(Duration::from_secs(3)).await;
                PostOutcome::Closed.into()
            }
            Fate::Busy(seconds) => {
                tell(format!("503, {seconds} s"));
                sleep(Duration::from_millis(3)).await;
                PostOutcome::Status(503, Some(seconds)).into()
            }
            Fate::Broken => {
                tell("500".into());
                sleep(Duration::from_millis(3)).await;
                PostOutcome::Status(500, None).into()
            }
            Fate::Arrives { there, back, unheard, again, forged, lie } => {
                tell(format!(
                    "arrives after {there:?}{}{}{}{}",
                    if forged.is_some() { ", FORGED" } else { "" },
                    if unheard { ", its answer is lost" } else { "" },
                    again.map(|again| format!(", and again {again:?} later")).unwrap_or_default(),
                    if lie.is_some() { ", and a lie follows" } else { "" }
                ));
                let body = forged.unwrap_or_else(|| job.body.clone());
                if let Some((after, lie)) = lie.and_then(|after| Some((after, self.lie(from, &body)?))) {
                    let (net, from, to) = (self.clone(), from.clone(), to.clone());
                    self.late.spawn(async move {
                        sleep(after).await;
                        net.journal.post(from.as_str(), to.as_str(), &lie, "A LIE".into());
                        net.arrive(&from, &to, &lie, (None, false), true).await;
                    });
                }
                sleep(there).await;
                if let Some(again) = again {
                    let (net, from, to) = (self.clone(), from.clone(), to.clone());
                    let (body, via, here) = (body.clone(), job.via.clone(), job.answers_here);
                    let life = self.door(&to).map(|door| door.number);
                    self.late.spawn(async move {
                        sleep(again).await;
                        // A notice of presence bears no number by which a later life of the node could know it, and
                        // connections end with a node.
                        if is_presence(&body) && net.door(&to).map(|door| door.number) != life {
                            return;
                        }
                        net.arrive(&from, &to, &body, (via.as_deref(), here), true).await;
                    });
                }
                let answer =
                    self.arrive(from, to, &body, (job.via.as_deref(), job.answers_here), false).await;
                sleep(back).await;
                match answer {
                    Some(answer) if !unheard => {
                        let status = answer.status.as_u16();
                        if (200..300).contains(&status) {
                            Placed { outcome: PostOutcome::Accepted, answers: answer.body }
                        } else {
                            PostOutcome::Status(status, answer.retry_after_seconds).into()
                        }
                    }
                    _ => PostOutcome::Closed.into(),
                }
            }
        }
    }

    /// A document is at the door of a node. `None`: nobody is there, or not for long enough.
    async fn arrive(
        self: &Arc<Self>,
        from: &Domain,
        to: &Domain,
        body: &Bytes,
        (via, answers_here): (Option<&str>, bool),
        again: bool,
    ) -> Option<Answer> {
        let door = self.door(to)?;
        let request = SspRequest {
            peer: Arc::new(identity(from)),
            own: to.clone(),
            from: SocketAddr::from((Ipv4Addr::LOCALHOST, 1)),
            transaction_id: None,
            session_id: None,
            via: via.iter().filter_map(|via| via.parse().ok()).collect(),
            answers_here,
            body: body.clone(),
        };
        // A listener runs what it has begun to its end, whoever hangs up; only the end of the node ends it.
        let handling = door.handling.clone();
        let handled = handling.spawn(async move {
            let handling = async {
                match door.peers.admit(&request.peer, &request.own) {
                    Ok(_) => door.peers.post(request).await,
                    Err(answer) => answer,
                }
            };
            tokio::select! {
                biased;
                () = door.life.cancelled() => None,
                answer = handling => Some(answer),
            }
        });
        let answer = timeout(ANSWER_TIMEOUT, handled).await.ok()?.ok()?;
        let status = answer.as_ref().map_or("nothing".to_owned(), |answer| answer.status.to_string());
        if again || status != "200 OK" {
            let what = if again { "what arrived once more" } else { "a POST" };
            self.journal.tell(format!("{to} answers {what} of {from}: {status}"));
        }
        answer
    }

    /// A phone posts a document to its node; with `life`, only in this life of it. The answer, and the life of
    /// the node that gave it.
    pub(super) async fn phone(
        &self,
        home: &Domain,
        dice: &mut Dice,
        body: &[u8],
        encoding: Encoding,
        life: Option<u32>,
    ) -> Result<(u32, Vec<u8>), Trouble> {
        let weather = self.state().phones.clone();
        let (lost, unheard) = (dice.permille(weather.lost), dice.permille(weather.unheard));
        let slowest = weather.slowest.max(2);
        let (there, back) = (dice.millis(1, slowest), dice.millis(1, slowest));
        sleep(there).await;
        let door = self.door(home).filter(|door| life.is_none_or(|life| door.number == life));
        let Some(door) = door else { return Err(Trouble::NoNode) };
        if lost {
            return Err(Trouble::Lost(door.number, Vec::new()));
        }
        let (sap, life, octets) = (door.sap.clone(), door.life.clone(), body.to_vec());
        let handled = door.handling.spawn(async move {
            let document = ClientDocument {
                body: &octets,
                encoding,
                charset: None,
                clear_password_allowed: true,
                arrival: None,
            };
            tokio::select! {
                biased;
                () = life.cancelled() => None,
                answer = sap.client_document(document) => answer.ok(),
            }
        });
        let answer = timeout(Duration::from_secs(60), handled).await;
        sleep(back).await;
        match answer {
            Ok(Ok(Some(answer))) if !unheard => Ok((door.number, answer)),
            Ok(Ok(Some(answer))) => Err(Trouble::Lost(door.number, answer)),
            _ => Err(Trouble::Lost(door.number, Vec::new())),
        }
    }
}

/// What the certificate of a node shows.
pub(super) fn identity(domain: &Domain) -> PeerIdentity {
    PeerIdentity {
        names: vec![domain.clone()],
        key: [1; 32],
        anchors: vec![super::site::AUTHORITY],
        vouchers: Vec::new(),
    }
}

/// The domains of those who speak in the messages of a document.
fn senders(body: &[u8]) -> impl Iterator<Item = &str> {
    let text = std::str::from_utf8(body).unwrap_or_default();
    text.split(MESSAGE).skip(1).filter_map(|rest| {
        let sender = rest.split_once("<Sender>")?.1;
        Some(sender.split('"').nth(1)?.rsplit_once('@')?.1)
    })
}

fn is_message(body: &[u8]) -> bool {
    contains(body, &MESSAGE[1..])
}

fn is_presence(body: &[u8]) -> bool {
    contains(body, "<PresenceNotification")
}

fn contains(body: &[u8], name: &str) -> bool {
    body.windows(name.len()).any(|window| window == name.as_bytes())
}

/// The network as one node sees it, in one of its lives.
pub(super) struct Cable {
    pub(super) net: Arc<Net>,
    pub(super) life: CancellationToken,
}

impl Carrier for Cable {
    fn road(&self, own: &Domain, peer: &Domain) -> Arc<dyn Road> {
        let (net, life) = (self.net.clone(), self.life.clone());
        Arc::new(Way { net, life, own: own.clone(), peer: peer.clone() })
    }
}

struct Way {
    net: Arc<Net>,
    life: CancellationToken,
    own: Domain,
    peer: Domain,
}

impl Road for Way {
    fn lane(self: Arc<Self>) -> Box<dyn Lane> {
        Box::new(WayLane(self))
    }
}

struct WayLane(Arc<Way>);

impl Lane for WayLane {
    fn place<'a>(&'a mut self, agreement: Option<&'a Agreement>, job: &'a Job) -> Placing<'a> {
        let way = &self.0;
        Box::pin(async move {
            if agreement.is_none() {
                return PostOutcome::Unreachable.into();
            }
            tokio::select! {
                biased;
                () = way.life.cancelled() => PostOutcome::Closed.into(),
                outcome = way.net.carry(&way.own, &way.peer, job) => outcome,
            }
        })
    }
}
