//! What carries SMS to clients: an interface, and a sender that only writes a line into the log. One that hands
//! them to a gateway of the operator's is [`Gateway`](super::gateway::Gateway).
//!
//! What comes in for the number of a sender goes to
//! [`Sap::greeted_by_sms`](crate::sap::Sap::greeted_by_sms).

use tracing::info;

/// Sends short messages. Calls return at once; `false`: it could not be taken.
pub trait SmsSender: Send + Sync {
    /// The number that clients greet; `None`: nothing can be sent, and SMS is not agreed with anybody.
    fn number(&self) -> Option<&str>;

    /// A text in the default alphabet, to this number and application port.
    fn text(&self, to: &str, port: u16, text: &str) -> bool;

    /// Octets after a user data header.
    fn binary(&self, to: &str, header: &[u8], body: &[u8]) -> bool;
}

/// No link to a short message centre: what would be sent is written into the log.
#[derive(Clone, Debug, Default)]
pub struct LogOnly {
    number: Option<Box<str>>,
}

impl LogOnly {
    /// Calls by SMS are agreed with clients as if they left from this number.
    pub fn from(number: Box<str>) -> Self {
        Self { number: Some(number) }
    }
}

impl SmsSender for LogOnly {
    fn number(&self) -> Option<&str> {
        self.number.as_deref()
    }

    fn text(&self, to: &str, port: u16, text: &str) -> bool {
        info!(to, port, octets = text.len(), "an SMS would be sent here");
        false
    }

    fn binary(&self, to: &str, header: &[u8], body: &[u8]) -> bool {
        info!(to, octets = header.len() + body.len(), "an SMS would be sent here");
        false
    }
}
