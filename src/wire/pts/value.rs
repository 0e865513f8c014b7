//! Values of the plain text syntax: text, or a group of values in parentheses.

use super::Unreadable;

/// How deep groups may stand in each other.
const DEPTH_MAX: usize = 8;
/// Values in one document.
const VALUES_MAX: usize = 4096;

/// A value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Text(String),
    Group(Vec<Self>),
}

impl Value {
    /// Text.
    pub(super) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// One value stands for itself, several for a group of them.
    pub(super) fn list(values: Vec<Self>) -> Self {
        match <[Self; 1]>::try_from(values) {
            Ok([only]) => only,
            Err(values) => Self::Group(values),
        }
    }

    /// The text; a group of one text is that text.
    pub(super) fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Group(values) => match &values[..] {
                [only] => only.as_text(),
                _ => None,
            },
        }
    }

    /// What is in a group; text is a group of one.
    pub(super) fn items(&self) -> &[Self] {
        match self {
            Self::Group(values) => values,
            Self::Text(_) => std::slice::from_ref(self),
        }
    }

    /// The rows of a table: a group of groups, or one row alone.
    pub(super) fn rows(&self) -> Vec<&[Self]> {
        match self {
            Self::Group(values) if values.iter().all(|value| matches!(value, Self::Group(_))) => {
                values.iter().map(Self::items).collect()
            }
            other => vec![other.items()],
        }
    }

    /// Writes it: text that could be taken for something else in quotes.
    pub(super) fn write(&self, out: &mut String) {
        match self {
            Self::Text(text) => {
                let special = |c: char| c.is_whitespace() || "\",()=&".contains(c);
                if text.is_empty() || text.chars().any(special) {
                    out.push('"');
                    out.push_str(&text.replace('"', "\"\""));
                    out.push('"');
                } else {
                    out.push_str(text);
                }
            }
            Self::Group(values) => {
                out.push('(');
                for (index, value) in values.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    value.write(out);
                }
                out.push(')');
            }
        }
    }
}

/// The parameters `KEY=value` behind a preamble, in order; keys in capitals.
pub(super) fn parameters(text: &str) -> Result<Vec<(String, Value)>, Unreadable> {
    let mut reader = Reader { rest: text, values: 0 };
    let mut found = Vec::new();
    loop {
        reader.rest = reader.rest.trim_start();
        if reader.rest.is_empty() {
            return Ok(found);
        }
        // What stands without a key goes on with the text before it: a real client does not quote the blanks in a
        // status text.
        let Some((key, rest)) = key(reader.rest) else {
            let Some((_, Value::Text(text))) = found.last_mut() else {
                return Err(Unreadable::Syntax("a key"));
            };
            let (word, rest) = reader.rest.split_once(' ').unwrap_or((reader.rest, ""));
            text.push(' ');
            text.push_str(word);
            reader.rest = rest;
            continue;
        };
        reader.rest = rest;
        let value = reader.value(0)?;
        found.push((key, value));
    }
}

/// `KEY=`, two letters.
fn key(text: &str) -> Option<(String, &str)> {
    let (key, rest) = text.split_once('=')?;
    (key.len() == 2 && key.bytes().all(|octet| octet.is_ascii_alphabetic()))
        .then(|| (key.to_ascii_uppercase(), rest))
}

struct Reader<'t> {
    rest: &'t str,
    values: usize,
}

impl Reader<'_> {
    fn value(&mut self, depth: usize) -> Result<Value, Unreadable> {
        self.values += 1;
        if self.values > VALUES_MAX || depth > DEPTH_MAX {
            return Err(Unreadable::TooMuch);
        }
        if let Some(rest) = self.rest.strip_prefix('(') {
            self.rest = rest;
            return self.group(depth);
        }
        if let Some(rest) = self.rest.strip_prefix('"') {
            self.rest = rest;
            return self.quoted();
        }
        // Outside of groups a real client leaves commas and parentheses unquoted too.
        let ends = |c: char| c == ' ' || depth > 0 && (c == ',' || c == ')');
        let end = self.rest.find(ends).unwrap_or(self.rest.len());
        let (text, rest) = self.rest.split_at_checked(end).ok_or(Unreadable::Syntax("a value"))?;
        self.rest = rest;
        Ok(Value::text(text))
    }

    fn group(&mut self, depth: usize) -> Result<Value, Unreadable> {
        let mut values = Vec::new();
        if let Some(rest) = self.rest.strip_prefix(')') {
            self.rest = rest;
            return Ok(Value::Group(values));
        }
        loop {
            values.push(self.value(depth + 1)?);
            let rest = self.rest.trim_start_matches(' ');
            if let Some(rest) = rest.strip_prefix(',') {
                self.rest = rest.trim_start_matches(' ');
            } else if let Some(rest) = rest.strip_prefix(')') {
                self.rest = rest;
                return Ok(Value::Group(values));
            } else {
                return Err(Unreadable::Syntax("the end of a group"));
            }
        }
    }

    fn quoted(&mut self) -> Result<Value, Unreadable> {
        let mut text = String::new();
        loop {
            let (before, behind) = self.rest.split_once('"').ok_or(Unreadable::Syntax("a closing quote"))?;
            text.push_str(before);
            match behind.strip_prefix('"') {
                Some(rest) => {
                    text.push('"');
                    self.rest = rest;
                }
                None => {
                    self.rest = behind;
                    return Ok(Value::Text(text));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn one(text: &str) -> Result<Value, Unreadable> {
        let mut found = parameters(&format!("AB={text}"))?;
        assert_eq!(found.len(), 1, "{found:?}");
        Ok(found.remove(0).1)
    }

    #[test]
    fn text_is_quoted_where_it_has_to_be_and_groups_stand_in_groups() {
        let text = Value::text;
        assert_eq!(one("MD5"), Ok(text("MD5")));
        assert_eq!(one("\"back soon, \"\"promise\"\"\""), Ok(text("back soon, \"promise\"")));
        let group = Value::Group(vec![text("a"), Value::Group(vec![text("b"), text("c d")]), text("")]);
        assert_eq!(one("(a,(b,\"c d\"),)"), Ok(group.clone()));
        let mut written = String::new();
        group.write(&mut written);
        assert_eq!(written, "(a,(b,\"c d\"),\"\")");
        assert_eq!(one("()"), Ok(Value::Group(Vec::new())));
        assert_eq!(Value::list(vec![text("x")]), text("x"));
        assert_eq!(Value::Group(vec![text("x")]).as_text(), Some("x"));
    }

    #[test]
    fn a_status_text_without_quotes_is_read_to_the_next_key() {
        let found = parameters("ST=back soon, (really) si=17").unwrap();
        assert_eq!(
            found,
            [("ST".into(), Value::text("back soon, (really)")), ("SI".into(), Value::text("17"))]
        );
    }

    #[test]
    fn what_does_not_end_or_is_too_deep_is_refused() {
        for text in ["AB=(a", "AB=\"a", "AB=(a b)", "no key", "AB=(\"a\"b)"] {
            assert!(parameters(text).is_err(), "{text}");
        }
        assert_eq!(one(&"(".repeat(10_000)), Err(Unreadable::TooMuch));
        assert_eq!(one(&format!("({})", "a,".repeat(5000))), Err(Unreadable::TooMuch));
    }

    fn value() -> impl Strategy<Value = Value> {
        let text = "[ -~äß]{0,12}".prop_map(Value::Text);
        text.prop_recursive(4, 24, 4, |inner| prop::collection::vec(inner, 0..4).prop_map(Value::Group))
    }

    proptest! {
        #[test]
        fn every_value_comes_back(values in prop::collection::vec(value(), 1..4)) {
            let mut text = String::new();
            for value in &values {
                text.push_str(" KY=");
                value.write(&mut text);
            }
            let read: Vec<Value> =
                parameters(&text).unwrap().into_iter().map(|(_, value)| value).collect();
            prop_assert_eq!(read, values);
        }

        #[test]
        fn no_text_breaks_the_reader(text in ".{0,200}") {
            let _ = parameters(&text);
        }
    }
}
