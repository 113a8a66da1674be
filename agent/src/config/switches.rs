//! Options that are `on` or `off`.

use clap::ValueEnum;
use pidflow_engine::decode::{PayloadRule, TcpRule};
use pidflow_engine::flow_table::PacketRule;
use serde::Deserialize;

/// A choice between `on` and `off`, and what the rest of the agent calls them.
macro_rules! switch {
    ($(#[$about:meta])* $name:ident as $rule:ty { $(#[$on:meta])* On = $yes:expr, $(#[$off:meta])* Off = $no:expr, }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
        #[serde(rename_all = "lowercase")]
        pub(crate) enum $name {
            $(#[$on])*
            On,
            $(#[$off])*
            Off,
        }

        impl From<$name> for $rule {
            fn from(choice: $name) -> Self {
                match choice {
                    $name::On => $yes,
                    $name::Off => $no,
                }
            }
        }
    };
}

switch!(
    /// Whether the service that the environment of a process names is read.
    ServiceNames as bool {
        /// It is read
        On = true,
        /// Environments are not read
        Off = false,
    }
);

switch!(
    /// Whether the first payload bytes of flows are read.
    ApplicationNames as PayloadRule {
        /// Protocol and names from DNS, TLS, QUIC, HTTP, SSH, VPNs, databases and brokers
        On = PayloadRule::Pick,
        /// Payloads are not looked at
        Off = PayloadRule::Ignore,
    }
);

switch!(
    /// Whether nDPI classifies flows.
    NdpiRule as bool {
        /// By their first packets
        On = true,
        /// The library is not loaded
        Off = false,
    }
);

switch!(
    /// Whether TCP connections are measured.
    TcpHealthRule as TcpRule {
        /// Retransmissions, losses, windows, round trips, and how long servers take to answer
        On = TcpRule::Measure,
        /// Only flags and the duration of the handshake
        Off = TcpRule::Ignore,
    }
);

switch!(
    /// Whether the packets of flows are measured.
    PacketFigureRule as PacketRule {
        /// Sizes, times between packets, DSCP, ECN and hop limits of each direction
        On = PacketRule::Measure,
        /// Only packets and bytes
        Off = PacketRule::Ignore,
    }
);
