//! Reading one table of a file key by key.
//!
//! Each method takes a key out of the table, tells a mistake where it stands, and goes on with the
//! default, so that every other mistake is told too. What is left at the end is unknown.

use std::fmt::Display;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::rc::Rc;

use toml::Spanned;
use toml::de::{DeArray, DeString, DeTable, DeValue};

use super::source::{Place, Placed, Severity, Source};
use crate::imps::time::DateTime;

/// A table of a file that is being read.
pub(super) struct Section<'d> {
    source: &'d Rc<Source>,
    /// `ssp`, `ssp.identity`, `peer`; empty for the file itself.
    name: &'static str,
    /// Where it begins.
    start: usize,
    table: DeTable<'d>,
    /// Every key that was asked for.
    known: Vec<&'static str>,
    /// Every key that stands in the file.
    written: Vec<String>,
}

/// A key with its value, taken out of a table.
struct Entry<'d> {
    key: Spanned<DeString<'d>>,
    value: Spanned<DeValue<'d>>,
}

impl<'d> Section<'d> {
    /// The file itself. The first mistake of syntax is told, for the others follow from it; what stands
    /// before it is given.
    pub(super) fn file(source: &'d Rc<Source>) -> Self {
        let (root, errors) = DeTable::parse_recoverable(&source.text);
        if let Some((at, error)) = errors
            .iter()
            .map(|error| (error.span().map_or(0, |span| span.start), error))
            .min_by_key(|(at, _)| *at)
        {
            source.broken(at, format!("{}; allowed: TOML", one_line(error.message())));
        }
        Self::new(source, "", 0, root.into_inner())
    }

    fn new(source: &'d Rc<Source>, name: &'static str, start: usize, table: DeTable<'d>) -> Self {
        let written = table.keys().map(|key| key.get_ref().to_string()).collect();
        Self { source, name, start, table, known: Vec::new(), written }
    }

    /// Whether the key stands in the file, whatever its value.
    pub(super) fn was_written(&self, key: &str) -> bool {
        self.written.iter().any(|written| written == key)
    }

    /// Whether the key, which was not read yet, holds an empty list.
    pub(super) fn holds_empty_list(&self, key: &str) -> bool {
        matches!(self.table.get(key).map(Spanned::get_ref), Some(DeValue::Array(array)) if array.is_empty())
    }

    /// Where the section itself stands.
    pub(super) fn place(&self) -> Place {
        Place::table(self.source, &format!("[[{}]]", self.name), self.start)
    }

    fn take(&mut self, key: &'static str) -> Option<Entry<'d>> {
        self.known.push(key);
        self.table.remove_entry(key).map(|(key, value)| Entry { key, value })
    }

    fn path_of(&self, key: &str) -> String {
        if self.name.is_empty() { key.to_owned() } else { format!("{}.{key}", self.name) }
    }

    fn written(&self, entry: &Entry<'_>) -> Place {
        Place::written(self.source, entry.key.get_ref(), entry.key.span().start, entry.value.span())
    }

    fn defaulted(&self, key: &str, value: &str) -> Place {
        Place::default(self.source, &self.path_of(key), self.start, value)
    }

    /// Tells that a mandatory key is not there.
    pub(super) fn missing(&self, key: &'static str, allowed: &str) {
        let text = format!("{}: is missing; allowed: {allowed}", self.path_of(key));
        self.source.note_absent(self.start, Severity::Error, text);
    }

    /// A table below this one; an empty one if it is not written.
    pub(super) fn section(&mut self, key: &'static str) -> Self {
        let (start, table) = match self.take(key) {
            None => (0, DeTable::new()),
            Some(entry) => {
                let place = self.written(&entry);
                let start = entry.value.span().start;
                match entry.value.into_inner() {
                    DeValue::Table(table) => (start, table),
                    other => {
                        place.error(
                            format_args!("{} where a table belongs", kind(&other)),
                            &format!("[{key}]"),
                        );
                        (start, DeTable::new())
                    }
                }
            }
        };
        Self::new(self.source, key, start, table)
    }

    /// The tables of an array of tables, each `[[NAME]]`; none if it is not written.
    pub(super) fn sections(&mut self, key: &'static str, name: &'static str) -> Vec<Self> {
        let Some(entry) = self.take(key) else { return Vec::new() };
        let place = self.written(&entry);
        let allowed = format!("[[{name}]] before each");
        let DeValue::Array(array) = entry.value.into_inner() else {
            place.error("one value where a list of tables belongs", &allowed);
            return Vec::new();
        };
        let mut sections = Vec::new();
        for item in array {
            let start = item.span().start;
            match item.into_inner() {
                DeValue::Table(table) => sections.push(Self::new(self.source, name, start, table)),
                other => place.error(format_args!("{} where a table belongs", kind(&other)), &allowed),
            }
        }
        sections
    }

    /// A text. `None` if not written or no text (which is told).
    pub(super) fn text(&mut self, key: &'static str, allowed: &str) -> Option<Placed<String>> {
        let entry = self.take(key)?;
        let place = self.written(&entry);
        match entry.value.into_inner() {
            DeValue::String(text) => Some(Placed { value: text.into_owned(), place }),
            other => {
                place.error(format_args!("{} where a text belongs", kind(&other)), allowed);
                None
            }
        }
    }

    /// A text that parses, else its mistake is told.
    pub(super) fn parsed<T, E: Display>(
        &mut self,
        key: &'static str,
        allowed: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<Placed<T>> {
        let text = self.text(key, allowed)?;
        match parse(&text.value) {
            Ok(value) => Some(Placed { value, place: text.place }),
            Err(wrong) => {
                text.place.error(wrong, allowed);
                None
            }
        }
    }

    /// A list of texts that parse, with the place of each; `None` if not written. A value that stands
    /// twice is a mistake, except where `repeats` says that it may.
    pub(super) fn list<T: PartialEq, E: Display>(
        &mut self,
        key: &'static str,
        allowed: &str,
        parse: impl Fn(&str) -> Result<T, E>,
        repeats: impl Fn(&T) -> bool,
    ) -> Option<Vec<Placed<T>>> {
        let entry = self.take(key)?;
        let place = self.written(&entry);
        let name = entry.key.get_ref().clone();
        let array: DeArray<'_> = match entry.value.into_inner() {
            DeValue::Array(array) => array,
            other => {
                place.error(
                    format_args!("{} where a list belongs", kind(&other)),
                    &format!("a list of {allowed}"),
                );
                return Some(Vec::new());
            }
        };
        let mut found: Vec<Placed<T>> = Vec::new();
        for item in array {
            let place = Place::written(self.source, &name, item.span().start, item.span());
            match item.into_inner() {
                DeValue::String(text) => match parse(&text) {
                    Ok(value) if !repeats(&value) && found.iter().any(|other| other.value == value) => {
                        place.error("stands twice in the list", "each once");
                    }
                    Ok(value) => found.push(Placed { value, place }),
                    Err(wrong) => place.error(wrong, allowed),
                },
                other => place.error(format_args!("{} where a text belongs", kind(&other)), allowed),
            }
        }
        Some(found)
    }

    /// One of a few words.
    pub(super) fn word<T: Copy>(
        &mut self,
        key: &'static str,
        all: &[T],
        word: impl Fn(T) -> &'static str,
        default: T,
    ) -> T {
        self.placed_word(key, all, word).map_or(default, |found| found.value)
    }

    /// The same with its place; `None` if not written.
    pub(super) fn placed_word<T: Copy>(
        &mut self,
        key: &'static str,
        all: &[T],
        word: impl Fn(T) -> &'static str,
    ) -> Option<Placed<T>> {
        let allowed = all.iter().map(|value| word(*value)).collect::<Vec<_>>().join(", ");
        let parse = |text: &str| {
            all.iter().copied().find(|value| word(*value) == text).ok_or("is not one of the known words")
        };
        self.parsed(key, &allowed, parse)
    }

    /// A whole number within a range.
    pub(super) fn number(&mut self, key: &'static str, range: RangeInclusive<u64>, default: u64) -> u64 {
        let Some(entry) = self.take(key) else { return default };
        let place = self.written(&entry);
        let allowed = format!("{}..={}", range.start(), range.end());
        match entry.value.get_ref() {
            DeValue::Integer(digits) => match i128::from_str_radix(digits.as_str(), digits.radix()) {
                Ok(number) if number < i128::from(*range.start()) => place.error("too small", &allowed),
                Ok(number) => match u64::try_from(number) {
                    Ok(number) if range.contains(&number) => return number,
                    _ => place.error("too large", &allowed),
                },
                Err(_) => place.error("too large", &allowed),
            },
            other => place.error(format_args!("{} where a whole number belongs", kind(other)), &allowed),
        }
        default
    }

    /// `true` or `false`.
    pub(super) fn truth(&mut self, key: &'static str, default: bool) -> bool {
        self.placed_truth(key).map_or(default, |found| found.value)
    }

    /// The same with its place; `None` if not written.
    pub(super) fn placed_truth(&mut self, key: &'static str) -> Option<Placed<bool>> {
        let entry = self.take(key)?;
        let place = self.written(&entry);
        if let DeValue::Boolean(value) = entry.value.get_ref() {
            return Some(Placed { value: *value, place });
        }
        let found = kind(entry.value.get_ref());
        place.error(format_args!("{found} where a truth value belongs"), "true, false");
        None
    }

    /// A date: its first second, or its last if `last`; or a point in time.
    pub(super) fn date(&mut self, key: &'static str, last: bool) -> Option<Placed<DateTime>> {
        const ALLOWED: &str = "a date such as 2027-12-31, without quotes";
        let entry = self.take(key)?;
        let place = self.written(&entry);
        let DeValue::Datetime(written) = entry.value.get_ref() else {
            place.error(format_args!("{} where a date belongs", kind(entry.value.get_ref())), ALLOWED);
            return None;
        };
        let mut text = written.to_string();
        match (written.date, written.time, written.offset) {
            (None, _, _) => {
                place.error("a time of day without a date", ALLOWED);
                return None;
            }
            (_, None, _) => text.push_str(if last { "T23:59:59Z" } else { "T00:00:00Z" }),
            (_, Some(_), None) => text.push('Z'),
            _ => {}
        }
        let value = text.parse::<jiff::Timestamp>().map(|at| DateTime::from_unix(at.as_second()));
        match value {
            Ok(value) => Some(Placed { value, place }),
            Err(_) => {
                place.error("no such date", ALLOWED);
                None
            }
        }
    }

    /// A path, relative to the file; the default, relative to it too, if not written.
    pub(super) fn path(&mut self, key: &'static str, default: &str) -> Placed<PathBuf> {
        let resolved = self.source.resolve(default);
        self.path_or(key, resolved, default)
    }

    /// A path, relative to the file; else this default, shown so.
    pub(super) fn path_or(&mut self, key: &'static str, default: PathBuf, shown: &str) -> Placed<PathBuf> {
        self.optional_path(key)
            .unwrap_or_else(|| Placed { value: default, place: self.defaulted(key, &format!("{shown:?}")) })
    }

    /// A path, relative to the file, if one is written.
    pub(super) fn optional_path(&mut self, key: &'static str) -> Option<Placed<PathBuf>> {
        let source = Rc::clone(self.source);
        self.parsed(key, PATH, |text| path(&source, text))
    }

    /// A path, relative to the file, if one is written that is not empty.
    pub(super) fn path_unless_empty(&mut self, key: &'static str) -> Option<Placed<PathBuf>> {
        let source = Rc::clone(self.source);
        let found = self.text(key, PATH)?;
        (!found.value.is_empty()).then(|| Placed { value: source.resolve(&found.value), place: found.place })
    }

    /// A list of paths, relative to the file; the default if not written.
    pub(super) fn paths(&mut self, key: &'static str, default: &[&str]) -> Vec<Placed<PathBuf>> {
        let source = Rc::clone(self.source);
        self.list(key, PATH, |text| path(&source, text), |_| false).unwrap_or_else(|| {
            let placed = |written: &&str| Placed {
                value: self.source.resolve(written),
                place: self.defaulted(key, &format!("[{written:?}]")),
            };
            default.iter().map(placed).collect()
        })
    }

    /// A list of addresses to listen on; port 0 takes a free one.
    pub(super) fn listeners(&mut self, key: &'static str, default: &[SocketAddr]) -> Vec<Placed<SocketAddr>> {
        self.list(key, LISTENER, socket, |address| address.port() == 0).unwrap_or_else(|| {
            let placed = |address: &SocketAddr| Placed {
                value: *address,
                place: self.defaulted(key, &format!("[\"{address}\"]")),
            };
            default.iter().map(placed).collect()
        })
    }

    /// One address to listen on.
    pub(super) fn listener(&mut self, key: &'static str, default: SocketAddr) -> Placed<SocketAddr> {
        let found = self.parsed(key, LISTENER, socket);
        found.unwrap_or_else(|| Placed {
            value: default,
            place: self.defaulted(key, &format!("\"{default}\"")),
        })
    }

    /// A list of servers; a port that is not written is `port`.
    pub(super) fn servers(&mut self, key: &'static str, port: u16) -> Vec<SocketAddr> {
        let parse = |text: &str| match text.parse::<IpAddr>() {
            Ok(address) => Ok(SocketAddr::new(address, port)),
            Err(_) => match socket(text) {
                Ok(address) if address.port() == 0 => Err("port 0 cannot be asked"),
                done => done,
            },
        };
        let found =
            self.list(key, "ADDRESS:PORT, such as \"127.0.0.1:53\" or \"[::1]:53\"", parse, |_| false);
        found.unwrap_or_default().into_iter().map(|server| server.value).collect()
    }

    /// Ends the section: every key that is left is told as unknown.
    pub(super) fn finish(self) {
        for (key, value) in &self.table {
            let path = self.path_of(key.get_ref());
            let place = match value.get_ref() {
                DeValue::Table(_) => Place::table(self.source, &format!("[{path}]"), value.span().start),
                DeValue::Array(items) if items.iter().any(|item| item.get_ref().is_table()) => {
                    let start = items.first().map_or(value.span().start, |item| item.span().start);
                    Place::table(self.source, &format!("[[{path}]]"), start)
                }
                _ => Place::written(self.source, key.get_ref(), key.span().start, value.span()),
            };
            let allowed = self.known.join(", ");
            if let Some(near) = nearest(key.get_ref(), &self.known) {
                place.error(format_args!("unknown key; did you mean {near}?"), &allowed);
            } else {
                place.error("unknown key", &allowed);
            }
        }
    }
}

/// What a path is.
pub(super) const PATH: &str = "a path, absolute or relative to this file";
const LISTENER: &str = "ADDRESS:PORT, such as \"0.0.0.0:5222\" or \"[::]:5222\"; port 0 takes a free one";

fn path(source: &Source, text: &str) -> Result<PathBuf, &'static str> {
    if text.is_empty() { Err("is empty") } else { Ok(source.resolve(text)) }
}

fn socket(text: &str) -> Result<SocketAddr, &'static str> {
    text.parse().map_err(|_| "is no socket address")
}

/// The kind of a value, with article.
fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "a truth value",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The known key that was probably meant: at most two changes away.
fn nearest(written: &str, known: &[&'static str]) -> Option<&'static str> {
    let near = known.iter().map(|key| (distance(written, key), *key)).min()?;
    (near.0 <= 2).then_some(near.1)
}

/// How many letters must be added, dropped or changed (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut next = vec![i + 1];
        for (j, (y, pair)) in b.iter().zip(row.windows(2)).enumerate() {
            let &[diagonal, above] = pair else { continue };
            let left = next.get(j).copied().unwrap_or_default();
            next.push((diagonal + usize::from(x != *y)).min(above + 1).min(left + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}
