//! `cargo bench --bench sessions`: what an idle CSP session costs in resident memory, with 100, 10 000 and
//! 100 000 of them (architecture §5). A session is a phone that has logged in, told its capabilities and polled
//! once; its user has nothing else. The limit is 4 KiB.

// A benchmark may panic: that is how it fails. Its numbers are small enough for floats.
#![allow(clippy::expect_used, clippy::panic, clippy::cast_precision_loss)]

#[path = "support/point.rs"]
mod point;

use std::sync::Arc;
use std::time::Instant;

use causeway::imps::Primitive;
use point::{Folder, Point};

/// Octets that a session may cost.
const LIMIT: f64 = 4096.0;
/// Sessions, each level on top of the one before.
const LEVELS: [usize; 3] = [100, 10_000, 100_000];
/// Logins under way at a time: they share commits.
const AT_ONCE: usize = 256;
/// Sessions before any is counted: what is there once, whoever comes, such as caches, buffers, the allocator's
/// pages, and code that was not run before.
const TO_BEGIN_WITH: usize = 4096;

/// Resident memory of this process, octets.
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("/proc");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
    line.trim().trim_end_matches(" kB").parse::<f64>().expect("a number") * 1024.0
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

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let folder = Folder::new("sessions");
        let begin = Instant::now();
        let most = LEVELS.iter().copied().max().unwrap_or_default() + TO_BEGIN_WITH;
        let point = Arc::new(Point::new(folder.path(), Vec::new(), most).await);
        log_in(&point, 0, TO_BEGIN_WITH).await;
        let (base, mut before) = (resident(), TO_BEGIN_WITH);
        println!(
            "{TO_BEGIN_WITH} sessions to begin with: {:.1} MiB after {:?}",
            base / 1_048_576.0,
            begin.elapsed()
        );
        for level in LEVELS {
            let begin = Instant::now();
            log_in(&point, before, level + TO_BEGIN_WITH).await;
            before = level + TO_BEGIN_WITH;
            let octets = (resident() - base) / level as f64;
            let verdict = if octets <= LIMIT { "kept" } else { "MISSED" };
            println!(
                "{level:>7} sessions: {octets:>6.0} octets each (limit {LIMIT}: {verdict}), {:.0} logins/s",
                level as f64 / begin.elapsed().as_secs_f64()
            );
        }
    });
}
