//! Rows for what became of a request, in answers that CSP and delegated SSP share.

use crate::imps::Status;
use crate::wire::Fault;
use crate::wire::table::{Cardinality, Context, Csp, Form, Pass, Row, RowInfo, Sink, Ssp, write_element};
use crate::wire::tree::{Element, Name};

const RESULT: Name = Name::new("Result");
const STATUS: Name = Name::new("Status");

/// A row for the outcome of an answer.
#[derive(Clone, Copy, Debug)]
pub struct Outcome {
    in_csp: bool,
}

/// What became of the request: `Result` in CSP, which must be there; `Status` in the delegated form of SSP,
/// where none means 200.
pub const fn outcome() -> Outcome {
    Outcome { in_csp: true }
}

/// What became of the request, in an answer that CSP sends only if all went well: nothing there; `Status`
/// in the delegated form of SSP, where none means 200 (reference ssp-primitives, rule G3).
pub const fn outcome_unsaid() -> Outcome {
    Outcome { in_csp: false }
}

impl Row<Csp, Status> for Outcome {
    fn read(&self, element: Element<'_, '_>, context: &Context<'_>) -> Result<Status, Fault> {
        let within = |name: Name| move |fault: Fault| fault.within(name.text);
        if context.delegated
            && let Some(status) = element.child(STATUS)
        {
            return Form::<Ssp>::read(status, context).map_err(within(STATUS));
        }
        match element.child(RESULT) {
            Some(result) => Form::<Csp>::read(result, context).map_err(within(RESULT)),
            None if context.delegated => Ok(Status::ok()),
            None => self.absent(element),
        }
    }
    fn write(&self, value: &Status, pass: Pass, sink: &mut dyn Sink, context: &Context<'_>) {
        match pass {
            Pass::Children if context.delegated => {
                write_element::<Ssp, Status>(STATUS.text, value, sink, context);
            }
            Pass::Children if self.in_csp => write_element::<Csp, Status>(RESULT.text, value, sink, context),
            Pass::Children | Pass::Attributes => {}
        }
    }
    fn absent(&self, element: Element<'_, '_>) -> Result<Status, Fault> {
        if self.in_csp { Err(Fault::missing(RESULT.text, element)) } else { Ok(Status::ok()) }
    }
    fn shows(&self, _value: &Status, context: &Context<'_>) -> bool {
        self.in_csp || context.delegated
    }
    fn holds(&self, element: Element<'_, '_>) -> bool {
        element.child(RESULT).is_some() || element.child(STATUS).is_some()
    }
    fn describe(&self, into: &mut RowInfo) {
        if self.in_csp {
            into.elements.push(RESULT.text);
            into.cardinality = Cardinality::One;
        }
    }
}
