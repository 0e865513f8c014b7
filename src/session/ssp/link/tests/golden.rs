//! Recorded traffic of a real server, replayed with our link in the place of either side.
//!
//! The other side's lines are fed to the link as they were recorded; only what depends on our own
//! random choices is put in: ids of set-ups that we open, and digests of our tokens. Where the
//! recording has a line of our side, the link must say the same: the same step, or the same
//! transactions. What it answers is kept as a golden text.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Write as _;
use std::path::Path;

use base64::Engine as _;

use super::*;

/// One HTTP message or remark of a recording.
struct Block {
    at: Duration,
    from: String,
    connection: String,
    text: String,
}

impl Block {
    fn is_post(&self) -> bool {
        self.text.starts_with("POST ")
    }

    fn body(&self) -> &str {
        self.text.split_once("\n\n").map_or("", |(_, body)| body)
    }
}

fn blocks(name: &str) -> Vec<Block> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/transcripts");
    let file = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.file_name().unwrap().to_string_lossy().starts_with(name))
        .unwrap();
    let text = std::fs::read_to_string(file).unwrap();
    text.split("\n##### ")
        .skip(1)
        .filter_map(|block| {
            let (head, text) = block.split_once('\n')?;
            let mut words = head.split_whitespace().skip(1);
            let at = words.next()?.trim_start_matches("t+").trim_end_matches('s').parse().ok()?;
            let mut rest = words.skip(1);
            let from = rest.next()?.to_owned();
            let connection = head.split_once("[SSP, TCP connection ")?.1.trim_end_matches(']').to_owned();
            Some(Block { at: Duration::from_secs_f64(at), from, connection, text: text.to_owned() })
        })
        .collect()
}

/// A recording on stage, with us as one of its sides.
struct Replay {
    stage: Stage,
    us: &'static str,
    /// Recorded ids of set-ups that we opened → the real ones.
    ids: HashMap<String, String>,
    /// Digests of our recorded tokens → those of the real ones.
    digests: HashMap<String, String>,
    operations: HashMap<TransactionId, OperationId>,
    /// Transactions that the link has posted and the recording not yet.
    said: BTreeSet<(String, &'static str)>,
    story: String,
    /// Recorded ids of sessions → those that they stand for.
    sessions: Vec<(String, String)>,
}

fn digest_text(token: &[u8]) -> String {
    base64::engine::general_purpose::STANDARD.encode(proof::digest(DigestSchema::Md5, token).unwrap())
}

fn read(body: &str) -> Message {
    crate::wire::ssp::read(body.as_bytes(), None, &crate::wire::Limits::for_document(1 << 20)).unwrap()
}

/// Plays the recordings one after the other with the same link, and gives what happened.
fn replay(us: &'static str, peer: &'static str, names: &[&str]) -> String {
    replay_with(us, peer, names, &[])
}

/// The same, for recordings whose sessions were set up off the record: each recorded session id
/// stands for the one that the recordings before it have set up.
fn replay_with(us: &'static str, peer: &'static str, names: &[&str], sessions: &[(&str, &str)]) -> String {
    let settings = LinkSettings::for_profile(domain(us), domain(peer), Profile::Legacy);
    let mut replay = Replay {
        stage: Stage::with(settings, Vec::new()),
        us,
        ids: HashMap::new(),
        digests: HashMap::new(),
        operations: HashMap::new(),
        said: BTreeSet::new(),
        story: String::new(),
        sessions: sessions.iter().map(|(recorded, real)| ((*recorded).into(), (*real).into())).collect(),
    };
    for name in names {
        writeln!(replay.story, "# {name}, we are {us}").unwrap();
        replay.play(&blocks(name));
        replay.stage.pass(seconds(1));
        replay.leftovers();
        replay.drain();
    }
    replay.story
}

impl Replay {
    fn play(&mut self, blocks: &[Block]) {
        let start = self.stage.now;
        for (index, block) in blocks.iter().enumerate() {
            let now = start.after(block.at);
            if now > self.stage.now {
                self.stage.pass(now.since(self.stage.now));
            }
            if !block.is_post() {
                continue;
            }
            if block.from == self.us {
                let answer = blocks.iter().skip(index + 1);
                let answer = answer
                    .into_iter()
                    .find(|other| other.connection == block.connection && other.from != self.us);
                let outcome = match answer.map(|answer| answer.text.split_whitespace().nth(1)) {
                    Some(Some(status)) if answer.is_some_and(|answer| answer.text.starts_with("HTTP/")) => {
                        let status = status.parse().unwrap();
                        if status == 200 { PostOutcome::Accepted } else { PostOutcome::Status(status, None) }
                    }
                    _ => PostOutcome::Closed,
                };
                self.ours(&read(block.body()), outcome);
            } else {
                self.theirs(block.body());
            }
            self.drain();
        }
    }

    /// A line of the other side, for the link.
    fn theirs(&mut self, body: &str) {
        let mut body = body.to_owned();
        for (recorded, real) in &self.ids {
            body =
                body.replace(&format!("transactionID=\"{recorded}\""), &format!("transactionID=\"{real}\""));
        }
        for (recorded, real) in &self.sessions {
            body = body.replace(&format!("\"{recorded}\""), &format!("\"{real}\""));
        }
        for (recorded, real) in &self.digests {
            body = body.replace(recorded, real);
        }
        let message = read(&body);
        let what = match &message.body {
            Document::Setup(setup) => format!("{} {}", setup.mode.as_str(), setup.element.name()),
            Document::Session(session) => {
                let one = |t: &Transaction| format!("{} {} {}", t.mode.as_str(), t.content.name(), t.id);
                session.transactions.iter().map(one).collect::<Vec<_>>().join(", ")
            }
        };
        match self.stage.receive(message) {
            Err(error) => writeln!(self.story, "they: {what} → {} {error}", error.http_status()).unwrap(),
            Ok(arrived) => {
                writeln!(self.story, "they: {what} → 200").unwrap();
                for one in arrived {
                    self.arrived(one);
                }
            }
        }
    }

    fn arrived(&mut self, arrived: Arrived) {
        let what = match arrived {
            Arrived::Request { transaction, content, .. } => {
                self.stage.link.accepted(&transaction);
                // Notices are not answered (conflict C-14); nor are they here.
                let notices =
                    ["PresenceNotification", "InviteResponse", "DeliveryStatusReport", "GroupChangeNotice"];
                if !notices.contains(&content.name()) {
                    self.stage.link.answer(&transaction, fragment(), self.stage.now, &mut self.stage.dice);
                    self.stage.drain();
                }
                format!("handed up: {} {transaction}", content.name())
            }
            Arrived::Told { transaction, content, .. } => format!("told: {} {transaction}", content.name()),
            Arrived::Answer { transaction, .. } => format!("answered: {transaction}"),
            Arrived::Repeat { transaction } => format!("repeat: {transaction}"),
            Arrived::Acknowledged { transaction, .. } => format!("acknowledged: {transaction}"),
            Arrived::Stray { transaction } => format!("stray: {transaction}"),
            Arrived::Control { name } => format!("control: {name}"),
        };
        writeln!(self.story, "      {what}").unwrap();
    }

    /// A line of our side: the link must say it too, maybe after its pause.
    fn ours(&mut self, recorded: &Message, outcome: PostOutcome) {
        match &recorded.body {
            Document::Setup(setup) => {
                let first = setup.mode == Mode::Request && matches!(setup.element, Setup::SendSecretToken(_));
                if first && self.stage.posts.is_empty() {
                    self.stage.link.reconnect(self.stage.now, &mut self.stage.dice);
                    self.stage.drain();
                }
                while self.stage.posts.is_empty() {
                    let next = self.stage.link.next_wakeup().expect("the link has something to say");
                    assert!(next.since(self.stage.now) <= seconds(1), "the link does not say {setup:?}");
                    self.stage.pass(next.since(self.stage.now));
                }
                let post = self.stage.next_post();
                let PostContent::Setup(real) = &post.content else { panic!("{post:?}") };
                assert_eq!((real.mode, real.element.name()), (setup.mode, setup.element.name()));
                if let (Setup::SendSecretToken(theirs), Setup::SendSecretToken(ours)) =
                    (&setup.element, &real.element)
                {
                    self.digests.insert(digest_text(&theirs.token), digest_text(&ours.token));
                    if first {
                        self.ids.insert(setup.id.to_string(), real.id.to_string());
                    }
                } else if let (Setup::LoginRequest(theirs), Setup::LoginRequest(ours)) =
                    (&setup.element, &real.element)
                {
                    // Our proof is made of the same token as the recorded one.
                    assert_eq!(ours.digest, theirs.digest);
                }
                writeln!(self.story, "we:   {} {} → {outcome}", real.mode.as_str(), real.element.name())
                    .unwrap();
                self.stage.posted(&post, outcome);
            }
            Document::Session(session) => {
                for transaction in &session.transactions {
                    let wanted = (transaction.id.to_string(), transaction.mode.as_str());
                    if transaction.mode == Mode::Request && !self.is_posted(&wanted) {
                        let next = i64::try_from(self.operations.len()).unwrap();
                        let operation =
                            *self.operations.entry(transaction.id.clone()).or_insert(OperationId(next));
                        let outgoing = Outgoing {
                            operation,
                            transaction: Some(transaction.id.clone()),
                            kind: Kind::Request,
                            fragment: fragment(),
                            via: None,
                        };
                        self.stage.link.enqueue(outgoing, self.stage.now, &mut self.stage.dice).unwrap();
                        self.stage.drain();
                    }
                    self.traffic(outcome);
                    assert!(self.said.remove(&wanted), "the link does not say {wanted:?}");
                }
            }
        }
    }

    fn is_posted(&self, wanted: &(String, &'static str)) -> bool {
        self.stage.posts.iter().any(|post| {
            matches!(&post.content, PostContent::Session { .. })
                && parts(post).iter().any(|(id, mode)| (id, mode.as_str()) == (&wanted.0, wanted.1))
        })
    }

    /// Gives every waiting POST of traffic this outcome.
    fn traffic(&mut self, outcome: PostOutcome) {
        while let Some(post) = self.stage.posts.pop_front() {
            for (transaction, mode) in parts(&post) {
                writeln!(self.story, "we:   {} {transaction} → {outcome}", mode.as_str()).unwrap();
                self.said.insert((transaction, mode.as_str()));
            }
            self.stage.posted(&post, outcome);
        }
    }

    /// What the link says where the recorded side was silent.
    fn leftovers(&mut self) {
        while let Some(post) = self.stage.posts.pop_front() {
            let what = match &post.content {
                PostContent::Setup(setup) => match &setup.element {
                    Setup::LoginResponse(response) => format!("LoginResponse {}", response.status.code),
                    other => other.name().to_owned(),
                },
                PostContent::Session { .. } => format!("{:?}", parts(&post)),
            };
            writeln!(self.story, "we:   {what}, not in the recording").unwrap();
            self.stage.posted(&post, PostOutcome::Accepted);
        }
    }

    /// What the link put out beside posts.
    fn drain(&mut self) {
        for output in self.stage.said() {
            let what = match output {
                Output::Persist(record) if record.superseded => format!("superseded: {}", record.peer_id),
                Output::Persist(record) => format!("stored: session {}", record.peer_id),
                Output::Forget(_) => "forgotten: a session".to_owned(),
                Output::Up { took, initiator, .. } => format!("up: opened by {initiator} in {took:?}"),
                Output::Down { reason } => format!("down: {}", reason.as_str()),
                Output::Alarm(alarm) => format!("alarm: {alarm}"),
                Output::Post(_) => continue,
                other => format!("{other:?}"),
            };
            writeln!(self.story, "      {what}").unwrap();
        }
    }
}

#[test]
fn two_recorded_servers_are_each_played_by_us() {
    let names = ["01", "02", "03", "04", "05", "06", "07", "08", "09"];
    insta::assert_snapshot!("servers_as_a", replay("a.test", "b.test", &names));
    insta::assert_snapshot!("servers_as_b", replay("b.test", "a.test", &names));
}

#[test]
fn a_recorded_peer_opens_a_session_and_sends() {
    let names = ["20", "21", "22", "23", "24", "26", "27", "28"];
    insta::assert_snapshot!("peer_opens_as_server", replay("a.test", "c.test", &names));
    insta::assert_snapshot!(
        "peer_opens_as_peer",
        replay("c.test", "a.test", &["20", "21", "22", "23", "24", "27", "28"])
    );
}

#[test]
fn a_race_of_set_ups_that_the_first_side_loses_is_played_in_both_roles() {
    insta::assert_snapshot!("race_lost_as_a", replay("a.test", "b.test", &["10"]));
    insta::assert_snapshot!("race_lost_as_b", replay("b.test", "a.test", &["10"]));
}

#[test]
fn recorded_set_ups_in_the_name_of_another_domain_are_refused() {
    insta::assert_snapshot!("setup_from_elsewhere", replay("a.test", "c.test", &["31"]));
}

#[test]
fn later_recordings_are_played_over_a_session_of_our_own_set_up() {
    let sessions = [
        ("Sd1@c.test", "Sc1@c.test"),
        ("Sz1@c.test", "Sc1@c.test"),
        ("Sz2@c.test", "Sc1@c.test"),
        ("106@a.test", "105@a.test"),
        ("122@a.test", "105@a.test"),
    ];
    let names = ["20", "25", "38", "39", "40"];
    insta::assert_snapshot!("later_as_server", replay_with("a.test", "c.test", &names, &sessions));
    insta::assert_snapshot!(
        "later_as_peer",
        replay_with("c.test", "a.test", &["20", "25", "39", "40"], &sessions)
    );
}

#[test]
fn a_recorded_wrong_digest_opens_nothing() {
    insta::assert_snapshot!("wrong_digest", replay("a.test", "c.test", &["30"]));
}

#[test]
fn a_recorded_server_opens_a_session() {
    insta::assert_snapshot!("server_opens_as_server", replay("a.test", "c.test", &["32", "33", "34", "37"]));
    insta::assert_snapshot!("server_opens_as_peer", replay("c.test", "a.test", &["32", "33"]));
}

#[test]
fn a_recorded_peer_forgets_its_session_and_ends_an_old_one() {
    insta::assert_snapshot!("peer_forgets", replay("a.test", "c.test", &["35", "36"]));
}
