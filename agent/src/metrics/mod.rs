//! Sums over records by everything that tells talkers apart. How they become metrics is in `published/families/`.

pub(crate) mod node;
pub(crate) mod nodes;
pub(crate) mod sums;
pub(crate) mod talk;
pub(crate) mod top;
pub(crate) mod workload;
