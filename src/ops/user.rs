//! The whole profile of a user, as `causeway user show` and `GET /api/v1/users/ADDRESS` tell it: what it has subscribed to, what it prefers, who may reach and see it, with what
//! terminals it is there, and what others find it by.
//!
//! CSP carries of all this the public properties alone; the rest is the operator's to show and to change
//! (OMA-WV-Arch-V1_1 §6.1.5.3).

use serde_json::{Value, json};

use crate::element::common::profile::{DIRECTORY, PUBLIC, ProfileError, operators_change};
use crate::element::lists::{Edit, Lists};
use crate::element::presence::{For, Grant, Publisher};
use crate::imps::agreement::Service;
use crate::imps::presence::AttributeName;
use crate::imps::primitive::{ClientId, Property};
use crate::imps::terms::TermsError;
use crate::imps::{GroupId, UserId};
use crate::relay::ports::{Account, Change, CommonChange, ListsChange, Store, StoreError, Watchers};
use crate::session::csp::{Abilities, SessionRecord};

/// What of a user is the operator's to decide, and says nothing personal.
const OPERATORS_OWN: [&str; 5] = ["status", "services", "offline", "block-list", "grant-list"];

/// Why what an operator wrote cannot be set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SetError {
    /// No pair.
    #[error("{0:?} is no NAME=VALUE")]
    NoPair(String),
    /// Nothing that a user has.
    #[error(
        "{0:?} cannot be set of a user; allowed: status, services, offline, block-list, grant-list, {names}",
        names = [&DIRECTORY[..], &PUBLIC[..]].concat().join(", ")
    )]
    Name(String),
    /// Neither on nor off.
    #[error("{name} = {value:?} is not allowed; allowed: on, off")]
    Switch {
        /// Of which list.
        name: String,
        /// What was found.
        value: String,
    },
    /// What it has subscribed to makes no sense.
    #[error(transparent)]
    Terms(#[from] TermsError),
    /// What others find it by makes no sense.
    #[error(transparent)]
    Profile(#[from] ProfileError),
}

/// Everything that is known of one user.
#[derive(Debug)]
pub struct Whole {
    account: Account,
    profile: Vec<Property>,
    lists: Lists,
    publisher: Option<Publisher>,
    auto_joins: Vec<GroupId>,
    waiting: u64,
    sessions: Vec<SessionRecord>,
}

impl Whole {
    /// Reads it; `None`: there is no such user.
    pub async fn read(store: &dyn Store, user: &UserId) -> Result<Option<Self>, StoreError> {
        let users = || vec![user.clone()];
        let Some(account) = store.accounts(users()).await?.pop().flatten() else { return Ok(None) };
        let lists = store.lists(users()).await?.pop().map(|lists| Lists::clone(&lists));
        let mut sessions = store.csp_sessions().await?;
        sessions.retain(|session| session.user == *user);
        Ok(Some(Self {
            account,
            profile: store.profiles(users()).await?.pop().flatten().unwrap_or_default(),
            lists: lists.unwrap_or_else(|| Lists::new(user.clone())),
            publisher: store.publishers(users(), Watchers::Nobody).await?.pop().flatten(),
            auto_joins: store.auto_joins(user.clone()).await?,
            waiting: store.newest(user.clone(), 0).await?.1,
            sessions,
        }))
    }

    fn grants(&self) -> &[Grant] {
        self.publisher.as_ref().map(|publisher| &publisher.grants[..]).unwrap_or_default()
    }

    /// One NAME=VALUE a line; what `set` takes stands under the name that it takes.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = vec![
            format!("address={}", self.account.user),
            format!("created={}", self.account.created.date_time()),
        ];
        let mut line = |name: &str, value: &dyn std::fmt::Display| lines.push(format!("{name}={value}"));
        for (name, value) in self.account.terms.named() {
            line(name, &value);
        }
        let access = &self.lists.access;
        line("block-list", &switch(access.block_in_use));
        line("grant-list", &switch(access.grant_in_use));
        line("blocked", &access.block.len());
        line("granted", &access.grant.len());
        for grant in self.grants() {
            line("sees", &seen(grant));
        }
        line("contact-lists", &self.lists.lists.len());
        line("contacts", &self.lists.contacts());
        if let Some(default) = &self.lists.default {
            line("default-list", default);
        }
        for group in &self.auto_joins {
            line("auto-join", group);
        }
        line("waiting", &self.waiting);
        for session in &self.sessions {
            line("terminal", &terminal(session));
        }
        for property in &self.profile {
            line(&property.name, &property.value.as_deref().unwrap_or_default());
        }
        lines
    }

    /// The same as JSON, in the parts that the architecture document names.
    pub fn to_json(&self) -> Value {
        let (terms, access) = (&self.account.terms, &self.lists.access);
        let services: Vec<_> =
            Service::ALL.iter().filter(|service| terms.has(**service)).map(|it| it.as_str()).collect();
        let texts = |items: &[GroupId]| items.iter().map(ToString::to_string).collect::<Vec<_>>();
        let public = self.profile.iter().map(|property| {
            (property.name.to_string(), json!(property.value.as_deref().unwrap_or_default()))
        });
        let sees: Vec<_> = self
            .grants()
            .iter()
            .map(|grant| {
                let names =
                    grant.attributes.map(|set| set.names().map(AttributeName::as_str).collect::<Vec<_>>());
                json!({ "to": audience(grant), "attributes": names, "notify": grant.notify })
            })
            .collect();
        json!({
            "address": self.account.user.as_str(),
            "created": self.account.created.date_time().to_string(),
            "status": terms.status.as_str(),
            "services": services,
            "preferences": {
                "offline": terms.offline.as_str(),
                "contact_lists": self.lists.lists.iter().map(|list| list.id.to_string()).collect::<Vec<_>>(),
                "default_list": self.lists.default.as_ref().map(ToString::to_string),
                "auto_joins": texts(&self.auto_joins),
            },
            "privacy": {
                "block_list": { "in_use": access.block_in_use, "entries": access.block.len() },
                "grant_list": { "in_use": access.grant_in_use, "entries": access.grant.len() },
                "attribute_lists": sees,
            },
            "terminals": self.sessions.iter().map(terminal_json).collect::<Vec<_>>(),
            "waiting": self.waiting,
            "profile": public.collect::<serde_json::Map<_, _>>(),
        })
    }

    /// The changes that an operator writes as `NAME=VALUE`, to be made together. The outcome of one may be
    /// `Conflict` if the user changed its lists meanwhile.
    pub fn changes(&self, pairs: &[String]) -> Result<Vec<Change>, SetError> {
        let user = &self.account.user;
        let (mut terms, mut access) = (self.account.terms, self.lists.access.clone());
        let mut properties = Vec::new();
        for pair in pairs {
            let (name, value) = pair.split_once('=').ok_or_else(|| SetError::NoPair(pair.clone()))?;
            let known = |names: &[&str]| names.iter().any(|known| known.eq_ignore_ascii_case(name.trim()));
            match name.trim() {
                "block-list" => access.block_in_use = switched(name, value)?,
                "grant-list" => access.grant_in_use = switched(name, value)?,
                _ if known(&PUBLIC) || known(&DIRECTORY) => properties.push(pair.as_str()),
                "status" | "services" | "offline" => terms.set(name, value)?,
                _ => return Err(SetError::Name(name.to_owned())),
            }
        }
        let mut changes = Vec::new();
        if access != self.lists.access {
            let edits = vec![Edit::Access(Box::new(access))];
            let change = ListsChange { owner: user.clone(), version: self.lists.version, edits };
            changes.push(Change::Lists(Box::new(change)));
        }
        changes.push(Change::SetTerms { user: user.clone(), terms });
        if !properties.is_empty() {
            let change = operators_change(properties)?;
            changes.push(Change::Common(CommonChange::SetProfile { user: user.clone(), change }));
        }
        // The first alone can fail, and the others happen only with it.
        let then = |(number, change)| if number == 0 { change } else { Change::Then(Box::new(change)) };
        Ok(changes.into_iter().enumerate().map(then).collect())
    }
}

/// The same pairs with the values of the profile left out: those are personal, and nothing for records.
pub fn without_personal_values(pairs: &[String]) -> String {
    let bare = pairs.iter().map(|pair| match pair.split_once('=') {
        Some((name, _)) if !OPERATORS_OWN.contains(&name.trim()) => name.trim(),
        Some(_) => pair.as_str(),
        None => "?",
    });
    bare.collect::<Vec<_>>().join(" ")
}

const fn switch(in_use: bool) -> &'static str {
    if in_use { "on" } else { "off" }
}

fn switched(name: &str, value: &str) -> Result<bool, SetError> {
    match value.trim() {
        "on" => Ok(true),
        "off" => Ok(false),
        other => Err(SetError::Switch { name: name.trim().to_owned(), value: other.to_owned() }),
    }
}

fn audience(grant: &Grant) -> String {
    match &grant.to {
        For::Everybody => "everybody".to_owned(),
        For::User(user) => user.to_string(),
        For::List(list) => list.to_string(),
    }
}

fn seen(grant: &Grant) -> String {
    let names = grant.attributes.unwrap_or_default().names().map(AttributeName::as_str);
    format!("{}: {}", audience(grant), names.collect::<Vec<_>>().join(","))
}

fn client(client: &ClientId) -> &str {
    let parts = [&client.url, &client.msisdn, &client.text];
    parts.into_iter().flatten().map(|part| &**part).next().unwrap_or("?")
}

fn terminal(session: &SessionRecord) -> String {
    let agreed = Abilities::from_stored(&session.capabilities).client_info();
    let kind = agreed.client_type.as_deref().unwrap_or("?").to_owned();
    format!(
        "{} {kind}, CSP {} in {}, heard {}",
        client(&session.client),
        session.version,
        session.encoding.as_str(),
        session.last_active.date_time(),
    )
}

fn terminal_json(session: &SessionRecord) -> Value {
    let agreed = Abilities::from_stored(&session.capabilities);
    let info = agreed.client_info();
    let limit = info.content_limit.unwrap_or_default();
    json!({
        "client": client(&session.client),
        "application": session.application,
        "type": info.client_type,
        "version": session.version.as_str(),
        "encoding": session.encoding.as_str(),
        "since": session.created.date_time().to_string(),
        "last_active": session.last_active.date_time().to_string(),
        "delivery": agreed.method.as_str(),
        "any_content": agreed.any_content,
        "content_types": limit.accepted_types.iter().map(|accepted| &*accepted.content_type).collect::<Vec<_>>(),
        "push_octets": agreed.push_octets_max,
        "pull_octets": agreed.pull_octets_max,
        "text_octets": agreed.text_octets_max,
        "parser_octets": agreed.parser_octets_max,
    })
}

/// One account of a list.
pub fn summary(account: &Account) -> Value {
    let terms = &account.terms;
    json!({
        "address": account.user.as_str(),
        "created": account.created.date_time().to_string(),
        "status": terms.status.as_str(),
        "services": terms.services.to_string(),
        "offline": terms.offline.as_str(),
    })
}

/// The body of `POST /api/v1/users/ADDRESS`: a JSON object of names and texts, as pairs.
pub(super) fn pairs(body: &[u8]) -> Result<Vec<String>, String> {
    let names: std::collections::BTreeMap<String, String> = serde_json::from_slice(body)
        .map_err(|error| format!("the body is no object of names and texts: {error}"))?;
    if names.is_empty() {
        return Err("the body sets nothing".to_owned());
    }
    Ok(names.into_iter().map(|(name, value)| format!("{name}={value}")).collect())
}
