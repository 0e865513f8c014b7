//! Mistakes, word for word, each with its place.

use super::*;

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
federation = "ajar"
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
            r#"causeway.toml:3:1: error: dta = "x": unknown key; did you mean data?; allowed: domains, data, secret-key, sandbox"#,
            r#"causeway.toml:6:27: error: listen = "localhost:1": is no socket address; allowed: ADDRESS:PORT, such as "0.0.0.0:5222" or "[::]:5222"; port 0 takes a free one"#,
            r#"causeway.toml:7:1: error: federation = "ajar": is not one of the known words; allowed: closed, open"#,
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
            r#"peers.toml:24:1: error: sate = "active": unknown key; did you mean state?; allowed: domain, endpoints, trust, pins, accept-server-eku, dane, names, services, delegates, hosts, hosts-as, carries, profile, state, max-transactions-per-post, messages-per-second, user-messages-per-minute, max-subscriptions, max-document-bytes, valid-from, valid-until, contact, note"#,
            r#"peers.toml:26:1: error: transit.to: is missing; allowed: a domain, such as "south.example""#,
            r#"peers.toml:26:1: error: transit.via: is missing; allowed: the domain of a [[peer]]"#,
        ]
    );
}

#[test]
fn calls_by_sms_need_a_sender_and_a_number() {
    let desk = Desk::new("sms");
    let cir = |lines: &str| format!("{MINIMAL}[csp.cir]\n{lines}\n");
    assert_eq!(desk.good(&cir("sms-sender = \"\"\nsms-number = \"\"")).csp.cir.sms, None);
    let sms = desk
        .good(&cir("sms-sender = \"http://127.0.0.1:8091/sms\"\nsms-number = \"+46701234567\""))
        .csp
        .cir
        .sms
        .unwrap();
    assert_eq!((&*sms.number, sms.gateway), ("+46701234567", "http://127.0.0.1:8091/sms".parse().ok()));
    let told = |lines: &str| desk.told(&cir(lines));
    let sender = r#"allowed: "" for none, "log" for trials, or http://HOST:PORT/PATH of a gateway that takes them by POST"#;
    let log = told("sms-sender = \"log\"\nsms-number = \"46701234567\"");
    let warned = r#"causeway.toml:4:1: warning: sms-sender = "log": clients rely on being called by SMS, and none is sent"#;
    assert_eq!(log, [format!("{warned}; {sender}")]);
    let https = told("sms-sender = \"https://sms.north.example/\"\nsms-number = \"+46701234567\"");
    let wrong =
        r#"causeway.toml:4:1: error: sms-sender = "https://sms.north.example/": does not begin with http://"#;
    assert_eq!(https, [format!("{wrong}; {sender}")]);
    let alone = r#"causeway.toml:4:1: error: sms-number = "+46701234567": stands alone; allowed: sms-sender and sms-number together, or neither"#;
    assert_eq!(told("sms-number = \"+46701234567\""), [alone]);
    let number = r#"causeway.toml:4:1: error: sms-number = "Ada": is no telephone number; allowed: "", or the number that clients greet, such as "+46701234567""#;
    assert_eq!(told("sms-number = \"Ada\"\nsms-sender = \"log\""), [number]);
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
