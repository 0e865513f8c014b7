//! A phone: logs in, sends, polls, acknowledges, logs out, over a bad network.
//!
//! It does what real phones do with an answer that does not come: it says the same document again. Once
//! the node was restarted meanwhile, it no longer does: nobody remembers the document then, and the phone
//! does not know what became of it.

mod presence;
mod talk;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use causeway::imps::primitive::{
    Author, Bearer, Capabilities, ClientCapabilityRequest, ClientId, ClientType, DeliveryMethod,
    DigestSchema, Display, LoginRequest, MessageDelivered, MessageInfo, NewMessage, NotificationType,
    Password, Recipient, SendMessageRequest, User,
};
use causeway::imps::{
    Content, Domain, GroupId, Primitive, SessionId, Status, TransactionId, UserId, Version,
};
use causeway::wire::csp::{self, Message, Transaction};
use causeway::wire::{Carried, Encoding, Limits, Mode};
use md5::Digest as _;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::dice::Dice;
use super::ledger::{Entry, Heard, Ledger};
use super::network::{Net, Trouble};

/// Of every user.
pub(super) const PASSWORD: &str = "correct horse";
/// How often a document is said again.
const REPEATS_MAX: u32 = 8;

/// The plan of a phone.
#[derive(Default)]
pub(super) struct Plan {
    /// Messages to send.
    pub(super) messages: usize,
    /// To whom messages may go, strangers included.
    pub(super) known: Vec<UserId>,
    /// The longest pause between two things it does, milliseconds.
    pub(super) pause: u64,
    /// Those of whom it watches some, and whom it may let watch.
    pub(super) others: Vec<UserId>,
    /// How often it publishes, watches or allows something.
    pub(super) presence: usize,
    /// Groups that it goes into, and whether it is to make them.
    pub(super) groups: Vec<(GroupId, bool)>,
    /// How often it does something in a group.
    pub(super) talk: usize,
    /// Whether it goes away without a word now and then.
    pub(super) fleeting: bool,
    /// Clocks jump: sessions may end at any time.
    pub(super) jumpy: bool,
}

/// A phone.
pub(super) struct Phone {
    pub(super) user: UserId,
    home: Domain,
    version: Version,
    encoding: Encoding,
    digest: bool,
    net: Arc<Net>,
    ledger: Ledger,
    dice: Dice,
    session: Option<SessionId>,
    /// In which life of its node the phone was last told something.
    life: Option<u32>,
    transactions: u32,
    /// Server requests to be answered.
    asked: Vec<(TransactionId, Primitive)>,
    /// Acknowledged, and nothing was answered to that: so it is for a session that is over, too.
    acknowledged: Vec<Entry>,
    jumpy: bool,
    /// Who wants to see what this user publishes, and waits for its word.
    questions: Vec<UserId>,
    /// Whom this session watches, as far as it knows.
    watching: Vec<UserId>,
    /// Groups, and whether this session is in them; `None`: it does not know.
    inside: BTreeMap<GroupId, Option<bool>>,
}

/// A document got no answer.
struct Silence;

impl Phone {
    pub(super) fn new(user: UserId, home: Domain, net: Arc<Net>, ledger: Ledger, mut dice: Dice) -> Self {
        let version = *dice.pick(&[Version::V1_1, Version::V1_2, Version::V1_3]);
        let encoding = *dice.pick(&[Encoding::Xml, Encoding::Wbxml]);
        let digest = dice.coin();
        Self {
            user,
            home,
            version,
            encoding,
            digest,
            net,
            ledger,
            dice,
            session: None,
            life: None,
            transactions: 0,
            asked: Vec::new(),
            acknowledged: Vec::new(),
            jumpy: false,
            questions: Vec::new(),
            watching: Vec::new(),
            inside: BTreeMap::new(),
        }
    }

    fn tell(&self, what: &str) {
        self.net.journal.tell(format!("{}: {what}", self.user));
    }

    /// Lives until told that the world ends. `ready` is cancelled when it has done everything.
    pub(super) async fn live(mut self, plan: Plan, ready: CancellationToken, end: CancellationToken) {
        let (mut messages, mut presence, mut talk) = (plan.messages, plan.presence, plan.talk);
        self.jumpy = plan.jumpy;
        self.tell(&format!(
            "a phone of {} in {}",
            self.version.as_str(),
            if self.encoding == Encoding::Xml { "XML" } else { "WBXML" }
        ));
        while !end.is_cancelled() {
            let left = messages + presence + talk;
            if self.session.is_none() {
                self.log_in().await;
            } else if left > 0 && self.dice.permille(450) {
                match self.dice.below(left as u64) {
                    place if place < messages as u64 => {
                        messages -= 1;
                        self.send(&plan.known).await;
                    }
                    place if place < (messages + presence) as u64 => {
                        presence -= 1;
                        self.show(&plan.others).await;
                    }
                    _ => {
                        talk -= 1;
                        self.gather(&plan.groups, &plan.others).await;
                    }
                }
            } else if left > 0 && self.dice.permille(30) {
                self.log_out().await;
            } else if left > 0 && plan.fleeting && self.dice.permille(60) {
                let away = self.dice.millis(0, 90_000);
                self.vanish(away, &end).await;
            } else {
                self.poll().await;
                while let (Some(watcher), true) = (self.questions.pop(), self.session.is_some()) {
                    self.decide(&watcher).await;
                }
            }
            let pause = if left > 0 {
                self.dice.millis(0, plan.pause)
            } else {
                ready.cancel();
                Duration::from_secs(5)
            };
            tokio::select! {
                biased;
                () = end.cancelled() => {}
                () = sleep(pause) => {}
            }
        }
    }

    /// Logs in if it has to, and sends one message.
    pub(super) async fn says_to(&mut self, user: &UserId) {
        if self.session.is_none() {
            self.log_in().await;
        }
        self.send(std::slice::from_ref(user)).await;
    }

    /// Goes out of reach with all that it knows, and comes back as a phone that was switched off.
    async fn vanish(&mut self, away: Duration, end: &CancellationToken) {
        self.tell(&format!("is away for {away:?}"));
        self.over();
        tokio::select! {
            biased;
            () = end.cancelled() => {}
            () = sleep(away) => {}
        }
    }

    /// The session is over, or will be.
    fn over(&mut self) {
        self.ledger.leaving(&self.user);
        self.session = None;
        self.asked.clear();
        self.acknowledged.clear();
        self.questions.clear();
        self.watching.clear();
        for inside in self.inside.values_mut() {
            *inside = None;
        }
    }

    /// Posts a document, again if no answer comes; with `life`, only to the node in this life of it.
    async fn exchange(
        &mut self,
        mode: Mode,
        id: Option<TransactionId>,
        primitive: Primitive,
        mut life: Option<u32>,
    ) -> Result<Option<Message>, Silence> {
        let name = primitive.name();
        let message = Message {
            version: self.version,
            encoding: self.encoding,
            session: self.session.clone(),
            transactions: vec![Transaction { mode, id, content: Carried::Primitive(Box::new(primitive)) }],
            poll: None,
            cir: None,
            old_forms: false,
        };
        let body = csp::write(&message).expect("a document that can be written");
        for _ in 0..REPEATS_MAX {
            match self.net.phone(&self.home, &mut self.dice, &body, self.encoding, life).await {
                Ok((_, answer)) if answer.is_empty() => {
                    // Only requests are told that a session is over.
                    if mode == Mode::Request {
                        self.session_lives();
                    }
                    return Ok(None);
                }
                Ok((in_life, answer)) => {
                    self.life = Some(in_life);
                    return match csp::read(&answer, self.encoding, None, &Limits::for_document(1 << 20)) {
                        Ok(message) => {
                            if !tells_of_lost_session(&message) {
                                self.session_lives();
                            }
                            Ok(Some(message))
                        }
                        Err(error) => {
                            self.ledger
                                .wrong(format!("{} cannot read the answer to {name}: {error}", self.user));
                            Err(Silence)
                        }
                    };
                }
                Err(Trouble::NoNode) if life.is_some() => break,
                Err(Trouble::NoNode) => {}
                Err(Trouble::Lost(in_life, answer)) => {
                    life = Some(in_life);
                    if let Some(number) = number_in(&String::from_utf8_lossy(&answer)) {
                        self.tell(&format!("an answer is lost, with number {number} in it"));
                        self.ledger.handed(&self.user, number);
                    }
                }
            }
            let pause = self.dice.millis(500, 4000);
            sleep(pause).await;
        }
        self.tell(&format!("{name} got no answer"));
        Err(Silence)
    }

    /// Asks and returns the answer, which has to be exactly one.
    async fn ask(&mut self, primitive: Primitive) -> Result<Primitive, Silence> {
        let name = primitive.name();
        self.transactions += 1;
        let id: TransactionId = self.transactions.to_string().parse().unwrap();
        let message = self.exchange(Mode::Request, Some(id.clone()), primitive, None).await?;
        let mut answers = Vec::new();
        for transaction in message.into_iter().flat_map(|message| message.transactions) {
            match (transaction.mode, transaction.content) {
                (Mode::Response, Carried::Primitive(answer)) if transaction.id.as_ref() == Some(&id) => {
                    answers.push(*answer);
                }
                (mode, content) => {
                    let strange = content.name();
                    self.ledger
                        .wrong(format!("{}: {name} was answered with {strange} ({mode:?})", self.user));
                }
            }
        }
        if answers.len() != 1 {
            self.ledger.wrong(format!("{}: {name} was answered {} times", self.user, answers.len()));
        }
        answers.pop().ok_or(Silence)
    }

    async fn log_in(&mut self) {
        match self.try_log_in().await {
            Ok(true) => self.tell("logged in"),
            Ok(false) | Err(Silence) => self.over(),
        }
    }

    async fn try_log_in(&mut self) -> Result<bool, Silence> {
        self.asked.clear();
        self.transactions = 0;
        let client = ClientId { url: Some("phone".into()), ..ClientId::default() };
        let mut request = LoginRequest {
            user: self.user.clone(),
            client: client.clone(),
            application: None,
            password: None,
            digest: None,
            schemas: Vec::new(),
            session: None,
            // The shortest: what a phone did not hear of is said again after twice this time.
            time_to_live: Some(60),
            responses: Vec::new(),
            cookie: Some("sim".into()),
            functions: None,
            capabilities: None,
        };
        if self.digest {
            request.schemas = vec![DigestSchema::Md5];
            let first = self.ask(Primitive::LoginRequest(Box::new(request.clone()))).await?;
            let Primitive::LoginResponse(first) = first else { return Ok(false) };
            let Some(nonce) = first.nonce else { return Ok(false) };
            request.schemas = Vec::new();
            let digest = md5::Md5::digest(format!("{nonce}{PASSWORD}").as_bytes());
            request.digest = Some(STANDARD.encode(digest).into());
        } else {
            request.password = Some(Password::new(PASSWORD));
        }
        let answer = self.ask(Primitive::LoginRequest(Box::new(request))).await?;
        let Primitive::LoginResponse(answer) = answer else { return Ok(false) };
        if !answer.result.code.is_success() || answer.session.is_none() {
            self.tell(&format!("login refused: {}", answer.result.code));
            return Ok(false);
        }
        self.session = answer.session;
        self.ledger.begins(&self.user);
        let client = (self.version == Version::V1_1).then_some(client);
        let capabilities = Box::new(Capabilities {
            client_type: Some(ClientType::MobilePhone),
            initial_delivery_method: Some(DeliveryMethod::Push),
            any_content: Some(true),
            accepted_content_length: (self.version < Version::V1_3).then_some(262_144),
            push_length: (self.version == Version::V1_3).then_some(262_144),
            bearers: vec![Bearer::Http],
            multi_trans: Some(1),
            parser_size: Some(262_144),
            server_poll_min: Some(2),
            ..Capabilities::default()
        });
        self.ask(ClientCapabilityRequest { client, capabilities }.into()).await?;
        Ok(true)
    }

    async fn log_out(&mut self) {
        self.tell("logs out");
        // Whatever is answered, or nothing: the session is over for this phone.
        self.ledger.leaving(&self.user);
        let _ = self.ask(Primitive::LogoutRequest).await;
        self.over();
    }

    async fn send(&mut self, known: &[UserId]) {
        let mut to = vec![self.dice.pick(known).clone()];
        while to.len() < 3 && self.dice.permille(200) {
            let another = self.dice.pick(known).clone();
            if !to.contains(&another) {
                to.push(another);
            }
        }
        let wants_report = self.dice.permille(400);
        let number = self.ledger.sending(&self.user, &to, wants_report);
        let names: Vec<_> = to.iter().map(ToString::to_string).collect();
        let report = if wants_report { ", wants reports" } else { "" };
        self.tell(&format!("sends number {number} to {}{report}", names.join(", ")));
        let recipients = to.into_iter().map(|user| Recipient::User(User::from(user))).collect();
        self.send_to(number, recipients, wants_report).await;
    }

    async fn send_to(&mut self, number: usize, recipients: Vec<Recipient>, wants_report: bool) {
        let info = MessageInfo {
            content_type: Some("text/plain".into()),
            recipients,
            sender: Some(User::from(self.user.clone()).into()),
            ..MessageInfo::default()
        };
        let content = Some(Content::from(format!("number {number} <&> ö").as_str()));
        let request = SendMessageRequest { delivery_report: wants_report, info, content };
        let Ok(answer) = self.ask(request.into()).await else { return };
        let (status, id) = match answer {
            Primitive::SendMessageResponse(answer) => (answer.result, answer.message_id),
            Primitive::Status(status) => (status, None),
            other => return self.ledger.wrong(format!("SendMessage was answered with {}", other.name())),
        };
        let details: Vec<_> = status.details.iter().map(|detail| detail.code.to_string()).collect();
        self.tell(&format!("number {number}: {} {}", status.code, details.join(" ")));
        self.session_lost(&status);
        self.ledger.answered(number, status, id);
    }

    /// A session that was opened and not closed lives on, whatever happens to the node.
    fn session_lost(&mut self, status: &Status) {
        if matches!(status.code.get(), 600 | 604) {
            self.session_ended(&format!("lost its session: {}", status.code));
        }
    }

    fn session_ended(&mut self, what: &str) {
        if self.jumpy {
            self.tell(what);
        } else {
            self.ledger.wrong(format!("{} {what}", self.user));
        }
        self.over();
    }

    /// Polls once, and acknowledges what comes, and what comes with the acknowledgement.
    async fn poll(&mut self) {
        let Ok(message) = self.exchange(Mode::Request, None, Primitive::PollingRequest, None).await else {
            return;
        };
        self.keep(message);
        while let Some((id, request)) = self.asked.pop() {
            self.take(id, request).await;
        }
    }

    fn keep(&mut self, message: Option<Message>) {
        let transactions = message.map(|message| message.transactions).unwrap_or_default();
        if transactions.len() > 1 {
            self.ledger.wrong(format!("{} was asked {} things at once", self.user, transactions.len()));
        }
        for transaction in transactions {
            match (transaction.mode, transaction.id, transaction.content) {
                (Mode::Request, Some(id), Carried::Primitive(request)) => self.asked.push((id, *request)),
                (Mode::Response, _, Carried::Primitive(answer)) => {
                    if let Primitive::Status(status) = *answer {
                        self.session_lost(&status);
                    }
                }
                (mode, _, content) => {
                    let name = content.name();
                    self.ledger.wrong(format!("{} was sent {name} ({mode:?}) on a poll", self.user));
                }
            }
        }
    }

    async fn take(&mut self, id: TransactionId, request: Primitive) {
        let (entry, answer) = match request {
            Primitive::NewMessage(message) => match self.take_message(&message) {
                Some((entry, delivered)) => (entry, delivered.into()),
                None => return,
            },
            Primitive::PresenceNotification(notice) => {
                for presence in &notice.presences {
                    self.told(presence);
                }
                (None, Primitive::Status(Status::ok()))
            }
            Primitive::PresenceAuthRequest(question) => {
                self.questions.push(question.user);
                (None, Primitive::Status(Status::ok()))
            }
            Primitive::NotificationRequest(notification) => {
                if notification.kind == NotificationType::AuthNeededUser {
                    self.questions.extend(notification.users);
                }
                (None, Primitive::Status(Status::ok()))
            }
            Primitive::GroupChangeNotice(_) => (None, Primitive::Status(Status::ok())),
            Primitive::LeaveGroupResponse(told) => {
                self.put_out(told.group);
                (None, Primitive::Status(Status::ok()))
            }
            Primitive::DeliveryReport(report) => {
                let about = report.info.recipients.first().and_then(|recipient| match recipient {
                    Recipient::User(user) => Some(user.id.as_str().to_owned()),
                    Recipient::Group(group) => Some(group.as_str().to_owned()),
                    _ => None,
                });
                let entry = match (report.info.id, about) {
                    (Some(message), Some(about)) => {
                        let code = report.result.code;
                        self.tell(&format!("hears of {message}: {about} {code}"));
                        Some(self.ledger.reported(&self.user, &message, &about, code))
                    }
                    _ => {
                        self.ledger.wrong(format!("{} received a report about nothing", self.user));
                        None
                    }
                };
                (entry, Primitive::Status(Status::ok()))
            }
            Primitive::Disconnect(disconnect) => {
                let code = disconnect.result.code;
                return self.session_ended(&format!("was disconnected: {code}"));
            }
            other => return self.ledger.wrong(format!("{} was sent {}", self.user, other.name())),
        };
        self.acknowledge(id, answer, entry).await;
    }

    fn take_message(&self, message: &NewMessage) -> Option<(Option<Entry>, MessageDelivered)> {
        let octets = message.content.as_ref().map(Content::octets).unwrap_or_default();
        let text = String::from_utf8_lossy(octets).into_owned();
        let number = text.strip_prefix("number ").and_then(|rest| rest.strip_suffix(" <&> ö"));
        let (Some(Ok(number)), Some(message_id)) = (number.map(str::parse), message.info.id.clone()) else {
            self.ledger.wrong(format!("{} received {text:?}", self.user));
            return None;
        };
        let sender = message.info.sender.as_ref().map(|sender| match (&sender.author, &sender.shown) {
            (Author::User(user), _) => Heard::Of(user.id.clone()),
            (Author::Group(group), Some(Display::ScreenName(name))) => {
                Heard::In(group.clone(), name.name.to_string())
            }
            (Author::Group(group), _) => Heard::In(group.clone(), String::new()),
        });
        self.tell(&format!("received number {number}"));
        let entry = self.ledger.received(&self.user, number, sender.as_ref(), &message_id);
        Some((entry, MessageDelivered { message_id }))
    }

    async fn acknowledge(&mut self, id: TransactionId, answer: Primitive, entry: Option<Entry>) {
        // MessageDelivered names the message, whatever the node remembers of having sent it. A Status says
        // nothing to a node that was restarted since.
        let life = if matches!(answer, Primitive::Status(_)) { self.life } else { None };
        // What was said while the session lived was heard: later answers show whether it did.
        let before = self.acknowledged.len();
        self.acknowledged.extend(entry);
        match self.exchange(Mode::Response, Some(id), answer, life).await {
            Ok(message) => {
                if !self.jumpy {
                    self.session_lives();
                }
                self.keep(message);
            }
            Err(Silence) => self.acknowledged.truncate(before),
        }
    }

    /// The node knows the session: it has heard what was acknowledged in it.
    fn session_lives(&mut self) {
        for entry in self.acknowledged.drain(..) {
            self.ledger.settled(entry);
        }
    }
}

/// Whether an answer says that the session is over.
fn tells_of_lost_session(message: &Message) -> bool {
    message.transactions.iter().any(|transaction| {
        let Carried::Primitive(answer) = &transaction.content else { return false };
        transaction.mode == Mode::Response
            && answer.status().is_some_and(|status| matches!(status.code.get(), 600 | 604))
    })
}

/// The number of the message that a document holds, if it holds one: text stands as it is in XML and in
/// WBXML.
pub(super) fn number_in(document: &str) -> Option<usize> {
    let (_, rest) = document.split_once("number ")?;
    let digits = rest.chars().take_while(char::is_ascii_digit).count();
    rest[..digits].parse().ok()
}
