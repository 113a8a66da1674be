//! Programs attached to the root of the cgroup2 hierarchy. They run in the process that makes the call, and need
//! neither kprobes nor fentry.

use aya_ebpf::macros::cgroup_sock;
use aya_ebpf::programs::SockContext;

use crate::kernel::Sock;
use crate::socket::closed;

/// A cgroup program can refuse some calls; 1 allows them.
const ALLOW: i32 = 1;

/// `BPF_CGROUP_INET_SOCK_RELEASE`, in `inet_release()`: the last reference is closed, for every protocol, IPv4 and IPv6.
#[cgroup_sock(sock_release)]
pub fn cgroup_sock_release(ctx: SockContext) -> i32 {
    if let Some(sk) = Sock::of_context(&ctx) {
        closed(sk);
    }
    ALLOW
}
