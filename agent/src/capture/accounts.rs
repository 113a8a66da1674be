//! Combines the counters of the kernel, the sockets and the packet threads by interface.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::link::ANY;
use super::meter::{LinkTotal, LinkTotals};
use pidflow_capture::{InterfaceCounts, SocketCounts};

/// Packets that the kernel counted this long before the socket's counters were read have reached the socket: the queues
/// between them hold milliseconds.
const SETTLE: Duration = Duration::from_millis(200);
/// The greatest number of interfaces whose closed sockets' counters are kept. Beyond it the lowest indices, which are
/// the oldest, are dropped.
const MAX_ENDED: usize = 1024;

/// What one packet thread reported last.
#[derive(Debug)]
struct Running {
    index: u32,
    socket: SocketCounts,
    /// Frames read from it.
    read: u64,
    asked: Instant,
}

#[derive(Debug, Default)]
pub(super) struct Accounts {
    pub(super) links: LinkTotals,
    /// Whether the sockets have a filter.
    is_filtered: bool,
    /// By thread.
    running: HashMap<usize, Running>,
    /// Counters of threads that have ended, by the kernel's index of the interface.
    ended: BTreeMap<u32, SocketCounts>,
}

impl Accounts {
    /// Empty; `is_filtered` says whether the sockets have a filter.
    pub(super) fn new(is_filtered: bool) -> Self {
        Self { is_filtered, ..Self::default() }
    }

    pub(super) fn publish(&mut self, thread: usize, index: u32, socket: SocketCounts, read: u64) {
        self.running.insert(thread, Running { index, socket, read, asked: Instant::now() });
    }

    /// The thread has ended: what is left in its socket's buffer is lost.
    pub(super) fn retire(&mut self, thread: usize) {
        let Some(Running { index, socket, read, .. }) = self.running.remove(&thread) else { return };
        let unread = socket.received.saturating_sub(socket.dropped).saturating_sub(read);
        self.ended.entry(index).or_default().add(SocketCounts { unread, ..socket });
        while self.ended.len() > MAX_ENDED {
            self.ended.pop_first();
        }
    }

    pub(super) fn by_interface(&self) -> Vec<InterfaceCounts> {
        let links = self.links.by_index.iter().map(|(index, total)| (*index, self.link(*index, total)));
        let mut all: BTreeMap<u32, InterfaceCounts> = links.collect();
        let mut socket = |index: u32, counts: SocketCounts, is_captured: bool| {
            let none = || InterfaceCounts { index, name: name(index), ..InterfaceCounts::default() };
            let interface = all.entry(index).or_insert_with(none);
            interface.is_captured |= is_captured;
            interface.socket.get_or_insert_default().add(counts);
        };
        self.ended.iter().for_each(|(index, counts)| socket(*index, *counts, false));
        self.running.values().for_each(|running| socket(running.index, running.socket, true));
        all.values_mut().for_each(|interface| interface.is_filtered = self.is_filtered);
        all.into_values().collect()
    }

    fn link(&self, index: u32, total: &LinkTotal) -> InterfaceCounts {
        let of = |running: &&Running| running.index == index || running.index == 0;
        let asked = self.running.values().filter(of).map(|running| running.asked).min();
        let settled_at = asked.and_then(|asked| asked.checked_sub(SETTLE));
        InterfaceCounts {
            index,
            name: total.name.clone(),
            is_captured: total.is_captured,
            is_filtered: false,
            kernel: Some(total.latest),
            settled: settled_at.and_then(|time| self.links.at(total, time)),
            socket: None,
        }
    }
}

/// The name to show for an interface that the kernel does not report.
fn name(index: u32) -> Arc<str> {
    if index == 0 { ANY.into() } else { format!("if{index}").into() }
}
