//! TCP connects that fail before a packet is sent, for example because there is no route: the socket's state does not
//! change.

use aya_ebpf::helpers::bpf_get_current_pid_tgid;
use aya_ebpf::macros::{cgroup_sock_addr, fexit, kprobe, kretprobe, map};
use aya_ebpf::maps::LruHashMap;
use aya_ebpf::programs::{FExitContext, ProbeContext, RetProbeContext, SockAddrContext};

use crate::cgroup::ALLOW;
use crate::kernel::{IPPROTO_TCP, Peer, Sock, number, protocol_of};
use crate::socket::{connect_begins, failed_at_once};

/// The connect that a thread is in, for the end of it.
#[map]
static IN_CONNECT: LruHashMap<u64, Target> = LruHashMap::with_max_entries(16_384, 0);

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Target {
    sk: u64,
    /// A `struct sockaddr`.
    address: u64,
}

#[inline(always)]
fn ended(target: Target, result: i32) {
    if result < 0 {
        failed_at_once(Sock(target.sk), Peer::of_sockaddr(target.address), result.unsigned_abs());
    }
}

/// `tcp_v4_connect(sk, address, length)`, and its result. It also serves IPv4-mapped addresses.
#[fexit]
pub fn fexit_tcp_v4_connect(ctx: FExitContext) -> i32 {
    ended(Target { sk: number(ctx.arg(0)), address: number(ctx.arg(1)) }, ctx.arg(3));
    0
}

/// `tcp_v6_connect(sk, address, length)`, and its result.
#[fexit]
pub fn fexit_tcp_v6_connect(ctx: FExitContext) -> i32 {
    let target = Target { sk: number(ctx.arg(0)), address: number(ctx.arg(1)) };
    // For these it calls `tcp_v4_connect()`.
    if !Peer::of_sockaddr(target.address).is_mapped() {
        ended(target, ctx.arg(3));
    }
    0
}

/// Defines the entry points of one kernel function: the arguments are known at the begin, the result at the end.
macro_rules! entry {
    ($begin:ident, $end:ident) => {
        #[kprobe]
        pub fn $begin(ctx: ProbeContext) -> u32 {
            if let (Some(sk), Some(address)) = (ctx.arg(0), ctx.arg(1)) {
                let _ = IN_CONNECT.insert(&bpf_get_current_pid_tgid(), &Target { sk, address }, 0);
            }
            0
        }

        #[kretprobe]
        pub fn $end(ctx: RetProbeContext) -> u32 {
            let thread = bpf_get_current_pid_tgid();
            // Where one of these functions calls the other, the inner one takes the entry.
            if let Some(target) = IN_CONNECT.get_ptr(&thread) {
                let result: u64 = ctx.ret();
                // SAFETY: a map value, valid for the program's run.
                ended(unsafe { *target }, result as i32);
                let _ = IN_CONNECT.remove(&thread);
            }
            0
        }
    };
}

entry!(kprobe_tcp_v4_connect, kretprobe_tcp_v4_connect);
entry!(kprobe_tcp_v6_connect, kretprobe_tcp_v6_connect);

/// `BPF_CGROUP_INET4_CONNECT`, before `tcp_v4_connect()`. The failure is found when the socket is closed.
#[cgroup_sock_addr(connect4)]
pub fn cgroup_connect4(ctx: SockAddrContext) -> i32 {
    begins(&ctx, Peer::of_address4)
}

/// `BPF_CGROUP_INET6_CONNECT`, before `tcp_v6_connect()`.
#[cgroup_sock_addr(connect6)]
pub fn cgroup_connect6(ctx: SockAddrContext) -> i32 {
    begins(&ctx, Peer::of_address6)
}

#[inline(always)]
fn begins(ctx: &SockAddrContext, peer: impl FnOnce(&SockAddrContext) -> Peer) -> i32 {
    if protocol_of(ctx) == u32::from(IPPROTO_TCP)
        && let Some(sk) = Sock::of_address(ctx)
    {
        connect_begins(sk, peer(ctx));
    }
    ALLOW
}
