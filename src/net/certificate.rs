//! What a certificate says, read once and put into plain words.
//!
//! The names here are what the certificate *claims*; whether to believe it is decided by
//! [`super::tls::Trust`]. Identity never comes from the common name.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use sha2::{Digest as _, Sha256};
use x509_parser::asn1_rs::{Any, FromDer as _, Tag};
use x509_parser::extensions::GeneralName;
use x509_parser::parse_x509_certificate;

use crate::imps::agreement::KeyHash;
use crate::imps::{DateTime, Domain};

/// id-on-dnsSRV (RFC 4985 §2).
const ID_ON_DNS_SRV: &str = "1.3.6.1.5.5.7.8.7";
/// How an SRVName for SSP begins (reference ssp-transport §3.5).
const SRV_SERVICE: &str = "_imps-server.";
/// Largest file that is taken for certificates, octets.
const FILE_OCTETS_MAX: u64 = 16 * 1024 * 1024;

/// Why a certificate could not be read.
#[derive(Debug, thiserror::Error)]
pub enum FactsError {
    /// The file could not be read.
    #[error("{}: {found}", file.display())]
    File {
        /// Which.
        file: PathBuf,
        /// What the system said.
        found: io::Error,
    },
    /// No `-----BEGIN CERTIFICATE-----` in it.
    #[error("holds no certificate")]
    Empty,
    /// Not PEM where it should be.
    #[error("is no PEM: {0}")]
    Pem(String),
    /// Not a certificate after all.
    #[error("is no X.509 certificate: {0}")]
    Certificate(String),
    /// Not of the form `sha256/BASE64` with 32 octets.
    #[error("{0:?} is no pin; allowed: sha256/ and 44 characters of BASE64")]
    Pin(String),
}

/// What one certificate says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The holder as the certificate calls it: `CN=north.example`.
    pub subject: String,
    /// Who signed it.
    pub issuer: String,
    /// dNSNames and the domains of `_imps-server.` SRVNames that are domains; no wildcards.
    pub names: Vec<Domain>,
    /// First second of validity.
    pub not_before: DateTime,
    /// Last second of validity.
    pub not_after: DateTime,
    /// SHA-256 of the SubjectPublicKeyInfo: what a pin names.
    pub key: KeyHash,
    /// May sign other certificates.
    pub authority: bool,
    /// Extended key usages; empty means any use.
    pub purposes: Vec<String>,
    /// Serial number, big-endian.
    pub serial: Vec<u8>,
    /// Whether the holder signed it itself, by name.
    pub self_signed: bool,
}

/// SHA-256 of a SubjectPublicKeyInfo (DER).
pub fn key_hash(subject_public_key_info: &[u8]) -> KeyHash {
    Sha256::digest(subject_public_key_info).into()
}

/// A pin as `peers.toml` writes it: `sha256/BASE64`.
pub fn pin_text(key: &KeyHash) -> String {
    format!("sha256/{}", STANDARD.encode(key))
}

/// Reads a pin of `peers.toml`.
pub fn parse_pin(text: &str) -> Result<KeyHash, FactsError> {
    text.strip_prefix("sha256/")
        .and_then(|encoded| STANDARD.decode(encoded).ok())
        .and_then(|octets| KeyHash::try_from(octets).ok())
        .ok_or_else(|| FactsError::Pin(text.to_owned()))
}

/// All certificates of a PEM text, in its order; an error if there is none.
pub fn certificates_of_pem(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, FactsError> {
    let found: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|found| FactsError::Pem(found.to_string()))?;
    if found.is_empty() { Err(FactsError::Empty) } else { Ok(found) }
}

/// Hashes of the keys of all certificates of a PEM text: what `Agreement::trust` holds.
pub fn key_hashes_of_pem(pem: &[u8]) -> Result<Vec<KeyHash>, FactsError> {
    certificates_of_pem(pem)?.iter().map(|der| facts(der).map(|facts| facts.key)).collect()
}

/// The SubjectPublicKeyInfo of a certificate, DER.
pub fn subject_public_key_info(certificate: &CertificateDer<'_>) -> Result<Vec<u8>, FactsError> {
    let (_, parsed) =
        parse_x509_certificate(certificate).map_err(|found| FactsError::Certificate(found.to_string()))?;
    Ok(parsed.public_key().raw.to_vec())
}

/// Reads one certificate.
pub fn facts(certificate: &CertificateDer<'_>) -> Result<Facts, FactsError> {
    let (_, parsed) =
        parse_x509_certificate(certificate).map_err(|found| FactsError::Certificate(found.to_string()))?;
    let mut names = Vec::new();
    if let Ok(Some(extension)) = parsed.subject_alternative_name() {
        for name in &extension.value.general_names {
            let domain = match name {
                GeneralName::DNSName(text) => text.parse().ok(),
                GeneralName::OtherName(oid, value) if oid.to_id_string() == ID_ON_DNS_SRV => srv_name(value),
                _ => None,
            };
            if let Some(domain) = domain.filter(|domain| !names.contains(domain)) {
                names.push(domain);
            }
        }
    }
    let mut purposes = Vec::new();
    if let Ok(Some(usage)) = parsed.extended_key_usage() {
        let known = [
            (usage.value.any, "any"),
            (usage.value.server_auth, "serverAuth"),
            (usage.value.client_auth, "clientAuth"),
            (usage.value.code_signing, "codeSigning"),
            (usage.value.email_protection, "emailProtection"),
            (usage.value.time_stamping, "timeStamping"),
            (usage.value.ocsp_signing, "OCSPSigning"),
        ];
        purposes.extend(known.iter().filter(|(on, _)| *on).map(|(_, word)| (*word).to_owned()));
        purposes.extend(usage.value.other.iter().map(x509_parser::asn1_rs::Oid::to_id_string));
    }
    Ok(Facts {
        subject: parsed.subject().to_string(),
        issuer: parsed.issuer().to_string(),
        names,
        not_before: DateTime::from_unix(parsed.validity().not_before.timestamp()),
        not_after: DateTime::from_unix(parsed.validity().not_after.timestamp()),
        key: key_hash(parsed.public_key().raw),
        authority: parsed.is_ca(),
        purposes,
        serial: parsed.raw_serial().to_vec(),
        self_signed: parsed.subject().as_raw() == parsed.issuer().as_raw(),
    })
}

/// The domain of `[0] EXPLICIT IA5String "_imps-server.DOMAIN"`; UTF8String is taken too.
fn srv_name(value: &[u8]) -> Option<Domain> {
    let (_, explicit) = Any::from_der(value).ok()?;
    let (_, text) = Any::from_der(explicit.data).ok()?;
    if !matches!(text.tag(), Tag::Ia5String | Tag::Utf8String) {
        return None;
    }
    std::str::from_utf8(text.data).ok()?.strip_prefix(SRV_SERVICE)?.parse().ok()
}

/// The certificates of a file and the moment at which they are looked at: prints as plain words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Leaf first, as the file has them.
    pub certificates: Vec<Facts>,
    /// Decides between "valid" and "expired".
    pub now: DateTime,
}

/// Reads a PEM file for people.
pub fn show(file: &Path, now: DateTime) -> Result<Shown, FactsError> {
    let failed = |found| FactsError::File { file: file.to_owned(), found };
    let length = fs::metadata(file).map_err(failed)?.len();
    if length > FILE_OCTETS_MAX {
        return Err(failed(io::Error::other(format!("{length} octets are too many for a certificate"))));
    }
    let pem = fs::read(file).map_err(failed)?;
    let certificates = certificates_of_pem(&pem)?.iter().map(facts).collect::<Result<_, _>>()?;
    Ok(Shown { certificates, now })
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, facts) in self.certificates.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            describe(f, facts, self.now)?;
        }
        Ok(())
    }
}

fn describe(f: &mut fmt::Formatter<'_>, facts: &Facts, now: DateTime) -> fmt::Result {
    let kind = match (facts.authority, facts.self_signed) {
        (true, true) => "a CA, signed by itself",
        (true, false) => "a CA below another",
        (false, true) => "signed by itself",
        (false, false) => "signed by a CA",
    };
    writeln!(f, "certificate of {}, {kind}", facts.subject)?;
    let names: Vec<&str> = facts.names.iter().map(Domain::as_str).collect();
    writeln!(f, "  names      {}", if names.is_empty() { "none".to_owned() } else { names.join(", ") })?;
    writeln!(f, "  issuer     {}", facts.issuer)?;
    let days = (facts.not_after.unix() - now.unix()) / 86_400;
    let state = if now < facts.not_before {
        "not valid yet".to_owned()
    } else if now > facts.not_after {
        format!("EXPIRED {} days ago", -days)
    } else {
        format!("{days} days left")
    };
    writeln!(f, "  valid      {} to {} ({state})", words(facts.not_before), words(facts.not_after))?;
    let purpose = if facts.authority {
        "signing certificates".to_owned()
    } else if facts.purposes.is_empty() {
        "any (the certificate does not limit it)".to_owned()
    } else {
        facts.purposes.join(", ")
    };
    writeln!(f, "  good for   {purpose}")?;
    if !facts.authority && !facts.purposes.is_empty() {
        for (purpose, without) in [
            ("serverAuth", "peers cannot verify it when they connect to us"),
            ("clientAuth", "peers refuse it when we connect to them"),
        ] {
            if !facts.purposes.iter().any(|found| found == purpose || found == "any") {
                writeln!(f, "             no {purpose}: {without}")?;
            }
        }
    }
    writeln!(f, "  key pin    {}", pin_text(&facts.key))
}

/// `22 November 2026, 17:29 UTC`.
fn words(date: DateTime) -> String {
    const MONTHS: [&str; 12] = [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ];
    let text = date.extended();
    let part = |range: std::ops::Range<usize>| text.get(range).unwrap_or_default();
    let month = part(5..7).parse::<usize>().ok().and_then(|month| MONTHS.get(month.wrapping_sub(1)));
    format!(
        "{} {} {}, {} UTC",
        part(8..10).trim_start_matches('0'),
        month.unwrap_or(&"?"),
        part(0..4),
        part(11..16)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::pki::{Authority, LeafOptions};

    fn leaf(options: &LeafOptions) -> Facts {
        let names: Vec<Domain> = ["north.example", "im.north.example"].map(|n| n.parse().unwrap()).into();
        let issued = Authority::new("Test CA").unwrap().issue(&names, options).unwrap();
        facts(&issued.certificate().unwrap()).unwrap()
    }

    #[test]
    fn names_come_from_dns_names_and_srv_names() {
        let names: Vec<Domain> = ["north.example", "im.north.example"].map(|n| n.parse().unwrap()).into();
        let with = |srv_names| leaf(&LeafOptions { srv_names, ..LeafOptions::default() }).names;
        assert_eq!((with(false), with(true)), (names.clone(), names));
    }

    #[test]
    fn a_pin_is_written_and_read() {
        let key = leaf(&LeafOptions::default()).key;
        assert_eq!(parse_pin(&pin_text(&key)).unwrap(), key);
        for wrong in ["", "sha256/", "sha256/AAAA", "md5/AAAA", &pin_text(&key)[7..]] {
            assert!(matches!(parse_pin(wrong), Err(FactsError::Pin(_))), "{wrong}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_certificate_is_said_in_words() {
        let now = DateTime::from_unix(1_800_000_000);
        let options = |before: i64, after: i64, client| LeafOptions {
            not_before: DateTime::from_unix(now.unix() + before * 86_400),
            not_after: DateTime::from_unix(now.unix() + after * 86_400),
            client,
            ..LeafOptions::default()
        };
        let text = |options| Shown { certificates: vec![leaf(&options)], now }.to_string();
        let expired = text(options(-10, -3, true));
        assert!(
            expired.contains(
                "valid      5 January 2027, 08:00 UTC to 12 January 2027, 08:00 UTC (EXPIRED 3 days ago)"
            ),
            "{expired}"
        );
        assert!(text(options(1, 2, true)).contains("(not valid yet)"));
        let server_only = text(options(-1, 1, false));
        assert!(
            server_only.contains("no clientAuth: peers refuse it when we connect to them"),
            "{server_only}"
        );
    }

    #[test]
    fn what_is_no_certificate_is_refused() {
        assert!(matches!(certificates_of_pem(b"hello"), Err(FactsError::Empty)));
        assert!(matches!(
            certificates_of_pem(b"-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n"),
            Err(FactsError::Pem(_))
        ));
        assert!(matches!(
            key_hashes_of_pem(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
            Err(FactsError::Certificate(_))
        ));
    }
}
