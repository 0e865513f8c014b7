//! A map that forgets what was not used for long.

use std::collections::HashMap;
use std::hash::Hash;
use std::mem;

/// Holds at most `2 · half` entries, in two generations: when the young one is full it becomes the
/// old one, and what was old and never asked for is forgotten.
#[derive(Debug)]
pub(super) struct Bounded<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
    half: usize,
}

impl<K: Hash + Eq, V> Bounded<K, V> {
    /// An empty map for at most this many entries.
    pub(super) fn new(entries_max: usize) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), half: (entries_max / 2).max(1) }
    }

    /// The value, which counts as used now.
    pub(super) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        if !self.young.contains_key(key) {
            let (key, value) = self.old.remove_entry(key)?;
            self.insert(key, value);
        }
        self.young.get_mut(key)
    }

    /// Adds or replaces.
    pub(super) fn insert(&mut self, key: K, value: V) {
        if self.young.len() >= self.half {
            self.old = mem::take(&mut self.young);
        }
        self.young.insert(key, value);
    }

    /// Forgets one.
    pub(super) fn remove(&mut self, key: &K) {
        self.young.remove(key);
        self.old.remove(key);
    }

    /// Forgets all.
    pub(super) fn clear(&mut self) {
        self.young.clear();
        self.old.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_stays_and_the_rest_goes() {
        let mut map = Bounded::new(8);
        for key in 0..1000 {
            map.insert(key, key);
            assert!(map.get_mut(&0).is_some(), "0 is asked for all the time");
            assert!(map.young.len() + map.old.len() <= 8);
        }
        assert_eq!(map.get_mut(&1), None);
        assert_eq!(map.get_mut(&999), Some(&mut 999));
        map.insert(999, 1);
        map.remove(&999);
        assert_eq!(map.get_mut(&999), None);
        map.clear();
        assert_eq!(map.get_mut(&0), None);
    }
}
