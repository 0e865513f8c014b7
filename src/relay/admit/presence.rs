//! Presence at the door (reference ssp-behaviour §2).

use crate::imps::agreement::Service;
use crate::imps::primitive::{Presence, User};
use crate::imps::status::Entity;
use crate::imps::{Code, ContactListId, Domain, Primitive, UserId};

use super::{Door, Origin, Refused, delegated};

/// Gives every address in a client's request a domain.
pub(super) fn completed(primitive: Primitive, home: &Domain) -> Primitive {
    let users = |users: &mut Vec<UserId>| {
        for user in users {
            *user = user.completed(home);
        }
    };
    let lists = |lists: &mut Vec<ContactListId>| {
        for list in lists {
            *list = list.completed(home);
        }
    };
    let mut primitive = primitive;
    match &mut primitive {
        Primitive::SubscribePresenceRequest(request) => {
            users(&mut request.users);
            lists(&mut request.contact_lists);
        }
        Primitive::UnsubscribePresenceRequest(request) => {
            users(&mut request.users);
            lists(&mut request.contact_lists);
        }
        Primitive::GetPresenceRequest(request) => {
            users(&mut request.users);
            lists(&mut request.contact_lists);
        }
        Primitive::CreateAttributeListRequest(request) => {
            users(&mut request.users);
            lists(&mut request.contact_lists);
        }
        Primitive::DeleteAttributeListRequest(request) => {
            users(&mut request.users);
            lists(&mut request.contact_lists);
        }
        Primitive::GetAttributeListRequest(request) => {
            users(&mut request.users);
            lists(&mut request.contact_lists);
        }
        Primitive::GetReactiveAuthStatusRequest(request) => users(&mut request.users),
        Primitive::PresenceAuthUser(request) => request.user = request.user.completed(home),
        Primitive::CancelAuthRequest(request) => request.user = request.user.completed(home),
        _ => {}
    }
    primitive
}

/// What a peer asks about presence: somebody of its own asks, of ours; and it tells of its own users
/// only. What is not so is taken out of the primitive.
pub(super) fn of_peer(
    context: &Door<'_>,
    origin: &Origin,
    primitive: Primitive,
    refused: &mut Vec<(Entity, Code)>,
) -> Result<Primitive, Refused> {
    let mut primitive = primitive;
    match &mut primitive {
        Primitive::SubscribePresenceRequest(request) => {
            asked_by_user(origin)?;
            ours(context, origin, &mut request.users, refused);
        }
        Primitive::UnsubscribePresenceRequest(request) => {
            asked_by_user(origin)?;
            ours(context, origin, &mut request.users, refused);
        }
        Primitive::GetPresenceRequest(request) => {
            asked_by_user(origin)?;
            ours(context, origin, &mut request.users, refused);
        }
        Primitive::PresenceNotification(notice) => {
            for presence in &mut notice.presences {
                presence.user = presence.user.completed(context.home);
            }
            // Of ours the element tells that is run for them, and to watchers elsewhere through us.
            let element = context.agreement.delegates.contains(&Service::Presence);
            notice.presences.retain(|presence| {
                let theirs = presence.user.domain_str().is_some_and(|domain| context.vouches_for(domain))
                    || (element && presence.user.is_in(context.own));
                if !theirs {
                    refused.push((Entity::User(presence.user.clone()), Code::ADDRESS_ERROR));
                }
                theirs
            });
            for user in &mut notice.users {
                *user = User { id: user.id.completed(context.home), ..user.clone() };
            }
            let of_ours = |presence: &Presence| presence.user.is_in(context.own);
            let through_us = !notice.presences.is_empty() && notice.presences.iter().all(of_ours);
            notice.users.retain(|user| kept(through_us || user.id.is_in(context.own), &user.id, refused));
        }
        _ => {}
    }
    Ok(primitive)
}

fn asked_by_user(origin: &Origin) -> Result<(), Refused> {
    match origin {
        Origin::Peer { user: None, .. } => {
            Err(Refused::faulty(Code::BAD_REQUEST, "nobody asks for the presence of others"))
        }
        _ => Ok(()),
    }
}

/// Whose domain is missing is the peer's, as everywhere on a link.
fn ours(context: &Door<'_>, origin: &Origin, users: &mut Vec<UserId>, refused: &mut Vec<(Entity, Code)>) {
    for user in users.iter_mut() {
        *user = user.completed(context.home);
    }
    users.retain(|user| kept(delegated::is_served(context, origin, user), user, refused));
}

fn kept(ours: bool, user: &UserId, refused: &mut Vec<(Entity, Code)>) -> bool {
    if !ours {
        refused.push((Entity::User(user.clone()), Code::DOMAIN_NOT_SUPPORTED));
    }
    ours
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::imps::agreement::{Agreement, Service};
    use crate::imps::presence::PresenceSubList;
    use crate::imps::primitive::{MetaInfo, Presence, PresenceNotification, SubscribePresenceRequest};
    use crate::imps::{Moment, ServiceId};
    use crate::relay::admit::PeerContext;
    use crate::relay::admit::{Admitted, from_peer};

    fn domain(text: &str) -> Domain {
        text.parse().unwrap()
    }

    fn id(text: &str) -> UserId {
        text.parse().unwrap()
    }

    fn arrive(asks: Option<&str>, primitive: impl Into<Primitive>) -> Result<Admitted, Refused> {
        let own = domain("north.example");
        let agreement =
            Agreement { services: [Service::Presence].into(), ..Agreement::with(domain("south.example")) };
        let meta = MetaInfo {
            client_originated: asks.is_some(),
            service: ServiceId::of(domain("south.example")),
            user: asks.map(|user| User::from(id(user))),
        };
        let context = PeerContext { own: &own, agreement: &agreement };
        from_peer(&context, Some(&meta), primitive.into(), Moment::default())
    }

    fn refused(admitted: &Admitted) -> Vec<(Entity, u16)> {
        admitted.refused().iter().map(|(entity, code)| (entity.clone(), code.get())).collect()
    }

    #[test]
    fn a_peers_user_subscribes_to_ours_and_to_nobody_else() {
        let users = ["wv:ada@north.example", "wv:eve@east.example", "wv:bo"].map(id).to_vec();
        let request = SubscribePresenceRequest { users, ..SubscribePresenceRequest::default() };
        let admitted = arrive(Some("wv:bo@south.example"), request.clone()).unwrap();
        let Primitive::SubscribePresenceRequest(left) = admitted.primitive() else { panic!() };
        assert_eq!(left.users, [id("wv:ada@north.example")]);
        let user = |text| Entity::User(id(text));
        assert_eq!(
            refused(&admitted),
            [(user("wv:eve@east.example"), 516), (user("wv:bo@south.example"), 516)]
        );
        assert_eq!(arrive(None, request.clone()).unwrap_err().status.code.get(), 400, "nobody asks");
        assert_eq!(arrive(Some("wv:eve@east.example"), request).unwrap_err().status.code.get(), 901);
    }

    #[test]
    fn a_peer_tells_of_its_own_users_and_to_ours_only() {
        let of = |user| Presence { user: id(user), attributes: PresenceSubList::default() };
        let notice = PresenceNotification {
            users: vec![id("wv:ada@north.example").into(), id("wv:eve@east.example").into()],
            presences: vec![of("wv:bo@south.example"), of("wv:ada@north.example")],
        };
        let admitted = arrive(None, notice).unwrap();
        let Primitive::PresenceNotification(left) = admitted.primitive() else { panic!() };
        assert_eq!((left.users.len(), left.presences.len()), (1, 1));
        assert_eq!(refused(&admitted).iter().map(|it| it.1).collect::<Vec<_>>(), [901, 516]);
    }
}
