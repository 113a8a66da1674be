//! Captures packets of network interfaces with libpcap: one thread per interface, batches over a bounded channel, and a
//! thread that follows changes of interfaces.

mod accounts;
mod connect_filter;
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
use pidflow_engine::application::Payloads;
use pidflow_engine::decode::{DecodeRules, PayloadRule};
use pidflow_engine::packet::Packet;
use pidflow_engine::tunnel::PacketTunnel;

pub(crate) use connect_filter::ConnectFilter;
pub use interfaces::Interfaces;
pub(crate) use link::ANY;
use pidflow_capture::{BatchCounts, CaptureCounters, CaptureError, Interface};
pub use seen::SeenUntil;
use shared::Shared;
use supervisor::Supervisor;

use crate::shedding::Shedding;
use crate::threads;

/// The greatest number of interfaces captured at the same time, each with its own socket and thread.
const MAX_SOURCES: usize = 1024;

/// How interfaces are captured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveOptions {
    /// Interfaces to capture on.
    pub interfaces: Interfaces,
    /// Filter expression (pcap-filter(7)), applied by the kernel; none: all packets.
    pub filter: Option<String>,
    /// Bytes captured of each packet.
    pub snap_length: u32,
    /// Whether to capture packets for other machines too (promiscuous mode).
    pub promiscuous: bool,
    /// Kernel buffer per interface, bytes. It is reduced if there are many interfaces.
    pub buffer_bytes: u32,
    /// How to decode packets.
    pub rules: DecodeRules,
}

impl LiveOptions {
    /// Default of [`Self::snap_length`]: room for Ethernet, two VLAN tags, IPv6 with some extension headers, and TCP.
    pub const SNAP_LENGTH: u32 = 256;
    /// The same if payloads are read: room for a ClientHello with a post-quantum key.
    pub const SNAP_LENGTH_WITH_PAYLOAD: u32 = 2048;
    /// Default of [`Self::buffer_bytes`]: about 100 ms at a million small packets per second.
    pub const BUFFER_BYTES: u32 = 32 * 1024 * 1024;
}

impl LiveOptions {
    /// How much of each packet these rules need, bytes.
    pub fn snap_length_for(rules: &DecodeRules) -> u32 {
        match rules.payloads {
            PayloadRule::Ignore => Self::SNAP_LENGTH,
            PayloadRule::Pick => Self::SNAP_LENGTH_WITH_PAYLOAD,
        }
    }
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
    /// Number of the packet thread that sent it, from 0. A new thread may get the number of one that has ended.
    pub source: usize,
    /// All packets before this time, nanoseconds since the epoch, have been sent with this batch.
    pub seen_until_ns: u64,
    /// Interfaces of these packets that no earlier batch announced, and those whose names have changed.
    pub interfaces: Vec<Interface>,
    /// Counters since the thread's last batch, by interface. Interfaces without frames are absent.
    pub counts: Vec<BatchCounts>,
    /// The tunnels that carried the packets.
    pub tunnels: Vec<PacketTunnel>,
    /// The payloads picked from the packets.
    pub payloads: Payloads,
    /// The packets; empty: there were none up to [`Self::seen_until_ns`].
    pub packets: Vec<Packet>,
}

impl PacketBatch {
    /// Time of its last packet, nanoseconds; 0: it has none.
    pub(crate) fn until_ns(&self) -> u64 {
        self.packets.last().map_or(0, |packet| packet.time_ns)
    }

    /// Converts every time in the batch, except [`SeenUntil::ALL_NS`].
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
    /// None: it has been joined.
    supervisor: Option<JoinHandle<()>>,
    sources: usize,
}

impl LiveCapture {
    /// Checks that the named interfaces exist, without opening them.
    ///
    /// # Errors
    /// One of them does not exist.
    pub(crate) fn check_there(interfaces: &Interfaces) -> Result<(), CaptureError> {
        let Interfaces::Named(names) = interfaces else { return Ok(()) };
        match names.iter().find(|name| !open::is_there(name)) {
            Some(name) => Err(CaptureError::Interface { name: name.clone(), message: "No such device exists".into() }),
            None => Ok(()),
        }
    }

    /// Opens all interfaces, which needs CAP_NET_RAW, and starts to read them. A thread that keeps this capability
    /// follows interfaces that appear, disappear and are renamed.
    ///
    /// # Errors
    /// One of the interfaces cannot be opened, or the filter is wrong. Later faults of one interface are logged and
    /// counted, and do not affect the others.
    pub fn start(options: &LiveOptions, batches: &Sender<PacketBatch>) -> Result<Self, CaptureError> {
        Self::start_shedding(options, batches, Arc::default())
    }

    /// As [`LiveCapture::start`]; `shedding` says what is left out.
    pub(crate) fn start_shedding(
        options: &LiveOptions,
        batches: &Sender<PacketBatch>,
        shedding: Arc<Shedding>,
    ) -> Result<Self, CaptureError> {
        let shared = Arc::new(Shared::new(options.filter.is_some()).with_shedding(shedding));
        let supervisor = Supervisor::start(options.clone(), Arc::clone(&shared), batches.clone())?;
        let sources = supervisor.sources();
        let run = move || {
            supervisor.run();
            Ok(())
        };
        let supervisor = Some(threads::spawn_vital("interfaces", run).map_err(CaptureError::Thread)?);
        Ok(Self { shared, supervisor, sources })
    }

    /// The counters of all interfaces up to now.
    pub fn counters(&self) -> CaptureCounters {
        self.shared.counters()
    }

    /// The progress to keep up to date with the batches; nothing is seen yet.
    pub fn seen_until(&self) -> SeenUntil {
        SeenUntil::new(self.sources)
    }

    /// Whether capturing has ended for good. While it has not, interfaces that are gone may come back.
    pub fn is_finished(&self) -> bool {
        self.supervisor.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Asks the threads to end: each sends the packets that it has, and the channel closes. Does not wait, because they
    /// may be blocked on a full channel.
    pub fn stop(&self) {
        self.shared.stop();
    }

    /// Asks the threads to end, waits for them, and returns the final counters. The caller must have emptied or dropped
    /// the channel, or the threads cannot end.
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
