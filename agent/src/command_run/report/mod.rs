//! The report: what the command's processes talked to, what each of them used, and on what they listened.

mod errno;
mod make;
mod markdown;
mod tables;
mod text;

use std::collections::BTreeMap;

use serde::Serialize;

use super::Outcome;
pub(crate) use super::baseline::Entry;

pub(crate) use make::{Circumstances, entries, make};
pub(crate) use markdown::markdown;
pub(crate) use text::text;

/// The version of the report's structure in JSON.
const VERSION: u32 = 1;

/// The exit code if the command ended with 0, but a destination was not in the baseline.
const NEW_DESTINATIONS: u8 = 3;
/// The exit code if the command ended with 0, and no destination is new, but something was lost that may be one.
const MAY_BE_MISSING: u8 = 4;

/// The report. Bytes are those of IP packets, with their headers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Report {
    /// Version of this structure.
    pub(crate) version: u32,
    /// The command line of the command, with secrets masked.
    pub(crate) command: String,
    /// How it ended.
    #[serde(flatten)]
    pub(crate) outcome: Outcome,
    /// When it was started, RFC 3339.
    pub(crate) started: String,
    /// How long it ran, seconds.
    pub(crate) seconds: f64,
    /// What its processes connected or sent to, outside of the tree.
    pub(crate) destinations: Vec<Destination>,
    /// Connections between two processes of the tree.
    pub(crate) inner: Vec<Inner>,
    /// Ports on which its processes listened or answered.
    pub(crate) listened: Vec<Listener>,
    /// Its processes.
    pub(crate) processes: Vec<ProcessLine>,
    /// Comparison with the baseline; none: no baseline was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) baseline: Option<Compared>,
    /// Whether every destination until the end of watching is in this report: nothing was lost that could be one.
    pub(crate) has_all_destinations: bool,
    /// What may be missing in this report, and why.
    pub(crate) incomplete: Vec<String>,
}

/// The comparison with a baseline.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Compared {
    /// The file.
    pub(crate) file: String,
    /// Whether the file was written by this run.
    pub(crate) is_new: bool,
    /// The destinations that are not in it.
    pub(crate) new: Vec<Entry>,
}

/// Figures of connections.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Figures {
    /// Connections, and flows of protocols without connections.
    pub(crate) connections: u64,
    /// Bytes that the client sent.
    pub(crate) sent_bytes: u64,
    /// Bytes that the client received.
    pub(crate) received_bytes: u64,
    /// Failed connections by reason: the error's name, or `no answer`.
    pub(crate) failures: BTreeMap<String, u64>,
    /// Median of the times to connect, milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) connect_median_ms: Option<f64>,
    /// The longest time to connect, milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) connect_max_ms: Option<f64>,
    /// Application protocols.
    pub(crate) applications: Vec<&'static str>,
}

/// A destination.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Destination {
    /// Name, port, protocol and program.
    #[serde(flatten)]
    pub(crate) what: Entry,
    /// Its addresses.
    pub(crate) addresses: Vec<String>,
    /// The processes.
    pub(crate) pids: Vec<u32>,
    /// Figures.
    #[serde(flatten)]
    pub(crate) figures: Figures,
}

/// A connection within the tree.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Inner {
    /// The server's end, and the client's program.
    #[serde(flatten)]
    pub(crate) what: Entry,
    /// The server's program.
    pub(crate) server: String,
    /// Figures.
    #[serde(flatten)]
    pub(crate) figures: Figures,
}

/// A port on which processes of the tree listened or answered.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Listener {
    /// Port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) port: Option<u16>,
    /// Protocol.
    pub(crate) protocol: String,
    /// The program.
    pub(crate) program: String,
    /// The addresses on which it listened; empty: it answered without listening.
    pub(crate) addresses: Vec<String>,
    /// The processes.
    pub(crate) pids: Vec<u32>,
    /// The addresses of clients outside of the tree.
    pub(crate) clients: Vec<String>,
    /// Connections from processes of the tree, which are listed as inner ones.
    pub(crate) inner_connections: u64,
    /// Figures of these clients' connections. What the client sent is what this end received.
    #[serde(flatten)]
    pub(crate) figures: Figures,
}

/// A process.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct ProcessLine {
    /// Process number.
    pub(crate) pid: u32,
    /// Parent's process number when it was first seen.
    pub(crate) parent_pid: u32,
    /// Name.
    pub(crate) name: String,
    /// Command line, masked as configured.
    pub(crate) command_line: String,
    /// User.
    pub(crate) user: String,
    /// Start, RFC 3339.
    pub(crate) started: String,
    /// How long it lived, seconds; none: it had not ended.
    pub(crate) seconds: Option<f64>,
    /// Exit code; none: unknown, or a signal ended it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) exit_code: Option<u8>,
    /// The signal that ended it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) signal: Option<u8>,
    /// CPU time, user and system, seconds.
    pub(crate) cpu_seconds: Option<f64>,
    /// Peak resident memory, bytes.
    pub(crate) peak_memory_bytes: Option<u64>,
    /// Minor page faults.
    pub(crate) minor_faults: Option<u64>,
    /// Major page faults.
    pub(crate) major_faults: Option<u64>,
    /// Bytes sent.
    pub(crate) sent_bytes: u64,
    /// Bytes received.
    pub(crate) received_bytes: u64,
}

impl Report {
    /// The exit code with `--fail-on-new`: the command's, unless it ended with 0 and a destination is new or may be missing.
    pub(crate) fn code_of_comparison(&self) -> u8 {
        let has_new = self.baseline.as_ref().is_some_and(|compared| !compared.new.is_empty());
        match self.outcome.code() {
            0 if has_new => NEW_DESTINATIONS,
            0 if !self.has_all_destinations => MAY_BE_MISSING,
            code => code,
        }
    }

    /// The report as JSON, on many lines.
    pub(crate) fn json(&self) -> String {
        // Only a map whose keys are no text cannot be written.
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }
}
