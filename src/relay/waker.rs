//! What carries calls to clients (CIR, reference csp.md §3).

use crate::imps::SessionId;
use crate::session::csp::Call;

/// Takes calls out of the house. Everything returns at once; a call that cannot be made is dropped, for the
/// session repeats it, and a client may always poll.
pub trait Waker: Send + Sync {
    /// Call this client.
    fn call(&self, call: Call);

    /// The session is over, or its client does not come: its connection goes, if it has one.
    fn hang_up(&self, session: &SessionId);
}
