//! Attaches a program to an interface that drops every received packet before captures see it (bpf(2)).

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use anyhow::{Context, Result};

use crate::sys::check;

/// `enum bpf_cmd`, `bpf_prog_type` and `bpf_attach_type` of linux/bpf.h.
const PROG_LOAD: libc::c_int = 5;
const LINK_CREATE: libc::c_int = 28;
const TYPE_XDP: u32 = 6;
const ATTACH_XDP: u32 = 37;
/// `XDP_FLAGS_SKB_MODE` of linux/if_link.h: the kernel runs it, whatever the driver can do.
const SKB_MODE: u32 = 2;

/// The start of `union bpf_attr` for `BPF_PROG_LOAD`.
#[repr(C)]
struct Load {
    kind: u32,
    instructions: u32,
    code: u64,
    license: u64,
}

/// The same for `BPF_LINK_CREATE`.
#[repr(C)]
struct Link {
    program: u32,
    interface: u32,
    attach: u32,
    flags: u32,
}

/// Drops everything that the interface receives, until the descriptor is closed.
pub fn drop_all(interface: &str) -> Result<OwnedFd> {
    // r0 = XDP_DROP; exit
    let code: [u8; 16] = [0xb7, 0, 0, 0, 1, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0];
    let license = c"GPL";
    let load = Load { kind: TYPE_XDP, instructions: 2, code: code.as_ptr() as u64, license: license.as_ptr() as u64 };
    let program = bpf(PROG_LOAD, &load).context("load the program")?;
    let name = std::ffi::CString::new(interface)?;
    // SAFETY: `name` ends with a NUL and lives until the call returns.
    let index = unsafe { libc::if_nametoindex(name.as_ptr()) };
    let program = program.as_raw_fd().cast_unsigned();
    bpf(LINK_CREATE, &Link { program, interface: index, attach: ATTACH_XDP, flags: SKB_MODE })
        .with_context(|| format!("attach the program to {interface}"))
}

fn bpf<T>(command: libc::c_int, attributes: &T) -> io::Result<OwnedFd> {
    let size = size_of::<T>();
    // SAFETY: `attributes` is `size` bytes long, and what it points to lives until the call returns.
    let fd = unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_ref(attributes), size) };
    let fd = check(i32::try_from(fd).unwrap_or(-1))?;
    // SAFETY: a new descriptor that nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
