//! Where a phone's provider is, and one exchange over HTTP with it.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Method, Request, Uri, header};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::PhoneError;

/// Largest answer of CSP that is read, octets.
pub(super) const ANSWER_OCTETS_MAX: usize = 8 * 1024 * 1024;
/// Largest file that is fetched, octets: what a provider keeps at most.
pub(super) const FILE_OCTETS_MAX: usize = 64 * 1024 * 1024;
/// Longest wait for a connection.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// Longest wait for an answer: longer than a provider waits for its peers.
const ANSWER_LIMIT: Duration = Duration::from_secs(60);

/// Where the provider is.
#[derive(Clone)]
pub struct Server {
    host: Box<str>,
    port: u16,
    path: Box<str>,
    tls: Option<Arc<ClientConfig>>,
}

/// Why a text does not say where a provider is.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ServerError {
    /// Not an absolute URL.
    #[error("{0:?} is no URL; one looks like http://imps.north.example:8080/")]
    Url(Box<str>),
    /// Another scheme.
    #[error("{0:?}: the scheme must be http or https")]
    Scheme(Box<str>),
    /// Nobody is known who could vouch for an https server.
    #[error("https cannot be spoken: {0}")]
    Tls(String),
}

impl Server {
    /// From `http://host:port/path` or `https://…`; port and path may be missing. `tls` is asked for https.
    pub fn new(
        url: &str,
        tls: impl FnOnce() -> Result<Arc<ClientConfig>, String>,
    ) -> Result<Self, ServerError> {
        let wrong = || ServerError::Url(url.into());
        let uri: Uri = url.trim().parse().map_err(|_| wrong())?;
        let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(wrong)?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let (tls, usual) = match uri.scheme_str() {
            Some("http") => (None, 80),
            Some("https") => (Some(tls().map_err(ServerError::Tls)?), 443),
            Some(_) => return Err(ServerError::Scheme(url.into())),
            None => return Err(wrong()),
        };
        let port = uri.port_u16().unwrap_or(usual);
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        Ok(Self { host: host.into(), port, path: path.into(), tls })
    }

    /// Host and port, as the Host header names them.
    pub fn authority(&self) -> String {
        let Self { host, port, .. } = self;
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
    }

    /// Its host: a name or an address.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// What https is spoken with, if it is.
    pub(super) fn tls(&self) -> Option<Arc<ClientConfig>> {
        self.tls.clone()
    }

    /// The path that takes documents.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// A new connection.
    pub(super) async fn connect(&self) -> Result<SendRequest<Full<Bytes>>, PhoneError> {
        let connected = timeout(CONNECT_LIMIT, async {
            let stream = TcpStream::connect((&*self.host, self.port)).await.map_err(|e| self.broken(&e))?;
            // Without it requests are only slower.
            let _ = stream.set_nodelay(true);
            let Some(tls) = &self.tls else { return self.speak(stream).await };
            let name = ServerName::try_from(self.host.to_string()).map_err(|e| self.broken(&e))?;
            let connector = TlsConnector::from(tls.clone());
            let stream = connector.connect(name, stream).await.map_err(|e| self.broken(&e))?;
            self.speak(stream).await
        });
        connected.await.unwrap_or_else(|_| Err(self.broken(&"no connection in ten seconds")))
    }

    async fn speak<S>(&self, stream: S) -> Result<SendRequest<Full<Bytes>>, PhoneError>
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    {
        let (sender, driver) = handshake(TokioIo::new(stream)).await.map_err(|e| self.broken(&e))?;
        // How the connection ends is seen by who uses it.
        tokio::spawn(driver);
        Ok(sender)
    }

    /// One request, one answer: status, media type and body.
    pub(super) async fn exchange(
        &self,
        connection: &mut SendRequest<Full<Bytes>>,
        request: Outgoing<'_>,
    ) -> Result<Incoming, PhoneError> {
        let octets_max = if request.method == Method::GET { FILE_OCTETS_MAX } else { ANSWER_OCTETS_MAX };
        let mut built = Request::builder()
            .method(request.method)
            .uri(request.path)
            .header(header::HOST, self.authority())
            .header(header::CONTENT_TYPE, request.content_type);
        for (name, value) in request.headers {
            built = built.header(*name, value);
        }
        let built = built.body(Full::new(request.body)).map_err(|e| self.broken(&e))?;
        let answered = timeout(ANSWER_LIMIT, async {
            let answer = connection.send_request(built).await.map_err(|e| self.broken(&e))?;
            let (head, body) = answer.into_parts();
            let body = Limited::new(body, octets_max).collect().await;
            let text = |name| head.headers.get(name).and_then(|value| value.to_str().ok()).map(Into::into);
            Ok(Incoming {
                status: head.status.as_u16(),
                content_type: text(header::CONTENT_TYPE),
                location: text(header::LOCATION),
                body: body.map_err(|e| PhoneError::Connection(self.authority(), e.to_string()))?.to_bytes(),
            })
        });
        answered.await.unwrap_or_else(|_| Err(self.broken(&"no answer in a minute")))
    }

    fn broken(&self, error: &dyn fmt::Display) -> PhoneError {
        PhoneError::Connection(self.authority(), error.to_string())
    }
}

/// What is asked over HTTP.
pub(super) struct Outgoing<'a> {
    pub(super) method: Method,
    pub(super) path: &'a str,
    pub(super) content_type: &'a str,
    pub(super) headers: &'a [(&'a str, String)],
    pub(super) body: Bytes,
}

/// What is answered over HTTP.
#[derive(Clone, Debug)]
pub struct Incoming {
    /// The status.
    pub status: u16,
    /// Content-Type, if there is one.
    pub content_type: Option<Box<str>>,
    /// Location, if there is one.
    pub location: Option<Box<str>>,
    /// The body.
    pub body: Bytes,
}

impl From<SocketAddr> for Server {
    /// Plain HTTP at this address.
    fn from(address: SocketAddr) -> Self {
        Self { host: address.ip().to_string().into(), port: address.port(), path: "/".into(), tls: None }
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority(), self.path)
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(url: &str) -> Result<Server, ServerError> {
        Server::new(url, || unreachable!("no https here"))
    }

    #[test]
    fn a_url_says_where_the_provider_is() {
        let told = |url| server(url).map(|server| server.to_string());
        assert_eq!(told("http://imps.north.example").as_deref(), Ok("http://imps.north.example:80/"));
        assert_eq!(told(" http://127.0.0.1:8080/csp?x=1 ").as_deref(), Ok("http://127.0.0.1:8080/csp?x=1"));
        assert_eq!(told("http://[::1]:8080/").as_deref(), Ok("http://[::1]:8080/"));
        assert_eq!(server("http://[::1]:8080/").unwrap().host(), "::1");
        for wrong in ["imps.north.example", "/", "", "http://", "north.example:8080"] {
            assert_eq!(told(wrong), Err(ServerError::Url(wrong.into())), "{wrong}");
        }
        assert_eq!(told("ftp://north.example/"), Err(ServerError::Scheme("ftp://north.example/".into())));
    }
}
