//! What this server offers a peer, and what a peer's tree offers it (reference ssp-session §5).
//!
//! The agreement is the measure: a service that it holds is offered whole, so far as it is served here;
//! what belongs to no service needs the agreement alone.

use std::collections::BTreeSet;

use crate::imps::agreement::{Agreement, Service};
use crate::imps::primitive::{Branch, Functions};

/// Leaves of a branch, with the service that each needs.
type Leaves = &'static [(&'static str, Option<Service>)];

/// The branches with their leaves.
const TREE: [(&str, Leaves); 5] = [
    (
        "FundamentalFeat",
        &[
            ("GETSPI", None),
            ("SRCH", Some(Service::Search)),
            ("STSRC", Some(Service::Search)),
            ("INVIT", None),
            ("CAINV", None),
            ("VRID", None),
            ("KALIVE", None),
            ("LOGOUT", None),
        ],
    ),
    ("PresenceFeat", &[("SUBPR", Some(Service::Presence)), ("GETPR", Some(Service::Presence))]),
    ("IMFeat", &[("SENDM", Some(Service::Im)), ("DLR", Some(Service::Im))]),
    (
        "GroupFeat",
        &[
            ("CREAG", Some(Service::Group)),
            ("DELGR", Some(Service::Group)),
            ("GETGP", Some(Service::Group)),
            ("SETGP", Some(Service::Group)),
            ("JOIN", Some(Service::Group)),
            ("GETGM", Some(Service::Group)),
            ("GETJU", Some(Service::Group)),
            ("ADDGM", Some(Service::Group)),
            ("RMVGM", Some(Service::Group)),
            ("MBRAC", Some(Service::Group)),
            ("REJEC", Some(Service::Group)),
            ("SUBGCN", Some(Service::Group)),
            ("GRCHN", Some(Service::Group)),
        ],
    ),
    ("ContentFeat", &[("SHARE", Some(Service::Content))]),
];

/// What elements do for users of another provider: the branch, the leaf that tells, the other leaves (reference
/// ssp-session §5). That of groups has one leaf of its own.
const DELEGATED: [(Service, &str, &str, &[&str]); 3] = [
    (
        Service::Presence,
        "PresenceFeat",
        "UPDPR",
        &["GETWL", "GCLI", "CCLI", "DCLI", "MCLS", "CALI", "DALI", "GALS", "REACT"],
    ),
    (
        Service::Im,
        "IMFeat",
        "GETLM",
        &["FWMSG", "SETD", "GETM", "REJCM", "NOTIF", "NEWM", "MDELIV", "GLBLU", "BLENT"],
    ),
    (Service::Group, "GroupFeat", "EXCON", &[]),
];

/// The tree that is offered under an agreement.
pub fn offer(agreement: &Agreement) -> Functions {
    with_element(tree(&agreement.services), &agreement.hosts)
}

/// The tree of what is wanted of the peer under an agreement.
pub fn wish(agreement: &Agreement) -> Functions {
    with_element(tree(&agreement.services), &agreement.delegates)
}

/// The services whose elements a peer's tree offers to run for users of ours.
pub fn hosted(tree: &Functions) -> BTreeSet<Service> {
    let is_offered = |name: &str, telling: &str| {
        let found = tree.features.iter().find(|branch| branch.name.eq_ignore_ascii_case(name));
        found.is_some_and(|branch| {
            branch.branches.is_empty()
                || branch.branches.iter().any(|leaf| leaf.name.eq_ignore_ascii_case(telling))
        })
    };
    let elements = DELEGATED.iter().filter(|(_, branch, telling, _)| is_offered(branch, telling));
    elements.map(|(service, ..)| *service).collect()
}

fn with_element(mut tree: Functions, run: &BTreeSet<Service>) -> Functions {
    for (_, name, telling, leaves) in DELEGATED.iter().filter(|(service, ..)| run.contains(service)) {
        if let Some(branch) = tree.features.iter_mut().find(|branch| &*branch.name == *name) {
            let leaves = leaves.iter().chain(std::iter::once(telling));
            branch.branches.extend(leaves.map(|leaf| Branch { name: (*leaf).into(), branches: Vec::new() }));
        }
    }
    tree
}

fn tree(services: &BTreeSet<Service>) -> Functions {
    let branch = |(name, leaves): (&str, Leaves)| {
        let agreed = leaves.iter().filter(|(_, needs)| needs.is_none_or(|needs| services.contains(&needs)));
        let branches: Vec<_> =
            agreed.map(|(leaf, _)| Branch { name: (*leaf).into(), branches: Vec::new() }).collect();
        (!branches.is_empty()).then(|| Branch { name: name.into(), branches })
    };
    Functions { features: TREE.into_iter().filter_map(branch).collect() }
}

/// The services that a peer's tree offers. Shared content crosses inside messages and invitations, so that its
/// absence in a tree says nothing.
pub fn offered(tree: &Functions) -> BTreeSet<Service> {
    let named = |branches: &[Branch], name: &str| {
        branches.iter().find(|found| found.name.eq_ignore_ascii_case(name)).cloned()
    };
    let mut services: BTreeSet<Service> = [Service::Content].into();
    for (name, leaves) in TREE {
        let Some(branch) = named(&tree.features, name) else { continue };
        let there = leaves
            .iter()
            .filter(|(leaf, _)| branch.branches.is_empty() || named(&branch.branches, leaf).is_some());
        services.extend(there.filter_map(|(_, service)| *service));
    }
    services
}

/// What a peer has that knows no trees: the functions of the one known implementation (reference
/// ssp-session §5 rule 3).
pub fn untold() -> BTreeSet<Service> {
    [Service::Presence, Service::Im, Service::Group, Service::Content].into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(services: &BTreeSet<Service>) -> Functions {
        let agreement = Agreement::with("south.example".parse().unwrap());
        super::offer(&Agreement { services: services.clone(), ..agreement })
    }

    #[test]
    fn what_is_offered_under_an_agreement_is_understood_as_that() {
        for services in [vec![], vec![Service::Im], vec![Service::Presence, Service::Search, Service::Group]]
        {
            let services: BTreeSet<Service> = services.into_iter().collect();
            let mut expected = services.clone();
            expected.insert(Service::Content);
            assert_eq!(offered(&offer(&services)), expected);
        }
        let whole = Branch { name: "IMFeat".into(), branches: Vec::new() };
        assert!(offered(&Functions { features: vec![whole] }).contains(&Service::Im));
    }

    #[test]
    fn a_peer_that_tells_no_services_has_those_of_the_one_known_implementation() {
        let services: Vec<_> = untold().into_iter().collect();
        assert_eq!(services, [Service::Presence, Service::Im, Service::Group, Service::Content]);
    }

    fn show(functions: &Functions) -> String {
        let names = |branches: &[Branch]| {
            branches.iter().map(|branch| branch.name.to_string()).collect::<Vec<_>>().join(" ")
        };
        let branch = |branch: &Branch| format!("{}({})", branch.name, names(&branch.branches));
        functions.features.iter().map(branch).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn an_agreement_is_offered_whole_and_nothing_beyond_it() {
        assert_eq!(
            show(&offer(&[Service::Im].into())),
            "FundamentalFeat(GETSPI INVIT CAINV VRID KALIVE LOGOUT) IMFeat(SENDM DLR)"
        );
        assert!(show(&offer(&[Service::Search].into())).starts_with("FundamentalFeat(GETSPI SRCH STSRC"));
    }

    #[test]
    fn the_element_is_offered_where_it_is_run_and_wanted_where_it_is_delegated() {
        let elements: BTreeSet<Service> = [Service::Presence, Service::Im, Service::Group].into();
        let plain =
            Agreement { services: elements.clone(), ..Agreement::with("south.example".parse().unwrap()) };
        let hosts = Agreement { hosts: elements.clone(), ..plain.clone() };
        let delegates = Agreement { delegates: elements.clone(), ..plain.clone() };
        assert_eq!((hosted(&super::offer(&hosts)), hosted(&wish(&delegates))), (elements.clone(), elements));
        for agreement in [&plain, &delegates] {
            assert!(hosted(&super::offer(agreement)).is_empty());
        }
        assert!(hosted(&wish(&hosts)).is_empty());
        assert!(!super::offer(&hosts).exceeds(&super::offer(&hosts).within(&wish(&delegates))));
    }

    #[test]
    fn granted_is_what_is_wanted_and_offered() {
        let offer = offer(&[Service::Im, Service::Presence].into());
        let branch = |name: &str, leaves: &[&str]| Branch {
            name: name.into(),
            branches: leaves
                .iter()
                .map(|leaf| Branch { name: (*leaf).into(), branches: Vec::new() })
                .collect(),
        };
        let wanted = Functions {
            features: vec![
                branch("imfeat", &[]),
                branch("PresenceFeat", &["GETPR", "GETWL"]),
                branch("GroupFeat", &[]),
            ],
        };
        assert_eq!(show(&offer.within(&wanted)), "PresenceFeat(GETPR) IMFeat(SENDM DLR)");
        assert!(offer.exceeds(&offer.within(&wanted)) && !offer.exceeds(&offer.within(&offer)));
        let whole = Functions { features: vec![branch("IMFeat", &[])] };
        assert!(!whole.exceeds(&whole.within(&offer)), "all that is known of it is wanted");
    }
}
