//! Rows around other rows, and rows instead of any.

use super::{Attr, Body, BodyOpt, Each, First, FirstOpt, Named, Wrapped};
use crate::imps::Version;
use crate::wire::Fault;
use crate::wire::table::{Cardinality, Context, Pass, Protocol, Row, RowInfo, Sink};
use crate::wire::tree::{Element, Name};

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
