//! One interface, as the kernel describes it.

use std::collections::HashMap;
use std::sync::Arc;

/// Stands for all interfaces, also in libpcap.
pub(crate) const ANY: &str = "any";

/// The names of the interfaces of this network namespace by index, each with the number of its appearance, which another
/// interface that gets the same index does not share.
pub(super) type Names = HashMap<u32, (u64, Arc<str>)>;

/// An interface of this network namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Link {
    /// The kernel's index; another interface may have it later.
    pub(super) index: u32,
    pub(super) name: Arc<str>,
    /// Alternative names, by which it can be asked for too.
    pub(super) other_names: Vec<String>,
    pub(super) is_up: bool,
    pub(super) is_loopback: bool,
}

impl Link {
    /// One of which nothing is known but its name and index: the kernel could not be asked.
    pub(super) fn unknown(index: u32, name: &str) -> Self {
        Self { index, name: name.into(), other_names: Vec::new(), is_up: false, is_loopback: name == "lo" }
    }

    pub(super) fn is_called(&self, name: &str) -> bool {
        *self.name == *name || self.other_names.iter().any(|other| other == name)
    }
}
