//! The values of presence attributes, as their elements hold them (reference presence-attributes §2, §3).
//!
//! Each may be there or not; what is published and what is shown carries a qualifier, what only names an
//! attribute carries nothing.

use super::super::primitive::ClientId;

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
