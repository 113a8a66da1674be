//! Maps a flow's hash to its slot: open addressing with linear probing, one cache line per lookup.
//!
//! The table contains only `(hash, slot)` pairs, so growing and removing never touch the flows, and the cache line of a
//! later lookup can be prefetched.

/// A place holds the hash in its high half and `slot + 1` in its low half; 0: empty.
const EMPTY: u64 = 0;
const MIN_PLACES: usize = 1024;

#[derive(Debug)]
pub(super) struct Index {
    places: Box<[u64]>,
    used: usize,
}

impl Index {
    /// After growing there are eight places per three slots; while growing, half as many in addition.
    pub(super) const MAX_BYTES_PER_FLOW: usize = (8 + 4) * size_of::<u64>() / 3;

    pub(super) fn new() -> Self {
        Self { places: vec![EMPTY; MIN_PLACES].into_boxed_slice(), used: 0 }
    }

    /// The slot with this hash for which `is_it` holds.
    #[inline]
    pub(super) fn find(&self, hash: u32, mut is_it: impl FnMut(u32) -> bool) -> Option<u32> {
        let mut at = self.home(hash);
        loop {
            let place = self.get(at);
            if place == EMPTY {
                return None;
            }
            if hash_of(place) == hash && is_it(slot_of(place)) {
                return Some(slot_of(place));
            }
            at = self.next(at);
        }
    }

    /// The first slot with this hash, for prefetching. It may belong to another flow.
    #[inline]
    pub(super) fn candidate(&self, hash: u32) -> Option<u32> {
        self.find(hash, |_| true)
    }

    /// The address where a lookup of this hash begins.
    #[inline]
    pub(super) fn line(&self, hash: u32) -> *const u64 {
        self.places.as_ptr().wrapping_add(self.home(hash))
    }

    /// Adds a slot that is not in the table.
    #[inline]
    pub(super) fn insert(&mut self, hash: u32, slot: u32) {
        if (self.used + 1) * 4 > self.places.len() * 3 {
            self.grow();
        }
        self.put(pair(hash, slot));
        self.used += 1;
    }

    /// Removes a slot, and closes the gap so that lookups need no tombstones (Knuth 6.4, algorithm R).
    pub(super) fn remove(&mut self, hash: u32, slot: u32) {
        let wanted = pair(hash, slot);
        let mut gap = self.home(hash);
        while self.get(gap) != wanted {
            if self.get(gap) == EMPTY {
                return;
            }
            gap = self.next(gap);
        }
        self.used -= 1;
        let mut at = gap;
        loop {
            at = self.next(at);
            let place = self.get(at);
            if place == EMPTY {
                break;
            }
            if self.distance(self.home(hash_of(place)), at) >= self.distance(gap, at) {
                self.set(gap, place);
                gap = at;
            }
        }
        self.set(gap, EMPTY);
    }

    /// Replaces the slot `from` by the slot `to`.
    pub(super) fn replace(&mut self, hash: u32, from: u32, to: u32) {
        let mut at = self.home(hash);
        while self.get(at) != EMPTY {
            if self.get(at) == pair(hash, from) {
                self.set(at, pair(hash, to));
                return;
            }
            at = self.next(at);
        }
    }

    fn grow(&mut self) {
        self.resize(self.places.len() * 2);
    }

    /// Returns memory if the capacity is many times the number of entries.
    pub(super) fn shrink(&mut self) {
        let places = (self.used * 2).next_power_of_two().max(MIN_PLACES);
        if places < self.places.len() / 2 {
            self.resize(places);
        }
    }

    fn resize(&mut self, places: usize) {
        let empty = vec![EMPTY; places].into_boxed_slice();
        let old = std::mem::replace(&mut self.places, empty);
        old.into_iter().filter(|place| *place != EMPTY).for_each(|place| self.put(place));
    }

    pub(super) const fn allocated_bytes(&self) -> usize {
        self.places.len() * size_of::<u64>()
    }

    fn put(&mut self, place: u64) {
        let mut at = self.home(hash_of(place));
        while self.get(at) != EMPTY {
            at = self.next(at);
        }
        self.set(at, place);
    }

    /// The number of places is a power of two.
    #[inline]
    const fn home(&self, hash: u32) -> usize {
        hash as usize & (self.places.len() - 1)
    }

    #[inline]
    const fn next(&self, at: usize) -> usize {
        (at + 1) & (self.places.len() - 1)
    }

    #[inline]
    const fn distance(&self, from: usize, to: usize) -> usize {
        to.wrapping_sub(from) & (self.places.len() - 1)
    }

    #[inline]
    fn get(&self, at: usize) -> u64 {
        self.places.get(at).copied().unwrap_or(EMPTY)
    }

    #[inline]
    fn set(&mut self, at: usize, value: u64) {
        if let Some(place) = self.places.get_mut(at) {
            *place = value;
        }
    }
}

#[inline]
fn pair(hash: u32, slot: u32) -> u64 {
    u64::from(hash) << 32 | (u64::from(slot) + 1)
}

#[inline]
const fn hash_of(place: u64) -> u32 {
    (place >> 32) as u32
}

#[inline]
#[expect(clippy::cast_possible_truncation, reason = "the slot is in the low half")]
const fn slot_of(place: u64) -> u32 {
    (place as u32).wrapping_sub(1)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Few hashes, so that long runs of places arise and wrap around the end.
        #[test]
        fn behaves_as_a_map(steps in prop::collection::vec((any::<bool>(), 0_u32..60), 0..400)) {
            let mut index = Index::new();
            let mut model: HashMap<u32, u32> = HashMap::new();
            for (insert, slot) in steps {
                let hash = 1015 + slot % 12;
                if insert && model.insert(slot, hash).is_none() {
                    index.insert(hash, slot);
                } else if !insert && model.remove(&slot).is_some() {
                    index.remove(hash, slot);
                }
                for slot in 0..60 {
                    let hash = 1015 + slot % 12;
                    prop_assert_eq!(index.find(hash, |s| s == slot).is_some(), model.contains_key(&slot));
                }
            }
        }
    }

    #[test]
    fn grows() {
        let mut index = Index::new();
        for slot in 0..10_000_u32 {
            index.insert(slot.wrapping_mul(0x9e37_79b9), slot);
        }
        for slot in 0..10_000_u32 {
            assert_eq!(index.find(slot.wrapping_mul(0x9e37_79b9), |s| s == slot), Some(slot));
        }
    }
}
