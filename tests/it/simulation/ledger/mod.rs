//! What phones said and heard, and what is wrong with it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use causeway::imps::status::Entity;
use causeway::imps::{Code, MessageId, Status, UserId};

/// What all phones of a world know together.
#[derive(Clone)]
pub(super) struct Ledger(Arc<Mutex<Book>>);

#[derive(Default)]
struct Book {
    /// Disks never fail here, so that what was settled stays settled.
    strict: bool,
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
    about: UserId,
    code: Code,
    settled: bool,
}

/// Which entry is settled by an acknowledgement that was heard.
#[derive(Clone, Copy, Debug)]
pub(super) enum Entry {
    Received(usize),
    Report(usize),
}

impl Ledger {
    /// An empty one. `strict` unless disks fail: what could not be settled is said again.
    pub(super) fn new(strict: bool) -> Self {
        Self(Arc::new(Mutex::new(Book { strict, ..Book::default() })))
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something that must never happen has happened.
    pub(super) fn wrong(&self, what: impl Into<String>) {
        self.book().wrongs.push(what.into());
    }

    /// A message is about to be sent; its number.
    pub(super) fn sending(&self, author: &UserId, to: &[UserId], wants_report: bool) -> usize {
        let mut book = self.book();
        book.sent.push(Sent { author: author.clone(), to: to.to_vec(), wants_report, answer: None });
        book.sent.len() - 1
    }

    /// The author has heard what became of it.
    pub(super) fn answered(&self, number: usize, status: Status, id: Option<MessageId>) {
        self.book().sent[number].answer = Some((status, id));
    }

    /// A message reached a reader. Seen again before it was settled, it is the same entry.
    pub(super) fn received(
        &self,
        reader: &UserId,
        number: usize,
        sender: Option<&UserId>,
        id: &MessageId,
    ) -> Option<Entry> {
        let mut book = self.book();
        let Some(sent) = book.sent.get(number) else {
            book.wrongs.push(format!("{reader} received number {number}, which nobody sent"));
            return None;
        };
        let mut wrongs = Vec::new();
        if sender != Some(&sent.author) {
            wrongs.push(format!("number {number} of {} reached {reader} as from {sender:?}", sent.author));
        }
        if !sent.to.contains(reader) {
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
    pub(super) fn reported(&self, reader: &UserId, message: &MessageId, about: &UserId, code: Code) -> Entry {
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
        let (reader, message, about) = (reader.clone(), message.clone(), about.clone());
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

    /// How many messages were sent, and how many copies received.
    pub(super) fn counts(&self) -> (usize, usize) {
        let book = self.book();
        (book.sent.len(), book.received.len())
    }

    /// Everything that broke a promise. Asked when the world is quiet.
    pub(super) fn judge(&self) -> Vec<String> {
        let book = self.book();
        let mut wrongs = book.wrongs.clone();
        for (number, sent) in book.sent.iter().enumerate() {
            for to in &sent.to {
                book.judge_copy(number, sent, to, &mut wrongs);
            }
        }
        book.judge_order(&mut wrongs);
        wrongs
    }
}

impl Book {
    fn handed(&mut self, reader: &UserId, number: usize) {
        let handed = (reader.clone(), number);
        if !self.handed.contains(&handed) {
            self.handed.push(handed);
        }
    }

    /// One recipient of one message: exactly one outcome.
    fn judge_copy(&self, number: usize, sent: &Sent, to: &UserId, wrongs: &mut Vec<String>) {
        let copies = self.received.iter().filter(|copy| copy.number == number && copy.reader == *to).count();
        let what = format!("number {number} of {} to {to}", sent.author);
        let Some((status, id)) = &sent.answer else {
            if copies > 1 {
                wrongs.push(format!("{what}: delivered {copies} times, its author was never answered"));
            }
            return;
        };
        let code = status.code_for(&Entity::User(to.clone()));
        let reports: Vec<&Report> = self
            .reports
            .iter()
            .filter(|report| {
                report.reader == sent.author && Some(&report.message) == id.as_ref() && report.about == *to
            })
            .collect();
        let failures = reports.iter().filter(|report| !report.code.is_success()).count();
        let successes = reports.len() - failures;
        let accepted = code.is_success();
        match (accepted, copies, failures) {
            (true, 1, 0) | (true, 0, 1) | (false, 0, 0) => {}
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
        if successes != due {
            wrongs.push(format!("{what}: {successes} reports of delivery where {due} are due"));
        }
    }

    /// What one author sent to the same recipients arrives in the order in which it was accepted. Where
    /// the author heard nothing the message may still have been on its way when the next one left.
    fn judge_order(&self, wrongs: &mut Vec<String>) {
        let mut last: BTreeMap<(String, String), usize> = BTreeMap::new();
        for (reader, number) in &self.handed {
            let sent = &self.sent[*number];
            if sent.answer.is_none() {
                continue;
            }
            let before = last.entry((sent.author.to_string(), reader.to_string())).or_insert(*number);
            if *before > *number {
                let author = &sent.author;
                wrongs.push(format!("{reader} received number {number} of {author} after number {before}"));
            }
            *before = (*before).max(*number);
        }
    }
}
