//! Presence: what users tell others about themselves and their clients (reference presence-attributes).
//!
//! A [`PresenceSubList`] holds [`Attribute`]s, in the order of the standard. The same form names
//! attributes (empty ones), publishes and shows them. The first nine kinds are *client status*, one value
//! per client; the others are *user status*, one value per user. Values stay text, so that words that
//! nobody knows here pass through.

use super::Version;
use super::primitive::ClientId;
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

/// An attribute with one value: a truth, a word or a text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Plain {
    /// Whether the value counts; absent in an update means yes.
    pub qualifier: Option<bool>,
    /// The value; an empty one is something else than none.
    pub value: Option<Box<str>>,
    /// The client it is about (client status, 1.3).
    pub client: Option<ClientId>,
}

/// What a client is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ClientInfo {
    /// Whether the value counts.
    pub qualifier: Option<bool>,
    /// What content it takes (1.3).
    pub content_limit: Option<Box<ContentLimit>>,
    /// `MOBILE_PHONE`, `COMPUTER`, `PDA`, `CLI`, `OTHER`.
    pub client_type: Option<Box<str>>,
    /// Who made the device.
    pub manufacturer: Option<Box<str>>,
    /// Who made the program.
    pub producer: Option<Box<str>>,
    /// The device.
    pub model: Option<Box<str>>,
    /// The program's version.
    pub version: Option<Box<str>>,
    /// ISO 639-2, such as `fin`.
    pub language: Option<Box<str>>,
    /// Which client gets messages first (1.3).
    pub im_priority: Option<Box<str>>,
    /// The application (1.3).
    pub application: Option<Box<str>>,
    /// The client it is about (1.3).
    pub client: Option<ClientId>,
}

/// What content a client takes (1.3).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ContentLimit {
    /// Types, each with its limits.
    pub accepted_types: Vec<LimitedType>,
    /// Whether every type is taken.
    pub any_content: Option<bool>,
    /// Longest text, octets.
    pub text_length: Option<u32>,
    /// `BASE64`, `None`.
    pub transfer_encodings: Vec<Box<str>>,
    /// Largest content that is fetched, octets.
    pub pull_length: Option<u32>,
    /// Largest content that is pushed, octets.
    pub push_length: Option<u32>,
    /// MIBenum numbers of character sets.
    pub charsets: Vec<u32>,
}

/// A content type that a client takes (1.3).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct LimitedType {
    /// MIME type.
    pub content_type: Box<str>,
    /// Largest content of this type, octets.
    pub length: Option<u32>,
    /// What to do above `limit`: `N` notify, `P` push, `R` reject, `C` cost.
    pub policy: Option<Box<str>>,
    /// Octets.
    pub limit: Option<u32>,
}

/// Hours from UTC.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct TimeZone {
    /// Whether the value counts.
    pub qualifier: Option<bool>,
    /// `+02`, `-05`.
    pub zone: Option<Box<str>>,
    /// The client it is about (1.3).
    pub client: Option<ClientId>,
}

/// Place on earth, WGS 84.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct GeoLocation {
    /// Whether the value counts.
    pub qualifier: Option<bool>,
    /// Degrees, minutes, seconds and hemisphere: `35 24 15.652W`.
    pub longitude: Option<Box<str>>,
    /// Likewise.
    pub latitude: Option<Box<str>>,
    /// Metres.
    pub altitude: Option<Box<str>>,
    /// Metres.
    pub accuracy: Option<Box<str>>,
    /// The client it is about (1.3).
    pub client: Option<ClientId>,
}

/// Postal address of a place.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct PostalAddress {
    /// Whether the value counts.
    pub qualifier: Option<bool>,
    /// ISO 3166, two letters.
    pub country: Option<Box<str>>,
    /// City.
    pub city: Option<Box<str>>,
    /// Street.
    pub street: Option<Box<str>>,
    /// A street that crosses it.
    pub crossing1: Option<Box<str>>,
    /// Another.
    pub crossing2: Option<Box<str>>,
    /// Building.
    pub building: Option<Box<str>>,
    /// A quarter or other area with a name.
    pub named_area: Option<Box<str>>,
    /// Metres.
    pub accuracy: Option<Box<str>>,
    /// The client it is about (1.3).
    pub client: Option<ClientId>,
}

/// How a client can be reached.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct CommCap {
    /// Whether the value counts.
    pub qualifier: Option<bool>,
    /// The ways.
    pub ways: Vec<CommC>,
    /// The client it is about (1.3).
    pub client: Option<ClientId>,
}

/// One way to reach a client.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct CommC {
    /// `CALL`, `SMS`, `MMS`, `IM`, `EMAIL`; up to 1.2 also `AUDIO_CALL` and others.
    pub cap: Box<str>,
    /// `OPEN`, `CLOSED`.
    pub status: Box<str>,
    /// An address or number.
    pub contact: Option<Box<str>>,
    /// A remark.
    pub note: Option<Box<str>>,
}

/// How a user prefers to be reached.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct PreferredContacts {
    /// Whether the value counts.
    pub qualifier: Option<bool>,
    /// The ways.
    pub contacts: Vec<AddrPref>,
}

/// One way to reach a user.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct AddrPref {
    /// As [`CommC::cap`].
    pub cap: Box<str>,
    /// Address.
    pub address: Box<str>,
    /// `AVAILABLE`, `DISCREET`, `NOT_AVAILABLE`, or `OPEN`, `CLOSED`.
    pub status: Box<str>,
    /// A name.
    pub name: Option<Box<str>>,
    /// 1 is the first.
    pub priority: Option<Box<str>>,
}

/// A picture or other content.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct StatusContent {
    /// Whether the value counts.
    pub qualifier: Option<bool>,
    /// The content as BASE64.
    pub direct: Option<Box<str>>,
    /// Or where it is.
    pub referred: Option<Box<str>>,
    /// MIME type.
    pub content_type: Option<Box<str>>,
}

/// A visiting card.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ContactInfo {
    /// Whether the value counts.
    pub qualifier: Option<bool>,
    /// vCard 2.1 text.
    pub contained: Option<Box<str>>,
    /// Or where it is.
    pub referred: Option<Box<str>>,
}

/// Links with captions (1.2).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct InfoLink {
    /// Whether the value counts.
    pub qualifier: Option<bool>,
    /// The links.
    pub links: Vec<Link>,
}

/// A link with a caption.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Link {
    /// URL.
    pub link: Box<str>,
    /// Caption.
    pub text: Option<Box<str>>,
    /// MIME type.
    pub content_type: Option<Box<str>>,
}

/// One presence attribute: named, published or shown.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "each variant is the attribute name of the same spelling")]
pub enum Attribute {
    OnlineStatus(Plain),
    Registration(Plain),
    ClientInfo(Box<ClientInfo>),
    TimeZone(TimeZone),
    GeoLocation(Box<GeoLocation>),
    Address(Box<PostalAddress>),
    FreeTextLocation(Plain),
    Plmn(Plain),
    CommCap(CommCap),
    UserAvailability(Plain),
    PreferredContacts(PreferredContacts),
    PreferredLanguage(Plain),
    StatusText(Plain),
    StatusMood(Plain),
    Alias(Plain),
    StatusContent(StatusContent),
    ContactInfo(ContactInfo),
    InfoLink(InfoLink),
}

/// Runs an expression on the value of any attribute.
macro_rules! each_value {
    ($attribute:expr, $value:ident => $expression:expr) => {
        match $attribute {
            Attribute::OnlineStatus($value)
            | Attribute::Registration($value)
            | Attribute::FreeTextLocation($value)
            | Attribute::Plmn($value)
            | Attribute::UserAvailability($value)
            | Attribute::PreferredLanguage($value)
            | Attribute::StatusText($value)
            | Attribute::StatusMood($value)
            | Attribute::Alias($value) => $expression,
            Attribute::ClientInfo($value) => $expression,
            Attribute::TimeZone($value) => $expression,
            Attribute::GeoLocation($value) => $expression,
            Attribute::Address($value) => $expression,
            Attribute::CommCap($value) => $expression,
            Attribute::PreferredContacts($value) => $expression,
            Attribute::StatusContent($value) => $expression,
            Attribute::ContactInfo($value) => $expression,
            Attribute::InfoLink($value) => $expression,
        }
    };
}

impl Attribute {
    /// Which attribute it is.
    pub const fn name(&self) -> AttributeName {
        match self {
            Self::OnlineStatus(_) => AttributeName::OnlineStatus,
            Self::Registration(_) => AttributeName::Registration,
            Self::ClientInfo(_) => AttributeName::ClientInfo,
            Self::TimeZone(_) => AttributeName::TimeZone,
            Self::GeoLocation(_) => AttributeName::GeoLocation,
            Self::Address(_) => AttributeName::Address,
            Self::FreeTextLocation(_) => AttributeName::FreeTextLocation,
            Self::Plmn(_) => AttributeName::Plmn,
            Self::CommCap(_) => AttributeName::CommCap,
            Self::UserAvailability(_) => AttributeName::UserAvailability,
            Self::PreferredContacts(_) => AttributeName::PreferredContacts,
            Self::PreferredLanguage(_) => AttributeName::PreferredLanguage,
            Self::StatusText(_) => AttributeName::StatusText,
            Self::StatusMood(_) => AttributeName::StatusMood,
            Self::Alias(_) => AttributeName::Alias,
            Self::StatusContent(_) => AttributeName::StatusContent,
            Self::ContactInfo(_) => AttributeName::ContactInfo,
            Self::InfoLink(_) => AttributeName::InfoLink,
        }
    }

    /// The bare attribute: its name and nothing in it.
    pub fn bare(name: AttributeName) -> Self {
        match name {
            AttributeName::OnlineStatus => Self::OnlineStatus(Plain::default()),
            AttributeName::Registration => Self::Registration(Plain::default()),
            AttributeName::ClientInfo => Self::ClientInfo(Box::default()),
            AttributeName::TimeZone => Self::TimeZone(TimeZone::default()),
            AttributeName::GeoLocation => Self::GeoLocation(Box::default()),
            AttributeName::Address => Self::Address(Box::default()),
            AttributeName::FreeTextLocation => Self::FreeTextLocation(Plain::default()),
            AttributeName::Plmn => Self::Plmn(Plain::default()),
            AttributeName::CommCap => Self::CommCap(CommCap::default()),
            AttributeName::UserAvailability => Self::UserAvailability(Plain::default()),
            AttributeName::PreferredContacts => Self::PreferredContacts(PreferredContacts::default()),
            AttributeName::PreferredLanguage => Self::PreferredLanguage(Plain::default()),
            AttributeName::StatusText => Self::StatusText(Plain::default()),
            AttributeName::StatusMood => Self::StatusMood(Plain::default()),
            AttributeName::Alias => Self::Alias(Plain::default()),
            AttributeName::StatusContent => Self::StatusContent(StatusContent::default()),
            AttributeName::ContactInfo => Self::ContactInfo(ContactInfo::default()),
            AttributeName::InfoLink => Self::InfoLink(InfoLink::default()),
        }
    }

    /// The attribute with Qualifier F: there is no valid value.
    pub fn unknown(name: AttributeName) -> Self {
        let mut attribute = Self::bare(name);
        attribute.set_qualifier(Some(false));
        attribute
    }

    /// Whether the value counts, as written.
    pub fn qualifier(&self) -> Option<bool> {
        each_value!(self, value => value.qualifier)
    }

    /// Says whether the value counts.
    pub fn set_qualifier(&mut self, qualifier: Option<bool>) {
        each_value!(self, value => value.qualifier = qualifier);
    }

    /// The client it is about; user status has none.
    pub fn client(&self) -> Option<&ClientId> {
        match self {
            Self::OnlineStatus(value)
            | Self::Registration(value)
            | Self::FreeTextLocation(value)
            | Self::Plmn(value) => value.client.as_ref(),
            Self::ClientInfo(value) => value.client.as_ref(),
            Self::TimeZone(value) => value.client.as_ref(),
            Self::GeoLocation(value) => value.client.as_ref(),
            Self::Address(value) => value.client.as_ref(),
            Self::CommCap(value) => value.client.as_ref(),
            _ => None,
        }
    }

    /// Says which client it is about; no effect on user status.
    pub fn set_client(&mut self, client: Option<ClientId>) {
        match self {
            Self::OnlineStatus(value)
            | Self::Registration(value)
            | Self::FreeTextLocation(value)
            | Self::Plmn(value) => value.client = client,
            Self::ClientInfo(value) => value.client = client,
            Self::TimeZone(value) => value.client = client,
            Self::GeoLocation(value) => value.client = client,
            Self::Address(value) => value.client = client,
            Self::CommCap(value) => value.client = client,
            _ => {}
        }
    }

    /// Whether nothing but a qualifier and a client is in it.
    pub fn is_bare(&self) -> bool {
        let mut bare = Self::bare(self.name());
        bare.set_qualifier(self.qualifier());
        bare.set_client(self.client().cloned());
        bare == *self
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

    /// Whether nothing is in it, not even something unknown.
    pub fn is_empty(&self) -> bool {
        self.attributes.is_empty() && self.unknown.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
