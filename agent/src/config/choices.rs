//! Options with a fixed set of answers, the same words on the command line and in the file.

use clap::ValueEnum;
use serde::Deserialize;

/// How kernel events are had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Backend {
    /// The best way that attaches, for each hook
    Auto,
    /// fentry and fexit only
    Fentry,
    /// kprobe and kretprobe only
    Kprobe,
    /// Tracepoints only
    Tracepoint,
    /// No eBPF: /proc and sock_diag, polled
    Poll,
}

/// What to do with the kernel's delay accounting, without which there is no iowait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum DelayAccounting {
    /// Switch it on while running, and back at the end
    On,
    /// Switch it off
    Off,
    /// Leave it as it is
    Keep,
}

/// Keys of JSON records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum JsonKeys {
    /// IPV4_SRC_ADDR, SRC_PROC_NAME, …
    Names,
    /// 8, 57640, …
    Numbers,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// For people
    Text,
    /// One JSON object per line
    Json,
}

/// Where log lines begin to be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogLevel {
    /// Failures only
    Error,
    /// And what is degraded
    Warn,
    /// And what happens
    Info,
    /// And how
    Debug,
    /// And everything else
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
