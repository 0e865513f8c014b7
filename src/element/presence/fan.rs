//! What watchers are told: everything that they may see, when something of it changed.
//!
//! Each notice carries all that its watcher may see and not only what changed, since clients take each
//! for the whole (reference csp-messages §6). Watchers of one domain who see the same share one.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use crate::element::notify::{Notify, Reach};
use crate::imps::Domain;
use crate::imps::presence::{Attribute, AttributeSet, PresenceSubList};
use crate::imps::primitive::{Presence, PresenceNotification, User};

use super::{Edit, Home, SESSION_SECONDS, Told, Watch};

/// Seconds that a notice waits for a peer. Reference ssp-behaviour §5 gives it two minutes, after which a watcher
/// would see what is long untrue until the next change; since newer takes the place of older the queue does not
/// grow by it.
const PEER_SECONDS: u32 = 86_400;

/// What watchers have to be told, and that they were.
#[derive(Debug, Default, PartialEq)]
pub struct Telling {
    /// What each was told.
    pub edits: Vec<Edit>,
    /// What to tell.
    pub notices: Vec<Notify>,
    /// Something was held back that is to be told later.
    pub held: bool,
    /// Somebody is told who was told something before.
    pub again: bool,
}

/// What one watcher is to be told.
struct News {
    list: PresenceSubList,
    told: Told,
    first: bool,
}

/// A digest of what is shown; never 0.
fn digest(list: &PresenceSubList) -> i64 {
    let mut hasher = DefaultHasher::new();
    list.attributes.hash(&mut hasher);
    // Not the larger of the two: every other digest is negative.
    match hasher.finish().cast_signed() {
        0 => 1,
        digest => digest,
    }
}

fn news(home: &Home<'_>, watch: &Watch) -> Option<News> {
    let visible = home.visible(watch);
    let named = if watch.wanted == AttributeSet::ALL { AttributeSet::NONE } else { watch.wanted };
    let withdrawn = watch.told.shown.without(visible);
    let mut list = home.shown(visible, named);
    let seen = if list.is_empty() { 0 } else { digest(&list) };
    let told = Told { shown: visible, digest: seen };
    if withdrawn.is_empty() && told.digest == watch.told.digest {
        return None;
    }
    list.attributes.extend(withdrawn.names().map(Attribute::unknown));
    let list = PresenceSubList::new(list.attributes);
    (!list.is_empty()).then_some(News { list, told, first: watch.told == Told::default() })
}

/// What every watcher of a user has to hear now. `own` is the user's domain. `hold`: those who were told
/// something before are told later.
pub fn tell(home: &Home<'_>, own: &Domain, hold: bool) -> Telling {
    let mut telling = Telling::default();
    // Of peers' watchers those who see the same and were told before.
    let mut shared: HashMap<(AttributeSet, PresenceSubList), Vec<User>> = HashMap::new();
    let mut order = Vec::new();
    let owner = &home.publisher.owner;
    for watch in &home.publisher.watchers {
        let Some(News { list, told, first }) = news(home, watch) else { continue };
        if hold && !first {
            telling.held = true;
            continue;
        }
        telling.again |= !first;
        telling.edits.push(Edit::Told(watch.key(), told));
        if let Some(session) = &watch.session {
            let mut notice = notice(home, own, vec![watch.watcher.clone()], list);
            notice.reach = Reach::Sessions(vec![session.clone()]);
            notice.seconds = SESSION_SECONDS;
            notice.replaces = Some(format!("presence {owner}").into());
            telling.notices.push(notice);
        } else if first {
            let mut notice = notice(home, own, vec![watch.watcher.clone()], list);
            // A first notice is for this watcher alone, and must not take the place of one for others.
            let key = watch.key();
            notice.replaces = Some(format!("presence {owner} {} {}", key.watcher, key.place).into());
            telling.notices.push(notice);
        } else {
            let same = shared.entry((told.shown, list.clone())).or_default();
            if same.is_empty() {
                order.push((told.shown, list));
            }
            same.push(watch.watcher.clone());
        }
    }
    for same in order {
        let watchers = shared.remove(&same).unwrap_or_default();
        let (shown, list) = same;
        // It takes the place of one for the same watchers only: another may be in the queue for somebody who
        // will not be told again.
        let mut hasher = DefaultHasher::new();
        watchers.hash(&mut hasher);
        let mut notice = notice(home, own, watchers, list);
        notice.replaces = Some(format!("presence {owner} {:x} {:x}", shown.bits(), hasher.finish()).into());
        telling.notices.push(notice);
    }
    telling
}

fn notice(home: &Home<'_>, own: &Domain, to: Vec<User>, attributes: PresenceSubList) -> Notify {
    let owner = &home.publisher.owner;
    let presences = vec![Presence { user: owner.clone(), attributes }];
    let mut notice = Notify::new(own.clone(), to, PresenceNotification { users: Vec::new(), presences });
    notice.by = Some(owner.clone().into());
    notice.seconds = PEER_SECONDS;
    notice
}
