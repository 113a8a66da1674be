//! seccomp(2): system calls that a thread may not make.
//!
//! The lists contain the refused calls, which fail with EPERM. A list of allowed calls would have to follow every C
//! library, and killing a thread would end the whole agent. The refused calls are those that an attacker who runs code
//! in a thread would need to get further: to other processes, other namespaces, other programs, the kernel.

use std::collections::BTreeMap;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
};

/// Which system calls a thread may make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Calls {
    /// No dangerous calls, except bpf(2), to read eBPF maps.
    Maps,
    /// No dangerous calls, except execve(2), to start a program.
    Programs,
    /// No dangerous calls.
    Usual,
    /// Like [`Self::Usual`], and no new peers: the thread cannot connect, and can send only on connected sockets.
    Answering,
}

impl Calls {
    /// Its name in documentation and `pidflow doctor`.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Maps => "usual and bpf",
            Self::Programs => "usual and execve",
            Self::Usual => "usual",
            Self::Answering => "usual, no new peers",
        }
    }
}

/// Never needed once everything is attached.
const DANGEROUS: &[libc::c_long] = &[
    // Other processes.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_kcmp,
    libc::SYS_pidfd_getfd,
    // Other programs.
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_personality,
    // Other users.
    libc::SYS_setuid,
    libc::SYS_setgid,
    libc::SYS_setreuid,
    libc::SYS_setregid,
    libc::SYS_setresuid,
    libc::SYS_setresgid,
    libc::SYS_setfsuid,
    libc::SYS_setfsgid,
    libc::SYS_setgroups,
    // Namespaces and mounts.
    libc::SYS_setns,
    libc::SYS_unshare,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_name_to_handle_at,
    libc::SYS_open_by_handle_at,
    // The kernel.
    libc::SYS_perf_event_open,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_syslog,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_adjtimex,
    libc::SYS_clock_adjtime,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_fanotify_init,
    libc::SYS_vhangup,
    // Keys, and calls used in attacks on the kernel.
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    libc::SYS_userfaultfd,
    // Does the work of other calls, but bypasses this filter.
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
];

#[cfg(target_arch = "x86_64")]
const DANGEROUS_HERE: &[libc::c_long] = &[
    libc::SYS_iopl,
    libc::SYS_ioperm,
    libc::SYS_modify_ldt,
    // Calls with separate numbers in the x32 ABI (arch/x86/entry/syscalls/syscall_64.tbl): execve, ptrace, kexec_load,
    // process_vm_readv, process_vm_writev, execveat.
    X32 | 520,
    X32 | 521,
    X32 | 528,
    X32 | 539,
    X32 | 540,
    X32 | 545,
];
#[cfg(not(target_arch = "x86_64"))]
const DANGEROUS_HERE: &[libc::c_long] = &[];

/// `__X32_SYSCALL_BIT`: with it, a number selects the same call in the x32 ABI, if the kernel supports it.
#[cfg(target_arch = "x86_64")]
const X32: libc::c_long = 0x4000_0000;

/// Calls with which a thread could reach a new peer.
const REACHING: &[libc::c_long] =
    &[libc::SYS_connect, libc::SYS_bind, libc::SYS_listen, libc::SYS_sendmsg, libc::SYS_sendmmsg];

/// The argument of sendto(2) that is the destination; a connected socket needs none.
const DESTINATION: u8 = 4;

/// Permanently refuses all calls except these in this thread and those that it starts.
pub(super) fn restrict(to: Calls) -> Result<(), seccompiler::Error> {
    let arch = std::env::consts::ARCH.try_into()?;
    let refuse = SeccompAction::Errno(libc::EPERM as u32);
    let filter = SeccompFilter::new(rules(to)?, SeccompAction::Allow, refuse, arch)?;
    seccompiler::apply_filter(&BpfProgram::try_from(filter)?)
}

/// Whether the running kernel accepts such a filter.
///
/// # Errors
/// Why the kernel does not accept it.
pub(crate) fn seccomp_works() -> Result<(), seccompiler::Error> {
    std::thread::scope(|scope| scope.spawn(|| restrict(Calls::Usual)).join()).unwrap_or(Ok(()))
}

/// The refused calls; a call without conditions is always refused.
fn rules(to: Calls) -> Result<BTreeMap<i64, Vec<SeccompRule>>, seccompiler::Error> {
    let mut refused: Vec<_> = [DANGEROUS, DANGEROUS_HERE].concat();
    if to != Calls::Maps {
        refused.push(libc::SYS_bpf);
    }
    if to == Calls::Programs {
        refused.retain(|call| *call != libc::SYS_execve);
    }
    if to == Calls::Answering {
        refused.extend(REACHING);
    }
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
        refused.into_iter().flat_map(in_all_abis).map(|call| (call, Vec::new())).collect();
    if to == Calls::Answering {
        let to_somebody = SeccompCondition::new(DESTINATION, SeccompCmpArgLen::Qword, SeccompCmpOp::Ne, 0)?;
        for call in in_all_abis(libc::SYS_sendto) {
            rules.insert(call, vec![SeccompRule::new(vec![to_somebody.clone()])?]);
        }
    }
    Ok(rules)
}

fn in_all_abis(call: libc::c_long) -> impl Iterator<Item = i64> {
    #[cfg(target_arch = "x86_64")]
    return [call, call | X32].into_iter();
    #[cfg(not(target_arch = "x86_64"))]
    return [call].into_iter();
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::net::{TcpListener, TcpStream, ToSocketAddrs, UdpSocket};

    use super::*;

    fn errno(call: libc::c_long) -> Option<i32> {
        // SAFETY: all arguments are 0, which none of the tested calls does anything with.
        let done = unsafe { libc::syscall(call, 0, 0, 0, 0, 0, 0) };
        (done < 0).then(|| io::Error::last_os_error().raw_os_error()).flatten()
    }

    fn restricted<T: Send + 'static>(to: Calls, f: impl FnOnce() -> T + Send + 'static) -> T {
        let body = move || {
            restrict(to).unwrap();
            // A thread inherits the filter of the thread that started it.
            std::thread::spawn(f).join().unwrap()
        };
        std::thread::spawn(body).join().unwrap()
    }

    #[test]
    fn dangerous_calls_are_refused_and_others_work() {
        let refused = || [libc::SYS_execve, libc::SYS_setns, libc::SYS_keyctl, libc::SYS_bpf].map(errno);
        let refused = restricted(Calls::Usual, refused);
        assert_eq!(refused, [Some(libc::EPERM); 4]);
        let [bpf, ptrace] = restricted(Calls::Maps, || [libc::SYS_bpf, libc::SYS_ptrace].map(errno));
        assert_eq!(ptrace, Some(libc::EPERM));
        assert_ne!(bpf, None, "no such command");
        let names = restricted(Calls::Usual, || ("localhost", 1).to_socket_addrs().map(Iterator::count));
        assert!(names.unwrap() > 0, "names are looked up");
    }

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn the_same_calls_by_other_numbers_are_refused_too() {
        let before = errno(X32 | 521);
        assert_ne!(before, None, "ptrace of no process fails in any case");
        let refused = restricted(Calls::Usual, || [X32 | 521, X32 | libc::SYS_setns].map(errno));
        assert_eq!(refused, [Some(libc::EPERM); 2]);
    }

    #[test]
    fn an_answering_thread_cannot_connect() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let client = TcpStream::connect(address).unwrap();
        let datagrams = UdpSocket::bind("127.0.0.1:0").unwrap();
        let answer = restricted(Calls::Answering, move || {
            let (mut stream, _) = listener.accept().unwrap();
            io::Write::write_all(&mut stream, b"x").unwrap();
            (TcpStream::connect(address).is_err(), datagrams.send_to(b"x", address).is_err())
        });
        assert_eq!(answer, (true, true));
        let mut got = [0];
        io::Read::read_exact(&mut &client, &mut got).unwrap();
        assert_eq!(&got, b"x");
    }
}
