//! What people write, and how they log in, is in no log and no figure, at no level, until an operator traces
//! somebody; that is on record.

use causeway::cli::laboratory::Writing;
use causeway::cli::phone::Phone;
use causeway::imps::Primitive;
use causeway::imps::presence::{Attribute, AttributeName, PresenceSubList};
use causeway::imps::primitive::{Contact, CreateListRequest, LoginRequest, Password, UpdatePresenceRequest};
use causeway::wire::Mode;

use super::operators::{done, json, refused};
use super::presence::{open_to_all, subscribe, value};
use crate::csp::{XML, ask, post, send, xml};
use crate::process::Process;
use crate::world::{Place, World, modern, receive, text, until};

const NORTH: &str = "north.quiet.example";
const SOUTH: &str = "south.quiet.example";
/// A password, a digest, presence, names to show, a body; and what cannot be read.
const SECRETS: [&str; 12] = [
    "heronpassword",
    "heronwrongword",
    "aGVyb25kaWdlc3Q",
    "heronpresence",
    "heronalias",
    "heronnickname",
    "heronbody",
    "heronnobody",
    "herongarbage",
    "heronvalue",
    "heronunknown",
    "heronlong",
];

async fn phone(place: &Place, user: &str) -> Phone {
    let mut phone = place.silent_phone(user, causeway::cli::phone::Manner { digest: false, ..modern() });
    phone.login("heronpassword").await.unwrap();
    phone.logout().await.unwrap();
    let mut phone = place.silent_phone(user, modern());
    phone.login("heronpassword").await.unwrap();
    phone
}

/// What the next message says; presence may come before it.
async fn reads(phone: &mut Phone) -> String {
    loop {
        let heard = receive(phone).await;
        if let Primitive::NewMessage(_) = heard {
            return text(&heard).to_owned();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_people_write_is_in_no_log_and_no_figure_until_an_operator_traces_somebody() {
    // Given two nodes that log everything that they and their libraries have to say
    let world = World::new().await;
    let agreement = "services = [\"im\", \"presence\"]";
    let writing =
        |peers| Writing { peers, agreement, sections: "[log]\nlevel = \"trace\"", ..Writing::default() };
    let (north, south) =
        (world.place_with(NORTH, &writing(&[SOUTH])), world.place_with(SOUTH, &writing(&[NORTH])));
    let (north_node, south_node) = (Process::start(&north).await, Process::start(&south).await);
    let (ada_id, bo_id) = (format!("wv:ada@{NORTH}"), format!("wv:bo@{SOUTH}"));
    // When users log in, with words and digests, right and wrong
    let mut ada = phone(&north, "ada").await;
    let mut bo = phone(&south, "bo").await;
    let login = |password: Option<&str>, digest: Option<&str>| LoginRequest {
        user: ada_id.parse().unwrap(),
        client: causeway::imps::primitive::ClientId::default(),
        application: None,
        password: password.map(Password::new),
        digest: digest.map(Into::into),
        schemas: Vec::new(),
        session: None,
        time_to_live: Some(600),
        cookie: None,
        responses: Vec::new(),
        functions: None,
        capabilities: None,
    };
    let mut stranger = north.silent_phone("ada", modern());
    for request in [login(Some("heronwrongword"), None), login(None, Some("aGVyb25kaWdlc3Q="))] {
        ask(&mut stranger, Primitive::LoginRequest(Box::new(request))).await;
    }
    // And write, show themselves, name each other, and say what cannot be read or delivered
    open_to_all(&mut ada, &[AttributeName::StatusText, AttributeName::Alias]).await;
    assert_eq!(subscribe(&mut bo, &[&ada_id]).await.code.get(), 200);
    let attributes =
        vec![Attribute::StatusText(value("heronpresence")), Attribute::Alias(value("heronalias"))];
    let publish = UpdatePresenceRequest { attributes: PresenceSubList::new(attributes) };
    assert_eq!(ask(&mut ada, publish).await.code().get(), 200);
    until("bo hears of it", async || {
        let heard = bo.take().await.unwrap();
        format!("{heard:?}").contains("heronpresence").then_some(())
    })
    .await;
    let contact = Contact { user: bo_id.parse().unwrap(), nickname: Some("heronnickname".into()) };
    let list = CreateListRequest {
        list: format!("wv:ada/friends@{NORTH}").parse().unwrap(),
        contacts: vec![contact],
        properties: Vec::new(),
    };
    assert_eq!(ask(&mut ada, list).await.code().get(), 200);
    send(&mut ada, &[&bo_id], "heronbody one", true).await;
    assert_eq!(reads(&mut bo).await, "heronbody one");
    ada.send(&[format!("wv:heronnobody@{SOUTH}").parse().unwrap()], "heronbody two", true).await.unwrap();
    let session = ada.session().cloned().unwrap();
    let endless = "heronlong".repeat(5000);
    for content in [
        "herongarbage".to_owned(),
        "<heronunknown>herongarbage</heronunknown>".to_owned(),
        "<SendMessage-Request><DeliveryReport>heronvalue</DeliveryReport></SendMessage-Request>".to_owned(),
        "<KeepAlive-Request><TimeToLive>heronvalue</TimeToLive></KeepAlive-Request>".to_owned(),
        format!("<SendMessage-Request><DeliveryReport>{endless}</DeliveryReport></SendMessage-Request>"),
    ] {
        post(north.csp, XML, xml(Some(&session), Mode::Request, Some("t1"), &content).as_bytes()).await;
        post(north.csp, XML, xml(None, Mode::Request, Some("t1"), &content).as_bytes()).await;
        post(north.csp, XML, content.as_bytes()).await;
    }
    // Then nothing of it is in a log or a figure, nor is what opens a session
    let figures = format!("{}{}", north.admin("/metrics").await.1, south.admin("/metrics").await.1);
    let log = format!("{}{}", north_node.log(), south_node.log());
    assert!(log.contains("TRACE") && log.contains("logged in"), "everything is logged");
    let found: Vec<_> =
        log.lines().filter(|line| SECRETS.iter().any(|secret| line.contains(secret))).collect();
    assert!(found.is_empty(), "{found:#?}");
    let opens: Vec<_> = [&ada, &bo].iter().map(|phone| phone.session().unwrap().to_string()).collect();
    let found: Vec<_> = log.lines().filter(|line| opens.iter().any(|id| line.contains(id))).collect();
    assert!(found.is_empty(), "{found:#?}");
    assert!(!SECRETS.iter().chain(&[ada_id.as_str()]).any(|word| figures.contains(word)), "{figures}");

    // When an operator of the north traces ada
    done(&north, &["trace", "on", "--user", &ada_id, "--for", "1h"]).await;
    assert_eq!(json(&north, &["trace", "list"]).await[0]["of"], format!("user {ada_id}").as_str());
    send(&mut ada, &[&bo_id], "an egret", false).await;
    assert_eq!(reads(&mut bo).await, "an egret");
    let mut cy = phone(&north, "cy").await;
    send(&mut cy, &[&bo_id], "a bittern", false).await;
    assert_eq!(reads(&mut bo).await, "a bittern");
    send(&mut bo, &[&ada_id], "a spoonbill", false).await;
    assert_eq!(reads(&mut ada).await, "a spoonbill");
    // Then what ada says and hears is in the log, with the way that it went, and nothing of others
    let lines = |word: &str, way: &str| {
        let log = north_node.log();
        let traced =
            |line: &&str| line.contains("causeway::traced") && line.contains(way) && line.contains(word);
        log.lines().filter(traced).count()
    };
    for (word, way) in [
        ("egret", "from client"),
        ("egret", "to peer"),
        ("spoonbill", "from peer"),
        ("spoonbill", "to client"),
    ] {
        assert_eq!(lines(word, way), 1, "{word} {way}");
    }
    assert!(!north_node.log().contains("bittern") && !south_node.log().contains("egret"));
    // And a login is not, even hers
    let _again = phone(&north, "ada").await;
    assert!(!north_node.log().contains("heronpassword"));
    // When it is ended, nothing more is
    done(&north, &["trace", "off", "1"]).await;
    assert!(refused(&north, &["trace", "off", "1"]).await.contains("there is no trace 1"));
    let mut ada = phone(&north, "ada").await;
    let id = send(&mut ada, &[&bo_id], "a stork", false).await;
    assert!(!north_node.log().contains("stork"));
    // A message is followed by its id, wherever it is
    done(&south, &["trace", "on", "--message", id.as_str()]).await;
    assert_eq!(reads(&mut bo).await, "a stork");
    let log = south_node.log();
    assert_eq!(log.lines().filter(|line| line.contains("stork") && line.contains("to client")).count(), 1);
    // And a trace ends by itself
    done(&north, &["trace", "on", "--message", id.as_str(), "--for", "1s"]).await;
    until("it is over", async || {
        let shown = done(&north, &["audit", "show"]).await;
        shown.contains("trace over").then_some(())
    })
    .await;
    assert_eq!(json(&north, &["trace", "list"]).await.as_array().unwrap().len(), 0);
    // And all of it is on record
    let shown = done(&north, &["audit", "show"]).await;
    for words in [
        format!("trace on  user {ada_id}  for 3600 s  done"),
        "trace off  1  done".to_owned(),
        "trace off  1  refused".to_owned(),
        format!("trace on  message {id}  for 1 s  done"),
        format!("trace over  message {id}  trace 2  done"),
    ] {
        assert!(shown.contains(&words), "{words}: {shown}");
    }
}
