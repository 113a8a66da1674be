//! Prefetches memory that will be needed soon. Has no effect on processors other than x86-64.

/// Bytes of a cache line.
const CACHE_LINE: usize = 64;

/// Fetches the line at `address`, which need not be valid.
#[inline]
pub(super) fn line<T>(address: *const T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch reads nothing that the program could see and never faults, whatever the address (Intel SDM,
    // PREFETCHh); SSE is part of x86_64.
    unsafe {
        use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(address.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}

/// Fetches the line at `address` and the next two.
#[inline]
pub(super) fn three_lines<T>(address: *const T) {
    line(address);
    line(address.cast::<u8>().wrapping_add(CACHE_LINE));
    line(address.cast::<u8>().wrapping_add(2 * CACHE_LINE));
}
