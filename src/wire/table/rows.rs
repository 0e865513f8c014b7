//! The words that rows are made of. See the parent module for what they mean.

use std::marker::PhantomData;

use super::{Cardinality, Choice, Context, Form, Pass, Protocol, Row, RowInfo, Scalar, Sink};
use crate::imps::Version;
pub use crate::imps::Version::{V1_1, V1_2, V1_3};
use crate::wire::Fault;
use crate::wire::table::Atom;
use crate::wire::tree::{Element, Name, Raw};

/// Cardinality: exactly one.
#[derive(Clone, Copy, Debug)]
pub struct One;
/// Cardinality: at most one.
#[derive(Clone, Copy, Debug)]
pub struct Opt;
/// Cardinality: any number.
#[derive(Clone, Copy, Debug)]
pub struct Many;
/// Cardinality: a truth value, false where absent.
#[derive(Clone, Copy, Debug)]
pub struct Flag;

/// Place of a value: the whole element.
#[derive(Clone, Copy, Debug)]
pub struct Whole;
/// Place of a value: a child of the element.
#[derive(Clone, Copy, Debug)]
pub struct Of(Name);
/// Place of a value: an attribute of the element.
#[derive(Clone, Copy, Debug)]
pub struct At(Name);

/// Names and manners of an element or attribute.
#[derive(Clone, Copy, Debug)]
struct Manner {
    name: Name,
    also: Option<Name>,
    with: Option<(&'static str, &'static str)>,
    token: bool,
    lenient: bool,
}

impl Manner {
    const fn new(name: &'static str) -> Self {
        Self { name: Name::new(name), also: None, with: None, token: false, lenient: false }
    }

    fn names(&self, element: Element<'_, '_>) -> bool {
        element.is(self.name) || self.also.is_some_and(|also| element.is(also))
    }

    fn attribute<'t>(&self, element: Element<'t, '_>) -> Option<&'t str> {
        element
            .attribute(self.name)
            .or_else(|| self.also.and_then(|also| element.attribute(also)))
            .filter(|value| !value.trim().is_empty())
    }

    fn fault<P: Protocol, T: Scalar<P>>(&self, text: &str, element: Element<'_, '_>) -> Result<T, Fault> {
        T::parse(Raw::Text(text)).map_err(|wrong| Fault::unreadable(self.name.text, element, &wrong))
    }

    fn describe(&self, into: &mut RowInfo, cardinality: Cardinality) {
        into.cardinality = cardinality;
        into.also.extend(self.also.map(|also| also.text));
    }
}

/// A row for child elements of one name.
#[derive(Clone, Copy, Debug)]
pub struct Named<K, C = Whole> {
    manner: Manner,
    cell: C,
    cardinality: PhantomData<K>,
}

/// A row for an attribute.
#[derive(Clone, Copy, Debug)]
pub struct Attr<K> {
    manner: Manner,
    cardinality: PhantomData<K>,
}

const fn named<K>(name: &'static str) -> Named<K> {
    Named { manner: Manner::new(name), cell: Whole, cardinality: PhantomData }
}

/// Exactly one child element.
pub const fn one(name: &'static str) -> Named<One> {
    named(name)
}

/// At most one child element.
pub const fn opt(name: &'static str) -> Named<Opt> {
    named(name)
}

/// Any number of child elements.
pub const fn many(name: &'static str) -> Named<Many> {
    named(name)
}

/// A child element that holds a truth value; absent means no. Always written.
pub const fn flag(name: &'static str) -> Named<Flag> {
    named(name)
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

impl<K> Named<K, Whole> {
    /// The value is the child of this name.
    pub const fn of(self, name: &'static str) -> Named<K, Of> {
        Named { manner: self.manner, cell: Of(Name::new(name)), cardinality: PhantomData }
    }

    /// The value is the attribute of this name.
    pub const fn at(self, name: &'static str) -> Named<K, At> {
        Named { manner: self.manner, cell: At(Name::new(name)), cardinality: PhantomData }
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
manners! {
    [K, C] Named<K, C>;
    [K] Attr<K>;
}

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
        let manner = Manner::new(self.0.text);
        match element.attribute(self.0).filter(|text| !text.trim().is_empty()) {
            Some(text) => manner.fault(text, element),
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

impl<K, C> Named<K, C> {
    fn children<'t, 'a: 't>(
        &self,
        element: Element<'t, 'a>,
    ) -> impl Iterator<Item = Element<'t, 'a>> + use<'_, 't, 'a, K, C> {
        element.children().filter(|child| self.manner.names(*child))
    }

    fn read_child<P: Protocol, T>(&self, child: Element<'_, '_>, context: &Context<'_>) -> Result<T, Fault>
    where
        C: Cell<P, T>,
    {
        self.cell.read(child, context).map_err(|fault| fault.within(self.manner.name.text))
    }

    fn write_child<P: Protocol, T>(&self, value: &T, sink: &mut dyn Sink, context: &Context<'_>)
    where
        C: Cell<P, T>,
    {
        sink.open(self.manner.name.text);
        if let Some((name, constant)) = self.manner.with {
            sink.attribute(name, Atom::Text(constant));
        }
        self.cell.write(value, self.manner.token, sink, context);
        sink.close();
    }

    fn describe_as<P: Protocol, T>(&self, into: &mut RowInfo, cardinality: Cardinality)
    where
        C: Cell<P, T>,
    {
        into.elements.push(self.manner.name.text);
        self.manner.describe(into, cardinality);
        self.cell.describe(into);
    }
}

impl<P: Protocol, T, C: Cell<P, T>> Row<P, T> for Named<One, C> {
    fn read(&self, element: Element<'_, '_>, context: &Context<'_>) -> Result<T, Fault> {
        match self.children(element).find(|child| !self.cell.is_blank(*child)) {
            Some(child) => self.read_child(child, context),
            None => self.absent(element),
        }
    }
    fn write(&self, value: &T, pass: Pass, sink: &mut dyn Sink, context: &Context<'_>) {
        if pass == Pass::Children {
            self.write_child(value, sink, context);
        }
    }
    fn absent(&self, element: Element<'_, '_>) -> Result<T, Fault> {
        Err(Fault::missing(self.manner.name.text, element))
    }
    fn shows(&self, _value: &T, _context: &Context<'_>) -> bool {
        true
    }
    fn holds(&self, element: Element<'_, '_>) -> bool {
        self.children(element).next().is_some()
    }
    fn describe(&self, into: &mut RowInfo) {
        self.describe_as(into, Cardinality::One);
    }
}

impl<P: Protocol, T, C: Cell<P, T>> Row<P, Option<T>> for Named<Opt, C> {
    fn read(&self, element: Element<'_, '_>, context: &Context<'_>) -> Result<Option<T>, Fault> {
        match self.children(element).find(|child| !self.cell.is_blank(*child)) {
            Some(child) => match self.read_child(child, context) {
                Ok(value) => Ok(Some(value)),
                Err(_) if self.manner.lenient => Ok(None),
                Err(fault) => Err(fault),
            },
            None => Ok(None),
        }
    }
    fn write(&self, value: &Option<T>, pass: Pass, sink: &mut dyn Sink, context: &Context<'_>) {
        if let (Pass::Children, Some(value)) = (pass, value) {
            self.write_child(value, sink, context);
        }
    }
    fn absent(&self, _element: Element<'_, '_>) -> Result<Option<T>, Fault> {
        Ok(None)
    }
    fn shows(&self, value: &Option<T>, _context: &Context<'_>) -> bool {
        value.is_some()
    }
    fn holds(&self, element: Element<'_, '_>) -> bool {
        self.children(element).next().is_some()
    }
    fn describe(&self, into: &mut RowInfo) {
        self.describe_as(into, Cardinality::Optional);
    }
}

impl<P: Protocol, T, C: Cell<P, T>> Row<P, Vec<T>> for Named<Many, C> {
    fn read(&self, element: Element<'_, '_>, context: &Context<'_>) -> Result<Vec<T>, Fault> {
        let mut values = Vec::new();
        for child in self.children(element).filter(|child| !self.cell.is_blank(*child)) {
            match self.read_child(child, context) {
                Ok(value) => values.push(value),
                Err(_) if self.manner.lenient => {}
                Err(fault) => return Err(fault),
            }
        }
        Ok(values)
    }
    fn write(&self, values: &Vec<T>, pass: Pass, sink: &mut dyn Sink, context: &Context<'_>) {
        if pass == Pass::Children {
            for value in values {
                self.write_child(value, sink, context);
            }
        }
    }
    fn absent(&self, _element: Element<'_, '_>) -> Result<Vec<T>, Fault> {
        Ok(Vec::new())
    }
    fn shows(&self, values: &Vec<T>, _context: &Context<'_>) -> bool {
        !values.is_empty()
    }
    fn holds(&self, element: Element<'_, '_>) -> bool {
        self.children(element).next().is_some()
    }
    fn describe(&self, into: &mut RowInfo) {
        self.describe_as(into, Cardinality::Many);
    }
}

impl<P: Protocol, C: Cell<P, bool>> Row<P, bool> for Named<Flag, C> {
    fn read(&self, element: Element<'_, '_>, context: &Context<'_>) -> Result<bool, Fault> {
        match self.children(element).find(|child| !self.cell.is_blank(*child)) {
            Some(child) => self.read_child(child, context),
            None => Ok(false),
        }
    }
    fn write(&self, value: &bool, pass: Pass, sink: &mut dyn Sink, context: &Context<'_>) {
        if pass == Pass::Children {
            self.write_child(value, sink, context);
        }
    }
    fn absent(&self, _element: Element<'_, '_>) -> Result<bool, Fault> {
        Ok(false)
    }
    fn shows(&self, _value: &bool, _context: &Context<'_>) -> bool {
        true
    }
    fn holds(&self, element: Element<'_, '_>) -> bool {
        self.children(element).next().is_some()
    }
    fn describe(&self, into: &mut RowInfo) {
        self.describe_as(into, Cardinality::Optional);
    }
}

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
            Some(text) => self.manner.fault(text, element),
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
            Some(text) => match self.manner.fault(text, element) {
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
            Some(text) => self.manner.fault::<P, bool>(text, element),
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

/// A row for all children that are variants of a choice.
#[derive(Clone, Copy, Debug)]
pub struct Each {
    lenient: bool,
}

/// Every child that is a variant of the choice, in document order.
pub const fn each() -> Each {
    Each { lenient: false }
}

impl Each {
    /// What cannot be read is left out.
    #[must_use]
    pub const fn lenient(mut self) -> Self {
        self.lenient = true;
        self
    }
}

impl<P: Protocol, T: Choice<P>> Row<P, Vec<T>> for Each {
    fn read(&self, element: Element<'_, '_>, context: &Context<'_>) -> Result<Vec<T>, Fault> {
        element
            .children()
            .filter_map(|child| T::read_variant(child, context))
            .filter(|read| !self.lenient || read.is_ok())
            .collect()
    }
    fn write(&self, values: &Vec<T>, pass: Pass, sink: &mut dyn Sink, context: &Context<'_>) {
        if pass == Pass::Children {
            for value in values {
                value.write_variant(sink, context);
            }
        }
    }
    fn absent(&self, _element: Element<'_, '_>) -> Result<Vec<T>, Fault> {
        Ok(Vec::new())
    }
    fn shows(&self, values: &Vec<T>, _context: &Context<'_>) -> bool {
        !values.is_empty()
    }
    fn holds(&self, element: Element<'_, '_>) -> bool {
        element.children().any(|child| T::read_variant(child, &Context::new(V1_3)).is_some())
    }
    fn describe(&self, into: &mut RowInfo) {
        into.elements.extend(T::names());
        into.cardinality = Cardinality::Many;
    }
}

/// A row for the first child that is a variant of a choice.
#[derive(Clone, Copy, Debug)]
pub struct First;

/// The first child that is a variant of the choice; there must be one.
pub const fn first() -> First {
    First
}

impl<P: Protocol, T: Choice<P>> Row<P, T> for First {
    fn read(&self, element: Element<'_, '_>, context: &Context<'_>) -> Result<T, Fault> {
        element
            .children()
            .find_map(|child| T::read_variant(child, context))
            .unwrap_or_else(|| self.absent(element))
    }
    fn write(&self, value: &T, pass: Pass, sink: &mut dyn Sink, context: &Context<'_>) {
        if pass == Pass::Children {
            value.write_variant(sink, context);
        }
    }
    fn absent(&self, element: Element<'_, '_>) -> Result<T, Fault> {
        Err(Fault::missing(&T::names().join("|"), element))
    }
    fn shows(&self, _value: &T, _context: &Context<'_>) -> bool {
        true
    }
    fn holds(&self, element: Element<'_, '_>) -> bool {
        element.children().any(|child| T::read_variant(child, &Context::new(V1_3)).is_some())
    }
    fn describe(&self, into: &mut RowInfo) {
        into.elements.extend(T::names());
        into.cardinality = Cardinality::One;
    }
}

/// A row for the first child that is a variant of a choice, if there is one.
#[derive(Clone, Copy, Debug)]
pub struct FirstOpt;

/// The first child that is a variant of the choice, if there is one.
pub const fn first_opt() -> FirstOpt {
    FirstOpt
}

impl<P: Protocol, T: Choice<P>> Row<P, Option<T>> for FirstOpt {
    fn read(&self, element: Element<'_, '_>, context: &Context<'_>) -> Result<Option<T>, Fault> {
        element.children().find_map(|child| T::read_variant(child, context)).transpose()
    }
    fn write(&self, value: &Option<T>, pass: Pass, sink: &mut dyn Sink, context: &Context<'_>) {
        if let (Pass::Children, Some(value)) = (pass, value) {
            value.write_variant(sink, context);
        }
    }
    fn absent(&self, _element: Element<'_, '_>) -> Result<Option<T>, Fault> {
        Ok(None)
    }
    fn shows(&self, value: &Option<T>, _context: &Context<'_>) -> bool {
        value.is_some()
    }
    fn holds(&self, element: Element<'_, '_>) -> bool {
        element.children().any(|child| T::read_variant(child, &Context::new(V1_3)).is_some())
    }
    fn describe(&self, into: &mut RowInfo) {
        into.elements.extend(T::names());
        into.cardinality = Cardinality::Optional;
    }
}

/// A row inside one child element.
#[derive(Clone, Copy, Debug)]
pub struct Inside<R> {
    name: Name,
    row: R,
}

/// The row, in the one child element of this name. No element is written where the row shows nothing.
pub const fn inside<R: Copy>(name: &'static str, row: R) -> Inside<R> {
    Inside { name: Name::new(name), row }
}

impl<P: Protocol, T, R: Row<P, T>> Row<P, T> for Inside<R> {
    fn read(&self, element: Element<'_, '_>, context: &Context<'_>) -> Result<T, Fault> {
        match element.child(self.name) {
            Some(child) => self.row.read(child, context).map_err(|fault| fault.within(self.name.text)),
            None => self.absent(element),
        }
    }
    fn write(&self, value: &T, pass: Pass, sink: &mut dyn Sink, context: &Context<'_>) {
        if pass == Pass::Children && self.shows(value, context) {
            sink.open(self.name.text);
            self.row.write(value, Pass::Attributes, sink, context);
            self.row.write(value, Pass::Children, sink, context);
            sink.close();
        }
    }
    fn absent(&self, element: Element<'_, '_>) -> Result<T, Fault> {
        self.row.absent(element).map_err(|fault| fault.within(self.name.text))
    }
    fn shows(&self, value: &T, context: &Context<'_>) -> bool {
        self.row.is_in(context.version) && self.row.shows(value, context)
    }
    fn holds(&self, element: Element<'_, '_>) -> bool {
        element.child(self.name).is_some()
    }
    fn is_in(&self, version: Version) -> bool {
        self.row.is_in(version)
    }
    fn describe(&self, into: &mut RowInfo) {
        into.elements.push(self.name.text);
        self.row.describe(into);
    }
}

/// A row for items of which each has an element around it.
#[derive(Clone, Copy, Debug)]
pub struct Wrapped(Name);

/// Every variant of the choice in a child element of its own.
pub const fn wrapped(name: &'static str, _each: Each) -> Wrapped {
    Wrapped(Name::new(name))
}

impl<P: Protocol, T: Choice<P>> Row<P, Vec<T>> for Wrapped {
    fn read(&self, element: Element<'_, '_>, context: &Context<'_>) -> Result<Vec<T>, Fault> {
        element
            .children()
            .filter(|child| child.is(self.0))
            .flat_map(Element::children)
            .filter_map(|child| T::read_variant(child, context))
            .map(|read| read.map_err(|fault| fault.within(self.0.text)))
            .collect()
    }
    fn write(&self, values: &Vec<T>, pass: Pass, sink: &mut dyn Sink, context: &Context<'_>) {
        if pass == Pass::Children {
            for value in values {
                sink.open(self.0.text);
                value.write_variant(sink, context);
                sink.close();
            }
        }
    }
    fn absent(&self, _element: Element<'_, '_>) -> Result<Vec<T>, Fault> {
        Ok(Vec::new())
    }
    fn shows(&self, values: &Vec<T>, _context: &Context<'_>) -> bool {
        !values.is_empty()
    }
    fn holds(&self, element: Element<'_, '_>) -> bool {
        element.child(self.0).is_some()
    }
    fn describe(&self, into: &mut RowInfo) {
        into.elements.push(self.0.text);
        into.elements.extend(T::names());
        into.cardinality = Cardinality::Many;
    }
}

/// Two rows for one field.
#[derive(Clone, Copy, Debug)]
pub struct Either<A, B>(A, B);

/// Writes the first row that is in the version; reads the first that is there.
pub const fn either<A: Copy, B: Copy>(a: A, b: B) -> Either<A, B> {
    Either(a, b)
}

impl<P: Protocol, T, A: Row<P, T>, B: Row<P, T>> Row<P, T> for Either<A, B> {
    fn read(&self, element: Element<'_, '_>, context: &Context<'_>) -> Result<T, Fault> {
        if self.0.holds(element) { self.0.read(element, context) } else { self.1.read(element, context) }
    }
    fn write(&self, value: &T, pass: Pass, sink: &mut dyn Sink, context: &Context<'_>) {
        if self.0.is_in(context.version) {
            self.0.write(value, pass, sink, context);
        } else {
            self.1.write(value, pass, sink, context);
        }
    }
    fn absent(&self, element: Element<'_, '_>) -> Result<T, Fault> {
        self.1.absent(element)
    }
    fn shows(&self, value: &T, context: &Context<'_>) -> bool {
        let first = self.0.is_in(context.version);
        if first { self.0.shows(value, context) } else { self.1.shows(value, context) }
    }
    fn holds(&self, element: Element<'_, '_>) -> bool {
        self.0.holds(element) || self.1.holds(element)
    }
    fn is_in(&self, version: Version) -> bool {
        self.0.is_in(version) || self.1.is_in(version)
    }
    fn describe(&self, into: &mut RowInfo) {
        self.0.describe(into);
        let mut second = RowInfo::default();
        self.1.describe(&mut second);
        into.also.extend(second.elements);
        (into.since, into.until) = (None, None);
    }
}

/// A row that belongs to some versions only.
#[derive(Clone, Copy, Debug)]
pub struct Spanned<R> {
    row: R,
    since: Option<Version>,
    until: Option<Version>,
}

impl<R: Copy> Spanned<R> {
    /// Last version that is written with this row.
    #[must_use]
    pub const fn until(mut self, version: Version) -> Self {
        self.until = Some(version);
        self
    }

    /// First version that is written with this row.
    #[must_use]
    pub const fn since(mut self, version: Version) -> Self {
        self.since = Some(version);
        self
    }
}

impl<P: Protocol, T, R: Row<P, T>> Row<P, T> for Spanned<R> {
    fn read(&self, element: Element<'_, '_>, context: &Context<'_>) -> Result<T, Fault> {
        self.row.read(element, context)
    }
    fn write(&self, value: &T, pass: Pass, sink: &mut dyn Sink, context: &Context<'_>) {
        if self.is_in(context.version) {
            self.row.write(value, pass, sink, context);
        }
    }
    fn absent(&self, element: Element<'_, '_>) -> Result<T, Fault> {
        self.row.absent(element)
    }
    fn shows(&self, value: &T, context: &Context<'_>) -> bool {
        self.is_in(context.version) && self.row.shows(value, context)
    }
    fn holds(&self, element: Element<'_, '_>) -> bool {
        self.row.holds(element)
    }
    fn is_in(&self, version: Version) -> bool {
        self.since.is_none_or(|since| since <= version)
            && self.until.is_none_or(|until| version <= until)
            && self.row.is_in(version)
    }
    fn describe(&self, into: &mut RowInfo) {
        self.row.describe(into);
        into.since = self.since.or(into.since);
        into.until = self.until.or(into.until);
    }
}

macro_rules! spans {
    ($([$($generic:ident),*] $type:ty;)*) => {$(
        impl<$($generic: Copy),*> $type {
            /// First version that is written with this row.
            pub const fn since(self, version: Version) -> Spanned<Self> {
                Spanned { row: self, since: Some(version), until: None }
            }

            /// Last version that is written with this row.
            pub const fn until(self, version: Version) -> Spanned<Self> {
                Spanned { row: self, since: None, until: Some(version) }
            }

            /// The row, in the one child element of this name.
            pub const fn inside(self, name: &'static str) -> Inside<Self> {
                Inside { name: Name::new(name), row: self }
            }
        }
    )*};
}
spans! {
    [K, C] Named<K, C>;
    [K] Attr<K>;
    [R] Inside<R>;
    [A, B] Either<A, B>;
    [] Each;
    [] First;
    [] FirstOpt;
    [] Wrapped;
    [] Body;
    [] BodyOpt;
}

/// Reads a field from the element that has the table.
pub type Reader<T> = fn(Element<'_, '_>, &Context<'_>) -> Result<T, Fault>;
/// Writes a field into the element that is open: any number of child elements.
pub type Writer<T> = fn(&T, &mut dyn Sink, &Context<'_>);

/// A row of two functions.
#[derive(Clone, Copy, Debug)]
pub struct Own<T> {
    name: Name,
    read: Reader<T>,
    write: Writer<T>,
}

/// Two functions for what no other word can say; `name` is the child element they deal with.
pub const fn own<T>(name: &'static str, read: Reader<T>, write: Writer<T>) -> Own<T> {
    Own { name: Name::new(name), read, write }
}

impl<T> Own<T> {
    /// First version that is written with this row.
    pub const fn since(self, version: Version) -> Spanned<Self> {
        Spanned { row: self, since: Some(version), until: None }
    }
}

impl<P: Protocol, T> Row<P, T> for Own<T> {
    fn read(&self, element: Element<'_, '_>, context: &Context<'_>) -> Result<T, Fault> {
        (self.read)(element, context)
    }
    fn write(&self, value: &T, pass: Pass, sink: &mut dyn Sink, context: &Context<'_>) {
        if pass == Pass::Children {
            (self.write)(value, sink, context);
        }
    }
    fn absent(&self, element: Element<'_, '_>) -> Result<T, Fault> {
        Err(Fault::missing(self.name.text, element))
    }
    fn shows(&self, _value: &T, _context: &Context<'_>) -> bool {
        true
    }
    fn holds(&self, element: Element<'_, '_>) -> bool {
        element.child(self.name).is_some()
    }
    fn describe(&self, into: &mut RowInfo) {
        into.elements.push(self.name.text);
        into.cardinality = Cardinality::Optional;
    }
}

/// A row for what the protocol has no place for.
#[derive(Clone, Copy, Debug)]
pub struct Lost;

/// The field has no place in this protocol; reading gives its default.
pub const fn lost() -> Lost {
    Lost
}

impl<P: Protocol, T: Default> Row<P, T> for Lost {
    fn read(&self, _element: Element<'_, '_>, _context: &Context<'_>) -> Result<T, Fault> {
        Ok(T::default())
    }
    fn write(&self, _value: &T, _pass: Pass, _sink: &mut dyn Sink, _context: &Context<'_>) {}
    fn absent(&self, _element: Element<'_, '_>) -> Result<T, Fault> {
        Ok(T::default())
    }
    fn shows(&self, _value: &T, _context: &Context<'_>) -> bool {
        false
    }
    fn holds(&self, _element: Element<'_, '_>) -> bool {
        false
    }
    fn describe(&self, into: &mut RowInfo) {
        into.cardinality = Cardinality::Lost;
    }
}

/// A row of a [`choice!`](super::choice): the element of one variant.
#[diagnostic::on_unimplemented(
    message = "this row cannot be a variant with `{T}` in `{P}`",
    label = "use one(…), one(…).of(…), one(…).at(…) or lost()"
)]
pub trait Arm<P: Protocol, T> {
    /// Reads the variant's value from its element; `None` if the element is not the variant's.
    fn take(&self, element: Element<'_, '_>, context: &Context<'_>) -> Option<Result<T, Fault>>;
    /// Writes the variant's element.
    fn put(&self, value: &T, sink: &mut dyn Sink, context: &Context<'_>);
    /// The element's name.
    fn name(&self) -> Option<&'static str>;
}

impl<P: Protocol, T, C: Cell<P, T>> Arm<P, T> for Named<One, C> {
    fn take(&self, element: Element<'_, '_>, context: &Context<'_>) -> Option<Result<T, Fault>> {
        (self.manner.names(element) && self.cell.fits(element)).then(|| self.read_child(element, context))
    }
    fn put(&self, value: &T, sink: &mut dyn Sink, context: &Context<'_>) {
        self.write_child(value, sink, context);
    }
    fn name(&self) -> Option<&'static str> {
        Some(self.manner.name.text)
    }
}

impl<P: Protocol, T> Arm<P, T> for Lost {
    fn take(&self, _element: Element<'_, '_>, _context: &Context<'_>) -> Option<Result<T, Fault>> {
        None
    }
    fn put(&self, _value: &T, _sink: &mut dyn Sink, _context: &Context<'_>) {}
    fn name(&self) -> Option<&'static str> {
        None
    }
}
