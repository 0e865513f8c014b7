//! What of an item is served, and how a browser is told to treat it.

use std::fmt::Write as _;

use super::Item;

/// Types that a browser may show; anything else is offered as a file, so that nothing that somebody uploaded
/// runs in the name of the provider.
const SHOWN: [&str; 12] = [
    "image/jpeg",
    "image/png",
    "image/gif",
    "image/vnd.wap.wbmp",
    "audio/mpeg",
    "audio/amr",
    "audio/midi",
    "audio/wav",
    "audio/x-wav",
    "video/3gpp",
    "video/mp4",
    "text/plain",
];

/// Which octets are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// All of them.
    All,
    /// From `first` to `last`, both counted from 0.
    Range {
        /// The first octet.
        first: u64,
        /// The last one, which exists.
        last: u64,
    },
    /// None that exist (HTTP 416).
    Outside,
}

/// Reads a Range header (RFC 9110 §14). Anything but one range of octets is passed over: all is served.
pub fn part(range: Option<&str>, octets: u64) -> Part {
    let Some(range) = range.and_then(|range| range.trim().strip_prefix("bytes=")) else { return Part::All };
    let Some((first, last)) = range.trim().split_once('-') else { return Part::All };
    let end = octets.saturating_sub(1);
    let found = match (first.trim(), last.trim()) {
        ("", suffix) => match suffix.parse::<u64>() {
            Ok(0) => return Part::Outside,
            Ok(suffix) => (octets.saturating_sub(suffix), end),
            Err(_) => return Part::All,
        },
        (first, "") => match first.parse() {
            Ok(first) => (first, end),
            Err(_) => return Part::All,
        },
        (first, last) => match (first.parse(), last.parse::<u64>()) {
            (Ok(first), Ok(last)) if first <= last => (first, last.min(end)),
            _ => return Part::All,
        },
    };
    match found {
        (first, last) if first < octets => Part::Range { first, last },
        _ => Part::Outside,
    }
}

/// `Content-Disposition`: shown, or offered as a file; with the name, in ASCII and in UTF-8.
pub fn disposition(item: &Item, content_type: &str) -> String {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    let how =
        if SHOWN.iter().any(|shown| shown.eq_ignore_ascii_case(essence)) { "inline" } else { "attachment" };
    let Some(name) = &item.name else { return how.to_owned() };
    let plain: String =
        name.chars().map(|c| if c.is_ascii() && !"\"\\%".contains(c) { c } else { '_' }).collect();
    format!("{how}; filename=\"{plain}\"; filename*=UTF-8''{}", coded(name))
}

/// Text as it stands in a path, a query or an extended parameter of a header: all but the unreserved
/// characters of RFC 3986 with percent signs.
pub fn coded(text: &str) -> String {
    let mut coded = String::with_capacity(text.len());
    for octet in text.bytes() {
        if octet.is_ascii_alphanumeric() || b"-._~".contains(&octet) {
            coded.push(char::from(octet));
        } else {
            // Writing into a String does not fail.
            let _ = write!(coded, "%{octet:02X}");
        }
    }
    coded
}

/// Percent signs and plus signs as in the query of a URL; what is no UTF-8 is replaced.
pub fn decoded(text: &str) -> String {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        let digit = |digit: u8| char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        match (first, after) {
            (b'+', _) => octets.push(b' '),
            (b'%', [high, low, further @ ..]) => match (digit(*high), digit(*low)) {
                (Some(high), Some(low)) => {
                    octets.push(high * 16 + low);
                    rest = further;
                }
                _ => octets.push(b'%'),
            },
            (other, _) => octets.push(*other),
        }
    }
    String::from_utf8_lossy(&octets).into_owned()
}

#[cfg(test)]
mod tests {
    use super::super::testing::item;
    use super::*;

    #[test]
    fn a_range_is_served_as_far_as_it_exists() {
        let range = |first, last| Part::Range { first, last };
        for (header, found) in [
            ("bytes=0-4", range(0, 4)),
            ("bytes=5-", range(5, 9)),
            ("bytes=-3", range(7, 9)),
            ("bytes=-30", range(0, 9)),
            ("bytes=8-100", range(8, 9)),
            ("bytes=10-", Part::Outside),
            ("bytes=-0", Part::Outside),
            ("bytes=4-2", Part::All),
            ("bytes=0-1,3-4", Part::All),
            ("lines=1-2", Part::All),
            ("bytes=x-", Part::All),
        ] {
            assert_eq!(part(Some(header), 10), found, "{header}");
        }
        assert_eq!(part(None, 10), Part::All);
    }

    #[test]
    fn only_harmless_types_are_shown_by_a_browser() {
        let mut kept = item("a", "link");
        assert_eq!(
            disposition(&kept, "Image/PNG; x=y"),
            "inline; filename=\"map.png\"; filename*=UTF-8''map.png"
        );
        for wild in ["text/html", "image/svg+xml", "application/xhtml+xml", ""] {
            assert!(disposition(&kept, wild).starts_with("attachment"), "{wild}");
        }
        kept.name = Some("grüße \"1\".gif".into());
        assert_eq!(
            disposition(&kept, "image/gif"),
            "inline; filename=\"gr__e _1_.gif\"; filename*=UTF-8''gr%C3%BC%C3%9Fe%20%221%22.gif"
        );
        kept.name = None;
        assert_eq!(disposition(&kept, "image/gif"), "inline");
    }
}
