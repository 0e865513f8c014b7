//! A disk in trouble, at the wish of whoever tries how a node bears it.
//!
//! The handle is given to a store with its settings and kept; what is set there happens to every commit from
//! the next one on. SQLite itself is made to fail, so that the way through the store is the one a real
//! disk takes. A store whose handle nobody touches pays one look at a flag for each commit.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use rusqlite::{Connection, Result};

/// What is wrong with a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ailment {
    /// Every commit fails.
    Fails,
    /// The database cannot grow any more.
    Full,
    /// Nothing can be written.
    ReadOnly,
    /// Every commit takes so much longer.
    Slow(Duration),
}

/// Says what is wrong with the disk under a store; by default nothing.
#[derive(Clone, Debug, Default)]
pub struct Trouble(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    ailment: Mutex<Option<Ailment>>,
    changed: AtomicBool,
}

impl Trouble {
    /// From now on this is wrong; `None`: the disk is well again.
    pub fn set(&self, ailment: Option<Ailment>) {
        *self.ailment() = ailment;
        self.0.changed.store(true, Ordering::Release);
    }

    fn ailment(&self) -> MutexGuard<'_, Option<Ailment>> {
        self.0.ailment.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the connection behave so, if that is news. Comes outside of any transaction.
    pub(super) fn befall(&self, connection: &mut Connection) -> Result<()> {
        if !self.0.changed.swap(false, Ordering::Acquire) {
            return Ok(());
        }
        let ailment = *self.ailment();
        let pages = if ailment == Some(Ailment::Full) { 1 } else { PAGES_MAX };
        // It is never less than the database has now.
        connection.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))?;
        connection.pragma_update(None, "query_only", ailment == Some(Ailment::ReadOnly))?;
        match ailment {
            Some(Ailment::Fails) => connection.commit_hook(Some(|| true)),
            Some(Ailment::Slow(time)) => connection.commit_hook(Some(move || {
                thread::sleep(time);
                false
            })),
            _ => connection.commit_hook(None::<fn() -> bool>),
        }
    }
}

/// As many as SQLite can count.
const PAGES_MAX: i64 = 4_294_967_294;
