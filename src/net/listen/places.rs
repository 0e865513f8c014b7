//! How many connections each source has, so that one caller cannot take the places of all.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::imps::Source;

/// The connections of a listener, by source. There are never more sources in it than connections.
#[derive(Debug, Default)]
pub(super) struct Places(Mutex<HashMap<Source, usize>>);

/// One connection; it counts as long as this is held.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    source: Source,
}

impl Places {
    /// A place for one more connection of this source; `None`: it has `most` already. 0 means no limit.
    pub(super) fn take(self: &Arc<Self>, source: Source, most: usize) -> Option<Place> {
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let held = places.entry(source).or_default();
        if most > 0 && *held >= most {
            return None;
        }
        *held += 1;
        Some(Place { places: Arc::clone(self), source })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut places = self.places.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(held) = places.get_mut(&self.source) {
            *held -= 1;
            if *held == 0 {
                places.remove(&self.source);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_has_so_many_places_and_nothing_is_left_of_one_that_has_gone() {
        let places = Arc::new(Places::default());
        let source = |text: &str| Source::from(text.parse::<std::net::IpAddr>().unwrap());
        let (greedy, other) = (source("192.0.2.1"), source("2001:db8::1"));
        let held: Vec<_> = (0..3).map_while(|_| places.take(greedy, 2)).collect();
        assert_eq!(held.len(), 2);
        assert!(places.take(other, 2).is_some() && places.take(greedy, 0).is_some());
        drop(held);
        assert!(places.take(greedy, 2).is_some());
        assert!(places.0.lock().unwrap().is_empty());
    }
}
