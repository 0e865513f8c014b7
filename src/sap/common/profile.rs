//! Public profiles, and whether identities exist: here and at peers.

use std::sync::Arc;

use super::super::Sap;
use super::super::clients::Client;
use super::super::questions::Reply;
use super::super::services::PeerAsks;
use super::query;
use crate::element::common::profile;
use crate::imps::primitive::{
    GetPublicProfileRequest, GetPublicProfileResponse, PublicProfile, UpdatePublicProfileRequest,
    VerifyIdRequest,
};
use crate::imps::status::Entity;
use crate::imps::{Code, Domain, Primitive, Status, UserId};
use crate::relay::admit::domain_of;
use crate::relay::ports::{Change, CommonChange, Outcome, StoreError};
use crate::relay::route::Route;
use crate::relay::split::by_domain;

impl Sap {
    /// A client looks at public profiles, each at its owner's home.
    pub(super) async fn profiles(
        &self,
        client: &Arc<Client>,
        request: GetPublicProfileRequest,
    ) -> Result<Primitive, StoreError> {
        let by = client.as_user();
        let Some(own) = by.id.domain() else { return Ok(Status::new(Code::INTERNAL_ERROR).into()) };
        let divided = {
            let map = self.map();
            by_domain(request.users, |user| map.routes.home_of(user), &map.routes, self.now())
        };
        let (mut profiles, mut outcomes) = self.profiles_here(divided.local).await?;
        outcomes
            .extend(divided.unknown.into_iter().map(|user| (Entity::User(user), Code::DOMAIN_NOT_SUPPORTED)));
        let questions = divided.remote.iter().map(|elsewhere| {
            let users = elsewhere.items.clone();
            query(&own, elsewhere.peer.clone(), &by, GetPublicProfileRequest { users })
        });
        let replies = self.ask(questions.collect(), Vec::new()).await?;
        for (elsewhere, reply) in divided.remote.into_iter().zip(replies) {
            outcomes.extend(elsewhere.items.iter().map(|user| {
                let entity = Entity::User(user.clone());
                let code = reply.code_for(&entity);
                (entity, code)
            }));
            if let Reply::Answer(answer) = reply
                && let Primitive::GetPublicProfileResponse(answer) = *answer
            {
                // What was not asked for is not believed.
                profiles.extend(
                    answer
                        .profiles
                        .into_iter()
                        .filter(|profile| elsewhere.items.contains(&profile.user))
                        .map(|found| PublicProfile {
                            properties: profile::public(found.properties),
                            ..found
                        }),
                );
            }
        }
        Ok(GetPublicProfileResponse { result: Status::merge(outcomes), profiles }.into())
    }

    async fn profiles_here(
        &self,
        users: Vec<UserId>,
    ) -> Result<(Vec<PublicProfile>, Vec<(Entity, Code)>), StoreError> {
        let found = self.store.profiles(users.clone()).await?;
        let mut profiles = Vec::new();
        let mut outcomes = Vec::new();
        for (user, found) in users.into_iter().zip(found) {
            let code = if found.is_some() { Code::SUCCESSFUL } else { Code::UNKNOWN_USER };
            outcomes.push((Entity::User(user.clone()), code));
            profiles.extend(
                found.map(|properties| PublicProfile { user, properties: profile::public(properties) }),
            );
        }
        Ok((profiles, outcomes))
    }

    /// A user of a peer looks at public profiles.
    pub(super) async fn profiles_for_peer(
        &self,
        asks: PeerAsks<'_>,
        request: GetPublicProfileRequest,
    ) -> Result<Primitive, StoreError> {
        let (profiles, mut outcomes) = self.profiles_here(request.users).await?;
        outcomes.extend(asks.refused);
        Ok(GetPublicProfileResponse { result: Status::merge(outcomes), profiles }.into())
    }

    /// A client changes what its user shows of itself.
    pub(super) async fn update_profile(
        &self,
        client: &Arc<Client>,
        request: UpdatePublicProfileRequest,
    ) -> Result<Primitive, StoreError> {
        let user = client.user().clone();
        let change = match profile::change(request, &user) {
            Ok(change) => change,
            Err(code) => return Ok(Status::new(code).into()),
        };
        let change = Change::Common(CommonChange::SetProfile { user, change });
        let done = self.store.commit(vec![change]).await?.first() == Some(&Outcome::Done);
        Ok(Status::new(if done { Code::SUCCESSFUL } else { Code::UNKNOWN_USER }).into())
    }

    /// A client asks whether identities exist, each at its home (reference ssp-primitives §3.6).
    pub(super) async fn verify(
        &self,
        client: &Arc<Client>,
        request: VerifyIdRequest,
    ) -> Result<Primitive, StoreError> {
        let by = client.as_user();
        let Some(own) = by.id.domain() else { return Ok(Status::new(Code::INTERNAL_ERROR).into()) };
        let now = self.now();
        let mut outcomes = Vec::new();
        let mut named = Vec::new();
        for id in request.ids {
            match &id {
                // Whether somebody can be reached there is known here.
                Entity::Domain(domain) => {
                    let known = domain.trim().parse::<Domain>().is_ok_and(|domain| {
                        let map = self.map();
                        !matches!(map.routes.of(domain.as_str(), now.date_time()), Route::Unknown)
                    });
                    let code = if known { Code::SUCCESSFUL } else { Code::DOMAIN_NOT_SUPPORTED };
                    outcomes.push((id, code));
                }
                // Lists of others do not exist for this user.
                Entity::ContactList(list) => {
                    let lists = self.store.lists(vec![by.id.clone()]).await?;
                    let known = lists.iter().any(|lists| lists.list(list).is_some());
                    let code = if known { Code::SUCCESSFUL } else { Code::NO_CONTACT_LIST };
                    outcomes.push((id, code));
                }
                _ => named.push(id),
            }
        }
        let divided = {
            let map = self.map();
            by_domain(
                named,
                |id| match id {
                    Entity::User(user) => map.routes.home_of(user),
                    other => domain_of(other),
                },
                &map.routes,
                now,
            )
        };
        outcomes.extend(self.verified_here(divided.local).await?);
        outcomes.extend(divided.unknown.into_iter().map(|id| (id, Code::DOMAIN_NOT_SUPPORTED)));
        let questions = divided.remote.iter().map(|elsewhere| {
            query(&own, elsewhere.peer.clone(), &by, VerifyIdRequest { ids: elsewhere.items.clone() })
        });
        let replies = self.ask(questions.collect(), Vec::new()).await?;
        for (elsewhere, reply) in divided.remote.into_iter().zip(replies) {
            outcomes.extend(elsewhere.items.into_iter().map(|id| {
                let code = reply.code_for(&id);
                (id, code)
            }));
        }
        Ok(Status::merge(outcomes).into())
    }

    async fn verified_here(&self, ids: Vec<Entity>) -> Result<Vec<(Entity, Code)>, StoreError> {
        let mut outcomes = Vec::new();
        let mut users = Vec::new();
        for id in ids {
            match id {
                Entity::User(user) => users.push(user),
                Entity::Group(group) => {
                    let known = self.store.group(group.clone()).await?.is_some();
                    outcomes
                        .push((Entity::Group(group), if known { Code::SUCCESSFUL } else { Code::NO_GROUP }));
                }
                Entity::ScreenName(name) => {
                    let known = self.store.group(name.group.clone()).await?.is_some_and(|stored| {
                        stored.group.occupants.iter().any(|occupant| occupant.name == name.name)
                    });
                    let code = if known { Code::SUCCESSFUL } else { Code::ADDRESS_ERROR };
                    outcomes.push((Entity::ScreenName(name), code));
                }
                other => outcomes.push((other, Code::NOT_FOUND)),
            }
        }
        let accounts = self.store.accounts(users.clone()).await?;
        outcomes.extend(users.into_iter().zip(accounts).map(|(user, account)| {
            let code = if account.is_some() { Code::SUCCESSFUL } else { Code::UNKNOWN_USER };
            (Entity::User(user), code)
        }));
        Ok(outcomes)
    }

    /// A user of a peer asks whether identities exist here.
    pub(super) async fn verify_for_peer(
        &self,
        asks: PeerAsks<'_>,
        request: VerifyIdRequest,
    ) -> Result<Primitive, StoreError> {
        let mut outcomes = asks.refused;
        let (domains, named): (Vec<_>, Vec<_>) =
            request.ids.into_iter().partition(|id| matches!(id, Entity::Domain(_)));
        outcomes.extend(domains.into_iter().map(|id| {
            let ours =
                domain_of(&id).is_some_and(|domain| domain.trim().eq_ignore_ascii_case(asks.own.as_str()));
            (id, if ours { Code::SUCCESSFUL } else { Code::NOT_FOUND })
        }));
        outcomes.extend(self.verified_here(named).await?);
        Ok(Status::merge(outcomes).into())
    }
}
