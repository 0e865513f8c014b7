//! The engine of the codec tables: how a primitive is written down once per protocol, as data.
//!
//! A protocol file says for every field of a neutral value where it stands: `id: opt("MessageID")`.
//! Such a *row* is an ordinary constant that can read its field from an element and write it to a
//! [`Sink`]; `table!` makes reader, writer and the list of rows of a struct from its rows,
//! `choice!` those of an enum whose variants are elements, `primitives!` the list of top
//! elements of a protocol. Rows that do not fit their field are compile errors at the row.
//!
//! The words of a row:
//!
//! ```text
//! one opt many flag          a child element: exactly one, at most one, any number, a truth value
//! attr attr_opt attr_flag attr_or      an attribute; attr_or has a default for what is unreadable
//! body body_opt              the element's own text
//! each first first_opt       the children that are variants of a choice!
//! inside(name, row)          the row, in one child element
//! wrapped(name, each())      every item in a child element of its own
//! either(row, row)           the one that is in the version; reading takes the one that is there
//! own(name, read, write)     two functions, where nothing else will do
//! lost()                     no place in this protocol
//! outcome() outcome_unsaid() the Result of an answer, or one that has none; both are Status on SSP
//!
//! .of("Child") .at("attribute")     the value stands there inside the element
//! .also("Name")                     a second spelling to read
//! .with("attribute", "value")       a constant attribute to write
//! .token()                          text that may have a WBXML value token
//! .lenient()                        what cannot be read is left out (opt, many, attr_opt)
//! .since(V1_2) .until(V1_2)         written in these versions only, read in all; stand last
//! ```
//!
//! Empty values: a scalar element or attribute with nothing but white space counts as absent.

pub mod delegated;
mod macros;
pub mod rows;
mod scalar;
mod sink;
#[cfg(test)]
mod tests;

pub(crate) use macros::{boxed, choice, primitives, table};
pub use scalar::{Scalar, Wrong};
pub use sink::{Atom, Sink};

use super::tree::Element;
use super::{Carried, Fault};
use crate::imps::primitive::Display;
use crate::imps::status::Code;
use crate::imps::{GroupId, Primitive, Version};

/// A vocabulary in which values are written: which words are true, which tables apply.
pub trait Protocol: Copy + std::fmt::Debug + 'static {
    /// Its name, for the conformance page.
    const NAME: &'static str;
    /// The word for yes.
    const TRUE: &'static str;
    /// The word for no.
    const FALSE: &'static str;

    /// Reads a truth value, trimmed; `None` if it is neither.
    fn truth(text: &str) -> Option<bool>;
}

/// The Client-Server Protocol: nearly everything is an element, truth is `T` or `F`.
#[derive(Clone, Copy, Debug)]
pub struct Csp;

/// The Server-Server Protocol: scalars are attributes, truth is `Yes` or `No`.
#[derive(Clone, Copy, Debug)]
pub struct Ssp;

/// Presence attributes: a vocabulary of its own inside both protocols, with the truth of CSP.
#[derive(Clone, Copy, Debug)]
pub struct Pa;

impl Protocol for Csp {
    const NAME: &'static str = "CSP";
    const TRUE: &'static str = "T";
    const FALSE: &'static str = "F";

    fn truth(text: &str) -> Option<bool> {
        match text.as_bytes().first()?.to_ascii_lowercase() {
            b't' | b'y' | b'1' => Some(true),
            b'f' | b'n' | b'0' => Some(false),
            _ => None,
        }
    }
}

impl Protocol for Pa {
    const NAME: &'static str = "PA";
    const TRUE: &'static str = Csp::TRUE;
    const FALSE: &'static str = Csp::FALSE;

    fn truth(text: &str) -> Option<bool> {
        Csp::truth(text)
    }
}

impl Protocol for Ssp {
    const NAME: &'static str = "SSP";
    const TRUE: &'static str = "Yes";
    const FALSE: &'static str = "No";

    /// Anything but `yes` is no (reference ssp-types §1).
    fn truth(text: &str) -> Option<bool> {
        Some(text.eq_ignore_ascii_case("yes"))
    }
}

/// How content travels inside ContentData.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContentForm {
    /// As text.
    Text,
    /// As BASE64 text.
    Base64,
    /// As opaque octets (WBXML).
    Opaque,
}

/// What readers and writers know beside the value itself.
#[derive(Clone, Copy, Debug)]
pub struct Context<'c> {
    /// Version of the document.
    pub version: Version,
    /// Towards the one known SSP implementation: content is always BASE64 (reference ssp-types §4).
    pub legacy: bool,
    /// A primitive of CSP on its way between providers: its outcome is SSP's Status
    /// (reference ssp-primitives §6).
    pub delegated: bool,
    /// When a ContentData is written beside: its form, for the fields that describe it.
    pub content: Option<ContentForm>,
    /// When a ContentData is written beside: its type.
    pub content_type: Option<&'c str>,
    /// The group that the primitive is about, for the screen names in it.
    pub group: Option<&'c GroupId>,
    /// As what the recipients of a message were addressed.
    pub addressed: Option<&'c Display>,
}

impl Context<'static> {
    /// For documents of this version.
    pub const fn new(version: Version) -> Self {
        Self {
            version,
            legacy: false,
            delegated: false,
            content: None,
            content_type: None,
            group: None,
            addressed: None,
        }
    }
}

/// Which part of an element is written: attributes stand before everything else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pass {
    /// Attributes only.
    Attributes,
    /// Text and children.
    Children,
}

/// What fills an element in a protocol: its attributes, text and children, but not its tags.
/// Made by `table!` for structs; every [`Scalar`] fills an element as its text.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no form in `{P}`",
    label = "no table! or Scalar for `{Self}` in `{P}`, or the row's cardinality is not the field's"
)]
pub trait Form<P: Protocol>: Sized {
    /// Reads it from an element.
    fn read(element: Element<'_, '_>, context: &Context<'_>) -> Result<Self, Fault>;

    /// Writes one part of it into the element that is open.
    fn write(&self, pass: Pass, sink: &mut dyn Sink, context: &Context<'_>);

    /// Whether the element shows no value at all and counts as absent.
    fn is_blank(_element: Element<'_, '_>) -> bool {
        false
    }
}

/// Writes an element with a value in it.
pub fn write_element<P: Protocol, T: Form<P>>(
    name: &str,
    value: &T,
    sink: &mut dyn Sink,
    context: &Context<'_>,
) {
    sink.open(name);
    value.write(Pass::Attributes, sink, context);
    value.write(Pass::Children, sink, context);
    sink.close();
}

/// One row of a table: the place of one field, of type `T`.
#[diagnostic::on_unimplemented(
    message = "this row does not fit a field of type `{T}` in `{P}`",
    label = "wrong cardinality (one, opt, many, flag …), or no table! or Scalar for the value"
)]
pub trait Row<P: Protocol, T> {
    /// Reads the field from the element that has the table.
    fn read(&self, element: Element<'_, '_>, context: &Context<'_>) -> Result<T, Fault>;

    /// Writes the part of the field that belongs to this pass.
    fn write(&self, value: &T, pass: Pass, sink: &mut dyn Sink, context: &Context<'_>);

    /// The value where nothing is there; a fault if something must be.
    fn absent(&self, element: Element<'_, '_>) -> Result<T, Fault>;

    /// Whether writing the value makes anything: a list may be empty, an option `None`.
    fn shows(&self, value: &T, context: &Context<'_>) -> bool;

    /// Whether the element holds anything for this row.
    fn holds(&self, element: Element<'_, '_>) -> bool;

    /// Whether the row is part of this version.
    fn is_in(&self, _version: Version) -> bool {
        true
    }

    /// Describes the row.
    fn describe(&self, into: &mut RowInfo);
}

/// How often something stands in an element.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cardinality {
    /// It has no place in this protocol.
    #[default]
    Lost,
    /// Exactly once.
    One,
    /// At most once.
    Optional,
    /// Any number of times.
    Many,
}

/// What the tables say about one field, for the conformance page and the tests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RowInfo {
    /// Field of the neutral value.
    pub field: &'static str,
    /// Elements, outermost first. For a choice the names of all variants stand last.
    pub elements: Vec<&'static str>,
    /// The attribute that holds the value.
    pub attribute: Option<&'static str>,
    /// Further spellings that are read.
    pub also: Vec<&'static str>,
    /// How often.
    pub cardinality: Cardinality,
    /// First version.
    pub since: Option<Version>,
    /// Last version.
    pub until: Option<Version>,
}

/// A struct or enum with a table.
pub trait Table<P: Protocol> {
    /// Its rows, in writing order.
    fn rows() -> Vec<RowInfo>;
}

/// Describes one row; its bounds report a row that does not fit its field at the row itself.
pub fn described<P: Protocol, S, T>(
    _protocol: P,
    _field: fn(&S) -> &T,
    row: &impl Row<P, T>,
    field: &'static str,
) -> RowInfo {
    let mut info = RowInfo { field, ..RowInfo::default() };
    row.describe(&mut info);
    info
}

/// The element name of one variant of a choice.
pub fn arm_name<P: Protocol, S, T>(
    _protocol: P,
    _variant: fn(T) -> S,
    row: &impl rows::Arm<P, T>,
) -> Option<&'static str> {
    row.name()
}

/// What a top element came to.
pub fn carried(name: &'static str, read: Result<Box<Primitive>, Fault>) -> Carried {
    match read {
        Ok(primitive) => Carried::Primitive(primitive),
        Err(fault) => Carried::Faulty { name, fault: fault.within(name) },
    }
}

/// An enum whose variants are told apart by the name (or the content) of an element. Made by
/// `choice!`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no choice of elements in `{P}`",
    label = "no choice! for `{Self}` in `{P}`"
)]
pub trait Choice<P: Protocol>: Sized {
    /// Reads the variant that this element is; `None` if it is none.
    fn read_variant(element: Element<'_, '_>, context: &Context<'_>) -> Option<Result<Self, Fault>>;

    /// Writes the element of the variant; nothing for a variant that is lost.
    fn write_variant(&self, sink: &mut dyn Sink, context: &Context<'_>);

    /// Names of the elements.
    fn names() -> Vec<&'static str>;
}

impl Fault {
    /// Something mandatory is not there: 400.
    pub fn missing(name: &str, element: Element<'_, '_>) -> Self {
        Self {
            path: name.to_owned(),
            what: format!("missing (octet {})", element.offset()),
            code: Code::BAD_REQUEST,
        }
    }

    /// Something is there and cannot be understood: 402, or 427 for an address.
    pub fn unreadable(name: &str, element: Element<'_, '_>, wrong: &Wrong) -> Self {
        Self {
            path: name.to_owned(),
            what: format!("{} (octet {})", wrong.what, element.offset()),
            code: wrong.code,
        }
    }

    /// The same fault seen from the parent element of this name.
    #[must_use]
    pub fn within(mut self, name: &str) -> Self {
        self.path = if self.path.is_empty() { name.to_owned() } else { format!("{name}/{}", self.path) };
        self
    }
}
