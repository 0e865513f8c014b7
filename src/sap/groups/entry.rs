//! Coming into groups: how old somebody is, and the groups that a user is always in.

use std::sync::Arc;

use tracing::{debug, warn};

use super::super::Sap;
use super::super::clients::Client;
use super::super::questions::{Question, Reply};
use crate::element::group::{self, Group};
use crate::element::notify::Actor;
use crate::imps::primitive::{GetPublicProfileRequest, Property};
use crate::imps::{Code, GroupId, Primitive, UserId};
use crate::relay::ports::{Change, GroupChange, Outcome, StoreError};
use crate::relay::route::Home;

impl Sap {
    /// The age that the public profile of whoever wants to come in says, if the group asks for it.
    pub(super) async fn age(
        &self,
        actor: &Actor,
        group: &GroupId,
        request: &Primitive,
    ) -> Result<Option<u8>, StoreError> {
        if !matches!(request, Primitive::JoinGroupRequest(_)) {
            return Ok(None);
        }
        let Some(stored) = self.store.group(group.clone()).await? else { return Ok(None) };
        if !group::needs_age(&stored.group, actor.id()) {
            return Ok(None);
        }
        self.age_of(&stored.group, actor.id()).await
    }

    /// What a public profile says, here or at the user's home.
    async fn age_of(&self, group: &Group, user: &UserId) -> Result<Option<u8>, StoreError> {
        let home = self.map().routes.home(user.domain_str(), self.now().date_time());
        let properties: Vec<Property> = match home {
            Home::Here => {
                let profiles = self.store.profiles(vec![user.clone()]).await?;
                profiles.into_iter().flatten().flatten().collect()
            }
            Home::At(peer) => {
                let question = Question {
                    own: group.home.clone(),
                    peer,
                    by: None,
                    client_originated: false,
                    primitive: GetPublicProfileRequest { users: vec![user.clone()] }.into(),
                    kept: None,
                    order: group.home.as_str().into(),
                };
                match self.ask(vec![question], Vec::new()).await?.pop() {
                    Some(Reply::Answer(answer)) => match *answer {
                        Primitive::GetPublicProfileResponse(answer) => {
                            let own = answer.profiles.into_iter().filter(|profile| profile.user == *user);
                            own.flat_map(|profile| profile.properties).collect()
                        }
                        _ => Vec::new(),
                    },
                    _ => Vec::new(),
                }
            }
            Home::Nowhere => Vec::new(),
        };
        let age = properties.iter().find(|property| &*property.name == "PP_AGE");
        Ok(age.and_then(|age| age.value.as_deref()?.trim().parse().ok()))
    }

    /// A client that just logged in comes into the groups that its user always wants to be in. Those of other
    /// providers are asked after the login was answered.
    pub(in super::super) async fn auto_join(&self, client: &Arc<Client>) {
        let actor = client.actor();
        let groups = match self.store.auto_joins(client.user().clone()).await {
            Ok(groups) => groups,
            Err(error) => return warn!(user = %client.user(), %error, "groups to join cannot be looked up"),
        };
        let mut elsewhere = Vec::new();
        for id in groups {
            if matches!(self.home_of(&id), Home::At(_)) {
                elsewhere.push(id);
                continue;
            }
            match self.auto_join_here(&actor, &id).await {
                Ok(Ok(_)) => debug!(user = %client.user(), group = %id, "joined at login"),
                Ok(Err(code)) => debug!(user = %client.user(), group = %id, %code, "not joined at login"),
                Err(error) => warn!(user = %client.user(), group = %id, %error, "not joined at login"),
            }
        }
        if !elsewhere.is_empty() {
            self.joining().push((Arc::clone(client), elsewhere));
        }
    }

    async fn auto_join_here(
        &self,
        actor: &Actor,
        id: &GroupId,
    ) -> Result<Result<Primitive, Code>, StoreError> {
        let request = group::auto_join_request(id).into();
        let age = self.age(actor, id, &request).await?;
        let decide = |group: &Group, _| group::auto_join(group, actor, age).ok_or(Code::NOT_JOINED);
        self.change_group(id, actor.session.as_ref(), decide).await
    }

    /// Clients that logged in come into the groups elsewhere that their users always want to be in.
    pub(in super::super) fn join_elsewhere(self: &Arc<Self>) {
        for (client, groups) in std::mem::take(&mut *self.joining()) {
            let sap = Arc::clone(self);
            tokio::spawn(async move {
                for id in groups {
                    sap.auto_join_elsewhere(&client, &id).await;
                }
            });
        }
    }

    async fn auto_join_elsewhere(&self, client: &Arc<Client>, id: &GroupId) {
        let answer = self.group_request(client, group::auto_join_request(id).into()).await;
        let Primitive::JoinGroupResponse(answer) = answer else {
            return debug!(user = %client.user(), group = %id, code = %answer.code(), "not joined at login");
        };
        debug!(user = %client.user(), group = %id, "joined at login");
        let told = group::auto_joined(&client.actor(), id, answer.joined);
        if let Err(error) = self.commit_and_tell(Vec::new(), told.into_iter().collect()).await {
            warn!(user = %client.user(), group = %id, %error, "who joined at login cannot be told");
        }
    }

    /// A group elsewhere took a request of ours: whether the user always wants to be in it is remembered here,
    /// since it is us whom the user logs in to.
    pub(super) async fn remember_auto_join(
        &self,
        user: &UserId,
        group: &GroupId,
        request: &Primitive,
    ) -> Result<(), StoreError> {
        let wish = match request {
            Primitive::SetGroupPropsRequest(request) => group::auto_join_wish(&request.own),
            Primitive::JoinGroupRequest(request) => group::auto_join_wish(&request.own),
            Primitive::CreateGroupRequest(request) => group::auto_join_wish(&request.own),
            Primitive::DeleteGroupRequest(_) => Some(false),
            _ => None,
        };
        let Some(wish) = wish else { return Ok(()) };
        let change = GroupChange::AutoJoin { user: user.clone(), group: group.clone(), wish };
        if self.store.commit(vec![Change::Group(change)]).await?.first() == Some(&Outcome::Full) {
            debug!(%user, %group, "joins too many groups at login");
        }
        Ok(())
    }
}
