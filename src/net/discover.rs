//! Finding a peer: static endpoints, or SRV `_imps-server._tcp.DOMAIN` and the addresses of its
//! targets (reference ssp-transport §3.4, decisions.md 9). No NAPTR, and no guess at a default port.
//!
//! [`Discover::find`] answers with [`Targets`]: who serves the domain, good until a moment. Each
//! connection then asks [`Targets::candidates`] for an order of its own: priorities ascending,
//! weighted random inside one (RFC 2782), the addresses of a target with IPv6 and IPv4 in turn
//! (RFC 8305). Answers, negative ones too, are kept for their TTL, 30 s at least and 1 h at most;
//! failures of DNS itself are not kept, for whoever asks has a retry schedule of its own.
//!
//! DNSSEC: `require` validates here and takes secure answers only. `prefer` and `off` both ask
//! plainly for addresses: nothing rests on those being true, because the certificate must name the
//! service domain wherever the connection led; an answer that was not validated is never treated as if
//! it were. Where DNS itself is to vouch for a certificate ([`Discover::associations`]), a resolver that
//! validates asks, unless `off` says that there is none.

mod secure;

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::dnssec::TrustAnchors;
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use hickory_resolver::proto::serialize::txt::{ParseError, trust_anchor};
use tokio::time::timeout;

use crate::imps::agreement::Endpoint;
use crate::imps::{Chance, Domain, Moment};

pub use secure::{Associations, HostAssociations, Said};

/// Shortest time for which an answer is kept.
const TTL_MIN: Duration = Duration::from_secs(30);
/// Longest time for which an answer is kept.
const TTL_MAX: Duration = Duration::from_secs(3600);
/// Domains and hosts in the cache.
const CACHE_ENTRIES_MAX: usize = 4096;
/// SRV records of one domain that are looked at.
const TARGETS_MAX: usize = 16;
/// Addresses of one host that are tried, of each family.
const ADDRESSES_MAX: usize = 4;
/// For one question to one server.
const QUESTION_TIMEOUT: Duration = Duration::from_secs(3);
/// For all that finding one domain takes.
const FIND_TIMEOUT: Duration = Duration::from_secs(10);

/// What is done about DNSSEC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dnssec {
    /// Only answers that validate are used.
    Require,
    /// What has to be secure is validated, all else taken as it comes.
    #[default]
    Prefer,
    /// Answers are taken as they come, and nothing is held to be secure.
    Off,
}

/// How names are resolved.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DiscoverSettings {
    /// DNS servers; empty: those of the system.
    pub servers: Vec<SocketAddr>,
    /// What is done about DNSSEC.
    pub dnssec: Dnssec,
    /// DNSKEY records, in the form of zone files, with which validation begins; `None`: the keys of the root
    /// that came with the library.
    pub trust_anchors: Option<Arc<str>>,
}

/// Whether this is what [`DiscoverSettings::trust_anchors`] takes.
pub fn check_trust_anchors(text: &str) -> Result<(), String> {
    let failed = |found: ParseError| found.to_string();
    // The anchors themselves tell only how many keys of the root they hold.
    if trust_anchor::Parser::new(text).parse().map_err(failed)?.is_empty() {
        return Err("there is no key in it".to_owned());
    }
    text.parse::<TrustAnchors>().map(|_| ()).map_err(failed)
}

/// One address to try.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Candidate {
    /// Host name of the SRV target or endpoint, or an address literal; for `Host` and logs.
    pub host: String,
    /// Address and port.
    pub addr: SocketAddr,
}

impl fmt::Display for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.parse::<IpAddr>().is_ok() {
            write!(f, "{}", self.addr)
        } else {
            write!(f, "{} ({})", self.host, self.addr)
        }
    }
}

/// One host that serves a domain, with its addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Target {
    priority: u16,
    weight: u16,
    host: String,
    port: u16,
    addresses: Vec<IpAddr>,
}

/// Who serves a domain. At least one address is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Targets {
    targets: Arc<[Target]>,
    /// When to ask again.
    pub expires: Moment,
}

impl Targets {
    /// The addresses in the order in which this connection is to try them.
    pub fn candidates(&self, chance: &mut dyn Chance) -> Vec<Candidate> {
        let mut left: Vec<&Target> = self.targets.iter().collect();
        left.sort_by_key(|target| (target.priority, target.weight));
        let mut candidates = Vec::new();
        while let Some(first) = left.first() {
            let same = left.iter().take_while(|target| target.priority == first.priority);
            // RFC 2782: running sums with those of weight 0 first; the first sum that reaches a random
            // number from 0 to the total, both included, is chosen.
            let total: u64 = same.clone().map(|target| u64::from(target.weight)).sum();
            let drawn = below(total + 1, chance);
            let mut sum = 0;
            let chosen = same
                .take_while(|target| {
                    sum += u64::from(target.weight);
                    sum < drawn
                })
                .count();
            let target = left.remove(chosen.min(left.len() - 1));
            candidates.extend(target.addresses.iter().map(|address| Candidate {
                host: target.host.clone(),
                addr: SocketAddr::new(*address, target.port),
            }));
        }
        candidates
    }
}

/// A number below `limit`, evenly enough: the total of weights stays far below 2⁶⁴.
fn below(limit: u64, chance: &mut dyn Chance) -> u64 {
    let mut octets = [0; 8];
    chance.fill(&mut octets);
    u64::from_le_bytes(octets) % limit.max(1)
}

/// Why nobody was found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DiscoverError {
    /// The domain does not exist, has no SRV record, or says that it has no such service. For an
    /// unconfigured domain that is 516; for a configured peer its messages wait all the same.
    #[error("{domain} offers no service: {found}")]
    NoService {
        /// Which.
        domain: Domain,
        /// What DNS said.
        found: &'static str,
    },
    /// DNS did not answer, answered with a failure, or with names that have no address.
    #[error("{name} cannot be resolved now: {found}")]
    Temporary {
        /// What was asked for.
        name: String,
        /// What happened.
        found: String,
    },
}

/// Why names cannot be resolved at all.
#[derive(Debug, thiserror::Error)]
#[error("DNS cannot be used: {0}")]
pub struct DiscoverSetupError(String);

/// What one question to DNS brought.
enum Records {
    Found(Vec<Record>),
    None { nonexistent: bool, ttl: Duration },
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Key {
    Service(Domain),
    Host(String),
}

#[derive(Clone, Debug)]
enum Kept {
    Service(Result<Arc<[Target]>, DiscoverError>),
    Host(Vec<IpAddr>),
}

/// Finds peers, and remembers.
pub struct Discover {
    resolver: TokioResolver,
    /// Asks for what has to be secure; `None`: nothing can be.
    validating: Option<TokioResolver>,
    secure_only: bool,
    find_timeout: Duration,
    kept: Mutex<HashMap<Key, (Kept, Moment)>>,
}

impl fmt::Debug for Discover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Discover").field("secure_only", &self.secure_only).finish_non_exhaustive()
    }
}

impl Discover {
    /// Reads the system's configuration if no server is given.
    pub fn new(settings: &DiscoverSettings) -> Result<Self, DiscoverSetupError> {
        let secure_only = settings.dnssec == Dnssec::Require;
        let validating = match settings.dnssec {
            Dnssec::Require | Dnssec::Prefer => Some(resolver(settings, true)?),
            Dnssec::Off => None,
        };
        let resolver = match &validating {
            Some(validating) if secure_only => validating.clone(),
            _ => resolver(settings, false)?,
        };
        Ok(Self { resolver, validating, secure_only, find_timeout: FIND_TIMEOUT, kept: Mutex::default() })
    }

    /// Who serves `domain`: the endpoints of its agreement if there are any, else what SRV says.
    pub async fn find(
        &self,
        domain: &Domain,
        endpoints: &[Endpoint],
        now: Moment,
    ) -> Result<Targets, DiscoverError> {
        let found = async {
            if endpoints.is_empty() {
                self.service(domain, now).await
            } else {
                self.fixed(endpoints, now).await
            }
        };
        timeout(self.find_timeout, found).await.unwrap_or_else(|_| {
            Err(DiscoverError::Temporary {
                name: domain.to_string(),
                found: format!("no answer within {:?}", self.find_timeout),
            })
        })
    }

    /// Forgets what is known of a domain and of its endpoints, so that it is asked for again: after
    /// they failed.
    pub fn forget(&self, domain: &Domain, endpoints: &[Endpoint]) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.remove(&Key::Service(domain.clone()));
        for endpoint in endpoints {
            kept.remove(&Key::Host(endpoint.host.clone()));
        }
    }

    async fn service(&self, domain: &Domain, now: Moment) -> Result<Targets, DiscoverError> {
        let key = Key::Service(domain.clone());
        if let Some((Kept::Service(kept), expires)) = self.recall(&key, now) {
            return kept.map(|targets| Targets { targets, expires });
        }
        let name = format!("_imps-server._tcp.{domain}");
        let (outcome, ttl) = match self.ask(&name, RecordType::SRV).await? {
            Records::None { nonexistent, ttl } => {
                let found = if nonexistent { "the name does not exist" } else { "it has no SRV record" };
                (Err(DiscoverError::NoService { domain: domain.clone(), found }), ttl)
            }
            Records::Found(records) => {
                let mut ttl = ttl_of(&records);
                let hosts = targets_of(&records);
                if hosts.is_empty() {
                    let found = "its SRV record says that there is none";
                    (Err(DiscoverError::NoService { domain: domain.clone(), found }), ttl)
                } else {
                    let targets = self.with_addresses(hosts, &mut ttl).await?;
                    (Ok(Arc::from(targets)), ttl)
                }
            }
        };
        let expires = self.keep(key, Kept::Service(outcome.clone()), ttl, now);
        outcome.map(|targets| Targets { targets, expires })
    }

    /// The addresses of all targets, asked for at the same time. A target without one is left out.
    async fn with_addresses(
        &self,
        targets: Vec<Target>,
        ttl: &mut Duration,
    ) -> Result<Vec<Target>, DiscoverError> {
        let mut asked = Vec::new();
        for mut target in targets {
            asked.push(Box::pin(async move {
                let found = self.addresses(&target.host).await;
                found.map(|(addresses, ttl)| {
                    target.addresses = addresses;
                    (target, ttl)
                })
            }));
        }
        let (mut found, mut failed) = (Vec::new(), None);
        for outcome in all(asked).await {
            match outcome {
                Ok((target, its_ttl)) => {
                    *ttl = (*ttl).min(its_ttl);
                    found.push(target);
                }
                Err(error) => failed = Some(error),
            }
        }
        match failed {
            Some(error) if found.is_empty() => Err(error),
            _ => Ok(found),
        }
    }

    async fn fixed(&self, endpoints: &[Endpoint], now: Moment) -> Result<Targets, DiscoverError> {
        let (mut targets, mut expires, mut failed) = (Vec::new(), now.after(TTL_MAX), None);
        for (priority, endpoint) in (0..).zip(endpoints.iter().take(TARGETS_MAX)) {
            let found = match endpoint.host.parse::<IpAddr>() {
                Ok(address) => Ok((vec![address], now.after(TTL_MAX))),
                Err(_) => self.host(&endpoint.host, now).await,
            };
            match found {
                Ok((addresses, until)) => {
                    expires = expires.min(until);
                    targets.push(Target {
                        priority,
                        weight: 0,
                        host: endpoint.host.clone(),
                        port: endpoint.port,
                        addresses,
                    });
                }
                Err(error) => failed = Some(error),
            }
        }
        match failed {
            Some(error) if targets.is_empty() => Err(error),
            _ => Ok(Targets { targets: targets.into(), expires }),
        }
    }

    async fn host(&self, host: &str, now: Moment) -> Result<(Vec<IpAddr>, Moment), DiscoverError> {
        let key = Key::Host(host.to_owned());
        if let Some((Kept::Host(addresses), expires)) = self.recall(&key, now) {
            return Ok((addresses, expires));
        }
        let (addresses, ttl) = self.addresses(host).await?;
        let expires = self.keep(key, Kept::Host(addresses.clone()), ttl, now);
        Ok((addresses, expires))
    }

    /// The addresses of a host, at least one, IPv6 and IPv4 in turn.
    async fn addresses(&self, host: &str) -> Result<(Vec<IpAddr>, Duration), DiscoverError> {
        let (six, four) = tokio::join!(self.ask(host, RecordType::AAAA), self.ask(host, RecordType::A));
        let (mut families, mut ttl, mut failed) = ([Vec::new(), Vec::new()], TTL_MAX, None);
        for (outcome, family) in [six, four].into_iter().zip(&mut families) {
            match outcome {
                Ok(Records::Found(records)) => {
                    ttl = ttl.min(ttl_of(&records));
                    family.extend(records.iter().filter_map(address_of).take(ADDRESSES_MAX));
                }
                Ok(Records::None { .. }) => {}
                Err(error) => failed = Some(error),
            }
        }
        let [six, four] = families;
        let turns = six.len().max(four.len());
        let addresses: Vec<IpAddr> =
            (0..turns).flat_map(|turn| [six.get(turn), four.get(turn)]).flatten().copied().collect();
        match failed {
            _ if !addresses.is_empty() => Ok((addresses, ttl)),
            Some(error) => Err(error),
            None => {
                Err(DiscoverError::Temporary { name: host.to_owned(), found: "it has no address".to_owned() })
            }
        }
    }

    async fn ask(&self, name: &str, kind: RecordType) -> Result<Records, DiscoverError> {
        let temporary = |found: String| DiscoverError::Temporary { name: name.to_owned(), found };
        let mut full = Name::from_ascii(name).map_err(|found| temporary(found.to_string()))?;
        full.set_fqdn(true);
        match self.resolver.lookup(full, kind).await {
            Ok(answer) => {
                let records: Vec<Record> =
                    answer.answers().iter().filter(|record| record.record_type() == kind).cloned().collect();
                if self.secure_only && !records.iter().all(|record| record.proof.is_secure()) {
                    return Err(temporary("the answer is not signed, and dnssec = \"require\"".to_owned()));
                }
                if records.is_empty() {
                    return Ok(Records::None { nonexistent: false, ttl: TTL_MIN });
                }
                Ok(Records::Found(records))
            }
            Err(NetError::Dns(DnsError::NoRecordsFound(none)))
                if matches!(none.response_code, ResponseCode::NXDomain | ResponseCode::NoError) =>
            {
                // With "require" a proven absence comes as `Nsec`; this one proves nothing.
                if self.secure_only {
                    return Err(temporary("its absence is not proven, and dnssec = \"require\"".to_owned()));
                }
                let ttl = none.negative_ttl.map_or(TTL_MIN, |seconds| Duration::from_secs(seconds.into()));
                Ok(Records::None { nonexistent: none.response_code == ResponseCode::NXDomain, ttl })
            }
            Err(NetError::Dns(DnsError::Nsec { response, proof, .. })) if proof.is_secure() => {
                let ttl =
                    response.negative_ttl().map_or(TTL_MIN, |seconds| Duration::from_secs(seconds.into()));
                Ok(Records::None { nonexistent: response.response_code == ResponseCode::NXDomain, ttl })
            }
            Err(found) => Err(temporary(found.to_string())),
        }
    }

    fn recall(&self, key: &Key, now: Moment) -> Option<(Kept, Moment)> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.get(key).filter(|(_, expires)| now < *expires).cloned()
    }

    fn keep(&self, key: Key, value: Kept, ttl: Duration, now: Moment) -> Moment {
        let expires = now.after(ttl.clamp(TTL_MIN, TTL_MAX));
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= CACHE_ENTRIES_MAX && !kept.contains_key(&key) {
            kept.retain(|_, (_, expires)| now < *expires);
            let soonest = kept.iter().min_by_key(|(_, (_, expires))| *expires).map(|(key, _)| key.clone());
            if let Some(soonest) = soonest.filter(|_| kept.len() >= CACHE_ENTRIES_MAX) {
                kept.remove(&soonest);
            }
        }
        kept.insert(key, (value, expires));
        expires
    }
}

fn resolver(settings: &DiscoverSettings, validate: bool) -> Result<TokioResolver, DiscoverSetupError> {
    let failed = |found: NetError| DiscoverSetupError(found.to_string());
    let mut builder = if settings.servers.is_empty() {
        TokioResolver::builder_tokio().map_err(failed)?
    } else {
        let servers = settings.servers.iter().map(|server| {
            let mut connections = vec![ConnectionConfig::udp(), ConnectionConfig::tcp()];
            for connection in &mut connections {
                connection.port = server.port();
            }
            NameServerConfig::new(server.ip(), true, connections)
        });
        let config = ResolverConfig::from_name_servers(servers.collect());
        let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
        builder.options_mut().use_hosts_file = ResolveHosts::Never;
        builder
    };
    if validate && let Some(text) = &settings.trust_anchors {
        let anchors: TrustAnchors = text
            .parse()
            .map_err(|found| DiscoverSetupError(format!("[dns] trust-anchors cannot be read: {found}")))?;
        builder = builder.with_trust_anchor(Arc::new(anchors));
    }
    let options = builder.options_mut();
    options.timeout = QUESTION_TIMEOUT;
    options.validate = validate;
    // Our own cache keeps what is needed, by a clock that is an argument.
    options.cache_size = 0;
    builder.build().map_err(failed)
}

/// Waits for all, at the same time; there are at most [`TARGETS_MAX`].
pub(super) async fn all<F: Future + Unpin>(mut waiting: Vec<F>) -> Vec<F::Output> {
    use std::task::Poll;
    let mut done: Vec<Option<F::Output>> = waiting.iter().map(|_| None).collect();
    std::future::poll_fn(|cx| {
        for (future, place) in waiting.iter_mut().zip(&mut done).filter(|(_, place)| place.is_none()) {
            if let Poll::Ready(output) = std::pin::Pin::new(future).poll(cx) {
                *place = Some(output);
            }
        }
        if done.iter().all(Option::is_some) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    done.into_iter().flatten().collect()
}

/// The hosts of SRV records, without addresses yet; `.` means "no service" (RFC 2782).
fn targets_of(records: &[Record]) -> Vec<Target> {
    let mut targets: Vec<Target> = records
        .iter()
        .filter_map(|record| match &record.data {
            RData::SRV(srv) if !srv.target.is_root() => Some(Target {
                priority: srv.priority,
                weight: srv.weight,
                host: srv.target.to_ascii().trim_end_matches('.').to_owned(),
                port: srv.port,
                addresses: Vec::new(),
            }),
            _ => None,
        })
        .collect();
    targets.sort_by_key(|target| target.priority);
    targets.truncate(TARGETS_MAX);
    targets
}

fn address_of(record: &Record) -> Option<IpAddr> {
    match &record.data {
        RData::A(address) => Some(IpAddr::V4(address.0)),
        RData::AAAA(address) => Some(IpAddr::V6(address.0)),
        _ => None,
    }
}

fn ttl_of(records: &[Record]) -> Duration {
    let seconds = records.iter().map(|record| record.ttl).min().unwrap_or(0);
    Duration::from_secs(seconds.into())
}

#[cfg(test)]
mod tests;
