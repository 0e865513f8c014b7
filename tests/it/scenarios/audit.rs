//! What operators do with a running node is on record, in a chain that holds.

use causeway::cli::laboratory::Writing;
use serde_json::Value;

use super::operators::{done, refused};
use crate::csp::send;
use crate::process::{Process, run};
use crate::world::{World, free_port, modern, until};

const NORTH: &str = "north.record.example";
const SOUTH: &str = "south.record.example";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_an_operator_does_is_recorded() {
    // Given a node in a process of its own, with messages that wait for a peer that is away
    let world = World::new().await;
    let writing = Writing { peers: &[SOUTH], csp: free_port(), admin: free_port(), ..Writing::default() };
    let north = world.place_with(NORTH, &writing);
    let mut process = Process::start(&north).await;
    let mut ada = north.phone("ada", modern()).await;
    for _ in 0..3 {
        send(&mut ada, &[&format!("wv:bo@{SOUTH}")], "a heron at dawn", false).await;
    }
    let rows = super::operators::json(&north, &["queue", "list"]).await;
    let row = rows[0]["row"].to_string();
    // When an operator does everything that there is
    let user = format!("wv:ada@{NORTH}");
    done(&north, &["queue", "show", &row]).await;
    done(&north, &["queue", "retry", &row]).await;
    done(&north, &["queue", "drop", &row]).await;
    refused(&north, &["queue", "drop", &row]).await;
    done(&north, &["queue", "retry", "--peer", SOUTH]).await;
    done(&north, &["queue", "drop", "--peer", SOUTH]).await;
    done(&north, &["peer", "retry", SOUTH]).await;
    done(&north, &["peer", "suspend", SOUTH]).await;
    done(&north, &["peer", "resume", SOUTH]).await;
    done(&north, &["user", "show", &user]).await;
    done(&north, &["user", "set", &user, "offline=store", "PP_CITY=Turin"]).await;
    done(&north, &["announce", "send", "terms-7", "the egret has landed", "--to", &user]).await;
    done(&north, &["announce", "show", "terms-7"]).await;
    assert_eq!(north.admin(&format!("/api/v1/users/{user}")).await.0, 200);
    assert_eq!(north.admin("/api/v1/users").await.0, 200);
    // And the files are read again, once with a mistake in them
    process.signal("HUP");
    let records = async |act: &str, outcome: &str| {
        // The configuration that would say where is wrong for a while.
        let shown = std::fs::read_to_string(north.provider.folder.join("data/audit.jsonl")).unwrap();
        shown.lines().filter(|line| line.contains(act) && line.contains(outcome)).count()
    };
    until("it is read again", async || (records("config reload", "done").await == 1).then_some(())).await;
    let config = std::fs::read_to_string(north.provider.config()).unwrap();
    std::fs::write(north.provider.config(), "[node]\nfish = 1\n").unwrap();
    process.signal("HUP");
    until("it is refused", async || (records("config reload", "refused").await > 0).then_some(())).await;
    std::fs::write(north.provider.config(), config).unwrap();
    process.signal("TERM");
    assert!(process.ended().await.success());
    // Then all of it is on record, in order, with who it was and how it ended
    let shown = done(&north, &["audit", "show", "--json"]).await;
    let records: Vec<Value> = shown.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let told = |record: &Value| {
        let field = |name: &str| record[name].as_str().unwrap_or("").to_owned();
        format!("{} {} {} {}", field("by"), field("act"), field("on"), field("outcome"))
    };
    let told: Vec<_> = records.iter().map(told).collect();
    let wanted = [
        "node node start  done".to_owned(),
        "admin-api queue list  done".to_owned(),
        format!("admin-api queue show {row} done"),
        format!("admin-api queue retry {row} done"),
        format!("admin-api queue drop {row} done"),
        format!("admin-api queue drop {row} refused"),
        format!("admin-api queue retry {SOUTH} done"),
        format!("admin-api queue drop {SOUTH} done"),
        format!("admin-api peer retry {SOUTH} done"),
        format!("admin-api peer suspend {SOUTH} done"),
        format!("admin-api peer resume {SOUTH} done"),
        format!("command-line user show {user} done"),
        format!("command-line user set {user} done"),
        "admin-api announce terms-7 done".to_owned(),
        "admin-api announce show terms-7 done".to_owned(),
        format!("admin-api user show {user} done"),
        "admin-api user list  done".to_owned(),
    ];
    assert_eq!(told[..wanted.len()], wanted);
    assert!(told[wanted.len()].starts_with("signal config reload ") && told[wanted.len()].ends_with("done"));
    assert_eq!(told.last().unwrap(), "node node stop  done");
    let mine = records.iter().find(|record| record["by"] == "command-line").unwrap()["uid"].clone();
    for record in records.iter().filter(|record| record["by"] == "admin-api") {
        assert!(
            record["uid"] == mine && record["from"].as_str().unwrap().starts_with("127.0.0.1:"),
            "{record}"
        );
    }
    for word in ["heron", "egret", "Turin"] {
        assert!(!shown.contains(word), "{word} is on record");
    }
    // And the chain holds, up to the head that the log of the node has
    let said = done(&north, &["audit", "verify"]).await;
    let head = said.lines().last().unwrap().strip_prefix("head: ").unwrap();
    assert!(process.log().contains(head), "the head is in the log");
    let config = north.provider.config();
    let verify = run(&["audit", "verify", "--expect", head, "--config", config.to_str().unwrap()], "");
    assert!(verify.status.success());
}
