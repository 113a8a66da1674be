//! What /proc says of one process or one network namespace.

use std::fs;
use std::io::Read;

use pidflow_engine::fact::{ProcessId, ProcessSeen, Sample, TICK_NS, Task};
use procfs::FromRead;
use procfs::process::{Process, Stat, Status};

use super::surroundings::namespace;
use super::{host_files, process_id};
use crate::clock::{BootClock, engine_ns};
use crate::privacy::Privacy;

/// Reads who a process is; none: it is gone.
pub(crate) fn process(p: &Process, clock: BootClock, privacy: &Privacy) -> Option<ProcessSeen> {
    let stat = p.stat().ok()?;
    let task = Task {
        id: process_id(stat.pid, stat.starttime),
        start_ns: clock.at(stat.starttime * TICK_NS),
        uid: privacy.uid(effective_uid(p)?),
        comm: stat.comm.as_str().into(),
    };
    Some(ProcessSeen {
        time_ns: engine_ns(),
        task,
        parent_pid: u32::try_from(stat.ppid).unwrap_or(0),
        executable: p.exe().map_or_else(|_| "".into(), |path| privacy.executable(&path.to_string_lossy())),
        // One byte more shows whether the file is longer.
        command_line: privacy.command_line(&read(p, "cmdline", privacy.readable() + 1).unwrap_or_default(), false),
        container_id: container_id(&host_files::lossy(read(p, "cgroup", MAX_FILE).unwrap_or_default())),
    })
}

/// Bytes read of another file of a process.
const MAX_FILE: usize = 64 * 1024;

/// The first bytes of one of a process's files; none: it may not be read, or the process is gone.
fn read(p: &Process, file: &str, max: usize) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    p.open_relative(file).ok()?.take(max as u64).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

/// The owner of /proc/PID is the effective user, unless the process is not dumpable: then it is read from status.
fn effective_uid(p: &Process) -> Option<u32> {
    status(p).map(|s| s.euid)
}

/// The name in it may have any bytes.
fn status(p: &Process) -> Option<Status> {
    Status::from_read(host_files::lossy(read(p, "status", MAX_FILE)?).as_bytes()).ok()
}

/// The last run of 64 hexadecimal digits in the cgroup paths, as container runtimes name their cgroups.
fn container_id(cgroups: &str) -> Box<str> {
    find_container_id(cgroups).unwrap_or_default().into()
}

fn find_container_id(cgroups: &str) -> Option<&str> {
    let mut words = cgroups.split(|c: char| !c.is_ascii_alphanumeric());
    words.rfind(|w| w.len() == 64 && w.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// Usage of a process now; none: it is gone or its PID is another process's.
pub(crate) fn sample(id: ProcessId) -> Option<Sample> {
    let p = Process::new(i32::try_from(id.pid).ok()?).ok()?;
    let stat = p.stat().ok().filter(|s| s.starttime == id.start)?;
    let peak = status(&p).and_then(|s| s.vmhwm).map(|kib| kib * 1024);
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

/// Inode number of the network namespace of a process: a number, or `self`.
pub(super) fn network_namespace(process: &str) -> Option<u32> {
    namespace(&format!("/proc/{process}/ns/net")).and_then(|inode| u32::try_from(inode).ok())
}

/// Inode number of this process's own network namespace, 0 when /proc is not there.
pub(crate) fn own_network_namespace() -> u32 {
    network_namespace("self").unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::process::CommandExt;

    use super::*;

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
    fn a_process_with_bytes_that_are_not_utf8_is_seen() {
        let dir = tempfile::tempdir().unwrap();
        // The name of a process is the file's, cut at 15 bytes.
        let program = dir.path().join(std::ffi::OsStr::from_bytes(b"n\xe9t:work"));
        fs::copy("/bin/sleep", &program).unwrap();
        let mut child = std::process::Command::new(&program)
            .arg0(std::ffi::OsStr::from_bytes(b"6\xff0"))
            .arg("60")
            .spawn()
            .unwrap();
        let argument = "6\u{fffd}0";
        // Between execve and the program's first step there are no arguments.
        let seen = (0..500).find_map(|_| {
            std::thread::sleep(std::time::Duration::from_millis(10));
            let seen = process(
                &Process::new(child.id() as i32).ok()?,
                crate::clock::engine_clock(),
                &Privacy::new(None).ok()?,
            )?;
            (!seen.command_line.is_empty()).then_some((seen.task.comm, seen.command_line))
        });
        child.kill().unwrap();
        child.wait().unwrap();
        let (comm, command_line) = seen.unwrap();
        assert_eq!(&*comm, "n\u{fffd}t:work");
        assert!(command_line.contains(argument), "{command_line}");
    }
}
