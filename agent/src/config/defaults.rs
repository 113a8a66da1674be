//! Defaults of options.

use std::path::PathBuf;
use std::time::Duration;

use pidflow_engine::decode::DecodeRules;
use pidflow_engine::flow_table::FlowTableConfig;

use super::choices::OwnTraffic;
use super::options::{
    CaptureOptions, ExportOptions, FlowOptions, HistoryOptions, HttpOptions, PrivacyOptions, ProbeOptions,
};
use super::timeout::Timeout;
use crate::privacy::{self, Privacy};

/// The longest time for which processes are kept for a flow that does not end.
const MAX_FLOW_AGE_NS: u64 = 3_600_000_000_000;
/// Margin for the delay of the join and for late events.
const LATENESS_MARGIN_NS: u64 = 10_000_000_000;

impl CaptureOptions {
    /// Whether the agent's own connections have no records.
    pub(crate) fn hides_own_traffic(&self) -> bool {
        self.own_traffic == Some(OwnTraffic::Hide)
    }
}

impl FlowOptions {
    const ACTIVE: Timeout = Timeout::seconds(60);
    const IDLE: Timeout = Timeout::seconds(15);

    /// The flow table's settings.
    pub(crate) fn table(&self) -> FlowTableConfig {
        let active_timeout_ns = self.active_timeout.unwrap_or(Self::ACTIVE).nanoseconds();
        FlowTableConfig {
            idle_timeout_ns: self.idle_timeout.unwrap_or(Self::IDLE).nanoseconds(),
            active_timeout_ns,
            max_flows: self.max_flows.map_or(FlowTableConfig::MAX_FLOWS, |n| n.get() as usize),
            // So that a connection that was closed is reported as closed, not as ended by an active timeout shortly before.
            linger_ns: active_timeout_ns.map_or(u64::MAX, |a| a / 2).min(FlowTableConfig::LINGER_NS),
            packets: self.packet_figures.map_or_else(Default::default, Into::into),
            ..FlowTableConfig::default()
        }
    }

    /// How long ended processes and closed sockets are kept for their flows.
    pub(crate) fn retention_ns(&self) -> u64 {
        let table = self.table();
        let longest = |timeout: Option<u64>| timeout.unwrap_or(MAX_FLOW_AGE_NS).min(MAX_FLOW_AGE_NS);
        longest(table.active_timeout_ns).max(longest(table.idle_timeout_ns)) + LATENESS_MARGIN_NS
    }

    /// The decoder's rules.
    pub(crate) fn rules(&self) -> DecodeRules {
        DecodeRules {
            fragments: self.fragments.map_or_else(Default::default, Into::into),
            tunnels: self.tunnels.map_or_else(Default::default, Into::into),
            payloads: self.application_names.map_or_else(Default::default, Into::into),
            tcp: self.tcp_health.map_or_else(Default::default, Into::into),
            inspected: None,
        }
    }
}

impl ProbeOptions {
    const POD_LOGS: &str = "/var/log/containers";
    const SELF_TEST_INTERVAL: Timeout = Timeout::seconds(3600);

    /// Interval of self-tests; none: there are none.
    pub(crate) fn self_test_interval(&self) -> Option<Duration> {
        Some(self.self_test_interval.unwrap_or(Self::SELF_TEST_INTERVAL).0).filter(|interval| !interval.is_zero())
    }

    /// Folder with the kubelet's links to container logs.
    pub(crate) fn pod_logs(&self) -> PathBuf {
        self.pod_logs.as_deref().map_or_else(|| Self::POD_LOGS.into(), Into::into)
    }
}

impl PrivacyOptions {
    /// Bytes kept of each command line.
    pub(crate) fn max_command_line(&self) -> usize {
        self.max_command_line.map_or(privacy::MAX_COMMAND_LINE, |n| n.get() as usize)
    }

    /// What is kept of personal data. Reads the key file.
    pub(crate) fn policy(&self) -> anyhow::Result<Privacy> {
        let mut policy = Privacy::new(self.hash_key_file.as_deref())?;
        policy.command_lines = self.command_lines.map_or(policy.command_lines, Into::into);
        policy.max_command_line = self.max_command_line();
        policy.users = self.users.map_or(policy.users, Into::into);
        policy.executables = self.executables.map_or(policy.executables, Into::into);
        Ok(policy)
    }
}

impl ExportOptions {
    const DRAIN: Timeout = Timeout::seconds(10);

    /// How long exporters may take to deliver the remaining records at the end.
    pub(crate) fn drain_timeout(&self) -> Duration {
        self.drain_timeout.unwrap_or(Self::DRAIN).0
    }
}

impl HistoryOptions {
    const KEEP: Timeout = Timeout::seconds(7 * 86_400);
    const SIZE: u64 = 10_000_000_000;

    /// How long files are kept; none: their age does not matter.
    pub(crate) fn max_age(&self) -> Option<Duration> {
        Some(self.keep.unwrap_or(Self::KEEP).0).filter(|age| !age.is_zero())
    }

    /// How large all files may be together, bytes.
    pub(crate) fn max_bytes(&self) -> u64 {
        self.size.map_or(Self::SIZE, |size| size.0)
    }
}

impl HttpOptions {
    /// Where HTTP is served.
    pub(crate) const LISTEN: &str = "127.0.0.1:9435";
    const MAX_EDGES: usize = 100;
    const RECENT_FLOWS: usize = 10_000;

    /// Edges with a series of their own.
    pub(crate) fn max_edges(&self) -> usize {
        self.max_edges.map_or(Self::MAX_EDGES, |n| n.get() as usize)
    }

    /// Records kept for `/api/flows`.
    pub(crate) fn recent_flows(&self) -> usize {
        self.recent_flows.map_or(Self::RECENT_FLOWS, |n| n.get() as usize)
    }
}
