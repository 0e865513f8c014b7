//! The envelope of CSP: session, transactions, poll (reference csp.md §1).
//!
//! Reading is generous: elements in any order, strangers passed over, Poll and CIR anywhere outside
//! the primitives, namespaces looked at on the root only. Writing has one form per version.

use super::{Message, Namespace, Transaction, namespace, primitives};
use crate::imps::{Primitive, SessionId, TransactionId, Version};
use crate::wire::table::{Atom, Context, Csp, Protocol as _, Scalar, Sink};
use crate::wire::tree::{Element, Name, Tree};
use crate::wire::xml::{self, DateForm, Doctype, XmlSink};
use crate::wire::{Carried, Encoding, Fault, Limits, Mode, Refusal, wbxml};

const MESSAGE: Name = Name::new("WV-CSP-Message");
/// Roots that are a primitive without envelope, in two spellings, requests first.
const DISCOVERY: [[Name; 2]; 2] = [
    [Name::new("WV-CSP-VersionDiscovery-Request"), Name::new("WV-CSP-NSDiscovery-Request")],
    [Name::new("WV-CSP-VersionDiscovery-Response"), Name::new("WV-CSP-NSDiscovery-Response")],
];
const XMLNS: &str = "xmlns";
const SESSION: Name = Name::new("Session");
const SESSION_DESCRIPTOR: Name = Name::new("SessionDescriptor");
const SESSION_TYPE: Name = Name::new("SessionType");
const SESSION_ID: Name = Name::new("SessionID");
const TRANSACTION: Name = Name::new("Transaction");
const TRANSACTION_DESCRIPTOR: Name = Name::new("TransactionDescriptor");
const TRANSACTION_MODE: Name = Name::new("TransactionMode");
const TRANSACTION_ID: Name = Name::new("TransactionID");
const TRANSACTION_CONTENT: Name = Name::new("TransactionContent");
const POLL: Name = Name::new("Poll");
const CIR: Name = Name::new("CIR");

/// The version of a document that says none: the one most clients speak. A session knows better.
const VERSION_UNSAID: Version = Version::V1_2;

/// Reads a document. A primitive that cannot be understood is [`Carried::Faulty`], [`Carried::NotServed`]
/// or [`Carried::Unknown`] in an envelope that can be answered; a refusal says that there is no such
/// envelope. `charset` is the parameter of the HTTP media type and counts for XML only. Version discovery,
/// which has no envelope, reads as one transaction without session and id.
pub fn read(
    body: &[u8],
    encoding: Encoding,
    charset: Option<&str>,
    limits: &Limits,
) -> Result<Message, Refusal> {
    match encoding {
        Encoding::Xml => {
            let text = xml::decode(body, charset, limits)?;
            let tree = xml::read(&text, Doctype::Bare, limits)?;
            let named = tree.root().attribute(Name::new(XMLNS)).map_or(Ok(None), wbxml::version_named)?;
            message(&tree, named, encoding)
        }
        Encoding::Wbxml => {
            let document = wbxml::read(body, limits)?;
            message(&document.tree, document.version, encoding)
        }
    }
}

fn message(tree: &Tree<'_>, named: Option<Version>, encoding: Encoding) -> Result<Message, Refusal> {
    let root = tree.root();
    let [asks, answers] = DISCOVERY.map(|names| names.iter().any(|name| root.is(*name)));
    if asks || answers {
        // Discovery is a thing of 1.3 (reference csp.md §10).
        let version = named.unwrap_or(Version::V1_3);
        let transaction = Transaction {
            mode: if asks { Mode::Request } else { Mode::Response },
            id: None,
            content: primitives::read(root, &Context::new(version)),
        };
        let transactions = vec![transaction];
        return Ok(Message {
            version,
            encoding,
            session: None,
            transactions,
            poll: None,
            cir: None,
            old_forms: false,
        });
    }
    if !root.is(MESSAGE) {
        let name: String = root.name().chars().take(64).collect();
        return Err(Refusal::Envelope(format!("the root is {name:?}")));
    }
    let version = named.unwrap_or(VERSION_UNSAID);
    let context = Context::new(version);
    let session = root.child(SESSION).ok_or_else(|| absent(SESSION))?;
    let mut truths = [(POLL, None), (CIR, None)];
    let mut transactions = Vec::new();
    let mut old_forms = false;
    for child in session.children() {
        if child.is(TRANSACTION) {
            old_forms |= version == Version::V1_3 && speaks_old_forms(child);
            transactions.push(transaction(child, &context, &mut truths)?);
        } else {
            note(child, &mut truths);
        }
    }
    if transactions.is_empty() {
        return Err(absent(TRANSACTION));
    }
    let [(_, poll), (_, cir)] = truths;
    Ok(Message { version, encoding, session: session_id(session)?, transactions, poll, cir, old_forms })
}

fn absent(name: Name) -> Refusal {
    Refusal::Envelope(format!("{} is missing", name.text))
}

fn unreadable(name: Name, why: &dyn std::fmt::Display) -> Refusal {
    Refusal::Envelope(format!("{}: {why}", name.text))
}

/// Takes Poll and CIR wherever clients and servers were seen to put them (client-android.md §2).
fn note(element: Element<'_, '_>, truths: &mut [(Name, Option<bool>); 2]) {
    for (name, truth) in truths {
        if element.is(*name) {
            *truth = Csp::truth(element.text()).or(*truth);
        }
    }
}

/// The session of an Inband document; whatever else stands there, Outband has none.
fn session_id(session: Element<'_, '_>) -> Result<Option<SessionId>, Refusal> {
    let Some(descriptor) = session.child(SESSION_DESCRIPTOR) else { return Ok(None) };
    let outband = |kind: Element<'_, '_>| kind.text().eq_ignore_ascii_case("Outband");
    if descriptor.child(SESSION_TYPE).is_some_and(outband) {
        return Ok(None);
    }
    let id = descriptor.child(SESSION_ID).map(Element::text).filter(|id| !id.is_empty());
    id.map(str::parse).transpose().map_err(|error| unreadable(SESSION_ID, &error))
}

/// Whether a request names users or contact lists directly, without the lists of 1.3 around them. A client that
/// speaks 1.3 otherwise does so in all of these (reference csp.md §12 item 13).
fn speaks_old_forms(transaction: Element<'_, '_>) -> bool {
    const REQUESTS: [Name; 6] = [
        Name::new("SubscribePresence-Request"),
        Name::new("UnsubscribePresence-Request"),
        Name::new("GetPresence-Request"),
        Name::new("CreateAttributeList-Request"),
        Name::new("DeleteAttributeList-Request"),
        Name::new("GetAttributeList-Request"),
    ];
    const NAMED: [Name; 3] = [Name::new("User"), Name::new("UserID"), Name::new("ContactList")];
    let request = transaction.child(TRANSACTION_CONTENT).and_then(|content| content.children().next());
    request
        .filter(|request| REQUESTS.iter().any(|name| request.is(*name)))
        .is_some_and(|request| NAMED.iter().any(|name| request.child(*name).is_some()))
}

/// The forms in which a primitive is written.
fn forms(message: &Message, primitive: &Primitive) -> Version {
    let differs = matches!(primitive, Primitive::GetListResponse(_) | Primitive::GetWatcherListResponse(_));
    if message.old_forms && differs { message.version.min(Version::V1_2) } else { message.version }
}

fn transaction(
    element: Element<'_, '_>,
    context: &Context<'_>,
    truths: &mut [(Name, Option<bool>); 2],
) -> Result<Transaction, Refusal> {
    let mut mode = Mode::Request;
    let mut id = None;
    let mut primitive = None;
    for child in element.children() {
        if child.is(TRANSACTION_CONTENT) {
            primitive = primitive.or_else(|| child.children().next());
        } else if child.is(TRANSACTION_DESCRIPTOR) {
            for part in child.children() {
                let text = part.text();
                if part.is(TRANSACTION_MODE) && !text.is_empty() {
                    mode = if text.eq_ignore_ascii_case("Request") { Mode::Request } else { Mode::Response };
                } else if part.is(TRANSACTION_ID) && !text.is_empty() {
                    let read: TransactionId =
                        text.parse().map_err(|error| unreadable(TRANSACTION_ID, &error))?;
                    id = Some(read);
                } else {
                    note(part, truths);
                }
            }
        } else {
            note(child, truths);
        }
    }
    let carried = match primitive {
        Some(primitive) => primitives::read(primitive, context),
        None => Carried::Faulty {
            name: TRANSACTION_CONTENT.text,
            fault: Fault::missing("primitive", element).within(TRANSACTION_CONTENT.text),
        },
    };
    Ok(Transaction { mode, id, content: carried })
}

/// Why something could not be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unwritable {
    /// The primitive has no form in CSP.
    #[error("{0} has no form in CSP")]
    NotCsp(&'static str),
    /// The transaction carries what was never understood.
    #[error("{0} was not understood and cannot be written")]
    NotUnderstood(&'static str),
    /// A document has at least one transaction.
    #[error("the message has no transaction")]
    Empty,
}

/// Writes the canonical document of the message's version, with XML declaration and without DOCTYPE.
/// A version discovery that is alone, without session and id, is written without envelope.
pub fn write(message: &Message) -> Result<Vec<u8>, Unwritable> {
    if message.transactions.is_empty() {
        return Err(Unwritable::Empty);
    }
    match message.encoding {
        Encoding::Xml => {
            let mut sink = XmlSink::document(DateForm::Basic);
            write_message(message, &mut sink)?;
            Ok(sink.into_octets())
        }
        Encoding::Wbxml => {
            let mut sink = wbxml::Encoder::document(message.version);
            write_message(message, &mut sink)?;
            Ok(sink.finish())
        }
    }
}

fn write_message(message: &Message, sink: &mut dyn Sink) -> Result<(), Unwritable> {
    let version = message.version;
    let context = Context::new(version);
    if let Some(discovery) = discovery(message) {
        let written = primitives::write(discovery, sink, &context);
        return if written { Ok(()) } else { Err(Unwritable::NotCsp(discovery.name())) };
    }
    let name_space = |which| Atom::Text(namespace(version, which));
    let poll_below = version == Version::V1_1;
    sink.open(MESSAGE.text);
    sink.attribute(XMLNS, name_space(Namespace::Session));
    sink.open(SESSION.text);
    sink.open(SESSION_DESCRIPTOR.text);
    let session_type = if message.session.is_some() { "Inband" } else { "Outband" };
    element(sink, SESSION_TYPE, Atom::Token(session_type));
    if let Some(session) = &message.session {
        element(sink, SESSION_ID, Atom::Text(session.as_str()));
    }
    sink.close();
    for transaction in &message.transactions {
        sink.open(TRANSACTION.text);
        sink.open(TRANSACTION_DESCRIPTOR.text);
        element(sink, TRANSACTION_MODE, Atom::Token(transaction.mode.as_str()));
        if let Some(id) = &transaction.id {
            element(sink, TRANSACTION_ID, Atom::Text(id.as_str()));
        }
        if let Some(poll) = message.poll.filter(|_| poll_below) {
            truth(sink, POLL, poll);
        }
        sink.close();
        sink.open(TRANSACTION_CONTENT.text);
        sink.attribute(XMLNS, name_space(Namespace::Transaction));
        let Carried::Primitive(primitive) = &transaction.content else {
            return Err(Unwritable::NotUnderstood(transaction.content.name()));
        };
        if !primitives::write(primitive, sink, &Context::new(forms(message, primitive))) {
            return Err(Unwritable::NotCsp(primitive.name()));
        }
        sink.close();
        sink.close();
    }
    if let Some(poll) = message.poll.filter(|_| !poll_below) {
        truth(sink, POLL, poll);
    }
    if let Some(cir) = message.cir.filter(|_| !poll_below) {
        truth(sink, CIR, cir);
    }
    sink.close();
    sink.close();
    Ok(())
}

/// The primitive of a message that is nothing but a version discovery.
fn discovery(message: &Message) -> Option<&Primitive> {
    let [Transaction { id: None, content: Carried::Primitive(primitive), .. }] = &message.transactions[..]
    else {
        return None;
    };
    let alone =
        matches!(**primitive, Primitive::VersionDiscoveryRequest(_) | Primitive::VersionDiscoveryResponse(_));
    (alone && message.session.is_none()).then_some(&**primitive)
}

fn element(sink: &mut dyn Sink, name: Name, value: Atom<'_>) {
    sink.open(name.text);
    sink.value(value);
    sink.close();
}

fn truth(sink: &mut dyn Sink, name: Name, value: bool) {
    element(sink, name, Scalar::<Csp>::atom(&value));
}

/// Why a stored primitive could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// The octets are no document.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The primitive breaks its table.
    #[error(transparent)]
    Faulty(#[from] Fault),
    /// The element is no primitive that is served.
    #[error("{0} is no primitive that is served")]
    Stranger(String),
}

/// Writes one primitive without envelope and header. [`Unwritable::NotCsp`] if CSP has no form for it.
pub fn encode_primitive(
    primitive: &Primitive,
    version: Version,
    encoding: Encoding,
) -> Result<Vec<u8>, Unwritable> {
    let context = Context::new(version);
    let (written, octets) = match encoding {
        Encoding::Xml => {
            let mut sink = XmlSink::fragment(DateForm::Basic);
            (primitives::write(primitive, &mut sink, &context), sink.into_octets())
        }
        Encoding::Wbxml => {
            let mut sink = wbxml::Encoder::fragment(version);
            (primitives::write(primitive, &mut sink, &context), sink.finish())
        }
    };
    if written { Ok(octets) } else { Err(Unwritable::NotCsp(primitive.name())) }
}

/// No octet of WBXML stands for more octets of text than this: a token's text. What we wrote ourselves may
/// be full of tokens, so that this is its limit and not its length.
const TOKEN_TEXT_MAX: usize = 256;

/// Reads what [`encode_primitive`] wrote for the same version and encoding.
pub fn decode_primitive(
    octets: &[u8],
    version: Version,
    encoding: Encoding,
) -> Result<Primitive, Unreadable> {
    let limits = Limits::for_document(octets.len().saturating_mul(TOKEN_TEXT_MAX));
    let context = Context::new(version);
    let carried = match encoding {
        Encoding::Xml => {
            let text = xml::decode(octets, None, &limits)?;
            primitives::read(xml::read(&text, Doctype::Bare, &limits)?.root(), &context)
        }
        Encoding::Wbxml => primitives::read(wbxml::read_fragment(octets, version, &limits)?.root(), &context),
    };
    match carried {
        Carried::Primitive(primitive) => Ok(*primitive),
        Carried::Faulty { fault, .. } => Err(fault.into()),
        Carried::NotServed(name) => Err(Unreadable::Stranger(name.to_owned())),
        Carried::Unknown(name) => Err(Unreadable::Stranger(name.into())),
    }
}
