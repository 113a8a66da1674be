//! The account of one interface, or of all together.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Amount, Check, Gap};

/// The greatest length of the headers that merging one packet into another removes (GRO, LRO), bytes: Ethernet, two
/// VLAN tags, IPv6, TCP with options. A packet that is really missing nearly always has payload as well.
const MAX_MERGED_HEADERS: u64 = 14 + 8 + 40 + 60;

/// The kernel's counters since the capture began, received and sent together; for loopback only received.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct KernelAccount {
    /// Packets and bytes.
    #[serde(flatten)]
    pub(crate) amount: Amount,
    /// Errors of receiving and sending.
    pub(crate) errors: u64,
    /// Packets that the interface or its driver dropped.
    pub(crate) dropped: u64,
}

/// What happened to the packets of one interface. Bytes are those of whole frames.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct InterfaceAccount {
    /// Its name; `any` for the socket of all interfaces, `other` for interfaces without an account of their own.
    pub(crate) name: String,
    /// Whether it is captured now.
    pub(crate) is_captured: bool,
    /// The kernel's counters; none: not reported.
    pub(crate) kernel: Option<KernelAccount>,
    /// The same at an earlier reading, whose packets have all reached the socket; none: not comparable now.
    #[serde(skip)]
    pub(crate) settled: Option<Amount>,
    /// Packets that reached the socket and passed its filter; none: the interface is captured through `any`.
    pub(crate) received: Option<u64>,
    /// Part of `received` that the kernel dropped because the socket's buffer was full.
    pub(crate) dropped: u64,
    /// Part of `received` left in the buffer of a socket that was closed.
    pub(crate) unread: u64,
    /// Frames read by the agent.
    pub(crate) captured: Amount,
    /// Part of `captured` longer than [`BatchCounts::ORDINARY_FRAME`](pidflow_capture::BatchCounts::ORDINARY_FRAME):
    /// merged packets, or jumbo frames.
    pub(crate) long_frames: u64,
    /// Part of `captured` in flows.
    pub(crate) in_flows: Amount,
    /// Part of `captured` in no flow, by reason.
    pub(crate) discarded: BTreeMap<String, Amount>,
    /// Part of `captured` not counted yet: they wait for the kernel's events, or for the first fragment of their
    /// datagram.
    pub(crate) to_count: Amount,
    /// Packets that the kernel counted but that never reached the socket.
    pub(crate) missed: u64,
    /// Whether the bytes show that the missed packets were merged into others before the capture saw them.
    pub(crate) is_merged: bool,
}

impl InterfaceAccount {
    /// An empty account.
    pub(super) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    /// Packets that reached the socket and were not read yet, by the socket's latest counters.
    pub(crate) fn to_read(&self) -> u64 {
        let received = self.received.unwrap_or_default();
        received.saturating_sub(self.dropped).saturating_sub(self.unread).saturating_sub(self.captured.packets)
    }

    /// The sum of all discarded packets.
    pub(crate) fn all_discarded(&self) -> Amount {
        self.discarded.values().copied().sum()
    }

    /// Adds another interface's account.
    pub(super) fn add(&mut self, other: &Self) {
        self.is_captured |= other.is_captured;
        if let Some(more) = other.kernel {
            let sum = self.kernel.get_or_insert_default();
            sum.amount += more.amount;
            (sum.errors, sum.dropped) = (sum.errors + more.errors, sum.dropped + more.dropped);
        }
        if let Some(more) = other.settled {
            *self.settled.get_or_insert_default() += more;
        }
        if let Some(more) = other.received {
            *self.received.get_or_insert_default() += more;
        }
        (self.dropped, self.unread) = (self.dropped + other.dropped, self.unread + other.unread);
        self.captured += other.captured;
        self.long_frames += other.long_frames;
        self.in_flows += other.in_flows;
        self.to_count += other.to_count;
        for (reason, more) in &other.discarded {
            *self.discarded.entry(reason.clone()).or_default() += *more;
        }
    }

    /// Determines which packets that the kernel counted are missing in the capture.
    pub(super) fn compare(&mut self) {
        let (Some(settled), Some(received)) = (self.settled, self.received) else { return };
        self.missed = settled.packets.saturating_sub(received);
        // Dropped and waiting packets are assumed to be as long as those read, on average.
        let read = u128::from(self.captured.packets.max(1));
        let bytes = u128::from(self.captured.bytes) * u128::from(received) / read;
        let missing_bytes = settled.bytes.saturating_sub(u64::try_from(bytes).unwrap_or(u64::MAX));
        self.is_merged =
            self.missed > 0 && self.long_frames > 0 && missing_bytes <= self.missed.saturating_mul(MAX_MERGED_HEADERS);
    }

    /// The balances of this account that are off.
    pub(super) fn gaps(&self) -> impl Iterator<Item = Gap> {
        let missed = Amount { packets: self.missed, bytes: 0 };
        let missed = Gap { check: Check::Kernel, of: self.name.clone(), amount: missed };
        let fate = self.in_flows + self.all_discarded() + self.to_count;
        let captured = Gap::between(Check::Capture, &self.name, [self.captured, fate]);
        (self.missed > 0 && !self.is_merged).then_some(missed).into_iter().chain(captured)
    }
}
