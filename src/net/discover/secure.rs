//! What secure DNS says of the certificates of a domain: its TLSA records (RFC 6698, 7671, 7673).
//!
//! A record counts only if every record on the way to it is secure: the SRV records of the domain, unless the
//! host stands in the agreement, and the TLSA records of the host. What is not signed is as if it were not
//! there; what is signed and does not verify says nothing at all, neither that there are records nor that
//! there are none.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::dnssec::Proof;
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use tokio::time::timeout;

use super::{Discover, TARGETS_MAX, TTL_MAX, all, targets_of, ttl_of};
use crate::imps::Domain;
use crate::imps::agreement::Endpoint;
use crate::net::dane::Association;

/// TLSA records of one host that are looked at.
const ASSOCIATIONS_MAX: usize = 8;

/// What DNS says of the certificates of a domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Associations {
    /// Of each host that serves the domain.
    Hosts(Vec<HostAssociations>),
    /// Who serves the domain is not known securely, so that no host of it counts.
    Nothing {
        /// Why, in words.
        why: String,
        /// How long that may be remembered.
        ttl: Duration,
    },
    /// Nothing can be said now: DNS did not answer, or what it answered does not verify.
    Unknown {
        /// Why, in words.
        why: String,
    },
}

/// What DNS says of the certificates of one host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostAssociations {
    /// Where it serves the domain.
    pub place: Endpoint,
    /// What was said.
    pub said: Said,
}

/// What DNS says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// Secure records, of which these can be used.
    Secure {
        /// At least one.
        records: Vec<Association>,
        /// How long they are good.
        ttl: Duration,
    },
    /// There are none that count.
    Nothing {
        /// Why, in words.
        why: String,
        /// How long that may be remembered.
        ttl: Duration,
    },
    /// Nothing can be said now.
    Unknown {
        /// Why, in words.
        why: String,
    },
}

impl fmt::Display for HostAssociations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TLSA of {} port {}: ", self.place.host, self.place.port)?;
        match &self.said {
            Said::Secure { records, .. } => {
                f.write_str("secure")?;
                records.iter().try_for_each(|record| write!(f, ", {record}"))
            }
            Said::Nothing { why, .. } | Said::Unknown { why } => f.write_str(why),
        }
    }
}

/// What one question brought.
enum Answer {
    Secure { records: Vec<Record>, ttl: Duration },
    None { ttl: Duration },
    Insecure { ttl: Duration },
}

impl Discover {
    /// What secure DNS says of the certificates of `domain`, asked anew.
    pub async fn associations(&self, domain: &Domain, endpoints: &[Endpoint]) -> Associations {
        let found = timeout(self.find_timeout, async {
            if endpoints.is_empty() {
                self.served_securely(domain).await
            } else {
                let places = endpoints.iter().take(TARGETS_MAX).cloned().collect();
                Associations::Hosts(self.hosts(places, TTL_MAX).await)
            }
        });
        found.await.unwrap_or_else(|_| Associations::Unknown {
            why: format!("no answer within {:?} for {domain}", self.find_timeout),
        })
    }

    async fn served_securely(&self, domain: &Domain) -> Associations {
        let name = format!("_imps-server._tcp.{domain}");
        match self.ask_securely(&name, RecordType::SRV).await {
            Ok(Answer::Secure { records, ttl }) => {
                let place = |target: super::Target| Endpoint { host: target.host, port: target.port };
                let places = targets_of(&records).into_iter().map(place).collect();
                Associations::Hosts(self.hosts(places, ttl).await)
            }
            Ok(Answer::None { ttl }) => Associations::Nothing { why: format!("no SRV of {domain}"), ttl },
            Ok(Answer::Insecure { ttl }) => Associations::Nothing {
                why: format!("SRV of {domain}: insecure, so no TLSA is used: DNSSEC does not sign it"),
                ttl,
            },
            Err(why) => Associations::Unknown { why: format!("SRV of {domain}: {why}") },
        }
    }

    /// Asks for all hosts at the same time. None is good for longer than `ttl`.
    async fn hosts(&self, places: Vec<Endpoint>, ttl: Duration) -> Vec<HostAssociations> {
        let asked = places.into_iter().map(|place| {
            Box::pin(async move {
                let said = self.host_associations(&place, ttl).await;
                HostAssociations { place, said }
            })
        });
        all(asked.collect()).await
    }

    async fn host_associations(&self, place: &Endpoint, longest: Duration) -> Said {
        if place.host.parse::<IpAddr>().is_ok() {
            return Said::Nothing { why: "an address has no TLSA".to_owned(), ttl: TTL_MAX };
        }
        let name = format!("_{}._tcp.{}", place.port, place.host);
        match self.ask_securely(&name, RecordType::TLSA).await {
            Ok(Answer::Secure { records, ttl }) => {
                let ttl = ttl.min(longest);
                let of_kind = records.iter().filter_map(|record| match &record.data {
                    RData::TLSA(record) => Some(record),
                    _ => None,
                });
                let usable: Vec<_> = of_kind.filter_map(Association::read).take(ASSOCIATIONS_MAX).collect();
                if usable.is_empty() {
                    let why = "secure, but of no use here: usages 2 and 3 count, selectors 0 and 1, matching types 0 to 2";
                    return Said::Nothing { why: why.to_owned(), ttl };
                }
                Said::Secure { records: usable, ttl }
            }
            Ok(Answer::None { ttl }) => Said::Nothing { why: "there is none".to_owned(), ttl },
            Ok(Answer::Insecure { ttl }) => {
                Said::Nothing { why: "insecure, not used: DNSSEC does not sign it".to_owned(), ttl }
            }
            Err(why) => Said::Unknown { why },
        }
    }

    /// One question to the resolver that validates; `Err`, in words, where the answer says nothing.
    async fn ask_securely(&self, name: &str, kind: RecordType) -> Result<Answer, String> {
        let unsaid = |found: &dyn fmt::Display| format!("nothing can be relied on now: {found}");
        let resolver = self.validating.as_ref().ok_or("not asked for: [dns] dnssec is off")?;
        let mut full = Name::from_ascii(name).map_err(|found| unsaid(&found))?;
        full.set_fqdn(true);
        let seconds = |ttl: Option<u32>| Duration::from_secs(ttl.unwrap_or(0).into());
        match resolver.lookup(full, kind).await {
            Ok(answer) => {
                // Aliases on the way count too; signatures are not signed.
                let way: Vec<_> = answer
                    .answers()
                    .iter()
                    .filter(|record| record.record_type() != RecordType::RRSIG)
                    .collect();
                let records: Vec<Record> =
                    way.iter().filter(|record| record.record_type() == kind).copied().cloned().collect();
                let ttl = way.iter().map(|record| Duration::from_secs(record.ttl.into())).min();
                let ttl = ttl.unwrap_or_else(|| ttl_of(&records));
                if way.iter().any(|record| matches!(record.proof, Proof::Bogus | Proof::Indeterminate)) {
                    return Err(unsaid(&"its DNSSEC signatures do not verify"));
                }
                Ok(match (records.is_empty(), way.iter().all(|record| record.proof.is_secure())) {
                    (true, _) => Answer::None { ttl },
                    (false, true) => Answer::Secure { records, ttl },
                    (false, false) => Answer::Insecure { ttl },
                })
            }
            Err(NetError::Dns(DnsError::NoRecordsFound(none)))
                if matches!(none.response_code, ResponseCode::NXDomain | ResponseCode::NoError) =>
            {
                Ok(Answer::None { ttl: seconds(none.negative_ttl) })
            }
            Err(NetError::Dns(DnsError::Nsec { response, proof, .. })) => match proof {
                Proof::Secure | Proof::Insecure => Ok(Answer::None { ttl: seconds(response.negative_ttl()) }),
                Proof::Bogus | Proof::Indeterminate => {
                    Err(unsaid(&"that there is none is not proven, though its zone is signed"))
                }
            },
            Err(found) => Err(unsaid(&found)),
        }
    }
}

#[cfg(test)]
mod tests;
