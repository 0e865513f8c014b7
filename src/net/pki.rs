//! Certificates: making a private CA, issuing, and saying in plain words what a certificate holds.
//!
//! Providers that federate need certificates that are good for both directions (serverAuth and
//! clientAuth), which public CAs no longer issue. So a node carries a small CA of its own:
//! `causeway cert` writes it to a directory, `causeway demo` and the tests keep it in memory. All
//! keys are ECDSA P-256. Whether a certificate is *trusted* is decided in [`super::tls`].

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CustomExtension, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams,
    SerialNumber,
};
use rustls_pki_types::CertificateDer;
use zeroize::Zeroizing;

use super::certificate::{FactsError, certificates_of_pem, facts, pin_text};
use crate::imps::{DateTime, Domain};

/// Life of a CA: ten years.
const CA_SECONDS: i64 = 3650 * 86_400;
/// Life of a leaf: one year.
const LEAF_SECONDS: i64 = 365 * 86_400;
/// How far certificates are dated back, so that a peer whose clock is late takes them at once.
const BACKDATED_SECONDS: i64 = 3600;

/// A date in the form that rcgen takes, 1970 or later. A macro, for the type has no name in rcgen.
macro_rules! offset {
    ($date:expr) => {
        rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(u64::try_from($date.unix()).unwrap_or(0))
    };
}
/// Why a certificate was not made.
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    /// The file is there already and was not to be replaced.
    #[error("{} exists already; --force replaces it", .0.display())]
    Exists(PathBuf),
    /// The directory holds no CA.
    #[error("{} holds no CA (ca.pem and ca.key); `causeway cert ca {}` makes one", .0.display(), .0.display())]
    NoAuthority(PathBuf),
    /// A file could not be read or written.
    #[error("{}: {found}", file.display())]
    File {
        /// Which.
        file: PathBuf,
        /// What the system said.
        found: io::Error,
    },
    /// A certificate was asked for that names nothing.
    #[error("a certificate must name at least one domain")]
    NoName,
    /// The CA's files cannot be used, or the certificate could not be made.
    #[error("certificate could not be made: {0}")]
    Making(#[from] rcgen::Error),
    /// What was given is no certificate.
    #[error(transparent)]
    Reading(#[from] FactsError),
}

/// What a leaf certificate is for, and when.
#[derive(Clone, Debug)]
pub struct LeafOptions {
    /// Good for answering connections (serverAuth).
    pub server: bool,
    /// Good for making connections (clientAuth).
    pub client: bool,
    /// First second of validity.
    pub not_before: DateTime,
    /// Last second of validity.
    pub not_after: DateTime,
    /// Name the domains as SRVName `_imps-server.DOMAIN` instead of dNSName.
    pub srv_names: bool,
}

impl LeafOptions {
    /// What peers need: both directions, one year from now, dNSNames.
    pub fn at(now: DateTime) -> Self {
        Self {
            server: true,
            client: true,
            not_before: DateTime::from_unix(now.unix() - BACKDATED_SECONDS),
            not_after: DateTime::from_unix(now.unix() + LEAF_SECONDS),
            srv_names: false,
        }
    }
}

impl Default for LeafOptions {
    /// [`LeafOptions::at`] the system's time.
    fn default() -> Self {
        Self::at(now())
    }
}

/// A certificate with its key, both PEM.
#[derive(Clone)]
pub struct Issued {
    /// The certificate alone, without its issuers.
    pub certificate_pem: String,
    /// Its private key, PKCS #8.
    pub key_pem: Zeroizing<String>,
}

/// A certificate authority with its key.
pub struct Authority {
    certificate_pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// A new CA of this name, ten years from now.
    pub fn new(name: &str) -> Result<Self, PkiError> {
        let (params, key) = ca_params(name, now())?;
        let certificate_pem = params.self_signed(&key)?.pem();
        Ok(Self { certificate_pem, issuer: Issuer::new(params, key) })
    }

    /// Another CA below this one.
    pub fn intermediate(&self, name: &str) -> Result<Self, PkiError> {
        let (mut params, key) = ca_params(name, now())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        let certificate_pem = params.signed_by(&key, &self.issuer)?.pem();
        Ok(Self { certificate_pem, issuer: Issuer::new(params, key) })
    }

    /// The CA that [`create_ca`] wrote to this directory.
    pub fn load(dir: &Path) -> Result<Self, PkiError> {
        let (certificate, key) = (dir.join("ca.pem"), dir.join("ca.key"));
        if !certificate.exists() || !key.exists() {
            return Err(PkiError::NoAuthority(dir.to_owned()));
        }
        let read = |file: &Path| {
            fs::read_to_string(file).map_err(|found| PkiError::File { file: file.to_owned(), found })
        };
        let certificate_pem = read(&certificate)?;
        let key_pem = Zeroizing::new(read(&key)?);
        let issuer = Issuer::from_ca_cert_pem(&certificate_pem, KeyPair::from_pem(&key_pem)?)?;
        Ok(Self { certificate_pem, issuer })
    }

    /// The CA's own certificate, PEM.
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// A leaf certificate with a new key for these names.
    pub fn issue(&self, names: &[Domain], options: &LeafOptions) -> Result<Issued, PkiError> {
        let first = names.first().ok_or(PkiError::NoName)?;
        let key = KeyPair::generate()?;
        let mut params = if options.srv_names {
            let mut params = CertificateParams::default();
            params.custom_extensions.push(srv_names(names));
            params
        } else {
            let names: Vec<String> = names.iter().map(ToString::to_string).collect();
            CertificateParams::new(names)?
        };
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, common_name(first.as_str()));
        (params.not_before, params.not_after) = (offset!(options.not_before), offset!(options.not_after));
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = [
            (options.server, ExtendedKeyUsagePurpose::ServerAuth),
            (options.client, ExtendedKeyUsagePurpose::ClientAuth),
        ]
        .into_iter()
        .filter_map(|(wanted, usage)| wanted.then_some(usage))
        .collect();
        params.use_authority_key_identifier_extension = true;
        let certificate_pem = params.signed_by(&key, &self.issuer)?.pem();
        Ok(Issued { certificate_pem, key_pem: Zeroizing::new(key.serialize_pem()) })
    }

    /// A certificate revocation list (PEM) that holds these certificates (PEM), issued an hour ago
    /// and good until `next_update`.
    pub fn revocation_list(&self, revoked: &[&str], next_update: DateTime) -> Result<String, PkiError> {
        let this_update = offset!(DateTime::from_unix(next_update.unix().min(now().unix()) - 3600));
        let mut revoked_certs = Vec::new();
        for pem in revoked {
            for der in certificates_of_pem(pem.as_bytes())? {
                revoked_certs.push(RevokedCertParams {
                    serial_number: SerialNumber::from(facts(&der)?.serial),
                    revocation_time: this_update,
                    reason_code: None,
                    invalidity_date: None,
                });
            }
        }
        let list = CertificateRevocationListParams {
            this_update,
            next_update: offset!(next_update),
            crl_number: SerialNumber::from(u64::try_from(now().unix()).unwrap_or(1)),
            issuing_distribution_point: None,
            revoked_certs,
            key_identifier_method: KeyIdMethod::Sha256,
        };
        Ok(list.signed_by(&self.issuer)?.pem()?)
    }
}

/// Makes a CA in `dir`: `ca.pem` and `ca.key` (mode 0600), ten years. The directory is made if
/// need be; files that are there are kept unless `force`.
pub fn create_ca(dir: &Path, force: bool) -> Result<Vec<PathBuf>, PkiError> {
    let (certificate, key_file) = (dir.join("ca.pem"), dir.join("ca.key"));
    absent(&[&certificate, &key_file], force)?;
    fs::create_dir_all(dir).map_err(|found| PkiError::File { file: dir.to_owned(), found })?;
    let (mut params, key) = ca_params("Causeway CA", now())?;
    // Two providers that exchange their CAs can tell them apart by name.
    let hash = super::certificate::key_hash(&rcgen::PublicKeyData::subject_public_key_info(&key));
    let tail: String = pin_text(&hash).chars().filter(char::is_ascii_alphanumeric).skip(6).take(8).collect();
    params.distinguished_name.push(DnType::CommonName, format!("Causeway CA {tail}"));
    let key_pem = Zeroizing::new(key.serialize_pem());
    write(&key_file, key_pem.as_bytes(), 0o600)?;
    write(&certificate, params.self_signed(&key)?.pem().as_bytes(), 0o644)?;
    Ok(vec![certificate, key_file])
}

/// Issues a certificate for these domains from the CA in `dir`: `DOMAIN.pem` (the leaf) and
/// `DOMAIN.key` (mode 0600), named after the first; one year, both directions.
pub fn issue(dir: &Path, domains: &[Domain], force: bool) -> Result<Vec<PathBuf>, PkiError> {
    let first = domains.first().ok_or(PkiError::NoName)?;
    let (certificate, key) = (dir.join(format!("{first}.pem")), dir.join(format!("{first}.key")));
    let authority = Authority::load(dir)?;
    absent(&[&certificate, &key], force)?;
    let issued = authority.issue(domains, &LeafOptions::default())?;
    write(&key, issued.key_pem.as_bytes(), 0o600)?;
    write(&certificate, issued.certificate_pem.as_bytes(), 0o644)?;
    Ok(vec![certificate, key])
}

/// The system's time; certificates are dated by it.
fn now() -> DateTime {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    DateTime::from_unix(i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}

/// X.520 allows 64 characters for a common name; the names that count stand in the extension.
fn common_name(name: &str) -> String {
    name.chars().take(64).collect()
}

fn ca_params(name: &str, now: DateTime) -> Result<(CertificateParams, KeyPair), PkiError> {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name(name));
    params.not_before = offset!(DateTime::from_unix(now.unix() - BACKDATED_SECONDS));
    params.not_after = offset!(DateTime::from_unix(now.unix() + CA_SECONDS));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(1));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok((params, KeyPair::generate()?))
}

/// A subjectAltName extension of SRVNames (RFC 4985 §2): otherName { id-on-dnsSRV, [0] IA5String }.
fn srv_names(names: &[Domain]) -> CustomExtension {
    /// DER with a definite length; contents here stay far below 65 536 octets.
    fn tagged(tag: u8, content: &[u8]) -> Vec<u8> {
        let length = u16::try_from(content.len()).unwrap_or(u16::MAX);
        let mut out = vec![tag];
        match length.to_be_bytes() {
            [0, low] if low < 0x80 => out.push(low),
            [0, low] => out.extend([0x81, low]),
            [high, low] => out.extend([0x82, high, low]),
        }
        out.extend_from_slice(content);
        out
    }
    const ID_ON_DNS_SRV: [u8; 10] = [0x06, 0x08, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x08, 0x07];
    let mut list = Vec::new();
    for name in names {
        let text = tagged(0x16, format!("_imps-server.{name}").as_bytes());
        let other = [ID_ON_DNS_SRV.to_vec(), tagged(0xa0, &text)].concat();
        list.extend(tagged(0xa0, &other));
    }
    CustomExtension::from_oid_content(&[2, 5, 29, 17], tagged(0x30, &list))
}

fn absent(files: &[&Path], force: bool) -> Result<(), PkiError> {
    match files.iter().find(|file| !force && file.exists()) {
        Some(file) => Err(PkiError::Exists((*file).to_owned())),
        None => Ok(()),
    }
}

/// Writes beside the file and renames, so that no reader sees half a key.
fn write(file: &Path, content: &[u8], mode: u32) -> Result<(), PkiError> {
    let failed = |found| PkiError::File { file: file.to_owned(), found };
    let mut beside = file.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    let _ = fs::remove_file(&beside);
    let mut opened =
        fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(&beside).map_err(failed)?;
    opened.write_all(content).and_then(|()| opened.sync_all()).map_err(failed)?;
    fs::rename(&beside, file).map_err(failed)
}

/// The certificates of an issued leaf, DER.
impl Issued {
    /// The certificate, DER.
    pub fn certificate(&self) -> Result<CertificateDer<'static>, PkiError> {
        certificates_of_pem(self.certificate_pem.as_bytes())?
            .into_iter()
            .next()
            .ok_or(PkiError::Reading(FactsError::Empty))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::super::certificate::show;
    use super::*;

    fn domains(names: &[&str]) -> Vec<Domain> {
        names.iter().map(|name| name.parse().unwrap()).collect()
    }

    fn scratch(name: &str) -> PathBuf {
        let dir = std::env::temp_dir().join(format!("causeway-pki-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        dir
    }

    #[test]
    fn a_ca_on_disk_issues_leaves_that_say_what_they_are_for() {
        let dir = scratch("issue");
        create_ca(&dir, false).unwrap();
        let files = issue(&dir, &domains(&["north.example", "im.north.example"]), false).unwrap();
        assert_eq!(files, [dir.join("north.example.pem"), dir.join("north.example.key")]);
        let mode = |file: &str| fs::metadata(dir.join(file)).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode("ca.key"), mode("north.example.key")), (0o600, 0o600));

        let shown = show(&files[0], now()).unwrap();
        let leaf = &shown.certificates[0];
        assert_eq!(leaf.names, domains(&["north.example", "im.north.example"]));
        assert_eq!(leaf.purposes, ["serverAuth", "clientAuth"]);
        assert!(leaf.issuer.starts_with("CN=Causeway CA "), "{}", leaf.issuer);
        assert_eq!(leaf.not_after.unix() - leaf.not_before.unix(), LEAF_SECONDS + BACKDATED_SECONDS);
        let text = shown.to_string();
        assert!(text.contains("certificate of CN=north.example, signed by a CA"), "{text}");
        assert!(text.contains("364 days left") || text.contains("365 days left"), "{text}");
        assert!(text.contains("key pin    sha256/"), "{text}");
        fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn files_that_exist_are_kept_unless_forced() {
        let dir = scratch("force");
        create_ca(&dir, false).unwrap();
        let before = fs::read(dir.join("ca.key")).unwrap();
        assert!(matches!(create_ca(&dir, false), Err(PkiError::Exists(_))));
        assert_eq!(fs::read(dir.join("ca.key")).unwrap(), before);
        create_ca(&dir, true).unwrap();
        assert_ne!(fs::read(dir.join("ca.key")).unwrap(), before);

        issue(&dir, &domains(&["a.example"]), false).unwrap();
        let refused = issue(&dir, &domains(&["a.example"]), false).unwrap_err();
        assert!(refused.to_string().ends_with("a.example.pem exists already; --force replaces it"));
        issue(&dir, &domains(&["a.example"]), true).unwrap();
        fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn without_a_ca_the_error_says_how_to_make_one() {
        let dir = scratch("none");
        let refused = issue(&dir, &domains(&["a.example"]), false).unwrap_err();
        assert!(refused.to_string().contains("`causeway cert ca "), "{refused}");
        assert!(matches!(
            Authority::new("ca").unwrap().issue(&[], &LeafOptions::default()),
            Err(PkiError::NoName)
        ));
    }
}
