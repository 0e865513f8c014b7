//! Access: login, session life, capability and service negotiation (reference csp-messages §2, §3).

use std::fmt;

use super::{ClientId, SystemMessageResponse};
use crate::imps::address::UserId;
use crate::imps::ids::SessionId;
use crate::imps::status::Status;
use crate::imps::words::words;

/// A password: never printed, wiped when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(zeroize::Zeroizing<String>);

impl Password {
    /// Takes the clear text.
    pub fn new(clear: impl Into<String>) -> Self {
        Self(zeroize::Zeroizing::new(clear.into()))
    }

    /// The clear text; keep it out of logs.
    pub fn clear(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

words! {
    /// How a digest is computed (reference csp.md §4.4).
    DigestSchema {
        /// The password in clear.
        Pwd = "PWD",
        /// SHA-1.
        Sha = "SHA",
        /// MD4; never accepted.
        Md4 = "MD4",
        /// MD5.
        Md5 = "MD5",
        /// Named in an example of 1.1; no scheme at all.
        Md6 = "MD6",
    }
}
words! {
    /// Push messages, or notify and let the client fetch (reference csp.md §5.1).
    DeliveryMethod {
        /// Push: NewMessage.
        Push = "P",
        /// Notify: MessageNotification.
        Notify = "N",
    }
}
words! {
    /// How a client is told that something waits (reference csp.md §3).
    CirMethod {
        /// WAP push over SMS.
        WapSms = "WAPSMS",
        /// WAP push over UDP.
        WapUdp = "WAPUDP",
        /// A bare UDP datagram.
        Sudp = "SUDP",
        /// A TCP connection made by the client.
        Stcp = "STCP",
        /// The client asks an HTTP URL (1.2 on).
        Shttp = "SHTTP",
        /// SMS text (1.3).
        Ssms = "SSMS",
    }
}
words! {
    /// What carries the data channel.
    Bearer {
        /// SMS with plain text syntax.
        Sms = "SMS",
        /// WAP.
        Wsp = "WSP",
        /// HTTP.
        Http = "HTTP",
        /// HTTP over TLS.
        Https = "HTTPS",
    }
}
words! {
    /// What kind of client it is.
    ClientType {
        /// A mobile phone.
        MobilePhone = "MOBILE_PHONE",
        /// A computer.
        Computer = "COMPUTER",
        /// A PDA.
        Pda = "PDA",
        /// A command line.
        Cli = "CLI",
        /// Anything else.
        Other = "OTHER",
    }
}

/// A client asks for a session: with a password (2-way), with neither password nor digest (first
/// step of 4-way), or with a digest (second step). Reference csp.md §4.
#[derive(Clone, Debug, PartialEq)]
pub struct LoginRequest {
    /// The user, maybe without domain.
    pub user: UserId,
    /// The client.
    pub client: ClientId,
    /// The application (1.3).
    pub application: Option<Box<str>>,
    /// The password in clear.
    pub password: Option<Password>,
    /// BASE64 of the digest over nonce and password.
    pub digest: Option<Box<str>>,
    /// The schemes the client can do; a comma list in 1.1, repeated later. Unknown ones are left out.
    pub schemas: Vec<DigestSchema>,
    /// The session to take up again (1.3).
    pub session: Option<SessionId>,
    /// Wished time to live, seconds.
    pub time_to_live: Option<u32>,
    /// What the CIR shall carry.
    pub cookie: Option<Box<str>>,
    /// Answers to messages of the provider (1.3).
    pub responses: Vec<SystemMessageResponse>,
    /// The functions wanted (1.3).
    pub functions: Option<Functions>,
    /// What the client can do (1.3).
    pub capabilities: Option<Box<Capabilities>>,
}

/// The answer to a [`LoginRequest`].
#[derive(Clone, Debug, PartialEq)]
pub struct LoginResponse {
    /// The user (1.3).
    pub user: Option<UserId>,
    /// The client, as asked.
    pub client: ClientId,
    /// How it went.
    pub result: Status,
    /// What to digest together with the password.
    pub nonce: Option<Box<str>>,
    /// The scheme to use.
    pub schema: Option<DigestSchema>,
    /// The new session.
    pub session: Option<SessionId>,
    /// Seconds of silence after which the session ends.
    pub keep_alive: Option<u32>,
    /// Whether the client shall state its capabilities.
    pub capability_request: Option<bool>,
    /// Functions that were wanted and are not available (1.3).
    pub functions: Option<Functions>,
    /// What the server will use (1.3).
    pub agreed: Option<Box<Capabilities>>,
}

/// Why a session ends.
#[derive(Clone, Debug, PartialEq)]
pub struct Disconnect {
    /// 200 at logout, 600 expired, 601 forced, 503 going down.
    pub result: Status,
}

/// The session shall live on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeepAliveRequest {
    /// A new wish, seconds.
    pub time_to_live: Option<u32>,
}

/// Whether it does.
#[derive(Clone, Debug, PartialEq)]
pub struct KeepAliveResponse {
    /// 200, 604, 605.
    pub result: Status,
    /// The time granted, seconds, where it differs from what was asked.
    pub time_to_live: Option<u32>,
}

/// Which provider is this?
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GetSpInfoRequest {
    /// The client.
    pub client: Option<ClientId>,
}

/// Name and description of the provider.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GetSpInfoResponse {
    /// SSP: how it went.
    pub result: Status,
    /// CSP: the client, as asked.
    pub client: Option<ClientId>,
    /// Name.
    pub name: Box<str>,
    /// Description.
    pub description: Option<Box<str>>,
    /// Home page.
    pub url: Option<Box<str>>,
}

/// A tree of function names: below `WVCSPFeat` in CSP (reference csp.md §5.2), below `WVSSPFeat` on a link
/// (reference ssp-session §5). In a request an empty branch means everything below it; in an answer of
/// CSP the tree is the complement: what is not available.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Functions {
    /// FundamentalFeat, PresenceFeat, IMFeat, GroupFeat; on a link also ContentFeat.
    pub features: Vec<Branch>,
}

impl Functions {
    /// What of this offer is wanted: of the branches that are named, the leaves that are named, in any case. An
    /// empty branch stands for all of it, a missing one for nothing (reference ssp-session §5).
    #[must_use]
    pub fn within(&self, wanted: &Self) -> Self {
        let of = |branches: &[Branch], name: &str| {
            branches.iter().find(|found| found.name.eq_ignore_ascii_case(name)).cloned()
        };
        let left = |offered: &Branch| {
            let wanted = of(&wanted.features, &offered.name)?;
            if offered.branches.is_empty() {
                return Some(Branch { name: offered.name.clone(), branches: wanted.branches });
            }
            let whole = wanted.branches.is_empty();
            let leaves = offered.branches.iter();
            let branches: Vec<_> =
                leaves.filter(|leaf| whole || of(&wanted.branches, &leaf.name).is_some()).cloned().collect();
            (!branches.is_empty()).then(|| Branch { name: offered.name.clone(), branches })
        };
        Self { features: self.features.iter().filter_map(left).collect() }
    }

    /// Whether this offer holds more than what is left of it within a wish.
    pub fn exceeds(&self, left: &Self) -> bool {
        self.features.len() > left.features.len()
            || self.features.iter().zip(&left.features).any(|(offered, left)| {
                offered.name != left.name || offered.branches.len() > left.branches.len()
            })
    }
}

/// One name of the function tree with what stands below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Branch {
    /// The element name.
    pub name: Box<str>,
    /// Three levels at most: feature, function, leaf; on a link two: feature, leaf.
    pub branches: Vec<Branch>,
}

/// Which functions the client wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceRequest {
    /// The client (1.1).
    pub client: Option<ClientId>,
    /// The functions wanted.
    pub functions: Option<Functions>,
    /// Whether the answer shall hold everything the server has.
    pub all_functions_request: bool,
}

/// Which functions the client gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceResponse {
    /// The client (1.1).
    pub client: Option<ClientId>,
    /// What was wanted and is not available.
    pub functions: Option<Functions>,
    /// Everything the server has.
    pub all_functions: Option<Functions>,
}

/// What a client can do.
#[derive(Clone, Debug, PartialEq)]
pub struct ClientCapabilityRequest {
    /// The client (1.1).
    pub client: Option<ClientId>,
    /// What it can do.
    pub capabilities: Box<Capabilities>,
}

/// What the server will use of it: `CapabilityList` in 1.1, `AgreedCapabilityList` from 1.2 on.
#[derive(Clone, Debug, PartialEq)]
pub struct ClientCapabilityResponse {
    /// The client (1.1).
    pub client: Option<ClientId>,
    /// What was agreed.
    pub agreed: Box<Capabilities>,
}

/// A content type a client takes. Up to 1.2 only the type; the rest is 1.3.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcceptedContentType {
    /// The type, with parameters as written.
    pub content_type: Box<str>,
    /// Largest content of this type, octets.
    pub rich_content_length: Option<u32>,
    /// What to do above the limit: N notify, P push, R reject, C cost.
    pub policy: Option<Box<str>>,
    /// The limit, octets.
    pub policy_limit: Option<u32>,
}

/// The capability lists of all versions in one (reference csp-messages §3); both what a client
/// states and what is agreed. Which fields cross depends on version and direction.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Capabilities {
    /// What kind of client.
    pub client_type: Option<ClientType>,
    /// Push or notify.
    pub initial_delivery_method: Option<DeliveryMethod>,
    /// Whether any content type is taken.
    pub any_content: Option<bool>,
    /// MIBenum numbers of message contents (1.1, 1.2).
    pub accepted_charsets: Vec<u32>,
    /// Content types.
    pub accepted_content_types: Vec<AcceptedContentType>,
    /// `None`, `BASE64`.
    pub transfer_encodings: Vec<Box<str>>,
    /// Largest content, octets (1.1, 1.2).
    pub accepted_content_length: Option<u32>,
    /// Largest content fetched, octets (1.3).
    pub pull_length: Option<u32>,
    /// Largest content pushed, octets (1.3).
    pub push_length: Option<u32>,
    /// Largest text, octets (1.3).
    pub text_content_length: Option<u32>,
    /// Data channels.
    pub bearers: Vec<Bearer>,
    /// Data channels when offline (1.3).
    pub offline_bearers: Vec<Bearer>,
    /// Transactions open at a time.
    pub multi_trans: Option<u32>,
    /// Transactions in one message (1.3).
    pub multi_trans_per_message: Option<u32>,
    /// Largest document the client can parse, octets.
    pub parser_size: Option<u32>,
    /// MIBenum numbers of plain text (1.3).
    pub plain_text_charsets: Vec<u32>,
    /// How to wake the client.
    pub cir_methods: Vec<CirMethod>,
    /// The client's UDP port, or the server's.
    pub udp_port: Option<u16>,
    /// Where the CIR datagram comes from (1.3, agreed).
    pub udp_address: Option<Box<str>>,
    /// Where the client connects for CIR (agreed).
    pub tcp_address: Option<Box<str>>,
    /// Port for that.
    pub tcp_port: Option<u16>,
    /// URL the client asks for CIR (agreed; `CIRURL` in 1.2, `CIRHTTPAddress` in 1.3).
    pub cir_url: Option<Box<str>>,
    /// Number the client greets by SMS for CIR (1.3, agreed).
    pub cir_sms_address: Option<Box<str>>,
    /// Shortest interval of unasked polls, seconds.
    pub server_poll_min: Option<u32>,
    /// ISO 639 language.
    pub default_language: Option<Box<str>>,
    /// DETECT, FORKALL, SERVERLOGIC (1.3).
    pub online_etem: Option<Box<str>>,
    /// REJECT, SENDREJECT, SENDSTORE, PRIORITYREJECT, PRIORITYSTORE (1.3).
    pub offline_etem: Option<Box<str>>,
    /// Priority among the user's sessions (1.3).
    pub session_priority: Option<u32>,
    /// Sessions a user may have (1.3, agreed).
    pub user_session_limit: Option<u32>,
}
