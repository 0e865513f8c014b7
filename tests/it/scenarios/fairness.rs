//! Fairness: nobody waits for all that somebody else has, neither in the queue of a peer nor behind another peer.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use causeway::cli::laboratory::Writing;
use causeway::element::im::{lane, order};
use causeway::imps::primitive::{MessageInfo, MetaInfo, Recipient, SendMessageRequest, User};
use causeway::imps::{Code, Moment, ServiceId, UserId, Version};
use causeway::relay::ports::{Change, Outcome, Outgoing, Settlement, Store as _};
use causeway::store::sqlite::{Settings, Sqlite};
use causeway::wire::ssp::{Style, encode_primitive};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;

use crate::world::{Place, World, modern, receive, text};

const NORTH: &str = "north.example";
const SOUTH: &str = "south.example";
const EAST: &str = "east.example";
/// More than a window holds.
const FLOOD: usize = 6000;
/// Who waits for a flood, or for a peer that does not answer, waits longer.
const AT_ONCE: Duration = Duration::from_secs(3);

/// A message as it waits in the queue of a peer.
fn waiting(number: usize, from: &str, to: &str, content: &str) -> Change {
    let sender: User = format!("wv:{from}@{NORTH}").parse::<UserId>().unwrap().into();
    let recipients = vec![Recipient::User(format!("wv:{to}@{SOUTH}").parse::<UserId>().unwrap().into())];
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let now = Moment::from_millis(u64::try_from(since.as_millis()).unwrap());
    let message_id = format!("{from}{number}@{NORTH}").parse().ok();
    let (order, lane) = (order(sender.id.as_str(), &recipients), lane(sender.id.as_str()));
    let info = MessageInfo {
        id: message_id.clone(),
        recipients,
        sender: Some(sender.clone().into()),
        ..MessageInfo::default()
    };
    let request = SendMessageRequest { delivery_report: false, info, content: Some(content.into()) };
    let meta = MetaInfo {
        client_originated: true,
        service: ServiceId::of(NORTH.parse().unwrap()),
        user: Some(sender.clone()),
    };
    let style = Style { version: Version::V1_3, legacy: false };
    Change::Send(Outgoing {
        own: NORTH.parse().unwrap(),
        peer: SOUTH.parse().unwrap(),
        settlement: Settlement::Request,
        primitive: "SendMessageRequest".into(),
        message_id,
        author: Some(sender.id),
        order,
        lane,
        accepted: now,
        expires: now.after(Duration::from_secs(3600)),
        reply_to: None,
        replaces: None,
        via: None,
        body: encode_primitive(&request.into(), Some(&meta), style).unwrap().into(),
    })
}

/// What waited when the node was stopped.
async fn fill(place: &Place, changes: Vec<Change>) {
    let store = Sqlite::open(&Settings::at(place.provider.folder.join("data"))).unwrap();
    let outcomes = store.commit(changes).await.unwrap();
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Outcome::Row(_))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_arrives_ahead_of_the_flood_that_was_in_the_queue_before_it() {
    // Given a queue that somebody has filled with more than fits into memory, and one message of somebody else behind
    let world = World::new().await;
    let (north, south) = (world.place(NORTH, &[SOUTH]), world.place(SOUTH, &[NORTH]));
    let mut queue: Vec<_> = (0..FLOOD).map(|number| waiting(number, "ada", "bo", "flood")).collect();
    queue.push(waiting(0, "cy", "bo", "a question"));
    fill(&north, queue).await;
    let _south = world.start(&south).await;
    let mut bo = south.phone("bo", modern()).await;
    // When the node runs
    let _north = world.start(&north).await;
    // Then the one message is among the first that arrive
    let mut before = 0;
    loop {
        let found = receive(&mut bo).await;
        if text(&found) == "a question" {
            break;
        }
        before += 1;
        assert!(before < 20, "the flood comes first");
    }
    // And a new one does not wait either
    let mut di = north.phone("di", modern()).await;
    let begin = Instant::now();
    let mut ed = south.phone("ed", modern()).await;
    let answer = di.send(std::slice::from_ref(ed.user()), "hello", false).await.unwrap();
    assert_eq!(answer.result.code, Code::SUCCESSFUL);
    assert_eq!(text(&receive(&mut ed).await), "hello");
    assert!(begin.elapsed() < AT_ONCE, "it took {:?}", begin.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_takes_connections_and_never_answers_slows_no_other_down() {
    // Given two peers, of which one takes connections and says nothing
    let world = World::new().await;
    let peers: &[&str] = &[SOUTH, EAST];
    let north = world.place_with(NORTH, &Writing { peers, ..Writing::default() });
    let (south, east) = (world.place(SOUTH, &[NORTH]), world.place(EAST, &[NORTH]));
    let listener = TcpListener::bind(east.ssp).await.unwrap();
    let silence = tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            held.push(tokio::spawn(async move { while stream.read_u8().await.is_ok() {} }));
        }
    });
    let (_north, _south) = (world.start(&north).await, world.start(&south).await);
    let (mut ada, mut cy) = (north.phone("ada", modern()).await, north.phone("cy", modern()).await);
    let mut bo = south.phone("bo", modern()).await;
    // When somebody floods the silent one
    let flooding = tokio::spawn(async move {
        for number in 0..200 {
            let to: UserId = format!("wv:u{number}@{EAST}").parse().unwrap();
            ada.send(std::slice::from_ref(&to), "anybody there?", false).await.unwrap();
        }
        ada
    });
    // Then messages between the others take as long as ever
    let mut longest = Duration::ZERO;
    for number in 0..50 {
        let (begin, words) = (Instant::now(), format!("number {number}"));
        let answer = cy.send(std::slice::from_ref(bo.user()), &words, false).await.unwrap();
        assert_eq!(answer.result.code, Code::SUCCESSFUL);
        assert_eq!(text(&receive(&mut bo).await), words);
        longest = longest.max(begin.elapsed());
    }
    assert!(longest < AT_ONCE, "one took {longest:?}");
    flooding.abort();
    silence.abort();
}
