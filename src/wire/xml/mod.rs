//! XML: octets → text → [`Tree`](crate::wire::tree::Tree), and a canonical writer.
//!
//! [`decode`] finds the character set and makes text; [`read`] builds the tree from it, within
//! limits and without any entity; [`XmlSink`] writes what tables give it, in one canonical form:
//! no white space between elements, `"` around attributes, references for what a parser would
//! normalise away. Namespaces are not resolved: names are compared by their local part, and only
//! the namespace of the root is kept, as its attribute `xmlns` (reference csp-wbxml §1,
//! ssp-transport §4).

mod charset;
mod read;
mod tag;
mod write;

pub use charset::decode;
pub(super) use read::is_forbidden;
pub use read::{Doctype, read};
pub use write::{DateForm, XmlSink};
