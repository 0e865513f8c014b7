//! What a listener may be sent by anybody: garbage, monsters, half-sentences. Each gets a clear
//! answer and counts; the node serves on, and its memory stays bounded. What a peer may be up to that has a
//! certificate stands in `attacks`.

mod attacks;
mod floods;

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;

use causeway::cli::laboratory::Writing;
use causeway::imps::Version;
use causeway::node::Node;
use causeway::wire::Encoding;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::peer::{HttpAnswer, ScriptedPeer, exchange, in_session, response};
use crate::process::Process;
use crate::world::{Place, World, manner, modern, receive, text, until};

const XML: &str = "application/vnd.wv.csp.xml";
const WBXML: &str = "application/vnd.wv.csp.wbxml";

async fn stage(domain: &str, csp_lines: &str) -> (World, Place, Node) {
    let world = World::new().await;
    let place = world.place_with(domain, &Writing { csp_lines, ..Writing::default() });
    let node = world.start(&place).await;
    (world, place, node)
}

/// Sends octets as they are. `None`: the node hung up without an answer.
async fn raw(to: SocketAddr, octets: &[u8]) -> Option<HttpAnswer> {
    exchange(TcpStream::connect(to).await.unwrap(), octets).await
}

async fn post(place: &Place, media_type: &str, body: &[u8]) -> HttpAnswer {
    let head = format!(
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: {media_type}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    raw(place.csp, &[head.as_bytes(), body].concat()).await.expect("an HTTP answer")
}

async fn rejected(place: &Place, reason: &str) -> f64 {
    place.metric(&format!("causeway_wire_rejected_total{{listener=\"csp\",reason=\"{reason}\"}}")).await
}

/// Two people still reach each other.
async fn assert_serves(place: &Place, round: &str) {
    let mut ada = place.phone(&format!("ada{round}"), modern()).await;
    let mut bo = place.phone(&format!("bo{round}"), manner(Version::V1_1, Encoding::Wbxml)).await;
    assert!(ada.send(&[bo.user().clone()], "still here", false).await.unwrap().result.code.is_success());
    assert_eq!(text(&receive(&mut bo).await), "still here");
}

/// A login in XML, good but for the password.
fn login() -> String {
    "<?xml version=\"1.0\"?><WV-CSP-Message xmlns=\"http://www.openmobilealliance.org/DTD/WV-CSP1.2\"><Session>\
     <SessionDescriptor><SessionType>Outband</SessionType></SessionDescriptor><Transaction><TransactionDescriptor>\
     <TransactionMode>Request</TransactionMode><TransactionID>7</TransactionID></TransactionDescriptor>\
     <TransactionContent xmlns=\"http://www.openmobilealliance.org/DTD/WV-TRC1.2\"><Login-Request>\
     <UserID>wv:nobody</UserID><ClientID><URL>hostile</URL></ClientID><Password>wrong</Password>\
     <TimeToLive>600</TimeToLive><SessionCookie>c</SessionCookie></Login-Request></TransactionContent></Transaction>\
     </Session></WV-CSP-Message>"
        .to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_is_no_document_is_answered_400_in_the_protocol_and_counted() {
    let (_world, north, node) = stage("north.garbage.example", "").await;
    let login = login();
    let entities = login.replacen(
        "<WV-CSP-Message",
        "<!DOCTYPE lolz [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;\">]><WV-CSP-Message",
        1,
    );
    let external = login.replacen(
        "<WV-CSP-Message",
        "<!DOCTYPE x [<!ENTITY a SYSTEM \"file:///etc/hostname\">]><WV-CSP-Message",
        1,
    );
    let stranger_entity = login.replace("wv:nobody", "wv:&nobody;");
    let deep = login.replace("wv:nobody", &"<a>".repeat(100_000));
    let deep_closed = login.replace("wv:nobody", &format!("{}{}", "<a>".repeat(1000), "</a>".repeat(1000)));
    let crowd = login.replace("wv:nobody", &"<a/>".repeat(100_000));
    let wide: Vec<_> = (0..200).map(|number| format!(" a{number}=\"\"")).collect();
    let wide = wide.concat();
    let wide = login.replace("<UserID>", &format!("<UserID{wide}>"));
    let long = login.replace("wv:nobody", &"x".repeat(200_000));
    let charset = login.replace("version=\"1.0\"", "version=\"1.0\" encoding=\"EBCDIC-US\"");
    let foreign = login.replace("WV-CSP-Message", "WV-SSP-Message");
    let truncated = &login.as_bytes()[..login.len() / 2];
    // A string table that is longer than the document, an endless integer, an unknown page, open tags
    let wbxml: [&[u8]; 6] = [
        b"\x03\x11\x6a\xff\xff\x7f",
        b"\x03\xff\xff\xff\xff\xff\xff\xff",
        b"\x03\x11\x6a\x00\x00\x63\x49",
        b"\x03\x11\x6a\x00\x49\x00\x6d\x83\xff\x7f\x01\x01",
        b"\x03\x11\x6a\x00",
        b"",
    ];
    let open_tags = [b"\x03\x11\x6a\x00\x49".as_slice(), &vec![0x6d; 100_000]].concat();
    let mut cases: Vec<(&str, &str, &[u8])> = vec![
        ("malformed", XML, b""),
        ("malformed", XML, b"garbage"),
        ("malformed", XML, b"<<<<<<<<"),
        ("malformed", XML, &[0xff; 4096]),
        ("malformed", XML, truncated),
        ("doctype", XML, entities.as_bytes()),
        ("doctype", XML, external.as_bytes()),
        ("doctype", XML, stranger_entity.as_bytes()),
        ("limit", XML, deep.as_bytes()),
        ("limit", XML, deep_closed.as_bytes()),
        ("limit", XML, crowd.as_bytes()),
        ("limit", XML, wide.as_bytes()),
        ("limit", XML, long.as_bytes()),
        ("charset", XML, charset.as_bytes()),
        ("envelope", XML, foreign.as_bytes()),
        ("limit", WBXML, &open_tags),
        // The wrong encoding for the media type
        ("malformed", XML, b"\x03\x11\x6a\x00\x49\x01"),
        ("malformed", WBXML, login.as_bytes()),
    ];
    cases.extend(wbxml.iter().map(|body| ("malformed", WBXML, *body)));
    let total = || async {
        let mut sum = 0.0;
        for reason in ["malformed", "doctype", "limit", "charset", "envelope", "version"] {
            sum += rejected(&north, reason).await;
        }
        sum
    };
    for (number, (reason, media_type, body)) in cases.iter().enumerate() {
        let (before, all_before) = (rejected(&north, reason).await, total().await);
        let answer = post(&north, media_type, body).await;
        // HTTP was right: the answer is a Status 400, of the same media type, with its length
        assert_eq!((answer.status, answer.header("Content-Type")), (200, Some(*media_type)), "case {number}");
        assert_eq!(answer.header("Content-Length"), Some(answer.body.len().to_string().as_str()));
        if *media_type == XML {
            let words = String::from_utf8(answer.body).unwrap();
            assert!(words.contains("<Code>400</Code>"), "case {number}: {words}");
        } else {
            assert_eq!(answer.body.first(), Some(&3), "case {number}: WBXML");
        }
        assert_eq!(total().await, all_before + 1.0, "case {number} is counted once");
        assert_eq!(rejected(&north, reason).await, before + 1.0, "case {number} is {reason}");
    }
    // A version of the protocol that nobody speaks
    let future = login.replace("WV-CSP1.2", "WV-CSP9.9");
    let answer = String::from_utf8(post(&north, XML, future.as_bytes()).await.body).unwrap();
    assert!(answer.contains("<Code>505</Code>"), "{answer}");
    // A bare DOCTYPE does no harm: the login itself is refused, as it should be
    let bare = login.replacen("<WV-CSP-Message", "<!DOCTYPE WV-CSP-Message><WV-CSP-Message", 1);
    let answer = String::from_utf8(post(&north, XML, bare.as_bytes()).await.body).unwrap();
    assert!(answer.contains("Login-Response") || answer.contains("<Code>"), "{answer}");
    assert!(!answer.contains("<Code>400</Code>"), "{answer}");
    assert_serves(&north, "").await;
    node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http_that_is_not_right_is_answered_by_http() {
    let (_world, north, node) =
        stage("north.web.example", "max-document-bytes = 65536\npath = \"/csp\"\n").await;
    let login = login();
    let request = |line: &str, headers: &str, body: &str| format!("{line}\r\nHost: x\r\n{headers}\r\n{body}");
    let usual = format!("Content-Type: {XML}\r\nContent-Length: {}\r\n", login.len());
    let status =
        |octets: String| async move { raw(north.csp, octets.as_bytes()).await.map(|answer| answer.status) };

    // Methods, paths, media types
    assert_eq!(status(request("GET /csp HTTP/1.1", "", "")).await, Some(404));
    assert_eq!(status(request("GET / HTTP/1.1", "", "")).await, Some(404));
    assert_eq!(status(request("PUT /csp HTTP/1.1", &usual, &login)).await, Some(405));
    assert_eq!(status(request("POST /elsewhere HTTP/1.1", &usual, &login)).await, Some(404));
    assert_eq!(status(request("POST /csp HTTP/1.1", &usual, &login)).await, Some(200));
    for media_type in ["text/plain", "application/octet-stream", ""] {
        let headers = usual.replace(XML, media_type);
        assert_eq!(status(request("POST /csp HTTP/1.1", &headers, &login)).await, Some(400), "{media_type}");
    }
    assert_eq!((rejected(&north, "method").await, rejected(&north, "media-type").await), (1.0, 3.0));

    // Size: by promise, by chunks, and on the spot
    let promised = format!("Content-Type: {XML}\r\nContent-Length: 4294967296\r\n");
    assert_eq!(status(request("POST /csp HTTP/1.1", &promised, "")).await, Some(413));
    let chunked = format!("Content-Type: {XML}\r\nTransfer-Encoding: chunked\r\n");
    let endless = format!("2000\r\n{}\r\n", " ".repeat(0x2000)).repeat(64);
    assert_eq!(status(request("POST /csp HTTP/1.1", &chunked, &endless)).await, Some(413));
    let large = " ".repeat(65_537);
    let given = format!("Content-Type: {XML}\r\nContent-Length: {}\r\n", large.len());
    assert_eq!(status(request("POST /csp HTTP/1.1", &given, &large)).await, Some(413));
    assert_eq!(rejected(&north, "size").await, 3.0);

    // Head: too large, or no HTTP at all
    let monster = format!("X-Monster: {}\r\n{usual}", "y".repeat(100_000));
    let answer = status(request("POST /csp HTTP/1.1", &monster, &login)).await;
    assert!(matches!(answer, Some(431) | None), "{answer:?}");
    let crowd: Vec<_> = (0..5000).map(|number| format!("X-{number}: y\r\n")).collect();
    let crowd = crowd.concat();
    let answer = status(request("POST /csp HTTP/1.1", &format!("{crowd}{usual}"), &login)).await;
    assert!(matches!(answer, Some(431) | None), "{answer:?}");
    for noise in ["\x16\x03\x01\x02\0\x01", "EHLO mail.example\r\n\r\n", "\0\0\0\0\r\n\r\n"] {
        let answer = raw(north.csp, format!("{noise}{}", "z".repeat(64)).as_bytes()).await;
        assert!(answer.is_none_or(|answer| answer.status == 400), "{noise:?}");
    }
    until("heads are counted", || async { (rejected(&north, "head").await >= 4.0).then_some(()) }).await;
    node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_and_cautious_ways_of_http_work() {
    let (_world, north, node) = stage("north.http.test", "").await;
    let login = login();
    let usual = format!("Content-Type: {XML}\r\nContent-Length: {}\r\n", login.len());

    // HTTP/1.0: the answer has its length, and the connection ends
    let mut stream = TcpStream::connect(north.csp).await.unwrap();
    stream.write_all(format!("POST / HTTP/1.0\r\n{usual}\r\n{login}").as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.0 200") || head.starts_with("HTTP/1.1 200"), "{head}");
    assert!(head.contains(&format!("Content-Length: {}", body.len())), "{head}");
    assert!(!head.to_lowercase().contains("chunked"), "{head}");

    // HTTP/1.0 with keep-alive, as WAP gateways speak: two documents on one connection
    let mut stream = TcpStream::connect(north.csp).await.unwrap();
    for _ in 0..2 {
        let request = format!("POST / HTTP/1.0\r\nConnection: keep-alive\r\n{usual}\r\n{login}");
        stream.write_all(request.as_bytes()).await.unwrap();
        let (head, body) = crate::peer::read_http(&mut stream).await.expect("an answer");
        assert!(head.contains(" 200 ") && body.starts_with(b"<?xml"), "{head}");
    }

    // A chunked request in small pieces
    let mut chunked =
        format!("POST / HTTP/1.1\r\nHost: x\r\nContent-Type: {XML}\r\nTransfer-Encoding: chunked\r\n\r\n");
    for piece in login.as_bytes().chunks(7) {
        let words = std::str::from_utf8(piece).unwrap();
        write!(chunked, "{:x}\r\n{words}\r\n", piece.len()).unwrap();
    }
    let answer = raw(north.csp, format!("{chunked}0\r\n\r\n").as_bytes()).await.unwrap();
    assert_eq!(answer.status, 200);
    assert!(answer.header("Content-Length").is_some());

    // A client that asks before it sends
    let mut stream = TcpStream::connect(north.csp).await.unwrap();
    let head = format!("POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n{usual}\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let (go_on, _) = crate::peer::read_http(&mut stream).await.expect("an interim answer");
    assert!(go_on.starts_with("HTTP/1.1 100"), "{go_on}");
    stream.write_all(login.as_bytes()).await.unwrap();
    let (answer, body) = crate::peer::read_http(&mut stream).await.expect("the answer");
    assert!(answer.contains(" 200 ") && !body.is_empty(), "{answer}");
    // and one that asks for too much hears so before it sends
    let mut stream = TcpStream::connect(north.csp).await.unwrap();
    let head = head.replace(&format!("Content-Length: {}", login.len()), "Content-Length: 99999999");
    stream.write_all(head.as_bytes()).await.unwrap();
    let (answer, _) = crate::peer::read_http(&mut stream).await.expect("the answer");
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");

    // A client that breaks off, and one that closes its half after it has said all
    let mut stream = TcpStream::connect(north.csp).await.unwrap();
    stream.write_all(format!("POST / HTTP/1.1\r\nHost: x\r\n{usual}\r\n<?xml").as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let answer = exchange(stream, b"").await;
    assert!(answer.is_none_or(|answer| answer.status == 400));
    let mut stream = TcpStream::connect(north.csp).await.unwrap();
    stream.write_all(format!("POST / HTTP/1.1\r\nHost: x\r\n{usual}\r\n{login}").as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    assert_eq!(exchange(stream, b"").await.map(|answer| answer.status), Some(200));
    assert_serves(&north, "").await;
    node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_says_nothing_or_half_a_head_keeps_nobody_out() {
    let (_world, north, node) = stage("north.idle.example", "").await;
    // Given a few hundred connections that never come to the point
    let mut idle = Vec::new();
    for number in 0..300 {
        let mut stream = TcpStream::connect(north.csp).await.unwrap();
        if number % 2 == 0 {
            stream.write_all(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Le").await.unwrap();
        } else {
            stream
                .write_all(
                    format!(
                        "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: {XML}\r\nContent-Length: 9\r\n\r\n<"
                    )
                    .as_bytes(),
                )
                .await
                .unwrap();
        }
        idle.push(stream);
    }
    // Then everybody else is served all the same
    assert_serves(&north, "").await;
    drop(idle);
    node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn monsters_do_not_make_the_node_grow() {
    /// Documents of this size, so many, at most so many at a time.
    const OCTETS: usize = 500_000;
    const DOCUMENTS: usize = 200;
    const AT_A_TIME: usize = 8;
    /// What the node may grow by: for each document in hand its octets a few times over, and what the
    /// allocator keeps of that.
    const GROWTH_MAX: usize = 64 * 1024 * 1024;

    let world = World::new().await;
    let writing = Writing { peers: &["east.monster.example"], ..Writing::default() };
    let north = Arc::new(world.place_with("north.monster.example", &writing));
    let east = Arc::new(ScriptedPeer::start(&world, &north, "east.monster.example").await);
    // A process of its own, so that its memory is its own.
    let process = Process::start(&north).await;
    let session = east.log_in(1).await;
    assert_serves(&north, "before").await;
    let before = process.resident();

    let login = login();
    let fill = |piece: &str| login.replace("wv:nobody", &piece.repeat(OCTETS / piece.len()));
    let nested = format!("{}{}", "<a>".repeat(40), "</a>".repeat(40));
    let crowd = |octets: usize| "<UserID>wv:x@y.example</UserID>".repeat(octets / 31);
    let traffic = in_session(&session.ours, &[response("nobody-asked", "<Status code=\"200\"/>")]);
    let monsters: [(&str, Vec<u8>); 9] = [
        (XML, fill("<a>").into_bytes()),
        (XML, fill(&nested).into_bytes()),
        (XML, login.replace("<UserID>wv:nobody</UserID>", &crowd(OCTETS)).into_bytes()),
        (XML, fill(&format!("<a {}/>", "b=\"c\" ".repeat(100))).into_bytes()),
        (XML, fill("&#65;").into_bytes()),
        (
            XML,
            login
                .replacen("<WV", &format!("<!DOCTYPE x [{}]><WV", "<!ENTITY a \"b\">".repeat(OCTETS / 15)), 1)
                .into_bytes(),
        ),
        (WBXML, [b"\x03\x11\x6a\x00".as_slice(), &vec![0x49; OCTETS]].concat()),
        (WBXML, [b"\x03\x11\x6a\x00\x49".as_slice(), &vec![0x0d; OCTETS]].concat()),
        (
            "ssp",
            traffic
                .replace("<Status", &format!("{}<Status", nested.repeat(OCTETS / nested.len())))
                .into_bytes(),
        ),
    ];
    let monsters = Arc::new(monsters);
    let workers = (0..AT_A_TIME).map(|worker| {
        let (monsters, north, east) = (monsters.clone(), north.clone(), east.clone());
        tokio::spawn(async move {
            for number in (worker..DOCUMENTS).step_by(AT_A_TIME) {
                let (media_type, body) = &monsters[number % monsters.len()];
                if *media_type == "ssp" {
                    let answer = east.post_as(crate::peer::MEDIA_TYPE, body).await;
                    assert_eq!(answer.status, 400, "document {number}");
                } else {
                    assert_eq!(post(&north, media_type, body).await.status, 200, "document {number}");
                }
            }
        })
    });
    for worker in workers.collect::<Vec<_>>() {
        worker.await.unwrap();
    }
    let grown = process.resident().saturating_sub(before);
    println!("{DOCUMENTS} documents of {OCTETS} octets: {before} octets resident before, {grown} more after");
    assert!(grown < GROWTH_MAX, "{DOCUMENTS} documents of {OCTETS} octets made it grow by {grown}");
    // And it serves on, for peers too
    assert_serves(&north, "after").await;
    assert_eq!(east.post(&traffic).await.status, 200);
    drop(process);
}
