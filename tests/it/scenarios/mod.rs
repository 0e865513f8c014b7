//! Plays: what users, operators and peers see.

mod content;
mod mailbox;
mod messages;
mod recipients;
mod refusals;
mod reports;
mod weather;
mod sessions;
