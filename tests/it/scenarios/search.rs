//! Searches: in one's own directory, and in that of another provider.

use causeway::cli::laboratory::Writing;
use causeway::cli::phone::Phone;
use causeway::imps::primitive::{
    Contact, CreateListRequest, Property, PublicProfile, SearchPair, SearchRequest, SearchResponse,
    StopSearchRequest, UpdatePublicProfileRequest,
};
use causeway::imps::{Code, Primitive, SearchId, Version};
use causeway::node::Node;
use causeway::wire::Encoding;

use crate::csp::ask;
use crate::world::{PATIENCE, Place, World, manner, modern};

fn search(pairs: &[(&str, &str)]) -> SearchRequest {
    let pair = |(element, string): &(&str, &str)| SearchPair {
        element: (*element).into(),
        string: (*string).into(),
        id: None,
    };
    SearchRequest { pairs: pairs.iter().map(pair).collect(), limit: Some(2), ..SearchRequest::default() }
}

fn more(id: &SearchId, index: u32) -> SearchRequest {
    SearchRequest { id: Some(id.clone()), index: Some(index), limit: Some(2), ..SearchRequest::default() }
}

async fn found(phone: &mut Phone, request: SearchRequest) -> SearchResponse {
    match ask(phone, request).await {
        Primitive::SearchResponse(answer) => answer,
        other => panic!("{other:?}"),
    }
}

fn names(answer: &SearchResponse) -> Vec<&str> {
    answer.users.iter().map(|user| user.user()).collect()
}

/// Five users of a provider, all of Malmö.
async fn inhabitants(place: &Place) {
    for name in ["ann", "ben", "cat", "dan", "eli"] {
        let mut phone = place.phone(name, manner(Version::V1_3, Encoding::Xml)).await;
        let properties = vec![Property::new("PP_CITY", "Malmö"), Property::new("PP_GENDER", "F")];
        let profile = Some(PublicProfile { user: phone.user().clone(), properties });
        let update = UpdatePublicProfileRequest { clear: None, profile };
        assert_eq!(ask(&mut phone, update).await.code(), Code::SUCCESSFUL);
    }
}

async fn providers(world: &World) -> ((Place, Node), (Place, Node)) {
    let place = |domain, peer| {
        let agreement = "services = [\"im\", \"search\"]";
        world.place_with(domain, &Writing { peers: &[peer], agreement, ..Writing::default() })
    };
    let north = place("north.example", "south.example");
    let south = place("south.example", "north.example");
    let (north_node, south_node) = (world.start(&north).await, world.start(&south).await);
    ((north, north_node), (south, south_node))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hits_come_in_parts_until_there_are_no_more() {
    let world = World::new().await;
    let north = world.place("north.example", &[]);
    let node = world.start(&north).await;
    inhabitants(&north).await;
    for (version, encoding) in
        [(Version::V1_1, Encoding::Wbxml), (Version::V1_2, Encoding::Xml), (Version::V1_3, Encoding::Wbxml)]
    {
        let mut ada = north.phone("ada", manner(version, encoding)).await;
        let first = found(&mut ada, search(&[("USER_CITY", "malm"), ("USER_GENDER", "F")])).await;
        assert_eq!((first.findings, first.complete, first.index), (Some(5), false, Some(2)), "{version}");
        assert_eq!(names(&first), ["ann", "ben"]);
        let id = first.id.unwrap();
        assert_eq!(names(&found(&mut ada, more(&id, 3)).await), ["cat", "dan"]);
        let last = found(&mut ada, more(&id, 5)).await;
        assert_eq!((names(&last), last.complete, last.index), (vec!["eli"], true, None));
        assert_eq!(ask(&mut ada, more(&id, 6)).await.code(), Code::INVALID_SEARCH_INDEX);
        // Nobody else goes on with it, and nobody at all once it is stopped
        let mut bo = north.phone("bo", modern()).await;
        assert_eq!(ask(&mut bo, more(&id, 1)).await.code(), Code::INVALID_SEARCH);
        assert_eq!(ask(&mut ada, StopSearchRequest { id: id.clone() }).await.code(), Code::SUCCESSFUL);
        assert_eq!(ask(&mut ada, StopSearchRequest { id: id.clone() }).await.code(), Code::INVALID_SEARCH);
        assert_eq!(ask(&mut ada, more(&id, 3)).await.code(), Code::INVALID_SEARCH);
    }
    node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_expression_and_senseless_searches() {
    let world = World::new().await;
    let north = world.place("north.example", &[]);
    let node = world.start(&north).await;
    inhabitants(&north).await;
    let mut ada = north.phone("ada", manner(Version::V1_3, Encoding::Xml)).await;
    let request = SearchRequest {
        criteria: Some("(1 OR 2) AND NOT 3".into()),
        limit: Some(9),
        ..search(&[("USER_ID", "ann"), ("USER_ID", "ben"), ("USER_CITY", "Lund")])
    };
    let answer = found(&mut ada, request).await;
    assert_eq!((names(&answer), answer.complete, &answer.id), (vec!["ann", "ben"], true, &None));
    let code = async |phone: &mut Phone, pairs: &[(&str, &str)]| ask(phone, search(pairs)).await.code().get();
    assert_eq!(code(&mut ada, &[("USER_SHOE_SIZE", "44")]).await, 402);
    assert_eq!(code(&mut ada, &[("USER_ID", "a"), ("GROUP_ID", "a")]).await, 402);
    let empty = found(&mut ada, search(&[("USER_LAST_NAME", "Nobody")])).await;
    assert_eq!((empty.findings, empty.complete, names(&empty).len()), (Some(0), true, 0));
    node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_online_is_found_by_those_who_may_know() {
    let world = World::new().await;
    let north = world.place("north.example", &[]);
    let node = world.start(&north).await;
    let mut ada = north.phone("ada", modern()).await;
    let mut bo = north.phone("bo", modern()).await;
    north.phone("cy", modern()).await;
    // Bo keeps Ada on a list, and its contacts see whether Bo is there
    let contacts = vec![Contact { user: ada.user().clone(), nickname: None }];
    let list = CreateListRequest { list: "wv:bo/friends".parse().unwrap(), contacts, properties: Vec::new() };
    assert_eq!(ask(&mut bo, list).await.code(), Code::SUCCESSFUL);
    let online = [("USER_ID", "@north.example"), ("USER_ONLINE_STATUS", "T")];
    assert_eq!(names(&found(&mut ada, search(&online)).await), ["ada", "bo"], "Cy says nothing of itself");
    bo.logout().await.unwrap();
    // The end of a session is written without being waited for
    let begin = std::time::Instant::now();
    while names(&found(&mut ada, search(&online)).await) != ["ada"] {
        assert!(begin.elapsed() < PATIENCE, "Bo is gone");
    }
    node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_providers_directory_is_asked_where_an_address_names_it() {
    let world = World::new().await;
    let ((north, north_node), (south, south_node)) = providers(&world).await;
    inhabitants(&south).await;
    let mut ada = north.phone("ada", modern()).await;
    // Without an address the search stays at home
    assert_eq!(found(&mut ada, search(&[("USER_CITY", "Malmö")])).await.findings, Some(0));
    let there = [("USER_ID", "@south.example"), ("USER_CITY", "Malmö")];
    let first = found(&mut ada, search(&there)).await;
    assert_eq!((first.findings, names(&first)), (Some(5), vec!["ann", "ben"]));
    let id = first.id.unwrap();
    let second = found(&mut ada, more(&id, 3)).await;
    assert_eq!((names(&second), second.id.as_ref()), (vec!["cat", "dan"], Some(&id)));
    assert_eq!(ask(&mut ada, more(&id, 9)).await.code(), Code::INVALID_SEARCH_INDEX);
    assert_eq!(ask(&mut ada, StopSearchRequest { id: id.clone() }).await.code(), Code::SUCCESSFUL);
    assert_eq!(ask(&mut ada, more(&id, 3)).await.code(), Code::INVALID_SEARCH);
    // No way leads to some
    let nowhere = search(&[("USER_ID", "bo@nowhere.example")]);
    assert_eq!(ask(&mut ada, nowhere).await.code(), Code::DOMAIN_NOT_SUPPORTED);
    north_node.drain().await;
    south_node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_expression_in_another_providers_directory_is_one_search_for_the_client() {
    let world = World::new().await;
    let ((north, north_node), (south, south_node)) = providers(&world).await;
    inhabitants(&south).await;
    let mut ada = north.phone("ada", manner(Version::V1_3, Encoding::Wbxml)).await;
    let pairs = [
        ("USER_ID", "@south.example"),
        ("USER_CITY", "Malmö"),
        ("USER_ID", "ann@south.example"),
        ("USER_ID", "ben@south.example"),
        ("USER_CITY", "Lund"),
    ];
    let expression = |criteria: &str| SearchRequest { criteria: Some(criteria.into()), ..search(&pairs) };
    // Either, without doubles, and a third one that fits nobody
    let either = found(&mut ada, expression("2 AND (3 OR 4) OR 3 AND NOT 5")).await;
    assert_eq!((names(&either), either.findings, either.complete), (vec!["ann", "ben"], Some(2), true));
    // All but one, in parts, under one id, until it is stopped
    let first = found(&mut ada, expression("1 AND 2 AND NOT 3")).await;
    assert_eq!((first.findings, first.complete, first.index), (Some(4), false, Some(2)));
    assert_eq!(names(&first), ["ben", "cat"]);
    let id = first.id.unwrap();
    let second = found(&mut ada, more(&id, 3)).await;
    assert_eq!((names(&second), second.complete), (vec!["dan", "eli"], true));
    assert_eq!(ask(&mut ada, StopSearchRequest { id: id.clone() }).await.code(), Code::SUCCESSFUL);
    assert_eq!(ask(&mut ada, more(&id, 3)).await.code(), Code::INVALID_SEARCH);
    // A denial alone means everybody else of that directory
    let others = found(&mut ada, expression("NOT (2 AND NOT 3)")).await;
    assert_eq!(names(&others), ["ann"]);
    // What would take more searches than a peer may be asked for is too broad
    let many: Vec<(&str, &str)> = [("USER_ID", "@south.example"); 9].to_vec();
    let criteria = (1..=9).map(|n| n.to_string()).collect::<Vec<_>>().join(" OR ");
    let same = SearchRequest { criteria: Some(criteria.into()), ..search(&many) };
    assert_eq!(found(&mut ada, same).await.findings, Some(5), "nine times the same is one search");
    let letters: Vec<String> = ('a'..='i').map(|letter| format!("{letter}@south.example")).collect();
    let many: Vec<(&str, &str)> = letters.iter().map(|text| ("USER_ID", &**text)).collect();
    let criteria = (1..=9).map(|n| n.to_string()).collect::<Vec<_>>().join(" OR ");
    let broad = SearchRequest { criteria: Some(criteria.into()), ..search(&many) };
    assert_eq!(ask(&mut ada, broad).await.code(), Code::TOO_BROAD_SEARCH);
    north_node.drain().await;
    south_node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_is_asked_only_if_that_is_agreed() {
    let world = World::new().await;
    let ((north, north_node), (south, south_node)) = world.linked("north.example", "south.example").await;
    inhabitants(&south).await;
    let mut ada = north.phone("ada", modern()).await;
    let there = search(&[("USER_ID", "ann@south.example")]);
    assert_eq!(ask(&mut ada, there).await.code(), Code::SERVICE_NOT_AGREED);
    north_node.drain().await;
    south_node.drain().await;
}
