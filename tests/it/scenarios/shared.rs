//! Shared content: kept at home, seen over HTTP by those it is for, named in messages that cross.

use std::io::Cursor;
use std::net::SocketAddr;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use causeway::cli::laboratory::Writing;
use causeway::cli::phone::Phone;
use causeway::imps::primitive::{
    Contact, CreateGroupRequest, CreateListRequest, GroupProperties, JoinGroupRequest, Property, ScreenName,
};
use causeway::imps::{Code, Content, Primitive, Version};
use causeway::wire::Encoding;

use super::operators::done;
use crate::csp::{Reply, ask, exchange, message};
use crate::process::{Process, run};
use crate::world::{PASSWORD, Place, World, manner, modern, receive, until};

/// One request on a connection of its own, as an old phone makes it: HTTP/1.0.
async fn http(server: SocketAddr, method: &str, path: &str, headers: &[&str], body: &[u8]) -> Reply {
    let headers: String = headers.iter().flat_map(|header| [*header, "\r\n"]).collect();
    let length = body.len();
    let head =
        format!("{method} {path} HTTP/1.0\r\nHost: {server}\r\n{headers}Content-Length: {length}\r\n\r\n");
    exchange(server, &head, body).await
}

fn basic(user: &str) -> String {
    format!("Authorization: Basic {}", STANDARD.encode(format!("{user}:{PASSWORD}")))
}

fn session(phone: &Phone) -> String {
    format!("Authorization: Session {}", phone.session().unwrap())
}

/// A picture of this size.
fn picture(width: u32, height: u32) -> Vec<u8> {
    let picture = image::RgbImage::from_fn(width, height, |x, y| {
        image::Rgb([x, y, x ^ y].map(|number| u8::try_from(number % 256).unwrap()))
    });
    let mut octets = Vec::new();
    picture.write_to(&mut Cursor::new(&mut octets), image::ImageFormat::Png).unwrap();
    octets
}

/// Keeps octets of this user; the path of what was kept.
async fn keep(place: &Place, who: &str, query: &str, content_type: &str, octets: &[u8]) -> String {
    let headers = [who, &format!("Content-Type: {content_type}")];
    let reply = http(place.csp, "PUT", &format!("/content/?{query}"), &headers, octets).await;
    assert_eq!(reply.status, 201, "{}", reply.text());
    let url = reply.header("Location").expect("where it is").to_owned();
    assert_eq!(reply.text().trim(), url);
    let base = format!("http://{}", place.csp);
    url.strip_prefix(&base).expect("a URL as the request was addressed").to_owned()
}

async fn get(place: &Place, path: &str, headers: &[&str]) -> Reply {
    http(place.csp, "GET", path, headers, b"").await
}

/// The files of shared content in the data folder of a node.
fn files(place: &Place) -> Vec<String> {
    fn below(folder: &Path, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            if entry.path().is_dir() {
                below(&entry.path(), found);
            } else {
                found.push(entry.file_name().to_string_lossy().into_owned());
            }
        }
    }
    let mut found = Vec::new();
    below(&place.provider.folder.join("data/content"), &mut found);
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_picture_is_kept_shown_made_small_and_forgotten() {
    let world = World::new().await;
    let north = world.place("north.example", &[]);
    let node = world.start(&north).await;
    north.phone("ada", modern()).await;
    let octets = picture(200, 100);
    let ada = basic("wv:ada@north.example");
    let path = keep(&north, &ada, "name=gr%C3%BC%C3%9Fe.png&days=7", "image/png", &octets).await;
    assert!(path.starts_with("/content/ada/"), "{path}");
    // Whoever has the link sees it, and a browser is told to run nothing
    let shown = get(&north, &path, &[]).await;
    assert_eq!((shown.status, &shown.body), (200, &octets));
    let length = octets.len().to_string();
    for (name, value) in [
        ("Content-Type", "image/png"),
        ("Content-Length", &*length),
        ("X-Content-Type-Options", "nosniff"),
        ("Content-Security-Policy", "default-src 'none'; sandbox"),
        ("Content-Disposition", "inline; filename=\"gr__e.png\"; filename*=UTF-8''gr%C3%BC%C3%9Fe.png"),
    ] {
        assert_eq!(shown.header(name), Some(value), "{name}");
    }
    let head = http(north.csp, "HEAD", &path, &[], b"").await;
    assert_eq!((head.status, head.body.len(), head.header("Content-Length")), (200, 0, Some(&*length)));
    // A part of it, and nothing if it is known already
    let part = get(&north, &path, &["Range: bytes=8-15"]).await;
    assert_eq!((part.status, &*part.body), (206, &octets[8..16]));
    assert_eq!(part.header("Content-Range"), Some(&*format!("bytes 8-15/{length}")));
    assert_eq!(get(&north, &path, &["Range: bytes=9999999-"]).await.status, 416);
    let tag = shown.header("ETag").expect("a tag").to_owned();
    let again = get(&north, &path, &[&format!("If-None-Match: {tag}")]).await;
    assert_eq!((again.status, again.body.len()), (304, 0));
    // A phone with a small screen
    let small = get(&north, &format!("{path}?width=50&height=50&type=jpeg"), &[]).await;
    assert_eq!((small.status, small.header("Content-Type")), (200, Some("image/jpeg")));
    let adapted = image::load_from_memory(&small.body).unwrap();
    assert_eq!((adapted.width(), adapted.height()), (50, 25));
    assert_ne!(small.header("ETag"), Some(&*tag));
    let few = get(&north, &format!("{path}?octets=1500"), &[]).await;
    assert!(few.status == 200 && few.body.len() <= 1500, "{} octets", few.body.len());
    assert_eq!(get(&north, &format!("{path}?width=0"), &[]).await.status, 400);
    let text = keep(&north, &ada, "", "text/html", b"<script>alert(1)</script>").await;
    let wild = get(&north, &text, &[]).await;
    assert_eq!(wild.header("Content-Disposition"), Some("attachment"));
    assert_eq!(get(&north, &format!("{text}?width=50"), &[]).await.status, 415);
    // Its owner sees both on the shelf, others see no shelf
    let shelf = get(&north, "/content/", &[&ada]).await;
    let lines: Vec<_> = shelf.text().lines().collect();
    assert_eq!(lines.len(), 2);
    assert!(lines[0].contains(&format!("{path}\timage/png\t{length}\tlink\t")), "{}", lines[0]);
    assert_eq!(get(&north, "/content/", &[]).await.status, 401);
    // What is forgotten is gone, from the disk too
    assert_eq!(http(north.csp, "DELETE", &path, &[], b"").await.status, 401);
    assert_eq!(http(north.csp, "PUT", &path, &[&ada], b"x").await.status, 405, "an item never changes");
    assert_eq!(files(&north).len(), 2);
    for path in [&path, &text] {
        assert_eq!(http(north.csp, "DELETE", path, &[&ada], b"").await.status, 204);
        assert_eq!(http(north.csp, "DELETE", path, &[&ada], b"").await.status, 404);
        assert_eq!(get(&north, path, &[&ada]).await.status, 404);
    }
    assert_eq!(files(&north), Vec::<String>::new());
    let counted = north.metric("causeway_content_requests_total{method=\"DELETE\",status=\"204\"}").await;
    assert!((counted - 2.0).abs() < f64::EPSILON, "{counted}");
    node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn content_is_seen_by_those_it_is_for() {
    let world = World::new().await;
    let north = world.place("north.example", &[]);
    let node = world.start(&north).await;
    // Given ada, whose contact is bo; a group with ada and cy in it; and di, who is a stranger
    let mut ada = north.phone("ada", modern()).await;
    let bo = north.phone("bo", manner(Version::V1_1, Encoding::Wbxml)).await;
    let mut cy = north.phone("cy", manner(Version::V1_3, Encoding::Xml)).await;
    let di = north.phone("di", modern()).await;
    let friends = CreateListRequest {
        list: "wv:ada/friends@north.example".parse().unwrap(),
        contacts: vec![Contact { user: bo.user().clone(), nickname: None }],
        properties: Vec::new(),
    };
    assert_eq!(ask(&mut ada, friends).await.code(), Code::SUCCESSFUL);
    let group: causeway::imps::GroupId = "wv:/sailing@north.example".parse().unwrap();
    let properties = vec![Property::new("AccessType", "Open")];
    let create = CreateGroupRequest {
        group: group.clone(),
        properties: Some(GroupProperties { properties, welcome_note: None }),
        own: Vec::new(),
        join: true,
        screen_name: Some(ScreenName { name: "captain".into(), group: group.clone() }),
        subscribe: false,
    };
    assert_eq!(ask(&mut ada, create).await.code(), Code::SUCCESSFUL);
    let join = JoinGroupRequest {
        group: group.clone(),
        screen_name: Some(ScreenName { name: "mate".into(), group }),
        joined_request: false,
        subscribe: false,
        own: Vec::new(),
    };
    assert_eq!(ask(&mut cy, join).await.code(), Code::SUCCESSFUL);
    let (me, wrong) = (session(&ada), "Authorization: Session nobody".to_owned());
    for (audience, bo_sees, cy_sees, di_sees) in [
        ("owner", 403, 403, 403),
        ("contacts", 200, 403, 403),
        ("list:ada/friends", 200, 403, 403),
        ("group:/sailing", 403, 200, 403),
        ("link", 200, 200, 200),
    ] {
        let path = keep(&north, &me, &format!("audience={audience}"), "audio/amr", b"#!AMR").await;
        let nobody = get(&north, &path, &[]).await;
        assert_eq!(nobody.status, if audience == "link" { 200 } else { 401 }, "{audience}");
        if nobody.status == 401 {
            assert!(nobody.header("WWW-Authenticate").unwrap().starts_with("Basic "));
        }
        for (phone, status) in [(&ada, 200), (&bo, bo_sees), (&cy, cy_sees), (&di, di_sees)] {
            assert_eq!(get(&north, &path, &[&session(phone)]).await.status, status, "{audience}: {phone:?}");
            let password = basic(phone.user().as_str());
            assert_eq!(get(&north, &path, &[&password]).await.status, status, "{audience}: {phone:?}");
        }
        assert_eq!(get(&north, &path, &[&wrong]).await.status, 401, "a wrong proof is no proof");
        // Only its owner changes it or takes it away
        for method in ["POST", "DELETE"] {
            let status = http(north.csp, method, &path, &[&session(&di)], b"").await.status;
            assert_eq!(status, 403, "{audience}: {method}");
        }
        let altered = http(north.csp, "POST", &format!("{path}?audience=owner"), &[&me], b"").await;
        assert_eq!(altered.status, 200, "{}", altered.text());
        assert_eq!(get(&north, &path, &[&session(&bo)]).await.status, 403, "{audience}");
    }
    for wrong in
        ["audience=everybody", "audience=group:/x@south.example", "audience=list:bo/friends", "days=0"]
    {
        let reply = http(north.csp, "PUT", &format!("/content/?{wrong}"), &[&me], b"x").await;
        assert_eq!(reply.status, 400, "{wrong}");
    }
    node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reference_crosses_and_its_reader_fetches_what_it_names() {
    let world = World::new().await;
    // Given a provider whose content is reached by way of something that speaks TLS
    let sections = "[content]\nurl = \"https://imps.north.example/\"\n";
    let peers = &["south.example"];
    let north = world.place_with("north.example", &Writing { peers, sections, ..Writing::default() });
    let south = world.place("south.example", &["north.example"]);
    let (north_node, south_node) = (world.start(&north).await, world.start(&south).await);
    let mut ada = north.phone("ada", manner(Version::V1_3, Encoding::Xml)).await;
    let mut bo = south.phone("bo", manner(Version::V1_1, Encoding::Wbxml)).await;
    let octets = picture(300, 300);
    // When ada keeps a picture at home and sends bo its URL
    let url = ada.keep_content("map.png", "image/png", "link", octets.clone()).await.unwrap();
    let mut request = message(&ada, &["wv:bo@south.example"], "");
    request.content = None;
    request.info.uri = Some(url.clone());
    request.info.content_type = Some("image/png".into());
    request.info.content_size = u64::try_from(octets.len()).ok();
    assert_eq!(ada.send_message(request.clone()).await.unwrap().result.code, Code::SUCCESSFUL);
    // Then bo has the URL, and by it the picture, as small as its screen
    let Primitive::NewMessage(new) = receive(&mut bo).await else { panic!("no message") };
    assert_eq!((new.info.uri.as_ref(), new.content.as_ref()), (Some(&url), None));
    let url = url.replace("https://imps.north.example", &format!("http://{}", north.csp));
    assert_eq!(bo.fetch(&url).await.unwrap().body, octets);
    let small = bo.fetch(&format!("{url}?width=64&height=64&type=gif")).await.unwrap();
    assert_eq!(small.content_type.as_deref(), Some("image/gif"));
    assert_eq!(image::load_from_memory(&small.body).unwrap().width(), 64);
    // But what would be fetched in clear does not cross, except where the content is in the message
    request.info.uri = Some(url.into());
    let refused = ada.send_message(request.clone()).await;
    assert_eq!(refused.unwrap_or_else(|error| panic!("{error}")).result.code, Code::FORBIDDEN);
    request.content = Some(Content::new(octets.clone()));
    assert_eq!(ada.send_message(request).await.unwrap().result.code, Code::SUCCESSFUL);
    let Primitive::NewMessage(new) = receive(&mut bo).await else { panic!("no message") };
    assert_eq!((new.info.uri, new.content.unwrap().octets()), (None, &octets[..]));
    north_node.drain().await;
    south_node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_keeps_more_than_the_provider_allows() {
    let world = World::new().await;
    let sections = "[content]\nmax-item-bytes = 2000\nquota-bytes = 5000\nquota-items = 3\n\
                    url = \"https://imps.north.example/\"\n";
    let north = world.place_with("north.example", &Writing { sections, ..Writing::default() });
    let node = world.start(&north).await;
    north.phone("ada", modern()).await;
    let ada = basic("ada");
    let put =
        async |who: &str, octets: usize| http(north.csp, "PUT", "/content/", &[who], &vec![7; octets]).await;
    let first = put(&ada, 2000).await;
    assert_eq!(first.status, 201);
    let url = first.header("Location").unwrap();
    let path = url.strip_prefix("https://imps.north.example").expect("the URL begins as is configured");
    assert_eq!(put(&ada, 2001).await.status, 413);
    assert_eq!(put(&ada, 0).await.status, 400);
    assert_eq!(put(&ada, 2000).await.status, 201);
    assert_eq!(put(&ada, 1001).await.status, 507, "too many octets in all");
    assert_eq!(put(&ada, 500).await.status, 201);
    assert_eq!(put(&ada, 1).await.status, 507, "too many items");
    assert_eq!(files(&north).len(), 3, "what was refused leaves nothing");
    assert_eq!(http(north.csp, "DELETE", path, &[&ada], b"").await.status, 204);
    assert_eq!(put(&ada, 1).await.status, 201);
    // Strangers keep nothing
    for who in ["X-Nobody: 1", &basic("nobody"), &basic("ada@south.example"), "Authorization: Basic x"] {
        assert_eq!(put(who, 1).await.status, 401, "{who}");
    }
    node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_not_subscribed_to_content_keeps_nothing() {
    let world = World::new().await;
    let north = world.place("north.example", &[]);
    let node = world.start(&north).await;
    north.phone("ada", modern()).await;
    let headers = [&*basic("wv:ada@north.example"), "Content-Type: image/png"];
    let tries = async || http(north.csp, "PUT", "/content/?days=7", &headers, b"octets").await.status;
    for terms in ["services=im", "status=barred"] {
        done(&north, &["user", "set", "ada", terms]).await;
        until("she is refused", async || (tries().await == 403).then_some(())).await;
        let kept = files(&north).len();
        assert_eq!((tries().await, files(&north).len()), (403, kept));
        done(&north, &["user", "set", "ada", "services=all", "status=active"]).await;
        until("she keeps something", async || (tries().await == 201).then_some(())).await;
    }
    node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn content_survives_a_crash_and_goes_with_its_owner() {
    let world = World::new().await;
    let north = world.place("north.example", &[]);
    let mut node = Process::start(&north).await;
    north.phone("ada", modern()).await;
    let octets = picture(64, 64);
    let path = keep(&north, &basic("ada"), "", "image/png", &octets).await;
    node.kill();
    let mut node = Process::start(&north).await;
    assert_eq!(get(&north, &path, &[]).await.body, octets);
    // The account is removed while nobody serves, and what it kept at once with it
    node.kill();
    let config = north.provider.config();
    let config = config.to_str().unwrap().to_owned();
    let removed =
        tokio::task::spawn_blocking(move || run(&["user", "remove", "ada", "--config", &config], ""));
    assert!(removed.await.unwrap().status.success());
    assert!(files(&north).is_empty());
    let _node = Process::start(&north).await;
    assert_eq!(get(&north, &path, &[]).await.status, 404);
}
