//! Giving up what is not needed: capabilities(7) by way of prctl(2) and capset(2).

use std::io;

/// What captures, maps and reading other users' processes and folders need for as long as the agent runs. Numbers of
/// `include/uapi/linux/capability.h`.
const RUNNING: [Capability; 5] =
    [(1, "CAP_DAC_OVERRIDE"), (2, "CAP_DAC_READ_SEARCH"), (13, "CAP_NET_RAW"), (19, "CAP_SYS_PTRACE"), (39, "CAP_BPF")];

/// What opening interfaces needs.
const CAPTURING: [Capability; 1] = [(13, "CAP_NET_RAW")];

/// What loading and attaching probes needs besides: CAP_SYS_RESOURCE for maps before Linux 5.11, CAP_SYS_ADMIN for
/// kprobes and system call tracepoints where `kernel.perf_event_paranoid` is above 2 (Debian, Ubuntu).
const ATTACHING: [Capability; 3] = [(21, "CAP_SYS_ADMIN"), (24, "CAP_SYS_RESOURCE"), (38, "CAP_PERFMON")];

/// Number and name.
type Capability = (u32, &'static str);

fn mask(capabilities: &[Capability]) -> u64 {
    capabilities.iter().fold(0, |mask, (bit, _)| mask | 1 << bit)
}

/// The last capability that kernels know today, CAP_CHECKPOINT_RESTORE.
const LAST: u32 = 40;

/// `_LINUX_CAPABILITY_VERSION_3`.
const VERSION: u32 = 0x2008_0522;

#[repr(C)]
struct Header {
    version: u32,
    pid: i32,
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Sets {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// The effective capabilities of this thread, one bit each.
pub(crate) fn effective() -> io::Result<u64> {
    get().map(|[low, high]| u64::from(low.effective) | u64::from(high.effective) << 32)
}

/// The names of those that are wanted and missing.
pub(crate) fn missing(names: &[&str]) -> io::Result<Vec<&'static str>> {
    let have = effective()?;
    let lacks = |(bit, name): &&Capability| have & (1 << bit) == 0 && names.contains(name);
    Ok(RUNNING.iter().chain(&ATTACHING).filter(lacks).map(|(_, name)| *name).collect())
}

/// Keeps, in this thread and those that it starts, only what attaching and running needs, for good.
pub(crate) fn keep_for_attaching() -> io::Result<()> {
    let mask = mask(&RUNNING) | mask(&ATTACHING);
    no_new_privileges()?;
    for capability in (0..=LAST).filter(|c| mask & (1 << c) == 0) {
        // SAFETY: PR_CAPBSET_DROP takes a number; one that the kernel does not know, or may not be
        // dropped because we are not root anyway, is refused and nothing else happens.
        unsafe { libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0) };
    }
    limit(mask)
}

/// Keeps, in this thread and those that it starts, only what running needs.
pub(crate) fn keep_for_running() -> io::Result<()> {
    limit(mask(&RUNNING))
}

/// Keeps, in this thread and those that it starts, only what opening interfaces needs.
pub(crate) fn keep_for_capturing() -> io::Result<()> {
    limit(mask(&CAPTURING))
}

/// Keeps nothing, in this thread.
pub(crate) fn keep_none() -> io::Result<()> {
    limit(0)
}

fn no_new_privileges() -> io::Result<()> {
    // SAFETY: PR_SET_NO_NEW_PRIVS takes numbers only.
    match unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

fn limit(mask: u64) -> io::Result<()> {
    let words = [mask as u32, (mask >> 32) as u32];
    let mut sets = get()?;
    for (set, mask) in sets.iter_mut().zip(words) {
        set.permitted &= mask;
        set.effective = set.permitted;
        set.inheritable &= mask;
    }
    let header = Header { version: VERSION, pid: 0 };
    // SAFETY: capset reads a header and, for version 3, two sets.
    match unsafe { libc::syscall(libc::SYS_capset, &raw const header, sets.as_ptr()) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

fn get() -> io::Result<[Sets; 2]> {
    let header = Header { version: VERSION, pid: 0 };
    let mut sets = [Sets::default(); 2];
    // SAFETY: capget reads a header and, for version 3, writes two sets.
    match unsafe { libc::syscall(libc::SYS_capget, &raw const header, sets.as_mut_ptr()) } {
        0 => Ok(sets),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_can_give_up_everything() {
        let left = std::thread::spawn(|| keep_none().and_then(|()| effective())).join().unwrap().unwrap();
        assert_eq!(left, 0);
    }

    #[test]
    fn a_thread_can_keep_what_is_needed() {
        let give_up = || keep_for_attaching().and_then(|()| Ok((effective()?, keep_for_running()?, effective()?)));
        let (attaching, (), running) = std::thread::spawn(give_up).join().unwrap().unwrap();
        assert_eq!((attaching & !(mask(&RUNNING) | mask(&ATTACHING)), running & !mask(&RUNNING)), (0, 0));
    }
}
