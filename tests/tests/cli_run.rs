//! The start and end of `pidflow run`: its messages when it cannot start, and how it ends.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "whatever is not as expected ends the test"
)]

use std::net::TcpListener;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use pidflow_tests::process::{self, Guarded};
use pidflow_tests::serving::eventually;
use pidflow_tests::skip;

/// A receiver that does not exist.
const AWAY: &str = "http://127.0.0.1:1";

fn run(arguments: &[&str]) -> Output {
    Command::new(process::binary("pidflow").unwrap()).arg("run").args(arguments).output().unwrap()
}

#[track_caller]
fn refuses(arguments: &[&str], code: i32, words: &[&str]) {
    let output = run(arguments);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), said.lines().count()), (Some(code), 1), "{arguments:?}: {said}");
    assert!(words.iter().all(|w| said.contains(w)), "{arguments:?}: {said}");
}

#[test]
fn a_thread_that_cannot_start_says_why_on_one_line() {
    if skip::without_root("a_thread_that_cannot_start_says_why_on_one_line") {
        return;
    }
    refuses(&["--listen", "off", "-i", "any", "-i", "all"], 2, &["any", "all"]);
    refuses(&["--listen", "off", "-i", "nosuch0"], 2, &["nosuch0", "ip link"]);
    refuses(&["--listen", "off", "-f", "tcp prot"], 2, &["tcp prot", "pcap-filter"]);
    refuses(&["--listen", "off", "--json", "/no/such/folder/x"], 2, &["/no/such/folder/x", "No such file"]);
    refuses(&["--listen", "off", "--json", "/etc/hostname/x"], 2, &["/etc/hostname/x", "Not a directory"]);
    refuses(&["--listen", "off", "-n", "file:/proc"], 2, &["/proc", "directory"]);
    refuses(&["--listen", "nonsense"], 2, &["nonsense", "HOST:PORT"]);
    refuses(&["--listen", "127.0.0.1:99999"], 2, &["99999", "65535"]);
    refuses(&["--listen", "192.0.2.1:9435"], 2, &["192.0.2.1:9435", "--listen"]);
    refuses(&["--host", ""], 2, &["host name"]);
    refuses(&["--listen", "off", "--snaplen", "0"], 2, &["64 to 262144"]);
    refuses(&["--listen", "off", "-t", "999999999d"], 2, &["366d"]);
    refuses(&["--hash-key-file", "/etc/hostname"], 2, &["/etc/hostname", "chmod 600"]);
    refuses(&["--tls-cert", "/etc/hostname", "--tls-key", "/etc/hostname"], 2, &["/etc/hostname", "certificate"]);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    refuses(&["--listen", &address], 1, &[&address, "--listen"]);
}

#[test]
fn without_privileges_it_says_what_is_missing() {
    let name = "without_privileges_it_says_what_is_missing";
    if skip::without_root(name) {
        return;
    }
    let binary = process::binary("pidflow").unwrap();
    let output = Command::new("setpriv")
        .args(["--bounding-set=-all", "--"])
        .arg(binary)
        .args(["run", "--listen", "off"])
        .output();
    let Ok(output) = output else {
        return skip::skip(name, "no setpriv");
    };
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("CAP_"), "{said}");
}

/// An agent whose only receiver is unreachable, after it has reported so for the first records.
fn with_dead_receiver() -> Guarded {
    let mut command = Command::new(process::binary("pidflow").unwrap());
    command.args(["run", "-i", "lo", "--listen", "off", "-t", "1s", "--otlp", AWAY]);
    let mut agent = Guarded::new(command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap());
    let mut log = std::io::BufReader::new(agent.child().stderr.take().unwrap());
    await_line(&mut log, &[" ready: "]);
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let _ = socket.send_to(b"x", "127.0.0.1:9");
    await_line(&mut log, &[AWAY]);
    // The rest of the log is read by nobody, and is short.
    std::mem::forget(log);
    agent
}

#[test]
fn a_receiver_that_is_away_delays_the_end_by_ten_seconds_at_most() {
    if skip::without_root("a_receiver_that_is_away_delays_the_end_by_ten_seconds_at_most") {
        return;
    }
    let mut agent = with_dead_receiver();
    let start = Instant::now();
    agent.signal(libc::SIGTERM).unwrap();
    // Without the limit it would wait until the receiver is back. On a busy machine the rest of the end takes seconds
    // too.
    assert!(agent.wait(Duration::from_secs(20)).unwrap().success());
    assert!(start.elapsed() > Duration::from_secs(9), "it waited for the receiver: {:?}", start.elapsed());
}

/// The log's first line from here on that has one of the words.
fn await_line(log: &mut impl std::io::BufRead, words: &[&str]) -> String {
    loop {
        let mut line = String::new();
        assert!(log.read_line(&mut line).unwrap() > 0, "it ended");
        if words.iter().any(|w| line.contains(w)) {
            return line;
        }
    }
}

#[test]
fn a_hang_up_takes_up_other_exporters() {
    if skip::without_root("a_hang_up_takes_up_other_exporters") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("pidflow.toml");
    let write = |names: &[&str], rest: &str| {
        let one = |name: &&str| format!("[[exporter]]\nkind = \"json\"\nfile = {:?}\n", dir.path().join(name));
        std::fs::write(&config, names.iter().map(one).collect::<String>() + rest).unwrap();
    };
    write(&["a", "b"], "");
    let mut command = Command::new(process::binary("pidflow").unwrap());
    command.args(["run", "-i", "lo", "--listen", "off", "-t", "1s", "--probes", "poll", "--config"]).arg(&config);
    let mut agent = Guarded::new(command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap());
    let mut log = std::io::BufReader::new(agent.child().stderr.take().unwrap());
    await_line(&mut log, &["ready"]);
    let mut reload = |names: &[&str], rest: &str| {
        write(names, rest);
        agent.signal(libc::SIGHUP).unwrap();
        await_line(&mut log, &["reloaded"])
    };
    let line = reload(&["a", "c"], "");
    assert!(line.contains("reloaded: exporters: 1 unchanged, 1 started, 1 stopped"), "{line}");
    let line = reload(&["a"], "colour = 1\n");
    assert!(line.contains("not reloaded, nothing was changed:") && line.contains("toml:4: `colour`"), "{line}");
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.send_to(b"x", "127.0.0.1:9").unwrap();
    let lines = |name| std::fs::read_to_string(dir.path().join(name)).unwrap().lines().count();
    eventually("the packet is in a record", || Ok(lines("a") > 0 && lines("c") > 0)).unwrap();
    agent.signal(libc::SIGTERM).unwrap();
    assert!(agent.wait(Duration::from_secs(20)).unwrap().success());
    assert!(lines("a") > 0 && lines("a") == lines("c") + lines("b"), "{} {} {}", lines("a"), lines("b"), lines("c"));
}

#[test]
fn a_second_signal_ends_it_at_once() {
    if skip::without_root("a_second_signal_ends_it_at_once") {
        return;
    }
    let mut agent = with_dead_receiver();
    agent.signal(libc::SIGTERM).unwrap();
    // Signals of one moment are one.
    std::thread::sleep(Duration::from_secs(1));
    let start = Instant::now();
    agent.signal(libc::SIGINT).unwrap();
    let status = agent.wait(Duration::from_secs(5)).unwrap();
    assert_eq!(status.code(), Some(128 + libc::SIGINT));
    // Detaching programs takes the kernel a moment on a busy machine; an orderly end would take nine seconds more.
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

#[test]
fn a_signal_that_comes_twice_in_a_moment_is_one() {
    if skip::without_root("a_signal_that_comes_twice_in_a_moment_is_one") {
        return;
    }
    let mut agent = with_dead_receiver();
    for _ in 0..3 {
        agent.signal(libc::SIGTERM).unwrap();
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(agent.wait(Duration::from_secs(20)).unwrap().success(), "it ended in order");
}

#[test]
fn it_keeps_only_the_capabilities_that_it_needs() {
    if skip::without_root("it_keeps_only_the_capabilities_that_it_needs") {
        return;
    }
    let agent = with_dead_receiver();
    let status = std::fs::read_to_string(format!("/proc/{}/status", agent.pid())).unwrap();
    let field = |name: &str| status.lines().find_map(|l| l.strip_prefix(name)).unwrap().trim().to_owned();
    assert_eq!(field("NoNewPrivs:"), "1");
    let effective = u64::from_str_radix(&field("CapEff:"), 16).unwrap();
    // CAP_CHOWN, CAP_SETUID, CAP_NET_ADMIN, CAP_SYS_MODULE, CAP_SYS_ADMIN, CAP_SYS_BOOT.
    assert_eq!(effective & (1 | 1 << 7 | 1 << 12 | 1 << 16 | 1 << 21 | 1 << 22), 0, "{effective:x}");
}

#[test]
fn systemd_is_notified_of_ready_and_stop() {
    if skip::without_root("systemd_is_notified_of_ready_and_stop") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("notify");
    let socket = std::os::unix::net::UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let told = || {
        let mut octets = [0; 64];
        let length = socket.recv(&mut octets).unwrap();
        String::from_utf8_lossy(&octets[..length]).into_owned()
    };
    let mut command = Command::new(process::binary("pidflow").unwrap());
    command.args(["run", "-i", "lo", "--listen", "off"]).env("NOTIFY_SOCKET", &path);
    let mut agent = Guarded::new(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    assert_eq!(told(), "READY=1");
    agent.signal(libc::SIGTERM).unwrap();
    assert_eq!(told(), "STOPPING=1");
    assert!(agent.wait(Duration::from_secs(20)).unwrap().success());
}
