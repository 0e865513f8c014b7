//! What the tests of this room share: certificates in memory and pairs of sockets.

use tokio::net::{TcpListener, TcpStream};

use super::pki::{Authority, LeafOptions};
use super::tls::{Identity, PeerTls, Trust, TrustSettings};
use crate::imps::Domain;

pub(crate) fn domain(name: &str) -> Domain {
    name.parse().unwrap()
}

pub(crate) fn authority(name: &str) -> Authority {
    Authority::new(name).unwrap()
}

pub(crate) fn identity(authority: &Authority, name: &str, options: &LeafOptions) -> Identity {
    let issued = authority.issue(&[domain(name)], options).unwrap();
    Identity::from_pem(domain(name), issued.certificate_pem.as_bytes(), issued.key_pem.as_bytes()).unwrap()
}

pub(crate) fn trusting(authorities: &[&Authority]) -> TrustSettings {
    let mut settings = TrustSettings::default();
    for authority in authorities {
        settings.add_authorities(authority.certificate_pem().as_bytes()).unwrap();
    }
    settings
}

/// A provider with a certificate of `authority`, which trusts the same.
pub(crate) fn provider(authority: &Authority, name: &str) -> PeerTls {
    let own = identity(authority, name, &LeafOptions::default());
    PeerTls::new(&[own], Trust::new(trusting(&[authority])).unwrap()).unwrap()
}

/// Two ends of a TCP connection: who accepted, who connected.
pub(crate) async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let connected = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    (listener.accept().await.unwrap().0, connected)
}
