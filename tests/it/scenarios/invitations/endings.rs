//! How invitations end that nobody answers: taken back, or never heard.

use causeway::imps::primitive::{InviteRequest, InviteType};
use causeway::imps::{Code, Primitive, Version};
use causeway::wire::Encoding;

use super::{ALL, answer, answered, cancellation, invitation, invite, invited, party, providers};
use crate::csp::ask;
use crate::world::{World, manner, modern, receive};
use causeway::cli::laboratory::Writing;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invitation_of_every_kind_is_taken_back_in_every_version() {
    let world = World::new().await;
    let ((north, north_node), (south, south_node)) = providers(&world).await;
    let forms =
        [(Version::V1_1, Encoding::Wbxml), (Version::V1_2, Encoding::Xml), (Version::V1_3, Encoding::Wbxml)];
    let mut ada = north.phone("ada", manner(Version::V1_3, Encoding::Wbxml)).await;
    for (number, (version, encoding)) in forms.into_iter().enumerate() {
        let mut bo = south.phone(&format!("bo{number}"), manner(version, encoding)).await;
        let bo_is = bo.user().as_str().to_owned();
        for kind in InviteType::ALL {
            let id = format!("{}{number}", kind.as_str());
            let request = InviteRequest {
                kind: *kind,
                group: Some("wv:/sailing@north.example".parse().unwrap()),
                urls: vec!["https://north.example/content/1".into()],
                application: Some("chess".into()),
                ..invitation(&id, &[&bo_is])
            };
            assert_eq!(invite(&mut ada, request).await.code(), Code::SUCCESSFUL, "{kind:?}");
            // Bo is asked to what its version knows
            let asked = invited(&mut bo).await;
            let known = match (kind, version) {
                (InviteType::Membership, Version::V1_1)
                | (
                    InviteType::ExtendConversation | InviteType::ExtendGroup | InviteType::Application,
                    Version::V1_1 | Version::V1_2,
                ) => InviteType::Group,
                (kind, _) => *kind,
            };
            assert_eq!((asked.id.as_str(), asked.kind), (&*id, known));
            // Ada takes it back, from Bo or from everybody; Bo hears it and can no longer answer
            let whom: &[&str] = if number == 0 { &[] } else { &[&bo_is] };
            let cancel = cancellation(&id, whom);
            assert_eq!(ask(&mut ada, Box::new(cancel.clone())).await.code(), Code::SUCCESSFUL, "{kind:?}");
            let Primitive::CancelInviteUserRequest(told) = receive(&mut bo).await else { panic!("{kind:?}") };
            assert_eq!((told.id.as_str(), told.note.as_deref()), (&*id, Some("another time")));
            assert_eq!(ask(&mut bo, answer(&id, true)).await.code(), Code::INVALID_INVITATION);
            assert_eq!(ask(&mut ada, Box::new(cancel)).await.code(), Code::INVALID_INVITATION, "only once");
        }
    }
    north_node.drain().await;
    south_node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_inviter_hears_that_nobody_heard_the_invitation() {
    // Given a provider whose peer is down, and a user here who is not logged in
    let world = World::new().await;
    let place = |domain, peer| {
        world.place_with(domain, &Writing { peers: &[peer], agreement: ALL, ..Writing::default() })
    };
    let north = place("north.deaf.example", "south.deaf.example");
    let _south = place("south.deaf.example", "north.deaf.example");
    let node = world.start(&north).await;
    let mut ada = north.phone("ada", manner(Version::V1_1, Encoding::Wbxml)).await;
    let mut cy = north.phone("cy", modern()).await;
    cy.logout().await.unwrap();
    for to in ["wv:bo@south.deaf.example", "wv:cy@north.deaf.example"] {
        // When the inviter is told that the invitation is on its way, and its time passes
        let request = InviteRequest { validity: Some(1), ..invitation("i1", &[to]) };
        assert!(invite(&mut ada, request).await.code().is_success());
        // Then the inviter hears that nobody heard it
        let heard = answered(&mut ada).await;
        assert_eq!((heard.id.as_str(), heard.acceptance), ("i1", false));
        assert_eq!(heard.responder, Some(party(to)));
        assert!(
            heard.note.as_deref().is_some_and(|note| note.starts_with("not delivered: 542")),
            "{heard:?}"
        );
    }
    node.drain().await;
}
