//! What an element wants others to be told.
//!
//! A service element decides without knowing where people are. It names them, and what they shall be
//! told; the Service Access Point puts a row into the mailbox of each that is ours and one request for all
//! the others of a domain on its way, in the commit of the change that the element decided, and lets them
//! leave after it.

use std::sync::Arc;

use crate::imps::primitive::User;
use crate::imps::{Code, Domain, MessageId, Moment, Primitive, SessionId, TransactionId, UserId, Version};
use crate::wire::{Encoding, csp};

use super::im::{Mail, MailKind};

/// Seconds that notices of presence and of groups are worth telling (reference ssp-behaviour §5).
pub const NOTICE_SECONDS: u32 = 120;

/// Who acts: a user of ours with one of its clients, or a user of a peer for whom that peer vouches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// Its complete address and its client.
    pub user: User,
    /// The session of a client of ours.
    pub session: Option<SessionId>,
}

impl Actor {
    /// Its complete address.
    pub const fn id(&self) -> &UserId {
        &self.user.id
    }
}

/// Which of a user's clients are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Whichever takes it first; it waits while nobody is logged in.
    Account,
    /// Each that is logged in now; nobody later.
    EverySession,
    /// These sessions alone; they end with it.
    Sessions(Vec<SessionId>),
}

/// Something that users shall be told. Nobody waits for what they say to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Notify {
    /// Whom, with complete addresses, each once; of a peer's users the client too, where it matters.
    pub to: Vec<User>,
    /// Which clients of those that are ours.
    pub reach: Reach,
    /// What. To users of a peer with `users` set by [`Primitive::addressed_to`].
    pub primitive: Primitive,
    /// Our domain that speaks: the service of MetaInfo.
    pub own: Domain,
    /// In whose name. `legacy` peers need a name (reference ssp-behaviour §10).
    pub by: Option<User>,
    /// How long it is worth telling.
    pub seconds: u32,
    /// A newer one with the same text takes its place with whoever has not heard it yet.
    pub replaces: Option<Box<str>>,
    /// Leaves with mode Response inside this transaction of the peer; only for `legacy` peers.
    pub reply_to: Option<TransactionId>,
}

impl Notify {
    /// A notice of presence or of a group from `own` to the clients that are logged in.
    pub fn new(own: Domain, to: Vec<User>, primitive: impl Into<Primitive>) -> Self {
        Self {
            to,
            reach: Reach::EverySession,
            primitive: primitive.into(),
            own,
            by: None,
            seconds: NOTICE_SECONDS,
            replaces: None,
            reply_to: None,
        }
    }

    /// When it is no longer worth telling.
    pub fn expires(&self, now: Moment) -> Moment {
        now.after(std::time::Duration::from_secs(self.seconds.into()))
    }

    /// The primitive as the body of mailbox rows. 500: CSP has no such primitive.
    pub fn body(&self) -> Result<Arc<[u8]>, Code> {
        csp::encode_primitive(&self.primitive, Version::V1_3, Encoding::Wbxml)
            .map(Arc::from)
            .map_err(|_| Code::INTERNAL_ERROR)
    }

    /// A row for one user of ours, for one of its sessions or for all.
    pub fn mail(
        &self,
        owner: UserId,
        session: Option<SessionId>,
        body: Arc<[u8]>,
        now: Moment,
    ) -> Result<Mail, Code> {
        let name: MessageId = self.primitive.name().parse().map_err(|_| Code::INTERNAL_ERROR)?;
        Ok(Mail {
            owner,
            kind: MailKind::Notice,
            message_id: name,
            sender: self.by.as_ref().map_or(self.own.as_str(), |by| by.id.as_str()).into(),
            origin: self.own.clone(),
            accepted: now,
            expires: self.expires(now),
            report_wanted: false,
            reply_to: None,
            content_type: "".into(),
            content_octets: 0,
            session,
            replaces: self.replaces.clone(),
            body,
        })
    }
}
