//! Detects whether the agent runs in the host's namespaces or in its own (namespaces(7)), and what it cannot see there.
//!
//! eBPF reports the host's process numbers. A number means the same process in /proc only if that /proc shows the
//! host's PID namespace; in another one it would be a wrong process.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use procfs::process::Process;

use crate::host_files;

/// Inode numbers of the first namespaces (`include/linux/proc_ns.h`); that of the first network namespace is not fixed.
const FIRST_CGROUP: u64 = 0xEFFF_FFFB;
const FIRST_PID: u64 = 0xEFFF_FFFC;
const FIRST_USER: u64 = 0xEFFF_FFFD;

/// A limit of what the agent can see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Limit {
    /// What is limited, in a few words.
    pub(crate) what: &'static str,
    /// What was found.
    pub(crate) found: String,
    /// What is not seen or is wrong because of it; empty: nothing.
    pub(crate) lost: &'static str,
    /// What to do about it.
    pub(crate) remedy: &'static str,
}

/// The namespaces and the /proc in which the agent runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Surroundings {
    /// This process's number in its own PID namespace.
    own_pid: u32,
    /// Its number in the PID namespace that /proc shows; none: that namespace does not contain it.
    pid_in_proc: Option<u32>,
    /// Its own namespaces, by inode number; none: not known.
    own: Namespaces,
    /// Those of process 1 of that /proc; unknown without the privilege to read them.
    first: Namespaces,
    /// Whether process 2 of that /proc is a kernel thread, which only the first PID namespace has.
    has_kernel_threads: bool,
    /// Offset of the time since boot in its time namespace (`timens_offsets`); empty: 0.
    boot_offset: String,
    /// Options of the mount at /proc.
    proc_options: String,
}

/// Namespaces of one process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Namespaces {
    pid: Option<u64>,
    user: Option<u64>,
    net: Option<u64>,
    mnt: Option<u64>,
    cgroup: Option<u64>,
}

impl Namespaces {
    fn of(process: &str) -> Self {
        let inode = |kind| namespace(&format!("/proc/{process}/ns/{kind}"));
        Self { pid: inode("pid"), user: inode("user"), net: inode("net"), mnt: inode("mnt"), cgroup: inode("cgroup") }
    }
}

/// Inode number of the namespace that the link leads to, as in `net:[4026531840]`.
pub(super) fn namespace(link: &str) -> Option<u64> {
    let target = fs::read_link(link).ok()?;
    let text = std::str::from_utf8(target.as_os_str().as_bytes()).ok()?;
    text.split_once(":[")?.1.strip_suffix(']')?.parse().ok()
}

impl Surroundings {
    /// Detects them.
    pub(crate) fn look() -> Self {
        let own_pid = std::process::id();
        let pid_in_proc = fs::read_link("/proc/self").ok().and_then(|link| link.to_str()?.parse().ok());
        Self {
            own_pid,
            pid_in_proc,
            own: Namespaces::of("self"),
            first: Namespaces::of("1"),
            has_kernel_threads: is_kernel_thread(2),
            boot_offset: boot_offset(&host_files::read("/proc/self/timens_offsets").unwrap_or_default()),
            proc_options: proc_options(&host_files::read("/proc/self/mounts").unwrap_or_default()),
        }
    }

    /// Whether a process number and start time of eBPF mean the same process in /proc.
    pub(crate) fn proc_is_hosts(&self) -> bool {
        // If /proc hides other processes: whether the process's own namespace is both the first one and the one shown.
        let is_own = self.own.pid == Some(FIRST_PID) && self.pid_in_proc == Some(self.own_pid);
        let is_first = self.first.pid.map_or(self.has_kernel_threads || is_own, |pid| pid == FIRST_PID);
        is_first && self.boot_offset.is_empty()
    }

    /// The agent's process number in facts and records, where eBPF reports processes or only /proc is polled; none: eBPF's is
    /// not known, because the agent is in a PID namespace of its own.
    pub(crate) fn pid_in_facts(&self, by_polling: bool) -> Option<u32> {
        if by_polling { self.pid_in_proc } else { (self.own.pid == Some(FIRST_PID)).then_some(self.own_pid) }
    }

    /// The folder below which the host's files are: the root of process 1, if that is in another mount namespace.
    pub(crate) fn host_root(&self) -> PathBuf {
        let is_elsewhere = self.proc_is_hosts() && self.first.mnt.is_some() && self.first.mnt != self.own.mnt;
        let root = Path::new("/proc/1/root");
        if is_elsewhere && root.join("etc").is_dir() { root.to_owned() } else { Path::new("/").to_owned() }
    }

    /// All limits. `by_polling`: without eBPF, only /proc is polled.
    pub(crate) fn limits(&self, by_polling: bool) -> Vec<Limit> {
        [self.processes(by_polling), self.time(), self.proc_mount(), self.users(), self.cgroups(), self.packets()]
            .into_iter()
            .flatten()
            .collect()
    }

    fn processes(&self, by_polling: bool) -> Option<Limit> {
        let found = match self.pid_in_proc {
            _ if self.proc_is_hosts() || !self.boot_offset.is_empty() => return None,
            None => "/proc is not mounted, or shows a PID namespace that the agent is not in".to_owned(),
            _ => "/proc shows a PID namespace of the agent's own, not the host's".to_owned(),
        };
        Some(Limit {
            what: "PID namespace",
            found,
            lost: if by_polling {
                "processes and sockets outside the agent's PID namespace; process numbers are that namespace's"
            } else {
                "command lines, parents, containers and usage samples of processes older than the agent, and their \
                 sockets: process numbers of eBPF are the host's and are not looked up in another namespace"
            },
            remedy: "run in the host's PID namespace (hostPID: true, docker run --pid=host)",
        })
    }

    fn time(&self) -> Option<Limit> {
        (!self.boot_offset.is_empty()).then(|| Limit {
            what: "time namespace",
            found: format!("the time since boot is shifted by {}", self.boot_offset),
            lost: "processes are not looked up, because start times of eBPF and of /proc differ, and times are wrong",
            remedy: "run in the host's time namespace",
        })
    }

    fn proc_mount(&self) -> Option<Limit> {
        let limiting = |option: &&str| *option == "subset=pid" || is_hiding(option);
        let options: Vec<_> = self.proc_options.split(',').filter(limiting).collect();
        (!options.is_empty()).then(|| Limit {
            what: "/proc",
            found: format!("mounted with {}", options.join(",")),
            lost: if options.contains(&"subset=pid") {
                "figures of the host, and other users' processes without CAP_SYS_PTRACE"
            } else {
                "other users' processes, unless the agent has CAP_SYS_PTRACE"
            },
            remedy: "mount /proc without these options, or give the agent CAP_SYS_PTRACE",
        })
    }

    fn users(&self) -> Option<Limit> {
        self.own.user.is_some_and(|user| user != FIRST_USER).then(|| Limit {
            what: "user namespace",
            found: "the agent's own".into(),
            lost: "eBPF and packets of the host: capabilities count only within the user namespace, and users have the \
                   numbers of that namespace",
            remedy: "run in the host's user namespace (no userns-remap, hostUsers: true)",
        })
    }

    fn cgroups(&self) -> Option<Limit> {
        self.own.cgroup.is_some_and(|cgroup| cgroup != FIRST_CGROUP).then(|| Limit {
            what: "cgroup namespace",
            found: "the agent's own".into(),
            lost: "",
            remedy: "none needed: only the agent's own container id is unknown",
        })
    }

    fn packets(&self) -> Option<Limit> {
        let found = match (self.own.net, self.first.net) {
            (Some(own), Some(first)) if self.proc_is_hosts() && own == first => return None,
            (Some(_), Some(_)) if self.proc_is_hosts() => "not that of process 1",
            // Without the host's process 1 it is unknown.
            _ if self.proc_is_hosts() || self.own.pid == Some(FIRST_PID) => return None,
            _ => "unknown whether it is the host's: the agent has its own PID namespace",
        };
        Some(Limit {
            what: "network namespace",
            found: found.into(),
            lost: "packets of all interfaces that are not in the agent's network namespace",
            remedy: "run in the host's network namespace (hostNetwork: true, docker run --network=host)",
        })
    }
}

/// `PF_KTHREAD` (`include/linux/sched.h`).
const KERNEL_THREAD: u32 = 0x0020_0000;

fn is_kernel_thread(pid: i32) -> bool {
    Process::new(pid).and_then(|p| p.stat()).is_ok_and(|stat| stat.flags & KERNEL_THREAD != 0)
}

fn is_hiding(option: &str) -> bool {
    option.strip_prefix("hidepid=").is_some_and(|level| !matches!(level, "0" | "off"))
}

/// The options of the last mount at /proc, which hides earlier ones.
fn proc_options(mounts: &str) -> String {
    let fields = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    let mut options = fields.filter(|f| f.get(1) == Some(&"/proc")).filter_map(|f| f.get(3).map(ToString::to_string));
    options.next_back().unwrap_or_default()
}

/// Seconds and nanoseconds of the line `boottime`; empty: 0.
fn boot_offset(timens_offsets: &str) -> String {
    let line = timens_offsets.lines().find_map(|line| line.strip_prefix("boottime")).unwrap_or_default();
    let mut fields = line.split_whitespace();
    match (fields.next(), fields.next()) {
        (None, _) | (Some("0"), Some("0")) => String::new(),
        (Some(seconds), _) => format!("{seconds} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host() -> Surroundings {
        let namespaces = Namespaces {
            pid: Some(FIRST_PID),
            user: Some(FIRST_USER),
            net: Some(4_026_531_840),
            mnt: Some(4_026_531_841),
            cgroup: Some(FIRST_CGROUP),
        };
        Surroundings {
            own_pid: 77,
            pid_in_proc: Some(77),
            own: namespaces,
            first: namespaces,
            has_kernel_threads: true,
            boot_offset: String::new(),
            proc_options: "rw,nosuid,nodev,noexec,relatime".into(),
        }
    }

    fn limited(s: &Surroundings) -> Vec<&'static str> {
        s.limits(false).into_iter().map(|l| l.what).collect()
    }

    #[test]
    fn nothing_is_limited_on_the_host_itself() {
        assert!(host().proc_is_hosts() && limited(&host()).is_empty());
        let unprivileged = Surroundings { first: Namespaces::default(), ..host() };
        assert!(unprivileged.proc_is_hosts() && limited(&unprivileged).is_empty(), "{unprivileged:?}");
    }

    /// A /proc that shows no kernel threads.
    fn inside() -> Surroundings {
        Surroundings { has_kernel_threads: false, ..host() }
    }

    #[test]
    fn a_pid_namespace_of_its_own_is_noticed() {
        let pid = Some(FIRST_PID + 500);
        let own = Namespaces { pid, ..host().own };
        let container = Surroundings { own_pid: 1, pid_in_proc: Some(1), own, first: own, ..inside() };
        assert!(!container.proc_is_hosts());
        assert_eq!(limited(&container), ["PID namespace", "network namespace"]);
        let with_hosts_proc = Surroundings { own_pid: 1, pid_in_proc: Some(345), own, ..host() };
        assert!(with_hosts_proc.proc_is_hosts() && limited(&with_hosts_proc).is_empty());
        let with_foreign_proc = Surroundings { pid_in_proc: None, first: own, ..inside() };
        assert!(!with_foreign_proc.proc_is_hosts());
        let unknown = Surroundings { own, first: Namespaces::default(), ..inside() };
        assert!(!unknown.proc_is_hosts(), "what cannot be told is not assumed");
        let other_proc = Surroundings { pid_in_proc: Some(5), first: Namespaces::default(), ..inside() };
        assert!(!other_proc.proc_is_hosts(), "another number in /proc than its own");
        let hidden = Surroundings { own_pid: 1, own, first: Namespaces::default(), ..host() };
        assert!(hidden.proc_is_hosts() && limited(&hidden).is_empty(), "threads of the kernel are the host's");
    }

    #[test]
    fn other_namespaces_are_noticed() {
        let own = |change: fn(&mut Namespaces)| {
            let mut s = host();
            change(&mut s.own);
            limited(&s)
        };
        assert_eq!(own(|n| n.net = Some(1)), ["network namespace"]);
        assert_eq!(own(|n| n.user = Some(1)), ["user namespace"]);
        assert_eq!(own(|n| n.cgroup = Some(1)), ["cgroup namespace"]);
        assert!(own(|n| n.mnt = Some(1)).is_empty());
        let hidden = Surroundings { proc_options: "rw,hidepid=invisible".into(), ..host() };
        assert_eq!(limited(&hidden), ["/proc"]);
        assert!(limited(&Surroundings { proc_options: "rw,hidepid=off,gid=4".into(), ..host() }).is_empty());
        let shifted = Surroundings { boot_offset: "100 s".into(), ..host() };
        assert!(!shifted.proc_is_hosts());
        assert_eq!(limited(&shifted), ["time namespace", "network namespace"][..1]);
    }

    #[test]
    fn files_are_read_as_the_kernel_writes_them() {
        assert_eq!(boot_offset("monotonic           0         0\nboottime      864000         0\n"), "864000 s");
        assert_eq!(boot_offset("monotonic           0         0\nboottime            0         0\n"), "");
        assert_eq!(boot_offset(""), "");
        let mounts = "proc /proc proc rw 0 0\nx /proc/x y rw 0 0\nproc /proc proc rw,subset=pid 0 0\n";
        assert_eq!(proc_options(mounts), "rw,subset=pid");
        assert!(namespace("/proc/self/ns/net").is_some() && namespace("/nowhere").is_none());
    }
}
