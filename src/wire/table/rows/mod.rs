//! The words that rows are made of. See the parent module for what they mean.
//!
//! `named` has the rows for child elements, `attr` those for attributes and the element's own text,
//! `choices` those for children that are variants of an enum, `around` the ones that change another
//! row or replace it, `outcome` those for what became of a request. `cells` says where in an element a
//! value stands.

mod around;
mod attr;
mod cells;
mod choices;
mod named;
mod outcome;

pub use around::{Either, Inside, Lost, Own, Reader, Spanned, Writer, either, inside, lost, own};
pub use attr::{Attr, AttrOr, Body, BodyOpt, attr, attr_flag, attr_opt, attr_or, body, body_opt};
pub use cells::{At, Cell, Of, Whole};
pub use choices::{Arm, Each, First, FirstOpt, Wrapped, each, first, first_opt, wrapped};
pub use named::{Named, flag, many, one, opt};
pub use outcome::{Outcome, outcome, outcome_unsaid};

pub use crate::imps::Version::{V1_1, V1_2, V1_3};

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
