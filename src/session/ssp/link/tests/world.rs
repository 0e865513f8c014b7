//! Two links against each other; every POST and every outcome is delivered when the play says so.

use super::*;
use proptest::prelude::*;

/// Something under way.
enum Parcel {
    /// A POST from this side.
    Post(usize, Post),
    /// The outcome of a POST of this side.
    Outcome(usize, PostId, PostOutcome),
}

struct World {
    links: [Link; 2],
    now: Moment,
    dice: Dice,
    parcels: VecDeque<Parcel>,
    /// What each side put out beside posts.
    said: [Vec<Output>; 2],
    /// Operations of each side that wait to be handed over again.
    outbox: [Vec<OperationId>; 2],
    /// Requests that each side carried out.
    done: [Vec<TransactionId>; 2],
    /// Operations of each side that were answered.
    answered: [Vec<OperationId>; 2],
}

fn limits() -> crate::wire::Limits {
    crate::wire::Limits::for_document(1 << 20)
}

impl World {
    fn new(profile: Profile, seed: u64) -> Self {
        let link = |own, peer| {
            let mut settings = LinkSettings::for_profile(domain(own), domain(peer), profile);
            settings.transactions_per_post = if profile == Profile::Causeway { 3 } else { 1 };
            Link::new(settings, Vec::new(), START)
        };
        Self {
            links: [link("a.test", "b.test"), link("b.test", "a.test")],
            now: START,
            dice: Dice(seed),
            parcels: VecDeque::new(),
            said: Default::default(),
            outbox: Default::default(),
            done: Default::default(),
            answered: Default::default(),
        }
    }

    fn drain(&mut self) {
        for (side, link) in self.links.iter_mut().enumerate() {
            while let Some(output) = link.poll_output() {
                match output {
                    Output::Post(post) => self.parcels.push_back(Parcel::Post(side, post)),
                    other => self.said[side].push(other),
                }
            }
        }
    }

    fn send(&mut self, side: usize, operation: i64) {
        let outgoing = Outgoing {
            operation: OperationId(operation),
            transaction: Some(id(&format!("t{operation}"))),
            kind: Kind::Request,
            fragment: fragment(),
            via: None,
        };
        self.links[side].enqueue(outgoing, self.now, &mut self.dice).unwrap();
        self.drain();
    }

    /// Delivers a parcel; a POST really crosses as bytes. `fate` 0 delivers it, 1 loses it on the
    /// way, 2 delivers it and loses the answer, 3 delivers it twice.
    fn deliver(&mut self, index: usize, fate: u8) {
        let Some(parcel) = self.parcels.remove(index) else { return };
        match parcel {
            Parcel::Outcome(side, id, outcome) => {
                self.links[side].posted(id, outcome, self.now, &mut self.dice);
            }
            Parcel::Post(side, post) => {
                let mut outcome = PostOutcome::Closed;
                for _ in 0..[1, 0, 1, 2][usize::from(fate % 4)] {
                    outcome = self.arrive(1 - side, &post.to_bytes());
                }
                if fate == 2 {
                    outcome = PostOutcome::Closed;
                }
                self.parcels.push_back(Parcel::Outcome(side, post.id, outcome));
            }
        }
        self.drain();
    }

    fn arrive(&mut self, side: usize, bytes: &[u8]) -> PostOutcome {
        let message = crate::wire::ssp::read(bytes, None, &limits()).unwrap();
        match self.links[side].receive(message, self.now, &mut self.dice) {
            Err(error) => PostOutcome::Status(error.http_status(), error.retry_after()),
            Ok(arrived) => {
                for one in arrived {
                    match one {
                        Arrived::Request { transaction, .. } => {
                            self.links[side].accepted(&transaction);
                            self.links[side].answer(&transaction, fragment(), self.now, &mut self.dice);
                            self.done[side].push(transaction);
                        }
                        Arrived::Answer { operation, .. } => self.answered[side].push(operation),
                        _ => {}
                    }
                }
                PostOutcome::Accepted
            }
        }
    }

    /// Delivers everything, oldest first, and lets time pass where nothing is under way.
    fn settle(&mut self, time: Duration) {
        let until = self.now.after(time);
        for _ in 0..10_000 {
            while !self.parcels.is_empty() {
                self.deliver(0, 0);
            }
            let next = self.links.iter().filter_map(Link::next_wakeup).min();
            let Some(at) = next.filter(|at| *at <= until) else {
                self.now = until;
                return;
            };
            self.now = self.now.max(at);
            self.wake();
        }
        panic!("the world does not come to rest");
    }

    fn wake(&mut self) {
        for link in &mut self.links {
            link.wake(self.now, &mut self.dice);
        }
        self.drain();
    }

    /// Hands unanswered and returned operations over again where there is room, as the outbox does.
    fn hand_over_again(&mut self) {
        for side in 0..2 {
            let mut again = std::mem::take(&mut self.outbox[side]);
            let returned =
                std::mem::take(&mut self.said[side]).into_iter().filter_map(|output| match output {
                    Output::Unanswered { operation } | Output::Returned { operation, .. } => Some(operation),
                    _ => None,
                });
            again.extend(returned);
            let room = self.links[side].capacity().min(again.len());
            self.outbox[side] = again.split_off(room);
            for operation in again {
                self.send(side, operation.0);
            }
        }
    }

    /// The ids of the sessions that each side sends on, as seen by a and by b.
    fn current(&self) -> [Option<(String, String)>; 2] {
        let ids = |link: &Link| {
            let record = &link.sessions.current()?.record;
            Some((record.own_id.to_string(), record.peer_id.to_string()))
        };
        [ids(&self.links[0]), ids(&self.links[1])]
    }

    fn sessions(&self, side: usize) -> usize {
        self.links[side].sessions.iter().count()
    }
}

#[test]
fn two_links_set_up_and_exchange_requests_and_answers() {
    for profile in [Profile::Legacy, Profile::Standard, Profile::Causeway] {
        let mut world = World::new(profile, 1);
        for operation in 1..=4 {
            world.send(0, operation);
        }
        world.settle(seconds(5));
        world.send(1, 9);
        world.settle(seconds(5));
        assert_eq!(world.answered[0], [1, 2, 3, 4].map(OperationId), "{profile:?}");
        assert_eq!(world.answered[1], [OperationId(9)]);
        assert_eq!((world.sessions(0), world.sessions(1)), (1, 1));
        let [Some((own, peer)), Some(other)] = world.current() else { panic!() };
        assert_eq!((peer, own), other);
    }
}

#[test]
fn both_may_open_at_once_and_agree_on_the_session_of_the_first_domain() {
    for profile in [Profile::Legacy, Profile::Standard, Profile::Causeway] {
        let mut world = World::new(profile, 2);
        world.send(0, 1);
        world.send(1, 2);
        assert_eq!(world.parcels.len(), 2, "two first steps under way");
        world.settle(seconds(10));
        assert_eq!((world.sessions(0), world.sessions(1)), (2, 2), "{profile:?}");
        for link in &world.links {
            assert_eq!(link.sessions.current().unwrap().record.initiator.as_str(), "a.test");
        }
        assert_eq!((world.answered[0].len(), world.answered[1].len()), (1, 1));
        world.settle(seconds(120));
        let left = if profile == Profile::Causeway { 1 } else { 2 };
        assert_eq!((world.sessions(0), world.sessions(1)), (left, left), "{profile:?}");
        assert!(world.links[0].is_up() && world.links[1].is_up());
        world.send(1, 3);
        world.settle(seconds(1));
        assert_eq!(world.answered[1].len(), 2);
    }
}

#[test]
fn every_step_may_be_lost_unanswered_or_doubled() {
    for profile in [Profile::Legacy, Profile::Standard] {
        for fate in 1..=3 {
            for victim in 0..6 {
                let mut world = World::new(profile, 3);
                world.send(0, 1);
                let mut posts = 0;
                for _ in 0..200 {
                    match world.parcels.front() {
                        None => {
                            let next = world.links.iter().filter_map(Link::next_wakeup).min();
                            let Some(at) = next else { break };
                            world.now = world.now.max(at);
                            world.wake();
                        }
                        Some(Parcel::Outcome(..)) => world.deliver(0, 0),
                        Some(Parcel::Post(..)) => {
                            world.deliver(0, if posts == victim { fate } else { 0 });
                            posts += 1;
                        }
                    }
                    if world.answered[0].len() == 1 {
                        break;
                    }
                }
                let play = format!("{profile:?}, fate {fate} of post {victim}");
                assert_eq!(world.answered[0], [OperationId(1)], "{play}");
                assert!(world.now.since(START) < seconds(40), "{play}: {:?}", world.now.since(START));
                assert_eq!(world.done[1].len(), 1, "{play}");
            }
        }
    }
}

#[test]
fn a_peer_that_lost_everything_is_logged_in_to_again() {
    let mut world = World::new(Profile::Standard, 4);
    world.send(0, 1);
    world.settle(seconds(1));
    let settings = world.links[1].settings().clone();
    world.links[1] = Link::new(settings, Vec::new(), world.now);
    world.send(0, 2);
    world.settle(seconds(1));
    assert_eq!(world.answered[0], [1, 2].map(OperationId));
    let [Some((own, peer)), Some(other)] = world.current() else { panic!() };
    assert_eq!((peer, own), other);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Whatever is lost, doubled and reordered: once the weather clears, everything is answered once
    /// for its asker and carried out once.
    #[test]
    fn after_any_weather_every_request_is_answered_and_carried_out_once(
        seed in any::<u64>(),
        profile in 0_usize..3,
        weather in prop::collection::vec((any::<u8>(), 0_u8..8, 0_u64..4000, any::<bool>()), 0..120),
    ) {
        let profile = [Profile::Legacy, Profile::Standard, Profile::Causeway][profile];
        let mut world = World::new(profile, seed);
        let mut sent = [0_usize; 2];
        for (which, fate, wait, more) in weather {
            let side = usize::from(which % 2);
            if more && sent[side] < 12 && world.links[side].capacity() > 0 {
                sent[side] += 1;
                let operation = if side == 0 { sent[side] } else { 100 + sent[side] };
                world.send(side, i64::try_from(operation).unwrap());
            }
            if !world.parcels.is_empty() {
                let index = usize::from(which) % world.parcels.len();
                world.deliver(index, if fate > 3 { 0 } else { fate });
            }
            if wait < 1500 {
                world.now = world.now.after(Duration::from_millis(wait * 10));
                world.wake();
            }
            world.hand_over_again();
        }
        for _ in 0..60 {
            world.settle(seconds(60));
            world.hand_over_again();
        }
        for side in 0..2 {
            let mut answered = world.answered[side].clone();
            answered.sort();
            let total = answered.len();
            answered.dedup();
            prop_assert_eq!(answered.len(), total, "answered twice");
            prop_assert_eq!(total, sent[side]);
            let mut done = world.done[side].clone();
            done.sort();
            let total = done.len();
            done.dedup();
            prop_assert_eq!((done.len(), total), (sent[1 - side], sent[1 - side]));
        }
    }
}
