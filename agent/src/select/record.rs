//! Conditions on a flow record.

use std::net::IpAddr;
use std::sync::Arc;

use pidflow_expression::Expression;
use pidflow_schema::FlowRecord;

use super::{Period, ProcessFilter};

/// Conditions that must all hold; an absent one always holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct RecordFilter {
    /// Of the process at one end, either of them.
    pub(crate) process: ProcessFilter,
    /// Address of one end. Address and port must hold for the same end.
    pub(crate) address: Option<IpAddr>,
    /// Port of one end.
    pub(crate) port: Option<u16>,
    /// IANA's number of the protocol.
    pub(crate) protocol: Option<u8>,
    /// True for the record.
    pub(crate) expression: Option<Arc<Expression>>,
    /// The flow had a packet in this time.
    pub(crate) period: Period,
}

impl RecordFilter {
    /// Whether the record meets every condition.
    pub(crate) fn matches(&self, r: &FlowRecord) -> bool {
        let f = &r.flow;
        self.protocol.is_none_or(|p| p == f.protocol)
            && self.period.overlaps(f.first_ns, f.last_ns)
            && (self.is_at(f.source, f.source_port) || self.is_at(f.destination, f.destination_port))
            && self.has_process(r)
            && self.expression.as_ref().is_none_or(|e| e.matches(r))
    }

    fn is_at(&self, address: IpAddr, port: u16) -> bool {
        self.address.is_none_or(|a| a == address) && self.port.is_none_or(|p| p == port)
    }

    fn has_process(&self, r: &FlowRecord) -> bool {
        self.process.is_empty() || self.process.matches_end(&r.source) || self.process.matches_end(&r.destination)
    }
}

#[cfg(test)]
mod tests {
    use pidflow_schema::{Placement, Pod, Process};

    use super::super::{Moment, protocol_number};
    use super::*;

    /// 10.0.0.1:40000, `psql` (7) of user 1000 in a pod, to 10.0.0.2:5432, `postgres` (8), from 10 s to 20 s.
    fn record() -> FlowRecord {
        let mut r = crate::sample::record(0x0a00_0001, 5432, 100);
        (r.flow.first_ns, r.flow.last_ns) = (10_000_000_000, 20_000_000_000);
        let pod = Pod { namespace: "shop".into(), name: "web-0".into(), container: "main".into(), details: None };
        let client = Process { pid: 7, name: "psql".into(), uid: 1000, user: "ann".into(), ..Process::default() };
        let server = Process {
            pid: 8,
            name: "postgres".into(),
            placement: Placement { container_id: "abcdef".into(), ..Placement::default() },
            ..Process::default()
        };
        r.source.process = Some(Arc::new(Process { pod: Some(pod.into()), ..client }));
        r.destination.process = Some(Arc::new(server));
        r
    }

    fn check(is_found: bool, what: &str, set: impl FnOnce(&mut RecordFilter)) {
        let mut filter = RecordFilter::default();
        set(&mut filter);
        assert_eq!(filter.matches(&record()), is_found, "{what}");
    }

    #[test]
    fn every_condition_finds_and_excludes() {
        check(true, "no condition", |_| {});
        for (name, is_found) in [("psql", true), ("postgres", true), ("psq", false)] {
            check(is_found, name, |f| f.process.name = Some(name.into()));
        }
        for (user, is_found) in [("ann", true), ("1000", true), ("bob", false), ("100", false)] {
            check(is_found, user, |f| f.process.user = Some(user.into()));
        }
        for (id, is_found) in [("abc", true), ("bc", false)] {
            check(is_found, id, |f| f.process.container = Some(id.into()));
        }
        for (pod, is_found) in [("web-0", true), ("web", false)] {
            check(is_found, pod, |f| f.process.pod = Some(pod.into()));
        }
        for (protocol, is_found) in [("tcp", true), ("udp", false)] {
            check(is_found, protocol, |f| f.protocol = protocol_number(protocol));
        }
        for (since, until, is_found) in
            [("20000", "99999", true), ("20001", "99999", false), ("0", "10000", true), ("0", "9999", false)]
        {
            check(is_found, &format!("{since} to {until}"), |f| {
                f.period = Period { since: Moment::parse(since), until: Moment::parse(until) };
            });
        }
    }

    #[test]
    fn conditions_on_an_end_must_hold_for_the_same_one() {
        for (address, port, is_found) in
            [([10, 0, 0, 1], 40_000, true), ([10, 0, 0, 2], 5432, true), ([10, 0, 0, 1], 5432, false)]
        {
            check(is_found, &format!("{address:?}:{port}"), |f| {
                (f.address, f.port) = (Some(address.into()), Some(port));
            });
        }
        for (name, pid, is_found) in [("psql", 7, true), ("postgres", 8, true), ("psql", 8, false)] {
            check(is_found, &format!("{name} {pid}"), |f| {
                (f.process.name, f.process.pid) = (Some(name.into()), Some(pid));
            });
        }
    }
}
