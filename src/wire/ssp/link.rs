//! Session life and set-up as SSP writes them (reference ssp-session §1.1, §3).

use crate::imps::Version;
use crate::imps::primitive::{
    DigestSchema, Disconnect, KeepAliveRequest, KeepAliveResponse, LinkLoginRequest, LinkLoginResponse,
    Redirect, SendSecretToken, Setup,
};
use crate::imps::status::{Code, Status};
use crate::wire::Fault;
use crate::wire::table::{
    Atom, Context, Form, Pass, Row, Scalar, Sink, Ssp, Wrong, rows, table, write_element,
};
use crate::wire::tree::{Element, Name};

use super::im::decode_base64;

table! { Ssp Disconnect {
    result: one("Status"),
}}

table! { Ssp KeepAliveRequest {
    time_to_live: attr_opt("timeToLive"),
}}

table! { Ssp KeepAliveResponse {
    time_to_live: attr_opt("timeToLive"),
    result:       one("Status"),
}}

table! { Ssp LinkLoginResponse {
    session:      attr_opt("sessionID"),
    time_to_live: attr_opt("timeToLive").lenient(),
    status:       own("Status", status_or_failure, write_status),
    redirects:    inside("RedirectList", many("Redirect").lenient()),
}}

table! { Ssp Redirect {
    service: attr_opt("serviceID").lenient(),
    url:     attr("url"),
}}

const SERVICE: rows::Attr<rows::One> = rows::attr("serviceID");
const TIME_TO_LIVE: rows::AttrOr<u32> = rows::attr_or("timeToLive", DEFAULT_TIME_TO_LIVE_SECONDS);
const STATUS: Name = Name::new("Status");
const SECRET_TOKEN: Name = Name::new("SecretToken");
const PASSWORD_DIGEST: Name = Name::new("PasswordDigest");
const ENCODING: Name = Name::new("encoding");
const PROTOCOL_VERSION: Name = Name::new("protocolVersion");
/// As the one known implementation spells it (conflict C-02).
const PROCOTOL_VERSION: Name = Name::new("procotolVersion");
const SCHEMA: Name = Name::new("schema");

/// What a login that names no idle limit means (reference ssp-session §1.1).
const DEFAULT_TIME_TO_LIVE_SECONDS: u32 = 86_400;

/// Without a status the login has failed, as the one known implementation has it.
fn status_or_failure(element: Element<'_, '_>, context: &Context<'_>) -> Result<Status, Fault> {
    element.child(STATUS).map_or_else(
        || Ok(Status::new(Code::NOT_FOUND)),
        |status| Form::<Ssp>::read(status, context).map_err(|fault: Fault| fault.within(STATUS.text)),
    )
}

fn write_status(status: &Status, sink: &mut dyn Sink, context: &Context<'_>) {
    write_element::<Ssp, _>(STATUS.text, status, sink, context);
}

/// By hand: the version has a wrong name, the token two forms (conflicts C-02, C-03).
impl Form<Ssp> for SendSecretToken {
    fn read(element: Element<'_, '_>, context: &Context<'_>) -> Result<Self, Fault> {
        let token = element
            .child(SECRET_TOKEN)
            .filter(|token| !token.text().is_empty())
            .ok_or_else(|| Fault::missing(SECRET_TOKEN.text, element))?;
        let octets = match token.attribute(ENCODING) {
            Some(_) => decode_base64(token.text())
                .ok_or_else(|| Fault::unreadable(SECRET_TOKEN.text, token, &Wrong::because("no base64")))?,
            None => token.text().as_bytes().to_vec(),
        };
        let right = element.attribute(PROTOCOL_VERSION);
        let wrong = element.attribute(PROCOTOL_VERSION);
        Ok(Self {
            service: Row::<Ssp, _>::read(&SERVICE, element, context)?,
            version: right.or(wrong).and_then(Version::parse).unwrap_or(Version::V1_3),
            misspelt: right.is_none() && wrong.is_some(),
            token: octets.into(),
        })
    }

    fn write(&self, pass: Pass, sink: &mut dyn Sink, _context: &Context<'_>) {
        if pass == Pass::Attributes {
            sink.attribute("serviceID", Scalar::<Ssp>::atom(&self.service));
            sink.attribute("protocol", Atom::Text("WV-SSP"));
            let name = if self.misspelt { PROCOTOL_VERSION } else { PROTOCOL_VERSION };
            sink.attribute(name.text, Atom::Text(self.version.as_str()));
            return;
        }
        sink.open(SECRET_TOKEN.text);
        match std::str::from_utf8(&self.token) {
            Ok(text) if text.bytes().all(|octet| octet.is_ascii_graphic()) => sink.value(Atom::Text(text)),
            _ => {
                sink.attribute(ENCODING.text, Atom::Text("base64"));
                sink.value(Atom::Octets(&self.token));
            }
        }
        sink.close();
    }
}

/// By hand: two fields share the element PasswordDigest.
impl Form<Ssp> for LinkLoginRequest {
    fn read(element: Element<'_, '_>, context: &Context<'_>) -> Result<Self, Fault> {
        let digest =
            element.child(PASSWORD_DIGEST).ok_or_else(|| Fault::missing(PASSWORD_DIGEST.text, element))?;
        Ok(Self {
            service: Row::<Ssp, _>::read(&SERVICE, element, context)?,
            time_to_live: Row::<Ssp, _>::read(&TIME_TO_LIVE, element, context)?,
            // What is no BASE64 is no digest, and fails where digests are compared.
            digest: decode_base64(digest.text()).unwrap_or_default().into(),
            // An unknown schema must not pass for the default; MD6 is none that anybody computes.
            schema: digest.attribute(SCHEMA).map(|text| text.parse().unwrap_or(DigestSchema::Md6)),
        })
    }

    fn write(&self, pass: Pass, sink: &mut dyn Sink, context: &Context<'_>) {
        Row::<Ssp, _>::write(&SERVICE, &self.service, pass, sink, context);
        Row::<Ssp, _>::write(&TIME_TO_LIVE, &self.time_to_live, pass, sink, context);
        if pass == Pass::Children {
            sink.open(PASSWORD_DIGEST.text);
            if let Some(schema) = self.schema {
                sink.attribute(SCHEMA.text, Atom::Text(schema.as_str()));
            }
            sink.attribute(ENCODING.text, Atom::Text("base64"));
            sink.value(Atom::Octets(&self.digest));
            sink.close();
        }
    }
}

/// Reads a set-up element; `None` if it is none.
pub(super) fn read_setup(element: Element<'_, '_>, context: &Context<'_>) -> Option<Result<Setup, Fault>> {
    let read = if element.is(const { Name::new("SendSecretToken") }) {
        Form::<Ssp>::read(element, context).map(Setup::SendSecretToken)
    } else if element.is(const { Name::new("LoginRequest") }) {
        Form::<Ssp>::read(element, context).map(Setup::LoginRequest)
    } else if element.is(const { Name::new("LoginResponse") }) {
        Form::<Ssp>::read(element, context).map(Setup::LoginResponse)
    } else if element.is(STATUS) {
        Form::<Ssp>::read(element, context).map(Setup::Status)
    } else {
        return None;
    };
    Some(read.map_err(|fault| fault.within(element.name())))
}

/// Writes a set-up element.
pub(super) fn write_setup(setup: &Setup, sink: &mut dyn Sink, context: &Context<'_>) {
    match setup {
        Setup::SendSecretToken(value) => write_element::<Ssp, _>(setup.name(), value, sink, context),
        Setup::LoginRequest(value) => write_element::<Ssp, _>(setup.name(), value, sink, context),
        Setup::LoginResponse(value) => write_element::<Ssp, _>(setup.name(), value, sink, context),
        Setup::Status(value) => write_element::<Ssp, _>(setup.name(), value, sink, context),
    }
}
