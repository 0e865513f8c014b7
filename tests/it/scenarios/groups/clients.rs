//! What each client of a user is for a group, and what a group refuses.

use causeway::cli::phone::Phone;
use causeway::imps::primitive::{
    GroupProperties, LeaveGroupRequest, NoticeWish, Property, Recipient, SetGroupPropsRequest,
    SubscribeGroupNoticeRequest,
};
use causeway::imps::{GroupId, Primitive, Version};
use causeway::wire::Encoding;

use super::{code, create, group, join, join_request, linked, message, notice, say, shown, words};
use crate::csp::ask;
use crate::world::{PASSWORD, Place, World, manner, modern};

/// Another client of a user who has an account.
async fn another(place: &Place, user: &str) -> Phone {
    let mut phone = Phone::new(place.csp, place.user(user), "tablet", manner(Version::V1_3, Encoding::Wbxml));
    phone.login(PASSWORD).await.unwrap();
    phone
}

async fn leave(phone: &mut Phone, id: &GroupId) -> u16 {
    code(&ask(phone, LeaveGroupRequest { group: id.clone() }).await)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_is_in_a_group_with_each_of_its_clients_by_itself() {
    let world = World::new().await;
    let ((north, north_node), (south, south_node)) =
        linked(&world, "north.twice.example", "south.twice.example").await;
    let club = group("wv:/club@north.twice.example");
    let mut ada = north.phone("ada", modern()).await;
    assert_eq!(code(&create(&mut ada, &club, "Ada", &[]).await), 200);
    // Given a user at home and one abroad, each in with a phone and with a tablet, under two names
    for place in [&north, &south] {
        let mut phone = place.phone("bo", manner(Version::V1_1, Encoding::Xml)).await;
        let mut tablet = another(place, "bo").await;
        join(&mut phone, &club, "Bo").await;
        assert_eq!(notice(&mut ada).await.moves.joined[0].name.as_deref(), Some("Bo"));
        join(&mut tablet, &club, "Bo at table").await;
        assert_eq!(notice(&mut phone).await.moves.joined[0].name.as_deref(), Some("Bo at table"));
        assert_eq!(notice(&mut ada).await.moves.joined[0].name.as_deref(), Some("Bo at table"));
        // Then each hears what is said to the group
        say(&mut ada, Recipient::Group(club.clone()), "soup is on").await;
        for client in [&mut phone, &mut tablet] {
            let heard = message(client).await;
            assert_eq!((words(&heard), shown(&heard)), ("soup is on", "Ada"));
        }
        // and wants notices or does not
        let wish = |wish| SubscribeGroupNoticeRequest { group: club.clone(), wish };
        assert_eq!(code(&ask(&mut tablet, wish(NoticeWish::Unset)).await), 200);
        for (client, wants) in [(&mut phone, true), (&mut tablet, false)] {
            let Primitive::SubscribeGroupNoticeResponse(told) = ask(client, wish(NoticeWish::Get)).await
            else {
                panic!("no answer")
            };
            assert_eq!(told.subscribed, wants);
        }
        // And when one goes, the other stays
        assert_eq!(leave(&mut phone, &club).await, 200);
        assert_eq!(&*notice(&mut ada).await.moves.left[0], "Bo");
        assert_eq!(leave(&mut phone, &club).await, 808, "it was out already");
        say(&mut ada, Recipient::Group(club.clone()), "and the bread").await;
        assert_eq!(words(&message(&mut tablet).await), "and the bread");
        assert_eq!(phone.take().await.unwrap(), None);
        assert_eq!(leave(&mut tablet, &club).await, 200);
        assert_eq!(&*notice(&mut ada).await.moves.left[0], "Bo at table");
    }
    north_node.drain().await;
    south_node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_says_in_every_version_what_it_does_not_allow() {
    let world = World::new().await;
    let north = world.place("north.example", &[]);
    let node = world.start(&north).await;
    let mut ada = north.phone("ada", modern()).await;
    let full = group("wv:ada/table@north.example");
    assert_eq!(code(&create(&mut ada, &full, "Ada", &[("MaxActiveUsers", "1")]).await), 200);
    let closed = group("wv:ada/board@north.example");
    assert_eq!(code(&create(&mut ada, &closed, "Ada", &[("Accesstype", "Restricted")]).await), 200);
    for version in Version::ALL {
        for encoding in [Encoding::Xml, Encoding::Wbxml] {
            let name = format!("bo{}{}", version.as_str().replace('.', ""), encoding.as_str());
            let mut bo = north.phone(&name, manner(version, encoding)).await;
            let mut joins = async |id: &GroupId| code(&ask(&mut bo, join_request(id, "Bo")).await);
            assert_eq!(joins(&full).await, 817, "{name}: there is no place left");
            assert_eq!(joins(&closed).await, 816, "{name}: members only");
            assert_eq!(joins(&group("wv:ada/none@north.example")).await, 800, "{name}: there is none");
            assert_eq!(leave(&mut bo, &full).await, 808, "{name}: it is not in");
            // A group of its own with properties that make no sense
            let own = group(&format!("wv:{name}/own@north.example"));
            for (property, value, refused) in [
                ("Searchable", "T", 822),
                ("ActiveUsers", "7", 806),
                ("MaxActiveUsers", "many", 806),
                ("Shoes", "two", 806),
            ] {
                assert_eq!(
                    code(&create(&mut bo, &own, "Bo", &[(property, value)]).await),
                    refused,
                    "{property}"
                );
            }
            assert_eq!(code(&create(&mut bo, &own, "Bo", &[]).await), 200);
            assert_eq!(code(&create(&mut bo, &own, "Bo", &[]).await), 801, "{name}: it is there already");
            let set = |id: &GroupId| SetGroupPropsRequest {
                group: id.clone(),
                properties: Some(GroupProperties {
                    properties: vec![Property::new("Topic", "mine")],
                    welcome_note: None,
                }),
                own: Vec::new(),
            };
            assert_eq!(code(&ask(&mut bo, set(&own)).await), 200);
            assert_eq!(code(&ask(&mut bo, set(&full)).await), 816, "{name}: somebody else's");
        }
    }
    node.drain().await;
}
