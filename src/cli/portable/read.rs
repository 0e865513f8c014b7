//! From lines of an export to changes of the store.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::record::{
    AccountRecord, AttributeListRecord, AudienceRecord, ContactListRecord, EntitiesRecord, GroupRecord,
    NoteRecord, PasswordRecord, SaidRecord,
};
use crate::element::common::profile::operators_change;
use crate::element::group::{
    Group, HISTORY_MESSAGES_MAX, LISTED_MAX, NOTE_OCTETS_MAX, Rank, SAID_OCTETS_MAX, Said,
};
use crate::element::lists::{
    Access, CONTACTS_MAX, CONTACTS_OF_ACCOUNT_MAX, ContactList, ENTRIES_MAX, Edit, LISTS_MAX, NAME_OCTETS_MAX,
};
use crate::element::presence::{self, For, Grant, Published};
use crate::imps::presence::{AttributeName, AttributeSet};
use crate::imps::primitive::{Contact, Entities, ScreenName, WelcomeNote};
use crate::imps::{
    Chance as _, ContactListId, Content, Domain, GroupId, Moment, Primitive, Terms, UserId, Version,
};
use crate::relay::ports::{Account, Change, CommonChange, GroupChange, ListsChange, PresenceChange};
use crate::sap::SystemChance;
use crate::store::seal::{PASSWORD_OCTETS_MAX, Sealer};
use crate::wire::{Encoding, csp};

/// Properties of one group, and own properties of one user in it.
const PROPERTIES_MAX: usize = 64;
/// Octets of a property of a group.
const PROPERTY_OCTETS_MAX: usize = 2048;
/// Attribute lists of one account.
const ATTRIBUTE_LISTS_MAX: usize = 1000;

/// What an export may be read with.
pub(super) struct Reader<'r> {
    pub(super) sealer: &'r Sealer,
    pub(super) domains: &'r [Domain],
}

pub(super) fn parsed<T: FromStr<Err: Display>>(text: &str) -> anyhow::Result<T> {
    text.parse().map_err(|error| anyhow::anyhow!("{text:?}: {error}"))
}

fn all<T: FromStr<Err: Display>, C: FromIterator<T>>(texts: &[String]) -> anyhow::Result<C> {
    texts.iter().map(|text| parsed(text)).collect()
}

fn at_most(what: &str, found: usize, max: usize) -> anyhow::Result<()> {
    if found > max {
        bail!("{found} {what}; at most {max} are allowed");
    }
    Ok(())
}

fn name(text: &str) -> anyhow::Result<Box<str>> {
    at_most("octets of a name", text.len(), NAME_OCTETS_MAX)?;
    Ok(text.into())
}

fn terms(named: &BTreeMap<String, String>) -> anyhow::Result<Terms> {
    let mut terms = Terms::default();
    for (name, value) in named {
        terms.set(name, value)?;
    }
    Ok(terms)
}

impl Reader<'_> {
    /// Whose address this is: one that is served here.
    pub(super) fn user(&self, text: &str) -> anyhow::Result<UserId> {
        let user: UserId = parsed(text)?;
        if user.resource().is_some() || !self.domains.iter().any(|domain| user.is_in(domain)) {
            bail!("{text:?} is no user of the domains of this node; node.domains lists them");
        }
        Ok(user)
    }

    /// The changes that make this account, to be committed together.
    pub(super) fn account(&self, record: &AccountRecord) -> anyhow::Result<Vec<Change>> {
        let user = self.user(&record.address)?;
        let account = Account {
            user: user.clone(),
            sealed_password: self.password(&user, record.password.as_ref())?,
            created: Moment::from_millis(record.created),
            terms: terms(&record.terms)?,
        };
        let mut changes = vec![Change::AddAccount(account)];
        let mut then = |change| changes.push(Change::Then(Box::new(change)));
        if !record.profile.is_empty() {
            let pairs: Vec<_> =
                record.profile.iter().map(|(name, value)| format!("{name}={value}")).collect();
            let change = operators_change(pairs.iter().map(String::as_str))?;
            then(Change::Common(CommonChange::SetProfile { user: user.clone(), change }));
        }
        let edits = lists(&user, record)?;
        then(Change::Lists(Box::new(ListsChange { owner: user.clone(), version: 0, edits })));
        let edits = published(record)?;
        if !edits.is_empty() {
            let change = PresenceChange::Edit { owner: user.clone(), version: 0, edits };
            then(Change::Presence(Box::new(change)));
        }
        for group in &record.auto_joins {
            let (user, group) = (user.clone(), parsed(group)?);
            then(Change::Group(GroupChange::AutoJoin { user, group, wish: true }));
        }
        Ok(changes)
    }

    fn password(&self, user: &UserId, record: Option<&PasswordRecord>) -> anyhow::Result<Arc<[u8]>> {
        let clear = match record {
            Some(PasswordRecord::Sealed(sealed)) => {
                let sealed = STANDARD.decode(sealed).context("a sealed password is no BASE64")?;
                self.sealer.unseal(user, &sealed).context(
                    "it was sealed under another key; bring the secret key of the old node too, or export with --passwords clear",
                )?;
                return Ok(sealed.into());
            }
            Some(PasswordRecord::Clear(clear)) => clear.clone(),
            // Nobody knows it: the operator sets one.
            None => {
                let mut octets = [0; 32];
                SystemChance::default().fill(&mut octets);
                STANDARD.encode(octets)
            }
        };
        at_most("octets of a password", clear.len(), PASSWORD_OCTETS_MAX)?;
        Ok(self.sealer.seal(user, &clear)?.into())
    }

    /// The changes that make this group, to be committed together. Nobody is in it now.
    pub(super) fn group(&self, record: &GroupRecord, now: Moment) -> anyhow::Result<(GroupId, Vec<Change>)> {
        let id: GroupId = parsed(&record.address)?;
        let home = self.domains.iter().find(|domain| id.domain_str() == Some(domain.as_str()));
        let home = home.with_context(|| {
            format!("{:?} is no group of the domains of this node; node.domains lists them", record.address)
        })?;
        for listed in
            [record.members.len(), record.rejected.len(), record.invited.len(), record.own_properties.len()]
        {
            at_most("users", listed, LISTED_MAX)?;
        }
        let ranks = record.members.iter().map(|(user, rank)| Ok((parsed(user)?, parsed::<Rank>(rank)?)));
        let own = record.own_properties.iter().map(|(user, own)| Ok((parsed(user)?, properties(own)?)));
        let mut group = Group {
            home: home.clone(),
            owner: parsed(&record.owner)?,
            properties: properties(&record.properties)?,
            welcome_note: record.welcome_note.as_ref().map(note).transpose()?,
            members: ranks.collect::<anyhow::Result<_>>()?,
            own: own.collect::<anyhow::Result<_>>()?,
            rejected: all(&record.rejected)?,
            invited: all(&record.invited)?,
            occupants: Vec::new(),
            ends: None,
            id: id.clone(),
        };
        group.ends = group.end_if_empty(now);
        at_most("messages in the history of a group", record.history.len(), HISTORY_MESSAGES_MAX)?;
        let said = record.history.iter().map(|record| said(&id, record));
        let said = said.map(|said| Ok(Change::Then(Box::new(Change::Group(GroupChange::Say(said?))))));
        let create = Change::Group(GroupChange::Create(Box::new(group)));
        let changes = std::iter::once(Ok(create)).chain(said).collect::<anyhow::Result<_>>()?;
        Ok((id, changes))
    }
}

fn said(group: &GroupId, record: &SaidRecord) -> anyhow::Result<Said> {
    let read = csp::decode_primitive(record.message.as_bytes(), Version::V1_3, Encoding::Xml);
    let Ok(message @ Primitive::NewMessage(_)) = read else {
        bail!("a message in the history is no NewMessage of CSP 1.3");
    };
    let body = csp::encode_primitive(&message, Version::V1_3, Encoding::Wbxml)?;
    at_most("octets of a message in the history", body.len(), SAID_OCTETS_MAX)?;
    Ok(Said {
        group: group.clone(),
        message_id: parsed(&record.message_id)?,
        accepted: Moment::from_millis(record.accepted),
        until: Moment::from_millis(record.until),
        body: body.into(),
    })
}

type Properties = std::collections::BTreeMap<Box<str>, Box<str>>;

fn properties(record: &std::collections::BTreeMap<String, String>) -> anyhow::Result<Properties> {
    at_most("properties", record.len(), PROPERTIES_MAX)?;
    let checked = record.iter().map(|(name, value)| {
        at_most("octets of a property", name.len().max(value.len()), PROPERTY_OCTETS_MAX)?;
        Ok((name.as_str().into(), value.as_str().into()))
    });
    checked.collect()
}

fn note(record: &NoteRecord) -> anyhow::Result<WelcomeNote> {
    let octets = STANDARD.decode(&record.content).context("a welcome note is no BASE64")?;
    at_most("octets of a welcome note", octets.len(), NOTE_OCTETS_MAX)?;
    Ok(WelcomeNote { content_type: record.content_type.as_str().into(), content: Content::new(octets) })
}

fn lists(user: &UserId, record: &AccountRecord) -> anyhow::Result<Vec<Edit>> {
    at_most("contact lists", record.contact_lists.len(), LISTS_MAX)?;
    let contacts = record.contact_lists.iter().map(|list| list.contacts.len()).sum();
    at_most("contacts", contacts, CONTACTS_OF_ACCOUNT_MAX)?;
    let lists = record.contact_lists.iter().map(|list| contact_list(user, list));
    let lists: Vec<ContactList> = lists.collect::<anyhow::Result<_>>()?;
    let default: Option<ContactListId> = record.default_list.as_deref().map(parsed).transpose()?;
    if let Some(default) = &default
        && !lists.iter().any(|list| list.id == *default)
    {
        bail!("the default list {default} is none of the contact lists");
    }
    let mut edits: Vec<_> = lists.into_iter().map(Edit::Put).collect();
    if default.is_some() {
        edits.push(Edit::Default(default));
    }
    edits.push(Edit::Access(Box::new(Access {
        block: entities(&record.block)?,
        block_in_use: record.block_in_use,
        grant: entities(&record.grant)?,
        grant_in_use: record.grant_in_use,
    })));
    Ok(edits)
}

fn contact_list(user: &UserId, record: &ContactListRecord) -> anyhow::Result<ContactList> {
    at_most("contacts of a list", record.contacts.len(), CONTACTS_MAX)?;
    let id: ContactListId = parsed(&record.address)?;
    let of_user = id.local().split_once('/').is_some_and(|(name, _)| name.eq_ignore_ascii_case(user.local()));
    if !of_user || id.domain_str() != user.domain_str() {
        bail!("{id} is no contact list of {user}");
    }
    let contacts = record.contacts.iter().map(|contact| {
        let nickname = contact.nickname.as_deref().map(name).transpose()?;
        Ok(Contact { user: parsed(&contact.user)?, nickname })
    });
    Ok(ContactList {
        id,
        display_name: record.display_name.as_deref().map(name).transpose()?,
        contacts: contacts.collect::<anyhow::Result<_>>()?,
    })
}

fn entities(record: &EntitiesRecord) -> anyhow::Result<Entities> {
    let screen_names = record
        .screen_names
        .iter()
        .map(|(called, group)| Ok(ScreenName { name: name(called)?, group: parsed(group)? }));
    let entities = Entities {
        users: all(&record.users)?,
        domains: all(&record.domains)?,
        screen_names: screen_names.collect::<anyhow::Result<_>>()?,
        groups: all(&record.groups)?,
        contact_lists: all(&record.contact_lists)?,
        applications: record.applications.iter().map(|text| name(text)).collect::<anyhow::Result<_>>()?,
    };
    at_most("entries of a block or grant list", entities.len(), ENTRIES_MAX)?;
    Ok(entities)
}

fn published(record: &AccountRecord) -> anyhow::Result<Vec<presence::Edit>> {
    at_most("attribute lists", record.attribute_lists.len(), ATTRIBUTE_LISTS_MAX)?;
    let grants = record.attribute_lists.iter().map(|list| Ok(presence::Edit::Grant(grant(list)?)));
    let mut edits: Vec<_> = grants.collect::<anyhow::Result<_>>()?;
    if let Some(text) = &record.presence {
        let read = csp::decode_primitive(text.as_bytes(), Version::V1_3, Encoding::Xml);
        let Ok(Primitive::UpdatePresenceRequest(whole)) = read else {
            bail!("presence is no UpdatePresence-Request of CSP 1.3");
        };
        edits.push(presence::Edit::Publish(Published { client: "".into(), attributes: whole.attributes }));
    }
    Ok(edits)
}

fn grant(record: &AttributeListRecord) -> anyhow::Result<Grant> {
    let to = match &record.to {
        AudienceRecord::Everybody => For::Everybody,
        AudienceRecord::User(user) => For::User(parsed(user)?),
        AudienceRecord::ContactList(list) => For::List(parsed(list)?),
    };
    let set = |names: &Vec<String>| all::<AttributeName, AttributeSet>(names);
    let attributes = record.attributes.as_ref().map(set).transpose()?;
    Ok(Grant { to, attributes, notify: record.notify })
}
