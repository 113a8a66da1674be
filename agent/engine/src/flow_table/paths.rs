//! Selects the interface at which a flow that several interfaces see is counted.
//!
//! A packet may pass several interfaces of a host: a bridge and its port, a bond and its members, a VLAN or macvlan
//! device and its lower device, both ends of a veth pair, a container's interface and the network card. Each direction
//! of a flow is counted at the interface that saw it first, so that its counters are those of one observation point
//! (RFC 7011). If no more packets arrive there because the route has changed, it is counted at the interface where
//! packets arrive.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use super::FlowTable;
use super::key::KeySide;
use super::side::Side;
use crate::packet::{Packet, address};

/// If no packet of a direction arrives at its interface for this long, the direction is counted at another one,
/// nanoseconds. This is longer than a packet waits between two interfaces in the queue of a slow line.
const MAX_PASSAGE_NS: u64 = 1_000_000_000;
/// At most one in this many flows of the table may be seen by several interfaces.
const PART_OF_FLOWS: usize = 8;
/// The smallest limit of such flows.
const MIN_FLOWS: usize = 1024;
/// No interface.
const NOWHERE: u32 = u32::MAX;

/// The interface at which the packets that an interface sees are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Observation {
    /// At this one, if it sees them first.
    #[default]
    ByItself,
    /// At this one, together with all others with this number (the kernel's index of a bond): each sees different
    /// packets of the same flows.
    TogetherAs(u32),
    /// At another one, which sees all packets that this one sees (a bond of which this is a member).
    ByAnother,
}

/// The interface at which one direction of a flow is counted. Times are in the packets' own time.
#[derive(Debug, Clone, Copy)]
struct Path {
    interface: u32,
    /// The interface at which it was counted before `since_ns`.
    before: u32,
    since_ns: u64,
    /// Time of the last packet there.
    last_ns: u64,
}

impl Path {
    const fn at(interface: u32, last_ns: u64) -> Self {
        Self { interface, before: NOWHERE, since_ns: 0, last_ns }
    }

    /// Whether a packet that this interface saw at this time is to be counted, because it was not counted at another
    /// interface. Each interface is read by its own thread, so older packets of one may arrive after newer ones of
    /// another.
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

/// The flows that several interfaces see, by slot, with a path for the low and the high side of the key.
#[derive(Debug, Default)]
pub(super) struct Paths {
    of_flow: HashMap<u32, [Path; 2], RandomState>,
}

impl Paths {
    /// Memory per flow in the table, bytes: the map has capacity for up to twice as many entries.
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

    /// The clock was set, and the time is `now_ns` on the new one: earlier times are not comparable.
    pub(super) fn set_clock(&mut self, slot: u32, now_ns: u64) {
        let paths = self.of_flow.get_mut(&slot).into_iter().flatten();
        paths.for_each(|path| *path = Path::at(path.interface, now_ns));
    }
}

impl FlowTable {
    /// Sets the interface at which the packets of the interface with this number are counted, if each packet is counted
    /// once.
    pub fn set_observation(&mut self, interface: u32, observation: Observation) {
        if observation != Observation::ByItself {
            self.has_observations = true;
            self.interfaces.change(interface, |known| known.observation = observation);
        } else if let Some(known) = self.interfaces.get_mut(interface) {
            known.observation = observation;
        }
    }

    fn observation(&self, interface: u32) -> Observation {
        self.interfaces.get(interface).map_or(Observation::ByItself, |known| known.observation)
    }

    /// Counts the packet, of the flow in slot `known` if there is one. False: it is counted at another interface.
    #[inline]
    pub(super) fn is_counted_here(&mut self, known: Option<u32>, sight: (KeySide, Side), packet: &Packet) -> bool {
        if self.is_of_another(packet) || known.is_some_and(|slot| self.is_seen_elsewhere(slot, sight, packet)) {
            self.count_elsewhere(packet);
            return false;
        }
        self.count(packet);
        true
    }

    /// Whether all packets of the packet's interface are counted at another one.
    #[inline]
    fn is_of_another(&self, packet: &Packet) -> bool {
        self.has_observations && self.config.counts_once && self.observation(packet.interface) == Observation::ByAnother
    }

    /// Whether this packet of a known flow is counted at another interface.
    #[inline]
    fn is_seen_elsewhere(&mut self, slot: u32, (from, side): (KeySide, Side), packet: &Packet) -> bool {
        let is_at_its_only_interface = self.slab.get(slot).is_seen_only_at(packet.interface, side);
        !is_at_its_only_interface && self.config.counts_once && !self.follow(slot, (from, side), packet)
    }

    /// Whether the packet is to be counted at its interface.
    #[inline(never)]
    fn follow(&mut self, slot: u32, (from, side): (KeySide, Side), packet: &Packet) -> bool {
        let entry = self.slab.get(slot);
        let here = side.point(self.point(packet.interface));
        let first = entry.first_side().point(self.point(entry.interface()));
        if !entry.has_paths() {
            let is_nobodys = address(packet.family, packet.source_bits).is_unspecified();
            if here == first || is_nobodys {
                // The unspecified address (DHCP) does not distinguish hosts.
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

    /// The kernel's index of an interface, which stays when it is renamed or reopened; for a member of a bond, the
    /// index of the bond.
    fn point(&self, number: u32) -> u32 {
        if let Observation::TogetherAs(index) = self.observation(number) {
            return index;
        }
        let index = self.interfaces.label(number).map(|(index, _)| *index);
        index.filter(|index| *index != 0).unwrap_or(NOWHERE - 1 - number)
    }
}
