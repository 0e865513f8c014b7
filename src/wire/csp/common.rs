//! Tables of the common features: invitations, search, identities, profiles, messages of the system,
//! version discovery (reference csp-messages §4, csp.md §10).

use super::party::{read_attributes, write_attributes};
use crate::imps::Version;
use crate::imps::primitive::{
    AnswerOption, CancelInviteRequest, CancelInviteUserRequest, GetPublicProfileRequest,
    GetPublicProfileResponse, InviteRequest, InviteResponse, InviteUserRequest, InviteUserResponse,
    PublicProfile, SearchPair, SearchRequest, SearchResponse, StopSearchRequest, SystemMessage,
    SystemMessageRequest, SystemMessageResponse, SystemMessageUser, UpdatePublicProfileRequest,
    VerificationMechanism, VerifyIdRequest, VersionDiscoveryRequest, VersionDiscoveryResponse, VersionList,
};
use crate::wire::Fault;
use crate::wire::table::{Context, Csp, Form, Sink, boxed, table, write_element};
use crate::wire::tree::{Element, Name};

boxed! { Csp InviteRequest, InviteUserRequest, CancelInviteRequest, CancelInviteUserRequest }

table! { Csp InviteRequest {
    id:          one("InviteID"),
    kind:        one("InviteType"),
    sender:      inside("Sender", first_opt()).since(V1_3),
    recipients:  inside("Recipient", each()),
    application: opt("ApplicationID").since(V1_3),
    group:       opt("GroupID"),
    attributes:  own("PresenceSubList", read_attributes, write_attributes),
    urls:        many("URL").inside("URLList"),
    note:        opt("InviteNote"),
    screen_name: opt("ScreenName"),
    validity:    opt("Validity").lenient(),
}}

// In 1.2 the inviter's screen name stands as the sender only.
table! { Csp InviteUserRequest {
    id:          one("InviteID"),
    kind:        one("InviteType"),
    sender:      inside("Sender", first_opt()),
    recipients:  inside("Recipient", each()).since(V1_3),
    application: opt("ApplicationID").since(V1_3),
    group:       opt("GroupID"),
    attributes:  own("PresenceSubList", read_attributes, write_attributes),
    urls:        many("URL").inside("URLList"),
    note:        opt("InviteNote"),
    screen_name: either(opt("ScreenName").until(V1_1), opt("ScreenName").since(V1_3)),
    validity:    opt("Validity").lenient(),
}}

table! { Csp InviteUserResponse {
    id:          one("InviteID"),
    acceptance:  one("Acceptance"),
    sender:      inside("Sender", first_opt()),
    recipient:   inside("Recipient", first_opt()).since(V1_3),
    note:        opt("ResponseNote").also("InviteNote"),
    screen_name: opt("ScreenName"),
}}

table! { Csp InviteResponse {
    id:          one("InviteID"),
    acceptance:  one("Acceptance"),
    responder:   inside("Sender", first_opt()),
    inviter:     inside("Recipient", first_opt()).since(V1_3),
    note:        either(opt("ResponseNote").until(V1_2), opt("InviteNote").since(V1_3)),
    screen_name: opt("ScreenName").since(V1_3),
}}

table! { Csp CancelInviteRequest {
    id:          one("InviteID"),
    sender:      inside("Sender", first_opt()).since(V1_3),
    recipients:  inside("Recipient", each()),
    application: opt("ApplicationID").since(V1_3),
    group:       opt("GroupID").since(V1_3),
    attributes:  own("PresenceSubList", read_attributes, write_attributes).since(V1_3),
    note:        opt("InviteNote"),
    urls:        many("URL").inside("URLList"),
    screen_name: opt("ScreenName"),
}}

table! { Csp CancelInviteUserRequest {
    id:          one("InviteID"),
    sender:      inside("Sender", first_opt()),
    recipients:  inside("Recipient", each()).since(V1_3),
    application: opt("ApplicationID").since(V1_3),
    group:       opt("GroupID").since(V1_3),
    attributes:  own("PresenceSubList", read_attributes, write_attributes).since(V1_3),
    note:        opt("InviteNote"),
    urls:        many("URL").inside("URLList"),
    screen_name: opt("ScreenName").since(V1_3),
}}

table! { Csp SearchRequest {
    pairs:    own("SearchPairList", read_pairs, write_pairs),
    criteria: opt("AdvancedCriteria").since(V1_3),
    limit:    opt("SearchLimit"),
    id:       opt("SearchID"),
    index:    opt("SearchIndex"),
}}

table! { Csp SearchPair {
    element: one("SearchElement").token(),
    string:  one("SearchString"),
    id:      opt("PairID").since(V1_3),
}}

table! { Csp SearchResponse {
    result:   lost(),
    id:       opt("SearchID"),
    findings: opt("SearchFindings"),
    complete: flag("CompletionFlag"),
    index:    opt("SearchIndex"),
    users:    many("User").of("UserID").lenient().inside("UserList").inside("SearchResult"),
    groups:   many("GroupID").lenient().inside("GroupList").inside("SearchResult"),
}}

table! { Csp StopSearchRequest {
    id: one("SearchID"),
}}

table! { Csp VerifyIdRequest {
    ids: inside("IDList", each()),
} after reading: |request, element, _| {
    let first = request.ids.first();
    first.map(drop).ok_or_else(|| Fault::missing("IDList", element))
}; }

table! { Csp GetPublicProfileRequest {
    users: many("UserID"),
} after reading: |request, element, _| {
    let first = request.users.first();
    first.map(drop).ok_or_else(|| Fault::missing("UserID", element))
}; }

table! { Csp GetPublicProfileResponse {
    result:   one("Result"),
    profiles: many("PublicProfile"),
}}

table! { Csp PublicProfile {
    user:       one("UserID"),
    properties: many("Property"),
}}

table! { Csp UpdatePublicProfileRequest {
    clear:   opt("ClearPublicProfile"),
    profile: opt("PublicProfile"),
}}

table! { Csp SystemMessageRequest {
    recipients: lost(),
    messages:   many("SystemMessage").inside("SystemMessageList"),
}}

// The text of an answer shares its token with another element before 1.3.
table! { Csp SystemMessage {
    id:                one("SystemMessageID"),
    requires_response: flag("RequiresResponse"),
    text:              opt("SystemMessageText"),
    options:           many("AnswerOption").inside("AnswerOptions").since(V1_3),
    verification:      opt("VerificationMechanism"),
}}

table! { Csp AnswerOption {
    id:   one("AnswerOptionID"),
    text: one("AnswerOptionText").also("AnswerOptionsText"),
}}

table! { Csp VerificationMechanism {
    in_text: opt("InText"),
    url:     opt("URL"),
}}

table! { Csp SystemMessageUser {
    responses: many("SystemMessageResponse").inside("SystemMessageResponseList"),
} after reading: |request, element, _| {
    let first = request.responses.first();
    first.map(drop).ok_or_else(|| Fault::missing("SystemMessageResponse", element))
}; }

table! { Csp SystemMessageResponse {
    id:               one("SystemMessageID"),
    chosen:           opt("ChosenOptionID"),
    verification_key: opt("VerificationKey"),
}}

table! { Csp VersionDiscoveryRequest {
    versions: opt("VersionList"),
}}

table! { Csp VersionDiscoveryResponse {
    versions:      one("VersionList"),
    other_servers: many("OtherServer").of("URL").lenient(),
}}

table! { Csp VersionList {
    session:     many("SessionNSName"),
    transaction: many("TransactionNSName"),
    presence:    many("PresenceAttributeNSName"),
}}

const PAIR_LIST: Name = Name::new("SearchPairList");
const PAIR: Name = Name::new("SearchPair");

/// Up to 1.2 every pair is a list of its own, in 1.3 one list holds all; either is read at any version.
fn read_pairs(element: Element<'_, '_>, context: &Context<'_>) -> Result<Vec<SearchPair>, Fault> {
    let mut pairs = Vec::new();
    for list in element.children().filter(|child| child.is(PAIR_LIST)) {
        let within = |fault: Fault| fault.within(PAIR_LIST.text);
        let before = pairs.len();
        for pair in list.children().filter(|child| child.is(PAIR)) {
            pairs.push(
                Form::<Csp>::read(pair, context).map_err(|fault: Fault| within(fault.within(PAIR.text)))?,
            );
        }
        if pairs.len() == before {
            pairs.push(Form::<Csp>::read(list, context).map_err(within)?);
        }
    }
    Ok(pairs)
}

#[allow(clippy::ref_option, clippy::ptr_arg, reason = "a row hands over its field as it is")]
fn write_pairs(pairs: &Vec<SearchPair>, sink: &mut dyn Sink, context: &Context<'_>) {
    if context.version < Version::V1_3 {
        for pair in pairs {
            write_element::<Csp, SearchPair>(PAIR_LIST.text, pair, sink, context);
        }
    } else if !pairs.is_empty() {
        sink.open(PAIR_LIST.text);
        for pair in pairs {
            write_element::<Csp, SearchPair>(PAIR.text, pair, sink, context);
        }
        sink.close();
    }
}
