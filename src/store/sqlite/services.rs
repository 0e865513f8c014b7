//! The questions of the services: groups, lists, common features, presence.

use std::future::ready;
use std::sync::Arc;

use super::{Engine, Sqlite, common, groups, history, lists, presence, system};
use crate::element::common::invite::Invitation;
use crate::element::common::search::query::Query;
use crate::element::common::system::Asked;
use crate::element::group::Said;
use crate::element::lists::Lists;
use crate::element::presence::{FollowedList, Following, Publisher, Wish};
use crate::imps::primitive::Property;
use crate::imps::{Domain, GroupId, InviteId, MessageId, Moment, SessionId, UserId};
use crate::relay::ports::{
    CommonStore, GroupStore, ListsStore, PresenceStore, Promise, StoredGroup, Visit, Watchers,
};

impl GroupStore for Sqlite {
    fn group(&self, group: GroupId) -> Promise<Option<StoredGroup>> {
        self.ask(move |connection| groups::read(connection, &group))
    }

    fn group_counts(&self, owner: UserId) -> Promise<(u64, u64)> {
        self.ask(move |connection| groups::counts(connection, &owner))
    }

    fn groups_of_session(&self, session: SessionId) -> Promise<Vec<GroupId>> {
        self.ask(move |connection| groups::of_session(connection, &session))
    }

    fn auto_joins(&self, user: UserId) -> Promise<Vec<GroupId>> {
        self.ask(move |connection| groups::auto_joins(connection, &user))
    }

    fn said(&self, group: GroupId, limit: usize) -> Promise<(Vec<Said>, u64)> {
        self.ask(move |connection| history::newest(connection, &group, limit))
    }

    fn said_to(&self, session: SessionId, message_id: MessageId) -> Promise<Option<Said>> {
        self.ask(move |connection| history::to_session(connection, &session, &message_id))
    }

    fn said_to_guest(&self, user: UserId, message_id: MessageId) -> Promise<Option<Said>> {
        self.ask(move |connection| history::to_guest(connection, &user, &message_id))
    }

    fn groups_ended(&self, now: Moment, limit: usize) -> Promise<Vec<GroupId>> {
        self.ask(move |connection| groups::ended(connection, now, limit))
    }

    fn visits(&self, session: SessionId) -> Promise<Vec<Visit>> {
        self.ask(move |connection| groups::visits(connection, &session))
    }

    fn all_visitors(&self, group: GroupId, limit: usize) -> Promise<Vec<Visit>> {
        self.ask(move |connection| groups::all_visitors(connection, &group, limit))
    }

    fn visited(&self, after: Option<GroupId>, limit: usize) -> Promise<Vec<GroupId>> {
        self.ask(move |connection| groups::visited(connection, after.as_ref(), limit))
    }

    fn visitors(&self, group: GroupId, users: Vec<UserId>) -> Promise<Vec<Visit>> {
        self.ask(move |connection| groups::visitors(connection, &group, &users))
    }

    fn absent_sessions(&self, limit: usize) -> Promise<Vec<SessionId>> {
        self.ask(move |connection| groups::absent(connection, limit))
    }
}

impl ListsStore for Sqlite {
    fn lists(&self, owners: Vec<UserId>) -> Promise<Vec<Arc<Lists>>> {
        match &self.engine {
            Engine::Threads(threads) => {
                if let Some(lists) = threads.memory.lists.remembered(&owners) {
                    return Box::pin(ready(Ok(lists)));
                }
                let memory = Arc::clone(&threads.memory);
                self.ask(move |connection| memory.lists.load(connection, &owners))
            }
            Engine::Inline(_) => self.ask(move |connection| lists::read(connection, &owners)),
        }
    }
}

impl CommonStore for Sqlite {
    fn invitations(&self, inviter: UserId, id: InviteId) -> Promise<Vec<Invitation>> {
        self.ask(move |connection| common::invitations(connection, &inviter, &id))
    }

    fn invitations_to(&self, invitee: UserId, id: InviteId) -> Promise<Vec<Invitation>> {
        self.ask(move |connection| common::invitations_to(connection, &invitee, &id))
    }

    fn profiles(&self, users: Vec<UserId>) -> Promise<Vec<Option<Vec<Property>>>> {
        self.ask(move |connection| common::profiles(connection, &users))
    }

    fn announced(&self, user: UserId, id: Box<str>) -> Promise<Option<Asked>> {
        self.ask(move |connection| system::of_user(connection, &user, &id))
    }

    fn unanswered(&self, user: UserId, now: Moment) -> Promise<Vec<Asked>> {
        self.ask(move |connection| system::unanswered(connection, &user, now))
    }

    fn announced_to(&self, id: Box<str>, after: Option<UserId>, limit: usize) -> Promise<Vec<Asked>> {
        self.ask(move |connection| system::to_everybody(connection, &id, after.as_ref(), limit))
    }

    fn find_users(&self, query: Query, limit: usize) -> Promise<Vec<UserId>> {
        self.ask(move |connection| common::find_users(connection, &query, limit))
    }

    fn find_groups(&self, query: Query, limit: usize) -> Promise<Vec<GroupId>> {
        self.ask(move |connection| common::find_groups(connection, &query, limit))
    }
}

impl PresenceStore for Sqlite {
    fn publishers(&self, owners: Vec<UserId>, watchers: Watchers) -> Promise<Vec<Option<Publisher>>> {
        self.ask(move |connection| presence::publishers(connection, &owners, &watchers))
    }

    fn untold(&self, limit: usize) -> Promise<Vec<UserId>> {
        self.ask(move |connection| presence::untold(connection, limit))
    }

    fn following(&self, watcher: UserId) -> Promise<Vec<Following>> {
        self.ask(move |connection| presence::followed_by(connection, &watcher))
    }

    fn followed_in(&self, domain: Domain) -> Promise<Vec<Following>> {
        self.ask(move |connection| presence::followed_in(connection, &domain))
    }

    fn followed_domains(&self, stale: bool) -> Promise<Vec<Domain>> {
        self.ask(move |connection| presence::followed_domains(connection, stale))
    }

    fn followed_lists(&self, watcher: UserId) -> Promise<Vec<FollowedList>> {
        self.ask(move |connection| presence::lists_followed_by(connection, &watcher))
    }

    fn wishes(&self, sessions: Vec<SessionId>) -> Promise<Vec<Wish>> {
        self.ask(move |connection| presence::wishes(connection, &sessions))
    }

    fn subscriptions_of(&self, watcher: UserId) -> Promise<u64> {
        self.ask(move |connection| presence::subscriptions_of(connection, &watcher))
    }

    fn subscriptions_from(&self, domain: Domain) -> Promise<u64> {
        self.ask(move |connection| presence::subscriptions_from(connection, &domain))
    }

    fn watchers_from(&self, domain: Domain, limit: usize) -> Promise<Vec<(UserId, UserId)>> {
        self.ask(move |connection| presence::watchers_from(connection, &domain, limit))
    }

    fn unreachable(&self) -> Promise<Vec<(Domain, Moment)>> {
        self.ask(presence::unreachable)
    }
}
