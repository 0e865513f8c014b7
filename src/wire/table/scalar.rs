//! Scalars: values that are the text of an element or an attribute.

use std::fmt::Display;

use super::{Atom, Context, Form, Pass, Protocol, Sink};
use crate::imps::primitive::{
    Bearer, CirMethod, ClientType, DeliveryMethod, DigestSchema, InviteType, NoticeWish, NotificationType,
    Password, ReactiveAuthState, WatcherStatus,
};
use crate::imps::status::Code;
use crate::imps::{
    AddressError, ContactListId, DateTime, GroupId, InviteId, MessageId, SearchId, ServiceId, SessionId,
    TransactionId, UserId,
};
use crate::wire::Fault;
use crate::wire::tree::{Element, Raw, trimmed};

/// Why a text is not the value it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// A sentence; holds at most the beginning of what was found.
    pub what: String,
    /// 402, or 427 for an address.
    pub code: Code,
}

impl Wrong {
    /// An unreadable parameter: 402.
    pub fn because(reason: impl Display) -> Self {
        Self { what: reason.to_string(), code: Code::BAD_PARAMETER }
    }

    fn not(kind: &str, found: &str) -> Self {
        let start: String = found.trim().chars().take(40).collect();
        Self::because(format_args!("{start:?} is no {kind}"))
    }
}

impl From<AddressError> for Wrong {
    fn from(error: AddressError) -> Self {
        Self { what: error.to_string(), code: Code::INVALID_USER_ID }
    }
}

/// A value that is one text, number or date on the wire.
pub trait Scalar<P: Protocol>: Sized {
    /// Reads it; what was read has not been trimmed.
    fn parse(raw: Raw<'_>) -> Result<Self, Wrong>;

    /// What to write.
    fn atom(&self) -> Atom<'_>;
}

impl<P: Protocol, T: Scalar<P>> Form<P> for T {
    fn read(element: Element<'_, '_>, _context: &Context<'_>) -> Result<Self, Fault> {
        T::parse(element.raw()).map_err(|wrong| Fault::unreadable("", element, &wrong))
    }

    fn write(&self, pass: Pass, sink: &mut dyn Sink, _context: &Context<'_>) {
        if pass == Pass::Children {
            sink.value(self.atom());
        }
    }

    fn is_blank(element: Element<'_, '_>) -> bool {
        element.raw().is_blank()
    }
}

fn text(raw: Raw<'_>) -> Result<&str, Wrong> {
    raw.text().map(trimmed).ok_or_else(|| Wrong::because("octets that are no text"))
}

/// An unsigned number: decimal digits, or big-endian octets; clamped to 64 bits
/// (reference csp-wbxml §4.2).
fn number(raw: Raw<'_>) -> Result<u64, Wrong> {
    if let Raw::Octets(octets) = raw {
        let wide = octets.iter().skip_while(|octet| **octet == 0).count() > 8;
        return Ok(if wide {
            u64::MAX
        } else {
            octets.iter().fold(0, |sum, octet| (sum << 8) | u64::from(*octet))
        });
    }
    let text = text(raw)?;
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Wrong::not("number", text));
    }
    Ok(text.parse().unwrap_or(u64::MAX))
}

macro_rules! parsed {
    ($($type:ty: $atom:ident($as_str:ident);)*) => {$(
        impl<P: Protocol> Scalar<P> for $type {
            fn parse(raw: Raw<'_>) -> Result<Self, Wrong> {
                text(raw)?.parse().map_err(Wrong::because)
            }

            fn atom(&self) -> Atom<'_> {
                Atom::$atom(self.$as_str())
            }
        }
    )*};
}

parsed! {
    InviteId: Text(as_str);
    InviteType: Token(as_str);
    MessageId: Text(as_str);
    SessionId: Text(as_str);
    TransactionId: Text(as_str);
    DigestSchema: Text(as_str);
    DeliveryMethod: Token(as_str);
    NoticeWish: Token(as_str);
    CirMethod: Token(as_str);
    Bearer: Token(as_str);
    ClientType: Token(as_str);
    WatcherStatus: Token(as_str);
    NotificationType: Token(as_str);
    ReactiveAuthState: Token(as_str);
}

macro_rules! addresses {
    ($($type:ty)*) => {$(
        impl<P: Protocol> Scalar<P> for $type {
            fn parse(raw: Raw<'_>) -> Result<Self, Wrong> {
                text(raw)?.parse().map_err(Wrong::from)
            }

            fn atom(&self) -> Atom<'_> {
                Atom::Text(self.as_str())
            }
        }
    )*};
}
addresses!(UserId GroupId ContactListId);

impl<P: Protocol> Scalar<P> for ServiceId {
    fn parse(raw: Raw<'_>) -> Result<Self, Wrong> {
        text(raw)?.parse().map_err(Wrong::because)
    }

    fn atom(&self) -> Atom<'_> {
        Atom::Joined("wv:@", self.domain().as_str())
    }
}

macro_rules! numbers {
    ($($type:ty)*) => {$(
        impl<P: Protocol> Scalar<P> for $type {
            /// Clamped to what the type holds.
            fn parse(raw: Raw<'_>) -> Result<Self, Wrong> {
                Ok(Self::try_from(number(raw)?).unwrap_or(Self::MAX))
            }

            fn atom(&self) -> Atom<'_> {
                Atom::Integer(u64::from(*self))
            }
        }
    )*};
}
numbers!(u16 u32 u64);

impl<P: Protocol> Scalar<P> for Code {
    fn parse(raw: Raw<'_>) -> Result<Self, Wrong> {
        let number = number(raw)?;
        u16::try_from(number)
            .ok()
            .and_then(Self::new)
            .ok_or_else(|| Wrong::because(format_args!("{number} is no status code")))
    }

    fn atom(&self) -> Atom<'_> {
        Atom::Integer(u64::from(self.get()))
    }
}

/// A number for most, a text for some (reference csp-wbxml §4.2): what is a plain number is written as one.
impl<P: Protocol> Scalar<P> for SearchId {
    fn parse(raw: Raw<'_>) -> Result<Self, Wrong> {
        match raw {
            Raw::Octets(_) => number(raw)?.to_string().parse().map_err(Wrong::because),
            Raw::Text(text) => text.parse().map_err(Wrong::because),
        }
    }

    fn atom(&self) -> Atom<'_> {
        let text = self.as_str();
        let plain = text == "0" || !text.starts_with('0') && text.bytes().all(|octet| octet.is_ascii_digit());
        match text.parse() {
            Ok(number) if plain => Atom::Integer(number),
            _ => Atom::Text(text),
        }
    }
}

impl<P: Protocol> Scalar<P> for bool {
    fn parse(raw: Raw<'_>) -> Result<Self, Wrong> {
        let text = text(raw)?;
        P::truth(text).ok_or_else(|| Wrong::not("truth value", text))
    }

    fn atom(&self) -> Atom<'_> {
        Atom::Token(if *self { P::TRUE } else { P::FALSE })
    }
}

/// Trimmed.
impl<P: Protocol> Scalar<P> for Box<str> {
    fn parse(raw: Raw<'_>) -> Result<Self, Wrong> {
        Ok(text(raw)?.into())
    }

    fn atom(&self) -> Atom<'_> {
        Atom::Text(self)
    }
}

impl<P: Protocol> Scalar<P> for Password {
    fn parse(raw: Raw<'_>) -> Result<Self, Wrong> {
        Ok(Self::new(text(raw)?))
    }

    fn atom(&self) -> Atom<'_> {
        Atom::Text(self.clear())
    }
}

impl<P: Protocol> Scalar<P> for DateTime {
    fn parse(raw: Raw<'_>) -> Result<Self, Wrong> {
        let read = match raw {
            Raw::Octets(octets) => octets.try_into().ok().and_then(Self::from_octets),
            Raw::Text(text) => Self::parse(text),
        };
        read.ok_or_else(|| Wrong::because("no date and time"))
    }

    fn atom(&self) -> Atom<'_> {
        Atom::Date(*self)
    }
}
