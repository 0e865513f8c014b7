//! The login machine: a request and what is known of the account in, one outcome out.
//!
//! 2-way: the password comes in the request. 4-way: the first request carries neither password nor
//! digest and gets a nonce; the second proves the password by a digest over it. Both are Outband and
//! belong together by user and client alone (reference csp.md §4).
//!
//! A request that carried credentials is never answered 401: a real client repeats it without end
//! (reference client-android §3).

use super::abilities::Abilities;
use super::digest::{digest_matches, passwords_match};
use super::functions::{ServedFunctions, refused_functions};
use super::negotiate::{agreed_capabilities, agreed_keep_alive};
use super::nonces::Nonces;
use super::record::{SessionKey, SessionRecord};
use super::session::Session;
use crate::imps::chance::token;
use crate::imps::primitive::{ClientId, DigestSchema, LoginRequest, LoginResponse, Password};
use crate::imps::{Chance, Code, Domain, Moment, SessionId, Status, UserId, Version};
use crate::wire::Encoding;

/// Longest ClientID (URL, MSISDN or text), ApplicationID or SessionCookie, octets. Handsets reserve
/// 200 characters at most (reference csp.md §11).
pub const CLIENT_TEXT_OCTETS_MAX: usize = 512;

/// Why a login was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoginError {
    /// The user's domain is not served here.
    #[error("{user} is at home elsewhere")]
    ForeignDomain {
        /// Who.
        user: UserId,
    },
    /// No such account, and registration is closed or this was no 2-way login.
    #[error("there is no account {user}")]
    UnknownUser {
        /// Who.
        user: UserId,
    },
    /// The password is not the account's.
    #[error("wrong password for {user}")]
    WrongPassword {
        /// Who.
        user: UserId,
    },
    /// The digest does not prove the account's password.
    #[error("wrong digest for {user}")]
    WrongDigest {
        /// Who.
        user: UserId,
    },
    /// A digest without a nonce of the last minute for this user and client, or a nonce used before.
    #[error("a digest for {user}, but no nonce is open")]
    NoNonce {
        /// Who.
        user: UserId,
    },
    /// Neither SHA nor MD5 among the schemes offered.
    #[error("no digest scheme in common: {offered:?}")]
    NoCommonSchema {
        /// What was offered, as far as known.
        offered: Vec<DigestSchema>,
    },
    /// A password in clear over a connection that anybody can read.
    #[error("{user} sent the password in clear where that is not allowed")]
    ClearPassword {
        /// Who.
        user: UserId,
    },
    /// A text that is kept with the session is too long.
    #[error("{what} has {octets} octets, at most {CLIENT_TEXT_OCTETS_MAX} are allowed")]
    TooLong {
        /// Which element.
        what: &'static str,
        /// Octets found.
        octets: usize,
    },
}

impl LoginError {
    /// The code for the client. Unknown users and wrong passwords look alike
    /// (reference csp.md §4.5).
    pub const fn code(&self, version: Version) -> Code {
        match self {
            Self::ForeignDomain { .. } => Code::DOMAIN_NOT_SUPPORTED,
            Self::UnknownUser { .. }
            | Self::WrongPassword { .. }
            | Self::WrongDigest { .. }
            | Self::NoNonce { .. } => Code::INVALID_PASSWORD,
            Self::NoCommonSchema { .. } => match version {
                Version::V1_1 => Code::BAD_PARAMETER,
                Version::V1_2 | Version::V1_3 => Code::NO_DIGEST_SCHEME,
            },
            Self::ClearPassword { .. } => Code::FORBIDDEN,
            Self::TooLong { .. } => Code::BAD_PARAMETER,
        }
    }
}

/// What the Service Access Point looked up before it asks for a decision.
#[derive(Clone, Copy, Debug)]
pub struct AccountFacts<'a> {
    /// The domains served here; the first completes users without one.
    pub domains: &'a [Domain],
    /// The password of the account; `None`: there is no such account.
    pub password: Option<&'a Password>,
    /// Whether a 2-way login of an unknown user creates the account.
    pub registration_open: bool,
    /// Whether this connection may carry a password in clear.
    pub clear_password_allowed: bool,
    /// The live session with the key of this request ([`SessionKey::of`]).
    pub same_key: Option<&'a SessionId>,
    /// The key of the live session that the request names in its SessionID (1.3).
    pub named: Option<&'a SessionKey>,
}

/// What is to be done about a Login-Request.
#[derive(Debug)]
pub enum LoginOutcome {
    /// First step of 4-way: send the answer, nothing else changes.
    Challenge(LoginResponse),
    /// Send the answer; count and log why.
    Refused {
        /// The answer.
        response: LoginResponse,
        /// The reason, for the log.
        why: LoginError,
    },
    /// A new session.
    Opened(Box<Opened>),
    /// The session named in the request goes on (1.3).
    Resumed(Box<Resumed>),
}

/// A login that makes a new session: commit its record, then answer.
#[derive(Debug)]
pub struct Opened {
    /// The session.
    pub session: Session,
    /// The answer.
    pub response: LoginResponse,
    /// Create the account with this password, in the same commit.
    pub register: Option<Password>,
    /// End this session of the same key with 601 ([`Session::end`]).
    pub replaces: Option<SessionId>,
}

/// A login that takes up a living session: hand it to [`Session::resume`], commit, then answer.
#[derive(Clone, Debug)]
pub struct Resumed {
    /// Which.
    pub session: SessionId,
    /// Seconds of silence after which it ends from now on.
    pub time_to_live: u32,
    /// What the CIR carries from now on.
    pub cookie: Option<Box<str>>,
    /// What the client stated anew, if it did.
    pub abilities: Option<Abilities>,
    /// The answer.
    pub response: LoginResponse,
}

/// The user of a request with its domain, for looking up the account: its own, else the first of
/// these. `None` if that domain is not served here.
pub fn home_user(user: &UserId, domains: &[Domain]) -> Option<UserId> {
    let user = user.completed(domains.first()?);
    domains.iter().any(|domain| user.is_in(domain)).then_some(user)
}

/// Whether an account may be made under this address by the client itself: a plain user.
fn can_register(user: &UserId) -> bool {
    user.resource().is_none() && !user.local().contains('@')
}

/// The login machine of a node.
#[derive(Debug)]
pub struct Login {
    served: ServedFunctions,
    nonces: Nonces,
}

impl Login {
    /// A machine that grants these functions to clients that ask in their login (1.3).
    pub fn new(served: ServedFunctions) -> Self {
        Self { served, nonces: Nonces::default() }
    }

    /// What to do about this request.
    pub fn decide(
        &mut self,
        request: &LoginRequest,
        version: Version,
        encoding: Encoding,
        facts: &AccountFacts<'_>,
        now: Moment,
        chance: &mut dyn Chance,
    ) -> LoginOutcome {
        match self.admit(request, version, facts, now, chance) {
            Err(why) => {
                let response = answer(request, version, Status::new(why.code(version)));
                LoginOutcome::Refused { response, why }
            }
            Ok(Admission::Challenge(response)) => LoginOutcome::Challenge(response),
            Ok(Admission::In { user, register }) => {
                self.open(request, version, encoding, facts, user, register, now, chance)
            }
        }
    }

    fn admit(
        &mut self,
        request: &LoginRequest,
        version: Version,
        facts: &AccountFacts<'_>,
        now: Moment,
        chance: &mut dyn Chance,
    ) -> Result<Admission, LoginError> {
        check_lengths(request)?;
        let user = home_user(&request.user, facts.domains)
            .ok_or_else(|| LoginError::ForeignDomain { user: request.user.clone() })?;
        // Unknown users go the same way to the same refusal.
        let nobody = Password::new("");
        let secret = facts.password.unwrap_or(&nobody);
        let known = facts.password.is_some();
        match (&request.password, &request.digest) {
            (Some(_), _) if !facts.clear_password_allowed => Err(LoginError::ClearPassword { user }),
            (Some(given), _) => {
                let right = passwords_match(secret, given);
                match (known, right) {
                    (true, true) => Ok(Admission::In { user, register: None }),
                    (true, false) => Err(LoginError::WrongPassword { user }),
                    (false, _)
                        if facts.registration_open && can_register(&user) && !given.clear().is_empty() =>
                    {
                        Ok(Admission::In { user, register: Some(given.clone()) })
                    }
                    (false, _) => Err(LoginError::UnknownUser { user }),
                }
            }
            (None, Some(digest)) => {
                let Some((nonce, schema)) = self.nonces.take(&user, &request.client, now) else {
                    return Err(LoginError::NoNonce { user });
                };
                let right = digest_matches(schema, &nonce, secret, digest);
                match (known, right) {
                    (true, true) => Ok(Admission::In { user, register: None }),
                    (true, false) => Err(LoginError::WrongDigest { user }),
                    (false, _) => Err(LoginError::UnknownUser { user }),
                }
            }
            (None, None) => {
                let schema = choose(&request.schemas, version)?;
                let nonce: Box<str> = token::<16>(chance).into();
                self.nonces.keep(&user, &request.client, nonce.clone(), schema, now);
                // 200 before 1.3, 401 since (reference csp.md §4.3).
                let code = match version {
                    Version::V1_1 | Version::V1_2 => Code::SUCCESSFUL,
                    Version::V1_3 => Code::UNAUTHORIZED,
                };
                Ok(Admission::Challenge(LoginResponse {
                    nonce: Some(nonce),
                    schema: Some(schema),
                    ..answer(request, version, Status::new(code))
                }))
            }
        }
    }

    // The parts of one decision: a struct for them would have no other use.
    #[allow(clippy::too_many_arguments)]
    fn open(
        &self,
        request: &LoginRequest,
        version: Version,
        encoding: Encoding,
        facts: &AccountFacts<'_>,
        user: UserId,
        register: Option<Password>,
        now: Moment,
        chance: &mut dyn Chance,
    ) -> LoginOutcome {
        let time_to_live = agreed_keep_alive(request.time_to_live);
        let functions = request.functions.as_ref().filter(|_| version == Version::V1_3);
        let stated = request.capabilities.as_ref().filter(|_| version == Version::V1_3);
        let response = LoginResponse {
            keep_alive: Some(time_to_live),
            functions: functions.and_then(|asked| refused_functions(asked, version, &self.served)),
            agreed: stated.map(|stated| Box::new(agreed_capabilities(stated, version))),
            ..answer(request, version, Status::ok())
        };
        let abilities = stated.map(|stated| Abilities::of(stated));
        let key = SessionKey::of(request, user);
        if let (Some(session), Some(named)) = (&request.session, facts.named)
            && *named == key
            && register.is_none()
        {
            return LoginOutcome::Resumed(Box::new(Resumed {
                session: session.clone(),
                time_to_live,
                cookie: request.cookie.clone(),
                abilities,
                response: LoginResponse {
                    session: Some(session.clone()),
                    capability_request: Some(false),
                    ..response
                },
            }));
        }
        let id = session_id(chance);
        let capability_request = Some(abilities.is_none());
        let record = SessionRecord {
            id: id.clone(),
            user: key.user,
            client: key.client,
            application: key.application,
            version,
            encoding,
            cookie: request.cookie.clone(),
            time_to_live,
            capabilities: abilities.map_or_else(Box::default, |abilities| abilities.to_stored()),
            created: now,
            last_active: now,
        };
        LoginOutcome::Opened(Box::new(Opened {
            session: Session::restore(record, chance),
            response: LoginResponse { session: Some(id), capability_request, ..response },
            register,
            replaces: facts.same_key.cloned(),
        }))
    }
}

enum Admission {
    Challenge(LoginResponse),
    In { user: UserId, register: Option<Password> },
}

/// An answer with nothing but the result.
fn answer(request: &LoginRequest, version: Version, result: Status) -> LoginResponse {
    LoginResponse {
        user: (version == Version::V1_3).then(|| request.user.clone()),
        client: request.client.clone(),
        result,
        nonce: None,
        schema: None,
        session: None,
        keep_alive: None,
        capability_request: None,
        functions: None,
        agreed: None,
    }
}

/// A fresh session id: 24 characters of base64url, 144 random bits.
fn session_id(chance: &mut dyn Chance) -> SessionId {
    loop {
        if let Ok(id) = token::<18>(chance).parse() {
            return id;
        }
    }
}

/// SHA before MD5 (decisions.md 19). A 1.1 client that names none means MD5 (reference csp.md §4.3).
fn choose(offered: &[DigestSchema], version: Version) -> Result<DigestSchema, LoginError> {
    if offered.is_empty() && version == Version::V1_1 {
        return Ok(DigestSchema::Md5);
    }
    [DigestSchema::Sha, DigestSchema::Md5]
        .into_iter()
        .find(|schema| offered.contains(schema))
        .ok_or_else(|| LoginError::NoCommonSchema { offered: offered.to_vec() })
}

fn check_lengths(request: &LoginRequest) -> Result<(), LoginError> {
    let ClientId { url, msisdn, text } = &request.client;
    for (what, value) in [
        ("ClientID", url),
        ("ClientID", msisdn),
        ("ClientID", text),
        ("ApplicationID", &request.application),
        ("SessionCookie", &request.cookie),
    ] {
        let octets = value.as_ref().map_or(0, |value| value.len());
        if octets > CLIENT_TEXT_OCTETS_MAX {
            return Err(LoginError::TooLong { what, octets });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::digest::digest_bytes;
    use super::super::testing::{Counting, at};
    use super::*;
    use crate::imps::primitive::{Branch, Capabilities, DeliveryMethod, Functions};

    /// A provider with one account, `ada` with the password `s3cret-Pass`.
    struct Provider {
        login: Login,
        chance: Counting,
        domains: Vec<Domain>,
        secret: Password,
        registration_open: bool,
        clear_password_allowed: bool,
        same_key: Option<SessionId>,
        named: Option<SessionKey>,
    }

    impl Provider {
        fn new() -> Self {
            Self {
                login: Login::new(ServedFunctions::default()),
                chance: Counting::default(),
                domains: vec!["north.example".parse().unwrap(), "mail.north.example".parse().unwrap()],
                secret: Password::new("s3cret-Pass"),
                registration_open: false,
                clear_password_allowed: true,
                same_key: None,
                named: None,
            }
        }

        fn decide(&mut self, request: &LoginRequest, version: Version, seconds: u64) -> LoginOutcome {
            let user = home_user(&request.user, &self.domains);
            let known = user.is_some_and(|user| user.key() == "wv:ada@north.example");
            let facts = AccountFacts {
                domains: &self.domains,
                password: known.then_some(&self.secret),
                registration_open: self.registration_open,
                clear_password_allowed: self.clear_password_allowed,
                same_key: self.same_key.as_ref(),
                named: self.named.as_ref(),
            };
            self.login.decide(request, version, Encoding::Wbxml, &facts, at(seconds), &mut self.chance)
        }

        /// The first step: nonce and scheme.
        fn challenges(
            &mut self,
            request: &LoginRequest,
            version: Version,
            seconds: u64,
        ) -> (String, DigestSchema) {
            match self.decide(request, version, seconds) {
                LoginOutcome::Challenge(response) => {
                    (response.nonce.unwrap().into(), response.schema.unwrap())
                }
                other => panic!("{other:?}"),
            }
        }

        fn opens(&mut self, request: &LoginRequest, version: Version, seconds: u64) -> Opened {
            match self.decide(request, version, seconds) {
                LoginOutcome::Opened(opened) => *opened,
                other => panic!("{other:?}"),
            }
        }

        fn refuses(&mut self, request: &LoginRequest, version: Version, seconds: u64) -> (u16, LoginError) {
            match self.decide(request, version, seconds) {
                LoginOutcome::Refused { response, why } => {
                    assert_eq!((&response.session, &response.nonce), (&None, &None));
                    (response.result.code.get(), why)
                }
                other => panic!("{other:?}"),
            }
        }
    }

    fn request(user: &str) -> LoginRequest {
        LoginRequest {
            user: user.parse().unwrap(),
            client: ClientId { url: Some("JiMMY".into()), ..ClientId::default() },
            application: None,
            password: None,
            digest: None,
            schemas: vec![DigestSchema::Md5, DigestSchema::Sha],
            session: None,
            time_to_live: Some(7205),
            cookie: Some("1795-36".into()),
            functions: None,
            capabilities: None,
        }
    }

    fn two_way(user: &str, password: &str) -> LoginRequest {
        LoginRequest { password: Some(Password::new(password)), schemas: Vec::new(), ..request(user) }
    }

    /// The second step that answers this challenge.
    fn proof(user: &str, password: &str, (nonce, schema): &(String, DigestSchema)) -> LoginRequest {
        let digest = digest_bytes(*schema, nonce, &Password::new(password)).unwrap();
        LoginRequest { digest: Some(digest.into()), schemas: Vec::new(), ..request(user) }
    }

    #[test]
    fn a_password_opens_a_session() {
        let mut north = Provider::new();
        let opened = north.opens(&two_way("ada", "s3cret-Pass"), Version::V1_2, 0);
        assert_eq!((opened.register, opened.replaces), (None, None));
        let id = opened.response.session.unwrap();
        assert!(id.as_str().len() <= 50 && id.as_str().bytes().all(|b| b.is_ascii_graphic()));
        assert_eq!(opened.response.keep_alive, Some(7200));
        assert_eq!(opened.response.capability_request, Some(true));
        assert_eq!((opened.response.user, opened.response.result.code), (None, Code::SUCCESSFUL));
        let record = opened.session.record();
        assert_eq!((&record.id, record.user.as_str()), (&id, "wv:ada@north.example"));
        assert_eq!((record.version, record.cookie.as_deref()), (Version::V1_2, Some("1795-36")));
        assert_eq!((record.time_to_live, record.last_active), (7200, at(0)));
    }

    #[test]
    fn session_ids_are_never_the_same() {
        let mut north = Provider::new();
        let mut id = || north.opens(&two_way("ada", "s3cret-Pass"), Version::V1_2, 0).response.session;
        assert_ne!(id(), id());
    }

    #[test]
    fn a_nonce_and_its_digest_open_a_session() {
        for (version, code) in [(Version::V1_1, 200), (Version::V1_2, 200), (Version::V1_3, 401)] {
            let mut north = Provider::new();
            let LoginOutcome::Challenge(response) = north.decide(&request("wv:ada"), version, 0) else {
                panic!("no challenge");
            };
            assert_eq!(response.result.code.get(), code);
            assert_eq!((&response.session, response.capability_request), (&None, None));
            assert_eq!(response.user.is_some(), version == Version::V1_3);
            let challenge = (response.nonce.unwrap().into(), response.schema.unwrap());
            assert_eq!(challenge.1, DigestSchema::Sha, "SHA before MD5");
            let opened = north.opens(&proof("wv:ada", "s3cret-Pass", &challenge), version, 59);
            assert!(opened.response.session.is_some());
        }
    }

    #[test]
    fn the_schema_is_one_that_both_can_do() {
        let mut north = Provider::new();
        let offering = |schemas: &[DigestSchema]| LoginRequest { schemas: schemas.into(), ..request("ada") };
        use DigestSchema::{Md4, Md5, Pwd};
        assert_eq!(north.challenges(&offering(&[Pwd, Md5]), Version::V1_2, 0).1, Md5);
        assert_eq!(north.challenges(&offering(&[]), Version::V1_1, 0).1, Md5);
        for (offered, version, code) in [
            (vec![Md4], Version::V1_1, 402),
            (vec![Md4, Pwd], Version::V1_2, 543),
            (vec![], Version::V1_3, 543),
        ] {
            let (found, why) = north.refuses(&offering(&offered), version, 0);
            assert_eq!((found, why), (code, LoginError::NoCommonSchema { offered }));
        }
    }

    #[test]
    fn wrong_credentials_are_409_and_never_401() {
        for version in Version::ALL {
            let mut north = Provider::new();
            let challenge = north.challenges(&request("ada"), version, 0);
            let strangers = north.challenges(&request("nobody"), version, 0);
            for wrong in [
                two_way("ada", "S3cret-Pass"),
                two_way("ada", ""),
                two_way("nobody", ""),
                two_way("nobody", "s3cret-Pass"),
                proof("ada", "wrong", &challenge),
                proof("nobody", "", &strangers),
                LoginRequest { digest: Some("".into()), ..request("ada") },
                LoginRequest { digest: Some("rubbish!".into()), ..request("ada") },
            ] {
                assert_eq!(north.refuses(&wrong, version, 1).0, 409, "{wrong:?}");
            }
        }
    }

    #[test]
    fn an_unknown_user_looks_like_a_known_one_until_the_end() {
        let mut north = Provider::new();
        let challenge = north.challenges(&request("nobody"), Version::V1_2, 0);
        assert_eq!(challenge.1, DigestSchema::Sha);
        let (code, why) = north.refuses(&proof("nobody", "x", &challenge), Version::V1_2, 1);
        assert_eq!(code, 409);
        assert!(matches!(why, LoginError::UnknownUser { .. }));
    }

    #[test]
    fn a_nonce_serves_once_and_for_a_minute_and_only_its_user_and_client() {
        let mut north = Provider::new();
        let challenge = north.challenges(&request("ada"), Version::V1_2, 0);
        let right = proof("ada", "s3cret-Pass", &challenge);
        let other_phone = LoginRequest { client: ClientId::default(), ..right.clone() };
        assert!(matches!(north.refuses(&other_phone, Version::V1_2, 1).1, LoginError::NoNonce { .. }));
        north.opens(&right, Version::V1_2, 2);
        let (code, why) = north.refuses(&right, Version::V1_2, 3);
        assert_eq!(code, 409, "a replay");
        assert!(matches!(why, LoginError::NoNonce { .. }));

        let challenge = north.challenges(&request("ada"), Version::V1_2, 10);
        let late = proof("ada", "s3cret-Pass", &challenge);
        assert!(matches!(north.refuses(&late, Version::V1_2, 70).1, LoginError::NoNonce { .. }));

        // A wrong guess uses it up.
        let challenge = north.challenges(&request("ada"), Version::V1_2, 100);
        north.refuses(&proof("ada", "wrong", &challenge), Version::V1_2, 101);
        north.refuses(&proof("ada", "s3cret-Pass", &challenge), Version::V1_2, 102);

        // The last nonce counts.
        let first = north.challenges(&request("ada"), Version::V1_2, 200);
        let second = north.challenges(&request("ADA@north.example"), Version::V1_2, 200);
        assert_ne!(first.0, second.0);
        north.opens(&proof("ada", "s3cret-Pass", &second), Version::V1_2, 201);
    }

    #[test]
    fn a_foreign_domain_is_516_and_every_own_domain_is_at_home() {
        let mut north = Provider::new();
        for wrong in [request("ada@south.example"), two_way("ada@south.example", "s3cret-Pass")] {
            assert_eq!(north.refuses(&wrong, Version::V1_2, 0).0, 516);
        }
        north.challenges(&request("ada@mail.north.example"), Version::V1_2, 0);
        assert_eq!(home_user(&"ada".parse().unwrap(), &[]), None);
    }

    #[test]
    fn open_registration_makes_an_account_of_a_2_way_login() {
        let mut north = Provider::new();
        north.registration_open = true;
        let opened = north.opens(&two_way("eve", "new"), Version::V1_2, 0);
        assert_eq!(opened.register, Some(Password::new("new")));
        assert_eq!(opened.session.record().user.as_str(), "wv:eve@north.example");
        for refused in [two_way("eve", ""), two_way("eve/list", "new"), two_way("ada", "new")] {
            assert_eq!(north.refuses(&refused, Version::V1_2, 0).0, 409);
        }
        let challenge = north.challenges(&request("eve"), Version::V1_2, 0);
        assert_eq!(north.refuses(&proof("eve", "new", &challenge), Version::V1_2, 0).0, 409);
    }

    #[test]
    fn a_password_in_clear_needs_leave() {
        let mut north = Provider::new();
        north.clear_password_allowed = false;
        assert_eq!(north.refuses(&two_way("ada", "s3cret-Pass"), Version::V1_2, 0).0, 403);
        let challenge = north.challenges(&request("ada"), Version::V1_2, 0);
        north.opens(&proof("ada", "s3cret-Pass", &challenge), Version::V1_2, 0);
    }

    #[test]
    fn a_second_login_of_the_same_client_replaces_the_first() {
        let mut north = Provider::new();
        let old: SessionId = "old".parse().unwrap();
        north.same_key = Some(old.clone());
        let opened = north.opens(&two_way("ada", "s3cret-Pass"), Version::V1_2, 0);
        assert_eq!(opened.replaces, Some(old.clone()));
        assert_ne!(opened.response.session, Some(old));
    }

    #[test]
    fn a_1_3_client_takes_its_session_up_again_or_gets_a_fresh_one() {
        let mut north = Provider::new();
        let old: SessionId = "old".parse().unwrap();
        let resuming = LoginRequest { session: Some(old.clone()), ..two_way("ada", "s3cret-Pass") };
        let key = SessionKey::of(&resuming, "ada@north.example".parse().unwrap());
        (north.same_key, north.named) = (Some(old.clone()), Some(key.clone()));
        let LoginOutcome::Resumed(resumed) = north.decide(&resuming, Version::V1_3, 0) else {
            panic!("not resumed");
        };
        assert_eq!((&resumed.session, &resumed.response.session), (&old, &Some(old.clone())));
        assert_eq!(resumed.response.capability_request, Some(false));
        assert_eq!((resumed.time_to_live, resumed.response.keep_alive), (7200, Some(7200)));
        assert!(resumed.abilities.is_none());

        // Of another user, of another client, or gone: a fresh session, never an error.
        let foreign = SessionKey { user: "bo@north.example".parse().unwrap(), ..key.clone() };
        let tablet = SessionKey { client: ClientId::default(), ..key };
        for named in [Some(foreign), Some(tablet), None] {
            (north.same_key, north.named) = (None, named);
            let opened = north.opens(&resuming, Version::V1_3, 0);
            assert_ne!(opened.response.session, Some(old.clone()));
            assert_eq!((opened.response.capability_request, opened.replaces), (Some(true), None));
        }
    }

    #[test]
    fn a_1_3_client_negotiates_everything_in_its_login() {
        let mut north = Provider::new();
        let oneshot = LoginRequest {
            functions: Some(Functions {
                features: vec![Branch { name: "IMFeat".into(), branches: Vec::new() }],
            }),
            capabilities: Some(Box::new(Capabilities {
                initial_delivery_method: Some(DeliveryMethod::Notify),
                ..Capabilities::default()
            })),
            ..two_way("ada", "s3cret-Pass")
        };
        let opened = north.opens(&oneshot, Version::V1_3, 0);
        assert_eq!(opened.response.capability_request, Some(false));
        assert!(opened.response.functions.is_some());
        assert_eq!(opened.response.agreed.unwrap().server_poll_min, Some(30));
        assert_eq!(opened.session.abilities().method, DeliveryMethod::Notify);
        // Before 1.3 there is no place for an answer.
        let older = north.opens(&oneshot, Version::V1_2, 0);
        assert_eq!((older.response.functions, older.response.agreed), (None, None));
    }

    #[test]
    fn texts_that_are_kept_are_short() {
        let mut north = Provider::new();
        let long = LoginRequest { cookie: Some("x".repeat(513).into()), ..two_way("ada", "s3cret-Pass") };
        let (code, why) = north.refuses(&long, Version::V1_2, 0);
        assert_eq!((code, why), (402, LoginError::TooLong { what: "SessionCookie", octets: 513 }));
    }
}
