//! The eBPF programs of pidflow. They write facts about processes and sockets to one ring buffer.
//!
//! There is one handler for each fact, with several entry points. The loader (`agent/src/probes`) tries which of them
//! can be attached. The programs contain no policy: the agent joins.
#![no_std]
#![no_main]
#![allow(missing_docs, reason = "entry points are named after their hooks")]

mod attempt;
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
mod usage;

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

#[panic_handler]
fn panic(_info: &core::panic::PanicInfo) -> ! {
    // SAFETY: no program of this object can panic; the verifier refuses one that could.
    unsafe { core::hint::unreachable_unchecked() }
}
