//! Messages: from the door to mailboxes and queues, and out of the mailbox to clients.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::timeout;
use tracing::{debug, warn};

use super::clients::Client;
use super::groups::to_elements;
use super::questions::style;
use super::{Map, Sap, store_code, talk};
use crate::element::im::forward;
use crate::element::im::send::{self, Home, Link, Prepared, Resident};
use crate::element::im::{Mail, StoredMail};
use crate::element::lists::Caller;
use crate::imps::agreement::Service;
use crate::imps::primitive::{
    Author, ClientId, ForwardMessageResponse, GetMessageListRequest, Recipient, SendMessageResponse, User,
};
use crate::imps::status::Entity;
use crate::imps::terms::Offline;
use crate::imps::{Code, Domain, MessageId, Primitive, Status, TransactionId};
use crate::relay::admit::{self, Admitted, Origin};
use crate::relay::changes;
use crate::relay::events::{Door, Undelivered};
use crate::relay::pending::{Opened, Part, Ticket};
use crate::relay::ports::{Change, Outcome, Outgoing, StoreError, StoredOutgoing};
use crate::relay::split::{Remote, split};

/// A message that was accepted, or not.
pub(super) struct Accepted {
    pub(super) id: Option<MessageId>,
    /// What is known of recipients already.
    pub(super) settled: Vec<(Entity, Code)>,
    /// What is on its way to peers.
    pub(super) leaving: Vec<(StoredOutgoing, Vec<Entity>)>,
    /// That is not on disk.
    unwritten: bool,
}

/// A message that is split and prepared, before its commit.
pub(super) struct Planned {
    id: MessageId,
    home: Home,
    /// What is known of recipients already.
    settled: Vec<(Entity, Code)>,
    /// What the commit has to do, and what each change stands for.
    pub(super) changes: Vec<Change>,
    slots: Vec<Slot>,
}

/// What a change of the commit stands for.
pub(super) enum Slot {
    /// The row of a recipient, who is named.
    Mail(Box<Mail>, Entity),
    /// A row for somebody who is in a group.
    Heard(Box<Mail>),
    /// A request for those of a domain who are in a group.
    PassedOn(Box<Outgoing>),
    Leaves(Box<Outgoing>, Vec<Entity>),
    Nothing,
}

impl Sap {
    /// Requests of a client about messages.
    pub(super) async fn message_request(&self, client: &Arc<Client>, primitive: Primitive) -> Primitive {
        let user = client.user();
        let Some(home) = user.domain() else { return Status::new(Code::INTERNAL_ERROR).into() };
        let is_message = matches!(primitive, Primitive::SendMessageRequest(_));
        let refused = |result: Status| -> Primitive {
            if is_message { SendMessageResponse { result, message_id: None }.into() } else { result.into() }
        };
        let admitted = match admit::from_client(user, &client.key.client, &home, primitive) {
            Ok(admitted) => admitted,
            Err(found) => {
                debug!(%user, "{found}");
                return refused(found.status);
            }
        };
        if let Err(code) = self.meet_those_in(&admitted).await {
            return refused(Status::new(code));
        }
        if is_message {
            return self.send_from_client(admitted, &client.key.client).await.into();
        }
        if let Some(answer) = self.mailbox_elsewhere(client, admitted.primitive()).await {
            return answer;
        }
        if let Primitive::ForwardMessageRequest(request) = admitted.primitive() {
            let id = request.message_id.clone();
            return Box::pin(self.forward_from_client(client, admitted, id)).await.into();
        }
        let (_, primitive, _) = admitted.into_parts();
        let answer = match primitive {
            Primitive::GetMessageListRequest(GetMessageListRequest { group: Some(group), count }) => {
                let request = GetMessageListRequest { group: None, count };
                match self.group_history(&client.actor(), &group, &request).await {
                    Ok(answer) => answer,
                    Err(error) => Err(store_code(&error)),
                }
            }
            other => match (self.mailbox_request(user, &other).await, other) {
                (None, other) => return Box::pin(self.client_service(client, other)).await,
                (Some(Err(Code::INVALID_MESSAGE_ID)), Primitive::GetMessageRequest(request)) => {
                    match self.said_to(&client.actor(), request.message_id).await {
                        Ok(said) => said,
                        Err(error) => Err(store_code(&error)),
                    }
                }
                (Some(answer), _) => answer,
            },
        };
        let mut answer = answer.unwrap_or_else(|code| Status::new(code).into());
        if matches!(answer, Primitive::GetMessageResponse(_)) {
            answer = Box::pin(self.made_to_fit(client, answer)).await;
        }
        client.machine().abilities().show(&mut answer);
        answer
    }

    /// A message that waits for a user goes on to others. It has ended for the user once it is accepted for
    /// one of them (reference ssp-primitives §1.4).
    async fn forward_from_client(
        &self,
        client: &Arc<Client>,
        admitted: Admitted,
        id: MessageId,
    ) -> ForwardMessageResponse {
        let failed = |code| ForwardMessageResponse { result: Status::new(code), message_id: None };
        let stored = match self.store.message(client.user().clone(), id).await {
            Ok(stored) => stored,
            Err(error) => return failed(store_code(&error)),
        };
        let (stored, original) = match (forward::original(stored.as_ref(), self.now()), stored) {
            (Ok(original), Some(stored)) => (stored, original),
            (Err(code), _) => return failed(code),
            (Ok(_), None) => return failed(Code::INVALID_MESSAGE_ID),
        };
        let admitted = admitted.forwarding(original);
        let SendMessageResponse { result, message_id } =
            self.send_from_client(admitted, &client.key.client).await;
        if result.code.is_success()
            && let Err(error) = self.settle_row(&stored, forward::ended).await
        {
            // It stays and may be forwarded again: better twice than not at all.
            warn!(row = stored.row, %error, "a forwarded message cannot be removed");
        }
        ForwardMessageResponse { result, message_id }
    }

    async fn send_from_client(&self, admitted: Admitted, client: &ClientId) -> SendMessageResponse {
        let accepted = match self.accept(admitted, Some(client)).await {
            Ok(accepted) => accepted,
            Err(status) => return SendMessageResponse { result: status, message_id: None },
        };
        let Accepted { id, settled, leaving, unwritten } = accepted;
        let (rows, ticket, answer) = self.awaited(settled, leaving, self.settings.hold_message);
        let result = if unwritten {
            self.answered_or_written(&rows, answer).await.unwrap_or_else(|error| {
                if let Some(ticket) = ticket {
                    self.pending().cancel(ticket);
                }
                self.give_up(&rows, &error);
                Status::new(store_code(&error))
            })
        } else {
            self.offer(rows);
            answer.await
        };
        let any_good = result.code.is_success();
        SendMessageResponse { result, message_id: id.filter(|_| any_good) }
    }

    /// Opens the wait for the outcome of a message: the rows that may leave now, and their answer, for which
    /// nobody waits longer than this.
    pub(super) fn awaited(
        &self,
        mut settled: Vec<(Entity, Code)>,
        leaving: Vec<(StoredOutgoing, Vec<Entity>)>,
        hold: Duration,
    ) -> (Vec<StoredOutgoing>, Option<Ticket>, impl Future<Output = Status> + use<>) {
        // A peer that is known to be down is not waited for (decisions.md 4).
        let (awaited, queued): (Vec<_>, Vec<_>) =
            leaving.iter().partition(|(row, _)| self.exit(&row.outgoing).is_some_and(|exit| !exit.is_down()));
        settled.extend(
            queued.iter().flat_map(|(_, to)| to.iter().map(|entity| (entity.clone(), Code::ACCEPTED))),
        );
        let parts = awaited.iter().map(|(row, to)| Part { row: row.row, recipients: to.clone() }).collect();
        let (asker, answer) = oneshot::channel();
        let deadline = self.now().after(hold);
        let opened = self.pending().open(asker, settled, parts, deadline, Code::ACCEPTED);
        // Only now may they leave: an answer can overtake everything.
        let rows = leaving.into_iter().map(|(row, _)| row).collect();
        let ticket = match &opened {
            Opened::Waiting(ticket) => Some(*ticket),
            Opened::Resolved(_) => None,
        };
        let answer = async move {
            match opened {
                Opened::Resolved(resolved) => resolved.status,
                // The sender is dropped only with the node.
                Opened::Waiting(_) => answer.await.unwrap_or_else(|_| Status::new(Code::SERVICE_UNAVAILABLE)),
            }
        };
        (rows, ticket, answer)
    }

    /// The outcome of a message whose rows are not on disk when it leaves.
    async fn answered_or_written(
        &self,
        rows: &[StoredOutgoing],
        answer: impl Future<Output = Status>,
    ) -> Result<Status, StoreError> {
        let mut answer = pin!(answer);
        self.send_unwritten(rows.to_vec()).await?;
        let numbers: Vec<i64> = rows.iter().map(|row| row.row).collect();
        let status = match timeout(self.settings.cut_through, answer.as_mut()).await {
            Ok(status) => status,
            Err(_) => {
                for row in rows.iter().filter(|row| self.unwritten().holds(row.row)) {
                    self.unwritten().late(&row.outgoing.peer, self.now());
                }
                self.landed(&numbers).await?;
                answer.await
            }
        };
        // What is only said to be queued has to be on disk.
        self.landed(&numbers).await?;
        Ok(status)
    }

    /// Splits, prepares and commits a message that passed the door.
    async fn accept(&self, admitted: Admitted, client: Option<&ClientId>) -> Result<Accepted, Status> {
        let mut planned = self.plan(admitted, client, None).await?;
        // One that only goes to one peer may leave before it is written, as long as its author waits for the
        // answer anyway.
        if let ([Change::Send(outgoing)], [Slot::Leaves(..)]) = (&planned.changes[..], &planned.slots[..])
            && self.settings.cut_through < self.settings.hold_message
            && self.exit(outgoing).is_some_and(|exit| !exit.is_down())
            && let Some(numbers) = self.numbers_unwritten(std::iter::once(outgoing))
        {
            let accepted = self.accepted(planned, &mut numbers.into_iter().map(Outcome::Row));
            for (row, _) in &accepted.leaving {
                self.unwritten().insert(row.clone(), None);
            }
            return Ok(Accepted { unwritten: true, ..accepted });
        }
        let changes = std::mem::take(&mut planned.changes);
        let outcomes = self.store.commit(changes).await.map_err(|error| Status::new(store_code(&error)))?;
        Ok(self.accepted(planned, &mut outcomes.into_iter()))
    }

    /// Splits and prepares a message that passed the door. `reply_to` is the transaction that brought it
    /// from a legacy peer.
    pub(super) async fn plan(
        &self,
        admitted: Admitted,
        client: Option<&ClientId>,
        reply_to: Option<&TransactionId>,
    ) -> Result<Planned, Status> {
        let now = self.now();
        let admitted = self.without_lists(admitted).await.map_err(Status::new)?;
        let map = self.map.load_full();
        let mut split = split(&admitted, &map.routes, now).map_err(|error| Status::new(error.code()))?;
        to_elements(&map, &mut split);
        let (origin, primitive, _) = admitted.into_parts();
        let Primitive::SendMessageRequest(request) = primitive else {
            return Err(Status::new(Code::BAD_REQUEST));
        };
        let home = match &origin {
            Origin::Client { .. } => Home::Here,
            Origin::Peer { .. } => Home::Elsewhere,
        };
        let author = match origin {
            Origin::Client { user, client } => Some(User { client: Some(client), ..User::from(user) }),
            Origin::Peer { user, .. } => user,
        };
        let home_of_author = match request.info.sender.as_ref().map(|sender| &sender.author) {
            Some(Author::User(user)) => user.id.domain_str(),
            Some(Author::Group(group)) => group.domain_str(),
            None => None,
        };
        let own = home_of_author.and_then(|domain| map.directory.own_domain(domain));
        let own = own
            .or_else(|| map.directory.default_domain())
            .cloned()
            .ok_or_else(|| Status::new(Code::INTERNAL_ERROR))?;
        let fresh =
            send::message_id(&own, &mut **self.chance()).map_err(|_| Status::new(Code::INTERNAL_ERROR))?;
        let prepared = send::prepare(request, home, fresh, now).map_err(Status::new)?;
        let caller = prepared.sender().map(Caller::author).unwrap_or_default();

        let mut settled = split.refused;
        let mut slots = Vec::new();
        let mut changes = Vec::new();
        let (mut accounts, mut lists) = (Vec::new(), Vec::new());
        if !split.users.is_empty() {
            let users: Vec<_> = split.users.iter().map(|user| user.id.clone()).collect();
            let failed = |error| Status::new(store_code(&error));
            self.receive_guests(&users, Service::Im).await.map_err(failed)?;
            accounts = self.store.accounts(users.clone()).await.map_err(failed)?;
            lists = self.store.lists(users).await.map_err(failed)?;
        }
        let passed_on = self.passed_on(&prepared, &split.users).await?;
        let element = map.directory.element_of(Service::Im);
        let mut handed_on: Vec<Remote> = Vec::new();
        let is_from_group = prepared.sender().is_some_and(|sender| matches!(sender.author, Author::Group(_)));
        for ((user, account), lists) in split.users.iter().zip(accounts).zip(lists) {
            let entity = Entity::User(user.id.clone());
            let is_guest = user.id.domain_str().is_none_or(|own| map.directory.own_domain(own).is_none());
            // Its block list is kept where its messages are.
            let is_elsewhere = element.is_some() && !is_guest;
            let resident = match account {
                // There is no room for it.
                None if is_guest => {
                    settled.push((entity, Code::QUEUE_FULL));
                    continue;
                }
                None => Resident::Unknown,
                Some(_) if (!is_elsewhere || is_from_group) && lists.admits(&caller).is_err() => {
                    settled.push((entity, Code::BLOCKED));
                    continue;
                }
                Some(account) if !account.terms.has(Service::Im) => {
                    settled.push((entity, Code::NOT_AUTHORIZED));
                    continue;
                }
                Some(account) => match passed_on.iter().find(|visit| visit.user == user.id) {
                    Some(visit) => {
                        let visits = passed_on.iter().filter(|visit| visit.user == user.id);
                        let sessions: Vec<_> = visits.map(|visit| visit.session.clone()).collect();
                        let to = (&user.id, &sessions[..]);
                        talk::hear(&prepared, to, &visit.group, prepared.origin(), &mut changes, &mut slots);
                        settled.push((entity, Code::SUCCESSFUL));
                        continue;
                    }
                    // What is said in a group is for those who are in it; the user went out, and the group
                    // does not know it yet. What comes again was heard while the user was in, or is not heard
                    // though the user has come in since.
                    None if is_from_group => {
                        let heard = changes::heard_by(&user.id, prepared.origin(), prepared.id(), now);
                        let seen = self.store.was_seen(heard).await;
                        let seen = seen.map_err(|error| Status::new(store_code(&error)))?;
                        if !seen {
                            let heard = changes::heard_by(&user.id, prepared.origin(), prepared.id(), now);
                            changes.push(Change::Remember(heard));
                            slots.push(Slot::Nothing);
                        }
                        settled.push((entity, if seen { Code::SUCCESSFUL } else { Code::NOT_JOINED }));
                        continue;
                    }
                    // Whether it is logged in its home knows.
                    None if is_guest => Resident::Online,
                    None if self.clients.of_user(&user.id).is_empty() => {
                        Resident::Offline { waits: account.terms.offline == Offline::Store }
                    }
                    None if !is_elsewhere && self.nobody_takes(&user.id, &prepared) => {
                        settled.push((entity, Code::UNABLE_TO_DELIVER));
                        continue;
                    }
                    None => Resident::Online,
                },
            };
            if let (true, Some(element)) = (is_elsewhere, element)
                && match resident {
                    Resident::Unknown => false,
                    Resident::Offline { waits } => waits && prepared.waits(),
                    Resident::Online => true,
                }
            {
                hand_on(&mut handed_on, element, user);
                continue;
            }
            match send::to_local(&prepared, user, resident, reply_to.cloned()) {
                Ok(mail) if is_guest => {
                    changes.push(changes::deliver_hosted(mail.clone(), prepared.origin()));
                    slots.push(Slot::Mail(Box::new(mail.clone()), entity));
                    self.copy_for_home(&map, &mail, &mut changes, &mut slots);
                }
                Ok(mail) => {
                    changes.push(changes::deliver(mail.clone()));
                    slots.push(Slot::Mail(Box::new(mail), entity));
                }
                Err(code) => settled.push((entity, code)),
            }
        }
        if let (Some(transaction), false) = (reply_to, handed_on.is_empty()) {
            self.relaying().brought.note(prepared.origin(), prepared.id().as_str(), transaction);
        }
        split.remote.extend(handed_on);
        for recipient in &split.groups {
            let entity = recipient.entity();
            let heard =
                self.said_in_group(&map, &prepared, author.as_ref(), recipient, &mut changes, &mut slots);
            let code = match Box::pin(heard).await {
                Ok(Ok(())) => Code::SUCCESSFUL,
                Ok(Err(code)) => code,
                Err(error) => return Err(Status::new(store_code(&error))),
            };
            settled.push((entity, code));
        }
        for remote in split.remote {
            let entities: Vec<_> =
                remote.recipients.iter().map(crate::imps::primitive::Recipient::entity).collect();
            let named = match &author {
                Some(author) => self.named_elsewhere(&prepared, author, &remote.recipients).await,
                None => None,
            };
            // To an element the link of the home leads that is meant.
            let own = map.directory.own_domain(remote.domain.as_str()).unwrap_or(&own);
            match for_peer(&map, own, named.as_ref().unwrap_or(&prepared), remote, client) {
                Ok((outgoing, expected)) => {
                    if let Some(expected) = expected {
                        changes.push(expected);
                        slots.push(Slot::Nothing);
                    }
                    changes.push(Change::Send(outgoing.clone()));
                    slots.push(Slot::Leaves(Box::new(outgoing), entities));
                }
                Err(code) => settled.extend(entities.into_iter().map(|entity| (entity, code))),
            }
        }
        Ok(Planned { id: prepared.id().clone(), home, settled, changes, slots })
    }

    /// Puts the members of the author's contact lists in their place.
    async fn without_lists(&self, admitted: Admitted) -> Result<Admitted, Code> {
        let Origin::Client { user, client } = admitted.origin() else { return Ok(admitted) };
        let named = admitted.lists_named();
        if named.is_empty() {
            return Ok(admitted);
        }
        let user = User { client: Some(client.clone()), ..User::from(user.clone()) };
        let lists = Box::pin(self.lists_of(&user, &named)).await?;
        let admitted = admitted.expanded(&lists);
        self.meet_those_in(&admitted).await?;
        Ok(admitted)
    }

    /// The commit was done; takes the outcomes of this message's changes.
    pub(super) fn accepted(
        &self,
        planned: Planned,
        outcomes: &mut impl Iterator<Item = Outcome>,
    ) -> Accepted {
        let Planned { id, home, mut settled, slots, changes: _ } = planned;
        let now = self.now();
        let (mut leaving, mut passed_on) = (Vec::new(), Vec::new());
        // Recipients for whom it is the author that has no room left: the code is the same.
        let mut beyond_share = 0;
        for (slot, outcome) in slots.into_iter().zip(outcomes) {
            match (slot, outcome) {
                (Slot::Mail(mail, entity), Outcome::Row(row)) => {
                    self.arrived(StoredMail { row, mail: *mail });
                    settled.push((entity, Code::SUCCESSFUL));
                }
                (Slot::Mail(_, entity), outcome) => settled.push((entity, changes::code_of(outcome))),
                (Slot::Leaves(outgoing, entities), Outcome::Row(row)) => {
                    let row = StoredOutgoing::fresh(row, *outgoing, now);
                    leaving.push((row, entities));
                }
                (Slot::Leaves(_, entities), outcome) => {
                    if outcome == Outcome::ShareFull {
                        beyond_share += entities.len();
                    }
                    let code = changes::code_of(outcome);
                    settled.extend(entities.into_iter().map(|entity| (entity, code)));
                }
                (Slot::Heard(mail), Outcome::Row(row)) => {
                    self.arrived(StoredMail { row, mail: *mail });
                }
                (Slot::PassedOn(outgoing), Outcome::Row(row)) => {
                    passed_on.push(StoredOutgoing::fresh(row, *outgoing, now));
                }
                // Said before, or no room: the author does not hear of it.
                (Slot::Heard(_) | Slot::PassedOn(_) | Slot::Nothing, _) => {}
            }
        }
        self.offer(passed_on);
        for (_, code) in &settled {
            match *code {
                Code::DOMAIN_NOT_SUPPORTED => self.events.message_failed(Undelivered::NoRoute),
                Code::QUEUE_FULL if beyond_share > 0 => {
                    beyond_share -= 1;
                    self.events.message_failed(Undelivered::ShareFull);
                }
                Code::QUEUE_FULL => self.events.message_failed(Undelivered::QueueFull),
                _ => {}
            }
        }
        let kept = !leaving.is_empty() || settled.iter().any(|(_, code)| code.is_success());
        if kept {
            self.events.message_accepted(match home {
                Home::Here => Door::Csp,
                Home::Elsewhere => Door::Ssp,
            });
        }
        Accepted { id: kept.then_some(id), settled, leaving, unwritten: false }
    }

    /// Rows that were committed go to their exits.
    pub(super) fn offer(&self, rows: Vec<StoredOutgoing>) {
        let mut by_link: BTreeMap<(Domain, Domain), Vec<StoredOutgoing>> = BTreeMap::new();
        for row in rows {
            by_link.entry((row.outgoing.own.clone(), row.outgoing.peer.clone())).or_default().push(row);
        }
        for ((own, peer), rows) in by_link {
            if let Some(exit) = self.exits.get().and_then(|exits| exits.exit(&own, &peer)) {
                exit.offer(rows);
            }
        }
    }

    /// The exit that a row takes.
    pub(super) fn exit(&self, outgoing: &Outgoing) -> Option<Arc<dyn crate::relay::exit::Exit>> {
        self.exits.get()?.exit(&outgoing.own, &outgoing.peer)
    }
}

/// The request for one foreign domain, and the reports to expect from there.
pub(super) fn for_peer(
    map: &Map,
    own: &Domain,
    prepared: &Prepared,
    remote: Remote,
    client: Option<&ClientId>,
) -> Result<(Outgoing, Option<Change>), Code> {
    let agreement = map.directory.outbound(remote.peer.as_str());
    if agreement.is_some_and(|agreement| !agreement.services.contains(&Service::Im)) {
        return Err(Code::SERVICE_NOT_AGREED);
    }
    let link = Link { own, peer: &remote.peer, style: style(map, &remote.peer) };
    let parcel = send::to_peer(prepared, remote.recipients, client, &link)?;
    let expected = parcel.author.as_ref().and_then(|author| changes::expect(prepared, author, &remote.peer));
    Ok((parcel.into(), expected))
}

/// Puts a user of ours among those for whom the element elsewhere gets a message: one request a domain.
fn hand_on(handed_on: &mut Vec<Remote>, element: &Domain, user: &User) {
    let Some(domain) = user.id.domain() else { return };
    let recipient = Recipient::User(user.clone());
    match handed_on.iter_mut().find(|known| known.domain == domain) {
        Some(known) => known.recipients.push(recipient),
        None => handed_on.push(Remote { peer: element.clone(), domain, recipients: vec![recipient] }),
    }
}
