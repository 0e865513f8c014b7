//! The question of a search, compiled, and whether an entry of the directory fits it.
//!
//! Texts fit if they hold the wanted one, whatever the case (reference csp-messages §4). Users and groups
//! are never searched together.

use crate::imps::primitive::{Property, SearchPair, SearchRequest};
use crate::imps::words::words;
use crate::imps::{Code, Domain, GroupId, UserId};

use super::criteria::{self, Term};

/// Pairs of one search.
pub(super) const PAIRS_MAX: usize = 32;
/// Longest text that is searched for, octets.
const STRING_OCTETS_MAX: usize = 256;

words! {
    /// What a pair compares.
    Element {
        /// The address of a user.
        UserId = "USER_ID",
        /// What a user wants to be called.
        Alias = "USER_ALIAS",
        /// Mail address.
        Email = "USER_EMAIL_ADDRESS",
        /// First name.
        FirstName = "USER_FIRST_NAME",
        /// Last name.
        LastName = "USER_LAST_NAME",
        /// Telephone number.
        MobileNumber = "USER_MOBILE_NUMBER",
        /// Whether the user is logged in, `T` or `F`.
        OnlineStatus = "USER_ONLINE_STATUS",
        /// City (1.3).
        City = "USER_CITY",
        /// Country (1.3).
        Country = "USER_COUNTRY",
        /// Friendly name (1.3).
        FriendlyName = "USER_FRIENDLY_NAME",
        /// Gender (1.3).
        Gender = "USER_GENDER",
        /// What the user looks for (1.3).
        Intention = "USER_INTENTION",
        /// Interests and hobbies (1.3).
        Interests = "USER_INTERESTS_HOBBIES",
        /// Marital status (1.3).
        MaritalStatus = "USER_MARITAL_STATUS",
        /// At least so old (1.3).
        AgeMin = "USER_AGE_MIN",
        /// At most so old (1.3).
        AgeMax = "USER_AGE_MAX",
        /// The address of a group.
        GroupId = "GROUP_ID",
        /// Its name.
        GroupName = "GROUP_NAME",
        /// Its topic.
        GroupTopic = "GROUP_TOPIC",
        /// Somebody who is in it.
        GroupJoined = "GROUP_USER_ID_JOINED",
        /// Whose it is.
        GroupOwner = "GROUP_USER_ID_OWNER",
        /// Somebody who joins it at login (1.2 on).
        GroupAutoJoin = "GROUP_USER_ID_AUTOJOIN",
    }
}

impl Element {
    const fn is_of_groups(self) -> bool {
        matches!(
            self,
            Self::GroupId
                | Self::GroupName
                | Self::GroupTopic
                | Self::GroupJoined
                | Self::GroupOwner
                | Self::GroupAutoJoin
        )
    }

    /// The properties of a profile that it is compared with.
    const fn properties(self) -> &'static [&'static str] {
        match self {
            Self::Alias => &["USER_ALIAS", "PP_FRIENDLY_NAME"],
            Self::Email => &["USER_EMAIL_ADDRESS"],
            Self::FirstName => &["USER_FIRST_NAME"],
            Self::LastName => &["USER_LAST_NAME"],
            Self::MobileNumber => &["USER_MOBILE_NUMBER"],
            Self::City => &["PP_CITY"],
            Self::Country => &["PP_COUNTRY"],
            Self::FriendlyName => &["PP_FRIENDLY_NAME"],
            Self::Gender => &["PP_GENDER"],
            Self::Intention => &["PP_INTENTION"],
            Self::Interests => &["PP_INTERESTS"],
            Self::MaritalStatus => &["PP_MARITAL_STATUS"],
            Self::AgeMin | Self::AgeMax => &["PP_AGE"],
            _ => &[],
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Condition {
    element: Element,
    /// In lower case.
    wanted: String,
}

/// A question, ready to be asked of every entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    term: Term<Condition>,
    of_groups: bool,
}

/// What the directory says of a user.
#[derive(Clone, Copy, Debug)]
pub struct Person<'e> {
    /// The address.
    pub id: &'e UserId,
    /// The profile.
    pub properties: &'e [Property],
    /// Whether a client is logged in.
    pub online: bool,
}

/// What is known of a group that wants to be found.
#[derive(Clone, Copy, Debug)]
pub struct Club<'e> {
    /// The address.
    pub id: &'e GroupId,
    /// Its name.
    pub name: &'e str,
    /// Its topic.
    pub topic: &'e str,
    /// Whose it is.
    pub owner: Option<&'e UserId>,
    /// Who is in it.
    pub joined: &'e [UserId],
    /// Who joins it at login.
    pub auto_join: &'e [UserId],
}

/// Compiles the first request of a search. 402: no pairs, too many, a word that is no element, users and
/// groups together, an expression that makes no sense, a truth value or an age that is none. 537: a text
/// that everything holds.
pub fn compile(request: &SearchRequest) -> Result<Query, Code> {
    if request.pairs.is_empty() || request.pairs.len() > PAIRS_MAX {
        return Err(Code::BAD_PARAMETER);
    }
    let conditions = request.pairs.iter().map(condition).collect::<Result<Vec<_>, Code>>()?;
    let of_groups = conditions.iter().any(|condition| condition.element.is_of_groups());
    if of_groups && !conditions.iter().all(|condition| condition.element.is_of_groups()) {
        return Err(Code::BAD_PARAMETER);
    }
    let term =
        term(request)?.of(&|place: &usize| conditions.get(*place).cloned()).ok_or(Code::BAD_PARAMETER)?;
    Ok(Query { term, of_groups })
}

/// What has to hold, over the places of the pairs. 402: an expression that makes no sense.
pub(super) fn term(request: &SearchRequest) -> Result<Term<usize>, Code> {
    let Some(criteria) = &request.criteria else {
        return Ok(Term::All((0..request.pairs.len()).map(Term::Is).collect()));
    };
    // A pair without an id is known by its place.
    let named = |id: u32| {
        let mut places = (1_u32..).zip(&request.pairs);
        places.position(|(place, pair)| pair.id.unwrap_or(place) == id)
    };
    criteria::read(criteria, named).ok_or(Code::BAD_PARAMETER)
}

/// Whether a pair compares something of groups.
pub(super) fn is_of_groups(pair: &SearchPair) -> bool {
    pair.element.parse().is_ok_and(Element::is_of_groups)
}

/// The pair that whoever may be found by this one at all fits if, and only if, this one does not.
pub(super) fn opposite(pair: &SearchPair) -> Option<SearchPair> {
    let is_online = pair.element.parse() == Ok(Element::OnlineStatus);
    let other = if pair.string.trim().eq_ignore_ascii_case("T") { "F" } else { "T" };
    is_online.then(|| SearchPair { string: other.into(), ..pair.clone() })
}

fn condition(pair: &SearchPair) -> Result<Condition, Code> {
    let element: Element = pair.element.parse().map_err(|_| Code::BAD_PARAMETER)?;
    let wanted = pair.string.trim();
    if wanted.is_empty() {
        return Err(Code::TOO_BROAD_SEARCH);
    }
    let understood = match element {
        Element::OnlineStatus => wanted.eq_ignore_ascii_case("T") || wanted.eq_ignore_ascii_case("F"),
        Element::AgeMin | Element::AgeMax => wanted.parse::<u8>().is_ok(),
        _ => wanted.len() <= STRING_OCTETS_MAX,
    };
    if !understood {
        return Err(Code::BAD_PARAMETER);
    }
    Ok(Condition { element, wanted: wanted.to_lowercase() })
}

impl Query {
    /// Whether groups are searched for, and not users.
    pub const fn is_of_groups(&self) -> bool {
        self.of_groups
    }

    /// Whether the answer would tell who is logged in: only those may be found who let the searcher know.
    pub fn tells_who_is_online(&self) -> bool {
        self.term.mentions(&|condition| condition.element == Element::OnlineStatus)
    }

    /// Whether it matters who is in a group, or would be.
    pub fn looks_into_groups(&self) -> bool {
        let looks = |condition: &Condition| {
            matches!(condition.element, Element::GroupJoined | Element::GroupAutoJoin)
        };
        self.term.mentions(&looks)
    }

    /// Whether a user fits.
    pub fn finds(&self, person: &Person<'_>) -> bool {
        self.term.holds(&|condition| condition.fits_person(person))
    }

    /// Whether a group fits.
    pub fn finds_group(&self, club: &Club<'_>) -> bool {
        self.term.holds(&|condition| condition.fits_club(club))
    }
}

impl Condition {
    fn is_in(&self, text: &str) -> bool {
        text.to_lowercase().contains(&self.wanted)
    }

    fn fits_person(&self, person: &Person<'_>) -> bool {
        let values = || {
            let named =
                person.properties.iter().filter(|found| self.element.properties().contains(&&*found.name));
            named.filter_map(|found| found.value.as_deref())
        };
        let age = || values().find_map(|value| value.trim().parse::<u8>().ok());
        let bound = || self.wanted.parse::<u8>().ok();
        match self.element {
            Element::UserId => self.is_in(person.id.as_str()),
            Element::OnlineStatus => person.online == (self.wanted == "t"),
            Element::AgeMin => age().is_some_and(|age| Some(age) >= bound()),
            Element::AgeMax => age().is_some_and(|age| Some(age) <= bound()),
            // F would be found in half of the words for either.
            Element::Gender => values().any(|value| value.to_lowercase() == self.wanted),
            _ => values().any(|value| self.is_in(value)),
        }
    }

    fn fits_club(&self, club: &Club<'_>) -> bool {
        let among = |users: &[UserId]| users.iter().any(|user| self.is_in(user.as_str()));
        match self.element {
            Element::GroupId => self.is_in(club.id.as_str()),
            Element::GroupName => self.is_in(club.name),
            Element::GroupTopic => self.is_in(club.topic),
            Element::GroupJoined => among(club.joined),
            Element::GroupOwner => club.owner.is_some_and(|owner| self.is_in(owner.as_str())),
            Element::GroupAutoJoin => among(club.auto_join),
            _ => false,
        }
    }
}

/// The first domain that the search names in an address of a user or group, in normal form: the one whose
/// directory is meant (reference ssp-primitives §3.4).
pub fn domain(request: &SearchRequest) -> Option<Domain> {
    let addresses = request
        .pairs
        .iter()
        .filter(|pair| matches!(pair.element.parse(), Ok(Element::UserId | Element::GroupId)));
    addresses
        .filter_map(|pair| pair.string.rsplit_once('@'))
        .find_map(|(_, domain)| domain.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(pairs: &[(&str, &str)], criteria: Option<&str>) -> SearchRequest {
        let pair = |(element, string): &(&str, &str)| SearchPair {
            element: (*element).into(),
            string: (*string).into(),
            id: None,
        };
        SearchRequest {
            pairs: pairs.iter().map(pair).collect(),
            criteria: criteria.map(Into::into),
            ..SearchRequest::default()
        }
    }

    fn finds(pairs: &[(&str, &str)], criteria: Option<&str>) -> bool {
        let id: UserId = "wv:Ada@north.example".parse().unwrap();
        let properties = [
            Property::new("USER_LAST_NAME", "Lovelace"),
            Property::new("PP_CITY", "MALMÖ"),
            Property::new("PP_GENDER", "F"),
            Property::new("PP_AGE", "44"),
            Property::new("PP_FRIENDLY_NAME", "Countess"),
        ];
        let query = compile(&request(pairs, criteria)).unwrap();
        query.finds(&Person { id: &id, properties: &properties, online: true })
    }

    #[test]
    fn every_pair_must_fit_as_a_part_and_in_any_case() {
        assert!(finds(&[("USER_LAST_NAME", "love"), ("USER_CITY", "malmö")], None));
        assert!(!finds(&[("USER_LAST_NAME", "love"), ("USER_CITY", "Lund")], None));
        assert!(finds(&[("user_id", "ADA@north")], None));
        assert!(finds(&[("USER_ALIAS", "count")], None), "the friendly name serves as an alias");
        assert!(finds(&[("USER_ONLINE_STATUS", "T")], None) && !finds(&[("USER_ONLINE_STATUS", "F")], None));
        assert!(finds(&[("USER_AGE_MIN", "44"), ("USER_AGE_MAX", "50")], None));
        assert!(!finds(&[("USER_AGE_MAX", "43")], None));
        assert!(finds(&[("USER_GENDER", "f")], None) && !finds(&[("USER_GENDER", "M")], None));
    }

    #[test]
    fn an_expression_decides_which_pairs_must_fit() {
        let pairs = [("USER_CITY", "Lund"), ("USER_CITY", "Malmö"), ("USER_GENDER", "F")];
        assert!(finds(&pairs, Some("(1 OR 2) AND 3")));
        assert!(!finds(&pairs, Some("1 AND 3")));
        assert!(finds(&pairs, Some("NOT 1")));
        let mut named = request(&pairs, Some("7"));
        named.pairs[1].id = Some(7);
        assert!(compile(&named).is_ok());
        assert_eq!(compile(&request(&pairs, Some("4"))), Err(Code::BAD_PARAMETER));
    }

    #[test]
    fn a_search_that_makes_no_sense_or_fits_all_is_refused() {
        let code = |pairs: &[(&str, &str)]| compile(&request(pairs, None)).unwrap_err().get();
        assert_eq!(code(&[]), 402);
        assert_eq!(code(&[("USER_SHOE_SIZE", "44")]), 402);
        assert_eq!(code(&[("USER_ID", "ada"), ("GROUP_ID", "sail")]), 402, "users and groups do not mix");
        assert_eq!(code(&[("USER_ONLINE_STATUS", "maybe")]), 402);
        assert_eq!(code(&[("USER_AGE_MIN", "old")]), 402);
        assert_eq!(code(&[("USER_LAST_NAME", " ")]), 537);
        assert_eq!(code(&[("USER_ID", "a"); 40]), 402);
    }

    #[test]
    fn groups_are_found_by_what_they_are_and_who_is_in_them() {
        let id: GroupId = "wv:/sailing@north.example".parse().unwrap();
        let ada: UserId = "wv:ada@north.example".parse().unwrap();
        let joined = [ada.clone()];
        let club = Club {
            id: &id,
            name: "Sailing",
            topic: "boats",
            owner: Some(&ada),
            joined: &joined,
            auto_join: &[],
        };
        let finds = |pairs: &[(&str, &str)]| {
            let query = compile(&request(pairs, None)).unwrap();
            query.is_of_groups() && query.finds_group(&club)
        };
        assert!(finds(&[("GROUP_NAME", "sail"), ("GROUP_TOPIC", "BOAT"), ("GROUP_USER_ID_OWNER", "ada")]));
        assert!(finds(&[("GROUP_USER_ID_JOINED", "wv:ada@north.example")]));
        assert!(!finds(&[("GROUP_USER_ID_AUTOJOIN", "ada")]) && !finds(&[("GROUP_ID", "chess")]));
    }

    #[test]
    fn a_foreign_directory_is_named_in_an_address() {
        let named =
            |element, string| domain(&request(&[("USER_CITY", "x@y.example"), (element, string)], None));
        assert_eq!(named("USER_ID", "bo@South.Example").unwrap().as_str(), "south.example");
        assert_eq!(named("GROUP_ID", "@south.example").unwrap().as_str(), "south.example");
        assert_eq!(named("USER_ID", "bo"), None);
        assert_eq!(named("USER_ID", "bo@"), None);
    }

    #[test]
    fn whether_a_search_tells_who_is_online_is_seen() {
        let tells = |pairs: &[(&str, &str)]| compile(&request(pairs, None)).unwrap().tells_who_is_online();
        assert!(tells(&[("USER_ID", "a"), ("USER_ONLINE_STATUS", "F")]));
        assert!(!tells(&[("USER_ID", "a")]));
    }
}
