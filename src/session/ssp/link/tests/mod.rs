//! Two kinds of play: one link against a hand-played peer ([`Stage`]), and two links against each
//! other over a wire whose every delivery the test decides ([`World`]).

mod golden;
mod life;
mod random;
mod setup;
mod traffic;
mod world;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::super::output::*;
use super::super::proof;
use super::super::record::SessionRecord;
use super::super::settings::LinkSettings;
use super::Link;
use crate::imps::agreement::Profile;
use crate::imps::primitive::{
    DigestSchema, LinkLoginRequest, LinkLoginResponse, Primitive, SendSecretToken, Setup,
};
use crate::imps::{Chance, Code, Domain, Moment, ServiceId, Status, TransactionId, Version};
use crate::wire::ssp::{Body as Document, Message, SessionMessage, SetupTransaction, Transaction};
use crate::wire::{Carried, Mode};

const START: Moment = Moment::from_millis(1_800_000_000_000);

fn domain(text: &str) -> Domain {
    text.parse().unwrap()
}

fn id(text: &str) -> TransactionId {
    text.parse().unwrap()
}

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// Numbers that differ, but the same ones in every run.
#[derive(Clone)]
struct Dice(u64);

impl Chance for Dice {
    fn fill(&mut self, octets: &mut [u8]) {
        for octet in octets {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *octet = (self.0 >> 56) as u8;
        }
    }
}

/// One link, its clock, and the peer's lines spoken by the test. We are `a.test`, the peer `b.test`.
struct Stage {
    link: Link,
    now: Moment,
    dice: Dice,
    /// Documents that the link posted and whose outcome is open.
    posts: VecDeque<Post>,
    /// Everything else it put out.
    outputs: Vec<Output>,
}

impl Stage {
    fn new(profile: Profile) -> Self {
        Self::with(LinkSettings::for_profile(domain("a.test"), domain("b.test"), profile), Vec::new())
    }

    fn with(settings: LinkSettings, records: Vec<SessionRecord>) -> Self {
        let link = Link::new(settings, records, START);
        let mut stage = Self { link, now: START, dice: Dice(7), posts: VecDeque::new(), outputs: Vec::new() };
        stage.drain();
        stage
    }

    fn drain(&mut self) {
        while let Some(output) = self.link.poll_output() {
            match output {
                Output::Post(post) => self.posts.push_back(post),
                other => self.outputs.push(other),
            }
        }
    }

    fn receive(&mut self, message: Message) -> Result<Vec<Arrived>, LinkError> {
        let arrived = self.link.receive(message, self.now, &mut self.dice);
        self.drain();
        arrived
    }

    fn setup(&mut self, mode: Mode, id: &str, element: Setup) -> Result<Vec<Arrived>, LinkError> {
        let setup = SetupTransaction { id: id.parse().unwrap(), mode, element };
        self.receive(Message { version: Version::V1_3, body: Document::Setup(setup) })
    }

    /// Takes the oldest POST; its outcome is still open.
    fn next_post(&mut self) -> Post {
        self.posts.pop_front().expect("the link posts something")
    }

    /// Takes the oldest POST, which must be a set-up step, and accepts it.
    fn next_step(&mut self) -> SetupTransaction {
        let post = self.next_post();
        self.posted(&post, PostOutcome::Accepted);
        match post.content {
            PostContent::Setup(setup) => setup,
            PostContent::Session { .. } => panic!("traffic instead of set-up: {post:?}"),
        }
    }

    fn posted(&mut self, post: &Post, outcome: PostOutcome) {
        self.link.posted(post.id, outcome, self.now, &mut self.dice);
        self.drain();
    }

    fn enqueue(&mut self, operation: i64, kind: Kind) -> TransactionId {
        let outgoing = Outgoing {
            operation: OperationId(operation),
            transaction: Some(id(&format!("t{operation}"))),
            kind,
            fragment: fragment(),
            via: None,
        };
        let taken = self.link.enqueue(outgoing, self.now, &mut self.dice).unwrap();
        self.drain();
        taken
    }

    /// Lets time pass, waking the link whenever it wants.
    fn pass(&mut self, time: Duration) {
        let until = self.now.after(time);
        let mut wakes = 0;
        while let Some(at) = self.link.next_wakeup().filter(|at| *at <= until) {
            wakes += 1;
            assert!(wakes < 1000, "the link wakes without end at {at:?}");
            self.now = self.now.max(at);
            self.link.wake(self.now, &mut self.dice);
            self.drain();
        }
        self.now = until;
    }

    /// What was put out since, without posts.
    fn said(&mut self) -> Vec<Output> {
        std::mem::take(&mut self.outputs)
    }

    fn alarms(&mut self) -> Vec<&'static str> {
        let reason = |output| if let Output::Alarm(alarm) = output { Some(alarm.reason()) } else { None };
        self.said().into_iter().filter_map(reason).collect()
    }

    /// The peer opens a session; gives its id of it.
    fn peer_opens(&mut self, name: &str) -> String {
        self.setup(Mode::Request, name, token("b.test", "theirs")).unwrap();
        self.pass(self.link.settings().pause());
        let ours = token_of(&self.next_step());
        self.setup(Mode::Request, name, login("b.test", &ours)).unwrap();
        assert_eq!(self.next_step().element.name(), "LoginRequest");
        let session = format!("{name}@b.test");
        self.setup(Mode::Request, name, grant(&session)).unwrap();
        assert_eq!(self.next_step().element.name(), "LoginResponse");
        assert!(self.link.is_up());
        session
    }

    /// Something waits, so we open a session; the peer answers well. Gives the peer's id of it.
    fn we_open(&mut self, name: &str) -> String {
        let first = self.next_step();
        let (x, ours) = (first.id.to_string(), token_of(&first));
        self.setup(Mode::Response, "any", token("b.test", "theirs")).unwrap();
        self.pass(self.link.settings().pause());
        assert_eq!(self.next_step().element.name(), "LoginRequest");
        self.setup(Mode::Response, &x, login("b.test", &ours)).unwrap();
        assert_eq!(self.next_step().element.name(), "LoginResponse");
        let session = format!("{name}@b.test");
        self.setup(Mode::Response, &x, grant(&session)).unwrap();
        assert!(self.link.is_up());
        session
    }

    fn in_session(
        &mut self,
        session: &str,
        mode: Mode,
        name: &str,
        primitive: impl Into<Primitive>,
    ) -> Result<Vec<Arrived>, LinkError> {
        self.receive(in_session(session, mode, name, primitive.into(), 1))
    }
}

fn fragment() -> Arc<[u8]> {
    b"<Status code=\"200\"/>".as_slice().into()
}

fn token(domain: &str, text: &str) -> Setup {
    Setup::SendSecretToken(SendSecretToken {
        service: ServiceId::of(domain.parse().unwrap()),
        version: Version::V1_3,
        misspelt: false,
        token: text.as_bytes().into(),
    })
}

/// The login of `domain` to the side that issued `token`.
fn login(domain: &str, token: &[u8]) -> Setup {
    Setup::LoginRequest(LinkLoginRequest {
        service: ServiceId::of(domain.parse().unwrap()),
        time_to_live: 86_400,
        digest: proof::digest(DigestSchema::Md5, token).unwrap(),
        schema: None,
    })
}

fn grant(session: &str) -> Setup {
    Setup::LoginResponse(LinkLoginResponse {
        session: Some(session.parse().unwrap()),
        time_to_live: Some(86_400),
        status: Status::ok(),
        redirects: Vec::new(),
    })
}

fn refusal(code: Code) -> Setup {
    super::super::setup::refuse(code)
}

fn token_of(step: &SetupTransaction) -> Vec<u8> {
    match &step.element {
        Setup::SendSecretToken(token) => token.token.to_vec(),
        other => panic!("no token: {other:?}"),
    }
}

fn in_session(session: &str, mode: Mode, name: &str, primitive: Primitive, digest: u64) -> Message {
    let transaction = Transaction {
        id: id(name),
        mode,
        meta: None,
        content: Carried::Primitive(Box::new(primitive)),
        digest,
        place: 0..0,
        outline: None,
    };
    let session =
        SessionMessage { session: session.parse().unwrap(), transactions: vec![transaction], skipped: 0 };
    Message { version: Version::V1_3, body: Document::Session(session) }
}

fn ok() -> Primitive {
    Primitive::Status(Status::ok())
}

/// The transactions of a POST of traffic.
fn parts(post: &Post) -> Vec<(String, Mode)> {
    match &post.content {
        PostContent::Session { parts, .. } => {
            parts.iter().map(|part| (part.transaction.to_string(), part.mode)).collect()
        }
        PostContent::Setup(setup) => panic!("set-up instead of traffic: {setup:?}"),
    }
}

fn primitive(post: &Post) -> Primitive {
    match &post.content {
        PostContent::Session { parts, .. } => match &parts[0].body {
            Body::Own(own) => own.1.clone(),
            Body::Encoded(_) | Body::Passing(..) => panic!("not the link's own"),
        },
        PostContent::Setup(setup) => panic!("set-up instead of traffic: {setup:?}"),
    }
}
