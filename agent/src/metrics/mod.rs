//! What the agent counts about itself and about who talks to whom, and how that is written down.

pub(crate) mod edges;
pub(crate) mod families;
pub(crate) mod node;
pub(crate) mod openmetrics;
pub(crate) mod status;
