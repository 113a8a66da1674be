//! One interface, as the kernel describes it.

use std::sync::Arc;

/// libpcap's name for the pseudo-interface that captures all interfaces.
pub(crate) const ANY: &str = "any";

/// An interface of this network namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Link {
    /// The kernel's index; another interface may have it later.
    pub(super) index: u32,
    pub(super) name: Arc<str>,
    /// Alternative names (`ip link property add altname`), which users may give instead.
    pub(super) other_names: Vec<String>,
    pub(super) is_up: bool,
    pub(super) is_loopback: bool,
    pub(super) wiring: Wiring,
}

/// What an interface is connected to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Wiring {
    /// The kind of virtual interface, as ip-link(8) names it (`bridge`, `veth`, `bond`); empty: a device, or unknown.
    pub(super) kind: Arc<str>,
    /// Index of the bridge, bond or team that the interface is part of.
    pub(super) master: Option<u32>,
    /// Index of the interface below (VLAN, macvlan) or of the other end (veth), where that is in this network namespace.
    pub(super) lower: Option<u32>,
    /// The namespace of the other end of a pair, by the number that the kernel gave it in this one.
    pub(super) peer_namespace: Option<i32>,
}

impl Link {
    /// An interface of which only name and index are known, because the kernel does not report it.
    pub(super) fn unknown(index: u32, name: &str) -> Self {
        let wiring = Wiring::default();
        Self { index, name: name.into(), other_names: Vec::new(), is_up: false, is_loopback: name == "lo", wiring }
    }

    pub(super) fn is_called(&self, name: &str) -> bool {
        *self.name == *name || self.other_names.iter().any(|other| other == name)
    }
}
