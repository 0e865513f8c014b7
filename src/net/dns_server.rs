//! A small authoritative DNS server on loopback, for `causeway demo` and for tests.
//!
//! It knows SRV, A, AAAA and TLSA records from a [`Zone`] that can be changed while it runs, answers over
//! UDP, signs its answers if it was given a [`ZoneKey`], and fails on demand. It is no server for the
//! internet: no TCP, and of the art of zones the least.

mod signed;

use std::collections::{HashMap, HashSet};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use hickory_proto::op::{Edns, Message, MessageType, OpCode, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA, SOA, SRV, TLSA};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use tokio::net::UdpSocket;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::imps::Domain;

pub use signed::ZoneKey;

/// Octets of a question that are read; more is not DNS over UDP.
const QUESTION_OCTETS_MAX: usize = 4096;
/// Octets of a signed answer that we say we can send.
const ANSWER_OCTETS_MAX: u16 = 1232;
/// How long the absence of a name may be remembered, seconds.
const NEGATIVE_TTL_SECONDS: u32 = 60;

/// What the server knows. Names are compared without case and without the final dot.
#[derive(Clone, Debug, Default)]
pub struct Zone {
    records: HashMap<String, Vec<(u32, RData)>>,
    failing: HashSet<String>,
    silent: HashSet<String>,
    /// Signs answers.
    signer: Option<Arc<ZoneKey>>,
    /// Delegated without a key.
    unsigned: HashSet<String>,
    /// Their signatures are wrong.
    spoilt: HashSet<String>,
}

impl Zone {
    /// An empty zone: every name is unknown.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an SRV record for SSP: `domain` is served at `target`. A target of `.` says that there
    /// is no service. Text that is no DNS name adds nothing.
    pub fn service(
        &mut self,
        domain: &Domain,
        (priority, weight): (u16, u16),
        target: (&str, u16),
        ttl_seconds: u32,
    ) -> &mut Self {
        if let Ok(host) = full(target.0) {
            let record = RData::SRV(SRV::new(priority, weight, target.1, host));
            self.add(&format!("_imps-server._tcp.{domain}"), ttl_seconds, record);
        }
        self
    }

    /// Adds an A or AAAA record.
    pub fn address(&mut self, host: &str, address: IpAddr, ttl_seconds: u32) -> &mut Self {
        let record = match address {
            IpAddr::V4(address) => RData::A(A(address)),
            IpAddr::V6(address) => RData::AAAA(AAAA(address)),
        };
        self.add(host, ttl_seconds, record);
        self
    }

    /// Adds a TLSA record (RFC 6698) for a port of a host: certificate usage, selector and matching type as
    /// their numbers.
    pub fn association(
        &mut self,
        (host, port): (&str, u16),
        [usage, selector, matching]: [u8; 3],
        data: Vec<u8>,
        ttl_seconds: u32,
    ) -> &mut Self {
        let record = RData::TLSA(TLSA::new(usage.into(), selector.into(), matching.into(), data));
        self.add(&format!("_{port}._tcp.{host}"), ttl_seconds, record);
        self
    }

    /// Signs all answers with this key of the root from now on.
    pub fn sign(&mut self, zone_key: Arc<ZoneKey>) -> &mut Self {
        self.signer = Some(zone_key);
        self
    }

    /// Nothing from this name downward is signed, and the zone above says so.
    pub fn unsign(&mut self, name: &str) -> &mut Self {
        self.unsigned.insert(key(name));
        self
    }

    /// The signatures of this name are wrong.
    pub fn spoil(&mut self, name: &str) -> &mut Self {
        self.spoilt.insert(key(name));
        self
    }

    /// Answers questions for this name with SERVFAIL.
    pub fn fail(&mut self, name: &str) -> &mut Self {
        self.failing.insert(key(name));
        self
    }

    /// Does not answer questions for this name.
    pub fn ignore(&mut self, name: &str) -> &mut Self {
        self.silent.insert(key(name));
        self
    }

    /// Forgets all about this name.
    pub fn remove(&mut self, name: &str) -> &mut Self {
        let key = key(name);
        self.records.remove(&key);
        self.failing.remove(&key);
        self.silent.remove(&key);
        self.spoilt.remove(&key);
        self
    }

    fn add(&mut self, name: &str, ttl_seconds: u32, record: RData) {
        self.records.entry(key(name)).or_default().push((ttl_seconds, record));
    }

    /// The answer to one datagram; `None` where silence is the answer.
    fn answer(&self, datagram: &[u8]) -> Option<Vec<u8>> {
        let question = Message::from_vec(datagram).ok()?;
        if question.metadata.message_type != MessageType::Query {
            return None;
        }
        let mut answer = Message::response(question.metadata.id, question.metadata.op_code);
        answer.metadata.recursion_desired = question.metadata.recursion_desired;
        answer.metadata.recursion_available = true;
        answer.metadata.authoritative = true;
        answer.add_queries(question.queries.iter().cloned());
        match question.queries.first() {
            Some(query) if question.metadata.op_code == OpCode::Query => {
                let key = key(&query.name.to_ascii());
                if self.silent.contains(&key) {
                    return None;
                }
                let signing =
                    self.signer.as_ref().filter(|_| question.edns.as_ref().is_some_and(wants_signatures));
                match signing {
                    None => self.fill(&mut answer, &key, &query.name, query.query_type),
                    Some(zone_key) => {
                        let mut edns = Edns::new();
                        edns.set_dnssec_ok(true).set_max_payload(ANSWER_OCTETS_MAX);
                        answer.edns = Some(edns);
                        self.fill_signed(zone_key, &mut answer, &query.name, query.query_type).ok()?;
                    }
                }
            }
            _ => answer.metadata.response_code = ResponseCode::NotImp,
        }
        answer.to_vec().ok()
    }

    fn fill(&self, answer: &mut Message, key: &str, name: &Name, kind: RecordType) {
        if self.failing.contains(key) {
            answer.metadata.response_code = ResponseCode::ServFail;
            return;
        }
        let known = self.records.get(key);
        for (ttl_seconds, data) in known.into_iter().flatten().filter(|(_, data)| data.record_type() == kind)
        {
            answer.add_answer(Record::from_rdata(name.clone(), *ttl_seconds, data.clone()));
        }
        if answer.answers.is_empty() {
            if known.is_none() {
                answer.metadata.response_code = ResponseCode::NXDomain;
            }
            answer.add_authority(start_of_authority());
        }
    }
}

fn start_of_authority() -> Record {
    let ttl = NEGATIVE_TTL_SECONDS;
    let soa = SOA::new(Name::root(), Name::root(), 1, 3600, 600, 86_400, ttl);
    Record::from_rdata(Name::root(), ttl, RData::SOA(soa))
}

fn wants_signatures(edns: &Edns) -> bool {
    edns.flags().dnssec_ok
}

fn full(name: &str) -> Result<Name, hickory_proto::ProtoError> {
    let mut name = Name::from_ascii(name)?;
    name.set_fqdn(true);
    Ok(name)
}

fn key(name: &str) -> String {
    name.trim_end_matches('.').to_ascii_lowercase()
}

/// A running server; stops with its token.
#[derive(Debug)]
pub struct DnsServer {
    zone: Arc<Mutex<Zone>>,
    questions: Arc<AtomicU64>,
    addr: SocketAddr,
}

impl DnsServer {
    /// Binds (port 0 takes a free one) and answers until `shutdown`.
    pub async fn start(addr: SocketAddr, zone: Zone, shutdown: CancellationToken) -> io::Result<Self> {
        let socket = UdpSocket::bind(addr).await?;
        let server =
            Self { zone: Arc::new(Mutex::new(zone)), questions: Arc::default(), addr: socket.local_addr()? };
        let (zone, questions) = (server.zone.clone(), server.questions.clone());
        tokio::spawn(async move {
            let mut datagram = [0; QUESTION_OCTETS_MAX];
            loop {
                let received = tokio::select! {
                    () = shutdown.cancelled() => break,
                    received = socket.recv_from(&mut datagram) => received,
                };
                // An error here is an ICMP answer to something sent before; it concerns nobody.
                let Ok((length, from)) = received else { continue };
                questions.fetch_add(1, Ordering::Relaxed);
                let answer = {
                    let zone = zone.lock().unwrap_or_else(PoisonError::into_inner);
                    zone.answer(datagram.get(..length).unwrap_or_default())
                };
                if let Some(answer) = answer
                    && let Err(found) = socket.send_to(&answer, from).await
                {
                    debug!(%from, %found, "DNS answer could not be sent");
                }
            }
        });
        Ok(server)
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Changes what it knows.
    pub fn change(&self, change: impl FnOnce(&mut Zone)) {
        change(&mut self.zone.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// How many questions were asked so far.
    pub fn questions(&self) -> u64 {
        self.questions.load(Ordering::Relaxed)
    }
}
