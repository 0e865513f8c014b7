//! A Service Access Point in this process, with its store on disk and without sockets.

#[path = "vault.rs"]
mod vault;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use causeway::element::content::Quota;
use causeway::imps::primitive::{
    Bearer, Capabilities, ClientCapabilityRequest, ClientId, ClientType, LoginRequest, Password,
};
use causeway::imps::{Domain, Moment, Primitive, SessionId, UserId, Version};
use causeway::relay::directory::Directory;
use causeway::relay::events::Silent;
use causeway::relay::ports::{Account, Change, Outcome, Store as _};
use causeway::sap::{self, ClientDocument, Clock as _, Map, Sap, SystemChance, SystemClock};
use causeway::session::csp::ServedFunctions;
use causeway::store::sqlite::{Settings, Sqlite};
use causeway::wire::csp::{self, Message, Transaction};
use causeway::wire::{Carried, Encoding, Limits, Mode};
use vault::OpenVault;

/// As in the program.
#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// The domain of the node.
pub(crate) const OWN: &str = "north.example";
const PASSWORD: &str = "correct horse";

/// The point, and its store.
pub(crate) struct Point {
    pub(crate) sap: Arc<Sap>,
    pub(crate) store: Arc<Sqlite>,
}

/// A user of the node.
pub(crate) fn user(number: usize) -> UserId {
    format!("wv:user{number}@{OWN}").parse().expect("an address")
}

impl Point {
    /// With these agreements, and so many users.
    pub(crate) async fn new(
        folder: &Path,
        agreements: Vec<causeway::imps::agreement::Agreement>,
        users: usize,
    ) -> Self {
        let store = Arc::new(Sqlite::open(&Settings::at(folder)).expect("a store"));
        let own: Domain = OWN.parse().expect("a domain");
        let clock = SystemClock::default();
        let created: Moment = clock.now();
        let numbers: Vec<usize> = (0..users).collect();
        for page in numbers.chunks(1000) {
            let account = |number: &usize| {
                let sealed_password = PASSWORD.as_bytes().into();
                Change::AddAccount(Account {
                    user: user(*number),
                    sealed_password,
                    created,
                    terms: causeway::imps::Terms::default(),
                })
            };
            store.commit(page.iter().map(account).collect()).await.expect("accounts");
        }
        let sap = Sap::new(sap::Parts {
            store: store.clone(),
            vault: Arc::new(OpenVault),
            events: Arc::new(Silent),
            clock: Arc::new(clock),
            chance: Box::new(SystemChance::default()),
            map: Map::of(Directory::new(vec![own], agreements, vec![[9; 32]])),
            settings: sap::Settings {
                hold_message: Duration::from_secs(5),
                hold_query: Duration::from_secs(20),
                cut_through: Duration::ZERO,
                registration_open: false,
                peer_gone: Duration::from_secs(300),
                presence_pause: Duration::ZERO,
                client_document_octets_max: 1 << 20,
                session_requests_per_second: 0,
                source_requests_per_second: 0,
                served: ServedFunctions::default(),
                content: sap::ContentSettings {
                    quota: Quota { octets: 1 << 20, items: 100 },
                    retention: Duration::from_secs(86_400),
                },
            },
        });
        Self { sap: Arc::new(sap), store }
    }

    /// Carries out one change, which has to take effect.
    #[allow(dead_code, reason = "one of the benchmarks that share this file has no use for it")]
    pub(crate) async fn change(&self, change: Change) {
        let outcomes = self.store.commit(vec![change]).await.expect("a commit");
        assert_eq!(outcomes, [Outcome::Done], "the change takes effect");
    }

    /// One request of a client, and the octets of the answer; none if a poll finds nothing.
    pub(crate) async fn say(
        &self,
        session: Option<&SessionId>,
        number: u32,
        primitive: impl Into<Primitive>,
    ) -> Vec<u8> {
        let content = Carried::Primitive(Box::new(primitive.into()));
        let message = Message {
            version: Version::V1_2,
            encoding: Encoding::Wbxml,
            session: session.cloned(),
            transactions: vec![Transaction {
                mode: Mode::Request,
                id: Some(number.to_string().parse().expect("a transaction id")),
                content,
            }],
            poll: None,
            cir: None,
            old_forms: false,
        };
        let body = csp::write(&message).expect("a document");
        let document = ClientDocument {
            body: &body,
            encoding: Encoding::Wbxml,
            charset: None,
            clear_password_allowed: true,
            arrival: None,
        };
        self.sap.client_document(document).await.unwrap_or_default()
    }

    /// The same, and the answer.
    pub(crate) async fn ask(
        &self,
        session: Option<&SessionId>,
        number: u32,
        primitive: impl Into<Primitive>,
    ) -> Primitive {
        let answer = self.say(session, number, primitive).await;
        let answer = csp::read(&answer, Encoding::Wbxml, None, &Limits::for_document(1 << 20));
        let mut answer = answer.expect("an answer that can be read");
        match answer.transactions.pop().map(|transaction| transaction.content) {
            Some(Carried::Primitive(primitive)) => *primitive,
            other => panic!("{other:?} is no answer"),
        }
    }

    /// Logs a user in as phones do, capabilities included.
    pub(crate) async fn log_in(&self, number: usize) -> SessionId {
        let request = LoginRequest {
            user: user(number),
            client: ClientId { url: Some("phone".into()), ..ClientId::default() },
            application: None,
            password: Some(Password::new(PASSWORD)),
            digest: None,
            schemas: Vec::new(),
            session: None,
            time_to_live: Some(86_400),
            responses: Vec::new(),
            cookie: Some("bench".into()),
            functions: None,
            capabilities: None,
        };
        let Primitive::LoginResponse(answer) =
            self.ask(None, 1, Primitive::LoginRequest(Box::new(request))).await
        else {
            panic!("no answer to a login");
        };
        let session = answer.session.expect("a session");
        let capabilities = Box::new(Capabilities {
            client_type: Some(ClientType::MobilePhone),
            any_content: Some(true),
            accepted_content_length: Some(262_144),
            bearers: vec![Bearer::Http],
            multi_trans: Some(1),
            parser_size: Some(262_144),
            server_poll_min: Some(2),
            ..Capabilities::default()
        });
        self.ask(Some(&session), 2, ClientCapabilityRequest { client: None, capabilities }).await;
        session
    }
}
