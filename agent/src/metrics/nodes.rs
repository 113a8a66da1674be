//! Resource usage of the processes of the graph's nodes, by process name, user, container and pod; bounded like edges.

use std::collections::HashMap;
use std::sync::Arc;

use pidflow_engine::process_table::Usage;
use pidflow_schema::{Process, ProcessEnd};

use super::sums::Used;
use super::top::{Series, Shown, Top};

/// Seconds for which a node is described by the same process, even if it has ended, because each described process is a
/// series.
const MIN_DESCRIPTION_S: u64 = 60;

/// Namespace and name of a pod.
pub(crate) type PodName = (Arc<str>, Arc<str>);

/// Process name, user, container id (empty outside containers) and its pod. The pod follows from the container, but may
/// become known later; this starts another series, so that no series changes its labels.
pub(crate) type NodeKey = (Arc<str>, Arc<str>, Arc<str>, Option<PodName>);

/// Current resources of the node's processes.
#[derive(Debug, Clone)]
pub(crate) struct NodeUsage {
    /// Running processes.
    pub(crate) processes: u64,
    /// Their resident memory, bytes.
    pub(crate) memory: u64,
    /// Peak of their total memory, or of one of them as reported by the kernel, bytes.
    pub(crate) peak: u64,
    /// One of them: the oldest when it was chosen.
    pub(crate) described_by: Arc<Process>,
    /// Number of the first status that contains it; none: no status contains it.
    since: Option<u64>,
    described_s: u64,
    describes_life: bool,
    /// The process that will describe it next.
    candidate: Option<Arc<Process>>,
}

/// All nodes.
#[derive(Debug)]
pub(crate) struct Nodes {
    used: Top<NodeKey, Used>,
    present: HashMap<NodeKey, NodeUsage>,
}

impl Nodes {
    /// At most `limit` nodes with series.
    pub(super) fn new(limit: usize) -> Self {
        Self { used: Top::new(limit), present: HashMap::new() }
    }

    /// Notes that a process was at the end of a flow.
    pub(super) fn has_flow(&mut self, end: &ProcessEnd, weight: u64, now_s: u64) {
        if let Some(p) = &end.process {
            self.used.count(key(p), &Used::default(), weight, now_s);
        }
    }

    /// Adds the usage of processes.
    pub(super) fn usage(&mut self, now_s: u64, tell: impl FnOnce(&mut dyn FnMut(&Usage))) {
        self.present.values_mut().for_each(NodeUsage::begin);
        tell(&mut |u| self.one(u, now_s));
        let used = &self.used;
        self.present.retain(|key, _| used.shows(key));
        self.present.values_mut().for_each(|p| p.end(now_s));
    }

    fn one(&mut self, u: &Usage, now_s: u64) {
        let key = key(&u.process);
        let used = Used {
            cpu_ns: u.cpu_ns,
            iowait_ns: u.iowait_ns,
            minor_faults: u.minor_faults,
            major_faults: u.major_faults,
        };
        self.used.count(key.clone(), &used, 0, now_s);
        if self.used.shows(&key) {
            self.present.entry(key).or_insert_with(|| NodeUsage::new(u, now_s)).add(u);
        }
    }

    /// Chooses again which nodes are shown.
    pub(super) fn settle(&mut self, now_s: u64) {
        self.used.settle(now_s);
    }

    /// Contents of the status with this number: nodes with a series and a report, their resources, and the usage of the
    /// other and the withdrawn ones.
    pub(super) fn shown(&mut self, number: u64) -> (Shown<NodeKey, Used>, Vec<NodeUsage>) {
        let shown = self.used.shown(number);
        let told = |one: Series<NodeKey, Used>| {
            let present = self.present.get_mut(&one.key)?;
            let since = one.since.max(*present.since.get_or_insert(number));
            Some((Series { since, ..one }, present.clone()))
        };
        let (series, present) = shown.series.into_iter().filter_map(told).unzip();
        (Shown { series, ..shown }, present)
    }
}

fn key(p: &Process) -> NodeKey {
    let pod = p.pod.as_ref().map(|pod| (Arc::clone(&pod.namespace), Arc::clone(&pod.name)));
    (Arc::clone(&p.name), Arc::clone(&p.user), Arc::clone(&p.placement.container_id), pod)
}

impl NodeUsage {
    fn new(u: &Usage, now_s: u64) -> Self {
        Self {
            processes: 0,
            memory: 0,
            peak: 0,
            described_by: Arc::clone(&u.process),
            since: None,
            described_s: now_s,
            describes_life: true,
            candidate: None,
        }
    }

    fn begin(&mut self) {
        (self.processes, self.memory, self.describes_life) = (0, 0, false);
        self.candidate = None;
    }

    fn add(&mut self, u: &Usage) {
        self.peak = self.peak.max(u.memory_peak.or(u.memory).unwrap_or_default());
        if !u.has_ended {
            self.processes += 1;
            self.memory += u.memory.unwrap_or_default();
            self.peak = self.peak.max(self.memory);
        }
        let same = (u.process.pid, u.process.start_ns) == (self.described_by.pid, self.described_by.start_ns);
        if same {
            self.described_by = Arc::clone(&u.process);
            self.describes_life = !u.has_ended;
        } else if self.candidate.as_ref().is_none_or(|c| u.process.start_ns < c.start_ns) {
            self.candidate = Some(Arc::clone(&u.process));
        }
    }

    fn end(&mut self, now_s: u64) {
        let is_due = !self.describes_life && now_s >= self.described_s + MIN_DESCRIPTION_S;
        if let Some(next) = self.candidate.take().filter(|_| is_due) {
            (self.described_by, self.described_s) = (next, now_s);
        }
    }
}

#[cfg(test)]
mod tests {
    use pidflow_schema::Attribution;

    use super::*;

    fn usage(pid: u32, cpu_ns: u64, memory: u64) -> Usage {
        let process = Process { pid, name: "redis".into(), user: "redis".into(), ..Process::default() };
        Usage {
            process: Arc::new(process),
            cpu_ns,
            iowait_ns: None,
            minor_faults: 1,
            major_faults: 0,
            memory: Some(memory),
            memory_peak: Some(memory * 2),
            has_ended: false,
        }
    }

    #[test]
    fn processes_of_a_name_are_one_node() {
        let mut nodes = Nodes::new(2);
        for round in 0..3 {
            nodes.usage(round, |tell| [usage(1, 10, 100), usage(2, 5, 50)].iter().for_each(tell));
        }
        let (shown, present) = nodes.shown(7);
        let ([node], [present]) = (shown.series.as_slice(), present.as_slice()) else { panic!("{shown:?}") };
        assert_eq!((node.sums.cpu_ns, node.sums.minor_faults, node.since), (45, 6, 7));
        assert_eq!((present.processes, present.memory, present.peak), (2, 150, 200));
        assert_eq!(node.sums.iowait_ns, None, "unknown is absent");
    }

    #[test]
    fn a_series_begins_with_its_first_report() {
        let mut nodes = Nodes::new(2);
        let end = ProcessEnd { process: Some(usage(1, 0, 0).process), ..ProcessEnd::unknown(Attribution::SocketEvent) };
        nodes.has_flow(&end, 100, 0);
        assert!(nodes.shown(1).0.series.is_empty());
        nodes.usage(1, |tell| tell(&usage(1, 10, 100)));
        assert_eq!(nodes.shown(2).0.series[0].since, 2);
        assert_eq!(nodes.shown(3).0.series[0].since, 2);
    }

    #[test]
    fn a_node_is_described_by_another_process_at_most_once_a_minute() {
        let mut nodes = Nodes::new(2);
        let mut pids = Vec::new();
        for s in 0..180 {
            let short_lived = Usage { has_ended: true, ..usage(s, 1, 1) };
            nodes.usage(u64::from(s), |tell| tell(&short_lived));
            let (_, present) = nodes.shown(1);
            pids.push(present[0].described_by.pid);
            assert_eq!((present[0].processes, present[0].memory, present[0].peak), (0, 0, 2));
        }
        pids.dedup();
        assert_eq!(pids, [0, 60, 120]);
    }
}
