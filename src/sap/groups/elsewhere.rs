//! Groups of ours that another provider runs (reference ssp-primitives §6): whoever asks for one of them asks us,
//! and the element decides.

use super::super::questions::{Question, Reply};
use super::super::{Map, Sap};
use super::plausible;
use crate::imps::agreement::Service;
use crate::imps::primitive::{Recipient, User};
use crate::imps::{Code, Domain, Primitive, Status};
use crate::relay::admit::group_of;
use crate::relay::ports::StoreError;
use crate::relay::split::{Remote, Split};

impl Sap {
    /// A user of another provider asks for a group of ours: the element is asked in its name.
    pub(super) async fn group_handed_on(
        &self,
        own: &Domain,
        element: Domain,
        user: User,
        request: Primitive,
    ) -> Result<Primitive, StoreError> {
        let Some(group) = group_of(&request).cloned() else {
            return Ok(Status::new(Code::BAD_REQUEST).into());
        };
        let question = Question {
            own: own.clone(),
            peer: element,
            order: format!("{} {}", user.id.key(), group.key()).into(),
            by: Some(user),
            client_originated: true,
            primitive: request.clone(),
            kept: None,
        };
        let reply = self.ask_within_look(question).await?;
        Ok(match reply {
            Reply::Answer(answer) => plausible(&request, *answer, &group),
            other => Status::new(other.code()).into(),
        })
    }
}

/// What is said in groups goes where they are run: those of ours to their element, those of others that are run
/// here nowhere else.
pub(in super::super) fn to_elements(map: &Map, split: &mut Split) {
    if let Some(element) = map.directory.element_of(Service::Group) {
        for recipient in std::mem::take(&mut split.groups) {
            match recipient.domain_str().and_then(|domain| map.directory.own_domain(domain)).cloned() {
                Some(domain) => hand_on(&mut split.remote, element, domain, recipient),
                None => split.groups.push(recipient),
            }
        }
    }
    for remote in &mut split.remote {
        if map.directory.hosts(remote.domain.as_str(), Service::Group) {
            let (here, there) = std::mem::take(&mut remote.recipients)
                .into_iter()
                .partition(|recipient| matches!(recipient, Recipient::Group(_) | Recipient::ScreenName(_)));
            remote.recipients = there;
            split.groups.extend::<Vec<Recipient>>(here);
        }
    }
    split.remote.retain(|remote| !remote.recipients.is_empty());
}

fn hand_on(remotes: &mut Vec<Remote>, element: &Domain, domain: Domain, recipient: Recipient) {
    match remotes.iter_mut().find(|known| known.domain == domain && known.peer == *element) {
        Some(known) => known.recipients.push(recipient),
        None => remotes.push(Remote { peer: element.clone(), domain, recipients: vec![recipient] }),
    }
}
