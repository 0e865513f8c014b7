//! Strategies for presence attributes and the primitives that carry them, and what each version can
//! carry of them, said independently of the tables.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use crate::imps::presence::{
    AddrPref, Attribute, AttributeName, ClientInfo, CommC, CommCap, ContactInfo, ContentLimit, GeoLocation,
    InfoLink, LimitedType, Link, Plain, PostalAddress, PreferredContacts, PresenceSubList, StatusContent,
    TimeZone,
};
use crate::imps::primitive::{
    AttributeGrant, Audience, CancelAuthRequest, CreateAttributeListRequest, DefaultAttributeList,
    DeleteAttributeListRequest, GetAttributeListRequest, GetAttributeListResponse, GetPresenceRequest,
    GetPresenceResponse, GetReactiveAuthStatusRequest, GetReactiveAuthStatusResponse, GetWatcherListRequest,
    GetWatcherListResponse, NotificationRequest, NotificationType, Presence, PresenceAuthRequest,
    PresenceAuthUser, PresenceNotification, ReactiveAuthState, ReactiveAuthStatus,
    SubscribeNotificationRequest, SubscribePresenceRequest, UnsubscribeNotificationRequest,
    UnsubscribePresenceRequest, UpdatePresenceRequest, UserIdPair, Watcher, WatcherStatus,
};
use crate::imps::{Primitive, Version};
use crate::wire::arbitrary::{client_id, contact_list_id, group_id, status, text, user, user_id};

/// A word that has a value token in some version, or any text.
fn word() -> BoxedStrategy<Box<str>> {
    const WORDS: &[&str] = &[
        "T",
        "F",
        "AVAILABLE",
        "DISCREET",
        "IM",
        "SMS",
        "CALL",
        "AUDIO_CALL",
        "MMS",
        "OPEN",
        "PDA",
        "HAPPY",
    ];
    prop_oneof![select(WORDS).prop_map(Into::into), text()].boxed()
}

fn plain(of_client: bool) -> BoxedStrategy<Plain> {
    let value = prop_oneof![4 => word(), 1 => Just(Box::from(""))];
    let client = if of_client { option::of(client_id()).boxed() } else { Just(None).boxed() };
    (any::<Option<bool>>(), option::of(value), client)
        .prop_map(|(qualifier, value, client)| Plain { qualifier, value, client })
        .boxed()
}

fn content_limit() -> BoxedStrategy<ContentLimit> {
    let limited = (word(), any::<Option<u32>>(), option::of(word()), any::<Option<u32>>()).prop_map(
        |(content_type, length, policy, limit)| LimitedType { content_type, length, policy, limit },
    );
    let numbers = (any::<Option<u32>>(), any::<Option<u32>>(), any::<Option<u32>>());
    (vec(limited, 0..3), any::<Option<bool>>(), numbers, vec(word(), 0..2), vec(any::<u32>(), 0..3))
        .prop_map(
            |(accepted_types, any_content, (text_length, pull_length, push_length), encodings, charsets)| {
                ContentLimit {
                    accepted_types,
                    any_content,
                    text_length,
                    transfer_encodings: encodings,
                    pull_length,
                    push_length,
                    charsets,
                }
            },
        )
        .boxed()
}

fn client_info() -> BoxedStrategy<ClientInfo> {
    let text = || option::of(text());
    let first = (any::<Option<bool>>(), option::of(content_limit()), option::of(word()), text(), text());
    (first, (text(), text(), text()), (text(), text(), option::of(client_id())))
        .prop_map(
            |((qualifier, limit, client_type, manufacturer, producer), program, (priority, app, client))| {
                let (model, version, language) = program;
                ClientInfo {
                    qualifier,
                    content_limit: limit.map(Box::new),
                    client_type,
                    manufacturer,
                    producer,
                    model,
                    version,
                    language,
                    im_priority: priority,
                    application: app,
                    client,
                }
            },
        )
        .boxed()
}

fn places() -> BoxedStrategy<Attribute> {
    let text = || option::of(text());
    let client = || option::of(client_id());
    let geo = (any::<Option<bool>>(), text(), text(), text(), text(), client()).prop_map(
        |(qualifier, longitude, latitude, altitude, accuracy, client)| {
            let place = GeoLocation { qualifier, longitude, latitude, altitude, accuracy, client };
            Attribute::GeoLocation(Box::new(place))
        },
    );
    let address =
        ((any::<Option<bool>>(), text(), text(), text(), text()), (text(), text(), text(), text(), client()))
            .prop_map(
                |(
                    (qualifier, country, city, street, crossing1),
                    (crossing2, building, named_area, accuracy, client),
                )| {
                    Attribute::Address(Box::new(PostalAddress {
                        qualifier,
                        country,
                        city,
                        street,
                        crossing1,
                        crossing2,
                        building,
                        named_area,
                        accuracy,
                        client,
                    }))
                },
            );
    let zone = (any::<Option<bool>>(), text(), client())
        .prop_map(|(qualifier, zone, client)| Attribute::TimeZone(TimeZone { qualifier, zone, client }));
    prop_oneof![geo, address, zone].boxed()
}

fn lists() -> BoxedStrategy<Attribute> {
    let qualifier = any::<Option<bool>>;
    let way = (word(), word(), option::of(text()), option::of(text()))
        .prop_map(|(cap, status, contact, note)| CommC { cap, status, contact, note });
    let contact = (word(), text(), word(), option::of(text()), option::of(text()))
        .prop_map(|(cap, address, status, name, priority)| AddrPref { cap, address, status, name, priority });
    let link = (text(), option::of(text()), option::of(word())).prop_map(|(link, text, content_type)| Link {
        link,
        text,
        content_type,
    });
    prop_oneof![
        (qualifier(), vec(way, 0..3), option::of(client_id()))
            .prop_map(|(qualifier, ways, client)| Attribute::CommCap(CommCap { qualifier, ways, client })),
        (qualifier(), vec(contact, 0..3)).prop_map(|(qualifier, contacts)| {
            Attribute::PreferredContacts(PreferredContacts { qualifier, contacts })
        }),
        (qualifier(), vec(link, 0..3))
            .prop_map(|(qualifier, links)| Attribute::InfoLink(InfoLink { qualifier, links })),
        (qualifier(), option::of(text()), option::of(text()), option::of(word())).prop_map(
            |(qualifier, direct, referred, content_type)| {
                Attribute::StatusContent(StatusContent { qualifier, direct, referred, content_type })
            }
        ),
        (qualifier(), option::of(text()), option::of(text())).prop_map(|(qualifier, contained, referred)| {
            Attribute::ContactInfo(ContactInfo { qualifier, contained, referred })
        }),
    ]
    .boxed()
}

/// Any attribute, in any use.
pub(crate) fn attribute() -> BoxedStrategy<Attribute> {
    const OF_CLIENTS: &[fn(Plain) -> Attribute] =
        &[Attribute::OnlineStatus, Attribute::Registration, Attribute::FreeTextLocation, Attribute::Plmn];
    const OF_USERS: &[fn(Plain) -> Attribute] = &[
        Attribute::UserAvailability,
        Attribute::PreferredLanguage,
        Attribute::StatusText,
        Attribute::StatusMood,
        Attribute::Alias,
    ];
    prop_oneof![
        2 => select(AttributeName::ALL).prop_map(Attribute::bare),
        2 => (select(OF_CLIENTS), plain(true)).prop_map(|(make, plain)| make(plain)),
        2 => (select(OF_USERS), plain(false)).prop_map(|(make, plain)| make(plain)),
        1 => client_info().prop_map(|info| Attribute::ClientInfo(Box::new(info))),
        1 => places(),
        3 => lists(),
    ]
    .boxed()
}

/// Attributes in order.
pub(crate) fn sub_list() -> BoxedStrategy<PresenceSubList> {
    vec(attribute(), 0..5).prop_map(PresenceSubList::new).boxed()
}

fn wanted() -> BoxedStrategy<Option<PresenceSubList>> {
    option::of(sub_list()).boxed()
}

fn presences() -> BoxedStrategy<Vec<Presence>> {
    vec((user_id(), sub_list()).prop_map(|(user, attributes)| Presence { user, attributes }), 0..3).boxed()
}

fn watcher_list() -> BoxedStrategy<GetWatcherListResponse> {
    let watcher =
        (user(), option::of(select(WatcherStatus::ALL))).prop_map(|(user, status)| Watcher { user, status });
    (status(), any::<Option<u32>>(), any::<Option<u32>>(), vec(watcher, 0..4))
        .prop_map(|(result, history_period, count, watchers)| GetWatcherListResponse {
            result,
            history_period,
            count,
            watchers,
        })
        .boxed()
}

/// Presence primitives that cross between providers without delegation.
pub(crate) fn ssp_primitive() -> BoxedStrategy<Primitive> {
    prop_oneof![
        (vec(user_id(), 0..4), wanted()).prop_map(|(users, attributes)| {
            SubscribePresenceRequest { users, attributes, ..SubscribePresenceRequest::default() }.into()
        }),
        vec(user_id(), 0..4).prop_map(|users| {
            UnsubscribePresenceRequest { users, ..UnsubscribePresenceRequest::default() }.into()
        }),
        (vec(user(), 0..3), presences()).prop_map(|(users, presences)| PresenceNotification {
            users,
            presences
        }
        .into()),
        (vec(user_id(), 0..4), wanted()).prop_map(|(users, attributes)| {
            GetPresenceRequest { users, attributes, ..GetPresenceRequest::default() }.into()
        }),
        (status(), presences())
            .prop_map(|(result, presences)| GetPresenceResponse { result, presences }.into()),
        (any::<Option<u32>>(), any::<Option<u32>>())
            .prop_map(|(history_period, limit)| GetWatcherListRequest { history_period, limit }.into()),
        watcher_list().prop_map(Primitive::from),
    ]
    .boxed()
}

fn attribute_lists() -> BoxedStrategy<Primitive> {
    let users = || vec(user_id(), 0..3);
    let lists = || vec(contact_list_id(), 0..3);
    let notify = any::<Option<bool>>;
    let audience =
        prop_oneof![user_id().prop_map(Audience::User), contact_list_id().prop_map(Audience::ContactList)];
    let grant = (audience, notify(), notify(), sub_list()).prop_map(
        |(audience, user_notify, contact_list_notify, attributes)| AttributeGrant {
            audience,
            user_notify,
            contact_list_notify,
            attributes,
        },
    );
    let default =
        (notify(), sub_list()).prop_map(|(notify, attributes)| DefaultAttributeList { notify, attributes });
    prop_oneof![
        (sub_list(), users(), lists(), any::<bool>(), (notify(), notify(), notify())).prop_map(
            |(attributes, users, contact_lists, default_list, (default, user, list))| {
                CreateAttributeListRequest {
                    attributes,
                    users,
                    contact_lists,
                    default_list,
                    default_notify: default,
                    user_notify: user,
                    contact_list_notify: list,
                }
                .into()
            }
        ),
        (users(), lists(), any::<bool>()).prop_map(|(users, contact_lists, default_list)| {
            DeleteAttributeListRequest { users, contact_lists, default_list }.into()
        }),
        (users(), lists(), any::<bool>()).prop_map(|(users, contact_lists, default_list)| {
            GetAttributeListRequest { default_list, contact_lists, users }.into()
        }),
        (status(), option::of(default), vec(grant, 0..3)).prop_map(|(result, default, grants)| {
            Primitive::from(Box::new(GetAttributeListResponse { result, default, grants }))
        }),
    ]
    .boxed()
}

fn notification() -> BoxedStrategy<NotificationRequest> {
    let flag = any::<Option<bool>>;
    (
        (select(NotificationType::ALL), flag(), flag(), flag(), any::<Option<u32>>(), option::of(text())),
        (wanted(), vec(user_id(), 0..3), vec(contact_list_id(), 0..3), option::of(group_id())),
        (vec(user(), 0..3), option::of((user_id(), user_id()))),
    )
        .prop_map(|((kind, block, grant, default_list, priority, etem), named, (members, pair))| {
            let (attributes, users, contact_lists, group) = named;
            NotificationRequest {
                block_in_use: block,
                grant_in_use: grant,
                group,
                invite: priority.map(|number| number.to_string().parse().unwrap()),
                online_etem: etem,
                attributes,
                users,
                contact_lists,
                default_list,
                session_priority: priority,
                members,
                corrected: pair.map(|(unrecognized, valid)| UserIdPair { unrecognized, valid }),
                ..NotificationRequest::of(kind)
            }
        })
        .boxed()
}

/// Every presence primitive of CSP.
pub(crate) fn csp_primitive() -> BoxedStrategy<Primitive> {
    let lists = || vec(contact_list_id(), 0..3);
    let answered = (user_id(), select(ReactiveAuthState::ALL), wanted())
        .prop_map(|(user, state, attributes)| ReactiveAuthStatus { user, state, attributes });
    prop_oneof![
        8 => (ssp_primitive(), lists(), any::<Option<bool>>()).prop_map(|(mut primitive, lists, auto)| {
            match &mut primitive {
                Primitive::SubscribePresenceRequest(it) => {
                    (it.contact_lists, it.auto_subscribe) = (lists, auto);
                }
                Primitive::UnsubscribePresenceRequest(it) => it.contact_lists = lists,
                Primitive::GetPresenceRequest(it) => it.contact_lists = lists,
                Primitive::PresenceNotification(it) => it.users.clear(),
                Primitive::GetWatcherListResponse(it) => it.result = crate::imps::Status::ok(),
                _ => {}
            }
            primitive
        }),
        6 => attribute_lists(),
        1 => sub_list().prop_map(|attributes| UpdatePresenceRequest { attributes }.into()),
        1 => (user_id(), wanted())
            .prop_map(|(user, attributes)| PresenceAuthRequest { user, attributes }.into()),
        1 => (user_id(), any::<bool>(), wanted()).prop_map(|(user, acceptance, attributes)| {
            PresenceAuthUser { user, acceptance, attributes }.into()
        }),
        1 => user_id().prop_map(|user| CancelAuthRequest { user }.into()),
        2 => notification().prop_map(|notification| Primitive::from(Box::new(notification))),
        1 => vec(select(NotificationType::ALL), 0..4)
            .prop_map(|types| SubscribeNotificationRequest { types }.into()),
        1 => vec(select(NotificationType::ALL), 0..4)
            .prop_map(|types| UnsubscribeNotificationRequest { types }.into()),
        1 => vec(user_id(), 0..3).prop_map(|users| GetReactiveAuthStatusRequest { users }.into()),
        1 => vec(answered, 0..3).prop_map(|statuses| GetReactiveAuthStatusResponse { statuses }.into()),
    ]
    .boxed()
}

/// What a version of CSP can carry of the attributes.
fn fit_list(list: &mut PresenceSubList, version: Version) {
    if version == Version::V1_3 {
        return;
    }
    // Which one of several it is has tests of its own.
    list.attributes = list.names().names().filter_map(|name| list.one(name).cloned()).collect();
    list.attributes
        .retain(|attribute| version > Version::V1_1 || !matches!(attribute, Attribute::InfoLink(_)));
    for attribute in &mut list.attributes {
        attribute.set_client(None);
        if let Attribute::ClientInfo(info) = attribute {
            (info.content_limit, info.im_priority, info.application) = (None, None, None);
        }
    }
}

fn fit_all<'l>(lists: impl IntoIterator<Item = &'l mut PresenceSubList>, version: Version) {
    lists.into_iter().for_each(|list| fit_list(list, version));
}

/// What a version of CSP can carry of a presence primitive; false if it is none.
pub(crate) fn fit(primitive: &mut Primitive, version: Version) -> bool {
    let old = version < Version::V1_3;
    match primitive {
        Primitive::SubscribePresenceRequest(it) => {
            fit_all(&mut it.attributes, version);
            it.auto_subscribe = it.auto_subscribe.filter(|_| version > Version::V1_1);
        }
        Primitive::GetPresenceRequest(it) => fit_all(&mut it.attributes, version),
        Primitive::PresenceNotification(it) => {
            fit_all(it.presences.iter_mut().map(|it| &mut it.attributes), version);
        }
        Primitive::GetPresenceResponse(it) => {
            fit_all(it.presences.iter_mut().map(|it| &mut it.attributes), version);
        }
        Primitive::UpdatePresenceRequest(it) => fit_list(&mut it.attributes, version),
        Primitive::GetWatcherListRequest(it) if version == Version::V1_1 => {
            *it = GetWatcherListRequest::default();
        }
        Primitive::GetWatcherListResponse(it) => {
            it.count = it.count.filter(|_| !old);
            it.history_period = it.history_period.filter(|_| version > Version::V1_1);
            for watcher in &mut it.watchers {
                if old {
                    (watcher.user.friendly_name, watcher.user.application) = (None, None);
                } else {
                    (watcher.user.client, watcher.user.application) = (None, None);
                }
                watcher.status = watcher.status.filter(|_| version > Version::V1_1);
            }
        }
        Primitive::CreateAttributeListRequest(it) => {
            fit_list(&mut it.attributes, version);
            if old {
                (it.default_notify, it.user_notify, it.contact_list_notify) = (None, None, None);
            }
        }
        Primitive::GetAttributeListResponse(it) => {
            for grant in &mut it.grants {
                fit_list(&mut grant.attributes, version);
                if old {
                    (grant.user_notify, grant.contact_list_notify) = (None, None);
                }
            }
            if let Some(default) = &mut it.default {
                fit_list(&mut default.attributes, version);
                default.notify = default.notify.filter(|_| !old);
            }
        }
        Primitive::PresenceAuthRequest(it) => fit_all(&mut it.attributes, version),
        Primitive::NotificationRequest(it) => {
            fit_all(&mut it.attributes, version);
            if old {
                it.members.iter_mut().for_each(|it| (it.friendly_name, it.application) = (None, None));
            }
        }
        Primitive::PresenceAuthUser(it) => {
            it.attributes = it.attributes.take().filter(|_| version > Version::V1_1);
            fit_all(&mut it.attributes, version);
        }
        Primitive::GetReactiveAuthStatusResponse(it) => {
            if version != Version::V1_2 {
                it.statuses.clear();
            }
            fit_all(it.statuses.iter_mut().filter_map(|it| it.attributes.as_mut()), version);
        }
        _ => return false,
    }
    true
}
