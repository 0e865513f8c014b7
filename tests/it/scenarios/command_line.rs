//! The contract with operators (architecture §4): exit codes, what is said and where, signals, the
//! pages of the admin listener.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Output;
use std::time::{Duration, Instant};

use causeway::cli::laboratory::Writing;
use causeway::imps::{Code, Primitive, UserId, Version};
use causeway::wire::Encoding;

use crate::process::{Process, run};
use crate::world::{Folder, Place, World, manner, modern, receive, text, try_http_get, until};

const NORTH: &str = "north.example";
const SOUTH: &str = "south.example";

/// Exit code, standard output, standard error.
fn told(output: &Output) -> (i32, String, String) {
    let text = |octets: &[u8]| String::from_utf8(octets.to_vec()).unwrap();
    (output.status.code().expect("it ends by itself"), text(&output.stdout), text(&output.stderr))
}

/// Runs a verb on another thread, so that nodes and DNS of this test go on.
async fn verb(words: &[&str], input: &str) -> (i32, String, String) {
    let words: Vec<String> = words.iter().map(ToString::to_string).collect();
    let input = input.to_owned();
    tokio::task::spawn_blocking(move || {
        told(&run(&words.iter().map(String::as_str).collect::<Vec<_>>(), &input))
    })
    .await
    .unwrap()
}

fn config(place: &Place) -> String {
    place.provider.config().to_str().unwrap().to_owned()
}

/// `FILE:LINE:COL: error: KEY …: what is wrong; allowed: …`
fn is_finding(line: &str, folder: &Path) -> bool {
    let Some(rest) = line.strip_prefix(folder.to_str().unwrap()) else { return false };
    let mut parts = rest.splitn(4, ':');
    let mut next = || parts.next().unwrap_or_default();
    let (file, at, column, rest) = (next(), next(), next(), next());
    let number = |text: &str| text.parse::<u32>().is_ok_and(|number| number > 0);
    [".toml", ".pem"].iter().any(|end| file.ends_with(end))
        && number(at)
        && number(column)
        && (rest.starts_with(" error: ") || rest.starts_with(" warning: "))
        && rest.contains("; allowed: ")
}

#[test]
fn every_verb_stands_in_the_help_and_wrong_usage_ends_with_2() {
    let (code, help, errors) = told(&run(&["--help"], ""));
    assert_eq!((code, errors.as_str()), (0, ""));
    for verb in [
        "serve", "check", "doctor", "demo", "client", "user", "export", "import", "backup", "restore",
        "peer", "queue", "cert",
    ] {
        assert!(help.lines().any(|line| line.trim_start().starts_with(verb)), "{verb} is missing: {help}");
        let (code, own, _) = told(&run(&[verb, "--help"], ""));
        assert_eq!(code, 0);
        assert!(own.contains(&format!("Usage: causeway {verb}")), "{own}");
    }
    let (code, version, _) = told(&run(&["--version"], ""));
    assert_eq!((code, version), (0, format!("causeway {}\n", env!("CARGO_PKG_VERSION"))));
    for words in
        [&[][..], &["fly"], &["serve", "--port", "1"], &["user", "add"], &["cert"], &["demo", "--twice"]]
    {
        let (code, output, errors) = told(&run(words, ""));
        assert_eq!((code, output.as_str()), (2, ""), "{words:?}");
        assert!(!errors.is_empty(), "{words:?}");
    }
}

#[test]
fn check_and_serve_tell_all_mistakes_at_once_with_their_places() {
    let folder = Folder::new();
    let file = folder.path().join("causeway.toml");
    let lines = "[node]\ndomains = [\"north.example\", \"no domain\"]\nspeed = \"fast\"\n\n\
                 [ssp]\nlisten = [\"somewhere\"]\ntrust = [\"missing.pem\"]\npeers = \"peers.toml\"\n\n\
                 [csp]\nmax-document-bytes = 7\n\n[log]\nformat = \"yaml\"\n";
    std::fs::write(&file, lines).unwrap();
    std::fs::write(folder.path().join("peers.toml"), "[[peer]]\nservices = [\"imm\"]\n").unwrap();
    let file = file.to_str().unwrap();
    let (code, output, errors) = told(&run(&["check", "--config", file], ""));
    assert_eq!(code, 1, "{errors}");
    for line in errors.lines() {
        assert!(is_finding(line, folder.path()), "{line}");
    }
    for mistake in [
        "causeway.toml:2:29: error: domains = \"no domain\": ",
        "causeway.toml:3:1: error: speed = \"fast\": unknown key",
        "causeway.toml:6:11: error: listen = \"somewhere\": ",
        "causeway.toml:7:10: error: trust = \"missing.pem\": ",
        "causeway.toml:11:1: error: max-document-bytes = 7: too small; allowed: ",
        "causeway.toml:14:1: error: format = \"yaml\": ",
        "peers.toml:1:1: error: peer.domain: is missing",
        "peers.toml:2:13: error: services = \"imm\": ",
    ] {
        assert!(errors.contains(mistake), "{mistake}: {errors}");
    }
    let number = errors.lines().filter(|line| line.contains(": error: ")).count();
    assert!(output.contains(&format!("{number} errors")), "{output}");
    // serve says the same, and starts nothing
    let (code, output, served) = told(&run(&["serve", "--config", file], ""));
    assert_eq!((code, output.as_str()), (1, ""));
    let (last, findings) = served.trim_end().rsplit_once('\n').unwrap();
    assert_eq!(format!("{last}\n"), errors.as_str().to_owned());
    assert!(findings.starts_with("causeway: "), "{findings}");
    assert!(!folder.path().join("data").exists());
    // A file that is not there is said in one line
    let missing = folder.path().join("elsewhere/none.toml");
    let (code, _, errors) = told(&run(&["check", "--config", missing.to_str().unwrap()], ""));
    assert_eq!((code, errors.lines().count()), (1, 1), "{errors}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn warnings_leave_the_exit_code_at_0() {
    let world = World::new().await;
    let north = world.place(NORTH, &["nowhere.example"]);
    let (code, output, errors) = verb(&["check", "--config", &config(&north)], "").await;
    assert_eq!(code, 0, "{errors}");
    assert!(output.ends_with(": 0 errors, 1 warning\n"), "{output}");
    assert!(errors.contains("warning: domain = \"nowhere.example\": "), "{errors}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_are_made_and_removed_before_the_first_start_and_beside_a_running_node() {
    let world = World::new().await;
    let writing = Writing::default();
    let mut north = world.place_with(NORTH, &writing);
    // Nobody gets an account by logging in
    let file = config(&north);
    let closed = std::fs::read_to_string(&file).unwrap().replace("\"open\"", "\"closed\"");
    std::fs::write(&file, closed).unwrap();
    north.provider.domain = NORTH.parse().unwrap();
    let user = async |action: &str, address: &str, input: &str| {
        verb(&["user", action, address, "--config", &file], input).await
    };
    let nothing = || (0, String::new(), String::new());
    // Before the first start
    assert_eq!(user("add", "ada@north.example", "secret\n").await, nothing());
    let (code, _, errors) = user("add", "wv:ada@north.example", "other\n").await;
    assert_eq!(code, 1);
    assert_eq!(errors.lines().count(), 1);
    assert!(errors.contains("exists already"), "{errors}");
    let _node = Process::start(&north).await;
    let digest = modern();
    let plain = causeway::cli::phone::Manner { digest: false, ..modern() };
    for manner in [&digest, &plain] {
        let mut ada = north.silent_phone("ada", manner.clone());
        ada.login("secret").await.unwrap();
        // Beside the running node
        assert!(north.silent_phone("bo", manner.clone()).login("b").await.is_err());
        assert_eq!(user("add", "bo", "b\n").await, nothing());
        let mut bo = north.silent_phone("bo", manner.clone());
        bo.login("b").await.unwrap();
        assert_eq!(
            verb(&["user", "list", "--config", &file], "").await,
            (0, "wv:ada@north.example\nwv:bo@north.example\n".to_owned(), String::new())
        );
        // Another password acts at the next login
        assert_eq!(user("passwd", "bo", "c\n").await, nothing());
        assert!(north.silent_phone("bo", manner.clone()).login("b").await.is_err());
        north.silent_phone("bo", manner.clone()).login("c").await.unwrap();
        // Who is removed cannot log in, and messages do not reach them
        assert_eq!(user("remove", "wv:bo@north.example", "").await, nothing());
        assert!(north.silent_phone("bo", manner.clone()).login("c").await.is_err());
        let answer = ada.send(&[north.user("bo")], "are you there?", false).await.unwrap();
        assert_eq!(answer.result.code, Code::UNKNOWN_USER);
    }
    for (action, address, input) in
        [("remove", "bo", ""), ("passwd", "bo", "x\n"), ("add", "di@south.example", "x\n"), ("add", "di", "")]
    {
        let (code, output, errors) = user(action, address, input).await;
        assert_eq!((code, output.as_str(), errors.lines().count()), (1, "", 1), "{action} {address}");
        assert!(errors.starts_with("causeway: "), "{errors}");
    }
}

#[test]
fn certificates_are_made_kept_and_shown() {
    let folder = Folder::new();
    let certs = folder.path().join("certs");
    let dir = certs.to_str().unwrap();
    assert_eq!(told(&run(&["cert", "ca", dir], "")).0, 0);
    assert_eq!(told(&run(&["cert", "issue", dir, NORTH, "alias.example"], "")).0, 0);
    for name in ["ca.key", "north.example.key"] {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(certs.join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    let (code, shown, _) = told(&run(&["cert", "show", &format!("{dir}/north.example.pem")], ""));
    assert_eq!(code, 0);
    for words in [NORTH, "alias.example", "serverAuth, clientAuth", "sha256/"] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    let before = std::fs::read(certs.join("north.example.pem")).unwrap();
    let (code, _, errors) = told(&run(&["cert", "issue", dir, NORTH], ""));
    assert_eq!((code, errors.lines().count()), (1, 1));
    assert_eq!(std::fs::read(certs.join("north.example.pem")).unwrap(), before);
    assert_eq!(told(&run(&["cert", "issue", dir, NORTH, "--force"], "")).0, 0);
    assert_ne!(std::fs::read(certs.join("north.example.pem")).unwrap(), before);
}

#[test]
fn the_demonstration_ends_well_within_half_a_minute() {
    let begin = Instant::now();
    let (code, story, errors) = told(&run(&["demo", "--once"], ""));
    assert_eq!(code, 0, "{story}\n{errors}");
    assert_eq!(story.lines().last(), Some("demo: ok"), "{story}");
    assert!(begin.elapsed() < Duration::from_secs(30));
}

/// Reads a JSON value from the front; gives the rest. Just enough to tell JSON from other text.
fn json(text: &str) -> Option<&str> {
    let text = text.trim_start();
    let list = |inner: &str, end: char, entry: &dyn Fn(&str) -> Option<usize>| -> Option<usize> {
        let mut at = 0;
        loop {
            let rest = inner[at..].trim_start();
            if rest.starts_with(end) {
                return Some(inner.len() - rest.len() + 1);
            }
            let left = inner.len() - rest.len();
            at = left + entry(rest)?;
            let rest = inner[at..].trim_start();
            at = inner.len() - rest.len();
            match rest.chars().next()? {
                ',' => at += 1,
                found if found == end => return Some(at + 1),
                _ => return None,
            }
        }
    };
    let value = |text: &str| json(text).map(|rest| text.len() - rest.len());
    match text.chars().next()? {
        '{' => {
            let member = |text: &str| {
                let rest = string(text)?.trim_start().strip_prefix(':')?;
                json(rest).map(|rest| text.len() - rest.len())
            };
            let end = list(&text[1..], '}', &member)?;
            Some(&text[1 + end..])
        }
        '[' => list(&text[1..], ']', &value).map(|end| &text[1 + end..]),
        '"' => string(text),
        _ => {
            let end = text.find([',', '}', ']', ' ']).unwrap_or(text.len());
            let (word, rest) = text.split_at(end);
            (["true", "false", "null"].contains(&word) || word.parse::<f64>().is_ok()).then_some(rest)
        }
    }
}

fn string(text: &str) -> Option<&str> {
    let mut escaped = false;
    for (at, found) in text.strip_prefix('"')?.char_indices() {
        match found {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return Some(&text[at + 2..]),
            found if found < ' ' => return None,
            _ => {}
        }
    }
    None
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_is_text_or_a_json_object_a_line() {
    let world = World::new().await;
    let sections = "[log]\nformat = \"json\"\nlevel = \"debug\"\n";
    let north = world.place_with(NORTH, &Writing { peers: &[SOUTH], sections, ..Writing::default() });
    let mut node = Process::start(&north).await;
    let mut ada = north.phone("ada", modern()).await;
    ada.send(&["wv:bo@south.example".parse().unwrap()], "\"quotes\"\nand lines", false).await.unwrap();
    // Something that cannot be read leaves a line too
    ada.post("text/xml", b"<\"\n".to_vec()).await.unwrap();
    node.signal("TERM");
    assert!(node.ended().await.success());
    let log = node.log();
    for line in log.lines() {
        assert!(line.starts_with('{') && json(line) == Some(""), "{line}");
        for name in ["\"timestamp\":", "\"level\":", "\"target\":", "\"message\":"] {
            assert!(line.contains(name), "{name} is missing: {line}");
        }
    }
    for name in ["ssp", "csp", "admin"] {
        assert!(log.contains(&format!("\"message\":\"listening {name}=127.0.0.1:")), "{name}: {log}");
    }
    assert!(!log.contains("secret") && !log.contains("quotes"), "no passwords and no bodies");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bound_addresses_are_written_down() {
    let world = World::new().await;
    let north = world.place(NORTH, &[SOUTH]);
    let _node = Process::start(&north).await;
    let written = std::fs::read_to_string(north.provider.folder.join("data/listen.json")).unwrap();
    assert_eq!(json(&written).map(str::trim), Some(""), "{written}");
    for (name, address) in [("ssp", north.ssp), ("csp", north.csp), ("admin", north.admin)] {
        assert!(written.contains(&format!("\"{name}\": [\"{address}\"]")), "{written}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_in_hand_is_answered_before_a_node_stops() {
    let world = World::new().await;
    let (north, south) = (world.place(NORTH, &[SOUTH]), world.place(SOUTH, &[NORTH]));
    let mut north_process = Process::start(&north).await;
    let south_process = Process::start(&south).await;
    let (mut ada, mut bo) = (north.phone("ada", modern()).await, south.phone("bo", modern()).await);
    let bos = bo.user().clone();
    ada.send(std::slice::from_ref(&bos), "first", false).await.unwrap();
    assert_eq!(text(&receive(&mut bo).await), "first");
    // Given a message whose answer is waited for, since the peer stands still
    south_process.signal("STOP");
    let accepted = "causeway_messages_accepted_total{origin=\"csp\"}";
    let begin = Instant::now();
    let sending = tokio::spawn(async move { (ada.send(&[bos], "in hand", false).await, ada) });
    until("the message is in hand", || async { (north.metric(accepted).await == 2.0).then_some(()) }).await;
    assert!(!sending.is_finished());
    // When the node is told to stop
    north_process.signal("TERM");
    // Then it says so, takes no new connections, and lives
    until("it drains", || async {
        matches!(try_http_get(north.admin, "/readyz").await, Some((503, text)) if text == "draining\n")
            .then_some(())
    })
    .await;
    assert_eq!(north.admin("/healthz").await.0, 200);
    until("no new connections", || async {
        tokio::net::TcpStream::connect(north.csp).await.is_err().then_some(())
    })
    .await;
    // And the message is answered, after the time for which it is held, before the end
    let (answer, _ada) = sending.await.unwrap();
    assert_eq!(answer.unwrap().result.code, Code::SUCCESSFUL);
    assert!(begin.elapsed() < Duration::from_secs(15), "it took {:?}", begin.elapsed());
    assert_eq!(north_process.ended().await.code(), Some(0));
    // And it arrives, once
    south_process.signal("CONT");
    let _north = Process::start(&north).await;
    assert_eq!(text(&receive(&mut bo).await), "in hand");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_cannot_start_says_why_and_what_to_do() {
    let world = World::new().await;
    let north = world.place(NORTH, &[SOUTH]);
    let file = config(&north);
    let _node = Process::start(&north).await;
    let refused = async |why: &str| {
        let (code, _, errors) = verb(&["serve", "--config", &file], "").await;
        let last = errors.lines().last().unwrap_or_default().to_owned();
        assert_eq!(code, 1, "{errors}");
        assert!(last.starts_with("causeway: ") && last.contains(why), "{why}: {errors}");
        last
    };
    // Another node on the same data
    let said = refused("another node is running").await;
    assert!(said.contains("data"), "{said}");
    // Another program on the port
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("data = \"data\"", "data = \"other\"")).unwrap();
    let said = refused("cannot listen on").await;
    assert!(said.contains(&north.ssp.to_string()), "{said}");
    // A data folder that cannot be made
    std::fs::write(&file, text.replace("data = \"data\"", "data = \"peers.toml/data\"")).unwrap();
    refused("peers.toml/data").await;
    // A store that is none
    let broken = north.provider.folder.join("broken");
    std::fs::create_dir(&broken).unwrap();
    let store = std::fs::read_dir(north.provider.folder.join("data"))
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .find(|name| [".db", ".sqlite"].iter().any(|end| name.ends_with(end)))
        .expect("the store is a file");
    std::fs::write(broken.join(&store), "this is no database, and never was one\n".repeat(100)).unwrap();
    std::fs::write(&file, text.replace("data = \"data\"", "data = \"broken\"")).unwrap();
    refused(&store).await;
}

/// The series of a metric: labels and value.
fn series<'p>(page: &'p str, name: &str) -> Vec<(&'p str, f64)> {
    page.lines()
        .filter_map(|line| {
            let rest = line.strip_prefix(name)?;
            let (labels, value) = rest.rsplit_once(' ')?;
            let labels = match labels.strip_prefix('{') {
                Some(labels) => labels.strip_suffix('}')?,
                None if labels.is_empty() => labels,
                None => return None,
            };
            Some((labels, value.parse().ok()?))
        })
        .collect()
}

fn label_names(labels: &str) -> BTreeSet<&str> {
    labels.split(',').filter_map(|label| Some(label.split_once('=')?.0)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_metrics_of_the_contract_tell_what_happened() {
    // Given a message and its report between two providers
    let world = World::new().await;
    let (north, south) = (world.place(NORTH, &[SOUTH]), world.place(SOUTH, &[NORTH]));
    let (_north, _south) = (Process::start(&north).await, Process::start(&south).await);
    let mut ada = north.phone("ada", modern()).await;
    let mut bo = south.phone("bo", manner(Version::V1_1, Encoding::Wbxml)).await;
    let bos: UserId = bo.user().clone();
    ada.send(std::slice::from_ref(&bos), "first", true).await.unwrap();
    assert_eq!(text(&receive(&mut bo).await), "first");
    assert!(matches!(receive(&mut ada).await, Primitive::DeliveryReport(_)));
    // And one that nobody gets, and one that cannot be read
    ada.send(&["wv:nobody@south.example".parse().unwrap()], "hello?", false).await.unwrap();
    ada.post("text/xml", b"<a><b></a>".to_vec()).await.unwrap();
    // Then the pages say so
    assert_eq!(north.admin("/healthz").await.0, 200);
    assert_eq!(north.admin("/readyz").await.0, 200);
    assert_eq!(north.admin("/elsewhere").await.0, 404);
    let (_, page) = north.admin("/metrics").await;
    for (name, labels) in [
        ("causeway_ssp_posts_total", "peer,direction,status"),
        ("causeway_ssp_transactions_total", "peer,direction,primitive,code"),
        ("causeway_ssp_transaction_duration_seconds_count", "peer"),
        ("causeway_ssp_link_up", "peer"),
        ("causeway_ssp_refused_total", "peer,reason"),
        ("causeway_csp_requests_total", "version,encoding,primitive,code"),
        ("causeway_csp_sessions", ""),
        ("causeway_messages_accepted_total", "origin"),
        ("causeway_messages_delivered_total", "to"),
        ("causeway_messages_failed_total", "reason"),
        ("causeway_outbox_messages", "peer"),
        ("causeway_outbox_oldest_seconds", "peer"),
        ("causeway_store_commit_duration_seconds_count", ""),
        ("causeway_store_commits_failed_total", ""),
        ("causeway_wire_rejected_total", "listener,reason"),
        ("causeway_certificate_expiry_seconds", "name"),
        ("causeway_reload_total", "what,outcome"),
        ("process_cpu_seconds_total", ""),
        ("process_resident_memory_bytes", ""),
        ("process_open_fds", ""),
        ("process_start_time_seconds", ""),
    ] {
        let found = series(&page, name);
        assert!(!found.is_empty(), "{name} is missing:\n{page}");
        let wanted: BTreeSet<_> = labels.split(',').filter(|label| !label.is_empty()).collect();
        for (labels, _) in found {
            assert_eq!(label_names(labels), wanted, "{name}{{{labels}}}");
        }
    }
    let value = |name: &str, labels: &[&str]| -> f64 {
        let found = series(&page, name);
        let mine = found.iter().filter(|(found, _)| labels.iter().all(|label| found.contains(label)));
        mine.map(|(_, value)| value).sum()
    };
    let peer = "peer=\"south.example\"";
    assert!(value("causeway_ssp_posts_total", &[peer, "direction=\"out\"", "status=\"200\""]) >= 4.0);
    assert!(value("causeway_ssp_posts_total", &[peer, "direction=\"in\"", "status=\"200\""]) >= 3.0);
    let out = [peer, "direction=\"out\"", "primitive=\"SendMessageRequest\"", "code=\"200\""];
    assert_eq!(value("causeway_ssp_transactions_total", &out), 1.0, "{page}");
    assert_eq!(value("causeway_ssp_transactions_total", &[peer, "direction=\"out\"", "code=\"531\""]), 1.0);
    let report = [peer, "direction=\"in\"", "primitive=\"DeliveryStatusReport", "code=\"200\""];
    assert_eq!(value("causeway_ssp_transactions_total", &report), 1.0);
    assert_eq!(value("causeway_ssp_transaction_duration_seconds_count", &[peer]), 2.0);
    assert_eq!(value("causeway_ssp_link_up", &[peer]), 1.0);
    assert_eq!(value("causeway_messages_accepted_total", &["origin=\"csp\""]), 2.0);
    assert_eq!(value("causeway_messages_delivered_total", &["to=\"ssp\""]), 1.0);
    assert_eq!(value("causeway_messages_delivered_total", &["to=\"csp\""]), 0.0, "a report is no message");
    assert_eq!(value("causeway_messages_failed_total", &["reason=\"rejected\""]), 1.0);
    assert_eq!(value("causeway_csp_sessions", &[]), 1.0);
    assert!(value("causeway_store_commit_duration_seconds_count", &[]) > 0.0);
    assert_eq!(value("causeway_wire_rejected_total", &["listener=\"csp\"", "reason=\"malformed\""]), 1.0);
    let year = value("causeway_certificate_expiry_seconds", &["name=\"north.example\""]) / 86_400.0;
    assert!((360.0..=367.0).contains(&year), "{year} days");
    assert!(value("process_resident_memory_bytes", &[]) > 1e6);
    let sends = ["version=\"1.2\"", "encoding=\"xml\"", "primitive=\"SendMessage"];
    assert_eq!(value("causeway_csp_requests_total", &sends), 2.0, "{page}");
    // And on the other side
    let (_, page) = south.admin("/metrics").await;
    let value = |name: &str, labels: &[&str]| -> f64 {
        let found = series(&page, name);
        let mine = found.iter().filter(|(found, _)| labels.iter().all(|label| found.contains(label)));
        mine.map(|(_, value)| value).sum()
    };
    assert_eq!(value("causeway_messages_accepted_total", &["origin=\"ssp\""]), 1.0);
    assert_eq!(value("causeway_messages_delivered_total", &["to=\"csp\""]), 1.0);
    let login = ["version=\"1.1\"", "encoding=\"wbxml\"", "primitive=\"LoginRequest\"", "code=\"200\""];
    assert!(value("causeway_csp_requests_total", &login) >= 1.0, "{page}");
}
