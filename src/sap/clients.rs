//! The sessions of our clients: found by id, by user and by key.
//!
//! A session is a machine behind a short lock, which is never held while waiting. Beside it stand the
//! mailbox rows that were just read or delivered, so that handing a message over costs no second
//! look into the store; they are a cache within a bound, nothing more.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dashmap::DashMap;
use tokio::sync::Notify;

use crate::element::im::{MailKind, StoredMail, fetch};
use crate::element::notify::Actor;
use crate::imps::primitive::User;
use crate::imps::{Moment, SessionId, UserId};
use crate::relay::rate::Meter;
use crate::session::csp::cir::agree::token;
use crate::session::csp::negotiate::SESSIONS_PER_USER_MAX;
use crate::session::csp::{Row, RowKind, Session, SessionKey};

/// Octets of mailbox rows kept beside one session.
const KEPT_OCTETS_MAX: usize = 64 * 1024;

/// One session of a client.
pub(crate) struct Client {
    pub(crate) id: SessionId,
    pub(crate) key: SessionKey,
    machine: Mutex<Session>,
    kept: Mutex<Kept>,
    meter: Mutex<Meter>,
    /// Tells those who wait for a document in work that one is done.
    pub(crate) finished: Notify,
    /// When it is looked at again; no alarm is set where there is none.
    alarm: Mutex<Option<Moment>>,
}

#[derive(Default)]
struct Kept {
    rows: HashMap<i64, Arc<StoredMail>>,
    octets: usize,
}

impl Client {
    /// The machine, for a few instructions.
    pub(crate) fn machine(&self) -> MutexGuard<'_, Session> {
        self.machine.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What counts its requests.
    pub(crate) fn meter(&self) -> MutexGuard<'_, Meter> {
        self.meter.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The user, with domain.
    pub(crate) const fn user(&self) -> &UserId {
        &self.key.user
    }

    /// The user with this client: in whose name others are asked.
    pub(crate) fn as_user(&self) -> User {
        User { client: Some(self.key.client.clone()), ..User::from(self.user().clone()) }
    }

    /// Who acts when the client asks.
    pub(crate) fn actor(&self) -> Actor {
        Actor { user: self.as_user(), session: Some(self.id.clone()) }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a row for the moment when it is handed over, if there is room.
    pub(crate) fn keep(&self, mail: &Arc<StoredMail>) {
        let octets = mail.mail.body.len();
        let mut kept = self.kept();
        if kept.octets + octets <= KEPT_OCTETS_MAX && kept.rows.insert(mail.row, Arc::clone(mail)).is_none() {
            kept.octets += octets;
        }
    }

    /// The row, if it is still kept.
    pub(crate) fn kept_row(&self, row: i64) -> Option<Arc<StoredMail>> {
        self.kept().rows.get(&row).cloned()
    }

    fn removed(&self, row: i64) {
        self.machine().poll().removed(row);
        let mut kept = self.kept();
        if let Some(mail) = kept.rows.remove(&row) {
            kept.octets -= mail.mail.body.len();
        }
    }
}

/// A row of the mailbox as the queue of a session sees it. Only where the client tells groups apart is a message
/// opened to see in which one it was said.
pub(crate) fn queue_row(client: &Client, mail: &StoredMail) -> Row {
    let kind = match mail.mail.kind {
        MailKind::Report => RowKind::Report,
        MailKind::Notice => RowKind::Notice,
        MailKind::Message => RowKind::Message {
            octets: mail.mail.content_octets,
            content_type: Some(mail.mail.content_type.clone()),
            // What is said in a group is one session's.
            group: (mail.mail.session.is_some() && client.machine().abilities().tells_groups_apart())
                .then(|| fetch::said_in(&mail.mail))
                .flatten(),
        },
    };
    Row { id: mail.row, kind }
}

/// Every session of the node.
#[derive(Default)]
pub(crate) struct Clients {
    by_id: DashMap<SessionId, Arc<Client>>,
    by_user: DashMap<UserId, Vec<Arc<Client>>>,
    by_key: DashMap<SessionKey, SessionId>,
    /// Those that ask by HTTP whether something waits.
    by_token: DashMap<Box<str>, SessionId>,
    /// When to look at which session again. A session that was active meanwhile is found to be early
    /// and put back, so that activity costs nothing here.
    alarms: Mutex<BTreeSet<(Moment, SessionId)>>,
}

impl Clients {
    /// Takes a session in. Those that it ends are given back, no longer receiving what arrives: one of
    /// the same key that was there before, and one too many of the same user.
    pub(crate) fn insert(&self, session: Session) -> Vec<Arc<Client>> {
        let (id, key) = (session.record().id.clone(), session.record().key());
        let wake_at = session.wake_at();
        let client = Arc::new(Client {
            id: id.clone(),
            key: key.clone(),
            machine: Mutex::new(session),
            kept: Mutex::default(),
            meter: Mutex::default(),
            finished: Notify::new(),
            alarm: Mutex::default(),
        });
        self.by_id.insert(id.clone(), Arc::clone(&client));
        self.by_user.entry(key.user.clone()).or_default().push(Arc::clone(&client));
        self.watch(&client, wake_at);
        let user = key.user.clone();
        let mut ended: Vec<_> =
            self.by_key.insert(key, id.clone()).and_then(|old| self.get(&old)).into_iter().collect();
        for old in &ended {
            self.detach(old);
        }
        let others = self.of_user(&user);
        if others.len() > usize::from(SESSIONS_PER_USER_MAX) {
            let silent = others.into_iter().filter(|other| other.id != id);
            if let Some(oldest) = silent.min_by_key(|other| other.machine().record().last_active) {
                self.by_key.remove_if(&oldest.key, |_, known| *known == oldest.id);
                self.detach(&oldest);
                ended.push(oldest);
            }
        }
        ended
    }

    /// The session of this id.
    pub(crate) fn get(&self, id: &SessionId) -> Option<Arc<Client>> {
        self.by_id.get(id).map(|client| Arc::clone(&client))
    }

    /// The id of the session with this key.
    pub(crate) fn of_key(&self, key: &SessionKey) -> Option<SessionId> {
        self.by_key.get(key).map(|id| id.clone())
    }

    /// Every session of a user.
    pub(crate) fn of_user(&self, user: &UserId) -> Vec<Arc<Client>> {
        self.by_user.get(user).map(|clients| clients.clone()).unwrap_or_default()
    }

    /// How many sessions there are.
    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }

    /// A session no longer receives what arrives, but is still found by its id to be told why.
    fn detach(&self, client: &Arc<Client>) {
        self.by_user.remove_if_mut(&client.key.user, |_, clients| {
            clients.retain(|other| other.id != client.id);
            clients.is_empty()
        });
    }

    /// The session that this word of a URL stands for.
    pub(crate) fn of_token(&self, token: &str) -> Option<Arc<Client>> {
        let id = self.by_token.get(token).map(|id| id.clone())?;
        self.get(&id)
    }

    /// The client may ask by HTTP whether something waits.
    pub(crate) fn asks_by_http(&self, id: &SessionId) {
        self.by_token.insert(token(id), id.clone());
    }

    /// The session is over.
    pub(crate) fn remove(&self, client: &Arc<Client>) {
        self.by_id.remove(&client.id);
        self.by_token.remove(&token(&client.id));
        self.by_key.remove_if(&client.key, |_, id| *id == client.id);
        self.detach(client);
    }

    /// A row was committed to the mailbox of its owner; the sessions that it is for.
    pub(crate) fn arrived(&self, mail: StoredMail) -> Vec<Arc<Client>> {
        let mut clients = self.of_user(&mail.mail.owner);
        if let Some(only) = &mail.mail.session {
            clients.retain(|client| client.id == *only);
        }
        let mail = Arc::new(mail);
        for client in &clients {
            client.keep(&mail);
            let row = queue_row(client, &mail);
            client.machine().poll().arrived(row);
        }
        clients
    }

    /// The store has let go of a row.
    pub(crate) fn row_removed(&self, owner: &UserId, row: i64) {
        for client in self.of_user(owner) {
            client.removed(row);
        }
    }

    /// Look at the session again at this moment, or earlier if that was wished before.
    pub(crate) fn watch(&self, client: &Client, at: Moment) {
        let mut alarm = client.alarm.lock().unwrap_or_else(PoisonError::into_inner);
        if alarm.is_some_and(|set| set <= at) {
            return;
        }
        let mut alarms = self.alarms.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(set) = alarm.replace(at) {
            alarms.remove(&(set, client.id.clone()));
        }
        alarms.insert((at, client.id.clone()));
    }

    /// The sessions that are due to be looked at, at most `limit`; no alarm is set for them any more.
    pub(crate) fn due(&self, now: Moment, limit: usize) -> Vec<Arc<Client>> {
        let mut due = Vec::new();
        while due.len() < limit {
            let id = {
                let mut alarms = self.alarms.lock().unwrap_or_else(PoisonError::into_inner);
                if alarms.first().is_none_or(|(at, _)| *at > now) {
                    break;
                }
                alarms.pop_first().map(|(_, id)| id)
            };
            if let Some(client) = id.and_then(|id| self.get(&id)) {
                *client.alarm.lock().unwrap_or_else(PoisonError::into_inner) = None;
                due.push(client);
            }
        }
        due
    }

    /// Every session there is.
    pub(crate) fn all(&self) -> Vec<Arc<Client>> {
        self.by_id.iter().map(|client| Arc::clone(&client)).collect()
    }
}
