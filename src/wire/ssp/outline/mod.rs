//! What a relay has to know of a request that is not for it: who speaks, who is addressed, and under
//! which id (reference ssp-behaviour §2, §8).
//!
//! The [`table`] says for each primitive that crosses providers where those things stand. An
//! [`Outline`] is collected by it in two ways: from the element tree of a document that was read
//! ([`Outline::of`]), and from the octets of a plain document, which is then not read at all
//! ([`scan`]). Both take every place that fits, not only the first, so that no reader of the next hop
//! can find another sender there than the one that was looked at; and both say the same of every
//! document (`codec.md` §5).

mod plain;
mod scan;
mod table;
#[cfg(test)]
mod tests;

pub use plain::is_plain;
pub use scan::scan;

use crate::wire::tree::{Element, folded_hash};
use table::{Place, routed};

/// The name of a primitive that relays pass on, for those who have it as a text.
pub fn relayed(name: &str) -> Option<&'static str> {
    routed(folded_hash(name)).map(|routed| routed.name.text)
}

/// What a mark stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// The service that asks: `Requestor/@serviceID`.
    Service,
    /// The user who asks: of the domain of that service.
    Requestor,
    /// Somebody for whom the sending side must speak.
    From,
    /// A name that is shown: of the sending side, or inside a group that is addressed.
    Shown,
    /// Somebody on the other side.
    To,
    /// Of either side, and which of them shows in its domain: the roles of a report are swapped by the
    /// one known implementation (conflict C-13).
    Either,
    /// The id of a message or invitation.
    Key,
    /// Validity in seconds.
    Validity,
    /// The type of an invitation.
    Kind,
}

/// One value that decides about the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// What it stands for.
    pub role: Role,
    /// As written, trimmed, at most 64 KiB.
    pub text: Box<str>,
}

/// A request seen from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outline {
    /// Name of the primitive, as SSP writes it.
    pub name: &'static str,
    /// What decides, in document order.
    pub marks: Vec<Mark>,
    /// Its octets are plain as they stand ([`is_plain`]), which [`scan`] has seen. Otherwise nobody has looked.
    pub plain: bool,
}

impl Outline {
    /// Collects the outline of a primitive; `None` for one that goes no further than the link.
    pub fn of(primitive: Element<'_, '_>) -> Option<Self> {
        let routed = routed(primitive.hash())?;
        let mut outline = Self { name: routed.name.text, marks: Vec::new(), plain: false };
        let mut path = Vec::with_capacity(table::DEPTH_MAX);
        outline.collect(primitive, routed.places, &mut path);
        Some(outline)
    }

    fn collect(&mut self, element: Element<'_, '_>, places: &[Place], path: &mut Vec<u32>) {
        for place in places.iter().filter(|place| place.is_at(path)) {
            if let Some(text) = element.attribute(place.attribute) {
                self.marks.push(Mark { role: place.role, text: text.trim().into() });
            }
        }
        if path.len() < table::DEPTH_MAX {
            for child in element.children() {
                path.push(child.hash());
                self.collect(child, places, path);
                path.pop();
            }
        }
    }

    /// The first value of this role.
    pub fn first(&self, role: Role) -> Option<&str> {
        self.all(role).next()
    }

    /// Every value of this role.
    pub fn all(&self, role: Role) -> impl Iterator<Item = &str> {
        self.marks.iter().filter(move |mark| mark.role == role).map(|mark| &*mark.text)
    }
}
