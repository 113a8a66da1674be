//! The test's datagrams: UDP, and ICMP echo and raw IP if the agent is permitted to send them.

use std::io;
use std::mem::MaybeUninit;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use pidflow_schema::Protocol;
use socket2::{Domain, Socket, Type};

use super::expected::{Act, Expected};
use super::streams::{CALL_LIMIT, bound};
use super::tap::Listening;

/// IP protocol number for experiments and tests (RFC 3692), so that no other program receives these packets.
const EXPERIMENT: u8 = 253;

/// Programs and attach points of an address family that report datagrams.
struct Hooks {
    sent_to: &'static [&'static str],
    received_from: &'static [&'static str],
    echo_sent: &'static [&'static str],
    raw_sent: &'static [&'static str],
    raw_received: &'static [&'static str],
}

const IPV4: Hooks = Hooks {
    sent_to: &["cgroup_udp4_sendmsg", "fentry_udp_sendmsg", "kprobe_udp_sendmsg"],
    received_from: &["cgroup_udp4_recvmsg", "fentry_skb_consume_udp", "kprobe_skb_consume_udp"],
    echo_sent: &["fentry_ping_v4_sendmsg", "kprobe_ping_v4_sendmsg"],
    raw_sent: &["fentry_raw_sendmsg", "kprobe_raw_sendmsg"],
    raw_received: &["fentry_raw_recvmsg", "kprobe_raw_recvmsg"],
};

const IPV6: Hooks = Hooks {
    sent_to: &["cgroup_udp6_sendmsg", "fentry_udpv6_sendmsg", "kprobe_udpv6_sendmsg"],
    received_from: &["cgroup_udp6_recvmsg", "fentry_skb_consume_udp", "kprobe_skb_consume_udp"],
    echo_sent: &["fentry_ping_v6_sendmsg", "kprobe_ping_v6_sendmsg"],
    raw_sent: &["fentry_rawv6_sendmsg", "kprobe_rawv6_sendmsg"],
    raw_received: &["fentry_rawv6_recvmsg", "kprobe_rawv6_recvmsg"],
};

const fn hooks(address: IpAddr) -> &'static Hooks {
    if address.is_ipv4() { &IPV4 } else { &IPV6 }
}

const CLOSED_BY: &[&str] = &["cgroup_sock_release", "fentry_inet_release", "kprobe_inet_release"];

/// Sends one datagram between two unconnected sockets, closes the sender, and connects a third socket.
///
/// # Errors
/// A step failed; the steps before it are in `done`.
pub(super) fn exchange(tap: &Listening<'_>, address: IpAddr, done: &mut Vec<Expected>) -> io::Result<()> {
    let udp = |at: SocketAddr| (Protocol::UDP, address, at.port());
    let (receiver, to) = bound(tap, address, Type::DGRAM, Protocol::UDP)?;
    let (sender, from) = bound(tap, address, Type::DGRAM, Protocol::UDP)?;
    sender.send_to(b"x", &to.into())?;
    let Hooks { sent_to, received_from, .. } = hooks(address);
    done.push(Expected::of_socket(Act::Send, udp(from), "the destination of a datagram", sent_to).to(to.port()));
    done.push(Expected::of_socket(Act::Send, udp(from), "a UDP send", &["sock_send"]).to(0));
    receiver.recv_from(&mut [MaybeUninit::uninit()])?;
    done.push(Expected::of_socket(Act::Receive, udp(to), "the sender of a datagram", received_from).to(from.port()));
    done.push(Expected::of_socket(Act::Receive, udp(to), "a UDP receive", &["sock_receive"]).to(0));
    drop(sender);
    done.push(Expected::of_socket(Act::Close, udp(from), "a UDP socket closed", CLOSED_BY));
    let (connected, own) = bound(tap, address, Type::DGRAM, Protocol::UDP)?;
    connected.connect(&to.into())?;
    let by = &["sys_enter_connect", "sys_exit_connect"];
    done.push(Expected::of_socket(Act::Connect, udp(own), "a UDP socket connected", by));
    Ok(())
}

/// Sends an ICMP echo request over a ping socket and receives the reply.
///
/// # Errors
/// The agent's group may not use ping sockets (`net.ipv4.ping_group_range`), or a step failed.
pub(super) fn echo(tap: &Listening<'_>, address: IpAddr, done: &mut Vec<Expected>) -> io::Result<()> {
    let (protocol, kind) = if address.is_ipv4() { (Protocol::ICMP, 8) } else { (Protocol::ICMPV6, 128) };
    let to = SocketAddr::new(address, 0);
    let socket = Socket::new(Domain::for_address(to), Type::DGRAM, Some(i32::from(protocol).into()))?;
    socket.bind(&to.into())?;
    socket.set_read_timeout(Some(CALL_LIMIT))?;
    let port = socket.local_addr()?.as_socket().map_or(0, |at| at.port());
    tap.watch(protocol, port);
    // Type, code, checksum and identifier (the kernel fills in both), sequence number.
    socket.send_to(&[kind, 0, 0, 0, 0, 0, 0, 1], &to.into())?;
    let at = (protocol, address, port);
    done.push(Expected::of_socket(Act::Send, at, "an ICMP echo", hooks(address).echo_sent));
    socket.recv_from(&mut [MaybeUninit::uninit(); 64])?;
    let by = &["fentry_ping_recvmsg", "kprobe_ping_recvmsg"];
    done.push(Expected::of_socket(Act::Receive, at, "the answer to an ICMP echo", by));
    Ok(())
}

/// Raw sockets, one for each address family. The test's thread lacks the capability to open them.
#[derive(Debug, Default)]
pub(crate) struct RawSockets(Vec<(IpAddr, Socket)>);

impl RawSockets {
    /// Opens the raw sockets. Without CAP_NET_RAW there are none.
    pub(super) fn open() -> Self {
        let open = |address: IpAddr| {
            let kind = Some(i32::from(EXPERIMENT).into());
            let socket = Socket::new(Domain::for_address((address, 0).into()), Type::RAW, kind).ok()?;
            socket.set_read_timeout(Some(CALL_LIMIT)).ok()?;
            socket.bind(&SocketAddr::new(address, 0).into()).ok()?;
            Some((address, socket))
        };
        Self(LOOPBACKS.into_iter().filter_map(open).collect())
    }

    /// Sends one packet from each socket to itself.
    ///
    /// # Errors
    /// A step failed; the steps before it are in `done`.
    pub(super) fn exchange(&self, tap: &Listening<'_>, done: &mut Vec<Expected>) -> io::Result<()> {
        tap.watch(EXPERIMENT, 0);
        for (address, socket) in &self.0 {
            let at = (EXPERIMENT, *address, 0);
            socket.send_to(b"x", &SocketAddr::new(*address, 0).into())?;
            done.push(Expected::of_socket(Act::Send, at, "a raw IP send", hooks(*address).raw_sent));
            socket.recv_from(&mut [MaybeUninit::uninit(); 64])?;
            done.push(Expected::of_socket(Act::Receive, at, "a raw IP receive", hooks(*address).raw_received));
        }
        Ok(())
    }
}

/// The addresses that the test uses.
pub(super) const LOOPBACKS: [IpAddr; 2] = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
