//! The interfaces that packets come from, and what was counted at each.

use std::sync::Arc;

use super::FlowTable;
use crate::decode::FrameCount;
use crate::packet::Packet;

impl FlowTable {
    /// Says what the number in [`Packet::interface`] stands for: the kernel's index (0: a file) and the name.
    /// Numbers begin at 0 and must be given out densely.
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

    /// Says to which network namespace the interface of this number leads, by a number of the caller's (for example the
    /// namespace's inode); 0: unknown, as it is for all at first.
    ///
    /// Equal addresses and ports on interfaces of different namespaces are different flows; an unknown one goes with any.
    /// So a packet that is seen on its way through several interfaces stays in one flow if only one of them has a
    /// namespace. Name those behind which addresses of other namespaces may be used again.
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

    /// Another interface is counted for this packet.
    pub(super) fn count_elsewhere(&mut self, packet: &Packet) {
        self.counters.seen_elsewhere.count(packet.frame_octets);
        if let Some(counted) = self.seen_elsewhere.get_mut(packet.interface as usize) {
            counted.count(packet.frame_octets);
        }
    }
}
