//! `cargo bench --bench relay`: a message from a client's provider to the other's mailbox.
//!
//! Two real nodes in processes of their own: plain CSP in, mutual TLS between them, both stores on
//! disk. Beside them, in the same run, a bare hyper + rustls pair that carries the same body the same
//! way and keeps nothing. What counts is the ratio of CPU time per message over both processes, because
//! absolute times mean nothing on a shared machine (architecture §5). A node that messages only pass is
//! compared with a bare one that the same bodies pass: the message, and the answer that the protocol has
//! come back in a POST of its own.
//!
//! `cargo bench --bench relay -- SECONDS` sets how long each level lasts (default 5);
//! `cargo bench --bench relay -- transit SECONDS` leaves out all but the node in the middle.

// A benchmark may panic: that is how it fails. Its numbers are small enough for floats.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]

#[path = "support/bare.rs"]
mod bare;
#[path = "support/ends.rs"]
mod ends;
#[path = "support/load.rs"]
mod load;
#[path = "support/system.rs"]
mod system;

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use causeway::cli::laboratory::{Laboratory, Writing};
use load::{Lane, Level, sample};
use system::Folder;

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
        Some("end") => {
            let role = ends::Role {
                domain: words[2].clone(),
                hub: words[3].clone(),
                to: Some(words[4].clone()).filter(|to| to != "-"),
                transactions: words[5].parse().unwrap(),
                along: words[6] == "along",
                content: CONTENT_OCTETS,
            };
            runtime.block_on(ends::end(Path::new(&words[1]), role));
        }
        word => {
            let only_transit = word == Some("transit");
            let seconds = words.last().and_then(|word| word.parse().ok()).unwrap_or(5);
            runtime.block_on(measure(only_transit, Duration::from_secs(seconds)));
        }
    }
}

async fn measure(only_transit: bool, duration: Duration) {
    let folder = Folder::new("relay");
    let laboratory = Laboratory::new(folder.path()).await.unwrap();
    let bare = Bare::start(&laboratory);
    println!(
        "A message of {CONTENT_OCTETS} octets from a client to a mailbox of another provider; CPU over both processes\n"
    );
    println!(
        "{:<10} {:>9} {:>12} {:>14} {:>14} {:>7}",
        "in flight", "messages", "messages/s", "CPU µs/message", "bare µs/POST", "ratio"
    );
    if !only_transit {
        end_to_end(&laboratory, &bare, duration).await;
        println!();
    }
    for profile in ["standard", "causeway"] {
        for transactions in [1, 16] {
            transit(&laboratory, (profile, transactions), &bare, duration).await;
        }
    }
}

/// What both providers of a message spend on it.
async fn end_to_end(laboratory: &Laboratory, bare: &Bare, duration: Duration) {
    let domains = ("north.example", "south.example");
    let (north, south) = providers(laboratory, domains, "").await;
    let mut lanes = load::log_in(north.csp, SENDERS, CONTENT_OCTETS, RECIPIENTS, domains).await;
    let mut bare_lanes: Vec<_> = lanes.iter().map(|lane| lane.aimed_at(bare.pair)).collect();

    let mut fastest = 0.0_f64;
    for in_flight in [1, 32, 1000] {
        let bare = run(&[&bare.front, &bare.back], &mut bare_lanes[..in_flight], duration).await;
        let real = run(&[&north.process, &south.process], &mut lanes[..in_flight], duration).await;
        row(&in_flight.to_string(), &real, &bare, "");
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
    written_first(laboratory, fastest, duration).await;
}

/// Prints what a level of ours and of the bare ones cost.
fn row(in_flight: &str, real: &Level, bare: &Level, note: &str) {
    println!(
        "{in_flight:<10} {:>9} {:>12.0} {:>14.1} {:>14.1} {:>7.2}{note}",
        real.messages,
        real.per_second,
        real.cpu_micros,
        bare.cpu_micros,
        real.cpu_micros / bare.cpu_micros,
    );
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

/// What a process prints, line by line: addresses.
struct Lines(std::io::BufReader<std::process::ChildStdout>);

impl Lines {
    fn next(&mut self) -> SocketAddr {
        let mut line = String::new();
        std::io::BufRead::read_line(&mut self.0, &mut line).unwrap();
        line.trim().parse().unwrap()
    }
}

/// Another process of this program, in the role that the words say.
fn of_this_program(words: &[&str]) -> (Measured, Lines) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    let mut child = command.args(words).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let lines = Lines(std::io::BufReader::new(child.stdout.take().unwrap()));
    (Measured(child), lines)
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
        laboratory.provider(bare::DOMAIN, &Writing::default()).unwrap();
        let certificates = folder.to_str().unwrap();
        let start = |words: &[&str]| {
            let (child, mut lines) = of_this_program(words);
            (child, lines.next())
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
    ssp: SocketAddr,
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
    Node { process: Measured(process), ssp: ports[0], csp: ports[1], admin: ports[2] }
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

/// What the node in the middle spends on a message that only passes it.
async fn transit(
    laboratory: &Laboratory,
    (profile, transactions): (&str, usize),
    bare: &Bare,
    duration: Duration,
) {
    let domain = |role: &str| format!("{role}{transactions}-{profile}.example");
    let (one, hub, other) = (domain("one"), domain("hub"), domain("other"));
    let triple =
        |from: &str, to: &str| format!("[[transit]]\nfrom = \"{from}\"\nto = \"{to}\"\nvia = \"{to}\"\n");
    let spoken = format!("profile = \"{profile}\"");
    let entries = [
        peer(&one, transactions, &spoken),
        peer(&other, transactions, &spoken),
        triple(&one, &other),
        triple(&other, &one),
    ];
    let certificates = laboratory.folder().to_str().unwrap();
    let along = if profile == "causeway" { "along" } else { "-" };
    let count = transactions.to_string();
    let end = |domain: &str, to: &str| {
        laboratory.provider(domain, &Writing::default()).unwrap();
        let (child, mut lines) = of_this_program(&["end", certificates, domain, &hub, to, &count, along]);
        laboratory.publish(&domain.parse().unwrap(), lines.next());
        (child, lines.next())
    };
    let (mut front, plain) = end(&one, &other);
    let (mut back, _) = end(&other, "-");
    let middle = node(laboratory, &hub, &entries.concat(), ("http2 = false", ""));
    load::ready(middle.admin).await;
    for end in [&mut front, &mut back] {
        writeln!(end.0.stdin.as_mut().unwrap(), "{}", middle.ssp).unwrap();
    }
    let lanes = |server| (0..SENDERS).map(|_| Lane::plain(server, CONTENT_OCTETS)).collect::<Vec<_>>();
    let bare = run(&[&bare.middle], &mut lanes(bare.passing), duration).await;
    let real = run(&[&middle.process], &mut lanes(plain), duration).await;
    let note = format!("   transit, {transactions} a POST, {profile}, the middle node alone");
    row(&SENDERS.to_string(), &real, &bare, &note);
}
