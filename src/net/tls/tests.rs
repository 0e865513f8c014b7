//! Handshakes over real sockets, good ones and each kind of bad one.

use std::time::Duration;

use rustls::{AlertDescription, ClientConfig, HandshakeKind, RootCertStore};
use rustls_pki_types::ServerName;
use rustls_pki_types::pem::PemObject as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::TlsConnector;

use super::handshake::Accepted;
use super::*;
use crate::imps::DateTime;
use crate::imps::agreement::PeerIdentity;
use crate::net::certificate::key_hashes_of_pem;
use crate::net::pki::{Authority, LeafOptions};
use crate::net::testing::{authority, domain, identity, pair, provider, trusting};

const SOON: Duration = Duration::from_secs(10);

/// What both ends of a handshake came to. The caller reads one octet after it, because with TLS 1.3 it
/// hears only then that it was refused.
struct Outcome {
    answering: Result<Accepted, HandshakeError>,
    calling: Result<PeerIdentity, HandshakeError>,
}

impl Outcome {
    fn refused_by_answering(self) -> Refused {
        match self.answering.err().expect("the handshake must fail") {
            HandshakeError::Certificate(refused) => refused,
            other => panic!("{other}"),
        }
    }

    fn refused_by_calling(self) -> Refused {
        match self.calling.expect_err("the handshake must fail") {
            HandshakeError::Certificate(refused) => refused,
            other => panic!("{other}"),
        }
    }

    fn alert(&self) -> AlertDescription {
        match &self.calling {
            Err(HandshakeError::Alert(alert)) => *alert,
            other => panic!("{other:?}"),
        }
    }
}

async fn shake(answering: &PeerTls, calling: &PeerTls, own: &str, server_name: &str) -> Outcome {
    let (accepted, connected) = pair().await;
    let (own, server_name) = (domain(own), domain(server_name));
    let (answering, calling) = tokio::join!(
        async {
            let mut accepted = accept(answering, accepted, SOON).await;
            if let Ok(accepted) = &mut accepted {
                accepted.stream.write_all(b"!").await.unwrap();
                accepted.stream.flush().await.unwrap();
            }
            accepted
        },
        async {
            let Connected { mut stream, peer, .. } =
                connect(calling, &own, &server_name, connected, Offer::Http1, SOON).await?;
            match stream.read_u8().await {
                Ok(_) => Ok(peer),
                Err(found) => Err(alert_in(&found).expect("an alert")),
            }
        }
    );
    Outcome { answering, calling }
}

fn dated(not_before_days: i64, not_after_days: i64) -> LeafOptions {
    let now = LeafOptions::default().not_before.unix() + 3600;
    LeafOptions {
        not_before: DateTime::from_unix(now + not_before_days * 86_400),
        not_after: DateTime::from_unix(now + not_after_days * 86_400),
        ..LeafOptions::default()
    }
}

fn with_leaf(authority: &Authority, name: &str, options: &LeafOptions) -> PeerTls {
    let own = identity(authority, name, options);
    PeerTls::new(&[own], Trust::new(trusting(&[authority])).unwrap()).unwrap()
}

#[tokio::test]
async fn two_providers_know_each_other_by_certificate() {
    let ca = authority("Agreement CA");
    let (north, south) = (provider(&ca, "north.example"), provider(&ca, "south.example"));
    let outcome = shake(&south, &north, "north.example", "south.example").await;
    let anchor = key_hashes_of_pem(ca.certificate_pem().as_bytes()).unwrap();
    let accepted = outcome.answering.unwrap();
    assert_eq!(accepted.peer.names, [domain("north.example")]);
    assert_eq!(accepted.peer.anchors, anchor);
    assert_eq!(accepted.peer.key, north.first.facts().key);
    assert_eq!(accepted.own, domain("south.example"));
    let there = outcome.calling.unwrap();
    assert_eq!((there.names, there.anchors), (vec![domain("south.example")], anchor));
}

#[tokio::test]
async fn a_chain_that_leads_to_no_ca_of_ours_is_refused_with_names() {
    let (ours, theirs) = (authority("Our CA"), authority("Their CA"));
    let south = provider(&ours, "south.example");
    // They trust us, we do not trust them.
    let own = identity(&theirs, "north.example", &LeafOptions::default());
    let north = PeerTls::new(&[own], Trust::new(trusting(&[&ours])).unwrap()).unwrap();
    let outcome = shake(&south, &north, "north.example", "south.example").await;
    assert_eq!(outcome.alert(), AlertDescription::UnknownCA);
    let refused = outcome.refused_by_answering();
    assert_eq!(refused.check, Check::UnknownIssuer);
    assert_eq!(
        refused.to_string(),
        "certificate of north.example is issued by CN=Their CA, which leads to no configured CA, \
         and its key is not pinned"
    );
    // And the other way round: the caller refuses.
    let outcome = shake(&north, &south, "south.example", "north.example").await;
    assert!(matches!(outcome.answering, Err(HandshakeError::Alert(AlertDescription::UnknownCA))));
    assert_eq!(outcome.refused_by_calling().check, Check::UnknownIssuer);
}

#[tokio::test]
async fn a_certificate_outside_its_dates_is_refused() {
    let ca = authority("CA");
    let south = provider(&ca, "south.example");
    for (options, check, words) in [
        (dated(-10, -1), Check::Expired, "certificate of north.example expired on 20"),
        (dated(1, 10), Check::NotYetValid, "certificate of north.example is not valid before 20"),
    ] {
        let north = with_leaf(&ca, "north.example", &options);
        let outcome = shake(&south, &north, "north.example", "south.example").await;
        assert_eq!(outcome.alert(), AlertDescription::CertificateExpired);
        let refused = outcome.refused_by_answering();
        assert_eq!(refused.check, check);
        assert!(refused.to_string().starts_with(words), "{refused}");
        let outcome = shake(&north, &south, "south.example", "north.example").await;
        assert_eq!(outcome.refused_by_calling().check, check);
    }
}

#[tokio::test]
async fn a_certificate_for_the_other_end_is_refused_unless_its_peer_may() {
    let ca = authority("CA");
    let server_only = LeafOptions { client: false, ..LeafOptions::default() };
    let north = with_leaf(&ca, "north.example", &server_only);
    let south = provider(&ca, "south.example");
    let refused = shake(&south, &north, "north.example", "south.example").await.refused_by_answering();
    assert_eq!(refused.check, Check::Purpose);
    assert_eq!(
        refused.to_string(),
        "certificate of north.example is not made for this use: it allows serverAuth; clientAuth is \
         needed to connect to us"
    );
    // A server certificate is good for answering.
    assert!(shake(&north, &south, "south.example", "north.example").await.calling.is_ok());

    let mut settings = trusting(&[&ca]);
    settings.server_usage_suffices.insert(domain("north.example"));
    let own = identity(&ca, "south.example", &LeafOptions::default());
    let lenient = PeerTls::new(&[own], Trust::new(settings).unwrap()).unwrap();
    let outcome = shake(&lenient, &north, "north.example", "south.example").await;
    assert_eq!(outcome.answering.unwrap().peer.anchors.len(), 1);
    let other = with_leaf(&ca, "other.example", &server_only);
    let refused = shake(&lenient, &other, "other.example", "south.example").await.refused_by_answering();
    assert_eq!(refused.check, Check::Purpose);
}

#[tokio::test]
async fn a_revoked_certificate_is_refused_even_if_it_is_pinned() {
    let ca = authority("CA");
    let issued = ca.issue(&[domain("north.example")], &LeafOptions::default()).unwrap();
    let own = Identity::from_pem(
        domain("north.example"),
        issued.certificate_pem.as_bytes(),
        issued.key_pem.as_bytes(),
    )
    .unwrap();
    let key = own.facts().key;
    let north = PeerTls::new(&[own], Trust::new(trusting(&[&ca])).unwrap()).unwrap();
    let other = provider(&ca, "other.example");
    let later = dated(0, 30).not_after;
    let past = DateTime::from_unix(dated(0, 0).not_after.unix() - 60);

    let south = |next_update, crl_expiry, pins: &[_]| {
        let mut settings = trusting(&[&ca]);
        let list = ca.revocation_list(&[&issued.certificate_pem], next_update).unwrap();
        settings.add_revocation_lists(list.as_bytes()).unwrap();
        settings.crl_expiry = crl_expiry;
        settings.pins.extend(pins);
        let own = identity(&ca, "south.example", &LeafOptions::default());
        PeerTls::new(&[own], Trust::new(settings).unwrap()).unwrap()
    };
    let strict = south(later, CrlExpiry::Error, &[]);
    let outcome = shake(&strict, &north, "north.example", "south.example").await;
    assert_eq!(outcome.alert(), AlertDescription::CertificateRevoked);
    let refused = outcome.refused_by_answering();
    assert_eq!(refused.to_string(), "certificate of north.example is revoked, or a CA of its chain is");
    assert!(shake(&strict, &other, "other.example", "south.example").await.answering.is_ok());

    let pinned = south(later, CrlExpiry::Error, &[key]);
    let refused = shake(&pinned, &north, "north.example", "south.example").await.refused_by_answering();
    assert_eq!(refused.check, Check::Revoked);

    let stale = south(past, CrlExpiry::Error, &[]);
    let refused = shake(&stale, &other, "other.example", "south.example").await.refused_by_answering();
    assert_eq!(refused.check, Check::RevocationListExpired);
    let lenient = south(past, CrlExpiry::Ignore, &[]);
    assert!(shake(&lenient, &other, "other.example", "south.example").await.answering.is_ok());
    let refused = shake(&lenient, &north, "north.example", "south.example").await.refused_by_answering();
    assert_eq!(refused.check, Check::Revoked);
}

#[tokio::test]
async fn a_ca_without_a_list_is_not_checked_for_revocation() {
    let (listed, unlisted) = (authority("Listed CA"), authority("Unlisted CA"));
    let mut settings = trusting(&[&listed, &unlisted]);
    let list = listed.revocation_list(&[], dated(0, 30).not_after).unwrap();
    settings.add_revocation_lists(list.as_bytes()).unwrap();
    let own = identity(&listed, "south.example", &LeafOptions::default());
    let south = PeerTls::new(&[own], Trust::new(settings).unwrap()).unwrap();
    let own = identity(&unlisted, "north.example", &LeafOptions::default());
    let north = PeerTls::new(&[own], Trust::new(trusting(&[&listed])).unwrap()).unwrap();
    assert!(shake(&south, &north, "north.example", "south.example").await.answering.is_ok());
}

#[tokio::test]
async fn a_pinned_key_needs_no_chain_but_keeps_its_dates() {
    let (ours, foreign) = (authority("Our CA"), authority("Foreign CA"));
    for (options, good) in [(LeafOptions::default(), true), (dated(-10, -1), false)] {
        let own = identity(&foreign, "north.example", &options);
        let mut settings = trusting(&[&ours]);
        settings.pins.insert(own.facts().key);
        let north = PeerTls::new(&[own], Trust::new(trusting(&[&ours])).unwrap()).unwrap();
        let own = identity(&ours, "south.example", &LeafOptions::default());
        let south = PeerTls::new(&[own], Trust::new(settings).unwrap()).unwrap();
        let outcome = shake(&south, &north, "north.example", "south.example").await;
        if good {
            let peer = outcome.answering.unwrap().peer;
            assert_eq!((peer.key, peer.anchors.len()), (north.first.facts().key, 0));
            // Dialling a pinned peer is the same.
            assert!(shake(&north, &south, "south.example", "north.example").await.calling.is_ok());
        } else {
            assert_eq!(outcome.refused_by_answering().check, Check::Expired);
        }
    }
}

#[tokio::test]
async fn a_chain_with_an_intermediate_ends_in_the_root_that_is_configured() {
    let root = authority("Root CA");
    let middle = root.intermediate("Middle CA").unwrap();
    let issued = middle.issue(&[domain("north.example")], &LeafOptions::default()).unwrap();
    let chain = format!("{}{}", issued.certificate_pem, middle.certificate_pem());
    let own =
        Identity::from_pem(domain("north.example"), chain.as_bytes(), issued.key_pem.as_bytes()).unwrap();
    let north = PeerTls::new(&[own], Trust::new(trusting(&[&root])).unwrap()).unwrap();
    let keys = |authority: &Authority| key_hashes_of_pem(authority.certificate_pem().as_bytes()).unwrap()[0];

    let south = provider(&root, "south.example");
    let peer = shake(&south, &north, "north.example", "south.example").await.answering.unwrap().peer;
    assert_eq!(peer.anchors, [keys(&root)]);
    // Where both are configured the chain ends in both, and each may be an agreement's trust.
    let own = identity(&root, "south.example", &LeafOptions::default());
    let both = PeerTls::new(&[own], Trust::new(trusting(&[&root, &middle])).unwrap()).unwrap();
    let mut anchors =
        shake(&both, &north, "north.example", "south.example").await.answering.unwrap().peer.anchors;
    anchors.sort_unstable();
    let mut wanted = vec![keys(&root), keys(&middle)];
    wanted.sort_unstable();
    assert_eq!(anchors, wanted);
}

#[tokio::test]
async fn the_server_name_selects_own_domain_and_certificate() {
    let ca = authority("CA");
    let own = ["first.example", "second.example"].map(|name| identity(&ca, name, &LeafOptions::default()));
    let both = PeerTls::new(&own, Trust::new(trusting(&[&ca])).unwrap()).unwrap();
    let north = provider(&ca, "north.example");
    for (named, shown) in [
        ("first.example", "first.example"),
        ("second.example", "second.example"),
        ("third.example", "first.example"),
    ] {
        let outcome = shake(&both, &north, "north.example", named).await;
        assert_eq!(outcome.answering.unwrap().own, domain(shown), "{named}");
        assert_eq!(outcome.calling.unwrap().names, [domain(shown)], "{named}");
    }
    assert_eq!(both.own_domain(None), &domain("first.example"));
    // Dialling, we show the certificate of the domain we speak for.
    let outcome = shake(&north, &both, "second.example", "north.example").await;
    assert_eq!(outcome.answering.unwrap().peer.names, [domain("second.example")]);
}

/// A client that is not ours: with or without a certificate, of a chosen version, willing to resume.
fn stranger(ca: &Authority, shows: Option<&str>, tls12: bool) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(certificates_of_pem(ca.certificate_pem().as_bytes()).unwrap().remove(0)).unwrap();
    let versions: &[&rustls::SupportedProtocolVersion] =
        if tls12 { &[&rustls::version::TLS12] } else { &[&rustls::version::TLS13] };
    let builder = ClientConfig::builder_with_provider(super::provider())
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots);
    Arc::new(match shows {
        None => builder.with_no_client_auth(),
        Some(name) => {
            let issued = ca.issue(&[domain(name)], &LeafOptions::default()).unwrap();
            let key = PrivateKeyDer::from_pem_slice(issued.key_pem.as_bytes()).unwrap();
            builder.with_client_auth_cert(vec![issued.certificate().unwrap()], key).unwrap()
        }
    })
}

#[tokio::test]
async fn who_shows_no_certificate_is_refused() {
    let ca = authority("CA");
    let south = provider(&ca, "south.example");
    for tls12 in [false, true] {
        let (accepted, connected) = pair().await;
        let config = stranger(&ca, None, tls12);
        let (answering, calling) = tokio::join!(accept(&south, accepted, SOON), async {
            let name = ServerName::try_from("south.example").unwrap();
            let mut stream = TlsConnector::from(config).connect(name, connected).await?;
            stream.read_u8().await
        });
        let refused = answering.err().unwrap();
        assert_eq!(
            (refused.reason(), refused.to_string()),
            ("no-certificate", "no certificate was presented".to_owned())
        );
        assert!(matches!(alert_in(&calling.unwrap_err()), Some(HandshakeError::Alert(_))));
    }
}

#[tokio::test]
async fn two_nodes_exchange_keys_in_a_way_that_withstands_quantum_computers() {
    let ca = authority("CA");
    let (north, south) = (provider(&ca, "north.example"), provider(&ca, "south.example"));
    let (accepted, connected) = pair().await;
    let (north_name, south_name) = (domain("north.example"), domain("south.example"));
    let (answering, calling) = tokio::join!(
        accept(&south, accepted, SOON),
        connect(&north, &north_name, &south_name, connected, Offer::Both, SOON)
    );
    let (answering, calling) = (answering.unwrap(), calling.unwrap());
    let answered = answering.stream.get_ref().1;
    let called = calling.stream.get_ref().1;
    for (version, group) in [
        (answered.protocol_version(), answered.negotiated_key_exchange_group()),
        (called.protocol_version(), called.negotiated_key_exchange_group()),
    ] {
        assert_eq!(version, Some(rustls::ProtocolVersion::TLSv1_3));
        assert_eq!(
            group.map(rustls::crypto::SupportedKxGroup::name),
            Some(rustls::NamedGroup::X25519MLKEM768)
        );
    }
}

/// A ClientHello as TLS 1.0 and 1.1 have it: without an extension for versions, so that the one in it counts.
fn old_hello(minor: u8) -> Vec<u8> {
    let mut body = vec![3, minor];
    body.extend([7; 32]);
    // No session; ECDHE-RSA-AES128-CBC-SHA, ECDHE-ECDSA-AES128-CBC-SHA, RSA-AES128-CBC-SHA; no compression.
    body.extend([0, 0, 6, 0xC0, 0x13, 0xC0, 0x09, 0x00, 0x2F, 1, 0]);
    // Signatures with ECDSA and RSA; who says nothing of them is refused for that.
    body.extend([0, 12, 0, 13, 0, 8, 0, 6, 4, 3, 4, 1, 8, 4]);
    let length = u8::try_from(body.len()).unwrap();
    let mut record = vec![0x16, 3, 1, 0, length + 4, 1, 0, 0, length];
    record.extend(body);
    record
}

#[tokio::test]
async fn no_version_of_tls_below_1_2_is_spoken() {
    let ca = authority("CA");
    let south = provider(&ca, "south.example");
    for minor in [0, 1, 2, 3] {
        let (accepted, mut connected) = pair().await;
        let (answering, heard) = tokio::join!(accept(&south, accepted, SOON), async {
            connected.write_all(&old_hello(minor)).await.unwrap();
            connected.shutdown().await.unwrap();
            let mut heard = Vec::new();
            connected.read_to_end(&mut heard).await.unwrap();
            heard
        });
        assert!(matches!(answering, Err(HandshakeError::Protocol(_))), "minor version {minor}");
        // A fatal alert and no ServerHello: alert, version, two octets, fatal, protocol_version.
        // The same with the version of 1.2 fails at something else: it offers no suite of ours.
        let alert =
            if minor < 3 { AlertDescription::ProtocolVersion } else { AlertDescription::HandshakeFailure };
        assert_eq!((heard[0], heard[5], heard[6]), (0x15, 2, u8::from(alert)), "{minor}: {heard:?}");
        assert_eq!(heard.len(), 7);
    }
}

#[tokio::test]
async fn no_handshake_is_ever_resumed() {
    let ca = authority("CA");
    let south = provider(&ca, "south.example");
    for tls12 in [false, true] {
        let config = stranger(&ca, Some("north.example"), tls12);
        for _ in 0..2 {
            let (accepted, connected) = pair().await;
            let (answering, calling) = tokio::join!(
                async {
                    let mut accepted = accept(&south, accepted, SOON).await.unwrap();
                    accepted.stream.write_all(b"!").await.unwrap();
                    accepted.stream.flush().await.unwrap();
                    accepted
                },
                async {
                    let name = ServerName::try_from("south.example").unwrap();
                    let mut stream =
                        TlsConnector::from(config.clone()).connect(name, connected).await.unwrap();
                    stream.read_u8().await.unwrap();
                    stream
                }
            );
            assert_eq!(answering.peer.names, [domain("north.example")]);
            let kind = calling.get_ref().1.handshake_kind();
            assert!(
                matches!(kind, Some(HandshakeKind::Full | HandshakeKind::FullWithHelloRetryRequest)),
                "{kind:?}"
            );
        }
    }
}

#[tokio::test]
async fn what_is_not_tls_is_told_apart() {
    let ca = authority("CA");
    let south = provider(&ca, "south.example");
    let (accepted, mut connected) = pair().await;
    connected.write_all(b"POST / HTTP/1.1\r\n\r\n").await.unwrap();
    let refused = accept(&south, accepted, SOON).await.err().unwrap();
    assert_eq!(refused.reason(), "protocol", "{refused}");
    // Who says nothing is not waited for.
    let (accepted, _silent) = pair().await;
    let refused = accept(&south, accepted, Duration::from_millis(20)).await.err().unwrap();
    assert_eq!(refused.reason(), "timeout");
}

#[test]
fn files_that_do_not_fit_together_are_refused() {
    let ca = authority("CA");
    let [one, two] = ["one.example", "two.example"]
        .map(|name| ca.issue(&[domain(name)], &LeafOptions::default()).unwrap());
    let read = |chain: &str, key: &str| {
        Identity::from_pem(domain("one.example"), chain.as_bytes(), key.as_bytes()).unwrap_err().to_string()
    };
    assert_eq!(
        read(&one.certificate_pem, &two.key_pem),
        "the private key does not belong to the certificate of CN=one.example"
    );
    assert_eq!(read("", &one.key_pem), "the certificate file holds no certificate");
    assert!(read(&one.certificate_pem, "").starts_with("the private key cannot be used"));
    let mut settings = TrustSettings::default();
    settings.add_revocation_lists(b"garbage").unwrap();
    assert!(matches!(Trust::new(settings), Err(TlsError::RevocationList(_))));
    assert!(matches!(
        PeerTls::new(&[], Trust::new(TrustSettings::default()).unwrap()),
        Err(TlsError::NoIdentity)
    ));
}
