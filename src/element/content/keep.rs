//! Taking an item in, and changing who may see it and how long it is kept.

use std::time::Duration;

use super::{Audience, ContentId, Item, NAME_OCTETS_MAX};
use crate::imps::{Domain, Moment, UserId};

/// Octets of a media type.
const TYPE_OCTETS_MAX: usize = 128;
/// The type of octets of which nobody says what they are.
const UNKNOWN_TYPE: &str = "application/octet-stream";

/// What the owner says of an item, as it came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wish<'a> {
    /// MIME type.
    pub content_type: Option<&'a str>,
    /// File name.
    pub name: Option<&'a str>,
    /// As [`Audience`] is written; absent means whoever has the link.
    pub audience: Option<&'a str>,
    /// Days to keep it; absent means as long as it may be kept.
    pub days: Option<&'a str>,
}

/// Why it is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Something of the wish cannot be understood, or cannot be done here.
    #[error("{0}")]
    Wish(String),
    /// There is nothing in it.
    #[error("there is nothing to keep")]
    Empty,
}

/// What was uploaded.
#[derive(Clone, Debug)]
pub struct Upload<'a> {
    /// Its id from now on.
    pub id: ContentId,
    /// Who keeps it; of ours.
    pub owner: &'a UserId,
    /// How many octets.
    pub octets: u64,
    /// SHA-256 of them.
    pub digest: [u8; 32],
}

/// Makes an item of an upload. `own` are our domains: whether somebody belongs to a group of another domain
/// cannot be known here.
pub fn accept(
    upload: Upload<'_>,
    wish: &Wish<'_>,
    retention: Duration,
    own: &[Domain],
    now: Moment,
) -> Result<Item, Refused> {
    let Upload { id, owner, octets, digest } = upload;
    if octets == 0 {
        return Err(Refused::Empty);
    }
    Ok(Item {
        id,
        owner: owner.clone(),
        name: wish.name.and_then(file_name),
        content_type: media_type(wish.content_type),
        octets,
        digest,
        audience: audience(wish.audience.unwrap_or("link"), owner, own)?,
        created: now,
        expires: now.after(days(wish.days, retention)?),
    })
}

/// The item with another audience or another end; what is not said stays. It is kept no longer than
/// `retention` from now on.
pub fn alter(
    item: Item,
    wish: &Wish<'_>,
    retention: Duration,
    own: &[Domain],
    now: Moment,
) -> Result<Item, Refused> {
    let audience = match wish.audience {
        Some(text) => audience(text, &item.owner, own)?,
        None => item.audience,
    };
    let expires = match wish.days {
        Some(_) => now.after(days(wish.days, retention)?),
        None => item.expires,
    };
    let name = wish.name.map_or(item.name, file_name);
    Ok(Item { name, audience, expires, ..item })
}

fn audience(text: &str, owner: &UserId, own: &[Domain]) -> Result<Audience, Refused> {
    let audience: Audience = text.parse().map_err(|error| Refused::Wish(format!("{text:?}: {error}")))?;
    let home = owner.domain().ok_or_else(|| Refused::Wish("the owner has no domain".to_owned()))?;
    Ok(match audience {
        Audience::Group(group) => {
            let group = group.completed(&home);
            if !own.iter().any(|domain| group.is_in(domain)) {
                return Err(Refused::Wish(format!("{group} is a group of another provider; use link")));
            }
            Audience::Group(group)
        }
        Audience::List(list) => {
            let list = list.completed(&home);
            if list.domain_str() != owner.domain_str() || !list.user().eq_ignore_ascii_case(owner.user()) {
                return Err(Refused::Wish(format!("{list} is no contact list of {owner}")));
            }
            Audience::List(list)
        }
        other => other,
    })
}

fn days(text: Option<&str>, retention: Duration) -> Result<Duration, Refused> {
    let Some(text) = text else { return Ok(retention) };
    match text.parse::<u32>() {
        Ok(days) if days > 0 => Ok(Duration::from_secs(u64::from(days) * 86_400).min(retention)),
        _ => Err(Refused::Wish(format!("{text:?} is no number of days"))),
    }
}

/// A media type that is safe to repeat in a header; what is none becomes octets.
fn media_type(written: Option<&str>) -> Box<str> {
    let written = written.unwrap_or_default().trim();
    let essence = written.split(';').next().unwrap_or_default().trim();
    let token = |text: &str| {
        !text.is_empty()
            && text.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"!#$&^_.+-".contains(&octet))
    };
    let good = essence.split_once('/').is_some_and(|(kind, rest)| token(kind) && token(rest))
        && written.len() <= TYPE_OCTETS_MAX
        && written.bytes().all(|octet| matches!(octet, b' '..=b'~'));
    if good { written.into() } else { UNKNOWN_TYPE.into() }
}

/// The last part of a path, without what could lead anywhere or break a header; `None` if nothing is left.
fn file_name(written: &str) -> Option<Box<str>> {
    let last = written.rsplit(['/', '\\']).next().unwrap_or_default();
    let mut name: String = last.chars().filter(|c| !c.is_control() && !"\"<>|?*:;".contains(*c)).collect();
    while name.len() > NAME_OCTETS_MAX {
        name.pop();
    }
    let name = name.trim().trim_matches('.').trim();
    (!name.is_empty()).then(|| name.into())
}

#[cfg(test)]
mod tests {
    use super::super::testing::item;
    use super::*;

    const MONTH: Duration = Duration::from_secs(30 * 86_400);
    const NOW: Moment = Moment::from_millis(5000);

    fn keep(wish: &Wish<'_>) -> Result<Item, Refused> {
        let owner: UserId = "wv:ada@north.example".parse().unwrap();
        let id = item("a", "link").id;
        let own = ["north.example".parse().unwrap()];
        accept(Upload { id, owner: &owner, octets: 3, digest: [0; 32] }, wish, MONTH, &own, NOW)
    }

    #[test]
    fn who_says_nothing_shares_by_link_for_as_long_as_may_be() {
        let kept = keep(&Wish::default()).unwrap();
        assert_eq!((kept.audience, &*kept.content_type), (Audience::Link, "application/octet-stream"));
        assert_eq!((kept.expires, kept.name), (NOW.after(MONTH), None));
        let kept = keep(&Wish { days: Some("7"), ..Wish::default() }).unwrap();
        assert_eq!(kept.expires, NOW.after(Duration::from_secs(7 * 86_400)));
        let kept = keep(&Wish { days: Some("4000000000"), ..Wish::default() }).unwrap();
        assert_eq!(kept.expires, NOW.after(MONTH), "no longer than it may be kept");
    }

    #[test]
    fn names_and_types_cannot_break_a_header_or_a_path() {
        let wish = |content_type, name| Wish { content_type, name, ..Wish::default() };
        let kept = keep(&wish(Some("image/png; x=y"), Some("C:\\photos\\..\\ma\r\np\".png"))).unwrap();
        assert_eq!((&*kept.content_type, kept.name.as_deref()), ("image/png; x=y", Some("map.png")));
        for wrong in
            ["", "png", "image/", "image/png\r\nSet-Cookie: x", "a b/c", &format!("a/{}", "b".repeat(200))]
        {
            assert_eq!(
                &*keep(&wish(Some(wrong), Some("../.."))).unwrap().content_type,
                UNKNOWN_TYPE,
                "{wrong}"
            );
        }
        assert_eq!(file_name("../.."), None);
        assert_eq!(file_name(&"ö".repeat(500)).unwrap().len(), NAME_OCTETS_MAX);
    }

    #[test]
    fn an_audience_has_to_be_one_that_can_be_known_here() {
        let wish = |audience| Wish { audience: Some(audience), ..Wish::default() };
        let audience = |text| keep(&wish(text)).map(|kept| kept.audience.to_string());
        assert_eq!(audience("group:/sailing").as_deref(), Ok("group:wv:/sailing@north.example"));
        assert_eq!(audience("list:ada/friends").as_deref(), Ok("list:wv:ada/friends@north.example"));
        for wrong in
            ["group:/sailing@south.example", "list:bo/friends", "everybody", "list:ada/x@south.example"]
        {
            assert!(matches!(audience(wrong), Err(Refused::Wish(_))), "{wrong}");
        }
        assert!(keep(&Wish { days: Some("0"), ..Wish::default() }).is_err());
    }

    #[test]
    fn what_is_not_said_stays() {
        let own = ["north.example".parse().unwrap()];
        let before = item("a", "owner");
        assert_eq!(alter(before.clone(), &Wish::default(), MONTH, &own, NOW), Ok(before.clone()));
        let wish = Wish { audience: Some("contacts"), days: Some("1"), ..Wish::default() };
        let after = alter(before.clone(), &wish, MONTH, &own, NOW).unwrap();
        assert_eq!(after.audience, Audience::Contacts);
        assert_eq!(after.expires, NOW.after(Duration::from_secs(86_400)));
        assert_eq!(after.name, before.name);
    }
}
