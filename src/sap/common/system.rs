//! The provider speaks to its users, and hears what they answer.

use std::sync::Arc;

use tracing::{info, warn};

use super::super::Sap;
use super::super::clients::Client;
use crate::element::common::system::{self, Announcement, AnnouncementError, Asked};
use crate::imps::primitive::{SystemMessageResponse, SystemMessageUser};
use crate::imps::{Code, Primitive, Status, UserId, Version};
use crate::relay::ports::{Change, CommonChange, Outcome, StoreError};

/// Why nobody was told.
#[derive(Debug, thiserror::Error)]
pub enum AnnounceError {
    /// The announcement makes no sense.
    #[error(transparent)]
    Senseless(#[from] AnnouncementError),
    /// The store failed; those who were told before it did are told.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Who was told something.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Announced {
    /// How many users.
    pub told: usize,
    /// Those without an account here, or who have too many announcements already.
    pub left_out: Vec<UserId>,
}

impl Sap {
    /// Tells users of ours something, or everybody (`None`). Who is logged in hears it at once, the others at
    /// their next login; with the same id it takes the place of what was told before.
    pub async fn announce(
        &self,
        to: Option<Vec<UserId>>,
        announcement: &Announcement,
    ) -> Result<Announced, AnnounceError> {
        system::check(announcement)?;
        let to = match to {
            Some(to) => to,
            None => self.store.all_accounts().await?.into_iter().map(|account| account.user).collect(),
        };
        let until = self.now().after(std::time::Duration::from_secs(announcement.seconds.into()));
        let mut announced = Announced::default();
        for user in &to {
            let asked = Asked {
                user: user.clone(),
                message: announcement.message.clone(),
                key: announcement.key.clone(),
                until,
                answered: None,
                chosen: None,
            };
            let notice = user.domain().map(|own| system::told(&asked, own, announcement.seconds));
            let announce = Change::Common(CommonChange::Announce(Box::new(asked)));
            let outcomes = self.commit_and_tell(vec![announce], notice.into_iter().collect()).await?;
            if outcomes.first() == Some(&Outcome::Done) {
                announced.told += 1;
            } else {
                announced.left_out.push(user.clone());
            }
        }
        info!(id = %announcement.message.id, told = announced.told, "a system message");
        Ok(announced)
    }

    /// What users answered to an announcement, ordered by address, after `after`, at most `limit`.
    pub async fn announced_to(
        &self,
        id: &str,
        after: Option<UserId>,
        limit: usize,
    ) -> Result<Vec<Asked>, StoreError> {
        self.store.announced_to(id.into(), after, limit).await
    }

    /// A client answers announcements. One outcome for all: the first that is no success.
    pub(super) async fn answer_announcements(
        &self,
        client: &Arc<Client>,
        request: SystemMessageUser,
    ) -> Result<Primitive, StoreError> {
        Ok(Status::new(self.take_answers(client, request.responses).await?).into())
    }

    /// What a client answers in its login. Nothing in the answer to a login says what became of it: what is
    /// not answered is asked again.
    pub(in super::super) async fn answered_at_login(
        &self,
        client: &Arc<Client>,
        responses: &[SystemMessageResponse],
    ) {
        if responses.is_empty() {
            return;
        }
        match self.take_answers(client, responses.to_vec()).await {
            Ok(code) if code.is_success() => {}
            Ok(code) => info!(user = %client.user(), %code, "a system message is not answered at login"),
            Err(error) => warn!(user = %client.user(), %error, "answers to system messages cannot be kept"),
        }
    }

    /// The first outcome that is no success, or success.
    async fn take_answers(
        &self,
        client: &Arc<Client>,
        responses: Vec<SystemMessageResponse>,
    ) -> Result<Code, StoreError> {
        let user = client.user();
        let mut result = Code::SUCCESSFUL;
        for response in responses.into_iter().take(system::ASKED_MAX) {
            let asked = self.store.announced(user.clone(), response.id.clone()).await?;
            let now = self.now();
            let code = match system::answer(asked.as_ref(), &response, now) {
                Err(code) => code,
                Ok(chosen) => {
                    let change =
                        CommonChange::AnswerAnnouncement { user: user.clone(), id: response.id, chosen, now };
                    match self.store.commit(vec![Change::Common(change)]).await?.first() {
                        Some(Outcome::Done) => Code::SUCCESSFUL,
                        // Another client of the user was quicker.
                        _ => Code::INVALID_MESSAGE_ID,
                    }
                }
            };
            if result.is_success() {
                result = code;
            }
        }
        Ok(result)
    }

    /// Who logs in is told again what it has to answer and has not.
    pub(in super::super) async fn ask_again(&self, client: &Arc<Client>) {
        if client.machine().record().version < Version::V1_3 {
            return;
        }
        let now = self.now();
        let open = match self.store.unanswered(client.user().clone(), now).await {
            Ok(open) => open,
            Err(error) => return warn!(user = %client.user(), %error, "system messages cannot be read"),
        };
        let told = open.iter().filter_map(|asked| {
            let seconds = u32::try_from(asked.until.since(now).as_secs()).unwrap_or(u32::MAX).max(1);
            Some(system::told(asked, asked.user.domain()?, seconds))
        });
        if let Err(error) = self.commit_and_tell(Vec::new(), told.collect()).await {
            warn!(user = %client.user(), %error, "system messages cannot be told again");
        }
    }
}
