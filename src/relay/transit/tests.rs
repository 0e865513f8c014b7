//! Decisions about traffic of others (reference ssp-behaviour §8).

use proptest::prelude::*;

use super::*;
use crate::imps::TransactionId;
use crate::relay::blocks::Block;
use crate::wire::ssp::Mark;
use std::sync::Arc;

fn domain(text: &str) -> Domain {
    text.parse().unwrap()
}

fn peer(text: &str, services: &[Service]) -> Agreement {
    Agreement { services: services.iter().copied().collect(), ..Agreement::with(domain(text)) }
}

fn triple(from: &str, to: &str, via: &str) -> Transit {
    Transit { from: domain(from), to: domain(to), via: domain(via) }
}

struct Hub {
    own: Domain,
    directory: Directory,
    routes: Routes,
}

/// A hub between south and east; west is reached by east.
fn hub_with(change: impl Fn(&mut Agreement), transits: &[Transit]) -> Hub {
    let own = domain("hub.example");
    let mut peers = [
        peer("south.example", &[Service::Im, Service::Presence]),
        Agreement {
            carries: vec![domain("west.example")],
            ..peer("east.example", &[Service::Im, Service::Group])
        },
    ];
    peers.iter_mut().for_each(change);
    let routes = Routes::new([own.clone()], &peers, false);
    let directory = Directory::new(vec![own.clone()], peers, Vec::new()).with_transit(transits.to_vec());
    Hub { own, directory, routes }
}

fn hub() -> Hub {
    let transits = [
        triple("south.example", "east.example", "east.example"),
        triple("south.example", "west.example", "east.example"),
        triple("east.example", "south.example", "south.example"),
    ];
    hub_with(|_| {}, &transits)
}

impl Hub {
    fn asks(&self, ingress: &str, outline: &Outline, via: &str) -> Way {
        let agreement = self.directory.agreement(ingress).unwrap();
        let context = PeerContext { own: &self.own, agreement };
        decide(&context, &self.directory, &self.routes, outline, &via.parse().unwrap(), Moment::default())
    }
}

fn outline(name: &'static str, marks: &[(Role, &str)]) -> Outline {
    let marks = marks.iter().map(|(role, text)| Mark { role: *role, text: (*text).into() });
    Outline { name, marks: marks.collect(), plain: false }
}

const BO: &str = "wv:bo@south.example";
const EVE: &str = "wv:eve@east.example";
const WALT: &str = "wv:walt@west.example";

fn message(to: &[&str]) -> Outline {
    let mut marks = vec![
        (Role::Service, "wv:@south.example"),
        (Role::Requestor, BO),
        (Role::Key, "m-1@south.example"),
        (Role::From, BO),
    ];
    marks.extend(to.iter().map(|to| (Role::To, *to)));
    outline("SendMessageRequest", &marks)
}

fn code(way: &Way) -> u16 {
    match way {
        Way::Refused(refused) => refused.status.code.get(),
        Way::Here => 0,
        Way::Onward(_) => 200,
    }
}

#[test]
fn only_triples_that_are_written_down_pass() {
    let hub = hub();
    let Way::Onward(onward) = hub.asks("south.example", &message(&[WALT]), "") else {
        panic!("not passed on")
    };
    assert_eq!((onward.egress.as_str(), onward.to.as_str()), ("east.example", "west.example"));
    assert_eq!((&*onward.via, onward.is_notice), ("wv:@hub.example", false));
    assert_eq!(onward.lifetime, DAY);
    for to in [&["wv:x@hub.example"][..], &["wv:x@far.example"], &["x"], &[EVE, WALT], &[]] {
        assert_eq!(hub.asks("south.example", &message(to), ""), Way::Here, "{to:?}");
    }
    let back = outline("SendMessageRequest", &[(Role::From, WALT), (Role::To, BO)]);
    assert_eq!(code(&hub.asks("east.example", &back, "")), 200, "east may speak for what it carries");
    let none = hub_with(|_| {}, &[]);
    assert_eq!(none.asks("south.example", &message(&[EVE]), ""), Way::Here);
}

#[test]
fn nobody_speaks_for_others() {
    let hub = hub();
    for (role, text) in [
        (Role::Service, "wv:@west.example"),
        (Role::Requestor, "wv:bo@east.example"),
        (Role::From, "wv:ada@hub.example"),
        (Role::From, EVE),
        (Role::Shown, "wv:/club@west.example"),
    ] {
        let mut forged = message(&[EVE]);
        forged.marks.push(Mark { role, text: text.into() });
        assert_eq!(code(&hub.asks("south.example", &forged, "")), 901, "{text}");
    }
    let mut shown = message(&["wv:/club@east.example"]);
    shown.marks.push(Mark { role: Role::Shown, text: "wv:/club@east.example".into() });
    assert_eq!(
        code(&hub.asks("south.example", &shown, "")),
        200,
        "a name inside the group that is addressed"
    );
}

#[test]
fn nothing_passes_from_or_for_whom_an_operator_blocks() {
    let asks = |subject: &str, message: &Outline| {
        let hub = hub();
        let block = Block {
            subject: subject.parse().unwrap(),
            since: Moment::default(),
            until: None,
            reason: "spam".into(),
        };
        let blocks = Arc::new(Blocks::new([block], Moment::default()));
        let directory = hub.directory.with_blocks(blocks.clone());
        code(&Hub { directory, routes: hub.routes.without(blocks), ..hub }.asks("south.example", message, ""))
    };
    assert_eq!(asks("wv:BO@south.example", &message(&[WALT])), 403);
    assert_eq!(asks("wv:walt@west.example", &message(&[WALT])), 516);
    assert_eq!(asks("west.example", &message(&[WALT])), 516);
    assert_eq!(asks("south.example", &message(&[WALT])), 403);
    assert_eq!(asks("wv:walter@west.example", &message(&[WALT])), 200, "somebody else");
    let club = outline("SendMessageRequest", &[(Role::From, BO), (Role::To, "wv:/club@west.example")]);
    assert_eq!(asks("west.example", &club), 516);
    let club = outline("SendMessageRequest", &[(Role::From, BO), (Role::To, "WV:/club@West.Example")]);
    assert_eq!(asks("west.example", &club), 516, "in any spelling");
}

#[test]
fn both_agreements_must_hold_the_service_and_the_next_one_not_be_closed() {
    let hub = hub();
    let subscribe = outline("SubscribeRequest", &[(Role::Service, "wv:@south.example"), (Role::To, EVE)]);
    assert_eq!(code(&hub.asks("south.example", &subscribe, "")), 506, "east has no presence");
    let join = outline("JoinGroupRequest", &[(Role::To, "wv:/club@east.example")]);
    assert_eq!(code(&hub.asks("south.example", &join, "")), 506, "south has no groups");
    let verify = outline("VerifyIDRequest", &[(Role::To, EVE)]);
    assert_eq!(code(&hub.asks("south.example", &verify, "")), 200, "needs nothing more");
    let transits = [triple("south.example", "east.example", "east.example")];
    for (state, expected) in [(PeerState::Suspended, 200), (PeerState::Closed, 516)] {
        let change = |agreement: &mut Agreement| {
            if agreement.domain.as_str() == "east.example" {
                agreement.state = state;
            }
        };
        let hub = hub_with(change, &transits);
        assert_eq!(code(&hub.asks("south.example", &message(&[EVE]), "")), expected);
    }
}

#[test]
fn nothing_goes_back_where_it_came_from() {
    // South is the way to far: what is for far and comes from south would go back by any way but east's.
    let carrying = |agreement: &mut Agreement| {
        if agreement.domain.as_str() == "south.example" {
            agreement.carries = vec![domain("far.example")];
        }
    };
    let hub = hub_with(carrying, &[triple("south.example", "far.example", "east.example")]);
    assert_eq!(code(&hub.asks("south.example", &message(&["wv:x@far.example"]), "")), 516);
}

#[test]
fn a_report_is_for_whoever_is_not_of_the_peer_in_whatever_role() {
    let hub = hub();
    for (one, other) in [(EVE, BO), (BO, EVE)] {
        let report = outline("DeliveryStatusReport", &[(Role::Either, one), (Role::Either, other)]);
        let Way::Onward(onward) = hub.asks("south.example", &report, "") else { panic!("not passed on") };
        assert!(onward.is_notice);
    }
}

#[test]
fn the_path_grows_by_us_and_ends_at_five() {
    let hub = hub();
    let Way::Onward(onward) = hub.asks("south.example", &message(&[EVE]), "wv:@a.test, wv:@b.test") else {
        panic!("not passed on")
    };
    assert_eq!(&*onward.via, "wv:@a.test, wv:@b.test, wv:@hub.example");
    let five = "wv:@a.test,wv:@b.test,wv:@c.test,wv:@d.test,wv:@e.test";
    assert_eq!(code(&hub.asks("south.example", &message(&[EVE]), five)), 516);
    assert_eq!(format!("{five},wv:@f.test").parse::<Via>(), Err(ViaError::TooLong));
    assert_eq!("wv:@a.test, what".parse::<Via>(), Err(ViaError::Unreadable));
    let own = [domain("b.test")];
    assert_eq!(five.parse::<Via>().unwrap().check(&own), Err(ViaError::Circle(domain("b.test"))));
    assert_eq!(" , ".parse::<Via>(), Ok(Via::default()));
}

#[test]
fn the_same_request_by_another_link_is_a_loop_for_ten_minutes() {
    let mut memory = Memory::default();
    let (own, south, east) = (domain("hub.example"), domain("south.example"), domain("east.example"));
    let to = domain("west.example");
    let at = |seconds: u64| Moment::from_millis(seconds * 1000);
    let key = memory.key(&message(&[WALT]), &to, 1);
    assert_eq!(memory.key(&message(&[WALT]), &to, 2), key, "it has an id: its octets do not matter");
    assert_ne!(memory.key(&message(&[WALT]), &east, 1), key, "one message goes to several domains");
    assert_eq!(memory.sight(key, &own, &south, at(0)), Sight::Fine);
    assert_eq!(memory.sight(key, &own, &south, at(500)), Sight::Fine, "a repeat");
    assert_eq!(memory.sight(key, &own, &east, at(1000)), Sight::Loop);
    assert_eq!(memory.sight(key, &own, &east, at(1101)), Sight::Fine, "long after the last one");
    let subscribe = outline("SubscribeRequest", &[(Role::To, WALT)]);
    assert_ne!(memory.key(&subscribe, &to, 1), memory.key(&subscribe, &to, 2), "the octets are the id");
}

fn waiter(transaction: &str) -> Waiter {
    Waiter {
        own: domain("hub.example"),
        ingress: domain("south.example"),
        transaction: transaction.parse::<TransactionId>().unwrap(),
    }
}

#[test]
fn silence_is_told_once_and_the_request_stays_under_way() {
    let mut passages = Passages::default();
    let key = Memory::default().key(&message(&[WALT]), &domain("west.example"), 1);
    let at = |seconds: u64| Moment::from_millis(seconds * 1000);
    passages.open(7, waiter("t1"), key, 1, at(0));
    assert!(passages.silent(at(59)).is_empty());
    assert_eq!(passages.silent(at(60)), [waiter("t1")]);
    assert!(passages.silent(at(61)).is_empty());
    assert_eq!(passages.again(key, 1, &waiter("t2"), at(70)), Some(7), "no second row");
    assert_eq!(passages.again(key, 2, &waiter("t3"), at(70)), None, "other content is another request");
    assert_eq!(passages.ended(7), Some(waiter("t2")));
    assert!(passages.is_empty() && passages.silent(at(1000)).is_empty());
}

proptest! {
    #[test]
    fn what_passes_is_vouched_for_and_goes_to_one_domain(
        marks in proptest::collection::vec(
            (
                proptest::sample::select(vec![
                    Role::Service, Role::Requestor, Role::From, Role::Shown, Role::To, Role::Either,
                ]),
                "(wv:[ab]|wv:/g|wv:)@(south|east|west|hub|far)[.]example",
            ),
            0..6,
        ),
    ) {
        let marks: Vec<(Role, &str)> = marks.iter().map(|(role, text)| (*role, text.as_str())).collect();
        let request = outline("SendMessageRequest", &marks);
        if let Way::Onward(onward) = hub().asks("south.example", &request, "") {
            for (role, text) in marks {
                let domain = text.rsplit_once('@').unwrap().1;
                match role {
                    Role::To => prop_assert_eq!(domain, onward.to.as_str()),
                    Role::Service | Role::Requestor | Role::From => prop_assert_eq!(domain, "south.example"),
                    Role::Either => prop_assert!(domain == "south.example" || domain == onward.to.as_str()),
                    _ => {}
                }
            }
        }
    }

    #[test]
    fn whoever_waits_is_told_exactly_once(
        steps in proptest::collection::vec((0_u8..4, 0_i64..6, 0_u64..40), 0..60),
    ) {
        let mut passages = Passages::default();
        let memory = Memory::default();
        let mut now = 0;
        let (mut opened, mut told) = (0, 0);
        let mut next = 0;
        for (kind, row, seconds) in steps {
            now += seconds;
            let at = Moment::from_millis(now * 1000);
            match kind {
                0 => {
                    let subscribe = outline("SubscribeRequest", &[(Role::To, WALT)]);
                    let key = memory.key(&subscribe, &domain("west.example"), next);
                    passages.open(i64::try_from(next).unwrap(), waiter("t"), key, next, at);
                    next += 1;
                    opened += 1;
                }
                1 => told += usize::from(passages.ended(row).is_some()),
                _ => told += passages.silent(at).len(),
            }
        }
        told += passages.silent(Moment::from_millis((now + 61) * 1000)).len();
        prop_assert_eq!(opened, told);
        for row in 0..i64::try_from(next).unwrap() {
            prop_assert_eq!(passages.ended(row), None);
        }
        prop_assert!(passages.is_empty() && passages.by_nobody());
    }
}
