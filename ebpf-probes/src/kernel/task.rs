//! A thread and its process: identity and resource usage.

use aya_ebpf::helpers::generated::bpf_get_current_task;
use pidflow_schema::abi::{
    ABSENT, COMM_LEN, MAX_SUMMED_THREADS, TaskRef, USAGE_DELAY, USAGE_PEAK, USAGE_RSS, USAGE_WHOLE, Usage,
};

use super::{FilePath, Sock, page_size, read_at};
use crate::memory::inherited_peak;

/// `PF_KTHREAD` of `include/linux/sched.h`.
const KERNEL_THREAD: u32 = 0x0020_0000;
/// Kinds of resident pages: file, anonymous, swap entries (not resident), shared memory (`include/linux/mm_types_task.h`).
const RESIDENT: [usize; 3] = [0, 1, 3];

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

    /// A thread of the parent process.
    #[inline(always)]
    pub fn parent(self) -> Self {
        Self(read!(self.0, task_parent).unwrap_or(0))
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

    /// Whether it is a kernel thread, which closes sockets that another process has given up.
    #[inline(always)]
    pub fn is_kernel_thread(self) -> bool {
        let flags: u32 = read!(self.0, task_flags).unwrap_or(0);
        flags & KERNEL_THREAD != 0
    }

    /// Fills in the identity of this thread's process, and returns its leader.
    #[inline(always)]
    pub fn describe(self, out: &mut TaskRef) -> Self {
        let leader = self.leader().0;
        out.start_ns = read!(leader, task_start).unwrap_or(0);
        out.tgid = read!(leader, task_tgid).unwrap_or(0);
        let cred: u64 = read!(self.0, task_cred).unwrap_or(0);
        out.uid = read!(cred, cred_euid).unwrap_or(u32::MAX);
        out.comm = read!(leader, task_comm).unwrap_or([0; COMM_LEN]);
        Self(leader)
    }

    /// Fills in the resource usage of this thread's process since its start.
    #[inline(always)]
    pub fn usage(self, out: &mut Usage) {
        *out = Usage::default();
        self.cpu_and_faults(out);
        self.memory(out);
    }

    /// `signal_struct` contains the sums of ended threads. The live threads (and a leader that ended first) are added
    /// one by one.
    #[inline(always)]
    fn cpu_and_faults(self, out: &mut Usage) {
        let signal: u64 = read!(self.0, task_signal).unwrap_or(0);
        out.cpu_ns = read!(signal, signal_runtime).unwrap_or(0);
        out.minor_faults = read!(signal, signal_minor).unwrap_or(0);
        out.major_faults = read!(signal, signal_major).unwrap_or(0);
        out.threads = read!(signal, signal_nr_threads).unwrap_or(0);
        let head = signal + u64::from(offset!(signal_threads));
        let mut node: u64 = read!(signal, signal_threads).unwrap_or(0);
        for _ in 0..MAX_SUMMED_THREADS as usize {
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

    /// After `exit_mm` there is no `mm` any more, but `signal_struct` keeps the peak, unless a program before the last
    /// exec had a higher one.
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

    /// The highest peak of all programs that the process executed before, pages.
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
        FilePath::of(file)
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
        // A descriptor may be of any kind: only the sk of a socket points back to it.
        let back: u64 = read!(sk, sock_socket).unwrap_or(0);
        (back == socket).then_some(Sock(sk))
    }
}

/// Kernels since 6.2 count in `struct percpu_counter`s, whose shared part is read here. The parts not yet added to it
/// are at most a batch of pages for each CPU; /proc/PID/statm leaves them out too.
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

/// Size of `struct percpu_counter`, set by the loader; 0 on kernels without it.
#[unsafe(no_mangle)]
static PERCPU_COUNTER_SIZE: u64 = 0;

fn percpu_counter_size() -> u64 {
    // SAFETY: as for `offset!`.
    unsafe { core::ptr::read_volatile(&raw const PERCPU_COUNTER_SIZE) }
}
