//! Public profiles and whether identities exist, across providers; what a client learns before login.

use causeway::cli::laboratory::Writing;
use causeway::cli::phone::{Phone, PhoneError};
use causeway::imps::primitive::{
    GetGroupPropsRequest, GetPresenceRequest, GetPublicProfileRequest, GetPublicProfileResponse,
    KeepAliveRequest, Property, PublicProfile, ServiceRequest, SystemMessageResponse, SystemMessageUser,
    UpdatePublicProfileRequest, VerifyIdRequest,
};
use causeway::imps::status::Entity;
use causeway::imps::{Code, Primitive, Status, Version};
use causeway::wire::Encoding;

use super::operators::{done, http_with};
use crate::csp::{ask, message, post};
use crate::peer::ScriptedPeer;
use crate::world::{PASSWORD, World, manner, modern, receive, text, until};

async fn update(phone: &mut Phone, clear: bool, properties: &[(&str, &str)]) -> Code {
    let user = phone.user().clone();
    let properties = properties.iter().map(|(name, value)| Property::new(name, value)).collect();
    let profile = Some(PublicProfile { user, properties });
    ask(phone, UpdatePublicProfileRequest { clear: Some(clear), profile }).await.code()
}

async fn look(phone: &mut Phone, users: &[&str]) -> GetPublicProfileResponse {
    let users = users.iter().map(|user| user.parse().unwrap()).collect();
    match ask(phone, GetPublicProfileRequest { users }).await {
        Primitive::GetPublicProfileResponse(answer) => answer,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_profile_is_seen_at_home_and_from_another_provider() {
    let world = World::new().await;
    let place = |domain, peer| {
        let agreement = "services = [\"im\", \"search\"]";
        world.place_with(domain, &Writing { peers: &[peer], agreement, ..Writing::default() })
    };
    let (north, south) = (place("north.example", "south.example"), place("south.example", "north.example"));
    let (north_node, south_node) = (world.start(&north).await, world.start(&south).await);
    let mut ada = north.phone("ada", manner(Version::V1_3, Encoding::Wbxml)).await;
    let mut bo = south.phone("bo", manner(Version::V1_3, Encoding::Xml)).await;
    assert_eq!(update(&mut bo, false, &[("PP_CITY", "Malmö"), ("PP_AGE", "44")]).await, Code::SUCCESSFUL);
    assert_eq!(update(&mut ada, false, &[("PP_FRIENDLY_NAME", "Ada")]).await, Code::SUCCESSFUL);
    // Ada looks at herself, at Bo, and at two who are not there
    let seen =
        look(&mut ada, &["wv:ada", "wv:bo@south.example", "wv:eve@south.example", "wv:x@nowhere.example"])
            .await;
    let shown: Vec<_> =
        seen.profiles.iter().map(|profile| (profile.user.as_str(), &profile.properties[..])).collect();
    let bos = [Property::new("PP_AGE", "44"), Property::new("PP_CITY", "Malmö")];
    let adas = [Property::new("PP_FRIENDLY_NAME", "Ada")];
    assert_eq!(shown, [("wv:ada@north.example", &adas[..]), ("wv:bo@south.example", &bos[..])]);
    assert_eq!(seen.result.code, Code::PARTIALLY_SUCCESSFUL);
    let of = |text: &str| seen.result.code_for(&Entity::User(text.parse().unwrap()));
    assert_eq!(of("wv:eve@south.example"), Code::UNKNOWN_USER);
    assert_eq!(of("wv:x@nowhere.example"), Code::DOMAIN_NOT_SUPPORTED);
    // Bo changes his mind
    assert_eq!(update(&mut bo, true, &[("PP_CITY", "Lund")]).await, Code::SUCCESSFUL);
    let seen = look(&mut ada, &["wv:bo@south.example"]).await;
    assert_eq!(seen.profiles[0].properties, [Property::new("PP_CITY", "Lund")]);
    // What is none of one's own, or no property, is not set
    assert_eq!(update(&mut bo, false, &[("PP_SHOE_SIZE", "44")]).await, Code::INVALID_PROPERTIES);
    let profile =
        Some(PublicProfile { user: "wv:ada@north.example".parse().unwrap(), properties: Vec::new() });
    let of_another = UpdatePublicProfileRequest { clear: Some(true), profile };
    assert_eq!(ask(&mut bo, of_another).await.code(), Code::FORBIDDEN);
    north_node.drain().await;
    south_node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_profile_needs_the_search_service() {
    let world = World::new().await;
    let ((north, north_node), (south, south_node)) = world.linked("north.example", "south.example").await;
    let mut ada = north.phone("ada", manner(Version::V1_3, Encoding::Xml)).await;
    south.phone("bo", modern()).await;
    let seen = look(&mut ada, &["wv:bo@south.example"]).await;
    assert_eq!((seen.result.code, seen.profiles.len()), (Code::SERVICE_NOT_AGREED, 0));
    north_node.drain().await;
    south_node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn identities_are_verified_where_they_are_at_home() {
    let world = World::new().await;
    let ((north, north_node), (south, south_node)) = world.linked("north.example", "south.example").await;
    let mut ada = north.phone("ada", modern()).await;
    south.phone("bo", modern()).await;
    let entity = |text: &str| Entity::User(text.parse().unwrap());
    let (list, near, far) = (
        Entity::ContactList("wv:ada/friends".parse().unwrap()),
        Entity::Domain("south.example".into()),
        Entity::Domain("nowhere.example".into()),
    );
    let known = vec![entity("wv:ada"), entity("wv:bo@south.example"), near];
    let verified = ask(&mut ada, VerifyIdRequest { ids: known.clone() }).await;
    assert_eq!(verified, Primitive::Status(Status::ok()));
    let unknown = [entity("wv:eve"), entity("wv:eve@south.example"), list, far];
    let ids = known.into_iter().chain(unknown.clone()).collect();
    let Primitive::Status(status) = ask(&mut ada, VerifyIdRequest { ids }).await else { panic!() };
    assert_eq!(status.code, Code::PARTIALLY_SUCCESSFUL);
    let home = "north.example".parse().unwrap();
    let codes = unknown.map(|id| match id {
        Entity::User(user) => status.code_for(&Entity::User(user.completed(&home))).get(),
        Entity::ContactList(list) => status.code_for(&Entity::ContactList(list.completed(&home))).get(),
        other => status.code_for(&other).get(),
    });
    assert_eq!(codes, [531, 531, 700, 516]);
    north_node.drain().await;
    south_node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_learns_the_version_to_speak_before_it_logs_in() {
    let world = World::new().await;
    let north = world.place("north.example", &[]);
    let node = world.start(&north).await;
    for (extension, media_type) in
        [("xml", "application/vnd.wv.csp+xml"), ("wbxml", "application/vnd.wv.csp+wbxml")]
    {
        let path = format!("tests/golden/csp/74-csp13-c2s-versiondiscovery.{extension}");
        let asked = std::fs::read(path).unwrap();
        let reply = post(north.csp, media_type, &asked).await;
        assert_eq!(reply.status, 200);
        let encoding = if extension == "xml" { Encoding::Xml } else { Encoding::Wbxml };
        let message = reply.document(encoding);
        let (_, answer) = crate::csp::only(&message);
        let Primitive::VersionDiscoveryResponse(answer) = answer else { panic!("{answer:?}") };
        assert_eq!(answer.versions.session.len(), 1);
        assert!(answer.versions.session[0].ends_with("CSP1.3"), "the highest of those that were named");
    }
    node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_to_a_message_of_the_system_that_nobody_sent_is_refused() {
    let world = World::new().await;
    let north = world.place("north.example", &[]);
    let node = world.start(&north).await;
    let mut ada = north.phone("ada", manner(Version::V1_3, Encoding::Wbxml)).await;
    let response = SystemMessageResponse { id: "sm-5".into(), chosen: Some(1), verification_key: None };
    let refused = ask(&mut ada, SystemMessageUser { responses: vec![response] }).await;
    assert_eq!(refused.code(), Code::INVALID_MESSAGE_ID);
    node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_learns_what_is_offered_and_granted_and_is_refused_the_rest() {
    let world = World::new().await;
    let agreement = "services = [\"im\", \"search\"]";
    let a = world.place_with("a.test", &Writing { peers: &["c.test"], agreement, ..Writing::default() });
    let c = ScriptedPeer::start(&world, &a, "c.test").await;
    let node = world.start(&a).await;
    let session = c.log_in(1).await;
    let meta = "<MetaInfo clientOriginated=\"No\"><Requestor serviceID=\"wv:@c.test\"/></MetaInfo>";
    let offered = c.ask(&session, "q1", &format!("<GetServiceRequest>{meta}</GetServiceRequest>")).await.text;
    assert!(
        offered.contains("<GetServiceResponse><Status code=\"200\"/><Functions><WVSSPFeat>"),
        "{offered}"
    );
    assert!(offered.contains("<Feature name=\"SRCH\"/>") && offered.contains("<Feature name=\"SENDM\"/>"));
    assert!(!offered.contains("PresenceFeat") && !offered.contains("GroupFeat"), "not agreed: {offered}");
    let wanted = format!(
        "<ServiceRequest>{meta}<Functions><WVSSPFeat><IMFeat/><FundamentalFeat><Feature name=\"VRID\"/>\
         <Feature name=\"TELEPORT\"/></FundamentalFeat><GroupFeat/></WVSSPFeat></Functions></ServiceRequest>"
    );
    let granted = c.ask(&session, "q2", &wanted).await.text;
    assert!(
        granted.contains(
            "<FundamentalFeat><Feature name=\"VRID\"/></FundamentalFeat>\
             <IMFeat><Feature name=\"SENDM\"/><Feature name=\"DLR\"/></IMFeat></WVSSPFeat>"
        ),
        "{granted}"
    );
    let info = c.ask(&session, "q3", &format!("<GetSPInfoRequest>{meta}</GetSPInfoRequest>")).await.text;
    assert!(info.contains("<Status code=\"200\"/><Name>a.test</Name>"), "{info}");
    let indicated =
        format!("<ServiceIndication>{meta}<Functions><WVSSPFeat/></Functions></ServiceIndication>");
    assert_eq!(c.ask(&session, "q4", &indicated).await.code(), 200);
    // A foreign operator does not talk to our users
    let message = format!(
        "<SystemMessageRequest>{meta}<User userID=\"wv:alice@a.test\"/><SystemMessage systemMessageID=\"s\" \
         requiresResponse=\"No\"/></SystemMessageRequest>"
    );
    assert_eq!(c.ask(&session, "q5", &message).await.code(), 506);
    node.drain().await;
}

/// The code of an answer, as soon as it is this one: what the command line writes beside a running node is
/// noticed within a moment.
async fn soon(phone: &mut Phone, request: impl Into<Primitive>, wanted: u16) {
    let request = request.into();
    until(&format!("{wanted}"), async || {
        (ask(phone, request.clone()).await.code().get() == wanted).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_gets_what_it_has_subscribed_to_and_a_barred_one_nothing() {
    let world = World::new().await;
    let agreement = "services = [\"im\", \"presence\", \"group\"]";
    let place =
        |domain, peer| world.place_with(domain, &Writing { peers: &[peer], agreement, ..Writing::default() });
    let (north, south) = (place("north.example", "south.example"), place("south.example", "north.example"));
    let (north_node, south_node) = (world.start(&north).await, world.start(&south).await);
    let mut ada = north.phone("ada", manner(Version::V1_1, Encoding::Wbxml)).await;
    let mut bo = south.phone("bo", manner(Version::V1_3, Encoding::Xml)).await;
    // Given that Ada has subscribed to instant messages alone
    assert_eq!(ask(&mut ada, Primitive::GetListRequest).await.code(), Code::SUCCESSFUL);
    done(&north, &["user", "set", "ada", "services=im"]).await;
    // Then everything else is refused and left out of what her phone is offered
    soon(&mut ada, Primitive::GetListRequest, 506).await;
    let own = GetPresenceRequest { users: vec![ada.user().clone()], ..GetPresenceRequest::default() };
    assert_eq!(ask(&mut ada, own).await.code().get(), 506);
    let group = GetGroupPropsRequest { group: "wv:/chess@south.example".parse().unwrap() };
    assert_eq!(ask(&mut ada, group).await.code().get(), 506);
    let asked = ServiceRequest { client: None, functions: None, all_functions_request: true };
    let Primitive::ServiceResponse(offered) = ask(&mut ada, asked).await else { panic!() };
    let features: Vec<_> =
        offered.all_functions.unwrap().features.iter().map(|feature| feature.name.to_string()).collect();
    assert_eq!(features, ["FundamentalFeat", "IMFeat"]);
    // and messages go on, to another provider too
    let hello = message(&ada, &["wv:bo@south.example"], "hello");
    assert_eq!(ada.send_message(hello).await.unwrap().result.code, Code::SUCCESSFUL);
    assert_eq!(text(&receive(&mut bo).await), "hello");
    // When Bo does without them, nobody can write to him
    done(&south, &["user", "set", "bo", "services=presence"]).await;
    let unheard = message(&bo, &["wv:ada@north.example"], "from nobody");
    soon(&mut bo, unheard, 506).await;
    let refused = message(&ada, &["wv:bo@south.example"], "are you there");
    assert_eq!(ada.send_message(refused).await.unwrap().result.code.get(), 534);
    // nor while he is away, if he does not want to find them when he is back
    done(&south, &["user", "set", "bo", "services=all", "offline=reject"]).await;
    let note = message(&bo, &["wv:bo@south.example"], "to myself");
    soon(&mut bo, note, 200).await;
    let shown = done(&south, &["user", "show", "bo"]).await;
    assert!(shown.contains(" MOBILE_PHONE, CSP 1.3 in xml, heard "), "{shown}");
    bo.logout().await.unwrap();
    let refused = message(&ada, &["wv:bo@south.example"], "are you there");
    assert_eq!(ada.send_message(refused).await.unwrap().result.code.get(), 533);
    // Who is barred is sent away, and let in no more until it is barred no longer
    done(&north, &["user", "set", "ada", "status=barred"]).await;
    soon(&mut ada, KeepAliveRequest { time_to_live: None }, 601).await;
    let refused = ada.login(PASSWORD).await;
    assert!(matches!(&refused, Err(PhoneError::Refused(status)) if status.code.get() == 403), "{refused:?}");
    done(&north, &["user", "set", "ada", "status=active", "services=all"]).await;
    ada.login(PASSWORD).await.unwrap();
    assert_eq!(ask(&mut ada, Primitive::GetListRequest).await.code(), Code::SUCCESSFUL);
    north_node.drain().await;
    south_node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_lists_shows_and_changes_users_over_the_admin_api() {
    let world = World::new().await;
    let north = world.place("north.example", &[]);
    let node = world.start(&north).await;
    let mut ada = north.phone("ada", modern()).await;
    north.phone("bo", modern()).await;
    let host = format!("Host: {}\r\n", north.admin);
    let get = async |path: &str| {
        let (status, body) = http_with(&north, &format!("GET /api/v1/{path}"), &host, "").await;
        (status, serde_json::from_str::<serde_json::Value>(&body).unwrap())
    };
    let set = async |path: &str, body: &str| {
        let length = body.len();
        let headers = format!("{host}Content-Type: application/json\r\nContent-Length: {length}\r\n");
        let (status, body) = http_with(&north, &format!("POST /api/v1/{path}"), &headers, body).await;
        (status, serde_json::from_str::<serde_json::Value>(&body).unwrap())
    };
    // All users, and pages of them
    let (status, all) = get("users").await;
    assert_eq!((status, &all["more"]), (200, &false.into()));
    let addresses = |page: &serde_json::Value| {
        let users = page["users"].as_array().unwrap().iter();
        users.map(|user| user["address"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(addresses(&all), ["wv:ada@north.example", "wv:bo@north.example"]);
    assert_eq!((&all["users"][0]["status"], &all["users"][0]["services"]), (&"active".into(), &"all".into()));
    let (_, first) = get("users?limit=1").await;
    assert_eq!((addresses(&first), &first["more"]), (vec!["wv:ada@north.example".to_owned()], &true.into()));
    let (_, next) = get("users?limit=1&after=wv:ada@north.example").await;
    assert_eq!(addresses(&next), ["wv:bo@north.example"]);
    // One, as `user show --json` tells it
    let (_, shown) = get("users/ada@north.example").await;
    let told = done(&north, &["user", "show", "ada", "--json"]).await;
    assert_eq!(shown, serde_json::from_str::<serde_json::Value>(&told).unwrap());
    assert_eq!(shown["terminals"].as_array().unwrap().len(), 1);
    // What is set is all set, or nothing is
    let wrong = r#"{"offline":"reject","services":"fish"}"#;
    let (status, why) = set("users/ada@north.example", wrong).await;
    assert_eq!(status, 400);
    assert!(why["error"].as_str().unwrap().contains("\"fish\" is no service"), "{why}");
    assert_eq!(get("users/ada@north.example").await.1["preferences"]["offline"], "store");
    let right = r#"{"offline":"reject","services":"im,presence","block-list":"on","PP_CITY":"London"}"#;
    let (status, now) = set("users/ada@north.example", right).await;
    assert_eq!((status, &now["preferences"]["offline"]), (200, &"reject".into()));
    assert_eq!(
        (&now["privacy"]["block_list"]["in_use"], &now["profile"]["PP_CITY"]),
        (&true.into(), &"London".into())
    );
    assert_eq!(set("users/eve@north.example", right).await.0, 404);
    assert_eq!(get("users/eve@south.example").await.0, 404);
    // It counts at once
    let search = ask(&mut ada, GetGroupPropsRequest { group: "wv:/x@north.example".parse().unwrap() }).await;
    assert_eq!(search.code(), Code::SERVICE_NOT_AGREED);
    assert_eq!(set("users/ada@north.example", r#"{"status":"barred"}"#).await.0, 200);
    let mut again = north.silent_phone("ada", modern());
    assert!(again.login(PASSWORD).await.is_err());
    assert_eq!(set("users/ada@north.example", r#"{"status":"active"}"#).await.0, 200);
    again.login(PASSWORD).await.unwrap();
    node.drain().await;
}
