//! Finds, runs and stops the programs of other projects.

use std::net::{TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output};
use std::thread;
use std::time::{Duration, Instant};

use pidflow_tests::skip::skip;

/// A script of `../shared/tools`; returns none and reports a skip where that folder is absent.
pub(crate) fn shared(test: &str, name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/tools").join(name);
    if !path.exists() {
        skip(test, &format!("{} is not there", path.display()));
    }
    path.exists().then_some(path)
}

/// Whether every program is installed; reports a skip for the first that is not.
pub(crate) fn programs(test: &str, names: &[&str]) -> bool {
    let missing = names.iter().find(|name| !on_path(name));
    if let Some(name) = missing {
        skip(test, &format!("{name} is not installed"));
    }
    missing.is_none()
}

fn on_path(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).chain(["/usr/sbin".into()]).any(|dir| dir.join(name).exists())
}

/// Python with `module`, from the tests' virtual environment; returns none and reports a skip without the module.
pub(crate) fn python(test: &str, module: &str) -> Option<PathBuf> {
    let python = pidflow_tests::process::cache().join("venv/bin/python");
    let loads = Command::new(&python).args(["-c", &format!("import {module}")]).output();
    let usable = loads.is_ok_and(|o| o.status.success());
    if !usable {
        skip(test, &format!("{} has no module {module}", python.display()));
    }
    usable.then_some(python)
}

/// A free UDP port.
pub(crate) fn udp_port() -> u16 {
    UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Whether some program has bound the UDP port (`/proc/net/udp`, hexadecimal).
pub(crate) fn is_bound(port: u16) -> bool {
    let bound = format!(":{port:04X} ");
    let tables = ["/proc/net/udp", "/proc/net/udp6"].map(|t| std::fs::read_to_string(t).unwrap_or_default());
    tables.iter().flat_map(|t| t.lines()).any(|l| l.contains(&bound))
}

/// Whether every datagram to the UDP port has been read (`/proc/net/udp`: the queue follows the state).
pub(crate) fn is_read(port: u16) -> bool {
    let bound = format!(":{port:04X} ");
    let table = std::fs::read_to_string("/proc/net/udp").unwrap();
    let queues = table.lines().filter(|l| l.contains(&bound)).filter_map(|l| l.split_whitespace().nth(4));
    queues.filter_map(|queues| queues.split_once(':')).all(|(_, received)| received == "00000000")
}

/// Whether some program listens on the TCP port (`/proc/net/tcp`; state 0A).
pub(crate) fn is_listening(port: u16) -> bool {
    let listens = |line: &str| line.contains(&format!(":{port:04X} 0")) && line.contains(" 0A ");
    std::fs::read_to_string("/proc/net/tcp").unwrap_or_default().lines().any(listens)
}

/// A free TCP port.
pub(crate) fn tcp_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Standard output as text, when the program succeeded.
pub(crate) fn text(output: &Output) -> String {
    let out = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{out}\n{}", String::from_utf8_lossy(&output.stderr));
    out
}

/// Waits until `check` holds.
pub(crate) fn wait_for(what: &str, limit: Duration, mut check: impl FnMut() -> bool) {
    let end = Instant::now() + limit;
    while !check() {
        assert!(Instant::now() < end, "{what} did not happen within {limit:?}");
        thread::sleep(Duration::from_millis(50));
    }
}

/// A program that is killed when this is dropped.
pub(crate) struct Running(pub(crate) Child);

impl Running {
    /// Sends SIGINT, and waits until it has ended.
    pub(crate) fn interrupt(&mut self) {
        let pid = self.0.id().to_string();
        Command::new("kill").args(["-INT", &pid]).status().unwrap();
        wait_for("the end of the program", Duration::from_secs(10), || self.0.try_wait().unwrap().is_some());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // This fails if it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
