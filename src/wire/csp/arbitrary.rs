//! Strategies for the primitives that only CSP has, and [`fit`], which says independently of the
//! tables what each version can carry.

#[path = "arbitrary/fit.rs"]
mod fit;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use crate::imps::primitive::{
    AcceptedContentType, Author, Bearer, BlockEntityRequest, BlockList, Branch, Capabilities, CirMethod,
    ClientCapabilityRequest, ClientCapabilityResponse, ClientType, Contact, CreateListRequest,
    CreateListResponse, DeleteListRequest, DeliveryMethod, DigestSchema, Disconnect, Display, Entities, Font,
    ForwardMessageRequest, ForwardMessageResponse, Functions, GetBlockedListResponse, GetListResponse,
    GetMessageListRequest, GetMessageListResponse, GetMessageRequest, GetMessageResponse, KeepAliveRequest,
    KeepAliveResponse, ListManageRequest, ListManageResponse, LoginRequest, LoginResponse, MessageDelivered,
    MessageInfo, MessageNotification, NewMessage, NickList, Password, Property, Recipient,
    RejectMessageRequest, Sender, ServiceRequest, ServiceResponse, SetDeliveryMethodRequest,
    SystemMessageResponse,
};
use crate::imps::status::Status;
use crate::imps::{Primitive, Version};
use crate::wire::arbitrary::{
    client_id, common, contact_list_id, content, delivery_report, domain, group, group_id, message_id,
    message_info, recipient, screen_name, send_message_request, send_message_response, session_id, status,
    text, user, user_id,
};
use crate::wire::pa;

use fit::{fit_capabilities, fit_common, fit_info, fit_list, fit_recipient, fit_status};

/// Senders as CSP can show them: a user, a group, or a screen name with its group behind it.
fn sender() -> BoxedStrategy<Sender> {
    prop_oneof![
        user().prop_map(Sender::from),
        group_id().prop_map(|group| Sender { author: Author::Group(group), shown: None }),
        screen_name().prop_map(|name| Sender {
            author: Author::Group(name.group.clone()),
            shown: Some(Display::ScreenName(name)),
        }),
    ]
    .boxed()
}

/// A word that has a value token in some version, or any text.
fn word() -> BoxedStrategy<Box<str>> {
    const WORDS: &[&str] =
        &["N", "P", "R", "C", "BASE64", "None", "REJECT", "DETECT", "Bold", "Tiny", "Aqua", "History"];
    prop_oneof![select(WORDS).prop_map(Into::into), text()].boxed()
}

fn font() -> BoxedStrategy<Font> {
    (option::of(word()), vec(word(), 0..3), option::of(word()))
        .prop_map(|(size, styles, color)| Font { size, styles, color })
        .boxed()
}

/// As CSP carries it: no encoding where content stands beside it.
fn info(beside_content: bool) -> BoxedStrategy<MessageInfo> {
    let parties = (vec(contact_list_id(), 0..2), option::of(sender()));
    (message_info(), parties, option::of(font()), option::of(word()))
        .prop_map(move |(mut info, (lists, sender), font, encoding)| {
            info.recipients.extend(lists.into_iter().map(Recipient::ContactList));
            let content_encoding = encoding.filter(|_| !beside_content);
            MessageInfo { content_encoding, sender, font, addressed: None, ..info }
        })
        .boxed()
}

fn entities() -> BoxedStrategy<Entities> {
    (
        vec(user_id(), 0..3),
        vec(domain(), 0..2),
        vec(screen_name(), 0..2),
        vec(group_id(), 0..2),
        vec(contact_list_id(), 0..2),
        vec(text(), 0..2),
    )
        .prop_map(|(users, domains, screen_names, groups, contact_lists, applications)| Entities {
            users,
            domains,
            screen_names,
            groups,
            contact_lists,
            applications,
        })
        .boxed()
}

fn block_list() -> BoxedStrategy<BlockList> {
    let lists = (option::of(entities()), option::of(entities()), option::of(entities()));
    (option::of(any::<bool>()), lists)
        .prop_map(|(in_use, (entities, add, remove))| BlockList { in_use, entities, add, remove })
        .boxed()
}

fn branch(levels: u32) -> BoxedStrategy<Branch> {
    const NAMES: &[&str] =
        &["IMFeat", "GroupFeat", "IMSendFunc", "MDELIV", "FWMSG", "SETD", "MG", "GETSPI", "ADVSR"];
    let below = if levels > 1 { vec(branch(levels - 1), 0..3).boxed() } else { Just(Vec::new()).boxed() };
    (select(NAMES), below).prop_map(|(name, branches)| Branch { name: name.into(), branches }).boxed()
}

fn functions() -> BoxedStrategy<Functions> {
    vec(branch(3), 0..3).prop_map(|features| Functions { features }).boxed()
}

fn capabilities() -> BoxedStrategy<Capabilities> {
    let accepted = (text(), option::of(any::<u32>()), option::of(word()), option::of(any::<u32>())).prop_map(
        |(content_type, rich_content_length, policy, policy_limit)| AcceptedContentType {
            content_type,
            rich_content_length,
            policy,
            policy_limit,
        },
    );
    let number = || option::of(any::<u32>());
    let port = || option::of(any::<u16>());
    let name = || option::of(text());
    let kinds = (
        option::of(select(ClientType::ALL)),
        option::of(select(DeliveryMethod::ALL)),
        option::of(any::<bool>()),
        vec(accepted, 0..3),
        vec(word(), 0..2),
        vec(any::<u32>(), 0..2),
        vec(any::<u32>(), 0..2),
    );
    let channels = (
        vec(select(Bearer::ALL), 0..3),
        vec(select(Bearer::ALL), 0..2),
        vec(select(CirMethod::ALL), 0..3),
        (port(), name(), name(), port()),
        (name(), name(), name(), option::of(word()), option::of(word())),
    );
    let numbers = (
        (number(), number(), number(), number(), number()),
        (number(), number(), number(), number(), number()),
    );
    (kinds, channels, numbers)
        .prop_map(|(kinds, channels, ((n1, n2, n3, n4, n5), (n6, n7, n8, n9, n10)))| {
            let (client_type, initial_delivery_method, any_content, types, encodings, chars, plain) = kinds;
            let (bearers, offline_bearers, cir_methods, (udp_port, udp, tcp, tcp_port), names) = channels;
            let (cir_url, cir_sms_address, default_language, online_etem, offline_etem) = names;
            Capabilities {
                client_type,
                initial_delivery_method,
                any_content,
                accepted_charsets: chars,
                accepted_content_types: types,
                transfer_encodings: encodings,
                accepted_content_length: n1,
                pull_length: n2,
                push_length: n3,
                text_content_length: n4,
                bearers,
                offline_bearers,
                multi_trans: n5,
                multi_trans_per_message: n6,
                parser_size: n7,
                plain_text_charsets: plain,
                cir_methods,
                udp_port,
                udp_address: udp,
                tcp_address: tcp,
                tcp_port,
                cir_url,
                cir_sms_address,
                server_poll_min: n8,
                default_language,
                online_etem,
                offline_etem,
                session_priority: n9,
                user_session_limit: n10,
            }
        })
        .boxed()
}

fn system_response() -> BoxedStrategy<SystemMessageResponse> {
    (text(), option::of(any::<u32>()), option::of(text()))
        .prop_map(|(id, chosen, verification_key)| SystemMessageResponse { id, chosen, verification_key })
        .boxed()
}

fn login_request() -> BoxedStrategy<LoginRequest> {
    (
        (user_id(), client_id(), option::of(text())),
        (option::of(text()), option::of(text()), vec(select(DigestSchema::ALL), 0..3)),
        (option::of(session_id()), option::of(any::<u32>()), option::of(text())),
        (vec(system_response(), 0..3), option::of(functions()), option::of(capabilities())),
    )
        .prop_map(
            |(
                (user, client, application),
                (password, digest, schemas),
                (session, ttl, cookie),
                (r, f, c),
            )| {
                LoginRequest {
                    responses: r,
                    user,
                    client,
                    application,
                    password: password.map(|clear| Password::new(&*clear)),
                    digest,
                    schemas,
                    session,
                    time_to_live: ttl,
                    cookie,
                    functions: f,
                    capabilities: c.map(Box::new),
                }
            },
        )
        .boxed()
}

fn login_response() -> BoxedStrategy<LoginResponse> {
    (
        (option::of(user_id()), client_id(), status()),
        (option::of(text()), option::of(select(DigestSchema::ALL)), option::of(session_id())),
        (option::of(any::<u32>()), option::of(any::<bool>())),
        (option::of(functions()), option::of(capabilities())),
    )
        .prop_map(
            |(
                (user, client, result),
                (nonce, schema, session),
                (keep_alive, capability_request),
                (functions, agreed),
            )| {
                LoginResponse {
                    user,
                    client,
                    result,
                    nonce,
                    schema,
                    session,
                    keep_alive,
                    capability_request,
                    functions,
                    agreed: agreed.map(Box::new),
                }
            },
        )
        .boxed()
}

fn negotiation() -> BoxedStrategy<Primitive> {
    let client = || option::of(client_id());
    let functions = || option::of(functions());
    prop_oneof![
        login_request().prop_map(|login| Primitive::LoginRequest(Box::new(login))),
        login_response().prop_map(|login| Primitive::LoginResponse(Box::new(login))),
        (client(), functions(), any::<bool>()).prop_map(|(client, functions, all_functions_request)| {
            ServiceRequest { client, functions, all_functions_request }.into()
        }),
        (client(), functions(), functions()).prop_map(|(client, functions, all_functions)| {
            ServiceResponse { client, functions, all_functions }.into()
        }),
        (client(), capabilities()).prop_map(|(client, capabilities)| {
            ClientCapabilityRequest { client, capabilities: Box::new(capabilities) }.into()
        }),
        (client(), capabilities()).prop_map(|(client, agreed)| {
            ClientCapabilityResponse { client, agreed: Box::new(agreed) }.into()
        }),
    ]
    .boxed()
}

fn session_life() -> BoxedStrategy<Primitive> {
    let seconds = || option::of(any::<u32>());
    prop_oneof![
        status().prop_map(Primitive::Status),
        status().prop_map(|result| Disconnect { result }.into()),
        seconds().prop_map(|time_to_live| KeepAliveRequest { time_to_live }.into()),
        (status(), seconds())
            .prop_map(|(result, time_to_live)| KeepAliveResponse { result, time_to_live }.into()),
        Just(Primitive::LogoutRequest),
        Just(Primitive::PollingRequest),
        Just(Primitive::GetBlockedListRequest),
    ]
    .boxed()
}

fn messages() -> BoxedStrategy<Primitive> {
    let data = || option::of(content());
    prop_oneof![
        (send_message_request(), info(true), info(false)).prop_map(|(mut request, beside, alone)| {
            request.info = if request.content.is_some() { beside } else { alone };
            request.into()
        }),
        send_message_response().prop_map(Primitive::from),
        (info(true), data()).prop_map(|(info, content)| NewMessage { info, content }.into()),
        (status(), info(true), data()).prop_map(|(result, info, content)| GetMessageResponse {
            result,
            info,
            content
        }
        .into()),
        (delivery_report(), info(false)).prop_map(|(mut report, info)| {
            report.info = info;
            report.into()
        }),
        info(false).prop_map(|info| MessageNotification { info }.into()),
        message_id().prop_map(|message_id| MessageDelivered { message_id }.into()),
        message_id().prop_map(|message_id| GetMessageRequest { message_id }.into()),
        (option::of(group_id()), option::of(any::<u32>())).prop_map(|(group, count)| GetMessageListRequest {
            group,
            count
        }
        .into()),
        (status(), vec(info(false), 0..3), option::of(any::<u32>()))
            .prop_map(|(result, messages, total)| GetMessageListResponse { result, messages, total }.into()),
        vec(message_id(), 1..4).prop_map(|message_ids| RejectMessageRequest { message_ids }.into()),
        (
            select(DeliveryMethod::ALL),
            option::of(any::<u32>()),
            option::of(group_id()),
            option::of(any::<u32>())
        )
            .prop_map(|(method, accepted_content_length, group, group_content_limit)| {
                SetDeliveryMethodRequest { method, accepted_content_length, group, group_content_limit }
                    .into()
            }),
        (message_id(), option::of(sender()), vec(recipient(), 0..3)).prop_map(
            |(message_id, sender, recipients)| ForwardMessageRequest { message_id, sender, recipients }
                .into()
        ),
        (status(), option::of(message_id())).prop_map(|(result, message_id)| ForwardMessageResponse {
            result,
            message_id
        }
        .into()),
        (status(), option::of(block_list()), option::of(block_list())).prop_map(|(result, block, grant)| {
            Box::new(GetBlockedListResponse { result, block, grant }).into()
        }),
        (option::of(block_list()), option::of(block_list()))
            .prop_map(|(block, grant)| Box::new(BlockEntityRequest { block, grant }).into()),
    ]
    .boxed()
}

fn contact() -> BoxedStrategy<Contact> {
    (user_id(), option::of(text())).prop_map(|(user, nickname)| Contact { user, nickname }).boxed()
}

/// Names and values with and without a token of their own.
pub(in crate::wire) fn properties() -> BoxedStrategy<Vec<Property>> {
    let value = option::of(prop_oneof![Just("T".into()), Just("F".into()), text()]);
    let name = prop_oneof![Just("DisplayName".into()), Just("Default".into()), text()];
    vec((name, value).prop_map(|(name, value)| Property { name, value }), 0..3).boxed()
}

fn lists() -> BoxedStrategy<Primitive> {
    let list = contact_list_id;
    let truth = || option::of(any::<bool>());
    prop_oneof![
        Just(Primitive::GetListRequest),
        (status(), vec(list(), 0..3), option::of(list()))
            .prop_map(|(result, lists, default)| GetListResponse { result, lists, default }.into()),
        (list(), vec(contact(), 0..3), properties()).prop_map(|(list, contacts, properties)| {
            CreateListRequest { list, contacts, properties }.into()
        }),
        (status(), list(), properties()).prop_map(|(result, list, properties)| CreateListResponse {
            result,
            list,
            properties
        }
        .into()),
        list().prop_map(|list| DeleteListRequest { list }.into()),
        (list(), vec(contact(), 0..3), vec(user_id(), 0..3), properties(), truth(), truth()).prop_map(
            |(list, add, remove, properties, receive, authorize_and_grant)| {
                ListManageRequest { list, add, remove, properties, receive, authorize_and_grant }.into()
            }
        ),
        (status(), option::of(vec(contact(), 0..3)), properties()).prop_map(
            |(result, contacts, properties)| {
                let contacts = contacts.map(|contacts| NickList { contacts });
                ListManageResponse { result, contacts, properties }.into()
            }
        ),
    ]
    .boxed()
}

/// Every primitive that CSP has, with everything that any version can carry.
pub(in crate::wire) fn primitive() -> BoxedStrategy<Primitive> {
    prop_oneof![
        session_life(),
        negotiation(),
        messages(),
        lists(),
        common::shared(),
        common::csp_only(),
        group::primitive(),
        group::conversation(),
        crate::wire::pa::arbitrary::csp_primitive()
    ]
    .boxed()
}

/// What CSP has no place for in any version: the outcome of answers that are sent only with success.
pub(super) fn unsay(primitive: &mut Primitive) {
    match primitive {
        Primitive::GetMessageResponse(it) => it.result = Status::ok(),
        Primitive::GetMessageListResponse(it) => it.result = Status::ok(),
        Primitive::ForwardMessageResponse(it) => it.result = Status::ok(),
        Primitive::GetBlockedListResponse(it) => it.result = Status::ok(),
        Primitive::GetListResponse(it) => it.result = Status::ok(),
        Primitive::CreateListResponse(it) => it.result = Status::ok(),
        Primitive::SearchResponse(it) => it.result = Status::ok(),
        Primitive::GetSpInfoResponse(it) => it.result = Status::ok(),
        _ => {}
    }
}

/// What a version can carry of a primitive (reference csp-messages §1, §2, §3, §7).
pub(in crate::wire) fn fit(primitive: &mut Primitive, version: Version) {
    pa::arbitrary::fit(primitive, version);
    match primitive {
        Primitive::Status(status) => fit_status(status, version),
        Primitive::LoginRequest(login) => {
            if version < Version::V1_3 {
                (login.application, login.session) = (None, None);
                (login.functions, login.capabilities) = (None, None);
                login.responses.clear();
            }
            login.capabilities.iter_mut().for_each(|it| fit_capabilities(it, version));
        }
        Primitive::LoginResponse(login) => {
            fit_status(&mut login.result, version);
            if version < Version::V1_3 {
                (login.user, login.functions, login.agreed) = (None, None, None);
            }
            login.agreed.iter_mut().for_each(|it| fit_capabilities(it, version));
        }
        Primitive::Disconnect(it) => fit_status(&mut it.result, version),
        Primitive::KeepAliveResponse(it) => fit_status(&mut it.result, version),
        Primitive::GetPresenceResponse(it) => fit_status(&mut it.result, version),
        Primitive::GetAttributeListResponse(it) => fit_status(&mut it.result, version),
        Primitive::ServiceRequest(it) => it.client = it.client.take().filter(|_| version == Version::V1_1),
        Primitive::ServiceResponse(it) => it.client = it.client.take().filter(|_| version == Version::V1_1),
        Primitive::ClientCapabilityRequest(it) => {
            it.client = it.client.take().filter(|_| version == Version::V1_1);
            fit_capabilities(&mut it.capabilities, version);
        }
        Primitive::ClientCapabilityResponse(it) => {
            it.client = it.client.take().filter(|_| version == Version::V1_1);
            fit_capabilities(&mut it.agreed, version);
        }
        Primitive::SendMessageRequest(it) => fit_info(&mut it.info, version),
        Primitive::SendMessageResponse(it) => fit_status(&mut it.result, version),
        Primitive::NewMessage(it) => fit_info(&mut it.info, version),
        Primitive::GetMessageResponse(it) => fit_info(&mut it.info, version),
        Primitive::MessageNotification(it) => fit_info(&mut it.info, version),
        Primitive::GetMessageListResponse(it) => {
            it.messages.iter_mut().for_each(|info| fit_info(info, version));
            it.total = it.total.filter(|_| version == Version::V1_3);
        }
        Primitive::SetDeliveryMethodRequest(it) if version < Version::V1_3 => it.group_content_limit = None,
        Primitive::DeliveryReport(it) => {
            fit_status(&mut it.result, version);
            fit_info(&mut it.info, version);
        }
        Primitive::ForwardMessageRequest(it) => {
            it.sender = it.sender.take().filter(|_| version == Version::V1_3);
            it.recipients.iter_mut().for_each(|recipient| fit_recipient(recipient, version));
        }
        Primitive::GetBlockedListResponse(it) => {
            it.block.iter_mut().chain(&mut it.grant).for_each(|list| fit_list(list, version));
        }
        Primitive::BlockEntityRequest(it) => {
            it.block.iter_mut().chain(&mut it.grant).for_each(|list| fit_list(list, version));
        }
        Primitive::ListManageRequest(it) => {
            it.receive = it.receive.filter(|_| version > Version::V1_1);
            it.authorize_and_grant = it.authorize_and_grant.filter(|_| version == Version::V1_3);
        }
        Primitive::ListManageResponse(it) => fit_status(&mut it.result, version),
        other => fit_common(other, version),
    }
}
