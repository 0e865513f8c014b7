//! What a phone does with groups: make them, go in, speak, put somebody out, go.

use causeway::imps::primitive::{
    CreateGroupRequest, GroupProperties, JoinGroupRequest, LeaveGroupRequest, Listed, Recipient,
    RejectListRequest, ScreenName,
};
use causeway::imps::{Code, GroupId, Primitive, UserId};

use super::Phone;

impl Phone {
    /// Does one thing in one of these groups.
    pub(super) async fn gather(&mut self, groups: &[(GroupId, bool)], others: &[UserId]) {
        let (group, is_founder) = self.dice.pick(groups).clone();
        match self.inside.get(&group).copied() {
            None if is_founder => self.found(&group).await,
            Some(Some(true)) => match self.dice.below(100) {
                0..80 => self.speak(&group).await,
                80..90 if is_founder => {
                    let other = self.dice.pick(others).clone();
                    self.reject(&group, &other).await;
                }
                _ => self.leave(&group).await,
            },
            _ => self.join(&group).await,
        }
    }

    /// Asks about a group; 500, 503 and 504 leave open what becomes of it.
    async fn ask_group(&mut self, request: impl Into<Primitive>) -> Option<Code> {
        let answer = self.ask(request.into()).await.ok()?;
        if let Some(status) = answer.status().cloned() {
            self.session_lost(&status);
        }
        let code = answer.code();
        self.tell(&format!("{code}"));
        (!matches!(code.get(), 500 | 503 | 504)).then_some(code)
    }

    fn screen_name(&self, group: &GroupId) -> ScreenName {
        ScreenName { name: self.user.user().into(), group: group.clone() }
    }

    async fn found(&mut self, group: &GroupId) {
        self.tell(&format!("makes {group}"));
        let pending = self.ledger.moving(&self.user, group, true);
        let request = CreateGroupRequest {
            group: group.clone(),
            properties: Some(GroupProperties::default()),
            own: Vec::new(),
            join: true,
            screen_name: Some(self.screen_name(group)),
            subscribe: self.dice.coin(),
        };
        let code = self.ask_group(request).await;
        self.now_inside(group, code, pending);
    }

    async fn join(&mut self, group: &GroupId) {
        self.tell(&format!("goes into {group}"));
        let pending = self.ledger.moving(&self.user, group, true);
        let request = JoinGroupRequest {
            group: group.clone(),
            screen_name: Some(self.screen_name(group)),
            joined_request: self.dice.coin(),
            subscribe: self.dice.coin(),
            own: Vec::new(),
        };
        let code = self.ask_group(request).await;
        self.now_inside(group, code, pending);
    }

    fn now_inside(
        &mut self,
        group: &GroupId,
        code: Option<Code>,
        pending: crate::simulation::ledger::Pending,
    ) {
        let is_in = code.map(Code::is_success);
        if let Some(is_in) = is_in {
            self.ledger.came_to(pending, is_in);
        }
        let is_in = if self.session.is_some() { is_in } else { None };
        self.inside.insert(group.clone(), is_in);
    }

    async fn leave(&mut self, group: &GroupId) {
        self.tell(&format!("goes out of {group}"));
        let pending = self.ledger.moving(&self.user, group, false);
        let code = self.ask_group(LeaveGroupRequest { group: group.clone() }).await;
        // Whoever is not in is out as well; without an agreement nobody is told.
        let is_out = code.is_some_and(|code| {
            code.is_success() || matches!(code, Code::NO_GROUP | Code::NOT_JOINED | Code::NOT_A_MEMBER)
        });
        if is_out {
            self.ledger.came_to(pending, true);
        }
        self.inside.insert(group.clone(), is_out.then_some(false));
    }

    async fn speak(&mut self, group: &GroupId) {
        let number = self.ledger.speaking(&self.user, group);
        self.tell(&format!("says number {number} in {group}"));
        self.send_to(number, vec![Recipient::Group(group.clone())], false).await;
    }

    async fn reject(&mut self, group: &GroupId, other: &UserId) {
        self.tell(&format!("puts {other} out of {group}"));
        let pending = self.ledger.rejecting(other, group);
        let request = RejectListRequest {
            group: group.clone(),
            add: vec![other.clone()].into(),
            remove: Listed::default(),
        };
        if let Some(code) = self.ask_group(request).await {
            self.ledger.came_to(pending, code.is_success());
        }
    }

    /// The group says that this user is out.
    pub(super) fn put_out(&mut self, group: Option<GroupId>) {
        let Some(group) = group else { return };
        self.tell(&format!("was put out of {group}"));
        self.ledger.put_out(&self.user, &group);
        self.inside.insert(group, None);
    }
}
