//! How a client gets a session, what it may ask in it, and how it ends.

use causeway::cli::laboratory::Writing;
use causeway::cli::phone::Phone;
use causeway::imps::primitive::{
    Branch, ClientId, DigestSchema, Functions, GetMessageListRequest, KeepAliveRequest, LoginRequest,
    LoginResponse, Password, ServiceRequest,
};
use causeway::imps::{Code, Primitive, Status, TransactionId, Version};
use causeway::session::csp::{ServedFunctions, digest_bytes};
use causeway::wire::{Encoding, Mode};

use crate::csp::{self, WBXML, XML, only, say, send};
use crate::world::{PASSWORD, Place, World, free_port, http_get, manner, modern, receive, text};

fn login_of(user: &str) -> LoginRequest {
    LoginRequest {
        user: user.parse().unwrap(),
        client: ClientId { url: Some("by-hand".into()), ..ClientId::default() },
        application: None,
        password: None,
        digest: None,
        schemas: Vec::new(),
        session: None,
        time_to_live: Some(600),
        responses: Vec::new(),
        cookie: None,
        functions: None,
        capabilities: None,
    }
}

async fn login(phone: &mut Phone, request: LoginRequest) -> LoginResponse {
    let answer = say(phone, Mode::Request, Some("1"), Primitive::LoginRequest(Box::new(request))).await;
    let answer = answer.expect("an answer");
    assert_eq!(answer.session, None, "the answer to a login is Outband");
    match only(&answer) {
        (transaction, Primitive::LoginResponse(response)) => {
            assert_eq!((transaction.mode, transaction.id.as_ref().unwrap().as_str()), (Mode::Response, "1"));
            (**response).clone()
        }
        (_, other) => panic!("{}", other.name()),
    }
}

async fn login_two_way(phone: &mut Phone, user: &str, password: &str) -> LoginResponse {
    login(phone, LoginRequest { password: Some(Password::new(password)), ..login_of(user) }).await
}

/// Both steps, under the same transaction id, as phones do.
async fn login_four_way(
    phone: &mut Phone,
    user: &str,
    password: &str,
    schemas: &[DigestSchema],
) -> (Option<DigestSchema>, LoginResponse) {
    let first = login(phone, LoginRequest { schemas: schemas.to_vec(), ..login_of(user) }).await;
    assert_eq!(first.session, None);
    let (Some(nonce), Some(schema)) = (&first.nonce, first.schema) else { return (None, first) };
    let digest = digest_bytes(schema, nonce, &Password::new(password)).expect("a digest");
    let second = login(phone, LoginRequest { digest: Some(digest.into()), ..login_of(user) }).await;
    (Some(schema), second)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_logs_in_with_its_password_or_a_digest_in_every_form() {
    use DigestSchema::{Md4, Md5, Sha};
    let world = World::new().await;
    let north = world.place("north.example", &[]);
    let node = world.start(&north).await;
    north.phone("ada", modern()).await;
    for version in Version::ALL {
        for encoding in [Encoding::Xml, Encoding::Wbxml] {
            let mut phone = north.silent_phone("ada", manner(version, encoding));
            // With or without scheme and domain, in any case
            for user in ["wv:ada@north.example", "wv:ada", "ada", "wv:ADA@North.Example"] {
                let opened = login_two_way(&mut phone, user, PASSWORD).await;
                assert_eq!((opened.result.code, opened.keep_alive), (Code::SUCCESSFUL, Some(600)));
                assert_eq!(opened.capability_request, Some(true));
                assert!(opened.session.is_some(), "{user}");
            }
            // SHA before MD5; MD4 never
            for (offered, chosen) in
                [(&[Md5][..], Md5), (&[Md5, Sha], Sha), (&[Sha], Sha), (&[Md4, Md5], Md5)]
            {
                let (schema, opened) = login_four_way(&mut phone, "wv:ada", PASSWORD, offered).await;
                assert_eq!((schema, opened.result.code), (Some(chosen), Code::SUCCESSFUL));
                assert!(opened.session.is_some());
            }
            let (schema, refused) = login_four_way(&mut phone, "wv:ada", PASSWORD, &[Md4]).await;
            let code = if version == Version::V1_1 { Code::BAD_PARAMETER } else { Code::NO_DIGEST_SCHEME };
            assert_eq!((schema, refused.result.code), (None, code));
        }
    }
    node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_cannot_prove_to_be_the_user_is_refused_and_never_by_401() {
    let world = World::new().await;
    // Given a provider where accounts are made by the operator
    let (ssp, csp, admin) = (free_port(), free_port(), free_port());
    let writing = Writing { ssp, csp, admin, ..Writing::default() };
    let provider = world.laboratory.provider("north.example", &writing).unwrap();
    let north = Place { provider, ssp, csp, admin };
    let provider = north.provider.clone();
    tokio::task::spawn_blocking(move || provider.add_user("ada", PASSWORD)).await.unwrap().unwrap();
    let node = world.start(&north).await;
    let mut phone = north.silent_phone("ada", modern());
    assert_eq!(login_two_way(&mut phone, "wv:ada", PASSWORD).await.result.code, Code::SUCCESSFUL);
    // Then a wrong password and an unknown user look alike
    for (user, password) in [("wv:ada", "wrong"), ("wv:nobody", PASSWORD)] {
        let refused = login_two_way(&mut phone, user, password).await;
        assert_eq!((refused.result.code, refused.session), (Code::INVALID_PASSWORD, None));
        let (_, refused) = login_four_way(&mut phone, user, password, &[DigestSchema::Md5]).await;
        assert_eq!((refused.result.code, refused.session), (Code::INVALID_PASSWORD, None));
    }
    // A digest nobody asked for, and one that is used again
    let digest = |digest: Box<str>| LoginRequest { digest: Some(digest), ..login_of("wv:ada") };
    assert_eq!(login(&mut phone, digest("AAAA".into())).await.result.code, Code::INVALID_PASSWORD);
    let offer = LoginRequest { schemas: vec![DigestSchema::Md5], ..login_of("wv:ada") };
    let nonce = login(&mut phone, offer).await.nonce.unwrap();
    let right: Box<str> =
        digest_bytes(DigestSchema::Md5, &nonce, &Password::new(PASSWORD)).expect("a digest").into();
    assert_eq!(login(&mut phone, digest(right.clone())).await.result.code, Code::SUCCESSFUL);
    assert_eq!(login(&mut phone, digest(right)).await.result.code, Code::INVALID_PASSWORD);
    // And another provider's user is none of ours
    let foreign = login_two_way(&mut phone, "wv:ada@south.example", PASSWORD).await;
    assert_eq!(foreign.result.code, Code::DOMAIN_NOT_SUPPORTED);
    node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_login_of_the_same_client_ends_the_first_session() {
    let world = World::new().await;
    let north = world.place("north.example", &[]);
    let node = world.start(&north).await;
    let mut ada = north.phone("ada", modern()).await;
    for version in Version::ALL {
        // Given a session, and a message that was offered in it and not taken
        let mut old = north.phone("bo", manner(version, Encoding::Wbxml)).await;
        send(&mut ada, &["wv:bo"], "still mine", false).await;
        old.poll().await.unwrap().expect("an offer");
        // When the same client logs in again
        let mut new = north.phone("bo", modern()).await;
        // Then the old session hears 601 whatever it asks, and Disconnect when it polls
        let asked =
            old.ask(Primitive::GetMessageListRequest(GetMessageListRequest::default())).await.unwrap_err();
        assert_eq!(asked.code(), Some(Code::FORCED_LOGOUT));
        let Some(farewell) = say(&mut old, Mode::Request, None, Primitive::PollingRequest).await else {
            panic!("no farewell")
        };
        let (transaction, Primitive::Disconnect(told)) = only(&farewell) else { panic!("{farewell:?}") };
        assert_eq!((transaction.mode, told.result.code), (Mode::Request, Code::FORCED_LOGOUT));
        // And after that it is dead
        let asked =
            old.ask(Primitive::GetMessageListRequest(GetMessageListRequest::default())).await.unwrap_err();
        assert_eq!(asked.code(), Some(Code::INVALID_SESSION));
        // And what waited is in the new session
        assert_eq!(text(&receive(&mut new).await), "still mine");
    }
    node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_goes_on_after_a_restart_of_the_node() {
    // Given sessions with what they agreed, and a message that waits
    let world = World::new().await;
    let north = world.place("north.example", &[]);
    let node = world.start(&north).await;
    let mut ada = north.phone("ada", modern()).await;
    let mut bo = north.phone("bo", manner(Version::V1_3, Encoding::Wbxml)).await;
    csp::notify_only(&mut bo).await;
    send(&mut ada, &["wv:bo"], "before", false).await;
    let session = bo.session().cloned();
    // When the node stops and comes back
    node.drain().await;
    let node = world.start(&north).await;
    // Then the phones go on as if nothing had happened, as they agreed
    for phone in [&mut ada, &mut bo] {
        csp::reconnect(phone).await;
    }
    let Primitive::MessageNotification(_) = receive(&mut bo).await else { panic!("not told") };
    assert_eq!(bo.session().cloned(), session);
    send(&mut ada, &["wv:bo"], "after", false).await;
    let Primitive::MessageNotification(_) = receive(&mut bo).await else { panic!("not told") };
    node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_logout_is_answered_as_its_version_wants_and_the_session_is_dead() {
    let world = World::new().await;
    let north = world.place("north.example", &[]);
    let node = world.start(&north).await;
    for version in Version::ALL {
        for encoding in [Encoding::Xml, Encoding::Wbxml] {
            let mut bo = north.phone("bo", manner(version, encoding)).await;
            // When
            let answer = say(&mut bo, Mode::Request, Some("77"), Primitive::LogoutRequest).await.unwrap();
            // Then
            let (transaction, primitive) = only(&answer);
            assert_eq!((transaction.mode, transaction.id.as_ref().unwrap().as_str()), (Mode::Response, "77"));
            match primitive {
                Primitive::Disconnect(told) if version == Version::V1_1 => {
                    assert_eq!(told.result, Status::ok());
                }
                Primitive::Status(status) if version != Version::V1_1 => assert_eq!(*status, Status::ok()),
                other => panic!("{other:?}"),
            }
            // And whatever follows is 604, under its own transaction id
            for (id, primitive) in [
                (None, Primitive::PollingRequest),
                (Some("78"), Primitive::LogoutRequest),
                (Some("79"), Primitive::KeepAliveRequest(KeepAliveRequest::default())),
            ] {
                let answer = say(&mut bo, Mode::Request, id, primitive).await.expect("an answer");
                let (transaction, Primitive::Status(status)) = only(&answer) else { panic!("{answer:?}") };
                assert_eq!(transaction.id.as_ref().map(TransactionId::as_str), id);
                assert_eq!((transaction.mode, status.code), (Mode::Response, Code::INVALID_SESSION));
            }
        }
    }
    node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_keep_alive_tells_the_time_only_where_it_differs_from_the_wish() {
    let world = World::new().await;
    let north = world.place("north.example", &[]);
    let node = world.start(&north).await;
    for version in Version::ALL {
        let mut bo = north.phone("bo", manner(version, Encoding::Wbxml)).await;
        for (wish, told) in [(None, None), (Some(600), None), (Some(2), Some(60)), (Some(99_999), Some(7200))]
        {
            let request = KeepAliveRequest { time_to_live: wish };
            let answer = bo.ask(request.into()).await.unwrap();
            let Primitive::KeepAliveResponse(answer) = answer else { panic!("{}", answer.name()) };
            assert_eq!((answer.result.code, answer.time_to_live), (Code::SUCCESSFUL, told));
        }
    }
    node.drain().await;
}

/// `A(B C(D))`.
fn shown(branches: &[Branch]) -> String {
    let one = |branch: &Branch| match &branch.branches[..] {
        [] => branch.name.to_string(),
        below => format!("{}({})", branch.name, shown(below)),
    };
    branches.iter().map(one).collect::<Vec<_>>().join(" ")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_functions_are_what_is_served_and_nothing_else() {
    let world = World::new().await;
    let north = world.place("north.example", &[]);
    let node = world.start(&north).await;
    for version in Version::ALL {
        for encoding in [Encoding::Xml, Encoding::Wbxml] {
            let mut bo = north.phone("bo", manner(version, encoding)).await;
            let branch = |name: &str, below| Branch { name: name.into(), branches: below };
            let segments = vec![branch("ServiceFunc", vec![branch("SGMNT", Vec::new())])];
            let wanted = Functions {
                features: vec![branch("FundamentalFeat", segments), branch("IMFeat", Vec::new())],
            };
            let client = (version == Version::V1_1).then(|| login_of("wv:bo").client);
            let request = ServiceRequest { client, functions: Some(wanted), all_functions_request: true };
            let Primitive::ServiceResponse(answer) = bo.ask(request.into()).await.unwrap() else { panic!() };
            let all = shown(&answer.all_functions.expect("a client reads it without a look").features);
            assert_eq!(all, shown(&ServedFunctions::default().all(version).features));
            assert!(all.contains("MDELIV") && !all.contains("SGMNT"), "{all}");
            // What was wanted and is not there
            let refused = shown(&answer.functions.expect("some are refused").features);
            assert!(refused.starts_with("FundamentalFeat(ServiceFunc(SGMNT))"), "{refused}");
        }
    }
    node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_served_is_501_what_nobody_knows_405_and_the_session_goes_on() {
    let world = World::new().await;
    let north = world.place("north.example", &[]);
    let node = world.start(&north).await;
    let mut bo = north.phone("bo", modern()).await;
    for (content, code) in [
        ("<GetSegment-Request/>", Code::NOT_IMPLEMENTED),
        ("<GetMap-Request/>", Code::NOT_IMPLEMENTED),
        ("<Teleport-Request><Where>moon</Where></Teleport-Request>", Code::SERVICE_NOT_SUPPORTED),
        (
            "<SendMessage-Request><DeliveryReport>maybe</DeliveryReport></SendMessage-Request>",
            Code::BAD_PARAMETER,
        ),
        ("<NewMessage><MessageInfo><MessageID>1</MessageID></MessageInfo></NewMessage>", Code::BAD_REQUEST),
    ] {
        let document = csp::xml(bo.session(), Mode::Request, Some("500"), content);
        let reply = csp::post(north.csp, XML, document.as_bytes()).await;
        let answer = reply.document(Encoding::Xml);
        let (transaction, Primitive::Status(status)) = only(&answer) else { panic!("{content}: {answer:?}") };
        assert_eq!(transaction.id.as_ref().unwrap().as_str(), "500");
        assert_eq!(status.code, code, "{content}");
    }
    send(&mut bo, &["wv:bo"], "still here", false).await;
    assert_eq!(text(&receive(&mut bo).await), "still here");
    node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_document_that_comes_twice_is_answered_again_and_carried_out_once() {
    let world = World::new().await;
    let ((north, north_node), (south, south_node)) = world.linked("north.example", "south.example").await;
    let ada = north.phone("ada", modern()).await;
    let mut bo = south.phone("bo", modern()).await;
    let content = |words: &str| {
        format!(
            "<SendMessage-Request><DeliveryReport>F</DeliveryReport><MessageInfo><Recipient><User>\
             <UserID>wv:bo@south.example</UserID></User></Recipient></MessageInfo>\
             <ContentData>{words}</ContentData></SendMessage-Request>"
        )
    };
    // Given a request that is sent again after its answer, and at the same time
    let document = csp::xml(ada.session(), Mode::Request, Some("800"), &content("once"));
    let post = async || csp::post(north.csp, XML, document.as_bytes()).await.body;
    let (first, at_once) = tokio::join!(post(), post());
    let later = post().await;
    // Then the answers are the same
    assert!(first == at_once && first == later && !first.is_empty());
    // And another text under the same id is another message
    let other = csp::xml(ada.session(), Mode::Request, Some("800"), &content("another"));
    assert_ne!(csp::post(north.csp, XML, other.as_bytes()).await.body, first);
    assert_eq!(text(&receive(&mut bo).await), "once");
    assert_eq!(text(&receive(&mut bo).await), "another");
    assert_eq!(bo.poll().await.unwrap(), None);
    north_node.drain().await;
    south_node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_without_a_session_or_is_no_csp_gets_a_status() {
    let world = World::new().await;
    let north = world.place("north.example", &[]);
    let node = world.start(&north).await;
    // No CSP document at all
    let bomb = "<!DOCTYPE a [<!ENTITY b \"c\">]><a>&b;</a>";
    for (content_type, body) in [
        (XML, &b"hello"[..]),
        (XML, b""),
        (XML, b"<WV-CSP-Message"),
        (XML, bomb.as_bytes()),
        (WBXML, b"\x03\x11\x6a\x00\xff\xff\xff"),
        (WBXML, b""),
    ] {
        let reply = csp::post(north.csp, content_type, body).await;
        assert_eq!((reply.status, reply.header("content-type")), (200, Some(content_type)));
        let encoding = if content_type == XML { Encoding::Xml } else { Encoding::Wbxml };
        let answer = reply.document(encoding);
        let (transaction, Primitive::Status(status)) = only(&answer) else { panic!("{answer:?}") };
        assert_eq!((transaction.id.as_ref().unwrap().as_str(), status.code), ("0", Code::BAD_REQUEST));
    }
    // A version to come
    let future = csp::xml(None, Mode::Request, Some("1"), "<GetSPInfo-Request/>").replace("1.2\"", "2.7\"");
    let answer = csp::post(north.csp, XML, future.as_bytes()).await.document(Encoding::Xml);
    let (_, Primitive::Status(status)) = only(&answer) else { panic!("{answer:?}") };
    assert_eq!((answer.version, status.code), (Version::V1_3, Code::VERSION_NOT_SUPPORTED));
    // What needs a session, without one
    for content in ["<Polling-Request/>", "<Logout-Request/>", "<GetList-Request/>"] {
        let document = csp::xml(None, Mode::Request, Some("5"), content);
        let answer = csp::post(north.csp, XML, document.as_bytes()).await.document(Encoding::Xml);
        let (transaction, Primitive::Status(status)) = only(&answer) else { panic!("{answer:?}") };
        assert_eq!(transaction.id.as_ref().unwrap().as_str(), "5");
        assert!(
            matches!(status.code, Code::INVALID_SESSION | Code::NOT_IMPLEMENTED),
            "{content}: {status:?}"
        );
    }
    // What needs none
    let document = csp::xml(None, Mode::Request, Some("6"), "<GetSPInfo-Request/>");
    let answer = csp::post(north.csp, XML, document.as_bytes()).await.document(Encoding::Xml);
    let (_, Primitive::GetSpInfoResponse(info)) = only(&answer) else { panic!("{answer:?}") };
    assert_eq!(&*info.name, "north.example");
    node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_of_1_3_takes_its_session_up_again() {
    // Given a session in which a message was offered and not answered
    let world = World::new().await;
    let north = world.place("north.example", &[]);
    let node = world.start(&north).await;
    let mut ada = north.phone("ada", modern()).await;
    let mut bo = north.phone("bo", manner(Version::V1_3, Encoding::Wbxml)).await;
    send(&mut ada, &["wv:bo"], "hold on", false).await;
    bo.poll().await.unwrap().expect("an offer");
    let session = bo.session().cloned().unwrap();
    let again = |session: &str| LoginRequest {
        client: ClientId { url: Some("test-phone".into()), ..ClientId::default() },
        password: Some(Password::new(PASSWORD)),
        session: Some(session.parse().unwrap()),
        ..login_of("wv:bo")
    };
    // When it logs in naming the session
    let mut outside = north.silent_phone("bo", manner(Version::V1_3, Encoding::Wbxml));
    let resumed = login(&mut outside, again(session.as_str())).await;
    // Then it is the same session, and what was open comes again
    assert_eq!((resumed.session.as_ref(), resumed.capability_request), (Some(&session), Some(false)));
    assert_eq!(text(&receive(&mut bo).await), "hold on");
    // A session that is gone is a fresh login
    bo.logout().await.unwrap();
    let fresh = login(&mut outside, again(session.as_str())).await;
    assert_eq!((fresh.result.code, fresh.capability_request), (Code::SUCCESSFUL, Some(true)));
    assert_ne!(fresh.session, Some(session));
    node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_requests_in_one_document_are_answered_together_in_order() {
    let world = World::new().await;
    let north = world.place("north.example", &[]);
    let node = world.start(&north).await;
    let mut ada = north.phone("ada", modern()).await;
    send(&mut ada, &["wv:ada"], "waiting", false).await;
    // Given three requests, one of them unknown, and a poll in one document
    let one = |id: Option<&str>, content: &str| {
        let document = csp::xml(ada.session(), Mode::Request, id, content);
        let (begin, end) = (document.find("<Transaction>").unwrap(), document.find("</Session>").unwrap());
        document[begin..end].to_owned()
    };
    let first = csp::xml(ada.session(), Mode::Request, Some("1"), "<KeepAlive-Request/>");
    let more = [
        one(Some("2"), "<Teleport-Request/>"),
        one(None, "<Polling-Request/>"),
        one(Some("3"), "<GetMessageList-Request/>"),
    ];
    let document = first.replace("</Session>", &format!("{}</Session>", more.concat()));
    // When
    let answer = csp::post(north.csp, XML, document.as_bytes()).await.document(Encoding::Xml);
    // Then
    let found: Vec<_> = answer
        .transactions
        .iter()
        .map(|transaction| {
            assert_eq!(transaction.mode, Mode::Response);
            (transaction.id.as_ref().unwrap().as_str(), transaction.content.name())
        })
        .collect();
    assert_eq!(found, [("1", "KeepAliveResponse"), ("2", "Status"), ("3", "GetMessageListResponse")]);
    // And what waits is announced, never put in the place of an answer
    assert_eq!(answer.poll, Some(true));
    assert_eq!(text(&receive(&mut ada).await), "waiting");
    node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_keeps_the_version_of_its_login() {
    let world = World::new().await;
    let north = world.place("north.example", &[]);
    let node = world.start(&north).await;
    let ada = north.phone("ada", modern()).await;
    // Given a document of 1.1 in a session of 1.2
    let old = csp::xml(ada.session(), Mode::Request, Some("1"), "<GetMessageList-Request/>")
        .replace("http://www.openmobilealliance.org/DTD/WV-CSP1.2", "http://www.wireless-village.org/CSP1.1")
        .replace("http://www.openmobilealliance.org/DTD/WV-TRC1.2", "http://www.wireless-village.org/TRC1.1");
    // Then
    let answer = csp::post(north.csp, XML, old.as_bytes()).await.document(Encoding::Xml);
    assert_eq!(answer.version, Version::V1_2);
    assert!(matches!(only(&answer).1, Primitive::GetMessageListResponse(_)), "{answer:?}");
    node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_post_of_a_known_type_never_reaches_a_session() {
    let world = World::new().await;
    let north = world.place("north.example", &[]);
    let node = world.start(&north).await;
    assert_eq!(csp::post(north.csp, "text/plain", b"hello").await.status, 400);
    assert_eq!(http_get(north.csp, "/").await.0, 404);
    assert_eq!(http_get(north.csp, "/content/ada/1").await.0, 404);
    // Its parameters and its case do not matter
    let document = csp::xml(None, Mode::Request, Some("6"), "<GetSPInfo-Request/>");
    for content_type in
        ["Application/vnd.wv.CSP.xml", "text/xml; charset=UTF-8", "application/vnd.wv.csp+xml"]
    {
        let reply = csp::post(north.csp, content_type, document.as_bytes()).await;
        assert_eq!((reply.status, reply.header("content-type")), (200, Some(content_type)));
        assert!(reply.text().contains("GetSPInfo-Response"));
    }
    node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn extensions_of_others_are_passed_over_and_requests_of_theirs_are_501() {
    let world = World::new().await;
    let north = world.place("north.example", &[]);
    let node = world.start(&north).await;
    let ada = north.phone("ada", modern()).await;
    // Given a block that somebody has added to a request
    let plain = csp::xml(ada.session(), Mode::Request, Some("1"), "<GetMessageList-Request/>");
    let block =
        "<ExtBlock><Vendor xmlns=\"urn:vendor.example\"><GetList-Request/></Vendor></ExtBlock></Transaction>";
    let extended = plain.replace("</Transaction>", block);
    assert!(extended.contains("ExtBlock"));
    let answer = csp::post(north.csp, XML, extended.as_bytes()).await.document(Encoding::Xml);
    assert!(matches!(only(&answer).1, Primitive::GetMessageListResponse(_)), "{answer:?}");
    // And a request of nobody's
    let asked = "<Extended-Request xmlns=\"urn:vendor.example\">dance</Extended-Request>";
    let asked = csp::xml(ada.session(), Mode::Request, Some("2"), asked);
    let answer = csp::post(north.csp, XML, asked.as_bytes()).await.document(Encoding::Xml);
    let (transaction, primitive) = only(&answer);
    assert_eq!(transaction.id.as_ref().unwrap().as_str(), "2");
    assert_eq!(*primitive, Status::new(Code::NOT_IMPLEMENTED).into());
    node.drain().await;
}
