//! What operators see and do while nodes run: `causeway peer` and `causeway queue`, and the admin API under
//! them.

use std::process::Output;

use causeway::cli::laboratory::Writing;
use causeway::imps::{Primitive, UserId};
use serde_json::Value;

use crate::csp::send;
use crate::process::{Process, run};
use crate::world::{Place, World, free_port, modern, receive, text, until};

const NORTH: &str = "north.example";
const SOUTH: &str = "south.example";

/// Runs a verb against the node of a place, on another thread: exit code, output, errors.
pub(super) async fn verb(place: &Place, words: &[&str]) -> (i32, String, String) {
    let config = place.provider.config().to_str().unwrap().to_owned();
    let mut words: Vec<String> = words.iter().map(ToString::to_string).collect();
    words.extend(["--config".to_owned(), config]);
    let told =
        tokio::task::spawn_blocking(move || run(&words.iter().map(String::as_str).collect::<Vec<_>>(), ""));
    let Output { status, stdout, stderr } = told.await.unwrap();
    let text = |octets| String::from_utf8(octets).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

/// The same where it must be done: the output.
pub(super) async fn done(place: &Place, words: &[&str]) -> String {
    let (code, output, errors) = verb(place, words).await;
    assert_eq!((code, errors.as_str()), (0, ""), "{words:?}: {output}");
    output
}

/// The same where it must be refused: the one line that says why and what to do.
pub(super) async fn refused(place: &Place, words: &[&str]) -> String {
    let (code, _, errors) = verb(place, words).await;
    assert_eq!((code, errors.lines().count()), (1, 1), "{words:?}: {errors}");
    assert!(errors.starts_with("causeway: ") && errors.contains("; "), "{errors}");
    errors
}

pub(super) async fn json(place: &Place, words: &[&str]) -> Value {
    serde_json::from_str(&done(place, &[words, &["--json"]].concat()).await).unwrap()
}

/// The line of a peer in `peer list`, its columns.
async fn listed(place: &Place, peer: &str) -> String {
    let list = done(place, &["peer", "list"]).await;
    let line = list.lines().find(|line| line.starts_with(peer)).unwrap_or_else(|| panic!("{peer}: {list}"));
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn to(user: &str) -> [UserId; 1] {
    [format!("wv:{user}@{SOUTH}").parse().unwrap()]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_is_listed_shown_and_its_session_explained() {
    // Given a live link, with an agreement that says more than the necessary
    let world = World::new().await;
    let agreement = "services = [\"im\", \"presence\", \"search\"]\ncontact = \"noc@south.example\"\nnote = \"tested on Mondays\"\n\
                     valid-from = 2020-01-01\nvalid-until = 2099-12-31\n";
    let north = world.place_with(NORTH, &Writing { peers: &[SOUTH], agreement, ..Writing::default() });
    let south = world.place(SOUTH, &[NORTH]);
    let (north_node, south_node) = (world.start(&north).await, world.start(&south).await);
    let mut ada = north.phone("ada", modern()).await;
    let mut bo = south.phone("bo", modern()).await;
    send(&mut ada, &["wv:bo@south.example"], "hello", false).await;
    assert_eq!(text(&receive(&mut bo).await), "hello");
    // Then it is listed, for people and for programs
    until("south has answered", async || {
        (listed(&north, SOUTH).await == "south.example active up 0 -").then_some(())
    })
    .await;
    let peers = json(&north, &["peer", "list"]).await;
    assert_eq!((&peers[0]["domain"], &peers[0]["link"]), (&Value::from(SOUTH), &Value::from("up")));
    // And shown with what is agreed, offered, and was seen of it
    let shown = until("south has told what it offers", async || {
        let shown = done(&north, &["peer", "show", SOUTH]).await;
        (!shown.contains("not told")).then_some(shown)
    })
    .await;
    for line in [
        "contact: noc@south.example",
        "note: tested on Mondays",
        "valid from: 2020-01-01",
        "services agreed: presence, im, search",
        "services in force: im",
        "certificate: CN=south.example",
        "last error: -",
    ] {
        let found = shown.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
        assert!(found.into_iter().any(|found| found.starts_with(line)), "{line}: {shown}");
    }
    // And its session is explained without anything secret
    let session = json(&north, &["peer", "session", SOUTH]).await;
    let link = &session["links"][0];
    assert_eq!(link["state"], "up");
    assert_eq!(link["sessions"][0]["current"], true);
    assert_eq!(link["sessions"][0]["opened_by"], NORTH);
    assert!(link["counters"]["posts_out"].as_u64().unwrap() > 0);
    let words = done(&north, &["peer", "session", SOUTH]).await;
    assert!(words.contains("session in use:") && words.contains("opened by:    north.example"), "{words}");
    for secret in ["token", "digest", "password"] {
        assert!(!session.to_string().contains(secret), "{secret}");
    }
    // A stranger is no peer
    assert!(refused(&north, &["peer", "show", "west.example"]).await.contains("has no entry in peers.toml"));
    north_node.drain().await;
    south_node.drain().await;
    // And without a node nobody answers
    assert!(refused(&north, &["peer", "list"]).await.contains("causeway serve"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_suspension_acts_at_once_and_survives_a_restart() {
    let world = World::new().await;
    let (north, south) = (world.place(NORTH, &[SOUTH]), world.place(SOUTH, &[NORTH]));
    let mut north_process = Process::start(&north).await;
    let _south = Process::start(&south).await;
    let (mut ada, mut bo) = (north.phone("ada", modern()).await, south.phone("bo", modern()).await);
    send(&mut ada, &["wv:bo@south.example"], "before", false).await;
    assert_eq!(text(&receive(&mut bo).await), "before");
    // When north's operator suspends south
    assert_eq!(done(&north, &["peer", "suspend", SOUTH]).await, "south.example: suspended (operator)\n");
    assert!(refused(&north, &["peer", "suspend", SOUTH]).await.contains("causeway peer resume"));
    // Then the live link is left, and what is sent waits
    until("the link is left", async || {
        let up = north.metric("causeway_ssp_link_up{peer=\"south.example\"}").await;
        (up < 0.5).then_some(())
    })
    .await;
    send(&mut ada, &["wv:bo@south.example"], "meanwhile", false).await;
    assert!(listed(&north, SOUTH).await.starts_with("south.example suspended (operator) "));
    assert!(refused(&north, &["peer", "retry", SOUTH]).await.contains("suspended by an operator"));
    assert!(refused(&north, &["peer", "test", SOUTH]).await.contains("agreement failed"));
    // And a restart changes nothing; `check` mentions it
    north_process.kill();
    drop(north_process);
    let north_process = Process::start(&north).await;
    assert!(listed(&north, SOUTH).await.starts_with("south.example suspended (operator) down 1 "));
    let (code, _, errors) = verb(&north, &["check"]).await;
    assert_eq!(code, 0);
    assert!(
        errors.contains("warning: domain = \"south.example\": suspended by an operator since "),
        "{errors}"
    );
    // Nor does reading the files again
    north_process.signal("HUP");
    let read = "causeway_reload_total{outcome=\"good\",what=\"peers\"}";
    until("the files are read", async || (north.metric(read).await > 0.0).then_some(())).await;
    assert_eq!(bo.poll().await.unwrap(), None);
    // When it is resumed, what waited arrives
    assert_eq!(done(&north, &["peer", "resume", SOUTH]).await, "south.example: active\n");
    assert_eq!(text(&receive(&mut bo).await), "meanwhile");
    assert!(refused(&north, &["peer", "resume", SOUTH]).await.contains("nothing to resume"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_test_says_step_by_step_what_works_and_what_to_do() {
    let world = World::new().await;
    let (north, south) =
        (world.place(NORTH, &[SOUTH, "nowhere.example", "stranger.example"]), world.place(SOUTH, &[NORTH]));
    // A provider that does not know north
    let stranger = world.place("stranger.example", &[SOUTH]);
    let north_node = world.start(&north).await;
    // Nobody is there
    let failed = refused(&north, &["peer", "test", SOUTH]).await;
    assert!(failed.contains("connect failed: ") && failed.contains("cannot be reached"), "{failed}");
    let failed = refused(&north, &["peer", "test", "nowhere.example"]).await;
    assert!(
        failed.contains("resolve failed: ") && failed.contains("_imps-server._tcp.nowhere.example"),
        "{failed}"
    );
    // Somebody is
    let south_node = world.start(&south).await;
    let told = done(&north, &["peer", "test", SOUTH]).await;
    let steps: Vec<_> =
        told.lines().map(|line| line.split_whitespace().take(2).collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(steps, ["agreement ok", "resolve ok", "connect ok", "verify ok", "log-in ok"], "{told}");
    // A link that is up is tested too
    let told = json(&north, &["peer", "test", SOUTH]).await;
    assert_eq!(told["ok"], true, "{told}");
    // Somebody who does not let us in
    let stranger_node = world.start(&stranger).await;
    let failed = refused(&north, &["peer", "test", "stranger.example"]).await;
    assert!(failed.contains("log-in failed: ") && failed.contains("HTTP 403"), "{failed}");
    // Somebody else than we think
    world.laboratory.publish(&stranger.provider.domain, south.ssp);
    let failed = refused(&north, &["peer", "test", "stranger.example"]).await;
    assert!(failed.contains("verify failed: ") && failed.contains("names"), "{failed}");
    for node in [north_node, south_node, stranger_node] {
        node.drain().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_is_listed_hurried_and_given_back() {
    // Given a peer that is not there, and two messages for it
    let world = World::new().await;
    let north = world.place(NORTH, &[SOUTH]);
    let south = world.place(SOUTH, &[NORTH]);
    let north_node = world.start(&north).await;
    let mut ada = north.phone("ada", modern()).await;
    for words in ["the first secret", "the second secret"] {
        ada.send(&to("bo"), words, false).await.unwrap();
    }
    // Then they are listed, without what they say
    let rows = json(&north, &["queue", "list", "--peer", SOUTH]).await;
    let rows: Vec<i64> = rows.as_array().unwrap().iter().map(|row| row["row"].as_i64().unwrap()).collect();
    assert_eq!(rows.len(), 2);
    let list = done(&north, &["queue", "list"]).await;
    assert_eq!(list.lines().count(), 3, "{list}");
    assert!(
        list.lines().skip(1).all(|line| line.contains("SendMessageRequest  wv:ada@north.example")),
        "{list}"
    );
    assert_eq!(done(&north, &["queue", "list", "--peer", "west.example"]).await.lines().count(), 1);
    let (first, second) = (rows[0].to_string(), rows[1].to_string());
    let shown = done(&north, &["queue", "show", &first]).await;
    assert!(shown.contains("recipients:") && shown.contains("wv:bo@south.example"), "{shown}");
    assert!(![&list, &shown].iter().any(|told| told.contains("secret")), "{list}{shown}");
    // One is dropped, and its author hears of it
    assert_eq!(done(&north, &["queue", "drop", &first]).await, "");
    match receive(&mut ada).await {
        Primitive::DeliveryReport(report) => assert!(!report.result.code.is_success()),
        other => panic!("{}", other.name()),
    }
    assert!(refused(&north, &["queue", "show", &first]).await.contains("does not wait"));
    assert!((north.metric("causeway_messages_failed_total{reason=\"dropped\"}").await - 1.0).abs() < 0.5);
    // The other leaves when the peer is there and the operator is impatient
    let south_node = world.start(&south).await;
    assert_eq!(done(&north, &["queue", "retry", &second]).await, "");
    let mut bo = south.phone("bo", modern()).await;
    until("it has arrived, or bo was not known yet", async || {
        (json(&north, &["queue", "list"]).await == serde_json::json!([])).then_some(())
    })
    .await;
    let _ = bo.poll().await.unwrap();
    // All of a peer at once
    south_node.drain().await;
    for words in ["a", "b", "c"] {
        ada.send(&to("bo"), words, false).await.unwrap();
    }
    assert_eq!(done(&north, &["queue", "drop", "--peer", SOUTH]).await, "3 dropped\n");
    assert_eq!(listed(&north, SOUTH).await.split(' ').nth(3), Some("0"));
    for wrong in [
        &["queue", "drop"][..],
        &["queue", "retry"],
        &["queue", "show"],
        &["queue", "drop", "1", "--peer", SOUTH],
    ] {
        assert_eq!(verb(&north, wrong).await.0, 2, "{wrong:?}");
    }
    north_node.drain().await;
}

/// A request to the admin listener with these headers: status and body.
async fn http(place: &Place, line: &str, headers: &str) -> (u16, String) {
    http_with(place, line, headers, "").await
}

/// The same with a body; the headers say how long it is.
pub(super) async fn http_with(place: &Place, line: &str, headers: &str, body: &str) -> (u16, String) {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut stream = tokio::net::TcpStream::connect(place.admin).await.unwrap();
    let request = format!("{line} HTTP/1.1\r\nConnection: close\r\n{headers}\r\n{body}");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    (status, answer.split_once("\r\n\r\n").unwrap().1.to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_api_is_for_programs_and_not_for_pages_of_other_sites() {
    let world = World::new().await;
    let north = world.place(NORTH, &[SOUTH]);
    let node = world.start(&north).await;
    let host = format!("Host: {}\r\n", north.admin);
    let (status, body) = http(&north, "GET /api/v1/peers", &host).await;
    assert_eq!(status, 200);
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(body["peers"][0]["domain"], SOUTH);
    let suspend = "POST /api/v1/peers/south.example/suspend";
    for headers in [
        format!("{host}Origin: https://evil.example\r\n"),
        format!("{host}Sec-Fetch-Site: cross-site\r\n"),
        "Host: rebound.example\r\n".to_owned(),
    ] {
        let (status, body) = http(&north, suspend, &headers).await;
        assert_eq!(status, 403, "{headers}");
        assert!(serde_json::from_str::<Value>(&body).unwrap()["error"].is_string());
    }
    assert_eq!(http(&north, suspend, &format!("{host}Content-Length: 2\r\n")).await.0, 413);
    assert_eq!(http(&north, "GET /api/v1/fish", &host).await.0, 404);
    assert_eq!(listed(&north, SOUTH).await.split(' ').nth(1), Some("active"), "nothing has happened");
    node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn elsewhere_than_on_loopback_a_token_is_needed() {
    let world = World::new().await;
    let mut north = world.place(NORTH, &[SOUTH]);
    let file = north.provider.config();
    let admin = free_port();
    let text = std::fs::read_to_string(&file).unwrap();
    let listen = format!("listen = \"{}\"", north.admin);
    let open = text.replace(&listen, &format!("listen = \"0.0.0.0:{}\"", admin.port()));
    std::fs::write(&file, &open).unwrap();
    let (code, _, errors) = verb(&north, &["check"]).await;
    assert_eq!(code, 1);
    assert!(errors.contains("reachable from elsewhere without a token"), "{errors}");
    // With one the verbs show it, and others are turned away
    let folder = &north.provider.folder;
    std::fs::write(folder.join("token"), "0123456789abcdef0123456789abcdef\n").unwrap();
    std::fs::write(&file, open.replace("[admin]\n", "[admin]\ntoken-file = \"token\"\n")).unwrap();
    north.admin = admin;
    let node = world.start(&north).await;
    assert!(listed(&north, SOUTH).await.starts_with("south.example active"));
    let host = format!("Host: {admin}\r\n");
    assert_eq!(http(&north, "GET /api/v1/peers", &host).await.0, 401);
    std::fs::write(north.provider.folder.join("token"), "ffffffffffffffffffffffffffffffff\n").unwrap();
    assert!(refused(&north, &["peer", "list"]).await.contains("wants another token"));
    node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_doctor_looks_at_ourselves_and_at_a_peer() {
    let world = World::new().await;
    let (north, south) = (world.place(NORTH, &[SOUTH]), world.place(SOUTH, &[NORTH]));
    let finds = |told: &str, begin: &str| {
        let lines = told.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
        assert!(lines.into_iter().any(|line| line.starts_with(begin)), "{begin}: {told}");
    };
    // Before the first start: DNS leads to us, and nobody is there yet
    let told = done(&north, &["doctor"]).await;
    finds(&told, "ok configuration 1 peers");
    finds(&told, "warning node no node answers at");
    finds(&told, "ok north.example resolve imps.north.example");
    finds(&told, "warning north.example at imps.north.example");
    let (code, told, errors) = verb(&north, &["doctor", SOUTH]).await;
    assert_eq!((code, errors.lines().count()), (1, 1), "{errors}");
    finds(&told, "failed south.example at imps.south.example");
    // With both running
    let (north_node, south_node) = (world.start(&north).await, world.start(&south).await);
    let told = done(&north, &["doctor", SOUTH]).await;
    for begin in [
        "ok node it runs and answers",
        "ok north.example at imps.north.example",
        "ok south.example verify CN=south.example",
        "ok south.example log-in session ",
    ] {
        finds(&told, begin);
    }
    assert!(!told.contains("failed"), "{told}");
    // And with somebody else where DNS leads
    world.laboratory.publish(&north.provider.domain, south.ssp);
    let looks = verb(&north, &["doctor", "--json"]).await;
    assert_eq!(looks.0, 1);
    let looks: Value = serde_json::from_str(&looks.1).unwrap();
    let failed = looks.as_array().unwrap().iter().find(|look| look["outcome"] == "failed").unwrap();
    assert!(failed["text"].as_str().unwrap().contains("none of which stands for north.example"), "{failed}");
    north_node.drain().await;
    south_node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_shows_its_next_key_is_believed_and_the_doctor_says_which_pin_can_go() {
    // Given an entry with the key that south shows now and the one that it will show next
    let world = World::new().await;
    let (north, south) = (world.place(NORTH, &[SOUTH]), world.place(SOUTH, &[NORTH]));
    let pem = std::fs::read(world.laboratory.folder().join("south.example.pem")).unwrap();
    let key = causeway::net::certificate::key_hashes_of_pem(&pem).unwrap()[0];
    let pin = causeway::net::certificate::pin_text(&key);
    let other = causeway::net::certificate::pin_text(&[1; 32]);
    let peers = north.provider.folder.join("peers.toml");
    let entry = std::fs::read_to_string(&peers).unwrap();
    let pinned = |pins: [&str; 2]| {
        let pins = format!("domain = \"{SOUTH}\"\npins = [\"{}\", \"{}\"]", pins[0], pins[1]);
        std::fs::write(&peers, entry.replace(&format!("domain = \"{SOUTH}\""), &pins)).unwrap();
    };
    let south_node = world.start(&south).await;
    let has = |told: &str, words: &[&str]| {
        assert!(told.lines().any(|line| words.iter().all(|word| line.contains(word))), "{words:?}: {told}");
    };
    // When it shows the first, all is well
    pinned([&pin, &other]);
    let told = verb(&north, &["doctor", SOUTH]).await.1;
    has(&told, &["ok", "is the peer, by the first of its pins"]);
    // When it shows the second, it is the peer all the same, and there is something to do
    pinned([&other, &pin]);
    let told = verb(&north, &["doctor", SOUTH]).await.1;
    has(&told, &["warning", "shows the key of pin 2 of 2", "take the pins before it out"]);
    // And a node that runs says the same
    let north_node = world.start(&north).await;
    let told = done(&north, &["doctor", SOUTH]).await;
    has(&told, &["warning", "verify", "shows the key of pin 2 of 2"]);
    has(&done(&north, &["peer", "test", SOUTH]).await, &["warning", "verify", "pin 2 of 2"]);
    // And no third key is believed
    let third = causeway::net::certificate::pin_text(&[2; 32]);
    pinned([&other, &third]);
    let told = verb(&north, &["doctor", SOUTH]).await.1;
    assert!(!told.contains("is the peer"), "{told}");
    north_node.drain().await;
    south_node.drain().await;
}
