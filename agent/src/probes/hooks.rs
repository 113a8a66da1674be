//! The facts to collect, and the ways to collect each, best first. A way is chosen by trying it, not by kernel version.

use super::Backend;

/// One attachment of one program.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Attach {
    /// Raw tracepoint: program, tracepoint.
    Raw(&'static str, &'static str),
    /// fentry: kernel function; the program is `fentry_<function>`.
    Fentry(&'static str),
    /// fexit: program, kernel function.
    Fexit(&'static str, &'static str),
    /// kprobe: kernel function; the program is `kprobe_<function>`.
    Kprobe(&'static str),
    /// kretprobe: kernel function; the program is `kretprobe_<function>`.
    Kretprobe(&'static str),
    /// System call tracepoint: program, event of the category `syscalls`.
    Syscall(&'static str, &'static str),
    /// Program of the root cgroup: program, the kernel's name of the hook.
    Cgroup(&'static str, &'static str),
}

impl Attach {
    /// The program's name in the object.
    pub(crate) fn program(self) -> String {
        match self {
            Self::Raw(program, _) | Self::Syscall(program, _) | Self::Fexit(program, _) | Self::Cgroup(program, _) => {
                program.to_owned()
            }
            Self::Fentry(f) => format!("fentry_{f}"),
            Self::Kprobe(f) => format!("kprobe_{f}"),
            Self::Kretprobe(f) => format!("kretprobe_{f}"),
        }
    }

    /// The hook's name as an operator knows it.
    pub(crate) fn target(self) -> String {
        match self {
            Self::Raw(_, t) => format!("raw_tp:{t}"),
            Self::Fentry(f) => format!("fentry:{f}"),
            Self::Fexit(_, f) => format!("fexit:{f}"),
            Self::Kprobe(f) => format!("kprobe:{f}"),
            Self::Kretprobe(f) => format!("kretprobe:{f}"),
            Self::Syscall(_, t) => format!("tracepoint:syscalls:{t}"),
            Self::Cgroup(_, hook) => format!("cgroup:{hook}"),
        }
    }
}

/// One way to a fact: every attachment must succeed, or the next way is tried.
pub(crate) struct Attachment {
    /// The backend that this way belongs to; none: it is used with every backend.
    pub(crate) backend: Option<Backend>,
    /// What to attach.
    pub(crate) attach: &'static [Attach],
    /// What this way does not see; empty: nothing.
    pub(crate) lost: &'static str,
}

/// One fact and the ways to it.
pub(crate) struct Hook {
    /// The fact.
    pub(crate) fact: &'static str,
    /// Ways, best first.
    pub(crate) ways: &'static [Attachment],
    /// What is missing when no way can be taken.
    pub(crate) missing: &'static str,
}

const fn any(attach: &'static [Attach]) -> Attachment {
    Attachment { backend: None, attach, lost: "" }
}

const fn fentry(attach: &'static [Attach]) -> Attachment {
    Attachment { backend: Some(Backend::Fentry), attach, lost: "" }
}

const fn kprobe(attach: &'static [Attach]) -> Attachment {
    Attachment { backend: Some(Backend::Kprobe), attach, lost: "" }
}

const fn tracepoint(attach: &'static [Attach], lost: &'static str) -> Attachment {
    Attachment { backend: Some(Backend::Tracepoint), attach, lost }
}

use Attach::{Cgroup, Fentry, Fexit, Kprobe, Kretprobe, Raw, Syscall};

const EXIT_BEFORE_MEMORY: Hook = Hook {
    fact: "process exit",
    ways: &[any(&[Raw("process_exit", "sched_process_exit")])],
    missing: "processes that live shorter than the sampling interval have no resource usage",
};

const EXIT_AFTER_MEMORY: Hook = Hook {
    fact: "process exit",
    ways: &[
        fentry(&[Fentry("taskstats_exit")]),
        kprobe(&[Kprobe("taskstats_exit")]),
        tracepoint(
            &[Raw("process_exit", "sched_process_exit")],
            "the last resident memory of a process that exited (its peak is known)",
        ),
    ],
    missing: EXIT_BEFORE_MEMORY.missing,
};

/// Kernels since 6.16 fire `sched_process_exit` before the memory is given back, and pass a second argument.
pub(crate) fn exit_hook(tracepoint_arguments: Option<usize>) -> &'static Hook {
    if tracepoint_arguments.is_some_and(|n| n >= 2) { &EXIT_BEFORE_MEMORY } else { &EXIT_AFTER_MEMORY }
}

macro_rules! accept {
    ($program:literal) => {
        Hook {
            fact: "TCP accept",
            ways: &[
                fentry(&[Fexit($program, "inet_csk_accept")]),
                kprobe(&[Kretprobe("inet_csk_accept")]),
                tracepoint(
                    &[Raw("sock_receive", "sock_recv_length")],
                    "who accepted a connection on which nothing is sent or received",
                ),
                tracepoint(
                    &[Syscall("call_accepted", "sys_exit_accept"), Syscall("call_accepted", "sys_exit_accept4")],
                    "accepts through io_uring",
                ),
            ],
            missing: "the accepting process (the listener's owner is used)",
        }
    };
}

const ACCEPT_OF_TWO: Hook = accept!("fexit_accept_of_two");
const ACCEPT_OF_FOUR: Hook = accept!("fexit_accept_of_four");

/// `inet_csk_accept` has two arguments since 6.10, four before; fexit finds the result behind them.
pub(crate) fn accept_hook(arguments: Option<usize>) -> &'static Hook {
    if arguments == Some(2) { &ACCEPT_OF_TWO } else { &ACCEPT_OF_FOUR }
}

/// All facts but exit and accept.
pub(crate) const HOOKS: &[Hook] = &[
    Hook {
        fact: "process fork",
        ways: &[any(&[Raw("process_fork", "sched_process_fork")])],
        missing: "parents of short-lived processes",
    },
    Hook {
        fact: "process exec",
        ways: &[
            any(&[Raw("process_exec_resolved", "sched_process_exec")]),
            Attachment {
                backend: None,
                attach: &[Raw("process_exec", "sched_process_exec")],
                lost: "full paths of executables of short-lived processes that were given another way",
            },
        ],
        missing: "names and command lines of short-lived processes",
    },
    Hook {
        fact: "TCP state, failed connects, listeners",
        ways: &[any(&[Raw("tcp_state", "inet_sock_set_state")])],
        missing: "why a connection attempt failed; new listeners",
    },
    Hook {
        fact: "TCP connect",
        ways: &[
            fentry(&[Fentry("tcp_connect")]),
            kprobe(&[Kprobe("tcp_connect")]),
            tracepoint(&[Raw("tcp_retransmit", "tcp_retransmit_skb")], ""),
        ],
        missing: "unanswered connection attempts until they fail",
    },
    Hook {
        fact: "TCP connects that fail at once",
        ways: &[
            fentry(&[Fexit("fexit_tcp_v4_connect", "tcp_v4_connect"), Fexit("fexit_tcp_v6_connect", "tcp_v6_connect")]),
            kprobe(&[
                Kprobe("tcp_v4_connect"),
                Kretprobe("tcp_v4_connect"),
                Kprobe("tcp_v6_connect"),
                Kretprobe("tcp_v6_connect"),
            ]),
            tracepoint(
                &[
                    Cgroup("cgroup_connect4", "connect4"),
                    Cgroup("cgroup_connect6", "connect6"),
                    Cgroup("cgroup_sock_release", "sock_release"),
                ],
                "the error of a connect that fails before a packet is sent",
            ),
        ],
        missing: "connection attempts that fail before a packet is sent",
    },
    Hook {
        fact: "TCP send and receive",
        ways: &[
            fentry(&[Fentry("tcp_sendmsg"), Fentry("tcp_recvmsg")]),
            kprobe(&[Kprobe("tcp_sendmsg"), Kprobe("tcp_recvmsg")]),
            ALL_TRAFFIC,
            CALLS,
        ],
        missing: "processes that inherited a connection from another process",
    },
    Hook {
        fact: "UDP send and receive",
        ways: &[
            fentry(&[Fentry("udp_sendmsg"), Fentry("udpv6_sendmsg"), Fentry("skb_consume_udp")]),
            kprobe(&[Kprobe("udp_sendmsg"), Kprobe("udpv6_sendmsg"), Kprobe("skb_consume_udp")]),
            ALL_TRAFFIC,
            CALLS,
        ],
        missing: "UDP, except for sockets found in a snapshot",
    },
    Hook {
        fact: "peers of unconnected UDP sockets",
        ways: &[
            // The same as for sending and receiving.
            fentry(&[Fentry("udp_sendmsg"), Fentry("udpv6_sendmsg"), Fentry("skb_consume_udp")]),
            kprobe(&[Kprobe("udp_sendmsg"), Kprobe("udpv6_sendmsg"), Kprobe("skb_consume_udp")]),
            tracepoint(
                &[
                    Cgroup("cgroup_udp4_sendmsg", "udp4_sendmsg"),
                    Cgroup("cgroup_udp6_sendmsg", "udp6_sendmsg"),
                    Cgroup("cgroup_udp4_recvmsg", "udp4_recvmsg"),
                    Cgroup("cgroup_udp6_recvmsg", "udp6_recvmsg"),
                ],
                "who sent a datagram to a receiver that does not ask for the sender (the local port decides)",
            ),
            tracepoint(ALL_TRAFFIC.attach, NO_PEERS),
            tracepoint(CALLS.attach, NO_PEERS),
        ],
        missing: NO_PEERS,
    },
    Hook {
        fact: "ICMP and raw send and receive",
        ways: &[
            fentry(&[
                Fentry("ping_v4_sendmsg"),
                Fentry("ping_v6_sendmsg"),
                Fentry("ping_recvmsg"),
                Fentry("raw_sendmsg"),
                Fentry("rawv6_sendmsg"),
                Fentry("raw_recvmsg"),
                Fentry("rawv6_recvmsg"),
            ]),
            kprobe(&[
                Kprobe("ping_v4_sendmsg"),
                Kprobe("ping_v6_sendmsg"),
                Kprobe("ping_recvmsg"),
                Kprobe("raw_sendmsg"),
                Kprobe("rawv6_sendmsg"),
                Kprobe("raw_recvmsg"),
                Kprobe("rawv6_recvmsg"),
            ]),
            tracepoint(ALL_TRAFFIC.attach, NO_PEERS),
            CALLS,
        ],
        missing: "ICMP and raw sockets",
    },
    Hook {
        fact: "socket close",
        ways: &[
            fentry(&[Fentry("inet_release")]),
            kprobe(&[Kprobe("inet_release")]),
            tracepoint(&[Cgroup("cgroup_sock_release", "sock_release")], ""),
            tracepoint(
                &[Raw("tcp_close_by_state", "inet_sock_set_state")],
                "close of UDP sockets before their process ends",
            ),
        ],
        missing: "when a socket was closed",
    },
];

const ALL_TRAFFIC: Attachment =
    tracepoint(&[Raw("sock_send", "sock_send_length"), Raw("sock_receive", "sock_recv_length")], "");

const NO_PEERS: &str = "which peer an unconnected socket exchanged a datagram with (the local port decides)";

const CALLS: Attachment = tracepoint(
    &[
        Syscall("call_enter", "sys_enter_sendto"),
        Syscall("call_enter", "sys_enter_sendmsg"),
        Syscall("call_enter", "sys_enter_sendmmsg"),
        Syscall("call_enter", "sys_enter_recvfrom"),
        Syscall("call_enter", "sys_enter_recvmsg"),
        Syscall("call_enter", "sys_enter_recvmmsg"),
        Syscall("call_sent", "sys_exit_sendto"),
        Syscall("call_sent", "sys_exit_sendmsg"),
        Syscall("call_sent", "sys_exit_sendmmsg"),
        Syscall("call_received", "sys_exit_recvfrom"),
        Syscall("call_received", "sys_exit_recvmsg"),
        Syscall("call_received", "sys_exit_recvmmsg"),
        Syscall("call_enter", "sys_enter_connect"),
        Syscall("call_connected", "sys_exit_connect"),
    ],
    "sockets used through read, write, sendfile or io_uring",
);
