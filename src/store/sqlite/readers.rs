//! Threads that answer questions, each on a read-only connection of its own.

use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::{io, mem};

use rusqlite::Connection;

use crate::relay::ports::StoreError;

/// A question with its own way back.
pub(super) type Question = Box<dyn FnOnce(&Connection) + Send>;

enum Ask {
    Question(Question),
    Close,
}

/// The threads and their common inbox.
#[derive(Debug)]
pub(super) struct Readers {
    inbox: SyncSender<Ask>,
    waiting_max: usize,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Readers {
    /// One thread for each connection; at most `waiting_max` questions wait.
    pub(super) fn start(connections: Vec<Connection>, waiting_max: usize) -> io::Result<Self> {
        let (inbox, questions) = sync_channel(waiting_max);
        let questions = Arc::new(Mutex::new(questions));
        let threads = connections
            .into_iter()
            .map(|connection| {
                let questions = Arc::clone(&questions);
                thread::Builder::new()
                    .name("store-read".to_owned())
                    .spawn(move || serve(&connection, &questions))
            })
            .collect::<io::Result<_>>()?;
        Ok(Self { inbox, waiting_max, threads: Mutex::new(threads) })
    }

    /// Hands in a question.
    pub(super) fn ask(&self, question: Question) -> Result<(), StoreError> {
        self.inbox.try_send(Ask::Question(question)).map_err(|error| match error {
            TrySendError::Full(_) => StoreError::Overloaded(self.waiting_max),
            TrySendError::Disconnected(_) => StoreError::Closed,
        })
    }

    /// Answers what waits, then ends the threads and closes their connections.
    pub(super) fn close(&self) {
        let threads = mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for _ in &threads {
            // An error means that no thread is left.
            let _ = self.inbox.send(Ask::Close);
        }
        for thread in threads {
            let _ = thread.join();
        }
    }
}

fn serve(connection: &Connection, questions: &Mutex<Receiver<Ask>>) {
    loop {
        // Whoever waits for a question holds the inbox; whoever answers one does not.
        let next = questions.lock().unwrap_or_else(PoisonError::into_inner).recv();
        match next {
            Ok(Ask::Question(question)) => question(connection),
            Ok(Ask::Close) | Err(_) => return,
        }
    }
}
