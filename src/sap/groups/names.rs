//! Screen names in the list of those who may not join a group that is at home elsewhere.
//!
//! SSP names users in it by address only (reference ssp-primitives §4.11). So the home of the group is asked
//! first who is in, as a moderator may: its answer has the addresses of all, or of those who show them. Users
//! of ours are known to be in it anyway.

use std::collections::BTreeMap;

use super::super::Sap;
use crate::element::group::NAMED_MAX;
use crate::element::notify::Actor;
use crate::imps::primitive::{
    GetJoinedUsersRequest, JoinedUsers, Listed, Mapping, RejectListRequest, ScreenName,
};
use crate::imps::status::{Entity, Outcome};
use crate::imps::{Code, Domain, GroupId, Primitive, Status, UserId};
use crate::relay::ports::StoreError;

impl Sap {
    /// Asks a group's home elsewhere to change the list for a client. The screen names whose bearers are not
    /// known are 901 each; the change goes through for the others.
    pub(super) async fn reject_elsewhere(
        &self,
        actor: &Actor,
        peer: Domain,
        request: RejectListRequest,
    ) -> Result<Primitive, StoreError> {
        let RejectListRequest { group, mut add, mut remove } = request;
        let listed = add.names.len() + remove.names.len();
        if listed > NAMED_MAX {
            return Ok(Status::new(Code::BAD_PARAMETER).into());
        }
        let mut named = Vec::new();
        if listed > 0 {
            let bearers = match self.bearers(actor, &group, peer.clone()).await? {
                Ok(bearers) => bearers,
                Err(status) => return Ok(status.into()),
            };
            named.extend(resolve(&mut add, &bearers));
            named.extend(resolve(&mut remove, &bearers));
        }
        let users = add.users.iter().chain(&remove.users).cloned().collect();
        let request = RejectListRequest { group: group.clone(), add, remove };
        let answer = self.ask_group(actor, &group, peer, request.into()).await?;
        Ok(as_named(answer, users, &named))
    }

    /// Who bears which name in a group elsewhere, as far as its home tells this user and we know ourselves. The
    /// status if it cannot be asked now.
    async fn bearers(
        &self,
        actor: &Actor,
        group: &GroupId,
        peer: Domain,
    ) -> Result<Result<BTreeMap<Box<str>, UserId>, Status>, StoreError> {
        let visits = self.store.all_visitors(group.clone(), NAMED_MAX).await?;
        let ours = visits.into_iter().filter_map(|visit| Some((visit.name?, visit.user)));
        let mut bearers: BTreeMap<Box<str>, UserId> = ours.collect();
        let question = GetJoinedUsersRequest { group: group.clone() };
        match self.ask_group(actor, group, peer, question.into()).await? {
            Primitive::GetJoinedUsersResponse(answer) if answer.result.code.is_success() => {
                let JoinedUsers { admins, moderators, users } = answer.joined;
                let all = admins.into_iter().chain(moderators).chain(users).chain(answer.blocked);
                bearers.extend(all.filter_map(|Mapping { name, user }| Some((name?, user?))));
            }
            answer if answer.code().outcome() == Outcome::Temporary => {
                return Ok(Err(answer.status().cloned().unwrap_or_else(|| Status::new(answer.code()))));
            }
            // Nothing is told to this user, or there is no such question there (1.1).
            _ => {}
        }
        Ok(Ok(bearers))
    }
}

/// Users in the place of names; each name, and who bears it.
fn resolve(listed: &mut Listed, bearers: &BTreeMap<Box<str>, UserId>) -> Vec<(ScreenName, Option<UserId>)> {
    let mut named = Vec::new();
    for name in std::mem::take(&mut listed.names) {
        let bearer = bearers.get(&name.name).cloned();
        if let Some(user) = bearer.as_ref().filter(|user| !listed.users.contains(user)) {
            listed.users.push(user.clone());
        }
        named.push((name, bearer));
    }
    named
}

/// The answer of the group's home, in terms of what the client named.
fn as_named(answer: Primitive, users: Vec<UserId>, named: &[(ScreenName, Option<UserId>)]) -> Primitive {
    let status = answer.status().cloned().unwrap_or_default();
    let refused = !status.code.is_success() && status.details.is_empty();
    if refused
        || named.is_empty()
        || (named.iter().all(|(_, user)| user.is_some()) && status.details.is_empty())
    {
        return answer;
    }
    let by_name = |user: &UserId| named.iter().any(|(_, bearer)| bearer.as_ref() == Some(user));
    let by_address = users.into_iter().filter(|user| !by_name(user)).map(|user| {
        let entity = Entity::User(user);
        let code = status.code_for(&entity);
        (entity, code)
    });
    let by_names = named.iter().map(|(name, bearer)| {
        let code =
            bearer.as_ref().map_or(Code::ADDRESS_ERROR, |user| status.code_for(&Entity::User(user.clone())));
        (Entity::ScreenName(name.clone()), code)
    });
    Status::merge(by_address.chain(by_names).collect::<Vec<_>>()).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::imps::primitive::RejectListResponse;

    fn name(text: &str) -> ScreenName {
        ScreenName { name: text.into(), group: "wv:/boats@south.example".parse().unwrap() }
    }

    fn user(text: &str) -> UserId {
        format!("wv:{text}@south.example").parse().unwrap()
    }

    #[test]
    fn names_become_users_once_and_the_answer_speaks_of_names_again() {
        let bearers = BTreeMap::from([("Cook".into(), user("cy")), ("Mate".into(), user("bo"))]);
        let mut listed =
            Listed { users: vec![user("bo")], names: vec![name("Cook"), name("Mate"), name("Ghost")] };
        let named = resolve(&mut listed, &bearers);
        assert_eq!(listed, Listed::from(vec![user("bo"), user("cy")]));
        assert_eq!(named[2], (name("Ghost"), None));
        let list = RejectListResponse { result: Status::ok(), users: listed.users.clone() };
        let partly = as_named(list.clone().into(), listed.users.clone(), &named);
        let status = partly.status().unwrap();
        assert_eq!(status.code, Code::PARTIALLY_SUCCESSFUL);
        assert_eq!(status.code_for(&Entity::ScreenName(name("Ghost"))), Code::ADDRESS_ERROR);
        assert_eq!(status.code_for(&Entity::ScreenName(name("Cook"))), Code::SUCCESSFUL);
        // Everybody is known: the list
        assert_eq!(as_named(list.clone().into(), listed.users.clone(), &named[..2]), list.into());
        // The home refuses a user whom the client knows by name
        let refused = Status::merge(vec![
            (Entity::User(user("bo")), Code::SUCCESSFUL),
            (Entity::User(user("cy")), Code::GROUP_PRIVILEGES),
        ]);
        let partly = as_named(refused.into(), listed.users.clone(), &named[..2]);
        assert_eq!(
            partly.status().unwrap().code_for(&Entity::ScreenName(name("Cook"))),
            Code::GROUP_PRIVILEGES
        );
        // The home refuses everything
        let no = Primitive::from(Status::new(Code::GROUP_PRIVILEGES));
        assert_eq!(as_named(no.clone(), listed.users, &named), no);
    }
}
