//! Finding a peer: static endpoints, or SRV `_imps-server._tcp.DOMAIN` and the addresses of its
//! targets (reference ssp-transport §3.4, decisions.md 9). No NAPTR, and no guess at a default port.

use std::fmt;
use std::net::SocketAddr;

/// One address to try.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Candidate {
    /// Host name of the SRV target or endpoint, or an address literal; for `Host` and logs.
    pub host: String,
    /// Address and port.
    pub addr: SocketAddr,
}

impl fmt::Display for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.parse::<std::net::IpAddr>().is_ok() {
            write!(f, "{}", self.addr)
        } else {
            write!(f, "{} ({})", self.host, self.addr)
        }
    }
}
