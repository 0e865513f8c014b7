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
        let fits = value.as_ref().is_none_or(|value| {
            value.len() <= VALUE_OCTETS_MAX && (name != "PP_AGE" || value.trim().parse::<u8>().is_ok())
        });
        if !fits {
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
    fn what_only_the_directory_knows_is_not_shown() {
        let all =
            vec![Property::new("PP_CITY", "Lund"), Property::new("USER_EMAIL_ADDRESS", "ada@mail.example")];
        assert_eq!(public(all), [Property::new("PP_CITY", "Lund")]);
    }
}
