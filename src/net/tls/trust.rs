//! Whom we believe: CAs, pinned keys, revocation lists.
//!
//! A certificate enters if its chain ends in a configured CA (of `[ssp] trust` or of any peer
//! entry), within its dates, for the right purpose and not revoked; or if its key is pinned for
//! some peer, or secure DNS vouches for it, whatever the chain, within its dates. What it may speak for
//! comes later.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{
    CertificateDer, CertificateRevocationListDer, SignatureVerificationAlgorithm, TrustAnchor, UnixTime,
};
use webpki::{
    CertRevocationList, EndEntityCert, ExpirationPolicy, KeyUsage, OwnedCertRevocationList,
    RevocationOptionsBuilder, UnknownStatusPolicy, anchor_from_trusted_cert, spki_for_anchor,
};

use super::TlsError;
use crate::imps::agreement::{KeyHash, PeerIdentity, Voucher};
use crate::imps::{Domain, Moment};
use crate::net::certificate::{Facts, certificates_of_pem, facts, key_hash};
use crate::net::dane::Vouched;

/// Certificates that one handshake may present.
const CHAIN_MAX: usize = 10;

/// Which end of a connection the certificate stands at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// It connected to us: clientAuth is asked for.
    Inbound,
    /// We connected to it: serverAuth is asked for.
    Outbound,
}

/// What to do with a revocation list whose next update is past.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CrlExpiry {
    /// Certificates it should cover are refused.
    #[default]
    Error,
    /// The list is used as it is.
    Ignore,
}

/// What [`Trust`] is made of.
#[derive(Clone, Debug, Default)]
pub struct TrustSettings {
    authorities: Vec<CertificateDer<'static>>,
    revocation_lists: Vec<CertificateRevocationListDer<'static>>,
    /// Keys that are pinned for any peer.
    pub pins: HashSet<KeyHash>,
    /// What an expired revocation list means.
    pub crl_expiry: CrlExpiry,
    /// Certificate names whose inbound certificates need no clientAuth (decisions.md 8,
    /// `accept-server-eku`).
    pub server_usage_suffices: HashSet<Domain>,
    /// What secure DNS has said of peers; others fill it, and it outlives a reload.
    pub vouched: Arc<Vouched>,
}

impl TrustSettings {
    /// Adds the CAs of a PEM file; gives the hashes of their keys, as `Agreement::trust` and
    /// `default_trust` of `speaks_for` want them.
    pub fn add_authorities(&mut self, pem: &[u8]) -> Result<Vec<KeyHash>, TlsError> {
        let mut keys = Vec::new();
        for authority in certificates_of_pem(pem)? {
            keys.push(facts(&authority)?.key);
            if !self.authorities.contains(&authority) {
                self.authorities.push(authority);
            }
        }
        Ok(keys)
    }

    /// Adds the revocation lists of a file, PEM (any number) or DER (one).
    pub fn add_revocation_lists(&mut self, octets: &[u8]) -> Result<(), TlsError> {
        let found: Vec<_> = CertificateRevocationListDer::pem_slice_iter(octets)
            .collect::<Result<_, _>>()
            .map_err(|found| TlsError::RevocationList(found.to_string()))?;
        if found.is_empty() {
            self.revocation_lists.push(octets.to_vec().into());
        } else {
            self.revocation_lists.extend(found);
        }
        Ok(())
    }
}

/// Which check a certificate failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// None was presented.
    NoCertificate,
    /// After its last second.
    Expired,
    /// Before its first second.
    NotYetValid,
    /// The chain ends in no configured CA and the key is not pinned.
    UnknownIssuer,
    /// Not made for this end of a connection.
    Purpose,
    /// In a revocation list.
    Revoked,
    /// The revocation list that should cover it is too old.
    RevocationListExpired,
    /// A signature of the chain does not verify, or uses an algorithm that is not taken.
    Signature,
    /// Not a certificate, or one with parts that are not understood.
    Unreadable,
    /// The chain breaks a rule of one of its CAs (path length, name constraints, CA as leaf).
    Chain,
}

impl Check {
    /// A word for metrics.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::NoCertificate => "no-certificate",
            Self::Expired => "expired",
            Self::NotYetValid => "not-yet-valid",
            Self::UnknownIssuer => "unknown-issuer",
            Self::Purpose => "purpose",
            Self::Revoked => "revoked",
            Self::RevocationListExpired => "revocation-list-expired",
            Self::Signature => "signature",
            Self::Unreadable => "unreadable",
            Self::Chain => "chain",
        }
    }
}

/// A certificate that was not believed: which check failed, for whom, in words for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The check.
    pub check: Check,
    /// What the leaf certificate says, unless it could not be read.
    pub facts: Option<Box<Facts>>,
    /// What the library said, where that adds something.
    pub detail: String,
    /// What secure DNS has said of the peers that it names, where it might have vouched.
    pub dane: Option<String>,
}

impl Refused {
    fn new(check: Check, facts: Option<&Facts>, detail: impl fmt::Display) -> Self {
        Self { check, facts: facts.cloned().map(Box::new), detail: detail.to_string(), dane: None }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.say(f)?;
        self.dane.iter().try_for_each(|dane| write!(f, "; DANE does not vouch for it: {dane}"))
    }
}

impl Refused {
    fn say(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(facts) = &self.facts else {
            return match self.check {
                Check::NoCertificate => f.write_str("no certificate was presented"),
                _ => write!(f, "the certificate cannot be read: {}", self.detail),
            };
        };
        write!(f, "certificate of ")?;
        match facts.names.as_slice() {
            [] => write!(f, "{} (no domain)", facts.subject)?,
            names => {
                for (index, name) in names.iter().take(8).enumerate() {
                    write!(f, "{}{name}", if index > 0 { ", " } else { "" })?;
                }
            }
        }
        match self.check {
            Check::Expired if self.detail.is_empty() => {
                write!(f, " expired on {}", facts.not_after.extended())
            }
            Check::NotYetValid if self.detail.is_empty() => {
                write!(f, " is not valid before {}", facts.not_before.extended())
            }
            Check::Expired => f.write_str(": a CA of its chain has expired"),
            Check::NotYetValid => f.write_str(": a CA of its chain is not valid yet"),
            Check::UnknownIssuer if facts.self_signed => {
                f.write_str(" is signed by itself and its key is not pinned")
            }
            Check::UnknownIssuer => {
                write!(
                    f,
                    " is issued by {}, which leads to no configured CA, and its key is not pinned",
                    facts.issuer
                )
            }
            Check::Purpose => {
                write!(
                    f,
                    " is not made for this use: it allows {}; {}",
                    facts.purposes.join(", "),
                    self.detail
                )
            }
            Check::Revoked => f.write_str(" is revoked, or a CA of its chain is"),
            Check::RevocationListExpired => {
                write!(f, ": the revocation list of {} has expired", facts.issuer)
            }
            Check::Signature => write!(f, ": its chain does not verify: {}", self.detail),
            Check::NoCertificate | Check::Unreadable | Check::Chain => {
                write!(f, " cannot be used: {}", self.detail)
            }
        }
    }
}

impl std::error::Error for Refused {}

/// A configured CA.
#[derive(Debug)]
struct Anchor {
    anchor: TrustAnchor<'static>,
    key: KeyHash,
}

/// Whom we believe.
#[derive(Debug)]
pub struct Trust {
    /// By subject as written in certificates, so that a handshake looks only at those it names.
    anchors: HashMap<Vec<u8>, Vec<Anchor>>,
    revocation_lists: Vec<CertRevocationList<'static>>,
    pins: HashSet<KeyHash>,
    crl_expiry: CrlExpiry,
    server_usage_suffices: HashSet<Domain>,
    vouched: Arc<Vouched>,
    algorithms: &'static [&'static dyn SignatureVerificationAlgorithm],
}

impl Trust {
    /// Checks that every CA and every list can be used.
    pub fn new(settings: TrustSettings) -> Result<Self, TlsError> {
        let mut anchors: HashMap<Vec<u8>, Vec<Anchor>> = HashMap::new();
        for authority in &settings.authorities {
            let anchor = anchor_from_trusted_cert(authority)
                .map_err(|found| TlsError::Authority {
                    subject: facts(authority)
                        .map_or_else(|_| "a certificate".to_owned(), |facts| facts.subject),
                    found: found.to_string(),
                })?
                .to_owned();
            let key = key_hash(&spki_for_anchor(&anchor));
            anchors.entry(anchor.subject.to_vec()).or_default().push(Anchor { anchor, key });
        }
        let revocation_lists = settings
            .revocation_lists
            .iter()
            .map(|der| OwnedCertRevocationList::from_der(der).map(CertRevocationList::from))
            .collect::<Result<_, _>>()
            .map_err(|found| TlsError::RevocationList(found.to_string()))?;
        Ok(Self {
            anchors,
            revocation_lists,
            pins: settings.pins,
            crl_expiry: settings.crl_expiry,
            server_usage_suffices: settings.server_usage_suffices,
            vouched: settings.vouched,
            algorithms: rustls::crypto::aws_lc_rs::default_provider().signature_verification_algorithms.all,
        })
    }

    /// Checks a presented chain, leaf first, and tells who it is: names and key of the leaf, and the
    /// keys of *all* configured CAs that it leads to.
    pub fn check(
        &self,
        chain: &[CertificateDer<'_>],
        side: Side,
        now: UnixTime,
    ) -> Result<PeerIdentity, Refused> {
        let Some((leaf, rest)) = chain.split_first() else {
            return Err(Refused::new(Check::NoCertificate, None, ""));
        };
        let facts = facts(leaf).map_err(|found| Refused::new(Check::Unreadable, None, found))?;
        if chain.len() > CHAIN_MAX {
            let detail = format!("the chain has {} certificates; allowed: {CHAIN_MAX}", chain.len());
            return Err(Refused::new(Check::Chain, Some(&facts), detail));
        }
        let parsed = EndEntityCert::try_from(leaf)
            .map_err(|found| Refused::new(Check::Unreadable, Some(&facts), found))?;
        let shown = Shown { parsed, rest, side, now, names: &facts.names };
        let (anchors, mut failed) = self.verify(&shown);
        let vouchers = self.vouchers(chain, &shown, &mut failed);
        let vouched = !vouchers.is_empty();
        let identity =
            |anchors| PeerIdentity { names: facts.names.clone(), key: facts.key, anchors, vouchers };
        if !anchors.is_empty() {
            return Ok(identity(anchors));
        }
        let failed = failed.unwrap_or(webpki::Error::UnknownIssuer);
        let unchained = self.pins.contains(&facts.key) || vouched;
        // Who leaves CAs out of the chain is not found by way of them, but by name.
        let check = if unchained && self.lists(&shown.parsed) { Check::Revoked } else { check_of(&failed) };
        let seconds = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        let dates = match (seconds > facts.not_after.unix(), seconds < facts.not_before.unix()) {
            (true, _) => Err(Check::Expired),
            (_, true) => Err(Check::NotYetValid),
            _ => Ok(()),
        };
        // A pin or a record in secure DNS replaces the chain (decisions.md 8), but not the dates, and pardons
        // nobody whom a CA of ours has revoked.
        if unchained && check != Check::Revoked {
            return match dates {
                Ok(()) => Ok(identity(anchors)),
                Err(check) => Err(Refused::new(check, Some(&facts), "")),
            };
        }
        let detail = match (check, side) {
            // Empty means: it is the leaf itself.
            (Check::Expired | Check::NotYetValid, _) if dates == Err(check) => String::new(),
            (Check::Purpose, Side::Inbound) => "clientAuth is needed to connect to us".to_owned(),
            (Check::Purpose, Side::Outbound) => "serverAuth is needed to answer us".to_owned(),
            _ => failed.to_string(),
        };
        if side == Side::Inbound && dates.is_ok() && check != Check::Revoked {
            // It may come again when secure DNS has been asked.
            self.vouched.met(&facts.names);
        }
        let dane = self.vouched.words(&facts.names);
        Err(Refused { dane, ..Refused::new(check, Some(&facts), detail) })
    }

    /// Whether a revocation list of the issuer that it names has this certificate.
    fn lists(&self, leaf: &EndEntityCert<'_>) -> bool {
        let mut lists = self.revocation_lists.iter().filter(|list| list.issuer() == leaf.issuer());
        lists.any(|list| matches!(list.find_serial(leaf.serial()), Ok(Some(_))))
    }

    /// Whether what secure DNS said of this identity when it was checked stands still.
    pub fn vouchers_hold(&self, identity: &PeerIdentity, now: UnixTime) -> bool {
        identity.vouchers.is_empty() || self.vouched.hold(&identity.vouchers, moment(now))
    }

    /// The peers for which secure DNS vouches for this chain. A CA that it names must be in the chain as sent,
    /// and the chain must verify in it like in one of ours; if it does not, that is a failure that tells.
    fn vouchers(
        &self,
        chain: &[CertificateDer<'_>],
        shown: &Shown<'_, '_>,
        failed: &mut Option<webpki::Error>,
    ) -> Vec<Voucher> {
        self.vouched.vouchers(shown.names, chain, moment(shown.now), |authority| {
            let Ok(anchor) = anchor_from_trusted_cert(authority) else { return false };
            let outcome = self.leads_to(shown, &anchor);
            let good = outcome.is_ok();
            if let Err(found) = outcome
                && matches!(failed, None | Some(webpki::Error::UnknownIssuer))
            {
                *failed = Some(found);
            }
            good
        })
    }

    /// The keys of all CAs in which the chain verifies, and the most telling failure.
    fn verify(&self, shown: &Shown<'_, '_>) -> (Vec<KeyHash>, Option<webpki::Error>) {
        let mut issuers = vec![shown.parsed.issuer().to_vec()];
        for certificate in shown.rest {
            if let Ok(parsed) = EndEntityCert::try_from(certificate)
                && !issuers.iter().any(|known| known == parsed.issuer())
            {
                issuers.push(parsed.issuer().to_vec());
            }
        }
        let (mut keys, mut failed) = (Vec::new(), None);
        for candidate in issuers.iter().filter_map(|issuer| self.anchors.get(issuer)).flatten() {
            match self.leads_to(shown, &candidate.anchor) {
                Ok(()) if keys.contains(&candidate.key) => {}
                Ok(()) => keys.push(candidate.key),
                Err(found) => {
                    // Any other finding says more than "unknown issuer".
                    if !matches!(failed, Some(ref known) if *known != webpki::Error::UnknownIssuer) {
                        failed = Some(found);
                    }
                }
            }
        }
        (keys, failed)
    }

    /// Whether the chain verifies in this CA, for the end at which it was shown.
    fn leads_to(&self, shown: &Shown<'_, '_>, anchor: &TrustAnchor<'_>) -> Result<(), webpki::Error> {
        let serves = || shown.names.iter().any(|name| self.server_usage_suffices.contains(name));
        match (shown.side, self.leads_to_for(shown, anchor, shown.side)) {
            (Side::Inbound, Err(found)) if check_of(&found) == Check::Purpose && serves() => {
                self.leads_to_for(shown, anchor, Side::Outbound)
            }
            (_, outcome) => outcome,
        }
    }

    fn leads_to_for(
        &self,
        shown: &Shown<'_, '_>,
        anchor: &TrustAnchor<'_>,
        side: Side,
    ) -> Result<(), webpki::Error> {
        let usage = match side {
            Side::Inbound => KeyUsage::client_auth(),
            Side::Outbound => KeyUsage::server_auth(),
        };
        let lists: Vec<&CertRevocationList<'_>> = self.revocation_lists.iter().collect();
        // A CA without a list of its own is not checked for revocation.
        let revocation = RevocationOptionsBuilder::new(&lists).ok().map(|builder| {
            builder
                .with_status_policy(UnknownStatusPolicy::Allow)
                .with_expiration_policy(match self.crl_expiry {
                    CrlExpiry::Error => ExpirationPolicy::Enforce,
                    CrlExpiry::Ignore => ExpirationPolicy::Ignore,
                })
                .build()
        });
        let anchors = std::slice::from_ref(anchor);
        let Shown { parsed, rest, now, .. } = shown;
        parsed.verify_for_usage(self.algorithms, anchors, rest, *now, usage, revocation, None).map(|_| ())
    }
}

/// What is to be checked.
struct Shown<'c, 'a> {
    parsed: EndEntityCert<'a>,
    rest: &'a [CertificateDer<'c>],
    side: Side,
    now: UnixTime,
    names: &'a [Domain],
}

fn moment(now: UnixTime) -> Moment {
    Moment::from_millis(now.as_secs().saturating_mul(1000))
}

/// Which of our checks a finding of the library belongs to.
fn check_of(error: &webpki::Error) -> Check {
    use webpki::Error as E;
    match error {
        E::CertExpired { .. } | E::InvalidCertValidity => Check::Expired,
        E::CertNotValidYet { .. } => Check::NotYetValid,
        E::UnknownIssuer => Check::UnknownIssuer,
        E::RequiredEkuNotFoundContext(_) | E::EmptyEkuExtension => Check::Purpose,
        E::CertRevoked => Check::Revoked,
        E::CrlExpired { .. } | E::UnknownRevocationStatus => Check::RevocationListExpired,
        E::InvalidSignatureForPublicKey
        | E::InvalidCrlSignatureForPublicKey
        | E::SignatureAlgorithmMismatch
        | E::UnsupportedSignatureAlgorithmContext(_)
        | E::UnsupportedSignatureAlgorithmForPublicKeyContext(_)
        | E::UnsupportedCrlSignatureAlgorithmContext(_)
        | E::UnsupportedCrlSignatureAlgorithmForPublicKeyContext(_) => Check::Signature,
        E::BadDer
        | E::BadDerTime
        | E::TrailingData(_)
        | E::MalformedExtensions
        | E::UnsupportedCertVersion => Check::Unreadable,
        _ => Check::Chain,
    }
}

/// The system's time in the form that the check takes.
pub(super) fn wall_clock() -> UnixTime {
    let since = std::time::SystemTime::now().duration_since(std::time::SystemTime::UNIX_EPOCH);
    UnixTime::since_unix_epoch(since.unwrap_or(Duration::ZERO))
}
