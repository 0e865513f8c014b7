//! Groups and agreements that are closed: nobody takes itself for a member who hears nothing any more.

use super::*;

/// Writes the only entry anew, with this line, and has the node read it.
async fn agree((place, node): &(Place, Node), peer: &str, line: &str) {
    let entry = format!("[[peer]]\ndomain = \"{peer}\"\nservices = [\"im\", \"group\"]\n{line}\n");
    std::fs::write(place.provider.folder.join("peers.toml"), entry).unwrap();
    let since = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
    assert!(node.reload(causeway::imps::DateTime::from_unix(i64::try_from(since).unwrap())).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_whom_the_last_words_did_not_reach_are_out_and_hear_it_when_the_agreement_is_back() {
    let world = World::new().await;
    let (north, south) = linked(&world, "north.shut.example", "south.shut.example").await;
    let mut ada = north.0.phone("ada", modern()).await;
    let mut bo = south.0.phone("bo", modern()).await;
    let club = group("wv:/club@north.shut.example");
    create(&mut ada, &club, "Ada", &[]).await;
    join(&mut bo, &club, "Bo").await;
    assert_eq!(notice(&mut ada).await.moves.joined[0].name.as_deref(), Some("Bo"));
    // Given words that wait for a member at another provider
    agree(&north, "south.shut.example", "state = \"suspended\"").await;
    assert_eq!(say(&mut ada, Recipient::Group(club.clone()), "waits").await.result.code, Code::SUCCESSFUL);
    // When the agreement is closed
    agree(&north, "south.shut.example", "state = \"closed\"").await;
    // Then whoever speaks sees who does not hear it
    assert_eq!(notice(&mut ada).await.moves.left, ["Bo".into()]);
    assert_eq!(bo.take().await.unwrap(), None);
    // And the member hears that it is out as soon as the agreement is in force again, and may come back
    agree(&north, "south.shut.example", "").await;
    let told = put_out(&mut bo).await;
    assert_eq!((told.group.as_ref(), told.result.code), (Some(&club), Code::DOMAIN_NOT_SUPPORTED));
    assert_eq!(join(&mut bo, &club, "Bo").await.result.code, Code::SUCCESSFUL);
    assert_eq!(notice(&mut ada).await.moves.joined[0].name.as_deref(), Some("Bo"));
    say(&mut ada, Recipient::Group(club), "welcome back").await;
    assert_eq!(words(&message(&mut bo).await), "welcome back");
    north.1.drain().await;
    south.1.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whose_provider_closes_the_agreement_with_a_groups_home_is_out_at_once() {
    let world = World::new().await;
    let (north, south) = linked(&world, "north.lost.example", "south.lost.example").await;
    let mut ada = north.0.phone("ada", modern()).await;
    let mut bo = south.0.phone("bo", modern()).await;
    let club = group("wv:/club@north.lost.example");
    create(&mut ada, &club, "Ada", &[]).await;
    join(&mut bo, &club, "Bo").await;
    assert_eq!(notice(&mut ada).await.moves.joined[0].name.as_deref(), Some("Bo"));
    // When the provider of a member closes the agreement with the home of the group
    agree(&south, "north.lost.example", "state = \"closed\"").await;
    // Then the member hears that it is out
    let told = put_out(&mut bo).await;
    assert_eq!((told.group.as_ref(), told.result.code), (Some(&club), Code::DOMAIN_NOT_SUPPORTED));
    // And the others see it once the agreement is in force again
    agree(&south, "north.lost.example", "").await;
    assert_eq!(notice(&mut ada).await.moves.left, ["Bo".into()]);
    north.1.drain().await;
    south.1.drain().await;
}
