//! The seeded simulation: whole nodes, phones and a bad network on virtual time.
//!
//! A seed makes a world: two or three providers, each a node with everything but its sockets and its
//! disk; phones that log in, send, poll and log out; and trouble for a while: POSTs that are lost,
//! delayed, repeated and reordered, answers that are lost, cut networks, forged senders, disks that are
//! slow or fail, nodes that are stopped or killed at any moment. Then the trouble ends, the world becomes
//! quiet, and the promises of the architecture are checked.
//!
//! ```text
//!  phone ⇄ Sap ⇄ links ⇄ network ⇄ links ⇄ Sap ⇄ phone        one thread, virtual clock, one seed
//!          store                          store
//! ```
//! The same seed always plays the same: `CAUSEWAY_SEED=7341 cargo test --test it simulation` tells what
//! happened in that world (docs/how-to/simulate.md).

mod cast;
mod dice;
mod journal;
mod ledger;
mod network;
mod phone;
mod site;
mod world;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use site::Through;
use tracing::subscriber::NoSubscriber;
use world::World;

use journal::Journal;
use ledger::Counts;

/// Worlds of one run.
const SEEDS: u64 = 200;
/// Longest time, on the clock on the wall, without any world coming to its end.
const PATIENCE: Duration = Duration::from_secs(180);

/// How a world ended.
struct Played {
    wrongs: Vec<String>,
    journal: Journal,
    counts: Counts,
    /// What left before it was written.
    through: Arc<Through>,
}

thread_local! {
    /// Panics of this thread: tasks of a node keep theirs to themselves.
    static PANICS: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

fn watch_panics() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            // A thread that ends has no list any more.
            let _ = PANICS.try_with(|panics| panics.borrow_mut().push(panic.to_string()));
            before(panic);
        }));
    });
}

/// Worlds that are being played.
type Playing = Mutex<BTreeMap<u64, Journal>>;

fn playing_now(playing: &Playing) -> MutexGuard<'_, BTreeMap<u64, Journal>> {
    playing.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Plays the world of a seed. With `aloud`, what the nodes log goes into the journal too.
fn play(seed: u64, aloud: bool) -> Played {
    play_among(seed, aloud, &Playing::default())
}

fn play_among(seed: u64, aloud: bool, playing: &Playing) -> Played {
    let played = play_with(aloud, async |journal: Journal| {
        playing_now(playing).insert(seed, journal.clone());
        World::play(seed, journal).await
    });
    playing_now(playing).remove(&seed);
    played
}

fn play_with(aloud: bool, world: impl AsyncFnOnce(Journal) -> Played) -> Played {
    watch_panics();
    PANICS.with(|panics| panics.borrow_mut().clear());
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let mut played = runtime.block_on(async {
        let journal = Journal::new();
        let _guard = if aloud {
            let writer = journal.clone();
            let log = tracing_subscriber::fmt()
                .without_time()
                .with_ansi(false)
                .with_max_level(tracing::Level::DEBUG)
                .with_writer(move || writer.clone());
            tracing::subscriber::set_default(log.finish())
        } else {
            tracing::subscriber::set_default(NoSubscriber::new())
        };
        world(journal).await
    });
    let panics = PANICS.with(RefCell::take);
    played.wrongs.extend(panics.into_iter().map(|panic| format!("panic: {panic}")));
    played
}

/// What a reader needs of a world that broke a promise.
fn complaint(seed: u64, played: &Played) -> String {
    format!(
        "{}\nThe world of CAUSEWAY_SEED={seed} broke its promises:\n  {}\n",
        played.journal.text(),
        played.wrongs.join("\n  ")
    )
}

fn seed_wanted() -> Option<u64> {
    std::env::var("CAUSEWAY_SEED").ok().map(|seed| seed.parse().expect("CAUSEWAY_SEED is a number"))
}

/// The first seed, and how many: `CAUSEWAY_SEEDS=1000+500` plays 500 worlds from 1000 on.
fn seeds_wanted() -> (u64, u64) {
    let Ok(text) = std::env::var("CAUSEWAY_SEEDS") else { return (0, SEEDS) };
    let (first, count) = text.split_once('+').unwrap_or(("0", &text));
    (first.parse().expect("a first seed"), count.parse().expect("a number of seeds"))
}

#[test]
fn two_hundred_worlds_keep_their_promises() {
    if let Some(seed) = seed_wanted() {
        let played = play(seed, true);
        println!("{}", played.journal.text());
        assert!(played.wrongs.is_empty(), "CAUSEWAY_SEED={seed}:\n  {}", played.wrongs.join("\n  "));
        return;
    }
    let (first, count) = seeds_wanted();
    let next = AtomicU64::new(first);
    let playing = Playing::default();
    let workers = thread::available_parallelism().map_or(2, usize::from).min(8);
    let (done, ended) = mpsc::channel();
    let (mut failed, mut sum) = (Vec::new(), Counts::default());
    let (mut answered, mut written, mut killed) = (0, 0, 0);
    thread::scope(|scope| {
        for _ in 0..workers {
            let (next, playing, done) = (&next, &playing, done.clone());
            scope.spawn(move || {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + count {
                        return;
                    }
                    let played = play_among(seed, false, playing);
                    if done.send((seed, played)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(done);
        loop {
            match ended.recv_timeout(PATIENCE) {
                Ok((seed, played)) => {
                    sum.sent += played.counts.sent;
                    sum.received += played.counts.received;
                    sum.seen += played.counts.seen;
                    sum.full += played.counts.full;
                    answered += played.through.answered.load(Ordering::Relaxed);
                    written += played.through.written.load(Ordering::Relaxed);
                    killed += played.through.killed.load(Ordering::Relaxed);
                    if !played.wrongs.is_empty() {
                        failed.push((seed, played));
                    }
                }
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    // Its thread cannot be ended; the process can.
                    for (seed, journal) in playing_now(&playing).iter() {
                        eprintln!("{}the world of CAUSEWAY_SEED={seed} comes to no end", journal.last(60));
                    }
                    std::process::exit(101);
                }
            }
        }
    });
    failed.sort_by_key(|(seed, _)| *seed);
    if let Some((seed, played)) = failed.first() {
        println!("{}", complaint(*seed, played));
    }
    let told: Vec<_> =
        failed.iter().map(|(seed, played)| format!("CAUSEWAY_SEED={seed}: {}", played.wrongs[0])).collect();
    assert!(failed.is_empty(), "{} of {count} worlds failed:\n{}", failed.len(), told.join("\n"));
    let Counts { sent, received, seen, full } = sum;
    println!("{count} worlds, {sent} messages, {received} copies received, {seen} values of presence seen");
    println!("{full} messages found no room");
    println!(
        "left before they were written: {answered} answered, {written} written after all; {killed} nodes killed with some in hand"
    );
    assert!((received > 0 && seen > 0) || count < 10, "nothing was received anywhere");
    assert!(full > 0 || count < SEEDS, "no queue was ever full");
    let tried = answered > 0 && written > 0 && killed > 0;
    assert!(tried || count < SEEDS, "nothing left before it was written, or nobody died of it");
}

/// What was never taken was never heard: only silence after it was taken makes a message count as delivered
/// (decisions.md 3), and here there was too little of that.
#[test]
fn a_message_that_was_put_off_often_still_waits_for_its_refusal() {
    let played = play_with(true, World::a_refusal_that_comes_late);
    assert!(played.wrongs.is_empty(), "{}", complaint(0, &played));
    let text = played.journal.text();
    assert!(text.lines().any(|line| line.contains("wv:nobody@south.example 531")), "{text}");
}

#[test]
fn a_link_whose_entry_is_gone_is_forgotten_and_a_new_one_carries_on_when_it_comes_back() {
    let played = play_with(true, World::an_entry_that_goes_and_comes_back);
    assert!(played.wrongs.is_empty(), "{}", complaint(0, &played));
    assert_eq!(played.counts.received, 2);
}

#[test]
fn the_same_seed_plays_the_same() {
    for seed in [1, 7, 42] {
        let (once, again) = (play(seed, false).journal.text(), play(seed, false).journal.text());
        if once != again {
            let differs = once.lines().zip(again.lines()).enumerate().find(|(_, (one, other))| one != other);
            panic!("the world of seed {seed} plays differently: {differs:?}");
        }
        assert!(once.lines().count() > 100, "a world in which something happens");
    }
    assert_ne!(play(1, false).journal.text(), play(2, false).journal.text());
}
