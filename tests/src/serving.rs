//! An agent that serves HTTP, and a simple HTTP client.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::process::{self, Guarded};

/// The longest time of every wait: attaching takes a second, and machines may be busy.
const WAIT_LIMIT: Duration = Duration::from_secs(60);

/// A running agent that watches the loopback interface if no other is named, and where it serves.
#[derive(Debug)]
pub struct Serving {
    process: Guarded,
    /// Its port.
    pub address: SocketAddr,
    /// The port of `--metrics-listen`.
    pub metrics_address: Option<SocketAddr>,
    /// Its log until it was ready.
    pub log: String,
    token: Option<String>,
}

/// The answer to a request.
#[derive(Debug)]
pub struct Answer {
    /// HTTP status; 0 when no answer came.
    pub status: u16,
    /// Status line and header fields, in lower case.
    pub head: String,
    /// The body.
    pub body: String,
}

impl Serving {
    /// Starts `pidflow run` with its log in `dir`, and waits until it is ready.
    pub fn start(dir: &Path, arguments: &[&str]) -> Result<Self> {
        Self::start_by(&[], dir, arguments)
    }

    /// As [`Self::start`], through another program that takes the command as its last arguments, such as unshare(1).
    pub fn start_by(by: &[&str], dir: &Path, arguments: &[&str]) -> Result<Self> {
        let (log, agent) = (dir.join("log"), process::binary("pidflow")?);
        let mut command = match by.split_first() {
            Some((program, before)) => {
                let mut command = Command::new(program);
                command.args(before).arg(agent);
                command
            }
            None => Command::new(agent),
        };
        command.args(["run", "-t", "1s", "-d", "1s", "--view", "plain"]).args(arguments);
        if !arguments.contains(&"-i") {
            command.args(["-i", "lo"]);
        }
        if !arguments.contains(&"--listen") {
            command.args(["--listen", "127.0.0.1:0"]);
        }
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(&log)?).spawn()?;
        let process = Guarded::new(child);
        let said = ready(&log)?;
        let address = said.rsplit_once(" on ").context("no address")?.1.trim().parse().context(said.clone())?;
        let metrics = said.split_once(", metrics on ").and_then(|(_, rest)| rest.split_once(','));
        let metrics_address = metrics.map(|(address, _)| address.parse()).transpose()?;
        Ok(Self { process, address, metrics_address, log: said, token: None })
    }

    /// Sends this bearer token with every request from now on.
    #[must_use]
    pub fn with_token(mut self, token: &str) -> Self {
        self.token = Some(token.to_owned());
        self
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Sends bytes, and reads until the other side closes.
    pub fn send(&self, bytes: &[u8]) -> Result<Answer> {
        let mut stream = TcpStream::connect(self.address)?;
        // A server that refuses a request early may close the connection before all of it is sent.
        let _ = stream.write_all(bytes);
        read(stream)
    }

    /// Requests a page, with HTTP/1.0 so that the body ends with the connection.
    pub fn get(&self, path: &str) -> Result<Answer> {
        let token = self.token.iter().map(|t| format!("Authorization: Bearer {t}\r\n")).collect::<String>();
        self.send(format!("GET {path} HTTP/1.0\r\nHost: localhost\r\n{token}\r\n").as_bytes())
    }

    /// Requests a page of JSON; an error unless the status is 200.
    pub fn json(&self, path: &str) -> Result<Value> {
        let answer = self.get(path)?;
        ensure!(answer.status == 200, "{path}: {} {}", answer.status, answer.body);
        serde_json::from_str(&answer.body).with_context(|| format!("{path}: {}", answer.body))
    }

    /// The value of the sample of `/metrics` whose line begins with `series`; 0 if there is none.
    pub fn metric(&self, series: &str) -> Result<u64> {
        let page = self.get("/metrics")?.body;
        let line = page.lines().find_map(|l| l.strip_prefix(series)?.strip_prefix(' '));
        line.map_or(Ok(0), |value| Ok(value.parse::<f64>()? as u64))
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: i32) -> Result<()> {
        self.process.signal(signal)
    }

    /// Ends it with SIGTERM, which must succeed.
    pub fn stop(mut self) -> Result<()> {
        self.process.signal(libc::SIGTERM)?;
        ensure!(self.process.wait(WAIT_LIMIT)?.success(), "it ended badly");
        Ok(())
    }
}

/// Reads the answer on a connection until it is closed or reset.
pub fn read(mut stream: TcpStream) -> Result<Answer> {
    stream.set_read_timeout(Some(WAIT_LIMIT))?;
    let mut octets = Vec::new();
    if let Err(e) = stream.read_to_end(&mut octets)
        && e.kind() == std::io::ErrorKind::WouldBlock
    {
        bail!("the connection stays open");
    }
    let text = String::from_utf8_lossy(&octets).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or(0);
    Ok(Answer { status, head: head.to_lowercase(), body: body.to_owned() })
}

/// Waits until `is_so` returns true.
pub fn eventually(what: &str, is_so: impl FnMut() -> Result<bool>) -> Result<()> {
    within(WAIT_LIMIT, what, is_so)
}

/// As [`eventually`], with a limit of its own.
pub fn within(limit: Duration, what: &str, mut is_so: impl FnMut() -> Result<bool>) -> Result<()> {
    let until = Instant::now() + limit;
    while !is_so()? {
        ensure!(Instant::now() < until, "{what}: not within {limit:?}");
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

/// The log up to the line that says that the agent is ready.
fn ready(log: &Path) -> Result<String> {
    let mut said = String::new();
    eventually("the agent is ready", || {
        said.clear();
        for line in BufReader::new(File::open(log)?).lines() {
            said = said.clone() + &line? + "\n";
        }
        Ok(said.contains(" ready: "))
    })
    .with_context(|| said.clone())?;
    let end = said.find(" ready: ").and_then(|at| said.get(at..)?.find('\n').map(|n| at + n));
    Ok(said.get(..end.unwrap_or(said.len())).unwrap_or_default().to_owned())
}
