//! Bounded sums by key: the busiest keys have their own series, the rest is summed up as "other".
//!
//! Counters must only grow, whichever keys are shown. So the counts of a key that is not shown are added to `other` and
//! stay there, a key that gets a series begins at zero, and the sums of a withdrawn series move to `retired`. At any
//! time shown + other + retired = everything.
//!
//! Keys without a series are candidates, as in Space-Saving (Metwally et al., "Efficient Computation of Frequent and
//! Top-k Elements", 2005): when all slots are in use, a new key gets the slot of the lightest one and inherits its
//! weight. So a heavy key is found among many light ones. Only a key's own weight qualifies it for a series.

mod fading;

use std::cmp::Reverse;
use std::collections::binary_heap::PeekMut;
use std::collections::{BinaryHeap, HashMap};
use std::hash::Hash;

use fading::Fading;
use foldhash::fast::RandomState;

/// Seconds without anything to count after which a series is withdrawn.
pub(super) const IDLE_S: u64 = 600;
/// Candidates held for each series.
const CANDIDATES: usize = 3;

/// Values that can be added.
pub(crate) trait Sum: Copy + Default {
    /// Adds `other`.
    fn add(&mut self, other: &Self);
}

/// What is added to a key at once.
#[derive(Debug, Clone, Copy)]
struct Addition<'a, V> {
    sums: &'a V,
    weight: f64,
    now_s: u64,
}

#[derive(Debug, Default)]
struct HeldSeries<V> {
    /// The sums of the series; none: the key is not shown.
    shown: Option<V>,
    /// Number of the first status that contains it; none: no status contains it.
    since: Option<u64>,
    /// Its own weight.
    weight: f64,
    /// Weight inherited from the keys whose slot it took; it may include its own earlier weight.
    inherited: f64,
    /// Second of the last addition.
    last_s: u64,
}

impl<V: Sum> HeldSeries<V> {
    /// Adds to the series, or to `other` if there is none.
    fn count(&mut self, a: Addition<'_, V>, other: &mut V) {
        self.weight += a.weight;
        self.last_s = a.now_s;
        self.shown.as_mut().unwrap_or(other).add(a.sums);
    }

    /// Its rank for a series: a key keeps its series unless another is twice as heavy.
    fn claim(&self, now_s: u64) -> f64 {
        match now_s.saturating_sub(self.last_s) {
            idle if idle > IDLE_S => 0.0,
            _ if self.shown.is_some() => 2.0 * self.weight,
            _ => self.weight,
        }
    }

    /// Its rank for a slot. The bits of non-negative floating-point numbers have the same order as the numbers.
    const fn rank(&self) -> u64 {
        (self.weight + self.inherited).to_bits()
    }
}

/// All keys.
#[derive(Debug)]
pub(crate) struct Top<K, V> {
    limit: usize,
    shown: usize,
    held: HashMap<K, HeldSeries<V>, RandomState>,
    /// Every candidate once, with an earlier rank; it may have risen since.
    lightest: BinaryHeap<Reverse<(u64, K)>>,
    fading: Fading,
    other: V,
    retired: V,
}

/// The contents of a series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Series<K, V> {
    /// The key that it counts for.
    pub(crate) key: K,
    /// Number of the first status that contains it.
    pub(crate) since: u64,
    /// Its sums.
    pub(crate) sums: V,
}

/// The series.
#[derive(Debug, Clone)]
pub(crate) struct Shown<K, V> {
    /// In the order of their keys.
    pub(crate) series: Vec<Series<K, V>>,
    /// Sums of keys without a series.
    pub(crate) other: V,
    /// Sums of withdrawn series.
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
        Self {
            limit,
            shown: 0,
            held: HashMap::default(),
            lightest: BinaryHeap::new(),
            fading: Fading::new(),
            other: V::default(),
            retired: V::default(),
        }
    }

    /// Adds to a key. Keys compete by `weight`.
    pub(crate) fn count(&mut self, key: K, sums: &V, weight: u64, now_s: u64) {
        let addition = Addition { sums, weight: weight as f64 * self.fading.gain(now_s), now_s };
        match self.held.get_mut(&key) {
            Some(held) => held.count(addition, &mut self.other),
            None => self.newcomer(key, addition),
        }
    }

    fn newcomer(&mut self, key: K, addition: Addition<'_, V>) {
        let Some(mut held) = self.place(addition.weight) else { return self.other.add(addition.sums) };
        held.count(addition, &mut self.other);
        if held.shown.is_none() {
            self.lightest.push(Reverse((held.rank(), key.clone())));
        }
        self.held.insert(key, held);
    }

    /// A slot for a new key. A key without weight does not displace another one.
    fn place(&mut self, weight: f64) -> Option<HeldSeries<V>> {
        if self.shown < self.limit {
            self.shown += 1;
            return Some(HeldSeries { shown: Some(V::default()), ..HeldSeries::default() });
        }
        if self.lightest.len() < self.limit * CANDIDATES {
            return Some(HeldSeries::default());
        }
        let inherited = if weight > 0.0 { self.displace() } else { None };
        Some(HeldSeries { inherited: inherited?, ..HeldSeries::default() })
    }

    /// Frees the slot of the lightest candidate, and returns its weight. Outdated ranks met on the way are updated: at
    /// most one for each addition.
    fn displace(&mut self) -> Option<f64> {
        loop {
            let mut lightest = self.lightest.peek_mut()?;
            let Reverse((noted, key)) = &mut *lightest;
            match self.held.get(key).map(HeldSeries::rank) {
                Some(rank) if rank > *noted => *noted = rank,
                _ => {
                    let Reverse((rank, key)) = PeekMut::pop(lightest);
                    self.held.remove(&key);
                    return Some(f64::from_bits(rank));
                }
            }
        }
    }

    /// Chooses again which keys are shown; to be called from time to time.
    pub(crate) fn settle(&mut self, now_s: u64) {
        self.fade(now_s);
        let mut claims: Vec<(f64, K)> = self.held.iter().map(|(key, h)| (h.claim(now_s), key.clone())).collect();
        claims.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
        self.shown = 0;
        for (place, (claim, key)) in claims.iter().enumerate() {
            self.settle_one(key, *claim, place < self.limit);
        }
        let candidates = self.held.iter().filter(|(_, h)| h.shown.is_none());
        self.lightest = candidates.map(|(key, h)| Reverse((h.rank(), key.clone()))).collect();
    }

    fn fade(&mut self, now_s: u64) {
        let fade = self.fading.rebase(now_s);
        for held in self.held.values_mut() {
            held.weight *= fade;
            held.inherited *= fade;
        }
    }

    fn settle_one(&mut self, key: &K, claim: f64, has_place: bool) {
        let Some(held) = self.held.get_mut(key) else { return };
        let show = claim > 0.0 && has_place;
        match held.shown {
            shown if show => held.shown = Some(shown.unwrap_or_default()),
            Some(sums) => self.retired.add(&sums),
            None => {}
        }
        self.shown += usize::from(show);
        if claim <= 0.0 {
            self.held.remove(key);
        } else if !show {
            (held.shown, held.since) = (None, None);
        }
    }

    /// Whether the key has a series.
    pub(crate) fn shows(&self, key: &K) -> bool {
        self.held.get(key).is_some_and(|h| h.shown.is_some())
    }

    /// Contents of the status with this number.
    pub(crate) fn shown(&mut self, number: u64) -> Shown<K, V> {
        let one = |(key, held): (&K, &mut HeldSeries<V>)| {
            let sums = held.shown?;
            Some(Series { key: key.clone(), since: *held.since.get_or_insert(number), sums })
        };
        let mut series: Vec<_> = self.held.iter_mut().filter_map(one).collect();
        series.sort_by(|a, b| a.key.cmp(&b.key));
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

    fn total(top: &mut Top<u32, u64>) -> u64 {
        let shown = top.shown(1);
        shown.other + shown.retired + shown.series.iter().map(|s| s.sums).sum::<u64>()
    }

    /// Key, since when and sums.
    fn series(top: &mut Top<u32, u64>, number: u64) -> Vec<(u32, u64, u64)> {
        top.shown(number).series.iter().map(|s| (s.key, s.since, s.sums)).collect()
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
            assert!(top.held.len() <= 20 && top.shown(1).series.len() <= 5);
        }
        assert_eq!(total(&mut top), sum);
    }

    #[test]
    fn a_heavy_newcomer_gets_a_series_that_begins_at_zero() {
        let mut top = Top::new(2);
        (1..=2).for_each(|k| top.count(k, &100, 100, 0));
        assert_eq!(series(&mut top, 1), [(1, 1, 100), (2, 1, 100)]);
        top.count(9, &1_000_000, 1_000_000, 1);
        top.settle(1);
        top.count(9, &5, 5, 2);
        assert_eq!(series(&mut top, 2), [(1, 1, 100), (9, 2, 5)]);
        let shown = top.shown(3);
        assert_eq!((shown.other, shown.retired), (1_000_000, 100));
    }

    #[test]
    fn one_heavy_key_among_a_great_many_light_ones_is_shown_within_two_settles() {
        const HEAVY: u32 = u32::MAX;
        for first_s in 16..31 {
            let mut top = Top::new(100);
            for now_s in 1..=first_s + 30 {
                (0..500).for_each(|i| top.count(now_s as u32 * 500 + i, &1500, 1500, now_s));
                if now_s == first_s {
                    top.count(HEAVY, &1_000_000_000, 1_000_000_000, now_s);
                }
                if now_s % 15 == 0 {
                    top.settle(now_s);
                }
            }
            assert!(top.shows(&HEAVY), "first seen in second {first_s}");
        }
    }

    #[test]
    fn a_heavy_key_of_many_small_additions_is_noticed_too() {
        let mut top = Top::new(100);
        for now_s in 1..=60 {
            for i in 0..500 {
                top.count(now_s as u32 * 500 + i, &1500, 1500, now_s);
                top.count(u32::MAX, &15, 15, now_s);
            }
            if now_s % 15 == 0 {
                top.settle(now_s);
            }
        }
        assert!(top.shows(&u32::MAX), "7.5 kB/s is five times what any other has in all");
    }

    #[test]
    fn inherited_weight_does_not_qualify_for_a_series() {
        let mut top = Top::new(10);
        for key in 0..10_000 {
            top.count(key, &100, 100, 1);
        }
        let before = series(&mut top, 1);
        top.settle(1);
        assert_eq!(series(&mut top, 2), before, "all are alike");
        assert_eq!((total(&mut top), top.held.len(), top.lightest.len()), (1_000_000, 40, 30));
    }

    #[test]
    fn keys_without_weight_take_no_place() {
        let mut top = Top::new(1);
        (0..4).for_each(|key| top.count(key, &1, 10, 1));
        (4..9).for_each(|key| top.count(key, &1, 0, 1));
        assert!((0..4).all(|key| top.held.contains_key(&key)));
        assert_eq!(total(&mut top), 9);
    }

    #[test]
    fn series_of_exited_processes_retire() {
        let mut top = Top::new(2);
        top.count(1, &100, 100, 0);
        top.settle(IDLE_S + 1);
        assert!(series(&mut top, 1).is_empty() && top.held.is_empty());
        assert_eq!(total(&mut top), 100);
    }
}
