//! What a person types: a line beginning with `/` is a command, any other is said to whom one talks with.

use std::time::Duration;

/// Longest `/wait`.
const WAIT_SECONDS_MAX: f64 = 3600.0;

/// What a line asks for. Names of users and groups are as typed.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Command {
    Nothing,
    Help,
    Say(String),
    To(Option<String>),
    Tell { who: String, text: String },
    Whisper { name: String, text: String },
    Who,
    Add { who: String, nickname: Option<String> },
    Remove(String),
    Status { availability: &'static str, text: Option<String> },
    Look(String),
    Allow(String),
    Deny(String),
    Block(Option<String>),
    Unblock(String),
    Create { group: String, topic: Option<String> },
    Delete(String),
    Join { group: String, name: Option<String> },
    Leave(Option<String>),
    In(Option<String>),
    Invite { who: String, group: Option<String> },
    Answer { yes: bool, id: Option<String> },
    Choose(String),
    Find { groups: bool, text: String },
    Profile(String),
    Send { file: String, who: Option<String> },
    Share { file: String, who: Option<String> },
    Save(Option<String>),
    Reports(bool),
    Wait(Duration),
    Quit,
}

/// The commands, each with its words and what it does.
pub(super) const HELP: &[(&str, &str)] = &[
    (
        "/to WHO",
        "talk with a user, a group or a contact list; what you type goes there. Alone: says with whom",
    ),
    ("/tell WHO TEXT", "one message, without turning to WHO"),
    ("/who", "your contacts and groups, and who is there"),
    ("/add WHO [NICKNAME]", "a contact: you see whether WHO is there, and WHO may see you"),
    ("/remove WHO", "a contact no more"),
    ("/status available|busy|away [TEXT]", "what others see of you"),
    ("/look WHO", "what WHO shows of itself now"),
    ("/allow WHO, /deny WHO", "whether WHO may see whether you are there"),
    ("/block [WHO], /unblock WHO", "who may not write to you; alone: the list"),
    ("/join GROUP [NAME]", "enter a group, under this name, and talk there"),
    ("/whisper NAME TEXT", "to one in the group alone"),
    ("/in [GROUP]", "who is in the group"),
    ("/leave [GROUP]", "leave it"),
    ("/create GROUP [TOPIC]", "make a group that anybody can find and join, and join it"),
    ("/delete GROUP", "end a group of yours"),
    ("/invite WHO [GROUP]", "into the group"),
    ("/accept [ID], /decline [ID]", "answer an invitation; alone: the last one"),
    ("/answer CHOICE", "answer what the provider asks"),
    ("/find user NAME, /find group NAME", "search"),
    ("/profile WHO", "what WHO has published"),
    ("/send FILE [WHO]", "send a picture, a sound or another file"),
    ("/share FILE [WHO]", "keep a file at your provider and send its link"),
    ("/save [FILE]", "write the last file or link that came to a file"),
    ("/reports on|off", "whether to hear when your messages arrive"),
    ("/wait SECONDS", "for scripts: until something comes, at most so long"),
    ("/quit", "log out and end; so does Ctrl-D"),
];

/// Understands a line; else says what is wrong with it.
pub(super) fn parse(line: &str) -> Result<Command, String> {
    let line = line.trim();
    if line.is_empty() {
        return Ok(Command::Nothing);
    }
    let Some(words) = line.strip_prefix('/') else { return Ok(Command::Say(line.to_owned())) };
    if let Some(escaped) = line.strip_prefix("//") {
        return Ok(Command::Say(format!("/{escaped}")));
    }
    let (verb, rest) = split(words);
    let needed = |what: &str| {
        if rest.is_empty() {
            Err(format!("/{verb} needs {what}; /help says more"))
        } else {
            Ok(rest.to_owned())
        }
    };
    let optional = || (!rest.is_empty()).then(|| rest.to_owned());
    // A word that must be there and what may follow it.
    let two = |what: &str| {
        let (first, second) = split(rest);
        if first.is_empty() {
            Err(format!("/{verb} needs {what}; /help says more"))
        } else {
            Ok((first.to_owned(), (!second.is_empty()).then(|| second.to_owned())))
        }
    };
    let both = |what: &str| match two(what)? {
        (first, Some(second)) => Ok((first, second)),
        _ => Err(format!("/{verb} needs {what}; /help says more")),
    };
    Ok(match verb.to_ascii_lowercase().as_str() {
        "help" | "h" | "?" => Command::Help,
        "to" | "t" => Command::To(optional()),
        "tell" | "msg" | "m" => {
            let (who, text) = both("a name and a text")?;
            Command::Tell { who, text }
        }
        "whisper" => {
            let (name, text) = both("a name in the group and a text")?;
            Command::Whisper { name, text }
        }
        "who" | "w" => Command::Who,
        "add" => {
            let (who, nickname) = two("an address")?;
            Command::Add { who, nickname }
        }
        "remove" => Command::Remove(needed("a name")?),
        "status" => {
            let (word, text) = two("available, busy or away")?;
            let availability = match word.to_ascii_lowercase().as_str() {
                "available" | "here" => "AVAILABLE",
                "busy" | "discreet" => "DISCREET",
                "away" | "not_available" => "NOT_AVAILABLE",
                _ => return Err(format!("{word:?} is neither available nor busy nor away")),
            };
            Command::Status { availability, text }
        }
        "look" => Command::Look(needed("a name")?),
        "allow" => Command::Allow(needed("a name")?),
        "deny" => Command::Deny(needed("a name")?),
        "block" => Command::Block(optional()),
        "unblock" => Command::Unblock(needed("a name")?),
        "create" => {
            let (group, topic) = two("a name for the group")?;
            Command::Create { group, topic }
        }
        "delete" => Command::Delete(needed("a group")?),
        "join" | "j" => {
            let (group, name) = two("a group")?;
            Command::Join { group, name }
        }
        "leave" => Command::Leave(optional()),
        "in" => Command::In(optional()),
        "invite" => {
            let (who, group) = two("a name")?;
            Command::Invite { who, group }
        }
        "accept" | "yes" => Command::Answer { yes: true, id: optional() },
        "decline" | "no" => Command::Answer { yes: false, id: optional() },
        "answer" => Command::Choose(needed("a choice")?),
        "find" => {
            let (what, text) = both("user or group, and a name")?;
            match what.as_str() {
                "user" | "users" => Command::Find { groups: false, text },
                "group" | "groups" => Command::Find { groups: true, text },
                _ => return Err(format!("{what:?} cannot be searched; /find user NAME or /find group NAME")),
            }
        }
        "profile" => Command::Profile(needed("a name")?),
        "send" => {
            let (file, who) = two("a file")?;
            Command::Send { file, who }
        }
        "share" => {
            let (file, who) = two("a file")?;
            Command::Share { file, who }
        }
        "save" => Command::Save(optional()),
        "reports" => match rest {
            "on" => Command::Reports(true),
            "off" => Command::Reports(false),
            _ => return Err("/reports on, or /reports off".to_owned()),
        },
        "wait" => {
            let seconds = rest.parse().ok().filter(|seconds| (0.0..=WAIT_SECONDS_MAX).contains(seconds));
            Command::Wait(Duration::from_secs_f64(seconds.ok_or("/wait needs seconds, at most 3600")?))
        }
        "quit" | "q" | "exit" | "bye" | "logout" => Command::Quit,
        _ => {
            return Err(format!(
                "there is no /{verb}; /help says what there is. // begins a text with a slash"
            ));
        }
    })
}

/// The first word, and the rest without the space between them.
fn split(text: &str) -> (&str, &str) {
    let text = text.trim();
    text.split_once(char::is_whitespace).map_or((text, ""), |(first, rest)| (first, rest.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_said_unless_it_begins_with_a_slash() {
        assert_eq!(parse("  hello, bo  "), Ok(Command::Say("hello, bo".into())));
        assert_eq!(parse("//etc is a folder"), Ok(Command::Say("/etc is a folder".into())));
        assert_eq!(parse("   "), Ok(Command::Nothing));
        assert_eq!(parse("/quit"), Ok(Command::Quit));
        assert_eq!(
            parse("/TELL bo  see you  at six "),
            Ok(Command::Tell { who: "bo".into(), text: "see you  at six".into() })
        );
        assert_eq!(parse("/add bo@south.example"), {
            Ok(Command::Add { who: "bo@south.example".into(), nickname: None })
        });
        assert_eq!(parse("/wait 0.5"), Ok(Command::Wait(Duration::from_millis(500))));
    }

    #[test]
    fn what_cannot_be_understood_is_told_in_one_line() {
        for line in [
            "/fly",
            "/tell bo",
            "/status sleepy",
            "/find bo",
            "/find map x",
            "/wait long",
            "/wait -1",
            "/wait NaN",
        ] {
            let told = parse(line).unwrap_err();
            assert!(!told.is_empty() && !told.contains('\n'), "{line}: {told}");
        }
    }

    #[test]
    fn every_command_of_the_help_is_understood() {
        for (usage, _) in HELP {
            for usage in usage.split(", ") {
                let filled = usage
                    .replace("available|busy|away", "busy")
                    .replace("on|off", "on")
                    .replace("SECONDS", "1")
                    .replace(['[', ']'], "");
                let command = parse(&filled);
                assert!(command.is_ok(), "{filled}: {command:?}");
            }
        }
    }
}
