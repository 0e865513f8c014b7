//! A message on its way to its recipients.

use std::sync::Arc;

use std::time::Duration;

use crate::imps::chance::token;
use crate::imps::primitive::{
    Author, ClientId, Display, MessageInfo, MetaInfo, NewMessage, Recipient, ScreenName, SendMessageRequest,
    SendMessageResponse, Sender, User,
};
use crate::imps::{
    Chance, Code, Content, Domain, GroupId, IdError, MessageId, Moment, Primitive, ServiceId, SessionId,
    Status, TransactionId, UserId,
};
use crate::wire::ssp::Style;

use super::fragment;
use super::mail::{Mail, MailKind};
use super::parcel::{Parcel, lane, order};

/// Seconds a message is kept if its author says nothing (reference csp-messages §7).
pub const VALIDITY_DEFAULT_SECONDS: u32 = 86_400;
/// Longest validity in seconds; more is cut to it.
pub const VALIDITY_MAX_SECONDS: u32 = 7 * 86_400;
/// How long a message of validity 0 may take. Nobody waits for it at the recipient's: who is not logged
/// in does not get it (533); who is gets it with one of the next polls.
pub const IMMEDIATE: Duration = Duration::from_secs(120);
/// How long a recipient's home may need for its report after the message has ended there.
pub const REPORT_GRACE: Duration = Duration::from_secs(86_400);

/// Where the author is at home.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Home {
    /// Here: the message gets its id and time from us.
    Here,
    /// Elsewhere: id and time are kept, they are the same for all domains.
    Elsewhere,
}

/// A message that is complete but for its recipients.
#[derive(Clone, Debug, PartialEq)]
pub struct Prepared {
    /// About it, without recipients.
    info: MessageInfo,
    content: Option<Content>,
    report_wanted: bool,
    id: MessageId,
    author: Writer,
    accepted: Moment,
    expires: Moment,
}

/// Who wrote it.
#[derive(Clone, Debug, PartialEq)]
struct Writer {
    domain: Domain,
    shown: Box<str>,
    user: Option<UserId>,
}

impl Prepared {
    /// The id that all recipients and the author see.
    pub const fn id(&self) -> &MessageId {
        &self.id
    }

    /// Whether the author wants to hear of delivery.
    pub const fn report_wanted(&self) -> bool {
        self.report_wanted
    }

    /// Type and octets of the content that is in it; `None`: the content lies elsewhere.
    pub fn carries(&self) -> Option<(Option<&str>, u64)> {
        let octets = u64::try_from(self.content.as_ref()?.octets().len()).unwrap_or(u64::MAX);
        Some((self.info.content_type.as_deref(), octets))
    }

    /// Whether it waits for who is not logged in.
    pub fn waits(&self) -> bool {
        self.info.validity != Some(0)
    }

    /// When it is given up.
    pub const fn expires(&self) -> Moment {
        self.expires
    }

    /// The same message as a group passes it on: by the screen name of its author, who stays hidden and
    /// hears of no delivery. `to`: one screen name instead of the whole group. 901: a group without domain.
    pub fn through_group(&self, group: &GroupId, name: &str, to: Option<&ScreenName>) -> Result<Self, Code> {
        let shown = ScreenName { name: name.into(), group: group.clone() };
        let sender = Sender { author: Author::Group(group.clone()), shown: Some(Display::ScreenName(shown)) };
        let addressed = match to {
            Some(name) => Display::ScreenName(name.clone()),
            None => Display::Group(group.clone()),
        };
        Ok(Self {
            info: MessageInfo { sender: Some(sender), addressed: Some(addressed), ..self.info.clone() },
            report_wanted: false,
            author: Writer {
                domain: group.domain().ok_or(Code::ADDRESS_ERROR)?,
                shown: group.as_str().into(),
                user: None,
            },
            ..self.clone()
        })
    }

    /// The same message with the name that its author has in the group it is for.
    #[must_use]
    pub fn shown_as(&self, name: ScreenName) -> Self {
        let mut shown = self.clone();
        if let Some(sender) = &mut shown.info.sender {
            sender.shown = Some(Display::ScreenName(name));
        }
        shown
    }

    /// Who wrote it, as others see it.
    pub const fn sender(&self) -> Option<&Sender> {
        self.info.sender.as_ref()
    }

    /// Home of the author.
    pub const fn origin(&self) -> &Domain {
        &self.author.domain
    }

    /// The last moment at which a report about it may still come from another domain: it may leave
    /// shortly before it expires here, and then has its validity there once more.
    pub fn reports_until(&self) -> Moment {
        self.expires.after(self.expires.since(self.accepted)).after(REPORT_GRACE)
    }
}

/// A new message id, `token@own-domain`; where the domain is so long that both do not fit, the token
/// alone (reference ssp-transport §2.1).
pub fn message_id(own: &Domain, chance: &mut dyn Chance) -> Result<MessageId, IdError> {
    let token = token::<15>(chance);
    format!("{token}@{own}").parse().or_else(|_| token.parse())
}

/// Makes a message complete. `fresh` becomes the id of a message of ours, whatever its client wrote, and
/// of a foreign one that has none. 402: neither content nor a place to fetch it. 403: a foreign one whose content
/// lies elsewhere than behind `https`. 400: no sender, which the
/// door does not let pass.
pub fn prepare(
    request: SendMessageRequest,
    home: Home,
    fresh: MessageId,
    now: Moment,
) -> Result<Prepared, Code> {
    let SendMessageRequest { delivery_report, mut info, content } = request;
    if content.is_none() && info.uri.is_none() {
        return Err(Code::BAD_PARAMETER);
    }
    if home == Home::Elsewhere {
        info.uri = crossing(info.uri, content.is_some())?;
    }
    let author = match &info.sender.as_ref().ok_or(Code::BAD_REQUEST)?.author {
        Author::User(user) => Writer {
            domain: user.id.domain().ok_or(Code::BAD_REQUEST)?,
            shown: user.id.as_str().into(),
            user: Some(user.id.clone()),
        },
        Author::Group(group) => Writer {
            domain: group.domain().ok_or(Code::BAD_REQUEST)?,
            shown: group.as_str().into(),
            user: None,
        },
    };
    let id = match home {
        Home::Here => fresh,
        Home::Elsewhere => info.id.take().unwrap_or(fresh),
    };
    info.id = Some(id.clone());
    info.date_time.get_or_insert(now.date_time());
    info.content_type = info.content_type.filter(|kind| !kind.trim().is_empty());
    if let Some(content) = &content {
        info.content_type.get_or_insert_with(|| "text/plain".into());
        info.content_size = Some(u64::try_from(content.octets().len()).unwrap_or(u64::MAX));
        info.content_encoding = None;
    }
    let seconds = info.validity.unwrap_or(VALIDITY_DEFAULT_SECONDS).min(VALIDITY_MAX_SECONDS);
    info.validity = Some(seconds);
    info.recipients.clear();
    let keep = if seconds == 0 { IMMEDIATE } else { Duration::from_secs(seconds.into()) };
    Ok(Prepared {
        info,
        content,
        report_wanted: delivery_report,
        id,
        author,
        accepted: now,
        expires: now.after(keep),
    })
}

/// The place of content as it may cross between providers: only `https` (reference ssp-primitives §1.4). Where
/// the content is in the message, another place is left out; 403 where it is not.
fn crossing(uri: Option<Box<str>>, has_content: bool) -> Result<Option<Box<str>>, Code> {
    let safe = |uri: &str| {
        let scheme = uri.trim_start().split_once("://").map(|(scheme, _)| scheme);
        scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case("https"))
    };
    match uri {
        Some(uri) if !safe(&uri) => {
            if has_content {
                Ok(None)
            } else {
                Err(Code::FORBIDDEN)
            }
        }
        uri => Ok(uri),
    }
}

/// The answer to the author: the id is left out when everything failed (reference ssp-primitives §1.2).
pub fn answer(result: Status, id: &MessageId) -> Primitive {
    let message_id = result.code.is_success().then(|| id.clone());
    Primitive::SendMessageResponse(SendMessageResponse { result, message_id })
}

/// What is known here about a local recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resident {
    /// There is no such account.
    Unknown,
    /// The account has no session now.
    Offline {
        /// Whether it wants messages to wait for it.
        waits: bool,
    },
    /// The account has a session.
    Online,
}

/// The message for one local recipient. `reply_to` is the transaction that brought it, if a report must
/// go back inside it ([`Mail::reply_to`]). 531: no such user; 533: not logged in, and the message does
/// not wait.
pub fn to_local(
    prepared: &Prepared,
    recipient: &User,
    resident: Resident,
    reply_to: Option<TransactionId>,
) -> Result<Mail, Code> {
    match resident {
        Resident::Unknown => return Err(Code::UNKNOWN_USER),
        Resident::Offline { waits } if !waits || prepared.info.validity == Some(0) => {
            return Err(Code::NOT_LOGGED_IN);
        }
        Resident::Offline { .. } | Resident::Online => {}
    }
    let info = MessageInfo { recipients: vec![Recipient::User(recipient.clone())], ..prepared.info.clone() };
    let content_type = info.content_type.clone().unwrap_or_default();
    let content_octets = info.content_size.unwrap_or_default();
    let message = Primitive::NewMessage(NewMessage { info, content: prepared.content.clone() });
    Ok(Mail {
        owner: recipient.id.clone(),
        kind: MailKind::Message,
        message_id: prepared.id.clone(),
        sender: prepared.author.shown.clone(),
        origin: prepared.author.domain.clone(),
        accepted: prepared.accepted,
        expires: prepared.expires,
        report_wanted: prepared.report_wanted,
        reply_to: if prepared.report_wanted { reply_to } else { None },
        content_type,
        content_octets,
        session: None,
        replaces: None,
        body: fragment::mail(&message)?,
    })
}

/// The message for one session of a user who is in a group, as that group's. `origin` is where the
/// message began: what names it against repeats.
pub fn to_member(
    prepared: &Prepared,
    user: &UserId,
    session: &SessionId,
    group: &GroupId,
    origin: &Domain,
) -> Result<Mail, Code> {
    let mail = to_local(prepared, &User::from(user.clone()), Resident::Online, None)?;
    Ok(Mail {
        origin: origin.clone(),
        report_wanted: false,
        session: Some(session.clone()),
        body: as_heard(prepared, group)?,
        ..mail
    })
}

/// A message as everybody hears it who is in the group.
pub fn as_heard(prepared: &Prepared, group: &GroupId) -> Result<Arc<[u8]>, Code> {
    let to = match &prepared.info.addressed {
        Some(Display::ScreenName(name)) if name.group == *group => Recipient::ScreenName(name.clone()),
        _ => Recipient::Group(group.clone()),
    };
    let info = MessageInfo { recipients: vec![to], addressed: None, ..prepared.info.clone() };
    let message = Primitive::NewMessage(NewMessage { info, content: prepared.content.clone() });
    Ok(fragment::mail(&message)?)
}

/// The link that a parcel takes.
#[derive(Clone, Copy, Debug)]
pub struct Link<'a> {
    /// Our domain on it.
    pub own: &'a Domain,
    /// The other side.
    pub peer: &'a Domain,
    /// How SSP is written there.
    pub style: Style,
}

/// The message for the recipients of one foreign domain. `client` is the client that sent it. 403: its content
/// lies elsewhere than behind `https`.
pub fn to_peer(
    prepared: &Prepared,
    recipients: Vec<Recipient>,
    client: Option<&ClientId>,
    link: &Link<'_>,
) -> Result<Parcel, Code> {
    let uri = crossing(prepared.info.uri.clone(), prepared.content.is_some())?;
    // A legacy peer falls over a request that nobody asked for: the group's name stands for somebody.
    let nobody = || {
        let sender = prepared.info.sender.as_ref().filter(|_| link.style.legacy)?;
        let Author::Group(group) = &sender.author else { return None };
        format!("wv:{}@{}", group.resource()?, prepared.author.domain).parse::<UserId>().ok()
    };
    let requestor = prepared.author.user.clone().or_else(nobody);
    let requestor = requestor.map(|id| User { client: client.cloned(), ..User::from(id) });
    let meta = MetaInfo {
        client_originated: requestor.is_some(),
        service: ServiceId::of(prepared.author.domain.clone()),
        user: requestor,
    };
    let order = order(&prepared.author.shown, &recipients);
    let request = Primitive::SendMessageRequest(SendMessageRequest {
        delivery_report: prepared.report_wanted,
        info: MessageInfo { uri, recipients, ..prepared.info.clone() },
        content: prepared.content.clone(),
    });
    Ok(Parcel {
        own: link.own.clone(),
        peer: link.peer.clone(),
        notice: false,
        primitive: request.name(),
        message_id: Some(prepared.id.clone()),
        author: prepared.author.user.clone(),
        order,
        lane: lane(&prepared.author.shown),
        accepted: prepared.accepted,
        expires: prepared.expires,
        reply_to: None,
        body: fragment::parcel(&request, &meta, link.style)?,
    })
}

/// The recipients of a message that waits to leave: what its answer is judged by after a restart.
pub fn recipients(body: &[u8]) -> Result<Vec<Recipient>, Code> {
    let (request, _) = fragment::open_message(body)?;
    Ok(request.info.recipients)
}

/// The group in which this was said, and those whom the request tells so; `None` if it is no message of a group.
pub fn heard_in(body: &[u8]) -> Result<Option<(GroupId, Vec<UserId>)>, Code> {
    let (request, _) = fragment::open_message(body)?;
    let Some(Author::Group(group)) = request.info.sender.map(|sender| sender.author) else {
        return Ok(None);
    };
    let users = request.info.recipients.into_iter().filter_map(|recipient| match recipient {
        Recipient::User(user) => Some(user.id),
        _ => None,
    });
    Ok(Some((group, users.collect())))
}

/// The same message for some of its recipients, where only these are to be tried again.
pub fn narrowed(body: &[u8], recipients: Vec<Recipient>, style: Style) -> Result<std::sync::Arc<[u8]>, Code> {
    let (mut request, meta) = fragment::open_message(body)?;
    request.info.recipients = recipients;
    Ok(fragment::parcel(&Primitive::SendMessageRequest(request), &meta, style)?)
}

#[cfg(test)]
mod tests {
    use super::super::stage::*;
    use super::*;
    use crate::imps::DateTime;
    use crate::imps::chance::testing::Fixed;

    #[test]
    fn a_message_id_ends_in_the_domain_that_gave_it() {
        let given = message_id(&domain("north.example"), &mut Fixed(0)).unwrap();
        assert_eq!(given.as_str(), "AAAAAAAAAAAAAAAAAAAA@north.example");
        let long = domain(
            &[["a"; 60].concat(), ["b"; 60].concat(), ["c"; 60].concat(), ["d"; 60].concat()].join("."),
        );
        assert_eq!(
            message_id(&long, &mut Fixed(1)).unwrap().as_str(),
            "AQEBAQEBAQEBAQEBAQEBAQEBAQEB".get(..20).unwrap()
        );
    }

    #[test]
    fn a_message_of_ours_gets_its_id_time_size_type_and_validity_here() {
        let mut written = request(ADA, false);
        written.info.id = Some(id("mine"));
        written.info.content_size = Some(28);
        let prepared = prepare(written, Home::Here, id("m-1@north.example"), NOW).unwrap();
        assert_eq!(prepared.id().as_str(), "m-1@north.example");
        let info = &prepared.info;
        assert_eq!(info.id.as_ref(), Some(prepared.id()));
        assert_eq!(info.date_time, DateTime::parse("2004-03-01T09:15:00Z"));
        assert_eq!((info.content_size, info.content_type.as_deref()), (Some(14), Some("text/plain")));
        assert_eq!(
            (info.validity, prepared.expires()),
            (Some(86_400), NOW.after(Duration::from_secs(86_400)))
        );
        assert!(info.recipients.is_empty());
    }

    #[test]
    fn a_foreign_message_keeps_its_id_and_time() {
        let mut written = request(BO, false);
        written.info.id = Some(id("m-7@south.example"));
        written.info.date_time = Some(DateTime::from_unix(5));
        let prepared = prepare(written, Home::Elsewhere, id("fresh"), NOW).unwrap();
        assert_eq!(prepared.id().as_str(), "m-7@south.example");
        assert_eq!(prepared.info.date_time, Some(DateTime::from_unix(5)));
        let nameless = prepare(request(BO, false), Home::Elsewhere, id("fresh"), NOW).unwrap();
        assert_eq!(nameless.id().as_str(), "fresh");
    }

    #[test]
    fn validity_is_cut_to_seven_days() {
        let mut written = request(ADA, true);
        written.info.validity = Some(u32::MAX);
        let prepared = prepare(written, Home::Here, id("m"), NOW).unwrap();
        let week = Duration::from_secs(604_800);
        assert_eq!((prepared.info.validity, prepared.expires()), (Some(604_800), NOW.after(week)));
        assert_eq!(prepared.reports_until(), NOW.after(week).after(week).after(REPORT_GRACE));
    }

    #[test]
    fn a_place_of_content_crosses_between_providers_behind_https_only() {
        let place = |uri: &str| Some(Box::<str>::from(uri));
        for safe in ["https://north.example/c/1", "HTTPS://north.example/"] {
            assert_eq!(crossing(place(safe), false), Ok(place(safe)));
        }
        for plain in ["http://north.example/c/1", "ftp://north.example", "file:///etc/passwd", "c/1", ""] {
            assert_eq!(crossing(place(plain), false), Err(Code::FORBIDDEN), "{plain}");
            assert_eq!(crossing(place(plain), true), Ok(None), "the content is there: {plain}");
        }
        assert_eq!(crossing(None, true), Ok(None));
    }

    #[test]
    fn a_message_needs_content_or_a_place_to_fetch_it() {
        let mut empty = request(ADA, false);
        empty.content = None;
        assert_eq!(prepare(empty.clone(), Home::Here, id("m"), NOW), Err(Code::BAD_PARAMETER));
        empty.info.uri = Some("https://north.example/content/1".into());
        let by_reference = prepare(empty, Home::Here, id("m"), NOW).unwrap();
        assert_eq!(by_reference.info.content_type, None, "of what is not here we claim nothing");
    }

    #[test]
    fn a_local_recipient_gets_the_message_addressed_to_it_alone() {
        let mail =
            to_local(&prepared(ADA, false), &user(CY), Resident::Offline { waits: true }, None).unwrap();
        assert_eq!((mail.owner.as_str(), &*mail.sender, mail.origin.as_str()), (CY, ADA, "north.example"));
        assert_eq!((&*mail.content_type, mail.content_octets), ("text/plain", 14));
        let message = fragment::open_new_message(&mail.body).unwrap();
        assert_eq!(message.info.recipients, [to(CY)]);
        assert_eq!(message.info.author().map(|user| user.id.as_str()), Some(ADA));
        assert_eq!(message.content, Some("see you at six".into()));
    }

    #[test]
    fn a_stranger_is_531_and_who_is_not_logged_in_misses_a_message_that_does_not_wait() {
        let mut written = request(ADA, false);
        written.info.validity = Some(0);
        let now_or_never = prepare(written, Home::Here, id("m"), NOW).unwrap();
        let deliver = |resident| to_local(&now_or_never, &user(CY), resident, None).map(|mail| mail.expires);
        assert_eq!(deliver(Resident::Unknown), Err(Code::UNKNOWN_USER));
        assert_eq!(deliver(Resident::Offline { waits: true }), Err(Code::NOT_LOGGED_IN));
        assert_eq!(deliver(Resident::Online), Ok(NOW.after(IMMEDIATE)));
        assert!(to_local(&prepared(ADA, false), &user(CY), Resident::Offline { waits: true }, None).is_ok());
    }

    #[test]
    fn the_transaction_that_brought_a_message_is_kept_only_if_a_report_is_wanted() {
        assert!(mail(BO, true).reply_to.is_some());
        assert!(mail(BO, false).reply_to.is_none());
    }

    #[test]
    fn a_peer_gets_one_request_with_its_recipients_and_who_asks() {
        for style in [STANDARD, LEGACY] {
            let recipients = vec![to(BO), to("wv:dee@south.example")];
            let parcel = with_link(style, |link| {
                to_peer(&prepared(ADA, true), recipients.clone(), Some(&phone()), &link).unwrap()
            });
            assert_eq!((parcel.primitive, parcel.notice), ("SendMessageRequest", false));
            assert_eq!(parcel.author.as_ref().map(|author| author.as_str()), Some(ADA));
            assert_eq!(super::recipients(&parcel.body).unwrap(), recipients);
            let (request, meta) = fragment::open_message(&parcel.body).unwrap();
            assert!(request.delivery_report && meta.client_originated);
            assert_eq!(request.info.id.as_ref(), parcel.message_id.as_ref());
            assert_eq!(meta.service.to_string(), "wv:@north.example");
            assert_eq!(meta.user.unwrap().client, Some(phone()));
        }
    }

    #[test]
    fn what_a_group_says_reaches_a_legacy_peer_in_somebodys_name_and_others_in_nobodys() {
        let mut said = request(ADA, false);
        let group = "wv:/sailing@north.example".parse().unwrap();
        said.info.sender = Some(Sender { author: Author::Group(group), shown: None });
        let said = prepare(said, Home::Here, id("m-1@north.example"), NOW).unwrap();
        for (style, somebody) in [(STANDARD, None), (LEGACY, Some("wv:sailing@north.example"))] {
            let parcel = with_link(style, |link| to_peer(&said, vec![to(BO)], None, &link).unwrap());
            let (_, meta) = fragment::open_message(&parcel.body).unwrap();
            assert_eq!(meta.client_originated, somebody.is_some());
            assert_eq!(meta.user.as_ref().map(|user| user.id.as_str()), somebody);
        }
    }

    #[test]
    fn what_is_left_of_a_request_is_the_same_message_for_fewer() {
        let recipients = vec![to(BO), to("wv:dee@south.example")];
        let parcel = with_link(STANDARD, |link| {
            to_peer(&prepared(ADA, true), recipients, Some(&phone()), &link).unwrap()
        });
        let narrowed = narrowed(&parcel.body, vec![to(BO)], STANDARD).unwrap();
        let (before, meta) = fragment::open_message(&parcel.body).unwrap();
        let (after, same_meta) = fragment::open_message(&narrowed).unwrap();
        assert_eq!(after.info.recipients, [to(BO)]);
        assert_eq!((after.info.id, after.content, same_meta), (before.info.id, before.content, meta));
    }

    #[test]
    fn the_answer_names_the_message_unless_everything_failed() {
        let named = |code| match answer(Status::new(code), &id("m-1")) {
            Primitive::SendMessageResponse(response) => response.message_id,
            other => panic!("{}", other.name()),
        };
        assert_eq!(named(Code::PARTIALLY_SUCCESSFUL), Some(id("m-1")));
        assert_eq!(named(Code::UNKNOWN_USER), None);
    }

    #[test]
    fn a_damaged_row_is_an_error_of_ours() {
        assert_eq!(super::recipients(b"<SendMessageReq"), Err(Code::INTERNAL_ERROR));
    }
}
