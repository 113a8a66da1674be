//! Limits of the process table for untrusted input: a local user chooses names, arguments and paths.

/// Bytes kept of a process's name.
pub const MAX_NAME_BYTES: usize = 256;
/// Bytes kept of an executable's path (`PATH_MAX` of Linux).
pub const MAX_PATH_BYTES: usize = 4096;
/// Bytes kept of a command line by default.
pub const DEFAULT_COMMAND_LINE_BYTES: usize = 4096;
/// Bytes kept of a container id; those of runtimes have 64.
pub const MAX_CONTAINER_ID_BYTES: usize = 128;
/// Bytes kept of the name of a systemd unit (`UNIT_NAME_MAX`).
pub const MAX_UNIT_BYTES: usize = 256;
/// Bytes kept of a user's name.
pub const MAX_USER_NAME_BYTES: usize = 256;
/// Bytes kept of the name of a pod, its namespace or its container; Kubernetes allows 253.
pub const MAX_POD_TEXT_BYTES: usize = 256;
/// Bytes kept of the text of a chain of ancestors.
pub const MAX_ANCESTORS_BYTES: usize = 4096;

/// Bytes kept of a name of a container, its image, or a service.
pub const MAX_WORKLOAD_TEXT_BYTES: usize = 256;

/// The greatest number of containers of which names are kept.
pub const MAX_CONTAINERS: usize = 4096;
/// The greatest number of user names kept.
pub const MAX_USERS: usize = 65_536;
/// The greatest number of pods kept.
pub const MAX_PODS: usize = 16_384;

/// Default memory limit of processes, their samples and their texts, bytes. From three quarters of it on, old entries
/// are evicted early; at the limit nothing new is added.
pub const MAX_PROCESS_BYTES: usize = 64 << 20;
