//! Local networks.

use std::net::IpAddr;

use ipnet::IpNet;

/// A local network, as configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Network {
    /// The networks of this host's interfaces.
    Own,
    /// This one.
    Given(IpNet),
}

/// The networks themselves.
pub(super) fn resolve(networks: &[Network]) -> Vec<IpNet> {
    let mut all = Vec::new();
    for network in networks {
        match network {
            Network::Given(network) => all.push(network.trunc()),
            Network::Own => all.extend(own()),
        }
    }
    all.sort_unstable();
    all.dedup();
    all
}

/// The networks of all interfaces, with loopback. Those that cannot be listed at the moment are left out.
fn own() -> Vec<IpNet> {
    let devices = pcap::Device::list().unwrap_or_default();
    let addresses = devices.into_iter().flat_map(|device| device.addresses);
    addresses
        .filter_map(|address| IpNet::with_netmask(address.addr, address.netmask?).ok().map(|net| net.trunc()))
        .collect()
}

pub(super) fn contains(networks: &[IpNet], address: IpAddr) -> bool {
    networks.iter().any(|network| network.contains(&address))
}
