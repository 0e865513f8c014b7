//! What the standard says of each presence attribute beside its form: who sets it, and the words it knows
//! (reference presence-attributes §2, §3).
//!
//! Words that are not listed here are no mistake: they are kept as they are and passed on. Where a version
//! has no short form of a word, the word itself is sent.

use super::AttributeName;

/// Who says what an attribute holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetBy {
    /// The server, from the sessions; what clients say of it is taken and ignored.
    Server,
    /// Each client for itself.
    Client,
    /// Each client for itself; until it does so, the server from what was negotiated.
    ClientAfterServer,
    /// The user, with any of its clients.
    User,
}

/// The words that an element of an attribute knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Words {
    /// The element that holds the word.
    pub element: &'static str,
    /// In every version.
    pub known: &'static [&'static str],
    /// In 1.1 and 1.2 only.
    pub older: &'static [&'static str],
}

const fn words(element: &'static str, known: &'static [&'static str]) -> Words {
    Words { element, known, older: &[] }
}

/// Truth.
const TRUTH: &[&str] = &["T", "F"];
/// Whether a way to reach somebody is open.
const OPEN: &[&str] = &["OPEN", "CLOSED"];
/// Ways to reach somebody.
const WAYS: &[&str] = &["CALL", "SMS", "MMS", "IM", "EMAIL"];
/// And those of older versions.
const OLDER_WAYS: &[&str] = &["AUDIO_CALL", "VIDEO_CALL", "IM_ONLINE", "IM_OFFLINE", "VIDEO_STREAM"];
/// Availability.
const AVAILABILITY: &[&str] = &["AVAILABLE", "DISCREET", "NOT_AVAILABLE"];
/// What kind of thing a client is.
const KINDS: &[&str] = &["MOBILE_PHONE", "COMPUTER", "PDA", "CLI", "OTHER"];
/// Moods.
const MOODS: &[&str] = &[
    "HAPPY",
    "SAD",
    "ANGRY",
    "JEALOUS",
    "ASHAMED",
    "INVINCIBLE",
    "IN_LOVE",
    "SLEEPY",
    "BORED",
    "EXCITED",
    "ANXIOUS",
];

impl AttributeName {
    /// Who says what it holds.
    pub const fn set_by(self) -> SetBy {
        match self {
            Self::OnlineStatus => SetBy::Server,
            Self::ClientInfo | Self::CommCap => SetBy::ClientAfterServer,
            Self::Registration
            | Self::TimeZone
            | Self::GeoLocation
            | Self::Address
            | Self::FreeTextLocation
            | Self::Plmn => SetBy::Client,
            Self::UserAvailability
            | Self::PreferredContacts
            | Self::PreferredLanguage
            | Self::StatusText
            | Self::StatusMood
            | Self::Alias
            | Self::StatusContent
            | Self::ContactInfo
            | Self::InfoLink => SetBy::User,
        }
    }

    /// The words that its elements know; none where they hold texts and numbers only.
    pub const fn words(self) -> &'static [Words] {
        match self {
            Self::OnlineStatus | Self::Registration => const { &[words("PresenceValue", TRUTH)] },
            Self::ClientInfo => const { &[words("ClientType", KINDS)] },
            Self::CommCap => {
                const { &[Words { element: "Cap", known: WAYS, older: OLDER_WAYS }, words("Status", OPEN)] }
            }
            Self::UserAvailability => const { &[words("PresenceValue", AVAILABILITY)] },
            Self::PreferredContacts => {
                const {
                    &[
                        Words { element: "PrefC", known: WAYS, older: OLDER_WAYS },
                        words("Cstatus", AVAILABILITY),
                        words("Cstatus", OPEN),
                    ]
                }
            }
            Self::StatusMood => const { &[words("PresenceValue", MOODS)] },
            Self::TimeZone
            | Self::GeoLocation
            | Self::Address
            | Self::FreeTextLocation
            | Self::Plmn
            | Self::PreferredLanguage
            | Self::StatusText
            | Self::Alias
            | Self::StatusContent
            | Self::ContactInfo
            | Self::InfoLink => &[],
        }
    }
}
