//! Shared content: pictures, sounds and documents that users keep at their home and let others see.
//!
//! CSP has no primitive for it (reference csp.md §7): content is put and got over HTTP, and messages,
//! groups, invitations and presence name it by URL. An [`Item`] is what is known of one piece; its octets lie
//! beside it, under its id. An item never changes but in who may see it and how long it is kept, so that
//! whoever has a copy has the right one.
//!
//! Who may see an item is said by its [`Audience`]. The id cannot be guessed, so that for
//! [`Audience::Link`] the URL alone is the right to see it; all others have to prove who they are besides
//! ([`see`]). Everything here is plain decisions; the Service Access Point brings lists, groups and octets.

pub mod keep;
pub mod picture;
pub mod see;
pub mod serve;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::imps::chance::token;
use crate::imps::{Chance, ContactListId, GroupId, Moment, UserId};

/// Octets of one item, whatever an operator allows.
pub const ITEM_OCTETS_MAX: u64 = 64 * 1024 * 1024;
/// Octets of the name of an item.
pub const NAME_OCTETS_MAX: usize = 200;

/// What names an item: 22 to 64 characters of base64url, ours with 144 random bits. Nothing else is an id,
/// so that one can stand in a path.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ContentId(Arc<str>);

/// A text is no id of content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is no id of content")]
pub struct NoContentId;

impl ContentId {
    /// A fresh one.
    pub fn fresh(chance: &mut dyn Chance) -> Self {
        Self(token::<18>(chance).into())
    }

    /// As it stands in a URL.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ContentId {
    type Err = NoContentId;

    fn from_str(text: &str) -> Result<Self, NoContentId> {
        let plain = text.bytes().all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_'));
        if plain && (22..=64).contains(&text.len()) { Ok(Self(text.into())) } else { Err(NoContentId) }
    }
}

impl fmt::Display for ContentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Who may see an item, besides its owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Audience {
    /// Nobody.
    Owner,
    /// Everybody on any contact list of the owner.
    Contacts,
    /// Everybody on one of them.
    List(ContactListId),
    /// The members of a group, and those who are in it.
    Group(GroupId),
    /// Whoever has the link.
    Link,
}

/// A text names no audience.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an audience is owner, contacts, list:ADDRESS, group:ADDRESS or link")]
pub struct NoAudience;

impl FromStr for Audience {
    type Err = NoAudience;

    fn from_str(text: &str) -> Result<Self, NoAudience> {
        match text {
            "owner" => Ok(Self::Owner),
            "contacts" => Ok(Self::Contacts),
            "link" => Ok(Self::Link),
            _ => match text.split_once(':') {
                Some(("list", list)) => list.parse().map(Self::List).map_err(|_| NoAudience),
                Some(("group", group)) => group.parse().map(Self::Group).map_err(|_| NoAudience),
                _ => Err(NoAudience),
            },
        }
    }
}

impl fmt::Display for Audience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Owner => f.write_str("owner"),
            Self::Contacts => f.write_str("contacts"),
            Self::Link => f.write_str("link"),
            Self::List(list) => write!(f, "list:{list}"),
            Self::Group(group) => write!(f, "group:{group}"),
        }
    }
}

/// What is known of one piece of content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Its id.
    pub id: ContentId,
    /// Whose.
    pub owner: UserId,
    /// A file name to offer.
    pub name: Option<Box<str>>,
    /// MIME type, with parameters as its owner wrote them.
    pub content_type: Box<str>,
    /// How many octets.
    pub octets: u64,
    /// SHA-256 of them.
    pub digest: [u8; 32],
    /// Who may see it.
    pub audience: Audience,
    /// When it came.
    pub created: Moment,
    /// When it goes.
    pub expires: Moment,
}

/// How much one user may keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Octets of all items.
    pub octets: u64,
    /// Items.
    pub items: u64,
}

#[cfg(test)]
pub(crate) mod testing {
    use super::*;

    /// An item of ada's that was made at 1 s and ends at 100 s.
    pub(crate) fn item(id: &str, audience: &str) -> Item {
        Item {
            id: format!("{id:_<22}").parse().unwrap(),
            owner: "wv:ada@north.example".parse().unwrap(),
            name: Some("map.png".into()),
            content_type: "image/png".into(),
            octets: 3,
            digest: [7; 32],
            audience: audience.parse().unwrap(),
            created: Moment::from_millis(1000),
            expires: Moment::from_millis(100_000),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::imps::chance::testing::Fixed;

    #[test]
    fn only_what_can_stand_in_a_path_is_an_id() {
        let fresh = ContentId::fresh(&mut Fixed(0xfb));
        assert_eq!(fresh.as_str().len(), 24);
        assert_eq!(fresh.as_str().parse(), Ok(fresh.clone()));
        for wrong in
            ["", "short", "../../../../../../etc/passwd", "aaaaaaaaaaaaaaaaaaaaaa.tmp", &"a".repeat(65)]
        {
            assert_eq!(wrong.parse::<ContentId>(), Err(NoContentId), "{wrong}");
        }
    }

    #[test]
    fn an_audience_is_a_word_and_comes_back_from_it() {
        for text in [
            "owner",
            "contacts",
            "link",
            "list:wv:ada/friends@north.example",
            "group:wv:/sailing@north.example",
        ] {
            assert_eq!(text.parse::<Audience>().unwrap().to_string(), text);
        }
        for wrong in ["", "everybody", "list:", "group:ada@north.example", "owner:x"] {
            assert_eq!(wrong.parse::<Audience>(), Err(NoAudience), "{wrong}");
        }
    }
}
