//! Making and ending groups; their properties and those of users in them.

use super::{
    Decision, Edit, GROUPS_MAX, GROUPS_OF_USER_MAX, Group, NOTE_OCTETS_MAX, OCCUPANTS_MAX, Rank, client,
};
use crate::element::notify::Actor;
use crate::imps::primitive::{
    CreateGroupRequest, GetGroupPropsResponse, GroupProperties, JoinGroupRequest, LeaveGroupResponse, Moves,
    Property, SetGroupPropsRequest, WelcomeNote,
};
use crate::imps::status::Entity;
use crate::imps::{Code, DetailedResult, Moment, Status};

pub(super) const ACCESS_TYPE: &str = "AccessType";
pub(super) const RESTRICTED: &str = "Restricted";
pub(super) const PRIVATE_MESSAGING: &str = "PrivateMessaging";
pub(super) const MAX_ACTIVE_USERS: &str = "MaxActiveUsers";
pub(super) const AUTO_DELETE: &str = "AutoDelete";
pub(super) const VALIDITY: &str = "Validity";
pub(super) const SHOW_ID: &str = "ShowID";
pub(super) const HISTORY: &str = "History";
pub(super) const REQUIRE_INVITATION: &str = "RequireInvitation";
pub(super) const MINIMUM_AGE: &str = "MinimumAge";
pub(super) const AUTO_JOIN: &str = "AutoJoin";
const NAME: &str = "Name";
const TOPIC: &str = "Topic";
const TYPE: &str = "Type";
const SEARCHABLE: &str = "Searchable";
const ACTIVE_USERS: &str = "ActiveUsers";

/// What the value of a property may be.
#[derive(Clone, Copy, Debug)]
enum Values {
    /// Text of so many characters at most.
    Text(usize),
    /// `T` or `F`.
    Truth,
    /// A number.
    Number,
    /// One of these words.
    Words(&'static [&'static str]),
    /// Said by the server alone.
    ReadOnly,
}

/// Properties of groups (reference csp-messages §8).
const OF_GROUPS: &[(&str, Values)] = &[
    (NAME, Values::Text(100)),
    (TOPIC, Values::Text(200)),
    (ACCESS_TYPE, Values::Words(&["Open", RESTRICTED])),
    (TYPE, Values::Words(&["Public", "Private"])),
    (PRIVATE_MESSAGING, Values::Truth),
    (SEARCHABLE, Values::Truth),
    (ACTIVE_USERS, Values::ReadOnly),
    (MAX_ACTIVE_USERS, Values::Number),
    (AUTO_DELETE, Values::Truth),
    (VALIDITY, Values::Number),
    (SHOW_ID, Values::Truth),
    (HISTORY, Values::Truth),
    (REQUIRE_INVITATION, Values::Truth),
    (MINIMUM_AGE, Values::Number),
];

/// Of those, what everybody may see though it has no value by default.
const PUBLIC: [&str; 6] = [NAME, TOPIC, SHOW_ID, HISTORY, REQUIRE_INVITATION, MINIMUM_AGE];

/// Properties of users in groups.
const OF_USERS: &[(&str, Values)] = &[
    (PRIVATE_MESSAGING, Values::Truth),
    (AUTO_JOIN, Values::Truth),
    (SHOW_ID, Values::Truth),
    ("IsMember", Values::ReadOnly),
    ("PrivilegeLevel", Values::ReadOnly),
    ("ScreenName", Values::ReadOnly),
];

/// A property as it is kept: the name in the spelling of the standard, the value checked. 806.
fn checked(property: &Property, table: &[(&'static str, Values)]) -> Result<Property, Code> {
    let row = table.iter().find(|(name, _)| name.eq_ignore_ascii_case(property.name.trim()));
    let (name, values) = row.ok_or(Code::BAD_GROUP_PROPERTIES)?;
    let text = property.value.as_deref().unwrap_or_default().trim();
    let word = |words: &[&'static str]| {
        words.iter().find(|word| word.eq_ignore_ascii_case(text)).copied().ok_or(Code::BAD_GROUP_PROPERTIES)
    };
    let value: Option<Box<str>> = match values {
        Values::Text(most) if text.chars().count() <= *most => (!text.is_empty()).then(|| text.into()),
        Values::Truth => Some(word(&["T", "F"])?.into()),
        Values::Words(words) => Some(word(words)?.into()),
        Values::Number => {
            let number: u32 = text.parse().map_err(|_| Code::BAD_GROUP_PROPERTIES)?;
            Some(number.to_string().into())
        }
        Values::Text(_) | Values::ReadOnly => return Err(Code::BAD_GROUP_PROPERTIES),
    };
    Ok(Property { name: (*name).into(), value })
}

fn note_edit(note: &WelcomeNote) -> Result<Edit, Code> {
    match note.content.octets().len() {
        0 => Ok(Edit::WelcomeNote(None)),
        octets if octets > NOTE_OCTETS_MAX => Err(Code::BAD_GROUP_PROPERTIES),
        _ => Ok(Edit::WelcomeNote(Some(note.clone()))),
    }
}

/// What a change of the group's properties comes to; what is as it was makes no difference.
fn group_edits(group: &Group, wanted: &GroupProperties) -> Result<Vec<Edit>, Code> {
    let mut edits = Vec::new();
    for property in &wanted.properties {
        let property = checked(property, OF_GROUPS)?;
        if group.properties.get(&property.name) != property.value.as_ref() {
            edits.push(Edit::Property(property));
        }
    }
    if let Some(note) = &wanted.welcome_note {
        edits.push(note_edit(note)?);
    }
    let after = group.after(&edits);
    if group.truth(HISTORY, false) && !after.truth(HISTORY, false) {
        edits.push(Edit::ForgetSaid);
    }
    if after.truth(SEARCHABLE, false)
        && !after.properties.contains_key(NAME)
        && !after.properties.contains_key(TOPIC)
    {
        return Err(Code::SEARCHABLE_WITHOUT_NAME);
    }
    Ok(edits)
}

/// What a change of own properties comes to.
pub(super) fn own_edits(group: &Group, actor: &Actor, wanted: &[Property]) -> Result<Vec<Edit>, Code> {
    let kept = group.own.get(actor.id());
    let mut edits = Vec::new();
    for property in wanted {
        let property = checked(property, OF_USERS)?;
        if kept.and_then(|kept| kept.get(&property.name)) != property.value.as_ref() {
            edits.push(Edit::Own(actor.id().clone(), property));
        }
    }
    Ok(edits)
}

/// What a user says about being in a group whenever it is logged in; `None`: nothing.
pub fn auto_join_wish(own: &[Property]) -> Option<bool> {
    let said = own.iter().rev().find(|property| property.name.trim().eq_ignore_ascii_case(AUTO_JOIN))?;
    Some(said.value.as_deref().is_some_and(|value| value.trim().eq_ignore_ascii_case("T")))
}

/// Makes a group. `owned` and `all` count the groups of the creator and of the node. Public addresses
/// (`/name`) are free to everybody who may ask; private ones (`user/name`) belong to that user. 806, 811,
/// 814, 815, 816, 822; whether the address is taken (801) is said by the store.
pub fn create(
    actor: &Actor,
    request: &CreateGroupRequest,
    owned: u64,
    all: u64,
    now: Moment,
) -> Result<(Group, Decision), Code> {
    let creator = actor.id();
    let prefix = request.group.user();
    let own_place =
        request.group.domain_str() == creator.domain_str() && prefix.eq_ignore_ascii_case(creator.user());
    if !prefix.is_empty() && !own_place {
        return Err(Code::GROUP_PRIVILEGES);
    }
    if owned >= GROUPS_OF_USER_MAX {
        return Err(Code::GROUPS_OF_USER);
    }
    if all >= GROUPS_MAX {
        return Err(Code::GROUPS_OF_SERVER);
    }
    let mut group = Group::new(request.group.clone(), creator.clone())?;
    let mut edits = match &request.properties {
        Some(wanted) => group_edits(&group, wanted)?,
        None => Vec::new(),
    };
    edits.extend(own_edits(&group, actor, &request.own)?);
    group.apply_all(&edits);
    if request.join {
        let join = JoinGroupRequest {
            group: request.group.clone(),
            screen_name: request.screen_name.clone(),
            joined_request: false,
            subscribe: request.subscribe,
            own: Vec::new(),
        };
        let joined = super::join(&group, actor, &join, None)?;
        group.apply_all(&joined.edits);
    } else if let Some(Edit::Ends(at)) = group.emptied(now) {
        group.ends = at;
    }
    Ok((group, Decision::answer(Status::ok())))
}

/// Ends a group; everybody in it is told (800). 816 unless an administrator asks.
pub fn delete(group: &Group, actor: &Actor) -> Result<Decision, Code> {
    group.require(actor.id(), Rank::Admin)?;
    Ok(Decision { notices: ended(group), edits: vec![Edit::Delete], ..Decision::answer(Status::ok()) })
}

/// What occupants are told when their group ends.
fn ended(group: &Group) -> Vec<crate::element::notify::Notify> {
    let told = LeaveGroupResponse {
        group: Some(group.id.clone()),
        result: Status::new(Code::NO_GROUP),
        users: Vec::new(),
    };
    group.notify(group.occupants.iter(), &told.into())
}

/// The properties of the group that the actor may see, and its own: all for administrators, the public
/// ones for others.
pub fn properties(group: &Group, actor: &Actor) -> Decision {
    let admin = group.rank(actor.id()) == Some(Rank::Admin);
    let default = |name: &'static str, value: &str| Property::new(name, value);
    let private = if group.id.user().is_empty() { "Public" } else { "Private" };
    let mut shown = vec![
        default(ACCESS_TYPE, "Open"),
        default(TYPE, private),
        default(PRIVATE_MESSAGING, "T"),
        default(SEARCHABLE, "F"),
        default(MAX_ACTIVE_USERS, &OCCUPANTS_MAX.to_string()),
    ];
    for (name, value) in &group.properties {
        match shown.iter_mut().find(|property| property.name == *name) {
            Some(property) => property.value = Some(value.clone()),
            None if admin || PUBLIC.contains(&&**name) => {
                shown.push(Property { name: name.clone(), value: Some(value.clone()) });
            }
            None => {}
        }
    }
    shown.push(Property::new(ACTIVE_USERS, &group.occupants.len().to_string()));
    let rank = group.rank(actor.id());
    let truth = |name: &'static str, otherwise| {
        Property::new(name, if group.own_truth(actor.id(), name, otherwise) { "T" } else { "F" })
    };
    let mut own = vec![
        Property::new("IsMember", if rank.is_some() { "T" } else { "F" }),
        Property::new("PrivilegeLevel", rank.unwrap_or(Rank::User).as_str()),
        truth(PRIVATE_MESSAGING, true),
        truth(AUTO_JOIN, false),
        truth(SHOW_ID, false),
    ];
    own.extend(group.occupant(client(actor)).map(|found| Property::new("ScreenName", &found.name)));
    let welcome_note = group.welcome_note.clone().filter(|_| admin);
    Decision::answer(GetGroupPropsResponse {
        result: Status::ok(),
        properties: Some(GroupProperties { properties: shown, welcome_note }),
        own,
    })
}

/// Changes properties. Without the right to change the group's, the own ones are set all the same: 201
/// with 816 for the group, or 816 if there are none (reference ssp-primitives §4.4).
pub fn set_properties(
    group: &Group,
    actor: &Actor,
    request: &SetGroupPropsRequest,
) -> Result<Decision, Code> {
    let own = own_edits(group, actor, &request.own)?;
    let (of_group, refused) = match &request.properties {
        None => (Vec::new(), None),
        Some(wanted) => match group.require(actor.id(), Rank::Admin) {
            Ok(()) => (group_edits(group, wanted)?, None),
            Err(code) if request.own.is_empty() => return Err(code),
            Err(code) => (Vec::new(), Some(code)),
        },
    };
    let changed = GroupProperties {
        properties: of_group
            .iter()
            .filter_map(
                |edit| if let Edit::Property(property) = edit { Some(property.clone()) } else { None },
            )
            .collect(),
        welcome_note: None,
    };
    let notices = if changed.properties.is_empty() {
        Vec::new()
    } else {
        group.tell(Moves::default(), Some(changed), Vec::new(), Some(client(actor)))
    };
    let answer = refused.map_or_else(Status::ok, |code| Status {
        details: vec![DetailedResult {
            code,
            description: None,
            entities: vec![Entity::Group(group.id.clone())],
        }],
        ..Status::new(Code::PARTIALLY_SUCCESSFUL)
    });
    Ok(Decision { edits: of_group.into_iter().chain(own).collect(), notices, answer: answer.into() })
}
