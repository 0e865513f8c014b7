//! Negotiation of services: the function tree, what of it is served, and the complement that says
//! what a client does not get (reference csp.md §5.2).

use crate::imps::Version;
use crate::imps::agreement::Service;
use crate::imps::primitive::{Branch, Functions, ServiceRequest, ServiceResponse};
use crate::imps::terms::ServiceSet;

use Version::{V1_1, V1_2, V1_3};

/// One leaf of the tree.
struct Leaf {
    feature: &'static str,
    function: &'static str,
    name: &'static str,
    since: Version,
    until: Version,
}

impl Leaf {
    /// The service it is part of; what is part of none is for everybody.
    fn service(&self) -> Option<Service> {
        match (self.feature, self.function) {
            ("PresenceFeat", _) => Some(Service::Presence),
            ("IMFeat", _) => Some(Service::Im),
            ("GroupFeat", _) => Some(Service::Group),
            (_, "SearchFunc") => Some(Service::Search),
            _ => None,
        }
    }
}

/// A feature with the shortcut that stands for its mandatory functions (1.2 on).
const FEATURES: [(&str, &str); 4] =
    [("FundamentalFeat", "MF"), ("PresenceFeat", "MP"), ("IMFeat", "MM"), ("GroupFeat", "MG")];

macro_rules! tree {
    ($($feature:literal $function:literal $($name:literal $since:ident $until:ident),+;)+) => {
        &[$($(Leaf { feature: $feature, function: $function, name: $name, since: $since, until: $until }),+),+]
    };
}

/// The whole tree in the order of the standard. AttListFunc has no leaves in 1.3.
const TREE: &[Leaf] = tree! {
    "FundamentalFeat" "ServiceFunc" "GETSPI" V1_1 V1_3, "GETMAP" V1_3 V1_3, "SGMNT" V1_3 V1_3;
    "FundamentalFeat" "SearchFunc" "SRCH" V1_1 V1_3, "STSRC" V1_1 V1_3, "ADVSR" V1_3 V1_3;
    "FundamentalFeat" "InviteFunc" "INVIT" V1_1 V1_3, "CAINV" V1_1 V1_3;
    "FundamentalFeat" "VerifyIDFunc" "VRID" V1_2 V1_3;
    "PresenceFeat" "ContListFunc" "GCLI" V1_1 V1_3, "CCLI" V1_1 V1_3, "DCLI" V1_1 V1_3, "MCLS" V1_1 V1_3;
    "PresenceFeat" "PresenceAuthFunc"
        "GETWL" V1_1 V1_3, "REACT" V1_1 V1_2, "CAAUT" V1_1 V1_2, "GETAUT" V1_2 V1_2;
    "PresenceFeat" "PresenceDeliverFunc" "GETPR" V1_1 V1_3, "UPDPR" V1_1 V1_3;
    "PresenceFeat" "AttListFunc" "CALI" V1_1 V1_2, "DALI" V1_1 V1_2, "GALS" V1_1 V1_2;
    "IMFeat" "IMSendFunc" "MDELIV" V1_1 V1_3, "FWMSG" V1_1 V1_3;
    "IMFeat" "IMReceiveFunc"
        "SETD" V1_1 V1_3, "GETLM" V1_1 V1_3, "GETM" V1_1 V1_3, "REJCM" V1_1 V1_3, "NOTIF" V1_1 V1_3,
        "NEWM" V1_1 V1_3, "OFFNOTIF" V1_3 V1_3;
    "IMFeat" "IMAuthFunc" "GLBLU" V1_1 V1_3, "BLENT" V1_1 V1_3;
    "GroupFeat" "GroupMgmtFunc" "CREAG" V1_1 V1_3, "DELGR" V1_1 V1_3, "GETGP" V1_1 V1_3, "SETGP" V1_1 V1_3;
    "GroupFeat" "GroupUseFunc" "SUBGCN" V1_1 V1_3, "GRCHN" V1_1 V1_3, "EXCON" V1_3 V1_3;
    "GroupFeat" "GroupAuthFunc"
        "GETGM" V1_1 V1_3, "ADDGM" V1_1 V1_3, "RMVGM" V1_1 V1_3, "MBRAC" V1_1 V1_3, "REJEC" V1_1 V1_3,
        "GETJU" V1_2 V1_3;
};

/// The leaves of the function tree that this server serves.
#[derive(Clone, Copy, Debug)]
pub struct ServedFunctions {
    leaves: &'static [&'static str],
    services: ServiceSet,
}

impl ServedFunctions {
    /// Serves these leaves; names that the tree does not have count for nothing.
    pub const fn of(leaves: &'static [&'static str]) -> Self {
        Self { leaves, services: ServiceSet::ALL }
    }

    /// The same for a user who has subscribed to these services alone.
    #[must_use]
    pub const fn within(self, services: ServiceSet) -> Self {
        Self { services, ..self }
    }

    fn has(&self, name: &str) -> bool {
        let granted = |leaf: &Leaf| leaf.service().is_none_or(|service| self.services.contains(service));
        self.leaves.contains(&name) && TREE.iter().find(|leaf| leaf.name == name).is_some_and(granted)
    }

    /// Everything the server has in this version: AllFunctions.
    pub fn all(&self, version: Version) -> Functions {
        tree(TREE.iter().filter(|leaf| version >= leaf.since && version <= leaf.until && self.has(leaf.name)))
    }
}

/// Instant messaging, contact lists, groups and the common features, without presence and content.
impl Default for ServedFunctions {
    fn default() -> Self {
        Self::of(&[
            "GETSPI", "SRCH", "STSRC", "ADVSR", "INVIT", "CAINV", "VRID", //
            "GCLI", "CCLI", "DCLI", "MCLS", //
            "GETWL", "REACT", "CAAUT", "GETAUT", "GETPR", "UPDPR", "CALI", "DALI", "GALS", //
            "MDELIV", "FWMSG", "SETD", "GETLM", "GETM", "REJCM", "NOTIF", "NEWM", "GLBLU", "BLENT", //
            "CREAG", "DELGR", "GETGP", "SETGP", "SUBGCN", "GRCHN", "GETGM", "ADDGM", "RMVGM", "MBRAC",
            "REJEC", "GETJU", "EXCON",
        ])
    }
}

/// The branch of this name, made at the end if it is not the last one.
fn branch<'a>(branches: &'a mut Vec<Branch>, name: &str) -> Option<&'a mut Branch> {
    if branches.last().is_none_or(|last| &*last.name != name) {
        branches.push(Branch { name: name.into(), branches: Vec::new() });
    }
    branches.last_mut()
}

/// The tree of these leaves, which come in the order of [`TREE`].
fn tree<'a>(leaves: impl Iterator<Item = &'a Leaf>) -> Functions {
    let mut functions = Functions::default();
    for leaf in leaves {
        if let Some(feature) = branch(&mut functions.features, leaf.feature)
            && let Some(function) = branch(&mut feature.branches, leaf.function)
        {
            function.branches.push(Branch { name: leaf.name.into(), branches: Vec::new() });
        }
    }
    functions
}

/// The branch of this name.
fn named<'a>(branches: &'a [Branch], name: &str) -> Option<&'a Branch> {
    branches.iter().find(|found| &*found.name == name)
}

/// Whether a client that asked for this tree wants this leaf. An empty branch means everything below
/// it; a branch that is missing is not wanted.
fn wants(asked: &Functions, leaf: &Leaf, version: Version, served: &ServedFunctions) -> bool {
    // What a client names itself it gets an answer to; what an empty branch stands for is the tree
    // of its version.
    let of_version = version >= leaf.since && version <= leaf.until;
    let Some(feature) = named(&asked.features, leaf.feature) else {
        return asked.features.is_empty() && of_version;
    };
    if feature.branches.is_empty() {
        return of_version;
    }
    if let Some(function) = named(&feature.branches, leaf.function) {
        return (function.branches.is_empty() && of_version)
            || named(&function.branches, leaf.name).is_some();
    }
    // Only the mandatory functions: granted where the feature is served at all.
    let shortcut = FEATURES.iter().find(|(name, _)| *name == leaf.feature).map_or("", |(_, short)| short);
    named(&feature.branches, shortcut).is_some()
        && of_version
        && !TREE.iter().any(|other| other.feature == leaf.feature && served.has(other.name))
}

/// The complement: what was asked for and is not served, down to the leaves; `None` if everything is
/// granted. Names that the standard does not have are passed over.
pub fn refused_functions(asked: &Functions, version: Version, served: &ServedFunctions) -> Option<Functions> {
    let refused =
        tree(TREE.iter().filter(|leaf| !served.has(leaf.name) && wants(asked, leaf, version, served)));
    (!refused.features.is_empty()).then_some(refused)
}

/// The answer to a Service-Request. AllFunctions is there whenever it was asked for: a real client
/// hangs without (reference client-android §3).
pub fn answer_services(
    request: &ServiceRequest,
    version: Version,
    served: &ServedFunctions,
) -> ServiceResponse {
    ServiceResponse {
        client: if version == V1_1 { request.client.clone() } else { None },
        functions: request.functions.as_ref().and_then(|asked| refused_functions(asked, version, served)),
        all_functions: request.all_functions_request.then(|| served.all(version)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `A(B(C D))` as a tree.
    fn functions(text: &str) -> Functions {
        fn read(rest: &mut &str) -> Vec<Branch> {
            let mut branches = Vec::new();
            loop {
                *rest = rest.trim_start();
                let end = rest.find([' ', '(', ')']).unwrap_or(rest.len());
                let (name, after) = rest.split_at(end);
                if name.is_empty() {
                    return branches;
                }
                *rest = after;
                let mut below = Vec::new();
                if let Some(inner) = rest.strip_prefix('(') {
                    *rest = inner;
                    below = read(rest);
                    *rest = rest.strip_prefix(')').unwrap();
                }
                branches.push(Branch { name: name.into(), branches: below });
            }
        }
        Functions { features: read(&mut &*text) }
    }

    fn show(functions: &Functions) -> String {
        fn write(branches: &[Branch]) -> String {
            let shown = |branch: &Branch| match branch.branches.as_slice() {
                [] => branch.name.to_string(),
                below => format!("{}({})", branch.name, write(below)),
            };
            branches.iter().map(shown).collect::<Vec<_>>().join(" ")
        }
        write(&functions.features)
    }

    /// A server that has instant messages alone.
    const SERVED: ServedFunctions =
        ServedFunctions::of(&["GETSPI", "MDELIV", "SETD", "GETLM", "GETM", "REJCM", "NOTIF", "NEWM"]);

    fn refused(asked: &str, version: Version) -> String {
        refused_functions(&functions(asked), version, &SERVED)
            .map_or("nothing".to_owned(), |refused| show(&refused))
    }

    #[test]
    fn all_functions_holds_what_is_served_and_is_there_when_asked() {
        let request = |all| ServiceRequest { client: None, functions: None, all_functions_request: all };
        let answer = answer_services(&request(true), V1_2, &SERVED);
        assert_eq!(
            show(&answer.all_functions.unwrap()),
            "FundamentalFeat(ServiceFunc(GETSPI)) \
             IMFeat(IMSendFunc(MDELIV) IMReceiveFunc(SETD GETLM GETM REJCM NOTIF NEWM))"
        );
        assert_eq!(answer.functions, None);
        let none = answer_services(&request(true), V1_2, &ServedFunctions::of(&[]));
        assert_eq!(none.all_functions, Some(Functions::default()));
        assert_eq!(answer_services(&request(false), V1_2, &SERVED).all_functions, None);
    }

    #[test]
    fn what_a_user_has_not_subscribed_to_is_not_served_to_it() {
        let alone = SERVED.within([Service::Group].into_iter().collect());
        assert_eq!(show(&alone.all(V1_2)), "FundamentalFeat(ServiceFunc(GETSPI))");
        let with = ServedFunctions::default().within([Service::Im, Service::Search].into_iter().collect());
        let refused = refused_functions(
            &functions("FundamentalFeat PresenceFeat(PresenceDeliverFunc) IMFeat"),
            V1_1,
            &with,
        );
        assert_eq!(show(&refused.unwrap()), "PresenceFeat(PresenceDeliverFunc(GETPR UPDPR))");
    }

    #[test]
    fn an_empty_branch_means_everything_below_it() {
        assert_eq!(refused("IMFeat", V1_2), "IMFeat(IMSendFunc(FWMSG) IMAuthFunc(GLBLU BLENT))");
        assert_eq!(
            refused("IMFeat", V1_3),
            "IMFeat(IMSendFunc(FWMSG) IMReceiveFunc(OFFNOTIF) IMAuthFunc(GLBLU BLENT))"
        );
        assert_eq!(refused("IMFeat(IMAuthFunc)", V1_1), "IMFeat(IMAuthFunc(GLBLU BLENT))");
        let everything = refused("", V1_2);
        assert_eq!(everything, refused("FundamentalFeat PresenceFeat IMFeat GroupFeat", V1_2));
        assert!(
            everything
                .contains("GroupUseFunc(SUBGCN GRCHN) GroupAuthFunc(GETGM ADDGM RMVGM MBRAC REJEC GETJU)")
        );
    }

    #[test]
    fn what_is_not_asked_for_is_not_refused() {
        assert_eq!(refused("IMFeat(IMReceiveFunc)", V1_2), "nothing");
        assert_eq!(refused("IMFeat(IMSendFunc(MDELIV))", V1_2), "nothing");
        assert_eq!(refused("IMFeat(IMSendFunc(MDELIV FWMSG))", V1_2), "IMFeat(IMSendFunc(FWMSG))");
        assert_eq!(refused("VendorFeat(X)", V1_2), "nothing");
    }

    #[test]
    fn the_tree_depends_on_the_version() {
        assert_eq!(refused("PresenceFeat(AttListFunc)", V1_3), "nothing");
        assert_eq!(refused("PresenceFeat(AttListFunc)", V1_2), "PresenceFeat(AttListFunc(CALI DALI GALS))");
        assert_eq!(refused("FundamentalFeat(VerifyIDFunc)", V1_1), "nothing");
        // Named by the client itself, a leaf of another version is answered all the same.
        assert_eq!(
            refused("FundamentalFeat(VerifyIDFunc(VRID))", V1_1),
            "FundamentalFeat(VerifyIDFunc(VRID))"
        );
        assert_eq!(refused("PresenceFeat(PresenceAuthFunc)", V1_3), "PresenceFeat(PresenceAuthFunc(GETWL))");
    }

    #[test]
    fn a_shortcut_asks_for_the_mandatory_functions_only() {
        assert_eq!(refused("IMFeat(MM) FundamentalFeat(MF)", V1_2), "nothing");
        assert_eq!(refused("IMFeat(MM IMSendFunc(FWMSG))", V1_2), "IMFeat(IMSendFunc(FWMSG))");
        assert!(refused("PresenceFeat(MP)", V1_2).starts_with("PresenceFeat(ContListFunc(GCLI"));
    }

    #[test]
    fn the_client_id_comes_back_in_1_1_only() {
        let client = crate::imps::primitive::ClientId { url: Some("phone".into()), ..Default::default() };
        let request =
            ServiceRequest { client: Some(client.clone()), functions: None, all_functions_request: false };
        let served = SERVED;
        assert_eq!(answer_services(&request, V1_1, &served).client, Some(client));
        assert_eq!(answer_services(&request, V1_2, &served).client, None);
    }
}
