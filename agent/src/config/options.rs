//! The table of options. Each struct defines a group of flags, their `PIDFLOW_*` variables and a table of the configuration file.
//!
//! A member that is `None` (or an empty list) was not given in that layer.

use clap::Args;
use pidflow_exporters::config::ExporterConfig;
use serde::Deserialize;

use super::budget::BudgetOptions;
use super::choices::{
    Backend, CommandLines, DelayAccounting, Direction, ExecutableRule, FragmentRule, JsonKeys, LogFormat, LogLevel,
    OtlpSignal, OwnTraffic, PodSource, TunnelRule, UserRule, ViewKind, WireVersion,
};
use super::collect::CollectOptions;
use super::containers::ContainerOptions;
use super::kubernetes::{LabelName, ServerUrl};
use super::layers::layers;
use super::size::Size;
use super::switches::{ApplicationNames, PacketFigureRule, ServiceNames, TcpHealthRule};
use super::timeout::Timeout;
use super::values::{FilePath, HostName, InterfaceName, Listen, Ranged, Selection};

/// Where packets come from.
#[derive(Debug, Clone, Default, PartialEq, Args, Deserialize)]
#[command(next_help_heading = "Packets")]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct CaptureOptions {
    /// Interface to capture on, repeatable. "any": all interfaces through one socket, including loopback; "all": a socket for
    /// each interface that is up now or later, with the MAC addresses of both ends. An interface that disappears is captured
    /// again when it returns [default: any]
    #[arg(short = 'i', long = "interface", value_name = "IFACE", env = "PIDFLOW_INTERFACES", value_delimiter = ',')]
    pub(crate) interfaces: Vec<InterfaceName>,
    /// Capture only packets that match this BPF filter (tcpdump syntax)
    #[arg(short, long, value_name = "BPF", env = "PIDFLOW_FILTER")]
    pub(crate) filter: Option<String>,
    /// Bytes captured of each packet, 64 to 262144; only the headers are needed, and the payload where application names are
    /// read [default: 256; with application names 2048]
    #[arg(long, value_name = "BYTES", env = "PIDFLOW_SNAPLEN")]
    pub(crate) snaplen: Option<Ranged<64, 262_144>>,
    /// Also capture packets that are not addressed to this host
    #[arg(long, value_name = "BOOL", env = "PIDFLOW_PROMISCUOUS", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(crate) promiscuous: Option<bool>,
    /// How to treat flows of the agent itself (exports, HTTP, self-tests) [default: mark]
    #[arg(long, value_name = "RULE", env = "PIDFLOW_OWN_TRAFFIC")]
    pub(crate) own_traffic: Option<OwnTraffic>,
}
layers!(CaptureOptions { options: filter, snaplen, promiscuous, own_traffic; lists: interfaces });

/// When a flow becomes a record.
#[derive(Debug, Clone, Default, PartialEq, Args, Deserialize)]
#[command(next_help_heading = "Flows")]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct FlowOptions {
    /// Interval at which a record of a flow that continues is exported, 0: never [default: 60s]
    #[arg(short = 't', long, value_name = "DURATION", env = "PIDFLOW_ACTIVE_TIMEOUT")]
    pub(crate) active_timeout: Option<Timeout>,
    /// End a flow after this long without a packet, 0: never [default: 15s]
    #[arg(short = 'd', long, value_name = "DURATION", env = "PIDFLOW_IDLE_TIMEOUT")]
    pub(crate) idle_timeout: Option<Timeout>,
    /// Maximum number of flows in the table; when it is full, flows without an answer, then the least recently active ones,
    /// are exported early [default: as the memory budget allows, at most 1048576]
    #[arg(long, value_name = "N", env = "PIDFLOW_MAX_FLOWS")]
    pub(crate) max_flows: Option<Ranged<1, { u32::MAX }>>,
    /// How IP fragments after the first one are handled [default: join]
    #[arg(long, value_name = "RULE", env = "PIDFLOW_FRAGMENTS")]
    pub(crate) fragments: Option<FragmentRule>,
    /// Packets counted in tunnels (VXLAN, Geneve, GRE, GTP-U, IP in IP, …) [default: inner]
    #[arg(long, value_name = "RULE", env = "PIDFLOW_TUNNELS")]
    pub(crate) tunnels: Option<TunnelRule>,
    /// Whether the first payload bytes of flows are read for the application protocol and the names in it [default: off]
    #[arg(long, value_name = "SWITCH", env = "PIDFLOW_APPLICATION_NAMES")]
    pub(crate) application_names: Option<ApplicationNames>,
    /// Whether retransmissions, losses, round trips and the latency of answers are measured on TCP connections [default: off]
    #[arg(long, value_name = "SWITCH", env = "PIDFLOW_TCP_HEALTH")]
    pub(crate) tcp_health: Option<TcpHealthRule>,
    /// Whether sizes of packets, times between them, DSCP, ECN and hop limits are measured [default: off]
    #[arg(long, value_name = "SWITCH", env = "PIDFLOW_PACKET_FIGURES")]
    pub(crate) packet_figures: Option<PacketFigureRule>,
}
layers!(FlowOptions { options: active_timeout, idle_timeout, max_flows, fragments, tunnels, application_names, tcp_health, packet_figures; lists: });

/// Where processes come from.
#[derive(Debug, Clone, Default, PartialEq, Args, Deserialize)]
#[command(next_help_heading = "Processes")]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct ProbeOptions {
    /// How kernel events are collected [default: auto]
    #[arg(long = "probes", value_name = "WAY", env = "PIDFLOW_PROBES")]
    pub(crate) backend: Option<Backend>,
    /// The kernel's delay accounting, which I/O wait needs [default: keep]
    #[arg(long, value_name = "SWITCH", env = "PIDFLOW_DELAY_ACCOUNTING")]
    pub(crate) delay_accounting: Option<DelayAccounting>,
    /// Folder with the kubelet's links to container logs; their names tell which pod a container belongs to
    /// [default: /var/log/containers]
    #[arg(long, value_name = "FOLDER", env = "PIDFLOW_POD_LOGS")]
    pub(crate) pod_logs: Option<FilePath>,
    /// Whether the service that a process's environment names (OTEL_SERVICE_NAME, or service.name in OTEL_RESOURCE_ATTRIBUTES)
    /// is read; nothing else of the environment is kept [default: off]
    #[arg(long, value_name = "SWITCH", env = "PIDFLOW_SERVICE_NAMES")]
    pub(crate) service_names: Option<ServiceNames>,
    /// Interval at which the agent makes small connections to test whether all hooks report events, 0: never [default: 1h]
    #[arg(long, value_name = "DURATION", env = "PIDFLOW_SELF_TEST_INTERVAL")]
    pub(crate) self_test_interval: Option<Timeout>,
}
layers!(ProbeOptions { options: backend, delay_accounting, pod_logs, service_names, self_test_interval; lists: });

/// Where Kubernetes' pods come from.
#[derive(Debug, Clone, Default, PartialEq, Args, Deserialize)]
#[command(next_help_heading = "Kubernetes")]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct KubernetesOptions {
    /// Where the pods of this node are known from [default: auto]
    #[arg(long = "kubernetes", value_name = "SOURCE", env = "PIDFLOW_KUBERNETES")]
    pub(crate) source: Option<PodSource>,
    /// Address of the kubelet [default: https://NODE:10250]
    #[arg(long, value_name = "https://HOST:PORT", env = "PIDFLOW_KUBELET")]
    pub(crate) kubelet: Option<ServerUrl>,
    /// Address of the API server [default: as the environment of a pod names it]
    #[arg(long = "kubernetes-api", value_name = "https://HOST:PORT", env = "PIDFLOW_KUBERNETES_API")]
    pub(crate) api: Option<ServerUrl>,
    /// Folder with the files token and ca.crt for both [default: /var/run/secrets/kubernetes.io/serviceaccount]
    #[arg(long = "kubernetes-credentials", value_name = "FOLDER", env = "PIDFLOW_KUBERNETES_CREDENTIALS")]
    pub(crate) credentials: Option<FilePath>,
    /// Name of this node in Kubernetes
    #[arg(long, value_name = "NAME", env = "PIDFLOW_NODE_NAME")]
    pub(crate) node_name: Option<HostName>,
    /// Labels of pods that records have, such as app,version
    #[arg(long = "pod-labels", value_name = "NAMES", env = "PIDFLOW_POD_LABELS", value_delimiter = ',')]
    pub(crate) labels: Vec<LabelName>,
    /// Annotations of pods that records have, such as example.com/team
    #[arg(long = "pod-annotations", value_name = "NAMES", env = "PIDFLOW_POD_ANNOTATIONS", value_delimiter = ',')]
    pub(crate) annotations: Vec<LabelName>,
    /// Also watch the pods, services, endpoint slices and nodes of the whole cluster, so that remote ends are named; about 1 kB of memory for each
    #[arg(long = "kubernetes-cluster", value_name = "BOOL", env = "PIDFLOW_KUBERNETES_CLUSTER", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(crate) cluster: Option<bool>,
}
layers!(KubernetesOptions { options: source, kubelet, api, credentials, node_name, cluster; lists: labels, annotations });

/// What is kept of personal data and secrets.
#[derive(Debug, Clone, Default, PartialEq, Args, Deserialize)]
#[command(next_help_heading = "Privacy")]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct PrivacyOptions {
    /// How much of command lines is kept, exported and served [default: masked]
    #[arg(long, value_name = "RULE", env = "PIDFLOW_COMMAND_LINES")]
    pub(crate) command_lines: Option<CommandLines>,
    /// Bytes kept of each command line, 64 to 131072; the rest is cut off [default: 4096]
    #[arg(long, value_name = "BYTES", env = "PIDFLOW_MAX_COMMAND_LINE")]
    pub(crate) max_command_line: Option<Ranged<64, 131_072>>,
    /// How much of user ids and names is kept, exported and served [default: keep]
    #[arg(long, value_name = "RULE", env = "PIDFLOW_USERS")]
    pub(crate) users: Option<UserRule>,
    /// How much of the paths of executables is kept, exported and served [default: keep]
    #[arg(long, value_name = "RULE", env = "PIDFLOW_EXECUTABLES")]
    pub(crate) executables: Option<ExecutableRule>,
    /// File with the key of the hashes, readable by its owner only; without it the key is random and new at each start
    #[arg(long, value_name = "FILE", env = "PIDFLOW_HASH_KEY_FILE")]
    pub(crate) hash_key_file: Option<FilePath>,
}
layers!(PrivacyOptions { options: command_lines, max_command_line, users, executables, hash_key_file; lists: });

/// Where records go.
#[derive(Debug, Clone, Default, PartialEq, Args, Deserialize)]
#[command(next_help_heading = "Output")]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct ExportOptions {
    /// Keep only records for which this expression is true, such as 'process == "nginx" && dst.port == 443'. It applies to
    /// exporters, live view, HTTP and traffic metrics. `pidflow fields --short` lists the names
    #[arg(long, value_name = "EXPRESSION", env = "PIDFLOW_ONLY")]
    pub(crate) only: Option<Selection>,
    /// Send IPFIX or NetFlow v9 to this collector, repeatable
    #[arg(
        short = 'n',
        long = "collector",
        value_name = "udp://HOST:PORT",
        env = "PIDFLOW_COLLECTORS",
        value_delimiter = ','
    )]
    pub(crate) collectors: Vec<String>,
    /// 10: IPFIX, 9: NetFlow v9 [default: 10]
    #[arg(
        short = 'V',
        long = "export-version",
        value_name = "VERSION",
        env = "PIDFLOW_EXPORT_VERSION",
        hide_possible_values = true
    )]
    pub(crate) version: Option<WireVersion>,
    /// How IPFIX sends both directions of a flow [default: biflow]
    #[arg(long, value_name = "WAY", env = "PIDFLOW_IPFIX_DIRECTION")]
    pub(crate) ipfix_direction: Option<Direction>,
    /// Elements to send, such as "%IPV4_SRC_ADDR … @PROCESS@"; @FLOW@, @PROCESS@, @PIDFLOW@, @TUNNEL@, @NAT@, @KEY@, @APPLICATION@,
    /// @TCP@, @PACKETS@, @K8S@, @COLLECTED@ and @GLUED@ stand for groups [default: all elements; to collectors @FLOW@ @PROCESS@ and the most useful others]
    #[arg(short = 'T', long, value_name = "TEMPLATE", env = "PIDFLOW_TEMPLATE")]
    pub(crate) template: Option<String>,
    /// Write JSON lines to this file, to standard output (-), or to udp://, tcp:// or tls://HOST:PORT or unix:///PATH
    #[arg(long, value_name = "FILE|URL", env = "PIDFLOW_JSON")]
    pub(crate) json: Option<String>,
    /// Keys of JSON records [default: names]
    #[arg(long, value_name = "KEYS", env = "PIDFLOW_JSON_KEYS")]
    pub(crate) json_keys: Option<JsonKeys>,
    /// Send OpenTelemetry data to this OTLP receiver; "env": to the address in OTEL_EXPORTER_OTLP_ENDPOINT. The other
    /// OTEL_EXPORTER_OTLP_* variables (protocol, headers, certificates, …) apply too
    #[arg(long, value_name = "URL|env", env = "PIDFLOW_OTLP")]
    pub(crate) otlp: Option<String>,
    /// What to send over OTLP [default: logs]
    #[arg(long, value_name = "SIGNALS", env = "PIDFLOW_OTLP_SIGNALS", value_delimiter = ',')]
    pub(crate) otlp_signals: Vec<OtlpSignal>,
    /// Send documents to this Elasticsearch or OpenSearch server, to one index per day
    #[arg(long, value_name = "URL", env = "PIDFLOW_ELASTIC")]
    pub(crate) elastic: Option<String>,
    /// Insert rows into the table `flows` of this ClickHouse server
    #[arg(long, value_name = "URL", env = "PIDFLOW_CLICKHOUSE")]
    pub(crate) clickhouse: Option<String>,
    /// Send messages to a topic of this Kafka broker [default topic: pidflow.flows]
    #[arg(long, value_name = "HOST:PORT[,…][/TOPIC]", env = "PIDFLOW_KAFKA")]
    pub(crate) kafka: Option<String>,
    /// Publish messages with the subject `pidflow.flows` to this NATS server
    #[arg(long, value_name = "URL", env = "PIDFLOW_NATS")]
    pub(crate) nats: Option<String>,
    /// Append entries to the list `pidflow.flows` of this Redis server
    #[arg(long, value_name = "URL", env = "PIDFLOW_REDIS")]
    pub(crate) redis: Option<String>,
    /// Publish messages to ntopng and other ZeroMQ subscribers that connect here, as tcp://ADDRESS:PORT
    #[arg(long, value_name = "URL", env = "PIDFLOW_ZMQ")]
    pub(crate) zmq: Option<String>,
    /// Private enterprise number of pidflow's own elements [default: 32473]
    #[arg(long, value_name = "N", env = "PIDFLOW_OWN_PEN")]
    pub(crate) own_pen: Option<Ranged<1, { u32::MAX }>>,
    /// How long exporters may take to deliver the remaining records when the agent stops [default: 10s]
    #[arg(long, value_name = "DURATION", env = "PIDFLOW_DRAIN_TIMEOUT")]
    pub(crate) drain_timeout: Option<Timeout>,
    /// Host name in records, metrics and graphs [default: this host's]
    #[arg(long, value_name = "NAME", env = "PIDFLOW_HOST")]
    pub(crate) host: Option<HostName>,
    /// Id of this agent in records, by which collectors tell apart what several agents saw of one flow [default: made from the
    /// host's machine id]
    #[arg(long, value_name = "ID", env = "PIDFLOW_OBSERVER")]
    pub(crate) observer: Option<HostName>,
}
layers!(ExportOptions { options: only, version, ipfix_direction, template, json, json_keys, otlp, elastic, clickhouse, kafka, nats, redis, zmq, own_pen, drain_timeout, host, observer; lists: collectors, otlp_signals });

/// Metrics, health and the data itself over HTTP.
#[derive(Debug, Clone, Default, PartialEq, Args, Deserialize)]
#[command(next_help_heading = "HTTP")]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct HttpOptions {
    /// Serve a page for people, metrics, health, recent flows, processes and the graph on this address (/api lists the
    /// pages), or "off". An address other than loopback needs a token or client certificates; on loopback without them
    /// only root, the agent's own user and who started it with sudo may read flows and processes [default: 127.0.0.1:9435]
    #[arg(long, value_name = "ADDR", env = "PIDFLOW_LISTEN")]
    pub(crate) listen: Option<Listen>,
    /// Serve only /metrics, /livez and /readyz on this additional address, to every client, or "off" [default: off]
    #[arg(long, value_name = "ADDR", env = "PIDFLOW_METRICS_LISTEN")]
    pub(crate) metrics_listen: Option<Listen>,
    /// Serve HTTPS with this certificate (PEM, followed by its chain)
    #[arg(long, value_name = "FILE", env = "PIDFLOW_TLS_CERT")]
    pub(crate) tls_cert: Option<FilePath>,
    /// The certificate's private key (PEM)
    #[arg(long, value_name = "FILE", env = "PIDFLOW_TLS_KEY")]
    pub(crate) tls_key: Option<FilePath>,
    /// Accept clients with a certificate issued by these authorities (PEM); if a token is set too, either suffices
    #[arg(long, value_name = "FILE", env = "PIDFLOW_TLS_CLIENT_CA")]
    pub(crate) tls_client_ca: Option<FilePath>,
    /// Require the bearer token in this file, except for /livez and /readyz; the variable PIDFLOW_TOKEN can contain the
    /// token itself
    #[arg(long, value_name = "FILE", env = "PIDFLOW_TOKEN_FILE")]
    pub(crate) token_file: Option<FilePath>,
    /// Number of latest flow records kept for /api/flows, about 1 kB each; 0: no records and no processes [default: 10000]
    #[arg(long, value_name = "N", env = "PIDFLOW_RECENT_FLOWS")]
    pub(crate) recent_flows: Option<Ranged<0, 10_000_000>>,
    /// Maximum number of series of each kind of traffic metric (edges, users, addresses, …); the rest is summed up as
    /// "other" [default: 100]
    #[arg(long, value_name = "N", env = "PIDFLOW_MAX_EDGES")]
    pub(crate) max_edges: Option<Ranged<1, 100_000>>,
}
layers!(HttpOptions { options: listen, metrics_listen, tls_cert, tls_key, tls_client_ca, token_file, recent_flows, max_edges; lists: });

/// Records that are kept on the disk of this host.
#[derive(Debug, Clone, Default, PartialEq, Args, Deserialize)]
#[command(next_help_heading = "History")]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct HistoryOptions {
    /// Keep the records in this folder, one SQLite file per hour, for `pidflow query`, the page and /api/history/flows
    #[arg(long = "history", value_name = "FOLDER", env = "PIDFLOW_HISTORY")]
    pub(crate) folder: Option<FilePath>,
    /// Remove files of the history whose hour ended this long ago, 0: never [default: 7d]
    #[arg(long = "history-keep", value_name = "DURATION", env = "PIDFLOW_HISTORY_KEEP")]
    pub(crate) keep: Option<Timeout>,
    /// Remove the oldest files of the history when all together are larger than this, such as 500MB [default: 10GB]
    #[arg(long = "history-size", value_name = "SIZE", env = "PIDFLOW_HISTORY_SIZE")]
    pub(crate) size: Option<Size>,
}
layers!(HistoryOptions { options: folder, keep, size; lists: });

/// The view on the terminal.
#[derive(Debug, Clone, Default, PartialEq, Args, Deserialize)]
#[command(next_help_heading = "Terminal")]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct ViewOptions {
    /// What is shown on a terminal; plain: lines, as without a terminal [default: terminal]
    #[arg(long = "view", value_name = "KIND", env = "PIDFLOW_VIEW")]
    pub(crate) kind: Option<ViewKind>,
}
layers!(ViewOptions { options: kind; lists: });

/// The log on standard error.
#[derive(Debug, Clone, Default, PartialEq, Args, Deserialize)]
#[command(next_help_heading = "Log")]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct LogOptions {
    /// Format of log lines [default: text]
    #[arg(long = "log-format", value_name = "FORMAT", env = "PIDFLOW_LOG_FORMAT")]
    pub(crate) format: Option<LogFormat>,
    /// The lowest level that is logged [default: info]
    #[arg(long = "log-level", value_name = "LEVEL", env = "PIDFLOW_LOG_LEVEL")]
    pub(crate) level: Option<LogLevel>,
}
layers!(LogOptions { options: format, level; lists: });

/// All options, as flags of `run` and as tables of the configuration file.
#[derive(Debug, Clone, Default, PartialEq, Args, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Options {
    #[command(flatten)]
    pub(crate) capture: CaptureOptions,
    #[command(flatten)]
    pub(crate) flows: FlowOptions,
    #[command(flatten)]
    pub(crate) budget: BudgetOptions,
    #[command(flatten)]
    pub(crate) probes: ProbeOptions,
    #[command(flatten)]
    pub(crate) containers: ContainerOptions,
    #[command(flatten)]
    pub(crate) kubernetes: KubernetesOptions,
    #[command(flatten)]
    pub(crate) privacy: PrivacyOptions,
    #[command(flatten)]
    pub(crate) export: ExportOptions,
    #[command(flatten)]
    pub(crate) http: HttpOptions,
    #[command(flatten)]
    pub(crate) history: HistoryOptions,
    /// Of `pidflow collect` only.
    #[arg(skip)]
    pub(crate) collect: CollectOptions,
    #[command(flatten)]
    pub(crate) view: ViewOptions,
    #[command(flatten)]
    pub(crate) log: LogOptions,
    /// Exporters with all their keys, as `[[exporter]]` tables; in the file only.
    #[arg(skip)]
    #[serde(rename = "exporter")]
    pub(crate) exporters: Vec<ExporterConfig>,
}

impl Options {
    /// The files that `run` reads, without those of exporters.
    pub(crate) fn files_read(&self) -> impl Iterator<Item = &FilePath> {
        let HttpOptions { tls_cert, tls_key, tls_client_ca, token_file, .. } = &self.http;
        [tls_cert, tls_key, tls_client_ca, token_file, &self.privacy.hash_key_file].into_iter().flatten()
    }

    /// This layer over a lower one.
    pub(crate) fn over(self, lower: Self) -> Self {
        Self {
            capture: self.capture.over(lower.capture),
            flows: self.flows.over(lower.flows),
            budget: self.budget.over(lower.budget),
            probes: self.probes.over(lower.probes),
            containers: self.containers.over(lower.containers),
            kubernetes: self.kubernetes.over(lower.kubernetes),
            privacy: self.privacy.over(lower.privacy),
            export: self.export.over(lower.export),
            http: self.http.over(lower.http),
            history: self.history.over(lower.history),
            collect: self.collect.over(lower.collect),
            view: self.view.over(lower.view),
            log: self.log.over(lower.log),
            exporters: if self.exporters.is_empty() { lower.exporters } else { self.exporters },
        }
    }

    /// The tables and keys, other than those of exporters, that are not as in `other`.
    pub(crate) fn differs_beside_exporters(&self, other: &Self) -> Vec<&'static str> {
        let same = [
            ("[capture]", self.capture == other.capture),
            ("[flows]", self.flows == other.flows),
            ("[budget]", self.budget == other.budget),
            ("[probes]", self.probes == other.probes),
            ("[containers]", self.containers == other.containers),
            ("[kubernetes]", self.kubernetes == other.kubernetes),
            ("only in [export]", self.export.only == other.export.only),
            ("[privacy]", self.privacy == other.privacy),
            ("[http]", self.http == other.http),
            ("[history]", self.history == other.history),
            ("[collect]", self.collect == other.collect),
            ("[view]", self.view == other.view),
            ("[log]", self.log == other.log),
        ];
        same.into_iter().filter(|(_, same)| !same).map(|(table, _)| table).collect()
    }
}
