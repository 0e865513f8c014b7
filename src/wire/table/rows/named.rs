//! Rows for child elements of one name.

use std::marker::PhantomData;

use super::cells::{Manner, manners};
use super::{At, Cell, Flag, Many, Of, One, Opt, Whole};
use crate::wire::Fault;
use crate::wire::table::{Atom, Cardinality, Context, Pass, Protocol, Row, RowInfo, Sink};
use crate::wire::tree::{Element, Name};

/// A row for child elements of one name.
#[derive(Clone, Copy, Debug)]
pub struct Named<K, C = Whole> {
    pub(super) manner: Manner,
    pub(super) cell: C,
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

manners! { [K, C] Named<K, C>; }

impl<K, C> Named<K, C> {
    fn children<'t, 'a: 't>(
        &self,
        element: Element<'t, 'a>,
    ) -> impl Iterator<Item = Element<'t, 'a>> + use<'_, 't, 'a, K, C> {
        element.children().filter(|child| self.manner.names(*child))
    }

    /// The first child with a value.
    fn first_child<'t, 'a: 't, P: Protocol, T>(&self, element: Element<'t, 'a>) -> Option<Element<'t, 'a>>
    where
        C: Cell<P, T>,
    {
        self.children(element).find(|child| !self.cell.is_blank(*child))
    }

    pub(super) fn read_child<P: Protocol, T>(
        &self,
        child: Element<'_, '_>,
        context: &Context<'_>,
    ) -> Result<T, Fault>
    where
        C: Cell<P, T>,
    {
        self.cell.read(child, context).map_err(|fault| fault.within(self.manner.name.text))
    }

    pub(super) fn write_child<P: Protocol, T>(&self, value: &T, sink: &mut dyn Sink, context: &Context<'_>)
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
        match self.first_child(element) {
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

impl<C> Named<Opt, C> {
    fn read_opt<P: Protocol, T>(
        &self,
        element: Element<'_, '_>,
        context: &Context<'_>,
    ) -> Result<Option<T>, Fault>
    where
        C: Cell<P, T>,
    {
        match self.first_child(element) {
            Some(child) => match self.read_child(child, context) {
                Ok(value) => Ok(Some(value)),
                Err(_) if self.manner.lenient => Ok(None),
                Err(fault) => Err(fault),
            },
            None => Ok(None),
        }
    }
}

impl<P: Protocol, T, C: Cell<P, T>> Row<P, Option<T>> for Named<Opt, C> {
    #[inline]
    fn read(&self, element: Element<'_, '_>, context: &Context<'_>) -> Result<Option<T>, Fault> {
        if self.manner.may_stand_in(element) { self.read_opt(element, context) } else { Ok(None) }
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
        if !self.manner.may_stand_in(element) {
            return Ok(values);
        }
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
        match self.first_child(element) {
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
