//! What happened in a world, in order of virtual time. Kept as it is, and put into words only if
//! somebody wants to read it.

use std::fmt::Write as _;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use causeway::wire::Limits;
use causeway::wire::ssp::{self, Body};
use hyper::body::Bytes;
use tokio::time::Instant;

/// The log of one world.
#[derive(Clone)]
pub(super) struct Journal {
    begin: Instant,
    entries: Arc<Mutex<Vec<(Duration, Entry)>>>,
}

enum Entry {
    Text(String),
    Post { from: String, to: String, body: Bytes, fate: String },
}

impl Journal {
    /// Begins now.
    pub(super) fn new() -> Self {
        Self { begin: Instant::now(), entries: Arc::default() }
    }

    fn entries(&self) -> MutexGuard<'_, Vec<(Duration, Entry)>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Virtual time since the beginning.
    pub(super) fn elapsed(&self) -> Duration {
        self.begin.elapsed()
    }

    fn note(&self, entry: Entry) {
        self.entries().push((self.elapsed(), entry));
    }

    /// Something happened.
    pub(super) fn tell(&self, text: impl Into<String>) {
        self.note(Entry::Text(text.into()));
    }

    /// A POST left for a peer, and this will become of it.
    pub(super) fn post(&self, from: &str, to: &str, body: &Bytes, fate: String) {
        let (from, to) = (from.to_owned(), to.to_owned());
        self.note(Entry::Post { from, to, body: body.clone(), fate });
    }

    /// All of it, one line each.
    pub(super) fn text(&self) -> String {
        self.last(usize::MAX)
    }

    /// The last entries, one line each.
    pub(super) fn last(&self, count: usize) -> String {
        let mut text = String::new();
        let entries = self.entries();
        for (at, entry) in entries.iter().skip(entries.len().saturating_sub(count)) {
            let _ = write!(text, "{:>9.3}  ", at.as_secs_f64());
            let _ = match entry {
                Entry::Text(line) => writeln!(text, "{line}"),
                Entry::Post { from, to, body, fate } => {
                    writeln!(text, "{from} ══▶ {to}: {}: {fate}", contents(body))
                }
            };
        }
        text
    }
}

/// What a POST carries, in words.
fn contents(body: &[u8]) -> String {
    let Ok(message) = ssp::read(body, None, &Limits::for_document(1 << 22)) else {
        return format!("{} octets that cannot be read", body.len());
    };
    match message.body {
        Body::Setup(setup) => format!("{} ({}) [{}]", setup.element.name(), setup.mode.as_str(), setup.id),
        Body::Session(session) => {
            let parts = session.transactions.iter().map(|transaction| {
                format!("{} ({}) [{}]", transaction.content.name(), transaction.mode.as_str(), transaction.id)
            });
            parts.collect::<Vec<_>>().join(", ")
        }
    }
}

/// Lines of the nodes' own log become lines of the journal.
impl io::Write for Journal {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.tell(format!("    {}", String::from_utf8_lossy(octets).trim_end()));
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
