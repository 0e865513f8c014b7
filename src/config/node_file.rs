//! `causeway.toml`: every key, its range and its default (architecture §4).

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use super::section::Section;
use super::settings::{
    Backend, Cir, Content, CrlExpiry, Dns, Dnssec, Federation, Limits, Log, LogFormat, Registration, Sms,
    Store,
};
use super::source::{Placed, Source};
use crate::element::content::{ITEM_OCTETS_MAX, Quota};
use crate::imps::Domain;
use crate::net::cir::GatewayUrl;
use crate::ops::logging;
use crate::session::csp::cir::agree::number;

/// What `causeway.toml` says, before the files that it names are looked at.
pub(super) struct NodeFile {
    pub(super) domains: Vec<Placed<Domain>>,
    pub(super) data: Placed<PathBuf>,
    pub(super) secret_key: Placed<PathBuf>,
    pub(super) sandbox: bool,
    pub(super) ssp_listen: Vec<SocketAddr>,
    pub(super) ssp_pair: PlacedPair,
    pub(super) identities: BTreeMap<Domain, PlacedPair>,
    pub(super) trust: Vec<Placed<PathBuf>>,
    pub(super) crls: Vec<Placed<PathBuf>>,
    pub(super) crl_expiry: CrlExpiry,
    pub(super) http2: bool,
    pub(super) peers: Placed<PathBuf>,
    pub(super) federation: Federation,
    pub(super) dane: bool,
    pub(super) csp_listen: Vec<SocketAddr>,
    pub(super) csp_tls_listen: Vec<SocketAddr>,
    pub(super) csp_pair: Option<PlacedPair>,
    pub(super) csp_path: Option<String>,
    pub(super) registration: Registration,
    pub(super) csp_document_bytes_max: usize,
    pub(super) session_requests_per_second: u32,
    pub(super) source_requests_per_second: u32,
    pub(super) source_connections: usize,
    pub(super) content: Content,
    pub(super) cir: Cir,
    pub(super) admin_listen: Placed<SocketAddr>,
    pub(super) token_file: Option<Placed<PathBuf>>,
    pub(super) dns: Dns,
    pub(super) trust_anchors: Option<Placed<PathBuf>>,
    pub(super) store: Store,
    pub(super) limits: Limits,
    pub(super) log: Log,
}

/// A certificate and its key, as written.
#[derive(Clone)]
pub(super) struct PlacedPair {
    pub(super) certificate: Placed<PathBuf>,
    pub(super) key: Placed<PathBuf>,
}

/// A document must hold at least an envelope, and never needs a machine's whole memory.
pub(super) const DOCUMENT_BYTES: std::ops::RangeInclusive<u64> = 4096..=16_777_216;
const CSP_DOCUMENT_BYTES: u64 = 1_048_576;
/// Above it nobody would notice that there is a limit.
const PER_SECOND: std::ops::RangeInclusive<u64> = 0..=100_000;
/// A phone asks once in some seconds, a program that migrates or sends for many as fast as it is answered: this is
/// for who asks without waiting for answers.
const SESSION_REQUESTS: u64 = 2000;
/// Behind one address there may be a whole network of phones, which all log in at once when it comes back.
const SOURCE_REQUESTS: u64 = 2000;
/// The listener has room for 65536 of all sources.
const CONNECTIONS: std::ops::RangeInclusive<u64> = 0..=65_536;
const SOURCE_CONNECTIONS: u64 = 16_384;
/// Proxies and phones give up on a silent connection after about a minute.
const HOLD_SECONDS: std::ops::RangeInclusive<u64> = 0..=60;
const HOLD_MESSAGE_SECONDS: u64 = 5;
const CUT_THROUGH_MILLISECONDS: std::ops::RangeInclusive<u64> = 0..=10_000;
const CUT_THROUGH: u64 = 250;
const HOLD_QUERY_SECONDS: u64 = 20;
const PEER_GONE: std::ops::RangeInclusive<u64> = 1..=86_400;
const PEER_GONE_SECONDS: u64 = 300;
const PRESENCE_PAUSE: std::ops::RangeInclusive<u64> = 0..=60;
const PRESENCE_PAUSE_SECONDS: u64 = 2;
const QUEUE_BYTES: std::ops::RangeInclusive<u64> = 4096..=1_099_511_627_776;
const QUEUE_BYTES_PER_PEER: u64 = 1_073_741_824;
const QUEUE_BYTES_PER_USER: u64 = 67_108_864;

/// An item is held in memory while it comes and goes.
const ITEM_BYTES: std::ops::RangeInclusive<u64> = 1024..=ITEM_OCTETS_MAX;
const ITEM_BYTES_MAX: u64 = 4_194_304;
const QUOTA_BYTES: std::ops::RangeInclusive<u64> = 0..=1_099_511_627_776;
const QUOTA_BYTES_MAX: u64 = 104_857_600;
const QUOTA_ITEMS: std::ops::RangeInclusive<u64> = 0..=10_000;
const QUOTA_ITEMS_MAX: u64 = 1000;
const DAYS: std::ops::RangeInclusive<u64> = 1..=3650;
const DAYS_MAX: u64 = 30;
const CONTENT_URL: &str = "\"\", or http(s)://HOST without a path, such as \"https://imps.north.example\"";

const DOMAIN: &str = "a domain, such as \"north.example\"";
const ADVERTISE: &str =
    "a host name or an IP address, without port; \"\" for the one that clients connected to";
const SMS_SENDER: &str =
    "\"\" for none, \"log\" for trials, or http://HOST:PORT/PATH of a gateway that takes them by POST";
const SMS_NUMBER: &str = "\"\", or the number that clients greet, such as \"+46701234567\"";
/// Where a client connects that is told no port (reference csp.md §3.1).
const CIR_PORT: u16 = 3171;
/// Longest host name of DNS.
const HOST_OCTETS_MAX: usize = 253;
const CSP_PATH: &str = "\"*\" for any path, or one that begins with /";

/// Reads the file. Mistakes are noted in it.
pub(super) fn read(source: &Rc<Source>) -> NodeFile {
    let mut file = Section::file(source);
    let [mut node, mut ssp, mut csp] = ["node", "ssp", "csp"].map(|name| file.section(name));
    let [mut content, mut admin, mut dns, mut store] =
        ["content", "admin", "dns", "store"].map(|name| file.section(name));
    let [mut limits, mut log] = ["limits", "log"].map(|name| file.section(name));
    file.finish();

    let domains = own_domains(&mut node);
    let data = node.path("data", "data");
    let secret_key = {
        let default = data.value.join("secret.key");
        let shown = default.display().to_string();
        node.path_or("secret-key", default, &shown)
    };
    let sandbox = node.truth("sandbox", true);
    node.finish();

    let ssp_listen = ssp.listeners("listen", &[any_address(5222)]);
    let ssp_pair = PlacedPair {
        certificate: ssp.path("certificate", "certs/node.pem"),
        key: ssp.path("key", "certs/node.key"),
    };
    let identities = own_identities(&mut ssp, &domains);
    let trust = ssp.paths("trust", &["certs/ca.pem"]);
    let crls = ssp.paths("crls", &[]);
    let crl_expiry = ssp.word("crl-expiry", CrlExpiry::ALL, CrlExpiry::as_str, CrlExpiry::Error);
    let http2 = ssp.truth("http2", true);
    let peers = ssp.path("peers", "peers.toml");
    let federation = ssp.placed_word("federation", Federation::ALL, Federation::as_str);
    let dane = ssp.placed_truth("dane").filter(|found| found.value);
    if let Some(open) = federation
        .as_ref()
        .filter(|found| found.value == Federation::Open && trust.is_empty() && dane.is_none())
    {
        open.place.error(
            "nobody may vouch for those who have no entry",
            "CAs in [ssp] trust, dane = true, or closed",
        );
    }
    let federation = federation.map_or(Federation::Closed, |found| found.value);
    ssp.finish();

    let csp_listen = csp.listeners("listen", &[any_address(8080)]);
    let csp_tls_listen = csp.listeners("tls-listen", &[]);
    let csp_pair = match (csp.optional_path("certificate"), csp.optional_path("key")) {
        (Some(certificate), Some(key)) => Some(PlacedPair { certificate, key }),
        (None, None) => None,
        (Some(alone), None) | (None, Some(alone)) => {
            alone
                .place
                .error("stands alone", "certificate and key together, or neither to use those of [ssp]");
            None
        }
    };
    let csp_path = csp
        .parsed("path", CSP_PATH, |text| match text {
            "*" => Ok(None),
            path if path.starts_with('/') && path.bytes().all(|b| b.is_ascii_graphic() && b != b'?') => {
                Ok(Some(path.to_owned()))
            }
            _ => Err("is no path of a URL"),
        })
        .and_then(|found| found.value);
    let registration =
        csp.word("registration", Registration::ALL, Registration::as_str, Registration::Closed);
    let csp_document_bytes_max = size(csp.number("max-document-bytes", DOCUMENT_BYTES, CSP_DOCUMENT_BYTES));
    let mut per_second =
        |key, default| u32::try_from(csp.number(key, PER_SECOND, default)).unwrap_or(u32::MAX);
    let session_requests_per_second = per_second("session-requests-per-second", SESSION_REQUESTS);
    let source_requests_per_second = per_second("source-requests-per-second", SOURCE_REQUESTS);
    let source_connections = size(csp.number("source-connections", CONNECTIONS, SOURCE_CONNECTIONS));
    let mut cir = csp.section("cir");
    let cir_listen = cir.listeners("tcp-listen", &[any_address(CIR_PORT)]);
    let cir_udp = cir.truth("udp", true);
    let advertise = cir.parsed("advertise", ADVERTISE, host).and_then(|found| found.value);
    let sms = sms(&mut cir);
    cir.finish();
    csp.finish();

    let content_settings = Content {
        max_item_bytes: size(content.number("max-item-bytes", ITEM_BYTES, ITEM_BYTES_MAX)),
        quota: Quota {
            octets: content.number("quota-bytes", QUOTA_BYTES, QUOTA_BYTES_MAX),
            items: content.number("quota-items", QUOTA_ITEMS, QUOTA_ITEMS_MAX),
        },
        retention: Duration::from_secs(content.number("retention-days", DAYS, DAYS_MAX) * 86_400),
        url: content.parsed("url", CONTENT_URL, content_url).and_then(|found| found.value),
    };
    content.finish();

    let admin_listen = admin.listener("listen", SocketAddr::from((Ipv4Addr::LOCALHOST, 9090)));
    let token_file = admin.path_unless_empty("token-file");
    admin.finish();
    if token_file.is_none() && !admin_listen.value.ip().is_loopback() {
        admin_listen
            .place
            .error("reachable from elsewhere without a token", "a loopback address, or any with token-file");
    }

    let operator = std::slice::from_ref(&admin_listen);
    each_once(&[&ssp_listen, &csp_listen, &csp_tls_listen, &cir_listen, operator]);

    let dns_settings = Dns {
        servers: dns.servers("servers", 53),
        dnssec: dns.word("dnssec", Dnssec::ALL, Dnssec::as_str, Dnssec::Prefer),
        trust_anchors: None,
    };
    let trust_anchors = dns.path_unless_empty("trust-anchors");
    dns.finish();
    if let Some(Placed { place, .. }) = &dane {
        if dns_settings.dnssec == Dnssec::Off {
            place.error(
                "rests on DNSSEC, which [dns] dnssec = \"off\" leaves out",
                "false, or [dns] dnssec = \"prefer\" or \"require\"",
            );
        }
        if federation == Federation::Closed {
            place
                .warning("has no effect: federation is closed", "federation = \"open\", or dane in [[peer]]");
        }
    }

    let backend = store.parsed("backend", "sqlite", |text| match text {
        "sqlite" => Ok(Backend::Sqlite),
        "postgres" | "postgresql" => Err("known, but not served by this version yet"),
        _ => Err("is not one of the known words"),
    });
    store.finish();

    let seconds = |found: u64| Duration::from_secs(found);
    let limits_settings = Limits {
        hold_message: seconds(limits.number("hold-message-seconds", HOLD_SECONDS, HOLD_MESSAGE_SECONDS)),
        hold_query: seconds(limits.number("hold-query-seconds", HOLD_SECONDS, HOLD_QUERY_SECONDS)),
        peer_gone: seconds(limits.number("peer-gone-seconds", PEER_GONE, PEER_GONE_SECONDS)),
        presence_pause: seconds(limits.number(
            "presence-pause-seconds",
            PRESENCE_PAUSE,
            PRESENCE_PAUSE_SECONDS,
        )),
        cut_through: Duration::from_millis(limits.number(
            "cut-through-milliseconds",
            CUT_THROUGH_MILLISECONDS,
            CUT_THROUGH,
        )),
        queue_bytes_per_peer: limits.number("queue-bytes-per-peer", QUEUE_BYTES, QUEUE_BYTES_PER_PEER),
        queue_bytes_per_user: limits.number("queue-bytes-per-user", QUEUE_BYTES, QUEUE_BYTES_PER_USER),
    };
    limits.finish();

    let log_settings = Log {
        format: log.word("format", LogFormat::ALL, LogFormat::as_str, LogFormat::Text),
        level: log
            .parsed("level", logging::LEVELS, |text| logging::check_level(text).map(|()| text.to_owned()))
            .map_or_else(|| "info".to_owned(), |found| found.value),
    };
    log.finish();

    NodeFile {
        domains,
        data,
        secret_key,
        sandbox,
        ssp_listen: values(ssp_listen),
        ssp_pair,
        identities,
        trust,
        crls,
        crl_expiry,
        http2,
        peers,
        federation,
        dane: dane.is_some(),
        csp_listen: values(csp_listen),
        csp_tls_listen: values(csp_tls_listen),
        csp_pair,
        csp_path,
        registration,
        csp_document_bytes_max,
        session_requests_per_second,
        source_requests_per_second,
        source_connections,
        content: content_settings,
        cir: Cir { tcp_listen: values(cir_listen), udp: cir_udp, advertise, sms },
        admin_listen,
        token_file,
        dns: dns_settings,
        trust_anchors,
        store: Store { backend: backend.map_or(Backend::Sqlite, |found| found.value) },
        limits: limits_settings,
        log: log_settings,
    }
}

/// Calls by SMS: a sender and a number, or neither.
fn sms(cir: &mut Section<'_>) -> Option<Sms> {
    let sender = cir.parsed("sms-sender", SMS_SENDER, |text| match text {
        "" => Ok(None),
        "log" => Ok(Some(None)),
        url => url.parse().map(|url: GatewayUrl| Some(Some(url))),
    });
    let number = cir.parsed("sms-number", SMS_NUMBER, |text| match text {
        "" => Ok(None),
        text => number(text).map(Some).ok_or("is no telephone number"),
    });
    let is_wrong = |found: bool, key| cir.was_written(key) && !found;
    if is_wrong(sender.is_some(), "sms-sender") || is_wrong(number.is_some(), "sms-number") {
        return None;
    }
    let (sender, number) = (sender.filter(|it| it.value.is_some()), number.filter(|it| it.value.is_some()));
    match (sender, number) {
        (Some(sender), Some(number)) => {
            let gateway = sender.value.flatten();
            if gateway.is_none() {
                sender.place.warning("clients rely on being called by SMS, and none is sent", SMS_SENDER);
            }
            number.value.map(|number| Sms { number, gateway })
        }
        (Some(alone), None) => {
            alone.place.error("stands alone", "sms-sender and sms-number together, or neither");
            None
        }
        (None, Some(alone)) => {
            alone.place.error("stands alone", "sms-sender and sms-number together, or neither");
            None
        }
        (None, None) => None,
    }
}

/// How URLs of content begin; an empty text says nothing.
fn content_url(text: &str) -> Result<Option<Box<str>>, &'static str> {
    let text = text.trim_end_matches('/');
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let plain = |host: &str| {
        !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.:[]_".contains(&b))
    };
    match host {
        _ if text.is_empty() => Ok(None),
        Some(host) if plain(host) => Ok(Some(text.into())),
        _ => Err("does not begin a URL"),
    }
}

fn own_domains(node: &mut Section<'_>) -> Vec<Placed<Domain>> {
    let allowed = "a list of the domains served here, such as [\"north.example\"]";
    if node.holds_empty_list("domains") || !node.was_written("domains") {
        node.missing("domains", allowed);
    }
    node.list("domains", DOMAIN, str::parse::<Domain>, |_| false).unwrap_or_default()
}

fn own_identities(ssp: &mut Section<'_>, own: &[Placed<Domain>]) -> BTreeMap<Domain, PlacedPair> {
    let mut identities = BTreeMap::new();
    for mut identity in ssp.sections("identity", "ssp.identity") {
        let domain = identity.parsed("domain", DOMAIN, str::parse::<Domain>);
        if domain.is_none() && !identity.was_written("domain") {
            identity.missing("domain", "one of node.domains");
        }
        let [certificate, key] = ["certificate", "key"].map(|file| {
            let found = identity.optional_path(file);
            if found.is_none() && !identity.was_written(file) {
                identity.missing(file, super::section::PATH);
            }
            found
        });
        identity.finish();
        let Some(domain) = domain else { continue };
        if !own.is_empty() && !own.iter().any(|other| other.value == domain.value) {
            domain.place.error("is not served here", "one of node.domains");
        }
        if let (Some(certificate), Some(key)) = (certificate, key)
            && identities.insert(domain.value, PlacedPair { certificate, key }).is_some()
        {
            domain.place.error("has two identities", "one [[ssp.identity]] a domain");
        }
    }
    identities
}

/// Two listeners cannot have one address, except that each may ask for a free port.
fn each_once(lists: &[&[Placed<SocketAddr>]]) {
    let mut taken: Vec<SocketAddr> = Vec::new();
    for listener in lists.iter().copied().flatten().filter(|listener| listener.value.port() != 0) {
        if taken.contains(&listener.value) {
            listener
                .place
                .error("is the address of another listener too", "an address of its own, or port 0");
        }
        taken.push(listener.value);
    }
}

/// A host name or an address as it stands in a URL, without brackets and port; empty: none.
fn host(text: &str) -> Result<Option<String>, &'static str> {
    let plain = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'.');
    match text {
        "" => Ok(None),
        host if host.len() <= HOST_OCTETS_MAX
            && (host.bytes().all(plain) || host.parse::<Ipv6Addr>().is_ok()) =>
        {
            Ok(Some(host.to_owned()))
        }
        _ => Err("is no host name and no address"),
    }
}

fn any_address(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::UNSPECIFIED, port))
}

fn values<T>(placed: Vec<Placed<T>>) -> Vec<T> {
    placed.into_iter().map(|item| item.value).collect()
}

/// A number of octets that was checked against a range far below any machine's word.
pub(super) fn size(octets: u64) -> usize {
    usize::try_from(octets).unwrap_or(usize::MAX)
}
