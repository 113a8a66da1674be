//! Every read of a kernel struct, and nothing else.
//!
//! rustc emits no CO-RE relocations, so the offsets come from the loader, which resolved them
//! from the running kernel's BTF. A member that the kernel lacks reads as `None`.

use aya_ebpf::helpers::bpf_probe_read_kernel;
use aya_ebpf::helpers::generated::bpf_get_current_task;
use aya_ebpf::programs::SockContext;
use pidflow_schema::abi::{
    ABSENT, COMM_LEN, Offsets, SocketRef, TaskRef, USAGE_DELAY, USAGE_PEAK, USAGE_RSS, USAGE_WHOLE, Usage,
};

use crate::emit::{KernelCounter, count};
use crate::memory::inherited_peak;

/// Set by the loader before the programs are verified.
#[unsafe(no_mangle)]
static OFFSETS: Offsets = Offsets::NONE;

/// Bytes of a page, set by the loader.
#[unsafe(no_mangle)]
static PAGE_SIZE: u64 = 4096;

/// Threads whose usage is summed in the kernel; a process with more is sampled from /proc. Each one more makes every
/// program longer for the verifier.
const MAX_THREADS: usize = 24;
/// `PF_KTHREAD` of `include/linux/sched.h`.
const KERNEL_THREAD: u32 = 0x0020_0000;
/// `SHUTDOWN_MASK` of `include/net/sock.h`: both directions are shut.
const SHUT: u8 = 3;
/// Kinds of resident pages: file, anonymous, swap entries (not resident), shared memory (`include/linux/mm_types_task.h`).
const RESIDENT: [usize; 3] = [0, 1, 3];

macro_rules! offset {
    ($name:ident) => {
        // SAFETY: a plain load of a global; volatile keeps rustc from folding the initial value in.
        unsafe { core::ptr::read_volatile(&raw const OFFSETS.$name) }
    };
}

macro_rules! read {
    ($base:expr, $name:ident) => {
        read_at($base, offset!($name))
    };
}

fn page_size() -> u64 {
    // SAFETY: as for `offset!`.
    unsafe { core::ptr::read_volatile(&raw const PAGE_SIZE) }
}

#[inline(always)]
fn read_at<T>(base: u64, offset: u32) -> Option<T> {
    if offset == ABSENT || base == 0 {
        return None;
    }
    let at = (base + u64::from(offset)) as *const T;
    // SAFETY: bpf_probe_read_kernel checks the address itself and fails on a bad one.
    match unsafe { bpf_probe_read_kernel(at) } {
        Ok(value) => Some(value),
        Err(_) => {
            count(KernelCounter::ReadFailed);
            None
        }
    }
}

/// A `struct task_struct`.
#[derive(Clone, Copy)]
pub struct Task(u64);

impl Task {
    #[inline(always)]
    pub fn current() -> Self {
        // SAFETY: a helper without arguments.
        Self(unsafe { bpf_get_current_task() })
    }

    #[inline(always)]
    pub const fn from_raw(address: u64) -> Self {
        Self(address)
    }

    #[inline(always)]
    pub fn is_leader(self) -> bool {
        let pid: u32 = read!(self.0, task_pid).unwrap_or(0);
        pid == self.tgid()
    }

    #[inline(always)]
    pub fn leader(self) -> Self {
        Self(read!(self.0, task_leader).unwrap_or(self.0))
    }

    #[inline(always)]
    pub fn tgid(self) -> u32 {
        read!(self.0, task_tgid).unwrap_or(0)
    }

    #[inline(always)]
    pub fn parent(self) -> Self {
        Self(read!(self.0, task_parent).unwrap_or(0)).leader()
    }

    #[inline(always)]
    pub fn exit_code(self) -> u32 {
        read!(self.0, task_exit_code).unwrap_or(0)
    }

    /// Whether no thread of the process remains (`do_exit` has already subtracted this one).
    #[inline(always)]
    pub fn is_last_thread(self) -> bool {
        let signal: u64 = read!(self.0, task_signal).unwrap_or(0);
        let live: u32 = read!(signal, signal_live).unwrap_or(1);
        live == 0
    }

    /// Whether it belongs to the kernel: what it closes, another one has given up.
    #[inline(always)]
    pub fn is_kernel_thread(self) -> bool {
        let flags: u32 = read!(self.0, task_flags).unwrap_or(0);
        flags & KERNEL_THREAD != 0
    }

    /// Fills in who the process of this thread is.
    #[inline(always)]
    pub fn describe(self, out: &mut TaskRef) {
        let leader = self.leader().0;
        out.start_ns = read!(leader, task_start).unwrap_or(0);
        out.tgid = read!(leader, task_tgid).unwrap_or(0);
        let cred: u64 = read!(self.0, task_cred).unwrap_or(0);
        out.uid = read!(cred, cred_euid).unwrap_or(u32::MAX);
        out.comm = read!(leader, task_comm).unwrap_or([0; COMM_LEN]);
    }

    /// Fills in what the process of this thread used since its start.
    #[inline(always)]
    pub fn usage(self, out: &mut Usage) {
        *out = Usage::default();
        self.cpu_and_faults(out);
        self.memory(out);
    }

    /// Ended threads are summed in `signal_struct`; those alive (and a leader that ended first) are
    /// walked.
    #[inline(always)]
    fn cpu_and_faults(self, out: &mut Usage) {
        let signal: u64 = read!(self.0, task_signal).unwrap_or(0);
        out.cpu_ns = read!(signal, signal_runtime).unwrap_or(0);
        out.minor_faults = read!(signal, signal_minor).unwrap_or(0);
        out.major_faults = read!(signal, signal_major).unwrap_or(0);
        out.threads = read!(signal, signal_nr_threads).unwrap_or(0);
        let head = signal + u64::from(offset!(signal_threads));
        let mut node: u64 = read!(signal, signal_threads).unwrap_or(0);
        for _ in 0..MAX_THREADS {
            if node == head || node == 0 {
                break;
            }
            Self(node - u64::from(offset!(task_thread_node))).add_thread(out);
            node = read_at(node, 0).unwrap_or(0);
        }
        if node == head {
            out.flags |= USAGE_WHOLE;
        }
    }

    #[inline(always)]
    fn add_thread(self, out: &mut Usage) {
        out.cpu_ns += read!(self.0, task_runtime).unwrap_or(0u64);
        out.minor_faults += read!(self.0, task_minor).unwrap_or(0u64);
        out.major_faults += read!(self.0, task_major).unwrap_or(0u64);
        let delays: u64 = read!(self.0, task_delays).unwrap_or(0);
        if delays != 0 {
            out.blkio_delay_ns += read!(delays, delay_blkio).unwrap_or(0u64);
            out.flags |= USAGE_DELAY;
        }
    }

    /// After `exit_mm` there is no `mm` any more, but the peak has been kept in `signal_struct`, unless that of a program
    /// before the last exec was higher.
    #[inline(always)]
    fn memory(self, out: &mut Usage) {
        let mm: u64 = read!(self.0, task_mm).unwrap_or(0);
        let peak = if mm == 0 {
            let kept = self.kept_peak();
            if kept > inherited_peak(self.tgid()) { kept } else { 0 }
        } else {
            let resident = resident_pages(mm);
            out.rss = resident * page_size();
            out.flags |= USAGE_RSS;
            resident.max(read!(mm, mm_hiwater).unwrap_or(0))
        };
        if peak != 0 {
            out.peak_rss = peak * page_size();
            out.flags |= USAGE_PEAK;
        }
    }

    /// Pages: the highest peak of all programs that the process was before.
    #[inline(always)]
    pub fn kept_peak(self) -> u64 {
        let signal: u64 = read!(self.0, task_signal).unwrap_or(0);
        read!(signal, signal_maxrss).unwrap_or(0)
    }

    /// The file that the process executes.
    #[inline(always)]
    pub fn executable(self) -> FilePath {
        let mm: u64 = read!(self.0, task_mm).unwrap_or(0);
        let file: u64 = read!(mm, mm_executable).unwrap_or(0);
        FilePath { dentry: read!(file, file_dentry).unwrap_or(0), mount: read!(file, file_mount).unwrap_or(0) }
    }

    /// Start and length of the argument strings in user memory.
    #[inline(always)]
    pub fn arguments(self) -> (u64, u64) {
        let mm: u64 = read!(self.0, task_mm).unwrap_or(0);
        let start: u64 = read!(mm, mm_arg_start).unwrap_or(0);
        let end: u64 = read!(mm, mm_arg_end).unwrap_or(0);
        (start, end.saturating_sub(start))
    }

    /// The socket behind a descriptor of this thread.
    #[inline(always)]
    pub fn socket(self, fd: u64) -> Option<Sock> {
        let files: u64 = read!(self.0, task_files)?;
        let table: u64 = read!(files, files_fdt)?;
        let array: u64 = read!(table, fdt_fd)?;
        let file: u64 = read_at(array + (fd & 0xffff) * 8, 0)?;
        let socket: u64 = read!(file, file_private)?;
        let sk: u64 = read!(socket, socket_sk)?;
        // Anything may be behind a descriptor: only a socket's own sk points back.
        let back: u64 = read!(sk, sock_socket).unwrap_or(0);
        (back == socket).then_some(Sock(sk))
    }
}

/// Kernels since 6.2 count in `struct percpu_counter`s, whose shared part is read here; the parts not yet
/// folded in are at most a batch of pages for each CPU, the same that /proc/PID/statm leaves out.
#[inline(always)]
fn resident_pages(mm: u64) -> u64 {
    let base = mm + u64::from(offset!(mm_rss));
    let mut pages = 0i64;
    for kind in RESIDENT {
        let at = match offset!(percpu_count) {
            ABSENT => base + kind as u64 * 8,
            count => base + kind as u64 * percpu_counter_size() + u64::from(count),
        };
        pages += read_at::<i64>(at, 0).unwrap_or(0).max(0);
    }
    pages as u64
}

/// Size of `struct percpu_counter`, set by the loader; 0 on kernels that count otherwise.
#[unsafe(no_mangle)]
static PERCPU_COUNTER_SIZE: u64 = 0;

fn percpu_counter_size() -> u64 {
    // SAFETY: as for `offset!`.
    unsafe { core::ptr::read_volatile(&raw const PERCPU_COUNTER_SIZE) }
}

/// A `struct sock`.
#[derive(Clone, Copy)]
pub struct Sock(pub u64);

/// `IPPROTO_TCP`.
pub const IPPROTO_TCP: u16 = 6;
/// `AF_INET`.
pub const AF_INET: u16 = 2;
/// `AF_INET6`.
pub const AF_INET6: u16 = 10;

impl Sock {
    /// The socket of a cgroup program: its context is the address of the `struct sock`. It is read as a number, because the
    /// verifier does not allow reading through a context beyond `struct bpf_sock`.
    #[inline(always)]
    pub fn of_context(ctx: &SockContext) -> Option<Self> {
        read_at((&raw const ctx.sock) as u64, 0).filter(|&sk| sk != 0).map(Self)
    }

    /// The `struct sock` of a `struct socket`.
    #[inline(always)]
    pub fn of_socket(socket: u64) -> Option<Self> {
        read!(socket, socket_sk).filter(|&sk| sk != 0).map(Self)
    }

    #[inline(always)]
    pub fn family(self) -> u16 {
        read!(self.0, sock_family).unwrap_or(0)
    }

    #[inline(always)]
    pub fn is_inet(self) -> bool {
        matches!(self.family(), AF_INET | AF_INET6)
    }

    #[inline(always)]
    pub fn state(self) -> u8 {
        read!(self.0, sock_state).unwrap_or(0)
    }

    #[inline(always)]
    pub fn protocol(self) -> u16 {
        read!(self.0, sock_protocol).unwrap_or(0)
    }

    #[inline(always)]
    pub fn error(self) -> u32 {
        read!(self.0, sock_err).unwrap_or(0)
    }

    /// Whether this side has shut both directions. The peer's reset does so only after the change of state (`tcp_done`).
    #[inline(always)]
    pub fn is_shut(self) -> bool {
        read!(self.0, sock_shutdown).unwrap_or(0u8) == SHUT
    }

    /// Inode number as in /proc/PID/fd; 0 before the socket has a file.
    #[inline(always)]
    pub fn inode(self) -> u64 {
        let socket: u64 = read!(self.0, sock_socket).unwrap_or(0);
        if socket == 0 {
            return 0;
        }
        read!(socket + u64::from(offset!(socket_inode)), inode_ino).unwrap_or(0)
    }

    /// Fills in the socket's identity and addresses.
    #[inline(always)]
    pub fn describe(self, out: &mut SocketRef) {
        out.sk = self.0;
        out.inode = self.inode();
        out.family = self.family();
        out.protocol = self.protocol();
        out.socket_type = u32::from(read!(self.0, sock_type).unwrap_or(0u16));
        out.local = [0; 16];
        out.remote = [0; 16];
        out.local_port = self.local_port();
        out.remote_port = u16::from_be(read!(self.0, sock_dport).unwrap_or(0));
        let net: u64 = read!(self.0, sock_net).unwrap_or(0);
        out.netns = read!(net, net_inum).unwrap_or(0);
        self.addresses(out);
    }

    /// `skc_num` is 0 again once the kernel has taken the port back, before the state change is reported.
    #[inline(always)]
    fn local_port(self) -> u16 {
        let held: u16 = read!(self.0, sock_num).unwrap_or(0);
        if held != 0 { held } else { u16::from_be(read!(self.0, inet_sport).unwrap_or(0)) }
    }

    #[inline(always)]
    fn addresses(self, out: &mut SocketRef) {
        if out.family == AF_INET {
            let (local, remote): (Option<[u8; 4]>, Option<[u8; 4]>) =
                (read!(self.0, sock_saddr), read!(self.0, sock_daddr));
            out.local[..4].copy_from_slice(&local.unwrap_or([0; 4]));
            out.remote[..4].copy_from_slice(&remote.unwrap_or([0; 4]));
        } else {
            out.local = read!(self.0, sock_saddr6).unwrap_or([0; 16]);
            out.remote = read!(self.0, sock_daddr6).unwrap_or([0; 16]);
        }
    }
}

/// The other end of one datagram of a socket that may not be connected; family 0: the socket itself knows.
///
/// Not an `Option`: the compiler copies the payload of a `None` too, and the verifier refuses to read what
/// was never written.
#[derive(Clone, Copy, Default)]
pub struct Peer {
    pub family: u16,
    pub remote_port: u16,
    pub remote: [u8; 16],
    /// Where the datagram was sent to; all zero: not known.
    pub local: [u8; 16],
}

impl Peer {
    /// The destination in a `struct msghdr`, where one is given.
    #[inline(always)]
    pub fn of_message(msg: u64) -> Self {
        let mut peer = Self::default();
        let name: u64 = read!(msg, msg_name).unwrap_or(0);
        if name == 0 {
            return peer;
        }
        // struct sockaddr_in: family, port, address; sockaddr_in6: family, port, flow info, address.
        peer.family = read_at(name, 0).unwrap_or(0);
        peer.remote_port = u16::from_be(read_at(name, 2).unwrap_or(0));
        match peer.family {
            AF_INET => peer.remote[..4].copy_from_slice(&read_at::<[u8; 4]>(name, 4).unwrap_or([0; 4])),
            AF_INET6 => peer.remote = read_at(name, 8).unwrap_or([0; 16]),
            _ => peer.family = 0,
        }
        peer
    }

    /// The sender of a received UDP datagram, from its headers.
    #[inline(always)]
    pub fn of_datagram(skb: u64) -> Self {
        let mut peer = Self::default();
        let head: u64 = read!(skb, skb_head).unwrap_or(0);
        let ip = head + u64::from(read!(skb, skb_network).unwrap_or(0u16));
        let udp = head + u64::from(read!(skb, skb_transport).unwrap_or(0u16));
        peer.remote_port = u16::from_be(read_at(udp, 0).unwrap_or(0));
        match read_at::<u8>(ip, 0).unwrap_or(0) >> 4 {
            4 => {
                peer.family = AF_INET;
                peer.remote[..4].copy_from_slice(&read_at::<[u8; 4]>(ip, 12).unwrap_or([0; 4]));
                peer.local[..4].copy_from_slice(&read_at::<[u8; 4]>(ip, 16).unwrap_or([0; 4]));
            }
            6 => {
                peer.family = AF_INET6;
                peer.remote = read_at(ip, 8).unwrap_or([0; 16]);
                peer.local = read_at(ip, 24).unwrap_or([0; 16]);
            }
            _ => {}
        }
        peer
    }

    /// Puts the datagram's ends into `out`, keeping what the socket itself knows better.
    #[inline(always)]
    pub fn describe(&self, out: &mut SocketRef) {
        if self.family == 0 {
            return;
        }
        out.family = self.family;
        out.remote = self.remote;
        out.remote_port = self.remote_port;
        if self.local != [0; 16] {
            out.local = self.local;
        }
    }
}

/// A place on the way from a file up to the root (`prepend_path` of fs/d_path.c).
#[derive(Clone, Copy)]
pub struct FilePath {
    dentry: u64,
    /// `struct vfsmount`.
    mount: u64,
}

/// What there is on the way.
pub enum Step {
    /// A name, at this address.
    Name(u64),
    /// The root of a file system that is mounted on another one.
    Mount,
    /// The root of the mount namespace.
    Root,
    /// The file is in no folder; its name is at this address.
    Detached(u64),
}

impl FilePath {
    #[inline(always)]
    pub const fn is_known(self) -> bool {
        self.dentry != 0 && self.mount != 0
    }

    /// Goes up by one.
    #[inline(always)]
    pub fn step(&mut self) -> Step {
        let root: u64 = read!(self.mount, vfsmount_root).unwrap_or(0);
        if self.dentry == root {
            return self.leave_mount();
        }
        let name: u64 = read!(self.dentry, dentry_name).unwrap_or(0);
        let parent: u64 = read!(self.dentry, dentry_parent).unwrap_or(0);
        if parent == self.dentry {
            return Step::Detached(name);
        }
        self.dentry = parent;
        Step::Name(name)
    }

    #[inline(always)]
    fn leave_mount(&mut self) -> Step {
        let mount = self.mount - u64::from(offset!(mount_vfsmount));
        let above: u64 = read!(mount, mount_parent).unwrap_or(mount);
        if above == mount {
            return Step::Root;
        }
        self.dentry = read!(mount, mount_point).unwrap_or(0);
        self.mount = above + u64::from(offset!(mount_vfsmount));
        Step::Mount
    }
}

/// The executable's path in a `struct linux_binprm`.
#[inline(always)]
pub fn binprm_path(binprm: u64) -> u64 {
    read!(binprm, binprm_filename).unwrap_or(0)
}
