//! Rows for children that are variants of an enum with a [`Choice`], and the rows of such a choice.

use super::{Cell, Lost, Named, One, V1_3};
use crate::wire::Fault;
use crate::wire::table::{Cardinality, Choice, Context, Pass, Protocol, Row, RowInfo, Sink};
use crate::wire::tree::{Element, Name};

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
        let mut values = Vec::new();
        for child in element.children() {
            match T::read_variant(child, context) {
                Some(Ok(value)) => values.push(value),
                Some(Err(fault)) if !self.lenient => return Err(fault),
                _ => {}
            }
        }
        Ok(values)
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

/// A row of a `choice!`: the element of one variant.
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
