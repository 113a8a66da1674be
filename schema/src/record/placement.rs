//! Where the kernel's control groups place a process, and who logged in.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The container and the systemd units that a process belongs to, from the path of its control group. Empty texts: none, or not
/// known.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Placement {
    /// Id of the innermost container, 64 hexadecimal digits.
    pub container_id: Arc<str>,
    /// What runs that container: `containerd`, `cri-o`, `docker` or `podman`; empty: the path does not say it.
    pub container_runtime: Arc<str>,
    /// Unit of the system's service manager, as `systemctl` names it.
    pub unit: Arc<str>,
    /// Unit of a user's service manager.
    pub user_unit: Arc<str>,
    /// Slice of `unit`; `-.slice` is the root slice.
    pub slice: Arc<str>,
}

/// Who logged in, as the kernel's audit keeps it: it stays when the user changes (sudo, su).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Login {
    /// User id with which the user logged in.
    pub uid: u32,
    /// Number of the session since boot.
    pub session: u32,
}
