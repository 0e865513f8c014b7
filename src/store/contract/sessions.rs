//! What every store must do about the sessions of clients and of peers.

use super::{at, domain, one, user, with_ada};
use crate::imps::Version;
use crate::imps::primitive::ClientId;
use crate::relay::ports::{Change, Outcome, Store};
use crate::session::{csp, ssp};
use crate::wire::Encoding;

pub(in crate::store) fn csp_record(id: &str, name: &str) -> csp::record::SessionRecord {
    csp::record::SessionRecord {
        id: id.parse().unwrap(),
        user: user(name),
        client: ClientId { url: Some("phone".into()), msisdn: None, text: Some("t".into()) },
        application: Some("app".into()),
        version: Version::V1_3,
        encoding: Encoding::Wbxml,
        cookie: Some("cookie".into()),
        time_to_live: 3600,
        capabilities: Box::from(*b"\x00caps"),
        created: at(30),
        last_active: at(40),
    }
}

pub(in crate::store) async fn csp_sessions_are_kept_touched_and_dropped(store: &dyn Store) {
    let full = csp_record("s-1", "wv:ada@north.example");
    assert_eq!(one(store, Change::PutCspSession(Box::new(full.clone()))).await, Outcome::Missing);
    with_ada(store).await;
    let mut bare = csp_record("s-2", "wv:ada@north.example");
    bare.client = ClientId::default();
    bare.application = None;
    bare.cookie = None;
    bare.version = Version::V1_1;
    bare.encoding = Encoding::Xml;
    bare.capabilities = Box::default();
    for record in [&full, &bare] {
        assert_eq!(one(store, Change::PutCspSession(Box::new(record.clone()))).await, Outcome::Done);
    }
    let sessions = async || {
        let mut sessions = store.csp_sessions().await.unwrap();
        sessions.sort_by(|one, other| one.id.cmp(&other.id));
        sessions
    };
    assert_eq!(sessions().await, [full.clone(), bare.clone()]);
    let moments = ["s-1", "s-2", "s-3"].into_iter().zip([at(90), at(39), at(90)]);
    let moments = moments.map(|(id, moment)| (id.parse().unwrap(), moment)).collect();
    assert_eq!(one(store, Change::TouchCspSessions(moments)).await, Outcome::Done);
    let touched = csp::record::SessionRecord { last_active: at(90), ..full };
    assert_eq!(sessions().await, [touched.clone(), bare.clone()], "never backwards");
    let changed = csp::record::SessionRecord { capabilities: Box::from(*b"new"), ..touched };
    assert_eq!(one(store, Change::PutCspSession(Box::new(changed.clone()))).await, Outcome::Done);
    assert_eq!(one(store, Change::DropCspSession(bare.id.clone())).await, Outcome::Done);
    assert_eq!(one(store, Change::DropCspSession(bare.id)).await, Outcome::Missing);
    assert_eq!(sessions().await, [changed]);
}

pub(in crate::store) async fn links_are_kept_changed_and_dropped(store: &dyn Store) {
    let record = ssp::SessionRecord {
        own: domain("north.example"),
        peer: domain("south.example"),
        own_id: "1@north.example".parse().unwrap(),
        peer_id: "2@south.example".parse().unwrap(),
        setup: "setup-1".parse().unwrap(),
        version: Version::V1_2,
        initiator: domain("south.example"),
        time_to_live: 600,
        established: at(1),
        last_used: at(2),
        superseded: false,
        legacy: true,
        at: Some("https://a.south.example/".into()),
    };
    let second = ssp::SessionRecord {
        own_id: "3@north.example".parse().unwrap(),
        superseded: true,
        legacy: false,
        at: None,
        ..record.clone()
    };
    for record in [&record, &second] {
        assert_eq!(one(store, Change::PutLink(Box::new(record.clone()))).await, Outcome::Done);
    }
    let changed = ssp::SessionRecord { last_used: at(9), ..record };
    one(store, Change::PutLink(Box::new(changed.clone()))).await;
    let mut links = store.links().await.unwrap();
    links.sort_by(|one, other| one.own_id.cmp(&other.own_id));
    assert_eq!(links, [changed, second.clone()]);
    assert_eq!(one(store, Change::DropLink("1@north.example".parse().unwrap())).await, Outcome::Done);
    assert_eq!(one(store, Change::DropLink("1@north.example".parse().unwrap())).await, Outcome::Missing);
    assert_eq!(store.links().await.unwrap(), [second]);
}
