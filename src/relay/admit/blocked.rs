//! Whom operators keep out, at the door.

use super::{Admitted, Origin, Refused};
use crate::imps::primitive::{Author, Party};
use crate::imps::{Code, Primitive, UserId};
use crate::relay::blocks::{Block, Blocks};

impl Admitted {
    /// The same if nobody is kept out who speaks here; of presences, those of users who are kept out fall out.
    /// Who is refused hears 403, not why.
    pub fn let_in(mut self, blocks: &Blocks) -> Result<Self, Refused> {
        if blocks.is_empty() {
            return Ok(self);
        }
        if let Some(block) = self.speaker(blocks) {
            return Err(Refused::blocked(Code::FORBIDDEN, block));
        }
        if let Primitive::PresenceNotification(notification) = &mut self.primitive {
            notification.presences.retain(|presence| blocks.of_user(&presence.user).is_none());
        }
        Ok(self)
    }

    /// The block of one of those in whose name this is said.
    fn speaker<'b>(&self, blocks: &'b Blocks) -> Option<&'b Block> {
        let asking = match &self.origin {
            // A user of ours, for whom its element speaks.
            Origin::Client { .. } => None,
            Origin::Peer { domain, user, .. } => blocks
                .of_domain(domain.as_str())
                .or_else(|| user.as_ref().and_then(|user| blocks.of_user(&user.id))),
        };
        asking.or_else(|| self.named_speaker().and_then(|user| blocks.of_user(user)))
    }

    /// The user who speaks, where the request itself names one.
    fn named_speaker(&self) -> Option<&UserId> {
        let party = match &self.primitive {
            Primitive::SendMessageRequest(request) => match &request.info.sender.as_ref()?.author {
                Author::User(user) => return Some(&user.id),
                Author::Group(_) => return None,
            },
            Primitive::InviteRequest(request) => &request.sender,
            Primitive::CancelInviteRequest(request) => &request.sender,
            Primitive::InviteResponse(response) => &response.responder,
            _ => return None,
        };
        party.as_ref().and_then(Party::user).map(|user| &user.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::imps::agreement::{Agreement, Service};
    use crate::imps::presence::PresenceSubList;
    use crate::imps::primitive::{
        InviteResponse, MessageInfo, MetaInfo, Presence, PresenceNotification, Recipient, SendMessageRequest,
        Sender, User,
    };
    use crate::imps::{Domain, Moment, ServiceId};
    use crate::relay::admit::{PeerContext, from_peer};
    use crate::relay::events;

    const ADA: &str = "wv:ada@north.example";
    const MALLORY: &str = "wv:mallory@west.example";
    const BO: &str = "wv:bo@south.example";

    fn user(text: &str) -> User {
        User::from(text.parse::<UserId>().unwrap())
    }

    fn message(from: &str) -> Primitive {
        let info = MessageInfo {
            sender: Some(Sender::from(user(from))),
            recipients: vec![Recipient::User(user(ADA))],
            ..MessageInfo::default()
        };
        SendMessageRequest { delivery_report: false, info, content: None }.into()
    }

    /// From south, a hub that carries west, with one block.
    fn arrives(
        block: &str,
        service: &str,
        asking: Option<&str>,
        primitive: Primitive,
    ) -> Result<Admitted, u16> {
        let domain = |text: &str| text.parse::<Domain>().unwrap();
        let agreement = Agreement {
            services: [Service::Im, Service::Presence].into(),
            carries: vec![domain("west.example")],
            ..Agreement::with(domain("south.example"))
        };
        let meta = MetaInfo {
            client_originated: asking.is_some(),
            service: ServiceId::of(domain(service)),
            user: asking.map(user),
        };
        let own = domain("north.example");
        let context = PeerContext { own: &own, agreement: &agreement };
        let block = Block {
            subject: block.parse().unwrap(),
            since: Moment::default(),
            until: None,
            reason: "spam".into(),
        };
        let blocks = Blocks::new([block], Moment::default());
        from_peer(&context, Some(&meta), primitive, Moment::default())
            .and_then(|admitted| admitted.let_in(&blocks))
            .map_err(|refused| {
                assert_eq!(refused.reason, events::Refused::Blocked, "no false alarm about identities");
                refused.status.code.get()
            })
    }

    #[test]
    fn whoever_speaks_for_somebody_who_is_blocked_is_refused() {
        let hears = |block, primitive| arrives(block, "west.example", Some(MALLORY), primitive).map(|_| ());
        assert_eq!(hears(MALLORY, message(MALLORY)), Err(403));
        assert_eq!(hears("west.example", message(MALLORY)), Err(403), "behind a hub that is not blocked");
        assert_eq!(hears("wv:moll@west.example", message(MALLORY)), Ok(()));
        // Named inside alone, by a server that asks for itself
        let alone = |primitive| arrives(MALLORY, "west.example", None, primitive).map(|_| ());
        assert_eq!(alone(message(MALLORY)), Err(403));
        let answer = InviteResponse {
            id: "i1".parse().unwrap(),
            acceptance: true,
            responder: Some(Party::User(user(MALLORY))),
            inviter: Some(Party::User(user(ADA))),
            note: None,
            screen_name: None,
        };
        assert_eq!(alone(answer.into()), Err(403));
    }

    #[test]
    fn of_presences_those_of_blocked_users_fall_out() {
        let presence =
            |of: &str| Presence { user: of.parse().unwrap(), attributes: PresenceSubList::default() };
        let told = PresenceNotification {
            users: vec![user(ADA)],
            presences: vec![presence(BO), presence("wv:cy@south.example")],
        };
        let admitted = arrives(BO, "south.example", None, told.into()).unwrap();
        let Primitive::PresenceNotification(told) = admitted.primitive() else { panic!() };
        let left: Vec<_> = told.presences.iter().map(|presence| presence.user.as_str()).collect();
        assert_eq!(left, ["wv:cy@south.example"]);
    }
}
