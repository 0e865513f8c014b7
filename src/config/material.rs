//! The files that settings name: certificates, keys, CAs, revocation lists, the token.
//!
//! They are looked at while their place in the configuration is at hand, so that `check` and `serve` tell
//! every mistake with its line before anything is bound.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls_pki_types::pem::{self, PemObject as _};
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use zeroize::Zeroizing;

use super::node_file::PlacedPair;
use super::settings::{CrlExpiry, KeyPair, Token, TrustAnchors};
use super::source::Placed;
use crate::imps::agreement::KeyHash;
use crate::imps::{DateTime, Domain};
use crate::net::certificate::{Facts, certificates_of_pem, facts};
use crate::net::discover::check_trust_anchors;
use crate::store::seal::{self, SealError, Sealer};

/// Largest file of the configuration that is read, octets.
pub(super) const FILE_OCTETS_MAX: u64 = 16 * 1024 * 1024;
/// How long before its end a certificate is warned about.
const WARNED_DAYS: i64 = 30;
const DAY_SECONDS: i64 = 86_400;
/// Shortest token that is not guessed.
const TOKEN_OCTETS_MIN: usize = 16;

const CERTIFICATE: &str = "a PEM file with the certificate chain, leaf first";
const KEY: &str = "a PEM file with the private key of the certificate";
const TRUST: &str = "a PEM file with CA certificates";
const CRL: &str = "a file with revocation lists, PEM or DER";
const FRESH: &str = "a certificate that is valid now";
const ANCHORS: &str = "a file of DNSKEY records, one a line: . IN DNSKEY 257 3 13 BASE64";
const TOKEN: &str = "a file with one word of at least 16 visible ASCII characters";
const SECRET: &str = "a file of 32 octets, or none yet";

/// What a certificate must be good for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// Answering clients.
    Clients,
    /// Answering and calling peers.
    Peers,
}

/// Looks at files at one moment.
pub(super) struct Inspector {
    now: DateTime,
    provider: Arc<CryptoProvider>,
}

impl Inspector {
    pub(super) fn new(now: DateTime) -> Self {
        Self { now, provider: Arc::new(rustls::crypto::aws_lc_rs::default_provider()) }
    }

    /// A certificate of ours with its key: readable, a pair, naming these domains, in its dates. Gives
    /// its end too, unless it cannot be read.
    pub(super) fn pair(
        &self,
        pair: &PlacedPair,
        domains: &[&Domain],
        used: Use,
    ) -> (KeyPair, Option<DateTime>) {
        let (chain, ends) = self.chain(&pair.certificate, domains, used).unzip();
        let key = key(&pair.key);
        if let (Some(chain), Some(key)) = (chain, key)
            && let Err(wrong) = rustls::sign::CertifiedKey::from_der(chain, key, &self.provider)
        {
            match wrong {
                rustls::Error::InconsistentKeys(_) => {
                    let certificate = pair.certificate.value.display();
                    pair.key
                        .place
                        .error(format_args!("is not the key of the certificate in {certificate}"), KEY);
                }
                other => pair.key.place.error(format_args!("cannot be used: {other}"), KEY),
            }
        }
        (KeyPair { certificate: pair.certificate.value.clone(), key: pair.key.value.clone() }, ends)
    }

    fn chain(
        &self,
        file: &Placed<PathBuf>,
        domains: &[&Domain],
        used: Use,
    ) -> Option<(Vec<CertificateDer<'static>>, DateTime)> {
        let (chain, all) = certificates(file, CERTIFICATE)?;
        let leaf = all.first()?;
        for domain in domains.iter().filter(|domain| !leaf.names.contains(domain)) {
            let names = leaf.names.iter().map(Domain::as_str).collect::<Vec<_>>().join(", ");
            let names = if names.is_empty() { "nothing".to_owned() } else { names };
            file.place.error(
                format_args!("names {names}, but not {domain}"),
                "a certificate with each of its domains as dNSName, or _imps-server.DOMAIN as SRVName",
            );
        }
        if let Some(text) = self.ended(leaf) {
            file.place.error(text, FRESH);
        } else if let Some(text) = self.ending(leaf) {
            file.place.warning(text, FRESH);
        }
        let good_for = |purpose: &str| {
            leaf.purposes.is_empty() || leaf.purposes.iter().any(|found| found == purpose || found == "any")
        };
        if !good_for("serverAuth") {
            file.place
                .error("has no serverAuth purpose: nobody can connect here", "serverAuth and clientAuth");
        }
        if used == Use::Peers && !good_for("clientAuth") {
            file.place.warning(
                "has no clientAuth purpose: most peers refuse it when this node calls them",
                "serverAuth and clientAuth",
            );
        }
        Some((chain, leaf.not_after))
    }

    fn ended(&self, facts: &Facts) -> Option<String> {
        if facts.not_after < self.now {
            Some(format!("ended on {}", facts.not_after))
        } else if self.now < facts.not_before {
            Some(format!("is not valid before {}", facts.not_before))
        } else {
            None
        }
    }

    fn ending(&self, facts: &Facts) -> Option<String> {
        let days = (facts.not_after.unix() - self.now.unix()) / DAY_SECONDS;
        (days < WARNED_DAYS).then(|| format!("ends on {}, in {days} days", facts.not_after))
    }

    /// Keys of the CAs in a file: all of them, for an old one beside its successor does no harm; at least
    /// one must be in its dates.
    pub(super) fn trust(&self, file: &Placed<PathBuf>) -> Vec<KeyHash> {
        let Some((_, all)) = certificates(file, TRUST) else { return Vec::new() };
        let valid: Vec<&Facts> = all.iter().filter(|facts| self.ended(facts).is_none()).collect();
        match (valid.as_slice(), all.first()) {
            ([], Some(first)) => {
                file.place.error(self.ended(first).unwrap_or_default(), "CA certificates that are valid now");
            }
            (valid, _) => {
                if let Some(text) = valid.iter().find_map(|facts| self.ending(facts)) {
                    file.place.warning(format_args!("one of its certificates {text}"), FRESH);
                }
            }
        }
        if let Some(other) = all.iter().find(|facts| !facts.authority) {
            file.place.warning(
                format_args!(
                    "{} is not the certificate of a CA: a chain ends in it only if it is the leaf itself",
                    other.subject
                ),
                TRUST,
            );
        }
        all.iter().map(|facts| facts.key).collect()
    }

    /// Revocation lists: readable and, unless that is to be ignored, fresh.
    pub(super) fn crls(&self, file: &Placed<PathBuf>, expiry: CrlExpiry) {
        let Some(octets) = read(file, CRL) else { return };
        let mut lists: Vec<CertificateRevocationListDer<'_>> = Vec::new();
        for list in CertificateRevocationListDer::pem_slice_iter(&octets) {
            match list {
                Ok(list) => lists.push(list),
                Err(wrong) => return file.place.error(format_args!("is no PEM: {wrong}"), CRL),
            }
        }
        if lists.is_empty() {
            lists.push(CertificateRevocationListDer::from(octets.as_slice()));
        }
        for list in &lists {
            let Ok((_, parsed)) = x509_parser::parse_x509_crl(list) else {
                return file.place.error("holds no revocation list", CRL);
            };
            let Some(next) = parsed.next_update() else { continue };
            let next = DateTime::from_unix(next.timestamp());
            if self.now < next {
                continue;
            }
            let text = format!("the list of {} should have been renewed by {next}", parsed.issuer());
            match expiry {
                CrlExpiry::Error => file.place.error(text, "fresh lists, or crl-expiry = \"ignore\""),
                CrlExpiry::Ignore => file.place.warning(text, "fresh lists"),
            }
        }
    }
}

/// The token of the admin listener.
pub(super) fn token(file: &Placed<PathBuf>) -> Option<Token> {
    let octets = Zeroizing::new(read(file, TOKEN)?);
    let word = std::str::from_utf8(&octets).unwrap_or_default().trim();
    if word.len() < TOKEN_OCTETS_MIN || !word.bytes().all(|b| b.is_ascii_graphic()) {
        file.place.error("holds no good token", TOKEN);
        return None;
    }
    warn_if_exposed(file);
    Some(Token::new(word.to_owned()))
}

/// The keys with which validation of DNS begins.
pub(super) fn trust_anchors(file: &Placed<PathBuf>) -> Option<TrustAnchors> {
    let octets = read(file, ANCHORS)?;
    let text = std::str::from_utf8(&octets).unwrap_or_default();
    if let Err(wrong) = check_trust_anchors(text) {
        file.place.error(format_args!("cannot be used: {wrong}"), ANCHORS);
        return None;
    }
    Some(TrustAnchors { file: file.value.clone(), text: text.into() })
}

/// The folder for data may be missing yet; the secret key too.
pub(super) fn data(folder: &Placed<PathBuf>, secret_key: &Placed<PathBuf>) {
    if folder.value.exists() && !folder.value.is_dir() {
        folder.place.error("is no directory", "a directory; it is made at first use");
    }
    if !secret_key.value.exists() {
        return;
    }
    match Sealer::read(&secret_key.value) {
        Ok(_) => warn_if_exposed(secret_key),
        Err(SealError::Length { found, .. }) => {
            secret_key.place.error(format_args!("has {found} octets or more"), SECRET);
        }
        Err(SealError::File { cause, .. }) => {
            secret_key.place.error(format_args!("cannot be read: {cause}"), SECRET);
        }
        Err(other) => secret_key.place.error(other, SECRET),
    }
}

fn warn_if_exposed(file: &Placed<PathBuf>) {
    if seal::is_exposed(&file.value).unwrap_or(false) {
        file.place.warning("others than its owner may read this secret", "mode 0600");
    }
}

fn key(file: &Placed<PathBuf>) -> Option<PrivateKeyDer<'static>> {
    let octets = Zeroizing::new(read(file, KEY)?);
    match PrivateKeyDer::from_pem_slice(&octets) {
        Ok(key) => {
            warn_if_exposed(file);
            Some(key)
        }
        Err(pem::Error::NoItemsFound) => {
            file.place.error("holds no private key", KEY);
            None
        }
        Err(wrong) => {
            file.place.error(format_args!("is no PEM: {wrong}"), KEY);
            None
        }
    }
}

type Certificates = (Vec<CertificateDer<'static>>, Vec<Facts>);

fn certificates(file: &Placed<PathBuf>, allowed: &str) -> Option<Certificates> {
    let octets = read(file, allowed)?;
    let found = certificates_of_pem(&octets)
        .and_then(|chain| chain.iter().map(facts).collect::<Result<_, _>>().map(|facts| (chain, facts)));
    match found {
        Ok(found) => Some(found),
        Err(wrong) => {
            file.place.error(wrong, allowed);
            None
        }
    }
}

fn read(file: &Placed<PathBuf>, allowed: &str) -> Option<Vec<u8>> {
    match read_bounded(&file.value) {
        Ok(octets) => Some(octets),
        Err(cause) => {
            file.place.error(format_args!("cannot be read: {cause}"), allowed);
            None
        }
    }
}

/// Reads a whole file, but no more than any configuration needs.
pub(super) fn read_bounded(path: &Path) -> std::io::Result<Vec<u8>> {
    if fs::metadata(path)?.is_dir() {
        return Err(std::io::Error::other("is a directory"));
    }
    let mut octets = Vec::new();
    File::open(path)?.take(FILE_OCTETS_MAX + 1).read_to_end(&mut octets)?;
    if octets.len() as u64 > FILE_OCTETS_MAX {
        return Err(std::io::Error::other(format!("is larger than {FILE_OCTETS_MAX} octets")));
    }
    Ok(octets)
}
