//! Plays: what users, operators and peers see.

mod agreements;
mod android;
mod bad_days;
mod batches;
mod blocking;
mod command_line;
mod content;
mod discovery;
mod domains;
mod forwarding;
mod groups;
mod hostile;
mod invitations;
mod lists;
mod mailbox;
mod messages;
mod presence;
mod profiles;
mod recipients;
mod recorded;
mod refusals;
mod reports;
mod search;
mod sessions;
mod transit;
mod weather;
