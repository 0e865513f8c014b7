//! What a user has subscribed to at its provider, and how it wants to be treated while it is not there: the part
//! of a user's profile that no protocol carries, and that the operator keeps (OMA-WV-Arch-V1_1 §6.1.5.3).
//!
//! ```text
//! status=active services=im,presence offline=store
//! ```

use std::fmt;

use super::agreement::Service;
use super::words::words;

words! {
    /// Whether a user may log in.
    AccountStatus {
        /// It may.
        Active = "active",
        /// Its logins are refused with 403, and its sessions end.
        Barred = "barred",
    }
}
words! {
    /// What becomes of messages to a user who is not logged in.
    Offline {
        /// They wait.
        Store = "store",
        /// They are refused with 533.
        Reject = "reject",
    }
}

/// A set of services.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ServiceSet(u8);

impl ServiceSet {
    /// Every service there is.
    pub const ALL: Self = Self(u8::MAX);

    /// Whether this service is in it.
    pub const fn contains(self, service: Service) -> bool {
        self.0 & (1 << service as u8) != 0
    }
}

impl FromIterator<Service> for ServiceSet {
    fn from_iter<T: IntoIterator<Item = Service>>(services: T) -> Self {
        Self(services.into_iter().fold(0, |bits, service| bits | (1 << service as u8)))
    }
}

/// As an operator writes it: `all`, `none`, or names with commas.
impl fmt::Display for ServiceSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named: Vec<&str> =
            Service::ALL.iter().filter(|service| self.contains(**service)).map(|it| it.as_str()).collect();
        match named.len() {
            0 => f.write_str("none"),
            all if all == Service::ALL.len() => f.write_str("all"),
            _ => f.write_str(&named.join(",")),
        }
    }
}

impl std::str::FromStr for ServiceSet {
    type Err = TermsError;

    fn from_str(text: &str) -> Result<Self, TermsError> {
        match text.trim() {
            "all" => Ok(Self::ALL),
            "none" => Ok(Self(0)),
            names => names
                .split(',')
                .map(|name| name.parse().map_err(|_| TermsError::Services(name.trim().to_owned())))
                .collect(),
        }
    }
}

/// What is agreed with one user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Terms {
    /// Whether it may log in.
    pub status: AccountStatus,
    /// What it has subscribed to. All else is answered 506, and left out of what its clients are offered.
    pub services: ServiceSet,
    /// What becomes of messages while it is not there.
    pub offline: Offline,
}

impl Default for Terms {
    /// Those of an account of which nobody ever said anything.
    fn default() -> Self {
        Self { status: AccountStatus::Active, services: ServiceSet::ALL, offline: Offline::Store }
    }
}

/// Why terms make no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TermsError {
    /// Not a name that terms have.
    #[error("{0:?} is not known of a user; allowed: status, services, offline")]
    Name(String),
    /// A value that `status` or `offline` does not have.
    #[error("{name} = {value:?} is not allowed; allowed: {allowed}")]
    Value {
        /// Of what.
        name: &'static str,
        /// What was found.
        value: String,
        /// What there is.
        allowed: &'static str,
    },
    /// A service that does not exist.
    #[error("{0:?} is no service; allowed: all, none, or some of presence,im,group,content,search")]
    Services(String),
}

impl Terms {
    /// The names and values, in order.
    pub fn named(&self) -> [(&'static str, String); 3] {
        [
            ("status", self.status.as_str().to_owned()),
            ("services", self.services.to_string()),
            ("offline", self.offline.as_str().to_owned()),
        ]
    }

    /// Sets one of them.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), TermsError> {
        let wrong =
            |name, allowed| TermsError::Value { name, value: value.chars().take(40).collect(), allowed };
        match name.trim() {
            "status" => self.status = value.parse().map_err(|_| wrong("status", "active, barred"))?,
            "services" => self.services = value.parse()?,
            "offline" => self.offline = value.parse().map_err(|_| wrong("offline", "store, reject"))?,
            other => return Err(TermsError::Name(other.chars().take(40).collect())),
        }
        Ok(())
    }

    /// Whether the user has subscribed to this service.
    pub const fn has(&self, service: Service) -> bool {
        self.services.contains(service)
    }

    /// Whether the user may not log in.
    pub const fn is_barred(&self) -> bool {
        matches!(self.status, AccountStatus::Barred)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_are_written_as_an_operator_reads_them() {
        let mut terms = Terms::default();
        let shown = |terms: &Terms| terms.named().map(|(name, value)| format!("{name}={value}")).join(" ");
        assert_eq!(shown(&terms), "status=active services=all offline=store");
        for (name, value) in [("status", "barred"), ("services", "im, PRESENCE"), ("offline", "reject")] {
            terms.set(name, value).unwrap();
        }
        assert_eq!(shown(&terms), "status=barred services=presence,im offline=reject");
        assert!(terms.is_barred() && terms.has(Service::Im) && !terms.has(Service::Group));
        let before = terms;
        let mut again = Terms::default();
        terms.named().iter().for_each(|(name, value)| again.set(name, value).unwrap());
        assert_eq!(again, before);
        terms.set("services", "none").unwrap();
        assert_eq!(terms.services.to_string(), "none");
        assert!(Service::ALL.iter().all(|service| !terms.has(*service)));
    }

    #[test]
    fn what_makes_no_sense_says_what_does() {
        let wrong = |name: &str, value: &str| Terms::default().set(name, value).unwrap_err().to_string();
        assert!(wrong("shoes", "44").contains("status, services, offline"));
        assert!(wrong("status", "asleep").contains("active, barred"));
        assert!(wrong("offline", "").contains("store, reject"));
        assert!(wrong("services", "im,fax").contains("\"fax\" is no service"));
    }
}
