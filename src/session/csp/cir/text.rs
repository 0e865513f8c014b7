//! The texts of communication initiation, byte for byte (reference csp.md §3).

use crate::imps::{SessionId, Version};

/// Port of WAP push at the client (reference csp.md §3.3).
pub const PUSH_PORT: u16 = 2948;
/// Port of the SMS text at the client (reference csp.md §3.4).
pub const SMS_PORT: u16 = 3716;
/// UDPPort of a client that states none (reference csp.md §3.2).
pub const UDP_PORT_DEFAULT: u16 = 3717;
/// User data header of a WAP push over SMS: to port 2948, from port 9200 (reference csp.md §3.3).
pub const PUSH_SMS_HEADER: [u8; 7] = [0x06, 0x05, 0x04, 0x0B, 0x84, 0x23, 0xF0];
/// Longest line that is read from a client, octets, without its end: `HELO` and a session id.
pub const LINE_OCTETS_MAX: usize = 200;
/// What a client gets for HELO and for PING.
pub const OK_LINE: &[u8] = b"OK\r\n";

/// PDU type Push; content type `application/vnd.wv.csp.cir`; X-Wap-Application-Id wv.ua.
const PUSH_HEAD: [u8; 5] = [0x06, 0x03, 0xC6, 0xAF, 0x8A];

/// What a client says on its own connection, or in an SMS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// `HELO <SessionID>`: calls for this session go here.
    Hello(SessionId),
    /// `PING`: are you still there?
    Ping,
}

/// A line without its end; `None`: neither HELO nor PING. Case and trailing blanks do not matter.
pub fn said(line: &[u8]) -> Option<Said> {
    let line = std::str::from_utf8(line).ok()?.trim_end();
    if line.eq_ignore_ascii_case("PING") {
        return Some(Said::Ping);
    }
    let (word, session) = line.split_once(' ')?;
    let session = session.trim().parse().ok()?;
    word.eq_ignore_ascii_case("HELO").then_some(Said::Hello(session))
}

/// The request itself: `WVCI <version> <session cookie>`.
pub fn request(version: Version, cookie: &str) -> String {
    format!("WVCI {} {cookie}", version.as_str())
}

/// Version and cookie of a request, as a client reads it; `None`: it is none.
pub fn read_request(text: &str) -> Option<(&str, &str)> {
    let (version, cookie) = text.trim_end().strip_prefix("WVCI ")?.split_once(' ')?;
    Some((version, cookie))
}

/// A connectionless WAP push of this text under a transaction number.
pub fn push(number: u8, text: &str) -> Vec<u8> {
    let mut octets = Vec::with_capacity(1 + PUSH_HEAD.len() + text.len());
    octets.push(number);
    octets.extend(PUSH_HEAD);
    octets.extend(text.as_bytes());
    octets
}

/// Transaction number and text of a push, as a client reads it; `None`: it is none for IMPS.
pub fn read_push(octets: &[u8]) -> Option<(u8, &str)> {
    let (number, rest) = octets.split_first()?;
    let text = rest.strip_prefix(&PUSH_HEAD)?;
    Some((*number, std::str::from_utf8(text).ok()?))
}

/// Whether a cookie can stand in a line, a datagram and an SMS: one word of visible ASCII. Real ones are
/// digits and signs.
pub fn can_be_said(cookie: &str) -> bool {
    !cookie.is_empty()
        && cookie.len() <= COOKIE_OCTETS_MAX
        && cookie.bytes().all(|octet| octet.is_ascii_graphic())
}

/// Longest cookie that calls carry, octets: with it a call fits into one SMS and is smaller than any request
/// of the client.
pub const COOKIE_OCTETS_MAX: usize = 120;

#[cfg(test)]
mod tests {
    use super::*;

    /// A file of `tests/golden/csp`, its comment lines left out.
    fn golden(name: &str) -> Vec<String> {
        let path = format!("{}/tests/golden/csp/{name}", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(path).unwrap();
        text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
    }

    fn session(text: &str) -> SessionId {
        text.parse().unwrap()
    }

    /// The words of one side, `C: ` or `S: `, with their ends as octets.
    fn sides(lines: &[String]) -> Vec<(char, String)> {
        let line = |line: &String| {
            let (side, text) = line.split_once(": ")?;
            Some((side.chars().next()?, text.replace("\\r\\n", "\r\n")))
        };
        lines.iter().filter_map(line).collect()
    }

    #[test]
    fn the_golden_conversation_over_tcp_is_ours() {
        let lines = sides(&golden("80-cir-stcp.txt"));
        let ok = || ('S', String::from_utf8(OK_LINE.to_vec()).unwrap());
        let call = ('S', format!("{}\r\n", request(Version::V1_2, "wv-412")));
        let client = |text: &str| ('C', text.to_owned());
        let ours = [client("HELO ca12-00018\r\n"), ok(), call.clone(), client("PING\r\n"), ok()];
        assert_eq!(lines, ours);
        assert_eq!(said(lines[0].1.as_bytes()), Some(Said::Hello(session("ca12-00018"))));
        assert_eq!(said(lines[3].1.as_bytes()), Some(Said::Ping));
        assert_eq!(read_request(&call.1), Some(("1.2", "wv-412")));
    }

    #[test]
    fn the_golden_datagram_is_ours() {
        let lines = golden("81-cir-sudp.txt");
        let text = request(Version::V1_1, "ck-88213");
        assert_eq!(lines[0], text);
        let octets: Vec<_> = text.bytes().map(|octet| format!("{octet:02x}")).collect();
        assert_eq!(lines[1], octets.join(" "));
        assert_eq!(read_request(&lines[0]), Some(("1.1", "ck-88213")));
    }

    #[test]
    fn the_golden_push_is_ours() {
        let lines = golden("82-cir-wap-push.txt");
        let octets: Vec<u8> =
            lines[0].split(' ').map(|octet| u8::from_str_radix(octet, 16).unwrap()).collect();
        let text = request(Version::V1_2, "wv-412");
        assert_eq!(push(1, &text), octets);
        assert_eq!(read_push(&octets), Some((1, text.as_str())));
        let header = std::fs::read_to_string(format!(
            "{}/tests/golden/csp/82-cir-wap-push.txt",
            env!("CARGO_MANIFEST_DIR")
        ));
        let words: Vec<_> = PUSH_SMS_HEADER.iter().map(|octet| format!("{octet:02X}")).collect();
        assert!(header.unwrap().contains(&format!("UDH {}", words.join(" "))));
    }

    #[test]
    fn the_golden_sms_is_ours() {
        let lines = golden("83-cir-ssms.txt");
        let (_, hello) = lines[0].split_once(": ").unwrap();
        assert_eq!(said(hello.as_bytes()), Some(Said::Hello(session("ca13-00019"))));
        let (to, call) = lines[1].split_once(": ").unwrap();
        assert!(to.ends_with(&format!("port {SMS_PORT}")));
        assert_eq!(call, request(Version::V1_3, "wv-77"));
    }

    #[test]
    fn case_and_trailing_blanks_do_not_matter_and_other_lines_are_nothing() {
        assert_eq!(said(b"ping "), Some(Said::Ping));
        assert_eq!(said(b"helo s-1  \r\n"), Some(Said::Hello(session("s-1"))));
        for nothing in [&b"HELO"[..], b"HELO ", b"GET / HTTP/1.1", b"", b"\xff\xfe", b"PINGS", b"WVCI 1.2 x"]
        {
            assert_eq!(said(nothing), None, "{nothing:?}");
        }
    }

    #[test]
    fn a_cookie_that_would_break_a_line_is_not_said() {
        for (cookie, can) in [("17-35", true), ("", false), ("a b", false), ("a\r\nOK", false), ("ä", false)]
        {
            assert_eq!(can_be_said(cookie), can, "{cookie:?}");
        }
        assert!(!can_be_said(&"x".repeat(COOKIE_OCTETS_MAX + 1)));
    }
}
