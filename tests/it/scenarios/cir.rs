//! Clients that need not poll: they are called when something waits (CIR).

use std::collections::VecDeque;
use std::net::SocketAddr;

use causeway::cli::laboratory::Writing;
use causeway::cli::phone::Phone;
use causeway::imps::primitive::{
    Bearer, Capabilities, CirMethod, ClientCapabilityRequest, ClientId, ClientType, DeliveryMethod,
    LoginRequest, MessageDelivered, Password,
};
use causeway::imps::{Code, Primitive, Version};
use causeway::session::csp::cir::text::{read_push, read_request};
use causeway::wire::csp::Transaction;
use causeway::wire::{Carried, Encoding, Mode};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::time::timeout;

use crate::csp;
use crate::world::{PASSWORD, PATIENCE, Place, World, http_get, manner, modern, receive, text};

/// What a phone states that wants to be called.
fn capabilities(methods: &[CirMethod]) -> Capabilities {
    Capabilities {
        client_type: Some(ClientType::MobilePhone),
        initial_delivery_method: Some(DeliveryMethod::Push),
        any_content: Some(true),
        accepted_content_length: Some(9000),
        bearers: vec![Bearer::Http],
        multi_trans: Some(1),
        parser_size: Some(16_000),
        cir_methods: methods.to_vec(),
        server_poll_min: Some(30),
        ..Capabilities::default()
    }
}

/// Negotiates anew; what the server says.
async fn agree(phone: &mut Phone, capabilities: Capabilities) -> Capabilities {
    let client = Some(ClientId { url: Some("test-phone".into()), ..ClientId::default() });
    let client = client.filter(|_| phone.manner().version == Version::V1_1);
    let request = ClientCapabilityRequest { client, capabilities: Box::new(capabilities) };
    match phone.ask(request.into()).await.unwrap() {
        Primitive::ClientCapabilityResponse(answer) => *answer.agreed,
        other => panic!("{}", other.name()),
    }
}

/// A phone's connection for calls.
struct Channel {
    lines: BufReader<OwnedReadHalf>,
    out: OwnedWriteHalf,
}

impl Channel {
    async fn open(to: SocketAddr) -> Self {
        let (read, out) = TcpStream::connect(to).await.unwrap().into_split();
        Self { lines: BufReader::new(read), out }
    }

    /// Where the agreed capabilities lead to, with HELO said and OK heard.
    async fn greeted(agreed: &Capabilities, phone: &Phone) -> Self {
        let mut channel = Self::open(address(agreed)).await;
        channel.say(&format!("HELO {}", phone.session().unwrap().as_str())).await;
        assert_eq!(channel.line().await.as_deref(), Some("OK"));
        channel
    }

    async fn say(&mut self, line: &str) {
        self.out.write_all(format!("{line}\r\n").as_bytes()).await.unwrap();
    }

    /// The next line without its end, which is CR LF; `None`: closed.
    async fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = timeout(PATIENCE, self.lines.read_line(&mut line)).await.expect("a line or an end");
        // A connection that is cut is closed, too.
        (read.unwrap_or(0) > 0).then(|| line.strip_suffix("\r\n").expect("CR LF").to_owned())
    }
}

fn address(agreed: &Capabilities) -> SocketAddr {
    let ip = agreed.tcp_address.as_ref().expect("TCPAddress").parse().unwrap();
    SocketAddr::new(ip, agreed.tcp_port.expect("TCPPort"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_phone_with_a_connection_of_its_own_never_polls_but_when_it_is_called() {
    let world = World::new().await;
    let north = world.place("north.example", &[]);
    let node = world.start(&north).await;
    let mut bo = north.phone("bo", modern()).await;
    for (name, version, encoding) in [
        ("ada", Version::V1_1, Encoding::Wbxml),
        ("eve", Version::V1_2, Encoding::Xml),
        ("kim", Version::V1_3, Encoding::Wbxml),
    ] {
        // Given a phone that agreed on standalone TCP, and connected
        let mut phone = north.phone(name, manner(version, encoding)).await;
        let agreed = agree(&mut phone, capabilities(&[CirMethod::Stcp])).await;
        assert_eq!(agreed.cir_methods, [CirMethod::Stcp]);
        let mut channel = Channel::greeted(&agreed, &phone).await;
        // Then what is sent to it is called out, once for all that waits
        for words in ["one", "two"] {
            bo.send(&[north.user(name)], words, false).await.unwrap();
        }
        let call = channel.line().await.unwrap();
        assert_eq!(read_request(&call), Some((version.as_str(), "causeway-phone")), "{call}");
        channel.say("PING ").await;
        assert_eq!(channel.line().await.as_deref(), Some("OK"), "and nothing in between");
        assert_eq!(text(&receive(&mut phone).await), "one");
        assert_eq!(text(&receive(&mut phone).await), "two");
        // And again for what comes later
        bo.send(&[north.user(name)], "three", false).await.unwrap();
        assert_eq!(channel.line().await, Some(call));
        assert_eq!(text(&phone.take().await.unwrap().expect("what it was called for")), "three");
        // And the connection ends with the session
        phone.logout().await.unwrap();
        assert_eq!(channel.line().await, None);
    }
    assert!(north.metric("causeway_cir_calls_total{method=\"STCP\",outcome=\"sent\"}").await >= 6.0);
    assert_eq!(north.metric("causeway_cir_connections").await, 0.0);
    node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_phone_is_called_by_a_datagram_about_a_message_from_another_domain() {
    let world = World::new().await;
    let ((north, north_node), (south, south_node)) = world.linked("north.example", "south.example").await;
    let mut bo = south.phone("bo", manner(Version::V1_3, Encoding::Xml)).await;
    for version in Version::ALL {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let name = format!("ada{}", version.as_str().replace('.', ""));
        let mut ada = north.phone(&name, manner(version, Encoding::Wbxml)).await;
        let udp_port = Some(socket.local_addr().unwrap().port());
        let agreed = agree(&mut ada, Capabilities { udp_port, ..capabilities(&[CirMethod::Sudp]) }).await;
        assert_eq!(agreed.cir_methods, [CirMethod::Sudp]);
        bo.send(&[north.user(&name)], "from afar", false).await.unwrap();
        let mut octets = [0; 200];
        let (length, from) = timeout(PATIENCE, socket.recv_from(&mut octets)).await.unwrap().unwrap();
        let call = std::str::from_utf8(&octets[..length]).unwrap();
        assert_eq!(call, format!("WVCI {} causeway-phone", version.as_str()));
        if version == Version::V1_3 {
            // It was told where calls come from
            let told = (agreed.udp_address.as_deref().map(|ip| ip.parse().unwrap()), agreed.udp_port);
            assert_eq!(told, (Some(from.ip()), Some(from.port())));
        }
        assert_eq!(text(&ada.take().await.unwrap().expect("what it was called for")), "from afar");
    }
    north_node.drain().await;
    south_node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_phone_asks_its_url_whether_something_waits() {
    let world = World::new().await;
    let north = world.place("north.example", &[]);
    let node = world.start(&north).await;
    let mut bo = north.phone("bo", modern()).await;
    for version in [Version::V1_2, Version::V1_3] {
        let mut ada = north.phone("ada", manner(version, Encoding::Wbxml)).await;
        let agreed = agree(&mut ada, capabilities(&[CirMethod::Shttp])).await;
        let url = agreed.cir_url.expect("a URL");
        let path =
            url.strip_prefix(&format!("http://{}", north.csp)).expect("the listener it knows").to_owned();
        assert!(path.starts_with("/cir/") && !path.contains(ada.session().unwrap().as_str()), "{path}");
        assert_eq!(http_get(north.csp, &path).await, (204, String::new()));
        bo.send(&[north.user("ada")], "look", false).await.unwrap();
        assert_eq!(http_get(north.csp, &path).await, (200, String::new()));
        assert_eq!(http_get(north.csp, &path).await.0, 200, "until it polls");
        assert_eq!(text(&receive(&mut ada).await), "look");
        assert_eq!(http_get(north.csp, &path).await.0, 204);
        ada.logout().await.unwrap();
        assert_eq!(http_get(north.csp, &path).await.0, 404);
        assert_eq!(http_get(north.csp, "/cir/").await.0, 404);
    }
    // A 1.1 client does not know the method
    let mut old = north.phone("ada", manner(Version::V1_1, Encoding::Xml)).await;
    let agreed = agree(&mut old, capabilities(&[CirMethod::Shttp, CirMethod::Ssms, CirMethod::WapSms])).await;
    assert_eq!((agreed.cir_methods.len(), agreed.cir_url, agreed.cir_sms_address), (0, None, None));
    node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_1_3_client_agrees_on_calls_in_its_login_and_hears_at_once_of_what_waits() {
    let world = World::new().await;
    let north = world.place("north.example", &[]);
    let node = world.start(&north).await;
    let mut bo = north.phone("bo", modern()).await;
    north.phone("ada", modern()).await.logout().await.unwrap();
    bo.send(&[north.user("ada")], "while you were out", false).await.unwrap();
    // When it logs in with everything in one request, and connects
    let mut ada = north.silent_phone("ada", manner(Version::V1_3, Encoding::Xml));
    let request = LoginRequest {
        user: north.user("ada"),
        client: ClientId { url: Some("test-phone".into()), ..ClientId::default() },
        application: None,
        password: Some(Password::new(PASSWORD)),
        digest: None,
        schemas: Vec::new(),
        session: None,
        time_to_live: Some(600),
        responses: Vec::new(),
        cookie: Some("17-35".into()),
        functions: None,
        capabilities: Some(Box::new(capabilities(&[CirMethod::Ssms, CirMethod::Stcp]))),
    };
    let Primitive::LoginResponse(answer) = ada.ask(Primitive::LoginRequest(Box::new(request))).await.unwrap()
    else {
        panic!("no Login-Response")
    };
    assert_eq!((answer.result.code, answer.capability_request), (Code::SUCCESSFUL, Some(false)));
    let agreed = *answer.agreed.unwrap();
    assert_eq!(agreed.cir_methods, [CirMethod::Stcp], "there is no link that carries SMS");
    let mut channel = Channel::open(address(&agreed)).await;
    channel.say(&format!("helo {} ", answer.session.unwrap().as_str())).await;
    // Then the call follows the OK
    assert_eq!(channel.line().await.as_deref(), Some("OK"));
    assert_eq!(channel.line().await.as_deref(), Some("WVCI 1.3 17-35"));
    node.drain().await;
}

/// The operator's gateway: the next SMS that it is handed.
async fn handed_over(gateway: &TcpListener) -> serde_json::Value {
    let (mut stream, _) = timeout(PATIENCE, gateway.accept()).await.expect("an SMS").unwrap();
    let mut request = Vec::new();
    while !request.ends_with(b"}") {
        assert_ne!(stream.read_buf(&mut request).await.unwrap(), 0, "{}", String::from_utf8_lossy(&request));
    }
    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await.unwrap();
    let request = String::from_utf8(request).unwrap();
    serde_json::from_str(request.split_once("\r\n\r\n").expect("a body").1).unwrap()
}

/// An SMS came to the operator's gateway, which hands it to the node; the status of the answer.
async fn comes_in(north: &Place, from: &str, text: &str) -> u16 {
    let body = serde_json::json!({ "from": from, "text": text }).to_string();
    let head = format!(
        "POST /api/v1/sms HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n",
        north.admin,
        body.len()
    );
    csp::exchange(north.admin, &head, body.as_bytes()).await.status
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn phones_are_called_by_sms_through_the_gateway_of_the_operator() {
    let world = World::new().await;
    let gateway = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/sms", gateway.local_addr().unwrap());
    let lines = format!("sms-sender = \"{url}\"\nsms-number = \"+46700000\"");
    let north = world.place_with("north.example", &Writing { cir_lines: &lines, ..Writing::default() });
    let node = world.start(&north).await;
    let mut bo = north.phone("bo", modern()).await;
    // A phone whose address is its number is called by WAP push, in every version
    for version in Version::ALL {
        let mut kim = north.phone("+46701234567", manner(version, Encoding::Wbxml)).await;
        let agreed = agree(&mut kim, capabilities(&[CirMethod::WapSms])).await;
        assert_eq!((&*agreed.cir_methods, agreed.cir_sms_address), (&[CirMethod::WapSms][..], None));
        bo.send(&[kim.user().clone()], "push", false).await.unwrap();
        let sms = handed_over(&gateway).await;
        assert_eq!((&sms["from"], &sms["to"]), (&"+46700000".into(), &"+46701234567".into()));
        assert_eq!(sms["header"], "0605040B8423F0");
        let body = sms["body"].as_str().unwrap();
        let octets = (0..body.len()).step_by(2).map(|at| u8::from_str_radix(&body[at..at + 2], 16).unwrap());
        let octets: Vec<u8> = octets.collect();
        let call = format!("WVCI {} causeway-phone", version.as_str());
        assert_eq!(read_push(&octets).map(|(_, text)| text), Some(&*call));
        assert_eq!(text(&receive(&mut kim).await), "push");
        kim.logout().await.unwrap();
    }
    // Another one, of 1.3, is told the number, and greets
    let mut ada = north.phone("ada", manner(Version::V1_3, Encoding::Wbxml)).await;
    let agreed = agree(&mut ada, capabilities(&[CirMethod::WapSms, CirMethod::Ssms])).await;
    assert_eq!(agreed.cir_methods, [CirMethod::Ssms], "its number is not known");
    assert_eq!(agreed.cir_sms_address.as_deref(), Some("+46700000"));
    bo.send(&[north.user("ada")], "text", false).await.unwrap();
    assert_eq!(comes_in(&north, "+46709999999", "HELO nobody").await, 404);
    assert_eq!(comes_in(&north, "+46709999999", "hello?").await, 404);
    let hello = format!("HELO {}", ada.session().unwrap().as_str());
    assert_eq!(comes_in(&north, "nowhere", &hello).await, 404);
    assert_eq!(comes_in(&north, "+46709999999", &hello).await, 200);
    // Then it is called at once about what waits
    let sms = handed_over(&gateway).await;
    assert_eq!((&sms["to"], &sms["port"]), (&"+46709999999".into(), &3716.into()));
    assert_eq!(sms["text"], "WVCI 1.3 causeway-phone");
    assert_eq!(text(&receive(&mut ada).await), "text");
    // And a client before 1.3 does not know the method
    let mut old = north.phone("eve", modern()).await;
    assert_eq!(agree(&mut old, capabilities(&[CirMethod::Ssms])).await.cir_methods, []);
    assert!(north.metric("causeway_cir_calls_total{method=\"SSMS\",outcome=\"sent\"}").await >= 1.0);
    assert!(north.metric("causeway_cir_calls_total{method=\"WAPSMS\",outcome=\"sent\"}").await >= 3.0);
    node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sender_that_only_writes_into_the_log_agrees_and_sends_nothing() {
    let world = World::new().await;
    let lines = "sms-sender = \"log\"\nsms-number = \"+46700000\"";
    let north = world.place_with("north.example", &Writing { cir_lines: lines, ..Writing::default() });
    let node = world.start(&north).await;
    let mut bo = north.phone("bo", modern()).await;
    let mut kim = north.phone("+46701234567", modern()).await;
    let agreed = agree(&mut kim, capabilities(&[CirMethod::WapSms])).await;
    assert_eq!(agreed.cir_methods, [CirMethod::WapSms]);
    bo.send(&[kim.user().clone()], "push", false).await.unwrap();
    assert_eq!(text(&receive(&mut kim).await), "push", "who polls finds it");
    let counted = north.metric("causeway_cir_calls_total{method=\"WAPSMS\",outcome=\"failed\"}").await;
    assert!(counted >= 1.0, "{counted}");
    node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_get_no_answer_and_a_new_connection_takes_the_place_of_the_old() {
    let world = World::new().await;
    let north = world.place("north.example", &[]);
    let node = world.start(&north).await;
    let mut bo = north.phone("bo", modern()).await;
    let mut ada = north.phone("ada", modern()).await;
    let agreed = agree(&mut ada, capabilities(&[CirMethod::Stcp])).await;
    for line in ["HELO nobody", "PING", "GET / HTTP/1.1", "HELO", &"x".repeat(5000)] {
        let mut stranger = Channel::open(address(&agreed)).await;
        stranger.say(line).await;
        assert_eq!(stranger.line().await, None, "{line}");
    }
    let mut first = Channel::greeted(&agreed, &ada).await;
    let mut second = Channel::greeted(&agreed, &ada).await;
    assert_eq!(first.line().await, None);
    bo.send(&[north.user("ada")], "hello", false).await.unwrap();
    assert_eq!(second.line().await.as_deref(), Some("WVCI 1.2 causeway-phone"));
    assert_eq!(text(&receive(&mut ada).await), "hello");
    // A second session of the same handset on the same connection; the cookie tells them apart
    let mut eve = north.phone("eve", modern()).await;
    agree(&mut eve, capabilities(&[CirMethod::Stcp])).await;
    second.say(&format!("HELO {}", eve.session().unwrap().as_str())).await;
    assert_eq!(second.line().await.as_deref(), Some("OK"));
    for (name, phone) in [("ada", &mut ada), ("eve", &mut eve)] {
        bo.send(&[north.user(name)], name, false).await.unwrap();
        assert!(second.line().await.expect("a call").starts_with("WVCI 1.2 "));
        assert_eq!(text(&receive(phone).await), name);
    }
    // And the one goes on when the other has gone
    ada.logout().await.unwrap();
    bo.send(&[north.user("eve")], "still", false).await.unwrap();
    assert!(second.line().await.expect("a call").starts_with("WVCI 1.2 "));
    node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replaced_session_is_called_to_hear_of_it_and_calls_survive_a_restart() {
    let world = World::new().await;
    let north = world.place("north.example", &[]);
    let node = world.start(&north).await;
    let mut bo = north.phone("bo", modern()).await;
    let mut ada = north.phone("ada", modern()).await;
    let agreed = agree(&mut ada, capabilities(&[CirMethod::Stcp])).await;
    let mut channel = Channel::greeted(&agreed, &ada).await;
    // When the same client logs in elsewhere
    let mut again = north.phone("ada", modern()).await;
    // Then the old one is called, and hears why
    assert!(channel.line().await.expect("a call").starts_with("WVCI"));
    let (_, told) = ada.poll().await.unwrap().expect("a Disconnect");
    assert!(matches!(told, Primitive::Disconnect(told) if told.result.code == Code::FORCED_LOGOUT));
    assert_eq!(channel.line().await, None);
    // And when the node restarts, the connection ends and is made anew, and so are calls
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let udp_port = Some(socket.local_addr().unwrap().port());
    let methods = capabilities(&[CirMethod::Stcp, CirMethod::Sudp, CirMethod::Shttp]);
    let agreed = agree(&mut again, Capabilities { udp_port, ..methods }).await;
    let mut channel = Channel::greeted(&agreed, &again).await;
    node.drain().await;
    let mut rest = Vec::new();
    let _ = timeout(PATIENCE, channel.lines.read_to_end(&mut rest)).await.expect("the end");
    assert_eq!(rest, b"");
    let node = world.start(&north).await;
    bo.send(&[north.user("ada")], "after", false).await.unwrap();
    let mut octets = [0; 200];
    let (length, _) = timeout(PATIENCE, socket.recv_from(&mut octets)).await.unwrap().unwrap();
    assert_eq!(&octets[..length], b"WVCI 1.2 causeway-phone");
    let path = agreed.cir_url.as_ref().expect("a URL").replace(&format!("http://{}", north.csp), "");
    assert_eq!(http_get(north.csp, &path).await.0, 200);
    let mut channel = Channel::greeted(&agreed, &again).await;
    assert!(channel.line().await.expect("a call").starts_with("WVCI"));
    assert_eq!(text(&receive(&mut again).await), "after");
    node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_switched_off_is_not_agreed_and_polling_goes_on() {
    let world = World::new().await;
    let off = causeway::cli::laboratory::Writing { cir_lines: "udp = false", ..Default::default() };
    let north = world.place_with("north.example", &off);
    let node = world.start(&north).await;
    let mut ada = north.phone("ada", modern()).await;
    let every = [CirMethod::WapSms, CirMethod::WapUdp, CirMethod::Sudp, CirMethod::Ssms];
    let agreed = agree(&mut ada, capabilities(&every)).await;
    assert_eq!((agreed.cir_methods.as_slice(), agreed.server_poll_min), (&[][..], Some(30)));
    let mut bo = north.phone("bo", modern()).await;
    bo.send(&[north.user("ada")], "poll", false).await.unwrap();
    assert_eq!(text(&receive(&mut ada).await), "poll");
    node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_takes_several_messages_at_a_time_gets_them_with_one_poll() {
    let world = World::new().await;
    let north = world.place("north.example", &[]);
    let node = world.start(&north).await;
    let mut bo = north.phone("bo", modern()).await;
    for encoding in [Encoding::Xml, Encoding::Wbxml] {
        // Given a 1.3 client that takes three in a message, and has room for two of these
        let mut ada = north.phone("ada", manner(Version::V1_3, encoding)).await;
        let stated = Capabilities {
            multi_trans: Some(5),
            multi_trans_per_message: Some(3),
            accepted_content_length: None,
            push_length: Some(9000),
            ..capabilities(&[])
        };
        let agreed = agree(&mut ada, stated).await;
        assert_eq!((agreed.multi_trans, agreed.multi_trans_per_message), (Some(5), Some(3)));
        let long = "x".repeat(8000);
        for words in ["one", "two", "three", &long, &long, "six"] {
            bo.send(&[north.user("ada")], words, false).await.unwrap();
        }
        // Then a poll brings three, and what comes later is as much as the client can parse
        let mut counts = Vec::new();
        let mut heard = Vec::new();
        let mut waiting = VecDeque::new();
        loop {
            let came = match waiting.pop_front() {
                None => csp::say(&mut ada, Mode::Request, None, Primitive::PollingRequest).await,
                Some(Transaction { id, content: Carried::Primitive(primitive), .. }) => {
                    heard.push(text(&primitive).len());
                    let Primitive::NewMessage(new) = *primitive else { panic!("no NewMessage") };
                    let answer = MessageDelivered { message_id: new.info.id.unwrap() }.into();
                    csp::say(&mut ada, Mode::Response, Some(id.unwrap().as_str()), answer).await
                }
                Some(other) => panic!("{other:?}"),
            };
            let came = came.map_or_else(Vec::new, |message| message.transactions);
            if came.is_empty() && waiting.is_empty() {
                break;
            }
            counts.push(came.len());
            waiting.extend(came);
        }
        assert_eq!(counts[0], 3);
        heard.sort_unstable();
        assert_eq!(heard, [3, 3, 3, 5, 8000, 8000], "everything once");
        ada.logout().await.unwrap();
    }
    node.drain().await;
}
