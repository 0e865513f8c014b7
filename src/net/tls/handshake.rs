//! One handshake, in either direction, with an outcome in plain words.

use std::cell::RefCell;
use std::error::Error;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::{AlertDescription, CommonState, ServerConfig};
use rustls_pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};

use super::trust::{Check, Refused, Side, wall_clock};
use super::verify::VERDICT;
use super::{HTTP_2, Offer, PeerTls};
use crate::imps::Domain;
use crate::imps::agreement::PeerIdentity;

/// Longest wait for a caller whom we refused to read our alert.
const LINGER: Duration = Duration::from_secs(1);
/// Octets that such a caller may still send.
const LINGER_OCTETS: usize = 64 * 1024;

/// Why there is no TLS connection.
#[derive(Debug, thiserror::Error)]
pub enum HandshakeError {
    /// We do not believe the other side's certificate.
    #[error("{0}")]
    Certificate(Refused),
    /// The other side does not believe ours, or cannot agree on how to talk.
    #[error("the other side refused: {}", alert_words(*.0))]
    Alert(AlertDescription),
    /// Not TLS, or TLS that cannot be spoken.
    #[error("no TLS could be agreed: {0}")]
    Protocol(String),
    /// The connection broke.
    #[error("the connection broke in the TLS handshake: {0}")]
    Broken(io::Error),
    /// It took too long.
    #[error("the TLS handshake took longer than {0:?}")]
    Slow(Duration),
}

impl HandshakeError {
    /// A word for metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Certificate(refused) => refused.check.reason(),
            Self::Alert(_) => "alert",
            Self::Protocol(_) => "protocol",
            Self::Broken(_) => "broken",
            Self::Slow(_) => "timeout",
        }
    }
}

/// `unknown_ca (they do not trust our certificate's issuer)`.
fn alert_words(alert: AlertDescription) -> String {
    let words = match alert {
        AlertDescription::UnknownCA => "they do not trust the CA of our certificate",
        AlertDescription::CertificateExpired => "they find our certificate outside its dates",
        AlertDescription::CertificateRevoked => "they find our certificate revoked",
        AlertDescription::UnsupportedCertificate => "our certificate is not made for this use",
        AlertDescription::BadCertificate | AlertDescription::CertificateUnknown => {
            "they do not accept our certificate"
        }
        AlertDescription::CertificateRequired => "they got no certificate from us",
        AlertDescription::AccessDenied => "they do not let us in",
        AlertDescription::HandshakeFailure | AlertDescription::ProtocolVersion => {
            "no common version or cipher"
        }
        AlertDescription::NoApplicationProtocol => "they speak no HTTP that we speak",
        _ => return format!("{alert:?}"),
    };
    format!("{alert:?} ({words})")
}

/// An inbound connection whose certificate is believed.
pub(crate) struct Accepted {
    pub(crate) stream: server::TlsStream<TcpStream>,
    pub(crate) peer: PeerIdentity,
    pub(crate) own: Domain,
    /// HTTP/2 was agreed on.
    pub(crate) http2: bool,
}

/// Answers the handshake of a peer.
pub(crate) async fn accept(
    tls: &PeerTls,
    stream: TcpStream,
    limit: Duration,
) -> Result<Accepted, HandshakeError> {
    let (stream, verdict) = VERDICT
        .scope(RefCell::new(None), async {
            let stream = answer(tls.server.clone(), stream, limit).await;
            (stream, VERDICT.with(RefCell::take))
        })
        .await;
    let stream = stream.map_err(|found| blame(found, verdict.as_ref()))?;
    let state = stream.get_ref().1;
    let peer = identity(tls, state, verdict, Side::Inbound)?;
    let own = tls.own_domain(state.server_name()).clone();
    let http2 = state.alpn_protocol() == Some(HTTP_2);
    Ok(Accepted { stream, peer, own, http2 })
}

/// Answers a handshake and lets a refused caller read why.
pub(crate) async fn answer(
    config: Arc<ServerConfig>,
    stream: TcpStream,
    limit: Duration,
) -> Result<server::TlsStream<TcpStream>, HandshakeError> {
    match timeout(limit, TlsAcceptor::from(config).accept(stream).into_fallible()).await {
        Err(_) => Err(HandshakeError::Slow(limit)),
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err((found, stream))) => {
            linger(stream).await;
            Err(classify(found))
        }
    }
}

/// An outbound connection to somebody whose certificate is believed.
#[derive(Debug)]
pub(crate) struct Connected {
    pub(crate) stream: client::TlsStream<TcpStream>,
    pub(crate) peer: PeerIdentity,
    /// HTTP/2 was agreed on.
    pub(crate) http2: bool,
}

/// Begins a handshake with `server_name` (the service domain, sent as SNI) as own domain `own`.
pub(crate) async fn connect(
    tls: &PeerTls,
    own: &Domain,
    server_name: &Domain,
    stream: TcpStream,
    offer: Offer,
    limit: Duration,
) -> Result<Connected, HandshakeError> {
    let config =
        tls.client(own, offer).ok_or_else(|| HandshakeError::Protocol("no own certificate".to_owned()))?;
    let name = ServerName::try_from(server_name.as_str().to_owned())
        .map_err(|_| HandshakeError::Protocol(format!("{server_name} cannot be named in TLS")))?;
    let connector = TlsConnector::from(config.clone());
    let (outcome, verdict) = VERDICT
        .scope(RefCell::new(None), async {
            let outcome = timeout(limit, connector.connect(name, stream)).await;
            (outcome, VERDICT.with(RefCell::take))
        })
        .await;
    match outcome {
        Err(_) => Err(HandshakeError::Slow(limit)),
        Ok(Err(found)) => Err(blame(classify(found), verdict.as_ref())),
        Ok(Ok(stream)) => {
            let state = stream.get_ref().1;
            let peer = identity(tls, state, verdict, Side::Outbound)?;
            let http2 = state.alpn_protocol() == Some(HTTP_2);
            Ok(Connected { stream, peer, http2 })
        }
    }
}

/// The identity that the verifier worked out.
fn identity(
    tls: &PeerTls,
    state: &CommonState,
    verdict: Option<Result<PeerIdentity, Refused>>,
    side: Side,
) -> Result<PeerIdentity, HandshakeError> {
    verdict
        .unwrap_or_else(|| tls.trust.check(state.peer_certificates().unwrap_or_default(), side, wall_clock()))
        .map_err(HandshakeError::Certificate)
}

/// If the verifier refused, that is the reason, whatever became of the connection.
fn blame(found: HandshakeError, verdict: Option<&Result<PeerIdentity, Refused>>) -> HandshakeError {
    match verdict {
        Some(Err(refused)) => HandshakeError::Certificate(refused.clone()),
        _ => found,
    }
}

fn classify(found: io::Error) -> HandshakeError {
    match found.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::AlertReceived(alert)) => HandshakeError::Alert(*alert),
        Some(rustls::Error::NoCertificatesPresented) => HandshakeError::Certificate(Refused {
            check: Check::NoCertificate,
            facts: None,
            detail: String::new(),
            dane: None,
        }),
        Some(other) => HandshakeError::Protocol(other.to_string()),
        None => HandshakeError::Broken(found),
    }
}

/// The TLS alert among the causes of an error. With TLS 1.3 a server refuses our certificate only
/// after our side of the handshake is done, so the alert comes with the first read.
pub(crate) fn alert_in(error: &(dyn Error + 'static)) -> Option<HandshakeError> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        let inner = error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref)
            .and_then(|inner| inner.downcast_ref::<rustls::Error>());
        match inner.or_else(|| error.downcast_ref::<rustls::Error>()) {
            Some(rustls::Error::AlertReceived(alert)) => return Some(HandshakeError::Alert(*alert)),
            Some(other) => return Some(HandshakeError::Protocol(other.to_string())),
            None => cause = error.source(),
        }
    }
    None
}

/// Closes without a reset, which could overtake our last words: says that no more is coming, then
/// reads and forgets for a moment.
async fn linger(mut stream: TcpStream) {
    let _ = timeout(LINGER, async {
        stream.shutdown().await?;
        let mut rest = [0; 4096];
        let mut octets = 0;
        while octets < LINGER_OCTETS {
            match stream.read(&mut rest).await? {
                0 => break,
                more => octets += more,
            }
        }
        io::Result::Ok(())
    })
    .await;
}
