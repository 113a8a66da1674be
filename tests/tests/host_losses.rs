//! Losses of each stage, forced: `/readyz` names them. Receivers that fail in every way: the log stays short.

#![allow(clippy::unwrap_used, clippy::panic, reason = "whatever is not as expected ends the test")]

use std::fs;
use std::io::Read;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use pidflow_tests::process::Guarded;
use pidflow_tests::serving::{Serving, eventually};
use pidflow_tests::skip::without_root;
use pidflow_tests::sys::{self, Halted};

/// Sockets that are opened, used and closed while nobody reads the kernel's ring: several events each, more than it holds.
const SOCKETS: usize = 200_000;
/// Flows whose records exceed a spool of 16 MiB (a record takes at least 130 bytes), each to a port of its own at one of
/// [`FLOW_ADDRESSES`].
const PORTS_PER_ADDRESS: u16 = 60_000;
const FLOW_ADDRESSES: [[u8; 4]; 3] = [[127, 0, 0, 2], [127, 0, 0, 3], [127, 0, 0, 4]];
/// Processes that wait to be read: more than the sampler keeps (4096) and reads in a few seconds.
const PROCESSES: usize = 5500;
/// Sockets whose use is reported to the sampler: more than its queue takes (16,384).
const REQUESTS: usize = 25_000;

/// Moves this thread, and the programs that it starts, into a network namespace of their own.
fn own_network() {
    sys::unshare(libc::CLONE_NEWNET).unwrap();
    assert!(Command::new("ip").args(["link", "set", "lo", "up"]).status().unwrap().success());
}

/// One datagram each from that many new sockets.
fn send_from_new_sockets(count: usize, to: SocketAddr) {
    for _ in 0..count {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let _ = socket.send_to(b"x", to);
    }
}

/// One datagram to each of so many endpoints, so that the number of flows does not depend on how fast they begin.
fn send_to_new_endpoints() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    for address in FLOW_ADDRESSES {
        for port in 1..=PORTS_PER_ADDRESS {
            socket.send_to(b"x", SocketAddr::from((address, port))).unwrap();
        }
    }
}

fn closed_tcp_port() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

fn free_udp_port() -> SocketAddr {
    UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

#[test]
fn events_that_found_no_room_in_the_ring_are_named() {
    if without_root("events_that_found_no_room_in_the_ring_are_named") {
        return;
    }
    own_network();
    let dir = tempfile::tempdir().unwrap();
    let agent = Serving::start(dir.path(), &[]).unwrap();
    let sink = UdpSocket::bind("127.0.0.1:0").unwrap();
    {
        let _halted = Halted::new(agent.pid()).unwrap();
        send_from_new_sockets(SOCKETS, sink.local_addr().unwrap());
    }
    eventually("the loss is named", || {
        let page = agent.get("/readyz")?;
        let is_named = |line: &str| line.contains("kernel events lost in the last minute (ring-full)");
        Ok(page.status == 200 && page.body.lines().any(is_named))
    })
    .unwrap();
    assert!(agent.metric("pidflow_probe_events_lost_total{reason=\"ring-full\"}").unwrap() > 0);
    agent.stop().unwrap();
}

/// The thread of the agent that reads /proc.
fn sampler(agent: &Serving) -> u32 {
    let tasks = fs::read_dir(format!("/proc/{}/task", agent.pid())).unwrap().map(|task| task.unwrap());
    let is_sampler = |task: &fs::DirEntry| {
        fs::read_to_string(task.path().join("comm")).is_ok_and(|name| name.trim_end() == "pidflow-sampler")
    };
    let task = tasks.into_iter().find(is_sampler).unwrap();
    task.file_name().to_str().unwrap().parse().unwrap()
}

/// Starts that many processes that stay until the first one is dropped.
fn start_processes(count: usize) -> Guarded {
    let script = format!("n=0; while [ $n -lt {count} ]; do sleep 600 & n=$((n+1)); done; echo; wait");
    let mut command = Command::new("unshare");
    command.args(["--pid", "--fork", "--kill-child", "sh", "-c", &script]).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut first = Guarded::new(command.spawn().unwrap());
    let mut stdout = first.child().stdout.take().unwrap();
    // All have started.
    stdout.read_exact(&mut [0]).unwrap();
    first
}

#[test]
fn requests_that_the_sampler_cannot_serve_are_named() {
    if without_root("requests_that_the_sampler_cannot_serve_are_named") {
        return;
    }
    own_network();
    let dir = tempfile::tempdir().unwrap();
    let agent = Serving::start(dir.path(), &[]).unwrap();
    let is_named = |reason: &str| {
        let page = agent.get("/readyz")?;
        let is_line = |line: &str| line.contains(&format!("kernel events lost in the last minute ({reason})"));
        Ok(page.status == 200 && page.body.lines().any(is_line))
    };
    let count = |reason| agent.metric(&format!("pidflow_probe_events_lost_total{{reason=\"{reason}\"}}")).unwrap();
    assert_eq!((count("sampler-given-up"), count("sampler-refused")), (0, 0));
    let halted = Halted::new(sampler(&agent)).unwrap();
    let processes = start_processes(PROCESSES);
    drop(halted);
    eventually("processes that were not read are named", || is_named("sampler-given-up")).unwrap();
    drop(processes);
    {
        let _halted = Halted::new(sampler(&agent)).unwrap();
        let sink = UdpSocket::bind("127.0.0.1:0").unwrap();
        send_from_new_sockets(REQUESTS, sink.local_addr().unwrap());
        eventually("requests for which there was no room are named", || is_named("sampler-refused")).unwrap();
    }
    assert!(count("sampler-given-up") > 0 && count("sampler-refused") > 0);
    agent.stop().unwrap();
}

#[test]
fn a_full_spool_is_named() {
    if without_root("a_full_spool_is_named") {
        return;
    }
    own_network();
    let (dir, away) = (tempfile::tempdir().unwrap(), closed_tcp_port());
    let spool = dir.path().join("spool");
    let config = dir.path().join("pidflow.toml");
    let table = format!(
        "[[exporter]]\nkind = \"json\"\nurl = \"tcp://{away}\"\nspool = \"{}\"\nspool-mebibytes = 16\n",
        spool.display()
    );
    fs::write(&config, table).unwrap();
    let agent = Serving::start(dir.path(), &["--probes", "poll", "--config", &config.display().to_string()]).unwrap();
    send_to_new_endpoints();
    let lost = "records lost in the last minute (spool_full)";
    eventually("the loss is named", || {
        let page = agent.get("/readyz")?;
        Ok(page.status == 200 && page.body.lines().any(|l| l.contains(&away.to_string()) && l.contains(lost)))
    })
    .unwrap_or_else(|e| panic!("{e:#}: {}", agent.get("/readyz").unwrap().body));
    agent.stop().unwrap();
}

/// A receiver that is there and away in turn, for that time.
fn flap(at: SocketAddr, time: Duration) {
    let begun = Instant::now();
    while begun.elapsed() < time {
        let there = UdpSocket::bind(at);
        std::thread::sleep(Duration::from_millis(300));
        drop(there);
        std::thread::sleep(Duration::from_millis(300));
    }
}

#[test]
fn receivers_that_fail_in_every_way_are_few_lines_in_the_log() {
    if without_root("receivers_that_fail_in_every_way_are_few_lines_in_the_log") {
        return;
    }
    own_network();
    let (dir, flapping) = (tempfile::tempdir().unwrap(), free_udp_port());
    let [away, other, closed] = [free_udp_port(), free_udp_port(), closed_tcp_port()];
    let receivers = [
        format!("kind = \"ipfix\"\nurl = \"udp://{away}\""),
        format!("kind = \"netflow9\"\nurl = \"udp://{other}\""),
        format!("kind = \"json\"\nurl = \"udp://{flapping}\""),
        format!("kind = \"json\"\nurl = \"tcp://{closed}\""),
        "kind = \"ipfix\"\nurl = \"udp://nowhere.invalid:4739\"".to_owned(),
        format!("kind = \"elastic\"\nurl = \"http://{closed}\""),
    ];
    let config = dir.path().join("pidflow.toml");
    fs::write(&config, receivers.map(|r| format!("[[exporter]]\n{r}\n")).concat()).unwrap();
    let agent = Serving::start(dir.path(), &["--probes", "poll", "--config", &config.display().to_string()]).unwrap();
    let sink = UdpSocket::bind("127.0.0.1:0").unwrap();
    let to = sink.local_addr().unwrap();
    let traffic = std::thread::spawn(move || {
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(12) {
            send_from_new_sockets(5, to);
            std::thread::sleep(Duration::from_millis(200));
        }
    });
    flap(flapping, Duration::from_secs(12));
    traffic.join().unwrap();
    let log = fs::read_to_string(dir.path().join("log")).unwrap();
    for receiver in [away, other, flapping, closed].map(|a| a.to_string()).into_iter().chain(["nowhere.invalid".into()])
    {
        let lines = log.lines().filter(|l| l.contains(&receiver) && !l.contains(" ready: ")).count();
        // Two exporters have the closed port. A warning and a recovery each.
        let most = if receiver == closed.to_string() { 4 } else { 2 };
        assert!((1..=most).contains(&lines), "{receiver}: {lines} lines:\n{log}");
    }
    agent.stop().unwrap();
}
