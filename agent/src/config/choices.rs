//! Options with a fixed set of values, spelt the same on the command line and in the file.

use clap::ValueEnum;
use pidflow_engine::decode::{Fragments, Tunnels};
use pidflow_exporters::{config as exporters, ipfix, json};
use serde::Deserialize;

use crate::{kubernetes, privacy, probes};

/// How kernel events are collected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Backend {
    /// The best method that attaches, for each hook
    Auto,
    /// fentry and fexit only
    Fentry,
    /// kprobe and kretprobe only
    Kprobe,
    /// Tracepoints only
    Tracepoint,
    /// No eBPF: /proc is read at intervals
    Poll,
}

impl From<Backend> for probes::Backend {
    fn from(b: Backend) -> Self {
        match b {
            Backend::Auto => Self::Auto,
            Backend::Fentry => Self::Fentry,
            Backend::Kprobe => Self::Kprobe,
            Backend::Tracepoint => Self::Tracepoint,
            Backend::Poll => Self::Poll,
        }
    }
}

/// What `pidflow run` shows on a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ViewKind {
    /// The live view, with keys
    Terminal,
    /// Lines, as without a terminal
    Plain,
}

/// Format of the report on a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReportFormat {
    /// Tables for a terminal
    Text,
    /// JSON, with everything
    Json,
    /// Markdown, for build summaries
    Markdown,
}

/// What is done with the kernel's delay accounting, which I/O wait needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum DelayAccounting {
    /// Switch it on while running, and restore it at the end
    On,
    /// Switch it off while running, and restore it at the end
    Off,
    /// Leave it as it is
    Keep,
}

impl From<DelayAccounting> for probes::DelayAccounting {
    fn from(d: DelayAccounting) -> Self {
        match d {
            DelayAccounting::On => Self::On,
            DelayAccounting::Off => Self::Off,
            DelayAccounting::Keep => Self::Keep,
        }
    }
}

/// Where Kubernetes' pods are known from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum PodSource {
    /// In a pod, or where a server is given: the kubelet, else the API server; otherwise the links to logs
    Auto,
    /// The kubelet, and the links to logs
    Kubelet,
    /// A watch of the API server, and the links to logs
    Api,
    /// The kubelet's links to logs alone (--pod-logs)
    Logs,
    /// Pods are not known
    Off,
}

impl From<PodSource> for kubernetes::Wish {
    fn from(source: PodSource) -> Self {
        match source {
            PodSource::Auto => Self::Auto,
            PodSource::Kubelet => Self::Only(kubernetes::Way::Kubelet),
            PodSource::Api => Self::Only(kubernetes::Way::Api),
            PodSource::Logs => Self::Links,
            PodSource::Off => Self::Off,
        }
    }
}

/// What is done with the agent's own connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum OwnTraffic {
    /// Their records have the element OWN_TRAFFIC, and are exported together with other records
    Mark,
    /// They have no records
    Hide,
}

/// What is sent over OTLP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum OtlpSignal {
    /// A log record per flow record
    Logs,
    /// The metrics, at intervals
    Metrics,
    /// A span per flow record
    Traces,
}

impl From<OtlpSignal> for exporters::Signal {
    fn from(s: OtlpSignal) -> Self {
        match s {
            OtlpSignal::Logs => Self::Logs,
            OtlpSignal::Metrics => Self::Metrics,
            OtlpSignal::Traces => Self::Traces,
        }
    }
}

/// Keys of JSON records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum JsonKeys {
    /// IPV4_SRC_ADDR, SRC_PROC_NAME, …
    Names,
    /// 8, 57640, …
    Numbers,
    /// 8, 35632.168, …
    PenNumbers,
}

/// How IPFIX sends both directions of a flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Direction {
    /// One record with reverse elements (RFC 5103)
    Biflow,
    /// Two records, each with its own source and destination
    Uniflow,
    /// One record with OUT_BYTES and OUT_PKTS as elements 23 and 24
    Ntop,
}

/// Format of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// For people
    Text,
    /// One JSON object per line
    Json,
}

/// The lowest level that is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogLevel {
    /// Errors only
    Error,
    /// Also warnings
    Warn,
    /// Also informational messages
    Info,
    /// Also debugging messages
    Debug,
    /// Everything
    Trace,
}

/// The wire format sent to `--collector` addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
pub(crate) enum WireVersion {
    /// IPFIX (RFC 7011)
    #[value(name = "10", alias = "ipfix")]
    #[serde(rename = "10", alias = "ipfix")]
    Ipfix,
    /// NetFlow v9 (RFC 3954)
    #[value(name = "9", alias = "netflow9")]
    #[serde(rename = "9", alias = "netflow9")]
    NetflowV9,
}

impl From<WireVersion> for exporters::WireVersion {
    fn from(v: WireVersion) -> Self {
        match v {
            WireVersion::Ipfix => Self::Ipfix,
            WireVersion::NetflowV9 => Self::Netflow9,
        }
    }
}

impl From<Direction> for ipfix::Direction {
    fn from(d: Direction) -> Self {
        match d {
            Direction::Biflow => Self::Biflow,
            Direction::Uniflow => Self::Uniflow,
            Direction::Ntop => Self::Ntop,
        }
    }
}

impl From<JsonKeys> for json::JsonKeys {
    fn from(k: JsonKeys) -> Self {
        match k {
            JsonKeys::Names => Self::Names,
            JsonKeys::Numbers => Self::Numbers,
            JsonKeys::PenNumbers => Self::PenNumbers,
        }
    }
}

/// How IP fragments after the first one are handled. They carry no ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum FragmentRule {
    /// Count them in the flow of the first fragment
    Join,
    /// Discard them, and count them as discarded
    Separate,
}

impl From<FragmentRule> for Fragments {
    fn from(f: FragmentRule) -> Self {
        match f {
            FragmentRule::Join => Self::Join,
            FragmentRule::Separate => Self::Separate,
        }
    }
}

/// Which packets are counted in tunnels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum TunnelRule {
    /// The inner packets, in flows with the inner addresses and this tunnel
    Inner,
    /// The outer packets
    Outer,
}

impl From<TunnelRule> for Tunnels {
    fn from(t: TunnelRule) -> Self {
        match t {
            TunnelRule::Inner => Self::Inner,
            TunnelRule::Outer => Self::Outer,
        }
    }
}

/// What is kept of command lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum CommandLines {
    /// Nothing
    Off,
    /// The arguments, with secrets replaced by ***
    Masked,
    /// The arguments unchanged, including secrets
    Full,
    /// A keyed hash
    Hash,
}

impl From<CommandLines> for privacy::CommandLines {
    fn from(c: CommandLines) -> Self {
        match c {
            CommandLines::Off => Self::Off,
            CommandLines::Masked => Self::Masked,
            CommandLines::Full => Self::Full,
            CommandLines::Hash => Self::Hash,
        }
    }
}

/// What is kept of users.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum UserRule {
    /// User id and name
    Keep,
    /// Nothing
    Omit,
    /// Keyed hashes of both
    Hash,
}

impl From<UserRule> for privacy::Rule {
    fn from(u: UserRule) -> Self {
        match u {
            UserRule::Keep => Self::Keep,
            UserRule::Omit => Self::Omit,
            UserRule::Hash => Self::Hash,
        }
    }
}

/// What is kept of the paths of executables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ExecutableRule {
    /// The path
    Keep,
    /// The file name without the folder
    Name,
    /// Nothing
    Omit,
    /// A keyed hash of the path
    Hash,
}

impl From<ExecutableRule> for privacy::Rule {
    fn from(e: ExecutableRule) -> Self {
        match e {
            ExecutableRule::Keep => Self::Keep,
            ExecutableRule::Name => Self::Name,
            ExecutableRule::Omit => Self::Omit,
            ExecutableRule::Hash => Self::Hash,
        }
    }
}
