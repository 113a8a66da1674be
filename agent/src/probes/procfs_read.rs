//! What /proc says of one process or one network namespace.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

use pidflow_engine::fact::{Fact, ProcessId, ProcessSeen, Sample, TICK_NS, Task};
use procfs::process::{Process, Stat};

use super::process_id;
use crate::clock::{BootClock, engine_ns};

/// Reads who a process is; none: it is gone.
pub(crate) fn process(p: &Process, clock: BootClock) -> Option<ProcessSeen> {
    let stat = p.stat().ok()?;
    let task = Task {
        id: process_id(stat.pid, stat.starttime),
        start_ns: clock.at(stat.starttime * TICK_NS),
        uid: effective_uid(p)?,
        comm: stat.comm.as_str().into(),
    };
    Some(ProcessSeen {
        time_ns: engine_ns(),
        task,
        parent_pid: u32::try_from(stat.ppid).unwrap_or(0),
        executable: p.exe().map_or_else(|_| "".into(), |path| path.to_string_lossy().into()),
        command_line: p.cmdline().map_or_else(|_| "".into(), |args| args.join(" ").into()),
        container_id: container_id(stat.pid),
    })
}

/// The owner of /proc/PID is the effective user, unless the process is not dumpable: then status tells.
fn effective_uid(p: &Process) -> Option<u32> {
    p.status().ok().map(|s| s.euid)
}

/// The last run of 64 hexadecimal digits in the cgroup paths, as container runtimes name their cgroups.
fn container_id(pid: i32) -> Box<str> {
    let cgroups = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
    find_container_id(&cgroups).unwrap_or_default().into()
}

fn find_container_id(cgroups: &str) -> Option<&str> {
    let mut words = cgroups.split(|c: char| !c.is_ascii_alphanumeric());
    words.rfind(|w| w.len() == 64 && w.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// Usage of a process now; none: it is gone or its PID is another process's.
pub(crate) fn sample(id: ProcessId) -> Option<Sample> {
    let p = Process::new(i32::try_from(id.pid).ok()?).ok()?;
    let stat = p.stat().ok().filter(|s| s.starttime == id.start)?;
    let peak = p.status().ok().and_then(|s| s.vmhwm).map(|kib| kib * 1024);
    Some(Sample {
        time_ns: engine_ns(),
        cpu_ns: Some(cpu_time(&stat)),
        minor_faults: Some(stat.minflt),
        major_faults: Some(stat.majflt),
        rss: Some(stat.rss * procfs::page_size()),
        peak_rss: peak,
        // 0 also stands for "delay accounting was off when the process started".
        iowait_ns: stat.delayacct_blkio_ticks.filter(|&t| t > 0).map(|t| t * TICK_NS),
        threads: u32::try_from(stat.num_threads).ok(),
    })
}

/// A single thread's run time is known to the nanosecond, that of several only in ticks.
fn cpu_time(stat: &Stat) -> u64 {
    let exact = (stat.num_threads == 1).then(|| schedstat(stat.pid)).flatten();
    exact.unwrap_or((stat.utime + stat.stime) * TICK_NS)
}

fn schedstat(pid: i32) -> Option<u64> {
    fs::read_to_string(format!("/proc/{pid}/schedstat")).ok()?.split_whitespace().next()?.parse().ok()
}

/// Inode number of a process's network namespace.
pub(crate) fn network_namespace(pid: u32) -> Option<u32> {
    let link = fs::read_link(format!("/proc/{pid}/ns/net")).ok()?;
    let text: OsString = link.into();
    let text = std::str::from_utf8(text.as_bytes()).ok()?;
    text.strip_prefix("net:[")?.strip_suffix(']')?.parse().ok()
}

/// Inode number of this process's own network namespace, 0 when /proc is not there.
pub(crate) fn own_network_namespace() -> u32 {
    network_namespace(std::process::id()).unwrap_or(0)
}

/// All addresses of the network namespace of `pid`.
pub(crate) fn addresses(pid: u32) -> Vec<IpAddr> {
    let v4 = fs::read_to_string(format!("/proc/{pid}/net/fib_trie")).unwrap_or_default();
    let v6 = fs::read_to_string(format!("/proc/{pid}/net/if_inet6")).unwrap_or_default();
    let mut all: Vec<IpAddr> = local_ipv4(&v4).map(IpAddr::V4).chain(local_ipv6(&v6).map(IpAddr::V6)).collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// The addresses of a namespace, seen through `pid`; none: that process is gone, or the namespace has none.
pub(crate) fn addresses_event(netns: u32, pid: u32) -> Option<Fact> {
    let addresses = addresses(pid);
    (!addresses.is_empty()).then(|| Fact::Addresses { time_ns: engine_ns(), netns, addresses })
}

/// `fib_trie` prints an address in one line and `/32 host LOCAL` in the next.
fn local_ipv4(fib_trie: &str) -> impl Iterator<Item = Ipv4Addr> {
    let lines = fib_trie.lines().zip(fib_trie.lines().skip(1));
    lines
        .filter(|(_, next)| next.contains("/32 host LOCAL"))
        .filter_map(|(line, _)| line.split_whitespace().last()?.parse().ok())
}

/// `if_inet6` begins each line with the address in 32 hexadecimal digits.
fn local_ipv6(if_inet6: &str) -> impl Iterator<Item = Ipv6Addr> {
    if_inet6
        .lines()
        .filter_map(|line| u128::from_str_radix(line.split_whitespace().next()?, 16).ok().map(Ipv6Addr::from))
}

/// The host's user names.
pub(crate) fn users() -> HashMap<u32, Arc<str>> {
    let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
    passwd.lines().filter_map(user).collect()
}

fn user(line: &str) -> Option<(u32, Arc<str>)> {
    let mut fields = line.split(':');
    let name = fields.next()?;
    Some((fields.nth(1)?.parse().ok()?, name.into()))
}

#[cfg(test)]
mod tests {
    use super::{find_container_id, local_ipv4, local_ipv6, user};

    #[test]
    fn container_ids_of_the_usual_runtimes() {
        let id = "0123456789abcdef".repeat(4);
        for path in [
            format!("0::/system.slice/docker-{id}.scope\n"),
            format!("12:cpu:/kubepods/burstable/pod1b2c/{id}\n"),
            format!("0::/kubepods.slice/kubepods-pod1.slice/cri-containerd-{id}.scope"),
        ] {
            assert_eq!(find_container_id(&path), Some(id.as_str()));
        }
        assert_eq!(find_container_id("0::/user.slice/user-0.slice\n"), None);
    }

    #[test]
    fn addresses_of_a_namespace() {
        let trie = "Local:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 127.0.0.1\n        /32 host LOCAL\n     |-- 127.255.255.255\n        /32 link BROADCAST\n";
        assert_eq!(local_ipv4(trie).map(|a| a.to_string()).collect::<Vec<_>>(), ["127.0.0.1"]);
        let inet6 = "00000000000000000000000000000001 01 80 10 80       lo\n";
        assert_eq!(local_ipv6(inet6).map(|a| a.to_string()).collect::<Vec<_>>(), ["::1"]);
    }

    #[test]
    fn users_of_passwd() {
        assert_eq!(user("nobody:x:65534:65534:nobody:/:/usr/sbin/nologin"), Some((65534, "nobody".into())));
        assert_eq!(user("broken"), None);
    }
}
