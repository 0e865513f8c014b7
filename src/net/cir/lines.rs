//! Which connection carries the calls of which session.

use std::sync::atomic::{AtomicU64, Ordering};

use dashmap::DashMap;
use tokio::sync::mpsc;

use crate::imps::SessionId;

/// Lines that wait for one connection; a client that takes none is not called any more there.
const WAITING_LINES_MAX: usize = 16;

/// What a connection is told.
#[derive(Debug)]
pub(super) enum Word {
    /// Write this line.
    Say(Box<str>),
    /// This session is no longer yours.
    Gone(SessionId),
}

/// One connection as others see it.
#[derive(Clone, Debug)]
pub(super) struct Line {
    number: u64,
    words: mpsc::Sender<Word>,
}

/// The connections for calls, by session.
#[derive(Debug, Default)]
pub struct Lines {
    by_session: DashMap<SessionId, Line>,
    numbers: AtomicU64,
}

impl Lines {
    /// A new connection, with no session yet.
    pub(super) fn line(&self) -> (Line, mpsc::Receiver<Word>) {
        let (words, heard) = mpsc::channel(WAITING_LINES_MAX);
        (Line { number: self.numbers.fetch_add(1, Ordering::Relaxed), words }, heard)
    }

    /// Calls for this session go to this connection from now on; an older one is told.
    pub(super) fn attach(&self, session: &SessionId, line: &Line) {
        let older = self.by_session.insert(session.clone(), line.clone());
        if let Some(older) = older.filter(|older| older.number != line.number) {
            // It may be full or gone; then it ends by itself.
            let _ = older.words.try_send(Word::Gone(session.clone()));
        }
    }

    /// The connection ends. `false`: the session has another one by now.
    pub(super) fn detach(&self, session: &SessionId, line: &Line) -> bool {
        self.by_session.remove_if(session, |_, known| known.number == line.number).is_some()
    }

    /// Writes a line to the session's connection; `false`: there is none, or it takes nothing.
    pub(super) fn say(&self, session: &SessionId, text: &str) -> bool {
        let line = self.by_session.get(session).map(|line| line.words.clone());
        line.is_some_and(|line| line.try_send(Word::Say(text.into())).is_ok())
    }

    /// The session needs no connection any more.
    pub(super) fn hang_up(&self, session: &SessionId) {
        if let Some((_, line)) = self.by_session.remove(session) {
            let _ = line.words.try_send(Word::Gone(session.clone()));
        }
    }

    /// How many sessions have one.
    pub(super) fn len(&self) -> usize {
        self.by_session.len()
    }
}
