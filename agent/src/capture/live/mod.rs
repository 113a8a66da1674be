//! Packets of network interfaces, by libpcap: one thread per interface, batches over a bounded channel.

mod cooked;
mod open;
mod seen;
#[cfg(test)]
mod tests;
mod watch;

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use crossbeam_channel::Sender;
use pidflow_engine::decode::Fragments;
use pidflow_engine::packet::Packet;

use super::{CaptureCounters, CaptureError, Interface};
pub use seen::SeenUntil;
use watch::Watch;

/// Which interfaces are watched.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Interfaces {
    /// All, also those that come later, through libpcap's pseudo-interface `any`: one thread. There are no
    /// destination MAC addresses and no promiscuous mode there.
    #[default]
    Any,
    /// Each that is up at the start, by itself.
    Up,
    /// These, each by itself; `any` may be among them.
    Named(Vec<String>),
}

/// How interfaces are watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveOptions {
    /// Which.
    pub interfaces: Interfaces,
    /// Only packets that pass (pcap-filter(7)); the kernel filters.
    pub filter: Option<String>,
    /// Octets captured of each packet.
    pub snap_length: u32,
    /// Also packets that are for other machines.
    pub promiscuous: bool,
    /// Kernel buffer per interface, octets.
    pub buffer_octets: u32,
    /// What becomes of later IP fragments.
    pub fragments: Fragments,
}

impl LiveOptions {
    /// Ethernet, two VLAN tags, IPv6 with some extension headers, and TCP.
    pub const SNAP_LENGTH: u32 = 256;
    /// About 100 ms of a million small packets per second.
    pub const BUFFER_OCTETS: u32 = 32 * 1024 * 1024;
}

impl Default for LiveOptions {
    fn default() -> Self {
        Self {
            interfaces: Interfaces::Any,
            filter: None,
            snap_length: Self::SNAP_LENGTH,
            promiscuous: false,
            buffer_octets: Self::BUFFER_OCTETS,
            fragments: Fragments::Join,
        }
    }
}

/// Packets of one interface (of several where it is `any`), in the order in which the kernel saw them.
#[derive(Debug)]
pub struct PacketBatch {
    /// Which thread sends it; they are numbered from 0.
    pub source: usize,
    /// All packets before this time, nanoseconds since the epoch, have been sent with this batch.
    pub seen_until_ns: u64,
    /// Interfaces of these packets that no batch named before.
    pub interfaces: Vec<Interface>,
    /// The packets; none: there were none until then.
    pub packets: Vec<Packet>,
}

impl PacketBatch {
    /// Adds `by_ns` (nanoseconds, negative: earlier) to every time in it.
    pub(crate) fn shift(&mut self, by_ns: i64) {
        let add = |time_ns: &mut u64| *time_ns = time_ns.saturating_add_signed(by_ns);
        self.packets.iter_mut().for_each(|p| add(&mut p.time_ns));
        if self.seen_until_ns != SeenUntil::ALL_NS {
            add(&mut self.seen_until_ns);
        }
    }
}

/// What all threads share.
#[derive(Debug, Default)]
struct Shared {
    stop: AtomicBool,
    next_interface: AtomicU32,
    /// One per thread.
    counters: Mutex<Vec<CaptureCounters>>,
}

impl Shared {
    fn is_stopping(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn interface_number(&self) -> u32 {
        self.next_interface.fetch_add(1, Ordering::Relaxed)
    }

    /// Takes over the counters of one thread.
    fn publish(&self, thread: usize, counters: &CaptureCounters) {
        let mut all = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(mine) = all.get_mut(thread) {
            mine.clone_from(counters);
        }
    }
}

/// Interfaces that are being watched.
pub struct LiveCapture {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

impl LiveCapture {
    /// Opens all interfaces, which takes CAP_NET_RAW, and then begins to watch them, which takes nothing.
    ///
    /// # Errors
    /// One of the interfaces cannot be opened, or the filter is wrong. Later faults of one interface are logged
    /// and counted, and the others go on.
    pub fn start(options: &LiveOptions, batches: &Sender<PacketBatch>) -> Result<Self, CaptureError> {
        let opened = open::all(options)?;
        let shared = Arc::new(Shared::default());
        *shared.counters.lock().unwrap_or_else(PoisonError::into_inner) =
            vec![CaptureCounters::default(); opened.len()];
        let mut this = Self { shared, threads: Vec::new() };
        for (thread, handle) in opened.into_iter().enumerate() {
            this.spawn(Watch::new(handle, thread, &this.shared, batches.clone(), options.fragments))?;
        }
        Ok(this)
    }

    fn spawn(&mut self, watch: Watch) -> Result<(), CaptureError> {
        let name = watch.name().to_owned();
        // The kernel cuts thread names at 15 octets.
        let spawned = std::thread::Builder::new().name(format!("packets {name}")).spawn(move || watch.run());
        self.threads.push(spawned.map_err(|e| CaptureError::Interface { name, message: e.to_string() })?);
        Ok(())
    }

    /// What all interfaces saw so far.
    pub fn counters(&self) -> CaptureCounters {
        let all = self.shared.counters.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().fold(CaptureCounters::default(), |mut sum, counters| {
            sum.add(counters);
            sum
        })
    }

    /// Nothing is seen yet.
    pub fn seen_until(&self) -> SeenUntil {
        SeenUntil::new(self.threads.len())
    }

    /// Whether every interface is gone.
    pub fn is_finished(&self) -> bool {
        self.threads.iter().all(JoinHandle::is_finished)
    }

    /// Asks the threads to end: each sends what it has, and the channel closes. Does not wait, because they may be
    /// waiting for room in the channel.
    pub fn stop(&self) {
        self.shared.stop.store(true, Ordering::Relaxed);
    }

    /// Waits for the threads, which were asked to stop and whose channel was emptied or dropped, and gives the
    /// last counters.
    pub fn join(mut self) -> CaptureCounters {
        self.stop();
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a packet thread panicked");
            }
        }
        self.counters()
    }
}

impl Drop for LiveCapture {
    fn drop(&mut self) {
        self.stop();
    }
}
