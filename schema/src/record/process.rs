//! A process and its resource usage.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Container, Login, Placement, Pod};

/// The identity of a process. Shared by all records of the process; strings are UTF-8 (lossily converted).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Process {
    /// Thread group id in the host's (the initial) PID namespace.
    pub pid: u32,
    /// Start time, nanoseconds since the epoch. Together with `pid` it identifies the process.
    pub start_ns: u64,
    /// Name: the leader's comm, or the executable's base name if that is longer and comm was cut at 15 bytes.
    pub name: Arc<str>,
    /// Effective user id; [`Self::UNKNOWN_UID`] if it is not kept.
    pub uid: u32,
    /// User name from the host's passwd file, otherwise the number.
    pub user: Arc<str>,
    /// Real user id; none: unknown, or not kept.
    pub real_uid: Option<u32>,
    /// The real user's name, otherwise the number; empty: unknown.
    pub real_user: Arc<str>,
    /// The login; none: there is none (a service), or it is unknown.
    pub login: Option<Login>,
    /// Name of the user who logged in, otherwise the number; empty: unknown.
    pub login_user: Arc<str>,
    /// PID in the innermost PID namespace of the process; none: unknown.
    pub inner_pid: Option<u32>,
    /// Executable path; empty: unknown.
    pub executable: Arc<str>,
    /// Whether the executable's file was deleted or replaced while the process ran.
    pub is_deleted: bool,
    /// Command line, arguments joined by blanks; empty: unknown.
    pub command_line: Arc<str>,
    /// Its container and units.
    pub placement: Placement,
    /// What the container engine knows of that container; none: no engine is asked, or it does not know it yet.
    pub container: Option<Arc<Container>>,
    /// The service that the process says it is in its environment (`OTEL_SERVICE_NAME`, or `service.name` in
    /// `OTEL_RESOURCE_ATTRIBUTES`); empty: it does not say, or its environment is not read.
    pub service_name: Arc<str>,
    /// The Kubernetes pod of that container; none: the container is in no pod, or its pod is not known yet.
    pub pod: Option<Arc<Pod>>,
    /// Parent's PID, 0: none or in another PID namespace.
    pub parent_pid: u32,
    /// Parent's name; empty: unknown.
    pub parent_name: Arc<str>,
    /// Parent's effective user id.
    pub parent_uid: Option<u32>,
    /// Parent's user name; empty: unknown.
    pub parent_user: Arc<str>,
    /// The chain of parents as `name(pid)` joined by `<`, nearest first, to PID 1; empty: unknown. In names, `<`, `(`, `)`
    /// and `\` follow a `\`; control and formatting characters are `\u{hexadecimal}`.
    pub ancestors: Arc<str>,
}

impl Process {
    /// `(uid_t) -1`, which no user can have (Linux `uid_valid`): the user is unknown or not kept.
    pub const UNKNOWN_UID: u32 = u32::MAX;

    /// `uid`, or none if it is [`Self::UNKNOWN_UID`].
    #[must_use]
    pub fn known_uid(uid: u32) -> Option<u32> {
        (uid != Self::UNKNOWN_UID).then_some(uid)
    }
}

/// The resource usage of a process during one flow. Absent values are unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ProcessUsage {
    /// Resident memory at the sample nearest to the flow's end, bytes.
    pub memory_actual: Option<u64>,
    /// Peak resident memory of the process up to then, bytes.
    pub memory_peak: Option<u64>,
    /// CPU time over elapsed time between the samples that enclose the flow, percent of one core × 100.
    pub cpu_load: Option<u32>,
    /// Time waiting for block I/O over elapsed time, percent × 100; absent without delay accounting.
    pub iowait: Option<u32>,
    /// User and system CPU time used between the samples that enclose the flow, nanoseconds.
    pub cpu_time_ns: Option<u64>,
    /// Minor page faults between those samples.
    pub minor_faults: Option<u64>,
    /// Major page faults between those samples.
    pub major_faults: Option<u64>,
    /// Time waiting for block I/O between those samples, nanoseconds; absent without delay accounting.
    pub iowait_ns: Option<u64>,
}

impl ProcessUsage {
    /// Minor and major faults together.
    #[must_use]
    pub fn page_faults(&self) -> Option<u64> {
        Some(self.minor_faults? + self.major_faults?)
    }
}
