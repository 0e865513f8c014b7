//! The lines of an export: one account, one group or one piece of shared content each.
//!
//! Version 1. Keys are never given another meaning; a reader refuses keys that it does not know, so that
//! nothing is lost in silence. `docs/reference/export.md` describes them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The version that is written, and the only one that is read.
pub(super) const VERSION: u32 = 1;

/// One line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Line {
    /// The first.
    Causeway(Header),
    /// An account with everything that is its own.
    Account(Box<AccountRecord>),
    /// A group.
    Group(Box<GroupRecord>),
    /// A piece of shared content; its octets stand in the lines that follow.
    Content(Box<ContentRecord>),
    /// Octets of the piece before.
    Octets(OctetsRecord),
}

/// What the file is.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Header {
    pub(super) version: u32,
    pub(super) exported: String,
    pub(super) domains: Vec<String>,
}

/// An account.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct AccountRecord {
    pub(super) address: String,
    /// Milliseconds since 1970-01-01T00:00:00Z.
    pub(super) created: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) password: Option<PasswordRecord>,
    /// What it has subscribed to, by name; what is as for everybody is left out.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) terms: BTreeMap<String, String>,
    pub(super) profile: BTreeMap<String, String>,
    pub(super) contact_lists: Vec<ContactListRecord>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) default_list: Option<String>,
    pub(super) block: EntitiesRecord,
    pub(super) block_in_use: bool,
    pub(super) grant: EntitiesRecord,
    pub(super) grant_in_use: bool,
    pub(super) attribute_lists: Vec<AttributeListRecord>,
    /// What the user said of itself, as `UpdatePresence-Request` of CSP 1.3.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) presence: Option<String>,
    pub(super) auto_joins: Vec<String>,
}

/// A password.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum PasswordRecord {
    /// Under the node's secret key, BASE64.
    Sealed(String),
    /// As it is.
    Clear(String),
}

/// A contact list.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ContactListRecord {
    pub(super) address: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) display_name: Option<String>,
    pub(super) contacts: Vec<ContactRecord>,
}

/// Somebody on a contact list.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ContactRecord {
    pub(super) user: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) nickname: Option<String>,
}

/// Entries of a block or grant list.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct EntitiesRecord {
    pub(super) users: Vec<String>,
    pub(super) domains: Vec<String>,
    /// Name and group.
    pub(super) screen_names: Vec<(String, String)>,
    pub(super) groups: Vec<String>,
    pub(super) contact_lists: Vec<String>,
    pub(super) applications: Vec<String>,
}

/// Who may see which presence attributes.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AttributeListRecord {
    pub(super) to: AudienceRecord,
    /// Names of attributes; none: a contact list that grants nothing any more.
    pub(super) attributes: Option<Vec<String>>,
    /// Whether the user hears of new watchers that see something by it.
    #[serde(default)]
    pub(super) notify: bool,
}

/// For whom an attribute list is.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum AudienceRecord {
    Everybody,
    User(String),
    ContactList(String),
}

/// A group.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct GroupRecord {
    pub(super) address: String,
    pub(super) owner: String,
    pub(super) properties: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) welcome_note: Option<NoteRecord>,
    /// Rank by member.
    pub(super) members: BTreeMap<String, String>,
    pub(super) own_properties: BTreeMap<String, BTreeMap<String, String>>,
    pub(super) rejected: Vec<String>,
    pub(super) invited: Vec<String>,
    /// What was said in it, the oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) history: Vec<SaidRecord>,
}

/// A message that a group keeps.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SaidRecord {
    pub(super) message_id: String,
    /// Milliseconds since 1970-01-01T00:00:00Z.
    pub(super) accepted: u64,
    /// When it is forgotten, likewise.
    pub(super) until: u64,
    /// A `NewMessage` of CSP 1.3.
    pub(super) message: String,
}

/// A piece of shared content.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ContentRecord {
    pub(super) id: String,
    pub(super) owner: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<String>,
    pub(super) content_type: String,
    /// How many.
    pub(super) octets: u64,
    /// SHA-256 of them, BASE64.
    pub(super) sha256: String,
    /// Who may see it, as an upload says it.
    pub(super) audience: String,
    /// Milliseconds since 1970-01-01T00:00:00Z.
    pub(super) created: u64,
    /// When it goes, likewise.
    pub(super) expires: u64,
}

/// Some octets, in their order.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OctetsRecord {
    /// Of which piece.
    pub(super) of: String,
    pub(super) base64: String,
}

/// What those are told who join.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NoteRecord {
    pub(super) content_type: String,
    /// BASE64.
    pub(super) content: String,
}
