//! How much a client can be handed at all: what it fetches, and what it never takes.
//!
//! Pushing has limits of its own ([`Abilities::form`]); what exceeds those is announced, and the client fetches it.
//! What exceeds the limits here cannot be handed over in any way, unless it is a picture, which can be made
//! smaller. A message that no client of a user can take is refused with 410 (reference csp-messages, *Size*).

use super::{Abilities, ENVELOPE_OCTETS, essence};

impl Abilities {
    /// Largest content, in octets, that the client takes when it fetches (`AcceptedPullLength`); `None`: any. Its
    /// parser is its own affair where it asks for a message whose size it was told.
    pub fn fetch_octets_max(&self) -> Option<u64> {
        self.pull_octets_max.map(u64::from)
    }

    /// Largest picture of this type, in octets, that suits the client when it fetches; `None`: any.
    pub fn picture_octets_max(&self, content_type: &str) -> Option<u64> {
        let of_type = self.entry(&essence(content_type)).and_then(|entry| entry.octets_max).map(u64::from);
        // It travels as BASE64 in XML, a third longer.
        let parser = self
            .parser_octets_max
            .map(|parser| u64::from(parser).saturating_sub(ENVELOPE_OCTETS) / 4 * 3)
            .filter(|octets| *octets > 0);
        of_type.into_iter().chain(self.fetch_octets_max()).chain(parser).min()
    }

    /// Whether content of this type and size can never be handed to the client: it is larger than what it can
    /// fetch, or the client wants such content rejected (`ContentPolicy` R).
    pub fn never_takes(&self, content_type: Option<&str>, octets: u64) -> bool {
        self.rejects(content_type.unwrap_or_default(), octets)
            || self.fetch_octets_max().is_some_and(|limit| octets > limit)
    }

    /// Whether the client wants content of this type and size rejected, however it could be changed.
    pub fn rejects(&self, content_type: &str, octets: u64) -> bool {
        let entry = self.entry(&essence(content_type));
        entry.and_then(|entry| entry.refuse_above).is_some_and(|limit| octets > u64::from(limit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::imps::primitive::{AcceptedContentType, Capabilities};

    #[test]
    fn what_is_fetched_stays_below_pull_length_and_a_picture_below_parser_size_too() {
        let of = |pull, parser| {
            Abilities::of(&Capabilities {
                any_content: Some(true),
                pull_length: pull,
                parser_size: parser,
                ..Capabilities::default()
            })
        };
        assert_eq!(of(None, None).picture_octets_max("image/png"), None);
        assert_eq!(of(Some(1000), None).picture_octets_max("image/png"), Some(1000));
        assert_eq!(of(Some(9000), Some(4608)).picture_octets_max("image/png"), Some(3072));
        assert_eq!(of(Some(9000), Some(4608)).fetch_octets_max(), Some(9000));
        assert_eq!(of(None, Some(100)).picture_octets_max("image/png"), None, "no such parser exists");
        assert!(!of(None, Some(4608)).never_takes(None, 9000));
        assert!(of(Some(1000), None).never_takes(None, 1001));
        assert!(!of(Some(1000), None).never_takes(None, 1000));
        assert!(!of(None, None).never_takes(Some("video/mp4"), u64::MAX));
        assert!(!Abilities::default().never_takes(None, 1_000_000), "nothing was stated");
    }

    #[test]
    fn content_policy_r_rejects_what_is_above_its_limit() {
        let kind = |policy: &str, length, limit| AcceptedContentType {
            content_type: "image/png".into(),
            rich_content_length: length,
            policy: Some(policy.into()),
            policy_limit: limit,
        };
        let of = |kind| {
            Abilities::of(&Capabilities { accepted_content_types: vec![kind], ..Capabilities::default() })
        };
        for (kind, limit) in [(kind("R", None, Some(100)), 100), (kind("r", Some(200), None), 200)] {
            let abilities = of(kind);
            for abilities in [abilities.clone(), Abilities::from_stored(&abilities.to_stored())] {
                assert!(abilities.never_takes(Some("image/png"), limit + 1));
                assert!(
                    abilities.rejects("image/PNG; a=b", limit + 1) && !abilities.rejects("image/png", limit)
                );
                assert!(!abilities.never_takes(Some("image/png"), limit));
                assert!(!abilities.never_takes(None, limit + 1), "of text nothing was said");
            }
        }
        let notifies = of(kind("N", Some(200), Some(100)));
        assert!(!notifies.never_takes(Some("image/png"), 5000));
        assert_eq!(notifies.picture_octets_max("image/png"), Some(200));
        assert_eq!(notifies.picture_octets_max("image/gif"), None);
    }
}
