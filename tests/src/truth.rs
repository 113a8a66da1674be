//! The ground truth of one exchange, reported by the processes at its ends.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::sys;

/// A process at one end of an exchange, in the PID namespace of the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrueEnd {
    /// Process (thread group leader) number.
    pub pid: u32,
    /// Name (`comm`) of the thread group leader, in full where the kernel has cut it.
    pub name: String,
    /// Effective user number.
    pub uid: u32,
    /// User name, or the number where `/etc/passwd` has no name.
    pub user: String,
    /// Parent process number.
    pub ppid: u32,
    /// Name of the parent process.
    pub parent: String,
}

impl TrueEnd {
    /// The calling process. `/proc/self/status` speaks in the PID namespace in which `/proc` was mounted: the host's,
    /// also for a process in a PID namespace of its own.
    pub fn current() -> Result<Self> {
        Self::read("self")
    }

    /// The process with number `pid`.
    pub fn of(pid: u32) -> Result<Self> {
        Self::read(&pid.to_string())
    }

    fn read(process: &str) -> Result<Self> {
        let status = fs::read_to_string(format!("/proc/{process}/status")).context("read process status")?;
        let field = |name: &str, column: usize| -> Result<String> {
            status
                .lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
                .and_then(|rest| rest.split_whitespace().nth(column))
                .map(str::to_owned)
                .with_context(|| format!("no {name} in /proc/{process}/status"))
        };
        let uid: u32 = field("Uid", 1)?.parse()?;
        let ppid: u32 = field("PPid", 0)?.parse()?;
        Ok(Self {
            pid: field("Tgid", 0)?.parse()?,
            name: full_name(process, &field("Name", 0)?),
            uid,
            user: user_name(uid),
            ppid,
            parent: parent_name(ppid),
        })
    }
}

fn parent_name(ppid: u32) -> String {
    let comm = fs::read_to_string(format!("/proc/{ppid}/comm")).unwrap_or_default();
    full_name(&ppid.to_string(), comm.trim_end())
}

/// The kernel cuts names at 15 bytes; the whole one stands at the start of the command line, which, unlike the link to
/// the executable, every user may read.
fn full_name(process: &str, comm: &str) -> String {
    if comm.len() < 15 {
        return comm.to_owned();
    }
    let command_line = fs::read_to_string(format!("/proc/{process}/cmdline")).unwrap_or_default();
    let program = command_line.split('\0').next().unwrap_or_default();
    let name = program.rsplit('/').next().unwrap_or_default();
    if name.starts_with(comm) { name.to_owned() } else { comm.to_owned() }
}

/// The name of `uid` in `/etc/passwd`, else the number.
fn user_name(uid: u32) -> String {
    let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let number = uid.to_string();
    let name = passwd.lines().find_map(|line| {
        let mut parts = line.split(':');
        let name = parts.next()?;
        (parts.nth(1)? == number).then(|| name.to_owned())
    });
    name.unwrap_or(number)
}

/// The expected process at one end.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Expected {
    /// This process.
    Process(TrueEnd),
    /// No process is at this end (the kernel answered, or nobody did): a record that names one is wrong.
    Nobody,
    /// More than one answer would be right: not compared.
    #[default]
    Unchecked,
}

/// What a process consumed between connect and close, by its own accounts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Usage {
    /// User and system time, nanoseconds (`getrusage`).
    pub cpu_ns: u64,
    /// Page faults without disk access (`getrusage`).
    pub minor_faults: u64,
    /// Page faults with disk access (`getrusage`).
    pub major_faults: u64,
    /// Threads alive.
    pub threads: usize,
    /// Wall time between the two readings, nanoseconds.
    pub wall_ns: u64,
    /// Waiting for block I/O, nanoseconds (field 42 of `/proc/self/stat`); none: the kernel does not account for it.
    pub iowait_ns: Option<u64>,
    /// Resident memory at close, bytes (`VmRSS`).
    pub rss: u64,
    /// Largest resident memory ever, bytes (`VmHWM`).
    pub peak_rss: u64,
    /// Page faults of the process since its start, both kinds.
    pub faults_ever: u64,
}

/// What a client says of one conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Talk {
    /// The client's end.
    pub source: SocketAddr,
    /// Bytes that it sent.
    pub sent: usize,
    /// Bytes that it received.
    pub received: usize,
}

/// What a client process says of its only conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Meeting {
    /// IP protocol number.
    pub protocol: u8,
    /// Ports of the client and of the server.
    pub ports: (u16, u16),
    /// Process numbers of the client and of the server.
    pub pids: (u32, u32),
}

/// One exchange: a TCP connection, a UDP conversation, an ICMP echo.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Exchange {
    /// Which scenario made it.
    pub scenario: String,
    /// IP protocol number.
    pub protocol: u8,
    /// Address of the initiator.
    pub source: IpAddr,
    /// Port of the initiator; of an ICMP echo the identifier.
    pub source_port: u16,
    /// Address of the other end.
    pub destination: IpAddr,
    /// Port of the other end; of an ICMP echo the identifier.
    pub destination_port: u16,
    /// Wall time before the first system call that can make a packet, nanoseconds.
    pub start_ns: u64,
    /// Wall time after the last one of the initiator, nanoseconds.
    pub end_ns: u64,
    /// Process at the initiator's end.
    #[serde(default)]
    pub source_end: Expected,
    /// Process at the other end.
    #[serde(default)]
    pub destination_end: Expected,
    /// Error number of a connect that failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<i32>,
    /// What the initiator consumed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_usage: Option<Usage>,
    /// What the other end consumed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination_usage: Option<Usage>,
}

impl Exchange {
    /// An exchange that begins now; ends and times are completed as they become known.
    #[must_use]
    pub fn begin(scenario: &str, protocol: u8, source: SocketAddr, destination: SocketAddr) -> Self {
        let now = sys::now_ns();
        Self {
            scenario: scenario.to_owned(),
            protocol,
            source: source.ip(),
            source_port: source.port(),
            destination: destination.ip(),
            destination_port: destination.port(),
            start_ns: now,
            end_ns: now,
            source_end: Expected::Unchecked,
            destination_end: Expected::Unchecked,
            error: None,
            source_usage: None,
            destination_usage: None,
        }
    }

    /// Sets the source's tuple half, known only after bind or connect.
    pub const fn set_source(&mut self, source: SocketAddr) {
        self.source = source.ip();
        self.source_port = source.port();
    }

    /// Appends this as one line with a single write, so that lines of many processes do not mix.
    pub fn append_to(&self, mut file: &File) -> Result<()> {
        let mut line = serde_json::to_vec(self)?;
        line.push(b'\n');
        file.write_all(&line).context("write truth")
    }
}

/// Opens a truth file for appending.
pub fn open(path: &Path) -> Result<File> {
    let file = OpenOptions::new().append(true).create(true).open(path);
    file.with_context(|| format!("open truth file {}", path.display()))
}

/// Reads a truth file.
pub fn read(path: &Path) -> Result<Vec<Exchange>> {
    let text = fs::read_to_string(path).with_context(|| format!("read truth file {}", path.display()))?;
    parse(&text)
}

/// Parses lines of truth.
pub fn parse(text: &str) -> Result<Vec<Exchange>> {
    text.lines().map(|line| serde_json::from_str(line).with_context(|| format!("truth line {line:?}"))).collect()
}
