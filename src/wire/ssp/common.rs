//! Tables of the common features as SSP writes them (reference ssp-primitives §3) and of service
//! negotiation (reference ssp-session §5).

use crate::imps::Status;
use crate::imps::primitive::{
    AnswerOption, Branch, CancelInviteRequest, Functions, GetPublicProfileRequest, GetPublicProfileResponse,
    GetServiceResponse, GetSpInfoRequest, GetSpInfoResponse, InviteRequest, InviteResponse,
    LinkServiceRequest, LinkServiceResponse, Party, PublicProfile, SearchPair, SearchRequest, SearchResponse,
    ServiceIndication, StopSearchRequest, SystemMessage, SystemMessageRequest, SystemMessageResponse,
    SystemMessageUser, UpdatePublicProfileRequest, VerifyIdRequest,
};
use crate::wire::table::{Atom, Choice, Context, Form, Pass, Sink, Ssp, boxed, table, write_element};
use crate::wire::tree::{Element, Name};
use crate::wire::{Fault, attributes};

boxed! { Ssp InviteRequest, CancelInviteRequest }

table! { Ssp InviteRequest {
    id:          attr("inviteID"),
    kind:        attr("inviteType"),
    validity:    attr_opt("validity").lenient(),
    sender:      inside("Inviting", first_opt()),
    recipients:  inside("Invited", each()),
    group:       opt("GroupID").at("groupID"),
    application: opt("ApplicationID").at("applicationID"),
    attributes:  own("AttributeList", read_attributes, write_attributes),
    urls:        many("ContentID").at("url").inside("ContentIDList"),
    note:        opt("InviteNote"),
    screen_name: opt("ScreenName"),
}}

// The decision stands in `acceptance`; the status beside it says nothing (conflict C-25).
table! { Ssp InviteResponse {
    id:          attr("inviteID"),
    acceptance:  attr_flag("acceptance"),
    inviter:     own("Inviting", read_inviter, write_status_and_inviter),
    responder:   inside("Responding", first_opt()),
    note:        opt("ResponseNote"),
    screen_name: opt("ScreenName"),
}}

table! { Ssp CancelInviteRequest {
    id:          attr("inviteID"),
    sender:      inside("Canceling", first_opt()),
    recipients:  inside("Canceled", each()),
    group:       opt("GroupID").at("groupID"),
    application: opt("ApplicationID").at("applicationID"),
    attributes:  own("AttributeList", read_attributes, write_attributes),
    urls:        many("ContentID").at("url").inside("ContentIDList"),
    note:        opt("CancelNote"),
    screen_name: opt("ScreenName"),
}}

table! { Ssp SearchRequest {
    id:       attr_opt("searchID"),
    index:    attr_opt("searchIndex"),
    limit:    attr_opt("searchLimit"),
    pairs:    many("SearchPair"),
    criteria: lost(),
}}

table! { Ssp SearchPair {
    element: attr("searchElement"),
    string:  attr("searchString"),
    id:      lost(),
}}

table! { Ssp SearchResponse {
    id:       attr_opt("searchID"),
    index:    attr_opt("searchIndex"),
    findings: attr_opt("searchFindings"),
    complete: attr_flag("completion"),
    result:   one("Status"),
    users:    many("UserID").at("userID").lenient().inside("SearchResult"),
    groups:   many("GroupID").at("groupID").lenient().inside("SearchResult"),
}}

table! { Ssp StopSearchRequest {
    id: attr("searchID"),
}}

table! { Ssp VerifyIdRequest {
    ids: each(),
} after reading: |request, element, _| {
    let first = request.ids.first();
    first.map(drop).ok_or_else(|| Fault::missing("UserID", element))
}; }

table! { Ssp GetPublicProfileRequest {
    users: many("UserID").at("userID"),
} after reading: |request, element, _| {
    let first = request.users.first();
    first.map(drop).ok_or_else(|| Fault::missing("UserID", element))
}; }

table! { Ssp GetPublicProfileResponse {
    result:   one("Status"),
    profiles: many("PublicProfile"),
}}

table! { Ssp PublicProfile {
    user:       attr("userID"),
    properties: many("Property"),
}}

table! { Ssp UpdatePublicProfileRequest {
    clear:   attr_opt("clear"),
    profile: opt("PublicProfile"),
}}

table! { Ssp SystemMessageRequest {
    recipients: each(),
    messages:   many("SystemMessage"),
}}

table! { Ssp SystemMessage {
    id:                attr("systemMessageID"),
    requires_response: attr_flag("requiresResponse"),
    text:              opt("SystemMessageText"),
    options:           many("AnswerOption"),
    verification:      lost(),
}}

table! { Ssp AnswerOption {
    id:   attr("answerOptionID"),
    text: body(),
}}

table! { Ssp SystemMessageUser {
    responses: many("SystemMessageResponse"),
} after reading: |request, element, _| {
    let first = request.responses.first();
    first.map(drop).ok_or_else(|| Fault::missing("SystemMessageResponse", element))
}; }

table! { Ssp SystemMessageResponse {
    id:               attr("systemMessageID"),
    chosen:           attr_opt("chosenOptionID"),
    verification_key: attr_opt("verificationKey"),
}}

table! { Ssp GetSpInfoRequest {
    client: lost(),
}}

table! { Ssp GetSpInfoResponse {
    result:      one("Status"),
    client:      lost(),
    name:        own("Name", read_name, write_name),
    description: opt("Description"),
    url:         opt("URL"),
}}

table! { Ssp GetServiceResponse {
    result:    one("Status"),
    functions: opt("Functions"),
}}

table! { Ssp LinkServiceRequest {
    functions: one("Functions"),
}}

table! { Ssp LinkServiceResponse {
    result:    one("Status"),
    functions: opt("Functions"),
}}

table! { Ssp ServiceIndication {
    functions: one("Functions"),
}}

const STATUS: Name = Name::new("Status");
const INVITING: Name = Name::new("Inviting");
const ATTRIBUTE_LIST: Name = Name::new("AttributeList");
const PRESENCE_SUB_LIST: Name = Name::new("PresenceSubList");
const NAME: Name = Name::new("Name");
const FEATURES: Name = Name::new("WVSSPFeat");
const FEATURE: Name = Name::new("Feature");
const NAME_ATTRIBUTE: Name = Name::new("name");

/// Branches in a tree and leaves in a branch that are kept.
const FUNCTIONS_MAX: usize = 64;
/// Longest name of a function that we keep, in octets.
const NAME_OCTETS_MAX: usize = 64;

fn read_inviter(element: Element<'_, '_>, context: &Context<'_>) -> Result<Option<Party>, Fault> {
    let Some(inviting) = element.child(INVITING) else { return Ok(None) };
    let read = inviting.children().find_map(|child| <Party as Choice<Ssp>>::read_variant(child, context));
    read.transpose().map_err(|fault| fault.within(INVITING.text))
}

/// The status of an answer is 200 whatever the decision, and stands before the inviter.
#[allow(clippy::ref_option)] // the signature of a row's writer
fn write_status_and_inviter(inviter: &Option<Party>, sink: &mut dyn Sink, context: &Context<'_>) {
    write_element::<Ssp, Status>(STATUS.text, &Status::ok(), sink, context);
    if let Some(inviter) = inviter {
        sink.open(INVITING.text);
        Choice::<Ssp>::write_variant(inviter, sink, context);
        sink.close();
    }
}

#[allow(clippy::unnecessary_wraps)] // the signature of a row's reader
fn read_attributes(element: Element<'_, '_>, _context: &Context<'_>) -> Result<Vec<Box<str>>, Fault> {
    let list = element.child(ATTRIBUTE_LIST).and_then(|list| list.child(PRESENCE_SUB_LIST));
    Ok(list.map(attributes::read).unwrap_or_default())
}

#[allow(clippy::ptr_arg)] // the signature of a row's writer
fn write_attributes(names: &Vec<Box<str>>, sink: &mut dyn Sink, context: &Context<'_>) {
    if !names.is_empty() {
        sink.open(ATTRIBUTE_LIST.text);
        attributes::write(names, sink, context);
        sink.close();
    }
}

/// A refusal names nobody.
#[allow(clippy::unnecessary_wraps)] // the signature of a row's reader
fn read_name(element: Element<'_, '_>, _context: &Context<'_>) -> Result<Box<str>, Fault> {
    Ok(element.child(NAME).map(Element::text).unwrap_or_default().into())
}

#[allow(clippy::borrowed_box)] // the signature of a row's writer
fn write_name(name: &Box<str>, sink: &mut dyn Sink, _context: &Context<'_>) {
    if !name.is_empty() {
        sink.open(NAME.text);
        sink.value(Atom::Text(name));
        sink.close();
    }
}

/// `WVSSPFeat` with branches, each with leaves `Feature name="…"`.
impl Form<Ssp> for Functions {
    fn read(element: Element<'_, '_>, _context: &Context<'_>) -> Result<Self, Fault> {
        let named = |name: &str, branches| {
            (!name.is_empty() && name.len() <= NAME_OCTETS_MAX)
                .then(|| Branch { name: name.into(), branches })
        };
        let leaf = |leaf: Element<'_, '_>| named(leaf.attribute(NAME_ATTRIBUTE)?.trim(), Vec::new());
        let branch = |branch: Element<'_, '_>| {
            let leaves = branch.children().filter(|child| child.is(FEATURE));
            named(branch.name(), leaves.filter_map(leaf).take(FUNCTIONS_MAX).collect())
        };
        let tree = element.child(FEATURES).into_iter().flat_map(Element::children);
        Ok(Self { features: tree.filter_map(branch).take(FUNCTIONS_MAX).collect() })
    }

    fn write(&self, pass: Pass, sink: &mut dyn Sink, _context: &Context<'_>) {
        if pass == Pass::Attributes {
            return;
        }
        sink.open(FEATURES.text);
        for branch in &self.features {
            sink.open(&branch.name);
            for leaf in &branch.branches {
                sink.open(FEATURE.text);
                sink.attribute(NAME_ATTRIBUTE.text, Atom::Text(&leaf.name));
                sink.close();
            }
            sink.close();
        }
        sink.close();
    }
}
