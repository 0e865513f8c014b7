//! What leaves for a peer.

use std::sync::Arc;

use super::fragment;
use crate::imps::primitive::{Author, Recipient};
use crate::imps::{Domain, MessageId, Moment, TransactionId, UserId};

/// A request or notice for a peer, encoded, before it becomes a row of the outbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parcel {
    /// Our domain on whose link it leaves.
    pub own: Domain,
    /// The peer whose link it takes.
    pub peer: Domain,
    /// A notice is done when the peer has taken it, a request when it is answered.
    pub notice: bool,
    /// Name of the primitive.
    pub primitive: &'static str,
    /// The message it is or is about.
    pub message_id: Option<MessageId>,
    /// The local user who hears of failure.
    pub author: Option<UserId>,
    /// What has the same value keeps its order.
    pub order: u64,
    /// Whose turn it takes: [`lane`].
    pub lane: u64,
    /// When it was accepted.
    pub accepted: Moment,
    /// When it is given up.
    pub expires: Moment,
    /// The peer's transaction it answers; `None`: it opens one of its own.
    pub reply_to: Option<TransactionId>,
    /// The primitive as SSP fragment with its MetaInfo.
    pub body: Arc<[u8]>,
}

/// Marks the order value of a request with several recipients.
const SEVERAL: u64 = 1 << 63;

/// The order value of a request: the same for the same sender and the same recipients, in whatever order
/// and case they are named. That of a request with several recipients is marked: it stands for as many
/// pairs, which [`orders`] tells. FNV-1a over the addresses: it need not withstand malice, only be the
/// same after a restart; a collision keeps two strangers' messages in order.
pub fn order(sender: &str, recipients: &[Recipient]) -> u64 {
    let mut names: Vec<String> = recipients.iter().map(name).collect();
    names.sort_unstable();
    let several = if names.len() > 1 { SEVERAL } else { 0 };
    names.insert(0, sender.to_ascii_lowercase());
    let octets = names.iter().flat_map(|name| name.bytes().chain([0]));
    (octets.fold(BASIS, folded) & !SEVERAL) | several
}

/// Whose turn something takes in a queue: a value for each sender, in whatever case it is named, and never 0.
/// What has an order value in common has the same sender, and so the same lane. FNV-1a like [`order`]; after a
/// collision two strangers share their turns.
pub fn lane(sender: &str) -> u64 {
    let octets = sender.bytes().map(|octet| octet.to_ascii_lowercase());
    octets.fold(BASIS, folded).max(1)
}

const BASIS: u64 = 0xcbf2_9ce4_8422_2325;

fn folded(hash: u64, octet: u8) -> u64 {
    (hash ^ u64::from(octet)).wrapping_mul(0x0100_0000_01b3)
}

/// Whether a row with this order value stands for several pairs.
pub const fn is_for_several(order: u64) -> bool {
    order & SEVERAL != 0
}

/// The order values of the pairs of sender and recipient of a row with this order value and body. Rows that
/// have one in common leave one after the other.
pub fn orders(order: u64, body: &[u8]) -> Vec<u64> {
    let pairs = || {
        let (request, _) = fragment::open_message(body).ok()?;
        let sender = request.info.sender?;
        let sender = match &sender.author {
            Author::User(user) => user.id.as_str(),
            Author::Group(group) => group.as_str(),
        };
        let recipients = request.info.recipients;
        let mut pairs: Vec<u64> =
            recipients.iter().map(|to| self::order(sender, std::slice::from_ref(to))).collect();
        pairs.sort_unstable();
        pairs.dedup();
        (!pairs.is_empty()).then_some(pairs)
    };
    let several = if is_for_several(order) { pairs() } else { None };
    several.unwrap_or_else(|| vec![order])
}

fn name(recipient: &Recipient) -> String {
    match recipient {
        Recipient::User(user) => user.id.key(),
        Recipient::Group(group) => group.key(),
        Recipient::ScreenName(to) => format!("{} {}", to.group.key(), to.name),
        Recipient::ContactList(list) => list.key(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::imps::primitive::User;

    #[test]
    fn the_same_sender_and_recipients_have_the_same_order_value() {
        let to = |text: &str| Recipient::User(User::from(text.parse::<UserId>().unwrap()));
        let (bo, cy) = (to("wv:bo@south.example"), to("wv:cy@south.example"));
        let ada = "wv:ada@north.example";
        let both = order(ada, &[bo.clone(), cy.clone()]);
        assert_eq!(both, order("wv:Ada@north.example", &[cy.clone(), to("wv:BO@south.example")]));
        assert_ne!(both, order(ada, std::slice::from_ref(&bo)));
        assert_ne!(order(ada, &[bo]), order("wv:cy@south.example", &[to(ada)]));
    }
}
