//! What names a version and an encoding of CSP: media types (reference csp-wbxml §1).

use crate::imps::Version;
use crate::wire::Encoding;

/// The media type that a client of this version sends.
pub const fn content_type(version: Version, encoding: Encoding) -> &'static str {
    match (version, encoding) {
        (Version::V1_3, Encoding::Xml) => "application/vnd.wv.csp+xml",
        (Version::V1_3, Encoding::Wbxml) => "application/vnd.wv.csp+wbxml",
        (_, Encoding::Xml) => "application/vnd.wv.csp.xml",
        (_, Encoding::Wbxml) => "application/vnd.wv.csp.wbxml",
    }
}

/// The encoding that a media type names: it contains `wbxml`, else `xml`. Parameters and case do not
/// count (reference csp.md §2).
pub fn encoding_of(content_type: &str) -> Option<Encoding> {
    let essence = content_type.split(';').next().unwrap_or_default().to_ascii_lowercase();
    if essence.contains("wbxml") {
        Some(Encoding::Wbxml)
    } else if essence.contains("xml") {
        Some(Encoding::Xml)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::wbxml::tokens::{Namespace, attribute_of, namespace};
    use crate::wire::wbxml::version_named;

    #[test]
    fn every_namespace_has_a_token_and_the_version_behind_it() {
        for version in Version::ALL {
            for which in [Namespace::Session, Namespace::Transaction, Namespace::Presence] {
                let (_, rest) = attribute_of(namespace(version, which)).unwrap();
                assert_eq!(rest, version.as_str());
            }
            assert_eq!(version_named(namespace(version, Namespace::Session)), Ok(Some(version)));
        }
    }

    #[test]
    fn the_encoding_is_found_in_any_spelling_of_the_media_type() {
        for version in Version::ALL {
            for encoding in [Encoding::Xml, Encoding::Wbxml] {
                assert_eq!(encoding_of(content_type(version, encoding)), Some(encoding));
            }
        }
        assert_eq!(encoding_of("Application/VND.wv.csp+XML; charset=utf-8"), Some(Encoding::Xml));
        assert_eq!(encoding_of("application/vnd.wv.csp.sms"), None);
        assert_eq!(encoding_of("text/plain; x=xml"), None);
    }
}
