//! The facts that the steps of the test must cause, and the hooks that must report them.

use std::net::IpAddr;

use pidflow_engine::fact::{Fact, SocketUse};

/// What a process did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    Fork,
    Exec,
    Exit,
    Connect,
    FailedConnect,
    Accept,
    Listen,
    Send,
    Receive,
    Close,
}

/// The part of a fact that the test compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) act: Act,
    /// The process that used the socket, or the parent of the process that was forked, executed a program or ended.
    pub(super) pid: u32,
    pub(super) protocol: u8,
    pub(super) local_port: u16,
    pub(super) remote_port: u16,
    pub(super) is_ipv4: bool,
}

impl Seen {
    /// None: the test causes no facts of this kind.
    pub(super) fn of(fact: &Fact) -> Option<Self> {
        match fact {
            Fact::Fork { parent, .. } => Some(Self::of_process(Act::Fork, parent.id.pid)),
            Fact::Exec { parent_pid, .. } => Some(Self::of_process(Act::Exec, *parent_pid)),
            Fact::Exit { parent_pid, .. } => Some(Self::of_process(Act::Exit, *parent_pid)),
            Fact::Socket { task, used, socket, .. } => Some(Self {
                act: act(*used)?,
                pid: task.id.pid,
                protocol: socket.protocol,
                local_port: socket.local_port,
                remote_port: socket.remote_port,
                is_ipv4: socket.local.is_ipv4(),
            }),
            _ => None,
        }
    }

    const fn of_process(act: Act, pid: u32) -> Self {
        Self { act, pid, protocol: 0, local_port: 0, remote_port: 0, is_ipv4: true }
    }

    pub(super) const fn is_of_socket(&self) -> bool {
        !matches!(self.act, Act::Fork | Act::Exec | Act::Exit)
    }
}

const fn act(used: SocketUse) -> Option<Act> {
    Some(match used {
        SocketUse::Connect => Act::Connect,
        SocketUse::Accept => Act::Accept,
        SocketUse::Listen => Act::Listen,
        SocketUse::Send => Act::Send,
        SocketUse::Receive => Act::Receive,
        SocketUse::Close => Act::Close,
        SocketUse::ConnectFailed { .. } => Act::FailedConnect,
        SocketUse::Held | SocketUse::HeldListening => return None,
    })
}

/// A fact that hooks must report.
#[derive(Debug, Clone)]
pub(super) struct Expected {
    pub(super) act: Act,
    /// IP protocol; 0: the fact is about a process, not about a socket.
    pub(super) protocol: u8,
    pub(super) is_ipv4: bool,
    pub(super) local_port: u16,
    /// None: any port matches.
    pub(super) remote_port: Option<u16>,
    /// What was done, for messages.
    pub(super) what: &'static str,
    /// Programs and attach points; each one that is attached must report the fact.
    pub(super) told_by: &'static [&'static str],
    /// A program without which these hooks cannot report the fact.
    pub(super) needs: Option<&'static str>,
}

impl Expected {
    /// A fact about the child process.
    pub(super) const fn of_child(act: Act, what: &'static str, told_by: &'static [&'static str]) -> Self {
        let (local_port, remote_port) = (0, None);
        Self { act, protocol: 0, is_ipv4: true, local_port, remote_port, what, told_by, needs: None }
    }

    /// A fact about a socket with any remote port.
    pub(super) const fn of_socket(
        act: Act,
        (protocol, local, port): (u8, IpAddr, u16),
        what: &'static str,
        told_by: &'static [&'static str],
    ) -> Self {
        let is_ipv4 = local.is_ipv4();
        Self { act, protocol, is_ipv4, local_port: port, remote_port: None, what, told_by, needs: None }
    }

    /// Requires this remote port; 0: the fact has none.
    pub(super) const fn to(self, remote_port: u16) -> Self {
        Self { remote_port: Some(remote_port), ..self }
    }

    /// Whether `seen` is the expected fact, if `own_pid` is the agent's process id.
    pub(super) fn is(&self, seen: &Seen, own_pid: u32) -> bool {
        let is_same_act = self.act == seen.act && seen.pid == own_pid;
        let is_same_socket = self.protocol == seen.protocol
            && self.is_ipv4 == seen.is_ipv4
            && self.local_port == seen.local_port
            && self.remote_port.is_none_or(|port| port == seen.remote_port);
        is_same_act && is_same_socket
    }

    /// The address family, for messages.
    pub(super) const fn family(&self) -> &'static str {
        match (self.protocol, self.is_ipv4) {
            (0, _) => "",
            (_, true) => " over IPv4",
            (_, false) => " over IPv6",
        }
    }
}
