//! A small CSP client: logs in, sends, polls, acknowledges. `causeway client` talks through it, and so do
//! the demonstration and the scenario tests; it behaves as `reference client-android.md` says a real phone
//! does.
//!
//! One POST at a time on one kept-alive HTTP/1.1 connection, one transaction in each document.

mod server;

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_body_util::Full;
use hyper::Method;
use hyper::body::Bytes;
use hyper::client::conn::http1::SendRequest;
use md5::Digest as _;

use server::{ANSWER_OCTETS_MAX, Outgoing};
pub use server::{Incoming, Server, ServerError};

use crate::element::content::serve::coded;
use crate::imps::primitive::{
    Capabilities, CirMethod, ClientCapabilityRequest, ClientId, ClientType, DeliveryMethod, DigestSchema,
    LoginRequest, MessageDelivered, MessageInfo, Password, Recipient, SendMessageRequest,
    SendMessageResponse, ServiceRequest, SystemMessageResponse, User,
};
use crate::imps::{Code, Content, MessageId, Primitive, SessionId, Status, TransactionId, UserId, Version};
use crate::wire::csp::{self, Message, Transaction};
use crate::wire::{Carried, Encoding, Limits, Mode};

/// Seconds between polls that a phone asks for.
const POLL_SECONDS: u32 = 2;
/// Seconds of silence after which a phone's session may end.
const TIME_TO_LIVE: u32 = 3600;
/// Largest document that a phone reads, octets.
const PARSER_OCTETS_MAX: u32 = 262_144;
/// Largest content that a phone takes unasked, octets.
const CONTENT_OCTETS_MAX: u32 = 262_144;

/// How a phone speaks.
#[derive(Clone, Debug)]
pub struct Manner {
    /// CSP version.
    pub version: Version,
    /// XML or WBXML.
    pub encoding: Encoding,
    /// 4-way login with a digest; else the password travels in clear (2-way).
    pub digest: bool,
}

/// A logged-in or still silent client.
pub struct Phone {
    user: UserId,
    client: ClientId,
    client_type: ClientType,
    /// Wants to be called over TCP.
    called: bool,
    manner: Manner,
    server: Server,
    connection: Option<SendRequest<Full<Bytes>>>,
    session: Option<SessionId>,
    /// What the next login answers messages of the provider.
    responses: Vec<SystemMessageResponse>,
    agreed: Option<Box<Capabilities>>,
    next_transaction: u32,
    /// Server transactions not yet acknowledged.
    waiting: Vec<(TransactionId, Primitive)>,
}

/// What went wrong, as the user of a phone would be told.
#[derive(Debug, thiserror::Error)]
pub enum PhoneError {
    /// The server could not be reached, or the connection broke.
    #[error("{0} does not answer: {1}")]
    Connection(String, String),
    /// HTTP refused.
    #[error("the server answered HTTP {0}")]
    Http(u16),
    /// The answer could not be read.
    #[error("the answer could not be read: {0}")]
    Unreadable(String),
    /// The request could not be written in this version.
    #[error("the request could not be written: {0}")]
    Unwritable(String),
    /// The server said no.
    #[error("the server answered {:?}{}", .0.code, reason(.0))]
    Refused(Status),
    /// The server answered with something else.
    #[error("the server answered {0} instead of what was asked for")]
    Unexpected(&'static str),
}

impl PhoneError {
    /// The code, if the server said no.
    pub const fn code(&self) -> Option<Code> {
        match self {
            Self::Refused(status) => Some(status.code),
            _ => None,
        }
    }

    /// Whether the server says that there is no such session (any more).
    pub fn is_session_lost(&self) -> bool {
        matches!(self.code(), Some(Code::SESSION_EXPIRED | Code::FORCED_LOGOUT | Code::INVALID_SESSION))
    }
}

/// What a status says beyond its code.
fn reason(status: &Status) -> String {
    status.description.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default()
}

impl fmt::Debug for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Phone({}, {:?})", self.user, self.manner)
    }
}

impl Phone {
    /// Answers messages of the provider in the next login (1.3).
    pub fn answers_at_login(&mut self, responses: Vec<SystemMessageResponse>) {
        self.responses = responses;
    }

    /// A phone of this user at this server, not yet logged in. `device` tells the user's phones apart.
    pub fn new(server: impl Into<Server>, user: UserId, device: &str, manner: Manner) -> Self {
        let client = ClientId { url: Some(device.into()), ..ClientId::default() };
        Self {
            user,
            client,
            client_type: ClientType::MobilePhone,
            called: false,
            manner,
            server: server.into(),
            connection: None,
            session: None,
            responses: Vec::new(),
            agreed: None,
            next_transaction: 1,
            waiting: Vec::new(),
        }
    }

    /// The same, as another kind of client.
    #[must_use]
    pub const fn of_type(mut self, client_type: ClientType) -> Self {
        self.client_type = client_type;
        self
    }

    /// The same, wanting to be called over TCP when something waits (CIR). Whoever owns it connects where
    /// [`Self::agreed`] says.
    #[must_use]
    pub const fn to_be_called(mut self) -> Self {
        self.called = true;
        self
    }

    /// Where its provider is.
    pub const fn server(&self) -> &Server {
        &self.server
    }

    /// What was agreed after login.
    pub fn agreed(&self) -> Option<&Capabilities> {
        self.agreed.as_deref()
    }

    /// Whether something has come that nobody took yet.
    pub fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// The user.
    pub const fn user(&self) -> &UserId {
        &self.user
    }

    /// How it speaks.
    pub const fn manner(&self) -> &Manner {
        &self.manner
    }

    /// The session, once logged in.
    pub const fn session(&self) -> Option<&SessionId> {
        self.session.as_ref()
    }

    /// Posts octets as they are and returns HTTP status and body.
    pub async fn post(&mut self, content_type: &str, body: Vec<u8>) -> Result<(u16, Bytes), PhoneError> {
        let path = self.server.path().to_owned();
        let answer = self.http(Method::POST, &path, content_type, &[], body.into()).await?;
        Ok((answer.status, answer.body))
    }

    /// One request to the provider over HTTP, whatever it is.
    pub async fn http(
        &mut self,
        method: Method,
        path: &str,
        content_type: &str,
        headers: &[(&str, String)],
        body: Bytes,
    ) -> Result<Incoming, PhoneError> {
        let mut connection = match self.connection.take() {
            Some(connection) if connection.is_ready() => connection,
            _ => self.server.connect().await?,
        };
        let request = Outgoing { method, path, content_type, headers, body };
        let answer = self.server.exchange(&mut connection, request).await?;
        if connection.ready().await.is_ok() {
            self.connection = Some(connection);
        }
        Ok(answer)
    }

    async fn exchange(
        &mut self,
        mode: Mode,
        id: Option<TransactionId>,
        primitive: Primitive,
    ) -> Result<Option<Message>, PhoneError> {
        let message = Message {
            version: self.manner.version,
            encoding: self.manner.encoding,
            session: self.session.clone(),
            transactions: vec![Transaction { mode, id, content: Carried::Primitive(Box::new(primitive)) }],
            poll: None,
            cir: None,
            old_forms: false,
        };
        let body = csp::write(&message).map_err(|e| PhoneError::Unwritable(e.to_string()))?;
        let (status, body) =
            self.post(csp::content_type(self.manner.version, self.manner.encoding), body).await?;
        if status != 200 {
            return Err(PhoneError::Http(status));
        }
        if body.is_empty() {
            return Ok(None);
        }
        csp::read(&body, self.manner.encoding, None, &Limits::for_document(ANSWER_OCTETS_MAX))
            .map(Some)
            .map_err(|e| PhoneError::Unreadable(e.to_string()))
    }

    /// Asks and returns the answer; server requests that came with it are kept.
    pub async fn ask(&mut self, primitive: Primitive) -> Result<Primitive, PhoneError> {
        let number = self.next_transaction.to_string();
        self.next_transaction = self.next_transaction % 999 + 1;
        let id: TransactionId = number.parse().map_err(|_| PhoneError::Unwritable(number.clone()))?;
        let message = self.exchange(Mode::Request, Some(id.clone()), primitive).await?;
        let mut answer = None;
        for transaction in message.into_iter().flat_map(|message| message.transactions) {
            match (transaction.mode, transaction.id, transaction.content) {
                (Mode::Response, Some(of), Carried::Primitive(primitive)) if of == id => {
                    answer = Some(*primitive);
                }
                (Mode::Request, Some(of), Carried::Primitive(primitive)) => {
                    self.waiting.push((of, *primitive));
                }
                (_, _, Carried::Faulty { fault, .. }) => {
                    return Err(PhoneError::Unreadable(fault.to_string()));
                }
                _ => {}
            }
        }
        match answer {
            Some(Primitive::Status(status)) if !status.code.is_success() => Err(PhoneError::Refused(status)),
            Some(primitive) => Ok(primitive),
            None => Err(PhoneError::Unexpected("nothing")),
        }
    }

    /// Logs in with this password, states capabilities and asks for all services, as phones do.
    pub async fn login(&mut self, password: &str) -> Result<(), PhoneError> {
        self.session = None;
        self.agreed = None;
        self.waiting.clear();
        let mut request = LoginRequest {
            user: self.user.clone(),
            client: self.client.clone(),
            application: None,
            password: None,
            digest: None,
            schemas: Vec::new(),
            session: None,
            time_to_live: Some(TIME_TO_LIVE),
            cookie: Some("causeway-phone".into()),
            responses: std::mem::take(&mut self.responses),
            functions: None,
            capabilities: None,
        };
        if self.manner.digest {
            request.schemas = vec![DigestSchema::Md5, DigestSchema::Sha];
            let Primitive::LoginResponse(first) =
                self.ask(Primitive::LoginRequest(Box::new(request.clone()))).await?
            else {
                return Err(PhoneError::Unexpected("no Login-Response"));
            };
            let Some(nonce) = first.nonce else { return Err(PhoneError::Refused(first.result)) };
            request.schemas = Vec::new();
            let text = format!("{nonce}{password}");
            request.digest = Some(match first.schema {
                Some(DigestSchema::Sha) => STANDARD.encode(sha1::Sha1::digest(text.as_bytes())).into(),
                _ => STANDARD.encode(md5::Md5::digest(text.as_bytes())).into(),
            });
        } else {
            request.password = Some(Password::new(password));
        }
        let Primitive::LoginResponse(answer) = self.ask(Primitive::LoginRequest(Box::new(request))).await?
        else {
            return Err(PhoneError::Unexpected("no Login-Response"));
        };
        if !answer.result.code.is_success() || answer.session.is_none() {
            return Err(PhoneError::Refused(answer.result));
        }
        self.session = answer.session;
        let client = (self.manner.version == Version::V1_1).then(|| self.client.clone());
        let capabilities = Box::new(Capabilities {
            client_type: Some(self.client_type),
            initial_delivery_method: Some(DeliveryMethod::Push),
            any_content: Some(true),
            accepted_content_length: (self.manner.version < Version::V1_3).then_some(CONTENT_OCTETS_MAX),
            push_length: (self.manner.version == Version::V1_3).then_some(CONTENT_OCTETS_MAX),
            bearers: vec![crate::imps::primitive::Bearer::Http],
            multi_trans: Some(1),
            parser_size: Some(PARSER_OCTETS_MAX),
            cir_methods: if self.called { vec![CirMethod::Stcp] } else { Vec::new() },
            server_poll_min: Some(POLL_SECONDS),
            ..Capabilities::default()
        });
        let answer =
            self.ask(ClientCapabilityRequest { client: client.clone(), capabilities }.into()).await?;
        if let Primitive::ClientCapabilityResponse(response) = answer {
            self.agreed = Some(response.agreed);
        }
        self.ask(ServiceRequest { client, functions: None, all_functions_request: true }.into()).await?;
        Ok(())
    }

    /// Sends text to these users and returns what the server says, for each of them.
    pub async fn send(
        &mut self,
        to: &[UserId],
        text: &str,
        delivery_report: bool,
    ) -> Result<SendMessageResponse, PhoneError> {
        let info = MessageInfo {
            content_type: Some("text/plain".into()),
            recipients: to.iter().cloned().map(|user| Recipient::User(User::from(user))).collect(),
            sender: Some(User::from(self.user.clone()).into()),
            ..MessageInfo::default()
        };
        self.send_message(SendMessageRequest { delivery_report, info, content: Some(Content::from(text)) })
            .await
    }

    /// Sends a message of any kind.
    pub async fn send_message(
        &mut self,
        request: SendMessageRequest,
    ) -> Result<SendMessageResponse, PhoneError> {
        match self.ask(request.into()).await? {
            Primitive::SendMessageResponse(answer) => Ok(answer),
            other => Err(PhoneError::Unexpected(other.name())),
        }
    }

    /// Polls once: the oldest server request that is not acknowledged, if there is one.
    pub async fn poll(&mut self) -> Result<Option<(TransactionId, Primitive)>, PhoneError> {
        if self.waiting.is_empty() {
            let message = self.exchange(Mode::Request, None, Primitive::PollingRequest).await?;
            self.keep(message)?;
        }
        Ok(if self.waiting.is_empty() { None } else { Some(self.waiting.remove(0)) })
    }

    fn keep(&mut self, message: Option<Message>) -> Result<(), PhoneError> {
        for transaction in message.into_iter().flat_map(|message| message.transactions) {
            match (transaction.mode, transaction.id, transaction.content) {
                (Mode::Request, Some(id), Carried::Primitive(primitive)) => {
                    self.waiting.push((id, *primitive));
                }
                (Mode::Response, _, Carried::Primitive(primitive)) => {
                    if let Primitive::Status(status) = *primitive {
                        return Err(PhoneError::Refused(status));
                    }
                }
                (_, _, Carried::Faulty { fault, .. }) => {
                    return Err(PhoneError::Unreadable(fault.to_string()));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Answers a server request; the next one may come back at once and is kept for [`Phone::poll`].
    pub async fn answer(&mut self, id: TransactionId, answer: Primitive) -> Result<(), PhoneError> {
        let message = self.exchange(Mode::Response, Some(id), answer).await?;
        self.keep(message)
    }

    /// Acknowledges a server request as a phone does: NewMessage by MessageDelivered, all else by
    /// Status 200. Disconnect gets no answer.
    pub async fn acknowledge(&mut self, id: TransactionId, request: &Primitive) -> Result<(), PhoneError> {
        let delivered = |message_id: &MessageId| MessageDelivered { message_id: message_id.clone() }.into();
        match request {
            Primitive::NewMessage(message) => match &message.info.id {
                Some(message_id) => self.answer(id, delivered(message_id)).await,
                None => Err(PhoneError::Unexpected("a NewMessage without MessageID")),
            },
            Primitive::Disconnect(_) => {
                self.session = None;
                Ok(())
            }
            _ => self.answer(id, Primitive::Status(Status::ok())).await,
        }
    }

    /// Takes the next thing that waits and acknowledges it.
    pub async fn take(&mut self) -> Result<Option<Primitive>, PhoneError> {
        let Some((id, primitive)) = self.poll().await? else { return Ok(None) };
        self.acknowledge(id, &primitive).await?;
        Ok(Some(primitive))
    }

    /// Keeps octets at the provider, for this audience (`link`, `contacts`, …): their URL.
    pub async fn keep_content(
        &mut self,
        name: &str,
        content_type: &str,
        audience: &str,
        octets: Vec<u8>,
    ) -> Result<Box<str>, PhoneError> {
        let session = self.session.as_ref().ok_or(PhoneError::Unexpected("no session"))?;
        let headers = [("authorization", format!("Session {session}"))];
        let path = format!("/content/?name={}&audience={}", coded(name), coded(audience));
        let answer = self.http(Method::PUT, &path, content_type, &headers, octets.into()).await?;
        match (answer.status, answer.location) {
            (201, Some(url)) => Ok(url),
            (201, None) => Err(PhoneError::Unexpected("no URL")),
            (status, _) => Err(PhoneError::Http(status)),
        }
    }

    /// Gets what a URL of anybody names. At one's own provider the session proves who one is; elsewhere one
    /// is nobody.
    pub async fn fetch(&mut self, url: &str) -> Result<Incoming, PhoneError> {
        let unreadable = |error: ServerError| PhoneError::Unreadable(error.to_string());
        let tls = self.server.tls().ok_or_else(|| "no CAs are known".to_owned());
        let server = Server::new(url, || tls).map_err(unreadable)?;
        let answer = if server.authority() == self.server.authority() {
            let session = self.session.as_ref().map(|session| format!("Session {session}"));
            let headers: Vec<_> = session.into_iter().map(|session| ("authorization", session)).collect();
            let path = server.path().to_owned();
            self.http(Method::GET, &path, "text/plain", &headers, Bytes::new()).await?
        } else {
            let mut connection = server.connect().await?;
            let request = Outgoing {
                method: Method::GET,
                path: server.path(),
                content_type: "text/plain",
                headers: &[],
                body: Bytes::new(),
            };
            server.exchange(&mut connection, request).await?
        };
        if answer.status == 200 { Ok(answer) } else { Err(PhoneError::Http(answer.status)) }
    }

    /// Logs out.
    pub async fn logout(&mut self) -> Result<(), PhoneError> {
        let answer = self.ask(Primitive::LogoutRequest).await;
        self.session = None;
        match answer? {
            Primitive::Status(_) | Primitive::Disconnect(_) => Ok(()),
            other => Err(PhoneError::Unexpected(other.name())),
        }
    }
}
