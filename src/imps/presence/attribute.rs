//! One presence attribute, whichever it is.

use super::super::primitive::ClientId;
use super::{
    AttributeName, ClientInfo, CommCap, ContactInfo, GeoLocation, InfoLink, Plain, PostalAddress,
    PreferredContacts, StatusContent, TimeZone,
};

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

    /// Whether the value counts: it does unless it is said that it does not.
    pub fn is_valid(&self) -> bool {
        self.qualifier() != Some(false)
    }

    /// The attribute as it is shown: a value that does not count is left out.
    #[must_use]
    pub fn as_shown(self) -> Self {
        if self.is_valid() {
            return self;
        }
        let mut unknown = Self::unknown(self.name());
        unknown.set_client(self.client().cloned());
        unknown
    }

    /// Whether nothing but a qualifier and a client is in it.
    pub fn is_bare(&self) -> bool {
        let mut bare = Self::bare(self.name());
        bare.set_qualifier(self.qualifier());
        bare.set_client(self.client().cloned());
        bare == *self
    }
}
