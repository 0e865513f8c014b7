//! Who hears what is said in a group (reference ssp-primitives §1.1, receiving server, step 3).

use std::collections::BTreeSet;

use super::properties::PRIVATE_MESSAGING;
use super::{Group, Occupant};
use crate::imps::primitive::User;
use crate::imps::{Code, SessionId, UserId};

/// Who hears a message, and who it is from as they see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hearers {
    /// The author's screen name.
    pub name: Box<str>,
    /// Users of ours, each with the sessions with which they are in; ordered, each once.
    pub here: Vec<(UserId, Vec<SessionId>)>,
    /// Users of peers, each once.
    pub elsewhere: Vec<UserId>,
}

/// The occupant who speaks: the very client, or else any client of the user. 808: not in the group.
fn author<'g>(group: &'g Group, author: &User) -> Result<&'g Occupant, Code> {
    let by_user = || group.occupants.iter().find(|occupant| occupant.user.id == author.id);
    group.occupant(author).or_else(by_user).ok_or(Code::NOT_JOINED)
}

fn hearers<'g>(name: &str, found: impl Iterator<Item = &'g Occupant>) -> Hearers {
    let mut here: Vec<(UserId, Vec<SessionId>)> = Vec::new();
    let mut elsewhere = BTreeSet::new();
    for occupant in found {
        let user = &occupant.user.id;
        match &occupant.session {
            None => drop(elsewhere.insert(user.clone())),
            Some(session) => match here.iter_mut().find(|(known, _)| known == user) {
                Some((_, sessions)) => sessions.push(session.clone()),
                None => here.push((user.clone(), vec![session.clone()])),
            },
        }
    }
    Hearers { name: name.into(), here, elsewhere: elsewhere.into_iter().collect() }
}

/// A message to everybody in the group but its author. 808: the author is not in.
pub fn speak(group: &Group, by: &User) -> Result<Hearers, Code> {
    let author = author(group, by)?;
    Ok(hearers(&author.name, group.occupants.iter().filter(|found| found.user.id != by.id)))
}

/// A private message to a screen name. 808: the author is not in. 410: nobody has this name. 812: the
/// group has no private messages, 813: that user wants none.
pub fn whisper(group: &Group, by: &User, to: &str) -> Result<Hearers, Code> {
    let author = author(group, by)?;
    let mut found = group.occupants.iter().filter(|found| *found.name == *to).peekable();
    let Some(first) = found.peek() else { return Err(Code::UNABLE_TO_DELIVER) };
    if !group.truth(PRIVATE_MESSAGING, true) {
        return Err(Code::GROUP_NOT_PRIVATE_MESSAGING);
    }
    if !group.own_truth(&first.user.id, PRIVATE_MESSAGING, true) {
        return Err(Code::USER_NOT_PRIVATE_MESSAGING);
    }
    Ok(hearers(&author.name, found))
}
