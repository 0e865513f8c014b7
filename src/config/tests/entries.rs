//! What files say and leave out: defaults, the reference page, paths, entries of peers.

use super::*;

#[test]
fn a_file_of_one_key_gives_every_default_of_the_contract() {
    let desk = Desk::new("defaults");
    let settings = desk.good(MINIMAL);
    assert_eq!(settings.node.domains, ["north.example".parse().unwrap()]);
    assert_eq!(settings.node.data, desk.path("data"));
    assert_eq!(settings.node.secret_key, desk.path("data/secret.key"));
    assert_eq!(settings.ssp.listen, ["0.0.0.0:5222".parse().unwrap()]);
    assert_eq!(settings.ssp.identities.len(), 1);
    assert_eq!(settings.ssp.identities[0].files.certificate, desk.path("certs/node.pem"));
    assert_eq!(settings.ssp.identities[0].files.key, desk.path("certs/node.key"));
    assert_eq!(settings.certificates_end.len(), 1);
    assert_eq!(settings.certificates_end[0].0, "north.example");
    assert_eq!(settings.ssp.trust, [desk.path("certs/ca.pem")]);
    assert_eq!(settings.ssp.trust_keys.len(), 1);
    assert_eq!(settings.ssp.crls, Vec::<PathBuf>::new());
    assert_eq!((settings.ssp.crl_expiry, settings.ssp.http2), (CrlExpiry::Error, true));
    assert_eq!(settings.ssp.peers_file, desk.path("peers.toml"));
    assert_eq!(settings.ssp.federation, Federation::Closed);
    assert_eq!(settings.csp.listen, ["0.0.0.0:8080".parse().unwrap()]);
    assert_eq!(settings.csp.tls_listen, []);
    assert_eq!(settings.csp.tls, None);
    assert_eq!(settings.csp.path, None);
    assert_eq!(settings.csp.registration, Registration::Closed);
    assert_eq!(settings.csp.max_document_bytes, 1_048_576);
    assert_eq!(settings.admin.listen, "127.0.0.1:9090".parse().unwrap());
    assert_eq!(settings.admin.token, None);
    assert_eq!(settings.dns.servers, []);
    assert_eq!(settings.dns.dnssec, Dnssec::Prefer);
    assert_eq!(settings.store.backend, Backend::Sqlite);
    assert_eq!(settings.limits.hold_message, Duration::from_secs(5));
    assert_eq!(settings.limits.cut_through, Duration::from_millis(250));
    assert_eq!(settings.limits.hold_query, Duration::from_secs(20));
    assert_eq!(settings.limits.queue_bytes_per_peer, 1_073_741_824);
    assert_eq!(settings.limits.queue_bytes_per_user, 67_108_864);
    assert_eq!(settings.log.format, LogFormat::Text);
    assert_eq!(settings.log.level, "info");
    assert!(settings.peers.is_empty());
}

/// The TOML blocks of a page, in order.
fn blocks(page: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = page;
    while let Some((_, after)) = rest.split_once("```toml\n") {
        let (block, end) = after.split_once("```").unwrap();
        found.push(block.to_owned());
        rest = end;
    }
    found
}

#[test]
fn the_reference_page_shows_every_key_with_its_default() {
    let page = include_str!("../../../docs/reference/configuration.md");
    let [node, peers, transit] = <[String; 3]>::try_from(blocks(page)).unwrap();
    let desk = Desk::new("reference");
    let minimal = desk.good(MINIMAL);
    let shown = desk.good(&node);
    assert_eq!(format!("{shown:?}"), format!("{minimal:?}"), "the page shows another default");
    for key in [
        "domains",
        "data",
        "secret-key",
        "sandbox",
        "listen",
        "certificate",
        "key",
        "trust",
        "crls",
        "crl-expiry",
        "http2",
        "peers",
        "federation",
        "dane",
        "tls-listen",
        "path",
        "registration",
        "max-document-bytes",
        "max-item-bytes",
        "quota-bytes",
        "quota-items",
        "retention-days",
        "url",
        "token-file",
        "servers",
        "dnssec",
        "trust-anchors",
        "backend",
        "hold-message-seconds",
        "hold-query-seconds",
        "peer-gone-seconds",
        "presence-pause-seconds",
        "cut-through-milliseconds",
        "queue-bytes-per-peer",
        "queue-bytes-per-user",
        "format",
        "level",
    ] {
        assert!(node.contains(&format!("{key} ")), "the page lacks {key}");
    }

    desk.write("peers.toml", &peers);
    let shown = desk.good(MINIMAL);
    desk.write("peers.toml", "[[peer]]\ndomain = \"south.example\"\nservices = [\"presence\", \"im\", \"group\", \"content\", \"search\"]\nvalid-from = 2026-01-01\nvalid-until = 2027-12-31\ncontact = \"noc@south.example\"");
    assert_eq!(format!("{shown:?}"), format!("{:?}", desk.good(MINIMAL)), "the page shows another default");

    let east = "[[peer]]\ndomain = \"east.example\"\nservices = [\"im\"]\n";
    desk.write("peers.toml", format!("{peers}{east}{transit}"));
    let [triple] = &desk.good(MINIMAL).transits[..] else { panic!("one triple is shown") };
    assert_eq!((triple.from.as_str(), triple.via.as_str()), ("south.example", "east.example"));
}

#[test]
fn the_example_in_the_repository_is_good() {
    let desk = Desk::new("example");
    desk.write("peers.toml", include_str!("../../../peers.toml"));
    let settings = desk.good(MINIMAL);
    assert!(!settings.peers.is_empty());
}

#[test]
fn paths_are_relative_to_the_file_they_stand_in() {
    let desk = Desk::new("paths");
    desk.write(
        "peers/all.toml",
        "[[peer]]\ndomain = \"south.example\"\nservices = [\"im\"]\ntrust = [\"south.pem\"]\n",
    );
    desk.write("peers/south.pem", desk.authority.certificate_pem());
    let settings = desk.good(&format!(
        "{MINIMAL}data = \"var\"\nsecret-key = \"/nowhere/secret.key\"\n[ssp]\npeers = \"peers/all.toml\"\n"
    ));
    assert_eq!(settings.node.data, desk.path("var"));
    assert_eq!(settings.node.secret_key, PathBuf::from("/nowhere/secret.key"));
    assert_eq!(settings.peers[0].trust, [desk.path("peers/south.pem")]);
    assert_eq!(settings.peers[0].agreement.trust, settings.ssp.trust_keys);
    assert_eq!(settings.trust_files(), [desk.path("certs/ca.pem"), desk.path("peers/south.pem")]);
}

#[test]
fn an_entry_is_read_with_all_its_keys() {
    let desk = Desk::new("entry");
    desk.write(
        "peers.toml",
        r#"
[[peer]]
domain = "South.Example."
endpoints = ["https://127.0.0.3:5222/", "https://[::1]:5223"]
trust = ["certs/ca.pem"]
pins = ["sha256/AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="]
accept-server-eku = true
names = ["hosting.example"]
services = ["im", "presence"]
profile = "legacy"
state = "suspended"
max-transactions-per-post = 1
messages-per-second = 500
user-messages-per-minute = 30
max-document-bytes = 65_536
valid-from = 2026-01-01
valid-until = 2027-12-31
contact = "noc@south.example"
note = "by hand"
"#,
    );
    let settings = desk.good(MINIMAL);
    let agreement = &settings.peers[0].agreement;
    assert_eq!(agreement.domain.as_str(), "south.example");
    let endpoint = |host: &str, port| Endpoint { host: host.to_owned(), port };
    assert_eq!(agreement.endpoints, [endpoint("127.0.0.3", 5222), endpoint("::1", 5223)]);
    assert_eq!(agreement.trust.len(), 1);
    assert_eq!(agreement.pins, [[1; 32]]);
    assert!(agreement.accept_server_eku);
    assert_eq!(agreement.names, ["hosting.example".parse().unwrap()]);
    assert_eq!(agreement.services, [Service::Presence, Service::Im].into());
    assert_eq!((agreement.profile, agreement.state), (Profile::Legacy, PeerState::Suspended));
    assert_eq!(agreement.max_transactions_per_post, 1);
    assert_eq!(agreement.messages_per_second, 500);
    assert_eq!(agreement.user_messages_per_minute, 30);
    assert_eq!(agreement.max_document_bytes, 65_536);
    assert_eq!(agreement.valid_from.unwrap().extended(), "2026-01-01T00:00:00Z");
    assert_eq!(agreement.valid_until.unwrap().extended(), "2027-12-31T23:59:59Z");
    assert_eq!((agreement.contact.as_str(), agreement.note.as_str()), ("noc@south.example", "by hand"));
}
