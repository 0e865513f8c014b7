//! Instant messages (reference csp-messages §7, ssp-primitives §1, ssp-types §4).

use super::{DeliveryMethod, Display, Recipient, ScreenName, Sender, User};
use crate::imps::address::{ContactListId, GroupId, UserId};
use crate::imps::content::Content;
use crate::imps::domain::Domain;
use crate::imps::ids::MessageId;
use crate::imps::status::Status;
use crate::imps::time::DateTime;

/// Everything about a message but its content.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MessageInfo {
    /// Given by the sender's home, the same for all recipients and domains.
    pub id: Option<MessageId>,
    /// Where the content can be fetched instead.
    pub uri: Option<Box<str>>,
    /// MIME type with parameters; absent means `text/plain`.
    pub content_type: Option<Box<str>>,
    /// How content that is *not* in this primitive is encoded (MessageNotification, lists). Beside a
    /// ContentData it is `None`: the codec makes it from the octets (decisions.md 18).
    pub content_encoding: Option<Box<str>>,
    /// Octets of the decoded content. What a client claims may be wrong.
    pub content_size: Option<u64>,
    /// File name or title (1.3).
    pub content_name: Option<Box<str>>,
    /// Whom it is for.
    pub recipients: Vec<Recipient>,
    /// As what the recipients were addressed, where a group passes a message on: the group, or a screen
    /// name in it (SSP `RecipientDisplay`; in CSP the recipient itself says so).
    pub addressed: Option<Display>,
    /// Who wrote it; clients may leave it out.
    pub sender: Option<Sender>,
    /// When it was sent; absent means when it was received.
    pub date_time: Option<DateTime>,
    /// How to show it (1.3).
    pub font: Option<Font>,
    /// Seconds from acceptance until it expires; absent means 86400.
    pub validity: Option<u32>,
}

/// How text is to be shown (1.3); words of the standard, passed through.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Font {
    /// Tiny, Small, Medium, Big, Huge.
    pub size: Option<Box<str>>,
    /// Bold, Italic, Underline.
    pub styles: Vec<Box<str>>,
    /// One of sixteen HTML colour names.
    pub color: Option<Box<str>>,
}

/// An instant message on its way.
#[derive(Clone, Debug, PartialEq)]
pub struct SendMessageRequest {
    /// Whether the author wants to hear of delivery.
    pub delivery_report: bool,
    /// About it.
    pub info: MessageInfo,
    /// The content; absent when `info.uri` says where it is.
    pub content: Option<Content>,
}

/// What became of an instant message.
#[derive(Clone, Debug, PartialEq)]
pub struct SendMessageResponse {
    /// For each recipient.
    pub result: Status,
    /// The message's id; absent when everything failed.
    pub message_id: Option<MessageId>,
}

/// An instant message for a client.
#[derive(Clone, Debug, PartialEq)]
pub struct NewMessage {
    /// About it.
    pub info: MessageInfo,
    /// The content.
    pub content: Option<Content>,
}

/// The client has the message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageDelivered {
    /// Which.
    pub message_id: MessageId,
}

/// A message waits to be fetched.
#[derive(Clone, Debug, PartialEq)]
pub struct MessageNotification {
    /// About it.
    pub info: MessageInfo,
}

/// Fetch a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetMessageRequest {
    /// Which.
    pub message_id: MessageId,
}

/// The message fetched.
#[derive(Clone, Debug, PartialEq)]
pub struct GetMessageResponse {
    /// What became of the request; CSP sends this answer only with success.
    pub result: Status,
    /// About it.
    pub info: MessageInfo,
    /// The content.
    pub content: Option<Content>,
}

/// Which messages wait?
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GetMessageListRequest {
    /// History of this group; absent: the user's own messages.
    pub group: Option<GroupId>,
    /// At most so many.
    pub count: Option<u32>,
}

/// The messages that wait, newest first.
#[derive(Clone, Debug, PartialEq)]
pub struct GetMessageListResponse {
    /// What became of the request; CSP sends this answer only with success.
    pub result: Status,
    /// About each.
    pub messages: Vec<MessageInfo>,
    /// How many there are in all (1.3).
    pub total: Option<u32>,
}

/// Delete messages unread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RejectMessageRequest {
    /// Which; at least one.
    pub message_ids: Vec<MessageId>,
}

/// Push or notify from now on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetDeliveryMethodRequest {
    /// Which.
    pub method: DeliveryMethod,
    /// Largest content pushed, octets.
    pub accepted_content_length: Option<u32>,
    /// For this group only.
    pub group: Option<GroupId>,
    /// Largest content pushed for groups, octets (1.3).
    pub group_content_limit: Option<u32>,
}

/// What became of a message, told to its author. Once per recipient.
#[derive(Clone, Debug, PartialEq)]
pub struct DeliveryReport {
    /// 200 delivered, 538 rejected, 541 forwarded, 542 expired, or why it failed.
    pub result: Status,
    /// When.
    pub delivery_time: Option<DateTime>,
    /// The original, with the one recipient this report is about.
    pub info: MessageInfo,
}

/// Pass a stored message on.
#[derive(Clone, Debug, PartialEq)]
pub struct ForwardMessageRequest {
    /// Which.
    pub message_id: MessageId,
    /// As whom (1.3).
    pub sender: Option<Sender>,
    /// To whom.
    pub recipients: Vec<Recipient>,
}

/// The id of the message passed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForwardMessageResponse {
    /// What became of the request; CSP sends this answer only with success.
    pub result: Status,
    /// The new message's id.
    pub message_id: Option<MessageId>,
}

/// Users, screen names, groups and more, as block and grant lists hold them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entities {
    /// Users.
    pub users: Vec<UserId>,
    /// Everybody of a domain, written `wv:@domain` in the place of a user (reference presence-attributes §5).
    pub domains: Vec<Domain>,
    /// Screen names.
    pub screen_names: Vec<ScreenName>,
    /// Groups.
    pub groups: Vec<GroupId>,
    /// Contact lists (1.3).
    pub contact_lists: Vec<ContactListId>,
    /// Applications (1.3).
    pub applications: Vec<Box<str>>,
}

impl Entities {
    /// How many entries there are.
    pub fn len(&self) -> usize {
        let Self { users, domains, screen_names, groups, contact_lists, applications } = self;
        let named = users.len() + domains.len() + screen_names.len();
        named + groups.len() + contact_lists.len() + applications.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A block or grant list, or a change of one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BlockList {
    /// Whether the list counts; in 1.3 it stands beside the list.
    pub in_use: Option<bool>,
    /// The whole list.
    pub entities: Option<Entities>,
    /// What to add.
    pub add: Option<Entities>,
    /// What to remove.
    pub remove: Option<Entities>,
}

/// The block and grant lists of a user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GetBlockedListResponse {
    /// What became of the request; CSP sends this answer only with success.
    pub result: Status,
    /// Who may not write.
    pub block: Option<BlockList>,
    /// Who alone may write.
    pub grant: Option<BlockList>,
}

/// Change the block and grant lists.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BlockEntityRequest {
    /// Who may not write.
    pub block: Option<BlockList>,
    /// Who alone may write.
    pub grant: Option<BlockList>,
}

impl MessageInfo {
    /// The author as a user, if it is one.
    pub fn author(&self) -> Option<&User> {
        match &self.sender.as_ref()?.author {
            super::Author::User(user) => Some(user),
            super::Author::Group(_) => None,
        }
    }
}
