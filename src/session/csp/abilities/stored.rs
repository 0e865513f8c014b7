//! What a client can take as words for the store.

use super::super::{charset, negotiate};
use super::{Abilities, Accepted, CONTENT_TYPES_MAX, ENCODINGS_MAX, GROUPS_MAX, OfGroup, encoding, essence};
use crate::imps::primitive::DeliveryMethod;

impl Abilities {
    /// The compact text kept in the store: `key=value` separated by blanks, `type=` once a type.
    /// What is absent has its plain meaning (no limit, push).
    pub fn to_stored(&self) -> Box<[u8]> {
        let mut words = vec![
            format!("method={}", self.method.as_str()),
            format!("any={}", if self.any_content { "T" } else { "F" }),
            format!("poll={}", self.poll_min_seconds),
        ];
        let mut limit = |name: &str, value: Option<u32>| {
            words.extend(value.map(|value| format!("{name}={value}")));
        };
        limit("push", self.push_octets_max);
        limit("text", self.text_octets_max);
        limit("pull", self.pull_octets_max);
        limit("parser", self.parser_octets_max);
        limit("grouppush", self.group_octets_max);
        limit("together", Some(self.per_message).filter(|count| *count > 1));
        let number = |value: Option<u32>| value.map(|value| value.to_string()).unwrap_or_default();
        for accepted in &self.types {
            // A type has no blanks and commas once cleaned, so that the words stay words.
            let clean: String = accepted
                .essence
                .chars()
                .filter(|c| !c.is_whitespace() && !c.is_control() && *c != ',')
                .collect();
            words.push(format!(
                "type={clean},{},{},{}",
                number(accepted.octets_max),
                number(accepted.notify_above),
                number(accepted.refuse_above)
            ));
        }
        words.extend(self.client_type.map(|it| format!("client={}", it.as_str())));
        words.extend(self.encodings.iter().map(|it| format!("encoding={it}")));
        words.extend(self.charsets.iter().map(|it| format!("charset={it}")));
        for own in &self.groups {
            words.push(format!("group={},{},{}", own.method.as_str(), number(own.octets_max), own.group));
        }
        words.extend(self.cir.to_words());
        words.join(" ").into_bytes().into()
    }

    /// Reads [`to_stored`](Self::to_stored). Words that are not understood are passed over: a record of an older or
    /// newer release is still a record. An empty text gives the defaults.
    pub fn from_stored(stored: &[u8]) -> Self {
        let stored = String::from_utf8_lossy(stored);
        if stored.trim().is_empty() {
            return Self::default();
        }
        let mut read = Self { push_octets_max: None, ..Self::default() };
        for (key, value) in stored.split_whitespace().filter_map(|word| word.split_once('=')) {
            match key {
                "method" => read.method = value.parse().unwrap_or(DeliveryMethod::Push),
                "any" => read.any_content = value == "T",
                "poll" => read.poll_min_seconds = negotiate::agreed_poll_min(value.parse().ok()),
                "push" => read.push_octets_max = value.parse().ok(),
                "text" => read.text_octets_max = value.parse().ok(),
                "pull" => read.pull_octets_max = value.parse().ok(),
                "parser" => read.parser_octets_max = value.parse().ok(),
                "together" => {
                    let count: u32 = value.parse().unwrap_or(1);
                    read.per_message = count.clamp(1, negotiate::MULTI_TRANS_MAX);
                }
                "type" if read.types.len() < CONTENT_TYPES_MAX => {
                    let mut parts = value.split(',');
                    read.types.push(Accepted {
                        essence: essence(parts.next().unwrap_or_default()),
                        octets_max: parts.next().and_then(|part| part.parse().ok()),
                        notify_above: parts.next().and_then(|part| part.parse().ok()),
                        refuse_above: parts.next().and_then(|part| part.parse().ok()),
                    });
                }
                "client" => read.client_type = value.parse().ok(),
                "encoding" if read.encodings.len() < ENCODINGS_MAX => read.encodings.extend(encoding(value)),
                "charset" if read.charsets.len() < charset::CHARSETS_MAX => {
                    read.charsets.extend(value.parse::<u32>().ok());
                }
                "grouppush" => read.group_octets_max = value.parse().ok(),
                "group" if read.groups.len() < GROUPS_MAX => {
                    let mut parts = value.splitn(3, ',');
                    let method = parts.next().and_then(|part| part.parse().ok());
                    let octets_max = parts.next().and_then(|part| part.parse().ok());
                    let group = parts.next().and_then(|part| part.parse().ok());
                    read.groups.extend(method.zip(group).map(|(method, group)| OfGroup {
                        group,
                        method,
                        octets_max,
                    }));
                }
                other => read.cir.read_word(other, value),
            }
        }
        read
    }
}
