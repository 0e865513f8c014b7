//! Floor 4: decisions.
//!
//! An envelope that has been read goes through the one door ([`admit`]), is split by recipient
//! ([`split`]) over a table of domains ([`route`]), and leaves through the [`ports`]
//! of the store and an [`exit`]. What a peer answered later is judged by [`outbox`] and collected for
//! whoever waits by [`pending`]. What users of peers may ask for in a time is counted by [`budget`],
//! what comes from somebody unknown by [`callers`]. Traffic of others is judged by [`transit`]. Rows that leave before they are
//! on disk stand in [`unwritten`]. Calls to clients leave through a [`waker`]. All of it is plain functions of
//! their arguments; `sap` above carries it out.

pub mod admit;
pub mod agreement;
pub mod blocks;
pub mod budget;
pub mod callers;
pub mod changes;
pub mod directory;
pub mod events;
pub mod exit;
pub mod guests;
pub mod outbox;
pub mod pending;
pub mod ports;
pub mod queue;
pub mod rate;
pub mod route;
pub mod split;
pub mod transit;
pub mod unwritten;
pub mod waker;
