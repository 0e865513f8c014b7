//! What the audit log says of a request to the admin API.

use super::announce::Audience;
use super::api::Asked;
use super::audit::Act;
use super::user::without_personal_values;

impl Asked {
    /// What is recorded of it; `None`: it neither changes anything nor shows anything personal.
    pub(super) fn act(&self) -> Option<Act> {
        let of_peer = |peer: &Option<_>| peer.as_ref().map(ToString::to_string).unwrap_or_default();
        Some(match self {
            // Phones greet all day, by the session that they have.
            Self::Peers | Self::Peer(_) | Self::Session(_) | Self::Test(_) | Self::Sms { .. } => return None,
            Self::Suspend(peer) => Act::new("peer suspend", peer),
            Self::Resume(peer) => Act::new("peer resume", peer),
            Self::Retry(peer) => Act::new("peer retry", peer),
            Self::Queue { peer, .. } => Act::new("queue list", of_peer(peer)),
            Self::Row(row) => Act::new("queue show", row),
            Self::RetryRow(row) => Act::new("queue retry", row),
            Self::DropRow(row) => Act::new("queue drop", row),
            Self::RetryQueue(peer) => Act::new("queue retry", peer),
            Self::DropQueue(peer) => Act::new("queue drop", peer),
            Self::Users { .. } => Act::new("user list", ""),
            Self::User(user) => Act::new("user show", user),
            Self::SetUser(user, pairs) => Act::new("user set", user).with(without_personal_values(pairs)),
            Self::Announce(audience, announcement) => {
                Act::new("announce", &announcement.message.id).with(match audience {
                    Audience::Everybody => "everybody".to_owned(),
                    Audience::Domain(domain) => format!("everybody of {domain}"),
                    Audience::Users(users) => format!("{} users", users.len()),
                })
            }
            Self::Trace(subject, life) => {
                Act::new("trace on", subject).with(format!("for {} s", life.as_secs()))
            }
            Self::Traces => Act::new("trace list", ""),
            Self::EndTrace(number) => Act::new("trace off", number),
            Self::Block { subject, life, reason } => {
                let life =
                    life.map_or_else(|| "for ever".to_owned(), |life| format!("for {} s", life.as_secs()));
                Act::new("block add", subject).with(format!("{life}: {reason}"))
            }
            Self::Blocks => Act::new("block list", ""),
            Self::Unblock(subject) => Act::new("block remove", subject),
            Self::Announced { id, .. } => Act::new("announce show", id),
        })
    }
}
