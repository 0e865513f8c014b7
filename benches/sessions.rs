//! `cargo bench --bench sessions`: what an idle CSP session costs in resident memory, with 100, 10 000 and
//! 100 000 of them (architecture §5). A session is a phone that has logged in, told its capabilities and polled
//! once; its user has nothing else. The limit is 4 KiB. Then the same for idle links, with a session each and
//! what their agreement takes; no limit is set for them.

// A benchmark may panic: that is how it fails. Its numbers are small enough for floats.
#![allow(clippy::expect_used, clippy::panic, clippy::cast_precision_loss)]

#[path = "support/point.rs"]
mod point;
#[path = "support/system.rs"]
mod system;

use std::sync::Arc;
use std::time::Instant;

use causeway::imps::agreement::{Agreement, Profile};
use causeway::imps::{Domain, Moment, Primitive, Version};
use causeway::net::peer::{Carrier, Chances, Job, Lane, Peers, Placing, Road};
use causeway::relay::directory::Directory;
use causeway::relay::ports::{Change, Store as _};
use causeway::sap::{Map, SystemChance};
use causeway::session::ssp::SessionRecord;
use point::{OWN, Point};
use system::{Folder, resident};
use tokio_util::sync::CancellationToken;

/// Octets that a session may cost.
const LIMIT: f64 = 4096.0;
/// Sessions, each level on top of the one before.
const LEVELS: [usize; 3] = [100, 10_000, 100_000];
/// Logins under way at a time: they share commits.
const AT_ONCE: usize = 256;
/// Sessions before any is counted: what is there once, whoever comes, such as caches, buffers, the allocator's
/// pages, and code that was not run before.
const TO_BEGIN_WITH: usize = 4096;

/// The word that makes this program measure links.
const LINKS: &str = "links";

/// Resident memory of this process, octets.
fn taken() -> f64 {
    resident(std::process::id()) as f64
}

/// Logs in the users with these numbers.
async fn log_in(point: &Arc<Point>, from: usize, to: usize) {
    let mut lanes = tokio::task::JoinSet::new();
    for lane in 0..AT_ONCE {
        let point = Arc::clone(point);
        lanes.spawn(async move {
            for number in (from + lane..to).step_by(AT_ONCE) {
                let session = point.log_in(number).await;
                point.say(Some(&session), 3, Primitive::PollingRequest).await;
            }
        });
    }
    while let Some(ended) = lanes.join_next().await {
        ended.expect("logins");
    }
}

/// The way to a peer that nothing is ever posted to.
struct Nowhere;

impl Carrier for Nowhere {
    fn road(&self, _own: &Domain, _peer: &Domain) -> Arc<dyn Road> {
        Arc::new(Self)
    }
}

impl Road for Nowhere {
    fn lane(self: Arc<Self>) -> Box<dyn Lane> {
        Box::new(Self)
    }
}

impl Lane for Nowhere {
    fn place<'a>(&'a mut self, _agreement: Option<&'a Agreement>, _job: &'a Job) -> Placing<'a> {
        panic!("an idle link posts nothing")
    }
}

fn peer(number: usize) -> Domain {
    format!("peer{number}.example").parse().expect("a domain")
}

/// A session with a peer.
fn session(number: usize, now: Moment) -> Change {
    let own: Domain = OWN.parse().expect("a domain");
    Change::PutLink(Box::new(SessionRecord {
        own_id: format!("own{number}@{own}").parse().expect("a session id"),
        peer_id: format!("other{number}@{}", peer(number)).parse().expect("a session id"),
        setup: "setup".parse().expect("a transaction id"),
        version: Version::V1_3,
        initiator: own.clone(),
        own,
        peer: peer(number),
        time_to_live: 86_400,
        established: now,
        last_used: now,
        superseded: false,
        legacy: false,
        at: None,
    }))
}

/// So many links in all.
async fn links(point: &Point, peers: &Peers, before: usize, to: usize) {
    let now = point.sap.now();
    let fresh: Vec<usize> = (before..to).collect();
    for page in fresh.chunks(1000) {
        let sessions = page.iter().map(|number| session(*number, now)).collect();
        point.store.commit(sessions).await.expect("sessions");
    }
    // One of the known implementation asks for nothing and is asked for nothing.
    let agreement = |number| Agreement { profile: Profile::Legacy, ..Agreement::with(peer(number)) };
    let own = vec![OWN.parse().expect("a domain")];
    let agreements: Vec<Agreement> = (0..to).map(agreement).collect();
    let directory = Directory::new(own, agreements, vec![[9; 32]]);
    point.sap.set_map(Map::of(directory)).await;
    peers.follow().await.expect("links");
}

/// Resident octets of each of so many more, on top of what is there.
fn tell(what: &str, count: usize, base: f64, per_second: f64) -> f64 {
    let octets = (taken() - base) / count as f64;
    println!("{count:>7} {what}: {octets:>6.0} octets each, {per_second:.0} a second");
    octets
}

async fn measure_sessions() {
    let folder = Folder::new("sessions");
    let most = LEVELS.iter().copied().max().unwrap_or_default() + TO_BEGIN_WITH;
    let point = Arc::new(Point::new(folder.path(), Vec::new(), most).await);
    log_in(&point, 0, TO_BEGIN_WITH).await;
    let (base, mut before) = (taken(), TO_BEGIN_WITH);
    println!("{TO_BEGIN_WITH} sessions to begin with: {:.1} MiB", base / 1_048_576.0);
    for level in LEVELS {
        let (begin, fresh) = (Instant::now(), level + TO_BEGIN_WITH - before);
        log_in(&point, before, level + TO_BEGIN_WITH).await;
        before = level + TO_BEGIN_WITH;
        let octets = tell("sessions", level, base, fresh as f64 / begin.elapsed().as_secs_f64());
        println!("        limit {LIMIT}: {}", if octets <= LIMIT { "kept" } else { "MISSED" });
    }
}

async fn measure_links() {
    let folder = Folder::new("links");
    let point = Point::new(folder.path(), Vec::new(), 0).await;
    let chance: Chances = Arc::new(|| Box::new(SystemChance::default()));
    let peers = Peers::new(point.sap.clone(), Arc::new(Nowhere), chance, CancellationToken::new());
    links(&point, &peers, 0, TO_BEGIN_WITH).await;
    let (base, mut before) = (taken(), TO_BEGIN_WITH);
    for level in LEVELS {
        let (begin, fresh) = (Instant::now(), level + TO_BEGIN_WITH - before);
        links(&point, &peers, before, level + TO_BEGIN_WITH).await;
        before = level + TO_BEGIN_WITH;
        tell("links", level, base, fresh as f64 / begin.elapsed().as_secs_f64());
    }
    peers.stop().await;
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    if std::env::args().any(|word| word == LINKS) {
        return runtime.block_on(measure_links());
    }
    runtime.block_on(measure_sessions());
    // In a process of its own: the allocator would give links what sessions had.
    let program = std::env::current_exe().expect("this program");
    let ended = std::process::Command::new(program).arg(LINKS).status().expect("this program");
    assert!(ended.success(), "the links are measured");
}
