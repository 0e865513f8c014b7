//! Groups: those at home here for everybody who asks, those elsewhere for our clients.
//!
//! A request goes to the home of its group. Here it is decided by the element, committed with what others
//! are told of it, and decided anew if somebody else was quicker. What is at home elsewhere is asked
//! there; which of our clients are in is remembered, so that a peer can speak to nobody else, and so that
//! they are out when their session ends.

mod conversation;
mod elsewhere;
mod entry;
mod history;
mod names;
mod reach;

pub(super) use elsewhere::to_elements;

use std::hash::{Hash as _, Hasher as _};
use std::sync::Arc;
use std::time::Duration;

use tracing::{debug, info};

use super::clients::Client;
use super::questions::{Question, Reply};
use super::services::PeerAsks;
use super::{CONFLICTS_MAX, GROUP_LANES, Sap, store_code};
use crate::element::group::told::{about, told};
use crate::element::group::{self, Decision, Edit, Group};
use crate::element::notify::{Actor, Notify, Reach};
use crate::imps::agreement::Service;
use crate::imps::primitive::{LeaveGroupResponse, NotificationRequest, NotificationType, User};
use crate::imps::status::Entity;
use crate::imps::{Code, Domain, GroupId, Moment, Primitive, SessionId, Status, UserId};
use crate::relay::admit::Origin;
use crate::relay::admit::group_of;
use crate::relay::ports::{Change, GroupChange, Outcome, StoreError, Visit};
use crate::relay::route::{Home, Route};

/// How long a group's home is told that a client went out (reference ssp-behaviour §5, as unsubscribe).
const LEAVE_LIFE: Duration = Duration::from_secs(86_400);
/// Groups, or sessions that are over, that are looked at in one sweep.
const PAGE: usize = 100;

impl Sap {
    /// A client's request about a group.
    pub(super) async fn group_request(&self, client: &Arc<Client>, primitive: Primitive) -> Primitive {
        let actor = client.actor();
        let Some(group) = group_of(&primitive).cloned() else { return Status::new(Code::BAD_REQUEST).into() };
        let answer = match self.home_of(&group) {
            Home::Here => self.serve_group(&actor, &group, &primitive).await,
            Home::At(peer) => match primitive {
                Primitive::RejectListRequest(request) => self.reject_elsewhere(&actor, peer, request).await,
                primitive => self.ask_group(&actor, &group, peer, primitive).await,
            },
            Home::Nowhere => Ok(Status::new(Code::DOMAIN_NOT_SUPPORTED).into()),
        };
        match answer {
            Ok(answer) => for_client(answer),
            Err(error) => Status::new(store_code(&error)).into(),
        }
    }

    /// A peer's request about a group of ours, or a notice about one of its own.
    pub(super) async fn group_from_peer(
        &self,
        asks: PeerAsks<'_>,
        primitive: Primitive,
    ) -> Result<Primitive, StoreError> {
        match primitive {
            Primitive::GroupChangeNotice(mut notice) => {
                let users = std::mem::take(&mut notice.users);
                let group = notice.group.clone();
                self.group_told(asks, &group, users, Primitive::GroupChangeNotice(notice), false).await
            }
            Primitive::LeaveGroupResponse(mut notice) => {
                let mut users = std::mem::take(&mut notice.users);
                let Some(group) = notice.group.clone() else {
                    return Ok(Status::new(Code::BAD_REQUEST).into());
                };
                if users.is_empty() && asks.refused.is_empty() {
                    users = self.put_out_unnamed(&group, notice.result.code).await?;
                    if users.is_empty() {
                        info!(peer = %asks.agreement.domain, %group, "somebody is put out who is not named");
                        return Ok(Status::ok().into());
                    }
                }
                self.group_told(asks, &group, users, notice.into(), true).await
            }
            request => {
                let Origin::Peer { user: Some(user), .. } = asks.origin else {
                    return Ok(Status::new(Code::BAD_REQUEST).into());
                };
                let Some(group) = group_of(&request).cloned() else {
                    return Ok(Status::new(Code::BAD_REQUEST).into());
                };
                match self.home_of(&group) {
                    Home::Here => self.serve_group(&Actor { user, session: None }, &group, &request).await,
                    // Nothing goes back where it came from.
                    Home::At(element) if element != asks.agreement.domain => {
                        self.group_handed_on(asks.own, element, user, request).await
                    }
                    _ => Ok(Status::new(Code::SERVICE_NOT_AGREED).into()),
                }
            }
        }
    }

    /// Where a group is run: at its home, or at the element that its home delegates its groups to.
    pub(super) fn home_of(&self, group: &GroupId) -> Home {
        let map = self.map();
        if group.domain_str().is_some_and(|domain| map.directory.hosts(domain, Service::Group)) {
            return Home::Here;
        }
        let element = map.directory.element_of(Service::Group);
        match (map.routes.home(group.domain_str(), self.now().date_time()), element) {
            (Home::Here, Some(element)) => Home::At(element.clone()),
            (home, _) => home,
        }
    }

    /// Carries out a request about a group of ours.
    async fn serve_group(
        &self,
        actor: &Actor,
        id: &GroupId,
        request: &Primitive,
    ) -> Result<Primitive, StoreError> {
        if let Primitive::CreateGroupRequest(create) = request {
            let (owned, all) = self.store.group_counts(actor.id().clone()).await?;
            let (group, decision) = match group::create(actor, create, owned, all, self.now()) {
                Ok(made) => made,
                Err(code) => return Ok(Status::new(code).into()),
            };
            let create = Change::Group(GroupChange::Create(Box::new(group)));
            let outcomes = self.commit_and_tell(vec![create], decision.notices).await?;
            if outcomes.first() != Some(&Outcome::Done) {
                return Ok(Status::new(Code::GROUP_EXISTS).into());
            }
            let told = about(NotificationType::GroupCreated, id);
            self.notify_clients(actor.id(), actor.session.as_ref(), vec![told]).await;
            return Ok(decision.answer);
        }
        let known =
            Known { strangers: self.strangers(request).await?, age: self.age(actor, id, request).await? };
        let decide = |group: &Group, now| decide(group, actor, request, &known, now);
        let by = actor.session.as_ref();
        Ok(self.change_group(id, by, decide).await?.unwrap_or_else(|code| Status::new(code).into()))
    }

    /// Loads, decides, commits and tells, until nobody else was quicker. The answer, or why there is none:
    /// the decision's own reason, 800 without such a group, 503 if others always were quicker. `by` is the
    /// client that knows of it.
    pub(super) async fn change_group(
        &self,
        id: &GroupId,
        by: Option<&SessionId>,
        decide: impl Fn(&Group, Moment) -> Result<Decision, Code>,
    ) -> Result<Result<Primitive, Code>, StoreError> {
        Ok(match Box::pin(self.edit_group(id, decide)).await? {
            Ok((answer, told)) => {
                self.notify_each(by, told).await;
                Ok(answer)
            }
            Err(code) => Err(code),
        })
    }

    /// The same without notifications to clients that are not in the group: what they would be.
    async fn edit_group(
        &self,
        id: &GroupId,
        decide: impl Fn(&Group, Moment) -> Result<Decision, Code>,
    ) -> Result<Result<(Primitive, Vec<(UserId, NotificationRequest)>), Code>, StoreError> {
        let mut hasher = std::hash::DefaultHasher::new();
        id.hash(&mut hasher);
        let lane = usize::try_from(hasher.finish() % GROUP_LANES as u64).unwrap_or_default();
        // Whoever changes the same group waits here instead of deciding in vain.
        let _turn = match self.group_lanes.get(lane) {
            Some(lane) => Some(lane.lock().await),
            None => None,
        };
        for _ in 0..CONFLICTS_MAX {
            let Some(stored) = self.store.group(id.clone()).await? else { return Ok(Err(Code::NO_GROUP)) };
            let decision = match decide(&stored.group, self.now()) {
                Ok(decision) => decision,
                Err(code) => return Ok(Err(code)),
            };
            if decision.edits.is_empty() {
                return Ok(Ok((decision.answer, Vec::new())));
            }
            let told = told(&stored.group, &decision.edits, self.now());
            let change =
                GroupChange::Edit { group: id.clone(), version: stored.version, edits: decision.edits };
            let outcomes = self.commit_and_tell(vec![Change::Group(change)], decision.notices).await?;
            match outcomes.first() {
                Some(Outcome::Done) => return Ok(Ok((decision.answer, told))),
                Some(Outcome::Conflict) => {}
                _ => return Ok(Err(Code::NO_GROUP)),
            }
        }
        Ok(Err(Code::SERVICE_UNAVAILABLE))
    }

    /// Those whom a request names as users of ours, and who are none.
    async fn strangers(&self, request: &Primitive) -> Result<Vec<UserId>, StoreError> {
        let named = match request {
            Primitive::AddGroupMembersRequest(request) => &request.users,
            Primitive::RejectListRequest(request) => &request.add.users,
            _ => return Ok(Vec::new()),
        };
        let ours: Vec<UserId> = {
            let (map, now) = (self.map(), self.now());
            let is_ours = |user: &&UserId| {
                let domain = user.domain_str();
                domain.is_some_and(|domain| matches!(map.routes.of(domain, now.date_time()), Route::Local(_)))
            };
            named.iter().take(group::NAMED_MAX).filter(is_ours).cloned().collect()
        };
        let accounts = self.store.accounts(ours.clone()).await?;
        let unknown = ours.into_iter().zip(accounts).filter(|(_, account)| account.is_none());
        Ok(unknown.map(|(user, _)| user).collect())
    }

    /// Asks a group's home elsewhere for a client.
    async fn ask_group(
        &self,
        actor: &Actor,
        id: &GroupId,
        peer: Domain,
        request: Primitive,
    ) -> Result<Primitive, StoreError> {
        let (Some(own), Some(session)) = (actor.id().domain(), actor.session.clone()) else {
            return Ok(Status::new(Code::INTERNAL_ERROR).into());
        };
        let end = || Change::Group(GroupChange::EndVisit { session: session.clone(), group: id.clone() });
        let visit = |name: Option<Box<str>>| {
            Change::Group(GroupChange::Visit(Visit {
                user: actor.id().clone(),
                client: actor.user.client.clone().unwrap_or_default(),
                session: session.clone(),
                group: id.clone(),
                name,
            }))
        };
        // A notice can overtake the answer to a join: the visit is kept before it is asked for.
        let (with, enters) = match &request {
            Primitive::JoinGroupRequest(join) => {
                (vec![visit(join.screen_name.as_ref().map(|name| name.name.clone()))], true)
            }
            Primitive::CreateGroupRequest(create) if create.join => {
                (vec![visit(create.screen_name.as_ref().map(|name| name.name.clone()))], true)
            }
            _ => (Vec::new(), false),
        };
        let was_in = enters && self.is_visiting(&session, id).await?;
        let leaves = matches!(request, Primitive::LeaveGroupRequest(_));
        let question = Question {
            own,
            peer,
            by: Some(actor.user.clone()),
            client_originated: true,
            primitive: request.clone(),
            kept: leaves.then_some(LEAVE_LIFE),
            order: format!("{} {}", actor.id().key(), id.key()).into(),
        };
        let reply = self.ask(vec![question], with).await?.pop();
        let answer = match reply {
            Some(Reply::Answer(answer)) => plausible(&request, *answer, id),
            Some(Reply::Queued) if leaves => left(id),
            Some(Reply::Queued) | None => Status::new(Code::TIMEOUT).into(),
            Some(Reply::Failed(code)) => Status::new(code).into(),
        };
        let code = answer.code();
        let not_in = matches!(code, Code::NO_GROUP | Code::NOT_JOINED | Code::NOT_A_MEMBER);
        let out = (leaves && (code.is_success() || not_in)) || (enters && !code.is_success() && !was_in);
        if out {
            self.store.commit(vec![end()]).await?;
        }
        if code.is_success() {
            self.remember_auto_join(actor.id(), id, &request).await?;
            let kind = match request {
                Primitive::CreateGroupRequest(_) => Some(NotificationType::GroupCreated),
                Primitive::DeleteGroupRequest(_) => Some(NotificationType::GroupDeleted),
                _ => None,
            };
            let told = kind.into_iter().map(|kind| about(kind, id)).collect();
            self.notify_clients(actor.id(), Some(&session), told).await;
        }
        Ok(answer)
    }

    async fn is_visiting(&self, session: &SessionId, id: &GroupId) -> Result<bool, StoreError> {
        let visits = self.store.visits(session.clone()).await?;
        Ok(visits.iter().any(|visit| visit.group == *id))
    }

    /// The home of a group tells users of ours something. Only clients hear it that are in that group.
    async fn group_told(
        &self,
        asks: PeerAsks<'_>,
        id: &GroupId,
        users: Vec<User>,
        notice: Primitive,
        out: bool,
    ) -> Result<Primitive, StoreError> {
        if users.is_empty() && asks.refused.is_empty() {
            debug!(group = %id, notice = notice.name(), "a notice for nobody");
            return Ok(Status::new(Code::BAD_REQUEST).into());
        }
        let mut outcomes = asks.refused;
        let mut notices = Vec::new();
        // The element tells of a group of ours: members elsewhere hear it through us.
        let (users, elsewhere): (Vec<User>, Vec<User>) = users.into_iter().partition(|user| {
            let home = user.id.domain_str();
            home.is_some_and(|home| self.map().directory.own_domain(home).is_some())
        });
        if !elsewhere.is_empty() {
            outcomes.extend(elsewhere.iter().map(|user| (Entity::User(user.id.clone()), Code::SUCCESSFUL)));
            notices.push(Notify::new(asks.own.clone(), elsewhere, notice.clone()));
        }
        let ids = users.iter().map(|user| user.id.clone()).collect();
        let visits = self.store.visitors(id.clone(), ids).await?;
        let mut changes = Vec::new();
        for user in users {
            let same = |visit: &&Visit| {
                visit.user == user.id && user.client.as_ref().is_none_or(|client| *client == visit.client)
            };
            let sessions: Vec<SessionId> =
                visits.iter().filter(same).map(|visit| visit.session.clone()).collect();
            let code = if sessions.is_empty() { Code::NOT_JOINED } else { Code::SUCCESSFUL };
            outcomes.push((Entity::User(user.id.clone()), code));
            if out {
                changes.extend(sessions.iter().map(|session| {
                    let group = id.clone();
                    Change::Group(GroupChange::EndVisit { session: session.clone(), group })
                }));
            }
            if !sessions.is_empty() {
                let to = vec![user.id.into()];
                notices.push(Notify {
                    reach: Reach::Sessions(sessions),
                    ..Notify::new(asks.own.clone(), to, notice.clone())
                });
            }
        }
        // Told whether or not the visits were still there.
        self.commit_and_tell(Vec::new(), notices).await?;
        if !changes.is_empty() {
            self.store.commit(changes).await?;
        }
        Ok(Status::merge(outcomes).into())
    }

    /// Whom the one known implementation means that puts somebody out of a group and does not say whom: all who
    /// are in, if the group is gone; else the only one who is in. Nobody if it cannot be told (reference
    /// ssp-primitives §4.6).
    async fn put_out_unnamed(&self, id: &GroupId, why: Code) -> Result<Vec<User>, StoreError> {
        let limit = if why == Code::NO_GROUP { group::NAMED_MAX } else { 2 };
        let visits = self.store.all_visitors(id.clone(), limit).await?;
        let mut users: Vec<User> = Vec::new();
        for Visit { user, client, .. } in visits {
            if why != Code::NO_GROUP {
                users.push(User { client: Some(client), ..User::from(user) });
            } else if !users.iter().any(|known| known.id == user) {
                users.push(user.into());
            }
        }
        Ok(if why == Code::NO_GROUP || users.len() == 1 { users } else { Vec::new() })
    }

    /// A session is over: its client is out of every group.
    pub(super) async fn leave_groups(&self, session: &SessionId) -> Result<(), StoreError> {
        for id in self.store.groups_of_session(session.clone()).await? {
            let decide = |group: &Group, now| group::log_out(group, session, now).ok_or(Code::NOT_JOINED);
            if let Err(code) = self.change_group(&id, Some(session), decide).await? {
                debug!(group = %id, %code, "a session that is over was not in the group");
            }
        }
        for visit in self.store.visits(session.clone()).await? {
            let end =
                Change::Group(GroupChange::EndVisit { session: session.clone(), group: visit.group.clone() });
            // The same client may have come back with another session and gone in again: its home does not
            // tell the two apart.
            let others = self.store.visitors(visit.group.clone(), vec![visit.user.clone()]).await?;
            let is_back =
                others.iter().any(|other| other.session != *session && other.client == visit.client);
            let home = if is_back { Home::Nowhere } else { self.home_owed(&visit.group) };
            let Home::At(peer) = home else {
                self.store.commit(vec![end]).await?;
                continue;
            };
            let Some(own) = visit.user.domain() else { continue };
            self.ask_for_nobody(vec![reach::leaves(own, peer, visit)], vec![end]).await?;
        }
        Ok(())
    }

    /// Groups end that nobody is in for too long.
    pub(super) async fn sweep_groups(&self, now: Moment) -> Result<(), StoreError> {
        for id in self.store.groups_ended(now, PAGE).await? {
            let decide = |group: &Group, now: Moment| match group.ends {
                Some(ends) if ends <= now => Ok(Decision {
                    answer: Status::ok().into(),
                    edits: vec![if group.occupants.is_empty() { Edit::Delete } else { Edit::Ends(None) }],
                    notices: Vec::new(),
                }),
                _ => Err(Code::NOT_JOINED),
            };
            if self.change_group(&id, None, decide).await?.is_ok() {
                debug!(group = %id, "a group ended for want of occupants");
            }
        }
        Ok(())
    }

    /// Sessions that ended without anybody's notice, as in a crash, are put out; and what was decided for a
    /// session at the moment when it ended goes too.
    pub(super) async fn sweep_absent(&self) -> Result<(), StoreError> {
        for session in self.store.absent_sessions(PAGE).await? {
            self.leave_groups(&session).await?;
            self.store.commit(vec![Change::DropCspSession(session)]).await?;
        }
        Ok(())
    }
}

/// The answer as CSP has it: a typed answer that tells of failure is a Status.
pub(super) fn for_client(answer: Primitive) -> Primitive {
    match answer.status() {
        Some(status) if !status.code.is_success() => status.clone().into(),
        _ => answer,
    }
}

fn left(group: &GroupId) -> Primitive {
    LeaveGroupResponse { group: Some(group.clone()), result: Status::ok(), users: Vec::new() }.into()
}

/// The answer of a group's home, completed with what the request said; 500 for what is no answer to it.
fn plausible(request: &Primitive, answer: Primitive, group: &GroupId) -> Primitive {
    let group = Some(group.clone());
    match (request, answer) {
        (Primitive::LeaveGroupRequest(_), Primitive::Status(status)) if status.code.is_success() => {
            LeaveGroupResponse { group, result: status, users: Vec::new() }.into()
        }
        (_, Primitive::Status(status)) => status.into(),
        (Primitive::JoinGroupRequest(join), Primitive::JoinGroupResponse(mut answer)) => {
            answer.group = group;
            answer.screen_name = answer.screen_name.or_else(|| join.screen_name.clone());
            answer.into()
        }
        (Primitive::LeaveGroupRequest(_), Primitive::LeaveGroupResponse(mut answer)) => {
            (answer.group, answer.users) = (group, Vec::new());
            answer.into()
        }
        (Primitive::GetJoinedUsersRequest(_), Primitive::GetJoinedUsersResponse(mut answer)) => {
            answer.group = group;
            answer.into()
        }
        (Primitive::GetGroupPropsRequest(_), answer @ Primitive::GetGroupPropsResponse(_))
        | (Primitive::GetGroupMembersRequest(_), answer @ Primitive::GetGroupMembersResponse(_))
        | (Primitive::RejectListRequest(_), answer @ Primitive::RejectListResponse(_))
        | (Primitive::SubscribeGroupNoticeRequest(_), answer @ Primitive::SubscribeGroupNoticeResponse(_)) => {
            answer
        }
        (request, answer) => {
            debug!(request = request.name(), answer = answer.name(), "no answer to what was asked");
            Status::new(Code::INTERNAL_ERROR).into()
        }
    }
}

/// What a decision needs to know beside the group.
struct Known {
    /// Those whom the request names as users of ours, and who are none.
    strangers: Vec<UserId>,
    /// What the asker's public profile says, if it matters.
    age: Option<u8>,
}

/// What a request about a group of ours comes to.
fn decide(
    group: &Group,
    actor: &Actor,
    request: &Primitive,
    known: &Known,
    now: Moment,
) -> Result<Decision, Code> {
    let unknown = &known.strangers;
    match request {
        Primitive::DeleteGroupRequest(_) => group::delete(group, actor),
        Primitive::GetGroupPropsRequest(_) => Ok(group::properties(group, actor)),
        Primitive::SetGroupPropsRequest(request) => group::set_properties(group, actor, request),
        Primitive::JoinGroupRequest(request) => group::join(group, actor, request, known.age),
        Primitive::LeaveGroupRequest(_) => group::leave(group, actor, now),
        Primitive::GetGroupMembersRequest(_) => group::members(group, actor),
        Primitive::GetJoinedUsersRequest(_) => group::joined_users(group, actor),
        Primitive::AddGroupMembersRequest(request) => group::add_members(group, actor, request, unknown),
        Primitive::RemoveGroupMembersRequest(request) => group::remove_members(group, actor, request, now),
        Primitive::MemberAccessRequest(request) => group::access(group, actor, request),
        Primitive::RejectListRequest(request) => group::reject(group, actor, request, unknown, now),
        Primitive::SubscribeGroupNoticeRequest(request) => group::subscription(group, actor, request.wish),
        _ => Err(Code::BAD_REQUEST),
    }
}
