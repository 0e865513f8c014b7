//! The envelope around set-up elements and primitives (reference ssp-transport §4).

use crate::imps::primitive::MetaInfo;
use crate::imps::{Primitive, SessionId, TransactionId, Version};
use crate::wire::table::{Atom, Context, Sink};
use crate::wire::tree::{Element, Name};
use crate::wire::xml::{self, DateForm, Doctype, XmlSink};
use crate::wire::{Carried, Limits, Mode, Refusal, digest};

use super::{
    Body, Message, Outline, SessionMessage, SetupTransaction, Style, Transaction, link, party, primitives,
};

pub(super) const MESSAGE: Name = Name::new("WV-SSP-Message");
pub(super) const XMLNS: Name = Name::new("xmlns");
const SETUP_TRANSACTION: Name = Name::new("SetupTransaction");
pub(super) const SESSION: Name = Name::new("Session");
pub(super) const SESSION_ID: Name = Name::new("sessionID");
pub(super) const TRANSACTION: Name = Name::new("Transaction");
pub(super) const TRANSACTION_ID: Name = Name::new("transactionID");
pub(super) const MODE: Name = Name::new("mode");

/// The namespace that is sent (conflict C-01).
const fn namespace(version: Version) -> &'static str {
    match version {
        Version::V1_1 => "http://www.wireless-village.org/SSP1.1",
        Version::V1_2 => "http://www.openmobilealliance.org/DTD/WV-SSP1.2",
        Version::V1_3 => "http://www.openmobilealliance.org/DTD/WV-SSP1.3",
    }
}

/// The version of a message: the suffix of the root's namespace, 1.3 for none or a strange one.
fn version_of(root: Element<'_, '_>) -> Version {
    version_of_namespace(root.attribute(XMLNS).unwrap_or_default())
}

/// The version by the namespace of the root.
pub(super) fn version_of_namespace(namespace: &str) -> Version {
    let suffix = namespace.trim().rsplit_once("SSP").map_or("", |(_, suffix)| suffix);
    Version::parse(suffix).unwrap_or(Version::V1_3)
}

/// Reads a document. `charset` is the parameter of the HTTP media type. A fault inside one
/// transaction concerns that transaction alone; one in a set-up element refuses the document.
pub fn read(body: &[u8], charset: Option<&str>, limits: &Limits) -> Result<Message, Refusal> {
    read_as(body, charset, limits, false)
}

/// Reads a document as [`read`] does, and gives each request its [`Outline`].
pub fn read_outlined(body: &[u8], charset: Option<&str>, limits: &Limits) -> Result<Message, Refusal> {
    read_as(body, charset, limits, true)
}

/// A document on its way through the reader.
struct Reading<'a> {
    text: &'a str,
    /// Octets that stand before the text in the document; `None` if the text is not part of it.
    before: Option<usize>,
    context: Context<'static>,
    outlined: bool,
}

fn read_as(body: &[u8], charset: Option<&str>, limits: &Limits, outlined: bool) -> Result<Message, Refusal> {
    let text = xml::decode(body, charset, limits)?;
    let tree = xml::read(&text, Doctype::Refused, limits)?;
    let root = tree.root();
    if !root.is(MESSAGE) {
        return Err(Refusal::Envelope(format!("the root is {:.40}", root.name())));
    }
    let version = version_of(root);
    let before = matches!(text, std::borrow::Cow::Borrowed(_)).then(|| body.len() - text.len());
    let reading = Reading { text: &text, before, context: Context::new(version), outlined };
    let body = if let Some(setup) = root.child(SETUP_TRANSACTION) {
        Body::Setup(read_setup(setup, &reading.context)?)
    } else if let Some(session) = root.child(SESSION) {
        Body::Session(read_session(session, &reading)?)
    } else {
        return Err(Refusal::Envelope("neither SetupTransaction nor Session".to_owned()));
    };
    Ok(Message { version, body })
}

/// Anything but `Request` is a response (conflict C-28).
fn mode_of(element: Element<'_, '_>) -> Mode {
    let mode = element.attribute(MODE).unwrap_or_default().trim();
    if mode.eq_ignore_ascii_case("Request") { Mode::Request } else { Mode::Response }
}

fn read_setup(element: Element<'_, '_>, context: &Context<'_>) -> Result<SetupTransaction, Refusal> {
    let id = element
        .attribute(TRANSACTION_ID)
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| Refusal::Envelope("SetupTransaction without a transactionID".to_owned()))?;
    let child =
        element.children().next().ok_or_else(|| Refusal::Envelope("an empty SetupTransaction".to_owned()))?;
    let setup = link::read_setup(child, context)
        .ok_or_else(|| Refusal::Envelope(format!("{:.40} is no element of the set-up", child.name())))?
        .map_err(|fault| Refusal::Envelope(fault.to_string()))?;
    Ok(SetupTransaction { id, mode: mode_of(element), element: setup })
}

fn read_session(element: Element<'_, '_>, reading: &Reading<'_>) -> Result<SessionMessage, Refusal> {
    let session: SessionId = element
        .attribute(SESSION_ID)
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| Refusal::Envelope("Session without a sessionID".to_owned()))?;
    let mut message = SessionMessage { session, transactions: Vec::new(), skipped: 0 };
    for transaction in element.children().filter(|child| child.is(TRANSACTION)) {
        match read_transaction(transaction, reading) {
            Some(transaction) => message.transactions.push(transaction),
            None => message.skipped += 1,
        }
    }
    Ok(message)
}

/// `None` without id or child.
fn read_transaction(element: Element<'_, '_>, reading: &Reading<'_>) -> Option<Transaction> {
    let id: TransactionId = element.attribute(TRANSACTION_ID)?.parse().ok()?;
    let primitive = element.children().next()?;
    let (meta, carried) = read_primitive(primitive, &reading.context);
    let range = primitive.range();
    let octets = reading.text.get(range.clone()).unwrap_or_default().as_bytes();
    let mode = mode_of(element);
    let outlined = reading.outlined && (mode == Mode::Request || carried.is_told());
    Some(Transaction {
        id,
        mode,
        meta,
        content: carried,
        digest: digest(octets),
        place: reading.before.map_or(0..0, |before| range.start + before..range.end + before),
        outline: outlined.then(|| Outline::of(primitive).map(Box::new)).flatten(),
    })
}

/// A MetaInfo that cannot be read is a fault of the primitive.
fn read_primitive(element: Element<'_, '_>, context: &Context<'_>) -> (Option<MetaInfo>, Carried) {
    let carried = primitives::read(element, context);
    match (party::read_meta(element, context), carried) {
        (Ok(meta), carried) => (meta, carried),
        (Err(fault), Carried::Primitive(_)) => {
            let (names, _) = primitives::names();
            let name = names.into_iter().find(|name| element.is(Name::new(name))).unwrap_or("MetaInfo");
            (None, Carried::Faulty { name, fault: fault.within(name) })
        }
        (Err(_), carried) => (None, carried),
    }
}

impl Style {
    const fn context(self) -> Context<'static> {
        Context { legacy: self.legacy, ..Context::new(self.version) }
    }
}

/// Encodes a primitive, with the MetaInfo of a request as its first child, as a fragment for
/// [`write_session`]. `None` for a primitive that SSP does not have.
pub fn encode_primitive(primitive: &Primitive, meta: Option<&MetaInfo>, style: Style) -> Option<Vec<u8>> {
    let context = style.context();
    let mut sink = XmlSink::fragment(DateForm::Extended);
    let mut prelude = |sink: &mut dyn Sink| {
        if let Some(meta) = meta {
            party::write_meta(meta, sink, &context);
        }
    };
    primitives::write(primitive, &mut prelude, &mut sink, &context).then(|| sink.into_octets())
}

/// Reads a fragment that [`encode_primitive`] made, as it comes back from the store.
pub fn decode_primitive(fragment: &[u8], limits: &Limits) -> Result<(Option<MetaInfo>, Carried), Refusal> {
    let text = xml::decode(fragment, Some("utf-8"), limits)?;
    let tree = xml::read(&text, Doctype::Refused, limits)?;
    Ok(read_primitive(tree.root(), &Context::new(Version::V1_3)))
}

fn begin(version: Version) -> XmlSink {
    let mut sink = XmlSink::document(DateForm::Extended);
    sink.open(MESSAGE.text);
    sink.attribute(XMLNS.text, Atom::Text(namespace(version)));
    sink
}

/// Writes one of the six steps as a whole document.
pub fn write_setup(version: Version, setup: &SetupTransaction) -> Vec<u8> {
    let mut sink = begin(version);
    sink.open(SETUP_TRANSACTION.text);
    sink.attribute(TRANSACTION_ID.text, Atom::Text(setup.id.as_str()));
    sink.attribute(MODE.text, Atom::Text(setup.mode.as_str()));
    link::write_setup(&setup.element, &mut sink, &Context::new(version));
    sink.into_octets()
}

/// Writes a document around fragments of [`encode_primitive`].
pub fn write_session<'a>(
    version: Version,
    session: &SessionId,
    transactions: impl Iterator<Item = (&'a TransactionId, Mode, &'a [u8])>,
) -> Vec<u8> {
    let mut sink = begin(version);
    sink.open(SESSION.text);
    sink.attribute(SESSION_ID.text, Atom::Text(session.as_str()));
    for (id, mode, fragment) in transactions {
        sink.open(TRANSACTION.text);
        sink.attribute(TRANSACTION_ID.text, Atom::Text(id.as_str()));
        sink.attribute(MODE.text, Atom::Text(mode.as_str()));
        sink.insert(fragment);
        sink.close();
    }
    sink.into_octets()
}
