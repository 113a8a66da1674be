//! Clients that connect or send requests without end: health checks are answered anyway, and the clients cost no more
//! than their share of the CPU.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "whatever is not as expected ends the test"
)]

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use pidflow_tests::serving::{Serving, eventually};
use pidflow_tests::skip::without_root;
use pidflow_tests::sys;

/// New connections per second of all threads together.
const RATE: u64 = 11_000;
/// Threads that make connections.
const THREADS: u64 = 2;
/// Connections that a thread keeps open.
const CONNECTIONS_PER_THREAD: usize = 400;
/// The number of health checks and the longest answer, which is the timeout of the manifest's probes. An answer takes a
/// few milliseconds unless the flood keeps all processors busy.
const QUESTIONS: u32 = 50;
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);

/// Each test measures CPU and latency, so floods run one after the other.
static FLOOD_LOCK: Mutex<()> = Mutex::new(());

/// Options with which the agent does little else than serve.
const CAPTURE_NOTHING: [&str; 4] = ["-f", "port 1", "--probes", "poll"];

/// What the flood does with its connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FloodKind {
    /// They send nothing and stay open as long as the agent keeps them.
    Hold,
    /// The client closes them at once.
    Close,
    /// They send the start of a request.
    SlowHeaders,
    /// They send nothing, and come from addresses all over 127.0.0.0/8.
    ManySources,
    /// They request health and do not read the answer.
    Ask,
}

/// A flood that runs until it is dropped.
struct Flood {
    is_over: Arc<AtomicBool>,
    made: Arc<AtomicU64>,
    threads: Vec<JoinHandle<()>>,
}

impl Flood {
    fn start(to: SocketAddr, manner: FloodKind) -> Self {
        let (is_over, made) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let thread = |n| {
            let (is_over, made) = (Arc::clone(&is_over), Arc::clone(&made));
            std::thread::spawn(move || flood(to, manner, n, &is_over, &made))
        };
        let threads = (0..THREADS).map(thread).collect();
        Self { is_over, made, threads }
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        self.threads.drain(..).for_each(|thread| thread.join().unwrap());
    }
}

fn flood(to: SocketAddr, manner: FloodKind, thread: u64, is_over: &AtomicBool, made: &AtomicU64) {
    let (begun, mut kept, mut own) = (Instant::now(), VecDeque::new(), 0_u64);
    while !is_over.load(Ordering::Relaxed) {
        let number = own * THREADS + thread;
        // A connection fails if no port is free or the agent refuses it; the next one is tried.
        if let Ok(mut stream) = connect(to, manner, number) {
            made.fetch_add(1, Ordering::Relaxed);
            match manner {
                FloodKind::SlowHeaders => _ = stream.write_all(b"GET /livez HTTP/1.1\r\nHo"),
                FloodKind::Ask => _ = stream.write_all(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"),
                _ => {}
            }
            if manner != FloodKind::Close {
                kept.push_back(stream);
            }
        }
        own += 1;
        if kept.len() > CONNECTIONS_PER_THREAD {
            kept.pop_front();
        }
        let ahead = Duration::from_micros(own * 1_000_000 * THREADS / RATE).saturating_sub(begun.elapsed());
        if ahead > Duration::from_millis(1) {
            std::thread::sleep(ahead);
        }
    }
}

fn connect(to: SocketAddr, manner: FloodKind, number: u64) -> std::io::Result<TcpStream> {
    if manner != FloodKind::ManySources {
        return TcpStream::connect_timeout(&to, Duration::from_secs(1));
    }
    let socket = sys::socket(to.ip(), libc::SOCK_STREAM, 0)?;
    let source = Ipv4Addr::from_bits(0x7f00_0000 | ((number * 7919) as u32 % 0xff_fffe + 1));
    sys::bind(&socket, (source, 0).into())?;
    sys::connect(&socket, to)?;
    Ok(TcpStream::from(socket))
}

/// How long an answer took; none if it did not come in time.
fn probe(to: SocketAddr, path: &str) -> Option<Duration> {
    let begun = Instant::now();
    let mut stream = TcpStream::connect_timeout(&to, PROBE_TIMEOUT).ok()?;
    stream.set_read_timeout(Some(PROBE_TIMEOUT)).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    (answer.starts_with("HTTP/1.1 200 ") && begun.elapsed() < PROBE_TIMEOUT).then(|| begun.elapsed())
}

#[track_caller]
fn health_is_answered(agent: &Serving, to: SocketAddr, manner: FloodKind, asked: SocketAddr) {
    let flood = Flood::start(to, manner);
    std::thread::sleep(Duration::from_millis(500));
    let (begun, before, spent) = (Instant::now(), flood.made.load(Ordering::Relaxed), serving_time(agent.pid()));
    let ask = |_| {
        let answer = probe(asked, "/livez");
        std::thread::sleep(Duration::from_millis(40));
        answer
    };
    let answers: Vec<_> = (0..QUESTIONS).map(ask).collect();
    let rate = (flood.made.load(Ordering::Relaxed) - before) as f64 / begun.elapsed().as_secs_f64();
    let share = (serving_time(agent.pid()) - spent) / begun.elapsed().as_secs_f64();
    let answered = answers.iter().flatten().count();
    let slowest = answers.iter().flatten().max();
    println!(
        "{manner:?}: {answered} of {QUESTIONS} answered, the slowest in {slowest:?}, beside {rate:.0} connections a second, \
         for {share:.2} of a core"
    );
    assert!(rate > 500.0, "{manner:?}: that is no flood: {rate}");
    assert_eq!(answered, QUESTIONS as usize, "{manner:?} at {rate:.0} connections a second");
}

#[test]
fn a_flood_of_connections_does_not_starve_health() {
    let _turn = FLOOD_LOCK.lock().unwrap_or_else(PoisonError::into_inner);
    if without_root("a_flood_of_connections_does_not_starve_health") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let agent = Serving::start(dir.path(), &CAPTURE_NOTHING).unwrap();
    eventually("it is ready", || Ok(agent.get("/readyz")?.status == 200)).unwrap();
    for manner in [FloodKind::Hold, FloodKind::Close, FloodKind::SlowHeaders, FloodKind::ManySources, FloodKind::Ask] {
        health_is_answered(&agent, agent.address, manner, agent.address);
    }
    assert!(agent.metric("pidflow_http_connections_cut_total{reason=\"displaced\"}").unwrap() > 1000);
    agent.stop().unwrap();
}

#[test]
fn a_flood_of_one_port_does_not_affect_the_other() {
    let _turn = FLOOD_LOCK.lock().unwrap_or_else(PoisonError::into_inner);
    if without_root("a_flood_of_one_port_does_not_affect_the_other") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let agent =
        Serving::start(dir.path(), &[&CAPTURE_NOTHING[..], &["--metrics-listen", "127.0.0.1:0"]].concat()).unwrap();
    let health = agent.metrics_address.unwrap();
    health_is_answered(&agent, agent.address, FloodKind::SlowHeaders, health);
    health_is_answered(&agent, health, FloodKind::SlowHeaders, agent.address);
    health_is_answered(&agent, health, FloodKind::Hold, health);
    agent.stop().unwrap();
}

/// Requests pages without end, a hundred requests at once, and connects again when the connection is closed.
fn pipeline(to: SocketAddr, path: &str, is_over: &AtomicBool) {
    let requests = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").repeat(100);
    while !is_over.load(Ordering::Relaxed) {
        let Ok(mut stream) = TcpStream::connect_timeout(&to, Duration::from_secs(1)) else { continue };
        let mut writer = stream.try_clone().unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(3))).unwrap();
        let _ = writer.write_all(requests.as_bytes());
        let mut taken = vec![0; 1 << 16];
        while !is_over.load(Ordering::Relaxed) && stream.read(&mut taken).is_ok_and(|n| n > 0) {}
    }
}

/// CPU time of the threads that serve, in seconds.
fn serving_time(pid: u32) -> f64 {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let stats = tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("stat")).ok());
    let ticks = stats.filter(|stat| stat.contains("(http")).map(|stat| {
        let fields: Vec<_> = stat.rsplit(") ").next().unwrap().split(' ').collect();
        fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()
    });
    ticks.sum::<f64>() / 100.0
}

#[test]
fn a_client_that_pipelines_pages_gets_a_share_of_a_core() {
    const CONNECTIONS: usize = 60;
    const WINDOW: Duration = Duration::from_secs(20);
    let _turn = FLOOD_LOCK.lock().unwrap_or_else(PoisonError::into_inner);
    if without_root("a_client_that_pipelines_pages_gets_a_share_of_a_core") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let agent = Serving::start(dir.path(), &CAPTURE_NOTHING).unwrap();
    for path in ["/metrics", "/livez"] {
        let is_over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            (0..CONNECTIONS).for_each(|_| _ = scope.spawn(|| pipeline(agent.address, path, &is_over)));
            let (before, begun) = (serving_time(agent.pid()), Instant::now());
            let mut healthy = 0;
            while begun.elapsed() < WINDOW {
                healthy += u32::from(probe(agent.address, "/livez").is_some());
                std::thread::sleep(WINDOW / 16);
            }
            let (spent, elapsed) = (serving_time(agent.pid()) - before, begun.elapsed().as_secs_f64());
            is_over.store(true, Ordering::Relaxed);
            println!("{path}: {spent:.2} s of CPU in {elapsed:.2} s, /livez {healthy} of 16");
            // The client may use five seconds at once and then a quarter of a core; refusing and accepting connections
            // costs extra.
            assert!(spent < 6.0 + 0.35 * elapsed, "{path}: {spent}");
            assert!(healthy >= 14, "{path}: {healthy}");
        });
    }
    agent.stop().unwrap();
}
