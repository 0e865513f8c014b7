//! WBXML document → element tree, the same tree that the XML reader builds.
//!
//! Everything that real encoders were seen to do is read (reference csp-wbxml §2–§6): strings
//! inline, from the string table, as entities, value tokens anywhere inside text, literal tags,
//! public ids as numbers or text, namespaces missing, wrong or split. An element whose tag no version
//! knows stands in the tree under a name that no table has, so that readers pass over it.

use std::borrow::Cow;

use super::charset::Charset;
use super::cursor::{Cursor, StringTable};
use super::tokens::Namespace;
use super::{token, tokens};
use crate::imps::Version;
use crate::wire::tree::{Builder, Tree, folded_hash, malformed};
use crate::wire::{Limits, Refusal};

/// Name of an element whose token is assigned nowhere.
pub const UNKNOWN_TAG: &str = "unknown-token";

/// The tag `SearchElement`, where value token 3D has another reading (csp-wbxml §4.1).
const SEARCH_ELEMENT: u32 = folded_hash("SearchElement");
const UNKNOWN_HASH: u32 = folded_hash(UNKNOWN_TAG);

/// The one attribute of CSP.
const XMLNS: &str = "xmlns";

/// A decoded document.
#[derive(Debug)]
pub struct Document<'a> {
    /// The elements.
    pub tree: Tree<'a>,
    /// By the namespace of the root, else the public id; `None` if both say nothing, and then tokens
    /// were taken for those of 1.2 (reference csp-wbxml §1).
    pub version: Option<Version>,
}

/// Reads a whole document.
pub fn read<'a>(body: &'a [u8], limits: &Limits) -> Result<Document<'a>, Refusal> {
    let mut reader = Reader::new(body, limits)?;
    reader.body()?;
    let Reader { cursor, builder, named, .. } = reader;
    let tree = builder.finish(cursor.at())?;
    Ok(Document { tree, version: named })
}

/// Reads an element without header, as [`super::Encoder`] writes one with `fragment`.
pub fn read_fragment<'a>(octets: &'a [u8], version: Version, limits: &Limits) -> Result<Tree<'a>, Refusal> {
    let builder = room_for(octets, limits)?;
    // There is no string table: only value tokens unfold, each of two octets at least.
    let expansion = limits.document.saturating_mul(tokens::VALUE_OCTETS_MAX.div_ceil(2));
    let mut reader = Reader {
        cursor: Cursor::new(octets),
        charset: Charset::Utf8,
        table: StringTable(&[]),
        public: Public::Nothing,
        version: Some(version),
        named: Some(version),
        page: 0,
        tags: tokens::page(version, 0),
        searching_at: 0,
        expansion_left: expansion,
        expansion_max: expansion,
        builder,
    };
    reader.body()?;
    reader.builder.finish(reader.cursor.at())
}

/// The version that a namespace of the root or a public identifier names: the number behind the
/// last `CSP`. `None` if it names none.
fn version_text(name: &str) -> Option<&str> {
    let place = name.as_bytes().windows(3).rposition(|part| part == b"CSP")?;
    let rest = name.get(place + 3..)?.trim_start();
    let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
    rest.get(..end).filter(|version| !version.is_empty())
}

/// The version that a namespace or public identifier names, refused if it is not spoken here.
pub fn version_named(name: &str) -> Result<Option<Version>, Refusal> {
    let Some(text) = version_text(name) else { return Ok(None) };
    Version::parse(text).map(Some).ok_or_else(|| Refusal::Version(text.chars().take(40).collect()))
}

/// A binary element takes about seven octets; namespaces, which are not kept, are the only attributes.
fn room_for<'a>(octets: &[u8], limits: &Limits) -> Result<Builder<'a>, Refusal> {
    Builder::with_room(limits, octets.len(), (octets.len() / 7).clamp(8, 64), 0)
}

/// What the public identifier says.
enum Public<'a> {
    Nothing,
    Number(u32),
    Text(&'a [u8]),
}

struct Reader<'a> {
    cursor: Cursor<'a>,
    charset: Charset,
    table: StringTable<'a>,
    public: Public<'a>,
    /// Known once the root's start tag has been read.
    version: Option<Version>,
    /// The version that the document itself names.
    named: Option<Version>,
    /// Selected tag page; stays until the next switch, also across element ends.
    page: u8,
    /// The tags of the page.
    tags: tokens::Page,
    /// Depth of the innermost `SearchElement`, 0 if there is none.
    searching_at: usize,
    /// Octets that references to the string table may still stand for: a short reference can name a
    /// long string, so that a small document could otherwise unfold to any size.
    expansion_left: usize,
    expansion_max: usize,
    builder: Builder<'a>,
}

impl<'a> Reader<'a> {
    /// Reads the header (WBXML 1.3 §5.4).
    fn new(body: &'a [u8], limits: &Limits) -> Result<Self, Refusal> {
        let builder = room_for(body, limits)?;
        let mut cursor = Cursor::new(body);
        if !matches!(cursor.octet()?, 1..=3) {
            return Err(Refusal::Malformed { offset: 0, what: "not a WBXML version".to_owned() });
        }
        let public = cursor.number()?;
        let public_index = if public == 0 { Some(cursor.number()?) } else { None };
        let charset = Charset::from_mib(cursor.number()?)?;
        let table_length = cursor.number()?;
        let table = StringTable(cursor.take(table_length)?);
        let public = match public_index {
            Some(index) => table.get(index, charset).map_or(Public::Nothing, Public::Text),
            None => Public::Number(public),
        };
        Ok(Self {
            cursor,
            charset,
            table,
            public,
            version: None,
            named: None,
            page: 0,
            // Before the root is read no version is known; roots are the same in all.
            tags: tokens::page(Version::V1_3, 0),
            searching_at: 0,
            expansion_left: limits.document,
            expansion_max: limits.document,
            builder,
        })
    }

    fn body(&mut self) -> Result<(), Refusal> {
        while !self.builder.is_complete() {
            let at = self.cursor.at();
            let octet = self.cursor.octet()?;
            if octet & token::TAG >= token::FIRST_TAG {
                let (name, hash) =
                    self.tags.get(octet).map_or((UNKNOWN_TAG, UNKNOWN_HASH), |tag| (tag.row.name, tag.hash));
                self.builder.open_hashed(name, hash, at)?;
                if octet & (token::ATTRIBUTES | token::CONTENT) != token::CONTENT
                    || hash == SEARCH_ELEMENT
                    || self.version.is_none()
                {
                    self.opened(octet, hash)?;
                }
            } else if octet == token::END && self.builder.depth() > 0 {
                self.end()?;
            } else {
                self.global(octet, at)?;
            }
        }
        if self.cursor.is_at_end() {
            Ok(())
        } else {
            Err(self.cursor.malformed("something stands behind the root element"))
        }
    }

    /// What is neither a tag of the page nor an end.
    fn global(&mut self, octet: u8, at: usize) -> Result<(), Refusal> {
        match octet {
            token::SWITCH_PAGE => {
                self.page = self.cursor.octet()?;
                self.select();
                Ok(())
            }
            token::PI => Err(malformed(at, "a processing instruction")),
            token::LITERAL | token::LITERAL_A | token::LITERAL_C | token::LITERAL_AC => {
                let index = self.cursor.number()?;
                let name = self.literal_name(index, at)?;
                let hash = folded_hash(name);
                self.builder.open_hashed(name, hash, at)?;
                self.opened(octet, hash)
            }
            _ if self.builder.depth() == 0 => {
                Err(malformed(at, "the document does not begin with an element"))
            }
            _ => self.text(octet, at),
        }
    }

    /// Looks up the tags of the page, at the version as far as it is known.
    fn select(&mut self) {
        self.tags = tokens::page(self.version.unwrap_or(Version::V1_3), self.page);
    }

    /// What follows a start tag; `octet` has the attribute and content bits.
    fn opened(&mut self, octet: u8, hash: u32) -> Result<(), Refusal> {
        if octet & token::ATTRIBUTES != 0 {
            self.attributes()?;
        }
        if self.version.is_none() {
            self.settle_version()?;
        }
        if hash == SEARCH_ELEMENT {
            self.searching_at = self.builder.depth();
        }
        if octet & token::CONTENT == 0 {
            self.end()?;
        }
        Ok(())
    }

    #[cold]
    fn settle_version(&mut self) -> Result<(), Refusal> {
        self.named = self.named.map_or_else(|| self.public_version(), |named| Ok(Some(named)))?;
        self.version = Some(self.named.unwrap_or(Version::V1_2));
        self.select();
        Ok(())
    }

    #[inline]
    fn end(&mut self) -> Result<(), Refusal> {
        if self.searching_at == self.builder.depth() {
            self.searching_at = 0;
        }
        self.builder.close(self.cursor.at())
    }

    /// The version that the public identifier names; asked where the root has no namespace.
    fn public_version(&self) -> Result<Option<Version>, Refusal> {
        match self.public {
            Public::Number(0x0F) => Err(Refusal::Version("1.0".to_owned())),
            Public::Number(number) => {
                Ok(Version::ALL.into_iter().find(|v| u32::from(tokens::public_id(*v)) == number))
            }
            Public::Text(octets) => match self.charset.decode(octets) {
                Some(text) => version_named(&text),
                None => Ok(None),
            },
            Public::Nothing => Ok(None),
        }
    }

    /// The attributes of the element just opened, up to their END.
    fn attributes(&mut self) -> Result<(), Refusal> {
        if self.only_namespace() {
            return Ok(());
        }
        let mut open: Option<(&'a str, Cow<'a, str>)> = None;
        loop {
            let at = self.cursor.at();
            let octet = self.cursor.octet()?;
            let starts = match octet {
                token::END => return self.attribute(open),
                token::LITERAL => {
                    let index = self.cursor.number()?;
                    Some((self.literal_name(index, at)?, ""))
                }
                token::ENTITY | token::STR_I | token::STR_T | token::OPAQUE => None,
                _ if octet & 0x80 == 0 && octet & 0x3F > token::LITERAL => {
                    Some(tokens::attribute(octet).map_or((UNKNOWN_TAG, ""), |prefix| (XMLNS, prefix)))
                }
                _ => None,
            };
            if let Some((name, prefix)) = starts {
                self.attribute(open.take())?;
                // Namespaces below the root say nothing (reference csp-wbxml §1).
                let says = self.version.is_none() || name != XMLNS;
                open = says.then_some((name, Cow::Borrowed(prefix)));
                continue;
            }
            let piece = self.attribute_piece(octet, at)?;
            if let Some((_, value)) = &mut open {
                match tokens::joined_namespace(value, &piece) {
                    Some(whole) => *value = Cow::Borrowed(whole),
                    None if value.is_empty() => *value = piece,
                    None => value.to_mut().push_str(&piece),
                }
            }
        }
    }

    /// Takes what nearly every document has for attributes: one namespace as its token with the version
    /// inline, and the END. If something else stands there, nothing is taken.
    fn only_namespace(&mut self) -> bool {
        let Some([start, token::STR_I, rest @ .., 0, token::END]) = self.cursor.ahead::<7>() else {
            return false;
        };
        match tokens::namespace_of(*start, rest) {
            Some((version, which)) if self.charset == Charset::Utf8 => {
                // Namespaces below the root say nothing, and only that of the session names a version.
                if self.version.is_none() {
                    if which != Namespace::Session {
                        return false;
                    }
                    self.named = self.named.or(Some(version));
                }
                self.cursor.skip(7);
                true
            }
            _ => false,
        }
    }

    /// The root's namespace decides the version (reference csp-wbxml §1), and is not kept otherwise.
    fn attribute(&mut self, attribute: Option<(&'a str, Cow<'a, str>)>) -> Result<(), Refusal> {
        let Some((name, value)) = attribute else { return Ok(()) };
        if name != XMLNS {
            return self.builder.attribute(name, value);
        }
        if self.named.is_none() {
            self.named = version_named(&value)?;
        }
        Ok(())
    }

    /// A piece of an attribute's value; attribute value tokens exist in CSP 1.0 only and say nothing.
    fn attribute_piece(&mut self, octet: u8, at: usize) -> Result<Cow<'a, str>, Refusal> {
        let octets = match octet {
            token::SWITCH_PAGE | token::EXT_0 | token::EXT_1 | token::EXT_2 => {
                self.cursor.octet()?;
                return Ok(Cow::Borrowed(""));
            }
            token::ENTITY => return Ok(Cow::Owned(self.entity(at)?.to_string())),
            token::EXT_T_0 => return Ok(Cow::Borrowed(self.value_token()?)),
            token::EXT_T_1 | token::EXT_T_2 => {
                self.cursor.number()?;
                return Ok(Cow::Borrowed(""));
            }
            token::STR_I => self.cursor.string(self.charset)?,
            token::STR_T => self.table_string(at)?,
            token::OPAQUE => {
                let length = self.cursor.number()?;
                self.cursor.take(length)?
            }
            token::EXT_I_0 | token::EXT_I_1 | token::EXT_I_2 => {
                self.cursor.string(self.charset)?;
                return Ok(Cow::Borrowed(""));
            }
            _ => return Ok(Cow::Borrowed("")),
        };
        self.charset.decode(octets).ok_or_else(|| malformed(at, "an attribute is no text"))
    }

    /// A piece of an element's value.
    fn text(&mut self, octet: u8, at: usize) -> Result<(), Refusal> {
        match octet {
            token::STR_I => {
                let string = self.cursor.string(self.charset)?;
                self.string(string)
            }
            token::STR_T => {
                let string = self.table_string(at)?;
                self.string(string)
            }
            token::ENTITY => {
                let character = self.entity(at)?;
                self.builder.character(character)
            }
            token::EXT_T_0 => {
                let value = self.value_token()?;
                self.builder.plain_text(value)
            }
            token::OPAQUE => {
                let length = self.cursor.number()?;
                let octets = self.cursor.take(length)?;
                self.builder.plain_octets(octets)
            }
            // CSP gives these no meaning; they are passed over with what belongs to them.
            token::EXT_T_1 | token::EXT_T_2 => self.cursor.number().map(drop),
            token::EXT_I_0 | token::EXT_I_1 | token::EXT_I_2 => self.cursor.string(self.charset).map(drop),
            token::EXT_0 | token::EXT_1 | token::EXT_2 => self.cursor.octet().map(drop),
            _ => Err(malformed(at, "an octet without meaning")),
        }
    }

    /// Text, or octets where they are no text in the document's character set: then only content can
    /// use them.
    fn string(&mut self, octets: &'a [u8]) -> Result<(), Refusal> {
        if self.charset == Charset::Utf8
            && let Ok(text) = std::str::from_utf8(octets)
        {
            return self.builder.plain_text(text);
        }
        match self.charset.decode(octets) {
            Some(text) => self.builder.text(text),
            None => self.builder.plain_octets(octets),
        }
    }

    /// A value token; an index without a value stands for nothing.
    fn value_token(&mut self) -> Result<&'static str, Refusal> {
        let index = self.cursor.number()?;
        let version = self.version.unwrap_or(Version::V1_3);
        let searching = self.searching_at != 0 && self.searching_at == self.builder.depth();
        let value = tokens::value(version, index, searching).unwrap_or_default();
        self.unfold(value.len())?;
        Ok(value)
    }

    fn entity(&mut self, at: usize) -> Result<char, Refusal> {
        char::from_u32(self.cursor.number()?).ok_or_else(|| malformed(at, "an entity that is no character"))
    }

    fn table_string(&mut self, at: usize) -> Result<&'a [u8], Refusal> {
        let index = self.cursor.number()?;
        self.table_entry(index, at)
    }

    fn table_entry(&mut self, index: u32, at: usize) -> Result<&'a [u8], Refusal> {
        let octets = self
            .table
            .get(index, self.charset)
            .ok_or_else(|| malformed(at, "a reference points beyond the string table"))?;
        self.unfold(octets.len())?;
        Ok(octets)
    }

    /// Names of literal tags and attributes; in a wide character set they stay unknown.
    fn literal_name(&mut self, index: u32, at: usize) -> Result<&'a str, Refusal> {
        let octets = self.table_entry(index, at)?;
        let name = std::str::from_utf8(octets).ok().filter(|name| !name.is_empty());
        // A prefix does not count, as in XML.
        Ok(name.map_or(UNKNOWN_TAG, |name| name.rsplit_once(':').map_or(name, |(_, local)| local)))
    }

    fn unfold(&mut self, octets: usize) -> Result<(), Refusal> {
        let limit = self.expansion_max;
        self.expansion_left = self
            .expansion_left
            .checked_sub(octets)
            .ok_or(Refusal::Limit { what: "text behind references", limit })?;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
