//! The token tables of CSP: which octet stands for which element name, namespace or value.
//!
//! A tag is found by code page and token, a value by its index; both depend on the version of the
//! message, because 1.2 and 1.3 added and removed rows. What a version lacks is looked for in the
//! other versions, since real clients use rows that their version has lost (reference csp-wbxml §6.1).
//! Names are compared folded: case, `-` and `_` do not count (codec.md §3.3).

mod tags;
mod values;

use crate::imps::Version;
use crate::wire::tree::folded_hash;
use tags::TAGS;
use values::VALUES;

/// One row of the token table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// Code page of a tag; category of a value (0 common, 1 access, 5 presence).
    pub page: u8,
    /// Token of a tag, without the content and attribute bits; index of a value.
    pub token: u8,
    /// Element name or value text.
    pub name: &'static str,
    /// First version that has the row.
    pub since: Version,
    /// Last version that has the row.
    pub until: Version,
}

const fn row(page: u8, token: u8, name: &'static str, since: Version, until: Version) -> Row {
    Row { page, token, name, since, until }
}

impl Row {
    const fn is_in(&self, version: Version) -> bool {
        self.since as u8 <= version as u8 && version as u8 <= self.until as u8
    }
}

/// The three namespaces of a CSP version (reference csp-wbxml §1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Namespace {
    /// On the root.
    Session,
    /// On `TransactionContent`.
    Transaction,
    /// On every `PresenceSubList`.
    Presence,
}

/// An attribute start token: `xmlns=` with the namespace up to its version (reference csp-wbxml §3).
struct Attribute {
    token: u8,
    version: Version,
    which: Namespace,
    start: &'static str,
    whole: &'static str,
}

macro_rules! attributes {
    ($($token:literal $version:ident $which:ident $start:literal $suffix:literal;)*) => {
        [$(Attribute {
            token: $token,
            version: Version::$version,
            which: Namespace::$which,
            start: $start,
            whole: concat!($start, $suffix),
        }),*]
    };
}

/// The version of a row is the only one that writes it; readers take all nine at any version.
static ATTRIBUTES: [Attribute; 9] = attributes! {
    0x05 V1_1 Session "http://www.wireless-village.org/CSP" "1.1";
    0x06 V1_1 Presence "http://www.wireless-village.org/PA" "1.1";
    0x07 V1_1 Transaction "http://www.wireless-village.org/TRC" "1.1";
    0x08 V1_2 Session "http://www.openmobilealliance.org/DTD/WV-CSP" "1.2";
    0x09 V1_2 Presence "http://www.openmobilealliance.org/DTD/WV-PA" "1.2";
    0x0A V1_2 Transaction "http://www.openmobilealliance.org/DTD/WV-TRC" "1.2";
    0x0B V1_3 Session "http://www.openmobilealliance.org/DTD/IMPS-CSP" "1.3";
    0x0C V1_3 Presence "http://www.openmobilealliance.org/DTD/IMPS-PA" "1.3";
    0x0D V1_3 Transaction "http://www.openmobilealliance.org/DTD/IMPS-TRC" "1.3";
};

/// The whole name of a namespace.
pub fn namespace(version: Version, which: Namespace) -> &'static str {
    let wanted = |row: &&Attribute| row.version == version && row.which == which;
    ATTRIBUTES.iter().find(wanted).map_or("", |row| row.whole)
}

/// The namespace text that an attribute start token stands for, without the version suffix.
pub fn attribute(token: u8) -> Option<&'static str> {
    ATTRIBUTES.iter().find(|row| row.token == token).map(|row| row.start)
}

/// The namespace that an attribute start token and the version behind it make, if it is a known one.
pub fn namespace_of(token: u8, version: &[u8]) -> Option<(Version, Namespace)> {
    let row = ATTRIBUTES.get(usize::from(token.checked_sub(ATTRIBUTES[0].token)?))?;
    let whole = row.token == token && row.version.as_str().as_bytes() == version;
    whole.then_some((row.version, row.which))
}

/// The whole name that such a start makes together with the text behind it, if it is a known one.
pub fn joined_namespace(start: &str, rest: &str) -> Option<&'static str> {
    let joined = |row: &&Attribute| row.version.as_str() == rest && row.start == start;
    ATTRIBUTES.iter().find(joined).map(|row| row.whole)
}

/// The attribute start token of a whole namespace name, and the rest that follows inline:
/// token `0B` and `1.3` for the session namespace of 1.3.
pub fn attribute_of(namespace: &str) -> Option<(u8, &str)> {
    ATTRIBUTES.iter().find_map(|row| Some((row.token, namespace.strip_prefix(row.start)?)))
}

/// Public identifiers as numbers (reference csp-wbxml §1).
pub const fn public_id(version: Version) -> u8 {
    match version {
        Version::V1_1 => 0x10,
        Version::V1_2 => 0x11,
        Version::V1_3 => 0x12,
    }
}

const PAGES: usize = 12;
/// Says in [`INDEX`] that a token is assigned nowhere.
const NONE: u16 = u16::MAX;

/// How far a row is from a version: 0 in it, lower versions before higher ones (csp-wbxml §6.1).
const fn distance(row: &Row, version: Version) -> u8 {
    let version = version as u8;
    if (row.until as u8) < version {
        version - row.until as u8
    } else if row.since as u8 > version {
        3 + row.since as u8 - version
    } else {
        0
    }
}

/// For each version, page and token the row that a reader takes.
static INDEX: [[[u16; 64]; PAGES]; 3] = index();

#[allow(clippy::indexing_slicing, reason = "evaluated at compile time only")]
const fn index() -> [[[u16; 64]; PAGES]; 3] {
    let mut index = [[[NONE; 64]; PAGES]; 3];
    let mut v = 0;
    while v < 3 {
        let mut i = 0;
        while i < TAGS.len() {
            let tag = &TAGS[i];
            // Page 09 token 0B changed its meaning from 1.2 to 1.3: no fallback there (csp-wbxml §6.1).
            let exact_only = tag.page == 0x09 && tag.token == 0x0B;
            let cell = index[v][tag.page as usize][tag.token as usize];
            let here = distance(tag, Version::ALL[v]);
            let better = cell == NONE || here < distance(&TAGS[cell as usize], Version::ALL[v]);
            if better && (here == 0 || !exact_only) {
                index[v][tag.page as usize][tag.token as usize] = row_number(i);
            }
            i += 1;
        }
        v += 1;
    }
    // An early dissector table and the 1.2 draft have ContentType on the presence page; it is 00/10
    // (csp-wbxml §7).
    let mut content_type = 0;
    while !(TAGS[content_type].page == 0x00 && TAGS[content_type].token == 0x10) {
        content_type += 1;
    }
    let mut v = 0;
    while v < 3 {
        index[v][0x05][0x36] = row_number(content_type);
        v += 1;
    }
    index
}

#[allow(clippy::cast_possible_truncation, reason = "evaluated at compile time, there are 450 rows")]
const fn row_number(i: usize) -> u16 {
    assert!(i < NONE as usize);
    i as u16
}

/// The element names of a code page: what each tag token stands for at a version or, where that lacks
/// it, at the next lower or the next higher one.
#[derive(Clone, Copy, Debug)]
pub struct Page(&'static [u16; 64]);

/// The page of this number; one without names if no version has it.
pub fn page(version: Version, page: u8) -> Page {
    const EMPTY: &[u16; 64] = &[NONE; 64];
    let pages = INDEX.get(version as usize);
    Page(pages.and_then(|pages| pages.get(usize::from(page))).unwrap_or(EMPTY))
}

impl Page {
    /// The tag of this octet, whatever its content and attribute bits. `None`: skip the element.
    #[inline]
    pub fn get(self, octet: u8) -> Option<&'static Tag> {
        let row = *self.0.get(usize::from(octet & 0x3F))?;
        NAMED.get(usize::from(row))
    }
}

/// A tag with its folded name.
#[derive(Clone, Copy, Debug)]
pub struct Tag {
    /// The row of the table.
    pub row: Row,
    /// The folded hash of its name.
    pub hash: u32,
}

static NAMED: [Tag; TAGS.len()] = named();

#[allow(clippy::indexing_slicing, reason = "evaluated at compile time only")]
const fn named() -> [Tag; TAGS.len()] {
    let mut named = [Tag { row: TAGS[0], hash: 0 }; TAGS.len()];
    let mut i = 0;
    while i < TAGS.len() {
        named[i] = Tag { row: TAGS[i], hash: folded_hash(TAGS[i].name) };
        i += 1;
    }
    named
}

const NAME_SLOTS: usize = 2048;
/// Rows of [`TAGS`] by folded hash, open addressing.
static BY_NAME: [u16; NAME_SLOTS] = by_name();

#[allow(
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "evaluated at compile time only"
)]
const fn by_name() -> [u16; NAME_SLOTS] {
    let mut slots = [NONE; NAME_SLOTS];
    let mut i = 0;
    while i < TAGS.len() {
        let mut slot = folded_hash(TAGS[i].name) as usize % NAME_SLOTS;
        while slots[slot] != NONE {
            slot = (slot + 1) % NAME_SLOTS;
        }
        slots[slot] = row_number(i);
        i += 1;
    }
    slots
}

/// The tag with this folded name, whatever its versions. Each name has one row.
pub fn tag_of(hash: u32) -> Option<&'static Tag> {
    let start = hash as usize;
    for step in 0..NAME_SLOTS {
        let row = *BY_NAME.get((start + step) % NAME_SLOTS)?;
        let tag = NAMED.get(usize::from(row))?;
        if tag.hash == hash {
            return Some(tag);
        }
    }
    None
}

/// Octets of the longest text that a value token stands for.
pub const VALUE_OCTETS_MAX: usize = longest_value();

#[allow(clippy::indexing_slicing, reason = "evaluated at compile time only")]
const fn longest_value() -> usize {
    let (mut longest, mut i) = (0, 0);
    while i < VALUES.len() {
        if VALUES[i].name.len() > longest {
            longest = VALUES[i].name.len();
        }
        i += 1;
    }
    longest
}

/// For each version and index the value that a reader takes.
static VALUE_INDEX: [[u8; 256]; 3] = value_index();
/// Says in [`VALUE_INDEX`] that an index is assigned nowhere.
const NO_VALUE: u8 = u8::MAX;

#[allow(
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "evaluated at compile time only"
)]
const fn value_index() -> [[u8; 256]; 3] {
    assert!(VALUES.len() < NO_VALUE as usize);
    let mut index = [[NO_VALUE; 256]; 3];
    let mut v = 0;
    while v < 3 {
        let mut i = 0;
        while i < VALUES.len() {
            let row = &VALUES[i];
            let cell = index[v][row.token as usize];
            // Of 3D's two readings at 1.3 the one of category 00 stands here; see `value`.
            if cell == NO_VALUE
                || distance(row, Version::ALL[v]) < distance(&VALUES[cell as usize], Version::ALL[v])
            {
                index[v][row.token as usize] = i as u8;
            }
            i += 1;
        }
        v += 1;
    }
    index
}

/// The text that index `index` of the value table stands for at this version (reference csp-wbxml
/// §4.1). `in_search` says that the enclosing element is `SearchElement`. Known disagreements are
/// resolved as csp-wbxml §7 says: `34` at 1.1, `3D` at 1.3, `68` below 1.3.
pub fn value(version: Version, index: u32, in_search: bool) -> Option<&'static str> {
    match (index, version) {
        (0x34, Version::V1_1) => return Some("ShowID"),
        (0x3D, _) if in_search => return Some("GROUP_ID"),
        _ => {}
    }
    let row = *VALUE_INDEX.get(version as usize)?.get(usize::try_from(index).ok()?)?;
    VALUES.get(usize::from(row)).map(|row| row.name)
}

const VALUE_SLOTS: usize = 1024;
/// Rows of [`VALUES`] by a hash of the text, open addressing.
static BY_VALUE: [u8; VALUE_SLOTS] = by_value();

#[allow(
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "evaluated at compile time only"
)]
const fn by_value() -> [u8; VALUE_SLOTS] {
    let mut slots = [NO_VALUE; VALUE_SLOTS];
    let mut i = 0;
    while i < VALUES.len() {
        let mut slot = exact(VALUES[i].name);
        while slots[slot] != NO_VALUE {
            slot = (slot + 1) % VALUE_SLOTS;
        }
        slots[slot] = i as u8;
        i += 1;
    }
    slots
}

/// A slot of [`BY_VALUE`]: FNV-1a of the octets as they are.
#[allow(
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "the loop stays below the length"
)]
const fn exact(text: &str) -> usize {
    let octets = text.as_bytes();
    let mut hash: u32 = 0x811C_9DC5;
    let mut i = 0;
    while i < octets.len() {
        hash = (hash ^ octets[i] as u32).wrapping_mul(0x0100_0193);
        i += 1;
    }
    (hash ^ (hash >> 15)) as usize % VALUE_SLOTS
}

/// The index of a whole value in the value table of this version, for an element on code page
/// `page`. `SMS` and `IM` stand twice in the table: presence pages have their own (csp-wbxml §4.1).
pub fn value_of(version: Version, page: u8, text: &str) -> Option<u8> {
    let on_presence_page = matches!(page, 0x04 | 0x05);
    let mut found: Option<&Row> = None;
    let start = exact(text);
    for step in 0..VALUE_SLOTS {
        let slot = BY_VALUE.get((start + step) % VALUE_SLOTS).copied().unwrap_or(NO_VALUE);
        let Some(row) = VALUES.get(usize::from(slot)) else { break };
        if row.name == text && row.is_in(version) {
            let presence = row.page == 0x05;
            if found.is_none() || presence == on_presence_page {
                found = Some(row);
            }
        }
    }
    found.map(|row| row.token)
}

#[cfg(test)]
mod tests {
    use super::*;
    use Version::{V1_1, V1_2, V1_3};

    const GOLDEN: &str = include_str!("../../../../tests/golden/wbxml-csp.tsv");

    fn name(version: Version, page: u8, token: u8) -> Option<&'static str> {
        super::page(version, page).get(token).map(|tag| tag.row.name)
    }

    #[test]
    fn the_tables_are_the_golden_table() {
        let version = |text: &str| if text == "current" { V1_3 } else { Version::parse(text).unwrap() };
        let mut golden: Vec<(u8, u8, &str, Version, Version)> = Vec::new();
        let mut attributes = Vec::new();
        for line in GOLDEN.lines().skip(1) {
            let columns: Vec<&str> = line.split('\t').collect();
            let [since, until, kind, page, token, name] = columns[..] else { panic!("{line}") };
            let hex = |text| u8::from_str_radix(text, 16).unwrap();
            if kind == "attr" {
                attributes.push((
                    hex(token),
                    version(since),
                    format!("xmlns={}", name.trim_start_matches("xmlns=")),
                ));
            } else {
                golden.push((hex(page), hex(token), name, version(since), version(until)));
            }
        }
        let mut ours: Vec<_> =
            TAGS.iter().chain(&VALUES).map(|r| (r.page, r.token, r.name, r.since, r.until)).collect();
        ours.sort_unstable();
        golden.sort_unstable();
        assert_eq!(ours, golden);
        let ours: Vec<_> =
            ATTRIBUTES.iter().map(|row| (row.token, row.version, format!("xmlns={}", row.start))).collect();
        assert_eq!(ours, attributes);
    }

    #[test]
    fn every_tag_name_has_its_own_hash_and_is_found_by_it() {
        for row in &TAGS {
            let found = tag_of(folded_hash(row.name)).unwrap();
            assert_eq!(found.row, *row, "{} collides", row.name);
        }
        assert!(tag_of(folded_hash("NoSuchElement")).is_none());
    }

    #[test]
    fn each_version_counts_as_many_rows_as_the_reference_says() {
        let count = |rows: &[Row], version| rows.iter().filter(|row| row.is_in(version)).count();
        assert_eq!(Version::ALL.map(|version| count(&TAGS, version)), [303, 351, 429]);
        assert_eq!(Version::ALL.map(|version| count(&VALUES, version)), [97, 106, 188]);
    }

    #[test]
    fn a_tag_that_the_version_lacks_is_read_from_the_next() {
        assert_eq!(name(V1_3, 0x04, 0x1E), Some("AutoSubscribe"), "removed in 1.3, still sent");
        assert_eq!(name(V1_2, 0x03, 0x14), Some("CIRURL"));
        assert_eq!(name(V1_3, 0x03, 0x14), Some("CIRHTTPAddress"));
        assert_eq!(name(V1_1, 0x03, 0x14), Some("CIRURL"));
        assert_eq!(name(V1_1, 0x09, 0x0B), None, "page 09 token 0B has two meanings");
        assert_eq!(name(V1_2, 0x09, 0x0B), Some("ReactiveAuthState"));
        assert_eq!(name(V1_3, 0x09, 0x0B), Some("AnswerOptionText"));
        assert_eq!(name(V1_2, 0x05, 0x36), Some("ContentType"));
        assert_eq!(name(V1_2, 0x01, 0x35), None);
        assert_eq!(name(V1_2, 0x20, 0x05), None);
    }

    #[test]
    fn values_are_read_by_version_and_place() {
        assert_eq!(value(V1_1, 0x34, false), Some("ShowID"));
        assert_eq!(value(V1_2, 0x34, false), Some("DENIED"));
        assert_eq!(value(V1_2, 0x37, false), Some("ShowID"));
        assert_eq!(value(V1_2, 0x3D, false), Some("GROUP_ID"));
        assert_eq!(value(V1_3, 0x3D, false), Some("History"));
        assert_eq!(value(V1_3, 0x3D, true), Some("GROUP_ID"));
        assert_eq!([V1_1, V1_2, V1_3].map(|v| value(v, 0x68, false)), [Some("IM"), Some("IM"), Some("AP")]);
        assert_eq!(value(V1_3, 0x5E, false), Some("AUDIO_CALL"), "gone in 1.3, still read");
        assert_eq!(value(V1_3, 0x92, false), None);
        assert_eq!(value(V1_3, 0x125, false), None);
    }

    #[test]
    fn values_are_written_by_version_and_page() {
        for row in &VALUES {
            for version in Version::ALL {
                if row.is_in(version) && !matches!(row.name, "SMS" | "IM") {
                    assert_eq!(value_of(version, 0, row.name), Some(row.token), "{} {version}", row.name);
                }
            }
        }
        assert_eq!([0x03, 0x05].map(|page| value_of(V1_3, page, "SMS")), [Some(0x43), Some(0x75)]);
        assert_eq!([0x00, 0x05].map(|page| value_of(V1_1, page, "IM")), [Some(0x12), Some(0x68)]);
        assert_eq!([0x00, 0x05].map(|page| value_of(V1_2, page, "IM")), [Some(0x12), Some(0x12)]);
        assert_eq!(value_of(V1_1, 0, "ShowID"), None);
        assert_eq!(value_of(V1_3, 0, "HTTPS"), None);
        assert_eq!(value_of(V1_3, 0, "OPEN"), None, "the token is Open");
    }

    #[test]
    fn a_namespace_is_a_token_and_its_version() {
        assert_eq!(attribute_of("http://www.openmobilealliance.org/DTD/IMPS-TRC1.3"), Some((0x0D, "1.3")));
        assert_eq!(attribute_of("urn:other"), None);
        assert_eq!(attribute(0x05), Some("http://www.wireless-village.org/CSP"));
        for row in &ATTRIBUTES {
            let version = row.version.as_str().as_bytes();
            assert_eq!(namespace_of(row.token, version), Some((row.version, row.which)));
            assert_eq!(namespace_of(row.token, b"1.0"), None);
        }
        assert_eq!((namespace_of(0x04, b"1.1"), namespace_of(0x0E, b"1.3")), (None, None));
        assert_eq!(attribute(0x0E), None);
    }
}
