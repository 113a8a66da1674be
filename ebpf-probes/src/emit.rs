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

/// Reserves room for one event. Counts the loss if there is none.
#[inline(always)]
pub fn reserve<T: 'static>() -> Option<RingBufEntry<T>> {
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

/// Whether this use has been reported within the last second. If not, it is noted as reported now.
#[inline(always)]
pub fn is_repeated(sk: Sock, tgid: u32, peer: &Peer, now: u64) -> bool {
    let key = UseKey { sk: sk.0, tgid, peer: fingerprint(peer) };
    let inode = sk.inode();
    if let Some(last) = USES.get_ptr_mut(&key) {
        // SAFETY: a map value, valid for the program's run.
        let last = unsafe { &mut *last };
        if last.inode == inode && now.wrapping_sub(last.time_ns) < REPEAT_NS {
            count(KernelCounter::Suppressed);
            return true;
        }
        *last = Use { time_ns: now, inode };
        return false;
    }
    if USES.insert(&key, &Use { time_ns: now, inode }, 0).is_err() {
        count(KernelCounter::MapFull);
    }
    false
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
