//! The privileges of each thread: capabilities, system calls, files.
//!
//! [`RIGHTS`] is the only table that defines them. All three belong to a thread, and the threads that it starts inherit
//! them: a thread that a library starts has the rights of the thread that called the library ([`in_role`]). Threads
//! share memory, so an attacker who runs code in one thread may be able to use the rights of another; but this is
//! harder and more noticeable than having them already.

mod capabilities;
mod files;
mod system_calls;

use std::io;
use std::path::PathBuf;
use std::sync::Once;

use anyhow::{Context, Result, anyhow};
use caps::Capability;
use rustix::process::{DumpableBehavior, set_dumpable_behavior};

pub(crate) use capabilities::missing;
pub(crate) use files::{Files, landlock_version};
pub(crate) use system_calls::{Calls, seccomp_works};

/// The role of a thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// The main thread, once everything is attached: processes facts and packets, and makes records.
    Pipeline,
    /// Reads /proc.
    Sampler,
    /// Reads the host's own figures.
    Host,
    /// Listens to the kernel's connection tracking.
    Translation,
    /// Asks the kubelet and the API server for pods.
    Kubernetes,
    /// Asks container engines for names.
    Containers,
    /// Restores the delay accounting switch at the end.
    DelaySwitch,
    /// Opens network interfaces.
    Interfaces,
    /// Decodes packets of an interface.
    Packets,
    /// Serves HTTP.
    Http,
    /// Reads the server's certificates when they have changed.
    Certificates,
    /// Reads databases of places again when they have changed, and lists networks.
    Places,
    /// Reads the configuration again and starts exporters.
    Reload,
    /// All threads of exporters.
    Exporters,
    /// Writes the history, and answers questions about it.
    History,
    /// Tests whether the hooks deliver.
    SelfTest,
    /// Waits for signals.
    Signals,
    /// Draws the live view.
    View,
    /// Waits for a command, and passes signals on to it.
    Command,
    /// In `pidflow collect`: receives from exporters.
    Collector,
    /// In `pidflow collect`: receives from exporters, and keeps what is known of them in files.
    Keeper,
    /// In `pidflow collect`: connects to a publisher of ZeroMQ.
    Subscriber,
    /// In `pidflow collect`: passes on their records.
    Collecting,
    /// In `pidflow read`: opens capture files.
    Inputs,
    /// In `pidflow read`: decodes them.
    Reading,
    /// In `pidflow read`: all threads of exporters.
    Results,
}

/// The rights of a role.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rights {
    /// The role.
    pub(crate) role: Role,
    /// Names of its threads.
    pub(crate) threads: &'static str,
    /// Capabilities that it keeps of those that the agent was started with.
    pub(crate) capabilities: &'static [Capability],
    /// System calls.
    pub(crate) calls: Calls,
    /// Files.
    pub(crate) files: Files,
}

const fn rights(
    role: Role,
    threads: &'static str,
    capabilities: &'static [Capability],
    calls: Calls,
    files: Files,
) -> Rights {
    Rights { role, threads, capabilities, calls, files }
}

/// Every role. Threads that process untrusted input have no capabilities.
pub(crate) const RIGHTS: [Rights; 26] = {
    use Capability::{
        CAP_BPF, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_KILL, CAP_NET_ADMIN, CAP_NET_RAW, CAP_SYS_ADMIN,
        CAP_SYS_PTRACE,
    };
    [
        // Reading counters of eBPF maps needs a system call.
        rights(Role::Pipeline, "pidflow", &[CAP_BPF], Calls::Maps, Files::Any),
        // To read other users' processes.
        rights(Role::Sampler, "pidflow-sampler", &[CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH], Calls::Usual, Files::Any),
        rights(Role::Host, "host", &[], Calls::Usual, Files::System),
        // The kernel requires it for each listing of its connections.
        rights(Role::Translation, "translation", &[CAP_NET_ADMIN], Calls::Usual, Files::System),
        rights(Role::Kubernetes, "kubernetes", &[], Calls::Usual, Files::Credentials),
        rights(Role::Containers, "containers", &[], Calls::Usual, Files::System),
        // The kernel requires it for each write of the switch.
        rights(Role::DelaySwitch, "delay-switch", &[CAP_SYS_ADMIN], Calls::Usual, Files::Any),
        rights(Role::Interfaces, "interfaces", &[CAP_NET_RAW], Calls::Usual, Files::System),
        rights(Role::Packets, "packets INTERFACE", &[], Calls::Answering, Files::System),
        rights(Role::Http, "http", &[], Calls::Answering, Files::System),
        // Keys may belong to another user.
        rights(Role::Certificates, "certificates", &[CAP_DAC_READ_SEARCH], Calls::Usual, Files::Any),
        rights(Role::Places, "places", &[CAP_DAC_READ_SEARCH], Calls::Usual, Files::Any),
        rights(Role::Reload, "reload", &[CAP_DAC_READ_SEARCH], Calls::Usual, Files::Any),
        rights(Role::Exporters, "export-KIND, spool-KIND, note-KIND and others", &[], Calls::Usual, Files::Outputs),
        rights(Role::History, "history, history-reader", &[], Calls::Answering, Files::Outputs),
        // It starts one process, which is this program.
        rights(Role::SelfTest, "self-test", &[], Calls::Programs, Files::Programs),
        rights(Role::Signals, "signals", &[], Calls::Usual, Files::System),
        rights(Role::View, "view", &[], Calls::Usual, Files::System),
        // The command may belong to another user, who called sudo.
        rights(Role::Command, "command, signals (run -- COMMAND)", &[CAP_KILL], Calls::Usual, Files::System),
        rights(Role::Collector, "collect PORT (collect)", &[], Calls::Answering, Files::System),
        rights(Role::Keeper, "collect PORT (collect --collect-state)", &[], Calls::Answering, Files::Outputs),
        rights(Role::Subscriber, "collect PORT (collect --zmq-from)", &[], Calls::Usual, Files::System),
        rights(Role::Collecting, "pidflow (collect)", &[], Calls::Answering, Files::System),
        // Captures may belong to another user.
        rights(Role::Inputs, "inputs (read)", &[CAP_DAC_READ_SEARCH], Calls::Answering, Files::Any),
        rights(Role::Reading, "pidflow (read)", &[], Calls::Answering, Files::System),
        // Root may write an output in another user's folder; Landlock limits this to that folder.
        rights(Role::Results, "export-KIND and others (read)", &[CAP_DAC_OVERRIDE], Calls::Usual, Files::Outputs),
    ]
};

impl Role {
    /// The rights of the role.
    fn rights(self) -> Rights {
        let found = RIGHTS.into_iter().find(|r| r.role == self);
        // A test checks that there is an entry for each role.
        found.unwrap_or(rights(self, "", &[], Calls::Answering, Files::System))
    }

    /// Gives up, in this thread and those that it will start, what this role does not need.
    ///
    /// A kernel without seccomp or Landlock is logged; the capabilities are given up in any case.
    ///
    /// # Errors
    /// The kernel refuses to take capabilities away.
    pub(crate) fn enter(self) -> Result<()> {
        self.enter_with(&[])
    }

    fn enter_with(self, paths: &[PathBuf]) -> Result<()> {
        let rights = self.rights();
        let files = files::restrict(rights.files, paths).context("Landlock");
        let kept = capabilities::keep(rights.capabilities).context("capabilities");
        let calls = system_calls::restrict(rights.calls).context("seccomp");
        [files, calls].into_iter().filter_map(Result::err).for_each(|e| warn_of_unrestricted(&e));
        kept
    }

    /// Like [`Self::enter_or_warn`], for a role that also reads or writes below these paths.
    pub(crate) fn enter_for_or_warn(self, paths: &[PathBuf]) {
        warn_of_kept(self, self.enter_with(paths));
    }

    /// Like [`Self::enter`], but only logs a failure.
    pub(crate) fn enter_or_warn(self) {
        warn_of_kept(self, self.enter());
    }
}

/// Logged once, because it applies to every thread on this kernel.
fn warn_of_unrestricted(error: &anyhow::Error) {
    static WARNED: Once = Once::new();
    WARNED.call_once(|| tracing::warn!("threads are restricted by their capabilities only: {error:#}"));
}

fn warn_of_kept(role: Role, entered: Result<()>) {
    if let Err(e) = entered {
        tracing::warn!("a thread ({}) keeps privileges that it does not need: {e:#}", role.rights().threads);
    }
}

/// Runs a function in a thread of that role, so that the threads it starts have the role too. `outputs` are the files
/// and folders that it writes.
///
/// # Errors
/// No thread can be started, or it panicked.
pub(crate) fn in_role<T: Send>(role: Role, outputs: &[PathBuf], f: impl FnOnce() -> T + Send) -> Result<T> {
    let body = || {
        warn_of_kept(role, role.enter_with(outputs));
        f()
    };
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("starting".into()).spawn_scoped(scope, body);
        thread.context("cannot start a thread")?.join().map_err(|_| anyhow!("a thread panicked"))
    })
}

/// Keeps, in this thread and those that it starts, only what attaching and running needs, permanently.
///
/// # Errors
/// The kernel refuses.
pub(crate) fn keep_for_attaching() -> Result<()> {
    keep(capabilities::ATTACHING)
}

/// Like [`keep_for_attaching`], with a command that gets signals.
///
/// # Errors
/// The kernel refuses.
pub(crate) fn keep_for_command() -> Result<()> {
    keep(&capabilities::with_command())
}

/// Like [`keep_for_attaching`], for opening capture files and outputs.
///
/// # Errors
/// The kernel refuses.
pub(crate) fn keep_for_reading() -> Result<()> {
    keep(capabilities::READING)
}

/// Like [`keep_for_attaching`], for receiving from exporters.
///
/// # Errors
/// The kernel refuses.
pub(crate) fn keep_for_collecting() -> Result<()> {
    keep(capabilities::COLLECTING)
}

fn keep(wanted: &[Capability]) -> Result<()> {
    no_new_privileges().context("no_new_privs")?;
    unreadable().context("dumpable")?;
    capabilities::bound(wanted);
    capabilities::keep(wanted).context("capabilities")
}

fn no_new_privileges() -> io::Result<()> {
    // SAFETY: PR_SET_NO_NEW_PRIVS takes numbers only.
    match unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Closes memory, environment and files of this process in /proc, and ptrace(2), to all who may not trace any process.
///
/// Without this, who has the same user may read them through a thread that holds no capability; and a core dump would have
/// records and keys in it (`ptrace(2)`, "Ptrace access mode checking").
fn unreadable() -> rustix::io::Result<()> {
    set_dumpable_behavior(DumpableBehavior::NotDumpable)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROLES: [Role; 26] = [
        Role::Pipeline,
        Role::Sampler,
        Role::Host,
        Role::Translation,
        Role::Kubernetes,
        Role::Containers,
        Role::DelaySwitch,
        Role::Interfaces,
        Role::Packets,
        Role::Http,
        Role::Certificates,
        Role::Places,
        Role::Reload,
        Role::Exporters,
        Role::History,
        Role::SelfTest,
        Role::Signals,
        Role::View,
        Role::Command,
        Role::Collector,
        Role::Keeper,
        Role::Subscriber,
        Role::Collecting,
        Role::Inputs,
        Role::Reading,
        Role::Results,
    ];

    #[test]
    fn every_role_has_one_line() {
        for role in ROLES {
            assert_eq!(RIGHTS.iter().filter(|r| r.role == role).count(), 1, "{role:?}");
        }
        assert_eq!(RIGHTS.len(), ROLES.len());
    }

    #[test]
    fn no_role_keeps_what_is_taken_from_all() {
        for r in RIGHTS {
            let is_read = matches!(r.role, Role::Inputs | Role::Reading | Role::Results);
            let kept = match r.role {
                Role::Command => capabilities::with_command(),
                _ if is_read => capabilities::READING.to_vec(),
                _ => capabilities::ATTACHING.to_vec(),
            };
            assert!(r.capabilities.iter().all(|c| kept.contains(c)), "{:?}", r.role);
        }
    }

    #[test]
    fn a_thread_started_in_a_role_has_it() {
        let kept = in_role(Role::Exporters, &[], || {
            std::thread::spawn(|| caps::read(None, caps::CapSet::Permitted)).join().unwrap()
        });
        assert!(kept.unwrap().unwrap().is_empty());
        assert!(in_role(Role::View, &[], || std::panic::panic_any(())).is_err());
    }
}
