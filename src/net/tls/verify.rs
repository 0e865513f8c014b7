//! The verifiers that rustls calls in a handshake: [`Trust`] for the chain, the provider's own
//! functions for signatures.
//!
//! rustls keeps only an alert of what a verifier found. So the verdict is also left in a place that
//! belongs to the task that makes the handshake, where [`super::handshake`] picks it up: the words
//! for the log, and the identity, which so is worked out once.

use std::cell::RefCell;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::trust::{Check, Refused, Side, Trust};
use crate::imps::agreement::PeerIdentity;

tokio::task_local! {
    /// What the verifier of the handshake in this task found.
    pub(super) static VERDICT: RefCell<Option<Result<PeerIdentity, Refused>>>;
}

/// Verifies certificates at one end.
#[derive(Debug)]
pub(super) struct Verifier {
    trust: Arc<Trust>,
    side: Side,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Verifier {
    pub(super) fn new(trust: Arc<Trust>, side: Side, provider: &CryptoProvider) -> Self {
        Self { trust, side, algorithms: provider.signature_verification_algorithms }
    }

    fn check(
        &self,
        leaf: &CertificateDer<'_>,
        rest: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Error> {
        let chain: Vec<CertificateDer<'_>> = std::iter::once(leaf).chain(rest).cloned().collect();
        let verdict = self.trust.check(&chain, self.side, now);
        let answer = verdict.as_ref().map(|_| ()).map_err(|refused| alert_for(refused.check));
        // Outside of our own handshakes nobody listens, and nothing is lost.
        let _ = VERDICT.try_with(|place| place.replace(Some(verdict)));
        answer
    }
}

/// The finding as rustls knows it, which chooses the alert that the peer sees.
fn alert_for(check: Check) -> Error {
    match check {
        Check::NoCertificate => return Error::NoCertificatesPresented,
        Check::Expired => CertificateError::Expired,
        Check::NotYetValid => CertificateError::NotValidYet,
        Check::UnknownIssuer => CertificateError::UnknownIssuer,
        Check::Purpose => CertificateError::InvalidPurpose,
        Check::Revoked => CertificateError::Revoked,
        Check::RevocationListExpired => CertificateError::ExpiredRevocationList,
        Check::Signature => CertificateError::BadSignature,
        Check::Unreadable => CertificateError::BadEncoding,
        Check::Chain => CertificateError::ApplicationVerificationFailure,
    }
    .into()
}

impl ClientCertVerifier for Verifier {
    /// None: a hint would keep peers with a pinned key from showing it.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.check(end_entity, intermediates, now).map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

impl ServerCertVerifier for Verifier {
    /// The server name is not compared here: an SRV target or an address proves nothing, and which
    /// service domain the names stand for is `Agreement::speaks_for`'s to decide.
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.check(end_entity, intermediates, now).map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
