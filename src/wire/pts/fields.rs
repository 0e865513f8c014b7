//! The fields of a primitive: `KEY=value`, read by key and written in order.

use std::str::FromStr;

use super::Unreadable;
use super::value::{Value, parameters};

/// The fields of a primitive, in order.
#[derive(Default)]
pub(super) struct Fields(Vec<(String, Value)>);

impl Fields {
    pub(super) fn read(text: &str) -> Result<Self, Unreadable> {
        parameters(text).map(Self)
    }

    /// As they stand behind the preamble, each after a blank.
    pub(super) fn written(&self) -> String {
        self.0.iter().fold(String::new(), |mut text, (key, value)| {
            text.push(' ');
            text.push_str(key);
            text.push('=');
            value.write(&mut text);
            text
        })
    }

    pub(super) fn of<'f>(&'f self, key: &'f str) -> impl Iterator<Item = &'f Value> {
        self.0.iter().filter(move |(found, _)| found == key).map(|(_, value)| value)
    }

    /// The value as something; `None`: it is not there.
    pub(super) fn get<T: FromStr>(&self, key: &'static str) -> Result<Option<T>, Unreadable> {
        self.of(key).next().map(|value| parsed(value, key)).transpose()
    }

    pub(super) fn need<T: FromStr>(&self, key: &'static str) -> Result<T, Unreadable> {
        self.get(key)?.ok_or(Unreadable::Missing(key))
    }

    pub(super) fn text(&self, key: &'static str) -> Result<Option<Box<str>>, Unreadable> {
        let text = |value: &Value| value.as_text().map(Into::into).ok_or(Unreadable::Value(key));
        self.of(key).next().map(text).transpose()
    }

    /// Everything of a key that may stand several times, alone or in groups.
    pub(super) fn all<T: FromStr>(&self, key: &'static str) -> Result<Vec<T>, Unreadable> {
        self.of(key).flat_map(Value::items).map(|value| parsed(value, key)).collect()
    }

    pub(super) fn truth(&self, key: &'static str) -> Result<Option<bool>, Unreadable> {
        self.of(key).next().map(|value| truth(value, key)).transpose()
    }

    pub(super) fn rows<'f>(&'f self, key: &'f str) -> impl Iterator<Item = &'f [Value]> {
        self.of(key).flat_map(Value::rows).filter(|row| !row.is_empty())
    }

    pub(super) fn put(&mut self, key: &str, value: Option<Value>) -> &mut Self {
        self.0.extend(value.map(|value| (key.to_owned(), value)));
        self
    }

    pub(super) fn say(&mut self, key: &str, text: Option<impl ToString>) -> &mut Self {
        self.put(key, text.map(|text| Value::text(text.to_string())))
    }

    pub(super) fn say_all(&mut self, key: &str, texts: impl IntoIterator<Item = impl ToString>) -> &mut Self {
        let values: Vec<Value> = texts.into_iter().map(|text| Value::text(text.to_string())).collect();
        self.put(key, (!values.is_empty()).then(|| Value::list(values)))
    }

    pub(super) fn say_truth(&mut self, key: &str, truth: Option<bool>) -> &mut Self {
        self.say(key, truth.map(letter))
    }

    /// A table of at least one row.
    pub(super) fn table(&mut self, key: &str, rows: Vec<Value>) -> &mut Self {
        self.put(key, (!rows.is_empty()).then_some(Value::Group(rows)))
    }
}

pub(super) fn parsed<T: FromStr>(value: &Value, key: &'static str) -> Result<T, Unreadable> {
    value.as_text().and_then(|text| text.parse().ok()).ok_or(Unreadable::Value(key))
}

pub(super) fn truth(value: &Value, key: &'static str) -> Result<bool, Unreadable> {
    match value.as_text() {
        Some("T" | "t") => Ok(true),
        Some("F" | "f") => Ok(false),
        _ => Err(Unreadable::Value(key)),
    }
}

pub(super) const fn letter(truth: bool) -> &'static str {
    if truth { "T" } else { "F" }
}

pub(super) fn pair(code: &str, value: impl Into<Value>) -> Value {
    Value::Group(vec![Value::text(code), value.into()])
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}
