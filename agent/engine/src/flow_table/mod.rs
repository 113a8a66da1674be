//! Packets to bidirectional flows.
//!
//! Flows lie in a slab and are found through a table of hashes ([`index`]). Three lists run through them: the idle
//! ones by time of their last packet, the closing ones (after FIN or RST) by time of closing, and, where there is
//! an active timeout, all by time of the first packet of their record. Nothing is allocated per packet.

mod changes;
mod config;
mod entry;
mod expiry;
mod handshake;
mod index;
mod key;
mod prefetch;
mod slab;
mod tcp;
#[cfg(test)]
mod tests;

use std::hash::BuildHasher;
use std::net::IpAddr;
use std::sync::Arc;

use foldhash::fast::RandomState;
use pidflow_schema::record::{Flow, FlowEndDetail, FlowEndReason, Protocol};

use crate::packet::{Packet, TcpFlags, address_bits};
use changes::{Changes, Endpoint, LATE_ANSWER_NS, LEAST_GAP_NS};
pub use config::{FlowTableConfig, FlowTableCounters};
use entry::{Entry, State};
use index::Index;
use key::{End, FlowKey};
use slab::{Activity, Age, List, Slab};

/// How many packets ahead of the one that is counted [`FlowTable::update_all`] fetches a flow; twice as many ahead it
/// fetches where the flow is found.
const AHEAD: usize = 8;

/// The table of flows that are under way.
#[derive(Debug)]
pub struct FlowTable {
    config: FlowTableConfig,
    relist_ns: u64,
    index: Index,
    slab: Slab,
    idle: List<Activity>,
    closing: List<Activity>,
    by_age: List<Age>,
    changes: Changes,
    hasher: RandomState,
    /// Of the packets of one batch; kept for its memory.
    hashes: Vec<u32>,
    interfaces: Vec<(u32, Arc<str>)>,
    no_interface: (u32, Arc<str>),
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
            index: Index::new(),
            slab: Slab::default(),
            idle: List::default(),
            closing: List::default(),
            by_age: List::default(),
            changes: Changes::new(),
            hasher: RandomState::default(),
            hashes: Vec::new(),
            interfaces: Vec::new(),
            no_interface: (0, Arc::from("")),
            counters: FlowTableCounters::default(),
        }
    }

    /// Says what the number in [`Packet::interface`] stands for: the kernel's index (0: a file) and the name.
    /// Numbers begin at 0 and must be given out densely.
    pub fn set_interface(&mut self, number: u32, index: u32, name: &Arc<str>) {
        let number = number as usize;
        if self.interfaces.len() <= number {
            self.interfaces.resize_with(number + 1, || (0, Arc::from("")));
        }
        if let Some(known) = self.interfaces.get_mut(number)
            && *known != (index, Arc::clone(name))
        {
            *known = (index, Arc::clone(name));
        }
    }

    /// Counts a packet in its flow. Records of flows that this packet ends go to `out`.
    #[inline]
    pub fn update(&mut self, packet: &Packet, out: &mut Vec<Flow>) {
        let (key, from) = FlowKey::of(packet);
        let hash = self.hash(&key);
        self.update_hashed((key, from, hash), packet, out);
    }

    /// The same as [`FlowTable::update`] for each packet in turn, faster: while one is counted, the memory that the
    /// next ones need is fetched.
    pub fn update_all(&mut self, packets: &[Packet], out: &mut Vec<Flow>) {
        let mut hashes = std::mem::take(&mut self.hashes);
        hashes.clear();
        hashes.extend(packets.iter().map(|packet| self.hash(&FlowKey::of(packet).0)));
        for (at, (packet, hash)) in packets.iter().zip(&hashes).enumerate() {
            if let Some(later) = hashes.get(at + 2 * AHEAD) {
                prefetch::line(self.index.line(*later));
            }
            if let Some(slot) = hashes.get(at + AHEAD).and_then(|later| self.index.candidate(*later)) {
                prefetch::two_lines(self.slab.line(slot));
            }
            let (key, from) = FlowKey::of(packet);
            self.update_hashed((key, from, *hash), packet, out);
        }
        self.hashes = hashes;
    }

    #[inline]
    fn update_hashed(&mut self, (key, from, hash): (FlowKey, End, u32), packet: &Packet, out: &mut Vec<Flow>) {
        self.count(packet);
        let slab = &self.slab;
        let known = self.index.find(hash, |slot| slab.get(slot).key == key);
        if let Some(slot) = known {
            let Some((reason, detail)) = self.ended_before(slot, from, packet) else {
                self.add(slot, from, packet, out);
                return;
            };
            self.end(slot, reason, detail, out);
        }
        self.insert(Entry::new(key, hash, from, packet), from, packet, out);
    }

    fn count(&mut self, packet: &Packet) {
        self.counters.packets += 1;
        self.counters.octets += u64::from(packet.octets);
        self.counters.frame_octets += u64::from(packet.frame_octets);
    }

    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "32 bits are what the index keeps")]
    fn hash(&self, key: &FlowKey) -> u32 {
        self.hasher.hash_one(key) as u32
    }

    /// Whether the flow in `slot` had ended before `packet`, which then begins another one.
    #[inline]
    fn ended_before(&self, slot: u32, from: End, packet: &Packet) -> Option<(FlowEndReason, FlowEndDetail)> {
        if self.config.is_whole_capture() {
            return None;
        }
        let entry = self.slab.get(slot);
        let gap_ns = packet.time_ns.saturating_sub(entry.last_ns);
        if self.config.idle_timeout_ns.is_some_and(|idle| gap_ns >= idle) {
            return Some(end_of(entry, FlowEndReason::IdleTimeout));
        }
        if packet.protocol == Protocol::TCP {
            let reopened = packet.tcp_flags & TcpFlags::SYN != 0 && tcp::reopens(entry, from, packet);
            return reopened.then(|| (FlowEndReason::EndOfFlow, reopened_detail(entry)));
        }
        let changed =
            gap_ns > LEAST_GAP_NS && !self.changes.is_empty() && self.socket_changed(entry, from, packet.time_ns);
        changed.then_some((FlowEndReason::EndOfFlow, FlowEndDetail::SocketChanged))
    }

    /// Whether the sender's endpoint changed hands since it sent last, or the receiver's so long ago that the packet
    /// cannot be an answer to the owner before.
    fn socket_changed(&self, entry: &Entry, from: End, now_ns: u64) -> bool {
        let FlowKey { low, high, low_port, high_port, protocol, family, .. } = entry.key;
        let low = Endpoint::new(protocol, family, low, low_port);
        let high = Endpoint::new(protocol, family, high, high_port);
        let (sender, receiver) = if from == End::Low { (low, high) } else { (high, low) };
        let sent_ns = entry.sent(from).last_sent_ns(now_ns).unwrap_or(entry.first_ns).max(entry.first_ns);
        let is_late = now_ns.saturating_sub(entry.last_ns) > LATE_ANSWER_NS;
        self.changes.between(sender, sent_ns, now_ns)
            || (is_late && self.changes.between(receiver, entry.last_ns, now_ns))
    }

    /// Counts a packet in a flow that is there.
    #[inline]
    fn add(&mut self, slot: u32, from: End, packet: &Packet, out: &mut Vec<Flow>) {
        if self.config.active_timeout_ns.is_some() {
            self.split_if_old(slot, packet.time_ns, out);
            self.note_record_start(slot);
        }
        let entry = self.slab.get_mut(slot);
        entry.add(from, packet);
        if entry.last_ns.saturating_sub(entry.listed_ns) > self.relist_ns && entry.state == State::Open {
            entry.listed_ns = entry.last_ns;
            self.idle.remove(&mut self.slab, slot);
            self.idle.push(&mut self.slab, slot);
        }
        if packet.tcp_flags & tcp::EVENTS != 0 {
            self.tcp_event(slot, from, packet);
        }
    }

    fn tcp_event(&mut self, slot: u32, from: End, packet: &Packet) {
        let entry = self.slab.get_mut(slot);
        let was_open = entry.state == State::Open;
        tcp::note(entry, from, packet);
        if self.config.is_whole_capture() {
            entry.state = State::Open;
        }
        match (was_open, entry.state == State::Open) {
            (true, false) => self.close(slot),
            (false, true) => self.reopen(slot),
            _ => {}
        }
    }

    fn close(&mut self, slot: u32) {
        let entry = self.slab.get_mut(slot);
        entry.listed_ns = entry.last_ns;
        self.idle.remove(&mut self.slab, slot);
        self.closing.push(&mut self.slab, slot);
    }

    fn reopen(&mut self, slot: u32) {
        let entry = self.slab.get_mut(slot);
        entry.listed_ns = entry.last_ns;
        self.closing.remove(&mut self.slab, slot);
        self.idle.push(&mut self.slab, slot);
    }

    fn insert(&mut self, entry: Entry, from: End, packet: &Packet, out: &mut Vec<Flow>) {
        if self.slab.len() >= self.config.max_flows.clamp(1, u32::MAX as usize - 1) {
            self.evict(out);
        }
        self.counters.flows += 1;
        let hash = entry.hash;
        let slot = self.slab.insert(entry);
        self.index.insert(hash, slot);
        self.idle.push(&mut self.slab, slot);
        if self.config.active_timeout_ns.is_some() {
            self.by_age.push(&mut self.slab, slot);
        }
        self.counters.peak_flows = self.counters.peak_flows.max(self.slab.len() as u64);
        self.slab.get_mut(slot).add(from, packet);
        if packet.tcp_flags & tcp::EVENTS != 0 {
            self.tcp_event(slot, from, packet);
        }
    }

    /// Makes room: a closing flow if there is one, else the idlest.
    #[cold]
    fn evict(&mut self, out: &mut Vec<Flow>) {
        let Some(slot) = self.closing.first().or_else(|| self.idle.first()) else { return };
        let (reason, detail) = end_of(self.slab.get(slot), FlowEndReason::LackOfResources);
        self.counters.evicted += u64::from(reason == FlowEndReason::LackOfResources);
        self.end(slot, reason, detail, out);
    }

    /// Takes a flow out and gives its record.
    fn end(&mut self, slot: u32, reason: FlowEndReason, detail: FlowEndDetail, out: &mut Vec<Flow>) {
        self.counters.socket_changes += u64::from(detail == FlowEndDetail::SocketChanged);
        self.record(slot, reason, detail, out);
        let Entry { hash, state, .. } = *self.slab.get(slot);
        self.index.remove(hash, slot);
        match state {
            State::Open => self.idle.remove(&mut self.slab, slot),
            State::Finished | State::Reset => self.closing.remove(&mut self.slab, slot),
        }
        if self.config.active_timeout_ns.is_some() {
            self.by_age.remove(&mut self.slab, slot);
        }
        self.slab.remove(slot);
    }

    /// Gives the record of what was counted since the last one, if anything was.
    fn record(&mut self, slot: u32, reason: FlowEndReason, detail: FlowEndDetail, out: &mut Vec<Flow>) {
        let entry = self.slab.get(slot);
        if entry.packets() > 0 {
            let interface = self.interfaces.get(entry.interface() as usize).unwrap_or(&self.no_interface);
            out.push(entry.flow(reason, detail, interface));
            self.counters.records += 1;
        }
    }

    /// Gives a record of a flow whose record has become older than the active timeout; the flow goes on.
    fn split_if_old(&mut self, slot: u32, now_ns: u64, out: &mut Vec<Flow>) {
        let entry = self.slab.get(slot);
        let age_ns = now_ns.saturating_sub(entry.first_ns);
        if entry.packets() > 0 && self.config.active_timeout_ns.is_some_and(|active| age_ns >= active) {
            self.record(slot, FlowEndReason::ActiveTimeout, FlowEndDetail::None, out);
            self.begin_record(slot, now_ns);
        }
    }

    fn begin_record(&mut self, slot: u32, now_ns: u64) {
        let entry = self.slab.get_mut(slot);
        entry.begin_record();
        entry.first_ns = now_ns;
        self.by_age.remove(&mut self.slab, slot);
        self.by_age.push(&mut self.slab, slot);
    }

    /// Keeps the list by age in order when the first packet since the last record comes.
    #[inline]
    fn note_record_start(&mut self, slot: u32) {
        if self.slab.get(slot).packets() == 0 {
            self.by_age.remove(&mut self.slab, slot);
            self.by_age.push(&mut self.slab, slot);
        }
    }

    /// Ends all flows: closing ones with their own reason, the others with this one. The records come one by one,
    /// so that a table of a million flows is not there twice.
    pub fn drain(&mut self, reason: FlowEndReason, detail: FlowEndDetail) -> impl Iterator<Item = Flow> + '_ {
        self.index = Index::new();
        (self.idle, self.closing, self.by_age) = (List::default(), List::default(), List::default());
        let slab = std::mem::take(&mut self.slab);
        let Self { interfaces, no_interface, counters, .. } = self;
        slab.into_live().filter(|entry| entry.packets() > 0).map(move |entry| {
            counters.records += 1;
            let interface = interfaces.get(entry.interface() as usize).unwrap_or(no_interface);
            let (reason, detail) = match entry.state {
                State::Open => (reason, detail),
                state => (FlowEndReason::EndOfFlow, state.detail()),
            };
            entry.flow(reason, detail, interface)
        })
    }

    /// [`FlowTable::drain`] into a vector.
    pub fn finish(&mut self, reason: FlowEndReason, detail: FlowEndDetail, out: &mut Vec<Flow>) {
        out.extend(self.drain(reason, detail));
    }

    /// Says that a socket of this host with this address and port got another owner, or was made, at `time_ns`
    /// (packet time). An unspecified address stands for all addresses. The next packet that the endpoint sends begins
    /// another flow (one sent to it soon after may be a late answer and does not). Protocols with SYN need no such help and are left alone.
    pub fn endpoint_changed(&mut self, protocol: u8, address: IpAddr, port: u16, time_ns: u64) {
        if protocol != Protocol::TCP && !self.config.is_whole_capture() {
            let (family, bits) = address_bits(address);
            self.changes.note(Endpoint::new(protocol, family, bits, port), time_ns);
        }
    }

    /// What it was made with.
    #[must_use]
    pub const fn config(&self) -> &FlowTableConfig {
        &self.config
    }

    /// Flows under way.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.slab.len()
    }

    /// No flow is under way.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.slab.len() == 0
    }

    /// What the table did so far.
    #[must_use]
    pub const fn counters(&self) -> FlowTableCounters {
        self.counters
    }
}

/// A closing flow ends with its own reason, whatever moved it out.
const fn end_of(entry: &Entry, reason: FlowEndReason) -> (FlowEndReason, FlowEndDetail) {
    match entry.state {
        State::Open => (reason, FlowEndDetail::None),
        state => (FlowEndReason::EndOfFlow, state.detail()),
    }
}

/// Why a flow ended when the next connection of the same ports began.
const fn reopened_detail(entry: &Entry) -> FlowEndDetail {
    match entry.state {
        State::Open => FlowEndDetail::NewConnection,
        state => state.detail(),
    }
}
