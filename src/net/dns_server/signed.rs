//! Signed answers: the zone is the root, signed by one key as it is asked.
//!
//! What is not there is proven with the smallest NSEC record: the name that was asked for exists and has not
//! the type (RFC 4470 and its kin). Parts of the tree can be delegated without a key, which makes all below
//! insecure; of single names the signatures can be spoilt.

use std::fmt;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hickory_proto::ProtoError;
use hickory_proto::dnssec::crypto::EcdsaSigningKey;
use hickory_proto::dnssec::rdata::{DNSKEY, DNSSECRData, NSEC, RRSIG};
use hickory_proto::dnssec::{Algorithm, DnsSecError, DnssecSigner, PublicKey as _, SigningKey as _};
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::rdata::NS;
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordSet, RecordType};

use super::{Zone, key};
/// For how long before and after it was made a signature is good.
const SIGNATURE_LIFE: Duration = Duration::from_secs(24 * 3600);
/// TTL of keys, delegations and proofs, seconds.
const TTL_SECONDS: u32 = 60;

/// The key of a root zone.
pub struct ZoneKey {
    signer: DnssecSigner,
    dnskey: DNSKEY,
}

impl fmt::Debug for ZoneKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ZoneKey").finish_non_exhaustive()
    }
}

impl ZoneKey {
    /// A new one, for ECDSA on P-256.
    pub fn new() -> Result<Self, DnsSecError> {
        let algorithm = Algorithm::ECDSAP256SHA256;
        let pair = EcdsaSigningKey::from_pkcs8(&EcdsaSigningKey::generate_pkcs8(algorithm)?, algorithm)?;
        let dnskey = DNSKEY::from_key(&pair.to_public_key()?);
        let signer = DnssecSigner::new(dnskey.clone(), Box::new(pair), Name::root(), 2 * SIGNATURE_LIFE);
        Ok(Self { signer, dnskey })
    }

    /// The key as a line of a file of trust anchors.
    pub fn anchor(&self) -> String {
        let key = self.dnskey.public_key();
        let number = u8::from(key.algorithm());
        format!(". IN DNSKEY {} 3 {number} {}\n", self.dnskey.flags(), STANDARD.encode(key.public_bytes()))
    }

    /// The signature over these records, which have one name and one type.
    fn signature(&self, records: &[Record], spoilt: bool) -> Result<Option<Record>, ProtoError> {
        let Some(first) = records.first() else { return Ok(None) };
        let mut set = RecordSet::with_ttl(first.name.clone(), first.record_type(), first.ttl);
        set.set_records(records.to_vec());
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let begin = now.saturating_sub(SIGNATURE_LIFE);
        let mut signature =
            RRSIG::from_rrset(&set, DNSClass::IN, rcgen::date_time_ymd(1970, 1, 1) + begin, &self.signer)?;
        if spoilt {
            let wrong = signature.sig().iter().map(|octet| !octet).collect();
            signature = RRSIG::from_sig(signature.input().clone(), wrong);
        }
        let data = RData::DNSSEC(DNSSECRData::RRSIG(signature));
        Ok(Some(Record::from_rdata(first.name.clone(), first.ttl, data)))
    }
}

impl Zone {
    /// Fills an answer to one who wants signatures.
    pub(super) fn fill_signed(
        &self,
        zone_key: &ZoneKey,
        answer: &mut Message,
        name: &Name,
        kind: RecordType,
    ) -> Result<(), ProtoError> {
        let asked = key(&name.to_ascii());
        let below = |cut: &&String| asked == **cut || asked.ends_with(&format!(".{cut}"));
        let cut = self.unsigned.iter().find(below);
        let types = match (cut, kind) {
            (Some(cut), RecordType::NS) if asked == *cut => {
                answer.add_answer(Record::from_rdata(name.clone(), TTL_SECONDS, RData::NS(NS(Name::root()))));
                return Ok(());
            }
            (Some(cut), RecordType::DS) if asked == *cut => vec![RecordType::NS],
            (Some(_), _) => {
                self.fill(answer, &asked, name, kind);
                return Ok(());
            }
            (None, _) => {
                self.fill(answer, &asked, name, kind);
                if name.is_root() && kind == RecordType::DNSKEY {
                    let data = RData::DNSSEC(DNSSECRData::DNSKEY(zone_key.dnskey.clone()));
                    answer.answers = vec![Record::from_rdata(Name::root(), TTL_SECONDS, data)];
                    answer.metadata.response_code = ResponseCode::NoError;
                    answer.authorities.clear();
                }
                let known = self.records.get(&asked).into_iter().flatten();
                known.map(|(_, data)| data.record_type()).collect()
            }
        };
        if answer.metadata.response_code == ResponseCode::ServFail {
            return Ok(());
        }
        let spoilt = self.spoilt.contains(&asked);
        if let Some(signature) = zone_key.signature(&answer.answers, spoilt)? {
            answer.add_answer(signature);
            return Ok(());
        }
        answer.metadata.response_code = ResponseCode::NoError;
        if answer.authorities.is_empty() {
            answer.add_authority(super::start_of_authority());
        }
        answer.authorities.extend(zone_key.signature(&answer.authorities, false)?);
        let proof = NSEC::new_cover_self(name.prepend_label("\\000").unwrap_or_else(|_| name.clone()), types);
        let proof = RData::DNSSEC(DNSSECRData::NSEC(proof));
        let proof = [Record::from_rdata(name.clone(), TTL_SECONDS, proof)];
        let signature = zone_key.signature(&proof, spoilt)?;
        answer.authorities.extend(proof);
        answer.authorities.extend(signature);
        Ok(())
    }
}
