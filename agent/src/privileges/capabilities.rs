//! capabilities(7): privileges of each thread beyond those of its user.

use caps::{CapSet, Capability, CapsHashSet};

/// The capabilities for attaching and opening. They are also the limit for every thread: others can never be gained
/// again.
///
/// CAP_SYS_RESOURCE is for maps before Linux 5.11. CAP_SYS_ADMIN is for kprobes and system call tracepoints if
/// `kernel.perf_event_paranoid` is above 2 (Debian, Ubuntu), and for the delay accounting switch. CAP_NET_ADMIN is for address
/// translation: without it the kernel does not tell of the connections that it tracks.
pub(super) const ATTACHING: &[Capability] = &[
    Capability::CAP_BPF,
    Capability::CAP_PERFMON,
    Capability::CAP_SYS_RESOURCE,
    Capability::CAP_SYS_ADMIN,
    Capability::CAP_NET_RAW,
    Capability::CAP_NET_ADMIN,
    Capability::CAP_SYS_PTRACE,
    Capability::CAP_DAC_READ_SEARCH,
];

/// The same with a command, to which signals are passed on. Other threads give CAP_KILL up.
pub(super) fn with_command() -> Vec<Capability> {
    [ATTACHING, &[Capability::CAP_KILL]].concat()
}

/// The capabilities for reading captures and writing files of other users.
pub(super) const READING: &[Capability] = &[Capability::CAP_DAC_OVERRIDE, Capability::CAP_DAC_READ_SEARCH];

/// The capabilities for reading certificates and the configuration again, which may belong to another user.
pub(super) const COLLECTING: &[Capability] = &[Capability::CAP_DAC_READ_SEARCH];

/// The names of the wanted capabilities that this thread lacks.
///
/// # Errors
/// The kernel does not report it.
pub(crate) fn missing(names: &[&'static str]) -> Result<Vec<&'static str>, caps::errors::CapsError> {
    let have = caps::read(None, CapSet::Effective)?;
    let lacks = |name: &&str| !have.iter().any(|c| c.to_string() == **name);
    Ok(names.iter().copied().filter(lacks).collect())
}

/// Removes all other capabilities from this thread's bounding set, as far as allowed: this needs CAP_SETPCAP.
pub(super) fn bound(to: &[Capability]) {
    for capability in caps::read(None, CapSet::Bounding).unwrap_or_default() {
        if !to.contains(&capability) {
            // A capability that stays in the bounding set can be gained only by executing a file, which `no_new_privs`
            // prevents.
            let _ = caps::drop(None, CapSet::Bounding, capability);
        }
    }
}

/// Reduces the capabilities of this thread, and of those that it starts, to these.
pub(super) fn keep(wanted: &[Capability]) -> Result<(), caps::errors::CapsError> {
    let permitted = caps::read(None, CapSet::Permitted)?;
    let kept: CapsHashSet = wanted.iter().copied().filter(|c| permitted.contains(c)).collect();
    caps::clear(None, CapSet::Inheritable)?;
    caps::set(None, CapSet::Effective, &kept)?;
    caps::set(None, CapSet::Permitted, &kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_thread<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> T {
        std::thread::spawn(f).join().unwrap()
    }

    #[test]
    fn a_thread_can_give_up_everything() {
        let left = in_thread(|| keep(&[]).and_then(|()| caps::read(None, CapSet::Permitted)));
        assert!(left.unwrap().is_empty());
    }

    #[test]
    fn dropped_capabilities_cannot_be_regained() {
        let had = caps::read(None, CapSet::Permitted).unwrap();
        let left = in_thread(|| {
            bound(ATTACHING);
            keep(&[Capability::CAP_BPF]).unwrap();
            keep(ATTACHING).unwrap();
            caps::read(None, CapSet::Effective).unwrap()
        });
        assert_eq!(left, had.into_iter().filter(|c| *c == Capability::CAP_BPF).collect());
    }

    #[test]
    fn what_is_missing_is_named() {
        let missing = in_thread(|| keep(&[]).and_then(|()| missing(&["CAP_BPF", "CAP_NET_RAW"])));
        assert_eq!(missing.unwrap(), ["CAP_BPF", "CAP_NET_RAW"]);
    }
}
