//! TCP: connect, accept, listen, and the end of connections.

use aya_ebpf::macros::{fentry, fexit, kprobe, kretprobe, raw_tracepoint};
use aya_ebpf::programs::{FEntryContext, FExitContext, ProbeContext, RawTracePointContext, RetProbeContext};
use pidflow_schema::abi::SocketOp;

use crate::kernel::{IPPROTO_TCP, Sock, TCP_CLOSE, number};
use crate::socket::{attempted, closed, connecting, forget, happened, listened, unaccepted};

/// `include/net/tcp_states.h`.
const ESTABLISHED: u32 = 1;
const SYN_SENT: u32 = 2;
const SYN_RECV: u32 = 3;
const FIN_WAIT1: u32 = 4;
const CLOSE: u32 = TCP_CLOSE;
const CLOSE_WAIT: u32 = 8;
const LAST_ACK: u32 = 9;
const LISTEN: u32 = 10;

/// `inet_sock_set_state(sk, old, new)`.
///
/// The current process owns the socket only when the new state is SYN_SENT, when LISTEN begins or ends, and when this
/// side begins to close (see [`tcp_close_by_state`]), because system calls make these changes. All others also happen
/// in softirq, where the current process is arbitrary.
#[raw_tracepoint]
pub fn tcp_state(ctx: RawTracePointContext) -> i32 {
    let sk = Sock(ctx.arg(0));
    let (old, new): (u32, u32) = (ctx.arg(1), ctx.arg(2));
    // Most changes are irrelevant: checked before anything is read.
    let tells = match (old, new) {
        (SYN_SENT, _) | (_, SYN_SENT | LISTEN) | (LISTEN, CLOSE) => true,
        (ESTABLISHED, CLOSE_WAIT | CLOSE) => !sk.has_socket(),
        _ => false,
    };
    if tells && sk.is_inet() && sk.protocol() == IPPROTO_TCP {
        state_changed(sk, old, new);
    }
    0
}

#[inline(always)]
fn state_changed(sk: Sock, old: u32, new: u32) {
    match (old, new) {
        (_, SYN_SENT) => connecting(sk),
        (SYN_SENT, ESTABLISHED | CLOSE) => {
            attempted(sk, new == CLOSE);
            forget(sk);
        }
        (_, LISTEN) | (LISTEN, _) => {
            listened(if new == LISTEN { SocketOp::Listen } else { SocketOp::Close }, sk);
        }
        // The client ends it, or the listener is closed.
        (ESTABLISHED, _) => unaccepted(sk),
        _ => {}
    }
}

/// The same tracepoint, attached in addition to [`tcp_state`] if no hook on `inet_release` is available: this side
/// begins to close the connection.
#[raw_tracepoint]
pub fn tcp_close_by_state(ctx: RawTracePointContext) -> i32 {
    let sk = Sock(ctx.arg(0));
    let (old, new): (u32, u32) = (ctx.arg(1), ctx.arg(2));
    let ends = match (old, new) {
        (ESTABLISHED | SYN_RECV, FIN_WAIT1) | (CLOSE_WAIT, LAST_ACK) => true,
        (ESTABLISHED | CLOSE_WAIT | SYN_RECV, CLOSE) => sk.is_shut(),
        _ => false,
    };
    if ends {
        closed(sk);
    }
    0
}

/// `tcp_retransmit_skb(sk, skb)`: the second SYN shows an unanswered attempt.
#[raw_tracepoint]
pub fn tcp_retransmit(ctx: RawTracePointContext) -> i32 {
    let sk = Sock(ctx.arg(0));
    if u32::from(sk.state()) == SYN_SENT {
        attempted(sk, false);
    }
    0
}

/// `tcp_connect(sk)`: the source port is chosen, the first SYN not yet sent; IPv4 and IPv6.
#[fentry]
pub fn fentry_tcp_connect(ctx: FEntryContext) -> i32 {
    attempted(Sock(number(ctx.arg(0))), false);
    0
}

/// See [`fentry_tcp_connect`].
#[kprobe]
pub fn kprobe_tcp_connect(ctx: ProbeContext) -> u32 {
    if let Some(sk) = ctx.arg(0) {
        attempted(Sock(sk), false);
    }
    0
}

/// `inet_csk_accept(sk, arguments)`, since kernel 6.10, returns the connection to the process that
/// accepts it; the result comes after the arguments.
#[fexit]
pub fn fexit_accept_of_two(ctx: FExitContext) -> i32 {
    accepted(number(ctx.arg(2)));
    0
}

/// `inet_csk_accept(sk, flags, error, kern)`, before kernel 6.10.
#[fexit]
pub fn fexit_accept_of_four(ctx: FExitContext) -> i32 {
    accepted(number(ctx.arg(4)));
    0
}

/// See [`fexit_accept_of_two`]; the result does not depend on the arguments here.
#[kretprobe]
pub fn kretprobe_inet_csk_accept(ctx: RetProbeContext) -> u32 {
    accepted(ctx.ret());
    0
}

#[inline(always)]
fn accepted(sk: u64) {
    if sk != 0 {
        happened(SocketOp::Accept, Sock(sk));
    }
}

/// `inet_release(socket)`: the last reference is closed, for every protocol, IPv4 and IPv6.
#[fentry]
pub fn fentry_inet_release(ctx: FEntryContext) -> i32 {
    released(number(ctx.arg(0)));
    0
}

/// See [`fentry_inet_release`].
#[kprobe]
pub fn kprobe_inet_release(ctx: ProbeContext) -> u32 {
    if let Some(socket) = ctx.arg(0) {
        released(socket);
    }
    0
}

#[inline(always)]
fn released(socket: u64) {
    if let Some(sk) = Sock::of_socket(socket) {
        closed(sk);
    }
}
