//! Status codes and the Status structure.
//!
//! One table says for every code of the standard what it is called and what retry logic has to do
//! with it (decisions.md 5). Any other code is accepted too and judged by its hundreds.

use std::fmt;

use super::address::{ContactListId, GroupId, UserId};
use super::ids::MessageId;
use super::primitive::ScreenName;

/// What a code means for the one who asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// 1xx and 2xx: carried out, or on its way.
    Good,
    /// Try again later: 406 408 500 503 504 507 (decisions.md 5).
    Temporary,
    /// Repeating does not help: everything else from 300 on.
    Final,
}

/// One row of the table of codes.
#[derive(Clone, Copy, Debug)]
pub struct CodeRow {
    /// The code.
    pub code: Code,
    /// Its standard text, sent as description.
    pub name: &'static str,
    /// Whether the code appears on CSP.
    pub csp: bool,
    /// Whether the code appears on SSP.
    pub ssp: bool,
    /// Good, temporary or final.
    pub outcome: Outcome,
}

macro_rules! row {
    ($code:literal, $name:literal, csp $csp:literal, ssp $ssp:literal, $outcome:ident) => {
        CodeRow { code: Code($code), name: $name, csp: $csp, ssp: $ssp, outcome: Outcome::$outcome }
    };
}

/// Every code of the standard, in order (reference status-codes.tsv).
pub const TABLE: &[CodeRow] = &[
    row!(100, "Continue", csp true, ssp true, Good),
    row!(101, "Queued", csp true, ssp true, Good),
    row!(102, "Started", csp true, ssp true, Good),
    row!(200, "Successful", csp true, ssp true, Good),
    row!(201, "Partially successful", csp true, ssp true, Good),
    row!(202, "Accepted", csp true, ssp true, Good),
    row!(302, "Redirect", csp false, ssp true, Final),
    row!(400, "Bad request", csp true, ssp true, Final),
    row!(401, "Unauthorized", csp true, ssp true, Final),
    row!(402, "Bad parameter", csp true, ssp true, Final),
    row!(403, "Forbidden", csp true, ssp true, Final),
    row!(404, "Not found", csp true, ssp true, Final),
    row!(405, "Service not supported", csp true, ssp true, Final),
    row!(406, "Request timeout (early number)", csp true, ssp false, Temporary),
    row!(408, "Request timeout", csp true, ssp true, Temporary),
    row!(409, "Invalid password", csp true, ssp true, Final),
    row!(410, "Unable to deliver", csp true, ssp true, Final),
    row!(415, "Unsupported media type", csp true, ssp true, Final),
    row!(420, "Invalid transaction", csp true, ssp true, Final),
    row!(422, "User ID and client ID mismatch", csp true, ssp false, Final),
    row!(423, "Invalid invitation ID", csp true, ssp true, Final),
    row!(424, "Invalid search ID", csp true, ssp true, Final),
    row!(425, "Invalid search index", csp true, ssp true, Final),
    row!(426, "Invalid message ID", csp true, ssp true, Final),
    row!(427, "Invalid sender or recipient address type", csp true, ssp false, Final),
    row!(428, "Missing address part", csp true, ssp false, Final),
    row!(429, "Missing group ID", csp true, ssp false, Final),
    row!(431, "Unauthorized group membership", csp true, ssp true, Final),
    row!(432, "Response too large", csp true, ssp true, Final),
    row!(450, "Application ID mismatch", csp true, ssp true, Final),
    row!(500, "Internal server or network error", csp true, ssp true, Temporary),
    row!(501, "Not implemented", csp true, ssp true, Final),
    row!(502, "Session cannot be recovered", csp true, ssp false, Final),
    row!(503, "Service unavailable", csp true, ssp true, Temporary),
    row!(504, "Timeout", csp true, ssp true, Temporary),
    row!(505, "Version not supported", csp true, ssp true, Final),
    row!(506, "Service not agreed", csp true, ssp true, Final),
    row!(507, "Message queue is full", csp true, ssp true, Temporary),
    row!(516, "Domain not supported", csp true, ssp true, Final),
    row!(521, "Unresponded presence request", csp true, ssp true, Final),
    row!(522, "Unresponded group request", csp true, ssp true, Final),
    row!(531, "Unknown user", csp true, ssp true, Final),
    row!(532, "Recipient blocked the sender", csp true, ssp true, Final),
    row!(533, "Message recipient not logged in", csp true, ssp true, Final),
    row!(534, "Message recipient unauthorized", csp true, ssp true, Final),
    row!(535, "Search timed out", csp true, ssp true, Final),
    row!(536, "Too many hits", csp true, ssp true, Final),
    row!(537, "Too broad search criteria", csp true, ssp true, Final),
    row!(538, "Message has been rejected", csp true, ssp true, Final),
    row!(540, "Header encoding not supported", csp true, ssp false, Final),
    row!(541, "Message has been forwarded", csp true, ssp true, Final),
    row!(542, "Message has expired", csp true, ssp true, Final),
    row!(543, "No matching digest scheme supported", csp true, ssp false, Final),
    row!(562, "Invalid search element", csp true, ssp false, Final),
    row!(600, "Session expired", csp true, ssp false, Final),
    row!(601, "Forced logout", csp true, ssp false, Final),
    row!(603, "Already logged in", csp true, ssp false, Final),
    row!(604, "Invalid session / not logged in", csp true, ssp true, Final),
    row!(605, "New value not accepted", csp true, ssp false, Final),
    row!(616, "Insufficient rights (vendor)", csp true, ssp false, Final),
    row!(700, "Contact list does not exist", csp true, ssp true, Final),
    row!(701, "Contact list already exists", csp true, ssp false, Final),
    row!(702, "Invalid or unsupported user properties", csp true, ssp false, Final),
    row!(750, "Invalid or unsupported presence attribute", csp true, ssp true, Final),
    row!(751, "Invalid or unsupported presence value", csp true, ssp true, Final),
    row!(752, "Invalid or unsupported contact list property", csp true, ssp false, Final),
    row!(753, "Maximum number of contact lists reached", csp true, ssp false, Final),
    row!(754, "Maximum number of contacts reached", csp true, ssp false, Final),
    row!(755, "Maximum number of attribute lists reached", csp true, ssp false, Final),
    row!(760, "Automatic subscription not supported", csp true, ssp false, Final),
    row!(800, "Group does not exist", csp true, ssp true, Final),
    row!(801, "Group already exists", csp true, ssp true, Final),
    row!(802, "Group is open", csp true, ssp true, Final),
    row!(803, "Group is restricted", csp true, ssp true, Final),
    row!(804, "Group is public", csp true, ssp true, Final),
    row!(805, "Group is private", csp true, ssp true, Final),
    row!(806, "Invalid or unsupported group properties", csp true, ssp true, Final),
    row!(807, "Group already joined", csp true, ssp true, Final),
    row!(808, "Group not joined", csp true, ssp true, Final),
    row!(809, "Cannot join, user rejected", csp true, ssp true, Final),
    row!(810, "Not a group member", csp true, ssp true, Final),
    row!(811, "Screen name already in use", csp true, ssp true, Final),
    row!(812, "Private messaging disabled for the group", csp true, ssp true, Final),
    row!(813, "Private messaging disabled for the user", csp true, ssp true, Final),
    row!(814, "Maximum number of groups reached for the user", csp true, ssp true, Final),
    row!(815, "Maximum number of groups reached for the server", csp true, ssp true, Final),
    row!(816, "Insufficient group privileges", csp true, ssp true, Final),
    row!(817, "Maximum number of joined users reached", csp true, ssp true, Final),
    row!(821, "History not supported", csp true, ssp true, Final),
    row!(822, "Searchable group needs a name or topic", csp true, ssp true, Final),
    row!(824, "Left because of logout", csp true, ssp false, Final),
    row!(900, "Multiple errors", csp true, ssp true, Final),
    row!(901, "General address error", csp true, ssp true, Final),
    row!(902, "Not enough credit", csp true, ssp false, Final),
    row!(903, "Operation needs a higher service class", csp true, ssp false, Final),
    row!(920, "MSISDN error", csp true, ssp false, Final),
];

/// A status code, 100 to 999. Unknown codes are kept and judged by their hundreds.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Code(u16);

macro_rules! names {
    ($($name:ident = $code:literal;)*) => {
        $(
            #[doc = concat!("Code ", stringify!($code), ".")]
            pub const $name: Self = Self($code);
        )*
    };
}

impl Code {
    names! {
        SUCCESSFUL = 200;
        PARTIALLY_SUCCESSFUL = 201;
        ACCEPTED = 202;
        REDIRECT = 302;
        BAD_REQUEST = 400;
        UNAUTHORIZED = 401;
        BAD_PARAMETER = 402;
        FORBIDDEN = 403;
        NOT_FOUND = 404;
        SERVICE_NOT_SUPPORTED = 405;
        REQUEST_TIMEOUT = 408;
        INVALID_PASSWORD = 409;
        UNABLE_TO_DELIVER = 410;
        UNSUPPORTED_MEDIA_TYPE = 415;
        INVALID_TRANSACTION = 420;
        CLIENT_MISMATCH = 422;
        INVALID_INVITATION = 423;
        INVALID_SEARCH = 424;
        INVALID_SEARCH_INDEX = 425;
        INVALID_MESSAGE_ID = 426;
        INVALID_USER_ID = 427;
        MISSING_GROUP = 429;
        RESPONSE_TOO_LARGE = 432;
        APPLICATION_MISMATCH = 450;
        INTERNAL_ERROR = 500;
        NOT_IMPLEMENTED = 501;
        SERVICE_UNAVAILABLE = 503;
        TIMEOUT = 504;
        VERSION_NOT_SUPPORTED = 505;
        SERVICE_NOT_AGREED = 506;
        QUEUE_FULL = 507;
        DOMAIN_NOT_SUPPORTED = 516;
        UNRESPONDED_PRESENCE = 521;
        UNKNOWN_USER = 531;
        BLOCKED = 532;
        NOT_LOGGED_IN = 533;
        NOT_AUTHORIZED = 534;
        SEARCH_TIMED_OUT = 535;
        TOO_MANY_HITS = 536;
        TOO_BROAD_SEARCH = 537;
        REJECTED = 538;
        FORWARDED = 541;
        EXPIRED = 542;
        NO_DIGEST_SCHEME = 543;
        INVALID_SEARCH_ELEMENT = 562;
        SESSION_EXPIRED = 600;
        FORCED_LOGOUT = 601;
        INVALID_SESSION = 604;
        NEW_VALUE_NOT_ACCEPTED = 605;
        NO_CONTACT_LIST = 700;
        CONTACT_LIST_EXISTS = 701;
        INVALID_PROPERTIES = 702;
        INVALID_PRESENCE_ATTRIBUTE = 750;
        INVALID_PRESENCE_VALUE = 751;
        BAD_CONTACT_LIST_PROPERTY = 752;
        TOO_MANY_CONTACT_LISTS = 753;
        TOO_MANY_CONTACTS = 754;
        TOO_MANY_ATTRIBUTE_LISTS = 755;
        NO_AUTO_SUBSCRIPTION = 760;
        NO_GROUP = 800;
        GROUP_EXISTS = 801;
        BAD_GROUP_PROPERTIES = 806;
        NOT_JOINED = 808;
        REJECTED_FROM_GROUP = 809;
        NOT_A_MEMBER = 810;
        SCREEN_NAME_IN_USE = 811;
        GROUP_NOT_PRIVATE_MESSAGING = 812;
        USER_NOT_PRIVATE_MESSAGING = 813;
        GROUPS_OF_USER = 814;
        GROUPS_OF_SERVER = 815;
        GROUP_PRIVILEGES = 816;
        JOINED_USERS = 817;
        HISTORY_NOT_SUPPORTED = 821;
        SEARCHABLE_WITHOUT_NAME = 822;
        LEFT_BY_LOGOUT = 824;
        MULTIPLE_ERRORS = 900;
        ADDRESS_ERROR = 901;
    }

    /// A code, if the number has three digits.
    pub const fn new(code: u16) -> Option<Self> {
        if code >= 100 && code <= 999 { Some(Self(code)) } else { None }
    }

    /// The number.
    pub const fn get(self) -> u16 {
        self.0
    }

    /// The row of the table, if the standard has this code.
    pub fn row(self) -> Option<&'static CodeRow> {
        TABLE.binary_search_by_key(&self, |row| row.code).ok().and_then(|index| TABLE.get(index))
    }

    /// The standard text, empty for unknown codes.
    pub fn name(self) -> &'static str {
        self.row().map_or("", |row| row.name)
    }

    /// Good, temporary or final.
    pub fn outcome(self) -> Outcome {
        match self.row() {
            Some(row) => row.outcome,
            None if self.0 < 300 => Outcome::Good,
            None => Outcome::Final,
        }
    }

    /// Whether the code says success (2xx).
    pub const fn is_success(self) -> bool {
        self.0 / 100 == 2
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:03}", self.0)
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.0, self.name())
    }
}

/// The outcome of a request: `Result` in CSP, `Status` in SSP (reference ssp-types §7).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// 200 all fine; 201 some parts failed; 900 every part failed, for different reasons; else the
    /// reason why every part failed.
    pub code: Code,
    /// Text for a human being.
    pub description: Option<Box<str>>,
    /// One entry per code, naming everything it applies to.
    pub details: Vec<DetailedResult>,
    /// Seconds after which another try makes sense.
    pub try_again: Option<u32>,
}

/// What a code applies to, where parts of a request failed (reference ssp-types §7).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DetailedResult {
    /// The code.
    pub code: Code,
    /// Text for a human being.
    pub description: Option<Box<str>>,
    /// Whom and what it concerns; empty if the other side did not say.
    pub entities: Vec<Entity>,
}

/// Something a [`DetailedResult`] names.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Entity {
    /// A user.
    User(UserId),
    /// A group.
    Group(GroupId),
    /// A name inside a group.
    ScreenName(ScreenName),
    /// A message.
    Message(MessageId),
    /// A contact list.
    ContactList(ContactListId),
    /// A domain, as written.
    Domain(Box<str>),
}

/// 200: an answer that says nothing of its outcome went well (reference ssp-primitives, rule G3).
impl Default for Status {
    fn default() -> Self {
        Self::ok()
    }
}

impl Status {
    /// A bare code.
    pub const fn new(code: Code) -> Self {
        Self { code, description: None, details: Vec::new(), try_again: None }
    }

    /// 200.
    pub const fn ok() -> Self {
        Self::new(Code::SUCCESSFUL)
    }

    /// A code with a sentence for a human being.
    pub fn because(code: Code, description: impl Into<Box<str>>) -> Self {
        Self { description: Some(description.into()), ..Self::new(code) }
    }

    /// Merges what became of every part of a request (reference ssp-types §7): 200 if all are good,
    /// 201 if some are, the common code if all failed for one reason, else 900. Entries with the
    /// same code share one [`DetailedResult`], in order of first appearance.
    pub fn merge(parts: impl IntoIterator<Item = (Entity, Code)>) -> Self {
        let mut good = 0_usize;
        let mut details: Vec<DetailedResult> = Vec::new();
        for (entity, code) in parts {
            if code.is_success() {
                good += 1;
            } else if let Some(detail) = details.iter_mut().find(|detail| detail.code == code) {
                detail.entities.push(entity);
            } else {
                details.push(DetailedResult { code, description: None, entities: vec![entity] });
            }
        }
        let code = match (good, details.as_slice()) {
            (_, []) => Code::SUCCESSFUL,
            (0, [only]) => only.code,
            (0, _) => Code::MULTIPLE_ERRORS,
            _ => Code::PARTIALLY_SUCCESSFUL,
        };
        Self { details, ..Self::new(code) }
    }

    /// Whether nothing was carried out and asking again may help: every part failed for a temporary reason.
    pub fn is_temporary(&self) -> bool {
        match self.code {
            Code::MULTIPLE_ERRORS => {
                let temporary = |detail: &DetailedResult| detail.code.outcome() == Outcome::Temporary;
                !self.details.is_empty() && self.details.iter().all(temporary)
            }
            code => code.outcome() == Outcome::Temporary,
        }
    }

    /// What became of one part: the code of the detail that names it; else the top code, where 201
    /// counts as success (the failed parts are named) and 900 as itself.
    pub fn code_for(&self, entity: &Entity) -> Code {
        match self.details.iter().find(|detail| detail.entities.contains(entity)) {
            Some(detail) => detail.code,
            None if self.code == Code::PARTIALLY_SUCCESSFUL => Code::SUCCESSFUL,
            None => self.code,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(text: &str) -> Entity {
        Entity::User(text.parse().unwrap())
    }

    #[test]
    fn the_table_is_sorted_and_agrees_with_the_temporary_codes() {
        assert!(TABLE.is_sorted_by_key(|row| row.code));
        let temporary: Vec<u16> =
            TABLE.iter().filter(|row| row.outcome == Outcome::Temporary).map(|row| row.code.get()).collect();
        assert_eq!(temporary, [406, 408, 500, 503, 504, 507]);
        assert_eq!(Code::new(999).unwrap().outcome(), Outcome::Final);
        assert_eq!(Code::new(299).unwrap().outcome(), Outcome::Good);
        assert_eq!(Code::UNKNOWN_USER.name(), "Unknown user");
        assert_eq!(Code::new(99), None);
    }

    #[test]
    fn outcomes_merge_into_one_status() {
        let code =
            |parts: &[(&str, Code)]| Status::merge(parts.iter().map(|&(who, code)| (user(who), code))).code;
        assert_eq!(code(&[("a@x", Code::SUCCESSFUL)]), Code::SUCCESSFUL);
        assert_eq!(
            code(&[("a@x", Code::SUCCESSFUL), ("b@x", Code::UNKNOWN_USER)]),
            Code::PARTIALLY_SUCCESSFUL
        );
        assert_eq!(code(&[("a@x", Code::UNKNOWN_USER), ("b@x", Code::UNKNOWN_USER)]), Code::UNKNOWN_USER);
        assert_eq!(code(&[("a@x", Code::BLOCKED), ("b@x", Code::UNKNOWN_USER)]), Code::MULTIPLE_ERRORS);
    }

    #[test]
    fn what_failed_for_temporary_reasons_alone_is_temporary() {
        let merged = |parts: &[(&str, Code)]| {
            Status::merge(parts.iter().map(|&(who, code)| (user(who), code))).is_temporary()
        };
        assert!(merged(&[("a@x", Code::QUEUE_FULL)]));
        assert!(merged(&[("a@x", Code::QUEUE_FULL), ("b@x", Code::SERVICE_UNAVAILABLE)]));
        assert!(!merged(&[("a@x", Code::QUEUE_FULL), ("b@x", Code::UNKNOWN_USER)]));
        assert!(!merged(&[("a@x", Code::QUEUE_FULL), ("b@x", Code::SUCCESSFUL)]));
        assert!(!Status::new(Code::MULTIPLE_ERRORS).is_temporary());
    }

    #[test]
    fn each_part_finds_its_own_code() {
        let merged = Status::merge([(user("a@x"), Code::SUCCESSFUL), (user("b@x"), Code::UNKNOWN_USER)]);
        assert_eq!(merged.code_for(&user("a@x")), Code::SUCCESSFUL);
        assert_eq!(merged.code_for(&user("b@x")), Code::UNKNOWN_USER);
        assert_eq!(Status::new(Code::TIMEOUT).code_for(&user("a@x")), Code::TIMEOUT);
    }
}
