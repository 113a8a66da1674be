//! Reads one process or one network namespace from /proc.

use std::collections::HashMap;
use std::fs;

use pidflow_engine::fact::{Executable, ProcessId, ProcessSeen, ProcessesAlive, Sample, TICK_NS, Task};
use pidflow_schema::Placement;
use procfs::FromRead;
use procfs::process::{Process, Stat, Status};

use super::process_file::read;
use super::surroundings::{Surroundings, namespace};
use super::{cgroup_path, executable, login, process_id, service_name};
use crate::clock::{BootClock, engine_ns};
use crate::host_files;
use crate::privacy::Privacy;

/// Reads the description of a process; none: it is gone.
pub(crate) fn process(p: &Process, clock: BootClock, privacy: &Privacy) -> Option<ProcessSeen> {
    let stat = p.stat().ok()?;
    // The owner of /proc/PID is the effective user only if the process is dumpable.
    let status = status(p)?;
    let task = Task {
        id: process_id(stat.pid, stat.starttime),
        start_ns: clock.at(stat.starttime * TICK_NS),
        uid: privacy.uid(status.euid),
        comm: stat.comm.as_str().into(),
    };
    Some(ProcessSeen {
        time_ns: engine_ns(),
        task,
        parent_pid: u32::try_from(stat.ppid).unwrap_or(0),
        real_uid: privacy.known_uid(status.ruid),
        login: login::of(p, privacy),
        inner_pid: status.nspid.and_then(|pids| u32::try_from(*pids.last()?).ok()),
        executable: executable::of(p).map(|(path, is_deleted)| kept(&path, is_deleted, privacy)).unwrap_or_default(),
        // One additional byte shows whether the file is longer.
        command_line: privacy.command_line(&read(p, "cmdline", privacy.readable() + 1).unwrap_or_default(), false),
        placement: placement(p).map(|placement| privacy.placement(placement)),
        service_name: if privacy.service_names { service_name::of(p) } else { "".into() },
    })
}

fn placement(p: &Process) -> Option<Placement> {
    read(p, "cgroup", MAX_FILE).map(|lines| cgroup_path::placement(&host_files::lossy(lines)))
}

/// The executable as the privacy rules allow it.
fn kept(path: &str, is_deleted: bool, privacy: &Privacy) -> Executable {
    Executable { path: privacy.executable(path), is_deleted }
}

/// The greatest number of bytes read of other files of a process.
const MAX_FILE: usize = 64 * 1024;

/// The process name in this file may contain any bytes.
fn status(p: &Process) -> Option<Status> {
    Status::from_read(host_files::lossy(read(p, "status", MAX_FILE)?).as_bytes()).ok()
}

/// Current usage of a process; none: it is gone, or its PID belongs to another process.
pub(crate) fn sample(id: ProcessId) -> Option<Sample> {
    let (p, stat, sample) = quick(id)?;
    let peak_rss = status(&p).and_then(|s| s.vmhwm).map(|kib| kib * 1024);
    Some(Sample { peak_rss, iowait_ns: iowait(&p, &stat), ..sample })
}

/// Like [`sample`], but only what one file and one system call report: CPU time, faults, resident memory.
pub(crate) fn quick_sample(id: ProcessId) -> Option<Sample> {
    quick(id).map(|(_, _, sample)| sample)
}

fn quick(id: ProcessId) -> Option<(Process, Stat, Sample)> {
    let p = Process::new(i32::try_from(id.pid).ok()?).ok()?;
    let time_ns = engine_ns();
    let clock = cpu_clock(id.pid);
    let stat = p.stat().ok().filter(|s| s.starttime == id.start)?;
    let sample = Sample {
        time_ns,
        cpu_ns: Some(cpu_time(clock, (stat.utime + stat.stime) * TICK_NS)),
        minor_faults: Some(stat.minflt),
        major_faults: Some(stat.majflt),
        // A process that is exiting has already released its memory, so its size is unknown.
        rss: (stat.rss > 0).then(|| stat.rss * procfs::page_size()),
        threads: u32::try_from(stat.num_threads).ok(),
        ..Sample::default()
    };
    Some((p, stat, sample))
}

/// Prefers the clock, which counts nanoseconds, to the ticks in /proc. If the two differ much, the agent is in its own
/// PID namespace, and the clock is that of another process.
fn cpu_time(clock_ns: Option<u64>, ticks_ns: u64) -> u64 {
    let allowed = 4 * TICK_NS + ticks_ns / 20;
    clock_ns.filter(|ns| ns.abs_diff(ticks_ns) <= allowed).unwrap_or(ticks_ns)
}

/// `CPUCLOCK_SCHED` of `include/linux/posix-timers_types.h`: the run time of all threads, including those that have
/// ended.
const RUN_TIME: i32 = 2;

/// The clock of a process's CPU time, nanoseconds (`clock_getcpuclockid(3)`, which reads another one of the clocks).
fn cpu_clock(pid: u32) -> Option<u64> {
    let clock = (!i32::try_from(pid).ok()? << 3) | RUN_TIME;
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` outlives the call.
    let result = unsafe { libc::clock_gettime(clock, &raw mut time) };
    let (seconds, nanoseconds) = (u64::try_from(time.tv_sec).ok()?, u64::try_from(time.tv_nsec).ok()?);
    (result == 0).then_some(seconds * 1_000_000_000 + nanoseconds)
}

/// Block I/O delay of all threads; none: it is zero, because delay accounting is off or was off when they started, or
/// they never waited. The file of the process has only the delay of its leader.
fn iowait(p: &Process, stat: &Stat) -> Option<u64> {
    let ticks = match stat.num_threads {
        1 => stat.delayacct_blkio_ticks,
        _ if !has_delay_accounting() => None,
        _ => p.tasks().ok().map(|all| all.flatten().filter_map(|t| t.stat().ok()?.delayacct_blkio_ticks).sum()),
    };
    ticks.filter(|&t| t > 0).map(|t| t * TICK_NS)
}

/// Whether the kernel counts delays. If it does not, reading every thread is useless.
fn has_delay_accounting() -> bool {
    fs::read_to_string("/proc/sys/kernel/task_delayacct").is_ok_and(|switch| switch.trim() == "1")
}

/// All processes; none: this /proc may not show all of them.
pub(super) fn processes_alive() -> Option<ProcessesAlive> {
    let taken_ns = engine_ns();
    let all = Surroundings::look().shows_all_processes().then(procfs::process::all_processes)?.ok()?;
    let id = |p: Process| p.stat().ok().map(|stat| process_id(stat.pid, stat.starttime));
    Some(ProcessesAlive { taken_ns, processes: all.filter_map(|p| id(p.ok()?)).collect() })
}

/// Inode number of the network namespace of a process: a number, or `self`.
pub(super) fn network_namespace(process: &str) -> Option<u32> {
    namespace(&format!("/proc/{process}/ns/net")).and_then(|inode| u32::try_from(inode).ok())
}

/// All network namespaces of processes, each with one that is in it.
pub(super) fn network_namespaces() -> HashMap<u32, u32> {
    let all = procfs::process::all_processes().into_iter().flatten().flatten();
    let numbers = all.filter_map(|process| u32::try_from(process.pid()).ok());
    numbers.filter_map(|process| Some((network_namespace(&process.to_string())?, process))).collect()
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

    /// Ticks of 10 ms are too coarse to measure a process with threads during a short flow.
    #[test]
    fn the_time_of_many_threads_is_known_to_the_nanosecond() {
        let me = Process::myself().unwrap();
        let id = process_id(me.pid, me.stat().unwrap().starttime);
        let cpu = || quick_sample(id).unwrap().cpu_ns.unwrap();
        let before = cpu();
        std::thread::scope(|s| (0..4).for_each(|_| drop(s.spawn(|| (0..100_000).sum::<u64>()))));
        let after = cpu();
        assert!(after > before && !(after - before).is_multiple_of(TICK_NS), "{before} {after}");
        let own = cpu_clock(std::process::id()).unwrap();
        assert!(own >= after && own - after < 1_000_000_000, "{own} {after}");
    }

    /// A process that is not listed counts as ended.
    #[test]
    fn existing_processes_are_listed_and_ended_ones_are_not() {
        if !Surroundings::look().shows_all_processes() {
            println!("skipped: /proc does not show all processes");
            return;
        }
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let stat = Process::new(child.id() as i32).unwrap().stat().unwrap();
        let id = process_id(stat.pid, stat.starttime);
        let lists = |id: ProcessId| processes_alive().unwrap().processes.contains(&id);
        assert!(lists(id));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!lists(id));
    }

    #[test]
    fn the_clock_of_another_process_is_not_taken() {
        assert_eq!(cpu_time(Some(100_012_345), 90_000_000), 100_012_345);
        assert_eq!(cpu_time(Some(100_012_345), 900_000_000), 900_000_000);
        assert_eq!(cpu_time(None, 20_000_000), 20_000_000);
        assert_eq!(cpu_clock(0x7fff_fff0), None, "no such process");
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
        // Between execve and the first instruction of the program, there are no arguments.
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
