//! Calls to clients (CIR, reference csp.md §3): the sockets behind [`Waker`].
//!
//! ```text
//! sap ── Call ──▶ Caller ─┬─ Line ───────────▶ the client's own connection ([`tcp`]): WVCI …\r\n
//!                         ├─ Datagram, Push ─▶ UDP, from the socket of the address's family
//!                         └─ PushSms, TextSms ▶ [`SmsSender`]
//! ```
//!
//! Nothing here waits and nothing grows: a connection takes a few lines, a datagram leaves or is dropped.
//! A call that is lost is repeated by the session, and the client may poll at any time.

pub mod gateway;
mod lines;
pub mod sms;
pub mod tcp;

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use tokio::net::UdpSocket;
use tracing::debug;

use crate::imps::SessionId;
use crate::relay::events::Events;
use crate::relay::waker::Waker;
use crate::session::csp::cir::text::{self, PUSH_SMS_HEADER, SMS_PORT};
use crate::session::csp::{Call, Served, Way};

pub use gateway::{Courier, Gateway, GatewayUrl};
pub use lines::Lines;
pub use sms::{LogOnly, SmsSender};

/// What calls leave by.
pub struct Caller {
    lines: Arc<Lines>,
    udp: Vec<UdpSocket>,
    sms: Box<dyn SmsSender>,
    events: Arc<dyn Events>,
    /// The next transaction number of a push.
    pushes: AtomicU8,
}

impl std::fmt::Debug for Caller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Caller").field("lines", &self.lines).finish_non_exhaustive()
    }
}

impl Caller {
    /// Calls by these connections, sockets and sender.
    pub fn new(
        lines: Arc<Lines>,
        udp: Vec<UdpSocket>,
        sms: Box<dyn SmsSender>,
        events: Arc<dyn Events>,
    ) -> Self {
        Self { lines, udp, sms, events, pushes: AtomicU8::new(1) }
    }

    /// What clients may be offered: what is bound, and nothing else.
    pub fn served(&self, tcp: &[SocketAddr], advertise: Option<&str>) -> Served {
        Served {
            tcp: tcp.to_vec(),
            udp: self.udp.iter().filter_map(|socket| socket.local_addr().ok()).collect(),
            http: true,
            sms: self.sms.number().map(Into::into),
            advertise: advertise.map(Into::into),
        }
    }

    fn send(&self, octets: &[u8], to: SocketAddr) -> bool {
        let socket =
            self.udp.iter().find(|socket| socket.local_addr().is_ok_and(|own| own.is_ipv4() == to.is_ipv4()));
        match socket.map(|socket| socket.try_send_to(octets, to)) {
            Some(Ok(_)) => true,
            Some(Err(error)) => {
                debug!(%to, %error, "a call by datagram could not leave");
                false
            }
            None => false,
        }
    }
}

impl Waker for Caller {
    fn call(&self, call: Call) {
        let Call { session, way, text } = call;
        let sent = match &way {
            Way::Line => self.lines.say(&session, &text),
            Way::Datagram(to) => self.send(text.as_bytes(), *to),
            Way::Push(to) => {
                let number = self.pushes.fetch_add(1, Ordering::Relaxed);
                self.send(&text::push(number, &text), *to)
            }
            Way::PushSms(number) => {
                let push = text::push(self.pushes.fetch_add(1, Ordering::Relaxed), &text);
                self.sms.binary(number, &PUSH_SMS_HEADER, &push)
            }
            Way::TextSms(number) => self.sms.text(number, SMS_PORT, &text),
        };
        self.events.cir_call(way.method(), sent);
    }

    fn hang_up(&self, session: &SessionId) {
        self.lines.hang_up(session);
        self.events.cir_connections(self.lines.len());
    }
}

/// The sockets that datagrams leave from: at the addresses and ports of the listeners, so that a firewall
/// knows both by one number; where the port is taken, at a free one. IPv4 and IPv6 have one each, the
/// latter only where the system or a listener has it.
pub async fn bind_udp(listeners: &[SocketAddr]) -> io::Result<Vec<UdpSocket>> {
    let of = |v4: bool| listeners.iter().copied().find(|listener| listener.is_ipv4() == v4);
    let unspecified = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
    let mut sockets = Vec::new();
    let first = match (of(true), of(false)) {
        // A listener at `::` alone: clients of IPv4 come by it too.
        (None, Some(six)) => SocketAddr::new(unspecified.ip(), six.port()),
        (four, _) => four.unwrap_or(unspecified),
    };
    sockets.push(bind_or_free(first).await?);
    if let Some(six) = of(false) {
        sockets.push(bind_or_free(six).await?);
    } else if listeners.is_empty()
        && let Ok(socket) = UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0)).await
    {
        sockets.push(socket);
    }
    Ok(sockets)
}

async fn bind_or_free(wished: SocketAddr) -> io::Result<UdpSocket> {
    match UdpSocket::bind(wished).await {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            UdpSocket::bind(SocketAddr::new(wished.ip(), 0)).await
        }
        bound => bound,
    }
}
