//! Groups and peers whose words are written by hand: who may say what, and what leaves.

use std::time::{Duration, Instant};

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_speaks_for_its_own_groups_and_users_alone() {
    // Given a node with a group, whose owner is in it, and a scripted peer
    let world = World::new().await;
    let north = place(&world, "north.own.example", &["east.own.example"]);
    let east = ScriptedPeer::start(&world, &north, "east.own.example").await;
    let node = world.start(&north).await;
    let mut ada = north.phone("ada", modern()).await;
    let club = group("wv:/club@north.own.example");
    create(&mut ada, &club, "Ada", &[]).await;
    let session = east.log_in(1).await;
    let server =
        "<MetaInfo clientOriginated=\"No\"><Requestor serviceID=\"wv:@east.own.example\"/></MetaInfo>";
    let zoe = "<MetaInfo clientOriginated=\"Yes\"><Requestor serviceID=\"wv:@east.own.example\">\
               <User userID=\"wv:zoe@east.own.example\"/></Requestor></MetaInfo>";
    let ada_user = "<User userID=\"wv:ada@north.own.example\"/>";
    let joined = "<Joined><Name>Mallory</Name></Joined>";
    let ours = "groupID=\"wv:/club@north.own.example\"";
    let theirs = "groupID=\"wv:/lobby@east.own.example\"";
    // When it tells our users of changes in our group, or of a third domain's: 901
    for (number, id) in [ours, "groupID=\"wv:/lobby@west.own.example\""].into_iter().enumerate() {
        let notice = format!("<GroupChangeNotice {id}>{server}{ada_user}{joined}</GroupChangeNotice>");
        assert_eq!(east.ask(&session, &format!("n{number}"), &notice).await.code(), 901);
        let kick = format!(
            "<LeaveGroupIndication {id}>{server}{ada_user}<Status code=\"809\"/></LeaveGroupIndication>"
        );
        assert_eq!(east.ask(&session, &format!("k{number}"), &kick).await.code(), 901);
    }
    // Of its own group, in which our user is not: the user hears nothing
    let notice = format!("<GroupChangeNotice {theirs}>{server}{ada_user}{joined}</GroupChangeNotice>");
    assert_eq!(east.ask(&session, "n9", &notice).await.code(), 808);
    // When it asks for a group that is not ours: 516; in nobody's name: 400; for somebody else's user: 901
    let delete = |id: &str, meta: &str| format!("<DeleteGroupRequest {id}>{meta}</DeleteGroupRequest>");
    assert_eq!(east.ask(&session, "d1", &delete(theirs, zoe)).await.code(), 516);
    assert_eq!(east.ask(&session, "d2", &delete(ours, server)).await.code(), 400);
    let forged = zoe.replace("wv:zoe@east.own.example", "wv:ada@north.own.example");
    assert_eq!(east.ask(&session, "d3", &delete(ours, &forged)).await.code(), 901);
    assert_eq!(east.ask(&session, "d4", &delete(ours, zoe)).await.code(), 816);
    // And its users may not write into a group that they are not in
    let speak = east
        .message("m1", "wv:zoe@east.own.example", &[], "let me in", false)
        .replace("<Recipient></Recipient>", &format!("<Recipient><GroupID {ours}/></Recipient>"));
    assert_eq!(east.ask(&session, "m1", &speak).await.code(), 808);
    // Then nothing of all this has reached anybody
    assert_eq!(ada.take().await.unwrap(), None);
    assert!(
        north.metric("causeway_ssp_refused_total{peer=\"east.own.example\",reason=\"identity\"}").await
            >= 5.0
    );
    node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_fan_out_of_a_group_is_one_request_a_domain_without_the_authors_address() {
    // Given a group here, and two users of a scripted peer in it, one of them with two clients
    let world = World::new().await;
    let writing = Writing {
        peers: &["east.fan.example"],
        agreement: "services = [\"im\", \"group\"]\n",
        sections: "[limits]\nhold-message-seconds = 20\n",
        ..Writing::default()
    };
    let north = world.place_with("north.fan.example", &writing);
    let east = ScriptedPeer::start(&world, &north, "east.fan.example").await;
    let node = world.start(&north).await;
    let mut ada = north.phone("ada", modern()).await;
    let club = group("wv:/club@north.fan.example");
    create(&mut ada, &club, "Skipper", &[]).await;
    let session = east.log_in(1).await;
    for (number, (user, client)) in
        [("zoe", "phone"), ("zoe", "desk"), ("yan", "phone")].into_iter().enumerate()
    {
        let join = format!(
            "<JoinGroupRequest groupID=\"{club}\" joinedListRequest=\"No\" subscribeNotif=\"No\">\
             <MetaInfo clientOriginated=\"Yes\"><Requestor serviceID=\"wv:@east.fan.example\">\
             <User userID=\"wv:{user}@east.fan.example\"><ClientID url=\"{client}\"/></User></Requestor></MetaInfo>\
             </JoinGroupRequest>"
        );
        let answer = east.ask(&session, &format!("j{number}"), &join).await;
        assert!(answer.text.contains("<JoinGroupResponse><Status code=\"200\"/>"), "{}", answer.text);
    }
    for who in ["zoe", "yan"] {
        assert_eq!(notice(&mut ada).await.moves.joined[0].name.as_deref(), Some(who));
    }
    // When somebody says something
    let begin = Instant::now();
    say(&mut ada, Recipient::Group(club), "hello all").await;
    // Then it is answered before the peer has said what it thinks of it
    assert!(begin.elapsed() < Duration::from_secs(10), "nobody waits for members elsewhere");
    // And the peer gets one request for all its members, in the fan-out form (reference example 10)
    let heard = until("the request", || async {
        let heard = east.next().await;
        heard.text.contains("SendMessageRequest").then_some(heard)
    })
    .await;
    for part in [
        "<MetaInfo clientOriginated=\"No\"><Requestor serviceID=\"wv:@north.fan.example\"/></MetaInfo>",
        "<Recipient><User userID=\"wv:yan@east.fan.example\"/><RecipientDisplay><GroupID groupID=\"wv:/club@north.fan.example\"/></RecipientDisplay></Recipient>",
        "<Recipient><User userID=\"wv:zoe@east.fan.example\"/>",
        "<Sender><GroupID groupID=\"wv:/club@north.fan.example\"/><SenderDisplay>\
         <ScreenName groupID=\"wv:/club@north.fan.example\">Skipper</ScreenName></SenderDisplay></Sender>",
    ] {
        assert!(heard.text.contains(part), "{part} in {}", heard.text);
    }
    assert!(!heard.text.contains("ada@"), "{}", heard.text);
    assert_eq!(heard.text.matches("<SendMessageRequest").count(), 1);
    // And when a member repeats a message, as it may when an answer is lost, nobody hears it twice
    let speak = east.message("m1@east.fan.example", "wv:zoe@east.fan.example", &[], "once", false).replace(
        "<Recipient></Recipient>",
        "<Recipient><GroupID groupID=\"wv:/club@north.fan.example\"/></Recipient>",
    );
    let mut answers = 0;
    for transaction in ["m1", "m2"] {
        east.post(&in_session(&session.ours, &[request(transaction, &speak)])).await;
    }
    while answers < 2 {
        let heard = east.next().await;
        if heard.text.contains("<SendMessageResponse") {
            assert!(heard.text.contains("<Status code=\"200\"/>"), "{}", heard.text);
            answers += heard.text.matches("<SendMessageResponse").count();
        }
    }
    assert_eq!(text(&receive(&mut ada).await), "once");
    assert_eq!(ada.take().await.unwrap(), None);
    node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_to_a_group_elsewhere_shows_the_name_of_its_author() {
    // Given a scripted peer that is home to a group, and a user of ours
    let world = World::new().await;
    let north = place(&world, "north.else.example", &["east.else.example"]);
    let east = ScriptedPeer::start(&world, &north, "east.else.example").await;
    let node = world.start(&north).await;
    let mut ada = north.phone("ada", modern()).await;
    let session = east.log_in(1).await;
    let lobby = group("wv:/lobby@east.else.example");
    let server =
        "<MetaInfo clientOriginated=\"No\"><Requestor serviceID=\"wv:@east.else.example\"/></MetaInfo>";
    let passed_on = |id: &str, words: &str| {
        format!(
            "<SendMessageRequest deliveryReport=\"No\">{server}<MessageInfo messageID=\"{id}@east.else.example\">\
             <Recipient><User userID=\"wv:ada@north.else.example\"/></Recipient><Sender>\
             <GroupID groupID=\"{lobby}\"/><SenderDisplay><ScreenName groupID=\"{lobby}\">Zoe</ScreenName></SenderDisplay>\
             </Sender></MessageInfo><ContentData contentType=\"text/plain\">{words}</ContentData></SendMessageRequest>"
        )
    };
    // What is said before the user comes in is not for it
    assert_eq!(east.ask(&session, "m0", &passed_on("m0", "too early")).await.code(), 808);
    // When the user joins, the peer is asked with the user's address, client and wishes
    let request_to_join = join_request(&lobby, "Ada");
    let (answer, asked) = tokio::join!(ask(&mut ada, request_to_join), async {
        let asked = east.next().await;
        let id = asked.transaction().id.to_string();
        let answer = "<JoinGroupResponse><Status code=\"200\"/><JoinedList><Name>Zoe</Name><Name>Ada</Name></JoinedList>\
                      </JoinGroupResponse>";
        east.post(&in_session(&session.ours, &[response(&id, answer)])).await;
        asked
    });
    for part in [
        "<JoinGroupRequest groupID=\"wv:/lobby@east.else.example\" joinedListRequest=\"Yes\" subscribeNotif=\"Yes\">",
        "<User userID=\"wv:ada@north.else.example\"><ClientID url=\"test-phone\"/></User>",
        "<ScreenName groupID=\"wv:/lobby@east.else.example\">Ada</ScreenName>",
    ] {
        assert!(asked.text.contains(part), "{part} in {}", asked.text);
    }
    let Primitive::JoinGroupResponse(answer) = answer else { panic!("{answer:?}") };
    assert_eq!(names(&answer), ["Zoe", "Ada"]);
    // Then what the user says leaves with the user as the sender and the screen name as what is shown
    let (said, heard) = tokio::join!(say(&mut ada, Recipient::Group(lobby.clone()), "hello"), async {
        let heard = east.next().await;
        let id = heard.transaction().id.to_string();
        let answer = "<SendMessageResponse messageID=\"x\"><Status code=\"200\"/></SendMessageResponse>";
        east.post(&in_session(&session.ours, &[response(&id, answer)])).await;
        heard
    });
    assert_eq!(said.result.code, Code::SUCCESSFUL);
    let shown_as = "<Sender><User userID=\"wv:ada@north.else.example\"/><SenderDisplay>\
                    <ScreenName groupID=\"wv:/lobby@east.else.example\">Ada</ScreenName></SenderDisplay></Sender>";
    assert!(heard.text.contains(shown_as), "{}", heard.text);
    // And what the group passes on arrives as the group's, from a peer that says no more than the grammar
    assert_eq!(east.ask(&session, "m1", &passed_on("m1", "welcome")).await.code(), 200);
    // What comes again is not heard by whoever has come in since
    assert_eq!(east.ask(&session, "m0-again", &passed_on("m0", "too early")).await.code(), 200);
    let heard = message(&mut ada).await;
    assert_eq!((words(&heard), shown(&heard)), ("welcome", "Zoe"));
    assert_eq!(heard.info.recipients, [Recipient::Group(lobby.clone())]);
    // And notices reach the user, until the group's home puts it out: whom it means is not said, as the one
    // known implementation does it, and there is only one
    let user = "<User userID=\"wv:ada@north.else.example\"><ClientID url=\"test-phone\"/></User>";
    let change = format!(
        "<GroupChangeNotice groupID=\"{lobby}\">{server}{user}<Left><Name>Zoe</Name></Left></GroupChangeNotice>"
    );
    assert_eq!(east.ask(&session, "n1", &change).await.code(), 200);
    assert_eq!(&*notice(&mut ada).await.moves.left[0], "Zoe");
    let out = format!(
        "<LeaveGroupIndication groupID=\"{lobby}\"><Status code=\"809\"/><ReasonText>go</ReasonText>\
         </LeaveGroupIndication>"
    );
    assert_eq!(east.ask(&session, "o1", &out).await.code(), 200);
    let told = put_out(&mut ada).await;
    assert_eq!(
        (told.result.code, told.result.description.as_deref()),
        (Code::REJECTED_FROM_GROUP, Some("go"))
    );
    assert_eq!(east.ask(&session, "n2", &change).await.code(), 808, "it is out");
    assert_eq!(ada.take().await.unwrap(), None);
    node.drain().await;
}

/// A user of the scripted peer joins or leaves a group, or says something in it.
fn asks(peer: &str, element: &str, group: &GroupId) -> String {
    format!(
        "<{element} groupID=\"{group}\"><MetaInfo clientOriginated=\"Yes\"><Requestor serviceID=\"wv:@{peer}\">\
         <User userID=\"wv:zoe@{peer}\"><ClientID url=\"phone\"/></User></Requestor></MetaInfo></{element}>"
    )
}

fn says(peer: &ScriptedPeer, domain: &str, id: &str, group: &GroupId) -> String {
    let to = format!("<Recipient><GroupID groupID=\"{group}\"/></Recipient>");
    let message = peer.message(id, &format!("wv:zoe@{domain}"), &[], id, false);
    message.replace("<Recipient></Recipient>", &to)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_said_in_a_group_is_answered_again_though_its_author_has_left() {
    let world = World::new().await;
    let (domain, peer) = ("north.again.example", "east.again.example");
    let north = place(&world, domain, &[peer]);
    let east = ScriptedPeer::start(&world, &north, peer).await;
    let node = world.start(&north).await;
    let mut ada = north.phone("ada", modern()).await;
    let club = group(&format!("wv:/club@{domain}"));
    create(&mut ada, &club, "Skipper", &[]).await;
    // Given a user of a peer who said something and left, and a node that was started anew
    let session = east.log_in(1).await;
    let answer = east.ask(&session, "t1", &asks(peer, "JoinGroupRequest", &club)).await;
    assert!(answer.text.contains("<Status code=\"200\"/>"), "{}", answer.text);
    assert_eq!(east.ask(&session, "t2", &says(&east, peer, "m1", &club)).await.code(), 200);
    let answer = east.ask(&session, "t3", &asks(peer, "LeaveGroupRequest", &club)).await;
    assert!(answer.text.contains("<Status code=\"200\"/>"), "{}", answer.text);
    node.drain().await;
    let node = world.start(&north).await;
    let answer_to = async |transaction: &str, message: &str| {
        let said = request(transaction, &says(&east, peer, message, &club));
        east.post(&in_session(&session.ours, &[said])).await;
        loop {
            // The node also asks whether its session still lives.
            let heard = east.next().await;
            if heard.transaction().id.as_str() == transaction {
                return heard.code();
            }
        }
    };
    // When the peer, which did not hear the answer, says it again, then it hears what became of it
    assert_eq!(answer_to("t4", "m1").await, 200);
    // And anything else is not for who is not in
    assert_eq!(answer_to("t5", "m2").await, 808);
    node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_behind_an_agreement_without_groups_is_out_and_the_others_see_it() {
    let (domain, peer) = ("north.narrow.example", "east.narrow.example");
    for (lines, said) in
        [("services = [\"im\"]", "narrowed"), ("state = \"closed\"\nservices = [\"im\"]", "closed")]
    {
        let world = World::new().await;
        let north = place(&world, domain, &[peer]);
        let east = ScriptedPeer::start(&world, &north, peer).await;
        let node = world.start(&north).await;
        let mut ada = north.phone("ada", modern()).await;
        let mut bo = north.phone("bo", modern()).await;
        let club = group(&format!("wv:/club@{domain}"));
        create(&mut ada, &club, "Skipper", &[]).await;
        // Given a member at another provider
        let session = east.log_in(1).await;
        east.ask(&session, "t1", &asks(peer, "JoinGroupRequest", &club)).await;
        assert_eq!(notice(&mut ada).await.moves.joined[0].name.as_deref(), Some("zoe"));
        join(&mut bo, &club, "Bo").await;
        assert_eq!(notice(&mut ada).await.moves.joined[0].name.as_deref(), Some("Bo"));
        // When the agreement holds no groups any more, and somebody says something
        let entry = format!("[[peer]]\ndomain = \"{peer}\"\n{lines}\n");
        std::fs::write(north.provider.folder.join("peers.toml"), entry).unwrap();
        let since = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
        let today = causeway::imps::DateTime::from_unix(i64::try_from(since).unwrap());
        assert!(node.reload(today).await, "{said}");
        assert_eq!(say(&mut ada, Recipient::Group(club.clone()), said).await.result.code, Code::SUCCESSFUL);
        // Then its author sees who does not hear it, and the others hear it
        assert_eq!(notice(&mut ada).await.moves.left, ["zoe".into()], "{said}");
        assert_eq!(notice(&mut bo).await.moves.left, ["zoe".into()], "{said}");
        assert_eq!(words(&message(&mut bo).await), said);
        node.drain().await;
    }
}
