//! Packets of network interfaces, by libpcap: one thread per interface, batches over a bounded channel, and a thread that
//! follows which interfaces there are.

mod accounts;
mod cooked;
mod frames;
mod interfaces;
mod inventory;
mod link;
mod links;
mod meter;
mod netlink;
mod open;
mod seen;
mod shared;
mod supervisor;
#[cfg(test)]
mod tests;
mod watch;

use std::sync::Arc;
use std::thread::JoinHandle;

use crossbeam_channel::Sender;
use pidflow_engine::decode::DecodeRules;
use pidflow_engine::packet::Packet;
use pidflow_engine::tunnel::PacketTunnel;

use super::{BatchCounts, CaptureCounters, CaptureError, Interface};
pub use interfaces::Interfaces;
pub(crate) use link::ANY;
pub use seen::SeenUntil;
use shared::Shared;
use supervisor::Supervisor;

use crate::threads;

/// The greatest number of interfaces that are captured by themselves at the same time.
const MAX_SOURCES: usize = 1024;

/// How interfaces are captured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveOptions {
    /// Interfaces to capture on.
    pub interfaces: Interfaces,
    /// Only packets that pass (pcap-filter(7)); the kernel filters.
    pub filter: Option<String>,
    /// Bytes captured of each packet.
    pub snap_length: u32,
    /// Also packets that are for other machines.
    pub promiscuous: bool,
    /// Kernel buffer per interface, bytes. It is smaller where there are many interfaces.
    pub buffer_bytes: u32,
    /// How to decode packets.
    pub rules: DecodeRules,
}

impl LiveOptions {
    /// Ethernet, two VLAN tags, IPv6 with some extension headers, and TCP.
    pub const SNAP_LENGTH: u32 = 256;
    /// About 100 ms of a million small packets per second.
    pub const BUFFER_BYTES: u32 = 32 * 1024 * 1024;
}

impl Default for LiveOptions {
    fn default() -> Self {
        Self {
            interfaces: Interfaces::Any,
            filter: None,
            snap_length: Self::SNAP_LENGTH,
            promiscuous: false,
            buffer_bytes: Self::BUFFER_BYTES,
            rules: DecodeRules::default(),
        }
    }
}

/// Packets of one interface (of several where it is `any`), in the order in which the kernel saw them.
#[derive(Debug)]
pub struct PacketBatch {
    /// Which thread sends it. They are numbered from 0; a thread may get the number of one that has ended.
    pub source: usize,
    /// All packets before this time, nanoseconds since the epoch, have been sent with this batch.
    pub seen_until_ns: u64,
    /// Interfaces of these packets that no batch named before, and those that have another name now.
    pub interfaces: Vec<Interface>,
    /// What was counted since the thread's last batch, by interface; those of which nothing came are absent.
    pub counts: Vec<BatchCounts>,
    /// The tunnels that the packets were in.
    pub tunnels: Vec<PacketTunnel>,
    /// The packets; none: there were none until then.
    pub packets: Vec<Packet>,
}

impl PacketBatch {
    /// Replaces every time in it.
    pub(crate) fn convert_times(&mut self, convert: impl Fn(u64) -> u64) {
        self.packets.iter_mut().for_each(|p| p.time_ns = convert(p.time_ns));
        if self.seen_until_ns != SeenUntil::ALL_NS {
            self.seen_until_ns = convert(self.seen_until_ns);
        }
    }
}

/// Interfaces that are being captured.
pub struct LiveCapture {
    shared: Arc<Shared>,
    /// None: it was waited for.
    supervisor: Option<JoinHandle<()>>,
    sources: usize,
}

impl LiveCapture {
    /// Whether the interfaces that are named are there, without opening them.
    ///
    /// # Errors
    /// One is not.
    pub(crate) fn check_there(interfaces: &Interfaces) -> Result<(), CaptureError> {
        let Interfaces::Named(names) = interfaces else { return Ok(()) };
        match names.iter().find(|name| !open::is_there(name)) {
            Some(name) => Err(CaptureError::Interface { name: name.clone(), message: "No such device exists".into() }),
            None => Ok(()),
        }
    }

    /// Opens all interfaces, which takes CAP_NET_RAW, and then begins to read them. A thread that keeps this capability
    /// follows which interfaces come, go and get other names.
    ///
    /// # Errors
    /// One of the interfaces cannot be opened, or the filter is wrong. Later faults of one interface are logged
    /// and counted, and the others go on.
    pub fn start(options: &LiveOptions, batches: &Sender<PacketBatch>) -> Result<Self, CaptureError> {
        let shared = Arc::new(Shared::new(options.filter.is_some()));
        let supervisor = Supervisor::start(options.clone(), Arc::clone(&shared), batches.clone())?;
        let sources = supervisor.sources();
        let run = move || {
            supervisor.run();
            Ok(())
        };
        let supervisor = Some(threads::spawn_vital("interfaces", run).map_err(CaptureError::Thread)?);
        Ok(Self { shared, supervisor, sources })
    }

    /// What all interfaces saw so far.
    pub fn counters(&self) -> CaptureCounters {
        self.shared.counters()
    }

    /// Nothing is seen yet.
    pub fn seen_until(&self) -> SeenUntil {
        SeenUntil::new(self.sources)
    }

    /// Whether nothing is captured any more, nor will be. Interfaces that are gone may come back.
    pub fn is_finished(&self) -> bool {
        self.supervisor.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Asks the threads to end: each sends what it has, and the channel closes. Does not wait, because they may be
    /// waiting for room in the channel.
    pub fn stop(&self) {
        self.shared.stop();
    }

    /// Waits for the threads, which were asked to stop and whose channel was emptied or dropped, and gives the
    /// last counters.
    pub fn join(mut self) -> CaptureCounters {
        self.stop();
        if self.supervisor.take().is_some_and(|supervisor| supervisor.join().is_err()) {
            tracing::error!("the thread that follows interfaces panicked");
        }
        self.shared.counters()
    }
}

impl Drop for LiveCapture {
    fn drop(&mut self) {
        self.stop();
    }
}
