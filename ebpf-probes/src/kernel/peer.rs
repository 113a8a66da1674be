//! The other end of a datagram, from a message or from the headers.

use aya_ebpf::programs::SockAddrContext;
use pidflow_schema::abi::SocketRef;

use super::{AF_INET, AF_INET6, read_at};

/// A member of `struct bpf_sock_addr`, read on its own: the kernel allows no other access.
macro_rules! told {
    ($ctx:ident, $($member:tt)+) => {
        // SAFETY: the context is valid for the program's run.
        unsafe { core::ptr::read_volatile(&raw const (*$ctx.sock_addr).$($member)+) }
    };
}

/// The protocol of the socket of a cgroup program that is told an address.
#[inline(always)]
pub fn protocol_of(ctx: &SockAddrContext) -> u32 {
    told!(ctx, protocol)
}

/// `::ffff:0:0/96`.
const MAPPED: [u8; 12] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];

/// The other end of one datagram of a socket that may not be connected; family 0: the socket itself has it.
///
/// Not an `Option`: the compiler copies the payload of a `None` too, and the verifier refuses to read what
/// was never written.
#[derive(Clone, Copy, Default)]
pub struct Peer {
    pub family: u16,
    pub remote_port: u16,
    pub remote: [u8; 16],
    /// The destination of the datagram; all zero: unknown.
    pub local: [u8; 16],
}

impl Peer {
    /// The destination in a `struct msghdr`, where one is given.
    #[inline(always)]
    pub fn of_message(msg: u64) -> Self {
        let name: u64 = read!(msg, msg_name);
        if name == 0 { Self::default() } else { Self::of_sockaddr(name) }
    }

    /// The address in a `struct sockaddr`.
    #[inline(always)]
    pub fn of_sockaddr(name: u64) -> Self {
        let mut peer = Self::default();
        // struct sockaddr_in: family, port, address; sockaddr_in6: family, port, flow info, address.
        peer.family = read_at(name, 0);
        peer.remote_port = u16::from_be(read_at(name, 2));
        match peer.family {
            AF_INET => peer.remote[..4].copy_from_slice(&read_at::<[u8; 4]>(name, 4)),
            AF_INET6 => peer.remote = read_at(name, 8),
            _ => peer.family = 0,
        }
        peer
    }

    /// Whether it is an IPv4-mapped IPv6 address.
    #[inline(always)]
    pub fn is_mapped(&self) -> bool {
        self.family == AF_INET6 && self.remote.first_chunk() == Some(&MAPPED)
    }

    /// The IPv4 address that a cgroup program is told.
    #[inline(always)]
    pub fn of_address4(ctx: &SockAddrContext) -> Self {
        let mut peer = Self { family: AF_INET, ..Self::default() };
        peer.remote_port = u16::from_be(told!(ctx, user_port) as u16);
        peer.remote[..4].copy_from_slice(&told!(ctx, user_ip4).to_ne_bytes());
        peer
    }

    /// The IPv6 address that a cgroup program is told.
    #[inline(always)]
    pub fn of_address6(ctx: &SockAddrContext) -> Self {
        let mut peer = Self { family: AF_INET6, ..Self::default() };
        peer.remote_port = u16::from_be(told!(ctx, user_port) as u16);
        peer.remote[..4].copy_from_slice(&told!(ctx, user_ip6[0]).to_ne_bytes());
        peer.remote[4..8].copy_from_slice(&told!(ctx, user_ip6[1]).to_ne_bytes());
        peer.remote[8..12].copy_from_slice(&told!(ctx, user_ip6[2]).to_ne_bytes());
        peer.remote[12..].copy_from_slice(&told!(ctx, user_ip6[3]).to_ne_bytes());
        peer
    }

    /// The sender of a received UDP datagram, from its headers.
    #[inline(always)]
    pub fn of_datagram(skb: u64) -> Self {
        let mut peer = Self::default();
        let head: u64 = read!(skb, skb_head);
        let (network, transport): (u16, u16) = (read!(skb, skb_network), read!(skb, skb_transport));
        let (ip, udp) = (head + u64::from(network), head + u64::from(transport));
        peer.remote_port = u16::from_be(read_at(udp, 0));
        match read_at::<u8>(ip, 0) >> 4 {
            4 => {
                peer.family = AF_INET;
                peer.remote[..4].copy_from_slice(&read_at::<[u8; 4]>(ip, 12));
                peer.local[..4].copy_from_slice(&read_at::<[u8; 4]>(ip, 16));
            }
            6 => {
                peer.family = AF_INET6;
                peer.remote = read_at(ip, 8);
                peer.local = read_at(ip, 24);
            }
            _ => {}
        }
        peer
    }

    /// Writes the datagram's ends into `out`, except for values that the socket itself has.
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
