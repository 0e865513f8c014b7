//! Settings: what the two files say once every key is read, checked and completed with its default.
//!
//! A value of these types is right in itself: domains parse, numbers lie within their range, paths are
//! joined to the folder of the file they stand in. The files that paths name were read once by
//! [`super::load`], so that a mistake is told with its line; rooms that need their content read them again.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use zeroize::Zeroizing;

use super::source::Warner;
use crate::element::content::Quota;
use crate::imps::agreement::{Agreement, KeyHash, Transit};
use crate::imps::words::words;
use crate::imps::{DateTime, Domain};
use crate::net::cir::GatewayUrl;
use crate::net::discover::{self, DiscoverSettings};
use crate::ops::logging;

/// Everything `causeway.toml` and the `peers.toml` that it names say.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The file that was read.
    pub file: PathBuf,
    /// `[node]`.
    pub node: Node,
    /// `[ssp]`.
    pub ssp: Ssp,
    /// `[csp]`.
    pub csp: Csp,
    /// `[content]`.
    pub content: Content,
    /// `[admin]`.
    pub admin: Admin,
    /// `[dns]`.
    pub dns: Dns,
    /// `[store]`.
    pub store: Store,
    /// `[limits]`.
    pub limits: Limits,
    /// `[log]`.
    pub log: Log,
    /// The entries of `peers.toml`, in their order.
    pub peers: Vec<Peer>,
    /// Traffic of others that may pass through: `[[transit]]`.
    pub transits: Vec<Transit>,
    /// When each certificate of ours ends: own domains by name, and `csp` for that of `[csp]`.
    pub certificates_end: Vec<(String, DateTime)>,
    /// Domains that are found through SRV records, ours first, and where they are written.
    pub found_by_dns: Vec<(Domain, Warner)>,
}

/// `[node]`: who this node is.
#[derive(Clone, Debug)]
pub struct Node {
    /// The provider domains served here: at least one; the first also completes what names none.
    pub domains: Vec<Domain>,
    /// Embedded store, content, spool.
    pub data: PathBuf,
    /// Key under which passwords are sealed; made at first use.
    pub secret_key: PathBuf,
    /// Whether the process gives up what it does not need.
    pub sandbox: bool,
}

/// `[ssp]`: the side towards other providers.
#[derive(Clone, Debug)]
pub struct Ssp {
    /// Where peers connect; always mutual TLS. Empty: nowhere.
    pub listen: Vec<SocketAddr>,
    /// Certificate and key of every own domain, in the order of [`Node::domains`]. Empty only if there is
    /// neither a listener nor a peer.
    pub identities: Vec<Identity>,
    /// CAs whose certificates may name a peer that has no CA of its own.
    pub trust: Vec<PathBuf>,
    /// Keys of the certificates in [`Self::trust`]: the `default_trust` of [`Agreement::speaks_for`].
    pub trust_keys: Vec<KeyHash>,
    /// Revocation lists, PEM or DER.
    pub crls: Vec<PathBuf>,
    /// What an outdated revocation list means.
    pub crl_expiry: CrlExpiry,
    /// Whether HTTP/2 is taken from peers, and offered to those of our own kind.
    pub http2: bool,
    /// `peers.toml`.
    pub peers_file: PathBuf,
    /// Who may federate.
    pub federation: Federation,
    /// Whether secure DNS (TLSA) may vouch for who has no entry, as well as a CA.
    pub dane: bool,
}

/// A certificate chain with its key, and the own domain it stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The own domain.
    pub domain: Domain,
    /// Where chain and key are.
    pub files: KeyPair,
}

/// Files of a certificate chain, leaf first, and its private key, both PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPair {
    /// The chain.
    pub certificate: PathBuf,
    /// The key.
    pub key: PathBuf,
}

words! {
    /// What an outdated revocation list means.
    CrlExpiry {
        /// Its CA's certificates are refused.
        Error = "error",
        /// It counts as if it were fresh.
        Ignore = "ignore",
    }
}
words! {
    /// Who may federate.
    Federation {
        /// The domains of `peers.toml` alone.
        Closed = "closed",
        /// Any domain whose certificate `[ssp] trust`, or secure DNS with `[ssp] dane`, vouches for.
        Open = "open",
    }
}

/// `[csp]`: the side towards clients.
#[derive(Clone, Debug)]
pub struct Csp {
    /// Plain HTTP.
    pub listen: Vec<SocketAddr>,
    /// HTTPS.
    pub tls_listen: Vec<SocketAddr>,
    /// What HTTPS shows; `None`: the identities of [`Ssp`].
    pub tls: Option<KeyPair>,
    /// The path to POST to, beginning with `/`; `None`: any.
    pub path: Option<String>,
    /// How accounts come to be.
    pub registration: Registration,
    /// Largest document accepted from a client, octets.
    pub max_document_bytes: usize,
    /// Requests a second of one session; 0: no limit.
    pub session_requests_per_second: u32,
    /// Requests a second of one source outside of any session; 0: no limit.
    pub source_requests_per_second: u32,
    /// Connections of one source at a time; 0: no limit of its own.
    pub source_connections: usize,
    /// `[csp.cir]`.
    pub cir: Cir,
}

/// `[csp.cir]`: how clients are told that something waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cir {
    /// Where clients connect to be called. Empty: nowhere.
    pub tcp_listen: Vec<SocketAddr>,
    /// Whether clients may be called by datagrams.
    pub udp: bool,
    /// Host name or address told to clients; `None`: the one that they connected to.
    pub advertise: Option<String>,
    /// How clients are called by SMS; `None`: they are not.
    pub sms: Option<Sms>,
}

/// How clients are called by SMS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sms {
    /// The number that they leave from, which clients greet.
    pub number: Box<str>,
    /// Who is given them; `None`: the log alone.
    pub gateway: Option<GatewayUrl>,
}

words! {
    /// How accounts come to be.
    Registration {
        /// By `causeway user add` alone.
        Closed = "closed",
        /// The first 2-way login of an unknown user makes the account too.
        Open = "open",
    }
}

/// `[content]`: what users share.
#[derive(Clone, Debug)]
pub struct Content {
    /// Largest item, octets.
    pub max_item_bytes: usize,
    /// How much one user may keep.
    pub quota: Quota,
    /// How long an item is kept at most.
    pub retention: Duration,
    /// How its URLs begin, without a slash at the end; `None`: as requests are addressed.
    pub url: Option<Box<str>>,
}

/// `[admin]`: metrics and health.
#[derive(Clone, Debug)]
pub struct Admin {
    /// Where.
    pub listen: SocketAddr,
    /// What a caller must show; always given unless [`Self::listen`] is a loopback address.
    pub token: Option<Token>,
    /// Where [`Self::token`] was read.
    pub token_file: Option<PathBuf>,
}

/// A secret word. `Debug` shows nothing of it, and it is wiped when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(Zeroizing<String>);

impl Token {
    /// Keeps this word.
    pub fn new(word: String) -> Self {
        Self(Zeroizing::new(word))
    }

    /// The word, for comparison.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token")
    }
}

/// `[dns]`: who is asked for the addresses of peers.
#[derive(Clone, Debug)]
pub struct Dns {
    /// Resolvers; empty: the system's.
    pub servers: Vec<SocketAddr>,
    /// What is asked of DNSSEC.
    pub dnssec: Dnssec,
    /// DNSKEY records with which validation begins; `None`: those of the root that came with the program.
    pub trust_anchors: Option<TrustAnchors>,
}

/// A file of DNSKEY records, read.
#[derive(Clone, Debug)]
pub struct TrustAnchors {
    /// The file.
    pub file: PathBuf,
    /// What it holds.
    pub text: Arc<str>,
}

words! {
    /// What is asked of DNSSEC.
    Dnssec {
        /// Answers must be secure.
        Require = "require",
        /// What rests on DNSSEC must verify, all else is taken as it comes.
        Prefer = "prefer",
        /// Signatures are not looked at: nothing is held to be secure.
        Off = "off",
    }
}

/// `[store]`.
#[derive(Clone, Debug)]
pub struct Store {
    /// Where durable state lives.
    pub backend: Backend,
}

words! {
    /// Where durable state lives.
    Backend {
        /// In a file below [`Node::data`].
        Sqlite = "sqlite",
    }
}

/// `[limits]`.
#[derive(Clone, Debug)]
pub struct Limits {
    /// How long a CSP SendMessage waits for remote outcomes; zero: not at all.
    pub hold_message: Duration,
    /// How long other CSP requests wait for a peer; zero: not at all.
    pub hold_query: Duration,
    /// How long a peer is out of reach before its users are shown as offline.
    pub peer_gone: Duration,
    /// How far apart notices of what one user publishes are; zero: each is told.
    pub presence_pause: Duration,
    /// How long the answer of a peer that is up is waited for before a message on its way to it is written;
    /// zero: every message is written first.
    pub cut_through: Duration,
    /// Octets of messages that may wait for one peer.
    pub queue_bytes_per_peer: u64,
    /// Octets of those that one of our users has written.
    pub queue_bytes_per_user: u64,
}

/// `[log]`.
#[derive(Clone, Debug)]
pub struct Log {
    /// For people or for machines.
    pub format: LogFormat,
    /// A level, or directives such as `info,causeway::net=debug`.
    pub level: String,
}

words! {
    /// For people or for machines.
    LogFormat {
        /// A line of text an event.
        Text = "text",
        /// A JSON object an event.
        Json = "json",
    }
}

/// An entry of `peers.toml`.
#[derive(Clone, Debug)]
pub struct Peer {
    /// The agreement.
    pub agreement: Agreement,
    /// Files with the CAs whose keys stand in [`Agreement::trust`].
    pub trust: Vec<PathBuf>,
    /// Where its domain stands.
    pub place: Warner,
}

impl Settings {
    /// Every file of CAs, of `[ssp] trust` and of all peers, each once: the union that TLS verifies
    /// against before an entry narrows it (decisions.md 8).
    pub fn trust_files(&self) -> Vec<PathBuf> {
        let mut files: Vec<PathBuf> = Vec::new();
        for file in self.ssp.trust.iter().chain(self.peers.iter().flat_map(|peer| &peer.trust)) {
            if !files.contains(file) {
                files.push(file.clone());
            }
        }
        files
    }

    /// What `net::discover` wants to know.
    pub fn discovery(&self) -> DiscoverSettings {
        let dnssec = match self.dns.dnssec {
            Dnssec::Require => discover::Dnssec::Require,
            Dnssec::Prefer => discover::Dnssec::Prefer,
            Dnssec::Off => discover::Dnssec::Off,
        };
        DiscoverSettings {
            servers: self.dns.servers.clone(),
            dnssec,
            trust_anchors: self.dns.trust_anchors.as_ref().map(|anchors| Arc::clone(&anchors.text)),
        }
    }

    /// How lines of the log look.
    pub const fn log_shape(&self) -> logging::Shape {
        match self.log.format {
            LogFormat::Text => logging::Shape::Text,
            LogFormat::Json => logging::Shape::Json,
        }
    }

    /// The agreements alone.
    pub fn agreements(&self) -> impl Iterator<Item = &Agreement> {
        self.peers.iter().map(|peer| &peer.agreement)
    }

    /// Whether this node speaks with peers at all.
    pub fn federates(&self) -> bool {
        let open = self.ssp.federation == Federation::Open;
        open || !self.ssp.listen.is_empty() || !self.peers.is_empty()
    }
}
