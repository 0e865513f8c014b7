//! Who sees what: the rules of authorisation, and the values of a user over all its clients.

use crate::imps::presence::{
    Attribute, AttributeName, AttributeSet, ClientInfo, CommC, CommCap, Plain, PresenceSubList,
};
use crate::imps::primitive::{ClientId, User};

use super::super::lists::access::Caller;
use super::{CONTACTS_SEE, For, Grant, Home, Online, client_key};
use crate::imps::ContactListId;

impl Home<'_> {
    /// What a watcher may see; the first rule that speaks counts (reference presence-attributes §4.1).
    /// `None`: no rule speaks, and the user may be asked.
    pub fn allowed(&self, watcher: &User) -> Option<AttributeSet> {
        let publisher = self.publisher;
        if watcher.id == publisher.owner {
            return Some(AttributeSet::ALL);
        }
        if self.lists.admits(&Caller::user(watcher)).is_err() {
            return Some(AttributeSet::NONE);
        }
        if let Some(grant) = publisher.grant(&For::User(watcher.id.clone())) {
            return Some(grant.attributes.unwrap_or_default());
        }
        let lists = self.lists.lists_with(&watcher.id).filter_map(|list| self.granted_to(&list.id));
        lists
            .reduce(AttributeSet::union)
            .or_else(|| publisher.grant(&For::Everybody).and_then(|grant| grant.attributes))
    }

    /// What the members of a contact list may see by it.
    pub(super) fn granted_to(&self, list: &ContactListId) -> Option<AttributeSet> {
        match self.publisher.grant(&For::List(list.clone())) {
            None => Some(CONTACTS_SEE.iter().copied().collect()),
            Some(grant) => grant.attributes,
        }
    }

    /// The attribute lists by which a watcher sees something, and the contact lists they are for; none if no
    /// attribute list that the user made says anything of it.
    pub(super) fn rules(&self, watcher: &User) -> Option<(Vec<&Grant>, Vec<ContactListId>)> {
        let publisher = self.publisher;
        if watcher.id == publisher.owner || self.lists.admits(&Caller::user(watcher)).is_err() {
            return None;
        }
        if let Some(grant) = publisher.grant(&For::User(watcher.id.clone())) {
            return Some((vec![grant], Vec::new()));
        }
        let mut speaks = false;
        let (mut grants, mut lists) = (Vec::new(), Vec::new());
        for list in self.lists.lists_with(&watcher.id) {
            let grant = publisher.grant(&For::List(list.id.clone()));
            speaks |= grant.is_none_or(|grant| grant.attributes.is_some());
            if let Some(grant) = grant.filter(|grant| grant.attributes.is_some()) {
                grants.push(grant);
                lists.push(list.id.clone());
            }
        }
        if !speaks {
            grants.extend(publisher.grant(&For::Everybody));
        }
        (!grants.is_empty()).then_some((grants, lists))
    }

    /// Every value there is, in order. Of client status one for each client that is logged in, the one that
    /// was active last first; what a client that is gone said of itself does not count.
    pub fn values(&self) -> Vec<Attribute> {
        let mut values = Vec::new();
        if self.online.is_empty() {
            values.push(online_status(false, None));
        }
        for online in self.online {
            self.values_of(online, &mut values);
        }
        if let Some(user) = self.publisher.of_client("") {
            values.extend(user.attributes.iter().cloned());
        }
        values.sort_by_key(Attribute::name);
        values
    }

    fn values_of(&self, online: &Online, values: &mut Vec<Attribute>) {
        let client = &online.client;
        values.push(online_status(true, Some(client)));
        let published = self.publisher.of_client(&client_key(client));
        let published = published.map(|list| list.attributes.as_slice()).unwrap_or_default();
        let has = |name| published.iter().any(|attribute| attribute.name() == name);
        if !has(AttributeName::CommCap) {
            values.push(Attribute::CommCap(by_message(Some(client))));
        }
        if let Some(info) = online.info.as_deref().filter(|_| !has(AttributeName::ClientInfo)) {
            let info = ClientInfo { qualifier: Some(true), client: Some(client.clone()), ..info.clone() };
            values.push(Attribute::ClientInfo(Box::new(info)));
        }
        values.extend(published.iter().cloned().map(|mut attribute| {
            if let (Attribute::ClientInfo(said), Some(known)) = (&mut attribute, &online.info) {
                complete(said, known);
            }
            attribute.set_client(Some(client.clone()));
            attribute
        }));
    }

    /// The values that are visible. What is visible, was asked for by name and has no value is shown with
    /// Qualifier F; what has lost its validity too, without the value.
    pub fn shown(&self, visible: AttributeSet, named: AttributeSet) -> PresenceSubList {
        let mut shown: Vec<Attribute> = self
            .values()
            .into_iter()
            .filter(|value| visible.contains(value.name()))
            .map(Attribute::as_shown)
            .collect();
        let there: AttributeSet = shown.iter().map(Attribute::name).collect();
        let missing = visible.intersection(named).without(there);
        shown.extend(missing.names().map(Attribute::unknown));
        PresenceSubList::new(shown)
    }

    /// What a watcher sees of what it wants: nothing it may not see, and for a session that speaks 1.1 how
    /// the clients can be reached, which old clients depend on (reference presence-attributes §4.1).
    pub fn visible(&self, watch: &super::Watch) -> AttributeSet {
        let allowed = self.allowed(&watch.watcher).unwrap_or_default();
        let old = watch.session.as_ref().is_some_and(|session| self.old.contains(session));
        let reach: AttributeSet = [AttributeName::CommCap].into_iter().collect();
        let allowed = if old && !allowed.is_empty() { allowed.union(reach) } else { allowed };
        allowed.intersection(watch.wanted)
    }
}

/// What a client says of itself, and where it says nothing what is known here. What content it takes is
/// what was negotiated, whatever it says.
fn complete(said: &mut ClientInfo, known: &ClientInfo) {
    if said.client_type.is_none() {
        said.client_type.clone_from(&known.client_type);
    }
    if known.content_limit.is_some() {
        said.content_limit.clone_from(&known.content_limit);
    }
    if said.application.is_none() {
        said.application.clone_from(&known.application);
    }
}

/// Presence as it is told to a client of 1.1, wherever it comes from: how the user can be reached is always in
/// it, since old clients depend on it (reference presence-attributes §3, *Version translation*). A user of whom
/// nothing valid is told can be seen to be there by nothing else.
pub fn for_old_client(list: &mut PresenceSubList) {
    let is_reachable = |attribute: &Attribute| match attribute {
        Attribute::OnlineStatus(plain) => attribute.is_valid() && plain.value.as_deref() == Some("T"),
        _ => false,
    };
    if list.is_empty() || list.names().contains(AttributeName::CommCap) {
        return;
    }
    let reach = if list.attributes.iter().any(is_reachable) {
        Attribute::CommCap(by_message(None))
    } else {
        Attribute::unknown(AttributeName::CommCap)
    };
    let mut attributes = std::mem::take(&mut list.attributes);
    attributes.push(reach);
    list.attributes = PresenceSubList::new(attributes).attributes;
}

/// Messages reach the client; what is said of every client that is logged in and says nothing else.
fn by_message(client: Option<&ClientId>) -> CommCap {
    let message = CommC { cap: "IM".into(), status: "OPEN".into(), contact: None, note: None };
    CommCap { qualifier: Some(true), ways: vec![message], client: client.cloned() }
}

/// Whether a client is there.
pub fn online_status(online: bool, client: Option<&ClientId>) -> Attribute {
    let value = if online { "T" } else { "F" };
    Attribute::OnlineStatus(Plain {
        qualifier: Some(true),
        value: Some(value.into()),
        client: client.cloned(),
    })
}
