//! Memory peaks of the programs that a process executed before its current one.

use aya_ebpf::macros::map;
use aya_ebpf::maps::LruHashMap;

/// The peak before the last exec in pages, by thread group.
#[map]
static INHERITED: LruHashMap<u32, u64> = LruHashMap::with_max_entries(16_384, 0);

/// The process executes another program; the peak so far is not that of the new program.
#[inline(always)]
pub fn inherit(tgid: u32, peak: u64) {
    // If the map is full, the peak before the exec is reported.
    let _ = INHERITED.insert(&tgid, &peak, 0);
}

/// The highest peak of the earlier programs, pages.
#[inline(always)]
pub fn inherited_peak(tgid: u32) -> u64 {
    // SAFETY: a map value, valid for the program's run.
    INHERITED.get_ptr(&tgid).map_or(0, |peak| unsafe { *peak })
}

/// The process has ended.
#[inline(always)]
pub fn forget_peak(tgid: u32) {
    // There is no entry if it never executed another program.
    let _ = INHERITED.remove(&tgid);
}
