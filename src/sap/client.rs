//! Documents of clients: from the door to the answer.
//!
//! ```text
//! bytes ─▶ wire::csp ─▶ session (alive? repeat?) ─▶ each transaction ─▶ admit ─▶ element ─▶ commit ─▶ answer
//!                                                    └ answers of the client settle mailbox rows
//! ```
//! Only after the commit does an answer leave (architecture §1.4). One transaction of ours goes into
//! each document; several of the client are answered together, in order (reference csp.md §1).

use std::sync::Arc;
use std::time::Duration;

use tracing::{debug, info, warn};

use super::clients::Client;
use super::common::discover;
use super::{Sap, store_code};
use crate::element::common::system;
use crate::element::presence::notices::worded;
use crate::imps::primitive::{GetSpInfoRequest, GetSpInfoResponse, LoginRequest};
use crate::imps::{Code, Primitive, SessionId, Status, Terms, TransactionId, UserId, Version};
use crate::relay::agreement::service_needed;
use crate::relay::ports::{Account, Change, Outcome, StoreError};
use crate::session::csp::{
    AccountFacts, Arrival, Begin, LoginOutcome, Occasion, Save, SessionKey, Site, answer_services, fitting,
    home_user, parsable, understood,
};
use crate::wire::csp::{self, Message, Transaction};
use crate::wire::{Carried, Encoding, Limits, Mode, Refusal, unquoted};

/// How long a repeat waits for the document it repeats, which is still being carried out.
const REPEAT_WAIT: Duration = Duration::from_secs(40);

/// A document from a client.
#[derive(Clone, Copy, Debug)]
pub struct ClientDocument<'a> {
    /// The octets.
    pub body: &'a [u8],
    /// XML or WBXML, by the media type.
    pub encoding: Encoding,
    /// The charset parameter of the media type.
    pub charset: Option<&'a str>,
    /// Whether passwords in clear may come this way.
    pub clear_password_allowed: bool,
    /// How it came here, where that is known.
    pub arrival: Option<Arrival>,
}

/// A document was carried out.
struct CarriedOut {
    /// What goes back.
    answer: Vec<u8>,
    /// The client's answer to a request of ours could not be stored.
    unsettled: bool,
    /// The answer says that more waits.
    poll: bool,
}

/// A transaction's answer with what it counts as.
struct Done {
    request: &'static str,
    answer: Primitive,
}

impl Sap {
    /// Carries a document out. The answer is a document, or empty: nothing waits, or none is due. An error: the
    /// session, or outside of one the source, asks for more than it may, nothing was done, and it may come again
    /// after this time.
    pub async fn client_document(&self, document: ClientDocument<'_>) -> Result<Vec<u8>, Duration> {
        let limits = Limits::for_document(self.settings.client_document_octets_max);
        let message = match csp::read(document.body, document.encoding, document.charset, &limits) {
            Ok(message) => message,
            Err(refusal) => {
                self.spend_outside(&document)?;
                return Ok(self.unreadable(&refusal, document.encoding));
            }
        };
        Ok(match message.session.clone() {
            Some(session) if !begins_with_login(&message) => {
                match self.clients.get(&session) {
                    Some(client) => self.spend_session(&client)?,
                    None => self.spend_outside(&document)?,
                }
                self.inband(document, message, &session).await
            }
            // A client that takes up its session with a new login names the old one (client-android §3).
            _ => {
                self.spend_outside(&document)?;
                Box::pin(self.outband(document, message)).await
            }
        })
    }

    fn spend_outside(&self, document: &ClientDocument<'_>) -> Result<(), Duration> {
        document.arrival.as_ref().map_or(Ok(()), |arrival| self.spend_source(arrival.from.ip()))
    }

    /// A body that is no CSP document: Status 400 under transaction 0, or 505 (reference csp.md §2).
    fn unreadable(&self, refusal: &Refusal, encoding: Encoding) -> Vec<u8> {
        self.events.wire_rejected(crate::relay::events::Listener::Csp, refusal.reason());
        debug!(refusal = unquoted(refusal), "a client sent what cannot be read");
        let (code, version) = match refusal {
            Refusal::Version(_) => (Code::VERSION_NOT_SUPPORTED, Version::V1_3),
            _ => (Code::BAD_REQUEST, Version::V1_2),
        };
        let answer = Transaction {
            mode: Mode::Response,
            id: "0".parse::<TransactionId>().ok(),
            content: Carried::Primitive(Box::new(Status::new(code).into())),
        };
        write(&Message {
            version,
            encoding,
            session: None,
            transactions: vec![answer],
            poll: None,
            cir: None,
            old_forms: false,
        })
    }

    async fn outband(&self, document: ClientDocument<'_>, message: Message) -> Vec<u8> {
        let Message { version, encoding, session, transactions, .. } = message;
        let mut answers = Vec::new();
        for transaction in transactions {
            if transaction.mode == Mode::Response {
                continue;
            }
            let name = transaction.content.name();
            let answer = match transaction.content {
                Carried::Primitive(primitive) => match *primitive {
                    Primitive::LoginRequest(request) => self.login(&request, version, document).await,
                    Primitive::GetSpInfoRequest(request) => self.provider_info(&request),
                    Primitive::VersionDiscoveryRequest(request) => discover(&request).into(),
                    _ => Status::new(Code::INVALID_SESSION).into(),
                },
                other => Status::new(refused_code(&other, Code::INVALID_SESSION)).into(),
            };
            answers.push(self.answered(version, encoding, transaction.id, Done { request: name, answer }));
        }
        if answers.is_empty() {
            return Vec::new();
        }
        write(&Message {
            version,
            encoding,
            session,
            transactions: answers,
            poll: Some(false),
            cir: None,
            old_forms: false,
        })
    }

    /// Counts an answer and wraps it.
    fn answered(
        &self,
        version: Version,
        encoding: Encoding,
        id: Option<TransactionId>,
        done: Done,
    ) -> Transaction {
        self.events.csp_request(version, encoding, done.request, done.answer.code());
        Transaction { mode: Mode::Response, id, content: Carried::Primitive(Box::new(done.answer)) }
    }

    fn provider_info(&self, request: &GetSpInfoRequest) -> Primitive {
        let name = self.domains().first().map(ToString::to_string).unwrap_or_default();
        GetSpInfoResponse {
            client: request.client.clone(),
            name: name.into(),
            ..GetSpInfoResponse::default()
        }
        .into()
    }

    async fn login(
        &self,
        request: &LoginRequest,
        version: Version,
        document: ClientDocument<'_>,
    ) -> Primitive {
        let domains = self.domains();
        let user = home_user(&request.user, &domains);
        let account = match &user {
            None => None,
            Some(user) => match self.store.account_now(user.clone()).await {
                Ok(found) => found,
                Err(error) => return Status::new(store_code(&error)).into(),
            },
        };
        let password = match account.as_ref().map(|account| self.vault.open(account)) {
            None => None,
            Some(Ok(password)) => Some(password),
            Some(Err(error)) => {
                warn!(user = %request.user, %error, "the stored password cannot be opened");
                return Status::new(Code::INTERNAL_ERROR).into();
            }
        };
        let key = user.map(|user| SessionKey::of(request, user));
        let same_key = key.as_ref().and_then(|key| self.clients.of_key(key));
        let named = request.session.as_ref().and_then(|id| self.clients.get(id));
        let now = self.now();
        let outcome = {
            let facts = AccountFacts {
                domains: &domains,
                password: password.as_ref(),
                terms: account.as_ref().map(|account| account.terms).unwrap_or_default(),
                registration_open: self.settings.registration_open,
                clear_password_allowed: document.clear_password_allowed,
                same_key: same_key.as_ref(),
                named: named.as_ref().map(|client| &client.key),
                site: Site { served: self.cir_served(), arrival: document.arrival.as_ref() },
            };
            let (mut login, mut chance) = (self.login_machine(), self.chance());
            login.decide(request, version, document.encoding, &facts, now, &mut **chance)
        };
        match outcome {
            LoginOutcome::Challenge(response) => Primitive::LoginResponse(Box::new(response)),
            LoginOutcome::Refused { response, why } => {
                info!(%why, "login refused");
                Primitive::LoginResponse(Box::new(response))
            }
            LoginOutcome::Resumed(resumed) => {
                let Some(client) = named else { return Status::new(Code::INVALID_SESSION).into() };
                client.machine().resume(&resumed, now);
                self.answered_at_login(&client, &request.responses).await;
                self.negotiated(&client).await;
                Primitive::LoginResponse(Box::new(resumed.response))
            }
            LoginOutcome::Opened(opened) => {
                let record = opened.session.record().clone();
                let mut changes = Vec::new();
                if let Some(password) = &opened.register {
                    let sealed_password = match self.vault.seal(&record.user, password) {
                        Ok(sealed) => sealed,
                        Err(error) => {
                            warn!(user = %record.user, %error, "the password cannot be sealed");
                            return Status::new(Code::INTERNAL_ERROR).into();
                        }
                    };
                    let user = record.user.clone();
                    changes.push(Change::AddAccount(Account {
                        user,
                        sealed_password,
                        created: now,
                        terms: Terms::default(),
                    }));
                }
                changes.push(Change::PutCspSession(Box::new(record.clone())));
                changes.extend(opened.replaces.clone().map(Change::DropCspSession));
                match self.store.commit(changes).await {
                    Err(error) => return Status::new(store_code(&error)).into(),
                    // Two first logins met: the account belongs to the other.
                    Ok(outcomes)
                        if opened.register.is_some() && outcomes.first() == Some(&Outcome::Duplicate) =>
                    {
                        drop(self.store.commit(vec![Change::DropCspSession(record.id)]));
                        return Status::new(Code::INVALID_PASSWORD).into();
                    }
                    Ok(_) => {}
                }
                debug!(user = %record.user, %version, "logged in");
                for old in self.clients.insert(opened.session) {
                    old.machine().end(Code::FORCED_LOGOUT, now);
                    self.look_again(&old);
                }
                self.presence_changed(&record.user).await;
                self.events.csp_sessions(self.clients.len());
                if let Some(client) = self.clients.get(&record.id) {
                    self.negotiated(&client).await;
                    self.client_there(&client, true).await;
                    self.auto_join(&client).await;
                    self.answered_at_login(&client, &request.responses).await;
                    self.ask_again(&client).await;
                }
                Primitive::LoginResponse(Box::new(opened.response))
            }
        }
    }

    async fn inband(&self, document: ClientDocument<'_>, message: Message, session: &SessionId) -> Vec<u8> {
        let now = self.now();
        let polls = message.transactions.iter().any(|transaction| {
            matches!(&transaction.content, Carried::Primitive(primitive) if **primitive == Primitive::PollingRequest)
        });
        let client = self.clients.get(session);
        let alive = match &client {
            None => Err(Code::INVALID_SESSION),
            Some(client) => client.machine().heard(polls, now).map_err(|error| error.code()),
        };
        let client = match (client, alive) {
            (Some(client), Ok(())) => client,
            (_, alive) => {
                let code = alive.err().unwrap_or(Code::INVALID_SESSION);
                return self.no_session(message, code);
            }
        };
        let terms = self.terms_of(client.user()).await;
        if terms.as_ref().is_ok_and(Terms::is_barred) {
            info!(user = %client.user(), "barred: the session ends");
            self.forget_session(&client).await;
            return self.no_session(message, Code::FORCED_LOGOUT);
        }
        // A repeat of what was carried out is answered again (decisions.md 6).
        let first = message.transactions.iter().find_map(|transaction| transaction.id.clone());
        let digest = crate::wire::digest(document.body);
        if let Some(first) = &first {
            let until = tokio::time::Instant::now() + REPEAT_WAIT;
            loop {
                let finished = client.finished.notified();
                tokio::pin!(finished);
                // Waits from here on, so that an end between the question and the wait is not missed.
                finished.as_mut().enable();
                let begin = client.machine().begin(first, digest, self.now());
                match begin {
                    Begin::Fresh => break,
                    Begin::Repeat(answer) => return answer.to_vec(),
                    Begin::InWork if tokio::time::timeout_at(until, finished).await.is_ok() => {}
                    Begin::InWork => return Vec::new(),
                }
            }
        }
        let arrival = document.arrival.as_ref();
        {
            let mut machine = client.machine();
            machine.working();
            if let Some(arrival) = arrival.filter(|arrival| arrival.direct) {
                machine.seen_at(arrival.from.ip());
            }
        }
        let CarriedOut { answer, unsettled, poll } = self.carry_out(&client, &terms, message, arrival).await;
        client.machine().rested(poll, self.now());
        self.call_now(&client);
        if let Some(first) = &first {
            if unsettled {
                // The client says the same again when it is asked again, and is heard then.
                client.machine().abandon(first, digest);
            } else {
                client.machine().finish(first, digest, answer.as_slice().into());
            }
            client.finished.notify_waiters();
        }
        answer
    }

    /// Any request of a dead session gets the code with its own transaction id (reference csp.md §6).
    fn no_session(&self, message: Message, code: Code) -> Vec<u8> {
        let Message { version, encoding, session, transactions, .. } = message;
        let requests = transactions.into_iter().filter(|transaction| transaction.mode == Mode::Request);
        let answers: Vec<_> = requests
            .map(|transaction| {
                let done = Done { request: transaction.content.name(), answer: Status::new(code).into() };
                self.answered(version, encoding, transaction.id, done)
            })
            .collect();
        if answers.is_empty() {
            return Vec::new();
        }
        write(&Message {
            version,
            encoding,
            session,
            transactions: answers,
            poll: None,
            cir: None,
            old_forms: false,
        })
    }

    async fn carry_out(
        &self,
        client: &Arc<Client>,
        terms: &Result<Terms, StoreError>,
        message: Message,
        arrival: Option<&Arrival>,
    ) -> CarriedOut {
        let encoding = message.encoding;
        let old_forms = client.machine().old_forms(message.old_forms);
        // A session keeps the version of its login (reference csp.md §10).
        let version = client.machine().record().version;
        let mut answers = Vec::new();
        let mut occasion = Occasion::Answer;
        let mut unsettled = false;
        let who = (client.user(), version);
        for transaction in message.transactions {
            if let Carried::Primitive(primitive) = &transaction.content {
                self.traces.client(who, ("from client", transaction.id.as_ref()), primitive, self.now());
            }
            match (transaction.mode, transaction.content) {
                (Mode::Request, Carried::Primitive(primitive)) if *primitive == Primitive::PollingRequest => {
                    self.events.csp_request(version, encoding, primitive.name(), Code::SUCCESSFUL);
                    occasion = Occasion::Poll;
                }
                (Mode::Request, content) => {
                    let request = content.name();
                    let answer = match content {
                        Carried::Primitive(primitive) => {
                            let answer =
                                self.client_request(client, version, terms, *primitive, arrival).await;
                            let answer = fitting(answer, version);
                            parsable(answer, version, encoding, client.machine().abilities())
                        }
                        other => {
                            if let Carried::Faulty { fault, .. } = &other {
                                debug!(
                                    user = %client.user(),
                                    fault = unquoted(fault),
                                    "a request cannot be carried out"
                                );
                            }
                            Status::new(refused_code(&other, Code::BAD_REQUEST)).into()
                        }
                    };
                    self.traces.client(who, ("to client", transaction.id.as_ref()), &answer, self.now());
                    answers.push(self.answered(version, encoding, transaction.id, Done { request, answer }));
                }
                (Mode::Response, Carried::Primitive(primitive)) => {
                    if let Some(id) = &transaction.id {
                        unsettled |= !Box::pin(self.client_answer(client, id, &primitive)).await;
                    }
                }
                (Mode::Response, other) => {
                    debug!(user = %client.user(), answer = other.name(), "an answer means nothing here");
                }
            }
        }
        self.load(client).await;
        let session = Some(client.id.clone());
        if answers.is_empty() {
            let Some((transactions, poll)) = self.next_requests(client, occasion, encoding).await else {
                return CarriedOut { answer: Vec::new(), unsettled, poll: false };
            };
            for transaction in &transactions {
                if let Carried::Primitive(primitive) = &transaction.content {
                    self.traces.client(who, ("to client", transaction.id.as_ref()), primitive, self.now());
                }
            }
            let answer = Message {
                version,
                encoding,
                session,
                transactions,
                poll: Some(poll),
                cir: self.cir_flag(client, &[]),
                old_forms,
            };
            return CarriedOut { answer: write(&answer), unsettled, poll };
        }
        let poll = client.machine().poll_flag(self.now());
        let cir = self.cir_flag(client, &answers);
        let answer =
            Message { version, encoding, session, transactions: answers, poll: Some(poll), cir, old_forms };
        CarriedOut { answer: write(&answer), unsettled, poll }
    }

    /// What a user of ours has subscribed to.
    pub(super) async fn terms_of(&self, user: &UserId) -> Result<Terms, StoreError> {
        let account = self.store.accounts(vec![user.clone()]).await?.pop().flatten();
        Ok(account.map(|account| account.terms).unwrap_or_default())
    }

    async fn client_request(
        &self,
        client: &Arc<Client>,
        version: Version,
        terms: &Result<Terms, StoreError>,
        primitive: Primitive,
        arrival: Option<&Arrival>,
    ) -> Primitive {
        if let Some(service) = service_needed(&primitive) {
            match terms {
                Ok(terms) if terms.has(service) => {}
                Ok(_) => return Status::new(Code::SERVICE_NOT_AGREED).into(),
                Err(error) => return Status::new(store_code(error)).into(),
            }
        }
        match primitive {
            Primitive::LogoutRequest => {
                let answer = client.machine().logout();
                self.forget_session(client).await;
                answer
            }
            Primitive::KeepAliveRequest(request) => {
                let answer = client.machine().keep_alive_answer(&request);
                self.save_session(client).await;
                answer.into()
            }
            Primitive::ClientCapabilityRequest(request) => {
                let site = Site { served: self.cir_served(), arrival };
                self.negotiate(client, &request, &site).await.into()
            }
            Primitive::SetDeliveryMethodRequest(request) => {
                let answer = client.machine().set_delivery(&request);
                self.save_session(client).await;
                answer.into()
            }
            Primitive::ServiceRequest(request) => {
                let terms = match terms {
                    Ok(terms) => terms,
                    Err(error) => return Status::new(store_code(error)).into(),
                };
                answer_services(&request, version, &self.settings.served.within(terms.services)).into()
            }
            Primitive::GetSpInfoRequest(request) => self.provider_info(&request),
            // Boxed: polls and answers would move room for it about.
            other => Box::pin(self.message_request(client, other)).await,
        }
    }

    /// Writes the session back if the store has to hear of it.
    pub(super) async fn save_session(&self, client: &Arc<Client>) {
        let save = client.machine().to_save(self.now());
        let change = match save {
            None => return,
            Some(Save::Record(record)) => Change::PutCspSession(record),
            Some(Save::Activity(id, at)) => Change::TouchCspSessions(vec![(id, at)]),
        };
        if let Err(error) = self.store.commit(vec![change]).await {
            warn!(user = %client.user(), %error, "a session cannot be saved");
        }
    }

    /// The session is over: out of the registry and out of the store.
    pub(super) async fn forget_session(&self, client: &Arc<Client>) {
        self.clients.remove(client);
        self.hang_up(client);
        self.forget_searches(client);
        self.gone().push(client.id.clone());
        self.presence_session_over(client).await;
        // Carried out without being waited for; found expired after a crash in between.
        drop(self.store.commit(vec![Change::DropCspSession(client.id.clone())]));
        self.events.csp_sessions(self.clients.len());
    }
}

/// A request of ours in the form that the client's version knows.
pub(super) fn for_version(client: &Client, request: Primitive) -> Primitive {
    let version = client.machine().record().version;
    match (request, client.user().domain()) {
        (Primitive::SystemMessageRequest(request), Some(own)) if version < Version::V1_3 => {
            match system::plain(&request, &own, client.user()) {
                Some(message) => message.into(),
                None => request.into(),
            }
        }
        (request, _) => worded(understood(request, version), version),
    }
}

fn begins_with_login(message: &Message) -> bool {
    message.transactions.first().is_some_and(|transaction| {
        transaction.mode == Mode::Request
            && matches!(&transaction.content, Carried::Primitive(primitive)
                if matches!(**primitive, Primitive::LoginRequest(_)))
    })
}

/// The code that answers what could not be read as a served primitive.
fn refused_code(content: &Carried, fault: Code) -> Code {
    match content {
        Carried::NotServed(_) => Code::NOT_IMPLEMENTED,
        Carried::Unknown(_) => Code::SERVICE_NOT_SUPPORTED,
        Carried::Faulty { fault, .. } => fault.code,
        Carried::Primitive(_) => fault,
    }
}

/// Everything that gets here can be written; if not, an empty body is all that is left to say.
fn write(message: &Message) -> Vec<u8> {
    csp::write(message).unwrap_or_else(|error| {
        warn!(%error, "an answer cannot be written");
        Vec::new()
    })
}
