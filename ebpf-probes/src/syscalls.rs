//! Tracepoints of the socket calls, for kernels that have neither kprobes nor `sock_send_length` (before 6.3). Only
//! these few system calls are traced, never all.

use aya_ebpf::helpers::bpf_get_current_pid_tgid;
use aya_ebpf::macros::{map, tracepoint};
use aya_ebpf::maps::LruHashMap;
use aya_ebpf::programs::TracePointContext;
use pidflow_schema::abi::SocketOp;

use crate::emit::now;
use crate::kernel::{IPPROTO_TCP, Peer, Task};
use crate::socket::{happened, used_since};

/// The call that a thread is in.
#[map]
static IN_CALL: LruHashMap<u64, Call> = LruHashMap::with_max_entries(16_384, 0);

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Call {
    fd: u64,
    since_ns: u64,
}

/// Offset of the first argument of `sys_enter_*` and the result of `sys_exit_*`: both follow the common fields and the
/// call's number.
const FIRST: usize = 16;

fn first(ctx: &TracePointContext) -> i64 {
    // SAFETY: every event of a system call has its first argument or its result there.
    unsafe { ctx.read_at(FIRST) }.unwrap_or(-1)
}

/// Entry of sendto, sendmsg, sendmmsg, recvfrom, recvmsg, recvmmsg or connect. The socket may get its port only during
/// the call, so its descriptor is kept for the exit.
#[tracepoint]
pub fn call_enter(ctx: TracePointContext) -> u32 {
    let call = Call { fd: first(&ctx) as u64, since_ns: now() };
    let _ = IN_CALL.insert(&bpf_get_current_pid_tgid(), &call, 0);
    0
}

/// Exit of sendto, sendmsg or sendmmsg.
#[tracepoint]
pub fn call_sent(ctx: TracePointContext) -> u32 {
    leave(&ctx, SocketOp::Send);
    0
}

/// Exit of recvfrom, recvmsg or recvmmsg.
#[tracepoint]
pub fn call_received(ctx: TracePointContext) -> u32 {
    leave(&ctx, SocketOp::Receive);
    0
}

/// Exit of connect: from now on a datagram socket may be used through read and write, which are not traced. TCP is
/// reported by its state.
#[tracepoint]
pub fn call_connected(ctx: TracePointContext) -> u32 {
    let thread = bpf_get_current_pid_tgid();
    let Some(call) = IN_CALL.get_ptr(&thread) else { return 0 };
    // SAFETY: a map value, valid for the program's run.
    let Call { fd, .. } = unsafe { *call };
    if first(&ctx) == 0
        && let Some(sk) = Task::current().socket(fd)
        && sk.protocol() != IPPROTO_TCP
    {
        happened(SocketOp::Connect, sk);
    }
    let _ = IN_CALL.remove(&thread);
    0
}

/// Exit of accept or accept4: the result is the connection's descriptor.
#[tracepoint]
pub fn call_accepted(ctx: TracePointContext) -> u32 {
    let fd = first(&ctx);
    if fd >= 0
        && let Some(sk) = Task::current().socket(fd as u64)
    {
        happened(SocketOp::Accept, sk);
    }
    0
}

#[inline(always)]
fn leave(ctx: &TracePointContext, op: SocketOp) {
    let thread = bpf_get_current_pid_tgid();
    let Some(call) = IN_CALL.get_ptr(&thread) else { return };
    // SAFETY: a map value, valid for the program's run.
    let Call { fd, since_ns } = unsafe { *call };
    if first(ctx) > 0
        && let Some(sk) = Task::current().socket(fd)
    {
        used_since(op, sk, Peer::default(), since_ns);
    }
    let _ = IN_CALL.remove(&thread);
}
