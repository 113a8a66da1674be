//! The host's figures at one moment. Totals count since the machine started.

use serde::Serialize;

/// Time that all processors together spent, by mode, nanoseconds (proc_stat(5)). The kernel counts in ticks of 10 ms.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(crate) struct CpuTime {
    /// User mode, without niced processes and guests.
    pub(crate) user_ns: u64,
    /// User mode of niced processes.
    pub(crate) nice_ns: u64,
    /// Kernel mode.
    pub(crate) system_ns: u64,
    /// Idle.
    pub(crate) idle_ns: u64,
    /// Idle while block I/O was in progress.
    pub(crate) iowait_ns: u64,
    /// Interrupts and soft interrupts.
    pub(crate) interrupt_ns: u64,
    /// Used by other virtual machines.
    pub(crate) steal_ns: u64,
}

impl CpuTime {
    /// Every mode with OpenTelemetry's name for it (`cpu.mode`).
    pub(crate) const fn modes(&self) -> [(&'static str, u64); 7] {
        [
            ("user", self.user_ns),
            ("nice", self.nice_ns),
            ("system", self.system_ns),
            ("idle", self.idle_ns),
            ("iowait", self.iowait_ns),
            ("interrupt", self.interrupt_ns),
            ("steal", self.steal_ns),
        ]
    }

    /// All modes together.
    pub(crate) fn total_ns(&self) -> u64 {
        self.modes().iter().map(|(_, ns)| ns).sum()
    }
}

/// Memory, bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Memory {
    /// All memory.
    pub(crate) total: u64,
    /// In use: neither free nor cached nor in buffers.
    pub(crate) used: u64,
    /// Not used at all.
    pub(crate) free: u64,
    /// Page cache, including reclaimable slabs.
    pub(crate) cached: u64,
    /// Block device buffers.
    pub(crate) buffers: u64,
    /// Available to new processes without swapping, as estimated by the kernel.
    pub(crate) available: u64,
}

/// Swap space and paging.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Paging {
    /// Swap space, bytes.
    pub(crate) swap_total: u64,
    /// Swap space in use, bytes.
    pub(crate) swap_used: u64,
    /// Pages read from swap.
    pub(crate) swapped_in: u64,
    /// Pages written to swap.
    pub(crate) swapped_out: u64,
    /// Page faults that needed no I/O.
    pub(crate) minor_faults: u64,
    /// Page faults that needed I/O.
    pub(crate) major_faults: u64,
}

/// How long tasks waited for one resource, microseconds (Documentation/accounting/psi.rst).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct PressureStall {
    /// `cpu`, `memory` or `io`.
    pub(crate) resource: &'static str,
    /// Time in which some task waited.
    pub(crate) some_us: u64,
    /// Time in which all tasks waited.
    pub(crate) full_us: u64,
}

/// Pressure by resource; empty if the kernel does not count it.
pub(crate) type Pressure = Vec<PressureStall>;

/// One block device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Disk {
    /// The name in /sys/block.
    pub(crate) name: String,
    /// Bytes read.
    pub(crate) read_bytes: u64,
    /// Bytes written.
    pub(crate) written_bytes: u64,
    /// Completed reads.
    pub(crate) reads: u64,
    /// Completed writes.
    pub(crate) writes: u64,
    /// Time that all reads took together, milliseconds.
    pub(crate) read_ms: u64,
    /// Time that all writes took together, milliseconds.
    pub(crate) write_ms: u64,
    /// Time in which any I/O was in progress, milliseconds.
    pub(crate) busy_ms: u64,
}

/// One network interface, as counted by its driver (proc_net_dev(5)).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct InterfaceCounters {
    /// Its name.
    pub(crate) name: String,
    /// Bytes received.
    pub(crate) received_bytes: u64,
    /// Packets received.
    pub(crate) received_packets: u64,
    /// Errors of receiving.
    pub(crate) received_errors: u64,
    /// Packets received and dropped.
    pub(crate) received_dropped: u64,
    /// Bytes sent.
    pub(crate) sent_bytes: u64,
    /// Packets sent.
    pub(crate) sent_packets: u64,
    /// Errors of sending.
    pub(crate) sent_errors: u64,
    /// Packets dropped instead of being sent.
    pub(crate) sent_dropped: u64,
}

/// One mounted file system on a device of this host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct FileSystem {
    /// The mount point.
    pub(crate) mount_point: String,
    /// Its device.
    pub(crate) device: String,
    /// `ext4`, `xfs`, …
    pub(crate) kind: String,
    /// Its size, bytes.
    pub(crate) total: u64,
    /// Space available to users, bytes.
    pub(crate) available: u64,
}

/// Properties that do not change while the machine runs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct HostDescription {
    /// Kernel release, as printed by `uname -r`.
    pub(crate) kernel: String,
    /// The distribution and its version; empty: unknown.
    pub(crate) os: String,
    /// `x86_64`, `aarch64`, …
    pub(crate) architecture: String,
    /// Logical processors.
    pub(crate) cpus: usize,
    /// Model name of the processor; empty: unknown.
    pub(crate) cpu_model: String,
}

/// All figures of the host.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(crate) struct HostFigures {
    /// The machine.
    pub(crate) about: HostDescription,
    /// Seconds since it started.
    pub(crate) uptime_s: u64,
    /// Processor time.
    pub(crate) cpu: CpuTime,
    /// Number of tasks that ran, were ready to run or waited for a disk, averaged over 1, 5 and 15 minutes.
    pub(crate) load: [f64; 3],
    /// Memory.
    pub(crate) memory: Memory,
    /// Swap.
    pub(crate) paging: Paging,
    /// Pressure.
    pub(crate) pressure: Pressure,
    /// Disks, without partitions.
    pub(crate) disks: Vec<Disk>,
    /// Network interfaces of the agent's network namespace.
    pub(crate) interfaces: Vec<InterfaceCounters>,
    /// File systems.
    pub(crate) file_systems: Vec<FileSystem>,
    /// Readings that failed since the agent started, by file.
    pub(crate) unreadable: Vec<(&'static str, u64)>,
}
