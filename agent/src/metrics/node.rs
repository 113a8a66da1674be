//! The ends of edges: a process name on this host or on one that reported it, or another address.

use std::net::IpAddr;
use std::sync::Arc;

use pidflow_schema::{Attribution, EndObserver, FlowRecord, ProcessEnd};

const KERNEL: &str = "[kernel]";
const UNKNOWN: &str = "[unknown]";

/// One end of an edge. It contains no PID or port, because every connection would then be a series.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Node {
    /// Processes of this name on this host.
    Process(Arc<str>),
    /// Processes of this name on another host, whose exporter reported them (`pidflow collect`).
    Reported {
        /// That host's name, or the exporter's address.
        host: Arc<str>,
        /// The process's name.
        name: Arc<str>,
    },
    /// The kernel itself (ICMP echo replies and similar).
    Kernel,
    /// On this host, but no process was found.
    Unknown,
    /// Not on this host, or unknown.
    Address(IpAddr),
}

impl Node {
    /// The nodes of both ends of a record.
    pub(crate) fn pair(r: &FlowRecord) -> (Self, Self) {
        let reporter = reporter(r);
        let node = |end, address, observer| match of_end(observer).or(reporter.as_ref()) {
            Some(host) => Self::reported(end, address, host),
            None => Self::of(end, address),
        };
        let glued = r.glued.as_deref();
        let source = node(&r.source, r.flow.source, glued.map(|glued| &glued.source));
        (source, node(&r.destination, r.flow.destination, glued.map(|glued| &glued.destination)))
    }

    fn reported(end: &ProcessEnd, address: IpAddr, host: &Arc<str>) -> Self {
        match &end.process {
            Some(p) => Self::Reported { host: Arc::clone(host), name: Arc::clone(&p.name) },
            None => Self::Address(address),
        }
    }

    fn of(end: &ProcessEnd, address: IpAddr) -> Self {
        match (&end.process, end.attribution) {
            // A process may choose any name, but no two nodes may have the same label.
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
            Self::Reported { host, .. } => host.to_string(),
            _ => host.to_owned(),
        }
    }

    /// The process's name; empty for an address.
    pub(crate) fn process(&self) -> &str {
        match self {
            Self::Process(name) | Self::Reported { name, .. } => name,
            Self::Kernel => KERNEL,
            Self::Unknown => UNKNOWN,
            Self::Address(_) => "",
        }
    }

    /// `host/name`, or the address.
    pub(crate) fn label(&self, host: &str) -> String {
        match self {
            Self::Address(a) => a.to_string(),
            _ => format!("{}/{}", self.host(host), self.process()),
        }
    }
}

/// Who observed a record that was collected: the host's name, or the exporter's address; none: this host.
fn reporter(r: &FlowRecord) -> Option<Arc<str>> {
    let collected = r.collected.as_deref()?;
    Some(if r.host.is_empty() { collected.exporter.to_string().into() } else { Arc::clone(&r.host) })
}

/// The host of the agent at an end, of a record that was put together from several.
fn of_end(observer: Option<&EndObserver>) -> Option<&Arc<str>> {
    observer.map(|observer| &observer.host).filter(|host| !host.is_empty())
}

#[cfg(test)]
mod tests {
    use pidflow_schema::{Collected, Glued, Process};

    use super::*;

    #[test]
    fn processes_of_other_hosts_have_their_names() {
        let mut record = crate::sample::record(1, 443, 100);
        record.source.process = Some(Arc::new(Process { name: "curl".into(), ..Process::default() }));
        let labels = |r: &FlowRecord| {
            let (source, target) = Node::pair(r);
            [source.label("own"), target.label("own")]
        };
        let address = record.flow.destination.to_string();
        assert_eq!(labels(&record)[0], "own/curl");
        let exporter = IpAddr::from([192, 0, 2, 7]);
        record.collected = Some(Box::new(Collected { exporter, ..Collected::default() }));
        record.host = "".into();
        assert_eq!(labels(&record), ["192.0.2.7/curl", &address]);
        record.host = "other".into();
        assert_eq!(labels(&record), ["other/curl", &address]);
        let at = |host: &str| EndObserver { id: host.into(), host: host.into() };
        record.glued = Some(Box::new(Glued { source: at("web"), destination: at("store"), ..Glued::default() }));
        record.destination.process = Some(Arc::new(Process { name: "nginx".into(), ..Process::default() }));
        assert_eq!(labels(&record), ["web/curl", "store/nginx"]);
    }
}
