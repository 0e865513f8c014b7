//! What comes from a client.

use crate::imps::primitive::{Author, BlockList, ClientId, Entities, Recipient, Sender, User};
use crate::imps::{Code, Domain, Primitive, UserId};

use super::{Admitted, Beyond, Origin, Refused, common, delegated, groups, presence};
use crate::relay::agreement::{Standing, standing};

/// Stamps what a client asks with who it is. `home` is the domain of the login; it completes every
/// address without one. A mobile number without domain is a local subscriber or unknown (reference
/// ssp-transport §2.3), so it is completed like any other name.
pub fn from_client(
    user: &UserId,
    client: &ClientId,
    home: &Domain,
    primitive: Primitive,
) -> Result<Admitted, Refused> {
    let complete = |recipients: &mut Vec<Recipient>| {
        for recipient in recipients {
            *recipient = recipient.completed(home);
        }
    };
    let primitive = match primitive {
        Primitive::SendMessageRequest(mut request) => {
            if request.info.recipients.is_empty() {
                return Err(Refused::faulty(Code::BAD_PARAMETER, "the message has no recipient"));
            }
            complete(&mut request.info.recipients);
            request.info.sender = Some(own_sender(user, client, home, request.info.sender.take()));
            Primitive::SendMessageRequest(request)
        }
        Primitive::ForwardMessageRequest(mut request) => {
            if request.recipients.is_empty() {
                return Err(Refused::faulty(Code::BAD_PARAMETER, "the message has no recipient"));
            }
            complete(&mut request.recipients);
            request.sender = Some(own_sender(user, client, home, request.sender.take()));
            Primitive::ForwardMessageRequest(request)
        }
        Primitive::GetMessageListRequest(mut request) => {
            request.group = request.group.map(|group| group.completed(home));
            Primitive::GetMessageListRequest(request)
        }
        Primitive::SetDeliveryMethodRequest(mut request) => {
            request.group = request.group.map(|group| group.completed(home));
            Primitive::SetDeliveryMethodRequest(request)
        }
        lists @ (Primitive::BlockEntityRequest(_)
        | Primitive::CreateListRequest(_)
        | Primitive::DeleteListRequest(_)
        | Primitive::ListManageRequest(_)) => delegated::completed(lists, home),
        Primitive::NewMessage(_)
        | Primitive::MessageNotification(_)
        | Primitive::DeliveryReport(_)
        | Primitive::GroupChangeNotice(_)
        | Primitive::LeaveGroupResponse(_)
        | Primitive::PresenceNotification(_)
        | Primitive::PresenceAuthRequest(_)
        | Primitive::NotificationRequest(_)
        | Primitive::Disconnect(_) => {
            let what = format!("{} is asked by servers only", primitive.name());
            return Err(Refused::faulty(Code::BAD_REQUEST, &what));
        }
        other if standing(&other) == Standing::Answer => {
            let what = format!("{} came as a request", other.name());
            return Err(Refused::faulty(Code::BAD_REQUEST, &what));
        }
        mut other => match groups::from_client(&mut other, home).transpose()? {
            Some(()) => other,
            None => common::from_client(user, home, presence::completed(other, home))?,
        },
    };
    let origin = Origin::Client { user: user.clone(), client: client.clone() };
    Ok(Admitted { origin, primitive, refused: Vec::new(), beyond: Beyond::Anywhere })
}

/// The user of the login, whatever the client wrote (reference csp-messages §7: a missing or foreign
/// Sender is replaced, not refused). Of what it wrote about itself the friendly name stays, and the
/// client if it is the one of the session. A screen name would stay in a group it joined; there are none.
fn own_sender(user: &UserId, client: &ClientId, home: &Domain, written: Option<Sender>) -> Sender {
    let own = User::from(user.clone());
    match written.map(|sender| sender.author) {
        Some(Author::User(written)) if written.id.completed(home) == *user => Sender::from(User {
            friendly_name: written.friendly_name,
            client: written.client.filter(|written| written == client),
            ..own
        }),
        _ => Sender::from(own),
    }
}

pub(super) fn complete_list(list: &mut BlockList, home: &Domain) {
    for entities in [&mut list.entities, &mut list.add, &mut list.remove].into_iter().flatten() {
        let Entities { users, screen_names, groups, contact_lists, domains: _, applications: _ } = entities;
        for user in users {
            *user = user.completed(home);
        }
        for screen_name in screen_names {
            screen_name.group = screen_name.group.completed(home);
        }
        for group in groups {
            *group = group.completed(home);
        }
        for contact_list in contact_lists {
            *contact_list = contact_list.completed(home);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::element::lists::{ContactList, Lists};
    use crate::imps::Status;
    use crate::imps::primitive::{
        Contact, DeliveryReport, ListManageRequest, MessageInfo, SendMessageRequest,
    };
    use crate::imps::status::Entity;

    const ADA: &str = "wv:ada@north.example";
    const BO: &str = "wv:bo@south.example";

    fn user(text: &str) -> User {
        User::from(text.parse::<UserId>().unwrap())
    }

    fn message(sender: Option<&str>, recipients: &[&str]) -> SendMessageRequest {
        SendMessageRequest {
            delivery_report: false,
            info: MessageInfo {
                sender: sender.map(|sender| Sender::from(user(sender))),
                recipients: recipients.iter().map(|to| Recipient::User(user(to))).collect(),
                ..MessageInfo::default()
            },
            content: Some("hello".into()),
        }
    }

    fn sent(admitted: &Admitted) -> &SendMessageRequest {
        match admitted.primitive() {
            Primitive::SendMessageRequest(request) => request,
            other => panic!("{}", other.name()),
        }
    }

    fn code(result: Result<Admitted, Refused>) -> u16 {
        result.map_or_else(|refused| refused.status.code.get(), |_| 200)
    }

    fn ask(primitive: impl Into<Primitive>) -> Result<Admitted, Refused> {
        let phone = ClientId { url: Some("phone".into()), ..ClientId::default() };
        from_client(&ADA.parse().unwrap(), &phone, &"north.example".parse().unwrap(), primitive.into())
    }

    #[test]
    fn a_client_is_who_its_login_says_whatever_it_writes() {
        for written in [None, Some("wv:ada"), Some(BO)] {
            let admitted = ask(message(written, &[BO])).unwrap();
            assert_eq!(sent(&admitted).info.sender, Some(Sender::from(user(ADA))));
        }
        let mut named = message(Some("ADA"), &[BO]);
        if let Some(Sender { author: Author::User(sender), .. }) = &mut named.info.sender {
            sender.friendly_name = Some("Ada".into());
        }
        let admitted = ask(named).unwrap();
        assert_eq!(sent(&admitted).info.author().unwrap().friendly_name.as_deref(), Some("Ada"));
    }

    #[test]
    fn what_a_client_leaves_out_of_an_address_is_its_home() {
        let admitted = ask(message(None, &["cy", "wv:+358401234567"])).unwrap();
        let recipients = ["wv:cy@north.example", "wv:+358401234567@north.example"];
        assert_eq!(
            sent(&admitted).info.recipients,
            recipients.map(|to| Recipient::User(user(to))),
            "a mobile number is a local subscriber, or unknown"
        );
        assert_eq!(code(ask(message(None, &[]))), 402);
    }

    #[test]
    fn a_list_named_a_thousand_times_is_expanded_once() {
        let mut lists = Lists::new(ADA.parse().unwrap());
        lists.lists.push(ContactList {
            id: "wv:ada/crew@north.example".parse().unwrap(),
            display_name: None,
            contacts: vec![Contact { user: BO.parse().unwrap(), nickname: None }],
        });
        let mut named = message(None, &["wv:cy"]);
        for list in ["wv:ada/crew", "wv:ada/none"].repeat(1000) {
            named.info.recipients.push(Recipient::ContactList(list.parse().unwrap()));
        }
        let admitted = ask(named).unwrap();
        assert_eq!(admitted.lists_named().len(), 2000);
        let admitted = admitted.expanded(&lists);
        let recipients = ["wv:cy@north.example", BO].map(|to| Recipient::User(user(to)));
        assert_eq!(sent(&admitted).info.recipients, recipients);
        let none = Entity::ContactList("wv:ada/none@north.example".parse().unwrap());
        assert_eq!(admitted.refused(), [(none, Code::NO_CONTACT_LIST)]);
        assert!(admitted.lists_named().is_empty());
    }

    #[test]
    fn lists_and_contacts_without_domain_are_at_home_here() {
        let home = "north.example".parse().unwrap();
        let contact = |text: &str| Contact { user: text.parse().unwrap(), nickname: None };
        let request = ListManageRequest {
            list: "wv:ada/friends".parse().unwrap(),
            add: vec![contact("cy"), contact(BO)],
            remove: vec!["dee".parse().unwrap()],
            properties: Vec::new(),
            receive: None,
            authorize_and_grant: None,
        };
        let admitted = ask(request).unwrap();
        let Primitive::ListManageRequest(read) = admitted.primitive() else { panic!() };
        assert!(read.list.is_in(&home) && read.remove[0].is_in(&home));
        let users: Vec<_> = read.add.iter().map(|contact| contact.user.as_str()).collect();
        assert_eq!(users, ["wv:cy@north.example", BO]);
    }

    #[test]
    fn a_client_may_not_ask_what_only_servers_ask() {
        let info = message(Some(ADA), &[BO]).info;
        let report = DeliveryReport { result: Status::ok(), delivery_time: None, info };
        assert_eq!(code(ask(report)), 400);
        assert_eq!(code(ask(Status::ok())), 400);
        assert_eq!(code(ask(Primitive::GetBlockedListRequest)), 200);
    }
}
