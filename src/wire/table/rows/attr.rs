//! Rows for attributes and for the element's own text.

use std::marker::PhantomData;

use super::cells::{Manner, manners};
use super::{Flag, One, Opt};
use crate::wire::Fault;
use crate::wire::table::{Atom, Cardinality, Context, Form, Pass, Protocol, Row, RowInfo, Scalar, Sink};
use crate::wire::tree::{Element, Name, Raw};

/// A row for an attribute.
#[derive(Clone, Copy, Debug)]
pub struct Attr<K> {
    manner: Manner,
    cardinality: PhantomData<K>,
}

/// A mandatory attribute.
pub const fn attr(name: &'static str) -> Attr<One> {
    Attr { manner: Manner::new(name), cardinality: PhantomData }
}

/// An optional attribute.
pub const fn attr_opt(name: &'static str) -> Attr<Opt> {
    Attr { manner: Manner::new(name), cardinality: PhantomData }
}

/// An attribute with a truth value; absent means no. Always written.
pub const fn attr_flag(name: &'static str) -> Attr<Flag> {
    Attr { manner: Manner::new(name), cardinality: PhantomData }
}

/// An attribute that is always written; a value stands in where it is absent or unreadable.
pub const fn attr_or<T: Copy>(name: &'static str, otherwise: T) -> AttrOr<T> {
    AttrOr { name: Name::new(name), otherwise }
}

manners! { [K] Attr<K>; }

impl<K> Attr<K> {
    fn put(&self, value: Atom<'_>, pass: Pass, sink: &mut dyn Sink) {
        if pass == Pass::Attributes {
            sink.attribute(self.manner.name.text, value);
        }
    }

    fn describe_as(&self, into: &mut RowInfo, cardinality: Cardinality) {
        into.attribute = Some(self.manner.name.text);
        self.manner.describe(into, cardinality);
    }
}

impl<P: Protocol, T: Scalar<P>> Row<P, T> for Attr<One> {
    fn read(&self, element: Element<'_, '_>, _context: &Context<'_>) -> Result<T, Fault> {
        match self.manner.attribute(element) {
            Some(text) => self.manner.parse(text, element),
            None => self.absent(element),
        }
    }
    fn write(&self, value: &T, pass: Pass, sink: &mut dyn Sink, _context: &Context<'_>) {
        self.put(value.atom(), pass, sink);
    }
    fn absent(&self, element: Element<'_, '_>) -> Result<T, Fault> {
        Err(Fault::missing(self.manner.name.text, element))
    }
    fn shows(&self, _value: &T, _context: &Context<'_>) -> bool {
        true
    }
    fn holds(&self, element: Element<'_, '_>) -> bool {
        self.manner.attribute(element).is_some()
    }
    fn describe(&self, into: &mut RowInfo) {
        self.describe_as(into, Cardinality::One);
    }
}

impl<P: Protocol, T: Scalar<P>> Row<P, Option<T>> for Attr<Opt> {
    fn read(&self, element: Element<'_, '_>, _context: &Context<'_>) -> Result<Option<T>, Fault> {
        match self.manner.attribute(element) {
            Some(text) => match self.manner.parse(text, element) {
                Ok(value) => Ok(Some(value)),
                Err(_) if self.manner.lenient => Ok(None),
                Err(fault) => Err(fault),
            },
            None => Ok(None),
        }
    }
    fn write(&self, value: &Option<T>, pass: Pass, sink: &mut dyn Sink, _context: &Context<'_>) {
        if let Some(value) = value {
            self.put(value.atom(), pass, sink);
        }
    }
    fn absent(&self, _element: Element<'_, '_>) -> Result<Option<T>, Fault> {
        Ok(None)
    }
    fn shows(&self, value: &Option<T>, _context: &Context<'_>) -> bool {
        value.is_some()
    }
    fn holds(&self, element: Element<'_, '_>) -> bool {
        self.manner.attribute(element).is_some()
    }
    fn describe(&self, into: &mut RowInfo) {
        self.describe_as(into, Cardinality::Optional);
    }
}

impl<P: Protocol> Row<P, bool> for Attr<Flag> {
    fn read(&self, element: Element<'_, '_>, _context: &Context<'_>) -> Result<bool, Fault> {
        match self.manner.attribute(element) {
            Some(text) => self.manner.parse::<P, bool>(text, element),
            None => Ok(false),
        }
    }
    fn write(&self, value: &bool, pass: Pass, sink: &mut dyn Sink, _context: &Context<'_>) {
        self.put(Scalar::<P>::atom(value), pass, sink);
    }
    fn absent(&self, _element: Element<'_, '_>) -> Result<bool, Fault> {
        Ok(false)
    }
    fn shows(&self, _value: &bool, _context: &Context<'_>) -> bool {
        true
    }
    fn holds(&self, element: Element<'_, '_>) -> bool {
        self.manner.attribute(element).is_some()
    }
    fn describe(&self, into: &mut RowInfo) {
        self.describe_as(into, Cardinality::Optional);
    }
}

/// A row for an attribute with a stand-in.
#[derive(Clone, Copy, Debug)]
pub struct AttrOr<T> {
    name: Name,
    otherwise: T,
}

impl<P: Protocol, T: Scalar<P> + Copy> Row<P, T> for AttrOr<T> {
    fn read(&self, element: Element<'_, '_>, _context: &Context<'_>) -> Result<T, Fault> {
        let read = element.attribute(self.name).and_then(|text| T::parse(Raw::Text(text)).ok());
        Ok(read.unwrap_or(self.otherwise))
    }
    fn write(&self, value: &T, pass: Pass, sink: &mut dyn Sink, _context: &Context<'_>) {
        if pass == Pass::Attributes {
            sink.attribute(self.name.text, value.atom());
        }
    }
    fn absent(&self, _element: Element<'_, '_>) -> Result<T, Fault> {
        Ok(self.otherwise)
    }
    fn shows(&self, _value: &T, _context: &Context<'_>) -> bool {
        true
    }
    fn holds(&self, element: Element<'_, '_>) -> bool {
        element.attribute(self.name).is_some()
    }
    fn describe(&self, into: &mut RowInfo) {
        into.attribute = Some(self.name.text);
        into.cardinality = Cardinality::One;
    }
}

/// A row for the element's own text.
#[derive(Clone, Copy, Debug)]
pub struct Body;

/// The element's own text, which must not be empty.
pub const fn body() -> Body {
    Body
}

impl<P: Protocol, T: Scalar<P>> Row<P, T> for Body {
    fn read(&self, element: Element<'_, '_>, context: &Context<'_>) -> Result<T, Fault> {
        if element.raw().is_blank() { self.absent(element) } else { T::read(element, context) }
    }
    fn write(&self, value: &T, pass: Pass, sink: &mut dyn Sink, context: &Context<'_>) {
        Form::<P>::write(value, pass, sink, context);
    }
    fn absent(&self, element: Element<'_, '_>) -> Result<T, Fault> {
        Err(Fault::missing("", element))
    }
    fn shows(&self, _value: &T, _context: &Context<'_>) -> bool {
        true
    }
    fn holds(&self, element: Element<'_, '_>) -> bool {
        !element.raw().is_blank()
    }
    fn describe(&self, into: &mut RowInfo) {
        into.cardinality = Cardinality::One;
    }
}

/// A row for the element's own text, which may be empty.
#[derive(Clone, Copy, Debug)]
pub struct BodyOpt;

/// The element's own text; `None` if it is empty.
pub const fn body_opt() -> BodyOpt {
    BodyOpt
}

impl<P: Protocol, T: Scalar<P>> Row<P, Option<T>> for BodyOpt {
    fn read(&self, element: Element<'_, '_>, context: &Context<'_>) -> Result<Option<T>, Fault> {
        if element.raw().is_blank() { Ok(None) } else { T::read(element, context).map(Some) }
    }
    fn write(&self, value: &Option<T>, pass: Pass, sink: &mut dyn Sink, context: &Context<'_>) {
        if let Some(value) = value {
            Form::<P>::write(value, pass, sink, context);
        }
    }
    fn absent(&self, _element: Element<'_, '_>) -> Result<Option<T>, Fault> {
        Ok(None)
    }
    fn shows(&self, value: &Option<T>, _context: &Context<'_>) -> bool {
        value.is_some()
    }
    fn holds(&self, element: Element<'_, '_>) -> bool {
        !element.raw().is_blank()
    }
    fn describe(&self, into: &mut RowInfo) {
        into.cardinality = Cardinality::Optional;
    }
}
