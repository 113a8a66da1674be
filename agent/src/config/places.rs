//! Options of places.

use std::str::FromStr;

use clap::Args;
use ipnet::IpNet;
use serde::Deserialize;

use super::layers::layers;
use super::values::FilePath;
use crate::places::{Network, Settings};

/// Where addresses are.
#[derive(Debug, Clone, Default, PartialEq, Args, Deserialize)]
#[command(next_help_heading = "Places")]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct PlaceOptions {
    /// Database of countries and cities in MaxMind's format, such as GeoLite2-City.mmdb; read again when it is replaced
    #[arg(long, value_name = "FILE", env = "PIDFLOW_GEOIP_CITY")]
    pub(crate) geoip_city: Option<FilePath>,
    /// Database of autonomous systems in MaxMind's format, such as GeoLite2-ASN.mmdb; read again when it is replaced
    #[arg(long, value_name = "FILE", env = "PIDFLOW_GEOIP_ASN")]
    pub(crate) geoip_asn: Option<FilePath>,
    /// Local networks, such as 10.0.0.0/8,fd00::/8; "own": those of this host's interfaces. Records then tell whether a flow comes in, goes
    /// out, is internal or forwarded [default: none]
    #[arg(long, value_name = "NETWORKS", env = "PIDFLOW_LOCAL_NETWORKS", value_delimiter = ',')]
    pub(crate) local_networks: Vec<LocalNetwork>,
}
layers!(PlaceOptions { options: geoip_city, geoip_asn; lists: local_networks });

/// A network, or those of this host's interfaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct LocalNetwork(Network);

impl FromStr for LocalNetwork {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "own" {
            return Ok(Self(Network::Own));
        }
        let address = || text.parse().ok().map(|address: std::net::IpAddr| IpNet::from(address));
        let network = text.parse().ok().or_else(address);
        let wrong = || format!("{text:?} is neither a network such as 10.0.0.0/8 nor \"own\"");
        network.map(|network| Self(Network::Given(network))).ok_or_else(wrong)
    }
}

impl TryFrom<String> for LocalNetwork {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl PlaceOptions {
    /// Databases and local networks.
    pub(crate) fn settings(&self) -> Settings {
        let file = |file: &Option<FilePath>| file.as_ref().map(|file| file.to_path_buf());
        Settings {
            databases: [file(&self.geoip_city), file(&self.geoip_asn)],
            networks: self.local_networks.iter().map(|network| network.0).collect(),
        }
    }
}
