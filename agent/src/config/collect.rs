//! Options of `pidflow collect`.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use clap::Args;
use serde::Deserialize;

use super::layers::layers;
use super::timeout::Timeout;
use super::values::{FilePath, Listen, text_value};

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
    /// Receive IPFIX over TLS on this address, repeatable, such as 0.0.0.0:4740; needs --collect-tls-cert and --collect-tls-key.
    /// JSON lines are accepted too
    #[arg(long, value_name = "ADDR", env = "PIDFLOW_IPFIX_TLS", value_delimiter = ',')]
    pub(crate) ipfix_tls: Vec<Listen>,
    /// PEM file with the certificate of this host for --ipfix-tls, and its chain
    #[arg(id = "collect_tls_cert", long = "collect-tls-cert", value_name = "FILE", env = "PIDFLOW_COLLECT_TLS_CERT")]
    pub(crate) tls_cert: Option<FilePath>,
    /// PEM file with its private key
    #[arg(id = "collect_tls_key", long = "collect-tls-key", value_name = "FILE", env = "PIDFLOW_COLLECT_TLS_KEY")]
    pub(crate) tls_key: Option<FilePath>,
    /// PEM file with the authorities of exporters; with it, exporters need a certificate of one of them
    #[arg(
        id = "collect_tls_client_ca",
        long = "collect-tls-client-ca",
        value_name = "FILE",
        env = "PIDFLOW_COLLECT_TLS_CLIENT_CA"
    )]
    pub(crate) tls_client_ca: Option<FilePath>,
    /// Receive records of nProbe or pidflow over ZeroMQ from this publisher, repeatable, such as tcp://probe:5556; with a c at
    /// its end (tcp://*:5556c), publishers connect to this address
    #[arg(long, value_name = "URL", env = "PIDFLOW_ZMQ_FROM", value_delimiter = ',')]
    pub(crate) zmq_from: Vec<ZmqFrom>,
    /// Keep templates and sequence numbers of exporters that send over UDP in files of this folder, so that a restart does not lose
    /// records and what was sent meanwhile is counted as lost
    #[arg(id = "collect_state", long = "collect-state", value_name = "FOLDER", env = "PIDFLOW_COLLECT_STATE")]
    pub(crate) state: Option<FilePath>,
    /// Put the records of several agents about one flow together, for which each record waits at most this long, such as 30s
    #[arg(long, value_name = "WINDOW", env = "PIDFLOW_GLUE")]
    pub(crate) glue: Option<GlueWindow>,
}
layers!(CollectOptions { options: glue, state, tls_cert, tls_key, tls_client_ca; lists: netflow, sflow, ipfix_tcp, json_tcp, ipfix_tls, zmq_from });

/// Where messages of ZeroMQ come from, in ntopng's notation.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct ZmqFrom {
    /// Whether publishers connect; otherwise pidflow connects to the publisher.
    pub(crate) listens: bool,
    /// Of the publisher, or to listen on.
    pub(crate) address: Listen,
}
text_value!(ZmqFrom);

impl FromStr for ZmqFrom {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = |why: &str| {
            format!(
                "{text:?} is no publisher of ZeroMQ ({why}); write tcp://HOST:PORT to connect to, or tcp://ADDRESS:PORTc to listen on"
            )
        };
        let place = text.strip_prefix("tcp://").or_else(|| text.strip_prefix("zmq://"));
        let place = place.ok_or_else(|| wrong("its scheme is not tcp"))?;
        let (place, listens) = place.strip_suffix('c').map_or((place, false), |place| (place, true));
        let place = match place.strip_prefix("*:") {
            Some(port) if listens => format!("0.0.0.0:{port}"),
            _ => place.to_owned(),
        };
        match place.parse() {
            Ok(Listen::Off) => Err(wrong("it has no address")),
            Ok(address) => Ok(Self { listens, address }),
            Err(_) => Err(wrong("its address is not HOST:PORT")),
        }
    }
}

impl fmt::Display for ZmqFrom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tcp://{}{}", self.address, if self.listens { "c" } else { "" })
    }
}

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

    /// The files that it reads.
    pub(crate) fn files_read(&self) -> impl Iterator<Item = &FilePath> {
        [&self.tls_cert, &self.tls_key, &self.tls_client_ca].into_iter().flatten()
    }

    /// The addresses for connections without TLS.
    pub(crate) fn streams(&self) -> Vec<Listen> {
        [self.ipfix_tcp.as_slice(), &self.json_tcp].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn publishers_are_written_as_for_ntopng() {
        let read = |text: &str| text.parse::<ZmqFrom>().map(|from| (from.listens, from.address.to_string()));
        assert_eq!(read("tcp://probe:5556"), Ok((false, "probe:5556".into())));
        assert_eq!(read("zmq://[::1]:5556c"), Ok((true, "[::1]:5556".into())));
        assert_eq!(read("tcp://*:5556c"), Ok((true, "0.0.0.0:5556".into())));
        assert_eq!("tcp://*:5556c".parse::<ZmqFrom>().unwrap().to_string(), "tcp://0.0.0.0:5556c");
        for text in ["probe:5556", "tcp://probe", "tcp://off", "tcp://*:x", "ipc:///tmp/x", ""] {
            assert!(read(text).unwrap_err().contains("tcp://HOST:PORT"), "{text}");
        }
    }
}
