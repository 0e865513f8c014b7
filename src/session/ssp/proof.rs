//! Tokens, digests, and the proof that the other side has read our token.
//!
//! A session can only be made from a [`Proof`], and only [`prove`] makes one: no path through the
//! set-up machines opens a link without a digest that fits.

use md5::Digest as _;
use zeroize::Zeroizing;

use crate::imps::Chance;
use crate::imps::chance::token;
use crate::imps::primitive::{DigestSchema, LinkLoginRequest};

/// A secret of ours for one handshake: 32 random octets as 43 characters of base64url
/// (reference ssp-session §1.2). Never printed, wiped when dropped.
pub(super) struct Token(Zeroizing<String>);

impl Token {
    pub(super) fn fresh(chance: &mut dyn Chance) -> Self {
        Self(Zeroizing::new(token::<32>(chance)))
    }

    pub(super) fn octets(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(…)")
    }
}

/// The peer has shown that it read our token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Proof(());

/// Why a digest proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unproven {
    /// It is not the digest of our token.
    Wrong,
    /// It was made in a way that is never accepted (PWD, MD4) or that we do not know.
    Schema,
}

/// The digest of a token, or `None` for a schema that is never used (reference ssp-session §1.2).
pub(super) fn digest(schema: DigestSchema, token: &[u8]) -> Option<Box<[u8]>> {
    match schema {
        DigestSchema::Md5 => Some(md5::Md5::digest(token).as_slice().into()),
        DigestSchema::Sha => Some(sha1::Sha1::digest(token).as_slice().into()),
        DigestSchema::Pwd | DigestSchema::Md4 | DigestSchema::Md6 => None,
    }
}

/// Checks the digest in the peer's LoginRequest against our token.
pub(super) fn prove(ours: &Token, login: &LinkLoginRequest) -> Result<Proof, Unproven> {
    let schema = login.schema.unwrap_or(DigestSchema::Md5);
    let expected = digest(schema, ours.octets()).ok_or(Unproven::Schema)?;
    if same(&expected, &login.digest) { Ok(Proof(())) } else { Err(Unproven::Wrong) }
}

/// Compares without telling by its duration where the difference is. Only the length shows.
pub(super) fn same(left: &[u8], right: &[u8]) -> bool {
    aws_lc_rs::constant_time::verify_slices_are_equal(left, right).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::imps::ServiceId;
    use base64::Engine as _;

    fn login(digest: &[u8], schema: Option<DigestSchema>) -> LinkLoginRequest {
        LinkLoginRequest {
            service: ServiceId::of("b.test".parse().unwrap()),
            time_to_live: 86400,
            digest: digest.into(),
            schema,
        }
    }

    #[test]
    fn the_recorded_digests_come_out() {
        let base64 = |octets: &[u8]| base64::engine::general_purpose::STANDARD.encode(octets);
        let md5 = |token: &str| base64(&digest(DigestSchema::Md5, token.as_bytes()).unwrap());
        assert_eq!(md5("csecret"), "3ulP4CuNZRl0jqkDpch5DQ==");
        assert_eq!(md5("84a26df6751418e5c8306dd49df49c31"), "q6Tg6lpB6ihQMgjW8gdAzQ==");
        assert_eq!(md5("cs1"), "sS7+TitT3lGiYUIfd6PL7w==");
    }

    #[test]
    fn only_the_digest_of_our_token_proves_anything() {
        let ours = Token(Zeroizing::new("secret".into()));
        for schema in [None, Some(DigestSchema::Md5), Some(DigestSchema::Sha)] {
            let right = digest(schema.unwrap_or(DigestSchema::Md5), b"secret").unwrap();
            assert_eq!(prove(&ours, &login(&right, schema)), Ok(Proof(())));
            assert_eq!(prove(&ours, &login(&right[1..], schema)), Err(Unproven::Wrong));
        }
        assert_eq!(prove(&ours, &login(b"", None)), Err(Unproven::Wrong));
        assert_eq!(prove(&ours, &login(b"secret", Some(DigestSchema::Pwd))), Err(Unproven::Schema));
        assert_eq!(prove(&ours, &login(b"secret", Some(DigestSchema::Md4))), Err(Unproven::Schema));
    }
}
