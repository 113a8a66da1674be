//! The kernel and its features, and the namespaces that the agent runs in.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use super::finding::{Finding, Verdict};
use crate::host_files;
use crate::privileges;
use crate::probes::{Limit, Surroundings};

const BTF: &str = "/sys/kernel/btf/vmlinux";
const LOCKDOWN: &str = "/sys/kernel/security/lockdown";
const DELAY_ACCOUNTING: &str = "/proc/sys/kernel/task_delayacct";

/// Everything about the host.
pub(super) fn findings(pod_logs: &Path, by_polling: bool) -> Vec<Finding> {
    let kernel = [kernel(), btf(), capabilities(), lockdown(), tracefs(), delay_accounting(), cgroup(), pods(pod_logs)];
    kernel.into_iter().chain(namespaces(by_polling)).collect()
}

/// The namespaces that the agent runs in, and what it cannot see from there.
fn namespaces(by_polling: bool) -> Vec<Finding> {
    let limits = Surroundings::look().limits(by_polling);
    if limits.is_empty() {
        return vec![Finding::new(Verdict::Fine, "namespaces", "the host's")];
    }
    limits.iter().map(limit).collect()
}

fn limit(limit: &Limit) -> Finding {
    let verdict = if limit.lost.is_empty() { Verdict::Fine } else { Verdict::Partial };
    Finding::new(verdict, limit.what, &limit.found).with("missing", limit.lost).with("remedy", limit.remedy)
}

fn read(path: &str) -> Option<String> {
    host_files::read(path).ok().map(|t| t.trim().to_owned())
}

fn kernel() -> Finding {
    let release = read("/proc/sys/kernel/osrelease").unwrap_or_else(|| "unknown".into());
    Finding::new(Verdict::Fine, "kernel", &format!("{release} {}", std::env::consts::ARCH))
}

fn btf() -> Finding {
    match fs::metadata(BTF) {
        Ok(_) => Finding::new(Verdict::Fine, "BTF", BTF),
        Err(e) => Finding::new(Verdict::Partial, "BTF", &format!("{BTF}: {e}"))
            .with("missing", "all that eBPF collects; the programs need BTF for the offsets of struct members")
            .with("remedy", "use a kernel built with CONFIG_DEBUG_INFO_BTF"),
    }
}

/// What is missing without each capability.
const CAPABILITIES: [(&str, &str); 6] = [
    ("CAP_BPF", "eBPF"),
    ("CAP_PERFMON", "eBPF"),
    ("CAP_NET_RAW", "packets"),
    ("CAP_NET_ADMIN", "address translation"),
    ("CAP_SYS_PTRACE", "sockets of other users' processes older than the agent"),
    ("CAP_DAC_READ_SEARCH", "executables of other users' processes"),
];

fn capabilities() -> Finding {
    let missing = privileges::missing(&CAPABILITIES.map(|(name, _)| name)).unwrap_or_default();
    if missing.is_empty() {
        return Finding::new(Verdict::Fine, "capabilities", "all needed ones are present");
    }
    let lost = CAPABILITIES.iter().filter(|(name, _)| missing.contains(name));
    let lost: Vec<_> = lost.map(|(name, what)| format!("{what} ({name})")).collect();
    Finding::new(Verdict::Partial, "capabilities", &format!("{} not granted", missing.join(", ")))
        .with("missing", &lost.join(", "))
        .with("remedy", "run as root, or grant them to the service (deploy/systemd/pidflow.service)")
}

fn lockdown() -> Finding {
    let state = read(LOCKDOWN).unwrap_or_else(|| "[none]".into());
    let mode = state.split(['[', ']']).nth(1).unwrap_or("none").to_owned();
    match mode.as_str() {
        "none" => Finding::new(Verdict::Fine, "lockdown", "none"),
        _ => Finding::new(Verdict::Partial, "lockdown", &mode)
            .with("missing", "hooks on kernel functions; tracepoints still work"),
    }
}

fn mounted(kind: &str) -> Option<String> {
    let mounts = read("/proc/self/mounts")?;
    let mut lines = mounts.lines().map(|l| l.split(' ').collect::<Vec<_>>());
    lines.find_map(|f| (f.get(2) == Some(&kind)).then(|| f.get(1).map(ToString::to_string))?)
}

fn tracefs() -> Finding {
    match mounted("tracefs") {
        Some(path) => Finding::new(Verdict::Fine, "tracefs", &path),
        None => Finding::new(Verdict::Fine, "tracefs", "not mounted")
            .with("note", "only system call tracepoints need it: mount -t tracefs tracefs /sys/kernel/tracing"),
    }
}

fn delay_accounting() -> Finding {
    let what = "delay accounting";
    match read(DELAY_ACCOUNTING).as_deref() {
        Some("1") => Finding::new(Verdict::Fine, what, "on"),
        Some(_) => Finding::new(Verdict::Partial, what, "off")
            .with("missing", "I/O wait of processes")
            .with("remedy", "run with --delay-accounting on, or sysctl kernel.task_delayacct=1"),
        None => Finding::new(Verdict::Partial, what, "not supported by this kernel")
            .with("missing", "I/O wait of processes"),
    }
}

fn cgroup() -> Finding {
    match Path::new("/sys/fs/cgroup/cgroup.controllers").exists() {
        true => Finding::new(Verdict::Fine, "cgroup", "version 2"),
        false => Finding::new(Verdict::Fine, "cgroup", "version 1 or none")
            .with("note", "container ids are read from /proc/PID/cgroup"),
    }
}

/// A host that is not a Kubernetes node lacks nothing.
fn pods(folder: &Path) -> Finding {
    let what = "Kubernetes pods";
    match fs::read_dir(folder) {
        Ok(_) => Finding::new(Verdict::Fine, what, &format!("names from {}", folder.display())),
        Err(e) if e.kind() == ErrorKind::NotFound => {
            Finding::new(Verdict::Fine, what, &format!("not a Kubernetes node (no {})", folder.display()))
        }
        Err(e) => Finding::new(Verdict::Partial, what, &format!("{}: {e}", folder.display()))
            .with("missing", "pod names; containers have only their ids"),
    }
}
