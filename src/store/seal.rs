//! Sealing of passwords.
//!
//! The 4-way login of CSP digests nonce and password, so the node must be able to read a password
//! again (decisions.md 37). It is therefore stored sealed: AES-256-GCM under the key in
//! `[node] secret-key`, with the user as associated data, so that a sealed password moved to another
//! user's row does not open. Whoever takes the database without the key file learns no password.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use zeroize::Zeroizing;

use crate::imps::UserId;

/// Octets of the key and of its file.
pub const KEY_OCTETS: usize = 32;
/// Longest password in octets; CSP knows no limit, a field of a form does.
pub const PASSWORD_OCTETS_MAX: usize = 1024;
/// First octet of what is sealed: the scheme, so that another can follow.
const SCHEME_AES_256_GCM: u8 = 1;

/// Why the key could not be had, or a password not be sealed or opened.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The key file could not be read or made.
    #[error("secret key {}: {cause}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// The key file has another length.
    #[error("secret key {}: has {found} octets, {KEY_OCTETS} are needed", path.display())]
    Length {
        /// Which file.
        path: PathBuf,
        /// Octets found, at most one more than wanted.
        found: usize,
    },
    /// The system gave no randomness, or the cipher refused its input.
    #[error("the cipher failed")]
    Cipher,
    /// Sealed with another key, for another user, or damaged.
    #[error("the stored password does not open with this secret key")]
    Broken,
}

/// Seals and opens passwords. `Debug` shows nothing of the key.
pub struct Sealer {
    key: RandomizedNonceKey,
}

impl Sealer {
    /// Reads the key file; makes it first (random, mode 0600, complete or not at all) if there is none.
    /// Two programs that do so at the same time end with the same key.
    pub fn open(path: &Path) -> Result<Self, SealError> {
        let fail = |cause| SealError::File { path: path.to_owned(), cause };
        match Self::read(path) {
            Err(SealError::File { cause, .. }) if cause.kind() == io::ErrorKind::NotFound => {
                make(path).map_err(fail)?;
                Self::read(path)
            }
            done => done,
        }
    }

    /// Reads an existing key file.
    pub fn read(path: &Path) -> Result<Self, SealError> {
        let fail = |cause| SealError::File { path: path.to_owned(), cause };
        let mut octets = Zeroizing::new(Vec::with_capacity(KEY_OCTETS + 1));
        let limit = u64::try_from(KEY_OCTETS + 1).unwrap_or(u64::MAX);
        File::open(path).map_err(fail)?.take(limit).read_to_end(&mut octets).map_err(fail)?;
        let key = <&[u8; KEY_OCTETS]>::try_from(octets.as_slice())
            .map_err(|_| SealError::Length { path: path.to_owned(), found: octets.len() })?;
        Self::from_key(key)
    }

    /// Uses this key.
    pub fn from_key(key: &[u8; KEY_OCTETS]) -> Result<Self, SealError> {
        let key = RandomizedNonceKey::new(&AES_256_GCM, key).map_err(|_| SealError::Cipher)?;
        Ok(Self { key })
    }

    /// Seals a password for this user (its spelling does not matter): scheme, nonce, ciphertext with tag.
    pub fn seal(&self, user: &UserId, password: &str) -> Result<Vec<u8>, SealError> {
        let mut body = Zeroizing::new(password.as_bytes().to_vec());
        let nonce = self
            .key
            .seal_in_place_append_tag(Aad::from(user.key()), &mut *body)
            .map_err(|_| SealError::Cipher)?;
        let mut sealed = Vec::with_capacity(1 + NONCE_LEN + body.len());
        sealed.push(SCHEME_AES_256_GCM);
        sealed.extend_from_slice(nonce.as_ref());
        sealed.extend_from_slice(&body);
        Ok(sealed)
    }

    /// Opens what [`Self::seal`] made for this user. The text is wiped when dropped.
    pub fn unseal(&self, user: &UserId, sealed: &[u8]) -> Result<Zeroizing<String>, SealError> {
        let (&scheme, rest) = sealed.split_first().ok_or(SealError::Broken)?;
        let (nonce, body) = rest.split_first_chunk::<NONCE_LEN>().ok_or(SealError::Broken)?;
        if scheme != SCHEME_AES_256_GCM {
            return Err(SealError::Broken);
        }
        let mut body = Zeroizing::new(body.to_vec());
        let plain = self
            .key
            .open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(user.key()), &mut body)
            .map_err(|_| SealError::Broken)?;
        std::str::from_utf8(plain).map(|text| Zeroizing::new(text.to_owned())).map_err(|_| SealError::Broken)
    }
}

impl std::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sealer")
    }
}

/// Whether others than the owner may read the file: worth a warning.
pub fn is_exposed(path: &Path) -> io::Result<bool> {
    Ok(fs::metadata(path)?.permissions().mode() & 0o077 != 0)
}

/// Writes a fresh key beside the path, syncs it, and links it into place unless another was quicker.
fn make(path: &Path) -> io::Result<()> {
    let mut key = Zeroizing::new([0_u8; KEY_OCTETS]);
    let mut suffix = [0_u8; 8];
    for buffer in [key.as_mut_slice(), suffix.as_mut_slice()] {
        aws_lc_rs::rand::fill(buffer).map_err(|_| io::Error::other("no randomness"))?;
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let mut draft = path.as_os_str().to_owned();
    draft.push(format!(".{:016x}", u64::from_ne_bytes(suffix)));
    let draft = PathBuf::from(draft);
    let written = (|| {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
        file.write_all(key.as_slice())?;
        file.sync_all()?;
        match fs::hard_link(&draft, path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ => File::open(folder)?.sync_all(),
        }
    })();
    let removed = fs::remove_file(&draft);
    written.and(removed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(text: &str) -> UserId {
        text.parse().unwrap()
    }

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("causeway-seal-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[test]
    fn a_sealed_password_opens_for_its_user_only() {
        let sealer = Sealer::from_key(&[7; 32]).unwrap();
        let ada = user("wv:Ada@north.example");
        let stored = sealer.seal(&ada, "geheim, söwas").unwrap();
        assert_eq!(sealer.unseal(&user("ada@NORTH.example"), &stored).unwrap().as_str(), "geheim, söwas");
        assert!(matches!(sealer.unseal(&user("wv:bob@north.example"), &stored), Err(SealError::Broken)));
        let other = Sealer::from_key(&[8; 32]).unwrap();
        assert!(matches!(other.unseal(&ada, &stored), Err(SealError::Broken)));
        assert_ne!(stored, sealer.seal(&ada, "geheim, söwas").unwrap(), "nonces differ");
    }

    #[test]
    fn damage_anywhere_is_found() {
        let sealer = Sealer::from_key(&[7; 32]).unwrap();
        let ada = user("wv:ada@north.example");
        let stored = sealer.seal(&ada, "x").unwrap();
        for place in 0..stored.len() {
            let mut damaged = stored.clone();
            damaged[place] ^= 1;
            assert!(matches!(sealer.unseal(&ada, &damaged), Err(SealError::Broken)), "octet {place}");
        }
        for length in 0..stored.len() {
            assert!(matches!(sealer.unseal(&ada, &stored[..length]), Err(SealError::Broken)));
        }
    }

    #[test]
    fn the_key_is_made_once_and_for_the_owner_only() {
        let folder = folder("made");
        let path = folder.join("deep/secret.key");
        let ada = user("wv:ada@north.example");
        let stored = Sealer::open(&path).unwrap().seal(&ada, "pw").unwrap();
        assert_eq!(Sealer::open(&path).unwrap().unseal(&ada, &stored).unwrap().as_str(), "pw");
        assert!(!is_exposed(&path).unwrap());
        assert_eq!(fs::read(&path).unwrap().len(), KEY_OCTETS);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "no draft is left");
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn many_who_make_the_key_at_once_get_the_same() {
        let folder = folder("race");
        let path = folder.join("secret.key");
        let ada = user("wv:ada@north.example");
        let stored: Vec<Vec<u8>> = std::thread::scope(|scope| {
            let makers: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| Sealer::open(&path).unwrap().seal(&ada, "pw").unwrap()))
                .collect();
            makers.into_iter().map(|maker| maker.join().unwrap()).collect()
        });
        let sealer = Sealer::read(&path).unwrap();
        assert!(stored.iter().all(|stored| sealer.unseal(&ada, stored).is_ok()));
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_key_of_another_length_is_refused() {
        let folder = folder("length");
        let path = folder.join("secret.key");
        fs::write(&path, [1; 31]).unwrap();
        assert!(matches!(Sealer::open(&path), Err(SealError::Length { found: 31, .. })));
        fs::write(&path, [1; 64]).unwrap();
        assert!(matches!(Sealer::open(&path), Err(SealError::Length { found: 33, .. })));
        fs::remove_dir_all(folder).unwrap();
    }
}
