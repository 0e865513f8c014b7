//! A world: who lives there, what goes wrong when, and how it ends.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use causeway::element::presence::{Home, Publisher};
use causeway::imps::agreement::PeerState;
use causeway::imps::presence::{Attribute, AttributeName};
use causeway::imps::primitive::User;
use causeway::imps::{Domain, GroupId, UserId};
use causeway::relay::ports::{ListsStore as _, PresenceStore as _, Store as _, Watchers};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::Played;
use super::cast::{Cast, DOMAINS, NAMES};
use super::dice::Dice;
use super::journal::Journal;
use super::ledger::{Ledger, Truth};
use super::network::{Net, POSTS_MAX, Weather};
use super::phone::{Phone, Plan};
use super::site::{Ground, Habits, ROOMY, Site, Through};

/// How long a world may take to become quiet once the trouble is over.
const QUIET_WITHIN: Duration = Duration::from_secs(1800);
/// How long it is watched then.
const QUIET_WATCH: Duration = Duration::from_secs(35);
/// How soon every session has ended whose phone is in another one.
const SESSIONS_END_WITHIN: Duration = Duration::from_secs(240);
/// How often queues are looked at while there is trouble, where there is little room.
const LOOKED_AT_EVERY: Duration = Duration::from_millis(250);
/// How soon phones have fetched what waits for them.
const POLLED_WITHIN: Duration = Duration::from_secs(15);

/// What goes wrong.
enum Event {
    Kill(usize, Duration),
    /// Killed when something is in hand that is not on disk.
    Ambush(usize, Duration),
    Drain(usize, Duration),
    Start(usize),
    Cut(usize, usize, Duration),
    Mend(usize, usize),
    Weather,
    /// These are cut off from all others; one bit each.
    Island(u64, Duration),
    /// The first agrees with the second in another way from now on.
    Agree(usize, usize, PeerState),
    Jump(usize, i64),
}

/// A world that is played.
pub(super) struct World {
    cast: Cast,
    journal: Journal,
    net: Arc<Net>,
    through: Arc<Through>,
    ledger: Ledger,
    trouble: Arc<AtomicBool>,
    dice: Dice,
    sites: Vec<Site>,
    users: Vec<Vec<UserId>>,
    /// Says which node is to die in the middle of a commit.
    deaths: mpsc::UnboundedReceiver<usize>,
    events: BTreeMap<(Instant, u64), Event>,
    /// Events so far.
    number: u64,
    phones: Vec<JoinHandle<()>>,
    ready: Vec<CancellationToken>,
    end: CancellationToken,
}

impl World {
    /// From the first login to the verdict.
    pub(super) async fn play(seed: u64, journal: Journal) -> Played {
        let mut world = Self::make(seed, journal).await;
        for site in &mut world.sites {
            site.start().await;
        }
        world.people();
        world.suffer().await;
        world.end().await
    }

    /// Two providers whose peers say nothing but what is written here. A message waits while the disk of the
    /// other provider fails, is taken in the end, and its refusal is lost for more than a minute.
    pub(super) async fn a_refusal_that_comes_late(journal: Journal) -> Played {
        let mut world = Self::with(0, Cast::quiet(), Dice::of(0, "world"), journal).await;
        world.trouble.store(false, Ordering::Relaxed);
        for site in &mut world.sites {
            site.start().await;
        }
        let (north, south) = (world.sites[0].domain.clone(), world.sites[1].domain.clone());
        let mut phone = world.phone(&world.sites[0], &world.users[0][0]);
        phone.says_to(&world.users[1][0]).await;
        world.net.blow(&north, &south, Weather { broken: true, ..Weather::default() });
        phone.says_to(&"wv:nobody@south.example".parse().unwrap()).await;
        sleep(Duration::from_secs(100)).await;
        world.net.blow(&north, &south, Weather::default());
        world.net.blow(&south, &north, Weather { lost: 1000, ..Weather::default() });
        sleep(Duration::from_secs(80)).await;
        world.net.heal();
        // Its session has ended meanwhile, since it did not poll.
        let plan = Plan { jumpy: true, ..Plan::default() };
        let ready = CancellationToken::new();
        world.ready.push(ready.clone());
        world.phones.push(tokio::spawn(phone.live(plan, ready, world.end.clone())));
        let other = world.phone(&world.sites[1], &world.users[1][0]);
        world.phones.push(tokio::spawn(other.live(
            Plan::default(),
            CancellationToken::new(),
            world.end.clone(),
        )));
        world.end().await
    }

    /// Two providers of which one takes the entry of the other out, and puts it in again. What the other says
    /// meanwhile is no matter of promises.
    pub(super) async fn an_entry_that_goes_and_comes_back(journal: Journal) -> Played {
        let mut world = Self::with(0, Cast::quiet(), Dice::of(0, "world"), journal).await;
        world.trouble.store(false, Ordering::Relaxed);
        for site in &mut world.sites {
            site.start().await;
        }
        let south = world.sites[1].domain.clone();
        let mut phone = world.phone(&world.sites[0], &world.users[0][0]);
        phone.says_to(&world.users[1][0]).await;
        sleep(Duration::from_secs(30)).await;
        assert!(world.sites[0].has_link(&south).await, "an agreement has a link");
        let entries = world.sites[0].enters(Vec::new()).await;
        assert!(world.sites[0].has_link(&south).await, "it leaves its sessions first");
        sleep(Duration::from_secs(30)).await;
        assert!(!world.sites[0].has_link(&south).await, "nothing is left of it");
        world.sites[0].enters(entries).await;
        phone.says_to(&world.users[1][0]).await;
        assert!(world.sites[0].has_link(&south).await, "a new one");
        let other = world.phone(&world.sites[1], &world.users[1][0]);
        for phone in [phone, other] {
            let living = phone.live(Plan::default(), CancellationToken::new(), world.end.clone());
            world.phones.push(tokio::spawn(living));
        }
        world.end().await
    }

    /// The verdict.
    async fn end(mut self) -> Played {
        let world = &mut self;
        let mut wrongs = world.recover().await;
        world.end.cancel();
        for phone in std::mem::take(&mut world.phones) {
            if timeout(Duration::from_secs(300), phone).await.is_err() {
                wrongs.push("a phone waits for ever".into());
            }
        }
        for site in &mut world.sites {
            site.drain().await;
        }
        let truths = world.truths().await;
        wrongs.extend(world.ledger.judge(&truths, &world.net.meddled()));
        wrongs.extend(world.net.foreign());
        let counts = self.ledger.counts();
        Played { wrongs, journal: self.journal, counts, through: self.through }
    }

    async fn make(seed: u64, journal: Journal) -> Self {
        let mut dice = Dice::of(seed, "world");
        let cast = Cast::draw(&mut dice).in_room(seed);
        Self::with(seed, cast, dice, journal).await
    }

    async fn with(seed: u64, cast: Cast, mut dice: Dice, journal: Journal) -> Self {
        let net = Net::new(seed, journal.clone());
        let trouble = Arc::new(AtomicBool::new(true));
        let (killer, deaths) = mpsc::unbounded_channel();
        let begin = Instant::now();
        let through = Arc::new(Through::default());
        let ground = Ground {
            seed,
            net: net.clone(),
            trouble: trouble.clone(),
            killer,
            begin,
            through: through.clone(),
        };
        journal.tell(format!("{cast:?}"));
        let count = cast.count();
        let domains: Vec<Domain> = DOMAINS[..count].iter().map(|domain| domain.parse().unwrap()).collect();
        let failing = if cast.failing { 30 } else { 0 };
        let users: Vec<Vec<UserId>> = DOMAINS[..count]
            .iter()
            .zip(NAMES.chunks(2))
            .map(|(domain, names)| {
                names.iter().map(|name| format!("wv:{name}@{domain}").parse().unwrap()).collect()
            })
            .collect();
        let (mut sites, mut room) = (Vec::new(), Dice::of(seed, "rooms"));
        for (place, agreed) in cast.agreements(&mut dice).into_iter().enumerate() {
            let domain = &domains[place];
            for (to, other) in domains.iter().enumerate().filter(|(to, _)| *to != place) {
                net.speaks_for(domain, other, cast.speakers(place, to));
            }
            let room = if cast.cramped { *room.pick(&[1500, 3000, 6000]) } else { ROOMY };
            let habits =
                Habits { sluggish: *dice.pick(&[0, 5, 30]), failing, deadly: *dice.pick(&[0, 0, 4]), room };
            journal.tell(format!("{domain}: {habits:?}, {agreed:?}"));
            sites.push(Site::found(&ground, place, domain, agreed, habits, &users[place]).await);
        }
        let ledger = Ledger::new(journal.clone(), failing == 0);
        if cast.cramped {
            ledger.cramped();
        }
        Self {
            cast,
            ledger,
            journal,
            net,
            through,
            trouble,
            dice,
            sites,
            users,
            deaths,
            events: BTreeMap::new(),
            number: 0,
            phones: Vec::new(),
            ready: Vec::new(),
            end: CancellationToken::new(),
        }
    }

    fn phone(&self, site: &Site, user: &UserId) -> Phone {
        let dice = Dice::of(self.net.seed(), &format!("phone {user}"));
        Phone::new(user.clone(), site.domain.clone(), self.net.clone(), self.ledger.clone(), dice)
    }

    fn people(&mut self) {
        let everybody: Vec<UserId> = self.users.iter().flatten().cloned().collect();
        let mut groups: Vec<(GroupId, UserId)> = Vec::new();
        if self.cast.groups {
            let homes = self.users.iter().take(1 + usize::from(self.dice.permille(300)));
            groups.extend(homes.map(|users| {
                let domain = users[0].domain_str().unwrap();
                (format!("wv:/talk@{domain}").parse().unwrap(), users[0].clone())
            }));
        }
        for (site, users) in self.sites.iter().zip(&self.users) {
            for user in users {
                let mut known: Vec<UserId> =
                    everybody.iter().filter(|other| *other != user).cloned().collect();
                if self.dice.permille(300) {
                    known.push(
                        format!("wv:nobody@{}", self.dice.pick(&everybody).domain_str().unwrap())
                            .parse()
                            .unwrap(),
                    );
                }
                if self.dice.permille(200) {
                    known.push("wv:someone@nowhere.example".parse().unwrap());
                }
                let phone = self.phone(site, user);
                let mut some = |from, to| usize::try_from(self.dice.between(from, to)).unwrap();
                let plan = Plan {
                    messages: if self.cast.presence || self.cast.groups { some(1, 5) } else { some(3, 8) },
                    known,
                    presence: if self.cast.presence { some(5, 10) } else { 0 },
                    talk: if groups.is_empty() { 0 } else { some(4, 10) },
                    pause: self.dice.between(500, 6000),
                    others: everybody.iter().filter(|other| *other != user).cloned().collect(),
                    groups: groups.iter().map(|(id, founder)| (id.clone(), founder == user)).collect(),
                    fleeting: self.cast.fleeting,
                    jumpy: self.cast.jumps,
                };
                let ready = CancellationToken::new();
                self.ready.push(ready.clone());
                self.phones.push(tokio::spawn(phone.live(plan, ready, self.end.clone())));
            }
        }
    }

    fn at(&mut self, at: Instant, event: Event) {
        self.number += 1;
        self.events.insert((at, self.number), event);
    }

    /// The time of trouble.
    async fn suffer(&mut self) {
        let begin = Instant::now();
        let length = self.dice.millis(20_000, 50_000);
        let over = begin + length;
        let count = self.sites.len() as u64;
        self.at(begin, Event::Weather);
        let millis = u64::try_from(length.as_millis()).unwrap();
        for _ in 0..self.dice.below(4) {
            let at = begin + self.dice.millis(0, millis);
            let site = usize::try_from(self.dice.below(count)).unwrap();
            let down = self.dice.millis(50, 12_000);
            let event =
                if self.dice.permille(650) { Event::Kill(site, down) } else { Event::Drain(site, down) };
            self.at(at, event);
        }
        let mut ambush = Dice::of(self.net.seed(), "ambush");
        for _ in 0..ambush.below(3) {
            let at = begin + ambush.millis(0, millis);
            let site = usize::try_from(ambush.below(count)).unwrap();
            self.at(at, Event::Ambush(site, length));
        }
        for _ in 0..self.dice.below(4) {
            let at = begin + self.dice.millis(0, millis);
            let one = self.dice.below(count);
            let other = (one + self.dice.between(1, count - 1)) % count;
            let (one, other) = (usize::try_from(one).unwrap(), usize::try_from(other).unwrap());
            let length = self.dice.millis(500, 25_000);
            self.at(at, Event::Cut(one, other, length));
            if self.dice.coin() {
                self.at(at, Event::Cut(other, one, length));
            }
        }
        if self.dice.coin() {
            let at = begin + self.dice.millis(0, millis);
            self.at(at, Event::Weather);
        }
        let mut islands = Dice::of(self.net.seed(), "islands");
        if count > 2 && islands.permille(400) {
            let at = begin + islands.millis(0, millis);
            let inside = islands.between(1, (1 << count) - 2);
            self.at(at, Event::Island(inside, islands.millis(500, 25_000)));
        }
        self.operators(begin, millis);
        loop {
            let next = self.events.first_key_value().map_or(over, |((at, _), _)| (*at).min(over));
            tokio::select! {
                biased;
                Some(site) = self.deaths.recv() => {
                    self.journal.tell("in the middle of a commit, or of a message:");
                    let down = self.dice.millis(50, 8000);
                    self.happen(Event::Kill(site, down)).await;
                }
                () = sleep(LOOKED_AT_EVERY), if self.cast.cramped => self.look_at_queues().await,
                () = sleep_until(next) => {
                    if next == over {
                        return;
                    }
                    if let Some((_, event)) = self.events.pop_first() {
                        self.happen(event).await;
                    }
                }
            }
        }
    }

    /// What operators do.
    fn operators(&mut self, begin: Instant, millis: u64) {
        let count = self.sites.len() as u64;
        if self.cast.suspends {
            for _ in 0..self.dice.between(1, 4) {
                let at = begin + self.dice.millis(0, millis);
                let one = self.dice.below(count);
                let other = (one + self.dice.between(1, count - 1)) % count;
                let (one, other) = (usize::try_from(one).unwrap(), usize::try_from(other).unwrap());
                let states = [PeerState::Suspended, PeerState::Suspended, PeerState::Closed];
                let state = *self.dice.pick(if self.cast.closes { &states } else { &states[..2] });
                self.at(at, Event::Agree(one, other, state));
                if self.dice.coin() {
                    let until = at + self.dice.millis(100, 20_000);
                    self.at(until, Event::Agree(one, other, PeerState::Active));
                }
            }
        }
        if self.cast.jumps {
            for _ in 0..self.dice.between(1, 4) {
                let at = begin + self.dice.millis(0, millis);
                let site = usize::try_from(self.dice.below(count)).unwrap();
                let jump = *self.dice.pick(&[-600_000, -30_000, -2000, 2000, 30_000, 600_000, 7_200_000]);
                self.at(at, Event::Jump(site, jump));
            }
        }
    }

    async fn happen(&mut self, event: Event) {
        match event {
            Event::Kill(site, down) if self.sites[site].is_up() => {
                self.sites[site].kill();
                self.at(Instant::now() + down, Event::Start(site));
            }
            Event::Drain(site, down) if self.sites[site].is_up() => {
                self.sites[site].drain().await;
                self.at(Instant::now() + down, Event::Start(site));
            }
            Event::Kill(..) | Event::Drain(..) => {}
            Event::Ambush(site, within) => self.sites[site].ambush(within),
            Event::Start(site) => self.sites[site].start().await,
            Event::Island(inside, length) => {
                let is_inside = |place: usize| inside & (1 << place) != 0;
                let places = 0..self.sites.len();
                for one in places.clone() {
                    for other in places.clone().filter(|other| is_inside(one) != is_inside(*other)) {
                        self.at(Instant::now(), Event::Cut(one, other, length));
                    }
                }
            }
            Event::Cut(one, other, length) => {
                let (from, to) = (&self.sites[one].domain, &self.sites[other].domain);
                self.journal.tell(format!("cut: {from} no longer reaches {to}"));
                self.net.cut(from, to, true);
                self.at(Instant::now() + length, Event::Mend(one, other));
            }
            Event::Mend(one, other) => {
                let (from, to) = (&self.sites[one].domain, &self.sites[other].domain);
                self.journal.tell(format!("mended: {from} reaches {to} again"));
                self.net.cut(from, to, false);
            }
            Event::Weather => self.weather(),
            Event::Agree(one, other, state) => {
                if state == PeerState::Closed {
                    self.ledger.torn();
                }
                let peer = self.sites[other].domain.clone();
                self.sites[one].agree(Some(&peer), state).await;
            }
            Event::Jump(site, millis) => self.sites[site].jump(millis),
        }
    }

    fn weather(&mut self) {
        for from in &self.sites {
            for to in &self.sites {
                if from.domain == to.domain {
                    continue;
                }
                let dice = &mut self.dice;
                let weather = Weather {
                    broken: false,
                    lost: *dice.pick(&[0, 30, 150, 400]),
                    unheard: *dice.pick(&[0, 30, 150, 400]),
                    repeated: *dice.pick(&[0, 100, 400]),
                    busy: *dice.pick(&[0, 0, 50, 200]),
                    forged: *dice.pick(&[0, 0, 0, 100]),
                    lies: if self.cast.liars { *dice.pick(&[0, 50, 200]) } else { 0 },
                    slowest: *dice.pick(&[5, 100, 2500]),
                };
                self.journal.tell(format!("{} ══▶ {}: {weather:?}", from.domain, to.domain));
                self.net.blow(&from.domain, &to.domain, weather);
            }
        }
        let phones = Weather {
            lost: *self.dice.pick(&[0, 20, 100]),
            unheard: *self.dice.pick(&[0, 20, 100]),
            slowest: *self.dice.pick(&[5, 400]),
            ..Weather::default()
        };
        self.net.blow_on_phones(phones);
    }

    /// Everything is mended; what is wrong if the world does not become quiet.
    async fn recover(&mut self) -> Vec<String> {
        self.journal.tell("the trouble is over");
        self.trouble.store(false, Ordering::Relaxed);
        self.net.heal();
        self.deaths.close();
        for site in &mut self.sites {
            site.agree(None, PeerState::Active).await;
            site.start().await;
        }
        let begin = Instant::now();
        let mut left = self.left().await;
        // What the network still has to repeat may pass a hub anew that has begun a new life since.
        while !left.is_empty() || self.net.is_late() {
            if begin.elapsed() > QUIET_WITHIN || self.net.posts() >= POSTS_MAX {
                return left;
            }
            sleep(Duration::from_secs(5)).await;
            left = self.left().await;
            self.look_at_queues().await;
        }
        self.journal.tell("quiet");
        let before = self.net.messages();
        sleep(QUIET_WATCH).await;
        // Sessions of phones that came back without a word end late, and others are told: they poll for it. What is
        // for another such session, which nobody has any more, goes with that.
        let (late, mut wrongs) = (Instant::now(), self.left().await);
        while !wrongs.is_empty() && late.elapsed() < SESSIONS_END_WITHIN {
            sleep(POLLED_WITHIN).await;
            wrongs = self.left().await;
        }
        if self.net.messages() != before {
            wrongs.push("messages go round in a quiet world".into());
        }
        wrongs
    }

    /// Nowhere waits more than may, where there is little room.
    async fn look_at_queues(&self) {
        for site in self.sites.iter().filter(|_| self.cast.cramped) {
            for wrong in site.overfull().await {
                self.ledger.wrong(wrong);
            }
        }
    }

    /// What still waits somewhere.
    async fn left(&self) -> Vec<String> {
        let mut left = Vec::new();
        for (number, ready) in self.ready.iter().enumerate() {
            if !ready.is_cancelled() {
                left.push(format!("phone {number} is not done"));
            }
        }
        for (site, users) in self.sites.iter().zip(&self.users) {
            for queue in site.store.queues().await.unwrap() {
                left.push(format!("{}: {} rows wait for {}", site.domain, queue.messages, queue.peer));
            }
            for user in users {
                let mail = site.store.mailbox(user.clone(), None, 0, 100).await.unwrap();
                if !mail.is_empty() {
                    let kinds: Vec<_> = mail.iter().map(|row| (row.mail.kind, &row.mail.session)).collect();
                    left.push(format!("{} rows wait in the mailbox of {user}: {kinds:?}", mail.len()));
                }
            }
        }
        left
    }

    /// What the homes of all users hold of their presence.
    async fn truths(&self) -> BTreeMap<UserId, Truth> {
        let everybody: Vec<&UserId> = self.users.iter().flatten().collect();
        let mut truths = BTreeMap::new();
        for (site, users) in self.sites.iter().zip(&self.users) {
            for user in users {
                let found = site.store.publishers(vec![user.clone()], Watchers::Nobody).await;
                let publisher = found.unwrap().remove(0).unwrap();
                let lists = site.store.lists(vec![user.clone()]).await.unwrap().remove(0);
                let home = Home { publisher: &publisher, lists: &lists, online: &[], old: &[] };
                let sees = |other: &&&UserId| {
                    let allowed = home.allowed(&User::from(UserId::clone(other))).unwrap_or_default();
                    allowed.contains(AttributeName::StatusText)
                };
                let shown_to = everybody.iter().filter(sees).map(|other| UserId::clone(other)).collect();
                truths.insert(user.clone(), Truth { value: status_text(&publisher), shown_to });
            }
        }
        truths
    }
}

fn status_text(publisher: &Publisher) -> Option<String> {
    let values = publisher.published.iter().flat_map(|published| &published.attributes.attributes);
    values.into_iter().find_map(|value| match value {
        Attribute::StatusText(text) => text.value.as_deref().map(ToOwned::to_owned),
        _ => None,
    })
}
