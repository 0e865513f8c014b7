//! The two handshake machines: six steps that show each side that the other reads what is sent to
//! its published address (reference ssp-session §1).
//!
//! ```text
//! initiator  TokenSent ──step 2──▶ LoginSent ──step 4──▶ SessionSent ──step 6──▶ open
//! responder  (step 1) ▶ TokenAnswered ──step 3──▶ PeerVerified ──step 5──▶ Granted ──posted──▶ open
//! ```
//! A machine takes one element from the peer and says what follows ([`Step`]). Posting, repeating a
//! POST and keeping time is the link's work. Only a machine that holds a [`Proof`] ever says
//! [`Step::Open`]. An element that was taken before is taken again without effect, since the peer may
//! have missed our HTTP answer; one that has no place is refused and changes nothing.

use super::output::{Alarm, LinkError};
use super::proof::{self, Proof, Token, Unproven};
use super::settings::{LinkSettings, TIME_TO_LIVE_MIN};
use crate::imps::primitive::{
    DigestSchema, LinkLoginRequest, LinkLoginResponse, Redirect, SendSecretToken, Setup,
};
use crate::imps::status::Code;
use crate::imps::{Chance, Domain, ServiceId, SessionId, Status, TransactionId, Version};
use crate::wire::Mode;
use crate::wire::ssp::SetupTransaction;

/// What follows from a step of the peer.
#[derive(Debug)]
pub(super) enum Step {
    /// Nothing: it was taken before.
    Repeated,
    /// Post the next step.
    Next(SetupTransaction),
    /// Both sides have proven themselves; the responder still has to post step 6.
    Open(Opened, Option<SetupTransaction>),
    /// The handshake is over without a session. What is left to say, and what to tell the operator.
    Over(Option<SetupTransaction>, Alarm),
    /// Start again at one of these addresses.
    Elsewhere(Vec<Redirect>),
}

/// A session as the handshake leaves it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Opened {
    pub(super) ours: SessionId,
    pub(super) theirs: SessionId,
    pub(super) setup: TransactionId,
    pub(super) version: Version,
    pub(super) time_to_live: u32,
    /// Without it there is no session.
    pub(super) proof: Proof,
}

/// Our side of a handshake that we opened.
#[derive(Debug)]
pub(super) struct Initiator {
    /// `X_A`.
    id: TransactionId,
    /// `T_A`.
    token: Token,
    version: Version,
    state: Initiating,
}

// The names of reference ssp-session §2.1.
#[expect(clippy::enum_variant_names)]
#[derive(Debug)]
enum Initiating {
    TokenSent,
    LoginSent { theirs: Box<[u8]> },
    SessionSent { theirs: Box<[u8]>, digest: Box<[u8]>, proof: Proof, ours: SessionId, time_to_live: u32 },
}

/// Our side of a handshake that the peer opened.
#[derive(Debug)]
pub(super) struct Responder {
    /// `X_A`.
    id: TransactionId,
    /// `T_B`.
    token: Token,
    /// `T_A`.
    theirs: Box<[u8]>,
    version: Version,
    state: Responding,
}

#[derive(Debug)]
enum Responding {
    TokenAnswered,
    PeerVerified { digest: Box<[u8]>, proof: Proof, time_to_live: u32 },
    Granted { theirs: SessionId },
}

/// The idle limit that both sides can live with: the smallest one named.
fn agreed(ours: u32, proposals: &[Option<u32>]) -> u32 {
    proposals.iter().copied().flatten().fold(ours, u32::min).max(TIME_TO_LIVE_MIN)
}

/// Steps 1 and 2.
fn send_token(settings: &LinkSettings, version: Version, token: &Token) -> Setup {
    Setup::SendSecretToken(SendSecretToken {
        service: ServiceId::of(settings.own.clone()),
        version,
        misspelt: false,
        token: token.octets().into(),
    })
}

/// Steps 3 and 4. MD5 needs no name (conflict C-04).
fn login(settings: &LinkSettings, schema: DigestSchema, token: &[u8]) -> Option<Setup> {
    Some(Setup::LoginRequest(LinkLoginRequest {
        service: ServiceId::of(settings.own.clone()),
        time_to_live: settings.time_to_live,
        digest: proof::digest(schema, token)?,
        schema: (schema != DigestSchema::Md5).then_some(schema),
    }))
}

/// Steps 5 and 6.
fn grant(session: SessionId, time_to_live: u32) -> Setup {
    Setup::LoginResponse(LinkLoginResponse {
        session: Some(session),
        time_to_live: Some(time_to_live),
        status: Status::ok(),
        redirects: Vec::new(),
    })
}

/// A LoginResponse that refuses: without session id (reference ssp-session §2.1).
pub(super) fn refuse(code: Code) -> Setup {
    Setup::LoginResponse(LinkLoginResponse {
        session: None,
        time_to_live: None,
        status: Status::because(code, code.name()),
        redirects: Vec::new(),
    })
}

/// The digest the peer sent is checked; if it proves nothing, this is how the handshake ends.
fn failed(why: Unproven, peer: &Domain) -> (Setup, Alarm) {
    match why {
        Unproven::Wrong => (refuse(Code::INVALID_PASSWORD), Alarm::Digest { peer: peer.clone() }),
        Unproven::Schema => (refuse(Code::NO_DIGEST_SCHEME), Alarm::Schema { peer: peer.clone() }),
    }
}

/// The serviceID of a step must be the peer's, whom TLS has named. The link asks before a machine
/// sees the step.
pub(super) fn check_service(service: &ServiceId, settings: &LinkSettings) -> Result<(), LinkError> {
    if *service.domain() == settings.peer {
        return Ok(());
    }
    Err(LinkError::ForeignService { peer: settings.peer.clone(), claimed: service.domain().clone() })
}

/// A token says nothing if there is none.
fn check_token(token: &SendSecretToken, settings: &LinkSettings) -> Result<(), LinkError> {
    if token.token.is_empty() {
        return Err(LinkError::EmptyToken { peer: settings.peer.clone() });
    }
    Ok(())
}

/// The session id of a LoginResponse, if it is the peer's to give (reference ssp.md fact 5).
fn granted(response: &LinkLoginResponse, settings: &LinkSettings) -> Result<SessionId, LinkError> {
    let session = response.session.clone();
    session
        .filter(|id| id.issuer().is_some_and(|issuer| issuer.eq_ignore_ascii_case(settings.peer.as_str())))
        .ok_or_else(|| LinkError::ForeignSession { peer: settings.peer.clone() })
}

/// The code of an element that refuses.
fn refusal(element: &Setup) -> Option<Code> {
    let status = match element {
        Setup::LoginResponse(response) => &response.status,
        Setup::Status(status) => status,
        Setup::SendSecretToken(_) | Setup::LoginRequest(_) => return None,
    };
    (!status.code.is_success()).then_some(status.code)
}

impl Initiator {
    /// Opens a handshake and gives step 1.
    pub(super) fn open(settings: &LinkSettings, chance: &mut dyn Chance) -> (Self, SetupTransaction) {
        let machine = Self {
            id: TransactionId::fresh(chance),
            token: Token::fresh(chance),
            version: settings.version,
            state: Initiating::TokenSent,
        };
        let step = machine.transaction(send_token(settings, settings.version, &machine.token));
        (machine, step)
    }

    /// `X_A`.
    pub(super) const fn id(&self) -> &TransactionId {
        &self.id
    }

    /// For logs.
    pub(super) const fn state(&self) -> &'static str {
        match self.state {
            Initiating::TokenSent => "TokenSent",
            Initiating::LoginSent { .. } => "LoginSent",
            Initiating::SessionSent { .. } => "SessionSent",
        }
    }

    /// The version that both sides speak, as far as known.
    pub(super) const fn version(&self) -> Version {
        self.version
    }

    /// The number of our step that the state is named after.
    pub(super) const fn step(&self) -> u8 {
        match self.state {
            Initiating::TokenSent => 1,
            Initiating::LoginSent { .. } => 3,
            Initiating::SessionSent { .. } => 5,
        }
    }

    fn transaction(&self, element: Setup) -> SetupTransaction {
        SetupTransaction { id: self.id.clone(), mode: Mode::Request, element }
    }

    /// Step 2, 4 or 6, or a refusal. Nothing changes on an error.
    pub(super) fn receive(
        &mut self,
        id: &TransactionId,
        element: &Setup,
        settings: &LinkSettings,
        chance: &mut dyn Chance,
    ) -> Result<Step, LinkError> {
        // Step 2 comes under the responder's own id (conflict C-05), all else under ours.
        let token = matches!(element, Setup::SendSecretToken(_));
        if !token && *id != self.id {
            return Err(LinkError::UnknownSetup { peer: settings.peer.clone(), got: element.name() });
        }
        match (&self.state, element) {
            (_, Setup::LoginResponse(response))
                if response.status.code.get() / 100 == 3 && !response.redirects.is_empty() =>
            {
                Ok(Step::Elsewhere(response.redirects.clone()))
            }
            (_, Setup::LoginResponse(_) | Setup::Status(_)) if refusal(element).is_some() => {
                let code = refusal(element).unwrap_or(Code::FORBIDDEN);
                Ok(Step::Over(None, Alarm::Refused { peer: settings.peer.clone(), code }))
            }
            (Initiating::TokenSent, Setup::SendSecretToken(token)) => {
                check_token(token, settings)?;
                let step = login(settings, settings.digest, &token.token);
                let Some(step) = step else { return Ok(no_schema(settings)) };
                self.version = self.version.min(token.version);
                self.state = Initiating::LoginSent { theirs: token.token.clone() };
                Ok(Step::Next(self.transaction(step)))
            }
            (
                Initiating::LoginSent { theirs } | Initiating::SessionSent { theirs, .. },
                Setup::SendSecretToken(token),
            ) if proof::same(theirs, &token.token) => Ok(Step::Repeated),
            (Initiating::LoginSent { theirs }, Setup::LoginRequest(request)) => {
                match proof::prove(&self.token, request) {
                    Ok(proof) => {
                        let time_to_live = agreed(settings.time_to_live, &[Some(request.time_to_live)]);
                        let ours = SessionId::issued_by(&settings.own, chance);
                        let step = grant(ours.clone(), time_to_live);
                        let (theirs, digest) = (theirs.clone(), request.digest.clone());
                        self.state = Initiating::SessionSent { theirs, digest, proof, ours, time_to_live };
                        Ok(Step::Next(self.transaction(step)))
                    }
                    Err(why) => {
                        let (answer, alarm) = failed(why, &settings.peer);
                        Ok(Step::Over(Some(self.transaction(answer)), alarm))
                    }
                }
            }
            (Initiating::SessionSent { digest, .. }, Setup::LoginRequest(request))
                if proof::same(digest, &request.digest) =>
            {
                Ok(Step::Repeated)
            }
            (Initiating::SessionSent { proof, ours, time_to_live, .. }, Setup::LoginResponse(response)) => {
                let theirs = granted(response, settings)?;
                let opened = Opened {
                    ours: ours.clone(),
                    theirs,
                    setup: self.id.clone(),
                    version: self.version,
                    time_to_live: agreed(*time_to_live, &[response.time_to_live]),
                    proof: proof.clone(),
                };
                Ok(Step::Open(opened, None))
            }
            (_, element) => Err(LinkError::OutOfTurn {
                peer: settings.peer.clone(),
                got: element.name(),
                state: self.state(),
            }),
        }
    }
}

/// The settings name a schema that is never used; the configuration does not let that happen.
fn no_schema(settings: &LinkSettings) -> Step {
    Step::Over(None, Alarm::Schema { peer: settings.peer.clone() })
}

impl Responder {
    /// Takes step 1 and gives step 2, under an id of our own (conflict C-05).
    pub(super) fn open(
        id: &TransactionId,
        token: &SendSecretToken,
        settings: &LinkSettings,
        chance: &mut dyn Chance,
    ) -> Result<(Self, SetupTransaction), LinkError> {
        check_token(token, settings)?;
        let own_id = TransactionId::fresh(chance);
        let version = settings.version.min(token.version);
        let machine = Self {
            id: id.clone(),
            token: Token::fresh(chance),
            theirs: token.token.clone(),
            version,
            state: Responding::TokenAnswered,
        };
        let element = send_token(settings, version, &machine.token);
        Ok((machine, SetupTransaction { id: own_id, mode: Mode::Response, element }))
    }

    /// Whether this is the step 1 that opened the handshake, once more.
    pub(super) fn is_opened_by(&self, id: &TransactionId, token: &SendSecretToken) -> bool {
        self.id == *id && proof::same(&self.theirs, &token.token)
    }

    /// `X_A`.
    pub(super) const fn id(&self) -> &TransactionId {
        &self.id
    }

    /// For logs.
    pub(super) const fn state(&self) -> &'static str {
        match self.state {
            Responding::TokenAnswered => "TokenAnswered",
            Responding::PeerVerified { .. } => "PeerVerified",
            Responding::Granted { .. } => "Granted",
        }
    }

    /// The version that both sides speak, as far as known.
    pub(super) const fn version(&self) -> Version {
        self.version
    }

    /// The number of our step that the state is named after.
    pub(super) const fn step(&self) -> u8 {
        match self.state {
            Responding::TokenAnswered => 2,
            Responding::PeerVerified { .. } => 4,
            Responding::Granted { .. } => 6,
        }
    }

    fn transaction(&self, element: Setup) -> SetupTransaction {
        SetupTransaction { id: self.id.clone(), mode: Mode::Response, element }
    }

    /// Step 3 or 5, or a refusal. Nothing changes on an error.
    pub(super) fn receive(
        &mut self,
        id: &TransactionId,
        element: &Setup,
        settings: &LinkSettings,
        chance: &mut dyn Chance,
    ) -> Result<Step, LinkError> {
        if *id != self.id {
            return Err(LinkError::UnknownSetup { peer: settings.peer.clone(), got: element.name() });
        }
        match (&self.state, element) {
            (_, Setup::LoginResponse(_) | Setup::Status(_)) if refusal(element).is_some() => {
                let code = refusal(element).unwrap_or(Code::FORBIDDEN);
                Ok(Step::Over(None, Alarm::Refused { peer: settings.peer.clone(), code }))
            }
            (Responding::TokenAnswered, Setup::LoginRequest(request)) => {
                match proof::prove(&self.token, request) {
                    Ok(proof) => {
                        // Who sends SHA reads SHA.
                        let schema = request.schema.unwrap_or(settings.digest);
                        let Some(step) = login(settings, schema, &self.theirs) else {
                            return Ok(no_schema(settings));
                        };
                        let time_to_live = agreed(settings.time_to_live, &[Some(request.time_to_live)]);
                        let digest = request.digest.clone();
                        self.state = Responding::PeerVerified { digest, proof, time_to_live };
                        Ok(Step::Next(self.transaction(step)))
                    }
                    Err(why) => {
                        let (answer, alarm) = failed(why, &settings.peer);
                        Ok(Step::Over(Some(self.transaction(answer)), alarm))
                    }
                }
            }
            (Responding::PeerVerified { digest, .. }, Setup::LoginRequest(request))
                if proof::same(digest, &request.digest) =>
            {
                Ok(Step::Repeated)
            }
            (Responding::PeerVerified { proof, time_to_live, .. }, Setup::LoginResponse(response)) => {
                let theirs = granted(response, settings)?;
                let time_to_live = agreed(*time_to_live, &[response.time_to_live]);
                let ours = SessionId::issued_by(&settings.own, chance);
                let step = grant(ours.clone(), time_to_live);
                let opened = Opened {
                    ours,
                    theirs: theirs.clone(),
                    setup: self.id.clone(),
                    version: self.version,
                    time_to_live,
                    proof: proof.clone(),
                };
                self.state = Responding::Granted { theirs };
                Ok(Step::Open(opened, Some(self.transaction(step))))
            }
            (Responding::Granted { theirs }, Setup::LoginResponse(response))
                if response.session.as_ref() == Some(theirs) =>
            {
                Ok(Step::Repeated)
            }
            // Step 5 without digest ends here (reference ssp-session §4, S4).
            (_, element) => Err(LinkError::OutOfTurn {
                peer: settings.peer.clone(),
                got: element.name(),
                state: self.state(),
            }),
        }
    }
}
