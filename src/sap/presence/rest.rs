//! Watchers beyond the first page: they hear of a change after its commit, a page in each commit.
//!
//! Which change was not told to all yet stands in the store from that commit on, so that after a crash
//! everybody is told what is true then. Whoever heard already is not told again: each subscription knows what it
//! was told last.

use tracing::{debug, warn};

use super::Failed;
use crate::element::presence::requests::Decision;
use crate::element::presence::{Home, Publisher, WATCHERS_PAGE, Watch, WatchKey, fan};
use crate::imps::{Code, Domain, UserId};
use crate::relay::ports::{Change, Outcome, PresenceChange, StoreError, Watchers};
use crate::sap::{CONFLICTS_MAX, Sap};

/// Users whose watchers are told in one sweep what a crash or the store had left untold.
const UNTOLD_PAGE: usize = 100;

/// The last watcher of a page behind which there may be more.
pub(super) fn last_of_page(watchers: &Watchers, publisher: &Publisher) -> Option<WatchKey> {
    let Watchers::Page { limit, .. } = watchers else { return None };
    publisher.watchers.last().filter(|_| publisher.watchers.len() >= *limit).map(Watch::key)
}

impl Sap {
    /// Tells everybody behind this watcher. `made`: the version whose change they hear of.
    pub(super) async fn tell_the_rest(&self, owner: &UserId, own: &Domain, after: WatchKey, made: u64) {
        if let Err(failed) = self.tell_pages(owner, own, after).await {
            warn!(user = %owner, code = %failed.code(), "not all watchers could be told; they will be");
            return;
        }
        self.told_all(owner, made).await;
    }

    async fn told_all(&self, owner: &UserId, version: u64) {
        let all = PresenceChange::ToldAll { owner: owner.clone(), version };
        if let Err(error) = self.store.commit(vec![Change::Presence(Box::new(all))]).await {
            debug!(user = %owner, %error, "that all watchers were told is not written down");
        }
    }

    async fn tell_pages(&self, owner: &UserId, own: &Domain, after: WatchKey) -> Result<(), Failed> {
        let (mut after, mut conflicts, mut again) = (after, 0, false);
        loop {
            let page = Watchers::behind(Some(after.clone()));
            let found = self.store.publishers(vec![owner.clone()], page.clone()).await?.pop().flatten();
            // One that is gone has nobody to tell.
            let Some(publisher) = found else { return Ok(()) };
            let lists = self.store.lists(vec![owner.clone()]).await?.pop();
            let lists = lists.ok_or(Failed::Code(Code::INTERNAL_ERROR))?;
            let online = self.online(owner);
            let old = self.old_watchers(&publisher);
            let home = Home { publisher: &publisher, lists: &lists, online: &online, old: &old };
            let telling = fan::tell(&home, own, false);
            if !telling.edits.is_empty() {
                let (version, edits) = (publisher.version, telling.edits);
                let edit = PresenceChange::Edit { owner: owner.clone(), version, edits };
                let change = Change::Presence(Box::new(edit));
                match self.commit_and_tell(vec![change], telling.notices).await?.first() {
                    Some(Outcome::Done) => again |= telling.again,
                    // Somebody else changed something: this page is decided anew.
                    Some(Outcome::Conflict) if conflicts < CONFLICTS_MAX => {
                        conflicts += 1;
                        continue;
                    }
                    Some(Outcome::Conflict) => return Err(Failed::Code(Code::SERVICE_UNAVAILABLE)),
                    _ => return Ok(()),
                }
            }
            conflicts = 0;
            match last_of_page(&page, &publisher) {
                Some(last) => after = last,
                None => break,
            }
        }
        if again {
            self.keep_pace(owner);
        }
        Ok(())
    }

    /// Tells what a crash, or a store that failed, has left untold.
    pub(in crate::sap) async fn sweep_untold(&self) -> Result<(), StoreError> {
        let page = u64::try_from(WATCHERS_PAGE).unwrap_or(u64::MAX);
        for user in self.store.untold(UNTOLD_PAGE).await? {
            let found = self.store.publishers(vec![user.clone()], Watchers::Nobody).await?.pop().flatten();
            let Some(before) = found else { continue };
            let nothing_else = |_: &Home<'_>| Ok(((), Decision::default()));
            match self.presence_change(&user, Watchers::behind(None), nothing_else).await {
                Err(failed) => warn!(%user, code = %failed.code(), "watchers cannot be told"),
                // There was one page only; where there are more they are told by now.
                Ok(()) if before.subscriptions < page => self.told_all(&user, before.version).await,
                Ok(()) => {}
            }
        }
        Ok(())
    }
}
