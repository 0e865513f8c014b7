//! Invitations, searches, identities and profiles at the door (reference ssp-behaviour §2).

use crate::element::common::invite::INVITEES_MAX;
use crate::imps::primitive::{Party, Recipient, User};
use crate::imps::status::Entity;
use crate::imps::{Code, Domain, Primitive, UserId};

use super::{Door, Origin, Refused, entity_text};

/// Users or identities that one request may name; more are answered 402.
const NAMED_MAX: usize = 100;

/// What a client asks, with complete addresses and itself as the sender. A primitive of another kind passes
/// unchanged.
pub(super) fn from_client(
    user: &UserId,
    home: &Domain,
    mut primitive: Primitive,
) -> Result<Primitive, Refused> {
    match &mut primitive {
        Primitive::InviteRequest(request) => {
            bounded(request.recipients.len(), 1, INVITEES_MAX)?;
            complete(&mut request.recipients, home);
            request.sender = Some(own(user, home, request.sender.take()));
            request.group = request.group.take().map(|group| group.completed(home));
            complete_name(&mut request.screen_name, home);
        }
        Primitive::CancelInviteRequest(request) => {
            bounded(request.recipients.len(), 0, INVITEES_MAX)?;
            complete(&mut request.recipients, home);
            request.sender = Some(own(user, home, request.sender.take()));
            request.group = request.group.take().map(|group| group.completed(home));
            complete_name(&mut request.screen_name, home);
        }
        Primitive::InviteUserResponse(response) => {
            response.sender = Some(own(user, home, response.sender.take()));
            response.recipient = response.recipient.take().map(|inviter| inviter.completed(home));
            complete_name(&mut response.screen_name, home);
        }
        Primitive::VerifyIdRequest(request) => {
            bounded(request.ids.len(), 1, NAMED_MAX)?;
            request.ids.iter_mut().for_each(|id| complete_entity(id, home));
        }
        Primitive::GetPublicProfileRequest(request) => {
            bounded(request.users.len(), 1, NAMED_MAX)?;
            request.users.iter_mut().for_each(|user| *user = user.completed(home));
        }
        Primitive::UpdatePublicProfileRequest(request) => {
            if let Some(profile) = &mut request.profile {
                profile.user = profile.user.completed(home);
            }
        }
        Primitive::ExtendConversationRequest(request) => {
            bounded(request.users.len(), 0, NAMED_MAX)?;
            request.users.iter_mut().for_each(|user| *user = user.completed(home));
            request.partner.id = request.partner.id.completed(home);
        }
        Primitive::GetMapRequest(request) => {
            request.user = request.user.take().map(|user| user.completed(home));
        }
        Primitive::InviteUserRequest(_)
        | Primitive::CancelInviteUserRequest(_)
        | Primitive::InviteResponse(_)
        | Primitive::SystemMessageRequest(_) => {
            let what = format!("{} is asked by servers only", primitive.name());
            return Err(Refused::faulty(Code::BAD_REQUEST, &what));
        }
        _ => {}
    }
    Ok(primitive)
}

fn bounded(found: usize, least: usize, most: usize) -> Result<(), Refused> {
    if found < least || found > most {
        let what = format!("the request names {found}; {least} to {most} are allowed");
        return Err(Refused::faulty(Code::BAD_PARAMETER, &what));
    }
    Ok(())
}

fn complete(recipients: &mut [Recipient], home: &Domain) {
    for recipient in recipients {
        *recipient = recipient.completed(home);
    }
}

fn complete_name(name: &mut Option<crate::imps::primitive::ScreenName>, home: &Domain) {
    if let Some(name) = name {
        name.group = name.group.completed(home);
    }
}

fn complete_entity(entity: &mut Entity, home: &Domain) {
    match entity {
        Entity::User(user) => *user = user.completed(home),
        Entity::Group(group) => *group = group.completed(home),
        Entity::ScreenName(name) => name.group = name.group.completed(home),
        Entity::ContactList(list) => *list = list.completed(home),
        Entity::Message(_) | Entity::Domain(_) => {}
    }
}

/// The user of the login, whatever the client wrote; of that only the friendly name stays.
fn own(user: &UserId, home: &Domain, written: Option<Party>) -> Party {
    let friendly_name = match written {
        Some(Party::User(written)) if written.id.completed(home) == *user => written.friendly_name,
        _ => None,
    };
    Party::User(User { friendly_name, ..user.clone().into() })
}

/// What a peer asks: whoever speaks is of its domain, whoever is spoken to is ours. What is neither is taken
/// out, with a code. A primitive of another kind passes unchanged.
pub(super) fn from_peer(
    context: &Door<'_>,
    origin: &Origin,
    mut primitive: Primitive,
    refused: &mut Vec<(Entity, Code)>,
) -> Result<Primitive, Refused> {
    let peer = &context.agreement.domain;
    match &mut primitive {
        Primitive::InviteRequest(request) => {
            bounded(request.recipients.len(), 1, INVITEES_MAX)?;
            request.sender = Some(theirs(context, origin, "the inviter", request.sender.take())?);
            complete(&mut request.recipients, peer);
            request
                .recipients
                .retain(|recipient| ours(context, &recipient.entity(), recipient.domain_str(), refused));
        }
        Primitive::CancelInviteRequest(request) => {
            bounded(request.recipients.len(), 1, INVITEES_MAX)?;
            request.sender = Some(theirs(context, origin, "who cancels", request.sender.take())?);
            complete(&mut request.recipients, peer);
            request
                .recipients
                .retain(|recipient| ours(context, &recipient.entity(), recipient.domain_str(), refused));
        }
        Primitive::InviteResponse(response) => {
            let inviter = response.inviter.take().map(|party| party.completed(context.home));
            let responder = response.responder.take().map(|party| party.completed(context.home));
            let is_ours = |party: &Option<Party>| {
                party.as_ref().and_then(Party::domain_str) == Some(context.own.as_str())
            };
            // The one known implementation names them the wrong way round (conflict C-08).
            let (inviter, responder) = if !is_ours(&inviter) && is_ours(&responder) {
                (responder, inviter)
            } else {
                (inviter, responder)
            };
            response.responder = Some(theirs(context, origin, "who answers", responder)?);
            match inviter {
                Some(inviter) if inviter.domain_str() == Some(context.own.as_str()) => {
                    response.inviter = Some(inviter);
                }
                Some(inviter) => {
                    let found = inviter.entity();
                    let shown = entity_text(&found);
                    return Err(Refused::identity("the inviter", found, &shown, context.own));
                }
                None => return Err(Refused::faulty(Code::BAD_REQUEST, "the answer names no inviter")),
            }
        }
        Primitive::VerifyIdRequest(request) => {
            bounded(request.ids.len(), 1, NAMED_MAX)?;
            request.ids.iter_mut().for_each(|id| complete_entity(id, peer));
            request.ids.retain(|id| match id {
                Entity::Domain(_) => true,
                Entity::ContactList(_) => {
                    refused.push((id.clone(), Code::NO_CONTACT_LIST));
                    false
                }
                other => ours(context, other, domain_of(other), refused),
            });
        }
        Primitive::GetPublicProfileRequest(request) => {
            bounded(request.users.len(), 1, NAMED_MAX)?;
            request.users.iter_mut().for_each(|user| *user = user.completed(context.home));
            request
                .users
                .retain(|user| ours(context, &Entity::User(user.clone()), user.domain_str(), refused));
        }
        _ => {}
    }
    Ok(primitive)
}

/// The home of what an entity names, as written.
pub(crate) fn domain_of(entity: &Entity) -> Option<&str> {
    match entity {
        Entity::User(user) => user.domain_str(),
        Entity::Group(group) => group.domain_str(),
        Entity::ScreenName(name) => name.group.domain_str(),
        Entity::ContactList(list) => list.domain_str(),
        Entity::Domain(domain) => Some(domain),
        Entity::Message(_) => None,
    }
}

/// Whoever speaks is of a domain that the peer speaks for; nobody named is the user who asks.
fn theirs(context: &Door<'_>, origin: &Origin, role: &str, written: Option<Party>) -> Result<Party, Refused> {
    let peer = &context.agreement.domain;
    let asking = match origin {
        Origin::Peer { user: Some(user), .. } => Some(Party::User(User { client: None, ..user.clone() })),
        _ => None,
    };
    let Some(party) = written.map(|party| party.completed(context.home)).or(asking) else {
        return Err(Refused::faulty(Code::BAD_REQUEST, &format!("nobody is named as {role}")));
    };
    if party.domain_str().is_some_and(|domain| context.vouches_for(domain)) {
        return Ok(party);
    }
    let found = party.entity();
    let shown = entity_text(&found);
    Err(Refused::identity(role, found, &shown, peer))
}

fn ours(
    context: &Door<'_>,
    entity: &Entity,
    domain: Option<&str>,
    refused: &mut Vec<(Entity, Code)>,
) -> bool {
    if domain == Some(context.own.as_str()) {
        return true;
    }
    refused.push((entity.clone(), Code::DOMAIN_NOT_SUPPORTED));
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::imps::agreement::{Agreement, Service};
    use crate::imps::primitive::{
        GetPublicProfileRequest, InviteRequest, InviteResponse, InviteType, MetaInfo, SystemMessageUser,
        VerifyIdRequest,
    };
    use crate::imps::{Moment, ServiceId};
    use crate::relay::admit::PeerContext;
    use crate::relay::admit::{self, Admitted};

    const ADA: &str = "wv:ada@north.example";
    const BO: &str = "wv:bo@south.example";

    fn user(text: &str) -> Party {
        Party::User(text.parse::<UserId>().unwrap().into())
    }

    fn invite(sender: Option<Party>, recipients: &[&str]) -> Primitive {
        let to = |text: &&str| Recipient::User(text.parse::<UserId>().unwrap().into());
        Box::new(InviteRequest {
            id: "i1".parse().unwrap(),
            kind: InviteType::Message,
            sender,
            recipients: recipients.iter().map(to).collect(),
            application: None,
            group: None,
            attributes: Vec::new(),
            urls: Vec::new(),
            note: None,
            screen_name: None,
            validity: None,
        })
        .into()
    }

    fn response(inviter: Option<Party>, responder: Option<Party>) -> Primitive {
        let id = "i1".parse().unwrap();
        InviteResponse { id, acceptance: true, responder, inviter, note: None, screen_name: None }.into()
    }

    /// From a user of south.example to north.example.
    fn arrives(services: &[Service], primitive: impl Into<Primitive>) -> Result<Admitted, Refused> {
        let south: Domain = "south.example".parse().unwrap();
        let own: Domain = "north.example".parse().unwrap();
        let agreement =
            Agreement { services: services.iter().copied().collect(), ..Agreement::with(south.clone()) };
        let user = Some(BO.parse::<UserId>().unwrap().into());
        let meta = MetaInfo { client_originated: true, service: ServiceId::of(south), user };
        let context = PeerContext { own: &own, agreement: &agreement };
        admit::from_peer(&context, Some(&meta), primitive.into(), Moment::default())
    }

    fn code(result: Result<Admitted, Refused>) -> u16 {
        result.map_or_else(|refused| refused.status.code.get(), |_| 200)
    }

    #[test]
    fn a_peer_invites_for_its_own_users_and_only_ours() {
        assert_eq!(code(arrives(&[Service::Im], invite(Some(user(ADA)), &[ADA]))), 901);
        assert_eq!(
            code(arrives(&[], invite(Some(user(BO)), &[ADA]))),
            506,
            "an invitation belongs to its type"
        );
        let admitted = arrives(&[Service::Im], invite(None, &[ADA, "wv:eve@east.example"])).unwrap();
        let Primitive::InviteRequest(request) = admitted.primitive() else { panic!() };
        assert_eq!(request.sender, Some(user(BO)), "nobody named is the user who asks");
        assert_eq!(request.recipients.len(), 1);
        assert_eq!(admitted.refused()[0].1, Code::DOMAIN_NOT_SUPPORTED);
    }

    #[test]
    fn an_answer_with_its_roles_swapped_is_turned_round() {
        let roles = |admitted: Admitted| match admitted.into_parts().1 {
            Primitive::InviteResponse(response) => (response.inviter, response.responder),
            other => panic!("{}", other.name()),
        };
        let right = roles(arrives(&[], response(Some(user(ADA)), Some(user(BO)))).unwrap());
        let swapped = roles(arrives(&[], response(Some(user(BO)), Some(user(ADA)))).unwrap());
        assert_eq!((&right, right.clone()), (&swapped, (Some(user(ADA)), Some(user(BO)))));
        assert_eq!(code(arrives(&[], response(Some(user(ADA)), Some(user("wv:eve@east.example"))))), 901);
        assert_eq!(code(arrives(&[], response(Some(user("wv:eve@east.example")), Some(user(BO))))), 901);
        assert_eq!(code(arrives(&[], response(None, Some(user(BO))))), 400);
    }

    #[test]
    fn profiles_need_the_search_service_and_identities_none() {
        let profiles = GetPublicProfileRequest { users: vec![ADA.parse().unwrap(), BO.parse().unwrap()] };
        assert_eq!(code(arrives(&[Service::Im], profiles.clone())), 506);
        assert_eq!(arrives(&[Service::Search], profiles).unwrap().refused()[0].1.get(), 516);
        let ids = vec![
            Entity::User(ADA.parse().unwrap()),
            Entity::ContactList("wv:ada/friends@north.example".parse().unwrap()),
            Entity::Domain("anything".into()),
        ];
        let admitted = arrives(&[], VerifyIdRequest { ids }).unwrap();
        assert_eq!(admitted.refused()[0].1, Code::NO_CONTACT_LIST, "lists stay at home");
    }

    #[test]
    fn a_foreign_operator_does_not_talk_to_our_users() {
        let every = Service::ALL;
        assert_eq!(code(arrives(every, SystemMessageUser { responses: Vec::new() })), 506);
    }

    #[test]
    fn a_client_is_the_inviter_whatever_it_writes() {
        let ask =
            |primitive| from_client(&ADA.parse().unwrap(), &"north.example".parse().unwrap(), primitive);
        let Ok(Primitive::InviteRequest(request)) = ask(invite(Some(user(BO)), &["cy"])) else { panic!() };
        assert_eq!(request.sender, Some(user(ADA)));
        assert_eq!(request.recipients[0].domain_str(), Some("north.example"));
        assert_eq!(ask(invite(None, &[])).unwrap_err().status.code, Code::BAD_PARAMETER);
        assert_eq!(ask(response(None, None)).unwrap_err().status.code, Code::BAD_REQUEST);
    }
}
