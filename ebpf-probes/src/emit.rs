//! Delivery to user space: ring buffer, counters, suppression of repeated facts.

use aya_ebpf::helpers::generated::bpf_ktime_get_boot_ns;
use aya_ebpf::macros::map;
use aya_ebpf::maps::ring_buf::RingBufEntry;
use aya_ebpf::maps::{LruHashMap, RingBuf};

use crate::counters::{KernelCounter, count};
use crate::kernel::{Peer, Sock};

/// The loader may set another size.
#[map]
static EVENTS: RingBuf = RingBuf::with_byte_size(8 << 20, 0);

/// Last delivery of "this process uses this socket (with this peer)".
#[map]
static USES: LruHashMap<UseKey, Use> = LruHashMap::with_max_entries(65_536, 0);

/// `BPF_RB_NO_WAKEUP`: user space polls every few milliseconds. Waking it for each event would cost half as much as a
/// connection.
const NO_WAKEUP: u64 = 1;

/// A use of a socket by the same process is reported again after this time.
const REPEAT_NS: u64 = 1_000_000_000;

#[repr(C)]
#[derive(Clone, Copy)]
pub struct UseKey {
    sk: u64,
    tgid: u32,
    peer: u32,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Use {
    time_ns: u64,
    /// A `struct sock` may be reused after close; its inode number is not.
    inode: u64,
}

#[inline(always)]
pub fn now() -> u64 {
    // SAFETY: a helper without arguments.
    unsafe { bpf_ktime_get_boot_ns() }
}

/// What is lost with an event for which the ring buffer has no room.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    /// Who has a socket, or what a process is.
    Essential,
    /// That a process still uses a socket, or has closed it: later events and the kernel's sockets show it too.
    Minor,
}

/// `BPF_RB_AVAIL_DATA`: bytes that user space has not read.
const UNREAD: u64 = 0;
/// `BPF_RB_RING_SIZE`.
const SIZE: u64 = 1;

/// Reserves room for one event. Counts the loss if there is none. Minor events get no more than half of the room.
#[inline(always)]
pub fn reserve<T: 'static>(weight: Weight) -> Option<RingBufEntry<T>> {
    if weight == Weight::Minor && EVENTS.query(UNREAD) > EVENTS.query(SIZE) / 2 {
        count(KernelCounter::RingHalfFull);
        return None;
    }
    let entry = EVENTS.reserve::<T>(0);
    if entry.is_none() {
        count(KernelCounter::RingFull);
    }
    entry
}

#[inline(always)]
pub fn submit<T>(entry: RingBufEntry<T>) {
    entry.submit(NO_WAKEUP);
    count(KernelCounter::Delivered);
}

/// A process's use of a socket, with the time of its last report.
pub struct Report {
    key: UseKey,
    inode: u64,
    now: u64,
    /// It was reported before, more than a second ago.
    pub is_known: bool,
}

/// The use that is to be reported; none: it has been reported within the last second.
#[inline(always)]
pub fn unreported(sk: Sock, tgid: u32, peer: &Peer, now: u64) -> Option<Report> {
    let mut report = Report::of(sk, tgid, peer, now);
    // SAFETY: a map value, valid for the program's run.
    if let Some(last) = USES.get_ptr(&report.key).map(|last| unsafe { &*last }) {
        report.is_known = last.inode == report.inode;
        if report.is_known && now.wrapping_sub(last.time_ns) < REPEAT_NS {
            count(KernelCounter::Suppressed);
            return None;
        }
    }
    Some(report)
}

impl Report {
    #[inline(always)]
    pub fn of(sk: Sock, tgid: u32, peer: &Peer, now: u64) -> Self {
        let key = UseKey { sk: sk.0, tgid, peer: fingerprint(peer) };
        Self { key, inode: sk.inode(), now, is_known: false }
    }

    /// It has been reported now.
    #[inline(always)]
    pub fn note(&self) {
        let last = Use { time_ns: self.now, inode: self.inode };
        if USES.insert(&self.key, &last, 0).is_err() {
            count(KernelCounter::MapFull);
        }
    }
}

/// 32 bits of the peer's address and port (FNV-1a over words).
#[inline(always)]
fn fingerprint(peer: &Peer) -> u32 {
    if peer.family == 0 {
        return 0;
    }
    let mut h = 0x811c_9dc5_u32 ^ u32::from(peer.remote_port);
    for word in 0..4 {
        let at = word * 4;
        let bytes = [peer.remote[at], peer.remote[at + 1], peer.remote[at + 2], peer.remote[at + 3]];
        h = (h ^ u32::from_ne_bytes(bytes)).wrapping_mul(0x0100_0193);
    }
    h | 1
}
