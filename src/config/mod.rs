//! Floor 7: configuration: `causeway.toml` and the `peers.toml` that it names.
//!
//! [`load`] reads both, looks at every file that they name, and gives either complete [`Settings`] or the
//! reasons why not: all of them at once, each with file, line, column, key, value and what is allowed.
//! `serve` and `check` print the same lines. Keys that this version does not serve yet are mistakes too
//! (decisions.md 33), so that nobody believes in a setting that does nothing.
//!
//! * `source`: a file as written, places in it, findings
//! * `section`: reading one table key by key
//! * `node_file`, `peers_file`: the keys of the two files, their ranges and defaults
//! * `material`: looking at certificates, keys, revocation lists, the token
//! * [`settings`]: the result

mod material;
mod node_file;
mod peers_file;
mod section;
pub mod settings;
mod source;

use std::path::Path;
use std::rc::Rc;

pub use settings::Settings;
pub use source::{Finding, Severity, Warner};

use self::material::{Inspector, Use};
use self::node_file::{NodeFile, PlacedPair};
use self::peers_file::{PeerEntry, PeersFile};
use self::source::Source;
use crate::imps::agreement::KeyHash;
use crate::imps::{DateTime, Domain};

/// What came of reading the configuration.
#[derive(Clone, Debug)]
pub struct Loaded<T> {
    /// The settings; `None` if and only if an error is among the findings.
    pub settings: Option<T>,
    /// Mistakes and warnings, file by file, in the order of their lines.
    pub findings: Vec<Finding>,
}

impl<T> Loaded<T> {
    fn new(settings: T, findings: Vec<Finding>) -> Self {
        let failed = findings.iter().any(|finding| finding.severity == Severity::Error);
        Self { settings: (!failed).then_some(settings), findings }
    }
}

/// Reads the configuration at this moment, which dates are compared with.
pub fn load(file: &Path, now: DateTime) -> Loaded<Settings> {
    let source = open(file);
    let node = node_file::read(&source);
    let own: Vec<Domain> = node.domains.iter().map(|domain| domain.value.clone()).collect();
    let found_by_dns = |entries: &[PeerEntry]| {
        let own = node.domains.iter().filter(|_| !node.ssp_listen.is_empty());
        let own = own.map(|domain| (domain.value.clone(), domain.place.later()));
        let peers = entries.iter().filter(|entry| entry.agreement.endpoints.is_empty());
        own.chain(peers.map(|entry| (entry.agreement.domain.clone(), entry.domain.later()))).collect()
    };
    let peers_source = open_peers(&node);
    let peers =
        peers_source.as_ref().map_or_else(PeersFile::default, |peers| peers_file::read(peers, &own, now));
    let found_by_dns = found_by_dns(&peers.entries);
    let settings = Settings { found_by_dns, ..complete(file, node, own, peers, &Inspector::new(now)) };
    let mut findings = source.take_findings();
    findings.extend(peers_source.iter().flat_map(|peers| peers.take_findings()));
    Loaded::new(settings, findings)
}

/// What the verbs that work on the store alone need.
#[derive(Clone, Debug)]
pub struct StoreSettings {
    /// `[node]`.
    pub node: settings::Node,
    /// `[store]`.
    pub store: settings::Store,
    /// `[limits]`.
    pub limits: settings::Limits,
}

/// Reads `causeway.toml` for work on the store: certificates and peers need not be there yet.
pub fn load_for_store(file: &Path) -> Loaded<StoreSettings> {
    let source = open(file);
    let node = node_file::read(&source);
    material::data(&node.data, &node.secret_key);
    let settings = StoreSettings {
        node: settings::Node {
            domains: node.domains.into_iter().map(|domain| domain.value).collect(),
            data: node.data.value,
            secret_key: node.secret_key.value,
            sandbox: node.sandbox,
        },
        store: node.store,
        limits: node.limits,
    };
    Loaded::new(settings, source.take_findings())
}

/// What the verbs that ask a running node need.
#[derive(Clone, Debug)]
pub struct AdminSettings {
    /// Where it listens; port 0: see the file of addresses in [`Self::data`].
    pub admin: settings::Admin,
    /// The data folder.
    pub data: std::path::PathBuf,
}

/// Reads `causeway.toml` for questions to the running node: all else need not be right meanwhile.
pub fn load_for_admin(file: &Path) -> Loaded<AdminSettings> {
    let source = open(file);
    let node = node_file::read(&source);
    let token = node.token_file.as_ref().and_then(material::token);
    let settings = AdminSettings {
        admin: settings::Admin {
            listen: node.admin_listen.value,
            token,
            token_file: node.token_file.map(|file| file.value),
        },
        data: node.data.value,
    };
    Loaded::new(settings, source.take_findings())
}

/// The file, or an empty one and the reason why it could not be read.
fn open(path: &Path) -> Rc<Source> {
    match read_text(path) {
        Ok(text) => Source::new(path, text),
        Err(cause) => {
            let source = Source::new(path, String::new());
            source.broken(0, format!("cannot be read: {cause}; allowed: a TOML file, named by --config"));
            source
        }
    }
}

/// `peers.toml`. By default it need not exist: then the node has no peers.
fn open_peers(node: &NodeFile) -> Option<Rc<Source>> {
    let place = &node.peers.place;
    match read_text(&node.peers.value) {
        Ok(text) => Some(Source::new(&node.peers.value, text)),
        Err(cause) if !place.written && cause.kind() == std::io::ErrorKind::NotFound => {
            place.warning("there is no such file: this node has no peers", "a file of [[peer]] entries");
            None
        }
        Err(cause) => {
            place.error(format_args!("cannot be read: {cause}"), "a file of [[peer]] entries");
            None
        }
    }
}

fn read_text(path: &Path) -> std::io::Result<String> {
    String::from_utf8(material::read_bounded(path)?).map_err(|_| std::io::Error::other("is not UTF-8"))
}

/// Looks at the files that were named, and puts everything into its final form.
fn complete(
    file: &Path,
    node: NodeFile,
    own: Vec<Domain>,
    peers: PeersFile,
    inspector: &Inspector,
) -> Settings {
    let PeersFile { entries, transits } = peers;
    material::data(&node.data, &node.secret_key);
    let open = node.federation == settings::Federation::Open;
    let federates = open || !node.ssp_listen.is_empty() || !entries.is_empty();
    let shown_to_clients = !node.csp_tls_listen.is_empty() && node.csp_pair.is_none();
    let identities =
        if federates || shown_to_clients { identities(&node, &own, inspector) } else { Vec::new() };
    let csp_tls = node.csp_pair.as_ref().map(|pair| inspector.pair(pair, &[], Use::Clients));
    let mut certificates_end: Vec<(String, DateTime)> = Vec::new();
    for (identity, ends) in &identities {
        certificates_end.extend(ends.map(|ends| (identity.domain.to_string(), ends)));
    }
    certificates_end.extend(csp_tls.iter().filter_map(|(_, ends)| ends.map(|ends| ("csp".to_owned(), ends))));
    for list in &node.crls {
        inspector.crls(list, node.crl_expiry);
    }
    let token = node.token_file.as_ref().and_then(material::token);
    let trust_anchors = node.trust_anchors.as_ref().and_then(material::trust_anchors);

    // The default need not be there if every peer brings its own CA or pins, or secure DNS vouches for it.
    let alone = |entry: &PeerEntry| {
        entry.trust.is_empty() && entry.agreement.pins.is_empty() && !entry.agreement.dane
    };
    let leaning = open && !node.dane || entries.iter().any(alone);
    let (mut trust, mut trust_keys) = (Vec::new(), Vec::<KeyHash>::new());
    for file in &node.trust {
        if file.place.written || leaning || file.value.exists() {
            trust_keys.extend(inspector.trust(file));
            trust.push(file.value.clone());
        }
    }
    let peers = entries
        .into_iter()
        .map(|entry| {
            let mut agreement = entry.agreement;
            if entry.trust.is_empty() && agreement.pins.is_empty() && !agreement.dane && node.trust.is_empty()
            {
                let peer = &agreement.domain;
                entry.place.error(
                    format_args!("no CA and no key may vouch for {peer}"),
                    "trust, pins or dane = true here, or [ssp] trust",
                );
            }
            if agreement.dane && node.dns.dnssec == settings::Dnssec::Off {
                entry.place.error(
                    "dane = true rests on DNSSEC, which [dns] dnssec = \"off\" leaves out",
                    "dane = false here, or [dns] dnssec = \"prefer\" or \"require\"",
                );
            }
            if agreement.dane && !agreement.pins.is_empty() {
                entry.place.warning(
                    "dane = true has no effect: where pins are given, one of them must match",
                    "dane or pins",
                );
            }
            if agreement.services.is_empty() {
                let peer = &agreement.domain;
                entry.place.warning(
                    format_args!("services of {peer} are empty: nothing but link management may cross"),
                    "services = [\"im\", …]",
                );
            }
            agreement.trust = entry.trust.iter().flat_map(|file| inspector.trust(file)).collect();
            settings::Peer {
                agreement,
                trust: entry.trust.into_iter().map(|file| file.value).collect(),
                place: entry.domain.later(),
            }
        })
        .collect();
    Settings {
        file: file.to_owned(),
        node: settings::Node {
            domains: own,
            data: node.data.value,
            secret_key: node.secret_key.value,
            sandbox: node.sandbox,
        },
        ssp: settings::Ssp {
            listen: node.ssp_listen,
            identities: identities.into_iter().map(|(identity, _)| identity).collect(),
            trust,
            trust_keys,
            crls: node.crls.into_iter().map(|file| file.value).collect(),
            crl_expiry: node.crl_expiry,
            http2: node.http2,
            peers_file: node.peers.value,
            federation: node.federation,
            dane: node.dane,
        },
        csp: settings::Csp {
            listen: node.csp_listen,
            tls_listen: node.csp_tls_listen,
            tls: csp_tls.map(|(pair, _)| pair),
            path: node.csp_path,
            registration: node.registration,
            max_document_bytes: node.csp_document_bytes_max,
            session_requests_per_second: node.session_requests_per_second,
            source_requests_per_second: node.source_requests_per_second,
            source_connections: node.source_connections,
            cir: node.cir,
        },
        content: node.content,
        admin: settings::Admin {
            listen: node.admin_listen.value,
            token,
            token_file: node.token_file.map(|file| file.value),
        },
        dns: settings::Dns { trust_anchors, ..node.dns },
        store: node.store,
        limits: node.limits,
        log: node.log,
        peers,
        transits,
        certificates_end,
        found_by_dns: Vec::new(),
    }
}

/// Certificate and key of every own domain, and when the certificate ends; one pair may stand for several.
fn identities(
    node: &NodeFile,
    own: &[Domain],
    inspector: &Inspector,
) -> Vec<(settings::Identity, Option<DateTime>)> {
    let shared: Vec<&Domain> = own.iter().filter(|domain| !node.identities.contains_key(*domain)).collect();
    let checked = |pair: &PlacedPair, domains: &[&Domain]| inspector.pair(pair, domains, Use::Peers);
    let common = (!shared.is_empty()).then(|| checked(&node.ssp_pair, &shared));
    own.iter()
        .filter_map(|domain| {
            let (files, ends) = match node.identities.get(domain) {
                Some(pair) => checked(pair, &[domain]),
                None => common.clone()?,
            };
            Some((settings::Identity { domain: domain.clone(), files }, ends))
        })
        .collect()
}

#[cfg(test)]
// Messages are quoted alike, whether or not one holds a quotation mark.
#[allow(clippy::needless_raw_string_hashes)]
mod tests;
