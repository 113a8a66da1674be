//! When the usage of a process is read: reading it costs as much as the rest of an event, more for each thread.

use aya_ebpf::macros::map;
use aya_ebpf::maps::LruHashMap;
use pidflow_schema::abi::Usage;

use crate::kernel::Task;

/// How often the usage of each process was read, by thread group. A process that gets the number of one that ended within a
/// period before may lack its first reads.
#[map]
static USAGE_READS: LruHashMap<u32, Reads> = LruHashMap::with_max_entries(16_384, 0);

/// The joiner takes a sample this near to the begin or end of a flow for one taken there (`NEAR_NS` of the process table).
const PERIOD_NS: u64 = 20_000_000;
/// Reads of one process in a period without any interval: all events of a process that does little.
const UNLIMITED: u64 = 16;
/// The least interval of all further reads.
const INTERVAL_NS: u64 = 1_000_000;

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Reads {
    /// Begin of the period.
    since_ns: u64,
    last_ns: u64,
    /// Reads in the period.
    count: u64,
}

/// Fills in the usage of the task's process; sets no flag if it was read enough of late.
#[inline(always)]
pub fn usage_at(task: Task, tgid: u32, now: u64, out: &mut Usage) {
    *out = Usage::default();
    if is_due(tgid, now) {
        task.usage(out);
    }
}

/// Two processors may both find it due: then it is read twice. A function of its own: otherwise the compiler copies what follows
/// for each way through it.
#[inline(never)]
fn is_due(tgid: u32, now: u64) -> bool {
    let Some(reads) = USAGE_READS.get_ptr_mut(&tgid) else {
        // If the map is full, every event has the usage.
        let _ = USAGE_READS.insert(&tgid, &Reads { since_ns: now, last_ns: now, count: 1 }, 0);
        return true;
    };
    // SAFETY: a map value, valid for the program's run.
    let reads = unsafe { &mut *reads };
    if now.wrapping_sub(reads.since_ns) >= PERIOD_NS {
        *reads = Reads { since_ns: now, last_ns: now, count: 0 };
    } else if reads.count >= UNLIMITED && now.wrapping_sub(reads.last_ns) < INTERVAL_NS {
        return false;
    }
    reads.last_ns = now;
    reads.count += 1;
    true
}
