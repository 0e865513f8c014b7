//! Watching, and what a watcher may see.

#[allow(clippy::wildcard_imports, reason = "the words of these plays")]
use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watcher_of_another_domain_hears_every_change_until_it_subscribes_no_more() {
    let (_world, (north, north_node), (south, south_node)) = pair().await;
    let mut ada = north.phone("ada", manner(Version::V1_1, Encoding::Wbxml)).await;
    let mut bo = south.phone("bo", manner(Version::V1_3, Encoding::Xml)).await;
    // Given that bo shows everybody three of its attributes
    open_to_all(&mut bo, SEEN).await;
    publish(&mut bo, "at the harbour").await;
    // When ada subscribes, with what it may see at once
    assert_eq!(subscribe(&mut ada, &[BO]).await, Status::ok());
    let presence = hears(&mut ada, "at the harbour").await;
    assert_eq!(presence.user, id(BO));
    assert_eq!(shown(&presence, AttributeName::OnlineStatus).as_deref(), Some("T"));
    assert_eq!(shown(&presence, AttributeName::UserAvailability).as_deref(), Some("AVAILABLE"));
    assert_eq!(shown(&presence, AttributeName::StatusMood), None, "nobody may see how bo feels");
    // Then every change comes by itself, with everything in it
    publish(&mut bo, "on the ferry").await;
    let presence = hears(&mut ada, "on the ferry").await;
    assert_eq!(shown(&presence, AttributeName::OnlineStatus).as_deref(), Some("T"));
    // What is withdrawn is told once
    open_to_all(&mut bo, &[AttributeName::OnlineStatus, AttributeName::StatusText]).await;
    let presence = notified(&mut ada).await;
    assert_eq!(shown(&presence, AttributeName::UserAvailability).as_deref(), Some("?"));
    // and that bo leaves
    bo.logout().await.unwrap();
    let presence = notified(&mut ada).await;
    assert_eq!(shown(&presence, AttributeName::OnlineStatus).as_deref(), Some("F"));
    assert_eq!(shown(&presence, AttributeName::UserAvailability), None);
    // A watcher that subscribes no more hears nothing more
    assert_eq!(unsubscribe(&mut ada, BO).await, 200);
    bo.login(PASSWORD).await.unwrap();
    publish(&mut bo, "back again").await;
    nothing_waits(&mut ada).await;
    north_node.drain().await;
    south_node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unknown_users_and_domains_are_named_in_the_answer() {
    let (_world, (north, north_node), (south, south_node)) = pair().await;
    let mut ada = north.phone("ada", modern()).await;
    let _bo = south.phone("bo", modern()).await;
    let users = [BO, "wv:nobody@south.example", "wv:nobody", "wv:x@nowhere.example"];
    let status = subscribe(&mut ada, &users).await;
    assert_eq!(status.code.get(), 201);
    let code = |user: &str| status.code_for(&causeway::imps::status::Entity::User(id(user))).get();
    assert_eq!(
        users.map(|user| if user == "wv:nobody" { code("wv:nobody@north.example") } else { code(user) }),
        [200, 531, 531, 516]
    );
    assert_eq!(subscribe(&mut ada, &["wv:nobody@south.example"]).await.code.get(), 531);
    // A question has the same answers, beside what it brings
    let found = look(&mut ada, &[BO, "wv:nobody@south.example"], Some(names(SEEN))).await;
    assert_eq!((found.result.code.get(), found.presences.len()), (201, 1));
    north_node.drain().await;
    south_node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_may_see_nothing_sees_nothing_and_learns_no_more_from_asking() {
    let (_world, (north, north_node), (south, south_node)) = pair().await;
    let mut ada = north.phone("ada", modern()).await;
    let mut bo = south.phone("bo", modern()).await;
    open_to_all(&mut bo, &[AttributeName::StatusText]).await;
    publish(&mut bo, "hidden").await;
    // Given that bo blocks ada
    let add = Some(Entities { users: vec![id(ADA)], ..Entities::default() });
    let block = Some(BlockList { in_use: Some(true), add, ..BlockList::default() });
    let request = Primitive::BlockEntityRequest(Box::new(BlockEntityRequest { block, grant: None }));
    assert_eq!(code(&bo.ask(request).await.unwrap()), 200);
    // Then the subscription is taken, and nothing comes of it
    assert_eq!(subscribe(&mut ada, &[BO]).await, Status::ok());
    publish(&mut bo, "still hidden").await;
    let found = look(&mut ada, &[BO], Some(names(SEEN))).await;
    assert_eq!(found.result.code, Code::SUCCESSFUL);
    for name in SEEN {
        assert_eq!(shown(&found.presences[0], *name).as_deref(), Some("?"));
    }
    nothing_waits(&mut ada).await;
    nothing_waits(&mut bo).await;
    // When the block is lifted it is told at once
    let remove = Some(Entities { users: vec![id(ADA)], ..Entities::default() });
    let block = Some(BlockList { remove, ..BlockList::default() });
    let request = Primitive::BlockEntityRequest(Box::new(BlockEntityRequest { block, grant: None }));
    assert_eq!(code(&bo.ask(request).await.unwrap()), 200);
    hears(&mut ada, "still hidden").await;
    north_node.drain().await;
    south_node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_is_asked_about_watchers_and_its_word_counts() {
    let (_world, (north, north_node), (south, south_node)) = pair().await;
    let mut ada = north.phone("ada", modern()).await;
    let mut bo = south.phone("bo", modern()).await;
    publish(&mut bo, "at home").await;
    // When ada, of whom nothing is said, subscribes
    let attributes = Some(names(&[AttributeName::OnlineStatus, AttributeName::StatusText]));
    let request = SubscribePresenceRequest {
        users: vec![id(BO)],
        attributes: attributes.clone(),
        ..SubscribePresenceRequest::default()
    };
    assert_eq!(code(&ask(&mut ada, request).await), 200);
    nothing_waits(&mut ada).await;
    // Then bo is asked
    match receive(&mut bo).await {
        Primitive::PresenceAuthRequest(question) => {
            assert_eq!((question.user, question.attributes), (id(ADA), attributes));
        }
        other => panic!("{other:?}"),
    }
    let status = async |bo: &mut Phone| match ask(bo, GetReactiveAuthStatusRequest::default()).await {
        Primitive::GetReactiveAuthStatusResponse(answer) => answer.statuses[0].state,
        other => panic!("{other:?}"),
    };
    assert_eq!(status(&mut bo).await, ReactiveAuthState::Pending);
    // and says yes
    let yes = |acceptance| PresenceAuthUser { user: id(ADA), acceptance, attributes: None };
    assert_eq!(code(&ask(&mut bo, yes(true)).await), 200);
    assert_eq!(status(&mut bo).await, ReactiveAuthState::Granted);
    hears(&mut ada, "at home").await;
    // or no, later
    assert_eq!(code(&ask(&mut bo, yes(false)).await), 200);
    let presence = notified(&mut ada).await;
    assert_eq!(shown(&presence, AttributeName::StatusText).as_deref(), Some("?"));
    assert_eq!(status(&mut bo).await, ReactiveAuthState::Denied);
    // or takes its word back
    assert_eq!(code(&ask(&mut bo, CancelAuthRequest { user: id(ADA) }).await), 200);
    assert_eq!(code(&ask(&mut bo, CancelAuthRequest { user: id(ADA) }).await), 531);
    north_node.drain().await;
    south_node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_clients_of_a_watcher_hear_what_each_wants_and_the_last_one_ends_it() {
    let (_world, (north, north_node), (south, south_node)) = pair().await;
    let mut phone = north.phone("ada", modern()).await;
    let desk = Phone::new(north.csp, north.user("ada"), "desk", manner(Version::V1_2, Encoding::Wbxml));
    let mut desk = desk;
    desk.login(PASSWORD).await.unwrap();
    let mut bo = south.phone("bo", modern()).await;
    open_to_all(&mut bo, SEEN).await;
    publish(&mut bo, "one").await;
    assert_eq!(subscribe(&mut phone, &[BO]).await, Status::ok());
    hears(&mut phone, "one").await;
    let request = SubscribePresenceRequest {
        users: vec![id(BO)],
        attributes: Some(names(&[AttributeName::StatusText])),
        ..SubscribePresenceRequest::default()
    };
    assert_eq!(code(&ask(&mut desk, request).await), 200);
    let presence = hears(&mut desk, "one").await;
    assert_eq!(presence.attributes.attributes.len(), 1, "the other client wants more");
    // One watcher, however many clients
    let watchers = async |bo: &mut Phone| match ask(bo, GetWatcherListRequest::default()).await {
        Primitive::GetWatcherListResponse(list) => {
            list.watchers.into_iter().map(|watcher| watcher.user.id).collect::<Vec<_>>()
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(watchers(&mut bo).await, [id(ADA)]);
    publish(&mut bo, "two").await;
    hears(&mut phone, "two").await;
    hears(&mut desk, "two").await;
    // One client leaves, the other hears on
    phone.logout().await.unwrap();
    publish(&mut bo, "three").await;
    hears(&mut desk, "three").await;
    assert_eq!(watchers(&mut bo).await, [id(ADA)]);
    // With the last one it ends
    desk.logout().await.unwrap();
    let south_csp = &mut bo;
    let begin = std::time::Instant::now();
    while !watchers(south_csp).await.is_empty() {
        assert!(begin.elapsed() < crate::world::PATIENCE, "the subscription stays");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    north_node.drain().await;
    south_node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_contacts_of_a_user_see_more_than_strangers_in_every_version() {
    let world = World::new().await;
    let north = world.place("north.example", &[]);
    let node = world.start(&north).await;
    let mut cy = north.phone("cy", modern()).await;
    publish(&mut cy, "among friends").await;
    for version in Version::ALL {
        for encoding in [Encoding::Xml, Encoding::Wbxml] {
            let name = format!("dee{}{}", version.as_str().replace('.', ""), encoding.as_str());
            let mut dee = north.phone(&name, manner(version, encoding)).await;
            let cy_id = "wv:cy@north.example";
            assert_eq!(subscribe(&mut dee, &[cy_id]).await, Status::ok());
            match receive(&mut cy).await {
                Primitive::PresenceAuthRequest(question) => {
                    assert_eq!((question.user, question.attributes), (north.user(&name), None));
                }
                other => panic!("{other:?}"),
            }
            nothing_waits(&mut dee).await;
            // On a contact list of cy it sees what all contacts see
            let list = format!("wv:cy/{name}").parse().unwrap();
            let contacts = vec![Contact { user: north.user(&name), nickname: None }];
            let request = CreateListRequest { list, contacts, properties: Vec::new() };
            assert_eq!(code(&ask(&mut cy, request).await), 200);
            let presence = hears(&mut dee, "among friends").await;
            assert_eq!(shown(&presence, AttributeName::StatusMood), None);
            // A word about dee itself wins
            let grant = |attributes: &[AttributeName]| CreateAttributeListRequest {
                attributes: names(attributes),
                users: vec![north.user(&name)],
                contact_lists: Vec::new(),
                default_list: false,
                default_notify: None,
                user_notify: None,
                contact_list_notify: None,
            };
            assert_eq!(code(&ask(&mut cy, grant(&[AttributeName::StatusMood])).await), 200);
            let presence = notified(&mut dee).await;
            assert_eq!(shown(&presence, AttributeName::StatusMood).as_deref(), Some("HAPPY"));
            assert_eq!(shown(&presence, AttributeName::StatusText).as_deref(), Some("?"));
            let request = GetAttributeListRequest { users: vec![north.user(&name)], ..Default::default() };
            match ask(&mut cy, request).await {
                Primitive::GetAttributeListResponse(answer) => {
                    assert_eq!(answer.grants[0].attributes, names(&[AttributeName::StatusMood]));
                }
                other => panic!("{other:?}"),
            }
            let request = DeleteAttributeListRequest { users: vec![north.user(&name)], ..Default::default() };
            assert_eq!(code(&ask(&mut cy, request).await), 200);
            hears(&mut dee, "among friends").await;
        }
    }
    node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_tells_of_its_own_users_only_and_only_those_who_asked_hear_it() {
    let world = World::new().await;
    let north = place(&world, "north.example", &["south.example", "west.example"]);
    let west = ScriptedPeer::start(&world, &north, "west.example").await;
    let node = world.start(&north).await;
    let mut ada = north.phone("ada", modern()).await;
    let session = west.log_in(1).await;
    let notice = |of: &str, to: &str| {
        format!(
            "<PresenceNotification><MetaInfo clientOriginated='No'><Requestor serviceID='wv:@west.example'/>\
             </MetaInfo><User userID='{to}'/><PresenceValue userID='{of}'><PresenceSubList><OnlineStatus>\
             <Qualifier>T</Qualifier><PresenceValue>T</PresenceValue></OnlineStatus></PresenceSubList>\
             </PresenceValue></PresenceNotification>"
        )
    };
    // Nobody asked
    assert_eq!(west.ask(&session, "t1", &notice("wv:zoe@west.example", ADA)).await.code(), 200);
    nothing_waits(&mut ada).await;
    // A user of somebody else, a watcher of somebody else, a watcher nobody knows
    let spoofed = west.ask(&session, "t2", &notice(BO, ADA)).await;
    assert_eq!(spoofed.code(), 901);
    let stray = west.ask(&session, "t3", &notice("wv:zoe@west.example", BO)).await;
    assert_eq!(stray.code(), 516);
    let unknown = west.ask(&session, "t4", &notice("wv:zoe@west.example", "wv:nobody@north.example")).await;
    assert_eq!(unknown.code(), 531);
    // Somebody else's user asks for ours
    let asks = |who: &str, element: &str, whom: &str| {
        format!(
            "<{element}><MetaInfo clientOriginated='Yes'><Requestor serviceID='wv:@west.example'>\
             <User userID='{who}'/></Requestor></MetaInfo><UserID userID='{whom}'/></{element}>"
        )
    };
    for element in ["SubscribeRequest", "UnsubscribeRequest", "GetPresenceRequest"] {
        let by_bo = west.ask(&session, &format!("b-{element}"), &asks(BO, element, ADA)).await;
        assert_eq!(by_bo.code(), 901, "{element}");
    }
    let zoe = "wv:zoe@west.example";
    let elsewhere = west.ask(&session, "t6", &asks(zoe, "SubscribeRequest", BO)).await;
    assert_eq!(elsewhere.code(), 516);
    // What its own user asks is answered, and told: to each what it may see
    open_to_all(&mut ada, SEEN).await;
    let asked = request("t7", &asks(zoe, "SubscribeRequest", ADA));
    west.say(&in_session(&session.ours, &[asked])).await;
    // The answer and the first notice, whichever is quicker
    let (one, other) = (west.next().await, west.next().await);
    let (told, answer) =
        if one.text.contains("<PresenceNotification>") { (one, other) } else { (other, one) };
    assert_eq!(answer.code(), 200);
    assert!(told.text.contains("<User userID=\"wv:zoe@west.example\"/><PresenceValue"), "{}", told.text);
    assert!(
        told.text.contains("<MetaInfo clientOriginated=\"No\"><Requestor serviceID=\"wv:@north.example\">")
    );
    node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_counts_for_those_who_were_asked_about_and_a_subscription_may_be_renewed() {
    let world = World::new().await;
    let north = place(&world, "north.example", &["west.example"]);
    let west = ScriptedPeer::start(&world, &north, "west.example").await;
    let node = world.start(&north).await;
    let mut ada = north.phone("ada", modern()).await;
    let session = west.log_in(1).await;
    let zoe = "wv:zoe@west.example";
    // When ada looks at zoe, and the answer tells of others too: of its own users, of ours, of anybody
    let play = async {
        let heard = west.next().await;
        assert!(heard.text.contains("<GetPresenceRequest"), "{}", heard.text);
        let value = |of: &str| {
            format!(
                "<PresenceValue userID='{of}'><PresenceSubList><StatusText><Qualifier>T</Qualifier>\
                 <PresenceValue>{of}</PresenceValue></StatusText></PresenceSubList></PresenceValue>"
            )
        };
        let values: String = [zoe, "wv:yan@west.example", BO, ADA].map(value).concat();
        let id = heard.transaction().id.to_string();
        let inside = format!("<GetPresenceResponse><Status code='200'/>{values}</GetPresenceResponse>");
        west.say(&in_session(&session.ours, &[response(&id, &inside)])).await;
    };
    let users = [zoe];
    let (answer, ()) = tokio::join!(look(&mut ada, &users, None), play);
    // Then zoe's presence is all that she is shown
    let shown: Vec<_> = answer.presences.iter().map(|presence| presence.user.as_str()).collect();
    assert_eq!(shown, [zoe]);
    // When zoe subscribes to her three times over
    open_to_all(&mut ada, SEEN).await;
    let asks = format!(
        "<SubscribeRequest><MetaInfo clientOriginated='Yes'><Requestor serviceID='wv:@west.example'>\
         <User userID='{zoe}'/></Requestor></MetaInfo><UserID userID='{ADA}'/></SubscribeRequest>"
    );
    for number in 0..3 {
        west.say(&in_session(&session.ours, &[request(&format!("s{number}"), &asks)])).await;
    }
    publish(&mut ada, "three times is once").await;
    // Then each is answered 200, and what she publishes is told once
    let (mut answered, mut told) = (0, 0);
    while answered < 3 || told < 1 {
        let heard = west.next().await;
        if heard.text.contains("<PresenceNotification>") {
            told += heard.text.matches("three times is once").count();
        } else {
            assert_eq!(heard.code(), 200);
            answered += 1;
        }
    }
    assert_eq!((answered, told), (3, 1));
    assert_eq!(
        west.ask(&session, "last", "<NoSuchRequest/>").await.code(),
        405,
        "nothing else was to be said"
    );
    node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_legacy_peer_is_never_asked_for_presence_but_watched_for_a_moment() {
    let world = World::new().await;
    let agreement = "services = [\"im\", \"presence\"]\nprofile = \"legacy\"";
    let writing = Writing { peers: &["west.example"], agreement, ..Writing::default() };
    let north = world.place_with("north.example", &writing);
    let west = ScriptedPeer::start(&world, &north, "west.example").await;
    let node = world.start(&north).await;
    let mut ada = north.phone("ada", modern()).await;
    let session = west.log_in(1).await;
    let zoe = "wv:zoe@west.example";
    let users = [zoe];
    // Its notices have no MetaInfo, and a namespace and `wv:` now and then (recording 40)
    let notice = |id: &str, to: &str, namespace: &str, said: &str| {
        let inner = format!(
            "<PresenceNotification><User userID='{to}'/><PresenceValue userID='{zoe}'>\
             <PresenceSubList{namespace}><StatusText><Qualifier>T</Qualifier><PresenceValue>{said}\
             </PresenceValue></StatusText></PresenceSubList></PresenceValue></PresenceNotification>"
        );
        in_session(&session.ours, &[request(id, &inner)])
    };
    let answers = |id: &str| in_session(&session.ours, &[response(id, "<Status code='200'/>")]);
    // The next request of the node, whatever answers to our notices come between
    let asked = async |element: &str| loop {
        let heard = west.next().await;
        if heard.text.contains(&format!("<{element}>")) {
            return heard.transaction().id.to_string();
        }
        assert!(heard.text.contains("<Status"), "{}", heard.text);
    };
    // When ada looks at zoe, zoe's home sees somebody subscribe and subscribe no more
    let play = async {
        let id = asked("SubscribeRequest").await;
        west.say(&answers(&id)).await;
        west.say(&notice("n1", ADA, "", "look")).await;
        let id = asked("UnsubscribeRequest").await;
        west.say(&answers(&id)).await;
    };
    let (found, ()) = tokio::join!(look(&mut ada, &users, None), play);
    assert_eq!(found.result.code, Code::SUCCESSFUL);
    assert_eq!(shown(&found.presences[0], AttributeName::StatusText).as_deref(), Some("look"));
    // It does not forget; what comes of it is dropped (conflict C-31)
    west.say(&notice("n2", ADA, "", "unheard")).await;
    nothing_waits(&mut ada).await;
    // A watcher that stays hears every form of notice
    let play = async {
        let id = asked("SubscribeRequest").await;
        west.say(&answers(&id)).await;
    };
    let (status, ()) = tokio::join!(subscribe(&mut ada, &users), play);
    assert_eq!(status, Status::ok());
    let namespace = " xmlns='http://www.openmobilealliance.org/DTD/WV-PA1.3'";
    let forms = [("n3", ADA, ""), ("n4", ADA, namespace), ("n5", "ada@north.example", "")];
    for (id, to, namespace) in forms {
        west.say(&notice(id, to, namespace, id)).await;
        hears(&mut ada, id).await;
    }
    node.drain().await;
}
