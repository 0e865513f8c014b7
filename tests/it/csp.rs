//! CSP below the level of [`Phone`]: single documents, as values or as octets.

use std::net::SocketAddr;

use causeway::cli::phone::{Phone, PhoneError};
use causeway::imps::primitive::{DeliveryMethod, DeliveryReport, KeepAliveRequest};
use causeway::imps::primitive::{MessageInfo, Recipient, SendMessageRequest, SetDeliveryMethodRequest, User};
use causeway::imps::{Code, Content, MessageId, Primitive, SessionId, Status, TransactionId, UserId};
use causeway::wire::csp::{self, Message, Transaction};
use causeway::wire::{Carried, Encoding, Limits, Mode};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// The media type of CSP 1.1 and 1.2 in XML.
pub const XML: &str = "application/vnd.wv.csp.xml";
/// The media type of CSP 1.1 and 1.2 in WBXML.
pub const WBXML: &str = "application/vnd.wv.csp.wbxml";

/// An HTTP answer.
pub struct Reply {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Reply {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// The document in it.
    pub fn document(&self, encoding: Encoding) -> Message {
        read(&self.body, encoding)
    }
}

/// Reads a document that the server wrote.
pub fn read(body: &[u8], encoding: Encoding) -> Message {
    csp::read(body, encoding, None, &Limits::for_document(8 * 1024 * 1024)).unwrap()
}

/// One POST on a connection of its own.
pub async fn post(server: SocketAddr, content_type: &str, body: &[u8]) -> Reply {
    let head = format!(
        "POST / HTTP/1.1\r\nHost: {server}\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n",
        body.len()
    );
    exchange(server, &head, body).await
}

/// Any request, head and body, on a connection of its own.
pub async fn exchange(server: SocketAddr, head: &str, body: &[u8]) -> Reply {
    let mut stream = tokio::net::TcpStream::connect(server).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    // The server may refuse by the head alone, and close.
    let _ = stream.write_all(body).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n").expect("an HTTP head");
    let head = String::from_utf8_lossy(&answer[..end]).into_owned();
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap();
    Reply { status, head, body: answer.split_off(end + 4) }
}

/// A CSP 1.2 document in XML with one transaction; without session it is Outband.
pub fn xml(session: Option<&SessionId>, mode: Mode, id: Option<&str>, content: &str) -> String {
    let session = match session {
        None => "<SessionType>Outband</SessionType>".to_owned(),
        Some(session) => {
            format!("<SessionType>Inband</SessionType><SessionID>{}</SessionID>", session.as_str())
        }
    };
    let id = id.map(|id| format!("<TransactionID>{id}</TransactionID>")).unwrap_or_default();
    let mode = match mode {
        Mode::Request => "Request",
        Mode::Response => "Response",
    };
    format!(
        "<?xml version=\"1.0\"?><WV-CSP-Message xmlns=\"http://www.openmobilealliance.org/DTD/WV-CSP1.2\">\
         <Session><SessionDescriptor>{session}</SessionDescriptor><Transaction><TransactionDescriptor>\
         <TransactionMode>{mode}</TransactionMode>{id}</TransactionDescriptor>\
         <TransactionContent xmlns=\"http://www.openmobilealliance.org/DTD/WV-TRC1.2\">{content}\
         </TransactionContent></Transaction></Session></WV-CSP-Message>"
    )
}

/// One document of this phone there, one back; `None` is an empty body.
pub async fn say(phone: &mut Phone, mode: Mode, id: Option<&str>, primitive: Primitive) -> Option<Message> {
    let manner = phone.manner().clone();
    let id = id.map(|id| id.parse::<TransactionId>().unwrap());
    let message = Message {
        version: manner.version,
        encoding: manner.encoding,
        session: phone.session().cloned(),
        transactions: vec![Transaction { mode, id, content: Carried::Primitive(Box::new(primitive)) }],
        poll: None,
        cir: None,
        old_forms: false,
    };
    let body = csp::write(&message).unwrap();
    let (status, body) = phone.post(csp::content_type(manner.version, manner.encoding), body).await.unwrap();
    assert_eq!(status, 200);
    (!body.is_empty()).then(|| read(&body, manner.encoding))
}

/// What the server says, a refusal too.
pub async fn ask(phone: &mut Phone, primitive: impl Into<Primitive>) -> Primitive {
    match phone.ask(primitive.into()).await {
        Err(PhoneError::Refused(status)) => status.into(),
        answer => answer.unwrap(),
    }
}

/// The one transaction of a document.
pub fn only(message: &Message) -> (&Transaction, &Primitive) {
    let [transaction] = &message.transactions[..] else {
        panic!("{} transactions", message.transactions.len())
    };
    let Carried::Primitive(primitive) = &transaction.content else { panic!("{:?}", transaction.content) };
    (transaction, primitive)
}

/// Sends and wants success; the id.
pub async fn send(phone: &mut Phone, to: &[&str], words: &str, report: bool) -> MessageId {
    let to: Vec<UserId> = to.iter().map(|user| user.parse().unwrap()).collect();
    let answer = phone.send(&to, words, report).await.unwrap();
    assert_eq!(answer.result.code, Code::SUCCESSFUL, "{:?}", answer.result);
    answer.message_id.expect("a message id")
}

/// A message of this phone's user to these users.
pub fn message(phone: &Phone, to: &[&str], content: impl Into<Content>) -> SendMessageRequest {
    let recipient = |user: &&str| Recipient::User(User::from(user.parse::<UserId>().unwrap()));
    SendMessageRequest {
        delivery_report: false,
        info: MessageInfo {
            recipients: to.iter().map(recipient).collect(),
            sender: Some(User::from(phone.user().clone()).into()),
            ..MessageInfo::default()
        },
        content: Some(content.into()),
    }
}

/// From now on this phone wants to be told of messages instead of getting them.
pub async fn notify_only(phone: &mut Phone) {
    let request = SetDeliveryMethodRequest {
        method: DeliveryMethod::Notify,
        accepted_content_length: None,
        group: None,
        group_content_limit: None,
    };
    let answer = phone.ask(Primitive::SetDeliveryMethodRequest(request)).await.unwrap();
    assert_eq!(answer, Primitive::Status(Status::ok()));
}

/// The delivery report that it is.
pub fn report(primitive: Primitive) -> DeliveryReport {
    match primitive {
        Primitive::DeliveryReport(report) => report,
        other => panic!("{} is no report", other.name()),
    }
}

/// After a restart of the node: the phone's connection is gone, which it may notice only when it asks.
pub async fn reconnect(phone: &mut Phone) {
    let alive = || Primitive::KeepAliveRequest(KeepAliveRequest::default());
    if phone.ask(alive()).await.is_err() {
        phone.ask(alive()).await.unwrap();
    }
}
