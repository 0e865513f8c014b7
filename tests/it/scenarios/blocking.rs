//! Block list and grant list: whoever may not make contact hears 532, at home and elsewhere.

use causeway::cli::phone::Phone;
use causeway::imps::primitive::{
    BlockEntityRequest, BlockList, Contact, CreateListRequest, Entities, GetBlockedListResponse,
};
use causeway::imps::{Code, Primitive, Version};
use causeway::wire::Encoding;

use crate::csp::send;
use crate::world::{World, manner, modern, receive, text};

fn users(names: &[&str]) -> Entities {
    let users = names.iter().map(|name| name.parse().unwrap()).collect();
    Entities { users, ..Entities::default() }
}

async fn change(phone: &mut Phone, block: BlockList, grant: BlockList) {
    let request = BlockEntityRequest { block: Some(block), grant: Some(grant) };
    let answer = phone.ask(Primitive::BlockEntityRequest(Box::new(request))).await.unwrap();
    assert_eq!(answer.code(), Code::SUCCESSFUL);
}

async fn blocked_list(phone: &mut Phone) -> GetBlockedListResponse {
    match phone.ask(Primitive::GetBlockedListRequest).await.unwrap() {
        Primitive::GetBlockedListResponse(lists) => *lists,
        other => panic!("{other:?}"),
    }
}

/// Whether a list is in use, and the users on it.
fn shown(list: Option<&BlockList>) -> (bool, Vec<&str>) {
    let list = list.expect("the list");
    let users = list.entities.iter().flat_map(|entities| &entities.users);
    (list.in_use.expect("the switch"), users.map(|user| user.as_str()).collect())
}

async fn code(phone: &mut Phone, to: &str) -> u16 {
    phone.send(&[to.parse().unwrap()], "hello?", false).await.unwrap().result.code.get()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_blocked_gets_532_here_and_from_another_domain_until_it_is_not() {
    let world = World::new().await;
    let ((north, north_node), (south, south_node)) = world.linked("north.example", "south.example").await;
    let manners = Version::ALL
        .into_iter()
        .flat_map(|version| [Encoding::Xml, Encoding::Wbxml].map(|encoding| manner(version, encoding)));
    let mut ada = north.phone("ada", modern()).await;
    let mut dee = south.phone("dee", modern()).await;
    for (number, manner) in manners.enumerate() {
        // Given a user that nobody has blocked so far
        let mut bo = south.phone(&format!("bo{number}"), manner).await;
        let address = bo.user().to_string();
        assert_eq!(shown(blocked_list(&mut bo).await.block.as_ref()), (true, Vec::new()));
        send(&mut ada, &[&address], "hello", false).await;
        assert_eq!(text(&receive(&mut bo).await), "hello");
        // When it blocks one of another domain and one of its own
        let add = Some(users(&["wv:ada@north.example", "wv:dee"]));
        change(&mut bo, BlockList { add, ..BlockList::default() }, BlockList::default()).await;
        let lists = blocked_list(&mut bo).await;
        let both = vec!["wv:ada@north.example", "wv:dee@south.example"];
        assert_eq!(shown(lists.block.as_ref()), (true, both));
        // Then both hear it, and nothing comes
        assert_eq!((code(&mut ada, &address).await, code(&mut dee, &address).await), (532, 532));
        assert_eq!(bo.poll().await.unwrap(), None);
        // And the list can be switched off, or forget one
        let off = BlockList { in_use: Some(false), ..BlockList::default() };
        change(&mut bo, off, BlockList::default()).await;
        assert_eq!(code(&mut dee, &address).await, 200);
        receive(&mut bo).await;
        let one = BlockList {
            in_use: Some(true),
            remove: Some(users(&["WV:Ada@North.Example"])),
            ..BlockList::default()
        };
        change(&mut bo, one, BlockList::default()).await;
        assert_eq!((code(&mut ada, &address).await, code(&mut dee, &address).await), (200, 532));
        receive(&mut bo).await;
    }
    north_node.drain().await;
    south_node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_grant_list_in_use_lets_only_its_entries_write_and_whole_domains_can_be_named() {
    let world = World::new().await;
    let ((north, north_node), (south, south_node)) = world.linked("north.example", "south.example").await;
    let mut ada = north.phone("ada", modern()).await;
    let mut cy = north.phone("cy", modern()).await;
    let mut dee = south.phone("dee", modern()).await;
    let mut bo = south.phone("bo", manner(Version::V1_2, Encoding::Wbxml)).await;
    let bo_address = "wv:bo@south.example";
    // Only these
    let only =
        BlockList { in_use: Some(true), add: Some(users(&["wv:ada@north.example"])), ..BlockList::default() };
    change(&mut bo, BlockList::default(), only).await;
    assert_eq!(shown(blocked_list(&mut bo).await.grant.as_ref()), (true, vec!["wv:ada@north.example"]));
    assert_eq!(code(&mut ada, bo_address).await, 200);
    assert_eq!((code(&mut cy, bo_address).await, code(&mut dee, bo_address).await), (532, 532));
    assert_eq!(code(&mut bo, bo_address).await, 200, "nobody keeps out itself");
    // A whole domain, and nobody of another
    let domain = |name: &str| Some(Entities { domains: vec![name.parse().unwrap()], ..Entities::default() });
    let block = BlockList { add: domain("south.example"), ..BlockList::default() };
    let grant = BlockList { entities: domain("north.example"), ..BlockList::default() };
    change(&mut bo, block, grant).await;
    assert_eq!((code(&mut cy, bo_address).await, code(&mut dee, bo_address).await), (200, 532));
    north_node.drain().await;
    south_node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_of_1_3_blocks_everybody_on_a_contact_list() {
    let world = World::new().await;
    let ((north, north_node), (south, south_node)) = world.linked("north.example", "south.example").await;
    let mut ada = north.phone("ada", modern()).await;
    let mut bo = south.phone("bo", manner(Version::V1_3, Encoding::Xml)).await;
    let pests = "wv:bo/pests@south.example";
    let contacts = vec![Contact { user: "wv:ada@north.example".parse().unwrap(), nickname: None }];
    let request = CreateListRequest { list: pests.parse().unwrap(), contacts, properties: Vec::new() };
    bo.ask(request.into()).await.unwrap();
    assert_eq!(code(&mut ada, "wv:bo@south.example").await, 200);
    let pests = Some(Entities { contact_lists: vec![pests.parse().unwrap()], ..Entities::default() });
    change(&mut bo, BlockList { add: pests, ..BlockList::default() }, BlockList::default()).await;
    assert_eq!(code(&mut ada, "wv:bo@south.example").await, 532);
    north_node.drain().await;
    south_node.drain().await;
}
