//! Who may see an item.
//!
//! ```text
//! link ─────────────────────────────────────────▶ whoever has the URL
//! owner · contacts · list · group ─▶ who are you? ─▶ the owner; who is on the list; who is in the group
//! ```

use super::{Audience, Item};
use crate::element::group::Group;
use crate::element::lists::{Caller, Lists};
use crate::imps::primitive::User;
use crate::imps::{GroupId, Moment, UserId};

/// What has to be loaded before it can be said whether somebody may see an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Need {
    /// Nothing.
    Nothing,
    /// The owner's lists.
    Lists,
    /// The owner's lists, and this group.
    Group(GroupId),
}

/// What was loaded.
#[derive(Clone, Copy, Debug, Default)]
pub struct Facts<'a> {
    /// The owner's lists.
    pub lists: Option<&'a Lists>,
    /// The group that the item is for, if it is still there.
    pub group: Option<&'a Group>,
}

/// Whether somebody may see an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Yes.
    Yes,
    /// That depends on who asks, which was not said.
    WhoAreYou,
    /// No.
    No,
    /// There is no such item any more.
    Gone,
}

/// What has to be known of an item besides itself.
pub fn need(item: &Item, asker: Option<&UserId>) -> Need {
    match (&item.audience, asker) {
        (_, None) | (Audience::Owner | Audience::Link, _) => Need::Nothing,
        (_, Some(asker)) if *asker == item.owner => Need::Nothing,
        (Audience::Contacts | Audience::List(_), _) => Need::Lists,
        (Audience::Group(group), _) => Need::Group(group.clone()),
    }
}

/// Decides. Whom the owner has blocked sees only what a link alone shows.
pub fn may_see(item: &Item, asker: Option<&UserId>, facts: Facts<'_>, now: Moment) -> Verdict {
    if item.expires <= now {
        return Verdict::Gone;
    }
    if item.audience == Audience::Link {
        return Verdict::Yes;
    }
    let Some(asker) = asker else { return Verdict::WhoAreYou };
    if *asker == item.owner {
        return Verdict::Yes;
    }
    let user = User::from(asker.clone());
    let admitted = |lists: &Lists| lists.admits(&Caller::user(&user)).is_ok();
    let Some(lists) = facts.lists.filter(|lists| admitted(lists)) else { return Verdict::No };
    let belongs = match &item.audience {
        Audience::Owner | Audience::Link => false,
        Audience::Contacts => lists.lists_with(asker).next().is_some(),
        Audience::List(list) => lists.list(list).is_some_and(|list| list.holds(asker)),
        Audience::Group(_) => facts.group.is_some_and(|group| {
            let inside = group.occupants.iter().any(|occupant| occupant.user.id == *asker);
            (inside || group.rank(asker).is_some()) && !group.rejected.contains(asker)
        }),
    };
    if belongs { Verdict::Yes } else { Verdict::No }
}

#[cfg(test)]
mod tests {
    use super::super::testing::item;
    use super::*;
    use crate::element::lists::ContactList;
    use crate::imps::primitive::Contact;

    const NOW: Moment = Moment::from_millis(5000);

    fn user(name: &str) -> UserId {
        format!("wv:{name}@north.example").parse().unwrap()
    }

    /// ada's lists: bo is a friend, cy a colleague who is blocked.
    fn lists() -> Lists {
        let list = |name: &str, of: &str| ContactList {
            id: format!("wv:ada/{name}@north.example").parse().unwrap(),
            display_name: None,
            contacts: vec![Contact { user: user(of), nickname: None }],
        };
        let mut lists = Lists::new(user("ada"));
        lists.lists = vec![list("friends", "bo"), list("work", "cy")];
        lists.access.block.users = vec![user("cy")];
        lists
    }

    fn sees(audience: &str, asker: Option<&str>) -> Verdict {
        let mut group = Group::new("wv:/sailing@north.example".parse().unwrap(), user("di")).unwrap();
        group.rejected.insert(user("eli"));
        let lists = lists();
        let asker = asker.map(user);
        let item = item("a", audience);
        let facts = match need(&item, asker.as_ref()) {
            Need::Nothing => Facts::default(),
            Need::Lists => Facts { lists: Some(&lists), group: None },
            Need::Group(id) => {
                assert_eq!(id, group.id);
                Facts { lists: Some(&lists), group: Some(&group) }
            }
        };
        may_see(&item, asker.as_ref(), facts, NOW)
    }

    #[test]
    fn each_audience_sees_what_is_for_it() {
        use Verdict::{No, WhoAreYou, Yes};
        for (audience, nobody, ada, bo, cy, di, eli) in [
            ("link", Yes, Yes, Yes, Yes, Yes, Yes),
            ("owner", WhoAreYou, Yes, No, No, No, No),
            ("contacts", WhoAreYou, Yes, Yes, No, No, No),
            ("list:wv:ada/friends@north.example", WhoAreYou, Yes, Yes, No, No, No),
            ("list:wv:ada/work@north.example", WhoAreYou, Yes, No, No, No, No),
            ("list:wv:ada/gone@north.example", WhoAreYou, Yes, No, No, No, No),
            ("group:wv:/sailing@north.example", WhoAreYou, Yes, No, No, Yes, No),
        ] {
            let found = [None, Some("ada"), Some("bo"), Some("cy"), Some("di"), Some("eli")];
            let found = found.map(|asker| sees(audience, asker));
            assert_eq!(found, [nobody, ada, bo, cy, di, eli], "{audience}");
        }
    }

    #[test]
    fn what_has_expired_is_gone_for_everybody() {
        let item = item("a", "link");
        for asker in [None, Some(user("ada"))] {
            let verdict = may_see(&item, asker.as_ref(), Facts::default(), item.expires);
            assert_eq!(verdict, Verdict::Gone);
        }
    }
}
