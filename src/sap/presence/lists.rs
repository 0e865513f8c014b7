//! Subscriptions that follow contact lists (AutoSubscribe): whoever comes onto a list is watched from then
//! on, and whoever leaves it no more (reference csp-messages §5, §6).
//!
//! A client of ours says so for a list of its user; what it watches ends with its session, and so does that.
//! A user that is also watched by its own name is watched no more when it leaves the list: which of the two
//! the client meant it never said.

use std::collections::HashSet;
use std::sync::Arc;

use tracing::warn;

use super::Failed;
use crate::element::lists::Lists;
use crate::element::presence::FollowedList;
use crate::imps::presence::AttributeSet;
use crate::imps::{Code, ContactListId, UserId, Version};
use crate::relay::ports::{Change, Outcome, PresenceChange, StoreError};
use crate::sap::Sap;
use crate::sap::clients::Client;

impl Sap {
    /// A client follows these lists of its user from now on, as far as they exist. 760 if they are too many,
    /// and to a client of 1.1, whose lists never follow.
    pub(super) async fn follow_lists(
        &self,
        client: &Arc<Client>,
        lists: &[ContactListId],
        wanted: AttributeSet,
    ) -> Result<(), Failed> {
        if client.machine().record().version == Version::V1_1 {
            return Err(Failed::Code(Code::NO_AUTO_SUBSCRIPTION));
        }
        let watcher = client.user();
        let Some(own) = self.store.lists(vec![watcher.clone()]).await?.pop() else { return Ok(()) };
        let rows = lists.iter().filter(|list| own.list(list).is_some()).map(|list| FollowedList {
            watcher: watcher.clone(),
            session: client.id.clone(),
            list: list.clone(),
            wanted,
        });
        let change = PresenceChange::FollowLists(rows.collect());
        match self.store.commit(vec![Change::Presence(Box::new(change))]).await?.first() {
            Some(Outcome::Full) => Err(Failed::Code(Code::NO_AUTO_SUBSCRIPTION)),
            _ => Ok(()),
        }
    }

    /// And these no more.
    pub(super) async fn unfollow_lists(
        &self,
        client: &Arc<Client>,
        lists: &[ContactListId],
    ) -> Result<(), StoreError> {
        if lists.is_empty() {
            return Ok(());
        }
        let session = Some(client.id.clone());
        let (watcher, lists) = (client.user().clone(), lists.to_vec());
        let change = PresenceChange::UnfollowLists { watcher, session, lists };
        self.store.commit(vec![Change::Presence(Box::new(change))]).await.map(drop)
    }

    /// The lists of a user are others than these by now: what follows them follows.
    pub(in crate::sap) async fn presence_follows_lists(&self, before: &Lists) {
        if let Err(error) = self.lists_changed(before).await {
            warn!(user = %before.owner, %error, "subscriptions cannot follow a contact list");
        }
    }

    async fn lists_changed(&self, before: &Lists) -> Result<(), StoreError> {
        let owner = &before.owner;
        let followed = self.store.followed_lists(owner.clone()).await?;
        if followed.is_empty() {
            return Ok(());
        }
        let Some(after) = self.store.lists(vec![owner.clone()]).await?.pop() else { return Ok(()) };
        for row in &followed {
            let Some(client) = self.clients.get(&row.session) else { continue };
            let old: HashSet<UserId> = in_order(before, &row.list).collect();
            let came: Vec<UserId> = in_order(&after, &row.list).filter(|it| !old.contains(it)).collect();
            if !came.is_empty() {
                self.follow_quietly(&client, came, row.wanted).await?;
            }
            // On this list, or on another that the client follows.
            let of_client = followed.iter().filter(|other| other.session == row.session);
            let still: HashSet<UserId> = of_client.flat_map(|other| in_order(&after, &other.list)).collect();
            let went: Vec<UserId> = in_order(before, &row.list).filter(|it| !still.contains(it)).collect();
            if !went.is_empty() {
                self.leave_quietly(&client, went).await?;
            }
        }
        let gone: HashSet<ContactListId> =
            followed.into_iter().map(|row| row.list).filter(|list| after.list(list).is_none()).collect();
        if !gone.is_empty() {
            let lists = gone.into_iter().collect();
            let change = PresenceChange::UnfollowLists { watcher: owner.clone(), session: None, lists };
            self.store.commit(vec![Change::Presence(Box::new(change))]).await?;
        }
        Ok(())
    }
}

fn in_order<'l>(lists: &'l Lists, list: &ContactListId) -> impl Iterator<Item = UserId> + use<'l> {
    lists.list(list).into_iter().flat_map(|list| &list.contacts).map(|contact| contact.user.clone())
}
