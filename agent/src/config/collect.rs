//! Options of `pidflow collect`.

use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use clap::Args;
use serde::Deserialize;

use super::layers::layers;
use super::timeout::Timeout;
use super::values::Listen;

/// Where `pidflow collect` receives records of other hosts.
#[derive(Debug, Clone, Default, PartialEq, Args, Deserialize)]
#[command(next_help_heading = "Exporters")]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct CollectOptions {
    /// Receive IPFIX and NetFlow v5 and v9 on this UDP address, repeatable, such as 0.0.0.0:2055
    #[arg(long, value_name = "ADDR", env = "PIDFLOW_NETFLOW", value_delimiter = ',')]
    pub(crate) netflow: Vec<Listen>,
    /// Receive sFlow v5 on this UDP address, repeatable, such as 0.0.0.0:6343. Each address accepts all protocols; the
    /// protocol of a datagram is in its first octets
    #[arg(long, value_name = "ADDR", env = "PIDFLOW_SFLOW", value_delimiter = ',')]
    pub(crate) sflow: Vec<Listen>,
    /// Receive IPFIX over TCP on this address, repeatable, such as 0.0.0.0:4739
    #[arg(long, value_name = "ADDR", env = "PIDFLOW_IPFIX_TCP", value_delimiter = ',')]
    pub(crate) ipfix_tcp: Vec<Listen>,
    /// Receive pidflow's JSON lines over TCP on this address, repeatable. Each TCP address accepts both; the first octet of a
    /// connection says which
    #[arg(long, value_name = "ADDR", env = "PIDFLOW_JSON_TCP", value_delimiter = ',')]
    pub(crate) json_tcp: Vec<Listen>,
    /// Put the records of several agents about one flow together, for which each record waits at most this long, such as 30s
    #[arg(long, value_name = "WINDOW", env = "PIDFLOW_GLUE")]
    pub(crate) glue: Option<GlueWindow>,
}
layers!(CollectOptions { options: glue; lists: netflow, sflow, ipfix_tcp, json_tcp });

/// How long records wait for those of other agents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Timeout")]
pub(crate) struct GlueWindow(Duration);

impl GlueWindow {
    /// Longer ones would keep records in memory that nobody waits for.
    const ALLOWED: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(600);

    /// Nanoseconds.
    pub(crate) fn nanoseconds(self) -> u64 {
        u64::try_from(self.0.as_nanos()).unwrap_or(u64::MAX)
    }
}

impl TryFrom<Timeout> for GlueWindow {
    type Error = String;

    fn try_from(Timeout(window): Timeout) -> Result<Self, String> {
        match Self::ALLOWED.contains(&window) {
            true => Ok(Self(window)),
            false => Err("records of several agents wait at least 1s and at most 10m for each other".into()),
        }
    }
}

impl FromStr for GlueWindow {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.parse::<Timeout>().map_err(|e| e.to_string())?.try_into()
    }
}

impl CollectOptions {
    /// The addresses for datagrams.
    pub(crate) fn datagrams(&self) -> Vec<Listen> {
        [self.netflow.as_slice(), &self.sflow].concat()
    }

    /// The addresses for connections.
    pub(crate) fn streams(&self) -> Vec<Listen> {
        [self.ipfix_tcp.as_slice(), &self.json_tcp].concat()
    }
}
