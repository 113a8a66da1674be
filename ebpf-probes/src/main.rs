//! The eBPF programs of pidflow: facts about processes and sockets, into one ring buffer.
//!
//! One handler for each fact, several entry points; which of them are attached is decided by the
//! loader (`agent/src/probes`) by trying. Nothing here is policy: the agent joins.
#![no_std]
#![no_main]
#![allow(missing_docs, reason = "entry points are named after their hooks")]

mod cgroup;
mod counters;
mod emit;
mod kernel;
mod memory;
mod path;
mod process;
mod socket;
mod syscalls;
mod tcp;
mod traffic;

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

#[panic_handler]
fn panic(_info: &core::panic::PanicInfo) -> ! {
    // SAFETY: no program of this object can panic; the verifier refuses one that could.
    unsafe { core::hint::unreachable_unchecked() }
}
