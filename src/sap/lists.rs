//! Contact lists, block and grant lists: what their owner asks, and what others are measured by.

use std::collections::HashMap;

use super::{CONFLICTS_MAX, Sap, store_code};
use crate::element::lists::{Decision, Edit, Lists, access, contacts};
use crate::element::presence::notices::of_lists;
use crate::imps::{Code, Primitive, SessionId, Status, UserId};
use crate::relay::ports::{Change, ListsChange, Outcome, StoreError};
use crate::relay::route::Route;

impl Sap {
    /// A request of a user about its own lists. What somebody else, another session of the user, changed
    /// meanwhile is decided anew.
    pub(super) async fn lists_request(
        &self,
        owner: &UserId,
        by: Option<&SessionId>,
        request: &Primitive,
    ) -> Primitive {
        let newcomers = match newcomers(request) {
            Ok(newcomers) => newcomers,
            Err(code) => return Status::new(code).into(),
        };
        let standing = match self.standing(newcomers).await {
            Ok(standing) => standing,
            Err(error) => return Status::new(store_code(&error)).into(),
        };
        for _ in 0..CONFLICTS_MAX {
            let found = match self.store.lists(vec![owner.clone()]).await {
                Ok(found) => found,
                Err(error) => return Status::new(store_code(&error)).into(),
            };
            let Some(lists) = found.first() else { break };
            let Decision { answer, edits } = match decide(lists, request, &standing) {
                Ok(decision) => decision,
                Err(code) => return Status::new(code).into(),
            };
            let authorised = match request {
                Primitive::ListManageRequest(request) => Some((&request.list, contacts::authorised(request))),
                _ => None,
            };
            let authorised = authorised.as_ref().map(|(list, users)| (*list, &users[..]));
            let authorised = authorised.filter(|(_, users)| !users.is_empty());
            if edits.is_empty() {
                // Nothing of the lists is new, and yet somebody may see more than before.
                if authorised.is_some() {
                    self.presence_lists_changed(owner, authorised).await;
                }
                return answer;
            }
            let told = of_lists(lists, &edits, matches!(request, Primitive::CreateListRequest(_)));
            let added = added(lists, &edits);
            let change = ListsChange { owner: owner.clone(), version: lists.version, edits };
            match self.store.commit(vec![Change::Lists(Box::new(change))]).await {
                Ok(outcomes) if outcomes.first() == Some(&Outcome::Conflict) => {}
                Ok(outcomes) if outcomes.first() == Some(&Outcome::Done) => {
                    // Whoever is on other lists now, or blocked, sees something else.
                    self.presence_lists_changed(owner, authorised).await;
                    self.presence_follows_lists(lists).await;
                    self.notify_clients(owner, by, told).await;
                    Box::pin(self.notify_added(owner, added)).await;
                    return answer;
                }
                Ok(_) => return Status::new(Code::UNKNOWN_USER).into(),
                Err(error) => return Status::new(store_code(&error)).into(),
            }
        }
        Status::new(Code::SERVICE_UNAVAILABLE).into()
    }

    /// Whether these users may come onto a contact list: 531 for a user that is none of ours but should be,
    /// 516 where no way leads to the domain. Users elsewhere are taken at their word.
    async fn standing(&self, users: Vec<UserId>) -> Result<HashMap<UserId, Code>, StoreError> {
        let mut standing = HashMap::with_capacity(users.len());
        let mut ours = Vec::new();
        {
            let (map, now) = (self.map(), self.now());
            for user in users {
                match user.domain_str().map(|domain| map.routes.of(domain, now.date_time())) {
                    Some(Route::Local(_)) => ours.push(user),
                    Some(Route::Peer(_)) => {}
                    Some(Route::Unknown) | None => {
                        standing.insert(user, Code::DOMAIN_NOT_SUPPORTED);
                    }
                }
            }
        }
        if !ours.is_empty() {
            let accounts = self.store.accounts(ours.clone()).await?;
            for (user, _) in ours.into_iter().zip(accounts).filter(|(_, account)| account.is_none()) {
                standing.insert(user, Code::UNKNOWN_USER);
            }
        }
        Ok(standing)
    }
}

/// Who is on a contact list after these edits and was on none before.
fn added(before: &Lists, edits: &[Edit]) -> Vec<UserId> {
    let mut added: Vec<UserId> = Vec::new();
    for edit in edits {
        if let Edit::Put(list) = edit {
            let users = list.contacts.iter().map(|contact| &contact.user);
            added.extend(users.filter(|user| before.lists_with(user).next().is_none()).cloned());
        }
    }
    added
}

/// Whom a request wants to bring onto a list.
fn newcomers(request: &Primitive) -> Result<Vec<UserId>, Code> {
    let added = match request {
        Primitive::CreateListRequest(request) => {
            contacts::is_bounded(&request.contacts, &[])?;
            &request.contacts
        }
        Primitive::ListManageRequest(request) => {
            contacts::is_bounded(&request.add, &request.remove)?;
            &request.add
        }
        _ => return Ok(Vec::new()),
    };
    Ok(added.iter().map(|contact| contact.user.clone()).collect())
}

fn decide(
    lists: &Lists,
    request: &Primitive,
    standing: &HashMap<UserId, Code>,
) -> Result<Decision<Primitive>, Code> {
    let standing = |user: &UserId| standing.get(user).copied().unwrap_or(Code::SUCCESSFUL);
    match request {
        Primitive::GetListRequest => Ok(Decision::read(contacts::get(lists).into())),
        Primitive::CreateListRequest(request) => {
            contacts::create(lists, request, &standing).map(Decision::into_primitive)
        }
        Primitive::DeleteListRequest(request) => {
            contacts::delete(lists, request).map(Decision::into_primitive)
        }
        Primitive::ListManageRequest(request) => {
            contacts::manage(lists, request, &standing).map(Decision::into_primitive)
        }
        Primitive::GetBlockedListRequest => {
            Ok(Decision::read(Primitive::GetBlockedListResponse(Box::new(access::get(lists)))))
        }
        Primitive::BlockEntityRequest(request) => {
            access::change(lists, request).map(Decision::into_primitive)
        }
        _ => Err(Code::NOT_IMPLEMENTED),
    }
}
