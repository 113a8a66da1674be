//! Tests on the running kernel. Without root they are skipped.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use pidflow_engine::fact::{Fact, SocketUse};
use pidflow_skip::without_root;

use crate::privacy::Privacy;

use super::{Backend, ProbeOptions, Probes, start};

/// Probes and all facts that they reported.
struct Watch {
    probes: Probes,
    events: Vec<Fact>,
}

impl Watch {
    fn new(backend: Backend) -> Self {
        let options = ProbeOptions { backend, ..ProbeOptions::new(Arc::new(Privacy::new(None).unwrap())) };
        Self { probes: start(&options).unwrap(), events: Vec::new() }
    }

    fn wait_for(&mut self, what: &str, found: impl Fn(&Fact) -> bool) -> Fact {
        let end = Instant::now() + Duration::from_secs(5);
        while Instant::now() < end {
            self.probes.drain(&mut self.events);
            if let Some(e) = self.events.iter().find(|e| found(e)) {
                return e.clone();
            }
            thread::sleep(Duration::from_millis(10));
        }
        panic!("no event: {what}");
    }
}

fn mine(e: &Fact, wanted: SocketUse, port: u16) -> bool {
    matches!(e, Fact::Socket { task, used, socket, .. }
        if task.id.pid == std::process::id() && *used == wanted && socket.local_port == port)
}

#[test]
fn tracepoints_report_this_process() {
    if without_root("tracepoints_report_this_process") {
        return;
    }
    let mut probes = Watch::new(Backend::Tracepoint);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (mut server, _) = listener.accept().unwrap();
    client.write_all(b"x").unwrap();
    server.read_exact(&mut [0]).unwrap();
    let port = client.local_addr().unwrap().port();
    let connect = probes.wait_for("connect", |e| mine(e, SocketUse::Connect, port));
    let Fact::Socket { socket, sample, task, .. } = connect else { unreachable!() };
    assert_eq!(socket.remote, listener.local_addr().unwrap().ip());
    assert_eq!(socket.netns, super::own_network_namespace());
    let sample = sample.unwrap();
    assert!(sample.rss.unwrap() > 100_000 && sample.peak_rss.unwrap() >= sample.rss.unwrap(), "{sample:?}");
    let me = procfs::process::Process::myself().unwrap().stat().unwrap();
    assert_eq!((task.id.start, &*task.comm), (me.starttime, me.comm.as_str()), "the leader's name and start");
    probes.wait_for("receive", |e| mine(e, SocketUse::Receive, listener.local_addr().unwrap().port()));
    drop(client);
    probes.wait_for("close", |e| mine(e, SocketUse::Close, port));

    let (a, b) = (UdpSocket::bind("[::1]:0").unwrap(), UdpSocket::bind("[::1]:0").unwrap());
    a.send_to(b"x", b.local_addr().unwrap()).unwrap();
    b.recv(&mut [0]).unwrap();
    probes.wait_for("UDP send", |e| mine(e, SocketUse::Send, a.local_addr().unwrap().port()));
    probes.wait_for("UDP receive", |e| mine(e, SocketUse::Receive, b.local_addr().unwrap().port()));
}

#[test]
fn a_process_of_milliseconds_is_reported_from_fork_to_exit() {
    if without_root("a_process_of_milliseconds_is_reported_from_fork_to_exit") {
        return;
    }
    let mut probes = Watch::new(Backend::Tracepoint);
    let mut child = std::process::Command::new("/bin/sleep").arg("0.003").spawn().unwrap();
    let pid = child.id();
    child.wait().unwrap();
    probes.wait_for("fork", |e| {
        matches!(e, Fact::Fork { child, parent, .. }
        if child.id.pid == pid && parent.id.pid == std::process::id())
    });
    let exec = probes.wait_for("exec", |e| matches!(e, Fact::Exec { task, .. } if task.id.pid == pid));
    let Fact::Exec { executable, command_line, .. } = exec else { unreachable!() };
    assert_eq!(Path::new(&*executable.path), fs::canonicalize("/bin/sleep").unwrap());
    assert_eq!(&*command_line, "/bin/sleep 0.003");
    let exit = probes.wait_for("exit", |e| matches!(e, Fact::Exit { task, .. } if task.id.pid == pid));
    let Fact::Exit { task, sample, .. } = exit else { unreachable!() };
    assert_eq!(&*task.comm, "sleep");
    // The process has slept, because the kernel updates CPU time when a process is switched, not at its exit.
    assert!(sample.cpu_ns.unwrap() > 0 && sample.minor_faults.unwrap() > 0 && sample.peak_rss.unwrap() > 0);
}

/// These processes exit before /proc could be read.
#[test]
fn the_executable_is_the_file_however_it_was_named() {
    if without_root("the_executable_is_the_file_however_it_was_named") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let folder = fs::canonicalize(dir.path()).unwrap().join("a folder");
    let (program, link, script) = (folder.join("prog"), folder.join("link"), folder.join("script"));
    fs::create_dir(&folder).unwrap();
    fs::copy("/bin/true", &program).unwrap();
    std::os::unix::fs::symlink("prog", &link).unwrap();
    fs::write(&script, "#!./prog\n").unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let open = File::open(&program).unwrap();
    let by_number = format!("/proc/{}/fd/{}", std::process::id(), open.as_raw_fd());
    let mut probes = Watch::new(Backend::Tracepoint);
    for named in ["./prog", "../a folder/./prog", "./link", link.to_str().unwrap(), "./script", &by_number] {
        let mut child = std::process::Command::new(named).current_dir(&folder).spawn().unwrap();
        let pid = child.id();
        child.wait().unwrap();
        let exec = probes.wait_for("exec", |e| matches!(e, Fact::Exec { task, .. } if task.id.pid == pid));
        assert!(
            matches!(&exec, Fact::Exec { executable, .. } if Path::new(&*executable.path) == program),
            "{named}: {exec:?}"
        );
    }
}

/// The peak before an exec does not count for the next program.
#[test]
fn the_peak_of_memory_is_the_programs_own() {
    if without_root("the_peak_of_memory_is_the_programs_own") {
        return;
    }
    let ballast = std::hint::black_box(vec![1_u8; 64 << 20]);
    let mut probes = Watch::new(Backend::Tracepoint);
    let mut child = std::process::Command::new("/bin/sleep").arg("0.003").spawn().unwrap();
    let pid = child.id();
    child.wait().unwrap();
    let exit = probes.wait_for("exit", |e| matches!(e, Fact::Exit { task, .. } if task.id.pid == pid));
    let peak = if let Fact::Exit { sample, .. } = exit { sample.peak_rss } else { None };
    assert!(
        peak.is_none_or(|p| p < 16 << 20),
        "{peak:?} of a program that takes 2 MB, forked by one of {}",
        ballast.len()
    );
}

/// Checks the kernel's event and the description from /proc.
#[test]
fn no_fact_holds_a_secret_of_a_command_line() {
    if without_root("no_fact_holds_a_secret_of_a_command_line") {
        return;
    }
    let mut probes = Watch::new(Backend::Tracepoint);
    let arguments = ["-c", "sleep 2; true", "x", "--password=hunter2", "postgres://bob:hunter2@db/x"];
    let mut child = std::process::Command::new("/bin/sh").args(arguments).spawn().unwrap();
    let pid = child.id();
    let exec = probes.wait_for("exec", |e| matches!(e, Fact::Exec { task, .. } if task.id.pid == pid));
    let seen = probes.wait_for("description", |e| matches!(e, Fact::Process(p) if p.task.id.pid == pid));
    child.wait().unwrap();
    let wanted = "/bin/sh -c sleep 2; true x --password=*** postgres://bob:***@db/x";
    assert!(matches!(&exec, Fact::Exec { command_line, .. } if &**command_line == wanted), "{exec:?}");
    assert!(matches!(&seen, Fact::Process(p) if &*p.command_line == wanted), "{seen:?}");
}

#[test]
fn a_snapshot_shows_this_process_and_its_sockets() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut probes = Watch::new(Backend::Poll);
    probes.wait_for("listener", |e| mine(e, SocketUse::HeldListening, port));
}
