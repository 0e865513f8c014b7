//! The character sets that a WBXML header can name (reference csp-wbxml §2, decisions.md 17).

use std::borrow::Cow;

use crate::wire::Refusal;

/// How the strings of a document are encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Charset {
    Utf8,
    Latin1,
    Utf16Be,
    Utf16Le,
}

impl Charset {
    /// By MIBenum: 0 (unknown) counts as UTF-8.
    pub(super) fn from_mib(number: u32) -> Result<Self, Refusal> {
        match number {
            // US-ASCII is a part of UTF-8.
            0 | 3 | 106 => Ok(Self::Utf8),
            4 => Ok(Self::Latin1),
            1013 | 1015 => Ok(Self::Utf16Be),
            1014 => Ok(Self::Utf16Le),
            _ => Err(Refusal::Charset(format!("MIBenum {number}"))),
        }
    }

    const fn is_wide(self) -> bool {
        matches!(self, Self::Utf16Be | Self::Utf16Le)
    }

    /// The string before the first null character, and the octets of that character.
    pub(super) fn terminated(self, octets: &[u8]) -> Option<(&[u8], usize)> {
        if self.is_wide() {
            let units = octets.chunks_exact(2).position(|unit| unit == [0, 0])?;
            return Some((octets.get(..units * 2)?, 2));
        }
        Some((octets.get(..first_null(octets)?)?, 1))
    }

    /// The octets as text; `None` if they are none in this character set.
    pub(super) fn decode(self, octets: &[u8]) -> Option<Cow<'_, str>> {
        match self {
            Self::Utf8 => match std::str::from_utf8(octets) {
                Ok(text) => Some(Cow::Borrowed(text)),
                Err(_) => join_surrogates(octets).map(Cow::Owned),
            },
            Self::Latin1 if octets.is_ascii() => std::str::from_utf8(octets).ok().map(Cow::Borrowed),
            Self::Latin1 => Some(octets.iter().map(|octet| char::from(*octet)).collect()),
            Self::Utf16Be | Self::Utf16Le => self.decode_wide(octets).map(Cow::Owned),
        }
    }

    fn decode_wide(self, octets: &[u8]) -> Option<String> {
        let mut little = self == Self::Utf16Le;
        let octets = match octets {
            [0xFE, 0xFF, rest @ ..] => {
                little = false;
                rest
            }
            [0xFF, 0xFE, rest @ ..] => {
                little = true;
                rest
            }
            all => all,
        };
        let mut pairs = octets.chunks_exact(2);
        let units = pairs.by_ref().filter_map(|pair| <[u8; 2]>::try_from(pair).ok());
        let units =
            units.map(|pair| if little { u16::from_le_bytes(pair) } else { u16::from_be_bytes(pair) });
        let text = char::decode_utf16(units).collect::<Result<String, _>>().ok()?;
        pairs.remainder().is_empty().then_some(text)
    }
}

/// Where the first null octet stands: strings are short, and eight octets at a time are looked at.
fn first_null(octets: &[u8]) -> Option<usize> {
    const LOW: u64 = u64::MAX / 0xFF;
    const HIGH: u64 = LOW << 7;
    let (words, rest) = octets.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        // The lowest bit that is set is the top bit of the first octet that is null.
        let nulls = word.wrapping_sub(LOW) & !word & HIGH;
        if nulls != 0 {
            return Some(index * 8 + nulls.trailing_zeros() as usize / 8);
        }
    }
    rest.iter().position(|octet| *octet == 0).map(|place| words.len() * 8 + place)
}

/// Reads UTF-8 in which characters beyond U+FFFF stand as two surrogates of three octets each, as a
/// real client writes them (CESU-8). `None` if the octets are still no text.
fn join_surrogates(octets: &[u8]) -> Option<String> {
    let mut text = String::with_capacity(octets.len());
    let mut rest = octets;
    while !rest.is_empty() {
        let valid = match std::str::from_utf8(rest) {
            Ok(valid) => valid,
            Err(error) => std::str::from_utf8(rest.get(..error.valid_up_to())?).ok()?,
        };
        text.push_str(valid);
        rest = rest.get(valid.len()..)?;
        if let [0xED, high @ 0xA0..=0xAF, h, 0xED, low @ 0xB0..=0xBF, l, after @ ..] = rest {
            let bits = |octet: u8, last: u8| (u32::from(octet & 0x0F) << 6) | u32::from(last & 0x3F);
            if h & 0xC0 != 0x80 || l & 0xC0 != 0x80 {
                return None;
            }
            text.push(char::from_u32(0x1_0000 + (bits(*high, *h) << 10) + bits(*low, *l))?);
            rest = after;
        } else if !rest.is_empty() {
            return None;
        }
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn surrogate_pairs_of_three_octets_each_are_joined() {
        let decode = |octets| Charset::Utf8.decode(octets).map(Cow::into_owned);
        assert_eq!(decode(b"a\xED\xA0\xBD\xED\xB8\x80b").as_deref(), Some("a\u{1F600}b"));
        assert_eq!(decode(b"a\xED\xA0\xBDb"), None, "half a pair");
        assert_eq!(decode(b"a\xED\xA0\xBD\xED\xB8"), None);
        assert_eq!(decode(b"a\xFF"), None);
        assert!(matches!(Charset::Utf8.decode("grüße".as_bytes()), Some(Cow::Borrowed("grüße"))));
    }

    #[test]
    fn the_first_null_octet_is_found_wherever_it_stands() {
        for length in 0..40 {
            let mut octets = [0x80, 0x01, 0xFF].repeat(20);
            octets.truncate(length);
            assert_eq!(first_null(&octets), None);
            for place in 0..length {
                let mut octets = octets.clone();
                octets[place] = 0;
                assert_eq!(first_null(&octets), Some(place));
                octets[length - 1] = 0;
                assert_eq!(first_null(&octets), Some(place));
            }
        }
    }

    #[test]
    fn other_character_sets_are_transcoded() {
        assert_eq!(Charset::from_mib(4).unwrap().decode(b"gr\xFC\xDFe").as_deref(), Some("grüße"));
        let wide = Charset::from_mib(1015).unwrap();
        assert_eq!(wide.decode(b"\0a\0b").as_deref(), Some("ab"));
        assert_eq!(wide.decode(b"\xFF\xFEa\0").as_deref(), Some("a"));
        assert_eq!(wide.decode(b"\0a\0").as_deref(), None);
        assert_eq!(wide.terminated(b"\x01\0\0\x02\0\0z"), Some((&b"\x01\0\0\x02"[..], 2)));
        assert_eq!(Charset::from_mib(17), Err(Refusal::Charset("MIBenum 17".into())));
    }
}
