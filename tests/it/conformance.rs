//! `docs/reference/conformance.md`: what of the protocols is kept, rendered from the codec tables, from
//! `conformance.toml` and from the golden examples, and compared with the committed copy.
//! `CAUSEWAY_BLESS=1` rewrites it.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::imps::Version;
use crate::imps::presence::{AttributeName, SetBy};
use crate::plays::{self, Plays};
use crate::wire::table::{Cardinality, RowInfo};
use crate::wire::tree::folded_hash;
use crate::wire::wbxml::tokens;
use crate::wire::{Carried, Limits, csp, ssp};

const LIMITS: Limits = Limits::for_document(1 << 20);

/// The plays in which nodes have counted each primitive.
const PLAYS: &str = "docs/reference/plays.tsv";

/// CSP primitives that only a server asks; all other requests are the client's.
const ASKED_BY_SERVERS: [&str; 12] = [
    "CancelInviteUser-Request",
    "DeliveryReport-Request",
    "Disconnect",
    "GroupChangeNotice",
    "InviteUser-Request",
    "MessageNotification",
    "NewMessage",
    "Notification-Request",
    "PresenceAuth-Request",
    "PresenceNotification-Request",
    "SystemMessage-Request",
    "Invite-Response",
];
/// From where to where the requests of SSP go (reference ssp-primitives). What is not named here is asked by a
/// user's home of the element that another provider runs for it, if it is delegated, else by either side.
const SSP_WAYS: [(&[&str], &str); 10] = [
    (&["SendMessageRequest"], "author's home → recipients' home; group's home → members' home"),
    (&["DeliveryStatusReport"], "recipient's home → author's home"),
    (
        &["SubscribeRequest", "UnsubscribeRequest", "GetPresenceRequest"],
        "watcher's home → home of the users watched",
    ),
    (&["PresenceNotification"], "home of the users watched → watchers' home"),
    (&["InviteRequest", "CancelInviteRequest"], "inviter's home → invitee's home"),
    (&["InviteResponse"], "invitee's home → inviter's home"),
    (
        &["SearchRequest", "StopSearchRequest", "VerifyIDRequest", "GetPublicProfileRequest"],
        "asker's home → home of what is looked for",
    ),
    (&["LeaveGroupIndication", "GroupChangeNotice"], "group's home → members' home"),
    (
        &["NewMessage", "MessageNotification", "PresenceAuthRequest", "SystemMessageRequest"],
        "element → user's home",
    ),
    (
        &[
            "KeepAliveRequest",
            "LogoutRequest",
            "Disconnect",
            "GetServiceRequest",
            "ServiceRequest",
            "ServiceIndication",
            "GetSPInfoRequest",
        ],
        "either side of the link",
    ),
];
/// Primitives of SSP that came later than their names in CSP say; 1.1 is what CSP does not have.
const SSP_SINCE: [(&str, Version); 2] =
    [("SystemMessageRequest", Version::V1_3), ("SystemMessageUser", Version::V1_3)];

/// Answers whose names do not say so.
const ANSWERED_BY_CLIENTS: [&str; 3] = ["InviteUser-Response", "MessageDelivered", "SystemMessage-User"];

/// Examples that are no documents in XML or WBXML: what they are, and the tests that read and write them.
const OTHERS: [(&str, &str, &str); 10] = [
    ("80-cir-stcp.txt", "initiation request", "the_golden_conversation_over_tcp_is_ours"),
    ("81-cir-sudp.txt", "initiation request", "the_golden_datagram_is_ours"),
    ("82-cir-wap-push.txt", "initiation request", "the_golden_push_is_ours"),
    ("83-cir-ssms.txt", "initiation request", "the_golden_sms_is_ours"),
    ("84-cir-http.txt", "initiation request", "a_phone_asks_its_url_whether_something_waits"),
    ("90-pts-login.txt", "plain text syntax", "the_golden_examples_are_read_and_written_octet_for_octet"),
    (
        "91-pts-capability.txt",
        "plain text syntax",
        "the_golden_examples_are_read_and_written_octet_for_octet",
    ),
    ("92-pts-presence.txt", "plain text syntax", "the_golden_examples_are_read_and_written_octet_for_octet"),
    (
        "93-pts-segmented.txt",
        "plain text syntax",
        "the_golden_pieces_are_one_primitive_in_whatever_order_they_come",
    ),
    ("sizes.tsv", "octets of the documents above", "our_documents_are_hardly_longer_than_the_golden_ones"),
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rules {
    rule: Vec<Rule>,
    #[serde(rename = "answered-501")]
    answered_501: Vec<Answered501>,
    #[serde(default)]
    function: Vec<Function>,
    /// Proofs of primitives that no metric counts: what servers ask of clients, and what is told and not answered.
    #[serde(default)]
    proof: Vec<Proof>,
    #[serde(skip)]
    plays: Plays,
}

/// A function of the Service Access Point, as the architecture document states it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Function {
    section: String,
    sentence: String,
    /// Where it is fulfilled.
    #[serde(default)]
    code: Vec<String>,
    #[serde(default)]
    tests: Vec<String>,
    /// What is missing.
    gap: Option<String>,
}

/// Which tests carry primitives from end to end.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Proof {
    protocol: String,
    primitives: Vec<String>,
    tests: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    /// Begins a chapter.
    chapter: Option<String>,
    id: String,
    section: String,
    level: Level,
    summary: String,
    status: Kept,
    reason: Option<String>,
    #[serde(default)]
    tests: Vec<String>,
}

/// Primitives that are not carried out, and why.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Answered501 {
    protocol: String,
    primitives: Vec<String>,
    /// Whether that is to be changed.
    status: Kept,
    reason: String,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Level {
    Must,
    Should,
    May,
    No,
}

impl Level {
    const fn word(self) -> &'static str {
        match self {
            Self::Must => "must",
            Self::Should => "should",
            Self::May => "may",
            Self::No => "declined",
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Kept {
    Yes,
    NotYet,
    No,
}

impl Kept {
    const fn word(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::NotYet => "*not yet*",
            Self::No => "no",
        }
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn rules() -> Rules {
    let text = fs::read_to_string(root().join("docs/reference/conformance.toml")).unwrap();
    let mut rules: Rules = toml::from_str(&text).unwrap_or_else(|error| panic!("conformance.toml: {error}"));
    let plays = plays::read(&fs::read_to_string(root().join(PLAYS)).unwrap());
    rules.plays =
        plays.into_iter().map(|((protocol, name), tests)| ((protocol, folded(&name)), tests)).collect();
    rules
}

fn files(folder: &Path, extension: &str, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, extension, found);
        } else if path.extension().is_some_and(|found| found == extension) {
            found.push(path);
        }
    }
}

/// What stands behind `fn` in the first line of a function that may be a test.
fn function(line: &str) -> Option<&str> {
    let line = ["pub(super) ", "pub(in crate::store) "]
        .iter()
        .find_map(|visible| line.strip_prefix(visible))
        .unwrap_or(line);
    line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ")
}

/// The name of every test of the sources.
fn tests() -> BTreeSet<String> {
    let mut sources = Vec::new();
    files(&root().join("src"), "rs", &mut sources);
    files(&root().join("tests/it"), "rs", &mut sources);
    let mut found = BTreeSet::new();
    for path in sources {
        let text = fs::read_to_string(&path).unwrap();
        let mut is_test = false;
        for line in text.lines().map(str::trim) {
            if line.starts_with("#[") {
                is_test |= line == "#[test]" || line.starts_with("#[tokio::test");
            } else if let Some(rest) = function(line) {
                // Promises of the store are functions that a macro makes tests of.
                if is_test || rest.contains("(store: &dyn Store)") {
                    found.insert(rest.split('(').next().unwrap_or_default().to_owned());
                }
                is_test = false;
            } else if !line.starts_with("//") {
                is_test = false;
            }
        }
    }
    found
}

#[test]
fn every_rule_that_is_kept_names_its_tests_and_every_other_its_reason() {
    let tests = tests();
    assert!(tests.len() > 300, "{} tests found", tests.len());
    let mut wrong = Vec::new();
    let mut ids = BTreeSet::new();
    for rule in rules().rule {
        if !ids.insert(rule.id.clone()) {
            wrong.push(format!("{} stands twice", rule.id));
        }
        if (rule.status == Kept::Yes) == rule.tests.is_empty() {
            wrong.push(format!("{}: tests belong to what is kept, and to nothing else", rule.id));
        }
        if (rule.status == Kept::Yes) == rule.reason.is_some() {
            wrong.push(format!("{}: a reason belongs to what is not kept, and to nothing else", rule.id));
        }
        for test in rule.tests.iter().filter(|test| !tests.contains(*test)) {
            wrong.push(format!("{}: there is no test {test}", rule.id));
        }
    }
    let rules = rules();
    for function in &rules.function {
        for path in function.code.iter().filter(|path| !root().join(path).exists()) {
            wrong.push(format!("{}: there is no {path}", function.sentence));
        }
        for test in function.tests.iter().filter(|test| !tests.contains(*test)) {
            wrong.push(format!("{}: there is no test {test}", function.sentence));
        }
        if function.gap.is_none() && (function.code.is_empty() || function.tests.is_empty()) {
            wrong.push(format!("{}: neither fulfilled nor a gap", function.sentence));
        }
    }
    for proof in &rules.proof {
        let (served, _) = if proof.protocol == "CSP" { csp::names() } else { ssp::names() };
        for primitive in proof.primitives.iter().filter(|name| !served.contains(&name.as_str())) {
            wrong.push(format!("{primitive} of {} is not served", proof.protocol));
        }
        for test in proof.tests.iter().filter(|test| !tests.contains(*test)) {
            wrong.push(format!("{:?}: there is no test {test}", proof.primitives));
        }
    }
    for test in rules.plays.values().flatten().filter(|test| !tests.contains(*test)) {
        wrong.push(format!("{PLAYS}: there is no test {test}; `just plays` counts anew"));
    }
    assert!(wrong.is_empty(), "conformance.toml:\n{}", wrong.join("\n"));
}

/// Words in backquotes that can only be names of tests: three words or more.
fn named(page: &str) -> impl Iterator<Item = &str> {
    page.split('`').skip(1).step_by(2).filter(|word| {
        word.split('_').count() > 2
            && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
    })
}

#[test]
fn the_pages_that_promise_name_tests_that_exist() {
    let tests = tests();
    for (page, at_least) in [("threat-model.md", 30), ("delivery.md", 15)] {
        let text = fs::read_to_string(root().join("docs/explanation").join(page)).unwrap();
        // Names of metrics look the same.
        let named: Vec<_> = named(&text).filter(|word| !word.starts_with("causeway_")).collect();
        for test in &named {
            assert!(tests.contains(*test), "{page}: there is no test {test}");
        }
        assert!(named.len() > at_least, "{page}: {} tests named", named.len());
    }
}

fn versions(since: Version, until: Version) -> String {
    match (since, until) {
        (Version::V1_1, Version::V1_3) => "1.1 – 1.3".to_owned(),
        (since, until) if since == until => since.to_string(),
        (since, until) => format!("{since} – {until}"),
    }
}

/// Who sends a CSP primitive.
fn sender(name: &str) -> &'static str {
    if name == "Status" {
        "both answer"
    } else if ASKED_BY_SERVERS.contains(&name) {
        "server asks"
    } else if ANSWERED_BY_CLIENTS.contains(&name) {
        "client answers"
    } else if name.ends_with("-Response") {
        "server answers"
    } else {
        "client asks"
    }
}

/// From where to where a primitive of SSP goes.
fn way(name: &str, is_group: bool) -> &'static str {
    let known = SSP_WAYS.iter().find(|(names, _)| names.contains(&name));
    match known {
        Some((_, way)) => way,
        None if name == "Status" || name.ends_with("Response") => "back to who asked",
        None if is_group => "member's home → group's home",
        None => "user's home → element",
    }
}

/// The first version of SSP that has this primitive: as the same request of CSP, else from the beginning.
fn ssp_since(name: &str) -> Version {
    let known = SSP_SINCE.iter().find(|(known, _)| *known == name).map(|(_, since)| *since);
    let in_csp = || tokens::tag_of(folded_hash(name)).map(|tag| tag.row.since);
    known.or_else(in_csp).unwrap_or(Version::V1_1)
}

fn state(protocol: &str, name: &str, is_served: bool, rules: &Rules) -> String {
    let only_read = rules
        .answered_501
        .iter()
        .find(|entry| entry.protocol == protocol && entry.primitives.iter().any(|one| one == name));
    match (only_read, is_served) {
        (Some(entry), _) => format!("{}: {}", entry.status.word(), entry.reason),
        (None, true) => "served".to_owned(),
        (None, false) => "*not yet*: known, answered 501".to_owned(),
    }
}

/// A name of a primitive in the spelling that elements and neutral values share.
fn folded(name: &str) -> String {
    name.replace('-', "").to_ascii_lowercase()
}

/// The tests that carry a primitive from end to end: those that were counted, then those that are claimed.
fn proofs(protocol: &str, name: &str, rules: &Rules) -> String {
    let counted = |name: &str| rules.plays.get(&(protocol.to_owned(), folded(name)));
    // An answer is carried wherever its request was answered with success.
    let request = name.strip_suffix("Response").map(|stem| format!("{stem}Request"));
    let counted = counted(name).or_else(|| counted(&request?)).into_iter().flatten();
    let claimed = rules.proof.iter().filter(|proof| proof.protocol == protocol);
    let claimed = claimed.filter(|proof| proof.primitives.iter().any(|one| one == name));
    let mut tests: Vec<String> = Vec::new();
    for test in counted.chain(claimed.flat_map(|proof| &proof.tests)) {
        let test = format!("`{test}`");
        if !tests.contains(&test) {
            tests.push(test);
        }
    }
    tests.join("; ")
}

/// The functions of the Service Access Point, sentence by sentence.
fn functions(page: &mut String, rules: &Rules) {
    if rules.function.is_empty() {
        return;
    }
    page.push_str(
        "\n## Functions of the Service Access Point\n\nWhat the architecture document asks of it (OMA-WV-Arch-V1_1 \
         §6.1.5.1 – 6.1.5.4), sentence by sentence, with the code and the tests that fulfil it.\n\n\
         | Section | Sentence | Code | Proof, or gap |\n| --- | --- | --- | --- |\n",
    );
    for function in &rules.function {
        let quoted =
            |words: &[String]| words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join("; ");
        let mut proof = quoted(&function.tests);
        if let Some(gap) = &function.gap {
            write!(proof, "{}*not yet*: {gap}", if proof.is_empty() { "" } else { "; " }).unwrap();
        }
        let (section, sentence) = (&function.section, &function.sentence);
        writeln!(page, "| {section} | {sentence} | {} | {proof} |", quoted(&function.code)).unwrap();
    }
}

fn csp_primitives(page: &mut String, rules: &Rules) {
    let (served, unserved) = csp::names();
    page.push_str(
        "\n## Primitives of CSP\n\n| Primitive | Who | Versions | State | Proof |\n| --- | --- | --- | --- | --- |\n",
    );
    for (name, is_served) in
        served.iter().map(|name| (*name, true)).chain(unserved.iter().map(|name| (*name, false)))
    {
        let row = tokens::tag_of(folded_hash(name)).unwrap().row;
        let state = state("CSP", name, is_served, rules);
        let (who, versions) = (sender(name), versions(row.since, row.until));
        writeln!(page, "| {name} | {who} | {versions} | {state} | {} |", proofs("CSP", name, rules)).unwrap();
    }
}

fn ssp_primitives(page: &mut String, rules: &Rules) {
    let (served, unserved) = ssp::names();
    page.push_str(
        "\n## Primitives of SSP\n\nEach of them is sent and taken by a node, which is now the one home and now the \
         other. A version says what the feature came with; the elements are those of 1.3 in every version. The six steps \
         of the set-up (SendSecretToken, LoginRequest, LoginResponse, from both sides) are served too.\n\n\
         | Primitive | From → to | Since | State | Proof |\n| --- | --- | --- | --- | --- |\n",
    );
    for (name, is_served) in
        served.iter().map(|name| (*name, true)).chain(unserved.iter().map(|name| (*name, false)))
    {
        let state = state("SSP", name, is_served, rules);
        let is_group = !name.ends_with("Response")
            && ["Group", "JoinedUsers", "MemberAccess", "RejectList"].iter().any(|word| name.contains(word));
        let (way, since) = (way(name, is_group), ssp_since(name));
        writeln!(page, "| {name} | {way} | {since} | {state} | {} |", proofs("SSP", name, rules)).unwrap();
    }
}

fn fields(page: &mut String, protocol: &str, tables: Vec<(&'static str, Vec<RowInfo>)>) {
    write!(
        page,
        "\n## Fields in {protocol}\n\nWhere each field of a neutral value stands, below the element of its primitive; \
         `@` is an attribute. From the tables of the codec.\n\n\
         | Value | Field | Stands in | Also read | How often | Versions |\n| --- | --- | --- | --- | --- | --- |\n"
    )
    .unwrap();
    for (value, rows) in tables {
        for row in rows {
            let mut place = row.elements.join("/");
            if let Some(attribute) = row.attribute {
                write!(place, "{}@{attribute}", if place.is_empty() { "" } else { "/" }).unwrap();
            }
            let often = match row.cardinality {
                Cardinality::Lost => "has no place",
                Cardinality::One => "once",
                Cardinality::Optional => "at most once",
                Cardinality::Many => "any number",
            };
            let since = row.since.unwrap_or(Version::V1_1);
            let versions = versions(since, row.until.unwrap_or(Version::V1_3));
            writeln!(
                page,
                "| {value} | {} | {} | {} | {often} | {versions} |",
                row.field,
                if place.is_empty() && row.cardinality != Cardinality::Lost { "its text" } else { &place },
                row.also.join(", ")
            )
            .unwrap();
        }
    }
}

/// The test of a presence attribute, by its name.
fn attribute_test(name: AttributeName) -> String {
    let mut snake = String::new();
    let upper = name.as_str() == name.as_str().to_uppercase();
    for (place, letter) in name.as_str().char_indices() {
        if letter.is_uppercase() && place > 0 && !upper {
            snake.push('_');
        }
        snake.extend(letter.to_lowercase());
    }
    format!("{snake}_in_every_version_and_encoding")
}

/// Every presence attribute: whose it is, what stands in it, which words it knows, who sets it.
fn attributes(page: &mut String) {
    page.push_str(
        "\n## Presence attributes\n\nFrom the tables of the codec and of the standard's words. Elements and words that \
         only some versions have say which; what a version lacks is left out for it, and words without a short form \
         in WBXML are sent as text. Words that are not listed are kept and passed on; what is no text at all is \
         answered 751, an element that is no attribute 750.\n\n\
         | Attribute | One for each | Versions | Elements | Words | Set by | Proof |\n\
         | --- | --- | --- | --- | --- | --- | --- |\n",
    );
    for name in AttributeName::ALL {
        let whose = if name.is_client_status() { "client" } else { "user" };
        let rows = causeway::wire::pa::rows_of(*name).into_iter().filter(|row| {
            // A client is named by what is said of clients alone.
            name.is_client_status() || row.elements.last() != Some(&"ClientID")
        });
        let elements: Vec<String> = rows
            .filter_map(|row| {
                let element = row.elements.join("/");
                let since = row.since.map(|since| format!(" ({since})")).unwrap_or_default();
                (!element.is_empty()).then(|| format!("{element}{since}"))
            })
            .collect();
        let words: Vec<String> = name
            .words()
            .iter()
            .map(|words| {
                let older = if words.older.is_empty() {
                    String::new()
                } else {
                    format!("; to 1.2 {}", words.older.join(" "))
                };
                format!("{}: {}{older}", words.element, words.known.join(" "))
            })
            .collect();
        let set_by = match name.set_by() {
            SetBy::Server => "server, from the sessions",
            SetBy::Client => "client",
            SetBy::ClientAfterServer => "client; before it, server",
            SetBy::User => "user",
        };
        let (words, elements) = (words.join(". "), elements.join(", "));
        let (versions, test) = (versions(name.since(), Version::V1_3), attribute_test(*name));
        writeln!(
            page,
            "| {} | {whose} | {versions} | {elements} | {words} | {set_by} | `{test}` |",
            name.as_str()
        )
        .unwrap();
    }
}

#[test]
fn every_presence_attribute_has_its_test() {
    let tests = tests();
    for name in AttributeName::ALL {
        assert!(tests.contains(&attribute_test(*name)), "there is no {}", attribute_test(*name));
    }
}

fn rule_tables(page: &mut String, rules: &Rules) {
    for rule in &rules.rule {
        if let Some(chapter) = &rule.chapter {
            write!(
                page,
                "\n## {chapter}\n\n| Id | Section | Level | Rule | Kept | Proof, or reason |\n\
                 | --- | --- | --- | --- | --- | --- |\n"
            )
            .unwrap();
        }
        let proofs: Vec<String> = rule.tests.iter().map(|test| format!("`{test}`")).collect();
        let proof = rule.reason.clone().unwrap_or_else(|| proofs.join("; "));
        let (level, kept) = (rule.level.word(), rule.status.word());
        writeln!(page, "| {} | {} | {level} | {} | {kept} | {proof} |", rule.id, rule.section, rule.summary)
            .unwrap();
    }
}

/// What a golden document came to. An unknown or faulty one is a failure.
fn verdict(file: &str, carried: &[&Carried]) -> (bool, String) {
    let mut is_decoded = true;
    let names: Vec<&str> = carried
        .iter()
        .map(|carried| match carried {
            Carried::Primitive(_) => carried.name(),
            Carried::NotServed(name) => {
                is_decoded = false;
                name
            }
            Carried::Unknown(_) | Carried::Faulty { .. } => panic!("{file}: {carried:?}"),
        })
        .collect();
    (is_decoded, names.join(", "))
}

/// Every golden example: file, whether all of it is decoded, and what it holds.
fn examples() -> Vec<(String, bool, String)> {
    let mut found = Vec::new();
    let mut paths = Vec::new();
    for folder in ["csp", "ssp"] {
        let folder = root().join("tests/golden").join(folder);
        paths.extend(fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()));
    }
    paths.sort();
    for path in paths {
        let file = path.strip_prefix(root().join("tests/golden")).unwrap().to_string_lossy().into_owned();
        let octets = fs::read(&path).unwrap();
        let extension = path.extension().unwrap_or_default().to_string_lossy();
        let (is_decoded, holds) = if file.starts_with("ssp/") {
            let message =
                ssp::read(&octets, None, &LIMITS).unwrap_or_else(|refusal| panic!("{file}: {refusal}"));
            match message.body {
                ssp::Body::Setup(setup) => (true, setup.element.name().to_owned()),
                ssp::Body::Session(session) => {
                    let carried: Vec<&Carried> =
                        session.transactions.iter().map(|one| &one.content).collect();
                    verdict(&file, &carried)
                }
            }
        } else if let Some(encoding) = csp::encoding_of(&extension) {
            let message = csp::read(&octets, encoding, None, &LIMITS)
                .unwrap_or_else(|refusal| panic!("{file}: {refusal}"));
            let carried: Vec<&Carried> = message.transactions.iter().map(|one| &one.content).collect();
            verdict(&file, &carried)
        } else {
            match OTHERS.iter().find(|(name, ..)| file.ends_with(name)) {
                Some((_, what, test)) => (true, format!("{what}: `{test}`")),
                None => (false, "neither XML nor WBXML: text encoding".to_owned()),
            }
        };
        found.push((file, is_decoded, holds));
    }
    found
}

fn render() -> String {
    let rules = rules();
    let examples = examples();
    let mut page = String::from(
        "# Conformance\n\nWhat of CSP and SSP this version keeps, and what *not yet*. This page is made by \
         `tests/it/conformance.rs` from the tables of the codec, from [conformance.toml](conformance.toml) and from \
         the golden examples; `just bless` writes it anew.\n\n",
    );
    let count = |kept| rules.rule.iter().filter(|rule| rule.status == kept).count();
    let (csp_served, csp_unserved) = csp::names();
    let (ssp_served, ssp_unserved) = ssp::names();
    // Of these names: served, not yet, and never.
    let counted = |protocol: &str, served: &[&str], unserved: &[&str]| -> (usize, usize, usize) {
        let entries = || rules.answered_501.iter().filter(|entry| entry.protocol == protocol);
        let among = |names: &[&str], status: Option<Kept>| -> usize {
            let chosen = entries().filter(|entry| status.is_none_or(|status| entry.status == status));
            let told = chosen.flat_map(|entry| &entry.primitives);
            told.filter(|name| names.contains(&name.as_str())).count()
        };
        let never = among(served, Some(Kept::No)) + among(unserved, Some(Kept::No));
        let kept = served.len() - among(served, None);
        (kept, served.len() + unserved.len() - kept - never, never)
    };
    let (csp, ssp) = (counted("CSP", &csp_served, csp_unserved), counted("SSP", &ssp_served, ssp_unserved));
    let decoded = examples.iter().filter(|example| example.1).count();
    write!(
        page,
        "| | kept, served, decoded | *not yet* | no |\n| --- | --- | --- | --- |\n\
         | Rules | {} | {} | {} |\n| Primitives of CSP | {} | {} | {} |\n| Primitives of SSP | {} | {} | {} |\n\
         | Golden examples | {decoded} | {} | |\n",
        count(Kept::Yes),
        count(Kept::NotYet),
        count(Kept::No),
        csp.0,
        csp.1,
        csp.2,
        ssp.0,
        ssp.1,
        ssp.2,
        examples.len() - decoded,
    )
    .unwrap();
    csp_primitives(&mut page, &rules);
    ssp_primitives(&mut page, &rules);
    functions(&mut page, &rules);
    attributes(&mut page);
    rule_tables(&mut page, &rules);
    page.push_str(
        "\n## Golden examples\n\nEvery file of `tests/golden/csp` and `tests/golden/ssp`. What is decoded is also \
         written and read again, to an equal value.\n\n| File | State | Holds |\n| --- | --- | --- |\n",
    );
    for (file, is_decoded, holds) in &examples {
        let state = if *is_decoded { "decoded" } else { "*not yet*" };
        writeln!(page, "| [{file}](../../tests/golden/{file}) | {state} | {holds} |").unwrap();
    }
    fields(&mut page, "CSP", csp::tables());
    fields(&mut page, "SSP", ssp::tables());
    fields(&mut page, "PA", causeway::wire::pa::tables());
    page
}

#[test]
fn the_conformance_page_is_what_tables_rules_and_examples_say() {
    let path = root().join("docs/reference/conformance.md");
    let is_blessed = std::env::var("CAUSEWAY_BLESS").is_ok_and(|value| value == "1");
    if let (true, Some(notes)) = (is_blessed, plays::notes()) {
        fs::write(root().join(PLAYS), plays::choice(&fs::read_to_string(notes).unwrap())).unwrap();
    }
    let page = render();
    if is_blessed {
        fs::write(&path, &page).unwrap();
        return;
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    let differing = committed.lines().zip(page.lines()).find(|(committed, made)| committed != made);
    assert!(
        committed == page,
        "{} is old: `just bless` writes it anew. First difference: {differing:?}",
        path.display()
    );
}
