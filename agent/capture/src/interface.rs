//! Interfaces that packets come from.

use std::sync::Arc;

use pidflow_engine::flow_table::Observation;

/// What a packet's interface number stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// The number in `Packet::interface`, for `FlowTable::set_interface`.
    pub number: u32,
    /// The kernel's index; 0: read from a file.
    pub index: u32,
    /// Its name, or the name of the capture file.
    pub name: Arc<str>,
    /// The network namespace of its peer; none: this namespace, or unknown.
    pub leads_to: Option<PeerNamespace>,
    /// At which interface its packets are counted.
    pub observation: Observation,
    /// No packet of this number comes behind those of the batch that says so.
    pub is_gone: bool,
}

impl Interface {
    /// An interface without a peer namespace.
    pub fn new(number: u32, index: u32, name: &Arc<str>) -> Self {
        Self {
            number,
            index,
            name: Arc::clone(name),
            leads_to: None,
            observation: Observation::ByItself,
            is_gone: false,
        }
    }

    /// That it is gone.
    pub fn gone(number: u32, index: u32) -> Self {
        Self { is_gone: true, ..Self::new(number, index, &"".into()) }
    }
}

/// The network namespace of the other end of a pair of interfaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerNamespace {
    /// The number that the kernel gave it in this namespace (`RTM_GETNSID`); another one may have it later.
    pub id: i32,
    /// Since when, nanoseconds in the engine's time; later than the actual change by the delay of the kernel's notice.
    pub since_ns: u64,
}
