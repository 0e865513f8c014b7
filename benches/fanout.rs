//! `cargo bench --bench fanout [-- MOST]`: one change of presence, from the client's request to its answer, with so many
//! watchers over so many peers (architecture §5): deciding who hears what, and the commit of it all. What counts
//! is the processor time of one watcher more: it must not grow with their number.

// A benchmark may panic: that is how it fails. Its numbers are small enough for floats.
#![allow(clippy::expect_used, clippy::panic, clippy::cast_precision_loss)]

#[path = "support/point.rs"]
mod point;
#[path = "support/system.rs"]
mod system;

use std::time::Instant;

use causeway::element::presence::{Edit, For, Grant, Told, Watch};
use causeway::imps::agreement::{Agreement, Service};
use causeway::imps::presence::{Attribute, AttributeName, AttributeSet, Plain, PresenceSubList};
use causeway::imps::primitive::{UpdatePresenceRequest, User};
use causeway::imps::{Code, UserId};
use causeway::relay::ports::{Change, PresenceChange, PresenceStore as _, Watchers};
use point::{Point, user};
use system::Folder;

const PEERS: [usize; 3] = [1, 10, 100];
/// Watchers of the last measurement, if nothing else is said.
const MOST: usize = 100_000;
/// Watchers that are told in all rounds of one measurement, about.
const TOLD: usize = 400_000;
/// How much dearer one more may be in the second half of all watchers than in the first. Below a thousand the
/// commit costs more than they do.
const LIMIT: f64 = 1.5;

fn watch(number: usize, peers: usize) -> Edit {
    let watcher: UserId = format!("wv:w{number}@peer{}.example", number % peers).parse().expect("an address");
    let wanted = [AttributeName::StatusText].into_iter().collect();
    Edit::Watch(Watch { watcher: User::from(watcher), session: None, wanted, told: Told::default() })
}

fn says(number: usize) -> UpdatePresenceRequest {
    let text = Plain { qualifier: Some(true), value: Some(format!("mood {number}").into()), client: None };
    UpdatePresenceRequest { attributes: PresenceSubList::new(vec![Attribute::StatusText(text)]) }
}

/// Milliseconds of processor time of this process, of all its threads.
fn busy() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("the times of this process");
    // Behind the name of the program, which may hold anything; in hundredths of a second.
    let (_, fields) = stat.rsplit_once(')').expect("the name of this process");
    let ticks =
        fields.split_whitespace().skip(11).take(2).map(|field| field.parse::<f64>().expect("a number"));
    ticks.sum::<f64>() * 10.0
}

/// Milliseconds of one change: the best of several, and the processor time of one of them.
async fn measured(point: &Point, publisher: usize, peers: usize, watchers: usize) -> (f64, f64) {
    let owner = user(publisher);
    let seen: AttributeSet = [AttributeName::StatusText].into_iter().collect();
    let mut edits = vec![Edit::Grant(Grant { to: For::Everybody, attributes: Some(seen), notify: false })];
    edits.extend((0..watchers).map(|number| watch(number, peers)));
    let found = point
        .store
        .publishers(vec![owner.clone()], Watchers::Nobody)
        .await
        .expect("the store")
        .pop()
        .flatten();
    let version = found.expect("an account").version;
    point.change(Change::Presence(Box::new(PresenceChange::Edit { owner, version, edits }))).await;
    let session = point.log_in(publisher).await;
    let mut best = f64::INFINITY;
    let rounds = (TOLD / watchers).clamp(4, 20) + 2;
    let mut before = 0.0;
    for (round, transaction) in (0..rounds).zip(10_u32..) {
        // The first two tell everybody for the first time, and find nothing in the caches.
        if round == 2 {
            before = busy();
        }
        let begin = Instant::now();
        let answer = point.ask(Some(&session), transaction, says(round)).await;
        assert_eq!(answer.code(), Code::SUCCESSFUL);
        if round > 1 {
            best = best.min(begin.elapsed().as_secs_f64() * 1e3);
        }
    }
    (best, (busy() - before) / (rounds - 2) as f64)
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let folder = Folder::new("fanout");
        let agreement = |number: usize| {
            let domain = format!("peer{number}.example").parse().expect("a domain");
            Agreement { services: Service::ALL.iter().copied().collect(), ..Agreement::with(domain) }
        };
        let agreements = (0..100).map(agreement).collect();
        let point = Point::new(folder.path(), agreements, PEERS.len() * 5).await;
        let most = std::env::args().skip(1).find_map(|word| word.parse().ok()).unwrap_or(MOST);
        let numbers = [10, 100, 1000, most / 2, most];
        let mut publisher = 0;
        for peers in PEERS {
            let mut taken = Vec::new();
            for watchers in numbers {
                let (milliseconds, busy) = Box::pin(measured(&point, publisher, peers, watchers)).await;
                publisher += 1;
                let each = busy * 1e3 / watchers as f64;
                println!(
                    "{watchers:>6} watchers over {peers:>3} peers: {milliseconds:>8.2} ms, busy {busy:>8.2} ms, {each:>8.2} µs each"
                );
                taken.push((watchers as f64, busy));
            }
            if let [.., (few, cheap), (fewer, less), (most, dear)] = taken[..] {
                let (first, last) = ((less - cheap) / (fewer - few), (dear - less) / (most - fewer));
                let ratio = last / first;
                let verdict = if ratio <= LIMIT { "kept" } else { "MISSED" };
                println!(
                    "   one more over {peers} peers: {:.2} µs from {few} to {fewer}, {:.2} µs beyond: {ratio:.2} (limit {LIMIT}: {verdict})",
                    first * 1e3,
                    last * 1e3
                );
            }
        }
    });
}
