//! The ends of edges: a process name on this host, or an address that is not of this host.

use std::net::IpAddr;
use std::sync::Arc;

use pidflow_schema::{Attribution, ProcessEnd};

const KERNEL: &str = "[kernel]";
const UNKNOWN: &str = "[unknown]";

/// One end of an edge. Not a PID or a port: these would make a series of every connection.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Node {
    /// Processes of this name on this host.
    Process(Arc<str>),
    /// The kernel itself (ICMP echo replies and the like).
    Kernel,
    /// On this host, but no process was found.
    Unknown,
    /// Not of this host, or not known whether.
    Address(IpAddr),
}

impl Node {
    /// The node of one end of a record.
    pub(crate) fn of(end: &ProcessEnd, address: IpAddr) -> Self {
        match (&end.process, end.attribution) {
            // A process may give itself any name, and no two nodes may have the same label.
            (Some(p), _) if [KERNEL, UNKNOWN].contains(&&*p.name) => Self::Unknown,
            (Some(p), _) => Self::Process(Arc::clone(&p.name)),
            (None, Attribution::Remote | Attribution::Offline) => Self::Address(address),
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
