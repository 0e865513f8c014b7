//! What one user of a peer may ask for (reference ssp-behaviour §9), one session of a client, and one source
//! outside of any: here where it is counted.

use std::net::IpAddr;
use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;

use tracing::warn;

use super::Sap;
use super::clients::Client;
use crate::imps::agreement::Agreement;
use crate::imps::primitive::{Author, Display, SendMessageRequest};
use crate::imps::{Moment, Status, UserId};
use crate::relay::budget::{Budget, Budgets};
use crate::relay::events::Refused;

impl Sap {
    /// A message of a user of a peer, or of somebody in a group there, who is known by the name in it. The
    /// agreement with the author's own provider decides how many there may be, by whichever link they come. An
    /// error is the answer.
    pub(super) fn spend_message(&self, link: &Agreement, request: &SendMessageRequest) -> Result<(), Status> {
        let Some(sender) = &request.info.sender else { return Ok(()) };
        let home = match &sender.author {
            Author::User(user) => user.id.domain(),
            Author::Group(group) => group.domain(),
        };
        let Some(home) = home else { return Ok(()) };
        let per_minute = {
            let map = self.map();
            map.directory.agreement(home.as_str()).map_or(link, AsRef::as_ref).user_messages_per_minute
        };
        if per_minute == 0 {
            return Ok(());
        }
        let shown;
        let user = match &sender.author {
            Author::User(user) => user.id.as_str(),
            Author::Group(group) => {
                let name = match &sender.shown {
                    Some(Display::ScreenName(name)) => &*name.name,
                    Some(Display::Name(name)) => name,
                    Some(Display::User(_) | Display::Group(_)) | None => "",
                };
                shown = format!("{group} {name}");
                shown.as_str()
            }
        };
        let key = user.to_ascii_lowercase();
        let spent = self.budgets().message(&home, &key, per_minute, self.now());
        spent.inspect_err(|status| self.over_budget(link, user, Budget::Messages, status))
    }

    /// The answer to a user of a peer who has made too many invitations, or has too many subscriptions.
    pub(super) fn excess(&self, link: &Agreement, user: &UserId, budget: Budget) -> Status {
        let home = user.domain().unwrap_or_else(|| link.domain.clone());
        let status = self.budgets().excess(&home, &user.key(), budget, self.now());
        self.over_budget(link, user.as_str(), budget, &status);
        status
    }

    fn over_budget(&self, link: &Agreement, user: &str, budget: Budget, status: &Status) {
        let (peer, budget, code) = (&link.domain, budget.as_str(), status.code);
        let again = status.try_again.unwrap_or_default();
        warn!(%peer, user, budget, %code, again, "refused: a user of the peer is over its budget");
        self.events.ssp_refused(Some(peer), Refused::Budget);
    }

    /// A request of a client outside of any session; an error tells how long to wait.
    pub fn spend_source(&self, from: IpAddr) -> Result<(), Duration> {
        let mut callers = self.callers.lock().unwrap_or_else(PoisonError::into_inner);
        callers.take(from.into(), self.settings.source_requests_per_second, self.now())
    }

    /// A request in a session; an error tells how long to wait.
    pub(super) fn spend_session(&self, client: &Client) -> Result<(), Duration> {
        client.meter().take(self.settings.session_requests_per_second, self.now())
    }

    pub(super) fn sweep_budgets(&self, now: Moment) {
        self.budgets().forget_idle(now);
        self.callers.lock().unwrap_or_else(PoisonError::into_inner).forget_idle(now);
    }

    fn budgets(&self) -> MutexGuard<'_, Budgets> {
        self.budgets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
