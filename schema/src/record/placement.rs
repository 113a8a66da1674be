//! The container and units of a process, from its control group, and its login.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The container and the systemd units of a process, from the path of its control group. Empty texts: none, or unknown.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Placement {
    /// Id of the innermost container, 64 hexadecimal digits.
    pub container_id: Arc<str>,
    /// The runtime of that container: `containerd`, `cri-o`, `docker` or `podman`; empty: the path does not show it.
    pub container_runtime: Arc<str>,
    /// Unit of the system's service manager, as `systemctl` names it.
    pub unit: Arc<str>,
    /// Unit of a user's service manager.
    pub user_unit: Arc<str>,
    /// Slice of `unit`; `-.slice` is the root slice.
    pub slice: Arc<str>,
}

/// The login of a process, as kept by the kernel's audit: it does not change with the user (sudo, su).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Login {
    /// User id with which the user logged in.
    pub uid: u32,
    /// Number of the session since boot.
    pub session: u32,
}
