//! Public profiles: what users say of themselves, and what the operator knows of them for searches
//! (reference csp-messages §4).

use crate::imps::primitive::{Property, UpdatePublicProfileRequest};
use crate::imps::{Code, UserId};

/// The properties that a user shows and changes.
pub const PUBLIC: [&str; 9] = [
    "PP_AGE",
    "PP_CITY",
    "PP_COUNTRY",
    "PP_FREE_TEXT",
    "PP_FRIENDLY_NAME",
    "PP_GENDER",
    "PP_INTENTION",
    "PP_INTERESTS",
    "PP_MARITAL_STATUS",
];

/// What only the operator sets: users are found by it, and it is shown to nobody.
pub const DIRECTORY: [&str; 5] =
    ["USER_ALIAS", "USER_EMAIL_ADDRESS", "USER_FIRST_NAME", "USER_LAST_NAME", "USER_MOBILE_NUMBER"];

/// Longest value, octets.
pub const VALUE_OCTETS_MAX: usize = 1000;

/// The change of a profile that a request asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProfileChange {
    /// Forget everything that the user shows first.
    pub clear: bool,
    /// In the spelling of the standard; a property without value is forgotten.
    pub set: Vec<Property>,
}

/// Why an operator's change of a profile makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProfileError {
    /// No `=`.
    #[error("{0:?} is no NAME=VALUE")]
    NoPair(String),
    /// Not a name that profiles have.
    #[error("{0:?} is no property of a profile; allowed: {names}", names = [&DIRECTORY[..], &PUBLIC[..]].concat().join(", "))]
    Name(String),
    /// Too long, or an age that is no number.
    #[error(
        "the value of {0} is not allowed; at most {VALUE_OCTETS_MAX} octets, and an age is a number up to 255"
    )]
    Value(&'static str),
}

/// The change that an operator writes as `NAME=VALUE`; nothing behind `=` forgets the property.
pub fn operators_change<'p>(pairs: impl IntoIterator<Item = &'p str>) -> Result<ProfileChange, ProfileError> {
    let mut change = ProfileChange::default();
    for pair in pairs {
        let (name, value) = pair.split_once('=').ok_or_else(|| ProfileError::NoPair(pair.to_owned()))?;
        let mut known = DIRECTORY.into_iter().chain(PUBLIC);
        let name = known
            .find(|known| known.eq_ignore_ascii_case(name.trim()))
            .ok_or_else(|| ProfileError::Name(name.to_owned()))?;
        if !is_allowed(name, value) {
            return Err(ProfileError::Value(name));
        }
        change.set.retain(|earlier| &*earlier.name != name);
        change.set.push(Property::new(name, value.trim()));
    }
    Ok(change)
}

/// Whether a property may have this value; none at all is for forgetting it.
fn is_allowed(name: &str, value: &str) -> bool {
    let value = value.trim();
    value.len() <= VALUE_OCTETS_MAX && (name != "PP_AGE" || value.is_empty() || value.parse::<u8>().is_ok())
}

/// Checks a change of `owner`'s profile. 403: it is somebody else's. 702: a name that is no public one, a
/// value that is too long, or an age that is no number.
pub fn change(request: UpdatePublicProfileRequest, owner: &UserId) -> Result<ProfileChange, Code> {
    let mut change = ProfileChange { clear: request.clear == Some(true), set: Vec::new() };
    let Some(profile) = request.profile else { return Ok(change) };
    if profile.user != *owner {
        return Err(Code::FORBIDDEN);
    }
    for property in profile.properties {
        let known = PUBLIC.iter().find(|known| known.eq_ignore_ascii_case(&property.name));
        let name = *known.ok_or(Code::INVALID_PROPERTIES)?;
        let value = property.value.filter(|value| !value.trim().is_empty());
        if !value.as_ref().is_none_or(|value| is_allowed(name, value)) {
            return Err(Code::INVALID_PROPERTIES);
        }
        change.set.retain(|earlier| &*earlier.name != name);
        change.set.push(Property { name: name.into(), value });
    }
    Ok(change)
}

/// What everybody may see of a profile.
pub fn public(properties: Vec<Property>) -> Vec<Property> {
    properties.into_iter().filter(|property| PUBLIC.contains(&&*property.name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::imps::primitive::PublicProfile;

    fn update(user: &str, properties: &[(&str, &str)]) -> Result<ProfileChange, Code> {
        let properties = properties.iter().map(|(name, value)| Property::new(name, value)).collect();
        let profile = Some(PublicProfile { user: user.parse().unwrap(), properties });
        change(
            UpdatePublicProfileRequest { clear: Some(true), profile },
            &"wv:ada@north.example".parse().unwrap(),
        )
    }

    #[test]
    fn a_user_sets_its_own_public_properties_and_no_others() {
        let set = update("ADA@north.example", &[("pp_city", "Lund"), ("PP_AGE", "44"), ("PP_CITY", "Malmö")]);
        let set = set.unwrap();
        assert!(set.clear);
        assert_eq!(set.set, [Property::new("PP_AGE", "44"), Property::new("PP_CITY", "Malmö")]);
        assert_eq!(update("wv:bo@north.example", &[]), Err(Code::FORBIDDEN));
        assert_eq!(update("ada@north.example", &[("PP_SHOE_SIZE", "44")]), Err(Code::INVALID_PROPERTIES));
        assert_eq!(update("ada@north.example", &[("PP_AGE", "young")]), Err(Code::INVALID_PROPERTIES));
        let long = "x".repeat(VALUE_OCTETS_MAX + 1);
        assert_eq!(update("ada@north.example", &[("PP_FREE_TEXT", &long)]), Err(Code::INVALID_PROPERTIES));
    }

    #[test]
    fn an_operator_sets_what_users_are_found_by() {
        let set = |pairs: &[&str]| operators_change(pairs.iter().copied());
        let change = set(&["user_last_name=Lovelace = Byron", "PP_CITY=", "PP_CITY=Lund "]).unwrap();
        let expected =
            [Property::new("USER_LAST_NAME", "Lovelace = Byron"), Property::new("PP_CITY", "Lund")];
        assert!(!change.clear && change.set == expected, "{change:?}");
        assert_eq!(set(&["PP_AGE="]).unwrap().set[0].value, None);
        assert_eq!(set(&["PP_CITY"]), Err(ProfileError::NoPair("PP_CITY".into())));
        assert_eq!(set(&["PP_AGE=old"]), Err(ProfileError::Value("PP_AGE")));
        assert!(set(&["SHOE=44"]).unwrap_err().to_string().contains("USER_FIRST_NAME"));
    }

    #[test]
    fn what_only_the_directory_knows_is_not_shown() {
        let all =
            vec![Property::new("PP_CITY", "Lund"), Property::new("USER_EMAIL_ADDRESS", "ada@mail.example")];
        assert_eq!(public(all), [Property::new("PP_CITY", "Lund")]);
    }
}
