//! The rows of the live view: sums of the flows with the same two process names and service.

use std::collections::{HashMap, HashSet, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;

use pidflow_schema::{FlowRecord, ProcessEnd, Protocol};

/// Seconds over which a rate is shown.
const WINDOW_S: u64 = 10;
/// Maximum number of rows; the least recently seen are evicted first.
const MAX_ROWS: usize = 2000;
/// Maximum number of processes counted at one end of a row.
const MAX_PIDS: usize = 1000;

/// The key of a row: names, not processes, so that a hundred short-lived processes do not fill the screen.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Key {
    source: RowEnd,
    destination: RowEnd,
    /// `tcp:443`.
    pub(crate) service: String,
}

/// A process or an address at one end of a row.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum RowEnd {
    Process(Arc<str>),
    Address(IpAddr),
}

impl RowEnd {
    fn of(end: &ProcessEnd, address: IpAddr) -> Self {
        end.process.as_ref().map_or(Self::Address(address), |p| Self::Process(Arc::clone(&p.name)))
    }

    /// `name(pid)`, `name ×3` for several processes, or the address.
    fn label(&self, pids: &Pids) -> String {
        match (self, pids.known.len()) {
            (Self::Address(a), _) => a.to_string(),
            (Self::Process(name), 0 | 1) => format!("{name}({})", pids.last),
            (Self::Process(name), n) if n < MAX_PIDS => format!("{name} ×{n}"),
            (Self::Process(name), n) => format!("{name} ×{n}+"),
        }
    }
}

/// The processes of one end.
#[derive(Debug, Clone, Default)]
struct Pids {
    last: u32,
    known: HashSet<u32>,
}

impl Pids {
    fn add(&mut self, end: &ProcessEnd) {
        if let Some(process) = &end.process {
            self.last = process.pid;
            if self.known.len() < MAX_PIDS {
                self.known.insert(process.pid);
            }
        }
    }
}

/// The data of a row.
#[derive(Debug, Clone, Default)]
pub(crate) struct Row {
    /// Bytes of both directions so far.
    pub(crate) bytes: u64,
    /// Packets of both directions so far.
    pub(crate) packets: u64,
    sources: Pids,
    destinations: Pids,
    last_s: u64,
    /// Second of arrival, and bytes per second, which apply for the window after it.
    recent: VecDeque<(u64, f64)>,
}

/// A row as it is drawn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Drawn {
    /// Source, destination and service.
    pub(crate) texts: [String; 3],
    /// Bytes so far.
    pub(crate) bytes: u64,
    /// Bytes per second now.
    pub(crate) rate: u64,
    /// Packets so far.
    pub(crate) packets: u64,
}

impl Row {
    /// Bytes per second now.
    pub(crate) fn rate(&self, now_s: u64) -> u64 {
        let held = self.recent.iter().filter(|(s, _)| now_s.saturating_sub(*s) < WINDOW_S);
        held.map(|(_, rate)| *rate).sum::<f64>() as u64
    }

    fn add(&mut self, r: &FlowRecord, now_s: u64) {
        let octets = r.flow.forward.octets + r.flow.reverse.octets;
        self.bytes += octets;
        self.packets += r.flow.forward.packets + r.flow.reverse.packets;
        self.sources.add(&r.source);
        self.destinations.add(&r.destination);
        self.last_s = now_s;
        let seconds = (r.flow.last_ns.saturating_sub(r.flow.first_ns) / 1_000_000_000).max(WINDOW_S);
        self.push(now_s, octets as f64 / seconds as f64);
    }

    fn push(&mut self, now_s: u64, rate: f64) {
        while self.recent.front().is_some_and(|(s, _)| now_s.saturating_sub(*s) >= WINDOW_S) {
            self.recent.pop_front();
        }
        match self.recent.back_mut() {
            Some((s, sum)) if *s == now_s => *sum += rate,
            _ => self.recent.push_back((now_s, rate)),
        }
    }
}

/// All rows.
#[derive(Debug, Default)]
pub(crate) struct Rows(HashMap<Key, Row>);

impl Rows {
    /// Counts a record.
    pub(crate) fn count(&mut self, r: &FlowRecord, now_s: u64) {
        self.0.entry(key(r)).or_default().add(r, now_s);
        if self.0.len() > MAX_ROWS {
            self.prune();
        }
    }

    /// Removes the half that was idle for longest.
    fn prune(&mut self) {
        let mut ages: Vec<u64> = self.0.values().map(|r| r.last_s).collect();
        ages.sort_unstable();
        let middle = ages.get(ages.len() / 2).copied().unwrap_or_default();
        let mut spare = self.0.len() / 2;
        self.0.retain(|_, r| {
            let go = r.last_s <= middle && spare > 0;
            spare -= usize::from(go);
            !go
        });
    }

    /// The `n` busiest rows: by rate now, then by bytes.
    pub(crate) fn top(&self, n: usize, now_s: u64) -> Vec<Drawn> {
        let mut all: Vec<_> = self.0.iter().map(|(k, r)| (r.rate(now_s), k, r)).collect();
        all.sort_by(|a, b| (b.0, b.2.bytes).cmp(&(a.0, a.2.bytes)).then_with(|| a.1.cmp(b.1)));
        all.into_iter().take(n).map(|(rate, key, row)| drawn(rate, key, row)).collect()
    }
}

fn drawn(rate: u64, key: &Key, row: &Row) -> Drawn {
    let (source, destination) = (key.source.label(&row.sources), key.destination.label(&row.destinations));
    Drawn { texts: [source, destination, key.service.clone()], bytes: row.bytes, rate, packets: row.packets }
}

fn key(r: &FlowRecord) -> Key {
    Key {
        source: RowEnd::of(&r.source, r.flow.source),
        destination: RowEnd::of(&r.destination, r.flow.destination),
        service: service(r),
    }
}

fn service(r: &FlowRecord) -> String {
    let port = r.flow.destination_port;
    match r.flow.protocol {
        Protocol::TCP => format!("tcp:{port}"),
        Protocol::UDP => format!("udp:{port}"),
        Protocol::SCTP => format!("sctp:{port}"),
        Protocol::ICMP => "icmp".into(),
        Protocol::ICMPV6 => "icmpv6".into(),
        other => format!("ip:{other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pidflow_schema::Process;

    fn record(port: u16, octets: u64, seconds: u64) -> FlowRecord {
        let mut r = crate::sample::record(1, port, octets);
        r.flow.last_ns = seconds * 1_000_000_000;
        r
    }

    #[test]
    fn flows_of_the_same_ends_and_service_are_one_row() {
        let mut rows = Rows::default();
        (0..3).for_each(|_| rows.count(&record(443, 1000, 0), 5));
        rows.count(&record(80, 10, 0), 5);
        let top = rows.top(9, 5);
        assert_eq!(
            top.iter().map(|d| (d.texts[2].as_str(), d.bytes, d.rate)).collect::<Vec<_>>(),
            [("tcp:443", 3000, 300), ("tcp:80", 10, 1)]
        );
    }

    #[test]
    fn a_rate_is_of_the_flows_time_and_fades_after_the_window() {
        let mut rows = Rows::default();
        rows.count(&record(443, 60_000, 60), 5);
        assert_eq!(rows.top(1, 6).first().map(|d| d.rate), Some(1000));
        assert_eq!(rows.top(1, 15).first().map(|d| d.rate), Some(0));
    }

    #[test]
    fn several_processes_of_a_name_are_counted() {
        let mut rows = Rows::default();
        for (pid, label) in [(7, "curl(7)"), (8, "curl ×2"), (7, "curl ×2"), (9, "curl ×3")] {
            let mut r = record(443, 1, 0);
            r.source.process = Some(Arc::new(Process { pid, name: "curl".into(), ..Process::default() }));
            rows.count(&r, 5);
            assert_eq!(rows.top(1, 5)[0].texts, [label, "10.0.0.2", "tcp:443"]);
        }
    }

    #[test]
    fn rows_are_bounded() {
        let mut rows = Rows::default();
        (0..u16::MAX).for_each(|p| rows.count(&record(p, 1, 0), u64::from(p) / 100));
        assert!(rows.0.len() <= MAX_ROWS);
        assert!(rows.0.keys().any(|k| k.service == "tcp:65534"));
    }
}
