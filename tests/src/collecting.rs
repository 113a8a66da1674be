//! A running `pidflow collect`, and its figures.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::process::{self, Guarded};

/// A collector.
#[derive(Debug)]
pub struct Collector {
    process: Guarded,
    http: u16,
    log: Arc<Mutex<String>>,
}

/// A port that is free for TCP and UDP, and that no other program is given while a collector is started again: it is below those
/// that the kernel chooses (`net.ipv4.ip_local_port_range`).
pub fn free_port() -> Result<u16> {
    const FIRST: u32 = 10_000;
    const COUNT: u32 = 20_000;
    static TRIED: AtomicU32 = AtomicU32::new(0);
    for _ in 0..COUNT {
        let number = std::process::id().wrapping_mul(97).wrapping_add(TRIED.fetch_add(1, Ordering::Relaxed));
        let address = (Ipv4Addr::LOCALHOST, u16::try_from(FIRST + number % COUNT)?);
        if let (Ok(_), Ok(_)) = (TcpListener::bind(address), UdpSocket::bind(address)) {
            return Ok(address.1);
        }
    }
    bail!("no free port")
}

impl Collector {
    /// Starts it, and waits until it is ready.
    pub fn start(arguments: &[&str]) -> Result<Self> {
        let http = free_port()?;
        let child = Command::new(process::binary("pidflow")?)
            .args(["collect", "--listen", &format!("127.0.0.1:{http}")])
            .args(arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let mut process = Guarded::new(child);
        let mut lines = BufReader::new(process.child().stderr.take().context("no log")?).lines().map_while(Result::ok);
        let log = Arc::new(Mutex::new(String::new()));
        let note = move |log: &Mutex<String>, line: &str| {
            let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
            log.push_str(line);
            log.push('\n');
        };
        let is_ready = lines.any(|line| {
            note(&log, &line);
            line.contains("ready: ")
        });
        ensure!(is_ready, "it did not start: {}", log.lock().unwrap_or_else(PoisonError::into_inner));
        let rest = Arc::clone(&log);
        std::thread::spawn(move || lines.for_each(|line| note(&rest, &line)));
        Ok(Self { process, http, log })
    }

    /// What it has logged.
    #[must_use]
    pub fn log(&self) -> String {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Its process.
    #[must_use]
    pub const fn process(&mut self) -> &mut Guarded {
        &mut self.process
    }

    /// The page `/metrics`.
    pub fn metrics(&self) -> Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.http))?;
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }

    /// Records received by this protocol.
    pub fn records(&self, protocol: &str) -> Result<u64> {
        metric(&self.metrics()?, &format!("pidflow_collect_records_total{{protocol=\"{protocol}\"}}"))
    }

    /// How often this happened.
    pub fn event(&self, event: &str) -> Result<u64> {
        // What has not happened has no line.
        let name = format!("pidflow_collect_events_total{{event=\"{event}\"}}");
        Ok(metric(&self.metrics()?, &name).unwrap_or(0))
    }

    /// Ends it as an operator does, waits until it has ended, and returns its log, with the summary.
    pub fn stop(mut self) -> Result<String> {
        self.process.signal(libc::SIGTERM)?;
        self.process.wait(Duration::from_secs(20))?;
        // The log is read by another thread.
        std::thread::sleep(Duration::from_millis(200));
        Ok(self.log())
    }

    /// Ends it at once.
    pub fn kill(mut self) -> Result<()> {
        self.process.signal(libc::SIGKILL)?;
        self.process.wait(Duration::from_secs(20))?;
        Ok(())
    }

    /// CPU seconds, and the greatest memory in MB.
    pub fn used(&self) -> Result<(f64, u64)> {
        let pid = self.process.pid();
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
        let (_, fields) = stat.rsplit_once(") ").context("no fields")?;
        let ticks = fields.split(' ').skip(11).take(2).map(str::parse::<u64>).sum::<Result<u64, _>>()?;
        let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no peak")?;
        Ok((ticks as f64 / 100.0, peak.trim().trim_end_matches(" kB").parse::<u64>()? / 1000))
    }
}

/// The value of a metric with its labels.
pub fn metric(metrics: &str, name: &str) -> Result<u64> {
    let line = metrics.lines().find(|line| line.starts_with(name)).with_context(|| format!("no {name}"))?;
    let value = line.rsplit(' ').next().context("no value")?;
    Ok(value.parse::<f64>()? as u64)
}
