//! Tables of login, session life and negotiation (reference csp-messages §2, §3).

use crate::imps::Version;
use crate::imps::primitive::{
    AcceptedContentType, Branch, Capabilities, ClientCapabilityRequest, ClientCapabilityResponse,
    DigestSchema, Disconnect, Functions, GetSpInfoRequest, GetSpInfoResponse, KeepAliveRequest,
    KeepAliveResponse, LoginRequest, LoginResponse, ServiceRequest, ServiceResponse,
};
use crate::wire::Fault;
use crate::wire::table::{Atom, Context, Csp, Form, Pass, Sink, boxed, table};
use crate::wire::tree::{Element, Name};
use crate::wire::wbxml::tokens;

boxed! { Csp LoginRequest, LoginResponse, Capabilities }

table! { Csp LoginRequest {
    user:         one("UserID"),
    client:       one("ClientID"),
    application:  opt("ApplicationID").since(V1_3),
    password:     opt("Password"),
    digest:       opt("DigestBytes"),
    schemas:      own("DigestSchema", read_schemas, write_schemas),
    session:      opt("SessionID").since(V1_3),
    time_to_live: opt("TimeToLive"),
    cookie:       opt("SessionCookie"),
    responses:    many("SystemMessageResponse").lenient().inside("SystemMessageResponseList").since(V1_3),
    functions:    opt("Functions").since(V1_3),
    capabilities: opt("CapabilityList").since(V1_3),
}}

table! { Csp LoginResponse {
    user:               opt("UserID").since(V1_3),
    client:             one("ClientID"),
    result:             one("Result"),
    nonce:              opt("Nonce"),
    schema:             opt("DigestSchema").lenient(),
    session:            opt("SessionID"),
    keep_alive:         opt("KeepAliveTime"),
    capability_request: opt("CapabilityRequest"),
    functions:          opt("Functions").since(V1_3),
    agreed:             opt("AgreedCapabilityList").since(V1_3),
}}

table! { Csp Disconnect {
    result: one("Result"),
}}

table! { Csp KeepAliveRequest {
    time_to_live: opt("TimeToLive"),
}}

table! { Csp KeepAliveResponse {
    result:       one("Result"),
    time_to_live: opt("KeepAliveTime").also("TimeToLive"),
}}

table! { Csp GetSpInfoRequest {
    client: opt("ClientID"),
}}

table! { Csp GetSpInfoResponse {
    result:      lost(),
    client:      opt("ClientID"),
    name:        one("Name"),
    description: opt("Description"),
    url:         opt("URL"),
}}

table! { Csp ServiceRequest {
    client:                opt("ClientID").until(V1_1),
    functions:             opt("Functions"),
    all_functions_request: flag("AllFunctionsRequest"),
}}

table! { Csp ServiceResponse {
    client:        opt("ClientID").until(V1_1),
    functions:     opt("Functions"),
    all_functions: opt("AllFunctions"),
}}

table! { Csp ClientCapabilityRequest {
    client:       opt("ClientID").until(V1_1),
    capabilities: one("CapabilityList"),
}}

table! { Csp ClientCapabilityResponse {
    client: opt("ClientID").until(V1_1),
    agreed: either(one("CapabilityList").until(V1_1), one("AgreedCapabilityList").since(V1_2)),
}}

// In the order of 1.3; words of the standard that we do not know are passed over.
table! { Csp Capabilities {
    accepted_content_types:  many("AcceptedContentType"),
    any_content:             opt("AnyContent"),
    pull_length:             opt("AcceptedPullLength").since(V1_3),
    push_length:             opt("AcceptedPushLength").since(V1_3),
    text_content_length:     opt("AcceptedTextContentLength").since(V1_3),
    accepted_charsets:       many("AcceptedCharset").lenient().until(V1_2),
    transfer_encodings:      many("AcceptedTransferEncoding").token(),
    accepted_content_length: opt("AcceptedContentLength").until(V1_2),
    cir_url:                 either(opt("CIRURL").of("URL").since(V1_2).until(V1_2), opt("CIRHTTPAddress").of("URL").since(V1_3)),
    cir_sms_address:         opt("CIRSMSAddress").since(V1_3),
    client_type:             opt("ClientType").lenient(),
    default_language:        opt("DefaultLanguage"),
    initial_delivery_method: opt("InitialDeliveryMethod").lenient(),
    multi_trans:             opt("MultiTrans"),
    multi_trans_per_message: opt("MultiTransPerMessage").since(V1_3),
    offline_etem:            opt("OfflineETEMHandling").token().since(V1_3),
    online_etem:             opt("OnlineETEMHandling").token().since(V1_3),
    plain_text_charsets:     many("PlainTextCharset").lenient().since(V1_3),
    parser_size:             opt("ParserSize"),
    server_poll_min:         opt("ServerPollMin"),
    bearers:                 many("SupportedBearer").lenient(),
    offline_bearers:         many("SupportedOfflineBearer").lenient().since(V1_3),
    cir_methods:             many("SupportedCIRMethod").lenient(),
    tcp_address:             opt("TCPAddress"),
    tcp_port:                opt("TCPPort").lenient(),
    udp_address:             opt("UDPAddress").since(V1_3),
    udp_port:                opt("UDPPort").lenient(),
    session_priority:        opt("SessionPriority").since(V1_3),
    user_session_limit:      opt("UserSessionLimit").since(V1_3),
} until V1_2 in this order:
    client_type, initial_delivery_method, any_content, accepted_charsets, accepted_content_types,
    transfer_encodings, accepted_content_length, bearers, multi_trans, parser_size, cir_methods, udp_port,
    tcp_address, tcp_port, server_poll_min, cir_url, default_language;
}

table! { Csp AcceptedContentType {
    content_type:        either(body().until(V1_2), one("ContentType").token().since(V1_3)),
    rich_content_length: opt("AcceptedRichContentLength").since(V1_3),
    policy:              opt("ContentPolicy").token().since(V1_3),
    policy_limit:        opt("ContentPolicyLimit").since(V1_3),
}}

const DIGEST_SCHEMA: Name = Name::new("DigestSchema");

/// 1.1 has a comma list in one element, later versions repeat the element; either is read in all.
/// Schemes that nobody has heard of are left out (reference csp.md §4.3).
#[allow(clippy::unnecessary_wraps, reason = "the row wants a function that may fail")]
fn read_schemas(element: Element<'_, '_>, _context: &Context<'_>) -> Result<Vec<DigestSchema>, Fault> {
    let elements = element.children().filter(|child| child.is(DIGEST_SCHEMA));
    let words = elements.flat_map(|child| child.text().split(','));
    Ok(words.filter_map(|word| word.parse().ok()).collect())
}

#[allow(clippy::ref_option, clippy::ptr_arg, reason = "a row hands over its field as it is")]
fn write_schemas(schemas: &Vec<DigestSchema>, sink: &mut dyn Sink, context: &Context<'_>) {
    let mut write = |text: &str| {
        sink.open(DIGEST_SCHEMA.text);
        sink.value(Atom::Text(text));
        sink.close();
    };
    if context.version > Version::V1_1 {
        for schema in schemas {
            write(schema.as_str());
        }
    } else if !schemas.is_empty() {
        let list: Vec<&str> = schemas.iter().map(|schema| schema.as_str()).collect();
        write(&list.join(","));
    }
}

const FEATURES: Name = Name::new("WVCSPFeat");
/// Feature, function, leaf (reference csp.md §5.2).
const LEVELS_MAX: usize = 3;
/// Longest name of a function that we keep, in octets.
const NAME_OCTETS_MAX: usize = 64;

/// `Functions` and `AllFunctions` hold `WVCSPFeat` with the tree of names.
impl Form<Csp> for Functions {
    fn read(element: Element<'_, '_>, _context: &Context<'_>) -> Result<Self, Fault> {
        let features = element.child(FEATURES);
        Ok(Self { features: features.map_or_else(Vec::new, |features| branches(features, LEVELS_MAX)) })
    }

    fn write(&self, pass: Pass, sink: &mut dyn Sink, _context: &Context<'_>) {
        if pass == Pass::Children {
            sink.open(FEATURES.text);
            write_branches(&self.features, sink);
            sink.close();
        }
    }
}

fn branches(element: Element<'_, '_>, levels: usize) -> Vec<Branch> {
    if levels == 0 {
        return Vec::new();
    }
    let branch = |child: Element<'_, '_>| {
        // In the spelling of the standard; a name that it does not have stays as it is.
        let name = tokens::tag_of(child.hash()).map_or(child.name(), |tag| tag.row.name);
        (name.len() <= NAME_OCTETS_MAX)
            .then(|| Branch { name: name.into(), branches: branches(child, levels - 1) })
    };
    element.children().filter_map(branch).collect()
}

fn write_branches(branches: &[Branch], sink: &mut dyn Sink) {
    for branch in branches {
        sink.open(&branch.name);
        write_branches(&branch.branches, sink);
        sink.close();
    }
}
