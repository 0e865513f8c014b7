//! `cargo bench --bench store`: durable messages a second with 1, 16 and 256 writers at a time, against a file that
//! is given the same octets and `fdatasync`, as many to a batch as there are writers; and how soon a store with a
//! million queued messages is open (architecture §5).

// A benchmark may panic: that is how it fails. Its numbers are small enough for floats.
#![allow(clippy::expect_used, clippy::panic, clippy::cast_precision_loss)]

#[path = "support/system.rs"]
mod system;

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use causeway::imps::Moment;
use causeway::relay::ports::{Change, Outcome, Outgoing, Settlement, Store as _};
use causeway::store::sqlite::{Settings, Sqlite};
use system::{Folder, resident};

const WRITERS: [usize; 3] = [1, 16, 256];
/// How long each level is measured.
const ROUND: Duration = Duration::from_secs(3);
/// Of a message as it waits for a peer.
const OCTETS: usize = 1024;
/// Part of the raw rate that 256 writers have to reach.
const LIMIT: f64 = 0.5;
/// Messages in the queue of the store that is opened again.
const QUEUED: usize = 1_000_000;
const OPEN_SECONDS: f64 = 10.0;
const OPEN_OCTETS: f64 = 512.0 * 1_048_576.0;

fn message(number: usize) -> Change {
    let now = Moment::from_millis(1_700_000_000_000);
    Change::Send(Outgoing {
        own: "north.example".parse().expect("a domain"),
        peer: "south.example".parse().expect("a domain"),
        settlement: Settlement::Request,
        primitive: "SendMessageRequest".into(),
        message_id: Some(format!("m{number}@north.example").parse().expect("an id")),
        author: Some("wv:ada@north.example".parse().expect("an address")),
        order: (number % 1000) as u64,
        lane: 1,
        accepted: now,
        expires: now.after(Duration::from_secs(86_400)),
        reply_to: None,
        replaces: None,
        via: None,
        body: vec![b'x'; OCTETS].into(),
    })
}

/// Messages a second that are on disk before the next of the same writer begins.
async fn durable(store: &Arc<Sqlite>, writers: usize) -> f64 {
    let begin = Instant::now();
    let mut lanes = tokio::task::JoinSet::new();
    for lane in 0..writers {
        let store = Arc::clone(store);
        lanes.spawn(async move {
            let mut count = 0_usize;
            while begin.elapsed() < ROUND {
                let outcomes =
                    store.commit(vec![message(lane * 10_000_000 + count)]).await.expect("a commit");
                assert!(matches!(outcomes[..], [Outcome::Row(_)]), "{outcomes:?}");
                count += 1;
            }
            count
        });
    }
    let mut all = 0;
    while let Some(count) = lanes.join_next().await {
        all += count.expect("a writer");
    }
    all as f64 / begin.elapsed().as_secs_f64()
}

/// The same octets appended to a file, `batch` of them before each `fdatasync`.
fn raw(folder: &Path, batch: usize) -> f64 {
    let mut file = File::create(folder.join("raw")).expect("a file");
    let octets = vec![b'x'; OCTETS * batch];
    let (begin, mut count) = (Instant::now(), 0);
    while begin.elapsed() < ROUND {
        file.write_all(&octets).expect("a write");
        file.sync_data().expect("fdatasync");
        count += batch;
    }
    count as f64 / begin.elapsed().as_secs_f64()
}

/// Fills a store, and opens it again in a process of its own.
async fn recovery(folder: &Path) {
    let mut settings = Settings::at(folder.join("million"));
    settings.queue_bytes_per_peer = 1 << 40;
    let store = Sqlite::open(&settings).expect("a store");
    for first in (0..QUEUED).step_by(1000) {
        store.commit((first..first + 1000).map(message).collect()).await.expect("a commit");
    }
    drop(store);
    let program = std::env::current_exe().expect("this program");
    let ended = std::process::Command::new(program).arg("--open").arg(folder.join("million")).status();
    assert!(ended.expect("the same program").success(), "the store opens");
}

async fn open(folder: &str) {
    let begin = Instant::now();
    let store = Sqlite::open(&Settings::at(folder)).expect("a store");
    let queues = store.queues().await.expect("the queues");
    let (own, peer) =
        ("north.example".parse().expect("a domain"), "south.example".parse().expect("a domain"));
    let page = store.outbox(own, peer, 0, 4096).await.expect("the first page");
    let (taken, octets) = (begin.elapsed().as_secs_f64(), resident(std::process::id()) as f64);
    let waiting: u64 = queues.iter().map(|queue| queue.messages).sum();
    let kept = taken <= OPEN_SECONDS && octets <= OPEN_OCTETS;
    println!(
        "{waiting} messages wait: open, counted and {} of them read after {taken:.2} s, {:.0} MiB resident (limits {OPEN_SECONDS} s, 512 MiB: {})",
        page.len(),
        octets / 1_048_576.0,
        if kept { "kept" } else { "MISSED" }
    );
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    // In a process of its own this program opens a store that is there.
    if let Some(folder) = std::env::args().skip_while(|word| word != "--open").nth(1) {
        return runtime.block_on(open(&folder));
    }
    let folder = Folder::new("store");
    runtime.block_on(async {
        let mut settings = Settings::at(folder.path().join("writers"));
        settings.queue_bytes_per_peer = 1 << 40;
        let store = Arc::new(Sqlite::open(&settings).expect("a store"));
        for writers in WRITERS {
            let raw = raw(folder.path(), writers);
            let kept = durable(&store, writers).await;
            let ratio = kept / raw;
            let verdict = match writers {
                256 if ratio >= LIMIT => format!(" (aim {LIMIT}: kept)"),
                256 => format!(" (aim {LIMIT}: MISSED)"),
                _ => String::new(),
            };
            println!(
                "{writers:>4} writers: {kept:>8.0} messages/s on disk, {raw:>9.0} raw: {ratio:.2}{verdict}"
            );
        }
        drop(store);
        recovery(folder.path()).await;
    });
}
