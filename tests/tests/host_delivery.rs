//! A running agent whose receivers, log and name servers fail: it reports that, goes on, and ends in time.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "whatever is not as expected ends the test"
)]

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use pidflow_tests::serving::{Serving, eventually};
use pidflow_tests::skip::without_root;
use pidflow_tests::sys;
use pidflow_tests::traffic::Traffic;

const AGENT: [&str; 4] = ["-i", "lo", "--probes", "poll"];

fn run(program: &str, arguments: &str) {
    assert!(Command::new(program).args(arguments.split(' ')).status().unwrap().success(), "{program} {arguments}");
}

/// Moves this thread, and the programs that it starts, into network and mount namespaces of their own.
fn own_world() {
    sys::unshare(libc::CLONE_NEWNET | libc::CLONE_NEWNS).unwrap();
    run("mount", "--make-rprivate /");
    run("ip", "link set lo up");
}

/// Time between two sends: long enough for an exporter to learn the result of the records before.
const RESULT_TIME: Duration = Duration::from_millis(400);

fn free_address() -> SocketAddr {
    UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

#[test]
fn an_unreachable_collector_is_two_lines_in_the_log() {
    if without_root("an_unreachable_collector_is_two_lines_in_the_log") {
        return;
    }
    own_world();
    let (dir, address) = (tempfile::tempdir().unwrap(), free_address());
    let url = format!("udp://{address}");
    let agent = Serving::start(dir.path(), &[&AGENT[..], &["--collector", &url]].concat()).unwrap();
    let _traffic = Traffic::start(20, RESULT_TIME);
    let log = || fs::read_to_string(dir.path().join("log")).unwrap();
    let about = |what: &str| log().lines().filter(|l| l.contains(&url) && l.contains(what)).count();
    eventually("it is refused", || Ok(about("refused") > 0)).unwrap();
    // A dozen batches more.
    thread::sleep(Duration::from_secs(5));
    assert_eq!((about("refused"), about("works again")), (1, 0), "{}", log());
    let _collector = UdpSocket::bind(address).unwrap();
    eventually("it works again", || Ok(about("works again") == 1)).unwrap();
    assert_eq!(about("refused"), 1, "{}", log());
    agent.stop().unwrap();
}

#[test]
fn an_agent_whose_log_is_on_a_full_disk_goes_on_and_says_so() {
    if without_root("an_agent_whose_log_is_on_a_full_disk_goes_on_and_says_so") {
        return;
    }
    own_world();
    let (dir, address) = (tempfile::tempdir().unwrap(), free_address());
    run("mount", &format!("-t tmpfs -o size=64k none {}", dir.path().display()));
    let url = format!("udp://{address}");
    let agent = Serving::start(dir.path(), &[&AGENT[..], &["--collector", &url]].concat()).unwrap();
    let mut rest = File::create(dir.path().join("rest")).unwrap();
    while std::io::Write::write_all(&mut rest, &[b'x'; 512]).is_ok() {}
    // The last page of the log file may have room for some lines.
    for _ in 0..100 {
        sys::signal(agent.pid(), libc::SIGHUP).unwrap();
        thread::sleep(Duration::from_millis(10));
    }
    let _traffic = Traffic::start(20, RESULT_TIME);
    eventually("lost lines are counted", || Ok(agent.metric("pidflow_log_lines_lost_total")? > 0)).unwrap();
    eventually("it says so", || Ok(agent.get("/readyz")?.body.contains("degraded: log: "))).unwrap();
    // The exporter has logged warnings; it still runs.
    let collector = UdpSocket::bind(address).unwrap();
    collector.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    assert!(collector.recv(&mut [0; 65_536]).unwrap() > 20);
    assert_eq!(agent.metric("pidflow_ready").unwrap(), 1);
    agent.stop().unwrap();
}

fn fifo(path: &Path) -> String {
    run("mkfifo", path.to_str().unwrap());
    path.display().to_string()
}

/// Exporters, each of which waits for something that never happens.
fn hanging(dir: &Path) -> (Vec<String>, Vec<Box<dyn Send>>) {
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = tcp.local_addr().unwrap();
    let stuck = dir.join("stuck");
    let (fifo_name, stuck_name) = (fifo(&dir.join("fifo")), fifo(&stuck));
    let ipfix_name = fifo(&dir.join("ipfix"));
    // The FIFO is opened for reading and writing, and never read.
    let reader = File::options().read(true).write(true).open(&stuck).unwrap();
    let stream = UnixListener::bind(dir.join("stream")).unwrap();
    let datagram = UnixDatagram::bind(dir.join("datagram")).unwrap();
    thread::spawn(move || tcp.incoming().collect::<Vec<_>>());
    let at_path = |scheme: &str, name: &str| format!("{scheme}://{}", dir.join(name).display());
    let tables = [
        ("json", "file", fifo_name),
        ("json", "file", stuck_name),
        ("ipfix", "url", format!("file:{ipfix_name}")),
        ("json", "url", at_path("unix", "stream")),
        ("json", "url", at_path("unixgram", "datagram")),
        ("json", "url", format!("tcp://{at}")),
        ("ipfix", "url", format!("tls://{at}")),
        ("elastic", "url", format!("http://{at}")),
        ("json", "url", "tcp://collector.example:1".into()),
        ("ipfix", "url", "udp://collector.example:1".into()),
        ("loki", "url", "http://collector.example:1".into()),
    ];
    let text = |(kind, key, value): &(&str, &str, String)| {
        let insecure = if value.starts_with("tls") { "tls-insecure = true\n" } else { "" };
        format!("[[exporter]]\nkind = \"{kind}\"\n{key} = \"{value}\"\n{insecure}")
    };
    (tables.iter().map(text).collect(), vec![Box::new(reader), Box::new(stream), Box::new(datagram)])
}

/// A name server that receives queries and does not answer.
fn silent_name_server(dir: &Path) -> UdpSocket {
    let resolver = dir.join("resolv.conf");
    fs::write(&resolver, "nameserver 127.0.0.1\n").unwrap();
    run("mount", &format!("--bind {} /etc/resolv.conf", resolver.display()));
    UdpSocket::bind("127.0.0.1:53").unwrap()
}

#[test]
fn an_agent_ends_in_time_whatever_its_receivers_do() {
    if without_root("an_agent_ends_in_time_whatever_its_receivers_do") {
        return;
    }
    own_world();
    let dir = tempfile::tempdir().unwrap();
    let _name_server = silent_name_server(dir.path());
    let (tables, _held) = hanging(dir.path());
    let config = dir.path().join("pidflow.toml");
    fs::write(&config, tables.concat()).unwrap();
    let agent = Serving::start(
        dir.path(),
        &[&AGENT[..], &["--drain-timeout", "1s", "--config", config.to_str().unwrap()]].concat(),
    )
    .unwrap();
    let traffic = Traffic::start(20, RESULT_TIME);
    thread::sleep(Duration::from_secs(5));
    assert_eq!(agent.metric("pidflow_ready").unwrap(), 1);
    drop(traffic);
    let begun = Instant::now();
    agent.stop().unwrap();
    // The exporters get one second, late facts a moment, and the machine is busy; the default would be ten seconds for
    // the exporters.
    assert!(begun.elapsed() < Duration::from_secs(9), "{:?}", begun.elapsed());
}
