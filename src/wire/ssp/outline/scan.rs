//! The envelope scanner: what a relay must know of a document, found in one pass over its octets.

use super::plain::{Cutter, Piece};
use super::table::{Place, routed};
use super::{Mark, Outline, Role};
use crate::imps::{SessionId, TransactionId};
use crate::wire::ssp::envelope::{
    MESSAGE, MODE, SESSION, SESSION_ID, TRANSACTION, TRANSACTION_ID, XMLNS, version_of_namespace,
};
use crate::wire::ssp::{Body, Message, SessionMessage, Transaction};
use crate::wire::tree::folded_hash;
use crate::wire::{Carried, Limits, Mode, digest};

/// Finds envelope and outlines of a document of requests that all may have to go on. `None` for
/// everything else, which is to be read: it is not plain, it holds a response, or a request that no relay
/// passes on. What it finds is what [`super::super::read_outlined`] finds.
pub fn scan(body: &[u8], limits: &Limits) -> Option<Message> {
    let mut cutter = Cutter::new(body, limits)?;
    cutter.pass_declaration();
    let Piece::Start(root) = cutter.next_tag()? else { return None };
    if root != MESSAGE.text {
        return None;
    }
    let version = version_of_namespace(cutter.attribute(XMLNS).ok()?.unwrap_or_default());
    let Piece::Start(session) = cutter.next_tag()? else { return None };
    if session != SESSION.text {
        return None;
    }
    let session: SessionId = cutter.attribute(SESSION_ID).ok()??.parse().ok()?;
    let mut transactions = Vec::new();
    loop {
        match cutter.next_tag()? {
            Piece::Start(name) if name == TRANSACTION.text => transactions.push(transaction(&mut cutter)?),
            Piece::End(_) => break,
            _ => return None,
        }
    }
    let ended = matches!(cutter.next_tag()?, Piece::End(_)) && cutter.next_tag()? == Piece::Over;
    let message = SessionMessage { session, transactions, skipped: 0 };
    (ended && !message.transactions.is_empty()).then_some(Message { version, body: Body::Session(message) })
}

/// One request, whose start tag was just cut, with its end tag.
fn transaction(cutter: &mut Cutter<'_>) -> Option<Transaction> {
    let id: TransactionId = cutter.attribute(TRANSACTION_ID).ok()??.parse().ok()?;
    if cutter.attribute(MODE).ok()?? != Mode::Request.as_str() {
        return None;
    }
    cutter.pass_space();
    let begin = cutter.position();
    let first = cutter.next()?;
    let (Piece::Start(name) | Piece::Empty(name)) = first else { return None };
    let routed = routed(folded_hash(name))?;
    let mut outline = Outline { name: routed.name.text, marks: Vec::new(), plain: true };
    collect(cutter, first, routed.places, &mut outline.marks)?;
    let place = begin..cutter.position();
    let Piece::End(_) = cutter.next_tag()? else { return None };
    // Without anybody on the other side it goes no further.
    outline.marks.iter().find(|mark| matches!(mark.role, Role::To | Role::Either))?;
    Some(Transaction {
        id,
        mode: Mode::Request,
        meta: None,
        content: Carried::NotServed(outline.name),
        digest: digest(cutter.slice(place.clone()).as_bytes()),
        place,
        outline: Some(Box::new(outline)),
    })
}

/// Collects the marks of the element that `piece` begins, to its end.
fn collect(cutter: &mut Cutter<'_>, first: Piece<'_>, places: &[Place], marks: &mut Vec<Mark>) -> Option<()> {
    let floor = cutter.depth() - usize::from(matches!(first, Piece::Start(_)));
    // Name hashes from below the primitive down to the element at hand.
    let mut path: Vec<u32> = Vec::with_capacity(16);
    let mut piece = first;
    loop {
        if let Piece::Start(name) | Piece::Empty(name) = piece {
            let level = cutter.depth() - floor - usize::from(matches!(piece, Piece::Start(_)));
            if let Some(above) = level.checked_sub(1) {
                path.truncate(above);
                path.push(folded_hash(name));
            }
            for place in places.iter().filter(|place| place.is_at(&path)) {
                if let Some(text) = cutter.attribute(place.attribute).ok()? {
                    marks.push(Mark { role: place.role, text: text.trim().into() });
                }
            }
        }
        if cutter.depth() == floor {
            return Some(());
        }
        piece = cutter.next()?;
    }
}
