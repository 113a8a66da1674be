//! What a process or a flow used over time, in slots of some seconds.

use std::collections::VecDeque;

use pidflow_schema::ProcessUsage;

/// Seconds of one slot: the interval of records if the view is the only output.
pub(super) const SLOT_S: u64 = 5;
/// The greatest number of slots that are kept.
pub(super) const MAX_SLOTS: usize = 120;

#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    number: u64,
    octets: u64,
    cpu_load: Option<u32>,
    memory: Option<u64>,
}

/// The slots in which there was a record.
#[derive(Debug, Clone, Default)]
pub(super) struct Series(VecDeque<Slot>);

impl Series {
    /// Adds a record's bytes and usage.
    pub(super) fn add(&mut self, now_s: u64, octets: u64, usage: Option<ProcessUsage>) {
        let number = now_s / SLOT_S;
        if self.0.back().is_none_or(|slot| slot.number != number) {
            self.0.push_back(Slot { number, ..Slot::default() });
            self.0.drain(..self.0.len().saturating_sub(MAX_SLOTS));
        }
        let Some(slot) = self.0.back_mut() else { return };
        slot.octets += octets;
        slot.cpu_load = usage.and_then(|u| u.cpu_load).or(slot.cpu_load);
        slot.memory = usage.and_then(|u| u.memory_actual).or(slot.memory);
    }

    /// Bytes per second in each of the latest slots, the oldest first.
    pub(super) fn rates(&self, slots: usize, now_s: u64) -> Vec<u64> {
        self.values(slots, now_s, |slot, _| slot.map_or(0, |s| s.octets / SLOT_S))
    }

    /// CPU load in percent of one core × 100, the same way; 0 where it is unknown.
    pub(super) fn cpu_loads(&self, slots: usize, now_s: u64) -> Vec<u64> {
        self.values(slots, now_s, |slot, _| slot.and_then(|s| s.cpu_load).unwrap_or_default().into())
    }

    /// Resident memory in bytes, the same way; the last known one where there was no record.
    pub(super) fn memory(&self, slots: usize, now_s: u64) -> Vec<u64> {
        self.values(slots, now_s, |slot, last| slot.and_then(|s| s.memory).unwrap_or(last))
    }

    fn values(&self, slots: usize, now_s: u64, value: impl Fn(Option<&Slot>, u64) -> u64) -> Vec<u64> {
        let newest = now_s / SLOT_S;
        let first = (newest + 1).saturating_sub(slots as u64);
        let mut last = 0;
        let found = (first..=newest).map(|number| {
            last = value(self.0.iter().find(|slot| slot.number == number), last);
            last
        });
        found.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(cpu_load: u32, memory: u64) -> Option<ProcessUsage> {
        let (cpu_load, memory_actual) = (Some(cpu_load), Some(memory));
        Some(ProcessUsage { cpu_load, memory_actual, ..ProcessUsage::default() })
    }

    #[test]
    fn slots_without_a_record_have_no_traffic_and_the_same_memory() {
        let mut series = Series::default();
        series.add(0, 500, usage(100, 7));
        series.add(4, 500, None);
        series.add(10, 50, usage(200, 8));
        assert_eq!(series.rates(4, 16), [200, 0, 10, 0]);
        assert_eq!(series.cpu_loads(4, 16), [100, 0, 200, 0]);
        assert_eq!(series.memory(4, 16), [7, 7, 8, 8]);
        assert_eq!(series.rates(9, 1), [200], "no time before the start");
    }

    #[test]
    fn slots_are_bounded() {
        let mut series = Series::default();
        (0..5000).for_each(|s| series.add(s, 1, None));
        assert_eq!(series.0.len(), MAX_SLOTS);
    }
}
