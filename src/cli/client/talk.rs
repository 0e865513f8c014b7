//! What the client knows while it talks: who is there, with whom one talks, what waits for an answer.
//!
//! The session may be lost at any time, and the connection more often: then it logs in again, subscribes and
//! joins again, and what was refused for that reason alone is asked once more.

use std::collections::VecDeque;
use std::fmt;

use zeroize::Zeroizing;

use super::show;
use super::terminal::Screen;
use crate::cli::phone::{Phone, PhoneError};
use crate::imps::presence::{Attribute, Plain, PresenceSubList};
use crate::imps::primitive::{
    Contact, InviteUserRequest, JoinGroupRequest, ListManageRequest, MessageInfo, Recipient, ScreenName,
    SubscribePresenceRequest, SystemMessage, UpdatePresenceRequest, User,
};
use crate::imps::status::Outcome;
use crate::imps::{Code, ContactListId, Content, Domain, GroupId, MessageId, Primitive, UserId};

/// Messages that are remembered, so that one that is offered again is not shown again.
const SEEN_MAX: usize = 256;
/// Invitations that wait for an answer.
const INVITATIONS_MAX: usize = 32;
/// Things that are taken in one turn, before a person's next line.
const TURN_MAX: usize = 64;

/// Why something was not done.
#[derive(Debug)]
pub(super) enum Trouble {
    /// It was refused, or not understood.
    Words(String),
    /// The connection, or the provider.
    Phone(PhoneError),
    /// The session is over and shall not come back.
    Over(String),
}

impl From<PhoneError> for Trouble {
    fn from(error: PhoneError) -> Self {
        match error {
            PhoneError::Refused(status) => Self::Words(show::complaints(&status).join("; ")),
            other => Self::Phone(other),
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Words(words) | Self::Over(words) => f.write_str(words),
            Self::Phone(error) => fmt::Display::fmt(error, f),
        }
    }
}

pub(super) fn words(text: impl Into<String>) -> Trouble {
    Trouble::Words(text.into())
}

/// Somebody on a contact list.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) user: UserId,
    pub(super) nickname: Option<Box<str>>,
    /// What was last seen of it.
    pub(super) presence: Option<String>,
}

/// A group that one is in.
#[derive(Clone, Debug)]
pub(super) struct Room {
    pub(super) group: GroupId,
    pub(super) name: Option<Box<str>>,
}

/// The conversation.
pub(super) struct Talk<'s> {
    pub(super) phone: Phone,
    password: Zeroizing<String>,
    pub(super) screen: Screen<'s>,
    pub(super) contacts: Vec<Known>,
    pub(super) lists: Vec<ContactListId>,
    pub(super) rooms: Vec<Room>,
    /// With whom one talks.
    pub(super) with: Option<Recipient>,
    pub(super) availability: &'static str,
    pub(super) status_text: Option<String>,
    pub(super) invitations: Vec<InviteUserRequest>,
    /// What the provider asks.
    pub(super) question: Option<SystemMessage>,
    /// The last file that came.
    pub(super) file: Option<(MessageInfo, Content)>,
    /// Invitations made, for their ids.
    pub(super) invited: u32,
    pub(super) reports: bool,
    /// Things that came in all.
    pub(super) heard: u64,
    seen: VecDeque<MessageId>,
}

impl<'s> Talk<'s> {
    pub(super) fn new(phone: Phone, password: Zeroizing<String>, screen: Screen<'s>) -> Self {
        Self {
            phone,
            password,
            screen,
            contacts: Vec::new(),
            lists: Vec::new(),
            rooms: Vec::new(),
            with: None,
            availability: "AVAILABLE",
            status_text: None,
            invitations: Vec::new(),
            question: None,
            file: None,
            invited: 0,
            reports: false,
            heard: 0,
            seen: VecDeque::new(),
        }
    }

    /// Prints a line.
    pub(super) fn tell(&mut self, line: impl AsRef<str>) {
        self.screen.line(line.as_ref());
    }

    /// Shows the prompt.
    pub(super) fn prompt(&mut self) {
        let prompt = match &self.with {
            Some(with) => format!("{}> ", self.recipient_name(with)),
            None => "> ".to_owned(),
        };
        self.screen.prompt(&prompt);
    }

    /// Logs in and brings everything back that belongs to a session.
    pub(super) async fn log_in(&mut self) -> Result<(), PhoneError> {
        self.phone.login(&self.password).await?;
        match self.restore().await {
            Ok(()) => {}
            Err(Trouble::Phone(error)) => return Err(error),
            // A provider need not offer everything.
            Err(trouble) => self.tell(format!("! {trouble}")),
        }
        Ok(())
    }

    /// The same after the session was lost. A provider that refuses now is not asked again.
    async fn log_in_again(&mut self) -> Result<(), Trouble> {
        match self.log_in().await {
            Err(PhoneError::Refused(status)) if status.code.outcome() != Outcome::Temporary => {
                let why = show::complaints(&status).join("; ");
                Err(Trouble::Over(format!("the session is over, and a new one is refused: {why}")))
            }
            other => other.map_err(Trouble::from),
        }
    }

    async fn restore(&mut self) -> Result<(), Trouble> {
        self.publish().await?;
        let Primitive::GetListResponse(found) = self.phone.ask(Primitive::GetListRequest).await? else {
            return Err(words("the provider does not show the contact lists"));
        };
        // Some servers repeat the default list among the others.
        let others = found.lists.into_iter().filter(|list| found.default.as_ref() != Some(list));
        self.lists = found.default.iter().cloned().chain(others).collect();
        let mut contacts: Vec<Contact> = Vec::new();
        for list in self.lists.clone() {
            let request = ListManageRequest {
                list,
                add: Vec::new(),
                remove: Vec::new(),
                properties: Vec::new(),
                receive: Some(true),
                authorize_and_grant: None,
            };
            if let Primitive::ListManageResponse(answer) = self.phone.ask(request.into()).await? {
                contacts.extend(answer.contacts.unwrap_or_default().contacts);
            }
        }
        for Contact { user, nickname } in contacts {
            if !self.contacts.iter().any(|known| known.user == user) {
                self.contacts.push(Known { user, nickname, presence: None });
            }
        }
        let users: Vec<UserId> = self.contacts.iter().map(|known| known.user.clone()).collect();
        if !users.is_empty() {
            self.watch(users).await?;
        }
        for room in self.rooms.clone() {
            if let Err(trouble) = self.enter(&room.group, room.name.clone()).await {
                self.rooms.retain(|other| other.group != room.group);
                self.tell(format!("! {} is left: {trouble}", show::short(&room.group)));
            }
        }
        Ok(())
    }

    /// Subscribes to the presence of these. Who does not allow it yet is asked; that is no trouble.
    pub(super) async fn watch(&mut self, users: Vec<UserId>) -> Result<(), Trouble> {
        let request = SubscribePresenceRequest { users, ..SubscribePresenceRequest::default() };
        match self.phone.ask(request.into()).await {
            Ok(_) | Err(PhoneError::Refused(_)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Says how one is.
    pub(super) async fn publish(&mut self) -> Result<(), Trouble> {
        let request = UpdatePresenceRequest { attributes: self.own_presence() };
        self.phone.ask(request.into()).await?;
        Ok(())
    }

    /// How one is.
    pub(super) fn own_presence(&self) -> PresenceSubList {
        let plain = |value: &str| Plain { qualifier: Some(true), value: Some(value.into()), client: None };
        let mut attributes = vec![Attribute::UserAvailability(plain(self.availability))];
        attributes.extend(self.status_text.as_deref().map(|text| Attribute::StatusText(plain(text))));
        PresenceSubList::new(attributes)
    }

    /// Enters a group; the note and the names that it is told.
    pub(super) async fn enter(
        &mut self,
        group: &GroupId,
        name: Option<Box<str>>,
    ) -> Result<Vec<String>, Trouble> {
        let shown = name.clone().unwrap_or_else(|| self.phone.user().user().into());
        let request = JoinGroupRequest {
            group: group.clone(),
            screen_name: Some(ScreenName { name: shown, group: group.clone() }),
            joined_request: true,
            subscribe: true,
            own: Vec::new(),
        };
        let Primitive::JoinGroupResponse(answer) = self.phone.ask(request.into()).await? else {
            return Err(words("the provider does not say who is in the group"));
        };
        if !answer.result.code.is_success() {
            return Err(PhoneError::Refused(answer.result).into());
        }
        if !self.rooms.iter().any(|room| room.group == *group) {
            self.rooms.push(Room { group: group.clone(), name });
        }
        let mut told = Vec::new();
        if let Some(note) = &answer.welcome_note {
            let text = note.content.as_text(Some(&note.content_type));
            told.extend(text.filter(|text| !text.trim().is_empty()).map(show::clean));
        }
        if !answer.joined.is_empty() {
            told.push(format!("in it: {}", show::names(&answer.joined)));
        }
        Ok(told)
    }

    /// Asks; an answer that is all bad news is a trouble. Where the session was lost it logs in again and asks
    /// once more, since nothing was done.
    pub(super) async fn ask(&mut self, primitive: impl Into<Primitive>) -> Result<Primitive, Trouble> {
        let primitive = primitive.into();
        let answer = match self.phone.ask(primitive.clone()).await {
            Err(error) if error.is_session_lost() || self.phone.session().is_none() => {
                self.log_in_again().await?;
                self.phone.ask(primitive).await?
            }
            answer => answer?,
        };
        match answer.status() {
            Some(status) if !status.code.is_success() => Err(words(show::complaints(status).join("; "))),
            _ => Ok(answer),
        }
    }

    /// Takes what waits; whether anything did.
    pub(super) async fn poll(&mut self) -> Result<bool, Trouble> {
        let before = self.heard;
        for _ in 0..TURN_MAX {
            let waiting = match self.phone.poll().await {
                Err(error) if error.is_session_lost() || self.phone.session().is_none() => {
                    self.log_in_again().await?;
                    self.tell("-- logged in again");
                    continue;
                }
                waiting => waiting?,
            };
            let Some((id, primitive)) = waiting else { break };
            let is_new = match &primitive {
                Primitive::NewMessage(message) => self.is_new(message.info.id.as_ref()),
                _ => true,
            };
            if is_new {
                self.hear(&primitive);
                self.heard += 1;
            }
            self.phone.acknowledge(id, &primitive).await?;
            match primitive {
                Primitive::MessageNotification(notice) => {
                    if let Some(id) = notice.info.id {
                        self.fetch(id).await?;
                    }
                }
                Primitive::Disconnect(told) if told.result.code == Code::FORCED_LOGOUT => {
                    let why = show::complaints(&told.result).join("; ");
                    return Err(Trouble::Over(format!("the provider has ended the session: {why}")));
                }
                Primitive::Disconnect(_) => break,
                _ => {}
            }
        }
        Ok(self.heard > before)
    }

    fn is_new(&mut self, id: Option<&MessageId>) -> bool {
        let Some(id) = id else { return true };
        if self.seen.contains(id) {
            return false;
        }
        if self.seen.len() == SEEN_MAX {
            self.seen.pop_front();
        }
        self.seen.push_back(id.clone());
        true
    }

    /// Remembers an invitation, and forgets the oldest where there are too many.
    pub(super) fn remember(&mut self, invitation: InviteUserRequest) {
        self.invitations.retain(|other| other.id != invitation.id);
        if self.invitations.len() == INVITATIONS_MAX {
            self.invitations.remove(0);
        }
        self.invitations.push(invitation);
    }

    /// One's own domain.
    pub(super) fn home(&self) -> Result<Domain, Trouble> {
        self.phone.user().domain().ok_or_else(|| words("the own address has no domain"))
    }

    /// What a user is called here.
    pub(super) fn name(&self, user: &UserId) -> String {
        let nickname = self.contacts.iter().find(|known| known.user == *user);
        match nickname.and_then(|known| known.nickname.as_deref()) {
            Some(nickname) => show::clean(nickname),
            None => show::short(user),
        }
    }

    /// What a group is called here.
    pub(super) fn group_name(&self, group: &GroupId) -> String {
        let is_home = group.domain_str() == self.phone.user().domain_str();
        let name = if is_home { show::clean(group.local()) } else { show::short(group) };
        name.trim_start_matches('/').to_owned()
    }

    /// What those are called to whom one talks.
    pub(super) fn recipient_name(&self, recipient: &Recipient) -> String {
        match recipient {
            Recipient::User(user) => self.name(&user.id),
            Recipient::Group(group) => self.group_name(group),
            Recipient::ScreenName(name) => show::clean(&name.name),
            Recipient::ContactList(list) => show::short(list),
        }
    }

    /// The user that a word names: by nickname, or by address.
    pub(super) fn user(&self, word: &str) -> Result<UserId, Trouble> {
        let nicknamed = |known: &&Known| {
            known.nickname.as_deref().is_some_and(|nickname| nickname.eq_ignore_ascii_case(word))
        };
        if let Some(known) = self.contacts.iter().find(nicknamed) {
            return Ok(known.user.clone());
        }
        let user: UserId = word.parse().map_err(|error| words(format!("{word:?}: {error}")))?;
        Ok(user.completed(&self.home()?))
    }

    /// The group that a word names: `sailing` is one of one's own provider.
    pub(super) fn group(&self, word: &str) -> Result<GroupId, Trouble> {
        let named = |room: &&Room| self.group_name(&room.group).eq_ignore_ascii_case(word);
        if let Some(room) = self.rooms.iter().find(named) {
            return Ok(room.group.clone());
        }
        let bare = word.strip_prefix("wv:").unwrap_or(word);
        let full = if bare.contains('/') { bare.to_owned() } else { format!("/{bare}") };
        let group: GroupId = full.parse().map_err(|error| words(format!("{word:?}: {error}")))?;
        Ok(group.completed(&self.home()?))
    }

    /// The group that is named, else the one with which one talks.
    pub(super) fn group_or_here(&self, word: Option<&str>) -> Result<GroupId, Trouble> {
        match (word, &self.with) {
            (Some(word), _) => self.group(word),
            (None, Some(Recipient::Group(group))) => Ok(group.clone()),
            _ => Err(words("which group? you are not talking in one")),
        }
    }

    /// Whom a word names: a group one is in, a contact list, a group by address, or a user.
    pub(super) fn recipient(&self, word: &str) -> Result<Recipient, Trouble> {
        let named = |room: &&Room| self.group_name(&room.group).eq_ignore_ascii_case(word);
        if let Some(room) = self.rooms.iter().find(named) {
            return Ok(Recipient::Group(room.group.clone()));
        }
        let list = |list: &&ContactListId| {
            list.resource().is_some_and(|name| name.eq_ignore_ascii_case(word))
                || show::short(list).eq_ignore_ascii_case(word)
        };
        if let Some(list) = self.lists.iter().find(list) {
            return Ok(Recipient::ContactList(list.clone()));
        }
        if word.contains('/') {
            return self.group(word).map(Recipient::Group);
        }
        self.user(word).map(|user| Recipient::User(User::from(user)))
    }
}
