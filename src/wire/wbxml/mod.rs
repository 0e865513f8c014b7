//! WBXML.
