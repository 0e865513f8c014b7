//! Service agreements: what a peer may do here, and how its certificate must look.

use std::collections::BTreeSet;

use super::domain::Domain;
use super::time::DateTime;
use super::words::words;

/// SHA-256 of a certificate's SubjectPublicKeyInfo: names a key, whoever certified it.
pub type KeyHash = [u8; 32];

/// Who stands at the other end of a TLS connection, as far as the certificate tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerIdentity {
    /// dNSNames, and the domains of `_imps-server.` SRVNames, of the leaf certificate.
    pub names: Vec<Domain>,
    /// The leaf's key.
    pub key: KeyHash,
    /// Keys of the configured CAs that the chain ends in; empty if it ends in none (a pin may do).
    pub anchors: Vec<KeyHash>,
    /// Peers for which secure DNS vouches for this certificate.
    pub vouchers: Vec<Voucher>,
}

/// Secure DNS vouches for a certificate (DANE, RFC 6698).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Voucher {
    /// The domain that the certificate may stand for, if it has the name.
    pub domain: Domain,
    /// The digest of the record that vouches.
    pub record: KeyHash,
}

words! {
    /// How much of SSP a peer speaks (reference ssp-behaviour §10).
    Profile {
        /// The one known implementation and its habits.
        Legacy = "legacy",
        /// The full protocol, strictly written.
        Standard = "standard",
        /// Another node like this one.
        Causeway = "causeway",
    }
}
words! {
    /// Whether the agreement is in force (architecture §4, *State*).
    PeerState {
        /// In force.
        Active = "active",
        /// Nothing flows, nothing is lost.
        Suspended = "suspended",
        /// As if there were no entry.
        Closed = "closed",
    }
}
words! {
    /// A service that an agreement can hold.
    Service {
        /// Presence, watcher lists and authorisation.
        Presence = "presence",
        /// Instant messages.
        Im = "im",
        /// Groups.
        Group = "group",
        /// Shared content.
        Content = "content",
        /// Search and public profiles.
        Search = "search",
    }
}

/// One service agreement: an entry of `peers.toml`, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agreement {
    /// The peer's domain.
    pub domain: Domain,
    /// Where the peer is reached; empty: by SRV.
    pub endpoints: Vec<Endpoint>,
    /// Keys of the only CAs that may vouch for this peer; empty: those of `[ssp] trust`.
    pub trust: Vec<KeyHash>,
    /// Keys of which the peer must hold one, whatever the chain; empty: no pin.
    pub pins: Vec<KeyHash>,
    /// Whether a certificate without clientAuth is good enough for connections of the peer (decisions.md 8):
    /// public CAs issue none with it.
    pub accept_server_eku: bool,
    /// Whether secure DNS (TLSA) may vouch for this peer, as well as a CA.
    pub dane: bool,
    /// Other certificate names that stand for this domain.
    pub names: Vec<Domain>,
    /// What may cross.
    pub services: BTreeSet<Service>,
    /// Services whose primary element the peer runs for our users.
    pub delegates: BTreeSet<Service>,
    /// Services whose primary element we run for the peer's users.
    pub hosts: BTreeSet<Service>,
    /// Our domain that the peer knows as the one that runs them; `None`: the first.
    pub hosts_as: Option<Domain>,
    /// How the peer speaks.
    pub profile: Profile,
    /// Whether the agreement is in force.
    pub state: PeerState,
    /// Other domains this peer may speak for and through which they are reached.
    pub carries: Vec<Domain>,
    /// Transactions that one POST to this peer may hold.
    pub max_transactions_per_post: usize,
    /// Sustained messages a second; 0 means no limit.
    pub messages_per_second: u32,
    /// Messages that each user of the peer may send in a minute; 0 means no limit.
    pub user_messages_per_minute: u32,
    /// Subscriptions that all users of the peer together may have to presence here.
    pub max_subscriptions: u64,
    /// Largest document accepted from this peer, octets.
    pub max_document_bytes: usize,
    /// First and last moment of validity.
    pub valid_from: Option<DateTime>,
    /// Last moment of validity.
    pub valid_until: Option<DateTime>,
    /// Whom to call.
    pub contact: String,
    /// For the operator.
    pub note: String,
    /// There is no entry for it: federation is open.
    pub guest: bool,
}

/// Traffic of others that may pass through us: a triple of `[[transit]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transit {
    /// The peer by whose link it comes.
    pub from: Domain,
    /// The domain it is for.
    pub to: Domain,
    /// The peer by whose link it leaves.
    pub via: Domain,
}

/// An `https` address of a peer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// Host name or IP address, without brackets.
    pub host: String,
    /// Port.
    pub port: u16,
}

impl Endpoint {
    /// Reads `https://host:port/`; the port may be left out (443), a path counts for nothing. `None` for
    /// anything else, plain `http` above all.
    pub fn from_url(url: &str) -> Option<Self> {
        let rest = url.trim().strip_prefix("https://")?;
        let authority = rest.split(['/', '?', '#']).next()?;
        if authority.contains('@') {
            return None;
        }
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, port.parse().ok()?),
            _ => (authority, 443),
        };
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        (!host.is_empty()).then(|| Self { host: host.to_owned(), port })
    }
}

impl Agreement {
    /// An agreement with every default of architecture §4.
    pub fn with(domain: Domain) -> Self {
        Self {
            domain,
            endpoints: Vec::new(),
            trust: Vec::new(),
            pins: Vec::new(),
            accept_server_eku: false,
            dane: false,
            names: Vec::new(),
            services: BTreeSet::new(),
            delegates: BTreeSet::new(),
            hosts: BTreeSet::new(),
            hosts_as: None,
            profile: Profile::Standard,
            state: PeerState::Active,
            carries: Vec::new(),
            max_transactions_per_post: 16,
            messages_per_second: 0,
            user_messages_per_minute: 0,
            max_subscriptions: 10_000,
            max_document_bytes: 4 * 1024 * 1024,
            valid_from: None,
            valid_until: None,
            contact: String::new(),
            note: String::new(),
            guest: false,
        }
    }

    /// The state at this moment: outside its dates an agreement counts as closed.
    pub fn state_at(&self, now: DateTime) -> PeerState {
        let begun = self.valid_from.is_none_or(|from| from <= now);
        let ended = self.valid_until.is_some_and(|until| until < now);
        if begun && !ended { self.state } else { PeerState::Closed }
    }

    /// Which of the pins is this key, counted from 0. The first is the key that the peer shows now, any
    /// further ones are keys that it will show next: whoever matches a later one has moved on, and the
    /// pins before it can go.
    pub fn pin_of(&self, key: &KeyHash) -> Option<usize> {
        self.pins.iter().position(|pin| pin == key)
    }

    /// What an operator is told about a peer whose key is this pin, counted from 0, and not the first.
    pub fn pin_words(&self, pin: usize) -> String {
        format!(
            "{} shows the key of pin {} of {}: it has moved on; take the pins before it out of its entry",
            self.domain,
            pin.saturating_add(1),
            self.pins.len()
        )
    }

    /// Whether this identity may speak for the agreement's domain (decisions.md 8): a pinned key if
    /// pins are given, else a chain that ends in the right CA, or a record in secure DNS if the agreement
    /// takes such; and a name that fits.
    /// `default_trust` are the keys of `[ssp] trust`.
    pub fn speaks_for(
        &self,
        identity: &PeerIdentity,
        default_trust: &[KeyHash],
    ) -> Result<(), IdentityError> {
        let trusted = if self.pins.is_empty() {
            let trust = if self.trust.is_empty() { default_trust } else { &self.trust };
            let vouched = || identity.vouchers.iter().any(|voucher| voucher.domain == self.domain);
            identity.anchors.iter().any(|anchor| trust.contains(anchor)) || self.dane && vouched()
        } else if self.pin_of(&identity.key).is_some() {
            true
        } else {
            return Err(IdentityError::Pin { peer: self.domain.clone() });
        };
        if !trusted {
            let peer = self.domain.clone();
            return Err(if self.dane {
                IdentityError::Voucher { peer }
            } else {
                IdentityError::Trust { peer }
            });
        }
        if identity.names.iter().any(|name| *name == self.domain || self.names.contains(name)) {
            Ok(())
        } else {
            Err(IdentityError::Name { peer: self.domain.clone(), names: identity.names.clone() })
        }
    }
}

/// Which check of a peer's certificate failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// Pins are given and none is the certificate's key.
    #[error("the certificate's key is none of the pins of {peer}")]
    Pin {
        /// For whom.
        peer: Domain,
    },
    /// The chain ends in no CA that may vouch for this peer.
    #[error("the certificate chain ends in no CA that may vouch for {peer}")]
    Trust {
        /// For whom.
        peer: Domain,
    },
    /// The same, and secure DNS, which might, does not vouch for it either.
    #[error("the certificate chain ends in no CA that may vouch for {peer}, and no secure TLSA record does")]
    Voucher {
        /// For whom.
        peer: Domain,
    },
    /// No name of the certificate stands for the peer.
    #[error("the certificate names {names:?}, none of which stands for {peer}")]
    Name {
        /// For whom.
        peer: Domain,
        /// What it names.
        names: Vec<Domain>,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(names: &[&str], key: u8, anchors: &[u8]) -> PeerIdentity {
        PeerIdentity {
            names: names.iter().map(|name| name.parse().unwrap()).collect(),
            key: [key; 32],
            anchors: anchors.iter().map(|anchor| [*anchor; 32]).collect(),
            vouchers: Vec::new(),
        }
    }

    #[test]
    fn secure_dns_vouches_beside_the_cas_where_the_entry_says_so_and_never_for_a_name_or_against_a_pin() {
        let mut agreement = Agreement::with("south.example".parse().unwrap());
        agreement.trust = vec![[7; 32]];
        let voucher = |domain: &str| Voucher { domain: domain.parse().unwrap(), record: [3; 32] };
        let mut south = identity(&["south.example"], 1, &[]);
        south.vouchers = vec![voucher("south.example")];
        assert!(matches!(agreement.speaks_for(&south, &[]), Err(IdentityError::Trust { .. })));
        agreement.dane = true;
        assert_eq!(agreement.speaks_for(&south, &[]), Ok(()));
        assert_eq!(agreement.speaks_for(&identity(&["south.example"], 2, &[7]), &[]), Ok(()));
        // For another domain, or for none
        south.vouchers = vec![voucher("east.example")];
        assert!(matches!(agreement.speaks_for(&south, &[]), Err(IdentityError::Voucher { .. })));
        // Without the name
        let mut east = identity(&["east.example"], 1, &[]);
        east.vouchers = vec![voucher("south.example")];
        assert!(matches!(agreement.speaks_for(&east, &[]), Err(IdentityError::Name { .. })));
        // Against a pin
        agreement.pins = vec![[2; 32]];
        south.vouchers = vec![voucher("south.example")];
        assert!(matches!(agreement.speaks_for(&south, &[]), Err(IdentityError::Pin { .. })));
    }

    #[test]
    fn trust_of_the_entry_replaces_the_default_and_a_pin_replaces_the_chain() {
        let mut agreement = Agreement::with("south.example".parse().unwrap());
        let south = identity(&["south.example"], 1, &[9]);
        assert_eq!(agreement.speaks_for(&south, &[[9; 32]]), Ok(()));
        assert!(matches!(agreement.speaks_for(&south, &[[8; 32]]), Err(IdentityError::Trust { .. })));
        agreement.trust = vec![[7; 32]];
        assert!(matches!(agreement.speaks_for(&south, &[[9; 32]]), Err(IdentityError::Trust { .. })));
        agreement.pins = vec![[1; 32]];
        assert_eq!(agreement.speaks_for(&identity(&["south.example"], 1, &[]), &[]), Ok(()));
        assert!(matches!(
            agreement.speaks_for(&identity(&["south.example"], 2, &[7]), &[]),
            Err(IdentityError::Pin { .. })
        ));
    }

    #[test]
    fn the_next_key_is_believed_beside_the_one_of_now_and_told_apart() {
        let mut agreement = Agreement::with("south.example".parse().unwrap());
        agreement.pins = vec![[1; 32], [2; 32]];
        for (key, place) in [(1, Some(0)), (2, Some(1)), (3, None)] {
            let south = identity(&["south.example"], key, &[]);
            assert_eq!(agreement.pin_of(&south.key), place);
            assert_eq!(agreement.speaks_for(&south, &[]).is_ok(), place.is_some());
        }
    }

    #[test]
    fn another_name_must_be_listed() {
        let mut agreement = Agreement::with("south.example".parse().unwrap());
        let hoster = identity(&["hosting.example"], 1, &[9]);
        assert!(matches!(agreement.speaks_for(&hoster, &[[9; 32]]), Err(IdentityError::Name { .. })));
        agreement.names = vec!["hosting.example".parse().unwrap()];
        assert_eq!(agreement.speaks_for(&hoster, &[[9; 32]]), Ok(()));
    }

    #[test]
    fn outside_its_dates_an_agreement_is_closed() {
        let mut agreement = Agreement::with("south.example".parse().unwrap());
        agreement.valid_from = Some(DateTime::from_unix(100));
        agreement.valid_until = Some(DateTime::from_unix(200));
        let at = |seconds| agreement.state_at(DateTime::from_unix(seconds));
        assert_eq!((at(99), at(150), at(201)), (PeerState::Closed, PeerState::Active, PeerState::Closed));
    }
}
