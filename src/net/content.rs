//! Shared content over HTTP, below `/content/` on the listeners for clients (decisions.md 41).
//!
//! ```text
//! PUT    /content/?name=map.png&audience=group:/sailing&days=7   keep the body: 201, its URL in Location and body
//! GET    /content/USER/ID?width=96&height=96                     the item, or a picture made to fit; HEAD too
//! POST   /content/USER/ID?audience=owner                         another audience, end or name
//! DELETE /content/USER/ID                                        forget it
//! GET    /content/                                               what the asker keeps, a line each
//! ```
//! Who asks shows nothing (the URL is the right, where the audience is `link`), or one of
//! `Authorization: Basic` with address and CSP password, and `Authorization: Session` with the id of an open
//! session. An item never changes, so its ETag is its digest. Whatever the type, nothing that somebody
//! uploaded is run by a browser in the name of the provider.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::HeaderMap;
use hyper::header::{self, HeaderName, HeaderValue};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::listen::{Answer, Bytes, CspRequest, Method, StatusCode};
use crate::element::content::keep::Wish;
use crate::element::content::picture::{Fit, Kind, PictureError, SIDE_ASKED_MAX, SIDE_ASKED_MIN};
use crate::element::content::serve::{self, Part};
use crate::element::content::{ContentId, Item};
use crate::imps::primitive::Password;
use crate::imps::{SessionId, UserId};
use crate::relay::ports::StoreError;
use crate::sap::{ContentError, Proof, Sap};
use crate::wire::csp;

/// Where content begins.
const PLACE: &str = "/content";
/// Octets of content that are on their way to clients at one time; above, they are asked to come again.
const LEAVING_OCTETS_MAX: u64 = 256 * 1024 * 1024;
/// What one permit of [`LEAVING_OCTETS_MAX`] stands for.
const PERMIT_OCTETS: u64 = 1024;
/// Parameters of a query that are looked at.
const PARAMETERS_MAX: usize = 16;
/// The media type of what is said in words.
const WORDS: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// Serves content.
#[derive(Debug)]
pub struct Content {
    sap: Arc<Sap>,
    /// How URLs begin, such as `https://imps.north.example`; `None`: as the request was addressed.
    base: Option<Box<str>>,
    item_octets_max: usize,
    leaving: Arc<Semaphore>,
}

/// A path below [`PLACE`].
#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    /// All that a user keeps.
    Shelf,
    /// One item.
    Item(ContentId),
    /// Nothing that can be.
    Nowhere,
}

impl Place {
    fn of(path: &str) -> Option<Self> {
        let below = path.strip_prefix(PLACE)?;
        if below.is_empty() || below == "/" {
            return Some(Self::Shelf);
        }
        let mut parts = below.strip_prefix('/')?.split('/');
        Some(match (parts.next(), parts.next(), parts.next()) {
            (Some(_), None | Some(""), None) => Self::Shelf,
            (Some(_), Some(id), None) => id.parse().map_or(Self::Nowhere, Self::Item),
            _ => Self::Nowhere,
        })
    }
}

impl Content {
    /// Items of at most so many octets; URLs begin with `base`, or as requests were addressed.
    pub fn new(sap: Arc<Sap>, base: Option<Box<str>>, item_octets_max: usize) -> Self {
        let permits = usize::try_from(LEAVING_OCTETS_MAX / PERMIT_OCTETS).unwrap_or(Semaphore::MAX_PERMITS);
        Self { sap, base, item_octets_max, leaving: Arc::new(Semaphore::new(permits)) }
    }

    /// Whether a request is about content: anything below `/content/` but a POST of CSP.
    pub fn is_asked(method: &Method, path: &str, content_type: Option<&HeaderValue>) -> bool {
        let is_csp = || {
            let media_type = content_type.and_then(|value| value.to_str().ok()).unwrap_or_default();
            csp::encoding_of(media_type).is_some() && media_type.to_ascii_lowercase().contains("vnd.wv.csp")
        };
        Place::of(path).is_some() && (*method != Method::POST || !is_csp())
    }

    /// Octets that the body of a request may have: another limit than that of CSP only where something is
    /// to be kept, by somebody who says who it is.
    pub fn body_octets_max(&self, method: &Method, path: &str, headers: &HeaderMap) -> Option<usize> {
        let keeps = *method == Method::PUT && Place::of(path) == Some(Place::Shelf);
        (keeps && headers.contains_key(header::AUTHORIZATION)).then_some(self.item_octets_max)
    }

    /// One request.
    pub async fn request(&self, request: &CspRequest) -> Answer {
        let answer = self.answer(request).await;
        let methods = ["GET", "HEAD", "PUT", "POST", "DELETE"];
        let method = methods.into_iter().find(|method| *method == request.method.as_str());
        self.sap.events().content_request(method.unwrap_or("other"), answer.status.as_u16());
        answer
    }

    async fn answer(&self, request: &CspRequest) -> Answer {
        let Some(place) = Place::of(&request.path) else { return refusal(&ContentError::Missing) };
        let asker = match self.sap.content_asker(proof(&request.headers)).await {
            Ok(asker) => asker,
            Err(error) => return refusal(&error),
        };
        let query = Query::of(request.query.as_deref().unwrap_or_default());
        let asker = asker.as_ref();
        let method = if request.method == Method::HEAD { &Method::GET } else { &request.method };
        let answered = match (method.as_str(), &place) {
            (_, Place::Nowhere) => Err(ContentError::Missing),
            ("GET", Place::Item(id)) => self.show(request, &query, id, asker).await,
            ("GET", Place::Shelf) => self.list(request, asker).await,
            ("PUT" | "POST", Place::Shelf) => self.keep(request, &query, asker).await,
            ("POST", Place::Item(id)) => self.alter(request, &query, id, asker).await,
            ("DELETE", Place::Item(id)) => self.forget(id, asker).await,
            (_, place) => return not_allowed(place),
        };
        answered.unwrap_or_else(|error| refusal(&error))
    }

    async fn keep(
        &self,
        request: &CspRequest,
        query: &Query,
        asker: Option<&UserId>,
    ) -> Result<Answer, ContentError> {
        let owner = asker.ok_or(ContentError::WhoAreYou)?;
        let content_type = request.content_type.as_ref().and_then(|value| value.to_str().ok());
        let wish = query.wish(content_type);
        let item = self.sap.keep_content(owner, &wish, &request.body).await?;
        let url = self.url(request, &item);
        let mut answer = words(StatusCode::CREATED, &format!("{url}\n"));
        answer.headers.extend(value(&url).map(|url| (header::LOCATION, url)));
        Ok(answer)
    }

    async fn alter(
        &self,
        request: &CspRequest,
        query: &Query,
        id: &ContentId,
        asker: Option<&UserId>,
    ) -> Result<Answer, ContentError> {
        let owner = asker.ok_or(ContentError::WhoAreYou)?;
        let item = self.sap.alter_content(owner, id, &query.wish(None)).await?;
        Ok(words(StatusCode::OK, &self.line(request, &item)))
    }

    async fn forget(&self, id: &ContentId, asker: Option<&UserId>) -> Result<Answer, ContentError> {
        let owner = asker.ok_or(ContentError::WhoAreYou)?;
        self.sap.drop_content(owner, id).await?;
        Ok(Answer::empty(StatusCode::NO_CONTENT))
    }

    async fn list(&self, request: &CspRequest, asker: Option<&UserId>) -> Result<Answer, ContentError> {
        let owner = asker.ok_or(ContentError::WhoAreYou)?;
        let items = self.sap.contents_of(owner).await?;
        let lines: String = items.iter().map(|item| self.line(request, item)).collect();
        Ok(words(StatusCode::OK, &lines))
    }

    /// URL, type, octets, audience, end and name of an item, between tabs.
    fn line(&self, request: &CspRequest, item: &Item) -> String {
        let Item { content_type, octets, audience, expires, name, .. } = item;
        let url = self.url(request, item);
        let end = expires.date_time().extended();
        format!(
            "{url}\t{content_type}\t{octets}\t{audience}\t{end}\t{}\n",
            name.as_deref().unwrap_or_default()
        )
    }

    async fn show(
        &self,
        request: &CspRequest,
        query: &Query,
        id: &ContentId,
        asker: Option<&UserId>,
    ) -> Result<Answer, ContentError> {
        let item = self.sap.content(id, asker).await?;
        let fit = query.fit()?;
        let tag = tag(&item, fit);
        let text = |name| request.headers.get(name).and_then(|value| value.to_str().ok());
        let known = text(header::IF_NONE_MATCH).is_some_and(|known| {
            known
                .split(',')
                .any(|known| matches!(known.trim(), "*") || known.trim().trim_start_matches("W/") == tag)
        });
        if known {
            let mut answer = Answer::empty(StatusCode::NOT_MODIFIED);
            answer.headers.extend(value(&tag).map(|tag| (header::ETAG, tag)));
            return Ok(answer);
        }
        let head_only = request.method == Method::HEAD;
        let (content_type, octets) = match fit {
            // Of an item as it is everything is known without its octets.
            None if head_only => (item.content_type.clone(), None),
            _ => {
                // There is room for the octets before they are read.
                let Some(room) = self.room(item.octets) else { return Ok(full()) };
                let (content_type, octets) = match fit {
                    None => (item.content_type.clone(), self.sap.content_octets(&item).await?),
                    Some(fit) => self.sap.content_made_to_fit(&item, fit).await?,
                };
                (content_type, Some((octets, room)))
            }
        };
        let length = octets
            .as_ref()
            .map_or(item.octets, |(octets, _)| u64::try_from(octets.len()).unwrap_or(u64::MAX));
        // A part of another version of the item would not fit what the asker has.
        let range = text(header::RANGE).filter(|_| text(header::IF_RANGE).is_none_or(|known| known == tag));
        let (status, span) = match serve::part(range, length) {
            Part::Outside => {
                let mut answer = Answer::empty(StatusCode::RANGE_NOT_SATISFIABLE);
                answer
                    .headers
                    .extend(value(&format!("bytes */{length}")).map(|all| (header::CONTENT_RANGE, all)));
                return Ok(answer);
            }
            Part::Range { first, last } => (StatusCode::PARTIAL_CONTENT, Some((first, last))),
            Part::All => (StatusCode::OK, None),
        };
        let leaving = span.map_or(length, |(first, last)| last - first + 1);
        let mut answer = Answer::empty(status);
        answer.content_type = value(&content_type).or_else(|| value("application/octet-stream"));
        let mut headers = safe_headers();
        headers.push((header::ACCEPT_RANGES, HeaderValue::from_static("bytes")));
        headers.extend(value(&tag).map(|tag| (header::ETAG, tag)));
        headers.extend(
            value(&serve::disposition(&item, &content_type)).map(|how| (header::CONTENT_DISPOSITION, how)),
        );
        if let Some((first, last)) = span {
            let part = format!("bytes {first}-{last}/{length}");
            headers.extend(value(&part).map(|part| (header::CONTENT_RANGE, part)));
        }
        if head_only {
            headers.push((header::CONTENT_LENGTH, HeaderValue::from(leaving)));
        } else if let Some((octets, room)) = octets {
            let body = Bytes::from_owner(Leaving { octets, _room: room });
            answer.body = match span {
                Some((first, last)) => {
                    let place = |octet: u64| usize::try_from(octet).unwrap_or(usize::MAX);
                    body.slice(place(first)..place(last).saturating_add(1).min(body.len()))
                }
                None => body,
            };
        }
        answer.headers = headers;
        Ok(answer)
    }

    /// Room for so many octets on their way, if there is any.
    fn room(&self, octets: u64) -> Option<OwnedSemaphorePermit> {
        let permits = u32::try_from(octets / PERMIT_OCTETS + 1).ok()?;
        Arc::clone(&self.leaving).try_acquire_many_owned(permits).ok()
    }

    fn url(&self, request: &CspRequest, item: &Item) -> String {
        let host = request.headers.get(header::HOST).and_then(|host| host.to_str().ok());
        let base = match (&self.base, host) {
            (Some(base), _) => base.to_string(),
            (None, host) => {
                let scheme = if request.secure { "https" } else { "http" };
                let to = request.to.to_string();
                format!("{scheme}://{}", host.filter(|host| !host.is_empty()).unwrap_or(&to))
            }
        };
        format!("{base}{PLACE}/{}/{}", serve::coded(item.owner.local()), item.id)
    }
}

/// Octets that hold their room until they are gone.
struct Leaving {
    octets: Vec<u8>,
    _room: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Leaving {
    fn as_ref(&self) -> &[u8] {
        &self.octets
    }
}

/// What keeps a browser from running, guessing or passing on what somebody uploaded.
fn safe_headers() -> Vec<(HeaderName, HeaderValue)> {
    vec![
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; sandbox")),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        // Kept by nobody but the asker, who asks again whether it is still there.
        (header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache")),
    ]
}

/// Too much is on its way already.
fn full() -> Answer {
    Answer::later(StatusCode::SERVICE_UNAVAILABLE, 1)
}

fn words(status: StatusCode, text: &str) -> Answer {
    let mut answer = Answer::empty(status);
    answer.content_type = Some(WORDS);
    answer.headers = safe_headers();
    answer.body = Bytes::from(text.to_owned());
    answer
}

fn refusal(error: &ContentError) -> Answer {
    let status = match error {
        ContentError::WhoAreYou => StatusCode::UNAUTHORIZED,
        ContentError::Forbidden | ContentError::NotSubscribed => StatusCode::FORBIDDEN,
        ContentError::Missing => StatusCode::NOT_FOUND,
        ContentError::Refused(_) => StatusCode::BAD_REQUEST,
        ContentError::Full => StatusCode::INSUFFICIENT_STORAGE,
        ContentError::Picture(PictureError::Type) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        ContentError::Picture(_) => StatusCode::UNPROCESSABLE_ENTITY,
        ContentError::Store(StoreError::Overloaded(_) | StoreError::Closed) => {
            return Answer::later(StatusCode::SERVICE_UNAVAILABLE, 1);
        }
        ContentError::Store(StoreError::Failed(_)) => {
            // What failed is for the log of the node alone.
            tracing::warn!(%error, "shared content");
            return Answer::empty(StatusCode::INTERNAL_SERVER_ERROR);
        }
    };
    let mut answer = words(status, &format!("{error}\n"));
    if status == StatusCode::UNAUTHORIZED {
        let how = HeaderValue::from_static("Basic realm=\"Wireless Village\", charset=\"UTF-8\"");
        answer.headers.push((header::WWW_AUTHENTICATE, how));
    }
    answer
}

fn not_allowed(place: &Place) -> Answer {
    let allowed = match place {
        Place::Item(_) => "GET, HEAD, POST, DELETE",
        _ => "GET, HEAD, PUT, POST",
    };
    let mut answer = Answer::empty(StatusCode::METHOD_NOT_ALLOWED);
    answer.headers.push((header::ALLOW, HeaderValue::from_static(allowed)));
    answer
}

/// A header's value, unless it cannot be one.
fn value(text: &str) -> Option<HeaderValue> {
    HeaderValue::from_str(text).ok()
}

/// What stands for the item in this form.
fn tag(item: &Item, fit: Option<Fit>) -> String {
    let digest = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(item.digest);
    match fit {
        None => format!("\"{digest}\""),
        Some(Fit { width, height, octets, kind }) => {
            let number = |found: Option<u64>| found.map(|found| found.to_string()).unwrap_or_default();
            let (width, height) = (number(width.map(u64::from)), number(height.map(u64::from)));
            let octets = number(octets.and_then(|octets| octets.try_into().ok()));
            let kind = kind.map(Kind::media_type).unwrap_or_default();
            format!("\"{digest}.{width}.{height}.{octets}.{kind}\"")
        }
    }
}

/// Who asks, by the Authorization header; one that cannot be read proves nothing.
fn proof(headers: &HeaderMap) -> Proof {
    let Some(shown) = headers.get(header::AUTHORIZATION) else { return Proof::None };
    let read = || {
        let (scheme, rest) = shown.to_str().ok()?.trim().split_once(' ')?;
        if scheme.eq_ignore_ascii_case("Session") {
            return rest.trim().parse::<SessionId>().ok().map(Proof::Session);
        }
        if !scheme.eq_ignore_ascii_case("Basic") {
            return None;
        }
        let clear = zeroize::Zeroizing::new(String::from_utf8(STANDARD.decode(rest.trim()).ok()?).ok()?);
        // An address may begin with its scheme, and a password may hold a colon.
        let bare = clear.strip_prefix("wv:").unwrap_or(&clear);
        let (user, password) = bare.split_once(':')?;
        Some(Proof::Password(user.parse().ok()?, Password::new(password)))
    };
    // Whatever it was, it was meant as a proof: nobody has this session.
    read().or_else(|| "none".parse().ok().map(Proof::Session)).unwrap_or(Proof::None)
}

/// The parameters of a query, decoded.
#[derive(Debug, Default)]
struct Query(Vec<(String, String)>);

impl Query {
    fn of(query: &str) -> Self {
        let pair = |pair: &str| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (serve::decoded(name), serve::decoded(value))
        };
        Self(query.split('&').filter(|pair| !pair.is_empty()).take(PARAMETERS_MAX).map(pair).collect())
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(found, _)| found == name).map(|(_, value)| &**value)
    }

    fn wish<'a>(&'a self, content_type: Option<&'a str>) -> Wish<'a> {
        Wish { content_type, name: self.get("name"), audience: self.get("audience"), days: self.get("days") }
    }

    /// How a picture shall be made to fit; `None`: as it is.
    fn fit(&self) -> Result<Option<Fit>, ContentError> {
        use crate::element::content::keep::Refused;
        let wrong = |name: &str, allowed: &str| {
            ContentError::Refused(Refused::Wish(format!("{name}: {allowed} is understood")))
        };
        let side = |name: &str| match self.get(name) {
            None => Ok(None),
            Some(text) => {
                let side = text.parse().ok().filter(|side| (SIDE_ASKED_MIN..=SIDE_ASKED_MAX).contains(side));
                let allowed = || wrong(name, &format!("a number from {SIDE_ASKED_MIN} to {SIDE_ASKED_MAX}"));
                side.map(Some).ok_or_else(allowed)
            }
        };
        let octets = match self.get("octets") {
            None => None,
            Some(text) => Some(text.parse().map_err(|_| wrong("octets", "a number"))?),
        };
        let kind = match self.get("type") {
            None => None,
            Some(text) => Some(Kind::named(text).ok_or_else(|| wrong("type", "jpeg, png or gif"))?),
        };
        let fit = Fit { width: side("width")?, height: side("height")?, octets, kind };
        Ok((fit != Fit::default()).then_some(fit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_to_a_shelf_to_an_item_or_nowhere() {
        let item = Place::Item("aaaaaaaaaaaaaaaaaaaaaaaa".parse().unwrap());
        for (path, place) in [
            ("/content", Some(Place::Shelf)),
            ("/content/", Some(Place::Shelf)),
            ("/content/ada", Some(Place::Shelf)),
            ("/content/ada/", Some(Place::Shelf)),
            ("/content/ada/aaaaaaaaaaaaaaaaaaaaaaaa", Some(item)),
            ("/content/ada/..", Some(Place::Nowhere)),
            ("/content/ada/a/b", Some(Place::Nowhere)),
            ("/contents", None),
            ("/", None),
        ] {
            assert_eq!(Place::of(path), place, "{path}");
        }
        let csp = HeaderValue::from_static("application/vnd.wv.csp.xml");
        let svg = HeaderValue::from_static("image/svg+xml");
        assert!(!Content::is_asked(&Method::POST, "/content/", Some(&csp)), "a POST is CSP anywhere");
        assert!(Content::is_asked(&Method::POST, "/content/", Some(&svg)));
        assert!(Content::is_asked(&Method::GET, "/content/x/y", None));
    }

    #[test]
    fn a_proof_is_a_password_or_a_session_and_a_wrong_one_is_none() {
        let shown = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, text.parse().unwrap());
            proof(&headers)
        };
        let basic = |clear: &str| shown(&format!("basic {}", STANDARD.encode(clear)));
        for clear in ["ada@north.example:se:cret", "wv:ada@north.example:se:cret"] {
            let Proof::Password(user, password) = basic(clear) else { panic!("{clear}") };
            assert_eq!((user.as_str(), password.clear()), ("wv:ada@north.example", "se:cret"));
        }
        assert!(matches!(shown("Session abc"), Proof::Session(id) if id.as_str() == "abc"));
        for wrong in ["Basic ###", "Basic", "Bearer x", "Basic YWRh"] {
            assert!(matches!(shown(wrong), Proof::Session(id) if id.as_str() == "none"), "{wrong}");
        }
        assert!(matches!(proof(&HeaderMap::new()), Proof::None));
    }

    #[test]
    fn queries_are_decoded_and_paths_coded() {
        let query = Query::of("name=gr%C3%BC%C3%9Fe+1%.png&audience=link&&x");
        assert_eq!(query.get("name"), Some("grüße 1%.png"));
        assert_eq!(query.get("x"), Some(""));
        assert_eq!(query.get("days"), None);
        assert_eq!(serve::coded("ada/x ö"), "ada%2Fx%20%C3%B6");
        assert!(Query::of("width=96&type=gif").fit().unwrap().is_some());
        assert!(Query::of("audience=link").fit().unwrap().is_none());
        for wrong in ["width=0", "height=9999", "width=x", "octets=-1", "type=webp"] {
            assert!(Query::of(wrong).fit().is_err(), "{wrong}");
        }
    }
}
