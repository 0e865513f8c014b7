//! Which ways of calling a client are agreed, and what it is told of them (reference csp.md §3, §5.1).

use std::net::{IpAddr, SocketAddr};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

use super::text;
use crate::imps::primitive::{Capabilities, CirMethod};
use crate::imps::{SessionId, UserId, Version};

/// Where the listeners for clients answer `GET` for calls over HTTP (decisions.md 41).
pub const HTTP_PATH: &str = "/cir/";
/// Datagrams are not sent to ports below: those of the system are nobody's to name.
const UDP_PORT_LEAST: u16 = 1024;
/// Octets of the digest that stand in the URL.
const TOKEN_OCTETS: usize = 18;

/// How a client's request came here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// Where it came from.
    pub from: SocketAddr,
    /// Where it arrived: an address that this client can reach.
    pub to: SocketAddr,
    /// Whether it came over TLS.
    pub secure: bool,
    /// Whether `from` is the client's own: no gateway or proxy said that it carried the request.
    pub direct: bool,
}

/// What this node can call clients with. The default is nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Served {
    /// Listeners for connections that clients make.
    pub tcp: Vec<SocketAddr>,
    /// Sockets that datagrams leave from, one for each family of addresses.
    pub udp: Vec<SocketAddr>,
    /// Clients may ask by HTTP.
    pub http: bool,
    /// The number that clients greet by SMS; `None`: there is no way to send one.
    pub sms: Option<Box<str>>,
    /// Host name or address told to clients; `None`: the one that they connected to.
    pub advertise: Option<Box<str>>,
}

/// What this node serves, and how the request that asks for it came.
#[derive(Clone, Copy, Debug)]
pub struct Site<'a> {
    /// What there is.
    pub served: &'a Served,
    /// `None`: nothing is known of the way, and nothing that needs an address is agreed.
    pub arrival: Option<&'a Arrival>,
}

/// Whose session it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Whose<'a> {
    pub(crate) version: Version,
    pub(crate) session: &'a SessionId,
    pub(crate) user: &'a UserId,
    pub(crate) cookie: Option<&'a str>,
}

/// The ways that are agreed with one client, and where they lead: kept with the session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Agreed {
    /// One bit a method, in the order of [`CirMethod::ALL`].
    methods: u8,
    /// The client's own address, as its requests show it, with the port for bare datagrams.
    pub(crate) at: Option<SocketAddr>,
    /// The client's number, once it is proved.
    pub(crate) number: Option<Box<str>>,
}

const fn bit(method: CirMethod) -> u8 {
    1 << method as u8
}

impl Agreed {
    /// Whether this method is agreed.
    pub const fn has(&self, method: CirMethod) -> bool {
        self.methods & bit(method) != 0
    }

    /// Whether any method is agreed by which this node calls; SHTTP is the client's to ask.
    pub const fn any(&self) -> bool {
        self.methods & !bit(CirMethod::Shttp) != 0
    }

    /// The client has a new address; datagrams follow it.
    pub(crate) fn moved(&mut self, to: IpAddr) {
        if let Some(at) = &mut self.at {
            at.set_ip(to);
        }
    }

    /// Words for the store, `key=value`.
    pub(crate) fn to_words(&self) -> Vec<String> {
        if self.methods == 0 {
            return Vec::new();
        }
        let names: Vec<_> =
            CirMethod::ALL.iter().filter(|method| self.has(**method)).map(|method| method.as_str()).collect();
        let mut words = vec![format!("cir={}", names.join(","))];
        words.extend(self.at.map(|at| format!("cir-at={at}")));
        words.extend(self.number.as_ref().map(|number| format!("cir-number={number}")));
        words
    }

    /// Reads one of them; anything else is passed over.
    pub(crate) fn read_word(&mut self, key: &str, value: &str) {
        match key {
            "cir" => {
                let known = value.split(',').filter_map(|name| name.parse().ok());
                self.methods = known.fold(0, |methods, method| methods | bit(method));
            }
            "cir-at" => self.at = value.parse().ok(),
            "cir-number" => self.number = number(value),
            _ => {}
        }
    }
}

/// A telephone number: digits, behind a plus sign or not.
pub(crate) fn number(written: &str) -> Option<Box<str>> {
    let digits = written.strip_prefix('+').unwrap_or(written);
    let plausible = (5..=20).contains(&digits.len()) && digits.bytes().all(|octet| octet.is_ascii_digit());
    plausible.then(|| written.into())
}

/// What stands in the URL of a session: nobody can guess it, and it does not tell the session's id.
pub(crate) fn token(session: &SessionId) -> Box<str> {
    let digest = Sha256::new_with_prefix(b"cir ").chain_update(session.as_str()).finalize();
    URL_SAFE_NO_PAD.encode(digest.get(..TOKEN_OCTETS).unwrap_or_default()).into()
}

/// The listener that a client is told: one at the address it reached, else one at all addresses, else the
/// first.
fn tcp_listener(listeners: &[SocketAddr], to: SocketAddr) -> Option<SocketAddr> {
    let same = |listener: &&SocketAddr| listener.ip() == to.ip();
    let any = |listener: &&SocketAddr| {
        // A listener at `::` mostly takes IPv4 too.
        listener.ip().is_unspecified() && (listener.is_ipv4() == to.is_ipv4() || listener.is_ipv6())
    };
    listeners.iter().find(same).or_else(|| listeners.iter().find(any)).or_else(|| listeners.first()).copied()
}

/// Host and port in a URL.
fn host_in_url(host: &str) -> String {
    if host.contains(':') { format!("[{host}]") } else { host.to_owned() }
}

/// Agrees on ways to call, writes into `told` what the client hears of them, and returns what is kept.
///
/// Only what can be done is agreed: the texts need a cookie; datagrams go to the address alone that the
/// request itself came from, so that nobody can point them at others (a TCP connection has proved it), and
/// not through a gateway; SMS go to numbers alone that are proved.
pub(crate) fn agree(
    asked: &Capabilities,
    whose: &Whose<'_>,
    site: &Site<'_>,
    told: &mut Capabilities,
) -> Agreed {
    let mut agreed = Agreed::default();
    let (Some(arrival), Served { tcp, udp, http, sms, advertise }) = (site.arrival, site.served) else {
        return agreed;
    };
    let callable = whose.cookie.is_some_and(text::can_be_said);
    let from = arrival.from.ip().to_canonical();
    let udp_port = asked.udp_port.unwrap_or(text::UDP_PORT_DEFAULT);
    let source = udp.iter().find(|socket| socket.is_ipv4() == from.is_ipv4());
    let reachable = callable && arrival.direct && source.is_some();
    let own_number = whose.user.local().strip_prefix('+').and_then(|_| number(whose.user.local()));
    let host = |listener: IpAddr| match advertise {
        Some(host) => host.clone(),
        None if listener.is_unspecified() => arrival.to.ip().to_canonical().to_string().into(),
        None => listener.to_string().into(),
    };
    for method in &asked.cir_methods {
        if agreed.has(*method) {
            continue;
        }
        let possible = match method {
            CirMethod::Stcp => callable && !tcp.is_empty(),
            CirMethod::Sudp => reachable && udp_port >= UDP_PORT_LEAST,
            CirMethod::WapUdp => reachable,
            CirMethod::Shttp => *http && whose.version >= Version::V1_2,
            CirMethod::WapSms => callable && sms.is_some() && own_number.is_some(),
            CirMethod::Ssms => callable && sms.is_some() && whose.version >= Version::V1_3,
        };
        if !possible {
            continue;
        }
        agreed.methods |= bit(*method);
        told.cir_methods.push(*method);
        match method {
            CirMethod::Stcp => {
                let to = SocketAddr::new(arrival.to.ip().to_canonical(), arrival.to.port());
                let listener = tcp_listener(tcp, to);
                told.tcp_address = listener.map(|listener| host(listener.ip()));
                told.tcp_port = listener.map(|listener| listener.port());
            }
            CirMethod::Sudp | CirMethod::WapUdp => {
                agreed.at = Some(SocketAddr::new(from, udp_port));
                if *method == CirMethod::Sudp && whose.version == Version::V1_1 {
                    told.udp_port = Some(udp_port);
                } else if whose.version == Version::V1_3 {
                    told.udp_address = source.map(|source| host(source.ip()));
                    told.udp_port = source.map(SocketAddr::port);
                }
            }
            CirMethod::Shttp => {
                let scheme = if arrival.secure { "https" } else { "http" };
                let host = host_in_url(&host(arrival.to.ip().to_canonical()));
                let token = token(whose.session);
                told.cir_url =
                    Some(format!("{scheme}://{host}:{}{HTTP_PATH}{token}", arrival.to.port()).into());
            }
            CirMethod::WapSms => agreed.number.clone_from(&own_number),
            CirMethod::Ssms => told.cir_sms_address.clone_from(sms),
        }
    }
    agreed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addr(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn arrival() -> Arrival {
        Arrival { from: addr("10.0.0.7:50000"), to: addr("192.0.2.1:8080"), secure: false, direct: true }
    }

    fn everything() -> Served {
        Served {
            tcp: vec![addr("0.0.0.0:3171")],
            udp: vec![addr("0.0.0.0:3171")],
            http: true,
            sms: Some("+4670".into()),
            advertise: None,
        }
    }

    struct Phone {
        version: Version,
        user: &'static str,
        cookie: Option<&'static str>,
        arrival: Option<Arrival>,
        served: Served,
        udp_port: Option<u16>,
    }

    impl Phone {
        fn new(version: Version) -> Self {
            Self {
                version,
                user: "wv:ada@north.example",
                cookie: Some("17"),
                arrival: Some(arrival()),
                served: everything(),
                udp_port: None,
            }
        }

        fn asks(&self, methods: &[CirMethod]) -> (Agreed, Capabilities) {
            let asked = Capabilities {
                cir_methods: methods.to_vec(),
                udp_port: self.udp_port,
                ..Capabilities::default()
            };
            let mut told = Capabilities::default();
            let (session, user) = ("s-1".parse().unwrap(), self.user.parse().unwrap());
            let whose = Whose { version: self.version, session: &session, user: &user, cookie: self.cookie };
            let site = Site { served: &self.served, arrival: self.arrival.as_ref() };
            (agree(&asked, &whose, &site, &mut told), told)
        }

        fn gets(&self, methods: &[CirMethod]) -> Vec<CirMethod> {
            self.asks(methods).1.cir_methods
        }
    }

    use CirMethod::{Shttp, Ssms, Stcp, Sudp, WapSms, WapUdp};

    #[test]
    fn what_a_version_has_and_this_node_serves_is_agreed_in_the_order_of_the_client() {
        let all = [WapSms, Ssms, Shttp, Stcp, WapUdp, Sudp];
        assert_eq!(Phone::new(Version::V1_1).gets(&all), [Stcp, WapUdp, Sudp]);
        assert_eq!(Phone::new(Version::V1_2).gets(&all), [Shttp, Stcp, WapUdp, Sudp]);
        assert_eq!(Phone::new(Version::V1_3).gets(&all), [Ssms, Shttp, Stcp, WapUdp, Sudp]);
        assert_eq!(Phone::new(Version::V1_2).gets(&[Stcp, Stcp]), [Stcp]);
        let nothing = Phone { served: Served::default(), ..Phone::new(Version::V1_3) };
        assert_eq!(nothing.gets(&all), []);
        let unknown = Phone { arrival: None, ..Phone::new(Version::V1_3) };
        assert_eq!(unknown.gets(&all), []);
    }

    #[test]
    fn a_client_is_told_where_to_connect_to() {
        let told = |served: Served| {
            let (_, told) = Phone { served, ..Phone::new(Version::V1_1) }.asks(&[Stcp]);
            (told.tcp_address.unwrap().to_string(), told.tcp_port.unwrap())
        };
        assert_eq!(told(everything()), ("192.0.2.1".to_owned(), 3171), "the address it reached");
        let two = vec![addr("198.51.100.1:1"), addr("192.0.2.1:2")];
        assert_eq!(told(Served { tcp: two, ..everything() }), ("192.0.2.1".to_owned(), 2));
        let other = vec![addr("198.51.100.1:1")];
        assert_eq!(told(Served { tcp: other, ..everything() }), ("198.51.100.1".to_owned(), 1));
        let named = Served { advertise: Some("imps.north.example".into()), ..everything() };
        assert_eq!(told(named), ("imps.north.example".to_owned(), 3171));
        let six = vec![addr("[::]:9")];
        assert_eq!(told(Served { tcp: six, ..everything() }), ("192.0.2.1".to_owned(), 9));
    }

    #[test]
    fn datagrams_go_to_the_address_of_the_request_alone_and_never_through_a_gateway() {
        let phone = Phone { udp_port: Some(4000), ..Phone::new(Version::V1_3) };
        let (agreed, told) = phone.asks(&[Sudp]);
        assert_eq!(agreed.at, Some(addr("10.0.0.7:4000")));
        assert_eq!((told.udp_address.as_deref(), told.udp_port), (Some("192.0.2.1"), Some(3171)));
        assert_eq!(Phone::new(Version::V1_2).asks(&[Sudp]).0.at, Some(addr("10.0.0.7:3717")));
        let told = Phone::new(Version::V1_1).asks(&[Sudp]).1;
        assert_eq!((told.udp_address, told.udp_port), (None, Some(3717)));
        let behind =
            Phone { arrival: Some(Arrival { direct: false, ..arrival() }), ..Phone::new(Version::V1_2) };
        assert_eq!(behind.gets(&[Sudp, WapUdp, Stcp]), [Stcp]);
        let system = Phone { udp_port: Some(53), ..Phone::new(Version::V1_2) };
        assert_eq!(system.gets(&[Sudp]), []);
        let six = Arrival { from: addr("[2001:db8::1]:1"), ..arrival() };
        assert_eq!(Phone { arrival: Some(six), ..Phone::new(Version::V1_2) }.gets(&[Sudp]), []);
        let mapped = Arrival { from: addr("[::ffff:10.0.0.9]:1"), ..arrival() };
        let (agreed, _) = Phone { arrival: Some(mapped), ..Phone::new(Version::V1_2) }.asks(&[Sudp]);
        assert_eq!(agreed.at, Some(addr("10.0.0.9:3717")));
    }

    #[test]
    fn without_a_cookie_a_client_can_only_ask_by_http() {
        for cookie in [None, Some("two words"), Some("")] {
            let phone = Phone { cookie, ..Phone::new(Version::V1_3) };
            assert_eq!(phone.gets(&[Stcp, Sudp, WapUdp, Ssms, Shttp]), [Shttp]);
        }
    }

    #[test]
    fn the_url_cannot_be_guessed_and_does_not_tell_the_session() {
        let url = |arrival| {
            let phone = Phone { arrival: Some(arrival), ..Phone::new(Version::V1_2) };
            phone.asks(&[Shttp]).1.cir_url.unwrap()
        };
        let token = token(&"s-1".parse().unwrap());
        assert_eq!(token.len(), 24);
        assert_eq!(*url(arrival()), format!("http://192.0.2.1:8080/cir/{token}"));
        let six = Arrival { to: addr("[2001:db8::2]:8443"), secure: true, ..arrival() };
        assert_eq!(*url(six), format!("https://[2001:db8::2]:8443/cir/{token}"));
        assert_ne!(super::token(&"s-2".parse().unwrap()), token);
    }

    #[test]
    fn sms_go_to_numbers_alone_that_are_proved() {
        let phone = Phone::new(Version::V1_3);
        assert_eq!(phone.gets(&[WapSms, Ssms]), [Ssms]);
        let (agreed, told) = phone.asks(&[Ssms]);
        assert_eq!((agreed.number, told.cir_sms_address.as_deref()), (None, Some("+4670")));
        let number = Phone { user: "wv:+46701234567@north.example", ..Phone::new(Version::V1_1) };
        assert_eq!(number.asks(&[WapSms]).0.number.as_deref(), Some("+46701234567"));
        let without = Phone { served: Served { sms: None, ..everything() }, ..number };
        assert_eq!(without.gets(&[WapSms, Ssms]), []);
    }

    #[test]
    fn what_is_agreed_is_kept_as_words() {
        let phone = Phone { user: "wv:+46701234567@north.example", ..Phone::new(Version::V1_3) };
        for methods in [&[][..], &[Stcp], &[WapSms, Sudp, Shttp], &[Ssms, Stcp, WapUdp]] {
            let (agreed, _) = phone.asks(methods);
            let mut read = Agreed::default();
            for word in agreed.to_words() {
                let (key, value) = word.split_once('=').unwrap();
                read.read_word(key, value);
            }
            assert_eq!(read, agreed);
        }
        assert!(!phone.asks(&[Shttp]).0.any(), "SHTTP is the client's to ask");
        assert!(phone.asks(&[Shttp, Stcp]).0.any());
    }
}
