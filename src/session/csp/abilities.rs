//! What a client can take, as agreed: kept with the session, asked before every server request.

mod room;
mod stored;

use super::charset;
use super::cir::Agreed;
use crate::imps::content::is_textual;
use crate::imps::presence::{ClientInfo, ContentLimit, LimitedType};
use crate::imps::primitive::{
    Capabilities, ClientType, DeliveryMethod, MessageInfo, SetDeliveryMethodRequest,
};
use crate::imps::{Content, GroupId, Primitive};

/// Content types remembered of one client; more are not agreed.
pub const CONTENT_TYPES_MAX: usize = 64;
/// Longest content type that is compared, octets.
pub const CONTENT_TYPE_OCTETS_MAX: usize = 128;
/// Groups with a delivery method of their own; of more the oldest goes.
const GROUPS_MAX: usize = 64;
/// Transfer encodings remembered of one client; the standard knows two.
const ENCODINGS_MAX: usize = 2;
/// Largest content pushed to a client that has stated nothing (reference csp.md §5.1).
pub const DEFAULT_PUSH_OCTETS: u32 = 2048;
/// What envelope and MessageInfo of a NewMessage may take of the client's ParserSize.
const ENVELOPE_OCTETS: u64 = 512;

/// How a row of the mailbox is handed to a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Form {
    /// The message itself.
    NewMessage,
    /// Only that it waits: method N, too long, or a type the client does not take.
    MessageNotification,
    /// What became of a message of this user's.
    DeliveryReport,
    /// Something else, in the one form it has.
    Notice,
}

/// What one content type may weigh (1.3; before, only the type counts).
#[derive(Clone, Debug, PartialEq, Eq)]
struct Accepted {
    /// Lower case, without parameters; `image/*` and `*/*` are taken for what they say.
    essence: Box<str>,
    /// Largest content of this type, octets.
    octets_max: Option<u32>,
    /// From here on the client wants the message notified instead, octets.
    notify_above: Option<u32>,
    /// From here on the client wants the message rejected, octets.
    refuse_above: Option<u32>,
}

/// How messages of one group are handed over.
#[derive(Clone, Debug, PartialEq, Eq)]
struct OfGroup {
    group: GroupId,
    method: DeliveryMethod,
    /// Largest content pushed, octets; `None`: as for all groups.
    octets_max: Option<u32>,
}

/// The part of a client's capabilities that the server honours later. What a client leaves out has
/// the value it has without negotiation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Abilities {
    /// Push or notify.
    pub method: DeliveryMethod,
    /// Whether any content type is taken.
    pub any_content: bool,
    /// The types taken beside `text/plain`, which every client takes.
    types: Vec<Accepted>,
    /// Largest content pushed, octets; `None`: no limit was stated.
    pub push_octets_max: Option<u32>,
    /// Largest plain text pushed, octets (1.3).
    pub text_octets_max: Option<u32>,
    /// Largest content fetched, octets (1.3).
    pub pull_octets_max: Option<u32>,
    /// Largest document the client can parse, octets; `None`: not stated.
    pub parser_octets_max: Option<u32>,
    /// Shortest interval of unasked polls, seconds; never 0.
    pub poll_min_seconds: u32,
    /// Transactions that the client takes in one message (1.3 says so; before, one).
    pub per_message: u32,
    /// How the client may be called.
    pub cir: Agreed,
    /// What kind of client it said it is.
    client_type: Option<ClientType>,
    /// `None`, `BASE64`: how it takes content.
    encodings: Vec<Box<str>>,
    /// Character sets of text, by number; none: every one.
    charsets: Vec<u32>,
    /// Largest content of a group's message pushed, octets (1.3).
    group_octets_max: Option<u32>,
    /// Groups with a method of their own, the oldest first.
    groups: Vec<OfGroup>,
}

/// Without negotiation: push, plain text up to 2 KiB (reference csp.md §5.1).
impl Default for Abilities {
    fn default() -> Self {
        Self {
            method: DeliveryMethod::Push,
            any_content: false,
            types: Vec::new(),
            push_octets_max: Some(DEFAULT_PUSH_OCTETS),
            text_octets_max: None,
            pull_octets_max: None,
            parser_octets_max: None,
            poll_min_seconds: super::negotiate::POLL_MIN_SECONDS_DEFAULT,
            per_message: 1,
            cir: Agreed::default(),
            client_type: None,
            encodings: Vec::new(),
            charsets: Vec::new(),
            group_octets_max: None,
            groups: Vec::new(),
        }
    }
}

/// A content type for comparison: without parameters, lower case, cut at a length no real one has.
pub(super) fn essence(content_type: &str) -> Box<str> {
    let bare = content_type.split(';').next().unwrap_or_default().trim();
    bare.chars().take(CONTENT_TYPE_OCTETS_MAX).collect::<String>().to_ascii_lowercase().into()
}

/// A transfer encoding in the spelling of the standard; strange ones count for nothing.
fn encoding(word: &str) -> Option<Box<str>> {
    ["None", "BASE64"].into_iter().find(|known| known.eq_ignore_ascii_case(word.trim())).map(Into::into)
}

/// A limit of 0 says nothing: a client that could take no content at all would not ask for messages.
fn stated(limit: Option<u32>) -> Option<u32> {
    limit.filter(|limit| *limit > 0)
}

impl Abilities {
    /// What a capability list says, in the terms of any version: clients mix them
    /// (reference csp.md §5.1, client-android §3). How it is called is agreed elsewhere.
    pub fn of(capabilities: &Capabilities) -> Self {
        let types = capabilities
            .accepted_content_types
            .iter()
            .take(CONTENT_TYPES_MAX)
            .map(|accepted| {
                // ContentPolicy P pushes above the limit all the same; N and C are notified, so that the
                // user decides; R wants none of it.
                let says = |policy: &str| {
                    accepted.policy.as_deref().is_some_and(|word| word.trim().eq_ignore_ascii_case(policy))
                };
                let (octets_max, limit) = (accepted.rich_content_length, accepted.policy_limit);
                Accepted {
                    essence: essence(&accepted.content_type),
                    octets_max: stated(octets_max),
                    notify_above: stated(limit).filter(|_| !says("P")),
                    refuse_above: stated(limit).or(stated(octets_max)).filter(|_| says("R")),
                }
            })
            .filter(|accepted| !accepted.essence.is_empty())
            .collect();
        Self {
            method: capabilities.initial_delivery_method.unwrap_or(DeliveryMethod::Push),
            any_content: capabilities.any_content.unwrap_or(false),
            types,
            push_octets_max: stated(capabilities.push_length)
                .or(stated(capabilities.accepted_content_length)),
            text_octets_max: stated(capabilities.text_content_length),
            pull_octets_max: stated(capabilities.pull_length),
            parser_octets_max: stated(capabilities.parser_size),
            poll_min_seconds: super::negotiate::agreed_poll_min(capabilities.server_poll_min),
            per_message: super::negotiate::agreed_per_message(capabilities),
            cir: Agreed::default(),
            client_type: capabilities.client_type,
            encodings: capabilities
                .transfer_encodings
                .iter()
                .filter_map(|it| encoding(it))
                .take(ENCODINGS_MAX)
                .collect(),
            charsets: charset::known(
                &[&capabilities.plain_text_charsets[..], &capabilities.accepted_charsets].concat(),
            ),
            group_octets_max: None,
            groups: Vec::new(),
        }
    }

    /// What presence says of a client that agreed to this: what it is, and what content it takes (reference
    /// presence-attributes §2). Limits that were not stated are left out.
    pub fn client_info(&self) -> ClientInfo {
        let limited = self.types.iter().map(|accepted| LimitedType {
            content_type: accepted.essence.clone(),
            length: accepted.octets_max,
            policy: (accepted.refuse_above.map(|_| "R".into()))
                .or_else(|| accepted.notify_above.map(|_| "N".into())),
            limit: accepted.notify_above,
        });
        let limit = ContentLimit {
            accepted_types: limited.collect(),
            any_content: Some(self.any_content),
            text_length: self.text_octets_max,
            transfer_encodings: self.encodings.clone(),
            pull_length: self.pull_octets_max,
            push_length: self.push_octets_max,
            charsets: self.charsets.clone(),
        };
        ClientInfo {
            content_limit: Some(Box::new(limit)),
            client_type: self.client_type.map(|it| it.as_str().into()),
            ..ClientInfo::default()
        }
    }

    /// Transactions that go out in one message at most.
    pub(super) fn per_message_max(&self) -> usize {
        usize::try_from(self.per_message.max(1)).unwrap_or(1)
    }

    /// The same, called in these ways.
    #[must_use]
    pub fn called_by(self, cir: Agreed) -> Self {
        Self { cir, ..self }
    }

    /// The same with what was said of single groups, which is none of the capabilities that are negotiated.
    #[must_use]
    pub(super) fn with_groups_of(self, other: &Self) -> Self {
        Self { groups: other.groups.clone(), group_octets_max: other.group_octets_max, ..self }
    }

    /// SetDeliveryMethod: for one group, or for all that has no method of its own. A limit for groups counts
    /// for the group that is named, or for all (reference csp-messages §7).
    pub(super) fn set_delivery(&mut self, request: &SetDeliveryMethodRequest) {
        let of_groups = stated(request.group_content_limit);
        let Some(group) = &request.group else {
            self.method = request.method;
            self.push_octets_max = stated(request.accepted_content_length).or(self.push_octets_max);
            self.group_octets_max = of_groups.or(self.group_octets_max);
            return;
        };
        let known = self.groups.iter().position(|known| known.group == *group);
        let before = known.map(|place| self.groups.remove(place)).and_then(|known| known.octets_max);
        let octets_max = of_groups.or(stated(request.accepted_content_length)).or(before);
        if self.groups.len() >= GROUPS_MAX {
            self.groups.remove(0);
        }
        self.groups.push(OfGroup { group: group.clone(), method: request.method, octets_max });
    }

    /// Whether messages of groups are handed over otherwise than others.
    pub fn tells_groups_apart(&self) -> bool {
        self.group_octets_max.is_some() || !self.groups.is_empty()
    }

    /// Makes the text of a message one that the client can show.
    pub fn show(&self, primitive: &mut Primitive) {
        let (info, content): (&mut MessageInfo, &mut Option<Content>) = match primitive {
            Primitive::NewMessage(message) => (&mut message.info, &mut message.content),
            Primitive::GetMessageResponse(answer) => (&mut answer.info, &mut answer.content),
            _ => return,
        };
        charset::show(&self.charsets, info, content);
    }

    /// The entry for a content type: the type itself before a wildcard.
    fn entry(&self, essence: &str) -> Option<&Accepted> {
        let kind = essence.split('/').next().unwrap_or_default();
        self.types.iter().find(|accepted| *accepted.essence == *essence).or_else(|| {
            self.types.iter().find(|accepted| {
                &*accepted.essence == "*/*"
                    || accepted.essence.strip_suffix("/*").is_some_and(|prefix| prefix == kind)
            })
        })
    }

    /// Whether the client takes this content type at all; absent means `text/plain`.
    pub fn accepts(&self, content_type: Option<&str>) -> bool {
        let essence = essence(content_type.unwrap_or_default());
        self.any_content || essence.is_empty() || &*essence == "text/plain" || self.entry(&essence).is_some()
    }

    /// How a message of this type and size is handed over (reference csp.md §5.1). `octets` counts
    /// the decoded content; `group` is the one in which it was said, where groups are told apart.
    pub fn form(&self, group: Option<&GroupId>, content_type: Option<&str>, octets: u64) -> Form {
        let own = group.and_then(|group| self.groups.iter().find(|known| known.group == *group));
        let method = own.map_or(self.method, |own| own.method);
        let of_group = own.and_then(|own| own.octets_max).or(self.group_octets_max);
        let push_octets_max = of_group.filter(|_| group.is_some()).or(self.push_octets_max);
        let essence = essence(content_type.unwrap_or_default());
        let plain = essence.is_empty() || &*essence == "text/plain";
        let fits = |limit: Option<u32>| limit.is_none_or(|limit| octets <= u64::from(limit));
        let entry = self.entry(&essence);
        let pushed = method == DeliveryMethod::Push
            && self.accepts(content_type)
            && fits(push_octets_max)
            && (!plain || fits(self.text_octets_max))
            && entry.is_none_or(|entry| fits(entry.octets_max) && fits(entry.notify_above))
            && self.can_parse(content_type, octets);
        if pushed { Form::NewMessage } else { Form::MessageNotification }
    }

    /// Whether a document with this content stays below ParserSize. Binary content travels as
    /// BASE64, a third longer, in XML.
    pub fn can_parse(&self, content_type: Option<&str>, octets: u64) -> bool {
        let travelling = match content_type {
            Some(content_type) if !is_textual(content_type) => octets.saturating_mul(4) / 3,
            _ => octets,
        };
        self.parser_octets_max
            .is_none_or(|parser| travelling.saturating_add(ENVELOPE_OCTETS) <= u64::from(parser))
    }

    /// Whether the client can parse a document around a primitive of so many octets.
    pub fn parses(&self, octets: usize) -> bool {
        let octets = u64::try_from(octets).unwrap_or(u64::MAX).saturating_add(ENVELOPE_OCTETS);
        self.parser_octets_max.is_none_or(|parser| octets <= u64::from(parser))
    }
}

#[cfg(test)]
mod tests;
