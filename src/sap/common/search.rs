//! Searches in our directory, and in those of peers.
//!
//! A client's search is its own home's business, unless it names another domain in an address: then that
//! domain's provider is asked, if the agreement has search (reference ssp-primitives §3.4). The client
//! knows every search by an id of ours.

use std::sync::Arc;

use tracing::debug;

use super::super::clients::Client;
use super::super::questions::Reply;
use super::super::services::PeerAsks;
use super::super::{Sap, store_code};
use super::query;
use crate::element::common::search::kept::{Elsewhere, HITS_MAX, Hits, Next, Owner};
use crate::element::common::search::plan::plan;
use crate::element::common::search::query as expression;
use crate::element::presence::Home;
use crate::imps::presence::AttributeName;
use crate::imps::primitive::{SearchRequest, SearchResponse, StopSearchRequest, User};
use crate::imps::{Code, Domain, Moment, Primitive, Status, UserId};
use crate::relay::admit::Origin;
use crate::relay::ports::{StoreError, Watchers};
use crate::relay::route;

impl Sap {
    /// A client searches, or wants more of what it searched for. A refusal is a Status: CSP has no room
    /// for one in the answer.
    pub(super) async fn search(
        &self,
        client: &Arc<Client>,
        request: SearchRequest,
    ) -> Result<Primitive, StoreError> {
        let owner = Owner::Session(client.id.clone());
        let by = client.as_user();
        let found = match &request.id {
            Some(id) => {
                let next = self.searches().next(&owner, id, request.index, request.limit, self.now());
                match next {
                    Ok(Next::Page(page)) => Ok(page),
                    Ok(Next::Elsewhere(there)) => {
                        let asked = SearchRequest { id: Some(there.id.clone()), ..request.clone() };
                        let answer = self.search_elsewhere(&by, &there.domain, asked).await?;
                        answer.map(|mut answer| {
                            only_there(&mut answer, &there.domain);
                            SearchResponse { id: Some(id.clone()), ..answer }
                        })
                    }
                    Err(code) => Err(code),
                }
            }
            None => self.search_first(&owner, &by, request).await?,
        };
        Ok(match found {
            Ok(page) => page.into(),
            Err(code) => Status::new(code).into(),
        })
    }

    async fn search_first(
        &self,
        owner: &Owner,
        by: &User,
        request: SearchRequest,
    ) -> Result<Result<SearchResponse, Code>, StoreError> {
        let now = self.now().date_time();
        let is_elsewhere =
            |domain: &Domain| self.map().routes.home(Some(domain.as_str()), now) != route::Home::Here;
        let elsewhere = expression::domain(&request).filter(is_elsewhere);
        let Some(domain) = elsewhere else { return self.search_here(owner, by, &request).await };
        // What could not be understood here is not asked elsewhere.
        let planned = expression::compile(&request).and_then(|query| Ok((query, plan(&request, &domain)?)));
        let (query, plan) = match planned {
            Ok(planned) => planned,
            Err(code) => return Ok(Err(code)),
        };
        let Some(pairs) = plan.single() else {
            let found = self.search_in_parts(by, &domain, &plan, query.is_of_groups()).await?;
            return Ok(found.and_then(|hits| self.searches().first(owner, hits, request.limit, self.now())));
        };
        let request = SearchRequest { pairs: pairs.to_vec(), criteria: None, ..request };
        // It counts among the searches there, and the peer says whether it comes too soon.
        let _ = self.searches().wait(&domain, self.now());
        let mut answer = match self.search_elsewhere(by, &domain, request).await? {
            Ok(answer) => answer,
            Err(code) => return Ok(Err(code)),
        };
        only_there(&mut answer, &domain);
        answer.id = match answer.id.take().filter(|_| !answer.complete) {
            None => None,
            Some(id) => match self.searches().elsewhere(owner, Elsewhere { domain, id }, self.now()) {
                Ok(id) => Some(id),
                Err(code) => return Ok(Err(code)),
            },
        };
        Ok(Ok(answer))
    }

    /// Asks the provider of another domain; [`only_there`] is to be believed of what it answers.
    pub(super) async fn search_elsewhere(
        &self,
        by: &User,
        domain: &Domain,
        request: SearchRequest,
    ) -> Result<Result<SearchResponse, Code>, StoreError> {
        let Some(own) = by.id.domain() else { return Ok(Err(Code::INTERNAL_ERROR)) };
        let home = self.map().routes.home(Some(domain.as_str()), self.now().date_time());
        let route::Home::At(peer) = home else { return Ok(Err(Code::DOMAIN_NOT_SUPPORTED)) };
        let question = query(&own, peer, by, SearchRequest { criteria: None, ..request });
        let Some(reply) = self.ask(vec![question], Vec::new()).await?.pop() else {
            return Ok(Err(Code::INTERNAL_ERROR));
        };
        let answer = match reply {
            Reply::Answer(answer) => *answer,
            other => return Ok(Err(other.code())),
        };
        Ok(match answer {
            Primitive::SearchResponse(answer) if answer.result.code.is_success() => Ok(answer),
            other if other.code().is_success() => Err(Code::INTERNAL_ERROR),
            other => Err(other.code()),
        })
    }

    async fn search_here(
        &self,
        owner: &Owner,
        by: &User,
        request: &SearchRequest,
    ) -> Result<Result<SearchResponse, Code>, StoreError> {
        let query = match expression::compile(request) {
            Ok(query) => query,
            Err(code) => return Ok(Err(code)),
        };
        if query.is_of_groups() {
            let groups = Hits::Groups(self.store.find_groups(query, HITS_MAX + 1).await?);
            return Ok(self.searches().first(owner, groups, request.limit, self.now()));
        }
        let asks_who_is_online = query.tells_who_is_online();
        let mut users = self.store.find_users(query, HITS_MAX + 1).await?;
        if asks_who_is_online {
            users = self.who_may_be_seen(by, users).await?;
        }
        Ok(self.searches().first(owner, Hits::Users(users), request.limit, self.now()))
    }

    /// Those who let the searcher know whether they are online (reference csp-messages §4).
    async fn who_may_be_seen(&self, by: &User, users: Vec<UserId>) -> Result<Vec<UserId>, StoreError> {
        let publishers = self.store.publishers(users.clone(), Watchers::Nobody).await?;
        let lists = self.store.lists(users.clone()).await?;
        let visible = users.into_iter().zip(publishers).zip(lists).filter(|((_, publisher), lists)| {
            publisher.as_ref().is_some_and(|publisher| {
                let home = Home { publisher, lists, online: &[], old: &[] };
                home.allowed(by).is_some_and(|allowed| allowed.contains(AttributeName::OnlineStatus))
            })
        });
        Ok(visible.map(|((user, _), _)| user).collect())
    }

    /// What was searched for long ago is forgotten.
    pub(in crate::sap) fn sweep_searches(&self, now: Moment) {
        self.searches().sweep(now);
    }

    /// The session is over, and its searches with it.
    pub(in crate::sap) fn forget_searches(&self, client: &Client) {
        self.searches().forget(&Owner::Session(client.id.clone()));
    }

    /// A client wants no more of a search.
    pub(super) async fn stop_search(&self, client: &Arc<Client>, request: &StopSearchRequest) -> Primitive {
        let owner = Owner::Session(client.id.clone());
        let stopped = self.searches().stop(&owner, &request.id, self.now());
        match stopped {
            Err(code) => Status::new(code).into(),
            Ok(None) => Status::ok().into(),
            Ok(Some(there)) => {
                self.stop_elsewhere(&client.as_user(), there).await;
                Status::ok().into()
            }
        }
    }

    /// A search at a peer is over here, whatever becomes of it there: it ends by itself.
    pub(super) async fn stop_elsewhere(&self, by: &User, there: Elsewhere) {
        let home = self.map().routes.home(Some(there.domain.as_str()), self.now().date_time());
        if let (route::Home::At(peer), Some(own)) = (home, by.id.domain()) {
            let question = query(&own, peer, by, StopSearchRequest { id: there.id });
            if let Err(error) = self.ask(vec![question], Vec::new()).await {
                debug!(code = %store_code(&error), "a search elsewhere is not stopped");
            }
        }
    }

    /// A user of a peer searches here, or wants more of it.
    pub(super) async fn search_by_peer(
        &self,
        asks: &PeerAsks<'_>,
        request: SearchRequest,
    ) -> Result<Primitive, StoreError> {
        let owner = owner_of(asks);
        let found = match &request.id {
            Some(id) => {
                match self.searches().next(&owner, id, request.index, request.limit, self.now()) {
                    Ok(Next::Page(page)) => Ok(page),
                    // Nobody else's searches are kept for a peer.
                    Ok(Next::Elsewhere(_)) => Err(Code::INVALID_SEARCH),
                    Err(code) => Err(code),
                }
            }
            None if !self.searches().may_begin(&asks.agreement.domain, self.now()) => {
                let status = Status { try_again: Some(1), ..Status::new(Code::SERVICE_UNAVAILABLE) };
                return Ok(status.into());
            }
            None => match &asks.origin {
                Origin::Peer { user: Some(by), .. } => self.search_here(&owner, by, &request).await?,
                _ => Err(Code::BAD_REQUEST),
            },
        };
        Ok(match found {
            Ok(page) => page.into(),
            Err(code) => Status::new(code).into(),
        })
    }

    /// A user of a peer wants no more of a search.
    pub(super) fn stop_search_of_peer(&self, asks: &PeerAsks<'_>, request: &StopSearchRequest) -> Primitive {
        let stopped = self.searches().stop(&owner_of(asks), &request.id, self.now());
        stopped.map_or_else(Status::new, |_| Status::ok()).into()
    }
}

/// What another provider finds elsewhere than in its directory is not believed.
pub(super) fn only_there(answer: &mut SearchResponse, domain: &Domain) {
    answer.users.retain(|user| user.is_in(domain));
    answer.groups.retain(|group| group.is_in(domain));
}

fn owner_of(asks: &PeerAsks<'_>) -> Owner {
    let user = match &asks.origin {
        Origin::Peer { user, .. } => user.as_ref().map(|user| user.id.clone()),
        Origin::Client { .. } => None,
    };
    Owner::Peer(asks.agreement.domain.clone(), user)
}
