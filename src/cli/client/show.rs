//! How things of the protocol look to a person: one line each, in plain words, with nothing in it that could
//! steer a terminal or pass for another line.

use crate::imps::presence::{Attribute, PresenceSubList};
use crate::imps::primitive::{Entities, Mapping, MessageInfo};
use crate::imps::status::Entity;
use crate::imps::{Address, Code, Content, Status};

/// Most octets of a text that are shown.
const TEXT_OCTETS_MAX: usize = 16 * 1024;

/// An address as people write it. Somebody else may have chosen it: it is clean.
pub(super) fn short(address: &Address) -> String {
    clean(address.as_str().get(3..).unwrap_or_default())
}

/// Words of others: control characters go, so that they steer no terminal; further lines are set in.
pub(super) fn clean(text: &str) -> String {
    let mut end = text.len().min(TEXT_OCTETS_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let shown = text.get(..end).unwrap_or_default();
    let strange = |c: char| {
        c.is_control()
            || matches!(
                c,
                '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' | '\u{61c}' | '\u{2028}' | '\u{2029}'
            )
    };
    let mut lines = shown.trim_end().lines();
    let tidy = |line: &str| line.chars().filter(|c| !strange(*c)).collect::<String>();
    let mut cleaned = lines.next().map(tidy).unwrap_or_default();
    for line in lines {
        cleaned.push_str("\n    ");
        cleaned.push_str(&tidy(line));
    }
    if end < text.len() {
        cleaned.push_str(" …");
    }
    cleaned
}

/// A code in words.
pub(super) fn code(code: Code) -> String {
    match code.name() {
        "" => format!("code {}", code.get()),
        name => format!("{} ({})", name, code.get()),
    }
}

/// Everything that a status complains about, each with whom it concerns.
pub(super) fn complaints(status: &Status) -> Vec<String> {
    let reason = |found: Code, description: Option<&str>| match description {
        Some(text) if text != found.name() => format!("{}: {}", code(found), clean(text)),
        _ => code(found),
    };
    let mut told: Vec<String> = Vec::new();
    for detail in status.details.iter().filter(|detail| !detail.code.is_success()) {
        let whom: Vec<String> = detail.entities.iter().map(entity).collect();
        let whom = if whom.is_empty() { String::new() } else { format!("{}: ", whom.join(", ")) };
        told.push(format!("{whom}{}", reason(detail.code, detail.description.as_deref())));
    }
    if told.is_empty() && !status.code.is_success() {
        told.push(reason(status.code, status.description.as_deref()));
    }
    told
}

fn entity(entity: &Entity) -> String {
    match entity {
        Entity::User(user) => short(user),
        Entity::Group(group) => short(group),
        Entity::ContactList(list) => short(list),
        Entity::ScreenName(name) => clean(&name.name),
        Entity::Message(id) => clean(id.as_str()),
        Entity::Domain(domain) => clean(domain),
    }
}

/// Presence in a few words: `online, busy, "in a meeting"`; `None` if nothing of it may be seen.
pub(super) fn presence(attributes: &PresenceSubList) -> Option<String> {
    let known = attributes.attributes.iter().filter(|attribute| attribute.qualifier() != Some(false));
    let (mut online, mut words) = (None, Vec::new());
    for attribute in known {
        match attribute {
            Attribute::OnlineStatus(plain) => {
                let here = plain.value.as_deref().is_some_and(|value| matches!(value, "T" | "t"));
                online = Some(online == Some(true) || here);
            }
            Attribute::UserAvailability(plain) => match plain.value.as_deref() {
                Some("AVAILABLE") => words.push("available".to_owned()),
                Some("DISCREET") => words.push("busy".to_owned()),
                Some("NOT_AVAILABLE") => words.push("away".to_owned()),
                _ => {}
            },
            Attribute::StatusText(plain) | Attribute::FreeTextLocation(plain) => {
                words.extend(
                    plain
                        .value
                        .as_deref()
                        .filter(|text| !text.is_empty())
                        .map(|text| format!("\"{}\"", clean(text))),
                );
            }
            Attribute::StatusMood(plain) => {
                words.extend(plain.value.as_deref().map(|mood| clean(&mood.to_lowercase())));
            }
            _ => {}
        }
    }
    if let Some(online) = online {
        words.insert(0, if online { "online" } else { "offline" }.to_owned());
    }
    (!words.is_empty()).then(|| words.join(", "))
}

/// Content that is no text: `map.png, image/png, 12345 octets`.
pub(super) fn file(info: &MessageInfo, content: Option<&Content>) -> String {
    let mut words = Vec::new();
    words.extend(info.content_name.as_deref().map(clean));
    words.push(clean(info.content_type.as_deref().unwrap_or("text/plain")));
    let size = content.map(|content| u64::try_from(content.octets().len()).unwrap_or(u64::MAX));
    words.extend(size.or(info.content_size).map(|size| format!("{size} octets")));
    words.join(", ")
}

/// The names of those in a group; who has none is shown by address.
pub(super) fn names(mappings: &[Mapping]) -> String {
    let name = |found: &Mapping| match (&found.name, &found.user) {
        (Some(name), Some(user)) if **name != *user.user() => format!("{} ({})", clean(name), short(user)),
        (Some(name), _) => clean(name),
        (None, Some(user)) => short(user),
        (None, None) => "somebody".to_owned(),
    };
    mappings.iter().map(name).collect::<Vec<_>>().join(", ")
}

/// Everything on a block or grant list.
pub(super) fn entities(entities: &Entities) -> String {
    let users = entities.users.iter().map(|user| short(user));
    let domains = entities.domains.iter().map(|domain| format!("everybody of {domain}"));
    let groups = entities.groups.iter().map(|group| short(group));
    let names = entities.screen_names.iter().map(|name| clean(&name.name));
    let lists = entities.contact_lists.iter().map(|list| short(list));
    users.chain(domains).chain(groups).chain(names).chain(lists).collect::<Vec<_>>().join(", ")
}

/// Media types by the ends of file names, the usual one first.
const TYPES: &[(&str, &str)] = &[
    ("jpg", "image/jpeg"),
    ("jpeg", "image/jpeg"),
    ("png", "image/png"),
    ("gif", "image/gif"),
    ("wbmp", "image/vnd.wap.wbmp"),
    ("mid", "audio/midi"),
    ("amr", "audio/amr"),
    ("wav", "audio/wav"),
    ("mp3", "audio/mpeg"),
    ("3gp", "video/3gpp"),
    ("txt", "text/plain"),
    ("html", "text/html"),
    ("vcf", "text/x-vCard"),
    ("ics", "text/calendar"),
    ("pdf", "application/pdf"),
];

/// The media type of a file by the end of its name.
pub(super) fn type_of(name: &str) -> &'static str {
    let end = name.rsplit_once('.').map_or("", |(_, end)| end);
    TYPES
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(end))
        .map_or("application/octet-stream", |found| found.1)
}

/// The end of a file's name by its media type.
pub(super) fn end_of(content_type: &str) -> &'static str {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    TYPES.iter().find(|(_, known)| known.eq_ignore_ascii_case(essence)).map_or("bin", |found| found.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::imps::presence::Plain;

    #[test]
    fn words_of_others_steer_no_terminal_and_pass_for_no_other_line() {
        assert_eq!(clean("hi\u{1b}[2J\u{7} there\u{202e}"), "hi[2J there");
        assert_eq!(clean("one\r\nada: two\n"), "one\n    ada: two");
        let address: crate::imps::UserId = "wv:eve\u{202e}\u{200f}lla@north.example".parse().unwrap();
        assert_eq!(short(&address), "evella@north.example");
        let long = "ö".repeat(TEXT_OCTETS_MAX);
        assert!(clean(&long).len() <= TEXT_OCTETS_MAX + 4 && clean(&long).ends_with(" …"));
    }

    #[test]
    fn presence_is_a_few_words() {
        let plain = |value: &str| Plain { value: Some(value.into()), ..Plain::default() };
        let list = PresenceSubList::new(vec![
            Attribute::OnlineStatus(plain("F")),
            Attribute::OnlineStatus(plain("T")),
            Attribute::UserAvailability(plain("DISCREET")),
            Attribute::StatusText(plain("in a meeting")),
        ]);
        assert_eq!(presence(&list).as_deref(), Some("online, busy, \"in a meeting\""));
        let hidden =
            PresenceSubList::new(vec![Attribute::unknown(crate::imps::presence::AttributeName::StatusText)]);
        assert_eq!(presence(&hidden), None);
    }

    #[test]
    fn complaints_name_whom_they_concern() {
        let user = |text: &str| Entity::User(text.parse().unwrap());
        let status = Status::merge([
            (user("bo@south.example"), Code::UNKNOWN_USER),
            (user("cy@south.example"), Code::SUCCESSFUL),
        ]);
        assert_eq!(complaints(&status), ["bo@south.example: Unknown user (531)"]);
        assert_eq!(complaints(&Status::new(Code::TIMEOUT)), ["Timeout (504)"]);
        assert!(complaints(&Status::ok()).is_empty());
    }

    #[test]
    fn files_have_types_by_their_names() {
        assert_eq!(type_of("Map.PNG"), "image/png");
        assert_eq!(type_of("noend"), "application/octet-stream");
        assert_eq!(end_of("image/JPEG; x=y"), "jpg");
        assert_eq!(end_of("font/woff"), "bin");
    }
}
