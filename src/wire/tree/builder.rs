//! From the events of a reader to a [`Tree`] within its limits.

use std::borrow::Cow;

use super::{Attribute, CONTENT, Node, Raw, Tree, Value, bit, folded_hash, malformed};
use crate::wire::{Limits, Refusal};

/// Builds a [`Tree`] from the events of a reader and keeps it within the [`Limits`].
///
/// Calls: [`open`](Self::open), then [`attribute`](Self::attribute)s, then
/// [`text`](Self::text), [`octets`](Self::octets) and children in any order, then
/// [`close`](Self::close). Text after the first child is dropped: only white space can stand there.
#[derive(Debug)]
pub struct Builder<'a> {
    limits: Limits,
    tree: Tree<'a>,
    /// Index of the innermost open element. Open elements keep the index of their parent in `next`.
    innermost: u32,
    depth: usize,
    rooted: bool,
}

impl<'a> Builder<'a> {
    /// Begins an XML document of so many octets; refused if there are too many.
    pub fn new(limits: &Limits, document_octets: usize) -> Result<Self, Refusal> {
        let room = (document_octets / 32).clamp(8, 64);
        Self::with_room(limits, document_octets, room, room)
    }

    /// Begins a document of so many octets, with room for so many elements and attributes set aside;
    /// refused if there are too many octets.
    pub(in crate::wire) fn with_room(
        limits: &Limits,
        document_octets: usize,
        elements: usize,
        attributes: usize,
    ) -> Result<Self, Refusal> {
        // Offsets and indices are kept in 32 bits.
        let limit = limits.document.min(u32::MAX as usize);
        if document_octets > limit {
            return Err(Refusal::Limit { what: "document size", limit });
        }
        Ok(Self {
            limits: *limits,
            tree: Tree {
                nodes: Vec::with_capacity(elements),
                attributes: Vec::with_capacity(attributes),
                texts: Vec::new(),
                octets: Vec::new(),
            },
            innermost: 0,
            depth: 0,
            rooted: false,
        })
    }

    /// How many elements are open.
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// Whether the root has been closed.
    pub fn is_complete(&self) -> bool {
        self.rooted && self.depth == 0
    }

    /// A start tag at this offset; `name` is the local name.
    pub fn open(&mut self, name: &'a str, offset: usize) -> Result<(), Refusal> {
        self.open_hashed(name, folded_hash(name), offset)
    }

    /// A start tag whose name has its [`folded_hash`] already.
    #[allow(clippy::inline_always, reason = "once for every element; the readers call it in one place each")]
    #[inline(always)]
    pub(in crate::wire) fn open_hashed(
        &mut self,
        name: &'a str,
        hash: u32,
        offset: usize,
    ) -> Result<(), Refusal> {
        if self.is_complete() {
            return Err(malformed(offset, "a second root element"));
        }
        if self.depth >= self.limits.depth {
            return Err(Refusal::Limit { what: "nesting", limit: self.limits.depth });
        }
        if self.tree.nodes.len() >= self.limits.elements {
            return Err(Refusal::Limit { what: "elements", limit: self.limits.elements });
        }
        self.rooted = true;
        let index = narrow(self.tree.nodes.len());
        let parent = std::mem::replace(&mut self.innermost, index);
        self.depth += 1;
        // The root has none.
        if let Some(node) = self.tree.nodes.get_mut(parent as usize) {
            node.children |= bit(hash);
        }
        let node = || Node {
            name,
            value: Value::Nothing,
            hash,
            next: parent,
            start: narrow(offset),
            end: narrow(offset),
            attributes: narrow(self.tree.attributes.len()),
            children: 0,
            attribute_count: 0,
            extension: false,
        };
        // Made in place: `push` would make it on the stack and copy it.
        self.tree.nodes.extend(std::iter::once_with(node));
        Ok(())
    }

    /// The element opened last has a namespace of its own.
    pub fn extension(&mut self) {
        if let Some(node) = self.tree.nodes.last_mut() {
            node.extension = true;
        }
    }

    /// An attribute of the element opened last; `name` is the local name.
    pub fn attribute(&mut self, name: &'a str, value: Cow<'a, str>) -> Result<(), Refusal> {
        self.attribute_hashed(name, folded_hash(name), value)
    }

    /// An attribute whose name has its [`folded_hash`] already.
    pub(in crate::wire) fn attribute_hashed(
        &mut self,
        name: &'a str,
        hash: u32,
        value: Cow<'a, str>,
    ) -> Result<(), Refusal> {
        let Some(node) = self.tree.nodes.last_mut() else { return Ok(()) };
        if usize::from(node.attribute_count) >= self.limits.attributes.min(usize::from(u16::MAX)) {
            return Err(Refusal::Limit { what: "attributes of one element", limit: self.limits.attributes });
        }
        if value.len() > self.limits.text {
            return Err(Refusal::Limit { what: "value of one attribute", limit: self.limits.text });
        }
        node.attribute_count += 1;
        self.tree.attributes.push(Attribute { name, hash, value });
        Ok(())
    }

    /// The open element that may still take text: no child of it has been seen.
    #[inline]
    fn target(&mut self) -> Option<&mut Node<'a>> {
        let last = self.tree.nodes.len().checked_sub(1)?;
        if self.depth > 0 && self.innermost as usize == last { self.tree.nodes.last_mut() } else { None }
    }

    fn check_text(&self, hash: u32, octets: usize) -> Result<(), Refusal> {
        if octets > self.limits.text && !CONTENT.contains(&hash) {
            return Err(Refusal::Limit { what: "text of one element", limit: self.limits.text });
        }
        Ok(())
    }

    /// Text that stands in the document as it is; nearly always the only piece of its element.
    #[inline]
    pub(in crate::wire) fn plain_text(&mut self, piece: &'a str) -> Result<(), Refusal> {
        let limit = self.limits.text;
        match self.target() {
            Some(node) if piece.len() <= limit && matches!(node.value, Value::Nothing) => {
                node.value = Value::Text(piece);
                Ok(())
            }
            _ => self.text(Cow::Borrowed(piece)),
        }
    }

    /// Octets that stand in the document as they are; nearly always the only piece of their element.
    #[inline]
    pub(in crate::wire) fn plain_octets(&mut self, piece: &'a [u8]) -> Result<(), Refusal> {
        let limit = self.limits.text;
        match self.target() {
            Some(node) if piece.len() <= limit && matches!(node.value, Value::Nothing) => {
                node.value = Value::Octets(piece);
                Ok(())
            }
            _ => self.octets(piece),
        }
    }

    /// A piece of text; pieces of one element are joined.
    pub fn text(&mut self, piece: Cow<'a, str>) -> Result<(), Refusal> {
        if piece.is_empty() {
            return Ok(());
        }
        let Some(&mut Node { value, hash, .. }) = self.target() else { return Ok(()) };
        let joined = match (value, piece) {
            (Value::Nothing, Cow::Borrowed(piece)) => Value::Text(piece),
            (Value::Nothing, Cow::Owned(piece)) => self.made_text(piece),
            (_, piece) => self.joined(value, piece.as_bytes(), Some(&piece)),
        };
        self.set(joined, hash)
    }

    /// One character, from a reference.
    pub fn character(&mut self, character: char) -> Result<(), Refusal> {
        let Some(&mut Node { value, hash, .. }) = self.target() else { return Ok(()) };
        let mut buffer = [0; 4];
        let piece = &*character.encode_utf8(&mut buffer);
        let joined = self.joined(value, piece.as_bytes(), Some(piece));
        self.set(joined, hash)
    }

    /// Opaque octets; together with text before them all become octets.
    pub fn octets(&mut self, piece: &'a [u8]) -> Result<(), Refusal> {
        let Some(&mut Node { value, hash, .. }) = self.target() else { return Ok(()) };
        let joined = match value {
            Value::Nothing => Value::Octets(piece),
            _ => self.joined(value, piece, None),
        };
        self.set(joined, hash)
    }

    /// What a value and a further piece make: text if both are text, else octets.
    fn joined(&mut self, value: Value<'a>, octets: &[u8], text: Option<&str>) -> Value<'a> {
        let tree = &mut self.tree;
        match (value, text) {
            (Value::MadeText(index), Some(text)) => {
                if let Some(made) = tree.texts.get_mut(index as usize) {
                    made.push_str(text);
                }
                value
            }
            (Value::Nothing | Value::Text(_), Some(text)) => {
                let mut made = String::from(if let Value::Text(before) = value { before } else { "" });
                made.push_str(text);
                self.made_text(made)
            }
            (Value::MadeOctets(index), _) => {
                if let Some(made) = tree.octets.get_mut(index as usize) {
                    made.extend_from_slice(octets);
                }
                value
            }
            _ => {
                let mut made = match tree.raw(value) {
                    Raw::Text(before) => before.as_bytes().to_vec(),
                    Raw::Octets(before) => before.to_vec(),
                };
                made.extend_from_slice(octets);
                tree.octets.push(made);
                Value::MadeOctets(narrow(tree.octets.len() - 1))
            }
        }
    }

    fn made_text(&mut self, text: String) -> Value<'a> {
        self.tree.texts.push(text);
        Value::MadeText(narrow(self.tree.texts.len() - 1))
    }

    /// Gives the open element its value, if that is not too long.
    fn set(&mut self, value: Value<'a>, hash: u32) -> Result<(), Refusal> {
        if let Some(node) = self.target() {
            node.value = value;
        }
        let octets = match self.tree.raw(value) {
            Raw::Text(text) => text.len(),
            Raw::Octets(octets) => octets.len(),
        };
        self.check_text(hash, octets)
    }

    /// An end tag that ends at this offset.
    pub fn close(&mut self, offset: usize) -> Result<(), Refusal> {
        let next = narrow(self.tree.nodes.len());
        if self.depth == 0 {
            return Err(malformed(offset, "an end tag without a start tag"));
        }
        self.depth -= 1;
        if let Some(node) = self.tree.nodes.get_mut(self.innermost as usize) {
            self.innermost = std::mem::replace(&mut node.next, next);
            node.end = narrow(offset);
        }
        Ok(())
    }

    /// The tree, if exactly one root was opened and everything is closed.
    pub fn finish(self, offset: usize) -> Result<Tree<'a>, Refusal> {
        if !self.rooted {
            return Err(malformed(offset, "no root element"));
        }
        if self.depth > 0 {
            return Err(malformed(offset, "the document ends inside an element"));
        }
        Ok(self.tree)
    }
}

/// Offsets and indices fit: [`Builder::new`] refuses documents of more than 4 GiB.
fn narrow(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
