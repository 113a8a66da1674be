//! The test's child process: it is forked, executes this program again, and ends.

use std::io;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::expected::{Act, Expected};

/// Maximum run time of the child process, which usually takes a few milliseconds.
const LIMIT: Duration = Duration::from_secs(10);
const POLL_INTERVAL: Duration = Duration::from_millis(2);

/// Runs the child process and returns the facts that the hooks must report.
///
/// # Errors
/// The child process cannot be started, or does not end.
pub(super) fn run() -> io::Result<[Expected; 3]> {
    // /proc/self/exe is the running program even if its file has been replaced. `--version` makes it end at once.
    let mut command = Command::new("/proc/self/exe");
    command.arg("--version").env_clear().stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    end(command.spawn()?)?;
    Ok([
        Expected::of_child(Act::Fork, "a new process", &["process_fork"]),
        Expected::of_child(Act::Exec, "an executed program", &["process_exec", "process_exec_resolved"]),
        Expected::of_child(
            Act::Exit,
            "the end of a process",
            &["process_exit", "fentry_taskstats_exit", "kprobe_taskstats_exit"],
        ),
    ])
}

fn end(mut child: Child) -> io::Result<()> {
    let begun = Instant::now();
    while child.try_wait()?.is_none() {
        if begun.elapsed() > LIMIT {
            child.kill()?;
            child.wait()?;
            return Err(io::Error::other("it did not end"));
        }
        thread::sleep(POLL_INTERVAL);
    }
    Ok(())
}
