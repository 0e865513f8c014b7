//! Machine output: JSON, as far as lists of texts and numbers need it.

use std::fmt::Write as _;

/// A text as a JSON string.
pub(super) fn text(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            c if c.is_control() => {
                // Writing to a string cannot fail.
                let _ = write!(quoted, "\\u{:04x}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// A list of what is JSON already.
pub(super) fn list(items: impl IntoIterator<Item = String>) -> String {
    format!("[{}]", items.into_iter().collect::<Vec<_>>().join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_json_cannot_hold_is_escaped() {
        assert_eq!(text("a\"b\\c\nd\u{7}ü"), "\"a\\\"b\\\\c\\nd\\u0007ü\"");
        assert_eq!(list([text("a"), text("b")]), "[\"a\",\"b\"]");
        assert_eq!(list([]), "[]");
    }
}
