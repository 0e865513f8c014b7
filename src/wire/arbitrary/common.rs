//! Strategies for the common features: invitations, search, identities, profiles, messages of the system,
//! negotiation of services.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use super::{client_id, contact_list_id, group_id, recipient, screen_name, status, text, user, user_id};
use crate::imps::primitive::{
    AnswerOption, Branch, CancelInviteRequest, Functions, GetPublicProfileRequest, GetPublicProfileResponse,
    GetServiceResponse, GetSpInfoRequest, GetSpInfoResponse, InviteRequest, InviteResponse, InviteType,
    InviteUserResponse, LinkServiceRequest, LinkServiceResponse, Party, Property, PublicProfile, Recipient,
    SearchPair, SearchRequest, SearchResponse, ServiceIndication, StopSearchRequest, SystemMessage,
    SystemMessageRequest, SystemMessageResponse, SystemMessageUser, UpdatePublicProfileRequest,
    VerificationMechanism, VerifyIdRequest, VersionDiscoveryRequest, VersionDiscoveryResponse, VersionList,
};
use crate::imps::status::Entity;
use crate::imps::{InviteId, Primitive, SearchId};

fn invite_id() -> impl Strategy<Value = InviteId> {
    "[A-Za-z0-9<&\"._@-]{1,20}".prop_map(|text| text.parse().unwrap())
}

/// Numbers, and what only looks like one.
fn search_id() -> impl Strategy<Value = SearchId> {
    prop_oneof!["[0-9]{1,22}", "[A-Za-z0-9<&\"._@-]{1,20}"].prop_map(|text| text.parse().unwrap())
}

pub(crate) fn party() -> BoxedStrategy<Party> {
    prop_oneof![
        3 => user().prop_map(Party::User),
        1 => group_id().prop_map(Party::Group),
        1 => screen_name().prop_map(Party::ScreenName),
    ]
    .boxed()
}

fn attributes() -> BoxedStrategy<Vec<Box<str>>> {
    const NAMES: &[&str] = &["OnlineStatus", "UserAvailability", "StatusText", "CommCap"];
    vec(select(NAMES).prop_map(Into::into), 0..3).boxed()
}

/// Words with a token of their own and others.
fn property() -> BoxedStrategy<Property> {
    const NAMES: &[&str] = &["PP_CITY", "PP_FRIENDLY_NAME", "Name", "IsMember"];
    let name = prop_oneof![select(NAMES).prop_map(Into::into), text()];
    let value = prop_oneof![select(&["T", "F", "Open"][..]).prop_map(Into::into), text()];
    (name, option::of(value)).prop_map(|(name, value)| Property { name, value }).boxed()
}

pub(crate) fn invite_request() -> BoxedStrategy<InviteRequest> {
    (
        (invite_id(), select(InviteType::ALL), option::of(party()), vec(recipient(), 0..3)),
        (option::of(text()), option::of(group_id()), attributes(), vec(text(), 0..3)),
        (option::of(text()), option::of(screen_name()), option::of(any::<u32>())),
    )
        .prop_map(
            |(
                (id, kind, sender, recipients),
                (application, group, attributes, urls),
                (note, name, validity),
            )| {
                InviteRequest {
                    id,
                    kind,
                    sender,
                    recipients,
                    application,
                    group,
                    attributes,
                    urls,
                    note,
                    screen_name: name,
                    validity,
                }
            },
        )
        .boxed()
}

fn cancel() -> BoxedStrategy<CancelInviteRequest> {
    invite_request()
        .prop_map(|it| CancelInviteRequest {
            id: it.id,
            sender: it.sender,
            recipients: it.recipients,
            application: it.application,
            group: it.group,
            attributes: it.attributes,
            urls: it.urls,
            note: it.note,
            screen_name: it.screen_name,
        })
        .boxed()
}

fn invite_response() -> BoxedStrategy<InviteResponse> {
    (
        (invite_id(), any::<bool>()),
        (option::of(party()), option::of(party()), option::of(text()), option::of(screen_name())),
    )
        .prop_map(|((id, acceptance), (responder, inviter, note, screen_name))| InviteResponse {
            id,
            acceptance,
            responder,
            inviter,
            note,
            screen_name,
        })
        .boxed()
}

fn search_request() -> BoxedStrategy<SearchRequest> {
    const ELEMENTS: &[&str] = &["USER_ID", "GROUP_ID", "USER_CITY", "USER_ONLINE_STATUS"];
    let element = prop_oneof![select(ELEMENTS).prop_map(Into::into), text()];
    let pair = (element, text(), option::of(any::<u32>())).prop_map(|(element, string, id)| SearchPair {
        element,
        string,
        id,
    });
    let numbers = (option::of(any::<u32>()), option::of(search_id()), option::of(any::<u32>()));
    (vec(pair, 0..4), option::of(text()), numbers)
        .prop_map(|(pairs, criteria, (limit, id, index))| SearchRequest { pairs, criteria, limit, id, index })
        .boxed()
}

fn search_response() -> BoxedStrategy<SearchResponse> {
    let hits = prop_oneof![
        vec(user_id(), 0..4).prop_map(|users| (users, Vec::new())),
        vec(group_id(), 0..4).prop_map(|groups| (Vec::new(), groups)),
    ];
    let numbers = (option::of(any::<u32>()), option::of(any::<u32>()));
    (status(), option::of(search_id()), any::<bool>(), numbers, hits)
        .prop_map(|(result, id, complete, (findings, index), (users, groups))| SearchResponse {
            result,
            id,
            findings,
            complete,
            index,
            users,
            groups,
        })
        .boxed()
}

fn profile() -> BoxedStrategy<PublicProfile> {
    (user_id(), vec(property(), 0..4))
        .prop_map(|(user, properties)| PublicProfile { user, properties })
        .boxed()
}

fn system_message() -> BoxedStrategy<SystemMessage> {
    let option = (any::<u32>(), text()).prop_map(|(id, text)| AnswerOption { id, text });
    let verification = prop_oneof![
        text().prop_map(|text| VerificationMechanism { in_text: Some(text), url: None }),
        text().prop_map(|url| VerificationMechanism { in_text: None, url: Some(url) }),
    ];
    (text(), any::<bool>(), option::of(text()), vec(option, 0..3), option::of(verification))
        .prop_map(|(id, requires_response, text, options, verification)| SystemMessage {
            id,
            requires_response,
            text,
            options,
            verification,
        })
        .boxed()
}

fn entity() -> BoxedStrategy<Entity> {
    prop_oneof![
        user_id().prop_map(Entity::User),
        group_id().prop_map(Entity::Group),
        screen_name().prop_map(Entity::ScreenName),
        contact_list_id().prop_map(Entity::ContactList),
        text().prop_map(Entity::Domain),
    ]
    .boxed()
}

fn version_list() -> BoxedStrategy<VersionList> {
    let names = || vec(text(), 0..3);
    (names(), names(), names())
        .prop_map(|(session, transaction, presence)| VersionList { session, transaction, presence })
        .boxed()
}

/// Features with leaves.
fn link_functions() -> BoxedStrategy<Functions> {
    let leaf = select(&["SRCH", "INVIT", "KALIVE"][..])
        .prop_map(|name| Branch { name: name.into(), branches: Vec::new() });
    let branch = (select(&["FundamentalFeat", "ContentFeat"][..]), vec(leaf, 0..3))
        .prop_map(|(name, branches)| Branch { name: name.into(), branches });
    vec(branch, 0..3).prop_map(|features| Functions { features }).boxed()
}

/// What both CSP and SSP have.
pub(crate) fn shared() -> BoxedStrategy<Primitive> {
    prop_oneof![
        invite_request().prop_map(|it| Box::new(it).into()),
        invite_response().prop_map(Primitive::from),
        cancel().prop_map(|it| Box::new(it).into()),
        search_request().prop_map(Primitive::from),
        search_response().prop_map(Primitive::from),
        search_id().prop_map(|id| StopSearchRequest { id }.into()),
        vec(entity(), 1..5).prop_map(|ids| VerifyIdRequest { ids }.into()),
        vec(user_id(), 1..4).prop_map(|users| GetPublicProfileRequest { users }.into()),
        (status(), vec(profile(), 0..3)).prop_map(|(result, profiles)| GetPublicProfileResponse {
            result,
            profiles
        }
        .into()),
        (option::of(any::<bool>()), option::of(profile()))
            .prop_map(|(clear, profile)| UpdatePublicProfileRequest { clear, profile }.into()),
        (vec(party(), 0..3), vec(system_message(), 0..3))
            .prop_map(|(recipients, messages)| SystemMessageRequest { recipients, messages }.into()),
        vec((text(), option::of(any::<u32>()), option::of(text())), 1..3).prop_map(|responses| {
            let response =
                |(id, chosen, verification_key)| SystemMessageResponse { id, chosen, verification_key };
            SystemMessageUser { responses: responses.into_iter().map(response).collect() }.into()
        }),
        option::of(client_id()).prop_map(|client| GetSpInfoRequest { client }.into()),
        (status(), option::of(client_id()), text(), option::of(text()), option::of(text())).prop_map(
            |(result, client, name, description, url)| {
                GetSpInfoResponse { result, client, name, description, url }.into()
            }
        ),
    ]
    .boxed()
}

/// What only CSP has: the sides that face an invitee, and version discovery.
pub(crate) fn csp_only() -> BoxedStrategy<Primitive> {
    let lists = prop_oneof![
        4 => recipient(),
        1 => contact_list_id().prop_map(Recipient::ContactList),
    ];
    prop_oneof![
        (invite_request(), lists).prop_map(|(it, to)| Box::new(it.for_invitee(to)).into()),
        cancel().prop_map(|it| {
            let to = it
                .recipients
                .first()
                .cloned()
                .unwrap_or(Recipient::User("bo".parse::<crate::imps::UserId>().unwrap().into()));
            Box::new(it.for_invitee(to)).into()
        }),
        invite_response().prop_map(|it| {
            let (sender, recipient) = (it.responder, it.inviter);
            let InviteResponse { id, acceptance, note, screen_name, .. } = it;
            InviteUserResponse { id, acceptance, sender, recipient, note, screen_name }.into()
        }),
        version_discovery(),
    ]
    .boxed()
}

/// Documents of their own.
fn version_discovery() -> BoxedStrategy<Primitive> {
    prop_oneof![
        option::of(version_list()).prop_map(|versions| VersionDiscoveryRequest { versions }.into()),
        (version_list(), vec(text(), 0..2)).prop_map(|(versions, other_servers)| {
            VersionDiscoveryResponse { versions, other_servers }.into()
        }),
    ]
    .boxed()
}

/// What only SSP has: negotiation of services between servers.
pub(crate) fn ssp_only() -> BoxedStrategy<Primitive> {
    prop_oneof![
        Just(Primitive::GetServiceRequest),
        (status(), option::of(link_functions())).prop_map(|(result, functions)| GetServiceResponse {
            result,
            functions
        }
        .into()),
        link_functions().prop_map(|functions| LinkServiceRequest { functions }.into()),
        (status(), option::of(link_functions())).prop_map(|(result, functions)| LinkServiceResponse {
            result,
            functions
        }
        .into()),
        link_functions().prop_map(|functions| ServiceIndication { functions }.into()),
    ]
    .boxed()
}

/// What SSP can carry of a primitive that it shares with CSP.
pub(crate) fn fit_ssp(primitive: &mut Primitive) {
    match primitive {
        Primitive::SearchRequest(it) => {
            it.criteria = None;
            it.pairs.iter_mut().for_each(|pair| pair.id = None);
        }
        Primitive::SystemMessageRequest(it) => {
            it.messages.iter_mut().for_each(|message| message.verification = None);
        }
        Primitive::GetSpInfoRequest(it) => it.client = None,
        Primitive::GetSpInfoResponse(it) => it.client = None,
        _ => {}
    }
}
