//! Invitations between our clients, and with those of peers.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tracing::{debug, info, warn};

use super::super::Sap;
use super::super::clients::Client;
use super::super::questions::{Question, Reply, style};
use super::super::services::PeerAsks;
use crate::element::common::invite::{self, Invitation};
use crate::element::group::{self, Group};
use crate::element::im::{Mail, fetch};
use crate::element::lists::access::Caller;
use crate::element::notify::Notify;
use crate::imps::primitive::{
    AddGroupMembersRequest, CancelInviteRequest, InviteRequest, InviteResponse, InviteType,
    InviteUserResponse, NotificationRequest, NotificationType, Party, Recipient, User,
};
use crate::imps::status::Entity;
use crate::imps::{Address, Code, Domain, GroupId, InviteId, Primitive, Status, TransactionId, UserId};
use crate::relay::admit::Origin;
use crate::relay::budget::Budget;
use crate::relay::ports::{Change, CommonChange, Outcome, StoreError, StoredOutgoing};
use crate::relay::route::Home;
use crate::relay::split::by_domain;
use crate::wire::{Carried, Limits, ssp};

/// What an invitation comes to at the home of those who are invited.
#[derive(Default)]
struct Invited {
    outcomes: Vec<(Entity, Code)>,
    remembered: Vec<Invitation>,
    notices: Vec<Notify>,
}

fn dropped(inviter: &UserId, id: &InviteId, addressed: Address) -> Change {
    Change::Common(CommonChange::DropInvitation { inviter: inviter.clone(), id: id.clone(), addressed })
}

/// What clients are told where servers have codes of their own (reference status-codes: prefer 402).
const fn for_client(code: Code) -> Code {
    match code {
        Code::MISSING_GROUP | Code::BAD_REQUEST => Code::BAD_PARAMETER,
        other => other,
    }
}

impl Sap {
    /// A client invites. Everybody here is told at once, those elsewhere are asked for by one request each
    /// (reference ssp-primitives §3.1); the answer says whom the invitation reaches.
    pub(in super::super) async fn invite(
        &self,
        client: &Arc<Client>,
        mut request: InviteRequest,
    ) -> Result<Primitive, StoreError> {
        let by = client.as_user();
        let Some(own) = by.id.domain() else { return Ok(Status::new(Code::INTERNAL_ERROR).into()) };
        if let Some(code) = invite::flaw(&request) {
            return Ok(Status::new(for_client(code)).into());
        }
        let now = self.now();
        let (recipients, missing) = self.expanded(&by.id, std::mem::take(&mut request.recipients)).await?;
        if recipients.len() > invite::INVITEES_MAX {
            return Ok(Status::new(Code::BAD_PARAMETER).into());
        }
        let divided = {
            let map = self.map();
            by_domain(recipients, |recipient| map.routes.place_of(recipient), &map.routes, now)
        };
        let Invited { mut outcomes, mut remembered, notices } =
            self.invited_here(&own, &by, &request, divided.local, None).await?;
        outcomes.extend(missing);
        outcomes
            .extend(divided.unknown.iter().map(|recipient| (recipient.entity(), Code::DOMAIN_NOT_SUPPORTED)));
        let mut named = Vec::new();
        let mut questions = Vec::new();
        for elsewhere in divided.remote {
            for recipient in elsewhere.items {
                let Some(address) = invite::address(&recipient) else { continue };
                remembered.push(invite::open(&request, &by.id, address.clone(), address.clone(), None, now));
                let primitive = InviteRequest { recipients: vec![recipient.clone()], ..request.clone() };
                questions.push(Question {
                    own: own.clone(),
                    peer: elsewhere.peer.clone(),
                    by: Some(by.clone()),
                    client_originated: true,
                    primitive: Box::new(primitive).into(),
                    kept: Some(Duration::from_secs(invite::seconds(&request).into())),
                    order: by.id.as_str().into(),
                });
                named.push((recipient.entity(), address));
            }
        }
        if remembered.is_empty() {
            return Ok(Status::merge(outcomes).into());
        }
        // Remembered before it leaves: an answer can overtake everything.
        let put = Change::Common(CommonChange::PutInvitations { invitations: remembered, now: self.now() });
        if self.commit_and_tell(vec![put], notices).await?.first() != Some(&Outcome::Done) {
            return Ok(Status::new(Code::QUEUE_FULL).into());
        }
        let mut forgotten = Vec::new();
        for ((entity, address), reply) in named.into_iter().zip(self.ask(questions, Vec::new()).await?) {
            let code = reply.code_for(&entity);
            if let Reply::Answer(answer) = reply
                && let Primitive::InviteResponse(response) = *answer
            {
                // Some answer the invitation inside its own transaction, as the one known implementation wants it.
                self.tell_inviter(&own, &by.id, response).await?;
            } else if !code.is_success() {
                forgotten.push(dropped(&by.id, &request.id, address));
            }
            outcomes.push((entity, code));
        }
        if !forgotten.is_empty() {
            self.store.commit(forgotten).await?;
        }
        Ok(Status::merge(outcomes).into())
    }

    /// Members in the place of contact lists; those that the user does not have come with 700.
    async fn expanded(
        &self,
        user: &UserId,
        recipients: Vec<Recipient>,
    ) -> Result<(Vec<Recipient>, Vec<(Entity, Code)>), StoreError> {
        let wanted: Vec<_> = recipients
            .iter()
            .filter_map(|recipient| match recipient {
                Recipient::ContactList(list) => Some(list.clone()),
                _ => None,
            })
            .collect();
        let mut members = Vec::new();
        let mut missing = Vec::new();
        if !wanted.is_empty() {
            for lists in self.store.lists(vec![user.clone()]).await? {
                let expanded = lists.expand(&wanted);
                members.extend(expanded.users.into_iter().map(|user| Recipient::User(user.into())));
                missing.extend(expanded.missing);
            }
        }
        // Who has to wait is out of reach now.
        let _ = self.meet(members.iter().filter_map(Recipient::domain_str)).await;
        let named =
            recipients.into_iter().filter(|recipient| !matches!(recipient, Recipient::ContactList(_)));
        let mut seen = HashSet::new();
        let everybody = named.chain(members).filter(|recipient| seen.insert(recipient.entity()));
        Ok((everybody.collect(), missing))
    }

    /// Who of ours is told of an invitation: a user, if its lists admit the inviter. Nothing is stored yet.
    async fn invited_here(
        &self,
        own: &Domain,
        inviter: &User,
        request: &InviteRequest,
        recipients: Vec<Recipient>,
        reply_to: Option<&TransactionId>,
    ) -> Result<Invited, StoreError> {
        let now = self.now();
        let mut found = Invited::default();
        let mut users = Vec::new();
        for recipient in recipients {
            match recipient {
                Recipient::User(user) => users.push(user),
                Recipient::ContactList(list) => {
                    found.outcomes.push((Entity::ContactList(list), Code::NO_CONTACT_LIST));
                }
                Recipient::Group(_) | Recipient::ScreenName(_) => {
                    self.invited_group(own, inviter, request, recipient, reply_to, &mut found).await?;
                }
            }
        }
        let ids: Vec<UserId> = users.iter().map(|user| user.id.clone()).collect();
        let accounts = self.store.accounts(ids.clone()).await?;
        let lists = self.store.lists(ids).await?;
        let caller =
            Caller { screen_name: request.screen_name.as_ref(), group: None, ..Caller::user(inviter) };
        for ((user, account), lists) in users.into_iter().zip(accounts).zip(lists) {
            let entity = Entity::User(user.id.clone());
            let admitted = match account {
                None => Err(Code::UNKNOWN_USER),
                Some(_) => lists.admits(&caller),
            };
            match admitted {
                Err(code) => found.outcomes.push((entity, code)),
                Ok(()) => {
                    let address = Address::clone(&user.id);
                    found.remembered.push(invite::open(
                        request,
                        &inviter.id,
                        address.clone(),
                        address,
                        reply_to.cloned(),
                        now,
                    ));
                    let named = Recipient::User(user.clone());
                    found.notices.push(invite::invited(request, inviter, named, user, own.clone()));
                    found.outcomes.push((entity, Code::SUCCESSFUL));
                }
            }
        }
        Ok(found)
    }

    /// A group of ours is invited: those who look after it are told; a name in a group: whoever bears it.
    /// Only users at home here can be. 800: there is no such group, 410: nobody here to tell.
    async fn invited_group(
        &self,
        own: &Domain,
        inviter: &User,
        request: &InviteRequest,
        recipient: Recipient,
        reply_to: Option<&TransactionId>,
        found: &mut Invited,
    ) -> Result<(), StoreError> {
        let entity = recipient.entity();
        let (group, name) = match &recipient {
            Recipient::Group(group) => (group, None),
            Recipient::ScreenName(name) => (&name.group, Some(&*name.name)),
            Recipient::User(_) | Recipient::ContactList(_) => return Ok(()),
        };
        let Some(stored) = self.store.group(group.clone()).await? else {
            found.outcomes.push((entity, Code::NO_GROUP));
            return Ok(());
        };
        let home = |user: &&UserId| user.domain_str() == Some(own.as_str());
        let told: Vec<UserId> = invite::keepers(&stored.group, name)
            .into_iter()
            .filter(home)
            .take(invite::INVITEES_MAX)
            .cloned()
            .collect();
        found
            .outcomes
            .push((entity, if told.is_empty() { Code::UNABLE_TO_DELIVER } else { Code::SUCCESSFUL }));
        for user in told {
            let address = Address::clone(group);
            found.remembered.push(invite::open(
                request,
                &inviter.id,
                address,
                Address::clone(&user),
                reply_to.cloned(),
                self.now(),
            ));
            found.notices.push(invite::invited(
                request,
                inviter,
                recipient.clone(),
                user.into(),
                own.clone(),
            ));
        }
        Ok(())
    }

    /// A user of a peer invites users of ours.
    pub(super) async fn invited(
        &self,
        asks: PeerAsks<'_>,
        mut request: InviteRequest,
    ) -> Result<Primitive, StoreError> {
        if let Some(code) = invite::flaw(&request) {
            return Ok(Status::new(code).into());
        }
        let Some(inviter) = speaker(&asks.origin, request.sender.as_ref()) else {
            return Ok(Status::new(Code::BAD_REQUEST).into());
        };
        let recipients = std::mem::take(&mut request.recipients);
        let reply_to = asks.legacy.then_some(asks.transaction);
        let Invited { mut outcomes, remembered, notices } =
            self.invited_here(asks.own, &inviter, &request, recipients, reply_to).await?;
        outcomes.extend(asks.refused);
        if !remembered.is_empty() {
            let put =
                Change::Common(CommonChange::PutInvitations { invitations: remembered, now: self.now() });
            if self.commit_and_tell(vec![put], notices).await?.first() != Some(&Outcome::Done) {
                return Ok(self.excess(asks.agreement, &inviter.id, Budget::Invitations).into());
            }
        }
        Ok(Status::merge(outcomes).into())
    }

    /// A client answers an invitation: the inviter hears it, here or elsewhere, and the invitation is over.
    pub(super) async fn answer_invitation(
        &self,
        client: &Arc<Client>,
        answer: InviteUserResponse,
    ) -> Result<Primitive, StoreError> {
        let user = client.user();
        let Some(own) = user.domain() else { return Ok(Status::new(Code::INTERNAL_ERROR).into()) };
        let open = self.store.invitations_to(user.clone(), answer.id.clone()).await?;
        let invitation = match invite::answered(&open, &answer, self.now()) {
            Ok(invitation) => invitation,
            Err(code) => return Ok(Status::new(code).into()),
        };
        let by = match &answer.sender {
            Some(Party::User(named)) => User { client: Some(client.key.client.clone()), ..named.clone() },
            _ => client.as_user(),
        };
        let accepted = answer.acceptance;
        let response = invite::response(invitation, answer, &by);
        let here = {
            let map = self.map();
            invitation.inviter.domain_str().is_some_and(|domain| map.directory.own_domain(domain).is_some())
        };
        let notice = invite::told(response, invitation, by, own, here);
        let over = dropped(&invitation.inviter, &invitation.id, invitation.addressed.clone());
        let outcomes = self.commit_and_tell(vec![over], vec![notice]).await?;
        if outcomes.first() != Some(&Outcome::Done) {
            // Another client of the user was quicker.
            return Ok(Status::new(Code::INVALID_INVITATION).into());
        }
        let told = about(invite::kind_of_answer(accepted), &invitation.id);
        let hearing = vec![(user.clone(), told.clone()), (invitation.inviter.clone(), told)];
        self.notify_each(Some(&client.id), hearing).await;
        if accepted {
            self.invitation_accepted(invitation, user).await?;
        }
        Ok(Status::ok().into())
    }

    /// A user of a peer answers an invitation of a user of ours.
    pub(super) async fn invitation_answered(
        &self,
        asks: &PeerAsks<'_>,
        response: InviteResponse,
    ) -> Result<Primitive, StoreError> {
        let inviter = response.inviter.as_ref().and_then(Party::user).map(|user| user.id.clone());
        let Some(inviter) = inviter else { return Ok(Status::new(Code::INVALID_INVITATION).into()) };
        let code = self.tell_inviter(asks.own, &inviter, response).await?;
        if !code.is_success() {
            info!(peer = %asks.agreement.domain, %code, "an answer to an invitation that nobody waits for");
        }
        Ok(Status::new(code).into())
    }

    /// An answer from elsewhere reaches the clients of the inviter, if the invitation is open. 423 if not.
    async fn tell_inviter(
        &self,
        own: &Domain,
        inviter: &UserId,
        response: InviteResponse,
    ) -> Result<Code, StoreError> {
        let responder = response.responder.as_ref().and_then(Party::user).cloned();
        let Some(responder) = responder else { return Ok(Code::INVALID_INVITATION) };
        let open = self.store.invitations(inviter.clone(), response.id.clone()).await?;
        let invitation = match invite::answered_by(&open, &responder.id, self.now()) {
            Ok(invitation) => invitation,
            Err(code) => return Ok(code),
        };
        let over = dropped(inviter, &invitation.id, invitation.addressed.clone());
        let (accepted, guest) = (response.acceptance, responder.id.clone());
        let notice = invite::told(response, invitation, responder, own.clone(), true);
        let outcomes = self.commit_and_tell(vec![over], vec![notice]).await?;
        if outcomes.first() != Some(&Outcome::Done) {
            return Ok(Code::INVALID_INVITATION);
        }
        let told = about(invite::kind_of_answer(accepted), &invitation.id);
        self.notify_each(None, vec![(inviter.clone(), told)]).await;
        if accepted {
            self.invitation_accepted(invitation, &guest).await?;
        }
        Ok(Code::SUCCESSFUL)
    }

    /// An invitation into a group is worth something once it is accepted. A group at home elsewhere is told
    /// of a new member by the inviter's home, in the inviter's name.
    async fn invitation_accepted(&self, invitation: &Invitation, guest: &UserId) -> Result<(), StoreError> {
        let Some(group) = &invitation.group else { return Ok(()) };
        let by = &invitation.inviter;
        match self.home_of(group) {
            Home::Here => {
                let decide = |found: &Group, _| {
                    group::accepted(found, invitation.kind, by, guest).ok_or(Code::SUCCESSFUL)
                };
                if let Err(code) = self.change_group(group, None, decide).await? {
                    debug!(%group, user = %guest, %code, "an accepted invitation changes nothing");
                }
            }
            Home::At(peer) if invitation.kind == InviteType::Membership => {
                let Some(own) = by.domain().filter(|own| self.map().directory.own().contains(own)) else {
                    return Ok(());
                };
                let users = vec![guest.clone()];
                let question = Question {
                    own,
                    peer,
                    by: Some(by.clone().into()),
                    client_originated: true,
                    primitive: AddGroupMembersRequest { group: group.clone(), users }.into(),
                    kept: Some(Duration::from_secs(invite::ANSWER_SECONDS.into())),
                    order: format!("{} {}", by.key(), group.key()).into(),
                };
                self.ask_for_nobody(vec![question], Vec::new()).await?;
            }
            Home::At(_) | Home::Nowhere => {}
        }
        Ok(())
    }

    /// An invitation of ours waited for a peer in vain, or was refused after its inviter was told that it is on
    /// its way: the inviter hears it, and it is over.
    pub(in super::super) async fn invitation_unheard(&self, row: &StoredOutgoing, code: Code) {
        let Some(inviter) = &row.outgoing.author else { return };
        let limits = Limits::for_document(row.outgoing.body.len().max(1024));
        let request = match ssp::decode_primitive(&row.outgoing.body, &limits) {
            Ok((_, Carried::Primitive(primitive))) => match *primitive {
                Primitive::InviteRequest(request) => request,
                _ => return,
            },
            _ => return,
        };
        let Some(named) = request.recipients.first() else { return };
        let over = invite::address(named).map(|address| dropped(inviter, &request.id, address));
        let told = invite::unheard(request.id.clone(), inviter, named, code, row.outgoing.own.clone());
        if let Err(error) = self.commit_and_tell(over.into_iter().collect(), vec![told]).await {
            warn!(%inviter, %error, "an inviter cannot be told that nobody heard the invitation");
        }
    }

    /// An invitation expired in the mailbox of a user of ours who never fetched it. Inviters of ours hear it;
    /// those of others are told by nobody, as in the reference.
    pub(in super::super) async fn invitation_unfetched(&self, mail: &Mail) {
        let Ok(inviter) = mail.sender.parse::<UserId>() else { return };
        let is_ours = |domain: &Domain| self.map().directory.own().contains(domain);
        let Some(own) = inviter.domain().filter(is_ours) else { return };
        let Ok(Primitive::InviteUserRequest(request)) = fetch::push(mail) else { return };
        let named = Recipient::User(mail.owner.clone().into());
        let told = invite::unheard(request.id.clone(), &inviter, &named, Code::EXPIRED, own);
        let address = Address::clone(&mail.owner);
        if let Err(error) =
            self.commit_and_tell(vec![dropped(&inviter, &request.id, address)], vec![told]).await
        {
            warn!(%inviter, %error, "an inviter cannot be told that nobody heard the invitation");
        }
    }

    /// A client takes an invitation back, from some or from everybody.
    pub(super) async fn cancel_invitation(
        &self,
        client: &Arc<Client>,
        mut request: CancelInviteRequest,
    ) -> Result<Primitive, StoreError> {
        let by = client.as_user();
        let Some(own) = by.id.domain() else { return Ok(Status::new(Code::INTERNAL_ERROR).into()) };
        let now = self.now();
        let mut open = self.store.invitations(by.id.clone(), request.id.clone()).await?;
        open.retain(|invitation| invitation.until > now);
        let (mut named, mut outcomes) =
            self.expanded(&by.id, std::mem::take(&mut request.recipients)).await?;
        if open.is_empty() {
            return Ok(Status::new(Code::INVALID_INVITATION).into());
        }
        if named.is_empty() && outcomes.is_empty() {
            named = everybody(&open);
        }
        let mut hearing = vec![(by.id.clone(), about(NotificationType::InvitationCancelled, &request.id))];
        let mut asked = Vec::new();
        let mut questions = Vec::new();
        for recipient in named {
            let Some(address) = invite::address(&recipient) else { continue };
            let told: Vec<_> = open.iter().filter(|found| found.addressed == address).collect();
            if told.is_empty() {
                outcomes.push((recipient.entity(), Code::INVALID_INVITATION));
                continue;
            }
            let home = self.map().routes.home(address.domain_str(), now.date_time());
            let notices = match &home {
                Home::Here => cancellations(&request, &by, &recipient, &told, &own),
                _ => Vec::new(),
            };
            self.commit_and_tell(vec![dropped(&by.id, &request.id, address)], notices).await?;
            hearing.extend(told_of(&told, &request.id));
            match home {
                Home::Here => outcomes.push((recipient.entity(), Code::SUCCESSFUL)),
                // It would crash (reference ssp-behaviour §10); an answer from there will find nothing.
                Home::At(peer) if style(&self.map(), &peer).legacy => {
                    outcomes.push((recipient.entity(), Code::SUCCESSFUL));
                }
                Home::Nowhere => outcomes.push((recipient.entity(), Code::DOMAIN_NOT_SUPPORTED)),
                Home::At(peer) => {
                    let primitive =
                        CancelInviteRequest { recipients: vec![recipient.clone()], ..request.clone() };
                    questions.push(Question {
                        own: own.clone(),
                        peer,
                        by: Some(by.clone()),
                        client_originated: true,
                        primitive: Box::new(primitive).into(),
                        kept: Some(Duration::from_secs(invite::ANSWER_SECONDS.into())),
                        order: by.id.as_str().into(),
                    });
                    asked.push(recipient.entity());
                }
            }
        }
        self.notify_each(Some(&client.id), hearing).await;
        for (entity, reply) in asked.into_iter().zip(self.ask(questions, Vec::new()).await?) {
            let code = reply.code_for(&entity);
            outcomes.push((entity, code));
        }
        Ok(Status::merge(outcomes).into())
    }

    /// A user of a peer takes an invitation back.
    pub(super) async fn invitation_cancelled(
        &self,
        asks: PeerAsks<'_>,
        mut request: CancelInviteRequest,
    ) -> Result<Primitive, StoreError> {
        let Some(inviter) = speaker(&asks.origin, request.sender.as_ref()) else {
            return Ok(Status::new(Code::BAD_REQUEST).into());
        };
        let open = self.store.invitations(inviter.id.clone(), request.id.clone()).await?;
        let mut outcomes = asks.refused;
        for recipient in std::mem::take(&mut request.recipients) {
            let Some(address) = invite::address(&recipient) else { continue };
            let told: Vec<_> = open.iter().filter(|found| found.addressed == address).collect();
            let notices = cancellations(&request, &inviter, &recipient, &told, asks.own);
            let over = dropped(&inviter.id, &request.id, address);
            let done = self.commit_and_tell(vec![over], notices).await?.first() == Some(&Outcome::Done);
            self.notify_each(None, told_of(&told, &request.id).collect()).await;
            let code = if done { Code::SUCCESSFUL } else { Code::INVALID_INVITATION };
            outcomes.push((recipient.entity(), code));
        }
        Ok(Status::merge(outcomes).into())
    }
}

/// Everybody who was invited, once.
fn everybody(open: &[Invitation]) -> Vec<Recipient> {
    let mut seen = HashSet::new();
    let recipient = |address: &Address| match address.as_str().parse::<GroupId>() {
        Ok(group) => Some(Recipient::Group(group)),
        Err(_) => address.as_str().parse::<UserId>().ok().map(|user| Recipient::User(user.into())),
    };
    let named = open.iter().filter(|invitation| seen.insert(invitation.addressed.clone()));
    named.filter_map(|invitation| recipient(&invitation.addressed)).collect()
}

/// What those are told who were told of the invitation.
fn cancellations(
    request: &CancelInviteRequest,
    inviter: &User,
    named: &Recipient,
    told: &[&Invitation],
    own: &Domain,
) -> Vec<Notify> {
    let users = told.iter().filter_map(|invitation| invitation.invitee.as_str().parse::<UserId>().ok());
    users.map(|user| invite::cancelled(request, inviter, named.clone(), user.into(), own.clone())).collect()
}

/// Clients of 1.3 may want to hear what became of an invitation that another client of their user deals with.
fn about(kind: NotificationType, id: &InviteId) -> NotificationRequest {
    NotificationRequest { invite: Some(id.clone()), ..NotificationRequest::of(kind) }
}

/// Those who were told of an invitation may want to hear that it was taken back.
fn told_of<'i>(
    told: &'i [&Invitation],
    id: &'i InviteId,
) -> impl Iterator<Item = (UserId, NotificationRequest)> + 'i {
    let users = told.iter().filter_map(|invitation| invitation.invitee.as_str().parse::<UserId>().ok());
    users.map(|user| (user, about(NotificationType::InvitationCancelled, id)))
}

/// Who speaks on a link: the user that the primitive names, else the one who asks.
fn speaker(origin: &Origin, named: Option<&Party>) -> Option<User> {
    let asking = match origin {
        Origin::Peer { user, .. } => user.as_ref(),
        Origin::Client { .. } => None,
    };
    named.and_then(Party::user).or(asking).cloned()
}
