//! WBXML, the binary form of CSP documents (reference csp-wbxml.md, WBXML 1.3).
//!
//! [`read`] turns a document into the tree that the XML reader builds as well, [`Encoder`] is the
//! sink that tables write through, and [`tokens`] holds the tables of octets and names. Both sides
//! know versions, character sets and tokens, but no primitive.

mod charset;
mod cursor;
mod decode;
mod encode;
pub mod tokens;

pub use decode::{Document, UNKNOWN_TAG, read, read_fragment, version_named};
pub use encode::Encoder;

/// Global tokens (WBXML 1.3 §7.1).
mod token {
    pub(super) const SWITCH_PAGE: u8 = 0x00;
    pub(super) const END: u8 = 0x01;
    pub(super) const ENTITY: u8 = 0x02;
    pub(super) const STR_I: u8 = 0x03;
    pub(super) const LITERAL: u8 = 0x04;
    pub(super) const EXT_I_0: u8 = 0x40;
    pub(super) const EXT_I_1: u8 = 0x41;
    pub(super) const EXT_I_2: u8 = 0x42;
    pub(super) const PI: u8 = 0x43;
    pub(super) const LITERAL_C: u8 = 0x44;
    pub(super) const EXT_T_0: u8 = 0x80;
    pub(super) const EXT_T_1: u8 = 0x81;
    pub(super) const EXT_T_2: u8 = 0x82;
    pub(super) const STR_T: u8 = 0x83;
    pub(super) const LITERAL_A: u8 = 0x84;
    pub(super) const EXT_0: u8 = 0xC0;
    pub(super) const EXT_1: u8 = 0xC1;
    pub(super) const EXT_2: u8 = 0xC2;
    pub(super) const OPAQUE: u8 = 0xC3;
    pub(super) const LITERAL_AC: u8 = 0xC4;

    /// Bits of a tag that are its token.
    pub(super) const TAG: u8 = 0x3F;
    /// Lowest token of a tag; lower ones are global.
    pub(super) const FIRST_TAG: u8 = 0x05;
    /// The tag has attributes.
    pub(super) const ATTRIBUTES: u8 = 0x80;
    /// The tag has content.
    pub(super) const CONTENT: u8 = 0x40;
}
