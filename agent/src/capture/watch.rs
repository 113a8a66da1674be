//! The packet thread of one interface.

use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::Sender;
use pcap::{Active, Capture};
use pidflow_engine::decode::DecodeRules;

use super::frames::Frames;
use super::open::{Handle, READ_TIMEOUT_MS, bound_to};
use super::{PacketBatch, SeenUntil, Shared};
use crate::clock::wall_ns;
use crate::privileges::Role;

/// How often the thread checks whether it should stop.
const POLL_MS: i32 = 100;
/// The greatest delay with which the kernel hands over a packet: the read timeout after which it hands over a block,
/// and as much again for lateness.
const MAX_HANDOVER_DELAY_NS: u64 = 2 * READ_TIMEOUT_MS as u64 * 1_000_000;
/// How long the kernel's buffer is drained at the end. Without a limit this would not end under load.
const MAX_DRAIN: Duration = Duration::from_secs(1);
/// Time between two readings of the socket's counters.
const STATISTICS_INTERVAL: Duration = Duration::from_secs(1);

/// Reads one interface until it is stopped, the interface disappears or fails, or the receiver is dropped.
pub(super) struct Watch {
    /// The kernel's index, 0: `any`.
    index: u32,
    is_gone: Arc<AtomicBool>,
    capture: Capture<Active>,
    frames: Frames,
    thread: usize,
    shared: Arc<Shared>,
    batches: Sender<PacketBatch>,
    last_statistics: Instant,
}

/// Why a thread ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// The thread was asked to stop, its interface disappeared, or the receiver was dropped.
    Asked,
    /// The interface cannot be read any more: it is down, gone, or something else is wrong.
    Failed(String),
}

/// Whether the thread goes on.
enum LoopStep {
    Go,
    End(Ended),
}

impl Watch {
    pub(super) fn new(
        handle: Handle,
        (thread, is_gone): (usize, &Arc<AtomicBool>),
        shared: &Arc<Shared>,
        batches: Sender<PacketBatch>,
        rules: DecodeRules,
    ) -> Self {
        let frames = Frames::new((handle.link, handle.index, &handle.name), rules, Arc::clone(shared));
        Self {
            index: handle.index,
            is_gone: Arc::clone(is_gone),
            capture: handle.capture,
            frames,
            thread,
            shared: Arc::clone(shared),
            batches,
            last_statistics: Instant::now(),
        }
    }

    pub(super) fn run(mut self) -> Ended {
        // Untrusted packets are decoded here, and reading needs no capability.
        Role::Packets.enter_or_warn();
        let ended = loop {
            if self.is_to_end() {
                break Ended::Asked;
            }
            if let LoopStep::End(ended) = self.round() {
                break ended;
            }
        };
        self.drain();
        self.frames.finish();
        self.send(SeenUntil::ALL_NS);
        self.statistics();
        ended
    }

    /// Sends the packets left in the kernel's buffer, which arrived before the end.
    fn drain(&mut self) {
        std::thread::sleep(Duration::from_nanos(MAX_HANDOVER_DELAY_NS));
        let end = Instant::now() + MAX_DRAIN;
        while Instant::now() < end {
            let next = self.read();
            let Some(last_ns) = self.frames.last_ns() else { break };
            if matches!(self.send(last_ns), LoopStep::End(_)) || matches!(next, LoopStep::End(_)) {
                break;
            }
        }
    }

    fn is_to_end(&self) -> bool {
        self.shared.is_stopping() || self.is_gone.load(Ordering::Relaxed)
    }

    /// Waits for packets and hands them on.
    fn round(&mut self) -> LoopStep {
        let begun_ns = wall_ns();
        self.wait();
        self.frames.follow_names();
        self.frames.follow_shedding();
        let read = self.read();
        let seen_until_ns = self.frames.seen_until_ns(begun_ns.saturating_sub(MAX_HANDOVER_DELAY_NS));
        if let LoopStep::End(ended) = self.send(seen_until_ns) {
            return LoopStep::End(ended);
        }
        if self.last_statistics.elapsed() >= STATISTICS_INTERVAL {
            self.statistics();
            if !self.is_bound() {
                return LoopStep::End(Ended::Failed("it is gone".to_owned()));
            }
        }
        self.shared.publish(self.thread, self.frames.counters());
        read
    }

    /// libpcap only checks that some interface has the index, which may belong to another one now.
    fn is_bound(&self) -> bool {
        bound_to(self.capture.as_raw_fd()) == self.index
    }

    fn wait(&self) {
        let mut socket = libc::pollfd { fd: self.capture.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one valid structure, as the count says. A signal that interrupts it ends the wait early.
        unsafe { libc::poll(&raw mut socket, 1, POLL_MS) };
    }

    /// Decodes what the kernel has, at most one batch.
    fn read(&mut self) -> LoopStep {
        while self.frames.has_room() {
            match self.capture.next_packet() {
                Ok(packet) => self.frames.take(packet.header, packet.data),
                Err(pcap::Error::TimeoutExpired) => break,
                Err(error) => return LoopStep::End(Ended::Failed(error.to_string())),
            }
        }
        LoopStep::Go
    }

    /// Blocks while the channel is full: then the kernel's buffer fills, and the kernel counts the packets that it
    /// drops.
    fn send(&mut self, seen_until_ns: u64) -> LoopStep {
        match self.batches.send(self.frames.take_batch(self.thread, seen_until_ns)) {
            Ok(()) => LoopStep::Go,
            Err(_) => LoopStep::End(Ended::Asked),
        }
    }

    /// Reads the socket's counters of packets received and dropped.
    fn statistics(&mut self) {
        self.last_statistics = Instant::now();
        if let Ok(statistics) = self.capture.stats() {
            self.frames.count_statistics(statistics.received, statistics.dropped, statistics.if_dropped);
            self.shared.publish_socket(self.thread, self.frames.socket());
        }
        self.shared.publish(self.thread, self.frames.counters());
    }
}
