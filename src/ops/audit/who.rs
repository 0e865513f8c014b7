//! Who is on the other side, as far as the system knows.

use std::fs;
use std::io::Read as _;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::MetadataExt as _;

use super::record::{By, Who};

/// Octets of the system's list of connections that are looked at.
const CONNECTIONS_OCTETS_MAX: u64 = 16 * 1024 * 1024;
/// Place of the addresses and the user in a line of that list.
const LOCAL: usize = 1;
const REMOTE: usize = 2;
const UID: usize = 7;

impl Who {
    const fn nobody(by: By) -> Self {
        Self { by, uid: None, sudo: None, from: None }
    }

    /// Who runs this process, for a verb of the command line.
    pub fn command_line() -> Self {
        let uid = fs::metadata("/proc/self").ok().map(|found| found.uid());
        let sudo = std::env::var("SUDO_USER").ok().filter(|name| !name.is_empty());
        Self { uid, sudo, ..Self::nobody(By::CommandLine) }
    }

    /// Who asks the admin API on a connection from `from` to our `to`. On a loopback address the system
    /// knows the local user. It reads a file of the system's.
    pub fn admin_api(from: SocketAddr, to: SocketAddr) -> Self {
        let uid = if from.ip().is_loopback() { owner(from, to) } else { None };
        Self { uid, from: Some(from), ..Self::nobody(By::AdminApi) }
    }

    /// Somebody who may send this process a signal.
    pub const fn signal() -> Self {
        Self::nobody(By::Signal)
    }

    /// Somebody who may change a file of the configuration.
    pub const fn file() -> Self {
        Self::nobody(By::File)
    }

    /// The node itself.
    pub const fn node() -> Self {
        Self::nobody(By::Node)
    }
}

/// The local user whose connection leads from `from` to `to`.
fn owner(from: SocketAddr, to: SocketAddr) -> Option<u32> {
    let file = if from.is_ipv4() { "/proc/self/net/tcp" } else { "/proc/self/net/tcp6" };
    let mut list = String::new();
    fs::File::open(file).ok()?.take(CONNECTIONS_OCTETS_MAX).read_to_string(&mut list).ok()?;
    let (from, to) = (listed(from), listed(to));
    list.lines().find_map(|line| {
        let columns: Vec<&str> = line.split_ascii_whitespace().collect();
        let is_it = columns.get(LOCAL) == Some(&from.as_str()) && columns.get(REMOTE) == Some(&to.as_str());
        if is_it { columns.get(UID)?.parse().ok() } else { None }
    })
}

/// An address as the list has it: words of 32 bits in the order of this machine.
fn listed(address: SocketAddr) -> String {
    let octets = match address.ip() {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    };
    let (words, _) = octets.as_chunks::<4>();
    let ip: Vec<_> = words.iter().map(|word| format!("{:08X}", u32::from_ne_bytes(*word))).collect();
    format!("{}:{:04X}", ip.concat(), address.port())
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn the_local_user_behind_a_connection_from_this_machine_is_known() {
        let mine = Who::command_line().uid.unwrap();
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = TcpListener::bind(address) else { continue };
            let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let (accepted, from) = listener.accept().unwrap();
            assert_eq!(Who::admin_api(from, accepted.local_addr().unwrap()).uid, Some(mine), "{address}");
            drop(stream);
        }
        let away = Who::admin_api("192.0.2.1:7".parse().unwrap(), "192.0.2.2:8".parse().unwrap());
        assert_eq!((away.uid, away.by), (None, By::AdminApi));
    }
}
