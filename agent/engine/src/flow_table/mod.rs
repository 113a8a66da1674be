//! Builds bidirectional flows from packets.
//!
//! Flows are stored in a slab and found through a table of hashes ([`index`]). They are linked in lists ([`lists`]):
//! unanswered flows and other open ones by time of their last packet, closing ones (after FIN or RST) by time of
//! closing, and, with an active timeout, all by time of the first packet of their record. The lists are in order of the
//! table's own time ([`clock`]), which continues when the packets' clock is set back; records carry the packets' times.
//! Nothing is allocated per packet.

mod applications;
mod changes;
mod clock;
mod config;
mod entry;
mod entry_facts;
mod expiry;
mod figures;
mod fragments;
mod handshake;
mod health;
mod in_tunnel;
mod index;
mod interfaces;
mod key;
mod known_interfaces;
mod lists;
mod memory;
mod owners;
mod paths;
mod prefetch;
mod records;
mod sampling;
mod sent;
mod side;
mod slab;
mod span;
mod state;
mod tcp;
#[cfg(test)]
mod tests;
mod traffic;
mod translated;
mod translations;
mod tunnels;

use std::hash::BuildHasher;
use std::sync::Arc;

use foldhash::fast::RandomState;
use pidflow_schema::record::{Flow, FlowEndDetail, FlowEndReason, Protocol};

use crate::application::Watches;
use crate::packet::{Fragment, Packet, TcpFlags};
use changes::{Changes, SAME_OWNER_GAP_NS};
use clock::TableClock;
pub use config::{FlowTableConfig, FlowTableCounters, PacketClock, PacketRule};
use entry::Entry;
use figures::Figures;
use fragments::HeldFragments;
use health::Healths;
pub use health::TcpTotals;
use index::Index;
pub use interfaces::ForgottenInterface;
use interfaces::GoneInterfaces;
use key::{FlowKey, KeySide, Keyed};
use known_interfaces::KnownInterfaces;
use lists::Lists;
pub use paths::Observation;
use paths::Paths;
use sampling::Sampling;
use side::Side;
use slab::{Age, List, Slab};
use state::State;
pub use traffic::Traffic;
pub use translated::MAX_TRANSLATIONS;
use translations::Translations;
use tunnels::TunnelTable;

/// How many packets ahead [`FlowTable::update_all`] prefetches a flow. It prefetches the place in the index twice as
/// many packets ahead.
const PREFETCH_DISTANCE: usize = 8;

/// The table of active flows.
#[derive(Debug)]
pub struct FlowTable {
    config: FlowTableConfig,
    relist_ns: u64,
    clock: TableClock,
    index: Index,
    slab: Slab,
    lists: Lists,
    by_age: List<Age>,
    changes: Changes,
    hasher: RandomState,
    /// Keys of the packets of one batch; kept to reuse its memory.
    keyed: Vec<Keyed>,
    interfaces: KnownInterfaces,
    gone: GoneInterfaces,
    paths: Paths,
    /// Whether any interface was observed otherwise than by itself.
    has_observations: bool,
    held_fragments: HeldFragments,
    /// Whether the namespace of any interface was known.
    has_namespaces: bool,
    no_interface: (u32, Arc<str>),
    tunnels: TunnelTable,
    translations: Translations,
    watches: Watches,
    healths: Healths,
    figures: Figures,
    /// Not 0: each packet is measured. A number, so that one test of this and of the packet's own numbers suffices.
    measures: u16,
    sampling: Sampling,
    counters: FlowTableCounters,
}

impl FlowTable {
    /// An empty table.
    #[must_use]
    pub fn new(config: FlowTableConfig) -> Self {
        let config = config.normal();
        Self {
            config,
            relist_ns: config.relist_ns(),
            clock: TableClock::new(&config),
            index: Index::new(),
            slab: Slab::default(),
            lists: Lists::default(),
            by_age: List::default(),
            changes: Changes::new(),
            hasher: RandomState::default(),
            keyed: Vec::new(),
            interfaces: KnownInterfaces::default(),
            gone: GoneInterfaces::default(),
            paths: Paths::default(),
            has_observations: false,
            held_fragments: HeldFragments::default(),
            has_namespaces: false,
            no_interface: (0, Arc::from("")),
            tunnels: TunnelTable::default(),
            translations: Translations::new(config.max_translations, config.idle_timeout_ns),
            watches: Watches::with_limit(config.max_watched_bytes()),
            healths: Healths::for_flows(config.max_flows),
            figures: Figures::default(),
            measures: u16::from(config.packets == PacketRule::Measure),
            sampling: Sampling::default(),
            counters: FlowTableCounters::default(),
        }
    }

    /// Counts a packet in its flow. Records that this packet completes are appended to `out`.
    pub fn update(&mut self, packet: &Packet, out: &mut Vec<Flow>) {
        let (mut key, from) = self.key(packet);
        let hash = self.hash(&key);
        self.update_hashed(&mut key, (from, hash), packet, out);
    }

    /// Does the same as [`FlowTable::update`] for each packet in turn, but faster: while one is counted, memory for the
    /// next ones is prefetched.
    pub fn update_all(&mut self, packets: &[Packet], out: &mut Vec<Flow>) {
        let mut keyed = std::mem::take(&mut self.keyed);
        keyed.clear();
        keyed.extend(packets.iter().map(|packet| self.keyed(packet)));
        for (at, packet) in packets.iter().enumerate() {
            if let Some(later) = keyed.get(at + 2 * PREFETCH_DISTANCE) {
                prefetch::line(self.index.line(later.hash));
            }
            if let Some(slot) = keyed.get(at + PREFETCH_DISTANCE).and_then(|later| self.index.candidate(later.hash)) {
                prefetch::three_lines(self.slab.line(slot));
            }
            if let Some(Keyed { key, from, hash }) = keyed.get_mut(at) {
                self.update_hashed(key, (*from, *hash), packet, out);
            }
        }
        self.keyed = keyed;
    }

    /// Not inlined, so that the functions that it calls for each packet are inlined only here.
    #[inline(never)]
    fn update_hashed(&mut self, key: &mut FlowKey, (from, hash): (KeySide, u32), packet: &Packet, out: &mut Vec<Flow>) {
        if packet.fragment != Fragment::Whole {
            return self.put_fragment(packet, out);
        }
        if self.has_namespaces {
            key.namespace = self.interfaces.get(packet.interface).map_or(0, |known| known.namespace);
        }
        let shift = self.clock.follow(packet.time_ns);
        if key.tunnel != 0 {
            return self.update_in_tunnel((*key, from, hash), shift, packet, out);
        }
        let known = self.find(key, hash);
        if known.is_none() && !self.translations.is_empty() {
            return self.update_translated((*key, from, hash), shift, packet, out);
        }
        self.put((key, from, hash), (known, Side::Before), (shift, packet), out);
    }

    /// Counts a packet in the flow in `known`, or in a new one.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "for most packets, the side is known where this is called")]
    fn put(
        &mut self,
        (key, from, hash): (&FlowKey, KeySide, u32),
        (known, side): (Option<u32>, Side),
        (shift, packet): (u64, &Packet),
        out: &mut Vec<Flow>,
    ) {
        if !self.is_counted_here(known, (from, side), packet) {
            return;
        }
        if let Some(slot) = known
            && self.takes(slot, (from, shift), packet, out)
        {
            return self.add(slot, from, packet);
        }
        let slot = self.insert((*key, from, hash), shift, packet, out);
        self.slab.get_mut(slot).set_first_side(side);
    }

    /// Whether the packet is counted in the flow in `slot`. If not, it may have ended that flow.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "the check that nearly every packet passes, from three places")]
    fn takes(&mut self, slot: u32, (from, shift): (KeySide, u64), packet: &Packet, out: &mut Vec<Flow>) -> bool {
        self.is_ordinary(slot, (from, shift), packet) || self.goes_on(slot, (from, shift), packet, out)
    }

    /// Whether the packet is just a further one in the current record of the flow in `slot`.
    #[inline]
    fn is_ordinary(&self, slot: u32, (from, shift): (KeySide, u64), packet: &Packet) -> bool {
        let entry = self.slab.get(slot);
        let active_ns = self.config.active_timeout_ns.unwrap_or(u64::MAX);
        !entry.is_of_other_clock(shift, packet.time_ns, self.clock.tolerance_ns())
            && !entry.begins_record(packet.time_ns, active_ns)
            && !self.sampling.changed_between(entry.last_ns, packet.time_ns)
            && self.ended_before(entry, from, packet).is_none()
    }

    /// Appends the record that ends before a packet that is not ordinary. False: the flow in `slot` ended with that
    /// record.
    #[cold]
    fn goes_on(&mut self, slot: u32, (from, shift): (KeySide, u64), packet: &Packet, out: &mut Vec<Flow>) -> bool {
        if self.slab.get(slot).is_of_other_clock(shift, packet.time_ns, self.clock.tolerance_ns()) {
            self.set_clock(slot, shift, packet.time_ns, out);
        }
        if let Some((reason, detail)) = self.ended_before(self.slab.get(slot), from, packet) {
            self.end(slot, reason, detail, out);
            return false;
        }
        if self.sampling.changed_between(self.slab.get(slot).last_ns, packet.time_ns) {
            self.record(slot, FlowEndReason::ActiveTimeout, FlowEndDetail::SamplingChanged, out);
            self.go_on_in_record(slot, packet.time_ns);
        }
        if let Some(active_ns) = self.config.active_timeout_ns
            && self.slab.get(slot).begins_record(packet.time_ns, active_ns)
        {
            self.record(slot, FlowEndReason::ActiveTimeout, FlowEndDetail::None, out);
            self.begin_record(slot, packet.time_ns);
        }
        true
    }

    #[inline(always)]
    #[expect(
        clippy::inline_always,
        reason = "called for each packet; the compiler does it or not as other code changes"
    )]
    fn find(&mut self, key: &FlowKey, hash: u32) -> Option<u32> {
        let slab = &self.slab;
        let known = self.index.find(hash, |slot| slab.get(slot).key == *key);
        if known.is_some() || !self.has_namespaces { known } else { self.find_compatible(key, hash) }
    }

    /// The flow that matches if an unknown namespace matches any. None if two flows match.
    #[cold]
    fn find_compatible(&mut self, key: &FlowKey, hash: u32) -> Option<u32> {
        let slab = &self.slab;
        let mut last = None;
        let is_second = |slot: u32| slab.get(slot).key.is_compatible(key) && last.replace(slot).is_some();
        if self.index.find(hash, is_second).is_some() {
            return None;
        }
        let entry = self.slab.get_mut(last?);
        entry.key.namespace = entry.key.namespace.max(key.namespace);
        last
    }

    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "32 bits are what the index keeps")]
    fn hash(&self, key: &FlowKey) -> u32 {
        self.hasher.hash_one(key) as u32
    }

    /// Whether the flow had ended before `packet`, which then begins another one.
    #[inline]
    fn ended_before(&self, entry: &Entry, from: KeySide, packet: &Packet) -> Option<(FlowEndReason, FlowEndDetail)> {
        if self.config.is_whole_capture() {
            return None;
        }
        let gap_ns = packet.time_ns.saturating_sub(entry.last_ns);
        if self.config.idle_timeout_ns.is_some_and(|idle| gap_ns >= idle) {
            return Some(end_of(entry, FlowEndReason::IdleTimeout));
        }
        if packet.protocol == Protocol::TCP {
            let reopened = packet.tcp_flags & TcpFlags::SYN != 0 && tcp::reopens(entry, from, packet);
            return reopened.then(|| (FlowEndReason::EndOfFlow, reopened_detail(entry)));
        }
        if gap_ns <= SAME_OWNER_GAP_NS {
            return None;
        }
        if !self.changes.is_empty() && self.socket_changed(entry, from, packet.time_ns) {
            return Some((FlowEndReason::EndOfFlow, FlowEndDetail::SocketChanged));
        }
        let changed = !self.translations.is_empty() && self.translations.have_changed(entry, packet.time_ns);
        changed.then_some((FlowEndReason::EndOfFlow, FlowEndDetail::TranslationChanged))
    }

    /// Counts a packet in an existing flow.
    #[inline]
    fn add(&mut self, slot: u32, from: KeySide, packet: &Packet) {
        let entry = self.slab.get_mut(slot);
        entry.add(from, packet);
        if entry.state == State::Unanswered && entry.is_answered_by(packet) {
            self.set_state(slot, State::Open);
        } else if entry.seen_ns().saturating_sub(entry.listed_ns) > self.relist_ns && entry.state.is_open() {
            self.relist(slot);
        }
        if packet.tcp_flags & tcp::EVENTS != 0 {
            self.tcp_event(slot, from, packet);
        }
        if packet.payload | packet.segment | self.measures != 0 {
            self.look_closer(slot, from, packet);
        }
    }

    /// Moves an open flow to the end of its list.
    #[inline(never)]
    fn relist(&mut self, slot: u32) {
        self.set_state(slot, self.slab.get(slot).state);
    }

    /// Sets the state of a flow, and moves it to the end of that state's list.
    fn set_state(&mut self, slot: u32, state: State) {
        self.lists.remove(&mut self.slab, slot);
        let entry = self.slab.get_mut(slot);
        entry.state = state;
        entry.listed_ns = entry.seen_ns();
        self.lists.push(&mut self.slab, slot);
    }

    #[inline(never)]
    fn insert(
        &mut self,
        (key, from, hash): (FlowKey, KeySide, u32),
        shift: u64,
        packet: &Packet,
        out: &mut Vec<Flow>,
    ) -> u32 {
        if self.slab.len() >= self.config.max_flows.clamp(1, u32::MAX as usize - 1) {
            self.evict(out);
        }
        self.counters.flows += 1;
        let slot = self.slab.insert(Entry::new(key, from, shift, packet));
        if let Some(tunnel) = self.tunnels.of_packet(packet.tunnel) {
            self.slab.get_mut(slot).set_tunnel(&tunnel);
            self.tunnels.retain(key.tunnel);
            self.note_tunnel(slot, from, packet, key.namespace);
        }
        self.index.insert(hash, slot);
        self.lists.push(&mut self.slab, slot);
        if self.config.active_timeout_ns.is_some() {
            self.by_age.push(&mut self.slab, slot);
        }
        self.counters.peak_flows = self.counters.peak_flows.max(self.slab.len() as u64);
        self.slab.get_mut(slot).add(from, packet);
        if packet.tcp_flags & tcp::EVENTS != 0 {
            self.tcp_event(slot, from, packet);
        }
        if packet.payload | packet.segment | self.measures != 0 {
            self.look_closer(slot, from, packet);
        }
        slot
    }

    /// Evicts one flow to make room.
    #[cold]
    fn evict(&mut self, out: &mut Vec<Flow>) {
        let Some(slot) = self.lists.least_valuable(self.config.max_flows) else { return };
        let (reason, detail) = end_of(self.slab.get(slot), FlowEndReason::LackOfResources);
        self.counters.evicted += u64::from(reason == FlowEndReason::LackOfResources);
        self.end(slot, reason, detail, out);
    }

    /// Removes a flow, and appends its record.
    fn end(&mut self, slot: u32, reason: FlowEndReason, detail: FlowEndDetail, out: &mut Vec<Flow>) {
        self.counters.socket_changes += u64::from(detail == FlowEndDetail::SocketChanged);
        self.record(slot, reason, detail, out);
        self.take_out(slot);
    }

    /// Takes a flow out.
    fn take_out(&mut self, slot: u32) {
        let entry = self.slab.get(slot);
        let key = entry.key;
        if entry.has_paths() {
            self.paths.remove(slot);
        }
        if key.tunnel != 0 {
            self.release_tunnels(slot);
        }
        if self.slab.get(slot).is_watched() {
            self.watches.remove(slot);
        }
        if self.slab.get(slot).is_measured() {
            self.healths.remove(slot);
        }
        if self.measures != 0 {
            self.figures.remove(slot);
        }
        self.index.remove(self.hash(&key), slot);
        self.lists.remove(&mut self.slab, slot);
        if self.config.active_timeout_ns.is_some() {
            self.by_age.remove(&mut self.slab, slot);
        }
        self.slab.remove(slot);
    }

    /// The settings of the table.
    #[must_use]
    pub const fn config(&self) -> &FlowTableConfig {
        &self.config
    }

    /// Number of active flows.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.slab.len()
    }

    /// Whether no flow is active.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.slab.len() == 0
    }

    /// The counters up to now.
    #[must_use]
    pub const fn counters(&self) -> FlowTableCounters {
        let mut counters = self.counters;
        counters.unnamed_tunnels = self.tunnels.unnamed();
        counters.translations = self.translations.len() as u64;
        counters.translations_dropped = self.translations.dropped();
        (counters.payloads_dropped, counters.answers_dropped) = self.watches.dropped();
        counters
    }
}

/// The reason for the end of a flow: a closing flow keeps its own reason, others get `reason`.
const fn end_of(entry: &Entry, reason: FlowEndReason) -> (FlowEndReason, FlowEndDetail) {
    match entry.state {
        State::Finished | State::Reset => (FlowEndReason::EndOfFlow, entry.state.detail()),
        State::Free | State::Unanswered | State::Open => (reason, FlowEndDetail::None),
    }
}

/// Why a flow ended when the next connection of the same ports began.
const fn reopened_detail(entry: &Entry) -> FlowEndDetail {
    match entry.state {
        State::Finished | State::Reset => entry.state.detail(),
        State::Free | State::Unanswered | State::Open => FlowEndDetail::NewConnection,
    }
}
