//! Presence: what users tell others about themselves and their clients (reference presence-attributes).
//!
//! A [`PresenceSubList`] holds [`Attribute`]s, in the order of the standard. The same form names
//! attributes (empty ones), publishes and shows them. The first nine kinds are *client status*, one value
//! per client; the others are *user status*, one value per user. Values stay text, so that words that
//! nobody knows here pass through.

mod attribute;
mod standard;
mod values;

pub use attribute::Attribute;
pub use standard::{SetBy, Words};
pub use values::{
    AddrPref, ClientInfo, CommC, CommCap, ContactInfo, ContentLimit, GeoLocation, InfoLink, LimitedType,
    Link, Plain, PostalAddress, PreferredContacts, StatusContent, TimeZone,
};

use super::Version;
use super::words::words;

words! {
    /// The kinds of presence attributes, in the order in which they stand in a PresenceSubList.
    AttributeName {
        /// Whether a client of the user is online; set by the server from the sessions.
        OnlineStatus = "OnlineStatus",
        /// Whether the client is registered in the mobile network.
        Registration = "Registration",
        /// What the client is.
        ClientInfo = "ClientInfo",
        /// Hours from UTC.
        TimeZone = "TimeZone",
        /// Place on earth.
        GeoLocation = "GeoLocation",
        /// Postal address of the place.
        Address = "Address",
        /// The place in words.
        FreeTextLocation = "FreeTextLocation",
        /// Mobile country and network code.
        Plmn = "PLMN",
        /// How the client can be reached.
        CommCap = "CommCap",
        /// Whether the user is available.
        UserAvailability = "UserAvailability",
        /// How the user prefers to be reached.
        PreferredContacts = "PreferredContacts",
        /// Languages of the user.
        PreferredLanguage = "PreferredLanguage",
        /// What the user says of itself.
        StatusText = "StatusText",
        /// How the user feels.
        StatusMood = "StatusMood",
        /// A name to show.
        Alias = "Alias",
        /// A picture or other content.
        StatusContent = "StatusContent",
        /// A visiting card.
        ContactInfo = "ContactInfo",
        /// Links with captions.
        InfoLink = "InfoLink",
    }
}

impl AttributeName {
    /// Whether there is one value per client, and not one per user.
    pub fn is_client_status(self) -> bool {
        self <= Self::CommCap
    }

    /// The first version that has it.
    pub const fn since(self) -> Version {
        match self {
            Self::InfoLink => Version::V1_2,
            _ => Version::V1_1,
        }
    }

    const fn bit(self) -> u32 {
        1 << self as u32
    }
}

/// A set of attribute names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AttributeSet(u32);

impl AttributeSet {
    /// No attribute.
    pub const NONE: Self = Self(0);
    /// Every attribute.
    pub const ALL: Self = Self((AttributeName::InfoLink.bit() << 1) - 1);

    /// From the bits of [`Self::bits`]; strange ones do not count.
    pub const fn from_bits(bits: u32) -> Self {
        Self(bits & Self::ALL.0)
    }

    /// One bit per name, as the store keeps it.
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// Whether the name is in it.
    pub const fn contains(self, name: AttributeName) -> bool {
        self.0 & name.bit() != 0
    }

    /// Whether nothing is in it.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// What is in one of both.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What is in both.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// What is in this and not in the other.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// The names, in order.
    pub fn names(self) -> impl Iterator<Item = AttributeName> {
        AttributeName::ALL.iter().copied().filter(move |name| self.contains(*name))
    }
}

impl FromIterator<AttributeName> for AttributeSet {
    fn from_iter<T: IntoIterator<Item = AttributeName>>(names: T) -> Self {
        Self(names.into_iter().fold(0, |bits, name| bits | name.bit()))
    }
}

/// Attributes that are named, published or shown (`PresenceSubList`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct PresenceSubList {
    /// In the order of [`AttributeName`]; several of one name are about several clients (1.3).
    pub attributes: Vec<Attribute>,
    /// Names of elements that are no attribute, each at most 64 characters; never written.
    pub unknown: Vec<Box<str>>,
}

impl PresenceSubList {
    /// The attributes, brought into order.
    pub fn new(mut attributes: Vec<Attribute>) -> Self {
        attributes.sort_by_key(Attribute::name);
        Self { attributes, unknown: Vec::new() }
    }

    /// Empty attributes that name a set.
    pub fn naming(names: AttributeSet) -> Self {
        Self { attributes: names.names().map(Attribute::bare).collect(), unknown: Vec::new() }
    }

    /// Which attributes are in it.
    pub fn names(&self) -> AttributeSet {
        self.attributes.iter().map(Attribute::name).collect()
    }

    /// The list as it is shown: without values that do not count.
    #[must_use]
    pub fn as_shown(self) -> Self {
        let attributes = self.attributes.into_iter().map(Attribute::as_shown).collect();
        Self { attributes, ..self }
    }

    /// The one value of an attribute for whoever can take only one (before 1.3): that of a client which is
    /// online before others, a valid one before others, and else the first; the list is that of the clients in
    /// the order of their last activity (reference presence-attributes §1).
    pub fn one(&self, name: AttributeName) -> Option<&Attribute> {
        let mut all = self.attributes.iter().filter(|attribute| attribute.name() == name);
        let (first, second) = (all.next()?, all.next());
        if second.is_none() {
            return Some(first);
        }
        let is_online = |attribute: &Attribute| {
            self.attributes.iter().any(|status| match status {
                Attribute::OnlineStatus(plain) => {
                    status.is_valid()
                        && status.client() == attribute.client()
                        && plain.value.as_deref() == Some("T")
                }
                _ => false,
            })
        };
        let all = self.attributes.iter().filter(|attribute| attribute.name() == name);
        all.min_by_key(|attribute| (!is_online(attribute), !attribute.is_valid()))
    }

    /// Whether nothing is in it, not even something unknown.
    pub fn is_empty(&self) -> bool {
        self.attributes.is_empty() && self.unknown.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::imps::primitive::ClientId;

    #[test]
    fn every_name_has_a_bare_attribute_and_a_bit_of_its_own() {
        for name in AttributeName::ALL {
            let bare = Attribute::bare(*name);
            assert_eq!(bare.name(), *name);
            assert!(bare.is_bare() && Attribute::unknown(*name).is_bare());
            assert_eq!([*name].into_iter().collect::<AttributeSet>().names().collect::<Vec<_>>(), [*name]);
        }
        assert_eq!(AttributeSet::ALL.names().count(), 18);
        assert_eq!(AttributeSet::from_bits(u32::MAX), AttributeSet::ALL);
        assert_eq!(AttributeName::ALL.iter().filter(|name| name.is_client_status()).count(), 9);
    }

    #[test]
    fn an_empty_text_is_something_else_than_none() {
        let emptied = Attribute::StatusText(Plain { value: Some("".into()), ..Plain::default() });
        assert!(!emptied.is_bare());
    }

    #[test]
    fn only_client_status_speaks_of_a_client() {
        for name in AttributeName::ALL {
            let mut attribute = Attribute::bare(*name);
            attribute.set_client(Some(ClientId::default()));
            assert_eq!(attribute.client().is_some(), name.is_client_status(), "{name:?}");
        }
    }

    #[test]
    fn the_one_value_is_that_of_a_client_that_is_online_then_a_valid_one_then_the_first() {
        let client = |url: &str| Some(ClientId { url: Some(url.into()), ..ClientId::default() });
        let plain = |value: &str, url| Plain {
            qualifier: Some(true),
            value: Some(value.into()),
            client: client(url),
        };
        let text = |value: &str, url| Attribute::FreeTextLocation(plain(value, url));
        let list = |status: [(&str, &'static str); 3], places: Vec<Attribute>| {
            let status = status.map(|(value, url)| Attribute::OnlineStatus(plain(value, url)));
            PresenceSubList::new(status.into_iter().chain(places).collect())
        };
        let mut unsure = text("nowhere", "phone");
        unsure.set_qualifier(Some(false));
        let clients = |phone, desk, pad| [(phone, "phone"), (desk, "desk"), (pad, "pad")];
        let places = || vec![text("at sea", "phone"), text("at home", "desk"), text("in bed", "pad")];
        let place = |list: &PresenceSubList| list.one(AttributeName::FreeTextLocation).cloned();
        assert_eq!(
            place(&list(clients("T", "T", "T"), places())),
            Some(text("at sea", "phone")),
            "the first"
        );
        let away = list(clients("F", "T", "T"), places());
        assert_eq!(place(&away), Some(text("at home", "desk")), "one that is online");
        assert_eq!(away.one(AttributeName::OnlineStatus), Some(&Attribute::OnlineStatus(plain("T", "desk"))));
        let unsaid =
            list(clients("T", "T", "F"), vec![unsure, text("at home", "desk"), text("in bed", "pad")]);
        assert_eq!(place(&unsaid), Some(text("at home", "desk")), "one that is valid");
        assert_eq!(place(&list(clients("F", "F", "F"), places())), Some(text("at sea", "phone")));
        assert_eq!(place(&PresenceSubList::default()), None);
    }

    #[test]
    fn what_does_not_count_is_shown_without_its_value() {
        let alias =
            |qualifier| Attribute::Alias(Plain { qualifier, value: Some("Ada".into()), client: None });
        let list = PresenceSubList::new(vec![alias(Some(false)), Attribute::bare(AttributeName::StatusText)]);
        let shown = list.as_shown();
        assert_eq!(shown.attributes[1], Attribute::unknown(AttributeName::Alias));
        assert_eq!(shown.attributes[0], Attribute::bare(AttributeName::StatusText));
        assert_eq!(alias(None).as_shown(), alias(None));
    }
}
