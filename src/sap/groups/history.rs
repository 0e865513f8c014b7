//! What was said in groups that are run here, for clients that are in them.

use super::super::Sap;
use crate::element::group::history;
use crate::element::im::fetch;
use crate::element::notify::Actor;
use crate::imps::primitive::GetMessageListRequest;
use crate::imps::{Code, GroupId, MessageId, Primitive};
use crate::relay::ports::StoreError;
use crate::relay::route::Home;

impl Sap {
    /// Lists what was said. SSP has no way to ask another provider for it, but where it runs our groups and
    /// messages both: 821.
    pub(in super::super) async fn group_history(
        &self,
        actor: &Actor,
        id: &GroupId,
        request: &GetMessageListRequest,
    ) -> Result<Result<Primitive, Code>, StoreError> {
        match self.home_of(id) {
            Home::Here => {}
            Home::At(_) => return Ok(Err(Code::HISTORY_NOT_SUPPORTED)),
            Home::Nowhere => return Ok(Err(Code::DOMAIN_NOT_SUPPORTED)),
        }
        let Some(stored) = self.store.group(id.clone()).await? else { return Ok(Err(Code::NO_GROUP)) };
        if let Err(code) = history::may_look_back(&stored.group, actor) {
            return Ok(Err(code));
        }
        let (newest, total) = self.store.said(id.clone(), fetch::list_limit(request)).await?;
        let lists = self.store.lists(vec![actor.id().clone()]).await?;
        let Some(reader) = lists.first() else { return Ok(Err(Code::INTERNAL_ERROR)) };
        Ok(Ok(history::list(request, &newest, total, reader, self.now()).into()))
    }

    /// A message is fetched that waits nowhere for its reader: one of a group that the reader is in.
    pub(in super::super) async fn said_to(
        &self,
        actor: &Actor,
        id: MessageId,
    ) -> Result<Result<Primitive, Code>, StoreError> {
        let found = match &actor.session {
            Some(session) => self.store.said_to(session.clone(), id).await?,
            None => self.store.said_to_guest(actor.id().clone(), id).await?,
        };
        let Some(said) = found else { return Ok(Err(Code::INVALID_MESSAGE_ID)) };
        let lists = self.store.lists(vec![actor.id().clone()]).await?;
        let Some(reader) = lists.first() else { return Ok(Err(Code::INTERNAL_ERROR)) };
        Ok(history::message(&said, reader, self.now()))
    }
}
