//! Decodes the frames of one packet thread and numbers their interfaces.

use std::collections::HashMap;
use std::ffi::CStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pcap::PacketHeader;
use pidflow_engine::decode::{DecodeRules, Decoder, Frame, LinkType};
use pidflow_engine::packet::Packet;

use super::cooked::Cooked;
use super::links::{NamedLink, Names};
use super::{PacketBatch, Shared};
use crate::shedding::{Dice, Schedule};
use pidflow_capture::{BatchCounts, CaptureCounters, Interface, MAX_BATCH_PACKETS, SocketCounts};

/// The last packets of an interface may be read this long after it disappeared.
const MAX_READ_DELAY: Duration = Duration::from_secs(2);

/// The decoder of one packet thread, with what it has collected since the last batch.
pub(super) struct Frames {
    link: LinkType,
    decoder: Decoder,
    counters: CaptureCounters,
    packets: Vec<Packet>,
    /// Interfaces that no batch has announced yet, or whose names have changed since.
    interfaces: Vec<Interface>,
    /// By the kernel's index, where each frame names its interface (cooked capture).
    numbers: HashMap<u32, Numbered>,
    /// The captured interface, to which all other frames belong.
    own: Numbered,
    own_index: u32,
    /// Counters since the last batch of interfaces that were forgotten.
    counts_left: Vec<BatchCounts>,
    socket: SocketCounts,
    /// libpcap's counters, which begin again at zero after 2^32.
    last_received: u32,
    last_dropped: u32,
    shared: Arc<Shared>,
    names_version: u64,
    schedule: Schedule,
    dice: Dice,
}

/// An interface to which pidflow has given a number.
#[derive(Debug)]
struct Numbered {
    number: u32,
    /// Its last announced state. None: its packets arrived before the kernel reported it.
    known: Option<NamedLink>,
    /// When it was noticed that there is no interface of this index any more.
    gone: Option<Instant>,
    /// Counters since the last batch.
    counts: BatchCounts,
}

impl Numbered {
    fn take_counts(&mut self) -> Option<BatchCounts> {
        let fresh = BatchCounts { interface: self.number, ..BatchCounts::default() };
        (self.counts.captured.packets > 0).then(|| std::mem::replace(&mut self.counts, fresh))
    }
}

impl Frames {
    /// Of an interface with this link type, index and name.
    pub(super) fn new((link, index, name): (u32, u32, &Arc<str>), rules: DecodeRules, shared: Arc<Shared>) -> Self {
        let mut interfaces = Vec::new();
        let own = enter(index, Arc::clone(name), &shared, &mut interfaces);
        Self {
            link: link.into(),
            decoder: Decoder::new(rules),
            counters: CaptureCounters::default(),
            packets: Vec::with_capacity(MAX_BATCH_PACKETS),
            interfaces,
            numbers: HashMap::new(),
            own,
            own_index: index,
            counts_left: Vec::new(),
            socket: SocketCounts::default(),
            last_received: 0,
            last_dropped: 0,
            shared,
            names_version: 0,
            schedule: Schedule::default(),
            dice: Dice::default(),
        }
    }

    /// When the last packet of the batch arrived.
    pub(super) fn last_ns(&self) -> Option<u64> {
        self.packets.last().map(|packet| packet.time_ns)
    }

    pub(super) fn has_room(&self) -> bool {
        self.packets.len() < MAX_BATCH_PACKETS
    }

    pub(super) const fn counters(&self) -> &CaptureCounters {
        &self.counters
    }

    /// Takes over libpcap's counters since the start: packets received, packets dropped because the buffer was full,
    /// and packets dropped by the interface.
    pub(super) fn count_statistics(&mut self, received: u32, dropped: u32, by_interface: u32) {
        let more = |now: u32, last: &mut u32| u64::from(now.wrapping_sub(std::mem::replace(last, now)));
        self.socket.received += more(received, &mut self.last_received);
        self.socket.dropped += more(dropped, &mut self.last_dropped);
        self.counters.kernel_drops = self.socket.dropped;
        self.counters.interface_drops = by_interface.into();
    }

    /// The interface's index, the socket's counters, and the number of frames read from it.
    pub(super) const fn socket(&self) -> (u32, SocketCounts, u64) {
        (self.own_index, self.socket, self.counters.packets)
    }

    /// The time up to which all packets have been read: `all_ns`, unless more may be in the kernel's buffer.
    pub(super) fn seen_until_ns(&self, all_ns: u64) -> u64 {
        self.last_ns().filter(|_| !self.has_room()).unwrap_or(all_ns)
    }

    /// Takes everything collected since the last batch.
    pub(super) fn take_batch(&mut self, source: usize, seen_until_ns: u64) -> PacketBatch {
        let packets = if self.packets.is_empty() {
            Vec::new()
        } else {
            std::mem::replace(&mut self.packets, Vec::with_capacity(MAX_BATCH_PACKETS))
        };
        let interfaces = std::mem::take(&mut self.interfaces);
        let mut counts = std::mem::take(&mut self.counts_left);
        counts.extend(self.own.take_counts());
        counts.extend(self.numbers.values_mut().filter_map(Numbered::take_counts));
        let tunnels = self.decoder.take_tunnels();
        let payloads = self.decoder.take_payloads();
        PacketBatch { source, seen_until_ns, interfaces, counts, tunnels, payloads, packets }
    }

    /// No more frames come: the last batch says that all interfaces are gone.
    pub(super) fn finish(&mut self) {
        let all = self.numbers.iter().map(|(index, numbered)| Interface::gone(numbered.number, *index));
        self.interfaces.extend(all.chain([Interface::gone(self.own.number, self.own_index)]));
    }

    /// Takes over changed names of interfaces, and forgets interfaces that are gone, because their index may be reused.
    pub(super) fn follow_names(&mut self) {
        let version = self.shared.names_version();
        if version == std::mem::replace(&mut self.names_version, version) {
            return;
        }
        let shared = Arc::clone(&self.shared);
        let names = shared.names();
        let (new, left) = (&mut self.interfaces, &mut self.counts_left);
        self.numbers.retain(|index, numbered| {
            let stays = follow(*index, numbered, &names, new);
            if !stays {
                left.extend(numbered.take_counts());
                new.push(Interface::gone(numbered.number, *index));
            }
            stays
        });
        if self.own_index != 0 {
            follow(self.own_index, &mut self.own, &names, new);
        }
    }

    /// Takes over what is left out from now on.
    pub(super) fn follow_shedding(&mut self) {
        let shedding = self.shared.shedding();
        self.schedule = shedding.schedule();
        self.decoder.read_payloads(!shedding.level().sheds_names());
    }

    #[inline]
    pub(super) fn take(&mut self, header: &PacketHeader, data: &[u8]) {
        let cooked = if self.link == LinkType::LinuxSll2 { Cooked::parse(data) } else { None };
        let frame_octets = cooked.map_or(header.len, |cooked| cooked.frame_octets(header.len));
        self.counters.see(frame_octets);
        let interface = match cooked {
            Some(cooked) => self
                .numbers
                .entry(cooked.interface_index)
                .or_insert_with_key(|index| enter(*index, interface_name(*index), &self.shared, &mut self.interfaces)),
            None => &mut self.own,
        };
        interface.counts.see(frame_octets);
        if cooked.is_some_and(Cooked::is_loopback_copy) {
            interface.counts.loopback_copies.count(frame_octets);
            return self.counters.loopback_copies.count(frame_octets);
        }
        let time_ns = time_ns(header);
        let rate = self.schedule.rate_at(time_ns);
        if rate > 1 && !self.dice.selects(rate) {
            interface.counts.sampled_out.count(frame_octets);
            return self.counters.sampled_out.count(frame_octets);
        }
        let frame = Frame { time_ns, wire_octets: header.len, interface: interface.number, data };
        match self.decoder.decode(self.link, &frame) {
            Ok(packet) => self.packets.push(packet.with_octets(packet.octets, frame_octets)),
            Err(reason) => {
                interface.counts.discards.count(reason, frame_octets);
                self.counters.discard(reason, frame_octets);
            }
        }
    }
}

/// Gives an interface a number, and announces it with the next batch.
#[cold]
fn enter(index: u32, name: Arc<str>, shared: &Shared, new: &mut Vec<Interface>) -> Numbered {
    let number = shared.interface_number();
    let known = shared.names().get(&index).filter(|known| known.name == name).cloned();
    new.push(
        known.as_ref().map_or_else(|| Interface::new(number, index, &name), |known| known.interface(number, index)),
    );
    Numbered { number, known, gone: None, counts: BatchCounts { interface: number, ..BatchCounts::default() } }
}

/// Updates one interface. False: it is gone, and either another one has its index or its last packets have been read.
fn follow(index: u32, numbered: &mut Numbered, names: &Names, new: &mut Vec<Interface>) -> bool {
    let Some(now) = names.get(&index) else {
        return numbered.gone.get_or_insert_with(Instant::now).elapsed() < MAX_READ_DELAY;
    };
    if numbered.known.as_ref().is_some_and(|known| known.appearance != now.appearance) {
        return false;
    }
    if numbered.known.as_ref() != Some(now) {
        numbered.known = Some(now.clone());
        new.push(now.interface(numbered.number, index));
    }
    true
}

/// The capture was opened with nanosecond precision: `tv_usec` holds nanoseconds.
fn time_ns(header: &PacketHeader) -> u64 {
    let seconds = u64::try_from(header.ts.tv_sec).unwrap_or(0);
    let nanoseconds = u64::try_from(header.ts.tv_usec).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(nanoseconds)
}

/// The name of an interface of this network namespace; `if` and the index if it is already gone.
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
