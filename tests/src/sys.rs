//! Thin wrappers around the system calls that the standard library lacks.

use std::fs;
use std::io::{self, IoSlice, IoSliceMut};
use std::marker::PhantomData;
use std::mem;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};

/// Wall time, nanoseconds since the epoch.
#[must_use]
pub fn now_ns() -> u64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX)
}

/// Turns the result of a system call into an error where it is -1.
pub fn check(result: i32) -> io::Result<i32> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// A process that this one forked. It is killed and reaped when dropped.
#[derive(Debug)]
pub struct Forked {
    pid: i32,
    reaped: bool,
}

impl Forked {
    /// Its number in the PID namespace of the parent.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid.unsigned_abs()
    }

    /// Waits until it ends; an error unless its exit status is 0.
    pub fn join(mut self) -> Result<()> {
        self.reaped = true;
        let mut status = 0;
        // SAFETY: waits for our own child; `status` outlives the call.
        check(unsafe { libc::waitpid(self.pid, &raw mut status, 0) }).context("waitpid")?;
        if status != 0 {
            bail!("process {} ended with wait status {status:#x}", self.pid);
        }
        Ok(())
    }
}

impl Drop for Forked {
    fn drop(&mut self) {
        if !self.reaped {
            // SAFETY: signals and reaps our own child, whose number cannot be reused before it is reaped.
            unsafe {
                libc::kill(self.pid, libc::SIGKILL);
                libc::waitpid(self.pid, std::ptr::null_mut(), 0);
            }
        }
    }
}

/// Forks; the child runs `work` and ends. The calling process must have only one thread.
pub fn fork(work: impl FnOnce() -> Result<()>) -> Result<Forked> {
    // SAFETY: this process has one thread, so the child may do anything afterwards.
    let pid = check(unsafe { libc::fork() }).context("fork")?;
    if pid != 0 {
        return Ok(Forked { pid, reaped: false });
    }
    die_with_parent();
    let outcome = work();
    if let Err(error) = &outcome {
        eprintln!("scenario process {}: {error:#}", std::process::id());
    }
    // SAFETY: ends the child without running what the parent registered for its own end.
    unsafe { libc::_exit(i32::from(outcome.is_err())) }
}

/// The kernel kills this process when its parent ends: nothing survives a test that failed.
pub fn die_with_parent() {
    // SAFETY: no pointers are involved.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
}

/// The calling process lives on when its parent ends.
pub fn outlive_parent() {
    // SAFETY: no pointers are involved.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, 0) };
}

/// Changes the user of the calling process, which must have only one thread, permanently.
pub fn set_user(uid: u32) -> Result<()> {
    // SAFETY: no pointers are involved.
    check(unsafe { libc::setresuid(uid, uid, uid) }).context("setresuid").map(drop)
}

/// Makes the kernel reset the connection when it is closed (`SO_LINGER` with 0).
pub fn reset_on_close(stream: &impl AsRawFd) -> Result<()> {
    let linger = libc::linger { l_onoff: 1, l_linger: 0 };
    let size = libc::socklen_t::try_from(size_of::<libc::linger>())?;
    // SAFETY: the option is read from `linger`, which outlives the call.
    let result = unsafe {
        libc::setsockopt(stream.as_raw_fd(), libc::SOL_SOCKET, libc::SO_LINGER, (&raw const linger).cast(), size)
    };
    check(result).context("SO_LINGER").map(drop)
}

/// Renames the calling process (its leading thread).
pub fn set_own_name(name: &str) -> Result<()> {
    fs::write("/proc/self/comm", name).context("set process name")
}

/// Opens a socket for the family of `address`.
pub fn socket(address: IpAddr, kind: i32, protocol: i32) -> io::Result<OwnedFd> {
    let family = if address.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
    // SAFETY: a new descriptor that nobody else owns.
    unsafe {
        let fd = check(libc::socket(family, kind | libc::SOCK_CLOEXEC, protocol))?;
        Ok(OwnedFd::from_raw_fd(fd))
    }
}

/// Sets an integer socket option.
pub fn set_option(fd: &impl AsRawFd, level: i32, option: i32, value: i32) -> io::Result<()> {
    let size = size_of_val(&value) as libc::socklen_t;
    // SAFETY: `value` outlives the call and `size` is its size.
    check(unsafe { libc::setsockopt(fd.as_raw_fd(), level, option, (&raw const value).cast(), size) })?;
    Ok(())
}

/// `bind(2)`.
pub fn bind(fd: &impl AsRawFd, address: SocketAddr) -> io::Result<()> {
    with_raw(address, |raw, size| {
        // SAFETY: `with_raw` gives a valid address and its length.
        check(unsafe { libc::bind(fd.as_raw_fd(), raw, size) })
    })?;
    Ok(())
}

/// `connect(2)`.
pub fn connect(fd: &impl AsRawFd, address: SocketAddr) -> io::Result<()> {
    with_raw(address, |raw, size| {
        // SAFETY: `with_raw` gives a valid address and its length.
        check(unsafe { libc::connect(fd.as_raw_fd(), raw, size) })
    })?;
    Ok(())
}

/// `listen(2)`.
pub fn listen(fd: &impl AsRawFd, backlog: i32) -> io::Result<()> {
    // SAFETY: no pointers are involved.
    check(unsafe { libc::listen(fd.as_raw_fd(), backlog) })?;
    Ok(())
}

/// `sendto(2)`; all of it must be sent.
pub fn send_to(fd: &impl AsRawFd, bytes: &[u8], address: SocketAddr, flags: i32) -> io::Result<()> {
    let sent = with_raw(address, |raw, size| {
        // SAFETY: `with_raw` gives a valid address and its length; `bytes` outlives the call.
        unsafe { libc::sendto(fd.as_raw_fd(), bytes.as_ptr().cast(), bytes.len(), flags, raw, size) }
    });
    match usize::try_from(sent) {
        Ok(size) if size == bytes.len() => Ok(()),
        Ok(size) => Err(io::Error::other(format!("{size} bytes sent"))),
        Err(_) => Err(io::Error::last_os_error()),
    }
}

/// Calls with the address as the kernel has it.
pub fn with_raw<T>(address: SocketAddr, call: impl FnOnce(*const libc::sockaddr, libc::socklen_t) -> T) -> T {
    match address {
        SocketAddr::V4(v4) => {
            let raw = libc::sockaddr_in {
                sin_family: libc::AF_INET as libc::sa_family_t,
                sin_port: v4.port().to_be(),
                sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes(v4.ip().octets()) },
                sin_zero: [0; 8],
            };
            call((&raw const raw).cast(), size_of_val(&raw) as libc::socklen_t)
        }
        SocketAddr::V6(v6) => {
            let raw = libc::sockaddr_in6 {
                sin6_family: libc::AF_INET6 as libc::sa_family_t,
                sin6_port: v6.port().to_be(),
                sin6_flowinfo: v6.flowinfo(),
                sin6_addr: libc::in6_addr { s6_addr: v6.ip().octets() },
                sin6_scope_id: v6.scope_id(),
            };
            call((&raw const raw).cast(), size_of_val(&raw) as libc::socklen_t)
        }
    }
}

/// Space for one descriptor in a control message, with the alignment that `cmsghdr` asks for.
#[repr(C, align(8))]
struct Control([u8; 64]);

/// Sends a descriptor over a Unix socket (`SCM_RIGHTS`, unix(7)).
pub fn send_descriptor(over: &UnixStream, descriptor: RawFd) -> io::Result<()> {
    let mut control = Control([0; 64]);
    let byte = [1_u8];
    let mut data = [IoSlice::new(&byte)];
    // SAFETY: an all-zero msghdr is a valid empty one.
    let mut message: libc::msghdr = unsafe { mem::zeroed() };
    message.msg_iov = data.as_mut_ptr().cast();
    message.msg_iovlen = 1;
    message.msg_control = control.0.as_mut_ptr().cast();
    // SAFETY: `control` has room for one header and one descriptor; all pointers outlive the call.
    unsafe {
        let size = size_of::<RawFd>() as u32;
        message.msg_controllen = libc::CMSG_SPACE(size) as _;
        let header = libc::CMSG_FIRSTHDR(&raw const message);
        (*header).cmsg_level = libc::SOL_SOCKET;
        (*header).cmsg_type = libc::SCM_RIGHTS;
        (*header).cmsg_len = libc::CMSG_LEN(size) as _;
        libc::CMSG_DATA(header).cast::<RawFd>().write_unaligned(descriptor);
        if libc::sendmsg(over.as_raw_fd(), &raw const message, 0) < 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// Receives a descriptor over a Unix socket; none at the end of the stream.
pub fn receive_descriptor(over: &UnixStream) -> io::Result<Option<OwnedFd>> {
    let mut control = Control([0; 64]);
    let mut byte = [0_u8];
    let mut data = [IoSliceMut::new(&mut byte)];
    // SAFETY: an all-zero msghdr is a valid empty one.
    let mut message: libc::msghdr = unsafe { mem::zeroed() };
    message.msg_iov = data.as_mut_ptr().cast();
    message.msg_iovlen = 1;
    message.msg_control = control.0.as_mut_ptr().cast();
    message.msg_controllen = size_of_val(&control.0) as _;
    // SAFETY: all pointers outlive the call; the descriptor that arrives is owned by nobody else.
    unsafe {
        if libc::recvmsg(over.as_raw_fd(), &raw mut message, libc::MSG_CMSG_CLOEXEC) < 0 {
            return Err(io::Error::last_os_error());
        }
        let header = libc::CMSG_FIRSTHDR(&raw const message);
        if header.is_null() {
            return Ok(None);
        }
        Ok(Some(OwnedFd::from_raw_fd(libc::CMSG_DATA(header).cast::<RawFd>().read_unaligned())))
    }
}

/// Moves the calling process into new namespaces (`CLONE_NEW…` flags).
pub fn unshare(namespaces: i32) -> io::Result<()> {
    // SAFETY: no pointers are involved.
    check(unsafe { libc::unshare(namespaces) })?;
    Ok(())
}

/// Sends a signal to a process that the caller started.
pub fn signal(pid: u32, signal: i32) -> io::Result<()> {
    let pid = i32::try_from(pid).map_err(io::Error::other)?;
    // SAFETY: no pointers are involved.
    check(unsafe { libc::kill(pid, signal) })?;
    Ok(())
}

/// A stopped thread of another process. It goes on when this is dropped; the process's other threads are not stopped.
#[derive(Debug)]
pub struct Halted {
    thread: i32,
    /// ptrace(2): only the thread that attached may detach.
    _not_send: PhantomData<*const ()>,
}

impl Halted {
    /// Stops the thread with this id.
    pub fn new(thread: u32) -> Result<Self> {
        let thread = i32::try_from(thread)?;
        ptrace(libc::PTRACE_SEIZE, thread)?;
        // From here on, dropping it detaches the thread.
        let halted = Self { thread, _not_send: PhantomData };
        ptrace(libc::PTRACE_INTERRUPT, thread)?;
        // SAFETY: waits for the thread that was attached; no status is asked for.
        check(unsafe { libc::waitpid(thread, std::ptr::null_mut(), libc::__WALL) }).context("waitpid")?;
        Ok(halted)
    }

    /// Its registers.
    #[cfg(target_arch = "x86_64")]
    pub fn registers(&self) -> Result<libc::user_regs_struct> {
        // SAFETY: all zero is a set of registers.
        let mut registers: libc::user_regs_struct = unsafe { mem::zeroed() };
        let none = std::ptr::null_mut::<libc::c_void>();
        // SAFETY: the kernel writes one set of registers.
        let result = unsafe { libc::ptrace(libc::PTRACE_GETREGS, self.thread, none, &raw mut registers) };
        if result < 0 { Err(io::Error::last_os_error()).context("PTRACE_GETREGS") } else { Ok(registers) }
    }

    /// Sets its registers.
    #[cfg(target_arch = "x86_64")]
    pub fn set_registers(&self, registers: &libc::user_regs_struct) -> Result<()> {
        let none = std::ptr::null_mut::<libc::c_void>();
        // SAFETY: the kernel reads one set of registers.
        let result = unsafe { libc::ptrace(libc::PTRACE_SETREGS, self.thread, none, std::ptr::from_ref(registers)) };
        if result < 0 { Err(io::Error::last_os_error()).context("PTRACE_SETREGS") } else { Ok(()) }
    }

    /// A word of its memory.
    pub fn word(&self, address: u64) -> Result<i64> {
        let none = std::ptr::null_mut::<libc::c_void>();
        let address = address as *mut libc::c_void;
        // SAFETY: the address is the other process's, and the kernel checks it.
        Ok(unsafe { libc::ptrace(libc::PTRACE_PEEKTEXT, self.thread, address, none) })
    }

    /// Lets it execute one instruction.
    pub fn step(&self) -> Result<()> {
        ptrace(libc::PTRACE_SINGLESTEP, self.thread)?;
        // SAFETY: waits for the thread that was attached; no status is asked for.
        check(unsafe { libc::waitpid(self.thread, std::ptr::null_mut(), libc::__WALL) }).context("waitpid")?;
        Ok(())
    }
}

impl Drop for Halted {
    fn drop(&mut self) {
        // This fails if the thread has ended.
        let _ = ptrace(libc::PTRACE_DETACH, self.thread);
    }
}

fn ptrace(request: libc::c_uint, thread: i32) -> Result<()> {
    let none = std::ptr::null_mut::<libc::c_void>();
    // SAFETY: the requests that are made here take neither an address nor data.
    let result = unsafe { libc::ptrace(request, thread, none, none) };
    if result < 0 { Err(io::Error::last_os_error()).context("ptrace") } else { Ok(()) }
}

/// A packet(7) socket that sends whole frames on an interface, and receives nothing.
pub fn packet_socket(interface: &str) -> io::Result<OwnedFd> {
    let name = std::ffi::CString::new(interface)?;
    // SAFETY: the name outlives the call.
    let index = unsafe { libc::if_nametoindex(name.as_ptr()) };
    // SAFETY: plain numbers, which may all be zero.
    let mut address: libc::sockaddr_ll = unsafe { mem::zeroed() };
    address.sll_family = libc::AF_PACKET as u16;
    address.sll_ifindex = i32::try_from(index).unwrap_or(0);
    let size = size_of_val(&address) as libc::socklen_t;
    // SAFETY: a new descriptor that nobody else owns; `address` outlives the call and `size` is its size.
    unsafe {
        let fd = check(libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0))?;
        let socket = OwnedFd::from_raw_fd(fd);
        check(libc::bind(fd, (&raw const address).cast(), size))?;
        Ok(socket)
    }
}

/// Sends one frame.
pub fn send_frame(socket: &impl AsRawFd, frame: &[u8]) -> io::Result<()> {
    // SAFETY: `frame` outlives the call.
    let sent = unsafe { libc::send(socket.as_raw_fd(), frame.as_ptr().cast(), frame.len(), 0) };
    if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Sets the wall clock that many seconds ahead, or back.
pub fn step_wall_clock(seconds: i64) -> io::Result<()> {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` outlives both calls.
    unsafe {
        check(libc::clock_gettime(libc::CLOCK_REALTIME, &raw mut time))?;
        time.tv_sec += seconds;
        check(libc::clock_settime(libc::CLOCK_REALTIME, &raw const time))?;
    }
    Ok(())
}

/// Lets a thread run on these processors only.
pub fn pin(thread: u32, processors: &[usize]) -> io::Result<()> {
    let thread = i32::try_from(thread).map_err(io::Error::other)?;
    // SAFETY: all zero is the empty set, and the set outlives the call.
    check(unsafe {
        let mut set: libc::cpu_set_t = mem::zeroed();
        processors.iter().for_each(|processor| libc::CPU_SET(*processor, &mut set));
        libc::sched_setaffinity(thread, size_of::<libc::cpu_set_t>(), &raw const set)
    })?;
    Ok(())
}

/// Whether a thread runs only when nothing else wants the processor (almost: with the least weight, `SCHED_IDLE`).
pub fn set_idle(thread: u32, is_idle: bool) -> io::Result<()> {
    let thread = i32::try_from(thread).map_err(io::Error::other)?;
    let policy = if is_idle { libc::SCHED_IDLE } else { libc::SCHED_OTHER };
    let parameters = libc::sched_param { sched_priority: 0 };
    // SAFETY: the parameters outlive the call.
    check(unsafe { libc::sched_setscheduler(thread, policy, &raw const parameters) })?;
    Ok(())
}

/// CPU time of the process so far, all its threads.
pub fn cpu_time(pid: u32) -> io::Result<Duration> {
    let (mut clock, mut time) = (0, libc::timespec { tv_sec: 0, tv_nsec: 0 });
    // SAFETY: both pointers are to values that live until the calls return.
    let (result, told) = unsafe {
        let result = libc::clock_getcpuclockid(pid.cast_signed(), &raw mut clock);
        (result, if result == 0 { libc::clock_gettime(clock, &raw mut time) } else { 0 })
    };
    if result != 0 {
        return Err(io::Error::from_raw_os_error(result));
    }
    check(told)?;
    Ok(Duration::new(time.tv_sec.cast_unsigned(), time.tv_nsec.unsigned_abs() as u32))
}

/// CPU time of all children that ended and were waited for, user and system.
pub fn cpu_time_of_children() -> io::Result<Duration> {
    // SAFETY: a usage of all zeros is a valid one; the call fills it in.
    let (result, usage) = unsafe {
        let mut usage: libc::rusage = mem::zeroed();
        (libc::getrusage(libc::RUSAGE_CHILDREN, &raw mut usage), usage)
    };
    check(result)?;
    let time = |t: libc::timeval| Duration::new(t.tv_sec.cast_unsigned(), t.tv_usec.unsigned_abs() as u32 * 1_000);
    Ok(time(usage.ru_utime) + time(usage.ru_stime))
}
