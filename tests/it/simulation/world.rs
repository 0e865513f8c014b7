//! A world: who lives there, what goes wrong when, and how it ends.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use causeway::imps::agreement::{Agreement, Profile, Service};
use causeway::imps::{Domain, UserId};
use causeway::relay::ports::Store as _;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::Played;
use super::dice::Dice;
use super::journal::Journal;
use super::ledger::Ledger;
use super::network::{Net, POSTS_MAX, Weather};
use super::phone::{Phone, Plan};
use super::site::{Ground, Habits, Site};

/// Providers, and the users of each.
const PROVIDERS: [(&str, [&str; 2]); 3] =
    [("north.example", ["ada", "bob"]), ("south.example", ["cyd", "dan"]), ("east.example", ["eve", "fay"])];
/// How long a world may take to become quiet once the trouble is over.
const QUIET_WITHIN: Duration = Duration::from_secs(1800);
/// How long it is watched then.
const QUIET_WATCH: Duration = Duration::from_secs(35);

/// What goes wrong.
enum Event {
    Kill(usize, Duration),
    Drain(usize, Duration),
    Start(usize),
    Cut(usize, usize, Duration),
    Mend(usize, usize),
    Weather,
}

/// A world that is played.
pub(super) struct World {
    journal: Journal,
    net: Arc<Net>,
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
        world.people(seed);
        world.suffer().await;
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
        wrongs.extend(world.ledger.judge());
        Played { wrongs, journal: world.journal, counts: world.ledger.counts() }
    }

    async fn make(seed: u64, journal: Journal) -> Self {
        let mut dice = Dice::of(seed, "world");
        let net = Net::new(seed, journal.clone());
        let trouble = Arc::new(AtomicBool::new(true));
        let (killer, deaths) = mpsc::unbounded_channel();
        let begin = Instant::now();
        let ground = Ground { seed, net: net.clone(), trouble: trouble.clone(), killer, begin };
        let count = if dice.permille(600) { 2 } else { 3 };
        let providers = &PROVIDERS[..count];
        let domains: Vec<Domain> = providers.iter().map(|(domain, _)| domain.parse().unwrap()).collect();
        let failing = if dice.permille(300) { 30 } else { 0 };
        let users: Vec<Vec<UserId>> = providers
            .iter()
            .map(|(domain, names)| {
                names.iter().map(|name| format!("wv:{name}@{domain}").parse().unwrap()).collect()
            })
            .collect();
        // Both sides of an agreement know each other alike.
        let mut profiles = BTreeMap::new();
        for one in 0..count {
            for other in one + 1..count {
                let profile =
                    *dice.pick(&[Profile::Standard, Profile::Standard, Profile::Causeway, Profile::Causeway]);
                profiles.insert((one, other), (profile, *dice.pick(&[1, 4, 16])));
            }
        }
        let mut sites = Vec::new();
        for (place, domain) in domains.iter().enumerate() {
            let agreements = (0..count).filter(|other| *other != place).map(|other| {
                let (profile, transactions) = profiles[&(place.min(other), place.max(other))];
                let mut agreement = Agreement::with(domains[other].clone());
                agreement.profile = profile;
                agreement.max_transactions_per_post = transactions;
                agreement.services = Service::ALL.iter().copied().collect();
                agreement
            });
            let habits =
                Habits { sluggish: *dice.pick(&[0, 5, 30]), failing, deadly: *dice.pick(&[0, 0, 4]) };
            journal.tell(format!("{domain}: {habits:?}"));
            sites
                .push(Site::found(&ground, place, domain, agreements.collect(), habits, &users[place]).await);
        }
        journal.tell(format!("{profiles:?}"));
        Self {
            journal,
            net,
            ledger: Ledger::new(failing == 0),
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

    fn people(&mut self, seed: u64) {
        let everybody: Vec<UserId> = self.users.iter().flatten().cloned().collect();
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
                let dice = Dice::of(seed, &format!("phone {user}"));
                let phone = Phone::new(
                    user.clone(),
                    site.domain.clone(),
                    self.net.clone(),
                    self.ledger.clone(),
                    dice,
                );
                let plan = Plan {
                    messages: usize::try_from(self.dice.between(3, 8)).unwrap(),
                    known,
                    pause: self.dice.between(500, 6000),
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
        loop {
            let next = self.events.first_key_value().map_or(over, |((at, _), _)| (*at).min(over));
            tokio::select! {
                biased;
                Some(site) = self.deaths.recv() => {
                    self.journal.tell("in the middle of a commit:");
                    let down = self.dice.millis(50, 8000);
                    self.happen(Event::Kill(site, down)).await;
                }
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
            Event::Start(site) => self.sites[site].start().await,
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
                    lost: *dice.pick(&[0, 30, 150, 400]),
                    unheard: *dice.pick(&[0, 30, 150, 400]),
                    repeated: *dice.pick(&[0, 100, 400]),
                    busy: *dice.pick(&[0, 0, 50, 200]),
                    forged: *dice.pick(&[0, 0, 0, 100]),
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
            site.start().await;
        }
        let begin = Instant::now();
        let mut left = self.left().await;
        while !left.is_empty() {
            if begin.elapsed() > QUIET_WITHIN || self.net.posts() >= POSTS_MAX {
                return left;
            }
            sleep(Duration::from_secs(5)).await;
            left = self.left().await;
        }
        self.journal.tell("quiet");
        let before = self.net.messages();
        sleep(QUIET_WATCH).await;
        let mut wrongs = self.left().await;
        if self.net.messages() != before {
            wrongs.push("messages go round in a quiet world".into());
        }
        wrongs
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
                    left.push(format!("{} rows wait in the mailbox of {user}", mail.len()));
                }
            }
        }
        left
    }
}
