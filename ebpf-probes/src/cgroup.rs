//! Programs attached to the root of the cgroup2 hierarchy. They run in the process that makes the call, and need
//! neither kprobes nor fentry.

use aya_ebpf::macros::{cgroup_sock, cgroup_sock_addr};
use aya_ebpf::programs::{SockAddrContext, SockContext};
use pidflow_schema::abi::SocketOp;

use crate::kernel::{Peer, Sock};
use crate::socket::{closed, given_up, used};

/// A cgroup program can refuse some calls; 1 allows them.
pub const ALLOW: i32 = 1;

/// `BPF_CGROUP_INET_SOCK_RELEASE`, in `inet_release()`: the last reference is closed, for every protocol, IPv4 and IPv6.
#[cgroup_sock(sock_release)]
pub fn cgroup_sock_release(ctx: SockContext) -> i32 {
    if let Some(sk) = Sock::of_context(&ctx) {
        given_up(sk);
        closed(sk);
    }
    ALLOW
}

/// `BPF_CGROUP_UDP4_SENDMSG`, in `udp_sendmsg()`: a datagram is sent to an address that the call names, IPv4.
#[cgroup_sock_addr(sendmsg4)]
pub fn cgroup_udp4_sendmsg(ctx: SockAddrContext) -> i32 {
    addressed(SocketOp::Send, &ctx, Peer::of_address4(&ctx))
}

/// `BPF_CGROUP_UDP6_SENDMSG`, in `udpv6_sendmsg()`: the same, IPv6.
#[cgroup_sock_addr(sendmsg6)]
pub fn cgroup_udp6_sendmsg(ctx: SockAddrContext) -> i32 {
    addressed(SocketOp::Send, &ctx, Peer::of_address6(&ctx))
}

/// `BPF_CGROUP_UDP4_RECVMSG`, in `udp_recvmsg()`: a datagram was received whose sender the call asks for, IPv4.
#[cgroup_sock_addr(recvmsg4)]
pub fn cgroup_udp4_recvmsg(ctx: SockAddrContext) -> i32 {
    addressed(SocketOp::Receive, &ctx, Peer::of_address4(&ctx))
}

/// `BPF_CGROUP_UDP6_RECVMSG`, in `udpv6_recvmsg()`: the same, IPv6, and IPv4 in a socket of both.
#[cgroup_sock_addr(recvmsg6)]
pub fn cgroup_udp6_recvmsg(ctx: SockAddrContext) -> i32 {
    addressed(SocketOp::Receive, &ctx, Peer::of_address6(&ctx))
}

#[inline(always)]
fn addressed(op: SocketOp, ctx: &SockAddrContext, peer: Peer) -> i32 {
    if let Some(sk) = Sock::of_address(ctx) {
        used(op, sk, peer);
    }
    ALLOW
}
