//! `cargo bench --bench route`: from a client's message to its parts for each domain: admit, split and route, with
//! 10, 1 000 and 100 000 peers and with 1, 10 and 1 000 recipients (architecture §5). The cost must not grow
//! with the number of peers.

// A benchmark may panic: that is how it fails. Its numbers are small enough for floats.
#![allow(clippy::expect_used, clippy::panic, clippy::cast_precision_loss)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use causeway::imps::agreement::Agreement;
use causeway::imps::primitive::{ClientId, MessageInfo, Recipient, SendMessageRequest, User};
use causeway::imps::{Domain, Moment, Primitive, UserId};
use causeway::relay::admit;
use causeway::relay::route::Routes;
use causeway::relay::split::split;

const PEERS: [usize; 3] = [10, 1000, 100_000];
const RECIPIENTS: [usize; 3] = [1, 10, 1000];
/// How much dearer a decision may be with the most peers than with the fewest: the table no longer fits the
/// caches of the processor.
const LIMIT: f64 = 2.0;

fn message(peers: usize, recipients: usize) -> Primitive {
    let to = |number: usize| {
        let peer = (number * 7919 + 3) % peers;
        let address: UserId = format!("wv:user{number}@peer{peer}.example").parse().expect("an address");
        Recipient::User(User::from(address))
    };
    let info = MessageInfo {
        content_type: Some("text/plain".into()),
        recipients: (0..recipients).map(to).collect(),
        ..MessageInfo::default()
    };
    SendMessageRequest { delivery_report: false, info, content: Some("hello".into()) }.into()
}

/// Microseconds of one decision: the best of many short rounds.
fn microseconds(routes: &Routes, message: &Primitive) -> f64 {
    let (home, user): (Domain, UserId) =
        ("north.example".parse().expect("a domain"), "wv:ada@north.example".parse().expect("an address"));
    let client = ClientId::default();
    let now = Moment::from_millis(1_100_000_000_000);
    let mut best = f64::INFINITY;
    for _ in 0..40 {
        let (mut taken, mut count) = (Duration::ZERO, 0_u32);
        while taken < Duration::from_millis(4) {
            let request = message.clone();
            let begin = Instant::now();
            let admitted = admit::from_client(&user, &client, &home, request).expect("admitted");
            let parts = black_box(split(&admitted, routes, now).expect("split"));
            taken += begin.elapsed();
            assert!(!parts.remote.is_empty() && parts.refused.is_empty(), "everybody has a route");
            count += 1;
        }
        best = best.min(taken.as_secs_f64() * 1e6 / f64::from(count));
    }
    best
}

fn main() {
    for recipients in RECIPIENTS {
        let mut first = None;
        for peers in PEERS {
            let agreements: Vec<Agreement> = (0..peers)
                .map(|number| Agreement::with(format!("peer{number}.example").parse().expect("a domain")))
                .collect();
            let own: Domain = "north.example".parse().expect("a domain");
            let routes = Routes::new([own], agreements.iter().collect::<Vec<_>>(), false);
            let taken = microseconds(&routes, &message(peers, recipients));
            let ratio = taken / *first.get_or_insert(taken);
            let verdict = if ratio <= LIMIT { "kept" } else { "MISSED" };
            println!(
                "{peers:>6} peers, {recipients:>4} recipients: {taken:>8.2} µs, {:>9.0} decisions/s, {ratio:.2} of the fewest peers (limit {LIMIT}: {verdict})",
                1e6 / taken
            );
        }
    }
}
