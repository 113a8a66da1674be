//! Processor time and memory of a command.

use std::process::{Command, Stdio};
use std::time::Instant;

struct Used {
    cpu_s: f64,
    wall_s: f64,
    peak_kib: i64,
}

/// Runs the command once to warm the page cache and then `runs` times; prints the medians as one line:
/// name, packets per CPU second, CPU seconds, wall seconds, peak resident memory in KiB.
pub(super) fn run(name: &str, runs: usize, packets: f64, command: &[&str]) {
    once(command);
    let all: Vec<Used> = (0..runs).map(|_| once(command)).collect();
    let cpu_s = median(all.iter().map(|used| used.cpu_s));
    let wall_s = median(all.iter().map(|used| used.wall_s));
    let peak_kib = all.iter().map(|used| used.peak_kib).max().unwrap_or(0);
    println!("{name}\t{:.0}\t{cpu_s:.3}\t{wall_s:.3}\t{peak_kib}", packets / cpu_s);
}

#[expect(clippy::zombie_processes, reason = "wait4 waits for it, and says what it used")]
fn once(command: &[&str]) -> Used {
    let (program, arguments) = command.split_first().expect("a command");
    let begun = Instant::now();
    let child = Command::new(program).args(arguments).stdout(Stdio::null()).spawn().expect("the command starts");
    // SAFETY: all zeros is a valid rusage, which the kernel fills.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    let mut status = 0;
    let pid = i32::try_from(child.id()).expect("a PID");
    // SAFETY: both pointers are to local variables, and the child is ours and was not waited for.
    let waited = unsafe { libc::wait4(pid, &raw mut status, 0, &raw mut usage) };
    assert!(waited == pid && libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0, "{command:?} failed");
    Used {
        cpu_s: seconds(usage.ru_utime) + seconds(usage.ru_stime),
        wall_s: begun.elapsed().as_secs_f64(),
        peak_kib: usage.ru_maxrss,
    }
}

fn seconds(time: libc::timeval) -> f64 {
    time.tv_sec as f64 + time.tv_usec as f64 / 1e6
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
