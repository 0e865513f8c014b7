//! What phones said and heard, and what is wrong with it.

mod presence;
mod switch;
mod talk;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use causeway::imps::status::{Entity, Outcome};
use causeway::imps::{Code, GroupId, MessageId, Status, UserId};

use super::journal::Journal;
use super::network::Meddled;

pub(super) use presence::Truth;

/// What all phones of a world know together.
#[derive(Clone)]
pub(super) struct Ledger {
    journal: Journal,
    book: Arc<Mutex<Book>>,
}

#[derive(Default)]
struct Book {
    /// Disks never fail here, so that what was settled stays settled.
    strict: bool,
    /// Few octets may wait for a peer: messages may fail for that reason, and reports find no room.
    cramped: bool,
    /// An agreement was closed for a while: messages may fail for that reason.
    torn: bool,
    views: presence::Views,
    talks: talk::Talks,
    sent: Vec<Sent>,
    received: Vec<Received>,
    reports: Vec<Report>,
    /// Which message was first handed to whom, whether or not it came through, in this order.
    handed: Vec<(UserId, usize)>,
    wrongs: Vec<String>,
}

/// A message that somebody sent. Its place in the book is its number, and stands in its text.
struct Sent {
    author: UserId,
    to: Vec<UserId>,
    /// It was said in this group, and `to` is empty.
    group: Option<GroupId>,
    begun: Duration,
    wants_report: bool,
    /// What the author was told; `None`: nothing, the answer never came.
    answer: Option<(Status, Option<MessageId>)>,
}

struct Received {
    reader: UserId,
    number: usize,
    id: MessageId,
    /// The reader told the server that it has it, and the server heard.
    settled: bool,
}

struct Report {
    reader: UserId,
    message: MessageId,
    /// A user or a group.
    about: String,
    code: Code,
    settled: bool,
}

/// Which entry is settled by an acknowledgement that was heard.
#[derive(Clone, Copy, Debug)]
pub(super) enum Entry {
    Received(usize),
    Report(usize),
}

/// A place in the book that waits for an answer.
#[derive(Clone, Debug)]
pub(super) enum Pending {
    Said(usize),
    Grant(UserId, UserId, usize),
    Watch(UserId, UserId, usize),
    Inside(UserId, GroupId, usize),
}

impl Ledger {
    /// An empty one. `strict` unless disks fail: what could not be settled is said again.
    pub(super) fn new(journal: Journal, strict: bool) -> Self {
        Self { journal, book: Arc::new(Mutex::new(Book { strict, ..Book::default() })) }
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something that must never happen has happened.
    pub(super) fn wrong(&self, what: impl Into<String>) {
        let what = what.into();
        self.journal.tell(format!("WRONG: {what}"));
        self.book().wrongs.push(what);
    }

    /// Few octets may wait for a peer.
    pub(super) fn cramped(&self) {
        self.book().cramped = true;
    }

    /// An agreement is closed.
    pub(super) fn torn(&self) {
        self.book().torn = true;
    }

    /// A message is about to be sent; its number.
    pub(super) fn sending(&self, author: &UserId, to: &[UserId], wants_report: bool) -> usize {
        self.book().sending(author, to, None, wants_report, self.journal.elapsed())
    }

    /// Something is about to be said in a group; its number.
    pub(super) fn speaking(&self, author: &UserId, group: &GroupId) -> usize {
        self.book().sending(author, &[], Some(group.clone()), false, self.journal.elapsed())
    }

    /// The author has heard what became of it.
    pub(super) fn answered(&self, number: usize, status: Status, id: Option<MessageId>) {
        self.book().sent[number].answer = Some((status, id));
    }

    /// A user is about to publish something; its number.
    pub(super) fn saying(&self, user: &UserId) -> (usize, Pending) {
        let number = self.book().views.saying(user, self.journal.elapsed());
        (number, Pending::Said(number))
    }

    /// A user is about to let another see what it publishes, or no more.
    pub(super) fn granting(&self, owner: &UserId, watcher: &UserId, on: bool) -> Pending {
        let pair = (watcher.clone(), owner.clone());
        let place = self.book().views.grant(pair).begin(on, self.journal.elapsed());
        Pending::Grant(watcher.clone(), owner.clone(), place)
    }

    /// A user is about to watch another, or no more.
    pub(super) fn watching(&self, watcher: &UserId, owner: &UserId, on: bool) -> Pending {
        let pair = (watcher.clone(), owner.clone());
        let mut book = self.book();
        if on {
            book.views.forget(&pair);
        }
        let place = book.views.subscription(pair).begin(on, self.journal.elapsed());
        Pending::Watch(watcher.clone(), owner.clone(), place)
    }

    /// A user is about to go into a group, or out.
    pub(super) fn moving(&self, user: &UserId, group: &GroupId, on: bool) -> Pending {
        let place = self.book().talks.of(user, group).begin(on, self.journal.elapsed());
        Pending::Inside(user.clone(), group.clone(), place)
    }

    /// What was pending has come to this.
    pub(super) fn came_to(&self, pending: Pending, took_effect: bool) {
        let now = self.journal.elapsed();
        let mut book = self.book();
        match pending {
            Pending::Said(number) => book.views.said(number, took_effect, now),
            Pending::Grant(watcher, owner, place) => {
                book.views.grant((watcher, owner)).end(place, took_effect, now);
            }
            Pending::Watch(watcher, owner, place) => {
                book.views.subscription((watcher, owner)).end(place, took_effect, now);
            }
            Pending::Inside(user, group, place) => book.talks.of(&user, &group).end(place, took_effect, now),
        }
    }

    /// A user is about to put another out of a group.
    pub(super) fn rejecting(&self, user: &UserId, group: &GroupId) -> Pending {
        let place = self.book().talks.of(user, group).begin_off(self.journal.elapsed());
        Pending::Inside(user.clone(), group.clone(), place)
    }

    /// The group has put a user out.
    pub(super) fn put_out(&self, user: &UserId, group: &GroupId) {
        self.book().talks.of(user, group).begin(false, self.journal.elapsed());
    }

    /// The session of a user may be over from now on: with it end its subscriptions, and it is out of
    /// every group.
    pub(super) fn leaving(&self, user: &UserId) {
        let now = self.journal.elapsed();
        let mut book = self.book();
        for (_, watch) in book.views.of_watcher(user) {
            watch.begin(false, now);
        }
        for inside in book.talks.of_user(user) {
            inside.begin(false, now);
        }
    }

    /// A user has a new session: of what an earlier one watched nothing is told to this one.
    pub(super) fn begins(&self, user: &UserId) {
        let now = self.journal.elapsed();
        for (_, watch) in self.book().views.of_watcher(user) {
            watch.set(false, now);
        }
    }

    /// A watcher sees what another publishes; `told` in a notice.
    pub(super) fn saw(&self, watcher: &UserId, owner: &UserId, value: Option<&str>, told: bool) {
        let pair = (watcher.clone(), owner.clone());
        let wrong = self.book().views.saw(&pair, value, told).err();
        if let Some(wrong) = wrong {
            self.wrong(wrong);
        }
    }

    /// A message reached a reader, as the message of somebody or as a group's. Seen again before it was
    /// settled, it is the same entry.
    pub(super) fn received(
        &self,
        reader: &UserId,
        number: usize,
        sender: Option<&Heard>,
        id: &MessageId,
    ) -> Option<Entry> {
        let now = self.journal.elapsed();
        let mut book = self.book();
        let Some(sent) = book.sent.get(number) else {
            book.wrongs.push(format!("{reader} received number {number}, which nobody sent"));
            return None;
        };
        let mut wrongs = Vec::new();
        let author = &sent.author;
        let fits = match (sender, &sent.group) {
            (Some(Heard::Of(user)), None) => user == author,
            (Some(Heard::In(group, name)), Some(of)) => group == of && *name == author.user(),
            _ => false,
        };
        if !fits {
            wrongs.push(format!("number {number} of {author} reached {reader} as from {sender:?}"));
        }
        let is_for = match &sent.group {
            None => sent.to.contains(reader),
            Some(group) => reader != author && book.talks.may_hear(reader, group, sent.begun, now),
        };
        if !is_for {
            wrongs.push(format!("number {number} reached {reader}, for whom it was not"));
        }
        let known = book.received.iter().position(|known| known.reader == *reader && known.id == *id);
        if let Some(known) = known {
            let before = &book.received[known];
            if before.settled && book.strict {
                wrongs.push(format!("number {number} reached {reader} again after it was settled"));
            }
            if before.number != number {
                wrongs.push(format!("{reader} received two messages with the id {id}"));
            }
        }
        book.wrongs.append(&mut wrongs);
        if let Some(known) = known {
            return Some(Entry::Received(known));
        }
        book.handed(reader, number);
        let received = Received { reader: reader.clone(), number, id: id.clone(), settled: false };
        book.received.push(received);
        Some(Entry::Received(book.received.len() - 1))
    }

    /// A node has handed a message over, and it was lost on its way to the reader. It is said again much
    /// later, behind others.
    pub(super) fn handed(&self, reader: &UserId, number: usize) {
        self.book().handed(reader, number);
    }

    /// A delivery report reached an author.
    pub(super) fn reported(&self, reader: &UserId, message: &MessageId, about: &str, code: Code) -> Entry {
        let mut book = self.book();
        let strict = book.strict;
        let same = |known: &Report| {
            known.reader == *reader
                && known.message == *message
                && known.about == *about
                && known.code == code
                && !(known.settled && strict)
        };
        if let Some(known) = book.reports.iter().position(same) {
            return Entry::Report(known);
        }
        let (reader, message, about) = (reader.clone(), message.clone(), about.to_owned());
        book.reports.push(Report { reader, message, about, code, settled: false });
        Entry::Report(book.reports.len() - 1)
    }

    /// The server has heard that the phone has it.
    pub(super) fn settled(&self, entry: Entry) {
        let mut book = self.book();
        match entry {
            Entry::Received(place) => book.received[place].settled = true,
            Entry::Report(place) => book.reports[place].settled = true,
        }
    }

    /// What happened in all.
    pub(super) fn counts(&self) -> Counts {
        let book = self.book();
        let full = book.sent.iter().filter(|sent| sent.found_no_room()).count();
        Counts { sent: book.sent.len(), received: book.received.len(), seen: book.views.seen, full }
    }

    /// Everything that broke a promise. Asked when the world is quiet.
    pub(super) fn judge(&self, truths: &BTreeMap<UserId, Truth>, meddled: &Meddled) -> Vec<String> {
        let book = self.book();
        let mut wrongs = book.wrongs.clone();
        for (number, sent) in book.sent.iter().enumerate() {
            for to in &sent.to {
                book.judge_copy(number, sent, to, truths, meddled, &mut wrongs);
            }
            if let Some(group) = &sent.group {
                book.judge_talk(number, sent, group, meddled, &mut wrongs);
            }
        }
        book.judge_order(&mut wrongs);
        book.views.judge(truths, !book.strict, &mut wrongs);
        wrongs
    }
}

/// From whom a message came, as its reader sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    Of(UserId),
    /// In a group, by screen name.
    In(GroupId, String),
}

/// How much happened in a world.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    /// Messages sent.
    pub(super) sent: usize,
    /// Copies received.
    pub(super) received: usize,
    /// Values of presence seen.
    pub(super) seen: usize,
    /// Messages for which there was no room.
    pub(super) full: usize,
}

impl Sent {
    fn found_no_room(&self) -> bool {
        let Some((status, _)) = &self.answer else { return false };
        let mut codes = std::iter::once(status.code).chain(status.details.iter().map(|detail| detail.code));
        codes.any(|code| code == Code::QUEUE_FULL)
    }
}

impl Book {
    fn sending(
        &mut self,
        author: &UserId,
        to: &[UserId],
        group: Option<GroupId>,
        wants_report: bool,
        begun: Duration,
    ) -> usize {
        let (author, to) = (author.clone(), to.to_vec());
        self.sent.push(Sent { author, to, group, begun, wants_report, answer: None });
        self.sent.len() - 1
    }

    fn handed(&mut self, reader: &UserId, number: usize) {
        let handed = (reader.clone(), number);
        if !self.handed.contains(&handed) {
            self.handed.push(handed);
        }
    }

    fn copies(&self, number: usize, reader: &UserId) -> usize {
        self.received.iter().filter(|copy| copy.number == number && copy.reader == *reader).count()
    }

    fn reports_of<'a>(
        &'a self,
        sent: &'a Sent,
        id: Option<&'a MessageId>,
    ) -> impl Iterator<Item = &'a Report> {
        let mine = move |report: &&Report| report.reader == sent.author && Some(&report.message) == id;
        self.reports.iter().filter(mine)
    }

    /// Whether there is a reason that a message may fail for good.
    fn may_fail(&self, number: usize, meddled: &Meddled) -> bool {
        self.torn || self.cramped || !self.strict || meddled.forged.contains(&number)
    }

    /// Whether it may have arrived all the same, because it was refused for a while and a liar tried again then.
    fn may_fail_in_vain(&self, number: usize, meddled: &Meddled) -> bool {
        (self.torn || self.cramped || !self.strict) && meddled.said_anew.contains(&number)
    }

    /// One recipient of one message: exactly one outcome.
    fn judge_copy(
        &self,
        number: usize,
        sent: &Sent,
        to: &UserId,
        users: &BTreeMap<UserId, Truth>,
        meddled: &Meddled,
        wrongs: &mut Vec<String>,
    ) {
        let copies = self.copies(number, to);
        let what = format!("number {number} of {} to {to}", sent.author);
        let Some((status, id)) = &sent.answer else {
            if copies > 1 {
                wrongs.push(format!("{what}: delivered {copies} times, its author was never answered"));
            }
            return;
        };
        let code = status.code_for(&Entity::User(to.clone()));
        let about = |report: &&Report| report.about == to.as_str();
        let reports: Vec<&Report> = self.reports_of(sent, id.as_ref()).filter(about).collect();
        let failures = reports.iter().filter(|report| !report.code.is_success()).count();
        let successes = reports.len() - failures;
        let accepted = code.is_success();
        let may_fail = !users.contains_key(to) || self.may_fail(number, meddled);
        match (accepted, copies, failures) {
            (true, 1, 0) => {}
            (true, 0, 1) if may_fail => {}
            (true, 1, 1) | (false, 1, 0) if self.may_fail_in_vain(number, meddled) => return,
            // Whoever has lost its session is told so; where it must not happen its phone complains.
            (false, 0, 0) if may_fail || matches!(code.get(), 600 | 604) => {}
            (false, 0, 0) if code.outcome() == Outcome::Temporary => {}
            (true, 0, 1) => {
                let why = reports[0].code;
                wrongs.push(format!("{what}: failed with {why}, and there was no reason"));
            }
            (false, 0, 0) => {
                wrongs.push(format!("{what}: refused with {code}, and there was no reason"));
            }
            (true, 0, 0) => wrongs.push(format!("{what}: accepted and lost")),
            (true, _, 0) => wrongs.push(format!("{what}: delivered {copies} times")),
            (true, _, _) => wrongs.push(format!("{what}: delivered {copies} times, failed {failures} times")),
            (false, _, _) => {
                wrongs.push(format!(
                    "{what}: refused with {code}, delivered {copies} times, reported {failures} times"
                ));
            }
        }
        let due = usize::from(sent.wants_report && accepted && copies == 1);
        if successes != due && !(self.cramped && successes < due) {
            wrongs.push(format!("{what}: {successes} reports of delivery where {due} are due"));
        }
    }

    /// What was said in a group: once to everybody who was in it all the time, or its author hears why
    /// not, and then it reached nobody.
    fn judge_talk(
        &self,
        number: usize,
        sent: &Sent,
        group: &GroupId,
        meddled: &Meddled,
        wrongs: &mut Vec<String>,
    ) {
        let what = format!("number {number} of {} in {group}", sent.author);
        let readers: BTreeSet<&UserId> =
            self.received.iter().filter(|copy| copy.number == number).map(|copy| &copy.reader).collect();
        for reader in &readers {
            let copies = self.copies(number, reader);
            if copies > 1 {
                wrongs.push(format!("{what}: {copies} times to {reader}"));
            }
        }
        let Some((status, id)) = &sent.answer else { return };
        let code = status.code_for(&Entity::Group(group.clone()));
        let about = |report: &&Report| report.about == group.as_str() && !report.code.is_success();
        let failed = self.reports_of(sent, id.as_ref()).any(|report| about(&report));
        if (failed || !code.is_success()) && !readers.is_empty() && !self.may_fail_in_vain(number, meddled) {
            wrongs.push(format!("{what}: failed with {code}, and reached {readers:?}"));
        }
        if failed || !code.is_success() || !self.strict || meddled.forged.contains(&number) {
            return;
        }
        for member in self.talks.must_hear(group, sent.begun) {
            if member != sent.author && !readers.contains(&member) {
                wrongs.push(format!("{what}: {member} is in and never heard it"));
            }
        }
    }

    /// What one author sent to the same recipients, or into the same group, arrives in the order in which
    /// it was accepted. Where the author heard nothing the message may still have been on its way when the
    /// next one left.
    fn judge_order(&self, wrongs: &mut Vec<String>) {
        let mut last: BTreeMap<(String, String, Option<&GroupId>), usize> = BTreeMap::new();
        for (reader, number) in &self.handed {
            let sent = &self.sent[*number];
            if sent.answer.is_none() {
                continue;
            }
            let key = (sent.author.to_string(), reader.to_string(), sent.group.as_ref());
            let before = last.entry(key).or_insert(*number);
            if *before > *number {
                let author = &sent.author;
                wrongs.push(format!("{reader} received number {number} of {author} after number {before}"));
            }
            *before = (*before).max(*number);
        }
    }
}
