//! A thread and its process: identity and resource usage.

use aya_ebpf::helpers::generated::bpf_get_current_task;
use pidflow_schema::abi::{
    ABSENT, MAX_SUMMED_THREADS, TaskRef, USAGE_DELAY, USAGE_PEAK, USAGE_READ, USAGE_RSS, USAGE_WHOLE, Usage,
};

use super::{FilePath, Sock, count_failure, page_size, read_at, read_next};
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
        let pid: u32 = read!(self.0, task_pid);
        pid == self.tgid()
    }

    #[inline(always)]
    pub fn leader(self) -> Self {
        Self(find!(self.0, task_leader).unwrap_or(self.0))
    }

    #[inline(always)]
    pub fn tgid(self) -> u32 {
        read!(self.0, task_tgid)
    }

    /// A thread of the parent process.
    #[inline(always)]
    pub fn parent(self) -> Self {
        Self(read!(self.0, task_parent))
    }

    #[inline(always)]
    pub fn exit_code(self) -> u32 {
        read!(self.0, task_exit_code)
    }

    /// Whether no thread of the process remains (`do_exit` has already subtracted this one).
    #[inline(always)]
    pub fn is_last_thread(self) -> bool {
        let signal: u64 = read!(self.0, task_signal);
        let live: u32 = find!(signal, signal_live).unwrap_or(1);
        live == 0
    }

    /// Whether it is a kernel thread, which closes sockets that another process has given up.
    #[inline(always)]
    pub fn is_kernel_thread(self) -> bool {
        let flags: u32 = read!(self.0, task_flags);
        flags & KERNEL_THREAD != 0
    }

    /// Fills in the identity of this thread's process, and returns its leader.
    #[inline(always)]
    pub fn describe(self, out: &mut TaskRef) -> Self {
        let leader = self.leader().0;
        read_to!(out.start_ns, leader, task_start);
        read_to!(out.tgid, leader, task_tgid);
        let cred: u64 = read!(self.0, task_cred);
        out.uid = find!(cred, cred_euid).unwrap_or(u32::MAX);
        read_to!(out.comm, leader, task_comm);
        Self(leader)
    }

    /// Fills in the resource usage of this thread's process since its start.
    #[inline(always)]
    pub fn usage(self, out: &mut Usage) {
        *out = Usage { flags: USAGE_READ, ..Usage::default() };
        self.cpu_and_faults(out);
        self.memory(out);
    }

    /// `signal_struct` contains the sums of ended threads. The live threads (and a leader that ended first) are added
    /// one by one.
    #[inline(always)]
    fn cpu_and_faults(self, out: &mut Usage) {
        let signal: u64 = read!(self.0, task_signal);
        read_to!(out.cpu_ns, signal, signal_runtime);
        read_to!(out.minor_faults, signal, signal_minor);
        read_to!(out.major_faults, signal, signal_major);
        read_to!(out.threads, signal, signal_nr_threads);
        if out.threads > MAX_SUMMED_THREADS {
            return; // The sum would not be whole.
        }
        let head = signal + u64::from(offset!(signal_threads));
        let mut node: u64 = read!(signal, signal_threads);
        let mut failure = 0;
        for _ in 0..MAX_SUMMED_THREADS as usize {
            if node == head {
                break;
            }
            Self(node - u64::from(offset!(task_thread_node))).add_thread(out, &mut failure);
            node = read_next(node, 0, &mut failure);
        }
        count_failure(failure);
        if node == head {
            out.flags |= USAGE_WHOLE;
        }
    }

    #[inline(always)]
    fn add_thread(self, out: &mut Usage, failure: &mut i64) {
        let mut next = |base, offset| -> u64 { read_next(base, offset, failure) };
        out.cpu_ns += next(self.0, offset!(task_runtime));
        out.minor_faults += next(self.0, offset!(task_minor));
        out.major_faults += next(self.0, offset!(task_major));
        let delays = next(self.0, offset!(task_delays));
        out.blkio_delay_ns += next(delays, offset!(delay_blkio));
        // An address of the kernel has the highest bit set. A branch would double the work of the verifier for each thread.
        out.flags |= (delays >> 63) as u32 * USAGE_DELAY;
    }

    /// After `exit_mm` there is no `mm` any more, but `signal_struct` keeps the peak, unless a program before the last
    /// exec had a higher one.
    #[inline(always)]
    fn memory(self, out: &mut Usage) {
        let mm: u64 = read!(self.0, task_mm);
        let peak = if mm == 0 {
            let kept = self.kept_peak();
            if kept > inherited_peak(self.tgid()) { kept } else { 0 }
        } else {
            let resident = resident_pages(mm);
            out.rss = resident * page_size();
            out.flags |= USAGE_RSS;
            resident.max(read!(mm, mm_hiwater))
        };
        if peak != 0 {
            out.peak_rss = peak * page_size();
            out.flags |= USAGE_PEAK;
        }
    }

    /// The highest peak of all programs that the process executed before, pages.
    #[inline(always)]
    pub fn kept_peak(self) -> u64 {
        let signal: u64 = read!(self.0, task_signal);
        read!(signal, signal_maxrss)
    }

    /// The file that the process executes.
    #[inline(always)]
    pub fn executable(self) -> FilePath {
        let mm: u64 = read!(self.0, task_mm);
        let file: u64 = read!(mm, mm_executable);
        FilePath::of(file)
    }

    /// Start and length of the argument strings in user memory.
    #[inline(always)]
    pub fn arguments(self) -> (u64, u64) {
        let mm: u64 = read!(self.0, task_mm);
        let start: u64 = read!(mm, mm_arg_start);
        let end: u64 = read!(mm, mm_arg_end);
        (start, end.saturating_sub(start))
    }

    /// The socket behind a descriptor of this thread.
    #[inline(always)]
    pub fn socket(self, fd: u64) -> Option<Sock> {
        let files: u64 = read!(self.0, task_files);
        let table: u64 = read!(files, files_fdt);
        let array: u64 = read!(table, fdt_fd);
        let file: u64 = read_at(array + (fd & 0xffff) * 8, 0);
        let socket: u64 = read!(file, file_private);
        let sk: u64 = read!(socket, socket_sk);
        // A descriptor may be of any kind: only the sk of a socket points back to it.
        let back: u64 = read!(sk, sock_socket);
        (sk != 0 && back == socket).then_some(Sock(sk))
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
        pages += read_at::<i64>(at, 0).max(0);
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
