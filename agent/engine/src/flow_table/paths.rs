//! At which interface a flow is counted that several interfaces see.
//!
//! A packet passes several interfaces of a host: a bridge and its port, a bond and what it is made of, a VLAN or macvlan device
//! and the one below, both ends of a veth pair, a container's interface and the network card. Each direction of a flow is counted
//! where it was seen first, so that its counters are those of one observation point. When nothing comes there any more, because
//! the route has changed, it is counted where packets come.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use super::FlowTable;
use super::key::KeySide;
use super::translated::Side;
use crate::packet::{Packet, address};

/// A direction of which nothing came for so long at its interface is counted at another one, nanoseconds: longer than a packet
/// waits between two interfaces, in the queue of a slow line.
const MAX_PASSAGE_NS: u64 = 1_000_000_000;
/// Flows that several interfaces see may be one of so many in the table.
const PART_OF_FLOWS: usize = 8;
/// The least bound of them.
const MIN_FLOWS: usize = 1024;
/// No interface.
const NOWHERE: u32 = u32::MAX;

/// At which interface the packets are counted that an interface sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Observation {
    /// At this one, where it is the first that sees them.
    #[default]
    ByItself,
    /// At this one, together with all others of this number (the kernel's index of a bond): each of them sees other packets of
    /// the same flows.
    TogetherAs(u32),
    /// At another one, which sees all that this one sees (a bond, where this is a part of it).
    ByAnother,
}

/// Where one direction of a flow is counted. Times are the packets' own.
#[derive(Debug, Clone, Copy)]
struct Path {
    interface: u32,
    /// Where it was counted before `since_ns`.
    before: u32,
    since_ns: u64,
    /// Of the last packet there.
    last_ns: u64,
}

impl Path {
    const fn at(interface: u32, last_ns: u64) -> Self {
        Self { interface, before: NOWHERE, since_ns: 0, last_ns }
    }

    /// Whether a packet that this interface saw then is to be counted: it is one that no other interface has been counted for.
    /// Interfaces are read by threads of their own, so that packets of one may come later than newer ones of another.
    fn counts(&mut self, interface: u32, time_ns: u64) -> bool {
        if interface != self.interface {
            let is_late = interface == self.before && time_ns < self.since_ns;
            if is_late || time_ns <= self.last_ns.saturating_add(MAX_PASSAGE_NS) {
                return is_late;
            }
            *self = Self { interface, before: self.interface, since_ns: time_ns, last_ns: time_ns };
        }
        self.last_ns = self.last_ns.max(time_ns);
        time_ns >= self.since_ns
    }
}

/// The flows that several interfaces see, by slot: low and high side of the key.
#[derive(Debug, Default)]
pub(super) struct Paths {
    of_flow: HashMap<u32, [Path; 2], RandomState>,
}

impl Paths {
    /// For each flow in the table, bytes: the map has room for up to twice as many.
    pub(super) const MAX_BYTES_PER_FLOW: usize = 2 * (size_of::<(u32, [Path; 2])>() + 1) / PART_OF_FLOWS;

    pub(super) fn allocated_bytes(&self) -> usize {
        self.of_flow.capacity() * (size_of::<(u32, [Path; 2])>() + 1)
    }

    pub(super) fn remove(&mut self, slot: u32) {
        self.of_flow.remove(&slot);
    }

    pub(super) fn clear(&mut self) {
        self.of_flow = HashMap::default();
    }

    pub(super) fn relocate(&mut self, from: u32, to: u32) {
        if let Some(paths) = self.of_flow.remove(&from) {
            self.of_flow.insert(to, paths);
        }
    }

    /// The flow stands under the addresses before translation from now on: what was seen of it was on this side of it.
    pub(super) fn turn_to_before(&mut self, slot: u32, side: Side, is_turned: bool) {
        let Some(paths) = self.of_flow.get_mut(&slot) else { return };
        if is_turned {
            paths.reverse();
        }
        for place in paths.iter_mut().flat_map(|path| [&mut path.interface, &mut path.before]) {
            *place = if *place == NOWHERE { NOWHERE } else { side.point(*place) };
        }
    }

    pub(super) fn shrink(&mut self) {
        self.of_flow.shrink_to_fit();
    }

    /// The clock was set, and it is `now_ns` by the new one: times before are not comparable.
    pub(super) fn set_clock(&mut self, slot: u32, now_ns: u64) {
        let paths = self.of_flow.get_mut(&slot).into_iter().flatten();
        paths.for_each(|path| *path = Path::at(path.interface, now_ns));
    }
}

impl FlowTable {
    /// Says at which interface the packets of the interface of this number are counted, where each is counted once.
    pub fn set_observation(&mut self, interface: u32, observation: Observation) {
        let interface = interface as usize;
        if self.observations.len() <= interface && observation != Observation::ByItself {
            self.observations.resize(interface + 1, Observation::ByItself);
        }
        if let Some(known) = self.observations.get_mut(interface) {
            *known = observation;
        }
    }

    fn observation(&self, interface: u32) -> Observation {
        self.observations.get(interface as usize).copied().unwrap_or_default()
    }

    /// Counts the packet, of the flow in this slot if it is known. False: another interface is counted for it.
    #[inline]
    pub(super) fn is_counted_here(&mut self, known: Option<u32>, sight: (KeySide, Side), packet: &Packet) -> bool {
        if self.is_of_another(packet) || known.is_some_and(|slot| self.is_seen_elsewhere(slot, sight, packet)) {
            self.count_elsewhere(packet);
            return false;
        }
        self.count(packet);
        true
    }

    /// Whether all packets of its interface are counted at another one.
    #[inline]
    fn is_of_another(&self, packet: &Packet) -> bool {
        !self.observations.is_empty()
            && self.config.counts_once
            && self.observation(packet.interface) == Observation::ByAnother
    }

    /// Whether another interface is counted for this packet of a known flow.
    #[inline]
    fn is_seen_elsewhere(&mut self, slot: u32, (from, side): (KeySide, Side), packet: &Packet) -> bool {
        let entry = self.slab.get(slot);
        let is_at_its_only_interface =
            entry.interface() == packet.interface && entry.first_side() == side && !entry.has_paths();
        !is_at_its_only_interface && self.config.counts_once && !self.follow(slot, (from, side), packet)
    }

    /// Whether the packet is to be counted where it was seen.
    #[inline(never)]
    fn follow(&mut self, slot: u32, (from, side): (KeySide, Side), packet: &Packet) -> bool {
        let entry = self.slab.get(slot);
        let here = side.point(self.point(packet.interface));
        let first = entry.first_side().point(self.point(entry.interface()));
        if !entry.has_paths() {
            let is_nobodys = address(packet.family, packet.source_bits).is_unspecified();
            if here == first || is_nobodys {
                // Hosts without an address (DHCP) are not told apart by it.
                return true;
            }
            if self.paths.of_flow.len() >= (self.config.max_flows / PART_OF_FLOWS).max(MIN_FLOWS) {
                return false;
            }
            let entry = self.slab.get_mut(slot);
            entry.set_has_paths();
            let begun = [KeySide::Low, KeySide::High].map(|side| {
                let has_begun = entry.sent(side).has_sent();
                Path::at(if has_begun { first } else { NOWHERE }, entry.last_ns)
            });
            self.paths.of_flow.insert(slot, begun);
        }
        let paths = self.paths.of_flow.get_mut(&slot);
        let Some(path) = paths.and_then(|paths| paths.get_mut(from as usize)) else { return true };
        if path.interface == NOWHERE {
            *path = Path::at(here, packet.time_ns);
        }
        path.counts(here, packet.time_ns)
    }

    /// The kernel's index of an interface, which stays when it gets another name or is opened again; or of what it is a part of.
    fn point(&self, number: u32) -> u32 {
        if let Observation::TogetherAs(index) = self.observation(number) {
            return index;
        }
        let index = self.interfaces.get(number as usize).map(|interface| interface.0);
        index.filter(|index| *index != 0).unwrap_or(NOWHERE - 1 - number)
    }
}
