//! Counters that the agent reads: delivered, suppressed and lost facts.

use aya_ebpf::macros::map;
use aya_ebpf::maps::PerCpuArray;
use pidflow_schema::abi::KERNEL_COUNTERS;
pub use pidflow_schema::abi::KernelCounter;

#[map]
static COUNTERS: PerCpuArray<u64> = PerCpuArray::with_max_entries(KERNEL_COUNTERS, 0);

#[inline(always)]
pub fn count(counter: KernelCounter) {
    if let Some(value) = COUNTERS.get_ptr_mut(counter as u32) {
        // SAFETY: a per-CPU slot; programs of one CPU do not interrupt each other here.
        unsafe { *value += 1 };
    }
}
