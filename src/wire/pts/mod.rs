//! CSP in the plain text syntax (PTS, 1.2 and 1.3; reference csp.md §8): what phones that have nothing but SMS
//! write for login, capabilities, services, contact lists and presence.
//!
//! ```text
//! WV13LR7 UI=wv:ana@north.example CI=urn:imps:phone-9 SH=MD5 TL=7205 SC=wv-77
//! │ │ │ └ transaction: 0 to 999         one primitive, its fields as KEY=value
//! │ │ └── LR Login-Request: request or answer follows from the code
//! │ └──── version 1.3; XX asks for versions
//! ```
//!
//! A primitive that is too long for one short message is cut ([`cut`]): each piece repeats the preamble with two
//! letters, which piece it is and which is the last. Messages, groups and blocking have no codes that are known, so
//! that sessions cannot be led by this syntax alone, and no door of the node serves it.

mod fields;
mod parts;
mod primitives;
mod value;

#[cfg(test)]
mod tests;

use crate::imps::{Primitive, SessionId, Version};
use crate::wire::Mode;

/// Octets of a document, all of its pieces joined.
pub const OCTETS_MAX: usize = 8192;
/// Pieces of one primitive: as many as there are letters.
pub const PIECES_MAX: usize = 26;
/// The largest transaction number.
pub const NUMBER_MAX: u16 = 999;

/// One primitive with what stands around it.
#[derive(Clone, Debug, PartialEq)]
pub struct Short {
    /// 1.2 or 1.3.
    pub version: Version,
    /// Asks or answers.
    pub mode: Mode,
    /// The transaction; 0 for polling.
    pub number: u16,
    /// The session; `None` before login.
    pub session: Option<SessionId>,
    /// What.
    pub primitive: Primitive,
}

/// Why text is no document of this syntax.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// Not `WV`, version, code and number.
    #[error("it does not begin with WV, a version, a code and a number")]
    Preamble,
    /// Another version than 1.2 and 1.3, or a request for versions.
    #[error("version {0:?} is not spoken in this syntax")]
    Version(Box<str>),
    /// The pieces are not those of one primitive, each once.
    #[error("the pieces do not belong together, or one is missing")]
    Pieces,
    /// A code that is not known; answered with Status 501.
    #[error("code {0:?} is not known")]
    Code(Box<str>),
    /// Something else stands where this belongs.
    #[error("{0} is missing or stands in the wrong place")]
    Syntax(&'static str),
    /// A mandatory field is not there.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A field holds what it cannot hold.
    #[error("{0} cannot be read")]
    Value(&'static str),
    /// More than is read.
    #[error("it is too long or too deep")]
    TooMuch,
}

/// What stands before the fields.
struct Preamble<'t> {
    version: &'t str,
    code: &'t str,
    number: u16,
    /// Which piece and which is the last, counted from 0.
    piece: Option<(u8, u8)>,
}

impl<'t> Preamble<'t> {
    /// The preamble of a piece, and what follows it.
    fn read(text: &'t str) -> Result<(Self, &'t str), Unreadable> {
        let (head, rest) = text.split_once(' ').unwrap_or((text, ""));
        let (mark, head) = head.split_at_checked(2).ok_or(Unreadable::Preamble)?;
        let (version, head) = head.split_at_checked(2).ok_or(Unreadable::Preamble)?;
        let (code, head) = head.split_at_checked(2).ok_or(Unreadable::Preamble)?;
        let end = head.find(|c: char| !c.is_ascii_digit()).unwrap_or(head.len());
        let (number, piece) = head.split_at_checked(end).ok_or(Unreadable::Preamble)?;
        let plain = code.bytes().all(|octet| octet.is_ascii_alphabetic());
        let leads = number.len() > 1 && number.starts_with('0');
        let number = number.parse().ok().filter(|number| *number <= NUMBER_MAX && !leads);
        let letter = |octet: u8| octet.to_ascii_lowercase().checked_sub(b'a').filter(|at| *at < 26);
        let piece = match piece.as_bytes() {
            [] => None,
            [this, last] => {
                let of = letter(*this).zip(letter(*last)).filter(|(this, last)| this <= last);
                Some(of.ok_or(Unreadable::Preamble)?)
            }
            _ => return Err(Unreadable::Preamble),
        };
        match number {
            Some(number) if mark.eq_ignore_ascii_case("WV") && plain => {
                Ok((Self { version, code, number, piece }, rest))
            }
            _ => Err(Unreadable::Preamble),
        }
    }
}

/// Puts the pieces of one primitive together, in whatever order they came; one that was not cut is its only piece.
fn joined(pieces: &[&str]) -> Result<String, Unreadable> {
    let mut found: Vec<(u8, &str)> = Vec::new();
    let mut whole: Option<(String, u8)> = None;
    for piece in pieces {
        let (preamble, rest) = Preamble::read(piece)?;
        let Some((this, last)) = preamble.piece else {
            return if pieces.len() == 1 { Ok((*piece).to_owned()) } else { Err(Unreadable::Pieces) };
        };
        let Preamble { version, code, number, .. } = preamble;
        let head = format!("WV{version}{code}{number}").to_ascii_uppercase();
        let whole = whole.get_or_insert_with(|| (head.clone(), last));
        if *whole != (head, last) {
            return Err(Unreadable::Pieces);
        }
        found.push((this, rest));
    }
    found.sort_by_key(|(this, _)| *this);
    let (head, last) = whole.ok_or(Unreadable::Preamble)?;
    if !found.iter().map(|(this, _)| *this).eq(0..=last) {
        return Err(Unreadable::Pieces);
    }
    Ok(found.iter().fold(head + " ", |text, (_, piece)| text + piece))
}

/// Reads a primitive from its pieces: one, if it was not cut.
pub fn read(pieces: &[&str]) -> Result<Short, Unreadable> {
    if pieces.len() > PIECES_MAX || pieces.iter().map(|piece| piece.len()).sum::<usize>() > OCTETS_MAX {
        return Err(Unreadable::TooMuch);
    }
    let text = joined(pieces)?;
    let (preamble, rest) = Preamble::read(&text)?;
    let version = match preamble.version {
        "12" => Version::V1_2,
        "13" => Version::V1_3,
        other => return Err(Unreadable::Version(other.into())),
    };
    let fields = fields::Fields::read(rest)?;
    let (mode, session, primitive) = primitives::read(&preamble.code.to_ascii_uppercase(), &fields)?;
    Ok(Short { version, mode, number: preamble.number, session, primitive })
}

/// Writes a primitive, in one piece. `None`: this syntax has no form for it, or not for the number or the version.
/// What it can say of a primitive is less than XML can: attributes, limits and results beyond its codes are left out.
pub fn write(short: &Short) -> Option<String> {
    let version = match short.version {
        Version::V1_1 => return None,
        Version::V1_2 => "12",
        Version::V1_3 => "13",
    };
    let (code, fields) = primitives::write(&short.primitive, short.mode, short.session.as_ref())?;
    (short.number <= NUMBER_MAX).then(|| format!("WV{version}{code}{}{}", short.number, fields.written()))
}

/// Cuts what [`write()`] gave into pieces of so many characters at most. `None`: they would be too many, or too small
/// for anything.
pub fn cut(text: &str, characters: usize) -> Option<Vec<String>> {
    if text.chars().count() <= characters {
        return Some(vec![text.to_owned()]);
    }
    let (head, rest) = text.split_once(' ')?;
    let room = characters.checked_sub(head.chars().count() + 3).filter(|room| *room > 0)?;
    let rest: Vec<char> = rest.chars().collect();
    let pieces: Vec<String> = rest.chunks(room).map(|piece| piece.iter().collect()).collect();
    let last = u8::try_from(pieces.len()).ok().filter(|count| usize::from(*count) <= PIECES_MAX)?;
    let letter = |at: u8| char::from(b'a' + at);
    let last = letter(last.checked_sub(1)?);
    Some((0..).zip(pieces).map(|(at, piece)| format!("{head}{}{last} {piece}", letter(at))).collect())
}
