//! All reads of kernel structs, and nothing else.
//!
//! rustc emits no CO-RE relocations, so the loader resolves the offsets from the running kernel's BTF. A member that
//! the kernel lacks reads as 0.

use core::ffi::c_void;

use aya_ebpf::helpers::generated::bpf_probe_read_kernel;
use pidflow_schema::abi::{ABSENT, Offsets};

use crate::counters::{KernelCounter, count};

/// Set by the loader before the programs are verified.
#[unsafe(no_mangle)]
static OFFSETS: Offsets = Offsets::NONE;

/// Bytes of a page, set by the loader.
#[unsafe(no_mangle)]
static PAGE_SIZE: u64 = 4096;

macro_rules! offset {
    ($name:ident) => {
        // SAFETY: a plain load of a global; volatile keeps rustc from folding the initial value in.
        unsafe { core::ptr::read_volatile(&raw const $crate::kernel::OFFSETS.$name) }
    };
}

macro_rules! read {
    ($base:expr, $name:ident) => {
        $crate::kernel::read_at($base, offset!($name))
    };
}

/// Reads a member into a place.
macro_rules! read_to {
    ($out:expr, $base:expr, $name:ident) => {
        $crate::kernel::read_into(&mut $out, $base, offset!($name))
    };
}

/// Like `read!`, where 0 is a value of its own.
macro_rules! find {
    ($base:expr, $name:ident) => {
        $crate::kernel::find_at($base, offset!($name))
    };
}

fn page_size() -> u64 {
    // SAFETY: as for `offset!`.
    unsafe { core::ptr::read_volatile(&raw const PAGE_SIZE) }
}

/// Reads into `out`; 0 if the kernel lacks the member, `base` is null, or the memory is not readable.
///
/// The helper writes zeros if it fails, so that no branch follows from it: for the verifier, everything that comes after
/// would double with each branch.
#[inline(always)]
fn read_into<T: Default>(out: &mut T, base: u64, offset: u32) {
    if offset == ABSENT {
        *out = T::default();
    } else {
        count_failure(copy(out, base, offset));
    }
}

/// Like [`read_into`], returning the value.
#[inline(always)]
fn read_at<T: Default>(base: u64, offset: u32) -> T {
    let mut value = T::default();
    read_into(&mut value, base, offset);
    value
}

/// Like [`read_at`], where 0 is a value of its own.
#[inline(always)]
fn find_at<T: Default>(base: u64, offset: u32) -> Option<T> {
    let mut value = T::default();
    if offset == ABSENT {
        return None;
    }
    let result = copy(&mut value, base, offset);
    count_failure(result);
    (result >= 0 && base != 0).then_some(value)
}

/// Like [`read_at`] in a loop: `failure` is to be counted after it.
#[inline(always)]
fn read_next<T: Default>(base: u64, offset: u32, failure: &mut i64) -> T {
    let mut value = T::default();
    if offset != ABSENT {
        *failure |= copy(&mut value, base, offset);
    }
    value
}

/// Returns a negative number if an address in the kernel could not be read.
#[inline(always)]
fn copy<T>(out: &mut T, base: u64, offset: u32) -> i64 {
    let from = (base + u64::from(offset)) as *const c_void;
    // SAFETY: the helper checks the address. It writes `out` also if it fails.
    let result = unsafe { bpf_probe_read_kernel((&raw mut *out).cast(), size_of::<T>() as u32, from) };
    // The highest bits: an error, and an address of the kernel, not null. A branch on `base` itself would let the verifier
    // distinguish all that follows by its value.
    result & base.cast_signed()
}

/// A pointer of the verifier as a number: reads through some pointers, and calculations with them, are refused.
#[inline(always)]
pub fn number(pointer: u64) -> u64 {
    let mut number = 0;
    let from = (&raw const pointer).cast();
    // SAFETY: reads a variable.
    unsafe { bpf_probe_read_kernel((&raw mut number).cast(), size_of::<u64>() as u32, from) };
    number
}

#[inline(always)]
fn count_failure(result: i64) {
    if result < 0 {
        count(KernelCounter::ReadFailed);
    }
}

// After the macros, which they use.
mod file;
mod peer;
mod sock;
mod task;

pub use file::{FilePath, Step, binprm_path};
pub use peer::{Peer, protocol_of};
pub use sock::{AF_INET, AF_INET6, IPPROTO_TCP, Sock, TCP_CLOSE};
pub use task::Task;
