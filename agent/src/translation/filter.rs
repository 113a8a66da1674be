//! A socket filter (classic BPF) by which the kernel queues only notices of translated connections. On most hosts, few connections are
//! translated, and a queue that is full of others loses notices.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use libc::{
    BPF_ABS, BPF_B, BPF_H, BPF_IMM, BPF_IND, BPF_JEQ, BPF_JMP, BPF_JSET, BPF_K, BPF_LD, BPF_LDX, BPF_RET, BPF_W,
};
use libc::{sock_filter, sock_fprog};
use netlink_packet_core::NLM_F_MULTIPART;

/// Offset of the message's type in `nlmsghdr` of linux/netlink.h, at the byte with the subsystem, bytes.
const SUBSYSTEM_AT: u32 = if cfg!(target_endian = "little") { 5 } else { 4 };
/// Offset of the flags in it, bytes.
const FLAGS_AT: u32 = 6;
/// Length of `nlmsghdr` and `nfgenmsg`, after which the attributes begin, bytes.
const ATTRIBUTES_AT: u32 = 20;
/// Length of an attribute's header, bytes.
const ATTRIBUTE_HEADER: u32 = 4;
/// `NFNL_SUBSYS_CTNETLINK` of linux/netfilter/nfnetlink.h.
const CTNETLINK: u32 = 1;
/// `CTA_STATUS` of linux/netfilter/nfnetlink_conntrack.h.
const CTA_STATUS: u32 = 3;
/// `IPS_SRC_NAT` and `IPS_DST_NAT` of linux/netfilter/nf_conntrack_common.h.
const TRANSLATED: u32 = 1 << 4 | 1 << 5;
/// `SKF_AD_OFF` + `SKF_AD_NLATTR` of linux/filter.h: loads the offset of the attribute X, searched from offset A on; 0: none.
const FIND_ATTRIBUTE: u32 = (-0x1000_i32 + 12).cast_unsigned();
const ACCEPT: u32 = u32::MAX;

/// Passes answers, parts of lists, and notices of translated connections.
const PROGRAM: [sock_filter; 13] = [
    load(BPF_LD | BPF_H | BPF_ABS, FLAGS_AT),
    // The program loads big-endian numbers, the header has the host's.
    jump(BPF_JSET, NLM_F_MULTIPART.to_be() as u32, (9, 0)),
    load(BPF_LD | BPF_B | BPF_ABS, SUBSYSTEM_AT),
    jump(BPF_JEQ, CTNETLINK, (0, 7)),
    load(BPF_LD | BPF_IMM, ATTRIBUTES_AT),
    load(BPF_LDX | BPF_IMM, CTA_STATUS),
    load(BPF_LD | BPF_W | BPF_ABS, FIND_ATTRIBUTE),
    jump(BPF_JEQ, 0, (3, 0)),
    load(libc::BPF_MISC | libc::BPF_TAX, 0),
    load(BPF_LD | BPF_W | BPF_IND, ATTRIBUTE_HEADER),
    jump(BPF_JSET, TRANSLATED, (0, 1)),
    load(BPF_RET | BPF_K, ACCEPT),
    load(BPF_RET | BPF_K, 0),
];

#[expect(clippy::cast_possible_truncation, reason = "codes have 16 bits")]
const fn load(code: u32, k: u32) -> sock_filter {
    sock_filter { code: code as u16, jt: 0, jf: 0, k }
}

/// Jumps over so many instructions if the condition holds, and if it does not.
#[expect(clippy::cast_possible_truncation, reason = "codes have 16 bits")]
const fn jump(condition: u32, k: u32, (jt, jf): (u8, u8)) -> sock_filter {
    sock_filter { code: (BPF_JMP | condition | BPF_K) as u16, jt, jf, k }
}

/// Attaches the filter to a netlink socket.
///
/// # Errors
/// The kernel refuses it.
pub(super) fn attach(socket: BorrowedFd<'_>) -> io::Result<()> {
    let mut program = PROGRAM;
    let program = sock_fprog { len: PROGRAM.len() as u16, filter: program.as_mut_ptr() };
    // SAFETY: the kernel reads the program, which lives until the call returns, and no more than its length.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_ATTACH_FILTER,
            (&raw const program).cast(),
            size_of::<sock_fprog>() as libc::socklen_t,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
