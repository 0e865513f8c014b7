//! `cargo bench --bench relay`: a message from a client's provider to the other's mailbox.
//!
//! Two real nodes in processes of their own: plain CSP in, mutual TLS between them, both stores on
//! disk. Beside them, in the same run, a bare hyper + rustls pair that carries the same body the same
//! way and keeps nothing. What counts is the ratio of CPU time per message over both processes, because
//! absolute times mean nothing on a shared machine (architecture §5). A node that messages only pass is
//! compared with a bare one that the same bodies pass: the message, and the answer that the protocol has
//! come back in a POST of its own.
//!
//! `cargo bench --bench relay -- SECONDS` sets how long each level lasts (default 5).

// A benchmark may panic: that is how it fails. Its numbers are small enough for floats.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]

#[path = "support/bare.rs"]
mod bare;
#[path = "support/load.rs"]
mod load;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use causeway::cli::laboratory::{Laboratory, Writing};
use load::{Lane, Level, sample};

/// Octets of a message's content.
const CONTENT_OCTETS: usize = 1024;
/// Octets of an answer to a message, in a POST of its own.
const ANSWER_OCTETS: usize = 385;
/// Users who write; one connection each.
const SENDERS: usize = 1000;
/// Users who are written to.
const RECIPIENTS: usize = 200;

/// A process that is measured and ended.
struct Measured(Child);

impl Measured {
    /// User and system time so far.
    fn cpu(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.0.id())).unwrap();
        let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
        let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
        Duration::from_millis(ticks * 10)
    }
}

impl Drop for Measured {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    match words.first().map(String::as_str) {
        Some("bare-back") => runtime.block_on(bare::back(Path::new(&words[1]))),
        Some("bare-front") => {
            let (back, answers) = (words[2].parse().unwrap(), words[3].parse().unwrap());
            runtime.block_on(bare::front(Path::new(&words[1]), back, answers));
        }
        Some("bare-middle") => {
            runtime.block_on(bare::middle(Path::new(&words[1]), words[2].parse().unwrap()));
        }
        seconds => {
            let seconds = seconds.and_then(|word| word.parse().ok()).unwrap_or(5);
            runtime.block_on(measure(Duration::from_secs(seconds)));
        }
    }
}

async fn measure(duration: Duration) {
    let folder = Folder(std::env::temp_dir().join(format!("causeway-bench-{}", std::process::id())));
    std::fs::create_dir_all(&folder.0).unwrap();
    let laboratory = Laboratory::new(&folder.0).await.unwrap();

    println!(
        "A message of {CONTENT_OCTETS} octets from a client to a mailbox of another provider; CPU over both processes\n"
    );
    println!(
        "{:<10} {:>9} {:>12} {:>14} {:>14} {:>7}",
        "in flight", "messages", "messages/s", "CPU µs/message", "bare µs/POST", "ratio"
    );

    let bare = Bare::start(&laboratory);
    let domains = ("north.example", "south.example");
    let (north, south) = providers(&laboratory, domains, "").await;
    let mut lanes = load::log_in(north.csp, SENDERS, CONTENT_OCTETS, RECIPIENTS, domains).await;
    let mut bare_lanes: Vec<_> = lanes.iter().map(|lane| lane.aimed_at(bare.pair)).collect();

    let mut fastest = 0.0_f64;
    for in_flight in [1, 32, 1000] {
        let bare = run(&[&bare.front, &bare.back], &mut bare_lanes[..in_flight], duration).await;
        let real = run(&[&north.process, &south.process], &mut lanes[..in_flight], duration).await;
        println!(
            "{in_flight:<10} {:>9} {:>12.0} {:>14.1} {:>14.1} {:>7.2}",
            real.messages,
            real.per_second,
            real.cpu_micros,
            bare.cpu_micros,
            real.cpu_micros / bare.cpu_micros,
        );
        fastest = real.per_second;
    }
    let mut delays = load::paced(&mut lanes[..64], 200, duration.max(Duration::from_secs(5))).await;
    delays.sort_unstable();
    println!(
        "\nat 200 messages/s: p50 {:.1} ms, p99 {:.1} ms until the answer (the message is on the other's disk)",
        sample(&delays, 0.50),
        sample(&delays, 0.99)
    );
    drop((north, south));
    written_first(&laboratory, fastest, duration).await;
    println!();
    for (profile, http2) in [("standard", false), ("causeway", false), ("causeway", true)] {
        for transactions in [1, 16] {
            let spoken = Spoken { profile, http2, transactions };
            transit(&laboratory, &spoken, &bare, duration).await;
        }
    }
}

/// Runs a level and reads the processes' clocks around it.
async fn run(processes: &[&Measured], lanes: &mut [Lane], duration: Duration) -> Level {
    // Connections and caches warm up first.
    load::closed(lanes, duration / 5).await;
    let (before, begin) = (processes.iter().map(|process| process.cpu()).sum::<Duration>(), Instant::now());
    let messages = load::closed(lanes, duration).await;
    let (taken, elapsed) = (
        processes.iter().map(|process| process.cpu()).sum::<Duration>().saturating_sub(before),
        begin.elapsed(),
    );
    Level {
        messages,
        per_second: messages as f64 / elapsed.as_secs_f64(),
        cpu_micros: taken.as_secs_f64() * 1e6 / messages.max(1) as f64,
    }
}

/// What a real node is compared with.
struct Bare {
    front: Measured,
    back: Measured,
    /// Where the pair takes messages.
    pair: SocketAddr,
    /// Between another front, that also posts the answers, and the same back.
    middle: Measured,
    /// Where what passes the middle is taken.
    passing: SocketAddr,
    _passing: Measured,
}

impl Bare {
    fn start(laboratory: &Laboratory) -> Self {
        let folder = laboratory.folder();
        laboratory.provider("bare.example", &Writing::default()).unwrap();
        let certificates = folder.to_str().unwrap();
        let start = |words: &[&str]| {
            let program = std::env::current_exe().unwrap();
            let mut child = Command::new(program).args(words).stdout(Stdio::piped()).spawn().unwrap();
            let mut line = String::new();
            std::io::BufRead::read_line(
                &mut std::io::BufReader::new(child.stdout.take().unwrap()),
                &mut line,
            )
            .unwrap();
            (Measured(child), line.trim().parse::<SocketAddr>().unwrap())
        };
        let (back, behind) = start(&["bare-back", certificates]);
        let (front, pair) = start(&["bare-front", certificates, &behind.to_string(), "0"]);
        let (middle, between) = start(&["bare-middle", certificates, &behind.to_string()]);
        let answers = ANSWER_OCTETS.to_string();
        let (others, passing) = start(&["bare-front", certificates, &between.to_string(), &answers]);
        Self { front, back, pair, middle, passing, _passing: others }
    }
}

/// A provider's process, with its listeners for clients and for the operator.
struct Node {
    process: Measured,
    csp: SocketAddr,
    admin: SocketAddr,
}

/// Starts a provider with these entries in its `peers.toml`, and lines for `[ssp]` and `[limits]`.
fn node(laboratory: &Laboratory, domain: &str, peers: &str, (ssp_lines, limits): (&str, &str)) -> Node {
    let sections = format!("[log]\nlevel = \"warn\"\n[limits]\n{limits}");
    let listeners: Vec<std::net::TcpListener> =
        (0..3).map(|_| std::net::TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    let ports: Vec<SocketAddr> = listeners.iter().map(|listener| listener.local_addr().unwrap()).collect();
    drop(listeners);
    let writing = Writing {
        ssp: ports[0],
        csp: ports[1],
        admin: ports[2],
        ssp_lines,
        csp_lines: "registration = \"open\"",
        sections: &sections,
        ..Writing::default()
    };
    let provider = laboratory.provider(domain, &writing).unwrap();
    std::fs::write(provider.folder.join("peers.toml"), peers).unwrap();
    laboratory.publish(&provider.domain, ports[0]);
    let program = env!("CARGO_BIN_EXE_causeway");
    let process = Command::new(program).arg("serve").arg("--config").arg(provider.config()).spawn().unwrap();
    Node { process: Measured(process), csp: ports[1], admin: ports[2] }
}

/// An entry for a peer that takes so many Transactions in a POST.
fn peer(domain: &str, transactions: usize, lines: &str) -> String {
    format!(
        "[[peer]]\ndomain = \"{domain}\"\nservices = [\"im\"]\nmax-transactions-per-post = {transactions}\n{lines}\n"
    )
}

async fn providers(laboratory: &Laboratory, (from, to): (&str, &str), limits: &str) -> (Node, Node) {
    let north = node(laboratory, from, &peer(to, 16, ""), ("", limits));
    let south = node(laboratory, to, &peer(from, 16, ""), ("", limits));
    load::ready(north.admin).await;
    load::ready(south.admin).await;
    load::register(south.csp, to, RECIPIENTS).await;
    (north, south)
}

/// The same where both providers write everything before it leaves.
async fn written_first(laboratory: &Laboratory, fastest: f64, duration: Duration) {
    let domains = ("north-disk.example", "south-disk.example");
    let (north, south) = providers(laboratory, domains, "cut-through-milliseconds = 0").await;
    let mut lanes = load::log_in(north.csp, SENDERS, CONTENT_OCTETS, RECIPIENTS, domains).await;
    let real = run(&[&north.process, &south.process], &mut lanes, duration).await;
    println!(
        "written first: {:.0} messages/s at {SENDERS} in flight, {:.2} of those with cut-through; {:.1} CPU µs/message",
        real.per_second,
        real.per_second / fastest,
        real.cpu_micros,
    );
}

/// How the nodes of a transit speak.
struct Spoken {
    profile: &'static str,
    http2: bool,
    /// Transactions in a POST, at most.
    transactions: usize,
}

/// What the node in the middle spends on a message that only passes it.
async fn transit(
    laboratory: &Laboratory,
    &Spoken { profile, http2, transactions }: &Spoken,
    bare: &Bare,
    duration: Duration,
) {
    let domain = |role: &str| format!("{role}{transactions}-{profile}{}.example", u8::from(http2));
    let (one, hub, other) = (domain("one"), domain("hub"), domain("other"));
    let triple =
        |from: &str, to: &str| format!("[[transit]]\nfrom = \"{from}\"\nto = \"{to}\"\nvia = \"{to}\"\n");
    let spoken = format!("profile = \"{profile}\"");
    let carries = |domain: &str| format!("carries = [\"{domain}\"]\n{spoken}");
    let entries = [
        peer(&one, transactions, &spoken),
        peer(&other, transactions, &spoken),
        triple(&one, &other),
        triple(&other, &one),
    ];
    let sections = (if http2 { "" } else { "http2 = false" }, "");
    let middle = node(laboratory, &hub, &entries.concat(), sections);
    let front = node(laboratory, &one, &peer(&hub, transactions, &carries(&other)), sections);
    let back = node(laboratory, &other, &peer(&hub, transactions, &carries(&one)), sections);
    for node in [&middle, &front, &back] {
        load::ready(node.admin).await;
    }
    load::register(back.csp, &other, RECIPIENTS).await;
    let mut lanes = load::log_in(front.csp, SENDERS, CONTENT_OCTETS, RECIPIENTS, (&one, &other)).await;
    let mut bare_lanes: Vec<_> = lanes.iter().map(|lane| lane.aimed_at(bare.passing)).collect();
    let bare = run(&[&bare.middle], &mut bare_lanes, duration).await;
    let real = run(&[&middle.process], &mut lanes, duration).await;
    println!(
        "{:<10} {:>9} {:>12.0} {:>14.1} {:>14.1} {:>7.2}   transit, {transactions} a POST, {profile}{}, the middle node alone",
        SENDERS,
        real.messages,
        real.per_second,
        real.cpu_micros,
        bare.cpu_micros,
        real.cpu_micros / bare.cpu_micros,
        if http2 { " over HTTP/2" } else { "" },
    );
}
