//! The ends of edges: a process name on this host, or an address that is not of this host.

use std::net::IpAddr;
use std::sync::Arc;

use pidflow_schema::{Attribution, ProcessEnd};

const KERNEL: &str = "[kernel]";
const UNKNOWN: &str = "[unknown]";

/// One end of an edge. It contains no PID or port, because every connection would then be a series.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Node {
    /// Processes of this name on this host.
    Process(Arc<str>),
    /// The kernel itself (ICMP echo replies and similar).
    Kernel,
    /// On this host, but no process was found.
    Unknown,
    /// Not on this host, or unknown.
    Address(IpAddr),
}

impl Node {
    /// The node of one end of a record.
    pub(crate) fn of(end: &ProcessEnd, address: IpAddr) -> Self {
        match (&end.process, end.attribution) {
            // A process may choose any name, but no two nodes may have the same label.
            (Some(p), _) if [KERNEL, UNKNOWN].contains(&&*p.name) => Self::Unknown,
            (Some(p), _) => Self::Process(Arc::clone(&p.name)),
            (None, Attribution::Remote | Attribution::Offline | Attribution::NotReported) => Self::Address(address),
            (None, Attribution::Kernel) => Self::Kernel,
            (None, _) => Self::Unknown,
        }
    }

    /// The host's name, or the address.
    pub(crate) fn host(&self, host: &str) -> String {
        match self {
            Self::Address(a) => a.to_string(),
            _ => host.to_owned(),
        }
    }

    /// The process's name; empty for an address.
    pub(crate) fn process(&self) -> &str {
        match self {
            Self::Process(name) => name,
            Self::Kernel => KERNEL,
            Self::Unknown => UNKNOWN,
            Self::Address(_) => "",
        }
    }

    /// `host/name`, or the address.
    pub(crate) fn label(&self, host: &str) -> String {
        match self {
            Self::Address(a) => a.to_string(),
            _ => format!("{host}/{}", self.process()),
        }
    }
}
