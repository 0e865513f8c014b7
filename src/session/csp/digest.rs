//! Digests of a 4-way login (reference csp.md §4.4).

use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::imps::primitive::{DigestSchema, Password};

/// Longest DigestBytes that are looked at, octets; the longest valid ones have 28.
const DIGEST_TEXT_OCTETS_MAX: usize = 256;

/// Takes DigestBytes with or without padding.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// `HASH(octets of the nonce text ‖ octets of the password)`; `None` for schemes that are never used.
fn hash(schema: DigestSchema, nonce: &str, password: &[u8]) -> Option<Vec<u8>> {
    match schema {
        DigestSchema::Sha => {
            Some(Sha1::new().chain_update(nonce).chain_update(password).finalize().as_slice().to_vec())
        }
        DigestSchema::Md5 => {
            Some(Md5::new().chain_update(nonce).chain_update(password).finalize().as_slice().to_vec())
        }
        DigestSchema::Pwd | DigestSchema::Md4 | DigestSchema::Md6 => None,
    }
}

/// The password in ISO-8859-1, if it has no other characters.
fn latin1(password: &str) -> Option<Zeroizing<Vec<u8>>> {
    let octets: Option<Vec<u8>> = password.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect();
    octets.map(Zeroizing::new)
}

/// What a client puts into DigestBytes: BASE64 of the digest over the nonce's text and the password
/// in ISO-8859-1, in UTF-8 if it has other characters. `None` for schemes other than SHA and MD5.
pub fn digest_bytes(schema: DigestSchema, nonce: &str, password: &Password) -> Option<String> {
    let digest = match latin1(password.clear()) {
        Some(octets) => hash(schema, nonce, &octets),
        None => hash(schema, nonce, password.clear().as_bytes()),
    };
    digest.map(|digest| STANDARD.encode(digest))
}

/// Whether DigestBytes prove the password: in ISO-8859-1 or in UTF-8, compared in constant time.
pub fn digest_matches(schema: DigestSchema, nonce: &str, password: &Password, given: &str) -> bool {
    if given.len() > DIGEST_TEXT_OCTETS_MAX {
        return false;
    }
    let text: String = given.chars().filter(|c| !c.is_whitespace()).collect();
    let Ok(given) = LENIENT.decode(text) else { return false };
    let proves = |octets: &[u8]| {
        hash(schema, nonce, octets).is_some_and(|ours| verify_slices_are_equal(&ours, &given).is_ok())
    };
    let clear = password.clear();
    // Both are computed, whichever fits.
    let utf8 = proves(clear.as_bytes());
    let latin1 = latin1(clear).is_some_and(|octets| proves(&octets));
    utf8 || latin1
}

/// Whether two passwords are equal; the time taken tells nothing about where or by how much they differ.
pub fn passwords_match(ours: &Password, given: &Password) -> bool {
    let hashed = |password: &Password| Sha256::digest(password.clear().as_bytes());
    verify_slices_are_equal(hashed(ours).as_slice(), hashed(given).as_slice()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONCE: &str = "6f1d0c9ab27e44";

    fn password(clear: &str) -> Password {
        Password::new(clear)
    }

    #[test]
    fn the_test_vectors_of_the_reference_hold() {
        let secret = password("s3cret-Pass");
        for (schema, text) in [
            (DigestSchema::Md5, "PmKo4GdlikHljrY2ueWuyg=="),
            (DigestSchema::Sha, "9mkD+90uaGZzd6Ini7KGSlShURA="),
        ] {
            assert_eq!(digest_bytes(schema, NONCE, &secret).as_deref(), Some(text));
            assert!(digest_matches(schema, NONCE, &secret, text));
            assert!(!digest_matches(schema, "6f1d0c9ab27e45", &secret, text));
            assert!(!digest_matches(schema, NONCE, &password("s3cret-pass"), text));
        }
    }

    #[test]
    fn a_recorded_phone_proves_its_password() {
        assert!(digest_matches(
            DigestSchema::Md5,
            "91b8f8a881587aac",
            &password("secret"),
            "xOQXlcqiJWLFxO8rYKeUbg=="
        ));
    }

    #[test]
    fn md4_and_the_clear_password_are_no_digests() {
        for schema in [DigestSchema::Md4, DigestSchema::Pwd, DigestSchema::Md6] {
            assert_eq!(digest_bytes(schema, NONCE, &password("s3cret-Pass")), None);
            assert!(!digest_matches(schema, NONCE, &password("s3cret-Pass"), "gwA2M/XU3QhpUEiBQc6Amg=="));
        }
    }

    #[test]
    fn a_password_with_umlauts_is_taken_in_latin_1_and_in_utf_8() {
        let secret = password("grüße");
        for octets in [b"gr\xfc\xdfe".as_slice(), "grüße".as_bytes()] {
            let text = STANDARD.encode(hash(DigestSchema::Sha, NONCE, octets).unwrap());
            assert!(digest_matches(DigestSchema::Sha, NONCE, &secret, &text));
        }
        let other = password("пароль");
        let text = digest_bytes(DigestSchema::Md5, NONCE, &other).unwrap();
        assert!(digest_matches(DigestSchema::Md5, NONCE, &other, &text));
    }

    #[test]
    fn line_breaks_and_missing_padding_do_not_count_and_rubbish_never_matches() {
        let secret = password("s3cret-Pass");
        assert!(digest_matches(DigestSchema::Md5, NONCE, &secret, " PmKo4Gdlik\nHljrY2ueWuyg "));
        for text in ["", "====", "ü", "PmKo4GdlikHljrY2ueWuyA==", &"A".repeat(5000)] {
            assert!(!digest_matches(DigestSchema::Md5, NONCE, &secret, text), "{text}");
        }
    }

    #[test]
    fn passwords_are_equal_or_not() {
        assert!(passwords_match(&password("a"), &password("a")));
        assert!(!passwords_match(&password("a"), &password("A")));
        assert!(!passwords_match(&password("a"), &password("aa")));
        assert!(passwords_match(&password(""), &password("")));
    }
}
