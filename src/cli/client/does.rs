//! What a person's commands do.

use std::path::Path;
use std::time::Duration;

use super::command::{Command, HELP};
use super::show;
use super::talk::{Known, Talk, Trouble, words};
use crate::cli::phone::PhoneError;
use crate::element::content::ITEM_OCTETS_MAX;
use crate::imps::presence::{AttributeSet, PresenceSubList};
use crate::imps::primitive::{
    BlockEntityRequest, BlockList, CancelAuthRequest, Contact, CreateAttributeListRequest,
    CreateGroupRequest, CreateListRequest, DeleteAttributeListRequest, DeleteGroupRequest, Entities,
    GetJoinedUsersRequest, GetPresenceRequest, GetPublicProfileRequest, GroupProperties, InviteRequest,
    InviteType, InviteUserRequest, InviteUserResponse, LeaveGroupRequest, ListManageRequest, MessageInfo,
    PresenceAuthUser, Property, Recipient, ScreenName, SearchPair, SearchRequest, SendMessageRequest,
    SystemMessageResponse, SystemMessageUser, UnsubscribePresenceRequest, User,
};
use crate::imps::{ContactListId, Content, GroupId, InviteId, Primitive, UserId, Version};

/// Largest file that is sent in a message, octets: as BASE64 it fits into a document of 1 MiB.
const FILE_OCTETS_MAX: u64 = 700 * 1024;
/// Most hits of a search that are shown.
const HITS_MAX: u32 = 20;
/// The list that is made for the first contact.
const FIRST_LIST: &str = "contacts";

/// What comes after a command.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Next {
    /// The next line.
    Line,
    /// The next line, when something came or this much time is over.
    Wait(Duration),
    /// Nothing more.
    Quit,
}

impl Talk<'_> {
    pub(super) async fn carry_out(&mut self, command: Command) -> Result<Next, Trouble> {
        match command {
            Command::Nothing => {}
            Command::Quit => return Ok(Next::Quit),
            Command::Wait(time) => return Ok(Next::Wait(time)),
            Command::Help => {
                for (usage, what) in HELP {
                    self.tell(format!("{usage:<34} {what}"));
                }
                self.tell(
                    "Anything else you type is said to whom you talk with. bo is a user of your provider,",
                );
                self.tell("bo@south.example of another one; a group is sailing, or sailing@south.example.");
            }
            Command::Say(text) => {
                let to = self.with.clone();
                let to = to.ok_or_else(|| words("with whom? /to WHO first; /help says what there is"))?;
                self.say(to, &text).await?;
            }
            Command::To(None) => match self.with.clone() {
                Some(with) => self.tell(format!("you talk with {}", self.recipient_name(&with))),
                None => self.tell("you talk with nobody; /to WHO"),
            },
            Command::To(Some(who)) => self.with = Some(self.recipient(&who)?),
            Command::Tell { who, text } => {
                let to = self.recipient(&who)?;
                self.say(to, &text).await?;
            }
            Command::Whisper { name, text } => {
                let group = self.group_or_here(None)?;
                self.say(Recipient::ScreenName(ScreenName { name: name.into(), group }), &text).await?;
            }
            Command::Who => self.who(),
            Command::Add { who, nickname } => self.add(&who, nickname).await?,
            Command::Remove(who) => self.remove(&who).await?,
            Command::Status { availability, text } => {
                self.availability = availability;
                // An empty text takes an earlier one away.
                self.status_text = text.or_else(|| self.status_text.take().map(|_| String::new()));
                self.publish().await?;
                let said = show::presence(&self.own_presence()).unwrap_or_default();
                self.tell(format!("-- whoever may see you sees you {said}"));
            }
            Command::Look(who) => self.look(&who).await?,
            Command::Allow(who) => self.allow(&who).await?,
            Command::Deny(who) => self.deny(&who).await?,
            Command::Block(who) => self.block(who).await?,
            Command::Unblock(who) => {
                let user = self.user(&who)?;
                let remove = Some(Entities { users: vec![user.clone()], ..Entities::default() });
                self.change_block(BlockList { remove, ..BlockList::default() }).await?;
                self.tell(format!("-- {} may write to you", self.name(&user)));
            }
            Command::Create { group, topic } => self.create(&group, topic).await?,
            Command::Delete(group) => {
                let group = self.group(&group)?;
                self.ask(DeleteGroupRequest { group: group.clone() }).await?;
                self.tell(format!("-- there is no {} any more", self.group_name(&group)));
            }
            Command::Join { group, name } => {
                let group = self.group(&group)?;
                self.turn_to(group, name.map(Into::into)).await?;
            }
            Command::Leave(group) => {
                let group = self.group_or_here(group.as_deref())?;
                self.ask(LeaveGroupRequest { group: group.clone() }).await?;
                self.rooms.retain(|room| room.group != group);
                self.tell(format!("-- you have left {}", self.group_name(&group)));
                if self.with == Some(Recipient::Group(group)) {
                    self.with = None;
                }
            }
            Command::In(group) => {
                let group = self.group_or_here(group.as_deref())?;
                if self.phone.manner().version == Version::V1_1 {
                    return Err(words("CSP 1.1 says who is in a group only when one joins it"));
                }
                if let Primitive::GetJoinedUsersResponse(found) =
                    self.ask(GetJoinedUsersRequest { group }).await?
                {
                    for (rank, there) in [
                        ("admins", &found.joined.admins),
                        ("moderators", &found.joined.moderators),
                        ("in it", &found.joined.users),
                    ] {
                        if !there.is_empty() {
                            self.tell(format!("   {rank}: {}", show::names(there)));
                        }
                    }
                }
            }
            Command::Invite { who, group } => self.invite(&who, group.as_deref()).await?,
            Command::Answer { yes, id } => self.answer(yes, id.as_deref()).await?,
            Command::Choose(choice) => self.choose(&choice).await?,
            Command::Find { groups, text } => self.find(groups, &text).await?,
            Command::Profile(who) => self.profile(&who).await?,
            Command::Send { file, who } => self.send_file(&file, who.as_deref(), false).await?,
            Command::Share { file, who } => self.send_file(&file, who.as_deref(), true).await?,
            Command::Save(file) => self.save(file.as_deref()).await?,
            Command::Reports(wanted) => {
                self.reports = wanted;
                let whether = if wanted { "" } else { "not " };
                self.tell(format!("-- you will {whether}hear when your messages arrive"));
            }
        }
        Ok(Next::Line)
    }

    async fn say(&mut self, to: Recipient, text: &str) -> Result<(), Trouble> {
        let info = MessageInfo { content_type: Some("text/plain".into()), ..MessageInfo::default() };
        self.send(to, info, Some(Content::from(text))).await
    }

    async fn send(
        &mut self,
        to: Recipient,
        info: MessageInfo,
        content: Option<Content>,
    ) -> Result<(), Trouble> {
        // In a group the name is the group's to say.
        let sender = match &to {
            Recipient::Group(_) | Recipient::ScreenName(_) => None,
            _ => Some(User::from(self.phone.user().clone()).into()),
        };
        let octets = content.as_ref().and_then(|content| u64::try_from(content.octets().len()).ok());
        let content_size = octets.or(info.content_size);
        let info = MessageInfo { recipients: vec![to], sender, content_size, ..info };
        let request = SendMessageRequest { delivery_report: self.reports, info, content };
        if let Primitive::SendMessageResponse(answer) = self.ask(request).await? {
            for complaint in show::complaints(&answer.result) {
                self.tell(format!("! not sent to {complaint}"));
            }
        }
        Ok(())
    }

    fn who(&mut self) {
        if self.contacts.is_empty() && self.rooms.is_empty() {
            self.tell("nobody yet; /add WHO, /join GROUP");
        }
        for known in self.contacts.clone() {
            let presence = known.presence.as_deref().unwrap_or("not seen");
            let address = show::short(&known.user);
            self.tell(match &known.nickname {
                Some(nickname) => format!("   {:<16} {address:<32} {presence}", show::clean(nickname)),
                None => format!("   {address:<49} {presence}"),
            });
        }
        for room in self.rooms.clone() {
            self.tell(format!("   {:<49} you are in it", self.group_name(&room.group)));
        }
    }

    /// Puts somebody on the first list, which is made if there is none; who is on it may see one's presence.
    async fn add(&mut self, who: &str, nickname: Option<String>) -> Result<(), Trouble> {
        let user = self.user(who)?;
        let contact = Contact { user: user.clone(), nickname: nickname.map(Into::into) };
        if let Some(list) = self.lists.first().cloned() {
            let request = manage(list, vec![contact.clone()], Vec::new());
            self.ask(request).await?;
        } else {
            let me = self.phone.user().clone();
            let list: ContactListId = format!("wv:{}/{FIRST_LIST}@{}", me.user(), self.home()?)
                .parse()
                .map_err(|error| words(format!("no contact list can be made: {error}")))?;
            let properties = vec![Property::new("DisplayName", "Contacts"), Property::new("Default", "T")];
            let contacts = vec![contact.clone()];
            self.ask(CreateListRequest { list: list.clone(), contacts, properties }).await?;
            self.lists.push(list.clone());
            self.ask(may_see(Vec::new(), vec![list])).await?;
        }
        self.contacts.retain(|known| known.user != user);
        self.contacts.push(Known { user: user.clone(), nickname: contact.nickname, presence: None });
        self.tell(format!("-- {} is among your contacts, and may see you", self.name(&user)));
        self.watch(vec![user]).await
    }

    async fn remove(&mut self, who: &str) -> Result<(), Trouble> {
        let user = self.user(who)?;
        if !self.contacts.iter().any(|known| known.user == user) {
            return Err(words(format!("{} is not among your contacts", show::short(&user))));
        }
        for list in self.lists.clone() {
            self.ask(manage(list, Vec::new(), vec![user.clone()])).await?;
        }
        self.tell(format!("-- {} is among your contacts no more", self.name(&user)));
        self.contacts.retain(|known| known.user != user);
        let users = vec![user];
        self.ask(UnsubscribePresenceRequest { users, ..UnsubscribePresenceRequest::default() }).await?;
        Ok(())
    }

    async fn look(&mut self, who: &str) -> Result<(), Trouble> {
        let user = self.user(who)?;
        let request = GetPresenceRequest { users: vec![user], ..GetPresenceRequest::default() };
        if let Primitive::GetPresenceResponse(found) = self.ask(request).await? {
            for presence in &found.presences {
                let words = show::presence(&presence.attributes);
                let words = words.unwrap_or_else(|| "showing nothing to you".to_owned());
                self.tell(format!("-- {} is {words}", self.name(&presence.user)));
            }
            for complaint in show::complaints(&found.result) {
                self.tell(format!("! {complaint}"));
            }
        }
        Ok(())
    }

    /// Answers the question where there can be one, and lets the user see everything from now on.
    async fn allow(&mut self, who: &str) -> Result<(), Trouble> {
        let user = self.user(who)?;
        if self.phone.manner().version < Version::V1_3 {
            let answer = PresenceAuthUser { user: user.clone(), acceptance: true, attributes: None };
            if self.ask(answer).await.is_err() {
                // Nobody had asked.
                self.ask(may_see(vec![user.clone()], Vec::new())).await?;
            }
        } else {
            self.ask(may_see(vec![user.clone()], Vec::new())).await?;
        }
        self.tell(format!("-- {} may see you", self.name(&user)));
        Ok(())
    }

    async fn deny(&mut self, who: &str) -> Result<(), Trouble> {
        let user = self.user(who)?;
        let mut done = false;
        if self.phone.manner().version < Version::V1_3 {
            let answer = PresenceAuthUser { user: user.clone(), acceptance: false, attributes: None };
            done = self.ask(answer).await.is_ok()
                || self.ask(CancelAuthRequest { user: user.clone() }).await.is_ok();
        }
        if !done {
            let users = vec![user.clone()];
            self.ask(DeleteAttributeListRequest { users, ..DeleteAttributeListRequest::default() }).await?;
        }
        self.tell(format!("-- {} may not see you", self.name(&user)));
        Ok(())
    }

    async fn block(&mut self, who: Option<String>) -> Result<(), Trouble> {
        let Some(who) = who else {
            if let Primitive::GetBlockedListResponse(found) =
                self.ask(Primitive::GetBlockedListRequest).await?
            {
                let list = found.block.and_then(|list| list.entities).unwrap_or_default();
                let told = if list.is_empty() { "nobody".to_owned() } else { show::entities(&list) };
                self.tell(format!("   blocked: {told}"));
            }
            return Ok(());
        };
        let user = self.user(&who)?;
        let add = Some(Entities { users: vec![user.clone()], ..Entities::default() });
        self.change_block(BlockList { in_use: Some(true), add, ..BlockList::default() }).await?;
        self.tell(format!("-- {} may not write to you", self.name(&user)));
        Ok(())
    }

    async fn change_block(&mut self, block: BlockList) -> Result<(), Trouble> {
        self.ask(Box::new(BlockEntityRequest { block: Some(block), grant: None })).await?;
        Ok(())
    }

    async fn create(&mut self, group: &str, topic: Option<String>) -> Result<(), Trouble> {
        let group = self.group(group)?;
        let name = group.resource().unwrap_or_default().to_owned();
        let mut properties = vec![
            Property::new("Name", &name),
            Property::new("AccessType", "Open"),
            Property::new("Searchable", "T"),
        ];
        properties.extend(topic.as_deref().map(|topic| Property::new("Topic", topic)));
        let request = CreateGroupRequest {
            group: group.clone(),
            properties: Some(GroupProperties { properties, welcome_note: None }),
            own: Vec::new(),
            join: false,
            screen_name: None,
            subscribe: false,
        };
        self.ask(request).await?;
        self.enter(&group, None).await?;
        self.tell(format!("-- you are in {}", self.group_name(&group)));
        self.with = Some(Recipient::Group(group));
        Ok(())
    }

    async fn invite(&mut self, who: &str, group: Option<&str>) -> Result<(), Trouble> {
        let group = self.group_or_here(group)?;
        let user = self.user(who)?;
        self.invited += 1;
        // Meaningful together with the inviter only; a session's id makes it another one each time.
        let session = self.phone.session().map(ToString::to_string).unwrap_or_default();
        let begin: String = session.chars().take(12).collect();
        let id: InviteId = format!("{begin}-{}", self.invited)
            .parse()
            .map_err(|error| words(format!("no invitation can be made: {error}")))?;
        let request = InviteRequest {
            id,
            kind: InviteType::Group,
            sender: (self.phone.manner().version == Version::V1_3)
                .then(|| User::from(self.phone.user().clone()).into()),
            recipients: vec![Recipient::User(User::from(user))],
            application: None,
            group: Some(group),
            attributes: Vec::new(),
            urls: Vec::new(),
            note: None,
            screen_name: None,
            validity: None,
        };
        self.ask(Box::new(request)).await?;
        Ok(())
    }

    async fn answer(&mut self, yes: bool, id: Option<&str>) -> Result<(), Trouble> {
        let place = match id {
            Some(id) => self.invitations.iter().position(|invitation| invitation.id.as_str() == id),
            None => self.invitations.len().checked_sub(1),
        };
        let Some(place) = place else { return Err(words("there is no such invitation")) };
        let invitation = self.invitations.remove(place);
        let InviteUserRequest { id, kind, sender, group, .. } = invitation;
        let is_newest = self.phone.manner().version == Version::V1_3;
        let answer = InviteUserResponse {
            id,
            acceptance: yes,
            sender: (self.phone.manner().version > Version::V1_1)
                .then(|| User::from(self.phone.user().clone()).into()),
            recipient: sender.filter(|_| is_newest),
            note: None,
            screen_name: None,
        };
        self.ask(answer).await?;
        if let (true, Some(group), InviteType::Group | InviteType::ExtendGroup) = (yes, group, kind) {
            self.turn_to(group, None).await?;
        }
        Ok(())
    }

    /// Enters a group, tells who is in it, and talks there.
    async fn turn_to(&mut self, group: GroupId, name: Option<Box<str>>) -> Result<(), Trouble> {
        let told = self.enter(&group, name).await?;
        self.tell(format!("-- you are in {}", self.group_name(&group)));
        for line in told {
            self.tell(format!("   {line}"));
        }
        self.with = Some(Recipient::Group(group));
        Ok(())
    }

    async fn choose(&mut self, choice: &str) -> Result<(), Trouble> {
        let question = self.question.take().ok_or_else(|| words("your provider asks nothing"))?;
        let chosen = choice.parse().ok().filter(|id| question.options.iter().any(|option| option.id == *id));
        let verification_key = (chosen.is_none() && question.verification.is_some()).then(|| choice.into());
        if chosen.is_none() && verification_key.is_none() {
            self.question = Some(question);
            return Err(words(format!("{choice:?} is no choice")));
        }
        let response = SystemMessageResponse { id: question.id, chosen, verification_key };
        self.ask(SystemMessageUser { responses: vec![response] }).await?;
        Ok(())
    }

    async fn find(&mut self, groups: bool, text: &str) -> Result<(), Trouble> {
        // A user is looked for by the beginning of the address first, which every account has.
        let element = if groups { "GROUP_NAME" } else { "USER_ID" };
        let pairs = vec![SearchPair { element: element.into(), string: text.into(), id: None }];
        let request = SearchRequest { pairs, limit: Some(HITS_MAX), ..SearchRequest::default() };
        if let Primitive::SearchResponse(found) = self.ask(request).await? {
            let users = found.users.iter().map(|user| show::short(user));
            let groups = found.groups.iter().map(|group| show::short(group));
            let hits: Vec<String> = users.chain(groups).collect();
            if hits.is_empty() {
                self.tell("-- nothing found");
            }
            for hit in &hits {
                self.tell(format!("   {hit}"));
            }
            if !found.complete {
                self.tell("   and more: a longer name finds fewer");
            }
        }
        Ok(())
    }

    async fn profile(&mut self, who: &str) -> Result<(), Trouble> {
        if self.phone.manner().version < Version::V1_3 {
            return Err(words("profiles are a thing of CSP 1.3"));
        }
        let users = vec![self.user(who)?];
        if let Primitive::GetPublicProfileResponse(found) =
            self.ask(GetPublicProfileRequest { users }).await?
        {
            for profile in &found.profiles {
                self.tell(format!("   {}", show::short(&profile.user)));
                for property in &profile.properties {
                    let value = show::clean(property.value.as_deref().unwrap_or_default());
                    self.tell(format!("   {:<24} {value}", show::clean(&property.name)));
                }
            }
        }
        Ok(())
    }

    /// Sends a file in a message, or keeps it at the provider and sends its link: what is too large for a
    /// message goes as a link in any case.
    async fn send_file(&mut self, file: &str, who: Option<&str>, link: bool) -> Result<(), Trouble> {
        let to = match who {
            Some(who) => self.recipient(who)?,
            None => self.with.clone().ok_or_else(|| words("to whom? name WHO, or /to WHO first"))?,
        };
        let cannot = |error: std::io::Error| words(format!("{file}: {error}"));
        let about = std::fs::metadata(file).map_err(cannot)?;
        if !about.is_file() {
            return Err(words(format!("{file} is no file")));
        }
        if about.len() > ITEM_OCTETS_MAX {
            return Err(words(format!("{file} has {} octets; {ITEM_OCTETS_MAX} are the most", about.len())));
        }
        let octets = std::fs::read(file).map_err(cannot)?;
        let name: Option<Box<str>> = Path::new(file).file_name().map(|name| name.to_string_lossy().into());
        let content_type = show::type_of(file);
        let info = MessageInfo {
            content_type: Some(content_type.into()),
            content_name: name.clone(),
            ..MessageInfo::default()
        };
        if !link && about.len() <= FILE_OCTETS_MAX {
            return self.send(to, info, Some(Content::new(octets))).await;
        }
        let name = name.unwrap_or_default();
        let kept = self.phone.keep_content(&name, content_type, "link", octets).await;
        let url = kept.map_err(|error| match error {
            PhoneError::Http(413) => words(format!("{file} is larger than your provider keeps")),
            PhoneError::Http(507) => words("you keep too much at your provider already"),
            PhoneError::Http(404 | 405) => words("your provider keeps no files"),
            error => error.into(),
        })?;
        self.tell(format!("-- {url}"));
        let info = MessageInfo { uri: Some(url), content_size: Some(about.len()), ..info };
        self.send(to, info, None).await
    }

    /// Writes the last file that came. Nothing that is there already is overwritten, and a name that somebody
    /// else chose leads nowhere but here.
    async fn save(&mut self, file: Option<&str>) -> Result<(), Trouble> {
        use std::io::Write as _;
        let (info, mut content) = self.file.clone().ok_or_else(|| words("no file has come"))?;
        if let Some(url) = info.uri.as_deref().filter(|_| content.octets().is_empty()) {
            content = Content::new(self.phone.fetch(url).await?.body.to_vec());
        }
        let end = show::end_of(info.content_type.as_deref().unwrap_or("text/plain"));
        let offered = info.content_name.as_deref().and_then(|name| {
            let name: String = name.chars().filter(|c| c.is_alphanumeric() || ".-_ ".contains(*c)).collect();
            let name = name.trim_matches(['.', ' ']).to_owned();
            (!name.is_empty()).then_some(name)
        });
        let path = file.map(ToOwned::to_owned).or(offered).unwrap_or_else(|| format!("received.{end}"));
        let cannot = |error: std::io::Error| words(format!("{path}: {error}; /save FILE names another one"));
        let mut out = std::fs::File::create_new(&path).map_err(cannot)?;
        out.write_all(content.octets()).map_err(cannot)?;
        self.tell(format!("-- {path}: {} octets", content.octets().len()));
        Ok(())
    }
}

fn manage(list: ContactListId, add: Vec<Contact>, remove: Vec<UserId>) -> ListManageRequest {
    ListManageRequest {
        list,
        add,
        remove,
        properties: Vec::new(),
        receive: Some(false),
        authorize_and_grant: None,
    }
}

/// These may see everything.
fn may_see(users: Vec<UserId>, contact_lists: Vec<ContactListId>) -> CreateAttributeListRequest {
    CreateAttributeListRequest {
        attributes: PresenceSubList::naming(AttributeSet::ALL),
        users,
        contact_lists,
        default_list: false,
        default_notify: None,
        user_notify: None,
        contact_list_notify: None,
    }
}
