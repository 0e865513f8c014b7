//! A search with an expression, as the searches of SSP that answer it together.
//!
//! The pairs of an SSP `SearchRequest` are all to be met (reference ssp-primitives §3.4). So an expression
//! is brought to alternatives, each of which is a list of pairs that hold and of pairs that do not. An
//! alternative becomes one search for what holds; what does not hold is taken out again with the hits of
//! further searches: `1 AND NOT 2` is what `1` finds without what `1 AND 2` finds. Where nothing at all has
//! to hold, the directory as such is searched: every address in it ends in its domain.
//!
//! ```text
//! 1 AND (2 OR NOT 3)   →   1 AND 2   or   1 without (1 AND 3)   →   searches 1∧2, 1, 1∧3
//! ```

use std::collections::{BTreeMap, BTreeSet};

use crate::imps::primitive::{SearchPair, SearchRequest};
use crate::imps::{Code, Domain};

use super::criteria::Term;
use super::kept::Hits;
use super::query::{self, PAIRS_MAX};

/// Searches of a peer that one expression may take, which may begin one a second.
pub const SEARCHES_MAX: usize = 8;
/// Alternatives that an expression may come to on the way.
const ALTERNATIVES_MAX: usize = 32;

/// Pairs by their place, and whether they are to hold.
type Alternative = BTreeMap<usize, bool>;

/// The searches that answer an expression, and how their hits make up the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The pairs of each search, no two alike.
    searches: Vec<Vec<SearchPair>>,
    parts: Vec<Part>,
}

/// One alternative.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Part {
    /// The search whose hits fit,
    of: usize,
    /// except for those of these.
    without: Vec<usize>,
}

/// Plans the first request of a search that [`query::compile`] understood in the directory of `domain`.
/// 402: an expression that makes no sense. 537: it would take more than [`SEARCHES_MAX`] searches.
pub fn plan(request: &SearchRequest, domain: &Domain) -> Result<Plan, Code> {
    let pairs = request.pairs.get(..PAIRS_MAX.min(request.pairs.len())).unwrap_or_default();
    let alternatives = alternatives(&query::term(request)?, true).ok_or(Code::TOO_BROAD_SEARCH)?;
    let mut plan = Plan { searches: Vec::new(), parts: Vec::new() };
    for alternative in alternatives {
        let mut holds: Vec<SearchPair> = Vec::new();
        let mut without = Vec::new();
        for (place, holding) in alternative {
            let Some(pair) = pairs.get(place) else { return Err(Code::BAD_PARAMETER) };
            let pair = SearchPair { id: None, ..pair.clone() };
            match (holding, query::opposite(&pair)) {
                (true, _) => holds.push(pair),
                (false, Some(opposite)) => holds.push(opposite),
                (false, None) => without.push(pair),
            }
        }
        if holds.is_empty() {
            holds.push(everybody(pairs, domain));
        }
        let of = plan.search(&holds);
        let without = without.into_iter().map(|pair| {
            let both: Vec<SearchPair> = holds.iter().cloned().chain([pair]).collect();
            plan.search(&both)
        });
        let without = without.collect();
        plan.parts.push(Part { of, without });
    }
    if plan.searches.len() > SEARCHES_MAX {
        return Err(Code::TOO_BROAD_SEARCH);
    }
    Ok(plan)
}

/// What every entry of the directory of `domain` fits.
fn everybody(pairs: &[SearchPair], domain: &Domain) -> SearchPair {
    let groups = pairs.iter().any(query::is_of_groups);
    let element = if groups { "GROUP_ID" } else { "USER_ID" };
    SearchPair { element: element.into(), string: format!("@{domain}").into(), id: None }
}

/// The alternatives of an expression, or of its opposite. `None`: there are too many.
fn alternatives(term: &Term<usize>, holding: bool) -> Option<Vec<Alternative>> {
    let found = match (term, holding) {
        (Term::Is(place), _) => vec![Alternative::from([(*place, holding)])],
        (Term::Not(term), _) => return alternatives(term, !holding),
        (Term::Any(terms), true) | (Term::All(terms), false) => {
            let mut either = Vec::new();
            for term in terms {
                either.extend(alternatives(term, holding)?);
            }
            either
        }
        (Term::All(terms), true) | (Term::Any(terms), false) => {
            let mut all = vec![Alternative::new()];
            for term in terms {
                let next = alternatives(term, holding)?;
                let both = all.iter().flat_map(|one| next.iter().filter_map(|other| both(one, other)));
                all = within_bounds(both.collect())?;
            }
            all
        }
    };
    within_bounds(found)
}

/// Both alternatives together; `None`: they contradict each other.
fn both(one: &Alternative, other: &Alternative) -> Option<Alternative> {
    let mut both = one.clone();
    for (place, holding) in other {
        if both.insert(*place, *holding).is_some_and(|before| before != *holding) {
            return None;
        }
    }
    Some(both)
}

/// Without those that ask for no less than another one does.
fn within_bounds(found: Vec<Alternative>) -> Option<Vec<Alternative>> {
    let mut kept: Vec<Alternative> = Vec::new();
    for one in found {
        let asks_less = |less: &Alternative, more: &Alternative| {
            less.iter().all(|(place, holding)| more.get(place) == Some(holding))
        };
        if kept.iter().any(|other| asks_less(other, &one)) {
            continue;
        }
        kept.retain(|other| !asks_less(&one, other));
        kept.push(one);
    }
    (kept.len() <= ALTERNATIVES_MAX).then_some(kept)
}

impl Plan {
    fn search(&mut self, pairs: &[SearchPair]) -> usize {
        match self.searches.iter().position(|known| known == pairs) {
            Some(place) => place,
            None => {
                self.searches.push(pairs.to_vec());
                self.searches.len() - 1
            }
        }
    }

    /// The pairs of the one search that is all there is to it: it can be answered in parts there.
    pub fn single(&self) -> Option<&[SearchPair]> {
        match (&*self.searches, &*self.parts) {
            ([pairs], [_]) => Some(pairs),
            _ => None,
        }
    }

    /// The number and pairs of the search to make next, after those whose hits are given by number; `None`:
    /// everything is known. Hits are not looked for where there is nothing to take them out of.
    pub fn next(&self, found: &BTreeMap<usize, Hits>) -> Option<(usize, &[SearchPair])> {
        let wanted = |part: &Part| match found.get(&part.of) {
            None => Some(part.of),
            Some(hits) if hits.is_empty() => None,
            Some(_) => part.without.iter().copied().find(|search| !found.contains_key(search)),
        };
        let number = self.parts.iter().find_map(wanted)?;
        self.searches.get(number).map(|pairs| (number, &**pairs))
    }

    /// What the searches found together, ordered by address and without doubles.
    pub fn merged(&self, found: &BTreeMap<usize, Hits>, of_groups: bool) -> Hits {
        if of_groups {
            return Hits::Groups(self.hits(found, |hits| match hits {
                Hits::Groups(groups) => groups,
                Hits::Users(_) => &[],
            }));
        }
        Hits::Users(self.hits(found, |hits| match hits {
            Hits::Users(users) => users,
            Hits::Groups(_) => &[],
        }))
    }

    fn hits<T: Clone + Ord>(&self, found: &BTreeMap<usize, Hits>, of: impl Fn(&Hits) -> &[T]) -> Vec<T> {
        let hits = |search: &usize| found.get(search).map_or(&[][..], &of);
        let mut merged: BTreeSet<&T> = BTreeSet::new();
        for part in &self.parts {
            let without: BTreeSet<&T> = part.without.iter().flat_map(&hits).collect();
            merged.extend(hits(&part.of).iter().filter(|hit| !without.contains(hit)));
        }
        merged.into_iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::query::{Person, compile};
    use super::*;
    use crate::imps::UserId;
    use crate::imps::primitive::Property;

    fn south() -> Domain {
        "south.example".parse().unwrap()
    }

    fn request(pairs: &[(&str, &str)], criteria: &str) -> SearchRequest {
        let pair = |(element, string): &(&str, &str)| SearchPair {
            element: (*element).into(),
            string: (*string).into(),
            id: None,
        };
        SearchRequest {
            pairs: pairs.iter().map(pair).collect(),
            criteria: Some(criteria.into()),
            ..SearchRequest::default()
        }
    }

    const PAIRS: [(&str, &str); 4] = [
        ("USER_ID", "@south.example"),
        ("USER_CITY", "Lund"),
        ("USER_GENDER", "F"),
        ("USER_ONLINE_STATUS", "T"),
    ];

    /// Every search as the strings of its pairs, and each part as `of-without`.
    fn planned(criteria: &str) -> (Vec<String>, Vec<String>) {
        let plan = plan(&request(&PAIRS, criteria), &south()).unwrap();
        let strings =
            |pairs: &Vec<SearchPair>| pairs.iter().map(|pair| &*pair.string).collect::<Vec<_>>().join(" ");
        let part = |part: &Part| format!("{}-{:?}", part.of, part.without);
        (plan.searches.iter().map(strings).collect(), plan.parts.iter().map(part).collect())
    }

    #[test]
    fn each_alternative_is_a_search_and_what_does_not_hold_another_one() {
        assert_eq!(planned("1 AND 2").0, ["@south.example Lund"]);
        assert_eq!(planned("1 AND (2 OR 3)").0, ["@south.example Lund", "@south.example F"]);
        let (searches, parts) = planned("1 AND NOT 2");
        assert_eq!(searches, ["@south.example", "@south.example Lund"]);
        assert_eq!(parts, ["0-[1]"]);
        let (searches, parts) = planned("(1 AND NOT 2) OR (1 AND NOT 3)");
        assert_eq!(searches, ["@south.example", "@south.example Lund", "@south.example F"]);
        assert_eq!(parts, ["0-[1]", "0-[2]"], "what was found once is not searched for again");
        assert_eq!(planned("NOT (2 AND NOT 3)").1, ["0-[1]", "2-[]"]);
        assert_eq!(planned("1 OR 1 AND 2").0, ["@south.example"], "what another alternative holds too");
        assert_eq!(planned("1 AND NOT 1").1.len(), 0, "nobody fits a contradiction");
    }

    #[test]
    fn who_is_not_online_is_asked_for_as_such_and_nobody_by_the_domain() {
        assert_eq!(planned("1 AND NOT 4").0, ["@south.example F"]);
        let (searches, parts) = planned("NOT 2");
        assert_eq!(searches, ["@south.example", "@south.example Lund"]);
        assert_eq!(parts, ["0-[1]"]);
        let groups = plan(&request(&[("GROUP_ID", "chess@south.example")], "NOT 1"), &south()).unwrap();
        assert_eq!(&*groups.searches[0][0].element, "GROUP_ID");
    }

    #[test]
    fn a_search_that_would_take_too_many_is_too_broad() {
        let pairs = [("USER_CITY", "Lund"); 20];
        let of = |criteria: &str| plan(&request(&pairs, criteria), &south()).map(|plan| plan.searches.len());
        let crossed: Vec<String> = (0..6).map(|n| format!("({} OR {})", 2 * n + 1, 2 * n + 2)).collect();
        assert_eq!(of(&crossed.join(" AND ")), Err(Code::TOO_BROAD_SEARCH));
        assert_eq!(of("1 OR"), Err(Code::BAD_PARAMETER));
        let pairs: Vec<String> = (0..9).map(|n| format!("city {n}")).collect();
        let pairs: Vec<(&str, &str)> = pairs.iter().map(|city| ("USER_CITY", &**city)).collect();
        let of = |count: usize| {
            let words: Vec<String> = (1..=count).map(|n| n.to_string()).collect();
            plan(&request(&pairs, &words.join(" OR ")), &south()).map(|plan| plan.searches.len())
        };
        assert_eq!(of(SEARCHES_MAX), Ok(SEARCHES_MAX));
        assert_eq!(of(SEARCHES_MAX + 1), Err(Code::TOO_BROAD_SEARCH));
    }

    /// Somebody in the directory: `name` may be of Lund, a woman, online.
    struct Entry {
        id: UserId,
        properties: Vec<Property>,
        online: bool,
    }

    fn entry(number: usize) -> Entry {
        let mut properties = Vec::new();
        if number & 1 != 0 {
            properties.push(Property::new("PP_CITY", "Lund"));
        }
        if number & 2 != 0 {
            properties.push(Property::new("PP_GENDER", "F"));
        }
        let id = format!("wv:u{number}@south.example").parse().unwrap();
        Entry { id, properties, online: number & 4 != 0 }
    }

    fn expression() -> impl Strategy<Value = String> {
        let leaf = (1..=PAIRS.len()).prop_map(|place| place.to_string());
        leaf.prop_recursive(4, 12, 3, |inner| {
            prop_oneof![
                inner.clone().prop_map(|one| format!("NOT ({one})")),
                (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} OR {b})")),
                (inner.clone(), inner).prop_map(|(a, b)| format!("({a} AND {b})")),
            ]
        })
    }

    proptest! {
        #[test]
        fn the_searches_find_together_what_the_expression_finds(criteria in expression()) {
            let whole = request(&PAIRS, &criteria);
            let Ok(query) = compile(&whole) else { return Ok(()) };
            let Ok(plan) = plan(&whole, &south()) else { return Ok(()) };
            let directory: Vec<Entry> = (0..8).map(entry).collect();
            let finds = |query: &query::Query| -> Vec<UserId> {
                let fits = |entry: &&Entry| {
                    query.finds(&Person { id: &entry.id, properties: &entry.properties, online: entry.online })
                };
                directory.iter().filter(fits).map(|entry| entry.id.clone()).collect()
            };
            let mut found = BTreeMap::new();
            while let Some((number, pairs)) = plan.next(&found) {
                let part = SearchRequest { pairs: pairs.to_vec(), ..SearchRequest::default() };
                let hits = Hits::Users(finds(&compile(&part).unwrap()));
                prop_assert!(found.insert(number, hits).is_none(), "asked twice");
            }
            prop_assert_eq!(plan.merged(&found, false), Hits::Users(finds(&query)));
        }
    }
}
