//! CIR, the Communication Initiation Request: telling a client that something waits, so that it need not
//! poll (reference csp.md §3).
//!
//! A call carries no content: `WVCI`, the version, and the cookie that the client gave at login. After it
//! the client polls. Which ways there are is agreed with the capabilities ([`agree`]); the texts stand in
//! [`text`]; when to call by which way is decided in `calls`, without sockets and clocks:
//!
//! ```text
//!   something waits, client silent ──▶ call ──60 s, no poll──▶ call (next way) … three times ──▶ give up
//!          ▲                             │
//!          └──── client heard ◀──────────┘          while a request of the client is in work: its answer tells
//! ```
//!
//! Polling goes on as it always did: a client may poll whenever it likes, and one whose calls are lost finds
//! everything where it was.

pub mod agree;
pub(super) mod calls;
pub mod text;

pub use agree::{Agreed, Arrival, HTTP_PATH, Served, Site};
pub use calls::{Call, Next, Way};
