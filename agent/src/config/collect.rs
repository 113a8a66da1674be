//! Options of `pidflow collect`.

use clap::Args;
use serde::Deserialize;

use super::layers::layers;
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
}
layers!(CollectOptions { options: ; lists: netflow, sflow, ipfix_tcp });

impl CollectOptions {
    /// The addresses for datagrams.
    pub(crate) fn datagrams(&self) -> Vec<Listen> {
        [self.netflow.as_slice(), &self.sflow].concat()
    }
}
