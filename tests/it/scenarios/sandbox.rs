//! What a node gives up once it has read its configuration.

use std::fs;
use std::path::Path;

use causeway::net::pki;

use crate::process::Process;
use crate::world::{Folder, Place, World, until};

const NORTH: &str = "north.example";

/// Writes an entry whose CA is this file, and has it read.
fn trust(north: &Place, process: &Process, file: &Path) {
    let entry = format!(
        "[[peer]]\ndomain = \"south.example\"\nservices = [\"im\"]\ntrust = [\"{}\"]\n",
        file.display()
    );
    fs::write(north.provider.folder.join("peers.toml"), entry).unwrap();
    process.signal("HUP");
}

async fn followed(north: &Place) {
    let good = "causeway_reload_total{outcome=\"good\",what=\"peers\"}";
    until("it is read", async || (north.metric(good).await > 0.0).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_reads_nothing_outside_its_folders_and_takes_up_certificates_inside_them() {
    // Given a node that runs, and a CA in a folder that its configuration did not name
    let world = World::new().await;
    let north = world.place(NORTH, &[]);
    let inside = world.laboratory.folder();
    let elsewhere = Folder::new();
    let outside = elsewhere.path().join("ca.pem");
    fs::copy(inside.join("ca.pem"), &outside).unwrap();
    let process = Process::start(&north).await;
    // Then no thread of it has a capability or can gain one, and the log says what is enforced
    for (key, value) in [("NoNewPrivs", "1"), ("CapPrm", "0000000000000000"), ("CapEff", "0000000000000000")]
    {
        let threads = process.of_every_thread(key);
        assert!(!threads.is_empty() && threads.iter().all(|found| found == value), "{key}: {threads:?}");
    }
    let log = process.log();
    assert!(log.contains("no_new_privileges=true capabilities=none"), "{log}");
    if log.contains("files=\"not\"") {
        return;
    }
    // When it is told to read the file outside, then it says that it may not, and keeps what it had
    trust(&north, &process, &outside);
    until("it is refused", async || process.log().contains("Permission denied").then_some(())).await;
    assert!(process.log().contains("ca.pem"), "{}", process.log());
    let (_, metrics) = north.admin("/metrics").await;
    assert!(!metrics.contains("peer=\"south.example\""), "{metrics}");
    // When the same is inside, and its own certificate is another, then both are taken up
    trust(&north, &process, &inside.join("ca.pem"));
    followed(&north).await;
    let certificates = "causeway_reload_total{outcome=\"good\",what=\"certificates\"}";
    let before = north.metric(certificates).await;
    pki::issue(inside, &[NORTH.parse().unwrap()], true).unwrap();
    until("it is taken up", async || (north.metric(certificates).await > before).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_without_a_sandbox_says_so_and_reads_what_it_is_told_to() {
    let world = World::new().await;
    let north = world.place(NORTH, &[]);
    let elsewhere = Folder::new();
    let outside = elsewhere.path().join("ca.pem");
    fs::copy(world.laboratory.folder().join("ca.pem"), &outside).unwrap();
    let config = north.provider.config();
    let written = fs::read_to_string(&config).unwrap();
    fs::write(&config, written.replace("[node]\n", "[node]\nsandbox = false\n")).unwrap();
    let process = Process::start(&north).await;
    assert!(process.log().contains("no sandbox: [node] sandbox = false"), "{}", process.log());
    trust(&north, &process, &outside);
    followed(&north).await;
}
