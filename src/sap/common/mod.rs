//! The common features, from the door to the answer: invitations, searches, identities, public profiles,
//! and what servers tell each other about themselves.

mod invite;
mod parts;
mod profile;
mod search;
mod system;

pub use system::{AnnounceError, Announced};

use std::sync::Arc;

use tracing::debug;

use super::clients::Client;
use super::questions::Question;
use super::services::PeerAsks;
use super::{Sap, store_code};
use crate::element::common::offer;
use crate::element::common::search::kept::Searches;
use crate::imps::primitive::{
    Functions, GetServiceResponse, GetSpInfoResponse, LinkServiceResponse, User, VersionDiscoveryRequest,
    VersionDiscoveryResponse, VersionList,
};
use crate::imps::{Code, Domain, Primitive, Status, Version};
use crate::relay::ports::StoreError;
use crate::wire::csp::{Namespace, namespace};

impl Sap {
    /// A client's request of the common features; `None`: it is none.
    pub(super) async fn common_from_client(&self, client: &Arc<Client>, primitive: Primitive) -> Primitive {
        let answer = match primitive {
            Primitive::InviteRequest(request) => self.invite(client, *request).await,
            Primitive::InviteUserResponse(answer) => self.answer_invitation(client, answer).await,
            Primitive::CancelInviteRequest(request) => self.cancel_invitation(client, *request).await,
            Primitive::SearchRequest(request) => self.search(client, request).await,
            Primitive::StopSearchRequest(request) => Ok(self.stop_search(client, &request).await),
            Primitive::VerifyIdRequest(request) => self.verify(client, request).await,
            Primitive::GetPublicProfileRequest(request) => self.profiles(client, request).await,
            Primitive::UpdatePublicProfileRequest(request) => self.update_profile(client, request).await,
            Primitive::SystemMessageUser(request) => self.answer_announcements(client, request).await,
            other => {
                debug!(user = %client.user(), primitive = other.name(), "no common feature");
                Ok(Status::new(Code::NOT_IMPLEMENTED).into())
            }
        };
        answer.unwrap_or_else(|error| Status::new(store_code(&error)).into())
    }

    /// A peer's request of the common features.
    pub(super) async fn common_from_peer(
        &self,
        asks: PeerAsks<'_>,
        primitive: Primitive,
    ) -> Result<Primitive, StoreError> {
        match primitive {
            Primitive::InviteRequest(request) => self.invited(asks, *request).await,
            Primitive::InviteResponse(response) => self.invitation_answered(&asks, response).await,
            Primitive::CancelInviteRequest(request) => self.invitation_cancelled(asks, *request).await,
            Primitive::SearchRequest(request) => self.search_by_peer(&asks, request).await,
            Primitive::StopSearchRequest(request) => Ok(self.stop_search_of_peer(&asks, &request)),
            Primitive::VerifyIdRequest(request) => self.verify_for_peer(asks, request).await,
            Primitive::GetPublicProfileRequest(request) => self.profiles_for_peer(asks, request).await,
            Primitive::GetSpInfoRequest(_) => {
                Ok(GetSpInfoResponse { name: asks.own.as_str().into(), ..GetSpInfoResponse::default() }
                    .into())
            }
            Primitive::GetServiceRequest => {
                let functions = Some(self.offer_to(&asks.agreement.domain));
                Ok(GetServiceResponse { result: Status::ok(), functions }.into())
            }
            Primitive::LinkServiceRequest(request) => {
                let functions = self.offer_to(&asks.agreement.domain).within(&request.functions);
                self.granted(&asks.agreement.domain, &functions);
                Ok(LinkServiceResponse { result: Status::ok(), functions: Some(functions) }.into())
            }
            other => {
                debug!(peer = %asks.agreement.domain, primitive = other.name(), "no common feature");
                Ok(Status::new(Code::NOT_IMPLEMENTED).into())
            }
        }
    }

    /// What this peer is offered under its agreement, whatever it wanted of it before.
    fn offer_to(&self, peer: &Domain) -> Functions {
        let map = self.map();
        map.directory.agreement(peer.as_str()).map_or_else(Functions::default, |agreed| offer::offer(agreed))
    }

    fn searches(&self) -> std::sync::MutexGuard<'_, Searches> {
        self.searches.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// Which primitives [`Sap::common_from_client`] and [`Sap::common_from_peer`] carry out.
pub(super) const fn is_common(primitive: &Primitive) -> bool {
    matches!(
        primitive,
        Primitive::InviteRequest(_)
            | Primitive::InviteUserResponse(_)
            | Primitive::InviteResponse(_)
            | Primitive::CancelInviteRequest(_)
            | Primitive::SearchRequest(_)
            | Primitive::StopSearchRequest(_)
            | Primitive::VerifyIdRequest(_)
            | Primitive::GetPublicProfileRequest(_)
            | Primitive::UpdatePublicProfileRequest(_)
            | Primitive::SystemMessageUser(_)
            | Primitive::GetSpInfoRequest(_)
            | Primitive::GetServiceRequest
            | Primitive::LinkServiceRequest(_)
    )
}

/// A question that is not worth asking late.
fn query(own: &Domain, peer: Domain, by: &User, primitive: impl Into<Primitive>) -> Question {
    Question {
        own: own.clone(),
        peer,
        by: Some(by.clone()),
        client_originated: true,
        primitive: primitive.into(),
        kept: None,
        order: by.id.as_str().into(),
    }
}

/// The highest version that both sides speak; those of ours if there is none, or the client names none
/// (reference csp.md §10).
pub(super) fn discover(request: &VersionDiscoveryRequest) -> VersionDiscoveryResponse {
    let wanted = request.versions.as_ref().filter(|wanted| !wanted.session.is_empty());
    let spoken = |version: &&Version| {
        wanted.is_some_and(|wanted| {
            wanted.session.iter().any(|name| name.trim() == namespace(**version, Namespace::Session))
        })
    };
    let chosen: Vec<Version> = match Version::ALL.iter().rev().find(spoken) {
        Some(version) => vec![*version],
        None => Version::ALL.iter().rev().copied().collect(),
    };
    let names = |which| chosen.iter().map(|version| namespace(*version, which).into()).collect();
    let versions = VersionList {
        session: names(Namespace::Session),
        transaction: names(Namespace::Transaction),
        presence: names(Namespace::Presence),
    };
    VersionDiscoveryResponse { versions, other_servers: Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(names: &[&str]) -> Vec<String> {
        let session = names.iter().map(|name| (*name).into()).collect();
        let versions = Some(VersionList { session, ..VersionList::default() });
        let answer = discover(&VersionDiscoveryRequest { versions });
        answer.versions.session.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_highest_version_in_common_is_chosen() {
        let (old, new) =
            ("http://www.wireless-village.org/CSP1.1", "http://www.openmobilealliance.org/DTD/WV-CSP1.2");
        assert_eq!(chosen(&[old, new, "http://www.openmobilealliance.org/DTD/IMPS-CSP1.4"]), [new]);
        assert_eq!(
            chosen(&["urn:other"]).len(),
            Version::ALL.len(),
            "what there is, if nothing is in common"
        );
        assert_eq!(discover(&VersionDiscoveryRequest::default()).versions.presence.len(), Version::ALL.len());
    }
}
