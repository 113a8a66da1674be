//! Sending and receiving: these run in the process that uses the socket.

use aya_ebpf::macros::{fentry, kprobe, raw_tracepoint};
use aya_ebpf::programs::{FEntryContext, ProbeContext, RawTracePointContext};
use pidflow_schema::abi::SocketOp;

use crate::kernel::{Peer, Sock, number};
use crate::socket::used;

/// `sock_send_length(sk, length, flags)`, since kernel 6.3: after a send, all protocols.
#[raw_tracepoint]
pub fn sock_send(ctx: RawTracePointContext) -> i32 {
    used(SocketOp::Send, Sock(ctx.arg(0)), Peer::default());
    0
}

/// `sock_recv_length(sk, length, flags)`, since kernel 6.3: after a receive, all protocols.
#[raw_tracepoint]
pub fn sock_receive(ctx: RawTracePointContext) -> i32 {
    // If the result is an error or the end of the stream, nothing was received.
    if ctx.arg::<i32>(1) > 0 {
        used(SocketOp::Receive, Sock(ctx.arg(0)), Peer::default());
    }
    0
}

/// `(sk, …)`: the socket has both ends, or the call comes before the other end is known.
#[inline(always)]
fn sent(sk: u64, _second: impl FnOnce() -> u64) {
    used(SocketOp::Send, Sock(sk), Peer::default());
}

/// `(sk, msg, …)`: the message may contain the destination.
#[inline(always)]
fn sent_to(sk: u64, msg: impl FnOnce() -> u64) {
    used(SocketOp::Send, Sock(sk), Peer::of_message(msg()));
}

/// `(sk, …)`.
#[inline(always)]
fn received(sk: u64, _second: impl FnOnce() -> u64) {
    used(SocketOp::Receive, Sock(sk), Peer::default());
}

/// `(sk, skb, …)`: the headers contain the sender even if the process did not request it.
#[inline(always)]
fn received_from(sk: u64, skb: impl FnOnce() -> u64) {
    used(SocketOp::Receive, Sock(sk), Peer::of_datagram(skb()));
}

/// Defines both entry points of one kernel function, because an fentry program serves one function only.
macro_rules! entry {
    ($handler:ident: $fentry:ident, $kprobe:ident) => {
        #[fentry]
        pub fn $fentry(ctx: FEntryContext) -> i32 {
            $handler(number(ctx.arg(0)), || number(ctx.arg(1)));
            0
        }

        #[kprobe]
        pub fn $kprobe(ctx: ProbeContext) -> u32 {
            if let (Some(first), Some(second)) = (ctx.arg(0), ctx.arg(1)) {
                $handler(first, || second);
            }
            0
        }
    };
}

entry!(sent: fentry_tcp_sendmsg, kprobe_tcp_sendmsg);
entry!(received: fentry_tcp_recvmsg, kprobe_tcp_recvmsg);
entry!(sent_to: fentry_udp_sendmsg, kprobe_udp_sendmsg);
entry!(sent_to: fentry_udpv6_sendmsg, kprobe_udpv6_sendmsg);
entry!(received_from: fentry_skb_consume_udp, kprobe_skb_consume_udp);
entry!(sent_to: fentry_ping_v4_sendmsg, kprobe_ping_v4_sendmsg);
entry!(sent_to: fentry_ping_v6_sendmsg, kprobe_ping_v6_sendmsg);
entry!(received: fentry_ping_recvmsg, kprobe_ping_recvmsg);
entry!(sent_to: fentry_raw_sendmsg, kprobe_raw_sendmsg);
entry!(sent_to: fentry_rawv6_sendmsg, kprobe_rawv6_sendmsg);
entry!(received: fentry_raw_recvmsg, kprobe_raw_recvmsg);
entry!(received: fentry_rawv6_recvmsg, kprobe_rawv6_recvmsg);
