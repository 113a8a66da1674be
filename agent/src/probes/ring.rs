//! The kernel side's ring buffer and counters.

#[cfg(feature = "probes")]
use std::sync::Arc;

#[cfg(feature = "probes")]
use anyhow::{Context, Result};
#[cfg(feature = "probes")]
use aya::Ebpf;
#[cfg(feature = "probes")]
use aya::maps::{MapData, PerCpuArray, RingBuf};
use pidflow_engine::fact::Fact;
#[cfg(feature = "probes")]
use pidflow_schema::abi::KernelCounter;

#[cfg(feature = "probes")]
use crate::clock::{BootClock, engine_clock};
#[cfg(feature = "probes")]
use crate::privacy::Privacy;

/// Counters of the kernel side and of the sampler since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct KernelCounts {
    /// Facts delivered.
    pub(crate) delivered: u64,
    /// Facts lost: the ring buffer was full.
    pub(crate) ring_full: u64,
    /// Facts left out because the ring buffer was more than half full: repeated uses and closes.
    pub(crate) ring_half_full: u64,
    /// Facts suppressed as repetition.
    pub(crate) suppressed: u64,
    /// Kernel structs that could not be read.
    pub(crate) read_failed: u64,
    /// Insertions into a map that was full.
    pub(crate) map_full: u64,
    /// Facts of an unknown kind.
    pub(crate) unparsed: u64,
    /// Requests to the sampler that were refused because too many waited.
    pub(crate) sampler_refused: u64,
    /// Processes that were not described, because too many started at once.
    pub(crate) sampler_given_up: u64,
    /// Lines of the host's files that could not be parsed.
    pub(crate) lines_skipped: u64,
}

impl KernelCounts {
    /// Events of the kernel that are missing.
    pub(crate) const fn lost_events(&self) -> u64 {
        self.lost_beginnings() + self.ring_half_full
    }

    /// Those that may have been about a process or a socket of which nothing else is known.
    pub(crate) const fn lost_beginnings(&self) -> u64 {
        self.ring_full + self.map_full + self.read_failed + self.unparsed
    }
}

/// Reads the ring buffer, and owns the programs, which are detached when this is dropped.
#[cfg(feature = "probes")]
pub(crate) struct Ring {
    events: RingBuf<MapData>,
    counters: PerCpuArray<MapData, u64>,
    unparsed: u64,
    clock: BootClock,
    privacy: Arc<Privacy>,
    _ebpf: Ebpf,
}

#[cfg(feature = "probes")]
impl Ring {
    /// Takes the maps out of the loaded object.
    ///
    /// # Errors
    /// The object lacks a map.
    pub(crate) fn new(mut ebpf: Ebpf, privacy: Arc<Privacy>) -> Result<Self> {
        let events = ebpf.take_map("EVENTS").context("the eBPF object has no map EVENTS")?;
        let counters = ebpf.take_map("COUNTERS").context("the eBPF object has no map COUNTERS")?;
        Ok(Self {
            events: RingBuf::try_from(events)?,
            counters: PerCpuArray::try_from(counters)?,
            unparsed: 0,
            clock: engine_clock(),
            privacy,
            _ebpf: ebpf,
        })
    }

    /// Appends all available events.
    pub(crate) fn drain(&mut self, out: &mut Vec<Fact>) {
        let clock = self.clock;
        while let Some(item) = self.events.next() {
            match super::parse::event(&item, clock, &self.privacy) {
                Some(event) => out.push(event),
                None => self.unparsed += 1,
            }
        }
    }

    /// Sums of the per-CPU counters.
    pub(crate) fn counts(&self) -> KernelCounts {
        let sum = |c: KernelCounter| self.counters.get(&(c as u32), 0).map_or(0, |v| v.iter().sum());
        KernelCounts {
            delivered: sum(KernelCounter::Delivered),
            ring_full: sum(KernelCounter::RingFull),
            ring_half_full: sum(KernelCounter::RingHalfFull),
            suppressed: sum(KernelCounter::Suppressed),
            read_failed: sum(KernelCounter::ReadFailed),
            map_full: sum(KernelCounter::MapFull),
            unparsed: self.unparsed,
            ..KernelCounts::default()
        }
    }
}

/// Without eBPF there is no ring.
#[cfg(not(feature = "probes"))]
pub(crate) struct Ring;

#[cfg(not(feature = "probes"))]
impl Ring {
    pub(crate) fn drain(&mut self, _: &mut Vec<Fact>) {}

    pub(crate) fn counts(&self) -> KernelCounts {
        KernelCounts::default()
    }
}
