//! The thread of one interface.

use std::collections::HashMap;
use std::ffi::CStr;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::Sender;
use pcap::{Active, Capture, PacketHeader};
use pidflow_engine::decode::{Decoder, Fragments, Frame, LinkType};
use pidflow_engine::packet::Packet;

use super::super::counters::count;
use super::super::{BATCH, CaptureCounters, Interface};
use super::cooked::Cooked;
use super::open::{Handle, READ_TIMEOUT_MS};
use super::{PacketBatch, SeenUntil, Shared};
use crate::clock::wall_ns;

/// How long the thread sleeps at most before it looks whether it shall stop.
const POLL_MS: i32 = 100;
/// Packets that the kernel had so long ago have come: it hands over a block of its buffer after the read timeout, and
/// may be late by as much.
const HANDED_OVER_NS: u64 = 2 * READ_TIMEOUT_MS as u64 * 1_000_000;
/// How often the kernel is asked what it dropped.
const STATISTICS_INTERVAL: Duration = Duration::from_secs(1);

/// Reads one interface until it is told to stop, the interface fails, or nobody listens.
pub(super) struct Watch {
    name: String,
    capture: Capture<Active>,
    frames: Frames,
    thread: usize,
    shared: Arc<Shared>,
    batches: Sender<PacketBatch>,
    last_statistics: Instant,
}

/// Whether the thread goes on.
enum Next {
    Go,
    End,
}

impl Watch {
    pub(super) fn new(
        handle: Handle,
        thread: usize,
        shared: &Arc<Shared>,
        batches: Sender<PacketBatch>,
        fragments: Fragments,
    ) -> Self {
        let mut frames = Frames {
            link: handle.link.into(),
            decoder: Decoder::new(fragments),
            counters: CaptureCounters::default(),
            packets: Vec::with_capacity(BATCH),
            interfaces: Vec::new(),
            numbers: HashMap::new(),
            own: 0,
            shared: Arc::clone(shared),
        };
        frames.own = frames.enter(handle.index, handle.name.as_str().into());
        Self {
            name: handle.name,
            capture: handle.capture,
            frames,
            thread,
            shared: Arc::clone(shared),
            batches,
            last_statistics: Instant::now(),
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn run(mut self) {
        let mut next = Next::Go;
        while matches!(next, Next::Go) && !self.shared.is_stopping() {
            next = self.round();
        }
        // What is left in the kernel's buffer was seen before the stop.
        while matches!(next, Next::Go) {
            next = self.read();
            if self.frames.packets.is_empty() || matches!(self.send(0), Next::End) {
                break;
            }
        }
        self.send(SeenUntil::ALL_NS);
        self.statistics();
    }

    /// Waits for packets and hands them on.
    fn round(&mut self) -> Next {
        let begun_ns = wall_ns();
        self.wait();
        let read = self.read();
        let has_all = self.frames.packets.len() < BATCH;
        let last_ns = self.frames.packets.last().map_or(0, |p| p.time_ns);
        let seen_until_ns = if has_all { begun_ns.saturating_sub(HANDED_OVER_NS) } else { last_ns };
        if matches!(self.send(seen_until_ns), Next::End) {
            return Next::End;
        }
        if self.last_statistics.elapsed() >= STATISTICS_INTERVAL {
            self.statistics();
        }
        self.shared.publish(self.thread, &self.frames.counters);
        read
    }

    fn wait(&self) {
        let mut socket = libc::pollfd { fd: self.capture.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one valid structure, as the count says. A signal that interrupts it ends the wait early.
        unsafe { libc::poll(&raw mut socket, 1, POLL_MS) };
    }

    /// Decodes what the kernel has, at most one batch.
    fn read(&mut self) -> Next {
        while self.frames.packets.len() < BATCH {
            match self.capture.next_packet() {
                Ok(packet) => self.frames.take(packet.header, packet.data),
                Err(pcap::Error::TimeoutExpired) => break,
                Err(error) => return self.lose(&error),
            }
        }
        Next::Go
    }

    #[cold]
    fn lose(&mut self, error: &pcap::Error) -> Next {
        tracing::error!("interface {}: {error}; it is not watched any more, others go on", self.name);
        self.frames.counters.lost_interfaces += 1;
        Next::End
    }

    /// Waits where the channel is full: then the kernel's buffer fills, and the kernel counts what it drops.
    fn send(&mut self, seen_until_ns: u64) -> Next {
        let packets = if self.frames.packets.is_empty() {
            Vec::new()
        } else {
            std::mem::replace(&mut self.frames.packets, Vec::with_capacity(BATCH))
        };
        let interfaces = std::mem::take(&mut self.frames.interfaces);
        match self.batches.send(PacketBatch { source: self.thread, seen_until_ns, interfaces, packets }) {
            Ok(()) => Next::Go,
            Err(_) => Next::End,
        }
    }

    /// libpcap's own counters grow from the start on.
    fn statistics(&mut self) {
        self.last_statistics = Instant::now();
        if let Ok(statistics) = self.capture.stats() {
            self.frames.counters.kernel_drops = statistics.dropped.into();
            self.frames.counters.interface_drops = statistics.if_dropped.into();
        }
        self.shared.publish(self.thread, &self.frames.counters);
    }
}

/// Frames to packets.
struct Frames {
    link: LinkType,
    decoder: Decoder,
    counters: CaptureCounters,
    packets: Vec<Packet>,
    /// New ones since the last batch.
    interfaces: Vec<Interface>,
    /// From the kernel's index to our number.
    numbers: HashMap<u32, u32>,
    /// The number of the interface itself.
    own: u32,
    shared: Arc<Shared>,
}

impl Frames {
    #[inline]
    fn take(&mut self, header: &PacketHeader, data: &[u8]) {
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
            Some(number) => *number,
            None => self.enter(index, interface_name(index)),
        }
    }

    fn enter(&mut self, index: u32, name: Arc<str>) -> u32 {
        let number = self.shared.interface_number();
        self.numbers.insert(index, number);
        self.interfaces.push(Interface { number, index, name });
        number
    }
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
    // SAFETY: the buffer has the IF_NAMESIZE octets that the call may write.
    let found = unsafe { libc::if_indextoname(index, buffer.as_mut_ptr()) };
    if found.is_null() {
        return format!("if{index}").into();
    }
    // SAFETY: the call succeeded, so the buffer holds a string that ends with a NUL.
    unsafe { CStr::from_ptr(buffer.as_ptr()) }.to_string_lossy().into()
}
