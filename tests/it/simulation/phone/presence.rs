//! What a phone does about presence: publish, watch, look, and say who may see it.

use causeway::imps::presence::{Attribute, AttributeName, Plain, PresenceSubList};
use causeway::imps::primitive::{
    CreateAttributeListRequest, DeleteAttributeListRequest, GetPresenceRequest, Presence, PresenceAuthUser,
    SubscribePresenceRequest, UnsubscribePresenceRequest, UpdatePresenceRequest,
};
use causeway::imps::status::Entity;
use causeway::imps::{Code, Primitive, UserId};

use super::Phone;
use crate::simulation::ledger::Pending;

impl Phone {
    /// Does one thing about presence.
    pub(super) async fn show(&mut self, others: &[UserId]) {
        let other = self.dice.pick(others).clone();
        match self.dice.below(100) {
            0..35 => self.publish().await,
            35..65 => self.watch(&other).await,
            65..85 => self.allow(&other).await,
            _ => self.look(&other).await,
        }
    }

    /// Asks, and enters into the book whether it took effect.
    async fn settle(
        &mut self,
        request: impl Into<Primitive>,
        about: &UserId,
        pending: Pending,
    ) -> Option<Code> {
        let answer = self.ask(request.into()).await.ok()?;
        let status = match &answer {
            Primitive::Status(status) => status.clone(),
            other => other.status().cloned().unwrap_or_default(),
        };
        let code = status.code_for(&Entity::User(about.clone()));
        self.tell(&format!("{code}"));
        self.session_lost(&status);
        // 503 and 504 leave open what becomes of it.
        if code.is_success() || !matches!(code.get(), 500 | 503 | 504) {
            self.ledger.came_to(pending, code.is_success());
        }
        Some(code)
    }

    async fn publish(&mut self) {
        let (number, pending) = self.ledger.saying(&self.user);
        self.tell(&format!("publishes mood {number}"));
        let text =
            Plain { qualifier: Some(true), value: Some(format!("mood {number}").into()), client: None };
        let attributes = PresenceSubList::new(vec![Attribute::StatusText(text)]);
        let user = self.user.clone();
        self.settle(UpdatePresenceRequest { attributes }, &user, pending).await;
    }

    async fn watch(&mut self, other: &UserId) {
        let users = vec![other.clone()];
        if self.watching.contains(other) {
            self.tell(&format!("no longer watches {other}"));
            self.watching.retain(|watched| watched != other);
            let pending = self.ledger.watching(&self.user, other, false);
            let request = UnsubscribePresenceRequest { users, ..UnsubscribePresenceRequest::default() };
            self.settle(request, other, pending).await;
            return;
        }
        self.tell(&format!("watches {other}"));
        let pending = self.ledger.watching(&self.user, other, true);
        let attributes = self
            .dice
            .coin()
            .then(|| PresenceSubList::naming([AttributeName::StatusText].into_iter().collect()));
        let request = SubscribePresenceRequest { users, attributes, ..SubscribePresenceRequest::default() };
        let code = self.settle(request, other, pending).await;
        if self.session.is_some() && code.is_some_and(Code::is_success) {
            self.watching.push(other.clone());
        }
    }

    /// Lets somebody see what this user publishes, or no longer.
    async fn allow(&mut self, other: &UserId) {
        let on = self.dice.permille(650);
        let pending = self.ledger.granting(&self.user, other, on);
        let users = vec![other.clone()];
        if on {
            self.tell(&format!("lets {other} watch"));
            let mut names = vec![AttributeName::StatusText];
            if self.dice.coin() {
                names.push(AttributeName::OnlineStatus);
            }
            let request = CreateAttributeListRequest {
                attributes: PresenceSubList::naming(names.into_iter().collect()),
                users,
                contact_lists: Vec::new(),
                default_list: false,
                default_notify: None,
                user_notify: None,
                contact_list_notify: None,
            };
            self.settle(request, other, pending).await;
        } else {
            self.tell(&format!("no longer lets {other} watch"));
            let request = DeleteAttributeListRequest { users, ..DeleteAttributeListRequest::default() };
            self.settle(request, other, pending).await;
        }
    }

    /// Somebody asked to see what this user publishes.
    pub(super) async fn decide(&mut self, watcher: &UserId) {
        if self.dice.permille(200) {
            return self.tell(&format!("leaves {watcher} without an answer"));
        }
        let acceptance = self.dice.coin();
        self.tell(&format!("answers {watcher}: {acceptance}"));
        let pending = self.ledger.granting(&self.user, watcher, acceptance);
        let request = PresenceAuthUser { user: watcher.clone(), acceptance, attributes: None };
        self.settle(request, watcher, pending).await;
    }

    async fn look(&mut self, other: &UserId) {
        self.tell(&format!("looks at {other}"));
        let users = vec![other.clone()];
        let request = GetPresenceRequest { users, ..GetPresenceRequest::default() };
        match self.ask(request.into()).await {
            Ok(Primitive::GetPresenceResponse(found)) => {
                for presence in &found.presences {
                    if let Seen::Value(value) = status_text(presence) {
                        self.ledger.saw(&self.user, &presence.user, Some(&value), false);
                    }
                }
            }
            Ok(answer) => {
                if let Some(status) = answer.status().cloned() {
                    self.session_lost(&status);
                }
            }
            Err(_) => {}
        }
    }

    /// A notice tells of somebody's presence.
    pub(super) fn told(&self, presence: &Presence) {
        let value = match status_text(presence) {
            Seen::Value(value) => Some(value),
            Seen::Unknown => None,
            Seen::Nothing => return,
        };
        self.tell(&format!("sees {value:?} of {}", presence.user));
        self.ledger.saw(&self.user, &presence.user, value.as_deref(), true);
    }
}

/// What is shown of a status text.
enum Seen {
    /// Nothing is said of it.
    Nothing,
    /// It is not to be seen.
    Unknown,
    Value(String),
}

fn status_text(presence: &Presence) -> Seen {
    let text = presence.attributes.attributes.iter().find_map(|attribute| match attribute {
        Attribute::StatusText(plain) => Some(plain),
        _ => None,
    });
    match text {
        None => Seen::Nothing,
        Some(Plain { qualifier: Some(false), .. } | Plain { value: None, .. }) => Seen::Unknown,
        Some(Plain { value: Some(value), .. }) => Seen::Value(value.to_string()),
    }
}
