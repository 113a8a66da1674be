//! The memory budget of the agent, and its shares for tables and queues.
//!
//! It is never more than the limit of the agent's memory cgroup, so that a container's limit or systemd's `MemoryMax=` is respected
//! without configuration.

use std::fs;
use std::path::{Path, PathBuf};

use pidflow_engine::decode::{DecodeRules, PayloadRule, TcpRule};
use pidflow_engine::flow_table::{FlowTable, FlowTableConfig, PacketRule};

/// The budget of `pidflow run` without `--memory-budget`, bytes.
const RUN_BUDGET: u64 = 256 << 20;
/// That of `pidflow collect`, bytes.
const COLLECT_BUDGET: u64 = 1 << 30;
/// The smallest useful budget, bytes: the program itself needs about 40 MB.
pub(crate) const MIN_BUDGET: u64 = 48 << 20;
/// A cgroup v1 without a limit reports a number near 2^63, rounded to pages.
const NO_LIMIT: u64 = 1 << 60;
/// One flow that waits for its join, bytes.
pub(crate) const WAITING_FLOW_BYTES: u64 = 320;

/// Shares of the limit, percent. The rest is for the program itself, its threads, memory that the allocator cannot
/// return, and answers of the HTTP server.
struct Share;

impl Share {
    const FLOWS: u64 = 25;
    const WAITING_FLOWS: u64 = 4;
    const PROCESSES_AND_SOCKETS: u64 = 18;
    const EXPORT_QUEUES: u64 = 14;
    const RECENT: u64 = 5;
    const TRANSLATIONS: u64 = 4;
    const PODS: u64 = 3;
    const TENANCIES: u64 = 4;
    /// Of `pidflow collect`, which has no flows, processes and sockets of its own.
    const COLLECTOR: u64 = 6;
    /// Of `pidflow collect --glue`.
    const GLUE: u64 = 30;
}

/// The memory that tables and queues may use together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Budget {
    bytes: u64,
}

impl Budget {
    /// The budget of `pidflow run`: what `--memory-budget` says, bytes, or the default, within the limit of the memory cgroup.
    pub(crate) fn of_run(wanted: Option<u64>) -> Self {
        Self::within(wanted.unwrap_or(RUN_BUDGET))
    }

    /// The budget of `pidflow collect`, within the limit of the memory cgroup.
    pub(crate) fn of_collect() -> Self {
        Self::within(COLLECT_BUDGET)
    }

    fn within(wanted: u64) -> Self {
        let membership = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let roots = [Path::new("/sys/fs/cgroup"), Path::new("/sys/fs/cgroup/unified")];
        Self::new(wanted, cgroup_limit(&membership, &roots))
    }

    fn new(wanted: u64, limit: Option<u64>) -> Self {
        Self { bytes: limit.map_or(wanted, |limit| limit.min(wanted)).max(MIN_BUDGET) }
    }

    /// The whole budget, bytes.
    pub(crate) const fn bytes(self) -> u64 {
        self.bytes
    }

    const fn share(self, percent: u64) -> u64 {
        self.bytes / 100 * percent
    }

    /// Maximum number of flows in the flow table; fewer if their payloads are read, or their connections or packets measured.
    pub(crate) fn max_flows(self, rules: &DecodeRules, packets: PacketRule) -> usize {
        let bytes = usize::try_from(self.share(Share::FLOWS)).unwrap_or(usize::MAX);
        let watched = if rules.payloads == PayloadRule::Pick { FlowTable::BYTES_PER_WATCHED_FLOW } else { 0 };
        let measured = if rules.tcp == TcpRule::Measure { FlowTable::BYTES_PER_MEASURED_FLOW } else { 0 };
        let of_packets = if packets == PacketRule::Measure { FlowTable::BYTES_PER_FLOW_OF_MEASURED_PACKETS } else { 0 };
        (bytes / (FlowTable::BYTES_PER_FLOW + watched + measured + of_packets)).clamp(1, FlowTableConfig::MAX_FLOWS)
    }

    /// Maximum number of address translations that are known.
    pub(crate) fn max_translations(self) -> usize {
        let bytes = usize::try_from(self.share(Share::TRANSLATIONS)).unwrap_or(usize::MAX);
        bytes / FlowTable::BYTES_PER_TRANSLATION
    }

    /// Memory for processes and sockets, bytes.
    pub(crate) fn processes_and_sockets_bytes(self) -> usize {
        usize::try_from(self.share(Share::PROCESSES_AND_SOCKETS)).unwrap_or(usize::MAX)
    }

    /// Memory for what the servers of Kubernetes told of pods and services, bytes.
    pub(crate) fn pods_bytes(self) -> usize {
        usize::try_from(self.share(Share::PODS)).unwrap_or(usize::MAX)
    }

    /// Memory for what is known of exporters (templates, names of interfaces), bytes.
    pub(crate) fn collector_bytes(self) -> usize {
        usize::try_from(self.share(Share::COLLECTOR)).unwrap_or(usize::MAX)
    }

    /// Memory for records that wait for those of other agents, bytes.
    pub(crate) fn glue_bytes(self) -> usize {
        usize::try_from(self.share(Share::GLUE)).unwrap_or(usize::MAX)
    }

    /// Memory for the addresses of pods and services, bytes.
    pub(crate) fn tenancy_bytes(self) -> usize {
        usize::try_from(self.share(Share::TENANCIES)).unwrap_or(usize::MAX)
    }

    /// Memory for the records in all exporters' queues, bytes.
    pub(crate) fn queues_bytes(self) -> usize {
        usize::try_from(self.share(Share::EXPORT_QUEUES)).unwrap_or(usize::MAX)
    }

    /// The latest records and the processes in them, which are kept for those who ask over HTTP, bytes.
    pub(crate) fn recent_bytes(self) -> usize {
        usize::try_from(self.share(Share::RECENT)).unwrap_or(usize::MAX)
    }

    /// Maximum number of flows that wait for their join.
    pub(crate) fn max_waiting_flows(self) -> usize {
        usize::try_from(self.share(Share::WAITING_FLOWS) / WAITING_FLOW_BYTES).unwrap_or(usize::MAX)
    }
}

/// The smallest limit of the memory cgroup and its parents, bytes; none: there is no limit, or it cannot be read.
fn cgroup_limit(membership: &str, roots: &[&Path]) -> Option<u64> {
    let limits = membership.lines().filter_map(|line| {
        // hierarchy-ID:controllers:path; cgroup v2 has 0 and no controllers (cgroups(7)).
        let (_, rest) = line.split_once(':')?;
        let (controllers, path) = rest.split_once(':')?;
        let is_v2 = controllers.is_empty();
        let is_memory = is_v2 || controllers.split(',').any(|c| c == "memory");
        is_memory.then(|| limit_of(path, is_v2, roots)).flatten()
    });
    limits.min()
}

/// The limit of a cgroup and its parents. In a container the path may be that of the host, which does not exist there;
/// then the root of the mount is the container's cgroup.
fn limit_of(path: &str, is_v2: bool, roots: &[&Path]) -> Option<u64> {
    let file = if is_v2 { "memory.max" } else { "memory.limit_in_bytes" };
    let mounts: Vec<PathBuf> = if is_v2 {
        roots.iter().map(|r| r.to_path_buf()).collect()
    } else {
        roots.iter().map(|r| r.join("memory")).collect()
    };
    let path = Path::new(path.trim_start_matches('/'));
    let folders = mounts.iter().flat_map(|mount| path.ancestors().map(|p| mount.join(p)));
    folders.filter_map(|folder| limit_in(&folder.join(file))).min()
}

fn limit_in(file: &Path) -> Option<u64> {
    let text = fs::read_to_string(file).ok()?;
    text.trim().parse().ok().filter(|limit| *limit < NO_LIMIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(root: &Path, file: &str, text: &str) {
        let path = root.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    #[test]
    fn the_least_limit_on_the_way_to_the_root_counts() {
        let root = tempfile::tempdir().unwrap();
        write(root.path(), "a/memory.max", "536870912\n");
        write(root.path(), "a/b/memory.max", "max\n");
        write(root.path(), "a/b/c/memory.max", "1073741824\n");
        let limit = |membership: &str| cgroup_limit(membership, &[root.path()]);
        assert_eq!(limit("0::/a/b/c\n"), Some(536_870_912));
        assert_eq!(limit("0::/elsewhere\n"), None);
        assert_eq!(limit("nonsense"), None);
    }

    #[test]
    fn a_container_sees_its_own_cgroup_as_the_root() {
        let root = tempfile::tempdir().unwrap();
        write(root.path(), "memory.max", "268435456");
        assert_eq!(cgroup_limit("0::/../../kubepods/pod1\n", &[root.path()]), Some(268_435_456));
    }

    #[test]
    fn version_1_has_a_file_of_its_own_and_a_number_for_no_limit() {
        let root = tempfile::tempdir().unwrap();
        write(root.path(), "memory/memory.limit_in_bytes", "9223372036854771712");
        write(root.path(), "memory/x/memory.limit_in_bytes", "300000000");
        let limit = |membership: &str| cgroup_limit(membership, &[root.path()]);
        assert_eq!(limit("5:cpu,cpuacct:/x\n4:memory:/x\n0::/\n"), Some(300_000_000));
        assert_eq!(limit("4:memory:/y\n"), None);
    }

    #[test]
    fn the_shares_are_less_than_the_whole_whatever_the_limit() {
        for limit in [None, Some(0), Some(64 << 20), Some(512 << 20), Some(1 << 50)] {
            let budget = Budget::new(COLLECT_BUDGET, limit);
            let flows = (budget.max_flows(&DecodeRules::default(), PacketRule::Ignore) * FlowTable::BYTES_PER_FLOW)
                as u64
                + budget.max_waiting_flows() as u64 * WAITING_FLOW_BYTES;
            let held = budget.queues_bytes() + budget.processes_and_sockets_bytes() + budget.recent_bytes();
            let translations = budget.max_translations() * FlowTable::BYTES_PER_TRANSLATION;
            let all = flows + held as u64 + translations as u64;
            assert!(all <= budget.bytes() * 7 / 10, "{limit:?}: {all} of {}", budget.bytes());
        }
        let none = DecodeRules::default();
        let names = DecodeRules { payloads: PayloadRule::Pick, ..none };
        let tcp = DecodeRules { tcp: TcpRule::Measure, ..none };
        let max_flows = |limit, rules, packets| Budget::new(COLLECT_BUDGET, limit).max_flows(rules, packets);
        assert_eq!(max_flows(None, &none, PacketRule::Ignore), FlowTableConfig::MAX_FLOWS);
        assert!((500_000..700_000).contains(&max_flows(Some(512 << 20), &none, PacketRule::Ignore)));
        assert!((400_000..700_000).contains(&max_flows(None, &names, PacketRule::Ignore)));
        assert!((400_000..700_000).contains(&max_flows(None, &tcp, PacketRule::Ignore)));
        assert!((500_000..800_000).contains(&max_flows(None, &none, PacketRule::Measure)));
    }

    #[test]
    fn what_is_wanted_counts_within_the_limit_of_the_cgroup() {
        let bytes = |wanted, limit| Budget::new(wanted, limit).bytes();
        assert_eq!(bytes(RUN_BUDGET, None), RUN_BUDGET);
        assert_eq!(bytes(RUN_BUDGET, Some(512 << 20)), RUN_BUDGET);
        assert_eq!(bytes(1 << 30, Some(512 << 20)), 512 << 20);
        assert_eq!(bytes(4 << 30, None), 4 << 30);
        assert_eq!(bytes(MIN_BUDGET, Some(1 << 20)), MIN_BUDGET);
    }
}
