//! What a step of the test must be told as, and by which hooks.

use std::net::IpAddr;

use pidflow_engine::fact::{Fact, SocketUse};

/// What a process did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    Fork,
    Exec,
    Exit,
    Connect,
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
    /// The process that used the socket, or the parent of the one that began, executed or ended.
    pub(super) pid: u32,
    pub(super) protocol: u8,
    pub(super) local_port: u16,
    pub(super) remote_port: u16,
    pub(super) is_ipv4: bool,
}

impl Seen {
    /// None: the test makes no such fact.
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
        SocketUse::ConnectFailed { .. } | SocketUse::Held | SocketUse::HeldListening => return None,
    })
}

/// One fact that must come.
#[derive(Debug, Clone)]
pub(super) struct Expected {
    pub(super) act: Act,
    /// 0: of a process, not of a socket.
    pub(super) protocol: u8,
    pub(super) is_ipv4: bool,
    pub(super) local_port: u16,
    /// None: any.
    pub(super) remote_port: Option<u16>,
    /// In the words of a message.
    pub(super) what: &'static str,
    /// Programs and attach points, each of which alone must tell it where it is attached.
    pub(super) told_by: &'static [&'static str],
    /// A program without which the hook cannot tell it.
    pub(super) needs: Option<&'static str>,
}

impl Expected {
    /// Of a process.
    pub(super) const fn of_child(act: Act, what: &'static str, told_by: &'static [&'static str]) -> Self {
        let (local_port, remote_port) = (0, None);
        Self { act, protocol: 0, is_ipv4: true, local_port, remote_port, what, told_by, needs: None }
    }

    /// Of a socket; any remote end.
    pub(super) const fn of_socket(
        act: Act,
        (protocol, local, port): (u8, IpAddr, u16),
        what: &'static str,
        told_by: &'static [&'static str],
    ) -> Self {
        let is_ipv4 = local.is_ipv4();
        Self { act, protocol, is_ipv4, local_port: port, remote_port: None, what, told_by, needs: None }
    }

    /// With this port at the other end; 0: none.
    pub(super) const fn to(self, remote_port: u16) -> Self {
        Self { remote_port: Some(remote_port), ..self }
    }

    /// Whether this is it, where `own_pid` is the agent.
    pub(super) fn is(&self, seen: &Seen, own_pid: u32) -> bool {
        let is_same_act = self.act == seen.act && seen.pid == own_pid;
        let is_same_socket = self.protocol == seen.protocol
            && self.is_ipv4 == seen.is_ipv4
            && self.local_port == seen.local_port
            && self.remote_port.is_none_or(|port| port == seen.remote_port);
        is_same_act && is_same_socket
    }

    /// The family in a message.
    pub(super) const fn family(&self) -> &'static str {
        match (self.protocol, self.is_ipv4) {
            (0, _) => "",
            (_, true) => " over IPv4",
            (_, false) => " over IPv6",
        }
    }
}
