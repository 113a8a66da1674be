//! Sums by key, bounded: the busiest keys have a series of their own, the rest is "other".
//!
//! Counters must only grow, whichever keys are shown. So what a key counted while it was not shown is counted as
//! `other` at that time and stays there; a key that is shown begins at zero; and when a series is withdrawn its sums
//! go to `retired`. At any time shown + other + retired = everything.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::Hash;

use foldhash::fast::RandomState;

/// Seconds in which the weight of old traffic halves when keys compete for a series.
const HALF_LIFE_S: f64 = 120.0;
/// Seconds without anything to count after which a series is withdrawn.
pub(super) const IDLE_S: u64 = 600;
/// Candidates held for each series.
const CANDIDATES: usize = 4;

/// What can be summed up.
pub(crate) trait Sum: Copy + Default {
    /// Adds `other`.
    fn add(&mut self, other: &Self);
}

#[derive(Debug)]
struct Held<V> {
    /// What the series says; none: not shown.
    shown: Option<V>,
    /// Weight with the old one fading.
    weight: f64,
    /// Second of the last addition.
    last_s: u64,
}

impl<V> Held<V> {
    fn faded(&self, now_s: u64) -> f64 {
        match now_s.saturating_sub(self.last_s) {
            0 => self.weight,
            ago => self.weight * (-(ago as f64) / HALF_LIFE_S).exp2(),
        }
    }

    /// How much it deserves a series: one that has it keeps it unless another is twice as heavy.
    fn claim(&self, now_s: u64) -> f64 {
        match now_s.saturating_sub(self.last_s) {
            idle if idle > IDLE_S => 0.0,
            _ if self.shown.is_some() => 2.0 * self.faded(now_s),
            _ => self.faded(now_s),
        }
    }
}

/// All keys.
#[derive(Debug)]
pub(crate) struct Top<K, V> {
    limit: usize,
    shown: usize,
    held: HashMap<K, Held<V>, RandomState>,
    other: V,
    retired: V,
}

/// The series.
#[derive(Debug, Clone)]
pub(crate) struct Shown<K, V> {
    /// The keys with a series, in their order.
    pub(crate) series: Vec<(K, V)>,
    /// What keys without a series counted.
    pub(crate) other: V,
    /// What series that were withdrawn had counted.
    pub(crate) retired: V,
}

impl<K, V: Default> Default for Shown<K, V> {
    fn default() -> Self {
        Self { series: Vec::new(), other: V::default(), retired: V::default() }
    }
}

impl<K: Hash + Ord + Clone, V: Sum> Top<K, V> {
    /// At most `limit` series.
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, shown: 0, held: HashMap::default(), other: V::default(), retired: V::default() }
    }

    /// Adds to a key; `weight` is what keys compete by.
    pub(crate) fn count(&mut self, key: K, sums: &V, weight: u64, now_s: u64) {
        let Some(held) = self.held(key, now_s) else { return self.other.add(sums) };
        held.weight = held.faded(now_s) + weight as f64;
        held.last_s = now_s;
        match &mut held.shown {
            Some(shown) => shown.add(sums),
            None => self.other.add(sums),
        }
    }

    /// The key's place, made if there is room for it.
    fn held(&mut self, key: K, now_s: u64) -> Option<&mut Held<V>> {
        let (room, free) = (self.held.len() < self.limit * CANDIDATES, self.shown < self.limit);
        match self.held.entry(key) {
            Entry::Occupied(e) => Some(e.into_mut()),
            Entry::Vacant(_) if !room => None,
            Entry::Vacant(e) => {
                self.shown += usize::from(free);
                Some(e.insert(Held { shown: free.then(V::default), weight: 0.0, last_s: now_s }))
            }
        }
    }

    /// Chooses anew which keys are shown; to be called now and then.
    pub(crate) fn settle(&mut self, now_s: u64) {
        let mut rank: Vec<(f64, K)> = self.held.iter().map(|(key, h)| (h.claim(now_s), key.clone())).collect();
        rank.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
        self.shown = 0;
        for (place, (claim, key)) in rank.iter().enumerate() {
            self.settle_one(key, place, *claim);
        }
    }

    fn settle_one(&mut self, key: &K, place: usize, claim: f64) {
        let Some(held) = self.held.get_mut(key) else { return };
        let show = claim > 0.0 && place < self.limit;
        match (show, held.shown) {
            (true, shown) => held.shown = Some(shown.unwrap_or_default()),
            (false, Some(sums)) => self.retired.add(&sums),
            (false, None) => {}
        }
        self.shown += usize::from(show);
        if !show && (claim <= 0.0 || place >= self.limit * CANDIDATES / 2) {
            self.held.remove(key);
        } else if !show {
            held.shown = None;
        }
    }

    /// Whether the key has a series.
    pub(crate) fn shows(&self, key: &K) -> bool {
        self.held.get(key).is_some_and(|h| h.shown.is_some())
    }

    /// What is to be printed.
    pub(crate) fn shown(&self) -> Shown<K, V> {
        let shown = self.held.iter().filter_map(|(key, h)| Some((key.clone(), h.shown?)));
        let mut series: Vec<_> = shown.collect();
        series.sort_by(|a, b| a.0.cmp(&b.0));
        Shown { series, other: self.other, retired: self.retired }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Sum for u64 {
        fn add(&mut self, other: &Self) {
            *self += other;
        }
    }

    fn total(top: &Top<u32, u64>) -> u64 {
        let shown = top.shown();
        shown.other + shown.retired + shown.series.iter().map(|(_, s)| s).sum::<u64>()
    }

    #[test]
    fn totals_are_true_whatever_is_shown() {
        let mut top = Top::new(5);
        let mut sum = 0;
        for i in 0..10_000_u32 {
            let octets = u64::from(i % 97) * 10 + 1;
            sum += octets;
            top.count(i % 300, &octets, octets, u64::from(i) / 10);
            if i % 150 == 0 {
                top.settle(u64::from(i) / 10);
            }
            assert!(top.held.len() <= 20 && top.shown().series.len() <= 5);
        }
        assert_eq!(total(&top), sum);
    }

    #[test]
    fn a_heavy_newcomer_gets_a_series_that_begins_at_zero() {
        let mut top = Top::new(2);
        (1..=2).for_each(|k| top.count(k, &100, 100, 0));
        top.count(9, &1_000_000, 1_000_000, 1);
        top.settle(1);
        top.count(9, &5, 5, 2);
        let shown = top.shown();
        assert_eq!(shown.series, [(1, 100), (9, 5)]);
        assert_eq!((shown.other, shown.retired), (1_000_000, 100));
    }

    #[test]
    fn series_of_those_gone_retire() {
        let mut top = Top::new(2);
        top.count(1, &100, 100, 0);
        top.settle(IDLE_S + 1);
        assert!(top.shown().series.is_empty() && top.held.is_empty());
        assert_eq!(total(&top), 100);
    }
}
