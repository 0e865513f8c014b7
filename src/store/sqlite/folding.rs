//! The thread that folds the log into the database.
//!
//! A commit appends to SQLite's write-ahead log. Left alone, the commit that makes the log long also folds it
//! into the database: it writes thousands of pages and syncs twice, while everybody who waits for a commit waits
//! for that too. Here a thread with a connection of its own folds beside the writer. It never gets to the end
//! of a log that is written to without pause, so that the log would grow for ever; when it has become
//! [`PAGES_MAX`] long, the commit folds the little that is left, and the next one begins the log anew.

use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::{ffi::c_int, io};

use rusqlite::Connection;
use rusqlite::hooks::Wal;

/// Pages after which the log is folded, and again after as many more: 16 MiB.
const PAGES: c_int = 4096;
/// Pages of the log at which the writer itself folds what is left: 64 MiB.
const PAGES_MAX: c_int = 16_384;

/// When the length of the log asks for something.
struct Marks {
    thread: c_int,
    writer: c_int,
    last: c_int,
}

/// What is to be done after a commit.
#[derive(Debug, PartialEq, Eq)]
enum Due {
    Nothing,
    Thread,
    Writer,
}

impl Marks {
    const fn new() -> Self {
        Self { thread: PAGES, writer: PAGES_MAX, last: 0 }
    }

    /// The log has so many pages now.
    const fn at(&mut self, pages: c_int) -> Due {
        if pages < self.last {
            *self = Self::new();
        }
        self.last = pages;
        if pages >= self.writer {
            self.writer = pages.saturating_add(PAGES);
            self.thread = self.writer;
            Due::Writer
        } else if pages >= self.thread {
            self.thread = pages.saturating_add(PAGES);
            Due::Thread
        } else {
            Due::Nothing
        }
    }
}

/// The thread.
#[derive(Debug)]
pub(super) struct Folding {
    wake: SyncSender<()>,
    thread: JoinHandle<()>,
}

impl Folding {
    /// Starts the thread, which folds with `own` whenever the log of `writer` has grown.
    pub(super) fn start(writer: &mut Connection, own: Connection) -> io::Result<Self> {
        let (wake, due) = sync_channel(1);
        let turn = Turn::default();
        watch(writer, wake.clone(), Arc::clone(&turn)).map_err(io::Error::other)?;
        let thread =
            thread::Builder::new().name("store-fold".to_owned()).spawn(move || serve(&own, &due, &turn))?;
        Ok(Self { wake, thread })
    }

    /// Ends the thread, once the writer has closed its connection: who closes the last one folds what is left. Of
    /// two that close theirs at the same moment each takes the other for the last.
    pub(super) fn end(self) {
        drop(self.wake);
        let _ = self.thread.join();
    }
}

/// SQLite lets one fold at a time, and does not let another wait for it.
type Turn = Arc<Mutex<()>>;

fn watch(writer: &mut Connection, wake: SyncSender<()>, turn: Turn) -> rusqlite::Result<()> {
    let mut marks = Marks::new();
    writer.wal_hook(Some(move |log: &mut Wal, pages| {
        match marks.at(pages) {
            Due::Nothing => {}
            Due::Thread => match wake.try_send(()) {
                // It has not begun with what it was woken for before.
                Ok(()) | Err(TrySendError::Full(())) => {}
                Err(TrySendError::Disconnected(())) => tracing::error!("nobody folds the log of the store"),
            },
            // What fails here is tried again; the commit stands.
            Due::Writer => {
                let _turn = turn.lock().unwrap_or_else(PoisonError::into_inner);
                if let Err(error) = log.checkpoint() {
                    tracing::debug!(%error, "the log of the store could not be folded");
                }
            }
        }
        Ok(())
    }))
}

fn serve(own: &Connection, due: &Receiver<()>, turn: &Mutex<()>) {
    while due.recv().is_ok() {
        let _turn = turn.lock().unwrap_or_else(PoisonError::into_inner);
        let folded = own.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
        if let Err(error) = folded {
            tracing::debug!(%error, "the log of the store could not be folded");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_thread_is_woken_as_the_log_grows_and_the_writer_folds_when_it_is_long() {
        let mut marks = Marks::new();
        assert_eq!(marks.at(4095), Due::Nothing);
        assert_eq!(marks.at(4100), Due::Thread);
        assert_eq!(marks.at(4200), Due::Nothing, "once");
        assert_eq!(marks.at(8196), Due::Thread);
        assert_eq!(marks.at(16_400), Due::Writer);
        assert_eq!(marks.at(16_500), Due::Nothing);
        assert_eq!(marks.at(20_496), Due::Writer, "it could not be folded whole");
        assert_eq!(marks.at(3), Due::Nothing, "begun anew");
        assert_eq!(marks.at(4096), Due::Thread);
    }

    #[test]
    fn the_log_does_not_grow_for_ever_and_is_folded_when_its_writer_goes() {
        let folder = std::env::temp_dir().join(format!("causeway-folding-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let (path, log) = (folder.join("a.db"), folder.join("a.db-wal"));
        let open = || {
            let connection = Connection::open(&path).unwrap();
            connection.pragma_update(None, "wal_autocheckpoint", 0).unwrap();
            connection
        };
        let mut writer = open();
        writer.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get::<_, String>(0)).unwrap();
        writer.pragma_update(None, "synchronous", "off").unwrap();
        writer.execute_batch("CREATE TABLE t (a)").unwrap();
        let folding = Folding::start(&mut writer, open()).unwrap();
        let piece = vec![7_u8; 1 << 20];
        for _ in 0..200 {
            writer.execute("INSERT INTO t VALUES (?1)", [&piece]).unwrap();
        }
        let octets = std::fs::metadata(&log).unwrap().len();
        assert!(octets < 100 << 20, "{octets} of 200 MiB are in the log");
        drop(writer);
        folding.end();
        assert!(!log.exists(), "it is folded");
        let count: i64 = open().query_row("SELECT count(*) FROM t", [], |row| row.get(0)).unwrap();
        assert_eq!(count, 200);
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
