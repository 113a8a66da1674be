//! Sums of traffic over records, by node, service, user, address, unit, workload and place. `published/families/` makes metrics of them.

pub(crate) mod node;
pub(crate) mod nodes;
pub(crate) mod place;
pub(crate) mod sums;
pub(crate) mod talk;
pub(crate) mod top;
pub(crate) mod unit;
pub(crate) mod workload;
