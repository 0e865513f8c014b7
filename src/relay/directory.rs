//! Who we are and whom we know: own domains and service agreements, for look-up by domain and by
//! what a certificate shows. A snapshot; a reload makes a new one.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::blocks::Blocks;
use super::transit::Triples;
use crate::imps::Domain;
use crate::imps::agreement::{Agreement, IdentityError, KeyHash, PeerIdentity, Profile, Service, Transit};

/// Own domains and agreements.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    own: Vec<Domain>,
    /// Shared: what a peer shows makes another directory, and there may be very many peers.
    agreements: Arc<HashMap<Domain, Arc<Agreement>>>,
    /// Agreements by each certificate name that may stand for them.
    by_name: Arc<HashMap<Domain, Vec<Domain>>>,
    /// Keys of `[ssp] trust`.
    default_trust: Vec<KeyHash>,
    transit: Triples,
    /// Whom operators keep out.
    blocks: Arc<Blocks>,
    /// Whoever has no agreement may get one.
    open: bool,
    /// What peers have shown of themselves.
    offers: HashMap<Domain, Offer>,
    /// Agreements with less than agreed, since the peer asked for less.
    grants: HashMap<Domain, Arc<Agreement>>,
}

/// What a peer has shown of itself, and what follows for its agreement.
#[derive(Clone, Debug)]
struct Offer {
    /// `None`: it has not told.
    services: Option<BTreeSet<Service>>,
    /// Whose elements it runs for users of ours, as far as it has told.
    hosting: Option<BTreeSet<Service>>,
    /// It is the one known implementation.
    legacy: bool,
    agreement: Arc<Agreement>,
}

/// Why a certificate, though verified, opens no door.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StrangerError {
    /// No name of it stands for a peer of ours.
    #[error("the certificate names {names:?}, and none of them is a peer of ours")]
    Unknown {
        /// What it names.
        names: Vec<Domain>,
    },
    /// It names a peer, but may not speak for it.
    #[error(transparent)]
    Identity(#[from] IdentityError),
}

impl Directory {
    /// `own` in order of configuration: the first is the default. Later agreements of a domain
    /// replace earlier ones.
    pub fn new(
        own: Vec<Domain>,
        agreements: impl IntoIterator<Item = Agreement>,
        default_trust: Vec<KeyHash>,
    ) -> Self {
        let mut by_domain = HashMap::new();
        let mut by_name: HashMap<Domain, Vec<Domain>> = HashMap::new();
        for agreement in agreements {
            for name in std::iter::once(&agreement.domain).chain(&agreement.names) {
                let peers = by_name.entry(name.clone()).or_default();
                if !peers.contains(&agreement.domain) {
                    peers.push(agreement.domain.clone());
                }
            }
            by_domain.insert(agreement.domain.clone(), Arc::new(agreement));
        }
        let (agreements, by_name) = (Arc::new(by_domain), Arc::new(by_name));
        Self { own, agreements, by_name, default_trust, ..Self::default() }
    }

    /// The same with traffic of others that may pass through.
    #[must_use]
    pub fn with_transit(self, transits: impl IntoIterator<Item = Transit>) -> Self {
        Self { transit: Triples::new(transits), ..self }
    }

    /// The same with these kept out. An agreement with a blocked domain is for whoever makes the directory to close.
    #[must_use]
    pub fn with_blocks(self, blocks: Arc<Blocks>) -> Self {
        Self { blocks, ..self }
    }

    /// The same, in which whoever has no agreement may get one (federation is open) or not.
    #[must_use]
    pub fn with_open(self, open: bool) -> Self {
        Self { open, ..self }
    }

    /// Whether whoever has no agreement may get one.
    pub const fn is_open(&self) -> bool {
        self.open
    }

    /// The names in which somebody with this identity may ask for an agreement: federation is open, and a CA of `[ssp]
    /// trust` vouches for all of its names, which a pinned key or the CA of a single peer does not, or secure DNS for
    /// this one.
    pub fn guest_names<'i>(&self, identity: &'i PeerIdentity) -> impl Iterator<Item = &'i Domain> {
        let anchored = identity.anchors.iter().any(|anchor| self.default_trust.contains(anchor));
        let vouched = |name: &Domain| identity.vouchers.iter().any(|voucher| voucher.domain == *name);
        let open = self.open;
        identity.names.iter().filter(move |name| open && (anchored || vouched(name)))
    }

    /// Whom operators keep out.
    pub const fn blocks(&self) -> &Arc<Blocks> {
        &self.blocks
    }

    /// Traffic of others that may pass through.
    pub const fn transit(&self) -> &Triples {
        &self.transit
    }

    /// Our domains, the default first.
    pub fn own(&self) -> &[Domain] {
        &self.own
    }

    /// The own domain of this name.
    pub fn own_domain(&self, name: &str) -> Option<&Domain> {
        self.own.iter().find(|domain| domain.as_str() == name)
    }

    /// The domain that completes what names none.
    pub fn default_domain(&self) -> Option<&Domain> {
        self.own.first()
    }

    /// Keys of `[ssp] trust`.
    pub fn default_trust(&self) -> &[KeyHash] {
        &self.default_trust
    }

    /// The agreement with a peer, in whatever state.
    pub fn agreement(&self, peer: &str) -> Option<&Arc<Agreement>> {
        self.agreements.get(peer)
    }

    /// What may be asked of a peer, and how: its agreement, with only those services that the peer offers as far
    /// as it has told (reference ssp-session §5 rule 4), and with the profile that it has shown.
    pub fn outbound(&self, peer: &str) -> Option<&Arc<Agreement>> {
        let offer = self.offers.get(peer).map(|offer| &offer.agreement);
        offer.or_else(|| self.agreement(peer))
    }

    /// The peer that runs the element of this service for our users, whether or not it can be asked now.
    pub fn element_of(&self, service: Service) -> Option<&Domain> {
        let found = self.agreements.values().find(|agreement| agreement.delegates.contains(&service));
        found.map(|agreement| &agreement.domain)
    }

    /// Whether we run the element of this service for the users of this domain.
    pub fn hosts(&self, domain: &str, service: Service) -> bool {
        self.agreement(domain).is_some_and(|agreement| agreement.hosts.contains(&service))
    }

    /// Our domain that speaks to a peer for the elements that are run here.
    pub fn own_towards(&self, peer: &str) -> Option<&Domain> {
        let agreed = self.agreement(peer).and_then(|agreement| agreement.hosts_as.as_ref());
        agreed.filter(|own| self.own.contains(own)).or_else(|| self.default_domain())
    }

    /// The peer was granted only these of the services agreed; `None`: all of them.
    pub fn set_grant(&mut self, peer: &Domain, services: Option<&BTreeSet<Service>>) {
        match (self.agreements.get(peer), services) {
            (Some(agreement), Some(granted)) => {
                let services = agreement.services.intersection(granted).copied().collect();
                let limited = Agreement { services, ..Agreement::clone(agreement) };
                self.grants.insert(peer.clone(), Arc::new(limited));
            }
            _ => {
                self.grants.remove(peer);
            }
        }
    }

    /// Whether the peer was granted less than agreed.
    pub fn is_limited(&self, peer: &Domain) -> bool {
        self.grants.contains_key(peer)
    }

    /// What the peer has told that it offers; `None`: it has not told.
    pub fn offered(&self, peer: &str) -> Option<&BTreeSet<Service>> {
        self.offers.get(peer)?.services.as_ref()
    }

    /// The peer offers these services.
    pub fn set_offer(
        &mut self,
        peer: &Domain,
        services: BTreeSet<Service>,
        hosting: Option<BTreeSet<Service>>,
    ) {
        let legacy = self.offers.get(peer).is_some_and(|offer| offer.legacy);
        self.shown(peer, Some(services), hosting, legacy);
    }

    /// The peer is the one known implementation (reference ssp-behaviour §10).
    pub fn set_legacy(&mut self, peer: &Domain) {
        let known = self.offers.get(peer);
        let services = known.and_then(|offer| offer.services.clone());
        self.shown(peer, services, known.and_then(|offer| offer.hosting.clone()), true);
    }

    fn shown(
        &mut self,
        peer: &Domain,
        services: Option<BTreeSet<Service>>,
        hosting: Option<BTreeSet<Service>>,
        legacy: bool,
    ) {
        let Some(agreement) = self.agreements.get(peer) else { return };
        let left = services.as_ref().map_or_else(
            || agreement.services.clone(),
            |services| agreement.services.intersection(services).copied().collect(),
        );
        let profile = match agreement.profile {
            Profile::Standard if legacy => Profile::Legacy,
            agreed => agreed,
        };
        let delegates = hosting.as_ref().map_or_else(
            || agreement.delegates.clone(),
            |run| agreement.delegates.intersection(run).copied().collect(),
        );
        let agreement =
            Arc::new(Agreement { services: left, profile, delegates, ..Agreement::clone(agreement) });
        self.offers.insert(peer.clone(), Offer { services, hosting, legacy, agreement });
    }

    /// What peers have shown stays as it was in the directory before this one.
    #[must_use]
    pub fn keeping_offers_of(mut self, before: &Self) -> Self {
        for (peer, offer) in &before.offers {
            self.shown(peer, offer.services.clone(), offer.hosting.clone(), offer.legacy);
        }
        self
    }

    /// Every agreement.
    pub fn agreements(&self) -> impl Iterator<Item = &Arc<Agreement>> {
        self.agreements.values()
    }

    /// The peers that this identity may speak for (decisions.md 8); at least one.
    pub fn speakers(&self, identity: &PeerIdentity) -> Result<Vec<Arc<Agreement>>, StrangerError> {
        let mut refused = None;
        let mut speakers: Vec<Arc<Agreement>> = Vec::new();
        for peer in identity.names.iter().filter_map(|name| self.by_name.get(name)).flatten() {
            let Some(agreement) = self.agreements.get(peer) else { continue };
            match agreement.speaks_for(identity, &self.default_trust) {
                Ok(()) if speakers.iter().any(|known| known.domain == agreement.domain) => {}
                Ok(()) => speakers.push(Arc::clone(self.grants.get(peer).unwrap_or(agreement))),
                Err(error) => refused = Some(error),
            }
        }
        match (speakers.is_empty(), refused) {
            (false, _) => Ok(speakers),
            (true, Some(error)) => Err(error.into()),
            (true, None) => Err(StrangerError::Unknown { names: identity.names.clone() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::imps::agreement::Voucher;

    fn domain(name: &str) -> Domain {
        name.parse().unwrap()
    }

    fn identity(names: &[&str]) -> PeerIdentity {
        PeerIdentity {
            names: names.iter().map(|name| domain(name)).collect(),
            key: [1; 32],
            anchors: vec![[9; 32]],
            vouchers: Vec::new(),
        }
    }

    #[test]
    fn a_certificate_speaks_for_the_peers_it_names() {
        let mut hosted = Agreement::with(domain("south.example"));
        hosted.names = vec![domain("hosting.example")];
        let east = Agreement::with(domain("east.example"));
        let directory = Directory::new(vec![domain("north.example")], [hosted, east], vec![[9; 32]]);
        let names = |identity: &PeerIdentity| {
            directory
                .speakers(identity)
                .map(|found| found.iter().map(|a| a.domain.to_string()).collect::<Vec<_>>())
        };
        assert_eq!(names(&identity(&["hosting.example"])).unwrap(), ["south.example"]);
        assert_eq!(
            names(&identity(&["east.example", "south.example"])).unwrap(),
            ["east.example", "south.example"]
        );
        assert!(matches!(names(&identity(&["west.example"])), Err(StrangerError::Unknown { .. })));
    }

    #[test]
    fn what_is_asked_of_a_peer_is_agreed_and_offered() {
        let south = domain("south.example");
        let agreement = |services: &[Service]| Agreement {
            services: services.iter().copied().collect(),
            ..Agreement::with(south.clone())
        };
        let mut directory = Directory::new(vec![], [agreement(&[Service::Im, Service::Presence])], vec![]);
        let outbound = |directory: &Directory| directory.outbound("south.example").unwrap().services.clone();
        assert_eq!(outbound(&directory), [Service::Im, Service::Presence].into(), "nothing is known yet");
        directory.set_offer(&south, [Service::Im, Service::Group].into(), Some(BTreeSet::new()));
        assert_eq!(outbound(&directory), [Service::Im].into());
        assert_eq!(directory.agreement("south.example").unwrap().services.len(), 2, "what it may ask stays");
        let later =
            Directory::new(vec![], [agreement(&[Service::Group])], vec![]).keeping_offers_of(&directory);
        assert_eq!(outbound(&later), [Service::Group].into());
        directory.set_legacy(&south);
        let found = directory.outbound("south.example").unwrap();
        assert_eq!((found.profile, &found.services), (Profile::Legacy, &[Service::Im].into()));
    }

    #[test]
    fn what_a_peer_was_granted_at_its_wish_is_all_that_it_may_ask() {
        let south = domain("south.example");
        let services = [Service::Im, Service::Presence].into();
        let agreement = Agreement { services, ..Agreement::with(south.clone()) };
        let mut directory = Directory::new(vec![], [agreement], vec![[9; 32]]);
        let inbound = |directory: &Directory| {
            directory.speakers(&identity(&["south.example"])).unwrap()[0].services.clone()
        };
        directory.set_grant(&south, Some(&[Service::Im, Service::Group].into()));
        assert!(directory.is_limited(&south));
        assert_eq!(inbound(&directory), [Service::Im].into());
        assert_eq!(directory.outbound("south.example").unwrap().services.len(), 2, "what we may ask stays");
        directory.set_grant(&south, None);
        assert_eq!(inbound(&directory).len(), 2);
    }

    #[test]
    fn a_guest_is_vouched_for_by_a_ca_that_may_name_anybody() {
        let south = Agreement { trust: vec![[8; 32]], ..Agreement::with(domain("south.example")) };
        let directory = Directory::new(vec![], [south], vec![[9; 32]]);
        let anchored = |anchors| PeerIdentity { anchors, ..identity(&["west.example", "east.example"]) };
        let names = |directory: &Directory, identity: &PeerIdentity| {
            directory.guest_names(identity).map(ToString::to_string).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(names(&directory, &anchored(vec![[9; 32]])), "", "federation is closed");
        let directory = directory.with_open(true);
        assert_eq!(names(&directory, &anchored(vec![[8; 32], [9; 32]])), "west.example east.example");
        assert_eq!(names(&directory, &anchored(vec![[8; 32]])), "", "the CA of another peer");
        assert_eq!(names(&directory, &anchored(vec![])), "", "a pinned key, without any CA");
        let by_dns = Voucher { domain: domain("east.example"), record: [3; 32] };
        let by_dns = PeerIdentity { vouchers: vec![by_dns], ..anchored(vec![]) };
        assert_eq!(names(&directory, &by_dns), "east.example", "secure DNS vouches for one name");
    }

    #[test]
    fn a_name_without_trust_opens_nothing() {
        let directory = Directory::new(vec![], [Agreement::with(domain("east.example"))], vec![[8; 32]]);
        assert!(matches!(
            directory.speakers(&identity(&["east.example"])),
            Err(StrangerError::Identity(IdentityError::Trust { .. }))
        ));
    }
}
