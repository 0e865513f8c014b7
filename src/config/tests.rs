//! Every kind of mistake, word for word; defaults; paths.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use super::settings::{Backend, CrlExpiry, Dnssec, Federation, LogFormat, Registration};
use super::*;
use crate::imps::agreement::{Endpoint, PeerState, Profile, Service};
use crate::net::pki::{Authority, LeafOptions};
use crate::store::seal::Sealer;

const DAY: i64 = 86_400;

/// The test's own moment: a CA is dated by the system's time.
fn now() -> DateTime {
    let since = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
    DateTime::from_unix(i64::try_from(since.as_secs()).unwrap())
}

/// So many days from now.
fn days(days: i64) -> DateTime {
    DateTime::from_unix(now().unix() + days * DAY)
}

/// A folder with a configuration, removed at the end.
struct Desk {
    folder: PathBuf,
    authority: Authority,
}

impl Desk {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("causeway-config-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        let desk = Self { folder, authority: Authority::new("Test CA").unwrap() };
        desk.write("certs/ca.pem", desk.authority.certificate_pem());
        desk.issue("certs/node", &["north.example"], |_| {});
        desk.write("peers.toml", "");
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }

    fn issue(&self, name: &str, names: &[&str], change: impl FnOnce(&mut LeafOptions)) {
        let names: Vec<Domain> = names.iter().map(|name| name.parse().unwrap()).collect();
        let mut options = LeafOptions::at(now());
        change(&mut options);
        let issued = self.authority.issue(&names, &options).unwrap();
        self.write(&format!("{name}.pem"), &issued.certificate_pem);
        self.write(&format!("{name}.key"), issued.key_pem.as_bytes());
    }

    fn load(&self, text: &str) -> Loaded<Settings> {
        self.write("causeway.toml", text);
        load(&self.path("causeway.toml"), now())
    }

    /// What is found, with the folder taken out and points in time as DATE.
    fn told(&self, text: &str) -> Vec<String> {
        let folder = format!("{}/", self.folder.display());
        let plain = |word: &str| {
            let bare = word.trim_end_matches([',', ';']);
            let date = bare.len() == 20 && bare.ends_with('Z') && bare.as_bytes()[10] == b'T';
            if date { word.replace(bare, "DATE") } else { word.to_owned() }
        };
        let line = |found: &Finding| {
            let line = found.to_string().replace(&folder, "");
            line.split(' ').map(plain).collect::<Vec<_>>().join(" ")
        };
        self.load(text).findings.iter().map(line).collect()
    }

    fn good(&self, text: &str) -> Settings {
        let mut loaded = self.load(text);
        // Examples with dates stay good examples when these are over.
        loaded.findings.retain(|found| !found.text.contains("the entry counts as closed"));
        assert_eq!(loaded.findings, [], "{:#?}", self.told(text));
        loaded.settings.unwrap()
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

const MINIMAL: &str = "[node]\ndomains = [\"north.example\"]\n";

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
    let page = include_str!("../../docs/reference/configuration.md");
    let [node, peers, transit] = <[String; 3]>::try_from(blocks(page)).unwrap();
    let desk = Desk::new("reference");
    let minimal = desk.good(MINIMAL);
    let shown = desk.good(&node);
    assert_eq!(format!("{shown:?}"), format!("{minimal:?}"), "the page shows another default");
    for key in [
        "domains",
        "data",
        "secret-key",
        "listen",
        "certificate",
        "key",
        "trust",
        "crls",
        "crl-expiry",
        "http2",
        "peers",
        "federation",
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
        "backend",
        "hold-message-seconds",
        "hold-query-seconds",
        "peer-gone-seconds",
        "presence-pause-seconds",
        "cut-through-milliseconds",
        "queue-bytes-per-peer",
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
    desk.write("peers.toml", include_str!("../../peers.toml"));
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

#[test]
fn all_mistakes_are_told_at_once_each_with_its_place() {
    let desk = Desk::new("mistakes");
    desk.write(
        "peers.toml",
        r#"[[peer]]
domain = "south.example"
delegates = []
services = ["im", "chat"]
max-document-bytes = 12
valid-until = 2020-01-01
pins = ["sha256/AAAA"]

[[peer]]
endpoints = ["http://x/"]
services = []
messages-per-second = -1
valid-from = 2027-01-01
valid-until = 2026-01-01

[[peer]]
domain = "SOUTH.example"
services = ["im"]

[[peer]]
domain = "north.example"
services = ["im"]
valid-from = "2026-01-01"
sate = "active"

[[transit]]
from = "south.example"
"#,
    );
    let told = desk.told(
        r#"[node]
domains = ["north.example", "bad domain", "north.example", 7]
dta = "x"

[ssp]
listen = ["0.0.0.0:5222", "localhost:1"]
federation = "open"
crl-expiry = 1
  [[ssp.identity]]
  domain = "west.example"
  certificate = "w.pem"

[csp]
listen = "0.0.0.0:8080"
max-document-bytes = 12
path = "ws"
certificate = "x"
registration = "opne"

[csp.cir]
udp = "yes"
advertise = "imps.north.example:80"

[admin]
listen = "0.0.0.0:9090"

[dns]
servers = ["127.0.0.1:5300", "127.0.0.1", "x", "127.0.0.1:0"]
dnssec = "on"

[store]
backend = "postgres"

[limits]
hold-message-seconds = 99999999999999999999999
hold-query-seconds = 61
queue-bytes-per-peer = 1.5

[log]
level = "inof"
format = true

[wat]
x = 1
"#,
    );
    assert_eq!(
        told,
        [
            r#"causeway.toml:2:29: error: domains = "bad domain": character ' ' is not allowed in a domain; allowed: a domain, such as "north.example""#,
            r#"causeway.toml:2:43: error: domains = "north.example": stands twice in the list; allowed: each once"#,
            r#"causeway.toml:2:60: error: domains = 7: a whole number where a text belongs; allowed: a domain, such as "north.example""#,
            r#"causeway.toml:3:1: error: dta = "x": unknown key; did you mean data?; allowed: domains, data, secret-key"#,
            r#"causeway.toml:6:27: error: listen = "localhost:1": is no socket address; allowed: ADDRESS:PORT, such as "0.0.0.0:5222" or "[::]:5222"; port 0 takes a free one"#,
            r#"causeway.toml:7:1: error: federation = "open": known, but not served by this version yet; allowed: closed"#,
            r#"causeway.toml:8:1: error: crl-expiry = 1: a whole number where a text belongs; allowed: error, ignore"#,
            r#"causeway.toml:9:3: error: ssp.identity.key: is missing; allowed: a path, absolute or relative to this file"#,
            r#"causeway.toml:10:3: error: domain = "west.example": is not served here; allowed: one of node.domains"#,
            r#"causeway.toml:14:1: error: listen = "0.0.0.0:8080": a text where a list belongs; allowed: a list of ADDRESS:PORT, such as "0.0.0.0:5222" or "[::]:5222"; port 0 takes a free one"#,
            r#"causeway.toml:15:1: error: max-document-bytes = 12: too small; allowed: 4096..=16777216"#,
            r#"causeway.toml:16:1: error: path = "ws": is no path of a URL; allowed: "*" for any path, or one that begins with /"#,
            r#"causeway.toml:17:1: error: certificate = "x": stands alone; allowed: certificate and key together, or neither to use those of [ssp]"#,
            r#"causeway.toml:18:1: error: registration = "opne": is not one of the known words; allowed: closed, open"#,
            r#"causeway.toml:21:1: error: udp = "yes": a text where a truth value belongs; allowed: true, false"#,
            r#"causeway.toml:22:1: error: advertise = "imps.north.example:80": is no host name and no address; allowed: a host name or an IP address, without port; "" for the one that clients connected to"#,
            r#"causeway.toml:25:1: error: listen = "0.0.0.0:9090": reachable from elsewhere without a token; allowed: a loopback address, or any with token-file"#,
            r#"causeway.toml:28:43: error: servers = "x": is no socket address; allowed: ADDRESS:PORT, such as "127.0.0.1:53" or "[::1]:53""#,
            r#"causeway.toml:28:48: error: servers = "127.0.0.1:0": port 0 cannot be asked; allowed: ADDRESS:PORT, such as "127.0.0.1:53" or "[::1]:53""#,
            r#"causeway.toml:29:1: error: dnssec = "on": is not one of the known words; allowed: require, prefer, off"#,
            r#"causeway.toml:32:1: error: backend = "postgres": known, but not served by this version yet; allowed: sqlite"#,
            r#"causeway.toml:35:1: error: hold-message-seconds = 99999999999999999999999: too large; allowed: 0..=60"#,
            r#"causeway.toml:36:1: error: hold-query-seconds = 61: too large; allowed: 0..=60"#,
            r#"causeway.toml:37:1: error: queue-bytes-per-peer = 1.5: a number with a fraction where a whole number belongs; allowed: 4096..=1099511627776"#,
            r#"causeway.toml:40:1: error: level = "inof": "inof" is no level; allowed: off, error, warn, info, debug, trace, or directives such as info,causeway::net=debug"#,
            r#"causeway.toml:41:1: error: format = true: a truth value where a text belongs; allowed: text, json"#,
            r#"causeway.toml:43:1: error: [wat]: unknown key; allowed: node, ssp, csp, content, admin, dns, store, limits, log"#,
            r#"peers.toml:4:19: error: services = "chat": is not one of the known words; allowed: presence, im, group, content, search"#,
            r#"peers.toml:5:1: error: max-document-bytes = 12: too small; allowed: 4096..=16777216"#,
            r#"peers.toml:6:1: warning: valid-until = 2020-01-01: is over: the entry counts as closed; allowed: a date to come"#,
            r#"peers.toml:7:9: error: pins = "sha256/AAAA": is no pin; allowed: sha256/ and the BASE64 of the SHA-256 of the SubjectPublicKeyInfo (`causeway cert show` prints it)"#,
            r#"peers.toml:9:1: error: peer.domain: is missing; allowed: a domain, such as "south.example""#,
            r#"peers.toml:10:14: error: endpoints = "http://x/": does not begin with https://; allowed: https://HOST:PORT/"#,
            r#"peers.toml:12:1: error: messages-per-second = -1: too small; allowed: 0..=1000000"#,
            r#"peers.toml:14:1: error: valid-until = 2026-01-01: lies before valid-from; allowed: a later date"#,
            r#"peers.toml:17:1: error: domain = "SOUTH.example": has two entries; allowed: one [[peer]] a domain"#,
            r#"peers.toml:21:1: error: domain = "north.example": is served here (node.domains); allowed: the domain of another provider"#,
            r#"peers.toml:23:1: error: valid-from = "2026-01-01": a text where a date belongs; allowed: a date such as 2027-12-31, without quotes"#,
            r#"peers.toml:24:1: error: sate = "active": unknown key; did you mean state?; allowed: domain, endpoints, trust, pins, accept-server-eku, names, services, delegates, hosts, hosts-as, carries, profile, state, max-transactions-per-post, messages-per-second, user-messages-per-minute, max-subscriptions, max-document-bytes, valid-from, valid-until, contact, note"#,
            r#"peers.toml:26:1: error: transit.to: is missing; allowed: a domain, such as "south.example""#,
            r#"peers.toml:26:1: error: transit.via: is missing; allowed: the domain of a [[peer]]"#,
        ]
    );
}

#[test]
fn what_a_hub_carries_and_what_may_pass_through_is_read_and_checked() {
    let desk = Desk::new("transit");
    let peers = |south: &str, transit: &str| {
        desk.write(
            "peers.toml",
            format!(
                "[[peer]]\ndomain = \"south.example\"\nservices = [\"im\"]\n{south}\n\
                 [[peer]]\ndomain = \"east.example\"\nservices = [\"im\"]\n{transit}"
            ),
        );
    };
    let triple = |from: &str, to: &str, via: &str| {
        format!("[[transit]]\nfrom = \"{from}\"\nto = \"{to}\"\nvia = \"{via}\"\n")
    };
    peers("carries = [\"West.example\"]", &triple("east.example", "west.example", "south.example"));
    let settings = desk.good(MINIMAL);
    assert_eq!(settings.peers[0].agreement.carries, ["west.example".parse().unwrap()]);
    assert_eq!(settings.transits[0].to.as_str(), "west.example");
    peers(
        "carries = [\"south.example\", \"north.example\"]",
        &[
            triple("nowhere.example", "east.example", "south.example"),
            triple("east.example", "north.example", "south.example"),
            triple("east.example", "far.example", "east.example"),
            triple("south.example", "east.example", "east.example"),
            triple("south.example", "east.example", "east.example"),
        ]
        .concat(),
    );
    assert_eq!(
        desk.told(MINIMAL),
        [
            r#"peers.toml:4:12: error: carries = "south.example": is the peer itself; allowed: other domains that it speaks for"#,
            r#"peers.toml:4:29: error: carries = "north.example": is served here (node.domains); allowed: domains of other providers"#,
            r#"peers.toml:9:1: error: from = "nowhere.example": is no peer; allowed: the domain of a [[peer]]"#,
            r#"peers.toml:11:1: warning: via = "south.example": does not carry east.example: nothing can come back from there; allowed: the destination itself, or a peer with it in carries"#,
            r#"peers.toml:14:1: error: to = "north.example": is served here (node.domains); allowed: the domain of another provider"#,
            r#"peers.toml:19:1: error: via = "east.example": is where the traffic comes from; allowed: another peer"#,
            r#"peers.toml:26:1: error: to = "east.example": has another way from south.example already; allowed: one way for each pair"#,
        ]
    );
}

#[test]
fn a_missing_file_or_key_is_one_mistake() {
    let desk = Desk::new("missing");
    fs::remove_file(desk.path("peers.toml")).unwrap();
    let loaded = load(&desk.path("none.toml"), now());
    assert!(loaded.settings.is_none());
    let told: Vec<String> = loaded.findings.iter().map(|found| found.text.clone()).collect();
    assert_eq!(
        told,
        ["cannot be read: No such file or directory (os error 2); allowed: a TOML file, named by --config"]
    );
    assert_eq!(
        desk.told(""),
        [
            r#"causeway.toml:1:1: error: node.domains: is missing; allowed: a list of the domains served here, such as ["north.example"]"#,
            r#"causeway.toml:1:1: warning: ssp.peers = "peers.toml" (default): there is no such file: this node has no peers; allowed: a file of [[peer]] entries"#,
        ]
    );
    assert_eq!(
        desk.told("[node]\ndomains = []\n[ssp]\npeers = \"p.toml\"\n"),
        [
            r#"causeway.toml:1:1: error: node.domains: is missing; allowed: a list of the domains served here, such as ["north.example"]"#,
            r#"causeway.toml:4:1: error: peers = "p.toml": cannot be read: No such file or directory (os error 2); allowed: a file of [[peer]] entries"#,
        ]
    );
}

#[test]
fn a_mistake_of_syntax_is_told_with_what_stands_before_it() {
    let desk = Desk::new("syntax");
    let told = desk.told("[csp]\nmax-document-bytes = 12\n[node\ndomains = [7]\n");
    assert_eq!(told.len(), 2, "{told:#?}");
    assert!(told[0].starts_with("causeway.toml:2:1: error: max-document-bytes = 12: too small"), "{told:#?}");
    assert!(told[1].starts_with("causeway.toml:3:6: error: unclosed table"), "{told:#?}");
}

#[test]
fn links_to_content_begin_with_a_host() {
    let desk = Desk::new("content");
    let url = |url: &str| desk.good(&format!("{MINIMAL}[content]\nurl = \"{url}\"\n")).content.url;
    assert_eq!(url(""), None);
    assert_eq!(url("https://imps.north.example/").as_deref(), Some("https://imps.north.example"));
    assert_eq!(url("http://[::1]:8080").as_deref(), Some("http://[::1]:8080"));
    for wrong in ["imps.north.example", "https://", "https://north.example/path", "ftp://north.example"] {
        let told = desk.told(&format!("{MINIMAL}[content]\nurl = \"{wrong}\"\n"));
        assert_eq!(told.len(), 1, "{wrong}: {told:?}");
        assert!(told[0].contains("does not begin a URL"), "{told:?}");
    }
}

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
            "peers.toml:2:1: error: [[peer]]: no CA and no key may vouch for south.example; allowed: trust or pins here, or [ssp] trust"
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
