//! The content of a message: octets, whatever they were wrapped in on the wire.

use std::fmt;
use std::sync::Arc;

/// Decoded content of a message. Each protocol chooses how it travels: as text where it is text,
/// as BASE64 or opaque octets otherwise (decisions.md 18, reference csp-wbxml §4.4).
/// Cloning shares the octets.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Content(Arc<[u8]>);

impl Content {
    /// Takes the decoded octets.
    pub fn new(octets: impl Into<Arc<[u8]>>) -> Self {
        Self(octets.into())
    }

    /// The decoded octets.
    pub fn octets(&self) -> &[u8] {
        &self.0
    }

    /// The content as text if it can stand as such in an XML 1.0 document under this content type:
    /// the type is `text/*`, XML or absent (then `text/plain` is assumed), and the octets are UTF-8
    /// without characters that XML 1.0 cannot carry.
    pub fn as_text(&self, content_type: Option<&str>) -> Option<&str> {
        if !content_type.is_none_or(is_textual) {
            return None;
        }
        let text = std::str::from_utf8(&self.0).ok()?;
        text.chars().all(is_xml_char).then_some(text)
    }
}

/// Whether a content type names text. Parameters and case do not count (reference csp.md §5.1).
pub fn is_textual(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    essence.is_empty()
        || essence.get(..5).is_some_and(|prefix| prefix.eq_ignore_ascii_case("text/"))
        || essence.eq_ignore_ascii_case("application/xml")
        || essence.rsplit_once('+').is_some_and(|(_, suffix)| suffix.eq_ignore_ascii_case("xml"))
}

/// Whether XML 1.0 can carry the character (XML 1.0 §2.2 Char).
pub const fn is_xml_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..)
}

impl From<&str> for Content {
    fn from(text: &str) -> Self {
        Self(text.as_bytes().into())
    }
}

/// Shows the length only: bodies stay out of logs.
impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Content({} octets)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_text_only_under_a_textual_type() {
        let content = Content::from("grüße");
        assert_eq!(content.as_text(None), Some("grüße"));
        assert_eq!(content.as_text(Some("Text/Plain; charset=utf-8")), Some("grüße"));
        assert_eq!(content.as_text(Some("image/png")), None);
        assert_eq!(Content::new(vec![0xff]).as_text(None), None);
        assert_eq!(Content::from("a\u{0}b").as_text(None), None);
    }
}
