//! The recorded requests of a real client, the Android IM application, played to a node: its every
//! document is answered in a form that this client survives (reference client-android §1–§4, §10).
//!
//! Recorded values that a server gives are replaced by ours: session ids, the digest over our nonce,
//! transaction and message ids of what was handed over.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use causeway::cli::phone::Manner;
use causeway::imps::primitive::{LoginResponse, Password, Recipient};
use causeway::imps::{Code, Primitive, SessionId, TransactionId, Version};
use causeway::session::csp::digest_bytes;
use causeway::wire::csp::{Message, content_type};
use causeway::wire::{Carried, Encoding, Mode};

use crate::csp::{self, Reply, only};
use crate::world::{Place, World, modern};

/// Client program of the recordings; another one makes the accounts.
const USERS: [(&str, &str); 3] = [("alice", "secret"), ("bob", "secret2"), ("carol", "secret3")];

/// Puts other text in place of a whole text of a document.
fn replaced(document: &[u8], encoding: Encoding, old: &str, new: &str) -> Vec<u8> {
    let framed = |text: &str| match encoding {
        Encoding::Xml => format!(">{text}<").into_bytes(),
        // An inline string ends with NUL and has no length.
        Encoding::Wbxml => [b"\x03", text.as_bytes(), b"\0"].concat(),
    };
    let (old, new) = (framed(old), framed(new));
    let Some(at) = document.windows(old.len()).position(|window| window == old) else {
        panic!("{} is not in the document", String::from_utf8_lossy(&old));
    };
    [&document[..at], &new, &document[at + old.len()..]].concat()
}

fn holds(document: &[u8], text: &[u8]) -> bool {
    document.windows(text.len()).any(|window| window == text)
}

/// One user's phone, as far as its documents need it.
#[derive(Default)]
struct Phone {
    session: Option<SessionId>,
    /// What the first answer to a login said.
    challenge: Option<LoginResponse>,
    /// What was handed over and not acknowledged: its transaction, its message.
    open: Option<(String, Option<String>)>,
    /// A recorded Polling-Request and MessageDelivered, to ask and answer more often than recorded.
    poll: Option<Vec<u8>>,
    delivered: Option<Vec<u8>>,
    /// Texts received.
    texts: Vec<String>,
}

struct Play {
    place: Place,
    encoding: Encoding,
    version: Version,
    phones: HashMap<String, Phone>,
    /// Texts sent, by recipient.
    sent: HashMap<String, Vec<String>>,
}

impl Play {
    async fn post(&mut self, user: &str, document: &[u8]) -> Option<Message> {
        let kind = content_type(self.version, self.encoding);
        let reply = csp::post(self.place.csp, kind, document).await;
        check_http(&reply, kind);
        if reply.body.is_empty() {
            return None;
        }
        let message = reply.document(self.encoding);
        check_envelope(&reply, &message, self.encoding, self.version);
        let (transaction, primitive) = only(&message);
        if transaction.mode == Mode::Request {
            let id = transaction.id.as_ref().expect("a server request has an id").to_string();
            self.taken(user, id, primitive, &reply.body);
        }
        Some(message)
    }

    /// A server request arrived.
    fn taken(&mut self, user: &str, id: String, primitive: &Primitive, octets: &[u8]) {
        let phone = self.phones.get_mut(user).unwrap();
        let Primitive::NewMessage(new) = primitive else { panic!("{} for {user}", primitive.name()) };
        let author = new.info.author().expect("a Sender with a child");
        assert!(author.id.as_str().starts_with("wv:"), "in lower case");
        let message = new.info.id.as_ref().expect("a MessageID").to_string();
        let text = std::str::from_utf8(new.content.as_ref().unwrap().octets()).unwrap();
        if self.encoding == Encoding::Wbxml {
            let inline = [b"\x03", text.as_bytes(), b"\0"].concat();
            assert!(holds(octets, &inline), "opaque text arrives as an empty message");
        }
        phone.texts.push(text.to_owned());
        phone.open = Some((id, Some(message)));
    }

    /// Acknowledges what is open, in the words of the recording.
    async fn acknowledge(&mut self, user: &str, recorded: &[u8]) {
        let encoding = self.encoding;
        let mut document = recorded.to_vec();
        if let Some((transaction, message)) = self.phones.get_mut(user).unwrap().open.take() {
            let read = csp::read(recorded, encoding);
            let (old, Primitive::MessageDelivered(delivered)) = only(&read) else { panic!("{read:?}") };
            let old = old.id.as_ref().unwrap().as_str();
            document = replaced(&document, encoding, old, &transaction);
            document =
                replaced(&document, encoding, delivered.message_id.as_str(), &message.expect("a message"));
        }
        self.post(user, &document).await;
    }

    /// Polls and acknowledges until nothing is left, as the client would, woken by CIR.
    async fn drain(&mut self, user: &str) {
        let phone = &self.phones[user];
        let (Some(poll), Some(delivered)) = (phone.poll.clone(), phone.delivered.clone()) else { return };
        loop {
            // It polls before it answers.
            self.post(user, &poll).await;
            if self.phones[user].open.is_none() {
                return;
            }
            self.acknowledge(user, &delivered).await;
        }
    }

    /// One recorded document.
    async fn document(&mut self, user: &str, recorded: &[u8], right_password: bool) {
        let encoding = self.encoding;
        let mut document = recorded.to_vec();
        let read = csp::read(recorded, encoding);
        let transaction = &read.transactions[0];
        if let (Some(old), Some(new)) = (&read.session, &self.phones[user].session) {
            document = replaced(&document, encoding, old.as_str(), new.as_str());
        }
        let primitive = match &transaction.content {
            Carried::Primitive(primitive) => Some(&**primitive),
            Carried::NotServed(_) => None,
            other => panic!("{other:?}"),
        };
        let phone = self.phones.get_mut(user).unwrap();
        match primitive {
            Some(Primitive::LoginRequest(login)) => {
                if let Some(old) = &login.digest
                    && right_password
                {
                    let challenge = phone.challenge.as_ref().expect("a challenge before");
                    let password = USERS.iter().find(|(name, _)| *name == user).unwrap().1;
                    let nonce = challenge.nonce.as_ref().unwrap();
                    let digest =
                        digest_bytes(challenge.schema.unwrap(), nonce, &Password::new(password)).unwrap();
                    document = replaced(&document, encoding, old, &digest);
                }
                let offers = login.digest.is_none() && login.password.is_none();
                let answer = self.post(user, &document).await.expect("an answer");
                check_answer(transaction.id.as_ref().map(TransactionId::as_str), &answer);
                let (_, Primitive::LoginResponse(answer)) = only(&answer) else { panic!("{answer:?}") };
                check_login(answer, offers, right_password);
                let phone = self.phones.get_mut(user).unwrap();
                if offers {
                    phone.challenge = Some((**answer).clone());
                } else {
                    phone.session.clone_from(&answer.session);
                }
            }
            Some(Primitive::PollingRequest) => {
                phone.poll = Some(document.clone());
                self.post(user, &document).await;
            }
            Some(Primitive::MessageDelivered(_)) => {
                phone.delivered = Some(document.clone());
                if phone.open.is_none()
                    && let Some(poll) = phone.poll.clone()
                {
                    self.post(user, &poll).await;
                }
                self.acknowledge(user, &document).await;
            }
            _ if transaction.mode == Mode::Response => {
                // To something that this server never asked.
                self.post(user, &document).await;
            }
            asked => {
                if matches!(asked, Some(Primitive::LogoutRequest)) {
                    self.drain(user).await;
                }
                let answer = self.post(user, &document).await.expect("an answer in the same exchange");
                check_answer(transaction.id.as_ref().map(TransactionId::as_str), &answer);
                self.served(asked, only(&answer).1);
            }
        }
    }

    /// The answer to a request about anything but login and what waits.
    fn served(&mut self, asked: Option<&Primitive>, answer: &Primitive) {
        match (asked, answer) {
            (None, Primitive::Status(status)) => assert_eq!(status.code, Code::NOT_IMPLEMENTED),
            (Some(Primitive::GetBlockedListRequest), Primitive::GetBlockedListResponse(lists)) => {
                assert!(lists.block.is_some() && lists.grant.is_some());
            }
            (
                Some(Primitive::BlockEntityRequest(_) | Primitive::UpdatePresenceRequest(_)),
                Primitive::Status(status),
            ) => {
                assert_eq!(status.code, Code::SUCCESSFUL);
            }
            (
                Some(Primitive::CreateListRequest(_) | Primitive::DeleteListRequest(_)),
                Primitive::Status(_) | Primitive::CreateListResponse(_),
            ) => assert!(answer.code().is_success(), "{asked:?}: {answer:?}"),
            // Lists that the recording read were made before it began.
            (Some(Primitive::ListManageRequest(_)), Primitive::Status(status)) => {
                assert_eq!(status.code, Code::NO_CONTACT_LIST);
            }
            (Some(Primitive::ListManageRequest(_)), Primitive::ListManageResponse(answer)) => {
                assert!(answer.result.code.is_success());
            }
            (Some(Primitive::GetPresenceRequest(_)), Primitive::GetPresenceResponse(answer)) => {
                assert_eq!(answer.result.code, Code::SUCCESSFUL);
                assert!(!answer.presences.is_empty(), "it asks for itself first");
            }
            // Who asked in the recording may not have asked here.
            (Some(Primitive::PresenceAuthUser(_)), Primitive::Status(status)) => {
                assert!(matches!(status.code, Code::SUCCESSFUL | Code::NOT_FOUND));
            }
            // As above of lists that are not here. From 1.2 on the subscription to one that is here follows it; after
            // 760 the client subscribes to each contact by itself.
            (Some(Primitive::SubscribePresenceRequest(request)), Primitive::Status(status)) => {
                assert!(!request.contact_lists.is_empty());
                let known = [Code::SUCCESSFUL, Code::NO_CONTACT_LIST, Code::NO_AUTO_SUBSCRIPTION];
                assert!(known.contains(&status.code), "{status:?}");
            }
            (Some(Primitive::ClientCapabilityRequest(_)), Primitive::ClientCapabilityResponse(agreed)) => {
                assert!(agreed.agreed.server_poll_min.is_some_and(|seconds| seconds > 0));
                assert!(!agreed.agreed.bearers.is_empty());
            }
            (Some(Primitive::ServiceRequest(_)), Primitive::ServiceResponse(services)) => {
                assert!(services.all_functions.is_some(), "without it login hangs");
            }
            (Some(Primitive::KeepAliveRequest(_)), Primitive::KeepAliveResponse(alive)) => {
                assert_eq!(alive.result.code, Code::SUCCESSFUL);
            }
            (Some(Primitive::GetListRequest), Primitive::GetListResponse(_))
            | (Some(Primitive::LogoutRequest), Primitive::Status(_) | Primitive::Disconnect(_)) => {}
            (Some(Primitive::SendMessageRequest(message)), Primitive::SendMessageResponse(answer)) => {
                let [Recipient::User(to)] = &message.info.recipients[..] else { panic!("{message:?}") };
                let to = to.id.as_str().trim_start_matches("wv:");
                if USERS.iter().any(|(name, _)| *name == to) {
                    assert_eq!(answer.result.code, Code::SUCCESSFUL);
                    let text = std::str::from_utf8(message.content.as_ref().unwrap().octets()).unwrap();
                    self.sent.entry(to.to_owned()).or_default().push(text.to_owned());
                } else {
                    assert_eq!(answer.result.code, Code::UNKNOWN_USER);
                }
            }
            (asked, answer) => panic!("{asked:?} answered with {answer:?}"),
        }
    }
}

fn check_http(reply: &Reply, kind: &str) {
    assert_eq!(reply.status, 200, "204 silences the client, all else fails the transaction");
    assert_eq!(reply.header("content-type"), Some(kind));
    assert_eq!(reply.header("content-length"), Some(reply.body.len().to_string().as_str()));
}

fn check_envelope(reply: &Reply, message: &Message, encoding: Encoding, version: Version) {
    assert_eq!(message.version, version);
    assert_ne!(message.cir, Some(false), "the client would rebuild what it does not have yet");
    match encoding {
        Encoding::Xml => {
            let modes = reply.text().matches("<TransactionMode>").count();
            let good = ["Request", "Response"].map(|word| {
                reply.text().matches(&format!("<TransactionMode>{word}</TransactionMode>")).count()
            });
            assert_eq!((modes, good.iter().sum()), (1, 1), "{}", reply.text());
            if let Some((_, first)) = reply.text().split_once("<ClientCapability-Response><") {
                let list = first.split('>').next().unwrap_or_default();
                assert!(matches!(list, "AgreedCapabilityList" | "CapabilityList"), "{list} before the list");
            }
        }
        // A version byte, a public id as a number, UTF-8, no string table.
        Encoding::Wbxml => assert!(
            matches!(reply.body[..], [0x01..=0x03, 0x10..=0x12, 0x6a, 0, ..]),
            "{:02x?}",
            &reply.body[..4.min(reply.body.len())]
        ),
    }
}

/// The answer to a request: its id, mode Response, and no code that ends the session.
fn check_answer(id: Option<&str>, answer: &Message) {
    let (transaction, primitive) = only(answer);
    assert_eq!((transaction.mode, transaction.id.as_ref().map(TransactionId::as_str)), (Mode::Response, id));
    if let Primitive::Status(status) = primitive {
        assert!(![600, 601, 604].contains(&status.code.get()), "{status:?}");
    }
}

fn check_login(answer: &LoginResponse, offers: bool, right_password: bool) {
    if offers {
        assert!(matches!(answer.result.code, Code::SUCCESSFUL | Code::UNAUTHORIZED));
        assert!(answer.nonce.is_some() && answer.schema.is_some() && answer.session.is_none());
    } else if right_password {
        assert_eq!(answer.result.code, Code::SUCCESSFUL);
        assert!(answer.session.is_some() && answer.capability_request.is_some());
        assert!(answer.keep_alive.is_some_and(|seconds| seconds > 5), "5 or less is taken for two hours");
    } else {
        assert_eq!((answer.result.code, &answer.session), (Code::INVALID_PASSWORD, &None), "never 401");
    }
}

fn sorted(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.sort();
    found
}

/// Plays every scenario of a folder, each to a node of its own; how many documents that were.
async fn plays(folder: &str, version: Version, encoding: Encoding) -> usize {
    let world = World::new().await;
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/aosp-client").join(folder);
    let mut documents = 0;
    for (number, scenario) in sorted(&root).into_iter().enumerate() {
        let name = scenario.file_name().unwrap().to_string_lossy().into_owned();
        let place = world.place(&format!("home{number}.example"), &[]);
        let node = world.start(&place).await;
        let mut phones = HashMap::new();
        for (user, password) in USERS {
            let mut first = place.silent_phone(user, Manner { digest: false, ..modern() });
            first.login(password).await.unwrap();
            first.logout().await.unwrap();
            phones.insert(user.to_owned(), Phone::default());
        }
        let mut play = Play { place, encoding, version, phones, sent: HashMap::new() };
        for path in sorted(&scenario) {
            let file = path.file_name().unwrap().to_string_lossy().into_owned();
            // `07-alice-Logout-Request.xml`
            if !file.ends_with("xml") {
                continue;
            }
            let user = file.split('-').nth(1).unwrap();
            play.document(user, &fs::read(&path).unwrap(), !name.contains("wrong-password")).await;
            documents += 1;
        }
        for user in ["alice", "bob"] {
            let sent = play.sent.get(user).cloned().unwrap_or_default();
            assert_eq!(play.phones[user].texts, sent, "{folder}/{name}: what {user} got");
        }
        if name == "06-messages" {
            assert_eq!((play.phones["alice"].texts.len(), play.phones["bob"].texts.len()), (1, 3));
        }
        node.drain().await;
    }
    documents
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_android_client_gets_along_in_xml() {
    assert!(plays("csp11-xml", Version::V1_1, Encoding::Xml).await > 50);
    assert!(plays("csp12-xml", Version::V1_2, Encoding::Xml).await > 200);
    assert!(plays("csp13-xml", Version::V1_3, Encoding::Xml).await > 100);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_android_client_gets_along_in_wbxml() {
    assert!(plays("csp11-wbxml", Version::V1_1, Encoding::Wbxml).await > 50);
    assert!(plays("csp12-wbxml", Version::V1_2, Encoding::Wbxml).await > 150);
    assert!(plays("csp13-wbxml", Version::V1_3, Encoding::Wbxml).await > 100);
}
