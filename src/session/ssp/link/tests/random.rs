//! No sequence of inputs opens a link without both digests.

use std::collections::HashSet;

use super::*;
use proptest::prelude::*;

/// What an attacker, or a confused peer, may do.
#[derive(Clone, Debug)]
enum Move {
    /// A token, as initiator or as responder.
    Token { request: bool, handshake: u8, foreign: bool },
    /// A login with the digest of a guess, or of the token that the link issued last in that role.
    Login { request: bool, handshake: u8, right: bool, foreign: bool },
    /// A session id.
    Grant { request: bool, handshake: u8, session: u8 },
    /// A refusal.
    Refuse { request: bool, handshake: u8 },
    /// Traffic in a session that may exist.
    Traffic { session: u8, response: bool },
    /// A POST of the link ends somehow.
    Posted { index: u8, outcome: u8 },
    /// We have something to say.
    Send(u8),
    /// Time passes.
    Wait(u32),
}

fn moves() -> impl Strategy<Value = Move> {
    let (flag, small) = (any::<bool>(), 0_u8..4);
    prop_oneof![
        4 => (flag, small.clone(), prop::bool::weighted(0.1))
            .prop_map(|(request, handshake, foreign)| Move::Token { request, handshake, foreign }),
        4 => (flag, small.clone(), flag, prop::bool::weighted(0.1))
            .prop_map(|(request, handshake, right, foreign)| Move::Login { request, handshake, right, foreign }),
        4 => (flag, small.clone(), small.clone())
            .prop_map(|(request, handshake, session)| Move::Grant { request, handshake, session }),
        1 => (flag, small.clone()).prop_map(|(request, handshake)| Move::Refuse { request, handshake }),
        1 => (small.clone(), flag).prop_map(|(session, response)| Move::Traffic { session, response }),
        3 => (any::<u8>(), 0_u8..6).prop_map(|(index, outcome)| Move::Posted { index, outcome }),
        1 => small.prop_map(Move::Send),
        1 => (0_u32..60_000).prop_map(Move::Wait),
    ]
}

/// The link and what a watcher knows of it.
struct Watch {
    stage: Stage,
    /// Transaction ids of handshakes that the link opened, latest last.
    own: Vec<TransactionId>,
    /// Tokens of the link, by the handshake's id as far as known: (as initiator, id, token).
    tokens: Vec<(bool, String, Vec<u8>)>,
    /// Handshakes in which the peer has shown the right digest: (as initiator, id).
    proven: HashSet<(bool, String)>,
    /// Handshakes in which we have shown ours.
    shown: HashSet<(bool, String)>,
    /// The peer's latest step 1.
    last_request: String,
    open: Vec<Post>,
    /// Sessions that were rightly opened.
    good: HashSet<crate::imps::SessionId>,
}

impl Watch {
    fn look(&mut self) {
        for post in self.stage.posts.drain(..) {
            if let PostContent::Setup(setup) = &post.content {
                let ours = setup.mode == Mode::Request;
                match &setup.element {
                    Setup::SendSecretToken(token) => {
                        let handshake = if ours { setup.id.to_string() } else { self.last_request.clone() };
                        if ours {
                            self.own.push(setup.id.clone());
                        }
                        self.tokens.push((ours, handshake, token.token.to_vec()));
                    }
                    Setup::LoginRequest(_) => {
                        self.shown.insert((ours, setup.id.to_string()));
                    }
                    Setup::LoginResponse(_) | Setup::Status(_) => {}
                }
            }
            self.open.push(post);
        }
    }

    fn name(&self, request: bool, handshake: u8) -> String {
        if request {
            return format!("x{handshake}");
        }
        let back = usize::from(handshake).min(self.own.len().saturating_sub(1));
        let index = self.own.len().checked_sub(1 + back);
        index.map_or_else(|| "none".to_owned(), |index| self.own[index].to_string())
    }

    fn play(&mut self, next: &Move) {
        let mode = |request: bool| if request { Mode::Request } else { Mode::Response };
        let service = |foreign: bool| if foreign { "evil.test" } else { "b.test" };
        match *next {
            Move::Token { request, handshake, foreign } => {
                let name = if request { self.name(true, handshake) } else { "any".to_owned() };
                let before = self.last_request.clone();
                if request {
                    self.last_request.clone_from(&name);
                }
                let result = self.stage.setup(mode(request), &name, token(service(foreign), "theirs"));
                assert!(!foreign || result.is_err());
                if result.is_err() {
                    self.last_request = before;
                } else if request && !self.stage.posts.is_empty() {
                    // A new handshake under an old name: what was proven in the old one is void.
                    self.proven.remove(&(false, name.clone()));
                    self.shown.remove(&(false, name));
                }
            }
            Move::Login { request, handshake, right, foreign } => {
                let name = self.name(request, handshake);
                let known = self.tokens.iter().rev().find(|(own, of, _)| *own != request && *of == name);
                let secret = known.filter(|_| right).map_or(b"guess".to_vec(), |(.., token)| token.clone());
                let proves = right && known.is_some();
                let result = self.stage.setup(mode(request), &name, login(service(foreign), &secret));
                assert!(!foreign || result.is_err());
                if proves && result.is_ok() {
                    self.proven.insert((!request, name));
                }
            }
            Move::Grant { request, handshake, session } => {
                let name = self.name(request, handshake);
                let _ = self.stage.setup(mode(request), &name, grant(&format!("{session}@b.test")));
            }
            Move::Refuse { request, handshake } => {
                let name = self.name(request, handshake);
                let _ = self.stage.setup(mode(request), &name, refusal(Code::UNAUTHORIZED));
            }
            Move::Traffic { session, response } => {
                let session = format!("{session}@b.test");
                let _ = self.stage.in_session(&session, mode(!response), "t1", ok());
            }
            Move::Posted { index, outcome } => {
                if !self.open.is_empty() {
                    let post = self.open.remove(usize::from(index) % self.open.len());
                    let outcome = match outcome {
                        0..=2 => PostOutcome::Accepted,
                        3 => PostOutcome::Closed,
                        4 => PostOutcome::Status(403, None),
                        _ => PostOutcome::Status(503, Some(7)),
                    };
                    self.stage.posted(&post, outcome);
                }
            }
            Move::Send(operation) => {
                let outgoing = Outgoing {
                    operation: OperationId(operation.into()),
                    transaction: None,
                    kind: Kind::Request,
                    fragment: fragment(),
                    via: None,
                };
                let _ = self.stage.link.enqueue(outgoing, self.stage.now, &mut self.stage.dice);
                self.stage.drain();
            }
            Move::Wait(millis) => self.stage.pass(Duration::from_millis(millis.into())),
        }
        self.look();
        for session in self.stage.link.sessions.iter() {
            let record = &session.record;
            if !self.good.insert(record.own_id.clone()) {
                continue;
            }
            let key = (record.initiator.as_str() == "a.test", record.setup.to_string());
            assert!(self.proven.contains(&key), "a session without the peer's digest: {record:?}");
            assert!(self.shown.contains(&key), "a session without our digest: {record:?}");
        }
        self.open.truncate(100);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn no_sequence_of_inputs_opens_a_link_without_both_digests(
        legacy in any::<bool>(),
        seed in any::<u64>(),
        moves in prop::collection::vec(moves(), 1..80),
    ) {
        let mut stage = Stage::new(if legacy { Profile::Legacy } else { Profile::Standard });
        stage.dice = Dice(seed);
        let mut watch = Watch {
            stage,
            own: Vec::new(),
            tokens: Vec::new(),
            proven: HashSet::new(),
            shown: HashSet::new(),
            last_request: String::new(),
            open: Vec::new(),
            good: HashSet::new(),
        };
        for next in &moves {
            watch.play(next);
        }
    }
}

#[test]
fn the_watcher_sees_sessions_that_are_rightly_opened() {
    let mut watch = Watch {
        stage: Stage::new(Profile::Standard),
        own: Vec::new(),
        tokens: Vec::new(),
        proven: HashSet::new(),
        shown: HashSet::new(),
        last_request: String::new(),
        open: Vec::new(),
        good: HashSet::new(),
    };
    for request in [true, false] {
        watch.play(&Move::Send(1));
        watch.play(&Move::Token { request, handshake: 0, foreign: false });
        watch.play(&Move::Login { request, handshake: 0, right: true, foreign: false });
        watch.play(&Move::Grant { request, handshake: 0, session: u8::from(request) });
    }
    assert_eq!(watch.stage.link.sessions.iter().count(), 2);
}
