//! Plain XML: the part of XML in which nothing can be seen in two ways.
//!
//! No prefix, comment, processing instruction, CDATA, no reference but those that our own writer makes,
//! ASCII names, every attribute once. Whatever this [`Cutter`] lets pass, the reader of `wire::xml` and
//! any other takes for the same thing, so that its octets may travel on as they are
//! (decisions.md 14). Everything else is no error: it is read and written anew.

use crate::wire::Limits;
use crate::wire::tree::{CONTENT, Name, folded_hash};
use crate::wire::xml;

/// One piece of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// `<name …>`; the attributes are in [`Cutter::attributes`].
    Start(&'a str),
    /// `<name …/>`.
    Empty(&'a str),
    /// `</name>`.
    End(&'a str),
    /// What stands between tags, not empty.
    Text(&'a str),
    /// Nothing is left.
    Over,
}

/// An attribute.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attribute<'a> {
    hash: u32,
    value: &'a str,
}

/// Cuts a document into pieces, left to right.
#[derive(Debug)]
pub(super) struct Cutter<'a> {
    text: &'a str,
    at: usize,
    /// Of the last start tag.
    attributes: Vec<Attribute<'a>>,
    /// The open elements.
    open: Vec<&'a str>,
    elements: usize,
    limits: Limits,
}

impl<'a> Cutter<'a> {
    /// Begins with the first octet of a document or fragment; `None` if it is not plain from the start.
    pub(super) fn new(octets: &'a [u8], limits: &Limits) -> Option<Self> {
        if octets.len() > limits.document {
            return None;
        }
        let text = std::str::from_utf8(octets).ok()?;
        if xml::is_forbidden(text) {
            return None;
        }
        Some(Self {
            text,
            at: 0,
            attributes: Vec::with_capacity(8),
            open: Vec::with_capacity(16),
            elements: 0,
            limits: *limits,
        })
    }

    /// Passes over the declaration that a document may begin with.
    pub(super) fn pass_declaration(&mut self) {
        const DECLARATIONS: [&str; 4] = [
            r#"<?xml version="1.0" encoding="UTF-8"?>"#,
            r#"<?xml version="1.0" encoding="utf-8"?>"#,
            "<?xml version='1.0' encoding='UTF-8'?>",
            r#"<?xml version="1.0"?>"#,
        ];
        if let Some(found) = DECLARATIONS.iter().find(|found| self.text.starts_with(**found)) {
            self.at = found.len();
        }
    }

    /// Where the next piece begins.
    pub(super) const fn position(&self) -> usize {
        self.at
    }

    /// How many elements are open.
    pub(super) const fn depth(&self) -> usize {
        self.open.len()
    }

    /// What stands between two positions.
    pub(super) fn slice(&self, range: std::ops::Range<usize>) -> &'a str {
        self.text.get(range).unwrap_or_default()
    }

    /// The value of an attribute of the last start tag. `Err` if it holds a reference: what it means is
    /// not looked at here.
    pub(super) fn attribute(&self, name: Name) -> Result<Option<&'a str>, ()> {
        let found = self.attributes.iter().find(|attribute| attribute.hash == name.hash);
        match found {
            Some(found) if found.value.contains('&') => Err(()),
            found => Ok(found.map(|found| found.value)),
        }
    }

    /// The next piece; `None` if it is not plain.
    pub(super) fn next(&mut self) -> Option<Piece<'a>> {
        let rest = self.text.get(self.at..)?;
        if rest.is_empty() {
            return self.open.is_empty().then_some(Piece::Over);
        }
        let Some(tag) = rest.strip_prefix('<') else {
            let end = rest.find('<').unwrap_or(rest.len());
            let text = rest.get(..end)?;
            self.at += end;
            return self.is_plain_text(text).then_some(Piece::Text(text));
        };
        if let Some(tag) = tag.strip_prefix('/') {
            let end = tag.find('>')?;
            let name = tag.get(..end)?;
            self.at += end + 3;
            return (self.open.pop() == Some(name)).then_some(Piece::End(name));
        }
        self.start(tag)
    }

    /// Passes over white space.
    pub(super) fn pass_space(&mut self) {
        let rest = self.text.get(self.at..).unwrap_or_default();
        self.at = self.text.len() - rest.trim_ascii_start().len();
    }

    /// The next piece where nothing but white space may stand between tags.
    pub(super) fn next_tag(&mut self) -> Option<Piece<'a>> {
        self.pass_space();
        self.next().filter(|piece| !matches!(piece, Piece::Text(_)))
    }

    fn is_plain_text(&self, text: &str) -> bool {
        let is_content = || {
            let innermost = self.open.last().map_or(0, |name| folded_hash(name));
            CONTENT.contains(&innermost)
        };
        !text.contains("]]>") && are_plain(text) && (text.len() <= self.limits.text || is_content())
    }

    /// A start tag, without its `<`.
    fn start(&mut self, tag: &'a str) -> Option<Piece<'a>> {
        self.elements += 1;
        if self.elements > self.limits.elements || self.open.len() >= self.limits.depth {
            return None;
        }
        let (name, mut rest) = cut_name(tag)?;
        self.attributes.clear();
        loop {
            let after = rest.trim_ascii_start();
            if let Some(after) = after.strip_prefix('>') {
                self.at = self.text.len() - after.len();
                self.open.push(name);
                return Some(Piece::Start(name));
            }
            if let Some(after) = after.strip_prefix("/>") {
                self.at = self.text.len() - after.len();
                return Some(Piece::Empty(name));
            }
            if after.len() == rest.len() || self.attributes.len() >= self.limits.attributes {
                return None;
            }
            let (attribute, after) = cut_name(after)?;
            let after = after.strip_prefix('=')?;
            let quote = after.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
            let (value, after) = after.get(1..)?.split_once(quote)?;
            let hash = folded_hash(attribute);
            let is_new = self.attributes.iter().all(|known| known.hash != hash);
            let is_plain = value.len() <= self.limits.text
                && !value.bytes().any(|octet| octet == b'<' || octet < b' ')
                && are_plain(value);
            if !is_new || !is_plain {
                return None;
            }
            self.attributes.push(Attribute { hash, value });
            rest = after;
        }
    }
}

/// Cuts a name of ASCII letters and digits off the front.
fn cut_name(text: &str) -> Option<(&str, &str)> {
    let begins = text.bytes().next().is_some_and(|octet| octet.is_ascii_alphabetic());
    let is_name = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_' | b'.');
    let end = text.bytes().position(|octet| !is_name(octet))?;
    begins.then(|| text.split_at_checked(end)).flatten()
}

/// Whether every reference in it is one that our writer makes.
fn are_plain(text: &str) -> bool {
    const REFERENCES: [&str; 8] = ["amp;", "lt;", "gt;", "quot;", "apos;", "#9;", "#10;", "#13;"];
    text.split('&').skip(1).all(|after| REFERENCES.iter().any(|reference| after.starts_with(reference)))
}

/// Whether a primitive may travel on octet by octet: one plain element and nothing else.
pub fn is_plain(fragment: &[u8], limits: &Limits) -> bool {
    let whole = || {
        let mut cutter = Cutter::new(fragment, limits)?;
        loop {
            match cutter.next()? {
                Piece::Text(_) | Piece::Over if cutter.depth() == 0 => return None,
                _ if cutter.depth() == 0 => break,
                _ => {}
            }
        }
        (cutter.position() == fragment.len()).then_some(())
    };
    whole().is_some()
}
