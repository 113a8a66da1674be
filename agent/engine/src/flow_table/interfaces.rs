//! The interfaces of packets, and the counters of each.

use std::sync::Arc;

use super::FlowTable;
use crate::decode::FrameCount;
use crate::packet::Packet;

impl FlowTable {
    /// Sets the kernel's index (0: a file) and the name of an interface, identified by the number in
    /// [`Packet::interface`]. Numbers begin at 0 and must be assigned densely.
    pub fn set_interface(&mut self, number: u32, index: u32, name: &Arc<str>) {
        let number = number as usize;
        if self.interfaces.len() <= number {
            self.interfaces.resize_with(number + 1, || (0, Arc::from("")));
            self.by_interface.resize(number + 1, FrameCount::default());
            self.seen_elsewhere.resize(number + 1, FrameCount::default());
        }
        if let Some(known) = self.interfaces.get_mut(number)
            && *known != (index, Arc::clone(name))
        {
            *known = (index, Arc::clone(name));
        }
    }

    /// Sets the network namespace to which the interface with this number leads, as a number of the caller's choice
    /// (for example the namespace's inode); 0: unknown, the initial value.
    ///
    /// Packets with equal addresses and ports on interfaces of different namespaces are in different flows; an unknown
    /// namespace matches any. So a packet seen at several interfaces stays in one flow if only one of them has a
    /// namespace. Set it for interfaces to namespaces that may reuse addresses of others.
    pub fn set_network_namespace(&mut self, interface: u32, namespace: u32) {
        let interface = interface as usize;
        if self.namespaces.len() <= interface && namespace != 0 {
            self.namespaces.resize(interface + 1, 0);
        }
        if let Some(known) = self.namespaces.get_mut(interface) {
            *known = namespace;
        }
    }

    #[inline]
    pub(super) fn count(&mut self, packet: &Packet) {
        self.counters.packets += 1;
        self.counters.octets += u64::from(packet.octets);
        self.counters.frame_octets += u64::from(packet.frame_octets);
        if let Some(counted) = self.by_interface.get_mut(packet.interface as usize) {
            counted.count(packet.frame_octets);
        }
    }

    /// Counts a packet that is counted in its flow at another interface.
    pub(super) fn count_elsewhere(&mut self, packet: &Packet) {
        self.counters.seen_elsewhere.count(packet.frame_octets);
        if let Some(counted) = self.seen_elsewhere.get_mut(packet.interface as usize) {
            counted.count(packet.frame_octets);
        }
    }
}
