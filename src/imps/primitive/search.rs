//! Searches in a directory, and whether identities exist (reference csp-messages §4, ssp-primitives §3.4
//! to §3.6).

use crate::imps::address::{GroupId, UserId};
use crate::imps::ids::SearchId;
use crate::imps::status::{Entity, Status};

/// A wish to find users or groups: the first request of a search has pairs, the next ones an id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SearchRequest {
    /// Conditions, all of which must hold unless `criteria` says otherwise.
    pub pairs: Vec<SearchPair>,
    /// A boolean expression over the ids of the pairs: `1 AND (2 OR 3)` (1.3).
    pub criteria: Option<Box<str>>,
    /// Most hits in one answer.
    pub limit: Option<u32>,
    /// The search that goes on.
    pub id: Option<SearchId>,
    /// The first hit wanted, counted from 1.
    pub index: Option<u32>,
}

/// One condition of a search.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SearchPair {
    /// What is compared: `USER_LAST_NAME`, `GROUP_TOPIC`, ….
    pub element: Box<str>,
    /// With what.
    pub string: Box<str>,
    /// Its name in `criteria` (1.3).
    pub id: Option<u32>,
}

/// Some of what was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SearchResponse {
    /// How it went.
    pub result: Status,
    /// For the next request; absent when there is nothing to go on with.
    pub id: Option<SearchId>,
    /// How many hits there are in all.
    pub findings: Option<u32>,
    /// Whether these are the last ones.
    pub complete: bool,
    /// The last hit in this answer, counted from 1; absent when complete.
    pub index: Option<u32>,
    /// Users found.
    pub users: Vec<UserId>,
    /// Groups found; never together with users.
    pub groups: Vec<GroupId>,
}

/// Nothing more of this search is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StopSearchRequest {
    /// Which.
    pub id: SearchId,
}

/// Do these exist?
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyIdRequest {
    /// At least one user, group, screen name, contact list or domain.
    pub ids: Vec<Entity>,
}
