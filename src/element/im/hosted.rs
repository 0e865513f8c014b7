//! Messages of users whose element is run by another provider than their home (reference ssp-primitives §6).
//!
//! The element keeps the message, and hands the home a copy; the home's row is that copy until a client has it,
//! and what the client says about it goes back to the element, where the message ends.

use std::time::Duration;

use crate::imps::primitive::{
    Author, DeliveryMethod, MessageDelivered, MessageInfo, MessageNotification, MetaInfo, NewMessage,
    Recipient, SetDeliveryMethodRequest, User,
};
use crate::imps::{Code, Domain, Moment, Primitive, ServiceId, UserId};

use super::fragment;
use super::mail::{Mail, MailKind};
use super::parcel::{Parcel, lane, order};
use super::report::KEPT_FOR_PEER;
use super::send::{Link, VALIDITY_DEFAULT_SECONDS, VALIDITY_MAX_SECONDS};

/// How a home wants to hear of what arrives for one of its users.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Manner {
    /// That there is a message, and not the message.
    pub notify: bool,
    /// Longest content of a message that it gets, octets.
    pub octets_max: Option<u32>,
}

impl Manner {
    /// What a SetDeliveryMethod asks for.
    pub fn of(request: &SetDeliveryMethodRequest) -> Self {
        Self { notify: request.method == DeliveryMethod::Notify, octets_max: request.accepted_content_length }
    }

    fn tells_only(self, mail: &Mail) -> bool {
        self.notify || self.octets_max.is_some_and(|max| mail.content_octets > u64::from(max))
    }
}

/// What the element sends the home of the owner: the message, or that there is one.
pub fn to_home(mail: &Mail, manner: Manner, link: &Link<'_>) -> Result<Parcel, Code> {
    let message = fragment::open_new_message(&mail.body)?;
    let primitive: Primitive = if manner.tells_only(mail) {
        MessageNotification { info: message.info }.into()
    } else {
        message.into()
    };
    parcel(&mail.owner, &primitive, mail, mail.expires, link)
}

/// What the home tells the element when a client has the message of a row.
pub fn taken(mail: &Mail, now: Moment, link: &Link<'_>) -> Result<Parcel, Code> {
    let delivered = MessageDelivered { message_id: mail.message_id.clone() };
    let told = parcel(&mail.owner, &delivered.into(), mail, now.after(KEPT_FOR_PEER), link)?;
    Ok(Parcel { accepted: now, ..told })
}

fn parcel(
    owner: &UserId,
    primitive: &Primitive,
    mail: &Mail,
    expires: Moment,
    link: &Link<'_>,
) -> Result<Parcel, Code> {
    let user = User::from(owner.clone());
    let meta = MetaInfo {
        client_originated: matches!(primitive, Primitive::MessageDelivered(_)),
        service: ServiceId::of(link.own.clone()),
        user: Some(user.clone()),
    };
    Ok(Parcel {
        own: link.own.clone(),
        peer: link.peer.clone(),
        notice: true,
        primitive: primitive.name(),
        message_id: Some(mail.message_id.clone()),
        author: None,
        order: order(&mail.sender, &[Recipient::User(user)]),
        lane: lane(&mail.sender),
        accepted: mail.accepted,
        expires,
        reply_to: None,
        body: fragment::parcel(primitive, &meta, link.style)?,
    })
}

/// A message that the element handed over, as a row of the mailbox at home. Its author hears of it from the
/// element. 402: the message has no id; 400: nobody wrote it.
pub fn row(owner: UserId, mut message: NewMessage, element: &Domain, now: Moment) -> Result<Mail, Code> {
    let message_id = message.info.id.clone().ok_or(Code::BAD_PARAMETER)?;
    let sender = match &message.info.sender.as_ref().ok_or(Code::BAD_REQUEST)?.author {
        Author::User(user) => user.id.as_str().into(),
        Author::Group(group) => group.as_str().into(),
    };
    message.info.recipients = vec![Recipient::User(User::from(owner.clone()))];
    let octets = message.content.as_ref().map_or(0, |content| content.octets().len());
    let content_octets = message.info.content_size.unwrap_or(u64::try_from(octets).unwrap_or(u64::MAX));
    let content_type = message.info.content_type.clone().unwrap_or_default();
    let expires = end(&message.info, now);
    Ok(Mail {
        owner,
        kind: MailKind::Message,
        message_id,
        sender,
        origin: element.clone(),
        accepted: now,
        expires,
        report_wanted: false,
        reply_to: None,
        content_type,
        content_octets,
        session: None,
        replaces: None,
        body: fragment::mail(&Primitive::NewMessage(message))?,
    })
}

/// When a message ends that arrives now: it counts from when it was sent, where that is told and can be. Clocks
/// of clients may say anything, and the element hands over nothing that has ended.
fn end(info: &MessageInfo, now: Moment) -> Moment {
    let validity = validity(info.validity);
    let sent = info.date_time.and_then(|sent| u64::try_from(sent.unix()).ok());
    let sent = sent.map(|seconds| Moment::from_millis(seconds.saturating_mul(1000)));
    let counted = sent.filter(|sent| *sent <= now).map(|sent| sent.after(validity));
    counted.filter(|end| *end > now).unwrap_or_else(|| now.after(validity))
}

/// How long the element keeps a message of which it says this.
pub fn validity(seconds: Option<u32>) -> Duration {
    match seconds {
        Some(0) => super::send::IMMEDIATE,
        seconds => {
            Duration::from_secs(seconds.unwrap_or(VALIDITY_DEFAULT_SECONDS).min(VALIDITY_MAX_SECONDS).into())
        }
    }
}

/// Whether a row of a mailbox is the copy of a message that this element keeps.
pub fn is_copy(mail: &Mail, element: &Domain) -> bool {
    mail.kind == MailKind::Message && mail.session.is_none() && !mail.report_wanted && mail.origin == *element
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::element::im::fetch;
    use crate::imps::DateTime;
    use crate::imps::Version;
    use crate::imps::primitive::Sender;
    use crate::wire::ssp::{self, Style};
    use crate::wire::{Carried, Limits};

    const ADA: &str = "wv:ada@north.example";

    fn copy() -> Mail {
        let bo: UserId = "wv:bo@south.example".parse().unwrap();
        let info = MessageInfo {
            id: Some("m1@south.example".parse().unwrap()),
            sender: Some(Sender::from(User::from(bo))),
            validity: Some(60),
            ..MessageInfo::default()
        };
        let message = NewMessage { info, content: Some("four".into()) };
        row(ADA.parse().unwrap(), message, &"south.example".parse().unwrap(), Moment::from_millis(1000))
            .unwrap()
    }

    fn leaves(manner: Manner) -> Primitive {
        let (own, peer) = ("south.example".parse().unwrap(), "north.example".parse().unwrap());
        let link = Link { own: &own, peer: &peer, style: Style { version: Version::V1_3, legacy: false } };
        let parcel = to_home(&copy(), manner, &link).unwrap();
        let limits = Limits::for_document(1 << 20);
        let (meta, carried) = ssp::decode_primitive(&parcel.body, &limits).unwrap();
        assert_eq!(meta.unwrap().user.unwrap().id.as_str(), ADA, "it is said for the user");
        let Carried::Primitive(primitive) = carried else { panic!() };
        *primitive
    }

    #[test]
    fn the_life_of_a_copy_counts_from_when_its_message_was_sent_as_far_as_that_can_be() {
        let end_of = |sent| {
            let info = MessageInfo {
                validity: Some(60),
                date_time: Some(DateTime::from_unix(sent)),
                ..MessageInfo::default()
            };
            end(&info, Moment::from_millis(1_000_000))
        };
        assert_eq!(end_of(970), Moment::from_millis(1_030_000), "it was on its way for half a minute");
        for nonsense in [5, 940, 2000] {
            assert_eq!(end_of(nonsense), Moment::from_millis(1_060_000), "{nonsense}");
        }
    }

    #[test]
    fn the_home_gets_the_message_or_hears_of_it_as_it_wishes() {
        let asks = |method, accepted_content_length| {
            Manner::of(&SetDeliveryMethodRequest {
                method,
                accepted_content_length,
                group: None,
                group_content_limit: None,
            })
        };
        let Primitive::NewMessage(whole) = leaves(Manner::default()) else { panic!() };
        assert_eq!(whole.content, Some("four".into()));
        assert!(matches!(leaves(asks(DeliveryMethod::Push, Some(4))), Primitive::NewMessage(_)));
        assert!(matches!(leaves(asks(DeliveryMethod::Push, Some(3))), Primitive::MessageNotification(_)));
        assert!(matches!(leaves(asks(DeliveryMethod::Notify, None)), Primitive::MessageNotification(_)));
    }

    #[test]
    fn a_copy_at_home_is_what_clients_are_handed_and_is_known_as_a_copy() {
        let mail = copy();
        assert_eq!(mail.expires, Moment::from_millis(61_000));
        assert!(is_copy(&mail, &"south.example".parse().unwrap()));
        assert!(!is_copy(&mail, &"east.example".parse().unwrap()), "what came before is the home's own");
        assert!(matches!(fetch::push(&mail).unwrap(), Primitive::NewMessage(_)));
    }
}
