//! One TLSA record that can be used.

use std::fmt;

use hickory_resolver::proto::rr::rdata::TLSA;
use rustls_pki_types::CertificateDer;
use sha2::{Digest as _, Sha256, Sha512};

use crate::imps::agreement::KeyHash;
use crate::net::certificate::subject_public_key_info;

/// Whom a record names (RFC 6698 §2.1.1). Usages 0 and 1 only narrow what CAs vouch for, whom both sides
/// would have to trust; as in RFC 7672 §3.1.3 they are not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Usage {
    /// DANE-TA(2): a CA, in which the chain as sent must end.
    TrustAnchor = 2,
    /// DANE-EE(3): the certificate itself.
    EndEntity = 3,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Selector {
    Certificate = 0,
    Key = 1,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Matching {
    Whole = 0,
    Sha256 = 1,
    Sha512 = 2,
}

/// A TLSA record that can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Association {
    usage: Usage,
    selector: Selector,
    matching: Matching,
    data: Box<[u8]>,
}

impl fmt::Display for Association {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.usage as u8, self.selector as u8, self.matching as u8)
    }
}

impl Association {
    /// `None` for a record that cannot be used: it counts as if it were not there (RFC 6698 §4.1).
    pub fn read(record: &TLSA) -> Option<Self> {
        let usage = match u8::from(record.cert_usage) {
            2 => Usage::TrustAnchor,
            3 => Usage::EndEntity,
            _ => return None,
        };
        let selector = match u8::from(record.selector) {
            0 => Selector::Certificate,
            1 => Selector::Key,
            _ => return None,
        };
        let (matching, octets) = match u8::from(record.matching) {
            0 => (Matching::Whole, None),
            1 => (Matching::Sha256, Some(32)),
            2 => (Matching::Sha512, Some(64)),
            _ => return None,
        };
        let data = Box::<[u8]>::from(record.cert_data.as_slice());
        let fits = octets.map_or(!data.is_empty(), |octets| data.len() == octets);
        fits.then_some(Self { usage, selector, matching, data })
    }

    /// Whom it names.
    pub const fn usage(&self) -> Usage {
        self.usage
    }

    /// Whether it names this certificate.
    pub fn matches(&self, certificate: &CertificateDer<'_>) -> bool {
        let selected = match self.selector {
            Selector::Certificate => Some(certificate.to_vec()),
            Selector::Key => subject_public_key_info(certificate).ok(),
        };
        selected.is_some_and(|selected| match self.matching {
            Matching::Whole => *selected == *self.data,
            Matching::Sha256 => *Sha256::digest(&selected) == *self.data,
            Matching::Sha512 => *Sha512::digest(&selected) == *self.data,
        })
    }

    /// What tells it from others.
    pub fn digest(&self) -> KeyHash {
        let head = [self.usage as u8, self.selector as u8, self.matching as u8];
        Sha256::new().chain_update(head).chain_update(&self.data).finalize().into()
    }
}
