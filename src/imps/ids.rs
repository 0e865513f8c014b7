//! Opaque identifiers: compared octet by octet, echoed unchanged.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use super::chance::{Chance, token};
use super::domain::{Domain, DomainError};

/// Why a text is not the identifier it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Nothing was left after trimming.
    #[error("the identifier is empty")]
    Empty,
    /// Longer than this kind of identifier may be.
    #[error("the identifier has {length} octets, at most {max} are allowed")]
    TooLong {
        /// Octets found.
        length: usize,
        /// Octets allowed.
        max: usize,
    },
    /// A control character inside.
    #[error("the identifier holds the control character {0:?}")]
    Control(char),
    /// A service id without a domain, or with a bad one.
    #[error("the service id names no domain: {0}")]
    Service(#[from] DomainError),
}

macro_rules! opaque {
    ($(#[$doc:meta])* $name:ident, max $max:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Longest value in octets.
            pub const OCTETS_MAX: usize = $max;

            /// The identifier as it stands on the wire.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            /// Trims white space at both ends; otherwise the text is kept as it is.
            fn from_str(text: &str) -> Result<Self, IdError> {
                // Nearly every identifier is plain ASCII.
                let plain = (1..=$max).contains(&text.len());
                if plain && text.bytes().all(|octet| octet.is_ascii_graphic()) {
                    return Ok(Self(text.into()));
                }
                let text = text.trim();
                if text.is_empty() {
                    return Err(IdError::Empty);
                }
                if text.len() > $max {
                    return Err(IdError::TooLong { length: text.len(), max: $max });
                }
                match text.chars().find(|c| c.is_control()) {
                    Some(found) => Err(IdError::Control(found)),
                    None => Ok(Self(text.into())),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

opaque! {
    /// Identifier of a transaction; the number space belongs to the side that opened it.
    /// Echoed byte for byte (reference ssp-transport §4, csp.md §1). At most 128 octets.
    TransactionId, max 128
}
opaque! {
    /// Identifier of a session. CSP: chosen by the server, 50 characters at most from us. SSP:
    /// `local@domain` of the issuer (reference ssp-session §1.1). At most 300 octets: the longest
    /// domain leaves room for a local part.
    SessionId, max 300
}
opaque! {
    /// Identifier of an instant message, unique for its issuer; ours end in `@own-domain`
    /// (reference ssp-transport §2.1). At most 256 octets.
    MessageId, max 256
}

opaque! {
    /// Identifier of an invitation, chosen by the inviter and meaningful together with it only
    /// (reference csp-messages §4). At most 256 octets.
    InviteId, max 256
}
opaque! {
    /// Identifier of a search, chosen by the server that answers it. Some write it as a number, some as
    /// text; it is echoed as it is (reference csp-wbxml §4.2). At most 128 octets.
    SearchId, max 128
}

impl TransactionId {
    /// A fresh id of 22 characters that cannot be guessed (reference ssp-transport §4).
    pub fn fresh(chance: &mut dyn Chance) -> Self {
        Self(token::<16>(chance).into())
    }
}

impl SessionId {
    /// A fresh id of an SSP session with 144 random bits, issued by this domain: `local@domain`
    /// (reference ssp-session §1.1, §4 rule 4).
    pub fn issued_by(domain: &Domain, chance: &mut dyn Chance) -> Self {
        Self(format!("{}@{domain}", token::<18>(chance)).into())
    }

    /// The part after the last `@`: the issuer's domain as written, for SSP sessions
    /// (reference ssp.md fact 5).
    pub fn issuer(&self) -> Option<&str> {
        self.0.rsplit_once('@').map(|(_, domain)| domain)
    }
}

/// A service id, `wv:@south.example`: the name of a server or provider
/// (reference ssp-transport §2.1; what stands before `@` is ignored).
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServiceId(Domain);

impl ServiceId {
    /// The service id of a domain.
    pub const fn of(domain: Domain) -> Self {
        Self(domain)
    }

    /// The domain it names.
    pub const fn domain(&self) -> &Domain {
        &self.0
    }
}

impl FromStr for ServiceId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let (_, domain) = text.trim().rsplit_once('@').ok_or(DomainError::Empty)?;
        Ok(Self(domain.parse()?))
    }
}

impl fmt::Display for ServiceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "wv:@{}", self.0)
    }
}

impl fmt::Debug for ServiceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_trimmed_but_otherwise_kept() {
        assert_eq!(" 0000000042-7\n".parse::<TransactionId>().unwrap().as_str(), "0000000042-7");
        assert_eq!("  ".parse::<TransactionId>(), Err(IdError::Empty));
        assert_eq!("a\u{1}b".parse::<MessageId>(), Err(IdError::Control('\u{1}')));
        assert!(matches!(
            "x".repeat(129).parse::<TransactionId>(),
            Err(IdError::TooLong { length: 129, max: 128 })
        ));
    }

    #[test]
    fn ids_that_we_make_are_short_and_of_characters_that_nobody_escapes() {
        let harmless = |id: &str| id.chars().all(|c| c.is_ascii_alphanumeric() || "._:@-".contains(c));
        for octet in [0, 0x5a, 0xff] {
            let mut chance = crate::imps::chance::testing::Fixed(octet);
            let transaction = TransactionId::fresh(&mut chance);
            let session = SessionId::issued_by(&"north.example".parse().unwrap(), &mut chance);
            assert_eq!(transaction.as_str().len(), 22);
            assert_eq!(session.issuer(), Some("north.example"));
            let (local, _) = session.as_str().split_once('@').unwrap();
            assert_eq!(local.len(), 24, "144 bits");
            assert!(harmless(transaction.as_str()) && harmless(session.as_str()), "{transaction} {session}");
        }
    }

    #[test]
    fn a_service_id_is_its_domain() {
        let id: ServiceId = "WV:whatever@Beta.Example".parse().unwrap();
        assert_eq!(id.to_string(), "wv:@beta.example");
        assert!("beta.example".parse::<ServiceId>().is_err());
    }

    #[test]
    fn a_session_id_names_its_issuer() {
        assert_eq!("105@a.test".parse::<SessionId>().unwrap().issuer(), Some("a.test"));
        assert_eq!("105".parse::<SessionId>().unwrap().issuer(), None);
    }
}
