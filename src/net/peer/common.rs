//! The connection that all lanes of a link share, where the peer speaks HTTP/2.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::{Mutex, MutexGuard};

use super::sockets::Kept;
use crate::net::post::Shareable;
use crate::net::tls::PeerTls;

/// What lanes share.
#[derive(Default)]
pub(super) struct Common {
    line: Mutex<Line>,
    /// Attempts to make a connection that failed.
    failures: AtomicU64,
}

#[derive(Default)]
struct Line {
    open: Option<(Shareable, Arc<PeerTls>)>,
    /// The peer chose HTTP/1.1 last time: each lane makes a connection of its own, and need not wait for others.
    alone: bool,
}

/// What a lane that has no connection finds.
pub(super) enum Found {
    /// One that may be used.
    Open(Kept),
    /// None: make one.
    Nothing,
    /// None, and who tried while the lane waited had no success.
    Failed,
}

/// A lane's turn to make the connection; the others wait until it is given back.
pub(super) struct Turn<'c> {
    common: &'c Common,
    line: MutexGuard<'c, Line>,
}

impl Common {
    /// The common connection, if there is one that `will_do`; while one lane makes another, the others wait
    /// for it. `None` for the turn: there is nothing to wait for.
    pub(super) async fn find(&self, will_do: impl Fn(&Kept) -> bool) -> (Found, Option<Turn<'_>>) {
        let failures = self.failures.load(Ordering::Acquire);
        let line = self.line.lock().await;
        let open = line
            .open
            .as_ref()
            .and_then(|(shareable, tls)| Some(Kept { connection: shareable.open()?, tls: Arc::clone(tls) }));
        match open {
            Some(kept) if will_do(&kept) => (Found::Open(kept), None),
            _ if line.alone => (Found::Nothing, None),
            _ if self.failures.load(Ordering::Acquire) != failures => (Found::Failed, None),
            _ => (Found::Nothing, Some(Turn { common: self, line })),
        }
    }

    /// What came of making a connection.
    pub(super) async fn made(&self, turn: Option<Turn<'_>>, fresh: Option<&Kept>) {
        let mut turn = match turn {
            Some(turn) => turn,
            None => Turn { common: self, line: self.line.lock().await },
        };
        match fresh {
            None => {
                turn.common.failures.fetch_add(1, Ordering::AcqRel);
            }
            Some(fresh) => {
                turn.line.open =
                    fresh.connection.shareable().map(|shareable| (shareable, Arc::clone(&fresh.tls)));
                turn.line.alone = turn.line.open.is_none();
            }
        }
    }
}
