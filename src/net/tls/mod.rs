//! TLS: who we are, whom we believe, and the two kinds of listener.
//!
//! Between providers TLS is always mutual (reference ssp-transport §3.5, decisions.md 7 and 8):
//! [`PeerTls`] holds our certificates, one per own domain, and a [`Trust`] that says which chains
//! and keys may enter at all. Which peer a certificate may *speak for* is decided later and
//! elsewhere, by [`crate::imps::agreement::Agreement::speaks_for`] on the [`PeerIdentity`] that the
//! handshake yields. Phones get ordinary TLS without client certificates: [`client_listener`].
//!
//! The crypto provider is passed explicitly everywhere; no process default is installed. SSP never
//! resumes: a resumed handshake would skip the verifier, and with it expiry, revocation and pins.
//!
//! ```text
//! Identity (chain, key) ─┐
//! TrustSettings ─▶ Trust ─┴─▶ PeerTls ─▶ handshake ─▶ PeerIdentity | Refused
//! ```
//!
//! [`PeerIdentity`]: crate::imps::agreement::PeerIdentity

mod handshake;
mod trust;
mod verify;

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, ServerConfig};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_util::sync::CancellationToken;

pub use handshake::HandshakeError;
pub(crate) use handshake::{Connected, accept, alert_in, answer, connect};
pub use trust::{Check, CrlExpiry, Refused, Side, Trust, TrustSettings};
use verify::Verifier;

use super::certificate::{Facts, FactsError, certificates_of_pem, facts};
use crate::imps::Domain;
use crate::imps::agreement::PeerIdentity;

/// HTTP/2 in ALPN.
const HTTP_2: &[u8] = b"h2";
/// HTTP/1.1 in ALPN.
const HTTP_1_1: &[u8] = b"http/1.1";

/// Why TLS could not be set up from what the files hold.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A certificate file cannot be used.
    #[error("the certificate file {0}")]
    Certificate(#[from] FactsError),
    /// A key file cannot be used.
    #[error("the private key cannot be used: {0}")]
    Key(String),
    /// Key and certificate are not a pair.
    #[error("the private key does not belong to the certificate of {0}")]
    KeyMismatch(String),
    /// A CA certificate cannot anchor a chain.
    #[error("{subject} cannot be used as a CA: {found}")]
    Authority {
        /// The certificate's holder.
        subject: String,
        /// What is wrong.
        found: String,
    },
    /// A revocation list cannot be read.
    #[error("the revocation list cannot be used: {0}")]
    RevocationList(String),
    /// No own certificate at all.
    #[error("no certificate is configured")]
    NoIdentity,
    /// The TLS library refused the combination.
    #[error("TLS cannot be set up: {0}")]
    Library(#[from] rustls::Error),
}

/// One of our own domains with the certificate it shows.
#[derive(Clone, Debug)]
pub struct Identity {
    domain: Domain,
    key: Arc<CertifiedKey>,
    facts: Facts,
}

impl Identity {
    /// From PEM: the chain, leaf first, and its private key (PKCS #8, PKCS #1 or SEC 1).
    pub fn from_pem(domain: Domain, chain_pem: &[u8], key_pem: &[u8]) -> Result<Self, TlsError> {
        let chain = certificates_of_pem(chain_pem)?;
        let facts = facts(chain.first().ok_or(FactsError::Empty)?)?;
        let key = PrivateKeyDer::from_pem_slice(key_pem).map_err(|found| TlsError::Key(found.to_string()))?;
        let key = CertifiedKey::from_der(chain, key, &provider()).map_err(|found| match found {
            rustls::Error::InconsistentKeys(_) => TlsError::KeyMismatch(facts.subject.clone()),
            other => TlsError::Key(other.to_string()),
        })?;
        Ok(Self { domain, key: Arc::new(key), facts })
    }

    /// The own domain.
    pub fn domain(&self) -> &Domain {
        &self.domain
    }

    /// What the leaf says; `not_after` feeds `causeway_certificate_expiry_seconds`.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }
}

/// Everything TLS needs between providers. Immutable: a reload makes another one and swaps it.
#[derive(Debug)]
pub struct PeerTls {
    server: Arc<ServerConfig>,
    clients: HashMap<Domain, Dialler>,
    first: Identity,
    trust: Arc<Trust>,
    replaced: CancellationToken,
}

/// How one own domain calls peers.
#[derive(Debug)]
struct Dialler {
    /// With HTTP/1.1 alone.
    http1: Arc<ClientConfig>,
    /// With HTTP/2 too.
    both: Arc<ClientConfig>,
}

/// Which versions of HTTP are offered to a peer, by ALPN; it chooses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Offer {
    /// HTTP/1.1 alone.
    #[default]
    Http1,
    /// HTTP/2, and HTTP/1.1 for who does not speak it (reference ssp-transport §3.1).
    Both,
}

/// A [`PeerTls`] that can be swapped while listeners and lanes hold it.
pub type SharedPeerTls = Arc<ArcSwap<PeerTls>>;

impl PeerTls {
    /// Listener and dialler configurations for these own domains. Of two identities for one domain
    /// the later counts; the first one listed is shown when the caller names no domain of ours.
    pub fn new(identities: &[Identity], trust: Trust) -> Result<Self, TlsError> {
        let first = identities.first().ok_or(TlsError::NoIdentity)?.clone();
        let trust = Arc::new(trust);
        let verifier = |side| Arc::new(Verifier::new(trust.clone(), side, &provider()));
        let mut server = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_client_cert_verifier(verifier(Side::Inbound))
            .with_cert_resolver(Arc::new(BySni::new(identities, &first)));
        server.session_storage = Arc::new(NoServerSessionStorage {});
        server.send_tls13_tickets = 0;
        server.max_early_data_size = 0;
        server.alpn_protocols = vec![HTTP_2.to_vec(), HTTP_1_1.to_vec()];
        let mut clients = HashMap::new();
        for identity in identities {
            let mut client = ClientConfig::builder_with_provider(provider())
                .with_safe_default_protocol_versions()?
                .dangerous()
                .with_custom_certificate_verifier(verifier(Side::Outbound))
                .with_client_cert_resolver(Arc::new(SingleCertAndKey::from(identity.key.clone())));
            client.resumption = Resumption::disabled();
            client.enable_early_data = false;
            client.alpn_protocols = vec![HTTP_1_1.to_vec()];
            let mut both = client.clone();
            both.alpn_protocols.insert(0, HTTP_2.to_vec());
            let dialler = Dialler { http1: Arc::new(client), both: Arc::new(both) };
            clients.insert(identity.domain.clone(), dialler);
        }
        Ok(Self { server: Arc::new(server), clients, first, trust, replaced: CancellationToken::new() })
    }

    /// Without HTTP/2: it is neither offered nor taken, whatever peers can do.
    #[must_use]
    pub fn without_http2(mut self) -> Self {
        Arc::make_mut(&mut self.server).alpn_protocols.retain(|protocol| protocol != HTTP_2);
        for dialler in self.clients.values_mut() {
            dialler.both = Arc::clone(&dialler.http1);
        }
        self
    }

    /// Ready for [`super::listen`] and [`super::post`].
    pub fn shared(self) -> SharedPeerTls {
        Arc::new(ArcSwap::from_pointee(self))
    }

    /// The own domain that a caller addressed by SNI; the first one if it named none or another's.
    pub fn own_domain(&self, server_name: Option<&str>) -> &Domain {
        server_name
            .and_then(|name| name.parse::<Domain>().ok())
            .and_then(|name| self.clients.get_key_value(&name))
            .map_or(&self.first.domain, |(own, _)| own)
    }

    /// What a listener for peers uses.
    pub fn server_config(&self) -> Arc<ServerConfig> {
        self.server.clone()
    }

    /// Whom we believe.
    pub fn trust(&self) -> &Trust {
        &self.trust
    }

    /// Others take its place: connections that were made with it end as soon as what is in hand is answered,
    /// so that whoever is not believed any more has to prove it.
    pub fn retire(&self) {
        self.replaced.cancel();
    }

    /// Cancelled once others have taken its place.
    pub fn replaced(&self) -> &CancellationToken {
        &self.replaced
    }

    /// Whether who showed this chain, at that end of a connection, would be believed again now, and who it is.
    pub fn check_again(&self, chain: &[CertificateDer<'_>], side: Side) -> Result<PeerIdentity, Refused> {
        self.trust.check(chain, side, trust::wall_clock())
    }

    /// Whether what secure DNS said of this identity when it was believed stands still.
    pub fn vouchers_hold(&self, identity: &PeerIdentity) -> bool {
        self.trust.vouchers_hold(identity, trust::wall_clock())
    }

    fn client(&self, own: &Domain, offer: Offer) -> Option<&Arc<ClientConfig>> {
        let dialler = self.clients.get(own).or_else(|| self.clients.get(&self.first.domain))?;
        Some(match offer {
            Offer::Http1 => &dialler.http1,
            Offer::Both => &dialler.both,
        })
    }
}

/// TLS for phones: no client certificate, resumption as the library does it (nothing is verified,
/// so nothing is skipped). The SNI selects the certificate; unknown or none: the first.
pub fn client_listener(identities: &[Identity]) -> Result<Arc<ServerConfig>, TlsError> {
    let first = identities.first().ok_or(TlsError::NoIdentity)?;
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(BySni::new(identities, first)));
    config.alpn_protocols = vec![HTTP_1_1.to_vec(), b"http/1.0".to_vec()];
    Ok(Arc::new(config))
}

/// TLS for a client that dials: these CAs, in PEM, may vouch for the server's name.
pub fn client_dialler(authorities_pem: &[u8]) -> Result<Arc<ClientConfig>, TlsError> {
    let mut roots = rustls::RootCertStore::empty();
    // Of the many certificates of a system some may be of a form that is not taken.
    let (taken, _) = roots.add_parsable_certificates(certificates_of_pem(authorities_pem)?);
    if taken == 0 {
        return Err(FactsError::Empty.into());
    }
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![HTTP_1_1.to_vec()];
    Ok(Arc::new(config))
}

/// TLS 1.2 and 1.3 with AEAD suites and post-quantum key exchange; certificates are checked by
/// [`Trust`].
fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// Chooses the certificate of the own domain that the caller addresses.
#[derive(Debug)]
struct BySni {
    by_name: HashMap<Domain, Arc<CertifiedKey>>,
    first: Arc<CertifiedKey>,
}

impl BySni {
    fn new(identities: &[Identity], first: &Identity) -> Self {
        let by_name = identities.iter().map(|own| (own.domain.clone(), own.key.clone())).collect();
        Self { by_name, first: first.key.clone() }
    }
}

impl ResolvesServerCert for BySni {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let named = hello.server_name().and_then(|name| name.parse::<Domain>().ok());
        let key = named.and_then(|name| self.by_name.get(&name)).unwrap_or(&self.first);
        Some(key.clone())
    }
}

#[cfg(test)]
mod tests;
