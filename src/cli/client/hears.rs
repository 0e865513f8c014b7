//! What comes from the provider, as a person is told of it.

use super::show;
use super::talk::{Talk, Trouble};
use crate::imps::primitive::{
    Author, Display, GetMessageRequest, GroupChangeNotice, InviteType, InviteUserRequest, MessageDelivered,
    MessageInfo, NotificationRequest, NotificationType, Party, Presence, Recipient,
};
use crate::imps::{Content, MessageId, Primitive, UserId, content};

impl Talk<'_> {
    /// Tells what came and keeps what needs an answer.
    pub(super) fn hear(&mut self, primitive: &Primitive) {
        match primitive {
            Primitive::NewMessage(message) => self.hear_message(&message.info, message.content.as_ref()),
            Primitive::MessageNotification(_) => {}
            Primitive::DeliveryReport(report) => {
                let whom: Vec<String> =
                    report.info.recipients.iter().map(|recipient| self.recipient_name(recipient)).collect();
                let whom = whom.join(", ");
                if report.result.code.is_success() {
                    self.tell(format!("-- {whom} has your message"));
                } else {
                    let why = show::complaints(&report.result).join("; ");
                    self.tell(format!("! your message does not reach {whom}: {why}"));
                }
            }
            Primitive::PresenceNotification(notice) => {
                for presence in &notice.presences {
                    self.hear_presence(presence);
                }
            }
            Primitive::InviteUserRequest(invitation) => self.hear_invitation(invitation),
            Primitive::InviteResponse(answer) => {
                let who = self.party(answer.responder.as_ref());
                let said = if answer.acceptance { "accepts" } else { "declines" };
                let note = note(answer.note.as_deref());
                self.tell(format!("-- {who} {said} your invitation{note}"));
            }
            Primitive::CancelInviteUserRequest(cancelled) => {
                self.invitations.retain(|invitation| invitation.id != cancelled.id);
                let who = self.party(cancelled.sender.as_ref());
                let note = note(cancelled.note.as_deref());
                self.tell(format!("-- {who} takes the invitation back{note}"));
            }
            Primitive::GroupChangeNotice(notice) => self.hear_group(notice),
            Primitive::LeaveGroupResponse(told) => {
                if let Some(group) = &told.group {
                    self.rooms.retain(|room| room.group != *group);
                    let name = self.group_name(group);
                    if self.with.as_ref().is_some_and(|with| *with == Recipient::Group(group.clone())) {
                        self.with = None;
                    }
                    self.tell(format!("-- you are out of {name}: {}", show::code(told.result.code)));
                }
            }
            Primitive::PresenceAuthRequest(request) => self.hear_question(&request.user),
            Primitive::NotificationRequest(told) => self.hear_notification(told),
            Primitive::SystemMessageRequest(request) => {
                for message in &request.messages {
                    let text = message.text.as_deref().unwrap_or("(no text)");
                    self.tell(format!("-- your provider says: {}", show::clean(text)));
                    if let Some(copy) = message.verification.as_ref() {
                        let what = copy.in_text.as_deref().or(copy.url.as_deref()).unwrap_or_default();
                        self.tell(format!("   /answer with what this shows: {}", show::clean(what)));
                    }
                    for option in &message.options {
                        self.tell(format!("   /answer {}: {}", option.id, show::clean(&option.text)));
                    }
                    if message.requires_response {
                        self.question = Some(message.clone());
                    }
                }
            }
            Primitive::Disconnect(told) => {
                let why = show::complaints(&told.result);
                self.tell(format!("-- the provider ends the session {}", why.join("; ")));
            }
            other => self.tell(format!("-- {} came, which this client does not show", other.name())),
        }
    }

    /// Fetches a message that only its notification came of.
    pub(super) async fn fetch(&mut self, message_id: MessageId) -> Result<(), Trouble> {
        let request = GetMessageRequest { message_id: message_id.clone() };
        let Primitive::GetMessageResponse(message) = self.ask(request).await? else { return Ok(()) };
        self.hear_message(&message.info, message.content.as_ref());
        self.ask(MessageDelivered { message_id }).await?;
        Ok(())
    }

    fn hear_message(&mut self, info: &MessageInfo, content: Option<&Content>) {
        let who = self.author(info);
        let text = content.and_then(|content| content.as_text(info.content_type.as_deref()));
        let plain = info.content_type.as_deref().is_none_or(content::is_textual);
        match (text, content) {
            (Some(text), _) if info.content_name.is_none() => {
                self.tell(format!("{who}: {}", show::clean(text)));
            }
            (None, None) if info.uri.is_some() => {
                let uri = show::clean(info.uri.as_deref().unwrap_or_default());
                self.tell(format!("{who} shares {uri} ({}); /save fetches it", show::file(info, None)));
                self.file = Some((info.clone(), Content::from("")));
            }
            (None, None) if plain => self.tell(format!("{who}:")),
            (_, content) => {
                self.tell(format!("{who} sends a file: {}; /save keeps it", show::file(info, content)));
                self.file = content.map(|content| (info.clone(), content.clone()));
            }
        }
    }

    /// Who wrote a message, and where.
    fn author(&self, info: &MessageInfo) -> String {
        let Some(sender) = &info.sender else { return "somebody".to_owned() };
        let shown = match &sender.shown {
            Some(Display::ScreenName(name)) => Some(show::clean(&name.name)),
            Some(Display::User(user)) => Some(self.name(user)),
            Some(Display::Name(name)) => Some(show::clean(name)),
            Some(Display::Group(group)) => Some(self.group_name(group)),
            None => None,
        };
        match &sender.author {
            Author::User(user) => shown.unwrap_or_else(|| self.name(&user.id)),
            Author::Group(group) => {
                let group = self.group_name(group);
                let privately = info.recipients.iter().any(|to| matches!(to, Recipient::ScreenName(_)))
                    || matches!(info.addressed, Some(Display::ScreenName(_)));
                let to = if privately { " (to you alone)" } else { "" };
                format!("[{group}] {}{to}", shown.unwrap_or_else(|| "somebody".to_owned()))
            }
        }
    }

    fn hear_presence(&mut self, presence: &Presence) {
        let name = self.name(&presence.user);
        let Some(words) = show::presence(&presence.attributes) else {
            let known = self.contacts.iter_mut().find(|known| known.user == presence.user);
            if known.is_some_and(|known| known.presence.take().is_some()) {
                self.tell(format!("-- {name} shows you nothing any more"));
            }
            return;
        };
        if let Some(known) = self.contacts.iter_mut().find(|known| known.user == presence.user) {
            if known.presence.as_ref() == Some(&words) {
                return;
            }
            known.presence = Some(words.clone());
        }
        self.tell(format!("-- {name} is {words}"));
    }

    fn hear_invitation(&mut self, invitation: &InviteUserRequest) {
        let who = match &invitation.screen_name {
            Some(name) => show::clean(&name.name),
            None => self.party(invitation.sender.as_ref()),
        };
        let group = invitation.group.as_ref().map(|group| self.group_name(group)).unwrap_or_default();
        let what = match invitation.kind {
            InviteType::Group | InviteType::ExtendGroup => format!("into the group {group}"),
            InviteType::Membership => format!("to become a member of {group}"),
            InviteType::Message | InviteType::ExtendConversation => "to talk".to_owned(),
            InviteType::Presence => "to see each other's presence".to_owned(),
            InviteType::Content => {
                let urls: Vec<String> = invitation.urls.iter().map(|url| show::clean(url)).collect();
                format!("to look at {}", urls.join(", "))
            }
            InviteType::Application => "to use an application together".to_owned(),
        };
        let note = note(invitation.note.as_deref());
        let id = show::clean(invitation.id.as_str());
        self.tell(format!("-- {who} invites you {what}{note}; /accept {id} or /decline {id}"));
        self.remember(invitation.clone());
    }

    fn party(&self, party: Option<&Party>) -> String {
        match party {
            Some(Party::User(user)) => self.name(&user.id),
            Some(Party::Group(group)) => self.group_name(group),
            Some(Party::ScreenName(name)) => show::clean(&name.name),
            None => "somebody".to_owned(),
        }
    }

    fn hear_question(&mut self, user: &UserId) {
        let who = self.name(user);
        self.tell(format!("-- {who} asks whether it may see your presence: /allow {who} or /deny {who}"));
    }

    /// What 1.3 calls a notification: the same question, or what another client of the user has done.
    fn hear_notification(&mut self, told: &NotificationRequest) {
        if told.kind == NotificationType::AuthNeededUser {
            told.users.iter().for_each(|user| self.hear_question(user));
            return;
        }
        let about: Vec<String> = told.users.iter().map(|user| self.name(user)).collect();
        self.tell(format!("-- your provider tells of {} {}", told.kind.as_str(), about.join(" ")));
    }

    fn hear_group(&mut self, notice: &GroupChangeNotice) {
        let group = self.group_name(&notice.group);
        let mut words = Vec::new();
        let came: Vec<_> = notice.moves.joined.iter().chain(&notice.moves.joined_blocked).cloned().collect();
        if !came.is_empty() {
            words.push(format!("{} came", show::names(&came)));
        }
        let blocked = show::names(&notice.moves.left_blocked);
        let mut left: Vec<String> = notice.moves.left.iter().map(|name| show::clean(name)).collect();
        if !blocked.is_empty() {
            left.push(blocked);
        }
        if !left.is_empty() {
            words.push(format!("{} left", left.join(", ")));
        }
        let properties = notice.properties.iter().flat_map(|properties| &properties.properties);
        for property in properties.chain(&notice.own) {
            let value = show::clean(property.value.as_deref().unwrap_or("nothing"));
            words.push(format!("{} is now {value}", show::clean(&property.name)));
        }
        if !words.is_empty() {
            self.tell(format!("-- [{group}] {}", words.join("; ")));
        }
    }
}

/// A note that stands behind a sentence.
fn note(note: Option<&str>) -> String {
    note.filter(|note| !note.trim().is_empty())
        .map(|note| format!(": \"{}\"", show::clean(note)))
        .unwrap_or_default()
}
