//! A client makes a group of a conversation, and everybody who shall come is invited.

use std::sync::Arc;

use super::super::clients::Client;
use super::super::{Sap, store_code};
use crate::element::group::told::about;
use crate::element::group::{self, conversation};
use crate::imps::chance::token;
use crate::imps::primitive::{
    DeleteGroupRequest, ExtendConversationRequest, ExtendConversationResponse, NotificationType,
};
use crate::imps::{Code, GroupId, Primitive, Status};
use crate::relay::ports::{Change, GroupChange, Outcome, StoreError};
use crate::relay::route::Home;

/// Octets of chance in the name of the group.
const NAME_OCTETS: usize = 9;

impl Sap {
    /// A conversation of two becomes a group (1.3). If nobody can be invited there is none.
    pub(in super::super) async fn extend_conversation(
        &self,
        client: &Arc<Client>,
        request: ExtendConversationRequest,
    ) -> Primitive {
        let id = request.id.clone();
        let answer = match self.extended(client, &request).await {
            Ok(answer) => answer,
            Err(error) => Err(Status::new(store_code(&error))),
        };
        let (group, result) = match answer {
            Ok((group, result)) => (Some(group), result),
            Err(status) => (None, status),
        };
        Box::new(ExtendConversationResponse { id, group, note: None, result }).into()
    }

    async fn extended(
        &self,
        client: &Arc<Client>,
        request: &ExtendConversationRequest,
    ) -> Result<Result<(GroupId, Status), Status>, StoreError> {
        let actor = client.actor();
        let name = token::<NAME_OCTETS>(&mut **self.chance());
        let id = match conversation::address(actor.id(), &name) {
            Ok(id) => id,
            Err(code) => return Ok(Err(Status::new(code))),
        };
        if self.home_of(&id) != Home::Here {
            return self.extended_elsewhere(client, request, id).await;
        }
        let (owned, all) = self.store.group_counts(actor.id().clone()).await?;
        let group = match conversation::extend(&actor, request, &id, owned, all, self.now()) {
            Ok((group, _)) => group,
            Err(code) => return Ok(Err(Status::new(code))),
        };
        let create = Change::Group(GroupChange::Create(Box::new(group)));
        if self.store.commit(vec![create]).await?.first() != Some(&Outcome::Done) {
            return Ok(Err(Status::new(Code::GROUP_EXISTS)));
        }
        let invited = self.invite(client, conversation::invitation(&actor, request, &id)).await?;
        let result = invited.status().cloned().unwrap_or_default();
        if !result.code.is_success() {
            self.edit_group(&id, |found, _| group::delete(found, &actor)).await?.ok();
            return Ok(Err(result));
        }
        let told = about(NotificationType::GroupCreated, &id);
        self.notify_clients(actor.id(), actor.session.as_ref(), vec![told]).await;
        Ok(Ok((id, result)))
    }

    /// The same where another provider runs our groups: it makes the group, we invite (reference ssp-primitives
    /// §4.14).
    async fn extended_elsewhere(
        &self,
        client: &Arc<Client>,
        request: &ExtendConversationRequest,
        id: GroupId,
    ) -> Result<Result<(GroupId, Status), Status>, StoreError> {
        let actor = client.actor();
        let (create, members) = match conversation::asked(&actor, request, &id) {
            Ok(asked) => asked,
            Err(code) => return Ok(Err(Status::new(code))),
        };
        let made = self.group_request(client, create.into()).await;
        if !made.code().is_success() {
            return Ok(Err(Status::new(made.code())));
        }
        let added = self.group_request(client, members.into()).await;
        let result = if added.code().is_success() {
            let invited = self.invite(client, conversation::invitation(&actor, request, &id)).await?;
            invited.status().cloned().unwrap_or_default()
        } else {
            Status::new(added.code())
        };
        if !result.code.is_success() {
            self.group_request(client, DeleteGroupRequest { group: id }.into()).await;
            return Ok(Err(result));
        }
        Ok(Ok((id, result)))
    }
}
