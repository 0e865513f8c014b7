//! What the files name: certificates, keys, revocation lists, listeners, tokens and secrets.

use super::*;
use crate::net::dns_server::ZoneKey;

#[test]
fn certificates_are_looked_at() {
    let desk = Desk::new("certificates");
    let one = |text: &str| {
        let told = desk.told(text);
        assert_eq!(told.len(), 1, "{told:#?}");
        told.into_iter().next().unwrap()
    };
    let with = |lines: &str| format!("{MINIMAL}[ssp]\n{lines}\n");

    desk.issue("w/other", &["west.example", "east.example"], |_| {});
    assert_eq!(
        one(&with("certificate = \"w/other.pem\"\nkey = \"w/other.key\"")),
        r#"causeway.toml:4:1: error: certificate = "w/other.pem": names west.example, east.example, but not north.example; allowed: a certificate with each of its domains as dNSName, or _imps-server.DOMAIN as SRVName"#
    );
    assert_eq!(
        one(&with("key = \"w/other.key\"")),
        format!(
            r#"causeway.toml:4:1: error: key = "w/other.key": is not the key of the certificate in {}; allowed: a PEM file with the private key of the certificate"#,
            "certs/node.pem"
        )
    );
    desk.issue("w/old", &["north.example"], |leaf| {
        leaf.not_before = days(-9);
        leaf.not_after = days(-1);
    });
    assert_eq!(
        one(&with("certificate = \"w/old.pem\"\nkey = \"w/old.key\"")),
        r#"causeway.toml:4:1: error: certificate = "w/old.pem": ended on DATE; allowed: a certificate that is valid now"#
    );
    desk.issue("w/soon", &["north.example"], |leaf| leaf.not_after = days(9));
    assert_eq!(
        one(&with("certificate = \"w/soon.pem\"\nkey = \"w/soon.key\"")),
        r#"causeway.toml:4:1: warning: certificate = "w/soon.pem": ends on DATE, in 9 days; allowed: a certificate that is valid now"#
    );
    desk.issue("w/early", &["north.example"], |leaf| leaf.not_before = days(1));
    assert_eq!(
        one(&with("certificate = \"w/early.pem\"\nkey = \"w/early.key\"")),
        r#"causeway.toml:4:1: error: certificate = "w/early.pem": is not valid before DATE; allowed: a certificate that is valid now"#
    );
    desk.issue("w/server", &["north.example"], |leaf| leaf.client = false);
    assert_eq!(
        one(&with("certificate = \"w/server.pem\"\nkey = \"w/server.key\"")),
        r#"causeway.toml:4:1: warning: certificate = "w/server.pem": has no clientAuth purpose: most peers refuse it when this node calls them; allowed: serverAuth and clientAuth"#
    );
    assert_eq!(
        one(&with("certificate = \"w/none.pem\"")),
        r#"causeway.toml:4:1: error: certificate = "w/none.pem": cannot be read: No such file or directory (os error 2); allowed: a PEM file with the certificate chain, leaf first"#
    );
    desk.write("w/text", "hello");
    assert_eq!(
        one(&with("key = \"w/text\"")),
        r#"causeway.toml:4:1: error: key = "w/text": holds no private key; allowed: a PEM file with the private key of the certificate"#
    );
    assert_eq!(
        one(&with("trust = [\"certs/ca.pem\", \"w/text\"]")),
        r#"causeway.toml:4:26: error: trust = "w/text": holds no certificate; allowed: a PEM file with CA certificates"#
    );
    // SRVName instead of dNSName.
    desk.issue("w/srv", &["north.example"], |leaf| leaf.srv_names = true);
    desk.good(&with("certificate = \"w/srv.pem\"\nkey = \"w/srv.key\""));
}

#[test]
fn each_domain_has_its_identity_and_a_node_without_peers_needs_none() {
    let desk = Desk::new("identities");
    desk.issue("certs/east", &["east.example"], |_| {});
    let settings = desk.good(
        r#"[node]
domains = ["north.example", "east.example"]
[[ssp.identity]]
domain = "east.example"
certificate = "certs/east.pem"
key = "certs/east.key"
"#,
    );
    let files: Vec<_> = settings.ssp.identities.iter().map(|one| one.files.certificate.clone()).collect();
    assert_eq!(files, [desk.path("certs/node.pem"), desk.path("certs/east.pem")]);

    fs::remove_dir_all(desk.path("certs")).unwrap();
    let settings = desk.good(&format!("{MINIMAL}[ssp]\nlisten = []\n"));
    assert!(settings.ssp.identities.is_empty() && !settings.federates());
}

#[test]
fn each_listener_has_its_own_address_and_any_may_take_a_free_port() {
    let desk = Desk::new("listeners");
    let text = |ssp: &str, csp: &str, tls: &str| {
        format!(
            "{MINIMAL}[ssp]\nlisten = [\"{ssp}\"]\n[csp]\nlisten = [\"{csp}\"]\ntls-listen = [\"{tls}\", \"{tls}\"]\n"
        )
    };
    let settings = desk.good(&text("127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"));
    assert_eq!(settings.csp.tls_listen.len(), 2);
    assert_eq!(
        desk.told(&text("127.0.0.1:9090", "127.0.0.1:9090", "[::1]:0")),
        [
            r#"causeway.toml:1:1: error: admin.listen = "127.0.0.1:9090" (default): is the address of another listener too; allowed: an address of its own, or port 0"#,
            r#"causeway.toml:6:11: error: listen = "127.0.0.1:9090": is the address of another listener too; allowed: an address of its own, or port 0"#,
        ]
    );
}

#[test]
fn somebody_must_vouch_for_each_peer() {
    let desk = Desk::new("vouch");
    desk.write("peers.toml", "\n[[peer]]\ndomain = \"south.example\"\nservices = [\"im\"]\n");
    assert_eq!(
        desk.told(&format!("{MINIMAL}[ssp]\ntrust = []\n")),
        [
            "peers.toml:2:1: error: [[peer]]: no CA and no key may vouch for south.example; allowed: trust, pins or dane = true here, or [ssp] trust"
        ]
    );
    desk.write("peers.toml", "\n[[peer]]\ndomain = \"south.example\"\n");
    let loaded = desk.load(MINIMAL);
    assert!(loaded.settings.is_some());
    assert_eq!(
        desk.told(MINIMAL),
        [
            r#"peers.toml:2:1: warning: [[peer]]: services of south.example are empty: nothing but link management may cross; allowed: services = ["im", …]"#
        ]
    );
}

#[test]
fn secure_dns_vouches_for_a_peer_where_there_is_secure_dns() {
    let desk = Desk::new("dane");
    let peers = "\n[[peer]]\ndomain = \"south.example\"\nservices = [\"im\"]\ndane = true\n";
    desk.write("peers.toml", peers);
    let settings = desk.good(&format!("{MINIMAL}[ssp]\ntrust = []\n"));
    assert!(settings.peers[0].agreement.dane);
    assert_eq!(
        desk.told(&format!("{MINIMAL}[dns]\ndnssec = \"off\"\n")),
        [
            r#"peers.toml:2:1: error: [[peer]]: dane = true rests on DNSSEC, which [dns] dnssec = "off" leaves out; allowed: dane = false here, or [dns] dnssec = "prefer" or "require""#
        ]
    );
    let pin = "pins = [\"sha256/AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=\"]\n";
    desk.write("peers.toml", format!("{peers}{pin}"));
    assert_eq!(
        desk.told(MINIMAL),
        [
            "peers.toml:2:1: warning: [[peer]]: dane = true has no effect: where pins are given, one of them must match; allowed: dane or pins"
        ]
    );
}

#[test]
fn secure_dns_vouches_for_guests_where_there_may_be_guests() {
    let desk = Desk::new("dane-guests");
    let ssp = |lines: &str| format!("{MINIMAL}[ssp]\n{lines}\n");
    // Nobody else has to
    let alone = desk.good(&ssp("federation = \"open\"\ndane = true\ntrust = []"));
    assert!(alone.ssp.dane && alone.ssp.trust.is_empty());
    assert_eq!(
        desk.told(&ssp("federation = \"open\"\ntrust = []")),
        [
            r#"causeway.toml:4:1: error: federation = "open": nobody may vouch for those who have no entry; allowed: CAs in [ssp] trust, dane = true, or closed"#
        ]
    );
    assert_eq!(
        desk.told(&ssp("dane = true")),
        [
            r#"causeway.toml:4:1: warning: dane = true: has no effect: federation is closed; allowed: federation = "open", or dane in [[peer]]"#
        ]
    );
    assert_eq!(
        desk.told(&format!("{}[dns]\ndnssec = \"off\"\n", ssp("federation = \"open\"\ndane = true"))),
        [
            r#"causeway.toml:5:1: error: dane = true: rests on DNSSEC, which [dns] dnssec = "off" leaves out; allowed: false, or [dns] dnssec = "prefer" or "require""#
        ]
    );
}

#[test]
fn validation_begins_with_the_keys_that_a_file_names() {
    let desk = Desk::new("anchors");
    let key = ZoneKey::new().unwrap().anchor();
    let text = format!("{MINIMAL}[dns]\ntrust-anchors = \"root.key\"\n");
    desk.write("root.key", &key);
    assert_eq!(desk.good(&text).discovery().trust_anchors.as_deref(), Some(key.as_str()));
    desk.good(&format!("{MINIMAL}[dns]\ntrust-anchors = \"\"\n"));
    for (wrong, why) in
        [("", "there is no key in it"), ("; nothing\n", "there is no key in it"), ("hello", "")]
    {
        desk.write("root.key", wrong);
        let [told] = &desk.told(&text)[..] else { panic!("one mistake") };
        let begin = format!(r#"causeway.toml:4:1: error: trust-anchors = "root.key": cannot be used: {why}"#);
        assert!(told.starts_with(&begin), "{told}");
    }
    // All else but keys has no place in it
    desk.write("root.key", ". IN A 127.0.0.1\n");
    assert_eq!(desk.told(&text).len(), 1);
}

#[test]
fn revocation_lists_must_be_fresh_unless_told_otherwise() {
    let desk = Desk::new("crls");
    let list = |next| desk.authority.revocation_list(&[], next).unwrap();
    desk.write("fresh.pem", list(days(3000)));
    desk.write("stale.pem", list(days(-1)));
    desk.good(&format!("{MINIMAL}[ssp]\ncrls = [\"fresh.pem\"]\n"));
    let stale = format!("{MINIMAL}[ssp]\ncrls = [\"stale.pem\"]\n");
    assert_eq!(
        desk.told(&stale),
        [
            r#"causeway.toml:4:9: error: crls = "stale.pem": the list of CN=Test CA should have been renewed by DATE; allowed: fresh lists, or crl-expiry = "ignore""#
        ]
    );
    let loaded = desk.load(&format!("{stale}crl-expiry = \"ignore\"\n"));
    assert!(loaded.settings.is_some() && loaded.findings.len() == 1);
    desk.write("text", "hello");
    assert_eq!(
        desk.told(&format!("{MINIMAL}[ssp]\ncrls = [\"text\"]\n")),
        [
            r#"causeway.toml:4:9: error: crls = "text": holds no revocation list; allowed: a file with revocation lists, PEM or DER"#
        ]
    );
}

#[test]
fn a_token_opens_the_admin_listener_to_others() {
    let desk = Desk::new("token");
    let text = format!("{MINIMAL}[admin]\nlisten = \"0.0.0.0:9090\"\ntoken-file = \"token\"\n");
    desk.write("token", "0123456789abcdef\n");
    let settings = desk.good(&text);
    assert_eq!(settings.admin.token.as_ref().unwrap().expose(), "0123456789abcdef");
    assert!(!format!("{settings:?}").contains("0123456789abcdef"));
    desk.write("token", "short\n");
    assert_eq!(
        desk.told(&text),
        [
            r#"causeway.toml:5:1: error: token-file = "token": holds no good token; allowed: a file with one word of at least 16 visible ASCII characters"#
        ]
    );
    desk.good(&format!("{MINIMAL}[admin]\ntoken-file = \"\"\n"));
}

#[test]
fn secrets_are_for_their_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let desk = Desk::new("secrets");
    Sealer::open(&desk.path("data/secret.key")).unwrap();
    desk.good(MINIMAL);
    fs::set_permissions(desk.path("certs/node.key"), fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(
        desk.told(MINIMAL),
        [
            r#"causeway.toml:1:1: warning: ssp.key = "certs/node.key" (default): others than its owner may read this secret; allowed: mode 0600"#
        ]
    );
    desk.write("data/secret.key", "short");
    assert!(
        desk.told(MINIMAL)[0]
            .contains("secret.key\" (default): has 5 octets or more; allowed: a file of 32 octets")
    );
}

#[test]
fn work_on_the_store_needs_neither_certificates_nor_peers() {
    let desk = Desk::new("store");
    fs::remove_dir_all(desk.path("certs")).unwrap();
    fs::remove_file(desk.path("peers.toml")).unwrap();
    desk.write("causeway.toml", MINIMAL);
    let loaded = load_for_store(&desk.path("causeway.toml"));
    assert_eq!(loaded.findings, []);
    assert_eq!(loaded.settings.unwrap().node.data, desk.path("data"));
    desk.write("causeway.toml", "[node]\n");
    assert!(load_for_store(&desk.path("causeway.toml")).settings.is_none());
}
