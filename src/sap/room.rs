//! Content and the clients it is for: what none of them can take is refused, and a picture that is too large for
//! the client that fetches it is made smaller (reference csp-messages, *Size*; csp.md §5.1).

use std::sync::Arc;

use tracing::debug;

use super::Sap;
use super::clients::Client;
use super::content::ContentError;
use crate::element::content::picture::{Fit, Kind};
use crate::element::im::send::Prepared;
use crate::imps::{Code, Content, Primitive, Status, UserId};

impl Sap {
    /// Whether no client that the user has logged in could be handed the content of a message: neither pushed
    /// nor fetched nor, if it is a picture, made smaller. Nobody logged in: it may be taken later.
    pub(super) fn nobody_takes(&self, user: &UserId, message: &Prepared) -> bool {
        let Some((content_type, octets)) = message.carries() else { return false };
        let clients = self.clients.of_user(user);
        let picture = content_type.filter(|content_type| Kind::of(content_type).is_some());
        !clients.is_empty()
            && clients.iter().all(|client| {
                let machine = client.machine();
                match picture {
                    Some(picture) => machine.abilities().rejects(picture, octets),
                    None => machine.abilities().never_takes(content_type, octets),
                }
            })
    }

    /// A message as the client that fetches it can take it. A picture that is too large becomes a smaller one, and
    /// one of a type that the client does not show becomes one that it does; 432: nothing can be done, and the
    /// message stays for another client, or to be rejected or forwarded.
    pub(super) async fn made_to_fit(&self, client: &Arc<Client>, answer: Primitive) -> Primitive {
        let Primitive::GetMessageResponse(mut got) = answer else { return answer };
        let Some(content) = got.content.take() else { return Primitive::GetMessageResponse(got) };
        let octets = u64::try_from(content.octets().len()).unwrap_or(u64::MAX);
        let content_type = got.info.content_type.clone();
        let kind = content_type.as_deref().and_then(Kind::of);
        let (fits, enough, wish) = {
            let machine = client.machine();
            let abilities = machine.abilities();
            let limit = match (&content_type, kind) {
                (Some(content_type), Some(_)) => abilities.picture_octets_max(content_type),
                _ => abilities.fetch_octets_max(),
            };
            let shown = |kind: Kind| abilities.accepts(Some(kind.media_type()));
            let other = || [Kind::Jpeg, Kind::Png, Kind::Gif].into_iter().find(|kind| shown(*kind));
            let into = kind.filter(|kind| !shown(*kind)).and_then(|_| other());
            let enough = abilities.fetch_octets_max().is_none_or(|limit| octets <= limit);
            let wish = Fit {
                octets: limit.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX)),
                kind: into,
                ..Fit::default()
            };
            (limit.is_none_or(|limit| octets <= limit) && into.is_none(), enough, wish)
        };
        if fits {
            got.content = Some(content);
            return Primitive::GetMessageResponse(got);
        }
        let Some(kind) = kind else { return Status::new(Code::RESPONSE_TOO_LARGE).into() };
        match self.picture_made_to_fit(kind, content.octets().to_vec(), wish).await {
            Ok((kind, octets)) => {
                got.info.content_type = Some(kind.media_type().into());
                got.info.content_size = Some(u64::try_from(octets.len()).unwrap_or(u64::MAX));
                got.content = Some(Content::new(octets));
                Primitive::GetMessageResponse(got)
            }
            // It asked for it, and could have it by its limit.
            Err(why @ ContentError::Picture(_)) if enough => {
                debug!(user = %client.user(), %why, "a picture is handed over as it is");
                got.content = Some(content);
                Primitive::GetMessageResponse(got)
            }
            Err(why) => {
                debug!(user = %client.user(), %why, "a picture cannot be made to fit");
                Status::new(Code::RESPONSE_TOO_LARGE).into()
            }
        }
    }
}
