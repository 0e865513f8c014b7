//! What was said in groups of ours, for clients that are in them.

use std::sync::Arc;

use super::super::Sap;
use super::super::clients::Client;
use crate::element::group::history;
use crate::element::im::fetch;
use crate::imps::primitive::GetMessageListRequest;
use crate::imps::{Code, GroupId, MessageId, Primitive};
use crate::relay::ports::StoreError;
use crate::relay::route::Home;

impl Sap {
    /// A client lists what was said. SSP has no way to ask another provider for it: 821.
    pub(in super::super) async fn group_history(
        &self,
        client: &Arc<Client>,
        id: &GroupId,
        request: &GetMessageListRequest,
    ) -> Result<Result<Primitive, Code>, StoreError> {
        match self.home_of(id) {
            Home::Here => {}
            Home::At(_) => return Ok(Err(Code::HISTORY_NOT_SUPPORTED)),
            Home::Nowhere => return Ok(Err(Code::DOMAIN_NOT_SUPPORTED)),
        }
        let Some(stored) = self.store.group(id.clone()).await? else { return Ok(Err(Code::NO_GROUP)) };
        if let Err(code) = history::may_look_back(&stored.group, &client.actor()) {
            return Ok(Err(code));
        }
        let (newest, total) = self.store.said(id.clone(), fetch::list_limit(request)).await?;
        let lists = self.store.lists(vec![client.user().clone()]).await?;
        let Some(reader) = lists.first() else { return Ok(Err(Code::INTERNAL_ERROR)) };
        Ok(Ok(history::list(request, &newest, total, reader, self.now()).into()))
    }

    /// A client fetches a message that waits nowhere for it: one of a group that it is in.
    pub(in super::super) async fn said_to(
        &self,
        client: &Arc<Client>,
        id: MessageId,
    ) -> Result<Result<Primitive, Code>, StoreError> {
        let Some(said) = self.store.said_to(client.id.clone(), id).await? else {
            return Ok(Err(Code::INVALID_MESSAGE_ID));
        };
        let lists = self.store.lists(vec![client.user().clone()]).await?;
        let Some(reader) = lists.first() else { return Ok(Err(Code::INTERNAL_ERROR)) };
        Ok(history::message(&said, reader, self.now()))
    }
}
