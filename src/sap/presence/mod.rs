//! Presence: from requests to answers, and from changes to those who watch.
//!
//! Every change of what one user of ours has, whoever asked for it, goes through
//! [`Sap::presence_change`]: load, decide, find out what watchers have to hear now, commit all of it, and
//! once more if somebody else was quicker. Where watchers are more than one page, the others hear after that
//! commit, page by page; what a crash leaves is found again by the mark that the commit set. Subscriptions to users of other domains are rows of their own;
//! the home of those users sends one notice for each of our users, and it is shared out here
//! (reference ssp-primitives §2).

mod follow;
mod gone;
mod lists;
mod look;
mod notifications;
mod pace;
mod peer;
mod rest;

pub(super) use gone::Gone;
pub(super) use look::Glances;
pub(super) use pace::Pace;

use std::sync::Arc;

use tracing::warn;

use super::clients::Client;
use super::{CONFLICTS_MAX, Sap, store_code};
use crate::element::presence::requests::{self, Decision};
use crate::element::presence::{Edit, Home, Online, Publisher, WATCHERS_LISTED_MAX, fan, notices};
use crate::imps::presence::ClientInfo;
use crate::imps::primitive::{ClientCapabilityRequest, ClientCapabilityResponse, ClientId};
use crate::imps::{Code, ContactListId, Moment, Primitive, SessionId, Status, UserId, Version};
use crate::relay::ports::{Change, Outcome, PresenceChange, StoreError, Watchers};
use crate::session::csp::{Session, Site};

use rest::last_of_page;

/// Why a change did not come about.
enum Failed {
    /// The answer.
    Code(Code),
    /// Nothing was stored.
    Store(StoreError),
}

impl From<StoreError> for Failed {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl Failed {
    fn code(&self) -> Code {
        match self {
            Self::Code(code) => *code,
            Self::Store(error) => store_code(error),
        }
    }
}

impl Sap {
    /// The clients of a user that are logged in, the one that was active last first.
    fn online(&self, user: &UserId) -> Vec<Online> {
        let mut online: Vec<(Moment, Online)> = self
            .clients
            .of_user(user)
            .iter()
            .map(|client| {
                let machine = client.machine();
                let record = machine.record();
                let online = Online {
                    session: record.id.clone(),
                    client: record.client.clone(),
                    version: record.version,
                    info: Some(Box::new(client_info(&machine))),
                };
                (record.last_active, online)
            })
            .collect();
        online.sort_by(|left, right| right.0.cmp(&left.0).then_with(|| left.1.session.cmp(&right.1.session)));
        online.into_iter().map(|(_, online)| online).chain(self.guests_online(user)).collect()
    }

    /// The sessions of watchers that speak 1.1.
    fn old_watchers(&self, publisher: &Publisher) -> Vec<SessionId> {
        let sessions = publisher.watchers.iter().filter_map(|watch| watch.session.clone());
        let speaks_11 = |session: &SessionId| {
            self.clients.get(session).is_some_and(|client| client.machine().record().version == Version::V1_1)
        };
        sessions.filter(speaks_11).collect()
    }

    /// Changes what a user of ours has, and tells its watchers what that makes them see. What somebody else
    /// changed meanwhile is decided anew.
    /// `watchers` are those whom the change concerns: the first page of all, or those of whom it is about.
    async fn presence_change<T>(
        &self,
        owner: &UserId,
        watchers: Watchers,
        decide: impl Fn(&Home<'_>) -> Result<(T, Decision), Code>,
    ) -> Result<T, Failed> {
        let own = owner.domain().ok_or(Failed::Code(Code::UNKNOWN_USER))?;
        for _ in 0..CONFLICTS_MAX {
            let found = self.store.publishers(vec![owner.clone()], watchers.clone()).await?.pop().flatten();
            let publisher = found.ok_or(Failed::Code(Code::UNKNOWN_USER))?;
            let lists = self.store.lists(vec![owner.clone()]).await?.pop();
            let lists = lists.ok_or(Failed::Code(Code::INTERNAL_ERROR))?;
            let online = self.online(owner);
            let last = last_of_page(&watchers, &publisher);
            let (answer, mut edits, notices, again, rest, held) = {
                let old = self.old_watchers(&publisher);
                let home = Home { publisher: &publisher, lists: &lists, online: &online, old: &old };
                let (answer, Decision { mut edits, mut notices }) = decide(&home).map_err(Failed::Code)?;
                let mut after = publisher.clone();
                for edit in &edits {
                    after.apply(edit);
                }
                let old = self.old_watchers(&after);
                let apart = pace::apart(&publisher, &edits, self.settings.presence_pause);
                let held = apart.filter(|apart| self.is_too_soon(owner, *apart));
                let telling = fan::tell(&Home { publisher: &after, old: &old, ..home }, &own, held.is_some());
                edits.extend(telling.edits);
                notices.extend(telling.notices);
                // What is held back is told to all of them later.
                let rest = last.filter(|_| held.is_none());
                (answer, edits, notices, telling.again, rest, held)
            };
            if edits.is_empty() && notices.is_empty() {
                if let Some(last) = rest {
                    self.tell_the_rest(owner, &own, last, publisher.version).await;
                }
                return Ok(answer);
            }
            if rest.is_some() {
                edits.push(Edit::Untold);
            }
            let edit = PresenceChange::Edit { owner: owner.clone(), version: publisher.version, edits };
            let change = Change::Presence(Box::new(edit));
            match self.commit_and_tell(vec![change], notices).await?.first() {
                Some(Outcome::Done) => {
                    if again {
                        self.keep_pace(owner);
                    }
                    if let Some(apart) = held {
                        self.later(owner, apart);
                    }
                    if let Some(last) = rest {
                        let made = publisher.version.saturating_add(1);
                        self.tell_the_rest(owner, &own, last, made).await;
                    }
                    return Ok(answer);
                }
                Some(Outcome::Conflict) => {}
                _ => return Err(Failed::Code(Code::UNKNOWN_USER)),
            }
        }
        Err(Failed::Code(Code::SERVICE_UNAVAILABLE))
    }

    /// Something that a user's watchers may see by is not what it was: its sessions or its lists. Where they cannot
    /// be told now, they are told later.
    pub(in crate::sap) async fn presence_changed(&self, user: &UserId) {
        match self.presence_change(user, Watchers::behind(None), |_| Ok(((), Decision::default()))).await {
            Ok(()) | Err(Failed::Code(Code::UNKNOWN_USER)) => {}
            Err(failed) => {
                warn!(%user, code = %failed.code(), "watchers cannot be told now");
                self.later(user, self.settings.presence_pause);
            }
        }
    }

    /// The contact lists of a user, or its block and grant lists, are others now. `authorised`: who shall see
    /// what a list may see, whatever was said of it before.
    pub(in crate::sap) async fn presence_lists_changed(
        &self,
        user: &UserId,
        authorised: Option<(&ContactListId, &[UserId])>,
    ) {
        let decide = |home: &Home<'_>| Ok(((), requests::lists_changed(home, authorised)));
        if let Err(failed) = self.presence_change(user, Watchers::behind(None), decide).await {
            warn!(%user, code = %failed.code(), "watchers cannot be told");
        }
    }

    /// A client negotiates; what presence says of it follows.
    pub(in crate::sap) async fn negotiate(
        &self,
        client: &Arc<Client>,
        request: &ClientCapabilityRequest,
        site: &Site<'_>,
    ) -> ClientCapabilityResponse {
        let (answer, is_news) = {
            let mut machine = client.machine();
            let before = client_info(&machine);
            let answer = machine.negotiate(request, site);
            (answer, client_info(&machine) != before)
        };
        self.negotiated(client).await;
        if is_news {
            self.presence_changed(client.user()).await;
        }
        answer
    }

    /// A client's request about presence.
    pub(in crate::sap) async fn presence_request(
        &self,
        client: &Arc<Client>,
        primitive: Primitive,
    ) -> Primitive {
        let done = match primitive {
            Primitive::SubscribePresenceRequest(request) => {
                self.subscribe(client, request).await.map(Primitive::from)
            }
            Primitive::UnsubscribePresenceRequest(request) => {
                self.unsubscribe(client, request).await.map(Primitive::from)
            }
            Primitive::GetPresenceRequest(request) => {
                self.get_presence(client, request).await.map(Primitive::from)
            }
            other => self.own_presence(client.user(), &client.key.client, Some(&client.id), other).await,
        };
        done.unwrap_or_else(|failed| Status::new(failed.code()).into())
    }

    /// What the home of a user asks for it of its presence.
    pub(in crate::sap) async fn presence_of_its_own(
        &self,
        user: &UserId,
        client: &ClientId,
        primitive: Primitive,
    ) -> Primitive {
        let done = self.own_presence(user, client, None, primitive).await;
        done.unwrap_or_else(|failed| Status::new(failed.code()).into())
    }

    /// What users look at of their own presence; `None`: it is no such request.
    async fn read_presence(&self, user: &UserId, request: &Primitive) -> Result<Option<Primitive>, Failed> {
        let watchers = match request {
            Primitive::GetWatcherListRequest(_) => Watchers::Page { after: None, limit: WATCHERS_LISTED_MAX },
            Primitive::GetAttributeListRequest(_) | Primitive::GetReactiveAuthStatusRequest(_) => {
                Watchers::Nobody
            }
            _ => return Ok(None),
        };
        let found = self.store.publishers(vec![user.clone()], watchers).await?.pop().flatten();
        let publisher = found.ok_or(Failed::Code(Code::UNKNOWN_USER))?;
        let lists = self.store.lists(vec![user.clone()]).await?.pop();
        let lists = lists.ok_or(Failed::Code(Code::INTERNAL_ERROR))?;
        let home = Home { publisher: &publisher, lists: &lists, online: &[], old: &[] };
        Ok(match request {
            Primitive::GetWatcherListRequest(request) => {
                Some(requests::watcher_list(&publisher, request, self.now()).into())
            }
            Primitive::GetAttributeListRequest(request) => {
                Some(Box::new(requests::attribute_lists(&home, request)).into())
            }
            Primitive::GetReactiveAuthStatusRequest(request) => {
                Some(requests::reactive_status(&publisher, request, self.now()).into())
            }
            _ => None,
        })
    }

    /// What users ask of their own presence.
    async fn own_presence(
        &self,
        user: &UserId,
        client: &ClientId,
        by: Option<&SessionId>,
        primitive: Primitive,
    ) -> Result<Primitive, Failed> {
        if let Some(answer) = self.read_presence(user, &primitive).await? {
            return Ok(answer);
        }
        let decide = |home: &Home<'_>| -> Result<(Primitive, Decision), Code> {
            let done = |decision: Decision| (Primitive::from(Status::ok()), decision);
            match &primitive {
                Primitive::UpdatePresenceRequest(request) => {
                    requests::update(home.publisher, client, request.clone()).map(done)
                }
                Primitive::CreateAttributeListRequest(request) => {
                    requests::create_attribute_list(home, request).map(|(status, it)| (status.into(), it))
                }
                Primitive::DeleteAttributeListRequest(request) => {
                    let (status, decision) = requests::delete_attribute_list(home, request);
                    Ok((status.into(), decision))
                }
                Primitive::PresenceAuthUser(answer) => requests::auth_user(home.publisher, answer).map(done),
                Primitive::CancelAuthRequest(request) => {
                    requests::cancel_auth(home.publisher, request).map(done)
                }
                _ => Err(Code::NOT_IMPLEMENTED),
            }
        };
        // Of what is said about one user nobody else hears.
        let watchers = match &primitive {
            Primitive::PresenceAuthUser(answer) => Watchers::Of(answer.user.clone()),
            _ => Watchers::behind(None),
        };
        let answer = self.presence_change(user, watchers, decide).await?;
        if let Some(told) = notices::of_authorization(&primitive)
            && answer.code().is_success()
        {
            self.notify_clients(user, by, vec![told]).await;
        }
        Ok(answer)
    }
}

/// What is known of a client before it says anything of itself.
fn client_info(machine: &Session) -> ClientInfo {
    let record = machine.record();
    let agreed = (!record.capabilities.is_empty()).then(|| machine.abilities().client_info());
    ClientInfo { application: record.application.clone(), ..agreed.unwrap_or_default() }
}

/// The code that a change came to. An error is one of the store.
fn outcome(changed: Result<(), Failed>) -> Result<Code, StoreError> {
    match changed {
        Ok(()) => Ok(Code::SUCCESSFUL),
        Err(Failed::Code(code)) => Ok(code),
        Err(Failed::Store(error)) => Err(error),
    }
}
