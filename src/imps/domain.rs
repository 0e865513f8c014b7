//! Provider domains.

use std::borrow::{Borrow, Cow};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// Longest domain in octets (RFC 1035 §2.3.4, without the final dot).
const DOMAIN_OCTETS_MAX: usize = 253;
/// Longest label in octets (RFC 1035 §2.3.4).
const LABEL_OCTETS_MAX: usize = 63;

/// A provider domain: lower case, A-labels only, at most 253 octets, labels of 1 to 63: `south.example`.
///
/// Cloning shares the text. Order is octet order, which decides simultaneous set-up
/// (reference ssp-session §2.3).
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Domain(Arc<str>);

/// Why a text is no domain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DomainError {
    /// Nothing was left after trimming.
    #[error("a domain may not be empty")]
    Empty,
    /// More than 253 octets.
    #[error("a domain may not be longer than 253 octets, this one has {0}")]
    TooLong(usize),
    /// A label is empty, longer than 63 octets, or begins or ends with a hyphen.
    #[error("label {0:?} of the domain must have 1 to 63 octets and no hyphen at either end")]
    Label(String),
    /// A character that no host name may hold, also after IDNA mapping.
    #[error("character {0:?} is not allowed in a domain")]
    Character(char),
    /// IDNA (UTS 46) refuses the name.
    #[error("{0:?} is not a valid internationalised domain name")]
    Idna(String),
}

impl Domain {
    /// The domain as text, lower case, without a final dot.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What an octet is in a domain in normal form: part of a word, `-`, `.` or nothing that may stand there.
/// Of two neighbours that are no words one may not be a dot: then their product has more than the low bit.
static CLASSES: [u8; 256] = classes();
const WORD: u8 = 0;
const HYPHEN: u8 = 1;
const DOT: u8 = 2;
const STRANGE: u8 = 4;

#[allow(clippy::indexing_slicing, reason = "evaluated at compile time only")]
const fn classes() -> [u8; 256] {
    let mut classes = [STRANGE; 256];
    let mut octet: u8 = 0;
    while octet < 128 {
        classes[octet as usize] = match octet {
            b'a'..=b'z' | b'0'..=b'9' | b'_' => WORD,
            b'-' => HYPHEN,
            b'.' => DOT,
            _ => STRANGE,
        };
        octet += 1;
    }
    classes
}

/// Whether a name is fine as it stands, in one pass over its octets; [`check`] finds the reason if not.
pub(super) fn is_plain(name: &str) -> bool {
    let (mut before, mut wrong) = (DOT, 0);
    for octet in name.bytes() {
        let class = CLASSES.get(usize::from(octet)).copied().unwrap_or(STRANGE);
        wrong |= (class & STRANGE) | ((before * class) & !HYPHEN);
        before = class;
    }
    wrong == 0
        && before == WORD
        && (name.len() <= LABEL_OCTETS_MAX
            || name.len() <= DOMAIN_OCTETS_MAX
                && name.split('.').all(|label| label.len() <= LABEL_OCTETS_MAX))
}

/// The normal form of a domain as text, borrowed where it is one already.
pub(super) fn normal(text: &str) -> Result<Cow<'_, str>, DomainError> {
    let text = text.trim();
    let text = text.strip_suffix('.').unwrap_or(text);
    if is_plain(text) {
        return Ok(Cow::Borrowed(text));
    }
    let mapped = if text.is_ascii() {
        text.to_ascii_lowercase()
    } else {
        idna::domain_to_ascii(text).map_err(|_| DomainError::Idna(text.to_owned()))?
    };
    check(&mapped)?;
    Ok(Cow::Owned(mapped))
}

/// Checks an ASCII, lower-case name; `_` is taken because service labels and laboratories use it.
fn check(name: &str) -> Result<(), DomainError> {
    if name.is_empty() {
        return Err(DomainError::Empty);
    }
    if name.len() > DOMAIN_OCTETS_MAX {
        return Err(DomainError::TooLong(name.len()));
    }
    for label in name.split('.') {
        if let Some(found) = label.chars().find(|c| !matches!(c, 'a'..='z' | '0'..='9' | '-' | '_')) {
            return Err(DomainError::Character(found));
        }
        if label.is_empty()
            || label.len() > LABEL_OCTETS_MAX
            || label.starts_with('-')
            || label.ends_with('-')
        {
            return Err(DomainError::Label(label.to_owned()));
        }
    }
    Ok(())
}

impl FromStr for Domain {
    type Err = DomainError;

    /// Trims, drops one final dot, lower-cases, and maps international names to A-labels.
    fn from_str(text: &str) -> Result<Self, DomainError> {
        normal(text).map(|text| Self(text.into()))
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for Domain {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

/// Lets a `HashMap<Domain, _>` be asked with a `&str`, so that routing allocates nothing.
impl Borrow<str> for Domain {
    fn borrow(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_is_lower_cased_and_loses_its_final_dot() {
        assert_eq!("South.Example.".parse::<Domain>().unwrap().as_str(), "south.example");
    }

    #[test]
    fn an_international_domain_becomes_a_labels() {
        assert_eq!("bücher.example".parse::<Domain>().unwrap().as_str(), "xn--bcher-kva.example");
    }

    #[test]
    fn the_quick_look_and_the_full_check_agree() {
        let long = "a".repeat(63);
        let whole = [&*long, &long, &long, &long[..61]].join(".");
        for name in [
            "a",
            "a.b",
            "a-b.c_d",
            "",
            ".",
            "a.",
            ".a",
            "a..b",
            "-a",
            "a-",
            "a-.b",
            "a.-b",
            "A",
            "a b",
            "ü",
            &long,
            &"a".repeat(64),
            &whole,
            &format!("{whole}a"),
        ] {
            assert_eq!(is_plain(name), check(name).is_ok(), "{name}");
        }
    }

    #[test]
    fn what_is_no_domain_is_refused_with_the_reason() {
        assert_eq!("".parse::<Domain>(), Err(DomainError::Empty));
        assert_eq!("a b.example".parse::<Domain>(), Err(DomainError::Character(' ')));
        assert_eq!("a..example".parse::<Domain>(), Err(DomainError::Label(String::new())));
        assert_eq!("-a.example".parse::<Domain>(), Err(DomainError::Label("-a".into())));
        assert!(matches!(
            format!("{}.example", "a".repeat(64)).parse::<Domain>(),
            Err(DomainError::Label(_))
        ));
        assert_eq!(vec!["abc"; 80].join(".").parse::<Domain>(), Err(DomainError::TooLong(319)));
        assert_eq!("a@b".parse::<Domain>(), Err(DomainError::Character('@')));
    }
}
