//! A socket: identity, addresses and state.

use aya_ebpf::programs::{SockAddrContext, SockContext};
use pidflow_schema::abi::SocketRef;

use super::{number, read_at, read_into};

/// `SHUTDOWN_MASK` of `include/net/sock.h`: both directions are shut.
const SHUT: u8 = 3;

/// A `struct sock`.
#[derive(Clone, Copy)]
pub struct Sock(pub u64);

/// A state of TCP, also of a socket that was never connected (`include/net/tcp_states.h`).
pub const TCP_CLOSE: u32 = 7;
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
        Self::at(number(ctx.sock as u64))
    }

    /// The socket of a cgroup program that is told an address. It is read as a number, as in [`Sock::of_context`].
    #[inline(always)]
    pub fn of_address(ctx: &SockAddrContext) -> Option<Self> {
        // SAFETY: the context is valid for the program's run.
        let sk = unsafe { core::ptr::read_volatile(&raw const (*ctx.sock_addr).__bindgen_anon_1.sk) };
        Self::at(number(sk as u64))
    }

    /// The `struct sock` of a `struct socket`.
    #[inline(always)]
    pub fn of_socket(socket: u64) -> Option<Self> {
        Self::at(read!(socket, socket_sk))
    }

    #[inline(always)]
    fn at(address: u64) -> Option<Self> {
        (address != 0).then_some(Self(address))
    }

    #[inline(always)]
    pub fn family(self) -> u16 {
        read!(self.0, sock_family)
    }

    #[inline(always)]
    pub fn is_inet(self) -> bool {
        matches!(self.family(), AF_INET | AF_INET6)
    }

    #[inline(always)]
    pub fn state(self) -> u8 {
        read!(self.0, sock_state)
    }

    #[inline(always)]
    pub fn protocol(self) -> u16 {
        read!(self.0, sock_protocol)
    }

    #[inline(always)]
    pub fn error(self) -> u32 {
        read!(self.0, sock_err)
    }

    /// Whether this side has shut both directions. After a reset by the peer, the kernel shuts them only after the
    /// change of state (`tcp_done`).
    #[inline(always)]
    pub fn is_shut(self) -> bool {
        let shutdown: u8 = read!(self.0, sock_shutdown);
        shutdown == SHUT
    }

    /// Whether it has a `struct socket`: a connection gets one as a process accepts it, and keeps it until it is closed.
    #[inline(always)]
    pub fn has_socket(self) -> bool {
        find!(self.0, sock_socket).unwrap_or(1u64) != 0
    }

    /// Inode number as in /proc/PID/fd; 0 before the socket has a file.
    #[inline(always)]
    pub fn inode(self) -> u64 {
        let socket: u64 = read!(self.0, sock_socket);
        if socket == 0 {
            return 0;
        }
        read!(socket + u64::from(offset!(socket_inode)), inode_ino)
    }

    /// Fills in the socket's identity and addresses.
    #[inline(always)]
    pub fn describe(self, out: &mut SocketRef) {
        let head = Head::of(self);
        out.sk = self.0;
        out.inode = self.inode();
        out.family = part!(head, sock_family);
        out.protocol = self.protocol();
        let socket_type: u16 = read!(self.0, sock_type);
        out.socket_type = u32::from(socket_type);
        out.local_port = self.local_port(&head);
        out.remote_port = u16::from_be(part!(head, sock_dport));
        let net: u64 = part!(head, sock_net);
        out.netns = read!(net, net_inum);
        head.addresses(out);
    }

    /// `skc_num` is 0 once the kernel has released the port, which happens before the state change is reported.
    #[inline(always)]
    fn local_port(self, head: &Head) -> u16 {
        let held: u16 = part!(head, sock_num);
        if held != 0 { held } else { u16::from_be(read!(self.0, inet_sport)) }
    }
}

/// The first bytes of a `struct sock`, in which most members of its `struct sock_common` are: each read is a call that costs
/// more than what it copies.
struct Head {
    sock: Sock,
    words: [u64; HEAD_LEN / 8],
}

/// Up to and with `skc_net` of the kernels since 5.10; more would leave too little of the programs' stacks.
const HEAD_LEN: usize = 56;

/// A member of `struct sock_common`, from the [`Head`].
macro_rules! part {
    ($head:expr, $name:ident) => {
        $head.at(offset!($name))
    };
}
use part;

impl Head {
    #[inline(always)]
    fn of(sock: Sock) -> Self {
        let mut words = [0; HEAD_LEN / 8];
        read_into(&mut words, sock.0, 0);
        Self { sock, words }
    }

    /// A member at an offset; what is beyond the head is read on its own.
    #[inline(always)]
    fn at<T: Copy + Default>(&self, offset: u32) -> T {
        let at = offset as usize;
        if at > HEAD_LEN - size_of::<T>() {
            return read_at(self.sock.0, offset);
        }
        // SAFETY: the member is within the words, and is a number or an array of bytes.
        unsafe { core::ptr::read(self.words.as_ptr().cast::<u8>().add(at).cast()) }
    }

    #[inline(always)]
    fn addresses(&self, out: &mut SocketRef) {
        if out.family == AF_INET {
            let (local, remote): ([u8; 4], [u8; 4]) = (part!(self, sock_saddr), part!(self, sock_daddr));
            out.local = four(local);
            out.remote = four(remote);
        } else {
            out.local = part!(self, sock_saddr6);
            out.remote = part!(self, sock_daddr6);
        }
    }
}

/// An IPv4 address in the room of an IPv6 one.
#[inline(always)]
fn four(address: [u8; 4]) -> [u8; 16] {
    let [a, b, c, d] = address;
    [a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
}
