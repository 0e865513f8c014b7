//! The element tree that both readers, XML and WBXML, build and all tables read.
//!
//! A document becomes one flat list of elements in document order; an element knows where its
//! subtree ends, so that walking children needs no pointers and no allocation. Names, attributes
//! and text borrow from the input wherever they stand there as they are. Names are compared by a
//! hash that ignores case, `-` and `_`, made once per element here and at compile time in the
//! tables (reference csp-wbxml §8). The [`Builder`] is the one place that enforces the
//! [`Limits`](super::Limits); whatever it hands out is bounded.

mod builder;

use std::borrow::Cow;

pub use builder::Builder;

use super::Refusal;

/// The hash of a name without regard to case, `-` and `_`.
#[allow(clippy::indexing_slicing)] // a const fn cannot iterate; the index is bounded by the loop
pub const fn folded_hash(name: &str) -> u32 {
    let bytes = name.as_bytes();
    let mut hash = FoldedHash::new();
    let mut index = 0;
    while index < bytes.len() {
        let byte = bytes[index].to_ascii_lowercase();
        if byte != b'-' && byte != b'_' {
            hash = hash.with(byte);
        }
        index += 1;
    }
    hash.finish()
}

/// A [`folded_hash`] in the making, for who walks over the name anyway. A step has to be quick, since each
/// waits for the one before; a dozen letters fit without touching each other, and the end mixes them.
#[derive(Clone, Copy, Debug)]
pub(super) struct FoldedHash(u64);

impl FoldedHash {
    /// That of no octets.
    pub(super) const fn new() -> Self {
        Self(0x243f_6a88_85a3_08d3)
    }

    /// With one more octet: lower case, no `-` and no `_`.
    #[must_use]
    pub(super) const fn with(self, octet: u8) -> Self {
        Self(self.0.rotate_left(5) ^ octet as u64)
    }

    /// The hash.
    #[allow(clippy::cast_possible_truncation)] // the upper half is what is wanted
    pub(super) const fn finish(self) -> u32 {
        (self.0.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as u32
    }
}

/// A name that the tables look for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Name {
    /// As we write it.
    pub text: &'static str,
    /// Its [`folded_hash`].
    pub hash: u32,
}

impl Name {
    /// A name, hashed at compile time where it stands in a constant.
    pub const fn new(text: &'static str) -> Self {
        Self { text, hash: folded_hash(text) }
    }
}

/// Elements whose text is content: bounded by the document alone (decisions.md 16).
pub(super) const CONTENT: [u32; 3] =
    [folded_hash("ContentData"), folded_hash("DirectContent"), folded_hash("ContainedvCard")];

/// What stands between the tags of an element, before its first child.
#[derive(Clone, Copy, Debug, Default)]
enum Value<'a> {
    #[default]
    Nothing,
    /// Text as it stands in the document.
    Text(&'a str),
    /// Opaque octets as they stand in the document; only WBXML has them.
    Octets(&'a [u8]),
    /// Text that was put together: its index in [`Tree::texts`].
    MadeText(u32),
    /// Octets that were put together: their index in [`Tree::octets`].
    MadeOctets(u32),
}

/// What an element or attribute holds, untrimmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Raw<'t> {
    /// Text, with references resolved; empty if there is none.
    Text(&'t str),
    /// Opaque octets of WBXML: an integer, a date, or content.
    Octets(&'t [u8]),
}

impl<'t> Raw<'t> {
    /// The text, untrimmed; `None` for octets that are not UTF-8.
    pub fn text(self) -> Option<&'t str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Octets(octets) => std::str::from_utf8(octets).ok(),
        }
    }

    /// Whether nothing but white space is there.
    pub fn is_blank(self) -> bool {
        match self {
            Self::Text(text) => text.bytes().all(|byte| byte.is_ascii_whitespace()),
            Self::Octets(octets) => octets.is_empty(),
        }
    }
}

#[derive(Debug)]
struct Node<'a> {
    name: &'a str,
    value: Value<'a>,
    hash: u32,
    /// Index after the last descendant; while the element is open, its parent's index.
    next: u32,
    /// Octet offsets of the element in the text that was read.
    start: u32,
    end: u32,
    attributes: u32,
    /// The [`bit`]s of the children.
    children: u32,
    attribute_count: u16,
    /// In a namespace of its own.
    extension: bool,
}

/// The bit of a name's hash in a set of 32: a set without it holds no such name.
const fn bit(hash: u32) -> u32 {
    1 << (hash % 32)
}

#[derive(Debug)]
struct Attribute<'a> {
    name: &'a str,
    hash: u32,
    value: Cow<'a, str>,
}

/// A document within its limits. It has at least a root.
#[derive(Debug)]
pub struct Tree<'a> {
    nodes: Vec<Node<'a>>,
    attributes: Vec<Attribute<'a>>,
    texts: Vec<String>,
    octets: Vec<Vec<u8>>,
}

impl<'a> Tree<'a> {
    /// The root element.
    pub fn root(&self) -> Element<'_, 'a> {
        Element { tree: self, index: 0 }
    }

    /// How many elements there are.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    fn raw(&self, value: Value<'a>) -> Raw<'_> {
        match value {
            Value::Nothing => Raw::Text(""),
            Value::Text(text) => Raw::Text(text),
            Value::Octets(octets) => Raw::Octets(octets),
            Value::MadeText(index) => Raw::Text(self.texts.get(index as usize).map_or("", String::as_str)),
            Value::MadeOctets(index) => {
                Raw::Octets(self.octets.get(index as usize).map_or(&[], Vec::as_slice))
            }
        }
    }

    /// Never: a tree has a root.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }
}

/// One element of a [`Tree`]: a handle, free to copy.
#[derive(Clone, Copy, Debug)]
pub struct Element<'t, 'a> {
    tree: &'t Tree<'a>,
    index: usize,
}

impl<'t, 'a> Element<'t, 'a> {
    fn node(self) -> Option<&'t Node<'a>> {
        self.tree.nodes.get(self.index)
    }

    /// The local name as written, without prefix.
    pub fn name(self) -> &'a str {
        self.node().map_or("", |node| node.name)
    }

    /// The [`folded_hash`] of the name.
    pub fn hash(self) -> u32 {
        self.node().map_or(0, |node| node.hash)
    }

    /// Whether the element has this name.
    pub fn is(self, name: Name) -> bool {
        self.hash() == name.hash
    }

    /// Whether it has a namespace of its own: a prefix, or an `xmlns` that it declares.
    pub fn is_extension(self) -> bool {
        self.node().is_some_and(|node| node.extension)
    }

    /// What stands before the first child, untrimmed.
    pub fn raw(self) -> Raw<'t> {
        self.node().map_or(Raw::Text(""), |node| self.tree.raw(node.value))
    }

    /// The text, trimmed; empty for octets that are no text.
    pub fn text(self) -> &'t str {
        trimmed(self.raw().text().unwrap_or_default())
    }

    /// Octet offset of the start tag in the text that was read.
    pub fn offset(self) -> usize {
        self.node().map_or(0, |node| node.start as usize)
    }

    /// Octet range of the whole element in the text that was read.
    pub fn range(self) -> std::ops::Range<usize> {
        self.node().map_or(0..0, |node| node.start as usize..node.end as usize)
    }

    /// The children in document order.
    pub fn children(self) -> Children<'t, 'a> {
        let end = self.node().map_or(0, |node| node.next as usize);
        Children { tree: self.tree, index: self.index + 1, end }
    }

    /// Whether there may be a child with this name; `false` says for certain, and soon, that there is none.
    #[inline]
    pub fn may_have(self, name: Name) -> bool {
        self.node().is_some_and(|node| node.children & bit(name.hash) != 0)
    }

    /// The first child with this name.
    #[inline]
    pub fn child(self, name: Name) -> Option<Self> {
        if self.may_have(name) { self.children().find(|child| child.is(name)) } else { None }
    }

    /// The value of the first attribute with this name, white space normalised, untrimmed.
    pub fn attribute(self, name: Name) -> Option<&'t str> {
        self.attribute_slice()
            .iter()
            .find(|attribute| attribute.hash == name.hash)
            .map(|attribute| attribute.value.as_ref())
    }

    /// Every attribute: local name as written, and value.
    pub fn attributes(self) -> impl Iterator<Item = (&'a str, &'t str)> {
        self.attribute_slice().iter().map(|attribute| (attribute.name, attribute.value.as_ref()))
    }

    fn attribute_slice(self) -> &'t [Attribute<'a>] {
        let Some(node) = self.node() else { return &[] };
        let first = node.attributes as usize;
        self.tree.attributes.get(first..first + usize::from(node.attribute_count)).unwrap_or_default()
    }
}

/// Iterator over the children of an element.
#[derive(Clone, Debug)]
pub struct Children<'t, 'a> {
    tree: &'t Tree<'a>,
    index: usize,
    end: usize,
}

impl<'t, 'a> Iterator for Children<'t, 'a> {
    type Item = Element<'t, 'a>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.index >= self.end {
            return None;
        }
        let element = Element { tree: self.tree, index: self.index };
        // A subtree has at least the element itself, so that this always moves on.
        self.index = element.node().map_or(self.end, |node| (node.next as usize).max(self.index + 1));
        Some(element)
    }
}

/// The same as `trim`, quicker where there is nothing to trim.
pub(super) fn trimmed(text: &str) -> &str {
    match text.as_bytes() {
        [first, .., last] if first.is_ascii_graphic() && last.is_ascii_graphic() => text,
        _ => text.trim(),
    }
}

/// A refusal of what is not well-formed at this octet.
pub(crate) fn malformed(offset: usize, what: impl Into<String>) -> Refusal {
    Refusal::Malformed { offset, what: what.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Limits;

    fn builder() -> Builder<'static> {
        Builder::new(&Limits::for_document(1000), 10).unwrap()
    }

    #[test]
    fn names_are_equal_but_for_case_hyphen_and_underscore() {
        assert_eq!(folded_hash("KeepAlive-Response"), folded_hash("KeepAliveResponse"));
        assert_eq!(folded_hash("Inf_link"), folded_hash("inf-link"));
        assert_ne!(folded_hash("User"), folded_hash("UserID"));
    }

    #[test]
    fn children_are_found_past_whole_subtrees() {
        let mut b = builder();
        b.open("a", 0).unwrap();
        b.attribute("x", "1".into()).unwrap();
        b.text("before".into()).unwrap();
        b.open("b", 1).unwrap();
        b.open("c", 2).unwrap();
        b.close(3).unwrap();
        b.text("dropped".into()).unwrap();
        b.close(4).unwrap();
        b.open("C", 5).unwrap();
        b.text("one".into()).unwrap();
        b.text(" two".into()).unwrap();
        b.close(6).unwrap();
        b.close(7).unwrap();
        let tree = b.finish(8).unwrap();
        let root = tree.root();
        assert_eq!(root.children().map(Element::name).collect::<Vec<_>>(), ["b", "C"]);
        assert_eq!(root.child(Name::new("c")).unwrap().text(), "one two");
        assert_eq!(root.attribute(Name::new("X")), Some("1"));
        assert_eq!((root.text(), root.range()), ("before", 0..7));
        assert_eq!(root.child(Name::new("b")).unwrap().text(), "");
    }

    #[test]
    fn every_limit_refuses() {
        let limits = Limits { document: 100, depth: 2, attributes: 1, elements: 3, text: 4 };
        let new = || Builder::new(&limits, 10).unwrap();
        let limit = |what, limit| Err(Refusal::Limit { what, limit });
        assert_eq!(Builder::new(&limits, 101).map(|_| ()), limit("document size", 100));
        let mut b = new();
        b.open("a", 0).unwrap();
        b.open("b", 0).unwrap();
        assert_eq!(b.open("c", 0), limit("nesting", 2));
        b.close(0).unwrap();
        b.open("d", 0).unwrap();
        b.close(0).unwrap();
        assert_eq!(b.open("e", 0), limit("elements", 3));
        let mut b = new();
        b.open("a", 0).unwrap();
        b.attribute("x", "1".into()).unwrap();
        assert_eq!(b.attribute("y", "1".into()), limit("attributes of one element", 1));
        b.text("1234".into()).unwrap();
        assert_eq!(b.character('5'), limit("text of one element", 4));
        let mut b = new();
        b.open("ContentData", 0).unwrap();
        assert_eq!(b.text("1234567".into()), Ok(()));
        assert_eq!(b.attribute("x", "12345".into()), limit("value of one attribute", 4));
    }

    #[test]
    fn a_document_has_one_root_and_ends_closed() {
        assert!(builder().finish(0).is_err());
        let mut b = builder();
        b.open("a", 0).unwrap();
        assert!(b.close(0).is_ok() && b.open("b", 0).is_err() && b.close(0).is_err());
        let mut b = builder();
        b.open("a", 0).unwrap();
        assert!(b.finish(0).is_err());
    }

    #[test]
    fn text_and_octets_join_as_octets() {
        let mut b = builder();
        b.open("a", 0).unwrap();
        b.text("x".into()).unwrap();
        b.octets(&[0, 255]).unwrap();
        b.close(0).unwrap();
        let tree = b.finish(0).unwrap();
        assert_eq!(tree.root().raw(), Raw::Octets(&[b'x', 0, 255]));
        assert_eq!(tree.root().text(), "");
    }
}
