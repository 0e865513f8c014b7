//! Things that happen and are counted.
//!
//! The rooms above (`sap`, `store`, `net`) tell one [`Events`] what happened; `ops::metrics` turns it
//! into numbers for `/metrics` (architecture §4, *Metrics*). Every method does nothing by default, so
//! that a test listens only to what it asks about, and [`Silent`] to nothing. Methods are called on
//! hot paths: an implementation neither blocks nor allocates in proportion to anything from outside.

use std::time::Duration;

use crate::imps::primitive::CirMethod;
use crate::imps::status::Code;
use crate::imps::words::words;
use crate::imps::{Domain, Moment, Version};
use crate::wire::Encoding;

words! {
    /// Which way something crossed a link, seen from this node.
    Direction {
        /// From the peer to us.
        In = "in",
        /// From us to the peer.
        Out = "out",
    }
}
words! {
    /// Where a message came in, or where it was handed over.
    Door {
        /// A client of ours.
        Csp = "csp",
        /// A peer.
        Ssp = "ssp",
        /// A gateway to another network.
        Gateway = "gateway",
    }
}
words! {
    /// A listener that reads documents.
    Listener {
        /// Clients.
        Csp = "csp",
        /// Peers.
        Ssp = "ssp",
    }
}
words! {
    /// What secure DNS said of the certificates of a peer.
    Dane {
        /// There are records that count.
        Secure = "secure",
        /// There are none.
        Nothing = "nothing",
        /// It did not answer, or what it answered does not verify.
        Unsaid = "unsaid",
    }
}
words! {
    /// Which check refused what a peer sent (decisions.md, *Refusals on an SSP listener*).
    Refused {
        /// The TLS handshake failed: chain, date, purpose, revocation, or no certificate.
        Handshake = "handshake",
        /// A good certificate that names no peer of ours.
        UnknownPeer = "unknown-peer",
        /// The agreement is closed, or outside its dates.
        Closed = "closed",
        /// The agreement is suspended.
        Suspended = "suspended",
        /// A user or a domain that an operator keeps out (Status 403).
        Blocked = "blocked",
        /// The serviceID of set-up is not the certificate's.
        ServiceId = "service-id",
        /// The session is unknown, or of another identity.
        Session = "session",
        /// A set-up step that has no place: no such handshake, out of turn, or without what it must carry.
        Setup = "setup",
        /// Too many connections or too much work in hand.
        Overloaded = "overloaded",
        /// The node is stopping.
        Draining = "draining",
        /// More messages a second than agreed.
        Rate = "rate",
        /// A user of the peer asks for more than one user may (Status 503, then 403).
        Budget = "budget",
        /// HTTP method other than POST.
        Method = "method",
        /// HTTP media type that is not SSP.
        MediaType = "media-type",
        /// Document larger than agreed, or beyond another limit of the reader.
        Size = "size",
        /// Not well-formed, a DOCTYPE, or a character set that is not read.
        Malformed = "malformed",
        /// Well-formed, but no SSP envelope, or of a version not spoken.
        Envelope = "envelope",
        /// Wrong digest in set-up (Status 409).
        Digest = "digest",
        /// An identity inside a primitive that is not the peer's (Status 901).
        Identity = "identity",
        /// A service outside the agreement (Status 506).
        NotAgreed = "not-agreed",
        /// An element that SSP does not have (Status 405).
        UnknownPrimitive = "unknown-primitive",
        /// A primitive that is not served yet (Status 501).
        NotServed = "not-served",
        /// A primitive that breaks its table (Status 400, 402 or 427).
        Faulty = "faulty",
        /// A message that passed here before and came back.
        Loop = "loop",
    }
}
words! {
    /// What became of a request of others that was to pass through.
    Passing {
        /// It is kept for the next hop.
        Accepted = "accepted",
        /// The next hop's answer went back.
        Answered = "answered",
        /// The next hop was silent for too long: 504 went back, and the request is still kept.
        Silent = "silent",
        /// It may not pass, or the next hop does not take it.
        Refused = "refused",
        /// It goes in circles.
        Loop = "loop",
    }
}
words! {
    /// What became of a message that left for its peer before it was written.
    CutThrough {
        /// The peer answered in time: it was never written.
        Answered = "answered",
        /// It was late, or the peer was not free for it, and it was written like others.
        Written = "written",
    }
}
words! {
    /// Why a message that was accepted is given back to its author.
    Undelivered {
        /// Its validity ended while it waited.
        Expired = "expired",
        /// The next hop answered with a final code, or the recipient does not want it.
        Rejected = "rejected",
        /// The recipient's domain does not exist or has no agreement with us.
        NoRoute = "no-route",
        /// The agreement with the recipient's domain is closed.
        Closed = "closed",
        /// The recipient's queue is full.
        QueueFull = "queue-full",
        /// Its author has used up its share of the queue of the recipient's domain.
        ShareFull = "share-full",
        /// An operator took it out of the queue.
        Dropped = "dropped",
    }
}
words! {
    /// What is read again on a reload.
    Reloaded {
        /// `causeway.toml`.
        Config = "config",
        /// `peers.toml`.
        Peers = "peers",
        /// Certificates, keys and trusted CAs.
        Certificates = "certificates",
        /// Revocation lists.
        Crls = "crls",
    }
}

/// Is told what happens in the node. `peer` is the domain of the other side; strangers are told too,
/// and are counted together as `other`.
pub trait Events: Send + Sync {
    /// One SSP POST ended with this HTTP status; `None`: no answer came (connect, TLS, time-out).
    fn ssp_post(&self, peer: &Domain, direction: Direction, status: Option<u16>) {
        let _ = (peer, direction, status);
    }

    /// One SSP transaction was answered. `direction` is that of the request; `primitive` is the name of
    /// the request ([`crate::wire::Carried::name`]); `code` is the code of the answer.
    fn ssp_transaction(&self, peer: &Domain, direction: Direction, primitive: &'static str, code: Code) {
        let _ = (peer, direction, primitive, code);
    }

    /// A request of ours was answered by the peer after this time.
    fn ssp_transaction_took(&self, peer: &Domain, took: Duration) {
        let _ = (peer, took);
    }

    /// The session with the peer was opened or lost.
    fn ssp_link(&self, peer: &Domain, up: bool) {
        let _ = (peer, up);
    }

    /// What a peer sent was refused; `peer` is unknown where no certificate named one.
    fn ssp_refused(&self, peer: Option<&Domain>, reason: Refused) {
        let _ = (peer, reason);
    }

    /// Something happened to a request of others that came from one peer for another; where the other is
    /// not known, it is told as the same.
    fn ssp_transit(&self, from: &Domain, to: &Domain, what: Passing) {
        let _ = (from, to, what);
    }

    /// A message was settled as delivered although its peer never answered (decisions.md 3).
    fn ssp_unconfirmed(&self, peer: &Domain) {
        let _ = peer;
    }

    /// Something that left before it was written was answered, or is written after all.
    fn cut_through(&self, peer: &Domain, what: CutThrough) {
        let _ = (peer, what);
    }

    /// One CSP request was answered; `primitive` as in [`crate::wire::Carried::name`].
    fn csp_request(&self, version: Version, encoding: Encoding, primitive: &'static str, code: Code) {
        let _ = (version, encoding, primitive, code);
    }

    /// One HTTP request about shared content was answered; `method` is `other` for those that are none.
    fn content_request(&self, method: &'static str, status: u16) {
        let _ = (method, status);
    }

    /// So many CSP sessions are open now.
    fn csp_sessions(&self, open: usize) {
        let _ = open;
    }

    /// A client was called by this method; `sent`: the call left this node. A client that asks by HTTP and
    /// hears that something waits counts as called.
    fn cir_call(&self, method: CirMethod, sent: bool) {
        let _ = (method, sent);
    }

    /// A client was called several times and did not come.
    fn cir_given_up(&self) {}

    /// So many clients have a connection for calls now.
    fn cir_connections(&self, open: usize) {
        let _ = open;
    }

    /// A message was accepted and kept: one for each message, however many recipients.
    fn message_accepted(&self, origin: Door) {
        let _ = origin;
    }

    /// A message reached one recipient: handed to a client, or taken by a peer or gateway.
    fn message_delivered(&self, to: Door) {
        let _ = to;
    }

    /// A message was given up for one recipient.
    fn message_failed(&self, reason: Undelivered) {
        let _ = reason;
    }

    /// So many messages wait for the peer now, the oldest since this moment.
    fn outbox(&self, peer: &Domain, messages: usize, oldest: Option<Moment>) {
        let _ = (peer, messages, oldest);
    }

    /// One group commit of the store took so long.
    fn store_commit(&self, took: Duration) {
        let _ = took;
    }

    /// One group commit of the store failed: nothing of it is kept.
    fn store_commit_failed(&self) {}

    /// The store, which wrote before, has failed (`false`), or it writes again. Told at the change alone.
    fn store_writes(&self, writes: bool) {
        let _ = writes;
    }

    /// A document was refused before any primitive was looked at; `reason` as in
    /// [`crate::wire::Refusal::reason`], or `method`, `media-type`, `timeout` for what came before the document.
    fn wire_rejected(&self, listener: Listener, reason: &'static str) {
        let _ = (listener, reason);
    }

    /// A certificate of ours is in use; `name` is the domain it stands for (or `csp`, `ca`), `ends` its last moment.
    fn certificate(&self, name: &str, ends: Moment) {
        let _ = (name, ends);
    }

    /// Secure DNS was asked who vouches for a peer.
    fn dane(&self, peer: &Domain, outcome: Dane) {
        let _ = (peer, outcome);
    }

    /// Something was read again; the old is kept if the new was bad.
    fn reloaded(&self, what: Reloaded, good: bool) {
        let _ = (what, good);
    }
}

/// Listens to nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Events for Silent {}
