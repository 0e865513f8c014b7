//! The instant messaging service element.

mod mail;

pub use mail::{Mail, MailKind, StoredMail};
