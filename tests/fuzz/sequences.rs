// What must hold of the session machines, whatever happens in whatever order: octets are read as a play of moves.
// The fuzz targets call these, and so does `tests/it/findings.rs` with every play of the past. The properties beside
// the machines know more of their insides; here is what shows outside.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use causeway::imps::agreement::Profile;
use causeway::imps::primitive::{
    ClientId, MessageDelivered, MessageInfo, MetaInfo, Recipient, SendMessageRequest, User,
};
use causeway::imps::{Chance, Code, Moment, Primitive, ServiceId, Status, TransactionId, UserId, Version};
use causeway::session::{csp, ssp};
use causeway::wire::ssp::{Style, encode_primitive};
use causeway::wire::{Encoding, Limits, Mode};

/// Moves of a play at most.
const MOVES_MAX: usize = 400;
/// Documents that an attacker keeps at most.
const RECORDED_MAX: usize = 64;
/// How long a link remembers what it was asked (decisions.md 6).
const REMEMBERED: Duration = Duration::from_secs(600);
const START: Moment = Moment::from_millis(1_800_000_000_000);

/// Reads moves; nothing is left: zeros.
struct Moves<'o> {
    octets: &'o [u8],
    left: usize,
}

impl<'o> Moves<'o> {
    const fn of(octets: &'o [u8]) -> Self {
        Self { octets, left: MOVES_MAX }
    }

    fn octet(&mut self) -> u8 {
        let Some((first, rest)) = self.octets.split_first() else { return 0 };
        self.octets = rest;
        *first
    }

    fn pick(&mut self, of: usize) -> usize {
        usize::from(self.octet()) % of.max(1)
    }

    fn next(&mut self) -> Option<u8> {
        if self.octets.is_empty() || self.left == 0 {
            return None;
        }
        self.left -= 1;
        Some(self.octet())
    }
}

/// Numbers that differ, and the same ones in every run.
struct Dice(u64);

impl Chance for Dice {
    fn fill(&mut self, octets: &mut [u8]) {
        for octet in octets {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *octet = self.0.to_be_bytes()[0];
        }
    }
}

/// One end of a link, and what a watcher knows of it.
struct End {
    name: &'static str,
    peer: &'static str,
    link: ssp::Link,
    /// What its store has.
    records: BTreeMap<String, ssp::SessionRecord>,
    /// Documents on their way, oldest first.
    posts: VecDeque<ssp::Post>,
    /// Operations that the link holds, with their transactions.
    held: BTreeMap<i64, TransactionId>,
    /// Operations that came back and may be handed over again.
    back: Vec<(i64, TransactionId)>,
    /// Requests of the peer that were handed up, and when.
    heard: BTreeMap<String, Moment>,
    /// The next one cannot be stored.
    refuses: bool,
    /// Those of them that are not answered.
    asked: VecDeque<TransactionId>,
    /// Those that were answered.
    answered: BTreeSet<String>,
    /// How many questions of its own were answered.
    answers: usize,
}

fn settings(own: &str, peer: &str, profile: Profile) -> ssp::LinkSettings {
    ssp::LinkSettings::for_profile(own.parse().unwrap(), peer.parse().unwrap(), profile)
}

impl End {
    fn new(name: &'static str, peer: &'static str, profile: Profile) -> Self {
        let link = ssp::Link::new(settings(name, peer, profile), Vec::new(), START);
        Self {
            name,
            peer,
            link,
            records: BTreeMap::new(),
            posts: VecDeque::new(),
            held: BTreeMap::new(),
            back: Vec::new(),
            heard: BTreeMap::new(),
            refuses: false,
            asked: VecDeque::new(),
            answered: BTreeSet::new(),
            answers: 0,
        }
    }

    /// An operation came to an end, which it does once.
    fn ended(&mut self, operation: ssp::OperationId) -> (i64, TransactionId) {
        let transaction = self.held.remove(&operation.0);
        (operation.0, transaction.expect("what ends was held"))
    }

    fn drain(&mut self) {
        for count in 0.. {
            assert!(count < 10_000, "the link has something to say for ever");
            let Some(output) = self.link.poll_output() else { break };
            match output {
                ssp::Output::Post(post) => self.leaves(post),
                ssp::Output::Persist(record) => {
                    self.records.insert(record.own_id.to_string(), record);
                }
                ssp::Output::Forget(session) => drop(self.records.remove(session.as_str())),
                ssp::Output::Settled { operation } | ssp::Output::Failed { operation, .. } => {
                    self.ended(operation);
                }
                ssp::Output::Unanswered { operation } | ssp::Output::Returned { operation, .. } => {
                    let ended = self.ended(operation);
                    self.back.push(ended);
                }
                ssp::Output::Up { .. }
                | ssp::Output::Down { .. }
                | ssp::Output::Offered(_)
                | ssp::Output::Alarm(_) => {}
            }
        }
    }

    fn leaves(&mut self, post: ssp::Post) {
        if let ssp::PostContent::Session { parts, .. } = &post.content {
            assert!(!parts.is_empty(), "a POST says something");
            for part in parts {
                let is_ours = matches!(part.body, ssp::Body::Own(_));
                let name = part.transaction.as_str();
                let was_asked = part.mode == Mode::Request || self.answered.contains(name);
                assert!(is_ours || was_asked, "{} answers what nobody asked: {name}", self.name);
            }
        }
        self.posts.push_back(post);
    }

    /// A document reaches this end; how its POST ends.
    fn hears(&mut self, octets: &[u8], now: Moment, dice: &mut Dice) -> ssp::PostOutcome {
        let limits = Limits::for_document(1 << 20);
        let message = causeway::wire::ssp::read(octets, None, &limits).expect("what we write, we read");
        let outcome = match self.link.receive(message, now, dice) {
            Err(error) => ssp::PostOutcome::Status(error.http_status(), error.retry_after()),
            Ok(arrived) => {
                let mut taken = true;
                for one in arrived {
                    taken &= self.arrived(one, now);
                }
                if taken { ssp::PostOutcome::Accepted } else { ssp::PostOutcome::Status(503, Some(5)) }
            }
        };
        self.drain();
        outcome
    }

    /// `false`: it cannot be taken now.
    fn arrived(&mut self, arrived: ssp::Arrived, now: Moment) -> bool {
        match arrived {
            ssp::Arrived::Request { transaction, .. } => {
                let before = self.heard.insert(transaction.to_string(), now);
                let is_new = before.is_none_or(|when| now.since(when) >= REMEMBERED);
                assert!(is_new, "{} is handed {transaction} twice", self.name);
                if std::mem::take(&mut self.refuses) {
                    self.heard.remove(transaction.as_str());
                    self.link.abandoned(&transaction);
                    return false;
                }
                self.link.accepted(&transaction);
                self.asked.push_back(transaction);
            }
            ssp::Arrived::Answer { operation, transaction, .. } => {
                self.answers += 1;
                let (_, asked) = self.ended(operation);
                assert_eq!(asked, transaction, "an answer is that to its own question");
            }
            _ => {}
        }
        true
    }

    fn asks(&mut self, number: i64, kind: ssp::Kind, fragment: &Arc<[u8]>, now: Moment, dice: &mut Dice) {
        let fresh = || (number, format!("{}-{number}", self.name).parse().unwrap());
        let (operation, transaction) = self.back.pop().unwrap_or_else(fresh);
        let outgoing = ssp::Outgoing {
            operation: ssp::OperationId(operation),
            transaction: Some(transaction.clone()),
            kind,
            fragment: Arc::clone(fragment),
            via: None,
        };
        let before = self.link.capacity();
        match self.link.enqueue(outgoing, now, dice) {
            Ok(taken) => {
                assert_eq!(taken, transaction);
                self.held.insert(operation, transaction);
            }
            Err(error) => {
                assert!(before == 0 || error != ssp::NotTaken::Full, "there was room for {before}");
                self.back.push((operation, transaction));
            }
        }
        self.drain();
    }

    fn answers(&mut self, fragment: &Arc<[u8]>, now: Moment, dice: &mut Dice) {
        let Some(transaction) = self.asked.pop_front() else { return };
        self.answered.insert(transaction.to_string());
        self.link.answer(&transaction, Arc::clone(fragment), now, dice);
        self.drain();
    }

    fn wakes(&mut self, now: Moment, dice: &mut Dice) {
        for count in 0.. {
            assert!(count < 1000, "the link wakes without end");
            if self.link.next_wakeup().is_none_or(|at| at > now) {
                break;
            }
            self.link.wake(now, dice);
            self.drain();
        }
    }

    /// The node stops and starts again.
    fn restarts(&mut self, profile: Profile, now: Moment) {
        let records = self.records.values().cloned().collect();
        self.link = ssp::Link::new(settings(self.name, self.peer, profile), records, now);
        self.posts.clear();
        self.back.extend(std::mem::take(&mut self.held));
        // The memory of the store is another than that of the link.
        self.heard.clear();
        self.asked.clear();
        self.drain();
    }
}

fn fragments() -> [Arc<[u8]>; 2] {
    let style = Style { version: Version::V1_3, legacy: false };
    let sender: User = "wv:ada@a.test".parse::<UserId>().unwrap().into();
    let meta = MetaInfo {
        client_originated: true,
        service: ServiceId::of("a.test".parse().unwrap()),
        user: Some(sender.clone()),
    };
    let info = MessageInfo {
        id: "m1@a.test".parse().ok(),
        recipients: vec![Recipient::User("wv:bo@b.test".parse::<UserId>().unwrap().into())],
        sender: Some(sender.into()),
        ..MessageInfo::default()
    };
    let request = SendMessageRequest { delivery_report: false, info, content: Some("hi".into()) };
    [
        encode_primitive(&request.into(), Some(&meta), style).unwrap().into(),
        encode_primitive(&Status::ok().into(), None, style).unwrap().into(),
    ]
}

/// Two links and a wire that loses, repeats, reorders and records. Gives how many questions were answered.
#[allow(dead_code, reason = "each target uses one of these")]
pub fn ssp_sessions(octets: &[u8]) -> usize {
    let mut moves = Moves::of(octets);
    let profile = [Profile::Standard, Profile::Causeway, Profile::Legacy][moves.pick(3)];
    let mut dice = Dice(u64::from(moves.octet()));
    let [request, answer] = fragments();
    let mut ends = [End::new("a.test", "b.test", profile), End::new("b.test", "a.test", profile)];
    let mut recorded: Vec<(usize, Vec<u8>)> = Vec::new();
    let (mut now, mut number) = (START, 0);
    while let Some(step) = moves.next() {
        let who = usize::from(step / 128);
        let other = 1 - who;
        let end = &mut ends[who];
        match step % 16 {
            // A document goes its way, or stays behind others; its answer arrives, or is lost.
            kind @ 0..=6 if !end.posts.is_empty() => {
                let place = if kind == 4 { moves.pick(end.posts.len()) } else { 0 };
                let post = end.posts.remove(place).unwrap();
                let document = post.to_bytes();
                let outcome = match kind {
                    5 => {
                        [ssp::PostOutcome::Unreachable, ssp::PostOutcome::Status(503, Some(7))][moves.pick(2)]
                    }
                    _ => ends[other].hears(&document, now, &mut dice),
                };
                let outcome = if kind == 6 { ssp::PostOutcome::Closed } else { outcome };
                ends[who].link.posted(post.id, outcome, now, &mut dice);
                ends[who].drain();
                if recorded.len() < RECORDED_MAX {
                    recorded.push((other, document));
                }
            }
            7 if !recorded.is_empty() => {
                let place = moves.pick(recorded.len());
                let (to, document) = &recorded[place];
                ends[*to].hears(document, now, &mut dice);
            }
            8 | 9 => {
                number += 1;
                end.asks(number, ssp::Kind::Request, &request, now, &mut dice);
            }
            10 => end.answers(&answer, now, &mut dice),
            11 => end.refuses = true,
            12 | 13 => {
                let millis = u64::from(moves.octet()) * u64::from(moves.octet());
                now = now.after(Duration::from_millis(millis));
                for end in &mut ends {
                    end.wakes(now, &mut dice);
                }
            }
            14 => {
                let held: Vec<i64> = end.held.keys().copied().collect();
                if let Some(operation) = held.get(moves.pick(held.len())) {
                    assert!(end.link.withdraw(ssp::OperationId(*operation)), "what is held can be withdrawn");
                    end.held.remove(operation);
                }
                end.drain();
            }
            15 => match moves.octet() {
                0..=15 => end.restarts(profile, now),
                16..=100 => end.link.greet(now, &mut dice),
                101..=180 => end.link.reconnect(now, &mut dice),
                _ => end.link.retry(now, &mut dice),
            },
            _ => {}
        }
        for end in &mut ends {
            end.drain();
        }
    }
    ends.iter().map(|end| end.answers).sum()
}

/// One session of a client, its mailbox, and a client that answers as it likes. Gives how many messages it took.
#[allow(dead_code, reason = "each target uses one of these")]
pub fn csp_session(octets: &[u8]) -> usize {
    let mut moves = Moves::of(octets);
    let mut play = Phone::new(moves.octet());
    while let Some(step) = moves.next() {
        play.plays(step % 16, &mut moves);
    }
    play.taken
}

struct Phone {
    session: csp::Session,
    now: Moment,
    /// Rows of the mailbox.
    mailbox: BTreeSet<i64>,
    last: i64,
    /// What the store was asked, and what it had.
    loading: Option<(csp::Wants, Vec<i64>, bool)>,
    /// Server requests that were sent: transaction, row, and when last.
    offered: BTreeMap<String, (i64, Moment)>,
    /// Server requests whose answer is not there.
    open: VecDeque<TransactionId>,
    /// Rows that the client has.
    had: BTreeSet<i64>,
    /// Documents that are being carried out, and those that were answered.
    working: BTreeMap<String, Moment>,
    done: BTreeMap<String, Vec<u8>>,
    is_over: bool,
    /// How many rows the client took.
    taken: usize,
}

fn message(id: i64) -> csp::Row {
    csp::Row { id, kind: csp::RowKind::Message { octets: 2, content_type: None, group: None } }
}

impl Phone {
    fn new(seed: u8) -> Self {
        let record = csp::SessionRecord {
            id: "s-1".parse().unwrap(),
            user: "wv:ada@a.test".parse().unwrap(),
            client: ClientId::default(),
            application: None,
            version: [Version::V1_1, Version::V1_2, Version::V1_3][usize::from(seed) % 3],
            encoding: Encoding::Xml,
            cookie: None,
            time_to_live: 100,
            capabilities: Box::default(),
            created: START,
            last_active: START,
        };
        Self {
            session: csp::Session::restore(record, &mut Dice(seed.into())),
            now: START,
            mailbox: BTreeSet::new(),
            last: 0,
            loading: None,
            offered: BTreeMap::new(),
            open: VecDeque::new(),
            had: BTreeSet::new(),
            working: BTreeMap::new(),
            done: BTreeMap::new(),
            is_over: false,
            taken: 0,
        }
    }

    fn plays(&mut self, step: u8, moves: &mut Moves<'_>) {
        match step {
            0 | 1 => {
                for _ in 0..=moves.pick(40) {
                    self.last += 1;
                    self.mailbox.insert(self.last);
                    self.session.poll().arrived(message(self.last));
                }
            }
            2 => self.asks(),
            3 => self.loads(),
            4 | 5 => self.hears(true, Some(csp::Occasion::Poll)),
            6 | 7 => self.answers(moves),
            8 => {
                if let Some(transaction) = self.open.pop_back() {
                    self.session.offer_lost(&transaction);
                    if let Some((_, when)) = self.offered.get_mut(transaction.as_str()) {
                        *when = Moment::default();
                    }
                }
            }
            9 => {
                let taken = self.had.iter().find(|row| self.mailbox.contains(*row)).copied();
                self.gone(taken.or_else(|| self.mailbox.iter().nth(moves.pick(50)).copied()));
            }
            10 | 11 => self.document(moves),
            12 => {
                let seconds = u64::from(moves.octet());
                self.now = self.now.after(Duration::from_secs(seconds));
                drop(self.session.to_save(self.now));
            }
            13 => {
                if let Some(row) = self.had.pop_last() {
                    // The commit failed: it waits again.
                    self.session.poll().unsettled(row, self.now);
                    self.forget(row);
                }
            }
            14 if moves.octet() < 30 => self.session.end(Code::SERVICE_UNAVAILABLE, self.now),
            15 if moves.octet() < 10 => {
                drop(self.session.logout());
                self.is_over = true;
            }
            _ => drop(self.session.poll_flag(self.now)),
        }
        self.is_over |= self.session.is_over(self.now);
        assert_eq!(self.session.is_over(self.now), self.is_over, "what is over stays so");
    }

    fn asks(&mut self) {
        if let Some(wants) = self.session.poll().wants_more() {
            assert!(wants.count <= csp::poll::WINDOW_ROWS_MAX, "a window has a bound");
            let rows: Vec<i64> = self.mailbox.range(wants.after + 1..).copied().collect();
            let complete = rows.len() <= wants.count;
            self.loading = Some((wants, rows.into_iter().take(wants.count).collect(), complete));
        }
    }

    fn loads(&mut self) {
        if let Some((wants, rows, complete)) = self.loading.take() {
            let rows = rows.into_iter().map(message).collect();
            self.session.poll().loaded(wants, rows, complete);
        }
    }

    fn gone(&mut self, row: Option<i64>) {
        let Some(row) = row else { return };
        self.mailbox.remove(&row);
        self.session.poll().removed(row);
    }

    fn forget(&mut self, row: i64) {
        for (known, when) in self.offered.values_mut() {
            if *known == row {
                *when = Moment::default();
            }
        }
    }

    /// A document arrives; the reply may carry a server request.
    fn hears(&mut self, may_take_request: bool, occasion: Option<csp::Occasion>) {
        let heard = self.session.heard(may_take_request, self.now);
        assert!(!self.is_over || heard.is_err(), "nobody is heard in what is over");
        self.is_over |= heard.is_err() && self.session.is_over(self.now);
        let (Ok(()), Some(occasion)) = (heard, occasion) else { return };
        while let Some(offer) = self.session.next_request(occasion, self.now) {
            let csp::Offered::Row { id, .. } = offer.what else {
                assert!(self.session.is_over(self.now), "who was sent away is gone");
                self.is_over = true;
                return;
            };
            assert!(!self.had.contains(&id), "row {id} is offered to who has it");
            if !self.mailbox.contains(&id) {
                self.session.poll().removed(id);
                continue;
            }
            let keep_alive = Duration::from_secs(self.session.record().time_to_live.into());
            for (known, (row, when)) in &self.offered {
                let is_same = known == offer.transaction.as_str();
                assert!(!is_same || *row == id, "a transaction has one row");
                let is_early = *row == id && self.now.since(*when) < keep_alive * 2;
                assert!(!is_early, "row {id} is offered twice at once");
            }
            self.offered.insert(offer.transaction.to_string(), (id, self.now));
            self.open.retain(|open| *open != offer.transaction);
            self.open.push_back(offer.transaction);
            return;
        }
    }

    fn answers(&mut self, moves: &mut Moves<'_>) {
        let kind = moves.octet();
        let open = if kind & 1 == 0 { self.open.pop_front() } else { self.open.back().cloned() };
        let transaction = open.unwrap_or_else(|| "nobody-asked".parse().unwrap());
        let answer: Primitive = match kind % 5 {
            0 | 1 => Status::ok().into(),
            2 => Status::new(Code::BAD_REQUEST).into(),
            3 => causeway::imps::primitive::Disconnect { result: Status::ok() }.into(),
            _ => MessageDelivered { message_id: "m".parse().unwrap() }.into(),
        };
        let asked = self.offered.get(transaction.as_str()).map(|(row, _)| *row);
        match self.session.answered(&transaction, &answer) {
            csp::Answered::Delivered { row } | csp::Answered::Acknowledged { row } => {
                assert_eq!(asked, Some(row), "an answer is about what was offered");
                self.taken += 1;
                assert!(self.had.insert(row), "row {row} is delivered twice");
            }
            csp::Answered::Notified { row } | csp::Answered::Refused { row, .. } => {
                assert_eq!(asked, Some(row), "an answer is about what was offered");
            }
            csp::Answered::Unknown { .. } => {}
        }
        self.hears(true, Some(csp::Occasion::Answer));
    }

    /// A request of the client begins, ends, fails or comes again.
    fn document(&mut self, moves: &mut Moves<'_>) {
        let name = format!("t{}", moves.octet() % 8);
        let transaction: TransactionId = name.parse().unwrap();
        self.hears(false, None);
        if self.is_over {
            return;
        }
        match self.session.begin(&transaction, 1, self.now) {
            csp::Begin::Fresh => {
                let late = |since: &Moment| self.now.since(*since) >= csp::memory::IN_WORK_MAX;
                assert!(self.working.get(&name).is_none_or(late), "{name} is carried out twice");
                assert!(!self.done.contains_key(&name), "{name} is carried out though it was answered");
                self.working.insert(name.clone(), self.now);
            }
            csp::Begin::Repeat(answer) => {
                assert_eq!(self.done.get(&name).map(Vec::as_slice), Some(&*answer), "the same answer again");
                return;
            }
            csp::Begin::InWork => assert!(self.working.contains_key(&name), "{name} is not in work"),
        }
        match moves.octet() % 3 {
            0 => {}
            1 => {
                let answer = vec![moves.octet(); 8];
                self.session.finish(&transaction, 1, answer.clone().into());
                self.working.remove(&name);
                self.done.insert(name, answer);
            }
            _ => {
                self.session.abandon(&transaction, 1);
                self.working.remove(&name);
            }
        }
    }
}
