//! Peaks of memory that a process took over from the programs that it was before.

use aya_ebpf::macros::map;
use aya_ebpf::maps::LruHashMap;

/// Pages, by thread group, since its last exec.
#[map]
static INHERITED: LruHashMap<u32, u64> = LruHashMap::with_max_entries(16_384, 0);

/// The process becomes another program; the peak so far is not that one's.
#[inline(always)]
pub fn inherit(tgid: u32, peak: u64) {
    // Without room the peak is told as before the exec.
    let _ = INHERITED.insert(&tgid, &peak, 0);
}

/// The highest peak of the programs before, pages.
#[inline(always)]
pub fn inherited_peak(tgid: u32) -> u64 {
    // SAFETY: a map value, valid for the program's run.
    INHERITED.get_ptr(&tgid).map_or(0, |peak| unsafe { *peak })
}

/// The process has ended.
#[inline(always)]
pub fn forget_peak(tgid: u32) {
    // Absent is fine: it never was another program.
    let _ = INHERITED.remove(&tgid);
}
