//! A client makes a group of a conversation, and everybody who shall come is invited.

use std::sync::Arc;

use super::super::clients::Client;
use super::super::{Sap, store_code};
use crate::element::group::{self, conversation};
use crate::imps::chance::token;
use crate::imps::primitive::{ExtendConversationRequest, ExtendConversationResponse};
use crate::imps::{Code, Primitive, Status};
use crate::relay::ports::{Change, GroupChange, Outcome, StoreError};

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
    ) -> Result<Result<(crate::imps::GroupId, Status), Status>, StoreError> {
        let actor = client.actor();
        let name = token::<NAME_OCTETS>(&mut **self.chance());
        let (owned, all) = self.store.group_counts(actor.id().clone()).await?;
        let made = conversation::address(actor.id(), &name).and_then(|id| {
            conversation::extend(&actor, request, &id, owned, all, self.now()).map(|(group, _)| (id, group))
        });
        let (id, group) = match made {
            Ok(made) => made,
            Err(code) => return Ok(Err(Status::new(code))),
        };
        let create = Change::Group(GroupChange::Create(Box::new(group)));
        if self.store.commit(vec![create]).await?.first() != Some(&Outcome::Done) {
            return Ok(Err(Status::new(Code::GROUP_EXISTS)));
        }
        let invited = self.invite(client, conversation::invitation(&actor, request, &id)).await?;
        let result = invited.status().cloned().unwrap_or_default();
        if !result.code.is_success() {
            self.change_group(&id, |found, _| group::delete(found, &actor)).await?.ok();
            return Ok(Err(result));
        }
        Ok(Ok((id, result)))
    }
}
