//! Addresses: users, groups, contact lists.
//!
//! ```text
//! wv:user@domain    wv:user/resource@domain    wv:/group@domain    wv:+358401234567
//! ```
//! Scheme and domain may be missing in what clients write; the scheme is added on parsing, the
//! domain by [`Address::completed`] with the sender's own (reference ssp-transport §2.2, csp.md §11).
//! Comparison ignores ASCII case; the spelling is kept for display.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::sync::Arc;

use super::domain::{self, Domain, DomainError};

/// Longest address in octets (reference ssp-transport §2.2 rule 6).
pub const ADDRESS_OCTETS_MAX: usize = 256;

/// Why a text is no address of the wanted kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Neither a local part nor a domain.
    #[error("the address is empty")]
    Empty,
    /// More than 256 octets.
    #[error("the address has {0} octets, at most 256 are allowed")]
    TooLong(usize),
    /// White space, a control character or markup.
    #[error("character {0:?} is not allowed in an address")]
    Character(char),
    /// What stands after the last `@` is no domain.
    #[error("the domain of the address is not valid: {0}")]
    Domain(#[from] DomainError),
    /// A user was wanted, and no user part is there.
    #[error("the address names no user")]
    NoUser,
    /// A group or contact list was wanted, and no `/name` is there.
    #[error("the address names no group or list: `/name` is missing")]
    NoResource,
}

/// An address with scheme: `wv:` local part, and `@domain` if known. The domain part is normalised.
#[derive(Clone)]
pub struct Address {
    /// Always begins with `wv:`.
    text: Arc<str>,
    /// Octet offset of the `@` before the domain; the text's length if there is no domain.
    at: u16,
}

impl Address {
    /// The whole address with scheme: `wv:ada@north.example`.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What stands between `wv:` and `@`: `ada`, `ada/friends`, `/sailing`, `+358401234567`.
    pub fn local(&self) -> &str {
        self.text.get(3..usize::from(self.at)).unwrap_or_default()
    }

    /// The user part of the local part: `ada` in `ada/friends`; empty in `/sailing`.
    pub fn user(&self) -> &str {
        let local = self.local();
        local.bytes().position(|octet| octet == b'/').and_then(|slash| local.get(..slash)).unwrap_or(local)
    }

    /// The part after the slash, if there is one: `friends` in `ada/friends`.
    pub fn resource(&self) -> Option<&str> {
        self.local().split_once('/').map(|(_, resource)| resource)
    }

    /// The domain as normalised text, for look-ups without allocation.
    pub fn domain_str(&self) -> Option<&str> {
        self.text.get(usize::from(self.at) + 1..)
    }

    /// The domain, if the address has one.
    pub fn domain(&self) -> Option<Domain> {
        self.domain_str().and_then(|text| text.parse().ok())
    }

    /// Whether the address lies in this domain.
    pub fn is_in(&self, domain: &Domain) -> bool {
        self.domain_str() == Some(domain.as_str())
    }

    /// A mobile number (`+CC…` or digits only) without domain, which has to be resolved to a home
    /// domain before it can leave over SSP (reference ssp-transport §2.1).
    pub fn is_bare_number(&self) -> bool {
        let local = self.local();
        let digits = local.strip_prefix('+').unwrap_or(local);
        self.domain_str().is_none() && !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())
    }

    /// The same address with a domain: its own if it has one, else `home`.
    #[must_use]
    pub fn completed(&self, home: &Domain) -> Self {
        if self.domain_str().is_some() {
            return self.clone();
        }
        Self { at: self.at, text: format!("{}@{home}", self.text).into() }
    }

    /// The form for comparison and for keys of the store: lower case.
    pub fn key(&self) -> String {
        self.text.to_ascii_lowercase()
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        if let Some(at) = sign_in_normal(text) {
            return Ok(Self { text: text.into(), at });
        }
        let text = text.trim();
        let bare = match text.get(..3) {
            Some(scheme) if scheme.eq_ignore_ascii_case("wv:") => text.get(3..).unwrap_or_default(),
            _ => text,
        };
        if bare.is_empty() {
            return Err(AddressError::Empty);
        }
        if bare.len() + 3 > ADDRESS_OCTETS_MAX {
            return Err(AddressError::TooLong(bare.len() + 3));
        }
        if let Some(found) = bare
            .chars()
            .find(|&c| c.is_control() || c.is_whitespace() || matches!(c, '<' | '>' | '"' | '\'' | '&'))
        {
            return Err(AddressError::Character(found));
        }
        let (local, written) =
            split_at_sign(bare).map_or((bare, None), |(local, domain)| (local, Some(domain)));
        let full: Arc<str> = match written.map(domain::normal).transpose()? {
            Some(domain) => format!("wv:{local}@{domain}").into(),
            None => format!("wv:{local}").into(),
        };
        // An A-label may be longer than what was written.
        let at = u16::try_from(local.len() + 3).map_err(|_| AddressError::TooLong(full.len()))?;
        Ok(Self { text: full, at })
    }
}

/// The octets of a local part that is plain ASCII.
static PLAIN: [bool; 256] = plain();

#[allow(clippy::indexing_slicing, reason = "evaluated at compile time only")]
const fn plain() -> [bool; 256] {
    let mut plain = [false; 256];
    let mut octet: u8 = 0;
    while octet < 128 {
        plain[octet as usize] =
            octet.is_ascii_graphic() && !matches!(octet, b'<' | b'>' | b'"' | b'\'' | b'&');
        octet += 1;
    }
    plain
}

/// The place of the `@` (see [`Address`]) in a text that is an address in normal form already, as nearly
/// every address is: plain ASCII with scheme, the domain normalised. `None` says to look closer.
fn sign_in_normal(text: &str) -> Option<u16> {
    let bare = text.strip_prefix("wv:").filter(|_| text.len() <= ADDRESS_OCTETS_MAX)?;
    let local = match split_at_sign(bare) {
        Some((local, domain)) => domain::is_plain(domain).then_some(local)?,
        None if bare.is_empty() => return None,
        None => bare,
    };
    let plain = local.bytes().all(|octet| PLAIN.get(usize::from(octet)) == Some(&true));
    if plain { u16::try_from(local.len() + 3).ok() } else { None }
}

/// Local part and domain, around the last `@`.
fn split_at_sign(bare: &str) -> Option<(&str, &str)> {
    let place = bare.bytes().rposition(|octet| octet == b'@')?;
    Some((bare.get(..place)?, bare.get(place + 1..)?))
}

impl PartialEq for Address {
    fn eq(&self, other: &Self) -> bool {
        self.text.eq_ignore_ascii_case(&other.text)
    }
}

impl Eq for Address {}

impl Hash for Address {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for octet in self.text.bytes() {
            state.write_u8(octet.to_ascii_lowercase());
        }
        state.write_u8(0xff);
    }
}

impl PartialOrd for Address {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Address {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let lower = |b: u8| b.to_ascii_lowercase();
        self.text.bytes().map(lower).cmp(other.text.bytes().map(lower))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

macro_rules! kind {
    ($(#[$doc:meta])* $name:ident, $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Address);

        impl $name {
            /// The same identifier with a domain: its own if it has one, else `home`.
            #[must_use]
            pub fn completed(&self, home: &Domain) -> Self {
                Self(self.0.completed(home))
            }
        }

        impl std::ops::Deref for $name {
            type Target = Address;
            fn deref(&self) -> &Address {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = AddressError;
            fn from_str(text: &str) -> Result<Self, AddressError> {
                let address: Address = text.parse()?;
                let check: fn(&Address) -> Result<(), AddressError> = $check;
                check(&address)?;
                Ok(Self(address))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }
    };
}

kind! {
    /// A user: `wv:ada@north.example`. The user part is never empty.
    UserId, |address| match address.local().as_bytes() {
        [] | [b'/', ..] => Err(AddressError::NoUser),
        _ => Ok(()),
    }
}
kind! {
    /// A group: private `wv:ada/team@north.example` or public `wv:/sailing@south.example`.
    GroupId, |address| match address.resource() {
        Some(name) if !name.is_empty() => Ok(()),
        _ => Err(AddressError::NoResource),
    }
}
kind! {
    /// A contact list, `wv:ada/friends@north.example`: same shape as a private group; only the
    /// context tells them apart.
    ContactListId, |address| match address.resource() {
        Some(name) if !name.is_empty() => Ok(()),
        _ => Err(AddressError::NoResource),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scheme_and_domain_are_optional_and_normalised() {
        let user: UserId = " WV:Ada@North.Example ".parse().unwrap();
        assert_eq!(user.as_str(), "wv:Ada@north.example");
        assert_eq!(user, "ada@NORTH.example".parse().unwrap());
        assert_eq!(user.key(), "wv:ada@north.example");
        let bare: UserId = "ada".parse().unwrap();
        assert_eq!(bare.domain_str(), None);
        assert_eq!(bare.completed(&"north.example".parse().unwrap()), user);
    }

    #[test]
    fn the_domain_stands_after_the_last_at() {
        let user: UserId = "wv:a@b@c.example".parse().unwrap();
        assert_eq!((user.local(), user.domain_str()), ("a@b", Some("c.example")));
    }

    #[test]
    fn parts_of_groups_and_lists() {
        let private: GroupId = "wv:ada/team@north.example".parse().unwrap();
        assert_eq!((private.user(), private.resource()), ("ada", Some("team")));
        let public: GroupId = "wv:/sailing@south.example".parse().unwrap();
        assert_eq!((public.user(), public.resource()), ("", Some("sailing")));
        assert_eq!("wv:sailing@south.example".parse::<GroupId>(), Err(AddressError::NoResource));
        assert_eq!("wv:/sailing@south.example".parse::<UserId>(), Err(AddressError::NoUser));
        assert!("wv:ada/~pep1.0_privatelist@north.example".parse::<ContactListId>().is_ok());
    }

    #[test]
    fn normal_forms_are_taken_as_they_are_and_others_brought_there() {
        for normal in
            ["wv:ada@north.example", "wv:a@b@c.example", "wv:/x@y", "wv:ada", "wv:+1", "wv:@a-b_c.d"]
        {
            assert!(sign_in_normal(normal).is_some(), "{normal}");
            let address: Address = normal.parse().unwrap();
            for written in
                [format!(" {normal}"), normal.replacen("wv:", "WV:", 1), normal.replacen("wv:", "", 1)]
            {
                assert_eq!(sign_in_normal(&written), None, "{written}");
                let other: Address = written.parse().unwrap();
                assert_eq!((other.as_str(), other.at), (address.as_str(), address.at), "{written}");
            }
        }
        let long = format!("wv:{}@b", "a".repeat(252));
        for other in [
            "", "wv:", "wv:@", "wv:a@", "wv:a@B", "wv:a@b.", "wv:a@-b", "wv:a b", "wv:a&b", "wv:ä@b",
            "wv:a@ä", &long,
        ] {
            assert_eq!(sign_in_normal(other), None, "{other}");
        }
    }

    #[test]
    fn markup_white_space_and_length_are_refused() {
        for (text, found) in
            [("a<b@c.example", '<'), ("a b@c.example", ' '), ("a&b@c.example", '&'), ("a\u{7}b", '\u{7}')]
        {
            assert_eq!(text.parse::<UserId>(), Err(AddressError::Character(found)));
        }
        assert_eq!("x".repeat(300).parse::<UserId>(), Err(AddressError::TooLong(303)));
        assert_eq!("wv:".parse::<UserId>(), Err(AddressError::Empty));
        assert!(matches!("a@".parse::<UserId>(), Err(AddressError::Domain(DomainError::Empty))));
    }

    #[test]
    fn a_number_without_domain_is_told_apart() {
        assert!("wv:+358401234567".parse::<UserId>().unwrap().is_bare_number());
        assert!("358401234567".parse::<UserId>().unwrap().is_bare_number());
        assert!(!"wv:+358401234567@north.example".parse::<UserId>().unwrap().is_bare_number());
        assert!(!"ada".parse::<UserId>().unwrap().is_bare_number());
    }
}
