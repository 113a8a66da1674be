//! Creates records of flows that continue and of flows that end.

use pidflow_schema::record::{Flow, FlowEndDetail, FlowEndReason};

use super::entry::Entry;
use super::index::Index;
use super::lists::Lists;
use super::slab::List;
use super::{FlowTable, applications, end_of};

impl FlowTable {
    /// Appends a record with the packets since the last record, if there were any.
    pub(super) fn record(&mut self, slot: u32, reason: FlowEndReason, detail: FlowEndDetail, out: &mut Vec<Flow>) {
        let entry = self.slab.get(slot);
        if entry.packets() > 0 {
            let interface = self.interfaces.label(entry.interface()).unwrap_or(&self.no_interface);
            let mut flow = entry.flow(reason, detail, interface);
            flow.tunnel = entry.tunnel(&self.tunnels);
            applications::describe(&mut self.watches, slot, entry, &mut flow);
            let now_ns = self.clock.now_ns().wrapping_sub(entry.shift);
            flow.tcp = self.healths.take(slot, entry, now_ns, reason);
            flow.packet_figures = self.figures.take(slot, entry.initiator());
            self.translations.describe(entry, &mut flow);
            flow.sampling_rate = self.sampling.rate_at(entry.last_ns);
            self.counters.count_record(&flow);
            out.push(flow);
        }
    }

    /// Appends a record before a flow continues with another clock, so that no record mixes the times of two clocks.
    #[cold]
    pub(super) fn set_clock(&mut self, slot: u32, shift: u64, now_ns: u64, out: &mut Vec<Flow>) {
        let entry = self.slab.get(slot);
        let gap_ns = now_ns.wrapping_add(shift).saturating_sub(entry.seen_ns());
        let (reason, detail) = match self.config.idle_timeout_ns {
            Some(idle) if gap_ns >= idle => end_of(entry, FlowEndReason::IdleTimeout),
            _ => (FlowEndReason::ActiveTimeout, FlowEndDetail::ClockStep),
        };
        self.record(slot, reason, detail, out);
        self.paths.set_clock(slot, now_ns);
        self.healths.set_clock(slot, now_ns);
        self.figures.set_clock(slot);
        let entry = self.slab.get_mut(slot);
        entry.set_clock(shift, now_ns);
        if entry.state.is_open() {
            self.relist(slot);
        }
        self.go_on_in_record(slot, now_ns);
    }

    /// Begins another record of a flow whose next packet comes at `now_ns`, in the packets' own time.
    #[cold]
    pub(super) fn go_on_in_record(&mut self, slot: u32, now_ns: u64) {
        if self.config.active_timeout_ns.is_some() {
            self.begin_record(slot, now_ns);
        } else {
            let entry = self.slab.get_mut(slot);
            entry.begin_record();
            entry.first_ns = now_ns;
        }
    }

    /// Begins another record of a flow, at `now_ns` in the packets' own time or when the next packet comes.
    #[cold]
    pub(super) fn begin_record(&mut self, slot: u32, now_ns: u64) {
        let entry = self.slab.get_mut(slot);
        entry.begin_record();
        entry.first_ns = now_ns;
        self.by_age.remove(&mut self.slab, slot);
        self.by_age.push(&mut self.slab, slot);
    }

    /// Ends all flows: closing ones with their own reason, those past the idle timeout as idle, all others with
    /// `reason`. The records are created one by one, so that a large table is not in memory twice.
    pub fn drain(&mut self, reason: FlowEndReason, detail: FlowEndDetail) -> impl Iterator<Item = Flow> + '_ {
        let mut evicted = Vec::new();
        self.release_fragments(0, &mut evicted);
        self.index = Index::new();
        self.paths.clear();
        (self.lists, self.by_age) = (Lists::default(), List::default());
        let (slab, tunnels) = (std::mem::take(&mut self.slab), self.tunnels.take());
        let mut watches = self.watches.take_watched();
        let mut healths = self.healths.take_all();
        let mut figures = std::mem::take(&mut self.figures);
        let Self { interfaces, no_interface, counters, clock, config, translations, sampling, .. } = self;
        // No packet can confirm a jump ahead any more, so the last packets' times are accepted.
        let idle_ns = config.idle_timeout_ns.filter(|_| clock.last_ns() > clock.now_ns());
        let is_idle = move |e: &Entry| idle_ns.is_some_and(|idle| clock.last_ns().saturating_sub(e.seen_ns()) >= idle);
        let rest = slab.into_live().filter(|(_, entry)| entry.packets() > 0).map(move |(slot, entry)| {
            let interface = interfaces.label(entry.interface()).unwrap_or(no_interface);
            let (reason, detail) = match entry.state.is_open() && !is_idle(&entry) {
                true => (reason, detail),
                false => end_of(&entry, FlowEndReason::IdleTimeout),
            };
            let mut flow = entry.flow(reason, detail, interface);
            flow.tunnel = entry.tunnel(&tunnels);
            applications::describe(&mut watches, slot, &entry, &mut flow);
            flow.tcp = healths.take(slot, &entry, entry.last_ns, reason);
            flow.packet_figures = figures.take(slot, entry.initiator());
            translations.describe(&entry, &mut flow);
            flow.sampling_rate = sampling.rate_at(entry.last_ns);
            counters.count_record(&flow);
            flow
        });
        evicted.into_iter().chain(rest)
    }

    /// [`FlowTable::drain`] into a vector.
    pub fn finish(&mut self, reason: FlowEndReason, detail: FlowEndDetail, out: &mut Vec<Flow>) {
        out.extend(self.drain(reason, detail));
    }
}
