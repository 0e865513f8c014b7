//! The content of a message: text, BASE64 or opaque octets, described by a ContentEncoding that
//! stands elsewhere (reference csp-wbxml §4.4, decisions.md 18).

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::imps::Content;
use crate::imps::primitive::MessageInfo;
use crate::wire::Fault;
use crate::wire::table::{Atom, ContentForm, Context, Sink, Wrong};
use crate::wire::tree::{Element, Name, Raw};

/// Peers forget padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

const MESSAGE_INFO: Name = Name::new("MessageInfo");
const CONTENT_ENCODING: Name = Name::new("ContentEncoding");
const CONTENT_DATA: Name = Name::new("ContentData");

/// A primitive with MessageInfo and ContentData side by side.
pub(super) trait Carrier {
    fn info(&self) -> &MessageInfo;
    fn info_mut(&mut self) -> &mut MessageInfo;
    fn content(&self) -> Option<&Content>;
}

/// Tells the rows what form the content beside them will have.
pub(super) fn describe<'c, T: Carrier>(value: &'c T, sink: &dyn Sink, context: &Context<'_>) -> Context<'c> {
    let content_type = value.info().content_type.as_deref();
    let form = value.content().map(|content| form_of(content, content_type, sink));
    let Context { version, legacy, delegated, .. } = *context;
    Context { legacy, delegated, content: form, content_type, ..Context::new(version) }
}

/// The form that content will have in this sink.
pub(super) fn form_of(content: &Content, content_type: Option<&str>, sink: &dyn Sink) -> ContentForm {
    match content.as_text(content_type) {
        Some(_) => ContentForm::Text,
        None if sink.takes_octets() => ContentForm::Opaque,
        None => ContentForm::Base64,
    }
}

/// The encoding has been undone; it says nothing any more.
#[allow(clippy::unnecessary_wraps, reason = "the table wants a function that may fail")]
pub(super) fn settle<T: Carrier>(
    value: &mut T,
    _element: Element<'_, '_>,
    _context: &Context<'_>,
) -> Result<(), Fault> {
    if value.content().is_some() {
        value.info_mut().content_encoding = None;
    }
    Ok(())
}

/// Text as it stands, not trimmed; octets as they are; what is marked BASE64 decoded. An empty
/// ContentData is empty content.
pub(super) fn read(element: Element<'_, '_>, _context: &Context<'_>) -> Result<Option<Content>, Fault> {
    let Some(data) = element.child(CONTENT_DATA) else { return Ok(None) };
    let encoding = element.child(MESSAGE_INFO).and_then(|info| info.child(CONTENT_ENCODING));
    decoded(data, encoding).map(Some)
}

/// The content of a ContentData that this ContentEncoding describes.
pub(super) fn decoded(data: Element<'_, '_>, encoding: Option<Element<'_, '_>>) -> Result<Content, Fault> {
    let encoded = encoding.is_some_and(|encoding| encoding.text().eq_ignore_ascii_case("BASE64"));
    let content = match data.raw() {
        Raw::Text(text) if encoded => Content::new(
            decode(text.as_bytes())
                .map_err(|error| Fault::unreadable(CONTENT_DATA.text, data, &Wrong::because(error)))?,
        ),
        Raw::Text(text) => Content::from(text),
        // Opaque octets are decoded already, but some leave the BASE64 in them.
        Raw::Octets(octets) if encoded => decode(octets).map_or_else(|_| Content::new(octets), Content::new),
        Raw::Octets(octets) => Content::new(octets),
    };
    Ok(content)
}

fn decode(encoded: &[u8]) -> Result<Vec<u8>, base64::DecodeError> {
    if encoded.iter().any(u8::is_ascii_whitespace) {
        let bare: Vec<u8> = encoded.iter().copied().filter(|octet| !octet.is_ascii_whitespace()).collect();
        return BASE64.decode(bare);
    }
    BASE64.decode(encoded)
}

#[allow(clippy::ref_option, clippy::ptr_arg, reason = "a row hands over its field as it is")]
pub(super) fn write(data: &Option<Content>, sink: &mut dyn Sink, context: &Context<'_>) {
    let Some(data) = data else { return };
    sink.open(CONTENT_DATA.text);
    match (context.content, std::str::from_utf8(data.octets())) {
        (Some(ContentForm::Text), Ok(text)) => sink.value(Atom::Text(text)),
        _ => sink.value(Atom::Octets(data.octets())),
    }
    sink.close();
}

#[allow(clippy::unnecessary_wraps, reason = "the row wants a function that may fail")]
pub(super) fn read_encoding(
    element: Element<'_, '_>,
    _context: &Context<'_>,
) -> Result<Option<Box<str>>, Fault> {
    let encoding = element.child(CONTENT_ENCODING).map(Element::text);
    Ok(encoding.filter(|encoding| !encoding.is_empty()).map(Into::into))
}

/// Beside a ContentData the encoding follows from its form, else it is what it was.
#[allow(clippy::ref_option, clippy::ptr_arg, reason = "a row hands over its field as it is")]
pub(super) fn write_encoding(encoding: &Option<Box<str>>, sink: &mut dyn Sink, context: &Context<'_>) {
    let encoding = match context.content {
        Some(ContentForm::Text) => None,
        Some(ContentForm::Base64) => Some("BASE64"),
        Some(ContentForm::Opaque) => Some("None"),
        None => encoding.as_deref(),
    };
    if let Some(encoding) = encoding {
        sink.open(CONTENT_ENCODING.text);
        sink.value(Atom::Token(encoding));
        sink.close();
    }
}
