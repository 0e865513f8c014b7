//! Primitives of CSP between providers: a service that is delegated keeps the shape of CSP.
//!
//! Where the primary element of a service runs at another provider, the two providers say to each other
//! what client and server would have said: the same children with the same values (`T` and `F`, dates in
//! the basic form), under the same name without hyphen, with a MetaInfo first and a Status instead of the
//! Result (reference ssp-primitives §6). So such a primitive has one table, that of CSP; the list of SSP
//! marks it `delegated`, and its answer says `outcome()` or `outcome_unsaid()` where its Result stands.

use super::{Atom, Context, Csp, Form, Pass, Sink};
use crate::wire::Fault;
use crate::wire::tree::Element;

/// Reads what the table of CSP says, from an element of SSP.
pub fn read<T: Form<Csp>>(element: Element<'_, '_>, context: &Context<'_>) -> Result<T, Fault> {
    T::read(element, &Context { delegated: true, ..*context })
}

/// Writes what the table of CSP says, into an element of SSP.
pub fn write<T: Form<Csp>>(value: &T, pass: Pass, sink: &mut dyn Sink, context: &Context<'_>) {
    value.write(pass, &mut CspValues(sink), &Context { delegated: true, ..*context });
}

/// Writes dates as CSP does, whatever the sink would have done.
struct CspValues<'s>(&'s mut dyn Sink);

impl Sink for CspValues<'_> {
    fn open(&mut self, name: &str) {
        self.0.open(name);
    }
    fn attribute(&mut self, name: &'static str, value: Atom<'_>) {
        self.0.attribute(name, value);
    }
    fn value(&mut self, value: Atom<'_>) {
        match value {
            Atom::Date(date) => self.0.value(Atom::Text(&date.basic())),
            value => self.0.value(value),
        }
    }
    fn close(&mut self) {
        self.0.close();
    }
    fn takes_octets(&self) -> bool {
        self.0.takes_octets()
    }
}
