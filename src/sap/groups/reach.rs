//! Groups elsewhere that are out of reach since an agreement was closed: nothing that is said there is heard here
//! any more, so that our clients are out of them, and hear it. The group's home hears it once the agreement is in
//! force again.

use tracing::{info, warn};

use super::super::Sap;
use super::super::questions::Question;
use super::{LEAVE_LIFE, PAGE};
use crate::element::notify::{Notify, Reach};
use crate::imps::primitive::{LeaveGroupRequest, LeaveGroupResponse, User};
use crate::imps::{Code, Domain, GroupId, Status};
use crate::relay::ports::{Change, GroupChange, StoreError, Visit};
use crate::relay::route::Home;

impl Sap {
    /// Ends visits to groups that cannot be reached any more.
    pub(in super::super) async fn sweep_visits(&self) {
        if let Err(error) = self.end_lost_visits().await {
            warn!(%error, "groups that are out of reach cannot be looked up");
        }
    }

    async fn end_lost_visits(&self) -> Result<(), StoreError> {
        let mut after = None;
        loop {
            let groups = self.store.visited(after.take(), PAGE).await?;
            let Some(last) = groups.last().cloned() else { return Ok(()) };
            for group in groups {
                if self.home_of(&group) == Home::Nowhere {
                    self.end_visits_to(&group).await?;
                }
            }
            after = Some(last);
        }
    }

    async fn end_visits_to(&self, group: &GroupId) -> Result<(), StoreError> {
        loop {
            let visits = self.store.all_visitors(group.clone(), PAGE).await?;
            let count = visits.len();
            for visit in visits {
                self.end_lost_visit(visit).await?;
            }
            if count < PAGE {
                return Ok(());
            }
        }
    }

    async fn end_lost_visit(&self, visit: Visit) -> Result<(), StoreError> {
        let Some(own) = visit.user.domain() else { return Ok(()) };
        info!(user = %visit.user, group = %visit.group, "a group is out of reach: its visitor is out");
        let (session, group) = (visit.session.clone(), visit.group.clone());
        let told = LeaveGroupResponse {
            group: Some(group.clone()),
            result: Status::new(Code::DOMAIN_NOT_SUPPORTED),
            users: Vec::new(),
        };
        let notice = Notify {
            reach: Reach::Sessions(vec![session.clone()]),
            seconds: crate::element::group::PUT_OUT_SECONDS,
            ..Notify::new(own.clone(), vec![visit.user.clone().into()], told)
        };
        let end = Change::Group(GroupChange::EndVisit { session, group });
        // The end comes last: what fails before it is done again.
        if let Home::At(peer) = self.home_owed(&visit.group) {
            self.ask_for_nobody(vec![leaves(own, peer, visit)], Vec::new()).await?;
        }
        self.commit_and_tell(vec![end], vec![notice]).await.map(drop)
    }

    /// Where a group is run, or where it will be run for us again once a closed agreement is in force.
    pub(super) fn home_owed(&self, group: &GroupId) -> Home {
        match self.home_of(group) {
            Home::Nowhere => {
                let map = self.map();
                let peer = group.domain_str().and_then(|domain| map.routes.owed_to(domain));
                peer.cloned().map_or(Home::Nowhere, Home::At)
            }
            home => home,
        }
    }
}

/// The obligation to tell a group's home that a client is out.
pub(super) fn leaves(own: Domain, peer: Domain, visit: Visit) -> Question {
    Question {
        own,
        peer,
        order: format!("{} {}", visit.user.key(), visit.group.key()).into(),
        by: Some(User { client: Some(visit.client), ..User::from(visit.user) }),
        client_originated: true,
        primitive: LeaveGroupRequest { group: visit.group }.into(),
        kept: Some(LEAVE_LIFE),
    }
}
