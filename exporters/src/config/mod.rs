//! Which exporters there are, from the configuration file's tables and from command line flags.

mod flags;
mod raw;
mod target;

pub use flags::WireVersion;
pub use target::{Address, Target, TargetError};

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use crate::json::JsonKeys;
use crate::template::{Template, TemplateError};
use crate::wire::Resend;

/// Records that wait for one exporter unless it says otherwise; about 30 MB when each has command lines.
pub const DEFAULT_QUEUE: usize = 65_536;

/// One exporter. Deserialises from a table with `kind = "ipfix" | "netflow9" | "json" | "otlp"`; a key that is
/// unknown, or that the kind does not have, is an error.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "raw::RawExporter")]
pub enum ExporterConfig {
    /// IPFIX over UDP or TCP, or to a file.
    Ipfix(WireConfig),
    /// NetFlow v9 over UDP.
    Netflow9(WireConfig),
    /// JSON lines to a file or standard output.
    Json(JsonConfig),
    /// OpenTelemetry log records over gRPC.
    Otlp(OtlpConfig),
}

/// An exporter of IPFIX or NetFlow v9.
#[derive(Debug, Clone)]
pub struct WireConfig {
    /// Where to.
    pub target: Target,
    /// Which elements; none: those of the run.
    pub template: Option<Template>,
    /// Observation domain or source id; none: that of the run.
    pub domain: Option<u32>,
    /// Largest message, octets.
    pub max_message: usize,
    /// When templates are sent again over UDP.
    pub resend: Resend,
    /// Whether IPFIX options records are sent: types of enterprise elements (RFC 5610), statistics. Not by
    /// default: nfdump 1.7 takes them for sequence errors.
    pub options_records: bool,
    /// Packets sent per second at most, so that a collector's socket buffer does not run over; none: no limit
    /// live, 10,000 when files are read.
    pub packets_per_second: Option<u32>,
    /// Records that may wait.
    pub queue_records: usize,
}

/// Where JSON lines go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JsonOutput {
    /// Standard output.
    Stdout,
    /// Appended to this file, which is made when it is missing.
    File(PathBuf),
}

/// An exporter of JSON lines.
#[derive(Debug, Clone)]
pub struct JsonConfig {
    /// Where to.
    pub output: JsonOutput,
    /// Names or numbers.
    pub keys: JsonKeys,
    /// Which elements; none: those of the run.
    pub template: Option<Template>,
    /// Records that may wait.
    pub queue_records: usize,
}

/// An exporter of OpenTelemetry log records.
#[derive(Debug, Clone)]
pub struct OtlpConfig {
    /// `http://HOST:PORT`.
    pub url: String,
    /// Which elements become attributes; none: those of the run.
    pub template: Option<Template>,
    /// Sent with each request, for example for authentication.
    pub headers: BTreeMap<String, String>,
    /// Whether requests are compressed.
    pub gzip: bool,
    /// Records per request at most.
    pub batch_records: usize,
    /// How long one request may take.
    pub timeout: Duration,
    /// How long a request is repeated before its records are given up.
    pub give_up: Duration,
    /// Records that may wait.
    pub queue_records: usize,
}

/// Why an exporter's configuration was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// A key that the kind needs.
    #[error("an exporter of kind \"{kind}\" needs the key `{key}`")]
    Missing {
        /// The kind.
        kind: &'static str,
        /// The key.
        key: &'static str,
    },
    /// A key that belongs to another kind.
    #[error("`{key}` means nothing to an exporter of kind \"{kind}\"; it has {allowed}")]
    Foreign {
        /// The kind.
        kind: &'static str,
        /// The key.
        key: &'static str,
        /// The kind's keys.
        allowed: String,
    },
    /// A number out of range.
    #[error("`{key}` is {value}; allowed are {min} to {max}")]
    Range {
        /// The key.
        key: &'static str,
        /// As given.
        value: u64,
        /// Least value allowed.
        min: u64,
        /// Greatest value allowed.
        max: u64,
    },
    /// The address.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// NetFlow v9 has no other transport here.
    #[error("NetFlow v9 goes over UDP only: write udp://HOST:PORT")]
    OnlyUdp,
    /// An OTLP address.
    #[error("`{url}` is not an OTLP/gRPC address; write http://HOST:PORT")]
    OtlpUrl {
        /// As given, without what might be a password.
        url: String,
    },
    /// The template.
    #[error(transparent)]
    Template(#[from] TemplateError),
}

impl WireConfig {
    /// To `target`, with everything else as usual.
    #[must_use]
    pub fn new(target: Target) -> Self {
        Self {
            max_message: target.default_message(),
            target,
            template: None,
            domain: None,
            resend: Resend::default(),
            options_records: false,
            packets_per_second: None,
            queue_records: DEFAULT_QUEUE,
        }
    }
}

impl JsonConfig {
    /// To `output`, with everything else as usual.
    #[must_use]
    pub const fn new(output: JsonOutput, keys: JsonKeys) -> Self {
        Self { output, keys, template: None, queue_records: DEFAULT_QUEUE }
    }
}

impl OtlpConfig {
    /// To `url`, with everything else as usual.
    #[must_use]
    pub fn new(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            template: None,
            headers: BTreeMap::new(),
            gzip: true,
            batch_records: 512,
            timeout: Duration::from_secs(10),
            give_up: Duration::from_secs(300),
            queue_records: DEFAULT_QUEUE,
        }
    }
}

impl ExporterConfig {
    /// `ipfix`, `netflow9`, `json` or `otlp`.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Ipfix(_) => "ipfix",
            Self::Netflow9(_) => "netflow9",
            Self::Json(_) => "json",
            Self::Otlp(_) => "otlp",
        }
    }

    /// Kind and target, as metrics and messages call it. Holds no secret: an OTLP address is refused when it has user
    /// or password in it.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Ipfix(c) | Self::Netflow9(c) => format!("{} {}", self.kind(), c.target),
            Self::Json(JsonConfig { output: JsonOutput::Stdout, .. }) => "json -".into(),
            Self::Json(JsonConfig { output: JsonOutput::File(path), .. }) => format!("json {}", path.display()),
            Self::Otlp(c) => format!("otlp {}", c.url),
        }
    }

    pub(crate) const fn queue_records(&self) -> usize {
        match self {
            Self::Ipfix(c) | Self::Netflow9(c) => c.queue_records,
            Self::Json(c) => c.queue_records,
            Self::Otlp(c) => c.queue_records,
        }
    }
}

#[cfg(test)]
mod tests;
