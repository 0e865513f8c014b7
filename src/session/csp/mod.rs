//! CSP sessions: how a phone logs in, stays, negotiates, and is handed what waits for it.
//!
//! Pure machines over the neutral primitives. The Service Access Point looks things up, asks a
//! machine, commits what it says, and only then sends the answer:
//!
//! ```text
//! Outband   Login::decide ──Challenge──▶ answer with a nonce
//!                │   └──────Refused────▶ answer with a code
//!                ├──────────Opened─────▶ commit record (and account) ─▶ answer, keep the Session
//!                └──────────Resumed────▶ Session::resume ─▶ answer
//! Inband    Session::heard ─▶ begin ─┬─ Repeat: the stored answer again
//!                                    └─ Fresh: act ─▶ finish with the answer's bytes
//! Polling-Request, or an answer of the client ─▶ Session::next_request ─▶ one server request
//! ```
//!
//! A session's record survives a restart ([`SessionRecord`]); its queue is a window on the mailbox
//! in the store ([`Poll`]), so that nothing is lost with the session (decisions.md 28).

pub mod abilities;
pub mod answers;
pub mod charset;
pub mod cir;
pub mod digest;
pub mod functions;
mod guesses;
pub mod login;
pub mod memory;
pub mod negotiate;
pub mod nonces;
pub mod poll;
pub mod record;
pub mod session;

pub use abilities::{Abilities, Form};
pub use answers::{fitting, parsable, understood};
pub use cir::{Arrival, Call, Next, Served, Site, Way};
pub use digest::{digest_bytes, digest_matches, passwords_match};
pub use functions::{ServedFunctions, answer_services, refused_functions};
pub use login::{AccountFacts, Login, LoginError, LoginOutcome, Opened, Resumed, home_user};
pub use memory::Begin;
pub use negotiate::{agreed_capabilities, agreed_keep_alive};
pub use poll::{Answered, Occasion, Offer, Offered, Poll, Row, RowKind, Wants};
pub use record::{SessionKey, SessionRecord};
pub use session::{Save, Session, SessionError};

#[cfg(test)]
mod testing {
    //! What the tests of this room share.

    use crate::imps::{Chance, Moment};

    /// Octets that count up: the same in every run, never the same twice.
    #[derive(Default)]
    pub(super) struct Counting(u64);

    impl Chance for Counting {
        fn fill(&mut self, octets: &mut [u8]) {
            for octet in octets {
                self.0 += 1;
                *octet = u8::try_from(self.0.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56).unwrap();
            }
        }
    }

    /// So many seconds after an arbitrary beginning.
    pub(super) fn at(seconds: u64) -> Moment {
        Moment::from_millis((1_000_000 + seconds) * 1000)
    }
}
