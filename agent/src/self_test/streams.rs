//! The test's TCP connections.

use std::io::{self, IoSlice, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsRawFd;
use std::time::Duration;

use pidflow_schema::Protocol;
use socket2::{Domain, Socket, Type};

use super::expected::{Act, Expected};
use super::tap::Listening;

/// Time limit of each call of the test, because a firewall may drop packets on loopback.
pub(super) const CALL_LIMIT: Duration = Duration::from_secs(1);

/// The port of a connect that fails anyway.
const DISCARD_PORT: u16 = 9;

/// Families of system calls. Backends that trace system calls have a hook for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Calls {
    /// sendto(2), recvfrom(2) and accept4(2).
    Plain,
    /// sendmsg(2), recvmsg(2) and accept(2).
    Message,
    /// sendmmsg(2), recvmmsg(2) and accept4(2).
    Messages,
}

impl Calls {
    pub(super) const ALL: [Self; 3] = [Self::Plain, Self::Message, Self::Messages];

    const fn accepted_by(self) -> &'static [&'static str] {
        match self {
            Self::Message => {
                &["fexit_accept_of_two", "fexit_accept_of_four", "kretprobe_inet_csk_accept", "sys_exit_accept"]
            }
            Self::Plain | Self::Messages => {
                &["fexit_accept_of_two", "fexit_accept_of_four", "kretprobe_inet_csk_accept", "sys_exit_accept4"]
            }
        }
    }

    const fn sent_by(self) -> &'static [&'static str] {
        match self {
            Self::Plain => {
                &["sock_send", "fentry_tcp_sendmsg", "kprobe_tcp_sendmsg", "sys_enter_sendto", "sys_exit_sendto"]
            }
            Self::Message => {
                &["sock_send", "fentry_tcp_sendmsg", "kprobe_tcp_sendmsg", "sys_enter_sendmsg", "sys_exit_sendmsg"]
            }
            Self::Messages => {
                &["sock_send", "fentry_tcp_sendmsg", "kprobe_tcp_sendmsg", "sys_enter_sendmmsg", "sys_exit_sendmmsg"]
            }
        }
    }

    const fn received_by(self) -> &'static [&'static str] {
        match self {
            Self::Plain => {
                &["sock_receive", "fentry_tcp_recvmsg", "kprobe_tcp_recvmsg", "sys_enter_recvfrom", "sys_exit_recvfrom"]
            }
            Self::Message => {
                &["sock_receive", "fentry_tcp_recvmsg", "kprobe_tcp_recvmsg", "sys_enter_recvmsg", "sys_exit_recvmsg"]
            }
            Self::Messages => {
                &["sock_receive", "fentry_tcp_recvmsg", "kprobe_tcp_recvmsg", "sys_enter_recvmmsg", "sys_exit_recvmmsg"]
            }
        }
    }

    fn send(self, socket: &mut Socket) -> io::Result<usize> {
        match self {
            Self::Plain => socket.write(b"x"),
            Self::Message => socket.send_vectored(&[IoSlice::new(b"x")]),
            Self::Messages => send_messages(socket),
        }
    }

    fn receive(self, socket: &mut Socket) -> io::Result<usize> {
        match self {
            Self::Plain => socket.read(&mut [0]),
            Self::Message => socket.read_vectored(&mut [io::IoSliceMut::new(&mut [0])]),
            Self::Messages => receive_messages(socket),
        }
    }

    fn accept(self, listener: &Socket) -> io::Result<Socket> {
        if self != Self::Message {
            return Ok(listener.accept()?.0);
        }
        let none = std::ptr::null_mut();
        // SAFETY: no address is requested; the new descriptor has no other owner.
        unsafe {
            match libc::accept(listener.as_raw_fd(), none, none.cast()) {
                -1 => Err(io::Error::last_os_error()),
                fd => Ok(std::os::fd::FromRawFd::from_raw_fd(fd)),
            }
        }
    }
}

/// Makes a call with one message of one byte.
fn with_message(call: impl FnOnce(*mut libc::mmsghdr) -> libc::c_int) -> io::Result<usize> {
    let mut byte = [b'x'];
    let mut part = libc::iovec { iov_base: byte.as_mut_ptr().cast(), iov_len: 1 };
    // SAFETY: an all-zero mmsghdr is an empty message.
    let mut message: libc::mmsghdr = unsafe { std::mem::zeroed() };
    message.msg_hdr.msg_iov = &raw mut part;
    message.msg_hdr.msg_iovlen = 1;
    match call(&raw mut message) {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(message.msg_len as usize),
    }
}

fn send_messages(socket: &Socket) -> io::Result<usize> {
    // SAFETY: the one message lives until the call returns.
    with_message(|message| unsafe { libc::sendmmsg(socket.as_raw_fd(), message, 1, 0) })
}

fn receive_messages(socket: &Socket) -> io::Result<usize> {
    let no_limit = std::ptr::null_mut();
    // SAFETY: the one message lives until the call returns; no time limit is passed.
    with_message(|message| unsafe { libc::recvmmsg(socket.as_raw_fd(), message, 1, 0, no_limit) })
}

/// Binds a socket to a port that the kernel chooses, and watches that port with the tap.
pub(super) fn bound(
    tap: &Listening<'_>,
    address: IpAddr,
    kind: Type,
    protocol: u8,
) -> io::Result<(Socket, SocketAddr)> {
    let socket = Socket::new(Domain::for_address((address, 0).into()), kind, None)?;
    socket.bind(&SocketAddr::new(address, 0).into())?;
    socket.set_read_timeout(Some(CALL_LIMIT))?;
    socket.set_write_timeout(Some(CALL_LIMIT))?;
    let bound = socket.local_addr()?.as_socket().ok_or_else(|| io::Error::other("a socket without a port"))?;
    tap.watch(protocol, bound.port());
    Ok((socket, bound))
}

/// Which end of a connection sends. Its first use of a socket is reported for each end: of the client it is the connect,
/// of the server what it does first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sender {
    Client,
    Server,
}

/// Makes one connection and sends one byte over it. Each completed step is added to `done`.
///
/// # Errors
/// A step failed; the steps before it are in `done`.
pub(super) fn connection(
    tap: &Listening<'_>,
    address: IpAddr,
    (calls, sender): (Calls, Sender),
    done: &mut Vec<Expected>,
) -> io::Result<()> {
    let tcp = |port| (Protocol::TCP, address, port);
    let (listener, server) = bound(tap, address, Type::STREAM, Protocol::TCP)?;
    listener.listen(1)?;
    done.push(Expected::of_socket(Act::Listen, tcp(server.port()), "a TCP listener", &["tcp_state"]));
    let (mut socket, client) = bound(tap, address, Type::STREAM, Protocol::TCP)?;
    socket.connect(&server.into())?;
    let of_client = |act, what, by| Expected::of_socket(act, tcp(client.port()), what, by).to(server.port());
    let of_server = |act, what, by| Expected::of_socket(act, tcp(server.port()), what, by).to(client.port());
    done.push(of_client(Act::Connect, "a TCP connection made", &["tcp_state"]));
    let mut accepted = calls.accept(&listener)?;
    accepted.set_read_timeout(Some(CALL_LIMIT))?;
    done.push(of_server(Act::Accept, "a TCP connection accepted", calls.accepted_by()));
    if sender == Sender::Client {
        calls.send(&mut socket)?;
        calls.receive(&mut accepted)?;
        done.push(of_server(Act::Receive, "a TCP receive", calls.received_by()));
    } else {
        calls.send(&mut accepted)?;
        done.push(of_server(Act::Send, "a TCP send", calls.sent_by()));
    }
    drop(socket);
    done.push(of_client(Act::Close, "a TCP connection closed", &["tcp_close_by_state"]));
    Ok(())
}

/// Connects to a multicast address, which TCP refuses at once on every host.
///
/// # Errors
/// A socket cannot be opened or bound.
pub(super) fn failing(tap: &Listening<'_>, address: IpAddr, done: &mut Vec<Expected>) -> io::Result<()> {
    let (socket, local) = bound(tap, address, Type::STREAM, Protocol::TCP)?;
    let (group, by) = refused_group(address);
    if socket.connect(&SocketAddr::new(group, DISCARD_PORT).into()).is_ok() {
        return Err(io::Error::other(format!("a TCP connection to {group} was possible")));
    }
    let at = (Protocol::TCP, address, local.port());
    let what = "a TCP connect that failed at once";
    // The cgroup's hooks on connects see the failure when the socket is closed.
    for (by, needs) in by.into_iter().zip([None, Some("cgroup_sock_release")]) {
        done.push(Expected { needs, ..Expected::of_socket(Act::FailedConnect, at, what, by).to(DISCARD_PORT) });
    }
    Ok(())
}

/// The group of all hosts, and the hooks that report a connect to it: those on the function, and those of the cgroup.
const fn refused_group(of: IpAddr) -> (IpAddr, [&'static [&'static str]; 2]) {
    match of {
        IpAddr::V4(_) => (
            IpAddr::V4(Ipv4Addr::new(224, 0, 0, 1)),
            [&["fexit_tcp_v4_connect", "kprobe_tcp_v4_connect", "kretprobe_tcp_v4_connect"], &["cgroup_connect4"]],
        ),
        IpAddr::V6(_) => (
            IpAddr::V6(Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1)),
            [&["fexit_tcp_v6_connect", "kprobe_tcp_v6_connect", "kretprobe_tcp_v6_connect"], &["cgroup_connect6"]],
        ),
    }
}

/// A connection attempt that stays unanswered, because the listener's queue is full.
#[derive(Debug)]
pub(super) struct Pending {
    _sockets: [Socket; 3],
    pub(super) expected: Expected,
}

/// Begins a connection that stays unanswered.
///
/// # Errors
/// A socket cannot be opened, bound or connected.
pub(super) fn pending(tap: &Listening<'_>, address: IpAddr) -> io::Result<Pending> {
    let (listener, server) = bound(tap, address, Type::STREAM, Protocol::TCP)?;
    // A queue of length 0 takes one connection, which is never accepted.
    listener.listen(0)?;
    let (filler, _) = bound(tap, address, Type::STREAM, Protocol::TCP)?;
    filler.connect(&server.into())?;
    let (socket, client) = bound(tap, address, Type::STREAM, Protocol::TCP)?;
    socket.set_nonblocking(true)?;
    match socket.connect(&server.into()) {
        Err(e) if e.raw_os_error() != Some(libc::EINPROGRESS) => return Err(e),
        _ => {}
    }
    let by = &["tcp_retransmit", "fentry_tcp_connect", "kprobe_tcp_connect"];
    let at = (Protocol::TCP, address, client.port());
    let expected = Expected::of_socket(Act::Connect, at, "an unanswered TCP connection", by).to(server.port());
    Ok(Pending { _sockets: [listener, filler, socket], expected: Expected { needs: Some("tcp_state"), ..expected } })
}
