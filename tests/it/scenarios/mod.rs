//! Plays: what users, operators and peers see.

mod messages;
mod refusals;
