//! Shared content: who asks, whether it may be seen, and the octets, written before the row and removed
//! after it (see [`crate::relay::ports::ContentChange`]). How that looks over HTTP is `net::content`'s.

use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use tokio::sync::Semaphore;
use tracing::{info, warn};

use super::Sap;
use crate::element::content::keep::{self, Refused, Upload, Wish};
use crate::element::content::picture::{self, Fit, Kind, PictureError};
use crate::element::content::see::{self, Facts, Need, Verdict};
use crate::element::content::{ContentId, Item, Quota};
use crate::imps::agreement::Service;
use crate::imps::primitive::Password;
use crate::imps::{Moment, SessionId, UserId};
use crate::relay::ports::{Change, ContentChange, Outcome, StoreError};
use crate::session::csp::{home_user, passwords_match};

/// How long an upload may take from its announcement to its row; after that its octets are litter.
const UPLOAD_LIMIT: Duration = Duration::from_secs(3600);
/// Pictures that are adapted at one time; more wait.
const PICTURES_AT_ONCE: usize = 2;
/// Pieces of litter that are removed in one sweep.
const LITTER_PAGE: usize = 200;

/// How shared content is kept.
#[derive(Clone, Copy, Debug)]
pub struct ContentSettings {
    /// How much a user may keep.
    pub quota: Quota,
    /// How long at most.
    pub retention: Duration,
}

/// What somebody shows to say who they are.
#[derive(Clone, Debug)]
pub enum Proof {
    /// Nothing.
    None,
    /// Address and password.
    Password(UserId, Password),
    /// The id of an open session.
    Session(SessionId),
}

/// Why content is not taken or shown.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ContentError {
    /// Only some may do so, and who asks did not prove to be one of them.
    #[error("who are you?")]
    WhoAreYou,
    /// Not for this user.
    #[error("this is not for you")]
    Forbidden,
    /// The user is barred, or has not subscribed to shared content.
    #[error("you have not subscribed to shared content")]
    NotSubscribed,
    /// There is no such item (any more).
    #[error("there is no such item")]
    Missing,
    /// What was asked cannot be understood or done.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The owner has too much already.
    #[error("the quota is used up")]
    Full,
    /// The picture cannot be made as was asked.
    #[error(transparent)]
    Picture(#[from] PictureError),
    /// The store could not.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// At most so many pictures are adapted at one time.
#[derive(Debug)]
pub(super) struct Easel(Arc<Semaphore>);

impl Default for Easel {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(PICTURES_AT_ONCE)))
    }
}

impl Sap {
    /// Who it is that asks; `None`: nobody said. A proof that is wrong is [`ContentError::WhoAreYou`].
    pub async fn content_asker(&self, proof: Proof) -> Result<Option<UserId>, ContentError> {
        match proof {
            Proof::None => Ok(None),
            Proof::Session(id) => {
                let client = self.clients.get(&id).filter(|client| !client.machine().is_over(self.now()));
                client.map(|client| Some(client.user().clone())).ok_or(ContentError::WhoAreYou)
            }
            Proof::Password(user, password) => {
                let user = home_user(&user, &self.domains()).ok_or(ContentError::WhoAreYou)?;
                let account = self.store.account_now(user).await?.ok_or(ContentError::WhoAreYou)?;
                let kept = self.vault.open(&account).map_err(|error| {
                    warn!(user = %account.user, %error, "the stored password cannot be opened");
                    ContentError::Store(StoreError::Failed(error.to_string()))
                })?;
                if passwords_match(&kept, &password) {
                    Ok(Some(account.user))
                } else {
                    Err(ContentError::WhoAreYou)
                }
            }
        }
    }

    /// Keeps octets of this user.
    pub async fn keep_content(
        &self,
        owner: &UserId,
        wish: &Wish<'_>,
        octets: &[u8],
    ) -> Result<Item, ContentError> {
        let terms = self.terms_of(owner).await?;
        if terms.is_barred() || !terms.has(Service::Content) {
            return Err(ContentError::NotSubscribed);
        }
        let (settings, now) = (self.settings.content, self.now());
        let id = ContentId::fresh(&mut **self.chance());
        let count = u64::try_from(octets.len()).unwrap_or(u64::MAX);
        let digest: [u8; 32] = Sha256::digest(octets).into();
        let upload = Upload { id: id.clone(), owner, octets: count, digest };
        let item = keep::accept(upload, wish, settings.retention, &self.domains(), now)?;
        let begin = ContentChange::Begin { id: id.clone(), until: now.after(UPLOAD_LIMIT) };
        self.store.commit(vec![Change::Content(begin)]).await?;
        self.store.write_octets(id.clone(), Arc::from(octets)).await?;
        let kept = ContentChange::Keep { item: Box::new(item.clone()), quota: settings.quota };
        let outcome = self.store.commit(vec![Change::Content(kept)]).await?.first().copied();
        if outcome == Some(Outcome::Done) {
            info!(%owner, octets = count, content_type = &*item.content_type, "content is kept");
            return Ok(item);
        }
        self.remove_litter(id).await?;
        Err(if outcome == Some(Outcome::Full) { ContentError::Full } else { ContentError::WhoAreYou })
    }

    /// An item that this asker may see.
    pub async fn content(&self, id: &ContentId, asker: Option<&UserId>) -> Result<Item, ContentError> {
        let item = self.store.item(id.clone()).await?.ok_or(ContentError::Missing)?;
        let need = see::need(&item, asker);
        let (mut lists, mut group) = (None, None);
        if need != Need::Nothing {
            lists = self.store.lists(vec![item.owner.clone()]).await?.into_iter().next();
        }
        if let Need::Group(id) = need {
            group = self.store.group(id).await?;
        }
        let facts = Facts { lists: lists.as_deref(), group: group.as_ref().map(|stored| &stored.group) };
        match see::may_see(&item, asker, facts, self.now()) {
            Verdict::Yes => Ok(item),
            Verdict::WhoAreYou => Err(ContentError::WhoAreYou),
            Verdict::No => Err(ContentError::Forbidden),
            Verdict::Gone => Err(ContentError::Missing),
        }
    }

    /// The octets of an item.
    pub async fn content_octets(&self, item: &Item) -> Result<Vec<u8>, ContentError> {
        // The item may be dropped between both looks.
        self.store.read_octets(item.id.clone()).await?.ok_or(ContentError::Missing)
    }

    /// The same, made to fit: media type and octets.
    pub async fn content_made_to_fit(
        &self,
        item: &Item,
        wish: Fit,
    ) -> Result<(Box<str>, Vec<u8>), ContentError> {
        let kind = Kind::of(&item.content_type).ok_or(PictureError::Type)?;
        // Never closed. Whoever waits holds no octets yet.
        let _turn = Arc::clone(&self.easel.0).acquire_owned().await.ok();
        let octets = self.content_octets(item).await?;
        let (kind, octets) = adapted(kind, octets, wish).await?;
        Ok((kind.media_type().into(), octets))
    }

    /// A picture of this kind, made to fit.
    pub(super) async fn picture_made_to_fit(
        &self,
        kind: Kind,
        octets: Vec<u8>,
        wish: Fit,
    ) -> Result<(Kind, Vec<u8>), ContentError> {
        let _turn = Arc::clone(&self.easel.0).acquire_owned().await.ok();
        adapted(kind, octets, wish).await
    }

    /// Everything that a user keeps, oldest first.
    pub async fn contents_of(&self, owner: &UserId) -> Result<Vec<Item>, ContentError> {
        let now = self.now();
        let items = self.store.items_of(owner.clone()).await?;
        Ok(items.into_iter().filter(|item| item.expires > now).collect())
    }

    /// Another name, audience or end for an item of this user.
    pub async fn alter_content(
        &self,
        owner: &UserId,
        id: &ContentId,
        wish: &Wish<'_>,
    ) -> Result<Item, ContentError> {
        let item = self.own_content(owner, id).await?;
        let item = keep::alter(item, wish, self.settings.content.retention, &self.domains(), self.now())?;
        let change = Change::Content(ContentChange::Alter(Box::new(item.clone())));
        match self.store.commit(vec![change]).await?.first() {
            Some(Outcome::Done) => Ok(item),
            _ => Err(ContentError::Missing),
        }
    }

    /// Forgets an item of this user; its octets are gone when this returns.
    pub async fn drop_content(&self, owner: &UserId, id: &ContentId) -> Result<(), ContentError> {
        let item = self.own_content(owner, id).await?;
        self.store.commit(vec![Change::Content(ContentChange::Drop(item.id.clone()))]).await?;
        self.remove_litter(item.id).await?;
        Ok(())
    }

    async fn own_content(&self, owner: &UserId, id: &ContentId) -> Result<Item, ContentError> {
        let item = self.content(id, Some(owner)).await?;
        if item.owner == *owner { Ok(item) } else { Err(ContentError::Forbidden) }
    }

    async fn remove_litter(&self, id: ContentId) -> Result<(), StoreError> {
        self.store.remove_octets(id.clone()).await?;
        self.store.commit(vec![Change::Content(ContentChange::Swept(id))]).await?;
        Ok(())
    }

    /// Ends what has expired, and removes octets that nobody owns.
    pub(super) async fn sweep_content(&self, now: Moment) {
        let expired = self.store.commit(vec![Change::Content(ContentChange::Expire { by: now })]).await;
        let litter = match expired {
            Ok(_) => self.store.litter(now, LITTER_PAGE).await,
            Err(error) => Err(error),
        };
        match litter {
            Ok(litter) => {
                let mut swept = Vec::new();
                for id in litter {
                    match self.store.remove_octets(id.clone()).await {
                        Ok(()) => swept.push(Change::Content(ContentChange::Swept(id))),
                        // Another time, then; what is left of the page does not wait for it.
                        Err(error) => warn!(%id, %error, "octets that nobody owns cannot be removed"),
                    }
                }
                if !swept.is_empty()
                    && let Err(error) = self.store.commit(swept).await
                {
                    warn!(%error, "octets are removed, which cannot be written down");
                }
            }
            Err(error) => warn!(%error, "content that is over cannot be looked up"),
        }
    }
}

/// Adapts a picture beside what else is done.
async fn adapted(kind: Kind, octets: Vec<u8>, wish: Fit) -> Result<(Kind, Vec<u8>), ContentError> {
    let adapting = tokio::task::spawn_blocking(move || {
        let made = picture::fit(&octets, kind, wish)?;
        Ok::<_, PictureError>(made.unwrap_or((kind, octets)))
    });
    let made = adapting.await.map_err(|error| {
        warn!(%error, "a picture could not be adapted");
        PictureError::Broken
    })??;
    Ok(made)
}
