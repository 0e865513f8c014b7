//! Bad days: peers that are down, processes that are killed, names that cannot be resolved. What was
//! accepted arrives once, or its author hears why not.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use causeway::cli::laboratory::Writing;
use causeway::cli::phone::{Phone, PhoneError};
use causeway::imps::{Code, MessageId, Primitive, UserId, Version};
use causeway::wire::Encoding;

use crate::process::Process;
use crate::world::{PASSWORD, PATIENCE, Place, World, manner, modern, text, until};

const NORTH: &str = "north.example";
const SOUTH: &str = "south.example";
/// An answer within this time was not held back for the peer (`hold-message-seconds` is 5).
const AT_ONCE: Duration = Duration::from_secs(3);

/// What is written last.
const LAST: &str = "the last";

/// Two providers with a service agreement; their logs tell of every POST.
fn pair(world: &World) -> (Place, Place) {
    let place = |domain, peer| {
        let sections = "[log]\nlevel = \"info,causeway::posts=debug\"\n";
        world.place_with(domain, &Writing { peers: &[peer], sections, ..Writing::default() })
    };
    (place(NORTH, SOUTH), place(SOUTH, NORTH))
}

/// Makes an account with the command line, before the first start or beside a running node.
async fn account(place: &Place, name: &'static str) {
    let provider = place.provider.clone();
    tokio::task::spawn_blocking(move || provider.add_user(name, PASSWORD).unwrap()).await.unwrap();
}

/// Sends to one user; the server must accept it.
async fn send(phone: &mut Phone, to: &UserId, text: &str) {
    let answer = phone.send(std::slice::from_ref(to), text, false).await.unwrap();
    assert_eq!(answer.result.code, Code::SUCCESSFUL, "{text}");
}

/// The same, and the server must not wait for the peer.
async fn send_at_once(phone: &mut Phone, to: &UserId, text: &str) {
    let begin = Instant::now();
    send(phone, to, text).await;
    assert!(begin.elapsed() < AT_ONCE, "{text} was held for {:?}", begin.elapsed());
}

/// The next message must be this one. The server may be away for a while.
async fn expect(phone: &mut Phone, words: &str) {
    let begin = Instant::now();
    let found = loop {
        match phone.take().await {
            Ok(Some(primitive)) => break primitive,
            Ok(None) | Err(PhoneError::Connection(..)) => {}
            Err(error) => panic!("{}: {error}", phone.user()),
        }
        assert!(begin.elapsed() < PATIENCE, "{words} did not come");
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    assert_eq!(text(&found), words);
}

/// Nothing but a last message comes: one that was repeated would come before it, since messages of one
/// author to one recipient keep their order.
async fn expect_nothing_more(from: &mut Phone, to: &mut Phone) {
    let user = to.user().clone();
    send(from, &user, LAST).await;
    expect(to, LAST).await;
}

/// How many set-ups these logs tell of.
fn setups(place: &Place) -> usize {
    let log = std::fs::read_to_string(place.provider.folder.join("log")).unwrap_or_default();
    log.lines()
        .filter(|line| line.contains("causeway::posts") && line.contains("SendSecretToken (Request)"))
        .count()
}

async fn outbox(place: &Place, messages: f64) {
    let peer = if place.provider.domain.as_str() == NORTH { SOUTH } else { NORTH };
    let line = format!("causeway_outbox_messages{{peer=\"{peer}\"}}");
    until("the outbox", || async { (place.metric(&line).await == messages).then_some(()) }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_waits_for_a_peer_that_is_down_and_survives_a_kill() {
    // Given a peer that was never there
    let world = World::new().await;
    let (north, south) = pair(&world);
    account(&south, "bo").await;
    let bo = south.user("bo");
    let mut north_process = Process::start(&north).await;
    let mut ada = north.phone("ada", modern()).await;
    // When a message is written to it, then it is accepted at once
    send_at_once(&mut ada, &bo, "see you at six").await;
    // And it survives the end of the process without warning
    north_process.kill();
    let _north = Process::start(&north).await;
    outbox(&north, 1.0).await;
    send_at_once(&mut ada, &bo, "or at seven").await;
    // And it arrives when the peer is there, once, in order
    let _south = Process::start(&south).await;
    let mut bo = south.phone("bo", manner(Version::V1_1, Encoding::Wbxml)).await;
    expect(&mut bo, "see you at six").await;
    expect(&mut bo, "or at seven").await;
    expect_nothing_more(&mut ada, &mut bo).await;
    outbox(&north, 0.0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_fills_its_share_of_the_queue_of_a_peer_that_is_down_is_refused_and_others_are_not() {
    // Given a peer that was never there
    let world = World::new().await;
    let sections = "[limits]\nqueue-bytes-per-user = 20000\n";
    let north = world.place_with(NORTH, &Writing { peers: &[SOUTH], sections, ..Writing::default() });
    let _node = world.start(&north).await;
    let bo: UserId = "wv:bo@south.example".parse().unwrap();
    let mut ada = north.phone("ada", modern()).await;
    // When somebody writes more to it than a user may have waiting
    let long = "x".repeat(5000);
    let mut sent = 0;
    let refused = loop {
        let answer = ada.send(std::slice::from_ref(&bo), &long, false).await.unwrap();
        if !answer.result.code.is_success() {
            break answer.result.code;
        }
        sent += 1;
        assert!(sent < 10, "there must be an end");
    };
    // Then the rest is refused, and operators can count it
    assert_eq!((refused, sent), (Code::QUEUE_FULL, 3));
    assert!((north.metric("causeway_messages_failed_total{reason=\"share-full\"}").await - 1.0).abs() < 0.5);
    // And others are not in the way of that
    let mut cy = north.phone("cy", modern()).await;
    send_at_once(&mut cy, &bo, &long).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_comes_back_finds_what_waited_for_it_at_once() {
    // Given two linked providers
    let world = World::new().await;
    let (north, south) = pair(&world);
    let mut north_process = Process::start(&north).await;
    let mut south_process = Process::start(&south).await;
    let (mut ada, mut bo) = (north.phone("ada", modern()).await, south.phone("bo", modern()).await);
    let bos = bo.user().clone();
    send(&mut ada, &bos, "before").await;
    expect(&mut bo, "before").await;
    // When one is killed, then its messages are accepted by the other without waiting
    south_process.kill();
    for words in ["one", "two", "three"] {
        send_at_once(&mut ada, &bos, words).await;
    }
    // And a kill right after the answer loses nothing
    north_process.kill();
    let _north = Process::start(&north).await;
    outbox(&north, 3.0).await;
    // And they are there as soon as it is back, in order, each once, over the old session
    let (setups_north, setups_south) = (setups(&north), setups(&south));
    let _south = Process::start(&south).await;
    let begin = Instant::now();
    for words in ["one", "two", "three"] {
        expect(&mut bo, words).await;
    }
    assert!(begin.elapsed() < AT_ONCE, "it took {:?}", begin.elapsed());
    expect_nothing_more(&mut ada, &mut bo).await;
    assert_eq!((setups(&north), setups(&south)), (setups_north, setups_south), "no new set-up");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_provider_accepted_reaches_the_phone_after_the_provider_was_killed() {
    let world = World::new().await;
    let (north, south) = pair(&world);
    let _north = Process::start(&north).await;
    let mut ada = north.phone("ada", modern()).await;
    account(&south, "bo").await;
    let mut south_process = Process::start(&south).await;
    let mut bo = south.phone("bo", modern()).await;
    let bos = bo.user().clone();
    for round in 0..3 {
        let words = format!("round {round}");
        send(&mut ada, &bos, &words).await;
        // The answer came from south, so the message is on its disk; the phone has not asked yet.
        south_process.kill();
        south_process = Process::start(&south).await;
        // Its session goes on too.
        expect(&mut bo, &words).await;
    }
    expect_nothing_more(&mut ada, &mut bo).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_killed_at_any_moment_of_the_exchange_gets_each_message_once() {
    let world = World::new().await;
    let (north, south) = pair(&world);
    let _north = Process::start(&north).await;
    let mut south_process = Process::start(&south).await;
    let (mut ada, mut bo) = (north.phone("ada", modern()).await, south.phone("bo", modern()).await);
    let bos = bo.user().clone();
    send(&mut ada, &bos, "first").await;
    expect(&mut bo, "first").await;
    for round in 0..12u64 {
        // From before the POST leaves to after its answer has come.
        let words = format!("round {round}");
        let moment = Duration::from_micros(round * 700);
        let (sent, killed) = tokio::join!(send(&mut ada, &bos, &words), async {
            tokio::time::sleep(moment).await;
            south_process.kill();
            Process::start(&south).await
        });
        let () = sent;
        south_process = killed;
        expect(&mut bo, &words).await;
    }
    expect_nothing_more(&mut ada, &mut bo).await;
}

/// What a phone got, as its user would see it.
#[derive(Default)]
struct Inbox {
    messages: Vec<String>,
    reports: Vec<(Option<MessageId>, Code)>,
    /// A message whose acknowledgement was lost: it may come once more.
    unsure: Option<MessageId>,
}

impl Inbox {
    /// Takes what waits; servers may come and go. `false` if there was nothing.
    async fn take(&mut self, phone: &mut Phone) -> bool {
        let Ok(Some((id, primitive))) = phone.poll().await else { return false };
        match &primitive {
            Primitive::NewMessage(message) => {
                if !(self.unsure.is_some() && self.unsure == message.info.id) {
                    self.messages.push(text(&primitive).to_owned());
                }
                self.unsure.clone_from(&message.info.id);
            }
            Primitive::DeliveryReport(report) => {
                self.reports.push((report.info.id.clone(), report.result.code));
            }
            other => panic!("{} got {}", phone.user(), other.name()),
        }
        if phone.acknowledge(id, &primitive).await.is_ok() {
            self.unsure = None;
        }
        true
    }
}

/// What a phone has written.
#[derive(Default)]
struct Written {
    /// The server said that it has it.
    accepted: Vec<(String, Option<MessageId>)>,
    /// There was no answer.
    unknown: BTreeSet<String>,
}

/// Writes numbered messages and wants reports, until told to stop; then a last one, which goes behind all others.
async fn trickle(phone: &mut Phone, to: &UserId, stop: &AtomicBool) -> Written {
    let mut written = Written::default();
    for number in 0.. {
        let last = stop.load(Ordering::Relaxed);
        let words = if last { LAST.to_owned() } else { format!("number {number:05}") };
        match phone.send(std::slice::from_ref(to), &words, true).await {
            Ok(answer) => {
                assert_eq!(answer.result.code, Code::SUCCESSFUL, "{words}");
                written.accepted.push((words, answer.message_id));
            }
            Err(PhoneError::Connection(..)) => {
                written.unknown.insert(words);
            }
            Err(error) => panic!("{words}: {error}"),
        }
        if last {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    written
}

/// Reads until `is_last` says that there is no more to come.
async fn read(phone: &mut Phone, is_last: impl Fn(&Inbox) -> bool) -> Inbox {
    let (mut inbox, mut since) = (Inbox::default(), Instant::now());
    while !is_last(&inbox) {
        if inbox.take(phone).await {
            since = Instant::now();
        } else {
            assert!(since.elapsed() < PATIENCE * 2, "{} waits in vain", phone.user());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    inbox
}

/// Every accepted message was delivered once and in order, or reported; and each report came once.
fn account_for(written: &Written, got: &Inbox, heard: &Inbox) {
    assert!(written.accepted.len() > 10, "too little happened: {}", written.accepted.len());
    let delivered: BTreeSet<&String> = got.messages.iter().collect();
    assert_eq!(delivered.len(), got.messages.len(), "something came twice: {:?}", got.messages);
    let (last, numbered) = got.messages.split_last().unwrap();
    assert!(last == LAST && numbered.is_sorted(), "out of order: {:?}", got.messages);
    let accepted: BTreeSet<_> = written.accepted.iter().map(|(words, _)| words).collect();
    for words in &got.messages {
        assert!(accepted.contains(words) || written.unknown.contains(words), "{words} was never written");
    }
    for (words, id) in &written.accepted {
        let codes: Vec<_> = heard.reports.iter().filter(|(of, _)| of == id).map(|(_, code)| *code).collect();
        let expected = if delivered.contains(words) { Code::SUCCESSFUL } else { Code::EXPIRED };
        assert_eq!(codes, [expected], "the reports about {words}");
    }
}

/// A number that whoever starts the tests may set.
fn wanted(variable: &str, usually: u64) -> u64 {
    std::env::var(variable).map_or(usually, |text| text.parse().expect("a number"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_ten_rounds_of_kills_every_message_and_report_is_accounted_for() {
    let (rounds, first_seed) = (wanted("CAUSEWAY_KILLS", 10), wanted("CAUSEWAY_KILLS_SEED", 0x5eed));
    let world = World::new().await;
    let (north, south) = pair(&world);
    let mut north_process = Process::start(&north).await;
    let mut south_process = Process::start(&south).await;
    // Two pairs of friends, one in each direction
    let (mut ada, mut bo) = (north.phone("ada", modern()).await, south.phone("bo", modern()).await);
    let (mut cy, mut di) = (
        south.phone("cy", manner(Version::V1_3, Encoding::Wbxml)).await,
        north.phone("di", manner(Version::V1_1, Encoding::Wbxml)).await,
    );
    let (bos, dis) = (bo.user().clone(), di.user().clone());
    send(&mut ada, &bos, "first").await;
    expect(&mut bo, "first").await;
    let quiet = Arc::new(AtomicBool::new(false));
    let (stop, also_stop) = (Arc::clone(&quiet), Arc::clone(&quiet));
    let writers = tokio::spawn(async move {
        let written = tokio::join!(trickle(&mut ada, &bos, &stop), trickle(&mut cy, &dis, &also_stop));
        (written, ada, cy)
    });
    let readers = tokio::spawn(async move {
        let last = |inbox: &Inbox| inbox.messages.last().is_some_and(|words| words == LAST);
        tokio::join!(read(&mut bo, last), read(&mut di, last))
    });
    // When both are killed again and again, at moments that only the seed knows
    let mut seed = first_seed;
    let mut dice = |sides: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % sides
    };
    for _ in 0..rounds {
        tokio::time::sleep(Duration::from_millis(50 + dice(150))).await;
        // One of them, the other, or both.
        let fate = dice(3);
        if fate != 0 {
            north_process.kill();
            tokio::time::sleep(Duration::from_millis(dice(60))).await;
        }
        if fate != 1 {
            south_process.kill();
            tokio::time::sleep(Duration::from_millis(dice(60))).await;
            south_process = Process::start(&south).await;
        }
        if fate != 0 {
            north_process = Process::start(&north).await;
        }
    }
    quiet.store(true, Ordering::Relaxed);
    let ((adas, cys), mut ada, mut cy) = writers.await.unwrap();
    let (bos_inbox, dis_inbox) = readers.await.unwrap();
    // Then everything is accounted for, up to the report about the last message
    let about = |written: &Written| {
        let (words, id) = written.accepted.last().unwrap().clone();
        assert_eq!(words, LAST);
        move |inbox: &Inbox| inbox.reports.iter().any(|(of, _)| *of == id)
    };
    let (adas_inbox, cys_inbox) = tokio::join!(read(&mut ada, about(&adas)), read(&mut cy, about(&cys)));
    account_for(&adas, &bos_inbox, &adas_inbox);
    account_for(&cys, &dis_inbox, &cys_inbox);
    drop((north_process, south_process));
}

/// Whether a provider has heard of no new set-up while this was done, by the logs of both.
async fn over_the_old_session(north: &Place, south: &Place, phones: (&mut Phone, &mut Phone), words: &str) {
    let before = (setups(north), setups(south));
    let (ada, bo) = phones;
    let (adas, bos) = (ada.user().clone(), bo.user().clone());
    send(ada, &bos, words).await;
    expect(bo, words).await;
    send(bo, &adas, words).await;
    expect(ada, words).await;
    assert_eq!((setups(north), setups(south)), before, "{words}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_between_providers_survives_restarts_and_is_made_anew_when_one_forgot_it() {
    let world = World::new().await;
    let (north, south) = pair(&world);
    let mut north_process = Process::start(&north).await;
    let south_process = Process::start(&south).await;
    let (mut ada, mut bo) = (north.phone("ada", modern()).await, south.phone("bo", modern()).await);
    let bos = bo.user().clone();
    send(&mut ada, &bos, "first").await;
    expect(&mut bo, "first").await;
    assert_eq!(setups(&north), 1);
    // When either restarts, in good order or not, then the session goes on
    north_process.kill();
    let north_process = Process::start(&north).await;
    over_the_old_session(&north, &south, (&mut ada, &mut bo), "north was killed").await;
    south_process.signal("TERM");
    let mut ending = south_process;
    assert!(ending.ended().await.success());
    let mut south_process = Process::start(&south).await;
    over_the_old_session(&north, &south, (&mut ada, &mut bo), "south restarted").await;
    // When one loses its data, then it does not know the session, a new one is made, and the message
    // arrives once
    south_process.signal("TERM");
    assert!(south_process.ended().await.success());
    std::fs::remove_dir_all(south.provider.folder.join("data")).unwrap();
    account(&south, "bo").await;
    let _south = Process::start(&south).await;
    let mut bo = south.phone("bo", modern()).await;
    let before = setups(&north);
    send(&mut ada, &bos, "do you know me?").await;
    expect(&mut bo, "do you know me?").await;
    assert_eq!(setups(&north), before + 1);
    expect_nothing_more(&mut ada, &mut bo).await;
    drop(north_process);
}
