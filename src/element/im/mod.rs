//! The instant messaging service element.
//!
//! A message that passed the door is made complete ([`send::prepare`]) and becomes a row in the mailbox
//! of every local recipient ([`send::to_local`]) and one request for every other domain
//! ([`send::to_peer`]). What waits in a mailbox is pushed, fetched, listed or rejected ([`fetch`]) or
//! passed on ([`forward`]), and what finally became of a message is told to its author ([`report`]). Where one
//! provider runs the element for the users of another, both share the work ([`hosted`]). Everything is a pure
//! function of its arguments; the bytes of stored rows are written and read in one place, `fragment`.

pub mod fetch;
pub mod forward;
mod fragment;
pub mod hosted;
mod mail;
mod parcel;
pub mod report;
pub mod send;
#[cfg(test)]
mod stage;

pub use fragment::{FragmentError, open_new_message as opened};
pub use mail::{Mail, MailKind, StoredMail};
pub use parcel::{Parcel, is_for_several, lane, order, orders};
