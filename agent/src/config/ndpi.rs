//! Options of nDPI.

use clap::Args;
use pidflow_engine::inspection::InspectedShare;
use serde::Deserialize;

use super::layers::layers;
use super::switches::NdpiRule;
use super::values::{FilePath, Ranged};

/// Whether nDPI classifies flows.
#[derive(Debug, Clone, Default, PartialEq, Args, Deserialize)]
#[command(next_help_heading = "nDPI")]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct NdpiOptions {
    /// Whether the system's nDPI library classifies flows by their first packets. It is C code that reads what strangers send. Without
    /// the library a warning says so, and flows are not classified [default: off]
    #[arg(long = "ndpi", value_name = "SWITCH", env = "PIDFLOW_NDPI")]
    pub(crate) inspect: Option<NdpiRule>,
    /// File with protocols of your own, in nDPI's format
    #[arg(long = "ndpi-protocols", value_name = "FILE", env = "PIDFLOW_NDPI_PROTOCOLS")]
    pub(crate) protocols: Option<FilePath>,
    /// Packets of a TCP connection that nDPI sees at most, with those of the handshake [default: 15]
    #[arg(long = "ndpi-tcp-packets", value_name = "N", env = "PIDFLOW_NDPI_TCP_PACKETS")]
    pub(crate) tcp_packets: Option<Ranged<1, 255>>,
    /// Packets of a flow of UDP or another protocol that nDPI sees at most [default: 2]
    #[arg(long = "ndpi-udp-packets", value_name = "N", env = "PIDFLOW_NDPI_UDP_PACKETS")]
    pub(crate) udp_packets: Option<Ranged<1, 255>>,
}
layers!(NdpiOptions { options: inspect, protocols, tcp_packets, udp_packets; lists: });

impl NdpiOptions {
    /// Whether nDPI is wanted.
    pub(crate) fn is_on(&self) -> bool {
        self.inspect.is_some_and(Into::into)
    }

    /// How many packets of each flow it sees.
    pub(crate) fn share(&self) -> InspectedShare {
        let or = |given: Option<Ranged<1, 255>>, default: u8| {
            given.map_or(default, |packets| u8::try_from(packets.get()).unwrap_or(u8::MAX))
        };
        let InspectedShare { tcp, others } = InspectedShare::default();
        InspectedShare { tcp: or(self.tcp_packets, tcp), others: or(self.udp_packets, others) }
    }
}
