//! The group service element.
//!
//! A [`Group`] is known by an address of its home domain. It has properties, members with ranks, users
//! whom it rejects, and *occupants*: those who are in the conversation now, each with one client and under
//! a screen name. Every request is a pure function of the group as it stands, of who asks ([`Actor`]) and
//! of what is asked; it gives the answer, the [`Edit`]s that make the group what it is afterwards, and what
//! others are told ([`Decision`]). Who asks may be a user of ours or of a peer: the same functions decide
//! (reference ssp-primitives §4, G9; csp-messages §8).

pub mod conversation;
mod entry;
pub mod history;
mod members;
mod properties;
mod talk;
pub mod told;
mod visits;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use crate::element::notify::{Actor, Notify, Reach};
use crate::imps::primitive::{
    GroupChangeNotice, GroupProperties, LeaveGroupResponse, Mapping, Moves, Property, User, WelcomeNote,
};
use crate::imps::words::words;
use crate::imps::{Code, Domain, GroupId, Moment, Primitive, SessionId, Status, UserId};

pub use entry::{accepted, may_enter, needs_age};
pub use history::{HISTORY_MESSAGES_MAX, SAID_OCTETS_MAX, Said};
pub use members::{access, add_members, members, reject, remove_members};
pub use properties::{auto_join_wish, create, delete, properties, set_properties};
pub use talk::{Hearers, speak, whisper};
pub use visits::{
    auto_join, auto_join_request, auto_joined, join, joined_users, leave, log_out, put_out_of_reach,
    subscription,
};

/// Groups that one user may own; more are 814.
pub const GROUPS_OF_USER_MAX: u64 = 100;
/// Groups of one node; more are 815.
pub const GROUPS_MAX: u64 = 100_000;
/// Clients that may be in one group; more are 817.
pub const OCCUPANTS_MAX: usize = 1000;
/// Members that one group may have, and users that it may reject or have invited; more are 754.
pub const LISTED_MAX: usize = 2000;
/// Users that one request may name; more are 402.
pub const NAMED_MAX: usize = 500;
/// Characters of a screen name.
pub const SCREEN_NAME_CHARACTERS_MAX: usize = 50;
/// How long somebody who was put out may hear of it, seconds: one week.
pub const PUT_OUT_SECONDS: u32 = 7 * 86_400;
/// Octets of a welcome note; more are 806.
pub const NOTE_OCTETS_MAX: usize = 8192;

words! {
    /// What a member may do.
    Rank {
        /// Be there.
        User = "User",
        /// Also: members and the reject list.
        Moderator = "Mod",
        /// Also: properties, ranks, and the end of the group.
        Admin = "Admin",
    }
}

/// Somebody who is in a group now, with one client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Occupant {
    /// Address and client.
    pub user: User,
    /// The session of a client of ours; `None`: the user is at home elsewhere.
    pub session: Option<SessionId>,
    /// The screen name.
    pub name: Box<str>,
    /// Whether changes are told.
    pub subscribed: bool,
}

impl Occupant {
    /// Whether this is the client of somebody.
    fn is(&self, user: &User) -> bool {
        self.user.id == user.id && self.user.client == user.client
    }
}

/// A group as it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// Its address, with domain.
    pub id: GroupId,
    /// Its home.
    pub home: Domain,
    /// Who made it; always an administrator.
    pub owner: UserId,
    /// Properties that were set, by their name in the standard.
    pub properties: BTreeMap<Box<str>, Box<str>>,
    /// What those are told who join.
    pub welcome_note: Option<WelcomeNote>,
    /// Members and what they may do.
    pub members: BTreeMap<UserId, Rank>,
    /// Own properties that were set, of anybody.
    pub own: BTreeMap<UserId, BTreeMap<Box<str>, Box<str>>>,
    /// Who may not join.
    pub rejected: BTreeSet<UserId>,
    /// Who accepted an invitation, and may join though only members and the invited may.
    pub invited: BTreeSet<UserId>,
    /// Who is in, in order of arrival.
    pub occupants: Vec<Occupant>,
    /// When it is deleted because nobody is in it.
    pub ends: Option<Moment>,
}

/// One difference that a decision makes.
#[derive(Clone, Debug, PartialEq)]
pub enum Edit {
    /// A property; without value it is no longer set.
    Property(Property),
    /// The welcome note.
    WelcomeNote(Option<WelcomeNote>),
    /// A member's rank; `None`: no member any more.
    Rank(UserId, Option<Rank>),
    /// An own property of a user.
    Own(UserId, Property),
    /// Somebody may not join, or may again.
    Rejected(UserId, bool),
    /// Somebody may join by invitation, or may no longer.
    Invited(UserId, bool),
    /// Somebody came in; takes the place of the same client's earlier entry.
    Enter(Occupant),
    /// A client went out.
    Exit(User),
    /// What was said is forgotten.
    ForgetSaid,
    /// When the group ends for want of occupants.
    Ends(Option<Moment>),
    /// The group is no more. Nothing follows.
    Delete,
}

/// What a request comes to.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// For the one who asked.
    pub answer: Primitive,
    /// What becomes of the group.
    pub edits: Vec<Edit>,
    /// What others are told.
    pub notices: Vec<Notify>,
}

impl Decision {
    /// An answer that changes nothing.
    fn answer(answer: impl Into<Primitive>) -> Self {
        Self { answer: answer.into(), edits: Vec::new(), notices: Vec::new() }
    }
}

impl Group {
    /// An empty group. 901: the address has no domain.
    pub fn new(id: GroupId, owner: UserId) -> Result<Self, Code> {
        let home = id.domain().ok_or(Code::ADDRESS_ERROR)?;
        Ok(Self {
            id,
            home,
            properties: BTreeMap::new(),
            welcome_note: None,
            members: BTreeMap::from([(owner.clone(), Rank::Admin)]),
            owner,
            own: BTreeMap::new(),
            rejected: BTreeSet::new(),
            invited: BTreeSet::new(),
            occupants: Vec::new(),
            ends: None,
        })
    }

    /// Makes a difference. After [`Edit::Delete`] nothing does.
    pub fn apply(&mut self, edit: &Edit) {
        fn set(values: &mut BTreeMap<Box<str>, Box<str>>, property: &Property) {
            match &property.value {
                Some(value) => drop(values.insert(property.name.clone(), value.clone())),
                None => drop(values.remove(&property.name)),
            }
        }
        match edit {
            Edit::Property(property) => set(&mut self.properties, property),
            Edit::WelcomeNote(note) => self.welcome_note.clone_from(note),
            Edit::Rank(user, Some(rank)) => drop(self.members.insert(user.clone(), *rank)),
            Edit::Rank(user, None) => drop(self.members.remove(user)),
            Edit::Own(user, property) => {
                let values = self.own.entry(user.clone()).or_default();
                set(values, property);
                if values.is_empty() {
                    self.own.remove(user);
                }
            }
            Edit::Rejected(user, true) => drop(self.rejected.insert(user.clone())),
            Edit::Rejected(user, false) => drop(self.rejected.remove(user)),
            Edit::Invited(user, true) => drop(self.invited.insert(user.clone())),
            Edit::Invited(user, false) => drop(self.invited.remove(user)),
            Edit::Enter(occupant) => match self.occupants.iter_mut().find(|found| found.is(&occupant.user)) {
                Some(found) => *found = occupant.clone(),
                None => self.occupants.push(occupant.clone()),
            },
            Edit::Exit(user) => self.occupants.retain(|occupant| !occupant.is(user)),
            Edit::Ends(at) => self.ends = *at,
            Edit::ForgetSaid | Edit::Delete => {}
        }
    }

    /// Makes differences, in order.
    pub fn apply_all(&mut self, edits: &[Edit]) {
        for edit in edits {
            self.apply(edit);
        }
    }

    fn after(&self, edits: &[Edit]) -> Self {
        let mut after = self.clone();
        after.apply_all(edits);
        after
    }

    /// What a user may do; `None`: no member.
    pub fn rank(&self, user: &UserId) -> Option<Rank> {
        if *user == self.owner { Some(Rank::Admin) } else { self.members.get(user).copied() }
    }

    /// 816 unless the user may do at least this.
    fn require(&self, user: &UserId, rank: Rank) -> Result<(), Code> {
        if self.rank(user) >= Some(rank) { Ok(()) } else { Err(Code::GROUP_PRIVILEGES) }
    }

    /// The occupant that a client is.
    pub fn occupant(&self, user: &User) -> Option<&Occupant> {
        self.occupants.iter().find(|occupant| occupant.is(user))
    }

    /// How an occupant is shown: the address too if it says so itself, or to those who may know.
    fn shown(&self, occupant: &Occupant, all: bool) -> Mapping {
        let open = all || self.own_truth(&occupant.user.id, properties::SHOW_ID, false);
        Mapping { name: Some(occupant.name.clone()), user: open.then(|| occupant.user.id.clone()) }
    }

    fn own_truth(&self, user: &UserId, name: &str, otherwise: bool) -> bool {
        let value = self.own.get(user).and_then(|values| values.get(name));
        value.map_or(otherwise, |value| **value == *"T")
    }

    fn truth(&self, name: &str, otherwise: bool) -> bool {
        self.properties.get(name).map_or(otherwise, |value| **value == *"T")
    }

    /// A notice to occupants that want to hear of changes, but for one client.
    fn tell(
        &self,
        moves: Moves,
        properties: Option<GroupProperties>,
        own: Vec<Property>,
        but: Option<&User>,
    ) -> Vec<Notify> {
        let hearers = self
            .occupants
            .iter()
            .filter(|occupant| occupant.subscribed && but.is_none_or(|but| !occupant.is(but)));
        let notice = GroupChangeNotice { group: self.id.clone(), users: Vec::new(), moves, properties, own };
        self.notify(hearers, &Primitive::from(Box::new(notice)))
    }

    /// Tells occupants something: each of our sessions by itself, all the others together.
    fn notify<'o>(&self, to: impl Iterator<Item = &'o Occupant>, what: &Primitive) -> Vec<Notify> {
        let mut notices = Vec::new();
        let mut elsewhere = Vec::new();
        for occupant in to {
            match &occupant.session {
                Some(session) => notices.push(Notify {
                    reach: Reach::Sessions(vec![session.clone()]),
                    ..Notify::new(self.home.clone(), vec![occupant.user.id.clone().into()], what.clone())
                }),
                None => elsewhere.push(occupant.user.clone()),
            }
        }
        if !elsewhere.is_empty() {
            notices.push(Notify::new(self.home.clone(), elsewhere, what.clone()));
        }
        notices
    }

    /// Puts out what `who` chooses, for a reason: the edits, and what those who are put out and those who
    /// stay are told.
    fn put_out(&self, code: Code, who: impl Fn(&Occupant) -> bool, now: Moment) -> (Vec<Edit>, Vec<Notify>) {
        let out: Vec<&Occupant> = self.occupants.iter().filter(|occupant| who(occupant)).collect();
        if out.is_empty() {
            return (Vec::new(), Vec::new());
        }
        let mut edits: Vec<Edit> = out.iter().map(|occupant| Edit::Exit(occupant.user.clone())).collect();
        let after = self.after(&edits);
        let told =
            LeaveGroupResponse { group: Some(self.id.clone()), result: Status::new(code), users: Vec::new() };
        let mut notices = self.notify(out.iter().copied(), &told.into());
        for notice in &mut notices {
            // Whoever does not hear it takes itself for a member.
            notice.seconds = PUT_OUT_SECONDS;
        }
        let left = self.gone(&after);
        if !left.is_empty() {
            notices.extend(after.tell(Moves { left, ..Moves::default() }, None, Vec::new(), None));
        }
        let last = after.emptied(now);
        edits.extend(last);
        (edits, notices)
    }

    /// Screen names that are here and not there afterwards.
    fn gone(&self, after: &Self) -> Vec<Box<str>> {
        let names =
            |group: &Self| group.occupants.iter().map(|found| found.name.clone()).collect::<BTreeSet<_>>();
        names(self).difference(&names(after)).cloned().collect()
    }

    /// When a group ends in which nobody is after a move: as if the last had left now, and a day later if it would
    /// have ended with that, so that they find it again who were in it. `None`: it stays.
    pub fn end_if_empty(&self, now: Moment) -> Option<Moment> {
        match self.emptied(now)? {
            Edit::Ends(at) => at,
            _ => Some(now.after(std::time::Duration::from_secs(86_400))),
        }
    }

    /// What becomes of a group when nobody is in it: it may end, now or after a while.
    fn emptied(&self, now: Moment) -> Option<Edit> {
        if !self.occupants.is_empty() || !self.truth(properties::AUTO_DELETE, false) {
            return None;
        }
        let seconds = self.properties.get(properties::VALIDITY).and_then(|text| text.parse::<u32>().ok());
        Some(match seconds {
            None | Some(0) => Edit::Delete,
            Some(seconds) => Edit::Ends(Some(now.after(std::time::Duration::from_secs(seconds.into())))),
        })
    }
}

/// The client that acts.
fn client(actor: &Actor) -> &User {
    &actor.user
}
