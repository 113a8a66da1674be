//! Frames of one packet thread, decoded, with the numbers of their interfaces.

use std::collections::HashMap;
use std::ffi::CStr;
use std::sync::Arc;

use pcap::PacketHeader;
use pidflow_engine::decode::{Decoder, Fragments, Frame, LinkType};
use pidflow_engine::packet::Packet;

use super::super::counters::count;
use super::super::{BATCH, CaptureCounters, Interface};
use super::Shared;
use super::cooked::Cooked;
use super::shared::Names;

/// Frames to packets.
pub(super) struct Frames {
    link: LinkType,
    decoder: Decoder,
    counters: CaptureCounters,
    packets: Vec<Packet>,
    /// Interfaces that no batch named yet, or that have another name since.
    interfaces: Vec<Interface>,
    /// By the kernel's index.
    numbers: HashMap<u32, Numbered>,
    /// The number of the interface itself.
    own: u32,
    shared: Arc<Shared>,
    names_version: u64,
}

/// An interface with a number of ours.
#[derive(Debug)]
struct Numbered {
    number: u32,
    name: Arc<str>,
    /// Distinguishes it from others that get its index later. None: its packets arrived before the kernel reported it.
    appearance: Option<u64>,
}

impl Frames {
    /// Of an interface with this link type, index and name.
    pub(super) fn new((link, index, name): (u32, u32, &Arc<str>), fragments: Fragments, shared: Arc<Shared>) -> Self {
        let mut this = Self {
            link: link.into(),
            decoder: Decoder::new(fragments),
            counters: CaptureCounters::default(),
            packets: Vec::with_capacity(BATCH),
            interfaces: Vec::new(),
            numbers: HashMap::new(),
            own: 0,
            shared,
            names_version: 0,
        };
        this.own = this.enter(index, Arc::clone(name));
        this
    }

    /// When the last packet of the batch arrived.
    pub(super) fn last_ns(&self) -> Option<u64> {
        self.packets.last().map(|packet| packet.time_ns)
    }

    pub(super) fn has_room(&self) -> bool {
        self.packets.len() < BATCH
    }

    pub(super) const fn counters(&self) -> &CaptureCounters {
        &self.counters
    }

    /// libpcap's own counters grow from the start on.
    pub(super) const fn count_drops(&mut self, by_kernel: u64, by_interface: u64) {
        self.counters.kernel_drops = by_kernel;
        self.counters.interface_drops = by_interface;
    }

    /// Up to when all packets have come: `all_ns` unless there may be more in the kernel's buffer.
    pub(super) fn seen_until_ns(&self, all_ns: u64) -> u64 {
        self.last_ns().filter(|_| !self.has_room()).unwrap_or(all_ns)
    }

    /// New interfaces and packets since the last batch.
    pub(super) fn take_batch(&mut self) -> (Vec<Interface>, Vec<Packet>) {
        let packets = if self.packets.is_empty() {
            Vec::new()
        } else {
            std::mem::replace(&mut self.packets, Vec::with_capacity(BATCH))
        };
        (std::mem::take(&mut self.interfaces), packets)
    }

    /// Takes over other names of interfaces, and forgets those that are gone: the next packet with the index of one is of
    /// another interface.
    pub(super) fn follow_names(&mut self) {
        let version = self.shared.names_version();
        if version == std::mem::replace(&mut self.names_version, version) {
            return;
        }
        let shared = Arc::clone(&self.shared);
        let names = shared.names();
        let new = &mut self.interfaces;
        self.numbers.retain(|index, numbered| *index == 0 || follow(*index, numbered, &names, new));
    }

    #[inline]
    pub(super) fn take(&mut self, header: &PacketHeader, data: &[u8]) {
        let mut frame = Frame { time_ns: time_ns(header), wire_octets: header.len, interface: self.own, data };
        let cooked = if self.link == LinkType::LinuxSll2 { Cooked::parse(data) } else { None };
        let frame_octets = cooked.map_or(header.len, |cooked| cooked.frame_octets(header.len));
        self.counters.see(frame_octets);
        if let Some(cooked) = cooked {
            if cooked.is_loopback_copy() {
                count(&mut self.counters.loopback_copies, frame_octets);
                return;
            }
            frame.interface = self.number(cooked.interface_index);
        }
        match self.decoder.decode(self.link, &frame) {
            Ok(packet) => self.packets.push(packet.with_octets(packet.octets, frame_octets)),
            Err(reason) => self.counters.discard(reason, frame_octets),
        }
    }

    #[inline]
    fn number(&mut self, index: u32) -> u32 {
        match self.numbers.get(&index) {
            Some(numbered) => numbered.number,
            None => self.enter(index, interface_name(index)),
        }
    }

    fn enter(&mut self, index: u32, name: Arc<str>) -> u32 {
        let number = self.shared.interface_number();
        let appearance = self.shared.names().get(&index).filter(|(_, known)| *known == name).map(|(n, _)| *n);
        self.numbers.insert(index, Numbered { number, name: Arc::clone(&name), appearance });
        self.interfaces.push(Interface { number, index, name });
        number
    }
}

/// False: it has disappeared.
fn follow(index: u32, numbered: &mut Numbered, names: &Names, new: &mut Vec<Interface>) -> bool {
    let Some((appearance, name)) = names.get(&index) else { return false };
    if numbered.appearance.is_some_and(|known| known != *appearance) {
        return false;
    }
    numbered.appearance = Some(*appearance);
    if numbered.name != *name {
        numbered.name = Arc::clone(name);
        new.push(Interface { number: numbered.number, index, name: Arc::clone(name) });
    }
    true
}

/// The capture was opened with nanoseconds, which stand in the place of microseconds.
fn time_ns(header: &PacketHeader) -> u64 {
    let seconds = u64::try_from(header.ts.tv_sec).unwrap_or(0);
    let nanoseconds = u64::try_from(header.ts.tv_usec).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(nanoseconds)
}

/// The name of an interface of this network namespace; `if7` where it is gone already.
#[cold]
fn interface_name(index: u32) -> Arc<str> {
    let mut buffer: [libc::c_char; libc::IF_NAMESIZE] = [0; libc::IF_NAMESIZE];
    // SAFETY: the buffer has the IF_NAMESIZE bytes that the call may write.
    let found = unsafe { libc::if_indextoname(index, buffer.as_mut_ptr()) };
    if found.is_null() {
        return format!("if{index}").into();
    }
    // SAFETY: the call succeeded, so the buffer holds a string that ends with a NUL.
    unsafe { CStr::from_ptr(buffer.as_ptr()) }.to_string_lossy().into()
}
