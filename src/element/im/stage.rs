//! What the tests of this room share: two providers, two users, one message.

use crate::imps::primitive::{ClientId, MessageInfo, Recipient, SendMessageRequest, Sender, User};
use crate::imps::{Domain, MessageId, Moment, UserId, Version};
use crate::wire::ssp::Style;

use super::mail::{Mail, StoredMail};
use super::send::{Home, Link, Prepared, Resident, prepare, to_local};

pub(super) const ADA: &str = "wv:ada@north.example";
pub(super) const BO: &str = "wv:bo@south.example";
pub(super) const CY: &str = "wv:cy@north.example";
/// 2004-03-01T09:15:00Z.
pub(super) const NOW: Moment = Moment::from_millis(1_078_132_500_000);
pub(super) const STANDARD: Style = Style { version: Version::V1_3, legacy: false };
pub(super) const LEGACY: Style = Style { version: Version::V1_3, legacy: true };

pub(super) fn user(text: &str) -> User {
    User::from(text.parse::<UserId>().unwrap())
}

pub(super) fn to(text: &str) -> Recipient {
    Recipient::User(user(text))
}

pub(super) fn domain(text: &str) -> Domain {
    text.parse().unwrap()
}

pub(super) fn id(text: &str) -> MessageId {
    text.parse().unwrap()
}

pub(super) fn phone() -> ClientId {
    ClientId { url: Some("phone".into()), ..ClientId::default() }
}

/// From this author, as the door lets it pass.
pub(super) fn request(author: &str, delivery_report: bool) -> SendMessageRequest {
    SendMessageRequest {
        delivery_report,
        info: MessageInfo {
            sender: Some(Sender::from(user(author))),
            recipients: vec![to(BO)],
            ..MessageInfo::default()
        },
        content: Some("see you at six".into()),
    }
}

pub(super) fn prepared(author: &str, delivery_report: bool) -> Prepared {
    let home = if author == BO { Home::Elsewhere } else { Home::Here };
    prepare(request(author, delivery_report), home, id("m-1@north.example"), NOW).unwrap()
}

/// A message of this author in the mailbox of CY.
pub(super) fn mail(author: &str, delivery_report: bool) -> Mail {
    let brought = Some("beta-9".parse().unwrap());
    to_local(&prepared(author, delivery_report), &user(CY), Resident::Offline { waits: true }, brought)
        .unwrap()
}

pub(super) fn stored(row: i64, mail: Mail) -> StoredMail {
    StoredMail { row, mail }
}

/// Runs something with the link between north and south.
pub(super) fn with_link<T>(style: Style, run: impl FnOnce(Link<'_>) -> T) -> T {
    let (own, peer) = (domain("north.example"), domain("south.example"));
    run(Link { own: &own, peer: &peer, style })
}
