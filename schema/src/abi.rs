//! The structs that cross the kernel boundary through the ring buffer.
//!
//! They are `no_std` and `repr(C)`, and all padding is explicit: the eBPF programs write them, and the agent reads them
//! as bytes. Times are CLOCK_BOOTTIME nanoseconds (`bpf_ktime_get_boot_ns`), the clock of `task_struct.start_boottime`,
//! so that they can be compared with a process's start.

/// First word of every event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum EventKind {
    /// [`ForkEvent`].
    Fork = 1,
    /// [`ExecEvent`].
    Exec = 2,
    /// [`ExitEvent`].
    Exit = 3,
    /// [`SocketEvent`].
    Socket = 4,
    /// [`UnacceptedEvent`].
    Unaccepted = 5,
}

/// Bytes of a comm, `TASK_COMM_LEN` of `include/linux/sched.h`.
pub const COMM_LEN: usize = 16;
/// Bytes of a file name with its zero byte: `NAME_MAX` of `include/uapi/linux/limits.h` plus one.
pub const NAME_LEN: usize = 256;
/// Bytes kept of an executable's path. The last name written begins within the first half.
pub const PATH_LEN: usize = 2 * NAME_LEN;
/// Bytes kept of a command line.
pub const ARGS_LEN: usize = 512;

/// Identity of a process: the thread group leader's.
#[derive(Debug, Clone, Copy, Default)]
#[repr(C)]
pub struct TaskRef {
    /// `task_struct.start_boottime` of the leader.
    pub start_ns: u64,
    /// Thread group id in the initial PID namespace.
    pub tgid: u32,
    /// Effective user id in the initial user namespace.
    pub uid: u32,
    /// The leader's comm.
    pub comm: [u8; COMM_LEN],
}

/// Maximum number of threads whose usage the probes sum up. A process with more is sampled from /proc. A higher number
/// makes every program longer for the verifier.
pub const MAX_SUMMED_THREADS: u32 = 24;

/// [`Usage::flags`]: CPU time and faults include all threads (otherwise only the current and the ended ones).
pub const USAGE_WHOLE: u32 = 1;
/// [`Usage::flags`]: `rss` is set.
pub const USAGE_RSS: u32 = 2;
/// [`Usage::flags`]: `peak_rss` is set.
pub const USAGE_PEAK: u32 = 8;
/// [`Usage::flags`]: the delay member is set (delay accounting was on).
pub const USAGE_DELAY: u32 = 4;
/// [`Usage::flags`]: the usage was read for this event. Otherwise nothing of it is known, because the process's usage was
/// read often enough shortly before.
pub const USAGE_READ: u32 = 16;

/// Resource usage of a process since its start.
#[derive(Debug, Clone, Copy, Default)]
#[repr(C)]
pub struct Usage {
    /// User and system CPU time, nanoseconds (`sum_exec_runtime` of all threads).
    pub cpu_ns: u64,
    /// Minor page faults.
    pub minor_faults: u64,
    /// Major page faults.
    pub major_faults: u64,
    /// Resident memory, bytes.
    pub rss: u64,
    /// Peak resident memory, bytes.
    pub peak_rss: u64,
    /// Time waiting for block I/O, nanoseconds (`task_delay_info.blkio_delay`).
    pub blkio_delay_ns: u64,
    /// `USAGE_*`.
    pub flags: u32,
    /// Number of live threads.
    pub threads: u32,
}

/// [`SocketEvent::error`]: the connect failed, and the error is not known.
pub const UNKNOWN_ERROR: u32 = u16::MAX as u32;

/// What happened on a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum SocketOp {
    /// This process called `connect` (TCP: the attempt; UDP: reported at the first use).
    Connect = 1,
    /// This process accepted the connection.
    Accept = 2,
    /// This process listens.
    Listen = 3,
    /// This process sent.
    Send = 4,
    /// This process received.
    Receive = 5,
    /// This process closed its last reference.
    Close = 6,
    /// The connection attempt failed with `error`; the task is the one that called connect.
    ConnectFailed = 7,
}

/// A socket and its addresses at the time of the event.
#[derive(Debug, Clone, Copy, Default)]
#[repr(C)]
pub struct SocketRef {
    /// Address of `struct sock`, which identifies the socket while it exists.
    pub sk: u64,
    /// Inode number of the socket as in `/proc/PID/fd`; 0: not yet attached to a file.
    pub inode: u64,
    /// Local address; an IPv4 address is in the first four bytes.
    pub local: [u8; 16],
    /// Remote address; all zero: not connected.
    pub remote: [u8; 16],
    /// Inode number of the network namespace.
    pub netns: u32,
    /// Local port, host order.
    pub local_port: u16,
    /// Remote port, host order; 0: not connected.
    pub remote_port: u16,
    /// `AF_INET` 2 or `AF_INET6` 10.
    pub family: u16,
    /// IP protocol number.
    pub protocol: u16,
    /// `SOCK_STREAM` 1, `SOCK_DGRAM` 2, `SOCK_RAW` 3.
    pub socket_type: u32,
}

/// A process was forked.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct ForkEvent {
    /// [`EventKind::Fork`].
    pub kind: u32,
    /// Padding, 0.
    pub reserved: u32,
    /// Time since boot (`CLOCK_BOOTTIME`), nanoseconds.
    pub time_ns: u64,
    /// The new process.
    pub child: TaskRef,
    /// Its parent.
    pub parent: TaskRef,
}

/// A process executed another program.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct ExecEvent {
    /// [`EventKind::Exec`].
    pub kind: u32,
    /// Bytes used of `args`; arguments end with a zero byte each.
    pub args_len: u32,
    /// Time since boot (`CLOCK_BOOTTIME`), nanoseconds.
    pub time_ns: u64,
    /// The process, with its new comm.
    pub task: TaskRef,
    /// Parent's thread group id.
    pub parent_tgid: u32,
    /// Bytes used of `path`.
    pub path_len: u32,
    /// 1: `path` contains the names from the file up to the root of its mount namespace, each followed by a zero byte;
    /// 0: `path` is the path as given to exec.
    pub path_is_chain: u32,
    /// Padding, 0.
    pub reserved: u32,
    /// Executable path.
    pub path: [u8; PATH_LEN],
    /// Arguments.
    pub args: [u8; ARGS_LEN],
}

/// A process ended (its last thread did).
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct ExitEvent {
    /// [`EventKind::Exit`].
    pub kind: u32,
    /// `task_struct.exit_code`, in the format of wait(2).
    pub exit_code: u32,
    /// Time since boot (`CLOCK_BOOTTIME`), nanoseconds.
    pub time_ns: u64,
    /// The process.
    pub task: TaskRef,
    /// Parent's thread group id.
    pub parent_tgid: u32,
    /// Padding, 0.
    pub reserved: u32,
    /// Final usage.
    pub usage: Usage,
}

/// A process did something with a socket.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct SocketEvent {
    /// [`EventKind::Socket`].
    pub kind: u32,
    /// [`SocketOp`].
    pub op: u32,
    /// Time since boot (`CLOCK_BOOTTIME`), nanoseconds.
    pub time_ns: u64,
    /// The process.
    pub task: TaskRef,
    /// Parent's thread group id.
    pub parent_tgid: u32,
    /// errno of a failed connect, positive, or [`UNKNOWN_ERROR`]; else 0.
    pub error: u32,
    /// For [`SocketOp::ConnectFailed`], the time when connect was called; for events at the end of a system call, the
    /// time when the call began; otherwise 0.
    pub since_ns: u64,
    /// The socket.
    pub socket: SocketRef,
    /// Usage of the process at that time; without [`USAGE_READ`] it is not known.
    pub usage: Usage,
}

/// A connection that came to a listener began to end before any process had accepted it.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct UnacceptedEvent {
    /// [`EventKind::Unaccepted`].
    pub kind: u32,
    /// Padding, 0.
    pub reserved: u32,
    /// Time since boot (`CLOCK_BOOTTIME`), nanoseconds.
    pub time_ns: u64,
    /// The connection's socket.
    pub socket: SocketRef,
}

const _: () = {
    assert!(size_of::<TaskRef>() == 32);
    assert!(size_of::<Usage>() == 56);
    assert!(size_of::<SocketRef>() == 64);
    assert!(size_of::<ForkEvent>() == 80);
    assert!(size_of::<ExecEvent>() == 16 + 32 + 16 + PATH_LEN + ARGS_LEN);
    assert!(size_of::<ExitEvent>() == 16 + 32 + 8 + 56);
    assert!(size_of::<SocketEvent>() == 16 + 32 + 16 + 64 + 56);
    assert!(size_of::<UnacceptedEvent>() == 16 + 64);
};

/// Indices of the kernel side's per-CPU counters (map `COUNTERS`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum KernelCounter {
    /// Facts delivered.
    Delivered = 0,
    /// Facts lost because the ring buffer was full.
    RingFull = 1,
    /// Facts suppressed as repetitions.
    Suppressed = 2,
    /// A kernel struct could not be read.
    ReadFailed = 3,
    /// A map had no room.
    MapFull = 4,
    /// Facts left out because the ring buffer was more than half full: repeated uses and closes, so that there is room
    /// for the others.
    RingHalfFull = 5,
}

/// Number of [`KernelCounter`]s.
pub const KERNEL_COUNTERS: u32 = 6;

/// [`Offsets`]: the running kernel has no such member.
pub const ABSENT: u32 = u32::MAX;

macro_rules! offsets {
    ($($(#[$doc:meta])* $name:ident = $path:literal),* $(,)?) => {
        /// Byte offsets of kernel struct members, resolved from the running kernel's BTF at the start and passed to the
        /// programs as a read-only global; [`ABSENT`] if the kernel lacks the member.
        #[derive(Debug, Clone, Copy)]
        #[repr(C)]
        pub struct Offsets {
            $($(#[$doc])* #[doc = concat!("`", $path, "`")] pub $name: u32,)*
        }

        impl Offsets {
            /// Every member absent.
            pub const NONE: Self = Self { $($name: ABSENT,)* };

            /// The members with their paths as `struct.member.member`, in order.
            pub const PATHS: &[&str] = &[$($path),*];

            /// The members in order, for the loader.
            #[must_use]
            pub const fn words(&self) -> [u32; Self::PATHS.len()] {
                [$(self.$name),*]
            }

            /// Sets each member to the offset that `resolve` returns for its path, or [`ABSENT`] for none.
            pub fn resolve(mut resolve: impl FnMut(&str) -> Option<u32>) -> Self {
                Self { $($name: resolve($path).unwrap_or(ABSENT),)* }
            }
        }
    };
}

offsets! {
    task_pid = "task_struct.pid",
    task_tgid = "task_struct.tgid",
    task_leader = "task_struct.group_leader",
    task_parent = "task_struct.real_parent",
    task_start = "task_struct.start_boottime",
    task_comm = "task_struct.comm",
    task_cred = "task_struct.cred",
    task_mm = "task_struct.mm",
    task_signal = "task_struct.signal",
    task_delays = "task_struct.delays",
    task_minor = "task_struct.min_flt",
    task_major = "task_struct.maj_flt",
    task_runtime = "task_struct.se.sum_exec_runtime",
    task_thread_node = "task_struct.thread_node",
    task_exit_code = "task_struct.exit_code",
    task_files = "task_struct.files",
    task_flags = "task_struct.flags",
    signal_runtime = "signal_struct.sum_sched_runtime",
    signal_minor = "signal_struct.min_flt",
    signal_major = "signal_struct.maj_flt",
    signal_maxrss = "signal_struct.maxrss",
    signal_threads = "signal_struct.thread_head",
    signal_nr_threads = "signal_struct.nr_threads",
    signal_live = "signal_struct.live",
    mm_hiwater = "mm_struct.hiwater_rss",
    mm_rss = "mm_struct.rss_stat",
    mm_arg_start = "mm_struct.arg_start",
    mm_arg_end = "mm_struct.arg_end",
    mm_executable = "mm_struct.exe_file",
    file_dentry = "file.f_path.dentry",
    file_mount = "file.f_path.mnt",
    dentry_parent = "dentry.d_parent",
    dentry_name = "dentry.d_name.name",
    /// `struct vfsmount` is the public part of `struct mount`.
    vfsmount_root = "vfsmount.mnt_root",
    mount_vfsmount = "mount.mnt",
    mount_parent = "mount.mnt_parent",
    mount_point = "mount.mnt_mountpoint",
    /// Kernels since 6.2 count resident pages in per-CPU counters.
    percpu_count = "percpu_counter.count",
    cred_euid = "cred.euid",
    delay_blkio = "task_delay_info.blkio_delay",
    sock_protocol = "sock.sk_protocol",
    sock_type = "sock.sk_type",
    sock_socket = "sock.sk_socket",
    sock_err = "sock.sk_err",
    sock_shutdown = "sock.sk_shutdown",
    sock_family = "sock_common.skc_family",
    sock_state = "sock_common.skc_state",
    /// In network byte order. It is kept when the kernel releases the port of a socket that failed or closed.
    inet_sport = "inet_sock.inet_sport",
    sock_daddr = "sock_common.skc_daddr",
    sock_saddr = "sock_common.skc_rcv_saddr",
    sock_dport = "sock_common.skc_dport",
    sock_num = "sock_common.skc_num",
    sock_net = "sock_common.skc_net",
    sock_daddr6 = "sock_common.skc_v6_daddr",
    sock_saddr6 = "sock_common.skc_v6_rcv_saddr",
    net_inum = "net.ns.inum",
    socket_inode = "socket_alloc.vfs_inode",
    socket_sk = "socket.sk",
    inode_ino = "inode.i_ino",
    binprm_filename = "linux_binprm.filename",
    msg_name = "msghdr.msg_name",
    skb_head = "sk_buff.head",
    skb_network = "sk_buff.network_header",
    skb_transport = "sk_buff.transport_header",
    files_fdt = "files_struct.fdt",
    fdt_fd = "fdtable.fd",
    file_private = "file.private_data",
}
