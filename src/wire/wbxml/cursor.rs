//! The octets of a WBXML document, read from front to back and never beyond.

use super::charset::Charset;
use crate::wire::Refusal;

/// A position in the document; every step is checked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor<'a> {
    octets: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) const fn new(octets: &'a [u8]) -> Self {
        Self { octets, at: 0 }
    }

    /// Octets from the start of the document.
    pub(super) const fn at(&self) -> usize {
        self.at
    }

    pub(super) const fn is_at_end(&self) -> bool {
        self.at >= self.octets.len()
    }

    #[cold]
    pub(super) fn malformed(&self, what: &str) -> Refusal {
        Refusal::Malformed { offset: self.at, what: what.to_owned() }
    }

    #[inline]
    pub(super) fn octet(&mut self) -> Result<u8, Refusal> {
        let octet =
            self.octets.get(self.at).copied().ok_or_else(|| self.malformed("the document ends early"))?;
        self.at += 1;
        Ok(octet)
    }

    /// A multi-octet integer: seven bits an octet, most significant first, at most 32 bits
    /// (WBXML 1.3 §5.1).
    #[inline]
    pub(super) fn number(&mut self) -> Result<u32, Refusal> {
        if let Some(octet @ 0..=0x7F) = self.octets.get(self.at) {
            self.at += 1;
            return Ok(u32::from(*octet));
        }
        self.long_number()
    }

    fn long_number(&mut self) -> Result<u32, Refusal> {
        let mut value: u32 = 0;
        for _ in 0..5 {
            let octet = self.octet()?;
            if value >> 25 != 0 {
                return Err(self.malformed("a number has more than 32 bits"));
            }
            value = (value << 7) | u32::from(octet & 0x7F);
            if octet & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(self.malformed("a number has more than five octets"))
    }

    /// The next octets, if there are so many, without taking them.
    #[inline]
    pub(super) fn ahead<const N: usize>(&self) -> Option<&'a [u8; N]> {
        self.octets.get(self.at..)?.first_chunk()
    }

    /// Takes octets that [`ahead`](Self::ahead) has shown.
    pub(super) fn skip(&mut self, count: usize) {
        self.at = self.octets.len().min(self.at + count);
    }

    #[inline]
    pub(super) fn take(&mut self, length: u32) -> Result<&'a [u8], Refusal> {
        let end = usize::try_from(length).ok().and_then(|length| self.at.checked_add(length));
        let taken = end.and_then(|end| self.octets.get(self.at..end));
        let taken = taken.ok_or_else(|| self.malformed("a length points beyond the document"))?;
        self.at += taken.len();
        Ok(taken)
    }

    /// A string that ends with a null character of the document's character set.
    #[inline]
    pub(super) fn string(&mut self, charset: Charset) -> Result<&'a [u8], Refusal> {
        let rest = self.octets.get(self.at..).unwrap_or_default();
        let (text, width) = charset.terminated(rest).ok_or_else(|| self.malformed("a string has no end"))?;
        self.at += text.len() + width;
        Ok(text)
    }
}

/// The string table: strings one after the other, each with a null character behind it.
#[derive(Clone, Copy, Debug)]
pub(super) struct StringTable<'a>(pub(super) &'a [u8]);

impl<'a> StringTable<'a> {
    /// The string that begins at this octet. The last one may lack its null character.
    pub(super) fn get(self, offset: u32, charset: Charset) -> Option<&'a [u8]> {
        let rest = self.0.get(usize::try_from(offset).ok()?..)?;
        (!rest.is_empty()).then(|| charset.terminated(rest).map_or(rest, |(text, _)| text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(octets: &[u8]) -> Option<u32> {
        Cursor::new(octets).number().ok()
    }

    #[test]
    fn numbers_have_at_most_32_bits() {
        assert_eq!(number(&[0x81, 0x25]), Some(0xA5));
        assert_eq!(number(&[0x8F, 0xFF, 0xFF, 0xFF, 0x7F]), Some(u32::MAX));
        assert_eq!(number(&[0x90, 0x80, 0x80, 0x80, 0x00]), None);
        assert_eq!(number(&[0x80, 0x80, 0x80, 0x80, 0x80, 0x01]), None);
        assert_eq!(number(&[0x80, 0x80, 0x01]), Some(1), "leading zeros");
        assert_eq!(number(&[0x81]), None, "cut off");
    }

    #[test]
    fn nothing_is_taken_beyond_the_end() {
        let mut cursor = Cursor::new(b"abc\0d");
        assert_eq!(cursor.string(Charset::Utf8).unwrap(), b"abc");
        assert!(cursor.string(Charset::Utf8).is_err());
        assert!(cursor.take(u32::MAX).is_err());
        assert_eq!(cursor.take(1).unwrap(), b"d");
        assert!(cursor.is_at_end());
        assert!(cursor.octet().is_err());
    }

    #[test]
    fn the_string_table_is_asked_by_offset() {
        let table = StringTable(b"one\0two");
        let get = |offset| table.get(offset, Charset::Utf8);
        assert_eq!(get(0), Some(&b"one"[..]));
        assert_eq!(get(1), Some(&b"ne"[..]), "an offset may point into a string");
        assert_eq!(get(4), Some(&b"two"[..]));
        assert_eq!(get(7), None);
        assert_eq!(get(u32::MAX), None);
    }
}
