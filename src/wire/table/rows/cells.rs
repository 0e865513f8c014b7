//! Where in an element a value stands, and the manners in which it is read and written.

use crate::wire::Fault;
use crate::wire::table::{Atom, Cardinality, Context, Form, Pass, Protocol, RowInfo, Scalar, Sink};
use crate::wire::tree::{Element, Name, Raw};

/// Place of a value: the whole element.
#[derive(Clone, Copy, Debug)]
pub struct Whole;
/// Place of a value: a child of the element.
#[derive(Clone, Copy, Debug)]
pub struct Of(pub(super) Name);
/// Place of a value: an attribute of the element.
#[derive(Clone, Copy, Debug)]
pub struct At(pub(super) Name);

/// Names and manners of an element or attribute.
#[derive(Clone, Copy, Debug)]
pub(super) struct Manner {
    pub(super) name: Name,
    pub(super) also: Option<Name>,
    pub(super) with: Option<(&'static str, &'static str)>,
    pub(super) token: bool,
    pub(super) lenient: bool,
}

impl Manner {
    pub(super) const fn new(name: &'static str) -> Self {
        Self { name: Name::new(name), also: None, with: None, token: false, lenient: false }
    }

    pub(super) fn names(&self, element: Element<'_, '_>) -> bool {
        element.is(self.name) || self.also.is_some_and(|also| element.is(also))
    }

    /// Whether there may be a child with one of the names; `false` is certain.
    #[inline]
    pub(super) fn may_stand_in(&self, element: Element<'_, '_>) -> bool {
        element.may_have(self.name) || self.also.is_some_and(|also| element.may_have(also))
    }

    pub(super) fn attribute<'t>(&self, element: Element<'t, '_>) -> Option<&'t str> {
        element
            .attribute(self.name)
            .or_else(|| self.also.and_then(|also| element.attribute(also)))
            .filter(|value| !value.trim().is_empty())
    }

    pub(super) fn parse<P: Protocol, T: Scalar<P>>(
        &self,
        text: &str,
        element: Element<'_, '_>,
    ) -> Result<T, Fault> {
        parse(self.name, text, element)
    }

    pub(super) fn describe(&self, into: &mut RowInfo, cardinality: Cardinality) {
        into.cardinality = cardinality;
        into.also.extend(self.also.map(|also| also.text));
    }
}

macro_rules! manners {
    ($([$($generic:ident),*] $type:ty;)*) => {$(
        impl<$($generic: Copy),*> $type {
            /// A second spelling to read.
            #[must_use]
            pub const fn also(mut self, name: &'static str) -> Self {
                self.manner.also = Some(Name::new(name));
                self
            }

            /// A constant attribute to write.
            #[must_use]
            pub const fn with(mut self, name: &'static str, value: &'static str) -> Self {
                self.manner.with = Some((name, value));
                self
            }

            /// Text that may have a value token of its own in WBXML.
            #[must_use]
            pub const fn token(mut self) -> Self {
                self.manner.token = true;
                self
            }

            /// What cannot be read is left out.
            #[must_use]
            pub const fn lenient(mut self) -> Self {
                self.manner.lenient = true;
                self
            }
        }
    )*};
}
pub(super) use manners;

/// Where in an element a value stands.
pub trait Cell<P: Protocol, T> {
    /// Reads it.
    fn read(&self, element: Element<'_, '_>, context: &Context<'_>) -> Result<T, Fault>;
    /// Writes it into the element that is open.
    fn write(&self, value: &T, token: bool, sink: &mut dyn Sink, context: &Context<'_>);
    /// Whether nothing is there.
    fn is_blank(&self, element: Element<'_, '_>) -> bool;
    /// Whether the element is one that has such a place: tells variants with one element name apart.
    fn fits(&self, element: Element<'_, '_>) -> bool;
    /// Describes it.
    fn describe(&self, into: &mut RowInfo);
}

/// Reads the text of an attribute.
fn parse<P: Protocol, T: Scalar<P>>(name: Name, text: &str, element: Element<'_, '_>) -> Result<T, Fault> {
    T::parse(Raw::Text(text)).map_err(|wrong| Fault::unreadable(name.text, element, &wrong))
}

/// Turns texts into tokens on their way to the sink.
struct Tokens<'s>(&'s mut dyn Sink);

impl Sink for Tokens<'_> {
    fn open(&mut self, name: &str) {
        self.0.open(name);
    }
    fn attribute(&mut self, name: &'static str, value: Atom<'_>) {
        self.0.attribute(name, value);
    }
    fn value(&mut self, value: Atom<'_>) {
        self.0.value(if let Atom::Text(text) = value { Atom::Token(text) } else { value });
    }
    fn close(&mut self) {
        self.0.close();
    }
    fn takes_octets(&self) -> bool {
        self.0.takes_octets()
    }
}

fn write_form<P: Protocol, T: Form<P>>(value: &T, token: bool, sink: &mut dyn Sink, context: &Context<'_>) {
    value.write(Pass::Attributes, sink, context);
    if token {
        value.write(Pass::Children, &mut Tokens(sink), context);
    } else {
        value.write(Pass::Children, sink, context);
    }
}

impl<P: Protocol, T: Form<P>> Cell<P, T> for Whole {
    fn read(&self, element: Element<'_, '_>, context: &Context<'_>) -> Result<T, Fault> {
        T::read(element, context)
    }
    fn write(&self, value: &T, token: bool, sink: &mut dyn Sink, context: &Context<'_>) {
        write_form(value, token, sink, context);
    }
    fn is_blank(&self, element: Element<'_, '_>) -> bool {
        T::is_blank(element)
    }
    fn fits(&self, _element: Element<'_, '_>) -> bool {
        true
    }
    fn describe(&self, _into: &mut RowInfo) {}
}

impl<P: Protocol, T: Form<P>> Cell<P, T> for Of {
    fn read(&self, element: Element<'_, '_>, context: &Context<'_>) -> Result<T, Fault> {
        match element.child(self.0) {
            Some(child) => T::read(child, context).map_err(|fault| fault.within(self.0.text)),
            None => Err(Fault::missing(self.0.text, element)),
        }
    }
    fn write(&self, value: &T, token: bool, sink: &mut dyn Sink, context: &Context<'_>) {
        sink.open(self.0.text);
        write_form(value, token, sink, context);
        sink.close();
    }
    fn is_blank(&self, element: Element<'_, '_>) -> bool {
        element.child(self.0).is_none_or(T::is_blank)
    }
    fn fits(&self, element: Element<'_, '_>) -> bool {
        element.child(self.0).is_some()
    }
    fn describe(&self, into: &mut RowInfo) {
        into.elements.push(self.0.text);
    }
}

impl<P: Protocol, T: Scalar<P>> Cell<P, T> for At {
    fn read(&self, element: Element<'_, '_>, _context: &Context<'_>) -> Result<T, Fault> {
        match element.attribute(self.0).filter(|text| !text.trim().is_empty()) {
            Some(text) => parse(self.0, text, element),
            None => Err(Fault::missing(self.0.text, element)),
        }
    }
    fn write(&self, value: &T, _token: bool, sink: &mut dyn Sink, _context: &Context<'_>) {
        sink.attribute(self.0.text, value.atom());
    }
    fn is_blank(&self, element: Element<'_, '_>) -> bool {
        element.attribute(self.0).is_none_or(|text| text.trim().is_empty())
    }
    fn fits(&self, _element: Element<'_, '_>) -> bool {
        true
    }
    fn describe(&self, into: &mut RowInfo) {
        into.attribute = Some(self.0.text);
    }
}
