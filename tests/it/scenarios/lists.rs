//! Contact lists: kept at home, and put in the place of what they name before anything leaves.

use causeway::cli::laboratory::Writing;
use causeway::cli::phone::{Manner, Phone};
use causeway::imps::presence::{Attribute, AttributeName, PresenceSubList};
use causeway::imps::primitive::{
    BlockEntityRequest, BlockList, Contact, CreateAttributeListRequest, CreateListRequest,
    DeleteAttributeListRequest, DeleteListRequest, Entities, GetPresenceRequest, ListManageRequest,
    ListManageResponse, Property, Recipient,
};
use causeway::imps::{Code, ContactListId, Primitive, UserId, Version};
use causeway::wire::{Encoding, csp};

use crate::csp::{ask, message, reconnect};
use crate::world::{PASSWORD, World, manner, modern, receive, text};

fn contact(user: &str, nickname: &str) -> Contact {
    Contact { user: user.parse().unwrap(), nickname: (!nickname.is_empty()).then(|| nickname.into()) }
}

fn list(name: &str) -> ContactListId {
    name.parse().unwrap()
}

/// Makes a list; what the server says.
async fn make(phone: &mut Phone, name: &str, contacts: Vec<Contact>) -> Primitive {
    let properties = vec![Property::new("DisplayName", "Some people")];
    ask(phone, CreateListRequest { list: list(name), contacts, properties }).await
}

fn manage(name: &str) -> ListManageRequest {
    ListManageRequest {
        list: list(name),
        add: Vec::new(),
        remove: Vec::new(),
        properties: Vec::new(),
        receive: Some(true),
        authorize_and_grant: None,
    }
}

async fn managed(phone: &mut Phone, request: ListManageRequest) -> ListManageResponse {
    match ask(phone, request).await {
        Primitive::ListManageResponse(answer) => answer,
        other => panic!("{other:?}"),
    }
}

/// Names of the contacts, as the client would show them.
fn names(answer: &ListManageResponse) -> Vec<String> {
    let contacts = &answer.contacts.as_ref().expect("the contacts").contacts;
    let name = |it: &Contact| it.nickname.as_deref().unwrap_or(it.user.as_str()).to_owned();
    contacts.iter().map(name).collect()
}

/// The lists that are not the default, and the default.
async fn lists(phone: &mut Phone) -> (Vec<String>, Option<String>) {
    match phone.ask(Primitive::GetListRequest).await.unwrap() {
        Primitive::GetListResponse(answer) => {
            (answer.lists.iter().map(ToString::to_string).collect(), answer.default.map(|it| it.to_string()))
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn contact_lists_are_kept_for_clients_of_every_version_and_encoding() {
    let world = World::new().await;
    let north = world.place("north.example", &["south.example"]);
    let node = world.start(&north).await;
    north.phone("cy", modern()).await;
    for version in Version::ALL {
        for encoding in [Encoding::Xml, Encoding::Wbxml] {
            let user = format!("ada{}", version.as_str().replace('.', "") + encoding.as_str());
            let mut ada = north.phone(&user, manner(version, encoding)).await;
            let friends = format!("wv:{user}/Friends@north.example");
            assert_eq!(lists(&mut ada).await, (Vec::new(), None));
            // A client leaves its own domain out
            let people = vec![contact("wv:bo@south.example", "Bo"), contact("wv:cy", "")];
            let answer = make(&mut ada, &format!("wv:{user}/Friends"), people).await;
            if version == Version::V1_3 {
                let Primitive::CreateListResponse(made) = &answer else { panic!("{answer:?}") };
                assert_eq!(made.list.as_str(), friends);
                assert_eq!(made.properties[1], Property::new("Default", "T"), "the first is the default");
            } else {
                assert_eq!(answer.code(), Code::SUCCESSFUL);
                assert!(matches!(answer, Primitive::Status(_)));
            }
            make(&mut ada, &format!("wv:{user}/~pep1.0_privatelist"), Vec::new()).await;
            let private = format!("wv:{user}/~pep1.0_privatelist@north.example");
            assert_eq!(lists(&mut ada).await, (vec![private.clone()], Some(friends.clone())));
            // Contacts come, get another name, and go
            let change = ListManageRequest {
                add: vec![contact("wv:dee@south.example", "Dee"), contact("wv:bo@south.example", "Bobby")],
                ..manage(&friends)
            };
            let answer = managed(&mut ada, change).await;
            assert_eq!(names(&answer), ["Bobby", "wv:cy@north.example", "Dee"], "{version}");
            let change = ListManageRequest {
                remove: vec!["wv:cy".parse().unwrap()],
                ..manage(&friends.to_uppercase())
            };
            assert_eq!(names(&managed(&mut ada, change).await), ["Bobby", "Dee"]);
            // The default moves, and its properties are told in any case
            let change = ListManageRequest {
                properties: vec![Property::new("Default", "T")],
                receive: Some(false),
                ..manage(&private)
            };
            let answer = managed(&mut ada, change).await;
            assert_eq!(
                answer.contacts.is_some(),
                version == Version::V1_1,
                "1.1 cannot say that it is not wanted"
            );
            assert_eq!(answer.properties[1], Property::new("Default", "T"));
            assert_eq!(lists(&mut ada).await, (vec![friends.clone()], Some(private.clone())));
            let gone = ada.ask(DeleteListRequest { list: list(&private) }.into()).await.unwrap();
            assert_eq!(gone.code(), Code::SUCCESSFUL);
            assert_eq!(lists(&mut ada).await, (Vec::new(), Some(friends)));
        }
    }
    node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_done_to_a_list_has_its_code_and_lists_survive_a_restart() {
    let world = World::new().await;
    let north = world.place("north.example", &[]);
    let node = world.start(&north).await;
    let mut ada = north.phone("ada", manner(Version::V1_3, Encoding::Wbxml)).await;
    let people = vec![contact("wv:nobody@north.example", ""), contact("wv:x@nowhere.example", "")];
    // Strangers stay away from a list that is made all the same
    let Primitive::Status(partly) = make(&mut ada, "wv:ada/friends", people).await else { panic!() };
    assert_eq!(partly.code, Code::PARTIALLY_SUCCESSFUL);
    let codes: Vec<u16> = partly.details.iter().map(|detail| detail.code.get()).collect();
    assert_eq!(codes, [531, 516]);
    assert_eq!(names(&managed(&mut ada, manage("wv:ada/friends")).await), [""; 0]);
    // Twice, and in the name of others
    for (name, code) in [("wv:ada/Friends", 701), ("wv:cy/friends", 402), ("wv:ada/x@south.example", 402)] {
        assert_eq!(make(&mut ada, name, Vec::new()).await.code().get(), code, "{name}");
    }
    // What is not there, or is somebody else's
    for name in ["wv:ada/none", "wv:bo/friends@south.example"] {
        let read = ask(&mut ada, manage(name)).await;
        let gone = ask(&mut ada, DeleteListRequest { list: list(name) }).await;
        assert_eq!((read.code(), gone.code()), (Code::NO_CONTACT_LIST, Code::NO_CONTACT_LIST));
    }
    let colour =
        ListManageRequest { properties: vec![Property::new("Colour", "red")], ..manage("wv:ada/friends") };
    assert_eq!(ask(&mut ada, colour).await.code().get(), 752);
    let change = ListManageRequest { add: vec![contact("wv:ada", "myself")], ..manage("wv:ada/friends") };
    managed(&mut ada, change).await;
    // When the provider restarts
    node.drain().await;
    let node = world.start(&north).await;
    reconnect(&mut ada).await;
    assert_eq!(names(&managed(&mut ada, manage("wv:ada/friends")).await), ["myself"]);
    node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_to_a_contact_list_reaches_its_members_in_two_domains() {
    let world = World::new().await;
    let ((north, north_node), (south, south_node)) = world.linked("north.example", "south.example").await;
    let mut ada = north.phone("ada", modern()).await;
    let mut cy = north.phone("cy", manner(Version::V1_3, Encoding::Wbxml)).await;
    let mut bo = south.phone("bo", manner(Version::V1_1, Encoding::Wbxml)).await;
    // Given a list with people of both domains, one of whom does not exist
    let people = ["wv:bo@south.example", "wv:cy", "wv:nobody@south.example"];
    let people = people.iter().map(|user| contact(user, "")).collect();
    make(&mut ada, "wv:ada/crew", people).await;
    make(&mut ada, "wv:ada/empty", Vec::new()).await;
    let to = |name: &str| Recipient::ContactList(list(name));
    // When she writes to it, and to one of them by name too
    let mut request = message(&ada, &["wv:bo@south.example"], "all hands");
    request.info.recipients.push(to("wv:ada/crew"));
    let answer = ada.send_message(request).await.unwrap();
    // Then everybody who exists gets it once, addressed to itself alone
    assert_eq!(answer.result.code, Code::PARTIALLY_SUCCESSFUL);
    assert_eq!(answer.result.details[0].code, Code::UNKNOWN_USER);
    for phone in [&mut bo, &mut cy] {
        let user = phone.user().clone();
        let received = receive(phone).await;
        assert_eq!(text(&received), "all hands");
        let Primitive::NewMessage(new) = &received else { panic!() };
        assert!(matches!(&new.info.recipients[..], [Recipient::User(to)] if to.id == user), "{new:?}");
        assert_eq!(phone.poll().await.unwrap(), None, "once");
    }
    // And a list of somebody else is none of hers
    for (name, code) in [("wv:bo/crew@south.example", 700), ("wv:cy/crew", 700), ("wv:ada/empty", 410)] {
        let mut request = message(&ada, &[], "hello");
        request.info.recipients = vec![to(name)];
        assert_eq!(ada.send_message(request).await.unwrap().result.code.get(), code, "{name}");
    }
    north_node.drain().await;
    south_node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_phones_of_one_user_change_a_list_at_once_and_nothing_is_lost() {
    const EACH: usize = 15;
    let world = World::new().await;
    let north = world.place("north.example", &["south.example"]);
    let node = world.start(&north).await;
    let mut phones = Vec::new();
    for device in ["phone", "tablet"] {
        let mut phone =
            Phone::new(north.csp, north.user("ada"), device, Manner { digest: false, ..modern() });
        phone.login(PASSWORD).await.unwrap();
        phones.push((device, phone));
    }
    make(&mut phones[0].1, "wv:ada/crew", Vec::new()).await;
    let busy = phones.into_iter().map(|(device, mut phone)| {
        tokio::spawn(async move {
            for number in 0..EACH {
                let add = vec![contact(&format!("wv:{device}{number}@south.example"), "")];
                managed(&mut phone, ListManageRequest { add, ..manage("wv:ada/crew") }).await;
            }
            phone
        })
    });
    let mut last = None;
    for phone in busy.collect::<Vec<_>>() {
        last = Some(phone.await.unwrap());
    }
    let kept = managed(&mut last.unwrap(), manage("wv:ada/crew")).await;
    assert_eq!(names(&kept).len(), 2 * EACH);
    node.drain().await;
}

/// What a client of Bo's sees of Ada: attribute names with a valid value.
async fn sees(phone: &mut Phone) -> Vec<AttributeName> {
    let users = vec!["wv:ada@north.example".parse().unwrap()];
    match ask(phone, GetPresenceRequest { users, ..GetPresenceRequest::default() }).await {
        Primitive::GetPresenceResponse(answer) => {
            let attributes = &answer.presences[0].attributes.attributes;
            attributes.iter().filter(|it| it.is_valid()).map(Attribute::name).collect()
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_contact_who_is_authorised_sees_and_writes_whatever_was_said_before_until_the_list_goes() {
    let world = World::new().await;
    let agreement = "services = [\"im\", \"presence\"]";
    let place =
        |domain, peer| world.place_with(domain, &Writing { peers: &[peer], agreement, ..Writing::default() });
    let (north, south) = (place("north.example", "south.example"), place("south.example", "north.example"));
    let (north_node, south_node) = (world.start(&north).await, world.start(&south).await);
    let mut ada = north.phone("ada", manner(Version::V1_3, Encoding::Xml)).await;
    let mut bo = south.phone("bo", manner(Version::V1_2, Encoding::Wbxml)).await;
    // Given that Ada does not want to hear of Bo, nor be seen by him
    let bos = "wv:bo@south.example".parse::<UserId>().unwrap();
    let nothing = CreateAttributeListRequest {
        attributes: PresenceSubList::default(),
        users: vec![bos.clone()],
        contact_lists: Vec::new(),
        default_list: false,
        default_notify: None,
        user_notify: None,
        contact_list_notify: None,
    };
    assert_eq!(ask(&mut ada, nothing).await.code(), Code::SUCCESSFUL);
    let blocked = Entities { users: vec![bos.clone()], ..Entities::default() };
    let block = BlockList { in_use: Some(true), add: Some(blocked), ..BlockList::default() };
    let block = Box::new(BlockEntityRequest { block: Some(block), grant: None });
    assert_eq!(ask(&mut ada, block).await.code(), Code::SUCCESSFUL);
    assert_eq!(sees(&mut bo).await, []);
    // When she brings him onto a list and authorises him
    make(&mut ada, "wv:ada/friends", Vec::new()).await;
    let bring = |authorize_and_grant| ListManageRequest {
        add: vec![contact("wv:bo@south.example", "Bo")],
        authorize_and_grant,
        ..manage("wv:ada/friends")
    };
    managed(&mut ada, bring(None)).await;
    assert_eq!(sees(&mut bo).await, [], "that he is on a list changes nothing of what she said of him");
    managed(&mut ada, bring(Some(true))).await;
    // Then he sees what the list may see, and may write
    assert_eq!(sees(&mut bo).await, [AttributeName::OnlineStatus]);
    let hello = message(&bo, &["wv:ada@north.example"], "hello");
    assert_eq!(bo.send_message(hello).await.unwrap().result.code, Code::SUCCESSFUL);
    assert_eq!(text(&receive(&mut ada).await), "hello");
    // What the list may see goes with the list, and a new list of its name begins anew
    let mut wide = CreateAttributeListRequest {
        attributes: PresenceSubList::naming([AttributeName::ClientInfo].into_iter().collect()),
        users: Vec::new(),
        contact_lists: vec![list("wv:ada/friends")],
        default_list: false,
        default_notify: None,
        user_notify: None,
        contact_list_notify: None,
    };
    assert_eq!(ask(&mut ada, wide.clone()).await.code(), Code::SUCCESSFUL);
    (wide.users, wide.contact_lists) = (vec![bos.clone()], Vec::new());
    let forget =
        DeleteAttributeListRequest { users: vec![bos], contact_lists: Vec::new(), default_list: false };
    assert_eq!(ask(&mut ada, forget).await.code(), Code::SUCCESSFUL);
    assert_eq!(sees(&mut bo).await, [AttributeName::ClientInfo]);
    ask(&mut ada, DeleteListRequest { list: list("wv:ada/friends") }).await;
    assert_eq!(sees(&mut bo).await, []);
    make(&mut ada, "wv:ada/Friends", vec![contact("wv:bo@south.example", "")]).await;
    assert_eq!(sees(&mut bo).await, [AttributeName::OnlineStatus], "what every new list may see");
    north_node.drain().await;
    south_node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_of_1_3_that_speaks_as_1_2_finds_its_lists() {
    let world = World::new().await;
    let north = world.place("north.example", &[]);
    let node = world.start(&north).await;
    let mut ada = north.phone("ada", manner(Version::V1_3, Encoding::Xml)).await;
    make(&mut ada, "wv:ada/friends", Vec::new()).await;
    make(&mut ada, "wv:ada/work", Vec::new()).await;
    let session = ada.session().unwrap().to_string();
    let kind = csp::content_type(Version::V1_3, Encoding::Xml);
    let mut say = async |content: &str| {
        let document = format!(
            "<?xml version=\"1.0\"?><WV-CSP-Message xmlns=\"http://www.openmobilealliance.org/DTD/IMPS-CSP1.3\">\
             <Session><SessionDescriptor><SessionType>Inband</SessionType><SessionID>{session}</SessionID>\
             </SessionDescriptor><Transaction><TransactionDescriptor><TransactionMode>Request</TransactionMode>\
             <TransactionID>{content:.9}</TransactionID></TransactionDescriptor><TransactionContent \
             xmlns=\"http://www.openmobilealliance.org/DTD/IMPS-TRC1.3\"><{content}</TransactionContent>\
             </Transaction></Session></WV-CSP-Message>"
        );
        let (status, body) = ada.post(kind, document.into_bytes()).await.unwrap();
        assert_eq!(status, 200);
        String::from_utf8(body.to_vec()).unwrap()
    };
    let lists = "GetList-Request/>";
    assert!(say(lists).await.contains("<ContactListIDList><ContactList>wv:ada/work"));
    // Once it has named a user as 1.2 does
    let own = "GetPresence-Request><User><UserID>wv:ada</UserID></User></GetPresence-Request>";
    assert!(say(own).await.contains("<Code>200</Code>"));
    // it finds its lists where it looks for them
    let again = say("GetList-Request></GetList-Request>").await;
    assert!(
        again.contains("<GetList-Response><ContactList>wv:ada/work@north.example</ContactList>"),
        "{again}"
    );
    node.drain().await;
}
