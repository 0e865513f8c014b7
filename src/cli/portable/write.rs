//! From what the store has to lines of an export.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::Passwords;
use super::record::{
    AccountRecord, AttributeListRecord, AudienceRecord, ContactListRecord, ContactRecord, EntitiesRecord,
    GroupRecord, NoteRecord, PasswordRecord, SaidRecord,
};
use crate::element::group::{Group, Said};
use crate::element::im;
use crate::element::lists::{ContactList, Lists};
use crate::element::presence::{For, Grant, Publisher};
use crate::imps::primitive::{Contact, Entities, Property, UpdatePresenceRequest};
use crate::imps::{GroupId, Moment, Terms, Version};
use crate::relay::ports::Account;
use crate::store::seal::{SealError, Sealer};
use crate::wire::{Encoding, csp};

fn texts<T: ToString>(items: &[T]) -> Vec<String> {
    items.iter().map(ToString::to_string).collect()
}

/// What one account has.
pub(super) struct Whole {
    pub(super) account: Account,
    pub(super) profile: Vec<Property>,
    pub(super) lists: Lists,
    pub(super) publisher: Option<Publisher>,
    pub(super) auto_joins: Vec<GroupId>,
}

/// An account as a line.
pub(super) fn account(
    whole: &Whole,
    passwords: Passwords,
    sealer: Option<&Sealer>,
) -> Result<AccountRecord, SealError> {
    let Whole { account, profile, lists, publisher, auto_joins } = whole;
    let password = match (passwords, sealer) {
        (Passwords::Sealed, _) => Some(PasswordRecord::Sealed(STANDARD.encode(&*account.sealed_password))),
        (Passwords::Clear, Some(sealer)) => {
            let clear = sealer.unseal(&account.user, &account.sealed_password)?;
            Some(PasswordRecord::Clear(clear.to_string()))
        }
        (Passwords::Clear | Passwords::None, _) => None,
    };
    let own = publisher.iter().flat_map(|publisher| &publisher.published).find(|own| own.client.is_empty());
    let presence = own.and_then(|own| {
        let whole = UpdatePresenceRequest { attributes: own.attributes.clone() };
        let octets = csp::encode_primitive(&whole.into(), Version::V1_3, Encoding::Xml).ok()?;
        String::from_utf8(octets).ok()
    });
    Ok(AccountRecord {
        address: account.user.to_string(),
        created: account.created.millis(),
        password,
        terms: terms(account.terms),
        profile: profile
            .iter()
            .filter_map(|property| Some((property.name.to_string(), property.value.as_ref()?.to_string())))
            .collect(),
        contact_lists: lists.lists.iter().map(contact_list).collect(),
        default_list: lists.default.as_ref().map(ToString::to_string),
        block: entities(&lists.access.block),
        block_in_use: lists.access.block_in_use,
        grant: entities(&lists.access.grant),
        grant_in_use: lists.access.grant_in_use,
        attribute_lists: publisher
            .iter()
            .flat_map(|publisher| &publisher.grants)
            .map(attribute_list)
            .collect(),
        presence,
        auto_joins: texts(auto_joins),
    })
}

fn terms(terms: Terms) -> BTreeMap<String, String> {
    let (usual, own) = (Terms::default().named(), terms.named());
    let differing = own.into_iter().zip(usual).filter(|(own, usual)| own != usual);
    differing.map(|((name, value), _)| (name.to_owned(), value)).collect()
}

fn contact_list(list: &ContactList) -> ContactListRecord {
    let contact = |contact: &Contact| ContactRecord {
        user: contact.user.to_string(),
        nickname: contact.nickname.as_ref().map(ToString::to_string),
    };
    ContactListRecord {
        address: list.id.to_string(),
        display_name: list.display_name.as_ref().map(ToString::to_string),
        contacts: list.contacts.iter().map(contact).collect(),
    }
}

fn entities(entities: &Entities) -> EntitiesRecord {
    let screen_names = entities.screen_names.iter();
    EntitiesRecord {
        users: texts(&entities.users),
        domains: texts(&entities.domains),
        screen_names: screen_names.map(|name| (name.name.to_string(), name.group.to_string())).collect(),
        groups: texts(&entities.groups),
        contact_lists: texts(&entities.contact_lists),
        applications: texts(&entities.applications),
    }
}

fn attribute_list(grant: &Grant) -> AttributeListRecord {
    AttributeListRecord {
        to: match &grant.to {
            For::Everybody => AudienceRecord::Everybody,
            For::User(user) => AudienceRecord::User(user.to_string()),
            For::List(list) => AudienceRecord::ContactList(list.to_string()),
        },
        attributes: grant.attributes.map(|set| set.names().map(|name| name.as_str().to_owned()).collect()),
        notify: grant.notify,
    }
}

/// A group as a line, with what was said in it, newest first; who is in it now is not part of it.
pub(super) fn group(group: &Group, said: &[Said], now: Moment) -> GroupRecord {
    let values = |values: &std::collections::BTreeMap<Box<str>, Box<str>>| {
        values.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
    };
    GroupRecord {
        address: group.id.to_string(),
        owner: group.owner.to_string(),
        properties: values(&group.properties),
        welcome_note: group.welcome_note.as_ref().map(|note| NoteRecord {
            content_type: note.content_type.to_string(),
            content: STANDARD.encode(note.content.octets()),
        }),
        members: group
            .members
            .iter()
            .map(|(user, rank)| (user.to_string(), rank.as_str().to_owned()))
            .collect(),
        own_properties: group.own.iter().map(|(user, own)| (user.to_string(), values(own))).collect(),
        rejected: group.rejected.iter().map(ToString::to_string).collect(),
        invited: group.invited.iter().map(ToString::to_string).collect(),
        history: said.iter().rev().filter(|said| said.until > now).filter_map(said_record).collect(),
    }
}

fn said_record(said: &Said) -> Option<SaidRecord> {
    let message = im::opened(&said.body).ok()?;
    let octets = csp::encode_primitive(&message.into(), Version::V1_3, Encoding::Xml).ok()?;
    Some(SaidRecord {
        message_id: said.message_id.to_string(),
        accepted: said.accepted.millis(),
        until: said.until.millis(),
        message: String::from_utf8(octets).ok()?,
    })
}
