//! What was said in a group, for those who come later.
//!
//! A group whose property History is `T` keeps its newest messages for a week. Whoever is in it may list and
//! fetch them (reference csp-messages §7, GetMessageList with GroupID); what is whispered to a screen name is
//! not kept. A group that keeps no history forgets what it had.

use std::sync::Arc;
use std::time::Duration;

use super::properties::HISTORY;
use super::{Group, client};
use crate::element::im::{self, fetch};
use crate::element::lists::{Caller, Lists};
use crate::element::notify::Actor;
use crate::imps::primitive::{GetMessageListRequest, GetMessageListResponse, GetMessageResponse, NewMessage};
use crate::imps::{Code, GroupId, MessageId, Moment, Primitive, Status};

/// Messages that one group keeps; the oldest give way.
pub const HISTORY_MESSAGES_MAX: usize = 100;
/// Octets of a message that is kept; what is longer is heard and not kept.
pub const SAID_OCTETS_MAX: usize = 32 * 1024;
/// How long a message is kept.
const HISTORY_LIFE: Duration = Duration::from_secs(7 * 86_400);

/// A message that a group keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// In which group.
    pub group: GroupId,
    /// Its id.
    pub message_id: MessageId,
    /// When it was said.
    pub accepted: Moment,
    /// When it is forgotten.
    pub until: Moment,
    /// The `NewMessage` as CSP 1.3 WBXML fragment, as everybody in the group hears it.
    pub body: Arc<[u8]>,
}

/// Whether the group keeps what is said in it.
fn keeps(group: &Group) -> bool {
    group.truth(HISTORY, false)
}

/// What the group keeps of a message to everybody in it; `None`: nothing.
pub fn said(group: &Group, message_id: &MessageId, body: Arc<[u8]>, now: Moment) -> Option<Said> {
    let until = now.after(HISTORY_LIFE);
    let keep = keeps(group) && body.len() <= SAID_OCTETS_MAX;
    keep.then(|| Said { group: group.id.clone(), message_id: message_id.clone(), accepted: now, until, body })
}

/// Whether an actor may look into the history. 821: the group has none. 808: the actor is not in the group.
pub fn may_look_back(group: &Group, actor: &Actor) -> Result<(), Code> {
    if !keeps(group) {
        return Err(Code::HISTORY_NOT_SUPPORTED);
    }
    group.occupant(client(actor)).map(drop).ok_or(Code::NOT_JOINED)
}

/// The message, unless its time is over or the reader does not want to hear its author.
fn readable(said: &Said, reader: &Lists, now: Moment) -> Option<NewMessage> {
    let message = im::opened(&said.body).ok().filter(|_| said.until > now)?;
    let caller = message.info.sender.as_ref().map(Caller::author).unwrap_or_default();
    reader.admits(&caller).is_ok().then_some(message)
}

/// Answers GetMessageList for a group from its newest messages, newest first, and the number of all.
pub fn list(
    request: &GetMessageListRequest,
    newest: &[Said],
    total: u64,
    reader: &Lists,
    now: Moment,
) -> GetMessageListResponse {
    let messages = newest.iter().filter_map(|said| readable(said, reader, now)).map(|message| message.info);
    GetMessageListResponse {
        result: Status::ok(),
        messages: messages.take(fetch::list_limit(request)).collect(),
        total: Some(u32::try_from(total).unwrap_or(u32::MAX)),
    }
}

/// Answers GetMessage for a message of a group that the reader is in. 426: it is not there for this reader.
pub fn message(said: &Said, reader: &Lists, now: Moment) -> Result<Primitive, Code> {
    let NewMessage { info, content } = readable(said, reader, now).ok_or(Code::INVALID_MESSAGE_ID)?;
    Ok(Primitive::GetMessageResponse(GetMessageResponse { result: Status::ok(), info, content }))
}
