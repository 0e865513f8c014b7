//! The login machine: a request and what is known of the account in, one outcome out.
//!
//! 2-way: the password comes in the request. 4-way: the first request carries neither password nor
//! digest and gets a nonce; the second proves the password by a digest over it. Both are Outband and
//! belong together by user and client alone (reference csp.md §4).
//!
//! A request that carried credentials is never answered 401: a real client repeats it without end
//! (reference client-android §3).

use super::abilities::Abilities;
use super::cir::Site;
use super::cir::agree::{Whose, agree};
use super::digest::{digest_matches, passwords_match};
use super::functions::{ServedFunctions, refused_functions};
use super::guesses::{Guesses, Try};
use super::negotiate::{agreed_capabilities, agreed_keep_alive};
use super::nonces::Nonces;
use super::record::{SessionKey, SessionRecord};
use super::session::Session;
use crate::imps::chance::token;
use crate::imps::primitive::{ClientId, DigestSchema, LoginRequest, LoginResponse, Password};
use crate::imps::{Chance, Code, Domain, Moment, SessionId, Status, Terms, UserId, Version};
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
    /// Too many failures from where this comes: it was not looked at.
    #[error("{user} was tried too often from there: the next try counts in {seconds} s")]
    TooOften {
        /// Who.
        user: UserId,
        /// Seconds until a try is looked at again.
        seconds: u32,
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
    /// The provider lets this user in no more.
    #[error("{user} is barred")]
    Barred {
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
            Self::TooOften { .. } => Code::SERVICE_UNAVAILABLE,
            Self::NoCommonSchema { .. } => match version {
                Version::V1_1 => Code::BAD_PARAMETER,
                Version::V1_2 | Version::V1_3 => Code::NO_DIGEST_SCHEME,
            },
            Self::ClearPassword { .. } | Self::Barred { .. } => Code::FORBIDDEN,
            Self::TooLong { .. } => Code::BAD_PARAMETER,
        }
    }

    /// Whether it was a try to prove to be the user, and proved nothing.
    const fn is_failed_proof(&self) -> bool {
        matches!(self, Self::UnknownUser { .. } | Self::WrongPassword { .. } | Self::WrongDigest { .. })
    }

    /// What the client hears.
    fn status(&self, version: Version) -> Status {
        let try_again = match self {
            Self::TooOften { seconds, .. } => Some(*seconds),
            _ => None,
        };
        Status { try_again, ..Status::new(self.code(version)) }
    }
}

/// What the Service Access Point looked up before it asks for a decision.
#[derive(Clone, Copy, Debug)]
pub struct AccountFacts<'a> {
    /// The domains served here; the first completes users without one.
    pub domains: &'a [Domain],
    /// The password of the account; `None`: there is no such account.
    pub password: Option<&'a Password>,
    /// What the user has subscribed to, if there is such an account.
    pub terms: Terms,
    /// Whether a 2-way login of an unknown user creates the account.
    pub registration_open: bool,
    /// Whether this connection may carry a password in clear.
    pub clear_password_allowed: bool,
    /// The live session with the key of this request ([`SessionKey::of`]).
    pub same_key: Option<&'a SessionId>,
    /// The key of the live session that the request names in its SessionID (1.3).
    pub named: Option<&'a SessionKey>,
    /// What a client that states its capabilities in the login can be called with.
    pub site: Site<'a>,
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
    guesses: Guesses,
}

impl Login {
    /// A machine that grants these functions to clients that ask in their login (1.3).
    pub fn new(served: ServedFunctions) -> Self {
        Self { served, nonces: Nonces::default(), guesses: Guesses::default() }
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
        match self.admit_in_time(request, version, facts, now, chance) {
            Err(why) => {
                let response = answer(request, version, why.status(version));
                LoginOutcome::Refused { response, why }
            }
            Ok(Admission::Challenge(response)) => LoginOutcome::Challenge(response),
            // Only who has proved to be the user learns that.
            Ok(Admission::In { user, .. }) if facts.terms.is_barred() => {
                let why = LoginError::Barred { user };
                let response = answer(request, version, why.status(version));
                LoginOutcome::Refused { response, why }
            }
            Ok(Admission::In { user, register }) => {
                self.open(request, version, encoding, facts, user, register, now, chance)
            }
        }
    }

    /// Credentials are looked at only if there were not too many wrong ones from there before. Known users and
    /// unknown ones go the same way.
    fn admit_in_time(
        &mut self,
        request: &LoginRequest,
        version: Version,
        facts: &AccountFacts<'_>,
        now: Moment,
        chance: &mut dyn Chance,
    ) -> Result<Admission, LoginError> {
        let proves = request.password.is_some() || request.digest.is_some();
        let user = home_user(&request.user, facts.domains).filter(|_| proves);
        let (Some(user), Some(arrival)) = (user, facts.site.arrival) else {
            return self.admit(request, version, facts, now, chance);
        };
        let attempt = Try { user: &user, client: &request.client, source: arrival.from.ip().into() };
        if let Some(pause) = self.guesses.pause(&attempt, now) {
            let seconds = u32::try_from(pause.as_millis().div_ceil(1000)).unwrap_or(u32::MAX);
            return Err(LoginError::TooOften { user, seconds });
        }
        let admitted = self.admit(request, version, facts, now, chance);
        match &admitted {
            Ok(_) => self.guesses.succeeded(&attempt, now),
            Err(why) if why.is_failed_proof() => self.guesses.failed(&attempt, now),
            Err(_) => {}
        }
        admitted
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
        let key = SessionKey::of(request, user);
        let resumed = request.session.clone().filter(|_| facts.named == Some(&key) && register.is_none());
        let id = resumed.clone().unwrap_or_else(|| session_id(chance));
        let agreed = stated.map(|stated| {
            let mut agreed = agreed_capabilities(stated, version);
            let cookie = request.cookie.as_deref();
            let whose = Whose { version, session: &id, user: &key.user, cookie };
            let cir = agree(stated, &whose, &facts.site, &mut agreed);
            (Abilities::of(stated).called_by(cir), Box::new(agreed))
        });
        let (abilities, agreed) = agreed.unzip();
        let response = LoginResponse {
            keep_alive: Some(time_to_live),
            functions: functions.and_then(|asked| {
                refused_functions(asked, version, &self.served.within(facts.terms.services))
            }),
            agreed,
            session: Some(id.clone()),
            // Who states its capabilities in the login is not asked for them.
            capability_request: Some(abilities.is_none() && resumed.is_none()),
            ..answer(request, version, Status::ok())
        };
        if let Some(session) = resumed {
            return LoginOutcome::Resumed(Box::new(Resumed {
                session,
                time_to_live,
                cookie: request.cookie.clone(),
                abilities,
                response,
            }));
        }
        let record = SessionRecord {
            id,
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
            response,
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
mod tests;
