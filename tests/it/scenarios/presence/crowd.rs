//! A crowd: a user whom more people watch than are told in one step.

use causeway::element::presence::{Edit, Publisher, Told, WATCHERS_PAGE, Watch};
use causeway::imps::presence::{Attribute, AttributeName};
use causeway::imps::primitive::User;
use causeway::relay::ports::{Change, Outcome, PresenceChange, PresenceStore as _, Store as _, Watchers};
use causeway::store::sqlite::{Settings, Sqlite};

use super::{ADA, hears, id, open_to_all, pair, publish, subscribe, value};
use crate::world::{Place, manner, modern, until};
use causeway::imps::{Status, Version};
use causeway::wire::Encoding;

/// The store of a provider, beside its node, as the verbs of operators open it.
fn store(place: &Place) -> Sqlite {
    Sqlite::open(&Settings::at(place.provider.folder.join("data"))).unwrap()
}

async fn publisher(store: &Sqlite, watchers: Watchers) -> Publisher {
    store.publishers(vec![id(ADA)], watchers).await.unwrap().remove(0).unwrap()
}

async fn edit(store: &Sqlite, edits: Vec<Edit>) {
    let version = publisher(store, Watchers::Nobody).await.version;
    let edit = PresenceChange::Edit { owner: id(ADA), version, edits };
    assert_eq!(store.commit(vec![Change::Presence(Box::new(edit))]).await.unwrap(), [Outcome::Done]);
}

/// What each of all watchers was told last.
async fn told(store: &Sqlite) -> Vec<Told> {
    let all = publisher(store, Watchers::Page { after: None, limit: 3 * WATCHERS_PAGE }).await;
    all.watchers.iter().map(|watch| watch.told).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybody_in_a_crowd_is_told_also_after_a_crash() {
    let (world, (north, north_node), (south, south_node)) = pair().await;
    let mut ada = north.phone("ada", modern()).await;
    open_to_all(&mut ada, &[AttributeName::StatusText]).await;
    // Given somebody who watches ada, and a crowd of another provider, all of whom come before
    let mut zed = south.phone("zed", manner(Version::V1_1, Encoding::Wbxml)).await;
    assert_eq!(subscribe(&mut zed, &[ADA]).await, Status::ok());
    let beside = store(&north);
    let crowd = 2 * WATCHERS_PAGE + 100;
    let watch = |number: usize| {
        let watcher = User::from(id(&format!("wv:w{number}@east.example")));
        let wanted = [AttributeName::StatusText].into_iter().collect();
        Edit::Watch(Watch { watcher, session: None, wanted, told: Told::default() })
    };
    edit(&beside, (0..crowd).map(watch).collect()).await;
    // When she says something
    publish(&mut ada, "hello, crowd").await;
    // Then the last of all hears it, and each in the crowd was told
    hears(&mut zed, "hello, crowd").await;
    until("nobody is left to be told", async || beside.untold(1).await.unwrap().is_empty().then_some(()))
        .await;
    let before = told(&beside).await;
    assert_eq!(before.len(), crowd + 1);
    assert!(before.iter().all(|told| *told != Told::default()));
    // When the node dies after a change and before anybody has heard of it
    north_node.drain().await;
    let mut said = publisher(&beside, Watchers::Nobody).await.published.remove(0);
    for attribute in &mut said.attributes.attributes {
        if let Attribute::StatusText(text) = attribute {
            *text = value("gone again");
        }
    }
    edit(&beside, vec![Edit::Publish(said), Edit::Untold]).await;
    assert_eq!(beside.untold(1).await.unwrap(), [id(ADA)]);
    // Then they hear of it when it is back
    let north_node = world.start(&north).await;
    hears(&mut zed, "gone again").await;
    until("nobody is left to be told", async || beside.untold(1).await.unwrap().is_empty().then_some(()))
        .await;
    let after = told(&beside).await;
    assert!(after.iter().zip(&before).all(|(after, before)| after.digest != before.digest));
    north_node.drain().await;
    south_node.drain().await;
}
