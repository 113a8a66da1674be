//! Thousands of short-lived client processes against one server process.
//!
//! orchestrator (`burst`) -> server `pf-server`, launcher `pf-launcher` -> clients, a part of them through a process
//! `pf-shell` that lives only as long as its client, and a part of them as the user `nobody`.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use super::args::Args;
use super::server::Ports;
use super::wire::{self, Closer, LOOPBACKS, Plan};
use crate::sys;

/// Names under which clients run; the kernel keeps 15 bytes of a name.
const NAMES: [&str; 4] = ["pf-curl", "pf-dig", "pf-worker-12345", "pf.x"];
/// First port of the small range, below the kernel's ephemeral ports.
const FIRST_PORT: u16 = 20_000;
/// `nobody` on Debian.
const NOBODY: u32 = 65_534;
/// Default maximum number of clients at a time. If it is reached, the machine does not keep up, and the launcher waits until
/// clients end.
const AT_A_TIME: usize = 200;

/// The whole scenario.
pub(super) fn run(args: &Args) -> Result<()> {
    let dir = executables()?;
    let mut server = link(&dir, "pf-server")
        .arg("serve")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("start the server")?;
    let mut line = String::new();
    BufReader::new(server.stdout.take().context("server output")?).read_line(&mut line)?;
    let outcome = link(&dir, "pf-launcher")
        .args(["launch", "--dir"])
        .arg(dir.path())
        .args(["--server", line.trim()])
        .args(["--count", &args.get("count", 5000_u32)?.to_string()])
        .args(["--rate", &args.get("rate", 500_u32)?.to_string()])
        .args(["--ports", &args.get("ports", 300_u16)?.to_string()])
        .args(["--hold-ms", &args.get("hold-ms", 2_u64)?.to_string()])
        .args(["--at-a-time", &args.get("at-a-time", AT_A_TIME)?.to_string()])
        .stdout(args.truth()?)
        .status();
    drop(server.stdin.take());
    server.wait()?;
    if !outcome.context("start the launcher")?.success() {
        bail!("some clients failed");
    }
    Ok(())
}

/// A folder that has this program under every name and that other users may enter.
pub(super) fn executables() -> Result<TempDir> {
    let dir = tempfile::Builder::new().prefix("pidflow-scenario").tempdir()?;
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755))?;
    let own = std::env::current_exe()?;
    for name in NAMES.iter().chain(&["pf-server", "pf-launcher", "pf-shell", "pf-after"]) {
        let path = dir.path().join(name);
        // A hard link does not cross file systems.
        fs::hard_link(&own, &path).or_else(|_| fs::copy(&own, &path).map(drop))?;
    }
    Ok(dir)
}

fn link(dir: &TempDir, name: &str) -> Command {
    Command::new(dir.path().join(name))
}

/// A client to start. Its protocol, family, name, user and port follow from its number alone.
struct Job {
    number: u32,
    ports: u16,
    server: Ports,
}

impl Job {
    fn tcp(&self) -> bool {
        self.number.is_multiple_of(2)
    }

    fn target(&self) -> SocketAddr {
        let [four, six] = LOOPBACKS;
        let (address, port): (IpAddr, u16) = match (self.tcp(), self.number / 2 % 2) {
            (true, 0) => (four, self.server.tcp4),
            (true, _) => (six, self.server.tcp6),
            (false, 0) => (four, self.server.udp4),
            (false, _) => (six, self.server.udp6),
        };
        SocketAddr::new(address, port)
    }

    /// Ports are taken in turn from a small range, so that every pair is used again after `4 * ports` clients; with a
    /// range of 0 the kernel chooses.
    fn port(&self) -> u16 {
        let turn = (self.number / 4).checked_rem(u32::from(self.ports));
        turn.and_then(|turn| u16::try_from(turn).ok()).map_or(0, |turn| FIRST_PORT + turn)
    }

    fn command(&self, dir: &Path, hold_ms: u64) -> Command {
        // Numbers without a common divisor with 4, so that every combination with protocol and family occurs.
        let name = NAMES.get((self.number / 3 % 4) as usize).copied().unwrap_or_default();
        let mut command = Command::new(dir.join(if self.number.is_multiple_of(5) { "pf-shell" } else { name }));
        command.arg(if self.number.is_multiple_of(5) { "shell" } else { "client" });
        command.args(["--exe".as_ref(), dir.join(name).as_os_str()]);
        command.args(["--proto", if self.tcp() { "tcp" } else { "udp" }]);
        command.args(["--target", &self.target().to_string(), "--port", &self.port().to_string()]);
        command.args(["--variant", &(self.number / 7).to_string(), "--hold-ms", &hold_ms.to_string()]);
        if self.number.is_multiple_of(3) {
            command.uid(NOBODY).gid(NOBODY);
        }
        command
    }
}

/// Starts the clients at the wanted rate; their standard output is the truth file.
pub(super) fn launch(args: &Args) -> Result<()> {
    sys::die_with_parent();
    let server: Ports = serde_json::from_str(&args.need::<String>("server")?)?;
    let dir: PathBuf = args.need("dir")?;
    let (count, rate) = (args.need::<u32>("count")?, args.need::<u32>("rate")?);
    let (ports, hold_ms) = (args.need("ports")?, args.need("hold-ms")?);
    let start = Instant::now();
    let mut running = Running { most: args.need("at-a-time")?, ..Running::default() };
    for number in 0..count {
        let due = start + Duration::from_secs(1) * number / rate;
        running.reap_until(due)?;
        running.children.push(Job { number, ports, server }.command(&dir, hold_ms).spawn()?);
    }
    while !running.children.is_empty() {
        running.reap_until(Instant::now())?;
    }
    let seconds = start.elapsed().as_secs_f64();
    eprintln!(
        "burst: {count} clients in {seconds:.1} s, {:.0} per second, {} failed",
        f64::from(count) / seconds,
        running.failed
    );
    if running.failed > 0 {
        bail!("{} of {count} clients failed", running.failed);
    }
    Ok(())
}

#[derive(Default)]
struct Running {
    /// The largest number of children at a time.
    most: usize,
    children: Vec<Child>,
    failed: u32,
}

impl Running {
    /// Reaps children that have ended, until `due` has come and one more may be started.
    fn reap_until(&mut self, due: Instant) -> io::Result<()> {
        loop {
            self.reap()?;
            let left = due.saturating_duration_since(Instant::now());
            if left.is_zero() && self.children.len() < self.most {
                return Ok(());
            }
            thread::sleep(left.clamp(Duration::from_micros(100), Duration::from_millis(2)));
        }
    }

    fn reap(&mut self) -> io::Result<()> {
        let mut failure = None;
        self.children.retain_mut(|child| match child.try_wait() {
            Ok(None) => true,
            Ok(Some(status)) => {
                self.failed += u32::from(!status.success());
                false
            }
            Err(error) => {
                failure = Some(error);
                false
            }
        });
        failure.map_or(Ok(()), Err)
    }
}

/// Stands between launcher and client, as a shell does, and ends right after its client.
pub(super) fn shell(args: &Args) -> Result<()> {
    let mut command = Command::new(args.need::<PathBuf>("exe")?);
    command.arg("client");
    for option in ["proto", "target", "port", "variant", "hold-ms"] {
        command.args([format!("--{option}"), args.need::<String>(option)?]);
    }
    if !command.status()?.success() {
        bail!("client failed");
    }
    Ok(())
}

/// One client: an exchange of a few milliseconds, one line of truth on standard output.
pub(super) fn client(args: &Args) -> Result<()> {
    let variant: u32 = args.need("variant")?;
    let plan = Plan {
        scenario: "burst",
        target: args.need("target")?,
        port: args.need("port")?,
        closer: if variant.is_multiple_of(2) { Closer::Client } else { Closer::Server },
        hold: Duration::from_millis(args.need("hold-ms")?),
    };
    let exchange = match args.need::<String>("proto")?.as_str() {
        "tcp" => wire::tcp_exchange(plan)?,
        _ => wire::udp_exchange(plan, variant.is_multiple_of(2))?,
    };
    exchange.append_to(&File::from(std::os::fd::AsFd::as_fd(&io::stdout()).try_clone_to_owned()?))
}
