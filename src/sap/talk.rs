//! Messages that groups pass on: what is said in a group of ours, and what a group elsewhere brings.

use tracing::{debug, info, warn};

use super::messages::{Slot, for_peer};
use super::{Map, Sap, store_code};
use crate::element::group::{self, Group, history};
use crate::element::im::send::{self, Prepared};
use crate::element::lists::Caller;
use crate::imps::agreement::Service;
use crate::imps::primitive::{Author, Recipient, ScreenName, User};
use crate::imps::{Code, Domain, GroupId, Moment, SessionId, Status, UserId};
use crate::relay::changes;
use crate::relay::ports::{Change, GroupChange, StoreError, Visit};
use crate::relay::split::{Elsewhere, Remote, by_domain};

impl Sap {
    /// Which sessions of these users are in the group that passes this message on; none if no group does.
    pub(super) async fn passed_on(&self, prepared: &Prepared, users: &[User]) -> Result<Vec<Visit>, Status> {
        let Some(Author::Group(group)) = prepared.sender().map(|sender| &sender.author) else {
            return Ok(Vec::new());
        };
        let users = users.iter().map(|user| user.id.clone()).collect();
        let visitors = self.store.visitors(group.clone(), users).await;
        visitors.map_err(|error| Status::new(store_code(&error)))
    }

    /// What is said in a group of ours, or privately to a screen name in it: for each member here a row,
    /// for the members elsewhere one request a domain (reference ssp-primitives §1.1, fan-out form).
    pub(super) async fn said_in_group(
        &self,
        map: &Map,
        prepared: &Prepared,
        author: Option<&User>,
        to: &Recipient,
        changes: &mut Vec<Change>,
        slots: &mut Vec<Slot>,
    ) -> Result<Result<(), Code>, StoreError> {
        let (id, name) = match to {
            Recipient::Group(group) => (group, None),
            Recipient::ScreenName(name) => (&name.group, Some(name)),
            Recipient::User(_) | Recipient::ContactList(_) => return Ok(Err(Code::BAD_REQUEST)),
        };
        // What comes again was carried out: its author may have left since, or the group be gone.
        let now = self.now();
        let foreign = map.directory.own_domain(prepared.origin().as_str()).is_none();
        let only = name.map(|name| &*name.name);
        let key = foreign.then(|| changes::said_in(id, only, prepared.origin(), prepared.id(), now));
        if let Some(key) = &key
            && self.store.was_seen(key.clone()).await?
        {
            debug!(group = %id, message = %prepared.id(), "said before");
            return Ok(Ok(()));
        }
        let Some(stored) = self.store.group(id.clone()).await? else { return Ok(Err(Code::NO_GROUP)) };
        let Some(author) = author else { return Ok(Err(Code::NOT_JOINED)) };
        let heard = match name {
            None => group::speak(&stored.group, author),
            Some(name) => group::whisper(&stored.group, author, &name.name),
        };
        let copy = heard.and_then(|heard| {
            prepared.through_group(&stored.group.id, &heard.name, name).map(|copy| (heard, copy))
        });
        let (heard, copy) = match copy {
            Ok(copy) => copy,
            Err(code) => return Ok(Err(code)),
        };
        let home = &stored.group.home;
        let is_ours = map.directory.own_domain(home.as_str()).is_some();
        let own = if is_ours { Some(home) } else { map.directory.own_towards(home.as_str()) };
        let own = own.ok_or_else(|| StoreError::Failed("no domain of ours".into()))?;
        // A guest may have gone since; who has to wait is out of reach now.
        let _ = self.meet(heard.elsewhere.iter().filter_map(|user| user.domain_str())).await;
        let met = self.map.load_full();
        let (remote, lost) = if is_ours || heard.elsewhere.is_empty() {
            within_reach(&met, heard.elsewhere, now)
        } else {
            // A group of another provider that is run here speaks through its home.
            let (peer, domain) = (home.clone(), home.clone());
            (vec![Elsewhere { peer, domain, items: heard.elsewhere }], Vec::new())
        };
        if !lost.is_empty() {
            self.put_out_of_reach(&stored.group.id, &lost).await?;
            if name.is_some() {
                return Ok(Err(Code::UNABLE_TO_DELIVER));
            }
        }
        let caller = copy.sender().map(Caller::author).unwrap_or_default();
        let lists = self.store.lists(heard.here.iter().map(|(user, _)| user.clone()).collect()).await?;
        for ((user, sessions), lists) in heard.here.iter().zip(lists) {
            if lists.admits(&caller).is_ok() {
                hear(&copy, (user, sessions), &stored.group.id, prepared.origin(), changes, slots);
            }
        }
        if name.is_none() {
            match send::as_heard(&copy, &stored.group.id) {
                Ok(body) => {
                    let said = history::said(&stored.group, copy.id(), body, self.now());
                    slots.extend(said.iter().map(|_| Slot::Nothing));
                    changes.extend(said.map(|said| Change::Group(GroupChange::Say(said))));
                }
                Err(code) => warn!(group = %id, %code, "a message cannot be kept"),
            }
        }
        for there in remote {
            let recipients = there.items.into_iter().map(|user| Recipient::User(user.into())).collect();
            let remote = Remote { peer: there.peer, domain: there.domain, recipients };
            match for_peer(map, own, &copy, remote, None) {
                Ok((outgoing, _)) => {
                    changes.push(Change::Send(outgoing.clone()));
                    slots.push(Slot::PassedOn(Box::new(outgoing)));
                }
                Err(code) => debug!(group = %id, %code, "members of a domain do not hear it"),
            }
        }
        if let Some(key) = key {
            changes.push(Change::Remember(key));
            slots.push(Slot::Nothing);
        }
        Ok(Ok(()))
    }

    /// Whoever is in a group of ours and cannot be told any more what is said in it, since the agreement with
    /// that provider is closed or holds no groups now, is put out: the others see that they are not heard there.
    pub(super) async fn put_out_of_reach(&self, group: &GroupId, lost: &[UserId]) -> Result<(), StoreError> {
        info!(%group, users = lost.len(), "out of reach: put out of the group");
        let decide = |group: &Group, now| group::put_out_of_reach(group, lost, now).ok_or(Code::NOT_JOINED);
        if let Err(code) = self.change_group(group, None, decide).await? {
            debug!(%group, %code, "nobody is left there who is out of reach");
        }
        Ok(())
    }

    /// A message to a group elsewhere shows the name that its author has there.
    pub(super) async fn named_elsewhere(
        &self,
        prepared: &Prepared,
        author: &User,
        recipients: &[Recipient],
    ) -> Option<Prepared> {
        let group = |recipient: &Recipient| match recipient {
            Recipient::Group(group) => Some(group.clone()),
            Recipient::ScreenName(name) => Some(name.group.clone()),
            Recipient::User(_) | Recipient::ContactList(_) => None,
        };
        let first = recipients.first().and_then(group)?;
        if recipients.iter().any(|recipient| group(recipient).as_ref() != Some(&first)) {
            return None;
        }
        let visits = self.store.visitors(first, vec![author.id.clone()]).await.ok()?;
        let same = |visit: &&Visit| Some(&visit.client) == author.client.as_ref();
        let visit = visits.iter().find(same).or_else(|| visits.first())?;
        let name = ScreenName { name: visit.name.clone()?, group: visit.group.clone() };
        Some(prepared.shown_as(name))
    }
}

/// Members elsewhere by domain, and those whom no agreement reaches with what is said in a group.
fn within_reach(map: &Map, users: Vec<UserId>, now: Moment) -> (Vec<Elsewhere<UserId>>, Vec<UserId>) {
    let found = by_domain(users, |user| map.routes.home_of(user), &map.routes, now);
    let (remote, lost): (Vec<_>, Vec<_>) = found.remote.into_iter().partition(|there| {
        let agreement = map.directory.agreement(there.peer.as_str());
        agreement.is_some_and(|agreement| {
            [Service::Im, Service::Group].iter().all(|service| agreement.services.contains(service))
        })
    });
    let lost = lost.into_iter().flat_map(|there| there.items).chain(found.unknown).collect();
    (remote, lost)
}

/// A message for the sessions with which a user is in a group; a repeat reaches none of them.
pub(super) fn hear(
    prepared: &Prepared,
    (user, sessions): (&UserId, &[SessionId]),
    group: &GroupId,
    origin: &Domain,
    changes: &mut Vec<Change>,
    slots: &mut Vec<Slot>,
) {
    let mails = sessions.iter().map(|session| send::to_member(prepared, user, session, group, origin));
    for (place, mail) in mails.enumerate() {
        match mail {
            Ok(mail) => {
                changes.push(match place {
                    0 => changes::deliver(mail.clone()),
                    _ => Change::Then(Box::new(Change::Deliver { mail: mail.clone(), seen: None })),
                });
                slots.push(Slot::Heard(Box::new(mail)));
            }
            Err(code) => warn!(%user, %group, %code, "a message of a group cannot be written"),
        }
    }
}
