//! Elements of one provider's users, run by another: that of presence, here; of messages and of groups below.

mod group;
mod im;

use causeway::cli::laboratory::Writing;
use causeway::cli::phone::{Manner, Phone};
use causeway::imps::presence::AttributeName;
use causeway::imps::primitive::{
    CancelAuthRequest, Contact, CreateListRequest, GetWatcherListRequest, ListManageRequest,
    PresenceAuthUser, Property, Recipient,
};
use causeway::imps::{Code, Primitive};
use causeway::node::Node;

use super::presence::{
    SEEN, code, hears, id, look, notified, open_to_all, publish, shown, subscribe, unsubscribe,
};
use crate::csp::{ask, message};
use crate::world::{PASSWORD, Place, World, modern, receive, text};

const ADA: &str = "wv:ada@north.example";

fn place(world: &World, domain: &str, peers: &[(&str, &str)]) -> Place {
    let place = world.place_with(domain, &Writing::default());
    let entry = |(peer, lines): &(&str, &str)| {
        format!("[[peer]]\ndomain = \"{peer}\"\nservices = [\"im\", \"presence\", \"group\"]\n{lines}\n")
    };
    let text: String = peers.iter().map(entry).collect();
    std::fs::write(place.provider.folder.join("peers.toml"), text).unwrap();
    place
}

/// North, of which south runs an element, and east, which knows north alone.
fn places(world: &World, service: &str) -> [Place; 3] {
    let hosts = format!("hosts = [\"{service}\"]");
    let south = place(world, "south.example", &[("north.example", &hosts)]);
    let delegates = format!("delegates = [\"{service}\"]");
    let north = place(world, "north.example", &[("south.example", &delegates), ("east.example", "")]);
    let east = place(world, "east.example", &[("north.example", "")]);
    [north, south, east]
}

/// The same, running.
async fn three(world: &World, service: &str) -> ([Place; 3], [Node; 3]) {
    let [north, south, east] = places(world, service);
    let nodes = [world.start(&north).await, world.start(&south).await, world.start(&east).await];
    ([north, south, east], nodes)
}

async fn drain(nodes: [Node; 3]) {
    for node in nodes {
        node.drain().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn contact_lists_are_kept_by_the_provider_that_runs_the_element() {
    let world = World::new().await;
    let ([north, south, _], [north_node, south_node, east_node]) = three(&world, "presence").await;
    let mut ada = north.phone("ada", modern()).await;
    let mut cy = north.phone("cy", modern()).await;
    let mut bo = south.phone("bo", modern()).await;
    // When ada makes a list
    let list: causeway::imps::ContactListId = "wv:ada/crew".parse().unwrap();
    let contacts = ["wv:cy", "wv:bo@south.example"]
        .map(|user| Contact { user: user.parse().unwrap(), nickname: None })
        .to_vec();
    let properties = vec![Property::new("DisplayName", "The crew")];
    let made = ask(&mut ada, CreateListRequest { list: list.clone(), contacts, properties }).await;
    assert_eq!(code(&made), 200, "{made:?}");
    // Then it is there for every client, and has been there when both providers start again
    north_node.drain().await;
    south_node.drain().await;
    let north_node = world.start(&north).await;
    let south_node = world.start(&south).await;
    let Primitive::GetListResponse(lists) = ask(&mut ada, Primitive::GetListRequest).await else { panic!() };
    let default = lists.default.map(|it| it.to_string());
    assert_eq!(default.as_deref(), Some("wv:ada/crew@north.example"));
    let read = ListManageRequest {
        list: list.clone(),
        add: Vec::new(),
        remove: Vec::new(),
        properties: Vec::new(),
        receive: Some(true),
        authorize_and_grant: None,
    };
    let Primitive::ListManageResponse(read) = ask(&mut ada, read).await else { panic!() };
    let names: Vec<_> = read.contacts.unwrap().contacts.iter().map(|it| it.user.to_string()).collect();
    assert_eq!(names, ["wv:cy@north.example", "wv:bo@south.example"]);
    // And messages to it reach whoever is on it
    let mut request = message(&ada, &[], "all hands");
    request.info.recipients = vec![Recipient::ContactList(list)];
    let sent = ada.send_message(request).await.unwrap();
    assert_eq!(sent.result.code, Code::SUCCESSFUL);
    assert_eq!(text(&receive(&mut cy).await), "all hands");
    assert_eq!(text(&receive(&mut bo).await), "all hands");
    // But nobody has a way into south with the address of a user of north
    let manner = Manner { digest: false, ..modern() };
    let mut forged = Phone::new(south.csp, id(ADA), "test-phone", manner);
    assert!(forged.login(PASSWORD).await.is_err());
    drain([north_node, south_node, east_node]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn watchers_at_home_at_the_element_and_elsewhere_hear_what_a_user_publishes() {
    let world = World::new().await;
    let ([north, south, east], nodes) = three(&world, "presence").await;
    let mut ada = north.phone("ada", modern()).await;
    open_to_all(&mut ada, SEEN).await;
    publish(&mut ada, "casting off").await;
    // Given watchers of three providers
    let mut cy = north.phone("cy", modern()).await;
    let mut bo = south.phone("bo", modern()).await;
    let mut eve = east.phone("eve", modern()).await;
    for watcher in [&mut cy, &mut bo, &mut eve] {
        let status = subscribe(watcher, &[ADA]).await;
        assert_eq!(status.code, Code::SUCCESSFUL, "{} {status:?}", watcher.user());
        let presence = hears(watcher, "casting off").await;
        assert_eq!(presence.user, id(ADA));
        assert_eq!(shown(&presence, AttributeName::OnlineStatus).as_deref(), Some("T"));
    }
    // Who is unknown at home is unknown
    let status = subscribe(&mut eve, &["wv:nobody@north.example"]).await;
    assert_eq!(status.code, Code::UNKNOWN_USER);
    // When the user says something else
    publish(&mut ada, "at sea").await;
    // Then each of them hears it, and who looks sees it
    for watcher in [&mut cy, &mut bo, &mut eve] {
        hears(watcher, "at sea").await;
        let seen = look(watcher, &[ADA], None).await;
        let text = shown(&seen.presences[0], AttributeName::StatusText);
        assert_eq!(text.as_deref(), Some("at sea"), "{}", watcher.user());
    }
    // And the user learns who they are
    let Primitive::GetWatcherListResponse(list) =
        ask(&mut ada, GetWatcherListRequest { history_period: None, limit: None }).await
    else {
        panic!()
    };
    let mut watchers: Vec<_> = list.watchers.iter().map(|it| it.user.id.to_string()).collect();
    watchers.sort();
    assert_eq!(watchers, ["wv:bo@south.example", "wv:cy@north.example", "wv:eve@east.example"]);
    // When one watches no more and the user goes, the others hear that it is gone
    assert_eq!(unsubscribe(&mut bo, ADA).await, 200);
    ada.logout().await.unwrap();
    for watcher in [&mut cy, &mut eve] {
        let presence = notified(watcher).await;
        assert_eq!(shown(&presence, AttributeName::OnlineStatus).as_deref(), Some("F"));
    }
    assert_eq!(bo.take().await.unwrap(), None);
    drain(nodes).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_is_asked_by_the_element_and_its_word_counts_there() {
    let world = World::new().await;
    let ([north, _, east], nodes) = three(&world, "presence").await;
    let mut ada = north.phone("ada", modern()).await;
    let mut eve = east.phone("eve", modern()).await;
    publish(&mut ada, "shy").await;
    // When somebody watches of whom nothing is said
    assert_eq!(subscribe(&mut eve, &[ADA]).await.code, Code::SUCCESSFUL);
    // Then the user is asked, and says yes
    let Primitive::PresenceAuthRequest(question) = receive(&mut ada).await else { panic!() };
    assert_eq!(question.user, id("wv:eve@east.example"));
    let yes = PresenceAuthUser { user: question.user.clone(), acceptance: true, attributes: None };
    assert_eq!(code(&ask(&mut ada, yes).await), 200);
    hears(&mut eve, "shy").await;
    // What has no form between providers is refused
    assert_eq!(code(&ask(&mut ada, CancelAuthRequest { user: question.user }).await), 506);
    // And what is not delegated is served at home
    assert_eq!(code(&ask(&mut ada, Primitive::GetBlockedListRequest).await), 200);
    drain(nodes).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_runs_no_element_for_others_is_not_asked_to() {
    let world = World::new().await;
    let south = place(&world, "south.example", &[("north.example", "")]);
    let north = place(&world, "north.example", &[("south.example", "delegates = [\"presence\"]")]);
    let (north_node, south_node) = (world.start(&north).await, world.start(&south).await);
    let mut ada = north.phone("ada", modern()).await;
    // It says so when it is asked, or offers no such thing
    assert_eq!(code(&ask(&mut ada, Primitive::GetListRequest).await), 506);
    north_node.drain().await;
    south_node.drain().await;
}
