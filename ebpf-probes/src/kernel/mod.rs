//! All reads of kernel structs, and nothing else.
//!
//! rustc emits no CO-RE relocations, so the loader resolves the offsets from the running kernel's BTF. A member that
//! the kernel lacks reads as `None`.

use aya_ebpf::helpers::bpf_probe_read_kernel;
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

fn page_size() -> u64 {
    // SAFETY: as for `offset!`.
    unsafe { core::ptr::read_volatile(&raw const PAGE_SIZE) }
}

#[inline(always)]
fn read_at<T>(base: u64, offset: u32) -> Option<T> {
    if offset == ABSENT || base == 0 {
        return None;
    }
    let at = (base + u64::from(offset)) as *const T;
    // SAFETY: bpf_probe_read_kernel checks the address itself and fails on a bad one.
    match unsafe { bpf_probe_read_kernel(at) } {
        Ok(value) => Some(value),
        Err(_) => {
            count(KernelCounter::ReadFailed);
            None
        }
    }
}

// After the macros, which they use.
mod file;
mod peer;
mod sock;
mod task;

pub use file::{FilePath, Step, binprm_path};
pub use peer::Peer;
pub use sock::{AF_INET, AF_INET6, IPPROTO_TCP, Sock};
pub use task::Task;
