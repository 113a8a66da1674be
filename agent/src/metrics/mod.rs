//! What the agent counts about itself and about who talks to whom, and how that is written down.

mod columns;
pub(crate) mod families;
mod host_families;
pub(crate) mod loops;
pub(crate) mod node;
mod node_families;
mod nodes;
pub(crate) mod openmetrics;
pub(crate) mod status;
pub(crate) mod sums;
pub(crate) mod talk;
mod talk_families;
mod top;
pub(crate) mod view;
mod workload;
